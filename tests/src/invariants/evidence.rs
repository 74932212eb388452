//! What there is to be seen of a bundle from outside.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bundle::{Bundle, Item, Letter};

/// What there is to be seen from outside.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// All items of the event table.
    pub commits: Vec<Item>,
    /// All messages in dead-letter queues.
    pub letters: Vec<Letter>,
    /// All items of the outbox.
    pub outbox: Vec<Item>,
    /// How many messages are on each queue that a function reads: visible, in flight or delayed.
    pub waiting: BTreeMap<String, usize>,
    /// The ids of the events on the queue that tells people of groups.
    pub notified: BTreeSet<String>,
    /// Messages that people and gateways are known to have sent, by queue. Those that the simulators sent
    /// are known to a bundle that is watched; others may be added.
    pub told: Vec<(String, String)>,
}

impl Evidence {
    /// What there is to be seen of a bundle. It takes nothing away.
    pub async fn of(bundle: &Bundle) -> Self {
        let notified = bundle.peek("group-checkout-notifications").await;
        let id = |message: embedded_sqs::Received| {
            let event: Value = serde_json::from_str(&message.body).unwrap_or_default();
            event["id"].as_str().map(str::to_owned)
        };
        Self {
            commits: bundle.commits().await,
            letters: bundle.letters().await,
            outbox: bundle.outbox().await,
            waiting: bundle.waiting(),
            notified: notified.into_iter().filter_map(id).collect(),
            told: bundle.messages(),
        }
    }
}
