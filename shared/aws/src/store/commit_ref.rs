//! Where a commit is in the event table, whoever wrote it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a commit is: the key of its item, whatever that holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitRef {
    /// Its stream, as its item says.
    #[serde(rename = "stream_id")]
    pub stream: String,
    /// The revision of the commit's first event, as its item says.
    pub revision: KeyNumber,
}

/// A number in an item's key. Not all that is in a table was written by this bundle, and what was not has to
/// be found again too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyNumber {
    /// A revision, as this bundle counts them.
    Whole(u64),
    /// Any other number, as the table writes it.
    Other(String),
}

impl KeyNumber {
    /// The number that the table writes so.
    pub fn read(number: &str) -> Self {
        number
            .parse()
            .map_or_else(|_| Self::Other(number.to_owned()), Self::Whole)
    }
}

impl From<u64> for KeyNumber {
    fn from(revision: u64) -> Self {
        Self::Whole(revision)
    }
}

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Other(number) => number.fmt(f),
        }
    }
}

impl fmt::Display for CommitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.stream, self.revision)
    }
}
