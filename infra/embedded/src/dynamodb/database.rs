//! `dynoxide`'s actions on the [`Engine`], by the names that its own `Database` gives them. That one keeps its
//! connection to itself, and here more than tables are kept on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dynoxide::actions::vector_lifecycle::VectorIndexLifecycle;
use dynoxide::actions::{
    self, execute_transaction as transaction, transact_get_items as transact_get,
    transact_write_items as transact_write,
};
use dynoxide::storage::TableMetadata;
use dynoxide::types::{AttributeValue, Item};
use dynoxide::{DynoxideError, Result};
use futures::FutureExt;
use serde::Serialize;

use super::accepted::{Accepted, Found};
use super::keys::Keys;
use super::plain_put::PlainPut;
use super::plain_query::PlainQuery;
use crate::store::Engine;

/// For how long a `ClientRequestToken` is remembered
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
const TOKEN_LIFE: Duration = Duration::from_mins(10);

/// The longest `ClientRequestToken`.
const LONGEST_TOKEN: usize = 36;

/// The tables.
pub(super) struct Database {
    engine: Arc<Engine>,
    vector_indexes: VectorIndexLifecycle,
    writes: Tokens<transact_write::TransactWriteItemsResponse>,
    statements: Tokens<transaction::ExecuteTransactionResponse>,
}

/// One action: how it uses the engine, its name and module. Its future never waits: SQLite is asked on the calling thread.
macro_rules! actions {
    ($($how:ident $name:ident($module:ident::$request:ident) -> $response:ident $(, $with:ident)?;)+) => {
        $(pub(super) fn $name(&self, request: actions::$module::$request) -> Result<actions::$module::$response> {
            self.engine.$how(|storage| at_once(actions::$module::execute(storage, request $(, &self.$with)?)))
        })+
    };
}

impl Database {
    pub(super) fn on(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            vector_indexes: VectorIndexLifecycle::new(),
            writes: Tokens::default(),
            statements: Tokens::default(),
        }
    }

    actions! {
        write put_item(put_item::PutItemRequest) -> PutItemResponse;
        write update_item(update_item::UpdateItemRequest) -> UpdateItemResponse;
        write delete_item(delete_item::DeleteItemRequest) -> DeleteItemResponse;
        write_apart batch_write_item(batch_write_item::BatchWriteItemRequest) -> BatchWriteItemResponse;
        write_apart execute_statement(execute_statement::ExecuteStatementRequest) -> ExecuteStatementResponse;
        write_apart batch_execute_statement(batch_execute_statement::BatchExecuteStatementRequest)
            -> BatchExecuteStatementResponse;

        read get_item(get_item::GetItemRequest) -> GetItemResponse;
        read query(query::QueryRequest) -> QueryResponse;
        read scan(scan::ScanRequest) -> ScanResponse;
        read batch_get_item(batch_get_item::BatchGetItemRequest) -> BatchGetItemResponse;
        read transact_get_items(transact_get_items::TransactGetItemsRequest) -> TransactGetItemsResponse;
        read search_vectors(search_vectors::SearchVectorsRequest) -> SearchVectorsResponse, vector_indexes;

        write_apart create_table(create_table::CreateTableRequest) -> CreateTableResponse;
        write_apart update_table(update_table::UpdateTableRequest) -> UpdateTableResponse, vector_indexes;
        write_apart delete_table(delete_table::DeleteTableRequest) -> DeleteTableResponse, vector_indexes;
        read describe_table(describe_table::DescribeTableRequest) -> DescribeTableResponse, vector_indexes;
        read list_tables(list_tables::ListTablesRequest) -> ListTablesResponse;
        write_apart update_time_to_live(update_time_to_live::UpdateTimeToLiveRequest) -> UpdateTimeToLiveResponse;
        read describe_time_to_live(describe_time_to_live::DescribeTimeToLiveRequest) -> DescribeTimeToLiveResponse;
        write_apart tag_resource(tag_resource::TagResourceRequest) -> TagResourceResponse;
        write_apart untag_resource(untag_resource::UntagResourceRequest) -> UntagResourceResponse;
        read list_tags_of_resource(list_tags_of_resource::ListTagsOfResourceRequest) -> ListTagsOfResourceResponse;

        read get_shard_iterator(get_shard_iterator::GetShardIteratorRequest) -> GetShardIteratorResponse;
    }

    pub(super) fn transact_write_items(
        &self,
        request: transact_write::TransactWriteItemsRequest,
    ) -> Result<transact_write::TransactWriteItemsResponse> {
        let token = request.client_request_token.clone();
        let asked = token
            .is_some()
            .then(|| text_of(&request.transact_items))
            .transpose()?;
        let mode = request.return_consumed_capacity.clone();
        let keys = asked.is_some().then(|| request.transact_items.clone());
        let first = || {
            self.engine
                .write(|storage| at_once(transact_write::execute(storage, request)))
        };
        let now = self.engine.clock().now();
        let (mut answer, is_repeat) = self.writes.once(now, token.as_deref(), asked, first)?;
        if is_repeat {
            // What a repeat costs is a read of the items.
            answer.consumed_capacity = self.read_again(keys.unwrap_or_default(), mode)?;
        }
        Ok(answer)
    }

    fn read_again(
        &self,
        items: Vec<transact_write::TransactWriteItem>,
        mode: Option<String>,
    ) -> Result<Option<Vec<dynoxide::types::ConsumedCapacity>>> {
        let mut gets = Vec::new();
        for item in items {
            let key = match item {
                transact_write::TransactWriteItem { put: Some(put), .. } => {
                    let key = self.key_of(&put.table_name, put.item)?;
                    (put.table_name, key)
                }
                transact_write::TransactWriteItem {
                    update: Some(update), ..
                } => (update.table_name, update.key),
                transact_write::TransactWriteItem {
                    delete: Some(delete), ..
                } => (delete.table_name, delete.key),
                transact_write::TransactWriteItem {
                    condition_check: Some(check),
                    ..
                } => (check.table_name, check.key),
                _ => continue,
            };
            gets.push(get(key.0, key.1));
        }
        let request = transact_get::TransactGetItemsRequest {
            transact_items: gets,
            return_consumed_capacity: mode,
        };
        Ok(self.transact_get_items(request)?.consumed_capacity)
    }

    fn key_of(
        &self,
        table: &str,
        mut item: HashMap<String, AttributeValue>,
    ) -> Result<HashMap<String, AttributeValue>> {
        let keys = self.get_table_metadata(table)?.as_ref().and_then(Keys::of);
        let keys = keys.iter().flat_map(Keys::all);
        Ok(keys.filter_map(|key| item.remove_entry(&key.name)).collect())
    }

    pub(super) fn execute_transaction(
        &self,
        request: transaction::ExecuteTransactionRequest,
    ) -> Result<transaction::ExecuteTransactionResponse> {
        let token = request.client_request_token.clone();
        let asked = token.is_some().then(|| {
            let statements = request.transact_statements.iter();
            text_of(
                &statements
                    .map(|one| (&one.statement, &one.parameters))
                    .collect::<Vec<_>>(),
            )
        });
        let asked = asked.transpose()?;
        let first = || {
            self.engine
                .write_apart(|storage| at_once(transaction::execute(storage, request)))
        };
        let now = self.engine.clock().now();
        Ok(self.statements.once(now, token.as_deref(), asked, first)?.0)
    }

    pub(super) fn plain_query(&self, query: &PlainQuery, accepted: &Accepted) -> Result<Option<Found>> {
        self.engine.read(|storage| query.answer(storage, accepted))
    }

    /// Up to `limit` records of a table's stream after that number, and the number of the last one.
    pub(super) fn stream_records(
        &self,
        table: &str,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<actions::get_records::Record>, i64)> {
        self.engine
            .read(|storage| super::streams::records_after(storage, table, after, limit))
    }

    pub(super) fn plain_put(&self, put: &PlainPut<'_>, item: &Item) -> Result<Option<Found>> {
        self.engine.write_whole(|storage| put.write(storage, item))
    }

    pub(super) fn sweep_ttl(&self) -> Result<usize> {
        self.engine
            .write_apart(|storage| at_once(dynoxide::ttl::sweep_expired_items(storage)))
    }

    pub(super) fn get_table_metadata(&self, table: &str) -> Result<Option<TableMetadata>> {
        self.engine.read(|storage| storage.get_table_metadata(table))
    }
}

