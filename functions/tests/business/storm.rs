//! Storm: orders by the thousand while everything goes wrong at once. All of them close, and every invariant
//! holds over all streams.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bundle::scenario::Scenario;
use domain::Deadlines;
use embedded_aws::mapping::stream::Order;
use eventsourcing::Timestamp;
use functions::scenarios::{group_scenarios, order_scenarios};
use futures::future::{join, join_all};
use local::StackOptions;
use local::player::Player;
use testkit::invariants::Evidence;
use testkit::running::{Item, Running, text};
use testkit::storm::{OUTSIDE, Storm};

use crate::invariants::{Counts, judge};
use crate::options;
use crate::story::on_a_paused_clock;

/// Deadlines of both kinds: payments wait in their queue, shipments and groups are schedules.
const DEADLINES: Deadlines = Deadlines {
    payment: Duration::from_mins(14),
    shipment: Duration::from_mins(20),
    group_checkout: Duration::from_mins(20),
};

/// A new order each so often, on the stack's clock.
const PACE: Duration = Duration::from_millis(360);

/// A script that has waited that long waits for something that the storm has turned another way.
const PATIENCE: Duration = Duration::from_hours(2);

/// The scenarios of orders, in turn, and some of groups.
struct Fleet {
    orders: Vec<Scenario>,
    groups: Vec<Scenario>,
}

impl Fleet {
    fn of(orders: usize) -> Self {
        let again = |n: usize| n.to_string();
        let (of_orders, mut of_groups) = (order_scenarios(), group_scenarios());
        // That one leaves a dead letter that nothing but a repair of the table can help.
        of_groups.retain(|group| group.title != "one of a group never answers");
        Self {
            orders: (0..orders)
                .map(|n| of_orders[n % of_orders.len()].clone().again(&again(n)).scenario())
                .collect(),
            groups: (0..orders / 50)
                .map(|n| of_groups[n % of_groups.len()].clone().again(&again(n)).scenario())
                .collect(),
        }
    }

    /// Plays all, each from some moment on.
    async fn sails(&self, player: &Player, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let all = PACE * u32::try_from(self.orders.len()).unwrap_or(u32::MAX);
        let mut moment =
            || Duration::from_millis(random.u64(0..=u64::try_from(all.as_millis()).unwrap_or(0)));
        // In a storm a script may wait for what does not come, such as a payment that times out instead:
        // then the rest of it is not played.
        let orders = self.orders.iter().map(|order| {
            let start = moment();
            async move {
                tokio::time::sleep(start).await;
                player.play(order).await.is_ok()
            }
        });
        let orders = join_all(orders.collect::<Vec<_>>());
        let groups = self.groups.iter().map(|group| {
            let start = moment();
            async move {
                tokio::time::sleep(start).await;
                player.play(group).await.is_ok()
            }
        });
        let groups = join_all(groups.collect::<Vec<_>>());
        let (orders, groups) = join(orders, groups).await;
        let unplayed = orders.into_iter().chain(groups).filter(|played| !played).count();
        if unplayed > 0 {
            println!("{unplayed} scripts were cut short: what they wait for did not happen");
        }
    }
}

/// Sends the fleet into a storm, waits for calm, and judges.
async fn weather(seed: u64, orders: usize) -> Counts {
    let (started, storm) = (Instant::now(), Storm::new(seed));
    let bundle = Running::start_unwatched(StackOptions {
        faults: Some(storm.clone()),
        order: Order::Shuffled(seed),
        relays: 2,
        settings: DEADLINES.into(),
        ..options()
    })
    .await;
    storm.over(&bundle);
    let connection = bundle.stack.connection(OUTSIDE);
    let player = Player::new(
        &connection,
        bundle.stack.names(),
        &bundle.queue_url_prefix(),
        PATIENCE,
    );
    let fleet = Fleet::of(orders);
    fleet.sails(&player, seed).await;
    while !storm.is_spent() {
        bundle.settle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bundle.settle().await;
    storm.clear();
    let redriven = bundle.redrive_until_quiet().await;

    let mut evidence = Evidence::of(&bundle).await;
    evidence.told = storm.told();
    let findings = judge(&evidence);
    let messages = bundle.stack.wire().sqs().totals().sends;
    println!(
        "storm {seed}: {}\n    {}\n    {messages} messages, {redriven} redriven, {} of the outbox; {} conflicts\n    \
         {}\n    played in {:.1?}",
        findings.counts,
        storm.tally(),
        evidence.outbox.len(),
        bundle.stack.metrics().total().conflicts,
        Latencies::of(&evidence.commits, &fleet.orders),
        started.elapsed()
    );
    assert_eq!(findings.problems(), [""; 0], "storm {seed}");
    let counts = findings.counts;
    assert_eq!(
        (counts.orders, counts.completed + counts.cancelled),
        (orders, orders),
        "storm {seed}"
    );
    assert_eq!(counts.groups_ended, fleet.groups.len(), "storm {seed}");
    assert_eq!(counts.exhausted, 0, "storm {seed}");
    counts
}

/// From a cart's finalization to its order's end, on the stack's clock.
struct Latencies(BTreeMap<&'static str, Vec<Duration>>);

impl Latencies {
    fn of(commits: &[Item], orders: &[Scenario]) -> Self {
        let mut ends: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for item in commits {
            let at: Option<Timestamp> = text(item, "committed_at").parse().ok();
            let end = ends.entry(text(item, "stream_id"));
            if let Some(at) = at {
                end.and_modify(|end| *end = at.max(*end)).or_insert(at);
            }
        }
        let mut latencies: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for order in orders {
            let [cart, order_stream, ..] = order.streams.as_slice() else {
                continue;
            };
            // A cart has one event, and the last of its order is its end.
            if let (Some(began), Some(ended)) = (ends.get(cart.as_str()), ends.get(order_stream.as_str())) {
                let of_all = latencies.entry("all orders").or_default();
                of_all.push(ended.since(*began));
                latencies
                    .entry(order.title)
                    .or_default()
                    .push(ended.since(*began));
            }
        }
        Self(latencies)
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        for what in ["everything goes well", "all orders"] {
            let mut latencies = self.0.get(what).cloned().unwrap_or_default();
            latencies.sort_unstable();
            let at = |percent: usize| {
                let place = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
                latencies.get(place).copied().unwrap_or_default()
            };
            parts.push(format!("{what}: p50 {:.1?}, p99 {:.1?}", at(50), at(99)));
        }
        write!(f, "from finalized to closed, {}", parts.join("; "))
    }
}

#[test]
fn all_orders_close_in_a_storm_and_every_invariant_holds() {
    let storm = |seed| std::thread::spawn(move || on_a_paused_clock(weather(seed, 72)));
    for storm in [1, 2, 3].map(storm) {
        let counts = storm.join().expect("nothing is found");
        assert!(counts.completed >= 20 && counts.cancelled >= 20, "{counts}");
    }
}

#[test]
#[ignore = "takes minutes; optimised, as functions/tests/README.md says"]
fn ten_thousand_orders_close_in_a_storm() {
    on_a_paused_clock(weather(10, 10_000));
}
