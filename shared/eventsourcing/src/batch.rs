//! Decides a batch of commands for one stream in one go: one history, several decisions, one commit.
//!
//! This is plain values in and out. The function runtime calls it between a load and an append, the
//! model checker calls it in every order it can think of.

use crate::commit::FRAME_BYTES;
use crate::{
    Decider, Decision, EventSet, NewEvent, Position, RecordedEvent, Refusal, Stream, StreamFault, Timestamp,
    TraceHeader, Unreadable,
};

/// What the events of a command inherit from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandMeta {
    /// The command's id, which becomes the events' `causation_id`.
    pub id: String,
    /// Passed on unchanged.
    pub correlation_id: String,
    /// The trace it belongs to.
    pub trace: Option<TraceHeader>,
}

/// What a stream amounts to: the state that its events led to, and where it ended.
#[derive(Debug)]
pub struct History<D: Decider> {
    state: D::State,
    position: Position,
    seen: bool,
}

// Derived, it would ask the rules to be clonable, and they are not even a value.
impl<D: Decider> Clone for History<D> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            position: self.position,
            seen: self.seen,
        }
    }
}

impl<D: Decider> History<D> {
    /// The guess that a stream has no event yet. Good for a try to append; a verdict that appends
    /// nothing must not rest on it (see [`History::seen`]).
    pub fn guessed_empty() -> Self {
        Self {
            state: D::State::default(),
            position: Position::START,
            seen: false,
        }
    }

    /// What the stream that was read from its start amounts to.
    pub fn of(stream: &Stream) -> Result<Self, StreamFault> {
        let nothing = Self {
            seen: true,
            ..Self::guessed_empty()
        };
        nothing.followed_by(stream)
    }

    /// What this and the part of the stream that follows it amount to. The part has to begin where
    /// this ends.
    ///
    /// Types that the rules don't know are passed over, so that a type can be added while older code
    /// still runs. A change that older code must not pass over is a new version of a type that it knows:
    /// on a version from the future nothing is decided.
    pub fn followed_by(self, stream: &Stream) -> Result<Self, StreamFault> {
        if stream.after() != self.position {
            return Err(StreamFault::Hole {
                stream: stream.id().clone(),
                expected: self.position.last_revision().unwrap_or(0) + 1,
                found: stream.after().last_revision().unwrap_or(0) + 1,
            });
        }
        let mut state = self.state;
        for event in stream.events() {
            if let Some(decoded) = decoded(stream, event)? {
                state = D::evolve(state, &decoded);
            }
        }
        Ok(Self {
            state,
            position: stream.position(),
            seen: self.seen,
        })
    }

    /// The state.
    pub fn state(&self) -> &D::State {
        &self.state
    }

    /// Where the stream ended.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the stream was looked at.
    pub fn seen(&self) -> bool {
        self.seen
    }

    /// The same after `planned` has been appended, which is known by the position that it ended at.
    #[must_use]
    pub fn after(planned: Planned<D>, end: Position) -> Self {
        Self {
            state: planned.state,
            position: end,
            seen: true,
        }
    }
}

/// What became of one command of the batch, provided that the planned events are appended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It recorded events of these types.
    Recorded(Vec<&'static str>),
    /// It had been done, or was made pointless.
    Nothing,
    /// It asks again at that time.
    NotDue(Timestamp),
    /// The rules forbid it.
    Rejected(String),
    /// What it needs is not there yet.
    Premature(String),
}

/// What a batch of commands amounts to.
#[derive(Clone, Debug)]
pub struct Planned<D: Decider> {
    /// What became of each command, in order. Shorter than the batch when the rest would not fit
    /// into the same commit.
    pub outcomes: Vec<Outcome>,
    /// What to append, as one commit.
    pub events: Vec<NewEvent>,
    state: D::State,
}

/// Decides `commands` in order, each on what those before it led to, until a commit of at most
/// `max_bytes` is full. At least one command is decided: one whose own events are too large for any
/// commit is rejected.
pub fn plan<D: Decider>(
    history: &History<D>,
    commands: &[(CommandMeta, D::Command)],
    settings: &D::Settings,
    now: Timestamp,
    max_bytes: usize,
) -> Planned<D> {
    let mut planned = Planned {
        outcomes: Vec::new(),
        events: Vec::new(),
        state: history.state.clone(),
    };
    let room = max_bytes.saturating_sub(FRAME_BYTES);
    let mut bytes = 0;
    for (meta, command) in commands {
        let outcome = match D::decide(&planned.state, command, settings, now) {
            Ok(Decision::Record(events)) if !events.is_empty() => {
                let new: Vec<_> = events.iter().map(|event| new_event(event, meta)).collect();
                let size: usize = new.iter().map(NewEvent::stored_bytes).sum();
                if size > room {
                    Outcome::Rejected(format!(
                        "its events would take {size} bytes, and one commit has room for {room}; make it smaller"
                    ))
                } else if bytes + size > room {
                    break;
                } else {
                    bytes += size;
                    planned.state = events.iter().fold(planned.state, D::evolve);
                    planned.events.extend(new);
                    Outcome::Recorded(events.iter().map(EventSet::event_type).collect())
                }
            }
            Ok(Decision::Record(_) | Decision::Nothing) => Outcome::Nothing,
            Ok(Decision::NotDue(due)) => Outcome::NotDue(due),
            Err(Refusal::Rejected(why)) => Outcome::Rejected(why),
            Err(Refusal::Premature(why)) => Outcome::Premature(why),
        };
        planned.outcomes.push(outcome);
    }
    planned
}

/// One of a stream's events as its rules have it; none if they don't know its type: newer code says something that this
/// one has no rule for.
pub(crate) fn decoded<E: EventSet>(stream: &Stream, event: &RecordedEvent) -> Result<Option<E>, StreamFault> {
    match E::decode(&event.event_type, event.schema_version, &event.data) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(Unreadable::UnknownType) => Ok(None),
        Err(why) => Err(StreamFault::Unreadable {
            stream: stream.id().clone(),
            revision: event.revision,
            event_type: event.event_type.clone(),
            why,
        }),
    }
}

fn new_event<E: EventSet>(event: &E, meta: &CommandMeta) -> NewEvent {
    NewEvent {
        event_type: event.event_type(),
        schema_version: event.schema_version(),
        data: event.json(),
        correlation_id: meta.correlation_id.clone(),
        causation_id: meta.id.clone(),
        trace: meta.trace.clone(),
    }
}
