//! Plays scenarios on whatever stack speaks `DynamoDB` and SQS, the local one, an emulator or AWS, and looks at
//! what came of them: all of it as somebody outside would.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_adapters::{
    Bus, Connection, DynamoDbEventStore, Names, Outgoing, QueueError, Receive, Received, SendError,
    dead_letter_queue,
};
use bundle::scenario::{Action, Outcome, Refused, Scenario, Sent, Subject, TimelineEntry, are_told_of_in};
use eventsourcing::{Commit, EventStore, LoadError, NewEvent, Position, Read, StreamId, Timestamp, sendable};
use serde_json::{Value, json};

/// Why a scenario could not be played or looked at.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// A message could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A stream could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A dead-letter queue could not be read, or what was read could not be taken out of it.
    #[error("queue {queue} could not be read: {why}")]
    Receive {
        /// The queue.
        queue: String,
        /// What went wrong.
        why: QueueError,
    },
    /// What the script waits for did not happen.
    #[error("{stream} held no {event_type} after {waited:?}")]
    NeverHappened {
        /// The stream.
        stream: StreamId,
        /// The type of the event.
        event_type: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// An event could not be written for the sake of a scenario.
    #[error("an event could not be put into {stream}: {why}")]
    Write {
        /// The stream.
        stream: StreamId,
        /// What went wrong.
        why: String,
    },
}

/// Plays scenarios on a stack and looks at what came of them, as somebody outside would.
#[derive(Clone, Debug)]
pub struct Player {
    bus: Bus,
    store: DynamoDbEventStore,
    /// How long a script waits for an event.
    patience: Duration,
}

impl Player {
    /// Somebody outside the stack of those names. `queue_url_prefix` is what its queues' URLs begin
    /// with, `patience` how long a script waits for an event.
    pub fn new(connection: &Connection, names: &Names, queue_url_prefix: &str, patience: Duration) -> Self {
        Self {
            bus: Bus::new(connection.sqs.clone(), queue_url_prefix),
            store: DynamoDbEventStore::new(connection.dynamodb.clone(), names.events_table()),
            patience,
        }
    }

    /// Plays the scenario's script to its end; what it set off may still be going on then.
    pub async fn play(&self, scenario: &Scenario) -> Result<(), PlayError> {
        for action in &scenario.script {
            match action {
                Action::Send(Sent { queue, command }) => {
                    self.send(queue, &json!({ "command": command })).await?;
                }
                Action::Until(stream, event_type) => self.until(stream, event_type).await?,
                Action::Append(stream, event) => self.append(stream, event).await?,
            }
        }
        Ok(())
    }

    /// Sends a message.
    pub async fn send(&self, queue: &str, body: &Value) -> Result<(), PlayError> {
        self.send_bodies([(queue, body.to_string())]).await
    }

    /// Sends many commands.
    pub async fn send_all(&self, commands: &[Sent]) -> Result<(), PlayError> {
        let body = |sent: &Sent| json!({ "command": sent.command }).to_string();
        let bodies = commands.iter().map(|sent| (sent.queue.as_str(), body(sent)));
        self.send_bodies(bodies).await
    }

    async fn send_bodies(&self, bodies: impl IntoIterator<Item = (&str, String)>) -> Result<(), PlayError> {
        let messages = bodies
            .into_iter()
            .map(|(queue, body)| Outgoing::now(queue, sendable(body), None));
        let sent = self.bus.send(messages.collect()).await;
        Ok(sent.into_iter().collect::<Result<_, _>>()?)
    }

    /// Waits until the stream holds an event of that type, looking less and less often.
    pub async fn until(&self, stream: &StreamId, event_type: &'static str) -> Result<(), PlayError> {
        let started = tokio::time::Instant::now();
        let mut interval = Duration::from_millis(5);
        loop {
            let loaded = self.store.load(stream, Read::Consistent).await?;
            if loaded.events().any(|event| event.event_type == event_type) {
                return Ok(());
            }
            let waited = started.elapsed();
            if waited > self.patience {
                return Err(PlayError::NeverHappened {
                    stream: stream.clone(),
                    event_type,
                    waited,
                });
            }
            tokio::time::sleep(interval).await;
            interval = (interval * 5 / 4).min(Duration::from_mins(1));
        }
    }

