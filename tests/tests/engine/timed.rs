//! How long each invocation takes, and which are cut short.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use local::Intercept;
use serde_json::Value;
use tokio::time::Instant;

/// Takes the time of each invocation.
#[derive(Default)]
pub(crate) struct Timed(Mutex<BTreeMap<String, Times>>);

#[derive(Clone, Copy, Default)]
struct Times {
    longest: Duration,
    begun: u32,
    ended: u32,
}

impl Timed {
    /// How long the longest invocation took that came to its end.
    pub(crate) fn longest(&self, function: &str) -> Duration {
        self.of(function).longest
    }

    /// How many did not come to their end.
    pub(crate) fn cut_short(&self, function: &str) -> u32 {
        let times = self.of(function);
        times.begun - times.ended
    }

    fn of(&self, function: &str) -> Times {
        self.times().get(function).copied().unwrap_or_default()
    }

    fn times(&self) -> MutexGuard<'_, BTreeMap<String, Times>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Intercept for Timed {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<Value, InvokeError> {
        let began = Instant::now();
        self.times().entry(function.to_owned()).or_default().begun += 1;
        let answer = code.invoke(invocation).await;
        let mut times = self.times();
        let times = times.entry(function.to_owned()).or_default();
        times.ended += 1;
        times.longest = times.longest.max(began.elapsed());
        answer
    }
}
