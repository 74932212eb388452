//! The bundle's way to AWS: the event store on `DynamoDB`, the command bus on SQS, and what turns a
//! rule into a Lambda function.
//!
//! A function is one of three shapes: [`CommandFunction`] (load, decide, append), [`StepFunction`]
//! (react, send) and [`Relay`] (stream to queues). The first two are triggered by queues, and
//! [`QueueFunction`] gives both the same treatment of batches, failures, logs and metrics. What the relay
//! can't deliver is the business of [`Sweeper`] and [`StreamRecovery`].

mod bus;
mod command_function;
mod connection;
mod environment;
mod event_store;
mod handler;
mod logging;
mod metrics;
mod names;
mod outbox;
mod proxy;
mod publisher;
mod queue_function;
mod relay;
mod republish;
mod step_function;
mod stream_recovery;
mod sweeper;
mod warm;

pub use bus::{Attribute, Bus, MAX_ATTRIBUTES, MAX_DELAY, MAX_MESSAGE_BYTES, Outgoing, SendError};
pub use command_function::CommandFunction;
pub use connection::{ClientParts, Connection};
pub use environment::{Environment, EnvironmentError, process_variable, url_problem};
pub use event_store::{DynamoDbEventStore, FetchError, StoredCommit};
pub use handler::Handler;
pub use logging::init_logging;
pub use metrics::{Backlog, MetricSink, Metrics, StdoutMetrics};
pub use names::{Names, dead_letter_queue, kebab_case, source_queue, stack_name_problem};
pub use outbox::{
    AfterFailure, CommitRef, Delivery, KeyNumber, MAX_ATTEMPTS, OUTBOX_INDEX, Outbox, OutboxEntry,
    OutboxError, PUBLISHED_RETENTION,
};
pub use proxy::Proxies;
pub use publisher::{Publisher, Routes, Undelivered};
pub use queue_function::{
    BatchHandler, Identity, Invocation, MAX_RECEIVE_COUNT, Piece, QueueFunction, QueueRecord, RefusalCode,
    Verdict,
};
pub use relay::Relay;
pub use republish::{Checkpoint, Republication, RepublishError, Republisher, Selection, Tally, Unpublished};
pub use step_function::StepFunction;
pub use stream_recovery::StreamRecovery;
pub use sweeper::{SWEEP_INTERVAL, Sweeper};
