//! The client of one stack's queues: every call to SQS about messages goes through it.
//!
//! Callers hand over any number of entries. The client makes batches of them, each of up to ten entries and
//! 1 MiB, and matches the answers to the entries: results come in the order of what was given, one for each.
//! An entry that the answer says nothing about has failed.

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

use crate::client::failure::reason;
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
}

impl QueueError {
    /// Whether to send the same entry again at once. A call that failed is not repeated: the SDK has done
    /// that.
    pub fn is_worth_another_call(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Unanswered)
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
            _ => Self::Call(reason(error)),
        }
    }

    fn of_entry(fault: &BatchResultErrorEntry) -> Self {
        let why = format!(
            "{}: {}",
            fault.code,
            fault.message.as_deref().unwrap_or("no message")
        );
        if fault.sender_fault {
            Self::Refused(why)
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

    /// Sends all, to as many queues as they name, each entry once; of each, SQS's id of the message. One that
    /// is reported as failed may have been sent all the same, if the answer was lost.
    pub async fn send(&self, messages: &[Outgoing]) -> Vec<Result<String, QueueError>> {
        let mut by_queue: Vec<_> = messages.iter().enumerate().collect();
        // Stable, so that messages to one queue stay in their order.
        by_queue.sort_by_key(|(_, message)| message.queue.as_str());
        let of_queues = by_queue.chunk_by(|(_, one), (_, other)| one.queue == other.queue);
        let batches = of_queues.flat_map(|of_queue| {
            let sizes = of_queue.iter().map(|(_, message)| message.bytes());
            batches(sizes).into_iter().map(|batch| &of_queue[batch])
        });
        // Collected first: the compiler can't see that what a lazy iterator borrows may cross threads.
        let calls: Vec<_> = batches.map(|batch| self.send_batch(batch)).collect();
        let sent: Vec<_> = stream::iter(calls).buffer_unordered(MAX_CALLS).collect().await;
        let mut results = vec![Err(QueueError::Unanswered); messages.len()];
        for (place, result) in sent.into_iter().flatten() {
            results[place] = result;
        }
        results
    }

    /// Sends messages that fit one batch and are for one queue; each comes back under its place.
    async fn send_batch(&self, batch: &[(usize, &Outgoing)]) -> Vec<(usize, Result<String, QueueError>)> {
        let queue = batch.first().map_or("", |(_, message)| message.queue.as_str());
        let entries = batch.iter().enumerate();
        let entries = entries.map(|(id, (_, message))| message.entry(id)).collect();
        let request = self.client.send_message_batch().queue_url(self.url(queue));
        let answer = request.set_entries(Some(entries)).send().await;
        let answer = answer.map(|answer| {
            let sent = answer.successful.into_iter();
            let sent = sent.map(|sent| (sent.id, sent.message_id)).collect();
            (sent, answer.failed)
        });
        let results = matched(batch.len(), answer);
        batch.iter().map(|(place, _)| *place).zip(results).collect()
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

/// Cuts messages of these sizes, in their order, into batches: the places of each.
fn batches(sizes: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (place, size) in sizes.into_iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes + size <= MAX_MESSAGE_BYTES => {
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

    fn lengths(sizes: &[usize]) -> Vec<usize> {
        batches(sizes.iter().copied()).iter().map(Range::len).collect()
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
