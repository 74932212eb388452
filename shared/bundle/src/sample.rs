//! A sample of a function at work: what stands in the tables, what comes, and what follows.
//!
//! A sample is declared in the business's own values and is plain data for the engine. From it follow the
//! files for `sam local invoke`, the test that plays the function alone, and the calls that its role has to
//! allow. It is made only when it is asked for, since a function that starts has no use for it.
//!
//! ```text
//! Given::stream::<Loan>(&loan_id, [lent.into()])
//!     .command(&RemindMember { loan_id, due_at })
//!     .records(&[MemberReminded::TYPE])
//! ```

pub mod files;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{CommitRef, Delivery, Routes, kebab_case};
use eventsourcing::{
    Command, Commit, Decider, Dispatch, EventSet, RecordedEvent, StreamId, Timestamp, computed_id,
    encode_command, encode_event, event_id,
};
use serde_json::{Value, json};

/// Makes a sample when it is asked for.
pub type MakeSample = Arc<dyn Fn() -> Sample + Send + Sync>;

/// The correlation and causation id of everything in samples.
const SAMPLE: &str = "sample";

/// A time in samples: so many minutes after 2026-11-23T07:00:00Z.
pub fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(1_795_417_200_000).plus(Duration::from_mins(minutes))
}

/// A function at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What stands in the event table before.
    pub given: Vec<Commit>,
    /// What stands in the outbox before, due since long.
    pub undelivered: Vec<CommitRef>,
    /// What the function gets.
    pub comes: Comes,
    /// What it amounts to.
    pub follows: Follows,
}

/// What a function gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comes {
    /// A message on its queue; this is the body. The stream is the one that what follows is recorded in.
    Message(String, StreamId),
    /// A record of the event table's stream.
    Record(Commit),
    /// What Lambda says of a record of that stream which the relay's mapping gave up.
    GivenUp(Commit),
    /// The time for which it is scheduled.
    Tick,
}

/// What follows, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follows {
    /// The types of the events that are recorded, in order, by stream.
    pub recorded: BTreeMap<StreamId, Vec<&'static str>>,
    /// The queues that get a message, without the stack's name; one that gets two is there twice.
    pub sent: Vec<String>,
    /// What becomes of commits in the outbox.
    pub outbox: BTreeMap<CommitRef, Delivery>,
    /// What the row of the view shows, by attribute, among other things.
    pub shown: BTreeMap<&'static str, String>,
    /// What it answers; that no message has to come again, if it does not say.
    pub answer: Option<Value>,
}

/// What stands in the event table before a message comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(Vec<Commit>);

impl Given {
    /// Empty tables.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The stream of `D` about the thing called `id`, with these events, each in a commit of its own.
    pub fn stream<D: Decider>(id: &impl Display, events: impl IntoIterator<Item = D::Event>) -> Self {
        Self::default().and::<D>(id, events)
    }

    /// That stream, too.
    #[must_use]
    pub fn and<D: Decider>(mut self, id: &impl Display, events: impl IntoIterator<Item = D::Event>) -> Self {
        let stream = D::CATEGORY.stream(id);
        for event in events {
            let before = self.0.iter().filter(|commit| commit.stream == stream).count();
            self.0.push(commit(&stream, 1 + before as u64, &event));
        }
        self
    }

    /// The command that comes.
    pub fn command<C: Command>(self, command: &C) -> Sample {
        let body = encode_command(&Dispatch::now(command), SAMPLE, SAMPLE, at(0));
        // A dispatch holds the JSON of a message, which can be read again.
        let body = body.expect("a command can always be written");
        self.before(Comes::Message(body, command.stream()))
    }

    /// The newest event that is given comes, as the relay sends it.
    ///
    /// # Panics
    /// When nothing is given.
    pub fn newest_event(self) -> Sample {
        let commit = self.0.last().expect("an event is given");
        let event = commit.events.last().expect("a commit holds an event");
        let body = encode_event(&commit.stream, event, commit.committed_at);
        // It was written as JSON just now.
        let body = body.expect("an event can always be written");
        let comes = Comes::Message(body, commit.stream.clone());
        self.before(comes)
    }

    fn before(self, comes: Comes) -> Sample {
        Sample {
            given: self.0,
            undelivered: vec![],
            comes,
            follows: Follows::default(),
        }
    }
}

