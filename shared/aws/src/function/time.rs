//! The time that an invocation has, and how it is shared out between what has to be done one after the other.

use std::time::Duration;

use eventsourcing::Timestamp;
use tokio::time::Instant;

/// What an invocation has whose context names no deadline, as one by hand.
pub(crate) const WITHOUT_DEADLINE: Duration = Duration::from_mins(1);

/// What is left until `deadline`, in milliseconds since 1970 as Lambda's context has it, when it is `now`; none
/// if the context names no deadline.
pub(crate) fn left_until(deadline: u64, now: Timestamp) -> Option<Duration> {
    let now = u64::try_from(now.millis()).unwrap_or(0);
    (deadline != 0).then(|| Duration::from_millis(deadline.saturating_sub(now)))
}

/// The time of an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    started: Instant,
    whole: Duration,
}

impl Time {
    /// The time until `deadline`, as [`left_until`] takes it.
    pub(crate) fn until(deadline: u64, now: Timestamp) -> Self {
        Self {
            started: Instant::now(),
            whole: left_until(deadline, now).unwrap_or(WITHOUT_DEADLINE),
        }
    }

    /// When so many thirtieths of it are over: seconds, of an invocation that may take 30.
    pub(crate) fn thirtieths(&self, parts: u32) -> Instant {
        self.started + self.whole * parts / 30
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_out_by_what_there_is() {
        let now = Timestamp::from_millis(1_000_000);
        let part = |deadline: u64| {
            let time = Time::until(deadline, now);
            time.thirtieths(18) - time.started
        };
        assert_eq!(part(1_030_000), Duration::from_secs(18));
        assert_eq!(part(1_001_500), Duration::from_millis(900));
        assert_eq!(part(999_000), Duration::ZERO, "its time was up before it began");
        assert_eq!(part(0), Duration::from_secs(36));
    }
}
