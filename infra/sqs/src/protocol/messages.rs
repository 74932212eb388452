//! Operations on messages: send, receive, delete, change of visibility, and their batches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::parts::{BatchAnswer, Entry, Nothing, batch_answer, checked_batch, queue_name, required, seconds};
use crate::attributes::is_attribute_name;
use crate::encoding::{from_base64, md5_of_attributes, to_base64};
use crate::error::SqsError;
use crate::message::{MAX_MESSAGE_BYTES, Outgoing, Prepared, Received, SystemAttributes, TRACE_HEADER};
use crate::message_attribute::MessageAttribute;
use crate::moment::Moment;
use crate::receive::Receive;
use crate::service::Sqs;
use crate::state::State;

/// A send, or an entry of a batch of them, which has an id where the send has its queue.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    queue_url: Option<String>,
    id: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    message_attributes: Option<BTreeMap<String, WireAttribute>>,
    message_system_attributes: Option<BTreeMap<String, WireAttribute>>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

impl Entry for SendMessage {
    fn id(&mut self) -> Option<String> {
        self.id.take()
    }
}

pub(super) fn send(
    sqs: &Sqs,
    mut request: SendMessage,
    trace_header: Option<&str>,
) -> Result<SentAnswer, SqsError> {
    let name = queue_name(request.queue_url.take())?;
    let traced = Traced::prepare(request.outgoing()?, trace_header)?;
    let (bytes, moment) = (traced.prepared.bytes, sqs.moment());
    let mut state = sqs.state();
    let sent = traced.send(&mut state, &name, moment)?;
    state.totals.count_payload(bytes);
    Ok(sent)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessageBatch {
    queue_url: Option<String>,
    entries: Option<Vec<SendMessage>>,
}

pub(super) fn send_batch(
    sqs: &Sqs,
    request: SendMessageBatch,
    trace_header: Option<&str>,
) -> Result<BatchAnswer<SentAnswer>, SqsError> {
    let name = queue_name(request.queue_url)?;
    let mut bytes = 0;
    let mut batch: Vec<(String, Result<Traced, SqsError>)> = Vec::new();
    for (id, entry) in checked_batch(request.entries)? {
        let outgoing = entry.outgoing();
        bytes += outgoing.as_ref().map_or(0, Outgoing::bytes);
        batch.push((
            id,
            outgoing.and_then(|outgoing| Traced::prepare(outgoing, trace_header)),
        ));
    }
    if bytes > MAX_MESSAGE_BYTES {
        return Err(SqsError::BatchRequestTooLong {
            bytes,
            limit: MAX_MESSAGE_BYTES,
        });
    }
    let moment = sqs.moment();
    let mut state = sqs.state();
    state.queue(&name)?;
    state.totals.count_payload(bytes);
    let outcomes = batch.into_iter().map(|(id, entry)| {
        let sent = entry.and_then(|entry| entry.send(&mut state, &name, moment));
        (id, sent)
    });
    Ok(batch_answer(outcomes))
}

/// A message that is ready to be sent, and where its trace header comes from.
struct Traced {
    prepared: Prepared,
    /// The request's header stands in for an attribute that its sender didn't set, and so expects no digest of.
    by_request: bool,
}

impl Traced {
    fn prepare(mut outgoing: Outgoing, trace_header: Option<&str>) -> Result<Self, SqsError> {
        let by_request = outgoing.trace_header.is_none();
        if by_request {
            outgoing.trace_header = trace_header.map(str::to_owned);
        }
        let prepared = outgoing.prepare()?;
        Ok(Self { prepared, by_request })
    }

    fn send(self, state: &mut State, queue: &str, moment: Moment) -> Result<SentAnswer, SqsError> {
        let sent = state.send(queue, self.prepared, moment)?;
        let system = sent.md5_of_message_system_attributes;
        Ok(SentAnswer {
            message_id: sent.message_id,
            md5_of_message_body: sent.md5_of_body,
            md5_of_message_attributes: sent.md5_of_message_attributes,
            md5_of_message_system_attributes: system.filter(|_| !self.by_request),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SentAnswer {
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(
        rename = "MD5OfMessageSystemAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    md5_of_message_system_attributes: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttribute {
    data_type: Option<String>,
    string_value: Option<String>,
    binary_value: Option<String>,
    #[serde(default)]
    string_list_values: Vec<String>,
    #[serde(default)]
    binary_list_values: Vec<String>,
}

impl SendMessage {
    fn outgoing(self) -> Result<Outgoing, SqsError> {
        if let Some(id) = self.message_deduplication_id {
            let reason = "The request include parameter that is not valid for this queue type: it is for FIFO \
                          queues, and only standard queues are supported.";
            return Err(SqsError::invalid("MessageDeduplicationId", &id, reason));
        }
        if let Some(group) = self.message_group_id {
            if !(1..=128).contains(&group.len()) || !group.bytes().all(|byte| byte.is_ascii_graphic()) {
                let reason = "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in \
                              length.";
                return Err(SqsError::invalid("MessageGroupId", &group, reason));
            }
            let reason =
                "MessageGroupId makes a standard queue a fair one, which isn't supported here; leave it out.";
            return Err(SqsError::UnsupportedOperation {
                reason: reason.to_owned(),
            });
        }
        let attributes = self.message_attributes.unwrap_or_default().into_iter();
        Ok(Outgoing {
            body: required(self.message_body, "MessageBody")?,
            delay: self
                .delay_seconds
                .map(|delay| seconds("DelaySeconds", delay))
                .transpose()?,
            attributes: attributes
                .map(|(name, wire)| wire.attribute(&name).map(|attribute| (name, attribute)))
                .collect::<Result<_, _>>()?,
            trace_header: trace_header(self.message_system_attributes.unwrap_or_default())?,
        })
    }
}

impl WireAttribute {
    fn attribute(self, name: &str) -> Result<MessageAttribute, SqsError> {
        if !self.string_list_values.is_empty() || !self.binary_list_values.is_empty() {
            let reason = format!(
                "message attribute '{name}' has a list of values; SQS takes one value per attribute."
            );
            return Err(SqsError::UnsupportedOperation { reason });
        }
        let binary_value = self.binary_value.map(|text| {
            from_base64(&text).ok_or_else(|| {
                let reason = format!("BinaryValue of message attribute '{name}' must be padded Base64.");
                SqsError::Serialization { reason }
            })
        });
        Ok(MessageAttribute {
            data_type: required(self.data_type, "DataType")?,
            string_value: self.string_value,
            binary_value: binary_value.transpose()?,
        })
    }
}

/// The trace header among the system attributes, where nothing else can be.
fn trace_header(attributes: BTreeMap<String, WireAttribute>) -> Result<Option<String>, SqsError> {
    let mut trace_header = None;
    for (name, wire) in attributes {
        let attribute = wire.attribute(&name)?;
        match attribute.string_value {
            Some(value) if name == TRACE_HEADER && attribute.data_type == "String" && !value.is_empty() => {
                trace_header = Some(value);
            }
            _ => {
                let reason =
                    format!("The one system attribute of a send is {TRACE_HEADER}, a non-empty String.");
                return Err(SqsError::invalid("MessageSystemAttributes", &name, reason));
            }
        }
    }
    Ok(trace_header)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

pub(super) async fn receive(sqs: &Sqs, request: ReceiveMessage) -> Result<ReceiveAnswer, SqsError> {
    let name = queue_name(request.queue_url)?;
    let mut system = request.message_system_attribute_names;
    system.extend(request.attribute_names);
    if let Some(unknown) = system.iter().find(|name| !is_known_system_attribute(name)) {
        let hint = "No message system attribute has that name.";
        return Err(SqsError::InvalidAttributeName {
            name: unknown.clone(),
            hint,
        });
    }
    let wait = match request.wait_time_seconds {
        Some(wait) => seconds("WaitTimeSeconds", wait)?,
        None => sqs.state().queue(&name)?.configuration.attributes.receive_wait,
    };
    let visibility = request
        .visibility_timeout
        .map(|timeout| seconds("VisibilityTimeout", timeout));
    let max = request.max_number_of_messages.unwrap_or(1);
    // A negative number is as wrong as zero, and refused with the same words.
    let max = usize::try_from(max).unwrap_or(0);
    let receive = Receive {
        max,
        wait,
        visibility: visibility.transpose()?,
    };
    let received = sqs.poll(&name, receive).await?.into_iter();
    let messages = received.map(|message| message_answer(message, &system, &request.message_attribute_names));
    Ok(ReceiveAnswer {
        messages: messages.collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<MessageAnswer>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MessageAnswer {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: String,
    body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, AttributeAnswer>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeAnswer {
    data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
}

fn message_answer(message: Received, system: &[String], wanted: &[String]) -> MessageAnswer {
    let mut attributes = message.message_attributes;
    attributes.retain(|name, _| wanted.iter().any(|pattern| is_wanted(name, pattern)));
    MessageAnswer {
        message_id: message.message_id,
        receipt_handle: message.receipt_handle,
        md5_of_body: message.md5_of_body,
        body: message.body,
        attributes: system_attributes(message.attributes, system),
        // SDKs check the digest against the attributes that they got, not against those that were sent.
        md5_of_message_attributes: md5_of_attributes(&attributes),
        message_attributes: attributes
            .into_iter()
            .map(|(name, value)| (name, attribute_answer(value)))
            .collect(),
    }
}

fn system_attributes(known: SystemAttributes, wanted: &[String]) -> BTreeMap<&'static str, String> {
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    [
        ("SenderId", Some(known.sender_id)),
        ("SentTimestamp", Some(known.sent_timestamp_ms.to_string())),
        (
            "ApproximateReceiveCount",
            Some(known.approximate_receive_count.to_string()),
        ),
        (
            "ApproximateFirstReceiveTimestamp",
            Some(known.approximate_first_receive_timestamp_ms.to_string()),
        ),
        (TRACE_HEADER, known.aws_trace_header),
        ("DeadLetterQueueSourceArn", known.dead_letter_queue_source_arn),
    ]
    .into_iter()
    .filter(|(name, _)| wanted.iter().any(|wanted| wanted == name || wanted == "All"))
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn attribute_answer(attribute: MessageAttribute) -> AttributeAnswer {
    AttributeAnswer {
        data_type: attribute.data_type,
        string_value: attribute.string_value,
        binary_value: attribute.binary_value.map(|bytes| to_base64(&bytes)),
    }
}

/// Whether a receive asked for the attribute: by name, by `prefix.*`, or by `All`, `.*` or `*`.
fn is_wanted(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => matches!(pattern, "All" | "*") || pattern == name,
    }
}

/// The older of the two lists of names is declared with queue attributes in AWS's model, so these pass
/// as well and match nothing.
fn is_known_system_attribute(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "DeadLetterQueueSourceArn",
        "MessageDeduplicationId",
        "MessageGroupId",
        "SenderId",
        "SentTimestamp",
        "SequenceNumber",
        TRACE_HEADER,
    ];
    NAMES.contains(&name) || is_attribute_name(name)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
}

pub(super) fn delete(state: &mut State, moment: Moment, request: DeleteMessage) -> Result<Nothing, SqsError> {
    let name = queue_name(request.queue_url)?;
    state.delete(&name, &required(request.receipt_handle, "ReceiptHandle")?, moment)?;
    Ok(Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiptBatch {
    queue_url: Option<String>,
    entries: Option<Vec<ReceiptEntry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiptEntry {
    id: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

impl Entry for ReceiptEntry {
    fn id(&mut self) -> Option<String> {
        self.id.take()
    }
}

pub(super) fn delete_batch(
    state: &mut State,
    moment: Moment,
    request: ReceiptBatch,
) -> Result<BatchAnswer<Nothing>, SqsError> {
    let name = queue_name(request.queue_url)?;
    let entries = checked_batch(request.entries)?;
    state.queue(&name)?;
    let outcomes = entries.into_iter().map(|(id, entry)| {
        let deleted = required(entry.receipt_handle, "ReceiptHandle")
            .and_then(|handle| state.delete(&name, &handle, moment));
        (id, deleted.map(|()| Nothing {}))
    });
    Ok(batch_answer(outcomes))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeMessageVisibility {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

pub(super) fn change_visibility(
    state: &mut State,
    moment: Moment,
    request: ChangeMessageVisibility,
) -> Result<Nothing, SqsError> {
    let name = queue_name(request.queue_url)?;
    change(
        state,
        moment,
        &name,
        request.receipt_handle,
        request.visibility_timeout,
    )?;
    Ok(Nothing {})
}

pub(super) fn change_visibility_batch(
    state: &mut State,
    moment: Moment,
    request: ReceiptBatch,
) -> Result<BatchAnswer<Nothing>, SqsError> {
    let name = queue_name(request.queue_url)?;
    let entries = checked_batch(request.entries)?;
    state.queue(&name)?;
    let outcomes = entries.into_iter().map(|(id, entry)| {
        let changed = change(
            state,
            moment,
            &name,
            entry.receipt_handle,
            entry.visibility_timeout,
        );
        (id, changed.map(|()| Nothing {}))
    });
    Ok(batch_answer(outcomes))
}

fn change(
    state: &mut State,
    moment: Moment,
    queue: &str,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
) -> Result<(), SqsError> {
    let receipt_handle = required(receipt_handle, "ReceiptHandle")?;
    let timeout = visibility_timeout.ok_or(SqsError::MissingParameter {
        parameter: "VisibilityTimeout",
    })?;
    let timeout = seconds("VisibilityTimeout", timeout)?;
    state.change_visibility(queue, &receipt_handle, timeout, moment)
}
