//! `dynoxide`'s actions on the [`Engine`], by the names that its own `Database` gives them. That one keeps its
//! connection to itself, and here more than tables are kept on it.

use std::collections::HashMap;
use std::sync::Arc;

use dynoxide::actions::vector_lifecycle::VectorIndexLifecycle;
use dynoxide::actions::{
    self, execute_transaction as transaction, transact_get_items as transact_get,
    transact_write_items as transact_write,
};
use dynoxide::storage::{Storage, TableMetadata};
use dynoxide::types::{AttributeValue, Item};
use dynoxide::{DynoxideError, Result};
use futures::FutureExt;

use super::accepted::{Accepted, Found};
use super::keys::Keys;
use super::plain_put::PlainPut;
use super::plain_query::PlainQuery;
use super::tokens::{self, Once};
use crate::store::Engine;

/// The tables.
pub(super) struct Database {
    engine: Arc<Engine>,
    vector_indexes: VectorIndexLifecycle,
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

    pub(super) fn query(
        &self,
        request: actions::query::QueryRequest,
    ) -> Result<actions::query::QueryResponse> {
        let has_filter = request.filter_expression.is_some() || request.query_filter.is_some();
        let limit = request.limit;
        let mut page = self
            .engine
            .read(|storage| at_once(actions::query::execute(storage, request)))?;
        let has_more = page.last_evaluated_key.is_some();
        page.scanned_count = scanned(page.scanned_count, page.count, limit, has_filter, has_more);
        Ok(page)
    }

    pub(super) fn scan(&self, request: actions::scan::ScanRequest) -> Result<actions::scan::ScanResponse> {
        let has_filter = request.filter_expression.is_some() || request.scan_filter.is_some();
        let limit = request.limit;
        let mut page = self
            .engine
            .read(|storage| at_once(actions::scan::execute(storage, request)))?;
        let has_more = page.last_evaluated_key.is_some();
        page.scanned_count = scanned(page.scanned_count, page.count, limit, has_filter, has_more);
        Ok(page)
    }

    pub(super) fn transact_write_items(
        &self,
        request: transact_write::TransactWriteItemsRequest,
    ) -> Result<transact_write::TransactWriteItemsResponse> {
        let token = request.client_request_token.as_deref();
        let Some(once) = Once::of("TransactWriteItems", token, &request.transact_items)? else {
            return self
                .engine
                .write(|storage| at_once(transact_write::execute(storage, request)));
        };
        let (now, mode) = (
            self.engine.clock().now(),
            request.return_consumed_capacity.clone(),
        );
        let items = request.transact_items.clone();
        let first = self.engine.write(|storage| {
            if once.answer(storage, now)?.is_some() {
                return Ok(None);
            }
            let answer = at_once(transact_write::execute(storage, request))?;
            once.remember(storage, now, &())?;
            Ok(Some(answer))
        });
        match first? {
            Some(answer) => Ok(answer),
            // What a repeat costs is a read of the items.
            None => Ok(transact_write::TransactWriteItemsResponse {
                consumed_capacity: self.read_again(items, mode)?,
                ..Default::default()
            }),
        }
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
        let statements = request.transact_statements.iter();
        let asked: Vec<_> = statements.map(|one| (&one.statement, &one.parameters)).collect();
        let once = Once::of(
            "ExecuteTransaction",
            request.client_request_token.as_deref(),
            &asked,
        )?;
        let now = self.engine.clock().now();
        self.engine.write(|storage| {
            let Some(once) = once else {
                return at_once(transaction::execute(storage, request));
            };
            if let Some(answer) = once.answer(storage, now)? {
                return tokens::read_again(&answer);
            }
            let answer = at_once(transaction::execute(storage, request))?;
            once.remember(storage, now, &answer)?;
            Ok(answer)
        })
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
        if self.engine.read(Storage::list_ttl_enabled_tables)?.is_empty() {
            return Ok(0);
        }
        self.engine
            .write_apart(|storage| at_once(dynoxide::ttl::sweep_expired_items(storage)))
    }

    pub(super) fn get_table_metadata(&self, table: &str) -> Result<Option<TableMetadata>> {
        self.engine.read(|storage| storage.get_table_metadata(table))
    }
}

/// How many items a page went through. `dynoxide` 3.2 counts the one with which a page would have grown too large, which
/// is in the next one. (With a filter, a page that grew too large just at its limit is not known from one that did not.)
fn scanned(told: usize, count: usize, limit: Option<usize>, has_filter: bool, has_more: bool) -> usize {
    if !has_filter {
        return count;
    }
    let grew_too_large = has_more && limit.is_none_or(|limit| told < limit);
    if grew_too_large { told - 1 } else { told }
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
