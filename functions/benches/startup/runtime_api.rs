//! As much of Lambda's runtime API as a function needs to ask for work: it gets none.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a function may take before something must be wrong with it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listener on loopback, which stands in for `DynamoDB` and SQS as well.
pub struct RuntimeApi {
    address: SocketAddr,
    polls: mpsc::Receiver<Instant>,
}

impl RuntimeApi {
    /// Listens on any free port until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (polled, polls) = mpsc::channel();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let polled = polled.clone();
                thread::spawn(move || answer(connection, &polled));
            }
        });
        Self { address, polls }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts a function and stops it when it asks for work; how long that took.
    ///
    /// # Panics
    /// When it does not start, or does not ask.
    pub fn time_to_first_poll(&self, command: &mut Command) -> Duration {
        let started = Instant::now();
        let mut function = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let polled = self.polls.recv_timeout(PATIENCE);
        function.kill().expect("a child can be stopped");
        function.wait().expect("a child ends when it is stopped");
        let at = polled.unwrap_or_else(|error| panic!("{command:?} did not ask for work: {error}"));
        at.duration_since(started)
    }
}

/// Answers the requests of one connection. A poll for work is never answered, as Lambda does while there
/// is none; anything else is a service's endpoint that is touched ahead of time. TLS is hung up on: its
/// first byte is no letter.
fn answer(mut connection: TcpStream, polled: &mpsc::Sender<Instant>) {
    let mut first = [0];
    if connection.peek(&mut first).is_err() || !first[0].is_ascii_alphabetic() {
        return;
    }
    let Ok(requests) = connection.try_clone() else {
        return;
    };
    let mut lines = BufReader::new(requests).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let at = Instant::now();
        // The requests have no body: an empty line ends them.
        if lines.by_ref().all(|line| !line.is_empty()) {
            return;
        }
        if request.contains("/runtime/invocation/next") {
            if polled.send(at).is_err() {
                return; // The benchmark is over.
            }
        } else if connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .is_err()
        {
            return;
        }
    }
}
