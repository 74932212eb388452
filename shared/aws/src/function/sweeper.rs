//! The sweeper: on a schedule, sends again what is due in the outbox, and marks it or counts the attempt.
//!
//! The longest overdue come first, and nobody waits behind a queue that takes nothing: one that failed in this
//! sweep is left alone until the next, and its entries are passed over where they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use eventsourcing::{Clock, Commit, Transient};
use futures::stream::{self, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::connection::{DELIVERY_ATTEMPT_TIMEOUT, DELIVERY_TIMEOUT};
use crate::client::event_bus::EVENT_BUS;
use crate::client::failure::FailureKind;
use crate::delivery::bus::in_words;
use crate::delivery::outbox::{AfterFailure, Delivery, Outbox, OutboxEntry};
use crate::delivery::publisher::{Addressed, Publisher};
use crate::delivery::undelivered::Undelivered;
use crate::function::handler::Handler;
use crate::function::metrics::{Backlog, Meter, MetricSink, Metrics};
use crate::function::time::Time;
use crate::store::commit_ref::CommitRef;
use crate::store::event_store::{DynamoDbEventStore, FetchError};

/// How many entries are read, and sent, at once.
const BATCH: i32 = 100;

/// How many entries are read at once while a queue takes nothing: most of them may be for it.
const BATCH_TO_PASS_OVER: i32 = 1_000;

/// How many commits are read, and entries written, at a time.
const MAX_CALLS: usize = 16;

/// For how long the messages of a batch are sent. A queue that has not answered by then takes nothing.
const SENDING: Duration = Duration::from_secs(8);

/// For how many thirtieths of its time it reads and sends; for how many more it notes what came of that; and
/// until when it counts what is left.
const WORKING: u32 = 20;
const NOTING: u32 = 25;
const COUNTING: u32 = 29;

/// The function that sweeps the outbox.
///
/// Two of them at once do no harm: an event is sent twice at worst, which its receivers are used to, and an
/// entry is written only as it was seen.
pub struct Sweeper {
    name: &'static str,
    publisher: Publisher,
    store: DynamoDbEventStore,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    meter: Meter,
}

#[async_trait]
impl Handler for Sweeper {
    async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let time = Time::until(event.context.deadline, self.clock.now());
        let mut metrics = Metrics::default();
        let swept = self.sweep(time, &mut metrics).await;
        let counted = self.count(time.thirtieths(COUNTING), &mut metrics).await;
        let answer = json!({ "published": metrics.handled, "failed": metrics.undelivered });
        self.meter.emit(&metrics);
        // A failed sweep is a failed invocation, which an alarm counts; the next one takes up its work.
        Ok(swept.and(counted).map(|()| answer)?)
    }
}

/// The queues that a sweep has found to take nothing, and the event bus if it does not.
#[derive(Default)]
struct Refusing(BTreeSet<String>);

impl Refusing {
    /// Whether all that an entry waits for is among them. Of one that does not say it is not known.
    fn holds_up(&self, entry: &OutboxEntry) -> bool {
        !entry.undelivered_to.is_empty() && entry.undelivered_to.is_subset(&self.0)
    }

    /// Takes in what came of a batch: a queue that failed more often than it took something is given up.
    /// What it refused for what that was says nothing of it.
    fn learn<'a>(&mut self, sent: impl Iterator<Item = &'a Sent>) {
        let mut balance = BTreeMap::<&str, (u32, u32)>::new();
        for Sent { to, outcome, .. } in sent {
            let failed = outcome.as_ref().err().map(|failure| &failure.queues);
            for queue in to {
                let (took, failures) = balance.entry(queue).or_default();
                match failed.and_then(|failed| failed.get(queue)) {
                    Some(FailureKind::Transient) => *failures += 1,
                    Some(FailureKind::Permanent) => {}
                    None => *took += 1,
                }
            }
        }
        let refusing = balance
            .into_iter()
            .filter(|(_, (took, failures))| failures > took);
        self.0.extend(refusing.map(|(queue, _)| queue.to_owned()));
    }
}

/// An entry whose commit was read.
struct Found {
    entry: OutboxEntry,
    commit: Commit,
    /// The queues that it goes to now.
    to: BTreeSet<String>,
    /// Those that have to wait.
    put_off: BTreeSet<String>,
}

/// An entry that was sent, to which queues, and what came of it.
struct Sent {
    entry: OutboxEntry,
    to: BTreeSet<String>,
    outcome: Result<(), Undelivered>,
}

