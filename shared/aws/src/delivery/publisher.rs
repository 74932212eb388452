//! Sends the events of stored commits to the queues of those who asked for them, and all of them to the event bus,
//! if the stack has one.
//!
//! Whoever finds a commit that was not delivered yet uses it: the relay on the table's stream, the
//! sweeper on the outbox, and whoever publishes a range of the table again. All send the same bodies, with
//! the same ids, so that a receiver can tell a repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eventsourcing::{Commit, encode_event};
use tokio::time::Instant;

use crate::client::event_bus::{BusEvent, EVENT_BUS, EventBus};
use crate::client::message::Outgoing;
use crate::client::queues::QueueError;
use crate::delivery::bus::{Bus, SendError, persistently};
use crate::delivery::undelivered::Undelivered;

/// The queues that get events of a type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(BTreeMap<String, Vec<String>>);

impl Routes {
    /// Adds a queue, by its name in the stack, for events of a type.
    pub fn add(&mut self, event_type: &str, queue: &str) {
        self.0
            .entry(event_type.to_owned())
            .or_default()
            .push(queue.to_owned());
    }

    /// The same but for these queues.
    #[must_use]
    pub fn without(&self, queues: &[String]) -> Self {
        let others = self.0.iter().map(|(event_type, all)| {
            let others = all.iter().filter(|queue| !queues.contains(queue)).cloned();
            (event_type.clone(), others.collect())
        });
        Self(others.collect())
    }

    /// All queues that get any event, each once.
    pub fn queues(&self) -> Vec<String> {
        let all: BTreeSet<_> = self.0.values().flatten().cloned().collect();
        all.into_iter().collect()
    }

    /// The queues for events of a type; none if nobody asked for it.
    pub fn of(&self, event_type: &str) -> &[String] {
        self.0.get(event_type).map_or(&[], Vec::as_slice)
    }
}

/// Sends events to queues and to the event bus.
#[derive(Clone, Debug)]
pub struct Publisher {
    routes: Routes,
    bus: Bus,
    event_bus: Option<EventBus>,
}

/// What a commit amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// For queues.
    pub queued: Vec<Outgoing>,
    /// For the event bus.
    pub put: Vec<BusEvent>,
}

impl Messages {
    /// How many.
    pub fn len(&self) -> usize {
        self.queued.len() + self.put.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A commit, and which of those that its events go to are to get them: queues by their names, and [`EVENT_BUS`].
pub(crate) struct Addressed<'a> {
    pub(crate) commit: &'a Commit,
    /// All if none.
    pub(crate) only: Option<&'a BTreeSet<String>>,
}

impl<'a> From<&'a Commit> for Addressed<'a> {
    fn from(commit: &'a Commit) -> Self {
        Self { commit, only: None }
    }
}

impl Publisher {
    /// A publisher to the queues of `routes`.
    pub fn new(routes: Routes, bus: Bus) -> Self {
        Self {
            routes,
            bus,
            event_bus: None,
        }
    }

    /// The same, which puts each event on this bus, too, whether anybody else asked for it or not.
    #[must_use]
    pub fn with_event_bus(self, event_bus: Option<EventBus>) -> Self {
        Self { event_bus, ..self }
    }

    /// The same with shorter timeouts of each call.
    pub(crate) fn with_timeouts(self, attempt: Duration, operation: Duration) -> Self {
        Self {
            bus: self.bus.with_timeouts(attempt, operation),
            event_bus: self.event_bus.map(|bus| bus.with_timeouts(attempt, operation)),
            ..self
        }
    }

    /// Whether there is an event bus.
    pub(crate) fn has_event_bus(&self) -> bool {
        self.event_bus.is_some()
    }

    /// All that get events of a type: queues, and [`EVENT_BUS`].
    pub fn destinations(&self, event_type: &str) -> impl Iterator<Item = &str> {
        let queues = self.routes.of(event_type).iter().map(String::as_str);
        queues.chain(self.event_bus.iter().map(|_| EVENT_BUS))
    }

