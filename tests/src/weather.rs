//! What goes wrong between functions and services: by a rule that a test states, or by a seed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use embedded_aws::Service;
use embedded_aws::transport::{Call, Failure, Fault, Faults};

/// What `rule` says of each call happens to it.
pub fn faults(rule: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Arc<dyn Faults> {
    Arc::new(Rule(rule))
}

struct Rule<F>(F);

#[async_trait]
impl<F: Fn(&Call) -> Fault + Send + Sync> Faults for Rule<F> {
    async fn before(&self, call: &Call) -> Fault {
        (self.0)(call)
    }
}

/// The call fails by a fault of the service, which the SDK takes for transient.
pub fn broken(service: Service) -> Fault {
    Fault::FailBefore(Failure::internal(service))
}

/// SQS refuses the whole request with that code.
pub fn refused_by_sqs(code: &str) -> Fault {
    Fault::FailBefore(Failure {
        status: 400,
        error_type: format!("com.amazonaws.sqs#{code}"),
        message: "no".into(),
    })
}

/// What `others` decide happens to each request once at most; when the SDK repeats it, it gets through.
pub fn at_first(others: Arc<dyn Faults>) -> Arc<dyn Faults> {
    Arc::new(AtFirst {
        others,
        tried: Mutex::default(),
    })
}

struct AtFirst {
    others: Arc<dyn Faults>,
    tried: Mutex<BTreeSet<(String, String)>>,
}

#[async_trait]
impl Faults for AtFirst {
    async fn before(&self, call: &Call) -> Fault {
        let fault = self.others.before(call).await;
        // The SDK repeats a request word by word.
        let attempt = (call.caller.to_string(), call.request().to_string());
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let fails = matches!(
            fault,
            Fault::FailBefore(_) | Fault::DropRequest | Fault::DropReply
        );
        if fails && !tried.insert(attempt) {
            Fault::None
        } else {
            fault
        }
    }
}

/// Weather by a seed: every call takes a while, and if it storms, some of them are lost, doubled,
/// refused or answered from the past.
pub struct Weather {
    random: Mutex<fastrand::Rng>,
    longest: Duration,
    storm: bool,
}

impl Weather {
    /// Calls that take up to `longest`, and nothing else.
    pub fn calm(seed: u64, longest: Duration) -> Arc<dyn Faults> {
        Arc::new(Self {
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            longest,
            storm: false,
        })
    }

    /// Calls of which one in four goes wrong, though none so often that the SDK gives it up.
    pub fn storm(seed: u64) -> Arc<dyn Faults> {
        at_first(Arc::new(Self {
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            longest: Duration::from_millis(40),
            storm: true,
        }))
    }

    fn forecast(&self, call: &Call) -> (Duration, Fault) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX);
        let latency = Duration::from_micros(random.u64(0..=longest));
        let fault = match random.u8(0..24) {
            0 => Fault::DropRequest,
            1 => Fault::DropReply,
            2 => Fault::Twice,
            3 => Fault::FailBefore(Failure::throttled(call.service)),
            4 => Fault::FailBefore(Failure::internal(call.service)),
            5 => Fault::StaleRead(random.usize(1..=2)),
            _ => Fault::None,
        };
        (latency, if self.storm { fault } else { Fault::None })
    }
}

#[async_trait]
impl Faults for Weather {
    async fn before(&self, call: &Call) -> Fault {
        let (latency, fault) = self.forecast(call);
        tokio::time::sleep(latency).await;
        fault
    }
}
