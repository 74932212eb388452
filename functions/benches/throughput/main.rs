//! Whole orders through the embedded stack, in real time on a multi-threaded runtime: how many a second
//! in a burst, in memory and in a folder, and how long one takes at a steady rate, in memory. The sender is in the same
//! process: over HTTP, and beside a peer, `tests/peers/run` measures.
//!
//! Aims, on two cores: 100 orders a second, and half of all orders done within 150 ms.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod machine;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use aws_adapters::{Bus, DynamoDbEventStore, Outgoing};
use domain::order::Order;
use domain::values::{CartId, OrderId};
use embedded_aws::Durability;
use embedded_aws::dynamodb::StreamPosition;
use eventsourcing::{Decider, EventStore, Read, StreamId};
use futures::future::join_all;
use local::{Stack, StackOptions, Storage};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

const BURST: u32 = 1_000;

/// The steady rate: an order each 50 ms. The first are not counted: they find everything cold.
const INTERVAL: Duration = Duration::from_millis(50);
const UNCOUNTED: usize = 40;
const COUNTED: usize = 600;

/// How long all orders may take before something must be wrong.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs benchmarks too, without this.
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    // As with other benchmarks, a part of a name chooses.
    let filter = arguments.into_iter().find(|argument| !argument.starts_with('-'));
    let chosen = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter));
    println!("{}", machine::told());
    if chosen("burst in memory") {
        burst("in memory", Storage::Memory, Durability::Process).await;
    }
    for (kept, durability) in [
        ("in a folder, each group of commits synced", Durability::Power),
        ("in a folder, left to the system to write", Durability::Process),
    ] {
        if chosen(&format!("burst {kept}")) {
            let folder = tempfile::tempdir().expect("the system has a folder for what is temporary");
            burst(kept, Storage::Folder(folder.path().to_owned()), durability).await;
        }
    }
    if chosen("steady") {
        steady().await;
    }
}

/// From the first command sent to the last order completed.
async fn burst(kept: &str, storage: Storage, durability: Durability) {
    let stack = stack(storage, durability).await;
    let carts: Vec<_> = (0..BURST).map(|number| format!("burst-{number}")).collect();
    let commands = carts.iter().map(|cart| finalize(cart)).collect();
    let bus = bus(&stack);

    let (started, busy_before) = (Instant::now(), machine::processor_time());
    let (sent, ()) = tokio::join!(bus.send(commands), completed(&stack, BURST.into()));
    let took = started.elapsed();
    let busy = machine::processor_time()
        .zip(busy_before)
        .map(|(busy, before)| busy.saturating_sub(before));

    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let store = DynamoDbEventStore::new(stack.observer().dynamodb, stack.names().events_table());
    let endings = join_all(carts.iter().map(|cart| async {
        let stream = store.load(&order_stream(cart), Read::Consistent).await;
        let stream = stream.expect("an order can be loaded");
        stream.events().last().map(|event| event.event_type.clone())
    }));
    let unfinished = endings
        .await
        .iter()
        .filter(|ending| ending.as_deref() != Some(COMPLETED))
        .count();
    assert_eq!(unfinished, 0, "orders that did not complete");

    let rate = f64::from(BURST) / took.as_secs_f64();
    let busy = busy.map_or("unknown".to_owned(), |busy| {
        format!("{:.1}", busy.as_secs_f64() * 1_000.0 / f64::from(BURST))
    });
    println!(
        "burst of {BURST} carts, {kept}: all completed in {took:.2?}, {rate:.0} orders a second (aim: 100), {busy} ms of \
         processors an order, the sender's included"
    );
    print_calls(&stack);
}

/// From each command due to be sent to its order completed. The rate does not wait for the orders, and
/// a command that is sent late counts from when it was due.
async fn steady() {
    let stack = stack(Storage::Memory, Durability::Process).await;
    let bus = bus(&stack);
    let mut completions = completions(&stack);
    let mut due = HashMap::new();
    let mut sending = JoinSet::new();
    let mut ticks = interval(INTERVAL);
    for number in 0..UNCOUNTED + COUNTED {
        let cart = format!("steady-{number}");
        let tick = ticks.tick().await.into_std();
        if number >= UNCOUNTED {
            due.insert(order_stream(&cart).to_string(), tick);
        }
        let bus = bus.clone();
        sending.spawn(async move { bus.send(vec![finalize(&cart)]).await });
    }
    for sent in sending.join_all().await.into_iter().flatten() {
        sent.expect("a queue in memory takes what it is sent");
    }

    let mut times = Vec::with_capacity(COUNTED);
    while times.len() < COUNTED {
        let completed = timeout(PATIENCE, completions.recv()).await;
        let (order, at) = completed
            .unwrap_or_else(|_| panic!("{} of {COUNTED} orders completed", times.len()))
            .expect("the stream goes on for as long as the stack does");
        times.extend(due.remove(&order).map(|due| at.duration_since(due)));
    }
    times.sort_unstable();
    let place = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "steady, in memory, one order each {INTERVAL:?}: p50 {:.1?} (aim: under 150 ms), p99 {:.1?}, longest {:.1?}, \
         of {COUNTED} orders",
        place(50),
        place(99),
        place(100)
    );
}

