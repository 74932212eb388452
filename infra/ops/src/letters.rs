//! Messages in queues: looked at and let go again, sent, deleted.
//!
//! A queue can't be read without receiving from it. What is received is invisible to others for a
//! while; every command lets go what it holds before it ends, also when it is interrupted, and a
//! message that is not let go because the process dies comes back by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_adapters::MAX_MESSAGE_BYTES;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use eventsourcing::{Fields, Timestamp, sendable};
use indicatif::ProgressBar;
use terminal::note;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::{age, one_or_more};
use crate::stack::{Stack, why};

/// The most messages in one request.
const BATCH: usize = 10;

/// For how long messages are held that are only looked at.
pub(crate) const LOOK: Duration = Duration::from_mins(2);

/// For how long messages are held that something is done with, a person's answer included.
pub(crate) const WORK: Duration = Duration::from_mins(15);

/// How often is looked whether messages have come back.
const POLL: Duration = Duration::from_secs(1);

/// A message that is held.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) message_id: String,
    pub(crate) receipt: String,
    pub(crate) body: String,
    pub(crate) attributes: HashMap<String, MessageAttributeValue>,
    pub(crate) trace: Option<String>,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) receives: u32,
}

/// What a function writes on a message that it moves to a dead-letter queue.
const REASONS: [&str; 3] = ["error_code", "error", "function"];

/// What the first of them says.
const CODES: [&str; 3] = ["malformed", "rejected", "exhausted"];

impl Letter {
    fn of(message: Message) -> Self {
        let system = message.attributes.unwrap_or_default();
        let text = |name: MessageSystemAttributeName| system.get(&name).cloned();
        let sent = text(MessageSystemAttributeName::SentTimestamp);
        let receives = text(MessageSystemAttributeName::ApproximateReceiveCount);
        Self {
            message_id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            attributes: message.message_attributes.unwrap_or_default(),
            trace: text(MessageSystemAttributeName::AwsTraceHeader),
            sent_at: sent.and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis),
            receives: receives.and_then(|count| count.parse().ok()).unwrap_or(1),
        }
    }

    /// What a function wrote on it. Of a letter that SQS moved by itself, attributes of these names are the
    /// sender's.
    fn reason(&self, name: &str) -> Option<&str> {
        let text = |name: &str| self.attributes.get(name).and_then(|value| value.string_value());
        let by_function = REASONS.iter().all(|name| text(name).is_some());
        let code = text(REASONS[0]).filter(|code| by_function && CODES.contains(code));
        code.and_then(|_| text(name))
    }

    /// `malformed`, `rejected` or `exhausted`; none if SQS moved it by itself, after a crash.
    pub(crate) fn code(&self) -> Option<&str> {
        self.reason(REASONS[0])
    }

    /// What its sender put beside the body, as far as it is still there.
    pub(crate) fn of_sender(&self) -> HashMap<String, MessageAttributeValue> {
        let mut attributes = self.attributes.clone();
        if self.code().is_some() {
            attributes.retain(|name, _| !REASONS.contains(&name.as_str()));
        }
        attributes
    }

    /// What was wrong, in words.
    pub(crate) fn error(&self) -> &str {
        self.reason(REASONS[1])
            .unwrap_or("moved by SQS: received too often without an answer from the function")
    }
}

/// What SQS knows of the messages of a queue. On AWS its counts lag behind by up to a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Messages that can be received.
    pub(crate) visible: usize,
    /// Messages that a reader has received and not deleted, and messages that were sent with a delay: all
    /// that are there and can't be received yet.
    pub(crate) held: usize,
    /// For how long a reader holds them that does not ask for another time.
    pub(crate) visibility_timeout: Duration,
}

impl Counts {
    /// All messages.
    pub(crate) fn all(&self) -> usize {
        self.visible + self.held
    }
}

