//! The settings of a stream's mapping, and which of them Lambda takes.

use std::time::Duration;

use embedded_sqs::Sqs;

use super::checkpoints::Checkpoint;
use super::order::Order;
use crate::dynamodb::StreamPosition;
use crate::mapping::{MappingError, check};

/// The settings of a stream's mapping, in Lambda's words.
#[derive(Clone)]
pub struct Settings {
    /// The table whose stream it is.
    pub table: String,
    /// `StartingPosition`, or where an earlier run left off.
    pub starting_position: StreamPosition,
    /// `BatchSize`: 1 to 10,000 records.
    pub batch_size: u32,
    /// `MaximumBatchingWindowInSeconds`: for how long to wait for a batch to fill, up to 300 seconds.
    pub batching_window: Duration,
    /// `ParallelizationFactor`: 1 to 10 batches at once, of different partition keys.
    pub parallelization_factor: u32,
    /// `FunctionResponseTypes` holds `ReportBatchItemFailures`.
    pub report_batch_item_failures: bool,
    /// `BisectBatchOnFunctionError`.
    pub bisect_batch_on_function_error: bool,
    /// `MaximumRetryAttempts`: 0 to 10,000 after the first; `None` until the record expires.
    pub maximum_retry_attempts: Option<u32>,
    /// `MaximumRecordAgeInSeconds`: 1 minute to 7 days; `None` until the record expires, which a stream's
    /// do after 24 hours.
    pub maximum_record_age: Option<Duration>,
    /// `DestinationConfig.OnFailure`: who is told of records that were given up.
    pub on_failure: Option<OnFailure>,
    /// In which order records of different partition keys arrive.
    pub order: Order,
    /// Where is kept how far it got, if anywhere.
    pub checkpoint: Option<Checkpoint>,
}

/// A queue that is told of records that were given up.
#[derive(Clone)]
pub struct OnFailure {
    /// The service.
    pub sqs: Sqs,
    /// The queue's name.
    pub queue: String,
}

impl Settings {
    /// Lambda's defaults, from the oldest record on.
    pub fn of(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            starting_position: StreamPosition::TrimHorizon,
            batch_size: 100,
            batching_window: Duration::ZERO,
            parallelization_factor: 1,
            report_batch_item_failures: false,
            bisect_batch_on_function_error: false,
            maximum_retry_attempts: None,
            maximum_record_age: None,
            on_failure: None,
            order: Order::Arrival,
            checkpoint: None,
        }
    }

    /// Refuses what Lambda refuses.
    pub fn check(&self) -> Result<(), MappingError> {
        let seconds = Duration::from_secs;
        check("BatchSize", &self.batch_size, 1..=10_000)?;
        check(
            "MaximumBatchingWindowInSeconds",
            &self.batching_window,
            Duration::ZERO..=seconds(300),
        )?;
        check("ParallelizationFactor", &self.parallelization_factor, 1..=10)?;
        check(
            "MaximumRetryAttempts",
            &self.maximum_retry_attempts.unwrap_or(0),
            0..=10_000,
        )?;
        let age = self.maximum_record_age.unwrap_or(seconds(60));
        check("MaximumRecordAgeInSeconds", &age, seconds(60)..=seconds(604_800))
    }
}
