//! Publishes stored events again: those of a time range, or of a stream.
//!
//! For the day on which the relay's stream was lost. All events are in the event table, so whatever did
//! not reach a queue can be sent once more, and whatever did is sent twice, which its receivers are used
//! to: the messages have the same ids, and every rule treats a command that was carried out as done.
//!
//! The table is read by a parallel scan. How far each segment has come is a [`Checkpoint`], which whoever
//! runs it may keep after each step: a run that starts from a kept one goes on there.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::{Clock, Commit, StreamId, Timestamp, Transient};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::failure::reason;
use crate::client::jitter::jittered_pause;
use crate::delivery::outbox::Outbox;
use crate::delivery::publisher::Publisher;
use crate::delivery::undelivered::Undelivered;
use crate::store::commit_ref::{CommitRef, KeyNumber};
use crate::store::event_store::StoredCommit;

/// The most items that are read at once, and the most that each segment sends once more after an interruption.
const PAGE: i32 = 100;

/// How often a page is tried to be read, beyond what the client tries by itself: a scan of hours meets a
/// throttled moment.
const ATTEMPTS: u32 = 5;

/// Which events are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Those committed from one moment up to, and not at, another; without an end where none is given.
    Range {
        /// RFC 3339, as `committed_at` has it.
        from: Option<String>,
        /// The same.
        to: Option<String>,
    },
    /// Those of one stream.
    Stream(String),
}

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Self::range(None, None)
    }

    /// What was committed at `from` or later, and before `to`.
    pub fn range(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self::Range {
            from: from.map(|at| at.to_string()),
            to: to.map(|at| at.to_string()),
        }
    }

    /// A whole stream.
    pub fn stream(stream: &StreamId) -> Self {
        Self::Stream(stream.to_string())
    }
}

/// How far a segment of the table has been published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Segment {
    /// Nothing yet.
    #[default]
    Start,
    /// Up to this item.
    After { stream_id: String, revision: KeyNumber },
    /// All of it.
    Done,
}

impl Segment {
    fn after(commit: CommitRef) -> Self {
        Self::After {
            stream_id: commit.stream,
            revision: commit.revision,
        }
    }
}

/// What has been published, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    table: String,
    selection: Selection,
    segments: Vec<Segment>,
    /// What was done, up to here.
    pub done: Tally,
}

impl Checkpoint {
    /// Nothing done yet of `selection` in the event table of that name, in so many segments. A stream is
    /// one segment whatever is asked for.
    pub fn start(table: String, selection: Selection, segments: NonZeroU32) -> Self {
        let segments = match &selection {
            Selection::Range { .. } => segments.get() as usize,
            Selection::Stream(_) => 1,
        };
        Self {
            table,
            selection,
            segments: vec![Segment::Start; segments],
            done: Tally::default(),
        }
    }

    /// The event table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What is meant.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Whether there is nothing left to do.
    pub fn is_done(&self) -> bool {
        self.segments.iter().all(|segment| *segment == Segment::Done)
    }
}

/// Counts of what was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Commits that were read.
    pub commits: u64,
    /// Messages by the event's type and then by the queue, without the stack's name.
    pub messages: BTreeMap<String, BTreeMap<String, u64>>,
    /// Commits that could not be sent, or not be read.
    pub undelivered: Vec<Unpublished>,
}

/// A commit that was not wholly published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    /// Its stream.
    pub stream_id: String,
    /// The revision of its first event.
    pub revision: KeyNumber,
    /// Why, without any payload.
    pub error: String,
}

impl Tally {
    /// How many messages there were.
    pub fn total(&self) -> u64 {
        self.messages.values().flat_map(BTreeMap::values).sum()
    }

    fn add(&mut self, other: Self) {
        self.commits += other.commits;
        for (event_type, queues) in other.messages {
            let counts = self.messages.entry(event_type).or_default();
            for (queue, count) in queues {
                *counts.entry(queue).or_default() += count;
            }
        }
        self.undelivered.extend(other.undelivered);
    }
}

/// Why publishing stopped. What was done up to the checkpoint stays done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepublishError {
    /// It may work the next time.
    #[error(transparent)]
    Transient(#[from] Transient),
    /// A commit could neither be sent nor be saved in the outbox.
    #[error("{commit} could not be sent ({why}), and not be saved in the outbox either: {transient}")]
    NeitherSentNorSaved {
        /// The commit.
        commit: CommitRef,
        /// Why it was not sent.
        why: String,
        /// Why it was not saved.
        transient: Box<Transient>,
    },
}

/// Publishes events of one stack again.
pub struct Republisher {
    client: Client,
    publisher: Publisher,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    pace: Option<Pace>,
    counts_only: bool,
}

