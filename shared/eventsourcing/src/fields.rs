//! Reads the fields of a JSON object one by one, so that an error can name the field, say what was
//! expected there, and keep the value itself (which may be personal data) out of logs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::field_error::FieldError;
use crate::review::Review;
use crate::{Characters, Field, FieldForm, TextForm};

/// A value that a field of a message can hold.
pub trait FieldValue: Sized {
    /// What the field takes.
    fn form() -> FieldForm;

    /// The same, to complete the sentence "expected …".
    fn expected() -> String {
        Self::form().to_string()
    }

    /// Reads the value from its JSON text (not from a parsed tree, in which a number has already
    /// become a binary fraction).
    fn read(raw: &str) -> Result<Self, FieldError>;

    /// The value of a field that is not there; none if it must be.
    fn absent() -> Option<Self> {
        None
    }

    /// Whether it is the value of a field that is not there; it is not written then.
    fn is_absent(&self) -> bool {
        false
    }

    /// All that is wrong with the value. What holds other values looks at each of them.
    fn review(raw: &str) -> Review {
        Review::of(Self::read(raw))
    }
}

impl FieldError {
    /// The value `raw` is not a valid `T`.
    pub fn value<T: FieldValue>(raw: &str) -> Self {
        Self::wrong(raw, T::expected())
    }
}

impl Field {
    /// The field of that name, which holds a `T`, with its doc comment.
    pub fn of<T: FieldValue>(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            about: doc.trim(),
            required: T::absent().is_none(),
            form: T::form(),
        }
    }
}

/// The fields of a JSON object, as unparsed text. Of a repeated name the last counts; in a message that
/// comes from a queue there is none (see [`Malformed`](crate::Malformed)).
#[derive(Debug)]
pub struct Fields<'a> {
    json: &'a str,
    fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// The fields of the object that `json` is; none if it is no JSON object.
    pub fn of(json: &'a str) -> Option<Self> {
        let entries = WrittenField::all(json)?.into_iter();
        let fields = entries.map(|entry| (entry.name, entry.value)).collect();
        Some(Self { json, fields })
    }

    /// The field of that name. `null` counts as missing, as most writers of JSON mean it.
    pub fn get<T: FieldValue>(&self, name: &str) -> Result<T, FieldError> {
        match self.raw(name) {
            Some(raw) => T::read(raw).map_err(|error| error.within(name)),
            None => T::absent().ok_or_else(|| FieldError::missing(name, T::expected())),
        }
    }

    /// Where in the text of the object the field's value stands, if it is there, be it `null`.
    pub fn place(&self, name: &str) -> Option<Range<usize>> {
        let value = self.fields.get(name)?.get();
        // The value is a part of the text, so it begins as far into it as their addresses are apart.
        let start = value.as_ptr().addr() - self.json.as_ptr().addr();
        Some(start..start + value.len())
    }

    /// The names of the fields, in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(AsRef::as_ref)
    }

    /// The JSON text of the field, if it is there and not `null`.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        let raw = self.fields.get(name).map(|raw| raw.get());
        raw.filter(|raw| *raw != "null")
    }
}

/// A field as it stands in the text of its object.
#[derive(Clone, Debug)]
pub struct WrittenField<'a> {
    /// The name, read as texts are: one that no text can hold is nobody's field, and no reason to refuse the others.
    pub name: Cow<'a, str>,
    /// The name as it is written, with its quotes.
    pub written: &'a RawValue,
    /// The value, be it `null`.
    pub value: &'a RawValue,
}

impl<'a> WrittenField<'a> {
    /// The fields of the object that `json` is, in its order; none if it is no JSON object.
    pub fn all(json: &'a str) -> Option<Vec<Self>> {
        let Entries(entries) = serde_json::from_str(json).ok()?;
        Some(entries)
    }
}

