//! Lambda's event-source mappings: what turns messages, stream records and the passing of time into
//! invocations of a function, by the rules in AWS's documentation.
//!
//! Each of [`sqs`], [`stream`] and [`schedule`] has one `run`, a future that goes on until it is told to
//! stop and then ends in order: it takes nothing new, and waits for the invocations that run.

mod report;
pub mod schedule;
pub mod sqs;
pub mod stream;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use embedded_sqs::SqsError;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::dynamodb::{DynamoDbError, SequenceNumber};

/// The largest event Lambda accepts in a synchronous invocation
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;
/// `{"Records":[]}`
const EMPTY_PAYLOAD: usize = 14;

/// Something that can be invoked as Lambda invokes a function.
#[async_trait]
pub trait Invoke: Send + Sync {
    /// Handles one event. A function that takes longer than its timeout is dropped, and counts as failed.
    async fn invoke(&self, invocation: Invocation) -> Result<Value, InvokeError>;
}

/// One invocation, as Lambda's runtime API hands it to a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The event.
    pub payload: Value,
    /// The id that Lambda logs it under.
    pub request_id: String,
    /// When Lambda is going to stop the function.
    pub deadline: SystemTime,
    /// `_X_AMZN_TRACE_ID`, if the event carries one.
    pub trace_header: Option<String>,
}

/// How an invocation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The function answered with an error.
    #[error("the function failed with {error_type}: {message}")]
    Function {
        /// The error's type, as the function names it.
        error_type: String,
        /// The error's message.
        message: String,
    },
    /// The function was stopped.
    #[error("the function was stopped after {0:?}, its timeout")]
    TimedOut(Duration),
    /// The function panicked or its task was cancelled.
    #[error("the function ended without an answer: {0}")]
    Crashed(String),
}

/// The function that a mapping invokes.
#[derive(Clone)]
pub struct Function {
    /// Its ARN.
    pub arn: String,
    /// Lambda's `Timeout`, 1 second to 15 minutes.
    pub timeout: Duration,
    /// The code.
    pub code: Arc<dyn Invoke>,
    /// The clock that deadlines and ages of records are told by: the stack's.
    pub clock: Clock,
}

impl Function {
    /// Its name, which ends its ARN.
    fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }

    /// Invokes it once. It runs as a task of its own, so that several run on several cores and a panic
    /// stays inside.
    async fn invoke(
        &self,
        payload: Value,
        request_id: String,
        trace_header: Option<String>,
    ) -> Result<Value, InvokeError> {
        let deadline = self.clock.now() + self.timeout;
        let invocation = Invocation {
            payload,
            request_id,
            deadline,
            trace_header,
        };
        let code = self.code.clone();
        // A set, because it stops its task when it is dropped: at the timeout, or with the whole stack.
        let mut task = JoinSet::new();
        task.spawn(async move { code.invoke(invocation).await });
        match tokio::time::timeout(self.timeout, task.join_next()).await {
            Ok(Some(Ok(answer))) => answer,
            Ok(Some(Err(crash))) => Err(InvokeError::Crashed(crash.to_string())),
            Ok(None) => Err(InvokeError::Crashed("its task is missing".to_owned())),
            Err(_) => Err(InvokeError::TimedOut(self.timeout)),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("arn", &self.arn)
            .finish_non_exhaustive()
    }
}

/// The event that holds these records. They are moved into it: `json!` would copy them.
fn event_of(records: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([("Records".to_owned(), Value::Array(records))]))
}

/// Tells a mapping to end: it becomes true, or its sender is dropped.
pub type Shutdown = watch::Receiver<bool>;

/// Resolves when it is time to end.
pub(crate) async fn told_to_stop(shutdown: &mut Shutdown) {
    // An error means that the sender is gone: nobody is left to ask for more work.
    drop(shutdown.wait_for(|stop| *stop).await);
}

/// Why a mapping did not start, or gave up.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// A setting that Lambda refuses.
    #[error("{setting} is {value}, and {expected}")]
    Setting {
        /// The setting, in Lambda's words.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// The queue's visibility timeout is shorter than the function's timeout.
    #[error(
        "queue {queue} shows a message again after {visibility:?}, before function {function} has had its \
         {timeout:?}: set VisibilityTimeout to at least that, better to six times as much"
    )]
    Visibility {
        /// The queue.
        queue: String,
        /// Its `VisibilityTimeout`.
        visibility: Duration,
        /// The function's ARN.
        function: String,
        /// The function's timeout.
        timeout: Duration,
    },
    /// The queue did not say what it is.
    #[error("the attributes of queue {queue} could not be read: {reason}; create it before its mapping runs")]
    Queue {
        /// The queue.
        queue: String,
        /// What it answered.
        reason: String,
    },
    /// The queue failed while it was in use.
    #[error("queue {queue} failed: {source}")]
    Sqs {
        /// The queue.
        queue: String,
        /// What it answered.
        source: SqsError,
    },
    /// The stream failed.
    #[error(transparent)]
    Stream(#[from] DynamoDbError),
    /// A part of the mapping ended by itself, which is a fault of this crate.
    #[error("a part of the mapping of {source_name} ended by itself: {reason}; what it held comes again")]
    Crashed {
        /// The queue or the table.
        source_name: String,
        /// What it ended with.
        reason: String,
    },
}

