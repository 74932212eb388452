//! The engine on the local stack: the very functions that Lambda runs, over the wire of their services, on a
//! clock that moves by itself. The business that runs on it is the library, as small as one can be.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod bad_input;
mod batches;
mod bus;
mod deadlines;
mod doors;
mod event_bus;
mod fuzz;
mod loans;
mod named;
mod neutral;
mod outbox;
mod rebuild;
mod relay;
mod republish;
mod samples;
mod store;
mod timed;
mod versions;
mod view_reader;

use std::time::Duration;

use library::loan::LOAN_SECONDS;
use local::StackOptions;

/// How long a member keeps a book here: a queue can wait for it by itself.
const LOAN: Duration = Duration::from_secs(10);

/// A stack of the library on which nothing goes wrong.
fn options() -> StackOptions {
    let options = testkit::running::options(library::bundle());
    StackOptions {
        settings: options.settings.clone().with(&LOAN_SECONDS, LOAN),
        ..options
    }
}
