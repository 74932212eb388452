//! Sends messages to queues, at once or at their time, and tries again what SQS failed at by a fault of its own.

use std::time::Duration;

use aws_sdk_sqs::Client;
use eventsourcing::Timestamp;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::client::event_bus::EVENT_BUS;
use crate::client::failure::FailureKind;
use crate::client::jitter::jittered_pause;
use crate::client::message::{MAX_DELAY, Outgoing};
use crate::client::queues::{QueueError, Queues};
use crate::client::schedules::{MAX_SCHEDULED_BYTES, OneTime, Schedules};

/// The most attempts at an entry that the service answers with a fault of its own.
const ATTEMPTS: u32 = 4;

/// How many schedules are created at once.
const MAX_CREATED_AT_ONCE: usize = 10;

/// A message that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sending to {} failed: {why}", in_words(.queue))]
pub struct SendError {
    /// The queue; [`EVENT_BUS`] if it is none.
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

/// What is sent to, by its name: a queue, or the event bus.
pub(crate) fn in_words(destination: &str) -> String {
    if destination == EVENT_BUS {
        format!("the {EVENT_BUS}")
    } else {
        format!("queue {destination}")
    }
}

/// Makes the same call for all, and again for those at which the service fails by a fault of its own, up to four
/// times in all. The call hands back what it was given, with what came of each. Of each, in the order given, whether
/// it was done; what was not comes back with why.
pub(crate) async fn persistently<T, R, C>(
    all: Vec<T>,
    until: Option<Instant>,
    call: impl Fn(Vec<T>) -> C,
) -> Vec<Result<(), (T, QueueError)>>
where
    C: Future<Output = (Vec<T>, Vec<Result<R, QueueError>>)>,
{
    let mut results: Vec<_> = all.iter().map(|_| Ok(())).collect();
    let mut open: Vec<(usize, T)> = all.into_iter().enumerate().collect();
    for attempt in 1..=ATTEMPTS {
        let (places, entries): (Vec<_>, Vec<_>) = open.into_iter().unzip();
        let (entries, done) = call(entries).await;
        let last = attempt == ATTEMPTS || until.is_some_and(|until| until <= Instant::now());
        open = Vec::new();
        for ((place, entry), done) in places.into_iter().zip(entries).zip(done) {
            match done {
                Ok(_) => {}
                Err(why) if why.is_worth_another_call() && !last => open.push((place, entry)),
                Err(why) => results[place] = Err((entry, why)),
            }
        }
        if open.is_empty() {
            break;
        }
        jittered_pause(attempt).await;
    }
    results
}

/// The queues of one stack, as functions send to them.
#[derive(Clone, Debug)]
pub struct Bus {
    queues: Queues,
    schedules: Option<Schedules>,
}

/// A message that may have a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// The id of what it carries: a repeat has the same.
    pub id: String,
    /// When it is to arrive; at once if none.
    pub due: Option<Timestamp>,
    /// The message.
    pub message: Outgoing,
}

impl From<Queues> for Bus {
    fn from(queues: Queues) -> Self {
        Self {
            queues,
            schedules: None,
        }
    }
}

impl Bus {
    /// The queues whose URLs are `url_prefix` and their name in the stack, as for [`Queues::new`].
    pub fn new(client: Client, url_prefix: &str) -> Self {
        Queues::new(client, url_prefix).into()
    }

    /// The same, with schedules for what is due later than a queue can hold it back. Without them such a message
    /// is sent on from queue to queue by whoever takes it.
    #[must_use]
    pub fn scheduling(self, schedules: Option<Schedules>) -> Self {
        Self { schedules, ..self }
    }

    /// The queues themselves.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The same bus with shorter timeouts: see [`Queues::with_timeouts`].
    #[must_use]
    pub fn with_timeouts(self, attempt: Duration, operation: Duration) -> Self {
        Self {
            queues: self.queues.with_timeouts(attempt, operation),
            ..self
        }
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
        let call = |messages: Vec<Outgoing>| async move {
            let sent = self.queues.send_until(&messages, until).await;
            (messages, sent)
        };
        let sent = persistently(messages, until, call).await;
        let failure = |(message, why): (Outgoing, QueueError)| SendError {
            queue: message.queue,
            why,
        };
        sent.into_iter().map(|sent| sent.map_err(failure)).collect()
    }

    /// Sends all so that each arrives at its time, and says of each, in the order given, whether it was sent. A
    /// queue holds back what is due within [`MAX_DELAY`] of `now`; for what is due later there is a schedule, and
    /// no second one under the same id.
    pub async fn send_in_time(&self, messages: Vec<Timed>, now: Timestamp) -> Vec<Result<(), SendError>> {
        let mut results = vec![Ok(()); messages.len()];
        let (mut places, mut sent_now, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for (place, timed) in messages.into_iter().enumerate() {
            let delay = timed.due.map(|due| due.since(now)).unwrap_or_default();
            match (&self.schedules, timed.due) {
                (Some(schedules), Some(due))
                    if delay > MAX_DELAY && timed.message.body.len() <= MAX_SCHEDULED_BYTES =>
                {
                    later.push(schedule(schedules, place, due, timed));
                }
                _ => {
                    places.push(place);
                    sent_now.push(Outgoing {
                        delay,
                        ..timed.message
                    });
                }
            }
        }
        let created = stream::iter(later)
            .buffer_unordered(MAX_CREATED_AT_ONCE)
            .collect();
        let (sent, created): (_, Vec<_>) = futures::future::join(self.send(sent_now), created).await;
        for (place, result) in places.into_iter().zip(sent).chain(created) {
            results[place] = result;
        }
        results
    }
}

/// Creates the schedule of the message in that place.
async fn schedule(
    schedules: &Schedules,
    place: usize,
    due: Timestamp,
    timed: Timed,
) -> (usize, Result<(), SendError>) {
    let created = schedules.create(OneTime {
        name: &timed.id,
        due,
        queue: &timed.message.queue,
        body: &timed.message.body,
    });
    let result = created.await.map_err(|why| SendError {
        queue: timed.message.queue.clone(),
        why,
    });
    (place, result)
}
