//! The bundle's way to AWS: the event store on `DynamoDB`, the command bus on SQS, and what turns a
//! rule into a Lambda function.
//!
//! A function is one of four shapes: [`CommandFunction`] (load, decide, append), [`StepFunction`]
//! (react, send), [`ViewFunction`] (load, show) and [`Relay`] (stream to queues). The first three are triggered by
//! queues, and [`QueueFunction`] gives them the same treatment of batches, failures, logs and metrics. What the relay
//! can't deliver is the business of [`Sweeper`] and [`StreamRecovery`].
//!
//! ```text
//! client     environment, clients, names, queues, what a failed call comes to
//!    ▲
//! store      streams of commits in the event table, rows of views
//!    ▲
//! delivery   bus, routes, outbox, publishing again
//!    ▲
//! function   the shapes of functions, their logs and metrics
//! ```
//!
//! Each room uses those above it in this picture, and none below.
//!
//! | module | what it is |
//! | --- | --- |
//! | `client::environment`, `proxy`, `connection` | the SDK's standard variables, and clients made from them |
//! | `client::names` | what things are called in a stack |
//! | `client::queues`, `message` | the client of a stack's queues: [`Queues`]; messages going out and received |
//! | `client::schedules` | messages that are due later than a queue can hold them back: [`Schedules`] |
//! | `client::event_bus` | the `EventBridge` bus on which others subscribe: [`EventBus`] |
//! | `client::failure`, `jitter` | what a failed call comes to, and how long to wait before the next |
//! | `store::event_store`, `commit_ref` | appends and loads in the event table, and where a commit is in it |
//! | `store::segments`, `batch_get`, `rebuild` | walking through a whole table; items by their keys; making a view anew, or comparing it with its streams |
//! | `delivery::bus`, `publisher` | sending commands; sending the events of commits to those who asked for them |
//! | `delivery::refusal` | why a message is in a dead-letter queue |
//! | `delivery::undelivered`, `outbox`, `republish` | why a commit was not delivered, what becomes of it, and publishing a time range again |
//! | `function::handler`, `queue_function` | the form of every function; what all functions on queues do the same |
//! | `function::patience`, `panics` | how long and how often a message is tried; what a panic leaves |
//! | `function::command_function`, `step_function`, `warm` | a rule and a step as functions; streams kept between invocations |
//! | `function::view_function`, `store::view_table` | what streams amount to, in a table of rows |
//! | `function::view_watch`, `figures` | what is open, and what is overdue; what is counted of what views show |
//! | `store::view_reader` | the rows of a view, for whoever asks what became of something |
//! | `function::relay`, `sweeper`, `stream_recovery` | from the table's stream to queues, and what is done about failures |
//! | `function::time` | how an invocation shares out the time that it has |
//! | `function::logging`, `metrics` | lines on standard output |

mod client;
mod delivery;
mod function;
mod store;

pub use client::connection::{ClientParts, Connection, http_client_through, http_connector_through};
pub use client::environment::{Environment, EnvironmentError, process_variable, url_problem};
pub use client::event_bus::{BusEvent, EVENT_BUS, EventBus, MAX_PUT_BYTES, event_bus_name_problem};
pub use client::failure::{FailureKind, reason};
pub use client::message::{Attribute, MAX_ATTRIBUTES, MAX_DELAY, MAX_MESSAGE_BYTES, Outgoing, Received};
pub use client::names::{
    Names, dead_letter_queue, kebab_case, pascal_case, source_queue, stack_name_problem,
};
pub use client::proxy::Proxies;
pub use client::queues::{Counts, MAX_BATCH, QueueError, Queues, Receive};
pub use client::schedules::{DEADLINES, MAX_SCHEDULED_BYTES, OneTime, Schedules, Scheduling};
pub use delivery::bus::{Bus, SendError, Timed};
pub use delivery::outbox::{
    AfterFailure, Delivery, Due, OUTBOX_INDEX, OUTBOX_PATIENCE, Outbox, OutboxEntry, OutboxError,
    PUBLISHED_RETENTION,
};
pub use delivery::publisher::{Messages, Publisher, Routes};
pub use delivery::refusal::{Refusal, RefusalCode};
pub use delivery::republish::{
    Checkpoint, Republication, RepublishError, Republisher, Selection, Tally, Unpublished,
};
pub use delivery::undelivered::Undelivered;
pub use function::command_function::CommandFunction;
pub use function::figures::OVERDUE_AFTER;
pub use function::handler::Handler;
pub use function::logging::init_logging;
pub use function::metrics::{Backlog, Figure, FigureValue, MetricSink, Metrics, StdoutMetrics};
pub use function::patience::{
    GIVE_UP_FAILING, GIVE_UP_WAITING, MAX_RECEIVE_COUNT, Patience, SOON, SUSPICIOUS_AGE,
};
pub use function::queue_function::{
    BatchHandler, Identity, Invocation, Piece, QueueFunction, QueueRecord, Verdict,
};
pub use function::relay::Relay;
pub use function::step_function::StepFunction;
pub use function::stream_recovery::StreamRecovery;
pub use function::sweeper::{SWEEP_INTERVAL, Sweeper};
pub use function::view_function::ViewFunction;
pub use function::view_watch::ViewWatch;
pub use store::commit_ref::{CommitRef, KeyNumber};
pub use store::event_store::{DynamoDbEventStore, FetchError};
pub use store::rebuild::{
    Difference, Differing, Found, RebuildCheckpoint, RebuildTally, Rebuilder, Rebuilding, RowOf, Shows,
    Unread,
};
pub use store::stored_commit::StoredCommit;
pub use store::view_reader::{
    OpenRows, PhaseCount, PhaseCounts, Rows, ScannedPage, Sorted, ViewError, ViewReader, ViewRow,
};
pub use store::view_table::{Put, ROW_REVISION, Replacing, ViewTable};

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The picture at the top, from the bottom up to what uses it.
    const ROOMS: [&str; 4] = ["client", "store", "delivery", "function"];

    #[test]
    fn each_room_uses_those_before_it_and_none_after() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut read = 0;
        for (place, room) in ROOMS.iter().enumerate() {
            for file in fs::read_dir(source.join(room)).expect("a room is a folder") {
                let path = file.expect("a file").path();
                let text = fs::read_to_string(&path).expect("source is text");
                for later in &ROOMS[place + 1..] {
                    let path = path.display();
                    assert!(
                        !text.contains(&format!("crate::{later}::")),
                        "{path} uses {later}"
                    );
                }
                read += 1;
            }
        }
        assert!(read > 15, "only {read} files were read");
    }
}
