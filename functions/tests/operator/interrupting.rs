//! Whoever interrupts a command is told how far it came, and it is true.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::front::{Front, Gate};
use crate::outbox::entry;
use crate::showing::item;
use crate::support::{Ran, Up, cart, program};

const DLQ: &str = "finalize-cart-dlq";
const SEND: &str = "AmazonSQS.SendMessageBatch";
const DELETE: &str = "AmazonSQS.DeleteMessageBatch";

async fn with_letters(count: usize) -> Up {
    let up = Up::without_functions().await;
    for number in 0..count {
        up.put(DLQ, &format!("{{\"id\":\"m-{number}\"}}"));
    }
    up
}

/// A command that waits at a gate.
struct Held {
    child: Child,
    gate: Arc<Gate>,
    err: BufReader<std::process::ChildStderr>,
}

impl Held {
    async fn at(up: &Up, gate: Arc<Gate>, arguments: &[&str]) -> Self {
        let front = Front::gated(&up.url, None, gate.clone());
        let mut command = program(arguments);
        command.env("AWS_ENDPOINT_URL", &front.url).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        up.until("a request is kept back", || gate.holds().then_some(()))
            .await;
        let err = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, gate, err }
    }

    fn interrupt(&self) {
        let told = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(told.expect("there is a kill").success());
    }

    /// Reads until it says that it has heard of the interruption.
    fn heard(&mut self) {
        let mut line = String::new();
        while !line.starts_with("interrupted: what is under way is finished first") {
            line.clear();
            assert!(
                self.err.read_line(&mut line).expect("text") > 0,
                "it ended unheard"
            );
        }
    }

    fn ended(mut self) -> Ran {
        let mut err = String::new();
        self.err.read_to_string(&mut err).expect("text");
        let output = self.child.wait_with_output().expect("it ends");
        self.gate.open();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("text"),
            err,
        }
    }

    fn interrupted_twice(mut self) -> Ran {
        self.interrupt();
        self.heard();
        self.interrupt();
        self.ended()
    }

    fn interrupted_once(mut self) -> Ran {
        self.interrupt();
        self.heard();
        self.gate.open();
        self.ended()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_redrive_tells_how_many_were_sent_back_and_how_many_were_not_come_to() {
    let up = with_letters(40).await;
    let redrive = ["dlq", "redrive", "finalize-cart"];
    let told = Held::at(&up, Gate::after(1, SEND), &redrive)
        .await
        .interrupted_once();
    assert_eq!(told.code, 130, "{told:?}");
    assert_eq!(
        told.out,
        "20 of 40 messages of local-finalize-cart-dlq sent back to local-finalize-cart before the interruption\n"
    );
    assert!(
        told.err.ends_with(
            "error: interrupted: 20 of 40 messages were sent back; 20 were not come to and stay in \
             local-finalize-cart-dlq\n"
        ),
        "{}",
        told.err
    );
    assert_eq!((up.visible(DLQ), up.visible("finalize-cart")), (20, 20));

    let redrive = [&redrive[..], &["--json"]].concat();
    let told = Held::at(&up, Gate::after(0, SEND), &redrive)
        .await
        .interrupted_once();
    assert_eq!(told.code, 130, "{told:?}");
    let document = told.json();
    let counts = ["of", "done", "interrupted"].map(|name| document[name].clone());
    assert_eq!(counts, [json!(20), json!(10), json!(true)]);
    assert_eq!(document["messages"].as_array().map(Vec::len), Some(10));
    assert_eq!((up.visible(DLQ), up.visible("finalize-cart")), (10, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_drop_tells_how_many_are_gone() {
    let up = with_letters(11).await;
    let drop = ["dlq", "drop", "finalize-cart", "--yes", "--json"];
    let told = Held::at(&up, Gate::after(0, DELETE), &drop)
        .await
        .interrupted_once();
    assert_eq!(told.code, 130, "{told:?}");
    let document = told.json();
    let counts = ["of", "done", "interrupted", "to"].map(|name| document[name].clone());
    assert_eq!(counts, [json!(11), json!(10), json!(true), Value::Null]);
    assert!(
        told.err
            .contains("10 of 11 messages were dropped; 1 was not come to and stays in "),
        "{}",
        told.err
    );
    assert_eq!(up.visible(DLQ), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_interrupts_twice_does_not_wait_and_is_told_what_is_not_known() {
    let up = with_letters(11).await;
    let redrive = ["dlq", "redrive", "finalize-cart", "--json"];
    let told = Held::at(&up, Gate::after(0, SEND), &redrive)
        .await
        .interrupted_twice();
    assert_eq!(told.code, 130, "{told:?}");
    let document = told.json();
    assert_eq!((&document["done"], &document["of"]), (&json!(0), &json!(11)));
    assert!(
        told.err.contains(
            "1 was not come to and stays in local-finalize-cart-dlq; of 10 messages it is not known"
        ) && !told.err.contains("could not be sent"),
        "{}",
        told.err
    );
    let failed = document["messages"][9]["failed"].as_str().unwrap_or_default();
    assert!(
        failed.starts_with("it is not known whether it was sent back"),
        "{document}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_before_anything_was_done_says_so() {
    let up = with_letters(11).await;
    let receive = Gate::after(1, "AmazonSQS.ReceiveMessage");
    let held = Held::at(&up, receive, &["dlq", "drop", "finalize-cart", "--yes"]).await;
    held.interrupt();
    held.gate.open();
    let told = held.ended();
    assert_eq!((told.code, told.out.as_str()), (130, ""), "{told:?}");
    assert!(
        told.err.ends_with("error: interrupted: nothing was changed\n"),
        "{}",
        told.err
    );
    assert_eq!(up.visible(DLQ), 11);
}

/// How many batches of commands are under way at once.
const BATCHES: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_send_finishes_the_batches_that_are_under_way_and_tells_how_many_commands_were_sent() {
    let up = Up::without_functions().await;
    let (_folder, file) = carts_in_a_file(205);
    let send = ["send", "FinalizeCart", "--json", "--file", &file];
    let held = Held::at(&up, Gate::after(0, SEND), &send).await;
    up.until("as many batches as may be are under way", || {
        (held.gate.came() == BATCHES).then_some(())
    })
    .await;
    let gate = held.gate.clone();
    let told = held.interrupted_once();
    assert_eq!(told.code, 130, "{told:?}");
    let document = told.json();
    assert_eq!(
        (&document["of"], &document["interrupted"]),
        (&json!(205), &json!(true))
    );
    assert_eq!(document["sent"].as_array().map(Vec::len), Some(160));
    assert!(
        told.err
            .contains("160 of 205 commands sent, 0 not sent or not known to be, 45 not come to"),
        "{}",
        told.err
    );
    assert_eq!((up.visible("finalize-cart"), gate.came()), (160, BATCHES));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_interrupts_a_send_twice_is_told_which_commands_may_have_been_sent() {
    let up = Up::without_functions().await;
    let (_folder, file) = carts_in_a_file(205);
    let send = ["send", "FinalizeCart", "--json", "--file", &file];
    let told = Held::at(&up, Gate::after(0, SEND), &send)
        .await
        .interrupted_twice();
    assert_eq!(told.code, 130, "{told:?}");
    let document = told.json();
    let rows = document["sent"].as_array().expect("a list");
    assert_eq!(rows.len(), 160, "those of the batches under way");
    let is_unknown = |row: &Value| {
        row["error"]
            .as_str()
            .is_some_and(|why| why.starts_with("it is not known"))
    };
    assert!(rows.iter().all(is_unknown), "{document}");
    assert!(
        told.err
            .contains("0 of 205 commands sent, 160 not sent or not known to be, 45 not come to"),
        "{}",
        told.err
    );
}

/// A file of so many carts, and its folder, which is gone with the test.
fn carts_in_a_file(number: usize) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("carts.jsonl");
    let carts: Vec<_> = (0..number)
        .map(|number| cart(&format!("c-{number}"), "19.90"))
        .collect();
    std::fs::write(&file, carts.join("\n")).expect("it can be written");
    let name = file.to_str().expect("UTF-8").to_owned();
    (folder, name)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_republish_tells_what_it_sent() {
    let up = Up::without_functions().await;
    for number in 0..3 {
        up.put_item(
            "local-events",
            &item(&format!("cart-{number}"), "CartFinalized", "{}"),
        );
    }
    let republish = ["republish", "--from", "2026-11-23T00:00:00Z", "--json"];
    let held = Held::at(&up, Gate::after(0, SEND), &republish).await;
    held.interrupt();
    let told = held.ended();
    assert_eq!(told.code, 130, "{told:?}");
    assert_eq!(told.json()["interrupted"], true);
    assert!(told.err.contains("with --resume FILE"), "{}", told.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_drop_from_the_outbox_tells_how_many_entries_are_gone() {
    let up = Up::without_functions().await;
    for number in 0..3 {
        up.put_item("local-outbox", &entry(&format!("cart-{number}"), "parked"));
    }
    let drop = ["outbox", "drop", "--yes", "--json"];
    let gate = Gate::after(1, "DynamoDB_20120810.DeleteItem");
    let told = Held::at(&up, gate, &drop).await.interrupted_once();
    assert_eq!(told.code, 130, "{told:?}");
    let document = told.json();
    let counts = ["of", "done", "interrupted"].map(|name| document[name].clone());
    assert_eq!(counts, [json!(3), json!(2), json!(true)]);
    assert!(
        told.err
            .contains("2 of 3 entries done; 1 not done, or not known to be"),
        "{}",
        told.err
    );
    assert_eq!(up.ops(&["outbox", "list", "--json"]).done().json()["parked"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_while_the_stack_is_looked_for_ends_the_search() {
    let up = Up::without_functions().await;
    let search = Gate::after(0, "AmazonSQS.GetQueueUrl");
    let held = Held::at(&up, search, &["dlq", "list"]).await;
    held.interrupt();
    // The gate stays closed: the answer is not waited for.
    let told = held.ended();
    assert!(
        told.out.is_empty() && !told.err.contains("does not answer"),
        "{told:?}"
    );
}
