//! A stack on a clock that jumps, as the system's does when the machine was asleep.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use embedded_aws::Clock;
use embedded_sqs::Outgoing;
use eventsourcing::SettingValues;
use library::loan::LOAN_SECONDS;
use local::{Stack, StackOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

/// A system's clock that goes with tokio's and can be set.
#[derive(Clone)]
struct System {
    began: Instant,
    set: Arc<Mutex<SystemTime>>,
}

impl System {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            set: Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_hours(500_000))),
        }
    }

    fn now(&self) -> SystemTime {
        *self.set.lock().expect("nobody panics") + self.began.elapsed()
    }

    fn set(&self, change: impl FnOnce(SystemTime) -> SystemTime) {
        let mut set = self.set.lock().expect("nobody panics");
        *set = change(*set);
    }
}

async fn start(system: &System) -> Stack {
    let system = system.clone();
    let options = StackOptions {
        clock: Some(Clock::following(Arc::new(move || system.now()))),
        settings: SettingValues::default().with(&LOAN_SECONDS, Duration::from_mins(15)),
        ..StackOptions::of(library::bundle())
    };
    Stack::start(options)
        .await
        .expect("a stack in memory needs nothing to start")
}

/// A loan of a quarter of an hour.
fn lend(stack: &Stack, loan: &str) {
    let body = json!({ "command": { "loan_id": loan, "book_id": "moby-dick", "member_id": "ada" } });
    let message = Outgoing {
        body: body.to_string(),
        ..Outgoing::default()
    };
    stack
        .wire()
        .sqs()
        .send("local-lend-book", message)
        .expect("the queue is there");
}

/// Type and time of each event whose type begins so, in the order of their times.
fn events(stack: &Stack, beginning: &str) -> Vec<(String, String)> {
    let answer = stack
        .wire()
        .dynamodb()
        .handle("Scan", br#"{"TableName": "local-events"}"#);
    let found: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut events: Vec<_> = found["Items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            (
                text(&item["events"]["L"][0]["M"]["event_type"]["S"]),
                text(&item["committed_at"]["S"]),
            )
        })
        .filter(|(kind, _)| kind.starts_with(beginning))
        .collect();
    events.sort_by(|a, b| a.1.cmp(&b.1));
    events
}

async fn until(stack: &Stack, beginning: &str) {
    while events(stack, beginning).is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_due_while_the_machine_slept_is_due_when_it_wakes_and_stamped_with_the_time_it_is() {
    let system = System::new();
    let stack = start(&system).await;
    lend(&stack, "l-1");
    until(&stack, "BookLent").await;
    let asleep = Duration::from_hours(8);
    system.set(|time| time + asleep);
    let woke = (Instant::now(), system.now());
    until(&stack, "MemberReminded").await;
    // The deadline of a quarter of an hour passed long ago: nobody waits for it again.
    assert!(
        woke.0.elapsed() < Duration::from_mins(1),
        "after {:?}",
        woke.0.elapsed()
    );
    let reminded = events(&stack, "MemberReminded").remove(0).1;
    let woke = eventsourcing::Timestamp::from(woke.1).to_string();
    assert!(reminded >= woke, "{reminded} is before {woke}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_delays_no_deadline_and_leaves_events_in_their_order() {
    let system = System::new();
    let stack = start(&system).await;
    lend(&stack, "l-1");
    until(&stack, "BookLent").await;
    system.set(|time| time - Duration::from_hours(8));
    let began = Instant::now();
    until(&stack, "MemberReminded").await;
    let took = began.elapsed();
    assert!(
        (Duration::from_mins(14)..Duration::from_mins(40)).contains(&took),
        "{took:?}"
    );
    let at = |kind: &str| events(&stack, kind).remove(0).1;
    let (lent, reminded) = (at("BookLent"), at("MemberReminded"));
    assert!(lent < reminded, "{lent}, {reminded}");
}
