//! The service in one process: the typed operations, the clocks that they go by, and long polls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, sleep_until};

use crate::address::Address;
use crate::attributes::{Configuration, QueueAttributes};
use crate::error::SqsError;
use crate::message::{Outgoing, Received, Sent, check_batch_length};
use crate::moment::Moment;
use crate::queue::{Counts, Seen};
use crate::receive::Receive;
use crate::state::State;
use crate::totals::{Operation, Totals};

/// Tells the time for timestamps. Timers follow `tokio::time` instead.
pub type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Where the service is, as far as URLs and ARNs say it, and what time it is there.
#[derive(Clone)]
pub struct Settings {
    /// The region in ARNs.
    pub region: String,
    /// The account in ARNs and URLs, 12 digits.
    pub account: String,
    /// What queue URLs start with, for instance `http://127.0.0.1:4566`.
    pub base_url: String,
    /// The clock of timestamps.
    pub clock: WallClock,
}

/// A handle on the service. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Sqs {
    shared: Arc<Shared>,
}

struct Shared {
    clock: WallClock,
    /// Held for one operation at a time, never while waiting.
    state: Mutex<State>,
    /// What has passed without `tokio::time`.
    skipped_ms: AtomicU64,
}

impl Sqs {
    /// Starts without queues.
    pub fn new(settings: Settings) -> Self {
        let Settings {
            region,
            account,
            base_url,
            clock,
        } = settings;
        let state = Mutex::new(State::new(Address {
            region,
            account,
            base_url,
        }));
        Self {
            shared: Arc::new(Shared {
                clock,
                state,
                skipped_ms: AtomicU64::new(0),
            }),
        }
    }

    /// Creates a queue. Does nothing if there is one with the same attributes already.
    pub fn create_queue(&self, name: &str, attributes: QueueAttributes) -> Result<(), SqsError> {
        self.count(Operation::CreateQueue);
        let moment = self.moment();
        self.state()
            .create_queue(name, Configuration::new(attributes), moment)
    }

    /// Gives a queue these attributes in place of those it has. Not counted as a request.
    pub fn configure_queue(&self, name: &str, attributes: QueueAttributes) -> Result<(), SqsError> {
        let moment = self.moment();
        self.state().replace_attributes(name, attributes, moment)
    }

    /// Puts a message into a queue.
    pub fn send(&self, queue: &str, message: Outgoing) -> Result<Sent, SqsError> {
        self.count(Operation::SendMessage);
        let prepared = message.prepare()?;
        let (bytes, moment) = (prepared.bytes, self.moment());
        let mut state = self.state();
        let sent = state.send(queue, prepared, moment)?;
        state.totals.count_payload(bytes);
        Ok(sent)
    }

    /// Hands out messages and hides them. Returns as soon as there is one, or with none when the wait
    /// is over. A queue that is deleted meanwhile ends the wait with [`SqsError::QueueDoesNotExist`].
    /// Dropping the future while it waits loses no message.
    pub async fn receive(&self, queue: &str, request: Receive) -> Result<Vec<Received>, SqsError> {
        self.receive_noting(queue, request, |_| {}).await
    }

    /// The same, and tells `handed_out` how many messages it gets before anybody else can see that they are in flight:
    /// who counts what is being handled then misses none.
    pub async fn receive_noting(
        &self,
        queue: &str,
        request: Receive,
        handed_out: impl Fn(usize) + Send + Sync,
    ) -> Result<Vec<Received>, SqsError> {
        self.count(Operation::ReceiveMessage);
        self.poll_noting(queue, request, &handed_out).await
    }

    /// Removes a received message for good. One that is gone already is no error.
    pub fn delete(&self, queue: &str, receipt_handle: &str) -> Result<(), SqsError> {
        self.count(Operation::DeleteMessage);
        let moment = self.moment();
        self.state().delete(queue, receipt_handle, moment)
    }

