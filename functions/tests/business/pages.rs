//! Figures that stand in pages: the test that finds one writes it, and fails where the page says something else.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use template::pages::{section, with_section};

/// What writes all of them.
const COMMAND: &str = "WRITE_PAGES=1 cargo test -p functions --test business what_it_costs";

/// Tests run at once, and a page has figures of several.
static WRITING: Mutex<()> = Mutex::new(());

/// Sees to it that a page, named from the workspace's root, says that in its section; writes it if asked to.
pub(crate) fn say(page: &str, name: &str, text: &str) {
    // Another test that has failed meanwhile has left its own page alone.
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let old = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page} can't be read: {error}"));
    let new = with_section(&old, name, text).unwrap_or_else(|| {
        panic!(
            "{page} has no place for {name}; expected the lines <!-- written by `{COMMAND}`: {name} --> and \
             <!-- end of {name} -->"
        )
    });
    if std::env::var_os("WRITE_PAGES").is_some() {
        fs::write(&path, new).unwrap_or_else(|error| panic!("{page} can't be written: {error}"));
        return;
    }
    assert!(
        old == new,
        "{page} says of {name}\n{}where it should say\n{text}: run `{COMMAND}`",
        section(&old, name).unwrap_or_default()
    );
}
