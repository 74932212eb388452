//! What can't be understood goes to its queue's dead-letter queue at once, as it came.

use std::collections::BTreeMap;
use std::time::Duration;

use bundle::Function;
use serde_json::json;
use testkit::malformed::all_malformed;
use testkit::stories::Stories;

use super::{assert_refused, cart, command, without_simulators};

/// How long a message may take on the paused clock, on which no call takes any time, to count as handled
/// at once: less than the shortest delay of a retry, beside the time that its queue gathers a batch.
const AT_ONCE: Duration = Duration::from_millis(900);

#[tokio::test(start_paused = true)]
async fn every_malformed_command_goes_to_the_dead_letter_queue_at_once_and_the_rest_of_its_batch_goes_on() {
    let stories = Stories::play().await;
    let mut refused = 0;
    for function in stories.bundle.command_functions() {
        refused += refuse_all(&stories, function, "command").await;
    }
    assert!(refused > 500, "only {refused} messages were tried");
}

#[tokio::test(start_paused = true)]
async fn every_malformed_event_goes_to_the_dead_letter_queue_at_once_and_the_rest_of_its_batch_goes_on() {
    let stories = Stories::play().await;
    let mut refused = 0;
    for function in stories.bundle.step_functions() {
        refused += refuse_all(&stories, function, "event").await;
    }
    assert!(refused > 200, "only {refused} messages were tried");
}

/// Sends malformed messages, whose fields are in `content`, to the function's queue in batches, each around a
/// sample, which the queue took before and takes again. Answers how many there were.
async fn refuse_all(stories: &Stories, function: &Function, content: &str) -> usize {
    let (bundle, queue) = (&stories.bundle, function.name.as_str());
    let sample = stories.sample(queue);
    let shape = function.shape().expect("its messages have a shape");
    let malformed: Vec<_> = all_malformed(sample, &shape, content).into_iter().collect();
    let commits = bundle.commits().await.len();
    let began = bundle.age();
    let at_once = AT_ONCE + function.batching.window;
    for nine in malformed.chunks(9) {
        let mut batch: Vec<_> = nine.iter().map(|malformed| malformed.body.clone()).collect();
        batch.insert(batch.len() / 2, sample.to_owned());
        bundle.send_batch(queue, &batch).await;
    }
    bundle.settle().await;
    let letters = bundle.take_letters(queue).await;
    let mut expected: BTreeMap<_, _> = malformed
        .iter()
        .map(|malformed| (malformed.body.as_str(), malformed))
        .collect();
    let count = expected.len();
    for letter in &letters {
        let malformed = expected.remove(letter.body.as_str());
        let malformed = malformed.unwrap_or_else(|| panic!("nobody sent {} to {queue}", letter.body));
        assert_refused(letter, "malformed", &malformed.names);
        let after = letter.sent.saturating_sub(began);
        assert!(after < at_once, "it took {after:?}");
    }
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        [&""; 0],
        "{queue} did not refuse them"
    );
    assert_eq!(
        bundle.commits().await.len(),
        commits,
        "{queue} appended something"
    );
    count
}

#[tokio::test(start_paused = true)]
async fn a_body_is_moved_byte_for_byte() {
    let bundle = without_simulators().await;
    let bodies = [
        "{ \"command\" :\t{\"cart_id\": \"c\", \"cart_id\": \"c\"}\r\n}\n ",
        "{\"command\":{\"cart_id\":\"Zo\\u00eb\"},\"n\":1.50E+2}",
        "Zoë 🛒 \u{2028}",
        " ",
    ]
    .map(str::to_owned);
    bundle.send_batch("finalize-cart", &bodies).await;
    bundle.settle().await;
    let mut moved: Vec<_> = bundle
        .take_letters("finalize-cart")
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
    let bundle = without_simulators().await;
    let mut generous = cart("generous");
    generous["loyalty_card"] = json!({ "number": 7 });
    let deep = format!("{}{}", "[".repeat(63), "]".repeat(63));
    let bodies = [
        command(&cart("bare")),
        json!({ "command": generous, "shop": [1, 2] }).to_string(),
        format!(r#"{{"command":{},"deep":{deep}}}"#, cart("deep")),
        json!({ "id": null, "type": null, "metadata": null, "command": cart("nulls") }).to_string(),
        json!({ "id": "x", "type": "FinalizeCart", "metadata": {}, "command": cart("typed") }).to_string(),
    ];
    bundle.send_batch("finalize-cart", &bodies).await;
    bundle.settle().await;
    assert_eq!(bundle.take_letters("finalize-cart").await, []);
    for id in ["bare", "generous", "deep", "nulls", "typed"] {
        let [stream, ..] = super::ids(id).streams();
        assert_eq!(bundle.types(&stream).await, ["CartFinalized"], "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_leaves_no_room_for_attributes_is_left_to_the_queues_own_redrive() {
    let (logs, _guard) = testkit::logs::Logs::capture();
    let bundle = without_simulators().await;
    let body = "x".repeat(1024 * 1024 - 40);
    let message_id = bundle.send("finalize-cart", &body).await;
    bundle.settle().await;
    let letters = bundle.take_letters("finalize-cart").await;
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
