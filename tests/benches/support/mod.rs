//! What the benchmarks share: a stack that holds still, and commits of a little under 1 KB.

use aws_adapters::DynamoDbEventStore;
use eventsourcing::{Commit, EventStore, NewEvent, Position, StreamId, Timestamp};
use local::{Stack, StackOptions};
use serde_json::json;
use tokio::runtime::Runtime;

/// What makes a commit as large as that of a business with more to say.
const NOTE: usize = 120;

/// One thread, as a function has on Lambda.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs nothing that could be missing")
}

/// Tables and queues without functions: whatever is called is called by the benchmark.
pub async fn still_stack() -> Stack {
    let options = StackOptions {
        functions: false,
        ..StackOptions::of(library::bundle())
    };
    Stack::start(options)
        .await
        .expect("a stack in memory needs nothing that could be missing")
}

/// The stack's event store.
pub fn store(stack: &Stack) -> DynamoDbEventStore {
    DynamoDbEventStore::new(stack.observer().dynamodb, stack.names().events_table())
}

/// A commit of one event of that type. Its item has a little under 1 KB, one write unit, as most have.
pub fn commit(stream: &StreamId, position: Position, event_type: &'static str) -> Commit {
    let revision = position.last_revision().unwrap_or(0) + 1;
    let id = eventsourcing::event_id(stream, revision);
    let data = json!({
        "loan_id": "loan-0001",
        "book_id": "moby-dick",
        "member_id": "member-0001",
        "lent_at": "2026-11-23T08:00:00.000Z",
        "due_at": "2026-12-07T08:00:00.000Z",
        "note": "x".repeat(NOTE),
    });
    let event = NewEvent {
        event_type,
        schema_version: 1,
        data: data.to_string(),
        correlation_id: id.to_string(),
        causation_id: id.to_string(),
        trace: None,
    };
    let at = Timestamp::from_millis(1_795_420_800_000);
    Commit::at(position, stream, id, at, vec![event])
}

/// Appends commits, one event of each type in turn, and answers where the stream ends then.
pub async fn fill(
    store: &DynamoDbEventStore,
    stream: &StreamId,
    event_types: impl IntoIterator<Item = &'static str>,
) -> Position {
    let mut end = Position::START;
    for event_type in event_types {
        let commit = commit(stream, end, event_type);
        end = store.append(&commit).await.expect("nobody else appends");
    }
    end
}
