//! What has to be true of a bundle at rest, whatever went wrong before, as somebody sees it who knows the
//! messages and not the code: all streams, dead-letter queues and the outbox, read raw and judged anew.
//!
//! | module | what it judges |
//! | --- | --- |
//! | `evidence` | nothing: it is what there is to be seen |
//! | `findings` | nothing: it is what was found |
//! | [`streams`] | each stream by itself: commits tile it, ids are the computed ones, one command has one effect |
//! | `messages` | what became of the messages: nothing waits, refusals have a reason |
//! | [`views`] | each row is what a rebuild would make of its stream |
//!
//! A business adds what its own streams say of each other: it judges the [`Streams`], with a grammar for each
//! category, into the same [`Findings`].
//!
//! A [`Findings::violations`] may never be, not even while the bundle works. What is in [`Findings::open`]
//! has not come to its end: at rest that is as wrong, unless a dead letter still holds it up.

mod evidence;
mod findings;
mod messages;
pub mod streams;
pub mod views;

use crate::running::Running;
pub use evidence::Evidence;
pub use findings::Findings;
use streams::Streams;

impl Evidence {
    /// Judges it, and answers the streams as well, for whoever knows more of them.
    pub fn judge(&self) -> (Streams, Findings) {
        let mut findings = Findings::default();
        let streams = Streams::read(&self.commits, &mut findings);
        messages::judge(self, &mut findings);
        (streams, findings)
    }
}

impl Findings {
    /// What there is to be found in a bundle, whatever its business.
    pub async fn of(bundle: &Running) -> Self {
        let findings = Evidence::of(bundle).await.judge().1;
        findings.with_views(bundle).await
    }
}
