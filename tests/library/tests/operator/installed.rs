//! The program as people have it who installed it: under its own name, with completions and a manual.

use crate::program;
use testkit::program::{Ran, run};

fn ran(arguments: &[&str]) -> Ran {
    let ran = run(program(arguments));
    assert!(ran.status.success(), "{ran:?}");
    ran
}

#[test]
fn it_says_its_version() {
    let version = ran(&["--version"]).out;
    assert!(version.starts_with("ops-under-test 0."), "{version}");
}

#[test]
fn help_and_hints_name_it_as_it_was_called() {
    let help = ran(&["trace", "--help"]).out;
    assert!(
        help.contains("\n  ops-under-test trace loan/7\n") && help.contains("Usage: ops-under-test trace"),
        "{help}"
    );
    let mut by_cargo = program(&["trace", "--help"]);
    by_cargo.env("CARGO_PKG_NAME", "ops-under-test");
    let help = run(by_cargo).out;
    assert!(help.contains("\n  cargo ops-under-test trace loan/7\n"), "{help}");
    for command in [
        &["--help"][..],
        &["send", "--help"],
        &["tail", "--help"],
        &["loans", "--help"],
        &["republish", "--help"],
        &["rebuild", "--help"],
        &["completions", "--help"],
    ] {
        let help = ran(command).out;
        assert!(!help.contains("cargo ops"), "{command:?}: {help}");
    }
}

#[test]
fn completions_know_the_commands_of_views_and_their_options() {
    for shell in ["bash", "zsh", "fish"] {
        let script = ran(&["completions", shell]).out;
        for part in ["ops-under-test", "loans", "member", "redrive", "patch"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
    }
    let unknown = run(program(&["completions", "tcsh"]));
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
}

#[test]
fn the_manual_has_a_page_for_each_command_and_none_for_help() {
    let page = ran(&["man"]).out;
    assert!(
        page.contains(".TH ops-under-test 1") && page.contains("loans"),
        "{page}"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let into = folder.path().join("man1");
    ran(&["man", "--to", into.to_str().expect("UTF-8")]);
    let pages = std::fs::read_dir(&into).expect("a folder");
    let pages: Vec<_> = pages
        .map(|page| page.expect("a page").file_name().to_string_lossy().into_owned())
        .collect();
    for page in [
        "ops-under-test.1",
        "ops-under-test-loans.1",
        "ops-under-test-dlq-redrive.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    assert!(!pages.iter().any(|name| name.contains("-help")), "{pages:?}");
    let loans = std::fs::read_to_string(into.join("ops-under-test-loans.1")).expect("text");
    assert!(loans.contains("member"), "{loans}");
}
