//! A running bundle that can be asked: a local stack on a paused clock, what stands in its tables and
//! dead-letter queues, and a record of every call that its functions made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_adapters::{Bus, Connection, Delivery, DynamoDbEventStore, Outbox};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use bundle::{Function, Trigger};
use embedded_aws::Service;
use embedded_aws::transport::{Call, Fault, Faults};
use embedded_sqs::{Counts, Receive};
use eventsourcing::{EventStore, Read, RecordedEvent, StreamId};
use local::player::Player;
use local::{Stack, StackOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::database;

/// When the clock of every bundle starts: 2026-11-23T08:00:00Z.
pub const START: Duration = Duration::from_hours(498_728);

/// Longer than any deadline, retry or redrive, the three days of the outbox first of all: what has not come to
/// rest by then never will.
const PATIENCE: Duration = Duration::from_hours(100);

/// The options of a stack of that business on which nothing goes wrong, and whose outbox, mostly empty, is
/// swept now and then.
pub fn options(bundle: bundle::Bundle) -> StackOptions {
    StackOptions {
        epoch: UNIX_EPOCH + START,
        sweep_interval: Some(Duration::from_mins(15)),
        ..StackOptions::of(bundle)
    }
}

/// A bundle that runs.
pub struct Running {
    /// The stack.
    pub stack: Stack,
    /// Clients that nothing goes wrong with, and whose calls are not recorded.
    pub observer: Connection,
    /// Its event store, by way of the observer.
    pub store: DynamoDbEventStore,
    watch: Arc<Watch>,
    began: Instant,
}

/// A call that a function made.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When, from the bundle's start.
    pub at: Duration,
    /// The function's name, without the stack's.
    pub caller: String,
    /// The service that it called.
    pub service: Service,
    /// Such as `PutItem`.
    pub operation: String,
    /// The table or queue.
    pub resource: String,
    /// The request.
    pub request: Value,
}

/// A message in a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The queue that it was on before, without the stack's name.
    pub queue: String,
    /// SQS's id of it.
    pub message_id: String,
    /// Its body.
    pub body: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// When it was sent, from the bundle's start. One that SQS moved by itself keeps its first time.
    pub sent: Duration,
    /// The queue's ARN, if SQS moved it by itself.
    pub moved_by_sqs: Option<String>,
}

impl Letter {
    fn of(queue: &str, message: embedded_sqs::Received) -> Self {
        let text = |(name, value): (String, embedded_sqs::MessageAttribute)| {
            (name, value.string_value.unwrap_or_default())
        };
        Self {
            queue: queue.to_owned(),
            message_id: message.message_id,
            body: message.body,
            attributes: message.message_attributes.into_iter().map(text).collect(),
            sent: Duration::from_millis(message.attributes.sent_timestamp_ms).saturating_sub(START),
            moved_by_sqs: message.attributes.dead_letter_queue_source_arn,
        }
    }

    /// An attribute; empty if it is not there.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Running {
    /// Starts a bundle. The calls are recorded on their way to the faults of the options.
    pub async fn start(options: StackOptions) -> Self {
        Self::watched(options, true).await
    }

    /// Starts a bundle whose calls are not recorded: millions of them would take up all memory.
    pub async fn start_unwatched(options: StackOptions) -> Self {
        Self::watched(options, false).await
    }

    async fn watched(mut options: StackOptions, records: bool) -> Self {
        let watch = Arc::new(Watch {
            began: Instant::now(),
            faults: options.faults.take(),
            records,
            seen: Mutex::default(),
        });
        options.faults = Some(watch.clone());
        let stack = Stack::start(options)
            .await
            .expect("a stack in memory needs nothing to start");
        let observer = stack.observer();
        let store = DynamoDbEventStore::new(observer.dynamodb.clone(), stack.names().events_table());
        Self {
            observer,
            store,
            began: watch.began,
            watch,
            stack,
        }
    }

    /// How long it has been running.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// What a queue's URL begins with.
    pub fn queue_url_prefix(&self) -> String {
        self.stack.wire().sqs().queue_url(&self.stack.names().prefix())
    }

    fn queue_name(&self, queue: &str) -> String {
        self.stack.names().of_function(queue)
    }

