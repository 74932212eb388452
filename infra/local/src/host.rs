//! Invokes a function of the registry as Lambda's runtime would: JSON in, JSON out, with a context.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
    instance: Mutex<(u64, Arc<dyn Handler>)>,
    generation: Arc<AtomicU64>,
}

impl Hosted {
    /// A function that has been started, and that `start` starts again: after an invocation that was cut
    /// short, and when `generation` has gone up, which says that what functions remember is of no use.
    pub(crate) fn new(
        started: Arc<dyn Handler>,
        start: impl Fn() -> Option<Arc<dyn Handler>> + Send + Sync + 'static,
        generation: Arc<AtomicU64>,
    ) -> Self {
        Self {
            instance: Mutex::new((generation.load(Ordering::Relaxed), started)),
            start: Box::new(start),
            generation,
        }
    }

    fn instance(&self) -> MutexGuard<'_, (u64, Arc<dyn Handler>)> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what it keeps.
    fn start_anew(&self) {
        if let Some(started) = (self.start)() {
            self.instance().1 = started;
        }
    }

    /// The instance for the next invocation.
    fn current(&self) -> Arc<dyn Handler> {
        let generation = self.generation.load(Ordering::Relaxed);
        let mut instance = self.instance();
        if instance.0 != generation
            && let Some(started) = (self.start)()
        {
            *instance = (generation, started);
        }
        instance.1.clone()
    }
}

/// Starts the function anew unless the invocation comes to its end.
struct Running<'a> {
    hosted: &'a Hosted,
    ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.hosted.start_anew();
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
        let instance = self.current();
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
        let answer = self.by.invoke(&self.function, &self.code, invocation).await;
        if matches!(answer, Err(InvokeError::Crashed(_))) {
            self.code.start_anew();
        }
        answer
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use lambda_runtime::Error;
    use serde_json::json;

    use super::*;

    /// Counts its invocations in memory, and answers or ends as its event says.
    #[derive(Default)]
    struct Counting(AtomicU64);

    #[async_trait]
    impl Handler for Counting {
        async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
            let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            match event.payload.as_str() {
                Some("crash") => std::panic::resume_unwind(Box::new("killed")),
                Some("hang") => std::future::pending().await,
                Some("fail") => Err("it can't be".into()),
                _ => Ok(json!(count)),
            }
        }
    }

    async fn invoke(hosted: &Arc<Hosted>, event: &str) -> Option<Value> {
        let invocation = Invocation {
            payload: json!(event),
            request_id: "r-1".into(),
            deadline: SystemTime::now(),
            trace_header: None,
        };
        let hosted = hosted.clone();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { hosted.invoke(invocation).await });
        let ended = tokio::time::timeout(Duration::from_secs(30), task.join_next()).await;
        ended.ok()??.ok()?.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_function_keeps_is_lost_when_an_invocation_is_cut_short_and_not_when_it_fails() {
        let generation = Arc::new(AtomicU64::new(0));
        let start = || Some(Arc::new(Counting::default()) as Arc<dyn Handler>);
        let hosted = Arc::new(Hosted::new(
            Arc::new(Counting::default()),
            start,
            generation.clone(),
        ));
        assert_eq!(invoke(&hosted, "count").await, Some(json!(1)));
        assert_eq!(invoke(&hosted, "fail").await, None);
        assert_eq!(invoke(&hosted, "count").await, Some(json!(3)));
        for end in ["crash", "hang"] {
            assert_eq!(invoke(&hosted, end).await, None);
            assert_eq!(invoke(&hosted, "count").await, Some(json!(1)), "after a {end}");
        }
        generation.fetch_add(1, Ordering::Relaxed);
        assert_eq!(invoke(&hosted, "count").await, Some(json!(1)));
        assert_eq!(invoke(&hosted, "count").await, Some(json!(2)));
    }
}
