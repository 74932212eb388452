//! The table of a view, as whoever makes it, reads it or makes it anew has to know it.

use aws_adapters::{RowOf, Shows};
use eventsourcing::{Category, Figures, Index, Listing};

/// The table of a view, as its declaration says it.
#[derive(Clone, Copy, Debug)]
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
    /// The row that a stream amounts to.
    pub row: RowOf,
    /// The types of the events that renew a row.
    pub listens: &'static [&'static str],
}

impl ViewTableForm {
    /// What has to be known to make it anew.
    pub fn shows(&self) -> Shows {
        Shows {
            category: self.category,
            row: self.row,
            listens: self.listens,
            indexes: self.indexes,
        }
    }
}
