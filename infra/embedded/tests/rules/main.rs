//! The rules that this crate promises, one test for each, named after the rule. Time is paused: hours
//! pass at once.

// A test that can't set its stage has to stop there.
#![allow(clippy::unwrap_used)]

mod dynamodb;
mod eventbridge;
mod plain_put;
mod plain_query;
mod queue_mapping;
mod schedule;
mod scheduler;
mod sdk;
mod stream_mapping;
mod streams;
mod support;
mod table_arns;
mod transport;
mod whole;
mod wire;
