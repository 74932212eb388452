//! What has to be true of the business at rest, whatever went wrong before. It knows the published names and
//! formats but none of the domain's code, so that the two can't be wrong together.
//!
//! | module | what it judges |
//! | --- | --- |
//! | `grammar` | which event may follow which in a stream |
//! | `orders` | what cart, order, payment and shipment say of each other |
//! | `groups` | what a group says of itself, and of its guests |
//! | `told` | what people and gateways said was heard |
//! | `noticed` | tests: a wrong world for each of these is noticed |
//!
//! What is true of every business (each stream, dead letters, the outbox) the test kit judges.

#[path = "../../../shared/domain/tests/rules/grammar.rs"]
mod grammar;
mod groups;
mod noticed;
mod orders;
mod told;

use std::fmt;

use testkit::invariants::streams::{Streams, has};
use testkit::invariants::{self, Evidence, views};
use testkit::running::Running;

/// The queue that tells people of groups.
const NOTIFICATIONS: &str = "group-checkout-notifications";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// What may never be.
    pub(crate) violations: Vec<String>,
    /// What has not come to its end.
    pub(crate) open: Vec<String>,
    /// What there is.
    pub(crate) counts: Counts,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Events in the table.
    pub(crate) events: usize,
    /// Orders that were initialized.
    pub(crate) orders: usize,
    /// Of them, those that completed.
    pub(crate) completed: usize,
    /// Of them, those that were cancelled.
    pub(crate) cancelled: usize,
    /// Groups that were initiated.
    pub(crate) groups: usize,
    /// Of them, those that ended.
    pub(crate) groups_ended: usize,
    /// Dead letters that can't be helped: malformed or against the rules.
    pub(crate) refused: usize,
    /// Dead letters that a redrive may help: exhausted, or moved by SQS itself.
    pub(crate) exhausted: usize,
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

impl Findings {
    /// What there is to be found in a bundle.
    pub(crate) async fn of(bundle: &Running) -> Self {
        let mut findings = judge(&Evidence::of(bundle).await);
        views::judge(bundle, &mut findings.violations, &mut findings.open).await;
        findings
    }

    /// All that is wrong with a bundle at rest.
    pub(crate) fn problems(&self) -> Vec<&str> {
        let all = self.violations.iter().chain(&self.open);
        all.map(String::as_str).collect()
    }
}

/// Judges what there is to be seen from outside.
pub(crate) fn judge(evidence: &Evidence) -> Findings {
    let (streams, mut findings) = evidence.judge();
    streams.follow(grammar::grammar, &mut findings);
    orders::judge(&streams, &mut findings);
    let notified = evidence.outbound.get(NOTIFICATIONS);
    groups::judge(&streams, &notified.cloned().unwrap_or_default(), &mut findings);
    told::judge(evidence, &streams, &mut findings);
    let counts = counts(&streams, &findings);
    let invariants::Findings { violations, open, .. } = findings;
    Findings {
        violations,
        open,
        counts,
    }
}

fn counts(streams: &Streams, findings: &invariants::Findings) -> Counts {
    let mut counts = Counts {
        events: findings.events,
        refused: findings.refused,
        exhausted: findings.exhausted,
        ..Counts::default()
    };
    for (_, order) in streams.all("order") {
        if has(order, "OrderInitialized") {
            counts.orders += 1;
            counts.completed += usize::from(has(order, "OrderCompleted"));
            counts.cancelled += usize::from(has(order, "OrderCancelled"));
        }
    }
    for (_, group) in streams.all("groupCheckout") {
        if has(group, "GroupCheckoutInitiated") {
            counts.groups += 1;
            counts.groups_ended += group.iter().filter(|event| groups::is_ending(event)).count();
        }
    }
    counts
}
