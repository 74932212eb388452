//! A schedule, rule by rule:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use embedded_aws::Clock;
use embedded_aws::mapping::schedule::{Settings, run};
use embedded_aws::mapping::{Function, MappingError};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{ACCOUNT, Probe, REGION, Reply, Running, Stack, seconds};

fn every(period: u64) -> Settings {
    Settings {
        rule: "sweep".to_owned(),
        period: seconds(period),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        maximum_retry_attempts: 2,
    }
}

fn start(settings: Settings, probe: &Arc<Probe>) -> Running<MappingError> {
    let function = probe.function(&Stack::new());
    Running::start(|status, shutdown| run(settings, function, status, shutdown))
}

#[tokio::test(start_paused = true)]
async fn an_event_has_the_shape_that_eventbridge_documents() {
    let probe = Probe::content();
    let mapping = start(every(60), &probe);
    mapping.until(|| probe.invocations().len() == 1).await;
    let mut event = probe.invocations().remove(0).payload;
    assert!(event["id"].take().is_string());
    assert_eq!(
        event,
        json!({
            "version": "0",
            "id": null,
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-01-01T00:01:00Z",
            "region": "eu-central-1",
            "resources": ["arn:aws:events:eu-central-1:123456789012:rule/sweep"],
            "detail": {},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_event_comes_after_one_period_and_then_one_in_each() {
    let probe = Probe::content();
    let began = Instant::now();
    let mapping = start(every(3_600), &probe);
    mapping.until(|| probe.invocations().len() == 24).await;
    let hours: Vec<_> = probe
        .times()
        .iter()
        .map(|at| (*at - began).as_secs() / 3_600)
        .collect();
    assert_eq!(hours, (1..=24).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_failed_invocation_is_repeated_after_one_minute_and_after_two_more() {
    let probe = Probe::new(|_, _| Reply::Fail);
    let mapping = start(every(3_600), &probe);
    mapping.until(|| probe.invocations().len() == 3).await;
    sleep(seconds(1_000)).await;
    let times = probe.times();
    assert_eq!(times.len(), 3);
    assert_eq!(
        [times[1] - times[0], times[2] - times[1]],
        [seconds(60), seconds(120)]
    );
    assert!(mapping.status.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_running_invocation_is_finished_at_shutdown() {
    let probe = Probe::new(|_, _| Reply::After(seconds(20)));
    let mapping = start(every(60), &probe);
    mapping.until(|| mapping.status.activity().running == 1).await;
    let status = mapping.status.clone();
    mapping.stop().await.unwrap();
    assert_eq!(status.activity().invocations, 1);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_of_whole_minutes() {
    for period in [0, 30, 61] {
        let error = every(period).check().unwrap_err().to_string();
        assert!(error.contains("whole minutes"), "{error}");
    }
    every(120).check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_moved_ahead_by_a_period_brings_an_event_at_once() {
    let probe = Probe::content();
    let began = Instant::now();
    let clock = Clock::following(Arc::new(move || {
        UNIX_EPOCH + seconds(1_800_000_000) + began.elapsed()
    }));
    let function = Function {
        clock: clock.clone(),
        ..probe.function(&Stack::new())
    };
    let mapping = Running::start(|status, shutdown| run(every(3_600), function, status, shutdown));
    mapping.until(|| mapping.status.activity().listening).await;
    assert!(clock.move_ahead(seconds(1_800)));
    sleep(seconds(10)).await;
    assert_eq!(probe.invocations().len(), 0);
    assert!(clock.move_ahead(seconds(1_800)));
    mapping.until(|| probe.invocations().len() == 1).await;
    assert!(clock.move_ahead(seconds(86_400)));
    mapping.until(|| probe.invocations().len() == 2).await;
    assert!(began.elapsed() < seconds(60));
    // What comes by itself comes as before.
    mapping.until(|| probe.invocations().len() == 3).await;
    assert_eq!(began.elapsed().as_secs(), 3_600);
}