/// Refuses a setting unless it lies within Lambda's limits.
fn check<T: PartialOrd + fmt::Debug>(
    setting: &'static str,
    value: &T,
    range: std::ops::RangeInclusive<T>,
) -> Result<(), MappingError> {
    if range.contains(value) {
        return Ok(());
    }
    let expected = format!("Lambda takes {:?} to {:?}", range.start(), range.end());
    Err(MappingError::Setting {
        setting,
        value: format!("{value:?}"),
        expected,
    })
}

/// What whoever runs a stack has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// What a mapping reads was deleted, or can't be read. The mapping waits for it.
    Lost {
        /// The queue or table, with the word.
        source: String,
        /// What happened, and what becomes of it.
        reason: String,
    },
    /// What was lost is there again.
    Found {
        /// The queue or table, with the word.
        source: String,
        /// What becomes of it.
        outcome: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { source, reason } => write!(f, "{source} {reason}"),
            Self::Found { source, outcome } => write!(f, "{source} is there again: {outcome}"),
        }
    }
}

/// Where notices go.
pub type Notices = mpsc::UnboundedSender<Notice>;

/// What a mapping is doing. Clones show the same mapping; make one, hand a clone to `run`, and ask the
/// other, for instance whether all is quiet.
#[derive(Clone, Debug, Default)]
pub struct Status {
    activity: Arc<watch::Sender<Activity>>,
    stream: Arc<OnceLock<watch::Receiver<u64>>>,
    recent: Arc<Mutex<Option<String>>>,
    notices: Option<Notices>,
    disabled: Arc<watch::Sender<bool>>,
}

/// The counters of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// It takes messages, records or moments.
    pub listening: bool,
    /// Invocations that run.
    pub running: usize,
    /// Messages or records that were taken and are not settled: being handled, waiting for a batch to
    /// fill, or for another attempt.
    pub pending: usize,
    /// Invocations that have ended, failures among them.
    pub invocations: u64,
    /// Invocations that failed, timed out, or gave an answer that counts as a failure of all.
    pub failures: u64,
    /// Records of a stream that were given up.
    pub discarded: u64,
    /// Notes of given-up records that could not be delivered to the on-failure destination.
    pub undelivered: u64,
    /// For a stream: all records up to this one are settled. Begin after it when the stack starts again.
    pub checkpoint: Option<SequenceNumber>,
    /// For a stream: how many writes the table had when it was last read to its end.
    read_up_to: u64,
}

impl Status {
    /// A status whose mapping tells `notices` what it meets.
    pub fn telling(notices: Notices) -> Self {
        Self {
            notices: Some(notices),
            ..Self::default()
        }
    }

    /// Switches a queue's mapping off, as with `Enabled` of Lambda's, or on again. What it has taken it finishes; other
    /// messages stay in the queue.
    pub fn enable(&self, enabled: bool) {
        self.disabled.send_replace(!enabled);
    }

    /// Whether it is not switched off.
    pub fn is_enabled(&self) -> bool {
        !*self.disabled.borrow()
    }

    fn tell(&self, notice: Notice) {
        tracing::warn!("{notice}");
        if let Some(notices) = &self.notices {
            // An error means that nobody listens any more.
            drop(notices.send(notice));
        }
    }

    /// The counters now.
    pub fn activity(&self) -> Activity {
        *self.activity.borrow()
    }

    /// The counters whenever they change.
    pub fn subscribe(&self) -> watch::Receiver<Activity> {
        self.activity.subscribe()
    }

    /// Whether it listens and has nothing left to do: no invocation runs, nothing it has taken is
    /// unsettled, and a stream is read to its end. Messages that are still in a queue are the queue's to
    /// count.
    pub fn is_quiet(&self) -> bool {
        let activity = self.activity();
        activity.listening && activity.running == 0 && activity.pending == 0 && self.has_caught_up()
    }

    /// Whether a stream is read to its end; true for a mapping without one.
    pub fn has_caught_up(&self) -> bool {
        match self.stream.get() {
            None => true,
            Some(writes) => self.activity().read_up_to >= *writes.borrow(),
        }
    }

    /// What the latest failure said.
    pub fn latest_failure(&self) -> Option<String> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, change: impl FnOnce(&mut Activity)) {
        self.activity.send_modify(change);
    }

    fn started(&self) {
        self.update(|activity| activity.running += 1);
    }

    fn ended(&self, failure: Option<&dyn fmt::Display>) {
        if let Some(failure) = failure {
            *self.recent.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.to_string());
        }
        self.update(|activity| {
            activity.running -= 1;
            activity.invocations += 1;
            activity.failures += u64::from(failure.is_some());
        });
    }
}

fn new_request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// As many bytes as `text` has as a JSON string.
fn json_length(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}
