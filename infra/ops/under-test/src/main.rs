//! `cargo ops` of the library: what the tests of the program run.

use std::process::ExitCode;

fn main() -> ExitCode {
    ops::run(library::bundle())
}
