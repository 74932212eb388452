//! The meter: read and write units of each operation on each table, from DynamoDB's own
//! `ConsumedCapacity`, and for refused writes from the sizes of the items.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Sub};

use dynoxide::DynoxideError;
use dynoxide::actions::{
    batch_execute_statement as batch_statement, batch_get_item as batch_get, batch_write_item as batch_write,
    delete_item as delete, execute_statement as statement, execute_transaction as transaction,
    get_item as get, put_item as put, query, scan, transact_get_items as transact_get,
    transact_write_items as transact_write, update_item as update,
};
use dynoxide::types::{ConsumedCapacity, item_size};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::database::Database;

/// Capacity units. DynamoDB counts in halves, whose sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Requests that were charged.
    pub requests: u64,
    /// Read units: 4 KB read consistently, half of that for a read that may be stale.
    pub read: f64,
    /// Write units: 1 KB written, twice that in a transaction, also when a condition refused it.
    pub write: f64,
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.read += other.read;
        self.write += other.write;
    }
}

impl Sub for Units {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            read: self.read - earlier.read,
            write: self.write - earlier.write,
        }
    }
}

/// What was consumed, by operation and table. A request on two tables counts once for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    units: BTreeMap<&'static str, BTreeMap<String, Units>>,
}

impl Totals {
    /// Everything.
    pub fn all(&self) -> Units {
        sum(self.entries().map(|(_, _, units)| units))
    }

    /// What one operation, such as `PutItem`, consumed on all tables.
    pub fn operation(&self, name: &str) -> Units {
        sum(self
            .entries()
            .filter(|(operation, _, _)| *operation == name)
            .map(|(_, _, units)| units))
    }

    /// What all operations consumed on one table.
    pub fn table(&self, name: &str) -> Units {
        sum(self
            .entries()
            .filter(|(_, table, _)| *table == name)
            .map(|(_, _, units)| units))
    }

    /// Each operation and table with its units.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, &str, Units)> {
        self.units.iter().flat_map(|(operation, tables)| {
            tables
                .iter()
                .map(|(table, units)| (*operation, table.as_str(), *units))
        })
    }

    /// What came on top of `earlier`, a copy taken before.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = Self::default();
        for (operation, table, units) in self.entries() {
            let before = earlier.units.get(operation).and_then(|tables| tables.get(table));
            *difference.entry(operation, table) = units - before.copied().unwrap_or_default();
        }
        difference
    }

    pub(super) fn add(&mut self, operation: &'static str, kind: Kind, consumed: &[ConsumedCapacity]) {
        for consumed in consumed {
            // A transaction that is repeated under its token reports reads, whatever the first time was.
            let (read, write) = match (consumed.read_capacity_units, consumed.write_capacity_units, kind) {
                (None, None, Kind::Read) => (consumed.capacity_units, 0.0),
                (None, None, Kind::Write) => (0.0, consumed.capacity_units),
                (read, write, _) => (read.unwrap_or_default(), write.unwrap_or_default()),
            };
            *self.entry(operation, &consumed.table_name) += Units {
                requests: 1,
                read,
                write,
            };
        }
    }

    pub(super) fn add_write(&mut self, operation: &'static str, table: &str, write: f64) {
        *self.entry(operation, table) += Units {
            requests: 1,
            read: 0.0,
            write,
        };
    }

    fn entry(&mut self, operation: &'static str, table: &str) -> &mut Units {
        self.units
            .entry(operation)
            .or_default()
            .entry(table.to_owned())
            .or_default()
    }
}

fn sum(units: impl Iterator<Item = Units>) -> Units {
    units.fold(Units::default(), |mut total, units| {
        total += units;
        total
    })
}

/// Which of the two units an operation consumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// A request that consumes capacity.
pub(super) trait Metered: DeserializeOwned {
    const NAME: &'static str;
    type Response: Serialize;

    fn kind(&self) -> Kind;

