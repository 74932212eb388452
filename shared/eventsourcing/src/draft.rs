//! Commands as people write them: in a file or on a command line, as whole messages or as their fields
//! alone.

use serde_json::value::RawValue;

use crate::{CommandEnvelope, Fields, Malformed, Message, Timestamp, UnknownField, nearest};

/// How much of a message a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The fields of the command.
    Fields,
    /// The message with `command` in it.
    Message,
    /// Whichever of the two its names say.
    Either,
}

/// What a function would refuse a command for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftFault {
    /// The fields of a command were to be given, and it is no object.
    #[error("not a JSON object; expected one with {0}")]
    NotAnObject(String),
    /// The function could not read it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl DraftFault {
    /// The field, as in `product_items[1].quantity`; none if it is not about one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Malformed(Malformed::Field(error)) => Some(error.path()),
            _ => None,
        }
    }
}

/// A command that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The body of its message.
    pub body: String,
    /// What its function would refuse it for; fields are named by their paths in what was written.
    pub faults: Vec<DraftFault>,
    /// What its function would not read; the same.
    pub unknown: Vec<UnknownField>,
}

impl Draft {
    /// Looks at a command of type `C` that was written as `json`.
    pub fn of<C: Message>(json: &str, form: Form) -> Self {
        let is_message = match form {
            Form::Fields => false,
            Form::Message => true,
            Form::Either => is_message::<C>(json),
        };
        let body = if is_message {
            json.to_owned()
        } else {
            format!(r#"{{"type":"{}","command":{json}}}"#, C::TYPE)
        };
        // Stand-ins for what only the queue knows; neither has a say in what is wrong.
        let read = CommandEnvelope::<C>::read(&body, "unsent", Timestamp::from_millis(0));
        let (found, of_the_whole) = match Fields::of(&body) {
            Some(fields) if !matches!(read, Err(Malformed::TooDeep)) => (
                CommandEnvelope::<C>::review(&fields),
                CommandEnvelope::<C>::type_and_version_faults(&fields),
            ),
            _ => Default::default(),
        };
        let mut faults = of_the_whole;
        faults.extend(found.faults.into_iter().map(Malformed::Field));
        // The function's own reader has the last word.
        faults.extend(read.err().filter(|fault| !faults.contains(fault)));
        if is_message {
            return Self {
                body,
                faults: faults.into_iter().map(DraftFault::Malformed).collect(),
                unknown: found.unknown,
            };
        }
        let inside = |fault| match fault {
            Malformed::Field(error) if error.path() == "command" => {
                DraftFault::NotAnObject(C::shape().names().join(", "))
            }
            Malformed::Field(error) => Malformed::Field(error.inside("command")).into(),
            other => other.into(),
        };
        Self {
            body,
            faults: faults.into_iter().map(inside).collect(),
            unknown: found
                .unknown
                .into_iter()
                .map(|field| field.inside("command"))
                .collect(),
        }
    }
}

/// Whether an object is a whole message: one that has a command in it, or names of a message and none of
/// the command's.
fn is_message<C: Message>(json: &str) -> bool {
    let Some(fields) = Fields::of(json) else {
        return false;
    };
    let has_any = |names: &[&str]| fields.names().any(|name| names.contains(&name));
    // Its name may be spelt wrong, too.
    let has_like = |wanted: &str| fields.names().any(|name| nearest(name, [wanted]).is_some());
    has_any(&["command"])
        || ((has_any(&["type", "metadata", "schema_version"]) || has_like("command"))
            && !has_any(&C::shape().names()))
}

/// A file that is no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// Some editors and shells write UTF-16.
    #[error("it is UTF-16; expected UTF-8")]
    Utf16,
    /// It is not UTF-8 either.
    #[error("it is not UTF-8 from byte {0} on; expected UTF-8")]
    NotUtf8(usize),
}

/// The text in a file, without the byte order mark that some editors put before it.
pub fn text_of(bytes: Vec<u8>) -> Result<String, NotText> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(NotText::Utf16);
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|error| NotText::NotUtf8(error.utf8_error().valid_up_to() + 1))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A JSON value in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    /// The whole text.
    text: &'a str,
    /// The value.
    pub json: &'a str,
}

