//! A table's streams: [`api`] is what a client sees of them over the wire, and this file what a reader in this
//! process does: where a stream is, and its records in order.

mod api;
mod checks;
mod iterator;
mod lives;
mod record;
mod stored;
mod table;
mod view;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::DynoxideError;
use dynoxide::actions::get_records;
use dynoxide::actions::get_shard_iterator::{
    GetShardIteratorRequest, decode_shard_iterator, encode_shard_iterator,
};
use serde_json::Value;

use super::DynamoDb;
use super::error::DynamoDbError;
use super::keys::Keys;
pub(super) use lives::Life;
pub(crate) use lives::SCHEMA;
pub(super) use stored::after as records_after;
pub(super) use view::check_new;

/// The most records of one read
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html>).
const MOST_RECORDS: u16 = 1_000;

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
    /// All streams of the table, whose records are read one after the other: each says what its records show.
    lives: Arc<[Life]>,
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
    /// The record as Lambda hands it to a function.
    pub json: Value,
}

/// Records in order, and where the next ones are.
#[derive(Clone, Debug)]
pub struct Records {
    /// What was changed. A write that changed nothing has no record, so there may be none although more
    /// follow.
    pub records: Vec<Record>,
    /// Whether no more followed at that moment.
    pub at_end: bool,
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
        let lives = lives::of(&metadata);
        let newest = match lives.last() {
            Some(newest) if metadata.stream_enabled => newest,
            _ => return Err(none("its stream is not enabled".to_owned())),
        };
        let keys = Keys::of(&metadata)
            .ok_or_else(|| none(format!("its key schema {} can't be read", metadata.key_schema)))?;
        Ok(Stream {
            arn: self.home.stream_arn(table, newest),
            shard: self.home.shard_id(table, newest),
            table: table.to_owned(),
            partition_key: keys.partition.name,
            lives: lives.into(),
        })
    }

    /// An iterator at `position`.
    pub fn shard_iterator(&self, stream: &Stream, position: StreamPosition) -> Result<String, DynamoDbError> {
        let beginning = stream.lives.last().map_or(0, Life::beginning);
        let position = match position {
            StreamPosition::TrimHorizon => beginning,
            StreamPosition::Latest => self
                .newest_number(&stream.table)
                .map_err(|error| DynamoDbError::Read {
                    table: stream.table.clone(),
                    reason: error.to_string(),
                })?
                .unwrap_or(beginning),
            // Records of the stream before, which was switched off meanwhile, are read too.
            StreamPosition::After(number) => lives::stored(number.0).unwrap_or(beginning),
        };
        let shard = dynoxide::streams::shard_id(&stream.table);
        Ok(encode_shard_iterator(&stream.table, &shard, position))
    }

    /// The number of the table's newest record. Its stream has to be on.
    fn newest_number(&self, table: &str) -> Result<Option<i64>, DynoxideError> {
        let request = GetShardIteratorRequest {
            // The label is not looked at.
            stream_arn: dynoxide::streams::stream_arn(table, "newest"),
            shard_id: dynoxide::streams::shard_id(table),
            shard_iterator_type: "LATEST".to_owned(),
            sequence_number: None,
        };
        let iterator = self.shared.database.get_shard_iterator(request)?.shard_iterator;
        let place = iterator.as_deref().and_then(decode_shard_iterator);
        Ok(place
            .map(|(_, _, position)| position)
            .filter(|position| *position > 0))
    }

    /// Up to `limit` (at most 1,000) records from `iterator` on.
    pub fn records(&self, stream: &Stream, iterator: &str, limit: usize) -> Result<Records, DynamoDbError> {
        let read = |reason: String| DynamoDbError::Read {
            table: stream.table.clone(),
            reason,
        };
        let not_one = || read(format!("{iterator} is no iterator of its"));
        let (table, shard, place) = decode_shard_iterator(iterator).ok_or_else(not_one)?;
        let limit = limit.min(MOST_RECORDS.into());
        let found = self.shared.database.stream_records(&table, place, limit);
        let (found, last) = found.map_err(|error| read(error.to_string()))?;
        let at_end = found.len() < limit;
        let records: Result<Vec<_>, _> = found
            .into_iter()
            .filter(|record| !record::is_void(record))
            .map(|record| self.record(stream, record))
            .collect();
        Ok(Records {
            records: records.map_err(read)?,
            at_end,
            next: encode_shard_iterator(&table, &shard, last),
        })
    }

    fn record(&self, stream: &Stream, mut record: get_records::Record) -> Result<Record, String> {
        let sequence_number: SequenceNumber = record
            .dynamodb
            .sequence_number
            .parse()
            .map_err(|e: NotASequenceNumber| e.to_string())?;
        // Before it is trimmed: an event is limited in bytes of JSON.
        let of_json = usize::try_from(record.dynamodb.size_bytes).unwrap_or_default();
        let number = lives::stored(sequence_number.0).unwrap_or_default();
        let life = lives::holding(&stream.lives, number);
        let hidden = life.map_or(0, |life| record::trim(&mut record, life, &self.home.region));
        let change = &record.dynamodb;
        let partition = change.keys.get(&stream.partition_key);
        let partition = serde_json::to_string(&partition).map_err(|e| e.to_string())?;
        let created = Duration::try_from_secs_f64(change.approximate_creation_date_time).unwrap_or_default();
        // Names and punctuation around the images.
        let size = of_json.saturating_sub(hidden) + 640;
        let mut json = serde_json::to_value(&record).map_err(|e| e.to_string())?;
        // AWS writes whole seconds without a fraction.
        json["dynamodb"]["ApproximateCreationDateTime"] = created.as_secs().into();
        json["eventSourceARN"] = life
            .map_or_else(
                || stream.arn.clone(),
                |life| self.home.stream_arn(&stream.table, life),
            )
            .into();
        Ok(Record {
            sequence_number,
            created: UNIX_EPOCH + created,
            partition,
            size,
            json,
        })
    }
}
