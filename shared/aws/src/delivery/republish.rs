//! Publishes stored events again: those of a time range, or of a stream.
//!
//! For the day on which the relay's stream was lost. All events are in the event table, so whatever did
//! not reach a queue can be sent once more, and whatever did is sent twice, which its receivers are used
//! to: the messages have the same ids, and every rule treats a command that was carried out as done.
//!
//! The table is read by a parallel scan. How far each segment has come is a [`Checkpoint`], which whoever
//! runs it may keep after each step: a run that starts from a kept one goes on there.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::{Clock, Commit, StreamId, Timestamp, Transient};
use serde::{Deserialize, Serialize};

use crate::client::failure::reason;
use crate::delivery::outbox::Outbox;
use crate::delivery::publisher::Publisher;
use crate::delivery::undelivered::Undelivered;
use crate::store::commit_ref::{CommitRef, KeyNumber};
use crate::store::segments::{self, Item, Job, Key, Pace, Page, Place, Segment, Walk, not_read, text};
use crate::store::stored_commit::StoredCommit;

/// The most items that are read at once, and the most that each segment sends once more after an interruption.
const PAGE: i32 = 100;

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

/// What has been published, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    table: String,
    selection: Selection,
    segments: Vec<Segment<CommitRef>>,
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
    /// Messages by the event's type and then by the queue, without the stack's name, or the event bus.
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
        let publishing = Publishing {
            republisher: self,
            table: checkpoint.table.clone(),
            selection: checkpoint.selection.clone(),
        };
        Republication {
            walk: Walk::begin(publishing, &checkpoint.segments),
            checkpoint,
        }
    }

    async fn publish(&self, commits: &[Commit], tally: &mut Tally) -> Result<(), RepublishError> {
        let messages: usize = commits
            .iter()
            .flat_map(|commit| &commit.events)
            .map(|event| self.publisher.destinations(&event.event_type).count())
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
                        for destination in self.publisher.destinations(&event.event_type) {
                            let counts = tally.messages.entry(event.event_type.clone()).or_default();
                            *counts.entry(destination.to_owned()).or_default() += 1;
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
            // To all of them: what it went to may be a part of those, and an entry that is there may wait for others.
            let failure = Undelivered {
                queues: BTreeMap::new(),
                ..failure.clone()
            };
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
}

/// What is published, and from where.
struct Publishing<'a> {
    republisher: &'a Republisher,
    table: String,
    selection: Selection,
}

#[async_trait]
impl Job for Publishing<'_> {
    type Key = CommitRef;
    type Tally = Tally;
    type Error = RepublishError;

    /// Consistently: what was appended before is not to be missed.
    async fn read(&self, place: &Place) -> Result<Page, Transient> {
        match &self.selection {
            Selection::Stream(stream) => self.query(place, stream).await,
            Selection::Range { from, to } => self.scan(place, from.as_deref(), to.as_deref()).await,
        }
    }

    fn at_once(&self) -> usize {
        self.republisher.pace.as_ref().map_or(usize::MAX, Pace::at_once)
    }

    async fn deal(&self, items: Vec<Item>) -> Result<Tally, RepublishError> {
        let mut tally = Tally::default();
        let mut commits = Vec::with_capacity(items.len());
        for item in items {
            let at = CommitRef::of(&item);
            match StoredCommit::read(item) {
                Ok(commit) => commits.push(commit),
                Err(why) => {
                    let why = Undelivered::permanently(format!("its item is no commit: {why}"));
                    self.republisher.undelivered(at, why, &mut tally).await?;
                }
            }
        }
        self.republisher.publish(&commits, &mut tally).await?;
        Ok(tally)
    }
}

impl Publishing<'_> {
    async fn query(&self, place: &Place, stream: &str) -> Result<Page, Transient> {
        let page = self
            .republisher
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(PAGE)
            .key_condition_expression("stream_id = :stream")
            .expression_attribute_values(":stream", text(stream))
            .set_exclusive_start_key(place.after.clone())
            .send()
            .await
            .map_err(|error| not_read(&self.table, reason(&error)))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    /// The service leaves out what is not in the range. What has no proper time is kept: it is reported.
    async fn scan(&self, place: &Place, from: Option<&str>, to: Option<&str>) -> Result<Page, Transient> {
        let mut scan = segments::scan(&self.republisher.client, &self.table, place)
            .consistent_read(true)
            .limit(PAGE);
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
        segments::page(scan, &self.table).await
    }
}

/// Every timestamp is written in as many characters, so that the texts sort as the times do.
const TIMESTAMP_WIDTH: usize = "2026-11-23T08:00:00.000Z".len();

/// Publishing that is under way. Dropping it leaves off; what is after the checkpoint may or may not have
/// been sent.
pub struct Republication<'a> {
    walk: Walk<'a, Publishing<'a>>,
    checkpoint: Checkpoint,
}

impl Republication<'_> {
    /// Works until a few commits more are published; none when there is nothing left. Keep the
    /// [`checkpoint`](Self::checkpoint) after each.
    pub async fn next(&mut self) -> Option<Result<(), RepublishError>> {
        let published = self.walk.next(&mut self.checkpoint.segments).await?;
        Some(published.map(|tally| self.checkpoint.done.add(tally)))
    }

    /// What is done, and how far each segment has come.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}
