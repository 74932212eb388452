//! Commits: what is written at once. They tile a stream, and a position says where the next one goes.
//!
//! A commit that starts at revision `r` and holds `n` events ends at `r + n - 1`; the next one starts
//! at `r + n`. Whoever has seen a commit end at `k` writes at `k + 1`, on the condition that nothing
//! starts there yet. That is a lock without a second write, and it is sound only for positions that
//! were really seen, hence [`Position`] can't be made from a number.

use uuid::Uuid;

use crate::{Fields, StreamId, Timestamp, TraceHeader, Unreadable, event_id};

/// The most bytes that a commit's item may have, by the estimate of [`Commit::stored_bytes`]: `DynamoDB`
/// takes 400 KB, and 8 KB are headroom, because the size is an estimate.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub const MAX_COMMIT_BYTES: usize = 392 * 1024;

/// Where a stream ended when it was looked at: its start, or after a commit that was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The revision of the last event before this position; none at the start.
    pub fn last_revision(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }

    /// Whether the event of that revision lies before this position.
    pub fn covers(self, revision: u64) -> bool {
        revision <= self.0
    }
}

/// An event that a rule decided on, not yet stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewEvent {
    /// Its name on the wire.
    pub event_type: &'static str,
    /// The version of its fields.
    pub schema_version: u32,
    /// Its fields, as JSON text.
    pub data: String,
    /// Passed on from the first command to the last event.
    pub correlation_id: String,
    /// The id of the command that caused it.
    pub causation_id: String,
    /// The trace it belongs to.
    pub trace: Option<TraceHeader>,
}

/// An event as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordedEvent {
    /// Computed from the stream and the revision.
    pub event_id: String,
    /// Its place in the stream; the first is 1.
    pub revision: u64,
    /// Its name on the wire.
    pub event_type: String,
    /// The version of its fields.
    pub schema_version: u32,
    /// Its fields, as JSON text.
    pub data: String,
    /// Passed on from the first command to the last event.
    pub correlation_id: String,
    /// The id of the command that caused it.
    pub causation_id: String,
    /// The trace it belongs to.
    pub trace: Option<TraceHeader>,
}

/// Events that are stored together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commit {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// The revision of its first event.
    pub revision: u64,
    /// Unique to this append: tells a lost acknowledgement from a conflict.
    pub commit_id: Uuid,
    /// When it was decided.
    pub committed_at: Timestamp,
    /// At least one event, in order.
    pub events: Vec<RecordedEvent>,
}

impl Commit {
    /// The commit that puts `events` at `position` of `stream`.
    pub fn at(
        position: Position,
        stream: &StreamId,
        commit_id: Uuid,
        committed_at: Timestamp,
        events: Vec<NewEvent>,
    ) -> Self {
        let revision = position.0 + 1;
        let record = |(event, revision): (NewEvent, u64)| RecordedEvent {
            event_id: event_id(stream, revision).to_string(),
            revision,
            event_type: event.event_type.to_owned(),
            schema_version: event.schema_version,
            data: event.data,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            trace: event.trace,
        };
        let events = events.into_iter().zip(revision..).map(record).collect();
        Self {
            stream: stream.clone(),
            revision,
            commit_id,
            committed_at,
            events,
        }
    }

    /// The revision of its last event.
    pub fn last_revision(&self) -> u64 {
        self.revision + (self.events.len() as u64).saturating_sub(1)
    }

    /// The position behind it. For a store, once it has written or read the commit.
    pub fn end(&self) -> Position {
        Position(self.last_revision())
    }

    /// What its item takes, by `DynamoDB`'s rules for item sizes, rounded up.
    ///
    /// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
    pub fn stored_bytes(&self) -> usize {
        ITEM_OVERHEAD
            + self.stream.as_str().len()
            + number_bytes(self.revision)
            + number_bytes(self.last_revision())
            + self.events.iter().map(RecordedEvent::stored_bytes).sum::<usize>()
    }
}

/// Names and fixed-size values of a commit's item: `stream_id`, `revision`, `last_revision`,
/// `commit_id`, `committed_at`, `events`.
const ITEM_OVERHEAD: usize = 9 + 8 + 13 + (9 + 36) + (12 + 24) + (6 + 3);

