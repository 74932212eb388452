//! The whole business on the local stack: the very functions that Lambda runs, over the wire of their services,
//! on a clock that moves by itself. What goes wrong, on purpose and by the thousand, loses nothing and does
//! nothing twice.
//!
//! The long runs are ignored unless asked for by name; each has a short one beside it that always runs.
//! `functions/tests/README.md` lists them all.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod bad_day;
mod bad_messages;
mod catalogue;
mod ceilings;
mod cost;
mod cost_of_bus;
mod cost_of_views;
mod cost_otherwise;
mod crash_points;
mod figures;
mod group;
mod invariants;
mod old_and_new;
mod pages;
mod poison;
mod provider;
mod refused;
mod republish;
mod rest;
mod saga;
mod sendable;
mod steps;
mod stories;
mod storm;
mod story;
mod template;

use bundle::{Function, Trigger};
use local::StackOptions;

/// A stack of the business on which nothing goes wrong.
fn options() -> StackOptions {
    testkit::running::options(functions::bundle())
}

/// Whether what a function takes is commands or events.
fn takes_messages(function: &Function) -> bool {
    matches!(function.trigger, Trigger::Commands(_) | Trigger::Events(_))
}
