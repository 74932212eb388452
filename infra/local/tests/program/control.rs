//! What a program can ask of a stack on this machine, asked as any program does: plain HTTP with JSON.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Up, program, until};

fn up(more: &[&str]) -> Up {
    Up::start(program(&[&["up", "--port", "0"], more].concat()))
}

/// Status, headers and content of an answer.
struct Told {
    status: u16,
    head: String,
    content: Value,
}

impl Told {
    fn of(answer: &str) -> Self {
        let (head, content) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no answer: {answer:?}")),
            head: head.to_owned(),
            content: serde_json::from_str(content).unwrap_or_else(|error| panic!("{error}: {answer}")),
        }
    }

    fn error(&self) -> &str {
        self.content["error"].as_str().expect("an error")
    }
}

fn request(up: &Up, method: &str, path: &str, headers: &str, body: &str) -> Told {
    let (host, length) = (&up.address, body.len());
    let host = if headers.contains("Host: ") {
        String::new()
    } else {
        format!("Host: {host}\r\n")
    };
    Told::of(&up.ask(&format!(
        "{method} /_local/{path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )))
}

fn get(up: &Up, path: &str) -> Told {
    request(up, "GET", path, "", "")
}

fn post(up: &Up, path: &str, content: &Value) -> Told {
    request(
        up,
        "POST",
        path,
        "Content-Type: application/json\r\n",
        &content.to_string(),
    )
}

/// What is left when nothing is on its way any more.
fn settle(up: &Up) -> Value {
    let told = get(up, "settle");
    assert_eq!(
        (told.status, &told.content["settled"]),
        (200, &json!(true)),
        "{}",
        told.content
    );
    told.content
}

fn send(up: &Up, queue: &str, body: &str) {
    let request = json!({
        "QueueUrl": format!("http://{}/000000000000/local-{queue}", up.address),
        "MessageBody": body,
    });
    let answer = up.call("AmazonSQS.SendMessage", &request.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn lend(up: &Up, loan: &str) {
    let command = json!({ "loan_id": loan, "book_id": "moby-dick", "member_id": "ada" });
    send(up, "lend-book", &json!({ "command": command }).to_string());
}

/// The row of a loan: null if there is none.
fn row(up: &Up, loan: &str) -> Value {
    let answer = up.call(
        "DynamoDB_20120810.GetItem",
        &json!({ "TableName": "local-loans", "Key": { "loan_id": { "S": loan } } }).to_string(),
    );
    Told::of(&answer).content["Item"].clone()
}

fn now(told: &Value) -> String {
    told["now"].as_str().expect("a time").to_owned()
}

#[test]
fn a_test_sends_settles_moves_the_clock_and_looks_without_waiting_for_any_time() {
    let up = up(&[]);
    let ready = get(&up, "ready");
    assert_eq!(ready.status, 200, "{}", ready.content);
    assert_eq!(
        (
            &ready.content["ready"],
            &ready.content["stack"],
            &ready.content["version"]
        ),
        (&json!(true), &json!("local"), &json!(env!("CARGO_PKG_VERSION")))
    );
    let loan_seconds = ready.content["settings"]["LOAN_SECONDS"]
        .as_u64()
        .expect("a number");

    lend(&up, "l-1");
    let left = settle(&up);
    let shown = row(&up, "l-1");
    assert_eq!(
        shown["phase"]["S"], "lent",
        "the row is there as soon as all is settled: {shown}"
    );
    assert_eq!(left["waiting"].as_array().expect("a list").len(), 1, "{left}");
    let waiting = &left["waiting"][0];
    assert_eq!(waiting["queue"], "local-remind-member");
    assert_eq!(waiting["next_due"], left["next_due"]);
    assert_eq!(get(&up, "clock").content["next_due"], left["next_due"]);

    let moved = post(&up, "clock", &json!({ "forward_seconds": loan_seconds + 1 }));
    assert_eq!(moved.status, 200, "{}", moved.content);
    assert_eq!(moved.content["ahead_seconds"], loan_seconds + 1);
    let left = settle(&up);
    assert_eq!(row(&up, "l-1")["phase"]["S"], "reminded", "{left}");
    assert_eq!(left["next_due"], Value::Null);
}

#[test]
fn the_clock_is_moved_past_a_time_and_never_back() {
    let up = up(&[]);
    lend(&up, "l-1");
    let due = settle(&up)["next_due"].clone();
    let moved = post(&up, "clock", &json!({ "to": due }));
    assert_eq!(moved.status, 200, "{}", moved.content);
    assert!(now(&moved.content).as_str() > due.as_str().expect("a time"));
    assert_eq!(settle(&up)["waiting"], json!([]));
    assert_eq!(row(&up, "l-1")["phase"]["S"], "reminded");

    // Who is told what is due may ask for it a moment after it was.
    let ahead = moved.content["ahead_seconds"].clone();
    for over in [due, json!("2000-01-01T00:00:00Z")] {
        let back = post(&up, "clock", &json!({ "to": over }));
        assert_eq!(
            (back.status, &back.content["ahead_seconds"]),
            (200, &ahead),
            "{}",
            back.content
        );
        assert!(now(&back.content) >= now(&moved.content));
    }
    let nothing = post(&up, "clock", &json!({ "to": "next" }));
    assert_eq!(nothing.status, 409);
    assert!(
        nothing.error().contains("nothing waits for its time"),
        "{}",
        nothing.error()
    );
    for far in [
        json!({ "to": "9999-12-31T23:59:59.999Z" }),
        json!({ "forward_seconds": 316_224_000 }),
    ] {
        let told = post(&up, "clock", &far);
        assert!(
            told.status == 200 || told.error().contains("year 9999"),
            "{}",
            told.content
        );
    }
}

#[test]
fn settling_waits_for_all_that_follows_from_a_hundred_messages() {
    let up = up(&[]);
    for number in 0..100 {
        lend(&up, &format!("l-{number}"));
    }
    let left = settle(&up);
    for number in 0..100 {
        assert_eq!(
            row(&up, &format!("l-{number}"))["phase"]["S"],
            "lent",
            "l-{number}"
        );
    }
    let waiting = left["waiting"].as_array().expect("a list").iter();
    let messages =
        waiting.map(|one| one["delayed"].as_u64().unwrap_or(0) + one["scheduled"].as_u64().unwrap_or(0));
    assert_eq!(messages.sum::<u64>(), 100, "{left}");
}

#[test]
fn what_is_dead_and_what_waits_for_somebody_else_is_told_and_not_waited_for() {
    let up = up(&["--no-simulators"]);
    send(&up, "lend-book", "no message");
    lend(&up, "l-1");
    let left = settle(&up);
    assert_eq!(
        (&left["dead_letters"], &left["not_taken"]),
        (&json!({ "local-lend-book-dlq": 1 }), &json!({}))
    );
    post(&up, "clock", &json!({ "to": "next" }));
    let left = settle(&up);
    // After the two weeks of a loan, a queue keeps no letter any more, here as on AWS.
    assert_eq!(
        (&left["dead_letters"], &left["not_taken"]),
        (&json!({}), &json!({ "local-mail": 1 }))
    );
    assert_eq!(left["outbox"], 0);
}

#[test]
fn a_function_that_fails_is_killed_or_works_twice_leaves_one_effect() {
    let up = up(&[]);
    for mishap in ["fails", "killed", "twice"] {
        let set = post(
            &up,
            "mishaps",
            &json!({ "function": "lend-book", "mishap": mishap }),
        );
        assert_eq!(set.status, 200, "{}", set.content);
        assert_eq!(
            set.content["set"],
            json!([{ "function": "lend-book", "mishap": mishap }])
        );
        lend(&up, mishap);
        let left = settle(&up);
        let retried = left["waiting"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|one| one["queue"] == "local-lend-book");
        assert_eq!(
            retried.is_some_and(|one| one["retried"] == 1),
            mishap != "twice",
            "{left}"
        );
        if mishap != "twice" {
            post(&up, "clock", &json!({ "forward_seconds": 180 }));
            settle(&up);
        }
        let happened = get(&up, "mishaps").content;
        assert_eq!(
            (&happened["set"], &happened["happened"][0]["mishap"]),
            (&json!([]), &json!(mishap))
        );
        assert_eq!(row(&up, mishap)["revision"]["N"], "1", "{mishap}");
    }
}

#[test]
fn a_function_that_is_at_work_for_too_long_is_named() {
    // Nothing is on its way for longer than it takes, unless somebody holds it: here, an entry that is due in the outbox.
    let up = up(&[]);
    let item = json!({
        "stream_id": { "S": "loan-l-1" },
        "revision": { "N": "1" },
        "delivery": { "S": "pending" },
        "next_attempt_at": { "S": "2000-01-01T00:00:00.000Z" },
    });
    let put = json!({ "TableName": "local-outbox", "Item": item });
    up.call("DynamoDB_20120810.PutItem", &put.to_string());
    let told = get(&up, "settle?within_seconds=0");
    assert_eq!(told.status, 504, "{}", told.content);
    assert_eq!(
        (&told.content["settled"], &told.content["on_its_way"]["outbox"]),
        (&json!(false), &json!(1))
    );
    assert!(
        told.error().contains("still on its way after 0 s"),
        "{}",
        told.error()
    );
}

#[test]
fn everything_is_thrown_away_at_once_and_what_comes_next_works() {
    let up = up(&[]);
    lend(&up, "l-1");
    send(&up, "lend-book", "no message");
    settle(&up);
    let again = post(&up, "start-over", &json!({}));
    assert_eq!(again.status, 200, "{}", again.content);
    let left = settle(&up);
    assert_eq!(
        (&left["waiting"], &left["dead_letters"]),
        (&json!([]), &json!({}))
    );
    assert_eq!(row(&up, "l-1"), Value::Null);
    lend(&up, "l-1");
    settle(&up);
    assert_eq!(row(&up, "l-1")["phase"]["S"], "lent");
}

#[test]
fn a_stack_whose_tables_are_kept_is_not_emptied() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = up(&["--data", folder.path().to_str().expect("text")]);
    lend(&up, "l-1");
    settle(&up);
    let refused = post(&up, "start-over", &json!({}));
    assert_eq!(refused.status, 409);
    assert!(refused.error().contains("to be kept"), "{}", refused.error());
    assert_eq!(row(&up, "l-1")["phase"]["S"], "lent");
}

#[test]
fn without_functions_nobody_can_say_that_all_is_settled() {
    let up = up(&["--no-functions"]);
    assert_eq!(get(&up, "ready").content["functions"], false);
    let refused = get(&up, "settle");
    assert_eq!(refused.status, 409);
    assert!(
        refused.error().contains("no functions run here"),
        "{}",
        refused.error()
    );
}

#[test]
fn what_is_asked_for_wrongly_is_refused_with_what_would_be_right_and_nothing_is_done() {
    let up = up(&[]);
    let before = get(&up, "clock").content["ahead_seconds"].clone();
    for (path, body, expected) in [
        ("clock", "", "expected one of forward_seconds and to"),
        ("clock", "{}", "expected one of forward_seconds and to"),
        (
            "clock",
            r#"{"forward_seconds":1,"to":"next"}"#,
            "expected one of forward_seconds and to",
        ),
        ("clock", r#"{"forward_seconds":0}"#, "a whole number from 1 to"),
        ("clock", r#"{"forward_seconds":-900}"#, "a whole number from 1 to"),
        ("clock", r#"{"forward_seconds":0.5}"#, "a whole number from 1 to"),
        (
            "clock",
            r#"{"forward_seconds":1e300}"#,
            "a whole number from 1 to",
        ),
        (
            "clock",
            r#"{"forward_seconds":316224001}"#,
            "a whole number from 1 to",
        ),
        ("clock", r#"{"forward_seconds":"900"}"#, "expected a JSON number"),
        (
            "clock",
            r#"{"forward_seconds":1,"forward_seconds":2}"#,
            "duplicate field",
        ),
        (
            "clock",
            r#"{"seconds":900}"#,
            "expected `forward_seconds` or `to`",
        ),
        (
            "clock",
            r#"{"to":"tomorrow"}"#,
            r#"expected a time such as "2026-11-23T08:00:00Z", or "next""#,
        ),
        ("clock", r#"{"to":900}"#, "expected a string"),
        ("clock", "[900, null]", "no JSON object"),
        ("clock", "forward", "no JSON object"),
        ("clock", "{forward}", "not as expected"),
        ("clock?by=900", r#"{"forward_seconds":1}"#, "takes no parameters"),
        (
            "mishaps",
            r#"{"function":"eat-book","mishap":"fails"}"#,
            "expected one of relay-events",
        ),
        (
            "mishaps",
            r#"{"function":"lend-book","mishap":"explodes"}"#,
            r#""fails", it fails before"#,
        ),
        ("mishaps", r#"{"function":"lend-book"}"#, "missing field `mishap`"),
        ("start-over", r#"{"sure":true}"#, "unknown field `sure`"),
    ] {
        let refused = request(&up, "POST", path, "Content-Type: application/json\r\n", body);
        assert_eq!(refused.status, 400, "{path} {body}: {}", refused.content);
        assert!(
            refused.error().contains(expected),
            "{path} {body}: {}",
            refused.error()
        );
    }
    assert_eq!(get(&up, "clock").content["ahead_seconds"], before);
    assert_eq!(get(&up, "mishaps").content["set"], json!([]));
}

#[test]
fn a_wait_that_is_none_is_refused_with_what_would_be_one() {
    let up = up(&[]);
    for query in [
        "within_seconds=",
        "within_seconds=soon",
        "within_seconds=601",
        "within_seconds=-1",
        "seconds=3",
        "within_seconds=1&x=2",
    ] {
        let refused = get(&up, &format!("settle?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert!(
            refused.error().contains("a whole number from 0 to 600"),
            "{}",
            refused.error()
        );
    }
}

#[test]
fn what_is_asked_for_in_a_wrong_way_is_refused_with_the_right_one_and_nothing_is_done() {
    let up = up(&[]);
    for content_type in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
    ] {
        let refused = request(&up, "POST", "clock", content_type, r#"{"forward_seconds":900}"#);
        assert_eq!(refused.status, 415, "{content_type}");
        assert!(
            refused.error().contains("expected application/json"),
            "{}",
            refused.error()
        );
    }
    for (method, path, allowed) in [
        ("POST", "ready", "GET"),
        ("POST", "settle", "GET"),
        ("PUT", "clock", "GET, POST"),
        ("DELETE", "mishaps", "GET, POST"),
        ("GET", "start-over", "POST"),
        ("OPTIONS", "clock", "GET, POST"),
    ] {
        let refused = request(&up, method, path, "Content-Type: application/json\r\n", "{}");
        assert_eq!(refused.status, 405, "{method} {path}");
        assert!(
            refused.head.contains(&format!("allow: {allowed}\r\n")),
            "{}",
            refused.head
        );
        assert!(
            refused.error().contains(&format!("takes {allowed}")),
            "{}",
            refused.error()
        );
    }
    for path in ["clok", "clock/now", "clock/"] {
        let refused = get(&up, path);
        assert_eq!(refused.status, 404, "{path}");
        assert!(
            refused.error().contains("/_local/clock (GET, POST)"),
            "{}",
            refused.error()
        );
    }
    let large = format!("{{\"to\":\"{}\"}}", "x".repeat(70_000));
    let refused = request(&up, "POST", "clock", "Content-Type: application/json\r\n", &large);
    assert_eq!(refused.status, 413);
    assert!(
        refused.error().contains("larger than 65536 bytes"),
        "{}",
        refused.error()
    );
    assert_eq!(get(&up, "clock").content["ahead_seconds"], 0);
    assert_eq!(get(&up, "mishaps").content["set"], json!([]));
}

#[test]
fn a_number_is_taken_as_languages_write_it_and_a_type_with_its_character_set() {
    let up = up(&[]);
    let json_in_utf8 = "Content-Type: application/json; charset=utf-8\r\n";
    let moved = request(&up, "POST", "clock", json_in_utf8, r#"{"forward_seconds":900.0}"#);
    assert_eq!(
        (moved.status, &moved.content["ahead_seconds"]),
        (200, &json!(900)),
        "{}",
        moved.content
    );
}

#[test]
fn a_page_in_a_browser_gets_nothing_whatever_site_it_is_from() {
    let up = up(&[]);
    for headers in [
        "Host: evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
    ] {
        let headers = format!("{headers}Content-Type: application/json\r\n");
        for (method, path) in [
            ("GET", "clock"),
            ("GET", "settle"),
            ("POST", "clock"),
            ("POST", "start-over"),
            ("OPTIONS", "clock"),
        ] {
            let refused = request(&up, method, path, &headers, r#"{"forward_seconds":900}"#);
            assert_eq!(
                refused.status, 403,
                "{headers} {method} {path}: {}",
                refused.content
            );
            assert!(
                !refused.head.to_lowercase().contains("access-control"),
                "{}",
                refused.head
            );
        }
    }
    assert_eq!(get(&up, "clock").content["ahead_seconds"], 0);
    // What a person types into a browser, and what a program that is careful to say it sends.
    for headers in [
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Mode: cors\r\n",
    ] {
        assert_eq!(request(&up, "GET", "clock", headers, "").status, 200, "{headers}");
    }
}

#[test]
fn with_another_address_containers_may_ask_and_a_site_of_the_internet_still_may_not() {
    let up = up(&["--bind", "127.0.0.1"]);
    for host in [
        "172.17.0.1:4566",
        "[fd00::1]:4566",
        "host.docker.internal:4566",
        "bundle:4566",
        "localhost",
    ] {
        assert_eq!(
            request(&up, "GET", "clock", &format!("Host: {host}\r\n"), "").status,
            200,
            "{host}"
        );
    }
    for host in ["evil.example:4566", "internal.evil.example", ""] {
        assert_eq!(
            request(&up, "GET", "clock", &format!("Host: {host}\r\n"), "").status,
            403,
            "{host}"
        );
    }
}

#[test]
fn it_ends_when_whoever_started_it_is_gone() {
    let mut command = program(&["up", "--port", "0", "--until-stdin-closes"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut ready = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut ready).expect("a line");
    assert!(ready.starts_with("ready "), "{ready}");
    // What is said there ends nothing.
    let mut stdin = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, b"hello\n").expect("it reads");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().expect("a status"), None);
    drop(stdin);
    let began = Instant::now();
    let ended = until("it ends", || child.try_wait().expect("a status"));
    assert!(ended.success(), "{ended} after {:?}", began.elapsed());
}
