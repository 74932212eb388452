//! Fires schedules: sends the message at its time, tries again what fails, and gives it up to the dead-letter
//! queue when the retry policy is used up.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use embedded_sqs::{MessageAttribute, Outgoing, Sqs, SqsError};

use super::Scheduler;
use super::request::{Key, Requested, queue_of};
use crate::clock::to_the_second;
use crate::mapping::{Shutdown, told_to_stop};

/// The first wait before another attempt, which doubles each time, and the longest. AWS says no more than that
/// it backs off exponentially; with these, 185 attempts take a day.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(8);

impl Scheduler {
    /// Fires what is due, on the queues of `sqs`, until it is told to stop. One at a time may run.
    pub async fn run(self, sqs: Sqs, mut shutdown: Shutdown) {
        loop {
            let until_next = self.fire(&sqs);
            let next_is_due = async {
                match until_next {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = told_to_stop(&mut shutdown) => return,
                () = self.shared.changed.notified() => {}
                () = next_is_due => {}
            }
        }
    }

    /// Fires all that is due; how long it is until the next is.
    fn fire(&self, sqs: &Sqs) -> Option<Duration> {
        loop {
            let (at, key) = self.book().next()?;
            let now = self.now();
            if let Ok(wait) = at.duration_since(now)
                && !wait.is_zero()
            {
                return Some(wait);
            }
            self.fire_one(sqs, &key, now);
        }
    }

    fn fire_one(&self, sqs: &Sqs, key: &Key, now: SystemTime) {
        let mut book = self.book();
        let Some(requested) = book.get(key).map(|schedule| schedule.requested.clone()) else {
            return;
        };
        let message = Outgoing {
            body: requested.input.clone().unwrap_or_else(|| "{}".to_owned()),
            ..Outgoing::default()
        };
        let Err(error) = sqs.send(requested.queue(), message) else {
            book.totals.sent += 1;
            book.complete(key);
            return;
        };
        book.totals.failed += 1;
        let failed = book.failed(key);
        let wait = FIRST_WAIT.saturating_mul(1 << failed.min(16)).min(LONGEST_WAIT);
        let given_up_at = requested.at() + Duration::from_secs(requested.max_age_seconds.into());
        let exhausted = if failed >= requested.max_retries {
            "MaximumRetryAttempts"
        } else if now + wait > given_up_at {
            "MaximumEventAgeInSeconds"
        } else {
            book.again(key, now + wait);
            return;
        };
        let letter = self.letter(&requested, &error, exhausted, failed);
        let queue = requested.dead_letter_arn.as_deref().map(queue_of);
        let given_up = queue.map(|queue| sqs.send(queue, letter));
        if let Some(Ok(_)) = given_up {
            book.totals.dead_letters += 1;
        } else {
            book.totals.dropped += 1;
            let name = &requested.name;
            tracing::error!(schedule = name, %error, "a message was dropped: its dead-letter queue did not take it");
        }
        book.complete(key);
    }

    /// What goes to the dead-letter queue: the message, and beside it why.
    ///
    /// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html>
    fn letter(&self, requested: &Requested, error: &SqsError, exhausted: &str, retries: u32) -> Outgoing {
        let Requested {
            group,
            name,
            target_arn,
            input,
            ..
        } = requested;
        let attributes = [
            ("ERROR_CODE", error.code().to_owned()),
            ("ERROR_MESSAGE", error.to_string()),
            ("EXHAUSTED_RETRY_CONDITION", exhausted.to_owned()),
            ("IS_PAYLOAD_TRUNCATED", "false".to_owned()),
            ("RETRY_ATTEMPTS", retries.to_string()),
            ("SCHEDULED_TIME", to_the_second(requested.at())),
            ("SCHEDULE_ARN", self.arn(group, name)),
            ("TARGET_ARN", target_arn.clone()),
        ];
        let attributes = attributes.map(|(name, text)| (name.to_owned(), MessageAttribute::string(text)));
        Outgoing {
            body: input.clone().unwrap_or_else(|| "{}".to_owned()),
            attributes: BTreeMap::from(attributes),
            ..Outgoing::default()
        }
    }
}
