//! Sends messages to queues: in batches of ten and within the size limit, each entry's failure its
//! own, what can be tried again tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsMessageAttribute;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use eventsourcing::{TraceHeader, is_sendable};
use futures::stream::{self, StreamExt};

use crate::client::failure::reason;
use crate::client::jitter::jittered_pause;

/// The longest that a queue delays a message: 15 minutes.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html>
pub const MAX_DELAY: Duration = Duration::from_mins(15);

/// The most bytes in a message, and in all messages of a batch, attributes included: 1 MiB.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// The most attributes of a message.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
pub const MAX_ATTRIBUTES: usize = 10;

/// The most messages in a batch.
const MAX_BATCH: usize = 10;

/// How many calls are under way at once: a group of thousands would open as many connections.
const MAX_CALLS: usize = 16;

/// How often an entry is tried that SQS answers with a fault of its own.
const ATTEMPTS: u32 = 4;

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The queue's name in the stack, such as `lend-book`.
    pub queue: String,
    /// The body.
    pub body: String,
    /// How long the queue keeps it back, in whole seconds rounded up; more than [`MAX_DELAY`] is cut
    /// to that, and whoever takes the message looks at its due time.
    pub delay: Duration,
    /// The trace that it belongs to.
    pub trace: Option<TraceHeader>,
    /// What travels beside the body, by name; up to [`MAX_ATTRIBUTES`].
    pub attributes: BTreeMap<String, Attribute>,
}

/// A value that travels beside the body. Whatever it is made of, SQS takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    data_type: String,
    value: AttributeValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AttributeValue {
    Text(String),
    Bytes(Vec<u8>),
}

impl Attribute {
    /// A text of type `String`.
    pub fn text(text: &str) -> Self {
        Self::of_type("String", text)
    }

    /// U+FFFD stands for each character that SQS does not carry, and a dash for nothing at all, which it
    /// does not take either.
    fn of_type(data_type: &str, text: &str) -> Self {
        let carried = |character| {
            if is_sendable(character) {
                character
            } else {
                '\u{fffd}'
            }
        };
        let text = if text.is_empty() { "-" } else { text };
        Self {
            data_type: data_type.to_owned(),
            value: AttributeValue::Text(text.chars().map(carried).collect()),
        }
    }

    /// The attribute of a message that a queue's mapping brought. None if it is not one that a queue could
    /// have taken, as a hand-made test event may have.
    pub fn received(attribute: &SqsMessageAttribute) -> Option<Self> {
        let data_type = attribute.data_type.as_deref()?;
        // The type may have a label of the sender's own, as in `Number.int`.
        let base_type = data_type.split('.').next().unwrap_or(data_type);
        match base_type {
            "Binary" => {
                let bytes = attribute
                    .binary_value
                    .as_ref()
                    .filter(|bytes| !bytes.0.is_empty())?;
                Some(Self {
                    data_type: data_type.to_owned(),
                    value: AttributeValue::Bytes(bytes.0.clone()),
                })
            }
            "String" | "Number" => {
                let text = attribute
                    .string_value
                    .as_deref()
                    .filter(|text| !text.is_empty())?;
                Some(Self::of_type(data_type, text))
            }
            _ => None,
        }
    }

    /// What it counts for in the size of its message, without its name.
    fn bytes(&self) -> usize {
        let value = match &self.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Bytes(bytes) => bytes.len(),
        };
        self.data_type.len() + value
    }

    fn on_the_wire(&self) -> MessageAttributeValue {
        let attribute = MessageAttributeValue::builder().data_type(&self.data_type);
        let attribute = match &self.value {
            AttributeValue::Text(text) => attribute.string_value(text),
            AttributeValue::Bytes(bytes) => attribute.binary_value(Blob::new(bytes.clone())),
        };
        // The only field that has to be set is set.
        attribute.build().expect("a message attribute with a data type")
    }
}

impl Outgoing {
    /// A message without delay or attributes.
    pub fn now(queue: impl Into<String>, body: String, trace: Option<TraceHeader>) -> Self {
        Self {
            queue: queue.into(),
            body,
            delay: Duration::ZERO,
            trace,
            attributes: BTreeMap::new(),
        }
    }

    /// What counts towards [`MAX_MESSAGE_BYTES`].
    pub fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &Attribute)| name.len() + value.bytes();
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    fn delay_seconds(&self) -> i32 {
        let seconds = self.delay.min(MAX_DELAY).as_millis().div_ceil(1000);
        i32::try_from(seconds).unwrap_or(900)
    }
}

/// A message that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sending to queue {queue} failed: {why}")]
pub struct SendError {
    /// The queue.
    pub queue: String,
    /// What went wrong.
    pub why: String,
}

/// The queues of one stack.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    url_prefix: Arc<str>,
}

impl Bus {
    /// The queues whose URLs are `url_prefix` and their name in the stack, as in
    /// `https://sqs.eu-central-1.amazonaws.com/123456789012/S-`.
    pub fn new(client: Client, url_prefix: &str) -> Self {
        Self {
            client,
            url_prefix: url_prefix.into(),
        }
    }

