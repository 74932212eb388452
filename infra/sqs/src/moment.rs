//! What time it is.

use tokio::time::Instant;

/// One reading of both clocks: the one that timers follow and the one that timestamps tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) unix_ms: u64,
}
