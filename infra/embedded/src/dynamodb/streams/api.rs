//! The operations of DynamoDB Streams. `dynoxide` 3.2 has them too, and gives each table one stream for ever,
//! whatever its label; these know which of a table's streams is asked for.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html>

use dynoxide::DynoxideError;
use dynoxide::actions::list_tables::ListTablesRequest;
use dynoxide::storage::TableMetadata;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::MOST_RECORDS;
use super::checks::Checks;
use super::iterator::ShardIterator;
use super::lives::{self, Life};
use super::record::{self, Shown};
use crate::dynamodb::{Answer, DynamoDb, body, error_body, in_plain_words};

/// The most bytes that one `GetRecords` answers.
const MOST_BYTES: i64 = 1024 * 1024;
/// The most that `ListStreams` and `DescribeStream` answer at once, and what they do unless told.
const MOST_STREAMS: i64 = 100;
const ITERATOR_TYPES: [&str; 4] = [
    "AFTER_SEQUENCE_NUMBER",
    "LATEST",
    "AT_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
];

/// Why an operation of streams was refused.
enum Refusal {
    /// As DynamoDB refuses.
    Plain(DynoxideError),
    /// `TrimmedDataAccessException`
    Trimmed,
    /// `ExpiredIteratorException`
    Expired,
}

