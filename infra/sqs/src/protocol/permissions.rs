//! Operations on a queue's policy. No permission is checked here: the policy is kept and told, so that who sets one
//! finds it again.

use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::{Nothing, queue_name, required};
use crate::error::SqsError;
use crate::moment::Moment;
use crate::state::State;
use crate::totals::Operation;

/// The most actions of a permission, and the most permissions of a queue.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html>
const MAX_ACTIONS: usize = 7;
const MAX_PERMISSIONS: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddPermission {
    queue_url: Option<String>,
    label: Option<String>,
    #[serde(rename = "AWSAccountIds", default)]
    account_ids: Vec<String>,
    #[serde(default)]
    actions: Vec<String>,
}

pub(super) fn add(state: &mut State, moment: Moment, request: AddPermission) -> Result<Nothing, SqsError> {
    let name = queue_name(request.queue_url)?;
    let label = required(request.label, "Label")?;
    check_label(&label)?;
    check_accounts(&request.account_ids)?;
    check_actions(&request.actions)?;
    let arn = state.address.arn(&name);
    let queue = state.queue(&name)?;
    let mut policy = policy(queue.configuration.policy(), &arn);
    let statements = statements(&mut policy);
    if statements.iter().any(|statement| statement["Sid"] == *label) {
        return Err(SqsError::invalid("Label", &label, "Already exists."));
    }
    if statements.len() >= MAX_PERMISSIONS {
        return Err(SqsError::TooManyPermissions {
            what: "permissions of a queue",
            limit: MAX_PERMISSIONS,
        });
    }
    let principals = request.account_ids.iter();
    let principals = principals.map(|account| format!("arn:aws:iam::{account}:root"));
    let actions = request.actions.iter().map(|action| format!("SQS:{action}"));
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(principals.collect()) },
        "Action": one_or_all(actions.collect()),
        "Resource": arn,
    }));
    queue.configuration.set_policy(Some(policy.to_string()));
    queue.modified_ms = moment.unix_ms;
    queue.touch_itself();
    Ok(Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemovePermission {
    queue_url: Option<String>,
    label: Option<String>,
}

pub(super) fn remove(
    state: &mut State,
    moment: Moment,
    request: RemovePermission,
) -> Result<Nothing, SqsError> {
    let name = queue_name(request.queue_url)?;
    let label = required(request.label, "Label")?;
    let arn = state.address.arn(&name);
    let queue = state.queue(&name)?;
    let mut policy = policy(queue.configuration.policy(), &arn);
    let statements = statements(&mut policy);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != *label);
    if statements.len() == before {
        return Err(SqsError::invalid("Label", &label, "can't find label."));
    }
    let is_empty = statements.is_empty();
    queue
        .configuration
        .set_policy((!is_empty).then(|| policy.to_string()));
    queue.modified_ms = moment.unix_ms;
    queue.touch_itself();
    Ok(Nothing {})
}

/// The policy as it is, or the one that AWS begins with.
fn policy(existing: Option<&str>, arn: &str) -> Value {
    let parsed = existing.and_then(|text| serde_json::from_str(text).ok());
    parsed.filter(Value::is_object).unwrap_or_else(|| {
        json!({
            "Version": "2008-10-17",
            "Id": format!("{arn}/SQSDefaultPolicy"),
            "Statement": [],
        })
    })
}

/// The statements of a policy; one that stands for itself becomes a list of one.
fn statements(policy: &mut Value) -> &mut Vec<Value> {
    let statement = &mut policy["Statement"];
    if !statement.is_array() {
        *statement = match statement.take() {
            Value::Null => json!([]),
            only => json!([only]),
        };
    }
    match statement {
        Value::Array(statements) => statements,
        _ => unreachable!("it was made an array above"),
    }
}

/// AWS writes a list of one as what is in it.
fn one_or_all(mut values: Vec<String>) -> Value {
    if values.len() == 1 {
        return values.remove(0).into();
    }
    values.into()
}

fn check_label(label: &str) -> Result<(), SqsError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if label.len() <= 80 && label.bytes().all(allowed) {
        return Ok(());
    }
    let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
    Err(SqsError::invalid("Label", label, reason))
}

fn check_accounts(accounts: &[String]) -> Result<(), SqsError> {
    if accounts.is_empty() {
        return Err(SqsError::MissingParameter {
            parameter: "PrincipalId",
        });
    }
    let is_account =
        |account: &String| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    match accounts.iter().find(|account| !is_account(account)) {
        Some(account) => {
            let reason = "Unable to verify. An account id has 12 digits.";
            Err(SqsError::invalid("PrincipalId", account, reason))
        }
        None => Ok(()),
    }
}

fn check_actions(actions: &[String]) -> Result<(), SqsError> {
    if actions.is_empty() {
        return Err(SqsError::MissingParameter { parameter: "Actions" });
    }
    let is_action = |action: &str| action == "*" || Operation::from_name(action).is_some();
    if let Some(action) = actions.iter().find(|action| !is_action(action)) {
        let reason = "Please refer to the appropriate WSDL for a list of valid actions.";
        return Err(SqsError::invalid("ActionName", &format!("SQS:{action}"), reason));
    }
    if actions.len() > MAX_ACTIONS {
        return Err(SqsError::TooManyPermissions {
            what: "actions of a permission",
            limit: MAX_ACTIONS,
        });
    }
    Ok(())
}