    /// All that get any event of a commit.
    pub(crate) fn destinations_of(&self, commit: &Commit) -> BTreeSet<String> {
        let events = commit.events.iter();
        let all = events.flat_map(|event| self.destinations(&event.event_type));
        all.map(str::to_owned).collect()
    }

    /// The messages that a commit amounts to: none if nobody asked for its events.
    pub fn messages(&self, commit: &Commit) -> Result<Messages, Undelivered> {
        let mut messages = Messages::default();
        for event in &commit.events {
            let queues = self.routes.of(&event.event_type);
            if queues.is_empty() && self.event_bus.is_none() {
                continue;
            }
            let body = encode_event(&commit.stream, event, commit.committed_at).map_err(|_| {
                Undelivered::permanently(format!(
                    "its event at revision {} of type {} is not JSON",
                    event.revision, event.event_type
                ))
            })?;
            let messages_of = |queue| Outgoing::now(queue, body.clone(), event.trace.clone());
            messages.queued.extend(queues.iter().map(messages_of));
            if self.event_bus.is_some() {
                messages.put.push(BusEvent {
                    event_type: event.event_type.clone(),
                    message: body,
                    at: commit.committed_at,
                    trace: event.trace.clone(),
                });
            }
        }
        Ok(messages)
    }

    /// Sends the events of all commits, in as few calls as there can be, and says of each commit, in the
    /// order given, how many messages it took, or why not all of them were sent, and to whom.
    pub async fn publish(&self, commits: &[Commit]) -> Vec<Result<u64, Undelivered>> {
        let addressed: Vec<_> = commits.iter().map(Addressed::from).collect();
        self.publish_until(&addressed, None).await
    }

    /// The same to some of them, and what has no answer by `until` was not sent.
    pub(crate) async fn publish_until(
        &self,
        addressed: &[Addressed<'_>],
        until: Option<Instant>,
    ) -> Vec<Result<u64, Undelivered>> {
        let mut results = Vec::with_capacity(addressed.len());
        let mut all = Messages::default();
        let (mut owners, mut owners_of_put) = (Vec::new(), Vec::new());
        for (owner, one) in addressed.iter().enumerate() {
            results.push(self.messages(one.commit).map(|mut messages| {
                if let Some(only) = one.only {
                    messages.queued.retain(|message| only.contains(&message.queue));
                    if !only.contains(EVENT_BUS) {
                        messages.put.clear();
                    }
                }
                let count = messages.len();
                owners.extend(std::iter::repeat_n(owner, messages.queued.len()));
                owners_of_put.extend(std::iter::repeat_n(owner, messages.put.len()));
                all.queued.extend(messages.queued);
                all.put.extend(messages.put);
                count as u64
            }));
        }
        // At once: neither waits for the other, whichever does not answer.
        let sending = self.bus.send_until(all.queued, until);
        let (sent, put) = futures::future::join(sending, self.put_until(all.put, until)).await;
        let outcomes = owners.into_iter().zip(sent);
        for (owner, sent) in outcomes.chain(owners_of_put.into_iter().zip(put)) {
            if let Err(error) = sent {
                let result = &mut results[owner];
                *result = Err(match result {
                    Ok(_) => Undelivered::of(&error),
                    Err(earlier) => earlier.and(&error),
                });
            }
        }
        results
    }

    /// Puts events on the bus; there are none if there is no bus.
    async fn put_until(&self, events: Vec<BusEvent>, until: Option<Instant>) -> Vec<Result<(), SendError>> {
        let Some(bus) = &self.event_bus else {
            return vec![];
        };
        let call = |events: Vec<BusEvent>| async move {
            let put = bus.put_until(&events, until).await;
            (events, put)
        };
        let put = persistently(events, until, call).await;
        let failure = |(_, why): (BusEvent, QueueError)| SendError {
            queue: EVENT_BUS.to_owned(),
            why,
        };
        put.into_iter().map(|put| put.map_err(failure)).collect()
    }
}
