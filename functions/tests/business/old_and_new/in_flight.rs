//! Orders and groups that an earlier version left at every stage come to their ends on this one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use domain::deadlines::SHIPMENT_DEADLINE;
use embedded_aws::Service;
use embedded_aws::transport::{Call, Fault, Faults};
use functions::scenarios::Ids;
use local::{StackOptions, Storage};
use serde_json::{Value, json};
use testkit::running::Running;
use testkit::weather::broken;

use super::{folder, writes};
use crate::invariants::Findings;
use crate::options;

const FILE: &str = "in-flight.jsonl";

/// A story that stops after so many commits.
struct Stopped {
    streams: BTreeSet<String>,
    commits: usize,
}

/// Refuses whatever a story would write after its last commit.
struct Stops {
    stories: Vec<Stopped>,
    written: Mutex<BTreeMap<usize, BTreeSet<String>>>,
}

#[async_trait]
impl Faults for Stops {
    async fn before(&self, call: &Call) -> Fault {
        let item = &call.request()["Item"];
        let stream = item["stream_id"]["S"].as_str().unwrap_or_default();
        let of = self
            .stories
            .iter()
            .position(|story| story.streams.contains(stream));
        let (true, Some(story)) = (call.operation == "PutItem", of) else {
            return Fault::None;
        };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = written.entry(story).or_default();
        let commit = item["commit_id"]["S"].as_str().unwrap_or_default();
        if commits.contains(commit) || commits.len() < self.stories[story].commits {
            commits.insert(commit.to_owned());
            Fault::None
        } else {
            broken(Service::DynamoDb)
        }
    }
}

