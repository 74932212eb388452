//! The one connection to the database, on which the tables and all else that is kept are read and written.
//!
//! In a file, writes that arrive together become one transaction, a group: a write that DynamoDB promises is atomic is
//! a savepoint of it, and the committer ends the group (see [`super`]). `dynoxide` begins and ends a transaction of its
//! own for each write, and SQLite has no transaction in a transaction. So an authorizer has its `BEGIN`, `COMMIT` and
//! `ROLLBACK` do nothing while a write is part of a group, which SQLite documents
//! (<https://www.sqlite.org/c3ref/set_authorizer.html>: what is ignored is left out of the compiled statement), and
//! takes note of a `ROLLBACK`, which then goes back to the savepoint. With a `dynoxide` that wrote into a transaction of
//! its caller's, [`Group`] would be a `BEGIN` and a `COMMIT`, and nothing else would change.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dynoxide::storage::Storage;
use dynoxide::{DynoxideError, Result};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};

use super::error::StoreError;
use super::file;
use super::pace::Pace;
use crate::clock::Clock;

/// How many pages the database may hold in memory, in KiB.
const CACHE_KIB: u32 = 64 * 1024;

/// The database, for one call at a time.
pub(crate) struct Engine {
    held: Mutex<Held>,
    pace: Arc<Pace>,
    clock: Clock,
}

struct Held {
    storage: Storage,
    /// None in memory, where there is nothing to save by it.
    group: Option<Group>,
}

impl Engine {
    /// In memory, gone with its last owner.
    pub(crate) fn in_memory(clock: Clock) -> Result<Self> {
        let storage = Storage::memory()?.with_clock(Arc::new(clock.clone()));
        file::set_up(&storage)?;
        Ok(Self::with(storage, None, clock))
    }

    /// In a file, which is made if it is not there.
    pub(crate) fn open(path: &Path, clock: Clock) -> std::result::Result<Self, StoreError> {
        let storage = file::open(path)?.with_clock(Arc::new(clock.clone()));
        let group = Group::on(storage.conn());
        let group = group.map_err(|error| file::refusal(path, &error.to_string()))?;
        Ok(Self::with(storage, Some(group), clock))
    }

    fn with(storage: Storage, group: Option<Group>, clock: Clock) -> Self {
        Self {
            held: Mutex::new(Held { storage, group }),
            pace: Arc::default(),
            clock,
        }
    }

    /// What the database goes by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What tells the committer that there is something to commit.
    pub(crate) fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Reads, seeing what the open group holds.
    pub(crate) fn read<T>(&self, call: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        call(&self.held().storage)
    }

    /// Writes in one transaction or none, as part of the open group.
    pub(crate) fn write<T>(&self, call: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        let held = &mut *self.held();
        let Some(group) = &mut held.group else {
            return call(&held.storage);
        };
        self.pace.check().map_err(DynoxideError::InternalServerError)?;
        let answer = group.join(&held.storage, call);
        self.pace.mark();
        answer
    }

    /// Writes whole or not at all, by a call that begins no transaction of its own.
    pub(crate) fn write_whole<T>(&self, call: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        self.write(|storage| {
            let connection = storage.conn();
            if !connection.is_autocommit() {
                // The group's savepoint does.
                return call(storage);
            }
            // Rolled back when it is dropped.
            let whole = connection.unchecked_transaction()?;
            let answer = call(storage)?;
            whole.commit()?;
            Ok(answer)
        })
    }

    /// Writes in as many transactions as it takes, after the open group.
    pub(crate) fn write_apart<T>(&self, call: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        let held = &mut *self.held();
        let Some(group) = &mut held.group else {
            return call(&held.storage);
        };
        self.pace.check().map_err(DynoxideError::InternalServerError)?;
        group.end(held.storage.conn())?;
        let answer = call(&held.storage);
        self.pace.mark();
        answer
    }

