//! Keeping what the queues hold somewhere else, so that it is there again in another process.
//!
//! Whoever keeps it asks for what has changed, whenever that suits, and writes it down in one go: then what is written
//! is what the queues held at one moment, and how far their move tasks were. A message that came and went between two
//! questions is never told of. What is told are texts by collection and key; what they say is known here alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::address::Address;
use crate::attributes::Configuration;
use crate::encoding::{from_base64, to_base64};
use crate::kept_task::{KeptTask, is_line_key, line_key};
use crate::ledger::{Changed, Keeping};
use crate::message::Sent;
use crate::message_attribute::MessageAttribute;
use crate::moment::Moment;
use crate::queue::{Message, MessageKey, Place, Queue};
use crate::service::Sqs;
use crate::state::State;

/// Queues by name, with their settings and their move tasks.
const QUEUES: &str = "sqs-queues";
/// What messages say, by number. Written once.
const MESSAGES: &str = "sqs-messages";
/// Where messages are, by number: in which queue, since or until when, how often received. Also which of them a running
/// move task has still to look at, by the task.
const PLACES: &str = "sqs-places";

/// A text that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptChange {
    /// One of [`Sqs::COLLECTIONS`].
    pub collection: &'static str,
    /// Which text of the collection.
    pub key: String,
    /// The text; none if there is none any more.
    pub text: Option<String>,
}

/// A text that is none of this version's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{collection} {key} can't be read: {reason}")]
pub struct Unreadable {
    /// The collection.
    pub collection: &'static str,
    /// Which text of it.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
struct KeptQueue {
    number: u64,
    created_ms: u64,
    modified_ms: u64,
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// The latest first. Earlier versions kept none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    move_tasks: Vec<KeptTask>,
}

/// A message but for its body, which follows on the next line.
#[derive(Serialize, Deserialize)]
struct KeptMessage {
    id: String,
    md5: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5_of_attributes: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, KeptAttribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    bytes: usize,
}

#[derive(Serialize, Deserialize)]
struct KeptAttribute {
    data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// In Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptPlace {
    queue: u64,
    sent_ms: u64,
    #[serde(flatten)]
    place: At,
    /// Over all queues, and in this one.
    received: (u32, u32),
    first_received_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_up_by: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Visible(u64),
    Delayed(u64),
    /// Until when, and since when.
    InFlight(u64, u64),
}

impl Sqs {
    /// What [`Sqs::take_changes`] tells of.
    pub const COLLECTIONS: [&'static str; 3] = [QUEUES, MESSAGES, PLACES];

    /// Takes up what was kept, and from now on takes note of what changes; `changed` is called each time there is
    /// something new, and must not ask the queues anything. `kept` are the texts of each collection, by key. Queues that
    /// are there already are left alone, and not kept.
    pub fn keep(
        &self,
        kept: &BTreeMap<&'static str, Vec<(String, String)>>,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<(), Unreadable> {
        let moment = self.moment();
        self.state().keep(kept, Arc::new(changed), moment)
    }

    /// What has changed since this was last asked, nothing if nobody asked for that; and what `beside` finds while nothing
    /// is sent, received or deleted, and whoever wants to waits.
    pub fn take_changes<T>(&self, beside: impl FnOnce() -> T) -> (Vec<KeptChange>, T) {
        let moment = self.moment();
        let mut state = self.state();
        let changes = state.take_changes(moment);
        (changes, beside())
    }
}

/// What was kept, by collection: key and text.
type Kept = BTreeMap<&'static str, Vec<(String, String)>>;

impl State {
    fn keep(&mut self, kept: &Kept, changed: Changed, moment: Moment) -> Result<(), Unreadable> {
        let of = |collection| kept.get(collection).into_iter().flatten();
        let places: Places<'_> = of(PLACES)
            .map(|(key, text)| (key.as_str(), text.as_str()))
            .collect();
        let lines = places.keys().filter(|key| is_line_key(key));
        let mut keeping = Keeping::new(changed);
        keeping.told_lines = lines.map(|key| (*key).to_owned()).collect();
        let mut names = BTreeMap::new();
        for (name, text) in of(QUEUES) {
            let mut queue = self.take_up_queue(name, text, &places, moment)?;
            queue.ledger = Some(keeping.ledger());
            names.insert(queue.incarnation, name.clone());
            self.queues.insert(name.clone(), queue);
        }
        for (key, text) in of(MESSAGES) {
            let number = self.take_up_message(key, text, &places, &names, moment)?;
            keeping.told.insert(number);
        }
        self.keeping = Some(keeping);
        Ok(())
    }

