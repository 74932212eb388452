//! One message in a hundred is malformed or can't be delivered: all of them are parked with their reason,
//! the healthy ones pay nothing for them, and once mended and redriven they complete like any other.
//!
//! `POISON_ORDERS` is how many healthy orders there are (200), `POISON_RUNS` how often both runs are made,
//! one after the other, to compare how long they take (1).

use std::time::{Duration, Instant};

use aws_adapters::{Delivery, GIVE_UP_FAILING, Outbox};
use bundle::SWEEPER;
use domain::cart::CartFinalized;
use eventsourcing::{Commit, EventStore, Message, NewEvent, Position, Timestamp};
use local::StackOptions;
use serde_json::{Value, json};
use testkit::running::{Letter, Running, text};
use testkit::setting;

use crate::invariants::Findings;
use crate::options;

/// What a happy order sends, the simulators' messages included; a test of its cost holds it to that.
const MESSAGES_OF_AN_ORDER: usize = 15;
/// Stands where a price should.
const BAD_PRICE: &str = "\"cheap\"";
const GOOD_PRICE: &str = "9.99";

/// How many orders of each kind there are.
#[derive(Clone, Copy, Debug)]
struct Plan {
    healthy: usize,
    /// Carts whose price is no number.
    malformed: usize,
    /// Carts of which an event stands in the table that nobody can read.
    undeliverable: usize,
}

impl Plan {
    fn healthy(orders: usize) -> Self {
        Self {
            healthy: orders,
            malformed: 0,
            undeliverable: 0,
        }
    }

    /// With one message in a hundred poisoned: half of that is malformed, and what can't be read spoils
    /// two, the event that is to be delivered and the command that meets it.
    fn poisoned(orders: usize) -> Self {
        let poison = (orders * MESSAGES_OF_AN_ORDER).div_ceil(100);
        Self {
            healthy: orders,
            malformed: poison.div_ceil(2),
            undeliverable: poison.div_ceil(4),
        }
    }

    fn poison(self) -> usize {
        self.malformed + 2 * self.undeliverable
    }
}

fn cart(id: &str, price: &str) -> String {
    format!(
        r#"{{"cart_id":"{id}","client_id":"u-1","product_items":[{{"product_id":"p-1","quantity":1,"unit_price":9.99}}],"total_price":{price}}}"#
    )
}

