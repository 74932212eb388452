//! Messages: what a producer hands in, what a consumer gets, and the rules for their contents.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::encoding::{md5_of_attributes, md5_of_body};
use crate::error::SqsError;
use crate::message_attribute::MessageAttribute;

/// The most bytes of a message, attributes included, and of all messages of a batch together.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The longest delay of a message, by itself or by its queue: 15 minutes.
pub const MAX_DELAY: Duration = Duration::from_mins(15);

/// The most attributes of a message.
pub const MAX_MESSAGE_ATTRIBUTES: usize = 10;

/// The most entries of a batch.
const MAX_BATCH_ENTRIES: usize = 10;

/// The one system attribute that a producer can set.
pub(crate) const TRACE_HEADER: &str = "AWSTraceHeader";

/// A message's place in the order of sending, over all queues. A message keeps it when it moves to a
/// dead-letter queue, so that messages that move together stay in order.
pub(crate) type MessageKey = u64;

/// A message on its way into a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// 1 byte to 1 MiB, without control characters other than tab, line feed and carriage return.
    pub body: String,
    /// How long it stays hidden, at most 900 s; none means the queue's own delay.
    pub delay: Option<Duration>,
    /// At most ten, and part of the message's size.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// X-Ray's trace header, the system attribute `AWSTraceHeader`. It has no part in the size.
    pub trace_header: Option<String>,
}

/// What a producer learns of the message it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message's id.
    pub message_id: String,
    /// The MD5 digest of the body, in hexadecimal.
    pub md5_of_body: String,
    /// The MD5 digest of the message attributes; none without any.
    pub md5_of_message_attributes: Option<String>,
    /// The MD5 digest of the system attributes; none without a trace header.
    pub md5_of_message_system_attributes: Option<String>,
}

/// A message as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The same at each receive, and in the dead-letter queue.
    pub message_id: String,
    /// Another one at each receive; it deletes the message or changes its visibility timeout.
    pub receipt_handle: String,
    /// The body.
    pub body: String,
    /// The MD5 digest of the body, in hexadecimal.
    pub md5_of_body: String,
    /// What SQS knows of the message.
    pub attributes: SystemAttributes,
    /// What the producer put next to the body.
    pub message_attributes: BTreeMap<String, MessageAttribute>,
    /// The MD5 digest of the message attributes; none without any.
    pub md5_of_message_attributes: Option<String>,
}

/// What SQS knows of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemAttributes {
    /// When it was sent, by the wall clock, in milliseconds since 1970.
    pub sent_timestamp_ms: u64,
    /// How often it was received, this time included, over all queues it has been in.
    pub approximate_receive_count: u32,
    /// When it was first received, by the wall clock, in milliseconds since 1970.
    pub approximate_first_receive_timestamp_ms: u64,
    /// Who sent it; there is only one user here.
    pub sender_id: String,
    /// X-Ray's trace header.
    pub aws_trace_header: Option<String>,
    /// The ARN of the queue that gave it up, on a message of a dead-letter queue.
    pub dead_letter_queue_source_arn: Option<String>,
}

/// A message that was checked for everything that no queue's settings are needed for. Made before the
/// lock is taken: digests of a megabyte would keep every other request waiting.
pub(crate) struct Prepared {
    pub(crate) outgoing: Outgoing,
    pub(crate) sent: Sent,
    pub(crate) bytes: usize,
}

impl Outgoing {
    /// The size that limits and bills count: the body, and each attribute's name, type and value.
    pub(crate) fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes =
            attributes.map(|(name, value)| name.len() + value.data_type.len() + value.value_bytes().len());
        self.body.len() + attributes.sum::<usize>()
    }

    pub(crate) fn prepare(self) -> Result<Prepared, SqsError> {
        if self.body.is_empty() {
            return Err(SqsError::MissingParameter {
                parameter: "MessageBody",
            });
        }
        check_characters(&self.body, || "message body".to_owned())?;
        if self.delay.is_some_and(|delay| delay > MAX_DELAY) {
            let seconds = self.delay.unwrap_or_default().as_secs_f64();
            return Err(SqsError::invalid(
                "DelaySeconds",
                &seconds,
                "DelaySeconds must be >= 0 and <= 900.",
            ));
        }
        check_attributes(&self.attributes)?;
        let bytes = self.bytes();
        check_size(bytes, MAX_MESSAGE_BYTES)?;
        if let Some(trace_header) = &self.trace_header {
            check_characters(trace_header, || format!("system attribute '{TRACE_HEADER}'"))?;
        }
        let sent = Sent {
            message_id: uuid::Uuid::new_v4().to_string(),
            md5_of_body: md5_of_body(&self.body),
            md5_of_message_attributes: md5_of_attributes(&self.attributes),
            md5_of_message_system_attributes: self.trace_header.as_ref().and_then(|header| {
                let header = MessageAttribute::string(header.as_str());
                md5_of_attributes(&BTreeMap::from([(TRACE_HEADER.to_owned(), header)]))
            }),
        };
        Ok(Prepared {
            outgoing: self,
            sent,
            bytes,
        })
    }
}

