//! The state behind the lock: all queues, and what concerns more than one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::address::{Address, check_name};
use crate::attributes::{Configuration, QueueAttributes};
use crate::error::SqsError;
use crate::ledger::Keeping;
use crate::message::{Prepared, Received, Sent, check_size};
use crate::moment::Moment;
use crate::queue::{IN_FLIGHT_LIMIT, Message, MessageKey, Queue};
use crate::receive::Receive;
use crate::redrive_allow::RedriveAllow;
use crate::totals::Totals;

/// Everything that the service knows.
pub(crate) struct State {
    pub(crate) address: Address,
    pub(crate) queues: BTreeMap<String, Queue>,
    pub(crate) totals: Totals,
    /// Told of each queue that is created.
    pub(crate) created: Arc<Notify>,
    /// The queues out of which a move task is running.
    pub(crate) moving: BTreeSet<String>,
    last_number: u64,
    /// What somebody keeps of this.
    pub(crate) keeping: Option<Keeping>,
}

impl State {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            queues: BTreeMap::new(),
            totals: Totals::default(),
            created: Arc::default(),
            moving: BTreeSet::new(),
            last_number: 0,
            keeping: None,
        }
    }

    /// Numbers up to this one were given before.
    pub(crate) fn count_from(&mut self, number: u64) {
        self.last_number = self.last_number.max(number);
    }

    /// A number that was never given before, for messages and for queues.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn queue(&mut self, name: &str) -> Result<&mut Queue, SqsError> {
        let missing = || SqsError::QueueDoesNotExist {
            queue: name.to_owned(),
        };
        self.queues.get_mut(name).ok_or_else(missing)
    }

    /// The queue as it is now: without what expired, and with what is due.
    pub(crate) fn settled_queue(&mut self, name: &str, moment: Moment) -> Result<&mut Queue, SqsError> {
        self.advance_moves(moment);
        let missing = || SqsError::QueueDoesNotExist {
            queue: name.to_owned(),
        };
        let queue = self.queues.get_mut(name).ok_or_else(missing)?;
        self.totals.expired += queue.settle(moment.instant);
        Ok(queue)
    }

    /// Creates a queue, or finds the one that is like it already.
    pub(crate) fn create_queue(
        &mut self,
        name: &str,
        configuration: Configuration,
        moment: Moment,
    ) -> Result<(), SqsError> {
        check_name(name)?;
        configuration.attributes.check()?;
        self.check_redrive(name, &configuration)?;
        if let Some(existing) = self.queues.get(name) {
            return match existing.configuration.difference(&configuration) {
                Some(attribute) => Err(SqsError::QueueNameExists {
                    queue: name.to_owned(),
                    attribute,
                }),
                None => Ok(()),
            };
        }
        let incarnation = self.next_number();
        let mut queue = Queue::new(incarnation, configuration, moment);
        queue.ledger = self.keeping.as_ref().map(Keeping::ledger);
        queue.touch_itself();
        self.queues.insert(name.to_owned(), queue);
        self.created.notify_waiters();
        Ok(())
    }

    /// Changes a queue's settings. They hold for what is sent and received from now on; the retention
    /// period holds for the messages that are there as well.
    pub(crate) fn configure_queue(
        &mut self,
        name: &str,
        changes: &BTreeMap<String, String>,
        moment: Moment,
    ) -> Result<(), SqsError> {
        let mut configuration = self.settled_queue(name, moment)?.configuration.clone();
        configuration.set(changes, &self.address)?;
        self.reconfigure(name, configuration, moment)
    }

    /// The same, all of them at once.
    pub(crate) fn replace_attributes(
        &mut self,
        name: &str,
        attributes: QueueAttributes,
        moment: Moment,
    ) -> Result<(), SqsError> {
        attributes.check()?;
        let mut configuration = self.settled_queue(name, moment)?.configuration.clone();
        configuration.attributes = attributes;
        self.reconfigure(name, configuration, moment)
    }

    fn reconfigure(
        &mut self,
        name: &str,
        configuration: Configuration,
        moment: Moment,
    ) -> Result<(), SqsError> {
        self.check_redrive(name, &configuration)?;
        let queue = self.queue(name)?;
        queue.configuration = configuration;
        queue.modified_ms = moment.unix_ms;
        queue.touch_itself();
        Ok(())
    }

    /// A policy that names a queue that isn't there would keep poison messages going round.
    fn check_redrive(&self, name: &str, configuration: &Configuration) -> Result<(), SqsError> {
        let Some(redrive) = &configuration.attributes.redrive else {
            return Ok(());
        };
        let target = &redrive.dead_letter_queue;
        if target == name {
            return Err(SqsError::invalid(
                "RedrivePolicy",
                target,
                "A queue can't be its own dead-letter queue.",
            ));
        }
        if !self.queues.contains_key(target) {
            let reason = "Dead letter target does not exist. Create the dead-letter queue first.";
            return Err(SqsError::invalid("RedrivePolicy", target, reason));
        }
        if !self.takes_dead_letters(target, name) {
            let reason =
                "The RedriveAllowPolicy of the dead-letter queue does not allow this queue as a source.";
            return Err(SqsError::invalid("RedrivePolicy", target, reason));
        }
        Ok(())
    }

    /// Whether a queue is there to take the dead letters of another, and allows it. One that stopped allowing it gets
    /// no more: they stay where they are.
    fn takes_dead_letters(&self, target: &str, source: &str) -> bool {
        let Some(target) = self.queues.get(target) else {
            return false;
        };
        match &target.configuration.redrive_allow {
            RedriveAllow::All => true,
            allow => allow.allows(&self.address.arn(source)),
        }
    }

    /// Deletes a queue with its messages. Receives that wait on it end with an error.
    pub(crate) fn delete_queue(&mut self, name: &str) -> Result<(), SqsError> {
        self.queue(name)?.wake_waiters();
        if let (Some(queue), Some(keeping)) = (self.queues.remove(name), &mut self.keeping) {
            keeping.delete(name, queue.known_keys());
        }
        Ok(())
    }

    /// The queues that give their messages up to this one.
    pub(crate) fn dead_letter_sources<'a>(
        &'a self,
        dead_letter_queue: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        self.queues.iter().filter_map(move |(name, queue)| {
            let redrive = queue.configuration.attributes.redrive.as_ref()?;
            (redrive.dead_letter_queue == dead_letter_queue).then_some(name.as_str())
        })
    }

    /// Puts a message into a queue.
    pub(crate) fn send(&mut self, name: &str, prepared: Prepared, moment: Moment) -> Result<Sent, SqsError> {
        let key = self.next_number();
        let queue = self.settled_queue(name, moment)?;
        let attributes = &queue.configuration.attributes;
        check_size(prepared.bytes, attributes.max_message_bytes)?;
        let delay = prepared.outgoing.delay.unwrap_or(attributes.delay);
        let sent = prepared.sent.clone();
        queue.add(key, Message::new(prepared, moment), delay, moment.instant);
        self.totals.sends += 1;
        Ok(sent)
    }

    /// Hands out what is visible, and gives up what was received too often. An empty list means that
    /// there is nothing for now.
    pub(crate) fn receive(
        &mut self,
        name: &str,
        request: &Receive,
        moment: Moment,
    ) -> Result<Vec<Received>, SqsError> {
        let queue = self.settled_queue(name, moment)?;
        let attributes = queue.configuration.attributes.clone();
        let redrive = attributes
            .redrive
            .filter(|redrive| self.takes_dead_letters(&redrive.dead_letter_queue, name));
        let queue = self.queue(name)?;
        let visibility = request.visibility.unwrap_or(attributes.visibility_timeout);
        let mut received = Vec::new();
        let mut given_up = Vec::new();
        let mut bytes = 0;
        while received.len() < request.max
            && let Some(key) = queue.next_to_receive()
        {
            if redrive
                .as_ref()
                .is_some_and(|redrive| queue.receives_here(key) >= redrive.max_receive_count)
            {
                given_up.extend(queue.remove(key).map(|message| (key, message)));
            } else if let Some((message, size)) = queue.receive(key, visibility, moment) {
                received.push(message);
                bytes += size;
            }
        }
        // A receive that may wait gets no error, it waits; AWS has it the same way.
        if received.is_empty() && request.wait.is_zero() && queue.is_over_limit() {
            return Err(SqsError::OverLimit {
                queue: name.to_owned(),
                limit: IN_FLIGHT_LIMIT,
            });
        }
        if let Some(redrive) = redrive {
            self.give_up(name, &redrive.dead_letter_queue, given_up, moment);
        }
        self.totals.receives += received.len() as u64;
        self.totals.count_payload(bytes);
        Ok(received)
    }

    fn give_up(&mut self, source: &str, target: &str, messages: Vec<(MessageKey, Message)>, moment: Moment) {
        let source_arn = self.address.arn(source);
        let Some(target) = self.queues.get_mut(target) else {
            return;
        };
        self.totals.dead_lettered += messages.len() as u64;
        for (key, message) in messages {
            target.add_dead_letter(key, message, source_arn.clone(), moment.instant);
        }
    }

    pub(crate) fn delete(
        &mut self,
        name: &str,
        receipt_handle: &str,
        moment: Moment,
    ) -> Result<(), SqsError> {
        let was_there = self.settled_queue(name, moment)?.delete(receipt_handle)?;
        self.totals.deletes += u64::from(was_there);
        Ok(())
    }

    pub(crate) fn change_visibility(
        &mut self,
        name: &str,
        receipt_handle: &str,
        timeout: Duration,
        moment: Moment,
    ) -> Result<(), SqsError> {
        self.settled_queue(name, moment)?
            .change_visibility(receipt_handle, timeout, moment.instant)
    }
}