    /// Begins the stream with an event that no rule decided on.
    async fn append(&self, stream: &StreamId, event: &NewEvent) -> Result<(), PlayError> {
        let (id, now) = (uuid::Uuid::new_v4(), Timestamp::from_millis(0));
        let commit = Commit::at(Position::START, stream, id, now, vec![event.clone()]);
        let appended = self.store.append(&commit).await;
        appended.map_err(|error| PlayError::Write {
            stream: stream.clone(),
            why: error.to_string(),
        })?;
        Ok(())
    }

    /// What has become of the scenario. `refused` is what [`Player::refused`] found.
    pub async fn outcome(&self, scenario: &Scenario, refused: &[Refused]) -> Result<Outcome, PlayError> {
        self.look(scenario.subject, &scenario.streams, refused).await
    }

    /// What has become of that to which these streams belong. `refused` is what [`Player::refused`] found.
    pub async fn look(
        &self,
        subject: &'static Subject,
        streams: &[StreamId],
        refused: &[Refused],
    ) -> Result<Outcome, PlayError> {
        let is_own = |refused: &&Refused| are_told_of_in(streams, &refused.body);
        Ok(Outcome {
            subject,
            timeline: self.timeline(streams).await?,
            refused: refused.iter().filter(is_own).cloned().collect(),
        })
    }

    /// All events of the streams, by time.
    async fn timeline(&self, streams: &[StreamId]) -> Result<Vec<TimelineEntry>, PlayError> {
        let mut timeline = Vec::new();
        for stream in streams {
            let loaded = self.store.load(stream, Read::Consistent).await?;
            for commit in loaded.commits() {
                timeline.extend(commit.events.iter().map(|event| TimelineEntry {
                    stream: stream.clone(),
                    revision: event.revision,
                    event_type: event.event_type.clone(),
                    data: serde_json::from_str(&event.data).unwrap_or_default(),
                    committed_at: commit.committed_at,
                }));
            }
        }
        timeline.sort_by_key(|entry| (entry.committed_at, entry.revision));
        Ok(timeline)
    }

    /// The store, read as somebody outside.
    pub(crate) fn store(&self) -> &DynamoDbEventStore {
        &self.store
    }

    /// Takes all messages out of the dead-letter queues of `queues`.
    pub async fn refused(&self, queues: &[&str]) -> Result<Vec<Refused>, PlayError> {
        self.refused_of(queues, &|_| true).await
    }

    /// Takes those messages out of the dead-letter queues of `queues` whose body `is_own`. Others are
    /// somebody else's, who sees them again when the queue's visibility timeout ends.
    pub async fn refused_of(
        &self,
        queues: &[&str],
        is_own: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<Refused>, PlayError> {
        let mut refused = Vec::new();
        for queue in queues {
            self.drain(queue, is_own, &mut refused).await?;
        }
        Ok(refused)
    }

    async fn drain(
        &self,
        queue: &str,
        is_own: &(dyn Fn(&str) -> bool + Sync),
        refused: &mut Vec<Refused>,
    ) -> Result<(), PlayError> {
        let (queues, dead_letters) = (self.bus.queues(), dead_letter_queue(queue));
        let failed = |why| PlayError::Receive {
            queue: dead_letters.clone(),
            why,
        };
        let mut seen = BTreeSet::new();
        loop {
            let received = queues.receive(&dead_letters, Receive::default()).await;
            let mut received = received.map_err(failed)?;
            if received.is_empty() {
                return Ok(());
            }
            received.retain(|message| is_own(&message.body));
            let receipts: Vec<_> = received.iter().map(|message| message.receipt.as_str()).collect();
            let deleted = queues.delete(&dead_letters, &receipts).await;
            deleted.into_iter().collect::<Result<(), _>>().map_err(failed)?;
            received.retain(|message| seen.insert(message.message_id.clone()));
            refused.extend(received.iter().map(|message| letter(queue, message)));
        }
    }
}

/// A message that was taken out of the dead-letter queue of `queue`. One that SQS moved there by itself has no code.
fn letter(queue: &str, message: &Received) -> Refused {
    let refusal = message.refusal();
    let (code, error) = refusal.map_or(("", ""), |refusal| (refusal.code.as_str(), refusal.error));
    Refused {
        queue: queue.to_owned(),
        code: code.to_owned(),
        error: error.to_owned(),
        body: message.body.clone(),
    }
}
