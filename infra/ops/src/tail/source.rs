//! The event table's stream, as `DynamoDB` Streams shows it.

use std::collections::HashMap;

use aws_adapters::{StoredCommit, reason};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodbstreams::types::{
    AttributeValue as Streamed, OperationType, Record, ShardIteratorType, StreamRecord,
};

use crate::failure::Failure;
use crate::stack::Stack;
use crate::tail::follow::{self, Page, Place, Shard, Shards, Trouble};

/// The errors of a service that has too much to do, or a fault of its own.
const TRANSIENT: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
];

/// The stream of a table.
pub(crate) struct TableStream {
    client: Client,
    arn: String,
}

impl TableStream {
    /// The stream of the event table.
    pub(crate) async fn of(stack: &Stack) -> Result<Self, Failure> {
        let table = stack.names.events_table();
        let described = stack.connection.dynamodb.describe_table();
        let described = described.table_name(&table).send().await;
        let described = described.map_err(|error| match error.code() {
            Some("ResourceNotFoundException") => Failure::NotFound(format!("there is no table {table}")),
            _ => Failure::Failed(format!("table {table} can't be described: {}", reason(&error))),
        })?;
        let arn = described.table.and_then(|described| described.latest_stream_arn);
        let arn = arn.ok_or_else(|| {
            Failure::Failed(format!(
                "table {table} has no stream, so the relay delivers nothing either; expected one with new images \
                 (NEW_IMAGE), as the template gives it"
            ))
        })?;
        Ok(Self {
            client: stack.connection.streams(),
            arn,
        })
    }
}

impl Shards for TableStream {
    async fn list(&self) -> Result<Vec<Shard>, Trouble> {
        let mut shards = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .client
                .describe_stream()
                .stream_arn(&self.arn)
                .set_exclusive_start_shard_id(after)
                .send()
                .await
                .map_err(|error| trouble("DescribeStream", &error))?;
            let Some(described) = page.stream_description else {
                return Ok(shards);
            };
            for shard in described.shards.unwrap_or_default() {
                let parent = shard.parent_shard_id;
                shards.extend(shard.shard_id.map(|id| Shard { id, parent }));
            }
            after = described.last_evaluated_shard_id;
            if after.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn iterator(&self, shard: &str, from: &Place) -> Result<Option<String>, Trouble> {
        let (kind, number) = match from {
            Place::Latest => (ShardIteratorType::Latest, None),
            Place::Oldest => (ShardIteratorType::TrimHorizon, None),
            Place::After(number) => (ShardIteratorType::AfterSequenceNumber, Some(number.clone())),
        };
        let iterator = self
            .client
            .get_shard_iterator()
            .stream_arn(&self.arn)
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_sequence_number(number)
            .send()
            .await
            .map_err(|error| trouble("GetShardIterator", &error))?;
        Ok(iterator.shard_iterator)
    }

    async fn records(&self, iterator: &str) -> Result<Page, Trouble> {
        let page = self.client.get_records().shard_iterator(iterator).send().await;
        let page = page.map_err(|error| trouble("GetRecords", &error))?;
        let records = page.records.unwrap_or_default();
        let last = records.last().and_then(|record| record.dynamodb.as_ref());
        Ok(Page {
            last: last.and_then(|change| change.sequence_number.clone()),
            records: records.into_iter().filter_map(commit).collect(),
            next: page.next_shard_iterator,
        })
    }
}

fn trouble<E>(asked: &str, error: &SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let why = || format!("{asked} failed: {}", reason(error));
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let own_fault = error
        .raw_response()
        .is_some_and(|response| response.status().is_server_error());
    match code {
        Some("ExpiredIteratorException") => Trouble::Expired,
        Some("TrimmedDataAccessException") => Trouble::Trimmed,
        Some("ResourceNotFoundException") => Trouble::Gone,
        Some(code) if !TRANSIENT.contains(&code) && !own_fault => Trouble::Lasting(Failure::Failed(format!(
            "the table stream can't be read: {}",
            why()
        ))),
        _ => Trouble::Transient(why()),
    }
}

/// The commit that a record is of; none of what is no new commit.
fn commit(record: Record) -> Option<follow::Streamed> {
    let change = record.dynamodb?;
    if record.event_name != Some(OperationType::Insert) {
        return None;
    }
    let (stream_id, revision) = key(&change);
    let fault = |fault| follow::Streamed::Fault {
        stream_id,
        revision,
        fault,
    };
    let Some(image) = change.new_image else {
        return Some(fault(
            "the table stream does not show it; expected one with new images (NEW_IMAGE)".to_owned(),
        ));
    };
    let item = image.into_iter().map(|(name, value)| (name, plain(value)));
    Some(match StoredCommit::read(item.collect()) {
        Ok(commit) => follow::Streamed::Commit(commit),
        Err(why) => fault(format!("its item is no commit: {why}")),
    })
}

fn key(change: &StreamRecord) -> (String, u64) {
    let key = |name: &str| change.keys.as_ref().and_then(|keys| keys.get(name));
    let stream = key("stream_id").and_then(|value| value.as_s().ok());
    let revision = key("revision").and_then(|value| value.as_n().ok());
    let revision = revision.and_then(|number| number.parse().ok());
    (stream.cloned().unwrap_or_default(), revision.unwrap_or(0))
}

/// The value as the table itself shows it: the SDK has a type for each.
fn plain(value: Streamed) -> AttributeValue {
    let all = |map: HashMap<String, Streamed>| map.into_iter().map(|(name, value)| (name, plain(value)));
    match value {
        Streamed::S(text) => AttributeValue::S(text),
        Streamed::N(number) => AttributeValue::N(number),
        Streamed::B(bytes) => AttributeValue::B(bytes),
        Streamed::Bool(is_so) => AttributeValue::Bool(is_so),
        Streamed::L(values) => AttributeValue::L(values.into_iter().map(plain).collect()),
        Streamed::M(map) => AttributeValue::M(all(map).collect()),
        Streamed::Ss(texts) => AttributeValue::Ss(texts),
        Streamed::Ns(numbers) => AttributeValue::Ns(numbers),
        Streamed::Bs(several) => AttributeValue::Bs(several),
        // What is no part of a commit: reading it as one tells what is wrong.
        _ => AttributeValue::Null(true),
    }
}
