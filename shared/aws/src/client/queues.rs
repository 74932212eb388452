//! The client of one stack's queues: every call to SQS about messages goes through it.
//!
//! Callers hand over any number of entries. The client makes batches of them, each of up to ten entries and
//! 1 MiB, and matches the answers to the entries: results come in the order of what was given, one for each.
//! An entry that the answer says nothing about has failed. What a failure means for the next attempt, its
//! [`FailureKind`] says.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::client::connection::timeouts;
use crate::client::failure::{FailureKind, reason};
use crate::client::message::{MAX_MESSAGE_BYTES, Outgoing, Received};

/// The most entries in a batch, and the most messages of one receive.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_BATCH: usize = 10;

/// How many calls are under way at once: a group of thousands would open as many connections.
const MAX_CALLS: usize = 16;

/// The queues of one stack. Queues are named without the stack's name: `lend-book`.
///
/// ```no_run
/// # async fn example(sqs: aws_sdk_sqs::Client, prefix: &str) -> Result<(), aws_adapters::QueueError> {
/// use aws_adapters::{Outgoing, Queues, Receive, dead_letter_queue};
///
/// let queues = Queues::new(sqs, prefix);
/// let sent = queues.send(&[Outgoing::now("lend-book", "{}", None)]).await;
/// assert_eq!(sent.len(), 1);
/// let dead_letters = dead_letter_queue("lend-book");
/// let received = queues.receive(&dead_letters, Receive::default()).await?;
/// let receipts: Vec<_> = received.iter().map(|message| message.receipt.as_str()).collect();
/// for (message, deleted) in received.iter().zip(queues.delete(&dead_letters, &receipts).await) {
///     if let Err(error) = deleted {
///         eprintln!("{} is still there: {error}", message.message_id);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Queues {
    client: Client,
    url_prefix: Arc<str>,
}

/// Why SQS did not do what was asked. Nothing here quotes a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("{0}")]
    NoQueue(String),
    /// SQS refuses the entry for what it is, and would refuse it again.
    #[error("{0}")]
    Refused(String),
    /// SQS refuses the entry for what the sender may do or how the queue is set up: permissions, a key, a
    /// limit. The same entry is taken once somebody has mended that, and not before.
    #[error("{0}")]
    Denied(String),
    /// SQS failed at the entry by a fault of its own; the same entry may succeed later.
    #[error("{0}")]
    Fault(String),
    /// The whole call failed, after the SDK's own retries. It may have been carried out all the same, if its
    /// answer was lost.
    #[error("{0}")]
    Call(String),
    /// SQS answered, but not for this entry.
    #[error("the service did not answer for it")]
    Unanswered,
    /// The caller's time was up before there was an answer, or before it was asked at all.
    #[error("there was no answer before the function's time was up")]
    OutOfTime,
}

/// What SQS says of a message that it never takes: its characters, its size, its attributes. Any other error
/// is about the service, the queue or the sender, which may be mended while the message stays as it is. So
/// an error that is not known here is transient: at worst such a message is sent for some days in vain, where
/// the other guess would put down a message that only had to wait.
///
/// Sources: the errors of
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html> and
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>;
/// `InvalidParameterValue`, which a message that is too long gets, is one of the
/// [common errors](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html).
const REFUSED_FOR_WHAT_IT_IS: [&str; 4] = [
    "InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidAttributeValue",
    "BatchRequestTooLong",
];

/// Whether a code is one of a message that is never taken. In front of it some stand with the service's name,
/// as the older protocol has them, or end in `Exception`.
fn refuses_the_message(code: &str) -> bool {
    let code = code.rsplit('.').next().unwrap_or(code);
    REFUSED_FOR_WHAT_IT_IS.contains(&code.strip_suffix("Exception").unwrap_or(code))
}

impl QueueError {
    /// Whether to send the same entry again at once. A call that failed is not repeated: the SDK has done
    /// that.
    pub fn is_worth_another_call(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Unanswered)
    }

    /// Whether the same entry may be taken another time. A queue that is not there may be made again; what is
    /// denied may be allowed.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Refused(_) => FailureKind::Permanent,
            Self::NoQueue(_)
            | Self::Denied(_)
            | Self::Fault(_)
            | Self::Call(_)
            | Self::Unanswered
            | Self::OutOfTime => FailureKind::Transient,
        }
    }

    fn of_call<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        // By its name in JSON, and by that in the older protocol, which the service still adds.
        match code {
            Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue") => {
                Self::NoQueue(reason(error))
            }
            Some(code) if refuses_the_message(code) => Self::Refused(reason(error)),
            _ => Self::Call(reason(error)),
        }
    }

    fn of_entry(fault: &BatchResultErrorEntry) -> Self {
        let why = format!(
            "{}: {}",
            fault.code,
            fault.message.as_deref().unwrap_or("no message")
        );
        if refuses_the_message(&fault.code) {
            Self::Refused(why)
        } else if fault.sender_fault {
            Self::Denied(why)
        } else {
            Self::Fault(why)
        }
    }
}