    fn take_up_queue(
        &mut self,
        name: &str,
        text: &str,
        places: &Places<'_>,
        moment: Moment,
    ) -> Result<Queue, Unreadable> {
        let kept: KeptQueue = read(QUEUES, name, text)?;
        let mut configuration = Configuration::default();
        let set = configuration.set(&kept.attributes, &self.address);
        set.map_err(|error| unreadable(QUEUES, name, &error))?;
        let mut queue = Queue::new(kept.number, configuration, moment);
        (queue.created_ms, queue.modified_ms) = (kept.created_ms, kept.modified_ms);
        queue.change_tags(|tags| *tags = kept.tags);
        self.count_from(kept.number);
        for task in kept.move_tasks {
            let line = task.line_key().map(|key| line_in(places, &key));
            let line: Vec<MessageKey> = line.transpose()?.unwrap_or_default();
            // A message of the line may be gone, and no later one takes its number and its place.
            self.count_from(line.iter().copied().max().unwrap_or_default());
            let task = task.go_on(&line, moment);
            if task.is_running() {
                self.moving.insert(name.to_owned());
            }
            queue.move_tasks.push_back(task);
        }
        Ok(queue)
    }

    fn take_up_message(
        &mut self,
        key: &str,
        text: &str,
        places: &Places<'_>,
        names: &BTreeMap<u64, String>,
        moment: Moment,
    ) -> Result<MessageKey, Unreadable> {
        let number: MessageKey =
            u64::from_str_radix(key, 16).map_err(|error| unreadable(MESSAGES, key, &error))?;
        let place: KeptPlace = read(PLACES, key, text_in(places, key)?)?;
        let (head, body) = text.split_once('\n').unwrap_or((text, ""));
        let head: KeptMessage = read(MESSAGES, key, head)?;
        self.count_from(number);
        let queue = names.get(&place.queue).and_then(|name| self.queues.get_mut(name));
        let Some(queue) = queue else {
            return Err(unreadable(PLACES, key, &"its queue is not there"));
        };
        queue.put_back(number, message(head, body, place, moment)?);
        Ok(number)
    }

    fn take_changes(&mut self, moment: Moment) -> Vec<KeptChange> {
        let Some(keeping) = &mut self.keeping else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        for name in std::mem::take(&mut keeping.gone_queues) {
            changes.push(change(QUEUES, name, None));
        }
        let mut gone: BTreeSet<_> = std::mem::take(&mut keeping.gone_messages).into_iter().collect();
        let mut there = BTreeSet::new();
        for (name, queue) in &mut self.queues {
            let Some(ledger) = &mut queue.ledger else {
                continue;
            };
            let is_queue_touched = std::mem::take(&mut ledger.is_queue_touched);
            let touched = std::mem::take(&mut ledger.touched);
            if is_queue_touched {
                let text = text_of_queue(queue, &self.address, moment);
                changes.push(change(QUEUES, name.clone(), Some(text)));
            }
            for number in touched {
                match queue.message(number) {
                    None => drop(gone.insert(number)),
                    Some(_) if there.contains(&number) => {}
                    Some(message) => {
                        there.insert(number);
                        if keeping.told.insert(number) {
                            changes.push(change(MESSAGES, key(number), Some(text_of_message(message))));
                        }
                        let place = text_of_place(message, queue.incarnation, moment);
                        changes.push(change(PLACES, key(number), Some(place)));
                    }
                }
            }
        }
        // One that moved has left a queue and is there all the same.
        for number in gone.difference(&there) {
            if keeping.told.remove(number) {
                changes.push(change(MESSAGES, key(*number), None));
                changes.push(change(PLACES, key(*number), None));
            }
        }
        self.take_changes_of_lines(&mut changes);
        changes
    }

    /// Tells the line of a running move task once, and that it is gone when the task has ended or its queue is gone.
    fn take_changes_of_lines(&mut self, changes: &mut Vec<KeptChange>) {
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        let moving = self.moving.iter().filter_map(|name| self.queues.get(name));
        let kept = moving.filter(|queue| queue.ledger.is_some());
        let running: BTreeMap<_, _> = kept
            .filter_map(|queue| queue.move_tasks.front().filter(|task| task.is_running()))
            .map(|task| (line_key(&task.id), &task.pending))
            .collect();
        let ended = keeping
            .told_lines
            .iter()
            .filter(|key| !running.contains_key(*key));
        changes.extend(ended.map(|key| change(PLACES, key.clone(), None)));
        keeping.told_lines.retain(|key| running.contains_key(key));
        for (key, line) in running {
            if keeping.told_lines.insert(key.clone()) {
                changes.push(change(PLACES, key, Some(text(line))));
            }
        }
    }
}

/// Texts of their collection, by key.
type Places<'a> = BTreeMap<&'a str, &'a str>;

fn text_in<'a>(places: &Places<'a>, key: &str) -> Result<&'a str, Unreadable> {
    let text = places.get(key).copied();
    text.ok_or_else(|| unreadable(PLACES, key, &"it is not there"))
}

