//! What time it is.

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
}
