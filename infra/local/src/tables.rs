//! The stack's two tables.

use aws_adapters::Names;
use embedded_aws::DynamoDb;
use serde_json::{Value, json};

use crate::stack::StackError;

/// Creates the tables that are not there yet; whether the event table was.
pub(crate) fn create(dynamodb: &DynamoDb, names: &Names) -> Result<bool, StackError> {
    let mut events = table(&names.events_table());
    events["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" });
    let existed = !create_table(dynamodb, &events)?;
    create_table(dynamodb, &table(&names.outbox_table()))?;
    Ok(existed)
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
        _ => Err(StackError::Table(reason.into_owned())),
    }
}
