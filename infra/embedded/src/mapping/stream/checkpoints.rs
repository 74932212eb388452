//! Where mappings left off, kept beside the tables: another process goes on there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::dynamodb::{SequenceNumber, StreamPosition};
use crate::store::{Collection, Store, StoreError};

/// Where each mapping left off. Clones share it.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    left_off: Arc<Mutex<BTreeMap<String, Option<SequenceNumber>>>>,
    kept: Collection,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    mapping: String,
    /// All records up to this one are settled; none if it has begun, and settled nothing yet.
    settled: Option<String>,
}

impl Checkpoints {
    /// Those that are kept in this store.
    pub fn kept_in(store: &Store) -> Result<Self, StoreError> {
        let (entries, kept) = store.collection::<Entry>("checkpoints")?;
        let left_off = entries.into_iter().map(|entry| {
            let settled = entry.settled.and_then(|number| number.parse().ok());
            (entry.mapping, settled)
        });
        Ok(Self {
            left_off: Arc::new(Mutex::new(left_off.collect())),
            kept,
        })
    }

    /// Where a mapping goes on; none if it has never begun.
    pub fn position(&self, mapping: &str) -> Option<StreamPosition> {
        let left_off = self.left_off.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = left_off.get(mapping)?;
        Some(settled.map_or(StreamPosition::TrimHorizon, StreamPosition::After))
    }

    /// From now on a mapping goes on at the oldest record, unless it was here before.
    pub fn begin(&self, mapping: &str) {
        if self.position(mapping).is_none() {
            self.put(mapping, None);
        }
    }

    /// The one of this mapping.
    pub fn of(&self, mapping: impl Into<String>) -> Checkpoint {
        Checkpoint {
            mapping: mapping.into(),
            all: self.clone(),
        }
    }

    fn put(&self, mapping: &str, settled: Option<SequenceNumber>) {
        let entry = Entry {
            mapping: mapping.to_owned(),
            settled: settled.map(|number| number.to_string()),
        };
        let mut left_off = self.left_off.lock().unwrap_or_else(PoisonError::into_inner);
        left_off.insert(entry.mapping.clone(), settled);
        // Two texts are always JSON.
        self.kept.change(mapping, serde_json::to_string(&entry).ok());
    }
}

/// Where one mapping left off.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    mapping: String,
    all: Checkpoints,
}

impl Checkpoint {
    /// All records up to this one are settled.
    pub fn settled(&self, number: SequenceNumber) {
        self.all.put(&self.mapping, Some(number));
    }
}
