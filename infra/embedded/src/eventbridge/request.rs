//! What requests ask for, checked as AWS checks it.

use serde_json::Value;

use super::refused::Refused;

/// The bus that every account has.
pub(super) const DEFAULT_BUS: &str = "default";

/// The longest name of a rule, the most rules of a bus, and the most targets of a rule.
///
/// Sources: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html> and
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
pub(super) const LONGEST_NAME: usize = 64;
pub(super) const MAX_RULES: usize = 300;
pub(super) const MAX_TARGETS: usize = 5;

const LONGEST_BUS_NAME: usize = 256;

/// A text; none if it is not there.
pub(super) fn text(value: &Value, field: &str) -> Result<Option<String>, String> {
    match &value[field] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(format!("{field} has to be a string")),
    }
}

pub(super) fn required<T>(value: Option<T>, field: &str) -> Result<T, String> {
    value.ok_or_else(|| {
        format!(
            "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
        )
    })
}

/// The name of a rule or target.
pub(super) fn name(value: &Value, field: &str) -> Result<String, String> {
    let name = required(text(value, field)?, &field.to_lowercase())?;
    check(&name, field, LONGEST_NAME, "")?;
    Ok(name)
}

/// The bus that a request is for, which it names by its name or ARN.
pub(super) fn bus(value: &Value) -> Result<String, String> {
    let given = text(value, "EventBusName")?.unwrap_or_else(|| DEFAULT_BUS.to_owned());
    bus_named(&given)
}

/// The name of a bus that is given by its name or ARN.
pub(super) fn bus_named(given: &str) -> Result<String, String> {
    let name = given
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":event-bus/"));
    let name = name.map_or(given, |(_, name)| name);
    check(name, "EventBusName", LONGEST_BUS_NAME, "/")?;
    Ok(name.to_owned())
}

/// The name of a bus that is to be made. Slashes are in the names of partners' buses alone.
pub(super) fn new_bus(value: &Value) -> Result<String, String> {
    let name = required(text(value, "Name")?, "name")?;
    check(&name, "Name", LONGEST_BUS_NAME, "")?;
    Ok(name)
}

fn check(name: &str, field: &str, longest: usize, besides: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || besides.contains(c);
    if !name.is_empty() && name.len() <= longest && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "1 validation error detected: Value '{name}' at '{field}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [{besides}\\.\\-_A-Za-z0-9]+, 1 to {longest} characters"
    ))
}

/// What stands in a request that is not served here, or not as it is asked for.
pub(super) fn refuse_unserved(request: &Value, served: &[&str]) -> Result<(), Refused> {
    let fields = request.as_object().into_iter().flatten();
    let mut others = fields.filter(|(name, value)| !value.is_null() && !served.contains(&name.as_str()));
    match others.next() {
        None => Ok(()),
        Some((name, _)) => Err(Refused::Invalid(format!(
            "{name} is not served here; {} are",
            served.join(", ")
        ))),
    }
}

/// A page of what is listed, sorted by name: what comes after the token, up to the limit, and the next token.
pub(super) fn page<T>(
    request: &Value,
    items: impl Iterator<Item = (String, T)>,
) -> Result<(Vec<T>, Option<String>), String> {
    let limit = match &request["Limit"] {
        Value::Null => 100,
        limit => match limit.as_u64() {
            Some(limit @ 1..=100) => limit,
            _ => return Err(format!("Limit is {limit}; 1 to 100 is right")),
        },
    };
    let after = text(request, "NextToken")?;
    let mut items = items.filter(|(name, _)| after.as_ref().is_none_or(|after| name > after));
    let mut page = Vec::new();
    let mut last = None;
    for (name, item) in items.by_ref() {
        page.push(item);
        last = Some(name);
        if page.len() as u64 == limit {
            break;
        }
    }
    Ok((page, items.next().and(last)))
}
