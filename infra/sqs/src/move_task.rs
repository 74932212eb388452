//! A message move task, as its queue remembers it.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::encoding::{from_base64, to_base64};
use crate::message::MessageKey;
use crate::moment::Moment;

/// What a task is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct MoveOrder {
    pub(crate) source_arn: String,
    /// None sends each message back to the queue that gave it up.
    pub(crate) destination_arn: Option<String>,
    /// None moves all messages at once.
    pub(crate) max_messages_per_second: Option<u32>,
}

/// A message move task.
#[derive(Clone, Debug)]
pub(crate) struct MoveTask {
    pub(crate) id: String,
    pub(crate) order: MoveOrder,
    pub(crate) status: MoveStatus,
    pub(crate) to_move: usize,
    pub(crate) moved: usize,
    pub(crate) started_ms: u64,
    /// What was visible when the task began and was not looked at yet, the oldest first.
    pub(crate) pending: VecDeque<MessageKey>,
    /// Whether a message was left where it is, since the queue it came from is unknown.
    pub(crate) left_some: bool,
    /// When the next messages go.
    pub(crate) next_step: Instant,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MoveStatus {
    Running,
    Completed,
    Cancelled,
    Failed(MoveFailure),
}

/// Why a task failed, by AWS's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum MoveFailure {
    /// The queue that the messages were to go to is gone.
    #[serde(rename = "AWS.SimpleQueueService.NonExistentQueue")]
    NoDestination,
    /// A message had no queue to go back to.
    #[serde(rename = "CouldNotDetermineMessageSource")]
    UnknownSource,
}

/// How far one step is from the next.
pub(crate) const STEP: Duration = Duration::from_secs(1);

impl MoveTask {
    pub(crate) fn new(order: MoveOrder, pending: VecDeque<MessageKey>, moment: Moment) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            order,
            status: MoveStatus::Running,
            to_move: pending.len(),
            moved: 0,
            started_ms: moment.unix_ms,
            pending,
            left_some: false,
            next_step: moment.instant,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.status == MoveStatus::Running
    }

    /// The most messages that go in one step, of which there is one each second.
    pub(crate) fn messages_a_step(&self) -> usize {
        let rate = self.order.max_messages_per_second;
        rate.and_then(|rate| usize::try_from(rate).ok())
            .unwrap_or(usize::MAX)
    }

    /// A step is over: the task waits for the next one, or ends if nothing is left to look at.
    pub(crate) fn step_is_over(&mut self) {
        self.next_step += STEP;
        if self.is_running() && self.pending.is_empty() {
            self.status = if self.left_some {
                MoveStatus::Failed(MoveFailure::UnknownSource)
            } else {
                MoveStatus::Completed
            };
        }
    }

    pub(crate) fn handle(&self) -> String {
        let handle = TaskHandle {
            task_id: self.id.clone(),
            source_arn: self.order.source_arn.clone(),
        };
        handle.to_text()
    }
}

/// What a task handle stands for, as AWS has it: Base64 of JSON.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskHandle {
    pub(crate) task_id: String,
    pub(crate) source_arn: String,
}

impl TaskHandle {
    fn to_text(&self) -> String {
        let json = serde_json::to_vec(self).expect("two texts can be written as JSON");
        to_base64(&json)
    }

    /// None if the text is no task handle.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_slice(&from_base64(text)?).ok()
    }
}
