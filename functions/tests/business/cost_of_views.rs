//! What views add to the price of an order, and of a group: the difference between a stack with and one without.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use embedded_sqs::Totals;
use eventsourcing::Index;
use functions::scenarios::order_scenarios;
use local::{Intercept, StackOptions, Views};
use serde_json::{Value, json};
use testkit::prices::{Usage, gigabytes, queue_requests};
use testkit::running::Running;

use crate::options;
use crate::pages::say;

/// The most that the views of a happy order may take.
const MOST_WRITE_UNITS: f64 = 9.0;
const MOST_MESSAGES: u64 = 4;

/// What they take: a row is put when the order begins, is confirmed and ends; the index of clients is written once, for
/// what it holds never changes; that of open orders when the order comes, changes its place (which is two writes) and
/// goes. Each time the stream is read once.
const WRITE_UNITS: f64 = 8.0;
const READ_UNITS: f64 = 1.5;
const MESSAGES: u64 = 3;

/// What a stack has used.
struct Used {
    /// For the rows of views, and their indexes.
    write_units: u32,
    /// Of the event table.
    read_units: f64,
    sqs: Totals,
}

fn used(bundle: &Running) -> Used {
    let wire = bundle.stack.wire();
    let names = bundle.stack.names();
    let mut rows: BTreeMap<(String, String), Value> = BTreeMap::new();
    let mut write_units = 0;
    for call in bundle
        .calls()
        .into_iter()
        .filter(|call| call.operation == "PutItem")
    {
        let mut views = bundle.stack.registry().views();
        let Some(view) = views.find(|view| names.view_table(view.name) == call.resource) else {
            continue;
        };
        let row = call.request["Item"].clone();
        assert!(row.to_string().len() < 1024, "a row is one unit");
        let id = row[view.key]["S"].as_str().expect("a row has its key").to_owned();
        let before = rows.insert((call.resource, id), row.clone());
        let of_indexes = view
            .indexes
            .iter()
            .map(|index| units_of(index, before.as_ref(), &row));
        write_units += 1 + of_indexes.sum::<u32>();
    }
    Used {
        write_units,
        read_units: wire.dynamodb().totals().table(&names.events_table()).read,
        sqs: wire.sqs().totals(),
    }
}

/// What it takes to bring an index up to date with a row of less than a kilobyte: a move in it is two writes.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes>
fn units_of(index: &Index, before: Option<&Value>, row: &Value) -> u32 {
    let keys = [index.partition, index.sort];
    let place = |row: &Value| {
        let place = keys.map(|key| row[key].clone());
        (!place.contains(&Value::Null)).then_some(place)
    };
    let held = |row: &Value| {
        index
            .holds
            .iter()
            .map(|name| row[*name].clone())
            .collect::<Vec<_>>()
    };
    match (
        before.and_then(|before| Some((place(before)?, held(before)))),
        place(row),
    ) {
        (None, None) => 0,
        (None, Some(_)) | (Some(_), None) => 1,
        (Some((was, _)), Some(is)) if was != is => 2,
        (Some((_, had)), Some(_)) => u32::from(had != held(row)),
    }
}

/// Gateways answer after a second: no two phases begin in the same millisecond.
struct TakesASecond;

#[async_trait]
impl Intercept for TakesASecond {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        event: Invocation,
    ) -> Result<Value, InvokeError> {
        if function.starts_with("simulate-") {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        code.invoke(event).await
    }
}

/// What a happy order uses on a stack with views, or without.
async fn of_a_happy_order(views: Views) -> Used {
    let bundle = Running::start(StackOptions {
        views,
        intercept: Some(Arc::new(TakesASecond)),
        ..options()
    })
    .await;
    let mut scenarios = order_scenarios().into_iter();
    let happy = scenarios.find(|scenario| scenario.title == "everything goes well");
    let body = json!({ "command": happy.expect("there is a happy order").cart }).to_string();
    bundle.send("finalize-cart", &body).await;
    bundle.settle().await;
    used(&bundle)
}

#[tokio::test(start_paused = true)]
async fn what_it_costs_to_show_a_happy_order_is_what_the_design_says() {
    let (with, without) = (
        of_a_happy_order(Views::Shown).await,
        of_a_happy_order(Views::LeftOut).await,
    );
    assert_eq!(without.write_units, 0, "nothing is shown without views");
    let write_units = f64::from(with.write_units);
    let read_units = with.read_units - without.read_units;
    let messages = with.sqs.sends - without.sqs.sends;
    println!(
        "the views of a happy order: {write_units} write units, {read_units} read units, {messages} messages"
    );
    assert!(write_units <= MOST_WRITE_UNITS && messages <= MOST_MESSAGES);
    assert_eq!(
        (write_units, read_units, messages),
        (WRITE_UNITS, READ_UNITS, MESSAGES)
    );
    let invocations = f64::from(u32::try_from(messages).expect("a few"));
    let usage = Usage {
        write_units,
        read_units,
        schedules: 0.0,
        queue_requests: f64::from(
            u32::try_from(queue_requests(&with.sqs) - queue_requests(&without.sqs)).expect("a few"),
        ),
        invocations,
        memory: invocations * gigabytes(bundle::Function::MEMORY_MB),
    };
    say("functions/COSTS.md", "views", &format!("```text\n{usage}\n```\n"));
}
