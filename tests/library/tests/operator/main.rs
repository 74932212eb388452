//! `cargo ops` of the library: a loan that is out, one that was refused, one that could not be delivered. The package
//! `ops-under-test` builds the program: a test is told the path of a program only by the program's own package.

mod console;
mod installed;
mod mending;
mod preflight;
mod profiles;

use std::collections::BTreeMap;
use std::process::Command;

use embedded_aws::server;
use embedded_sqs::{MessageAttribute, Outgoing, Receive};
use local::{Stack, StackOptions};
use serde_json::{Value, json};
use testkit::program::{Ran, run};

/// A stack of the library that is served on a port.
struct Library {
    stack: Stack,
    url: String,
}

impl Library {
    async fn start(functions: bool) -> Self {
        let bound = server::listen(([127, 0, 0, 1], 0).into())
            .await
            .expect("a free port");
        let url = format!("http://{}", bound.address());
        let options = StackOptions {
            base_url: url.clone(),
            functions,
            ..StackOptions::of(library::bundle())
        };
        let stack = Stack::start(options).await.expect("a stack in memory");
        tokio::spawn(bound.serve(stack.wire().clone(), std::future::pending()));
        Self { stack, url }
    }

    /// Runs the program.
    fn ops(&self, arguments: &[&str]) -> Ran {
        run(self.told(program(arguments)))
    }

    fn told(&self, mut program: Command) -> Command {
        program
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        program
    }

    /// The one document that it prints when it has done what it was asked.
    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.ops(&[arguments, &["--json"]].concat());
        assert!(ran.status.success(), "{ran:?}");
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// Asks again until the answer is so.
    async fn until(&self, arguments: &[&str], holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let found = self.json(arguments);
            if holds(&found) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{arguments:?} never answers so: {}", self.json(arguments));
    }

