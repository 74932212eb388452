//! Messages as they come from queues: what is wrong with one is named, what is right with one is read
//! exactly, and nothing that anybody sends makes the reader fall over.
//!
//! What goes for all messages is tried on all that [`every`] finds, with what their shapes say of their
//! fields: a new message, or a new field, is among them.

mod any;
mod every;
mod nonsense;
mod round_trip;
mod sendable;
mod validation;
