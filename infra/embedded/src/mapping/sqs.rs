//! A queue's event-source mapping: batches of messages to a function, deleted when it is done with them.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>. What fails is left alone: the queue shows
//! it again when its visibility timeout ends, and moves it to the dead-letter queue by its redrive policy.
//! Of Lambda's ways to find its pace none is copied: it takes messages for as long as fewer invocations
//! run than [`Settings::maximum_concurrency`] allows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::base64;
use embedded_sqs::{MessageAttribute, Receive, Received, Sqs, SqsError};
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::report::{self, Report};
use super::{
    EMPTY_PAYLOAD, Function, LARGEST_PAYLOAD, MappingError, Notice, Shutdown, Status, check, event_of,
    json_length, new_request_id, told_to_stop,
};

/// The longest that SQS holds a receive call open.
const LONG_POLL: Duration = Duration::from_secs(20);
/// The most messages that SQS gives in one receive call.
const LARGEST_RECEIVE: usize = 10;
/// The most messages that SQS deletes in one call.
const LARGEST_DELETE: usize = 10;
/// How many invocations of one mapping Lambda runs at most if it isn't limited.
const UNLIMITED: u32 = 1_250;
/// The wait before a queue that hands out nothing more, because too much is in flight, is asked again.
const OVER_LIMIT: Duration = Duration::from_secs(1);
/// Names and punctuation of one record, its ids and its attributes.
const RECORD_FRAME: usize = 1_024;

/// The settings of a queue's mapping, in Lambda's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The queue's name.
    pub queue: String,
    /// `BatchSize`: 1 to 10,000 messages; more than 10 need a batching window.
    pub batch_size: u32,
    /// `MaximumBatchingWindowInSeconds`: for how long to wait for a batch to fill, up to 300 seconds.
    pub batching_window: Duration,
    /// `ScalingConfig.MaximumConcurrency`: 2 to 1,000 invocations at once; `None` is 1,250.
    pub maximum_concurrency: Option<u32>,
    /// `FunctionResponseTypes` holds `ReportBatchItemFailures`.
    pub report_batch_item_failures: bool,
}

impl Settings {
    /// Lambda's defaults.
    pub fn of(queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            batch_size: 10,
            batching_window: Duration::ZERO,
            maximum_concurrency: None,
            report_batch_item_failures: false,
        }
    }

    /// Refuses what Lambda refuses.
    pub fn check(&self) -> Result<(), MappingError> {
        check("BatchSize", &self.batch_size, 1..=10_000)?;
        check(
            "MaximumBatchingWindowInSeconds",
            &self.batching_window,
            Duration::ZERO..=Duration::from_mins(5),
        )?;
        check(
            "MaximumConcurrency",
            &self.maximum_concurrency.unwrap_or(2),
            2..=1_000,
        )?;
        if self.batch_size > 10 && self.batching_window < Duration::from_secs(1) {
            return Err(MappingError::Setting {
                setting: "BatchSize",
                value: self.batch_size.to_string(),
                expected: "one above 10 needs a MaximumBatchingWindowInSeconds of at least 1".to_owned(),
            });
        }
        Ok(())
    }
}

/// Runs the mapping until `shutdown`. A queue that is deleted meanwhile is waited for, and read again when
/// there is one of its name. It does not start with settings that Lambda refuses, or on a queue
/// that would show messages again while the function still works on them.
pub async fn run(
    settings: Settings,
    sqs: Sqs,
    function: Function,
    status: Status,
    mut shutdown: Shutdown,
) -> Result<(), MappingError> {
    settings.check()?;
    let queue = Queue::describe(&sqs, &settings.queue).await?;
    queue.check_visibility(&function)?;

    let deliveries = Deliveries {
        settings,
        queue,
        sqs,
        function,
        status: status.clone(),
    };
    let mut poller = Poller {
        deliveries: Arc::new(deliveries),
        left_over: VecDeque::new(),
    };
    let mut running = JoinSet::new();
    status.update(|activity| activity.listening = true);
    let mut outcome = poller.poll(&mut running, &mut shutdown).await;
    poller.give_back();
    while let Some(ended) = running.join_next().await {
        outcome = outcome.and(poller.deliveries.outcome(ended));
    }
    status.update(|activity| activity.listening = false);
    outcome
}