    /// The SQS client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The URL of a queue.
    pub fn url(&self, queue: &str) -> String {
        format!("{}{queue}", self.url_prefix)
    }

    /// Sends all, queues in parallel, and says of each, in the order given, whether it was sent. One
    /// that is reported as failed may have been sent all the same, if the reply was lost.
    pub async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        let mut results: Vec<Option<Result<(), SendError>>> = vec![None; messages.len()];
        let mut queues: BTreeMap<String, Vec<(usize, Outgoing)>> = BTreeMap::new();
        for (i, message) in messages.into_iter().enumerate() {
            queues
                .entry(message.queue.clone())
                .or_default()
                .push((i, message));
        }
        let batches = queues.into_iter().flat_map(|(queue, messages)| {
            batches(messages)
                .into_iter()
                .map(move |batch| (queue.clone(), batch))
        });
        let calls = batches.map(|(queue, batch)| async move { self.send_batch(&queue, batch).await });
        let sent: Vec<_> = stream::iter(calls).buffer_unordered(MAX_CALLS).collect().await;
        for (i, result) in sent.into_iter().flatten() {
            if let Some(slot) = results.get_mut(i) {
                *slot = Some(result);
            }
        }
        let unanswered = || SendError {
            queue: String::new(),
            why: "it was not answered for".into(),
        };
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(unanswered())))
            .collect()
    }

    async fn send_batch(
        &self,
        queue: &str,
        batch: Vec<(usize, Outgoing)>,
    ) -> Vec<(usize, Result<(), SendError>)> {
        let failed = |why: String| {
            Err(SendError {
                queue: queue.to_owned(),
                why,
            })
        };
        let mut results = Vec::with_capacity(batch.len());
        let mut open = batch;
        for attempt in 1.. {
            let entries = open
                .iter()
                .enumerate()
                .map(|(id, (_, message))| entry(id, message))
                .collect();
            let request = self
                .client
                .send_message_batch()
                .queue_url(self.url(queue))
                .set_entries(Some(entries));
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) => {
                    let why = reason(&error);
                    results.extend(open.into_iter().map(|(i, _)| (i, failed(why.clone()))));
                    return results;
                }
            };
            let faults: BTreeMap<&str, _> = answer
                .failed
                .iter()
                .map(|fault| (fault.id.as_str(), fault))
                .collect();
            let mut again = Vec::new();
            for (id, (i, message)) in open.into_iter().enumerate() {
                match faults.get(id.to_string().as_str()) {
                    None => results.push((i, Ok(()))),
                    Some(fault) if fault.sender_fault || attempt >= ATTEMPTS => {
                        let message = fault.message.as_deref().unwrap_or("no message");
                        results.push((i, failed(format!("{}: {message}", fault.code))));
                    }
                    Some(_) => again.push((i, message)),
                }
            }
            if again.is_empty() {
                break;
            }
            open = again;
            jittered_pause(attempt).await;
        }
        results
    }
}

fn batches(messages: Vec<(usize, Outgoing)>) -> Vec<Vec<(usize, Outgoing)>> {
    let mut batches: Vec<Vec<(usize, Outgoing)>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.1.bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes + size <= MAX_MESSAGE_BYTES => {
                batch.push(message);
                bytes += size;
            }
            _ => {
                batches.push(vec![message]);
                bytes = size;
            }
        }
    }
    batches
}

fn entry(id: usize, message: &Outgoing) -> SendMessageBatchRequestEntry {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(&message.body);
    if !message.delay.is_zero() {
        entry = entry.delay_seconds(message.delay_seconds());
    }
    for (name, value) in &message.attributes {
        entry = entry.message_attributes(name, value.on_the_wire());
    }
    if let Some(trace) = &message.trace {
        let value = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(trace.as_str())
            .build();
        let value = value.expect("a system attribute with a data type");
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    entry.build().expect("an entry with id and body")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Outgoing {
        Outgoing::now("q", "x".repeat(bytes), None)
    }

    fn sizes(messages: Vec<Outgoing>) -> Vec<usize> {
        batches(messages.into_iter().enumerate().collect())
            .iter()
            .map(Vec::len)
            .collect()
    }

    #[test]
    fn a_batch_holds_ten_messages_at_most() {
        assert_eq!(sizes(vec![message(1); 23]), [10, 10, 3]);
    }

    #[test]
    fn a_batch_holds_a_mebibyte_at_most() {
        assert_eq!(sizes(vec![message(400_000); 5]), [2, 2, 1]);
        assert_eq!(sizes(vec![message(MAX_MESSAGE_BYTES), message(1)]), [1, 1]);
    }

    #[test]
    fn a_delay_is_rounded_up_to_seconds_and_cut_to_fifteen_minutes() {
        let delayed = |ms| {
            Outgoing {
                delay: Duration::from_millis(ms),
                ..message(1)
            }
            .delay_seconds()
        };
        assert_eq!(
            [delayed(1), delayed(1000), delayed(1001), delayed(86_400_000)],
            [1, 1, 2, 900]
        );
    }
}