type Outcome = Result<Vec<u8>, Refusal>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListStreams {
    table_name: Option<String>,
    exclusive_start_stream_arn: Option<String>,
    limit: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeStream {
    stream_arn: Option<String>,
    exclusive_start_shard_id: Option<String>,
    limit: Option<i64>,
    shard_filter: Option<ShardFilter>,
}

/// Only the children of a shard; the one shard there is has none.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    r#type: Option<String>,
    shard_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetShardIterator {
    stream_arn: Option<String>,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    sequence_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecords {
    shard_iterator: Option<String>,
    limit: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    records: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
}

/// A stream, and the table that it is of.
struct Found {
    arn: String,
    shard: String,
    life: Life,
    /// It is the newest, and switched on.
    is_on: bool,
    table: TableMetadata,
}

impl DynamoDb {
    /// The answer to an operation of DynamoDB Streams; none if it is not one of them.
    pub(in crate::dynamodb) fn ask_streams(&self, operation: &str, body: &[u8]) -> Option<Answer> {
        let outcome = match operation {
            "ListStreams" => body::read(body)
                .map_err(Into::into)
                .and_then(|r| self.list_streams(&r)),
            "DescribeStream" => body::read(body)
                .map_err(Into::into)
                .and_then(|r| self.describe_stream(&r)),
            "GetShardIterator" => body::read(body)
                .map_err(Into::into)
                .and_then(|r| self.get_shard_iterator(&r)),
            "GetRecords" => body::read(body)
                .map_err(Into::into)
                .and_then(|r| self.get_records(&r)),
            _ => return None,
        };
        Some(outcome.map_or_else(|refusal| refusal.answer(operation), Answer::done))
    }

    fn list_streams(&self, request: &ListStreams) -> Outcome {
        Checks::default()
            .optional("tableName", request.table_name.as_deref(), 3..=255)
            .optional(
                "exclusiveStartStreamArn",
                request.exclusive_start_stream_arn.as_deref(),
                37..=1_024,
            )
            .limit(request.limit, MOST_STREAMS)
            .done()?;
        let tables = match &request.table_name {
            Some(table) => vec![table.clone()],
            None => self.all_tables()?,
        };
        let mut streams = Vec::new();
        for table in tables {
            streams.extend(self.streams(&table)?);
        }
        let begun = |stream: &Found| Some(&stream.arn) == request.exclusive_start_stream_arn.as_ref();
        if let Some(at) = streams.iter().position(begun) {
            streams.drain(..=at);
        }
        let limit = usize::try_from(request.limit.unwrap_or(MOST_STREAMS)).unwrap_or_default();
        let more = streams.len() > limit;
        streams.truncate(limit);
        let mut answer = json!({ "Streams": streams.iter().map(Found::summary).collect::<Vec<_>>() });
        if let (true, Some(last)) = (more, streams.last()) {
            answer["LastEvaluatedStreamArn"] = last.arn.as_str().into();
        }
        Ok(body::write(&answer)?)
    }

    fn describe_stream(&self, request: &DescribeStream) -> Outcome {
        let filter = request.shard_filter.as_ref();
        let mut checks = Checks::default();
        checks
            .text("streamArn", request.stream_arn.as_deref(), 37..=1_024)
            .limit(request.limit, MOST_STREAMS)
            .optional(
                "exclusiveStartShardId",
                request.exclusive_start_shard_id.as_deref(),
                28..=65,
            );
        if let Some(filter) = filter {
            checks
                .one_of("shardFilter.type", filter.r#type.as_deref(), &["CHILD_SHARDS"])
                .optional("shardFilter.shardId", filter.shard_id.as_deref(), 28..=65);
        }
        checks.done()?;
        let stream = self.stream_by_arn(request.stream_arn.as_deref().unwrap_or_default())?;
        if let Some(parent) = filter.and_then(|filter| filter.shard_id.as_ref()) {
            stream.check_shard(parent)?;
        }
        // A page goes on after a shard that may be gone by now: ids are in order.
        let shard = stream.described_shard();
        let is_after = |start: &String| shard["ShardId"].as_str().is_some_and(|id| id > start.as_str());
        let is_asked_for = request.exclusive_start_shard_id.as_ref().is_none_or(is_after) && filter.is_none();
        let shards = if is_asked_for { vec![shard] } else { Vec::new() };
        Ok(body::write(
            &json!({ "StreamDescription": stream.description(&shards) }),
        )?)
    }

    fn get_shard_iterator(&self, request: &GetShardIterator) -> Outcome {
        Checks::default()
            .text("streamArn", request.stream_arn.as_deref(), 37..=1_024)
            .text("shardId", request.shard_id.as_deref(), 28..=65)
            .one_of(
                "shardIteratorType",
                request.shard_iterator_type.as_deref(),
                &ITERATOR_TYPES,
            )
            .optional("sequenceNumber", request.sequence_number.as_deref(), 21..=40)
            .done()?;
        let stream = self.stream_by_arn(request.stream_arn.as_deref().unwrap_or_default())?;
        stream.check_shard(request.shard_id.as_deref().unwrap_or_default())?;
        let number = request.sequence_number.as_deref();
        let position = match (request.shard_iterator_type.as_deref(), number) {
            (Some("TRIM_HORIZON"), None) => stream.life.beginning(),
            (Some("LATEST"), None) => self.end_of(&stream)?,
            (Some("TRIM_HORIZON" | "LATEST"), Some(_)) => {
                return Err(invalid(
                    "One or more parameter values were invalid: SequenceNumber should not be passed for this \
                     iterator type",
                ));
            }
            (_, None) => {
                return Err(invalid(
                    "One or more parameter values were invalid: SequenceNumber cannot be null",
                ));
            }
            (Some("AT_SEQUENCE_NUMBER"), Some(number)) => stream.place_of(number)? - 1,
            (_, Some(number)) => stream.place_of(number)?,
        };
        let iterator = ShardIterator::new(stream.arn, position, self.now());
        Ok(body::write(&json!({ "ShardIterator": iterator.to_text() }))?)
    }

    fn get_records(&self, request: &GetRecords) -> Outcome {
        Checks::default()
            .text("shardIterator", request.shard_iterator.as_deref(), 1..=2_048)
            .limit(request.limit, MOST_RECORDS.into())
            .done()?;
        let iterator = request.shard_iterator.as_deref().and_then(ShardIterator::read);
        let iterator = iterator.ok_or_else(|| invalid("Invalid ShardIterator"))?;
        if iterator.has_expired(self.now()) {
            return Err(Refusal::Expired);
        }
        let stream = self.stream_by_arn(&iterator.stream)?;
        let limit = usize::try_from(request.limit.unwrap_or(MOST_RECORDS.into())).unwrap_or_default();
        let page = self.page(&stream, iterator.position, limit)?;
        Ok(body::write(&page)?)
    }

    /// Records after `position`, at most `limit` and a megabyte. There may be none although more follow:
    /// what changed nothing is left out.
    fn page(&self, stream: &Found, mut position: i64, limit: usize) -> Result<Page, Refusal> {
        let table = &stream.table.table_name;
        let (read, _) = self.shared.database.stream_records(table, position, limit)?;
        let mut at_end = read.len() < limit;
        let (mut records, mut bytes) = (Vec::new(), 0);
        for mut record in read {
            let number = record
                .dynamodb
                .sequence_number
                .parse()
                .ok()
                .and_then(lives::stored);
            let number = number.unwrap_or(position);
            if stream.life.end().is_some_and(|end| number > end) {
                at_end = true;
                break;
            }
            if !record::is_void(&record) {
                record::trim(&mut record, &stream.life, &self.home.region);
                bytes += record.dynamodb.size_bytes;
                if bytes > MOST_BYTES && !records.is_empty() {
                    at_end = false;
                    break;
                }
                records.push(Shown::from(record));
            }
            position = number;
        }
        let closed = at_end && stream.life.end().is_some();
        let next = ShardIterator::new(stream.arn.as_str(), position, self.now());
        Ok(Page {
            records,
            next_shard_iterator: (!closed).then(|| next.to_text()),
        })
    }

    /// The position after the newest record.
    fn end_of(&self, stream: &Found) -> Result<i64, Refusal> {
        Ok(match stream.life.end() {
            Some(end) => end,
            None => self
                .newest_number(&stream.table.table_name)?
                .unwrap_or(stream.life.beginning()),
        })
    }

    fn stream_by_arn(&self, arn: &str) -> Result<Found, Refusal> {
        let table = self.home.table_of_stream(arn);
        let streams = match table {
            Some(table) => self.streams(table)?,
            None => Vec::new(),
        };
        streams
            .into_iter()
            .find(|stream| stream.arn == arn)
            .ok_or_else(|| {
                let message = format!("Requested resource not found: Stream: {arn} not found");
                DynoxideError::ResourceNotFoundException(message).into()
            })
    }

    /// The streams of a table that can be read, the oldest first; none if there is no such table.
    fn streams(&self, table: &str) -> Result<Vec<Found>, DynoxideError> {
        let Some(metadata) = self.shared.database.get_table_metadata(table)? else {
            return Ok(Vec::new());
        };
        let lives = lives::readable(lives::of(&metadata), self.now());
        let newest = lives.last().map(|life| life.label.clone());
        let found = |life: Life| Found {
            arn: self.home.stream_arn(table, &life),
            shard: self.home.shard_id(table, &life),
            is_on: metadata.stream_enabled && Some(&life.label) == newest.as_ref(),
            life,
            table: metadata.clone(),
        };
        Ok(lives.into_iter().map(found).collect())
    }

    fn all_tables(&self) -> Result<Vec<String>, DynoxideError> {
        let mut tables = Vec::new();
        loop {
            let request = ListTablesRequest {
                exclusive_start_table_name: tables.last().cloned(),
                limit: None,
            };
            let page = self.shared.database.list_tables(request)?;
            tables.extend(page.table_names);
            if page.last_evaluated_table_name.is_none() {
                return Ok(tables);
            }
        }
    }
}

impl Found {
    fn summary(&self) -> Value {
        json!({ "StreamArn": self.arn, "StreamLabel": self.life.label, "TableName": self.table.table_name })
    }

    fn description(&self, shards: &[Value]) -> Value {
        let key_schema: Value = serde_json::from_str(&self.table.key_schema).unwrap_or_default();
        json!({
            "StreamArn": self.arn,
            "StreamLabel": self.life.label,
            "StreamStatus": if self.is_on { "ENABLED" } else { "DISABLED" },
            "StreamViewType": self.life.view,
            "CreationRequestDateTime": self.life.began.as_secs_f64(),
            "TableName": self.table.table_name,
            "KeySchema": key_schema,
            "Shards": shards,
        })
    }

    /// An open shard has no end yet.
    fn described_shard(&self) -> Value {
        let mut range = json!({ "StartingSequenceNumber": self.life.first_number().to_string() });
        if let Some(last) = self.life.last_number() {
            range["EndingSequenceNumber"] = last.to_string().into();
        }
        json!({ "ShardId": self.shard, "SequenceNumberRange": range })
    }

    fn check_shard(&self, shard: &str) -> Result<(), Refusal> {
        if shard == self.shard {
            return Ok(());
        }
        let message = "Requested resource not found: Shard does not exist".to_owned();
        Err(DynoxideError::ResourceNotFoundException(message).into())
    }

    /// The position of the record with this number.
    fn place_of(&self, number: &str) -> Result<i64, Refusal> {
        let shown: Option<u128> = number
            .parse()
            .ok()
            .filter(|_| number.bytes().all(|b| b.is_ascii_digit()));
        let shown = shown.ok_or_else(|| invalid("Invalid SequenceNumber for the shard"))?;
        if shown < self.life.first_number() {
            return Err(Refusal::Trimmed);
        }
        let last = self.life.last_number().is_none_or(|last| shown <= last);
        let stored = lives::stored(shown).filter(|_| last);
        stored.ok_or_else(|| invalid("Invalid SequenceNumber for the shard"))
    }
}

impl From<DynoxideError> for Refusal {
    fn from(error: DynoxideError) -> Self {
        Self::Plain(error)
    }
}

impl Refusal {
    fn answer(self, operation: &str) -> Answer {
        let own = |name: &str, message: &str| Answer {
            status: 400,
            body: error_body(&format!("com.amazonaws.dynamodb.v20120810#{name}"), message),
        };
        match self {
            Self::Plain(error) => Answer::refused(&in_plain_words(operation, error)),
            Self::Trimmed => own(
                "TrimmedDataAccessException",
                "The data you are trying to access has been trimmed",
            ),
            Self::Expired => own(
                "ExpiredIteratorException",
                "The shard iterator is expired: one is good for 15 minutes after it was given out",
            ),
        }
    }
}

fn invalid(message: &str) -> Refusal {
    DynoxideError::ValidationException(message.to_owned()).into()
}