impl Republisher {
    /// A republisher of what the tables behind `client` hold. What can't be sent is saved in `outbox`, as
    /// the relay does.
    pub fn new(client: Client, publisher: Publisher, outbox: Outbox, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            publisher,
            outbox,
            clock,
            pace: None,
            counts_only: false,
        }
    }

    /// The same, sending so many messages a second at most.
    #[must_use]
    pub fn at_rate(self, messages_per_second: NonZeroU32) -> Self {
        Self {
            pace: Some(Pace::of(messages_per_second)),
            ..self
        }
    }

    /// The same, which counts and sends nothing.
    #[must_use]
    pub fn counting_only(self) -> Self {
        Self {
            counts_only: true,
            ..self
        }
    }

    /// Begins, or goes on, at a checkpoint.
    pub fn run(&self, checkpoint: Checkpoint) -> Republication<'_> {
        let mut republication = Republication {
            republisher: self,
            steps: FuturesUnordered::new(),
            checkpoint,
        };
        let Checkpoint {
            table,
            selection,
            segments,
            ..
        } = republication.checkpoint.clone();
        for (segment, reached) in segments.iter().enumerate() {
            republication.go_on(Work {
                table: table.clone(),
                selection: selection.clone(),
                segment,
                segments: segments.len(),
                reached: reached.clone(),
                page: VecDeque::new(),
                end_of_page: Segment::Start,
            });
        }
        republication
    }

    /// Publishes the next few commits of a segment, and moves it on behind them.
    async fn step(&self, work: &mut Work) -> Result<Tally, RepublishError> {
        if work.page.is_empty() {
            let (items, end) = self.read(work).await?;
            work.page = items.into();
            work.end_of_page = end;
        }
        let at_once = self.pace.as_ref().map_or(usize::MAX, Pace::at_once);
        let items: Vec<_> = work.page.drain(..at_once.min(work.page.len())).collect();
        let last = items.last().map(place_of);
        let mut tally = Tally::default();
        let mut commits = Vec::with_capacity(items.len());
        for item in items {
            let at = place_of(&item);
            match StoredCommit::read(item) {
                Ok(commit) => commits.push(commit),
                Err(why) => {
                    let why = Undelivered::permanently(format!("its item is no commit: {why}"));
                    self.undelivered(at, why, &mut tally).await?;
                }
            }
        }
        self.publish(&commits, &mut tally).await?;
        work.reached = match last {
            Some(last) if !work.page.is_empty() => Segment::after(last),
            _ => work.end_of_page.clone(),
        };
        Ok(tally)
    }

    async fn publish(&self, commits: &[Commit], tally: &mut Tally) -> Result<(), RepublishError> {
        let routes = self.publisher.routes();
        let messages: usize = commits
            .iter()
            .flat_map(|commit| &commit.events)
            .map(|event| routes.of(&event.event_type).len())
            .sum();
        if let Some(pace) = self.pace.as_ref().filter(|_| !self.counts_only) {
            pace.wait_for(messages).await;
        }
        let results = if self.counts_only {
            let count = |commit| {
                self.publisher
                    .messages(commit)
                    .map(|messages| messages.len() as u64)
            };
            commits.iter().map(count).collect()
        } else {
            self.publisher.publish(commits).await
        };
        for (commit, result) in commits.iter().zip(results) {
            tally.commits += 1;
            match result {
                Ok(_) => {
                    for event in &commit.events {
                        for queue in routes.of(&event.event_type) {
                            let counts = tally.messages.entry(event.event_type.clone()).or_default();
                            *counts.entry(queue.clone()).or_default() += 1;
                        }
                    }
                }
                Err(error) => {
                    let at = CommitRef {
                        stream: commit.stream.to_string(),
                        revision: commit.revision.into(),
                    };
                    self.undelivered(at, error, tally).await?;
                }
            }
        }
        Ok(())
    }

    async fn undelivered(
        &self,
        commit: CommitRef,
        failure: Undelivered,
        tally: &mut Tally,
    ) -> Result<(), RepublishError> {
        if !self.counts_only {
            let saved = self.outbox.save(&commit, &failure, self.clock.now()).await;
            saved.map_err(|transient| RepublishError::NeitherSentNorSaved {
                commit: commit.clone(),
                why: failure.why.clone(),
                transient: transient.into(),
            })?;
        }
        tally.undelivered.push(Unpublished {
            stream_id: commit.stream,
            revision: commit.revision,
            error: failure.why,
        });
        Ok(())
    }

    /// Reads a page, consistently: what was appended before is not to be missed.
    async fn read(&self, work: &Work) -> Result<(Vec<Item>, Segment), Transient> {
        let mut attempt = 1;
        let (items, last) = loop {
            let page = match &work.selection {
                Selection::Stream(stream) => self.query(work, stream).await,
                Selection::Range { from, to } => self.scan(work, from.as_deref(), to.as_deref()).await,
            };
            match page {
                Err(_) if attempt < ATTEMPTS => {
                    jittered_pause(attempt).await;
                    attempt += 1;
                }
                page => break page?,
            }
        };
        Ok((
            items,
            last.as_ref().map(place_of).map_or(Segment::Done, Segment::after),
        ))
    }

    async fn query(&self, work: &Work, stream: &str) -> Result<(Vec<Item>, Option<Item>), Transient> {
        let page = self
            .client
            .query()
            .table_name(&work.table)
            .consistent_read(true)
            .limit(PAGE)
            .key_condition_expression("stream_id = :stream")
            .expression_attribute_values(":stream", text(stream))
            .set_exclusive_start_key(work.start_key())
            .send()
            .await
            .map_err(|error| not_read(&work.table, reason(&error)))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    /// The service leaves out what is not in the range. What has no proper time is kept: it is reported.
    async fn scan(
        &self,
        work: &Work,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(Vec<Item>, Option<Item>), Transient> {
        let mut scan = self
            .client
            .scan()
            .table_name(&work.table)
            .consistent_read(true)
            .limit(PAGE)
            .segment(i32::try_from(work.segment).unwrap_or(i32::MAX))
            .total_segments(i32::try_from(work.segments).unwrap_or(i32::MAX))
            .set_exclusive_start_key(work.start_key());
        let bounds = [
            ("committed_at >= :from", ":from", from),
            ("committed_at < :to", ":to", to),
        ];
        let given = bounds
            .into_iter()
            .filter_map(|(condition, name, at)| Some((condition, name, at?)));
        let given: Vec<_> = given.collect();
        if !given.is_empty() {
            let conditions: Vec<_> = given.iter().map(|(condition, _, _)| *condition).collect();
            scan = scan
                .filter_expression(format!(
                    "({}) OR NOT attribute_type(committed_at, :text) OR size(committed_at) <> :width",
                    conditions.join(" AND ")
                ))
                .expression_attribute_values(":text", text("S"))
                .expression_attribute_values(":width", AttributeValue::N(TIMESTAMP_WIDTH.to_string()));
        }
        for (_, name, at) in given {
            scan = scan.expression_attribute_values(name, text(at));
        }
        let page = scan
            .send()
            .await
            .map_err(|error| not_read(&work.table, reason(&error)))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }
}

type Item = std::collections::HashMap<String, AttributeValue>;

/// Every timestamp is written in as many characters, so that the texts sort as the times do.
const TIMESTAMP_WIDTH: usize = "2026-11-23T08:00:00.000Z".len();

/// A segment that is being published.
struct Work {
    table: String,
    selection: Selection,
    segment: usize,
    segments: usize,
    reached: Segment,
    /// What was read behind that and is not published yet.
    page: VecDeque<Item>,
    end_of_page: Segment,
}

impl Work {
    fn start_key(&self) -> Option<Item> {
        match &self.reached {
            Segment::After { stream_id, revision } => Some(Item::from([
                ("stream_id".to_owned(), text(stream_id)),
                ("revision".to_owned(), AttributeValue::N(revision.to_string())),
            ])),
            Segment::Start | Segment::Done => None,
        }
    }
}

/// Publishing that is under way. Dropping it leaves off; what is after the checkpoint may or may not have
/// been sent.
pub struct Republication<'a> {
    republisher: &'a Republisher,
    steps: FuturesUnordered<BoxFuture<'a, (Work, Result<Tally, RepublishError>)>>,
    checkpoint: Checkpoint,
}

