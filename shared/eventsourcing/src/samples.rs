//! Samples and wrong values of a form: for tests, which so cover every field of every message without
//! naming it, and for whoever describes a message to others.
//!
//! Samples are JSON as it is written here, so that what is read and written again is the same text.

use crate::form::{self, Characters, DecimalForm, Field, FieldForm, Shape, TextForm};
use crate::{FieldError, StreamId};

/// JSON that a reader refuses, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The whole value.
    pub json: String,
    /// The refusal, with the path of what is wrong in it.
    pub error: FieldError,
}

impl Shape {
    /// The fields of such a message: a typical one first; then one with as little as there may be, and one
    /// for each sample of each field.
    pub fn samples(&self) -> Vec<String> {
        objects(&self.fields)
    }

    /// The fields of such a message with one thing wrong.
    pub fn wrong(&self) -> Vec<Wrong> {
        wrong_objects(&self.fields)
    }
}

impl FieldForm {
    /// A value as it is met every day.
    pub fn typical(&self) -> String {
        match self {
            Self::Text(text) => text.typical(),
            Self::Decimal(number) => number.typical(),
            Self::Whole { least, most } => 2.clamp(*least, *most).to_string(),
            Self::Timestamp => quoted("2026-11-23T08:15:00.000Z"),
            Self::StreamName => quoted("stream-1"),
            Self::OneOf(words) => quoted(words.first().unwrap_or(&"")),
            Self::List { of, least, most } => {
                list(&of.typical(), 2.clamp(*least, most.unwrap_or(usize::MAX)))
            }
            Self::Object { fields, .. } => object(fields, |field| Some(field.form.typical())),
        }
    }

    /// Values that are right: a typical one first, then those at the edges, and odd ones.
    pub fn samples(&self) -> Vec<String> {
        let others = match self {
            Self::Text(text) => text.edges(),
            Self::Decimal(number) => [number.least, number.least + 1, number.most]
                .map(|units| number.written(units))
                .to_vec(),
            Self::Whole { least, most } => vec![least.to_string(), most.to_string()],
            Self::Timestamp => ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"]
                .map(quoted)
                .to_vec(),
            Self::StreamName => vec![
                quoted("a-1"),
                quoted(&format!("a-{}", "-".repeat(StreamId::MAX_CHARS - 2))),
            ],
            Self::OneOf(words) => words.iter().map(|word| quoted(word)).collect(),
            Self::List { of, least, most } => {
                let sizes = [*least, most.unwrap_or(*least)];
                let sizes = sizes.map(|size| list(&of.typical(), size));
                let entries = of.samples().into_iter();
                let entries = entries.map(|entry| list(&entry, 1.max(*least)));
                sizes.into_iter().chain(entries).collect()
            }
            Self::Object { fields, .. } => objects(fields),
        };
        let mut samples = vec![self.typical()];
        samples.extend(others);
        without_repeats(samples)
    }

    /// Values that are wrong: of other types, too small, too large, and with something wrong in them.
    pub fn wrong(&self) -> Vec<Wrong> {
        let of_other_types = OF_ALL_TYPES.iter().filter(|raw| self.is_of_another_type(raw));
        let expected = match self {
            // What is no list is told what its entries are.
            Self::List { of, .. } => format!("a list, each entry {of}"),
            _ => self.to_string(),
        };
        let of_other_types = of_other_types.map(|raw| (*raw).to_owned());
        let of_other_types = of_other_types.map(|raw| Wrong::value(raw, expected.clone()));
        let of_this_type = self.out_of_range().into_iter();
        let of_this_type = of_this_type.map(|raw| Wrong::value(raw, self.to_string()));
        let mut all: Vec<_> = of_other_types.chain(of_this_type).collect();
        all.extend(self.wrong_inside());
        all
    }

    /// Whether the JSON is of another type than it takes.
    fn is_of_another_type(&self, raw: &str) -> bool {
        match self {
            Self::Decimal(_) | Self::Whole { .. } => !raw.starts_with(|first: char| first.is_ascii_digit()),
            Self::Text(_) | Self::Timestamp | Self::StreamName | Self::OneOf(_) => !raw.starts_with('"'),
            Self::List { .. } => !raw.starts_with('['),
            Self::Object { .. } => !raw.starts_with('{'),
        }
    }

