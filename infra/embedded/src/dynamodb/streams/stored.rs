//! The records of a stream as they are stored, read as `dynoxide`'s `GetRecords` reads them, with a statement that is
//! compiled once, and items that are read straight.

use dynoxide::actions::get_records::{Record, StreamRecord, UserIdentity};
use dynoxide::storage::Storage;
use dynoxide::streams::{LOCAL_REGION, shard_id};
use dynoxide::{DynoxideError, Result};
use rusqlite::{Row, params};
use serde_json::Value;

use super::lives;
use crate::dynamodb::plain_item;

/// Up to `limit` records of the table after the one with that number, and the number of the last one.
pub(in crate::dynamodb) fn after(
    storage: &Storage,
    table: &str,
    number: i64,
    limit: usize,
) -> Result<(Vec<Record>, i64)> {
    if storage.get_table_metadata(table)?.is_none() {
        let gone = format!("Requested resource not found: Table: {table}");
        return Err(DynoxideError::ResourceNotFoundException(gone));
    }
    let mut statement = storage.conn().prepare_cached(
        "SELECT event_name, keys_json, new_image, old_image, sequence_number, created_at, user_identity, event_id \
         FROM _stream_records WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3 \
         ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT ?4",
    )?;
    let found = statement.query_map(params![table, shard_id(table), number, limit], record)?;
    let found: Vec<(Record, i64)> = found.collect::<rusqlite::Result<_>>()?;
    let last = found.last().map_or(number, |(_, last)| *last);
    Ok((found.into_iter().map(|(record, _)| record).collect(), last))
}

fn record(row: &Row<'_>) -> rusqlite::Result<(Record, i64)> {
    let text = |column| {
        row.get_ref(column)?
            .as_str_or_null()
            .map_err(rusqlite::Error::from)
    };
    let (keys, new, old) = (text(1)?.unwrap_or_default(), text(2)?, text(3)?);
    let stored = text(4)?.unwrap_or_default();
    let number: i64 = stored.parse().unwrap_or_default();
    let bytes = keys.len() + new.map_or(0, str::len) + old.map_or(0, str::len);
    // Seconds since 1970, which a number of that kind holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let created = row.get::<_, i64>(5)? as f64;
    let identity = text(6)?.and_then(|identity| serde_json::from_str::<Value>(identity).ok());
    let record = Record {
        event_id: text(7)?.unwrap_or(stored).to_owned(),
        event_name: text(0)?.unwrap_or_default().to_owned(),
        event_version: "1.1".to_owned(),
        event_source: "aws:dynamodb".to_owned(),
        // It shows its own, and what it shows of a record.
        aws_region: LOCAL_REGION.to_owned(),
        dynamodb: StreamRecord {
            stream_view_type: String::new(),
            keys: plain_item::stored(keys).unwrap_or_default(),
            new_image: new.and_then(plain_item::stored),
            old_image: old.and_then(plain_item::stored),
            sequence_number: lives::shown(number).to_string(),
            size_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            approximate_creation_date_time: created,
        },
        user_identity: identity.map(|identity| UserIdentity {
            identity_type: identity["type"].as_str().unwrap_or("Service").to_owned(),
            principal_id: identity["principalId"]
                .as_str()
                .unwrap_or("dynamodb.amazonaws.com")
                .to_owned(),
        }),
    };
    Ok((record, number))
}