    /// Removes up to ten received messages in one request, which is how Lambda's pollers do it. The
    /// outcomes are in the order of the handles.
    pub fn delete_batch<'a>(
        &self,
        queue: &str,
        receipt_handles: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Result<(), SqsError>>, SqsError> {
        self.count(Operation::DeleteMessageBatch);
        let receipt_handles: Vec<&str> = receipt_handles.into_iter().collect();
        check_batch_length(receipt_handles.len())?;
        let moment = self.moment();
        let mut state = self.state();
        state.queue(queue)?;
        Ok(receipt_handles
            .into_iter()
            .map(|handle| state.delete(queue, handle, moment))
            .collect())
    }

    /// Makes a received message visible that long from now; zero makes it visible at once. At most
    /// 12 hours from its receive.
    pub fn change_visibility(
        &self,
        queue: &str,
        receipt_handle: &str,
        timeout: Duration,
    ) -> Result<(), SqsError> {
        self.count(Operation::ChangeMessageVisibility);
        let moment = self.moment();
        self.state()
            .change_visibility(queue, receipt_handle, timeout, moment)
    }

    /// Has time pass that `tokio::time` did not see, as while a machine sleeps: delays, visibility timeouts
    /// and retention are that much further on. A long poll still waits for as long as it was asked to.
    pub fn skip(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.shared.skipped_ms.fetch_add(by, Ordering::Relaxed);
        let state = self.state();
        for queue in state.queues.values() {
            queue.wake_waiters();
        }
    }

    /// Resolves when there is a queue of that name.
    pub async fn until_exists(&self, queue: &str) {
        loop {
            let created = {
                let state = self.state();
                if state.queues.contains_key(queue) {
                    return;
                }
                state.created.clone().notified_owned()
            };
            created.await;
        }
    }

    /// How many messages a queue has now; none if there is no such queue. Not counted as a request.
    pub fn counts(&self, queue: &str) -> Option<Counts> {
        let moment = self.moment();
        self.state()
            .settled_queue(queue, moment)
            .ok()
            .map(|queue| queue.counts())
    }

    /// All messages of a queue as they wait, in the order of sending; nothing if there is no such queue. They stay as they
    /// are: nothing is received. Not counted as a request.
    pub fn look_at(&self, queue: &str) -> Vec<Seen> {
        let moment = self.moment();
        let mut state = self.state();
        let queue = state.settled_queue(queue, moment);
        queue.map(|queue| queue.seen(moment.instant)).unwrap_or_default()
    }

    /// How long it is until the next hidden message of a queue can be received, delayed or in flight; none if none is
    /// hidden. Not counted as a request.
    pub fn next_visible(&self, queue: &str) -> Option<Duration> {
        let moment = self.moment();
        let mut state = self.state();
        let due = state.settled_queue(queue, moment).ok()?.next_due()?;
        Some(due.saturating_duration_since(moment.instant))
    }

    /// Takes a message out of a queue by its id, wherever it is in it; whether it was there. Not counted as a request.
    pub fn take_out(&self, queue: &str, message_id: &str) -> bool {
        let moment = self.moment();
        let mut state = self.state();
        let queue = state.settled_queue(queue, moment);
        queue.is_ok_and(|queue| queue.take_out(message_id))
    }

    /// Makes every message of a queue visible that somebody has received and not deleted: whoever it was will not. Not
    /// counted as a request.
    pub fn release(&self, queue: &str) {
        let moment = self.moment();
        let mut state = self.state();
        if let Ok(queue) = state.settled_queue(queue, moment) {
            queue.release(moment.instant);
        }
    }

    /// Takes every message out of every queue. Not counted as a request.
    pub fn purge_all(&self) {
        for queue in self.state().queues.values_mut() {
            queue.purge();
        }
    }

