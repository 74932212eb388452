//! What is wrong, and for how long: with calls of functions, or with their invocations.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bundle::{RELAY, SWEEPER};
use embedded_aws::Service;
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use embedded_aws::transport::{Call, Fault, Faults};
use local::Intercept;
use serde_json::{Value, json};
use testkit::storm::{OUTSIDE, Told, sent_to};
use testkit::weather::broken;
use tokio::time::Instant;

/// What a cart is called that ends the function which handles it.
pub(super) const DEADLY: &str = "deadly-cart";

/// The share of the time between two arrivals that an invocation takes while there is one at a time. An order takes
/// 25 of them: it is more than can be done.
const SHARE_OF_AN_INVOCATION: u32 = 10;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// These answer nothing but errors.
    Dead(&'static [Service]),
    /// The account runs one invocation, and throttles all others.
    OneAtATime,
    /// The relay's mapping is switched off.
    RelayOff,
    /// The sweeper does not run, and one in ten of the relay's sends fails meanwhile, so that there is something
    /// to sweep.
    NoSweeper,
    /// A queue takes nothing from anybody.
    Refusing(&'static str),
    /// A message comes that ends its function each time.
    Deadly,
    /// Of the relay's sends one half hangs, the other half takes two seconds.
    SlowRelay,
}

/// The weather: trouble at its time, and a record of what was said and done.
pub(super) struct Sky {
    trouble: Trouble,
    from: Instant,
    until: Instant,
    /// What an invocation takes while there is one at a time.
    invocation: Duration,
    slot: AtomicBool,
    began: Instant,
    told: Told,
    record: Mutex<Record>,
}

/// What was said and done.
#[derive(Default)]
struct Record {
    invocations: BTreeMap<String, BTreeMap<u32, u32>>,
    throttled: u64,
    relay: Relayed,
}

/// How long the relay took.
#[derive(Clone, Copy, Default)]
struct Relayed {
    begun: u32,
    ended: u32,
    longest: Duration,
}

impl Sky {
    /// Trouble that begins after a time in which all is well.
    pub(super) fn of(trouble: Trouble, well: Duration, lasts: Duration, pace: Duration) -> Arc<Self> {
        let began = Instant::now();
        Arc::new(Self {
            trouble,
            from: began + well,
            until: began + well + lasts,
            invocation: pace / SHARE_OF_AN_INVOCATION,
            slot: AtomicBool::new(true),
            began,
            told: Told::default(),
            record: Mutex::default(),
        })
    }

    /// What people and gateways have sent, by queue, each message once.
    pub(super) fn told(&self) -> Vec<(String, String)> {
        self.told.all()
    }

    /// The invocations of each function that ran, minute by minute.
    pub(super) fn invocations(&self) -> BTreeMap<String, BTreeMap<u32, u32>> {
        self.record().invocations.clone()
    }

    /// Invocations that did not run because another one did.
    pub(super) fn throttled(&self) -> u64 {
        self.record().throttled
    }

    /// The relay's longest invocation, and how many were cut short.
    pub(super) fn relay_took(&self) -> (Duration, u32) {
        let Relayed {
            begun,
            ended,
            longest,
        } = self.record().relay;
        (longest, begun - ended)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_here(&self) -> bool {
        (self.from..self.until).contains(&Instant::now())
    }
}

/// One in so many requests, and the same one however often the SDK repeats it.
fn one_in(many: u64, call: &Call) -> bool {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    call.request().to_string().hash(&mut hasher);
    hasher.finish().is_multiple_of(many)
}

#[async_trait]
impl Faults for Sky {
    async fn before(&self, call: &Call) -> Fault {
        self.told.note(call);
        // People have come before anything is wrong with what they send.
        if &*call.caller == OUTSIDE {
            return Fault::None;
        }
        if self.trouble == Trouble::Deadly
            && call.operation == "PutItem"
            && call.request().to_string().contains(DEADLY)
        {
            return Fault::CrashBefore;
        }
        if !self.is_here() {
            return Fault::None;
        }
        let queue = sent_to(call);
        let of_relay = queue.is_some() && &*call.caller == RELAY;
        match self.trouble {
            Trouble::Dead(services) if services.contains(&call.service) => broken(call.service),
            Trouble::Refusing(refusing) if queue == Some(refusing) => broken(call.service),
            Trouble::NoSweeper if of_relay && one_in(10, call) => broken(call.service),
            Trouble::SlowRelay if of_relay && one_in(2, call) => Fault::Never,
            Trouble::SlowRelay if of_relay => Fault::Delay(Duration::from_secs(2)),
            _ => Fault::None,
        }
    }
}

/// Holds the account's only slot.
struct Slot<'a>(&'a AtomicBool);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Intercept for Sky {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<Value, InvokeError> {
        let here = self.is_here();
        if here && self.trouble == Trouble::NoSweeper && function == SWEEPER {
            return Ok(json!(null));
        }
        let throttles = here && self.trouble == Trouble::OneAtATime;
        if throttles && !self.slot.swap(false, Ordering::Relaxed) {
            self.record().throttled += 1;
            return Err(InvokeError::Function {
                error_type: "TooManyRequestsException".into(),
                message: "Rate Exceeded.".into(),
            });
        }
        // An invocation that is cut short gives the slot back, too.
        let _slot = throttles.then(|| Slot(&self.slot));
        let minute = u32::try_from(self.began.elapsed().as_secs() / 60).unwrap_or(u32::MAX);
        {
            let mut record = self.record();
            let invocations = record.invocations.entry(function.to_owned()).or_default();
            *invocations.entry(minute).or_default() += 1;
            record.relay.begun += u32::from(function == RELAY);
        }
        if throttles {
            tokio::time::sleep(self.invocation).await;
        }
        let began = Instant::now();
        let answer = code.invoke(invocation).await;
        if function == RELAY {
            let relay = &mut self.record().relay;
            relay.ended += 1;
            relay.longest = relay.longest.max(began.elapsed());
        }
        answer
    }
}