/// How messages are received.
#[derive(Clone, Copy, Debug)]
pub struct Receive {
    /// Up to how many; no call returns more than [`MAX_BATCH`].
    pub limit: usize,
    /// For how long they are invisible to others, in whole seconds; none is the queue's own time.
    pub visibility: Option<Duration>,
    /// How long to wait for the first, in whole seconds, up to 20. A call that waits at all asks every server
    /// of the queue; one that does not asks a few, and may miss what is there.
    pub wait: Duration,
}

impl Default for Receive {
    /// Up to ten, for the queue's own time, without waiting.
    fn default() -> Self {
        Self {
            limit: MAX_BATCH,
            visibility: None,
            wait: Duration::ZERO,
        }
    }
}

/// What SQS knows of the messages of a queue. On AWS its counts lag behind by up to a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that can be received.
    pub visible: usize,
    /// Messages that a reader has received and not deleted, and messages that were sent with a delay: all
    /// that are there and can't be received yet.
    pub held: usize,
    /// For how long a reader holds them that does not ask for another time.
    pub visibility_timeout: Duration,
}

impl Counts {
    /// All messages.
    pub fn all(&self) -> usize {
        self.visible + self.held
    }
}

impl Queues {
    /// The queues whose URLs are `url_prefix` and their name in the stack, as in
    /// `https://sqs.eu-central-1.amazonaws.com/123456789012/S-`.
    pub fn new(client: Client, url_prefix: &str) -> Self {
        Self {
            client,
            url_prefix: url_prefix.into(),
        }
    }

    /// What the URLs of all queues begin with: it tells the account and the region, too.
    pub fn url_prefix(&self) -> &str {
        &self.url_prefix
    }

    /// The URL of a queue.
    pub fn url(&self, queue: &str) -> String {
        format!("{}{queue}", self.url_prefix)
    }

    /// The same queues, whose calls take no longer than `attempt` each time, and `operation` with all the
    /// client's retries: for callers who have less time than the client would take.
    #[must_use]
    pub fn with_timeouts(self, attempt: Duration, operation: Duration) -> Self {
        let config = self.client.config().to_builder();
        let config = config.timeout_config(timeouts(attempt, operation)).build();
        Self {
            client: Client::from_conf(config),
            ..self
        }
    }

    /// Sends all, to as many queues as they name, each entry once; of each, SQS's id of the message. One that
    /// is reported as failed may have been sent all the same, if the answer was lost.
    pub async fn send(&self, messages: &[Outgoing]) -> Vec<Result<String, QueueError>> {
        self.send_until(messages, None).await
    }

    /// The same, but what has no answer by `until` has failed as [`QueueError::OutOfTime`].
    pub async fn send_until(
        &self,
        messages: &[Outgoing],
        until: Option<Instant>,
    ) -> Vec<Result<String, QueueError>> {
        let mut by_queue: Vec<_> = messages.iter().enumerate().collect();
        // Stable, so that messages to one queue stay in their order.
        by_queue.sort_by_key(|(_, message)| message.queue.as_str());
        let of_queues = by_queue.chunk_by(|(_, one), (_, other)| one.queue == other.queue);
        let mut batches: Vec<_> = of_queues
            .flat_map(|of_queue| {
                let sizes = of_queue.iter().map(|(_, message)| message.bytes());
                let batches = batches(sizes, MAX_MESSAGE_BYTES)
                    .into_iter()
                    .map(|batch| &of_queue[batch]);
                batches.enumerate()
            })
            .collect();
        // The first of each queue before the second of any: many for one that hangs hold up no other.
        batches.sort_by_key(|(turn, _)| *turn);
        // Collected first: the compiler can't see that what a lazy iterator borrows may cross threads.
        let calls: Vec<_> = batches
            .into_iter()
            .map(|(_, batch)| self.send_batch(batch))
            .collect();
        let mut results = vec![Err(QueueError::OutOfTime); messages.len()];
        collect_until(calls, until, &mut results).await;
        results
    }