impl Sweeper {
    /// The sweeper called `name`, of the outbox that refers to commits in `store`.
    pub fn new(
        name: &'static str,
        publisher: Publisher,
        store: DynamoDbEventStore,
        outbox: Outbox,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn MetricSink>,
    ) -> Self {
        Self {
            name,
            publisher: publisher.with_timeouts(DELIVERY_ATTEMPT_TIMEOUT, DELIVERY_TIMEOUT),
            store,
            outbox: outbox.with_timeouts(DELIVERY_ATTEMPT_TIMEOUT, DELIVERY_TIMEOUT),
            meter: Meter::new(name, clock.clone(), metrics),
            clock,
        }
    }

    /// Goes once through all that is due now, or as far as the time reaches.
    async fn sweep(&self, time: Time, metrics: &mut Metrics) -> Result<(), Transient> {
        let until = time.thirtieths(WORKING);
        let mut due = self.outbox.due(self.clock.now());
        let mut refusing = Refusing::default();
        let mut trouble = Ok(());
        while Instant::now() < until {
            let limit = if refusing.0.is_empty() {
                BATCH
            } else {
                BATCH_TO_PASS_OVER
            };
            let page = tokio::time::timeout_at(until, due.next(limit));
            let page = page
                .await
                .unwrap_or_else(|_| Err(out_of_time("reading the outbox")))?;
            if page.is_empty() {
                break;
            }
            let mut page: Vec<_> = page
                .into_iter()
                .filter(|entry| !refusing.holds_up(entry))
                .collect();
            while !page.is_empty() && Instant::now() < until {
                let rest = page.split_off(page.len().min(BATCH as usize));
                let sent = self.send_again(page, &mut refusing, time, metrics).await;
                trouble = trouble.and(sent);
                page = rest
                    .into_iter()
                    .filter(|entry| !refusing.holds_up(entry))
                    .collect();
            }
        }
        trouble
    }

    /// Counts what is left.
    async fn count(&self, until: Instant, metrics: &mut Metrics) -> Result<(), Transient> {
        let counts = async {
            let (pending, parked) = (
                self.outbox.count(Delivery::Pending),
                self.outbox.count(Delivery::Parked),
            );
            futures::future::try_join(pending, parked).await
        };
        let counts = tokio::time::timeout_at(until, counts).await;
        let (pending, parked) = counts.unwrap_or_else(|_| Err(out_of_time("counting the outbox")))?;
        metrics.backlog = Some(Backlog { pending, parked });
        Ok(())
    }

    /// Sends entries to the queues that have not got their events, and notes what came of it. An error is of
    /// entries that stay as they are, and says nothing of the others.
    async fn send_again(
        &self,
        entries: Vec<OutboxEntry>,
        refusing: &mut Refusing,
        time: Time,
        metrics: &mut Metrics,
    ) -> Result<(), Transient> {
        let until = time.thirtieths(WORKING);
        let (found, mut sent, mut trouble) = self.find(entries, refusing, until).await;
        let addressed: Vec<_> = found
            .iter()
            .map(|Found { commit, to, .. }| Addressed {
                commit,
                only: Some(to),
            })
            .collect();
        let until = until.min(Instant::now() + SENDING);
        let outcomes = self.publisher.publish_until(&addressed, Some(until)).await;
        sent.extend(
            found
                .into_iter()
                .zip(outcomes)
                .map(|(found, outcome)| found.sent(outcome)),
        );
        refusing.learn(sent.iter());

        let settles = sent.into_iter().map(|sent| self.settle(sent.entry, sent.outcome));
        let settles: Vec<_> = settles.collect();
        let mut settled = stream::iter(settles).buffer_unordered(MAX_CALLS);
        let noting = time.thirtieths(NOTING);
        loop {
            // What is not noted in time stays due, and is sent once more the next time.
            match tokio::time::timeout_at(noting, settled.next()).await {
                Ok(None) => return trouble,
                Ok(Some(Ok(true))) => metrics.handled += 1,
                Ok(Some(Ok(false))) => metrics.undelivered += 1,
                Ok(Some(Err(transient))) => trouble = trouble.and(Err(transient)),
                Err(_) => return trouble.and(Err(out_of_time("writing the outbox"))),
            }
        }
    }

