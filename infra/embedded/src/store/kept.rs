//! What services keep beside tables: entries of a key and a text, in collections. What the text says is the service's
//! own matter.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_sqs::{KeptChange, Sqs};
use rusqlite::{Connection, params};

use super::engine::Engine;
use super::error::StoreError;
use super::file;
use super::pace::Pace;

/// Sorted as it is read, and without a row number that nobody asks for. DynamoDB's tables have other names.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS _kept (collection TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, \
                     PRIMARY KEY (collection, key)) WITHOUT ROWID";

/// All entries.
pub(crate) struct Entries {
    engine: Arc<Engine>,
    path: Box<Path>,
    queues: Mutex<Option<Sqs>>,
    collections: Mutex<Vec<Collection>>,
}

impl Entries {
    pub(super) fn on(engine: Arc<Engine>, path: &Path) -> Result<Self, StoreError> {
        let made = engine.write_apart(|storage| Ok(storage.conn().execute_batch(TABLE)?));
        made.map_err(|error| file::refusal(path, &error.to_string()))?;
        Ok(Self {
            engine,
            path: path.into(),
            queues: Mutex::default(),
            collections: Mutex::default(),
        })
    }

    pub(super) fn keep_queues(&self, sqs: Sqs) {
        *lock(&self.queues) = Some(sqs);
    }

    pub(super) fn read(&self, collection: &str) -> Result<Vec<(String, String)>, StoreError> {
        let read = self.engine.read(|storage| {
            let mut all = storage
                .conn()
                .prepare_cached("SELECT key, value FROM _kept WHERE collection = ?1 ORDER BY key")?;
            let rows = all.query_map([collection], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        read.map_err(|error| file::refusal(&self.path, &error.to_string()))
    }

    /// Entries of one name, whose changes are written from now on.
    pub(super) fn collection(&self, name: &'static str, pace: Arc<Pace>) -> Collection {
        let collection = Collection {
            name,
            pace,
            pending: Arc::default(),
        };
        lock(&self.collections).push(collection.clone());
        collection
    }

    /// Writes what has changed. Nothing is sent, received or deleted meanwhile: whether a message is there and whether a
    /// schedule is that sent it, or a schedule is and whether the message that asked for it, is of the same moment.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let beside = || {
            let collections = lock(&self.collections);
            collections
                .iter()
                .flat_map(Collection::take_changes)
                .collect::<Vec<_>>()
        };
        let queues = lock(&self.queues).clone();
        let changes = match queues {
            Some(sqs) => sqs.take_changes(beside),
            None => (Vec::new(), beside()),
        };
        for KeptChange {
            collection,
            key,
            text,
        } in changes.0.into_iter().chain(changes.1)
        {
            match text {
                Some(text) => connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO _kept (collection, key, value) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![collection, key, text])?,
                None => connection
                    .prepare_cached("DELETE FROM _kept WHERE collection = ?1 AND key = ?2")?
                    .execute(params![collection, key])?,
            };
        }
        Ok(())
    }
}

/// Entries of one name. Clones share them.
#[derive(Clone)]
pub(crate) struct Collection {
    name: &'static str,
    pace: Arc<Pace>,
    pending: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

impl Collection {
    /// What is to be kept under the key; nothing if none.
    pub(crate) fn change(&self, key: &str, value: Option<String>) {
        lock(&self.pending).insert(key.to_owned(), value);
        self.pace.mark();
    }

    fn take_changes(&self) -> Vec<KeptChange> {
        let pending = std::mem::take(&mut *lock(&self.pending));
        let changes = pending.into_iter().map(|(key, text)| KeptChange {
            collection: self.name,
            key,
            text,
        });
        changes.collect()
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is behind these locks is whole after each statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
