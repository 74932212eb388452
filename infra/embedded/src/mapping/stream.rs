//! A table stream's event-source mapping: batches of records to a function, each partition key in order.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html> and the pages below it. A reader follows
//! the shard and hands its records to lanes, as many as the parallelization factor says; a lane has one
//! invocation at a time and does not go past a batch before it is done with it or gives it up.

mod arrival;
mod checkpoints;
mod lane;
mod order;
mod progress;
mod settings;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use super::sqs::Queue;
use super::{Function, MappingError, Notice, Shutdown, Status, told_to_stop};
use crate::dynamodb::{DynamoDb, Record, Stream};
use arrival::Arrival;
pub use checkpoints::{Checkpoint, Checkpoints};
use lane::Lane;
use order::Arrivals;
pub use order::Order;
use progress::Progress;
pub use settings::{OnFailure, Settings};

/// The most records that DynamoDB Streams gives at once.
const LARGEST_READ: usize = 1_000;

/// Runs the mapping until `shutdown`. It does not start with settings that Lambda refuses, without a
/// stream, or without the queue to report failures to.
pub async fn run(
    settings: Settings,
    dynamodb: DynamoDb,
    function: Function,
    status: Status,
    mut shutdown: Shutdown,
) -> Result<(), MappingError> {
    settings.check()?;
    if let Some(destination) = &settings.on_failure {
        Queue::describe(&destination.sqs, &destination.queue).await?;
    }
    let stream = dynamodb.stream_of(&settings.table)?;
    let iterator = dynamodb.shard_iterator(&stream, settings.starting_position)?;
    let writes = dynamodb.changes(&settings.table);
    let mut tables = dynamodb.table_changes();
    tables.mark_unchanged();
    // Set once: a status that is handed to a second run goes on showing the same table.
    status.stream.get_or_init(|| writes.clone());

    let progress = Arc::new(Progress::new(status.clone(), settings.checkpoint.clone()));
    let lane = Lane::new(
        settings.clone(),
        stream.clone(),
        function.clone(),
        progress.clone(),
    );
    let (stop_lanes, stop) = watch::channel(false);
    let mut lanes = JoinSet::new();
    let mut inputs = Vec::new();
    for _ in 0..settings.parallelization_factor {
        // Room for one read: the reader waits while a lane is blocked, as Lambda's poller does.
        let (input, arriving) = mpsc::channel(1);
        inputs.push(input);
        lanes.spawn(lane.clone().run(arriving, stop.clone()));
    }

    let arrivals = Arrivals::new(settings.order);
    let reader = Reader {
        dynamodb,
        stream,
        iterator,
        writes,
        tables,
        arrivals,
        function,
        progress,
        lanes: inputs,
    };
    status.update(|activity| activity.listening = true);
    let ended = tokio::select! {
        biased;
        () = told_to_stop(&mut shutdown) => Ok(()),
        failed = reader.run() => failed,
    };
    stop_lanes.send_replace(true);
    let mut outcome = ended;
    while let Some(ended) = lanes.join_next().await {
        let crashed = |crash: JoinError| MappingError::Crashed {
            source_name: settings.table.clone(),
            reason: crash.to_string(),
        };
        outcome = outcome.and(ended.map_err(crashed));
    }
    status.update(|activity| activity.listening = false);
    outcome
}

/// Follows the shard.
struct Reader {
    dynamodb: DynamoDb,
    stream: Stream,
    iterator: String,
    writes: watch::Receiver<u64>,
    tables: watch::Receiver<u64>,
    arrivals: Arrivals,
    function: Function,
    progress: Arc<Progress>,
    lanes: Vec<mpsc::Sender<Vec<Arrival>>>,
}

impl Reader {
    /// Goes on until nobody listens. A table that is deleted meanwhile is waited for: the database counts the
    /// records of all tables of one name as one shard, so what comes after it is read from the same place on.
    async fn run(mut self) -> Result<(), MappingError> {
        loop {
            self.arrivals.linger().await;
            if self.tables.has_changed().unwrap_or(false) {
                self.until_there().await;
            }
            // Before the read: what is written meanwhile changes the count again, and is read next time.
            let writes = *self.writes.borrow_and_update();
            let (records, at_end) = match self.read() {
                Ok(read) => read,
                // Deleted a moment ago.
                Err(_) if self.tables.has_changed().unwrap_or(false) => continue,
                Err(error) => return Err(error),
            };
            self.progress.read(&records);
            if at_end {
                self.progress.read_to_the_end(writes);
            }
            let arrived = self.arrivals.arrange(records);
            if !self.hand_out(arrived).await {
                return Ok(());
            }
            let more = !at_end || self.arrivals.holds_back();
            if more {
                continue;
            }
            tokio::select! {
                written = self.writes.changed() => if written.is_err() { return Ok(()) },
                // The database outlives its readers, who hold it.
                changed = self.tables.changed() => if changed.is_ok() { self.tables.mark_changed() },
            }
        }
    }

    /// Looks whether the table is still the one that was read, says if it is not, and waits for one with a
    /// stream.
    async fn until_there(&mut self) {
        let (status, function) = (&self.progress.status, self.function.name());
        let source = format!("table {}", self.stream.table);
        let mut lost = false;
        loop {
            self.tables.mark_unchanged();
            match self.dynamodb.stream_of(&self.stream.table) {
                Ok(stream) => {
                    if lost || stream.arn != self.stream.arn {
                        let outcome = format!("{function} reads its stream");
                        status.tell(Notice::Found { source, outcome });
                    }
                    self.stream = stream;
                    return;
                }
                Err(_) if lost => {}
                Err(error) => {
                    lost = true;
                    let there = self.dynamodb.table_identity(&self.stream.table).is_some();
                    let what = if there {
                        "has no stream any more".to_owned()
                    } else {
                        "was deleted, and all that was in it".to_owned()
                    };
                    tracing::debug!("{error}");
                    let reason = format!(
                        "{what}: {function} waits for a table of that name with a stream (StreamEnabled, NEW_IMAGE), \
                         which `dynamodb create-table` or a new start makes"
                    );
                    status.tell(Notice::Lost {
                        source: source.clone(),
                        reason,
                    });
                }
            }
            if self.tables.changed().await.is_err() {
                return;
            }
        }
    }

    /// The next records, and whether there were no more of them.
    fn read(&mut self) -> Result<(Vec<Record>, bool), MappingError> {
        let read = self
            .dynamodb
            .records(&self.stream, &self.iterator, LARGEST_READ)?;
        self.iterator = read.next;
        Ok((read.records, read.at_end))
    }

    /// To each lane its records; false if the lanes are gone.
    async fn hand_out(&self, arrived: Vec<Arrival>) -> bool {
        let mut by_lane: Vec<Vec<Arrival>> = self.lanes.iter().map(|_| Vec::new()).collect();
        for arrival in arrived {
            let lane = lane_of(&arrival.record.partition, self.lanes.len());
            by_lane[lane].push(arrival);
        }
        for (lane, arrived) in self.lanes.iter().zip(by_lane) {
            if !arrived.is_empty() && lane.send(arrived).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// The same lane for the same partition key, always.
fn lane_of(partition: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    partition.hash(&mut hasher);
    // The remainder is less than the number of lanes, which is 10 at most.
    usize::try_from(hasher.finish() % lanes as u64).unwrap_or_default()
}
