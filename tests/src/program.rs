//! A built program, run as a process: what it says, how it ends, and `cargo local up` while it runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program at this path, told of nothing by the environment.
pub fn program(path: &str, arguments: &[&str]) -> Command {
    let mut program = Command::new(path);
    program
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    program
}

/// A writer that nobody reads.
pub fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs the program to its end.
pub fn run(mut program: Command) -> Ran {
    let output = program.output().expect("the program starts");
    Ran {
        status: output.status,
        out: String::from_utf8(output.stdout).expect("it prints UTF-8"),
        err: String::from_utf8(output.stderr).expect("it prints UTF-8"),
    }
}

/// A running `local up`, killed when it is dropped.
#[derive(Debug)]
pub struct Up {
    /// The process.
    pub child: Child,
    /// Host and port at which it answers.
    pub address: String,
}

impl Up {
    /// Starts it and waits for its ready line.
    pub fn start(mut program: Command) -> Self {
        let mut child = program
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("its output is a pipe");
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut ready).expect("a line");
        let address = ready
            .strip_prefix("ready http://")
            .map(|address| address.trim().to_owned());
        let address = address.unwrap_or_else(|| {
            // It has ended, and says why.
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                stderr.read_to_string(&mut said).expect("text");
            }
            panic!("not ready: {ready:?} {said}")
        });
        // Nobody reads on: it goes on without.
        drop(stdout);
        Self { child, address }
    }

    /// One request, as a client that knows nothing of AWS sends it: status line, headers and body.
    pub fn ask(&self, request: &str) -> String {
        ask(&self.address, request)
    }

    /// An operation of SQS or `DynamoDB`.
    pub fn call(&self, target: &str, body: &str) -> String {
        self.ask(&format!(
            "POST / HTTP/1.1\r\nHost: local\r\nConnection: close\r\nX-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// Sends it a signal, such as `-INT`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        until("it ends", || self.child.try_wait().expect("a status"))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One request to whoever listens at that address, and the answer.
pub fn ask(address: &str, request: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("it listens");
    connection
        .write_all(request.as_bytes())
        .expect("it takes requests");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    answer
}

/// Looks until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "it never came to pass: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
