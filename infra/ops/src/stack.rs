//! The stack that is operated: its names, its clients, and the messages that are held while they are
//! looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_adapters::{
    Connection, DEADLINES, Environment, Names, Proxies, Queues, Receive, Received, Routes, dead_letter_queue,
    kebab_case, pascal_case, reason, source_queue,
};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use bundle::{Bundle, Function, Trigger, ViewTableForm};
use eventsourcing::nearest;
use terminal::note;
use tokio::sync::RwLock;

use crate::clock::{ReadDate, ServiceClock};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::output::{count, progress};
use crate::place;

/// A stack that was found.
pub(crate) struct Stack {
    pub(crate) names: Names,
    pub(crate) connection: Connection,
    pub(crate) queues: Queues,
    pub(crate) bundle: Arc<Bundle>,
    /// Where it is, for people.
    pub(crate) at: String,
    /// The queue by which it was found, without its name.
    entrance: String,
    /// Whether it was deployed with views.
    views: bool,
    pub(crate) clock: ServiceClock,
    pub(crate) interruption: Interruption,
    held: Arc<Held>,
    /// Read while messages are received. What is under way when a command is interrupted is waited for: its
    /// messages are held whether anybody hears of it or not.
    receiving: Arc<RwLock<()>>,
}

/// The receipts of messages that are invisible to others until they are let go, by queue.
#[derive(Default)]
struct Held(Mutex<BTreeMap<String, Vec<String>>>);

