//! The business that this repository is about, declared once: [`bundle`].
//!
//! The list in [`registry`] is what all else follows from: the relay's routes, the queues and mappings of
//! the local stack, the template, and what the bootstrap binary starts. To add a command, write its rule in
//! `domain` and add one line to the list.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`registry`] | every function, and the queues for systems outside |
//! | [`samples`] | a sample of each function: what is given, what comes, what follows |
//! | [`scenarios`] | what can be played of it, and how that has to end |
//! | `streams` | the kinds of streams, and which ids lead to which |
//! | [`simulators`] | stand-ins for the payment provider and the carrier |

pub mod registry;
pub mod samples;
pub mod scenarios;
pub mod simulators;
mod streams;

pub use domain;
pub use registry::bundle;
