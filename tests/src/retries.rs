//! How a function has its messages come again: after which delays.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_adapters::{GIVE_UP_FAILING, GIVE_UP_WAITING, SOON};
use eventsourcing::Setting;

use crate::malformed::assert_refused;
use crate::running::{Letter, Running};

/// Why a message comes again, and what that means for its delays, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Why {
    first: u64,
    /// The share of the time tried so far, as a fraction.
    grows: (u64, u64),
    most: u64,
    /// For how long it is tried.
    pub patience: Setting,
}

/// It waits for something else.
pub const WAITS: Why = Why {
    first: 2,
    grows: (1, 2),
    most: 300,
    patience: GIVE_UP_WAITING,
};

/// It fails for a transient reason.
pub const FAILS: Why = Why {
    first: 5,
    grows: (3, 1),
    most: 900,
    patience: GIVE_UP_FAILING,
};

impl Why {
    /// The longest delay of what has been tried for so long.
    fn longest(self, tried: Duration) -> u64 {
        (tried.as_secs() * self.grows.0 / self.grows.1).clamp(self.first, self.most)
    }
}

/// A delay that a function set.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// When, from the bundle's start.
    pub at: Duration,
    /// How long it is, in seconds.
    pub seconds: u64,
}

/// The delays after which a function had its messages come again. What it says of suspects before it handles them is
/// left out.
pub fn delays(bundle: &Running, function: &str) -> Vec<Delay> {
    let entries = |operation| {
        let calls = bundle.calls_of(function, operation).into_iter();
        let entries = calls.flat_map(|call| {
            let entries = call.request["Entries"].as_array().cloned().unwrap_or_default();
            entries.into_iter().map(move |entry| (call.at, entry))
        });
        entries.collect::<Vec<_>>()
    };
    // How often each receive was said something of: a suspect is held, and then retried or deleted.
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    let receipt = |entry: &serde_json::Value| entry["ReceiptHandle"].to_string();
    for (_, entry) in entries("DeleteMessageBatch") {
        said.insert(receipt(&entry), 1);
    }
    let mut delays = Vec::new();
    for (at, entry) in entries("ChangeMessageVisibilityBatch").into_iter().rev() {
        let seconds = entry["VisibilityTimeout"].as_u64().expect("a time");
        let said_later = said.entry(receipt(&entry)).or_default();
        *said_later += 1;
        if !SOON.contains(&seconds) || *said_later == 1 {
            delays.push(Delay { at, seconds });
        }
    }
    delays.reverse();
    delays
}

/// Checks that a message which came first at `since` came again after delays that grow with the time it was tried.
#[track_caller]
pub fn assert_growing(delays: &[Delay], why: Why, since: Duration) {
    // Half of the longest to all of it, and the last one ends with the patience.
    for delay in delays {
        let tried = delay.at.saturating_sub(since);
        // Whoever handles a message takes a while.
        let earlier = tried.saturating_sub(Duration::from_secs(1));
        let left = (why.patience.default.saturating_sub(earlier)).as_secs() + 1;
        let (least, most) = (
            why.longest(earlier).div_ceil(2).min(left.saturating_sub(2)),
            why.longest(tried),
        );
        assert!(
            (least..=most.min(left)).contains(&delay.seconds),
            "after {tried:?} it is {} seconds, not {least} to {most}: {delays:?}",
            delay.seconds
        );
    }
}

/// Checks of a queue's only message so far, a command for something that is not there which came first at the
/// bundle's start, that it waited longer each time and was exhausted when the patience was over.
pub async fn assert_exhausted_when_patience_is_over(bundle: &Running, queue: &str, body: &str) {
    let delays = delays(bundle, queue);
    // 26 if all are as long as they may be, 47 if all are as short.
    assert!((25..=47).contains(&delays.len()), "{queue}: {}", delays.len());
    assert!(
        delays[0].at < Duration::from_secs(1),
        "{queue} began at {:?}",
        delays[0].at
    );
    assert_growing(&delays, WAITS, Duration::ZERO);
    let letters = bundle.take_letters(queue).await;
    assert_eq!(letters.len(), 1, "{queue}");
    assert_refused(&letters[0], "exhausted", "yet");
    assert_eq!(letters[0].body, body);
    assert_given_up_on_time(&letters[0], WAITS, Duration::ZERO);
}

/// Checks that a message which came first at `since` was given up when its patience was over.
#[track_caller]
pub fn assert_given_up_on_time(letter: &Letter, why: Why, since: Duration) {
    let (tried, patience) = (letter.sent.saturating_sub(since), why.patience.default);
    // A last try may take as long as an invocation.
    let late = tried.checked_sub(patience);
    assert!(
        late.is_some_and(|late| late < Duration::from_secs(30)),
        "it was given up after {tried:?}"
    );
}
