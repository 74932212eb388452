//! What is accepted can be sent: whatever a sender wrote into a text, an id or a name, what follows from its
//! message follows.
//!
//! `\\uffff` and `\\ufffe` are what no queue carries as they are, `\\ud800` is what no text can hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_adapters::{CommitRef, Delivery, Outbox};
use embedded_aws::transport::{Failure, Fault};
use local::StackOptions;
use serde_json::{Value, json};
use testkit::running::Running;
use testkit::weather::faults;

use crate::loans::{ALL, lent, loan, reminder, stream};
use crate::options;

const ODD: &str = r"\uffff\ufffe \ud800 \udfff\u0001";
const ODD_ID: &str = r"\uffff\ufffe \ud800";

/// A message with odd ids and names.
fn odd(fields: &Value) -> String {
    format!(
        r#"{{"id":"{ODD_ID}","command":{fields},"\ud800":{{"\udc00":"{ODD}"}},"metadata":{{"correlation_id":"{ODD_ID}","causation_id":"{ODD_ID}"}}}}"#
    )
}

/// Everything that was said got where it belongs.
async fn assert_nothing_is_stuck(bundle: &Running) {
    assert_eq!(bundle.outbox().await, [], "every event was delivered");
    assert_eq!(bundle.letters().await, [], "every message was taken");
}

#[tokio::test(start_paused = true)]
async fn a_loan_under_an_id_that_no_queue_carries_as_it_is_comes_to_its_end() {
    let bundle = Running::start(options()).await;
    bundle
        .send(
            "lend-book",
            &format!(r#"{{"id":"\uffff","command":{}}}"#, loan("l-1")),
        )
        .await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream("l-1")).await, ALL);
    assert_nothing_is_stuck(&bundle).await;
    let first = &bundle.events(&stream("l-1")).await[0];
    assert_eq!(first.correlation_id, "\u{ffff}", "it is passed on unchanged");
}

#[tokio::test(start_paused = true)]
async fn every_loan_ends_though_each_of_its_messages_holds_what_no_queue_carries() {
    let bundle = Running::start(options()).await;
    bundle.send("lend-book", &odd(&loan("l-1"))).await;
    bundle.until(&stream("l-1"), "BookLent").await;
    bundle.send("remind-member", &odd(&reminder("l-1"))).await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream("l-1")).await, ALL);
    assert_nothing_is_stuck(&bundle).await;
}

/// The item of a lent book, as code that wrote characters as they are has left it.
fn stored_loan(id: &str) -> Value {
    let mut item = lent(id);
    let event = &mut item["events"]["L"][0]["M"];
    let mut data = loan(id);
    data["lent_at"] = json!("2026-11-23T08:00:00.000Z");
    data["due_at"] = json!("2026-11-23T08:00:00.000Z");
    data["note"] = json!("\u{fffe}\u{ffff}\\");
    event["correlation_id"] = json!({ "S": "\u{ffff}" });
    event["causation_id"] = json!({ "S": "\u{fffe}" });
    event["data"] = json!({ "S": data.to_string() });
    item
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_stored_with_such_characters_is_delivered() {
    let bundle = Running::start(options()).await;
    bundle.put(&stored_loan("l-1"));
    bundle.until(&stream("l-1"), "MemberReminded").await;
    bundle.settle().await;
    assert_nothing_is_stuck(&bundle).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_parked_for_such_characters_is_delivered_when_it_is_redriven() {
    let refuses = Arc::new(AtomicBool::new(true));
    let still = refuses.clone();
    let options = StackOptions {
        faults: Some(faults(move |call| {
            let hit = call.operation == "SendMessageBatch" && call.resource() == Some("local-on-book-lent");
            if hit && still.load(Ordering::Relaxed) {
                Fault::FailBefore(Failure {
                    status: 400,
                    error_type: "com.amazonaws.sqs#InvalidMessageContents".into(),
                    message: "The message contains characters outside the allowed set.".into(),
                })
            } else {
                Fault::None
            }
        })),
        sweep_interval: None,
        ..options()
    };
    let bundle = Running::start(options).await;
    bundle.put(&stored_loan("l-1"));
    let outbox = Outbox::new(
        bundle.observer.dynamodb.clone(),
        bundle.stack.names().outbox_table(),
    );
    let parked = || async {
        outbox
            .list(Delivery::Parked, 1)
            .await
            .expect("the outbox can be read")
    };
    while parked().await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    }
    refuses.store(false, Ordering::Relaxed);
    let commit = CommitRef {
        stream: "loan-l-1".to_owned(),
        revision: 1.into(),
    };
    let redriven = outbox.redrive(&commit).await;
    redriven.expect("it is parked");
    bundle.until(&stream("l-1"), "MemberReminded").await;
    bundle.settle().await;
    let published = outbox.list(Delivery::Published, 10).await;
    assert_eq!(published.expect("the outbox can be read").len(), 1);
    assert_eq!(bundle.letters().await, []);
}
