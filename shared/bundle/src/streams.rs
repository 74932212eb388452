//! The kinds of streams that a business has.

use eventsourcing::{Category, Decider, EventSet};

/// A kind of stream, by its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamKind {
    /// What begins the streams' names.
    pub category: Category,
    /// What one is of, in a sentence: `a loan`.
    pub title: &'static str,
    /// The types of the events in it.
    pub events: &'static [&'static str],
}

impl StreamKind {
    /// The streams that these rules decide for.
    pub const fn of<D: Decider>(title: &'static str) -> Self {
        Self {
            category: D::CATEGORY,
            title,
            events: D::Event::TYPES,
        }
    }
}
