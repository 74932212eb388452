//! The kinds of streams that a business has: what their things are called, which ids lead to which, and who
//! tells how one stands. Nothing here is computed before somebody asks.

use eventsourcing::standing::Subject;
use eventsourcing::{
    Announced, Category, CommandSet, Decider, EventSet, Malformed, RecordedEvent, Shape, StreamId, Timestamp,
    Unreadable,
};

/// A kind of stream, by its rules.
#[derive(Clone, Copy, Debug)]
pub struct StreamKind {
    /// What begins the streams' names.
    pub category: Category,
    /// What one is of, in a sentence: `a loan`.
    pub title: &'static str,
    /// The types of the events in it.
    pub events: &'static [&'static str],
    /// How its stored events are read, and written again.
    pub rewrite: Rewrite,
    /// The types of the commands that are decided on it.
    pub commands: &'static [&'static str],
    /// What there is in those commands, and then in those events.
    pub shapes: fn() -> Vec<Shape>,
    /// What there is in the messages that carry those events, whole as they stand on queues and on the event bus.
    pub event_messages: fn() -> Vec<Shape>,
    /// Reads such a message, as one who hears of several events does.
    pub read_event_message: fn(&str) -> Result<(), Malformed>,
    /// The types of the events that end a stream, if its rules declare any.
    pub endings: &'static [&'static str],
    /// What it is a part of, and how that stands.
    pub subject: &'static dyn Subject,
    /// What else its things are called in the names of fields that hold their ids.
    pub also_called: &'static [Called],
    /// The streams whose ids are computed from the one of this kind.
    pub leads_to: fn(&str) -> Vec<StreamId>,
    /// What it belongs to, if it belongs to another.
    pub part_of: Option<PartOf>,
    /// The kinds that take its names for themselves: a message that names one of them means another thing
    /// by this kind's names.
    pub not_beside: &'static [Category],
    /// Why an event happened, in a word of the rules. What it answers is no payload and always shown.
    pub cause: fn(&RecordedEvent) -> Option<&'static str>,
}

/// What the things of a kind are called by those who send messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called {
    /// In small letters: `loan` of `loan_id` and `loanIds`.
    pub word: &'static str,
    /// Whether it may be the end of a longer name, as in `overdue_loan_ids`.
    pub ends: bool,
}

impl Called {
    /// A name that may be the end of a longer one.
    pub const fn at_the_end(word: &'static str) -> Self {
        Self { word, ends: true }
    }

    /// A name that means it only if there is nothing before it.
    pub const fn alone(word: &'static str) -> Self {
        Self { word, ends: false }
    }
}

/// How a stream says what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// The kind of what it belongs to.
    pub category: Category,
    /// The field of its events that holds the id.
    pub field: &'static str,
}

/// Reads a stored event of that type, version and JSON, and answers the version and the JSON in which it is written
/// today.
pub type Rewrite = fn(&str, u32, &str) -> Result<(u32, String), Unreadable>;

impl StreamKind {
    /// The streams that these rules decide for; `subject` tells how what they are a part of stands.
    pub const fn of<D: Decider>(title: &'static str, subject: &'static dyn Subject) -> Self {
        Self {
            category: D::CATEGORY,
            title,
            events: D::Event::TYPES,
            rewrite: |event_type, version, json| {
                let event = D::Event::decode(event_type, version, json)?;
                Ok((event.schema_version(), event.json()))
            },
            commands: D::Command::TYPES,
            shapes: || {
                let (mut shapes, events) = (D::Command::shapes(), D::Event::shapes());
                shapes.extend(events);
                shapes
            },
            event_messages: || Announced::shapes::<D::Event>(D::Event::TYPES),
            read_event_message: |body| {
                // The time is only for a message that does not say its own, and nobody asks for it here.
                let now = Timestamp::from_millis(0);
                Announced::read::<D::Event>(body, D::Event::TYPES, now).map(drop)
            },
            endings: D::ENDINGS,
            subject,
            also_called: &[],
            leads_to: no_ids,
            part_of: None,
            not_beside: &[],
            cause: no_cause,
        }
    }

    /// What else its things are called. Each is called by its category, in any spelling.
    #[must_use]
    pub const fn also_called(self, names: &'static [Called]) -> Self {
        Self {
            also_called: names,
            ..self
        }
    }

    /// The streams whose ids are computed from one of these; none of what can't be an id.
    #[must_use]
    pub const fn leading_to(self, streams: fn(&str) -> Vec<StreamId>) -> Self {
        Self {
            leads_to: streams,
            ..self
        }
    }

    /// What it belongs to: the thing of that kind whose id stands in that field.
    #[must_use]
    pub const fn part_of(self, category: Category, field: &'static str) -> Self {
        Self {
            part_of: Some(PartOf { category, field }),
            ..self
        }
    }

    /// A message that names one of these means another thing by this kind's names.
    #[must_use]
    pub const fn not_beside(self, others: &'static [Category]) -> Self {
        Self {
            not_beside: others,
            ..self
        }
    }

    /// Shows why its events happened.
    #[must_use]
    pub const fn with_causes(self, cause: fn(&RecordedEvent) -> Option<&'static str>) -> Self {
        Self { cause, ..self }
    }

    /// What one is called before its id: `loan` of `a loan`.
    pub fn noun(&self) -> &'static str {
        let article = self.title.split_once(' ');
        article.map_or(self.title, |(_, noun)| noun)
    }
}

fn no_ids(_: &str) -> Vec<StreamId> {
    Vec::new()
}

fn no_cause(_: &RecordedEvent) -> Option<&'static str> {
    None
}
