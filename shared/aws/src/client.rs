//! The way to the services: what the environment says, clients, names of queues and tables, the queues,
//! schedules and event bus themselves, and what a failed call comes to.

pub(crate) mod connection;
pub(crate) mod environment;
pub(crate) mod event_bus;
pub(crate) mod failure;
pub(crate) mod jitter;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod proxy;
pub(crate) mod queues;
mod roots;
pub(crate) mod schedules;
