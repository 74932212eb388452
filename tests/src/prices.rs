//! AWS's list prices in us-east-1, in US dollars, what a run would have cost by them, and what a month
//! costs in which nothing happens. Free tiers and traffic are left out, of a run storage and logs too.
//!
//! Sources: <https://aws.amazon.com/dynamodb/pricing/on-demand/>, <https://aws.amazon.com/sqs/pricing/>,
//! <https://aws.amazon.com/lambda/pricing/>, <https://aws.amazon.com/eventbridge/pricing/>, <https://aws.amazon.com/cloudwatch/pricing/>

use std::fmt;

use bundle::Function;
use embedded_sqs::{Operation, Totals};

/// A write request unit of a table billed on demand.
pub const WRITE_UNIT: f64 = 0.625 / 1e6;
/// A read request unit of a table billed on demand.
pub const READ_UNIT: f64 = 0.125 / 1e6;
/// A request to a standard queue, of up to 64 KB; a batch is one request.
pub const QUEUE_REQUEST: f64 = 0.40 / 1e6;
/// An invocation of its target by a schedule. To create one costs nothing.
pub const SCHEDULE: f64 = 1.00 / 1e6;
/// An event of one's own that is put on a bus of `EventBridge`, of up to 64 KB. Its delivery within the account costs
/// nothing.
pub const BUS_EVENT: f64 = 1.00 / 1e6;
/// An invocation of a function.
pub const INVOCATION: f64 = 0.20 / 1e6;
/// A gigabyte of memory for a second, on arm64.
pub const GB_SECOND: f64 = 0.000_013_333_4;

/// A metric that an alarm looks at, for a month.
pub const ALARM_METRIC: f64 = 0.10;
/// A dashboard, for a month.
pub const DASHBOARD: f64 = 3.00;
/// A metric that functions write themselves, for a month in which it is written every hour.
pub const CUSTOM_METRIC: f64 = 0.30;
/// A gigabyte of log lines, taken in.
pub const LOG_GB: f64 = 0.50;
/// A trace that X-Ray records.
///
/// Source: <https://aws.amazon.com/xray/pricing/>
pub const TRACE: f64 = 5.00 / 1e6;
/// The share of traces that Lambda records, beside the first one of each second.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html>
pub const TRACED: f64 = 0.05;

/// Assumed, not measured: how long an invocation is billed for, in seconds (a few calls of some milliseconds
/// each).
pub const BILLED_SECONDS: f64 = 0.015;

/// The price of a message that is sent, received and deleted by itself, and of the invocation for it.
pub fn message() -> f64 {
    3.0 * QUEUE_REQUEST + invocation()
}

/// The price of an invocation and of its time, of a function with as much memory as most have.
fn invocation() -> f64 {
    INVOCATION + time_with(gigabytes(Function::MEMORY_MB))
}

/// The price of the time of an invocation with so many gigabytes. More memory means a larger share of a
/// processor, and may well mean less time: nobody has measured that, so it is not counted on.
fn time_with(memory: f64) -> f64 {
    memory * BILLED_SECONDS * GB_SECOND
}

/// A function's memory, as it is billed.
pub fn gigabytes(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / 1024.0
}

/// What a stack is, at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resting {
    /// Pollers that Lambda keeps on all queues together.
    pub pollers: f64,
    /// Metrics that alarms look at.
    pub alarm_metrics: f64,
    /// Dashboards.
    pub dashboards: f64,
    /// Invocations in a month by the clock.
    pub scheduled_invocations: f64,
    /// Read units of all of these.
    pub scheduled_read_units: f64,
    /// Metrics that each of these writes.
    pub metrics_each: f64,
}

/// The seconds of a month of thirty days.
pub const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// How Lambda waits for messages: a poller receives for 20 seconds at a time. Of an idle queue it keeps two pollers, or
/// all five that it begins with if the mapping bounds its concurrency.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
const RECEIVES_OF_A_POLLER: f64 = MONTH_SECONDS / 20.0;
/// The pollers of an idle queue.
pub const IDLE_POLLERS: f64 = 2.0;
/// The pollers of an idle queue whose mapping bounds its concurrency.
pub const BOUNDED_POLLERS: f64 = 5.0;

/// Assumed, not measured: the lines that an invocation which finds nothing logs, Lambda's own included.
const LOG_BYTES: f64 = 1500.0;

impl Resting {
    /// The price of a month.
    pub fn dollars(&self) -> f64 {
        self.month().iter().map(|(_, dollars)| dollars).sum()
    }

    fn month(&self) -> [(&'static str, f64); 5] {
        let each = invocation() + LOG_BYTES / 1e9 * LOG_GB;
        [
            (
                "Lambda waiting on queues",
                self.pollers * RECEIVES_OF_A_POLLER * QUEUE_REQUEST,
            ),
            ("alarms", self.alarm_metrics * ALARM_METRIC),
            ("dashboard", self.dashboards * DASHBOARD),
            (
                "what runs each minute",
                self.scheduled_invocations * each + self.scheduled_read_units * READ_UNIT,
            ),
            ("metrics of that", self.metrics_each * CUSTOM_METRIC),
        ]
    }
}

impl fmt::Display for Resting {
    /// The bill for a month.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, dollars) in self.month() {
            writeln!(f, "{what:>24} {dollars:>8.2} USD")?;
        }
        write!(f, "{:>24} {:>8.2} USD a month", "together", self.dollars())
    }
}

/// The requests to queues that messages make: sends, receives that brought something, deletes and changes of
/// visibility. Idle polling is the stack's, whatever it does.
pub fn queue_requests(totals: &Totals) -> u64 {
    let of_messages = [
        Operation::SendMessage,
        Operation::SendMessageBatch,
        Operation::ReceiveMessage,
        Operation::DeleteMessage,
        Operation::DeleteMessageBatch,
        Operation::ChangeMessageVisibilityBatch,
    ];
    let requests = of_messages
        .iter()
        .filter_map(|operation| totals.requests.get(operation));
    requests.sum::<u64>() - totals.empty_receives
}

/// What a run has used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Write request units.
    pub write_units: f64,
    /// Read request units.
    pub read_units: f64,
    /// Requests to queues: sends, receives that brought something, deletes and changes of visibility.
    pub queue_requests: f64,
    /// Messages that schedules sent.
    pub schedules: f64,
    /// Invocations of functions.
    pub invocations: f64,
    /// The gigabytes of memory that all invocations had, added up.
    pub memory: f64,
}

impl Usage {
    /// Its price.
    pub fn dollars(&self) -> f64 {
        self.parts().iter().map(|(_, dollars)| dollars).sum()
    }

    fn parts(&self) -> [(&'static str, f64); 6] {
        [
            ("DynamoDB writes", self.write_units * WRITE_UNIT),
            ("DynamoDB reads", self.read_units * READ_UNIT),
            ("SQS requests", self.queue_requests * QUEUE_REQUEST),
            ("Schedules", self.schedules * SCHEDULE),
            ("Lambda invocations", self.invocations * INVOCATION),
            ("Lambda time", time_with(self.memory)),
        ]
    }
}

impl fmt::Display for Usage {
    /// The bill for a million such runs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, dollars) in self.parts() {
            writeln!(f, "{what:>20} {:>8.2} USD", dollars * 1e6)?;
        }
        writeln!(
            f,
            "{:>20} {:>8.2} USD per million",
            "together",
            self.dollars() * 1e6
        )?;
        write!(
            f,
            "assumed: arm64, {} ms billed per invocation; its memory is {:.2} GB in the mean",
            BILLED_SECONDS * 1e3,
            self.memory / self.invocations
        )
    }
}
