//! The schedules and their groups, in memory; each change is kept, if they are kept somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::entry::{Entry, Schedule};
use super::request::{DEFAULT_GROUP, Key, Requested};
use crate::store::Collection;

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Schedules that were created.
    pub created: u64,
    /// Messages that were sent to their queues. AWS asks money for each attempt.
    pub sent: u64,
    /// Attempts at it that failed.
    pub failed: u64,
    /// Messages that went to a dead-letter queue instead.
    pub dead_letters: u64,
    /// Messages that could not be sent even there, or had none to go to.
    pub dropped: u64,
}

/// A message that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it is sent.
    pub at: SystemTime,
    /// The queue's name.
    pub queue: String,
    /// The body.
    pub body: String,
}

/// One that waits for its time, or for the next attempt.
#[derive(Clone, Debug, Default)]
struct Attempts {
    failed: u32,
    next: Option<SystemTime>,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    groups: BTreeSet<String>,
    schedules: BTreeMap<Key, Schedule>,
    attempts: BTreeMap<Key, Attempts>,
    /// What fires, by when.
    due: BTreeSet<(SystemTime, Key)>,
    /// How many of these there are for each queue.
    pending: BTreeMap<String, usize>,
    pub(super) totals: Totals,
    kept: Option<Collection>,
}

/// What a creation came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Created,
    /// The same request has been carried out.
    Repeated,
    /// There is another one of that name.
    Conflict,
    NoGroup,
}

impl Book {
    /// What stands in a file.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let mut book = Self::default();
        for entry in entries {
            book.apply(entry);
        }
        book
    }

    /// The same, of which each change is kept.
    pub(super) fn kept_in(self, kept: Collection) -> Self {
        Self {
            kept: Some(kept),
            ..self
        }
    }

    /// Whether it was not there yet.
    pub(super) fn create_group(&mut self, name: &str) -> bool {
        if self.has_group(name) {
            return false;
        }
        self.record(Entry::Group(name.to_owned()));
        true
    }

    pub(super) fn has_group(&self, name: &str) -> bool {
        name == DEFAULT_GROUP || self.groups.contains(name)
    }

    pub(super) fn create(&mut self, requested: Requested, now: SystemTime) -> Creation {
        if !self.has_group(&requested.group) {
            return Creation::NoGroup;
        }
        if let Some(there) = self.schedules.get(&requested.key()) {
            let same = requested.client_token.is_some() && there.requested == requested;
            return if same {
                Creation::Repeated
            } else {
                Creation::Conflict
            };
        }
        let created = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.record(Entry::Put(Box::new(Schedule {
            requested,
            created_ms: u64::try_from(created.as_millis()).unwrap_or(u64::MAX),
            completed: false,
        })));
        self.totals.created += 1;
        Creation::Created
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Schedule> {
        self.schedules.get(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Schedule)> {
        self.schedules.iter()
    }

    /// Whether it was there.
    pub(super) fn delete(&mut self, key: &Key) -> bool {
        let was_there = self.schedules.contains_key(key);
        if was_there {
            let (group, name) = key.clone();
            self.record(Entry::Gone { group, name });
        }
        was_there
    }

    pub(super) fn pending_for(&self, queue: &str) -> usize {
        self.pending.get(queue).copied().unwrap_or_default()
    }

    /// All that fire, the next first.
    pub(super) fn pending(&self) -> Vec<Pending> {
        let due = self.due.iter().filter_map(|(at, key)| {
            let requested = &self.schedules.get(key)?.requested;
            Some(Pending {
                at: *at,
                queue: requested.queue().to_owned(),
                body: requested.input.clone().unwrap_or_default(),
            })
        });
        due.collect()
    }

    pub(super) fn delete_all(&mut self) {
        let keys: Vec<_> = self.schedules.keys().cloned().collect();
        for key in &keys {
            self.delete(key);
        }
    }

    /// The next that fires, and when.
    pub(super) fn next(&self) -> Option<(SystemTime, Key)> {
        self.due.first().cloned()
    }

    /// How many attempts at it have failed.
    pub(super) fn failed(&self, key: &Key) -> u32 {
        self.attempts.get(key).map_or(0, |attempts| attempts.failed)
    }

    /// Has it fire again then.
    pub(super) fn again(&mut self, key: &Key, at: SystemTime) {
        self.unplan(key);
        let attempts = self.attempts.entry(key.clone()).or_default();
        attempts.failed += 1;
        attempts.next = Some(at);
        self.plan(key, at);
    }

    /// It has fired, for good or not: it is deleted or kept, as was asked.
    pub(super) fn complete(&mut self, key: &Key) {
        let Some(schedule) = self.schedules.get(key) else {
            return;
        };
        let entry = if schedule.requested.delete_after_completion {
            let (group, name) = key.clone();
            Entry::Gone { group, name }
        } else {
            Entry::Put(Box::new(Schedule {
                completed: true,
                ..schedule.clone()
            }))
        };
        self.record(entry);
    }

    pub(super) fn record(&mut self, entry: Entry) {
        if let Some(kept) = &self.kept {
            kept.change(&entry.key(), entry.text());
        }
        self.apply(entry);
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Group(name) => {
                self.groups.insert(name);
            }
            Entry::Put(schedule) => {
                let key = schedule.requested.key();
                self.unplan(&key);
                let fires =
                    (!schedule.completed && schedule.requested.enabled).then(|| schedule.requested.at());
                self.schedules.insert(key.clone(), *schedule);
                if let Some(at) = fires {
                    self.plan(&key, at);
                }
            }
            Entry::Gone { group, name } => {
                let key = (group, name);
                self.unplan(&key);
                self.schedules.remove(&key);
                self.attempts.remove(&key);
            }
        }
    }

    /// Puts it among what fires.
    fn plan(&mut self, key: &Key, at: SystemTime) {
        if let Some(schedule) = self.schedules.get(key)
            && self.due.insert((at, key.clone()))
        {
            *self
                .pending
                .entry(schedule.requested.queue().to_owned())
                .or_default() += 1;
        }
    }

    /// Takes it out of what fires.
    fn unplan(&mut self, key: &Key) {
        let Some(schedule) = self.schedules.get(key) else {
            return;
        };
        let planned = self.attempts.get(key).and_then(|attempts| attempts.next);
        let planned = planned.unwrap_or_else(|| schedule.requested.at());
        let queue = schedule.requested.queue();
        if self.due.remove(&(planned, key.clone()))
            && let Some(pending) = self.pending.get_mut(queue)
        {
            *pending -= 1;
        }
    }
}
