//! Why a request is not carried out.

use crate::journal::JournalError;

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) enum Refused {
    Invalid(String),
    InvalidPattern(String),
    NotFound(String),
    AlreadyExists(String),
    TooMany(String),
    NotServed(String),
    Internal(String),
}

impl From<String> for Refused {
    fn from(invalid: String) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<JournalError> for Refused {
    fn from(error: JournalError) -> Self {
        Self::Internal(error.to_string())
    }
}
