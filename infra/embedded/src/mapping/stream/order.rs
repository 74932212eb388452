//! The order in which records arrive: the table's, or any other that DynamoDB allows.
//!
//! DynamoDB promises an order only for the changes of one item
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>). A function that leans
//! on more than that works on one shard and fails on two.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::arrival::Arrival;
use crate::dynamodb::{Record, SequenceNumber};

/// The order of records of different partition keys. Those of one key keep theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they were written.
    #[default]
    Arrival,
    /// Another, by this seed: the mapping waits up to 250 ms before it reads, mixes what it finds, and
    /// holds some keys back until it has read again. Sequence numbers still rise, as if the table had been
    /// written in this order; a checkpoint stays before all that has not been handled.
    Shuffled(u64),
}

/// Lambda reads a shard four times a second.
const LONGEST_LINGER_MS: u64 = 250;

/// Puts records into their order.
pub(super) struct Arrivals {
    shuffle: Option<Shuffle>,
}

struct Shuffle {
    random: fastrand::Rng,
    /// Keys that wait for another read, with their records.
    held_back: Vec<(String, VecDeque<Record>)>,
    /// The numbers of the records that are held back, in order.
    numbers: VecDeque<SequenceNumber>,
}

impl Arrivals {
    pub(super) fn new(order: Order) -> Self {
        let shuffle = match order {
            Order::Arrival => None,
            Order::Shuffled(seed) => Some(Shuffle {
                random: fastrand::Rng::with_seed(seed),
                held_back: Vec::new(),
                numbers: VecDeque::new(),
            }),
        };
        Self { shuffle }
    }

    /// Waits for company: records that arrive one by one can't be mixed.
    pub(super) async fn linger(&mut self) {
        if let Some(shuffle) = &mut self.shuffle {
            let wait = shuffle.random.u64(0..=LONGEST_LINGER_MS);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    /// Whether records wait for another read.
    pub(super) fn holds_back(&self) -> bool {
        self.shuffle
            .as_ref()
            .is_some_and(|shuffle| !shuffle.held_back.is_empty())
    }

    /// The records that arrive now. When there are no new ones, nothing is held back.
    pub(super) fn arrange(&mut self, records: Vec<Record>) -> Vec<Arrival> {
        match &mut self.shuffle {
            None => records
                .into_iter()
                .map(|record| Arrival {
                    number: record.sequence_number,
                    record,
                })
                .collect(),
            Some(shuffle) => shuffle.arrange(records),
        }
    }
}

impl Shuffle {
    fn arrange(&mut self, records: Vec<Record>) -> Vec<Arrival> {
        self.numbers
            .extend(records.iter().map(|record| record.sequence_number));
        let mut keys = std::mem::take(&mut self.held_back);
        // A key is held back once, not for ever.
        let held_before = keys.len();
        let may_hold_back = !records.is_empty();
        group(&mut keys, records);

        let mut arriving = Vec::new();
        for (at, key) in keys.into_iter().enumerate() {
            if may_hold_back && at >= held_before && self.random.u8(..3) == 0 {
                self.held_back.push(key);
            } else {
                arriving.push(key.1);
            }
        }
        self.interleave(arriving)
    }

    /// Draws from the keys at random. The numbers are handed out in their order.
    fn interleave(&mut self, mut keys: Vec<VecDeque<Record>>) -> Vec<Arrival> {
        let mut arrived = Vec::new();
        while !keys.is_empty() {
            let at = self.random.usize(..keys.len());
            let Some(record) = keys[at].pop_front() else {
                keys.swap_remove(at);
                continue;
            };
            // There is a number for each record that was read.
            let number = self.numbers.pop_front().unwrap_or(record.sequence_number);
            arrived.push(Arrival { record, number });
        }
        arrived
    }
}

/// Appends records to their keys, new keys in the order in which they appear.
fn group(keys: &mut Vec<(String, VecDeque<Record>)>, records: Vec<Record>) {
    let mut places: HashMap<String, usize> = keys
        .iter()
        .enumerate()
        .map(|(at, (key, _))| (key.clone(), at))
        .collect();
    for record in records {
        let place = *places.entry(record.partition.clone()).or_insert_with(|| {
            keys.push((record.partition.clone(), VecDeque::new()));
            keys.len() - 1
        });
        keys[place].1.push_back(record);
    }
}
