//! Publishing again: what the stream lost is made up for from the table, and no effect comes twice.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{Bus, Checkpoint, Outbox, Publisher, Republisher, Selection, Tally};
use embedded_aws::transport::{Fault, Faults};
use eventsourcing::{Clock, StreamId, Timestamp};
use local::StackOptions;
use serde_json::{Value, json};
use testkit::running::{Running, at, text};
use testkit::weather::{broken, faults};
use tokio::time::Instant;

use crate::loans::{ALL, command, lend, lent_after};
use crate::options;

const CALLER: &str = "republisher";

/// A bundle whose stream nobody reads.
async fn without_relay(faults: Option<Arc<dyn Faults>>) -> Running {
    Running::start(StackOptions {
        relays: 0,
        faults,
        ..options()
    })
    .await
}

struct BundleClock(embedded_aws::Clock);

impl Clock for BundleClock {
    fn now(&self) -> Timestamp {
        self.0.now().into()
    }
}

fn republisher(bundle: &Running) -> Republisher {
    let connection = bundle.stack.connection(CALLER);
    let bus = Bus::new(connection.sqs.clone(), &bundle.queue_url_prefix());
    let outbox = Outbox::new(connection.dynamodb.clone(), bundle.stack.names().outbox_table());
    let publisher = Publisher::new(bundle.stack.registry().routes(), bus);
    Republisher::new(
        connection.dynamodb,
        publisher,
        outbox,
        Arc::new(BundleClock(bundle.stack.clock())),
    )
}

fn beginning(bundle: &Running, selection: Selection) -> Checkpoint {
    let segments = NonZeroU32::new(4).expect("four is not zero");
    Checkpoint::start(bundle.stack.names().events_table(), selection, segments)
}

fn all(bundle: &Running) -> Checkpoint {
    beginning(bundle, Selection::all())
}

/// Publishes to the end.
async fn publish(republisher: &Republisher, checkpoint: Checkpoint) -> Tally {
    let mut run = republisher.run(checkpoint);
    while let Some(page) = run.next().await {
        page.expect("nothing stops it");
    }
    assert!(run.checkpoint().is_done());
    run.checkpoint().done.clone()
}

/// The messages that the republisher sent, by queue.
fn sent(bundle: &Running) -> BTreeMap<String, Vec<Value>> {
    let mut sent: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for call in bundle.calls_of(CALLER, "SendMessageBatch") {
        let entries = call.request["Entries"].as_array().cloned().unwrap_or_default();
        let bodies = entries
            .iter()
            .filter_map(|entry| serde_json::from_str(entry["MessageBody"].as_str()?).ok());
        sent.entry(call.resource.replacen("local-", "", 1))
            .or_default()
            .extend(bodies);
    }
    sent
}

fn by_queue(tally: &Tally) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (queue, count) in tally.messages.values().flatten() {
        *counts.entry(queue.clone()).or_default() += usize::try_from(*count).expect("a small number");
    }
    counts
}

/// Loans, one in five of which went on when the stream was lost: what the step had sent by then is on its
/// queue.
async fn a_day_of_business(bundle: &Running) -> Vec<StreamId> {
    let mut loans = Vec::new();
    for n in 0..60 {
        let id = format!("l-{n}");
        loans.push(lend(bundle, &id).await);
        if n % 5 == 0 {
            let due_at = "2026-11-23T08:01:00Z";
            let remind = json!({ "loan_id": id, "due_at": due_at });
            bundle.send("remind-member", &command(&remind)).await;
        }
    }
    loans
}

