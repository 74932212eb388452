//! Invokes a function of the registry as Lambda's runtime would: JSON in, JSON out, with a context.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use aws_adapters::{Handler, MetricSink, Metrics};
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use eventsourcing::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;

/// A function in this process.
pub(crate) struct Hosted(pub(crate) Arc<dyn Handler>);

#[async_trait]
impl Invoke for Hosted {
    async fn invoke(&self, invocation: Invocation) -> Result<Value, InvokeError> {
        let deadline = invocation
            .deadline
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let mut context = Context::default();
        context.request_id = invocation.request_id;
        context.deadline = u64::try_from(deadline).unwrap_or(u64::MAX);
        context.xray_trace_id = invocation.trace_header;
        self.0
            .call(LambdaEvent::new(invocation.payload, context))
            .await
            .map_err(|error| InvokeError::Function {
                error_type: "Error".into(),
                message: error.to_string(),
            })
    }
}

/// The stack's clock, as functions take it.
pub(crate) struct StackClock(pub(crate) embedded_aws::Clock);

impl eventsourcing::Clock for StackClock {
    fn now(&self) -> Timestamp {
        self.0.now().into()
    }
}

/// What all functions have counted since the stack started.
#[derive(Clone, Debug, Default)]
pub struct CollectedMetrics(Arc<Mutex<BTreeMap<String, Metrics>>>);

impl CollectedMetrics {
    /// The sums of each function that was invoked.
    pub fn by_function(&self) -> BTreeMap<String, Metrics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sums over all functions.
    pub fn total(&self) -> Metrics {
        let mut total = Metrics::default();
        for metrics in self.by_function().values() {
            total.add(metrics);
        }
        total
    }
}

impl MetricSink for CollectedMetrics {
    fn emit(&self, function: &str, metrics: &Metrics, _: Timestamp) {
        let mut functions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        functions.entry(function.to_owned()).or_default().add(metrics);
    }
}
