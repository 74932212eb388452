//! What an order costs when it goes otherwise than alone and at once: with a carrier that takes half a day or a whole
//! one, among many others, and with its log lines and its trace.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_adapters::Metrics;
use bundle::RELAY;
use domain::Deadlines;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use embedded_sqs::Totals;
use eventsourcing::Timestamp;
use functions::scenarios::{Ids, order_scenarios};
use local::{Intercept, StackOptions, Views};
use serde_json::{Value, json};
use testkit::logs::Logs;
use testkit::prices::{LOG_GB, TRACE, TRACED, Usage, gigabytes, queue_requests};
use testkit::running::Running;

use crate::options;
use crate::pages::say;

/// The most that a million happy orders may cost, however long the carrier takes.
const MOST_DOLLARS: f64 = 36.0;
const HOUR: Duration = Duration::from_hours(1);
/// A carrier that takes a day has more than a day.
const SHIPMENT: Duration = Duration::from_hours(36);
const CARRIER: &str = "simulate-shipping-gateway";

/// The invocations of each function.
#[derive(Default)]
struct Counting(Mutex<BTreeMap<String, u32>>);

impl Counting {
    fn all(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Intercept for Counting {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        event: Invocation,
    ) -> Result<Value, InvokeError> {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(function.to_owned())
            .or_default() += 1;
        code.invoke(event).await
    }
}

/// A stack and what it has used when an order comes.
struct Bill {
    bundle: Running,
    invocations: Arc<Counting>,
    before: (embedded_aws::dynamodb::Totals, Totals, BTreeMap<String, u32>),
}

impl Bill {
    /// A stack that is at rest; without `without`, if there is one, whose part somebody else takes.
    async fn opened(without: Option<&str>) -> Self {
        let options = options();
        let functions = &options.bundle.registry.functions;
        let only = without.map(|without| {
            let others = functions.iter().filter(|function| function.name != without);
            others.map(|function| function.name.clone()).collect()
        });
        let deadlines = Deadlines {
            shipment: SHIPMENT,
            ..Deadlines::default()
        };
        let invocations = Arc::new(Counting::default());
        let bundle = Running::start_unwatched(StackOptions {
            only,
            views: Views::LeftOut,
            settings: deadlines.into(),
            intercept: Some(invocations.clone()),
            ..options
        })
        .await;
        bundle.settle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let wire = bundle.stack.wire();
        let before = (wire.dynamodb().totals(), wire.sqs().totals(), invocations.all());
        Self {
            bundle,
            invocations,
            before,
        }
    }

    /// The invocations since, but for the sweeper's, which are the stack's.
    fn invocations(&self) -> BTreeMap<String, u32> {
        let mut since = self.invocations.all();
        since.remove(bundle::SWEEPER);
        for (function, count) in &self.before.2 {
            if let Some(since) = since.get_mut(function) {
                *since -= count;
            }
        }
        since
    }

