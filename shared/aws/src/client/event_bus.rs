//! The client of an `EventBridge` bus, on which others subscribe to events by rules of their own.
//!
//! Callers hand over any number of events. The client makes requests of them, each of up to ten entries and less than
//! 1 MiB, and matches the answers to the entries: results come in the order of what was given, one for each. What
//! a failure means for the next attempt is told as for queues, by a [`QueueError`].
//!
//! A bus that is not there takes every event and delivers none: the service says nothing of it.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use eventsourcing::{Timestamp, TraceHeader};
use tokio::time::Instant;

use crate::client::connection::timeouts;
use crate::client::environment::unexpected;
use crate::client::failure::{FailureKind, reason};
use crate::client::queues::{MAX_BATCH, QueueError, batches, collect_until};

/// What a bus is called among the places that events go to. No queue can have that name.
pub const EVENT_BUS: &str = "event bus";

/// The entries of a request count for less than this, in bytes: 1 MiB. The service says so of the request, and so of
/// a single entry.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
pub const MAX_PUT_BYTES: usize = 1_048_576;

/// What the time of an entry counts for, in bytes.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
const TIME_BYTES: usize = 14;

/// The longest name of a bus.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html>
const LONGEST_NAME: usize = 256;

/// What is wrong with the name of a bus, if anything is. A bus of another account or region, which has an ARN, is not
/// put on: a rule of this account's bus sends on to it, under the control of whoever has the bus.
pub fn event_bus_name_problem(name: &str) -> Option<String> {
    match unexpected(name, |c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        Some(problem) => Some(problem),
        None if name.is_empty() => Some("is empty".to_owned()),
        None if name.len() > LONGEST_NAME => Some(format!("has {} characters", name.len())),
        None => None,
    }
}

/// A bus, and whose events are put on it.
#[derive(Clone, Debug)]
pub struct EventBus {
    client: Client,
    name: Arc<str>,
    source: Arc<str>,
}

/// An event on its way to a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusEvent {
    /// The event's type, which is the entry's `detail-type`.
    pub event_type: String,
    /// The message as queues get it: the entry's `detail`.
    pub message: String,
    /// When it was committed. The service keeps the second.
    pub at: Timestamp,
    /// The trace that it belongs to.
    pub trace: Option<TraceHeader>,
}

impl EventBus {
    /// The bus of that name, for the events of `source`: the stack's name.
    pub fn new(client: Client, name: &str, source: &str) -> Self {
        Self {
            client,
            name: name.into(),
            source: source.into(),
        }
    }

    /// The same bus, whose calls take no longer than `attempt` each time, and `operation` with all the client's
    /// retries.
    pub(crate) fn with_timeouts(self, attempt: Duration, operation: Duration) -> Self {
        let config = self.client.config().to_builder();
        let config = config.timeout_config(timeouts(attempt, operation)).build();
        Self {
            client: Client::from_conf(config),
            ..self
        }
    }

    /// Puts all on the bus, each once. One that is reported as failed may be there all the same, if the answer was
    /// lost. What has no answer by `until` has failed as [`QueueError::OutOfTime`].
    pub async fn put_until(
        &self,
        events: &[BusEvent],
        until: Option<Instant>,
    ) -> Vec<Result<(), QueueError>> {
        let mut results = vec![Err(QueueError::OutOfTime); events.len()];
        let (mut placed, mut sizes) = (Vec::new(), Vec::new());
        for (place, event) in events.iter().enumerate() {
            let bytes = self.bytes(event);
            if bytes < MAX_PUT_BYTES {
                placed.push((place, event));
                sizes.push(bytes);
            } else {
                results[place] = Err(too_large(bytes));
            }
        }
        let batches = batches(sizes, MAX_PUT_BYTES - 1);
        let calls = batches.into_iter().map(|batch| self.put_batch(&placed[batch]));
        collect_until(calls.collect(), until, &mut results).await;
        results
    }

    /// What an event counts for in the size of a request.
    fn bytes(&self, event: &BusEvent) -> usize {
        TIME_BYTES + self.source.len() + event.event_type.len() + event.message.len()
    }

    /// Puts events that fit one request; each comes back under its place. A request that is refused as a whole for
    /// what one of them holds is made for each by itself: the others are not to blame.
    async fn put_batch(&self, batch: &[(usize, &BusEvent)]) -> Vec<(usize, Result<(), QueueError>)> {
        let (mut results, refused) = self.put_once(batch).await;
        if refused && batch.len() > 1 {
            results.clear();
            for event in batch {
                results.extend(self.put_once(std::slice::from_ref(event)).await.0);
            }
        }
        results
    }

