//! The bundle on one machine: the very functions that Lambda runs, on an embedded `DynamoDB` and SQS.
//!
//! Which business that is, it is told: [`program`] is all of `cargo local` but for the bundle.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`program`] | the command line |
//! | [`demo`] | plays every scenario on a stack whose clock is moved on |
//! | [`play`] | plays every scenario on whatever stack the environment names |
//! | [`player`] | plays a scenario, and looks at what came of it |
//! | `bench` | what the console can do with a stack on this machine |
//! | `control`, `rest` | what a program can ask of it over HTTP; what it has still to do |
//! | [`up`] | serves a stack to other programs in real time |
//! | [`Stack`] | a stack, assembled as the registry says; the whole-bundle tests stand on it, too |

mod bench;
mod control;
pub mod demo;
mod error;
mod folder;
mod host;
pub mod play;
pub mod player;
pub mod program;
mod progress;
mod report;
mod rest;
mod stack;
mod tables;
pub mod up;

pub use error::StackError;
pub use folder::FolderError;
pub use host::{CollectedMetrics, Intercept};
pub use stack::{REGION, Stack, StackOptions, Storage, Views};
