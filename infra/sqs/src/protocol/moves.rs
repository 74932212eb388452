//! Operations on message move tasks, which bring messages back from a dead-letter queue.

use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::required;
use crate::error::SqsError;
use crate::moment::Moment;
use crate::move_task::MoveTask;
use crate::redrive::MoveOrder;
use crate::state::State;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

pub(super) fn start(
    state: &mut State,
    moment: Moment,
    request: StartMessageMoveTask,
) -> Result<Value, SqsError> {
    let rate = request.max_number_of_messages_per_second;
    if let Some(rate) = rate.filter(|rate| !(1..=500).contains(rate)) {
        let reason = "Must be between 1 and 500, if provided.";
        return Err(SqsError::invalid("MaxNumberOfMessagesPerSecond", &rate, reason));
    }
    let order = MoveOrder {
        source_arn: required(request.source_arn, "SourceArn")?,
        destination_arn: request.destination_arn.filter(|arn| !arn.is_empty()),
        max_messages_per_second: rate,
    };
    let handle = state.move_messages(order, moment)?;
    Ok(json!({ "TaskHandle": handle }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMessageMoveTasks {
    source_arn: Option<String>,
    max_results: Option<i64>,
}

pub(super) fn list(state: &mut State, _: Moment, request: ListMessageMoveTasks) -> Result<Value, SqsError> {
    let source_arn = required(request.source_arn, "SourceArn")?;
    let asked = request.max_results.unwrap_or(1);
    let most = usize::try_from(asked).ok().filter(|most| (1..=10).contains(most));
    let most = most.ok_or_else(|| SqsError::invalid("MaxResults", &asked, "Must be between 1 and 10."))?;
    let results: Vec<Value> = state
        .move_tasks(&source_arn)?
        .iter()
        .take(most)
        .map(task)
        .collect();
    Ok(json!({ "Results": results }))
}

/// A task as it is listed. Its handle is told for running tasks only, and none is running.
fn task(task: &MoveTask) -> Value {
    let mut listed = json!({
        "Status": if task.failure.is_some() { "FAILED" } else { "COMPLETED" },
        "SourceArn": task.source_arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_ms,
    });
    if let Some(arn) = &task.destination_arn {
        listed["DestinationArn"] = arn.as_str().into();
    }
    if let Some(rate) = task.max_messages_per_second {
        listed["MaxNumberOfMessagesPerSecond"] = rate.into();
    }
    if let Some(failure) = task.failure {
        listed["FailureReason"] = failure.into();
    }
    listed
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelMessageMoveTask {
    task_handle: Option<String>,
}

pub(super) fn cancel(
    state: &mut State,
    _: Moment,
    request: CancelMessageMoveTask,
) -> Result<Value, SqsError> {
    Err(state.cancel_move(&required(request.task_handle, "TaskHandle")?))
}
