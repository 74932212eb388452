//! The ids that a message names, whatever its sender made of it.
//!
//! What is in a dead-letter queue is there because something was wrong with it, so the bodies that matter
//! most are those that are not as they should be: an envelope within another, as SNS makes it; JSON in a
//! string in JSON; `bookId` for `book_id`, a number for a string; a body that is cut off. They are scanned,
//! not parsed: a scan reads what can be read, every one of a repeated name, at any depth, and each number
//! digit by digit.

use std::collections::BTreeSet;

use aws_adapters::Received;
use eventsourcing::Category;
use serde::de::IgnoredAny;

use crate::kinds::{Key, Kinds, Name};

/// How many strings of JSON within each other are opened: SQS around SNS around a sender's own is three.
const LEVELS: usize = 5;

/// What one message names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Things of a known kind, and those whose ids are computed from theirs.
    pub(crate) keys: BTreeSet<Key>,
    /// Other ids: the message's own, those of its chain, those of things that have no stream.
    others: BTreeSet<String>,
    /// Its body, if that is no JSON.
    text: Option<String>,
    /// The kinds whose ids are spoken of in such a body.
    spoken_of: BTreeSet<Category>,
}

impl Named {
    /// What a dead letter names: in its body, in its attributes, and as its own id.
    pub(crate) fn by(letter: &Received, kinds: &Kinds<'_>) -> Self {
        let mut named = Self::in_body(&letter.body, kinds);
        named.others.insert(letter.message_id.clone());
        let mut fields = Vec::new();
        for (name, value) in letter.attributes_of_sender() {
            if let Some(value) = value.as_text() {
                fields.push(Field::text(words(&name), value));
            }
        }
        named.note(fields, kinds);
        named
    }

    fn in_body(body: &str, kinds: &Kinds<'_>) -> Self {
        let mut fields = Vec::new();
        scan(body, &[], LEVELS, &mut fields);
        let mut named = Self::default();
        named.note(fields, kinds);
        if serde_json::from_str::<IgnoredAny>(body).is_err() {
            named.text = Some(body.to_owned());
            named.spoken_of = spoken_of(body, kinds);
        }
        named
    }

    fn note(&mut self, fields: Vec<Field>, kinds: &Kinds<'_>) {
        let mut keys = Vec::new();
        for field in fields {
            match what(&field, kinds) {
                Some(What::Thing(category)) => keys.push(Key::new(category, &field.value)),
                Some(What::Stream) => keys.extend(kinds.of_stream(&field.value)),
                Some(What::Other) => {
                    self.others.insert(field.value);
                }
                None => {}
            }
        }
        let named: BTreeSet<_> = keys.iter().map(|key| key.category).collect();
        let is_another = |key: &Key| {
            let kind = kinds.kind(key.category);
            kind.is_some_and(|kind| kind.not_beside.iter().any(|other| named.contains(other)))
        };
        let (others, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_another);
        self.others.extend(others.into_iter().map(|key| key.id));
        self.keys
            .extend(keys.into_iter().flat_map(|key| kinds.with_computed(key)));
    }

    /// Whether it says that it is about this one.
    pub(crate) fn names(&self, key: &Key) -> bool {
        self.keys.contains(key) || self.speaks_of(&key.id).contains(&key.category)
    }

    /// The same, if it can't be about another thing of that id.
    pub(crate) fn names_alone(&self, key: &Key) -> bool {
        let speaks_of = self.speaks_of(&key.id);
        self.keys.contains(key) || (speaks_of.len() == 1 && speaks_of.contains(&key.category))
    }

    /// Whether it holds an id without saying, in a way that is understood, of what.
    pub(crate) fn mentions(&self, id: &str) -> bool {
        self.others.contains(id)
            || self.keys.iter().any(|key| key.id == id)
            || self.text.as_deref().is_some_and(|text| has_word(text, id))
    }

    /// Whether it says of no thing that it is about it, and has one of these ids.
    pub(crate) fn is_only_known_by(&self, ids: &BTreeSet<String>) -> bool {
        self.keys.is_empty() && self.has_one_of(ids)
    }

    /// Whether it has one of these ids, as its own or as that of what it comes from.
    pub(crate) fn has_one_of(&self, ids: &BTreeSet<String>) -> bool {
        !self.others.is_disjoint(ids)
    }

    /// The kinds whose ids are spoken of in a body that can't be read and holds this id.
    fn speaks_of(&self, id: &str) -> &BTreeSet<Category> {
        static NONE: BTreeSet<Category> = BTreeSet::new();
        let holds_it = self.text.as_deref().is_some_and(|text| has_word(text, id));
        if self.keys.is_empty() && holds_it {
            &self.spoken_of
        } else {
            &NONE
        }
    }
}

