//! Recovers what the relay's mapping gave up: reads the records from the stream once more and saves their
//! commits in the outbox.
//!
//! Lambda gives a batch up when the relay fails on it again and again, or when it is too old, and tells a
//! queue where in the stream it was, not what it held. The stream keeps records for 24 hours.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::ProvideErrorMetadata;
use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, Record, ShardIteratorType};
use eventsourcing::{Clock, Timestamp};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use serde::Deserialize;
use tokio::time::Instant;

use crate::client::failure::reason;
use crate::delivery::outbox::Outbox;
use crate::delivery::refusal::RefusalCode;
use crate::delivery::undelivered::Undelivered;
use crate::function::metrics::Metrics;
use crate::function::queue_function::{BatchHandler, Invocation, Piece, QueueRecord, Verdict};
use crate::store::commit_ref::{CommitRef, KeyNumber};

/// How many entries are written at a time.
const MAX_CALLS: usize = 16;

/// How many empty pages are followed one after the other. `GetRecords` may answer with none in the middle of
/// a shard, and where a shard that is open ends it does so for ever; nothing but their number tells the two
/// apart.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html>
const MOST_EMPTY_PAGES: u32 = 100;

/// How long to wait after an empty page, so that the shard's other reader is not throttled.
const BETWEEN_EMPTY_PAGES: Duration = Duration::from_millis(100);

/// The errors of a stream that does not hold the records, or not any more: the records are older than 24
/// hours, the stream is gone with its table, the shard never held such a number.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetShardIterator.html>
const NOT_THERE: [&str; 3] = [
    "TrimmedDataAccessException",
    "ResourceNotFoundException",
    "ValidationException",
];

/// Handles what Lambda says of records that it gave up.
pub struct StreamRecovery {
    streams: Client,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
}

/// The part of Lambda's message that says where the records are.
#[derive(Debug, Deserialize)]
struct GivenUp {
    #[serde(rename = "requestContext")]
    context: Option<RequestContext>,
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: BatchInfo,
}

#[derive(Debug, Deserialize)]
struct RequestContext {
    condition: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    approximate_arrival_of_first_record: Option<String>,
    approximate_arrival_of_last_record: Option<String>,
    stream_arn: String,
}

impl BatchInfo {
    /// When its records were written, for whoever has to find their events in the table.
    fn time_range(&self) -> String {
        // It is logged, so it has to be a time, and not whatever somebody wrote there.
        let time = |given: &Option<String>| {
            let given = given.as_deref().filter(|time| time.parse::<Timestamp>().is_ok());
            given.unwrap_or("an unknown time").to_owned()
        };
        let from = time(&self.approximate_arrival_of_first_record);
        let to = time(&self.approximate_arrival_of_last_record);
        format!("{from} to {to}")
    }

    fn is_before_its_end(&self, sequence_number: &str) -> bool {
        magnitude(sequence_number) <= magnitude(&self.end_sequence_number)
    }
}

/// Sequence numbers have up to 40 digits, more than any integer type holds: they compare as text of equal
/// length.
fn magnitude(sequence_number: &str) -> (usize, &str) {
    let digits = sequence_number.trim_start_matches('0');
    (digits.len(), digits)
}

impl StreamRecovery {
    /// A function that reads with `streams` and saves in `outbox`.
    pub fn new(streams: Client, outbox: Outbox, clock: Arc<dyn Clock>) -> Self {
        Self {
            streams,
            outbox,
            clock,
        }
    }

    async fn recover(&self, body: &str, until: Instant) -> Verdict {
        let given_up: GivenUp = match serde_json::from_str(body) {
            Ok(given_up) => given_up,
            Err(error) => {
                let why = format!(
                    "the body is not what Lambda says of stream records that it gave up, with DDBStreamBatchInfo: \
                     {} at line {} column {}",
                    category(&error),
                    error.line(),
                    error.column()
                );
                return Verdict::Refused(RefusalCode::Malformed, why);
            }
        };
        match self.read_and_save(&given_up, until).await {
            Ok(()) => Verdict::Done("saved in the outbox"),
            Err(verdict) => verdict,
        }
    }

