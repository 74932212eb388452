//! What every function on a queue does the same: takes a batch apart, lets its handler work on all
//! records at once, and settles each by itself.
//!
//! A record is dealt with in one of three ways. *Done*: it is reported as such, and Lambda deletes it.
//! *Refused* (malformed, or against the rules): it is moved to the dead-letter queue at once, its body
//! unchanged, with the reason as attributes. *Transient*: it becomes visible again after a growing delay,
//! until it has been tried for long enough ([`Patience`]), when it is moved as exhausted. Whatever can't be
//! settled so is reported as failed and left to SQS's own redrive.
//!
//! A message may end the function that handles it, and with it what was done for its neighbours: Lambda hears of
//! that only at the end. So those that may have ended a function before, the suspects, are handled last, one by
//! one, when all others are settled and deleted. One that ends its function then harms nobody. It comes back
//! alone, and when its receives show that nothing else can be the reason, it is moved as exhausted too. A panic
//! is caught before it comes to that, and is a transient failure of its message; when all are settled the invocation
//! fails, so that Lambda counts an error.

use std::collections::{BTreeMap, HashSet};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use eventsourcing::{Clock, Timestamp, TraceHeader, ids_of};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use tokio::time::Instant;

use crate::client::failure::FailureKind;
use crate::client::message::{Attribute, MAX_MESSAGE_BYTES, Outgoing};
use crate::client::names::dead_letter_queue;
use crate::delivery::bus::{Bus, SendError};
use crate::delivery::refusal::{Refusal, RefusalCode};
use crate::function::handler::Handler;
use crate::function::metrics::{Meter, MetricSink, Metrics};
use crate::function::panics::{caught, caught_at_once, remember_places};
use crate::function::patience::{Patience, SOON, Why, ends_its_function, is_suspect};
use crate::function::time::{WITHOUT_DEADLINE, left_until};

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
    /// When it was received for the first time, if that is known.
    pub first_received: Option<Timestamp>,
    /// The trace it belongs to, as it is passed on: its sender's, or if that gave none the invocation's own.
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
    /// A queue or the scheduler does not take what follows from it; it may take a day.
    NotSent(String),
}

impl Verdict {
    /// What becomes of a record if a message that follows from it could not be sent: one that its queue refuses
    /// for what it is would be refused again, however often the record came.
    pub(crate) fn unsent(error: &SendError) -> Self {
        match error.kind() {
            FailureKind::Transient => Self::NotSent(error.to_string()),
            FailureKind::Permanent => Self::Refused(RefusalCode::Rejected, error.to_string()),
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
    patience: Patience,
    clock: Arc<dyn Clock>,
    meter: Meter,
}

/// The most time that is kept back for settling; a quarter of what there is if that is less.
const SETTLING_TIME: Duration = Duration::from_secs(4);

/// After how long one comes again that only SQS's own redrive can move, after its last receive: soon, for nothing
/// else will become of it.
const LEFT_TO_SQS: Duration = Duration::from_secs(10);

/// With less time left than that no further suspect is begun: it would only be cut short.
const TIME_TO_BEGIN: Duration = Duration::from_secs(1);

#[async_trait]
impl<H: BatchHandler> Handler for QueueFunction<H> {
    async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        self.handle(event).await
    }
}

/// How far an invocation has come.
struct Progress {
    until: Instant,
    metrics: Metrics,
    /// Where it panicked last.
    panicked: Option<String>,
}

struct Settled {
    identity: Option<Identity>,
    verdict: Verdict,
}

impl Settled {
    fn nameless(verdict: Verdict) -> Self {
        Self {
            identity: None,
            verdict,
        }
    }
}

impl<H: BatchHandler> QueueFunction<H> {
    /// The function called `name` on the queue called `queue`, without the stack's name.
    pub fn new(
        name: &'static str,
        queue: &'static str,
        handler: H,
        bus: Bus,
        patience: Patience,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn MetricSink>,
    ) -> Self {
        remember_places();
        Self {
            name,
            queue,
            handler,
            bus,
            patience,
            meter: Meter::new(name, clock.clone(), metrics),
            clock,
        }
    }

