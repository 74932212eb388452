//! A stack without a bundle: the services on a paused clock, and functions that do as they are told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use embedded_aws::mapping::{Function, Invocation, Invoke, InvokeError, Status};
use embedded_aws::{Clock, DynamoDb, Sqs, Wire};
use embedded_sqs::{Outgoing, QueueAttributes};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// 2026-01-01T00:00:00Z.
pub const START: Duration = Duration::from_hours(490_896);
pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "123456789012";
pub const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:probe";

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub struct Stack {
    pub clock: Clock,
    pub dynamodb: DynamoDb,
    pub sqs: Sqs,
}

impl Stack {
    pub fn new() -> Self {
        let clock = Clock::starting_at(UNIX_EPOCH + START);
        let dynamodb = DynamoDb::in_memory(clock.clone())
            .unwrap()
            .at_home_in(REGION, ACCOUNT);
        let sqs = Sqs::new(embedded_sqs::Settings {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            base_url: "http://localhost:4566".to_owned(),
            clock: clock.for_sqs(),
        });
        Self { clock, dynamodb, sqs }
    }

    pub fn wire(&self) -> Wire {
        Wire::new(self.dynamodb.clone(), self.sqs.clone())
    }

    /// An operation of DynamoDB that has to succeed.
    pub fn ask(&self, operation: &str, request: &Value) -> Value {
        let answer = self.dynamodb.handle(operation, request.to_string().as_bytes());
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, 200, "{operation}: {body}");
        body
    }

    /// A table of streams of events: `id` and `revision` are its key, its changes are streamed.
    pub fn create_table(&self, name: &str) {
        self.ask("CreateTable", &table(name));
    }

    /// One item, with its place in the whole as `n`.
    pub fn put(&self, table: &str, stream: &str, revision: u64, n: u64) {
        self.ask(
            "PutItem",
            &json!({ "TableName": table, "Item": item(stream, revision, n) }),
        );
    }

    /// Items 1 to `count`, each under a partition key of its own.
    pub fn put_many(&self, table: &str, count: u64) {
        (1..=count).for_each(|n| self.put(table, &format!("stream-{n}"), 1, n));
    }

    pub fn create_queue(&self, name: &str, visibility: Duration) {
        let attributes = QueueAttributes {
            visibility_timeout: visibility,
            ..QueueAttributes::default()
        };
        self.sqs.create_queue(name, attributes).unwrap();
    }

    pub fn send(&self, queue: &str, body: impl Into<String>) -> String {
        let message = Outgoing {
            body: body.into(),
            ..Outgoing::default()
        };
        self.sqs.send(queue, message).unwrap().message_id
    }

    /// Messages `1` to `count`.
    pub fn send_many(&self, queue: &str, count: u64) {
        (1..=count).for_each(|n| drop(self.send(queue, n.to_string())));
    }

    /// How many messages a queue holds in any state.
    pub fn held_by(&self, queue: &str) -> usize {
        let counts = self.sqs.counts(queue).unwrap();
        counts.visible + counts.in_flight + counts.delayed
    }
}

/// Code and message of an operation of DynamoDB that has to be refused with a 400.
pub fn refusal(stack: &Stack, operation: &str, request: &Value) -> (String, String) {
    let answer = stack.dynamodb.handle(operation, request.to_string().as_bytes());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 400, "{operation} {request}: {body}");
    let code = body["__type"].as_str().unwrap().rsplit('#').next().unwrap();
    let message = body["message"].as_str().or(body["Message"].as_str());
    (code.to_owned(), message.unwrap_or_default().to_owned())
}

pub fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "KeySchema": [
            { "AttributeName": "id", "KeyType": "HASH" },
            { "AttributeName": "revision", "KeyType": "RANGE" },
        ],
        "AttributeDefinitions": [
            { "AttributeName": "id", "AttributeType": "S" },
            { "AttributeName": "revision", "AttributeType": "N" },
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
    })
}

pub fn item(stream: &str, revision: u64, n: u64) -> Value {
    json!({
        "id": { "S": stream },
        "revision": { "N": revision.to_string() },
        "n": { "N": n.to_string() },
    })
}

/// What a function does with an event.
pub enum Reply {
    Answer(Value),
    Fail,
    Panic,
    /// Answers null after this time.
    After(Duration),
}

type Script = dyn FnMut(usize, &Value) -> Reply + Send;

/// A function that does as its script says, by the number of the invocation (from 0) and the event, and
/// remembers everything.
pub struct Probe {
    script: Mutex<Box<Script>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    invocations: Vec<(Instant, Invocation)>,
    running: usize,
    most_running: usize,
}

