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

impl Entry {
    /// What it is kept under: a later entry takes the place of an earlier one. Names hold no slash.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Group(name) => format!("group/{name}"),
            Self::Put(schedule) => {
                let (group, name) = schedule.requested.key();
                format!("schedule/{group}/{name}")
            }
            Self::Gone { group, name } => format!("schedule/{group}/{name}"),
        }
    }

    /// The text that is kept; none if it says that there is nothing any more.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Gone { .. } => None,
            // Texts and numbers are always JSON.
            there => serde_json::to_string(there).ok(),
        }
    }
}
