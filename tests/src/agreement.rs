//! Whether the schema of a message and its reader agree: whatever one refuses, the other refuses, but for what JSON
//! Schema can't say.

use std::collections::BTreeMap;

use bundle::Bundle;
use catalogue::Message;
use eventsourcing::Malformed;
use serde_json::{Value, json};

use crate::malformed::all_malformed;
use crate::nonsense::Nonsense;

/// Something that JSON Schema can't say, and whether it is that for which a reader refuses a body.
type Limit = (&'static str, fn(&Malformed, &str) -> bool);

/// What JSON Schema can't say, so that a schema takes what the reader refuses.
const LIMITS: [Limit; 5] = [
    ("how deep JSON is nested", |fault, _| {
        matches!(fault, Malformed::TooDeep)
    }),
    ("that a name comes once in an object", |fault, _| {
        fault.to_string().contains("is given twice")
    }),
    // It can say that a number is a multiple of 0.01, but validators that reckon with binary fractions read it wrong.
    ("how many decimals a number has", |fault, _| {
        let fault = fault.to_string();
        fault.contains("holds a number; expected a number") && fault.ends_with(" decimals")
    }),
    // 2.0 is an integer to JSON Schema, and 2 to whoever reads its value.
    ("how a whole number is written", |fault, _| {
        fault
            .to_string()
            .contains("holds a number; expected a whole number")
    }),
    ("which minutes have a leap second", |fault, body| {
        fault.to_string().contains("expected an RFC 3339 timestamp") && body.contains(":60")
    }),
];

/// A body, and what its reader and its schema make of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The type of message that it was read as.
    pub message: &'static str,
    /// The body.
    pub body: String,
    /// Why the reader refuses it, if it does.
    pub refused: Option<String>,
    /// What of that JSON Schema can't say, if it is such a thing.
    pub limit: Option<&'static str>,
    /// Whether the schema takes it; none if no parser of JSON can read it.
    pub valid: Option<bool>,
}

impl Judged {
    /// Whether one takes it and the other refuses it, for no reason that is known.
    pub fn is_disagreement(&self) -> bool {
        match self.valid {
            // No parser, no message.
            None => false,
            Some(valid) if valid == self.refused.is_none() => false,
            Some(valid) => !(valid && self.limit.is_some()),
        }
    }

    /// A line for another judge.
    pub fn line(&self) -> Value {
        let mut line = json!({
            "type": self.message,
            "body": self.body,
            "accepted": self.refused.is_none(),
        });
        if let Some(limit) = self.limit {
            line["limit"] = limit.into();
        }
        line
    }
}

/// Has all messages of a bundle judged by reader and schema: samples, the values at the edges of each field, all that
/// can be wrong, and so many bodies of nonsense each, by the seed.
pub fn judged(bundle: &Bundle, nonsense: usize, seed: u64) -> Vec<Judged> {
    let messages = Message::all(bundle);
    let all = messages.iter().flat_map(|message| {
        let schema: Value = serde_json::from_str(&catalogue::schema(message)).expect("a schema is JSON");
        let schema = jsonschema::draft202012::new(&schema).expect("it is a schema");
        let bodies = bodies(message, nonsense, seed);
        let judge = |body: String| {
            let refused = message.read(&body).err();
            let parsed = serde_json::from_str::<Value>(&body).ok();
            Judged {
                message: message.name(),
                limit: refused.as_ref().and_then(|fault| limit(fault, &body)),
                refused: refused.map(|fault| fault.to_string()),
                valid: parsed.map(|parsed| schema.is_valid(&parsed)),
                body,
            }
        };
        bodies.into_iter().map(judge).collect::<Vec<_>>()
    });
    all.collect()
}

fn limit(fault: &Malformed, body: &str) -> Option<&'static str> {
    let mut limits = LIMITS.iter();
    limits.find(|(_, is)| is(fault, body)).map(|(limit, _)| *limit)
}

/// How many bodies each limit explains.
pub fn explained(judged: &[Judged]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for one in judged.iter().filter(|one| one.valid == Some(true)) {
        if let Some(limit) = one.limit {
            *counts.entry(limit).or_default() += 1;
        }
    }
    counts
}

