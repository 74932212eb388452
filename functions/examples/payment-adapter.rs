//! A payment adapter: stands between the queue `<stack>-payment-gateway` and a provider's HTTP API, as
//! `functions/PROVIDER.md` tells. It has no database: what it has to know of a payment, the provider keeps under the
//! payment's id, which is the idempotency key of everything.
//!
//! `payment-adapter URL_OF_THE_PROVIDER [STACK]`; AWS's standard variables say where the queues are.

#![allow(clippy::print_stdout)] // It tells what it does.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{Connection, Environment, Names, Outgoing, Queues, Receive, Received, kebab_case};
use domain::payment::{CompletePayment, FailPayment, PaymentDiscarded, PaymentRequested, PaymentVoided};
use domain::values::{Money, PaymentId};
use eventsourcing::{
    Clock, Command, Dispatch, EventEnvelope, Fields, Message, SystemClock, Text, encode_command,
};
use futures::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Why a message is not dealt with, and stays.
type Left = Box<dyn Error + Send + Sync>;

const QUEUE: &str = "payment-gateway";
/// What is not deleted comes again after this time. Longer than the provider is waited for, so that a message is seldom
/// in two hands at once; if it is, the provider's key sees to it.
const VISIBILITY: Duration = Duration::from_secs(30);
const LONG_POLL: Duration = Duration::from_secs(20);
/// Then it has not answered, and is asked again.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);

/// Between the queue and the provider.
pub struct Adapter {
    queues: Queues,
    provider: Provider,
    clock: Arc<dyn Clock>,
}

impl Adapter {
    /// Between the queue of a stack and the provider at this URL.
    pub fn of(queues: Queues, provider: &str, clock: Arc<dyn Clock>) -> Self {
        // A call that waits for a message takes as long as it waits.
        let attempt = LONG_POLL + Duration::from_secs(5);
        Self {
            queues: queues.with_timeouts(attempt, attempt * 2),
            provider: Provider::at(provider),
            clock,
        }
    }

