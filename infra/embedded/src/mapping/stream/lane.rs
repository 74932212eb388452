//! One lane of a stream's mapping: a batch at a time, repeated, split or given up by Lambda's rules.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use embedded_sqs::Outgoing;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::arrival::Arrival;
use super::progress::Progress;
use super::settings::{OnFailure, Settings};
use crate::clock::{to_the_millisecond, to_the_second};
use crate::dynamodb::{SequenceNumber, Stream};
use crate::mapping::report::{self, Report};
use crate::mapping::{
    EMPTY_PAYLOAD, Function, LARGEST_PAYLOAD, Shutdown, event_of, new_request_id, told_to_stop,
};

/// For how long DynamoDB keeps a record
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>).
const RETENTION: Duration = Duration::from_hours(24);
/// The wait before the first repetition; it doubles with each. AWS gives no numbers.
const SHORTEST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait before a repetition.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// A lane. Clones are lanes of the same mapping.
#[derive(Clone)]
pub(super) struct Lane {
    settings: Arc<Settings>,
    stream: Arc<Stream>,
    function: Function,
    progress: Arc<Progress>,
}

/// A batch, or what is left of one.
struct Part {
    records: Vec<Arrival>,
    /// Repetitions that used up an attempt.
    retries: u32,
    last: Option<Attempt>,
}

/// An invocation that did not settle all its records.
#[derive(Clone)]
struct Attempt {
    request_id: String,
    /// Invocation number, for these records.
    count: u32,
    /// Whether the function failed, rather than report failed records.
    function_error: bool,
}

/// Why records are given up, in Lambda's words.
#[derive(Clone, Copy)]
enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

impl Lane {
    pub(super) fn new(
        settings: Settings,
        stream: Stream,
        function: Function,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            settings: Arc::new(settings),
            stream: Arc::new(stream),
            function,
            progress,
        }
    }

    /// Handles what arrives until `stop`; the invocation that runs then is finished.
    pub(super) async fn run(self, arriving: mpsc::Receiver<Vec<Arrival>>, mut stop: Shutdown) {
        let mut intake = Intake {
            arriving,
            waiting: VecDeque::new(),
        };
        loop {
            let batch = tokio::select! {
                biased;
                () = told_to_stop(&mut stop) => return,
                batch = intake.next_batch(&self.settings) => batch,
            };
            let Some(batch) = batch else { return };
            if !self.work_through(batch, &mut stop).await {
                return;
            }
        }
    }

    /// Settles a batch; false if it was told to stop before. What is unsettled then comes again from the
    /// checkpoint.
    async fn work_through(&self, batch: Vec<Arrival>, stop: &mut Shutdown) -> bool {
        let mut parts = vec![Part {
            records: batch,
            retries: 0,
            last: None,
        }];
        while let Some(part) = parts.pop() {
            if *stop.borrow() {
                return false;
            }
            let Some(mut part) = self.without_expired(part) else {
                continue;
            };
            let (from, attempt) = self.attempt(&part).await;
            let done: Vec<_> = part.records.drain(..from).collect();
            self.progress.settle(&done);
            part.last = Some(attempt);
            if part.records.is_empty() {
                continue;
            }
            if self.settings.bisect_batch_on_function_error && (from > 0 || part.records.len() > 1) {
                // Split where the function said it failed, or else in the middle. It uses up no attempt.
                if from == 0 {
                    parts.push(part.split_off_second_half());
                }
                parts.push(part);
                continue;
            }
            if self
                .settings
                .maximum_retry_attempts
                .is_some_and(|most| part.retries >= most)
            {
                self.give_up(&part, Condition::RetryAttemptsExhausted);
                continue;
            }
            let backoff = LONGEST_BACKOFF.min(SHORTEST_BACKOFF * 2_u32.saturating_pow(part.retries.min(16)));
            part.retries += 1;
            parts.push(part);
            tokio::select! {
                biased;
                () = told_to_stop(stop) => return false,
                () = sleep(backoff) => {}
            }
        }
        true
    }

    /// Gives up the records at the beginning that are too old; `None` if all are.
    fn without_expired(&self, mut part: Part) -> Option<Part> {
        let most = self
            .settings
            .maximum_record_age
            .map_or(RETENTION, |age| age.min(RETENTION));
        let now = self.function.clock.now();
        let age = |arrival: &Arrival| now.duration_since(arrival.record.created).unwrap_or_default();
        let expired = part
            .records
            .iter()
            .take_while(|arrival| age(arrival) > most)
            .count();
        if expired > 0 {
            let records = part.records.drain(..expired).collect();
            let expired = Part {
                records,
                retries: part.retries,
                last: part.last.clone(),
            };
            self.give_up(&expired, Condition::RecordAgeExceeded);
        }
        (!part.records.is_empty()).then_some(part)
    }

    /// Invokes the function. Answers how many records from the beginning are done with.
    async fn attempt(&self, part: &Part) -> (usize, Attempt) {
        let records: Vec<Value> = part.records.iter().map(Arrival::json).collect();
        let request_id = new_request_id();
        self.progress.status.started();
        let answer = self
            .function
            .invoke(event_of(records), request_id.clone(), None)
            .await;
        let (done, failure) = match &answer {
            Err(error) => (0, Some(error.to_string())),
            Ok(_) if !self.settings.report_batch_item_failures => (part.records.len(), None),
            Ok(answer) => match report::read_of_stream(answer, |id| part.place_of(id).is_some()) {
                Report::Success => (part.records.len(), None),
                Report::Failed(ids) => {
                    // Numbers rise within a batch, so the lowest is the first.
                    (
                        ids.into_iter()
                            .filter_map(|id| part.place_of(id))
                            .min()
                            .unwrap_or(0),
                        None,
                    )
                }
                Report::Unusable(reason) => (0, Some(reason)),
            },
        };
        if let Some(failure) = &failure {
            tracing::warn!(
                table = self.settings.table,
                function = self.function.arn,
                "{failure}"
            );
        }
        self.progress
            .status
            .ended(failure.as_ref().map(|failure| failure as _));
        let count = part.last.as_ref().map_or(0, |last| last.count) + 1;
        (
            done,
            Attempt {
                request_id,
                count,
                function_error: answer.is_err(),
            },
        )
    }

    /// Tells the on-failure destination, and goes on as if the records were done.
    fn give_up(&self, part: &Part, condition: Condition) {
        if let Some(destination) = &self.settings.on_failure {
            self.tell(destination, &self.note(part, condition));
        }
        let given_up = part.records.len() as u64;
        self.progress
            .status
            .update(|activity| activity.discarded += given_up);
        self.progress.settle(&part.records);
    }

    /// Lambda drops a note that it can't deliver and counts it (`DestinationDeliveryFailures`).
    fn tell(&self, destination: &OnFailure, note: &Value) {
        let message = Outgoing {
            body: note.to_string(),
            ..Outgoing::default()
        };
        if let Err(error) = destination.sqs.send(&destination.queue, message) {
            tracing::error!(queue = destination.queue, %note, "the note was not delivered: {error}");
            self.progress.status.update(|activity| activity.undelivered += 1);
        }
    }

    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
    fn note(&self, part: &Part, condition: Condition) -> Value {
        let condition = match condition {
            Condition::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Condition::RecordAgeExceeded => "RecordAgeExceeded",
        };
        let (first, last) = (part.records.first(), part.records.last());
        let number = |at: Option<&Arrival>| at.map(|arrival| arrival.number.to_string());
        // The record's own: the table may have been made anew meanwhile.
        let stream = first.map_or_else(
            || Value::from(self.stream.arn.as_str()),
            |at| at.record.json["eventSourceARN"].clone(),
        );
        let arrival = |at: Option<&Arrival>| at.map(|arrival| to_the_second(arrival.record.created));
        let mut note = json!({
            "requestContext": {
                "requestId": part.last.as_ref().map_or_else(new_request_id, |last| last.request_id.clone()),
                "functionArn": self.function.arn,
                "condition": condition,
                "approximateInvokeCount": part.last.as_ref().map_or(0, |last| last.count),
            },
            "version": "1.0",
            "timestamp": to_the_millisecond(self.function.clock.now()),
            "DDBStreamBatchInfo": {
                "shardId": self.stream.shard,
                "startSequenceNumber": number(first),
                "endSequenceNumber": number(last),
                "approximateArrivalOfFirstRecord": arrival(first),
                "approximateArrivalOfLastRecord": arrival(last),
                "batchSize": part.records.len(),
                "streamArn": stream,
            },
        });
        if let Some(last) = &part.last {
            note["responseContext"] = json!({
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": last.function_error.then_some("Unhandled"),
            });
        }
        note
    }
}