/// Names and fixed-size values of an event's map: `event_id`, `event_type`, `schema_version`,
/// `correlation_id`, `causation_id`, `data`, a byte for each of them and for the map, three for what
/// it is.
const EVENT_OVERHEAD: usize = (8 + 36) + 10 + (14 + 3) + 14 + 12 + 4 + 6 + 1 + 3;

/// The name of `trace`, and a byte for the entry.
const TRACE_OVERHEAD: usize = 5 + 1;

/// The most that a commit's item takes besides its events: with a stream's name of 160 characters, which
/// is more than a category and an id make, and two numbers of 20 digits.
pub(crate) const FRAME_BYTES: usize = ITEM_OVERHEAD + 160 + 2 * 11;

/// A byte for two digits, one more for an odd one, and one for the number.
fn number_bytes(number: u64) -> usize {
    let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
    digits.div_ceil(2) + 1
}

impl RecordedEvent {
    /// The text in a field of it, if there is one.
    pub fn text(&self, field: &str) -> Option<String> {
        Fields::of(&self.data)?.get::<Option<String>>(field).ok()?
    }

    fn stored_bytes(&self) -> usize {
        stored_bytes(
            &self.event_type,
            &self.data,
            [&self.correlation_id, &self.causation_id],
            self.trace.as_ref(),
        )
    }
}

impl NewEvent {
    /// What it adds to its commit's item.
    pub fn stored_bytes(&self) -> usize {
        stored_bytes(
            self.event_type,
            &self.data,
            [&self.correlation_id, &self.causation_id],
            self.trace.as_ref(),
        )
    }
}

fn stored_bytes(event_type: &str, data: &str, ids: [&String; 2], trace: Option<&TraceHeader>) -> usize {
    EVENT_OVERHEAD
        + event_type.len()
        + data.len()
        + ids.map(String::len).iter().sum::<usize>()
        + trace.map_or(0, |trace| TRACE_OVERHEAD + trace.as_str().len())
}

/// A stream as it was read: all its commits from some position on, and where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    id: StreamId,
    after: Position,
    commits: Vec<Commit>,
}

impl Stream {
    /// Its name.
    pub fn id(&self) -> &StreamId {
        &self.id
    }

    /// Where reading began.
    pub fn after(&self) -> Position {
        self.after
    }

    /// Its commits from there on, in order.
    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// Its events, in order.
    pub fn events(&self) -> impl Iterator<Item = &RecordedEvent> {
        self.commits.iter().flat_map(|commit| &commit.events)
    }

    /// Where it ended.
    pub fn position(&self) -> Position {
        self.commits.last().map_or(self.after, Commit::end)
    }
}

/// A stream whose content can't be trusted, or not be understood. Nothing is decided on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// A revision is missing or there twice.
    #[error("stream {stream} is broken: expected a commit at revision {expected}, found one at {found}")]
    Hole {
        /// The stream.
        stream: StreamId,
        /// The revision at which a commit should have started.
        expected: u64,
        /// The one at which the next commit starts.
        found: u64,
    },
    /// An item does not have the form of a commit.
    #[error("stream {stream} has an item at revision {revision} that is no commit: {why}")]
    NotACommit {
        /// The stream.
        stream: StreamId,
        /// The item's revision.
        revision: u64,
        /// What is wrong with it.
        why: String,
    },
    /// An event can't be read.
    #[error(
        "stream {stream} holds an event at revision {revision} of type {event_type} that can't be read: {why}"
    )]
    Unreadable {
        /// The stream.
        stream: StreamId,
        /// The event's revision.
        revision: u64,
        /// Its type.
        event_type: String,
        /// Why.
        why: Unreadable,
    },
}

/// Puts commits, as read in order of revision, together to a stream, if they tile it from its start.
pub fn assemble(stream: &StreamId, commits: Vec<Commit>) -> Result<Stream, StreamFault> {
    assemble_after(stream, Position::START, commits)
}

/// The same for commits that were read from `after` on.
pub fn assemble_after(
    stream: &StreamId,
    after: Position,
    commits: Vec<Commit>,
) -> Result<Stream, StreamFault> {
    let mut expected = after.0 + 1;
    for commit in &commits {
        if commit.revision != expected || commit.events.is_empty() {
            return Err(StreamFault::Hole {
                stream: stream.clone(),
                expected,
                found: commit.revision,
            });
        }
        expected = commit.last_revision() + 1;
    }
    Ok(Stream {
        id: stream.clone(),
        after,
        commits,
    })
}
