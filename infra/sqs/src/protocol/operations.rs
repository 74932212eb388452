//! All operations: which rule each request goes to.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{messages, moves, permissions, queues};
use crate::error::SqsError;
use crate::moment::Moment;
use crate::service::Sqs;
use crate::state::State;
use crate::totals::Operation;

/// A request as its protocol reads it, and an answer as its protocol writes it.
pub(super) trait Protocol {
    /// The request of this type; an error if the members don't fit it.
    fn read<Request: DeserializeOwned>(&self) -> Result<Request, SqsError>;

    /// The body of an answer.
    fn write(&self, answer: &impl Serialize) -> Vec<u8>;

    /// The trace that the request belongs to, by its `X-Amzn-Trace-Id` header.
    fn trace_header(&self) -> Option<&str>;
}

/// Applies a request, and returns the body of its answer.
pub(super) async fn apply(
    sqs: &Sqs,
    operation: Operation,
    request: &impl Protocol,
) -> Result<Vec<u8>, SqsError> {
    sqs.count(operation);
    match operation {
        Operation::AddPermission => locked(sqs, request, permissions::add),
        Operation::RemovePermission => locked(sqs, request, permissions::remove),
        Operation::CreateQueue => locked(sqs, request, queues::create),
        Operation::DeleteQueue => locked(sqs, request, queues::delete),
        Operation::GetQueueUrl => locked(sqs, request, queues::url),
        Operation::ListQueues => locked(sqs, request, queues::list),
        Operation::ListDeadLetterSourceQueues => locked(sqs, request, queues::list_dead_letter_sources),
        Operation::GetQueueAttributes => locked(sqs, request, queues::attributes),
        Operation::SetQueueAttributes => locked(sqs, request, queues::set_attributes),
        Operation::PurgeQueue => locked(sqs, request, queues::purge),
        Operation::TagQueue => locked(sqs, request, queues::tag),
        Operation::UntagQueue => locked(sqs, request, queues::untag),
        Operation::ListQueueTags => locked(sqs, request, queues::tags),
        Operation::SendMessage => {
            let sent = messages::send(sqs, request.read()?, request.trace_header())?;
            Ok(request.write(&sent))
        }
        Operation::SendMessageBatch => {
            let sent = messages::send_batch(sqs, request.read()?, request.trace_header())?;
            Ok(request.write(&sent))
        }
        Operation::ReceiveMessage => {
            let received = messages::receive(sqs, request.read()?).await?;
            Ok(request.write(&received))
        }
        Operation::DeleteMessage => locked(sqs, request, messages::delete),
        Operation::DeleteMessageBatch => locked(sqs, request, messages::delete_batch),
        Operation::ChangeMessageVisibility => locked(sqs, request, messages::change_visibility),
        Operation::ChangeMessageVisibilityBatch => locked(sqs, request, messages::change_visibility_batch),
        Operation::StartMessageMoveTask => locked(sqs, request, moves::start),
        Operation::ListMessageMoveTasks => locked(sqs, request, moves::list),
        Operation::CancelMessageMoveTask => locked(sqs, request, moves::cancel),
    }
}

/// Reads, then applies under the lock, then writes.
fn locked<Request: DeserializeOwned, Reply: Serialize>(
    sqs: &Sqs,
    request: &impl Protocol,
    apply: impl FnOnce(&mut State, Moment, Request) -> Result<Reply, SqsError>,
) -> Result<Vec<u8>, SqsError> {
    let typed = request.read()?;
    let moment = sqs.moment();
    let reply = apply(&mut sqs.state(), moment, typed)?;
    Ok(request.write(&reply))
}

/// The operation of that name.
pub(super) fn known(operation: &str) -> Result<Operation, SqsError> {
    Operation::from_name(operation).ok_or_else(|| SqsError::UnknownOperation {
        operation: operation.to_owned(),
    })
}
