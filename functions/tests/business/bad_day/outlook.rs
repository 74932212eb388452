//! What `CloudWatch` would have counted of a bad day, minute by minute, and whether an alarm of the template rings by
//! it.

use std::collections::BTreeMap;
use std::time::Duration;

use eventsourcing::Timestamp;
use testkit::invariants::Evidence;
use testkit::running::{START, text};

use super::trouble::Sky;
use crate::template::rules::alarms::{Minutes, rings_between};

/// After how many minutes of the day an alarm rings, if it does. That it rings before is a failure.
pub(super) fn rings(
    alarm: &str,
    sky: &Sky,
    evidence: &Evidence,
    well: Duration,
    lasts: Duration,
) -> Option<u32> {
    let invocations = sky.invocations();
    let counted = |metric: &str, of: &[String]| -> Minutes {
        let name = of.first().map(|name| name.replace("${AWS::StackName}-", ""));
        let name = name.unwrap_or_default();
        match metric {
            "Invocations" => invocations
                .get(&name)
                .into_iter()
                .flatten()
                .map(|(minute, count)| (*minute, f64::from(*count)))
                .collect(),
            "SuccessfulRequestLatency" => commits(evidence),
            other => panic!("nobody counts {other}"),
        }
    };
    rings_between(alarm, minutes(well), minutes(well + lasts), counted)
}

/// Commits that were stored, minute by minute.
fn commits(evidence: &Evidence) -> Minutes {
    let start = Timestamp::from_millis(i64::try_from(START.as_millis()).unwrap_or(i64::MAX));
    let mut stored = BTreeMap::new();
    for item in &evidence.commits {
        if let Ok(at) = text(item, "committed_at").parse::<Timestamp>() {
            *stored.entry(minutes(at.since(start))).or_default() += 1.0;
        }
    }
    stored
}

fn minutes(time: Duration) -> u32 {
    u32::try_from(time.as_secs() / 60).unwrap_or(u32::MAX)
}