    /// Takes messages until `stop` comes; those in hand are finished first.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let receive = Receive {
            visibility: Some(VISIBILITY),
            wait: LONG_POLL,
            ..Receive::default()
        };
        loop {
            let received = tokio::select! {
                () = &mut stop => return,
                received = self.queues.receive(QUEUE, receive) => received,
            };
            match received {
                Ok(messages) => drop(join_all(messages.iter().map(|message| self.take(message))).await),
                Err(error) => {
                    println!("{QUEUE} can't be read, and is tried again: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Deletes a message that is dealt with, and leaves any other.
    async fn take(&self, message: &Received) {
        let done = match self.deal_with(&message.body).await {
            Ok(()) => self.queues.delete(QUEUE, &[&message.receipt]).await,
            Err(why) => return println!("{} comes again: {why}", message.message_id),
        };
        for error in done.into_iter().filter_map(Result::err) {
            println!("{} was dealt with and comes again: {error}", message.message_id);
        }
    }

    async fn deal_with(&self, body: &str) -> Result<(), Left> {
        let now = self.clock.now();
        let fields = Fields::of(body).ok_or("it is not a JSON object")?;
        match &*fields.get::<String>("type")? {
            PaymentRequested::TYPE => self.charge(&EventEnvelope::read(body, now)?).await,
            PaymentVoided::TYPE => {
                let voided = EventEnvelope::<PaymentVoided>::read(body, now)?;
                self.keep_nothing(&voided.event.payment_id).await
            }
            PaymentDiscarded::TYPE => {
                let discarded = EventEnvelope::<PaymentDiscarded>::read(body, now)?;
                self.keep_nothing(&discarded.event.payment_id).await
            }
            other => {
                println!("{other} is not for this version, which passes it over");
                Ok(())
            }
        }
    }

    async fn charge(&self, requested: &EventEnvelope<PaymentRequested>) -> Result<(), Left> {
        let event = &requested.event;
        let payment_id = event.payment_id.clone();
        let is_over = event.due_at.is_some_and(|due_at| due_at <= self.clock.now());
        let answer = if is_over {
            // Nobody waits for this money any more, and nobody is charged now. An attempt whose answer was lost may have
            // charged it, though: then the bundle hears of it, and has it given back if it thinks so, too.
            self.provider.cancel(&payment_id).await?
        } else {
            self.provider.charge(&payment_id, event.amount).await?
        };
        match answer {
            Answer::Charged => self.tell(&CompletePayment { payment_id }, requested).await,
            Answer::Declined(words) => {
                let error = Text::cut(words);
                self.tell(&FailPayment { payment_id, error }, requested).await
            }
            // By a PaymentVoided, which the bundle knows of, or after the deadline, which it knows itself.
            Answer::CalledOff => Ok(()),
        }
    }

    /// Whether the charge came before, comes later or never comes: nothing of it is kept.
    async fn keep_nothing(&self, payment_id: &PaymentId) -> Result<(), Left> {
        match self.provider.cancel(payment_id).await? {
            Answer::Charged => self.provider.refund(payment_id).await,
            _ => Ok(()),
        }
    }

    /// Sends a command to the queue that is called like it. Its id follows from the event's and its type: however often
    /// it is sent, it is one command.
    async fn tell<C: Command>(
        &self,
        command: &C,
        because_of: &EventEnvelope<PaymentRequested>,
    ) -> Result<(), Left> {
        let (id, correlation) = (&because_of.id, &because_of.metadata.correlation_id);
        let body = encode_command(&Dispatch::now(command), id, correlation, self.clock.now())?;
        let message = Outgoing::now(kebab_case(C::TYPE), body, None);
        for sent in self.queues.send(&[message]).await {
            sent?;
        }
        println!("{} for payment {}", C::TYPE, because_of.event.payment_id);
        Ok(())
    }
}

/// What the provider says of a payment, each time the same.
enum Answer {
    /// The money was taken. It may have been given back since.
    Charged,
    /// It could not be taken, and never will be under this key; in the provider's words.
    Declined(String),
    /// It was not taken, and never will be under this key: it was cancelled before.
    CalledOff,
}

/// The provider's HTTP API.
struct Provider {
    url: String,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

impl Provider {
    /// The one at this URL.
    fn at(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Takes the money, once, however often this is asked.
    async fn charge(&self, key: &PaymentId, amount: Money) -> Result<Answer, Left> {
        // A decimal text: an amount never passes through binary floating point.
        let body = format!(r#"{{"amount":"{amount:.2}"}}"#);
        match self.ask("/charges", key, body).await? {
            (201, _) => Ok(Answer::Charged),
            (402, words) => Ok(Answer::Declined(words)),
            (410, _) => Ok(Answer::CalledOff),
            (status, _) => Err(format!("the provider says {status} to a charge").into()),
        }
    }

    /// Sees to it that what is not charged yet never will be.
    async fn cancel(&self, key: &PaymentId) -> Result<Answer, Left> {
        let path = format!("/charges/{key}/cancel");
        match self.ask(&path, key, String::new()).await? {
            (200, _) => Ok(Answer::Charged),
            (204, _) => Ok(Answer::CalledOff),
            (status, _) => Err(format!("the provider says {status} to a cancellation").into()),
        }
    }

    /// Gives back in full, once, what was charged.
    async fn refund(&self, key: &PaymentId) -> Result<(), Left> {
        let path = format!("/charges/{key}/refund");
        match self.ask(&path, key, String::new()).await? {
            (200, _) => Ok(()),
            (status, _) => Err(format!("the provider says {status} to a refund").into()),
        }
    }

    /// Status and body of the answer, if there is one in time. All that it asks can be asked again.
    async fn ask(&self, path: &str, key: &PaymentId, body: String) -> Result<(u16, String), Left> {
        let request = Request::post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .header("idempotency-key", key.as_str())
            .body(Full::from(body))?;
        let exchange = async {
            let answer = self.client.request(request).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let answered = tokio::time::timeout(PROVIDER_TIMEOUT, exchange).await;
        answered.unwrap_or_else(|_| Err("the provider does not answer".into()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Left> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("which provider? Give its URL, such as http://127.0.0.1:8402")?;
    let stack = arguments.next().unwrap_or_else(|| "local".into());
    let sqs = Connection::open(&Environment::from_process()?).sqs;
    let names = Names::of(&*stack);
    let found = sqs
        .get_queue_url()
        .queue_name(names.of_function(QUEUE))
        .send()
        .await?;
    let prefix = names.queue_url_prefix(found.queue_url().unwrap_or_default(), QUEUE);
    let queues = Queues::new(sqs, &prefix.ok_or("the queue's URL does not end in its name")?);
    let adapter = Adapter::of(queues, &url, Arc::new(SystemClock));
    println!("takes messages from {} until Ctrl-C", names.of_function(QUEUE));
    adapter.run(async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