    /// The results of one call, and whether it was refused as a whole for what it holds.
    async fn put_once(&self, batch: &[(usize, &BusEvent)]) -> (Vec<(usize, Result<(), QueueError>)>, bool) {
        let entries = batch.iter().map(|(_, event)| self.entry(event)).collect();
        let answer = self.client.put_events().set_entries(Some(entries)).send().await;
        let outcomes = match answer {
            // In the order of the request. Of what is missing at its end nothing is known.
            Ok(answer) => answer.entries.unwrap_or_default().iter().map(outcome).collect(),
            Err(error) => {
                let error = of_call(&error);
                let refused = error.kind() == FailureKind::Permanent;
                let results = batch.iter().map(|(place, _)| (*place, Err(error.clone())));
                return (results.collect(), refused);
            }
        };
        let mut outcomes: std::vec::IntoIter<_> = Vec::into_iter(outcomes);
        let results = batch.iter().map(|(place, _)| {
            let outcome = outcomes.next().unwrap_or(Err(QueueError::Unanswered));
            (*place, outcome)
        });
        (results.collect(), false)
    }

    fn entry(&self, event: &BusEvent) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&*self.name)
            .source(&*self.source)
            .detail_type(&event.event_type)
            .detail(&event.message)
            .time(DateTime::from_millis(event.at.millis()))
            .set_trace_header(event.trace.as_ref().map(|trace| trace.as_str().to_owned()))
            .build()
    }
}

fn too_large(bytes: usize) -> QueueError {
    QueueError::Refused(format!(
        "the event counts for {bytes} bytes, and EventBridge takes less than {MAX_PUT_BYTES}"
    ))
}

/// What became of an entry. What the service says of an event that it never takes is permanent: its JSON, its
/// parameters. Throttling and its own faults are worth another call; anything else is about rights and set-up, which
/// may be mended while the event stays as it is.
///
/// Source: the errors of
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>
fn outcome(entry: &PutEventsResultEntry) -> Result<(), QueueError> {
    let Some(code) = entry.error_code() else {
        // One that was taken has an id.
        return entry.event_id().map(drop).ok_or(QueueError::Unanswered);
    };
    let why = format!("{code}: {}", entry.error_message().unwrap_or("no message"));
    Err(match code {
        "MalformedDetail" | "InvalidArgument" => QueueError::Refused(why),
        "InternalFailure" | "InternalException" | "ThrottlingException" => QueueError::Fault(why),
        _ => QueueError::Denied(why),
    })
}

/// Of a request as a whole, its entries' size and form are refused by a `ValidationException`.
fn of_call<E>(error: &SdkError<E>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    match code {
        Some("ValidationException") => QueueError::Refused(reason(error)),
        _ => QueueError::Call(reason(error)),
    }
}

const _: () = assert!(
    MAX_BATCH == 10,
    "a request holds as many entries as a batch of a queue"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str) -> QueueError {
        let entry = PutEventsResultEntry::builder().error_code(code).build();
        outcome(&entry).expect_err("an entry with an error")
    }

    #[test]
    fn an_event_is_refused_for_good_only_for_what_it_is() {
        for code in ["MalformedDetail", "InvalidArgument"] {
            assert_eq!(answered(code).kind(), FailureKind::Permanent, "{code}");
        }
        for code in [
            "AccessDeniedException",
            "NotAuthorizedForSourceException",
            "NotAuthorizedForDetailTypeException",
            "InvalidAccountIdException",
            "RedactionFailure",
            "a code of tomorrow",
        ] {
            let error = answered(code);
            assert_eq!(error.kind(), FailureKind::Transient, "{error}");
            assert!(!error.is_worth_another_call(), "at once it would be denied again");
        }
        for code in ["ThrottlingException", "InternalFailure"] {
            let error = answered(code);
            assert_eq!(error.kind(), FailureKind::Transient, "{error}");
            assert!(error.is_worth_another_call(), "{error}");
        }
    }

    #[test]
    fn an_answer_that_says_neither_is_none() {
        let silent = PutEventsResultEntry::builder().build();
        assert_eq!(outcome(&silent), Err(QueueError::Unanswered));
        let taken = PutEventsResultEntry::builder().event_id("1").build();
        assert_eq!(outcome(&taken), Ok(()));
    }

    #[test]
    fn a_bus_is_named_and_an_arn_is_no_name() {
        assert_eq!(event_bus_name_problem("loans.v1_live-2"), None);
        assert_eq!(event_bus_name_problem("default"), None);
        for name in [
            "",
            "a b",
            "arn:aws:events:eu-central-1:123456789012:event-bus/loans",
            "a/b",
        ] {
            assert!(event_bus_name_problem(name).is_some(), "{name}");
        }
        assert_eq!(
            event_bus_name_problem(&"x".repeat(257)).as_deref(),
            Some("has 257 characters")
        );
    }
}
