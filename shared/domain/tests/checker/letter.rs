//! Messages as they lie on queues.

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use eventsourcing::{
    Command, Commit, Dispatch, RecordedEvent, StreamId, Timestamp, encode_command, encode_event,
};

/// When everything happens but deadlines. The rules look at the time only for those.
pub fn now() -> Timestamp {
    Timestamp::from_millis(0)
}

/// A value that is compared and hashed far more often than it is made, by the hash of its content.
/// (The checker itself takes states with the same 64-bit hash for the same state.)
pub struct Shared<T> {
    hash: u64,
    value: Arc<T>,
}

impl<T: Hash> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self {
            hash: hasher.finish(),
            value: Arc::new(value),
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            hash: self.hash,
            value: Arc::clone(&self.value),
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl<T> Eq for Shared<T> {}

impl<T> PartialOrd for Shared<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Shared<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.hash.cmp(&other.hash)
    }
}

impl fmt::Debug for Shared<Message> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:?}", self.kind, self.to)
    }
}

impl fmt::Debug for Shared<Commit> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self
            .events
            .iter()
            .map(|event| event.event_type.as_str())
            .collect();
        write!(
            f,
            "{} of {} at {}",
            types.join("+"),
            self.stream.category(),
            self.revision
        )
    }
}

/// Who takes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// The rules: it is a command.
    Rules,
    /// A step of the saga: it is an event.
    Step,
    /// The payment provider or the carrier: it is an event.
    Outside,
}

/// The body of a message, and what it takes to deliver it.
#[derive(PartialEq, Eq, Hash)]
pub struct Message {
    /// Who takes it.
    pub to: To,
    /// The command's or event's type.
    pub kind: String,
    /// The stream that the command is for, or the event in.
    pub stream: StreamId,
    /// A deadline's time.
    pub due: Option<Timestamp>,
    /// As it stands on the queue.
    pub body: String,
}

/// A message on a queue.
pub type Letter = Shared<Message>;

impl Letter {
    /// A command from the outside, which gives it an id at most.
    pub fn from_outside<C: Command>(id: &str, command: &C) -> Self {
        let body = format!(
            r#"{{"id":"{id}","type":"{}","command":{}}}"#,
            C::TYPE,
            command.json()
        );
        Message {
            to: To::Rules,
            kind: C::TYPE.into(),
            stream: command.stream(),
            due: None,
            body,
        }
        .into()
    }

    /// What a step sends because of an event.
    pub fn from_step(dispatch: &Dispatch, caused_by: &str, correlation_id: &str) -> Self {
        let body = encode_command(dispatch, caused_by, correlation_id, now()).expect("a step sends JSON");
        let (kind, stream) = (dispatch.command_type.into(), dispatch.stream.clone());
        Message {
            to: To::Rules,
            kind,
            stream,
            due: dispatch.due,
            body,
        }
        .into()
    }

    /// A stored event, relayed to somebody who asked for it.
    pub fn of_event(to: To, commit: &Commit, event: &RecordedEvent) -> Self {
        let body = encode_event(&commit.stream, event, commit.committed_at).expect("stored data is JSON");
        Message {
            to,
            kind: event.event_type.clone(),
            stream: commit.stream.clone(),
            due: None,
            body,
        }
        .into()
    }
}
