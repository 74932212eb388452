//! The relay: copies each event of the table's stream to the queues of those who asked for it.
//!
//! It neither blocks its shard nor loses an event: what can't be delivered is saved in the outbox, and
//! only if that does not work either does the batch come again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use eventsourcing::{Clock, Commit, encode_event};
use futures::future::join_all;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bus::{Bus, Outgoing};
use crate::event_store::StoredCommit;
use crate::handler::Handler;
use crate::metrics::{MetricSink, Metrics};
use crate::outbox::{Outbox, OutboxEntry};

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

/// The function on the event table's stream.
pub struct Relay {
    name: &'static str,
    routes: Routes,
    bus: Bus,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn MetricSink>,
    warm: AtomicBool,
}

#[async_trait]
impl Handler for Relay {
    async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        self.handle(event).await
    }
}

/// A record of the stream, and what has gone wrong with it.
struct Relayed {
    sequence_number: String,
    entry: OutboxEntry,
}

impl Relay {
    /// The relay called `name`, to the queues of `routes`.
    pub fn new(
        name: &'static str,
        routes: Routes,
        bus: Bus,
        outbox: Outbox,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn MetricSink>,
    ) -> Self {
        Self {
            name,
            routes,
            bus,
            outbox,
            clock,
            metrics,
            warm: AtomicBool::new(false),
        }
    }

    /// Handles one event of Lambda's stream mapping, and answers with the record from which on the
    /// batch has to come again, if any.
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let started = Instant::now();
        let batch: Event = serde_json::from_value(event.payload)?;
        let mut records = Vec::new();
        let mut messages = Vec::new();
        let mut owners = Vec::new();
        for record in &batch.records {
            // Commits are inserted and never changed; a removal is an operator's doing.
            if record.event_name != "INSERT" {
                continue;
            }
            let mut relayed = relayed(record)?;
            match self.messages(record) {
                Ok(outgoing) => {
                    owners.extend(std::iter::repeat_n(records.len(), outgoing.len()));
                    messages.extend(outgoing);
                }
                Err(why) => relayed.entry.error = why,
            }
            records.push(relayed);
        }
        let mut metrics = Metrics {
            handled: messages.len() as u64,
            ..Metrics::default()
        };
        for (owner, sent) in owners.into_iter().zip(self.bus.send(messages).await) {
            if let Err(error) = sent {
                records[owner].entry.error = error.to_string();
            }
        }
        let again = self.save_undelivered(&records, &mut metrics).await;
        metrics.retried = u64::from(again.is_some());
        metrics.duration = started.elapsed();
        metrics.cold_start = !self.warm.swap(true, Ordering::Relaxed);
        self.metrics.emit(self.name, &metrics, self.clock.now());
        let failures: Vec<_> = again
            .into_iter()
            .map(|id| json!({ "itemIdentifier": id }))
            .collect();
        Ok(json!({ "batchItemFailures": failures }))
    }

    /// The messages that a record's commit amounts to, or why it can't be read.
    fn messages(&self, record: &EventRecord) -> Result<Vec<Outgoing>, String> {
        let commit: Commit = serde_dynamo::from_item::<_, StoredCommit>(record.change.new_image.clone())
            .map_err(|error| format!("its item is no commit: {error}"))?
            .into_commit()
            .map_err(|why| format!("its item is no commit: {why}"))?;
        let mut messages = Vec::new();
        for event in &commit.events {
            let queues = self.routes.of(&event.event_type);
            if queues.is_empty() {
                continue;
            }
            let body = encode_event(&commit.stream, event, commit.committed_at).map_err(|_| {
                format!(
                    "its event at revision {} of type {} is not JSON",
                    event.revision, event.event_type
                )
            })?;
            messages.extend(
                queues
                    .iter()
                    .map(|queue| Outgoing::now(queue, body.clone(), event.trace.clone())),
            );
        }
        Ok(messages)
    }

    /// Saves what was not delivered. The sequence number of the first record that could not even be
    /// saved is where the batch has to start again.
    async fn save_undelivered(&self, records: &[Relayed], metrics: &mut Metrics) -> Option<String> {
        let undelivered = records.iter().filter(|record| !record.entry.error.is_empty());
        let now = self.clock.now();
        let saved = join_all(
            undelivered.map(|record| async move { (record, self.outbox.save(&record.entry, now).await) }),
        );
        let mut again = None;
        for (record, saved) in saved.await {
            let OutboxEntry {
                stream,
                revision,
                error,
            } = &record.entry;
            match saved {
                Ok(()) => {
                    metrics.undelivered += 1;
                    tracing::warn!(
                        function = self.name,
                        stream,
                        revision,
                        error,
                        "not delivered; it is in the outbox"
                    );
                }
                Err(failure) => {
                    let failure = failure.to_string();
                    tracing::error!(
                        function = self.name,
                        stream,
                        revision,
                        error,
                        failure,
                        "neither delivered nor saved; it comes again"
                    );
                    again = again.or_else(|| Some(record.sequence_number.clone()));
                }
            }
        }
        again
    }
}

fn relayed(record: &EventRecord) -> Result<Relayed, Error> {
    let keys = record.change.keys.clone();
    let text = |name: &str| match keys.get(name) {
        Some(serde_dynamo::AttributeValue::S(value) | serde_dynamo::AttributeValue::N(value)) => {
            Some(value.clone())
        }
        _ => None,
    };
    let missing = |what: &str| {
        Error::from(format!(
            "a stream record without {what}; the mapping is on another table"
        ))
    };
    Ok(Relayed {
        sequence_number: record
            .change
            .sequence_number
            .clone()
            .ok_or_else(|| missing("a sequence number"))?,
        entry: OutboxEntry {
            stream: text("stream_id").ok_or_else(|| missing("stream_id"))?,
            revision: text("revision")
                .and_then(|n| n.parse().ok())
                .ok_or_else(|| missing("revision"))?,
            error: String::new(),
        },
    })
}
