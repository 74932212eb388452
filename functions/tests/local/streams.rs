//! Standard output and standard error that nobody reads, while carts are played.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{closed, program, run};

#[test]
fn a_report_that_nobody_reads_ends_quietly_as_after_sigpipe() {
    let cart = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../functions/carts/card-declined.json"
    );
    let mut demo = program(&["demo", "--cart", cart]);
    let mut child = demo
        .stdout(closed())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stderr = child.stderr.take().expect("a pipe");
    let said: Vec<_> = BufReader::new(stderr)
        .lines()
        .map(|line| line.expect("text"))
        .collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(141), "{said:?}");
    assert_eq!(said, [""; 0]);
}

#[test]
fn errors_that_nobody_reads_keep_their_exit_code() {
    let mut refused = program(&["demo", "--cart", "/there/is/no/such/file"]);
    assert_eq!(
        refused.stderr(closed()).status().expect("it ends").code(),
        Some(1)
    );
}

#[test]
fn a_filter_of_the_log_that_can_t_be_read_is_said_and_passed_over() {
    let cart = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../functions/carts/card-declined.json"
    );
    let mut demo = program(&["demo", "--cart", cart]);
    demo.env("RUST_LOG", "local=loud");
    let played = run(demo);
    assert!(played.status.success(), "{}", played.err);
    assert!(played.err.starts_with("RUST_LOG can't be read"), "{}", played.err);
    assert!(played.out.contains("OrderCancelled"), "{}", played.out);
}
