//! AWS's list prices in us-east-1, in US dollars, and what a run would have cost by them. Free tiers,
//! storage, logs and traffic are left out.
//!
//! Sources: <https://aws.amazon.com/dynamodb/pricing/on-demand/>, <https://aws.amazon.com/sqs/pricing/>,
//! <https://aws.amazon.com/lambda/pricing/>

use std::fmt;

/// A write request unit of a table billed on demand.
pub const WRITE_UNIT: f64 = 0.625 / 1e6;
/// A read request unit of a table billed on demand.
pub const READ_UNIT: f64 = 0.125 / 1e6;
/// A request to a standard queue, of up to 64 KB; a batch is one request.
pub const QUEUE_REQUEST: f64 = 0.40 / 1e6;
/// An invocation of a function.
pub const INVOCATION: f64 = 0.20 / 1e6;
/// A gigabyte of memory for a second, on arm64.
pub const GB_SECOND: f64 = 0.000_013_333_4;

/// Assumed, not measured: the memory of each function, in GB, and how long an invocation of it is billed
/// for, in seconds (a few calls of some milliseconds each).
pub const MEMORY_GB: f64 = 128.0 / 1024.0;
/// See [`MEMORY_GB`].
pub const BILLED_SECONDS: f64 = 0.015;

/// What a run has used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Write request units.
    pub write_units: f64,
    /// Read request units.
    pub read_units: f64,
    /// Requests to queues: sends, receives that brought something, deletes and changes of visibility.
    pub queue_requests: f64,
    /// Invocations of functions.
    pub invocations: f64,
}

impl Usage {
    /// Its price.
    pub fn dollars(&self) -> f64 {
        self.parts().iter().map(|(_, dollars)| dollars).sum()
    }

    fn parts(&self) -> [(&'static str, f64); 5] {
        [
            ("DynamoDB writes", self.write_units * WRITE_UNIT),
            ("DynamoDB reads", self.read_units * READ_UNIT),
            ("SQS requests", self.queue_requests * QUEUE_REQUEST),
            ("Lambda invocations", self.invocations * INVOCATION),
            (
                "Lambda time",
                self.invocations * MEMORY_GB * BILLED_SECONDS * GB_SECOND,
            ),
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
            "assumed: {MEMORY_GB} GB on arm64, {} ms billed per invocation",
            BILLED_SECONDS * 1e3
        )
    }
}
