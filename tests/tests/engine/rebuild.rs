//! A view is made anew from the event table, or compared with it, while both are in use.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_adapters::{
    Found, Put, RebuildCheckpoint, RebuildTally, Rebuilder, Replacing, Shows, ViewReader, ViewRow, ViewTable,
};
use eventsourcing::{Commit, NewEvent, Position, Read, Timestamp, View, Viewed, assemble, computed_id};
use library::loans_view::Loans;
use local::StackOptions;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::database;
use testkit::running::Running;
use tokio::time::Instant;

use crate::loans::{item, lent, lent_after};
use crate::options;

const CALLER: &str = "rebuilder";

/// A bundle whose stream nobody reads, so that rows are there only if the test puts them.
async fn without_relay() -> Running {
    Running::start(StackOptions {
        relays: 0,
        ..options()
    })
    .await
}

fn table(bundle: &Running) -> ViewTable {
    let dynamodb = bundle.stack.connection(CALLER).dynamodb;
    ViewTable::new(dynamodb, bundle.stack.names().view_table(Loans::NAME), Loans::KEY)
}

fn shows(bundle: &Running) -> Shows {
    let mut views = bundle.stack.registry().views();
    views.next().expect("the library has a view").shows()
}

fn rebuilder(bundle: &Running) -> Rebuilder {
    let dynamodb = bundle.stack.connection(CALLER).dynamodb;
    let events = bundle.stack.names().events_table();
    Rebuilder::new(dynamodb, events, table(bundle), shows(bundle))
}

fn beginning() -> RebuildCheckpoint {
    RebuildCheckpoint::start(
        "local-loans".into(),
        NonZeroU32::new(4).expect("four is not zero"),
    )
}

async fn to_the_end(rebuilder: &Rebuilder, checkpoint: RebuildCheckpoint) -> RebuildTally {
    let mut run = rebuilder.run(checkpoint);
    while let Some(looked) = run.next().await {
        looked.expect("nothing stops it");
    }
    assert!(run.checkpoint().is_done());
    run.checkpoint().done.clone()
}

async fn rebuild(bundle: &Running) -> RebuildTally {
    to_the_end(&rebuilder(bundle), beginning()).await
}

async fn compare(bundle: &Running) -> RebuildTally {
    to_the_end(&rebuilder(bundle).comparing_only(), beginning()).await
}

/// What is wrong, by row.
fn found(tally: &RebuildTally) -> Vec<(&str, Found)> {
    let differences = tally.differences.iter();
    let mut found: Vec<_> = differences.map(|of| (of.id.as_str(), of.found)).collect();
    found.sort_unstable();
    found
}

/// The item of a second commit, in which the member of a loan was reminded.
fn then_reminded(id: &str) -> Value {
    let mut reminded = crate::loans::reminded(id);
    reminded["revision"] = json!({ "N": "2" });
    reminded["last_revision"] = json!({ "N": "2" });
    reminded
}

/// An item of a view's table, past all code.
fn put_row(bundle: &Running, row: &Value) {
    database::ask(
        &bundle.stack,
        "PutItem",
        &json!({ "TableName": "local-loans", "Item": row }),
    );
}

fn rows(bundle: &Running) -> Vec<Value> {
    let mut rows = bundle.raw_items("local-loans");
    rows.sort_by_key(|row| row["loan_id"]["S"].to_string());
    rows
}

