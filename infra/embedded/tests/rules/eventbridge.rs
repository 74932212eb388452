//! EventBridge: which events a rule is for, who is refused, and what a queue gets.

mod operations;
mod patterns;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use embedded_aws::eventbridge::{Settings, Totals};
use embedded_aws::{Durability, EventBridge, Store, Wire};
use embedded_sqs::{QueueAttributes, Receive, Received};
use http::Request;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, Stack};

/// The services, with a bus, a queue and a dead-letter queue.
struct Scene {
    stack: Stack,
    eventbridge: EventBridge,
    wire: Wire,
    /// Keeps them for as long as it is there.
    _store: Option<Store>,
}

impl Scene {
    fn new() -> Self {
        let stack = Stack::new();
        let eventbridge = EventBridge::in_memory(settings(&stack));
        eventbridge.create_bus("loans");
        Self::with(stack, eventbridge)
    }

    fn kept_in(file: &Path) -> Self {
        let stack = Stack::new();
        let store = Store::open(file, stack.clock.clone(), Durability::Process).unwrap();
        let eventbridge = EventBridge::kept_in(settings(&stack), &store).unwrap();
        Self {
            _store: Some(store),
            ..Self::with(stack, eventbridge)
        }
    }

    fn with(stack: Stack, eventbridge: EventBridge) -> Self {
        for queue in ["readers", "readers-dlq"] {
            stack.sqs.create_queue(queue, QueueAttributes::default()).unwrap();
        }
        Self {
            wire: stack.wire().with_eventbridge(eventbridge.clone()),
            stack,
            eventbridge,
            _store: None,
        }
    }

    /// What an operation answers: the status, and the JSON.
    async fn ask(&self, operation: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder()
            .method("POST")
            .uri("/")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=any")
            .header("x-amz-target", format!("AWSEvents.{operation}"))
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let answer = self.wire.handle(request).await;
        assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
        let told = serde_json::from_slice(answer.body()).unwrap();
        (answer.status().as_u16(), told)
    }

    async fn done(&self, operation: &str, body: &Value) -> Value {
        let (status, told) = self.ask(operation, body).await;
        assert_eq!(status, 200, "{operation}: {told}");
        told
    }

    /// The type of the error, and its message.
    async fn refused(&self, operation: &str, body: &Value) -> (String, String) {
        let (status, told) = self.ask(operation, body).await;
        assert_eq!(status, 400, "{operation}: {told}");
        let text = |field: &str| told[field].as_str().unwrap().to_owned();
        (text("__type"), text("message"))
    }

    async fn rule(&self, name: &str, pattern: &Value) {
        let rule = json!({ "Name": name, "EventBusName": "loans", "EventPattern": pattern.to_string() });
        self.done("PutRule", &rule).await;
    }

    async fn target(&self, rule: &str, target: &Value) {
        let targets = json!({ "Rule": rule, "EventBusName": "loans", "Targets": [target] });
        self.done("PutTargets", &targets).await;
    }

    /// Puts one event on the bus.
    async fn put(&self, entry: &Value) -> Value {
        let told = self.done("PutEvents", &json!({ "Entries": [entry] })).await;
        assert_eq!(told["FailedEntryCount"], 0, "{told}");
        told["Entries"][0].clone()
    }

    async fn received(&self, queue: &str) -> Vec<Received> {
        let mut received = Vec::new();
        loop {
            let some = self.stack.sqs.receive(queue, Receive::default()).await.unwrap();
            if some.is_empty() {
                return received;
            }
            received.extend(some);
        }
    }
}

fn settings(stack: &Stack) -> Settings {
    Settings {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        clock: stack.clock.clone(),
    }
}

