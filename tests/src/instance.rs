//! One function by itself, invoked with events as Lambda makes them, whatever stands in them.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_adapters::{Handler, MetricSink, Metrics};
use bundle::{Parts, Settings};
use eventsourcing::{Clock, SettingValues, Timestamp};
use lambda_runtime::{Context, Error, LambdaEvent};
use serde_json::{Value, json};

use crate::running::{Running, START};

/// The function of that name, on the tables and queues of a bundle.
pub fn instance(bundle: &Running, name: &str) -> Arc<dyn Handler> {
    let function = bundle.stack.registry().function(name);
    let function = function.expect("it is a function of the bundle");
    function.start(&Parts {
        settings: Settings {
            names: bundle.stack.names().clone(),
            queue_url_prefix: bundle.queue_url_prefix(),
            scheduling: bundle.stack.scheduling(function),
            views: true,
            event_bus: None,
            values: SettingValues::default(),
        },
        connection: bundle.stack.connection(name),
        clock: Arc::new(BundleClock(bundle.stack.clock())),
        metrics: Arc::new(NoMetrics),
    })
}

/// Invokes it once.
pub async fn invoke(function: &dyn Handler, event: Value) -> Result<Value, Error> {
    function.call(LambdaEvent::new(event, Context::default())).await
}

/// A record of an event of SQS's mapping, received for the first time so long before the bundle's start.
pub fn queue_record(message_id: &str, body: &str, tried: Duration) -> Value {
    let first = START.saturating_sub(tried).as_millis().to_string();
    json!({
        "messageId": message_id,
        "receiptHandle": format!("receipt of {message_id}"),
        "body": body,
        "attributes": { "ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": first },
        "eventSource": "aws:sqs",
    })
}

/// The identifiers of the records that an answer has come again.
pub fn again(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array();
    let ids = failures.into_iter().flatten();
    ids.filter_map(|failure| failure["itemIdentifier"].as_str())
        .collect()
}

struct BundleClock(embedded_aws::Clock);

impl Clock for BundleClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(self.0.now().max(UNIX_EPOCH + START))
    }
}

struct NoMetrics;

impl MetricSink for NoMetrics {
    fn emit(&self, _: &str, _: &Metrics, _: Timestamp) {}
}
