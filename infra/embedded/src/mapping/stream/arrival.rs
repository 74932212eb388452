//! A record on its way to the function.

use serde_json::Value;

use crate::dynamodb::{Record, SequenceNumber};

/// A record on its way to the function.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) record: Record,
    /// The number that the function sees. It differs from the record's own in another order than the
    /// table's, because numbers rise from batch to batch whatever the order.
    pub(super) number: SequenceNumber,
}

impl Arrival {
    /// As the function gets it.
    pub(super) fn json(&self) -> Value {
        let mut json = self.record.json.clone();
        if self.number != self.record.sequence_number {
            json["dynamodb"]["SequenceNumber"] = self.number.to_string().into();
        }
        json
    }
}
