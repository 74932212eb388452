//! `cargo local` of the library: what the tests of the program run.

use std::process::ExitCode;

fn main() -> ExitCode {
    local::program::run(library::bundle())
}
