//! What a JSON text shows of its structure in one pass, before it is parsed: how deep it is nested, and
//! whether an object in it has a name twice.
//!
//! A parser may give up, or run out of stack, before it could tell the depth; and of a name that comes twice
//! it takes one value and drops the other, where senders and readers may differ on which. The pass takes
//! time in proportion to the text, but for sorting the names of each object.

use crate::fields::unescaped;

/// How deep JSON may be nested: 64 lists and objects in each other.
pub const MAX_DEPTH: usize = 64;

/// The longest name that an error shows, and the longest path, in characters.
const MAX_SHOWN_NAME: usize = 64;
const MAX_SHOWN_PATH: usize = 200;

/// The structure of a text. Of one that is not JSON it says nothing that could be relied on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    /// How deep lists and objects are nested; not counted further than one level more than is allowed.
    pub(crate) depth: usize,
    /// The path of a name that its object has twice, if there is one.
    pub(crate) doubled: Option<String>,
}

/// A list or object that is not closed yet.
struct Level {
    /// Of a list, the place of the entry at hand; none of an object.
    entry: Option<usize>,
    /// How many names had been found when it was opened: those that follow are its own.
    names_before: usize,
}

impl Structure {
    pub(crate) fn of(json: &str) -> Self {
        let bytes = json.as_bytes();
        let mut found = Self {
            depth: 0,
            doubled: None,
        };
        let mut levels: Vec<Level> = Vec::new();
        // Of all objects that are not closed yet, with their quotes.
        let mut names: Vec<&str> = Vec::new();
        let mut name_is_next = false;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let mut end = at + 1;
            match byte {
                b'"' => {
                    end = end_of_string(bytes, at);
                    if name_is_next {
                        names.push(&json[at..end]);
                        name_is_next = false;
                    }
                }
                b'{' | b'[' => {
                    name_is_next = *byte == b'{';
                    levels.push(Level {
                        entry: (!name_is_next).then_some(0),
                        names_before: names.len(),
                    });
                    found.depth = found.depth.max(levels.len());
                    if found.depth > MAX_DEPTH {
                        return found;
                    }
                }
                b'}' | b']' => {
                    name_is_next = false;
                    if let Some(closed) = levels.pop() {
                        let begin = closed.names_before;
                        if found.doubled.is_none()
                            && let Some(name) = doubled(&names[begin..])
                        {
                            found.doubled = Some(path(&levels, begin, &names, name));
                        }
                        names.truncate(begin);
                    }
                }
                b',' => match levels.last_mut().map(|level| &mut level.entry) {
                    Some(Some(entry)) => *entry += 1,
                    Some(None) => name_is_next = true,
                    None => {}
                },
                _ => {}
            }
            at = end;
        }
        found
    }
}

/// Where the string that begins at `start` is over: behind its second quote, or at the end of the text.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            // The escaped character may be a quote, which ends nothing.
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A name that is there twice, however it is spelt.
fn doubled<'a>(names: &[&'a str]) -> Option<&'a str> {
    if names.len() < 2 {
        return None;
    }
    // A name that can't be read stands in a text that is not JSON, which is found elsewhere.
    let read = |name: &&'a str| Some((unescaped(name)?, *name));
    let mut names: Vec<_> = names.iter().filter_map(read).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0].0 == pair[1].0);
    twice.map(|pair| pair[0].1)
}

