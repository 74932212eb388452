//! What the linter checkov asks for and does not get, with the reason, as it is written beside a resource.

use crate::yaml::{Map, Yaml};

/// On functions.
const ON_FUNCTIONS: [(&str, &str); 3] = [
    (
        "CKV_AWS_115",
        "Its mapping bounds its concurrency; a reservation would take it from others",
    ),
    (
        "CKV_AWS_116",
        "For asynchronous calls, of which there are none; its mapping has a dead-letter queue",
    ),
    (
        "CKV_AWS_117",
        "It needs nothing inside a VPC, which would be slower and cost endpoints",
    ),
];

/// On tables.
const ON_TABLES: [(&str, &str); 2] = [
    ("CKV_AWS_28", "The parameter Protect switches it on, by default"),
    (
        "CKV_AWS_119",
        "The parameter KmsKeyArn gives it a key; without one DynamoDB encrypts with its own",
    ),
];

/// The metadata that has checks skipped on a function.
pub(crate) fn skipped_on_functions() -> Map {
    skipped(&ON_FUNCTIONS)
}

/// The metadata that has checks skipped on a table.
pub(crate) fn skipped_on_tables() -> Map {
    skipped(&ON_TABLES)
}

fn skipped(checks: &[(&str, &str)]) -> Map {
    let check = |(id, comment): &(&str, &str)| {
        let check = Map::new().with("id", *id).with("comment", *comment);
        Yaml::Compact(check)
    };
    Map::new().with("skip", checks.iter().map(check).collect::<Vec<_>>())
}
