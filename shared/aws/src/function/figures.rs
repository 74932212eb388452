//! What is counted of the things that a view shows, from how their rows change.
//!
//! The table is the truth: what a row was before comes back with the put, at no cost. So each beginning and each end
//! is counted once, however often and late its event comes.
//!
//! | metric | of | what it is |
//! | --- | --- | --- |
//! | `Opened` | view | things that began |
//! | `Ended` | view and phase; view and cause | things that ended, and how |
//! | `Took` | view | from beginning to end, each, in milliseconds |
//! | `Behind` | view | how far a row was behind its newest event when it was put, in milliseconds |
//! | `Open` | view and phase | how many are in it, each minute |
//! | `Oldest` | view and phase | for how long one has been in it that has been there longest, in seconds |
//! | `Overdue` | view | those that should have ended [`OVERDUE_AFTER`] ago, at least |

use std::time::Duration;

use eventsourcing::{ENDED_AT, PHASE, Timestamp, View, Viewed};

use crate::function::metrics::{Figure, FigureValue, Metrics};
use crate::store::view_reader::ViewRow;

/// How long after its deadline something that is still open is overdue: a deadline that passes is dealt with in
/// seconds, and a quarter of an hour is what a queue's retries may take on a day that is not quite good.
pub const OVERDUE_AFTER: Duration = Duration::from_mins(15);

pub(crate) const OPENED: &str = "Opened";
pub(crate) const ENDED: &str = "Ended";
pub(crate) const TOOK: &str = "Took";
pub(crate) const BEHIND: &str = "Behind";
pub(crate) const OPEN: &str = "Open";
pub(crate) const OLDEST: &str = "Oldest";
pub(crate) const OVERDUE: &str = "Overdue";

/// Tells what the row `after` says that `before` did not.
pub(crate) fn tell<V: View>(
    metrics: &mut Metrics,
    before: Option<&ViewRow>,
    after: &Viewed,
    behind: Option<Duration>,
) {
    let mut tell = |name, of: Option<(&'static str, &str)>, value| {
        let of = of.map(|(name, of)| (name, of.to_owned()));
        let view = V::NAME;
        metrics.tell(Figure { view, name, of }, value);
    };
    if before.is_none() {
        tell(OPENED, None, FigureValue::Count(1));
    }
    if let Some(behind) = behind {
        tell(
            BEHIND,
            None,
            FigureValue::Milliseconds(vec![milliseconds(behind)]),
        );
    }
    let Some(ended) = after.row.text_of(ENDED_AT) else {
        return;
    };
    if before.is_some_and(|before| before.text(ENDED_AT).is_some()) {
        return;
    }
    let ways = [Some(PHASE), V::FIGURES.cause.map(|(cause, _)| cause)];
    for attribute in ways.into_iter().flatten() {
        if let Some(way) = after.row.text_of(attribute) {
            tell(ENDED, Some((attribute, way)), FigureValue::Count(1));
        }
    }
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let began = after.row.text_of(V::FIGURES.began).and_then(time);
    if let Some((began, ended)) = began.zip(time(ended)) {
        let took = milliseconds(ended.since(began));
        tell(TOOK, None, FigureValue::Milliseconds(vec![took]));
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
