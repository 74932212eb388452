//! Messages of queues, going out and received, with what travels beside the body.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsMessageAttribute;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use eventsourcing::{Timestamp, TraceHeader, is_sendable};

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
        let bytes = attribute.binary_value.as_ref().map(|bytes| bytes.0.as_slice());
        Self::of_parts(
            attribute.data_type.as_deref()?,
            attribute.string_value.as_deref(),
            bytes,
        )
    }

    fn of_parts(data_type: &str, text: Option<&str>, bytes: Option<&[u8]>) -> Option<Self> {
        // The type may have a label of the sender's own, as in `Number.int`.
        let base_type = data_type.split('.').next().unwrap_or(data_type);
        match base_type {
            "Binary" => Some(Self {
                data_type: data_type.to_owned(),
                value: AttributeValue::Bytes(bytes.filter(|bytes| !bytes.is_empty())?.to_vec()),
            }),
            "String" | "Number" => Some(Self::of_type(data_type, text.filter(|text| !text.is_empty())?)),
            _ => None,
        }
    }

    /// Its text; none if it is bytes.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            AttributeValue::Text(text) => Some(text),
            AttributeValue::Bytes(_) => None,
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
    pub fn now(queue: impl Into<String>, body: impl Into<String>, trace: Option<TraceHeader>) -> Self {
        Self {
            queue: queue.into(),
            body: body.into(),
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

    /// The message in a request, under an id that tells its answer.
    pub(crate) fn entry(&self, id: usize) -> SendMessageBatchRequestEntry {
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .message_body(&self.body);
        if !self.delay.is_zero() {
            entry = entry.delay_seconds(self.delay_seconds());
        }
        for (name, value) in &self.attributes {
            entry = entry.message_attributes(name, value.on_the_wire());
        }
        if let Some(trace) = &self.trace {
            let value = MessageSystemAttributeValue::builder()
                .data_type("String")
                .string_value(trace.as_str())
                .build();
            let value = value.expect("a system attribute with a data type");
            entry =
                entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
        }
        entry.build().expect("an entry with id and body")
    }
}

/// A message that was received, and is invisible to others for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// SQS's id of it.
    pub message_id: String,
    /// Names this receive of it: by it the message is deleted or let go.
    pub receipt: String,
    /// The body.
    pub body: String,
    /// What travels beside the body, by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// The trace that it belongs to, as it is passed on.
    pub trace: Option<TraceHeader>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// Number of receives, this one included.
    pub receives: u32,
}

impl From<Message> for Received {
    fn from(message: Message) -> Self {
        let system = message.attributes.unwrap_or_default();
        let text = |name: MessageSystemAttributeName| system.get(&name).map(String::as_str);
        let sent = text(MessageSystemAttributeName::SentTimestamp);
        let receives = text(MessageSystemAttributeName::ApproximateReceiveCount);
        let attributes = message.message_attributes.unwrap_or_default();
        let attribute = |(name, value): (String, MessageAttributeValue)| {
            let bytes = value.binary_value().map(Blob::as_ref);
            Some((
                name,
                Attribute::of_parts(value.data_type(), value.string_value(), bytes)?,
            ))
        };
        Self {
            trace: text(MessageSystemAttributeName::AwsTraceHeader).and_then(TraceHeader::passed_on),
            sent_at: sent.and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis),
            receives: receives.and_then(|count| count.parse().ok()).unwrap_or(1),
            attributes: attributes.into_iter().filter_map(attribute).collect(),
            message_id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_to_seconds_and_cut_to_fifteen_minutes() {
        let delayed = |ms| {
            Outgoing {
                delay: Duration::from_millis(ms),
                ..Outgoing::now("q", "x", None)
            }
            .delay_seconds()
        };
        assert_eq!(
            [delayed(1), delayed(1000), delayed(1001), delayed(86_400_000)],
            [1, 1, 2, 900]
        );
    }
}
