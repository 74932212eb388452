//! The shape of a rule: what a command amounts to, given what has happened so far.

use std::fmt::Debug;

use crate::{Category, Message, RuleSettings, Shape, StreamId, Timestamp, Unreadable};

/// The rules of one kind of stream, as pure functions of values.
pub trait Decider: Send + Sync + 'static {
    /// The kind of stream it decides for.
    const CATEGORY: Category;
    /// What it is asked to do.
    type Command: CommandSet;
    /// What has happened.
    type Event: EventSet;
    /// What of the past the rules need; the default is the state before the first event.
    type State: Clone + Debug + Default + Send + Sync;
    /// What it can be set to, such as deadlines. What is decided by a setting is recorded, so that
    /// nobody has to know it who reads the stream later.
    type Settings: RuleSettings;

    /// Whether its streams grow so long that a function does well to keep the state between
    /// invocations and to read only what is new. What is kept can't go stale, since commits never
    /// change; it can only lack the newest ones.
    const GROWS: bool = false;
    /// Types of events that end a stream: once the newest commit holds one, no deadline of the stream
    /// does anything any more, and none needs to read further back.
    const ENDINGS: &'static [&'static str] = &[];

    /// The state after one more event.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// What `command` amounts to in `state`.
    ///
    /// It must be idempotent by content: a command that was carried out once decides on nothing from
    /// then on, in every later state, whatever the settings are by then.
    fn decide(
        state: &Self::State,
        command: &Self::Command,
        settings: &Self::Settings,
        now: Timestamp,
    ) -> Result<Decision<Self::Event>, Refusal>;
}

/// The events that one decider records and reads.
pub trait EventSet: Clone + Debug + Send + Sync + Sized + 'static {
    /// The names of all of them on the wire.
    const TYPES: &'static [&'static str];

    /// Its name on the wire.
    fn event_type(&self) -> &'static str;

    /// The version of its fields.
    fn schema_version(&self) -> u32;

    /// Its fields as JSON text.
    fn json(&self) -> String;

    /// Reads an event as it was stored.
    fn decode(event_type: &str, version: u32, json: &str) -> Result<Self, Unreadable>;

    /// The shapes of all of them.
    fn shapes() -> Vec<Shape>;

    /// Shows the type of each of them to `visitor`, for what is done with every event alike.
    fn visit(visitor: &mut impl EventVisitor<Self>);
}

/// Does something with every event of a set.
pub trait EventVisitor<S: EventSet> {
    /// With this one.
    fn event<E: Message + Into<S>>(&mut self);
}

/// The commands that one decider takes.
pub trait CommandSet: Clone + Debug + Send + Sync + Sized + 'static {
    /// The names of all of them on the wire.
    const TYPES: &'static [&'static str];

    /// The shapes of all of them.
    fn shapes() -> Vec<Shape>;

    /// Shows the type of each of them to `visitor`, for what is done with every command alike.
    fn visit(visitor: &mut impl CommandVisitor<Self>);
}

/// Does something with every command of a set.
pub trait CommandVisitor<S: CommandSet> {
    /// With this one.
    fn command<C: Command + Into<S>>(&mut self);
}

/// A message that asks a decider to do something.
pub trait Command: Message + Into<<Self::Decider as Decider>::Command> {
    /// Who decides.
    type Decider: Decider;
    /// Whether it usually is the first of its stream, so that an append without a load is worth a try.
    const CREATES: bool = false;
    /// Whether it is a deadline, decided on a read that may lack the newest commits: an answer that
    /// such a read shows is in, and one that it does not show is caught by the append's condition. So
    /// where a deadline decides on nothing, it must do so in every later state.
    const DEADLINE: bool = false;

    /// The stream it is for.
    fn stream(&self) -> StreamId;
}

/// What a command that was not refused amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<E> {
    /// These events, all in one commit.
    Record(Vec<E>),
    /// Nothing: it has been done, or what has happened since made it pointless.
    Nothing,
    /// Nothing yet: a deadline that has not passed. Ask again then.
    NotDue(Timestamp),
}

impl<E> Decision<E> {
    /// One event.
    pub fn one(event: impl Into<E>) -> Self {
        Self::Record(vec![event.into()])
    }
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The rules forbid it, now and later. The text says what was wrong and what would be right.
    #[error("{0}")]
    Rejected(String),
    /// What it needs is not there yet, but may be under way.
    #[error("{0}")]
    Premature(String),
}
