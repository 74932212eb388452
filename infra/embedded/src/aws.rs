//! All of it, started by one call: DynamoDB, its streams and SQS in memory, a configuration for the AWS SDK's
//! clients, and functions as closures on queues and streams.
//!
//! Whoever needs a moved clock, faults, a file or another region puts the parts together instead, as this
//! module does: [`DynamoDb`], [`Sqs`], [`Wire`], [`Transport`] and the two `run` of [`mapping`].

use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_types::SdkConfig;
use aws_types::region::Region;
use embedded_sqs::{QueueAttributes, Sqs, SqsError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::dynamodb::{DynamoDb, DynamoDbError};
use crate::mapping::{self, Function, Invocation, Invoke, InvokeError, MappingError, Status};
use crate::server::{Bound, ServerError, listen};
use crate::transport::Transport;
use crate::wire::Wire;

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";
/// Lambda's longest timeout that fits a queue's default visibility timeout.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long [`Aws::settled`] waits between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// DynamoDB and SQS in memory, and functions on them. All of it ends when this is dropped.
///
/// On a paused clock of tokio (`start_paused`), waits of hours take no time; [`Aws::listening`] needs one that
/// runs.
pub struct Aws {
    wire: Wire,
    transport: Transport,
    clock: Clock,
    endpoint: String,
    mapped: Mutex<Vec<Mapped>>,
    failed: Arc<Mutex<Option<MappingError>>>,
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

/// A function on a queue or a table's stream.
struct Mapped {
    status: Status,
    queue: Option<String>,
}

/// Why the table or queue was not made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// DynamoDB's answer.
    #[error("table {table} was not created: {answer}")]
    Table {
        /// The table.
        table: String,
        /// What DynamoDB answered.
        answer: String,
    },
    /// SQS's answer.
    #[error("queue {queue} was not created: {source}")]
    Queue {
        /// The queue.
        queue: String,
        /// What SQS answered.
        source: SqsError,
    },
}

impl Aws {
    /// Everything in this process, without a socket.
    pub fn in_memory() -> Result<Self, DynamoDbError> {
        Self::at("http://localhost:4566".to_owned())
    }

    /// The same, which also answers clients in other processes on `address`; port 0 takes any free one, see
    /// [`Aws::endpoint`].
    pub async fn listening(address: SocketAddr) -> Result<Self, ListenError> {
        let bound: Bound = listen(address).await?;
        let aws = Self::at(format!("http://{}", bound.address()))?;
        let (wire, mut stop) = (aws.wire.clone(), aws.stop.subscribe());
        let dynamodb = aws.dynamodb().clone();
        lock(&aws.tasks).spawn(async move {
            let served = bound.serve(wire, async move { mapping::told_to_stop(&mut stop).await });
            if let Err(error) = served.await {
                tracing::error!("{error}");
            }
        });
        lock(&aws.tasks).spawn(async move {
            let error = dynamodb.keep_sweeping().await;
            tracing::error!("{error}");
        });
        Ok(aws)
    }

    fn at(endpoint: String) -> Result<Self, DynamoDbError> {
        let clock = Clock::starting_at(SystemTime::now());
        let dynamodb = DynamoDb::in_memory(clock.clone())?.at_home_in(REGION, ACCOUNT);
        let sqs = Sqs::new(embedded_sqs::Settings {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            base_url: endpoint.clone(),
            clock: clock.for_sqs(),
        });
        let wire = Wire::new(dynamodb, sqs).with_clock(clock.clone());
        Ok(Self {
            transport: Transport::new(wire.clone()),
            wire,
            clock,
            endpoint,
            mapped: Mutex::default(),
            failed: Arc::default(),
            tasks: Mutex::default(),
            stop: watch::Sender::new(false),
        })
    }

    /// What clients in other processes are configured with (`AWS_ENDPOINT_URL`), if it listens.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The configuration of clients in this process: `aws_sdk_dynamodb::Client::new(&aws.sdk_config())`. They
    /// reach it without a socket.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new("local", "local", None, None, "embedded-aws");
        SdkConfig::builder()
            .behavior_version(aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&self.endpoint)
            .http_client(self.transport.client_for("sdk"))
            .time_source(SharedTimeSource::new(self.clock.clone()))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build()
    }

    /// DynamoDB itself.
    pub fn dynamodb(&self) -> &DynamoDb {
        self.wire.dynamodb()
    }

    /// SQS itself.
    pub fn sqs(&self) -> &Sqs {
        self.wire.sqs()
    }

    /// Makes a table with one key, a text, and a stream of both images. Other tables are made by a client.
    pub fn create_table(&self, table: &str, key: &str) -> Result<(), SetupError> {
        let request = json!({
            "TableName": table,
            "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": key, "AttributeType": "S" }],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        });
        let answer = self
            .dynamodb()
            .handle("CreateTable", request.to_string().as_bytes());
        if answer.status == 200 {
            return Ok(());
        }
        Err(SetupError::Table {
            table: table.to_owned(),
            answer: String::from_utf8_lossy(&answer.body).into_owned(),
        })
    }

    /// Makes a queue with SQS's defaults and answers its URL.
    pub fn create_queue(&self, queue: &str) -> Result<String, SetupError> {
        let made = self.sqs().create_queue(queue, QueueAttributes::default());
        made.map_err(|source| SetupError::Queue {
            queue: queue.to_owned(),
            source,
        })?;
        Ok(self.sqs().queue_url(queue))
    }

    /// Invokes `function` with the messages of a queue, as an event-source mapping does. A setting that Lambda
    /// refuses is told by [`Aws::settled`].
    pub fn map_queue<F, Answer, Failure>(&self, settings: mapping::sqs::Settings, function: F) -> Status
    where
        F: Fn(Value) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Value, Failure>> + Send + 'static,
        Failure: Display + 'static,
    {
        let (sqs, function) = (self.sqs().clone(), self.function(&settings.queue, function));
        let (queue, status) = (Some(settings.queue.clone()), Status::default());
        let run = mapping::sqs::run(settings, sqs, function, status.clone(), self.stop.subscribe());
        self.map(queue, status, run)
    }

    /// Invokes `function` with the changes of a table, as an event-source mapping of its stream does. A setting
    /// that Lambda refuses is told by [`Aws::settled`].
    pub fn map_stream<F, Answer, Failure>(&self, settings: mapping::stream::Settings, function: F) -> Status
    where
        F: Fn(Value) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Value, Failure>> + Send + 'static,
        Failure: Display + 'static,
    {
        let (dynamodb, function) = (self.dynamodb().clone(), self.function(&settings.table, function));
        let status = Status::default();
        let run = mapping::stream::run(
            settings,
            dynamodb,
            function,
            status.clone(),
            self.stop.subscribe(),
        );
        self.map(None, status, run)
    }

    fn map(
        &self,
        queue: Option<String>,
        status: Status,
        run: impl Future<Output = Result<(), MappingError>> + Send + 'static,
    ) -> Status {
        let (shown, failed) = (status.clone(), self.failed.clone());
        lock(&self.mapped).push(Mapped { status, queue });
        lock(&self.tasks).spawn(async move {
            if let Err(error) = run.await {
                lock(&failed).get_or_insert(error);
            }
        });
        shown
    }

    fn function<F, Answer, Failure>(&self, source: &str, code: F) -> Function
    where
        F: Fn(Value) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Value, Failure>> + Send + 'static,
        Failure: Display + 'static,
    {
        Function {
            arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:on-{source}"),
            timeout: TIMEOUT,
            code: Arc::new(Closure(code)),
            clock: self.clock.clone(),
        }
    }

    /// Waits until all mapped queues are empty, all streams are read, and no function runs. A message that keeps
    /// failing and has no dead-letter queue is waited for in vain.
    pub async fn settled(&self) -> Result<(), MappingError> {
        let mut before = None;
        loop {
            if let Some(error) = lock(&self.failed).take() {
                return Err(error);
            }
            let now = self.is_quiet().then(|| self.invocations());
            // Twice in a row, with nothing in between: what one function sent another one has had by then.
            if now.is_some() && now == before {
                return Ok(());
            }
            before = now;
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    fn is_quiet(&self) -> bool {
        let is_empty = |queue: &String| {
            let counts = self.sqs().counts(queue);
            counts.is_none_or(|counts| counts.visible + counts.in_flight + counts.delayed == 0)
        };
        lock(&self.mapped)
            .iter()
            .all(|mapped| mapped.queue.iter().all(is_empty) && mapped.status.is_quiet())
    }

    fn invocations(&self) -> u64 {
        let mapped = lock(&self.mapped);
        mapped
            .iter()
            .map(|mapped| mapped.status.activity().invocations)
            .sum()
    }
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Why it does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address can't be had.
    #[error(transparent)]
    Address(#[from] ServerError),
    /// The database can't be set up.
    #[error(transparent)]
    Database(#[from] DynamoDbError),
}

/// A function that is a closure: an event in, an answer or an error out.
struct Closure<F>(F);

#[async_trait]
impl<F, Answer, Failure> Invoke for Closure<F>
where
    F: Fn(Value) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Value, Failure>> + Send + 'static,
    Failure: Display + 'static,
{
    async fn invoke(&self, invocation: Invocation) -> Result<Value, InvokeError> {
        let answered = (self.0)(invocation.payload).await;
        answered.map_err(|failure| InvokeError::Function {
            error_type: "Error".to_owned(),
            message: failure.to_string(),
        })
    }
}

/// The collections behind these locks are whole after each statement, so one that a panic left is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
