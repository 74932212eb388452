//! All of it, started by one call, and the page that tells of it.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use embedded_aws::Aws;
use embedded_aws::mapping::MappingError;
use embedded_aws::mapping::{sqs, stream};
use serde_json::{Value, json};

#[path = "../../examples/first.rs"]
mod first;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_example_runs_and_is_the_one_on_the_page() {
    first::main().unwrap();
    let example = file("examples/first.rs");
    let example = example.replace("/// Also run by a test, which is why it is public.\n", "");
    let example = example.replace("pub async fn main", "async fn main");
    let code = example.split_once("\n\n").unwrap().1;
    assert!(file("README.md").contains(&format!("```rust\n{code}```")));
}

#[test]
fn the_page_lists_each_operation_of_dynamodb_and_its_streams() {
    let page = file("README.md");
    let listed: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    for source in ["src/dynamodb.rs", "src/dynamodb/streams/api.rs"] {
        let source = file(source);
        let operations = source.lines().filter_map(|line| {
            let (name, _) = line.trim().strip_prefix('"')?.split_once("\" =>")?;
            Some(name)
        });
        let missing: Vec<_> = operations.filter(|name| !listed.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn each_test_that_the_page_names_is_one_of_these() {
    let page = file("README.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let tests: String = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let is_test = |text: &&str| text.matches('_').count() > 3 && !text.contains(' ');
    let named: Vec<_> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 20, "{named:?}");
    for test in named {
        assert!(tests.contains(&format!("fn {test}(")), "{test}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_on_a_stream_gets_each_change_and_is_repeated_when_it_fails() {
    let aws = Aws::in_memory().unwrap();
    aws.create_table("things", "id").unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = seen.clone();
    let settings = stream::Settings::of("things");
    let status = aws.map_stream(settings, move |event: Value| {
        let mut seen = seeing.lock().unwrap();
        seen.push(event["Records"][0]["dynamodb"]["Keys"]["id"]["S"].clone());
        let outcome = if seen.len() == 1 {
            Err("not yet")
        } else {
            Ok(Value::Null)
        };
        async move { outcome }
    });
    let put = json!({ "TableName": "things", "Item": { "id": { "S": "a" } } });
    aws.dynamodb().handle("PutItem", put.to_string().as_bytes());
    aws.settled().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["a", "a"]);
    assert_eq!(status.activity().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_setting_that_lambda_refuses_is_told_to_who_waits() {
    let aws = Aws::in_memory().unwrap();
    aws.create_queue("jobs").unwrap();
    let settings = sqs::Settings {
        batch_size: 0,
        ..sqs::Settings::of("jobs")
    };
    aws.map_queue(settings, |_| async { Ok::<_, String>(Value::Null) });
    let error = aws.settled().await.unwrap_err();
    assert!(
        matches!(
            error,
            MappingError::Setting {
                setting: "BatchSize",
                ..
            }
        ),
        "{error}"
    );
    assert!(
        aws.create_table("no name!", "id")
            .unwrap_err()
            .to_string()
            .contains("no name!")
    );
}

#[tokio::test]
async fn clients_of_other_processes_reach_it_at_its_endpoint() {
    let aws = Aws::listening(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    let url = aws.create_queue("jobs").unwrap();
    assert!(url.starts_with(aws.endpoint()), "{url}");
    let other = aws.sdk_config().into_builder();
    let http = aws_smithy_http_client::Builder::new().build_http();
    let sqs = aws_sdk_sqs::Client::new(&other.http_client(http).build());
    sqs.send_message()
        .queue_url(url)
        .message_body("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(aws.sqs().counts("jobs").unwrap().visible, 1);
}
