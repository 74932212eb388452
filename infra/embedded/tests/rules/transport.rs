//! Faults between the SDK and the services: what the caller sees, and what happened all the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use embedded_aws::transport::{Call, Failure, Fault, Faults, Transport, UncheckedSignature};
use embedded_aws::wire::Service;
use tokio::time::Instant;

use crate::sdk;
use crate::support::{Stack, seconds};

const TABLE: &str = "events";

/// The faults for the calls to come, first call first; none for those after.
struct Script {
    faults: Mutex<Vec<Fault>>,
    seen: Mutex<Vec<String>>,
}

#[async_trait]
impl Faults for Script {
    async fn before(&self, call: &Call) -> Fault {
        let resource = call.resource().unwrap_or("-");
        let seen = format!("{} {} {} {resource}", call.number, call.caller, call.operation);
        self.seen.lock().unwrap().push(seen);
        let mut faults = self.faults.lock().unwrap();
        if faults.is_empty() {
            Fault::None
        } else {
            faults.remove(0)
        }
    }
}

struct Scene {
    stack: Stack,
    script: Arc<Script>,
    transport: Transport,
    client: Client,
}

/// A client that does not repeat by itself.
fn scene(faults: Vec<Fault>) -> Scene {
    scene_with(faults, RetryConfig::disabled())
}

fn scene_with(faults: Vec<Fault>, retries: RetryConfig) -> Scene {
    let stack = Stack::new();
    stack.create_table(TABLE);
    let script = Arc::new(Script {
        faults: Mutex::new(faults),
        seen: Mutex::default(),
    });
    let transport = Transport::with_faults(stack.wire(), script.clone());
    let config = sdk::dynamodb(transport.client_for("placing"), stack.clock.clone())
        .retry_config(retries)
        .build();
    Scene {
        stack,
        script,
        transport,
        client: Client::from_conf(config),
    }
}

impl Scene {
    async fn put(&self, revision: u64) -> Result<(), Box<aws_sdk_dynamodb::Error>> {
        let put = self.client.put_item().table_name(TABLE);
        let put = put.item("id", AttributeValue::S("item".to_owned()));
        let put = put.item("revision", AttributeValue::N(revision.to_string()));
        put.send().await.map(drop).map_err(|e| Box::new(e.into()))
    }

    /// The revisions that a query finds.
    async fn revisions(&self, consistent: bool, forward: bool) -> Vec<String> {
        let query = self
            .client
            .query()
            .table_name(TABLE)
            .key_condition_expression("id = :s");
        let query = query.expression_attribute_values(":s", AttributeValue::S("item".to_owned()));
        let found = query
            .consistent_read(consistent)
            .scan_index_forward(forward)
            .send()
            .await
            .unwrap();
        assert_eq!(usize::try_from(found.count()).unwrap(), found.items().len());
        found
            .items()
            .iter()
            .map(|item| item["revision"].as_n().unwrap().clone())
            .collect()
    }

