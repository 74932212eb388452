//! DynamoDB and DynamoDB Streams in this process: each operation of the AWS API by its name, on SQLite.
//!
//! `dynoxide` holds the tables and knows DynamoDB's rules. Around it are the parts a stack needs: names
//! and bodies of the AWS JSON protocol in and out, a meter for capacity units ([`Totals`]), and word of
//! each write, so that nobody has to poll a stream ([`DynamoDb::changes`]).
//!
//! A call runs to its end on the calling thread, in memory within tens of microseconds.

mod accepted;
mod body;
mod database;
mod error;
mod home;
mod keys;
mod meter;
mod names;
mod plain_item;
mod plain_put;
mod plain_query;
mod streams;
mod tables;
mod tokens;
mod transactions;
mod words;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dynoxide::DynoxideError;
use dynoxide::actions::{
    batch_execute_statement::BatchExecuteStatementRequest, batch_get_item::BatchGetItemRequest,
    batch_write_item::BatchWriteItemRequest, delete_item::DeleteItemRequest,
    execute_statement::ExecuteStatementRequest, execute_transaction::ExecuteTransactionRequest,
    get_item::GetItemRequest, put_item::PutItemRequest, query::QueryRequest, scan::ScanRequest,
    transact_get_items::TransactGetItemsRequest, transact_write_items::TransactWriteItemsRequest,
    update_item::UpdateItemRequest,
};
use dynoxide::actions::{
    create_table::CreateTableRequest, delete_table::DeleteTableRequest, describe_table::DescribeTableRequest,
    describe_time_to_live::DescribeTimeToLiveRequest, list_tables::ListTablesRequest,
    list_tags_of_resource::ListTagsOfResourceRequest, search_vectors::SearchVectorsRequest,
    tag_resource::TagResourceRequest, untag_resource::UntagResourceRequest, update_table::UpdateTableRequest,
    update_time_to_live::UpdateTimeToLiveRequest,
};
use dynoxide::types::ConsumedCapacity;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::store::{Durability, Engine, Store, StoreError, in_plain_words as problem};
use accepted::Accepted;
pub(crate) use body::error_body;
use database::Database;
pub use error::DynamoDbError;
use home::Home;
use meter::{Metered, Refused};
pub use meter::{Totals, Units};
use plain_put::PlainPut;
use plain_query::PlainQuery;
pub(crate) use streams::SCHEMA as STREAMS_SCHEMA;
pub use streams::{Record, Records, SequenceNumber, Stream, StreamPosition};
pub(crate) use tokens::SCHEMA as TOKENS_SCHEMA;

/// How long [`DynamoDb::keep_sweeping`] waits between two looks for expired items.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(10);

/// DynamoDB and its streams. Clones share the tables.
#[derive(Clone)]
pub struct DynamoDb {
    shared: Arc<Shared>,
    home: Home,
}

struct Shared {
    database: Database,
    /// What the database goes by.
    clock: Clock,
    totals: Mutex<Totals>,
    /// How many writes each table has taken; see [`DynamoDb::changes`].
    changes: Mutex<HashMap<String, watch::Sender<u64>>>,
    /// How often a table was made, changed or deleted.
    tables: watch::Sender<u64>,
    /// Expressions of queries that need no second look.
    accepted: Accepted,
    /// The same of puts.
    accepted_puts: Accepted,
    /// What the tables are kept in, if in a file: it ends with them.
    _store: Option<Store>,
}

/// What an operation answered: an HTTP status and a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, or the status that AWS gives to the error.
    pub status: u16,
    /// The JSON of the result or of the error.
    pub body: Bytes,
}

impl DynamoDb {
    /// Tables in memory that are gone with the last clone. Stream records are stamped by `clock`, and
    /// time to live is judged by it.
    pub fn in_memory(clock: Clock) -> Result<Self, DynamoDbError> {
        let engine = Engine::in_memory(clock).map_err(|error| StoreError::Memory {
            reason: error.to_string(),
        })?;
        Ok(Self::on(Arc::new(engine), None))
    }

