//! A command function: loads one stream, lets the rules decide, appends the outcome.
//!
//! Commands of one batch for the same stream become one load, several decisions and one commit. A
//! command that creates its stream is first decided on the guess that there is none: if the append
//! goes through, the guess was right and the load is saved; if not, the stream is loaded.

use std::sync::Arc;
use std::time::Duration;

use eventsourcing::{
    AppendError, Clock, Command, CommandEnvelope, CommandMeta, Commit, Decider, EventStore, History,
    LoadError, MAX_COMMIT_BYTES, Outcome, Planned, Position, Read, StreamId, Timestamp, plan,
};
use futures::FutureExt;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::jitter::jittered_pause;
use crate::client::message::Outgoing;
use crate::client::names::kebab_case;
use crate::delivery::bus::Bus;
use crate::delivery::refusal::RefusalCode;
use crate::function::metrics::Metrics;
use crate::function::queue_function::{
    BatchHandler, Identity, Invocation, Piece, QueueRecord, Verdict, grouped,
};
use crate::function::warm::Warm;

/// Handles commands of type `C`.
pub struct CommandFunction<C: Command> {
    store: Arc<dyn EventStore>,
    bus: Bus,
    clock: Arc<dyn Clock>,
    settings: Settings<C>,
    warm: Warm<C::Decider>,
}

type Settings<C> = <<C as Command>::Decider as Decider>::Settings;

/// One command of a group, with its place in the batch.
struct Entry<C: Command> {
    place: usize,
    meta: CommandMeta,
    command: <C::Decider as Decider>::Command,
}

type Outcomes = Vec<(usize, Option<Identity>, Verdict)>;

impl<C: Command> CommandFunction<C> {
    /// A function that decides on the streams of `store`. The bus is for deadlines that are not due.
    pub fn new(store: Arc<dyn EventStore>, bus: Bus, clock: Arc<dyn Clock>, settings: Settings<C>) -> Self {
        Self {
            store,
            bus,
            clock,
            settings,
            warm: Warm::default(),
        }
    }

    /// Decides the commands of one stream, in order, until each has its verdict.
    async fn decide(
        &self,
        stream: StreamId,
        entries: Vec<Entry<C>>,
        records: &[QueueRecord],
        until: Instant,
    ) -> (Outcomes, Metrics) {
        let mut metrics = Metrics::default();
        let mut verdicts = Vec::with_capacity(entries.len());
        let (places, commands): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .map(|entry| (entry.place, (entry.meta, entry.command)))
            .unzip();
        if let Err(failure) = self
            .verdicts(&stream, &commands, &mut verdicts, until, &mut metrics)
            .await
        {
            verdicts.resize(commands.len(), Planning::Failed(failure));
        }
        let mut outcomes = Vec::with_capacity(places.len());
        for ((place, (meta, _)), planning) in places.into_iter().zip(&commands).zip(verdicts) {
            let verdict = match planning {
                Planning::Failed(why) => Verdict::Failed(why),
                Planning::Decided(outcome) => {
                    if let Outcome::Recorded(types) = &outcome {
                        metrics.count_late_facts(types);
                    }
                    self.conclude(outcome, records.get(place)).await
                }
            };
            let identity = Identity {
                id: meta.id.clone(),
                correlation_id: meta.correlation_id.clone(),
            };
            outcomes.push((place, Some(identity), verdict));
        }
        (outcomes, metrics)
    }

    /// The loop of load, decide and append. Adds verdicts in the order of the commands; on an error
    /// those already added stand.
    async fn verdicts(
        &self,
        stream: &StreamId,
        commands: &[(CommandMeta, <C::Decider as Decider>::Command)],
        verdicts: &mut Vec<Planning>,
        until: Instant,
        metrics: &mut Metrics,
    ) -> Result<(), String> {
        if C::DEADLINE && self.has_ended(stream).await? {
            verdicts.resize(commands.len(), Planning::Decided(Outcome::Nothing));
            return Ok(());
        }
        let mut read = if C::DEADLINE {
            Read::Eventual
        } else {
            Read::Consistent
        };
        let mut history = if C::CREATES {
            History::guessed_empty()
        } else {
            self.load(stream, &mut read).await?
        };
        let mut conflicts = 0;
        while let Some(open) = commands.get(verdicts.len()..).filter(|open| !open.is_empty()) {
            let planned: Planned<C::Decider> =
                plan(&history, open, &self.settings, self.clock.now(), MAX_COMMIT_BYTES);
            if planned.events.is_empty() {
                if !history.seen() || !conclusive(&planned.outcomes, read) {
                    read = Read::Consistent;
                    history = self.load(stream, &mut read).await?;
                    continue;
                }
                verdicts.extend(planned.outcomes.into_iter().map(Planning::Decided));
                continue;
            }
            if let Some(end) = self.append(stream, &history, &planned, until).await? {
                verdicts.extend(planned.outcomes.iter().cloned().map(Planning::Decided));
                history = History::after(planned, end);
                self.warm.keep(stream, &history);
                read = Read::Consistent;
            } else {
                conflicts += 1;
                metrics.conflicts += 1;
                jittered_pause(conflicts).await;
                read = Read::Consistent;
                history = self.load(stream, &mut read).await?;
            }
        }
        Ok(())
    }

