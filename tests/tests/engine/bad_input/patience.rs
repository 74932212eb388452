//! For how long a message is tried, and what is asked of it: neither throttling nor an outage of hours gives it up,
//! and one that ends its function ends alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_adapters::{GIVE_UP_FAILING, GIVE_UP_WAITING};
use bundle::{RECOVERY, RELAY, SWEEPER};
use embedded_aws::Service;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use embedded_aws::transport::{Call, Fault};
use eventsourcing::Setting;
use local::{Intercept, StackOptions};
use testkit::malformed::assert_refused;
use testkit::retries::{FAILS, assert_given_up_on_time, assert_growing, delays};
use testkit::running::{Letter, Running};
use testkit::weather::{broken, faults};
use tokio::time::Instant;

use super::appends_to;
use crate::loans::{ALL, command, lend, loan, reminder, stream};
use crate::options;

/// How often SQS handed out each message, as the functions hear of it; and whether they hear of it at all.
#[derive(Default)]
struct Receives {
    seen: Mutex<BTreeMap<String, u32>>,
    throttled_until: Option<Instant>,
}

impl Receives {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, message_id: &str) -> u32 {
        self.seen().get(message_id).copied().unwrap_or_default()
    }

    fn count(&self, invocation: &Invocation) {
        for record in invocation.payload["Records"].as_array().into_iter().flatten() {
            let count = record["attributes"]["ApproximateReceiveCount"].as_str();
            if let (Some(id), Some(count)) = (record["messageId"].as_str(), count) {
                let count = count.parse().expect("a number");
                self.seen().insert(id.to_owned(), count);
            }
        }
    }
}

