//! What can't be understood goes to its queue's dead-letter queue at once, as it came.

use bundle::Trigger;
use local::StackOptions;
use serde_json::json;
use testkit::malformed::{is_refused_from_the_future, refuses_all};
use testkit::running::Running;

use crate::loans::{ALL, command, loan, stream};
use crate::options;

#[tokio::test(start_paused = true)]
async fn all_that_is_malformed_goes_to_the_dead_letter_queue_at_once_and_the_rest_of_its_batch_goes_on() {
    let options = options();
    let mut refused = 0;
    for function in &options.bundle.registry.functions {
        if matches!(function.trigger, Trigger::Commands(_) | Trigger::Events(_)) {
            refused += refuses_all(&options, function).await;
        }
    }
    assert!(refused > 200, "only {refused} messages were tried");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_version_to_come_is_in_the_dead_letter_queue_and_says_its_version() {
    let options = options();
    for function in &options.bundle.registry.functions {
        if matches!(function.trigger, Trigger::Commands(_) | Trigger::Events(_)) {
            is_refused_from_the_future(&options, function).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_moved_byte_for_byte() {
    let bundle = Running::start(options()).await;
    let bodies = [
        "{ \"command\" :\t{\"loan_id\": \"l\", \"loan_id\": \"l\"}\r\n}\n ",
        "{\"command\":{\"loan_id\":\"Zo\\u00eb\"},\"n\":1.50E+2}",
        "Zoë 🛒 \u{2028}",
        " ",
    ]
    .map(str::to_owned);
    bundle.send_batch("lend-book", &bodies).await;
    bundle.settle().await;
    let mut moved: Vec<_> = bundle
        .take_letters("lend-book")
        .await
        .into_iter()
        .map(|letter| letter.body)
        .collect();
    moved.sort();
    let mut sent = bodies.to_vec();
    sent.sort();
    assert_eq!(moved, sent);
}

#[tokio::test(start_paused = true)]
async fn what_a_sender_may_leave_out_or_add_is_not_malformed() {
    let bundle = Running::start(options()).await;
    let mut generous = loan("generous");
    generous["library_card"] = json!({ "number": 7 });
    let deep = format!("{}{}", "[".repeat(63), "]".repeat(63));
    let bodies = [
        command(&loan("bare")),
        json!({ "command": generous, "shelf": [1, 2] }).to_string(),
        format!(r#"{{"command":{},"deep":{deep}}}"#, loan("deep")),
        json!({ "id": null, "type": null, "metadata": null, "command": loan("nulls") }).to_string(),
        json!({ "id": "x", "type": "LendBook", "metadata": {}, "command": loan("typed") }).to_string(),
    ];
    bundle.send_batch("lend-book", &bodies).await;
    bundle.settle().await;
    assert_eq!(bundle.take_letters("lend-book").await, []);
    for id in ["bare", "generous", "deep", "nulls", "typed"] {
        assert_eq!(bundle.types(&stream(id)).await, ALL, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_leaves_no_room_for_attributes_is_left_to_the_queues_own_redrive() {
    let (logs, _guard) = testkit::logs::Logs::capture();
    let bundle = Running::start(StackOptions {
        max_receive_count: 5,
        ..options()
    })
    .await;
    let body = "x".repeat(1024 * 1024 - 40);
    let message_id = bundle.send("lend-book", &body).await;
    bundle.settle().await;
    let letters = bundle.take_letters("lend-book").await;
    let [letter] = &letters[..] else {
        panic!("one letter was expected, not {}", letters.len());
    };
    assert!(letter.body == body, "the body is unchanged");
    assert_eq!(letter.message_id, message_id);
    assert!(letter.attributes.is_empty(), "{:?}", letter.attributes);
    assert!(
        letter.moved_by_sqs.is_some(),
        "SQS moved it, after all its receives"
    );
    let lines = logs.of_message(&message_id);
    assert_eq!(lines.len(), 5, "one for each receive");
    for line in lines {
        let error = &line["error"];
        assert!(
            error.contains("not a JSON object") && error.contains("left to the queue's redrive"),
            "{error}"
        );
    }
}
