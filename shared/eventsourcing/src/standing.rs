//! How something stands: how it ended, or what is still to come, from whom, and until when.
//!
//! Operators ask it. The answer stands next to the rules and is told by their own states, each of them by
//! name, so that a state that is new to the rules is one that the compiler asks for there: see [`Subject`].
//! Deadlines are those that were recorded. What this version of the rules does not know, it says it does
//! not know: it may be an ending, or the beginning of something.

mod stored;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{Category, Decider, Message, StreamId, Text, Timestamp};

pub use stored::{Folded, StoredStream, UnknownEvent};

/// Something that operators ask about, with one stream or several.
pub trait Subject: fmt::Debug + Sync {
    /// The kind that it is called by, of all that it consists of.
    fn main(&self) -> Category;

    /// Others that it is made up of, such as the loans of a member. Their streams tell how it stands, too,
    /// and their events about it are shown with its own.
    fn members(&self, _own: &[StoredStream]) -> Option<Members> {
        None
    }

    /// What its own streams have heard of each of its members, in the members' order. It is told without the
    /// members' streams, of which there may be thousands.
    fn heard(&self, _own: &[StoredStream]) -> Vec<Heard> {
        Vec::new()
    }

    /// More streams that tell how it stands.
    fn related(&self, _own: &[StoredStream]) -> Vec<StreamId> {
        Vec::new()
    }

    /// How it stands, by its own streams and those of its members and relations. There may be none of any.
    fn standing(&self, streams: &mut Streams<'_>) -> Standing;
}

/// What something is made up of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Their streams.
    pub streams: Vec<StreamId>,
    /// The field of their events that holds the id of what they are members of.
    pub field: &'static str,
}

/// What something has heard of one of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The member's stream.
    pub member: StreamId,
    /// What it has heard.
    pub result: HeardResult,
}

/// What something has heard of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeardResult {
    /// That the member has done what was asked of it.
    Done,
    /// That the member could not do it.
    Failed,
    /// Nothing yet.
    Nothing,
    /// Something, when it did not count any more.
    TooLate,
}

/// How something stands.
#[derive(Debug, Default)]
pub struct Standing {
    /// None while it is open.
    pub ending: Option<Ending>,
    /// What to call it while it has no ending, if that is not just open.
    pub so_far: Option<&'static str>,
    /// What has to happen yet.
    pub outstanding: Vec<Outstanding>,
    /// Events that all this was told without.
    pub unknown: Vec<UnknownEvent>,
}

impl Standing {
    /// How a subject stands by its own streams and by related ones, those of its members among them.
    pub fn of(subject: &dyn Subject, own: &[StoredStream], related: &[StoredStream]) -> Self {
        let mut streams = Streams {
            own,
            related,
            unsure: Vec::new(),
            unknown: Vec::new(),
        };
        let mut standing = subject.standing(&mut streams);
        standing.outstanding.splice(0..0, streams.not_understood());
        standing.unknown = streams.unknown;
        standing
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The event that it ended with.
    pub event_type: &'static str,
    /// Why, in a word of the rules.
    pub cause: Option<&'static str>,
    /// The same in words of whoever caused it. They are a payload.
    pub reason: Option<Text>,
    /// What else there is to say, without a payload.
    pub note: Option<String>,
}

impl Ending {
    /// An ending that says no more than its event's type.
    pub fn of<M: Message>() -> Self {
        Self {
            event_type: M::TYPE,
            cause: None,
            reason: None,
            note: None,
        }
    }

    /// In words, with the reason only if payloads were asked for.
    pub fn words(&self, with_reason: bool) -> String {
        let cause = self.cause.map(ToOwned::to_owned);
        let reason = self.reason.as_ref().filter(|_| with_reason);
        let reason = reason.map(|reason| on_one_line(reason.as_str()));
        let why = match (cause.or_else(|| self.note.clone()), reason) {
            (Some(cause), Some(reason)) => format!("{cause}: {reason}"),
            (Some(why), None) | (None, Some(why)) => why,
            (None, None) => return self.event_type.to_owned(),
        };
        format!("{} ({why})", self.event_type)
    }
}

/// The text without what a terminal would take for its own: line breaks, escapes.
fn on_one_line(text: &str) -> String {
    let shown = |letter: char| -> String {
        if letter.is_control() {
            letter.escape_default().collect()
        } else {
            letter.into()
        }
    };
    text.chars().map(shown).collect()
}

/// Until when something is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// For ever: nothing settles it but that it is done.
    Without,
    /// As it was recorded when it was set.
    At(Timestamp),
    /// It has one, set before deadlines were recorded, or by what can't be read.
    NotRecorded,
}

