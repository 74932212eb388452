//! What cargo compiles: programs and tests agree on the features of what they stand on. Where they don't, cargo
//! compiles it twice, and with it all that stands on it: for a feature of `getrandom`, the whole AWS SDK.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::workspace;

/// By name and version: its features, as they are chosen for these kinds of dependencies.
type Features = BTreeMap<String, BTreeSet<String>>;

#[test]
fn tests_choose_no_features_that_programs_are_built_without() {
    let programs = chosen_for("normal,build");
    let tests = chosen_for("normal,build,dev");
    assert!(programs.len() > 200, "only {} packages were read", programs.len());
    let differ: Vec<String> = programs
        .iter()
        .filter(|(package, features)| tests.get(*package) != Some(features))
        .map(|(package, features)| format!("{package}: {features:?}, with tests {:?}", tests.get(package)))
        .collect();
    assert!(
        differ.is_empty(),
        "tests choose features that programs are built without. Put what chooses them among the \
         [dependencies] of tests/Cargo.toml:\n  {}",
        differ.join("\n  ")
    );
}

fn chosen_for(kinds: &str) -> Features {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--offline", "--prefix", "none"])
        .args(["--edges", kinds, "--format", "{p}|{f}"])
        .current_dir(workspace())
        .output()
        .expect("cargo is there: it runs this test");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {told}");
    let mut chosen = Features::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((package, features)) = line.trim_end_matches(" (*)").split_once('|') {
            // A package that both build scripts and programs need may be there twice.
            chosen.entry(package.into()).or_default().insert(features.into());
        }
    }
    chosen
}
