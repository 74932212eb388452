//! A storm over a whole bundle: of its calls some fail, some are slow, some kill their caller, reads come
//! from the past, and every message may come several times, each time at another moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use embedded_aws::Wire;
use embedded_aws::transport::{Call, Failure, Fault, Faults};

use crate::running::{Running, id_of};

/// Whoever calls by this name sends messages that may come several times; nothing else befalls them.
pub const OUTSIDE: &str = "outside";

/// How long after the message its last copy comes, at most.
const LATEST_COPY: Duration = Duration::from_mins(1);
/// What a call takes when it is not slow, at most.
const LATENCY: Duration = Duration::from_millis(40);
/// What a slow call takes, at most: longer than an attempt of the SDK waits.
const SLOW: Duration = Duration::from_secs(8);

/// A storm. It rages from the start until it is told to clear.
pub struct Storm {
    random: Mutex<fastrand::Rng>,
    wire: OnceLock<Wire>,
    cleared: AtomicBool,
    copies_under_way: Arc<AtomicUsize>,
    tally: Mutex<Tally>,
    told: Told,
}

/// How much of what the storm did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of functions.
    pub calls: usize,
    /// Calls that were refused, or whose connection was lost on the way there or back.
    pub failed: usize,
    /// Calls that took long, some of them longer than the caller waited.
    pub slow: usize,
    /// Calls whose caller died.
    pub crashed: usize,
    /// Reads that would show the past if they did not ask for consistency.
    pub stale: usize,
    /// Requests to send messages that came several times.
    pub copies: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.failed + self.slow + self.crashed) * 100 / self.calls.max(1);
        write!(
            f,
            "{} calls, {percent} % of them wrong ({} failed, {} slow, {} killed their caller), {} stale reads, \
             {} sends came once more",
            self.calls, self.failed, self.slow, self.crashed, self.stale, self.copies
        )
    }
}

impl Storm {
    /// A storm by a seed.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            wire: OnceLock::new(),
            cleared: AtomicBool::new(false),
            copies_under_way: Arc::default(),
            tally: Mutex::default(),
            told: Told::default(),
        })
    }

    /// Where copies of messages go to.
    pub fn over(&self, bundle: &Running) {
        self.wire.get_or_init(|| bundle.stack.wire().clone());
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        self.cleared.store(true, Ordering::Relaxed);
    }

    /// Whether all copies have arrived.
    pub fn is_spent(&self) -> bool {
        self.copies_under_way.load(Ordering::Relaxed) == 0
    }

    /// What it has done.
    pub fn tally(&self) -> Tally {
        *locked(&self.tally)
    }

    /// What people and gateways have sent, by queue, each message once.
    pub fn told(&self) -> Vec<(String, String)> {
        self.told.all()
    }

    fn forecast(&self, call: &Call) -> (Duration, Fault) {
        let mut random = locked(&self.random);
        let within = |longest: Duration, random: &mut fastrand::Rng| {
            Duration::from_micros(random.u64(0..=u64::try_from(longest.as_micros()).unwrap_or(u64::MAX)))
        };
        let latency = within(LATENCY, &mut random);
        if self.cleared.load(Ordering::Relaxed) || &*call.caller == OUTSIDE {
            return (latency, Fault::None);
        }
        let mut tally = locked(&self.tally);
        tally.calls += 1;
        let (count, fault) = match random.u16(0..1000) {
            0..40 => (&mut tally.failed, Fault::DropRequest),
            40..80 => (&mut tally.failed, Fault::DropReply),
            80..120 => (
                &mut tally.failed,
                Fault::FailBefore(Failure::throttled(call.service)),
            ),
            120..160 => (
                &mut tally.failed,
                Fault::FailBefore(Failure::internal(call.service)),
            ),
            160..200 => (&mut tally.slow, Fault::Delay(within(SLOW, &mut random))),
            200..203 => (&mut tally.crashed, Fault::CrashBefore),
            203..206 => (&mut tally.crashed, Fault::CrashAfter),
            206..306 if call.operation == "Query" => {
                (&mut tally.stale, Fault::StaleRead(random.usize(1..=2)))
            }
            _ => return (latency, Fault::None),
        };
        *count += 1;
        (latency, fault)
    }

    /// Up to four copies of what is sent, each at its own time.
    fn copy(&self, call: &Call) {
        let Some(wire) = self.wire.get().filter(|_| !self.cleared.load(Ordering::Relaxed)) else {
            return;
        };
        let mut random = locked(&self.random);
        let copies = match random.u8(0..50) {
            0..30 => 0,
            30..40 => 1,
            40..45 => 2,
            45..48 => 3,
            _ => 4,
        };
        locked(&self.tally).copies += copies;
        for _ in 0..copies {
            let after =
                Duration::from_millis(random.u64(0..=u64::try_from(LATEST_COPY.as_millis()).unwrap_or(0)));
            let (wire, body) = (wire.clone(), call.request().to_string());
            let under_way = self.copies_under_way.clone();
            under_way.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                // As with any copy, nobody waits for its answer.
                drop(wire.sqs().handle("SendMessageBatch", body.as_bytes()).await);
                under_way.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
}

/// What people and gateways have sent.
#[derive(Default)]
pub struct Told(Mutex<BTreeMap<(String, String), String>>);

impl Told {
    /// Remembers what the call sends, if it is somebody outside who does.
    pub fn note(&self, call: &Call) {
        let is_outside = &*call.caller == OUTSIDE || call.caller.starts_with("simulate-");
        let Some(queue) = sent_to(call).filter(|_| is_outside) else {
            return;
        };
        let entries = call.request()["Entries"].as_array();
        for entry in entries.into_iter().flatten() {
            let body = entry["MessageBody"].as_str().unwrap_or_default();
            let key = (queue.to_owned(), id_of(body));
            locked(&self.0).entry(key).or_insert_with(|| body.to_owned());
        }
    }

    /// All of it by queue, each message once.
    pub fn all(&self) -> Vec<(String, String)> {
        let told = locked(&self.0).clone();
        told.into_iter().map(|((queue, _), body)| (queue, body)).collect()
    }
}

/// The queue, without the stack's name, that a call sends messages to; none if it sends none, or to a dead-letter
/// queue.
pub fn sent_to(call: &Call) -> Option<&str> {
    let (_, queue) = call.resource()?.split_once('-')?;
    (call.operation == "SendMessageBatch" && !queue.ends_with("-dlq")).then_some(queue)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Faults for Storm {
    async fn before(&self, call: &Call) -> Fault {
        if sent_to(call).is_some() {
            self.copy(call);
            self.told.note(call);
        }
        let (latency, fault) = self.forecast(call);
        tokio::time::sleep(latency).await;
        fault
    }
}
