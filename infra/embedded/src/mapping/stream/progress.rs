//! How far a stream's mapping is: what was read, what is settled, and from where to go on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::arrival::Arrival;
use super::checkpoints::Checkpoint;
use crate::dynamodb::{Record, SequenceNumber};
use crate::mapping::Status;

/// Shared by the reader and the lanes.
pub(super) struct Progress {
    pub(super) status: Status,
    /// What was read and can't be forgotten yet, and whether it is settled. Lanes settle out of order; the
    /// checkpoint moves over the settled beginning only.
    read: Mutex<BTreeMap<SequenceNumber, bool>>,
    /// Where the checkpoint is kept.
    kept: Option<Checkpoint>,
}

impl Progress {
    pub(super) fn new(status: Status, kept: Option<Checkpoint>) -> Self {
        Self {
            status,
            read: Mutex::default(),
            kept,
        }
    }

    /// These records were read.
    pub(super) fn read(&self, records: &[Record]) {
        let numbers = records.iter().map(|record| (record.sequence_number, false));
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(numbers);
        self.status.update(|activity| activity.pending += records.len());
    }

    /// Nothing was left to read when the table had had so many writes.
    pub(super) fn read_to_the_end(&self, writes: u64) {
        self.status.update(|activity| activity.read_up_to = writes);
    }

    /// These records are done with, or given up.
    pub(super) fn settle(&self, settled: &[Arrival]) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        for arrival in settled {
            read.insert(arrival.record.sequence_number, true);
        }
        let mut checkpoint = None;
        while let Some(first) = read.first_entry().filter(|first| *first.get()) {
            checkpoint = Some(*first.key());
            first.remove();
        }
        if let (Some(kept), Some(checkpoint)) = (&self.kept, checkpoint) {
            kept.settled(checkpoint);
        }
        self.status.update(|activity| {
            activity.pending -= settled.len();
            activity.checkpoint = checkpoint.or(activity.checkpoint);
        });
    }
}
