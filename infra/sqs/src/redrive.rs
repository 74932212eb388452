//! Redrive: the tasks that bring dead letters back.
//!
//! The way to a dead-letter queue is part of a receive (see `state`). The way back is a task that runs beside the
//! queue's traffic, a step each second. Like delays and visibility timeouts it is followed when somebody looks: each
//! step is then taken as of when it was due, so that nothing has to run in between.

use crate::error::SqsError;
use crate::message::MessageKey;
use crate::moment::Moment;
use crate::move_task::{MoveFailure, MoveOrder, MoveStatus, MoveTask, TaskHandle};
use crate::state::State;
use tokio::time::Instant;

/// The most tasks that a queue remembers, as AWS lists them.
const REMEMBERED_TASKS: usize = 10;

impl State {
    /// Starts to move the visible messages of a dead-letter queue, and returns the task's handle. Moved messages
    /// are new ones, with another id and timestamp, as AWS documents.
    pub(crate) fn start_move(&mut self, order: MoveOrder, moment: Moment) -> Result<String, SqsError> {
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
        let queue = self.settled_queue(&source, moment)?;
        if queue.move_tasks.iter().any(MoveTask::is_running) {
            let reason = "There is already a task running. Only one active task is allowed for a source queue arn at \
                          a given time: wait for its end, or cancel it.";
            return Err(SqsError::invalid("SourceArn", &order.source_arn, reason));
        }
        let task = MoveTask::new(order, queue.visible_keys().into(), moment);
        let handle = task.handle();
        queue.move_tasks.push_front(task);
        queue.move_tasks.truncate(REMEMBERED_TASKS);
        self.moving.insert(source);
        self.advance_moves(moment);
        Ok(handle)
    }

    /// Takes all steps of all tasks that are due.
    pub(crate) fn advance_moves(&mut self, moment: Moment) {
        while let Some((due, source)) = self.next_step()
            && due <= moment.instant
        {
            self.step(&source, moment.at(due));
        }
    }

    /// When the next step of a running task is due.
    pub(crate) fn next_move(&self) -> Option<Instant> {
        self.next_step().map(|(due, _)| due)
    }

    fn next_step(&self) -> Option<(Instant, String)> {
        let moving = self.moving.iter();
        let steps = moving.filter_map(|name| {
            let running = self.queues.get(name)?.move_tasks.front()?;
            running.is_running().then(|| (running.next_step, name.clone()))
        });
        steps.min()
    }

    /// Moves what one second's share is.
    fn step(&mut self, source: &str, moment: Moment) {
        let Some(mut task) = self.take_task(source) else {
            return;
        };
        let destination = task.order.destination_arn.as_deref();
        let destination = destination
            .and_then(|arn| self.address.name_in_arn(arn))
            .map(str::to_owned);
        let mut left_in_step = task.messages_a_step();
        while left_in_step > 0
            && let Some(key) = task.pending.pop_front()
        {
            match self.move_one(source, destination.as_deref(), key, moment) {
                Moved::Yes => {
                    task.moved += 1;
                    left_in_step -= 1;
                }
                Moved::Gone => {}
                Moved::Unknown => task.left_some = true,
                Moved::NoDestination => {
                    task.status = MoveStatus::Failed(MoveFailure::NoDestination);
                    break;
                }
            }
        }
        task.step_is_over();
        if !task.is_running() {
            self.moving.remove(source);
        }
        if let Some(queue) = self.queues.get_mut(source) {
            queue.move_tasks.push_front(task);
            queue.touch_itself();
        }
    }

    /// The latest task of a queue, out of its list, so that it can be changed beside the queues.
    fn take_task(&mut self, source: &str) -> Option<MoveTask> {
        let task = self
            .queues
            .get_mut(source)
            .and_then(|queue| queue.move_tasks.pop_front());
        if task.is_none() {
            self.moving.remove(source);
        }
        task
    }

    fn move_one(
        &mut self,
        source: &str,
        destination: Option<&str>,
        key: MessageKey,
        moment: Moment,
    ) -> Moved {
        // Somebody received or deleted it since the task began.
        if !self.queues.get(source).is_some_and(|queue| queue.is_visible(key)) {
            return Moved::Gone;
        }
        let target = match destination {
            Some(destination) if !self.queues.contains_key(destination) => return Moved::NoDestination,
            Some(destination) => destination.to_owned(),
            None => match self.origin_of(source, key) {
                Some(origin) if self.queues.contains_key(&origin) => origin,
                _ => return Moved::Unknown,
            },
        };
        let Some(message) = self.queues.get_mut(source).and_then(|queue| queue.remove(key)) else {
            return Moved::Gone;
        };
        let key = self.next_number();
        let Some(queue) = self.queues.get_mut(&target) else {
            return Moved::NoDestination;
        };
        let delay = queue.configuration.attributes.delay;
        queue.add(key, message.sent_again(moment), delay, moment.instant);
        Moved::Yes
    }

    fn origin_of(&self, queue: &str, key: MessageKey) -> Option<String> {
        let arn = self.queues.get(queue)?.dead_letter_source(key)?;
        self.address.name_in_arn(arn).map(str::to_owned)
    }

    fn queue_of_arn(&self, parameter: &'static str, arn: &str) -> Result<String, SqsError> {
        if !arn.starts_with("arn:") || arn.split(':').count() != 6 {
            let reason =
                "You must use this format: arn:<partition>:<service>:<region>:<account-id>:<resource-id>";
            return Err(SqsError::invalid(parameter, arn, reason));
        }
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
    pub(crate) fn move_tasks(&mut self, source_arn: &str, moment: Moment) -> Result<Vec<MoveTask>, SqsError> {
        let source = self.queue_of_arn("SourceArn", source_arn)?;
        let queue = self.settled_queue(&source, moment)?;
        Ok(queue.move_tasks.iter().cloned().collect())
    }

    /// Ends a running task where it is, and returns how many messages it has moved.
    pub(crate) fn cancel_move(&mut self, handle: &str, moment: Moment) -> Result<usize, SqsError> {
        let wanted = TaskHandle::from_text(handle).ok_or_else(|| {
            let reason = "It must be the one that StartMessageMoveTask returned.";
            SqsError::invalid("TaskHandle", handle, reason)
        })?;
        let source = self.queue_of_arn("SourceArn", &wanted.source_arn)?;
        let queue = self.settled_queue(&source, moment)?;
        let task = queue.move_tasks.iter_mut().find(|task| task.id == wanted.task_id);
        let task = task.ok_or_else(|| SqsError::NoSuchTask {
            task: wanted.task_id.clone(),
        })?;
        if !task.is_running() {
            let reason =
                "only a running message move task can be cancelled, and this one has ended.".to_owned();
            return Err(SqsError::UnsupportedOperation { reason });
        }
        task.status = MoveStatus::Cancelled;
        let moved = task.moved;
        queue.touch_itself();
        self.moving.remove(&source);
        Ok(moved)
    }
}

/// What became of one message that a task looked at.
enum Moved {
    Yes,
    /// It isn't visible any more.
    Gone,
    /// It stays: the queue it came from is unknown, or gone.
    Unknown,
    /// It stays, as do all that follow: the queue that they were to go to is gone.
    NoDestination,
}