impl Held {
    fn by_queue(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stack {
    /// Finds the stack of that name where the environment points to, for a command that can be interrupted.
    pub(crate) async fn open(bundle: Arc<Bundle>, name: &str) -> Result<Self, Failure> {
        let found = Self::open_for_long(bundle, name).await?;
        Ok(Self {
            // Not before: whoever interrupts a search for the stack ends the process.
            interruption: Interruption::listen()?,
            ..found
        })
    }

    /// The same for a process that goes on until it is ended.
    pub(crate) async fn open_for_long(bundle: Arc<Bundle>, name: &str) -> Result<Self, Failure> {
        let proxies = Proxies::from_process()?;
        let environment = place::find(&proxies).await?.environment;
        Self::find(bundle, name, &environment, &proxies).await
    }

    /// Finds the stack of that name in that place. Nobody interrupts what is done with it.
    pub(crate) async fn find(
        bundle: Arc<Bundle>,
        name: &str,
        environment: &Environment,
        proxies: &Proxies,
    ) -> Result<Self, Failure> {
        let connection = Connection::open_through(environment, proxies);
        let names = Names::of(name);
        let url = environment.sqs_endpoint.as_deref();
        let proxy = proxies.variable_for(url.unwrap_or("https://sqs.amazonaws.com/"));
        let at = match url {
            Some(url) => url.to_owned(),
            None => format!("AWS in {}", environment.region),
        };
        let at = match proxy {
            Some(variable) => format!("{at} ({variable} names a proxy)"),
            None => at,
        };
        let bar = progress(None, "looking for the stack's queues");
        let date = ReadDate::default();
        let entrance = bundle.entrance().map(ToOwned::to_owned).ok_or_else(|| {
            Failure::Failed("the bundle has no command from outside, whose queue would tell its stack".into())
        })?;
        let prefix = queue_url_prefix(&connection, &names, &entrance, &at, &date).await?;
        let views = has_views(&connection, &names, &bundle).await?;
        bar.finish_and_clear();
        if let Some(warning) = date.clock().warning() {
            note!("{warning}; ages are by the service's");
        }
        Ok(Self {
            queues: Queues::new(connection.sqs.clone(), &prefix),
            names,
            connection,
            bundle,
            at,
            views,
            clock: date.clock(),
            interruption: Interruption::never(),
            entrance,
            held: Arc::default(),
            receiving: Arc::default(),
        })
    }

    /// Whether whoever asks may change something: whether a message may be deleted that there can't be. What refuses
    /// it says no of the right, before it looks at the message.
    pub(crate) async fn may_change(&self) -> bool {
        let queue = dead_letter_queue(&self.entrance);
        let request = self.connection.sqs.delete_message();
        let request = request
            .queue_url(self.queues.url(&queue))
            .receipt_handle("whether-this-is-refused");
        let refused = request.send().await.err();
        let code = refused
            .as_ref()
            .and_then(|error| error.as_service_error()?.code());
        !code.is_some_and(is_denied)
    }

    /// The same stack for one more request: it holds messages of its own, and shows the time by what the service's
    /// clock says now, which on a stack of one's own can be moved.
    pub(crate) async fn anew(&self) -> Result<Self, Failure> {
        let date = ReadDate::default();
        let queue = self.names.of_function(&self.entrance);
        let request = self.connection.sqs.get_queue_url().queue_name(&queue).customize();
        let answered = request.interceptor(date.clone()).send().await;
        answered.map_err(|error| Failure::Failed(format!("SQS gives no answer: {}", reason(&error))))?;
        Ok(Self {
            names: self.names.clone(),
            connection: self.connection.clone(),
            queues: self.queues.clone(),
            bundle: self.bundle.clone(),
            at: self.at.clone(),
            entrance: self.entrance.clone(),
            views: self.views,
            clock: date.clock(),
            interruption: Interruption::never(),
            held: Arc::default(),
            receiving: Arc::default(),
        })
    }

    /// The function that takes commands of a type, given as `LendBook` or `lend-book`.
    pub(crate) fn command(&self, name: &str) -> Result<&Function, Failure> {
        let wanted = queue_of_type(name);
        let commands = || {
            let functions = self.bundle.registry.functions.iter();
            functions.filter(|function| matches!(function.trigger, Trigger::Commands(_)))
        };
        commands()
            .find(|function| function.name == wanted)
            .ok_or_else(|| {
                let known: Vec<_> = commands().map(|function| pascal_case(&function.name)).collect();
                let meant = did_you_mean(name, known.iter().map(String::as_str));
                Failure::Usage(format!(
                    "there is no command {name};{meant} the commands are {}",
                    known.join(", ")
                ))
            })
    }

    /// The view whose table has that name, with or without the stack's.
    pub(crate) fn view(&self, name: &str) -> Result<ViewTableForm, Failure> {
        let views: Vec<_> = self.bundle.registry.views().collect();
        let own = name.strip_prefix(&self.names.prefix()).unwrap_or(name);
        let mut named = views
            .iter()
            .filter(|view| view.name == name)
            .chain(views.iter().filter(|view| view.name == own));
        if let Some(view) = named.next() {
            return Ok(*view);
        }
        let known: Vec<_> = views.iter().map(|view| view.name).collect();
        if known.is_empty() {
            return Err(Failure::Usage(format!("there is no view {name}: there are none")));
        }
        let meant = did_you_mean(own, known.iter().copied());
        let known = known.join(", ");
        Err(Failure::Usage(format!(
            "there is no view {name};{meant} the views are {known}"
        )))
    }

    /// The queues whose dead-letter queues are looked at, without the stack's name. There is none called
    /// [`DEADLINES`], but a dead-letter queue of it: of what no schedule could deliver.
    pub(crate) fn queues(&self) -> Vec<&str> {
        let registry = &self.bundle.registry;
        let deadlines = (!registry.deadlines().is_empty()).then_some(DEADLINES);
        let is_there = |queue: &&str| self.views || registry.view_queues().all(|view| view != *queue);
        registry
            .queues()
            .into_iter()
            .filter(is_there)
            .chain(deadlines)
            .collect()
    }

    /// Which queues get which events.
    pub(crate) fn routes(&self) -> Routes {
        if self.views {
            self.bundle.registry.routes()
        } else {
            self.bundle.registry.routes_without_views()
        }
    }

    /// A queue, given as itself or its dead-letter queue, with or without the stack's name, or as the
    /// type of its messages.
    pub(crate) fn queue(&self, name: &str) -> Result<&str, Failure> {
        match self.names.meant(name, self.queues()).as_slice() {
            [queue] => Ok(queue),
            [] => {
                let own = name.strip_prefix(&self.names.prefix()).unwrap_or(name);
                let meant = did_you_mean(source_queue(own).unwrap_or(own), self.queues());
                let known = self.queues().join(", ");
                Err(Failure::Usage(format!(
                    "there is no queue {name};{meant} the queues are {known}"
                )))
            }
            several => {
                // Each by its name with the stack's and, where that is the name that was given, without it.
                let unique = several.iter().map(|queue| match self.names.of_function(queue) {
                    whole if whole == name => (*queue).to_owned(),
                    whole => whole,
                });
                let unique: Vec<_> = unique.collect();
                Err(Failure::Usage(format!(
                    "{name} names {} queues; give the name of the one that you mean: {}",
                    several.len(),
                    unique.join(", ")
                )))
            }
        }
    }

    /// Receives messages, and notes that they are invisible to others until they are let go.
    pub(crate) async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Received>, Failure> {
        let (receiving, held) = (self.receiving.clone().read_owned().await, self.held.clone());
        let (queues, owner) = (self.queues.clone(), queue.to_owned());
        // A task of its own goes on when the command that waits for it is interrupted.
        let task = tokio::spawn(async move {
            let received = queues.receive(&owner, how).await;
            if let Ok(received) = &received {
                let receipts = received.iter().map(|message| message.receipt.clone());
                held.by_queue().entry(owner).or_default().extend(receipts);
            }
            drop(receiving);
            received
        });
        let failed = |why: String| Failure::Failed(format!("can't receive from queue {queue}: {why}"));
        let received = task.await.map_err(|error| failed(error.to_string()))?;
        received.map_err(|error| failed(error.to_string()))
    }

    /// Forgets messages that are gone.
    pub(crate) fn forget(&self, queue: &str, receipts: &[&str]) {
        if let Some(held) = self.held.by_queue().get_mut(queue) {
            held.retain(|receipt| !receipts.contains(&receipt.as_str()));
        }
    }

    /// Makes every message that is held visible again. One that can't be comes back by itself, when the
    /// time of its receive is over.
    pub(crate) async fn let_go(&self) {
        drop(self.receiving.write().await);
        let held = std::mem::take(&mut *self.held.by_queue());
        for (queue, receipts) in held {
            let at_once = receipts.iter().map(|receipt| (receipt.as_str(), Duration::ZERO));
            let at_once: Vec<_> = at_once.collect();
            let changed = self.queues.change_visibility(&queue, &at_once).await;
            let stuck: Vec<_> = changed.into_iter().filter_map(Result::err).collect();
            if let Some(why) = stuck.first() {
                let messages = count(stuck.len(), "message", "messages");
                note!(
                    "{messages} of {queue} that were looked at come back within 15 minutes, not at once: {why}"
                );
            }
        }
    }
}

/// Whether a code of SQS says that there is no right to do what was asked; in front of it the service's name may stand,
/// as the older protocol has it.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>
fn is_denied(code: &str) -> bool {
    let code = code.rsplit('.').next().unwrap_or(code);
    matches!(
        code.strip_suffix("Exception").unwrap_or(code),
        "AccessDenied" | "NotAuthorized"
    )
}

/// The one of the names that may be meant, as a question; nothing if none is like it.
fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!(" did you mean {meant}?"))
}

