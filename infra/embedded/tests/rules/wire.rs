//! The protocol: headers, errors, and what is said to requests for nobody here.

use bytes::Bytes;
use embedded_aws::Wire;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::support::{Stack, signed, table};

async fn ask(wire: &Wire, target: &str, request: &Value) -> Response<Bytes> {
    wire.handle(signed(target, request.to_string())).await
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_target_decides_on_service_and_operation() {
    let wire = Stack::new().wire();
    let created = ask(&wire, "DynamoDB_20120810.CreateTable", &table("events")).await;
    assert_eq!(created.status(), 200, "{}", body(&created));
    let streams = ask(&wire, "DynamoDBStreams_20120810.ListStreams", &json!({})).await;
    assert_eq!(body(&streams)["Streams"][0]["TableName"], "events");
    let queue = ask(&wire, "AmazonSQS.CreateQueue", &json!({ "QueueName": "jobs" })).await;
    assert!(body(&queue)["QueueUrl"].as_str().unwrap().ends_with("/jobs"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_carries_the_headers_that_aws_sends() {
    let wire = Stack::new().wire();
    let first = ask(&wire, "DynamoDB_20120810.ListTables", &json!({})).await;
    let second = ask(&wire, "DynamoDB_20120810.ListTables", &json!({})).await;
    assert_eq!(header(&first, "content-type"), Some("application/x-amz-json-1.0"));
    let checksum = crc32fast::hash(first.body()).to_string();
    assert_eq!(header(&first, "x-amz-crc32"), Some(checksum.as_str()));
    assert_ne!(
        header(&first, "x-amzn-requestid"),
        header(&second, "x-amzn-requestid")
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_sqs_carries_its_older_name_in_a_header() {
    let wire = Stack::new().wire();
    let url = json!({ "QueueUrl": "http://localhost:4566/123456789012/missing" });
    let error = ask(&wire, "AmazonSQS.ReceiveMessage", &url).await;
    assert_eq!(error.status(), 400);
    assert_eq!(
        header(&error, "x-amzn-query-error"),
        Some("AWS.SimpleQueueService.NonExistentQueue;Sender")
    );
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_request_is_refused() {
    let request = Request::post("/").header("x-amz-target", "DynamoDB_20120810.ListTables");
    let refused = Stack::new()
        .wire()
        .handle(request.body(Bytes::from("{}")).unwrap())
        .await;
    assert_eq!(refused.status(), 400);
    assert!(
        body(&refused)["__type"]
            .as_str()
            .unwrap()
            .ends_with("#MissingAuthenticationTokenException")
    );
}

fn form(body: &'static str) -> Request<Bytes> {
    let request = Request::post("/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=any");
    request.body(Bytes::from(body)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_query_protocol_reaches_sqs_and_its_answers_are_known_by_the_id_in_their_header() {
    let wire = Stack::new().wire();
    let answer = wire.handle(form("Action=ListQueues&Version=2012-11-05")).await;
    assert_eq!(answer.status(), 200);
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(text.contains("<ListQueuesResponse "), "{text}");
    let id = answer.headers()["x-amzn-requestid"].to_str().unwrap();
    assert!(text.contains(&format!("<RequestId>{id}</RequestId>")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_query_protocol_of_another_service_is_refused_in_words_that_its_clients_read() {
    let asked = form("Action=GetCallerIdentity&Version=2011-06-15");
    let refused = Stack::new().wire().handle(asked).await;
    assert_eq!(refused.status(), 400);
    let text = String::from_utf8_lossy(refused.body());
    assert!(
        text.starts_with("<ErrorResponse>") && text.contains("Version=2012-11-05"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_service_is_told_which_ones_there_are() {
    let refused = ask(&Stack::new().wire(), "AWSEvents.PutEvents", &json!({})).await;
    assert_eq!(refused.status(), 501);
    let message = body(&refused)["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("AWSEvents.PutEvents") && message.contains("AmazonSQS.*"),
        "{message}"
    );
}

async fn bare(method: &str, path: &str) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(path).body(Bytes::new());
    Stack::new().wire().handle(request.unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_get_tells_that_the_stack_is_running_and_a_head_the_same_without_a_body() {
    let got = bare("GET", "/").await;
    assert_eq!(
        (got.status().as_u16(), &body(&got)["status"]),
        (200, &json!("running"))
    );
    let length = got.body().len().to_string();
    let headed = bare("HEAD", "/").await;
    assert_eq!((headed.status().as_u16(), headed.body().len()), (200, 0));
    assert_eq!(header(&headed, "content-type"), Some("application/json"));
    assert_eq!(header(&headed, "content-length"), Some(length.as_str()));
}

#[tokio::test(start_paused = true)]
async fn another_method_or_place_is_no_operation() {
    for (method, path) in [
        ("PUT", "/"),
        ("DELETE", "/"),
        ("PATCH", "/"),
        ("OPTIONS", "/"),
        ("GET", "/nowhere"),
        ("HEAD", "/nowhere"),
    ] {
        let refused = bare(method, path).await;
        assert_eq!(refused.status(), 404, "{method} {path}");
        assert_eq!(header(&refused, "content-type"), Some("text/xml"));
        assert!(refused.body().starts_with(b"<UnknownOperationException/>"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_the_scheduler_that_is_not_here_is_named() {
    for (method, path, operation) in [
        ("PUT", "/schedules/one", "UpdateSchedule"),
        ("GET", "/schedule-groups", "ListScheduleGroups"),
        ("DELETE", "/schedule-groups/mine", "DeleteScheduleGroup"),
    ] {
        let refused = bare(method, path).await;
        assert_eq!(refused.status(), 404, "{method} {path}");
        assert!(
            body(&refused)["__type"]
                .to_string()
                .contains("UnknownOperationException")
        );
        let message = body(&refused)["message"].to_string();
        assert!(message.contains(operation), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_dated_by_the_clock_that_the_wire_was_given() {
    let stack = Stack::new();
    let request = || {
        Request::get("/")
            .body(Bytes::new())
            .expect("a request that is right")
    };
    let without = stack.wire().handle(request()).await;
    assert!(!without.headers().contains_key("date"));
    let dated = stack.wire().with_clock(stack.clock.clone());
    tokio::time::advance(std::time::Duration::from_millis(61_250)).await;
    let answer = dated.handle(request()).await;
    assert_eq!(answer.headers()["date"], "Thu, 01 Jan 2026 00:01:01 GMT");
}
