//! Tells the table which version of the peer's SDK was built: the one in the lock file.

use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = fs::read_to_string(format!("{folder}/../Cargo.lock")).unwrap_or_default();
    let package = lock.split("name = \"restate-sdk\"\nversion = \"").nth(1);
    let version = package
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("unknown");
    println!("cargo::rustc-env=RESTATE_SDK={version}");
}