impl Republication<'_> {
    /// Works until a few commits more are published; none when there is nothing left. Keep the
    /// [`checkpoint`](Self::checkpoint) after each.
    pub async fn next(&mut self) -> Option<Result<(), RepublishError>> {
        let (work, published) = self.steps.next().await?;
        match published {
            Ok(tally) => self.checkpoint.done.add(tally),
            Err(error) => return Some(Err(error)),
        }
        if let Some(segment) = self.checkpoint.segments.get_mut(work.segment) {
            *segment = work.reached.clone();
        }
        self.go_on(work);
        Some(Ok(()))
    }

    /// What is done, and how far each segment has come.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Has a segment go on, unless it is done.
    fn go_on(&mut self, mut work: Work) {
        if work.reached == Segment::Done {
            return;
        }
        let republisher = self.republisher;
        let step = async move {
            let published = republisher.step(&mut work).await;
            (work, published)
        };
        self.steps.push(step.boxed());
    }
}

/// Keeps all segments together to so many messages a second.
struct Pace {
    per_message: Duration,
    rate: NonZeroU32,
    /// When the next message may go.
    next: Mutex<Instant>,
}

impl Pace {
    fn of(rate: NonZeroU32) -> Self {
        Self {
            per_message: Duration::from_secs(1) / rate.get(),
            rate,
            next: Mutex::new(Instant::now()),
        }
    }

    /// How many commits go together: a quarter of a second's, so that it flows rather than gushes.
    fn at_once(&self) -> usize {
        usize::try_from(self.rate.get() / 4).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until so many messages may go.
    async fn wait_for(&self, messages: usize) {
        let share = self.per_message * u32::try_from(messages).unwrap_or(u32::MAX);
        let turn = {
            let mut next = self.next.lock().await;
            let turn = Instant::now().max(*next);
            *next = turn + share;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

/// Where an item is, by its key.
fn place_of(item: &Item) -> CommitRef {
    let stream = item.get("stream_id").and_then(|value| value.as_s().ok());
    let revision = item.get("revision").and_then(|value| value.as_n().ok());
    CommitRef {
        stream: stream.cloned().unwrap_or_default(),
        revision: KeyNumber::read(revision.map_or("", String::as_str)),
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn not_read(table: &str, why: String) -> Transient {
    Transient {
        doing: format!("reading {table}"),
        why,
    }
}
