//! What there is to be seen of a bundle from outside.

use std::collections::{BTreeMap, BTreeSet};

use bundle::Function;
use serde_json::Value;

use crate::running::{Item, Letter, Running};

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
    /// The ids of the events on each queue that no function reads.
    pub outbound: BTreeMap<String, BTreeSet<String>>,
    /// Messages that people and gateways are known to have sent, by queue. Those that the simulators sent
    /// are known to a bundle that is watched; others may be added.
    pub told: Vec<(String, String)>,
}

impl Evidence {
    /// What there is to be seen of a bundle. It takes nothing away.
    pub async fn of(bundle: &Running) -> Self {
        Self {
            commits: bundle.commits().await,
            letters: bundle.letters().await,
            outbox: bundle.outbox().await,
            waiting: bundle.waiting(),
            outbound: outbound(bundle).await,
            told: bundle.messages(),
        }
    }
}

/// The ids of what waits for systems outside.
async fn outbound(bundle: &Running) -> BTreeMap<String, BTreeSet<String>> {
    let read: BTreeSet<_> = bundle.stack.running().filter_map(Function::queue).collect();
    let mut outbound = BTreeMap::new();
    for queue in bundle.stack.registry().outbound.iter().map(|of| of.queue) {
        if !read.contains(queue) {
            let held = bundle.peek(queue).await;
            let ids = held.iter().filter_map(|message| {
                let event: Value = serde_json::from_str(&message.body).unwrap_or_default();
                event["id"].as_str().map(str::to_owned)
            });
            outbound.insert(queue.to_owned(), ids.collect());
        }
    }
    outbound
}
