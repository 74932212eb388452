//! Message move tasks, as they are kept somewhere else.
//!
//! A task is written with its queue at each step. Which messages it has still to look at, its line, may be long: it is
//! written once, and the task says how many of its last ones are left.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::message::MessageKey;
use crate::moment::Moment;
use crate::move_task::{MoveOrder, MoveStatus, MoveTask, STEP};

/// What the keys of lines begin with. Those of messages are numbers.
const LINE: &str = "move-";

#[derive(Serialize, Deserialize)]
pub(crate) struct KeptTask {
    id: String,
    source_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_messages_per_second: Option<u32>,
    status: MoveStatus,
    to_move: usize,
    moved: usize,
    started_ms: u64,
    left_some: bool,
    next_step_ms: u64,
    /// How many messages of its line it has still to look at; none of an ended one.
    left_in_line: usize,
}

impl KeptTask {
    pub(crate) fn of(task: &MoveTask, moment: Moment) -> Self {
        Self {
            id: task.id.clone(),
            source_arn: task.order.source_arn.clone(),
            destination_arn: task.order.destination_arn.clone(),
            max_messages_per_second: task.order.max_messages_per_second,
            status: task.status,
            to_move: task.to_move,
            moved: task.moved,
            started_ms: task.started_ms,
            left_some: task.left_some,
            next_step_ms: moment.unix_ms_of(task.next_step),
            left_in_line: if task.is_running() { task.pending.len() } else { 0 },
        }
    }

    /// The key of its line; none if it has ended and needs none.
    pub(crate) fn line_key(&self) -> Option<String> {
        (self.status == MoveStatus::Running).then(|| line_key(&self.id))
    }

    /// The task as it goes on, with what was told of its line.
    pub(crate) fn go_on(self, line: &[MessageKey], moment: Moment) -> MoveTask {
        let looked_at = line.len().saturating_sub(self.left_in_line);
        // It does not make up for the time in which no process was there: those who receive count on the rate.
        let next_step = moment.instant_of(self.next_step_ms);
        let next_step = next_step.clamp(moment.instant, moment.instant + STEP);
        MoveTask {
            id: self.id,
            order: MoveOrder {
                source_arn: self.source_arn,
                destination_arn: self.destination_arn,
                max_messages_per_second: self.max_messages_per_second,
            },
            status: self.status,
            to_move: self.to_move,
            moved: self.moved,
            started_ms: self.started_ms,
            pending: line.iter().skip(looked_at).copied().collect::<VecDeque<_>>(),
            left_some: self.left_some,
            next_step,
        }
    }
}

/// The key of a task's line.
pub(crate) fn line_key(id: &str) -> String {
    format!("{LINE}{id}")
}

pub(crate) fn is_line_key(key: &str) -> bool {
    key.starts_with(LINE)
}
