//! Writes the bodies of messages, so that a queue can carry them.
//!
//! SQS carries the characters of XML 1.0, and refuses a message with any other. A JSON text holds two that
//! SQS does not carry: U+FFFE and U+FFFF, which a sender writes as escapes and a writer of JSON writes as
//! they are. Whatever was let in has to get out again, so whoever makes a body makes it with [`write_body`].

use serde::Serialize;

/// Whether SQS carries the character, in a body or in an attribute.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub fn is_sendable(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The body of a message: `content` as JSON that a queue can carry.
pub fn write_body<T: Serialize + ?Sized>(content: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(content).map(sendable)
}

/// The same JSON, with escapes in place of the characters that SQS does not carry. They stand in strings
/// only, and never behind a backslash: an escape means the same there.
pub fn sendable(json: String) -> String {
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_text_holds_a_queue_carries_it_and_it_is_read_as_it_was(
            text in "[\u{0}-\u{10ffff}\u{fffe}\u{ffff}\"\\\\]{0,40}",
        ) {
            let body = write_body(&text).expect("a string");
            prop_assert!(body.chars().all(is_sendable), "{:?}", body);
            prop_assert_eq!(serde_json::from_str::<String>(&body).expect("it is JSON"), text);
        }

        #[test]
        fn json_that_was_stored_as_it_is_is_escaped_on_its_way(text in "[a\\\\\"\u{fffe}\u{ffff}]{0,20}") {
            let stored = Value::from(vec![Value::from(text.as_str())]).to_string();
            let raw: &RawValue = serde_json::from_str(&stored).expect("it is JSON");
            let body = write_body(raw).expect("it is JSON");
            prop_assert!(body.chars().all(is_sendable), "{:?}", body);
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&body).expect("it is JSON"), [text]);
        }
    }
}
