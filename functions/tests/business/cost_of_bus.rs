//! What the event bus adds to the price of an order: the difference between a stack with one and one without.

use embedded_aws::eventbridge;
use embedded_sqs::Totals;
use functions::scenarios::order_scenarios;
use local::{StackOptions, Views};
use serde_json::json;
use testkit::prices::{BUS_EVENT, queue_requests};
use testkit::running::Running;

use crate::options;
use crate::pages::say;

/// What a happy order of a two-line cart records, each event in a commit of its own.
const EVENTS: u64 = 8;

/// What a stack has used.
struct Used {
    bus: eventbridge::Totals,
    puts: usize,
    sqs: Totals,
    write_units: f64,
    read_units: f64,
    recorded: u64,
}

async fn of_a_happy_order(event_bus: Option<&str>) -> Used {
    let bundle = Running::start(StackOptions {
        views: Views::LeftOut,
        event_bus: event_bus.map(str::to_owned),
        ..options()
    })
    .await;
    let mut scenarios = order_scenarios().into_iter();
    let happy = scenarios.find(|scenario| scenario.title == "everything goes well");
    let body = json!({ "command": happy.expect("there is a happy order").cart }).to_string();
    bundle.send("finalize-cart", &body).await;
    bundle.settle().await;
    let wire = bundle.stack.wire();
    let units = wire.dynamodb().totals();
    let units = units.table(&bundle.stack.names().events_table());
    let commits = bundle.commits().await;
    let recorded = commits.iter().map(|commit| {
        let events = commit["events"].as_l().expect("a commit has events");
        events.len() as u64
    });
    Used {
        bus: wire.eventbridge().expect("the stack has one").totals(),
        puts: bundle.calls_of(bundle::RELAY, "PutEvents").len(),
        recorded: recorded.sum(),
        sqs: wire.sqs().totals(),
        write_units: units.write,
        read_units: units.read,
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_costs_to_put_a_happy_orders_events_on_a_bus_is_what_the_design_says() {
    let (with, without) = (
        of_a_happy_order(Some("orders")).await,
        of_a_happy_order(None).await,
    );
    assert_eq!(
        (without.bus.put, without.puts),
        (0, 0),
        "without a bus nothing is put"
    );
    assert_eq!((with.recorded, with.bus.put), (EVENTS, EVENTS), "each event once");
    // None is larger than what is billed as one.
    assert_eq!(with.bus.chunks, EVENTS);
    assert!(with.puts as u64 <= EVENTS, "{} calls", with.puts);
    assert_eq!(
        (
            with.sqs.sends,
            queue_requests(&with.sqs),
            with.write_units,
            with.read_units
        ),
        (
            without.sqs.sends,
            queue_requests(&without.sqs),
            without.write_units,
            without.read_units
        ),
        "nothing else is used"
    );
    let dollars = f64::from(u32::try_from(with.bus.chunks).expect("a few")) * BUS_EVENT * 1e6;
    let (events, puts) = (with.bus.put, with.puts);
    println!("the bus of a happy order: {events} events in {puts} calls, {dollars:.2} USD per million");
    let bill = format!("```text\n    events on the bus {dollars:>8.2} USD per million\n```\n");
    say("functions/COSTS.md", "bus", &bill);
    say(
        "functions/SUBSCRIBE.md",
        "bus",
        &format!(
            "A happy order has {events} events, each of up to 64 KB: {dollars:.2} USD for a million orders. The calls, up to ten \
             events in one, cost nothing.\n"
        ),
    );
}