/// `lend-book` of `LendBook`; other names as they are.
fn queue_of_type(name: &str) -> String {
    let is_type = name.starts_with(|letter: char| letter.is_ascii_uppercase());
    if is_type {
        kebab_case(name)
    } else {
        name.to_owned()
    }
}

/// What the URLs of the stack's queues begin with, up to and including its name and a dash.
async fn queue_url_prefix(
    connection: &Connection,
    names: &Names,
    entrance: &str,
    at: &str,
    date: &ReadDate,
) -> Result<String, Failure> {
    let queue = names.of_function(entrance);
    let request = connection.sqs.get_queue_url().queue_name(&queue).customize();
    let found = request.interceptor(date.clone()).send().await;
    let url = found.map_err(|error| {
        let missing = error
            .as_service_error()
            .is_some_and(aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError::is_queue_does_not_exist);
        if missing {
            return Failure::NotFound(format!(
                "there is no stack {} at {at} (it has no queue {queue}); --stack gives the stack's name",
                names.stack()
            ));
        }
        // A signature by a clock that is minutes wrong is refused.
        let clock = date.clock().warning().map(|warning| format!(" ({warning})"));
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        let question = if code.is_some_and(|code| code.starts_with("ExpiredToken")) {
            "the credentials have ended: get new ones, such as with `aws sso login`"
        } else {
            "is the stack running, and are AWS_ENDPOINT_URL, AWS_REGION and the credentials (or AWS_PROFILE) those \
             of its place?"
        };
        Failure::Failed(format!(
            "{at} does not answer as SQS: {}{}; {question}",
            reason(&error),
            clock.unwrap_or_default()
        ))
    })?;
    let url = url.queue_url.unwrap_or_default();
    names.queue_url_prefix(&url, entrance).ok_or_else(|| {
        Failure::Failed(format!(
            "the URL of queue {queue} is {url:?}; expected one that ends in /{queue}"
        ))
    })
}

/// Whether the stack has views, which can be left out when it is deployed: whether there is the queue of one.
async fn has_views(connection: &Connection, names: &Names, bundle: &Bundle) -> Result<bool, Failure> {
    let Some(view) = bundle.registry.view_queues().next() else {
        return Ok(false);
    };
    let queue = names.of_function(view);
    let found = connection.sqs.get_queue_url().queue_name(&queue).send().await;
    match found {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(error) if error.is_queue_does_not_exist() => Ok(false),
            _ => Err(Failure::Failed(format!(
                "whether the stack has views can't be told: queue {queue}: {}",
                reason(&error)
            ))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_told_from_a_receipt_that_is_none() {
        for code in ["AccessDenied", "AccessDeniedException", "NotAuthorized"] {
            assert!(is_denied(code), "{code}");
        }
        for code in ["ReceiptHandleIsInvalid", "InvalidAddress", "RequestThrottled"] {
            assert!(!is_denied(code), "{code}");
        }
    }

    #[test]
    fn a_type_and_its_queue_name_each_other() {
        assert_eq!(queue_of_type("LendBook"), "lend-book");
        assert_eq!(queue_of_type("lend-book"), "lend-book");
        assert_eq!(pascal_case("end-lost-loan"), "EndLostLoan");
    }
}
