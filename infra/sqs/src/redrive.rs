//! Redrive: messages that were received too often, and the tasks that bring them back.
//!
//! The way to a dead-letter queue is part of a receive (see `state`). The way back is a task, which AWS
//! runs beside the queue's traffic; here it is over before the request is answered.

use crate::error::SqsError;
use crate::moment::Moment;
use crate::move_task::MoveTask;
use crate::queue::MessageKey;
use crate::state::State;

/// The most tasks that a queue remembers, as AWS lists them.
const REMEMBERED_TASKS: usize = 10;

/// What a task is asked to do.
pub(crate) struct MoveOrder {
    pub(crate) source_arn: String,
    /// None sends each message back to the queue that gave it up.
    pub(crate) destination_arn: Option<String>,
    pub(crate) max_messages_per_second: Option<i64>,
}

impl State {
    /// Moves the visible messages of a dead-letter queue, and returns the task's handle. Moved messages
    /// are new ones, with another id and timestamp, as AWS documents.
    pub(crate) fn move_messages(&mut self, order: MoveOrder, moment: Moment) -> Result<String, SqsError> {
        let source = self.queue_of_arn("SourceArn", &order.source_arn)?;
        let destination = match &order.destination_arn {
            Some(arn) => Some(self.queue_of_arn("DestinationArn", arn)?),
            None => None,
        };
        if self.dead_letter_sources(&source).next().is_none() {
            let reason = "Source queue must be configured as a Dead Letter Queue.";
            return Err(SqsError::invalid("SourceArn", &order.source_arn, reason));
        }
        if destination.as_ref() == Some(&source) {
            let reason = "The destination must be another queue than the source.";
            return Err(SqsError::invalid("DestinationArn", &order.source_arn, reason));
        }
        let candidates = self.settled_queue(&source, moment)?.visible_keys();
        let mut moved = 0;
        for key in &candidates {
            moved += usize::from(self.move_one(&source, destination.as_deref(), *key, moment));
        }
        let task = MoveTask {
            handle: uuid::Uuid::new_v4().to_string(),
            source_arn: order.source_arn,
            destination_arn: order.destination_arn,
            max_messages_per_second: order.max_messages_per_second,
            to_move: candidates.len(),
            moved,
            failure: (moved < candidates.len()).then_some("CouldNotDetermineMessageSource"),
            started_ms: moment.unix_ms,
        };
        let handle = task.handle.clone();
        let queue = self.queue(&source)?;
        queue.move_tasks.push_front(task);
        queue.move_tasks.truncate(REMEMBERED_TASKS);
        Ok(handle)
    }

    /// Moves one message; false leaves it where it is, since the queue it came from is unknown or gone.
    fn move_one(&mut self, source: &str, destination: Option<&str>, key: MessageKey, moment: Moment) -> bool {
        let Some(destination) = destination
            .map(str::to_owned)
            .or_else(|| self.origin_of(source, key))
        else {
            return false;
        };
        if !self.queues.contains_key(&destination) {
            return false;
        }
        let Some(message) = self.queues.get_mut(source).and_then(|queue| queue.remove(key)) else {
            return false;
        };
        let key = self.next_number();
        let Some(queue) = self.queues.get_mut(&destination) else {
            return false;
        };
        let delay = queue.configuration.attributes.delay;
        queue.add(key, message.sent_again(moment), delay, moment.instant);
        true
    }

    fn origin_of(&self, queue: &str, key: MessageKey) -> Option<String> {
        let arn = self.queues.get(queue)?.dead_letter_source(key)?;
        self.address.name_in_arn(arn).map(str::to_owned)
    }

    fn queue_of_arn(&self, parameter: &'static str, arn: &str) -> Result<String, SqsError> {
        let name = self
            .address
            .name_in_arn(arn)
            .filter(|name| self.queues.contains_key(*name));
        name.map(str::to_owned).ok_or_else(|| SqsError::ResourceNotFound {
            parameter,
            value: arn.to_owned(),
        })
    }

    /// The tasks of a queue, the latest first.
    pub(crate) fn move_tasks(&mut self, source_arn: &str) -> Result<Vec<MoveTask>, SqsError> {
        let source = self.queue_of_arn("SourceArn", source_arn)?;
        Ok(self.queue(&source)?.move_tasks.iter().cloned().collect())
    }

    /// Refuses: a task is over before anyone can know its handle.
    pub(crate) fn cancel_move(&self, handle: &str) -> SqsError {
        let known = self
            .queues
            .values()
            .flat_map(|queue| &queue.move_tasks)
            .any(|task| task.handle == handle);
        if known {
            let reason =
                "only a running message move task can be cancelled, and this one has ended.".to_owned();
            SqsError::UnsupportedOperation { reason }
        } else {
            SqsError::ResourceNotFound {
                parameter: "TaskHandle",
                value: handle.to_owned(),
            }
        }
    }
}
