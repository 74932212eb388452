//! How a function has its messages come again: after which delays.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::malformed::assert_refused;
use crate::running::Running;

/// In seconds, for what waits for something else: half of 2, 4, 8 and 16 to all of it.
pub const WAITS: [RangeInclusive<u64>; 4] = [1..=2, 2..=4, 4..=8, 8..=16];
/// The same for what failed: 5, 20, 80, 320.
pub const FAILED: [RangeInclusive<u64>; 4] = [3..=5, 10..=20, 40..=80, 160..=320];

/// The delays after which a function had its messages come again, in seconds.
pub fn delays(bundle: &Running, function: &str) -> Vec<u64> {
    let calls = bundle.calls_of(function, "ChangeMessageVisibilityBatch");
    let entries = calls
        .iter()
        .flat_map(|call| call.request["Entries"].as_array().cloned().unwrap_or_default());
    entries
        .filter_map(|entry| entry["VisibilityTimeout"].as_u64())
        .collect()
}

/// Checks that the delays are within these ranges.
#[track_caller]
pub fn assert_growing(delays: &[u64], expected: &[RangeInclusive<u64>]) {
    assert_eq!(delays.len(), expected.len(), "{delays:?}");
    let all = delays
        .iter()
        .zip(expected)
        .all(|(delay, range)| range.contains(delay));
    assert!(all, "{delays:?} are not in {expected:?}");
}

/// Checks of a queue's only message so far, a command for something that is not there, that it waited longer each
/// time and was exhausted on its fifth receive. Each receive loads the stream `loads_each` times.
pub async fn assert_exhausted_on_the_fifth_receive(
    bundle: &Running,
    queue: &str,
    body: &str,
    loads_each: usize,
) {
    let loads: Vec<_> = bundle
        .calls_of(queue, "Query")
        .iter()
        .map(|load| load.at)
        .collect();
    assert_eq!(loads.len(), 5 * loads_each, "{queue} was received at {loads:?}");
    let loads: Vec<_> = loads.into_iter().step_by(loads_each).collect();
    assert!(
        loads[0] < Duration::from_secs(1),
        "{queue} began at {:?}",
        loads[0]
    );
    for (pair, range) in loads.windows(2).zip(&WAITS) {
        // Rounded, for the timer's granularity of a millisecond.
        let waited = Duration::from_secs_f64(pair[1].saturating_sub(pair[0]).as_secs_f64().round());
        assert!(
            range.contains(&waited.as_secs()),
            "{queue} waited {waited:?}, not {range:?}"
        );
    }
    assert_growing(&delays(bundle, queue), &WAITS);
    let letters = bundle.take_letters(queue).await;
    assert_eq!(letters.len(), 1, "{queue}");
    assert_refused(&letters[0], "exhausted", "yet");
    assert_eq!(letters[0].body, body);
    let last = loads.last().expect("there were five");
    assert!(
        letters[0].sent.abs_diff(*last) < Duration::from_secs(1),
        "it was moved on its last receive"
    );
}
