//! Points in time, to the millisecond, and the clock that is passed in.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{FieldError, FieldForm, FieldValue};

/// Milliseconds since 1970-01-01T00:00:00Z; written as RFC 3339 in UTC with exactly three decimals.
///
/// One width for all makes the text sort as the time does, which a scan over a time range relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The year 0001 to 9999: what RFC 3339 can write.
const RANGE_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// A text that is not an RFC 3339 timestamp.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a timestamp; expected RFC 3339, such as 2026-11-23T08:00:00Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// The time `ms` milliseconds after the Unix epoch, cut to the years RFC 3339 can write.
    pub fn from_millis(ms: i64) -> Self {
        Self(ms.clamp(*RANGE_MS.start(), *RANGE_MS.end()))
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// This time and `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// This time and `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(ms))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let ms = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Self::from_millis(ms)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        let (date, time) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Between date and time stands a `T`, in either case, or a space (RFC 3339, section 5.6). Its parser takes anything
    /// there.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return Err(InvalidTimestamp);
        }
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(ms)
            .map(Self::from_millis)
            .map_err(|_| InvalidTimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FieldValue for Timestamp {
    fn form() -> FieldForm {
        FieldForm::Timestamp
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        String::read(raw)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

/// Where the time comes from. Rules get a [`Timestamp`]; whoever runs them holds a clock.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_with_three_decimals_and_read_back() {
        let at = Timestamp::from_millis(1_795_420_801_204);
        assert_eq!(at.to_string(), "2026-11-23T08:00:01.204Z");
        assert_eq!("2026-11-23T08:00:01.204Z".parse(), Ok(at));
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        assert_eq!(
            "2026-11-23T09:00:00+01:00".parse::<Timestamp>(),
            "2026-11-23T08:00:00Z".parse()
        );
    }

    #[test]
    fn between_date_and_time_stands_a_t_or_a_space() {
        for separator in ["T", "t", " "] {
            let text = format!("2026-11-23{separator}08:00:00Z");
            assert_eq!(text.parse::<Timestamp>(), "2026-11-23T08:00:00Z".parse());
        }
        for separator in ["_", "", "0", "ü", "T ", "\n"] {
            let text = format!("2026-11-23{separator}08:00:00Z");
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text:?}");
        }
    }

    #[test]
    fn a_date_alone_is_no_timestamp() {
        assert_eq!("2026-11-23".parse::<Timestamp>(), Err(InvalidTimestamp));
    }
}
