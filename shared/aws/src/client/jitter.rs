//! Waits that are never quite the same, so that what failed together does not try again together.

use std::time::Duration;

/// Waits up to 50 ms after the first attempt, and twice as long after each further one.
pub(crate) async fn jittered_pause(attempt: u32) {
    let most = 50_u64 << attempt.clamp(1, 6).saturating_sub(1);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=most))).await;
}

/// Between half of the delay and all of it, so that what failed together does not come back together;
/// at least a second, the unit of visibility.
pub(crate) fn jittered(delay: Duration) -> Duration {
    let most = delay.as_secs().max(1);
    Duration::from_secs(fastrand::u64(most.div_ceil(2)..=most))
}