#[async_trait]
impl Invoke for Probe {
    async fn invoke(&self, invocation: Invocation) -> Result<Value, InvokeError> {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.invocations.push((Instant::now(), invocation.clone()));
            seen.running += 1;
            seen.most_running = seen.most_running.max(seen.running);
            seen.invocations.len() - 1
        };
        let reply = (self.script.lock().unwrap())(number, &invocation.payload);
        let answer = match reply {
            Reply::Answer(answer) => Ok(answer),
            Reply::Fail => Err(InvokeError::Function {
                error_type: "Error".to_owned(),
                message: "as told".to_owned(),
            }),
            Reply::Panic => panic!("as told"),
            Reply::After(time) => {
                sleep(time).await;
                Ok(Value::Null)
            }
        };
        self.seen.lock().unwrap().running -= 1;
        answer
    }
}

impl Probe {
    pub fn new(script: impl FnMut(usize, &Value) -> Reply + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(script)),
            seen: Mutex::default(),
        })
    }

    /// A function that succeeds.
    pub fn content() -> Arc<Self> {
        Self::new(|_, _| Reply::Answer(Value::Null))
    }

    /// A function that always gives this answer.
    pub fn answering(answer: Value) -> Arc<Self> {
        Self::new(move |_, _| Reply::Answer(answer.clone()))
    }

    pub fn invocations(&self) -> Vec<Invocation> {
        self.seen
            .lock()
            .unwrap()
            .invocations
            .iter()
            .map(|(_, invocation)| invocation.clone())
            .collect()
    }

    pub fn times(&self) -> Vec<Instant> {
        self.seen
            .lock()
            .unwrap()
            .invocations
            .iter()
            .map(|(at, _)| *at)
            .collect()
    }

    pub fn most_running(&self) -> usize {
        self.seen.lock().unwrap().most_running
    }

    /// The records of each invocation.
    pub fn batches(&self) -> Vec<Vec<Value>> {
        self.invocations()
            .iter()
            .map(|invocation| records(&invocation.payload))
            .collect()
    }

    /// For a queue: the bodies of each invocation's messages, sorted.
    pub fn bodies(&self) -> Vec<Vec<String>> {
        let body = |record: &Value| record["body"].as_str().unwrap().to_owned();
        self.batches()
            .iter()
            .map(|batch| {
                let mut bodies: Vec<_> = batch.iter().map(body).collect();
                bodies.sort();
                bodies
            })
            .collect()
    }

    /// For a stream: the `n` of each invocation's items.
    pub fn ns(&self) -> Vec<Vec<u64>> {
        self.batches()
            .iter()
            .map(|batch| batch.iter().map(n).collect())
            .collect()
    }

    pub fn function(self: &Arc<Self>, stack: &Stack) -> Function {
        Function {
            arn: FUNCTION.to_owned(),
            timeout: seconds(30),
            code: self.clone(),
            clock: stack.clock.clone(),
        }
    }
}

pub fn records(event: &Value) -> Vec<Value> {
    event["Records"].as_array().unwrap().clone()
}

/// The `n` of a stream record's new item.
pub fn n(record: &Value) -> u64 {
    record["dynamodb"]["NewImage"]["n"]["N"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

pub fn failures(ids: &[&str]) -> Value {
    let failures: Vec<_> = ids.iter().map(|id| json!({ "itemIdentifier": id })).collect();
    json!({ "batchItemFailures": failures })
}

/// A mapping that runs in the background.
pub struct Running<E> {
    pub status: Status,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), E>>,
}

impl<E: std::fmt::Debug + Send + 'static> Running<E> {
    pub fn start<F>(run: impl FnOnce(Status, watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let (stop, shutdown) = watch::channel(false);
        let status = Status::default();
        let task = tokio::spawn(run(status.clone(), shutdown));
        Self { status, stop, task }
    }

    pub async fn stop(self) -> Result<(), E> {
        self.stop.send_replace(true);
        self.task.await.unwrap()
    }

    /// Waits until `condition` holds; fails if two days pass before.
    pub async fn until(&self, condition: impl Fn() -> bool) {
        let mut activity = self.status.subscribe();
        let waiting = async {
            while !condition() {
                // What the mapping does not know of, such as a queue's contents, is looked at each second.
                drop(timeout(seconds(1), activity.changed()).await);
            }
        };
        timeout(seconds(2 * 86_400), waiting).await.unwrap();
    }

    pub async fn until_quiet(&self) {
        self.until(|| self.status.is_quiet()).await;
    }
}

pub fn at(seconds_from_start: u64) -> SystemTime {
    UNIX_EPOCH + START + seconds(seconds_from_start)
}

/// A request as an SDK sends it.
pub fn signed(target: &str, body: impl Into<Bytes>) -> http::Request<Bytes> {
    http::Request::post("/")
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=any")
        .body(body.into())
        .unwrap()
}

impl<E: std::fmt::Display + std::fmt::Debug> Running<E> {
    /// The error with which it ends by itself.
    pub async fn task_error(self) -> String {
        self.task.await.unwrap().unwrap_err().to_string()
    }
}