#[tokio::test(start_paused = true)]
async fn when_the_stream_is_lost_for_a_day_all_loans_go_on_afterwards_with_no_effect_twice() {
    let mut bundle = without_relay(None).await;
    let loans = a_day_of_business(&bundle).await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert_eq!(
        bundle.types(&loans[1]).await,
        ["BookLent"],
        "nobody has heard of it"
    );
    let lost_until: Timestamp = bundle.stack.clock().now().into();

    bundle.stack.start_relay().await.expect("the relay starts");
    let selection = Selection::range(Some(Timestamp::from(at(Duration::ZERO))), Some(lost_until));
    let tally = publish(&republisher(&bundle), beginning(&bundle, selection.clone())).await;
    assert_eq!(tally.undelivered, []);
    bundle.settle().await;
    for loan in &loans {
        assert_eq!(bundle.types(loan).await, ALL);
    }
    assert_eq!(bundle.take_all_letters().await, []);

    // Once more, when all is done: nothing changes.
    let before = bundle.commits().await.len();
    publish(&republisher(&bundle), beginning(&bundle, selection)).await;
    bundle.settle().await;
    assert_eq!(bundle.commits().await.len(), before);
    assert_eq!(bundle.take_all_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_sends_nothing_and_counts_what_is_sent_then() {
    let bundle = without_relay(None).await;
    a_day_of_business(&bundle).await;
    bundle.settle().await;
    bundle.forget_calls();
    let counted = publish(&republisher(&bundle).counting_only(), all(&bundle)).await;
    assert_eq!(sent(&bundle), BTreeMap::new());
    assert!(counted.commits >= 60 && counted.total() >= 60, "{counted:?}");
    let published = publish(&republisher(&bundle), all(&bundle)).await;
    assert_eq!(published, counted);
    let sent: BTreeMap<_, _> = sent(&bundle)
        .into_iter()
        .map(|(queue, bodies)| (queue, bodies.len()))
        .collect();
    assert_eq!(sent, by_queue(&counted));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_interrupted_goes_on_where_it_was_and_every_commit_is_published() {
    let bundle = without_relay(None).await;
    let loans: BTreeSet<_> = (0..1_000).map(|n| format!("loan-l-{n}")).collect();
    for stream in &loans {
        bundle.put(&lent_after(stream.trim_start_matches("loan-"), 0));
    }
    let republisher = republisher(&bundle);
    let mut run = republisher.run(all(&bundle));
    for _ in 0..3 {
        run.next()
            .await
            .expect("there is more")
            .expect("nothing stops it");
    }
    let kept = serde_json::to_string(run.checkpoint()).expect("a checkpoint can be kept");
    drop(run);
    let done = sent(&bundle)["on-book-lent"].len();
    assert!(
        (200..800).contains(&done),
        "{done} of 1000 were sent before the interruption"
    );

    let kept: Checkpoint = serde_json::from_str(&kept).expect("a kept checkpoint can be read");
    assert!(!kept.is_done());
    let tally = publish(&republisher, kept).await;
    assert_eq!(
        (tally.commits, tally.total()),
        (1_000, 2 * 1_000),
        "each is counted once for the step and once for the view"
    );
    let bodies = &sent(&bundle)["on-book-lent"];
    let streams: BTreeSet<_> = bodies
        .iter()
        .filter_map(|body| body["stream_id"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(streams, loans);
    assert!(
        bodies.len() < 1_000 + 4 * 100,
        "{} messages: not from the beginning",
        bodies.len()
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_is_sent_than_the_rate_allows() {
    let bundle = without_relay(None).await;
    // Each of them goes to the step and to the view.
    for n in 0..150 {
        bundle.put(&lent_after(&format!("l-{n}"), 0));
    }
    let began = Instant::now();
    let rate = NonZeroU32::new(20).expect("twenty is not zero");
    publish(&republisher(&bundle).at_rate(rate), all(&bundle)).await;
    let took = began.elapsed().as_secs_f64();
    assert!(
        (14.0..17.0).contains(&took),
        "300 messages at 20 a second took {took} s"
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_was_committed_in_the_range_is_published_its_end_not_included() {
    let bundle = without_relay(None).await;
    for seconds in [9, 10, 15, 20] {
        bundle.put(&lent_after(&format!("l-{seconds}"), seconds));
    }
    let moment = |seconds| Some(Timestamp::from(at(Duration::from_secs(seconds))));
    let counted = async |from, to| {
        let checkpoint = beginning(&bundle, Selection::range(from, to));
        publish(&republisher(&bundle).counting_only(), checkpoint)
            .await
            .commits
    };
    assert_eq!(counted(moment(10), moment(20)).await, 2);
    assert_eq!(counted(moment(10), None).await, 3);
    assert_eq!(counted(None, moment(10)).await, 1);
    assert_eq!(counted(None, None).await, 4);
}

#[tokio::test(start_paused = true)]
async fn one_stream_can_be_published_by_itself() {
    let bundle = without_relay(None).await;
    for n in 0..3 {
        bundle.put(&lent_after(&format!("l-{n}"), 0));
    }
    let stream: StreamId = "loan-l-1".parse().expect("a stream's name");
    let tally = publish(
        &republisher(&bundle),
        beginning(&bundle, Selection::stream(&stream)),
    )
    .await;
    assert_eq!((tally.commits, tally.total()), (1, 2));
    assert_eq!(sent(&bundle)["on-book-lent"][0]["stream_id"], "loan-l-1");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_or_sent_is_reported_and_in_the_outbox_and_the_rest_is_published() {
    let unreachable = faults(|call| {
        if &*call.caller == CALLER && call.resource() == Some("local-mail") {
            broken(call.service)
        } else {
            Fault::None
        }
    });
    let bundle = without_relay(Some(unreachable)).await;
    bundle.put(&lent_after("good", 10));
    let mut timeless = lent_after("timeless", 10);
    timeless["committed_at"] = json!({ "S": "noon" });
    bundle.put(&timeless);
    let mut empty = lent_after("empty", 10);
    empty["events"] = json!({ "S": "none" });
    bundle.put(&empty);
    let mut unsent = lent_after("p", 10);
    unsent["stream_id"] = json!({ "S": "shelf-p" });
    unsent["events"]["L"][0]["M"]["event_type"] = json!({ "S": "MemberReminded" });
    bundle.put(&unsent);

    let moment = |seconds| Some(Timestamp::from(at(Duration::from_secs(seconds))));
    let selection = Selection::range(moment(5), moment(15));
    let tally = publish(&republisher(&bundle), beginning(&bundle, selection)).await;
    let to_both = ["on-book-lent", "view-loans"].map(|queue| (queue.to_owned(), 1));
    assert_eq!(by_queue(&tally), BTreeMap::from(to_both));
    let mut reported: Vec<_> = tally
        .undelivered
        .iter()
        .map(|undelivered| {
            (
                undelivered.stream_id.as_str(),
                undelivered.revision.to_string(),
                undelivered.error.as_str(),
            )
        })
        .collect();
    reported.sort_unstable();
    let expected = [
        ("loan-empty", "its item is no commit"),
        ("loan-timeless", "committed_at is not a timestamp"),
        ("shelf-p", "mail"),
    ];
    assert_eq!(reported.len(), expected.len(), "{reported:?}");
    for ((stream, revision, error), (expected_stream, part)) in reported.iter().zip(expected) {
        assert_eq!((*stream, revision.as_str()), (expected_stream, "1"));
        assert!(error.contains(part), "{error}");
    }
    let outbox = bundle.outbox().await;
    let saved: BTreeSet<_> = outbox.iter().map(|entry| text(entry, "stream_id")).collect();
    assert_eq!(saved, BTreeSet::from(["loan-empty", "loan-timeless", "shelf-p"]));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_can_neither_be_sent_nor_saved_stops_the_run_before_its_checkpoint() {
    let until = Instant::now() + Duration::from_mins(10);
    let outage = faults(move |call| {
        let hit = call.resource() == Some("local-on-book-lent") || call.operation == "UpdateItem";
        if &*call.caller == CALLER && hit && Instant::now() < until {
            broken(call.service)
        } else {
            Fault::None
        }
    });
    let bundle = without_relay(Some(outage)).await;
    for n in 0..30 {
        bundle.put(&lent_after(&format!("l-{n}"), 0));
    }
    let republisher = republisher(&bundle);
    let mut run = republisher.run(all(&bundle));
    let mut stopped = None;
    while let Some(step) = run.next().await {
        if let Err(error) = step {
            stopped = Some(error.to_string());
            break;
        }
    }
    let stopped = stopped.expect("something stops it");
    assert!(stopped.contains("not be saved in the outbox either"), "{stopped}");
    let kept = run.checkpoint().clone();
    drop(run);
    assert_eq!(kept.done.commits, 0);

    tokio::time::sleep_until(until).await;
    assert_eq!(publish(&republisher, kept).await.total(), 2 * 30);
    assert!(bundle.outbox().await.is_empty());
}
