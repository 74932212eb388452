//! Tells a release of which commit it is, if it is built in a repository that this file belongs to. Builds outside of
//! one, or without git, go on without.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A build for work would be made anew after each commit, and differs from it anyway.
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    if git(&["ls-files", "--error-unmatch", "build.rs"]).is_none() {
        return;
    }
    // Where a commit moves, its branch's log does.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo::rustc-env=OPS_COMMIT={commit}");
    }
}

/// What git says; none if it fails or is not there.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
