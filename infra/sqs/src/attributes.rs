//! Queue attributes: a queue's settings, their limits, and their names and text on the wire.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::address::Address;
use crate::error::SqsError;
use crate::message::{MAX_DELAY, MAX_MESSAGE_BYTES};
use crate::redrive_allow::RedriveAllow;

/// The longest visibility timeout: 12 hours.
pub const MAX_VISIBILITY_TIMEOUT: Duration = Duration::from_hours(12);

/// The longest a receive can wait.
pub const MAX_RECEIVE_WAIT: Duration = Duration::from_secs(20);

const MIN_RETENTION: Duration = Duration::from_mins(1);
const MAX_RETENTION: Duration = Duration::from_hours(14 * 24);
const MIN_MAX_MESSAGE_BYTES: usize = 1024;
const MAX_MAX_RECEIVE_COUNT: u32 = 1000;

/// A queue's settings. The default is that of SQS.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAttributes {
    /// How long a message that brings no delay of its own stays hidden after it was sent: 0 to 900 s,
    /// by default 0.
    pub delay: Duration,
    /// How long a received message stays hidden: 0 to 43,200 s, by default 30 s.
    pub visibility_timeout: Duration,
    /// How long a message is kept from when it was sent: 60 s to 14 days, by default 4 days.
    pub retention: Duration,
    /// The most bytes of a message, attributes included: 1,024 to 1,048,576, by default the latter.
    pub max_message_bytes: usize,
    /// How long a receive that says nothing waits for a message: 0 to 20 s, by default 0.
    pub receive_wait: Duration,
    /// Where messages go that were received too often; by default they stay until they expire.
    pub redrive: Option<RedrivePolicy>,
}

/// When a message is given up, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The dead-letter queue's name. It must exist.
    pub dead_letter_queue: String,
    /// A message that was received this often is moved instead of being received again: 1 to 1,000.
    pub max_receive_count: u32,
}

impl Default for QueueAttributes {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            visibility_timeout: Duration::from_secs(30),
            retention: Duration::from_hours(4 * 24),
            max_message_bytes: MAX_MESSAGE_BYTES,
            receive_wait: Duration::ZERO,
            redrive: None,
        }
    }
}

impl QueueAttributes {
    /// Checks every limit. Whether the dead-letter queue exists is for the caller to see.
    pub(crate) fn check(&self) -> Result<(), SqsError> {
        check_between(DELAY, self.delay, Duration::ZERO, MAX_DELAY)?;
        check_between(
            VISIBILITY_TIMEOUT,
            self.visibility_timeout,
            Duration::ZERO,
            MAX_VISIBILITY_TIMEOUT,
        )?;
        check_between(RETENTION, self.retention, MIN_RETENTION, MAX_RETENTION)?;
        check_between(RECEIVE_WAIT, self.receive_wait, Duration::ZERO, MAX_RECEIVE_WAIT)?;
        if !(MIN_MAX_MESSAGE_BYTES..=MAX_MESSAGE_BYTES).contains(&self.max_message_bytes) {
            let expected = format!("it must be {MIN_MAX_MESSAGE_BYTES} to {MAX_MESSAGE_BYTES} bytes");
            return Err(invalid(MAX_SIZE, &self.max_message_bytes, expected));
        }
        match &self.redrive {
            Some(redrive) if !(1..=MAX_MAX_RECEIVE_COUNT).contains(&redrive.max_receive_count) => {
                let count = &redrive.max_receive_count;
                Err(SqsError::invalid(
                    REDRIVE_POLICY,
                    count,
                    max_receive_count_reason(count),
                ))
            }
            _ => Ok(()),
        }
    }

    /// The name of the first attribute in which two differ.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            (DELAY, self.delay != other.delay),
            (
                VISIBILITY_TIMEOUT,
                self.visibility_timeout != other.visibility_timeout,
            ),
            (RETENTION, self.retention != other.retention),
            (MAX_SIZE, self.max_message_bytes != other.max_message_bytes),
            (RECEIVE_WAIT, self.receive_wait != other.receive_wait),
            (REDRIVE_POLICY, self.redrive != other.redrive),
        ];
        differs
            .into_iter()
            .find_map(|(name, differs)| differs.then_some(name))
    }
}

pub(crate) const DELAY: &str = "DelaySeconds";
pub(crate) const VISIBILITY_TIMEOUT: &str = "VisibilityTimeout";
pub(crate) const RETENTION: &str = "MessageRetentionPeriod";
pub(crate) const MAX_SIZE: &str = "MaximumMessageSize";
pub(crate) const RECEIVE_WAIT: &str = "ReceiveMessageWaitTimeSeconds";
pub(crate) const REDRIVE_POLICY: &str = "RedrivePolicy";

