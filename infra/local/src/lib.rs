//! The bundle on one machine: the very functions that Lambda runs, on an embedded `DynamoDB` and SQS.
//!
//! [`Stack`] assembles them as the registry says. `demo` plays every scenario on a stack whose clock is
//! moved on, `up` serves one to other programs in real time, `play` plays the scenarios on whatever stack
//! the environment names; the whole-bundle tests stand on it too.

pub mod demo;
mod error;
mod folder;
pub mod groups;
mod host;
pub mod play;
mod progress;
mod report;
pub mod scenarios;
mod stack;
mod tables;
pub mod up;

pub use error::StackError;
pub use folder::FolderError;
pub use host::{CollectedMetrics, Intercept};
pub use stack::{REGION, Stack, StackOptions, Storage};
