//! Messages on their way: the bus to queues, which event goes where, and what could not be delivered.

pub(crate) mod bus;
pub(crate) mod outbox;
pub(crate) mod publisher;
pub(crate) mod refusal;
pub(crate) mod republish;
pub(crate) mod undelivered;