    /// A bus for somebody outside.
    pub fn bus(&self) -> Bus {
        Bus::new(self.observer.sqs.clone(), &self.queue_url_prefix())
    }

    /// Somebody who plays scenarios and whose messages are recorded under the name `player`.
    pub fn player(&self) -> Player {
        let connection = self.stack.connection("player");
        Player::new(
            &connection,
            self.stack.names(),
            &self.queue_url_prefix(),
            PATIENCE,
        )
    }

    /// Sends a message as somebody outside would, and answers its id.
    pub async fn send(&self, queue: &str, body: &str) -> String {
        self.send_batch(queue, &[body.to_owned()])
            .await
            .pop()
            .expect("each message gets an id")
    }

    /// Sends up to ten messages in one request, so that a function gets them as one batch.
    pub async fn send_batch(&self, queue: &str, bodies: &[String]) -> Vec<String> {
        let entry = |(id, body): (usize, &String)| {
            SendMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .message_body(body)
                .build()
                .expect("an entry with id and body")
        };
        let sent = self
            .observer
            .sqs
            .send_message_batch()
            .queue_url(self.bus().queues().url(queue))
            .set_entries(Some(bodies.iter().enumerate().map(entry).collect()))
            .send()
            .await
            .expect("the queue takes them");
        assert!(sent.failed.is_empty(), "{:?}", sent.failed);
        sent.successful.into_iter().map(|sent| sent.message_id).collect()
    }

    /// Waits until everything has come to rest, however far off the next deadline is.
    pub async fn settle(&self) {
        let until = Instant::now() + PATIENCE;
        let mut interval = Duration::from_millis(1);
        while !self.stack.is_quiet() {
            assert!(Instant::now() < until, "it does not come to rest");
            tokio::time::sleep(interval).await;
            interval = (interval * 5 / 4).min(Duration::from_secs(15));
        }
    }

    /// Waits until a stream holds an event of that type.
    pub async fn until(&self, stream: &StreamId, event_type: &str) {
        let until = Instant::now() + PATIENCE;
        let mut interval = Duration::from_millis(1);
        while !self.types(stream).await.iter().any(|found| found == event_type) {
            assert!(Instant::now() < until, "{stream} never held {event_type}");
            tokio::time::sleep(interval).await;
            interval = (interval * 5 / 4).min(Duration::from_secs(15));
        }
    }

    /// The events of a stream.
    pub async fn events(&self, stream: &StreamId) -> Vec<RecordedEvent> {
        let loaded = self.store.load(stream, Read::Consistent).await;
        loaded.expect("the stream is whole").events().cloned().collect()
    }

    /// The types of a stream's events.
    pub async fn types(&self, stream: &StreamId) -> Vec<String> {
        let events = self.events(stream).await;
        events.into_iter().map(|event| event.event_type).collect()
    }

    /// All items of the event table.
    pub async fn commits(&self) -> Vec<Item> {
        self.items(&self.stack.names().events_table()).await
    }

    /// All items of the outbox.
    pub async fn outbox(&self) -> Vec<Item> {
        self.items(&self.stack.names().outbox_table()).await
    }

    async fn items(&self, table: &str) -> Vec<Item> {
        let scan = self.observer.dynamodb.scan().table_name(table);
        let pages = scan
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>();
        pages.await.expect("the table can be read")
    }

    /// All items of the event table in the database's own JSON.
    pub fn raw_commits(&self) -> Vec<Value> {
        self.raw_items(&self.stack.names().events_table())
    }

    /// All items of a table as it stands, straight from the database.
    pub fn raw_items(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut request = json!({ "TableName": table });
        loop {
            let mut page = database::ask(&self.stack, "Scan", &request);
            items.extend(page["Items"].as_array().cloned().expect("the table can be read"));
            let next = page["LastEvaluatedKey"].take();
            if next.is_null() {
                return items;
            }
            request["ExclusiveStartKey"] = next;
        }
    }

    /// Puts an item into the event table past all code, as a broken writer would.
    pub fn put(&self, item: &Value) {
        let request = json!({ "TableName": self.stack.names().events_table(), "Item": item });
        database::ask(&self.stack, "PutItem", &request);
    }