/// The kinds whose ids a text speaks of, in whatever form.
fn spoken_of(text: &str, kinds: &Kinds<'_>) -> BTreeSet<Category> {
    let plain: String = text.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let plain = plain.to_lowercase();
    let is_in = |name: &&Name| plain.contains(&format!("{}id", name.word));
    kinds
        .names
        .iter()
        .filter(is_in)
        .map(|name| name.category)
        .collect()
}

/// Whether the text holds the id, and not as a part of a longer one.
fn has_word(text: &str, id: &str) -> bool {
    let borders = |part: Option<char>| part.is_none_or(|letter| !letter.is_alphanumeric());
    text.match_indices(id).any(|(at, _)| {
        borders(text[..at].chars().next_back()) && borders(text[at + id.len()..].chars().next())
    })
}

/// A value in a message, with the words that its name is made of.
#[derive(Debug)]
struct Field {
    name: Vec<String>,
    value: String,
}

impl Field {
    fn text(name: Vec<String>, value: &str) -> Self {
        let value = value.trim().to_owned();
        Self { name, value }
    }

    /// Some writers make every number a fraction.
    fn number(name: Vec<String>, number: &str) -> Self {
        let fraction = number.split_once('.');
        let whole = fraction.filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
        Self::text(name, whole.map_or(number, |(whole, _)| whole))
    }
}

/// What a field holds the id of.
#[derive(Debug, PartialEq, Eq)]
enum What {
    Thing(Category),
    Stream,
    Other,
}

/// What the name of an id ends with.
const ID_WORDS: [&str; 12] = [
    "reference",
    "number",
    "uuids",
    "uuid",
    "guids",
    "guid",
    "keys",
    "key",
    "ids",
    "id",
    "ref",
    "no",
];

/// By the field's name: `lost_book_ids`, `libraryBookID`, `BOOK-ID` and `book` all name a book.
fn what(field: &Field, kinds: &Kinds<'_>) -> Option<What> {
    let joined = field.name.concat();
    let end = ID_WORDS.iter().find(|end| joined.ends_with(**end));
    let of = end.map_or(joined.as_str(), |end| &joined[..joined.len() - end.len()]);
    let is_named = |Name { word, ends, .. }: &&Name| match end {
        Some(_) if *ends => of.ends_with(word),
        Some(_) => of == word,
        None => of == word || of.strip_suffix('s') == Some(word),
    };
    if of == "stream" {
        return Some(What::Stream);
    }
    if let Some(name) = kinds.names.iter().find(is_named) {
        return Some(What::Thing(name.category));
    }
    let last = field.name.last().map_or("id", String::as_str);
    (ID_WORDS.contains(&last) && !field.value.is_empty()).then_some(What::Other)
}

/// `readerCardIds`, `reader_card_ids` and `Reader-Card-IDs` are the same three words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        let breaks = !letter.is_alphanumeric() || (was_small && letter.is_uppercase());
        if breaks && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase() || letter.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Names that say nothing but how a value is written: `DynamoDB`'s types, attributes as SNS and SQS write
/// them. What is in them belongs to the name around them.
const WRAPPERS: [&[&str]; 5] = [&["s"], &["n"], &["value"], &["string", "value"], &["l"]];

/// The name of a field that stands in another.
fn within(outer: &[String], name: &str) -> Vec<String> {
    let own = words(name);
    if WRAPPERS.iter().any(|wrapper| own == *wrapper) {
        return outer.to_vec();
    }
    if own == ["id"] {
        return outer.iter().cloned().chain(own).collect();
    }
    own
}

/// Finds the values in what may be JSON, or JSON in a string, or the beginning of either.
fn scan(text: &str, outer: &[String], levels: usize, found: &mut Vec<Field>) {
    // The names around, the innermost last; of a list, that of the list.
    let mut around = vec![outer.to_vec()];
    let mut name: Option<Vec<String>> = None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let here = || around.last().cloned().unwrap_or_default();
        match first {
            '{' | '[' => {
                let opened = name.take().unwrap_or_else(here);
                around.push(opened);
                rest = &rest[1..];
            }
            '}' | ']' => {
                around.pop();
                name = None;
                rest = &rest[1..];
            }
            '"' => {
                let (string, after) = string(&rest[1..]);
                rest = after;
                if let Some(value) = after.trim_start().strip_prefix(':') {
                    name = Some(within(&here(), &string));
                    rest = value;
                    continue;
                }
                let own = name.take().unwrap_or_else(here);
                let inner = string.trim_start().trim_start_matches('\u{feff}');
                if levels > 0 && inner.starts_with(['{', '[', '"']) {
                    scan(inner, &own, levels - 1, found);
                } else {
                    found.push(Field::text(own, &string));
                }
            }
            '-' | '0'..='9' => {
                let end = rest.find(|letter: char| ",]} \t\r\n".contains(letter));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                found.push(Field::number(name.take().unwrap_or_else(here), number));
                rest = after;
            }
            ',' => {
                name = None;
                rest = &rest[1..];
            }
            _ => rest = &rest[first.len_utf8()..],
        }
    }
}

