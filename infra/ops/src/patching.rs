//! A JSON merge patch of a message's text: what the patch does not name stays as it was written, digit by digit.
//!
//! Crates that merge JSON work on parsed values, in which an amount may lose digits and a name its place. So what is
//! merged here are texts.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc7396#section-2>

use eventsourcing::WrittenField;
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
    let Some(fields) = WrittenField::all(patch.get()) else {
        return Ok(());
    };
    for (place, field) in fields.iter().enumerate() {
        if fields[..place].iter().any(|other| other.name == field.name) {
            return Err(format!("field {:?} comes twice", field.name));
        }
        check(field.value)?;
    }
    Ok(())
}

fn merged(target: Option<&RawValue>, patch: &RawValue) -> String {
    let Some(changes) = WrittenField::all(patch.get()) else {
        return patch.get().to_owned();
    };
    let mut fields: Vec<String> = Vec::new();
    let mut put = |field: &WrittenField<'_>, value: &str| fields.push(format!("{}:{value}", field.written));
    let target = target
        .and_then(|target| WrittenField::all(target.get()))
        .unwrap_or_default();
    for field in &target {
        match changes.iter().find(|change| change.name == field.name) {
            None => put(field, field.value.get()),
            Some(change) if is_null(change.value) => {}
            Some(change) => put(field, &merged(Some(field.value), change.value)),
        }
    }
    for change in &changes {
        if !is_null(change.value) && target.iter().all(|known| known.name != change.name) {
            put(change, &merged(None, change.value));
        }
    }
    format!("{{{}}}", fields.join(","))
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
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
    fn a_name_that_no_text_can_hold_is_kept_as_it_is_written_with_all_that_stands_beside_it() {
        let text = r#"{"id":"l-1","\ud800":1,"command":{"who":7,"w\u00e9":[2.50]}}"#;
        assert_eq!(
            patched(text, r#"{"command":{"who":"7"}}"#),
            r#"{"id":"l-1","\ud800":1,"command":{"who":"7","w\u00e9":[2.50]}}"#
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
