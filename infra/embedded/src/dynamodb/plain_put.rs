//! A `PutItem` of a new item, on the condition that it is new, written as `dynoxide` writes it.
//!
//! For each write `dynoxide` compiles its statements anew, reads the item through trees of values, and writes it out again
//! for each place that holds it. Here statements are compiled once, and what is stored is the client's own text of the
//! item. Only what leaves no choice is written here: plain values in a table without indexes, on a condition that
//! `dynoxide` has accepted before on this table; all else, and whatever might be refused, is `dynoxide`'s. With one that
//! kept its statements and read values without a tree, this module would not be needed.

use std::collections::HashMap;

use dynoxide::Result;
use dynoxide::actions::put_item::PutItemResponse;
use dynoxide::storage::{Storage, TableMetadata, compute_hash_prefix};
use dynoxide::storage_backend::StorageBackend;
use dynoxide::streams::shard_id;
use dynoxide::types::{Item, MAX_ITEM_SIZE, consumed_capacity, item_size, table_write_capacity_units};
use rusqlite::params;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::accepted::{Accepted, Found};
use super::body;
use super::keys::Keys;
use super::plain_item;

/// A request that says no more than this.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PlainPut<'a> {
    pub(super) table_name: String,
    #[serde(borrow)]
    item: &'a RawValue,
    pub(super) condition_expression: String,
    return_consumed_capacity: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
}

/// Where an item is kept, in the forms in which that is stored.
struct Place {
    partition: String,
    sort: String,
    hash_prefix: String,
    keys: String,
}

impl<'a> PlainPut<'a> {
    /// The request, if it says no more than this can write.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The item, if its condition was accepted before and there is nothing to say about the rest.
    pub(super) fn item(&self, accepted: &Accepted) -> Option<Item> {
        let is_known = accepted.knows(&self.table_name, &self.condition_expression);
        let is_little = is_known && self.asks_for_little();
        is_little.then(|| plain_item::plain(self.item.get())).flatten()
    }

    /// Writes the item; none, and nothing written, if it is for `dynoxide` to write or to refuse it.
    pub(super) fn write(&self, storage: &Storage, item: &Item) -> Result<Option<Found>> {
        let Some(table) = storage.get_table_metadata(&self.table_name)? else {
            return Ok(None);
        };
        let size = item_size(item);
        let Some(place) = self.place(&table, item).filter(|_| size <= MAX_ITEM_SIZE) else {
            return Ok(None);
        };
        if !self.insert(storage, &place, size)? {
            return Ok(None);
        }
        if table.stream_enabled {
            self.record(storage, &table, &place)?;
        }
        self.answer(size).map(Some)
    }

    fn asks_for_little(&self) -> bool {
        let one_of = |given: &Option<String>, known: &[&str]| {
            given.as_deref().is_none_or(|given| known.contains(&given))
        };
        one_of(&self.return_consumed_capacity, &["NONE", "TOTAL", "INDEXES"])
            && one_of(
                &self.return_values_on_condition_check_failure,
                &["NONE", "ALL_OLD"],
            )
    }

    /// Where the item goes; none if the table has more than keys, or the condition is not about one of them.
    fn place(&self, table: &TableMetadata, item: &Item) -> Option<Place> {
        let has_none = |indexes: &Option<String>| indexes.as_deref().is_none_or(|indexes| indexes == "[]");
        if !has_none(&table.gsi_definitions)
            || !has_none(&table.lsi_definitions)
            || !has_none(&table.vector_index_definitions)
        {
            return None;
        }
        let keys = Keys::of(table)?;
        let condition = absent(&self.condition_expression)?;
        if !keys.all().any(|key| key.name == condition) {
            return None;
        }
        let partition = item.get(&keys.partition.name)?;
        let mut values = HashMap::from([(keys.partition.name.as_str(), partition)]);
        let mut sort = String::new();
        if let Some(key) = &keys.sort {
            let value = item.get(&key.name)?;
            sort = key.stored(value)?;
            values.insert(&key.name, value);
        }
        Some(Place {
            partition: keys.partition.stored(partition)?,
            sort,
            hash_prefix: compute_hash_prefix(partition),
            keys: serde_json::to_string(&values).ok()?,
        })
    }

    /// False if there is an item already.
    fn insert(&self, storage: &Storage, place: &Place, size: usize) -> Result<bool> {
        let table = self.table_name.replace('"', "\"\"");
        let mut insert = storage.conn().prepare_cached(&format!(
            "INSERT INTO \"{table}\" (pk, sk, item_json, item_size, hash_prefix) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO NOTHING"
        ))?;
        let (partition, sort, prefix) = (&place.partition, &place.sort, &place.hash_prefix);
        let inserted = insert.execute(params![partition, sort, self.item.get(), size, prefix])?;
        Ok(inserted == 1)
    }

