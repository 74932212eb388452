//! A table that is read whole, in parallel segments: how far each has come, and the pace that all of them keep.
//!
//! What is done with the items is the business of a [`Job`]. How far the segments have come may be kept after each
//! step: a walk that starts from there goes on there.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::Transient;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::failure::reason;
use crate::client::jitter::jittered_pause;
use crate::store::commit_ref::{CommitRef, KeyNumber};

/// An item, as the SDK shows it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// How often a call is tried, beyond what the client tries by itself: a walk of hours meets a throttled moment.
const ATTEMPTS: u32 = 5;

/// How far a segment has been dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Segment<K> {
    /// Nothing yet.
    Start,
    /// Up to the item of that key.
    After(K),
    /// All of it.
    Done,
}

/// The key of an item.
pub(crate) trait Key: Clone + Send + Sync {
    /// The key of that item.
    fn of(item: &Item) -> Self;

    /// The key as a request has it.
    fn item(&self) -> Item;
}

impl Key for CommitRef {
    fn of(item: &Item) -> Self {
        let stream = item.get("stream_id").and_then(|value| value.as_s().ok());
        let revision = item.get("revision").and_then(|value| value.as_n().ok());
        Self {
            stream: stream.cloned().unwrap_or_default(),
            revision: KeyNumber::read(revision.map_or("", String::as_str)),
        }
    }

    fn item(&self) -> Item {
        Item::from([
            ("stream_id".to_owned(), text(&self.stream)),
            (
                "revision".to_owned(),
                AttributeValue::N(self.revision.to_string()),
            ),
        ])
    }
}

/// Items of which only the key was read.
impl Key for Item {
    fn of(item: &Item) -> Self {
        item.clone()
    }

    fn item(&self) -> Item {
        self.clone()
    }
}

/// Where a page is read.
pub(crate) struct Place {
    /// The number of the segment, from 0.
    segment: usize,
    /// How many there are.
    segments: usize,
    /// The key behind which the page begins; the beginning if none.
    pub(crate) after: Option<Item>,
}

/// Some items of a segment, and the key of the last that was looked at; none if there is nothing behind them.
pub(crate) type Page = (Vec<Item>, Option<Item>);

/// What is done with the items of a table.
#[async_trait]
pub(crate) trait Job: Send + Sync {
    /// The key of the table.
    type Key: Key;
    /// What was done with some items.
    type Tally: Send;
    /// Why it stopped.
    type Error: From<Transient> + Send;

    /// Reads a page.
    async fn read(&self, place: &Place) -> Result<Page, Transient>;

    /// How many items are dealt with together, at most.
    fn at_once(&self) -> usize;

    /// Deals with items.
    async fn deal(&self, items: Vec<Item>) -> Result<Self::Tally, Self::Error>;
}

/// The outcome of a step, with the segment that it was for.
type Step<'a, J> = BoxFuture<
    'a,
    (
        Reading<<J as Job>::Key>,
        Result<<J as Job>::Tally, <J as Job>::Error>,
    ),
>;

/// A walk through a table that is under way. Dropping it leaves off.
pub(crate) struct Walk<'a, J: Job + 'a> {
    job: Arc<J>,
    steps: FuturesUnordered<Step<'a, J>>,
}

impl<'a, J: Job + 'a> Walk<'a, J> {
    /// Begins, or goes on, where the segments are.
    pub(crate) fn begin(job: J, segments: &[Segment<J::Key>]) -> Self {
        let walk = Self {
            job: Arc::new(job),
            steps: FuturesUnordered::new(),
        };
        for (number, reached) in segments.iter().enumerate() {
            walk.go_on(Reading {
                segment: number,
                segments: segments.len(),
                reached: reached.clone(),
                page: VecDeque::new(),
                end_of_page: Segment::Start,
            });
        }
        walk
    }

    /// Works until a few items more are dealt with, and moves their segment on behind them; none when there is
    /// nothing left.
    pub(crate) async fn next(
        &mut self,
        segments: &mut [Segment<J::Key>],
    ) -> Option<Result<J::Tally, J::Error>> {
        let (reading, dealt) = self.steps.next().await?;
        let tally = match dealt {
            Ok(tally) => tally,
            Err(error) => return Some(Err(error)),
        };
        if let Some(segment) = segments.get_mut(reading.segment) {
            *segment = reading.reached.clone();
        }
        self.go_on(reading);
        Some(Ok(tally))
    }

    /// Has a segment go on, unless it is done.
    fn go_on(&self, mut reading: Reading<J::Key>) {
        if matches!(reading.reached, Segment::Done) {
            return;
        }
        let job = self.job.clone();
        let step = async move {
            let dealt = reading.step(&*job).await;
            (reading, dealt)
        };
        self.steps.push(step.boxed());
    }
}

