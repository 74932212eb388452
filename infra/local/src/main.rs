//! `cargo local`: the bundle on this machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    local::program::run(functions::bundle())
}
