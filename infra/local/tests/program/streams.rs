//! Standard output and standard error that nobody reads.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{Up, closed, program, run, until};

#[test]
fn up_goes_on_when_nobody_reads_its_standard_error_and_ends_in_order_at_ctrl_c() {
    // The log is written all the time.
    let mut quiet = program(&["up", "--port", "0"]);
    quiet.env("RUST_LOG", "debug").stderr(closed());
    let mut up = Up::start(quiet);
    let queues = up.call("AmazonSQS.ListQueues", "{}");
    assert!(queues.contains("/local-finalize-cart"), "{queues}");
    up.signal("-INT");
    assert_eq!(up.ended().code(), Some(0));
}

#[test]
fn up_goes_on_when_nobody_reads_its_standard_output() {
    let mut deaf = program(&["up", "--port", "0"]);
    let mut child = deaf
        .stdout(closed())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let address = stderr
        .find_map(|line| {
            let line = line.expect("text");
            let (_, rest) = line.split_once("--endpoint-url http://")?;
            rest.split(' ').next().map(str::to_owned)
        })
        .expect("it says where it is");
    let mut up = Up { child, address };
    let queues = up.call("AmazonSQS.ListQueues", "{}");
    assert!(queues.contains("/local-finalize-cart"), "{queues}");
    // Its last words are not read either.
    drop(stderr);
    up.signal("-TERM");
    assert_eq!(up.ended().code(), Some(0));
    until("the port is free", || {
        std::net::TcpStream::connect(&up.address).err().map(drop)
    });
}

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
