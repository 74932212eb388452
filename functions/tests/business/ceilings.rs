//! How many orders a second each quota of AWS lets through, by what an order takes. What it takes is held to the figures
//! in [`super::cost`] by its test.

use bundle::{Function, RELAY};
use testkit::prices::BILLED_SECONDS;

use crate::cost::{INVOCATIONS, MESSAGES, READ_UNITS, SCHEDULES, WRITE_UNITS};
use crate::pages::say;

/// Assumed, not measured: how long the relay takes for a full batch, in seconds. It sends to each queue by tens, all at
/// once.
const RELAY_SECONDS: f64 = 0.25;
/// A shipment's deadline, for which its schedule is there, in seconds.
const DEADLINE: f64 = 86_400.0;
/// An outage that is to be got over, in seconds: for so long a message is in flight between its retries.
const OUTAGE: f64 = 3.0 * 3_600.0;

/// A quota, or what AWS begins with.
struct Ceiling {
    what: &'static str,
    /// How much of it there is.
    quota: f64,
    /// How much of it one order a second takes.
    taken: f64,
    raised_by: &'static str,
    page: &'static str,
}

const CONCURRENCY: &str = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html";
const SCALING: &str = "https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html";
const POLLERS: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html";
const ON_DEMAND: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html";
const PARTITIONS: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html";
const LANES: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html";
const SCHEDULER: &str = "https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html";
const QUEUES: &str =
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html";

impl Ceiling {
    fn of(what: &'static str, quota: f64, taken: f64, raised_by: &'static str, page: &'static str) -> Self {
        Self {
            what,
            quota,
            taken,
            raised_by,
            page,
        }
    }
}

const REQUEST: &str = "a request in Service Quotas";

fn of_lambda() -> Vec<Ceiling> {
    // Each invocation takes one place for as long as it lasts.
    let places = INVOCATIONS * BILLED_SECONDS;
    // The busiest queue gets each order once.
    let batch = f64::from(bundle::Batching::default().size);
    vec![
        Ceiling::of(
            "a new account's concurrency, often 10",
            10.0,
            places,
            REQUEST,
            CONCURRENCY,
        ),
        Ceiling::of(
            "an account's concurrency, 1,000",
            1_000.0,
            places,
            REQUEST,
            CONCURRENCY,
        ),
        Ceiling::of(
            "invocations, ten a second for each place of 1,000",
            10_000.0,
            INVOCATIONS,
            "the concurrency",
            CONCURRENCY,
        ),
        Ceiling::of(
            "a function's growth, 1,000 places every ten seconds",
            1_000.0,
            BILLED_SECONDS,
            "Lambda by itself, ten seconds later",
            SCALING,
        ),
        Ceiling::of(
            "a queue's first five pollers, one message each",
            5.0,
            BILLED_SECONDS,
            "Lambda by itself, by 300 a minute",
            POLLERS,
        ),
        Ceiling::of(
            "a queue's first five pollers, full batches of ten",
            5.0 * batch,
            BILLED_SECONDS,
            "the same; `ProvisionedPollerConfig`",
            POLLERS,
        ),
    ]
}

fn of_tables() -> Vec<Ceiling> {
    let registry = functions::bundle().registry;
    let relay = registry.function(RELAY).expect("there is one").batching;
    vec![
        Ceiling::of(
            "a new table, 4,000 write units",
            4_000.0,
            WRITE_UNITS,
            "warm throughput; DynamoDB by itself, as traffic grows",
            ON_DEMAND,
        ),
        Ceiling::of(
            "a new table, 12,000 read units",
            12_000.0,
            READ_UNITS,
            "the same",
            ON_DEMAND,
        ),
        Ceiling::of(
            "a shard, 1,000 write units",
            1_000.0,
            WRITE_UNITS,
            "DynamoDB by itself: it splits the partition",
            PARTITIONS,
        ),
        Ceiling::of(
            "the relay, of a shard: its lanes, full batches",
            f64::from(relay.per_shard * relay.size),
            WRITE_UNITS * RELAY_SECONDS,
            "`per_shard` in the registry, up to 10",
            LANES,
        ),
    ]
}

fn of_schedules_and_queues() -> Vec<Ceiling> {
    vec![
        Ceiling::of(
            "schedules created, 5,000 a second (250 in small regions)",
            5_000.0,
            SCHEDULES,
            REQUEST,
            SCHEDULER,
        ),
        Ceiling::of(
            "schedules fired, 1,000 a second",
            1_000.0,
            SCHEDULES,
            "the same; until then they fire later",
            SCHEDULER,
        ),
        Ceiling::of(
            "schedules there at once, 10,000,000, each for a day",
            10_000_000.0,
            SCHEDULES * DEADLINE,
            "a request, or a shorter `SHIPMENT_DEADLINE_SECONDS`",
            SCHEDULER,
        ),
        Ceiling::of(
            "messages in flight, 120,000 a queue, in an outage of three hours",
            120_000.0,
            OUTAGE,
            "nothing: the rest waits in the queue, and is tried later",
            QUEUES,
        ),
    ]
}

/// A number with commas.
fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.floor());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn what_it_costs_is_not_all_that_bounds_orders_and_what_else_does_stands_in_the_page() {
    let mut text = String::from("| what there is | orders a second | raised by |\n| --- | --- | --- |\n");
    let all = [of_lambda(), of_tables(), of_schedules_and_queues()]
        .into_iter()
        .flatten();
    for ceiling in all {
        let most = ceiling.quota / ceiling.taken;
        assert!(most >= 10.0, "{}: {most}", ceiling.what);
        let row = format!(
            "| [{}]({}) | {} | {} |\n",
            ceiling.what,
            ceiling.page,
            grouped(most),
            ceiling.raised_by
        );
        text.push_str(&row);
    }
    let assumed = format!(
        "\nBy {INVOCATIONS} invocations, {WRITE_UNITS} write units, {READ_UNITS} read units, {MESSAGES} messages and \
         {SCHEDULES} schedule an order, as counted; {} ms an invocation of {} MB and {} ms a full batch of the relay are \
         assumed.\n",
        BILLED_SECONDS * 1e3,
        Function::MEMORY_MB,
        RELAY_SECONDS * 1e3
    );
    println!("{text}{assumed}");
    say("functions/COSTS.md", "ceilings", &(text + &assumed));
}

#[test]
fn numbers_are_grouped_by_thousands() {
    assert_eq!(
        [7.0, 26.9, 2_666.6, 1_234_567.0].map(grouped),
        ["7", "26", "2,666", "1,234,567"]
    );
}
