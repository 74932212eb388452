//! What an order costs, exactly. Who makes it dearer hears here by how much.

use std::time::Duration;

use domain::deadlines::SHIPMENT_DEADLINE;
use embedded_sqs::{Operation, Totals};
use functions::scenarios::{Ids, order_scenarios};
use local::{StackOptions, Views};
use testkit::prices::{Usage, gigabytes};
use testkit::running::Running;

use crate::options;
use crate::pages::say;
use crate::rest::resting;

/// What the design allows for one happy order of a two-line cart, simulators and both deadlines
/// included: one waits in its queue, the other is a schedule.
const MOST_WRITE_UNITS: f64 = 8.0;
const MOST_READ_UNITS: f64 = 6.0;
const MOST_MESSAGES: f64 = 18.0;

/// What it takes.
pub(crate) const WRITE_UNITS: f64 = 8.0;
pub(crate) const READ_UNITS: f64 = 5.5;
pub(crate) const MESSAGES: f64 = 17.0;
const QUEUE_REQUESTS: f64 = 51.0;
pub(crate) const INVOCATIONS: f64 = 25.0;
pub(crate) const SCHEDULES: f64 = 1.0;

#[tokio::test(start_paused = true)]
async fn what_it_costs_to_take_a_happy_order_of_a_two_line_cart_is_what_the_design_says() {
    let bundle = Running::start(StackOptions {
        views: Views::LeftOut,
        ..options()
    })
    .await;
    let scenario = order_scenarios()
        .into_iter()
        .find(|scenario| scenario.title == "everything goes well")
        .expect("there is a happy order");
    let lines = scenario.cart["product_items"].as_array().map(Vec::len);
    assert_eq!(lines, Some(2));
    let body = serde_json::json!({ "command": scenario.cart }).to_string();
    let sqs = bundle.stack.wire().sqs();
    let dynamodb = bundle.stack.wire().dynamodb();
    // Every poller waits by then; each has a receive open before as after.
    bundle.settle().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (units_before, queues_before) = (dynamodb.totals(), sqs.totals());
    bundle.send("finalize-cart", &body).await;
    bundle.settle().await;
    let (spent, queues) = (dynamodb.totals().since(&units_before), sqs.totals());
    // What it takes to look into an empty outbox every minute is the stack's cost, not the order's.
    let units = spent.table(&bundle.stack.names().events_table());
    let outbox = spent.table(&bundle.stack.names().outbox_table());
    assert!(outbox.write < 0.5, "nothing goes to the outbox");

    let ids = Ids::of_cart(&scenario.cart).expect("the cart has an id");
    let [_, order, ..] = ids.streams();
    let last = bundle.types(&order).await.pop();
    assert_eq!(last.as_deref(), Some("OrderCompleted"));
    let age = bundle.age();
    assert!(
        age > SHIPMENT_DEADLINE.default,
        "{age:?} do not include the deadlines"
    );

    let requests = |operation| {
        let of = |totals: &Totals| totals.requests.get(&operation).copied().unwrap_or_default();
        of(&queues) - of(&queues_before)
    };
    let scheduler = bundle.stack.scheduler().totals();
    // The one by one are the schedules', which AWS counts as the account's.
    let sends = requests(Operation::SendMessageBatch) + requests(Operation::SendMessage);
    // Lambda's idle polling is the stack's, not the order's.
    let receives =
        requests(Operation::ReceiveMessage) - (queues.empty_receives - queues_before.empty_receives);
    let deletes = requests(Operation::DeleteMessageBatch);
    let delays = requests(Operation::ChangeMessageVisibilityBatch);
    let messages = queues.sends - queues_before.sends;
    // Each batch that was received is an invocation. The relay has one for each commit at most.
    let commits = bundle.commits().await.len() as u64;
    let usage = Usage {
        write_units: units.write,
        read_units: units.read,
        schedules: counted(scheduler.sent + scheduler.failed),
        queue_requests: counted(sends + receives + deletes + delays),
        invocations: counted(receives + commits),
        memory: counted(receives) * memory_on_queues(&bundle) + counted(commits) * memory_of_relay(&bundle),
    };
    println!(
        "one happy order: {} write units, {} read units, {messages} messages ({sends} sends, {receives} receives, \
         {deletes} deletes), {} invocations, {commits} of them the relay's",
        usage.write_units, usage.read_units, usage.invocations
    );
    println!("a million of them:\n{usage}");

    say("functions/COSTS.md", "order", &format!("```text\n{usage}\n```\n"));
    let short = format!(
        "It costs {:.0} USD for a million orders, and {:.0} USD for a month in which nothing happens.\n",
        usage.dollars() * 1e6,
        resting().dollars()
    );
    say("README.md", "costs", &short);

    let figures = [
        ("write units", usage.write_units, WRITE_UNITS, MOST_WRITE_UNITS),
        ("read units", usage.read_units, READ_UNITS, MOST_READ_UNITS),
        ("messages", counted(messages), MESSAGES, MOST_MESSAGES),
        (
            "requests to queues",
            usage.queue_requests,
            QUEUE_REQUESTS,
            f64::INFINITY,
        ),
        ("invocations", usage.invocations, INVOCATIONS, f64::INFINITY),
        ("schedules", usage.schedules, SCHEDULES, f64::INFINITY),
    ];
    let changed: Vec<_> = figures
        .into_iter()
        .filter_map(|(what, found, expected, most)| verdict(what, found, expected, most))
        .collect();
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

/// What is to be said of a figure that is not as it was.
fn verdict(what: &str, found: f64, expected: f64, most: f64) -> Option<String> {
    let by = found - expected;
    if found > most {
        Some(format!(
            "{what}: {found}, {} more than the design's limit of {most}",
            found - most
        ))
    } else if by > 0.0 {
        Some(format!(
            "{what}: {found}, which is {by} more than before ({expected})"
        ))
    } else if by < 0.0 {
        Some(format!(
            "{what}: {found}, which is {} less than before: write the new figure here",
            -by
        ))
    } else {
        None
    }
}

/// The memory of a function that takes messages: all of them have the same.
fn memory_on_queues(bundle: &Running) -> f64 {
    let functions = bundle
        .stack
        .running()
        .filter(|function| function.queue().is_some());
    let mut memory: Vec<_> = functions.map(|function| function.memory_mb).collect();
    memory.dedup();
    let [memory] = memory[..] else {
        panic!("functions on queues have different memory, which has to be counted for each: {memory:?}");
    };
    gigabytes(memory)
}

fn memory_of_relay(bundle: &Running) -> f64 {
    let relay = bundle.stack.registry().function(bundle::RELAY);
    gigabytes(relay.expect("there is one").memory_mb)
}

fn counted(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("an order takes fewer than four billion of anything"))
}