    /// Handles one event of Lambda's SQS mapping and answers with the records that come again.
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let started = Instant::now();
        let (payload, context) = event.into_parts();
        let batch: SqsEvent = serde_json::from_value(payload)?;
        let of_invocation = context.xray_trace_id.as_deref();
        let of_invocation = of_invocation.and_then(TraceHeader::passed_on);
        let records = batch
            .records
            .into_iter()
            .map(|message| record(message, of_invocation.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        let until = started + working_time(context.deadline, self.clock.now());

        let (mut suspects, others): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|record| is_suspect(record.receive_count, self.tried(record)));
        // One that ends its function is received more often than its neighbours: they come before it.
        suspects.sort_by_key(|record| record.receive_count);
        let mut progress = Progress {
            until,
            metrics: Metrics::default(),
            panicked: None,
        };
        let mut again = self.take(&others, &mut progress).await;
        if !suspects.is_empty() || progress.panicked.is_some() {
            self.delete_settled(&others, &again).await;
        }
        for (place, suspect) in suspects.iter().enumerate() {
            let comes_first = place == 0 && others.is_empty();
            again.extend(self.take_alone(suspect, comes_first, &mut progress).await);
        }

        progress.metrics.retried += again.len() as u64;
        self.meter.emit(&progress.metrics);
        if let Some(place) = progress.panicked {
            // For an alarm to ring: a panic is a defect. Each record is settled already.
            return Err(format!("it panicked at {place}").into());
        }
        let mut response = SqsBatchResponse::default();
        response.set_failures(again);
        Ok(serde_json::to_value(response)?)
    }

    /// How long a record has been tried, from its first receive on. One of which that is not known is new.
    fn tried(&self, record: &QueueRecord) -> Duration {
        let first = record.first_received;
        first.map_or(Duration::ZERO, |first| self.clock.now().since(first))
    }

    /// Handles and settles records that came together; returns the ids that come again.
    async fn take(&self, records: &[QueueRecord], progress: &mut Progress) -> Vec<String> {
        if records.is_empty() {
            return Vec::new();
        }
        let settled = self.work(records, progress).await;
        self.settle(records, &settled, &mut progress.metrics).await
    }

    /// Handles one that may end the function, so that this would harm nobody else; returns its id if it comes
    /// again.
    async fn take_alone(
        &self,
        suspect: &QueueRecord,
        comes_first: bool,
        progress: &mut Progress,
    ) -> Vec<String> {
        let one = slice::from_ref(suspect);
        let again = if let Some(why) = self.found_out(suspect) {
            self.settle(one, &[why], &mut progress.metrics).await
        } else if progress.until.saturating_duration_since(Instant::now()) < TIME_TO_BEGIN && !comes_first {
            let why = Settled::nameless(Verdict::Failed(String::new()));
            let error = "the function's time was up before it was begun";
            self.log(suspect, &why, "retried after the queue's own delay", error);
            return vec![suspect.message_id.clone()];
        } else {
            self.come_back_soon(suspect).await;
            self.take(one, progress).await
        };
        self.delete_settled(one, &again).await;
        again
    }

    /// What becomes of one that ended its function time and again. One that can't be moved with its reason is
    /// handled all the same: perhaps it comes only so often because it can't be moved.
    fn found_out(&self, suspect: &QueueRecord) -> Option<Settled> {
        let (receives, tried) = (suspect.receive_count, self.tried(suspect));
        let error = format!(
            "its function ends while it handles it, out of memory, out of time or by a crash, and can't say why: it \
             was received {receives} times in {} minutes",
            tried.as_secs() / 60
        );
        let moves = ends_its_function(receives, tried)
            && self.letter(suspect, RefusalCode::Exhausted, &error).is_some();
        moves.then(|| Settled::nameless(Verdict::Refused(RefusalCode::Exhausted, error)))
    }

    /// Has a suspect come back alone if it ends the function. If that fails it comes back with its neighbours.
    async fn come_back_soon(&self, suspect: &QueueRecord) {
        let soon = Duration::from_secs(fastrand::u64(SOON));
        let receipt = [(suspect.receipt_handle.as_str(), soon)];
        let changed = self.bus.queues().change_visibility(self.queue, &receipt).await;
        if let Some(Err(error)) = changed.into_iter().next() {
            let unknown = Settled::nameless(Verdict::Failed(String::new()));
            self.log(suspect, &unknown, "handled alone", &error.to_string());
        }
    }

