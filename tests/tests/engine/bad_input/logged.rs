//! What the log says of a message: which one it is and what became of it, and nothing that is in it.

use embedded_aws::Service;
use serde_json::json;
use testkit::bundle::Bundle;
use testkit::logs::{Line, Logs};
use testkit::weather::{broken, faults};

use super::{cart, command};
use crate::options;

/// Stands in each payload and must not be in any line.
const SECRET: &str = "hush";

#[tokio::test(start_paused = true)]
async fn a_line_names_the_message_and_holds_none_of_its_payload_whatever_becomes_of_it() {
    let (logs, _guard) = Logs::capture();
    let mut options = options();
    options.faults = Some(faults(|call| match &*call.caller {
        "fail-shipment" if call.service == Service::DynamoDb => broken(call.service),
        _ => embedded_aws::transport::Fault::None,
    }));
    let bundle = Bundle::start(options).await;
    let mut secret = cart("logged");
    secret["client_id"] = json!(format!("{SECRET}-client"));
    secret["product_items"][0]["product_id"] = json!(format!("{SECRET}-product"));
    let envelope = |fields: &serde_json::Value, id: &str| {
        json!({ "id": id, "command": fields, "extra": SECRET, "metadata": { "correlation_id": "chain" } })
            .to_string()
    };
    let mut wrong = secret.clone();
    wrong["total_price"] = json!(SECRET);
    let sent = [
        ("finalize-cart", envelope(&secret, "done"), "done"),
        (
            "withdraw-order",
            envelope(&json!({ "order_id": "none", "reason": SECRET }), "rejected"),
            "rejected",
        ),
        (
            "fail-payment",
            envelope(&json!({ "payment_id": "none", "error": SECRET }), "waits"),
            "waits",
        ),
        (
            "fail-shipment",
            envelope(&json!({ "shipment_id": "none", "error": SECRET }), "fails"),
            "fails",
        ),
        ("finalize-cart", command(&wrong), ""),
        ("finalize-cart", format!("{SECRET} is no JSON"), ""),
        (
            "finalize-cart",
            json!({ "type": SECRET, "command": {} }).to_string(),
            "",
        ),
        // Malformed, and yet it says who it is.
        (
            "on-cart-finalized",
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
