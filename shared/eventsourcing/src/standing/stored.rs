//! A stream as an operator reads it: whatever is wrong with it, the rest is there. Nothing is decided on it.

use serde::Serialize;

use crate::{Commit, Decider, EventSet, Message, RecordedEvent, StreamId, Timestamp, Unreadable, decode};

/// A stream as it is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStream {
    /// Its name.
    pub id: StreamId,
    /// Its commits that can be read, in order.
    pub commits: Vec<Commit>,
    /// What is wrong with it, by revision.
    pub faults: Vec<(u64, String)>,
}

impl StoredStream {
    /// Whether there is anything of it.
    pub fn exists(&self) -> bool {
        !self.commits.is_empty() || !self.faults.is_empty()
    }

    /// Its events, each with the time of its commit.
    pub fn events(&self) -> impl Iterator<Item = (Timestamp, &RecordedEvent)> {
        self.commits
            .iter()
            .flat_map(|commit| commit.events.iter().map(|event| (commit.committed_at, event)))
    }

    /// The newest event of one of these types.
    pub fn newest(&self, types: &[&str]) -> Option<(Timestamp, &RecordedEvent)> {
        self.events()
            .filter(|(_, event)| types.contains(&event.event_type.as_str()))
            .last()
    }

    /// The newest event of a type, if this version can read it.
    pub fn newest_of<M: Message>(&self) -> Option<M> {
        let (_, event) = self.newest(&[M::TYPE])?;
        decode(event.schema_version, &event.data).ok()
    }

    /// When it told last of the one whose id stands in this field.
    pub fn last_about(&self, field: &str, id: &str) -> Option<Timestamp> {
        let about = self
            .events()
            .filter(|(_, event)| event.text(field).is_some_and(|text| text == id));
        about.last().map(|(at, _)| at)
    }

    /// What it amounts to by its rules, since when it has been in this phase, and what the rules could not
    /// be told.
    pub fn fold<D: Decider, P: PartialEq>(&self, phase: impl Fn(&D::State) -> P) -> Folded<D::State> {
        let mut folded = Folded::<D::State>::default();
        for (at, event) in self.events() {
            match D::Event::decode(&event.event_type, event.schema_version, &event.data) {
                Ok(decoded) => {
                    let before = phase(&folded.state);
                    folded.state = D::evolve(folded.state, &decoded);
                    if phase(&folded.state) != before {
                        folded.since = Some(at);
                    }
                }
                Err(why) => folded.unknown.push(UnknownEvent::of(&self.id, event, &why)),
            }
        }
        folded
    }
}

/// A stream's state, and what the state does not know of.
#[derive(Debug, Default)]
pub struct Folded<S> {
    /// By the events that were understood.
    pub state: S,
    /// None in the phase before the first event.
    pub since: Option<Timestamp>,
    /// Events that this version has no rule for, or can't read. Functions of this version pass over the
    /// first and refuse a stream with one of the others.
    pub unknown: Vec<UnknownEvent>,
}

/// An event that this version does not understand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownEvent {
    /// Its stream.
    pub stream_id: String,
    /// Its revision there.
    pub revision: u64,
    /// Its name on the wire.
    pub event_type: String,
    /// The version of its fields.
    pub schema_version: u32,
    /// Why, without a payload.
    pub why: String,
}

impl UnknownEvent {
    fn of(stream: &StreamId, event: &RecordedEvent, why: &Unreadable) -> Self {
        Self {
            stream_id: stream.to_string(),
            revision: event.revision,
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
            why: why.to_string(),
        }
    }
}