/// How many messages a queue holds; none if there is no such queue.
pub(crate) async fn counts(stack: &Stack, queue: &str) -> Result<Option<Counts>, Failure> {
    use QueueAttributeName::{
        ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
        ApproximateNumberOfMessagesNotVisible as InFlight, VisibilityTimeout,
    };
    let asked = vec![Visible, InFlight, Delayed, VisibilityTimeout];
    let request = stack
        .bus
        .client()
        .get_queue_attributes()
        .queue_url(stack.bus.url(queue));
    match request.set_attribute_names(Some(asked)).send().await {
        Ok(answer) => {
            let attributes = answer.attributes.unwrap_or_default();
            let number = |name| {
                let value = attributes.get(&name);
                value.and_then(|number| number.parse::<usize>().ok()).unwrap_or(0)
            };
            Ok(Some(Counts {
                visible: number(Visible),
                held: number(InFlight) + number(Delayed),
                visibility_timeout: Duration::from_secs(number(VisibilityTimeout) as u64),
            }))
        }
        Err(error) => {
            let missing = error.as_service_error().is_some_and(
                aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError::is_queue_does_not_exist,
            );
            if missing {
                Ok(None)
            } else {
                Err(Failure::Failed(format!(
                    "can't look at queue {queue}: {}",
                    why(&error)
                )))
            }
        }
    }
}

/// What there was to see of a queue's messages.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Those that could be received.
    pub(crate) letters: Vec<Letter>,
    /// What SQS said before they were.
    pub(crate) counts: Counts,
    /// Whether it was received until nothing more came.
    to_the_end: bool,
}

impl Look {
    /// How many messages there are, about.
    pub(crate) fn of(&self) -> usize {
        self.counts.all().max(self.letters.len())
    }

    /// How many messages are there that could not be received, though that was tried: somebody else holds
    /// them. An empty answer to a receive does not say that a queue is empty.
    pub(crate) fn held(&self) -> usize {
        let unseen = self.of() - self.letters.len();
        if self.to_the_end {
            unseen
        } else {
            unseen.min(self.counts.held)
        }
    }

    /// What an operator has to know of those that are held.
    pub(crate) fn about_held(&self) -> String {
        let (it, is, comes) = one_or_more(
            self.held(),
            ("it", "it is", "it comes back by itself"),
            ("them", "they are", "they come back by themselves"),
        );
        format!(
            "another reader holds {it} (or {is} gone, and SQS's count lags behind, by up to a minute). Unless \
             that reader deletes {it}, {comes}: within {} minutes if it is cargo ops, after {} if it is one that \
             sets no time of its own, after 12 hours at the latest; --wait SECONDS waits for {it}",
            WORK.as_secs() / 60,
            age(self.counts.visibility_timeout),
        )
    }
}

/// Receives up to `limit` messages of a queue and holds them for `time`, after it has waited for up to
/// `wait` until nobody else holds any; none if there is no such queue.
pub(crate) async fn look(
    stack: &Stack,
    queue: &str,
    limit: usize,
    time: Duration,
    wait: Duration,
    progress: &ProgressBar,
) -> Result<Option<Look>, Failure> {
    let Some(counts) = come_back(stack, queue, wait, progress).await? else {
        return Ok(None);
    };
    progress.set_length(counts.all().min(limit) as u64);
    progress.set_message("receiving messages");
    let letters = take(stack, queue, limit, time, progress).await?;
    Ok(Some(Look {
        to_the_end: letters.len() < limit,
        letters,
        counts,
    }))
}

/// The counts of a queue once nobody holds a message of it, or when `wait` is over.
async fn come_back(
    stack: &Stack,
    queue: &str,
    wait: Duration,
    progress: &ProgressBar,
) -> Result<Option<Counts>, Failure> {
    let until = Instant::now() + wait;
    progress.set_message("waiting for another reader, messages that it holds");
    loop {
        let found = counts(stack, queue).await?;
        let held = found.map_or(0, |counts| counts.held);
        if held == 0 || Instant::now() >= until {
            return Ok(found);
        }
        progress.set_position(held as u64);
        tokio::time::sleep(POLL.min(until - Instant::now())).await;
    }
}

