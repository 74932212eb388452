//! What fails for a transient reason comes again with growing delay, alone, and in the end is given up with
//! its reason.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::payment::{FailPayment, Payment};
use embedded_aws::Service;
use embedded_aws::transport::{Call, Fault, Faults};
use eventsourcing::{
    CommandEnvelope, CommandMeta, Commit, EventStore, History, MAX_COMMIT_BYTES, NewEvent, Position, Read,
    Timestamp, plan,
};
use local::StackOptions;
use serde_json::json;
use testkit::bundle::Bundle;
use testkit::logs::Logs;
use testkit::weather::{broken, faults};
use tokio::sync::Barrier;
use tokio::time::Instant;

use super::{appends_to, assert_refused, cart, command, ids, request_payment, without_simulators};
use crate::options;

/// In seconds, for what waits for something else: half of 2, 4, 8 and 16 to all of it.
const WAITS: [RangeInclusive<u64>; 4] = [1..=2, 2..=4, 4..=8, 8..=16];
/// The same for what failed: 5, 20, 80, 320.
const FAILED: [RangeInclusive<u64>; 4] = [3..=5, 10..=20, 40..=80, 160..=320];

async fn faulty(faults: Arc<dyn Faults>) -> Bundle {
    Bundle::start(StackOptions {
        simulators: false,
        faults: Some(faults),
        ..options()
    })
    .await
}

/// The delays after which a function had its messages come again, in seconds.
fn delays(bundle: &Bundle, function: &str) -> Vec<u64> {
    let calls = bundle.calls_of(function, "ChangeMessageVisibilityBatch");
    let entries = calls
        .iter()
        .flat_map(|call| call.request["Entries"].as_array().cloned().unwrap_or_default());
    entries
        .filter_map(|entry| entry["VisibilityTimeout"].as_u64())
        .collect()
}

