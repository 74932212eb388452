//! What is counted of orders: each beginning and each end once, whatever comes twice, and what should have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use aws_adapters::{Figure, FigureValue, RebuildCheckpoint, Rebuilder, ViewTable};
use embedded_aws::Clock;
use eventsourcing::computed_id;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::database;
use testkit::running::Running;

use crate::invariants::Findings;
use crate::options;

/// A cart that goes as its price and its product say.
fn cart(name: &str, price: f64, product: &str) -> Value {
    json!({
        "cart_id": name,
        "client_id": "u-7",
        "product_items": [{ "product_id": product, "quantity": 1, "unit_price": price }],
        "total_price": price,
    })
}

async fn finalize(bundle: &Running, cart: &Value) {
    let body = json!({ "command": cart }).to_string();
    bundle.send("finalize-cart", &body).await;
}

fn of(name: &'static str, of: Option<(&'static str, &str)>) -> Figure {
    Figure {
        view: "orders",
        name,
        of: of.map(|(name, value)| (name, value.to_owned())),
    }
}

#[tokio::test(start_paused = true)]
async fn each_order_is_counted_once_when_it_begins_and_when_it_ends_though_all_events_come_twice() {
    let bundle = Running::start_unwatched(StackOptions {
        relays: 2,
        ..options()
    })
    .await;
    for cart in [
        cart("one", 10.0, "lamp"),
        cart("another", 20.0, "lamp"),
        cart("declined", 402.0, "lamp"),
        cart("sold-out", 10.0, "out-of-stock-1"),
    ] {
        finalize(&bundle, &cart).await;
    }
    bundle.settle().await;
    let mut figures = bundle.stack.metrics().total().figures;
    let took = figures.remove(&of("Took", None));
    let Some(FigureValue::Milliseconds(took)) = took else {
        panic!("how long orders took is told: {took:?}");
    };
    assert_eq!(took.len(), 4);
    figures.retain(|figure, _| figure.view == "orders" && figure.name != "Behind");
    let expected = [
        (of("Opened", None), 4),
        (of("Ended", Some(("phase", "completed"))), 2),
        (of("Ended", Some(("phase", "cancelled"))), 2),
        (of("Ended", Some(("cause", "payment_failed"))), 1),
        (of("Ended", Some(("cause", "shipment_failed"))), 1),
    ];
    let expected = expected.map(|(figure, count)| (figure, FigureValue::Count(count)));
    assert_eq!(figures, BTreeMap::from(expected));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_open_a_quarter_of_an_hour_after_its_deadline_is_told_as_overdue() {
    let options = options();
    let functions = &options.bundle.registry.functions;
    let others = functions.iter().map(|function| function.name.clone());
    // Nobody lets its deadline pass.
    let only: BTreeSet<_> = others.filter(|name| name != "time-out-payment").collect();
    let bundle = Running::start_unwatched(StackOptions {
        only: Some(only),
        ..options
    })
    .await;
    finalize(&bundle, &cart("unanswered", 408.0, "lamp")).await;
    let told = |name, of_phase: Option<&str>| {
        let figures = bundle.stack.metrics().total().figures;
        figures
            .get(&of(name, of_phase.map(|phase| ("phase", phase))))
            .cloned()
    };
    tokio::time::sleep(Duration::from_mins(29)).await;
    let waiting = Some("awaiting_payment");
    assert_eq!(told("Open", waiting), Some(FigureValue::Level(1)));
    assert_eq!(
        told("Overdue", None),
        None,
        "its deadline is a quarter of an hour"
    );
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert_eq!(told("Overdue", None), Some(FigureValue::Level(1)));
    let Some(FigureValue::Seconds(oldest)) = told("Oldest", waiting) else {
        panic!("how long it has waited is told");
    };
    assert!((1_800..=1_930).contains(&oldest), "{oldest} s");
}

/// What judges views after each storm notices a row that is not what its stream amounts to.
#[tokio::test(start_paused = true)]
async fn a_row_that_says_something_else_or_is_not_there_is_noticed() {
    let bundle = Running::start(options()).await;
    finalize(&bundle, &cart("one", 10.0, "lamp")).await;
    bundle.settle().await;
    assert_eq!(Findings::of(&bundle).await.problems(), [""; 0]);
    let [row] = &bundle.raw_items("local-orders")[..] else {
        panic!("there is one order");
    };
    let mut wrong = row.clone();
    wrong["phase"] = json!({ "S": "cancelled" });
    let request = json!({ "TableName": "local-orders", "Item": wrong });
    database::ask(&bundle.stack, "PutItem", &request);
    let violations = Findings::of(&bundle).await.violations;
    assert!(
        violations.len() == 1 && violations[0].ends_with("Differs phase"),
        "{violations:?}"
    );
    let key = json!({ "order_id": row["order_id"] });
    bundle.delete_item("local-orders", &key);
    let open = Findings::of(&bundle).await.open;
    assert!(open.len() == 1 && open[0].contains("Missing"), "{open:?}");
}

/// On the machine's own clock, at a rate that it keeps up with.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute of the machine's own time; optimised, as functions/tests/README.md says"]
async fn how_far_rows_are_behind_their_events_at_100_orders_a_second() {
    const ORDERS: u32 = 2_000;
    let bundle = Running::start_unwatched(StackOptions {
        clock: Some(Clock::real()),
        ..options()
    })
    .await;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for number in 0..ORDERS {
        ticks.tick().await;
        finalize(&bundle, &cart(&format!("cart-{number}"), 10.0, "lamp")).await;
    }
    let completed = of("Ended", Some(("phase", "completed")));
    let all = FigureValue::Count(ORDERS.into());
    while bundle.stack.metrics().total().figures.get(&completed) != Some(&all) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let figures = bundle.stack.metrics().total().figures;
    for (name, what) in [("Behind", "a row is behind"), ("Took", "an order takes")] {
        let Some(FigureValue::Milliseconds(mut all)) = figures.get(&of(name, None)).cloned() else {
            panic!("{name} is told");
        };
        all.sort_unstable();
        let place = |percent: usize| all[(all.len() - 1) * percent / 100];
        println!(
            "{what}: p50 {} ms, p95 {} ms, p99 {} ms, of {}",
            place(50),
            place(95),
            place(99),
            all.len()
        );
    }
}

/// On the machine's own clock, from commits as they are stored.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or two of the machine's own time; optimised, as functions/tests/README.md says"]
async fn how_long_it_takes_to_make_the_rows_of_100_000_orders_anew() {
    const ORDERS: u32 = 100_000;
    const BATCH: usize = 25;
    let bundle = Running::start_unwatched(StackOptions {
        clock: Some(Clock::real()),
        functions: false,
        ..options()
    })
    .await;
    let names = bundle.stack.names().clone();
    let events = names.events_table();
    let put: Vec<_> = (0..ORDERS)
        .map(|number| json!({ "PutRequest": { "Item": begun(number) } }))
        .collect();
    for batch in put.chunks(BATCH) {
        let request = json!({ "RequestItems": { &events: batch } });
        database::ask(&bundle.stack, "BatchWriteItem", &request);
    }
    let view = bundle
        .stack
        .views()
        .find(|view| view.name == "orders")
        .expect("there is one");
    let dynamodb = &bundle.observer.dynamodb;
    let table = names.view_table(view.name);
    let rows = ViewTable::new(dynamodb.clone(), table.clone(), view.key);
    let rebuilder = Rebuilder::new(dynamodb.clone(), events, rows, view.shows());
    let segments = NonZeroU32::new(8).expect("eight is not zero");
    let began = Instant::now();
    let mut run = rebuilder.run(RebuildCheckpoint::start(table, segments));
    while let Some(looked) = run.next().await {
        looked.expect("nothing stops it");
    }
    let took = began.elapsed().as_secs_f64();
    let done = &run.checkpoint().done;
    assert_eq!((done.renewed, &done.differences[..]), (ORDERS.into(), &[][..]));
    println!(
        "{ORDERS} rows in {took:.1} s, {:.0} a second; {:.0} read units, {} write units",
        f64::from(ORDERS) / took,
        done.read_units,
        done.write_units
    );
}

/// The first commit of an order, as it is stored.
fn begun(number: u32) -> Value {
    let order = computed_id(&format!("order/cart-{number}")).to_string();
    let stream = format!("order-{order}");
    let at = "2026-11-23T08:00:00.000Z";
    let data = json!({
        "order_id": order,
        "cart_id": format!("cart-{number}"),
        "client_id": format!("client-{}", number % 5_000),
        "product_items": [{ "product_id": "lamp", "quantity": 1, "unit_price": 19.9 }],
        "total_price": 19.9,
        "initialized_at": at,
        "due_at": "2026-11-23T08:15:00.000Z",
    });
    let event = json!({
        "event_id": { "S": computed_id(&format!("event/{stream}/1")).to_string() },
        "event_type": { "S": "OrderInitialized" },
        "schema_version": { "N": "1" },
        "correlation_id": { "S": "chain" },
        "causation_id": { "S": "cause" },
        "data": { "S": data.to_string() },
    });
    json!({
        "stream_id": { "S": stream },
        "revision": { "N": "1" },
        "last_revision": { "N": "1" },
        "commit_id": { "S": computed_id(&format!("commit/{stream}")).to_string() },
        "committed_at": { "S": at },
        "events": { "L": [{ "M": event }] },
    })
}