/// Carts by what happens to them, and the stages at which they stop: after so many commits.
const ORDERS: [(&str, f64, &str, &[usize]); 5] = [
    ("goes-well", 19.98, "p-1", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("declined", 402.0, "p-1", &[4, 5]),
    ("out-of-stock", 20.0, "out-of-stock", &[7, 8, 9]),
    ("paid-late", 410.0, "p-1", &[4, 5, 6]),
    ("lost-parcel", 20.0, "lost-parcel", &[6, 7, 8]),
];
/// The same for a group of three, of whom one owes something.
const GROUPS: [usize; 5] = [5, 6, 8, 10, 11];
/// Withdrawn before it is paid.
const WITHDRAWN: [usize; 2] = [4, 5];

fn cart(id: &str, total: f64, product: &str) -> Value {
    json!({
        "cart_id": id, "client_id": "u-1", "total_price": total,
        "product_items": [{ "product_id": product, "quantity": 2, "unit_price": total / 2.0 }],
    })
}

fn guests_of(group: &str) -> [String; 3] {
    ["ada", "bob", "cleo"].map(|guest| format!("{group}-{guest}"))
}

/// All of them on one stack, left where they stop.
async fn leave_in_flight() -> Vec<Value> {
    let mut stories = Vec::new();
    let mut carts = Vec::new();
    for (name, total, product, stages) in ORDERS {
        carts.extend(
            stages
                .iter()
                .map(|&stage| (cart(&format!("{name}-{stage}"), total, product), stage)),
        );
    }
    let withdrawn = WITHDRAWN.map(|stage| (cart(&format!("withdrawn-{stage}"), 408.0, "p-1"), stage));
    for (cart, commits) in carts.iter().chain(&withdrawn) {
        let ids = Ids::of_cart(cart).expect("the cart has an id");
        let streams = ids.streams().map(|stream| stream.to_string()).into();
        stories.push(Stopped {
            streams,
            commits: *commits,
        });
    }
    for commits in GROUPS {
        let group = format!("group-{commits}");
        let mut streams: BTreeSet<_> = guests_of(&group).map(|guest| format!("guestStay-{guest}")).into();
        streams.insert(format!("groupCheckout-{group}"));
        stories.push(Stopped { streams, commits });
    }
    let bundle = Running::start(StackOptions {
        faults: Some(Arc::new(Stops {
            stories,
            written: Mutex::default(),
        })),
        ..options()
    })
    .await;
    for (cart, _) in carts.iter().chain(&withdrawn) {
        bundle
            .send("finalize-cart", &json!({ "command": cart }).to_string())
            .await;
    }
    for (cart, _) in &withdrawn {
        let ids = Ids::of_cart(cart).expect("the cart has an id");
        let [_, _, payment, _] = ids.streams();
        bundle.until(&payment, "PaymentRequested").await;
        let command = json!({ "order_id": ids.order, "reason": "changed my mind" });
        bundle
            .send("withdraw-order", &json!({ "command": command }).to_string())
            .await;
    }
    for commits in GROUPS {
        check_out(&bundle, &format!("group-{commits}")).await;
    }
    bundle.settle().await;
    let mut items = bundle.raw_commits();
    items.sort_by_key(ToString::to_string);
    items
}

async fn check_out(bundle: &Running, group: &str) {
    let guests = guests_of(group);
    for guest in &guests {
        bundle
            .send(
                "check-in-guest",
                &json!({ "command": { "guest_stay_id": guest } }).to_string(),
            )
            .await;
        let stream = format!("guestStay-{guest}").parse().expect("a stream's name");
        bundle.until(&stream, "GuestCheckedIn").await;
    }
    let charge = json!({ "guest_stay_id": guests[2], "charge_id": "minibar", "amount": 12.5 });
    bundle
        .send("record-charge", &json!({ "command": charge }).to_string())
        .await;
    let owing = format!("guestStay-{}", guests[2])
        .parse()
        .expect("a stream's name");
    bundle.until(&owing, "ChargeRecorded").await;
    let initiate = json!({ "group_checkout_id": group, "guest_stay_ids": guests });
    bundle
        .send(
            "initiate-group-checkout",
            &json!({ "command": initiate }).to_string(),
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn every_stage_of_orders_and_groups_is_in_the_table_that_version_1_left() {
    let path = folder(1).join(FILE);
    if writes() && !path.exists() {
        let items = leave_in_flight().await;
        let lines: Vec<_> = items.iter().map(ToString::to_string).collect();
        fs::create_dir_all(folder(1)).expect("it can be made");
        fs::write(&path, lines.join("\n") + "\n").expect("it can be written");
    }
    let mut stages: BTreeMap<String, usize> = BTreeMap::new();
    for item in items() {
        let stream = item["stream_id"]["S"].as_str().unwrap_or_default().to_owned();
        *stages.entry(stream).or_default() += 1;
    }
    for (name, _, _, limits) in ORDERS {
        for &limit in limits {
            let ids = Ids::of_cart(&cart(&format!("{name}-{limit}"), 1.0, "p-1")).expect("it has an id");
            let streams = ids
                .streams()
                .map(|stream| stages.get(stream.as_str()).copied().unwrap_or(0));
            assert_eq!(
                streams.iter().sum::<usize>(),
                limit,
                "{name} stopped at {streams:?}"
            );
        }
    }
}

fn items() -> Vec<Value> {
    let text = fs::read_to_string(folder(1).join(FILE)).expect("version 1 left a table");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an item is JSON"))
        .collect()
}

/// A folder of `cargo local up --data` of version 1: the tables are there, there are no queues, and everything
/// stored is published again. By now all deadlines have passed.
#[tokio::test(start_paused = true)]
async fn what_version_1_left_in_flight_comes_to_its_end() {
    let data = tempfile::tempdir().expect("a folder for the tables");
    let on_disk = || StackOptions {
        storage: Storage::Folder(data.path().to_owned()),
        epoch: SystemTime::now(),
        ..options()
    };
    let left = Running::start(StackOptions {
        functions: false,
        ..on_disk()
    })
    .await;
    let items = items();
    for item in &items {
        left.put(item);
    }
    left.stack.stop().await.expect("it stops");
    // Version 1 kept nothing beside its tables.
    let database = rusqlite::Connection::open(data.path().join("tables.sqlite")).expect("the tables");
    database
        .execute_batch("DROP TABLE _kept")
        .expect("this version's");
    drop(database);

    let bundle = Running::start(on_disk()).await;
    assert_eq!(bundle.stack.republished(), items.len() as u64);
    // What goes on has deadlines of its own, which are scheduled: the longest of them passes after a day.
    let rest = SHIPMENT_DEADLINE.default + std::time::Duration::from_mins(30);
    let settled = tokio::time::timeout(rest, bundle.settle()).await;
    assert!(settled.is_ok(), "{:?}", bundle.waiting());
    let findings = Findings::of(&bundle).await;
    assert_eq!(findings.problems(), [""; 0]);
    let counts = findings.counts;
    println!(
        "{} commits of version 1 were left in flight; at rest: {counts}",
        items.len()
    );
    let orders: usize = ORDERS.iter().map(|(_, _, _, stages)| stages.len()).sum();
    assert_eq!(counts.orders, orders + WITHDRAWN.len());
    assert_eq!(counts.completed + counts.cancelled, counts.orders);
    assert_eq!((counts.groups, counts.groups_ended), (GROUPS.len(), GROUPS.len()));
}
