//! What comes on a bad day: orders and groups of all kinds, at a steady rate, before anything is wrong and for as
//! long as it is.

use std::time::Duration;

use bundle::scenario::Scenario;
use functions::scenarios::{group_scenarios, order_scenarios};
use futures::future::join_all;
use local::player::Player;
use serde_json::json;

use super::trouble::DEADLY;

/// A script that has waited that long waits for something that has gone another way; the rest of it is not played.
pub(super) const PATIENCE: Duration = Duration::from_mins(30);

/// Of so many arrivals one is a group, and of the few that come before it begins the last one.
const GROUP_EACH: usize = 8;
const GROUP_FIRST: usize = 2;

/// Around the beginning orders come close together in any case: what is under way then, and what an alarm goes by.
const BEFORE: Duration = Duration::from_mins(3);
const AFTER: Duration = Duration::from_mins(4);

/// What comes, and when.
pub(super) struct Arrivals {
    pace: Duration,
    all: Vec<(Duration, Scenario)>,
    orders: usize,
    deadly: Duration,
}

impl Arrivals {
    /// One at each pace, until it is over.
    pub(super) fn steady(well: Duration, lasts: Duration, pace: Duration) -> Self {
        // Ten minutes of them are enough to have all kinds of them under way when it begins.
        let from = well.saturating_sub(Duration::from_mins(10));
        Self::at(moments(from, well + lasts, pace), pace, well)
    }

    /// Few, some of them close together as it begins.
    pub(super) fn thin(well: Duration, lasts: Duration) -> Self {
        // Of a day what is tried again and again is most of what it takes.
        let (pace, others) = if lasts < Duration::from_hours(12) {
            (Duration::from_secs(30), 6)
        } else {
            (Duration::from_mins(1), 4)
        };
        let (from, until) = (well.saturating_sub(BEFORE), well + AFTER);
        let rest = lasts.saturating_sub(AFTER) / others;
        let mut all = moments(from, until, pace);
        all.extend(moments(until, well + lasts, rest));
        Self::at(all, pace, well)
    }

    fn at(moments: Vec<Duration>, pace: Duration, well: Duration) -> Self {
        let (mut orders, mut groups) = (order_scenarios(), group_scenarios());
        // Its script sends a parcel that nobody asked for if the order was cancelled for another reason.
        orders.retain(|order| order.title != "the parcel leaves after its deadline");
        // That one leaves a dead letter that nothing but a repair of the table can help.
        groups.retain(|group| group.title != "one of a group never answers");
        let mut counts = (0, 0);
        let all = moments.into_iter().enumerate().map(|(number, at)| {
            let again = number.to_string();
            let scenario = if number % GROUP_EACH == GROUP_FIRST {
                counts.1 += 1;
                groups[counts.1 % groups.len()].clone().again(&again).scenario()
            } else {
                counts.0 += 1;
                orders[counts.0 % orders.len()].clone().again(&again).scenario()
            };
            (at, scenario)
        });
        let all = all.collect();
        Self {
            pace,
            all,
            orders: counts.0,
            deadly: well,
        }
    }

    pub(super) fn pace(&self) -> Duration {
        self.pace
    }

    pub(super) fn orders(&self) -> usize {
        self.orders
    }

    pub(super) fn groups(&self) -> usize {
        self.all.len() - self.orders
    }

    /// All of them come. How many scripts were cut short.
    pub(super) async fn come(&self, player: &Player) -> usize {
        let scripts = self.all.iter().map(async |(at, scenario)| {
            tokio::time::sleep(*at).await;
            player.play(scenario).await.is_ok()
        });
        let scripts = join_all(scripts.collect::<Vec<_>>()).await;
        scripts.into_iter().filter(|played| !played).count()
    }

    /// The one that ends its function comes.
    pub(super) async fn deadly_comes(&self, player: &Player) {
        tokio::time::sleep(self.deadly).await;
        let cart = json!({
            "cart_id": DEADLY, "client_id": "u-1", "total_price": 9.99,
            "product_items": [{ "product_id": "p-1", "quantity": 1, "unit_price": 9.99 }],
        });
        let sent = player.send("finalize-cart", &json!({ "command": cart })).await;
        sent.expect("the queue takes it");
    }
}

fn moments(from: Duration, until: Duration, pace: Duration) -> Vec<Duration> {
    let next = |at: &Duration| Some(*at + pace);
    let all = std::iter::successors(Some(from), next);
    all.take_while(|at| *at < until).collect()
}