const COMPLETED: &str = "OrderCompleted";

async fn stack(storage: Storage, durability: Durability) -> Stack {
    let options = StackOptions {
        storage,
        durability,
        ..StackOptions::of(functions::bundle())
    };
    Stack::start(options)
        .await
        .expect("memory and an empty folder have all that a stack needs")
}

fn bus(stack: &Stack) -> Bus {
    let prefix = stack.wire().sqs().queue_url(&stack.names().prefix());
    Bus::new(stack.observer().sqs, &prefix)
}

/// The command for a cart of two lines, whose payment and shipment go through.
fn finalize(cart: &str) -> Outgoing {
    let command = json!({
        "type": "FinalizeCart",
        "command": {
            "cart_id": cart,
            "client_id": "client-0001",
            "product_items": [
                { "product_id": "p-espresso-beans", "quantity": 2, "unit_price": 9.99 },
                { "product_id": "p-grinder", "quantity": 1, "unit_price": 79.5 },
            ],
            "total_price": 99.48,
        },
    });
    Outgoing::now("finalize-cart", command.to_string(), None)
}

fn order_stream(cart: &str) -> StreamId {
    let cart: CartId = cart.parse().expect("letters, digits and a dash are an id");
    Order::CATEGORY.stream(&OrderId::of_cart(&cart))
}

/// Waits until the function that completes orders has dealt with so many commands. It costs the stack
/// next to nothing, unlike a second reader of the stream.
async fn completed(stack: &Stack, orders: u64) {
    let done = async {
        let handled = |metrics: &aws_adapters::Metrics| metrics.handled >= orders;
        while !stack
            .metrics()
            .by_function()
            .get("complete-order")
            .is_some_and(handled)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let done = timeout(PATIENCE, done).await;
    assert!(
        done.is_ok(),
        "{:?}",
        stack.metrics().by_function().get("complete-order")
    );
}

/// Follows the event table's stream: each order that completes, and when that could be seen.
fn completions(stack: &Stack) -> mpsc::UnboundedReceiver<(String, Instant)> {
    let dynamodb = stack.wire().dynamodb().clone();
    let table = stack.names().events_table();
    let mut writes = dynamodb.changes(&table);
    let stream = dynamodb.stream_of(&table).expect("the event table has a stream");
    let iterator = dynamodb.shard_iterator(&stream, StreamPosition::Latest);
    let mut iterator = iterator.expect("a stream has an end");
    let (completed, completions) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while writes.changed().await.is_ok() {
            let read = dynamodb
                .records(&stream, &iterator, 1_000)
                .expect("the stream can be read");
            let at = Instant::now();
            iterator = read.next;
            for order in read
                .records
                .iter()
                .filter_map(|record| completed_order(&record.json))
            {
                if completed.send((order.to_owned(), at)).is_err() {
                    return; // The benchmark is over.
                }
            }
        }
    });
    completions
}

/// The order's stream, if the record is the commit that completes it.
fn completed_order(record: &Value) -> Option<&str> {
    let image = &record["dynamodb"]["NewImage"];
    let events = image["events"]["L"].as_array()?;
    let completes = events
        .iter()
        .any(|event| event["M"]["event_type"]["S"] == COMPLETED);
    image["stream_id"]["S"].as_str().filter(|_| completes)
}

/// What the orders asked of the services, on which the rate depends.
fn print_calls(stack: &Stack) {
    let calls = stack.transport().calls();
    let mut operations = BTreeMap::new();
    for (kind, count) in calls.entries() {
        *operations
            .entry(format!("{} {}", kind.service, kind.operation))
            .or_insert(0_u64) += count;
    }
    println!("  calls of the functions, of all orders:");
    for (operation, count) in operations {
        println!("  {count:>8} {operation}");
    }
    let metrics = stack.metrics().total();
    println!("  {:>8} messages that came again", metrics.retried);
    println!(
        "  {:>8} appends that somebody else was ahead of",
        metrics.conflicts
    );
}
