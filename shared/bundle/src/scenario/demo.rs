//! What `cargo local demo` plays: all scenarios of a business, a file of somebody's own, and as much at once as
//! somebody asks for.

use std::fmt;

use aws_adapters::kebab_case;
use eventsourcing::{Command, CommandEnvelope, Draft, Form, StreamId, Timestamp};
use serde_json::Value;

use super::outcome::Subject;
use super::script::{Scenario, Sent};

/// What can be played of a business. All of it is made when it is asked for: a function that Lambda starts
/// carries it along, and must not pay for it.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// All scenarios. Their ids end with the text, so that each time has its own; the first time it is empty.
    pub scenarios: fn(again: &str) -> Vec<Scenario>,
    /// What a file of somebody's own holds.
    pub own: Option<OwnInput>,
    /// What there can be much of.
    pub load: Option<Load>,
}

impl Demo {
    /// Nothing can be played.
    pub const NOTHING: Self = Self {
        scenarios: |_| Vec::new(),
        own: None,
        load: None,
    };
}

/// A file of entries, each of them the fields of one command.
#[derive(Clone, Copy)]
pub struct OwnInput {
    /// The option that the file is given with, which is what one entry is called, too: `loan` of `--loan FILE`.
    pub flag: &'static str,
    /// What the option does, for `--help`.
    pub help: &'static str,
    /// What an entry looks like, in a sentence.
    pub shape: &'static str,
    /// What progress is counted in: `books lent`.
    pub counted: &'static str,
    /// What each entry leads to: one of these, which has to end, however it does.
    pub subject: &'static Subject,
    /// The command that an entry is.
    pub command: EntryCommand,
    /// The streams that an entry of these fields leads to, its own first.
    pub streams: fn(&Value) -> Vec<StreamId>,
}

impl fmt::Debug for OwnInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnInput")
            .field("flag", &self.flag)
            .field("command", &self.command.of)
            .finish_non_exhaustive()
    }
}

/// A command, and how what somebody wrote is read as one.
#[derive(Clone, Copy)]
pub struct EntryCommand {
    of: &'static str,
    draft: fn(&str, Form) -> Draft,
    read: fn(&Draft) -> Option<Entry>,
}

/// An entry of a file, as its function reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The fields of its command.
    pub fields: Value,
    /// The stream that it is for.
    pub stream: StreamId,
}

impl EntryCommand {
    /// The command `C`.
    pub const fn of<C: Command>() -> Self {
        Self {
            of: C::TYPE,
            draft: Draft::of::<C>,
            read: read::<C>,
        }
    }

    /// The queue that takes it, without the stack's name.
    pub fn queue(&self) -> String {
        kebab_case(self.of)
    }

    /// Looks at what somebody wrote, as fields or as a whole message, for all that is wrong with it.
    pub fn draft(&self, json: &str) -> Draft {
        (self.draft)(json, Form::Either)
    }

    /// The entry in a draft; none if the draft has faults.
    pub fn read(&self, draft: &Draft) -> Option<Entry> {
        (self.read)(draft)
    }
}

fn read<C: Command>(draft: &Draft) -> Option<Entry> {
    // Stand-ins for what only the queue knows; neither is part of an entry.
    let (message_id, now) = ("unsent", Timestamp::from_millis(0));
    let envelope = CommandEnvelope::<C>::read(&draft.body, message_id, now).ok()?;
    Some(Entry {
        fields: serde_json::from_str(&envelope.command.json()).ok()?,
        stream: envelope.command.stream(),
    })
}

/// One process with so many members, and with fewer beside it, to compare what a member costs.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The option that says how many: `members` of `--members N`.
    pub flag: &'static str,
    /// What the option does, for `--help`.
    pub help: &'static str,
    /// The fewest and the most.
    pub range: (u32, u32),
    /// How many the one has that others are compared with.
    pub beside: u32,
    /// What one of them is called: `member`.
    pub member: &'static str,
    /// What progress is counted in: `books lent`.
    pub counted: &'static str,
    /// The function, without the stack's name, that handles one message for each member.
    pub counter: &'static str,
    /// The write units that each member's own streams take of the run, which nobody races for.
    pub own_write_units: u32,
    /// What it is about.
    pub subject: &'static Subject,
    /// The event that ends it, once, if all is well.
    pub ending: &'static str,
    /// How one of that name with so many members is played.
    pub plan: fn(name: &str, members: usize) -> LoadPlan,
}

/// How a process with many members is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadPlan {
    /// Its stream.
    pub stream: StreamId,
    /// What prepares the members; what that costs is not counted.
    pub prepare: Vec<Sent>,
    /// What starts it.
    pub start: Sent,
}
