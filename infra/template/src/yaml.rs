//! YAML as a tree with comments in it, and how it is written: what this template needs of the language,
//! so that its comments and its order survive.

use std::fmt::Write;

/// Where prose is wrapped. Names and other single lines are never broken.
const WIDTH: usize = 110;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// Text; quoted where YAML would read it as something else, folded if it is a long sentence.
    Text(String),
    /// A number, or true or false, as it is written.
    Literal(String),
    /// Text that keeps its lines.
    Lines(String),
    /// A value with a tag, such as `!Sub`.
    Tagged(&'static str, Box<Yaml>),
    /// A list with an item to a line.
    List(Vec<Yaml>),
    /// A list on one line.
    Inline(Vec<Yaml>),
    /// Names and values, in order.
    Map(Map),
    /// Names and values on one line.
    Compact(Map),
}

/// Names and values, in order, with comments between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    entries: Vec<Entry>,
    apart: bool,
    pending: Vec<Comment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    comments: Vec<Comment>,
    key: String,
    value: Yaml,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Comment {
    Heading(String),
    Note(String),
}

impl Map {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty map that is written with empty lines between its entries.
    pub fn apart() -> Self {
        Self {
            apart: true,
            ..Self::default()
        }
    }

    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Yaml>) -> Self {
        self.put(key, value);
        self
    }

    /// Adds an entry, if there is one.
    #[must_use]
    pub fn maybe(self, key: &str, value: Option<impl Into<Yaml>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds all entries of another map.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self
    }

    /// Adds a comment before the next entry.
    #[must_use]
    pub fn note(mut self, comment: impl Into<String>) -> Self {
        self.remark(comment);
        self
    }

    /// As [`Self::with`], in place.
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<Yaml>) {
        self.entries.push(Entry {
            comments: std::mem::take(&mut self.pending),
            key: key.into(),
            value: value.into(),
        });
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// As [`Self::note`], in place.
    pub fn remark(&mut self, comment: impl Into<String>) {
        self.pending.push(Comment::Note(comment.into()));
    }

    /// Adds a heading before the next entry, in place.
    pub fn heading(&mut self, heading: &str) {
        self.pending.push(Comment::Heading(heading.to_owned()));
    }

    /// The document that this is.
    pub fn document(&self) -> String {
        let mut out = String::new();
        write_map(&mut out, self, 0);
        out
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Yaml {
    fn from(number: u64) -> Self {
        Self::Literal(number.to_string())
    }
}

impl From<u32> for Yaml {
    fn from(number: u32) -> Self {
        Self::Literal(number.to_string())
    }
}

impl From<bool> for Yaml {
    fn from(flag: bool) -> Self {
        Self::Literal(flag.to_string())
    }
}

impl From<Map> for Yaml {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Yaml>> From<Vec<T>> for Yaml {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// A list on one line.
pub fn inline<T: Into<Yaml>>(items: impl IntoIterator<Item = T>) -> Yaml {
    Yaml::Inline(items.into_iter().map(Into::into).collect())
}

fn write_map(out: &mut String, map: &Map, indent: usize) {
    for (place, entry) in map.entries.iter().enumerate() {
        if map.apart && place > 0 {
            out.push('\n');
        }
        for comment in &entry.comments {
            write_comment(out, comment, indent);
        }
        pad(out, indent);
        write_entry(out, entry, indent);
    }
}

/// An entry without its comments and without what comes before its key.
fn write_entry(out: &mut String, entry: &Entry, indent: usize) {
    out.push_str(&scalar(&entry.key, false));
    out.push(':');
    write_value(out, &entry.value, indent);
}

/// What follows a colon or a dash, up to and with the end of its last line.
fn write_value(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Map(map) if map.entries.is_empty() => out.push_str(" {}\n"),
        Yaml::Map(map) => {
            out.push('\n');
            write_map(out, map, indent + 2);
        }
        Yaml::List(items) if items.is_empty() => out.push_str(" []\n"),
        Yaml::List(items) => {
            out.push('\n');
            for item in items {
                write_item(out, item, indent + 2);
            }
        }
        Yaml::Lines(text) => {
            out.push_str(" |\n");
            for line in text.lines() {
                write_line(out, line, indent + 2);
            }
        }
        Yaml::Text(text) if indent + text.len() > WIDTH && is_prose(text) => {
            out.push_str(" >-\n");
            for line in wrapped(text, WIDTH - indent - 2) {
                write_line(out, &line, indent + 2);
            }
        }
        Yaml::Tagged(tag, value) => {
            out.push(' ');
            out.push_str(tag);
            write_value(out, value, indent);
        }
        Yaml::Text(_) | Yaml::Literal(_) | Yaml::Inline(_) | Yaml::Compact(_) => {
            out.push(' ');
            out.push_str(&one_line(value, false));
            out.push('\n');
        }
    }
}

fn write_item(out: &mut String, item: &Yaml, indent: usize) {
    let Yaml::Map(map) = item else {
        pad(out, indent);
        out.push('-');
        return write_value(out, item, indent);
    };
    for (place, entry) in map.entries.iter().enumerate() {
        for comment in &entry.comments {
            // A comment on the first entry is one on the item.
            write_comment(out, comment, if place == 0 { indent } else { indent + 2 });
        }
        pad(out, indent);
        out.push_str(if place == 0 { "- " } else { "  " });
        write_entry(out, entry, indent + 2);
    }
}

fn write_comment(out: &mut String, comment: &Comment, indent: usize) {
    match comment {
        Comment::Heading(heading) => {
            let line = "─".repeat(WIDTH - indent - heading.chars().count() - 6);
            write_line(out, &format!("# ── {heading} {line}"), indent);
        }
        Comment::Note(note) => {
            for line in note.lines().flat_map(|line| wrapped(line, WIDTH - indent - 2)) {
                write_line(out, &format!("# {line}"), indent);
            }
        }
    }
}

fn write_line(out: &mut String, line: &str, indent: usize) {
    if !line.is_empty() {
        pad(out, indent);
    }
    out.push_str(line);
    out.push('\n');
}

fn pad(out: &mut String, indent: usize) {
    // Writing to a string does not fail.
    write!(out, "{:indent$}", "").expect("a string takes whatever is written to it");
}

/// A value that fits on a line; in a list on one line, more characters have a meaning.
fn one_line(value: &Yaml, in_list: bool) -> String {
    match value {
        Yaml::Text(text) | Yaml::Lines(text) => scalar(text, in_list),
        Yaml::Literal(text) => text.clone(),
        Yaml::Tagged(tag, value) => format!("{tag} {}", one_line(value, in_list)),
        Yaml::List(items) | Yaml::Inline(items) => {
            let items: Vec<_> = items.iter().map(|item| one_line(item, true)).collect();
            format!("[{}]", items.join(", "))
        }
        Yaml::Map(map) | Yaml::Compact(map) => {
            let entry =
                |entry: &Entry| format!("{}: {}", scalar(&entry.key, true), one_line(&entry.value, true));
            let entries: Vec<_> = map.entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Text as a scalar, in single quotes if it would be read as anything else than that text.
fn scalar(text: &str, in_list: bool) -> String {
    if is_plain(text, in_list) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn is_plain(text: &str, in_list: bool) -> bool {
    // Read as something else by YAML 1.1, which many tools still follow.
    const WORDS: [&str; 11] = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "null", "~", "=",
    ];
    let starts_plainly = text.starts_with(|c: char| c.is_alphabetic() || "/_$(".contains(c));
    starts_plainly
        && !WORDS.contains(&text.to_lowercase().as_str())
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains(|c: char| c.is_control())
        && !(in_list && text.contains(['[', ']', '{', '}', ',']))
}

/// Whether a text may be folded: words with single spaces between them.
fn is_prose(text: &str) -> bool {
    text.contains(' ') && text.split(' ').all(|word| !word.is_empty()) && !text.contains('\n')
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: impl Into<Yaml>) -> String {
        Map::new().with("key", value).document()
    }

    #[test]
    fn text_that_yaml_reads_otherwise_is_quoted() {
        for text in [
            "2012-10-17",
            "true",
            "No",
            "",
            "*",
            "null",
            "12",
            "a: b",
            "a #b",
            "it:",
            "-x",
            "@x",
            "{}",
        ] {
            assert_eq!(written(text), format!("key: '{text}'\n"));
        }
        assert_eq!(written("it's: so"), "key: 'it''s: so'\n");
    }

    #[test]
    fn text_that_can_stand_as_it_is_does() {
        for text in [
            "sqs:SendMessage",
            "AWS::SQS::Queue",
            "${AWS::StackName}-x",
            "it's so",
            "a, b",
        ] {
            assert_eq!(written(text), format!("key: {text}\n"));
        }
    }

    #[test]
    fn in_a_list_on_one_line_brackets_and_commas_are_quoted() {
        assert_eq!(
            written(inline(["a", "a, b", "${x}"])),
            "key: [a, 'a, b', '${x}']\n"
        );
    }

    #[test]
    fn maps_in_lists_start_at_the_dash() {
        let item = Map::new().with("a", 1_u32).with("b", vec!["x"]);
        assert_eq!(written(vec![item]), "key:\n  - a: 1\n    b:\n      - x\n");
    }

    #[test]
    fn a_tag_stands_before_its_value() {
        let tagged = |value: Yaml| written(Yaml::Tagged("!If", Box::new(value)));
        assert_eq!(tagged(inline(["A", "b"])), "key: !If [A, b]\n");
        assert_eq!(tagged(vec!["A"].into()), "key: !If\n  - A\n");
        assert_eq!(tagged(Yaml::Lines("{\n}".into())), "key: !If |\n  {\n  }\n");
    }

    #[test]
    fn comments_stay_with_their_entries() {
        let map = Map::apart().with("a", 1_u32).note("Why.").with("b", 2_u32);
        assert_eq!(map.document(), "a: 1\n\n# Why.\nb: 2\n");
    }

    #[test]
    fn long_sentences_are_folded_and_long_names_are_not() {
        let words = "word ".repeat(40);
        let folded = written(words.trim());
        assert!(folded.starts_with("key: >-\n  word word"), "{folded}");
        assert!(folded.lines().all(|line| line.len() <= WIDTH), "{folded}");
        let name = "x".repeat(200);
        assert_eq!(written(name.as_str()), format!("key: {name}\n"));
    }
}
