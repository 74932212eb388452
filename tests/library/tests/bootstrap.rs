//! The bootstrap binary refuses to start on an invalid environment, and says why in one line.

use std::process::{Command, Output};

use serde_json::Value;

/// Everything that a function needs to start.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("_HANDLER", "lend-book"),
    ("STACK_NAME", "library"),
    ("QUEUE_URL_PREFIX", "http://127.0.0.1:9/000000000000/library-"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
];

/// Starts the binary on the environment with these changes; an empty value takes a variable away.
fn start(changes: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_library"));
    command.env_clear().envs(ENVIRONMENT);
    for (name, value) in changes {
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
    }
    command.output().expect("the binary was built with this test")
}

/// The one line that a start which failed has logged.
fn refusal(changes: &[(&str, &str)]) -> String {
    let output = start(changes);
    assert!(!output.status.success(), "{changes:?} started");
    let stdout = String::from_utf8(output.stdout).expect("log lines are text");
    let lines: Vec<_> = stdout.lines().collect();
    let [line] = lines[..] else {
        panic!("one line was expected of {changes:?}, not {lines:?}");
    };
    let line: Value = serde_json::from_str(line).expect("a log line is JSON");
    assert_eq!(line["level"], "ERROR", "{line}");
    line["error"]
        .as_str()
        .expect("the line tells the error")
        .to_owned()
}

#[test]
fn a_handler_that_the_registry_does_not_know_is_refused_with_those_that_it_knows() {
    let error = refusal(&[("_HANDLER", "lent-book")]);
    assert!(
        error.contains(r#"_HANDLER is "lent-book""#) && error.contains("lend-book"),
        "{error}"
    );
}

#[test]
fn a_missing_handler_is_refused() {
    let error = refusal(&[("_HANDLER", "")]);
    assert!(error.contains("_HANDLER"), "{error}");
}

#[test]
fn each_variable_that_a_function_needs_is_named_when_it_is_missing() {
    for (name, _) in &ENVIRONMENT[1..] {
        let error = refusal(&[(name, "")]);
        assert!(error.contains(name), "without {name}: {error}");
    }
}

#[test]
fn a_deadline_that_makes_no_sense_is_refused() {
    let error = refusal(&[("LOAN_SECONDS", "soon")]);
    assert!(
        error.contains("LOAN_SECONDS") && error.contains("whole number"),
        "{error}"
    );
}
