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
    AppendError, Commit, EventStore, LoadError, MAX_COMMIT_BYTES, Position, Read, Stream, StreamFault,
    StreamId, Transient, assemble_after,
};

use crate::client::failure::reason;
use crate::store::commit_page::CommitPage;
use crate::store::commit_ref::CommitRef;
use crate::store::stored_commit::StoredCommit;

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

/// The commits of one page of a query, and the key to go on after.
async fn page(
    stream: &StreamId,
    query: QueryFluentBuilder,
) -> Result<(Vec<Commit>, Option<HashMap<String, AttributeValue>>), LoadError> {
    let read = CommitPage::default();
    let answer = query.customize().interceptor(read.clone()).send().await;
    let answer = answer.map_err(|error| not_loaded(stream, &error))?;
    let mut commits = read.take();
    for item in answer.items.unwrap_or_default() {
        commits.push(commit(stream, item)?);
    }
    Ok((commits, answer.last_evaluated_key))
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
            let (page, last_key) = page(stream, query.clone().set_exclusive_start_key(from)).await?;
            commits.extend(page);
            from = last_key;
            if from.is_none() {
                return Ok(assemble_after(stream, after, commits)?);
            }
        }
    }

    async fn latest(&self, stream: &StreamId, read: Read) -> Result<Option<Commit>, LoadError> {
        let newest = self.query(stream, read).scan_index_forward(false).limit(1);
        Ok(page(stream, newest).await?.0.into_iter().next())
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
