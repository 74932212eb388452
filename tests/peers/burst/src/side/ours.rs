//! The bundle on its local stack, over HTTP: carts are messages of SQS, and the view of orders tells what became of
//! them.

use std::path::Path;
use std::process::Command as Blocking;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Programs, Running, Side};
use peer_burst::http::Failure;

/// The stack asks that requests are signed, and does not check with what.
const SIGNED: (&str, &str) = (
    "authorization",
    "AWS4-HMAC-SHA256 Credential=any/20261129/us-east-1/any/aws4_request, SignedHeaders=host, Signature=0",
);
const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.0");

/// Whether the stack can be told to sync.
pub fn can_sync(local: &Path) -> bool {
    let help = Blocking::new(local).args(["up", "--help"]).output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--sync"))
}

pub async fn start(running: &mut Running, programs: &Programs, folder: &Path) -> Result<(), Failure> {
    let mut command = Command::new(&programs.local);
    command.args(["up", "--port", "0"]);
    if running.side != Side::Memory {
        command.arg("--data").arg(folder);
    }
    if can_sync(&programs.local) {
        match running.side {
            Side::Synced => command.arg("--sync"),
            Side::Folder => command.arg("--no-sync"),
            Side::Restate | Side::Objects | Side::Memory => &mut command,
        };
    }
    running.url = running.spawn_until_ready("local", &mut command).await?;
    running.questions = running.url.clone();
    Ok(())
}

pub async fn send(running: &Running, cart: &Value) -> Result<(), Failure> {
    let message = json!({
        "QueueUrl": format!("{}/000000000000/local-finalize-cart", running.url),
        "MessageBody": json!({ "type": "FinalizeCart", "command": cart }).to_string(),
    });
    let target = ("x-amz-target", "AmazonSQS.SendMessage");
    running
        .http
        .post(&running.url, &[SIGNED, JSON, target], &message)
        .await?;
    Ok(())
}

pub async fn completed(running: &Running, client: &str) -> Result<usize, Failure> {
    let mut question = json!({
        "TableName": "local-orders",
        "Select": "COUNT",
        "FilterExpression": "client_id = :client AND phase = :phase",
        "ExpressionAttributeValues": { ":client": { "S": client }, ":phase": { "S": "completed" } },
    });
    let target = ("x-amz-target", "DynamoDB_20120810.Scan");
    let mut completed = 0;
    loop {
        let answer = running
            .http
            .post(&running.questions, &[SIGNED, JSON, target], &question)
            .await?;
        let mut page: Value = serde_json::from_slice(&answer)?;
        completed += usize::try_from(page["Count"].as_u64().ok_or("a page without a count")?)?;
        match page["LastEvaluatedKey"].take() {
            Value::Null => return Ok(completed),
            last => question["ExclusiveStartKey"] = last,
        }
    }
}