    /// Removes an item from a table past all code.
    pub fn delete_item(&self, table: &str, key: &Value) {
        let request = json!({ "TableName": table, "Key": key });
        database::ask(&self.stack, "DeleteItem", &request);
    }

    /// How many messages a queue holds.
    pub fn count(&self, queue: &str) -> Counts {
        let counts = self.stack.wire().sqs().counts(&self.queue_name(queue));
        counts.expect("the queue is there")
    }

    /// How many messages for a queue are scheduled.
    pub fn scheduled(&self, queue: &str) -> usize {
        self.stack.scheduler().pending_for(&self.queue_name(queue))
    }

    /// How many messages each queue holds that a function of the stack reads.
    pub fn waiting(&self) -> BTreeMap<String, usize> {
        let queues = self.stack.running().filter_map(Function::queue);
        let held = queues.map(|queue| {
            let Counts {
                visible,
                in_flight,
                delayed,
            } = self.count(queue);
            (queue.to_owned(), visible + in_flight + delayed)
        });
        held.collect()
    }

    /// Takes all visible messages out of a queue.
    pub async fn take(&self, queue: &str) -> Vec<embedded_sqs::Received> {
        let taken = self.receive_all(queue).await;
        for message in &taken {
            let sqs = self.stack.wire().sqs();
            sqs.delete(&self.queue_name(queue), &message.receipt_handle)
                .expect("it was just received");
        }
        taken
    }

    /// Looks at all visible messages of a queue and leaves them there.
    pub async fn peek(&self, queue: &str) -> Vec<embedded_sqs::Received> {
        let seen = self.receive_all(queue).await;
        for message in &seen {
            let sqs = self.stack.wire().sqs();
            sqs.change_visibility(&self.queue_name(queue), &message.receipt_handle, Duration::ZERO)
                .expect("it was just received");
        }
        seen
    }

    /// Receives until there is nothing visible any more.
    async fn receive_all(&self, queue: &str) -> Vec<embedded_sqs::Received> {
        let (sqs, name) = (self.stack.wire().sqs(), self.queue_name(queue));
        let request = Receive {
            max: 10,
            ..Receive::default()
        };
        let mut all = Vec::new();
        loop {
            let received = sqs.receive(&name, request).await.expect("the queue is there");
            if received.is_empty() {
                return all;
            }
            all.extend(received);
        }
    }

    /// Takes all messages out of a queue's dead-letter queue.
    pub async fn take_letters(&self, queue: &str) -> Vec<Letter> {
        let taken = self.take(&format!("{queue}-dlq")).await;
        taken
            .into_iter()
            .map(|message| Letter::of(queue, message))
            .collect()
    }

    /// Looks at all messages in all dead-letter queues and leaves them there.
    pub async fn letters(&self) -> Vec<Letter> {
        let mut letters = Vec::new();
        for queue in self.stack.registry().queues() {
            let seen = self.peek(&format!("{queue}-dlq")).await;
            letters.extend(seen.into_iter().map(|message| Letter::of(queue, message)));
        }
        letters
    }

    /// Waits until everything is at rest, and does what an operator would: has dead letters that it may
    /// help, and what is parked in the outbox, sent again, for as long as that gets any of it done. How
    /// many were sent again.
    pub async fn redrive_until_quiet(&self) -> usize {
        let (mut redriven, mut left) = (0, usize::MAX);
        loop {
            self.settle().await;
            let queues = self.exhausted().await;
            let outbox = Outbox::new(self.observer.dynamodb.clone(), self.stack.names().outbox_table());
            let parked = outbox.list(Delivery::Parked, usize::MAX).await;
            let parked = parked.expect("the outbox can be read");
            let found = queues.len() + parked.len();
            if found == 0 || found >= left {
                return redriven;
            }
            left = found;
            redriven += found;
            for queue in BTreeSet::from_iter(queues) {
                self.redrive(&queue).await;
            }
            for entry in parked {
                let again = outbox.redrive(&entry.commit).await;
                again.expect("it was just seen");
            }
        }
    }

    /// Of each dead letter that a redrive may help, the queue.
    async fn exhausted(&self) -> Vec<String> {
        let mut letters = self.letters().await;
        letters
            .retain(|letter| letter.moved_by_sqs.is_some() || letter.attribute("error_code") == "exhausted");
        letters.into_iter().map(|letter| letter.queue).collect()
    }

