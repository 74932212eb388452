//! What an earlier version wrote is read by this one, and what was under way then comes to its end now.
//!
//! `functions/tests/schema/v1` holds what version 1 wrote: every event as it is stored, every message as it is
//! sent, and a whole table of orders and groups at every stage. `WRITE_SCHEMA=1 cargo test -p functions --test
//! business old_and_new` adds what is missing there; what is there is never changed, since it is out in the world.

mod future;
mod in_flight;
mod written;

use std::path::PathBuf;

/// The folder of what a version wrote.
fn folder(version: u64) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/schema/v{version}"))
}

/// Whether missing files are to be written.
fn writes() -> bool {
    std::env::var_os("WRITE_SCHEMA").is_some()
}