impl Part {
    fn split_off_second_half(&mut self) -> Self {
        let records = self.records.split_off(self.records.len().div_ceil(2));
        Self {
            records,
            retries: self.retries,
            last: self.last.clone(),
        }
    }

    fn place_of(&self, id: &str) -> Option<usize> {
        let number: SequenceNumber = id.parse().ok()?;
        self.records
            .binary_search_by_key(&number, |arrival| arrival.number)
            .ok()
    }
}

/// What has arrived at a lane.
struct Intake {
    arriving: mpsc::Receiver<Vec<Arrival>>,
    waiting: VecDeque<Arrival>,
}

impl Intake {
    /// The next batch: all there is, up to the limits, after the window if there is one. `None` when no
    /// more records can come. Dropped while it waits, it loses nothing.
    async fn next_batch(&mut self, settings: &Settings) -> Option<Vec<Arrival>> {
        while self.waiting.is_empty() {
            let arrived = self.arriving.recv().await?;
            self.waiting.extend(arrived);
        }
        let until = Instant::now() + settings.batching_window;
        let mut ready = self.fitting(settings.batch_size as usize);
        while ready == self.waiting.len() && ready < settings.batch_size as usize {
            let arrived = match self.arriving.try_recv() {
                Ok(arrived) => arrived,
                Err(_) if settings.batching_window.is_zero() => break,
                Err(_) => tokio::select! {
                    biased;
                    arrived = self.arriving.recv() => match arrived {
                        Some(arrived) => arrived,
                        None => break,
                    },
                    () = sleep_until(until) => break,
                },
            };
            self.waiting.extend(arrived);
            ready = self.fitting(settings.batch_size as usize);
        }
        Some(self.waiting.drain(..ready).collect())
    }

    /// How many of the waiting records fit one event; one always does.
    fn fitting(&self, most: usize) -> usize {
        let mut size = EMPTY_PAYLOAD;
        let fits = |arrival: &&Arrival| {
            size += arrival.record.size;
            size <= LARGEST_PAYLOAD
        };
        self.waiting.iter().take(most).take_while(fits).count().max(1)
    }
}