    /// Tables in a file of their own, made if it is not there, which survive the process. See [`Store`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DynamoDbError> {
        Ok(Self::kept_in(&Store::open(
            path,
            Clock::real(),
            Durability::Process,
        )?))
    }

    /// Tables in a store, beside what else is kept there.
    pub fn kept_in(store: &Store) -> Self {
        Self::on(store.engine().clone(), Some(store.clone()))
    }

    fn on(engine: Arc<Engine>, store: Option<Store>) -> Self {
        let shared = Shared {
            clock: engine.clock().clone(),
            database: Database::on(engine),
            totals: Mutex::default(),
            changes: Mutex::default(),
            tables: watch::Sender::new(0),
            accepted: Accepted::default(),
            accepted_puts: Accepted::default(),
            _store: store,
        };
        Self {
            shared: Arc::new(shared),
            home: Home::new("us-east-1", "000000000000"),
        }
    }

    /// The same tables, with this region and account in the ARNs and stream records it shows
    /// (`us-east-1` and `000000000000` otherwise).
    #[must_use]
    pub fn at_home_in(mut self, region: &str, account: &str) -> Self {
        self.home = Home::new(region, account);
        self
    }

    /// Carries out `operation` of DynamoDB or DynamoDB Streams, such as `PutItem`, on its JSON `body`.
    pub fn handle(&self, operation: &str, body: &[u8]) -> Answer {
        if let Some(answer) = self.ask_streams(operation, body) {
            return answer;
        }
        match self.home.with_names(operation, body) {
            Ok(None) => self.answer(operation, body),
            Ok(Some((body, asked))) => asked.in_arns(self.answer(operation, &body)),
            Err(error) => Answer::refused(&error),
        }
    }

    fn answer(&self, operation: &str, body: &[u8]) -> Answer {
        match self.dispatch(operation, body) {
            Ok(body) => Answer::done(body),
            Err(DynoxideError::UnsupportedCapability(unknown)) if unknown == operation => {
                let (status, body) = body::no_operation(operation);
                Answer { status, body }
            }
            Err(error) => {
                let error = body::as_on_the_wire(operation, in_plain_words(operation, error));
                let mut answer = Answer::refused(&error);
                answer.body = self.home.outwards(answer.body.into()).into();
                answer
            }
        }
    }

    fn dispatch(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
        let database = &self.shared.database;
        match operation {
            "PutItem" => self.put(body),
            "GetItem" => self.metered::<GetItemRequest>(body),
            "Query" => self.query(body),
            "TransactWriteItems" => {
                transactions::check(body)?;
                self.metered::<TransactWriteItemsRequest>(body)
            }
            "TransactGetItems" => {
                transactions::check(body)?;
                self.metered::<TransactGetItemsRequest>(body)
            }
            "UpdateItem" => self.metered::<UpdateItemRequest>(body),
            "DeleteItem" => self.metered::<DeleteItemRequest>(body),
            "BatchGetItem" => self.metered::<BatchGetItemRequest>(body),
            "BatchWriteItem" => self.metered::<BatchWriteItemRequest>(body),
            "Scan" => self.metered::<ScanRequest>(body),
            "ExecuteStatement" => self.metered::<ExecuteStatementRequest>(body),
            "ExecuteTransaction" => self.metered::<ExecuteTransactionRequest>(body),
            "BatchExecuteStatement" => self.metered::<BatchExecuteStatementRequest>(body),

            "CreateTable" => self.changing_tables(self.plain(body, |r: CreateTableRequest| {
                self.check_new_name(&r.table_name)?;
                tables::check_new(&r)?;
                streams::check_new(r.stream_specification.as_ref())?;
                let mut answer = database.create_table(r)?;
                self.describe_streams(&mut answer.table_description)?;
                Ok(answer)
            })),
            "DescribeTable" => self.plain(body, |r: DescribeTableRequest| {
                let mut answer = database.describe_table(r)?;
                self.describe_streams(&mut answer.table)?;
                Ok(answer)
            }),
            "UpdateTable" => self.changing_tables(self.plain(body, |r: UpdateTableRequest| {
                self.check_switch(&r.table_name, r.stream_specification.as_ref())?;
                let mut answer = database.update_table(r)?;
                self.describe_streams(&mut answer.table_description)?;
                Ok(answer)
            })),
            "DeleteTable" => self.changing_tables(self.plain(body, |r: DeleteTableRequest| {
                let mut answer = database.delete_table(r)?;
                self.describe_streams(&mut answer.table_description)?;
                Ok(answer)
            })),
            "ListTables" => self.plain(body, |r: ListTablesRequest| database.list_tables(r)),
            "UpdateTimeToLive" => self.plain(body, |r: UpdateTimeToLiveRequest| {
                let table = database.get_table_metadata(&r.table_name)?;
                tables::check_switch(table.as_ref(), &r.time_to_live_specification)?;
                database.update_time_to_live(r)
            }),
            "DescribeTimeToLive" => self.plain(body, |r: DescribeTimeToLiveRequest| {
                database.describe_time_to_live(r)
            }),
            "TagResource" => self.plain(body, |r: TagResourceRequest| database.tag_resource(r)),
            "UntagResource" => self.plain(body, |r: UntagResourceRequest| database.untag_resource(r)),
            "ListTagsOfResource" => self.plain(body, |r: ListTagsOfResourceRequest| {
                database.list_tags_of_resource(r)
            }),
            "SearchVectors" => self.plain(body, |r: SearchVectorsRequest| database.search_vectors(r)),
            unknown => Err(DynoxideError::UnsupportedCapability(unknown.to_owned())),
        }
    }

    /// The database keeps a table under its name, and tells no names apart by case alone.
    fn check_new_name(&self, name: &str) -> Result<(), DynoxideError> {
        let refused = |reason: String| {
            Err(DynoxideError::ValidationException(format!(
                "One or more parameter values were invalid: TableName {name} can't be used here: {reason}"
            )))
        };
        if name.starts_with('_') || name.to_ascii_lowercase().starts_with("sqlite_") {
            return refused(
                "names that begin with an underscore or with sqlite_ are the database's own".into(),
            );
        }
        match self.find_but_for_case(name)? {
            Some(table) => refused(format!("it differs from that of table {table} only in case")),
            None => Ok(()),
        }
    }

    /// The table whose name differs from `name` in nothing but case. No table can be made beside it.
    pub fn table_but_for_case(&self, name: &str) -> Result<Option<String>, DynamoDbError> {
        self.find_but_for_case(name)
            .map_err(|error| DynamoDbError::Tables {
                problem: problem(&error.to_string()),
            })
    }

    fn find_but_for_case(&self, name: &str) -> Result<Option<String>, DynoxideError> {
        let mut request = ListTablesRequest::default();
        loop {
            let page = self.shared.database.list_tables(request)?;
            let found = page
                .table_names
                .into_iter()
                .find(|table| table.eq_ignore_ascii_case(name) && table != name);
            match (found, page.last_evaluated_table_name) {
                (Some(table), _) => return Ok(Some(table)),
                (None, None) => return Ok(None),
                (None, last) => {
                    request = ListTablesRequest {
                        exclusive_start_table_name: last,
                        limit: None,
                    }
                }
            }
        }
    }

    /// An operation after which tables may be other ones, which those who read one have to know.
    fn changing_tables(&self, outcome: Result<Vec<u8>, DynoxideError>) -> Result<Vec<u8>, DynoxideError> {
        if outcome.is_ok() {
            self.shared.tables.send_modify(|changes| *changes += 1);
        }
        outcome
    }

    /// A count that changes whenever a table was made, changed or deleted.
    pub fn table_changes(&self) -> watch::Receiver<u64> {
        self.shared.tables.subscribe()
    }

    fn now(&self) -> SystemTime {
        self.shared.clock.now()
    }

    /// What tells a table from another one of its name, before it or after it; none if it is not there.
    pub fn table_identity(&self, table: &str) -> Option<String> {
        let metadata = self.shared.database.get_table_metadata(table).ok()??;
        Some(format!("{:?} {}", metadata.table_id, metadata.created_at))
    }

    /// An operation that costs no capacity units. Its names are those of [`Home`].
    fn plain<Request: DeserializeOwned, Response: Serialize>(
        &self,
        body: &[u8],
        call: impl FnOnce(Request) -> dynoxide::Result<Response>,
    ) -> Result<Vec<u8>, DynoxideError> {
        let body = self.home.inwards(body);
        let answer = call(body::read(&body)?)?;
        Ok(self.home.outwards(body::write(&answer)?))
    }

    /// An operation that reads or writes items: what it cost is always asked for, added up, and shown to
    /// the caller only if it asked too. One that wrote is made known to those who wait for it.
    fn metered<Request: Metered>(&self, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
        let mut request: Request = body::read(body)?;
        let kind = request.kind();
        let shown = request.ask_for_total();
        let if_refused = request.prepare_refusal();
        match request.call(&self.shared.database) {
            Ok(mut answer) => {
                let consumed = Request::consumed(&answer);
                self.charge(Request::NAME, kind, consumed);
                if !shown {
                    Request::hide_consumed(&mut answer);
                }
                body::write(&answer)
            }
            Err(error) => Err(self.charge_refusal(Request::NAME, if_refused, error)),
        }
    }

    /// What can be answered from the rows as they are stored is (see [`plain_query`]).
    fn query(&self, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
        let Some(plain) = PlainQuery::read(body) else {
            return self.metered::<QueryRequest>(body);
        };
        let shared = &self.shared;
        if let Some(found) = shared.database.plain_query(&plain, &shared.accepted)? {
            self.charge(QueryRequest::NAME, meter::Kind::Read, found.consumed.as_slice());
            return Ok(found.body);
        }
        let answer = self.metered::<QueryRequest>(body);
        if answer.is_ok() {
            shared
                .accepted
                .note(plain.table_name, plain.key_condition_expression);
        }
        answer
    }

    /// What can be written as it was sent is (see [`plain_put`]).
    fn put(&self, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
        let Some(plain) = PlainPut::read(body) else {
            return self.metered::<PutItemRequest>(body);
        };
        let shared = &self.shared;
        if let Some(item) = plain.item(&shared.accepted_puts)
            && let Some(found) = shared.database.plain_put(&plain, &item)?
        {
            self.charge(
                PutItemRequest::NAME,
                meter::Kind::Write,
                found.consumed.as_slice(),
            );
            return Ok(found.body);
        }
        let answer = self.metered::<PutItemRequest>(body);
        if answer.is_ok() {
            shared
                .accepted_puts
                .note(plain.table_name, plain.condition_expression);
        }
        answer
    }

    /// Adds up what was consumed, and makes a write known to those who wait for it.
    fn charge(&self, operation: &'static str, kind: meter::Kind, consumed: &[ConsumedCapacity]) {
        lock(&self.shared.totals).add(operation, kind, consumed);
        if kind == meter::Kind::Write {
            for consumed in consumed {
                self.announce(&consumed.table_name);
            }
        }
    }

    /// A failed condition costs the write all the same
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>).
    fn charge_refusal(
        &self,
        operation: &'static str,
        refused: Refused,
        error: DynoxideError,
    ) -> DynoxideError {
        let (charges, error) = refused.settle(error);
        let mut totals = lock(&self.shared.totals);
        for (table, units) in charges {
            totals.add_write(operation, &table, units);
        }
        error
    }

    fn announce(&self, table: &str) {
        let mut changes = lock(&self.shared.changes);
        match changes.get(table) {
            Some(change) => change.send_modify(|writes| *writes += 1),
            None => {
                changes.insert(table.to_owned(), watch::Sender::new(1));
            }
        }
    }

    /// A count of the writes to `table`, which changes after each: wait for that, then read the stream.
    pub fn changes(&self, table: &str) -> watch::Receiver<u64> {
        let mut changes = lock(&self.shared.changes);
        changes
            .entry(table.to_owned())
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe()
    }

    /// All capacity units consumed since the start.
    pub fn totals(&self) -> Totals {
        lock(&self.shared.totals).clone()
    }

    /// Deletes expired items every ten seconds of the tokio runtime, for as long as this is polled. DynamoDB does so
    /// within days. What it resolves to is why it can't go on.
    pub async fn keep_sweeping(&self) -> DynamoDbError {
        loop {
            tokio::time::sleep(BETWEEN_SWEEPS).await;
            if let Err(error) = self.sweep_expired() {
                return error;
            }
        }
    }

    /// Deletes the items whose time to live has passed and answers how many. DynamoDB does so by itself
    /// within days; here whoever owns the stack says when. It costs no capacity units, as at AWS.
    pub fn sweep_expired(&self) -> Result<usize, DynamoDbError> {
        let swept = self.shared.database.sweep_ttl();
        let swept = swept.map_err(|error| DynamoDbError::Sweep {
            reason: error.to_string(),
        })?;
        if swept > 0 {
            // It doesn't say which tables it found them in.
            for change in lock(&self.shared.changes).values() {
                change.send_modify(|writes| *writes += 1);
            }
        }
        Ok(swept)
    }
}

