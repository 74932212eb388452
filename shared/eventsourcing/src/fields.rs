//! Reads the fields of a JSON object one by one, so that an error can name the field, say what was
//! expected there, and keep the value itself (which may be personal data) out of logs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A field that is missing or holds something else than it should.
///
/// The text names the field by its path, what it holds by JSON type, and what was expected; never
/// the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{path}` {holds}; expected {expected}")]
pub struct FieldError {
    path: String,
    holds: &'static str,
    expected: String,
}

impl FieldError {
    /// The value `raw` does not do as a `T`.
    pub fn value<T: FieldValue>(raw: &str) -> Self {
        Self {
            path: String::new(),
            holds: kind(raw),
            expected: T::expected(),
        }
    }

    fn missing<T: FieldValue>(name: &str) -> Self {
        Self {
            path: name.to_owned(),
            holds: "is missing",
            expected: T::expected(),
        }
    }

    /// The field, as in `command.product_items[1].quantity`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same error, seen from one level further out.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{outer}{joint}{}", self.path);
        self
    }
}

/// What the JSON text is, by its first character.
fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "holds an object",
        Some(b'[') => "holds a list",
        Some(b'"') => "holds a string",
        Some(b't' | b'f') => "holds a boolean",
        Some(b'n') => "is null",
        Some(_) => "holds a number",
        None => "is empty",
    }
}

/// A value that a field of a message can hold.
pub trait FieldValue: Sized {
    /// What the field takes, to complete the sentence "expected …".
    fn expected() -> String;

    /// Reads the value from its JSON text (not from a parsed tree, in which a number has already
    /// become a binary fraction).
    fn read(raw: &str) -> Result<Self, FieldError>;

    /// The value of a field that is not there; none if it must be.
    fn absent() -> Option<Self> {
        None
    }
}

/// The fields of a JSON object, as unparsed text. Of a repeated name the last counts.
#[derive(Debug)]
pub struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The fields of the object that `json` is; none if it is no JSON object.
    pub fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The field of that name. `null` counts as missing, as most writers of JSON mean it.
    pub fn get<T: FieldValue>(&self, name: &str) -> Result<T, FieldError> {
        match self.raw(name) {
            Some(raw) => T::read(raw).map_err(|error| error.within(name)),
            None => T::absent().ok_or_else(|| FieldError::missing::<T>(name)),
        }
    }

    /// The JSON text of the field, if it is there and not `null`.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn expected() -> String {
        T::expected()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        T::read(raw).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FieldValue> FieldValue for Vec<T> {
    fn expected() -> String {
        format!("a list, each entry {}", T::expected())
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        let entries: Vec<&RawValue> =
            serde_json::from_str(raw).map_err(|_| FieldError::value::<Self>(raw))?;
        let read = |(i, entry): (usize, &&RawValue)| {
            T::read(entry.get()).map_err(|error| error.within(&format!("[{i}]")))
        };
        entries.iter().enumerate().map(read).collect()
    }
}

impl FieldValue for String {
    fn expected() -> String {
        "a string".into()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        plain(raw)
    }
}

impl FieldValue for u64 {
    fn expected() -> String {
        "a whole number".into()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        plain(raw)
    }
}

fn plain<'a, T: FieldValue + Deserialize<'a>>(raw: &'a str) -> Result<T, FieldError> {
    serde_json::from_str(raw).map_err(|_| FieldError::value::<T>(raw))
}

/// Words for people: an error, a reason. Up to 10,000 characters, which keeps a commit far from the
/// 400 KB that an item may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The most characters a text has.
    pub const MAX_CHARS: usize = 10_000;

    /// These words, cut to what a text may have.
    pub fn cut(words: impl Into<String>) -> Self {
        let words = words.into();
        match words.char_indices().nth(Self::MAX_CHARS) {
            Some((end, _)) => Self(words[..end].to_owned()),
            None => Self(words),
        }
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Text {
    fn from(words: &'static str) -> Self {
        Self(words.to_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FieldValue for Text {
    fn expected() -> String {
        format!("a string of at most {} characters", Self::MAX_CHARS)
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        String::read(raw)
            .ok()
            .filter(|words| words.chars().count() <= Self::MAX_CHARS)
            .map(Self)
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_is_named_with_what_it_takes() {
        let fields = Fields::of("{}").expect("an object");
        let error = fields.get::<u64>("quantity").expect_err("it is missing");
        assert_eq!(
            error.to_string(),
            "field `quantity` is missing; expected a whole number"
        );
    }

    #[test]
    fn an_entry_of_a_list_is_named_by_its_place_and_its_value_is_not_told() {
        let fields = Fields::of(r#"{"counts": [1, "secret"]}"#).expect("an object");
        let error = fields
            .get::<Vec<u64>>("counts")
            .expect_err("a string is no number");
        assert_eq!(
            error.to_string(),
            "field `counts[1]` holds a string; expected a whole number"
        );
    }

    #[test]
    fn null_counts_as_missing() {
        let fields = Fields::of(r#"{"a": null}"#).expect("an object");
        assert_eq!(fields.get::<Option<String>>("a"), Ok(None));
        assert!(fields.get::<String>("a").is_err());
    }
}
