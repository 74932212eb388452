//! Deadlines, however far off they are: held back by their queue, or scheduled.

use std::sync::Arc;
use std::time::Duration;

use embedded_aws::Service;
use embedded_aws::transport::{Call, Failure, Fault, Faults};
use library::loan::LOAN_SECONDS;
use local::StackOptions;
use serde_json::json;
use testkit::prices::{SCHEDULE, message};
use testkit::running::{Running, Seen, id_of};
use testkit::weather::{broken, faults};

use crate::loans::{ALL, command, lend, loan, stream};
use crate::options;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The library with loans of that length.
fn lending_for(length: Duration) -> StackOptions {
    let options = options();
    StackOptions {
        settings: options.settings.clone().with(&LOAN_SECONDS, length),
        sweep_interval: Some(HOUR),
        ..options
    }
}

fn under(length: Duration, faults: Arc<dyn Faults>) -> StackOptions {
    StackOptions {
        faults: Some(faults),
        ..lending_for(length)
    }
}

/// What happens to the calls of the scheduler.
fn to_schedules(rule: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Arc<dyn Faults> {
    faults(move |call| match call.service {
        Service::Scheduler => rule(call),
        _ => Fault::None,
    })
}

fn schedules(bundle: &Running) -> Vec<Seen> {
    bundle.calls_of("on-book-lent", "CreateSchedule")
}

fn messages_to_its_queue(bundle: &Running) -> u64 {
    let to_it = |seen: &Seen| seen.resource.ends_with("-remind-member");
    let entries = |seen: &Seen| seen.request["Entries"].as_array().map_or(0, Vec::len) as u64;
    let calls = bundle.calls();
    let sent = calls
        .iter()
        .filter(|seen| seen.operation == "SendMessageBatch" && to_it(seen));
    sent.map(entries).sum()
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_two_weeks_is_one_schedule_and_one_message_at_its_time() {
    let bundle = Running::start(lending_for(LOAN_SECONDS.default)).await;
    let stream = lend(&bundle, "l-1").await;
    tokio::time::sleep(13 * DAY + 23 * HOUR).await;
    assert_eq!(bundle.types(&stream).await, ["BookLent"]);
    assert_eq!(bundle.scheduled("remind-member"), 1);
    tokio::time::sleep(HOUR + MINUTE).await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(bundle.scheduled("remind-member"), 0);

    let created = schedules(&bundle);
    assert_eq!(created.len(), 1);
    assert_eq!(messages_to_its_queue(&bundle), 0, "nothing hops");
    assert_eq!(bundle.stack.scheduler().totals().sent, 1);
    let request = &created[0].request;
    let event = &bundle.events(&stream).await[0];
    assert_eq!(request["GroupName"], "local-deadlines");
    let due = &serde_json::from_str::<serde_json::Value>(&event.data).expect("JSON")["due_at"];
    let to_the_second = due.as_str().expect("a time").split('.').next().expect("a time");
    let at = request["ScheduleExpression"].as_str().expect("an expression");
    assert!(
        at >= &*format!("at({to_the_second})"),
        "{at} is before {to_the_second}"
    );
    assert_eq!(request["FlexibleTimeWindow"], json!({ "Mode": "OFF" }));
    assert_eq!(request["ActionAfterCompletion"], "DELETE");
    let target = &request["Target"];
    assert_eq!(
        target["Arn"],
        "arn:aws:sqs:us-east-1:000000000000:local-remind-member"
    );
    assert_eq!(
        target["RoleArn"],
        "arn:aws:iam::000000000000:role/local-scheduler"
    );
    assert_eq!(
        target["DeadLetterConfig"]["Arn"],
        "arn:aws:sqs:us-east-1:000000000000:local-deadlines-dlq"
    );
    assert_eq!(
        target["RetryPolicy"],
        json!({ "MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400 })
    );
    let event_id = &event.event_id;
    let id = eventsourcing::computed_id(&format!("command/{event_id}/RemindMember/{stream}"));
    assert_eq!(id_of(target["Input"].as_str().expect("a body")), id.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_within_a_quarter_of_an_hour_waits_in_its_queue() {
    let bundle = Running::start(lending_for(15 * MINUTE)).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(schedules(&bundle).len(), 0);
    // One of the step, and one more if the queue's whole seconds ended before the deadline's milliseconds.
    assert!(messages_to_its_queue(&bundle) <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_the_event_makes_no_second_schedule_and_is_no_failure() {
    let bundle = Running::start(lending_for(DAY)).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.until(&stream, "BookLent").await;
    tokio::time::sleep(MINUTE).await;
    let messages = bundle.messages();
    let (_, event) = messages
        .iter()
        .find(|(queue, _)| queue == "on-book-lent")
        .expect("it was relayed");
    for _ in 0..3 {
        bundle.send("on-book-lent", event).await;
        tokio::time::sleep(HOUR).await;
    }
    assert_eq!(schedules(&bundle).len(), 4);
    assert_eq!(bundle.scheduled("remind-member"), 1);
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(bundle.stack.scheduler().totals().sent, 1);
    assert_eq!(bundle.letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_scheduler_that_is_lost_makes_no_second_schedule() {
    for fault in [Fault::DropReply, Fault::Twice, Fault::DropRequest] {
        let once = std::sync::Mutex::new(Some(fault.clone()));
        let weather = to_schedules(move |_| once.lock().expect("no test panics").take().unwrap_or_default());
        let bundle = Running::start(under(DAY, weather)).await;
        let stream = lend(&bundle, "l-1").await;
        bundle.settle().await;
        assert_eq!(bundle.types(&stream).await, ALL, "{fault:?}");
        assert_eq!(bundle.stack.scheduler().totals().created, 1, "{fault:?}");
        assert_eq!(bundle.stack.scheduler().totals().sent, 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_scheduler_is_down_or_throttles_the_event_comes_again_until_the_schedule_is_there() {
    for failure in [
        Failure::internal(Service::Scheduler),
        Failure::throttled(Service::Scheduler),
    ] {
        let began = tokio::time::Instant::now();
        let weather = to_schedules(move |_| {
            if began.elapsed() < MINUTE {
                Fault::FailBefore(failure.clone())
            } else {
                Fault::None
            }
        });
        let bundle = Running::start(under(DAY, weather)).await;
        let stream = lend(&bundle, "l-1").await;
        bundle.settle().await;
        assert_eq!(bundle.types(&stream).await, ALL);
        assert_eq!(bundle.stack.scheduler().totals().created, 1);
        assert_eq!(bundle.letters().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn what_people_mend_at_the_scheduler_without_touching_the_deadline_leaves_no_dead_letter() {
    for (status, error, message) in [
        (
            400,
            "ValidationException",
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ),
        (402, "ServiceQuotaExceededException", "The quota is reached."),
        (403, "AccessDeniedException", "no"),
    ] {
        let began = tokio::time::Instant::now();
        let weather = to_schedules(move |_| {
            if began.elapsed() < 2 * HOUR {
                Fault::FailBefore(Failure {
                    status,
                    error_type: error.into(),
                    message: message.into(),
                })
            } else {
                Fault::None
            }
        });
        let bundle = Running::start(under(DAY, weather)).await;
        let stream = lend(&bundle, "l-1").await;
        bundle.settle().await;
        assert_eq!(bundle.letters().await, [], "{error}");
        assert_eq!(bundle.types(&stream).await, ALL, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_scheduler_never_takes_is_a_dead_letter_of_the_step_and_a_redrive_sets_the_deadline() {
    let mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_mended = mended.clone();
    let weather = to_schedules(move |call| {
        if is_mended.load(std::sync::atomic::Ordering::Relaxed) {
            Fault::None
        } else {
            broken(call.service)
        }
    });
    let bundle = Running::start(under(5 * DAY, weather)).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    let letters = bundle.letters().await;
    let [letter] = &letters[..] else {
        panic!("one letter is right: {letters:?}");
    };
    assert_eq!(
        (&*letter.queue, letter.attribute("error_code")),
        ("on-book-lent", "exhausted")
    );
    let error = letter.attribute("error");
    assert!(
        error.contains("remind-member") && error.contains("no schedule could be created"),
        "{error}"
    );
    assert!(!error.contains("l-1") && !error.contains("moby-dick"), "{error}");
    mended.store(true, std::sync::atomic::Ordering::Relaxed);
    bundle.redrive("on-book-lent").await;
    tokio::time::sleep(6 * DAY).await;
    assert_eq!(bundle.types(&stream).await, ALL);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_hops_already_hops_on_to_its_end() {
    // As an earlier version sent it: to its queue, with the longest delay.
    let bundle = Running::start(StackOptions {
        only: Some(["lend-book", "remind-member"].map(str::to_owned).into()),
        ..lending_for(2 * HOUR)
    })
    .await;
    bundle.send("lend-book", &command(&loan("l-1"))).await;
    let stream = stream("l-1");
    bundle.until(&stream, "BookLent").await;
    let lent = &bundle.events(&stream).await[0];
    let lent: serde_json::Value = serde_json::from_str(&lent.data).expect("JSON");
    let remind = json!({ "loan_id": "l-1", "due_at": lent["due_at"] });
    bundle.send("remind-member", &command(&remind)).await;
    tokio::time::sleep(HOUR + 59 * MINUTE).await;
    assert_eq!(bundle.types(&stream).await, ["BookLent"]);
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert!(
        bundle
            .calls()
            .iter()
            .all(|seen| seen.service != Service::Scheduler)
    );
    assert!(
        (8..=9).contains(&messages_to_its_queue(&bundle)),
        "a hop each quarter of an hour"
    );
}

#[tokio::test(start_paused = true)]
async fn without_schedules_a_deadline_hops_from_queue_to_queue_and_passes_all_the_same() {
    let bundle = Running::start(StackOptions {
        schedules: false,
        ..lending_for(2 * HOUR)
    })
    .await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(schedules(&bundle).len(), 0);
    assert!((8..=10).contains(&messages_to_its_queue(&bundle)));
}

#[tokio::test(start_paused = true)]
async fn what_no_schedule_can_deliver_waits_whole_in_the_deadlines_dead_letter_queue() {
    let bundle = Running::start(lending_for(2 * DAY)).await;
    let stream = lend(&bundle, "l-1").await;
    tokio::time::sleep(HOUR).await;
    let queue = bundle.stack.names().of_function("remind-member");
    let sqs = &bundle.observer.sqs;
    let url = bundle.stack.wire().sqs().queue_url(&queue);
    sqs.delete_queue()
        .queue_url(&url)
        .send()
        .await
        .expect("the queue is there");
    tokio::time::sleep(4 * DAY).await;
    let letters = bundle.peek("deadlines-dlq").await;
    let [letter] = &letters[..] else {
        panic!("one letter is right: {letters:?}");
    };
    let attribute = |name: &str| {
        letter.message_attributes[name]
            .string_value
            .clone()
            .unwrap_or_default()
    };
    assert!(attribute("TARGET_ARN").ends_with(&queue));
    assert!(attribute("SCHEDULE_ARN").contains("schedule/local-deadlines/"));
    // As the runbook says: once its queue is there, it is sent on.
    sqs.create_queue()
        .queue_name(&queue)
        .send()
        .await
        .expect("it can be made");
    bundle.send("remind-member", &letter.body).await;
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL);
}

/// What a loan costs to remind of, above the message of the reminder itself.
async fn above_its_message(length: Duration) -> f64 {
    let bundle = Running::start(lending_for(length)).await;
    let stream = lend(&bundle, "l-1").await;
    tokio::time::sleep(length + HOUR).await;
    assert_eq!(bundle.types(&stream).await, ALL);
    let scheduler = bundle.stack.scheduler().totals();
    let fired = count(scheduler.sent + scheduler.failed);
    let messages = count(messages_to_its_queue(&bundle) + scheduler.sent);
    fired * SCHEDULE + (messages - 1.0) * message()
}

fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("a deadline takes a few of each"))
}

#[tokio::test(start_paused = true)]
async fn a_deadline_costs_at_most_1_30_dollars_a_million_above_its_message_whatever_its_length() {
    for length in [
        5 * MINUTE,
        15 * MINUTE,
        16 * MINUTE,
        HOUR,
        DAY,
        LOAN_SECONDS.default,
    ] {
        let dollars = above_its_message(length).await * 1e6;
        println!("a deadline of {length:?}: {dollars:.2} USD a million above its message");
        assert!(dollars <= 1.3, "{length:?}: {dollars} USD a million");
    }
}