fn finalize(id: &str, price: &str) -> String {
    format!(r#"{{"command":{}}}"#, cart(id, price))
}

/// A run, and what it took.
struct Run {
    bundle: Running,
    took: Duration,
    /// The calls made for healthy orders.
    calls: usize,
}

async fn play(plan: Plan) -> Run {
    let options = options();
    // What can't be read is tried for minutes, not for half a day.
    let settings = options.settings.with(&GIVE_UP_FAILING, Duration::from_mins(5));
    let bundle = Running::start(StackOptions { settings, ..options }).await;
    let began = Instant::now();
    for number in 0..plan.undeliverable {
        append_unreadable(&bundle, &format!("unread-{number}")).await;
    }
    let healthy = (0..plan.healthy).map(|number| finalize(&format!("healthy-{number}"), GOOD_PRICE));
    let malformed = (0..plan.malformed).map(|number| finalize(&format!("malformed-{number}"), BAD_PRICE));
    let unread = (0..plan.undeliverable).map(|number| finalize(&format!("unread-{number}"), GOOD_PRICE));
    for batch in mixed(healthy.collect(), malformed.chain(unread).collect()).chunks(10) {
        bundle.send_batch("finalize-cart", batch).await;
    }
    bundle.settle().await;
    let took = began.elapsed();
    let calls = calls_for_the_healthy(&bundle);
    Run { bundle, took, calls }
}

/// The few evenly among the many.
fn mixed(many: Vec<String>, few: Vec<String>) -> Vec<String> {
    let gap = many.len() / few.len().max(1);
    let mut few = few.into_iter();
    let mut all = Vec::new();
    for (number, one) in many.into_iter().enumerate() {
        all.push(one);
        if (number + 1) % gap.max(1) == 0 {
            all.extend(few.next());
        }
    }
    all.extend(few);
    all
}

/// Appends an event past all rules whose data is not JSON, as a broken writer would.
async fn append_unreadable(bundle: &Running, id: &str) {
    let event = NewEvent {
        event_type: CartFinalized::TYPE,
        schema_version: 1,
        data: cart(id, "cheap"),
        correlation_id: "a broken writer".into(),
        causation_id: format!("a broken writer of {id}"),
        trace: None,
    };
    let stream = format!("cart-{id}").parse().expect("a stream's name");
    let now = Timestamp::from_millis(1_795_420_800_000);
    let commit = Commit::at(Position::START, &stream, uuid::Uuid::new_v4(), now, vec![event]);
    bundle.store.append(&commit).await.expect("nobody else writes");
}

/// All calls of functions but those that only poison makes: parking it, and looking again and again at a
/// stream that can't be read. The sweeper's are made whether there is anything to sweep or not.
fn calls_for_the_healthy(bundle: &Running) -> usize {
    let outbox = bundle.stack.names().outbox_table();
    let calls = bundle.calls();
    let for_poison = |call: &&testkit::running::Seen| {
        call.caller == SWEEPER
            || call.resource.ends_with("-dlq")
            || call.resource == outbox
            || call.request.to_string().contains("cart-unread-")
    };
    calls.len() - calls.iter().filter(for_poison).count()
}

#[tokio::test(start_paused = true)]
async fn one_poisoned_message_in_a_hundred_costs_the_healthy_nothing_and_completes_once_mended() {
    let orders = usize::try_from(setting("POISON_ORDERS", 200)).expect("so many fit");
    let (clean, poisoned) = (Plan::healthy(orders), Plan::poisoned(orders));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..setting("POISON_RUNS", 1) {
        without.push(play(clean).await);
        with.push(play(poisoned).await);
    }
    let (Some(before), Some(run)) = (without.first(), with.first()) else {
        panic!("at least one run of each");
    };
    let calls = |run: &Run| f64::from(u32::try_from(run.calls).expect("so many fit"));
    let more = 100.0 * (calls(run) / calls(before) - 1.0);
    println!(
        "{orders} healthy orders and {} poisoned messages: {} calls for the healthy against {} without poison, \
         {more:+.2} %; medians of {} runs: {:.2} s with, {:.2} s without",
        poisoned.poison(),
        run.calls,
        before.calls,
        with.len(),
        median(&with),
        median(&without)
    );
    assert!(more <= 5.0, "{more:.2} % more calls");
    let bundle = &run.bundle;
    let letters = bundle.take_all_letters().await;
    assert_parked_with_reason(&letters, bundle, poisoned).await;
    let findings = Findings::of(bundle).await;
    let of_healthy = |violation: &&String| !violation.starts_with("cart-unread-");
    let violations: Vec<_> = findings.violations.iter().filter(of_healthy).collect();
    assert_eq!(violations, [""; 0]);
    assert_eq!(findings.counts.completed, orders, "{}", findings.counts);

    mend_and_redrive(bundle, letters).await;
    bundle.settle().await;
    let findings = Findings::of(bundle).await;
    assert_eq!(findings.problems(), [""; 0]);
    let all = orders + poisoned.malformed + poisoned.undeliverable;
    assert_eq!((findings.counts.orders, findings.counts.completed), (all, all));
    assert_eq!(bundle.take_all_letters().await, []);
    println!("mended and redriven: {}", findings.counts);
}

fn median(runs: &[Run]) -> f64 {
    let mut took: Vec<_> = runs.iter().map(|run| run.took.as_secs_f64()).collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

async fn assert_parked_with_reason(letters: &[Letter], bundle: &Running, plan: Plan) {
    let of_code = |code: &str| {
        letters
            .iter()
            .filter(|letter| letter.attribute("error_code") == code)
            .collect()
    };
    let (malformed, exhausted): (Vec<_>, Vec<_>) = (of_code("malformed"), of_code("exhausted"));
    assert_eq!(
        (malformed.len(), exhausted.len(), letters.len()),
        (
            plan.malformed,
            plan.undeliverable,
            plan.malformed + plan.undeliverable
        )
    );
    for letter in malformed {
        let error = letter.attribute("error");
        assert!(
            error.starts_with("field `command.total_price` holds a string"),
            "{error}"
        );
    }
    for letter in exhausted {
        let error = letter.attribute("error");
        assert!(
            error.contains("of type CartFinalized that can't be read: its data is not a JSON object"),
            "{error}"
        );
    }
    let outbox = bundle.outbox().await;
    assert_eq!(outbox.len(), plan.undeliverable);
    for entry in &outbox {
        assert_eq!(
            (text(entry, "delivery"), text(entry, "attempts")),
            ("parked", "1")
        );
        assert_eq!(
            text(entry, "last_error"),
            "its event at revision 1 of type CartFinalized is not JSON"
        );
    }
}

/// What people do: mend the items in the table, send the parked events again, mend the letters and put
/// them back on their queues.
async fn mend_and_redrive(bundle: &Running, letters: Vec<Letter>) {
    for mut item in bundle.raw_commits() {
        let id = item["stream_id"]["S"].as_str().unwrap_or_default().to_owned();
        if let Some(id) = id.strip_prefix("cart-").filter(|id| id.starts_with("unread-")) {
            let mut data: Value = serde_json::from_str(&cart(id, GOOD_PRICE)).expect("a cart is JSON");
            data["confirmed_at"] = json!("2026-11-23T08:00:00.000Z");
            item["events"]["L"][0]["M"]["data"]["S"] = data.to_string().into();
            bundle.put(&item);
        }
    }
    let outbox = Outbox::new(
        bundle.observer.dynamodb.clone(),
        bundle.stack.names().outbox_table(),
    );
    let parked = outbox.list(Delivery::Parked, usize::MAX).await;
    for entry in parked.expect("the outbox can be read") {
        let redriven = outbox.redrive(&entry.commit).await;
        redriven.expect("it is there");
    }
    for letter in letters {
        bundle
            .send(&letter.queue, &letter.body.replace(BAD_PRICE, GOOD_PRICE))
            .await;
    }
}
