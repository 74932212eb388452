//! One message to copy: what a sample of a function holds, or one made from its shape. Written for people, with every
//! digit and the sequence of the fields as they are.

use bundle::{Comes, Function};
use eventsourcing::{Fields, Shape};
use maud::{Markup, html};

/// The fields of such a message, from the first of these functions that has a sample of it: one that comes, with its
/// fields under `inside`, or an event that stands in the tables before. What begins a thing of its own is about a new
/// one each time: its id ends with `fresh`, if there is any.
pub(super) fn example<'f>(
    shape: &Shape,
    functions: impl Iterator<Item = &'f Function>,
    inside: &str,
    fresh: Option<&str>,
) -> String {
    let samples = functions.flat_map(Function::samples);
    let mut found = samples.filter_map(|sample| {
        let given = sample.given.iter().flat_map(|commit| &commit.events);
        let mut given = given.filter(|event| event.event_type == shape.message_type);
        if let Some(event) = given.next() {
            return Some(event.data.clone());
        }
        let Comes::Message(body, stream) = &sample.comes else {
            return None;
        };
        let fields = Fields::of(body)?;
        if fields.get::<String>("type").ok()? != shape.message_type {
            return None;
        }
        let json = fields.raw(inside)?.to_owned();
        let begins = sample.given.iter().all(|commit| commit.stream != *stream);
        Some(match fresh {
            Some(fresh) if begins => {
                let id = stream.id();
                json.replace(&format!("\"{id}\""), &format!("\"{id}-{fresh}\""))
            }
            _ => json,
        })
    });
    let json = found.next().or_else(|| shape.samples().into_iter().next());
    indented(&json.unwrap_or_default())
}

/// What the function's sample holds in that field of its command, as somebody writes it into an input; nothing if it
/// has none.
pub(crate) fn value_in_sample(function: &Function, field: &str) -> String {
    let mut samples = function.samples().into_iter();
    let found = samples.find_map(|sample| {
        let Comes::Message(body, _) = &sample.comes else {
            return None;
        };
        let fields = Fields::of(body)?;
        let command = Fields::of(fields.raw("command")?)?;
        let text = command.get::<String>(field).ok();
        text.or_else(|| Some(command.raw(field)?.to_owned()))
    });
    found.unwrap_or_default()
}

/// JSON with each field on a line of its own. It is not parsed: numbers and texts stay as they are written.
pub(crate) fn indented(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut letters = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '"' => {
                in_text = true;
                out.push(letter);
            }
            '{' | '[' => {
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(letter);
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// A doc comment for people: what it marks as code is code, and its links are words.
pub(super) fn text(comment: &str) -> Markup {
    let comment = comment.replace("[`", "`").replace("`]", "`");
    html! {
        @for (place, part) in comment.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_stays_what_it_is() {
        for (json, shown) in [
            (r#"{"a":19.90,"b":[]}"#, "{\n  \"a\": 19.90,\n  \"b\": []\n}"),
            (
                r#"{"b":"x{\"y\\","a":[ {}, 1e3 ]}"#,
                "{\n  \"b\": \"x{\\\"y\\\\\",\n  \"a\": [\n    {},\n    1e3\n  ]\n}",
            ),
            ("{ }", "{}"),
        ] {
            assert_eq!(indented(json), shown);
            assert_eq!(indented(shown), shown);
        }
    }

    #[test]
    fn an_example_is_what_the_functions_own_reader_takes_and_about_a_new_thing_each_time() {
        let bundle = library::bundle();
        let function = bundle.registry.function("lend-book").expect("a command");
        let kind = &bundle.streams[0];
        let shapes = (kind.shapes)();
        let shape = shapes.iter().find(|shape| shape.message_type == "LendBook");
        let shape = shape.expect("its shape");
        let made = |fresh| example(shape, [function].into_iter(), "command", fresh);
        let (first, second) = (made(Some("aaa")), made(Some("bbb")));
        assert_ne!(first, second);
        for one in [first, second, made(None)] {
            let ready = crate::send::checked(function, &one).expect("nothing is wrong with it");
            assert!(ready.stream_id.is_some_and(|stream| stream.starts_with("loan-")));
        }
        let event = shapes.iter().find(|shape| shape.message_type == "BookLent");
        let event = event.expect("an event's shape");
        let made = example(event, bundle.registry.functions.iter(), "event", None);
        assert!(made.contains("loan_id"), "{made}");
    }

    #[test]
    fn a_comment_is_shown_in_words() {
        let shown = text("Whether [`Loan`] or `none`.").into_string();
        assert_eq!(shown, "Whether <code>Loan</code> or <code>none</code>.");
    }
}
