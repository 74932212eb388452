//! What Lambda invokes: the shapes of functions, on queues, on the table's stream and on a schedule, with
//! their logs and metrics.

pub(crate) mod command_function;
pub(crate) mod figures;
pub(crate) mod handler;
pub(crate) mod logging;
pub(crate) mod metrics;
pub(crate) mod panics;
pub(crate) mod patience;
pub(crate) mod queue_function;
pub(crate) mod relay;
pub(crate) mod step_function;
pub(crate) mod stream_recovery;
pub(crate) mod sweeper;
pub(crate) mod time;
pub(crate) mod view_function;
pub(crate) mod view_watch;
pub(crate) mod warm;
