//! The service's clock. An operator's machine may be minutes wrong, and what it shows and writes would be
//! too: ages, and when the sweeper tries again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};
use eventsourcing::{Clock, SystemClock, Timestamp};

use crate::output::age;

/// What an answer's date, which is told in whole seconds, and its way here may make of clocks that agree.
const TOLERANCE: Duration = Duration::from_secs(3);

/// A difference that an operator is told.
const WORTH_TELLING: Duration = Duration::from_mins(1);

/// Shows the time by the service's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceClock {
    /// How far it is ahead of this machine's, in milliseconds.
    ahead: i64,
}

impl Clock for ServiceClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().millis().saturating_add(self.ahead))
    }
}

impl ServiceClock {
    /// The clock of a service whose answer, dated `date`, came at `now` by this machine's clock.
    fn read(date: &str, now: Timestamp) -> Option<Self> {
        let date = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
        let ahead = date.to_millis().ok()?.saturating_sub(now.millis());
        let differs = Duration::from_millis(ahead.unsigned_abs()) > TOLERANCE;
        Some(Self {
            ahead: if differs { ahead } else { 0 },
        })
    }

    /// What an operator has to know of this machine's clock, if anything.
    pub(crate) fn warning(self) -> Option<String> {
        let difference = Duration::from_millis(self.ahead.unsigned_abs());
        let side = if self.ahead > 0 { "behind" } else { "ahead of" };
        (difference > WORTH_TELLING)
            .then(|| format!("this machine's clock is {} {side} the service's", age(difference)))
    }
}

/// Reads the date of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadDate(Arc<Mutex<Option<ServiceClock>>>);

impl ReadDate {
    /// The service's clock; this machine's if no answer had a date.
    pub(crate) fn clock(&self) -> ServiceClock {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or_default()
    }
}

impl Intercept for ReadDate {
    fn name(&self) -> &'static str {
        "ReadDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let clock = date.and_then(|date| ServiceClock::read(date, SystemClock.now()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = clock;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Mon, 23 Nov 2026 08:00:00 GMT";

    fn read(now: &str) -> ServiceClock {
        let now = now.parse().expect("a time");
        ServiceClock::read(DATE, now).expect("a date")
    }

    #[test]
    fn clocks_that_agree_but_for_the_seconds_of_a_date_are_one() {
        for now in [
            "2026-11-23T08:00:00.999Z",
            "2026-11-23T08:00:02Z",
            "2026-11-23T07:59:58Z",
        ] {
            assert_eq!(read(now), ServiceClock { ahead: 0 }, "{now}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_by_how_much_and_on_which_side() {
        let slow = read("2026-11-23T07:50:00Z");
        assert_eq!(slow, ServiceClock { ahead: 600_000 });
        assert_eq!(
            slow.warning().as_deref(),
            Some("this machine's clock is 10 min 0 s behind the service's")
        );
        let fast = read("2026-11-23T09:00:00Z");
        assert_eq!(
            fast.warning().as_deref(),
            Some("this machine's clock is 1 h 0 min ahead of the service's")
        );
        assert_eq!(read("2026-11-23T08:00:30Z").warning(), None);
    }

    #[test]
    fn what_is_no_date_says_nothing() {
        assert_eq!(ServiceClock::read("yesterday", SystemClock.now()), None);
    }
}