/// A text, or a line of one, that is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: not JSON: {why} at column {column}")]
pub struct NotJson {
    /// The line, from 1.
    pub line: usize,
    column: usize,
    why: String,
}

impl NotJson {
    /// `error` was found in what follows so many lines.
    fn of(error: &serde_json::Error, lines_before: usize) -> Self {
        let words = error.to_string();
        let why = words
            .rsplit_once(" at line ")
            .map_or(words.as_str(), |(why, _)| why);
        Self {
            line: lines_before + error.line().max(1),
            column: error.column(),
            why: why.to_owned(),
        }
    }
}

/// The JSON values in a text: one, or several one after the other, or one on each line. Of the last, each
/// line that is no JSON is told.
pub fn written<'a>(text: &'a str) -> Vec<Result<Written<'a>, NotJson>> {
    let content = text.trim_end();
    let values = serde_json::Deserializer::from_str(content).into_iter::<&RawValue>();
    let values: Result<Vec<_>, _> = values.collect();
    let found = |json: &'a RawValue| Written {
        text,
        json: json.get(),
    };
    let error = match values {
        Ok(values) => return values.into_iter().map(|json| Ok(found(json))).collect(),
        Err(error) => error,
    };
    let lines = content
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<_> = lines
        .map(|(number, line)| {
            serde_json::from_str::<&RawValue>(line)
                .map(found)
                .map_err(|error| NotJson::of(&error, number))
        })
        .collect();
    let is_object =
        |line: &Result<Written<'_>, NotJson>| line.as_ref().is_ok_and(|it| it.json.starts_with('{'));
    if lines.iter().any(is_object) {
        lines
    } else {
        vec![Err(NotJson::of(&error, 0))]
    }
}

