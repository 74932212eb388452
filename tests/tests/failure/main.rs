//! What goes wrong, on purpose and by the thousand, and that nothing is lost or done twice by it.
//!
//! The long runs are ignored unless asked for by name; each has a short one beside it that always runs.
//! `tests/README.md` lists them all.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod crash_points;
mod fuzz;
mod invariants;
mod named;
mod old_and_new;
mod poison;
mod steps;
mod storm;
mod story;

/// A number from the environment, for runs that are larger than usual.
fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("it is a number"))
}
