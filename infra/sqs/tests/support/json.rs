//! The AWS JSON protocol, as tests speak it.

use embedded_sqs::{Answer, Sqs};
use serde_json::{Value, json};

/// The URL of the queue that most tests use.
pub const JOBS: &str = "http://127.0.0.1:4566/123456789012/jobs";

pub async fn call(sqs: &Sqs, operation: &str, request: Value) -> Answer {
    sqs.handle(operation, request.to_string().as_bytes()).await
}

pub async fn ok(sqs: &Sqs, operation: &str, request: Value) -> Value {
    let answer = call(sqs, operation, request).await;
    let body = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 200, "{operation}: {body}");
    assert_eq!(
        (answer.content_type, answer.error_type),
        ("application/x-amz-json-1.0", None)
    );
    body
}

pub async fn delete_queue(sqs: &Sqs, queue: &str) {
    ok(sqs, "DeleteQueue", json!({ "QueueUrl": sqs.queue_url(queue) })).await;
}

/// Up to ten tasks that move the messages of `jobs-dlq`, the latest first.
pub async fn move_tasks(sqs: &Sqs) -> Vec<Value> {
    let request = json!({ "SourceArn": sqs.queue_arn("jobs-dlq"), "MaxResults": 10 });
    let listed = ok(sqs, "ListMessageMoveTasks", request).await;
    listed["Results"].as_array().cloned().unwrap_or_default()
}

/// The refusal's type without its namespace, after a look at its form.
pub async fn refused(sqs: &Sqs, operation: &str, request: Value) -> String {
    let answer = call(sqs, operation, request).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!((400..500).contains(&answer.status), "{operation}: {body}");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(
        answer
            .error_type
            .is_some_and(|header| header.ends_with(";Sender"))
    );
    body["__type"]
        .as_str()
        .unwrap()
        .split_once('#')
        .unwrap()
        .1
        .to_owned()
}

pub async fn receipt_handle(sqs: &Sqs) -> String {
    let answer = ok(sqs, "ReceiveMessage", json!({ "QueueUrl": JOBS })).await;
    answer["Messages"][0]["ReceiptHandle"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The request, on `jobs`.
pub fn on_jobs(mut request: Value) -> Value {
    request["QueueUrl"] = JOBS.into();
    request
}
