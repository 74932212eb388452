//! One queue: its messages, when each becomes visible, and when each is given up.
//!
//! Messages are sorted in three ways at once, each a balanced tree: the visible ones by when they became
//! visible, the hidden ones (delayed or in flight) by when they will, and all by age. Whatever the
//! depth, a receive takes the first of the first, and time is followed by taking the first of the
//! others for as long as they are due.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use crate::attributes::{Configuration, MAX_VISIBILITY_TIMEOUT, check_visibility};
use crate::encoding::{from_base64, to_base64};
use crate::error::SqsError;
use crate::ledger::Ledger;
use crate::message::{Prepared, Received, Sent, SystemAttributes};
use crate::message_attribute::MessageAttribute;
use crate::moment::Moment;
use crate::move_task::MoveTask;

pub(crate) use crate::message::MessageKey;

/// The most messages of a queue that are received and neither deleted nor visible again.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const IN_FLIGHT_LIMIT: usize = 120_000;

/// AWS tells the principal's id; there is one user here, and no one to tell apart.
const SENDER_ID: &str = "AIDAEMBEDDEDSQSSENDER";

/// How many messages a queue has, by what they can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Can be received now.
    pub visible: usize,
    /// Were received, and neither deleted nor visible again.
    pub in_flight: usize,
    /// Were sent with a delay that isn't over.
    pub delayed: usize,
}

/// A message that waits in a queue, as somebody sees it who only looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub message_id: String,
    /// The body.
    pub body: String,
    /// When it was sent, by the wall clock, in milliseconds since 1970.
    pub sent_timestamp_ms: u64,
    /// What the producer put next to the body.
    pub message_attributes: BTreeMap<String, MessageAttribute>,
    /// How long it can't be received for: it was sent with a delay, or somebody has received it. None if it can be.
    pub hidden_for: Option<Duration>,
}

/// A message that some queue keeps.
pub(crate) struct Message {
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, MessageAttribute>,
    pub(crate) trace_header: Option<String>,
    pub(crate) sent: Sent,
    pub(crate) bytes: usize,
    /// The ARN of the queue that gave it up.
    pub(crate) dead_letter_source: Option<String>,
    pub(crate) sent_at: Moment,
    /// Over all queues, as it is told.
    pub(crate) receive_count: u32,
    /// In this queue alone, as the redrive policy counts: a dead-letter queue with a policy of its own
    /// would otherwise pass on at once what it got.
    pub(crate) receives_here: u32,
    pub(crate) first_receive_ms: u64,
    pub(crate) place: Place,
}

#[derive(Clone, Copy)]
pub(crate) enum Place {
    Visible { since: Instant },
    Delayed { until: Instant },
    InFlight { until: Instant, received_at: Instant },
}

impl Message {
    pub(crate) fn new(prepared: Prepared, moment: Moment) -> Self {
        let Prepared {
            outgoing,
            sent,
            bytes,
        } = prepared;
        Self {
            body: outgoing.body,
            attributes: outgoing.attributes,
            trace_header: outgoing.trace_header,
            sent,
            bytes,
            dead_letter_source: None,
            sent_at: moment,
            receive_count: 0,
            receives_here: 0,
            first_receive_ms: 0,
            place: Place::Visible {
                since: moment.instant,
            },
        }
    }

    /// The same contents as a new message: another id, another age, never received.
    pub(crate) fn sent_again(self, moment: Moment) -> Self {
        let message_id = uuid::Uuid::new_v4().to_string();
        Self {
            sent: Sent {
                message_id,
                ..self.sent
            },
            dead_letter_source: None,
            sent_at: moment,
            receive_count: 0,
            receives_here: 0,
            first_receive_ms: 0,
            place: Place::Visible {
                since: moment.instant,
            },
            ..self
        }
    }

    fn received(&self, receipt_handle: String) -> Received {
        Received {
            message_id: self.sent.message_id.clone(),
            receipt_handle,
            body: self.body.clone(),
            md5_of_body: self.sent.md5_of_body.clone(),
            attributes: SystemAttributes {
                sent_timestamp_ms: self.sent_at.unix_ms,
                approximate_receive_count: self.receive_count,
                approximate_first_receive_timestamp_ms: self.first_receive_ms,
                sender_id: SENDER_ID.to_owned(),
                aws_trace_header: self.trace_header.clone(),
                dead_letter_queue_source_arn: self.dead_letter_source.clone(),
            },
            message_attributes: self.attributes.clone(),
            md5_of_message_attributes: self.sent.md5_of_message_attributes.clone(),
        }
    }
}

