//! What has changed since somebody who keeps it last asked.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Is called with each change, while the queues are locked: it must not ask them anything.
pub(crate) type Changed = Arc<dyn Fn() + Send + Sync>;

/// What has changed in one queue.
#[derive(Clone)]
pub(crate) struct Ledger {
    changed: Changed,
    /// Numbers of messages.
    pub(crate) touched: Vec<u64>,
    /// Whether the queue's settings or move tasks are other ones.
    pub(crate) is_queue_touched: bool,
}

impl Ledger {
    fn new(changed: Changed) -> Self {
        Self {
            changed,
            touched: Vec::new(),
            is_queue_touched: false,
        }
    }

    pub(crate) fn touch(&mut self, key: u64) {
        self.touched.push(key);
        (self.changed)();
    }

    pub(crate) fn touch_queue(&mut self) {
        self.is_queue_touched = true;
        (self.changed)();
    }
}

/// What is kept of all queues.
pub(crate) struct Keeping {
    changed: Changed,
    /// Of queues that were deleted.
    pub(crate) gone_queues: Vec<String>,
    pub(crate) gone_messages: Vec<u64>,
    /// Messages whose text was told.
    pub(crate) told: HashSet<u64>,
    /// Keys of the lines of move tasks that were told.
    pub(crate) told_lines: BTreeSet<String>,
}

impl Keeping {
    pub(crate) fn new(changed: Changed) -> Self {
        Self {
            changed,
            gone_queues: Vec::new(),
            gone_messages: Vec::new(),
            told: HashSet::new(),
            told_lines: BTreeSet::new(),
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.changed.clone())
    }

    /// A queue was deleted, with these messages.
    pub(crate) fn delete(&mut self, name: &str, messages: impl Iterator<Item = u64>) {
        self.gone_queues.push(name.to_owned());
        self.gone_messages.extend(messages);
        (self.changed)();
    }
}
