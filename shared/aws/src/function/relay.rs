//! The relay: copies each event of the table's stream to the queues of those who asked for it.
//!
//! It neither blocks its shard nor loses an event: what can't be delivered is saved in the outbox, and
//! only if that does not work either does the batch come again.
//!
//! It watches its time. A function that is stopped at its limit has told nobody what it sent, and its mapping
//! would send all of it again, in vain if it was slow for a reason that lasts. So it stops sending while there
//! is time to save the rest, and stops saving while there is time to say what could not be saved.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use eventsourcing::{Clock, Commit, Timestamp};
use futures::stream::{self, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::connection::{DELIVERY_ATTEMPT_TIMEOUT, DELIVERY_TIMEOUT};
use crate::client::failure::without_value;
use crate::delivery::outbox::Outbox;
use crate::delivery::publisher::{Addressed, Publisher};
use crate::delivery::undelivered::Undelivered;
use crate::function::handler::Handler;
use crate::function::metrics::{Meter, MetricSink, Metrics};
use crate::function::time::Time;
use crate::store::commit_ref::{CommitRef, KeyNumber};
use crate::store::stored_commit::StoredCommit;

/// For how many thirtieths of its time it sends: two attempts at queues that don't answer fit twice.
const SENDING: u32 = 18;

/// For how many it sends and saves: a whole batch fits whose entries take five seconds each. The rest is for
/// the answer.
const SAVING: u32 = 29;

/// How many entries are written at a time: a full batch in two rounds, on as many connections.
const MAX_SAVES: usize = 50;

/// The function on the event table's stream.
pub struct Relay {
    name: &'static str,
    publisher: Publisher,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    meter: Meter,
}

#[async_trait]
impl Handler for Relay {
    async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        self.handle(event).await
    }
}

/// A record of the stream, and how it fared.
struct Relayed {
    sequence_number: String,
    commit: CommitRef,
    outcome: Result<u64, Undelivered>,
}

impl Relay {
    /// The relay called `name`.
    pub fn new(
        name: &'static str,
        publisher: Publisher,
        outbox: Outbox,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn MetricSink>,
    ) -> Self {
        Self {
            name,
            publisher: publisher.with_timeouts(DELIVERY_ATTEMPT_TIMEOUT, DELIVERY_TIMEOUT),
            outbox: outbox.with_timeouts(DELIVERY_ATTEMPT_TIMEOUT, DELIVERY_TIMEOUT),
            meter: Meter::new(name, clock.clone(), metrics),
            clock,
        }
    }

    /// Handles one event of Lambda's stream mapping, and answers with the record from which on the
    /// batch has to come again, if any.
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let time = Time::until(event.context.deadline, self.clock.now());
        let batch: Event = serde_json::from_value(event.payload)?;
        // Commits are inserted and never changed; a removal is an operator's doing.
        let inserted = batch
            .records
            .iter()
            .filter(|record| record.event_name == "INSERT");
        let (mut records, mut commits, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for record in inserted {
            let outcome = commit(record).map(|commit| {
                owners.push(records.len());
                commits.push(commit);
                0
            });
            records.push(Relayed {
                sequence_number: sequence_number(record)?,
                commit: commit_ref(record)?,
                outcome,
            });
        }
        let addressed: Vec<_> = commits.iter().map(Addressed::from).collect();
        let sent = self
            .publisher
            .publish_until(&addressed, Some(time.thirtieths(SENDING)));
        for (owner, outcome) in owners.into_iter().zip(sent.await) {
            records[owner].outcome = outcome;
        }
        let mut metrics = Metrics {
            handled: records
                .iter()
                .filter_map(|record| record.outcome.as_ref().ok())
                .sum(),
            ..Metrics::default()
        };
        let again = self
            .save_undelivered(&records, time.thirtieths(SAVING), &mut metrics)
            .await;
        metrics.retried = u64::from(again.is_some());
        self.meter.emit(&metrics);
        let failures: Vec<_> = again
            .into_iter()
            .map(|id| json!({ "itemIdentifier": id }))
            .collect();
        Ok(json!({ "batchItemFailures": failures }))
    }

    /// Saves what was not delivered. The sequence number of the first record that could not even be
    /// saved is where the batch has to start again.
    async fn save_undelivered(
        &self,
        records: &[Relayed],
        until: Instant,
        metrics: &mut Metrics,
    ) -> Option<String> {
        let undelivered = records
            .iter()
            .filter_map(|record| Some((record, record.outcome.as_ref().err()?)));
        let now = self.clock.now();
        let saves: Vec<_> = undelivered
            .map(|(record, failure)| async move {
                (
                    record,
                    failure,
                    self.save(&record.commit, failure, now, until).await,
                )
            })
            .collect();
        // In the order of the records, so that the first that is not saved is found first.
        let mut saves = stream::iter(saves).buffered(MAX_SAVES);
        let mut again = None;
        while let Some((record, failure, saved)) = saves.next().await {
            let (function, CommitRef { stream, revision }) = (self.name, &record.commit);
            let (revision, error) = (revision.to_string(), failure.to_string());
            match saved {
                Ok(()) => {
                    metrics.undelivered += 1;
                    tracing::warn!(
                        function,
                        stream,
                        revision,
                        error,
                        "not delivered; it is in the outbox"
                    );
                }
                Err(failure) => {
                    tracing::error!(
                        function,
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

    /// Saves a commit, if that is done in time.
    async fn save(
        &self,
        commit: &CommitRef,
        failure: &Undelivered,
        now: Timestamp,
        until: Instant,
    ) -> Result<(), String> {
        if until <= Instant::now() {
            return Err("there was no time left to write to the outbox".to_owned());
        }
        let saving = self.outbox.save(commit, failure, now);
        match tokio::time::timeout_at(until, saving).await {
            Ok(saved) => saved.map_err(|transient| transient.to_string()),
            Err(_) => Err("the outbox did not answer before the function's time was up".to_owned()),
        }
    }
}

/// The commit that a record tells of, or what is wrong with its item.
fn commit(record: &EventRecord) -> Result<Commit, Undelivered> {
    let stored = serde_dynamo::from_item::<_, StoredCommit>(record.change.new_image.clone());
    stored
        .map_err(|error| without_value(&error))
        .and_then(StoredCommit::into_commit)
        .map_err(|why| Undelivered::permanently(format!("its item is no commit: {why}")))
}

/// Where the commit is: the keys are there and of their types, or it is another table's record.
fn commit_ref(record: &EventRecord) -> Result<CommitRef, Error> {
    let keys = &record.change.keys;
    match (keys.get("stream_id"), keys.get("revision")) {
        (Some(serde_dynamo::AttributeValue::S(stream)), Some(serde_dynamo::AttributeValue::N(revision))) => {
            Ok(CommitRef {
                stream: stream.clone(),
                revision: KeyNumber::read(revision),
            })
        }
        _ => Err(missing("the keys stream_id and revision")),
    }
}

fn sequence_number(record: &EventRecord) -> Result<String, Error> {
    let number = record.change.sequence_number.clone();
    number.ok_or_else(|| missing("a sequence number"))
}

fn missing(what: &str) -> Error {
    format!("a stream record without {what}; the mapping is on another table").into()
}
