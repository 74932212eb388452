//! What every function on a queue does the same: takes a batch apart, lets its handler work on all
//! records at once, and settles each by itself.
//!
//! A record is dealt with in one of three ways. *Done*: it is reported as such, and Lambda deletes it.
//! *Refused* (malformed, or against the rules): it is moved to the dead-letter queue at once, its body
//! unchanged, with the reason as attributes. *Transient*: it becomes visible again after a growing delay,
//! until its last receive, when it is moved as exhausted. Whatever can't be settled so is reported as
//! failed and left to SQS's own redrive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use eventsourcing::{Clock, TraceHeader, ids_of};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use tokio::time::Instant;

use crate::client::jitter::jittered;
use crate::client::message::{Attribute, MAX_MESSAGE_BYTES, Outgoing};
use crate::client::names::dead_letter_queue;
use crate::delivery::bus::Bus;
use crate::delivery::refusal::{Refusal, RefusalCode};
use crate::function::handler::Handler;
use crate::function::metrics::{Meter, MetricSink, Metrics};

/// How often a message is received before it goes to the dead-letter queue; the redrive policy of
/// every queue says the same.
pub const MAX_RECEIVE_COUNT: u32 = 5;

/// A record of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// SQS's id of the message.
    pub message_id: String,
    /// Names this receive of it.
    pub receipt_handle: String,
    /// The body.
    pub body: String,
    /// How often it has been received, this time included.
    pub receive_count: u32,
    /// The trace it belongs to, as it is passed on.
    pub trace: Option<TraceHeader>,
    /// What its sender put beside the body, by name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// What a log line says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The command's or event's id.
    pub id: String,
    /// The id of the chain that it belongs to.
    pub correlation_id: String,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is dealt with. The text says how, for the log.
    Done(&'static str),
    /// It will never be dealt with as it is.
    Refused(RefusalCode, String),
    /// What it needs is not there yet; likely a race that ends within seconds.
    Waits(String),
    /// Something it needs does not work; it may take minutes.
    Failed(String),
}

impl Verdict {
    /// How long it stays invisible after receive number `receive_count`, before jitter: 2, 4, 8, 16
    /// seconds for what waits, 5, 20, 80, 320 for what failed.
    fn delay(&self, receive_count: u32) -> Duration {
        let n = receive_count.clamp(1, MAX_RECEIVE_COUNT) - 1;
        match self {
            Self::Failed(_) => Duration::from_secs(5 * 4_u64.pow(n)),
            _ => Duration::from_secs(2 << n),
        }
    }
}

/// The invocation that a batch belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Invocation {
    /// When the handler has to be done, so that there is time left to settle.
    pub until: Instant,
}

/// A piece of work on some of the records, with the outcome of each by its place in the batch.
pub type Piece<'a> = BoxFuture<'a, (Vec<(usize, Option<Identity>, Verdict)>, Metrics)>;

/// What a function does with the records of a batch.
pub trait BatchHandler: Send + Sync {
    /// The type of the messages that it takes, for the log.
    fn message_type(&self) -> &'static str;

    /// Takes the batch apart into pieces that do not depend on each other. Each record is in exactly
    /// one of them. A piece that is not done in time is dropped, and its records come again.
    fn pieces<'a>(&'a self, records: &'a [QueueRecord], invocation: Invocation) -> Vec<Piece<'a>>;
}

/// A function on a queue.
pub struct QueueFunction<H> {
    name: &'static str,
    queue: &'static str,
    handler: H,
    bus: Bus,
    clock: Arc<dyn Clock>,
    meter: Meter,
}

/// The most time that is kept back for settling; a quarter of what there is if that is less.
const SETTLING_TIME: Duration = Duration::from_secs(4);

#[async_trait]
impl<H: BatchHandler> Handler for QueueFunction<H> {
    async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        self.handle(event).await
    }
}

struct Settled {
    identity: Option<Identity>,
    verdict: Verdict,
}

impl<H: BatchHandler> QueueFunction<H> {
    /// The function called `name` on the queue called `queue`, without the stack's name.
    pub fn new(
        name: &'static str,
        queue: &'static str,
        handler: H,
        bus: Bus,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn MetricSink>,
    ) -> Self {
        Self {
            name,
            queue,
            handler,
            bus,
            meter: Meter::new(name, clock.clone(), metrics),
            clock,
        }
    }