impl Sample {
    /// These events are recorded in the stream that the message is for.
    ///
    /// # Panics
    /// When what comes is no message.
    #[must_use]
    pub fn records(mut self, types: &[&'static str]) -> Self {
        let Comes::Message(_, stream) = &self.comes else {
            panic!("only a message is for a stream");
        };
        self.follows.recorded.insert(stream.clone(), types.to_vec());
        self
    }

    /// Commands of these types are sent; one that is sent twice is named twice.
    #[must_use]
    pub fn sends(mut self, commands: &[&str]) -> Self {
        self.follows.sent = commands.iter().map(|command| kebab_case(command)).collect();
        self
    }

    /// The stream's row in the view's table shows this, each attribute as text.
    #[must_use]
    pub fn shows(mut self, attributes: &[(&'static str, &str)]) -> Self {
        let attributes = attributes
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        self.follows.shown = attributes.collect();
        self
    }

    /// Nothing follows: what is asked for is done already, or has become pointless.
    #[must_use]
    pub fn nothing_follows(self) -> Self {
        Self {
            follows: Follows::default(),
            ..self
        }
    }

    /// The relay copies the newest event that is given here.
    pub(crate) fn relayed(&self, routes: &Routes) -> Self {
        let commit = self.newest();
        let sample = Given::nothing().before(Comes::Record(commit.clone()));
        sample.followed_by(sent(routes, commit), BTreeMap::new())
    }

    /// The relay's mapping has given that event up.
    pub(crate) fn recovered(&self) -> Self {
        let commit = self.newest();
        let saved = BTreeMap::from([(reference(commit), Delivery::Pending)]);
        let sample = Given(vec![commit.clone()]).before(Comes::GivenUp(commit.clone()));
        sample.followed_by(vec![], saved)
    }

    /// That event is in the outbox.
    pub(crate) fn swept(&self, routes: &Routes) -> Self {
        let commit = self.newest();
        let (entry, sent) = (reference(commit), sent(routes, commit));
        let sample = Self {
            undelivered: vec![entry.clone()],
            ..Given(vec![commit.clone()]).before(Comes::Tick)
        };
        let mut swept = sample.followed_by(sent, BTreeMap::from([(entry, Delivery::Published)]));
        swept.follows.answer = Some(json!({ "published": 1, "failed": 0 }));
        swept
    }

    /// Nothing is open, and nothing follows.
    pub(crate) fn nothing_open() -> Self {
        let mut sample = Given::nothing().before(Comes::Tick);
        sample.follows.answer = Some(json!({ "open": 0, "overdue": 0 }));
        sample
    }

    /// The newest commit that is given: of a step's sample, the event that comes.
    fn newest(&self) -> &Commit {
        // Steps alone are asked, and `newest_event` made their samples.
        self.given.last().expect("a step's sample gives its event")
    }

    fn followed_by(self, sent: Vec<String>, outbox: BTreeMap<CommitRef, Delivery>) -> Self {
        Self {
            follows: Follows {
                sent,
                outbox,
                ..Follows::default()
            },
            ..self
        }
    }

    /// The streams that it reads or writes.
    pub fn streams(&self) -> Vec<&StreamId> {
        let given = self.given.iter().map(|commit| &commit.stream);
        let comes = match &self.comes {
            Comes::Message(_, stream) => Some(stream),
            Comes::Record(commit) | Comes::GivenUp(commit) => Some(&commit.stream),
            Comes::Tick => None,
        };
        let mut streams: Vec<_> = given.chain(comes).collect();
        streams.sort();
        streams.dedup();
        streams
    }
}

fn sent(routes: &Routes, commit: &Commit) -> Vec<String> {
    let queues = commit
        .events
        .iter()
        .flat_map(|event| routes.of(&event.event_type));
    queues.cloned().collect()
}

fn reference(commit: &Commit) -> CommitRef {
    CommitRef {
        stream: commit.stream.to_string(),
        revision: commit.revision.into(),
    }
}

fn commit<E: EventSet>(stream: &StreamId, revision: u64, event: &E) -> Commit {
    Commit {
        stream: stream.clone(),
        revision,
        commit_id: computed_id(&format!("commit/{stream}/{revision}")),
        committed_at: at(0),
        events: vec![RecordedEvent {
            event_id: event_id(stream, revision).to_string(),
            revision,
            event_type: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            data: event.json(),
            correlation_id: SAMPLE.to_owned(),
            causation_id: SAMPLE.to_owned(),
            trace: None,
        }],
    }
}
