//! Sends the events of stored commits to the queues of those who asked for them.
//!
//! Whoever finds a commit that was not delivered yet uses it: the relay on the table's stream, the
//! sweeper on the outbox, and whoever publishes a range of the table again. All send the same bodies, with
//! the same ids, so that a receiver can tell a repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eventsourcing::{Commit, encode_event};
use tokio::time::Instant;

use crate::client::message::Outgoing;
use crate::delivery::bus::Bus;
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

/// Sends events to queues.
#[derive(Clone, Debug)]
pub struct Publisher {
    routes: Routes,
    bus: Bus,
}

/// A commit, and which of the queues that asked for its events are to get them.
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
        Self { routes, bus }
    }

    /// The same with shorter timeouts of each call.
    pub(crate) fn with_timeouts(self, attempt: Duration, operation: Duration) -> Self {
        Self {
            bus: self.bus.with_timeouts(attempt, operation),
            ..self
        }
    }

    /// Which queues get which events.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The queues that get any event of a commit.
    pub(crate) fn queues_of(&self, commit: &Commit) -> BTreeSet<String> {
        let queues = commit
            .events
            .iter()
            .flat_map(|event| self.routes.of(&event.event_type));
        queues.cloned().collect()
    }

    /// The messages that a commit amounts to: none if nobody asked for its events.
    pub fn messages(&self, commit: &Commit) -> Result<Vec<Outgoing>, Undelivered> {
        let mut messages = Vec::new();
        for event in &commit.events {
            let queues = self.routes.of(&event.event_type);
            if queues.is_empty() {
                continue;
            }
            let body = encode_event(&commit.stream, event, commit.committed_at).map_err(|_| {
                Undelivered::permanently(format!(
                    "its event at revision {} of type {} is not JSON",
                    event.revision, event.event_type
                ))
            })?;
            let messages_of = |queue| Outgoing::now(queue, body.clone(), event.trace.clone());
            messages.extend(queues.iter().map(messages_of));
        }
        Ok(messages)
    }

    /// Sends the events of all commits, in as few calls as there can be, and says of each commit, in the
    /// order given, how many messages it took, or why not all of them were sent, and to which queues.
    pub async fn publish(&self, commits: &[Commit]) -> Vec<Result<u64, Undelivered>> {
        let addressed: Vec<_> = commits.iter().map(Addressed::from).collect();
        self.publish_until(&addressed, None).await
    }

    /// The same to certain queues, and what has no answer by `until` was not sent.
    pub(crate) async fn publish_until(
        &self,
        addressed: &[Addressed<'_>],
        until: Option<Instant>,
    ) -> Vec<Result<u64, Undelivered>> {
        let mut results = Vec::with_capacity(addressed.len());
        let mut messages = Vec::new();
        let mut owners = Vec::new();
        for (owner, one) in addressed.iter().enumerate() {
            results.push(self.messages(one.commit).map(|mut outgoing| {
                if let Some(only) = one.only {
                    outgoing.retain(|message| only.contains(&message.queue));
                }
                let count = outgoing.len();
                owners.extend(std::iter::repeat_n(owner, count));
                messages.extend(outgoing);
                count as u64
            }));
        }
        for (owner, sent) in owners.into_iter().zip(self.bus.send_until(messages, until).await) {
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
}
