//! What functions on Lambda need of AWS, embedded in one process: DynamoDB with its streams, SQS, `EventBridge`, one-time
//! schedules of its Scheduler, and Lambda's event-source mappings. Begin with [`Aws`].
//!
//! The parts, from the inside out:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`clock`] | wall time: the system's, or one that moves with tokio's clock |
//! | [`dynamodb`] | DynamoDB and its streams, on SQLite, with a meter for capacity units |
//! | [`scheduler`] | `EventBridge` Scheduler: messages that are sent to a queue at their time |
//! | [`eventbridge`] | `EventBridge`: buses, and rules that pass events on to queues |
//! | [`wire`] | the AWS protocols: one request in, one answer out |
//! | [`store`] | the file in which all of it is kept, and what "kept" means |
//! | [`transport`] | the HTTP client of the AWS SDK, without a socket, with faults on demand |
//! | [`server`] | the same wire on a TCP port, for clients in other processes |
//! | [`mapping`] | Lambda's event-source mappings for a queue, a stream and a schedule |
//! | [`aws`] | all of it, started by one call |
//!
//! SQS itself is the crate `embedded-sqs`.
//!
//! Nothing here knows which functions run on it: a function is anything that implements
//! [`mapping::Invoke`].
//!
//! # Time
//! Every timer is tokio's and every timestamp comes from a [`clock::Clock`]. On a current-thread
//! runtime whose clock is paused (`tokio::time::pause`) and a clock that moves with it, a redelivery after six hours takes no time at
//! all. SDK clients on it take the same clock as their `time_source`. One date stays outside of that, because
//! the database keeps its clock to itself: that of a table's creation.
//!
//! A paused clock and a socket do not go together: tokio sees no work while a peer in another process
//! thinks, and moves the clock on. Pause the clock with [`transport`], let it run with [`server`].

pub mod aws;
pub mod clock;
pub mod dynamodb;
pub mod eventbridge;
pub mod mapping;
pub mod scheduler;
pub mod server;
pub mod store;
pub mod transport;
pub mod wire;

pub use aws::Aws;
pub use clock::Clock;
pub use dynamodb::DynamoDb;
pub use embedded_sqs::Sqs;
pub use eventbridge::EventBridge;
pub use scheduler::Scheduler;
pub use store::{Durability, EarlierFileError, Store, StoreError};
pub use transport::Transport;
pub use wire::{Service, Wire};
