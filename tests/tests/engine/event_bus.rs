//! The event bus: every event is put on it, whoever else asked for it, and what it does not take is the outbox's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aws_adapters::{
    BusEvent, ClientParts, Connection, Delivery, EVENT_BUS, Environment, EventBus, MAX_PUT_BYTES, Outbox,
    QueueError,
};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use bundle::{RELAY, SWEEPER};
use embedded_aws::transport::{Call, Fault, Faults};
use embedded_aws::{Service, Transport};
use eventsourcing::{Timestamp, TraceHeader};
use local::StackOptions;
use serde_json::{Value, json};
use testkit::instance::instance;
use testkit::running::{Running, START, text};
use testkit::storm::Storm;
use testkit::tap::{Mishap, Tap};
use testkit::weather::{at_first, broken, faults};

use crate::loans::{ALL, item, lend, lent, reminded, stream};
use crate::options;
use crate::timed::Timed;

const BUS: &str = "readers";
const SUBSCRIBER: &str = "subscriber";

/// A bundle with a bus, on which a queue has subscribed to what matches that pattern.
async fn subscribed(pattern: &Value, options: StackOptions) -> Running {
    let bundle = Running::start(StackOptions {
        event_bus: Some(BUS.to_owned()),
        ..options
    })
    .await;
    subscribe(&bundle, pattern);
    bundle
}

fn subscribe(bundle: &Running, pattern: &Value) {
    let sqs = bundle.stack.wire().sqs();
    let queue = bundle.stack.names().of_function(SUBSCRIBER);
    sqs.create_queue(&queue, embedded_sqs::QueueAttributes::default())
        .expect("a new queue");
    ask(
        bundle,
        "PutRule",
        &json!({ "Name": "all", "EventBusName": BUS, "EventPattern": pattern.to_string() }),
    );
    let target = json!({ "Id": "queue", "Arn": sqs.queue_arn(&queue) });
    ask(
        bundle,
        "PutTargets",
        &json!({ "Rule": "all", "EventBusName": BUS, "Targets": [target] }),
    );
}

fn ask(bundle: &Running, operation: &str, request: &Value) -> Value {
    let wire = bundle.stack.wire();
    let eventbridge = wire.eventbridge().expect("the stack has one");
    let answer = eventbridge.handle(operation, request.to_string().as_bytes(), wire.sqs());
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    answer.body
}

/// All events of the stack.
fn of_the_stack() -> Value {
    json!({ "source": ["local"] })
}

fn with(faults: Arc<dyn Faults>) -> StackOptions {
    StackOptions {
        faults: Some(faults),
        ..options()
    }
}

/// What the subscriber has got, in the order of its coming.
async fn got(bundle: &Running) -> Vec<Value> {
    let messages = bundle.peek(SUBSCRIBER).await;
    let bodies = messages.iter().map(|message| serde_json::from_str(&message.body));
    bodies.collect::<Result<_, _>>().expect("events are JSON")
}

