//! What is wrong with a body, in DynamoDB's words instead of serde's. `dynoxide` 3.2 has them too, for its own
//! server only; a later version that gives them to who embeds it makes this superfluous.

use dynoxide::DynoxideError;

/// How serde begins to say that a value is of another type.
const OTHER_TYPE: &str = "invalid type: ";

/// The refusal for what serde says of a body that is JSON, without the place that it names.
pub(super) fn refusal(message: &str) -> DynoxideError {
    if let Some(field) = message.strip_prefix("missing field `") {
        return null_at(field.trim_end_matches('`'));
    }
    if message.contains("empty AttributeValue") {
        return DynoxideError::ValidationException(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
                .to_owned(),
        );
    }
    let is_validation = ["unknown variant", "invalid type: null", "AttributeValue"]
        .iter()
        .any(|part| message.contains(part));
    if is_validation {
        return DynoxideError::ValidationException(message.to_owned());
    }
    let mismatch = message
        .strip_prefix(OTHER_TYPE)
        .and_then(|rest| rest.split_once(", expected "));
    let words = mismatch.map_or_else(|| message.to_owned(), |(found, expected)| of(found, expected));
    DynoxideError::SerializationException(words)
}

fn null_at(field: &str) -> DynoxideError {
    let mut letters = field.chars();
    let name: String = letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect();
    DynoxideError::ValidationException(format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    ))
}

/// A value of one type where another is expected.
fn of(found: &str, expected: &str) -> String {
    let class = match expected {
        "a string" => "String",
        "a boolean" => "Boolean",
        "i64" | "u64" | "usize" => "Long",
        _ if found == "map" => return "Start of structure or map found where not expected".to_owned(),
        _ if expected.starts_with("struct") => return "Unexpected value type in payload".to_owned(),
        _ => return "Unexpected field type".to_owned(),
    };
    match kind(found) {
        Some(kind) if (kind, class) != ("STRING_VALUE", "Boolean") => {
            format!("{kind} cannot be converted to {class}")
        }
        None if found == "map" => "Start of structure or map found where not expected".to_owned(),
        None => format!("Unrecognized collection type class java.lang.{class}"),
        Some(_) => "Unexpected token received from parser".to_owned(),
    }
}

/// What DynamoDB calls a value that is no collection.
fn kind(found: &str) -> Option<&'static str> {
    match found {
        "boolean `true`" => Some("TRUE_VALUE"),
        "boolean `false`" => Some("FALSE_VALUE"),
        _ if found.starts_with("integer") => Some("NUMBER_VALUE"),
        _ if found.starts_with("floating point") => Some("DECIMAL_VALUE"),
        _ if found.starts_with("string") => Some("STRING_VALUE"),
        _ => None,
    }
}
