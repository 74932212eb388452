//! The folder of `--data`: one process at a time, and never a word of SQL about what is wrong with it.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use crate::support::{Ran, Up, program, run, until};

fn up(folder: &Path, stack: &str) -> std::process::Command {
    let mut up = program(&["up", "--port", "0", "--stack", stack, "--data"]);
    up.arg(folder);
    up
}

/// A start that is refused in one line.
fn refused(folder: &Path, stack: &str) -> String {
    let Ran { status, out, err } = run(up(folder, stack));
    assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    for word in ["SQL", "feature", "encryption", "code "] {
        assert!(!err.contains(word), "{err}");
    }
    err
}

#[test]
fn a_second_process_on_a_folder_is_refused_and_told_who_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = Up::start(up(folder.path(), "local"));
    for stack in ["local", "another"] {
        let said = refused(folder.path(), stack);
        let holder = format!(
            "is in use by process {}, stack local at http://{}: ",
            first.child.id(),
            first.address
        );
        assert!(said.contains(&holder), "{said}");
    }
    // The first is none the worse for it, and the system takes the lock off whoever is killed.
    assert!(
        first
            .call("DynamoDB_20120810.ListTables", "{}")
            .contains("local-events")
    );
    first.child.kill().expect("it runs");
    first.ended();
    let mut next = Up::start(up(folder.path(), "local"));
    next.signal("-TERM");
    assert_eq!(next.ended().code(), Some(0));
}

#[test]
fn stacks_whose_names_differ_only_in_case_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Up::start(up(folder.path(), "Shop")));
    let said = refused(folder.path(), "shop");
    assert!(
        said.contains("holds the tables of stack Shop") && said.contains("--stack Shop"),
        "{said}"
    );
    drop(Up::start(up(folder.path(), "Shop")));
    // Others do, one after the other.
    drop(Up::start(up(folder.path(), "store")));
}

#[test]
fn what_is_no_database_of_ours_is_named_in_one_line_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tables.sqlite");
    for (content, problem) in [
        ("", "is empty"),
        ("a shopping list, and a long one", "is not a database"),
        ("SQLite format 3\0", "damaged"),
    ] {
        fs::write(&file, content).expect("it can be written");
        let said = refused(folder.path(), "local");
        assert!(
            said.contains(&format!("{} ", file.display())) && said.contains(problem),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&file).expect("it is there"), content);
    }
    let said = refused(&file, "local");
    assert!(said.contains("it is a file"), "{said}");
}

#[test]
fn a_folder_without_a_name_is_refused() {
    let mut unnamed = program(&["up", "--port", "0", "--data", ""]);
    let refused = unnamed
        .stderr(Stdio::piped())
        .output()
        .expect("the program starts");
    assert!(!refused.status.success());
}

/// Ends it, and answers all that it has said on standard error.
fn last_words(mut up: Up) -> String {
    up.signal("-TERM");
    assert_eq!(up.ended().code(), Some(0));
    let mut said = String::new();
    let mut stderr = up.child.stderr.take().expect("a pipe");
    stderr.read_to_string(&mut said).expect("text");
    said
}

fn send(up: &Up, queue: &str, body: &str) {
    let request = serde_json::json!({
        "QueueUrl": format!("http://{}/000000000000/{queue}", up.address),
        "MessageBody": body,
    });
    let answer = up.call("AmazonSQS.SendMessage", &request.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A stack on the folder, whose last words are heard.
fn heard(folder: &Path, more: &[&str]) -> Up {
    let mut up = up(folder, "local");
    up.args(more).stderr(Stdio::piped());
    Up::start(up)
}

/// Has a stack on the folder lend a book, and ends it.
fn lend_a_book(folder: &Path) {
    let up = heard(folder, &["--no-simulators"]);
    let loan = r#"{"command":{"loan_id":"l-1","book_id":"moby-dick","member_id":"ada"}}"#;
    send(&up, "local-lend-book", loan);
    until("the book is lent", || {
        let table = up.call("DynamoDB_20120810.Scan", r#"{"TableName":"local-events"}"#);
        table.contains("BookLent").then_some(())
    });
    last_words(up);
}

#[test]
fn what_is_kept_and_what_is_thrown_away_is_told_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |more: &[&str]| heard(folder.path(), more);
    lend_a_book(folder.path());

    let second = start(&["--no-functions"]);
    send(&second, "local-remind-member", "{}");
    send(&second, "local-lend-book-dlq", "a");
    send(&second, "local-lend-book-dlq", "b");
    let said = last_words(second);
    assert!(
        said.contains("kept for the next start with this folder: "),
        "{said}"
    );

    let third = start(&["--no-functions", "--no-sync"]);
    let letters = third.call(
        "AmazonSQS.GetQueueAttributes",
        &format!(
            r#"{{"QueueUrl":"{}","AttributeNames":["All"]}}"#,
            "/000000000000/local-lend-book-dlq"
        ),
    );
    assert!(
        letters.contains(r#""ApproximateNumberOfMessages":"2""#),
        "{letters}"
    );
    let said = last_words(third);
    for part in [
        "goes on with what was on queues at the last end: ",
        "1 in local-remind-member",
        ", 2 dead letters (2 in local-lend-book-dlq)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for gone in [" again, so that", "thrown away", "not lost"] {
        assert!(!said.contains(gone), "{said}");
    }
}

#[test]
fn a_folder_of_a_version_that_kept_tables_alone_is_taken_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |more: &[&str]| heard(folder.path(), more);
    lend_a_book(folder.path());
    // It had no such table, and schedules in a file of their own.
    let database = rusqlite::Connection::open(folder.path().join("tables.sqlite")).expect("the database");
    database.execute_batch("DROP TABLE _kept").expect("it is there");
    drop(database);
    let schedules = folder.path().join("schedules.jsonl");
    fs::write(&schedules, "{\"Group\":\"local-deadlines\"}\n").expect("it can be written");

    let said = last_words(start(&["--no-functions"]));
    assert!(
        said.contains("of a version that kept tables alone: published ") && said.contains(" again, so that"),
        "{said}"
    );
    assert!(!schedules.exists(), "all of it is in the store now");
    let said = last_words(start(&["--no-functions"]));
    assert!(!said.contains(" again, so that"), "once is enough: {said}");
}

#[test]
fn where_nothing_waits_nothing_is_said_to_be_thrown_away() {
    let mut up = program(&["up", "--port", "0"]);
    up.stderr(Stdio::piped());
    let said = last_words(Up::start(up));
    assert!(!said.contains("thrown away"), "{said}");
}
