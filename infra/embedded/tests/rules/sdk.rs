//! The AWS SDK's own clients against the services, through the transport and through the listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use embedded_aws::server::{Bound, ServerError, listen};
use embedded_aws::{Clock, Transport};
use tokio::sync::oneshot;

use crate::support::{REGION, Stack};

fn credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "tests")
}

pub fn dynamodb(http: SharedHttpClient, clock: Clock) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(credentials())
        .endpoint_url("http://localhost:4566")
        .sleep_impl(TokioSleep::new())
        .time_source(clock)
        .http_client(http)
}

pub fn sqs(http: SharedHttpClient, clock: Clock) -> aws_sdk_sqs::config::Builder {
    aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(credentials())
        .endpoint_url("http://localhost:4566")
        .sleep_impl(TokioSleep::new())
        .time_source(clock)
        .http_client(http)
}

/// A table, an item there and back, a condition that fails.
async fn use_dynamodb(client: &aws_sdk_dynamodb::Client) {
    let key = KeySchemaElement::builder()
        .attribute_name("id")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let id = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S);
    client
        .create_table()
        .table_name("jobs")
        .key_schema(key)
        .attribute_definitions(id.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let put = || {
        let put = client
            .put_item()
            .table_name("jobs")
            .item("id", AttributeValue::S("1".to_owned()));
        put.condition_expression("attribute_not_exists(id)").send()
    };
    put().await.unwrap();
    let error = put().await.unwrap_err();
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_conditional_check_failed_exception()
    );
    let get = client
        .get_item()
        .table_name("jobs")
        .key("id", AttributeValue::S("1".to_owned()));
    assert!(get.send().await.unwrap().item.is_some());
}

/// A queue, a message there and back; the client checks the digests. A queue that is missing.
async fn use_sqs(client: &aws_sdk_sqs::Client) {
    let queue = client.create_queue().queue_name("jobs").send().await.unwrap();
    let url = queue.queue_url().unwrap();
    client
        .send_message()
        .queue_url(url)
        .message_body("hello")
        .send()
        .await
        .unwrap();
    let received = client
        .receive_message()
        .queue_url(url)
        .wait_time_seconds(20)
        .send()
        .await
        .unwrap();
    let message = &received.messages()[0];
    assert_eq!(message.body(), Some("hello"));
    let handle = message.receipt_handle().unwrap();
    client
        .delete_message()
        .queue_url(url)
        .receipt_handle(handle)
        .send()
        .await
        .unwrap();
    let missing = client
        .send_message()
        .queue_url(format!("{url}-missing"))
        .message_body("hello");
    let error = missing.send().await.unwrap_err();
    assert!(
        error.as_service_error().unwrap().is_queue_does_not_exist(),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_sdk_works_through_the_transport() {
    let stack = Stack::new();
    let transport = Transport::new(stack.wire());
    use_dynamodb(&aws_sdk_dynamodb::Client::from_conf(
        dynamodb(transport.client_for("a"), stack.clock.clone()).build(),
    ))
    .await;
    use_sqs(&aws_sdk_sqs::Client::from_conf(
        sqs(transport.client_for("b"), stack.clock.clone()).build(),
    ))
    .await;
    let calls = transport.calls();
    assert_eq!((calls.by("a"), calls.by("b")), (4, 5));
}

async fn listener() -> Bound {
    listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

#[tokio::test]
async fn the_sdk_works_through_the_listener() {
    let bound = listener().await;
    let endpoint = format!("http://{}", bound.address());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve(Stack::new().wire(), async { drop(stopped.await) }));
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = dynamodb(http.clone(), Clock::real())
        .endpoint_url(&endpoint)
        .build();
    use_dynamodb(&aws_sdk_dynamodb::Client::from_conf(config)).await;
    let config = sqs(http.clone(), Clock::real()).endpoint_url(&endpoint).build();
    use_sqs(&aws_sdk_sqs::Client::from_conf(config)).await;
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_long_poll_does_not_hold_up_the_end_of_the_listener() {
    let stack = Stack::new();
    stack.create_queue("jobs", Duration::from_secs(30));
    let url = stack.sqs.queue_url("jobs");
    let bound = listener().await;
    let endpoint = format!("http://{}", bound.address());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve(stack.wire(), async { drop(stopped.await) }));
    let config = sqs(aws_smithy_http_client::Builder::new().build_http(), Clock::real())
        .endpoint_url(&endpoint)
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let poll = client
        .receive_message()
        .queue_url(url)
        .wait_time_seconds(20)
        .send();
    let poll = tokio::spawn(poll);
    while stack.sqs.totals().receives == 0 && stack.sqs.totals().all_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    poll.abort();
}

#[tokio::test]
async fn an_address_in_use_is_one_clear_error() {
    let bound = listener().await;
    let error = listen(bound.address()).await.unwrap_err();
    assert!(matches!(error, ServerError::InUse { .. }));
    let expected = format!("{} is in use by another process", bound.address());
    assert!(error.to_string().starts_with(&expected), "{error}");
}
