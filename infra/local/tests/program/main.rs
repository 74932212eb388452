//! `cargo local` as a process: how it starts, what it says, and how it ends.

mod streams;
mod support;