struct Entries<'a>(Vec<WrittenField<'a>>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some((written, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    let name = text(written.get()).ok_or_else(|| A::Error::custom("a name is a string"))?;
                    entries.push(WrittenField { name, written, value });
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The text of a JSON string; none if `raw` is something else.
///
/// JSON can write half of a surrogate pair, which is no character. It is read as U+FFFD, as most readers do:
/// a sender that cut a text in the middle of a character is not refused for it.
fn text(raw: &str) -> Option<Cow<'_, str>> {
    match unescaped(raw)? {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(mut bytes) => {
            // Half a pair takes three bytes, of which the first two begin no character. U+FFFD takes three.
            let halves = |at: &usize| bytes[*at] == 0xed && bytes[at + 1] >= 0xa0;
            let halves: Vec<_> = (0..bytes.len().saturating_sub(2)).filter(halves).collect();
            for at in halves {
                bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
            }
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
    }
}

/// What a JSON string stands for, as UTF-8 in which half of a surrogate pair is encoded like a character
/// ([WTF-8](https://simonsapin.github.io/wtf-8/)): strings that JSON tells apart are different. None if
/// `raw` is something else.
pub(crate) fn unescaped(raw: &str) -> Option<Cow<'_, [u8]>> {
    serde_json::from_str::<Unescaped>(raw).ok().map(|bytes| bytes.0)
}

struct Unescaped<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Unescaped<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Cow<'de, [u8]>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(bytes))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Cow::Owned(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes).map(Self)
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn form() -> FieldForm {
        T::form()
    }

    fn expected() -> String {
        T::expected()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        T::read(raw).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn review(raw: &str) -> Review {
        T::review(raw)
    }
}

impl<T: FieldValue> FieldValue for Vec<T> {
    fn form() -> FieldForm {
        FieldForm::List {
            of: Box::new(T::form()),
            least: 0,
            most: None,
        }
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        let entries: Vec<&RawValue> =
            serde_json::from_str(raw).map_err(|_| FieldError::value::<Self>(raw))?;
        let read = |(i, entry): (usize, &&RawValue)| {
            T::read(entry.get()).map_err(|error| error.within(&format!("[{i}]")))
        };
        entries.iter().enumerate().map(read).collect()
    }

    fn review(raw: &str) -> Review {
        let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
            return Review::of(Self::read(raw));
        };
        let reviews = entries.iter().enumerate();
        let reviews = reviews.map(|(i, entry)| T::review(entry.get()).within(&format!("[{i}]")));
        reviews.fold(Review::default(), Review::and)
    }
}

impl FieldValue for String {
    fn form() -> FieldForm {
        FieldForm::Text(TextForm::ANY)
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        text(raw)
            .map(Cow::into_owned)
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

impl FieldValue for u64 {
    fn form() -> FieldForm {
        FieldForm::Whole {
            least: 0,
            most: u64::MAX,
        }
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        serde_json::from_str(raw).map_err(|_| FieldError::value::<Self>(raw))
    }
}

/// Words for people: an error, a reason. Up to 10,000 characters, which keeps a commit far from the
/// 400 KB that an item may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The most characters a text has.
    pub const MAX_CHARS: usize = 10_000;

    const FORM: TextForm = TextForm::of(Characters::Any, 0, Some(Self::MAX_CHARS));

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
    fn form() -> FieldForm {
        FieldForm::Text(Self::FORM)
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        String::read(raw)
            .ok()
            .filter(|words| Self::FORM.fits(words))
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
    fn half_a_surrogate_pair_is_one_replacement_character() {
        for (raw, text) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""a\udc00\ud800b""#, "a\u{fffd}\u{fffd}b"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud800\n\ud800\"""#, "\u{fffd}\n\u{fffd}\""),
            (r#""\ud7ff\ue000\uffff""#, "\u{d7ff}\u{e000}\u{ffff}"),
        ] {
            assert_eq!(String::read(raw).as_deref(), Ok(text), "{raw}");
            assert_eq!(Text::read(raw).as_ref().map(Text::as_str), Ok(text), "{raw}");
        }
        let ten_thousand = format!("\"{}\"", r"\udfff".repeat(Text::MAX_CHARS));
        assert!(Text::read(&ten_thousand).is_ok(), "each counts as one");
    }

    #[test]
    fn a_field_is_found_where_its_value_stands() {
        let json = r#" {"a":1, "\u0062" : [ 2 ],"c":null}"#;
        let fields = Fields::of(json).expect("an object");
        let value = |name| fields.place(name).map(|place| &json[place]);
        assert_eq!(
            [value("a"), value("b"), value("c")],
            [Some("1"), Some("[ 2 ]"), Some("null")]
        );
        assert_eq!(fields.place("d"), None);
    }

    #[test]
    fn null_counts_as_missing() {
        let fields = Fields::of(r#"{"a": null}"#).expect("an object");
        assert_eq!(fields.get::<Option<String>>("a"), Ok(None));
        assert!(fields.get::<String>("a").is_err());
    }
}
