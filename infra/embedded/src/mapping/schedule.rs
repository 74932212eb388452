//! A schedule: EventBridge invokes a function once in each period.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>. The
//! invocation is asynchronous, so Lambda repeats a failed one, after one minute and after two more.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep};

use super::{Function, MappingError, Shutdown, Status, check, new_request_id, told_to_stop};
use crate::clock::{Clock, to_the_second};

/// Lambda's wait before each repetition of a failed asynchronous invocation
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
const BEFORE_RETRIES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// The settings of a rule with a rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The rule's name.
    pub rule: String,
    /// `rate(..)`: whole minutes.
    pub period: Duration,
    /// The rule's region.
    pub region: String,
    /// The rule's account.
    pub account: String,
    /// `MaximumRetryAttempts` of the asynchronous invocation: 0 to 2.
    pub maximum_retry_attempts: usize,
}

impl Settings {
    /// Refuses what AWS refuses.
    pub fn check(&self) -> Result<(), MappingError> {
        check(
            "MaximumRetryAttempts",
            &self.maximum_retry_attempts,
            0..=BEFORE_RETRIES.len(),
        )?;
        let whole_minutes = self.period.subsec_nanos() == 0 && self.period.as_secs().is_multiple_of(60);
        if self.period.is_zero() || !whole_minutes {
            return Err(MappingError::Setting {
                setting: "ScheduleExpression",
                value: format!("a rate of {:?}", self.period),
                expected: "EventBridge takes whole minutes, one at least".to_owned(),
            });
        }
        Ok(())
    }

    fn event(&self, at: SystemTime) -> Value {
        let Self {
            rule,
            region,
            account,
            ..
        } = self;
        json!({
            "version": "0",
            "id": new_request_id(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account,
            "time": to_the_second(at),
            "region": region,
            "resources": [format!("arn:aws:events:{region}:{account}:rule/{rule}")],
            "detail": {},
        })
    }
}

/// Runs the schedule until `shutdown`; the first event comes after one period, and one comes whenever the clock was
/// moved ahead by as much. Invocations may overlap, as EventBridge's do.
pub async fn run(
    settings: Settings,
    function: Function,
    status: Status,
    mut shutdown: Shutdown,
) -> Result<(), MappingError> {
    settings.check()?;
    let mut ticks = interval_at(Instant::now() + settings.period, settings.period);
    let mut moves = Moves::of(&function.clock);
    let mut running = JoinSet::new();
    status.update(|activity| activity.listening = true);
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut shutdown) => break,
            () = moves.by(settings.period) => {}
            _ = ticks.tick() => {}
        }
        let event = settings.event(function.clock.now());
        let retries = settings.maximum_retry_attempts;
        running.spawn(deliver(
            event,
            retries,
            function.clone(),
            status.clone(),
            shutdown.clone(),
        ));
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
    status.update(|activity| activity.listening = false);
    Ok(())
}

/// How far the clock has been moved ahead, of which timers know nothing.
struct Moves {
    /// None of a clock that can't be moved.
    ahead: Option<watch::Receiver<Duration>>,
    /// How far it was when the last event came for it.
    seen: Duration,
}

impl Moves {
    fn of(clock: &Clock) -> Self {
        Self {
            ahead: clock.moves(),
            seen: clock.ahead(),
        }
    }

    /// Resolves when the clock was moved by a period or more since this last did.
    async fn by(&mut self, period: Duration) {
        let Some(ahead) = &mut self.ahead else {
            return std::future::pending().await;
        };
        let moved = ahead.wait_for(|ahead| *ahead >= self.seen + period).await;
        match moved.map(|ahead| *ahead) {
            Ok(ahead) => self.seen = ahead,
            // The clock is gone, and nobody moves it.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Invokes the function until it succeeds or its attempts are used up.
async fn deliver(event: Value, retries: usize, function: Function, status: Status, mut shutdown: Shutdown) {
    status.update(|activity| activity.pending += 1);
    let request_id = new_request_id();
    let waits = BEFORE_RETRIES.into_iter().take(retries).map(Some).chain([None]);
    for wait in waits {
        status.started();
        let answer = function.invoke(event.clone(), request_id.clone(), None).await;
        let failure = answer.err();
        if let Some(failure) = &failure {
            tracing::warn!(function = function.arn, "{failure}");
        }
        status.ended(failure.as_ref().map(|failure| failure as _));
        let (Some(_), Some(wait)) = (failure, wait) else {
            break;
        };
        tokio::select! {
            biased;
            () = told_to_stop(&mut shutdown) => break,
            () = sleep(wait) => {}
        }
    }
    status.update(|activity| activity.pending -= 1);
}