    /// Sends all that is in a queue's dead-letter queue back to it.
    pub async fn redrive(&self, queue: &str) {
        let (sqs, names) = (self.stack.wire().sqs(), self.stack.names());
        let task = self
            .observer
            .sqs
            .start_message_move_task()
            .source_arn(sqs.queue_arn(&names.dead_letter_queue(queue)))
            .destination_arn(sqs.queue_arn(&names.of_function(queue)));
        task.send().await.expect("the letters can be moved back");
    }

    /// Takes all messages out of all dead-letter queues.
    pub async fn take_all_letters(&self) -> Vec<Letter> {
        let mut letters = Vec::new();
        for queue in self.stack.registry().queues() {
            letters.extend(self.take_letters(queue).await);
        }
        letters
    }

    /// The functions that take commands.
    pub fn command_functions(&self) -> impl Iterator<Item = &Function> {
        let functions = self.stack.registry().functions.iter();
        functions.filter(|function| matches!(function.trigger, Trigger::Commands(_)))
    }

    /// The functions that take events.
    pub fn step_functions(&self) -> impl Iterator<Item = &Function> {
        let functions = self.stack.registry().functions.iter();
        functions.filter(|function| matches!(function.trigger, Trigger::Events(_)))
    }

    /// The calls of all functions so far.
    pub fn calls(&self) -> Vec<Seen> {
        self.watch.seen().clone()
    }

    /// The calls of one function and operation so far.
    pub fn calls_of(&self, caller: &str, operation: &str) -> Vec<Seen> {
        let mut calls = self.calls();
        calls.retain(|call| call.caller == caller && call.operation == operation);
        calls
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.watch.seen().clear();
    }

    /// Every message that was sent in batches or scheduled so far: the queue without the stack's name, and the
    /// body. Those to dead-letter queues are left out.
    pub fn messages(&self) -> Vec<(String, String)> {
        let mut messages = Vec::new();
        for call in self.calls() {
            let Some(queue) = call.resource.strip_prefix(&self.stack.names().prefix()) else {
                continue;
            };
            if call.operation == "CreateSchedule" {
                let target = &call.request["Target"];
                let name = target["Arn"].as_str().and_then(|arn| arn.rsplit(':').next());
                let queue = name.and_then(|name| name.strip_prefix(&self.stack.names().prefix()));
                let body = target["Input"].as_str();
                messages.extend(
                    queue
                        .zip(body)
                        .map(|(queue, body)| (queue.to_owned(), body.to_owned())),
                );
                continue;
            }
            if call.operation != "SendMessageBatch" || queue.ends_with("-dlq") {
                continue;
            }
            let entries = call.request["Entries"].as_array().cloned().unwrap_or_default();
            let bodies = entries
                .iter()
                .filter_map(|entry| entry["MessageBody"].as_str().map(str::to_owned));
            messages.extend(bodies.map(|body| (queue.to_owned(), body)));
        }
        messages
    }
}

/// An item as the SDK shows it.
pub type Item = std::collections::HashMap<String, AttributeValue>;

/// The text of a string or number attribute; empty if it is not there.
pub fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text,
        _ => "",
    }
}

/// The id in a message's body; the whole body if there is none.
pub fn id_of(body: &str) -> String {
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    message["id"].as_str().unwrap_or(body).to_owned()
}

/// The wall time that a bundle shows at that age.
pub fn at(age: Duration) -> SystemTime {
    UNIX_EPOCH + START + age
}

/// Records each call before whatever is to happen to it happens.
struct Watch {
    began: Instant,
    faults: Option<Arc<dyn Faults>>,
    records: bool,
    seen: Mutex<Vec<Seen>>,
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Faults for Watch {
    async fn before(&self, call: &Call) -> Fault {
        if self.records {
            self.seen().push(Seen {
                at: self.began.elapsed(),
                caller: call.caller.to_string(),
                service: call.service,
                operation: call.operation.clone(),
                resource: call.resource().unwrap_or_default().to_owned(),
                request: call.request().clone(),
            });
        }
        match &self.faults {
            Some(faults) => faults.before(call).await,
            None => Fault::None,
        }
    }
}