/// A JSON string from behind its opening quote on, and what comes behind its closing one. One that is cut
/// off ends with the text.
fn string(text: &str) -> (String, &str) {
    let mut read = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (read, &text[at + 1..]),
            '\\' => match letters.next() {
                Some((_, 'u')) => {
                    let code: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                    // No id has a character that takes two of them.
                    read.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some((_, 'n')) => read.push('\n'),
                Some((_, 't')) => read.push('\t'),
                Some((_, 'r')) => read.push('\r'),
                Some((_, 'b' | 'f')) => read.push(' '),
                Some((_, other)) => read.push(other),
                None => {}
            },
            _ => read.push(letter),
        }
    }
    (read, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::made_up::{BOOK, CARD, FINE, KINDS, LOAN};

    fn kinds() -> Kinds<'static> {
        Kinds::of(&KINDS)
    }

    fn keys(body: &str) -> Vec<String> {
        let keys = Named::in_body(body, &kinds()).keys;
        keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_words_of_a_name_are_the_same_in_every_spelling() {
        for name in [
            "reader_card_ids",
            "readerCardIds",
            "ReaderCardIDs",
            "READER-CARD-IDS",
            "reader card ids",
        ] {
            assert_eq!(words(name), ["reader", "card", "ids"], "{name}");
        }
        assert!(words("").is_empty() && words("_").is_empty());
    }

    #[test]
    fn a_field_is_an_id_of_what_its_name_says() {
        let of = |name: &str| what(&Field::text(words(name), "7"), &kinds());
        for (name, kind) in [
            ("book_id", BOOK),
            ("libraryBookId", BOOK),
            ("bookid", BOOK),
            ("book", BOOK),
            ("loanNumber", LOAN),
            ("fine_reference", FINE),
            ("banned_reader_ids", CARD),
            ("readers", CARD),
            ("cardId", CARD),
            ("reader_card_id", CARD),
        ] {
            assert_eq!(of(name), Some(What::Thing(kind)), "{name}");
        }
        for name in ["shelf_id", "id", "correlationId", "postcard_id", "key"] {
            assert_eq!(of(name), Some(What::Other), "{name}");
        }
        for name in [
            "quantity",
            "paid",
            "void",
            "reason",
            "sort_book",
            "type",
            "casino",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!(of("streamId"), Some(What::Stream));
    }

    #[test]
    fn a_name_that_another_kind_takes_for_itself_names_nothing_beside_it() {
        assert_eq!(keys(r#"{"fine_id":"7"}"#), ["fine/7"]);
        let beside = Named::in_body(r#"{"fine_id":"7","reader":"8"}"#, &kinds());
        assert_eq!(beside.keys, [Key::new(CARD, "8")].into());
        assert!(beside.mentions("7"));
    }

    #[test]
    fn a_body_that_is_no_json_speaks_of_the_kinds_that_it_names() {
        let of_one = Named::in_body("<bookId>7</bookId>", &kinds());
        assert!(of_one.names_alone(&Key::new(BOOK, "7")) && !of_one.names(&Key::new(LOAN, "7")));
        assert!(!of_one.names(&Key::new(BOOK, "77")));
        let of_two = Named::in_body("book_id=7&loan_id=8", &kinds());
        assert!(of_two.names(&Key::new(BOOK, "7")) && !of_two.names_alone(&Key::new(BOOK, "7")));
    }

    #[test]
    fn strings_of_json_are_opened_and_end_at_some_level() {
        let mut body = r#"{"reader_card_id":"7"}"#.to_owned();
        for _ in 0..LEVELS {
            assert_eq!(keys(&body), ["readerCard/7"], "{body}");
            body = serde_json::Value::from(body).to_string();
        }
        body = serde_json::Value::from(body).to_string();
        assert!(keys(&body).is_empty());
    }

    #[test]
    fn a_number_is_read_digit_by_digit() {
        let number = "123456789012345678901234567890";
        assert_eq!(
            keys(&format!(r#"{{"reader_card_id":{number}}}"#)),
            [format!("readerCard/{number}")]
        );
    }

    #[test]
    fn whatever_a_body_is_it_is_scanned_to_its_end() {
        for body in [
            "",
            "\"",
            "{",
            "[",
            "}]}]",
            "\"\\",
            "\"\\u12",
            "{\"a\":\"\\ud83d\\ude00\"}",
            "ü{\"ü\":ü}",
        ] {
            assert!(keys(body).is_empty(), "{body}");
        }
    }
}
