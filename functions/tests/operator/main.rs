//! The command as its users see it: the built program, against a stack that is served on a port.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod clocks;
mod console;
mod dead_letters;
mod environment;
mod finding;
mod front;
mod held;
mod interrupting;
mod naming;
mod outbox;
mod proxies;
mod rebuilding;
mod republish;
mod sending;
mod showing;
mod standing;
mod streams;
mod support;
mod tailing;
mod views;
