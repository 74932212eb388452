//! The thread that ends groups: it commits what is open, syncs it if that was asked for, and tells those who wait.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::engine::Engine;
use super::file;
use super::kept::Entries;
use super::pace::{Next, Pace};

/// After so many groups, what the write-ahead log holds is moved into the database file.
const GROUPS_BETWEEN_MOVES: u64 = 64;

/// With so many pages of 4 KiB in it, the log is begun anew. It keeps its size: overwriting is synced faster than
/// growing.
const LOG_PAGES: u64 = 8 * 1024;

/// What an answer waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// That it survives the end of this process, at whatever moment.
    Process,
    /// That it survives the loss of power too: it was synced to the disk.
    #[default]
    Power,
}

/// Syncs the write-ahead log. SQLite is told not to: it would do so for each transaction while it holds up all others,
/// and after it has acknowledged none.
pub(super) struct Sync(Option<Box<SyncFile>>);

type SyncFile = dyn FnMut(&File) -> io::Result<()> + Send;

impl Sync {
    pub(super) fn of(durability: Durability) -> Self {
        match durability {
            Durability::Process => Self(None),
            Durability::Power => Self(Some(Box::new(File::sync_data))),
        }
    }

    #[cfg(test)]
    pub(super) fn by(sync: impl FnMut(&File) -> io::Result<()> + Send + 'static) -> Self {
        Self(Some(Box::new(sync)))
    }
}

/// The thread. It commits a last time when this is dropped.
pub(super) struct Committer {
    pace: Arc<Pace>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(super) fn start(
        path: &Path,
        engine: Arc<Engine>,
        kept: Arc<Entries>,
        sync: Sync,
    ) -> io::Result<Self> {
        let pace = engine.pace().clone();
        let work = Work {
            path: path.to_owned(),
            pace: pace.clone(),
            engine,
            kept,
            sync,
            log: None,
            log_is_long: false,
            mover: None,
        };
        let thread = std::thread::Builder::new().name("committer".to_owned());
        Ok(Self {
            pace,
            thread: Some(thread.spawn(move || work.run())?),
        })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.pace.end();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the committer panicked");
        }
    }
}

struct Work {
    path: PathBuf,
    pace: Arc<Pace>,
    engine: Arc<Engine>,
    kept: Arc<Entries>,
    sync: Sync,
    /// The write-ahead log, which SQLite writes.
    log: Option<File>,
    log_is_long: bool,
    /// A second connection, which holds nobody up while it moves the log into the database file.
    mover: Option<Connection>,
}

impl Drop for Work {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever waits would wait for ever.
            self.pace.fail("the committer panicked".to_owned());
        }
    }
}

impl Work {
    fn run(mut self) {
        loop {
            let next = self.pace.next();
            if let Err(error) = self.commit() {
                tracing::error!(%error, "what was written can't be kept");
                self.pace.fail(error.to_string());
                return;
            }
            if next == Next::Last {
                return;
            }
        }
    }

    fn commit(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let mut group = 0;
        let begin_log_anew = std::mem::take(&mut self.log_is_long);
        let last = |connection: &Connection| {
            // First: what a service changes after it was asked is of the next group.
            group = self.pace.turn();
            self.kept.write(connection)
        };
        let after = |connection: &Connection| {
            if begin_log_anew {
                checkpoint(connection, "RESTART")?;
            }
            Ok(())
        };
        self.engine.commit(last, after)?;
        let log = match &mut self.log {
            Some(log) => log,
            none => {
                if self.sync.0.is_some() {
                    sync_folder_of(&self.path)?;
                }
                // Some systems sync nothing that was opened to be read.
                let log = OpenOptions::new()
                    .write(true)
                    .open(file::write_ahead_log(&self.path))?;
                none.insert(log)
            }
        };
        if let Sync(Some(sync)) = &mut self.sync {
            sync(log)?;
        }
        self.pace.is_kept(group);
        if group.is_multiple_of(GROUPS_BETWEEN_MOVES) {
            self.log_is_long = self.move_log()? > LOG_PAGES;
        }
        Ok(())
    }

    /// Moves what the log holds into the database file, while others write on; how many pages the log has.
    fn move_log(&mut self) -> rusqlite::Result<u64> {
        let mover = if let Some(mover) = &self.mover {
            mover
        } else {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mover = Connection::open_with_flags(&self.path, flags)?;
            mover.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")?;
            self.mover.insert(mover)
        };
        checkpoint(mover, "PASSIVE")
    }
}

fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| row.get(1))
}

/// A file that was made a moment ago is there after a loss of power once its folder was synced.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Elsewhere the file system sees to that.
#[cfg(not(unix))]
fn sync_folder_of(_: &Path) -> io::Result<()> {
    Ok(())
}
