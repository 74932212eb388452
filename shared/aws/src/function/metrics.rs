//! Metrics in `CloudWatch`'s embedded format: a line on standard output per invocation, no call.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use eventsourcing::{Clock, Timestamp};
use serde_json::{Map, Value, json};

/// What one invocation counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Records that were dealt with: done, or found done before.
    pub handled: u64,
    /// Records that went to the dead-letter queue with a reason.
    pub refused: u64,
    /// Records that come again.
    pub retried: u64,
    /// Appends that somebody else was ahead of.
    pub conflicts: u64,
    /// Commits that the relay put into the outbox, or that the sweeper could not deliver from there.
    pub undelivered: u64,
    /// What the outbox holds, if it was counted.
    pub backlog: Option<Backlog>,
    /// Recorded contradictions, by the event's type: facts that came too late to count.
    pub late_facts: BTreeMap<&'static str, u64>,
}

/// What the outbox holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries that the sweeper goes on sending.
    pub pending: u64,
    /// Entries that wait for a person.
    pub parked: u64,
}

impl Metrics {
    /// Counts the events that tell of a late fact: by convention those whose type ends in `Late`.
    pub fn count_late_facts<'a>(&mut self, recorded: impl IntoIterator<Item = &'a &'static str>) {
        for event_type in recorded
            .into_iter()
            .filter(|event_type| event_type.ends_with("Late"))
        {
            *self.late_facts.entry(event_type).or_default() += 1;
        }
    }

    /// Adds the counts of `other`; of the backlog, which is a level, the newer one counts.
    pub fn add(&mut self, other: &Self) {
        self.handled += other.handled;
        self.refused += other.refused;
        self.retried += other.retried;
        self.conflicts += other.conflicts;
        self.undelivered += other.undelivered;
        self.backlog = other.backlog.or(self.backlog);
        for (event_type, count) in &other.late_facts {
            *self.late_facts.entry(event_type).or_default() += count;
        }
    }

    /// The line, with the stack and the function as dimensions; none if there is nothing to tell. A metric is billed
    /// for each month in which it is written, so zeros are not: graphs and alarms take what is missing for zero.
    /// Duration and cold starts Lambda tells by itself.
    pub fn embedded(&self, stack: &str, function: &str, now: Timestamp) -> Option<Value> {
        let Backlog { pending, parked } = self.backlog.unwrap_or_default();
        let own = [
            ("Handled", self.handled),
            ("Refused", self.refused),
            ("Retried", self.retried),
            ("Conflicts", self.conflicts),
            ("Undelivered", self.undelivered),
            ("Pending", pending),
            ("Parked", parked),
        ];
        let late_facts = self
            .late_facts
            .iter()
            .map(|(event_type, count)| (*event_type, *count));
        let counts = own.into_iter().chain(late_facts).filter(|(_, count)| *count > 0);
        let counts: Vec<_> = counts.collect();
        if counts.is_empty() {
            return None;
        }
        let definitions: Vec<_> = counts
            .iter()
            .map(|(name, _)| json!({ "Name": name, "Unit": "Count" }))
            .collect();
        let mut line = Map::new();
        line.insert(
            "_aws".into(),
            json!({
                "Timestamp": now.millis(),
                "CloudWatchMetrics": [{
                    "Namespace": "SagaBundle",
                    "Dimensions": [["stack", "function"]],
                    "Metrics": definitions,
                }],
            }),
        );
        line.insert("stack".into(), stack.into());
        line.insert("function".into(), function.into());
        line.extend(
            counts
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count.into())),
        );
        Some(Value::Object(line))
    }
}

/// Where metrics go.
pub trait MetricSink: Send + Sync {
    /// Takes what one invocation of `function` counted.
    fn emit(&self, function: &str, metrics: &Metrics, now: Timestamp);
}

/// Emits what each invocation of one function counted.
pub(crate) struct Meter {
    function: &'static str,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn MetricSink>,
}

impl Meter {
    /// The meter of a function.
    pub(crate) fn new(function: &'static str, clock: Arc<dyn Clock>, sink: Arc<dyn MetricSink>) -> Self {
        Self {
            function,
            clock,
            sink,
        }
    }

    /// Emits the counts of an invocation that ends now.
    pub(crate) fn emit(&self, metrics: &Metrics) {
        self.sink.emit(self.function, metrics, self.clock.now());
    }
}

/// To standard output, where Lambda picks them up.
#[derive(Clone, Debug)]
pub struct StdoutMetrics {
    /// The stack's name.
    pub stack: String,
}

impl MetricSink for StdoutMetrics {
    fn emit(&self, function: &str, metrics: &Metrics, now: Timestamp) {
        let Some(line) = metrics.embedded(&self.stack, function, now) else {
            return;
        };
        if let Err(error) = writeln!(std::io::stdout(), "{line}") {
            tracing::warn!(%error, function, "metrics could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_each_metric_that_it_holds() {
        let mut metrics = Metrics {
            handled: 3,
            conflicts: 1,
            ..Metrics::default()
        };
        metrics.count_late_facts(&["BookReturnedLate", "BookReturned"]);
        let line = metrics.embedded("shop", "return-book", Timestamp::from_millis(5));
        let line = line.expect("there is something to tell");
        let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
            .as_array()
            .expect("a list");
        for metric in declared {
            assert!(
                line[metric["Name"].as_str().expect("a name")].is_u64(),
                "{metric}"
            );
        }
        assert_eq!(
            (&line["Handled"], &line["BookReturnedLate"]),
            (&json!(3), &json!(1))
        );
        assert_eq!(line["_aws"]["Timestamp"], 5);
        assert_eq!(line.get("Refused"), None);
    }

    #[test]
    fn an_invocation_that_had_nothing_to_do_writes_no_line() {
        let idle = Metrics {
            backlog: Some(Backlog::default()),
            ..Metrics::default()
        };
        assert_eq!(idle.embedded("shop", "sweep", Timestamp::from_millis(5)), None);
    }
}