    /// Handles one event of Lambda's SQS mapping and answers with the records that come again.
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let started = Instant::now();
        let (payload, context) = event.into_parts();
        let batch: SqsEvent = serde_json::from_value(payload)?;
        let records = batch
            .records
            .into_iter()
            .map(record)
            .collect::<Result<Vec<_>, _>>()?;
        let until = started + working_time(context.deadline, self.clock.now().millis());

        let (settled, mut metrics) = self.work(&records, Invocation { until }).await;
        let again = self.settle(&records, &settled, &mut metrics).await;

        self.meter.emit(&metrics);
        let mut response = SqsBatchResponse::default();
        response.set_failures(again);
        Ok(serde_json::to_value(response)?)
    }

    /// Runs all pieces at once until they are done or the time is up.
    async fn work(&self, records: &[QueueRecord], invocation: Invocation) -> (Vec<Settled>, Metrics) {
        let out_of_time = || Settled {
            identity: None,
            verdict: Verdict::Failed("the function's time was up before it was done".into()),
        };
        let mut settled: Vec<Settled> = records.iter().map(|_| out_of_time()).collect();
        let mut metrics = Metrics::default();
        let mut pieces: FuturesUnordered<_> = self.handler.pieces(records, invocation).into_iter().collect();
        while let Ok(Some((outcomes, counted))) =
            tokio::time::timeout_at(invocation.until, pieces.next()).await
        {
            metrics.add(&counted);
            for (i, identity, verdict) in outcomes {
                if let Some(slot) = settled.get_mut(i) {
                    *slot = Settled { identity, verdict };
                }
            }
        }
        (settled, metrics)
    }

    /// Logs each record, moves what is refused, delays what failed; returns the ids that come again.
    async fn settle(
        &self,
        records: &[QueueRecord],
        settled: &[Settled],
        metrics: &mut Metrics,
    ) -> Vec<String> {
        let mut moves = Vec::new();
        let mut delays = Vec::new();
        let mut again = Vec::new();
        for (record, settled) in records.iter().zip(settled) {
            match &settled.verdict {
                Verdict::Done(how) => {
                    metrics.handled += 1;
                    self.log(record, settled, how, "");
                }
                Verdict::Refused(code, error) => moves.push((record, settled, *code, error)),
                Verdict::Waits(error) | Verdict::Failed(error)
                    if record.receive_count >= MAX_RECEIVE_COUNT =>
                {
                    moves.push((record, settled, RefusalCode::Exhausted, error));
                }
                Verdict::Waits(error) | Verdict::Failed(error) => {
                    self.log(record, settled, "retried", error);
                    delays.push((
                        record,
                        settled,
                        jittered(settled.verdict.delay(record.receive_count)),
                    ));
                    again.push(record.message_id.clone());
                }
            }
        }
        again.extend(self.move_to_dead_letter_queue(&moves, metrics).await);
        self.delay(&delays).await;
        metrics.retried += again.len() as u64;
        again
    }

    /// Moves the records and returns the ids of those that could not be moved.
    async fn move_to_dead_letter_queue(
        &self,
        moves: &[(&QueueRecord, &Settled, RefusalCode, &String)],
        metrics: &mut Metrics,
    ) -> Vec<String> {
        let mut left = Vec::new();
        let mut movable = Vec::new();
        for moved @ (record, settled, code, error) in moves {
            let letter = self.letter(record, *code, error);
            if letter.bytes() <= MAX_MESSAGE_BYTES {
                movable.push((moved, letter));
            } else {
                let why =
                    format!("{error} (the body leaves no room for attributes: left to the queue's redrive)");
                self.log(record, settled, code.as_str(), &why);
                left.push(record.message_id.clone());
            }
        }
        let (moves, letters): (Vec<_>, Vec<_>) = movable.into_iter().unzip();
        for ((record, settled, code, error), sent) in moves.into_iter().zip(self.bus.send(letters).await) {
            match sent {
                Ok(()) => {
                    metrics.refused += 1;
                    self.log(record, settled, code.as_str(), error);
                }
                Err(failure) => {
                    self.log(record, settled, code.as_str(), &format!("{error}; {failure}"));
                    left.push(record.message_id.clone());
                }
            }
        }
        left
    }

    /// The record with the reason beside its body.
    fn letter(&self, record: &QueueRecord, code: RefusalCode, error: &str) -> Outgoing {
        let refusal = Refusal {
            code,
            error,
            function: self.name,
        };
        Outgoing {
            attributes: refusal.beside(&record.attributes),
            ..Outgoing::now(
                dead_letter_queue(self.queue),
                record.body.clone(),
                record.trace.clone(),
            )
        }
    }

    /// Has the records come again after their delay. If that fails they come again all the same, when
    /// the visibility timeout of their receive ends.
    async fn delay(&self, delays: &[(&QueueRecord, &Settled, Duration)]) {
        let receipts = delays.iter();
        let receipts: Vec<_> = receipts
            .map(|(record, _, delay)| (record.receipt_handle.as_str(), *delay))
            .collect();
        let changed = self.bus.queues().change_visibility(self.queue, &receipts).await;
        for ((record, settled, _), changed) in delays.iter().zip(changed) {
            if let Err(error) = changed {
                self.log(
                    record,
                    settled,
                    "retried after the queue's own delay",
                    &error.to_string(),
                );
            }
        }
    }

    fn log(&self, record: &QueueRecord, settled: &Settled, outcome: &str, error: &str) {
        let (id, correlation_id) = match &settled.identity {
            Some(identity) => (identity.id.clone(), identity.correlation_id.clone()),
            None => ids_of(&record.body, &record.message_id),
        };
        let (function, message_id, message_type) =
            (self.name, &record.message_id, self.handler.message_type());
        if error.is_empty() {
            tracing::info!(
                function,
                message_id,
                correlation_id,
                id,
                r#type = message_type,
                outcome,
                "handled"
            );
        } else {
            let attempt = record.receive_count;
            tracing::warn!(
                function,
                message_id,
                correlation_id,
                id,
                r#type = message_type,
                outcome,
                attempt,
                error,
                "not handled"
            );
        }
    }
}