/// A row that was put by a rule, with something else in it.
fn tampered(bundle: &Running, id: &str, attribute: &str, value: Value) {
    let mut rows = rows(bundle);
    let mut row = rows
        .iter_mut()
        .find(|row| row["loan_id"]["S"] == id)
        .expect("it is there")
        .take();
    row[attribute] = value;
    put_row(bundle, &row);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_lost_is_made_anew_row_by_row_as_the_function_makes_it() {
    let bundle = Running::start(options()).await;
    for n in 0..30 {
        crate::loans::lend(&bundle, &format!("l-{n}")).await;
    }
    bundle.settle().await;
    let shown = rows(&bundle);
    assert_eq!(shown.len(), 30);
    assert_eq!(found(&compare(&bundle).await), []);
    for row in &shown {
        bundle.delete_item("local-loans", &json!({ "loan_id": row["loan_id"] }));
    }
    assert_eq!(found(&compare(&bundle).await).len(), 30);
    let tally = rebuild(&bundle).await;
    assert_eq!((tally.streams, tally.shown, tally.renewed), (30, 30, 30));
    assert_eq!(rows(&bundle), shown);
    assert_eq!(rebuild(&bundle).await.renewed, 0, "what is right costs no write");
}

#[tokio::test(start_paused = true)]
async fn each_way_in_which_a_row_is_wrong_is_told_and_what_a_stream_accounts_for_is_set_right() {
    let bundle = without_relay().await;
    for id in ["l-1", "l-2", "l-3", "l-4", "l-5"] {
        bundle.put(&lent(id));
    }
    rebuild(&bundle).await;
    let right = rows(&bundle);
    bundle.delete_item("local-loans", &json!({ "loan_id": { "S": "l-1" } }));
    bundle.put(&then_reminded("l-2"));
    tampered(&bundle, "l-3", "member_id", json!({ "S": "somebody else" }));
    tampered(&bundle, "l-4", "revision", json!({ "N": "7" }));
    put_row(
        &bundle,
        &json!({ "loan_id": { "S": "l-9" }, "revision": { "N": "1" } }),
    );

    let compared = compare(&bundle).await;
    let wrong = [
        ("l-1", Found::Missing),
        ("l-2", Found::Behind),
        ("l-3", Found::Differs),
        ("l-4", Found::Ahead),
        ("l-9", Found::LeftOver),
    ];
    assert_eq!(found(&compared), wrong);
    let third = compared
        .differences
        .iter()
        .find(|of| of.id == "l-3")
        .expect("it is told");
    let names: Vec<_> = third.attributes.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["member_id"]);
    assert_eq!(third.attributes[0].in_row.as_deref(), Some("somebody else"));
    assert_eq!(third.attributes[0].of_stream.as_deref(), Some("ada"));

    let rebuilt = rebuild(&bundle).await;
    assert_eq!(rebuilt.renewed, 3);
    assert_eq!(found(&rebuilt), wrong[3..], "nobody deletes them");
    assert_eq!(found(&compare(&bundle).await), wrong[3..]);
    let rows = rows(&bundle);
    assert_eq!((&rows[0], &rows[2]), (&right[0], &right[2]));
    assert_eq!(rows[1]["phase"]["S"], "reminded");
    assert_eq!(rows.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_on_its_way_is_read_again_before_it_is_called_behind() {
    let bundle = without_relay().await;
    for id in ["l-1", "l-2"] {
        bundle.put(&lent(id));
    }
    rebuild(&bundle).await;
    for id in ["l-1", "l-2"] {
        bundle.put(&then_reminded(id));
    }
    // The function that shows the first of them is a second late, and the other event is lost.
    let comparing = async {
        let began = Instant::now();
        (compare(&bundle).await, began.elapsed())
    };
    let showing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let store = aws_adapters::DynamoDbEventStore::new(
            bundle.stack.connection(CALLER).dynamodb,
            bundle.stack.names().events_table(),
        );
        let stream = crate::loans::stream("l-1");
        let read = eventsourcing::Read::Consistent;
        let loaded = eventsourcing::EventStore::load(&store, &stream, read).await;
        let loaded = loaded.expect("it is there");
        let viewed = Viewed::of::<Loans>(&loaded)
            .expect("it can be read")
            .expect("it is shown");
        table(&bundle)
            .put(&viewed, Replacing::Older)
            .await
            .expect("it can be written")
    };
    let ((compared, took), put) = tokio::join!(comparing, showing);
    assert!(matches!(put, Put::Shown(Some(_))), "{put:?}");
    assert_eq!(found(&compared), [("l-2", Found::Behind)]);
    assert!(took.as_secs() >= 5, "it was called behind after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_read_is_told_and_the_others_are_shown() {
    let bundle = without_relay().await;
    for id in ["l-1", "l-2"] {
        bundle.put(&lent(id));
    }
    bundle.put(&item("loan-l-broken", "BookLent", "{}"));
    let mut headless = then_reminded("l-headless");
    headless["commit_id"] = json!({ "S": "6ba7b811-9dad-41d1-80b4-00c04fd430c8" });
    bundle.put(&headless);
    put_row(
        &bundle,
        &json!({ "loan_id": { "S": "l-headless" }, "revision": { "N": "2" } }),
    );
    let tally = rebuild(&bundle).await;
    assert_eq!((tally.shown, tally.renewed), (2, 2));
    let mut unreadable: Vec<_> = tally.unreadable.iter().map(|of| of.stream_id.as_str()).collect();
    unreadable.sort_unstable();
    assert_eq!(unreadable, ["loan-l-broken", "loan-l-headless"]);
    assert_eq!(found(&tally), [], "nobody knows their rows");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_left_off_goes_on_where_it_was_and_every_stream_is_looked_at() {
    let bundle = without_relay().await;
    for n in 0..1_000 {
        bundle.put(&lent_after(&format!("l-{n}"), 0));
    }
    let rebuilder = rebuilder(&bundle);
    let mut run = rebuilder.run(beginning());
    for _ in 0..3 {
        run.next()
            .await
            .expect("there is more")
            .expect("nothing stops it");
    }
    let kept = serde_json::to_string(run.checkpoint()).expect("a checkpoint can be kept");
    drop(run);
    let before = rows(&bundle).len();
    assert!(
        (200..900).contains(&before),
        "{before} rows before it was left off"
    );
    let kept: RebuildCheckpoint = serde_json::from_str(&kept).expect("a kept checkpoint can be read");
    let tally = to_the_end(&rebuilder, kept).await;
    assert_eq!(
        (tally.streams, tally.shown),
        (1_000, 1_000),
        "each is counted once"
    );
    assert_eq!(rows(&bundle).len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn no_more_streams_are_looked_at_than_the_rate_allows() {
    let bundle = without_relay().await;
    for n in 0..300 {
        bundle.put(&lent_after(&format!("l-{n}"), 0));
    }
    let began = Instant::now();
    let rate = NonZeroU32::new(20).expect("twenty is not zero");
    to_the_end(&rebuilder(&bundle).at_rate(rate), beginning()).await;
    let took = began.elapsed().as_secs_f64();
    assert!(
        (13.0..17.0).contains(&took),
        "300 streams at 20 a second took {took} s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_comparison_writes_nothing() {
    let bundle = without_relay().await;
    for n in 0..20 {
        bundle.put(&lent(&format!("l-{n}")));
    }
    bundle.forget_calls();
    let compared = compare(&bundle).await;
    assert_eq!((compared.renewed, compared.differences.len()), (0, 20));
    assert!(compared.write_units >= 20, "it tells what that would cost");
    assert_eq!(bundle.calls_of(CALLER, "PutItem").len(), 0);
    assert_eq!(rows(&bundle), Vec::<Value>::new());
}

/// The rows of a loan as its stream grows: after `revisions` events, some of which only a newer version knows.
fn grown(id: &str, revisions: u64) -> Vec<Viewed> {
    let stream = crate::loans::stream(id);
    let mut data = crate::loans::loan(id);
    data["lent_at"] = json!("2026-11-23T08:00:00.000Z");
    data["due_at"] = json!("2026-11-23T09:00:00.000Z");
    data["reminded_at"] = json!("2026-11-23T09:00:00.000Z");
    let mut commits: Vec<Commit> = Vec::new();
    let grown = (1..=revisions).map(|revision| {
        let event = NewEvent {
            event_type: match revision {
                1 => "BookLent",
                3 => "MemberReminded",
                _ => "BookPraised",
            },
            schema_version: 1,
            data: data.to_string(),
            correlation_id: "chain".into(),
            causation_id: format!("cause {revision}"),
            trace: None,
        };
        let position = commits.last().map_or(Position::START, Commit::end);
        let commit_id = computed_id(&format!("commit/{revision}"));
        let at = Timestamp::from(testkit::running::at(Duration::from_secs(revision)));
        commits.push(Commit::at(position, &stream, commit_id, at, vec![event]));
        let stream = assemble(&stream, commits.clone()).expect("the commits tile the stream");
        let viewed = Viewed::of::<Loans>(&stream).expect("it can be read");
        viewed.expect("a loan that was lent is shown")
    });
    grown.collect()
}

/// Which of the rows come, in which order: some twice, some never.
fn deliveries() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..6_usize, 1..24)
}

/// A function that read its stream long ago may put its row after one that read it since: the table is where they
/// are told apart.
#[test]
fn rows_that_come_late_doubled_shuffled_or_not_at_all_never_take_the_table_back() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime needs nothing to start");
    let bundle = runtime.block_on(without_relay());
    let table = table(&bundle);
    let reader = ViewReader::new(bundle.observer.dynamodb.clone(), "local-loans".into(), "loan_id");
    let mut config = ProptestConfig::with_cases(64);
    config.failure_persistence = None;
    let run = Cell::new(0);
    proptest!(config, |(deliveries in deliveries(), same in any::<bool>())| {
        run.set(run.get() + 1);
        let id = format!("l-{}", run.get());
        let rows = grown(&id, 6);
        runtime.block_on(async {
            let replacing = if same { Replacing::OlderAndSame } else { Replacing::Older };
            let mut newest = 0;
            for place in &deliveries {
                let row = &rows[*place];
                let put = table.put(row, replacing).await.expect("it can be written");
                let is_newer = row.revision > newest || same && row.revision == newest;
                assert_eq!(put != Put::Known, is_newer, "{deliveries:?}");
                newest = newest.max(row.revision);
                let stands = reader.row(&id, Read::Consistent).await.expect("it can be read");
                let knows = stands.as_ref().and_then(|row| row.number("revision")).expect("it is there");
                assert_eq!(knows, newest.to_string(), "after {deliveries:?}");
            }
            // What was lost is made good by the next that comes.
            table.put(&rows[5], replacing).await.expect("it can be written");
            let stands = reader.row(&id, Read::Consistent).await.expect("it can be read");
            assert_eq!(stands, Some(ViewRow::from(table.item(&rows[5]))));
        });
    });
}

/// The function itself: its events come late, doubled and shuffled, and those that are lost a rebuild makes good.
#[test]
fn whatever_becomes_of_a_views_events_its_rows_are_what_the_streams_amount_to() {
    let mut config = ProptestConfig::with_cases(16);
    config.failure_persistence = None;
    proptest!(config, |(deliveries in proptest::collection::vec((0..8_usize, 1..=2_u64), 0..24))| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime needs nothing to start").block_on(async {
            let bundle = without_relay().await;
            for n in 0..8 {
                bundle.put(&lent(&format!("l-{n}")));
            }
            for (place, (n, revision)) in deliveries.iter().enumerate() {
                // The second event is recorded while the first ones are delivered.
                if place == deliveries.len() / 2 {
                    for n in 0..8 {
                        bundle.put(&then_reminded(&format!("l-{n}")));
                    }
                }
                bundle.send("view-loans", &heard(&format!("l-{n}"), *revision)).await;
                if place % 3 == 0 {
                    bundle.settle().await;
                }
            }
            bundle.settle().await;
            let heard: BTreeSet<_> = deliveries.iter().map(|(n, _)| format!("l-{n}")).collect();
            let before = rows(&bundle);
            let shown: BTreeSet<_> =
                before.iter().map(|row| row["loan_id"]["S"].as_str().unwrap_or_default().to_owned()).collect();
            assert_eq!(shown, heard, "what was heard of is shown");
            rebuild(&bundle).await;
            assert_eq!(found(&compare(&bundle).await), []);
            for row in before {
                let id = &row["loan_id"];
                let after = rows(&bundle).into_iter().find(|row| row["loan_id"] == *id).expect("it stays");
                assert!(revision(&after) >= revision(&row), "it never goes back");
            }
        });
    });
}

fn revision(row: &Value) -> u64 {
    let number = row["revision"]["N"]
        .as_str()
        .and_then(|number| number.parse().ok());
    number.expect("a row has a revision")
}

/// A message of an event, as far as the function of a view reads it.
fn heard(id: &str, revision: u64) -> String {
    let kind = if revision == 1 {
        "BookLent"
    } else {
        "MemberReminded"
    };
    let event = if revision == 1 {
        lent(id)
    } else {
        then_reminded(id)
    };
    let event = &event["events"]["L"][0]["M"];
    let data: Value = serde_json::from_str(event["data"]["S"].as_str().expect("a text")).expect("JSON");
    json!({
        "id": format!("{id}/{revision}"), "type": kind, "stream_id": format!("loan-{id}"), "revision": revision,
        "event": data,
        "metadata": { "correlation_id": "chain", "causation_id": "cause", "timestamp": "2026-11-23T08:00:00.000Z" },
    })
    .to_string()
}
