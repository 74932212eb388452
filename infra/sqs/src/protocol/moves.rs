//! Operations on message move tasks, which bring messages back from a dead-letter queue.

use serde::{Deserialize, Serialize};

use super::parts::required;
use crate::error::SqsError;
use crate::moment::Moment;
use crate::move_task::{MoveFailure, MoveOrder, MoveStatus, MoveTask};
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
) -> Result<StartAnswer, SqsError> {
    let rate = request.max_number_of_messages_per_second;
    let rate = rate.map(|rate| {
        let reason = "Must be between 1 and 500, if provided.";
        let allowed = u32::try_from(rate).ok().filter(|rate| (1..=500).contains(rate));
        allowed.ok_or_else(|| SqsError::invalid("MaxNumberOfMessagesPerSecond", &rate, reason))
    });
    let order = MoveOrder {
        source_arn: required(request.source_arn, "SourceArn")?,
        destination_arn: request.destination_arn.filter(|arn| !arn.is_empty()),
        max_messages_per_second: rate.transpose()?,
    };
    let task_handle = state.start_move(order, moment)?;
    Ok(StartAnswer { task_handle })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartAnswer {
    task_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMessageMoveTasks {
    source_arn: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<TaskAnswer>,
}

pub(super) fn list(
    state: &mut State,
    moment: Moment,
    request: ListMessageMoveTasks,
) -> Result<ListAnswer, SqsError> {
    let source_arn = required(request.source_arn, "SourceArn")?;
    let asked = request.max_results.unwrap_or(1);
    let most = usize::try_from(asked).ok().filter(|most| (1..=10).contains(most));
    let most = most.ok_or_else(|| SqsError::invalid("MaxResults", &asked, "Must be between 1 and 10."))?;
    let tasks = state.move_tasks(&source_arn, moment)?.into_iter();
    Ok(ListAnswer {
        results: tasks.take(most).map(TaskAnswer::of).collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskAnswer {
    /// Told of a running task only: there is nothing that could be done with it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: &'static str,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_messages_per_second: Option<u32>,
    approximate_number_of_messages_moved: usize,
    approximate_number_of_messages_to_move: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<MoveFailure>,
    started_timestamp: u64,
}

impl TaskAnswer {
    fn of(task: MoveTask) -> Self {
        let (status, failure_reason) = match task.status {
            MoveStatus::Running => ("RUNNING", None),
            MoveStatus::Completed => ("COMPLETED", None),
            MoveStatus::Cancelled => ("CANCELLED", None),
            MoveStatus::Failed(failure) => ("FAILED", Some(failure)),
        };
        Self {
            task_handle: task.is_running().then(|| task.handle()),
            status,
            source_arn: task.order.source_arn,
            destination_arn: task.order.destination_arn,
            max_number_of_messages_per_second: task.order.max_messages_per_second,
            approximate_number_of_messages_moved: task.moved,
            approximate_number_of_messages_to_move: task.to_move,
            failure_reason,
            started_timestamp: task.started_ms,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelMessageMoveTask {
    task_handle: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelAnswer {
    approximate_number_of_messages_moved: usize,
}

pub(super) fn cancel(
    state: &mut State,
    moment: Moment,
    request: CancelMessageMoveTask,
) -> Result<CancelAnswer, SqsError> {
    let handle = required(request.task_handle, "TaskHandle")?;
    let moved = state.cancel_move(&handle, moment)?;
    Ok(CancelAnswer {
        approximate_number_of_messages_moved: moved,
    })
}
