//! `event-store-adapter-rs` with its three tables, and one stream.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use chrono::Utc;
use event_store_adapter_rs::{
    AggregateId, DynamoDbOptions, DynamoDbTables, EventEnvelope, EventStoreForDynamoDB,
};
use peer_burst::http::Failure;
use serde_json::Value;

/// The table of events.
pub const JOURNAL: &str = "peer-journal";
/// The stream's key in it.
pub const AID: &str = "bench-read";

const SNAPSHOTS: &str = "peer-snapshots";
const HEADS: &str = "peer-heads";
const HISTORY: &str = "peer-history";

/// The event store, with a stream.
pub struct Peer {
    store: EventStoreForDynamoDB<Id, Value, Value>,
}

#[derive(Clone, Debug)]
struct Id;

impl AggregateId for Id {
    fn type_name(&self) -> String {
        "bench".to_owned()
    }

    fn value(&self) -> String {
        "read".to_owned()
    }
}

impl Peer {
    /// Makes its tables, and a stream of so many events.
    pub async fn filled(client: Client, events: u64, data: fn(u64) -> Value) -> Result<Self, Failure> {
        create(&client, JOURNAL, &[("aid", "S"), ("seq_nr", "N")], None).await?;
        let history = [("aid", "S"), ("active_history_seq_nr", "N")];
        create(&client, SNAPSHOTS, &[("aid", "S"), ("skey", "N")], Some(&history)).await?;
        create(&client, HEADS, &[("aid", "S")], None).await?;
        let tables = DynamoDbTables {
            journal_table_name: JOURNAL.to_owned(),
            snapshot_table_name: SNAPSHOTS.to_owned(),
            head_table_name: HEADS.to_owned(),
            snapshot_history_index_name: HISTORY.to_owned(),
        };
        let store = EventStoreForDynamoDB::open(client, tables, DynamoDbOptions::default()).await?;
        for number in 1..=events {
            let event = EventEnvelope::new(Id, number, Utc::now(), data(number));
            store.persist_event(event.with_manifest("BookLent")).await?;
        }
        Ok(Self { store })
    }

    /// Loads the whole stream; how many events it has.
    pub async fn load(&self) -> Result<usize, Failure> {
        Ok(self.store.get_events_by_id_since_seq_nr(&Id, 0).await?.len())
    }
}

/// Names and types of a key's attributes.
type Key<'a> = [(&'a str, &'a str)];

async fn create(client: &Client, name: &str, key: &Key<'_>, index: Option<&Key<'_>>) -> Result<(), Failure> {
    let attributes: BTreeSet<_> = key.iter().chain(index.into_iter().flatten()).collect();
    let mut table = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(schema(key)?));
    for (attribute, kind) in attributes {
        let definition = AttributeDefinition::builder()
            .attribute_name(*attribute)
            .attribute_type(ScalarAttributeType::from(*kind));
        table = table.attribute_definitions(definition.build()?);
    }
    if let Some(index) = index {
        let all = Projection::builder().projection_type(ProjectionType::All).build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(HISTORY)
            .set_key_schema(Some(schema(index)?))
            .projection(all);
        table = table.global_secondary_indexes(index.build()?);
    }
    table.send().await?;
    Ok(())
}

fn schema(key: &Key<'_>) -> Result<Vec<KeySchemaElement>, BuildError> {
    let kinds = [KeyType::Hash, KeyType::Range];
    key.iter()
        .zip(kinds)
        .map(|((name, _), kind)| {
            KeySchemaElement::builder()
                .attribute_name(*name)
                .key_type(kind)
                .build()
        })
        .collect()
}