/// Takes messages from the queue and makes batches of them.
struct Poller {
    deliveries: Arc<Deliveries>,
    /// Messages that would have made the batch before too large for an event.
    left_over: VecDeque<Received>,
}

impl Poller {
    /// Starts deliveries until it is told to stop or the queue fails.
    async fn poll(&mut self, running: &mut JoinSet<()>, shutdown: &mut Shutdown) -> Result<(), MappingError> {
        // One invocation may run per slot. It is taken before messages are: those that nobody is free to
        // handle stay visible.
        let limit = self.deliveries.settings.maximum_concurrency.unwrap_or(UNLIMITED);
        let slots = Arc::new(Semaphore::new(limit as usize));
        let mut disabled = self.deliveries.status.disabled.subscribe();
        loop {
            let slot = async {
                switched(&mut disabled, false).await;
                slots.clone().acquire_owned().await
            };
            let slot = tokio::select! {
                biased;
                () = told_to_stop(shutdown) => return Ok(()),
                slot = slot => slot,
            };
            let batch = match self.next_batch(shutdown, &mut disabled).await {
                // It is to end, or was switched off.
                Ok(batch) if batch.is_empty() => continue,
                Ok(batch) => batch,
                Err(error) => {
                    let again = self.deliveries.until_readable(&error);
                    tokio::select! {
                        biased;
                        () = told_to_stop(shutdown) => return Ok(()),
                        readable = again => readable?,
                    }
                    continue;
                }
            };
            // The semaphore is never closed, so there is a slot.
            running.spawn(self.deliveries.clone().deliver(batch, slot.ok()));
            while let Some(ended) = running.try_join_next() {
                self.deliveries.outcome(ended)?;
            }
        }
    }

    /// The next batch, in a long poll and then for as long as the window lasts. It is empty only at
    /// shutdown, or when it is switched off: what was gathered until then is still delivered.
    async fn next_batch(
        &mut self,
        shutdown: &mut Shutdown,
        disabled: &mut watch::Receiver<bool>,
    ) -> Result<Vec<Received>, SqsError> {
        let settings = &self.deliveries.settings;
        let (largest, window) = (settings.batch_size as usize, settings.batching_window);
        let mut batch = Batch::of_at_most(largest);
        batch.fill(&mut self.left_over);
        let mut until = (!batch.messages.is_empty()).then(|| Instant::now() + window);
        while !batch.is_full() && self.left_over.is_empty() {
            let left = until.map_or(LONG_POLL, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let most = LARGEST_RECEIVE.min(largest - batch.messages.len());
            let received = tokio::select! {
                biased;
                () = told_to_stop(shutdown) => break,
                () = switched(disabled, true) => break,
                received = self.deliveries.receive(most, left.min(LONG_POLL)) => match received {
                    Ok(received) => received,
                    // What was gathered is delivered first; the next look meets the same.
                    Err(_) if !batch.messages.is_empty() => break,
                    Err(error) => return Err(error),
                },
            };
            self.left_over.extend(received);
            batch.fill(&mut self.left_over);
            if until.is_none() && !batch.messages.is_empty() {
                until = Some(Instant::now() + window);
            }
        }
        Ok(batch.messages)
    }

    /// Shows the queue's other readers what was taken and not delivered.
    fn give_back(&mut self) {
        let Deliveries {
            sqs,
            settings,
            status,
            ..
        } = &*self.deliveries;
        for message in self.left_over.drain(..) {
            let shown = sqs.change_visibility(&settings.queue, &message.receipt_handle, Duration::ZERO);
            if let Err(error) = shown {
                // The queue is another one by now, and the message gone with the one it came from.
                tracing::warn!(queue = settings.queue, "a message was not given back: {error}");
            }
            status.update(|activity| activity.pending -= 1);
        }
    }
}

/// Resolves when a mapping is switched off, or is not.
async fn switched(disabled: &mut watch::Receiver<bool>, off: bool) {
    // The sender is in the status, which the mapping holds.
    drop(disabled.wait_for(|disabled| *disabled == off).await);
}

/// Messages for one event, within the limits of number and size.
struct Batch {
    messages: Vec<Received>,
    most: usize,
    size: usize,
    full: bool,
}

impl Batch {
    fn of_at_most(most: usize) -> Self {
        Self {
            messages: Vec::new(),
            most,
            size: EMPTY_PAYLOAD,
            full: false,
        }
    }

