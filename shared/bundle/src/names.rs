//! Names of the functions that the engine adds to each business.

/// The name of the relay, without the stack's.
pub const RELAY: &str = "relay-events";
/// The name of the sweeper, without the stack's.
pub const SWEEPER: &str = "sweep-outbox";
/// The name of the function that is told what the relay's mapping gave up, and of its queue.
pub const RECOVERY: &str = "recover-stream-records";
/// The name of the function that watches what is open in views, if there are views.
pub const WATCHER: &str = "watch-views";
