//! How many messages wait in each queue, and how many are dead.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_adapters::dead_letter_queue;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::letters;
use crate::stack::Stack;

/// How many queues are asked at once.
const CALLS: usize = 16;

/// How old the counts of a stack on AWS may be: SQS bills each request.
pub(crate) const ON_AWS: Duration = Duration::from_secs(10);

/// The same on this machine, whose stack has better to do than to count.
pub(crate) const HERE: Duration = Duration::from_secs(2);

/// How many messages there are of a queue, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queued {
    /// To be handled at once.
    pub(crate) waiting: usize,
    /// To be handled later, or in a function's hands.
    pub(crate) held: usize,
    /// In its dead-letter queue.
    pub(crate) dead: usize,
}

/// The counts of all queues, without the stack's name.
pub(crate) type Counts = BTreeMap<String, Queued>;

/// After how long a queue that is never empty is worth a word.
const FOR_LONG: Duration = Duration::from_mins(1);

/// Since when queues have held what could be handled, at every look.
#[derive(Debug, Default)]
pub(crate) struct Busy(RefCell<BTreeMap<String, Instant>>);

impl Busy {
    /// The queues that have not been empty at any look for more than a minute, and for how long. Either more comes than
    /// is handled, or nothing is handled.
    pub(crate) fn for_long(&self, counts: &Counts) -> Vec<(String, Duration)> {
        let mut busy = self.0.borrow_mut();
        let now = Instant::now();
        let full = counts.iter().filter(|(_, queued)| queued.waiting > 0);
        let since = full.map(|(queue, _)| (queue.clone(), busy.get(queue).copied().unwrap_or(now)));
        let since: BTreeMap<_, _> = since.collect();
        *busy = since;
        let for_long = busy.iter().map(|(queue, since)| (queue.clone(), now - *since));
        for_long.filter(|(_, since)| *since > FOR_LONG).collect()
    }
}

/// Asks all queues.
pub(crate) async fn ask(stack: &Stack) -> Result<Counts, Failure> {
    let of = async |queue: &str| {
        let dead = letters::counts(stack, &dead_letter_queue(queue)).await?;
        let own = letters::counts(stack, queue).await?;
        let queued = Queued {
            waiting: own.map_or(0, |counts| counts.visible),
            held: own.map_or(0, |counts| counts.held),
            dead: dead.map_or(0, |counts| counts.all()),
        };
        Ok((queue.to_owned(), queued))
    };
    let queues = stack.queues();
    stream::iter(queues.iter().map(|queue| of(queue)))
        .buffer_unordered(CALLS)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(waiting: usize) -> Counts {
        let queued = Queued {
            waiting,
            ..Queued::default()
        };
        BTreeMap::from([("lend-book".to_owned(), queued)])
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_is_not_empty_at_any_look_is_told_after_a_minute_and_one_that_was_is_not() {
        let (busy, second) = (Busy::default(), Duration::from_secs(1));
        for looks in 0..=60 {
            assert_eq!(busy.for_long(&with(3)), [], "after {looks} s");
            tokio::time::sleep(second).await;
        }
        assert_eq!(busy.for_long(&with(1)), [("lend-book".to_owned(), second * 61)]);
        assert_eq!(busy.for_long(&with(0)), []);
        assert_eq!(busy.for_long(&with(1)), []);
    }
}