    /// Reads the commits of entries. What is known of one without sending it, is told as if it had been sent;
    /// one whose commit can't be read now stays as it is, for that says nothing about it.
    async fn find(
        &self,
        entries: Vec<OutboxEntry>,
        refusing: &Refusing,
        until: Instant,
    ) -> (Vec<Found>, Vec<Sent>, Result<(), Transient>) {
        // One that does not answer holds up the batch, not the sweep.
        let until = until.min(Instant::now() + SENDING);
        let loads = entries.into_iter().map(|entry| async move {
            let fetched = tokio::time::timeout_at(until, self.store.fetch(&entry.commit)).await;
            let late = |_| {
                Err(FetchError::Transient(out_of_time(
                    "reading a commit of the outbox",
                )))
            };
            (entry, fetched.unwrap_or_else(late))
        });
        let loads: Vec<_> = loads.collect();
        let loaded: Vec<_> = stream::iter(loads).buffered(MAX_CALLS).collect().await;
        let (mut found, mut known, mut trouble) = (Vec::new(), Vec::new(), Ok(()));
        let never = |entry: OutboxEntry, why: String| {
            let queues = entry.undelivered_to.clone();
            let failure = Undelivered::permanently(why);
            Sent {
                entry,
                to: BTreeSet::new(),
                outcome: Err(failure.keeping(queues)),
            }
        };
        for (entry, commit) in loaded {
            match commit {
                Ok(Some(commit)) => {
                    let wanted = self.wanted(&entry, &commit);
                    let (put_off, to): (BTreeSet<_>, _) =
                        wanted.into_iter().partition(|queue| refusing.0.contains(queue));
                    // One that has to wait for all of its queues stays as it is.
                    if !to.is_empty() || put_off.is_empty() {
                        found.push(Found {
                            entry,
                            commit,
                            to,
                            put_off,
                        });
                    }
                }
                Ok(None) => known.push(never(entry, "the event table has no such commit".to_owned())),
                Err(fault @ FetchError::NotACommit { .. }) => known.push(never(entry, fault.to_string())),
                Err(FetchError::Transient(transient)) => trouble = trouble.and(Err(transient)),
            }
        }
        (found, known, trouble)
    }

    /// Who wants an entry's events and has not got them: queues, and the event bus. Where one of these asks for them no more,
    /// another may have taken its place: then all get them.
    fn wanted(&self, entry: &OutboxEntry, commit: &Commit) -> BTreeSet<String> {
        let all = self.publisher.destinations_of(commit);
        if entry.undelivered_to.is_empty() {
            return all;
        }
        let mut waiting = entry.undelivered_to.clone();
        if !self.publisher.has_event_bus() {
            // It was taken away, and nothing is in its place.
            waiting.remove(EVENT_BUS);
        }
        if waiting.is_subset(&all) { waiting } else { all }
    }

    /// Marks an entry by what came of it; whether it was published.
    async fn settle(&self, entry: OutboxEntry, outcome: Result<(), Undelivered>) -> Result<bool, Transient> {
        let (function, now) = (self.name, self.clock.now());
        let CommitRef { stream, revision } = &entry.commit;
        let revision = revision.to_string();
        let Err(failure) = outcome else {
            if self.outbox.mark_published(&entry, now).await? {
                let late = now.since(entry.first_attempt_at).as_secs();
                tracing::info!(function, stream, revision, late, "delivered from the outbox");
            } else {
                tracing::info!(
                    function,
                    stream,
                    revision,
                    "delivered, but its entry has changed and stays"
                );
            }
            return Ok(true);
        };
        let error = failure.to_string();
        match self.outbox.count_failure(&entry, &failure, now).await? {
            AfterFailure::Again(next) => {
                let next = next.to_string();
                tracing::warn!(function, stream, revision, error, next, "not delivered again");
            }
            AfterFailure::Parked => {
                tracing::error!(
                    function,
                    stream,
                    revision,
                    error,
                    "not delivered for the last time; parked"
                );
            }
            AfterFailure::MovedOn => {
                tracing::warn!(
                    function,
                    stream,
                    revision,
                    error,
                    "not delivered, and its entry has changed"
                );
            }
        }
        Ok(false)
    }
}

impl Found {
    /// What came of sending it. What was put off, was not sent either.
    fn sent(self, outcome: Result<u64, Undelivered>) -> Sent {
        let mut outcome = outcome
            .map(drop)
            .map_err(|failure| failure.keeping(self.to.clone()));
        if let Some(queue) = self.put_off.first() {
            let why = format!("{} takes nothing; it was left alone", in_words(queue));
            let mut failure = match outcome {
                Err(failure) if failure.kind == FailureKind::Transient => failure,
                Err(failure) => Undelivered {
                    queues: failure.queues,
                    ..Undelivered::transiently(why)
                },
                Ok(()) => Undelivered::transiently(why),
            };
            let put_off = self.put_off.into_iter();
            failure
                .queues
                .extend(put_off.map(|queue| (queue, FailureKind::Transient)));
            outcome = Err(failure);
        }
        Sent {
            entry: self.entry,
            to: self.to,
            outcome,
        }
    }
}

fn out_of_time(doing: &str) -> Transient {
    Transient {
        doing: doing.to_owned(),
        why: "there was no answer before the function's time was up".to_owned(),
    }
}

/// How often the outbox is swept.
pub const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
