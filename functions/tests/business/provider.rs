//! The example of a payment adapter, between the real functions and a provider that goes wrong over HTTP: nobody is
//! charged twice, and nothing is kept of an order that was cancelled.
//!
//! | module | what it is |
//! | --- | --- |
//! | `payment_adapter`, `provider_stub` | the examples, the very files |
//! | `trouble` | what goes wrong between the adapter and its queues |
//! | `interleavings` | what is said of one payment, in every order |

mod interleavings;
mod trouble;

#[allow(dead_code)] // As a program it has a `main`.
#[path = "../../examples/payment-adapter.rs"]
mod payment_adapter;
#[allow(dead_code)]
#[path = "../../examples/provider-stub.rs"]
mod provider_stub;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::Queues;
use bundle::WATCHER;
use eventsourcing::{Clock, Timestamp};
use futures::future::join;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::invariants::Evidence;
use testkit::running::Running;
use tokio::sync::watch;

use crate::invariants::judge;
use crate::refused::{command, ids};
use crate::story::{deadlines, on_a_paused_clock};
use payment_adapter::Adapter;
use provider_stub::Movement;
use trouble::Rough;

const QUEUE: &str = "payment-gateway";

/// Every way of the provider to go wrong, and sound charges between them.
const AMOUNTS: [&str; 12] = [
    "19.98",
    "402.00",
    "408.00",
    "0.07",
    "409.00",
    "410.00",
    "999999999.99",
    "500.00",
    "501.00",
    "503.00",
    "19.9",
    "100",
];

/// The stack's clock, as the adapter takes it.
struct StackClock(embedded_aws::Clock);

impl Clock for StackClock {
    fn now(&self) -> Timestamp {
        self.0.now().into()
    }
}

/// An adapter of that name on a stack.
fn adapter(bundle: &Running, name: &str, provider: SocketAddr) -> Adapter {
    Adapter::of(
        Queues::new(bundle.stack.connection(name).sqs, &bundle.queue_url_prefix()),
        &format!("http://{provider}"),
        Arc::new(StackClock(bundle.stack.clock())),
    )
}

/// Runs an adapter until `stop` says true, and starts it again each time that it is killed. How often that was.
async fn kept_running(start: impl Fn() -> Adapter, stop: watch::Receiver<bool>) -> usize {
    let mut killed = 0;
    loop {
        let (adapter, mut stop) = (start(), stop.clone());
        let life = async move {
            let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
            adapter.run(stopped).await;
        };
        match tokio::spawn(life).await {
            Ok(()) => return killed,
            Err(end) => {
                assert!(end.is_panic(), "{end}");
                killed += 1;
            }
        }
    }
}

/// Two adapters on one queue while `what` goes on. How often they were killed.
async fn with_adapters(bundle: &Running, provider: SocketAddr, what: impl Future<Output = ()>) -> usize {
    let (stop, stopped) = watch::channel(false);
    let one = kept_running(|| adapter(bundle, "payment-adapter-1", provider), stopped.clone());
    let other = kept_running(|| adapter(bundle, "payment-adapter-2", provider), stopped);
    let meanwhile = async {
        what.await;
        stop.send_replace(true);
    };
    let ((killed, also), ()) = join(join(one, other), meanwhile).await;
    killed + also
}