/// Receives up to `limit` messages and holds them for `time`.
async fn take(
    stack: &Stack,
    queue: &str,
    limit: usize,
    time: Duration,
    progress: &ProgressBar,
) -> Result<Vec<Letter>, Failure> {
    let mut letters = Vec::new();
    let mut seen = BTreeSet::new();
    while letters.len() < limit {
        let most = (limit - letters.len()).min(BATCH);
        let request = stack
            .bus
            .client()
            .receive_message()
            .queue_url(stack.bus.url(queue));
        let request = request
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .visibility_timeout(i32::try_from(time.as_secs()).unwrap_or(i32::MAX))
            // All servers of the queue are asked, where a receive that does not wait asks a few.
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let received = stack.receive(queue, request).await?;
        let mut news = false;
        for letter in received.into_iter().map(Letter::of) {
            // One that comes twice is back because its time was over: then all the others are, too.
            if seen.insert(letter.message_id.clone()) {
                news = true;
                letters.push(letter);
            }
        }
        progress.set_position(letters.len() as u64);
        if !news {
            break;
        }
    }
    Ok(letters)
}

/// Makes messages visible again. What can't be comes back by itself.
pub(crate) async fn make_visible(stack: &Stack, queue: &str, receipts: &[String]) {
    for batch in receipts.chunks(BATCH) {
        let entry = |(id, receipt): (usize, &String)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(0)
                .build()
        };
        let Ok(entries) = batch.iter().enumerate().map(entry).collect() else {
            continue;
        };
        let request = stack.bus.client().change_message_visibility_batch();
        let request = request.queue_url(stack.bus.url(queue)).set_entries(Some(entries));
        if let Err(error) = request.send().await {
            let why = why(&error);
            note!("messages of {queue} that were looked at come back within 15 minutes, not at once: {why}");
        }
    }
}

/// A message to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) body: String,
    pub(crate) attributes: HashMap<String, MessageAttributeValue>,
    pub(crate) trace: Option<String>,
}

impl Outgoing {
    /// What counts towards the limit of a request.
    pub(crate) fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &MessageAttributeValue)| {
            let text = value.string_value().map_or(0, str::len);
            let binary = value.binary_value().map_or(0, |blob| blob.as_ref().len());
            name.len() + value.data_type().len() + text + binary
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}

/// Sends all, in requests of up to ten messages and 1 MiB; of each, its new message id or what went
/// wrong.
pub(crate) async fn send(stack: &Stack, queue: &str, messages: &[Outgoing]) -> Vec<Result<String, String>> {
    let mut results = Vec::with_capacity(messages.len());
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |message: &&Outgoing| {
            bytes += message.bytes();
            bytes <= MAX_MESSAGE_BYTES
        };
        let fitting = rest.iter().take(BATCH).take_while(fits).count();
        let (batch, later) = rest.split_at(fitting.max(1));
        results.extend(send_batch(stack, queue, batch).await);
        rest = later;
    }
    results
}

async fn send_batch(stack: &Stack, queue: &str, batch: &[Outgoing]) -> Vec<Result<String, String>> {
    let all_failed = |why: String| vec![Err(why); batch.len()];
    let entries = match batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>() {
        Ok(entries) => entries,
        Err(error) => return all_failed(error.to_string()),
    };
    let request = stack
        .bus
        .client()
        .send_message_batch()
        .queue_url(stack.bus.url(queue));
    let answer = match request.set_entries(Some(entries)).send().await {
        Ok(answer) => answer,
        Err(error) => return all_failed(why(&error)),
    };
    let mut outcomes: BTreeMap<String, Result<String, String>> = BTreeMap::new();
    for sent in answer.successful {
        outcomes.insert(sent.id, Ok(sent.message_id));
    }
    for fault in answer.failed {
        let words = fault.message.unwrap_or_else(|| "no message".into());
        outcomes.insert(fault.id, Err(format!("{}: {words}", fault.code)));
    }
    let outcome = |id: usize| outcomes.remove(&id.to_string());
    let unanswered = || Err("the service did not answer for it".to_owned());
    (0..batch.len())
        .map(outcome)
        .map(|outcome| outcome.unwrap_or_else(unanswered))
        .collect()
}