    /// Deletes the records that do not come again, which Lambda would do at the end: if there is one. What can't
    /// be deleted is deleted by Lambda, or comes again as a repeat.
    async fn delete_settled(&self, records: &[QueueRecord], again: &[String]) {
        let again: HashSet<_> = again.iter().collect();
        let settled = records
            .iter()
            .filter(|record| !again.contains(&record.message_id));
        let settled: Vec<_> = settled.collect();
        let receipts: Vec<_> = settled
            .iter()
            .map(|record| record.receipt_handle.as_str())
            .collect();
        let deleted = self.bus.queues().delete(self.queue, &receipts).await;
        for (record, deleted) in settled.iter().zip(deleted) {
            if let Err(error) = deleted {
                let unknown = Settled::nameless(Verdict::Done(""));
                self.log(record, &unknown, "left to Lambda to delete", &error.to_string());
            }
        }
    }

    /// Runs all pieces at once until they are done or the time is up. What a panic left undone is done once more,
    /// one by one: so it is one record's alone.
    async fn work(&self, records: &[QueueRecord], progress: &mut Progress) -> Vec<Settled> {
        let (mut settled, panicked) = self.attempt(records, progress).await;
        if panicked.is_some() && records.len() > 1 {
            for (record, slot) in records.iter().zip(&mut settled) {
                if slot.is_none() && Instant::now() < progress.until {
                    let (alone, panicked) = self.attempt(slice::from_ref(record), progress).await;
                    *slot = alone
                        .into_iter()
                        .flatten()
                        .next()
                        .or(panicked.as_deref().map(died_at));
                }
            }
        }
        let alone = (records.len() == 1).then_some(panicked).flatten();
        let undone = || match &alone {
            Some(place) => died_at(place),
            None => Settled::nameless(Verdict::Failed(
                "the function's time was up before it was done".into(),
            )),
        };
        settled
            .into_iter()
            .map(|slot| slot.unwrap_or_else(undone))
            .collect()
    }

    /// What became of each record that was done in time, and where a piece panicked.
    async fn attempt(
        &self,
        records: &[QueueRecord],
        progress: &mut Progress,
    ) -> (Vec<Option<Settled>>, Option<String>) {
        let mut settled: Vec<_> = records.iter().map(|_| None).collect();
        let invocation = Invocation {
            until: progress.until,
        };
        let pieces = match caught_at_once(|| self.handler.pieces(records, invocation)) {
            Ok(pieces) => pieces,
            Err(place) => {
                progress.panicked = Some(place.clone());
                return (settled, Some(place));
            }
        };
        let mut panicked = None;
        let mut pieces: FuturesUnordered<_> = pieces.into_iter().map(caught).collect();
        while let Ok(Some(done)) = tokio::time::timeout_at(invocation.until, pieces.next()).await {
            match done {
                Ok((outcomes, counted)) => {
                    progress.metrics.add(&counted);
                    for (i, identity, verdict) in outcomes {
                        if let Some(slot) = settled.get_mut(i) {
                            *slot = Some(Settled { identity, verdict });
                        }
                    }
                }
                Err(place) => panicked = Some(place),
            }
        }
        if panicked.is_some() {
            progress.panicked.clone_from(&panicked);
        }
        (settled, panicked)
    }