    /// Sends messages that fit one batch and are for one queue; each comes back under its place. A batch that
    /// is refused as a whole for what one of them holds is sent one by one: the others are not to blame.
    async fn send_batch(&self, batch: &[(usize, &Outgoing)]) -> Vec<(usize, Result<String, QueueError>)> {
        let (mut results, refused) = self.send_once(batch).await;
        if refused && batch.len() > 1 {
            results.clear();
            for message in batch {
                results.extend(self.send_once(std::slice::from_ref(message)).await.0);
            }
        }
        results
    }

    /// The results of one call, and whether it was refused as a whole for what it holds.
    async fn send_once(
        &self,
        batch: &[(usize, &Outgoing)],
    ) -> (Vec<(usize, Result<String, QueueError>)>, bool) {
        let queue = batch.first().map_or("", |(_, message)| message.queue.as_str());
        let entries = batch.iter().enumerate();
        let entries = entries.map(|(id, (_, message))| message.entry(id)).collect();
        let request = self.client.send_message_batch().queue_url(self.url(queue));
        let answer = request.set_entries(Some(entries)).send().await;
        let refused = answer
            .as_ref()
            .is_err_and(|error| QueueError::of_call(error).kind() == FailureKind::Permanent);
        let answer = answer.map(|answer| {
            let sent = answer.successful.into_iter();
            let sent = sent.map(|sent| (sent.id, sent.message_id)).collect();
            (sent, answer.failed)
        });
        let results = matched(batch.len(), answer);
        let results = batch.iter().map(|(place, _)| *place).zip(results).collect();
        (results, refused)
    }

    /// Deletes the messages that `receipts` name.
    pub async fn delete(&self, queue: &str, receipts: &[&str]) -> Vec<Result<(), QueueError>> {
        let mut results = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(MAX_BATCH) {
            let entry = |(id, receipt): (usize, &&str)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(*receipt)
                    .build()
                    .expect("an entry with id and receipt handle")
            };
            let entries = batch.iter().enumerate().map(entry).collect();
            let request = self.client.delete_message_batch().queue_url(self.url(queue));
            let answer = request.set_entries(Some(entries)).send().await;
            let answer = answer.map(|answer| {
                let deleted = answer.successful.into_iter();
                (deleted.map(|deleted| (deleted.id, ())).collect(), answer.failed)
            });
            results.extend(matched(batch.len(), answer));
        }
        results
    }

    /// Has messages that were received become visible again after a time each, in whole seconds from now, up
    /// to twelve hours; zero is at once.
    pub async fn change_visibility(
        &self,
        queue: &str,
        receipts: &[(&str, Duration)],
    ) -> Vec<Result<(), QueueError>> {
        let mut results = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(MAX_BATCH) {
            let entry = |(id, (receipt, after)): (usize, &(&str, Duration))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(*receipt)
                    .visibility_timeout(seconds(*after))
                    .build()
                    .expect("an entry with id and receipt handle")
            };
            let entries = batch.iter().enumerate().map(entry).collect();
            let request = self.client.change_message_visibility_batch();
            let request = request.queue_url(self.url(queue)).set_entries(Some(entries));
            let answer = request.send().await.map(|answer| {
                let changed = answer.successful.into_iter();
                (changed.map(|changed| (changed.id, ())).collect(), answer.failed)
            });
            results.extend(matched(batch.len(), answer));
        }
        results
    }

    /// Receives messages in one call, with all that travels beside their bodies. That none came does not say
    /// that the queue is empty: another reader may hold them.
    pub async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Received>, QueueError> {
        let most = how.limit.clamp(1, MAX_BATCH);
        let request = self
            .client
            .receive_message()
            .queue_url(self.url(queue))
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .set_visibility_timeout(how.visibility.map(seconds))
            .wait_time_seconds(seconds(how.wait))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request
            .send()
            .await
            .map_err(|error| QueueError::of_call(&error))?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().map(Received::from).collect())
    }

    /// How many messages a queue holds.
    pub async fn counts(&self, queue: &str) -> Result<Counts, QueueError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as InFlight, VisibilityTimeout,
        };
        let asked = vec![Visible, InFlight, Delayed, VisibilityTimeout];
        let request = self.client.get_queue_attributes().queue_url(self.url(queue));
        let answer = request.set_attribute_names(Some(asked)).send().await;
        let attributes = answer
            .map_err(|error| QueueError::of_call(&error))?
            .attributes
            .unwrap_or_default();
        let number = |name| {
            let value = attributes.get(&name);
            value.and_then(|number| number.parse::<usize>().ok()).unwrap_or(0)
        };
        Ok(Counts {
            visible: number(Visible),
            held: number(InFlight) + number(Delayed),
            visibility_timeout: Duration::from_secs(number(VisibilityTimeout) as u64),
        })
    }
}

