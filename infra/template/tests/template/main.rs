//! What the template of a bundle has to keep, shown on that of the library.

mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bundle::Bundle;
use template::written::{Stale, stale, written};
use testkit::running::Seen;

fn bundle() -> Bundle {
    library::bundle()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The samples show all that the library does.
async fn played() -> (BTreeMap<String, Vec<String>>, Vec<Seen>) {
    (BTreeMap::new(), Vec::new())
}

#[test]
fn a_file_that_is_missing_stale_or_left_over_is_told_with_the_command_that_mends_it() {
    let bundle = bundle();
    let root = tempfile::tempdir().expect("a folder");
    let put = |path: &Path, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    let page = |section: &str| {
        format!("# Mine\n<!-- written by `cargo template`: {section} -->\nold\n<!-- end of {section} -->\n")
    };
    let pages: String = bundle
        .pictures
        .iter()
        .map(|picture| page(picture.section))
        .collect();
    put(Path::new("README.md"), &pages);
    for (path, text) in written(&bundle, root.path()).expect("the page has a place for each picture") {
        put(&path, &text);
    }
    let told = || -> Vec<_> {
        let stale = stale(&bundle, root.path()).expect("the files can be read");
        stale.iter().map(Stale::told).collect()
    };
    assert_eq!(told(), [""; 0]);
    fs::remove_file(root.path().join("tests/events/lend-book.json")).expect("it was written");
    put(Path::new("tests/events/given/remind-member.json"), "{\n}\n");
    put(Path::new("tests/events/open-door.json"), "{}\n");
    assert_eq!(
        told(),
        [
            "tests/events/given/remind-member.json is stale from line 2 on: run `cargo template`",
            "tests/events/lend-book.json is missing: run `cargo template`",
            "tests/events/open-door.json belongs to no sample of the registry any more: run `cargo template`",
        ]
    );
}

/// Of the business in `functions`, whichever it is.
#[test]
fn what_is_written_from_the_registry_is_what_it_says() {
    let stale = stale(&functions::bundle(), &root()).expect("the files can be read");
    let told: Vec<_> = stale.iter().map(Stale::told).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
