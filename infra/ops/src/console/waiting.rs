//! How many messages wait in each queue, and how many are dead. Every page shows it and renews itself, so it is asked
//! for once in a while and not by each.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use aws_adapters::dead_letter_queue;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::letters;
use crate::stack::Stack;

/// How many queues are asked at once.
const CALLS: usize = 16;

/// How old counts may be: SQS bills each request, a stack on this machine none.
const ON_AWS: Duration = Duration::from_secs(10);
const HERE: Duration = Duration::from_secs(1);

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
pub(crate) type Counts = Rc<BTreeMap<String, Queued>>;

/// The latest counts, and when they were asked for.
pub(crate) struct Waiting {
    for_long: Duration,
    latest: Mutex<Option<(Instant, Counts)>>,
}

impl Waiting {
    pub(crate) fn new(is_local: bool) -> Self {
        Self {
            for_long: if is_local { HERE } else { ON_AWS },
            latest: Mutex::new(None),
        }
    }

    /// The counts, which may be some seconds old.
    pub(crate) async fn counts(&self, stack: &Stack) -> Result<Counts, Failure> {
        // Whoever comes second waits for the first one's answer.
        let mut latest = self.latest.lock().await;
        if let Some((at, counts)) = &*latest
            && at.elapsed() < self.for_long
        {
            return Ok(counts.clone());
        }
        let counts = Rc::new(ask(stack).await?);
        *latest = Some((Instant::now(), counts.clone()));
        Ok(counts)
    }

    /// Has the next page ask anew: something was done.
    pub(crate) async fn forget(&self) {
        *self.latest.lock().await = None;
    }
}

async fn ask(stack: &Stack) -> Result<BTreeMap<String, Queued>, Failure> {
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