    fn is_full(&self) -> bool {
        self.full || self.messages.len() >= self.most
    }

    /// Moves messages over for as long as they fit. One alone always does: SQS's limit is 1 MiB.
    fn fill(&mut self, from: &mut VecDeque<Received>) {
        while !self.is_full() {
            let Some(next) = from.front() else { return };
            let size = size_of(next);
            if self.size + size > LARGEST_PAYLOAD && !self.messages.is_empty() {
                self.full = true;
                return;
            }
            self.size += size;
            self.messages.extend(from.pop_front());
        }
    }
}

fn size_of(message: &Received) -> usize {
    let attribute = |(name, attribute): (&String, &MessageAttribute)| {
        let text = attribute.string_value.as_deref().map_or(0, json_length);
        let binary = attribute
            .binary_value
            .as_ref()
            .map_or(0, |bytes| bytes.len().div_ceil(3) * 4);
        json_length(name) + text + binary + attribute.data_type.len() + 128
    };
    let attributes: usize = message.message_attributes.iter().map(attribute).sum();
    RECORD_FRAME + message.receipt_handle.len() + json_length(&message.body) + attributes
}

/// Everything that a batch needs on its way.
struct Deliveries {
    settings: Settings,
    queue: Queue,
    sqs: Sqs,
    function: Function,
    status: Status,
}

impl Deliveries {
    /// Says why the queue can't be read, and waits until it can.
    async fn until_readable(&self, error: &SqsError) -> Result<(), MappingError> {
        let (queue, source) = (&self.settings.queue, format!("queue {}", self.settings.queue));
        let function = self.function.name();
        match error {
            SqsError::QueueDoesNotExist { .. } => {
                self.status.tell(Notice::Lost {
                    source: source.clone(),
                    reason: format!(
                        "was deleted, and its messages with it: {function} waits for a queue of that name, which \
                         `sqs create-queue` or a new start makes"
                    ),
                });
                self.sqs.until_exists(queue).await;
                let Ok(again) = Queue::describe(&self.sqs, queue).await else {
                    // Deleted once more, which the next look tells.
                    return Ok(());
                };
                let outcome = match again.check_visibility(&self.function) {
                    Ok(()) => format!("{function} reads it"),
                    // Lambda refuses that only when the mapping is made.
                    Err(warning) => format!("{function} reads it, but {warning}"),
                };
                self.status.tell(Notice::Found { source, outcome });
                Ok(())
            }
            SqsError::OverLimit { .. } => {
                tracing::warn!(queue, "{error}");
                tokio::time::sleep(OVER_LIMIT).await;
                Ok(())
            }
            other => Err(self.failed(other.clone())),
        }
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Received>, SqsError> {
        let receive = Receive {
            max: most,
            wait,
            visibility: None,
        };
        let pending = |messages| self.status.update(|activity| activity.pending += messages);
        self.sqs
            .receive_noting(&self.settings.queue, receive, pending)
            .await
    }

    /// Invokes the function with a batch and deletes what it is done with.
    async fn deliver(self: Arc<Self>, batch: Vec<Received>, _slot: Option<OwnedSemaphorePermit>) {
        let records: Vec<Value> = batch.iter().map(|message| self.queue.record(message)).collect();
        let trace_header = batch
            .iter()
            .find_map(|message| message.attributes.aws_trace_header.clone());
        self.status.started();
        let answer = self
            .function
            .invoke(event_of(records), new_request_id(), trace_header)
            .await;
        let (done, failure) = match &answer {
            Err(error) => (Vec::new(), Some(error.to_string())),
            Ok(_) if !self.settings.report_batch_item_failures => (batch.iter().collect(), None),
            Ok(answer) => {
                match report::read(answer, |id| batch.iter().any(|message| message.message_id == id)) {
                    Report::Success => (batch.iter().collect(), None),
                    Report::Failed(failed) => {
                        let done = |message: &&Received| !failed.contains(message.message_id.as_str());
                        (batch.iter().filter(done).collect(), None)
                    }
                    Report::Unusable(reason) => (Vec::new(), Some(reason)),
                }
            }
        };
        if let Some(failure) = &failure {
            tracing::warn!(
                queue = self.settings.queue,
                function = self.function.arn,
                "{failure}"
            );
        }
        self.delete(&done);
        self.status.update(|activity| activity.pending -= batch.len());
        self.status.ended(failure.as_ref().map(|failure| failure as _));
    }

    /// A message that can't be deleted is gone with the queue it came from, or comes again.
    fn delete(&self, done: &[&Received]) {
        for batch in done.chunks(LARGEST_DELETE) {
            let handles = batch.iter().map(|message| message.receipt_handle.as_str());
            let deleted = self.sqs.delete_batch(&self.settings.queue, handles);
            for outcome in deleted.unwrap_or_else(|error| vec![Err(error)]) {
                if let Err(error) = outcome {
                    tracing::warn!(queue = self.settings.queue, "a message was not deleted: {error}");
                }
            }
        }
    }

    fn outcome(&self, ended: Result<(), JoinError>) -> Result<(), MappingError> {
        ended.map_err(|crash| MappingError::Crashed {
            source_name: self.settings.queue.clone(),
            reason: crash.to_string(),
        })
    }

    fn failed(&self, source: SqsError) -> MappingError {
        MappingError::Sqs {
            queue: self.settings.queue.clone(),
            source,
        }
    }
}

/// What a mapping has to know of its queue.
pub(super) struct Queue {
    name: String,
    arn: String,
    region: String,
    visibility: Duration,
}

impl Queue {
    pub(super) async fn describe(sqs: &Sqs, name: &str) -> Result<Self, MappingError> {
        let request = json!({
            "QueueUrl": sqs.queue_url(name),
            "AttributeNames": ["VisibilityTimeout"],
        });
        let answer = sqs
            .handle("GetQueueAttributes", request.to_string().as_bytes())
            .await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let seconds = body["Attributes"]["VisibilityTimeout"]
            .as_str()
            .and_then(|text| text.parse().ok());
        let arn = sqs.queue_arn(name);
        match seconds {
            Some(seconds) => Ok(Self {
                name: name.to_owned(),
                region: arn.split(':').nth(3).unwrap_or_default().to_owned(),
                arn,
                visibility: Duration::from_secs(seconds),
            }),
            None => Err(MappingError::Queue {
                queue: name.to_owned(),
                reason: body.to_string(),
            }),
        }
    }

