//! The stack's tables.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_adapters::{Delivery, Names, OUTBOX_INDEX};
use bundle::ViewTableForm;
use embedded_aws::DynamoDb;
use embedded_aws::mapping::{Notice, Notices};
use eventsourcing::{Index, Timestamp};
use serde_json::{Value, json};

use crate::error::StackError;

/// Creates the tables that are not there yet; whether the event table was.
pub(crate) fn create(
    dynamodb: &DynamoDb,
    names: &Names,
    views: impl Iterator<Item = ViewTableForm>,
) -> Result<bool, StackError> {
    let mut events = table(&names.events_table());
    events["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" });
    let existed = !create_table(dynamodb, &events)?;
    create_table(dynamodb, &outbox(&names.outbox_table()))?;
    for form in views {
        create_table(dynamodb, &view(&names.view_table(form.name), &form))?;
    }
    Ok(existed)
}

/// Deletes them, with all that is in them.
pub(crate) fn throw_away(
    dynamodb: &DynamoDb,
    names: &Names,
    views: impl Iterator<Item = ViewTableForm>,
) -> Result<(), StackError> {
    let views = views.map(|form| names.view_table(form.name));
    for table in views.chain([names.outbox_table(), names.events_table()]) {
        let answer = dynamodb.handle(
            "DeleteTable",
            json!({ "TableName": table }).to_string().as_bytes(),
        );
        // Somebody else may have deleted it before.
        let is_gone = answer.status == 200 || dynamodb.table_identity(&table).is_none();
        if !is_gone {
            return Err(refused(&answer.body));
        }
    }
    Ok(())
}

/// Goes on for as long as it is polled: says that the outbox was deleted, which no mapping reads, and raises
/// `generation` when the event table is another one, for then functions remember streams that never were.
pub(crate) async fn watch(
    dynamodb: DynamoDb,
    events: String,
    outbox: String,
    notices: Notices,
    generation: Arc<AtomicU64>,
) {
    let mut changes = dynamodb.table_changes();
    let mut known = [dynamodb.table_identity(&events), dynamodb.table_identity(&outbox)];
    let source = format!("table {outbox}");
    while changes.changed().await.is_ok() {
        let now = [dynamodb.table_identity(&events), dynamodb.table_identity(&outbox)];
        if now[0] != known[0] {
            generation.fetch_add(1, Ordering::Relaxed);
        }
        let notice = match (&known[1], &now[1]) {
            (Some(_), None) => Some(Notice::Lost {
                source: source.clone(),
                reason: "was deleted, and all that waited in it: what can't be delivered now has no place until there \
                         is a table of that name with its index, which a new start makes"
                    .to_owned(),
            }),
            (before, Some(there)) if before.as_ref() != Some(there) => Some(Notice::Found {
                source: source.clone(),
                outcome: "what can't be delivered is kept in it".to_owned(),
            }),
            _ => None,
        };
        if let Some(notice) = notice {
            // An error means that nobody listens any more.
            drop(notices.send(notice));
        }
        known = now;
    }
}

/// With the index that the sweeper goes by.
fn outbox(name: &str) -> Value {
    let mut outbox = table(name);
    let indexed = ["delivery", "next_attempt_at"];
    if let Some(attributes) = outbox["AttributeDefinitions"].as_array_mut() {
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        attributes.extend(indexed.map(attribute));
    }
    let [what, due] = indexed;
    outbox["GlobalSecondaryIndexes"] = json!([{
        "IndexName": OUTBOX_INDEX,
        "KeySchema": [
            { "AttributeName": what, "KeyType": "HASH" },
            { "AttributeName": due, "KeyType": "RANGE" },
        ],
        "Projection": { "ProjectionType": "ALL" },
    }]);
    outbox
}

/// The table of a view, with its indexes. All its keys are text.
fn view(name: &str, form: &ViewTableForm) -> Value {
    let keys = form
        .indexes
        .iter()
        .flat_map(|index| [index.partition, index.sort]);
    let keys: BTreeSet<_> = keys.chain([form.key]).collect();
    let attribute = |name| json!({ "AttributeName": name, "AttributeType": "S" });
    let index = |index: &Index| {
        json!({
            "IndexName": index.name,
            "KeySchema": [
                { "AttributeName": index.partition, "KeyType": "HASH" },
                { "AttributeName": index.sort, "KeyType": "RANGE" },
            ],
            "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": index.holds },
        })
    };
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": keys.into_iter().map(attribute).collect::<Vec<_>>(),
        "KeySchema": [{ "AttributeName": form.key, "KeyType": "HASH" }],
        "GlobalSecondaryIndexes": form.indexes.iter().map(index).collect::<Vec<_>>(),
    })
}

/// Whether the outbox holds nothing that the sweeper goes on sending.
pub(crate) fn is_swept(dynamodb: &DynamoDb, names: &Names) -> bool {
    let pending = json!({
        "TableName": names.outbox_table(),
        "IndexName": OUTBOX_INDEX,
        "KeyConditionExpression": "delivery = :pending",
        "ExpressionAttributeValues": { ":pending": { "S": Delivery::Pending.as_str() } },
        "Limit": 1,
    });
    let answer = dynamodb.handle("Query", pending.to_string().as_bytes());
    let found: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    found["Count"] == 0
}

/// When each of the events in the outbox that the sweeper goes on sending is due for it.
pub(crate) fn unsent(dynamodb: &DynamoDb, names: &Names) -> Vec<Timestamp> {
    let pending = json!({
        "TableName": names.outbox_table(),
        "IndexName": OUTBOX_INDEX,
        "KeyConditionExpression": "delivery = :pending",
        "ExpressionAttributeValues": { ":pending": { "S": Delivery::Pending.as_str() } },
    });
    let answer = dynamodb.handle("Query", pending.to_string().as_bytes());
    let found: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let items = found["Items"].as_array().into_iter().flatten();
    let due = items.map(|item| item["next_attempt_at"]["S"].as_str()?.parse().ok());
    // One that can't be read is the sweeper's to look at, now.
    due.map(|due| due.unwrap_or(Timestamp::from_millis(0))).collect()
}

/// Both have the keys of a commit: the outbox refers to commits.
fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "stream_id", "AttributeType": "S" },
            { "AttributeName": "revision", "AttributeType": "N" },
        ],
        "KeySchema": [
            { "AttributeName": "stream_id", "KeyType": "HASH" },
            { "AttributeName": "revision", "KeyType": "RANGE" },
        ],
    })
}

/// Whether the table was created now.
fn create_table(dynamodb: &DynamoDb, definition: &Value) -> Result<bool, StackError> {
    let answer = dynamodb.handle("CreateTable", definition.to_string().as_bytes());
    let reason = String::from_utf8_lossy(&answer.body);
    match answer.status {
        200 => Ok(true),
        _ if reason.contains("ResourceInUseException") => Ok(false),
        _ => Err(refused(&answer.body)),
    }
}

/// What the database said against it.
fn refused(body: &[u8]) -> StackError {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = error["message"].as_str().map(ToOwned::to_owned);
    StackError::Table(said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
}
