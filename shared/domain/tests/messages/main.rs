//! Messages as they come from queues: what is wrong with one is named, what is right with one is read
//! exactly, and nothing that anybody sends makes the reader fall over.

mod any;
mod nonsense;
mod round_trip;
mod sendable;
mod validation;
