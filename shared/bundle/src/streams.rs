//! The kinds of streams that a business has.

use eventsourcing::{Category, CommandSet, Decider, EventSet, Unreadable};

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
    /// The types of those events that nobody listens to, neither a step nor a system outside, on purpose.
    pub unheard: &'static [&'static str],
}

/// Reads a stored event of that type, version and JSON, and answers the version and the JSON in which it is written
/// today.
pub type Rewrite = fn(&str, u32, &str) -> Result<(u32, String), Unreadable>;

impl StreamKind {
    /// The streams that these rules decide for.
    pub const fn of<D: Decider>(title: &'static str) -> Self {
        Self {
            category: D::CATEGORY,
            title,
            events: D::Event::TYPES,
            rewrite: |event_type, version, json| {
                let event = D::Event::decode(event_type, version, json)?;
                Ok((event.schema_version(), event.json()))
            },
            commands: D::Command::TYPES,
            unheard: &[],
        }
    }

    /// Nobody listens to these events: they are there for the record, or for the rules that read it.
    #[must_use]
    pub const fn unheard(self, unheard: &'static [&'static str]) -> Self {
        Self { unheard, ..self }
    }
}
