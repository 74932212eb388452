//! Where a rule passes events on to, and what of them.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::refused::Refused;
use super::request::{name, refuse_unserved, required, text};

/// A queue, and what of an event it gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) id: String,
    pub(super) arn: String,
    /// What it gets instead of the event.
    pub(super) input: Option<String>,
    /// What it gets of the event: the names on the way there.
    pub(super) input_path: Option<String>,
    pub(super) dead_letter_arn: Option<String>,
    pub(super) role_arn: Option<String>,
    /// Kept for whoever asks: what a queue does not take now it does not take later.
    pub(super) retry_policy: Option<Value>,
}

const SERVED: [&str; 7] = [
    "Id",
    "Arn",
    "Input",
    "InputPath",
    "DeadLetterConfig",
    "RetryPolicy",
    "RoleArn",
];

impl Target {
    pub(super) fn read(given: &Value) -> Result<Self, Refused> {
        refuse_unserved(given, &SERVED)?;
        let arn = required(text(given, "Arn")?, "targets.member.arn")?;
        check_queue(&arn)?;
        let input = text(given, "Input")?;
        if input
            .as_ref()
            .is_some_and(|input| serde_json::from_str::<Value>(input).is_err())
        {
            return Err(Refused::Invalid(
                "Invalid Input for target: it is not JSON.".to_owned(),
            ));
        }
        let input_path = text(given, "InputPath")?;
        if input.is_some() && input_path.is_some() {
            return Err(Refused::Invalid(
                "Only one of Input, InputPath, or InputTransformer must be provided for a target.".to_owned(),
            ));
        }
        if let Some(path) = &input_path {
            steps(path)?;
        }
        let dead_letter_arn = text(&given["DeadLetterConfig"], "Arn")?;
        dead_letter_arn.as_deref().map_or(Ok(()), check_queue)?;
        Ok(Self {
            id: name(given, "Id")?,
            arn,
            input,
            input_path,
            dead_letter_arn,
            role_arn: text(given, "RoleArn")?,
            retry_policy: Some(given["RetryPolicy"].clone()).filter(|policy| !policy.is_null()),
        })
    }

    /// The message that it gets of an event; none if its path leads to nothing.
    pub(super) fn message(&self, event: &str) -> Option<String> {
        if let Some(input) = &self.input {
            return Some(input.clone());
        }
        let Some(steps) = self.input_path.as_deref().and_then(|path| steps(path).ok()) else {
            return Some(event.to_owned());
        };
        let whole: Value = serde_json::from_str(event).ok()?;
        let part = steps.iter().try_fold(&whole, |value, step| value.get(step))?;
        Some(part.to_string())
    }

    pub(super) fn told(&self) -> Value {
        let mut told = json!({ "Id": self.id, "Arn": self.arn });
        let texts = [
            ("Input", &self.input),
            ("InputPath", &self.input_path),
            ("RoleArn", &self.role_arn),
        ];
        for (field, value) in texts {
            if let Some(value) = value {
                told[field] = value.as_str().into();
            }
        }
        if let Some(arn) = &self.dead_letter_arn {
            told["DeadLetterConfig"] = json!({ "Arn": arn });
        }
        if let Some(policy) = &self.retry_policy {
            told["RetryPolicy"] = policy.clone();
        }
        told
    }
}

/// The name in a queue's ARN.
pub(super) fn queue_of(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(_, name)| name)
}

fn check_queue(arn: &str) -> Result<(), Refused> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "sqs", _, account, name] if account.len() == 12 && !name.is_empty() => Ok(()),
        ["arn", _, _, _, _, ..] => Err(Refused::Invalid(format!(
            "{arn} is no queue, and rules here pass events on to queues only"
        ))),
        _ => Err(Refused::Invalid(format!(
            "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        ))),
    }
}

/// The names on a path such as `$.detail.event`; none for `$`.
fn steps(path: &str) -> Result<Vec<String>, Refused> {
    let invalid = || {
        Refused::Invalid(format!(
            "InputPath {path} is not served here; $ and names with dots, such as $.detail, are"
        ))
    };
    let rest = path.strip_prefix('$').ok_or_else(invalid)?;
    if rest.is_empty() {
        return Ok(vec![]);
    }
    let names = rest.strip_prefix('.').ok_or_else(invalid)?.split('.');
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        !name.is_empty() && name.chars().all(allowed)
    };
    names
        .map(|name| is_name(name).then(|| name.to_owned()).ok_or_else(invalid))
        .collect()
}
