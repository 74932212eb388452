//! What time it is.

use std::time::Duration;

use tokio::time::Instant;

/// One reading of both clocks: the one that timers follow and the one that timestamps tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) unix_ms: u64,
}

impl Moment {
    /// The moment before this one at which the timers showed `instant`.
    pub(crate) fn at(self, instant: Instant) -> Self {
        let before = self.instant.saturating_duration_since(instant).as_millis();
        Self {
            instant,
            unix_ms: self
                .unix_ms
                .saturating_sub(u64::try_from(before).unwrap_or(u64::MAX)),
        }
    }

    /// What timestamps tell when the timers show `at`, before this moment or after it.
    pub(crate) fn unix_ms_of(self, at: Instant) -> u64 {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        match at.checked_duration_since(self.instant) {
            Some(ahead) => self.unix_ms.saturating_add(ms(ahead)),
            None => self
                .unix_ms
                .saturating_sub(ms(self.instant.saturating_duration_since(at))),
        }
    }

    /// What the timers show when timestamps tell `unix_ms`.
    pub(crate) fn instant_of(self, unix_ms: u64) -> Instant {
        let at = match unix_ms.checked_sub(self.unix_ms) {
            Some(ahead) => self.instant.checked_add(Duration::from_millis(ahead)),
            None => self
                .instant
                .checked_sub(Duration::from_millis(self.unix_ms - unix_ms)),
        };
        // Further off than a clock can say.
        at.unwrap_or(self.instant)
    }
}
