//! A table's stream as a reader in this process sees it: where it is, and its records in order.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::{self, GetRecordsRequest};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use serde_json::Value;

use super::DynamoDb;
use super::error::DynamoDbError;

/// A record's place in its shard. Later records have greater numbers; nothing else can be told from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(u128);

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // DynamoDB's have 21 digits at least.
        write!(f, "{:021}", self.0)
    }
}

/// The text was no sequence number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a sequence number: 21 to 40 digits are")]
pub struct NotASequenceNumber(String);

impl FromStr for SequenceNumber {
    type Err = NotASequenceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = (21..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(NotASequenceNumber(text.to_owned())),
        }
    }
}

/// A table's stream. The embedded DynamoDB keeps all of it in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The stream's ARN.
    pub arn: String,
    /// Its one shard.
    pub shard: String,
    /// The table.
    pub table: String,
    /// The attribute whose value decides the order: records of one value stay in order.
    pub partition_key: String,
}

/// Where to begin reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPosition {
    /// At the oldest record there is.
    TrimHorizon,
    /// After the newest record there is at that moment.
    Latest,
    /// After the record with this number.
    After(SequenceNumber),
}

/// One change of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place.
    pub sequence_number: SequenceNumber,
    /// When the item changed, to the second.
    pub created: SystemTime,
    /// The value of the partition key, as JSON.
    pub partition: String,
    /// About as many bytes as `json` has.
    pub size: usize,
    /// The record as `GetRecords` answers it.
    pub json: Value,
}

/// Records in order, and where the next ones are.
#[derive(Clone, Debug)]
pub struct Records {
    /// None if the reader has caught up.
    pub records: Vec<Record>,
    /// The iterator to go on with.
    pub next: String,
}

impl DynamoDb {
    /// The stream of `table`.
    pub fn stream_of(&self, table: &str) -> Result<Stream, DynamoDbError> {
        let none = |reason: String| DynamoDbError::NoStream {
            table: table.to_owned(),
            reason,
        };
        let metadata = self
            .shared
            .database
            .get_table_metadata(table)
            .map_err(|e| none(e.to_string()))?;
        let metadata = metadata.ok_or_else(|| none("there is no such table".to_owned()))?;
        let label = match metadata.stream_label {
            Some(label) if metadata.stream_enabled => label,
            _ => return Err(none("its stream is not enabled".to_owned())),
        };
        let partition_key = partition_key(&metadata.key_schema)
            .ok_or_else(|| none(format!("its key schema {} has no HASH key", metadata.key_schema)))?;
        let arn = dynoxide::streams::stream_arn(table, &label);
        let description = DescribeStreamRequest {
            stream_arn: arn.clone(),
            ..Default::default()
        };
        let description = self.shared.database.describe_stream(description);
        let description = description.map_err(|e| none(e.to_string()))?.stream_description;
        match <[_; 1]>::try_from(description.shards) {
            Ok([shard]) => Ok(Stream {
                arn: self.home.name_outside(&arn),
                shard: self.home.name_outside(&shard.shard_id),
                table: table.to_owned(),
                partition_key,
            }),
            Err(shards) => Err(none(format!(
                "it has {} shards and one is expected",
                shards.len()
            ))),
        }
    }

    /// An iterator at `position`.
    pub fn shard_iterator(&self, stream: &Stream, position: StreamPosition) -> Result<String, DynamoDbError> {
        let (kind, number) = match position {
            StreamPosition::TrimHorizon => ("TRIM_HORIZON", None),
            StreamPosition::Latest => ("LATEST", None),
            StreamPosition::After(number) => ("AFTER_SEQUENCE_NUMBER", Some(number.to_string())),
        };
        let request = GetShardIteratorRequest {
            stream_arn: stream.arn.clone(),
            shard_id: self.home.name_inside(&stream.shard),
            shard_iterator_type: kind.to_owned(),
            sequence_number: number,
        };
        let read = |reason: String| DynamoDbError::Read {
            table: stream.table.clone(),
            reason,
        };
        let answer = self
            .shared
            .database
            .get_shard_iterator(request)
            .map_err(|e| read(e.to_string()))?;
        answer
            .shard_iterator
            .ok_or_else(|| read(format!("there is no iterator {kind}")))
    }

    /// Up to `limit` (at most 1,000) records from `iterator` on.
    pub fn records(&self, stream: &Stream, iterator: &str, limit: usize) -> Result<Records, DynamoDbError> {
        let read = |reason: String| DynamoDbError::Read {
            table: stream.table.clone(),
            reason,
        };
        let request = GetRecordsRequest {
            shard_iterator: iterator.to_owned(),
            limit: Some(limit),
        };
        let answer = self
            .shared
            .database
            .get_records(request)
            .map_err(|e| read(e.to_string()))?;
        let records: Result<Vec<_>, _> = answer
            .records
            .into_iter()
            .map(|record| self.record(stream, record))
            .collect();
        Ok(Records {
            records: records.map_err(read)?,
            next: answer
                .next_shard_iterator
                .ok_or_else(|| read("the shard was closed".to_owned()))?,
        })
    }

    fn record(&self, stream: &Stream, mut record: get_records::Record) -> Result<Record, String> {
        record.aws_region = self.home.region.to_string();
        let change = &record.dynamodb;
        let sequence_number = change
            .sequence_number
            .parse()
            .map_err(|e: NotASequenceNumber| e.to_string())?;
        let partition = change.keys.get(&stream.partition_key);
        let partition = serde_json::to_string(&partition).map_err(|e| e.to_string())?;
        let created = Duration::try_from_secs_f64(change.approximate_creation_date_time).unwrap_or_default();
        // Names and punctuation around the images.
        let size = usize::try_from(change.size_bytes).unwrap_or_default() + 640;
        let mut json = serde_json::to_value(&record).map_err(|e| e.to_string())?;
        // AWS writes whole seconds without a fraction.
        json["dynamodb"]["ApproximateCreationDateTime"] = created.as_secs().into();
        Ok(Record {
            sequence_number,
            created: UNIX_EPOCH + created,
            partition,
            size,
            json,
        })
    }
}

fn partition_key(key_schema: &str) -> Option<String> {
    let schema: Value = serde_json::from_str(key_schema).ok()?;
    let hash = schema.as_array()?.iter().find(|key| key["KeyType"] == "HASH")?;
    hash["AttributeName"].as_str().map(str::to_owned)
}
