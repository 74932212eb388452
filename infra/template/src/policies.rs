//! Policies of roles and queues, and their statements.

use crate::intrinsics::{only_if, reference};
use crate::parameters::WITH_KEY;
use crate::yaml::{Map, Yaml, inline};

/// A policy document.
pub(crate) fn document<T: Into<Yaml>>(statements: Vec<T>) -> Map {
    Map::new()
        .with("Version", "2012-10-17")
        .with("Statement", statements)
}

pub(crate) fn policy(name: &str, statements: Vec<Yaml>) -> Map {
    Map::new()
        .with("PolicyName", name)
        .with("PolicyDocument", document(statements))
}

pub(crate) fn allow(sid: &str, actions: &[&str], resources: Vec<Yaml>) -> Yaml {
    statement(sid, actions, resources).into()
}

pub(crate) fn statement(sid: &str, actions: &[&str], mut resources: Vec<Yaml>) -> Map {
    let action = match actions {
        [one] => (*one).into(),
        several => inline(several.iter().copied()),
    };
    let resource = if resources.len() == 1 {
        resources.swap_remove(0)
    } else {
        resources.into()
    };
    Map::new()
        .with("Sid", sid)
        .with("Effect", "Allow")
        .with("Action", action)
        .with("Resource", resource)
}

pub(crate) fn use_of_key() -> Yaml {
    with_key("Encrypt", &["kms:Decrypt", "kms:GenerateDataKey"])
}

/// The same for who writes nothing.
pub(crate) fn reading_with_key() -> Yaml {
    with_key("Decrypt", &["kms:Decrypt"])
}

fn with_key(sid: &str, actions: &[&str]) -> Yaml {
    only_if(WITH_KEY, statement(sid, actions, vec![reference("KmsKeyArn")]))
}
