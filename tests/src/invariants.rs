//! What has to be true of a bundle at rest, whatever went wrong before, as somebody sees it who knows the
//! messages and not the code: all streams, dead-letter queues and the outbox, read raw and judged anew.
//!
//! | module | what it judges |
//! | --- | --- |
//! | `streams` | each stream by itself: commits tile it, ids are the computed ones, one command has one effect, and events follow each other as they may |
//! | `orders` | what cart, order, payment and shipment say of each other |
//! | `groups` | what a group says of itself, and of its guests |
//! | `messages` | what became of the messages: nothing waits, refusals have a reason, what was told was heard |
//!
//! A [`Findings::violations`] may never be, not even while the bundle works. What is in [`Findings::open`]
//! has not come to its end: at rest that is as wrong, unless a dead letter still holds it up.

mod groups;
mod messages;
mod orders;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::bundle::{Bundle, Item, Letter};
use streams::Streams;

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

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What may never be.
    pub violations: Vec<String>,
    /// What has not come to its end.
    pub open: Vec<String>,
    /// What there is.
    pub counts: Counts,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events in the table.
    pub events: usize,
    /// Orders that were initialized.
    pub orders: usize,
    /// Of them, those that completed.
    pub completed: usize,
    /// Of them, those that were cancelled.
    pub cancelled: usize,
    /// Groups that were initiated.
    pub groups: usize,
    /// Of them, those that ended.
    pub groups_ended: usize,
    /// Dead letters that can't be helped: malformed or against the rules.
    pub refused: usize,
    /// Dead letters that a redrive may help: exhausted, or moved by SQS itself.
    pub exhausted: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} orders ({} completed, {} cancelled), {} of {} groups ended, {} events, {} messages refused, \
             {} exhausted",
            self.orders,
            self.completed,
            self.cancelled,
            self.groups_ended,
            self.groups,
            self.events,
            self.refused,
            self.exhausted
        )
    }
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

    /// Judges it.
    pub fn judge(&self) -> Findings {
        let mut findings = Findings::default();
        let streams = Streams::read(&self.commits, &mut findings);
        orders::judge(&streams, &mut findings);
        groups::judge(&streams, &self.notified, &mut findings);
        messages::judge(self, &streams, &mut findings);
        findings
    }
}

impl Findings {
    /// What there is to be found in a bundle.
    pub async fn of(bundle: &Bundle) -> Self {
        Evidence::of(bundle).await.judge()
    }

    /// All that is wrong with a bundle at rest.
    pub fn problems(&self) -> Vec<&str> {
        let all = self.violations.iter().chain(&self.open);
        all.map(String::as_str).collect()
    }

    fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    fn open(&mut self, what: String) {
        self.open.push(what);
    }

    /// A violation unless it holds.
    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violation(otherwise());
        }
    }

    /// Open unless it has come about.
    fn awaits(&mut self, done: bool, otherwise: impl FnOnce() -> String) {
        if !done {
            self.open(otherwise());
        }
    }
}
