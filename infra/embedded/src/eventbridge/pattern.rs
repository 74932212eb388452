//! Event patterns: which events a rule is for.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html>

use serde_json::{Map, Value};

use super::matcher::Matcher;

/// The longest pattern, in characters.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html>
const LONGEST: usize = 4096;

/// The key whose value is a list of patterns, of which one has to match.
const OR: &str = "$or";

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern(Fields);

/// What each field has to be; all of them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields {
    fields: Vec<(String, Field)>,
    /// Of each of these lists, one.
    either: Vec<Vec<Fields>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    /// One of these.
    Leaf(Vec<Matcher>),
    Nested(Fields),
}

impl Pattern {
    /// Reads a pattern, or says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if length > LONGEST {
            return Err(format!("it has {length} characters; up to {LONGEST} are right"));
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Fields::read(&fields, "").map(Self),
            Ok(_) => Err("Filter is not an object".to_owned()),
            Err(_) => Err("it is not JSON".to_owned()),
        }
    }

    /// Whether an event is one of those.
    pub(super) fn matches(&self, event: &Value) -> bool {
        self.0.match_value(Some(event))
    }
}

impl Fields {
    fn read(given: &Map<String, Value>, path: &str) -> Result<Self, String> {
        if given.is_empty() {
            return Err("Empty objects are not allowed".to_owned());
        }
        let mut read = Self::default();
        for (key, value) in given {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            match value {
                Value::Array(_) if key == OR => read.either.push(alternatives(value, &path)?),
                Value::Array(matchers) if matchers.is_empty() => {
                    return Err(format!("Empty arrays are not allowed, as at {path}"));
                }
                Value::Array(matchers) => {
                    let matchers = matchers.iter().map(|given| Matcher::read(given, &path));
                    let matchers = matchers.collect::<Result<_, _>>()?;
                    read.fields.push((key.clone(), Field::Leaf(matchers)));
                }
                Value::Object(nested) => {
                    let nested = Self::read(nested, &path)?;
                    read.fields.push((key.clone(), Field::Nested(nested)));
                }
                _ => return Err(format!("\"{path}\" must be an object or an array")),
            }
        }
        Ok(read)
    }

    /// Whether a value has these fields; none is a value that is not there. Of a list, one element has to have them
    /// all.
    fn match_value(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::Array(elements)) if elements.iter().any(Value::is_object) => {
                elements.iter().any(|element| self.match_value(Some(element)))
            }
            Some(Value::Object(object)) => self.match_object(Some(object)),
            _ => self.match_object(None),
        }
    }

    fn match_object(&self, object: Option<&Map<String, Value>>) -> bool {
        let fields = self.fields.iter().all(|(key, field)| {
            let value = object.and_then(|object| object.get(key));
            match field {
                Field::Leaf(matchers) => match_leaf(matchers, value),
                Field::Nested(nested) => nested.match_value(value),
            }
        });
        let one_of = |alternatives: &Vec<Self>| {
            let mut alternatives = alternatives.iter();
            alternatives.any(|alternative| alternative.match_object(object))
        };
        fields && self.either.iter().all(one_of)
    }
}

fn alternatives(given: &Value, path: &str) -> Result<Vec<Fields>, String> {
    let given = given.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.len() < 2 {
        return Err(format!("{path} needs two patterns at least"));
    }
    let each = given.iter().map(|alternative| match alternative {
        Value::Object(fields) => Fields::read(fields, path),
        _ => Err(format!("{path} holds something other than objects")),
    });
    each.collect()
}

/// Whether a value is one of those. Of a list, one element has to be. An object is no value of its own, and counts
/// as not there.
fn match_leaf(matchers: &[Matcher], value: Option<&Value>) -> bool {
    let mut leaves = Vec::new();
    if let Some(value) = value {
        gather(value, &mut leaves);
    }
    matchers.iter().any(|matcher| match matcher {
        Matcher::Exists(wanted) => *wanted != leaves.is_empty(),
        matcher => leaves.iter().any(|leaf| matcher.matches(leaf)),
    })
}

fn gather<'v>(value: &'v Value, leaves: &mut Vec<&'v Value>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, leaves)),
        Value::Object(_) => {}
        leaf => leaves.push(leaf),
    }
}