impl Written<'_> {
    /// On which line of the text the field at `path` stands, from 1; that of what it should stand in, if it
    /// is not there.
    pub fn line_of(&self, path: &str) -> usize {
        let mut value = self.json;
        for step in path.split_inclusive(['.', ']']).flat_map(|step| step.split('[')) {
            let step = step.trim_end_matches(['.', ']']);
            if step.is_empty() {
                continue;
            }
            let entry = step.parse::<usize>().ok().and_then(|entry| {
                let entries: Vec<&RawValue> = serde_json::from_str(value).ok()?;
                entries.get(entry).map(|entry| entry.get())
            });
            let field = || Fields::of(value).and_then(|fields| fields.raw(step));
            match entry.or_else(field) {
                Some(inner) => value = inner,
                None => break,
            }
        }
        // The value is a part of the text, so it begins as far into it as their addresses are apart.
        let start = value.as_ptr().addr() - self.text.as_ptr().addr();
        self.text[..start].matches('\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::message! {
        /// A command for these tests.
        pub struct Greet {
            /// Whom.
            pub name: String,
            /// How often.
            pub times: Option<u64>,
            /// In which other names.
            pub others: Vec<String>,
        }
    }

    fn told(json: &str) -> Vec<String> {
        let Draft { faults, unknown, .. } = Draft::of::<Greet>(json, Form::Either);
        let faults = faults.iter().map(ToString::to_string);
        faults.chain(unknown.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        assert_eq!(
            told(r#"{"tims":1,"times":"x","others":["a",1,2]}"#),
            [
                "field `name` is missing; expected a string",
                "field `times` holds a string; expected a whole number",
                "field `others[1]` holds a number; expected a string",
                "field `others[2]` holds a number; expected a string",
                "field `tims` is unknown; did you mean `times`?",
            ]
        );
    }

    #[test]
    fn of_a_whole_message_its_own_fields_are_told_too() {
        assert_eq!(
            told(
                r#"{"Type":"Greet","metadata":{"corelation_id":"x"},"command":{"name":"Ada","others":[],"age":7}}"#
            ),
            [
                "field `command.age` is unknown; the fields there are name, times, others",
                "field `metadata.corelation_id` is unknown; did you mean `correlation_id`?",
                "field `Type` is unknown; did you mean `type`?",
            ]
        );
        assert_eq!(
            told(r#"{"type":"Greet","comand":{"name":"Ada","others":[]}}"#),
            [
                "field `command` is missing; expected the fields of Greet as an object",
                "field `comand` is unknown; did you mean `command`?",
            ]
        );
    }

    #[test]
    fn a_wrong_type_and_a_wrong_version_hide_nothing_else() {
        let rest = [
            "field `command.name` is missing; expected a string",
            "field `command.tims` is unknown; did you mean `times`?",
        ];
        let wrong = |envelope: &str| told(&format!(r#"{{{envelope},"command":{{"tims":1,"others":[]}}}}"#));
        for (envelope, own) in [
            (r#""type":"Great""#, &["field `type` names another"][..]),
            (r#""type":7"#, &["field `type` holds a number"]),
            (
                r#""schema_version":"x""#,
                &["field `schema_version` holds a string"],
            ),
            (r#""schema_version":0"#, &["the command can't be read"]),
            (
                r#""type":"Great","schema_version":99"#,
                &["field `type` names another", "the command can't be read"],
            ),
        ] {
            let told = wrong(envelope);
            for part in own.iter().chain(&rest) {
                let times = told.iter().filter(|line| line.starts_with(part)).count();
                assert_eq!(times, 1, "{envelope}: {part}: {told:?}");
            }
            assert_eq!(told.len(), own.len() + rest.len(), "{told:?}");
        }
    }

    #[test]
    fn what_is_right_has_nothing_to_tell() {
        for right in [
            r#"{"name":"Ada","others":[]}"#,
            r#"{"name":"Ada","others":[],"times":null}"#,
            r#"{"id":"a","type":"Greet","command":{"name":"Ada","others":[]},"metadata":{"timestamp":"2026-11-23T08:00:00Z"}}"#,
        ] {
            assert_eq!(told(right), [""; 0], "{right}");
        }
    }

    #[test]
    fn what_is_no_object_is_told_by_the_functions_own_reader() {
        assert_eq!(
            told("[1]"),
            ["not a JSON object; expected one with name, times, others"]
        );
        assert_eq!(Draft::of::<Greet>("{", Form::Message).faults.len(), 1);
    }

    #[test]
    fn values_one_after_the_other_and_one_on_each_line_are_found_with_their_lines() {
        let text = "\n{\n  \"a\": 1,\n  \"b\": [\n    {\"c\": 1},\n    {\"c\": 2}\n  ]\n}\n\n{\"a\": 2}\n";
        let values: Vec<_> = written(text)
            .into_iter()
            .map(|value| value.expect("it is JSON"))
            .collect();
        assert_eq!(values.len(), 2);
        let lines = ["", "a", "b[1].c", "b[1].d", "d", "b[7].c"].map(|path| values[0].line_of(path));
        assert_eq!(lines, [2, 3, 6, 6, 2, 4]);
        assert_eq!(values[1].line_of("a"), 10);
    }

    #[test]
    fn a_file_is_a_text_without_its_byte_order_mark_or_says_what_it_is() {
        assert_eq!(text_of("\u{feff}{}".into()), Ok("{}".to_owned()));
        assert_eq!(text_of(b"{}".to_vec()), Ok("{}".to_owned()));
        assert_eq!(text_of(vec![0xff, 0xfe, b'{', 0]), Err(NotText::Utf16));
        assert_eq!(text_of(vec![b'{', 0xe4, b'}']), Err(NotText::NotUtf8(2)));
    }

    #[test]
    fn every_line_that_is_no_json_is_told() {
        let told = |text| {
            let errors = written(text).into_iter().filter_map(Result::err);
            errors.map(|error| error.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            told("{\"a\":1}\n{\"a\":\nsecret\n{\"a\":2}\n"),
            [
                "line 2: not JSON: EOF while parsing a value at column 5",
                "line 3: not JSON: expected value at column 1",
            ]
        );
        assert_eq!(
            told("{\n  \"a\": 1\n"),
            ["line 2: not JSON: EOF while parsing an object at column 8"]
        );
        assert_eq!(written(" \n"), []);
    }
}
