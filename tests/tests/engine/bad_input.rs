//! What bad input gets, by the contract's table: over the wire, on the stack, for every queue.

mod attributes;
mod logged;
mod malformed;
mod patience;
mod sendable;
mod transient;
mod unsent;

use embedded_aws::Service;
use embedded_aws::transport::Call;
use local::StackOptions;
use testkit::running::Running;

use crate::options;

/// A stack on which nothing follows from what is recorded.
async fn without_relay() -> Running {
    Running::start(StackOptions {
        relays: 0,
        ..options()
    })
    .await
}

/// Whether a call is an append to that stream.
fn appends_to(call: &Call, stream: &str) -> bool {
    call.service == Service::DynamoDb
        && call.operation == "PutItem"
        && call.request()["Item"]["stream_id"]["S"] == stream
}