fn line_in(places: &Places<'_>, key: &str) -> Result<Vec<MessageKey>, Unreadable> {
    read(PLACES, key, text_in(places, key)?)
}

fn change(collection: &'static str, key: String, text: Option<String>) -> KeptChange {
    KeptChange {
        collection,
        key,
        text,
    }
}

/// Sorted as the numbers are.
fn key(number: MessageKey) -> String {
    format!("{number:016x}")
}

fn text_of_queue(queue: &Queue, address: &Address, moment: Moment) -> String {
    let texts = queue.configuration.texts(address).into_iter();
    text(&KeptQueue {
        number: queue.incarnation,
        created_ms: queue.created_ms,
        modified_ms: queue.modified_ms,
        attributes: texts.map(|(name, text)| (name.to_owned(), text)).collect(),
        tags: queue.tags().clone(),
        move_tasks: queue
            .move_tasks
            .iter()
            .map(|task| KeptTask::of(task, moment))
            .collect(),
    })
}

fn text_of_message(message: &Message) -> String {
    let attributes = message.attributes.iter().map(|(name, attribute)| {
        let kept = KeptAttribute {
            data_type: attribute.data_type.clone(),
            text: attribute.string_value.clone(),
            binary: attribute.binary_value.as_deref().map(to_base64),
        };
        (name.clone(), kept)
    });
    let head = text(&KeptMessage {
        id: message.sent.message_id.clone(),
        md5: message.sent.md5_of_body.clone(),
        md5_of_attributes: message.sent.md5_of_message_attributes.clone(),
        attributes: attributes.collect(),
        trace: message.trace_header.clone(),
        bytes: message.bytes,
    });
    format!("{head}\n{}", message.body)
}

fn text_of_place(message: &Message, queue: u64, moment: Moment) -> String {
    let ms = |at: Instant| moment.unix_ms_of(at);
    text(&KeptPlace {
        queue,
        sent_ms: message.sent_at.unix_ms,
        place: match message.place {
            Place::Visible { since } => At::Visible(ms(since)),
            Place::Delayed { until } => At::Delayed(ms(until)),
            Place::InFlight { until, received_at } => At::InFlight(ms(until), ms(received_at)),
        },
        received: (message.receive_count, message.receives_here),
        first_received_ms: message.first_receive_ms,
        given_up_by: message.dead_letter_source.clone(),
    })
}

fn message(head: KeptMessage, body: &str, place: KeptPlace, moment: Moment) -> Result<Message, Unreadable> {
    let mut attributes = BTreeMap::new();
    for (name, kept) in head.attributes {
        let binary = kept.binary.as_deref().map(|text| {
            from_base64(text).ok_or_else(|| unreadable(MESSAGES, &head.id, &"an attribute is not in Base64"))
        });
        let attribute = MessageAttribute {
            data_type: kept.data_type,
            string_value: kept.text,
            binary_value: binary.transpose()?,
        };
        attributes.insert(name, attribute);
    }
    let at = |ms: u64| moment.instant_of(ms);
    Ok(Message {
        body: body.to_owned(),
        attributes,
        trace_header: head.trace,
        sent: Sent {
            message_id: head.id,
            md5_of_body: head.md5,
            md5_of_message_attributes: head.md5_of_attributes,
            // Told to the sender alone.
            md5_of_message_system_attributes: None,
        },
        bytes: head.bytes,
        dead_letter_source: place.given_up_by,
        sent_at: Moment {
            instant: at(place.sent_ms),
            unix_ms: place.sent_ms,
        },
        receive_count: place.received.0,
        receives_here: place.received.1,
        first_receive_ms: place.first_received_ms,
        place: match place.place {
            At::Visible(since) => Place::Visible { since: at(since) },
            At::Delayed(until) => Place::Delayed { until: at(until) },
            At::InFlight(until, received) => Place::InFlight {
                until: at(until),
                received_at: at(received),
            },
        },
    })
}

fn text(value: &impl Serialize) -> String {
    // Numbers, texts and maps with texts as keys are always JSON.
    serde_json::to_string(value).unwrap_or_default()
}

fn read<T: for<'de> Deserialize<'de>>(
    collection: &'static str,
    key: &str,
    text: &str,
) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| unreadable(collection, key, &error))
}

fn unreadable(collection: &'static str, key: &str, reason: &dyn std::fmt::Display) -> Unreadable {
    Unreadable {
        collection,
        key: key.to_owned(),
        reason: reason.to_string(),
    }
}
