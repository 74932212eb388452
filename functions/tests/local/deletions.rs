//! Queues and tables that somebody deletes under a running stack.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Up, program, until};

/// A running stack and the lines that it writes to standard error.
fn listened_to() -> (Up, mpsc::Receiver<String>) {
    let mut up = program(&["up", "--port", "0"]);
    up.stderr(Stdio::piped());
    let mut up = Up::start(up);
    let stderr = BufReader::new(up.child.stderr.take().expect("a pipe"));
    let (says, said) = mpsc::channel();
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if says.send(line).is_err() {
                return;
            }
        }
    });
    (up, said)
}

/// The next line that begins so.
fn line(said: &mpsc::Receiver<String>, beginning: &str) -> String {
    loop {
        let line = said.recv_timeout(Duration::from_mins(1));
        let line = line.unwrap_or_else(|_| panic!("it never said {beginning:?}"));
        if line.starts_with(beginning) {
            return line;
        }
    }
}

fn ask(up: &Up, target: &str, body: &Value) -> Value {
    let answer = up.call(target, &body.to_string());
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{target}: {answer}");
    serde_json::from_str(body).unwrap_or_default()
}

fn url(up: &Up, queue: &str) -> String {
    format!("http://{}/000000000000/local-{queue}", up.address)
}

/// Finalizes a cart and waits until its order has ended.
fn order(up: &Up, cart: &str) {
    let body = json!({ "command": {
        "cart_id": cart, "client_id": "u-7", "total_price": 19.98,
        "product_items": [{ "product_id": "p-1", "quantity": 2, "unit_price": 9.99 }],
    }});
    let message = json!({ "QueueUrl": url(up, "finalize-cart"), "MessageBody": body.to_string() });
    ask(up, "AmazonSQS.SendMessage", &message);
    let id = uuid::Uuid::parse_str("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e").expect("the namespace");
    let id = uuid::Uuid::new_v5(&id, format!("order/{cart}").as_bytes());
    let query = json!({
        "TableName": "local-events", "ConsistentRead": true,
        "KeyConditionExpression": "stream_id = :s",
        "ExpressionAttributeValues": { ":s": { "S": format!("order-{id}") } },
    });
    until(&format!("the order of {cart} completes"), || {
        let events = ask(up, "DynamoDB_20120810.Query", &query).to_string();
        events.contains("OrderCompleted").then_some(())
    });
}

#[test]
fn a_queue_that_is_deleted_ends_nothing_and_is_read_again_when_it_is_made_again() {
    let (up, said) = listened_to();
    let queues = ask(
        &up,
        "AmazonSQS.ListQueues",
        &json!({ "QueueNamePrefix": "local-" }),
    );
    let queues: Vec<String> = queues["QueueUrls"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .filter(|url| !url.ends_with("-dlq"))
        .map(str::to_owned)
        .collect();
    assert!(queues.len() > 20, "{queues:?}");
    order(&up, "c-1");
    for queue in &queues {
        ask(&up, "AmazonSQS.DeleteQueue", &json!({ "QueueUrl": queue }));
    }
    line(&said, "queue local-finalize-cart was deleted");
    for queue in &queues {
        let name = queue.rsplit('/').next().expect("a name");
        let attributes = json!({ "VisibilityTimeout": "180" });
        ask(
            &up,
            "AmazonSQS.CreateQueue",
            &json!({ "QueueName": name, "Attributes": attributes }),
        );
    }
    line(&said, "queue local-");
    order(&up, "c-2");
    up.signal("-INT");
    let mut up = up;
    assert_eq!(up.ended().code(), Some(0));
}

#[test]
fn tables_that_are_deleted_end_nothing_and_orders_begin_anew_when_they_are_made_again() {
    let (mut up, said) = listened_to();
    order(&up, "c-1");
    let [events, outbox] = ["local-events", "local-outbox"].map(|name| {
        let described = ask(&up, "DynamoDB_20120810.DescribeTable", &json!({ "TableName": name }));
        let described = &described["Table"];
        let mut table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": described["AttributeDefinitions"], "KeySchema": described["KeySchema"],
        });
        if let Some(stream) = described.get("StreamSpecification") {
            table["StreamSpecification"] = stream.clone();
        }
        if let Some(index) = described["GlobalSecondaryIndexes"].get(0) {
            table["GlobalSecondaryIndexes"] = json!([{
                "IndexName": index["IndexName"], "KeySchema": index["KeySchema"], "Projection": index["Projection"],
            }]);
        }
        table
    });
    for table in [&events, &outbox] {
        ask(
            &up,
            "DynamoDB_20120810.DeleteTable",
            &json!({ "TableName": table["TableName"] }),
        );
    }
    let mut lost = [line(&said, "table local-"), line(&said, "table local-")];
    lost.sort();
    assert!(
        lost[0].starts_with("table local-events was deleted, and all that was in it"),
        "{lost:?}"
    );
    assert!(lost[1].starts_with("table local-outbox was deleted"), "{lost:?}");
    for table in [&events, &outbox] {
        ask(&up, "DynamoDB_20120810.CreateTable", table);
    }
    let mut found = [line(&said, "table local-"), line(&said, "table local-")];
    found.sort();
    assert_eq!(
        found[0],
        "table local-events is there again: local-relay-events reads its stream"
    );
    assert!(
        found[1].starts_with("table local-outbox is there again"),
        "{found:?}"
    );
    // The same cart: nothing of its first order is remembered anywhere.
    order(&up, "c-1");
    order(&up, "c-2");
    up.signal("-INT");
    assert_eq!(up.ended().code(), Some(0));
}
