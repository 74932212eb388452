//! EventBridge Scheduler: who is refused, when a schedule fires, and what becomes of what it can't deliver.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use embedded_aws::scheduler::{Settings, Totals};
use embedded_aws::{Durability, Scheduler, Store, Wire};
use embedded_sqs::{QueueAttributes, Receive, Received};
use http::Request;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{ACCOUNT, REGION, Stack};

const HOUR: Duration = Duration::from_hours(1);

/// The services, with a queue, a dead-letter queue and a group.
struct Scene {
    stack: Stack,
    scheduler: Scheduler,
    wire: Wire,
    running: JoinSet<()>,
    shutdown: watch::Sender<bool>,
    /// Keeps them for as long as it is there.
    store: Option<Store>,
}

impl Scene {
    fn new() -> Self {
        let stack = Stack::new();
        let scheduler = Scheduler::in_memory(settings(&stack));
        let mut scene = Self::with(stack, scheduler);
        scene.run();
        scene
    }

    fn with(stack: Stack, scheduler: Scheduler) -> Self {
        for queue in ["jobs", "deadlines-dlq"] {
            stack.sqs.create_queue(queue, QueueAttributes::default()).unwrap();
        }
        scheduler.create_group("shop-deadlines");
        Self {
            wire: stack.wire().with_scheduler(scheduler.clone()),
            stack,
            scheduler,
            running: JoinSet::new(),
            shutdown: watch::Sender::new(false),
            store: None,
        }
    }

    fn run(&mut self) {
        let run = self
            .scheduler
            .clone()
            .run(self.stack.sqs.clone(), self.shutdown.subscribe());
        self.running.spawn(run);
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Option<String>, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "AWS4-HMAC-SHA256 Credential=any")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let answer = self.wire.handle(request).await;
        let error = answer.headers().get("x-amzn-errortype");
        let error = error.map(|value| value.to_str().unwrap().to_owned());
        let told = serde_json::from_slice(answer.body()).unwrap_or_default();
        (answer.status().as_u16(), error, told)
    }

    async fn create(&self, name: &str, body: &Value) -> (u16, Option<String>, Value) {
        self.ask("POST", &format!("/schedules/{name}"), body).await
    }

    async fn created(&self, name: &str, body: &Value) {
        let (status, _, told) = self.create(name, body).await;
        assert_eq!(status, 200, "{told}");
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

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// `at(…)` so long after the clock's time.
fn at(scene: &Scene, after: Duration) -> String {
    let time = time::OffsetDateTime::from(scene.stack.clock.now() + after);
    let text = time
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    format!("at({})", &text[..19])
}

/// A schedule that is right.
fn schedule(expression: &str) -> Value {
    json!({
        "GroupName": "shop-deadlines",
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": arn("jobs"),
            "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/shop-scheduler"),
            "Input": "{\"job\":1}",
            "DeadLetterConfig": { "Arn": arn("deadlines-dlq") },
            "RetryPolicy": { "MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600 },
        },
    })
}

