//! `cargo local` as a process: how it starts, what it says, what it survives, and how it ends.

mod clock;
mod deletions;
mod folder;
mod streams;
mod support;
