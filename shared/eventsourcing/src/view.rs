//! The shape of a view: the row that a whole stream amounts to, for those who ask what became of something.
//!
//! A row is made from its stream and from nothing else. Whoever makes it reads the stream as far as it goes and
//! puts the row if the one that is there is older: so deliveries may be late, doubled, shuffled or lost, and the
//! table can be made anew at any time. A row says up to which revision it knows its stream.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::batch::decoded;
use crate::{Decider, Listing, Stream, StreamFault, Timestamp};

/// One view: which streams it shows, which events change its rows, and what a row holds. Pure, like the rules.
pub trait View: Send + Sync + 'static {
    /// The rules of the streams that it shows. One view, one kind of stream: what spans streams is asked of
    /// several rows.
    type Source: Decider;
    /// What of the past a row needs; the default is before the first event.
    type State: Default + Send;

    /// The table's name without the stack's, in kebab case: `loans`. Its function is `view-loans`.
    const NAME: &'static str;
    /// The table's key: the attribute that holds the stream's id, without the category.
    const KEY: &'static str;
    /// The types of the events that change a row. Others that are in the stream count when one of these comes.
    const LISTENS: &'static [&'static str];
    /// What can be asked for beside single rows.
    const INDEXES: &'static [Index];
    /// How rows are listed for people.
    const LISTING: Listing;
    /// What is counted of the things that it shows.
    const FIGURES: Figures;

    /// The state after one more event.
    fn evolve(
        state: Self::State,
        event: &<Self::Source as Decider>::Event,
        recorded: &Recorded<'_>,
    ) -> Self::State;

    /// The row that the state amounts to; none if there is nothing to show yet.
    fn row(state: &Self::State) -> Option<Row>;
}

/// What is counted of the things that a view shows: how many began, how many ended and how, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The attribute that says when a thing began.
    pub began: &'static str,
    /// The attribute that says why a thing ended as it did, and all that it can say; none if its phase says all.
    pub cause: Option<(&'static str, &'static [&'static str])>,
}

/// What the store knows of an event beside its fields.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// When it was decided.
    pub at: Timestamp,
    /// The id of the first message of its chain.
    pub correlation_id: &'a str,
}

/// An index of a view's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// The attribute by which it is divided. Rows without it are not in the index.
    pub partition: &'static str,
    /// The attribute by which it is sorted.
    pub sort: &'static str,
    /// The attributes that stand in it beside the keys. What is not in it is read from the row, and costs no write
    /// when it changes.
    pub holds: &'static [&'static str],
}

/// The index of the rows that are open, in every view that has any: `open`, divided by `open_shard`.
///
/// Each of its partitions takes 1,000 writes a second, and an order makes some four; so that the index does not
/// bound what the tables take, it is divided into [`OPEN_SHARDS`]. Whoever reads it asks them all.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-gsi-sharding.html>
pub const OPEN_INDEX: &str = "open";

/// The attribute that every row has: where the thing stands.
pub const PHASE: &str = "phase";

/// The attribute that every row has: since when it stands there.
pub const PHASE_SINCE: &str = "phase_since";

/// The attribute of rows whose thing is open and has a deadline: when that is.
pub const DUE_AT: &str = "due_at";

/// The attribute of rows whose thing is over: since when.
pub const ENDED_AT: &str = "ended_at";

/// The attribute that says in which part of [`OPEN_INDEX`] a row is; a row that is not open has none.
pub const OPEN_SHARD: &str = "open_shard";

/// Into how many parts [`OPEN_INDEX`] is divided.
pub const OPEN_SHARDS: u32 = 8;

/// What a row holds beside its key and its revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    attributes: BTreeMap<&'static str, Attribute>,
    is_open: bool,
}

/// The value of an attribute, as `DynamoDB` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number, in decimal notation.
    Number(String),
}

impl Row {
    /// A row with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something that is not over: it is in [`OPEN_INDEX`].
    #[must_use]
    pub fn open(self) -> Self {
        Self {
            is_open: true,
            ..self
        }
    }

    /// With this text.
    #[must_use]
    pub fn text(mut self, name: &'static str, value: &impl Display) -> Self {
        self.attributes.insert(name, Attribute::Text(value.to_string()));
        self
    }

    /// With this text, if there is one.
    #[must_use]
    pub fn text_if(self, name: &'static str, value: Option<&impl Display>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// With this number.
    #[must_use]
    pub fn number(mut self, name: &'static str, value: &impl Display) -> Self {
        self.attributes.insert(name, Attribute::Number(value.to_string()));
        self
    }

    /// The text of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Attribute::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether it is in [`OPEN_INDEX`].
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// What it holds, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &Attribute)> {
        self.attributes.iter().map(|(name, value)| (*name, value))
    }
}

/// A row of a view, and how far it knows its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewed {
    /// The stream's id, without the category.
    pub id: String,
    /// The revision of the last event that it knows.
    pub revision: u64,
    /// What it holds.
    pub row: Row,
}

impl Viewed {
    /// The row that the stream, read from its start, amounts to; none if there is nothing to show yet.
    ///
    /// Types of events that the rules don't know are passed over, as rules do: the row is made anew when a version
    /// that knows them is rolled out.
    ///
    /// # Errors
    /// An event that this version can't read.
    pub fn of<V: View>(stream: &Stream) -> Result<Option<Self>, StreamFault> {
        let mut state = V::State::default();
        for commit in stream.commits() {
            for event in &commit.events {
                let recorded = Recorded {
                    at: commit.committed_at,
                    correlation_id: &event.correlation_id,
                };
                if let Some(known) = decoded(stream, event)? {
                    state = V::evolve(state, &known, &recorded);
                }
            }
        }
        let viewed = |(row, revision)| Self {
            id: stream.id().id().to_owned(),
            revision,
            row,
        };
        Ok(V::row(&state).zip(stream.position().last_revision()).map(viewed))
    }

    /// In which part of [`OPEN_INDEX`] it is: by its id, so that it stays where it is; none if it is not open.
    pub fn open_shard(&self) -> Option<String> {
        // FNV-1a: it is the same in every version and on every machine, and spreads ids well enough for eight parts.
        let hash = self.id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        self.row.is_open.then(|| (hash % OPEN_SHARDS).to_string())
    }
}
