//! What a request to create a schedule asks for, checked as AWS checks it.
//!
//! Source: <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The group that every account has.
pub(super) const DEFAULT_GROUP: &str = "default";

/// Group and name.
pub(super) type Key = (String, String);

/// Who is refused, and why: the message of a `ValidationException`.
pub(super) type Invalid = String;

/// A schedule, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Requested {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) client_token: Option<String>,
    pub(super) expression: String,
    /// The time of the expression, in seconds since 1970.
    pub(super) at_seconds: u64,
    pub(super) enabled: bool,
    pub(super) delete_after_completion: bool,
    pub(super) description: Option<String>,
    pub(super) target_arn: String,
    pub(super) role_arn: String,
    pub(super) input: Option<String>,
    pub(super) dead_letter_arn: Option<String>,
    pub(super) max_retries: u32,
    pub(super) max_age_seconds: u32,
}

/// Source: <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html>
const RETRIES: RangeInclusive<u64> = 0..=185;
const AGE_SECONDS: RangeInclusive<u64> = 60..=86_400;

impl Requested {
    pub(super) fn read(name: &str, body: &Value) -> Result<Self, Invalid> {
        let text = |value: &Value, field: &str| match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(format!("{field} has to be a string")),
        };
        let required = |value: &Value, field: &str| text(value, field)?.ok_or_else(|| missing(field));
        check_name("name", name)?;
        let group = text(&body["GroupName"], "groupName")?.unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        check_name("groupName", &group)?;
        let client_token = text(&body["ClientToken"], "clientToken")?;
        if let Some(token) = &client_token {
            let fits = (1..=64).contains(&token.len()) && token.bytes().all(|b| in_name(b) && b != b'.');
            if !fits {
                return Err(unlike(
                    "clientToken",
                    token,
                    "^[a-zA-Z0-9-_]+$, 1 to 64 characters",
                ));
            }
        }
        let expression = required(&body["ScheduleExpression"], "scheduleExpression")?;
        let zone = text(&body["ScheduleExpressionTimezone"], "scheduleExpressionTimezone")?;
        check_zone(zone.as_deref())?;
        check_window(&body["FlexibleTimeWindow"])?;
        let target = &body["Target"];
        if !target.is_object() {
            return Err(missing("target"));
        }
        let target_arn = required(&target["Arn"], "target.arn")?;
        check_queue("target.arn", &target_arn)?;
        let role_arn = required(&target["RoleArn"], "target.roleArn")?;
        if !role_arn.starts_with("arn:aws") || !role_arn.contains(":iam::") || !role_arn.contains(":role/") {
            return Err(unlike("target.roleArn", &role_arn, "an ARN of a role"));
        }
        let dead_letter_arn = text(&target["DeadLetterConfig"]["Arn"], "target.deadLetterConfig.arn")?;
        if let Some(arn) = &dead_letter_arn {
            check_queue("target.deadLetterConfig.arn", arn)?;
        }
        let retry = &target["RetryPolicy"];
        let enabled = one_of(&body["State"], "state", ["ENABLED", "DISABLED"])?;
        let then = one_of(
            &body["ActionAfterCompletion"],
            "actionAfterCompletion",
            ["NONE", "DELETE"],
        )?;
        let input = text(&target["Input"], "target.input")?;
        if input.as_ref().is_some_and(String::is_empty) {
            return Err("target.input has to have a length of 1 at least".to_owned());
        }
        Ok(Self {
            at_seconds: seconds_of(&expression)?,
            group,
            name: name.to_owned(),
            client_token,
            expression,
            enabled: enabled == 0,
            delete_after_completion: then == 1,
            description: text(&body["Description"], "description")?,
            target_arn,
            role_arn,
            input,
            dead_letter_arn,
            max_retries: number(&retry["MaximumRetryAttempts"], "maximumRetryAttempts", RETRIES)?,
            max_age_seconds: number(
                &retry["MaximumEventAgeInSeconds"],
                "maximumEventAgeInSeconds",
                AGE_SECONDS,
            )?,
        })
    }

    pub(super) fn key(&self) -> Key {
        (self.group.clone(), self.name.clone())
    }

    pub(super) fn at(&self) -> SystemTime {
        let since_1970 = Duration::from_secs(self.at_seconds);
        UNIX_EPOCH.checked_add(since_1970).unwrap_or(UNIX_EPOCH)
    }

    /// The queue that it sends to.
    pub(super) fn queue(&self) -> &str {
        queue_of(&self.target_arn)
    }
}

