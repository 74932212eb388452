//! The program under test.

use std::process::Command;

pub use testkit::program::{Up, closed, run, until};

/// The program, told of nothing by the environment.
pub fn program(arguments: &[&str]) -> Command {
    testkit::program::program(env!("CARGO_BIN_EXE_local"), arguments)
}
