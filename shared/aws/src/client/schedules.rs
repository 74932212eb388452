//! The client of one stack's one-time schedules: messages that are due later than a queue can hold them back.
//!
//! A schedule of `EventBridge` Scheduler sends one message to a queue at its time and is deleted then. It costs
//! the same whatever the time; a message that is sent on every fifteen minutes costs each of its hops.

use std::sync::Arc;

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::SdkError;
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target,
};
use eventsourcing::Timestamp;
use uuid::Uuid;

use crate::client::failure::reason;
use crate::client::names::{Names, dead_letter_queue};
use crate::client::queues::QueueError;

/// The name of the schedules' group without the stack's, and of the queue whose dead-letter queue gets what no
/// schedule could deliver. There is no such queue: schedules send to those of the deadlines.
pub const DEADLINES: &str = "deadlines";

/// The longest body that is scheduled, in bytes. A dead letter of the scheduler is cut to this, and a deadline
/// that can't be delivered has to be whole. Longer ones go from queue to queue.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html>
pub const MAX_SCHEDULED_BYTES: usize = 262_144;

/// How often the scheduler tries to send a message, and for how long, before it is a dead letter: the most that
/// the service allows, a day.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html>
const MAX_RETRIES: i32 = 185;
const MAX_AGE_SECONDS: i32 = 86_400;

/// Where schedules send to, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// The ARN of the role that the scheduler sends as.
    pub role_arn: String,
    /// What the ARNs of the stack's queues begin with, as in `arn:aws:sqs:eu-central-1:123456789012:S-`.
    pub queue_arn_prefix: String,
}

/// The one-time schedules of one stack.
#[derive(Clone, Debug)]
pub struct Schedules {
    client: Client,
    group: Arc<str>,
    scheduling: Arc<Scheduling>,
}

/// What is to be sent once, at a time.
#[derive(Clone, Copy, Debug)]
pub struct OneTime<'a> {
    /// Its name: whatever is scheduled under the same name is the same, and is sent once. Up to 64 letters,
    /// digits, dashes, underscores and dots.
    pub name: &'a str,
    /// When. A schedule knows whole seconds: it is not sent before its time.
    pub due: Timestamp,
    /// The queue's name in the stack, such as `remind-member`.
    pub queue: &'a str,
    /// The body. Nothing travels beside it: a schedule has no attributes and no trace.
    pub body: &'a str,
}

impl Schedules {
    /// The schedules of the stack of these names.
    pub fn new(client: Client, names: &Names, scheduling: Scheduling) -> Self {
        Self {
            client,
            group: names.of_function(DEADLINES).into(),
            scheduling: Arc::new(scheduling),
        }
    }

    /// Schedules a message, or finds that it has been. One that is reported as failed may have been scheduled
    /// all the same, if the answer was lost.
    pub async fn create(&self, one: OneTime<'_>) -> Result<(), QueueError> {
        let created = self
            .client
            .create_schedule()
            .group_name(&*self.group)
            .name(one.name)
            .client_token(client_token(one))
            .schedule_expression(at(one.due))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(exactly())
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(one))
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // It is there: an earlier attempt, or an earlier delivery of what it follows from.
                Some(CreateScheduleError::ConflictException(_)) => Ok(()),
                _ => Err(failure(&error)),
            },
        }
    }

    fn target(&self, one: OneTime<'_>) -> Target {
        let arn = |queue: &str| format!("{}{queue}", self.scheduling.queue_arn_prefix);
        let undelivered = DeadLetterConfig::builder().arn(arn(&dead_letter_queue(DEADLINES)));
        let retries = RetryPolicy::builder()
            .maximum_retry_attempts(MAX_RETRIES)
            .maximum_event_age_in_seconds(MAX_AGE_SECONDS);
        let target = Target::builder()
            .arn(arn(one.queue))
            .role_arn(&self.scheduling.role_arn)
            .input(one.body)
            .dead_letter_config(undelivered.build())
            .retry_policy(retries.build());
        // The fields that have to be set are set.
        target.build().expect("a target with ARN and role")
    }
}

fn exactly() -> FlexibleTimeWindow {
    let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
    // The only field that has to be set is set.
    window.build().expect("a window with a mode")
}

/// The expression of a time, rounded up to the second: what comes too early would have to be sent once more.
fn at(due: Timestamp) -> String {
    let millis = due.millis();
    let up_to_the_second = (1000 - millis.rem_euclid(1000)) % 1000;
    let text = Timestamp::from_millis(millis + up_to_the_second).to_string();
    // RFC 3339 without fraction and zone.
    let to_the_second = text.split('.').next().unwrap_or_default();
    format!("at({to_the_second})")
}

/// By this the service knows the SDK's repeats of a request. It stands for the request as a whole, for a later
/// one under the same name differs in when it was made, and has to meet the name and not a token of other content.
fn client_token(one: OneTime<'_>) -> String {
    let request = format!("{}/{}", one.name, one.body);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, request.as_bytes()).to_string()
}

/// All of it may pass, without anybody touching the message: schedules that are sent make room under the quota,
/// and a `ValidationException` is also what the service answers while it can't take on the role that it is to
/// send as, such as right after a first deployment.
///
/// Source: the errors of <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>, and
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/troubleshooting.html>
fn failure(error: &SdkError<CreateScheduleError>) -> QueueError {
    QueueError::Call(format!("no schedule could be created: {}", reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_up_to_the_second() {
        let at_millis = |ms| at(Timestamp::from_millis(ms));
        assert_eq!(at_millis(1_764_000_000_000), "at(2025-11-24T16:00:00)");
        assert_eq!(at_millis(1_764_000_000_001), "at(2025-11-24T16:00:01)");
        assert_eq!(at_millis(1_764_000_000_999), "at(2025-11-24T16:00:01)");
    }

    #[test]
    fn a_repeat_of_a_request_has_its_token_and_another_request_has_another() {
        let one = |name, body| {
            client_token(OneTime {
                name,
                due: Timestamp::from_millis(0),
                queue: "remind-member",
                body,
            })
        };
        assert_eq!(one("a", "{}"), one("a", "{}"));
        assert_ne!(one("a", "{}"), one("b", "{}"));
        assert_ne!(one("a", "{}"), one("a", "{ }"));
    }
}
