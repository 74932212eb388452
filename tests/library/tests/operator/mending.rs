//! A whole group of letters is mended by one patch, or none of it.

use std::collections::BTreeMap;

use embedded_sqs::{MessageAttribute, Outgoing, Receive};
use serde_json::json;

use crate::Library;

/// A field of the sender's own, which no rule reads and which has digits to lose.
const NOTE: &str = r#""note":12345678901234567890.10"#;

/// A letter that was refused with this code, for this reason.
fn letter(library: &Library, body: &str, code: &str, error: &str) {
    let attributes = [("error_code", code), ("error", error), ("function", "lend-book")];
    let attributes = attributes.map(|(name, text)| (name.to_owned(), MessageAttribute::string(text)));
    let letter = Outgoing {
        body: body.to_owned(),
        attributes: BTreeMap::from(attributes),
        ..Outgoing::default()
    };
    let (sqs, names) = (library.stack.wire().sqs(), library.stack.names());
    sqs.send(&names.of_function("lend-book-dlq"), letter)
        .expect("the queue takes it");
}

fn lend(loan: &str, member: &str) -> String {
    format!(
        r#"{{"id":"m-{loan}","command":{{"loan_id":"{loan}","book_id":"b-1","member_id":{member}}},{NOTE}}}"#
    )
}

fn visible(library: &Library, queue: &str) -> usize {
    let (sqs, names) = (library.stack.wire().sqs(), library.stack.names());
    sqs.counts(&names.of_function(queue))
        .expect("the queue is there")
        .visible
}

struct Patch(tempfile::NamedTempFile);

impl Patch {
    fn of(patch: &str) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), patch).expect("it can be written");
        Self(file)
    }

    fn redrive<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let path = self.0.path().to_str().expect("a path");
        [&["dlq", "redrive", "lend-book", "--patch", path], more].concat()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_letters_of_a_code_are_mended_by_one_patch_and_keep_every_other_digit() {
    let library = Library::start(false).await;
    for loan in 0..12 {
        letter(
            &library,
            &lend(&format!("l-{loan}"), "7"),
            "malformed",
            "a number",
        );
    }
    letter(&library, &lend("l-99", "\"ada\""), "rejected", "there already");
    let patch = Patch::of(r#"{"command":{"member_id":"bob","book_id":"b-2"}}"#);
    let sent = library.ops(&patch.redrive(&["--code", "malformed"]));
    assert!(sent.status.success(), "{sent:?}");
    assert_eq!(
        sent.out,
        "12 messages of local-lend-book-dlq sent back to local-lend-book\n"
    );
    assert_eq!(
        (visible(&library, "lend-book-dlq"), visible(&library, "lend-book")),
        (1, 12)
    );
    let (sqs, names) = (library.stack.wire().sqs(), library.stack.names());
    let all = Receive {
        max: 10,
        ..Receive::default()
    };
    let taken = sqs.receive(&names.of_function("lend-book"), all).await;
    for message in taken.expect("the queue is there") {
        let body = &message.body;
        assert!(
            body.starts_with(r#"{"id":"m-l-"#),
            "it is the same command: {body}"
        );
        let mended = r#""book_id":"b-2","member_id":"bob"}"#;
        assert!(body.contains(mended) && body.contains(NOTE), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn if_one_of_them_would_still_be_refused_none_is_sent_and_each_is_told() {
    let library = Library::start(false).await;
    letter(&library, &lend("l-1", "7"), "malformed", "a number");
    letter(&library, &lend("l l", "7"), "malformed", "a blank");
    letter(
        &library,
        r#"{"id":"m","command":{"loan_id":"l-3"}}"#,
        "malformed",
        "no book",
    );
    let patch = Patch::of(r#"{"command":{"member_id":"bob"}}"#);
    let refused = library.ops(&patch.redrive(&[]));
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    for part in [
        "2 of 3 messages would still be refused, so nothing was done",
        "line 1: field `command.loan_id` holds",
        "line 1: field `command.book_id` is missing",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert_eq!(
        (visible(&library, "lend-book-dlq"), visible(&library, "lend-book")),
        (3, 0)
    );

    let sent = library.ops(&patch.redrive(&["--no-check"]));
    assert!(sent.status.success(), "{sent:?}");
    assert_eq!(
        (visible(&library, "lend-book-dlq"), visible(&library, "lend-book")),
        (0, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_patched_and_what_is_no_patch_is_told_and_nothing_is_sent() {
    let library = Library::start(false).await;
    letter(&library, &lend("l-1", "7"), "malformed", "a number");
    letter(&library, "{\"command\":", "malformed", "cut off");
    let patch = Patch::of(r#"{"command":{"member_id":"bob"}}"#);
    for more in [&[][..], &["--no-check"]] {
        let refused = library.ops(&patch.redrive(more));
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(
            refused.err.contains("1 of 2 messages") && refused.err.contains("can't be patched: not JSON"),
            "{}",
            refused.err
        );
    }
    for (text, why) in [
        ("[]", "is no patch: no JSON object"),
        ("", "is no patch: not JSON"),
        (
            r#"{"command":{"member_idd":"bob","member_id":"bob"}}"#,
            "did you mean `member_id`?",
        ),
    ] {
        let patch = Patch::of(text);
        let refused = library.ops(&patch.redrive(&[]));
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(refused.err.contains(why), "{why}: {}", refused.err);
    }
    let both = patch.redrive(&["--id", "x", "--body-from", "-"]);
    assert_eq!(library.ops(&both).status.code(), Some(2));
    assert_eq!(
        (visible(&library, "lend-book-dlq"), visible(&library, "lend-book")),
        (2, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_a_queue_is_listed_with_how_old_its_letters_are() {
    let library = Library::start(false).await;
    for error in ["no book", "no book", "no loan", "no member"] {
        letter(&library, "{}", "malformed", error);
    }
    let listed = library.ops(&["dlq", "list"]);
    for error in ["no book", "no loan", "no member", "OLDEST", "NEWEST"] {
        let lines = listed.out.lines().filter(|line| line.contains(error));
        assert_eq!(lines.count(), 1, "{error}: {}", listed.out);
    }
    let listed = library.json(&["dlq", "list"]);
    let group = &listed["queues"][0]["groups"][0];
    assert_eq!(
        (&group["count"], &group["error"], &group["other_errors"]),
        (&json!(4), &json!("no book"), &json!(2))
    );
    let errors = group["errors"].as_array().expect("a list");
    let told: Vec<_> = errors
        .iter()
        .map(|error| (error["error"].clone(), error["count"].clone()))
        .collect();
    let of = |error: &str, count: u32| (json!(error), json!(count));
    assert_eq!(told, [of("no book", 2), of("no loan", 1), of("no member", 1)]);
    for of in [&listed["queues"][0], group, &errors[0]] {
        let (oldest, newest) = (of["oldest_sent_at"].as_str(), of["newest_sent_at"].as_str());
        assert!(oldest.is_some() && oldest <= newest, "{of}");
    }
}
