//! Follows a table stream through all its shards, from where it begins to read until it is told to end.
//!
//! A shard ends after some hours, and one or more others go on in its place. Each names the one that it comes after,
//! and is read when that one has been read to its end: so the events of one event stream come in their order.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eventsourcing::{Commit, Timestamp};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::failure::Failure;

/// How long to wait for more where there was nothing. Lambda reads each shard four times a second for the relay, and
/// what a shard answers is limited.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// The same where there is more to read.
const BUSY: Duration = Duration::from_millis(250);

/// How often shards are asked for that are new. Where one ends, they are asked for at once.
const LISTED: Duration = Duration::from_secs(30);

/// The longest wait after what failed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is told where the stream has gone on without this reader.
const LOST: &str =
    "the table stream keeps 24 hours: what was committed before is missing here, and is in the event table";

/// How many shards are read at once.
const READS: usize = 16;

/// The stream that is followed, as its service shows it.
pub(crate) trait Shards {
    /// All shards that there are.
    async fn list(&self) -> Result<Vec<Shard>, Trouble>;

    /// What a shard is read with, from there on; none if it has nothing there any more.
    async fn iterator(&self, shard: &str, from: &Place) -> Result<Option<String>, Trouble>;

    /// Some of its records, which may be none where there are more behind.
    async fn records(&self, iterator: &str) -> Result<Page, Trouble>;
}

/// A part of the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shard {
    pub(crate) id: String,
    /// The one that it comes after.
    pub(crate) parent: Option<String>,
}

/// Where to read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// After the newest record.
    Latest,
    /// At the oldest record.
    Oldest,
    /// After the record with that number.
    After(String),
}

/// Some records of a shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) records: Vec<Streamed>,
    /// The number of the last record.
    pub(crate) last: Option<String>,
    /// What it is read on with; none at its end.
    pub(crate) next: Option<String>,
}

/// A commit in the stream, or what is wrong with the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Streamed {
    Commit(Commit),
    Fault {
        stream_id: String,
        revision: u64,
        fault: String,
    },
}

/// Why the service gave no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It may the next time.
    Transient(String),
    /// The iterator is older than 15 minutes: this machine slept.
    Expired,
    /// The stream does not hold that place any more: it is older than 24 hours.
    Trimmed,
    /// The shard is not there any more.
    Gone,
    /// It never will.
    Lasting(Failure),
}

/// Reads a stream, shard by shard.
pub(crate) struct Follower<S> {
    source: S,
    /// When it began, by the service's clock.
    began: Timestamp,
    shards: BTreeMap<String, Followed>,
    list_at: Instant,
    /// How often the service gave no answer since it last did.
    unanswered: u32,
    /// What has to be told.
    news: Vec<String>,
}

struct Followed {
    parent: Option<String>,
    /// Whether another goes on where it ends.
    has_heir: bool,
    /// Whether it has been read to its end.
    is_over: bool,
    place: Place,
    iterator: Option<String>,
    /// Commits from before are not given: nobody knows where they end in the shard.
    not_before: Option<Timestamp>,
    read_at: Instant,
    failures: u32,
}

/// What came of one look at the shards.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// In the order of their time; those of one event stream in its order.
    pub(crate) streamed: Vec<Streamed>,
    /// What whoever looks on should know.
    pub(crate) news: Vec<String>,
    /// When to look again.
    pub(crate) next: Option<Instant>,
}

/// What a read of one shard came to.
struct Read {
    shard: String,
    iterator: Option<String>,
    outcome: Result<Option<Page>, Trouble>,
}

