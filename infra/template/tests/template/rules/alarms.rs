//! Alarms on a bad day: each metric that an alarm watches is moved, or stopped, in the metrics of a stack that is
//! well otherwise, and the alarm is evaluated minute by minute as `CloudWatch` does.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document;
use super::document::text;
use super::expression::{Filling, Series, combined};

/// A metric, by namespace, name and what it is of.
type Key = (String, String, Vec<String>);

/// What a metric was in each minute in which there was any of it.
pub(crate) type Minutes = BTreeMap<u32, f64>;

/// For how long the stack has been well when the bad day begins.
const WELL: u32 = 60;
/// For how long it goes on.
const BAD: u32 = 600;
/// The shortest deadline that alarms are made for, in minutes.
const SHORTEST_DEADLINE: u32 = 15;

/// The metrics of a stack.
#[derive(Clone, Debug, Default)]
struct World(BTreeMap<Key, Minutes>);

impl World {
    /// All that an alarm watches, of a stack that is well, and busy if so.
    fn well(alarms: &[Alarm], busy: bool) -> Self {
        let mut world = Self::default();
        for key in alarms.iter().flat_map(|alarm| &alarm.metrics) {
            let each_minute = match (key.1.as_str(), busy) {
                ("ApproximateNumberOfMessagesVisible", _) | ("Errors" | "Throttles", true) => Some(0.0),
                ("ApproximateAgeOfOldestMessage", _) => Some(if busy { 4.0 } else { 0.0 }),
                ("Invocations", _) if is_scheduled(key) => Some(1.0),
                ("Invocations" | "SuccessfulRequestLatency", true) => Some(60.0),
                ("IteratorAge", true) => Some(700.0),
                // Counted only when there is something to count.
                _ => None,
            };
            if let Some(value) = each_minute {
                world.set(key, 0..WELL + BAD, |_| Some(value));
            }
        }
        world
    }

    fn set(&mut self, key: &Key, minutes: impl IntoIterator<Item = u32>, value: impl Fn(u32) -> Option<f64>) {
        let series = self.0.entry(key.clone()).or_default();
        for minute in minutes {
            match value(minute) {
                Some(value) => series.insert(minute, value),
                None => series.remove(&minute),
            };
        }
    }

    /// The same with a metric moved, or stopped, from the beginning of the bad day until a minute.
    fn with(&self, key: &Key, until: u32, value: impl Fn(u32) -> Option<f64>) -> Self {
        let mut world = self.clone();
        world.set(key, WELL..until, |minute| value(minute - WELL));
        world
    }
}

/// Whether it is of a function that runs each minute, whatever happens.
fn is_scheduled(key: &Key) -> bool {
    let scheduled = ["-sweep-outbox", "-watch-views"];
    let is_of = |dimension: &String| scheduled.iter().any(|name| dimension.ends_with(name));
    key.2.iter().any(is_of)
}

/// An alarm of the template.
#[derive(Clone, Debug)]
struct Alarm {
    id: String,
    metrics: Vec<Key>,
    statistics: Vec<String>,
    expression: String,
    /// A period, in minutes.
    period: u32,
    breaching: usize,
    of: u32,
    threshold: f64,
    missing: String,
}

impl Alarm {
    fn read(id: &str, alarm: &Value) -> Self {
        let properties = &alarm["Properties"];
        let queries = properties["Metrics"].as_array().expect("metrics");
        let (expressions, series): (Vec<_>, Vec<_>) =
            queries.iter().partition(|query| query["Expression"].is_string());
        let [expression] = expressions[..] else {
            panic!("{id} has one expression");
        };
        let periods: BTreeSet<_> = series
            .iter()
            .map(|query| number(&query["MetricStat"]["Period"]))
            .collect();
        assert_eq!(periods.len(), 1, "{id}: one period for all");
        assert_eq!(properties["ComparisonOperator"], "GreaterThanThreshold", "{id}");
        Self {
            id: id.to_owned(),
            metrics: series
                .iter()
                .map(|query| key(&query["MetricStat"]["Metric"]))
                .collect(),
            statistics: series
                .iter()
                .map(|query| text(&query["MetricStat"]["Stat"]).to_owned())
                .collect(),
            expression: text(&expression["Expression"]).to_owned(),
            period: number(&series[0]["MetricStat"]["Period"]) / 60,
            breaching: number(&properties["DatapointsToAlarm"]) as usize,
            of: number(&properties["EvaluationPeriods"]),
            threshold: f64::from(number(&properties["Threshold"])),
            missing: text(&properties["TreatMissingData"]).to_owned(),
        }
    }