    /// Ends the open group, to which `last` may still add, and does what can be done between two. Other calls wait.
    pub(crate) fn commit(
        &self,
        last: impl FnOnce(&Connection) -> rusqlite::Result<()>,
        after: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let held = &mut *self.held();
        let Some(group) = &mut held.group else {
            return Ok(());
        };
        let connection = held.storage.conn();
        group.begin(connection)?;
        last(connection)?;
        group.end(connection)?;
        after(connection)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A call that panicked left a savepoint open at most, which the next one goes back to.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes that become one transaction.
struct Group {
    is_open: bool,
    /// Whether `dynoxide`'s own transactions are part of it.
    joined: Arc<AtomicBool>,
    /// Whether one of them was rolled back.
    rolled_back: Arc<AtomicBool>,
    /// Whether a write has begun and not ended: one that panicked, if it is not this one.
    is_in_write: bool,
}

impl Group {
    fn on(connection: &Connection) -> rusqlite::Result<Self> {
        connection.execute_batch(&format!(
            "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA temp_store = MEMORY; \
             PRAGMA wal_autocheckpoint = 0;"
        ))?;
        let group = Self {
            is_open: false,
            joined: Arc::default(),
            rolled_back: Arc::default(),
            is_in_write: false,
        };
        let (joined, rolled_back) = (group.joined.clone(), group.rolled_back.clone());
        connection.authorizer(Some(move |asked: AuthContext<'_>| match asked.action {
            AuthAction::Transaction { operation } if joined.load(Ordering::Relaxed) => {
                if operation == TransactionOperation::Rollback {
                    rolled_back.store(true, Ordering::Relaxed);
                }
                Authorization::Ignore
            }
            _ => Authorization::Allow,
        }));
        Ok(group)
    }

    fn begin(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.undo_what_panicked(connection)?;
        if !self.is_open {
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            self.is_open = true;
        }
        Ok(())
    }

    fn end(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.undo_what_panicked(connection)?;
        if self.is_open {
            connection.prepare_cached("COMMIT")?.execute([])?;
            self.is_open = false;
        }
        Ok(())
    }

    /// A call as part of the group: whole, or not at all.
    fn join<T>(&mut self, storage: &Storage, call: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        let connection = storage.conn();
        self.begin(connection)?;
        connection.prepare_cached("SAVEPOINT write")?.execute([])?;
        self.is_in_write = true;
        self.joined.store(true, Ordering::Relaxed);
        let answer = call(storage);
        self.joined.store(false, Ordering::Relaxed);
        if self.rolled_back.swap(false, Ordering::Relaxed) || answer.is_err() {
            connection.prepare_cached("ROLLBACK TO write")?.execute([])?;
        }
        connection.prepare_cached("RELEASE write")?.execute([])?;
        self.is_in_write = false;
        answer
    }

    fn undo_what_panicked(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.is_in_write {
            self.joined.store(false, Ordering::Relaxed);
            self.rolled_back.store(false, Ordering::Relaxed);
            connection.execute_batch("ROLLBACK TO write; RELEASE write")?;
            self.is_in_write = false;
        }
        Ok(())
    }
}

// A test that can't set its stage has to stop there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn engine(folder: &tempfile::TempDir) -> Engine {
        let engine = Engine::open(&folder.path().join("store"), Clock::real()).unwrap();
        let made = engine
            .write_apart(|storage| Ok(storage.conn().execute_batch("CREATE TABLE notes (text TEXT)")?));
        made.unwrap();
        engine
    }

    /// As `dynoxide` writes: in a transaction of its own.
    fn note(storage: &Storage, text: &str) -> Result<()> {
        storage.begin_transaction()?;
        storage.conn().execute("INSERT INTO notes VALUES (?1)", [text])?;
        storage.commit()
    }

    fn notes(engine: &Engine) -> String {
        let all = "SELECT group_concat(text, ' ') FROM notes";
        let all = engine.read(|storage| {
            Ok(storage
                .conn()
                .query_row(all, [], |row| row.get::<_, Option<String>>(0))?)
        });
        all.unwrap().unwrap_or_default()
    }

    #[test]
    fn a_write_that_is_rolled_back_takes_nothing_else_of_its_group_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(&folder);
        engine.write(|storage| note(storage, "first")).unwrap();
        let refused: Result<()> = engine.write(|storage| {
            storage.begin_transaction()?;
            storage
                .conn()
                .execute("INSERT INTO notes VALUES ('refused')", [])?;
            storage.rollback()?;
            Err(DynoxideError::ValidationException("no".to_owned()))
        });
        refused.unwrap_err();
        engine.write(|storage| note(storage, "second")).unwrap();
        assert_eq!(notes(&engine), "first second");
        engine.commit(|_| Ok(()), |_| Ok(())).unwrap();
        assert_eq!(notes(&engine), "first second");
    }

    #[test]
    fn a_write_of_several_statements_is_there_whole_or_not_at_all_in_a_group_and_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let in_memory = Engine::in_memory(Clock::real()).unwrap();
        let made = in_memory
            .write_apart(|storage| Ok(storage.conn().execute_batch("CREATE TABLE notes (text TEXT)")?));
        made.unwrap();
        for engine in [engine(&folder), in_memory] {
            let insert = |storage: &Storage, text: &str| -> Result<()> {
                storage.conn().execute("INSERT INTO notes VALUES (?1)", [text])?;
                Ok(())
            };
            let refused = || DynoxideError::ValidationException("no".to_owned());
            engine.write_whole(|storage| insert(storage, "first")).unwrap();
            let half = engine.write_whole(|storage| insert(storage, "half").and(Err::<(), _>(refused())));
            half.unwrap_err();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                engine.write_whole(|storage| {
                    insert(storage, "half")?;
                    std::panic::resume_unwind(Box::new("on purpose"));
                    #[allow(unreachable_code)]
                    Ok(())
                })
            }));
            assert!(panicked.is_err());
            // By dynoxide's own transaction, which finds none open.
            engine.write(|storage| note(storage, "second")).unwrap();
            assert_eq!(notes(&engine), "first second");
        }
    }

    #[test]
    fn a_write_that_panics_is_undone_and_those_after_it_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(&folder);
        engine.write(|storage| note(storage, "first")).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            engine.write(|storage| {
                note(storage, "half")?;
                std::panic::resume_unwind(Box::new("on purpose"));
                #[allow(unreachable_code)]
                Ok(())
            })
        }));
        assert!(panicked.is_err());
        engine.write_apart(|storage| note(storage, "second")).unwrap();
        engine.write(|storage| note(storage, "third")).unwrap();
        engine.commit(|_| Ok(()), |_| Ok(())).unwrap();
        drop(engine);
        let engine = Engine::open(&folder.path().join("store"), Clock::real()).unwrap();
        assert_eq!(notes(&engine), "first second third");
    }
}
