//! What a bad day took, and what it cost.

use std::fmt;
use std::time::Duration;

use aws_adapters::{Delivery, Outbox};
use bundle::{Function, Trigger};
use testkit::invariants::Evidence;
use testkit::prices::{Usage, gigabytes, queue_requests};
use testkit::running::{Letter, Running};

use super::trouble::Sky;

/// How often it is looked whether all is well again.
const LOOK: Duration = Duration::from_secs(5);

/// The figures of a day.
pub(super) struct Figures {
    messages: u64,
    retries: u64,
    throttled: u64,
    refused: usize,
    exhausted: usize,
    /// Commits that the relay saved in the outbox.
    pub(super) saved: usize,
    recovery: Duration,
    usage: Usage,
}

/// Waits until nothing is on its way any more but what has its time: deadlines, and answers that come late. How long
/// that took.
pub(super) async fn until_all_is_well(bundle: &Running) -> Duration {
    let began = bundle.age();
    let outbox = Outbox::new(
        bundle.observer.dynamodb.clone(),
        bundle.stack.names().outbox_table(),
    );
    let has_no_time =
        |function: &&Function| !function.waits() && !matches!(function.trigger, Trigger::Outbound(_));
    loop {
        let queues = bundle
            .stack
            .running()
            .filter(has_no_time)
            .filter_map(Function::queue);
        let held: usize = queues
            .map(|queue| bundle.count(queue))
            .map(|counts| counts.visible + counts.in_flight)
            .sum();
        let pending = outbox.count(Delivery::Pending).await;
        if held == 0 && pending.expect("the outbox can be read") == 0 {
            return bundle.age().saturating_sub(began);
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Figures {
    pub(super) fn of(bundle: &Running, sky: &Sky, evidence: &Evidence, recovery: Duration) -> Self {
        let (sqs, scheduler) = (
            bundle.stack.wire().sqs().totals(),
            bundle.stack.scheduler().totals(),
        );
        let units = bundle.stack.wire().dynamodb().totals().all();
        let invocations = sky.invocations();
        let ran = |function: &str| -> u32 {
            let minutes = invocations.get(function);
            minutes.into_iter().flat_map(|minutes| minutes.values()).sum()
        };
        let (mut all, mut memory) = (0.0, 0.0);
        for function in bundle.stack.running() {
            all += f64::from(ran(&function.name));
            memory += f64::from(ran(&function.name)) * gigabytes(function.memory_mb);
        }
        let exhausted = evidence
            .letters
            .iter()
            .filter(|letter| is_exhausted(letter))
            .count();
        Self {
            messages: sqs.sends,
            retries: bundle.stack.metrics().total().retried,
            throttled: sky.throttled(),
            refused: evidence.letters.len() - exhausted,
            exhausted,
            saved: evidence.outbox.len(),
            recovery,
            usage: Usage {
                write_units: units.write,
                read_units: units.read,
                queue_requests: number(queue_requests(&sqs)),
                schedules: number(scheduler.sent + scheduler.failed),
                invocations: all,
                memory,
            },
        }
    }
}

/// Whether a person has to see to a dead letter: it was right, and yet given up.
pub(super) fn is_exhausted(letter: &Letter) -> bool {
    letter.moved_by_sqs.is_some() || letter.attribute("error_code") == "exhausted"
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("a day has fewer than four billion of anything"))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "    {} messages, {} retries, {} throttled, {} commits saved in the outbox\n    \
             dead letters that need a person: {} (refused on purpose: {})\n    \
             all is well {:?} after its end; the day cost {:.4} USD",
            self.messages,
            self.retries,
            self.throttled,
            self.saved,
            self.exhausted,
            self.refused,
            self.recovery,
            self.usage.dollars()
        )
    }
}
