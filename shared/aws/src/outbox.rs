//! The outbox: commits whose events the relay could not deliver, as a reference to where they are.
//!
//! The event table's stream is what publishes events; this table holds only the exceptions, so that
//! one of them does not hold up its shard.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::{Passing, Timestamp};

use crate::event_store::reason;

/// A commit that was not, or not wholly, delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its stream, as its item says.
    pub stream: String,
    /// The revision of the commit's first event.
    pub revision: u64,
    /// What went wrong the last time, without any payload.
    pub error: String,
}

/// The outbox table of one stack.
#[derive(Clone, Debug)]
pub struct Outbox {
    client: Client,
    table: String,
}

impl Outbox {
    /// The outbox in the table of that name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Saves an entry, or counts one more attempt of an entry that is there already.
    pub async fn save(&self, entry: &OutboxEntry, now: Timestamp) -> Result<(), Passing> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("stream_id", AttributeValue::S(entry.stream.clone()))
            .key("revision", AttributeValue::N(entry.revision.to_string()))
            .update_expression(
                "SET last_error = :error, last_attempt_at = :now, \
                 first_attempt_at = if_not_exists(first_attempt_at, :now) ADD attempts :one",
            )
            .expression_attribute_values(":error", AttributeValue::S(entry.error.clone()))
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .send()
            .await
            .map_err(|error| Passing {
                doing: format!("saving {} at {} in the outbox", entry.stream, entry.revision),
                why: reason(&error),
            })?;
        Ok(())
    }
}