/// Makes the calls, several at once, as far as the time reaches, and puts what each says of a place into it.
pub(crate) async fn collect_until<T>(
    calls: Vec<impl Future<Output = Vec<(usize, T)>>>,
    until: Option<Instant>,
    results: &mut [T],
) {
    let mut calls = stream::iter(calls).buffer_unordered(MAX_CALLS);
    loop {
        let said = match until {
            None => calls.next().await,
            Some(until) if until <= Instant::now() => None,
            Some(until) => tokio::time::timeout_at(until, calls.next()).await.unwrap_or(None),
        };
        let Some(said) = said else { return };
        for (place, result) in said {
            results[place] = result;
        }
    }
}

/// Cuts messages of these sizes, in their order, into batches of up to `limit` bytes: the places of each.
pub(crate) fn batches(sizes: impl IntoIterator<Item = usize>, limit: usize) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (place, size) in sizes.into_iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes + size <= limit => {
                batch.end = place + 1;
                bytes += size;
            }
            _ => {
                batches.push(place..place + 1);
                bytes = size;
            }
        }
    }
    batches
}

/// What SQS answered to a batch: what was done, by the ids of the entries, and what failed.
type BatchAnswer<T> = (Vec<(String, T)>, Vec<BatchResultErrorEntry>);

/// What became of each of `length` entries, whose ids are their places.
fn matched<T, E>(length: usize, answer: Result<BatchAnswer<T>, SdkError<E>>) -> Vec<Result<T, QueueError>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (done, failed) = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let error = QueueError::of_call(&error);
            return (0..length).map(|_| Err(error.clone())).collect();
        }
    };
    let mut outcomes: HashMap<String, Result<T, QueueError>> = HashMap::with_capacity(length);
    outcomes.extend(done.into_iter().map(|(id, done)| (id, Ok(done))));
    for fault in failed {
        let error = QueueError::of_entry(&fault);
        outcomes.insert(fault.id, Err(error));
    }
    let outcome = |id: usize| outcomes.remove(&id.to_string());
    (0..length)
        .map(outcome)
        .map(|outcome| outcome.unwrap_or(Err(QueueError::Unanswered)))
        .collect()
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: &str, sender_fault: bool) -> QueueError {
        let entry = BatchResultErrorEntry::builder().id("0").code(code);
        let entry = entry.sender_fault(sender_fault).build();
        QueueError::of_entry(&entry.expect("an entry with id, code and fault"))
    }

    #[test]
    fn a_message_is_refused_for_good_only_for_what_it_is() {
        for code in [
            "InvalidMessageContents",
            "InvalidParameterValue",
            "InvalidParameterValueException",
            "InvalidAttributeValue",
            "AWS.SimpleQueueService.BatchRequestTooLong",
        ] {
            let error = failed(code, true);
            assert_eq!(error.kind(), FailureKind::Permanent, "{error}");
            assert!(!error.is_worth_another_call(), "{error}");
        }
        // Whoever mends the role, the key, the queue or the service has the same message taken.
        for code in [
            "AccessDenied",
            "AccessDeniedException",
            "KmsAccessDenied",
            "KmsDisabled",
            "KmsThrottled",
            "AWS.SimpleQueueService.NonExistentQueue",
            "RequestThrottled",
            "OverLimit",
            "a code of tomorrow",
        ] {
            let error = failed(code, true);
            assert_eq!(error.kind(), FailureKind::Transient, "{error}");
            assert!(!error.is_worth_another_call(), "at once it would be denied again");
        }
        let error = failed("InternalError", false);
        assert_eq!(error.kind(), FailureKind::Transient);
        assert!(error.is_worth_another_call());
    }

    fn lengths(sizes: &[usize]) -> Vec<usize> {
        batches(sizes.iter().copied(), MAX_MESSAGE_BYTES)
            .iter()
            .map(Range::len)
            .collect()
    }

    #[test]
    fn a_batch_holds_ten_messages_at_most() {
        assert_eq!(lengths(&[1; 23]), [10, 10, 3]);
    }

    #[test]
    fn a_batch_holds_a_mebibyte_at_most() {
        assert_eq!(lengths(&[400_000; 5]), [2, 2, 1]);
        assert_eq!(lengths(&[MAX_MESSAGE_BYTES, 1]), [1, 1]);
    }

    #[test]
    fn a_message_that_is_too_long_is_a_batch_of_its_own() {
        assert_eq!(lengths(&[1, MAX_MESSAGE_BYTES + 1, 1]), [1, 1, 1]);
    }
}
