//! A scenario: what is done from outside, one after the other, and what it may come to.

use aws_adapters::kebab_case;
use eventsourcing::{Command, NewEvent, StreamId};
use serde_json::Value;

use super::ending::Ending;
use super::outcome::{Outcome, Subject};

/// A script, and how what it sets off has to end.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows.
    pub title: &'static str,
    /// What it is about.
    pub subject: &'static Subject,
    /// What is done from outside, one after the other.
    pub script: Vec<Action>,
    /// The streams that are shown. Where there are several, the ids of the others follow from the first one's.
    pub streams: Vec<StreamId>,
    /// The endings that are right: any of them.
    pub endings: Vec<Ending>,
}

/// One action of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody sends a command.
    Send(Sent),
    /// Goes on when the stream holds an event of that type.
    Until(StreamId, &'static str),
    /// Somebody begins the stream by hand, past all rules.
    Append(StreamId, NewEvent),
}

/// A command that somebody sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The queue, without the stack's name.
    pub queue: String,
    /// What is sent as its fields, which need not be right.
    pub command: Value,
}

impl Sent {
    /// These fields to the queue of command `C`.
    pub fn to<C: Command>(command: Value) -> Self {
        Self {
            queue: kebab_case(C::TYPE),
            command,
        }
    }
}

impl Action {
    /// Sends these fields to the queue of command `C`.
    pub fn send<C: Command>(command: Value) -> Self {
        Self::Send(Sent::to::<C>(command))
    }
}

impl Scenario {
    /// What is wrong with how it ended, in the words of the ending that comes closest; nothing if it ended as
    /// expected.
    pub fn problems(&self, outcome: &Outcome) -> Vec<String> {
        let problems = self.endings.iter().map(|ending| ending.problems(outcome));
        problems.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Whether a message is about one of its streams.
    pub fn is_told_of_in(&self, body: &str) -> bool {
        are_told_of_in(&self.streams, body)
    }
}

/// Whether a message names the id of one of these streams.
pub fn are_told_of_in(streams: &[StreamId], body: &str) -> bool {
    streams
        .iter()
        .any(|stream| body.contains(&format!("\"{}\"", stream.id())))
}