    /// What an order has used, of so many.
    fn of_each(&self, orders: u32) -> Usage {
        let wire = self.bundle.stack.wire();
        let units = wire.dynamodb().totals().since(&self.before.0);
        let units = units.table(&self.bundle.stack.names().events_table());
        let sqs = wire.sqs().totals();
        let (mut invocations, mut memory) = (0.0, 0.0);
        for (name, count) in self.invocations() {
            let function = self.bundle.stack.registry().function(&name).expect("it ran");
            invocations += f64::from(count);
            memory += f64::from(count) * gigabytes(function.memory_mb);
        }
        let scheduler = self.bundle.stack.scheduler().totals();
        let orders = f64::from(orders);
        Usage {
            write_units: units.write / orders,
            read_units: units.read / orders,
            queue_requests: number(queue_requests(&sqs) - queue_requests(&self.before.1)) / orders,
            schedules: number(scheduler.sent + scheduler.failed) / orders,
            invocations: invocations / orders,
            memory: memory / orders,
        }
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("a few orders take fewer than four billion of anything"))
}

/// The happy order, for the so-manieth time.
fn cart(number: u32) -> Value {
    let mut scenarios = order_scenarios().into_iter();
    let happy = scenarios.find(|scenario| scenario.title == "everything goes well");
    happy
        .expect("there is a happy order")
        .again(&number.to_string())
        .cart
}

async fn assert_completed(bundle: &Running, cart: &Value) {
    let [_, order, ..] = Ids::of_cart(cart).expect("the cart has an id").streams();
    assert_eq!(
        bundle.types(&order).await.pop().as_deref(),
        Some("OrderCompleted")
    );
}

/// What an order costs whose carrier answers after so long.
async fn with_a_carrier_that_takes(long: Duration) -> Usage {
    let bill = Bill::opened(Some(CARRIER)).await;
    let (bundle, cart) = (&bill.bundle, cart(1));
    bundle
        .send("finalize-cart", &json!({ "command": cart }).to_string())
        .await;
    let ids = Ids::of_cart(&cart).expect("the cart has an id");
    let [.., shipment] = ids.streams();
    bundle.until(&shipment, "ShipmentRequested").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = bundle.take("shipping-gateway").await;
    assert_eq!(asked.len(), 1, "the carrier is asked once");
    tokio::time::sleep(long).await;
    let answer = json!({ "command": { "shipment_id": ids.shipment } });
    bundle.send("send-shipment", &answer.to_string()).await;
    bundle.settle().await;
    assert!(bundle.age() > SHIPMENT, "the deadline is included");
    assert_completed(bundle, &cart).await;
    bill.of_each(1)
}

#[tokio::test(start_paused = true)]
async fn what_it_costs_does_not_hang_on_how_long_the_carrier_takes() {
    let mut text = String::from("```text\n");
    let mut all = Vec::new();
    for (long, words) in [
        (Duration::ZERO, "at once"),
        (12 * HOUR, "after 12 hours"),
        (24 * HOUR, "after 24 hours"),
    ] {
        let usage = with_a_carrier_that_takes(long).await;
        let dollars = usage.dollars() * 1e6;
        println!("a carrier that answers {words}: {dollars:.2} USD per million orders");
        let row = format!("a carrier that answers {words:<14} {dollars:>8.2} USD per million\n");
        text.push_str(&row);
        assert!(dollars <= MOST_DOLLARS, "{words}: {dollars} USD");
        assert!(
            (usage.schedules - 1.0).abs() < f64::EPSILON,
            "its deadline is one schedule"
        );
        all.push(dollars);
    }
    assert!(
        all.iter().all(|dollars| (dollars - all[0]).abs() < 0.01),
        "{all:?}"
    );
    say("functions/COSTS.md", "carrier", &format!("{text}```\n"));
}

#[tokio::test(start_paused = true)]
async fn what_it_costs_with_full_batches_is_less() {
    let bill = Bill::opened(None).await;
    let carts: Vec<_> = (0..100).map(cart).collect();
    for ten in carts.chunks(10) {
        let bodies: Vec<_> = ten
            .iter()
            .map(|cart| json!({ "command": cart }).to_string())
            .collect();
        bill.bundle.send_batch("finalize-cart", &bodies).await;
    }
    bill.bundle.settle().await;
    for cart in &carts {
        assert_completed(&bill.bundle, cart).await;
    }
    let usage = bill.of_each(100);
    println!("with full batches:\n{usage}");
    assert!(usage.dollars() * 1e6 < MOST_DOLLARS / 2.0);
    // Which messages share a batch is left to the stack, and what it costs with it, to a few cents.
    let text = format!(
        "With full batches of ten it is some {:.0} USD per million, of which DynamoDB takes most.\n",
        usage.dollars() * 1e6
    );
    say("functions/COSTS.md", "batches", &text);
}

/// What Lambda itself writes of an invocation.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html>
const OF_LAMBDA: &str = "START RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95 Version: $LATEST\n\
    END RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\n\
    REPORT RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\tDuration: 14.21 ms\tBilled Duration: 15 ms\t\
    Memory Size: 256 MB\tMax Memory Used: 38 MB\t\n";
/// Each line has these beside its fields.
const OF_EACH_LINE: &str = r#""timestamp":"2026-11-23T08:00:00.000000Z","level":"INFO","#;

#[tokio::test(start_paused = true)]
async fn what_it_costs_to_log_and_trace_an_order() {
    let bill = Bill::opened(None).await;
    let (logs, _guard) = Logs::capture();
    let cart = cart(1);
    bill.bundle
        .send("finalize-cart", &json!({ "command": cart }).to_string())
        .await;
    bill.bundle.settle().await;
    assert_completed(&bill.bundle, &cart).await;
    let mut lines = logs.take();
    lines.retain(|line| line.get("function").is_some_and(|name| name != bundle::SWEEPER));
    let own: usize = lines
        .iter()
        .map(|line| json!(line).to_string().len() + OF_EACH_LINE.len() + 1)
        .sum();
    let counted = Metrics {
        handled: 1,
        ..Metrics::default()
    };
    let (mut metrics, mut invocations) = (0, 0);
    for (function, count) in bill.invocations() {
        let line = counted.embedded("shop", &function, Timestamp::from_millis(1_795_420_800_000));
        let bytes = line.map_or(0, |line| line.to_string().len() + 1);
        metrics += bytes * usize::try_from(count).unwrap_or_default();
        invocations += usize::try_from(count).unwrap_or_default();
        assert!(function != RELAY || count > 0);
    }
    let of_lambda = invocations * OF_LAMBDA.len();
    let kilobytes = |bytes: usize| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e3;
    let dollars = |bytes: usize| kilobytes(bytes) * 1e3 / 1e9 * LOG_GB * 1e6;
    let row = |what: &str, bytes: usize| {
        format!(
            "{what:>28} {:>6.1} KB an order {:>8.2} USD per million\n",
            kilobytes(bytes),
            dollars(bytes)
        )
    };
    let all = own + metrics + of_lambda;
    let text = format!(
        "```text\n{}{}{}{}{:>28} {:>6} {:>17.2} USD per million\n```\n",
        row("lines of the functions", own),
        row("lines that carry metrics", metrics),
        row("Lambda's own lines", of_lambda),
        row("together", all),
        "traces, with Tracing=Active",
        "",
        TRACE * TRACED * 1e6
    );
    println!("{text}");
    say("functions/COSTS.md", "logs", &text);
}