/// Waits until the provider's queue and all others are empty.
async fn until_all_is_said(bundle: &Running) {
    loop {
        bundle.settle().await;
        if is_empty(bundle) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

fn is_empty(bundle: &Running) -> bool {
    let queue = bundle.stack.names().of_function(QUEUE);
    let counts = bundle
        .stack
        .wire()
        .sqs()
        .counts(&queue)
        .expect("the queue is there");
    counts.visible + counts.in_flight + counts.delayed == 0
}

/// An order to be: its cart, what it costs, and after how long its customer changes their mind.
struct Wish {
    cart: String,
    amount: &'static str,
    withdrawn_after: Option<Duration>,
}

/// Each amount several times: left alone, withdrawn at once, and withdrawn while the provider is asked.
fn wishes(prefix: &str) -> Vec<Wish> {
    let after = |seconds| Some(Duration::from_secs(seconds));
    let minds = [None, None, after(0), after(1), after(4), after(12)];
    let each = |(n, withdrawn_after): (usize, Option<Duration>)| {
        AMOUNTS.into_iter().map(move |amount| Wish {
            cart: format!("{prefix}-{n}-{amount}"),
            amount,
            withdrawn_after,
        })
    };
    minds.into_iter().enumerate().flat_map(each).collect()
}

async fn send_all(bundle: &Running, wishes: &[Wish]) {
    for Wish { cart, amount, .. } in wishes {
        let cart = format!(
            r#"{{"command":{{"cart_id":"{cart}","client_id":"u-7","total_price":{amount},
                "product_items":[{{"product_id":"p-1","quantity":1,"unit_price":{amount}}}]}}}}"#
        );
        bundle.send("finalize-cart", &cart).await;
    }
    let mut minds: Vec<_> = wishes
        .iter()
        .filter_map(|wish| Some((wish.withdrawn_after?, &wish.cart)))
        .collect();
    minds.sort();
    let mut now = Duration::ZERO;
    for (at, cart) in minds {
        tokio::time::sleep(at.saturating_sub(now)).await;
        now = at;
        let withdrawal = json!({ "order_id": ids(cart).order.as_str(), "reason": "changed my mind" });
        bundle.send("withdraw-order", &command(&withdrawal)).await;
    }
}

/// Exact hundredths of an amount of the ledger.
fn hundredths(amount: &str) -> u64 {
    let (whole, fraction) = amount.split_once('.').expect("two decimals");
    assert_eq!(fraction.len(), 2, "{amount}");
    format!("{whole}{fraction}").parse().expect("digits")
}

/// The amounts of one payment in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Moved {
    charges: Vec<String>,
    refunds: Vec<String>,
}

/// What the ledger says, by the payment's id.
fn by_payment(ledger: &[Movement]) -> BTreeMap<String, Moved> {
    let mut payments: BTreeMap<String, Moved> = BTreeMap::new();
    for Movement { kind, key, amount } in ledger {
        let Moved { charges, refunds } = payments.entry(key.clone()).or_default();
        let side = if *kind == "charge" { charges } else { refunds };
        side.push(amount.clone());
    }
    payments
}

