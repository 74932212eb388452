//! The outbox: what the relay could not deliver is sent again, marked, or parked for a person, and what the
//! relay's mapping gave up ends there too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aws_adapters::{
    AfterFailure, CommitRef, Delivery, OUTBOX_PATIENCE, Outbox, OutboxEntry, OutboxError, Undelivered,
};
use embedded_aws::transport::{Call, Fault, Faults};
use eventsourcing::Timestamp;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::running::{Running, at, text};
use testkit::weather::{broken, faults, refused_by_sqs};

use crate::loans::{ALL, lend, lent, reminded, stream};
use crate::options;
use crate::timed::Timed;

const RELAY: &str = bundle::RELAY;
const SWEEPER: &str = bundle::SWEEPER;
const RECOVERY: &str = bundle::RECOVERY;
const QUEUE: &str = "local-on-book-lent";

/// Something that fails until it is mended.
#[derive(Clone, Default)]
struct Outage(Arc<AtomicBool>);

impl Outage {
    fn mend(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn begin_again(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sends to the queue for lent books fail, whoever sends.
    fn befalls(&self, call: &Call) -> bool {
        call.resource() == Some(QUEUE) && call.operation == "SendMessageBatch" && !self.is_over()
    }

    fn of_queue(&self) -> Arc<dyn Faults> {
        let outage = self.clone();
        faults(move |call| {
            if outage.befalls(call) {
                broken(call.service)
            } else {
                Fault::None
            }
        })
    }
}

/// A bundle whose outbox is swept as often as on AWS.
async fn bundle(faults: Arc<dyn Faults>) -> Running {
    Running::start(StackOptions {
        faults: Some(faults),
        sweep_interval: None,
        ..options()
    })
    .await
}

fn outbox(bundle: &Running) -> Outbox {
    Outbox::new(
        bundle.observer.dynamodb.clone(),
        bundle.stack.names().outbox_table(),
    )
}

fn now(bundle: &Running) -> Timestamp {
    at(bundle.age()).into()
}

/// A failure that may pass.
fn failed(why: &str) -> Undelivered {
    Undelivered::transiently(why)
}

fn commit(stream: &str) -> CommitRef {
    CommitRef {
        stream: stream.to_owned(),
        revision: 1.into(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_a_short_outage_held_up_is_sent_by_the_next_sweeps_and_what_follows_happens() {
    let outage = Outage::default();
    let bundle = bundle(outage.of_queue()).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.until(&stream, "BookLent").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    outage.mend();
    bundle.until(&stream, "MemberReminded").await;
    assert!(
        bundle.age() < Duration::from_mins(3),
        "it took {:?}",
        bundle.age()
    );
    let entries = outbox(&bundle).list(Delivery::Published, 10).await;
    let [entry] = &entries.expect("the outbox can be read")[..] else {
        panic!("one entry is marked as published");
    };
    assert_eq!((entry.commit.stream.as_str(), entry.attempts), ("loan-l-1", 1));
    let item = &bundle.outbox().await[0];
    assert!(text(item, "published_at") > text(item, "first_attempt_at"));
    // Seconds since the epoch, two weeks on: the table drops it by itself.
    let expires: i64 = text(item, "expires_at").parse().expect("a number");
    let days = (expires - now(&bundle).millis() / 1000) / 86_400;
    assert_eq!(days, 13);
    bundle.settle().await;
    assert_eq!(bundle.types(&stream).await, ALL, "no effect twice");
}

/// The only entry in a state.
async fn only(outbox: &Outbox, delivery: Delivery) -> OutboxEntry {
    let mut entries = outbox.list(delivery, 10).await.expect("it can be read");
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_failing_is_sent_again_for_three_days_then_parked_and_counted_and_stays_until_redriven()
{
    let outage = Outage::default();
    let bundle = bundle(outage.of_queue()).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.settle().await;
    let outbox = outbox(&bundle);
    let entry = only(&outbox, Delivery::Parked).await;
    assert_eq!(entry.commit, commit("loan-l-1"));
    assert!(entry.last_error.contains("on-book-lent"), "{}", entry.last_error);
    let took = entry.last_attempt_at.since(entry.first_attempt_at);
    let expected = OUTBOX_PATIENCE..=OUTBOX_PATIENCE + Duration::from_mins(17);
    assert!(expected.contains(&took), "{took:?}");
    // Within two minutes at first (a delay of one at most, and the sweep's), then up to a quarter of an hour
    // apart, halved by chance at most.
    let mut attempts: Vec<_> = bundle
        .calls_of(SWEEPER, "SendMessageBatch")
        .iter()
        .map(|call| call.at)
        .collect();
    attempts.dedup_by(|later, earlier| later.saturating_sub(*earlier) < Duration::from_secs(10));
    let attempts: Vec<_> = attempts
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    let minutes = |minutes| Duration::from_mins(minutes);
    assert!(attempts[0] <= minutes(3), "{:?}", attempts[0]);
    assert!(attempts.iter().all(|&gap| gap <= minutes(17)), "{attempts:?}");
    assert!(attempts[6..].iter().all(|&gap| gap >= minutes(7)), "{attempts:?}");
    let counted = u32::try_from(attempts.len()).expect("hundreds");
    assert_eq!(
        entry.attempts,
        counted + 2,
        "the relay's, and each of the sweeper's"
    );
    // An hour later it is still there, counted every minute, and nobody has tried it again.
    let sends = bundle.calls_of(SWEEPER, "SendMessageBatch").len();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(bundle.calls_of(SWEEPER, "SendMessageBatch").len(), sends);
    let backlog = bundle.stack.metrics().by_function()[SWEEPER].backlog;
    assert_eq!(
        backlog.map(|backlog| (backlog.pending, backlog.parked)),
        Some((0, 1))
    );

    // Whoever sends it again gives it three days more.
    outbox.redrive(&entry.commit).await.expect("the entry is there");
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(only(&outbox, Delivery::Pending).await.attempts > 3);
    outage.mend();
    bundle.until(&stream, "MemberReminded").await;
    assert_eq!(outbox.count(Delivery::Parked).await, Ok(0));
}

/// Sends of one queue's whole batches are refused with that code.
fn refused(queue: &'static str, code: &'static str, outage: &Outage) -> Arc<dyn Faults> {
    let outage = outage.clone();
    faults(move |call| {
        let hit = call.operation == "SendMessageBatch" && call.resource() == Some(queue);
        if hit && !outage.is_over() {
            refused_by_sqs(code)
        } else {
            Fault::None
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_refused_for_what_it_is_is_parked_at_once_and_redriven_by_a_person() {
    let outage = Outage::default();
    let bundle = bundle(refused(QUEUE, "InvalidMessageContents", &outage)).await;
    let stream = lend(&bundle, "l-1").await;
    bundle.until(&stream, "BookLent").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let outbox = outbox(&bundle);
    let entry = only(&outbox, Delivery::Parked).await;
    assert_eq!(entry.attempts, 1);
    assert!(
        entry.last_error.contains("InvalidMessageContents"),
        "{}",
        entry.last_error
    );
    outage.mend();
    outbox.redrive(&entry.commit).await.expect("it is there");
    bundle.until(&stream, "MemberReminded").await;
}

#[tokio::test(start_paused = true)]
async fn what_people_mend_without_touching_the_message_is_sent_again_by_itself() {
    for code in ["AccessDeniedException", "KmsAccessDenied", "QueueDoesNotExist"] {
        let outage = Outage::default();
        let bundle = bundle(refused(QUEUE, code, &outage)).await;
        let stream = lend(&bundle, "l-1").await;
        tokio::time::sleep(Duration::from_hours(2)).await;
        let entry = only(&outbox(&bundle), Delivery::Pending).await;
        assert!(entry.last_error.contains(code), "{}", entry.last_error);
        outage.mend();
        bundle.until(&stream, "MemberReminded").await;
        assert_eq!(bundle.letters().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn one_message_that_has_its_whole_batch_refused_is_parked_alone() {
    let bundle = bundle(faults(|call| {
        let poisoned = call.resource() == Some(QUEUE) && call.request().to_string().contains("poison");
        if call.operation == "SendMessageBatch" && poisoned {
            refused_by_sqs("BatchRequestTooLong")
        } else {
            Fault::None
        }
    }))
    .await;
    for loan in ["l-1", "poison", "l-2"] {
        bundle.put(&lent(loan));
    }
    for loan in ["l-1", "l-2"] {
        bundle.until(&stream(loan), "MemberReminded").await;
    }
    let outbox = outbox(&bundle);
    assert_eq!(
        only(&outbox, Delivery::Parked).await.commit,
        commit("loan-poison")
    );
    assert_eq!(outbox.count(Delivery::Pending).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn one_queue_that_refuses_everything_for_a_day_gets_it_afterwards_and_the_others_were_not_held_up() {
    // More than a sweep takes at once if it hangs, which it does for an hour only: a day of that takes too long.
    for (hangs, half, loans) in [
        (false, Duration::from_hours(12), 40),
        (true, Duration::from_mins(30), 120),
    ] {
        let (day, hiccup) = (Outage::default(), Outage::default());
        let (of_queue, of_mail) = (day.clone(), hiccup.clone());
        let rule = faults(move |call| {
            let mail = call.resource() == Some("local-mail") && call.operation == "SendMessageBatch";
            match (of_queue.befalls(call), mail && !of_mail.is_over()) {
                (true, _) if hangs => Fault::Never,
                (false, false) => Fault::None,
                _ => broken(call.service),
            }
        });
        let bundle = Running::start_unwatched(StackOptions {
            faults: Some(rule),
            sweep_interval: None,
            ..options()
        })
        .await;
        hiccup.mend();
        for n in 0..loans {
            bundle.put(&lent(&format!("l-{n}")));
        }
        tokio::time::sleep(half).await;
        let outbox = outbox(&bundle);
        assert_eq!(outbox.count(Delivery::Pending).await, Ok(loans));
        // Hundreds that are due before it, and the sweeper still finds the one for another queue.
        hiccup.begin_again();
        bundle.put(&reminded("free"));
        tokio::time::sleep(Duration::from_secs(30)).await;
        hiccup.mend();
        let before = bundle.age();
        while bundle.peek("mail").await.is_empty() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let waited = bundle.age().saturating_sub(before);
        assert!(waited <= Duration::from_mins(3), "it waited for {waited:?}");

        tokio::time::sleep(half).await;
        day.mend();
        let before = bundle.age();
        while outbox.count(Delivery::Pending).await != Ok(0) {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let took = bundle.age().saturating_sub(before);
        assert!(took <= Duration::from_mins(18), "it took {took:?}");
        bundle.settle().await;
        for n in 0..loans {
            assert_eq!(bundle.types(&stream(&format!("l-{n}"))).await, ALL);
        }
        assert_eq!(outbox.count(Delivery::Parked).await, Ok(0));
        assert_eq!(bundle.letters().await, []);
        println!("hangs: {hangs}; the other queue waited for {waited:?}, all was there after {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_ends_in_time_whatever_hangs_and_the_next_ones_deliver() {
    for operation in ["SendMessageBatch", "UpdateItem", "GetItem", "Query"] {
        let (outage, hung) = (Outage::default(), Outage::default());
        let (of_queue, of_sweeper) = (outage.clone(), hung.clone());
        let timed = Arc::new(Timed::default());
        let bundle = Running::start(StackOptions {
            faults: Some(faults(move |call| {
                if &*call.caller == SWEEPER && call.operation == operation && !of_sweeper.is_over() {
                    Fault::Never
                } else if of_queue.befalls(call) {
                    broken(call.service)
                } else {
                    Fault::None
                }
            })),
            intercept: Some(timed.clone()),
            sweep_interval: None,
            ..options()
        })
        .await;
        let loans: Vec<_> =
            futures::future::join_all((0..150).map(async |n| lend(&bundle, &format!("l-{n}")).await)).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        outage.mend();
        // Half a minute after a sweep began.
        tokio::time::sleep(Duration::from_secs(5 * 60 + 25)).await;
        let longest = timed.longest(SWEEPER);
        assert!(
            longest < Duration::from_millis(29_500),
            "{operation}: {longest:?}"
        );
        assert_eq!(timed.cut_short(SWEEPER), 0, "{operation}");
        hung.mend();
        bundle.settle().await;
        for loan in &loans {
            assert_eq!(bundle.types(loan).await, ALL, "{operation}");
        }
        println!("{operation} hangs: the longest sweep took {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_can_not_be_read_for_now_holds_up_no_other() {
    let outage = Outage::default();
    let of_queue = outage.clone();
    let bundle = bundle(faults(move |call| {
        let stuck = call.operation == "GetItem" && call.request().to_string().contains("loan-stuck");
        if of_queue.befalls(call) || stuck {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    bundle.put(&lent("stuck"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    bundle.put(&lent("free"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    outage.mend();
    bundle.until(&stream("free"), "MemberReminded").await;
    assert!(bundle.age() < Duration::from_mins(3), "{:?}", bundle.age());
    let entry = only(&outbox(&bundle), Delivery::Pending).await;
    assert_eq!((entry.commit, entry.attempts), (commit("loan-stuck"), 1));
}

/// An entry as the version before this one left it, which parked after the third attempt and counted no days.
fn entry_of_old(bundle: &Running, stream: &str, delivery: &str, attempts: u32, saved: &str) {
    let entry = json!({
        "TableName": bundle.stack.names().outbox_table(),
        "Item": {
            "stream_id": { "S": stream }, "revision": { "N": "1" }, "delivery": { "S": delivery },
            "attempts": { "N": attempts.to_string() }, "last_error": { "S": "it was not there" },
            "first_attempt_at": { "S": saved }, "last_attempt_at": { "S": saved },
            "next_attempt_at": { "S": saved },
        },
    });
    let answer = bundle
        .stack
        .wire()
        .dynamodb()
        .handle("PutItem", entry.to_string().as_bytes());
    assert_eq!(answer.status, 200);
}

#[tokio::test(start_paused = true)]
async fn entries_of_the_version_before_are_read_and_go_on_by_the_new_rule() {
    let outage = Outage::default();
    let bundle = bundle(outage.of_queue()).await;
    let (yesterday, last_week) = ("2026-11-22T08:00:00.000Z", "2026-11-16T08:00:00.000Z");
    for loan in ["second", "parked", "redriven", "old"] {
        bundle.put(&lent(loan));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    entry_of_old(&bundle, "loan-second", "pending", 2, yesterday);
    entry_of_old(&bundle, "loan-parked", "parked", 3, yesterday);
    entry_of_old(&bundle, "loan-redriven", "pending", 0, last_week);
    entry_of_old(&bundle, "loan-old", "pending", 1, last_week);
    // One sweep.
    tokio::time::sleep(Duration::from_secs(65)).await;
    let outbox = outbox(&bundle);
    let states = async || {
        let mut states = Vec::new();
        for delivery in [Delivery::Parked, Delivery::Pending] {
            let entries = outbox.list(delivery, 10).await.expect("it can be read");
            let state = |entry: OutboxEntry| (entry.commit.stream, delivery, entry.attempts);
            states.extend(entries.into_iter().map(state));
        }
        states.sort_by(|one, other| one.0.cmp(&other.0));
        states
    };
    let expected = [
        ("loan-old", Delivery::Parked, 2),
        ("loan-parked", Delivery::Parked, 3),
        ("loan-redriven", Delivery::Pending, 1),
        ("loan-second", Delivery::Pending, 3),
    ];
    let expected = expected.map(|(stream, delivery, attempts)| (stream.to_owned(), delivery, attempts));
    assert_eq!(states().await, expected);
    outage.mend();
    for stream in ["loan-old", "loan-parked"] {
        outbox.redrive(&commit(stream)).await.expect("it is parked");
    }
    for loan in ["second", "parked", "redriven", "old"] {
        bundle.until(&stream(loan), "MemberReminded").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_parked_with_its_reason_and_others_are_sent() {
    let outage = Outage::default();
    let bundle = bundle(outage.of_queue()).await;
    let stream = lend(&bundle, "healthy").await;
    let broken = json!({
        "stream_id": { "S": "loan-broken" }, "revision": { "N": "1" }, "last_revision": { "N": "1" },
        "commit_id": { "S": "6ba7b810-9dad-41d1-80b4-00c04fd430c8" },
        "committed_at": { "S": "2026-11-23T08:00:00.000Z" },
        "events": { "S": "none" },
    });
    bundle.put(&broken);
    let mut foreign = broken.clone();
    foreign["stream_id"] = json!({ "S": "loan-foreign" });
    foreign["revision"] = json!({ "N": "-1.5" });
    bundle.put(&foreign);
    tokio::time::sleep(Duration::from_secs(10)).await;
    outbox(&bundle)
        .save(&commit("loan-gone"), &failed("it was never there"), now(&bundle))
        .await
        .expect("the outbox takes it");
    outage.mend();
    bundle.until(&stream, "MemberReminded").await;
    bundle.settle().await;
    let parked = outbox(&bundle)
        .list(Delivery::Parked, 10)
        .await
        .expect("it can be read");
    let mut reasons: Vec<_> = parked
        .iter()
        .map(|entry| (entry.commit.stream.as_str(), entry.last_error.as_str()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons[0].0, "loan-broken");
    assert!(reasons[0].1.contains("is no commit"), "{}", reasons[0].1);
    assert_eq!(reasons[1].0, "loan-foreign");
    assert!(reasons[1].1.contains("is no commit"), "{}", reasons[1].1);
    assert_eq!(reasons[2], ("loan-gone", "the event table has no such commit"));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_takes_all_that_is_due_a_hundred_at_a_time() {
    let outage = Outage::default();
    let bundle = bundle(outage.of_queue()).await;
    let mut loans = Vec::new();
    for n in 0..230 {
        loans.push(lend(&bundle, &format!("l-{n}")).await);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let pending = outbox(&bundle).count(Delivery::Pending).await;
    assert_eq!(pending, Ok(230));
    outage.mend();
    bundle.forget_calls();
    bundle.settle().await;
    let due: Vec<_> = bundle
        .calls_of(SWEEPER, "Query")
        .into_iter()
        .filter(|call| call.request["Select"] != "COUNT")
        .collect();
    assert!(due.iter().all(|call| call.request["Limit"] == 100));
    assert_eq!(outbox(&bundle).count(Delivery::Published).await, Ok(230));
    // Ten at a time: the last of a batch may have fewer.
    let sends = bundle.calls_of(SWEEPER, "SendMessageBatch").len();
    assert!(sends <= 23 + 6, "{sends} calls for 230 messages");
    for loan in loans {
        assert_eq!(bundle.types(&loan).await, ALL);
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_overdue_come_first() {
    let bundle = bundle(faults(|_| Fault::None)).await;
    let outbox = outbox(&bundle);
    let saved = now(&bundle);
    for (n, stream) in ["c", "a", "b"].into_iter().enumerate() {
        let at = saved.plus(Duration::from_mins(n as u64));
        let commit = commit(&format!("loan-{stream}"));
        outbox
            .save(&commit, &failed("no"), at)
            .await
            .expect("it is saved");
    }
    let due = async |after: Duration, limit| {
        let mut due = outbox.due(saved.plus(after));
        let due = due.next(limit).await.expect("it can be read");
        due.into_iter()
            .map(|entry| entry.commit.stream)
            .collect::<Vec<_>>()
    };
    assert_eq!(due(Duration::from_secs(20), 10).await, [""; 0], "none is due yet");
    assert_eq!(
        due(Duration::from_mins(10), 10).await,
        ["loan-c", "loan-a", "loan-b"]
    );
    assert_eq!(due(Duration::from_mins(10), 2).await, ["loan-c", "loan-a"]);
    let mut pages = outbox.due(saved.plus(Duration::from_mins(10)));
    for page in [2, 1, 0] {
        assert_eq!(pages.next(2).await.map(|page| page.len()), Ok(page));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_has_changed_since_it_was_seen_is_neither_marked_nor_counted() {
    let bundle = bundle(faults(|_| Fault::None)).await;
    let outbox = outbox(&bundle);
    let (first, later) = (now(&bundle), now(&bundle).plus(Duration::from_secs(5)));
    outbox
        .save(&commit("loan-a"), &failed("no"), first)
        .await
        .expect("it is saved");
    let seen = outbox
        .list(Delivery::Pending, 10)
        .await
        .expect("it can be read")
        .remove(0);
    // The relay fails on it once more.
    outbox
        .save(&commit("loan-a"), &failed("no again"), later)
        .await
        .expect("it is saved");
    assert_eq!(outbox.mark_published(&seen, later).await, Ok(false));
    let counted = outbox.count_failure(&seen, &failed("nor now"), later).await;
    assert_eq!(counted, Ok(AfterFailure::MovedOn));
    let entry = outbox
        .list(Delivery::Pending, 10)
        .await
        .expect("it can be read")
        .remove(0);
    assert_eq!((entry.attempts, entry.last_error.as_str()), (2, "no again"));
    assert_eq!(outbox.mark_published(&entry, later).await, Ok(true));
    // The same attempt, repeated because its reply was lost, counts once.
    for _ in 0..2 {
        outbox
            .save(&commit("loan-b"), &failed("no"), first)
            .await
            .expect("it is saved");
    }
    let entry = outbox
        .list(Delivery::Pending, 10)
        .await
        .expect("it can be read")
        .remove(0);
    assert_eq!((entry.commit.stream.as_str(), entry.attempts), ("loan-b", 1));
}

#[tokio::test(start_paused = true)]
async fn only_an_entry_that_was_not_published_can_be_redriven_or_dropped() {
    let bundle = bundle(faults(|_| Fault::None)).await;
    let (outbox, now) = (outbox(&bundle), now(&bundle));
    let a = commit("loan-a");
    assert_eq!(outbox.redrive(&a).await, Err(OutboxError::NotThere(a.clone())));
    assert_eq!(outbox.drop_entry(&a).await, Err(OutboxError::NotThere(a.clone())));
    outbox.save(&a, &failed("no"), now).await.expect("it is saved");
    let entry = outbox
        .list(Delivery::Pending, 1)
        .await
        .expect("it can be read")
        .remove(0);
    assert_eq!(outbox.mark_published(&entry, now).await, Ok(true));
    assert_eq!(outbox.redrive(&a).await, Err(OutboxError::NotThere(a.clone())));
    outbox
        .save(&a, &failed("no"), now.plus(Duration::from_secs(1)))
        .await
        .expect("it is saved");
    assert_eq!(outbox.drop_entry(&a).await, Ok(()));
    assert_eq!(bundle.outbox().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_cannot_read_the_event_table_counts_no_attempt_and_the_next_one_goes_on() {
    let outage = Outage::default();
    let no_table = Outage::default();
    let (queue, table) = (outage.clone(), no_table.clone());
    let bundle = bundle(faults(move |call| {
        let is_load = &*call.caller == SWEEPER && call.operation == "GetItem";
        if queue.befalls(call) || (is_load && !table.is_over()) {
            broken(call.service)
        } else {
            Fault::None
        }
    }))
    .await;
    let stream = lend(&bundle, "l-1").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    outage.mend();
    tokio::time::sleep(Duration::from_mins(5)).await;
    let entry = outbox(&bundle)
        .list(Delivery::Pending, 1)
        .await
        .expect("it can be read");
    assert_eq!(entry[0].attempts, 1);
    no_table.mend();
    bundle.until(&stream, "MemberReminded").await;
}

#[tokio::test(start_paused = true)]
async fn two_sweepers_and_a_relay_at_once_deliver_everything_and_nothing_takes_effect_twice() {
    let outage = Outage::default();
    let bundle = Running::start(StackOptions {
        faults: Some(outage.of_queue()),
        relays: 2,
        sweep_interval: None,
        ..options()
    })
    .await;
    let loans: Vec<_> =
        futures::future::join_all((0..20).map(async |n| lend(&bundle, &format!("l-{n}")).await)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    outage.mend();
    bundle.settle().await;
    for loan in loans {
        assert_eq!(bundle.types(&loan).await, ALL);
    }
    let open = outbox(&bundle).count(Delivery::Pending).await;
    assert_eq!(open, Ok(0));
}

// Records that the relay's mapping gave up

/// The relay fails as a whole until it is mended, which its mapping answers by giving records up.
fn relay_that_can_do_nothing(outage: &Outage) -> Arc<dyn Faults> {
    let outage = outage.clone();
    faults(move |call| {
        if &*call.caller == RELAY && !outage.is_over() {
            broken(call.service)
        } else {
            Fault::None
        }
    })
}

#[tokio::test(start_paused = true)]
async fn records_that_the_relays_mapping_gave_up_are_read_again_and_everything_completes() {
    let outage = Outage::default();
    let bundle = bundle(relay_that_can_do_nothing(&outage)).await;
    let mut loans = Vec::new();
    for n in 0..12 {
        loans.push(lend(&bundle, &format!("l-{n}")).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // The mapping tries a few times, halves the batch, and gives up in the end.
    while bundle
        .stack
        .metrics()
        .by_function()
        .get(RECOVERY)
        .is_none_or(|m| m.handled == 0)
    {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(bundle.age() < Duration::from_hours(8), "nothing was given up");
    }
    outage.mend();
    bundle.settle().await;
    for loan in &loans {
        assert_eq!(bundle.types(loan).await, ALL);
    }
    let published = outbox(&bundle)
        .list(Delivery::Published, 100)
        .await
        .expect("it can be read");
    assert!(
        published
            .iter()
            .any(|entry| entry.last_error.contains("the relay's mapping gave it up")),
        "{published:?}"
    );
    assert_eq!(bundle.take_all_letters().await, []);
}

/// What Lambda says of a batch that it gave up.
fn given_up(shard: &str, from: &str, to: &str) -> Value {
    json!({
        "requestContext": { "requestId": "r-1", "functionArn": "relay", "condition": "RetryAttemptsExhausted",
                            "approximateInvokeCount": 11 },
        "version": "1.0",
        "timestamp": "2026-11-23T08:00:00.000Z",
        "DDBStreamBatchInfo": {
            "shardId": shard, "startSequenceNumber": from, "endSequenceNumber": to,
            "approximateArrivalOfFirstRecord": "2026-11-23T08:00:00Z",
            "approximateArrivalOfLastRecord": "2026-11-23T08:10:00Z",
            "batchSize": 1, "streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/local-events/stream/2026-11-22T08:00:00.000",
        },
    })
}

#[tokio::test(start_paused = true)]
async fn records_that_the_stream_does_not_hold_any_more_are_told_with_the_time_range_to_publish_again() {
    let bundle = bundle(faults(|_| Fault::None)).await;
    let number = "0".repeat(20) + "1";
    let body = given_up("shardId-00000000000000000000-00000000", &number, &number);
    bundle.send(RECOVERY, &body.to_string()).await;
    bundle.settle().await;
    let letters = bundle.take_letters(RECOVERY).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].attribute("error_code"), "rejected", "{letters:?}");
    let error = letters[0].attribute("error");
    let expected =
        "publish the events again that were written from 2026-11-23T08:00:00Z to 2026-11-23T08:10:00Z";
    assert!(error.contains(expected), "{error}");
}

#[tokio::test(start_paused = true)]
async fn empty_pages_in_the_middle_of_a_shard_are_followed_and_the_records_behind_them_saved() {
    let outage = Outage::default();
    let (of_relay, pages) = (outage.clone(), Arc::new(AtomicU32::new(0)));
    let empty = pages.clone();
    let bundle = bundle(faults(move |call| {
        if &*call.caller == RELAY && !of_relay.is_over() {
            broken(call.service)
        } else if call.operation == "GetRecords" && empty.fetch_add(1, Ordering::Relaxed) % 41 < 40 {
            Fault::EmptyPage
        } else {
            Fault::None
        }
    }))
    .await;
    let stream = lend(&bundle, "l-1").await;
    while bundle.outbox().await.is_empty() {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(bundle.age() < Duration::from_hours(8), "nothing was saved");
    }
    outage.mend();
    bundle.settle().await;
    assert!(
        pages.load(Ordering::Relaxed) >= 41,
        "the pages were empty at first"
    );
    assert_eq!(bundle.types(&stream).await, ALL);
    assert_eq!(bundle.take_all_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn what_lambda_never_said_is_malformed() {
    let bundle = bundle(faults(|_| Fault::None)).await;
    for body in ["no JSON", "[]", r#"{"DDBStreamBatchInfo":{"shardId":7}}"#] {
        bundle.send(RECOVERY, body).await;
    }
    bundle.settle().await;
    let letters = bundle.take_letters(RECOVERY).await;
    assert_eq!(letters.len(), 3);
    for letter in letters {
        assert_eq!(letter.attribute("error_code"), "malformed");
        let error = letter.attribute("error");
        assert!(error.contains("DDBStreamBatchInfo"), "{error}");
    }
}
