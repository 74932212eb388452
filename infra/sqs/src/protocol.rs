//! The AWS JSON 1.0 protocol: parse a request into its type, apply it, answer in JSON.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::SqsError;
use crate::moment::Moment;
use crate::service::Sqs;
use crate::state::State;
use crate::totals::Operation;

mod messages;
mod moves;
mod parts;
mod queues;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

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

impl Sqs {
    /// Answers a request of the AWS JSON protocol. The operation is what follows `AmazonSQS.` in the
    /// `X-Amz-Target` header. A long poll keeps the answer waiting for as long as it was asked to.
    pub async fn handle(&self, operation: &str, body: &[u8]) -> Answer {
        answer(self, operation, body).await
    }
}

/// Answers one request, whatever it holds.
async fn answer(sqs: &Sqs, operation: &str, body: &[u8]) -> Answer {
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
