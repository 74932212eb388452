//! The crate by itself: the README's ten lines, and what the README says beside them.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::request::Parts;
use embedded_sqs::{MAX_MESSAGE_BYTES, Operation, Settings, Sqs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const README: &str = include_str!("../README.md");

#[rustfmt::skip]
async fn serve(listener: TcpListener) -> io::Result<()> {
    // What stands in the README begins here.
    let sqs = Sqs::new(Settings {
        region: "eu-central-1".to_owned(),
        account: "000000000000".to_owned(),
        base_url: "http://127.0.0.1:9324".to_owned(),
        clock: Arc::new(SystemTime::now),
    });
    let serve = async move |parts: Parts, body: Bytes| {
        let request_id = uuid::Uuid::new_v4().to_string();
        sqs.answer(&Request::from_parts(parts, body), &request_id).await.map(Body::from)
    };
    let limit = DefaultBodyLimit::max(8 * 1024 * 1024);
    axum::serve(listener, Router::new().fallback(serve).layer(limit)).await
    // It ends here.
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// What a client is answered, head and body.
async fn ask(address: SocketAddr, headers: &str, body: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: any\r\nContent-Length: {length}\r\n\
         {headers}\r\n\r\n{body}"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_ten_lines_of_the_readme_serve_a_client_of_either_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener));
    let ask = async |headers: &str, body: &str| ask(address, headers, body).await;
    let created = ask(FORM, "Action=CreateQueue&Version=2012-11-05&QueueName=jobs").await;
    assert!(created.starts_with("HTTP/1.1 200 OK\r\n"), "{created}");
    assert!(
        created.contains("<QueueUrl>http://127.0.0.1:9324/000000000000/jobs</QueueUrl>"),
        "{created}"
    );
    let listed = ask("X-Amz-Target: AmazonSQS.ListQueues", "{}").await;
    assert!(
        listed.ends_with("{\"QueueUrls\":[\"http://127.0.0.1:9324/000000000000/jobs\"]}"),
        "{listed}"
    );
    server.abort();
}

#[tokio::test]
async fn the_ten_lines_take_the_longest_message_however_it_is_written_and_say_what_is_too_long() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener));
    ask(
        address,
        "X-Amz-Target: AmazonSQS.CreateQueue",
        r#"{"QueueName": "jobs"}"#,
    )
    .await;
    let (url, digest) = (
        "http://127.0.0.1:9324/000000000000/jobs",
        "7202826a7791073fe2787f0c94603278",
    );
    let escaped = "\\u0061".repeat(MAX_MESSAGE_BYTES);
    let body = format!(r#"{{"QueueUrl": "{url}", "MessageBody": "{escaped}"}}"#);
    let sent = ask(address, "X-Amz-Target: AmazonSQS.SendMessage", &body).await;
    assert!(sent.contains(digest), "{sent}");
    let escaped = "%61".repeat(MAX_MESSAGE_BYTES);
    let sent = ask(
        address,
        FORM,
        &format!("Action=SendMessage&QueueUrl={url}&MessageBody={escaped}"),
    )
    .await;
    assert!(sent.contains(digest), "{sent}");
    let too_long = " ".repeat(8 * 1024 * 1024 + 1);
    let refused = ask(address, "X-Amz-Target: AmazonSQS.SendMessage", &too_long).await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    server.abort();
}

#[test]
fn the_lines_of_the_readme_are_those_that_are_tried() {
    let source = include_str!("http.rs");
    let lines = source
        .split("// What stands in the README begins here.\n")
        .nth(1)
        .unwrap();
    let lines = lines.split("    // It ends here.").next().unwrap();
    let lines = lines
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line));
    let lines = lines.collect::<Vec<_>>().join("\n");
    assert!(README.contains(&format!("```rust\n{lines}\n```")), "{lines}");
}

/// Each rule of the table of fidelity is shown by a test that is there.
#[test]
fn every_test_that_the_readme_names_exists() {
    let sources = [
        ("attributes", include_str!("attributes.rs")),
        ("delivery", include_str!("delivery.rs")),
        ("http", include_str!("http.rs")),
        ("keep", include_str!("keep.rs")),
        ("protocol", include_str!("protocol.rs")),
        ("query", include_str!("query.rs")),
        ("queues", include_str!("queues.rs")),
        ("redrive", include_str!("redrive.rs")),
    ];
    let mut named = 0;
    for word in README.split('`').skip(1).step_by(2) {
        let Some((file, name)) = word.split_once("::") else {
            continue;
        };
        let Some((_, source)) = sources.iter().find(|(known, _)| *known == file) else {
            continue;
        };
        assert!(source.contains(&format!("fn {name}()")), "{word} is nowhere");
        named += 1;
    }
    assert!(named >= 20, "{named} tests are named");
}

#[test]
fn the_readme_names_every_operation_and_no_other() {
    let section = README
        .split("\n## Operations\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let names = section.lines().filter_map(|line| line.split('|').nth(1));
    let told: BTreeSet<&str> = names
        .flat_map(|names| names.split('`').skip(1).step_by(2))
        .collect();
    let known: BTreeSet<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    assert_eq!(told, known);
}