/// The types of what it has got, sorted.
async fn types_got(bundle: &Running) -> Vec<String> {
    let got = got(bundle).await;
    let mut types: Vec<_> = got.iter().map(|event| text_of(&event["detail-type"])).collect();
    types.sort();
    types
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_put(call: &Call) -> bool {
    call.service == Service::EventBridge && call.operation == "PutEvents"
}

#[tokio::test(start_paused = true)]
async fn every_event_is_on_the_bus_as_the_very_message_that_queues_get() {
    let bundle = subscribed(&of_the_stack(), options()).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    assert_eq!(types_got(&bundle).await, ALL);
    let got = got(&bundle).await;
    let lent = got.iter().find(|event| event["detail-type"] == "BookLent");
    let lent = lent.expect("it was lent");
    let stored = &bundle.events(&stream).await[0];
    let queued = bundle
        .messages()
        .into_iter()
        .find(|(_, body)| body.contains("\"BookLent\""));
    let queued: Value = serde_json::from_str(&queued.expect("a queue got it").1).expect("JSON");
    assert_eq!(lent["detail"], queued);
    assert_eq!(lent["detail"]["id"], json!(stored.event_id));
    assert_eq!(lent["source"], "local");
    assert_eq!(
        lent["time"],
        json!(format!("{}Z", &text_of(&queued["metadata"]["timestamp"])[..19])),
        "to the second"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_else_listens_to_is_on_the_bus() {
    let bundle = subscribed(&of_the_stack(), options()).await;
    bundle.put(&item("loan-l-1", "BookSmelled", "{}"));
    bundle.settle().await;
    assert_eq!(types_got(&bundle).await, ["BookSmelled"]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_passes_on_what_matches_it_alone() {
    let bundle = subscribed(&json!({ "detail-type": ["MemberReminded"] }), options()).await;
    lend(&bundle, "l-1").await;
    bundle.settle().await;
    assert_eq!(types_got(&bundle).await, ["MemberReminded"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_bus_no_call_is_made_to_any() {
    let called = Arc::new(AtomicU32::new(0));
    let counting = called.clone();
    let bundle = Running::start(with(faults(move |call| {
        counting.fetch_add(u32::from(call.service == Service::EventBridge), Ordering::Relaxed);
        Fault::None
    })))
    .await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(called.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_does_not_take_is_in_the_outbox_and_the_bus_alone_gets_it_again() {
    let over = Arc::new(AtomicBool::new(false));
    let still = over.clone();
    let outage = faults(move |call| {
        if is_put(call) && !still.load(Ordering::Relaxed) {
            broken(call.service)
        } else {
            Fault::None
        }
    });
    let bundle = subscribed(&of_the_stack(), with(outage)).await;
    let stream = lend(&bundle, "l-1").await;
    // The others do not wait for it.
    bundle.until(&stream, "MemberReminded").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let outbox = outbox(&bundle);
    let pending = outbox.list(Delivery::Pending, 10).await.expect("it can be read");
    assert_eq!(pending.len(), 2, "{pending:?}");
    for entry in &pending {
        let to: Vec<_> = entry.undelivered_to.iter().map(String::as_str).collect();
        assert_eq!(to, [EVENT_BUS]);
        let error = &entry.last_error;
        assert!(
            error.starts_with("sending to the event bus failed: InternalException"),
            "{error}"
        );
    }
    assert_eq!(got(&bundle).await.len(), 0);
    over.store(true, Ordering::Relaxed);
    bundle.settle().await;
    assert_eq!(types_got(&bundle).await, ALL);
    assert!(
        bundle.calls_of(SWEEPER, "SendMessageBatch").is_empty(),
        "no queue got it twice"
    );
    assert_eq!(outbox.count(Delivery::Published).await, Ok(2));
    assert_eq!(bundle.types(&stream).await, ALL, "no effect twice");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_has_nothing_put_on_the_bus_twice() {
    let until = tokio::time::Instant::now() + Duration::from_hours(2);
    let outage = faults(move |call| {
        let fails = call.resource() == Some("local-on-book-lent") && tokio::time::Instant::now() < until;
        if fails { broken(call.service) } else { Fault::None }
    });
    let bundle = subscribed(&of_the_stack(), with(outage)).await;
    bundle.put(&lent("l-1"));
    bundle.settle().await;
    assert_eq!(bundle.types(&stream("l-1")).await, ALL);
    assert_eq!(types_got(&bundle).await, ALL);
    assert!(bundle.calls_of(SWEEPER, "PutEvents").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_bus_that_is_lost_has_the_event_come_twice_under_one_id() {
    let lost = at_first(faults(|call| {
        if is_put(call) {
            Fault::DropReply
        } else {
            Fault::None
        }
    }));
    let bundle = subscribed(&of_the_stack(), with(lost)).await;
    bundle.put(&reminded("l-1"));
    bundle.settle().await;
    let got = got(&bundle).await;
    assert_eq!(got.len(), 2);
    assert_eq!(got[0]["detail"], got[1]["detail"]);
    assert_ne!(got[0]["id"], got[1]["id"], "EventBridge's own id tells nothing");
    assert_eq!(bundle.outbox().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_dies_after_it_has_put_an_event_puts_it_again_under_the_same_id() {
    let died = AtomicBool::new(false);
    let crash = faults(move |call| {
        if is_put(call) && !died.swap(true, Ordering::Relaxed) {
            Fault::CrashAfter
        } else {
            Fault::None
        }
    });
    let bundle = subscribed(&of_the_stack(), with(crash)).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    let got = got(&bundle).await;
    let lent: Vec<_> = got
        .iter()
        .filter(|event| event["detail-type"] == "BookLent")
        .collect();
    assert_eq!(lent.len(), 2);
    assert_eq!(lent[0]["detail"], lent[1]["detail"]);
}

#[tokio::test(start_paused = true)]
async fn in_a_storm_each_event_that_is_stored_comes_and_a_repeat_says_the_same_under_the_same_id() {
    let (mut all, mut repeats) = (0, 0);
    for seed in 0..4 {
        let storm = Storm::new(seed);
        let bundle = subscribed(&of_the_stack(), with(storm.clone())).await;
        storm.over(&bundle);
        for n in 0..25 {
            lend(&bundle, &format!("l-{n}")).await;
        }
        tokio::time::sleep(Duration::from_mins(2)).await;
        storm.clear();
        bundle.settle().await;
        let mut heard: BTreeMap<String, Value> = BTreeMap::new();
        for message in bundle.take(SUBSCRIBER).await {
            let event: Value = serde_json::from_str(&message.body).expect("events are JSON");
            let detail = event["detail"].clone();
            let first = heard
                .entry(text_of(&detail["id"]))
                .or_insert_with(|| detail.clone());
            assert_eq!(*first, detail, "seed {seed}");
            repeats += 1;
        }
        let commits = bundle.raw_commits();
        let stored = commits.iter().flat_map(|commit| {
            let events = commit["events"]["L"].as_array();
            events
                .into_iter()
                .flatten()
                .map(|event| text_of(&event["M"]["event_id"]["S"]))
        });
        let mut stored: Vec<_> = stored.collect();
        stored.sort();
        assert_eq!(heard.into_keys().collect::<Vec<_>>(), stored, "seed {seed}");
        all += stored.len();
        repeats -= stored.len();
    }
    assert!(all > 100 && repeats > 0, "{all} events, {repeats} repeats");
    println!("{all} events in storms, {repeats} came more than once");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_bus_takes_is_parked_for_it_at_once_and_queues_have_it() {
    let bundle = subscribed(&of_the_stack(), options()).await;
    // A detail-type has 128 characters at most.
    let endless = "Endless".repeat(20);
    bundle.put(&item("loan-l-1", &endless, "{}"));
    bundle.put(&lent("l-2"));
    bundle.settle().await;
    assert_eq!(types_got(&bundle).await, ALL, "the others are put");
    let parked = outbox(&bundle)
        .list(Delivery::Parked, 10)
        .await
        .expect("it can be read");
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(
        (parked[0].commit.stream.as_str(), parked[0].attempts),
        ("loan-l-1", 1)
    );
    let error = &parked[0].last_error;
    assert!(
        error.starts_with(
            "sending to the event bus failed: InvalidArgument: Parameter DetailType is not valid"
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_relay_whose_bus_never_answers_has_all_in_the_outbox_for_it_before_its_time_is_up() {
    let hung = Arc::new(AtomicBool::new(true));
    let still = hung.clone();
    let rule = faults(move |call| {
        if is_put(call) && &*call.caller == RELAY && still.load(Ordering::Relaxed) {
            Fault::Never
        } else {
            Fault::None
        }
    });
    let timed = Arc::new(Timed::default());
    let bundle = subscribed(
        &of_the_stack(),
        StackOptions {
            intercept: Some(timed.clone()),
            ..with(rule)
        },
    )
    .await;
    for n in 0..100 {
        bundle.put(&reminded(&format!("l-{n}")));
    }
    tokio::time::sleep(Duration::from_millis(29_500)).await;
    assert_eq!(bundle.peek("mail").await.len(), 100, "nobody else waited for it");
    let outbox = outbox(&bundle)
        .list(Delivery::Pending, 200)
        .await
        .expect("it can be read");
    assert_eq!(outbox.len(), 100);
    assert!(
        outbox
            .iter()
            .all(|entry| entry.undelivered_to.contains(EVENT_BUS))
    );
    assert_eq!(timed.cut_short(RELAY), 0);
    hung.store(false, Ordering::Relaxed);
    bundle.settle().await;
    assert_eq!(got(&bundle).await.len(), 100);
    assert_eq!(bundle.peek("mail").await.len(), 100, "once each");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_bus_that_was_taken_away_is_done_with_and_no_queue_gets_it_again() {
    let outage = faults(|call| {
        if is_put(call) {
            broken(call.service)
        } else {
            Fault::None
        }
    });
    let bundle = subscribed(
        &of_the_stack(),
        StackOptions {
            sweep_interval: Some(Duration::from_hours(80)),
            ..with(outage)
        },
    )
    .await;
    bundle.put(&reminded("l-1"));
    tokio::time::sleep(Duration::from_mins(20)).await;
    assert_eq!(bundle.outbox().await.len(), 1);
    // One that is told of no bus.
    let sweeper = instance(&bundle, SWEEPER);
    let mut context = lambda_runtime::Context::default();
    context.deadline =
        u64::try_from((START + bundle.age() + Duration::from_secs(30)).as_millis()).expect("a time");
    let swept = sweeper
        .call(lambda_runtime::LambdaEvent::new(json!({}), context))
        .await;
    assert_eq!(swept.expect("it sweeps")["failed"], 0);
    assert_eq!(text(&bundle.outbox().await[0], "delivery"), "published");
    assert_eq!(bundle.peek("mail").await.len(), 1);
}

fn outbox(bundle: &Running) -> Outbox {
    Outbox::new(
        bundle.observer.dynamodb.clone(),
        bundle.stack.names().outbox_table(),
    )
}

/// A stack on which no function runs, and a way to its bus that is tapped.
struct Idle {
    bundle: Running,
    bus: EventBus,
    tap: Tap,
}

impl Idle {
    async fn start() -> Self {
        let bundle = subscribed(
            &of_the_stack(),
            StackOptions {
                functions: false,
                ..options()
            },
        )
        .await;
        let tap = Tap::default();
        let transport = Transport::new(bundle.stack.wire().clone());
        let endpoint = Some("http://127.0.0.1".to_owned());
        let environment = Environment {
            // The SDK's budget of retries is shared by all clients of a region in a process.
            region: format!("test-{}", uuid::Uuid::new_v4()),
            dynamodb_endpoint: endpoint.clone(),
            dynamodb_streams_endpoint: endpoint.clone(),
            sqs_endpoint: endpoint.clone(),
            scheduler_endpoint: endpoint.clone(),
            eventbridge_endpoint: endpoint,
            credentials: SharedCredentialsProvider::new(Credentials::new("bus", "bus", None, None, "bus")),
            own_certificates: false,
        };
        let parts = ClientParts {
            http_client: tap.on(transport.client_for("bus")),
            sleep: SharedAsyncSleep::new(TokioSleep::new()),
            auth_scheme: None,
        };
        let client = Connection::with_parts(&environment, parts).eventbridge();
        Self {
            bus: EventBus::new(client, BUS, "local"),
            bundle,
            tap,
        }
    }

    async fn put(&self, events: &[BusEvent]) -> Vec<Result<(), QueueError>> {
        self.bus.put_until(events, None).await
    }

    /// How many entries each request had, sorted: they are made at once.
    fn lengths(&self) -> Vec<usize> {
        let requests = self.tap.requests("PutEvents");
        let lengths = requests
            .iter()
            .map(|request| request["Entries"].as_array().map_or(0, Vec::len));
        let mut lengths: Vec<_> = lengths.collect();
        lengths.sort_unstable();
        lengths
    }
}

fn event(n: usize, message: String) -> BusEvent {
    BusEvent {
        event_type: format!("Type{n}"),
        message,
        at: Timestamp::from_millis(1_764_000_000_250),
        trace: None,
    }
}

fn numbered(count: usize) -> Vec<BusEvent> {
    (0..count)
        .map(|n| event(n, json!({ "n": n }).to_string()))
        .collect()
}

/// A message of so many bytes.
fn of_bytes(bytes: usize) -> String {
    let empty = json!({ "x": "" }).to_string().len();
    json!({ "x": "y".repeat(bytes - empty) }).to_string()
}

#[tokio::test(start_paused = true)]
async fn events_are_put_ten_at_a_time() {
    let idle = Idle::start().await;
    assert_eq!(idle.put(&numbered(23)).await, vec![Ok(()); 23]);
    assert_eq!(idle.lengths(), [3, 10, 10]);
    assert_eq!(got(&idle.bundle).await.len(), 23);
}

#[tokio::test(start_paused = true)]
async fn a_request_holds_less_than_a_mebibyte_and_an_event_that_does_not_fit_one_is_refused_without_a_call() {
    let idle = Idle::start().await;
    // Time, source and type of an event count, too.
    let besides = 14 + "local".len() + "Type0".len();
    let fits = event(0, of_bytes(MAX_PUT_BYTES - 1 - besides));
    let does_not = event(1, of_bytes(MAX_PUT_BYTES - besides));
    let results = idle.put(&[fits, does_not, event(2, "{}".into())]).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    let error = results[1].as_ref().expect_err("it is too large");
    assert_eq!(
        error.to_string(),
        "the event counts for 1048576 bytes, and EventBridge takes less than 1048576"
    );
    assert_eq!(error.kind(), aws_adapters::FailureKind::Permanent);
    assert_eq!(idle.lengths(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn of_a_request_one_entry_may_fail_and_each_result_is_that_of_its_entry() {
    let idle = Idle::start().await;
    idle.tap.next("PutEvents", Mishap::RefuseEntry(1));
    let results = idle.put(&numbered(3)).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    let error = results[1].as_ref().expect_err("it was not taken");
    assert!(error.is_worth_another_call(), "{error}");
    assert_eq!(types_got(&idle.bundle).await, ["Type0", "Type2"]);
    idle.tap.next("PutEvents", Mishap::LeaveOutEntry(2));
    let results = idle.put(&numbered(3)).await;
    assert_eq!(results, [Ok(()), Ok(()), Err(QueueError::Unanswered)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_no_json_fails_by_itself_and_for_good() {
    let idle = Idle::start().await;
    let results = idle
        .put(&[event(0, "{}".into()), event(1, "{".into()), event(2, "[]".into())])
        .await;
    assert_eq!(results[0], Ok(()));
    for result in &results[1..] {
        let refused = QueueError::Refused("MalformedDetail: Detail is malformed.".into());
        assert_eq!(result, &Err(refused));
    }
}

#[tokio::test(start_paused = true)]
async fn a_character_that_a_queue_carries_comes_through_the_bus_as_it_is() {
    let idle = Idle::start().await;
    let texts = "tab\t feed\n quote\" slash\\ é ﷽ \u{1} \u{7f} \u{fffd} \u{10ffff} 🚚";
    let message = eventsourcing::write_body(&json!({ "text": texts })).expect("JSON");
    assert_eq!(idle.put(&[event(0, message)]).await, [Ok(())]);
    let got = got(&idle.bundle).await;
    assert_eq!(got[0]["detail"]["text"], texts);
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_on_under_its_trace() {
    let idle = Idle::start().await;
    let trace =
        TraceHeader::passed_on("Root=1-67891233-abcdef012345678912345678;Sampled=1").expect("a trace");
    let traced = BusEvent {
        trace: Some(trace.clone()),
        ..event(0, "{}".into())
    };
    assert_eq!(idle.put(&[traced]).await, [Ok(())]);
    let request = &idle.tap.requests("PutEvents")[0];
    assert_eq!(request["Entries"][0]["TraceHeader"], trace.as_str());
    assert_eq!(request["Entries"][0]["Time"], json!(1_764_000_000.25));
}
