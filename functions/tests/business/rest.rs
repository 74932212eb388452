//! What a stack costs while nothing happens: computed from the template.

use aws_adapters::{Backlog, Metrics};
use bundle::Trigger;
use eventsourcing::{OPEN_SHARDS, Timestamp};
use testkit::prices::{BOUNDED_POLLERS, IDLE_POLLERS, MONTH_SECONDS, Resting};

use crate::pages::say;
use crate::template::rules::document;

/// What a sweep of an empty outbox reads: what is due, and the counts of what is pending and parked, each an
/// eventually consistent query of an index, which costs half a unit at least.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>
const READ_UNITS_OF_A_SWEEP: f64 = 3.0 * 0.5;

/// What it takes to look whether a view has anything open: an eventual query of each part of its index.
const READ_UNITS_OF_A_WATCH: f64 = OPEN_SHARDS as f64 * 0.5;

#[test]
fn what_it_costs_at_rest_stands_in_the_page() {
    let resting = resting();
    let without_dashboard = Resting {
        dashboards: 0.0,
        ..resting
    };
    let without_alarms = Resting {
        alarm_metrics: 0.0,
        ..without_dashboard
    };
    let (watched, unwatched) = (without_dashboard.dollars(), without_alarms.dollars());
    println!("{resting}");
    say(
        "functions/COSTS.md",
        "rest",
        &format!(
            "```text\n{resting}\n{:>24} {watched:>8.2} USD\n{:>24} {unwatched:>8.2} USD\n```\n",
            "DeployDashboard=false", "DeployAlarms=false"
        ),
    );
    assert!(
        watched <= 25.0,
        "alarms are to cost less: {watched:.2} USD a month"
    );
}

pub(crate) fn resting() -> Resting {
    let (registry, document) = document();
    // The simulators are not deployed where money is.
    let deployed = || {
        let functions = registry.functions.iter();
        functions.filter(|function| !matches!(function.trigger, Trigger::Outbound(_)))
    };
    let alarms = document.of_type("AWS::CloudWatch::Alarm");
    let metrics =
        alarms.flat_map(|(_, alarm)| alarm["Properties"]["Metrics"].as_array().into_iter().flatten());
    let times = deployed().filter_map(|function| match function.trigger {
        Trigger::Schedule(period) => Some(MONTH_SECONDS / period.as_secs_f64()),
        _ => None,
    });
    let unbounded = document.section("Parameters")["MaximumConcurrency"]["Default"] == "0";
    let polled = deployed().filter(|function| function.queue().is_some());
    let pollers = polled.map(|function| {
        if unbounded && function.batching.concurrency.is_none() {
            IDLE_POLLERS
        } else {
            BOUNDED_POLLERS
        }
    });
    // How often another view is looked at.
    let watched = number(deployed().map(|function| function.watches.len()).sum());
    Resting {
        pollers: pollers.sum(),
        alarm_metrics: number(metrics.filter(|metric| metric["MetricStat"].is_object()).count()),
        dashboards: number(document.of_type("AWS::CloudWatch::Dashboard").count()),
        scheduled_invocations: times.sum(),
        scheduled_read_units: MONTH_SECONDS / 60.0
            * (READ_UNITS_OF_A_SWEEP + watched * READ_UNITS_OF_A_WATCH),
        metrics_each: number(metrics_of_a_sweep()),
    }
}

fn metrics_of_a_sweep() -> usize {
    let metrics = Metrics {
        backlog: Some(Backlog {
            pending: 0,
            parked: 0,
        }),
        ..Metrics::default()
    };
    let line = metrics.embedded("shop", bundle::SWEEPER, Timestamp::from_millis(0));
    let written =
        line.and_then(|line| Some(line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array()?.len()));
    written.unwrap_or_default()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a template has fewer than four billion of anything"))
}