/// How long the handler may work, of an invocation that ends at `deadline` (both in milliseconds since
/// the epoch). A context without a deadline, as a hand-made test event may have, means a minute.
pub(crate) fn working_time(deadline: u64, now: i64) -> Duration {
    if deadline == 0 {
        return Duration::from_mins(1);
    }
    let left = deadline.saturating_sub(u64::try_from(now).unwrap_or(0));
    let left = Duration::from_millis(left);
    left.saturating_sub(SETTLING_TIME.min(left / 4))
}

fn record(message: SqsMessage) -> Result<QueueRecord, Error> {
    let attribute = |name: &str| message.attributes.get(name).cloned();
    let of_sender = message.message_attributes.iter();
    Ok(QueueRecord {
        attributes: of_sender
            .filter_map(|(name, value)| Some((name.clone(), Attribute::received(value)?)))
            .collect(),
        receive_count: attribute("ApproximateReceiveCount")
            .and_then(|n| n.parse().ok())
            .unwrap_or(1),
        trace: attribute("AWSTraceHeader")
            .as_deref()
            .and_then(TraceHeader::passed_on),
        message_id: message.message_id.ok_or("a record without a messageId")?,
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    })
}

/// Groups places in the batch by a key, in the order in which the keys first come up.
pub(crate) fn grouped<K: Ord + Clone, T>(items: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut order = Vec::new();
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (key, item) in items {
        groups
            .entry(key.clone())
            .or_insert_with(|| {
                order.push(key);
                Vec::new()
            })
            .push(item);
    }
    order
        .into_iter()
        .filter_map(|key| groups.remove(&key).map(|group| (key, group)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_with_every_receive() {
        let waits = Verdict::Waits(String::new());
        assert_eq!([1, 2, 3, 4].map(|n| waits.delay(n).as_secs()), [2, 4, 8, 16]);
        let failed = Verdict::Failed(String::new());
        assert_eq!([1, 2, 3, 4].map(|n| failed.delay(n).as_secs()), [5, 20, 80, 320]);
    }

    #[test]
    fn time_is_kept_back_for_settling() {
        assert_eq!(working_time(30_000, 0), Duration::from_secs(26));
        assert_eq!(working_time(2_000, 1_000), Duration::from_millis(750));
        assert_eq!(working_time(1_000, 2_000), Duration::ZERO);
    }

    #[test]
    fn groups_keep_the_order_of_the_batch() {
        let groups = grouped([("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(groups, [("b", vec![1, 3]), ("a", vec![2])]);
    }
}
