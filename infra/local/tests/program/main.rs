//! `cargo local` as a process, with another business than this repository's: how it starts, what it says, what it
//! survives, and how it ends.

mod clock;
mod console;
mod control;
mod demo;
mod folder;
mod listening;
mod streams;
mod support;
