//! What goes wrong, on purpose and by the thousand, and that nothing is lost or done twice by it.
//!
//! The long runs are ignored unless asked for by name; each has a short one beside it that always runs.
//! `tests/README.md` lists them all.

mod crash_points;
mod invariants;
mod steps;
mod storm;
mod story;