impl<S: Shards> Follower<S> {
    /// Begins: with what is added from now on, or with the oldest that there is.
    pub(crate) async fn begin(
        source: S,
        with: Place,
        began: Timestamp,
        now: Instant,
    ) -> Result<Self, Failure> {
        let shards = match source.list().await {
            Ok(shards) => shards,
            Err(Trouble::Lasting(failure)) => return Err(failure),
            Err(Trouble::Transient(why)) => {
                return Err(Failure::Failed(format!("the table stream can't be read: {why}")));
            }
            Err(Trouble::Expired | Trouble::Trimmed | Trouble::Gone) => return Err(not_there()),
        };
        let mut follower = Self {
            source,
            began,
            shards: BTreeMap::new(),
            list_at: now + LISTED,
            unanswered: 0,
            news: Vec::new(),
        };
        follower.adopt(shards, &with, now);
        for shard in follower.shards.values_mut() {
            // Nothing is added any more where another goes on.
            shard.is_over = with == Place::Latest && shard.has_heir;
        }
        Ok(follower)
    }

    /// How many shards are followed now.
    pub(crate) fn open(&self) -> usize {
        self.shards.values().filter(|shard| !shard.is_over).count()
    }

    /// Reads a page of each shard that it is time for.
    pub(crate) async fn round(&mut self, now: Instant) -> Result<Round, Failure> {
        if self.list_at <= now {
            self.list(now).await?;
        }
        let due = self.shards.iter().filter(|(_, shard)| {
            !shard.is_over && shard.read_at <= now && self.is_read(shard.parent.as_deref())
        });
        let reads: Vec<_> = due.map(|(id, shard)| self.read(id, shard)).collect();
        // In the shards' order, which is that of their time.
        let reads: Vec<_> = stream::iter(reads).buffered(READS).collect().await;
        let mut streamed = Vec::new();
        for read in reads {
            self.note(read, now, &mut streamed)?;
        }
        // A stable sort: what is of one shard stays in its order.
        streamed.sort_by_key(|(at, _)| *at);
        let next = self.shards.values().filter(|shard| !shard.is_over);
        let next = next.filter(|shard| self.is_read(shard.parent.as_deref()));
        let next = next.map(|shard| shard.read_at).chain([self.list_at]).min();
        Ok(Round {
            streamed: streamed.into_iter().map(|(_, streamed)| streamed).collect(),
            news: std::mem::take(&mut self.news),
            next,
        })
    }

    /// Whether a shard that others come after has been read to its end, or is not there.
    fn is_read(&self, parent: Option<&str>) -> bool {
        let parent = parent.and_then(|parent| self.shards.get(parent));
        parent.is_none_or(|parent| parent.is_over)
    }

    async fn list(&mut self, now: Instant) -> Result<(), Failure> {
        let shards = match self.source.list().await {
            Ok(shards) => shards,
            Err(Trouble::Lasting(failure)) => return Err(failure),
            Err(Trouble::Expired | Trouble::Trimmed | Trouble::Gone) => return Err(not_there()),
            Err(Trouble::Transient(why)) => {
                self.list_at = now + IDLE.max(self.unanswered(&why));
                return Ok(());
            }
        };
        self.answered();
        self.list_at = now + LISTED;
        self.shards
            .retain(|id, shard| !shard.is_over || shards.iter().any(|listed| listed.id == *id));
        // Those that are new were made after the first look: all that they hold is new.
        self.adopt(shards, &Place::Oldest, now);
        Ok(())
    }

    fn adopt(&mut self, shards: Vec<Shard>, place: &Place, now: Instant) {
        let parents: BTreeSet<_> = shards.iter().filter_map(|shard| shard.parent.clone()).collect();
        for Shard { id, parent } in shards {
            // The service says of a shard where it ends, too; emulators say it of those that are not over.
            let has_heir = parents.contains(&id);
            let new = || Followed::of(parent, place.clone(), now);
            self.shards.entry(id).or_insert_with(new).has_heir = has_heir;
        }
    }