fn entry(
    (id, message): (usize, &Outgoing),
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let attributes = Some(message.attributes.clone()).filter(|attributes| !attributes.is_empty());
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(&message.body)
        .set_message_attributes(attributes);
    if let Some(trace) = &message.trace {
        let value = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(trace)
            .build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    entry.build()
}

/// Deletes messages; of each, what went wrong if anything did.
pub(crate) async fn delete(stack: &Stack, queue: &str, letters: &[&Letter]) -> Vec<Result<(), String>> {
    let mut results = Vec::with_capacity(letters.len());
    for batch in letters.chunks(BATCH) {
        let outcomes = delete_batch(stack, queue, batch).await;
        let gone: Vec<_> = batch
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(letter, _)| letter.receipt.as_str())
            .collect();
        stack.forget(queue, &gone);
        results.extend(outcomes);
    }
    results
}

async fn delete_batch(stack: &Stack, queue: &str, batch: &[&Letter]) -> Vec<Result<(), String>> {
    let entry = |(id, letter): (usize, &&Letter)| {
        DeleteMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .receipt_handle(&letter.receipt)
            .build()
    };
    let all_failed = |why: String| vec![Err(why); batch.len()];
    let entries = match batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>() {
        Ok(entries) => entries,
        Err(error) => return all_failed(error.to_string()),
    };
    let request = stack
        .bus
        .client()
        .delete_message_batch()
        .queue_url(stack.bus.url(queue));
    match request.set_entries(Some(entries)).send().await {
        Ok(answer) => {
            let faults: BTreeMap<_, _> = answer
                .failed
                .into_iter()
                .map(|fault| (fault.id, fault.code))
                .collect();
            let outcome = |id: usize| faults.get(&id.to_string()).map_or(Ok(()), |why| Err(why.clone()));
            (0..batch.len()).map(outcome).collect()
        }
        Err(error) => all_failed(why(&error)),
    }
}

/// The command in `body` under a fixed id, if it is a JSON object that has none: put in as text, so that
/// not a digit of the rest changes, and in place of a `null`, for a name may not come twice.
pub(crate) fn with_id(body: &str, id: &str) -> String {
    let Some(fields) = Fields::of(body) else {
        return body.to_owned();
    };
    let id = serde_json::Value::from(id).to_string();
    let with_id = match (fields.place("id"), body.trim_end().strip_suffix('}')) {
        (Some(place), _) if &body[place.clone()] == "null" => {
            format!("{}{id}{}", &body[..place.start], &body[place.end..])
        }
        (None, Some(inside)) => {
            let comma = if inside.trim() == "{" { "" } else { "," };
            format!("{inside}{comma}\"id\":{id}}}")
        }
        _ => body.to_owned(),
    };
    sendable(with_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_an_id_gets_one_and_keeps_every_digit() {
        let body = r#" {"command": {"amount": 19.90}} "#;
        assert_eq!(
            with_id(body, "m-1"),
            r#" {"command": {"amount": 19.90},"id":"m-1"}"#
        );
        assert_eq!(with_id("{}", "m-1"), r#"{"id":"m-1"}"#);
        assert_eq!(
            with_id(r#"{"\u0069d" : null, "x":1.0}"#, "m-1"),
            r#"{"\u0069d" : "m-1", "x":1.0}"#
        );
        assert_eq!(with_id("{}", "\u{ffff}"), r#"{"id":"\uffff"}"#);
    }

    #[test]
    fn an_id_that_is_there_stays_and_what_is_no_object_is_left_alone() {
        for body in [r#"{"id":"a"}"#, r#"{"id":7}"#, "[1]", "no json", "", "{\"a\":"] {
            assert_eq!(with_id(body, "m-1"), body);
        }
    }
}
