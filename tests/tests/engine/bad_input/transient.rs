//! What fails for a transient reason comes again with growing delay, alone, and in the end is given up with
//! its reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use embedded_aws::Service;
use embedded_aws::transport::{Call, Fault, Faults};
use eventsourcing::{Commit, EventStore, NewEvent, Position, Read, Timestamp};
use local::StackOptions;
use serde_json::json;
use testkit::logs::Logs;
use testkit::malformed::assert_refused;
use testkit::retries::{
    FAILS, assert_exhausted_when_patience_is_over, assert_given_up_on_time, assert_growing, delays,
};
use testkit::running::Running;
use testkit::weather::{broken, faults};
use tokio::sync::Barrier;
use tokio::time::Instant;

use super::{appends_to, without_relay};
use crate::loans::{ALL, command, lend, lend_for_long, loan, reminder, stream};
use crate::options;

async fn faulty(faults: Arc<dyn Faults>) -> Running {
    Running::start(StackOptions {
        faults: Some(faults),
        ..options()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_command_for_an_unknown_stream_waits_longer_each_time_and_is_exhausted_after_an_hour() {
    let bundle = Running::start(options()).await;
    let body = command(&reminder("unknown"));
    bundle.send("remind-member", &body).await;
    bundle.settle().await;
    assert_exhausted_when_patience_is_over(&bundle, "remind-member", &body).await;
    assert_eq!(bundle.commits().await.len(), 0, "nothing was created by it");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_came_too_early_is_handled_when_what_it_needs_is_there() {
    let bundle = Running::start(options()).await;
    bundle.send("remind-member", &command(&reminder("early"))).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stream = lend(&bundle, "early").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(bundle.take_letters("remind-member").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_transiently_comes_again_with_growing_delay_and_is_handled_when_the_fault_ends()
{
    let end = Instant::now() + Duration::from_mins(1);
    let bundle = faulty(faults(move |call| {
        let hit = &*call.caller == "lend-book" && call.service == Service::DynamoDb;
        if hit && Instant::now() < end {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    bundle.send("lend-book", &command(&loan("l-1"))).await;
    let stream = stream("l-1");
    bundle.until(&stream, "BookLent").await;
    let delays = delays(&bundle, "lend-book");
    assert!((3..=5).contains(&delays.len()), "{delays:?}");
    assert_growing(&delays, FAILS, Duration::ZERO);
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(bundle.take_letters("lend-book").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_goes_on_failing_is_exhausted_with_its_last_error() {
    let bundle = faulty(faults(|call| match &*call.caller {
        "lend-book" if call.service == Service::DynamoDb => broken(call.service),
        _ => Fault::None,
    }))
    .await;
    let body = command(&loan("l-1"));
    bundle.send("lend-book", &body).await;
    bundle.settle().await;
    let delays = delays(&bundle, "lend-book");
    // 51 if all are as long as they may be, 102 if all are as short.
    assert!((50..=102).contains(&delays.len()), "{}", delays.len());
    assert_growing(&delays, FAILS, Duration::ZERO);
    let letters = bundle.take_letters("lend-book").await;
    assert_eq!(letters.len(), 1);
    assert_given_up_on_time(&letters[0], FAILS, Duration::ZERO);
    assert_eq!(letters[0].body, body);
    assert_refused(
        &letters[0],
        "exhausted",
        "append to loan-l-1 failed: InternalServerError",
    );
    assert_eq!(bundle.commits().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_short_fault_is_got_over_within_the_invocation() {
    let left = AtomicUsize::new(4);
    let bundle = faulty(faults(move |call| {
        let hit = &*call.caller == "lend-book" && call.service == Service::DynamoDb;
        let fails = hit
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok();
        if fails { broken(call.service) } else { Fault::None }
    }))
    .await;
    bundle.send("lend-book", &command(&loan("l-1"))).await;
    let stream = stream("l-1");
    bundle.until(&stream, "BookLent").await;
    assert_eq!(delays(&bundle, "lend-book").len(), 0);
    assert!(bundle.age() < Duration::from_secs(2), "{:?}", bundle.age());
}

#[tokio::test(start_paused = true)]
async fn one_records_failure_is_that_records_alone() {
    let bundle = faulty(faults(|call| {
        if appends_to(call, "loan-bad") {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    let batch = ["good-1", "bad", "good-2"].map(|id| command(&loan(id)));
    bundle.send_batch("lend-book", &batch).await;
    bundle.settle().await;
    for id in ["good-1", "good-2"] {
        let puts = bundle.calls_of("lend-book", "PutItem");
        let appends = puts
            .iter()
            .filter(|put| put.request["Item"]["stream_id"]["S"] == format!("loan-{id}"));
        assert_eq!(appends.count(), 1, "{id} was handled once");
    }
    let letters = bundle.take_letters("lend-book").await;
    assert_eq!(letters.len(), 1);
    assert_refused(&letters[0], "exhausted", "loan-bad");
}

/// A stack on which appends to `loan-hangs` get no answer until they are let go.
async fn hanging() -> (Running, Arc<AtomicBool>) {
    let hangs = Arc::new(AtomicBool::new(true));
    let rule = {
        let hangs = hangs.clone();
        faults(move |call| {
            if appends_to(call, "loan-hangs") && hangs.load(Ordering::Relaxed) {
                Fault::Never
            } else {
                Fault::None
            }
        })
    };
    (faulty(rule).await, hangs)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_leaves_only_its_record_to_come_again() {
    let (bundle, hangs) = hanging().await;
    let batch = ["fine-1", "hangs", "fine-2"].map(|id| command(&loan(id)));
    bundle.send_batch("lend-book", &batch).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for id in ["fine-1", "fine-2"] {
        let stream = stream(id);
        assert_eq!(bundle.types(&stream).await, ["BookLent"], "{id} did not wait");
    }
    // A function has thirty seconds, of which it keeps four to settle.
    tokio::time::sleep(Duration::from_secs(27)).await;
    assert_eq!(bundle.count("lend-book").in_flight, 1);
    let delays = delays(&bundle, "lend-book");
    assert_eq!(delays.len(), 1);
    assert_growing(&delays, FAILS, Duration::ZERO);
    hangs.store(false, Ordering::Relaxed);
    let stream = stream("hangs");
    bundle.until(&stream, "BookLent").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(bundle.take_letters("lend-book").await, []);
}

#[tokio::test(start_paused = true)]
async fn the_log_line_of_a_record_that_ran_out_of_time_names_its_command() {
    let (logs, _guard) = Logs::capture();
    let (bundle, _) = hanging().await;
    let body =
        json!({ "id": "the command", "command": loan("hangs"), "metadata": { "correlation_id": "chain" } });
    let message_id = bundle.send("lend-book", &body.to_string()).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    let lines = logs.of_message(&message_id);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["outcome"], "retried");
    assert_eq!(
        (lines[0]["id"].as_str(), lines[0]["correlation_id"].as_str()),
        ("the command", "chain")
    );
}

/// Holds the first two reminders until both are about to be appended.
struct Meeting {
    both: Barrier,
    met: AtomicUsize,
}

#[async_trait]
impl Faults for Meeting {
    async fn before(&self, call: &Call) -> Fault {
        let rival = &*call.caller == "remind-member";
        if rival && call.operation == "PutItem" && self.met.fetch_add(1, Ordering::Relaxed) < 2 {
            self.both.wait().await;
        }
        Fault::None
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_anew_and_not_counted_as_an_attempt() {
    let meeting = Meeting {
        both: Barrier::new(2),
        met: AtomicUsize::new(0),
    };
    let bundle = Running::start(StackOptions {
        relays: 0,
        faults: Some(Arc::new(meeting)),
        ..options()
    })
    .await;
    let stream = lend_for_long(&bundle, "l-1").await;
    // Two messages that come apart, to two invocations.
    for n in 0..2 {
        let body = json!({ "id": n.to_string(), "command": reminder("l-1") }).to_string();
        bundle.send("remind-member", &body).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    let recorded = bundle.types(&stream).await;
    assert_eq!(recorded, ALL, "within {:?}", bundle.age());
    let conflicts = bundle.stack.metrics().total().conflicts;
    assert_eq!(conflicts, 1);
    assert_eq!(delays(&bundle, "remind-member").len(), 0, "it is not retried");
    assert_eq!(bundle.count("remind-member").in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_not_lost_while_its_dead_letter_queue_fails() {
    let end = Instant::now() + Duration::from_mins(4);
    let bundle = faulty(faults(move |call| {
        if call.resource() == Some("local-lend-book-dlq") && Instant::now() < end {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    bundle.send("lend-book", "no JSON").await;
    bundle.settle().await;
    let letters = bundle.take_letters("lend-book").await;
    assert_eq!(letters.len(), 1);
    assert_refused(&letters[0], "malformed", "not a JSON object");
    assert!(letters[0].sent > Duration::from_mins(4));
}

#[tokio::test(start_paused = true)]
async fn a_command_on_a_stream_that_cannot_be_read_is_exhausted_with_stream_revision_and_type() {
    let bundle = without_relay().await;
    let stream = lend_for_long(&bundle, "l-1").await;
    let newer = NewEvent {
        event_type: "MemberReminded",
        schema_version: 2,
        data: "{}".into(),
        correlation_id: "c".into(),
        causation_id: "c".into(),
        trace: None,
    };
    let end = bundle.store.load(&stream, Read::Consistent).await;
    let end = end.expect("the stream is whole").position();
    assert_ne!(end, Position::START);
    let commit = Commit::at(
        end,
        &stream,
        uuid::Uuid::new_v4(),
        Timestamp::from_millis(0),
        vec![newer],
    );
    bundle.store.append(&commit).await.expect("nobody else writes");
    bundle.send("remind-member", &command(&reminder("l-1"))).await;
    bundle.settle().await;
    let letters = bundle.take_letters("remind-member").await;
    assert_eq!(letters.len(), 1);
    let error = format!("stream {stream} holds an event at revision 2 of type MemberReminded");
    assert_refused(&letters[0], "exhausted", &error);
}
