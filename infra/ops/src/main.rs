//! `cargo ops` for this repository's business: the one file here that names it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ops::run(functions::bundle())
}