    async fn lent(&self, loan: &str) -> Value {
        let loan_id = format!("loan_id={loan}");
        let sent = self.ops(&["send", "LendBook", &loan_id, "book_id=moby-dick", "member_id=ada"]);
        assert!(sent.status.success(), "{sent:?}");
        for _ in 0..600 {
            let trace = self.ops(&["trace", loan, "--json"]);
            if trace.status.success() {
                return serde_json::from_str(&trace.out).expect("JSON");
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{loan} never begins")
    }
}

/// The program, told of nowhere, and of nobody's profiles.
fn program(arguments: &[&str]) -> Command {
    let mut program = testkit::program::program(env!("CARGO_BIN_EXE_ops-under-test"), arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        program.env_remove(name);
    }
    program
        // Whether cargo runs the tests or not, the program is called by its own name.
        .env_remove("CARGO_PKG_NAME")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loan_is_traced_from_the_desk_until_it_is_due() {
    let library = Library::start(true).await;
    let trace = library.lent("l-1").await;
    assert_eq!(trace["streams"], json!(["loan-l-1"]));
    assert_eq!(trace["ending"], Value::Null);
    let shown = library.ops(&["trace", "l-1"]);
    assert!(
        shown
            .out
            .contains("the member has the book, and is reminded when it is due"),
        "{shown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_loan_is_a_dead_letter_that_says_why_and_goes_back_mended() {
    let library = Library::start(true).await;
    library.lent("l-1").await;
    let lend = r#"{"loan_id":"l-1","book_id":"dracula","member_id":"bob"}"#;
    let sent = library.ops(&["send", "LendBook", "--command", lend]);
    assert!(sent.status.success(), "{sent:?}");
    let is_there = |letters: &Value| {
        letters["queues"]
            .as_array()
            .is_some_and(|queues| !queues.is_empty())
    };
    library.until(&["dlq", "list"], is_there).await;
    let letters = library.json(&["dlq", "show", "lend-book"]);
    let why = letters["messages"][0]["error"].as_str().expect("a reason");
    assert!(why.ends_with("a new loan needs a new loan_id"), "{why}");
    let id = letters["messages"][0]["message_id"].as_str().expect("an id");
    let mended = tempfile::NamedTempFile::new().expect("a file");
    let body = format!(r#"{{"command":{}}}"#, lend.replace("l-1", "l-2"));
    std::fs::write(mended.path(), body).expect("it can be written");
    let path = mended.path().to_str().expect("a path");
    let sent = library.ops(&["dlq", "redrive", "lend-book", "--id", id, "--body-from", path]);
    assert!(sent.status.success(), "{sent:?}");
    library
        .until(&["stream", "loan-l-2"], |stream| {
            stream["events"][0]["event_type"] == "BookLent"
        })
        .await;
    let left = library.json(&["dlq", "list"]);
    assert!(!is_there(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loan_that_could_not_be_delivered_is_listed_traced_and_sent_again() {
    let library = Library::start(true).await;
    library.lent("l-1").await;
    let time = json!({ "S": "2026-11-23T08:00:00.000Z" });
    let entry = json!({
        "stream_id": { "S": "loan-l-1" },
        "revision": { "N": "1" },
        "delivery": { "S": "parked" },
        "attempts": { "N": "3" },
        "last_error": { "S": "sending to queue on-book-lent failed: it was not there" },
        "first_attempt_at": time,
        "last_attempt_at": time,
        "next_attempt_at": time,
    });
    let request = json!({ "TableName": "local-outbox", "Item": entry }).to_string();
    let dynamodb = library.stack.wire().dynamodb();
    assert_eq!(dynamodb.handle("PutItem", request.as_bytes()).status, 200);

    let listed = library.json(&["outbox", "list"]);
    assert_eq!(
        (&listed["parked"], &listed["entries"][0]["stream_id"]),
        (&1.into(), &"loan-l-1".into())
    );
    let trace = library.json(&["trace", "l-1"]);
    assert_eq!(trace["outbox"][0]["stream_id"], "loan-l-1");
    let sent = library.ops(&["outbox", "redrive"]);
    assert!(sent.status.success(), "{sent:?}");
    let listed = library.json(&["outbox", "list"]);
    assert_eq!(listed["parked"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_takes_a_senders_attributes_along_and_leaves_those_that_say_why() {
    let library = Library::start(false).await;
    let of_sender = BTreeMap::from([
        ("tenant".to_owned(), MessageAttribute::string("acme")),
        ("key".to_owned(), MessageAttribute::binary([0, 255])),
    ]);
    let mut attributes = of_sender.clone();
    for (name, value) in [
        ("error_code", "rejected"),
        ("error", "why"),
        ("function", "lend-book"),
    ] {
        attributes.insert(name.to_owned(), MessageAttribute::string(value));
    }
    let (sqs, names) = (library.stack.wire().sqs(), library.stack.names());
    let letter = Outgoing {
        body: "{}".to_owned(),
        attributes,
        ..Outgoing::default()
    };
    let sent = sqs.send(&names.of_function("lend-book-dlq"), letter);
    sent.expect("the queue takes it");

    let redriven = library.ops(&["dlq", "redrive", "lend-book"]);
    assert!(redriven.status.success(), "{redriven:?}");
    let taken = sqs
        .receive(&names.of_function("lend-book"), Receive::default())
        .await
        .expect("the queue is there");
    let back: Vec<_> = taken.iter().map(|message| &message.message_attributes).collect();
    assert_eq!(back, [&of_sender]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_no_schedule_could_send_is_listed_and_goes_to_the_queue_that_it_is_for() {
    let library = Library::start(false).await;
    let (sqs, names) = (library.stack.wire().sqs(), library.stack.names());
    let queue = names.of_function("remind-member");
    let letter = |target: String| {
        let beside = [
            ("ERROR_CODE", "AccessDenied".to_owned()),
            ("ERROR_MESSAGE", "the role may not send there".to_owned()),
            (
                "SCHEDULE_ARN",
                "arn:aws:scheduler:us-east-1:000000000000:schedule/local-deadlines/x".to_owned(),
            ),
            ("TARGET_ARN", target),
        ];
        let beside = beside.map(|(name, text)| (name.to_owned(), MessageAttribute::string(text)));
        Outgoing {
            body: r#"{"id":"r-1","command":{"loan_id":"l-1","due_at":"2026-11-23T08:00:00Z"}}"#.to_owned(),
            attributes: beside.into(),
            ..Outgoing::default()
        }
    };
    let dead_letters = names.of_function("deadlines-dlq");
    for target in [sqs.queue_arn(&queue), sqs.queue_arn("another-stacks")] {
        sqs.send(&dead_letters, letter(target))
            .expect("the queue takes it");
    }
    let listed = library.json(&["dlq", "list"]);
    assert!(
        listed.to_string().contains("the role may not send there"),
        "{listed}"
    );

    let redriven = library.ops(&["dlq", "redrive", "deadlines"]);
    assert!(
        !redriven.status.success(),
        "one of both has no queue here: {redriven:?}"
    );
    assert!(
        redriven.out.contains("TARGET_ARN names no queue of deadlines"),
        "{redriven:?}"
    );
    let taken = sqs
        .receive(&queue, Receive::default())
        .await
        .expect("the queue is there");
    let [message] = &taken[..] else {
        panic!("one message is right: {taken:?}");
    };
    assert!(message.body.contains("r-1") && message.message_attributes.is_empty());
    let left = sqs.counts(&dead_letters).expect("the queue is there");
    assert_eq!(left.visible + left.in_flight, 1);
}