/// The path of the field `name` of an object that stands in `levels` and whose own names begin at
/// `names_before`.
fn path(levels: &[Level], names_before: usize, names: &[&str], name: &str) -> String {
    let begins = levels.iter().skip(1).map(|level| level.names_before);
    let outer = levels.iter().zip(begins.chain([names_before]));
    let outer = outer.map(|(level, next_begins)| match level.entry {
        Some(entry) => format!("[{entry}]"),
        // The newest name of an object in which something stands is the field in which it stands.
        None => format!(".{}", shown(names[..next_begins].last().unwrap_or(&""))),
    });
    let path: String = outer.chain([format!(".{}", shown(name))]).collect();
    let path = path.trim_start_matches('.');
    match path.char_indices().nth(MAX_SHOWN_PATH) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

/// A name as an error shows it. One that is no usual name may be somebody's data, such as an address, and
/// is not shown.
fn shown(name: &str) -> String {
    let usual = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    let name = unescaped(name).unwrap_or_default();
    let name = String::from_utf8_lossy(&name);
    if !name.is_empty() && name.chars().all(usual) && name.chars().count() <= MAX_SHOWN_NAME {
        name.into_owned()
    } else {
        "…".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn doubled_in(json: &str) -> Option<String> {
        Structure::of(json).doubled
    }

    #[test]
    fn a_name_that_comes_twice_is_found_at_any_depth_and_named_by_its_path() {
        for (json, path) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"b":{"a":1},"a":null}"#, "a"),
            (r#"{"b":{"c":[0,{"x":1},{"x":1,"y":[],"x":2}]}}"#, "b.c[2].x"),
            (r#"[[{"a":{"b":1}},{"a":{"b":1 , "b" : 1}}]]"#, "[0][1].a.b"),
            (r#"{"a":{},"b":{"a":1},"c":{"d":{"e":1,"e":1}}}"#, "c.d.e"),
        ] {
            assert_eq!(doubled_in(json).as_deref(), Some(path), "{json}");
        }
    }

    #[test]
    fn a_name_is_the_same_however_it_is_spelt() {
        for (json, path) in [
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"\u00e4\u0062":1,"äb":2}"#, "äb"),
            (r#"{"\ud83d\uded2":1,"🛒":2}"#, "…"),
            (r#"{"\/":1,"/":2}"#, "…"),
            (r#"{"\ud800":1,"\uD800":2}"#, "…"),
            (r#"{"":1,"":2}"#, "…"),
        ] {
            assert_eq!(doubled_in(json).as_deref(), Some(path), "{json}");
        }
    }

    #[test]
    fn names_of_different_objects_and_texts_that_look_like_names_are_no_doubles() {
        for json in [
            r#"{"a":{"a":{"a":["a","a"]}},"b":"a"}"#,
            r#"[{"a":1},{"a":1}]"#,
            r#"{"a":"\",\"a\":{","b":"}"}"#,
            r#"{"\ud800":1,"\ud801":2,"\ufffd":3}"#,
            r#"{"a":1,"A":2,"a ":3}"#,
            "{}",
            "",
        ] {
            assert_eq!(doubled_in(json), None, "{json}");
        }
    }

    #[test]
    fn a_path_tells_no_data_and_does_not_grow_without_end() {
        let json = r#"{"jane@example.org":{"a":1,"a":2}}"#;
        assert_eq!(doubled_in(json).as_deref(), Some("….a"));
        let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "x".repeat(65));
        assert_eq!(doubled_in(&long).as_deref(), Some("…"));
        let name = "n".repeat(64);
        let deep = format!(
            r#"{}{{"a":1,"a":2}}{}"#,
            format!(r#"{{"{name}":"#).repeat(60),
            "}".repeat(60)
        );
        let path = doubled_in(&deep).expect("there is one");
        assert_eq!(path.chars().count(), MAX_SHOWN_PATH + 1);
    }

    #[test]
    fn nesting_is_counted_to_one_level_more_than_is_allowed() {
        let depth = |json: &str| Structure::of(json).depth;
        assert_eq!(depth("7"), 0);
        assert_eq!(depth(r#"{"a":[1,{}],"b":"[[["}"#), 3);
        assert_eq!(depth(&"[".repeat(64)), 64);
        assert_eq!(depth(&"[".repeat(100_000)), 65);
    }

    /// Any JSON, whose names are few enough to come twice now and then.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1".to_owned()),
            Just(r#""a\"{[,""#.to_owned()),
            Just("null".to_owned())
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let name = prop_oneof![
                Just("a"),
                Just("\\u0061"),
                Just("b"),
                Just("c"),
                Just("d"),
                Just("\\ud800")
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4)
                    .prop_map(|entries| format!("[{}]", entries.join(" , "))),
                proptest::collection::vec((name, inner), 0..4).prop_map(|fields| {
                    let fields = fields.iter().map(|(name, value)| format!("\"{name}\" :{value}"));
                    format!("{{ {} }}", fields.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    /// The same asked of each object by itself.
    fn has_a_double(json: &str) -> bool {
        use serde_json::value::RawValue;
        if let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(json) {
            return entries.iter().any(|entry| has_a_double(entry.get()));
        }
        let Some(fields) = crate::Fields::of(json) else {
            return false;
        };
        let names = json_names(json);
        let all: std::collections::BTreeSet<_> = names.iter().collect();
        all.len() < names.len() || names.iter().filter_map(|name| fields.raw(name)).any(has_a_double)
    }

    /// The names of an object, in order and as often as they come.
    fn json_names(json: &str) -> Vec<String> {
        use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Vec<String>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<&serde_json::value::RawValue, IgnoredAny>()? {
                    let text = <String as crate::FieldValue>::read(name.get());
                    names.push(text.map_err(serde::de::Error::custom)?);
                }
                Ok(names)
            }
        }
        let mut deserializer = serde_json::Deserializer::from_str(json);
        (&mut deserializer).deserialize_map(Names).expect("an object")
    }

    proptest! {
        #[test]
        fn a_text_has_a_double_when_one_of_its_objects_has(json in json()) {
            prop_assert_eq!(doubled_in(&json).is_some(), has_a_double(&json), "{}", json);
        }

        #[test]
        fn any_text_can_be_looked_at(text in any::<String>(), json in "[\\[\\]{}\",:\\\\a ü🛒]{0,40}") {
            Structure::of(&text);
            Structure::of(&json);
        }
    }
}
