//! Wall time that moves with tokio's clock, so that a paused test can let hours pass at once.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use embedded_sqs::WallClock;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

/// Wall time: a moment given at creation, plus what has passed on tokio's clock since.
///
/// Everything in a stack has to read the same clock: copies agree with each other.
///
/// The in-memory database takes it ([`DynamoDb::in_memory`](crate::DynamoDb::in_memory)). A database in a
/// file reads the system's time instead, because `dynoxide` accepts a clock only for memory: pair it
/// with [`Clock::real`] and leave tokio's clock running.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: SystemTime,
    started: Instant,
}

impl Clock {
    /// A clock that shows `epoch` now.
    pub fn starting_at(epoch: SystemTime) -> Self {
        Self {
            epoch,
            started: Instant::now(),
        }
    }

    /// A clock that shows the system's time now.
    pub fn real() -> Self {
        Self::starting_at(SystemTime::now())
    }

    /// The time it shows.
    pub fn now(&self) -> SystemTime {
        // Out of range only for an epoch at the end of what the system can represent.
        self.epoch
            .checked_add(self.started.elapsed())
            .unwrap_or(self.epoch)
    }

    /// The same clock as `embedded-sqs` takes it.
    pub fn for_sqs(&self) -> WallClock {
        let clock = *self;
        Arc::new(move || clock.now())
    }

    /// Time since 1970; zero for a clock that was set before that.
    fn since_unix_epoch(&self) -> Duration {
        self.now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// For the `time_source` of an SDK client. A client on a paused clock needs it: between the system's time
/// and tokio's timers it would see requests stall that do not.
impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

impl dynoxide::storage_backend::Clock for Clock {
    fn now_unix_secs(&self) -> u64 {
        self.since_unix_epoch().as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.since_unix_epoch().as_secs_f64()
    }
}

/// RFC 3339 in UTC, to the second, as EventBridge and the stream mapping's failure records write it.
pub(crate) fn to_the_second(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    rfc3339(at.replace_nanosecond(0).unwrap_or(at))
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn to_the_millisecond(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    rfc3339(
        at.replace_nanosecond(at.nanosecond() / 1_000_000 * 1_000_000)
            .unwrap_or(at),
    )
}

fn rfc3339(at: OffsetDateTime) -> String {
    // Years past 9999 have no RFC 3339 form; such a clock still has to show something.
    at.format(&Rfc3339)
        .unwrap_or_else(|_| at.unix_timestamp().to_string())
}