/// A segment that is being read.
struct Reading<K> {
    segment: usize,
    segments: usize,
    reached: Segment<K>,
    /// What was read behind that and is not dealt with yet.
    page: VecDeque<Item>,
    end_of_page: Segment<K>,
}

impl<K: Key> Reading<K> {
    /// Deals with the next few items, and moves the segment on behind them.
    async fn step<J: Job<Key = K>>(&mut self, job: &J) -> Result<J::Tally, J::Error> {
        if self.page.is_empty() {
            let place = self.place();
            let (items, last) = patiently(|| job.read(&place)).await?;
            self.page = items.into();
            self.end_of_page = last
                .as_ref()
                .map_or(Segment::Done, |last| Segment::After(K::of(last)));
        }
        let some = job.at_once().min(self.page.len());
        let items: Vec<_> = self.page.drain(..some).collect();
        let last = items.last().map(K::of);
        let tally = job.deal(items).await?;
        self.reached = match last {
            Some(last) if !self.page.is_empty() => Segment::After(last),
            _ => self.end_of_page.clone(),
        };
        Ok(tally)
    }

    fn place(&self) -> Place {
        Place {
            segment: self.segment,
            segments: self.segments,
            after: match &self.reached {
                Segment::After(key) => Some(key.item()),
                Segment::Start | Segment::Done => None,
            },
        }
    }
}

/// Calls until it works, a few times.
pub(crate) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, Transient>
where
    F: Future<Output = Result<T, Transient>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(_) if attempt < ATTEMPTS => {
                jittered_pause(attempt).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Keeps all segments together to so many pieces of work a second.
pub(crate) struct Pace {
    per_piece: Duration,
    rate: NonZeroU32,
    /// When the next piece may begin.
    next: Mutex<Instant>,
}

impl Pace {
    /// So many a second.
    pub(crate) fn of(rate: NonZeroU32) -> Self {
        Self {
            per_piece: Duration::from_secs(1) / rate.get(),
            rate,
            next: Mutex::new(Instant::now()),
        }
    }

    /// How many items go together: a quarter of a second's, so that it flows rather than gushes.
    pub(crate) fn at_once(&self) -> usize {
        usize::try_from(self.rate.get() / 4).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until so many pieces may begin.
    pub(crate) async fn wait_for(&self, pieces: usize) {
        let share = self.per_piece * u32::try_from(pieces).unwrap_or(u32::MAX);
        let turn = {
            let mut next = self.next.lock().await;
            let turn = Instant::now().max(*next);
            *next = turn + share;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

/// A scan of a table at that place.
pub(crate) fn scan(client: &Client, table: &str, place: &Place) -> ScanFluentBuilder {
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    client
        .scan()
        .table_name(table)
        .segment(number(place.segment))
        .total_segments(number(place.segments))
        .set_exclusive_start_key(place.after.clone())
}

/// The page that a scan reads.
pub(crate) async fn page(scan: ScanFluentBuilder, table: &str) -> Result<Page, Transient> {
    let page = scan
        .send()
        .await
        .map_err(|error| not_read(table, reason(&error)))?;
    Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
}

pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn not_read(table: &str, why: String) -> Transient {
    Transient {
        doing: format!("reading {table}"),
        why,
    }
}