    async fn read(&self, id: &str, shard: &Followed) -> Read {
        let read = |iterator, outcome| Read {
            shard: id.to_owned(),
            iterator,
            outcome,
        };
        let iterator = match &shard.iterator {
            Some(iterator) => Ok(Some(iterator.clone())),
            None => self.source.iterator(id, &shard.place).await,
        };
        match iterator {
            Ok(Some(iterator)) => {
                let page = self.source.records(&iterator).await;
                read(Some(iterator), page.map(Some))
            }
            Ok(None) => read(None, Ok(None)),
            Err(trouble) => read(None, Err(trouble)),
        }
    }

    fn note(
        &mut self,
        Read {
            shard: id,
            iterator,
            outcome,
        }: Read,
        now: Instant,
        streamed: &mut Vec<(Timestamp, Streamed)>,
    ) -> Result<(), Failure> {
        let began = self.began;
        if outcome.is_ok() {
            self.answered();
        }
        let Some(shard) = self.shards.get_mut(&id) else {
            return Ok(());
        };
        match outcome {
            Ok(page) => {
                let page = page.unwrap_or_default();
                shard.failures = 0;
                shard.read_at = now + shard.wait_after(&page);
                if let Some(last) = page.last {
                    shard.place = Place::After(last);
                }
                shard.is_over = page.next.is_none();
                shard.iterator = page.next;
                if shard.is_over {
                    self.list_at = now;
                }
                let not_before = shard.not_before;
                let mut newest = Timestamp::from_millis(i64::MIN);
                for one in page.records {
                    if let Streamed::Commit(commit) = &one {
                        if not_before.is_some_and(|begin| commit.committed_at < begin) {
                            continue;
                        }
                        newest = newest.max(commit.committed_at);
                    }
                    streamed.push((newest, one));
                }
            }
            Err(Trouble::Expired) => {
                shard.iterator = None;
                shard.read_at = now + BUSY;
                if shard.place == Place::Latest {
                    // Nothing came of it yet: what it got meanwhile is somewhere behind its beginning.
                    shard.place = Place::Oldest;
                    shard.not_before = Some(began);
                }
            }
            Err(Trouble::Trimmed) => {
                shard.iterator = None;
                shard.read_at = now + BUSY;
                shard.place = Place::Oldest;
                self.news.push(LOST.to_owned());
            }
            Err(Trouble::Gone) => {
                shard.is_over = true;
                if matches!(shard.place, Place::After(_)) {
                    self.news.push(LOST.to_owned());
                }
                self.list_at = now;
            }
            Err(Trouble::Transient(why)) => {
                shard.iterator = iterator;
                shard.failures += 1;
                shard.read_at = now + wait(shard.failures);
                self.unanswered(&why);
            }
            Err(Trouble::Lasting(failure)) => return Err(failure),
        }
        Ok(())
    }

    /// Tells once that there is no answer, and how long to wait then.
    fn unanswered(&mut self, why: &str) -> Duration {
        if self.unanswered == 0 {
            self.news.push(format!(
                "the table stream can't be read now, and is tried again: {why}"
            ));
        }
        self.unanswered = self.unanswered.saturating_add(1);
        wait(self.unanswered)
    }

    fn answered(&mut self) {
        if std::mem::take(&mut self.unanswered) > 0 {
            self.news.push("the table stream is read again".to_owned());
        }
    }
}

impl Followed {
    fn of(parent: Option<String>, place: Place, now: Instant) -> Self {
        Self {
            parent,
            has_heir: false,
            is_over: false,
            place,
            iterator: None,
            not_before: None,
            read_at: now,
            failures: 0,
        }
    }

    /// A shard that nothing is added to any more has an end, however many empty pages come before it.
    fn wait_after(&self, page: &Page) -> Duration {
        if page.records.is_empty() && !self.has_heir {
            IDLE
        } else {
            BUSY
        }
    }
}

/// How long to wait after so many failures.
fn wait(failures: u32) -> Duration {
    let doubled = IDLE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST_WAIT)
}

fn not_there() -> Failure {
    Failure::Failed("the table stream is not there any more: was the table made anew?".to_owned())
}

#[cfg(test)]
mod tests;