    /// Loads the stream, or of a stream that grows long what is new. An eventual read that misses a
    /// commit in the middle is read again.
    async fn load(&self, stream: &StreamId, read: &mut Read) -> Result<History<C::Decider>, String> {
        let known = self.warm.get(stream);
        let after = known.as_ref().map_or(Position::START, History::position);
        let loaded = match self.store.load_after(stream, after, *read).await {
            Err(LoadError::Broken(_)) if *read == Read::Eventual => {
                *read = Read::Consistent;
                self.store.load_after(stream, after, *read).await
            }
            loaded => loaded,
        };
        let stream = loaded.map_err(|error| error.to_string())?;
        let history = match known {
            Some(known) => known.followed_by(&stream),
            None => History::of(&stream),
        };
        let history = history.map_err(|fault| fault.to_string())?;
        self.warm.keep(stream.id(), &history);
        Ok(history)
    }

    /// Whether the newest commit ends the stream, as far as a cheap read shows.
    async fn has_ended(&self, stream: &StreamId) -> Result<bool, String> {
        let endings = C::Decider::ENDINGS;
        if endings.is_empty() {
            return Ok(false);
        }
        let newest = self
            .store
            .latest(stream, Read::Eventual)
            .await
            .map_err(|error| error.to_string())?;
        let ends = |commit: &Commit| {
            commit
                .events
                .iter()
                .any(|event| endings.contains(&event.event_type.as_str()))
        };
        Ok(newest.as_ref().is_some_and(ends))
    }

    /// Appends what was planned. None if somebody else was ahead. What fails transiently is tried again
    /// with the same commit, which is harmless if it had landed, while there is time.
    async fn append(
        &self,
        stream: &StreamId,
        history: &History<C::Decider>,
        planned: &Planned<C::Decider>,
        until: Instant,
    ) -> Result<Option<Position>, String> {
        let commit = Commit::at(
            history.position(),
            stream,
            Uuid::new_v4(),
            self.clock.now(),
            planned.events.clone(),
        );
        for attempt in 1.. {
            match self.store.append(&commit).await {
                Ok(end) => return Ok(Some(end)),
                Err(AppendError::Conflict { .. }) => return Ok(None),
                Err(error @ AppendError::TooLarge { .. }) => return Err(error.to_string()),
                Err(AppendError::Transient(_)) if attempt < ATTEMPTS && Instant::now() < until => {
                    jittered_pause(attempt).await;
                }
                Err(AppendError::Transient(transient)) => return Err(transient.to_string()),
            }
        }
        Err("it was never tried".into())
    }

    async fn conclude(&self, outcome: Outcome, record: Option<&QueueRecord>) -> Verdict {
        match outcome {
            Outcome::Recorded(_) => Verdict::Done("recorded"),
            Outcome::Nothing => Verdict::Done("nothing to do"),
            Outcome::Rejected(why) => Verdict::Refused(RefusalCode::Rejected, why),
            Outcome::Premature(why) => Verdict::Waits(why),
            Outcome::NotDue(due) => match record {
                Some(record) => self.defer(record, due).await,
                None => Verdict::Failed("its record is gone".into()),
            },
        }
    }

    /// Sends the deadline to its queue again, to be asked when it is due or, if that is further off
    /// than a queue can delay a message, at the next hop.
    async fn defer(&self, record: &QueueRecord, due: Timestamp) -> Verdict {
        let delay = due.since(self.clock.now()).max(Duration::from_secs(1));
        let again = Outgoing {
            delay,
            attributes: record.attributes.clone(),
            ..Outgoing::now(kebab_case(C::TYPE), record.body.clone(), record.trace.clone())
        };
        match self.bus.send(vec![again]).await.pop() {
            Some(Ok(())) => Verdict::Done("not due"),
            Some(Err(error)) => Verdict::unsent(&error),
            None => Verdict::Failed("it was not sent again".into()),
        }
    }
}

/// How often an append is tried that fails transiently, on top of the SDK's own retries.
const ATTEMPTS: u32 = 3;

#[derive(Clone)]
enum Planning {
    Decided(Outcome),
    Failed(String),
}

/// Whether outcomes that append nothing can be trusted after such a read: all after a consistent one;
/// after an eventual one only those that newer commits can't change (see [`Command::DEADLINE`]).
fn conclusive(outcomes: &[Outcome], read: Read) -> bool {
    let settled = |outcome: &Outcome| matches!(outcome, Outcome::Nothing | Outcome::NotDue(_));
    read == Read::Consistent || outcomes.iter().all(settled)
}

impl<C: Command> BatchHandler for CommandFunction<C> {
    fn message_type(&self) -> &'static str {
        C::TYPE
    }

    fn pieces<'a>(&'a self, records: &'a [QueueRecord], invocation: Invocation) -> Vec<Piece<'a>> {
        let now = self.clock.now();
        let mut malformed = Vec::new();
        let mut readable = Vec::new();
        for (place, record) in records.iter().enumerate() {
            match CommandEnvelope::<C>::read(&record.body, &record.message_id, now) {
                Ok(envelope) => {
                    let stream = envelope.command.stream();
                    let meta = CommandMeta {
                        id: envelope.id,
                        correlation_id: envelope.metadata.correlation_id,
                        trace: record.trace.clone(),
                    };
                    readable.push((
                        stream,
                        Entry {
                            place,
                            meta,
                            command: envelope.command.into(),
                        },
                    ));
                }
                Err(error) => {
                    malformed.push((
                        place,
                        None,
                        Verdict::Refused(RefusalCode::Malformed, error.to_string()),
                    ));
                }
            }
        }
        let decided = grouped(readable)
            .into_iter()
            .map(|(stream, entries)| self.decide(stream, entries, records, invocation.until).boxed());
        let refused = async move { (malformed, Metrics::default()) }.boxed();
        decided.chain([refused]).collect()
    }
}
