//! What was acknowledged is there after the power was lost, at whatever moment that is.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use embedded_sqs::{Outgoing, QueueAttributes, Receive, Sqs};
use serde_json::{Value, json};

use super::{Durability, Store, committer};
use crate::clock::Clock;
use crate::dynamodb::DynamoDb;

const TABLE: &str = r#"{"TableName": "events", "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}"#;

fn queues() -> Sqs {
    Sqs::new(embedded_sqs::Settings {
        region: "eu-central-1".to_owned(),
        account: "000000000000".to_owned(),
        base_url: "http://127.0.0.1:4566".to_owned(),
        clock: Arc::new(SystemTime::now),
    })
}

fn ask(dynamodb: &DynamoDb, operation: &str, request: &Value) -> Value {
    let answer = dynamodb.handle(operation, request.to_string().as_bytes());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 200, "{operation}: {body}");
    body
}

/// Loses the power when the log is about to be synced for the `at`-th time: what is on the disk then is put aside, with
/// as much of what was written since the last sync as chance would have it.
struct PowerCut {
    at: u64,
    path: PathBuf,
    aside: PathBuf,
    syncs: u64,
    synced_bytes: u64,
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    before: Arc<Mutex<Option<BTreeSet<u64>>>>,
}

impl PowerCut {
    fn sync(&mut self, log: &fs::File) -> io::Result<()> {
        self.syncs += 1;
        if self.syncs == self.at {
            *self.before.lock().unwrap() = Some(self.acknowledged.lock().unwrap().clone());
            let written = log.metadata()?.len();
            let left = fastrand::u64(self.synced_bytes..=written);
            let mut kept = Vec::new();
            fs::File::open(super::file::write_ahead_log(&self.path))?
                .take(left)
                .read_to_end(&mut kept)?;
            fs::copy(&self.path, &self.aside)?;
            fs::write(super::file::write_ahead_log(&self.aside), kept)?;
        }
        log.sync_data()?;
        self.synced_bytes = log.metadata()?.len();
        Ok(())
    }
}

/// Puts an item, sends a message of the same number, and takes back the message before it, over and over.
async fn work(
    store: Store,
    dynamodb: DynamoDb,
    sqs: Sqs,
    numbers: Arc<AtomicU64>,
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
) {
    for _ in 0..40 {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let item = json!({ "TableName": "events", "Item": { "id": { "S": number.to_string() } } });
        ask(&dynamodb, "PutItem", &item);
        let body = number.to_string();
        sqs.send(
            "jobs",
            Outgoing {
                body,
                ..Outgoing::default()
            },
        )
        .unwrap();
        // A condition that does not hold undoes its own write alone.
        let refused = json!({ "TableName": "events", "Item": { "id": { "S": number.to_string() }, "twice": { "BOOL": true } },
            "ConditionExpression": "attribute_not_exists(id)" });
        assert_eq!(
            dynamodb.handle("PutItem", refused.to_string().as_bytes()).status,
            400
        );
        store.until_kept().await.unwrap();
        acknowledged.lock().unwrap().insert(number);
    }
}

fn left(path: &Path) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let store = Store::open(path, Clock::real(), super::Durability::Power).unwrap();
    let dynamodb = DynamoDb::kept_in(&store);
    let sqs = queues();
    store.keep_queues(&sqs).unwrap();
    let items = ask(&dynamodb, "Scan", &json!({ "TableName": "events" }));
    let items = items["Items"].as_array().unwrap().iter();
    let items = items.inspect(|item| assert!(item.get("twice").is_none(), "{item}"));
    let items = items.map(|item| item["id"]["S"].as_str().unwrap().parse().unwrap());
    let messages = sqs.look_at("jobs");
    let count = messages.len();
    let messages: BTreeSet<u64> = messages
        .iter()
        .map(|message| message.body.parse().unwrap())
        .collect();
    assert_eq!(messages.len(), count, "none twice");
    (items.collect(), messages)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_the_power_was_lost_at_any_moment() {
    let mut found = 0;
    for round in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("store"), folder.path().join("aside"));
        let (acknowledged, before) = (Arc::<Mutex<BTreeSet<u64>>>::default(), Arc::<Mutex<_>>::default());
        let mut cut = PowerCut {
            at: 3 + round,
            path: path.clone(),
            aside: aside.clone(),
            syncs: 0,
            synced_bytes: 0,
            acknowledged: acknowledged.clone(),
            before: before.clone(),
        };
        let sync = committer::Sync::by(move |log| cut.sync(log));
        let store = Store::with_sync(&path, Clock::real(), sync).unwrap();
        let (dynamodb, sqs) = (DynamoDb::kept_in(&store), queues());
        store.keep_queues(&sqs).unwrap();
        ask(&dynamodb, "CreateTable", &serde_json::from_str(TABLE).unwrap());
        sqs.create_queue("jobs", QueueAttributes::default()).unwrap();
        store.until_kept().await.unwrap();
        let numbers = Arc::<AtomicU64>::default();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let work = work(
                    store.clone(),
                    dynamodb.clone(),
                    sqs.clone(),
                    numbers.clone(),
                    acknowledged.clone(),
                );
                tokio::spawn(work)
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        let Some(before) = before.lock().unwrap().take() else {
            // It was over before there were so many syncs.
            continue;
        };
        let (items, messages) = left(&aside);
        assert!(
            items.is_superset(&before),
            "round {round}: items {before:?} and there are {items:?}"
        );
        assert!(
            messages.is_superset(&before),
            "round {round}: messages {before:?} and there are {messages:?}"
        );
        assert!(
            items.is_superset(&messages),
            "a message is there whose item came before it and is not"
        );
        found += before.len();
        // And nothing is lost without such a cut.
        drop((dynamodb, sqs, store));
        let (items, messages) = left(&path);
        assert_eq!((items.len(), messages.len()), (160, 160));
    }
    assert!(
        found > 100,
        "the cuts came when hardly anything had been acknowledged: {found}"
    );
}