#[track_caller]
fn assert_growing(delays: &[u64], expected: &[RangeInclusive<u64>]) {
    assert_eq!(delays.len(), expected.len(), "{delays:?}");
    let all = delays
        .iter()
        .zip(expected)
        .all(|(delay, range)| range.contains(delay));
    assert!(all, "{delays:?} are not in {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gateways_or_steps_command_for_an_unknown_stream_waits_longer_each_time_and_is_exhausted_on_the_fifth_receive()
 {
    let bundle = without_simulators().await;
    let ids = ids("unknown");
    let waiting = [
        ("complete-payment", json!({ "payment_id": ids.payment })),
        (
            "fail-payment",
            json!({ "payment_id": ids.payment, "error": "declined" }),
        ),
        ("send-shipment", json!({ "shipment_id": ids.shipment })),
        (
            "fail-shipment",
            json!({ "shipment_id": ids.shipment, "error": "lost" }),
        ),
        (
            "confirm-order",
            json!({ "order_id": ids.order, "payment_id": ids.payment }),
        ),
        ("complete-order", json!({ "order_id": ids.order })),
        (
            "cancel-order",
            json!({ "order_id": ids.order, "cause": "payment_failed", "reason": "declined" }),
        ),
    ];
    for (queue, fields) in &waiting {
        bundle.send(queue, &command(fields)).await;
    }
    bundle.settle().await;
    for (queue, fields) in &waiting {
        let loads: Vec<_> = bundle
            .calls_of(queue, "Query")
            .iter()
            .map(|load| load.at)
            .collect();
        assert_eq!(loads.len(), 5, "{queue} was received at {loads:?}");
        assert!(
            loads[0] < Duration::from_secs(1),
            "{queue} began at {:?}",
            loads[0]
        );
        for (pair, range) in loads.windows(2).zip(&WAITS) {
            // Rounded, for the timer's granularity of a millisecond.
            let waited = Duration::from_secs_f64(pair[1].saturating_sub(pair[0]).as_secs_f64().round());
            assert!(
                range.contains(&waited.as_secs()),
                "{queue} waited {waited:?}, not {range:?}"
            );
        }
        assert_growing(&delays(&bundle, queue), &WAITS);
        let letters = bundle.take_letters(queue).await;
        assert_eq!(letters.len(), 1, "{queue}");
        assert_refused(&letters[0], "exhausted", "yet");
        assert_eq!(letters[0].body, command(fields));
        let last = loads.last().expect("there were five");
        assert!(
            letters[0].sent.abs_diff(*last) < Duration::from_secs(1),
            "it was moved on its last receive"
        );
    }
    assert_eq!(bundle.commits().await.len(), 0, "nothing was created by it");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_came_too_early_is_handled_when_what_it_needs_is_there() {
    let bundle = without_simulators().await;
    let ids = ids("early");
    let complete = json!({ "payment_id": ids.payment });
    bundle.send("complete-payment", &command(&complete)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (_, stream) = {
        let request = json!({ "payment_id": ids.payment, "order_id": ids.order, "amount": 9.99 });
        bundle.send("request-payment", &command(&request)).await;
        bundle.settle().await;
        let [_, _, stream, _] = ids.streams();
        (ids, stream)
    };
    assert_eq!(
        bundle.types(&stream).await,
        ["PaymentRequested", "PaymentCompleted"]
    );
    assert_eq!(bundle.take_letters("complete-payment").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_transiently_comes_again_with_growing_delay_and_is_handled_when_the_fault_ends()
{
    let end = Instant::now() + Duration::from_mins(1);
    let bundle = faulty(faults(move |call| {
        let hit = &*call.caller == "finalize-cart" && call.service == Service::DynamoDb;
        if hit && Instant::now() < end {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    bundle.send("finalize-cart", &command(&cart("c-1"))).await;
    let [stream, ..] = ids("c-1").streams();
    bundle.until(&stream, "CartFinalized").await;
    let delays = delays(&bundle, "finalize-cart");
    assert!((3..=4).contains(&delays.len()), "{delays:?}");
    assert_growing(&delays, &FAILED[..delays.len()]);
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ["CartFinalized"]);
    assert_eq!(bundle.take_letters("finalize-cart").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_goes_on_failing_is_exhausted_with_its_last_error() {
    let bundle = faulty(faults(|call| match &*call.caller {
        "finalize-cart" if call.service == Service::DynamoDb => broken(call.service),
        _ => Fault::None,
    }))
    .await;
    let body = command(&cart("c-1"));
    bundle.send("finalize-cart", &body).await;
    bundle.settle().await;
    assert_growing(&delays(&bundle, "finalize-cart"), &FAILED);
    let letters = bundle.take_letters("finalize-cart").await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].body, body);
    assert_refused(
        &letters[0],
        "exhausted",
        "append to cart-c-1 failed: InternalServerError",
    );
    assert_eq!(bundle.commits().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_short_fault_is_got_over_within_the_invocation() {
    let left = AtomicUsize::new(4);
    let bundle = faulty(faults(move |call| {
        let hit = &*call.caller == "finalize-cart" && call.service == Service::DynamoDb;
        let fails = hit
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok();
        if fails { broken(call.service) } else { Fault::None }
    }))
    .await;
    bundle.send("finalize-cart", &command(&cart("c-1"))).await;
    let [stream, ..] = ids("c-1").streams();
    bundle.until(&stream, "CartFinalized").await;
    assert_eq!(delays(&bundle, "finalize-cart"), [0; 0]);
    assert!(bundle.age() < Duration::from_secs(2), "{:?}", bundle.age());
}

#[tokio::test(start_paused = true)]
async fn one_records_failure_is_that_records_alone() {
    let bundle = faulty(faults(|call| {
        if appends_to(call, "cart-bad") {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    let batch = ["good-1", "bad", "good-2"].map(|id| command(&cart(id)));
    bundle.send_batch("finalize-cart", &batch).await;
    bundle.settle().await;
    for id in ["good-1", "good-2"] {
        let puts = bundle.calls_of("finalize-cart", "PutItem");
        let appends = puts
            .iter()
            .filter(|put| put.request["Item"]["stream_id"]["S"] == format!("cart-{id}"));
        assert_eq!(appends.count(), 1, "{id} was handled once");
    }
    let letters = bundle.take_letters("finalize-cart").await;
    assert_eq!(letters.len(), 1);
    assert_refused(&letters[0], "exhausted", "cart-bad");
}

/// A stack on which appends to `cart-hangs` get no answer until they are let go.
async fn hanging() -> (Bundle, Arc<AtomicBool>) {
    let hangs = Arc::new(AtomicBool::new(true));
    let rule = {
        let hangs = hangs.clone();
        faults(move |call| {
            if appends_to(call, "cart-hangs") && hangs.load(Ordering::Relaxed) {
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
    let batch = ["fine-1", "hangs", "fine-2"].map(|id| command(&cart(id)));
    bundle.send_batch("finalize-cart", &batch).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for id in ["fine-1", "fine-2"] {
        let [stream, ..] = ids(id).streams();
        assert_eq!(
            bundle.types(&stream).await,
            ["CartFinalized"],
            "{id} did not wait"
        );
    }
    // A function has thirty seconds, of which it keeps four to settle.
    tokio::time::sleep(Duration::from_secs(27)).await;
    assert_eq!(bundle.count("finalize-cart").in_flight, 1);
    assert_growing(&delays(&bundle, "finalize-cart"), &FAILED[..1]);
    hangs.store(false, Ordering::Relaxed);
    let [stream, ..] = ids("hangs").streams();
    bundle.until(&stream, "CartFinalized").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ["CartFinalized"]);
    assert_eq!(bundle.take_letters("finalize-cart").await, []);
}

#[tokio::test(start_paused = true)]
async fn the_log_line_of_a_record_that_ran_out_of_time_names_its_command() {
    let (logs, _guard) = Logs::capture();
    let (bundle, _) = hanging().await;
    let body =
        json!({ "id": "the command", "command": cart("hangs"), "metadata": { "correlation_id": "chain" } });
    let message_id = bundle.send("finalize-cart", &body.to_string()).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    let lines = logs.of_message(&message_id);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["outcome"], "retried");
    assert_eq!(
        (lines[0]["id"].as_str(), lines[0]["correlation_id"].as_str()),
        ("the command", "chain")
    );
}

#[tokio::test(start_paused = true)]
async fn several_commands_of_a_batch_for_one_stream_become_one_commit() {
    let bundle = without_simulators().await;
    let (ids, stream) = request_payment(&bundle, "c-1").await;
    bundle.forget_calls();
    let batch: Vec<_> = (0..10)
        .map(|n| command(&json!({ "payment_id": ids.payment, "error": format!("reason {n}") })))
        .collect();
    bundle.send_batch("fail-payment", &batch).await;
    bundle.settle().await;
    assert_eq!(bundle.calls_of("fail-payment", "Query").len(), 1);
    assert_eq!(bundle.calls_of("fail-payment", "PutItem").len(), 1);
    let loaded = bundle.store.load(&stream, Read::Consistent).await;
    let lengths: Vec<_> = loaded
        .expect("the stream is whole")
        .commits()
        .iter()
        .map(|commit| commit.events.len())
        .collect();
    assert_eq!(lengths, [1, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_events_fill_one_commit_to_the_brim_is_split() {
    let bundle = without_simulators().await;
    let (ids, stream) = request_payment(&bundle, "c-1").await;
    let history = bundle.store.load(&stream, Read::Consistent).await;
    let history = History::<Payment>::of(&history.expect("the stream is whole")).expect("it can be read");
    // Ten failures of four bytes per letter; the last one is made to fit the room to the byte.
    let body = |n: usize, letters: usize| {
        let error = format!("{n}{}", "\u{1f4b8}".repeat(letters));
        json!({ "id": n.to_string(), "command": { "payment_id": ids.payment, "error": error } }).to_string()
    };
    let size = |bodies: &[String]| {
        let now = Timestamp::from_millis(0);
        let commands: Vec<_> = bodies
            .iter()
            .map(|body| {
                let envelope = CommandEnvelope::<FailPayment>::read(body, "", now).expect("it is right");
                let meta = CommandMeta {
                    id: envelope.id,
                    correlation_id: envelope.metadata.correlation_id,
                    trace: None,
                };
                (meta, envelope.command.into())
            })
            .collect();
        let planned = plan(&history, &commands, &(), now, usize::MAX);
        planned.events.iter().map(NewEvent::stored_bytes).sum::<usize>()
    };
    let mut batch: Vec<_> = (0..10).map(|n| body(n, 9_990)).collect();
    let over = size(&batch) - MAX_COMMIT_BYTES;
    batch[9] = body(9, 9_990 - over.div_ceil(4) - 10);
    let room = MAX_COMMIT_BYTES - size(&batch);
    assert!(
        room < 60,
        "{room} bytes are left, less than the rest of an item takes"
    );
    bundle.send_batch("fail-payment", &batch).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let recorded = bundle.types(&stream).await.len();
    assert_eq!(recorded, 11, "all ten are recorded at once");
    bundle.settle().await;
    assert_eq!(bundle.take_letters("fail-payment").await, []);
}

/// Holds the first append of each of two functions until both are there.
struct Meeting {
    both: Barrier,
    met: AtomicUsize,
}

#[async_trait]
impl Faults for Meeting {
    async fn before(&self, call: &Call) -> Fault {
        let rival = ["complete-payment", "fail-payment"].contains(&&*call.caller);
        if rival && call.operation == "PutItem" && self.met.fetch_add(1, Ordering::Relaxed) < 2 {
            self.both.wait().await;
        }
        Fault::None
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_anew_and_not_counted_as_an_attempt() {
    let bundle = faulty(Arc::new(Meeting {
        both: Barrier::new(2),
        met: AtomicUsize::new(0),
    }))
    .await;
    let (ids, stream) = request_payment(&bundle, "c-1").await;
    let complete = json!({ "payment_id": ids.payment });
    let fail = json!({ "payment_id": ids.payment, "error": "declined" });
    bundle.send("complete-payment", &command(&complete)).await;
    bundle.send("fail-payment", &command(&fail)).await;
    let began = bundle.age();
    tokio::time::sleep(Duration::from_millis(900)).await;
    let recorded = bundle.types(&stream).await;
    let completed_first = ["PaymentRequested", "PaymentCompleted", "PaymentFailedLate"];
    let failed_first = [
        "PaymentRequested",
        "PaymentFailed",
        "PaymentReceivedLate",
        "PaymentDiscarded",
    ];
    assert!(
        recorded == completed_first || recorded == failed_first,
        "{recorded:?} within {:?}",
        bundle.age().saturating_sub(began)
    );
    let conflicts = bundle.stack.metrics().total().conflicts;
    assert_eq!(conflicts, 1);
    for function in ["complete-payment", "fail-payment"] {
        assert_eq!(delays(&bundle, function), [0; 0], "{function} used up no receive");
        assert_eq!(bundle.count(function).in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_not_lost_while_its_dead_letter_queue_fails() {
    let end = Instant::now() + Duration::from_mins(4);
    let bundle = faulty(faults(move |call| {
        if call.resource() == Some("local-finalize-cart-dlq") && Instant::now() < end {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    bundle.send("finalize-cart", "no JSON").await;
    bundle.settle().await;
    let letters = bundle.take_letters("finalize-cart").await;
    assert_eq!(letters.len(), 1);
    assert_refused(&letters[0], "malformed", "not a JSON object");
    assert!(letters[0].sent > Duration::from_mins(4));
}

#[tokio::test(start_paused = true)]
async fn a_command_on_a_stream_that_cannot_be_read_is_exhausted_with_stream_revision_and_type() {
    let bundle = without_simulators().await;
    let (ids, stream) = request_payment(&bundle, "c-1").await;
    let newer = NewEvent {
        event_type: "PaymentCompleted",
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
    let complete = json!({ "payment_id": ids.payment });
    bundle.send("complete-payment", &command(&complete)).await;
    bundle.settle().await;
    let letters = bundle.take_letters("complete-payment").await;
    assert_eq!(letters.len(), 1);
    let error = format!("stream {stream} holds an event at revision 2 of type PaymentCompleted");
    assert_refused(&letters[0], "exhausted", &error);
}
