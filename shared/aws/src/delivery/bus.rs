//! Sends messages to queues, and tries again what SQS failed at by a fault of its own.

use std::time::Duration;

use aws_sdk_sqs::Client;
use tokio::time::Instant;

use crate::client::failure::FailureKind;
use crate::client::jitter::jittered_pause;
use crate::client::message::Outgoing;
use crate::client::queues::{QueueError, Queues};

/// The most attempts at an entry that SQS answers with a fault of its own.
const ATTEMPTS: u32 = 4;

/// A message that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sending to queue {queue} failed: {why}")]
pub struct SendError {
    /// The queue.
    pub queue: String,
    /// What went wrong.
    pub why: QueueError,
}

impl SendError {
    /// Whether the same message may be taken another time.
    pub fn kind(&self) -> FailureKind {
        self.why.kind()
    }
}

/// The queues of one stack, as functions send to them.
#[derive(Clone, Debug)]
pub struct Bus {
    queues: Queues,
}

impl From<Queues> for Bus {
    fn from(queues: Queues) -> Self {
        Self { queues }
    }
}

impl Bus {
    /// The queues whose URLs are `url_prefix` and their name in the stack, as for [`Queues::new`].
    pub fn new(client: Client, url_prefix: &str) -> Self {
        Queues::new(client, url_prefix).into()
    }

    /// The queues themselves.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The same bus with shorter timeouts: see [`Queues::with_timeouts`].
    #[must_use]
    pub fn with_timeouts(self, attempt: Duration, operation: Duration) -> Self {
        self.queues.with_timeouts(attempt, operation).into()
    }

    /// Sends all, queues in parallel, and says of each, in the order given, whether it was sent. One
    /// that is reported as failed may have been sent all the same, if the reply was lost.
    pub async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        self.send_until(messages, None).await
    }

    /// The same, but what has no answer by `until` has failed.
    pub async fn send_until(
        &self,
        messages: Vec<Outgoing>,
        until: Option<Instant>,
    ) -> Vec<Result<(), SendError>> {
        let mut results = vec![Ok(()); messages.len()];
        let mut open: Vec<(usize, Outgoing)> = messages.into_iter().enumerate().collect();
        for attempt in 1..=ATTEMPTS {
            let (places, messages): (Vec<_>, Vec<_>) = open.into_iter().unzip();
            let sent = self.queues.send_until(&messages, until).await;
            let last = attempt == ATTEMPTS || until.is_some_and(|until| until <= Instant::now());
            open = Vec::new();
            for ((place, message), sent) in places.into_iter().zip(messages).zip(sent) {
                match sent {
                    Ok(_) => {}
                    Err(why) if why.is_worth_another_call() && !last => {
                        open.push((place, message));
                    }
                    Err(why) => {
                        let queue = message.queue;
                        results[place] = Err(SendError { queue, why });
                    }
                }
            }
            if open.is_empty() {
                break;
            }
            jittered_pause(attempt).await;
        }
        results
    }
}
