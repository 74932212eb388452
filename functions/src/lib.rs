//! Every function of the bundle, declared once.
//!
//! [`registry`] is the list that all else follows from: the relay's routes, the queues and mappings of
//! the local stack, and what the bootstrap binary starts. To add a command, write its rule in `domain`
//! and add one line to the list.

mod registry;
mod settings;
mod simulators;

pub use registry::{
    Batching, Context, Function, Outbound, OutboxAccess, RECOVERY, RELAY, Registry, SWEEPER, Sender,
    StoreAccess, Trigger, registry,
};
pub use settings::{InvalidSetting, Parts, Settings};