    /// Values of its own type that it does not take.
    fn out_of_range(&self) -> Vec<String> {
        let listed = |texts: &[&str]| texts.iter().map(|text| quoted(text)).collect();
        match self {
            Self::Text(text) => text.out_of_range(),
            Self::Decimal(number) => number.out_of_range(),
            Self::Whole { least, most } => {
                let around = [i128::from(*least) - 1, i128::from(*most) + 1, -1];
                let around = around.map(|number| number.to_string()).into_iter();
                let spelt = ["1.5", "2.0", "1e2"].map(str::to_owned);
                without_repeats(around.chain(spelt).collect())
            }
            Self::Timestamp => listed(&[
                "",
                "noon",
                "2026-11-23",
                "2026-11-23T08:15:00",
                "2026-13-23T08:15:00Z",
            ]),
            Self::StreamName => listed(&["", "nodash", "-1", "a-", "a-b c", "a-ü", &"a-".repeat(81)]),
            Self::OneOf(words) => {
                let capitals = words.iter().map(|word| word.to_uppercase());
                let spaced = words.iter().map(|word| format!("{word} "));
                let texts = ["", "<secret>"].map(str::to_owned);
                let texts = texts.into_iter().chain(capitals).chain(spaced);
                let texts = texts.filter(|text| !words.contains(&text.as_str()));
                texts.map(|text| quoted(&text)).collect()
            }
            Self::List { of, least, most } => {
                let sizes = [least.checked_sub(1), most.map(|most| most + 1)];
                sizes
                    .into_iter()
                    .flatten()
                    .map(|size| list(&of.typical(), size))
                    .collect()
            }
            Self::Object { .. } => vec![],
        }
    }

    /// Values in which something else is wrong.
    fn wrong_inside(&self) -> Vec<Wrong> {
        match self {
            Self::List { of, most, .. } => {
                // Behind a right one, so that the place counts, if there is room.
                let before = if *most == Some(1) {
                    vec![]
                } else {
                    vec![of.typical()]
                };
                let null = Wrong::value("null".to_owned(), of.to_string());
                let wrong = of.wrong().into_iter().chain([null]);
                let wrong = wrong.map(|Wrong { json, error }| {
                    let entries = [before.clone(), vec![json]].concat();
                    Wrong {
                        json: format!("[{}]", entries.join(",")),
                        error: error.within(&format!("[{}]", before.len())),
                    }
                });
                wrong.collect()
            }
            Self::Object { fields, .. } => wrong_objects(fields),
            _ => vec![],
        }
    }
}

/// One JSON text of each type.
const OF_ALL_TYPES: [&str; 5] = [
    "4711",
    "true",
    r#""<secret>""#,
    r#"{"secret":1}"#,
    r#"["secret"]"#,
];

impl Wrong {
    fn value(json: String, expected: String) -> Self {
        let error = FieldError::wrong(&json, expected);
        Self { json, error }
    }
}

impl TextForm {
    fn typical(self) -> String {
        let words = match self.characters {
            Characters::Any | Characters::NoControls => "some words",
            Characters::Id => "aZ09._~:-",
        };
        let most = self.most.unwrap_or(usize::MAX);
        let padded = words.chars().chain(std::iter::repeat('x'));
        let length = words.len().clamp(self.least, most);
        quoted(&padded.take(length).collect::<String>())
    }

    fn edges(self) -> Vec<String> {
        let lengths = [self.least, self.most.unwrap_or(self.least)];
        let mut edges = lengths.map(|length| quoted(&"x".repeat(length))).to_vec();
        let odd = self.odd_characters();
        edges.extend(
            odd.iter()
                .filter(|_| self.most.is_none_or(|most| most >= 3))
                .map(|odd| quoted(&format!("a{odd}b"))),
        );
        let longest = odd
            .first()
            .map(|odd| quoted(&odd.to_string().repeat(self.most.unwrap_or(1))));
        edges.extend(longest);
        edges
    }

    /// Characters that it takes and that somebody may treat unlike others.
    fn odd_characters(self) -> Vec<char> {
        let odd = [
            'ü', '🛒', '\u{2028}', '\u{fffe}', '\u{0}', '\n', '\u{7f}', '"', '\\',
        ];
        odd.into_iter()
            .filter(|odd| self.characters.allow(*odd))
            .collect()
    }

    fn out_of_range(self) -> Vec<String> {
        let short = self.least.checked_sub(1);
        let long = self.most.map(|most| most + 1);
        let lengths = short.into_iter().chain(long).map(|length| "x".repeat(length));
        let odd: &[&str] = match self.characters {
            Characters::Any => &[],
            Characters::NoControls => &["a\u{0}", "a\n", "a\u{7}b", "\u{7f}"],
            Characters::Id => &["a b", "a/b", "ünï", "a\n", "a\u{0}", "🛒", "<secret>"],
        };
        let odd = odd.iter().map(|odd| (*odd).to_owned());
        lengths.chain(odd).map(|text| quoted(&text)).collect()
    }
}

