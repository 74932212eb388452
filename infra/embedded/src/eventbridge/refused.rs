//! Why a request is not carried out.

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) enum Refused {
    Invalid(String),
    InvalidPattern(String),
    NotFound(String),
    AlreadyExists(String),
    TooMany(String),
    NotServed(String),
}

impl From<String> for Refused {
    fn from(invalid: String) -> Self {
        Self::Invalid(invalid)
    }
}