#[async_trait]
impl Intercept for Receives {
    async fn invoke(
        &self,
        _: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<serde_json::Value, InvokeError> {
        self.count(&invocation);
        if self.throttled_until.is_some_and(|end| Instant::now() < end) {
            return Err(InvokeError::Function {
                error_type: "TooManyRequestsException".into(),
                message: "Rate Exceeded.".into(),
            });
        }
        code.invoke(invocation).await
    }
}

/// A stack on which that happens to appends to the streams of these loans, and the receives of all its messages.
async fn poisoned(loans: &[&str], fault: fn() -> Fault) -> (Running, Arc<Receives>) {
    let streams: Vec<_> = loans.iter().map(|id| format!("loan-{id}")).collect();
    let receives = Arc::new(Receives::default());
    let bundle = Running::start(StackOptions {
        faults: Some(faults(move |call| {
            if streams.iter().any(|stream| appends_to(call, stream)) {
                fault()
            } else {
                Fault::None
            }
        })),
        intercept: Some(receives.clone()),
        ..options()
    })
    .await;
    (bundle, receives)
}

async fn only_letter(bundle: &Running, queue: &str) -> Letter {
    let mut letters = bundle.letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = letters.remove(0);
    assert_eq!(letter.queue, queue);
    letter
}

/// Whether the call is one of a function on a queue.
fn of_queue_function(call: &Call) -> bool {
    ![RELAY, SWEEPER, RECOVERY, "observer"].contains(&&*call.caller)
}

#[tokio::test(start_paused = true)]
async fn what_a_message_waits_for_may_come_59_minutes_later() {
    let bundle = Running::start(options()).await;
    bundle.send("remind-member", &command(&reminder("late"))).await;
    tokio::time::sleep(Duration::from_mins(59)).await;
    let stream = lend(&bundle, "late").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(bundle.letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn how_long_a_message_is_tried_can_be_set() {
    let set = |setting: &Setting, seconds| {
        let options = options();
        let settings = options
            .settings
            .clone()
            .with(setting, Duration::from_secs(seconds));
        StackOptions { settings, ..options }
    };
    let bundle = Running::start(set(&GIVE_UP_WAITING, 10)).await;
    bundle.send("remind-member", &command(&reminder("unknown"))).await;
    bundle.settle().await;
    let letter = only_letter(&bundle, "remind-member").await;
    assert_refused(&letter, "exhausted", "yet");
    assert_eq!(letter.sent.as_secs(), 10);

    let bundle = Running::start(StackOptions {
        faults: Some(faults(|call| match &*call.caller {
            "lend-book" if call.service == Service::DynamoDb => broken(call.service),
            _ => Fault::None,
        })),
        ..set(&GIVE_UP_FAILING, 40)
    })
    .await;
    bundle.send("lend-book", &command(&loan("l-1"))).await;
    bundle.settle().await;
    let letter = only_letter(&bundle, "lend-book").await;
    assert_refused(
        &letter,
        "exhausted",
        "append to loan-l-1 failed: InternalServerError",
    );
    assert!((40..60).contains(&letter.sent.as_secs()), "{:?}", letter.sent);
}

/// Loans come every five minutes while these services answer the functions on queues nothing but errors for three hours.
/// Each second one is asked to be reminded of before it is lent.
async fn three_hours_without(services: &'static [Service]) {
    let end = Instant::now() + Duration::from_hours(3);
    let bundle = Running::start(StackOptions {
        faults: Some(faults(move |call| {
            if of_queue_function(call) && services.contains(&call.service) && Instant::now() < end {
                broken(call.service)
            } else {
                Fault::None
            }
        })),
        ..options()
    })
    .await;
    let loans: Vec<_> = (0..40).map(|number| format!("l-{number}")).collect();
    for (number, id) in loans.iter().enumerate() {
        if number % 2 == 1 {
            bundle.send("remind-member", &command(&reminder(id))).await;
        }
        lend(&bundle, id).await;
        tokio::time::sleep(Duration::from_mins(5)).await;
    }
    bundle.settle().await;
    println!(
        "three hours without {services:?}: {} loans, {} retries, all well {:?} after it",
        loans.len(),
        bundle.stack.metrics().total().retried,
        bundle.age().saturating_sub(Duration::from_hours(3)),
    );
    assert_eq!(bundle.letters().await, []);
    for id in &loans {
        assert_eq!(bundle.types(&stream(id)).await, ALL, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn three_hours_without_dynamodb_leave_no_dead_letter() {
    three_hours_without(&[Service::DynamoDb]).await;
}

#[tokio::test(start_paused = true)]
async fn three_hours_without_sqs_leave_no_dead_letter() {
    three_hours_without(&[Service::Sqs]).await;
}

#[tokio::test(start_paused = true)]
async fn three_hours_without_both_leave_no_dead_letter() {
    three_hours_without(&[Service::DynamoDb, Service::Sqs]).await;
}

/// What a step can't send waits as long as what the relay can't send.
#[tokio::test(start_paused = true)]
async fn a_step_whose_queue_of_commands_refuses_everything_for_a_day_sends_them_afterwards() {
    let end = Instant::now() + Duration::from_hours(24);
    let bundle = Running::start_unwatched(StackOptions {
        faults: Some(faults(move |call| {
            if call.resource() == Some("local-remind-member")
                && call.operation == "SendMessageBatch"
                && Instant::now() < end
            {
                broken(call.service)
            } else {
                Fault::None
            }
        })),
        ..options()
    })
    .await;
    for number in 0..5 {
        lend(&bundle, &format!("l-{number}")).await;
        tokio::time::sleep(Duration::from_hours(2)).await;
    }
    bundle.settle().await;
    assert_eq!(bundle.letters().await, []);
    for number in 0..5 {
        assert_eq!(
            bundle.types(&stream(&format!("l-{number}"))).await,
            ALL,
            "{number}"
        );
    }
    assert!(bundle.age() < Duration::from_hours(25), "{:?}", bundle.age());
}

#[tokio::test(start_paused = true)]
async fn throttling_for_an_hour_leaves_no_dead_letter_whatever_it_counts_as_receives() {
    let throttled = Receives {
        throttled_until: Some(Instant::now() + Duration::from_hours(1)),
        ..Receives::default()
    };
    let receives = Arc::new(throttled);
    let bundle = Running::start(StackOptions {
        intercept: Some(receives.clone()),
        ..options()
    })
    .await;
    let mut ids = Vec::new();
    for number in 0..50 {
        // Each comes before what it waits for.
        let id = format!("l-{number}");
        ids.push(bundle.send("remind-member", &command(&reminder(&id))).await);
        ids.push(bundle.send("lend-book", &command(&loan(&id))).await);
    }
    bundle.settle().await;
    let most = ids.iter().map(|id| receives.of(id)).max().unwrap_or_default();
    println!(
        "throttled for an hour: up to {most} receives, all well after {:?}",
        bundle.age()
    );
    assert!(most > 20, "{most}");
    assert_eq!(bundle.letters().await, []);
    for number in 0..50 {
        assert_eq!(
            bundle.types(&stream(&format!("l-{number}"))).await,
            ALL,
            "{number}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ends_its_function_each_time_harms_its_neighbours_for_three_receives_and_ends_alone() {
    let (bundle, receives) = poisoned(&["kills"], || Fault::CrashBefore).await;
    let mut loans: Vec<_> = (0..9).map(|number| format!("fine-{number}")).collect();
    loans.insert(4, "kills".into());
    let batch: Vec<_> = loans.iter().map(|id| command(&loan(id))).collect();
    let ids = bundle.send_batch("lend-book", &batch).await;
    // Others come while it is there.
    let mut later = Vec::new();
    for number in 0..30 {
        let id = format!("later-{number}");
        later.push(bundle.send("lend-book", &command(&loan(&id))).await);
        loans.push(id);
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    bundle.settle().await;
    let letter = only_letter(&bundle, "lend-book").await;
    assert_refused(&letter, "exhausted", "its function ends while it handles it");
    assert_eq!(letter.body, command(&loan("kills")));
    let neighbours = ids.iter().zip(&loans).filter(|(_, loan)| *loan != "kills");
    let most = neighbours
        .map(|(id, _)| receives.of(id))
        .max()
        .unwrap_or_default();
    let later = later.iter().map(|id| receives.of(id)).max().unwrap_or_default();
    println!(
        "one kills its function: its neighbours had up to {most} receives, those that came later {later}, and it was \
         given up after {:?} and {} receives",
        letter.sent,
        receives.of(&ids[4])
    );
    assert!((1..=3).contains(&most), "{most}");
    assert!((1..=3).contains(&later), "{later}");
    assert!(letter.sent < Duration::from_hours(1), "{:?}", letter.sent);
    for id in loans.iter().filter(|id| *id != "kills") {
        assert_eq!(bundle.types(&stream(id)).await, ALL, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_that_end_their_function_end_all_and_no_other_does() {
    let (bundle, receives) = poisoned(&["kills-1", "kills-2", "kills-3"], || Fault::CrashBefore).await;
    let loans = ["kills-1", "a", "kills-2", "b", "c", "kills-3", "d"];
    let ids = bundle
        .send_batch("lend-book", &loans.map(|id| command(&loan(id))))
        .await;
    bundle.settle().await;
    let letters = bundle.letters().await;
    let bodies: BTreeSet<_> = letters.iter().map(|letter| letter.body.clone()).collect();
    let kills = ["kills-1", "kills-2", "kills-3"].map(|id| command(&loan(id)));
    assert_eq!(bodies, kills.into());
    let last = letters.iter().map(|letter| letter.sent).max().unwrap_or_default();
    assert!(last < Duration::from_hours(2), "{last:?}");
    for (id, loan) in ids.iter().zip(loans) {
        if !loan.starts_with("kills") {
            assert_eq!(bundle.types(&stream(loan)).await, ALL, "{loan}");
            assert!(receives.of(id) <= 5, "{loan} had {} receives", receives.of(id));
        }
    }
    println!("three kill their function: the last one was given up after {last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_dies_for_half_an_hour_leaves_no_dead_letter() {
    let end = Instant::now() + Duration::from_mins(30);
    let bundle = Running::start(StackOptions {
        faults: Some(faults(move |call| {
            if &*call.caller == "lend-book" && call.service == Service::DynamoDb && Instant::now() < end {
                Fault::CrashBefore
            } else {
                Fault::None
            }
        })),
        ..options()
    })
    .await;
    let loans: Vec<_> = (0..30).map(|number| format!("l-{number}")).collect();
    for id in &loans {
        lend(&bundle, id).await;
    }
    bundle.settle().await;
    assert_eq!(bundle.letters().await, []);
    for id in &loans {
        assert_eq!(bundle.types(&stream(id)).await, ALL, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_on_which_its_function_panics_is_retried_alone_and_its_letter_names_the_place() {
    let (bundle, receives) = poisoned(&["panics"], || panic!("what a message holds")).await;
    let loans = ["fine-1", "panics", "fine-2"];
    let ids = bundle
        .send_batch("lend-book", &loans.map(|id| command(&loan(id))))
        .await;
    bundle.settle().await;
    let letter = only_letter(&bundle, "lend-book").await;
    assert_refused(&letter, "exhausted", "its function panicked at ");
    let error = letter.attribute("error");
    assert!(
        error.contains("patience.rs:") && !error.contains("what a message holds"),
        "{error}"
    );
    assert_given_up_on_time(&letter, FAILS, Duration::ZERO);
    assert_growing(&delays(&bundle, "lend-book"), FAILS, Duration::ZERO);
    println!(
        "one panics: given up after {:?} and {} receives",
        letter.sent,
        receives.of(&ids[1])
    );
    for (id, loan) in [(&ids[0], "fine-1"), (&ids[2], "fine-2")] {
        assert_eq!(bundle.types(&stream(loan)).await, ALL);
        assert_eq!(receives.of(id), 1, "{loan}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_keeps_its_reason_however_long_its_dead_letter_queue_fails() {
    let end = Instant::now() + Duration::from_hours(3);
    let bundle = Running::start(StackOptions {
        faults: Some(faults(move |call| {
            if call.resource() == Some("local-lend-book-dlq") && Instant::now() < end {
                broken(call.service)
            } else {
                Fault::None
            }
        })),
        ..options()
    })
    .await;
    bundle.send("lend-book", "no JSON").await;
    bundle.settle().await;
    let letter = only_letter(&bundle, "lend-book").await;
    assert_refused(&letter, "malformed", "not a JSON object");
    assert!(
        letter.sent > Duration::from_hours(3) && letter.sent < Duration::from_mins(200),
        "{:?}",
        letter.sent
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_after_three_hours_of_failing_is_given_up_all_the_same_if_nothing_comes() {
    let end = Instant::now() + Duration::from_hours(3);
    let bundle = Running::start(StackOptions {
        faults: Some(faults(move |call| {
            if of_queue_function(call) && Instant::now() < end {
                broken(call.service)
            } else {
                Fault::None
            }
        })),
        ..options()
    })
    .await;
    bundle.send("remind-member", &command(&reminder("unknown"))).await;
    bundle.settle().await;
    let letter = only_letter(&bundle, "remind-member").await;
    assert_refused(&letter, "exhausted", "yet");
    println!(
        "failed for three hours, then waited: given up after {:?}",
        letter.sent
    );
    assert!(letter.sent >= Duration::from_mins(210), "{:?}", letter.sent);
    assert!(
        letter.sent <= FAILS.patience.default + Duration::from_secs(30),
        "{:?}",
        letter.sent
    );
}
