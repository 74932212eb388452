//! Invokes a function of the registry as Lambda's runtime would: JSON in, JSON out, with a context.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use aws_adapters::{Handler, MetricSink, Metrics};
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use eventsourcing::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;

type Start = Box<dyn Fn() -> Option<Arc<dyn Handler>> + Send + Sync>;

/// A function in this process. What it keeps between invocations is lost when one of them is cut short,
/// by a panic or its timeout, as with the process that Lambda would end.
pub(crate) struct Hosted {
    start: Start,
    instance: Mutex<Arc<dyn Handler>>,
}

impl Hosted {
    /// A function that has been started, and that `start` starts again.
    pub(crate) fn new(
        started: Arc<dyn Handler>,
        start: impl Fn() -> Option<Arc<dyn Handler>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            instance: Mutex::new(started),
            start: Box::new(start),
        }
    }

    fn instance(&self) -> MutexGuard<'_, Arc<dyn Handler>> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the function anew unless the invocation comes to its end.
struct Running<'a> {
    hosted: &'a Hosted,
    ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended
            && let Some(started) = (self.hosted.start)()
        {
            *self.hosted.instance() = started;
        }
    }
}

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
        let instance = self.instance().clone();
        let mut running = Running {
            hosted: self,
            ended: false,
        };
        let answer = instance.call(LambdaEvent::new(invocation.payload, context)).await;
        running.ended = true;
        answer.map_err(|error| InvokeError::Function {
            error_type: "Error".into(),
            message: error.to_string(),
        })
    }
}

/// Stands between the mappings and the functions, and may have invocations go wrong: not happen, happen
/// twice, or happen in vain.
#[async_trait]
pub trait Intercept: Send + Sync {
    /// Invokes `code`, the function called `function` (without the stack's name), or does not.
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<Value, InvokeError>;
}

/// A function whose invocations somebody intercepts.
pub(crate) struct Intercepted {
    pub(crate) function: String,
    pub(crate) code: Hosted,
    pub(crate) by: Arc<dyn Intercept>,
}

#[async_trait]
impl Invoke for Intercepted {
    async fn invoke(&self, invocation: Invocation) -> Result<Value, InvokeError> {
        self.by.invoke(&self.function, &self.code, invocation).await
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
