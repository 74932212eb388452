//! `EventBridge`: buses on which events are put, and rules that pass those that match a pattern on to queues.
//!
//! Two doors, as of the other services: [`EventBridge::handle`] answers the service's JSON protocol, and the typed
//! methods are for what lives in the same process.
//!
//! What it takes is what a subscriber's queue needs. What AWS refuses is refused in its words; what AWS takes beyond
//! that (other targets, schedules, archives, input transformers) is refused too, and the message says so. Policies
//! of buses and queues are not asked for what they allow. An event is matched and delivered before it is
//! acknowledged; a queue that does not take it will not take it later either, so that it goes to the target's
//! dead-letter queue at once.
//!
//! | module | what it is |
//! | --- | --- |
//! | `protocol` | operations by name, JSON in and out |
//! | `rules` | operations on buses, rules and targets |
//! | `request`, `refused` | what a request asks for, checked, and why it is not carried out |
//! | `target` | where a rule passes events on to, and what of them |
//! | `put` | events, put on a bus and delivered |
//! | `pattern`, `matcher` | which events a rule is for |
//! | `book` | the buses and their rules, and each change of them |

mod book;
mod matcher;
mod pattern;
mod protocol;
mod put;
mod refused;
mod request;
mod rules;
mod target;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::clock::Clock;
use crate::store::{EarlierFileError, Store, StoreError, earlier};
use book::Book;
pub use book::Totals;
pub use protocol::Answer;

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
pub struct EventBridge {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// In the ids of events, so that those of another process are others.
    began: u64,
    events: AtomicU64,
    /// Held for one operation at a time.
    book: Mutex<Book>,
}

impl EventBridge {
    /// Buses and rules that live as long as this process.
    pub fn in_memory(settings: Settings) -> Self {
        Self::with(settings, Book::default())
    }

    /// Buses and rules that are kept beside tables and queues.
    pub fn kept_in(settings: Settings, store: &Store) -> Result<Self, StoreError> {
        let (entries, kept) = store.collection("event-buses")?;
        Ok(Self::with(settings, Book::of(entries).kept_in(kept)))
    }

    /// Takes up what stands in a file of an earlier version, a change on each line.
    pub fn take_up(&self, path: &Path) -> Result<(), EarlierFileError> {
        let entries = earlier::read(path, "event buses")?;
        let mut book = self.book();
        for entry in entries {
            book.record(entry);
        }
        Ok(())
    }

    fn with(settings: Settings, book: Book) -> Self {
        let began = settings
            .clock
            .now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            shared: Arc::new(Shared {
                began: u64::try_from(began.as_millis()).unwrap_or(u64::MAX),
                settings,
                events: AtomicU64::new(0),
                book: Mutex::new(book),
            }),
        }
    }

    /// Makes a bus, unless it is there.
    pub fn create_bus(&self, name: &str) {
        let now = self.now();
        self.book().create_bus(name, now);
    }

    /// What has happened since this process began.
    pub fn totals(&self) -> Totals {
        self.book().totals
    }

    fn now(&self) -> SystemTime {
        self.shared.settings.clock.now()
    }

    /// The id of the next event: a run has the same each time it is repeated.
    fn next_id(&self) -> String {
        let number = self.shared.events.fetch_add(1, Ordering::Relaxed);
        Uuid::from_u64_pair(self.shared.began, number).to_string()
    }

    /// An ARN of the service, such as that of `event-bus/loans`.
    fn arn(&self, resource: &str) -> String {
        let Settings { region, account, .. } = &self.shared.settings;
        format!("arn:aws:events:{region}:{account}:{resource}")
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // No operation panics halfway through a change, so what a panicking thread left is whole.
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
