//! Items that are read by their keys, many in a call.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use eventsourcing::{Read, Transient};

use crate::client::failure::reason;
use crate::client::jitter::jittered_pause;
use crate::store::segments::{Item, not_read};

/// The most items that one call gets.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
pub(crate) const BATCH: usize = 100;

/// Where items are, and what is read of them.
#[derive(Clone, Copy)]
pub(crate) struct BatchGet<'a> {
    pub(crate) client: &'a Client,
    pub(crate) table: &'a str,
    /// The attributes; all if none.
    pub(crate) projection: Option<&'a str>,
    pub(crate) read: Read,
    /// How often items are asked for that were left out of an answer: what is too much for one, or for the table at the
    /// moment. As often as need be if none.
    pub(crate) attempts: Option<u32>,
}

/// Why items were not read.
#[derive(Debug)]
pub(crate) enum NotGot {
    /// The call failed.
    Refused(Box<SdkError<BatchGetItemError>>),
    /// So many were left out of every answer.
    LeftOut(usize),
}

impl NotGot {
    pub(crate) fn of_table(&self, table: &str) -> Transient {
        match self {
            Self::Refused(error) => not_read(table, reason(&**error)),
            Self::LeftOut(items) => not_read(table, format!("{items} items were left out of every answer")),
        }
    }
}

impl BatchGet<'_> {
    /// Those of these items that are there, [`BATCH`] at most, and how many read units that took.
    pub(crate) async fn items(&self, keys: Vec<Item>) -> Result<(Vec<Item>, f64), NotGot> {
        let (mut items, mut units) = (Vec::with_capacity(keys.len()), 0.0);
        let mut left = keys;
        for attempt in 1.. {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(left))
                .consistent_read(self.read == Read::Consistent)
                .set_projection_expression(self.projection.map(str::to_owned))
                .build();
            let got = self
                .client
                .batch_get_item()
                .request_items(
                    self.table,
                    wanted.expect("keys are given, which is all that is required"),
                )
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| NotGot::Refused(Box::new(error)))?;
            let consumed = got.consumed_capacity.unwrap_or_default();
            units += consumed.iter().filter_map(|of| of.capacity_units).sum::<f64>();
            items.extend(got.responses.unwrap_or_default().into_values().flatten());
            let unprocessed = got.unprocessed_keys.unwrap_or_default().remove(self.table);
            left = unprocessed.map_or_else(Vec::new, |of| of.keys);
            if left.is_empty() {
                break;
            }
            jittered_pause(attempt).await;
            if self.attempts.is_some_and(|most| attempt >= most) {
                return Err(NotGot::LeftOut(left.len()));
            }
        }
        Ok((items, units))
    }
}