    /// `ReturnConsumedCapacity` of the request.
    fn capacity_mode(&mut self) -> &mut Option<String>;

    fn call(self, database: &Database) -> dynoxide::Result<Self::Response>;

    fn consumed(response: &Self::Response) -> &[ConsumedCapacity];

    fn hide_consumed(response: &mut Self::Response);

    /// What to charge if a condition refuses it.
    fn prepare_refusal(&mut self) -> Refused {
        Refused::Free
    }

    /// Asks for the total unless the caller asked for something itself; answers whether it did.
    fn ask_for_total(&mut self) -> bool {
        let mode = self.capacity_mode();
        match mode.as_deref() {
            None | Some("NONE") => {
                *mode = Some("TOTAL".to_owned());
                false
            }
            Some(_) => true,
        }
    }
}

/// One implementation of [`Metered`]: the module of the action, its types, the method of the database, how
/// the capacity lies in the answer, and what it is charged as.
macro_rules! metered {
    ($name:literal, $module:ident::$request:ident => $response:ident, $method:ident, $capacity:ident,
     $kind:expr $(, $refusal:expr)?) => {
        impl Metered for $module::$request {
            const NAME: &'static str = $name;
            type Response = $module::$response;

            fn kind(&self) -> Kind {
                let kind: fn(&Self) -> Kind = $kind;
                kind(self)
            }

            fn capacity_mode(&mut self) -> &mut Option<String> {
                &mut self.return_consumed_capacity
            }

            fn call(self, database: &Database) -> dynoxide::Result<Self::Response> {
                database.$method(self)
            }

            fn consumed(response: &Self::Response) -> &[ConsumedCapacity] {
                metered!(@$capacity response.consumed_capacity)
            }

            fn hide_consumed(response: &mut Self::Response) {
                response.consumed_capacity = None;
            }

            $(fn prepare_refusal(&mut self) -> Refused {
                let prepare: fn(&mut Self) -> Refused = $refusal;
                prepare(self)
            })?
        }
    };
    (@one $capacity:expr) => { $capacity.as_slice() };
    (@list $capacity:expr) => { $capacity.as_deref().unwrap_or_default() };
}

metered!("GetItem", get::GetItemRequest => GetItemResponse, get_item, one, |_| Kind::Read);
metered!("Query", query::QueryRequest => QueryResponse, query, one, |_| Kind::Read);
metered!("Scan", scan::ScanRequest => ScanResponse, scan, one, |_| Kind::Read);
metered!("BatchGetItem", batch_get::BatchGetItemRequest => BatchGetItemResponse, batch_get_item, list,
    |_| Kind::Read);
metered!("TransactGetItems", transact_get::TransactGetItemsRequest => TransactGetItemsResponse,
    transact_get_items, list, |_| Kind::Read);
metered!("BatchWriteItem", batch_write::BatchWriteItemRequest => BatchWriteItemResponse, batch_write_item,
    list, |_| Kind::Write);
metered!("PutItem", put::PutItemRequest => PutItemResponse, put_item, one, |_| Kind::Write, |request| {
    let hide_item = ask_for_old(&mut request.return_values_on_condition_check_failure);
    Refused::One { table: request.table_name.clone(), size: item_size(&request.item), hide_item }
});
metered!("UpdateItem", update::UpdateItemRequest => UpdateItemResponse, update_item, one, |_| Kind::Write,
|request| {
    let hide_item = ask_for_old(&mut request.return_values_on_condition_check_failure);
    Refused::One { table: request.table_name.clone(), size: 0, hide_item }
});
metered!("DeleteItem", delete::DeleteItemRequest => DeleteItemResponse, delete_item, one, |_| Kind::Write,
|request| {
    let hide_item = ask_for_old(&mut request.return_values_on_condition_check_failure);
    Refused::One { table: request.table_name.clone(), size: 0, hide_item }
});
metered!("TransactWriteItems", transact_write::TransactWriteItemsRequest => TransactWriteItemsResponse,
    transact_write_items, list, |_| Kind::Write,
    |request| Refused::All(request.transact_items.iter().filter_map(table_and_size).collect()));
