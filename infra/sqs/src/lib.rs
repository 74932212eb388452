//! Amazon SQS in one process: standard queues with the behaviour that consumers depend on, to develop and
//! test on one machine whatever lives on queues.
//!
//! There are two doors. [`Sqs::answer`] takes HTTP requests in both of SQS's protocols, JSON and Query, so that any SDK
//! and CLI works against a few lines of HTTP server; the README has ten of them. The typed methods are for what lives in
//! the same process, such as an event source mapping's poller. Both count into the same [`Totals`].
//!
//! Time is a parameter. What elapses (delays, visibility timeouts, retention, long polls, move tasks) follows
//! `tokio::time`, so a paused tokio clock passes hours in no time; what is told as a timestamp follows
//! [`Settings::clock`]. Derive the latter from the former, and one clock moves both; or tell of what only
//! the latter saw with [`Sqs::skip`].
//!
//! Delivery is at least once and roughly in order of becoming visible. Stricter than AWS: a queue
//! answers for all its messages at each receive, and counts are exact. More lenient: a queue can be
//! created right after one of its name was deleted, purges can follow each other at once, and permissions
//! and encryption settings are kept without effect. FIFO and fair queues are refused. The README has a table of
//! the rules, each with the test that shows it.
//!
//! ```
//! # use std::{sync::Arc, time::{Duration, SystemTime}};
//! # use embedded_sqs::{Outgoing, QueueAttributes, Receive, Settings, Sqs, SqsError};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), SqsError> {
//! let sqs = Sqs::new(Settings {
//!     region: "eu-central-1".to_owned(),
//!     account: "000000000000".to_owned(),
//!     base_url: "http://127.0.0.1:4566".to_owned(),
//!     clock: Arc::new(SystemTime::now),
//! });
//! sqs.create_queue("jobs", QueueAttributes::default())?;
//! sqs.send("jobs", Outgoing { body: "one".to_owned(), ..Outgoing::default() })?;
//! for message in sqs.receive("jobs", Receive { wait: Duration::from_secs(20), ..Receive::default() }).await? {
//!     sqs.delete("jobs", &message.receipt_handle)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it is |
//! | --- | --- |
//! | `service` | [`Sqs`]: the typed operations, clocks, long polls |
//! | `protocol` | all operations over HTTP, in the JSON and the Query protocol |
//! | `state` | all queues behind one lock, and what concerns more than one of them |
//! | `redrive`, `redrive_allow` | dead letters on their way back, as message move tasks; who may give theirs to a queue |
//! | `queue` | one queue: its messages, by when they are visible, due and old |
//! | `message`, `message_attribute`, `receive`, `move_task` | what is sent, received and moved, with its limits |
//! | `attributes` | a queue's settings |
//! | `keep`, `kept_task`, `ledger` | what the queues hold and how far move tasks are, as texts to be kept somewhere else |
//! | `address`, `encoding`, `moment` | names and ARNs, Base64 and digests, the two clocks |
//! | `error`, `totals` | why a request is refused, and what was asked in all |

pub use attributes::{MAX_RECEIVE_WAIT, MAX_VISIBILITY_TIMEOUT, QueueAttributes, RedrivePolicy};
pub use error::SqsError;
pub use keep::{KeptChange, Unreadable};
pub use message::{
    MAX_DELAY, MAX_MESSAGE_ATTRIBUTES, MAX_MESSAGE_BYTES, Outgoing, Received, Sent, SystemAttributes,
};
pub use message_attribute::MessageAttribute;
pub use protocol::Answer;
pub use queue::{Counts, IN_FLIGHT_LIMIT, Seen};
pub use receive::Receive;
pub use service::{Settings, Sqs, WallClock};
pub use totals::{BILLING_UNIT_BYTES, Operation, Totals};

mod address;
mod attributes;
mod encoding;
mod error;
mod keep;
mod kept_task;
mod ledger;
mod message;
mod message_attribute;
mod moment;
mod move_task;
mod protocol;
mod queue;
mod receive;
mod redrive;
mod redrive_allow;
mod service;
mod state;
mod totals;
