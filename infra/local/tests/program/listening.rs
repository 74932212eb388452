//! Where `cargo local up` listens, and what it says about it: the program itself, over plain sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// On Linux the whole of 127/8 is loopback, so that this is an address which nobody else reaches and which
/// still is another one.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A running `cargo local up` on a free port, ended with the test.
struct Up {
    process: Child,
    port: u16,
    said: std::thread::JoinHandle<String>,
}

impl Up {
    fn start(arguments: &[&str]) -> Self {
        let mut process = program(&["--port", "0"], arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = process.stderr.take().expect("it is piped");
        let said = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).expect("text");
            text
        });
        let mut ready = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut ready).expect("a line");
        let port = ready.trim().strip_prefix("ready http://127.0.0.1:");
        let port = port.and_then(|port| port.parse().ok());
        Self {
            process,
            port: port.unwrap_or_else(|| panic!("not ready: {ready:?}")),
            said,
        }
    }

    fn answers_at(&self, address: impl Into<IpAddr>) -> bool {
        let address = SocketAddr::from((address.into(), self.port));
        let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) else {
            return false;
        };
        let health = ask(stream, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        health.starts_with("HTTP/1.1 200 ") && health.contains("\"status\":\"running\"")
    }

    /// An operation of SQS, and what it answers.
    fn sqs(&self, operation: &str, body: &str) -> String {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        ask(
            stream,
            &format!(
                "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: any\r\n\
                 x-amz-target: AmazonSQS.{operation}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    }

    /// Ends it, and returns what it has said.
    fn end(mut self) -> String {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
        self.said.join().expect("text")
    }
}

fn ask(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn program(first: &[&str], more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-under-test"));
    command.arg("up").args(first).args(more).stdin(Stdio::null());
    command
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program(&[], arguments).output().expect("the program starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn by_default_only_loopback_is_listened_on_and_there_is_nothing_to_warn_of() {
    let up = Up::start(&[]);
    assert!(up.answers_at(Ipv4Addr::LOCALHOST));
    assert!(!up.answers_at(OTHER));
    assert!(!up.answers_at(Ipv6Addr::LOCALHOST));
    let said = up.end();
    assert!(!said.contains("anybody"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_of_the_machine_is_listened_on_beside_loopback() {
    let up = Up::start(&["--bind", "127.0.0.2"]);
    assert!(up.answers_at(Ipv4Addr::LOCALHOST));
    assert!(up.answers_at(OTHER));
    let said = up.end();
    assert!(!said.contains("anybody"), "nobody else reaches it: {said}");
}

#[test]
fn all_addresses_of_the_machine_can_be_listened_on_and_whoever_does_is_told_who_may_do_what() {
    let up = Up::start(&["--bind", "0.0.0.0"]);
    assert!(up.answers_at(Ipv4Addr::LOCALHOST));
    #[cfg(target_os = "linux")]
    assert!(up.answers_at(OTHER));
    let port = up.port;
    let said = up.end();
    let warning =
        format!("also listens on port {port} of every address of this machine: anybody who reaches");
    assert!(said.contains(&warning), "{said}");
    assert!(said.contains("may do everything"), "{said}");
}

#[test]
fn an_address_of_ipv6_is_listened_on_where_the_machine_has_one() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        let (code, said) = refused(&["--port", "0", "--bind", "::1"]);
        assert_eq!(code, Some(1));
        assert!(said.contains("choose an address of this machine"), "{said}");
        return;
    }
    for address in ["::1", "::"] {
        let up = Up::start(&["--bind", address]);
        assert!(up.answers_at(Ipv4Addr::LOCALHOST), "{address}");
        assert!(up.answers_at(Ipv6Addr::LOCALHOST), "{address}");
        let said = up.end();
        assert_eq!(said.contains("anybody"), address == "::", "{address}: {said}");
    }
}

#[test]
fn what_is_no_address_is_refused_with_what_would_be_one() {
    for wrong in ["docker0", "172.17.0.1:4566", "[::1]", "localhost", ""] {
        let (code, said) = refused(&["--port", "0", "--bind", wrong]);
        assert_eq!(code, Some(2), "{wrong}: {said}");
        assert!(
            said.contains("expected an IP address of this machine without a port, such as 172.17.0.1"),
            "{wrong}: {said}"
        );
    }
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // Of a block that is kept for documentation (RFC 5737): no machine has it.
    let (code, said) = refused(&["--port", "0", "--bind", "192.0.2.1"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("192.0.2.1:"), "{said}");
    assert!(said.contains("choose an address of this machine"), "{said}");
    assert!(said.contains("--bind"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_that_is_taken_on_that_address_alone_is_named() {
    let taken = TcpListener::bind((OTHER, 0)).expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for address in ["127.0.0.2", "0.0.0.0"] {
        let (code, said) = refused(&["--port", &port, "--bind", address]);
        assert_eq!(code, Some(1));
        assert!(said.contains(&format!("{address}:{port} is in use")), "{said}");
    }
}

#[test]
fn without_functions_messages_stay_in_their_queues() {
    let up = Up::start(&["--no-functions"]);
    let queue = format!(
        "\"QueueUrl\":\"http://127.0.0.1:{}/000000000000/local-lend-book\"",
        up.port
    );
    let sent = up.sqs(
        "SendMessage",
        &format!("{{{queue},\"MessageBody\":\"no message\"}}"),
    );
    assert!(sent.starts_with("HTTP/1.1 200 "), "{sent}");
    // A function would have had it within milliseconds, and in its dead-letter queue soon after.
    std::thread::sleep(Duration::from_secs(1));
    let received = up.sqs("ReceiveMessage", &format!("{{{queue}}}"));
    assert!(received.contains("no message"), "{received}");
    let said = up.end();
    assert!(said.contains("no functions run here"), "{said}");
}