    async fn read_and_save(&self, given_up: &GivenUp, until: Instant) -> Result<(), Verdict> {
        let batch = &given_up.batch;
        let condition = given_up
            .context
            .as_ref()
            .and_then(|context| context.condition.as_deref());
        // What became of its messages is not known, so all of them are sent.
        let error = Undelivered::transiently(format!(
            "the relay's mapping gave it up: {}",
            condition.unwrap_or("for no stated reason")
        ));
        let mut iterator = self.iterator(batch).await?;
        let (mut reached, mut empty_pages) = (false, 0);
        while let Some(at) = iterator {
            if Instant::now() >= until {
                return Err(Verdict::Failed(
                    "the records could not all be read in time".to_owned(),
                ));
            }
            let page = self.streams.get_records().shard_iterator(at).send().await;
            let page = page.map_err(|error| match error.code() {
                Some(code) if NOT_THERE.contains(&code) => gone(batch),
                _ => Verdict::Failed(format!("GetRecords failed: {}", reason(&error))),
            })?;
            let records = page.records.unwrap_or_default();
            let number_of = |record: &Record| record.dynamodb.as_ref()?.sequence_number.clone();
            let last = records.last().and_then(number_of);
            let named = records
                .iter()
                .filter(|record| number_of(record).is_some_and(|number| batch.is_before_its_end(&number)));
            self.save(named.filter_map(commit_ref).collect(), &error).await?;
            reached = last.is_some_and(|last| magnitude(&last) >= magnitude(&batch.end_sequence_number));
            empty_pages = if records.is_empty() { empty_pages + 1 } else { 0 };
            if reached || empty_pages > MOST_EMPTY_PAGES {
                break;
            }
            iterator = page.next_shard_iterator;
            if empty_pages > 0 {
                tokio::time::sleep(BETWEEN_EMPTY_PAGES).await;
            }
        }
        // A shard is read in order: what comes before the end of its records was there and is saved.
        if reached { Ok(()) } else { Err(gone(batch)) }
    }

    async fn iterator(&self, batch: &BatchInfo) -> Result<Option<String>, Verdict> {
        let iterator = self
            .streams
            .get_shard_iterator()
            .stream_arn(&batch.stream_arn)
            .shard_id(&batch.shard_id)
            .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
            .sequence_number(&batch.start_sequence_number)
            .send()
            .await;
        match iterator {
            Ok(answer) => Ok(answer.shard_iterator),
            Err(error) if NOT_THERE.contains(&error.code().unwrap_or_default()) => Err(gone(batch)),
            Err(error) => Err(Verdict::Failed(format!(
                "GetShardIterator failed: {}",
                reason(&error)
            ))),
        }
    }

    async fn save(&self, commits: Vec<CommitRef>, error: &Undelivered) -> Result<(), Verdict> {
        let now = self.clock.now();
        let mut saves = stream::iter(commits)
            .map(|commit| async move { self.outbox.save(&commit, error, now).await })
            .buffer_unordered(MAX_CALLS);
        while let Some(saved) = saves.next().await {
            saved.map_err(|transient| Verdict::Failed(transient.to_string()))?;
        }
        Ok(())
    }
}

/// The records are not in the stream any more, but their events are in the table for good.
fn gone(batch: &BatchInfo) -> Verdict {
    let why = format!(
        "the stream does not hold the records any more; publish the events again that were written from {}",
        batch.time_range()
    );
    Verdict::Refused(RefusalCode::Rejected, why)
}

/// The commit that a record tells of; none if it is no insertion of one.
fn commit_ref(record: &Record) -> Option<CommitRef> {
    if record.event_name != Some(OperationType::Insert) {
        return None;
    }
    let keys = record.dynamodb.as_ref()?.keys.as_ref()?;
    match (keys.get("stream_id"), keys.get("revision")) {
        (Some(AttributeValue::S(stream)), Some(AttributeValue::N(revision))) => Some(CommitRef {
            stream: stream.clone(),
            revision: KeyNumber::read(revision),
        }),
        // No insertion into the event table has other keys.
        _ => None,
    }
}

/// What is wrong with a body, without any of it.
fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a field is missing or of another type",
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is not JSON",
    }
}

impl BatchHandler for StreamRecovery {
    fn message_type(&self) -> &'static str {
        "DDBStreamBatchInfo"
    }

    fn pieces<'a>(&'a self, records: &'a [QueueRecord], invocation: Invocation) -> Vec<Piece<'a>> {
        let piece = |(place, record): (usize, &'a QueueRecord)| {
            async move {
                let verdict = self.recover(&record.body, invocation.until).await;
                (vec![(place, None, verdict)], Metrics::default())
            }
            .boxed()
        };
        records.iter().enumerate().map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_compare_as_numbers() {
        let smaller = "9".repeat(39);
        let larger = format!("1{}", "0".repeat(39));
        assert!(magnitude(&smaller) < magnitude(&larger));
        assert!(magnitude("000000000000000000012") < magnitude("000000000000000000100"));
        assert_eq!(magnitude("0012"), magnitude("12"));
    }
}