impl Answer {
    fn done(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            body: body.into(),
        }
    }

    fn refused(error: &DynoxideError) -> Self {
        Self {
            status: error.status_code(),
            body: error.to_json().into(),
        }
    }
}

/// A fault of the database itself says what it means, not in whose words it came.
fn in_plain_words(operation: &str, error: DynoxideError) -> DynoxideError {
    match error {
        DynoxideError::SqliteError(_) | DynoxideError::InternalServerError(_) => {
            tracing::error!(operation, %error, "the embedded database failed");
            let meaning = problem(&error.to_string());
            DynoxideError::InternalServerError(format!("The embedded database {meaning}"))
        }
        error => error,
    }
}

/// The maps behind these locks are whole after each statement, so one that a panic left is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDb")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

// A test that can't set its stage has to stop there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// How SQLite finds the newest record of a table, as `dynoxide` asks for it at each write.
    fn plan(engine: &Engine) -> String {
        let newest = "EXPLAIN QUERY PLAN SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 \
                      FROM _stream_records WHERE table_name = 'events'";
        let plan = engine.read(|storage| Ok(storage.conn().query_row(newest, [], |row| row.get(3))?));
        plan.unwrap()
    }

    #[test]
    fn a_write_does_not_go_through_all_records_of_a_long_stream() {
        let folder = tempfile::tempdir().unwrap();
        let in_memory = Engine::in_memory(Clock::real()).unwrap();
        let in_file = Engine::open(&folder.path().join("file.db"), Clock::real()).unwrap();
        for plan in [plan(&in_memory), plan(&in_file)] {
            assert!(
                plan.contains("USING COVERING INDEX") || plan.contains("USING INDEX"),
                "{plan}"
            );
        }
    }
}
