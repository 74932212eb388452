//! The whole bundle on the local stack: the very functions that Lambda runs, over the wire of their
//! services, on a clock that moves by itself.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

mod bad_input;
mod bootstrap;
mod bus;
mod cost;
mod group;
mod outbox;
mod relay;
mod republish;
mod saga;
mod store;