impl Deadline {
    /// When the newest event of a type says that its deadline passes.
    pub fn recorded<M: Message>(
        stream: Option<&StoredStream>,
        due_at: impl Fn(M) -> Option<Timestamp>,
    ) -> Self {
        let due_at = stream.and_then(StoredStream::newest_of).and_then(due_at);
        due_at.map_or(Self::NotRecorded, Self::At)
    }
}

/// Something that has to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// In words.
    pub what: String,
    /// When what it follows from was committed, if that is known.
    pub since: Option<Timestamp>,
    /// When it is settled at the latest, in whichever way.
    pub deadline: Deadline,
}

impl Outstanding {
    /// A command that a step has sent, or is to send.
    pub fn step(command: &str, since: Option<Timestamp>, deadline: Deadline) -> Self {
        Self {
            what: format!("{command} has not been carried out"),
            since,
            deadline,
        }
    }

    /// An answer from outside.
    pub fn answer(who: &str, since: Option<Timestamp>, deadline: Deadline) -> Self {
        Self {
            what: format!("{who} has not answered"),
            since,
            deadline,
        }
    }
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(since) = self.since {
            write!(f, ", since {since}")?;
        }
        match self.deadline {
            Deadline::At(due_at) => write!(f, "; its deadline is at {due_at}"),
            Deadline::NotRecorded => f.write_str("; its deadline was not recorded"),
            Deadline::Without => Ok(()),
        }
    }
}

impl Serialize for Outstanding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ForPrograms<'a> {
            what: &'a str,
            since: Option<Timestamp>,
            due_at: Option<Timestamp>,
            deadline: &'a str,
        }
        let (due_at, deadline) = match self.deadline {
            Deadline::At(due_at) => (Some(due_at), "recorded"),
            Deadline::NotRecorded => (None, "not_recorded"),
            Deadline::Without => (None, "none"),
        };
        let (what, since) = (self.what.as_str(), self.since);
        ForPrograms {
            what,
            since,
            due_at,
            deadline,
        }
        .serialize(serializer)
    }
}

/// The streams by which it is told how something stands; notes what of them was not understood.
#[derive(Debug)]
pub struct Streams<'a> {
    own: &'a [StoredStream],
    related: &'a [StoredStream],
    unsure: Vec<&'a StoredStream>,
    unknown: Vec<UnknownEvent>,
}

impl<'a> Streams<'a> {
    /// The subject's own stream for which these rules decide.
    pub fn own<D: Decider>(&self) -> Option<&'a StoredStream> {
        self.own
            .iter()
            .find(|stream| stream.id.category() == D::CATEGORY.name())
    }

    /// The streams of its members and relations.
    pub fn related(&self) -> &'a [StoredStream] {
        self.related
    }

    /// What a stream amounts to by these rules; without one, what there is at the beginning. `phase` is
    /// the part of the state that tells since when it has stood so.
    pub fn fold<D: Decider, P: PartialEq>(
        &mut self,
        stream: Option<&'a StoredStream>,
        phase: impl Fn(&D::State) -> P,
    ) -> Folded<D::State> {
        let Some(stream) = stream else {
            return Folded::default();
        };
        let mut folded = stream.fold::<D, P>(phase);
        if !folded.unknown.is_empty() || !stream.faults.is_empty() {
            self.unsure.push(stream);
            self.unknown.append(&mut folded.unknown);
        }
        folded
    }

    /// That some of it could not be understood, so that nobody takes the rest for all.
    fn not_understood(&self) -> Option<Outstanding> {
        let why = |stream: &&StoredStream| {
            let id = stream.id.as_str();
            let unknown = self.unknown.iter().filter(|event| event.stream_id == id).count();
            let events = count(unknown, "event", "events");
            match (unknown, stream.faults.is_empty()) {
                (0, _) => format!("{id} is broken"),
                (_, true) => format!("{id} holds {events} that this version does not know"),
                (_, false) => format!("{id} is broken, and holds {events} that this version does not know"),
            }
        };
        let first = self.unsure.first()?;
        let all = self.unsure.iter().map(why);
        Some(Outstanding {
            what: format!("what is outstanding can't be told: {}", first_few(all, "; ")),
            since: first.commits.last().map(|commit| commit.committed_at),
            deadline: Deadline::Without,
        })
    }
}

/// A number of things: `1 event`, `2 events`.
pub fn count(number: usize, one: &str, more: &str) -> String {
    let word = if number == 1 { one } else { more };
    format!("{number} {word}")
}

/// The first few of them, and how many more there are.
pub fn first_few(all: impl ExactSizeIterator<Item = String>, joint: &str) -> String {
    let more = all.len().saturating_sub(5);
    let first: Vec<_> = all.take(5).collect();
    match more {
        0 => first.join(joint),
        more => format!("{} and {more} more", first.join(joint)),
    }
}