#[tokio::test(start_paused = true)]
async fn a_schedule_sends_its_input_once_at_its_time_and_is_gone() {
    let scene = Scene::new();
    scene.created("a", &schedule(&at(&scene, HOUR))).await;
    assert_eq!(scene.scheduler.pending_for("jobs"), 1);
    tokio::time::sleep(Duration::from_secs(3598)).await;
    assert_eq!(scene.received("jobs").await.len(), 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let received = scene.received("jobs").await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, "{\"job\":1}");
    assert!(received[0].message_attributes.is_empty() && received[0].attributes.aws_trace_header.is_none());
    let (status, error, _) = scene
        .ask("GET", "/schedules/a?groupName=shop-deadlines", &json!(null))
        .await;
    assert_eq!(
        (status, error.as_deref()),
        (404, Some("ResourceNotFoundException"))
    );
    assert_eq!(scene.scheduler.pending_for("jobs"), 0);
    tokio::time::sleep(HOUR * 48).await;
    let expected = Totals {
        created: 1,
        sent: 1,
        ..Totals::default()
    };
    assert_eq!(scene.scheduler.totals(), expected);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_to_be_deleted_stays_and_does_not_fire_again() {
    let scene = Scene::new();
    let mut kept = schedule(&at(&scene, HOUR));
    kept["ActionAfterCompletion"] = "NONE".into();
    scene.created("a", &kept).await;
    tokio::time::sleep(HOUR * 48).await;
    assert_eq!(scene.received("jobs").await.len(), 1);
    let (status, _, told) = scene
        .ask("GET", "/schedules/a?groupName=shop-deadlines", &json!(null))
        .await;
    assert_eq!((status, &told["ActionAfterCompletion"]), (200, &json!("NONE")));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_has_passed_fires_at_once_and_a_disabled_one_never() {
    let scene = Scene::new();
    scene.created("past", &schedule("at(2001-01-01T00:00:00)")).await;
    let mut disabled = schedule("at(2001-01-01T00:00:00)");
    disabled["State"] = "DISABLED".into();
    scene.created("disabled", &disabled).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.received("jobs").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_until_its_schedule_is_gone_and_only_a_repeat_of_the_same_request_is_the_same() {
    let scene = Scene::new();
    let mut first = schedule(&at(&scene, HOUR));
    first["ClientToken"] = "t-1".into();
    scene.created("a", &first).await;
    scene.created("a", &first).await;
    assert_eq!(scene.scheduler.totals().created, 1);
    let mut other = first.clone();
    other["ClientToken"] = "t-2".into();
    let (status, error, _) = scene.create("a", &other).await;
    assert_eq!((status, error.as_deref()), (409, Some("ConflictException")));
    let elsewhere = json!({ "GroupName": "default" });
    other["GroupName"] = elsewhere["GroupName"].clone();
    scene.created("a", &other).await;
    let (status, ..) = scene
        .ask("DELETE", "/schedules/a?groupName=shop-deadlines", &json!(null))
        .await;
    assert_eq!(status, 200);
    scene.created("a", &first).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_group_is_not_found() {
    let scene = Scene::new();
    let mut other = schedule(&at(&scene, HOUR));
    other["GroupName"] = "other".into();
    let (status, error, _) = scene.create("a", &other).await;
    assert_eq!(
        (status, error.as_deref()),
        (404, Some("ResourceNotFoundException"))
    );
    let (status, _, told) = scene.ask("POST", "/schedule-groups/other", &json!({})).await;
    let arn = format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/other");
    assert_eq!((status, &told["ScheduleGroupArn"]), (200, &json!(arn)));
    scene.created("a", &other).await;
    let (status, error, _) = scene.ask("POST", "/schedule-groups/other", &json!({})).await;
    assert_eq!((status, error.as_deref()), (409, Some("ConflictException")));
}

#[tokio::test(start_paused = true)]
async fn what_aws_calls_invalid_is_refused_and_says_which_field() {
    let scene = Scene::new();
    let right = schedule(&at(&scene, HOUR));
    let wrong: [(&str, Value, &str); 14] = [
        ("/GroupName", json!("with space"), "groupName"),
        ("/ScheduleExpression", json!(null), "scheduleExpression"),
        (
            "/ScheduleExpression",
            json!("at(tomorrow)"),
            "Invalid Schedule Expression",
        ),
        (
            "/ScheduleExpression",
            json!("at(2026-11-24T08:00:00Z)"),
            "Invalid Schedule Expression",
        ),
        (
            "/ScheduleExpression",
            json!("rate(1 minute)"),
            "not supported here",
        ),
        ("/FlexibleTimeWindow", json!(null), "flexibleTimeWindow"),
        (
            "/FlexibleTimeWindow",
            json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 0 }),
            "maximumWindow",
        ),
        ("/Target", json!(null), "target"),
        ("/Target/Arn", json!("jobs"), "target.arn"),
        ("/Target/RoleArn", json!("me"), "target.roleArn"),
        ("/Target/Input", json!(""), "target.input"),
        (
            "/Target/RetryPolicy/MaximumRetryAttempts",
            json!(186),
            "maximumRetryAttempts",
        ),
        (
            "/Target/RetryPolicy/MaximumEventAgeInSeconds",
            json!(59),
            "maximumEventAgeInSeconds",
        ),
        ("/ActionAfterCompletion", json!("KEEP"), "actionAfterCompletion"),
    ];
    for (pointer, value, field) in wrong {
        let mut schedule = right.clone();
        *schedule.pointer_mut(pointer).unwrap() = value.clone();
        let (status, error, told) = scene.create("a", &schedule).await;
        assert_eq!(
            (status, error.as_deref()),
            (400, Some("ValidationException")),
            "{pointer} {value}"
        );
        let message = told["Message"].as_str().unwrap();
        assert!(message.contains(field), "{pointer} {value}: {message}");
    }
    for name in ["a%20b".to_owned(), "a/b".to_owned(), "a".repeat(65)] {
        let (status, error, _) = scene.create(&name, &right).await;
        assert_eq!(
            (status, error.as_deref()),
            (400, Some("ValidationException")),
            "{name}"
        );
    }
    scene.created(&"a".repeat(64), &right).await;
    assert_eq!(scene.scheduler.totals().created, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_request_and_an_operation_that_is_not_here_are_refused() {
    let scene = Scene::new();
    let unsigned = Request::post("/schedules/a")
        .body(Bytes::from_static(b"{}"))
        .unwrap();
    assert_eq!(scene.wire.handle(unsigned).await.status(), 400);
    let (status, ..) = scene.ask("PUT", "/schedules/a", &json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test(start_paused = true)]
async fn schedules_are_told_as_they_were_asked_for_and_listed_by_group_and_name() {
    let scene = Scene::new();
    let asked = schedule(&at(&scene, HOUR));
    for name in ["b-2", "a-1", "b-1"] {
        scene.created(name, &asked).await;
    }
    let (_, _, told) = scene
        .ask("GET", "/schedules/a-1?groupName=shop-deadlines", &json!(null))
        .await;
    for field in [
        "ScheduleExpression",
        "FlexibleTimeWindow",
        "ActionAfterCompletion",
        "Target",
        "GroupName",
    ] {
        assert_eq!(told[field], asked[field], "{field}");
    }
    let names = |told: &Value| -> Vec<String> {
        let schedules = told["Schedules"].as_array().unwrap();
        schedules
            .iter()
            .map(|schedule| schedule["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    let path = "/schedules?ScheduleGroup=shop-deadlines&MaxResults=2";
    let (_, _, first) = scene.ask("GET", path, &json!(null)).await;
    assert_eq!(names(&first), ["a-1", "b-1"]);
    let token = first["NextToken"].as_str().unwrap().replace('/', "%2F");
    let (_, _, second) = scene
        .ask("GET", &format!("{path}&NextToken={token}"), &json!(null))
        .await;
    assert_eq!(
        (names(&second), &second["NextToken"]),
        (vec!["b-2".to_owned()], &json!(null))
    );
    let (_, _, found) = scene.ask("GET", "/schedules?NamePrefix=b", &json!(null)).await;
    assert_eq!(names(&found), ["b-1", "b-2"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_and_then_given_up_to_the_dead_letter_queue_whole() {
    let scene = Scene::new();
    let mut lost = schedule(&at(&scene, HOUR));
    lost["Target"]["Arn"] = arn("missing").into();
    scene.created("a", &lost).await;
    tokio::time::sleep(HOUR + Duration::from_mins(1)).await;
    let letters = scene.received("deadlines-dlq").await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].body, "{\"job\":1}");
    let attribute = |name: &str| letters[0].message_attributes[name].string_value.clone().unwrap();
    assert_eq!(attribute("TARGET_ARN"), arn("missing"));
    assert_eq!(attribute("RETRY_ATTEMPTS"), "3");
    assert_eq!(attribute("EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
    assert!(attribute("SCHEDULE_ARN").ends_with("schedule/shop-deadlines/a"));
    let totals = scene.scheduler.totals();
    assert_eq!((totals.failed, totals.dead_letters, totals.sent), (4, 1, 0));
    assert_eq!(scene.scheduler.pending_for("missing"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_given_up_when_it_is_too_old_and_dropped_without_a_dead_letter_queue() {
    let scene = Scene::new();
    let mut lost = schedule(&at(&scene, HOUR));
    lost["Target"]["Arn"] = arn("missing").into();
    lost["Target"]["RetryPolicy"] = json!({ "MaximumEventAgeInSeconds": 60 });
    scene.created("old", &lost).await;
    lost["Target"]["DeadLetterConfig"] = json!(null);
    scene.created("dropped", &lost).await;
    tokio::time::sleep(HOUR * 2).await;
    let letters = scene.received("deadlines-dlq").await;
    assert_eq!(letters.len(), 1);
    let condition = &letters[0].message_attributes["EXHAUSTED_RETRY_CONDITION"];
    assert_eq!(
        condition.string_value.as_deref(),
        Some("MaximumEventAgeInSeconds")
    );
    assert_eq!(scene.scheduler.totals().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_there_again_gets_what_is_tried_again() {
    let scene = Scene::new();
    let mut early = schedule(&at(&scene, HOUR));
    early["Target"]["Arn"] = arn("late").into();
    scene.created("a", &early).await;
    tokio::time::sleep(HOUR + Duration::from_secs(2)).await;
    scene
        .stack
        .sqs
        .create_queue("late", QueueAttributes::default())
        .unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(scene.received("late").await.len(), 1);
    assert_eq!(scene.received("deadlines-dlq").await.len(), 0);
}

/// The services of a new process, with the schedules of a file.
fn of_file(path: &Path) -> Scene {
    let stack = Stack::new();
    let store = Store::open(path, stack.clock.clone(), Durability::Process).unwrap();
    let scheduler = Scheduler::kept_in(settings(&stack), &store).unwrap();
    Scene {
        store: Some(store),
        ..Scene::with(stack, scheduler)
    }
}

#[tokio::test(start_paused = true)]
async fn schedules_survive_in_a_file_and_those_that_are_overdue_fire_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first = of_file(&path);
    first.created("later", &schedule(&at(&first, HOUR * 2))).await;
    first
        .created("overdue", &schedule("at(2001-01-01T00:00:00)"))
        .await;
    first.created("gone", &schedule(&at(&first, HOUR))).await;
    first
        .ask("DELETE", "/schedules/gone?groupName=shop-deadlines", &json!(null))
        .await;
    drop(first);

    let mut second = of_file(&path);
    let (status, ..) = second.create("later", &schedule(&at(&second, HOUR))).await;
    assert_eq!(status, 409, "it is still there");
    second.run();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(second.scheduler.totals().sent, 1);
    tokio::time::sleep(HOUR * 3).await;
    assert_eq!(second.scheduler.totals().sent, 2);
    drop(second);

    let third = of_file(&path);
    assert_eq!(third.scheduler.pending_for("jobs"), 0);
    let left = third.store.as_ref().unwrap().entries("schedules").unwrap();
    assert_eq!(left.len(), 1, "the group is all that is left: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_file_of_an_earlier_version_says_is_taken_up_but_for_a_line_that_a_kill_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let first = of_file(&store);
    first.created("whole", &schedule(&at(&first, HOUR))).await;
    let entries = first.store.as_ref().unwrap().clone();
    entries.until_kept().await.unwrap();
    let entries = entries.entries("schedules").unwrap();
    let lines: String = entries.into_iter().map(|(_, line)| line + "\n").collect();
    let path = folder.path().join("schedules.jsonl");
    fs::write(&path, format!("{lines}{{\"Put\":{{\"reque")).unwrap();

    let second = of_file(&folder.path().join("another"));
    second.scheduler.take_up(&path).unwrap();
    assert_eq!(second.scheduler.pending_for("jobs"), 1);

    fs::write(&path, "dear all\n").unwrap();
    let error = second.scheduler.take_up(&path).unwrap_err().to_string();
    assert!(error.contains("holds no schedules in line 1"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear all\n");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_told_in_the_order_of_its_times_and_can_be_thrown_away_at_once() {
    let scene = Scene::new();
    assert_eq!(scene.scheduler.next(), None);
    scene.created("later", &schedule(&at(&scene, HOUR * 2))).await;
    scene.created("sooner", &schedule(&at(&scene, HOUR))).await;
    let pending = scene.scheduler.pending();
    assert_eq!(pending.len(), 2);
    assert_eq!(
        (pending[0].queue.as_str(), pending[0].body.as_str()),
        ("jobs", "{\"job\":1}")
    );
    assert_eq!(pending[1].at.duration_since(pending[0].at).unwrap(), HOUR);
    assert_eq!(scene.scheduler.next(), Some((pending[0].at, "jobs".to_owned())));
    scene.scheduler.delete_all();
    assert_eq!(
        (scene.scheduler.next(), scene.scheduler.pending()),
        (None, vec![])
    );
    tokio::time::sleep(HOUR * 3).await;
    assert_eq!(scene.received("jobs").await.len(), 0);
    // The group is still there.
    scene.created("again", &schedule(&at(&scene, HOUR))).await;
}
