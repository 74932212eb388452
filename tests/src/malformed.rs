//! All the ways in which a message can be wrong, by the shape of the messages of its queue.

use std::collections::BTreeSet;

use eventsourcing::{Shape, Wrong};
use serde_json::Value;

/// A body that no function can understand, and what the refusal has to speak of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Malformed {
    /// The body.
    pub body: String,
    /// A part of the text that says what is wrong: the field by its path, in backticks.
    pub names: String,
}

/// Everything that can be wrong with a message of that shape: with its fields on every level, and with the
/// whole, made from the body `right`, whose fields are in `content`: `command` or `event`.
pub fn all_malformed(right: &str, shape: &Shape, content: &str) -> BTreeSet<Malformed> {
    let right: Value = serde_json::from_str(right).expect("a sample is JSON");
    let mut all = BTreeSet::from([Malformed {
        body: format!("\u{feff}{right}"),
        names: "begins with a byte order mark".to_owned(),
    }]);
    all.extend(no_message(content));
    all.extend(doubled(&right, content));
    all.extend(shape.wrong().into_iter().map(malformed));
    all
}

fn malformed(Wrong { json, error }: Wrong) -> Malformed {
    let names = match error.path() {
        // A number that is no version is told as what it is.
        "schema_version" => "version".to_owned(),
        path => format!("`{path}`"),
    };
    Malformed { body: json, names }
}

/// Bodies that are no object, or one that is nested too deep to be read.
fn no_message(content: &str) -> Vec<Malformed> {
    let open = "[".repeat(64);
    let deep = format!(r#"{{"{content}":{{}},"extra":{open}{}}}"#, open.replace('[', "]"));
    let no_object = [
        "no JSON",
        "{",
        "[]",
        "7",
        "null",
        r#""text""#,
        r#"{"a":1} {"b":2}"#,
    ];
    let no_object = no_object.map(|body| (body.to_owned(), "the body is not a JSON object"));
    let deep = [(deep, "nested deeper than 64")];
    let all = no_object.into_iter().chain(deep);
    all.map(|(body, names)| Malformed {
        body,
        names: names.to_owned(),
    })
    .collect()
}

/// A name twice in one object, on every level and however it is spelt, with the value that it has or another.
fn doubled(right: &Value, content: &str) -> Vec<Malformed> {
    let body = right.to_string();
    let inside = format!(r#""{content}":{{"#);
    let in_content = |fields: &str| body.replacen(&inside, &format!("{inside}{fields}"), 1);
    let in_envelope = |fields: &str| format!("{{{fields},{}", &body[1..]);
    let mut all = vec![
        (in_envelope(r#""id":"one","id":"another""#), "id".to_owned()),
        (in_envelope(r#""type":null,"type":null"#), "type".to_owned()),
        (
            in_envelope(r#""metadata":{},"metad\u0061ta":{}"#),
            "metadata".to_owned(),
        ),
        (in_envelope(&format!("{inside}}}")), content.to_owned()),
        (
            in_envelope(r#""n":{"a":[1,{"b":1,"b":1}]}"#),
            "n.a[1].b".to_owned(),
        ),
        (
            in_content(r#""unknown":{"a":null,"\u0061":null},"#),
            format!("{content}.unknown.a"),
        ),
    ];
    for (name, value) in right[content].as_object().into_iter().flatten() {
        let path = format!("{content}.{name}");
        all.push((in_content(&format!("\"{name}\":{value},")), path.clone()));
        all.push((
            in_content(&format!("\"{}\":null,", spelt_with_escapes(name))),
            path,
        ));
    }
    let all = all.into_iter();
    all.map(|(body, path)| Malformed {
        body,
        names: format!("field `{path}` is given twice"),
    })
    .collect()
}

fn spelt_with_escapes(name: &str) -> String {
    let escapes: Vec<_> = name
        .chars()
        .map(|character| format!("\\u{:04x}", u32::from(character)))
        .collect();
    escapes.concat()
}
