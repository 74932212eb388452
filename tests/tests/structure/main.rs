//! How the source is divided: no module of a crate uses another that uses it in turn, not even by way of
//! others. And what it is built of (`features`).
//!
//! Read are the sources of every crate of the workspace, without what is compiled for tests only. A module
//! uses another if it names something that is defined there. A parent that only passes on what its children
//! define (`pub use`) does not use them, and who takes a name from it uses the child.

mod features;
mod modules;
mod tokens;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use modules::{Krate, Uses};

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let mut circles = Vec::new();
    let mut modules = 0;
    for root in crate_roots() {
        let krate = Krate::read(&root);
        let uses = krate.uses();
        modules += uses.len();
        circles.extend(circles_of(&uses).into_iter().map(|circle| {
            let path = root.strip_prefix(workspace()).unwrap_or(&root);
            format!("{}: {}", path.display(), shown(&uses, &circle))
        }));
    }
    assert!(modules > 150, "only {modules} modules were read");
    assert!(
        circles.is_empty(),
        "modules use each other in a circle:\n  {}",
        circles.join("\n  ")
    );
}

fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

/// The root file of each library and program of the workspace.
fn crate_roots() -> Vec<PathBuf> {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("a workspace has a manifest");
    let members = manifest
        .lines()
        .find_map(|line| line.strip_prefix("members = [")?.strip_suffix(']'))
        .expect("the members stand on one line");
    let mut roots = Vec::new();
    for folder in members
        .split(',')
        .flat_map(|member| folders(member.trim().trim_matches('"')))
    {
        let source = folder.join("src");
        roots.extend(["lib.rs", "main.rs"].map(|file| source.join(file)));
        if let Ok(programs) = fs::read_dir(source.join("bin")) {
            roots.extend(programs.map(|program| program.expect("the folder can be read").path()));
        }
    }
    roots.retain(|root| root.is_file());
    roots
}

/// The folder of a member, or all folders there are of one that ends `/*`.
fn folders(member: &str) -> Vec<PathBuf> {
    let Some(parent) = member.strip_suffix("/*") else {
        return vec![workspace().join(member)];
    };
    let found = fs::read_dir(workspace().join(parent)).expect("the folder can be read");
    let mut folders: Vec<_> = found
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    folders.sort();
    folders
}

/// The shortest circle through each module that is in one; of modules in the same circle, one of them.
fn circles_of(uses: &Uses) -> Vec<Vec<String>> {
    let mut circles: Vec<Vec<String>> = Vec::new();
    for start in uses.keys() {
        if !circles.iter().flatten().any(|known| known == start) {
            circles.extend(shortest_circle(uses, start));
        }
    }
    circles
}

fn shortest_circle(uses: &Uses, start: &str) -> Option<Vec<String>> {
    let mut open = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop_front() {
        for next in uses.get(*path.last()?)?.keys() {
            let longer = || path.iter().copied().chain([next.as_str()]);
            if next == start {
                return Some(longer().map(str::to_owned).collect());
            }
            if seen.insert(next) {
                open.push_back(longer().collect());
            }
        }
    }
    None
}

/// The circle with what each module uses of the next: `a → b (Letter) → a (Stack)`.
fn shown(uses: &Uses, circle: &[String]) -> String {
    let step = |pair: &[String]| format!(" → {} ({})", pair[1], uses[&pair[0]][&pair[1]]);
    let steps: String = circle.windows(2).map(step).collect();
    format!("{}{steps}", circle[0])
}

fn circles_in(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    circles_of(&Krate::of_texts(files).uses())
}

#[test]
fn a_circle_is_found_however_the_modules_name_each_other() {
    for (one, other) in [
        ("use crate::b::B; pub struct A;", "use crate::a::A; pub struct B;"),
        (
            "use super::b::{self}; fn a() { b::b() }",
            "pub fn b() { crate::a::a() }",
        ),
        ("use super::*; pub struct A(b::B);", "use crate::A; pub struct B;"),
        (
            "pub struct A; fn f(_: &crate::B) {}",
            "use super::a::A as Other; pub struct B;",
        ),
        (
            "/* } */ const TEXT: &str = \"}\\\"\"; use crate::{b::{B, C}}; pub struct A;",
            "pub struct B; pub struct C; fn c<'a>(_: &'a crate::a::A, _: char) { '\"'; }",
        ),
    ] {
        let root = "mod a; mod b; pub use a::A; pub use b::{B};";
        let found = circles_in(&[("", root), ("a", one), ("b", other)]);
        assert_eq!(found, [["a", "b", "a"]], "{one} {other}");
    }
}

#[test]
fn a_circle_by_way_of_another_module_or_of_a_parent_is_found() {
    let by_way = [
        ("", "mod a; mod b; mod c;"),
        ("a", "use crate::b::B; pub struct A;"),
        ("b", "use crate::c::C; pub struct B;"),
        ("c", "use crate::a::A; pub struct C;"),
    ];
    assert_eq!(circles_in(&by_way), [["a", "b", "c", "a"]]);
    let of_parent = [
        ("", "mod p;"),
        ("p", "mod c; use c::child; pub struct Parent; fn f() { child() }"),
        ("p::c", "use super::Parent; pub fn child() {}"),
    ];
    assert_eq!(circles_in(&of_parent), [["p", "p::c", "p"]]);
}

#[test]
fn what_a_parent_passes_on_and_what_only_tests_use_makes_no_circle() {
    let passed_on = [
        ("", "mod p; pub use p::{A, b};"),
        ("p", "mod a; pub(crate) mod b; pub use a::A;"),
        (
            "p::a",
            "use super::b::B; use crate::p::b::B as Same; pub struct A;",
        ),
        (
            "p::b",
            "pub struct B; #[cfg(test)] mod tests { use super::*; use crate::A; } #[cfg(test)] use crate::p::A;",
        ),
    ];
    assert_eq!(circles_in(&passed_on), [[""; 0]; 0]);
}
