//! A receive, with its limits.

use std::time::Duration;

use crate::attributes::{MAX_RECEIVE_WAIT, check_visibility};
use crate::error::SqsError;

/// A receive of the typed API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receive {
    /// The most messages to hand out, 1 to 10.
    pub max: usize,
    /// How long to wait for the first message, at most 20 s; zero doesn't wait.
    pub wait: Duration,
    /// How long the messages stay hidden, at most 12 hours; none means the queue's own timeout.
    pub visibility: Option<Duration>,
}

impl Default for Receive {
    /// One message, without waiting, with the queue's visibility timeout.
    fn default() -> Self {
        Self {
            max: 1,
            wait: Duration::ZERO,
            visibility: None,
        }
    }
}

impl Receive {
    /// Refuses one that is out of its limits.
    pub(crate) fn check(&self) -> Result<(), SqsError> {
        if !(1..=10).contains(&self.max) {
            let reason = "Must be between 1 and 10, if provided.";
            return Err(SqsError::invalid("MaxNumberOfMessages", &self.max, reason));
        }
        if self.wait > MAX_RECEIVE_WAIT {
            let reason = "Must be >= 0 and <= 20, if provided.";
            return Err(SqsError::invalid(
                "WaitTimeSeconds",
                &self.wait.as_secs_f64(),
                reason,
            ));
        }
        self.visibility.map_or(Ok(()), check_visibility)
    }
}
