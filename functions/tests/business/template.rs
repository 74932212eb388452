//! What the template of the business has to keep: all that any template has to, and what is checked in.

#[path = "../../../infra/template/tests/template/rules/mod.rs"]
pub(crate) mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bundle::Bundle;
use template::written::{Stale, stale};
use testkit::running::Seen;

use crate::stories::Stories;

fn bundle() -> Bundle {
    functions::bundle()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What all scenarios put on queues, and the calls that it took.
async fn played() -> (BTreeMap<String, Vec<String>>, Vec<Seen>) {
    let stories = Stories::play().await;
    (stories.accepted, stories.calls)
}

#[test]
fn the_template_and_the_samples_that_are_checked_in_are_what_the_registry_says() {
    let stale = stale(&functions::bundle(), &root()).expect("the files can be read");
    let told: Vec<_> = stale.iter().map(Stale::told).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn every_runbook_has_an_alarm() {
    assert_eq!(rules::runbooks_of_alarms(), rules::runbooks());
}
