//! JSON whose fields keep their order and whose numbers keep their digits: it is written for people, too.

use eventsourcing::WrittenField;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

/// A JSON value.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    /// A number, a word or a text, as it is written.
    Scalar(Box<RawValue>),
    /// A list.
    List(Vec<Json>),
    /// An object, with its fields in order.
    Object(Object),
}

/// The fields of an object, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Vec<(String, Json)>);

impl Object {
    /// The same with one more field.
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// The same with one more field, if there is a value.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a field, unless there is one of that name.
    pub(crate) fn put_once(&mut self, name: &str, value: impl FnOnce() -> Json) {
        if self.0.iter().all(|(other, _)| other != name) {
            self.0.push((name.to_owned(), value()));
        }
    }

    /// Adds those fields of another whose names it does not have.
    pub(crate) fn put_all(&mut self, other: Self) {
        for (name, value) in other.0 {
            self.put_once(&name, || value);
        }
    }

    /// Whether it has no fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Json {
    /// What that text says; none if it is no JSON.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        match raw.get().as_bytes().first()? {
            b'{' => {
                let fields = WrittenField::all(raw.get())?.into_iter();
                let fields =
                    fields.map(|field| Some((field.name.into_owned(), Self::read(field.value.get())?)));
                Some(Self::Object(Object(fields.collect::<Option<_>>()?)))
            }
            b'[' => {
                let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
                let entries = entries.into_iter().map(|entry| Self::read(entry.get()));
                Some(Self::List(entries.collect::<Option<_>>()?))
            }
            _ => Some(Self::Scalar(raw.to_owned())),
        }
    }

    /// `null`.
    pub(crate) fn null() -> Self {
        Self::Scalar(RawValue::NULL.to_owned())
    }

    /// A number, by its digits.
    ///
    /// # Panics
    /// When they are none.
    pub(crate) fn digits(digits: String) -> Self {
        Self::Scalar(RawValue::from_string(digits).expect("digits are JSON"))
    }

    /// It on several lines, with one at the end.
    pub(crate) fn page(&self) -> String {
        // Its writer writes into memory, and its keys are texts.
        let text = serde_json::to_string_pretty(self).expect("a tree of values can be written");
        text + "\n"
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        // A text is always JSON once it is quoted.
        Self::Scalar(serde_json::value::to_raw_value(text).expect("a text can be written"))
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Self::digits(number.to_string())
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::digits(number.to_string())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(entries: Vec<T>) -> Self {
        Self::List(entries.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(raw) => raw.serialize(serializer),
            Self::List(entries) => {
                let mut list = serializer.serialize_seq(Some(entries.len()))?;
                entries
                    .iter()
                    .try_for_each(|entry| list.serialize_element(entry))?;
                list.end()
            }
            Self::Object(Object(fields)) => {
                let mut object = serializer.serialize_map(Some(fields.len()))?;
                let mut fields = fields.iter();
                fields.try_for_each(|(name, value)| object.serialize_entry(name, value))?;
                object.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_the_order_of_fields_stay_as_they_were_written() {
        let text = r#"{"b":[19.90,1e2,"ü\n",{}],"a":null}"#;
        let json = Json::read(text).expect("it is JSON");
        assert_eq!(serde_json::to_string(&json).expect("JSON"), text);
        assert!(Json::read("{").is_none());
    }

    #[test]
    fn a_field_that_is_there_is_not_added_again() {
        let mut object = Object::default().with("a", 1_u64);
        object.put_once("a", || 2_u64.into());
        object.put_once("b", || 3_u64.into());
        assert_eq!(Json::from(object).page(), "{\n  \"a\": 1,\n  \"b\": 3\n}\n");
    }
}