    /// What an alarm shows at a minute's end that showed `before`.
    fn evaluated(&self, world: &World, minute: u32, before: bool) -> bool {
        let periods: Vec<u32> = (0..self.of)
            .rev()
            .map(|back| (minute + 1).saturating_sub((back + 1) * self.period))
            .collect();
        let series = self.metrics.iter().zip(&self.statistics).zip(1..);
        let series: BTreeMap<String, Series> = series
            .map(|((key, statistic), number)| {
                let minutes = world.0.get(key);
                let points = periods.iter().map(|start| {
                    let minutes = minutes?.range(*start..start + self.period);
                    let values: Vec<f64> = minutes.map(|(_, value)| *value).collect();
                    if values.is_empty() {
                        return None;
                    }
                    Some(match statistic.as_str() {
                        // The world counts requests.
                        "Sum" | "SampleCount" => values.iter().sum(),
                        "Maximum" => values.iter().copied().fold(f64::MIN, f64::max),
                        other => panic!("{}: nobody evaluates {other}", self.id),
                    })
                });
                (format!("m{number}"), points.collect())
            })
            .collect();
        // CloudWatch's page does not say whether a series without any data can be filled. If it mattered, nobody
        // could rely on the alarm.
        let [shows, otherwise] = [Filling::WhatHasData, Filling::Everything].map(|filling| {
            let points = combined(&self.expression, &series, filling);
            self.judged(&points, before)
        });
        assert_eq!(shows, otherwise, "{} hangs on what can be filled", self.id);
        shows
    }

    fn judged(&self, points: &[Option<f64>], before: bool) -> bool {
        let there: Vec<f64> = points.iter().copied().flatten().collect();
        let missing = points.len() - there.len();
        let over = there.iter().filter(|point| **point > self.threshold).count();
        match self.missing.as_str() {
            "ignore" if there.is_empty() => before,
            "ignore" | "notBreaching" => over >= self.breaching,
            "breaching" => over + missing >= self.breaching,
            other => panic!("{}: nobody evaluates {other}", self.id),
        }
    }

    /// The minutes of the bad day after which it rings, and after which it is over again.
    fn rings(&self, world: &World) -> (Option<u32>, Option<u32>) {
        self.rings_between(world, WELL, WELL + BAD)
    }

    /// The same of a day that begins and ends then.
    fn rings_between(&self, world: &World, begins: u32, ends: u32) -> (Option<u32>, Option<u32>) {
        let (mut rings, mut over, mut shows) = (None, None, false);
        for minute in self.of * self.period..ends {
            let before = shows;
            shows = self.evaluated(world, minute, before);
            assert!(
                minute >= begins || !shows,
                "{} rings in minute {minute}, when all is well",
                self.id
            );
            if shows && !before && rings.is_none() {
                rings = Some(minute + 1 - begins);
            }
            if before && !shows {
                over = Some(minute + 1 - begins);
            }
        }
        (rings, over)
    }
}

fn key(metric: &Value) -> Key {
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
    let dimensions = dimensions.map(|dimension| text(&dimension["Value"]).to_owned());
    (
        text(&metric["Namespace"]).to_owned(),
        text(&metric["MetricName"]).to_owned(),
        dimensions.collect(),
    )
}

fn number(value: &Value) -> u32 {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{value} is no number"))
}

fn all() -> Vec<Alarm> {
    let (_, document) = document();
    let alarms = document.of_type("AWS::CloudWatch::Alarm");
    alarms.map(|(id, alarm)| Alarm::read(id, alarm)).collect()
}

#[test]
fn no_alarm_rings_while_all_is_well_busy_or_not() {
    let alarms = all();
    for busy in [true, false] {
        let world = World::well(&alarms, busy);
        for alarm in &alarms {
            assert_eq!(alarm.rings(&world), (None, None), "{}", alarm.id);
        }
    }
}

