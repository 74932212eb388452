//! Metrics in `CloudWatch`'s embedded format: a line on standard output per invocation, no call.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::sync::Arc;

use eventsourcing::{Clock, Timestamp};
use serde_json::{Map, Value as Json, json};

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
    /// What views show of the business.
    pub figures: BTreeMap<Figure, FigureValue>,
}

/// What is told of the things that a view shows, and of which of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// The view.
    pub view: &'static str,
    /// The metric's name.
    pub name: &'static str,
    /// What tells those that are meant from the others, such as `phase` and what it is; none for all.
    pub of: Option<(&'static str, String)>,
}

/// How much it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FigureValue {
    /// So many more.
    Count(u64),
    /// So many at the moment.
    Level(u64),
    /// How long each of them took, in milliseconds.
    Milliseconds(Vec<u64>),
    /// How long it is at the moment, in seconds.
    Seconds(u64),
}

impl FigureValue {
    /// Adds what came later; of a level only that counts.
    fn add(&mut self, later: &Self) {
        match (self, later) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (Self::Milliseconds(all), Self::Milliseconds(more)) => {
                all.extend(more);
                let oldest = all.len().saturating_sub(MOST_KEPT);
                all.drain(..oldest);
            }
            (value, level) => *value = level.clone(),
        }
    }

    fn unit(&self) -> &'static str {
        match self {
            Self::Count(_) | Self::Level(_) => "Count",
            Self::Milliseconds(_) => "Milliseconds",
            Self::Seconds(_) => "Seconds",
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Count(count) | Self::Level(count) | Self::Seconds(count) => json!(count),
            Self::Milliseconds(all) => json!(all.iter().take(MOST_VALUES).collect::<Vec<_>>()),
        }
    }
}

/// The most durations that are kept, the newest of them: a stack on one machine adds its metrics up for as long as it
/// runs.
const MOST_KEPT: usize = 10_000;

/// The most values of one metric in a line. No invocation handles as many messages.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
const MOST_VALUES: usize = 100;

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
        for (figure, value) in &other.figures {
            self.tell(figure.clone(), value.clone());
        }
    }

    /// Adds a figure.
    pub fn tell(&mut self, figure: Figure, value: FigureValue) {
        match self.figures.entry(figure) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => entry.get_mut().add(&value),
        }
    }

    /// All lines: that of the function's own counts, and one for each of what its figures are about.
    pub fn lines(&self, stack: &str, function: &str, now: Timestamp) -> Vec<Json> {
        let mut about: BTreeMap<_, Vec<(&'static str, &FigureValue)>> = BTreeMap::new();
        for (figure, value) in &self.figures {
            let told = about.entry((figure.view, &figure.of)).or_default();
            told.push((figure.name, value));
        }
        let figures = about.into_iter().map(|((view, of), figures)| {
            let mut dimensions = vec![("stack", stack), ("view", view)];
            dimensions.extend(of.as_ref().map(|(name, value)| (*name, value.as_str())));
            let figures = figures.into_iter();
            let figures = figures.map(|(name, value)| (name, value.unit(), value.json()));
            line(&dimensions, figures.collect(), now)
        });
        self.embedded(stack, function, now)
            .into_iter()
            .chain(figures)
            .collect()
    }

    /// The line, with the stack and the function as dimensions; none if there is nothing to tell. A metric is billed
    /// for each month in which it is written, so zeros are not: graphs and alarms take what is missing for zero.
    /// Duration and cold starts Lambda tells by itself.
    pub fn embedded(&self, stack: &str, function: &str, now: Timestamp) -> Option<Json> {
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
        let counts: Vec<_> = counts
            .map(|(name, count)| (name, "Count", json!(count)))
            .collect();
        (!counts.is_empty()).then(|| line(&[("stack", stack), ("function", function)], counts, now))
    }
}

/// A line that tells metrics, by name, unit and value.
fn line(
    dimensions: &[(&str, &str)],
    metrics: Vec<(&'static str, &'static str, Json)>,
    now: Timestamp,
) -> Json {
    let definitions = metrics
        .iter()
        .map(|(name, unit, _)| json!({ "Name": name, "Unit": unit }));
    let names = dimensions.iter().map(|(name, _)| *name);
    let mut line = Map::new();
    line.insert(
        "_aws".into(),
        json!({
            "Timestamp": now.millis(),
            "CloudWatchMetrics": [{
                "Namespace": "SagaBundle",
                "Dimensions": [names.collect::<Vec<_>>()],
                "Metrics": definitions.collect::<Vec<_>>(),
            }],
        }),
    );
    line.extend(
        dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value))),
    );
    line.extend(
        metrics
            .into_iter()
            .map(|(name, _, value)| (name.to_owned(), value)),
    );
    Json::Object(line)
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
        for line in metrics.lines(&self.stack, function, now) {
            if let Err(error) = writeln!(std::io::stdout(), "{line}") {
                tracing::warn!(%error, function, "metrics could not be written");
            }
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
    fn each_thing_that_figures_are_about_has_a_line_with_its_dimensions() {
        let figure = |name, of: Option<&str>| Figure {
            view: "loans",
            name,
            of: of.map(|phase| ("phase", phase.to_owned())),
        };
        let mut metrics = Metrics::default();
        metrics.tell(figure("Ended", Some("returned")), FigureValue::Count(1));
        metrics.tell(figure("Ended", Some("returned")), FigureValue::Count(2));
        metrics.tell(figure("Took", None), FigureValue::Milliseconds(vec![5]));
        metrics.tell(figure("Took", None), FigureValue::Milliseconds(vec![7]));
        metrics.tell(figure("Open", Some("lent")), FigureValue::Level(3));
        metrics.tell(figure("Open", Some("lent")), FigureValue::Level(1));
        let lines = metrics.lines("shop", "view-loans", Timestamp::from_millis(5));
        let told = |line: &Json| {
            let told = &line["_aws"]["CloudWatchMetrics"][0];
            (
                told["Dimensions"][0].clone(),
                line["phase"].clone(),
                told["Metrics"].clone(),
            )
        };
        let count = |name| json!([{ "Name": name, "Unit": "Count" }]);
        let [took, lent, returned] = &lines[..] else {
            panic!("three lines: {lines:?}");
        };
        let took_in = json!([{ "Name": "Took", "Unit": "Milliseconds" }]);
        assert_eq!(told(took), (json!(["stack", "view"]), Json::Null, took_in));
        assert_eq!(took["Took"], json!([5, 7]));
        let dimensions = json!(["stack", "view", "phase"]);
        assert_eq!(told(lent), (dimensions.clone(), json!("lent"), count("Open")));
        assert_eq!(lent["Open"], 1);
        assert_eq!(told(returned), (dimensions, json!("returned"), count("Ended")));
        assert_eq!(returned["Ended"], 3);
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
