//! All the ways in which a message can be wrong, by the shape of the messages of its queue, and what its function
//! has to make of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bundle::{Function, Trigger};
use eventsourcing::{Shape, Wrong};
use local::StackOptions;
use serde_json::{Value, json};

use crate::running::Letter;
use crate::sampled::alone;

/// How long a message may take on the paused clock, on which no call takes any time, to count as handled
/// at once: less than the shortest delay of a retry, beside the time that its queue gathers a batch.
pub const AT_ONCE: Duration = Duration::from_millis(900);

/// A body that no function can understand, and what the refusal has to speak of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Malformed {
    /// The body.
    pub body: String,
    /// A part of the text that says what is wrong: the field by its path, in backticks.
    pub names: String,
}

/// Everything that can be wrong with a message of one of these shapes: with its fields on every level, and with the
/// whole, made from the body `right`, whose fields are in `content`: `command` or `event`.
pub fn all_malformed(right: &str, shapes: &[Shape], content: &str) -> BTreeSet<Malformed> {
    let right: Value = serde_json::from_str(right).expect("a sample is JSON");
    let mut all = BTreeSet::from([Malformed {
        body: format!("\u{feff}{right}"),
        names: "begins with a byte order mark".to_owned(),
    }]);
    all.extend(no_message(content));
    all.extend(doubled(&right, content));
    all.extend(shapes.iter().flat_map(Shape::wrong).map(malformed));
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

/// Sends all that is malformed to the function's queue in batches, each around a sample, which the function took
/// before and takes again. Panics unless all else goes to the dead-letter queue at once; answers how many there
/// were.
pub async fn refuses_all(options: &StackOptions, function: &Function) -> usize {
    let (bundle, sample) = alone(options, function).await;
    let queue = function.name.as_str();
    let shapes = function.shapes();
    assert!(!shapes.is_empty(), "the messages of {queue} have a shape");
    let malformed: Vec<_> = all_malformed(&sample, &shapes, content_of(function))
        .into_iter()
        .collect();
    let commits = bundle.commits().await.len();
    let began = bundle.age();
    let at_once = AT_ONCE + function.batching.window;
    for nine in malformed.chunks(9) {
        let mut batch: Vec<_> = nine.iter().map(|malformed| malformed.body.clone()).collect();
        batch.insert(batch.len() / 2, sample.clone());
        bundle.send_batch(queue, &batch).await;
    }
    bundle.settle().await;
    let letters = bundle.take_letters(queue).await;
    let mut expected: BTreeMap<_, _> = malformed
        .iter()
        .map(|malformed| (malformed.body.as_str(), malformed))
        .collect();
    let count = expected.len();
    for letter in &letters {
        let malformed = expected.remove(letter.body.as_str());
        let malformed = malformed.unwrap_or_else(|| panic!("nobody sent {} to {queue}", letter.body));
        assert_refused(letter, "malformed", &malformed.names);
        let after = letter.sent.saturating_sub(began);
        assert!(after < at_once, "it took {after:?}");
    }
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        [&""; 0],
        "{queue} did not refuse them"
    );
    assert_eq!(
        bundle.commits().await.len(),
        commits,
        "{queue} appended something"
    );
    count
}

/// The field of the envelope that holds the fields of a function's messages.
fn content_of(function: &Function) -> &'static str {
    match function.trigger {
        Trigger::Events(_) => "event",
        _ => "command",
    }
}

/// Sends a message of a version that this code does not know; panics unless it is in the dead-letter queue and
/// says its version.
pub async fn is_refused_from_the_future(options: &StackOptions, function: &Function) {
    let (bundle, sample) = alone(options, function).await;
    let queue = &function.name;
    let mut message: Value = serde_json::from_str(&sample).expect("a sample is JSON");
    message["schema_version"] = json!(7);
    bundle.send(queue, &message.to_string()).await;
    bundle.settle().await;
    let letters = bundle.take_letters(queue).await;
    assert_eq!(letters.len(), 1, "{queue}");
    assert_eq!(letters[0].attribute("error_code"), "malformed");
    let error = letters[0].attribute("error");
    assert!(
        error.contains("it has schema version 7, and this version reads 1 to 1"),
        "{error}"
    );
    assert_eq!(letters[0].body, message.to_string());
}

/// Checks that the letter says why it is there, in the attributes of the contract and no others.
#[track_caller]
pub fn assert_refused(letter: &Letter, code: &str, names: &str) {
    let attributes: Vec<_> = letter.attributes.keys().map(String::as_str).collect();
    assert_eq!(
        attributes,
        ["error", "error_code", "function"],
        "{} from {}",
        letter.body,
        letter.queue
    );
    assert_eq!(
        letter.attribute("error_code"),
        code,
        "{}: {}",
        letter.queue,
        letter.attribute("error")
    );
    assert_eq!(letter.attribute("function"), letter.queue);
    let error = letter.attribute("error");
    assert!(
        error.contains(names),
        "{:?} does not speak of {names}; the body is {}",
        error,
        letter.body
    );
}