metered!("ExecuteStatement", statement::ExecuteStatementRequest => ExecuteStatementResponse,
    execute_statement, one, |request| kind_of(&request.statement));
metered!("ExecuteTransaction", transaction::ExecuteTransactionRequest => ExecuteTransactionResponse,
    execute_transaction, list,
    |request| request.transact_statements.first().map_or(Kind::Read, |first| kind_of(&first.statement)));
metered!("BatchExecuteStatement", batch_statement::BatchExecuteStatementRequest => BatchExecuteStatementResponse,
    batch_execute_statement, list,
    |request| request.statements.first().map_or(Kind::Read, |first| kind_of(&first.statement)));

/// PartiQL doesn't mix reads and writes in one request.
fn kind_of(statement: &str) -> Kind {
    let verb = statement.trim_start().get(..6).unwrap_or_default();
    if verb.eq_ignore_ascii_case("SELECT") {
        Kind::Read
    } else {
        Kind::Write
    }
}

/// Has a refusal bring the item that stood in the way, whose size decides the charge. Answers whether the
/// caller did not ask for it and must not see it.
fn ask_for_old(mode: &mut Option<String>) -> bool {
    match mode.as_deref() {
        None | Some("NONE") => {
            *mode = Some("ALL_OLD".to_owned());
            true
        }
        Some(_) => false,
    }
}

fn table_and_size(action: &transact_write::TransactWriteItem) -> Option<(String, usize)> {
    let put = action
        .put
        .as_ref()
        .map(|put| (put.table_name.clone(), item_size(&put.item)));
    let update = || {
        action
            .update
            .as_ref()
            .map(|update| (update.table_name.clone(), 0))
    };
    let delete = || {
        action
            .delete
            .as_ref()
            .map(|delete| (delete.table_name.clone(), 0))
    };
    let check = || {
        action
            .condition_check
            .as_ref()
            .map(|check| (check.table_name.clone(), 0))
    };
    put.or_else(update).or_else(delete).or_else(check)
}

/// What a refused write costs: as much as the larger of the item that was there and the one to be.
///
/// In a cancelled transaction only the sizes of new items are known; the other actions count as items of
/// up to 1 KB.
pub(super) enum Refused {
    /// A read, or a write that has no condition to fail.
    Free,
    /// One item.
    One {
        table: String,
        size: usize,
        hide_item: bool,
    },
    /// A transaction's actions, each with what is known of its size.
    All(Vec<(String, usize)>),
}

impl Refused {
    /// The charges if `error` is a failed condition, and the error as the caller may see it.
    pub(super) fn settle(self, error: DynoxideError) -> (Vec<(String, f64)>, DynoxideError) {
        match (self, error) {
            (
                Self::One {
                    table,
                    size,
                    hide_item,
                },
                DynoxideError::ConditionalCheckFailedException(message, item),
            ) => {
                let there = item.as_ref().map_or(0, item_size);
                let shown = item.filter(|_| !hide_item);
                let error = DynoxideError::ConditionalCheckFailedException(message, shown);
                (vec![(table, write_units(size.max(there)))], error)
            }
            (Self::All(actions), error @ DynoxideError::TransactionCanceledException(..)) => {
                let mut tables = BTreeMap::<String, f64>::new();
                for (table, size) in actions {
                    *tables.entry(table).or_default() += 2.0 * write_units(size);
                }
                (tables.into_iter().collect(), error)
            }
            (_, error) => (Vec::new(), error),
        }
    }
}

/// One unit for each KB begun.
fn write_units(size: usize) -> f64 {
    // An item has at most 400 KB.
    f64::from(u32::try_from(size.div_ceil(1024).max(1)).unwrap_or(u32::MAX))
}
