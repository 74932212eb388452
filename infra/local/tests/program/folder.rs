//! The folder of `--data`: one process at a time, and never a word of SQL about what is wrong with it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::{Ran, Up, program, run};

fn up(folder: &Path, stack: &str) -> std::process::Command {
    let mut up = program(&["up", "--port", "0", "--stack", stack, "--data"]);
    up.arg(folder);
    up
}

/// A start that is refused in one line.
fn refused(folder: &Path, stack: &str) -> String {
    let Ran { status, out, err } = run(up(folder, stack));
    assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    for word in ["SQL", "feature", "encryption", "code "] {
        assert!(!err.contains(word), "{err}");
    }
    err
}

#[test]
fn a_second_process_on_a_folder_is_refused_and_told_who_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = Up::start(up(folder.path(), "local"));
    for stack in ["local", "another"] {
        let said = refused(folder.path(), stack);
        let holder = format!(
            "is in use by process {}, stack local at http://{}: ",
            first.child.id(),
            first.address
        );
        assert!(said.contains(&holder), "{said}");
    }
    // The first is none the worse for it, and the system takes the lock off whoever is killed.
    assert!(
        first
            .call("DynamoDB_20120810.ListTables", "{}")
            .contains("local-events")
    );
    first.child.kill().expect("it runs");
    first.ended();
    let mut next = Up::start(up(folder.path(), "local"));
    next.signal("-TERM");
    assert_eq!(next.ended().code(), Some(0));
}

#[test]
fn stacks_whose_names_differ_only_in_case_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Up::start(up(folder.path(), "Shop")));
    let said = refused(folder.path(), "shop");
    assert!(
        said.contains("holds the tables of stack Shop") && said.contains("--stack Shop"),
        "{said}"
    );
    drop(Up::start(up(folder.path(), "Shop")));
    // Others do, one after the other.
    drop(Up::start(up(folder.path(), "store")));
}

#[test]
fn what_is_no_database_of_ours_is_named_in_one_line_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tables.sqlite");
    for (content, problem) in [
        ("", "is empty"),
        ("a shopping list, and a long one", "is not a database"),
        ("SQLite format 3\0", "damaged"),
    ] {
        fs::write(&file, content).expect("it can be written");
        let said = refused(folder.path(), "local");
        assert!(
            said.contains(&format!("{} ", file.display())) && said.contains(problem),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&file).expect("it is there"), content);
    }
    let said = refused(&file, "local");
    assert!(said.contains("it is a file"), "{said}");
}

#[test]
fn a_folder_without_a_name_is_refused() {
    let mut unnamed = program(&["up", "--port", "0", "--data", ""]);
    let refused = unnamed
        .stderr(Stdio::piped())
        .output()
        .expect("the program starts");
    assert!(!refused.status.success());
}