#[test]
fn nobody_is_charged_twice_and_nothing_of_a_cancelled_order_is_kept() {
    on_a_paused_clock(async {
        let functions = functions::bundle()
            .registry
            .functions
            .into_iter()
            .map(|function| function.name);
        let real = functions.filter(|name| name != "simulate-payment-gateway" && name != WATCHER);
        let bundle = Running::start(StackOptions {
            only: Some(real.collect::<BTreeSet<_>>()),
            faults: Some(Arc::new(Rough)),
            settings: deadlines().into(),
            ..crate::options()
        })
        .await;
        let provider = provider_stub::Provider::default();
        let address = provider.serve(0).await.expect("a free port");

        // The adapter is down for longer than the deadline, then orders come while it runs.
        let mut all = wishes("late");
        send_all(&bundle, &all).await;
        tokio::time::sleep(deadlines().payment + Duration::from_mins(1)).await;
        let in_time = wishes("in-time");
        let killed = with_adapters(&bundle, address, async {
            until_all_is_said(&bundle).await;
            assert_eq!(provider.ledger(), [], "nobody is charged after the deadline");
            send_all(&bundle, &in_time).await;
            until_all_is_said(&bundle).await;
        })
        .await;
        all.extend(in_time);

        assert!(killed > 0, "adapters were killed");
        let (mut completed, mut given_back, mut sum) = (0, 0, 0);
        let ledger = provider.ledger();
        let mut payments = by_payment(&ledger);
        for wish in &all {
            let ids = ids(&wish.cart);
            let [_, order, payment, _] = ids.streams();
            let Moved { charges, refunds } = payments.remove(ids.payment.as_str()).unwrap_or_default();
            let (order, payment) = (bundle.types(&order).await, bundle.types(&payment).await);
            let told = format!("{}: {order:?} {payment:?}, {charges:?} {refunds:?}", wish.cart);
            assert!(charges.len() <= 1, "charged twice: {told}");
            match order.last().map(String::as_str) {
                Some("OrderCompleted") => {
                    assert_eq!((charges.len(), refunds.len()), (1, 0), "{told}");
                    completed += 1;
                    sum += hundredths(&charges[0]);
                }
                Some("OrderCancelled") => assert_eq!(charges, refunds, "{told}"),
                _ => panic!("it has not ended: {told}"),
            }
            given_back += refunds.len();
            // The bundle's books say the same.
            let heard = |types: &[&str]| payment.iter().filter(|event| types.contains(&&***event)).count();
            let captured = heard(&["PaymentCompleted", "PaymentReceivedLate"]);
            assert_eq!(
                (captured, heard(&["PaymentDiscarded"])),
                (charges.len(), refunds.len()),
                "{told}"
            );
            assert_eq!(
                heard(&["PaymentFailedLate"]),
                0,
                "the adapter contradicts itself: {told}"
            );
            let sound = wish.withdrawn_after.is_none() && !["402.00", "501.00"].contains(&wish.amount);
            if sound && wish.cart.starts_with("in-time") {
                assert_eq!(order.last().map(String::as_str), Some("OrderCompleted"), "{told}");
            }
        }
        assert_eq!(payments, BTreeMap::new(), "charges of nobody's payment");
        let kept = |kind| ledger.iter().filter(move |movement| movement.kind == kind);
        let total = |kind| {
            kept(kind)
                .map(|movement| hundredths(&movement.amount))
                .sum::<u64>()
        };
        assert_eq!(
            total("charge") - total("refund"),
            sum,
            "what is kept is what completed orders cost"
        );
        println!(
            "{} orders: {completed} completed, {given_back} charged and given back; adapters killed {killed} times",
            all.len()
        );
        assert!(
            completed >= 20 && given_back >= 4,
            "{completed} completed, {given_back} given back"
        );

        let evidence = Evidence::of(&bundle).await;
        let findings = judge(&evidence);
        assert_eq!(findings.problems(), [""; 0]);
        assert_eq!(calls_of_the_adapters(&bundle), granted_on_the_page());
        // A withdrawal that comes too late is refused, and nothing else is.
        let dead: BTreeSet<_> = evidence.letters.iter().map(|letter| &*letter.queue).collect();
        assert!(dead.iter().all(|queue| *queue == "withdraw-order"), "{dead:?}");
    });
}

/// What the adapters have called, as IAM calls it, and on which queue.
fn calls_of_the_adapters(bundle: &Running) -> BTreeSet<(String, String)> {
    let prefix = bundle.stack.names().prefix();
    let calls = bundle.calls().into_iter();
    let calls = calls.filter(|call| call.caller.starts_with("payment-adapter"));
    let made = calls.map(|call| {
        let queue = call.resource.strip_prefix(&prefix).expect("a queue of the stack");
        let action = call.operation.trim_end_matches("Batch");
        (format!("sqs:{action}"), queue.to_owned())
    });
    // The program asks for the queue's URL before it makes an adapter.
    made.chain([("sqs:GetQueueUrl".into(), QUEUE.into())]).collect()
}

/// What the page has people allow.
fn granted_on_the_page() -> BTreeSet<(String, String)> {
    let page = include_str!("../../PROVIDER.md");
    let policy = page
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let policy: Value = serde_json::from_str(policy.expect("a policy")).expect("it is JSON");
    let texts = |value: &Value| match value {
        Value::Array(all) => all
            .iter()
            .map(|one| one.as_str().expect("a text").to_owned())
            .collect(),
        one => vec![one.as_str().expect("a text").to_owned()],
    };
    let mut granted = BTreeSet::new();
    for statement in policy["Statement"].as_array().expect("statements") {
        for resource in texts(&statement["Resource"]) {
            let queue = resource
                .strip_prefix("arn:aws:sqs:REGION:ACCOUNT:STACK-")
                .expect("a queue");
            granted.extend(
                texts(&statement["Action"])
                    .into_iter()
                    .map(|action| (action, queue.to_owned())),
            );
        }
    }
    granted
}
