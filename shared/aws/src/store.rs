//! The event store: streams of commits in the event table, and how a commit is named; the tables of views, how they
//! are read, and how they are made anew.

pub(crate) mod batch_get;
mod commit_page;
pub(crate) mod commit_ref;
pub(crate) mod event_store;
pub(crate) mod rebuild;
pub(crate) mod segments;
pub(crate) mod stored_commit;
pub(crate) mod view_reader;
pub(crate) mod view_table;
