//! The engine on the local stack: the very functions that Lambda runs, over the wire of their services, on a
//! clock that moves by itself. Whose business runs on it does not matter.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod bad_input;
mod bootstrap;
mod bus;
mod fuzz;
mod named;
mod outbox;
mod relay;
mod republish;
mod store;
mod versions;

use local::StackOptions;

/// A stack on which nothing goes wrong.
fn options() -> StackOptions {
    testkit::bundle::options(functions::bundle())
}
