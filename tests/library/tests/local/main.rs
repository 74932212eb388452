//! `cargo local` of the library, as a process. The package `local` builds it: a test is told the path of a program
//! only by the program's own package.

use std::process::Command;

use serde_json::json;
use testkit::program::{Up, run, until};

/// The program, told that a loan is of so many seconds.
fn program(arguments: &[&str], loan_seconds: &str) -> Command {
    let mut program = testkit::program::program(env!("CARGO_BIN_EXE_local-under-test"), arguments);
    program.env("LOAN_SECONDS", loan_seconds);
    program
}

#[test]
fn the_demo_ends_as_expected() {
    let ran = run(program(&["demo"], "3600"));
    assert!(ran.status.success(), "{ran:?}");
    assert!(ran.out.contains("1 of 1 ended as expected"), "{ran:?}");
}

#[test]
fn a_member_of_a_served_library_is_reminded_when_the_book_is_due() {
    let up = Up::start(program(&["up", "--port", "0"], "1"));
    let lend = json!({ "command": { "loan_id": "l-1", "book_id": "moby-dick", "member_id": "ada" } });
    let queue = |name: &str| format!("http://{}/000000000000/local-{name}", up.address);
    let message = json!({ "QueueUrl": queue("lend-book"), "MessageBody": lend.to_string() });
    up.call("AmazonSQS.SendMessage", &message.to_string());
    until("there is mail for the member", || {
        let taken = up.call(
            "AmazonSQS.ReceiveMessage",
            &json!({ "QueueUrl": queue("mail") }).to_string(),
        );
        taken.contains("MemberReminded").then_some(())
    });
}
