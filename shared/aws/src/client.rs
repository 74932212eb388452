//! The way to the services: what the environment says, clients, names of queues and tables, and what a
//! failed call comes to.

pub(crate) mod connection;
pub(crate) mod environment;
pub(crate) mod failure;
pub(crate) mod jitter;
pub(crate) mod names;
pub(crate) mod proxy;
