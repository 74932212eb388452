//! The file in which everything is kept: tables, queues, schedules, rules, and how far streams have been read.
//!
//! What is written is first part of an open group, which everybody in this process sees. A group becomes one
//! transaction, whatever is in it: a write to a table, messages that were sent, received and deleted, a schedule that
//! fired. So what a process leaves behind when it is killed is always what was there at one moment, and nobody has to
//! ask what was written first. A message that was sent and deleted within a group is not written at all.
//!
//! An answer that leaves this process waits until the group of what it tells is kept ([`Store::until_kept`]). A group
//! ends when somebody waits for it, and takes up all that arrived while the one before it was on its way to the disk:
//! the more there is to do, the more of it shares one transaction and one sync.
//!
//! | module | what it is |
//! | --- | --- |
//! | `engine` | the connection, and writes that join a group |
//! | `pace` | when a group ends, and who waits for that |
//! | `committer` | the thread that ends groups, syncs them, and moves them into the database file |
//! | `kept` | what services keep beside tables: entries of a key and a text |
//! | `file` | the file, looked at before it is opened |
//! | `error` | why a file can't keep anything |
//! | `earlier` | files of earlier versions |

mod committer;
pub(crate) mod earlier;
mod engine;
mod error;
mod file;
mod kept;
mod pace;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use embedded_sqs::Sqs;
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use committer::Committer;
pub use committer::Durability;
pub use earlier::EarlierFileError;
pub(crate) use engine::Engine;
pub use error::StoreError;
pub(crate) use file::in_plain_words;
pub(crate) use kept::Collection;
use kept::Entries;

/// By how many milliseconds the clock is ahead.
const CLOCK: &str = "clock";

/// The file. Clones share it.
#[derive(Clone)]
pub struct Store {
    path: Arc<Path>,
    engine: Arc<Engine>,
    kept: Arc<Entries>,
    /// Commits a last time when nobody needs the store any more.
    _committer: Arc<Committer>,
}

impl Store {
    /// Opens the file, which is made if it is not there. What `clock` shows is when things are written.
    pub fn open(path: impl AsRef<Path>, clock: Clock, durability: Durability) -> Result<Self, StoreError> {
        Self::with_sync(path.as_ref(), clock, committer::Sync::of(durability))
    }

    fn with_sync(path: &Path, clock: Clock, sync: committer::Sync) -> Result<Self, StoreError> {
        let engine = Arc::new(Engine::open(path, clock)?);
        let kept = Arc::new(Entries::on(engine.clone(), path)?);
        let committer = Committer::start(path, engine.clone(), kept.clone(), sync);
        let committer = committer.map_err(|error| file::refusal(path, &error.to_string()))?;
        Ok(Self {
            path: path.into(),
            engine,
            kept,
            _committer: Arc::new(committer),
        })
    }

    /// Resolves when all that was written before is kept; an error if that has become impossible.
    pub async fn until_kept(&self) -> Result<(), String> {
        self.engine.pace().until_kept().await
    }

    /// Resolves when nothing more can be kept, such as when the disk is full. What was kept until then is whole.
    pub async fn failed(&self) -> String {
        let reason = self.engine.pace().failed().await;
        format!("{} {}", self.path.display(), in_plain_words(&reason))
    }

    /// Has the queues take up what was kept of them, and keeps them from now on. Queues that are there already are not
    /// kept.
    pub fn keep_queues(&self, sqs: &Sqs) -> Result<(), StoreError> {
        let mut kept = BTreeMap::new();
        for collection in Sqs::COLLECTIONS {
            kept.insert(collection, self.kept.read(collection)?);
        }
        let pace = self.engine.pace().clone();
        let taken_up = sqs.keep(&kept, move || pace.mark());
        taken_up.map_err(|error| {
            tracing::error!(%error, "the queues");
            self.unreadable("queues")
        })?;
        self.kept.keep_queues(sqs.clone());
        Ok(())
    }

    /// Moves its clock as far ahead as it was when the last process ended, and keeps how far it is moved from now on. It
    /// comes before queues and schedules are taken up, whose times are of that clock.
    pub fn keep_clock(&self) -> Result<(), StoreError> {
        let clock = self.engine.clock();
        let (ahead, collection) = self.collection::<u64>(CLOCK)?;
        for milliseconds in ahead {
            if !clock.move_ahead(Duration::from_millis(milliseconds)) {
                return Err(self.unreadable(CLOCK));
            }
        }
        clock.keep_ahead(move |ahead| collection.change("ahead", Some(ahead.as_millis().to_string())));
        Ok(())
    }

    /// The entries that a service keeps under this name, as the last group has them: key and text.
    pub fn entries(&self, collection: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.kept.read(collection)
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// What was kept under this name, by key, and the way to change it.
    pub(crate) fn collection<T: DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<(Vec<T>, Collection), StoreError> {
        let read = |(_, text): (String, String)| serde_json::from_str(&text);
        let entries: Result<Vec<_>, _> = self.kept.read(name)?.into_iter().map(read).collect();
        let entries = entries.map_err(|_| self.unreadable(name))?;
        Ok((entries, self.kept.collection(name, self.engine.pace().clone())))
    }

    fn unreadable(&self, what: &'static str) -> StoreError {
        StoreError::Entry {
            path: self.path.to_path_buf(),
            what,
            remedy: "name another folder, or start the version that wrote it",
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

// A test that can't set its stage has to stop there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
