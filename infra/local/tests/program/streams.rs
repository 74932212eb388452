//! Standard output and standard error that nobody reads.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{Up, closed, program, until};

#[test]
fn up_goes_on_when_nobody_reads_its_standard_error_and_ends_in_order_at_ctrl_c() {
    // The log is written all the time.
    let mut quiet = program(&["up", "--port", "0"]);
    quiet.env("RUST_LOG", "debug").stderr(closed());
    let mut up = Up::start(quiet);
    let queues = up.call("AmazonSQS.ListQueues", "{}");
    assert!(queues.contains("/local-lend-book"), "{queues}");
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
    assert!(queues.contains("/local-lend-book"), "{queues}");
    // Its last words are not read either.
    drop(stderr);
    up.signal("-TERM");
    assert_eq!(up.ended().code(), Some(0));
    until("the port is free", || {
        std::net::TcpStream::connect(&up.address).err().map(drop)
    });
}