#[tokio::test]
async fn a_message_that_was_taken_back_within_a_group_is_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(
        folder.path().join("store"),
        Clock::real(),
        super::Durability::Process,
    )
    .unwrap();
    let sqs = queues();
    store.keep_queues(&sqs).unwrap();
    sqs.create_queue("jobs", QueueAttributes::default()).unwrap();
    store.until_kept().await.unwrap();
    let body = "short".to_owned();
    sqs.send(
        "jobs",
        Outgoing {
            body,
            ..Outgoing::default()
        },
    )
    .unwrap();
    let received = sqs.receive("jobs", Receive::default()).await.unwrap();
    store.until_kept().await.unwrap();
    assert_eq!(store.entries("sqs-messages").unwrap().len(), 1);
    sqs.delete("jobs", &received[0].receipt_handle).unwrap();
    store.until_kept().await.unwrap();
    for collection in ["sqs-messages", "sqs-places"] {
        assert_eq!(store.entries(collection).unwrap(), [], "{collection}");
    }
}

#[tokio::test]
async fn a_disk_that_takes_no_more_is_told_to_whoever_waits_and_refuses_what_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let mut syncs = 0;
    let sync = committer::Sync::by(move |_| {
        syncs += 1;
        if syncs < 3 {
            Ok(())
        } else {
            Err(io::Error::other("database or disk is full"))
        }
    });
    let store = Store::with_sync(&folder.path().join("store"), Clock::real(), sync).unwrap();
    let dynamodb = DynamoDb::kept_in(&store);
    ask(&dynamodb, "CreateTable", &serde_json::from_str(TABLE).unwrap());
    store.until_kept().await.unwrap();
    let put = |id: &str| json!({ "TableName": "events", "Item": { "id": { "S": id } } }).to_string();
    let mut refused = None;
    for number in 0..5 {
        let answer = dynamodb.handle("PutItem", put(&number.to_string()).as_bytes());
        if answer.status == 200 && store.until_kept().await.is_ok() {
            continue;
        }
        refused.get_or_insert(number);
    }
    assert!(refused.is_some_and(|number| number < 4), "{refused:?}");
    assert!(store.failed().await.contains("the disk is full"));
    let answer = dynamodb.handle("PutItem", put("late").as_bytes());
    let told = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(
        answer.status == 500 && told.contains("the disk is full"),
        "{told}"
    );
}

#[test]
fn a_clock_that_was_moved_is_as_far_ahead_in_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let hours = |hours| Duration::from_hours(hours);
    let begin = || {
        let clock = Clock::real();
        let store = Store::open(folder.path().join("store"), clock.clone(), Durability::Process).unwrap();
        store.keep_clock().unwrap();
        (clock, store)
    };
    let (clock, store) = begin();
    assert_eq!(clock.ahead(), Duration::ZERO);
    assert!(clock.move_ahead(hours(10)) && clock.move_ahead(hours(1)));
    drop(store);
    let (clock, store) = begin();
    assert_eq!(clock.ahead(), hours(11));
    assert!(clock.move_ahead(hours(2)));
    drop(store);
    assert_eq!(begin().0.ahead(), hours(13));
}