/// The name in a queue's ARN.
pub(super) fn queue_of(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(_, name)| name)
}

pub(super) fn check_name(field: &str, name: &str) -> Result<(), Invalid> {
    if (1..=64).contains(&name.len()) && name.bytes().all(in_name) {
        return Ok(());
    }
    Err(unlike(field, name, "^[0-9a-zA-Z-_.]+$, 1 to 64 characters"))
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn check_queue(field: &str, arn: &str) -> Result<(), Invalid> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "sqs", _, account, name] if account.len() == 12 && !name.is_empty() => Ok(()),
        ["arn", _, _, _, _, ..] => Err(format!(
            "{arn} at '{field}' is no queue, and schedules here send to queues only"
        )),
        _ => Err(unlike(field, arn, "an ARN")),
    }
}

fn check_zone(zone: Option<&str>) -> Result<(), Invalid> {
    match zone {
        None | Some("UTC") => Ok(()),
        Some(zone) => Err(format!(
            "scheduleExpressionTimezone {zone} is not supported here; UTC is"
        )),
    }
}

fn check_window(window: &Value) -> Result<(), Invalid> {
    if !window.is_object() {
        return Err(missing("flexibleTimeWindow"));
    }
    match window["Mode"].as_str() {
        Some("OFF") if window["MaximumWindowInMinutes"].is_null() => Ok(()),
        Some("OFF") => Err("maximumWindowInMinutes can't be set when the mode is OFF".to_owned()),
        Some("FLEXIBLE") => number(
            &window["MaximumWindowInMinutes"],
            "maximumWindowInMinutes",
            1..=1440,
        )
        .map(drop),
        Some(mode) => Err(unlike("flexibleTimeWindow.mode", mode, "one of OFF, FLEXIBLE")),
        None => Err(missing("flexibleTimeWindow.mode")),
    }
}

/// Which of the two; the first if none is given.
fn one_of(value: &Value, field: &str, names: [&str; 2]) -> Result<usize, Invalid> {
    match value.as_str() {
        None if value.is_null() => Ok(0),
        Some(given) if names.contains(&given) => Ok(usize::from(given == names[1])),
        given => {
            let expected = format!("one of {}", names.join(", "));
            Err(unlike(field, given.unwrap_or("no string"), &expected))
        }
    }
}

/// The largest if none is given.
fn number(value: &Value, field: &str, range: RangeInclusive<u64>) -> Result<u32, Invalid> {
    let given = match value {
        Value::Null => Some(*range.end()),
        value => value.as_u64().filter(|number| range.contains(number)),
    };
    given
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            unlike(field, &value.to_string(), &expected)
        })
}

/// The time of `at(yyyy-mm-ddThh:mm:ss)`, in seconds since 1970.
fn seconds_of(expression: &str) -> Result<u64, Invalid> {
    let text = expression
        .strip_prefix("at(")
        .and_then(|rest| rest.strip_suffix(')'));
    // RFC 3339 without fraction and zone.
    let text = text.filter(|text| text.len() == "yyyy-mm-ddThh:mm:ss".len());
    let at = text.and_then(|text| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339).ok());
    let seconds = at.and_then(|at| u64::try_from(at.unix_timestamp()).ok());
    seconds.ok_or_else(|| {
        let known = ["rate(", "cron("].iter().any(|kind| expression.starts_with(kind));
        if known {
            format!("Schedule Expression {expression} repeats, which is not supported here; at(yyyy-mm-ddThh:mm:ss) is")
        } else {
            format!("Invalid Schedule Expression {expression}.")
        }
    })
}

fn missing(field: &str) -> Invalid {
    format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must not be null"
    )
}

fn unlike(field: &str, value: &str, expected: &str) -> Invalid {
    format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must satisfy {expected}"
    )
}