    /// The queue whose delayed message is due next of all, and how long it is until then; none if nothing is delayed.
    /// Not counted as a request.
    pub fn next_delayed(&self) -> Option<(String, Duration)> {
        let moment = self.moment();
        let mut state = self.state();
        let state = &mut *state;
        let (totals, queues) = (&mut state.totals, state.queues.iter_mut());
        let next = queues.filter_map(|(name, queue)| {
            // What is due has to be told from what is not.
            totals.expired += queue.settle(moment.instant);
            Some((queue.next_delayed()?, name))
        });
        let (due, name) = next.min()?;
        Some((name.clone(), due.saturating_duration_since(moment.instant)))
    }

    /// What was asked of the service since it started.
    pub fn totals(&self) -> Totals {
        self.state().totals.clone()
    }

    /// The names of all queues, sorted.
    pub fn queue_names(&self) -> Vec<String> {
        self.state().queues.keys().cloned().collect()
    }

    /// The URL of a queue of that name, whether it exists or not.
    pub fn queue_url(&self, name: &str) -> String {
        self.state().address.url(name)
    }

    /// The ARN of a queue of that name, whether it exists or not.
    pub fn queue_arn(&self, name: &str) -> String {
        self.state().address.arn(name)
    }

    /// A receive that is counted as a request already.
    pub(crate) async fn poll(&self, queue: &str, request: Receive) -> Result<Vec<Received>, SqsError> {
        self.poll_noting(queue, request, &|_| {}).await
    }

    async fn poll_noting(
        &self,
        queue: &str,
        request: Receive,
        handed_out: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Vec<Received>, SqsError> {
        request.check()?;
        let deadline = Instant::now() + request.wait;
        let mut incarnation = None;
        loop {
            let waiting = match self.look(queue, &request, &mut incarnation, deadline, handed_out)? {
                Look::Over(received) => return Ok(received),
                Look::Wait(waiting) => waiting,
            };
            tokio::select! {
                () = waiting.change => {}
                () = sleep_until(waiting.until) => {}
            }
        }
    }

    /// One look of a receive at its queue. What to wait for is found under the same lock as that there
    /// was nothing, so that no change falls in between.
    fn look(
        &self,
        name: &str,
        request: &Receive,
        incarnation: &mut Option<u64>,
        deadline: Instant,
        handed_out: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Look, SqsError> {
        let moment = self.moment();
        let mut state = self.state();
        let current = state.queue(name)?.incarnation;
        // The queue was deleted and created anew: the request was for the old one.
        if *incarnation.get_or_insert(current) != current {
            return Err(SqsError::QueueDoesNotExist {
                queue: name.to_owned(),
            });
        }
        let received = state.receive(name, request, moment)?;
        if !received.is_empty() {
            handed_out(received.len());
            return Ok(Look::Over(received));
        }
        if Instant::now() >= deadline {
            state.totals.empty_receives += 1;
            return Ok(Look::Over(received));
        }
        let skipped = self.skipped();
        let next_move = state.next_move();
        let queue = state.queue(name)?;
        // Timers know nothing of what was skipped. After a receive, what is due next is later than now.
        let next_due = queue.next_due().into_iter().chain(next_move).min();
        let next_due = next_due.and_then(|due| due.checked_sub(skipped));
        let until = next_due.map_or(deadline, |due| due.min(deadline));
        Ok(Look::Wait(Waiting {
            change: queue.next_change(),
            until,
        }))
    }

    pub(crate) fn moment(&self) -> Moment {
        let since_1970 = (self.shared.clock)()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Moment {
            instant: Instant::now() + self.skipped(),
            unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn skipped(&self) -> Duration {
        Duration::from_millis(self.shared.skipped_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // No operation panics halfway through a change, so what a panicking thread left is whole.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, operation: Operation) {
        self.state().totals.count_request(operation);
    }
}

/// What a receive found.
enum Look {
    Over(Vec<Received>),
    Wait(Waiting),
}

/// What a receive waits for: a change of the queue, or its next due message or the end of the wait.
struct Waiting {
    change: OwnedNotified,
    until: Instant,
}
