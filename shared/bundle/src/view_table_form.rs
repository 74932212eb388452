//! The table of a view, as whoever makes it or reads it has to know it.

use eventsourcing::{Category, Figures, Index, Listing};

/// The table of a view, as its declaration says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewTableForm {
    /// Its name, without the stack's.
    pub name: &'static str,
    /// The attribute that is its key.
    pub key: &'static str,
    /// Its indexes.
    pub indexes: &'static [Index],
    /// How its rows are listed for people.
    pub listing: Listing,
    /// The category of the streams that it shows.
    pub category: Category,
    /// What is counted of the things that it shows.
    pub figures: Figures,
}