    fn written(&self) -> u64 {
        self.stack.dynamodb.totals().operation("PutItem").requests
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_does_not_happen() {
    let scene = scene(vec![Fault::FailBefore(Failure::internal(Service::DynamoDb))]);
    let error = scene.put(1).await.unwrap_err();
    assert!(
        matches!(*error, aws_sdk_dynamodb::Error::InternalServerError(_)),
        "{error:?}"
    );
    assert_eq!(scene.written(), 0);
}

/// Looks at the signature of a request of the key "local".
#[derive(Debug)]
struct SaysWhose;

impl Intercept for SaysWhose {
    fn name(&self) -> &'static str {
        "SaysWhose"
    }

    fn read_after_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signed = context
            .request()
            .headers()
            .get("authorization")
            .unwrap_or_default();
        assert!(
            signed.starts_with("AWS4-HMAC-SHA256 Credential=local,"),
            "{signed}"
        );
        assert!(!signed.contains("secret"), "{signed}");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_signed_for_this_process_alone_says_whose_key_it_is() {
    let stack = Stack::new();
    stack.create_table(TABLE);
    let transport = Transport::new(stack.wire());
    let with = |config: aws_sdk_dynamodb::config::Builder| {
        let client = Client::from_conf(config.push_auth_scheme(UncheckedSignature).build());
        async move {
            let get = client.get_item().table_name(TABLE);
            let get = get.key("id", AttributeValue::S("item".to_owned()));
            let get = get.key("revision", AttributeValue::N("1".to_owned()));
            get.customize().interceptor(SaysWhose).send().await
        }
    };
    let config = sdk::dynamodb(transport.client_for("placing"), stack.clock.clone());
    let keys = Credentials::new("local", "secret", None, None, "tests");
    with(config.credentials_provider(keys)).await.unwrap();
    assert_eq!(stack.dynamodb.totals().operation("GetItem").requests, 1);

    let nobodys = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
        .http_client(transport.client_for("nobody"));
    with(nobodys).await.unwrap_err();
    assert_eq!(transport.calls().all(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_repeats_what_was_throttled() {
    let throttled = Fault::FailBefore(Failure::throttled(Service::DynamoDb));
    let scene = scene_with(vec![throttled.clone(), throttled], RetryConfig::standard());
    scene.put(1).await.unwrap();
    assert_eq!(scene.transport.calls().of("PutItem"), 3);
    assert_eq!(scene.written(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_does_not_happen() {
    let scene = scene(vec![Fault::DropRequest]);
    scene.put(1).await.unwrap_err();
    assert_eq!(scene.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_reply_is_dropped_has_happened() {
    let scene = scene(vec![Fault::DropReply]);
    scene.put(1).await.unwrap_err();
    assert_eq!(scene.written(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_repeats_a_call_whose_connection_was_lost() {
    let scene = scene_with(vec![Fault::DropReply], RetryConfig::standard());
    scene.put(1).await.unwrap();
    assert_eq!(scene.written(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_doubled_call_happens_twice_and_its_second_answer_arrives() {
    let scene = scene(vec![Fault::Twice]);
    let put = scene.client.put_item().table_name(TABLE);
    let put = put.item("id", AttributeValue::S("item".to_owned()));
    let put = put.item("revision", AttributeValue::N("1".to_owned()));
    let error = put
        .condition_expression("attribute_not_exists(id)")
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_conditional_check_failed_exception()
    );
    assert_eq!(scene.written(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_call_happens_later() {
    let scene = scene(vec![Fault::Delay(seconds(4))]);
    let began = Instant::now();
    scene.put(1).await.unwrap();
    assert_eq!(began.elapsed(), seconds(4));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_lasts_until_the_callers_own_timeout() {
    let scene = scene(vec![Fault::Never]);
    let hour = Duration::from_hours(1);
    assert!(tokio::time::timeout(hour, scene.put(1)).await.is_err());
    assert_eq!(scene.written(), 0);
}

/// The caller's task ends at its call; whether the call has happened by then.
async fn killed_at(fault: Fault) -> bool {
    let scene = Arc::new(scene(vec![fault]));
    let caller = scene.clone();
    let task = tokio::spawn(async move {
        caller.put(1).await.unwrap();
        caller.put(2).await.unwrap();
    });
    assert!(task.await.unwrap_err().is_panic(), "it was killed");
    assert_eq!(scene.script.seen.lock().unwrap().len(), 1, "it does nothing more");
    scene.written() == 1
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_crashes_before_its_call_has_not_made_it() {
    assert!(!killed_at(Fault::CrashBefore).await);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_crashes_after_its_call_has_made_it() {
    assert!(killed_at(Fault::CrashAfter).await);
}

#[tokio::test(start_paused = true)]
async fn a_stale_query_lacks_the_newest_items_and_a_consistent_one_does_not() {
    let mut faults = vec![Fault::None; 3];
    faults.resize(6, Fault::StaleRead(2));
    let scene = scene(faults);
    for revision in 1..=3 {
        scene.put(revision).await.unwrap();
    }
    assert_eq!(scene.revisions(false, true).await, ["1"]);
    assert_eq!(scene.revisions(false, false).await, ["1"]);
    assert_eq!(scene.revisions(true, true).await, ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_get_finds_nothing() {
    let scene = scene(vec![Fault::None, Fault::StaleRead(1)]);
    scene.put(1).await.unwrap();
    let get = || {
        let get = scene.client.get_item().table_name(TABLE);
        let get = get.key("id", AttributeValue::S("item".to_owned()));
        get.key("revision", AttributeValue::N("1".to_owned())).send()
    };
    assert_eq!(get().await.unwrap().item, None);
    assert!(get().await.unwrap().item.is_some());
}

#[tokio::test(start_paused = true)]
async fn faults_and_counts_know_who_called_what_and_where() {
    let scene = scene(Vec::new());
    scene.put(1).await.unwrap();
    let sqs = sdk::sqs(scene.transport.client_for("relaying"), scene.stack.clock.clone()).build();
    let sqs = aws_sdk_sqs::Client::from_conf(sqs);
    let queue = sqs.create_queue().queue_name("jobs").send().await.unwrap();
    sqs.send_message()
        .queue_url(queue.queue_url().unwrap())
        .message_body("1")
        .send()
        .await
        .unwrap();

    assert_eq!(
        *scene.script.seen.lock().unwrap(),
        [
            "0 placing PutItem events",
            "1 relaying CreateQueue jobs",
            "2 relaying SendMessage jobs",
        ]
    );
    let calls = scene.transport.calls();
    assert_eq!(
        (calls.all(), calls.by("relaying"), calls.of("PutItem")),
        (3, 2, 1)
    );
}