fn queue(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

fn readers() -> Value {
    json!({ "Id": "readers", "Arn": queue("readers") })
}

fn entry(detail: &Value) -> Value {
    json!({
        "EventBusName": "loans",
        "Source": "branch",
        "DetailType": "BookLent",
        "Detail": detail.to_string(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_queue_gets_the_event_in_its_envelope() {
    let scene = Scene::new();
    scene.rule("all", &json!({ "source": ["branch"] })).await;
    scene.target("all", &readers()).await;
    let mut entry = entry(&json!({ "loan_id": "l-1" }));
    entry["Resources"] = json!(["arn:aws:dynamodb:::table/x"]);
    entry["TraceHeader"] = json!("Root=1-67891233-abcdef012345678912345678");
    let put = scene.put(&entry).await;
    let [message] = &scene.received("readers").await[..] else {
        panic!("one message");
    };
    let event: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(
        event,
        json!({
            "version": "0",
            "id": put["EventId"],
            "detail-type": "BookLent",
            "source": "branch",
            "account": ACCOUNT,
            "time": "2026-01-01T00:00:00Z",
            "region": REGION,
            "resources": ["arn:aws:dynamodb:::table/x"],
            "detail": { "loan_id": "l-1" },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_is_the_entrys_own_or_the_clocks_to_the_second() {
    let scene = Scene::new();
    scene.rule("all", &json!({ "source": ["branch"] })).await;
    scene.target("all", &readers()).await;
    tokio::time::sleep(Duration::from_millis(90_900)).await;
    scene.put(&entry(&json!({}))).await;
    let mut earlier = entry(&json!({}));
    earlier["Time"] = json!(1_764_000_000.75);
    scene.put(&earlier).await;
    let times = scene.received("readers").await.into_iter().map(|message| {
        let event: Value = serde_json::from_str(&message.body).unwrap();
        event["time"].clone()
    });
    let mut times: Vec<_> = times.map(|time| time.as_str().unwrap().to_owned()).collect();
    times.sort();
    assert_eq!(times, ["2025-11-24T16:00:00Z", "2026-01-01T00:01:30Z"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_gets_once_what_each_of_its_rules_matches_and_nothing_of_a_rule_that_is_off() {
    let scene = Scene::new();
    for (name, kind) in [("some", "BookLent"), ("others", "MemberReminded")] {
        scene.rule(name, &json!({ "detail-type": [kind] })).await;
        scene.target(name, &readers()).await;
    }
    scene.put(&entry(&json!({}))).await;
    assert_eq!(scene.received("readers").await.len(), 1);
    let some = json!({ "Name": "some", "EventBusName": "loans" });
    scene.done("DisableRule", &some).await;
    assert_eq!(scene.done("DescribeRule", &some).await["State"], "DISABLED");
    scene.put(&entry(&json!({}))).await;
    assert_eq!(scene.received("readers").await.len(), 0);
    scene.done("EnableRule", &some).await;
    scene.put(&entry(&json!({}))).await;
    assert_eq!(scene.received("readers").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_gets_a_part_of_the_event_or_another_text_if_it_says_so() {
    let scene = Scene::new();
    scene.rule("all", &json!({ "source": ["branch"] })).await;
    let with = |field: &str, value: &str| {
        let mut target = readers();
        target[field] = json!(value);
        target
    };
    for (target, body) in [
        (with("InputPath", "$.detail"), r#"{"event":{"id":1}}"#),
        (with("InputPath", "$.detail.event"), r#"{"id":1}"#),
        (with("Input", r#"{"other": true}"#), r#"{"other": true}"#),
    ] {
        scene.target("all", &target).await;
        scene.put(&entry(&json!({ "event": { "id": 1 } }))).await;
        let received = scene.received("readers").await;
        assert_eq!(received[0].body, body);
        scene
            .stack
            .sqs
            .delete("readers", &received[0].receipt_handle)
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_does_not_take_is_in_its_dead_letter_queue_with_the_reason_or_dropped() {
    let scene = Scene::new();
    scene.rule("all", &json!({ "source": ["branch"] })).await;
    let mut gone = json!({ "Id": "gone", "Arn": queue("gone") });
    scene.target("all", &gone).await;
    scene.put(&entry(&json!({}))).await;
    gone["DeadLetterConfig"] = json!({ "Arn": queue("readers-dlq") });
    scene.target("all", &gone).await;
    scene.put(&entry(&json!({}))).await;
    let [letter] = &scene.received("readers-dlq").await[..] else {
        panic!("one letter");
    };
    let attribute = |name: &str| letter.message_attributes[name].string_value.clone().unwrap();
    assert_eq!(
        attribute("RULE_ARN"),
        format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/loans/all")
    );
    assert_eq!(attribute("TARGET_ARN"), queue("gone"));
    assert!(
        attribute("ERROR_CODE").contains("NonExistentQueue")
            || attribute("ERROR_CODE").contains("QueueDoesNotExist")
    );
    let totals = scene.eventbridge.totals();
    assert_eq!((totals.sent, totals.dead_letters, totals.dropped), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_not_there_takes_events_and_passes_on_none() {
    let scene = Scene::new();
    let mut lost = entry(&json!({}));
    lost["EventBusName"] = json!("nobody");
    assert!(scene.put(&lost).await["EventId"].is_string());
    assert_eq!(scene.eventbridge.totals().nowhere, 1);
}

#[tokio::test(start_paused = true)]
async fn of_a_request_each_entry_is_taken_or_refused_by_itself() {
    let scene = Scene::new();
    scene.rule("all", &json!({ "source": ["branch"] })).await;
    scene.target("all", &readers()).await;
    let change = |field: &str, value: Value| {
        let mut entry = entry(&json!({}));
        entry[field] = value;
        entry
    };
    let wrong = [
        (change("Source", json!("")), "InvalidArgument"),
        (change("DetailType", Value::Null), "InvalidArgument"),
        (change("DetailType", json!("x".repeat(129))), "InvalidArgument"),
        (change("Detail", json!("[]")), "MalformedDetail"),
        (change("Detail", json!("{")), "MalformedDetail"),
        (
            change("Source", json!("aws.events")),
            "NotAuthorizedForSourceException",
        ),
        (change("Time", json!("today")), "InvalidArgument"),
    ];
    let mut entries: Vec<_> = wrong.iter().map(|(entry, _)| entry.clone()).collect();
    entries.push(entry(&json!({})));
    let told = scene.done("PutEvents", &json!({ "Entries": entries })).await;
    assert_eq!(told["FailedEntryCount"], wrong.len());
    for (place, (_, code)) in wrong.iter().enumerate() {
        assert_eq!(told["Entries"][place]["ErrorCode"], *code, "{told}");
        assert!(told["Entries"][place]["EventId"].is_null());
    }
    assert!(told["Entries"][wrong.len()]["EventId"].is_string());
    assert_eq!(scene.received("readers").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_more_than_ten_entries_or_a_mebibyte_is_refused_as_a_whole() {
    let scene = Scene::new();
    let some = |count: usize| json!({ "Entries": vec![entry(&json!({})); count] });
    for count in [0, 11] {
        let (error, message) = scene.refused("PutEvents", &some(count)).await;
        assert_eq!(error, "ValidationException");
        assert!(message.contains("less than or equal to 10"), "{message}");
    }
    scene.done("PutEvents", &some(10)).await;
    let besides = "branch".len() + "BookLent".len() + r#"{"x":""}"#.len();
    let of_bytes = |bytes: usize| json!({ "Entries": [entry(&json!({ "x": "y".repeat(bytes - besides) }))] });
    scene.done("PutEvents", &of_bytes(1_048_575)).await;
    let (error, message) = scene.refused("PutEvents", &of_bytes(1_048_576)).await;
    assert_eq!(
        (error.as_str(), message.as_str()),
        (
            "ValidationException",
            "Total size of the entries in the request is over the limit."
        )
    );
    // 64 KB is what is billed.
    let Totals { put, chunks, .. } = scene.eventbridge.totals();
    assert_eq!((put, chunks), (11, 10 + 16));
}
