//! What has to be true of a bundle at rest, whatever went wrong before, as somebody sees it who knows the
//! messages and not the code: all streams, dead-letter queues and the outbox, read raw and judged anew.
//!
//! | module | what it judges |
//! | --- | --- |
//! | `evidence` | nothing: it is what there is to be seen |
//! | `findings` | nothing: it is what was found |
//! | `streams` | each stream by itself: commits tile it, ids are the computed ones, one command has one effect, and events follow each other as they may |
//! | `orders` | what cart, order, payment and shipment say of each other |
//! | `groups` | what a group says of itself, and of its guests |
//! | `messages` | what became of the messages: nothing waits, refusals have a reason, what was told was heard |
//!
//! A [`Findings::violations`] may never be, not even while the bundle works. What is in [`Findings::open`]
//! has not come to its end: at rest that is as wrong, unless a dead letter still holds it up.

mod evidence;
mod findings;
mod groups;
mod messages;
mod orders;
mod streams;

use crate::bundle::Bundle;
pub use evidence::Evidence;
pub use findings::{Counts, Findings};
use streams::Streams;

impl Evidence {
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
}
