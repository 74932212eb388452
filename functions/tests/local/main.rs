//! `cargo local` of this business, as a process. The package `local` builds it: a test is told the path of a
//! program only by the program's own package.

mod carts;
mod console;
mod deletions;
mod help;
mod killed;
mod story;
mod streams;
mod support;