const POLICY: &str = "Policy";
const REDRIVE_ALLOW_POLICY: &str = "RedriveAllowPolicy";

/// Attributes that are kept and told as they were given. All but `RedriveAllowPolicy` change nothing in memory.
const KEPT: [&str; 5] = [
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    POLICY,
    REDRIVE_ALLOW_POLICY,
    "SqsManagedSseEnabled",
];

/// Attributes that can be asked for and not set.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Attributes of FIFO queues, which a standard queue never has.
const FIFO_ONLY: [&str; 4] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
];

/// Whether SQS has a queue attribute of that name, even if no queue here ever has it.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    [
        DELAY,
        VISIBILITY_TIMEOUT,
        RETENTION,
        MAX_SIZE,
        RECEIVE_WAIT,
        REDRIVE_POLICY,
        "All",
    ]
    .contains(&name)
        || KEPT.contains(&name)
        || READ_ONLY.contains(&name)
        || FIFO_ONLY.contains(&name)
}

/// Everything of a queue that can be set, as the wire has it: the attributes that mean something here,
/// and the text of those that don't.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) attributes: QueueAttributes,
    /// What the kept text of that name says.
    pub(crate) redrive_allow: RedriveAllow,
    kept: BTreeMap<&'static str, String>,
}

impl Configuration {
    pub(crate) fn new(attributes: QueueAttributes) -> Self {
        Self {
            attributes,
            redrive_allow: RedriveAllow::default(),
            kept: BTreeMap::new(),
        }
    }

    /// Takes attributes over from the wire, and checks all of them.
    pub(crate) fn set(
        &mut self,
        changes: &BTreeMap<String, String>,
        address: &Address,
    ) -> Result<(), SqsError> {
        let attributes = &mut self.attributes;
        for (name, text) in changes {
            match name.as_str() {
                DELAY => attributes.delay = seconds(DELAY, text)?,
                VISIBILITY_TIMEOUT => attributes.visibility_timeout = seconds(VISIBILITY_TIMEOUT, text)?,
                RETENTION => attributes.retention = seconds(RETENTION, text)?,
                RECEIVE_WAIT => attributes.receive_wait = seconds(RECEIVE_WAIT, text)?,
                MAX_SIZE => {
                    let bytes = text.parse();
                    attributes.max_message_bytes =
                        bytes.map_err(|_| invalid(MAX_SIZE, text, "it must be a whole number of bytes"))?;
                }
                REDRIVE_POLICY => attributes.redrive = redrive_policy(text, address)?,
                _ => match KEPT.into_iter().find(|kept| kept == name) {
                    Some(POLICY) if !is_policy(text) => {
                        return Err(invalid(POLICY, text, "it must be a JSON object"));
                    }
                    // An empty text takes the attribute away, as AWS has it for policies.
                    Some(kept) if text.is_empty() => drop(self.kept.remove(kept)),
                    Some(kept) => drop(self.kept.insert(kept, text.clone())),
                    None => return Err(not_settable(name)),
                },
            }
        }
        let allow = self.kept.get(REDRIVE_ALLOW_POLICY).map_or("", String::as_str);
        self.redrive_allow = RedriveAllow::parse(allow)
            .map_err(|reason| SqsError::invalid(REDRIVE_ALLOW_POLICY, allow, reason))?;
        self.attributes.check()
    }

    /// The queue's policy, if it has one.
    pub(crate) fn policy(&self) -> Option<&str> {
        self.kept.get(POLICY).map(String::as_str)
    }

    /// Sets the queue's policy, or takes it away.
    pub(crate) fn set_policy(&mut self, policy: Option<String>) {
        match policy {
            Some(policy) => self.kept.insert(POLICY, policy),
            None => self.kept.remove(POLICY),
        };
    }