/// A queue with its messages.
pub(crate) struct Queue {
    /// Tells a queue from a later one of the same name, for waiters and for receipt handles.
    pub(crate) incarnation: u64,
    pub(crate) configuration: Configuration,
    tags: BTreeMap<String, String>,
    pub(crate) created_ms: u64,
    pub(crate) modified_ms: u64,
    /// The latest first.
    pub(crate) move_tasks: VecDeque<MoveTask>,
    messages: HashMap<MessageKey, Message>,
    visible: BTreeSet<(Instant, MessageKey)>,
    hidden: BTreeSet<(Instant, MessageKey)>,
    by_age: BTreeSet<(Instant, MessageKey)>,
    delayed: usize,
    in_flight: usize,
    changes: Arc<Notify>,
    /// Takes note of what changes, if somebody keeps it.
    pub(crate) ledger: Option<Ledger>,
}

impl Queue {
    pub(crate) fn new(incarnation: u64, configuration: Configuration, moment: Moment) -> Self {
        Self {
            incarnation,
            configuration,
            tags: BTreeMap::new(),
            created_ms: moment.unix_ms,
            modified_ms: moment.unix_ms,
            move_tasks: VecDeque::new(),
            messages: HashMap::new(),
            visible: BTreeSet::new(),
            hidden: BTreeSet::new(),
            by_age: BTreeSet::new(),
            delayed: 0,
            in_flight: 0,
            changes: Arc::new(Notify::new()),
            ledger: None,
        }
    }

    fn touch(&mut self, key: MessageKey) {
        if let Some(ledger) = &mut self.ledger {
            ledger.touch(key);
        }
    }

    pub(crate) fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    pub(crate) fn change_tags(&mut self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        change(&mut self.tags);
        self.touch_itself();
    }

