//! What the log says of a message: which one it is and what became of it, and nothing that is in it.

use embedded_aws::Service;
use embedded_aws::transport::Fault;
use local::StackOptions;
use serde_json::json;
use testkit::logs::{Line, Logs};
use testkit::running::Running;
use testkit::weather::{broken, faults};

use crate::loans::{command, loan, reminder};
use crate::options;

/// Stands in each payload and must not be in any line.
const SECRET: &str = "hush";

#[tokio::test(start_paused = true)]
async fn a_line_names_the_message_and_holds_none_of_its_payload_whatever_becomes_of_it() {
    let (logs, _guard) = Logs::capture();
    let bundle = Running::start(StackOptions {
        faults: Some(faults(|call| {
            if call.service == Service::DynamoDb && call.request().to_string().contains("loan-fails") {
                broken(call.service)
            } else {
                Fault::None
            }
        })),
        ..options()
    })
    .await;
    let secret = |id: &str| {
        let mut loan = loan(id);
        loan["book_id"] = json!(format!("{SECRET}-book"));
        loan["member_id"] = json!(format!("{SECRET}-member"));
        loan
    };
    let envelope = |fields: &serde_json::Value, id: &str| {
        json!({ "id": id, "command": fields, "extra": SECRET, "metadata": { "correlation_id": "chain" } })
            .to_string()
    };
    let mut wrong = secret("wrong");
    wrong["book_id"] = json!([SECRET]);
    let mut other = secret("logged");
    other["member_id"] = json!(format!("{SECRET}-other"));
    let sent = [
        ("lend-book", envelope(&secret("logged"), "done"), "done"),
        ("lend-book", envelope(&other, "rejected"), "rejected"),
        ("remind-member", envelope(&reminder("none"), "waits"), "waits"),
        ("lend-book", envelope(&secret("fails"), "fails"), "fails"),
        ("lend-book", command(&wrong), ""),
        ("lend-book", format!("{SECRET} is no JSON"), ""),
        (
            "lend-book",
            json!({ "type": SECRET, "command": {} }).to_string(),
            "",
        ),
        // Malformed, and yet it says who it is.
        (
            "on-book-lent",
            json!({ "id": "half", "event": SECRET, "metadata": { "correlation_id": "chain" } }).to_string(),
            "half",
        ),
    ];
    for (queue, body, id) in &sent {
        let message_id = bundle.send(queue, body).await;
        bundle.settle().await;
        let lines = logs.of_message(&message_id);
        assert!(!lines.is_empty(), "nothing was logged of {body}");
        for line in lines {
            let expected_id = if id.is_empty() { &message_id } else { *id };
            assert_eq!(line["id"], expected_id, "{line:?}");
            if !id.is_empty() {
                assert_eq!(line["correlation_id"], "chain", "{line:?}");
            }
            assert_eq!(line["function"], *queue, "{line:?}");
            assert_eq!(
                aws_adapters::kebab_case(&line["type"]),
                queue.trim_start_matches("on-")
            );
        }
    }
    let lines = logs.lines();
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line.values().any(|value| value.contains(SECRET)))
        .collect();
    assert!(told.is_empty(), "{told:?}");
    assert_each_line_of_a_message_names_it(&lines);
}

fn assert_each_line_of_a_message_names_it(lines: &[Line]) {
    for line in lines.iter().filter(|line| line.contains_key("message_id")) {
        for name in [
            "function",
            "message_id",
            "correlation_id",
            "id",
            "type",
            "outcome",
        ] {
            assert!(
                line.get(name).is_some_and(|value| !value.is_empty()),
                "no {name} in {line:?}"
            );
        }
    }
}
