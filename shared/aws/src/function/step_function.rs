//! A step function: turns an event into commands and sends them.

use std::marker::PhantomData;
use std::sync::Arc;

use eventsourcing::{
    Clock, Decider, Dispatch, EventEnvelope, EventStore, History, LoadError, Read, Step, command_id,
    encode_command,
};
use futures::FutureExt;
use futures::future::join_all;

use crate::client::message::Outgoing;
use crate::client::names::kebab_case;
use crate::delivery::bus::{Bus, SendError, Timed};
use crate::delivery::refusal::RefusalCode;
use crate::function::metrics::Metrics;
use crate::function::queue_function::{BatchHandler, Identity, Invocation, Piece, QueueRecord, Verdict};

/// Handles the events of step `S`.
pub struct StepFunction<S: Step> {
    store: Arc<dyn EventStore>,
    bus: Bus,
    clock: Arc<dyn Clock>,
    settings: S::Settings,
    step: PhantomData<fn() -> S>,
}

type State<S> = <<S as Step>::Source as Decider>::State;

impl<S: Step> StepFunction<S>
where
    S::Event: Sync,
{
    /// A function that sends the step's commands over `bus`, and reads from `store` if the step has to
    /// know more than the event says.
    pub fn new(store: Arc<dyn EventStore>, bus: Bus, clock: Arc<dyn Clock>, settings: S::Settings) -> Self {
        Self {
            store,
            bus,
            clock,
            settings,
            step: PhantomData,
        }
    }

    async fn react(&self, records: &[QueueRecord]) -> Vec<(usize, Option<Identity>, Verdict)> {
        let reactions = join_all(records.iter().map(|record| self.messages(record))).await;
        let mut verdicts: Vec<_> = reactions.iter().map(|_| None).collect();
        let mut identities = Vec::with_capacity(reactions.len());
        let mut messages = Vec::new();
        let mut owners = Vec::new();
        for (place, (identity, reaction)) in reactions.into_iter().enumerate() {
            identities.push(identity);
            match reaction {
                Ok(commands) => {
                    owners.extend(std::iter::repeat_n(place, commands.len()));
                    messages.extend(commands);
                }
                Err(verdict) => verdicts[place] = Some(verdict),
            }
        }
        // One record's failure is that record's alone, though all are sent together.
        for (place, sent) in owners
            .into_iter()
            .zip(self.bus.send_in_time(messages, self.clock.now()).await)
        {
            if let Err(error) = sent {
                verdicts[place] = Some(and_unsent(verdicts[place].take(), &error));
            }
        }
        let concluded = identities.into_iter().zip(verdicts).enumerate();
        concluded
            .map(|(place, (identity, verdict))| {
                (place, identity, verdict.unwrap_or(Verdict::Done("reacted")))
            })
            .collect()
    }

    async fn messages(&self, record: &QueueRecord) -> (Option<Identity>, Result<Vec<Timed>, Verdict>) {
        let envelope = match EventEnvelope::<S::Event>::read(&record.body, self.clock.now()) {
            Ok(envelope) => envelope,
            Err(error) => {
                return (
                    None,
                    Err(Verdict::Refused(RefusalCode::Malformed, error.to_string())),
                );
            }
        };
        let identity = Identity {
            id: envelope.id.clone(),
            correlation_id: envelope.metadata.correlation_id.clone(),
        };
        let state = if S::READS_STATE {
            self.state(&envelope).await
        } else {
            Ok(State::<S>::default())
        };
        let messages = state.and_then(|state| {
            S::react(&envelope.event, &state, &self.settings)
                .iter()
                .map(|dispatch| self.message(dispatch, &envelope, record))
                .collect()
        });
        (Some(identity), messages)
    }

    /// The state at the event or after it. A cheap read shows it nearly always; one that lags behind
    /// the event is read again, consistently.
    async fn state(&self, envelope: &EventEnvelope<S::Event>) -> Result<State<S>, Verdict> {
        for read in [Read::Eventual, Read::Consistent] {
            let stream = match self.store.load(&envelope.stream, read).await {
                Ok(stream) => stream,
                Err(LoadError::Broken(_)) if read == Read::Eventual => continue,
                Err(error) => return Err(Verdict::Failed(error.to_string())),
            };
            if stream.position().covers(envelope.revision) {
                let history =
                    History::<S::Source>::of(&stream).map_err(|fault| Verdict::Failed(fault.to_string()))?;
                return Ok(history.state().clone());
            }
        }
        Err(Verdict::Waits(format!(
            "stream {} does not reach revision {} yet",
            envelope.stream, envelope.revision
        )))
    }

    fn message(
        &self,
        dispatch: &Dispatch,
        envelope: &EventEnvelope<S::Event>,
        record: &QueueRecord,
    ) -> Result<Timed, Verdict> {
        let now = self.clock.now();
        let body = encode_command(dispatch, &envelope.id, &envelope.metadata.correlation_id, now).map_err(
            |error| Verdict::Failed(format!("{} can't be written: {error}", dispatch.command_type)),
        )?;
        Ok(Timed {
            id: command_id(&envelope.id, dispatch.command_type, &dispatch.stream).to_string(),
            due: dispatch.due,
            message: Outgoing::now(kebab_case(dispatch.command_type), body, record.trace.clone()),
        })
    }
}

/// What becomes of a record of which one more command was not sent. As long as one of them may be taken another
/// time, the record comes again; only then is what queues refuse all that is left.
fn and_unsent(before: Option<Verdict>, error: &SendError) -> Verdict {
    match before {
        Some(unsent @ Verdict::NotSent(_)) => unsent,
        _ => Verdict::unsent(error),
    }
}

impl<S: Step> BatchHandler for StepFunction<S>
where
    S::Event: Sync,
{
    fn message_type(&self) -> &'static str {
        <S::Event as eventsourcing::Message>::TYPE
    }

    fn pieces<'a>(&'a self, records: &'a [QueueRecord], _: Invocation) -> Vec<Piece<'a>> {
        vec![async move { (self.react(records).await, Metrics::default()) }.boxed()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::queues::QueueError;

    #[test]
    fn an_event_comes_again_as_long_as_one_of_its_commands_may_be_taken() {
        let error = |why| SendError {
            queue: "remind-member".into(),
            why,
        };
        let denied = error(QueueError::Denied("AccessDenied: no".into()));
        let refused = error(QueueError::Refused("InvalidMessageContents: no".into()));
        for [first, second] in [[&denied, &refused], [&refused, &denied]] {
            let verdict = and_unsent(Some(and_unsent(None, first)), second);
            assert_eq!(verdict, Verdict::NotSent(denied.to_string()));
        }
        let verdict = and_unsent(Some(and_unsent(None, &refused)), &refused);
        assert_eq!(
            verdict,
            Verdict::Refused(RefusalCode::Rejected, refused.to_string())
        );
    }
}
