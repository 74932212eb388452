//! Pages and patches that name tests name those that there are, and pages link to files that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files below a folder whose names end so, but those that are built.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The functions that follow an attribute which makes them tests.
fn tests_of(source: &str) -> Vec<&str> {
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "));
        if let Some(function) = function {
            let name = function.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            tests.extend(name.filter(|_| is_test));
            is_test = false;
        }
    }
    tests
}

/// Every test of the workspace that is a Rust function.
fn all_tests() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for path in files(&root(), ".rs") {
        let source = fs::read_to_string(&path).expect("source is text");
        all.extend(tests_of(&source).into_iter().map(str::to_owned));
    }
    all
}

/// Words between backticks that can only be the name of a test: four words or more.
fn named_in(page: &str) -> impl Iterator<Item = &str> {
    let is_sentence = |word: &&str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        word.matches('_').count() > 2 && word.bytes().all(plain)
    };
    page.split('`')
        .skip(1)
        .step_by(2)
        .map(|word| word.rsplit("::").next().unwrap_or(word))
        .filter(is_sentence)
}

#[test]
fn every_test_that_a_page_names_exists() {
    let all = all_tests();
    let mut named = 0;
    for path in files(&root(), ".md") {
        let page = fs::read_to_string(&path).expect("a page is text");
        for test in named_in(&page) {
            assert!(
                all.contains(test),
                "{} names {test}, which is no test",
                path.display()
            );
            named += 1;
        }
    }
    assert!(named > 25, "only {named} tests are named");
}

/// Where the links of a page lead that are to files, without what they point at inside.
fn linked_from(page: &str) -> impl Iterator<Item = &str> {
    let inline = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let listed = page
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
        .map(|(_, target)| target);
    inline
        .chain(listed)
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

#[test]
fn every_link_of_a_page_leads_to_a_file_or_folder() {
    let (mut followed, mut dead) = (0, Vec::new());
    for path in files(&root(), ".md") {
        let page = fs::read_to_string(&path).expect("a page is text");
        let folder = path.parent().expect("a page is in a folder");
        for target in linked_from(&page) {
            followed += 1;
            if !folder.join(target).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(followed > 50, "only {followed} links were followed");
    assert!(dead.is_empty(), "these links lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn every_defect_has_a_patch_and_a_test_that_exists() {
    let all = all_tests();
    // A business has its own beside its tests.
    let folders = ["tests/mutations", "functions/tests/mutations"].map(|folder| root().join(folder));
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let known = fs::read_to_string(folder.join("known.txt")).expect("a list of defects");
        let known = known.lines().filter(|line| !line.starts_with('#'));
        let mut missing: BTreeSet<&str> = known.collect();
        for path in files(&folder.join("defects"), ".patch") {
            let patch = fs::read_to_string(&path).expect("a patch is text");
            let said = |what: &'static str| patch.lines().filter_map(move |line| line.strip_prefix(what));
            let defect = said("Defect: ").next().expect("a patch says what it breaks");
            missing.retain(|known| !defect.starts_with(known));
            let mut tests = said("Noticed by: ").peekable();
            assert!(tests.peek().is_some(), "{} names no test", path.display());
            for test in tests {
                let name = test.rsplit([' ', ':']).next().unwrap_or_default();
                assert!(all.contains(name), "{}: there is no test {name}", path.display());
            }
        }
        assert!(
            missing.is_empty(),
            "without a patch in {}: {missing:?}",
            folder.display()
        );
    }
}
