//! What is told of schedules: each as it stands, and each change.

use serde::{Deserialize, Serialize};

use super::request::Requested;

/// A change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Entry {
    Group(String),
    Put(Box<Schedule>),
    Gone { group: String, name: String },
}

/// A schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub(super) requested: Requested,
    /// In milliseconds since 1970.
    pub(super) created_ms: u64,
    /// Whether it has fired. Such a one is kept only if it was not to be deleted.
    pub(super) completed: bool,
}
