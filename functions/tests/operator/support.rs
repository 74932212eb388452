//! A stack on a port of its own, and what the program says to it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use embedded_aws::server;
use embedded_sqs::MessageAttribute;
use local::{Stack, StackOptions};
use serde_json::{Value, json};
use testkit::database;

/// A running stack.
pub struct Up {
    pub stack: Stack,
    pub url: String,
}

/// What happens when all goes well with an order.
pub const ALL_GOES_WELL: [&str; 8] = [
    "CartFinalized",
    "OrderInitialized",
    "PaymentRequested",
    "PaymentCompleted",
    "OrderConfirmed",
    "ShipmentRequested",
    "ShipmentSent",
    "OrderCompleted",
];

/// What the program did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Its one JSON document.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "one document on one line: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, if it did what it was asked.
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl Up {
    /// A stack with all its functions.
    pub async fn start() -> Self {
        Self::with(StackOptions::of(functions::bundle())).await
    }

    /// A stack whose queues nobody reads.
    pub async fn without_functions() -> Self {
        Self::with(StackOptions {
            functions: false,
            ..StackOptions::of(functions::bundle())
        })
        .await
    }

    pub async fn with(options: StackOptions) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = server::listen(address).await.expect("a free port");
        let url = format!("http://{}", bound.address());
        let stack = Stack::start(StackOptions {
            base_url: url.clone(),
            ..options
        })
        .await
        .expect("a stack in memory needs nothing to start");
        tokio::spawn(bound.serve(stack.wire().clone(), std::future::pending()));
        Self { stack, url }
    }

    /// Runs the program with nobody at a terminal.
    pub fn ops(&self, arguments: &[&str]) -> Ran {
        self.ops_reading(arguments, "")
    }

    /// The same with something on its standard input.
    pub fn ops_reading(&self, arguments: &[&str], input: &str) -> Ran {
        let mut program = program(arguments);
        program.env("AWS_ENDPOINT_URL", &self.url);
        run(program, input)
    }

    /// Puts a message on a queue past everything.
    pub fn put(&self, queue: &str, body: &str) {
        self.put_with(queue, body, BTreeMap::new());
    }

    /// The same with attributes beside it.
    pub fn put_with(&self, queue: &str, body: &str, attributes: BTreeMap<String, MessageAttribute>) {
        let message = embedded_sqs::Outgoing {
            body: body.to_owned(),
            attributes,
            ..embedded_sqs::Outgoing::default()
        };
        let sent = self
            .stack
            .wire()
            .sqs()
            .send(&self.stack.names().of_function(queue), message);
        sent.expect("the queue takes it");
    }

    /// Puts an item into a table past everything.
    pub fn put_item(&self, table: &str, item: &Value) {
        let request = json!({ "TableName": table, "Item": item });
        database::ask(&self.stack, "PutItem", &request);
    }

    /// Begins a run that keeps in `file` how far it has come, and interrupts it as soon as it has kept something.
    #[cfg(unix)]
    pub async fn interrupt(&self, run: &[&str], file: &str) {
        let mut run = program(run);
        run.env("AWS_ENDPOINT_URL", &self.url).stderr(Stdio::piped());
        let mut run = run.spawn().expect("the program starts");
        self.until("something is kept", || Path::new(file).exists().then_some(()))
            .await;
        let interrupted = Command::new("kill")
            .args(["-INT", &run.id().to_string()])
            .status();
        assert!(interrupted.expect("there is a kill").success());
        assert_eq!(run.wait().expect("it ends").code(), Some(130));
    }

    /// Takes a message that can be seen in a queue.
    pub async fn take(&self, queue: &str) -> Option<embedded_sqs::Received> {
        let (sqs, name) = (self.stack.wire().sqs(), self.stack.names().of_function(queue));
        let received = sqs.receive(&name, embedded_sqs::Receive::default()).await;
        let message = received.expect("the queue is there").pop()?;
        sqs.delete(&name, &message.receipt_handle)
            .expect("it was just received");
        Some(message)
    }

    /// How many messages can be seen in a queue.
    pub fn visible(&self, queue: &str) -> usize {
        let counts = self
            .stack
            .wire()
            .sqs()
            .counts(&self.stack.names().of_function(queue));
        counts.expect("the queue is there").visible
    }

    /// Looks until something is so.
    pub async fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        for _ in 0..600 {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it never came to pass: {what}");
    }

    /// Waits until a trace says that it ended so.
    pub async fn ends(&self, id: &str, ending: &str) -> Value {
        let look = || {
            let trace = self.ops(&["trace", id, "--json"]);
            (trace.code == 0)
                .then(|| trace.json())
                .filter(|trace| trace["ending"] == ending)
        };
        self.until(&format!("{id} ends with {ending}"), look).await
    }
}

/// The program, told of nowhere.
pub fn program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ops"));
    program.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        program.env_remove(name);
    }
    program
        // As the alias `cargo ops` has it run, whoever runs the tests.
        .env("CARGO_PKG_NAME", "ops")
        // Whoever runs the tests may have profiles.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    program
}

pub fn run(mut program: Command, input: &str) -> Ran {
    program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = program.spawn().expect("the program starts");
    let mut stdin = running.stdin.take().expect("its input is a pipe");
    // It may have ended without reading it.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = running.wait_with_output().expect("it ends");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("it prints UTF-8"),
        err: String::from_utf8(output.stderr).expect("it prints UTF-8"),
    }
}

/// A cart whose payment goes as its total says.
pub fn cart(id: &str, total: &str) -> String {
    format!(
        r#"{{"cart_id":"{id}","client_id":"u-7","total_price":{total},"product_items":[{{"product_id":"p-1","quantity":2,"unit_price":9.95}}]}}"#
    )
}
