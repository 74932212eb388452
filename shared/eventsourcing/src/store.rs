//! The event store's contract: load a stream, look at its end, append a commit. Every engine passes one suite of tests.

use async_trait::async_trait;

use crate::{Commit, Position, Stream, StreamFault, StreamId};

/// Something that did not work this time and may work the next: throttling, a lost connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{doing} failed: {why}")]
pub struct Transient {
    /// What was tried, such as `append to loan-…`.
    pub doing: String,
    /// What went wrong, without any payload.
    pub why: String,
}

/// How fresh a load has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Everything that was appended before the load began.
    Consistent,
    /// At half the price, and perhaps without the newest commits. What it does return is true, since
    /// commits never change.
    Eventual,
}

/// A load that did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It may work the next time.
    #[error(transparent)]
    Transient(#[from] Transient),
    /// The stream is not what it should be; people have to look at it.
    #[error(transparent)]
    Broken(#[from] StreamFault),
}

/// An append that did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else has appended since the position was read: load again, decide again.
    #[error("stream {stream} has moved on: there is a commit at revision {revision} already")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// Where the commit was to start.
        revision: u64,
    },
    /// The commit would be larger than an item may be; nothing was written.
    #[error("a commit to {stream} would take {bytes} bytes, and one item holds {limit}; append less at once")]
    TooLarge {
        /// The stream.
        stream: StreamId,
        /// What it would take.
        bytes: usize,
        /// What there is room for.
        limit: usize,
    },
    /// It may work the next time. It may also have worked this time: the same commit can be appended
    /// again without harm.
    #[error(transparent)]
    Transient(#[from] Transient),
}

/// Where events live.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// The stream from `after` on, however long; one that does not exist is empty.
    async fn load_after(&self, stream: &StreamId, after: Position, read: Read) -> Result<Stream, LoadError>;

    /// The newest commit of the stream, at the price of reading that one; none if there is none.
    async fn latest(&self, stream: &StreamId, read: Read) -> Result<Option<Commit>, LoadError>;

    /// Appends the commit where it says, if nothing is there yet, and returns the position behind it.
    /// Appending the very same commit again succeeds and changes nothing.
    async fn append(&self, commit: &Commit) -> Result<Position, AppendError>;

    /// The whole stream.
    async fn load(&self, stream: &StreamId, read: Read) -> Result<Stream, LoadError> {
        self.load_after(stream, Position::START, read).await
    }
}