    /// Takes note that its settings or its move tasks are other ones.
    pub(crate) fn touch_itself(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.touch_queue();
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = MessageKey> {
        self.messages.keys().copied()
    }

    /// The messages that are there, and those that were since somebody last asked for what has changed.
    pub(crate) fn known_keys(&self) -> impl Iterator<Item = MessageKey> {
        let touched = self.ledger.iter().flat_map(|ledger| &ledger.touched);
        self.keys().chain(touched.copied())
    }

    pub(crate) fn message(&self, key: MessageKey) -> Option<&Message> {
        self.messages.get(&key)
    }

    /// Takes a message in that an earlier process had, where it was then.
    pub(crate) fn put_back(&mut self, key: MessageKey, message: Message) {
        let place = message.place;
        match place {
            Place::Visible { .. } => {}
            Place::Delayed { .. } => self.delayed += 1,
            Place::InFlight { .. } => self.in_flight += 1,
        }
        self.by_age.insert((message.sent_at.instant, key));
        self.messages.insert(key, message);
        self.enter(key, place);
    }

    /// Follows time: messages past their retention go, and those that are due become visible. Comes
    /// before anything that looks at the messages. Returns how many expired.
    pub(crate) fn settle(&mut self, now: Instant) -> u64 {
        let retention = self.configuration.attributes.retention;
        let mut expired = 0;
        while let Some((sent, key)) = self.by_age.first().copied()
            && sent + retention <= now
        {
            // Taken out of the order here too, so that the loop ends even for a message that isn't there.
            self.by_age.remove(&(sent, key));
            self.remove(key);
            expired += 1;
        }
        while let Some((due, key)) = self.hidden.first().copied()
            && due <= now
        {
            self.hidden.remove(&(due, key));
            self.place(key, Place::Visible { since: due });
        }
        expired
    }

    /// Counts as they are now; [`Queue::settle`] comes first.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            visible: self.visible.len(),
            in_flight: self.in_flight,
            delayed: self.delayed,
        }
    }

    /// Takes a message in, visible after a delay.
    pub(crate) fn add(&mut self, key: MessageKey, message: Message, delay: Duration, now: Instant) {
        self.by_age.insert((message.sent_at.instant, key));
        self.messages.insert(key, message);
        let place = if delay.is_zero() {
            Place::Visible { since: now }
        } else {
            self.delayed += 1;
            Place::Delayed { until: now + delay }
        };
        self.enter(key, place);
        self.touch(key);
    }

    /// Takes in a message that another queue gave up. It keeps its id, its age and its counts.
    pub(crate) fn add_dead_letter(
        &mut self,
        key: MessageKey,
        mut message: Message,
        source: String,
        now: Instant,
    ) {
        message.dead_letter_source = Some(source);
        message.receives_here = 0;
        self.add(key, message, Duration::ZERO, now);
    }

    /// The message that has been visible for longest, unless the limit of messages in flight is reached.
    pub(crate) fn next_to_receive(&self) -> Option<MessageKey> {
        if self.in_flight >= IN_FLIGHT_LIMIT {
            return None;
        }
        self.visible.first().map(|(_, key)| *key)
    }

    /// Every visible message, the one that has been so for longest first.
    pub(crate) fn visible_keys(&self) -> Vec<MessageKey> {
        self.visible.iter().map(|(_, key)| *key).collect()
    }

    /// Whether a message is there and can be received.
    pub(crate) fn is_visible(&self, key: MessageKey) -> bool {
        let message = self.messages.get(&key);
        message.is_some_and(|message| matches!(message.place, Place::Visible { .. }))
    }

    /// The ARN of the queue that gave a message up.
    pub(crate) fn dead_letter_source(&self, key: MessageKey) -> Option<&str> {
        self.messages.get(&key)?.dead_letter_source.as_deref()
    }

    /// Whether messages are there and none is handed out.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.in_flight >= IN_FLIGHT_LIMIT && !self.visible.is_empty()
    }

    /// How often a message was received in this queue.
    pub(crate) fn receives_here(&self, key: MessageKey) -> u32 {
        self.messages.get(&key).map_or(0, |message| message.receives_here)
    }

    /// Hands a visible message out and hides it; returns it with its size.
    pub(crate) fn receive(
        &mut self,
        key: MessageKey,
        visibility: Duration,
        moment: Moment,
    ) -> Option<(Received, usize)> {
        let message = self.messages.get_mut(&key)?;
        message.receive_count += 1;
        message.receives_here += 1;
        if message.receive_count == 1 {
            message.first_receive_ms = moment.unix_ms;
        }
        let receipt = Receipt {
            incarnation: self.incarnation,
            key,
            receive: message.receive_count,
        };
        let received = (message.received(receipt.to_handle()), message.bytes);
        let until = moment.instant + visibility;
        self.place(
            key,
            Place::InFlight {
                until,
                received_at: moment.instant,
            },
        );
        self.touch(key);
        Some(received)
    }

    /// Removes the message of a receipt handle; whether it was still there. Older handles work for as
    /// long as the message exists, visible or not, as AWS mostly has it.
    pub(crate) fn delete(&mut self, receipt_handle: &str) -> Result<bool, SqsError> {
        let key = self.key_of(receipt_handle)?;
        Ok(self.remove(key).is_some())
    }

    /// Makes a received message visible that long from now. One whose timeout has passed is visible already and stays
    /// so: AWS accepts the request, and its handle has nothing more to hide.
    pub(crate) fn change_visibility(
        &mut self,
        receipt_handle: &str,
        timeout: Duration,
        now: Instant,
    ) -> Result<(), SqsError> {
        let key = self.key_of(receipt_handle)?;
        check_visibility(timeout)?;
        let Some(message) = self.messages.get(&key) else {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            return Err(SqsError::invalid("ReceiptHandle", receipt_handle, reason));
        };
        let Place::InFlight { received_at, .. } = message.place else {
            return Ok(());
        };
        if now.saturating_duration_since(received_at) + timeout > MAX_VISIBILITY_TIMEOUT {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds], counted \
                          from its receive.";
            return Err(SqsError::invalid(
                "VisibilityTimeout",
                &timeout.as_secs_f64(),
                reason,
            ));
        }
        let place = if timeout.is_zero() {
            Place::Visible { since: now }
        } else {
            Place::InFlight {
                until: now + timeout,
                received_at,
            }
        };
        self.place(key, place);
        self.touch(key);
        Ok(())
    }

    /// Takes a message out, wherever it is.
    pub(crate) fn remove(&mut self, key: MessageKey) -> Option<Message> {
        self.leave(key);
        let message = self.messages.remove(&key)?;
        self.by_age.remove(&(message.sent_at.instant, key));
        self.touch(key);
        Some(message)
    }

    /// All of them, in the order of sending.
    pub(crate) fn seen(&self, now: Instant) -> Vec<Seen> {
        let mut keys: Vec<_> = self.messages.keys().copied().collect();
        keys.sort_unstable();
        let messages = keys.iter().filter_map(|key| self.messages.get(key));
        messages
            .map(|message| Seen {
                message_id: message.sent.message_id.clone(),
                body: message.body.clone(),
                sent_timestamp_ms: message.sent_at.unix_ms,
                message_attributes: message.attributes.clone(),
                hidden_for: match message.place {
                    Place::Visible { .. } => None,
                    Place::Delayed { until } | Place::InFlight { until, .. } => {
                        Some(until.saturating_duration_since(now))
                    }
                },
            })
            .collect()
    }

    /// Takes the message of that id out; whether it was there.
    pub(crate) fn take_out(&mut self, message_id: &str) -> bool {
        let mut messages = self.messages.iter();
        let found = messages.find(|(_, message)| message.sent.message_id == message_id);
        let key = found.map(|(key, _)| *key);
        key.is_some_and(|key| self.remove(key).is_some())
    }

    /// When the next delayed message is due. After [`Queue::settle`] that is later than now.
    pub(crate) fn next_delayed(&self) -> Option<Instant> {
        if self.delayed == 0 {
            return None;
        }
        let is_delayed = |key: &MessageKey| {
            let message = self.messages.get(key);
            message.is_some_and(|message| matches!(message.place, Place::Delayed { .. }))
        };
        let mut hidden = self.hidden.iter();
        hidden.find(|(_, key)| is_delayed(key)).map(|(due, _)| *due)
    }

    /// Makes visible what is in flight.
    pub(crate) fn release(&mut self, now: Instant) {
        let in_flight = |message: &Message| matches!(message.place, Place::InFlight { .. });
        let messages = self.messages.iter().filter(|(_, message)| in_flight(message));
        let keys: Vec<_> = messages.map(|(key, _)| *key).collect();
        for key in keys {
            self.place(key, Place::Visible { since: now });
            self.touch(key);
        }
    }

    /// Takes every message out.
    pub(crate) fn purge(&mut self) {
        let keys: Vec<_> = self.keys().collect();
        for key in keys {
            self.touch(key);
        }
        self.messages.clear();
        self.visible.clear();
        self.hidden.clear();
        self.by_age.clear();
        self.delayed = 0;
        self.in_flight = 0;
        self.wake_waiters();
    }

    /// When the next hidden message is due. After [`Queue::settle`] that is later than now.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.hidden.first().map(|(due, _)| *due)
    }

    /// Resolves at the next change that a waiting receive must look at. Made under the lock: a change
    /// that comes before the waiter first polls it is not lost.
    pub(crate) fn next_change(&self) -> OwnedNotified {
        Arc::clone(&self.changes).notified_owned()
    }

    /// Makes waiting receives look again.
    pub(crate) fn wake_waiters(&self) {
        self.changes.notify_waiters();
    }

    fn key_of(&self, receipt_handle: &str) -> Result<MessageKey, SqsError> {
        Receipt::from_handle(receipt_handle)
            .filter(|receipt| receipt.incarnation == self.incarnation)
            .map(|receipt| receipt.key)
            .ok_or_else(|| SqsError::ReceiptHandleIsInvalid {
                receipt_handle: receipt_handle.to_owned(),
            })
    }

    /// Moves a message from its place to another one.
    fn place(&mut self, key: MessageKey, place: Place) {
        self.leave(key);
        if matches!(place, Place::InFlight { .. }) {
            self.in_flight += 1;
        }
        self.enter(key, place);
    }

    /// Takes a message out of its order, and out of the counts.
    fn leave(&mut self, key: MessageKey) {
        let Some(message) = self.messages.get(&key) else {
            return;
        };
        match message.place {
            Place::Visible { since } => {
                self.visible.remove(&(since, key));
            }
            Place::Delayed { until } => {
                self.hidden.remove(&(until, key));
                self.delayed -= 1;
            }
            Place::InFlight { until, .. } => {
                self.hidden.remove(&(until, key));
                self.in_flight -= 1;
                if self.in_flight + 1 == IN_FLIGHT_LIMIT {
                    self.wake_waiters();
                }
            }
        }
    }

    /// Puts a message into an order, and wakes those that wait for one.
    fn enter(&mut self, key: MessageKey, place: Place) {
        let Some(message) = self.messages.get_mut(&key) else {
            return;
        };
        message.place = place;
        match place {
            Place::Visible { since } => {
                self.visible.insert((since, key));
                self.wake_waiters();
            }
            Place::Delayed { until } | Place::InFlight { until, .. } => {
                self.hidden.insert((until, key));
                // Waiters sleep until the first of these is due, and this one is now the first.
                if self.hidden.first() == Some(&(until, key)) {
                    self.wake_waiters();
                }
            }
        }
    }
}

/// What a receipt handle stands for. The text is Base64, so that nobody reads more into it.
struct Receipt {
    incarnation: u64,
    key: MessageKey,
    /// Makes the handles of one message differ.
    receive: u32,
}

impl Receipt {
    fn to_handle(&self) -> String {
        to_base64(format!("receipt {} {} {}", self.incarnation, self.key, self.receive).as_bytes())
    }

    fn from_handle(handle: &str) -> Option<Self> {
        let text = String::from_utf8(from_base64(handle)?).ok()?;
        let mut words = text.strip_prefix("receipt ")?.split(' ');
        let receipt = Self {
            incarnation: words.next()?.parse().ok()?,
            key: words.next()?.parse().ok()?,
            receive: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(receipt)
    }
}
