//! Items whose values leave no question: they are read straight from their JSON.
//!
//! `dynoxide` 3.2 reads each value into a tree of JSON first, and the values in it once more. A later one that reads them
//! as they come makes this superfluous.

use std::fmt;

use dynoxide::types::{AttributeValue, Item};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How deep a plain value is nested at most; DynamoDB's own limit is 32.
const DEEPEST: usize = 8;

/// The longest plain name of an attribute, in bytes.
const LONGEST_NAME: usize = 255;

/// The most characters of a plain number; DynamoDB keeps 38 digits.
const LONGEST_NUMBER: usize = 18;

/// An item as it is stored, plain or not; none if it is not one.
pub(super) fn stored(json: &str) -> Option<Item> {
    plain(json).or_else(|| serde_json::from_str(json).ok())
}

/// The item, if there is nothing to say about any of its values.
pub(super) fn plain(json: &str) -> Option<Item> {
    let mut json = serde_json::Deserializer::from_str(json);
    let item = (Attributes { depth: 0 }).deserialize(&mut json).ok()?;
    json.end().ok().map(|()| item)
}

/// Attributes by name, each name once.
struct Attributes {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Attributes {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Item, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Attributes {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain attributes")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Item, M::Error> {
        let mut attributes = Item::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Plain { depth: self.depth })?;
            if !(1..=LONGEST_NAME).contains(&name.len()) || attributes.insert(name, value).is_some() {
                return Err(M::Error::custom("a name is empty, long or there twice"));
            }
        }
        Ok(attributes)
    }
}

/// A value that is neither a set nor binary nor null, and whose number is written the shortest way.
struct Plain {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = AttributeValue;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<AttributeValue, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<AttributeValue, M::Error> {
        let depth = self.depth + 1;
        let not_plain = || M::Error::custom("the value is not plain");
        if depth > DEEPEST {
            return Err(not_plain());
        }
        let value = match map.next_key::<&str>()? {
            Some("S") => AttributeValue::S(map.next_value()?),
            Some("N") => AttributeValue::N(map.next_value::<String>()?),
            Some("BOOL") => AttributeValue::BOOL(map.next_value()?),
            Some("L") => AttributeValue::L(map.next_value_seed(List { depth })?),
            Some("M") => AttributeValue::M(map.next_value_seed(Attributes { depth })?),
            _ => return Err(not_plain()),
        };
        let is_plain = match &value {
            AttributeValue::N(number) => is_shortest(number),
            _ => true,
        };
        if is_plain && map.next_key::<IgnoredAny>()?.is_none() {
            Ok(value)
        } else {
            Err(not_plain())
        }
    }
}

struct List {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for List {
    type Value = Vec<AttributeValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<AttributeValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain values")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> std::result::Result<Self::Value, S::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Plain { depth: self.depth })? {
            values.push(value);
        }
        Ok(values)
    }
}

/// A number of few digits, whole or with a fraction, as DynamoDB would write it itself.
pub(super) fn is_shortest(number: &str) -> bool {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.len() <= LONGEST_NUMBER
        && is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|fraction| is_digits(fraction) && !fraction.ends_with('0'))
}