/// Refuses a batch without entries, or with more than ten.
pub(crate) fn check_batch_length(entries: usize) -> Result<(), SqsError> {
    match entries {
        0 => Err(SqsError::EmptyBatchRequest),
        1..=MAX_BATCH_ENTRIES => Ok(()),
        _ => Err(SqsError::TooManyEntriesInBatchRequest { entries }),
    }
}

/// Refuses a message that is larger than the limit of SQS or of its queue.
pub(crate) fn check_size(bytes: usize, limit: usize) -> Result<(), SqsError> {
    if bytes <= limit {
        return Ok(());
    }
    let reason = format!("Message must be shorter than {limit} bytes, attributes included.");
    Err(SqsError::invalid(
        "MessageBody",
        &format!("of {bytes} bytes"),
        reason,
    ))
}

/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn check_characters(text: &str, part: impl FnOnce() -> String) -> Result<(), SqsError> {
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}');
    match text.chars().find(|character| !allowed(*character)) {
        Some(character) => Err(SqsError::InvalidMessageContents {
            code_point: u32::from(character),
            part: part(),
        }),
        None => Ok(()),
    }
}

/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
fn check_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Result<(), SqsError> {
    if attributes.len() > MAX_MESSAGE_ATTRIBUTES {
        let reason =
            format!("Number of message attributes exceeds the allowed maximum of {MAX_MESSAGE_ATTRIBUTES}.");
        return Err(SqsError::invalid("MessageAttributes", &attributes.len(), reason));
    }
    for (name, attribute) in attributes {
        check_attribute_name(name)?;
        check_attribute_value(name, attribute)?;
    }
    Ok(())
}

fn check_attribute_name(name: &str) -> Result<(), SqsError> {
    let invalid = |reason: &str| Err(SqsError::invalid("MessageAttributes", name, reason));
    if name.is_empty() || name.len() > 256 {
        return invalid("A message attribute name must have 1 to 256 characters.");
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    {
        return invalid(
            "A message attribute name can only have alphanumeric characters, underscores, hyphens and periods.",
        );
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return invalid(
            "A message attribute name can't start or end with a period, nor have two in succession.",
        );
    }
    let lower_case = name.to_ascii_lowercase();
    if lower_case.starts_with("aws.") || lower_case.starts_with("amazon.") {
        return invalid("A message attribute name can't start with the reserved prefixes AWS. and Amazon.");
    }
    Ok(())
}

fn check_attribute_value(name: &str, attribute: &MessageAttribute) -> Result<(), SqsError> {
    let data_type = attribute.data_type.as_str();
    let invalid = |reason: String| Err(SqsError::invalid("MessageAttributes", name, reason));
    if !matches!(attribute.base_type(), "String" | "Number" | "Binary") || data_type.len() > 256 {
        return invalid(format!(
            "The type '{data_type}' of message attribute '{name}' is invalid. You must use only the following \
             supported type prefixes: Binary, Number, String; 256 characters at most."
        ));
    }
    if attribute.value_bytes().is_empty() {
        return invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute \
             type '{data_type}'."
        ));
    }
    if attribute.string_value.is_some() && attribute.binary_value.is_some() {
        return invalid(format!(
            "Message attribute '{name}' must have one value, StringValue or BinaryValue."
        ));
    }
    let Some(text) = &attribute.string_value else {
        return Ok(());
    };
    // In a body it is contents that are invalid; in an attribute AWS calls it a parameter.
    if let Err(error) = check_characters(text, || format!("message attribute '{name}'")) {
        return invalid(error.to_string());
    }
    if attribute.base_type() == "Number" && !text.parse::<f64>().is_ok_and(f64::is_finite) {
        return invalid(format!(
            "Can't cast the value of message attribute '{name}' to a number."
        ));
    }
    Ok(())
}
