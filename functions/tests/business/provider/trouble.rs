//! What goes wrong between the adapter and its queues: each message comes at least twice, late and in another order;
//! what the adapter says comes twice or not at all; and it is killed before and after it says or deletes something.

use std::time::Duration;

use async_trait::async_trait;
use embedded_aws::transport::{Call, Fault, Faults};

use super::QUEUE;

pub(super) struct Rough;

#[async_trait]
impl Faults for Rough {
    async fn before(&self, call: &Call) -> Fault {
        let for_the_adapter = call.resource().is_some_and(|queue| queue.ends_with(QUEUE));
        if call.caller.starts_with("payment-adapter") {
            of_the_adapter(&call.operation)
        } else if for_the_adapter && call.operation == "SendMessageBatch" {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..2_000))).await;
            Fault::Twice
        } else {
            Fault::None
        }
    }
}

/// It is killed before it has said or deleted anything, and after it, before it knows.
fn of_the_adapter(operation: &str) -> Fault {
    match (operation, fastrand::u8(..100)) {
        ("SendMessageBatch" | "DeleteMessageBatch", ..4) => Fault::CrashBefore,
        ("SendMessageBatch" | "DeleteMessageBatch", 4..8) => Fault::CrashAfter,
        (_, 8..18) => Fault::DropReply,
        (_, 18..28) => Fault::DropRequest,
        ("SendMessageBatch", 28..50) => Fault::Twice,
        _ => Fault::None,
    }
}