    /// The record of the table's stream, as `dynoxide::streams` writes it.
    fn record(&self, storage: &Storage, table: &TableMetadata, place: &Place) -> Result<()> {
        let clock = storage.clock();
        // Microseconds, which it takes as the least that a number is.
        #[allow(clippy::cast_possible_truncation)]
        let floor = (clock.now_unix_secs_f64() * 1_000_000.0) as i64;
        let mut last = storage.conn().prepare_cached(
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1",
        )?;
        let next: i64 = last.query_row([&self.table_name], |row| row.get(0))?;
        let with_image = !matches!(table.stream_view_type.as_deref(), Some("KEYS_ONLY" | "OLD_IMAGE"));
        let image = with_image.then(|| self.item.get());
        let mut insert = storage.conn().prepare_cached(
            "INSERT INTO _stream_records (table_name, event_name, keys_json, new_image, sequence_number, shard_id, \
             created_at, event_id) VALUES (?1, 'INSERT', ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![
            self.table_name,
            place.keys,
            image,
            next.max(floor).to_string(),
            shard_id(&self.table_name),
            clock.now_unix_secs().cast_signed(),
            Uuid::new_v4().simple().to_string(),
        ])?;
        Ok(())
    }

    fn answer(&self, size: usize) -> Result<Found> {
        let units = table_write_capacity_units(None, Some(size));
        let consumed = |mode: &Option<String>| consumed_capacity(&self.table_name, units, mode);
        let answer = PutItemResponse {
            consumed_capacity: consumed(&self.return_consumed_capacity),
            ..Default::default()
        };
        Ok(Found {
            body: body::write(&answer)?,
            consumed: consumed(&Some("TOTAL".to_owned())),
        })
    }
}

/// The attribute of `attribute_not_exists(attribute)`; none if the condition is another.
fn absent(condition: &str) -> Option<&str> {
    let inner = condition
        .trim()
        .strip_prefix("attribute_not_exists")?
        .trim_start();
    let name = inner.strip_prefix('(')?.strip_suffix(')')?.trim();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_plain)).then_some(name)
}

// A test that can't set its stage has to stop there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Clock, DynamoDb};

    const ABSENT: &str = "attribute_not_exists(id)";

    fn table() -> DynamoDb {
        let dynamodb = DynamoDb::in_memory(Clock::real()).unwrap();
        let request = json!({ "TableName": "notes", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }] });
        let made = dynamodb.handle("CreateTable", request.to_string().as_bytes());
        assert_eq!(made.status, 200);
        dynamodb
    }

    fn is_written(dynamodb: &DynamoDb, accepted: &Accepted, item: &str, condition: &str) -> bool {
        let body = format!(
            "{{\"TableName\":\"notes\",\"Item\":{item},\"ConditionExpression\":\"{condition}\",\
             \"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"}}"
        );
        let put = PlainPut::read(body.as_bytes()).unwrap();
        put.item(accepted)
            .is_some_and(|item| dynamodb.shared.database.plain_put(&put, &item).unwrap().is_some())
    }

    #[test]
    fn it_writes_a_new_plain_item_on_a_condition_that_was_accepted_and_nothing_else() {
        let dynamodb = table();
        let accepted = Accepted::default();
        let one = "{\"id\": {\"S\": \"1\"}, \"n\": {\"N\": \"2.5\"}}";
        let is_written = |item: &str, condition: &str| is_written(&dynamodb, &accepted, item, condition);
        assert!(!is_written(one, ABSENT), "its condition was never accepted");
        accepted.note("notes".to_owned(), ABSENT.to_owned());
        accepted.note("notes".to_owned(), "attribute_not_exists(n)".to_owned());
        assert!(
            !is_written(one, "attribute_not_exists(n)"),
            "the condition is not about a key"
        );
        assert!(is_written(one, ABSENT));
        assert!(!is_written(one, ABSENT), "it is there");
        assert!(
            !is_written("{\"id\":{\"S\":\"2\"},\"raw\":{\"B\":\"AA==\"}}", ABSENT),
            "it is not plain"
        );
        let key = json!({ "TableName": "notes", "Key": { "id": { "S": "1" } } }).to_string();
        let got = dynamodb.handle("GetItem", key.as_bytes());
        let got: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(got["Item"], json!({ "id": { "S": "1" }, "n": { "N": "2.5" } }));
    }
}