    fn check_visibility(&self, function: &Function) -> Result<(), MappingError> {
        if self.visibility >= function.timeout {
            return Ok(());
        }
        Err(MappingError::Visibility {
            queue: self.name.clone(),
            visibility: self.visibility,
            function: function.arn.clone(),
            timeout: function.timeout,
        })
    }

    /// A message as a record of the event.
    fn record(&self, message: &Received) -> Value {
        let system = &message.attributes;
        let mut attributes = json!({
            "ApproximateReceiveCount": system.approximate_receive_count.to_string(),
            "SentTimestamp": system.sent_timestamp_ms.to_string(),
            "SenderId": system.sender_id,
            "ApproximateFirstReceiveTimestamp": system.approximate_first_receive_timestamp_ms.to_string(),
        });
        if let Some(trace_header) = &system.aws_trace_header {
            attributes["AWSTraceHeader"] = trace_header.as_str().into();
        }
        if let Some(source) = &system.dead_letter_queue_source_arn {
            attributes["DeadLetterQueueSourceArn"] = source.as_str().into();
        }
        let message_attributes: Map<String, Value> = message
            .message_attributes
            .iter()
            .map(|(name, attribute)| (name.clone(), message_attribute(attribute)))
            .collect();
        let mut record = json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": message_attributes,
            "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": self.region,
        });
        if let Some(digest) = &message.md5_of_message_attributes {
            record["md5OfMessageAttributes"] = digest.as_str().into();
        }
        record
    }
}

fn message_attribute(attribute: &MessageAttribute) -> Value {
    let mut value = json!({
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": attribute.data_type,
    });
    if let Some(text) = &attribute.string_value {
        value["stringValue"] = text.as_str().into();
    }
    if let Some(bytes) = &attribute.binary_value {
        value["binaryValue"] = base64::encode(bytes).into();
    }
    value
}