    /// The name of the first attribute in which two differ.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        let kept = KEPT
            .into_iter()
            .find(|name| self.kept.get(name) != other.kept.get(name));
        self.attributes.difference(&other.attributes).or(kept)
    }

    /// The text of everything that is set, by name.
    pub(crate) fn texts(&self, address: &Address) -> BTreeMap<&'static str, String> {
        let attributes = &self.attributes;
        let mut texts = self.kept.clone();
        // SQS encrypts by default; nothing here does, but a template that reads it back finds what it set.
        texts
            .entry("SqsManagedSseEnabled")
            .or_insert_with(|| "true".to_owned());
        texts.insert(DELAY, attributes.delay.as_secs().to_string());
        texts.insert(
            VISIBILITY_TIMEOUT,
            attributes.visibility_timeout.as_secs().to_string(),
        );
        texts.insert(RETENTION, attributes.retention.as_secs().to_string());
        texts.insert(MAX_SIZE, attributes.max_message_bytes.to_string());
        texts.insert(RECEIVE_WAIT, attributes.receive_wait.as_secs().to_string());
        if let Some(redrive) = &attributes.redrive {
            let policy = json!({
                "deadLetterTargetArn": address.arn(&redrive.dead_letter_queue),
                "maxReceiveCount": redrive.max_receive_count,
            });
            texts.insert(REDRIVE_POLICY, policy.to_string());
        }
        texts
    }
}

fn seconds(name: &'static str, text: &str) -> Result<Duration, SqsError> {
    let seconds = text
        .parse()
        .map_err(|_| invalid(name, text, "it must be a whole number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}

/// Reads `{"deadLetterTargetArn": …, "maxReceiveCount": …}`; the count comes as a number or as text.
fn redrive_policy(text: &str, address: &Address) -> Result<Option<RedrivePolicy>, SqsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: String| SqsError::invalid(REDRIVE_POLICY, text, reason);
    let policy: Value =
        serde_json::from_str(text).map_err(|error| refuse(format!("It must be JSON ({error}).")))?;
    let mandatory = |name: &str| {
        let value = policy.get(name);
        value.ok_or_else(|| {
            refuse(format!(
                "Redrive policy does not contain mandatory attribute: {name}."
            ))
        })
    };
    let arn = mandatory("deadLetterTargetArn")?;
    let dead_letter_queue = arn.as_str().and_then(|arn| address.name_in_arn(arn));
    let dead_letter_queue = dead_letter_queue.ok_or_else(|| {
        let example = address.arn("name");
        refuse(format!(
            "Dead letter target does not exist. Its ARN must look like {example}."
        ))
    })?;
    let count = mandatory("maxReceiveCount")?;
    let max_receive_count = match count {
        Value::String(count) => count.parse().ok(),
        count => count.as_u64().and_then(|count| u32::try_from(count).ok()),
    };
    let max_receive_count = max_receive_count
        .filter(|count| (1..=MAX_MAX_RECEIVE_COUNT).contains(count))
        .ok_or_else(|| refuse(max_receive_count_reason(count)))?;
    Ok(Some(RedrivePolicy {
        dead_letter_queue: dead_letter_queue.to_owned(),
        max_receive_count,
    }))
}

fn max_receive_count_reason(count: &(impl ToString + ?Sized)) -> String {
    let count = count.to_string();
    format!(
        "Invalid value for maxReceiveCount: {count}, valid values are from 1 to {MAX_MAX_RECEIVE_COUNT} both inclusive."
    )
}

/// A policy has no effect here; it has to be one that a permission can be added to.
fn is_policy(text: &str) -> bool {
    text.is_empty() || serde_json::from_str::<Value>(text).is_ok_and(|policy| policy.is_object())
}

fn not_settable(name: &str) -> SqsError {
    let hint = if READ_ONLY.contains(&name) {
        "It can be read and not set."
    } else if FIFO_ONLY.contains(&name) {
        "It belongs to FIFO queues, and only standard queues are supported."
    } else {
        "No queue attribute has that name."
    };
    SqsError::InvalidAttributeName {
        name: name.to_owned(),
        hint,
    }
}

fn check_between(
    name: &'static str,
    value: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), SqsError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let expected = format!("it must be {} to {} seconds", least.as_secs(), most.as_secs());
    Err(invalid(name, &value.as_secs_f64(), expected))
}

fn invalid(name: &'static str, value: &(impl ToString + ?Sized), expected: impl Into<String>) -> SqsError {
    SqsError::InvalidAttributeValue {
        name,
        value: value.to_string(),
        expected: expected.into(),
    }
}

/// Refuses a visibility timeout over 12 hours.
pub(crate) fn check_visibility(timeout: Duration) -> Result<(), SqsError> {
    if timeout <= MAX_VISIBILITY_TIMEOUT {
        return Ok(());
    }
    let reason = "Must be >= 0 and <= 43200, if provided.";
    Err(SqsError::invalid(
        "VisibilityTimeout",
        &timeout.as_secs_f64(),
        reason,
    ))
}
