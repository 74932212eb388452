//! How many messages wait in each queue, and how many are dead.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_adapters::dead_letter_queue;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::failure::Failure;
use crate::letters;
use crate::stack::Stack;

/// How many queues are asked at once.
const CALLS: usize = 16;

/// How old the counts of a stack on AWS may be: SQS bills each request.
pub(crate) const ON_AWS: Duration = Duration::from_secs(10);

/// The same on this machine.
pub(crate) const HERE: Duration = Duration::from_secs(1);

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
