//! `EventBridge` Scheduler: one-time schedules that send a message to a queue at their time.
//!
//! Two doors, as of the other services: [`Scheduler::handle`] answers the service's REST protocol, and the typed
//! methods are for what lives in the same process. [`Scheduler::run`] is what fires the schedules.
//!
//! What it takes is what one-time deadlines need: `at(…)` in UTC, queues as targets, a dead-letter queue, a retry policy.
//! What AWS refuses is refused in its words; what AWS takes beyond that is refused too, and the message says so.
//! Roles are not asked for what they allow. Stricter than AWS: a schedule fires to the millisecond, where AWS
//! takes up to a minute.
//!
//! | module | what it is |
//! | --- | --- |
//! | `request` | what a request asks for, checked |
//! | `protocol` | paths and JSON, in and out |
//! | `firing` | sending at the time, trying again, giving up |
//! | `book` | the schedules and their groups |
//! | `entry` | each change, as it is kept |

mod book;
mod entry;
mod firing;
mod protocol;
mod request;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::store::{EarlierFileError, Store, StoreError, earlier};
use book::Book;
pub use book::{Pending, Totals};
pub use protocol::Answer;
pub(crate) use protocol::{missing_operation, operation};

/// Where the service is, as far as ARNs say it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region in ARNs.
    pub region: String,
    /// The account in ARNs, 12 digits.
    pub account: String,
    /// What time it is.
    pub clock: Clock,
}

/// A handle on the service. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// Held for one operation at a time, never while waiting.
    book: Mutex<Book>,
    /// There may be something to do earlier than was known.
    changed: Notify,
}

impl Scheduler {
    /// Schedules that live as long as this process.
    pub fn in_memory(settings: Settings) -> Self {
        Self::with(settings, Book::default())
    }

    /// Schedules that are kept beside tables and queues. What came due while no process ran fires as soon as they are run.
    pub fn kept_in(settings: Settings, store: &Store) -> Result<Self, StoreError> {
        let (entries, kept) = store.collection("schedules")?;
        Ok(Self::with(settings, Book::of(entries).kept_in(kept)))
    }

    /// Takes up what stands in a file of an earlier version, a change on each line.
    pub fn take_up(&self, path: &Path) -> Result<(), EarlierFileError> {
        let entries = earlier::read(path, "schedules")?;
        let mut book = self.book();
        for entry in entries {
            book.record(entry);
        }
        Ok(())
    }

    fn with(settings: Settings, book: Book) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                book: Mutex::new(book),
                changed: Notify::new(),
            }),
        }
    }

    /// Makes a group, unless it is there.
    pub fn create_group(&self, name: &str) {
        self.book().create_group(name);
    }

    /// How many schedules have not sent their message yet that are for the queue of this name.
    pub fn pending_for(&self, queue: &str) -> usize {
        self.book().pending_for(queue)
    }

    /// When the next schedule sends its message, and to which queue; none if none waits.
    pub fn next(&self) -> Option<(SystemTime, String)> {
        let book = self.book();
        let (at, key) = book.next()?;
        let queue = book.get(&key)?.requested.queue().to_owned();
        Some((at, queue))
    }

    /// What waits to be sent, the next first.
    pub fn pending(&self) -> Vec<Pending> {
        self.book().pending()
    }

    /// Deletes all schedules, but no group.
    pub fn delete_all(&self) {
        self.book().delete_all();
        self.shared.changed.notify_one();
    }

    /// What has happened since this process began.
    pub fn totals(&self) -> Totals {
        self.book().totals
    }

    /// Looks at the time anew: it may have jumped ahead of tokio's clock.
    pub fn look_at_the_clock(&self) {
        self.shared.changed.notify_one();
    }

    fn now(&self) -> SystemTime {
        self.shared.settings.clock.now()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // No operation panics halfway through a change, so what a panicking thread left is whole.
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