    /// Logs each record, moves what is refused or given up, delays what failed; returns the ids that come again.
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
            let (why, error) = match &settled.verdict {
                Verdict::Done(how) => {
                    metrics.handled += 1;
                    self.log(record, settled, how, "");
                    continue;
                }
                Verdict::Refused(code, error) => {
                    moves.push((record, settled, *code, error));
                    continue;
                }
                Verdict::Waits(error) => (Why::Waits, error),
                Verdict::Failed(error) => (Why::Fails, error),
                Verdict::NotSent(error) => (Why::CanNotSend, error),
            };
            let (tried, receives) = (self.tried(record), record.receive_count);
            match self.patience.next_try(why, tried, receives, fastrand::u64) {
                Some(delay) => {
                    self.log(record, settled, "retried", error);
                    delays.push((record, settled, delay));
                    again.push(record.message_id.clone());
                }
                None => moves.push((record, settled, RefusalCode::Exhausted, error)),
            }
        }
        for (record, settled, delay) in self.move_to_dead_letter_queue(&moves, metrics).await {
            again.push(record.message_id.clone());
            delays.push((record, settled, delay));
        }
        self.delay(&delays).await;
        again
    }

    /// Moves the records and returns those that could not be moved, with the delay after which they come again.
    async fn move_to_dead_letter_queue<'a>(
        &self,
        moves: &[(&'a QueueRecord, &'a Settled, RefusalCode, &String)],
        metrics: &mut Metrics,
    ) -> Vec<(&'a QueueRecord, &'a Settled, Duration)> {
        let mut left = Vec::new();
        let mut movable = Vec::new();
        for moved @ (record, settled, code, error) in moves {
            if let Some(letter) = self.letter(record, *code, error) {
                movable.push((moved, letter));
            } else {
                let why =
                    format!("{error} (the body leaves no room for attributes: left to the queue's redrive)");
                self.log(record, settled, code.as_str(), &why);
                left.push((*record, *settled, LEFT_TO_SQS));
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
                    let delay = Why::Fails.delay(self.tried(record), fastrand::u64);
                    left.push((record, settled, delay));
                }
            }
        }
        left
    }

    /// The record with the reason beside its body; none if SQS would not take so long a message.
    fn letter(&self, record: &QueueRecord, code: RefusalCode, error: &str) -> Option<Outgoing> {
        let refusal = Refusal {
            code,
            error,
            function: self.name,
        };
        let letter = Outgoing {
            attributes: refusal.beside(&record.attributes),
            ..Outgoing::now(
                dead_letter_queue(self.queue),
                record.body.clone(),
                record.trace.clone(),
            )
        };
        (letter.bytes() <= MAX_MESSAGE_BYTES).then_some(letter)
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

/// What becomes of a record whose handling panicked there.
fn died_at(place: &str) -> Settled {
    Settled::nameless(Verdict::Failed(format!("its function panicked at {place}")))
}

/// How long the handler may work, of an invocation that ends at `deadline`.
fn working_time(deadline: u64, now: Timestamp) -> Duration {
    let Some(left) = left_until(deadline, now) else {
        return WITHOUT_DEADLINE;
    };
    left.saturating_sub(SETTLING_TIME.min(left / 4))
}

/// A message as it came. Where its sender gave no trace, as no schedule and hardly a producer does, its trace
/// begins with this invocation: else each function after it would begin one of its own.
fn record(message: SqsMessage, of_invocation: Option<&TraceHeader>) -> Result<QueueRecord, Error> {
    let attribute = |name: &str| message.attributes.get(name).cloned();
    let of_sender = message.message_attributes.iter();
    Ok(QueueRecord {
        attributes: of_sender
            .filter_map(|(name, value)| Some((name.clone(), Attribute::received(value)?)))
            .collect(),
        receive_count: attribute("ApproximateReceiveCount")
            .and_then(|n| n.parse().ok())
            .unwrap_or(1),
        first_received: attribute("ApproximateFirstReceiveTimestamp")
            .and_then(|millis| millis.parse().ok())
            .map(Timestamp::from_millis),
        trace: attribute("AWSTraceHeader")
            .as_deref()
            .and_then(TraceHeader::passed_on)
            .or_else(|| of_invocation.cloned()),
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
    fn time_is_kept_back_for_settling() {
        assert_eq!(
            working_time(30_000, Timestamp::from_millis(0)),
            Duration::from_secs(26)
        );
        assert_eq!(
            working_time(2_000, Timestamp::from_millis(1_000)),
            Duration::from_millis(750)
        );
        assert_eq!(working_time(1_000, Timestamp::from_millis(2_000)), Duration::ZERO);
    }

    #[test]
    fn groups_keep_the_order_of_the_batch() {
        let groups = grouped([("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(groups, [("b", vec![1, 3]), ("a", vec![2])]);
    }
}