/// Whatever an alarm watches is moved by itself, so that none is in an alarm for nothing.
#[test]
fn every_alarm_rings_in_time_for_each_of_its_metrics_and_stops_when_it_is_over() {
    let alarms = all();
    let well = World::well(&alarms, true);
    for alarm in &alarms {
        for key in &alarm.metrics {
            let until = WELL + 120;
            let (world, at_most) = match key.1.as_str() {
                "ApproximateNumberOfMessagesVisible" | "Parked" => (well.with(key, until, |_| Some(1.0)), 5),
                // It grows by a minute a minute, and there is a deadline to keep. Delayed messages are of that age
                // without any harm.
                "ApproximateAgeOfOldestMessage" => {
                    let at_most = SHORTEST_DEADLINE / 2;
                    let aged = |minute: u32| Some(f64::from(minute) * 60.0);
                    let at_most = if alarm.id.contains("Deadlines") {
                        22
                    } else {
                        at_most
                    };
                    (well.with(key, until, aged), at_most)
                }
                "IteratorAge" => (
                    well.with(key, until, |minute| Some(f64::from(minute) * 60_000.0)),
                    5,
                ),
                // Somebody switches the trigger off.
                "Invocations" => (well.with(key, until, |_| None), 5),
                // It is the other half of the relay's silence, above.
                "SuccessfulRequestLatency" => continue,
                "Errors" | "Throttles" | "ReadThrottleEvents" | "WriteThrottleEvents" => {
                    (well.with(key, until, |_| Some(3.0)), 10)
                }
                _ => (well.with(key, until, |_| Some(1.0)), 5),
            };
            let (rings, over) = alarm.rings(&world);
            let rings = rings.unwrap_or_else(|| panic!("{} never rings for {key:?}", alarm.id));
            assert!(
                rings <= at_most,
                "{} rings for {key:?} after {rings} minutes, not {at_most}",
                alarm.id
            );
            let over = over.unwrap_or_else(|| panic!("{} goes on ringing after {key:?}", alarm.id));
            assert!((120..140).contains(&over), "{} is over after {over}", alarm.id);
        }
    }
}

/// SQS has no metrics of a queue that nobody has touched for six hours; the letters are there all the same.
#[test]
fn an_alarm_of_dead_letters_does_not_fall_asleep_when_nobody_touches_their_queue() {
    let alarms = all();
    let well = World::well(&alarms, true);
    let watching = |alarm: &&Alarm| alarm.id.contains("DeadLetters");
    for alarm in alarms.iter().filter(watching) {
        let mut world = well.clone();
        for key in &alarm.metrics {
            world.set(key, WELL + 1..WELL + BAD, |_| None);
        }
        world.set(&alarm.metrics[0], WELL..WELL + 60, |_| Some(2.0));
        let (rings, over) = alarm.rings(&world);
        assert!(
            rings.is_some() && over.is_none(),
            "{}: {rings:?}, {over:?}",
            alarm.id
        );
    }
}

fn named(id: &str) -> Alarm {
    let found = all().into_iter().find(|alarm| alarm.id == id);
    found.unwrap_or_else(|| panic!("there is no alarm {id}"))
}

/// After how many minutes of a day that begins and ends then the alarm of that id rings, if it does. What each metric
/// was that it watches, by its name and what it is of, says `counted`. It fails if the alarm rings before.
pub(crate) fn rings_between(
    id: &str,
    begins: u32,
    ends: u32,
    counted: impl Fn(&str, &[String]) -> Minutes,
) -> Option<u32> {
    let alarm = named(id);
    let metrics = alarm.metrics.iter().cloned();
    let world = World(
        metrics
            .map(|key| (key.clone(), counted(&key.1, &key.2)))
            .collect(),
    );
    alarm.rings_between(&world, begins, ends).0
}

/// A sweeper that has not run for three minutes is told; one that was late once is not.
#[test]
fn a_sweeper_that_is_late_once_is_not_told_and_one_that_stops_is() {
    let rings = |minutes: &dyn Fn(u32) -> bool| {
        let runs = (0..WELL + BAD).filter(|minute| minutes(*minute));
        let runs: Minutes = runs.map(|minute| (minute, 1.0)).collect();
        rings_between("SweeperSilentAlarm", WELL, WELL + BAD, |_, _| runs.clone())
    };
    assert_eq!(rings(&|minute| minute != WELL + 5), None);
    assert_eq!(rings(&|minute| minute < WELL), Some(3));
}

/// A stack without work stores nothing, and its relay has nothing to do.
#[test]
fn a_relay_that_is_off_is_told_only_while_events_are_stored() {
    let alarms = all();
    let silent = named("RelaySilentAlarm");
    let idle = World::well(&alarms, false);
    assert_eq!(silent.rings(&idle), (None, None));
    let stored = idle.with(&silent.metrics[1], WELL + BAD, |_| Some(5.0));
    let (rings, over) = silent.rings(&stored);
    assert!(rings.is_some_and(|rings| rings <= 5) && over.is_none());
}