fn get(table_name: String, key: HashMap<String, AttributeValue>) -> transact_get::TransactGetItem {
    transact_get::TransactGetItem {
        get: transact_get::TransactGet {
            table_name,
            key,
            ..Default::default()
        },
    }
}

/// The answer of an action, whose future is ready when it is first asked.
fn at_once<T>(action: impl Future<Output = Result<T>>) -> Result<T> {
    let never = || DynoxideError::InternalServerError("the action waits for something".to_owned());
    action.now_or_never().unwrap_or_else(|| Err(never()))
}

/// The same text for the same content, in whatever order its maps are gone through.
fn text_of(content: &impl Serialize) -> Result<String> {
    let unwritable = |error: serde_json::Error| DynoxideError::InternalServerError(error.to_string());
    let mut content = serde_json::to_value(content).map_err(unwritable)?;
    content.sort_all_objects();
    serde_json::to_string(&content).map_err(unwritable)
}

/// Transactions that are remembered by their `ClientRequestToken`: each is carried out once.
struct Tokens<T> {
    known: Mutex<HashMap<String, Known<T>>>,
}

struct Known<T> {
    since: SystemTime,
    asked: String,
    answer: T,
}

impl<T> Default for Tokens<T> {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
        }
    }
}

impl<T: Clone> Tokens<T> {
    /// The answer, and whether it is that of an earlier time. The lock is held while it is carried out: a second one of
    /// the same token waits for the first.
    fn once(
        &self,
        now: SystemTime,
        token: Option<&str>,
        asked: Option<String>,
        first: impl FnOnce() -> Result<T>,
    ) -> Result<(T, bool)> {
        let (Some(token), Some(asked)) = (token, asked) else {
            return first().map(|answer| (answer, false));
        };
        if token.len() > LONGEST_TOKEN {
            return Err(DynoxideError::ValidationException(format!(
                "1 validation error detected: Value '{token}' at 'clientRequestToken' failed to satisfy constraint: \
                 Member must have length less than or equal to {LONGEST_TOKEN}"
            )));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // One from a time to come is of before a clock that was set back.
        known.retain(|_, known| now.duration_since(known.since).unwrap_or_default() < TOKEN_LIFE);
        match known.get(token) {
            Some(earlier) if earlier.asked != asked => {
                Err(DynoxideError::IdempotentParameterMismatchException(
                    "An error occurred (IdempotentParameterMismatchException)".to_owned(),
                ))
            }
            Some(earlier) => Ok((earlier.answer.clone(), true)),
            None => {
                let answer = first()?;
                let entry = Known {
                    since: now,
                    asked,
                    answer: answer.clone(),
                };
                known.insert(token.to_owned(), entry);
                Ok((answer, false))
            }
        }
    }
}
