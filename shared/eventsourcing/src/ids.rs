//! Stream names and the ids that are computed instead of drawn.
//!
//! A repeat of anything computes the same ids, so a repeated event can't begin a second stream and a
//! repeated step can't send a second command.

use std::fmt;
use std::str::FromStr;

use uuid::{Uuid, uuid};

/// The `UUIDv5` namespace (RFC 9562, section 5.5) of every id that the bundle makes.
pub const NAMESPACE: Uuid = uuid!("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e");

/// The id for a name, such as `loan/b-1` or `event/loan-…/1`.
pub fn computed_id(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of the event at `revision` of a stream.
pub fn event_id(stream: &StreamId, revision: u64) -> Uuid {
    computed_id(&format!("event/{stream}/{revision}"))
}

/// The id of the command that a step sends because of an event.
pub fn command_id(caused_by: &str, command_type: &str, target: &StreamId) -> Uuid {
    computed_id(&format!("command/{caused_by}/{command_type}/{target}"))
}

/// What kind of thing a stream is about: the part of its name before the first dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(&'static str);

impl Category {
    /// A category of that name.
    ///
    /// # Panics
    /// When the name is empty or holds a dash, since the first dash ends the category. In a constant,
    /// that is a compile error.
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty(), "a category has a name");
        let bytes = name.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            assert!(bytes[i] != b'-', "a category holds no dash");
            i += 1;
        }
        Self(name)
    }

    /// The name, as it begins the stream's id.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// The stream of this category about the thing called `id`.
    pub fn stream(self, id: &impl fmt::Display) -> StreamId {
        StreamId(format!("{}-{id}", self.0))
    }
}

/// The name of a stream: `<category>-<id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(String);

impl StreamId {
    /// The most characters of a name that comes in a message: room for a category and an id.
    pub const MAX_CHARS: usize = 160;

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first dash.
    pub fn category(&self) -> &str {
        self.0
            .split_once('-')
            .map_or(self.0.as_str(), |(category, _)| category)
    }

    /// The part after it: the id of what the stream is about.
    pub fn id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no stream.
#[derive(Debug, thiserror::Error)]
#[error("not a stream's name; expected <category>-<id>")]
pub struct InvalidStreamId;

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, InvalidStreamId> {
        match text.split_once('-') {
            Some((category, id)) if !category.is_empty() && !id.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(InvalidStreamId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anyone_can_compute_the_ids_from_the_published_names() {
        // As Python's uuid.uuid5 computes it.
        assert_eq!(
            computed_id("loan/b-1"),
            uuid!("80ba0e42-efc3-5fb5-a63d-927cabf8b7f0")
        );
        let loan = Category::new("loan").stream(&"x");
        assert_eq!(event_id(&loan, 1), uuid!("ac07faef-60fd-505a-afee-186ac9160537"));
    }

    #[test]
    fn the_first_dash_ends_the_category() {
        let stream = Category::new("loan").stream(&"a-b");
        assert_eq!(stream.to_string(), "loan-a-b");
        assert_eq!(stream.category(), "loan");
    }

    #[test]
    fn a_name_without_a_category_is_no_stream() {
        assert!("loan".parse::<StreamId>().is_err());
        assert!("-1".parse::<StreamId>().is_err());
    }
}
