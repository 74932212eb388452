//! Nonsense by a seed: arbitrary text and JSON, and messages that were right until something was done to
//! them.

use std::ops::Range;

use serde_json::{Map, Value, json};

/// Stands in whatever is made up for a payload, and in no log line. It can be no id of a business object,
/// since those may be logged.
pub const SECRET: &str = "hush!";

/// Numbers as no writer of JSON should write them, or as only some do.
const NUMBERS: [&str; 24] = [
    "1e400",
    "-1e400",
    "1e-400",
    "-0",
    "-0.0",
    "0.1e1",
    "19.980000",
    "1E2",
    "1e+2",
    "0.001",
    "9007199254740993",
    "123456789012345678901234567890",
    "18446744073709551616",
    "-1",
    "1e0",
    "NaN",
    "Infinity",
    "00",
    ".5",
    "1.",
    "0x10",
    "1_0",
    "+1",
    "--1",
];

/// Texts within quotes as JSON may write them, some of which are no text at all.
const STRINGS: [&str; 10] = [
    r#""\u0000""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\u00""#,
    r#""\x41""#,
    "\"\u{0}\"",
    "\"a\u{1f}b\"",
    "\"\u{202e}c-1\"",
    "\"\u{feff}c-1\"",
    r#""c-1\u2028""#,
];

/// Characters that are treated unlike others somewhere between a sender and a log.
const CHARACTERS: [char; 18] = [
    '\0', '\u{7}', '\t', '\n', '\r', '\u{1b}', '"', '\\', '{', '[', '}', ']', 'ü', '\u{202e}', '\u{d7ff}',
    '\u{fffe}', '\u{ffff}', '🛒',
];

/// Makes it.
pub struct Nonsense(fastrand::Rng);

