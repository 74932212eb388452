//! What a dead letter's code means for whoever has to mend it, and a message's body as people read it.

use aws_adapters::DEADLINES;
use serde::de::IgnoredAny;

use super::super::messages::example;

/// What the codes are called that no function wrote.
pub(super) const OF_SQS: &str = "moved by SQS";

/// What to do about letters of a queue that have that code.
pub(super) fn advice(queue: &str, code: Option<&str>) -> &'static str {
    match code {
        Some("malformed") => {
            "The function can't read it, and sent back as it is it ends here again. Mend it, then send it back."
        }
        Some("rejected") => {
            "The rules forbid it, or a queue refuses what follows from it. Sent back, it ends here again unless that has \
             changed."
        }
        Some("exhausted") => {
            "It failed until its tries were used up, for a reason that may pass. When the cause is gone, send it back."
        }
        Some(_) | None if queue == DEADLINES => {
            "Its schedule could not send it. Send it back: it goes to the queue that it is for."
        }
        Some(_) | None => {
            "No function said why: it crashed, ran out of time or memory, or does not run. When that is mended, send it \
             back."
        }
    }
}

/// JSON on several lines, without a digit or an escape changed; anything else as it is.
pub(super) fn indented(text: &str) -> String {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return text.to_owned();
    }
    example::indented(text.trim())
}

/// The beginning of a text that may be long.
pub(super) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How large something is.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        _ => format!("{} KB", bytes / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_no_digit_or_escape_of_it_changes() {
        let body = r#" {"a":1.50e0,"b":"{\"x\": [1,2]}\\","c":[ ],"d":{"e":[1,"ü\u0041"]}} "#;
        let shown = r#"{
  "a": 1.50e0,
  "b": "{\"x\": [1,2]}\\",
  "c": [],
  "d": {
    "e": [
      1,
      "ü\u0041"
    ]
  }
}"#;
        assert_eq!(indented(body), shown);
        assert_eq!(indented(shown), shown);
    }

    #[test]
    fn what_is_no_json_stays_as_it_is() {
        for body in ["{\"a\":", " not JSON\n", ""] {
            assert_eq!(indented(body), body);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short("übergroß", 4), "über…");
        assert_eq!(short("über", 4), "über");
    }
}
