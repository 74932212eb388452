//! The sweeper: on a schedule, sends again what is due in the outbox, and marks it or counts the attempt.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use eventsourcing::{Clock, Transient};
use futures::stream::{self, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::delivery::outbox::{AfterFailure, Delivery, Outbox, OutboxEntry};
use crate::delivery::publisher::Publisher;
use crate::function::handler::Handler;
use crate::function::metrics::{Backlog, Meter, MetricSink, Metrics};
use crate::function::queue_function::working_time;
use crate::store::commit_ref::CommitRef;
use crate::store::event_store::{DynamoDbEventStore, FetchError};

/// How many entries are taken at once.
const BATCH: i32 = 100;

/// How many commits are read, and entries written, at a time.
const MAX_CALLS: usize = 16;

/// The function that sweeps the outbox.
///
/// Two of them at once do no harm: an event is sent twice at worst, which its receivers are used to, and an
/// entry is written only as it was seen.
pub struct Sweeper {
    name: &'static str,
    publisher: Publisher,
    store: DynamoDbEventStore,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    meter: Meter,
}

#[async_trait]
impl Handler for Sweeper {
    async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let started = Instant::now();
        let until = started + working_time(event.context.deadline, self.clock.now().millis());
        let mut metrics = Metrics::default();
        let swept = self.sweep(until, &mut metrics).await;
        let answer = json!({ "published": metrics.handled, "failed": metrics.undelivered });
        self.meter.emit(started, metrics);
        // A failed sweep is a failed invocation, which an alarm counts; the next one takes up its work.
        Ok(swept.map(|()| answer)?)
    }
}

impl Sweeper {
    /// The sweeper called `name`, of the outbox that refers to commits in `store`.
    pub fn new(
        name: &'static str,
        publisher: Publisher,
        store: DynamoDbEventStore,
        outbox: Outbox,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn MetricSink>,
    ) -> Self {
        Self {
            name,
            publisher,
            store,
            outbox,
            meter: Meter::new(name, clock.clone(), metrics),
            clock,
        }
    }

    /// Takes batch after batch until nothing is due or the time is up, then counts what is left.
    async fn sweep(&self, until: Instant, metrics: &mut Metrics) -> Result<(), Transient> {
        let mut seen = BTreeSet::new();
        while Instant::now() < until {
            let due = self.outbox.unpublished(BATCH, self.clock.now()).await?;
            // The index shows for a moment what was just marked.
            let new: Vec<_> = due
                .into_iter()
                .filter(|entry| seen.insert(entry.commit.clone()))
                .collect();
            if new.is_empty() {
                break;
            }
            self.send_again(new, metrics).await?;
        }
        metrics.backlog = Some(Backlog {
            pending: self.outbox.count(Delivery::Pending).await?,
            parked: self.outbox.count(Delivery::Parked).await?,
        });
        Ok(())
    }

    async fn send_again(&self, entries: Vec<OutboxEntry>, metrics: &mut Metrics) -> Result<(), Transient> {
        let loads = entries.into_iter().map(|entry| async {
            let commit = self.store.fetch(&entry.commit).await;
            (entry, commit)
        });
        let loaded: Vec<_> = stream::iter(loads).buffered(MAX_CALLS).collect().await;
        let (mut found, mut commits, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, commit) in loaded {
            match commit {
                Ok(Some(commit)) => {
                    found.push(entry);
                    commits.push(commit);
                }
                Ok(None) => outcomes.push((entry, Err("the event table has no such commit".to_owned()))),
                Err(fault @ FetchError::NotACommit { .. }) => outcomes.push((entry, Err(fault.to_string()))),
                // The table does not answer: that says nothing about the entry, and counts as no attempt.
                Err(FetchError::Transient(transient)) => return Err(transient),
            }
        }
        let published = self.publisher.publish(&commits).await;
        let published = published
            .into_iter()
            .map(|sent| sent.map_err(|error| error.to_string()));
        outcomes.extend(found.into_iter().zip(published));

        let mut settled = stream::iter(outcomes)
            .map(|(entry, outcome)| self.settle(entry, outcome))
            .buffer_unordered(MAX_CALLS);
        let mut failed = None;
        while let Some(settled) = settled.next().await {
            match settled {
                Ok(true) => metrics.handled += 1,
                Ok(false) => metrics.undelivered += 1,
                // It stays due, and is sent once more the next time.
                Err(transient) => failed = Some(transient),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Marks an entry by what came of it; whether it was published.
    async fn settle(&self, entry: OutboxEntry, outcome: Result<u64, String>) -> Result<bool, Transient> {
        let (function, now) = (self.name, self.clock.now());
        let CommitRef { stream, revision } = &entry.commit;
        let revision = revision.to_string();
        let Err(error) = outcome else {
            if self.outbox.mark_published(&entry, now).await? {
                let late = now.since(entry.first_attempt_at).as_secs();
                tracing::info!(function, stream, revision, late, "delivered from the outbox");
            } else {
                tracing::info!(
                    function,
                    stream,
                    revision,
                    "delivered, but its entry has changed and stays"
                );
            }
            return Ok(true);
        };
        match self.outbox.increment_attempts(&entry, &error, now).await? {
            AfterFailure::Again(next) => {
                let next = next.to_string();
                tracing::warn!(function, stream, revision, error, next, "not delivered again");
            }
            AfterFailure::Parked => {
                tracing::error!(
                    function,
                    stream,
                    revision,
                    error,
                    "not delivered for the last time; parked"
                );
            }
            AfterFailure::MovedOn => {
                tracing::warn!(
                    function,
                    stream,
                    revision,
                    error,
                    "not delivered, and its entry has changed"
                );
            }
        }
        Ok(false)
    }
}

/// How often the outbox is swept.
pub const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