impl Nonsense {
    /// The same for the same seed.
    pub fn by_seed(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, range: Range<usize>) -> usize {
        self.0.usize(range)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.0.usize(..from.len())]
    }

    /// A body for the queue that takes `right`; at times one of those `by_shape`, or made of one.
    pub fn message(&mut self, right: &str, by_shape: &[String]) -> String {
        let place = self.below(0..4);
        if by_shape.is_empty() || place > 1 {
            return self.body(right);
        }
        let other = &by_shape[self.below(0..by_shape.len())];
        if place == 0 {
            other.clone()
        } else {
            self.body(other)
        }
    }

    /// A body that has little or nothing to do with `right`, which its queue takes.
    pub fn body(&mut self, right: &str) -> String {
        match self.below(0..100) {
            0 => self.huge(right),
            1..5 => self.text(0..400),
            5..10 => self.json(4).to_string(),
            10..14 => self.deep(right),
            14..24 => self.scratched(right),
            24..30 => self.cut(right),
            30..35 => self.doubled(right),
            _ => self.changed(right),
        }
    }

    /// Any text.
    pub fn text(&mut self, length: Range<usize>) -> String {
        let length = self.below(length);
        let mut text = String::from(SECRET);
        for _ in 0..length {
            text.push(if self.0.u8(0..3) == 0 {
                CHARACTERS[self.0.usize(..CHARACTERS.len())]
            } else {
                self.0.char('\0'..=char::MAX)
            });
        }
        text
    }

    /// Any JSON, up to so many levels.
    pub fn json(&mut self, levels: usize) -> Value {
        let most = if levels == 0 { 5 } else { 7 };
        match self.below(0..most) {
            0 => Value::Null,
            1 => self.0.bool().into(),
            2 => self.0.i64(..).into(),
            3 => json!(self.0.f64() * 1e9),
            4 => self.text(0..20).into(),
            5 => (0..self.below(0..5)).map(|_| self.json(levels - 1)).collect(),
            _ => {
                let names = ["command", "event", "type", "metadata", "S", "L", "\u{0}", ""];
                let mut object = Map::new();
                for _ in 0..self.below(0..5) {
                    object.insert(self.pick(&names).to_owned(), self.json(levels - 1));
                }
                Value::Object(object)
            }
        }
    }

    /// Lists and objects in each other, by themselves or in a field.
    fn deep(&mut self, right: &str) -> String {
        let levels = [60, 63, 64, 65, 127, 128, 129, 1_000, 100_000][self.below(0..9)];
        let (open, close) = if self.0.bool() {
            ("[", "]")
        } else {
            ("{\"a\":", "}")
        };
        let middle = if open == "[" { "" } else { "1" };
        let nested = format!("{}{middle}{}", open.repeat(levels), close.repeat(levels));
        match self.below(0..3) {
            0 => nested,
            // Never closed.
            1 => open.repeat(levels),
            _ => self.with_raw(right, &nested),
        }
    }

    /// Much of one thing, up to what a queue takes.
    fn huge(&mut self, right: &str) -> String {
        let length = [10_000, 10_001, 200_000, 1_000_000][self.below(0..4)];
        match self.below(0..3) {
            0 => SECRET.repeat(length / SECRET.len()),
            1 => self.with_raw(right, &format!("\"{}\"", SECRET.repeat(length / SECRET.len()))),
            _ => self.with_raw(right, &format!("[{}1]", "1,".repeat(length / 2))),
        }
    }

    /// With some characters replaced, put in or taken out.
    fn scratched(&mut self, right: &str) -> String {
        let mut characters: Vec<char> = right.chars().collect();
        for _ in 0..=self.below(0..4) {
            let at = self.below(0..characters.len());
            match self.below(0..3) {
                0 => characters[at] = CHARACTERS[self.0.usize(..CHARACTERS.len())],
                1 => characters.insert(at, self.0.char(' '..='~')),
                _ => drop(characters.remove(at)),
            }
        }
        characters.into_iter().collect()
    }

    fn cut(&mut self, right: &str) -> String {
        let length = right.chars().count();
        right.chars().take(self.below(0..length)).collect()
    }

    /// With a field twice, or with one more.
    fn doubled(&mut self, right: &str) -> String {
        let field = self.pick(&[
            "id",
            "type",
            "command",
            "event",
            "metadata",
            "stream_id",
            "revision",
        ]);
        let value = self.json(2);
        let rest = right.trim_end().trim_end_matches('}');
        if field == "id" {
            format!(r#"{rest},"id":"told twice"}}"#)
        } else {
            format!(r#"{rest},"{field}":{value}}}"#)
        }
    }

    /// With something else in one of its fields, on any level, or without the field.
    fn changed(&mut self, right: &str) -> String {
        let raw = match self.below(0..8) {
            0 | 1 => self.pick(&NUMBERS).to_owned(),
            2 => self.pick(&STRINGS).to_owned(),
            3 => format!("\"{}\"", "x".repeat([0, 1, 128, 129, 10_001][self.below(0..5)])),
            4 => Value::from(self.text(0..130)).to_string(),
            5 => "null".to_owned(),
            _ => self.json(3).to_string(),
        };
        self.with_raw(right, &raw)
    }

    /// The message with this text in place of one of its values. The ids of the envelope are spared if the
    /// text is a secret: whoever sends an id has it logged.
    fn with_raw(&mut self, right: &str, raw: &str) -> String {
        const HERE: &str = "the value that is replaced";
        let Ok(mut message) = serde_json::from_str::<Value>(right) else {
            return raw.to_owned();
        };
        let mut place = &mut message;
        let mut of_envelope = false;
        loop {
            let size = match place {
                Value::Object(fields) => fields.len(),
                Value::Array(entries) => entries.len(),
                _ => 0,
            };
            if size == 0 || self.below(0..5) == 0 {
                break;
            }
            let chosen = self.below(0..size);
            place = match place {
                Value::Object(fields) => {
                    let (name, value) = fields.iter_mut().nth(chosen).expect("there are so many");
                    of_envelope |= name == "id" || name == "metadata";
                    value
                }
                Value::Array(entries) => &mut entries[chosen],
                _ => unreachable!("it has no entries"),
            };
        }
        if of_envelope && raw.contains(SECRET) {
            return right.replace("\"id\"", "\"no id\"");
        }
        *place = HERE.into();
        message.to_string().replace(&format!("\"{HERE}\""), raw)
    }

    /// A stream record whose image or keys are not what a commit's are.
    pub fn record(&mut self, right: &Value) -> Value {
        let mut record = right.clone();
        let image = &mut record["dynamodb"]["NewImage"];
        match self.below(0..5) {
            0 => {
                let names = ["last_revision", "commit_id", "committed_at", "events"];
                let name = self.pick(&names);
                image[name] = self.attribute(2);
            }
            1 => {
                let names = [
                    "event_id",
                    "event_type",
                    "schema_version",
                    "correlation_id",
                    "causation_id",
                    "data",
                ];
                let name = self.pick(&names);
                let mut attribute = self.attribute(2);
                if name.ends_with("_id") {
                    // Ids are logged, whoever made them.
                    let text = attribute.to_string().replace(SECRET, "odd");
                    attribute = serde_json::from_str(&text).expect("it was just written");
                }
                image["events"]["L"][0]["M"][name] = attribute;
            }
            2 => {
                let data = image["events"]["L"][0]["M"]["data"]["S"]
                    .as_str()
                    .unwrap_or_default();
                let data = self.body(data);
                image["events"]["L"][0]["M"]["data"]["S"] = data.into();
            }
            3 => {
                let names = ["last_revision", "commit_id", "committed_at", "events"];
                let name = self.pick(&names);
                image.as_object_mut().expect("an image is an object").remove(name);
            }
            _ => image["events"]["L"] = json!([]),
        }
        record
    }

    /// Any attribute of `DynamoDB`, as a stream's record holds it.
    fn attribute(&mut self, levels: usize) -> Value {
        match self.below(0..if levels == 0 { 7 } else { 9 }) {
            0 => json!({ "S": self.text(0..30) }),
            1 => json!({ "N": "1" }),
            2 => json!({ "N": "-12345678901234567890123456789012345678" }),
            3 => json!({ "B": "aHVzaCE=" }),
            4 => json!({ "BOOL": true }),
            5 => json!({ "NULL": true }),
            6 => json!({ "SS": [self.text(0..9)] }),
            7 => json!({ "L": [self.attribute(levels - 1)] }),
            _ => json!({ "M": { "data": self.attribute(levels - 1) } }),
        }
    }
}
