//! What a sender put beside the body is still there in the dead-letter queue.

use std::collections::BTreeMap;

use aws_adapters::MAX_MESSAGE_BYTES;
use embedded_sqs::{MessageAttribute, Outgoing, Received};
use local::StackOptions;
use serde_json::json;
use testkit::running::Running;

use super::without_relay;
use crate::loans::{command, lend_for_long};
use crate::options;

type Attributes = BTreeMap<String, MessageAttribute>;

const QUEUE: &str = "lend-book";
/// The attributes of a letter that say why it is there.
const REASON: [&str; 3] = ["error", "error_code", "function"];

fn typed(data_type: &str, text: &str) -> MessageAttribute {
    MessageAttribute {
        data_type: data_type.to_owned(),
        ..MessageAttribute::string(text)
    }
}

fn send(bundle: &Running, queue: &str, body: &str, attributes: Attributes) {
    let message = Outgoing {
        body: body.to_owned(),
        attributes,
        ..Outgoing::default()
    };
    let queue = bundle.stack.names().of_function(queue);
    let sent = bundle.stack.wire().sqs().send(&queue, message);
    sent.expect("the queue takes it");
}

/// Sends what can't be read, and answers the letter that it becomes.
async fn letter_of(bundle: &Running, body: &str, attributes: Attributes) -> Received {
    send(bundle, QUEUE, body, attributes);
    bundle.settle().await;
    let mut letters = bundle.take(&format!("{QUEUE}-dlq")).await;
    assert_eq!(letters.len(), 1);
    letters.pop().expect("there is one")
}

fn without_reason(letter: &Received) -> Attributes {
    let mut attributes = letter.message_attributes.clone();
    for name in REASON {
        assert!(
            attributes.remove(name).is_some(),
            "{name} is missing in {letter:?}"
        );
    }
    attributes
}

#[tokio::test(start_paused = true)]
async fn a_senders_attributes_of_every_type_are_kept_on_the_way_to_the_dead_letter_queue() {
    let bundle = Running::start(options()).await;
    let attributes = Attributes::from([
        ("tenant".to_owned(), typed("String", "Zoë 🛒\n")),
        ("trace.id".to_owned(), typed("String.uuid", "8f14e45f")),
        ("count".to_owned(), typed("Number", "-1.5e3")),
        ("port".to_owned(), typed("Number.int", "0042")),
        ("key".to_owned(), MessageAttribute::binary([0, 1, 254, 255])),
        (
            "picture".to_owned(),
            MessageAttribute {
                data_type: "Binary.png".to_owned(),
                ..MessageAttribute::binary(b"\x89PNG".to_vec())
            },
        ),
        (
            "Error".to_owned(),
            typed("String", "names know upper and lower case"),
        ),
    ]);
    let letter = letter_of(&bundle, "no JSON", attributes.clone()).await;
    assert_eq!(without_reason(&letter), attributes);
    assert_eq!(letter.body, "no JSON");
}

#[tokio::test(start_paused = true)]
async fn of_more_attributes_than_a_letter_has_room_for_the_first_by_name_are_kept_and_the_reason_wins() {
    let bundle = Running::start(options()).await;
    let mut attributes: Attributes = (0..9)
        .map(|n| (format!("a{n}"), typed("String", &n.to_string())))
        .collect();
    attributes.insert("error".to_owned(), typed("Number", "7"));
    let letter = letter_of(&bundle, "no JSON", attributes).await;
    let reason = &letter.message_attributes["error"];
    assert_eq!(reason.data_type, "String");
    assert!(
        reason
            .string_value
            .as_deref()
            .is_some_and(|text| text.contains("not a JSON object")),
        "{reason:?}"
    );
    let kept: Vec<_> = without_reason(&letter).into_keys().collect();
    assert_eq!(kept, ["a0", "a1", "a2", "a3", "a4", "a5", "a6"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_room_for_its_own_attributes_only_is_left_to_the_queues_redrive_with_them() {
    let bundle = Running::start(StackOptions {
        max_receive_count: 5,
        ..options()
    })
    .await;
    let own = Attributes::from([("tenant".to_owned(), typed("String", "acme"))]);
    let beside = "tenant".len() + "String".len() + "acme".len();
    let full = "x".repeat(MAX_MESSAGE_BYTES - beside);
    let letter = letter_of(&bundle, &full, own.clone()).await;
    assert_eq!(letter.message_attributes, own);
    assert!(letter.body == full, "the body is unchanged");
    assert!(
        letter.attributes.dead_letter_queue_source_arn.is_some(),
        "SQS moved it"
    );
    // With less in the body it says why.
    let letter = letter_of(&bundle, &full[..full.len() - 1000], own.clone()).await;
    assert_eq!(without_reason(&letter), own);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_waits_in_its_queue_again_and_again_keeps_its_senders_attributes() {
    let bundle = without_relay().await;
    let stream = lend_for_long(&bundle, "l-1").await;
    let remind = json!({ "loan_id": "l-1", "due_at": "2026-11-23T10:00:00Z" });
    let own = Attributes::from([("tenant".to_owned(), typed("String.name", "acme"))]);
    send(&bundle, "remind-member", &command(&remind), own);
    bundle.until(&stream, "MemberReminded").await;
    let hops = bundle.calls_of("remind-member", "SendMessageBatch");
    assert!(
        hops.len() > 3,
        "a queue delays by a quarter of an hour at most: {hops:?}"
    );
    for hop in hops {
        let tenant = &hop.request["Entries"][0]["MessageAttributes"]["tenant"];
        assert_eq!(
            tenant,
            &json!({ "DataType": "String.name", "StringValue": "acme" })
        );
    }
}