impl DecimalForm {
    fn typical(self) -> String {
        self.written(1_998.clamp(self.least, self.most))
    }

    fn out_of_range(self) -> Vec<String> {
        // One decimal more than it may have, just within the edges.
        let finer = |units: i64| form::scaled(units, self.decimals + 1);
        vec![
            self.written(self.least.saturating_sub(1)),
            self.written(self.most.saturating_add(1)),
            finer(self.least.saturating_mul(10).saturating_add(1)),
            finer(self.most.saturating_mul(10).saturating_sub(1)),
            "1e400".to_owned(),
            "-1e400".to_owned(),
            "1e-34".to_owned(),
        ]
    }
}

/// An object with the values that are said for its fields.
fn object(fields: &[Field], value: impl Fn(&Field) -> Option<String>) -> String {
    let fields = fields
        .iter()
        .filter_map(|field| Some(format!("{}:{}", quoted(field.name), value(field)?)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// A typical one in which one field is another.
fn object_with(fields: &[Field], name: &str, changed: Option<&str>) -> String {
    object(fields, |field| {
        if field.name == name {
            changed.map(str::to_owned)
        } else {
            Some(field.form.typical())
        }
    })
}

fn objects(fields: &[Field]) -> Vec<String> {
    let typical = object(fields, |field| Some(field.form.typical()));
    let least = object(fields, |field| field.required.then(|| field.form.typical()));
    let mut all = vec![typical, least];
    for field in fields {
        let samples = field.form.samples();
        all.extend(
            samples
                .iter()
                .map(|sample| object_with(fields, field.name, Some(sample))),
        );
    }
    without_repeats(all)
}

fn wrong_objects(fields: &[Field]) -> Vec<Wrong> {
    let mut all = Vec::new();
    for field in fields {
        if field.required {
            let absent = [None, Some("null")];
            all.extend(absent.map(|absent| Wrong {
                json: object_with(fields, field.name, absent),
                error: FieldError::missing(field.name, field.form.to_string()),
            }));
        }
        let wrong = field.form.wrong().into_iter();
        all.extend(wrong.map(|Wrong { json, error }| Wrong {
            json: object_with(fields, field.name, Some(&json)),
            error: error.within(field.name),
        }));
    }
    all
}

fn list(entry: &str, size: usize) -> String {
    format!("[{}]", vec![entry; size].join(","))
}

/// The text as it is written here.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn without_repeats(texts: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts
        .into_iter()
        .filter(|text| seen.insert(text.clone()))
        .collect()
}

/// Asserts that a value's form and its reader say the same: each sample is read and written again as it was,
/// and each wrong value is refused in the words that the form has for it.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_form_is_what_is_read<T: crate::FieldValue + serde::Serialize>() {
    for sample in T::form().samples() {
        let value = T::read(&sample).unwrap_or_else(|error| panic!("{sample}: {error}"));
        let written = serde_json::to_string(&value).expect("a value is JSON");
        assert_eq!(written, sample);
        assert_eq!(T::review(&sample), crate::Review::default(), "{sample}");
    }
    for Wrong { json, error } in T::form().wrong() {
        assert_eq!(T::read(&json).err().as_ref(), Some(&error), "{json}");
        assert_eq!(T::review(&json).faults, [error], "{json}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Text, Timestamp};

    crate::ids! {
        /// A book.
        BookId,
    }

    crate::words! {
        /// How a book travels.
        pub enum Route {
            /// In the air.
            Air = "air",
            /// On the ground.
            Ground = "ground",
        }
    }

    crate::object! {
        /// What is packed.
        pub struct Content {
            /// Which book.
            pub book_id: BookId,
            /// How it travels; it does not matter if nothing is said.
            /// Not there in old ones.
            pub route: Option<Route>,
            /// How often it was weighed.
            pub weights: Vec<u64>,
        }
    }

    crate::message! {
        /// Books are packed.
        pub struct BooksPacked {
            /// What is in it.
            pub contents: Vec<Content>,
            /// What is written on it.
            pub label: Option<Text>,
            /// When.
            pub packed_at: Timestamp,
        }
    }

    #[test]
    fn the_form_of_every_value_is_what_its_reader_reads() {
        assert_form_is_what_is_read::<String>();
        assert_form_is_what_is_read::<u64>();
        assert_form_is_what_is_read::<Text>();
        assert_form_is_what_is_read::<Timestamp>();
        assert_form_is_what_is_read::<Option<u64>>();
        assert_form_is_what_is_read::<Vec<String>>();
        assert_form_is_what_is_read::<Vec<Vec<u64>>>();
        assert_form_is_what_is_read::<BookId>();
        assert_form_is_what_is_read::<Route>();
        assert_form_is_what_is_read::<Content>();
        assert_form_is_what_is_read::<Vec<Content>>();
    }

    #[test]
    fn ids_and_words_are_texts() {
        let id: BookId = "p-1".parse().expect("it has the form of an id");
        assert_eq!((id.as_str(), id.to_string().as_str()), ("p-1", "p-1"));
        assert_eq!("p 1".parse::<BookId>(), Err(crate::InvalidId));
        assert_eq!(Route::ALL.map(Route::word), ["air", "ground"]);
    }

    #[test]
    fn a_streams_name_is_read_by_its_form() {
        use crate::FieldValue;
        for sample in FieldForm::StreamName.samples() {
            assert!(StreamId::read(&sample).is_ok(), "{sample}");
        }
        for Wrong { json, error } in FieldForm::StreamName.wrong() {
            assert_eq!(StreamId::read(&json), Err(error), "{json}");
        }
    }

    #[test]
    fn a_shape_tells_what_was_declared() {
        use crate::Message;
        let shape = BooksPacked::shape();
        assert_eq!(
            (shape.message_type, shape.about, shape.schema_version),
            ("BooksPacked", "Books are packed.", 1)
        );
        let fields = shape
            .fields
            .iter()
            .map(|field| (field.name, field.about, field.required));
        assert_eq!(
            fields.collect::<Vec<_>>(),
            [
                ("contents", "What is in it.", true),
                ("label", "What is written on it.", false),
                ("packed_at", "When.", true),
            ]
        );
        let FieldForm::List { of, .. } = &shape.fields[0].form else {
            panic!("{shape:?}");
        };
        let FieldForm::Object { name, about, fields } = &**of else {
            panic!("{of:?}");
        };
        assert_eq!((*name, *about), ("Content", "What is packed."));
        assert_eq!(
            fields[1].about,
            "How it travels; it does not matter if nothing is said. Not there in old ones."
        );
    }

    #[test]
    fn every_field_on_every_level_is_missing_wrong_and_named_by_its_path() {
        use crate::Message;
        let wrong = BooksPacked::shape().wrong();
        let told = |json: &str| {
            let found = wrong.iter().find(|wrong| wrong.json == json);
            found.map(|wrong| wrong.error.to_string())
        };
        let whole = |entry: &str| {
            format!(
                "{}{entry}{}",
                r#"{"contents":[{"book_id":"aZ09._~:-","route":"air","weights":[2,2]},{"#,
                r#"}],"label":"some words","packed_at":"2026-11-23T08:15:00.000Z"}"#
            )
        };
        for (entry, error) in [
            (
                r#""route":"air","weights":[2,2]"#,
                "field `contents[1].book_id` is missing; \
                 expected a string of 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -",
            ),
            (
                r#""book_id":"aZ09._~:-","route":true,"weights":[2,2]"#,
                "field `contents[1].route` holds a boolean; expected air or ground",
            ),
            (
                r#""book_id":"aZ09._~:-","route":"air","weights":[2,-1]"#,
                "field `contents[1].weights[1]` holds a number; expected a whole number",
            ),
        ] {
            assert_eq!(told(&whole(entry)).as_deref(), Some(error));
        }
        let without_route = whole(r#""book_id":"aZ09._~:-","weights":[2,2]"#);
        assert_eq!(told(&without_route), None, "it may be missing");
    }

    #[test]
    fn an_absent_field_is_left_out_and_read_again() {
        use crate::Message;
        let shape = BooksPacked::shape();
        let least = r#"{"contents":[{"book_id":"aZ09._~:-","route":"air","weights":[2,2]},{"book_id":"aZ09._~:-","route":"air","weights":[2,2]}],"packed_at":"2026-11-23T08:15:00.000Z"}"#;
        assert_eq!(shape.samples()[1], least);
        for sample in shape.samples() {
            let read = crate::decode::<BooksPacked>(1, &sample).expect("a sample can be read");
            assert_eq!(read.json(), sample);
        }
    }
}
