//! A JSON merge patch of a message's text: what the patch does not name stays as it was written, digit by digit.
//!
//! Crates that merge JSON work on parsed values, in which an amount may lose digits and a name its place. So what is
//! merged here are texts.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc7396#section-2>

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A patch: what a JSON text says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch<'a>(&'a RawValue);

impl<'a> Patch<'a> {
    /// Reads a patch. One that is no object would take the place of whole messages, which is not meant.
    pub(crate) fn read(text: &'a str) -> Result<Self, String> {
        let patch: &RawValue = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        if !patch.get().starts_with('{') {
            return Err(
                "no JSON object; expected one with what changes, such as {\"command\":{…}}".to_owned(),
            );
        }
        // A name that comes twice could mean two things.
        check(patch)?;
        Ok(Self(patch))
    }

    /// The text with what the patch changes.
    pub(crate) fn apply(self, text: &str) -> Result<String, String> {
        let target: &RawValue = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        if !target.get().starts_with('{') {
            return Err("no JSON object, which is what can be patched".to_owned());
        }
        Ok(merged(Some(target), self.0))
    }
}

fn check(patch: &RawValue) -> Result<(), String> {
    let Some(fields) = object(patch) else {
        return Ok(());
    };
    for (place, (name, value)) in fields.iter().enumerate() {
        if fields[..place].iter().any(|(other, _)| other == name) {
            return Err(format!("field {name:?} comes twice"));
        }
        check(value)?;
    }
    Ok(())
}

fn merged(target: Option<&RawValue>, patch: &RawValue) -> String {
    let Some(changes) = object(patch) else {
        return patch.get().to_owned();
    };
    let mut fields: Vec<(String, String)> = Vec::new();
    let target = target.and_then(object).unwrap_or_default();
    for (name, value) in &target {
        match changes.iter().find(|(changed, _)| changed == name) {
            None => fields.push((name.clone(), value.get().to_owned())),
            Some((_, change)) if is_null(change) => {}
            Some((_, change)) => fields.push((name.clone(), merged(Some(value), change))),
        }
    }
    for (name, change) in &changes {
        if !is_null(change) && target.iter().all(|(known, _)| known != name) {
            fields.push((name.clone(), merged(None, change)));
        }
    }
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The fields of an object in their order; none of what is no object.
fn object(value: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    let fields: Option<InOrder<'_>> = serde_json::from_str(value.get()).ok();
    fields.map(|fields| fields.0)
}

struct InOrder<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for InOrder<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = InOrder<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(InOrder(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(text: &str, patch: &str) -> String {
        let patch = Patch::read(patch).expect("a patch");
        patch.apply(text).expect("an object")
    }

    #[test]
    fn the_examples_of_the_standard_come_out_as_it_says() {
        for (text, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r"{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r"{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(patched(text, patch), result, "{text} {patch}");
        }
    }

    #[test]
    fn what_is_not_named_keeps_its_place_and_every_digit() {
        let text = r#"{ "command": {"price": 19.90, "big":123456789012345678901234567890.10, "who":7, "e":1e-2}, "id":"\u00e4"}"#;
        assert_eq!(
            patched(text, r#"{"command":{"who":"7","more":2.50}}"#),
            r#"{"command":{"price":19.90,"big":123456789012345678901234567890.10,"who":"7","e":1e-2,"more":2.50},"id":"\u00e4"}"#
        );
    }

    #[test]
    fn what_is_no_patch_and_what_cannot_be_patched_is_told() {
        for (patch, why) in [
            ("[1]", "no JSON object"),
            ("{", "not JSON"),
            (r#"{"a":{"b":1,"b":2}}"#, "\"b\" comes twice"),
        ] {
            let refused = Patch::read(patch).expect_err(patch);
            assert!(refused.contains(why), "{refused}");
        }
        let patch = Patch::read("{}").expect("a patch");
        for text in ["", "no json", "[1]", "\"a\""] {
            assert!(patch.apply(text).is_err(), "{text}");
        }
    }
}