fn bodies(message: &Message<'_>, nonsense: usize, seed: u64) -> Vec<String> {
    let content = if message.is_command() { "command" } else { "event" };
    let shape = [message.shape.clone()];
    let right = message.examples.first().cloned();
    let right = right.unwrap_or_else(|| message.shape.samples()[0].clone());
    let mut bodies = message.examples.clone();
    bodies.extend(message.shape.samples());
    let malformed = all_malformed(&right, &shape, content).into_iter();
    bodies.extend(malformed.map(|malformed| malformed.body));
    bodies.extend(without_each(&right, content));
    let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
    bodies.push(right.replacen('{', &format!("{{\"deep\":{deep},"), 1));
    bodies.extend(otherwise(&message.shape.samples()[0]));
    let wrong = message.shape.wrong().into_iter().map(|wrong| wrong.json);
    let by_shape: Vec<_> = message.shape.samples().into_iter().chain(wrong).collect();
    let mut made = Nonsense::by_seed(seed);
    bodies.extend((0..nonsense).map(|_| made.message(&right, &by_shape)));
    bodies
}

/// Times and amounts as some write them and others don't, right ones and wrong ones.
const TIMES: [&str; 30] = [
    "2028-02-29T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-12-31T23:59:59.999999999Z",
    "2026-12-31T23:59:59.9Z",
    "2026-12-31T23:59:59.9999999999999Z",
    "2026-12-31T23:59:59.Z",
    "2026-12-31T23:59:60Z",
    "2026-12-30T23:59:60Z",
    "2026-12-31T24:00:00Z",
    "2026-12-31T23:60:00Z",
    "2026-12-31t23:59:59z",
    "2026-12-31 23:59:59Z",
    "2026-12-31_23:59:59Z",
    "2026-12-31T23:59:59",
    "2026-12-31T23:59Z",
    "2026-12-31T23:59:59+00:00",
    "2026-12-31T23:59:59-00:00",
    "2026-12-31T23:59:59+23:59",
    "2026-12-31T23:59:59+24:00",
    "2026-12-31T23:59:59+1:00",
    "2026-12-31T23:59:59+0100",
    "2026-12-31T23:59:59+01:60",
    "0000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "+12026-01-01T00:00:00Z",
    " 2026-12-31T23:59:59Z",
];
const AMOUNTS: [&str; 16] = [
    "19.980",
    "1998e-2",
    "1.998E1",
    "0.000",
    "-0",
    "-0.00",
    "0e400",
    "-0e-400",
    "0.07",
    "0.29",
    "1.005",
    "999999999.99",
    "999999999.994",
    "1e9",
    "9.9999999999e8",
    "1e-2",
];

/// The message with one of its times or amounts written otherwise.
fn otherwise(typical: &str) -> Vec<String> {
    let times = TIMES
        .iter()
        .map(|time| typical.replacen("2026-11-23T08:15:00.000Z", time, 1));
    let amounts = AMOUNTS
        .iter()
        .map(|amount| typical.replacen(":19.98", &format!(":{amount}"), 1));
    let offsets = (0..=99).map(|hours| typical.replacen("15:00.000Z", &format!("15:00+{hours:02}:30"), 1));
    let changed = times.chain(amounts).chain(offsets);
    changed.filter(|body| body != typical).collect()
}

/// The message without one of its fields, and with `null` in its place, on the two levels that all have.
fn without_each(right: &str, content: &str) -> Vec<String> {
    let right: Value = serde_json::from_str(right).expect("a sample is JSON");
    let names = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    let around = names(&right).into_iter().map(|name| vec![name]);
    let inside = names(&right[content])
        .into_iter()
        .map(|name| vec![content.to_owned(), name]);
    let paths = around.chain(inside);
    let changed = paths.flat_map(|path| {
        let (mut absent, mut null) = (right.clone(), right.clone());
        let (last, outer) = path.split_last().expect("a path has a name");
        let of = |value: &mut Value, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let object = outer.iter().fold(value, |value, name| &mut value[name]);
            change(object.as_object_mut().expect("it is an object"));
        };
        of(&mut absent, &|object| drop(object.remove(last)));
        of(&mut null, &|object| {
            drop(object.insert(last.clone(), Value::Null));
        });
        [absent.to_string(), null.to_string()]
    });
    changed.collect()
}
