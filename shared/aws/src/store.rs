//! The event store: streams of commits in the event table, and how a commit is named; the tables of views and
//! how they are read.

pub(crate) mod commit_ref;
pub(crate) mod event_store;
pub(crate) mod view_reader;
pub(crate) mod view_table;
