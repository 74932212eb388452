//! The AWS JSON 1.0 protocol: parse a request into its type, apply it, answer in JSON.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>

use std::collections::HashSet;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::queue::Moment;
use crate::state::State;
use crate::{Operation, Sqs, SqsError, address};

mod messages;
mod moves;
mod queues;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// The most entries of a batch.
const MAX_BATCH_ENTRIES: usize = 10;

/// What goes back over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The body, JSON.
    pub body: Vec<u8>,
    /// The `x-amzn-query-error` header of a refused request: SDKs take the error's code from it.
    pub error_type: Option<String>,
}

/// Answers one request, whatever it holds.
pub(crate) async fn answer(sqs: &Sqs, operation: &str, body: &[u8]) -> Answer {
    let outcome = match Operation::from_name(operation) {
        Some(operation) => {
            sqs.count(operation);
            apply(sqs, operation, body).await
        }
        None => Err(SqsError::UnknownOperation {
            operation: operation.to_owned(),
        }),
    };
    match outcome {
        Ok(body) => Answer {
            status: 200,
            content_type: CONTENT_TYPE,
            body: body.to_string().into_bytes(),
            error_type: None,
        },
        Err(error) => {
            let shape = error.shape();
            let body = json!({ "__type": shape.type_name, "message": error.to_string() });
            Answer {
                status: shape.status,
                content_type: CONTENT_TYPE,
                body: body.to_string().into_bytes(),
                error_type: Some(format!("{};Sender", shape.query_code)),
            }
        }
    }
}

async fn apply(sqs: &Sqs, operation: Operation, body: &[u8]) -> Result<Value, SqsError> {
    match operation {
        Operation::CreateQueue => locked(sqs, body, queues::create),
        Operation::DeleteQueue => locked(sqs, body, queues::delete),
        Operation::GetQueueUrl => locked(sqs, body, queues::url),
        Operation::ListQueues => locked(sqs, body, queues::list),
        Operation::ListDeadLetterSourceQueues => locked(sqs, body, queues::list_dead_letter_sources),
        Operation::GetQueueAttributes => locked(sqs, body, queues::attributes),
        Operation::SetQueueAttributes => locked(sqs, body, queues::set_attributes),
        Operation::PurgeQueue => locked(sqs, body, queues::purge),
        Operation::TagQueue => locked(sqs, body, queues::tag),
        Operation::UntagQueue => locked(sqs, body, queues::untag),
        Operation::ListQueueTags => locked(sqs, body, queues::tags),
        Operation::SendMessage => messages::send(sqs, parse(body)?),
        Operation::SendMessageBatch => messages::send_batch(sqs, parse(body)?),
        Operation::ReceiveMessage => messages::receive(sqs, parse(body)?).await,
        Operation::DeleteMessage => locked(sqs, body, messages::delete),
        Operation::DeleteMessageBatch => locked(sqs, body, messages::delete_batch),
        Operation::ChangeMessageVisibility => locked(sqs, body, messages::change_visibility),
        Operation::ChangeMessageVisibilityBatch => locked(sqs, body, messages::change_visibility_batch),
        Operation::StartMessageMoveTask => locked(sqs, body, moves::start),
        Operation::ListMessageMoveTasks => locked(sqs, body, moves::list),
        Operation::CancelMessageMoveTask => locked(sqs, body, moves::cancel),
        Operation::AddPermission | Operation::RemovePermission => {
            let reason = format!("{operation} changes a queue's policy, and no permission is checked here.");
            Err(SqsError::UnsupportedOperation { reason })
        }
    }
}

/// Parses, then applies under the lock.
fn locked<Request: DeserializeOwned>(
    sqs: &Sqs,
    body: &[u8],
    apply: impl FnOnce(&mut State, Moment, Request) -> Result<Value, SqsError>,
) -> Result<Value, SqsError> {
    let request = parse(body)?;
    let moment = sqs.moment();
    apply(&mut sqs.state(), moment, request)
}

fn parse<Request: DeserializeOwned>(body: &[u8]) -> Result<Request, SqsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| SqsError::Serialization {
        reason: error.to_string(),
    })
}

/// A member that a request can't do without. Empty text is no value either.
fn required(value: Option<String>, parameter: &'static str) -> Result<String, SqsError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or(SqsError::MissingParameter { parameter })
}

/// The queue that a request's URL stands for.
fn queue_name(url: Option<String>) -> Result<String, SqsError> {
    let url = required(url, "QueueUrl")?;
    Ok(address::name_in_url(&url).to_owned())
}

/// Seconds of the wire. Upper limits are the business of whoever takes the duration.
fn seconds(parameter: &'static str, value: i64) -> Result<Duration, SqsError> {
    let seconds = u64::try_from(value);
    let seconds =
        seconds.map_err(|_| SqsError::invalid(parameter, &value, "Must be >= 0 seconds, if provided."))?;
    Ok(Duration::from_secs(seconds))
}

/// An entry of a batch, as far as every batch looks at it.
trait Entry {
    fn id(&mut self) -> Option<String>;
}

/// The entries with their ids, if the batch as a whole is in order.
fn checked_batch<E: Entry>(entries: Option<Vec<E>>) -> Result<Vec<(String, E)>, SqsError> {
    let entries = entries.unwrap_or_default();
    check_batch_length(entries.len())?;
    let mut seen = HashSet::new();
    let mut batch = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let id = required(entry.id(), "Id")?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if id.len() > 80 || !id.bytes().all(allowed) {
            return Err(SqsError::InvalidBatchEntryId { id });
        }
        if !seen.insert(id.clone()) {
            return Err(SqsError::BatchEntryIdsNotDistinct { id });
        }
        batch.push((id, entry));
    }
    Ok(batch)
}

/// Refuses a batch without entries, or with more than ten.
pub(crate) fn check_batch_length(entries: usize) -> Result<(), SqsError> {
    match entries {
        0 => Err(SqsError::EmptyBatchRequest),
        1..=MAX_BATCH_ENTRIES => Ok(()),
        _ => Err(SqsError::TooManyEntriesInBatchRequest { entries }),
    }
}

/// The answer to a batch. An entry that was refused doesn't hold the others up.
fn batch_answer(outcomes: impl IntoIterator<Item = (String, Result<Value, SqsError>)>) -> Value {
    let mut successful = Vec::new();
    let mut failed = Vec::new();
    for (id, outcome) in outcomes {
        match outcome {
            Ok(mut entry) => {
                entry["Id"] = id.into();
                successful.push(entry);
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "SenderFault": true,
                "Code": error.code(),
                "Message": error.to_string(),
            })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

/// The page of a listing that a request asks for, and the token of the next one: the last name of the
/// page. AWS gives a token only to those that set a page size.
fn page(
    names: impl Iterator<Item = String>,
    max_results: Option<i64>,
    next_token: Option<String>,
) -> Result<(Vec<String>, Option<String>), SqsError> {
    const MOST: usize = 1000;
    let size = match max_results {
        None => MOST,
        Some(asked) => usize::try_from(asked)
            .ok()
            .filter(|size| (1..=MOST).contains(size))
            .ok_or_else(|| SqsError::invalid("MaxResults", &asked, "Must be between 1 and 1000."))?,
    };
    let after = next_token.unwrap_or_default();
    let mut names = names.filter(|name| *name > after);
    let page: Vec<String> = names.by_ref().take(size).collect();
    let is_last = max_results.is_none() || names.next().is_none();
    let token = page.last().filter(|_| !is_last).cloned();
    Ok((page, token))
}
