//! The event store on `DynamoDB`: an append is one conditional `PutItem`, a load one `Query`.
//!
//! The item of a commit, keyed by `stream_id` and `revision`, is written once and never changed.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use eventsourcing::{
    AppendError, Commit, EventStore, LoadError, MAX_COMMIT_BYTES, Position, Read, RecordedEvent, Stream,
    StreamFault, StreamId, TraceHeader, Transient, assemble_after,
};
use serde::{Deserialize, Serialize};

use crate::client::failure::{reason, without_value};
use crate::store::commit_ref::CommitRef;

/// The event store of one stack.
#[derive(Clone, Debug)]
pub struct DynamoDbEventStore {
    client: Client,
    table: String,
}

impl DynamoDbEventStore {
    /// The store in the table of that name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The commit at that place, read consistently; none if there is none.
    pub async fn fetch(&self, commit: &CommitRef) -> Result<Option<Commit>, FetchError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("stream_id", AttributeValue::S(commit.stream.clone()))
            .key("revision", AttributeValue::N(commit.revision.to_string()))
            .consistent_read(true)
            .send()
            .await;
        let item = got.map_err(|error| Transient {
            doing: format!("load of {commit}"),
            why: reason(&error),
        })?;
        let not_a_commit = |why| FetchError::NotACommit {
            commit: commit.clone(),
            why,
        };
        item.item
            .map(StoredCommit::read)
            .transpose()
            .map_err(not_a_commit)
    }

    fn query(&self, stream: &StreamId, read: Read) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(read == Read::Consistent)
            .key_condition_expression("stream_id = :stream")
            .expression_attribute_values(":stream", AttributeValue::S(stream.to_string()))
    }
}

/// A single commit that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It may work the next time.
    #[error(transparent)]
    Transient(#[from] Transient),
    /// Its item does not have the form of a commit.
    #[error("the item of {commit} is no commit: {why}")]
    NotACommit {
        /// Where it is.
        commit: CommitRef,
        /// What is wrong with it.
        why: String,
    },
}

fn commit(stream: &StreamId, item: HashMap<String, AttributeValue>) -> Result<Commit, StreamFault> {
    let revision = item
        .get("revision")
        .and_then(|value| value.as_n().ok())
        .and_then(|n| n.parse().ok());
    StoredCommit::read(item).map_err(|why| StreamFault::NotACommit {
        stream: stream.clone(),
        revision: revision.unwrap_or(0),
        why,
    })
}

fn not_loaded(stream: &StreamId, error: &SdkError<QueryError>) -> Transient {
    Transient {
        doing: format!("load of {stream}"),
        why: reason(error),
    }
}

#[async_trait]
impl EventStore for DynamoDbEventStore {
    async fn load_after(&self, stream: &StreamId, after: Position, read: Read) -> Result<Stream, LoadError> {
        let mut query = self.query(stream, read);
        if let Some(revision) = after.last_revision() {
            query = query
                .key_condition_expression("stream_id = :stream AND revision > :after")
                .expression_attribute_values(":after", AttributeValue::N(revision.to_string()));
        }
        let mut commits = Vec::new();
        let mut from = None;
        loop {
            let page = query.clone().set_exclusive_start_key(from).send().await;
            let page = page.map_err(|error| not_loaded(stream, &error))?;
            for item in page.items.unwrap_or_default() {
                commits.push(commit(stream, item)?);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(assemble_after(stream, after, commits)?);
            }
        }
    }

    async fn latest(&self, stream: &StreamId, read: Read) -> Result<Option<Commit>, LoadError> {
        let newest = self
            .query(stream, read)
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await;
        let items = newest.map_err(|error| not_loaded(stream, &error))?.items;
        let item = items.unwrap_or_default().into_iter().next();
        Ok(item.map(|item| commit(stream, item)).transpose()?)
    }

    async fn append(&self, commit: &Commit) -> Result<Position, AppendError> {
        let stream = &commit.stream;
        let transient = |why| {
            AppendError::Transient(Transient {
                doing: format!("append to {stream}"),
                why,
            })
        };
        let bytes = commit.stored_bytes();
        if bytes > MAX_COMMIT_BYTES {
            return Err(AppendError::TooLarge {
                stream: stream.clone(),
                bytes,
                limit: MAX_COMMIT_BYTES,
            });
        }
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(StoredCommit::of(commit))
            .map_err(|error| transient(error.to_string()))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(stream_id)")
            // The winner's item, at no read cost: it may be this very commit.
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = put else { return Ok(commit.end()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(lost)) => {
                let winner = lost
                    .item()
                    .and_then(|item| item.get("commit_id"))
                    .and_then(|id| id.as_s().ok());
                if winner == Some(&commit.commit_id.to_string()) {
                    // It had landed, and the reply was lost: this is the retry.
                    return Ok(commit.end());
                }
                Err(AppendError::Conflict {
                    stream: stream.clone(),
                    revision: commit.revision,
                })
            }
            _ => Err(transient(reason(&error))),
        }
    }
}

/// A commit as its item holds it; the same for the table and for its stream.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredCommit {
    stream_id: String,
    revision: u64,
    last_revision: u64,
    commit_id: String,
    committed_at: String,
    events: Vec<StoredEvent>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredEvent {
    event_id: String,
    event_type: String,
    schema_version: u32,
    correlation_id: String,
    causation_id: String,
    data: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

impl StoredCommit {
    /// The form in which `commit` is stored.
    pub fn of(commit: &Commit) -> Self {
        let stored = |event: &RecordedEvent| StoredEvent {
            event_id: event.event_id.clone(),
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
            correlation_id: event.correlation_id.clone(),
            causation_id: event.causation_id.clone(),
            data: event.data.clone(),
            trace: event.trace.as_ref().map(ToString::to_string),
        };
        Self {
            stream_id: commit.stream.to_string(),
            revision: commit.revision,
            last_revision: commit.last_revision(),
            commit_id: commit.commit_id.to_string(),
            committed_at: commit.committed_at.to_string(),
            events: commit.events.iter().map(stored).collect(),
        }
    }

    /// The commit of an item as the SDK shows it, or what is wrong with the item.
    pub fn read(item: HashMap<String, AttributeValue>) -> Result<Commit, String> {
        serde_dynamo::aws_sdk_dynamodb_1::from_item::<Self>(item)
            .map_err(|error| without_value(&error))?
            .into_commit()
    }

    /// The commit, or what is wrong with the item.
    pub fn into_commit(self) -> Result<Commit, String> {
        let events: Vec<_> = (self.revision..)
            .zip(self.events)
            .map(|(revision, event)| RecordedEvent {
                event_id: event.event_id,
                revision,
                event_type: event.event_type,
                schema_version: event.schema_version,
                data: event.data,
                correlation_id: event.correlation_id,
                causation_id: event.causation_id,
                trace: event.trace.as_deref().and_then(TraceHeader::passed_on),
            })
            .collect();
        let commit = Commit {
            stream: self
                .stream_id
                .parse()
                .map_err(|_| "stream_id has no category".to_owned())?,
            revision: self.revision,
            commit_id: self
                .commit_id
                .parse()
                .map_err(|_| "commit_id is not a UUID".to_owned())?,
            committed_at: self
                .committed_at
                .parse()
                .map_err(|_| "committed_at is not a timestamp".to_owned())?,
            events,
        };
        if commit.events.is_empty() {
            return Err("it holds no event".to_owned());
        }
        if self.last_revision != commit.last_revision() {
            return Err(format!(
                "last_revision is {}, but its events end at {}",
                self.last_revision,
                commit.last_revision()
            ));
        }
        Ok(commit)
    }
}
