//! Makes a view anew from the event table, or compares the two, while both are in use.
//!
//! The event table is walked through for the first commits of the view's streams. Each stream is loaded whole, and its
//! row put if the one that is there is another one: so a newer row, which the view's function puts meanwhile, is never
//! taken back. Then the view's table is walked through for rows without a stream. They are told, and stay: what a
//! table holds that no event accounts for is for a person to judge.
//!
//! Each row is read before its stream. So a row that says more than its stream holds is wrong, whenever it was written;
//! one that says less may be on its way, and is read again before a comparison calls it behind.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::{
    Category, EventStore, Index, LoadError, Read, Stream, StreamFault, StreamId, Transient, Viewed, assemble,
};
use futures::future::FutureExt;
use futures::stream::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::store::batch_get::{BATCH, BatchGet};
use crate::store::commit_ref::CommitRef;
use crate::store::event_store::DynamoDbEventStore;
use crate::store::segments::{Item, Job, Key, Pace, Page, Place, Segment, Walk, page, patiently, scan, text};
use crate::store::view_table::{Put, ROW_REVISION, Replacing, ViewTable};

/// How many streams of each segment are looked at together, at most: as many rows as one call reads.
const TOGETHER: usize = BATCH;

/// How many streams of each segment are loaded at the same time.
const AT_THE_SAME_TIME: usize = 16;

/// How often a comparison looks again at rows that seem to be on their way, and how long it waits before each look.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// What a view shows: the rows of which streams, in which indexes.
#[derive(Clone, Copy, Debug)]
pub struct Shows {
    /// The category of the streams.
    pub category: Category,
    /// The row that a stream amounts to.
    pub row: RowOf,
    /// The types of the events that renew a row. After any other it may stay as it is.
    pub listens: &'static [&'static str],
    /// The indexes that the rows are in.
    pub indexes: &'static [Index],
}

/// The row that a stream amounts to; none if there is nothing to show yet.
pub type RowOf = fn(&Stream) -> Result<Option<Viewed>, StreamFault>;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// There is none, and the stream has something to show.
    Missing,
    /// It knows less than its stream holds.
    Behind,
    /// It knows as much as its stream, and says something else: another version of the rule made it, or no rule.
    Differs,
    /// It says that it knows more than its stream holds, so no rule made it, or events are lost. It is never replaced.
    Ahead,
    /// Its stream does not exist, or has nothing to show.
    LeftOver,
}

/// A row that is not what its stream amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The row's key: the stream's id without the category.
    pub id: String,
    /// What is wrong with it.
    pub found: Found,
    /// The attributes that differ; none of a row that is missing or left over.
    pub attributes: Vec<Differing>,
}

/// An attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differing {
    /// Its name.
    pub name: String,
    /// What the row says; none if it has no such attribute.
    pub in_row: Option<String>,
    /// What the stream amounts to; none if that is nothing.
    pub of_stream: Option<String>,
}

/// A stream that can't be read, so that nobody knows its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The stream.
    pub stream_id: String,
    /// Why, without any payload.
    pub error: String,
}

/// Counts of what was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RebuildTally {
    /// Streams that were looked at.
    pub streams: u64,
    /// Of them, those that have something to show.
    pub shown: u64,
    /// Rows that were put. Of a comparison none.
    pub renewed: u64,
    /// Rows that are wrong and that putting did not set right: of a comparison all that are wrong.
    pub differences: Vec<Difference>,
    /// Streams that can't be read.
    pub unreadable: Vec<Unread>,
    /// About how many read units it took.
    pub read_units: f64,
    /// About how many write units the rows took that were put, or would take.
    pub write_units: u64,
}

impl RebuildTally {
    fn add(&mut self, other: Self) {
        self.streams += other.streams;
        self.shown += other.shown;
        self.renewed += other.renewed;
        self.differences.extend(other.differences);
        self.unreadable.extend(other.unreadable);
        self.read_units += other.read_units;
        self.write_units += other.write_units;
    }
}

/// What was done, and how far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RebuildCheckpoint {
    table: String,
    segments: Vec<Segment<CommitRef>>,
    /// What was done, up to here.
    pub done: RebuildTally,
}

impl RebuildCheckpoint {
    /// Nothing done yet for the view's table of that name, in so many segments.
    pub fn start(table: String, segments: NonZeroU32) -> Self {
        Self {
            table,
            segments: vec![Segment::Start; segments.get() as usize],
            done: RebuildTally::default(),
        }
    }

    /// The view's table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether all streams were looked at.
    pub fn is_done(&self) -> bool {
        self.segments.iter().all(|segment| *segment == Segment::Done)
    }
}

/// Makes one view of one stack anew.
pub struct Rebuilder {
    client: Client,
    events: String,
    store: DynamoDbEventStore,
    table: ViewTable,
    shows: Shows,
    pace: Option<Pace>,
    compares_only: bool,
}

impl Rebuilder {
    /// A rebuilder of `table` from the event table called `events`.
    pub fn new(client: Client, events: String, table: ViewTable, shows: Shows) -> Self {
        Self {
            store: DynamoDbEventStore::new(client.clone(), events.clone()),
            client,
            events,
            table,
            shows,
            pace: None,
            compares_only: false,
        }
    }

    /// The same, looking at so many streams a second at most.
    #[must_use]
    pub fn at_rate(self, streams_per_second: NonZeroU32) -> Self {
        Self {
            pace: Some(Pace::of(streams_per_second)),
            ..self
        }
    }

    /// The same, which writes nothing.
    #[must_use]
    pub fn comparing_only(self) -> Self {
        Self {
            compares_only: true,
            ..self
        }
    }

    /// Begins, or goes on, at a checkpoint.
    pub fn run(&self, checkpoint: RebuildCheckpoint) -> Rebuilding<'_> {
        Rebuilding {
            rebuilder: self,
            work: Work::Streams(Walk::begin(Streams(self), &checkpoint.segments)),
            checkpoint,
        }
    }

    fn at_once(&self) -> usize {
        self.pace
            .as_ref()
            .map_or(TOGETHER, |pace| pace.at_once().min(TOGETHER))
    }

    /// Looks at the rows of streams, and puts those that are not what they should be.
    async fn look_at(&self, ids: &[String]) -> Result<RebuildTally, Transient> {
        if let Some(pace) = &self.pace {
            pace.wait_for(ids.len()).await;
        }
        let mut tally = RebuildTally::default();
        let (rows, units) = patiently(|| self.table.get_all(ids)).await?;
        tally.read_units += units;
        let looks: Vec<_> = ids.iter().map(|id| self.look(id, rows.get(id)).boxed()).collect();
        futures::stream::iter(looks)
            .buffer_unordered(AT_THE_SAME_TIME)
            .try_fold(tally, async |mut tally, look| {
                tally.add(look);
                Ok(tally)
            })
            .await
    }

    /// Looks at one stream, whose row was read before.
    async fn look(&self, id: &str, row: Option<&Item>) -> Result<RebuildTally, Transient> {
        let stream = self.shows.category.stream(&id);
        let mut tally = RebuildTally {
            streams: 1,
            ..RebuildTally::default()
        };
        let loaded = match patiently(|| self.load(&stream)).await? {
            Ok(loaded) => loaded,
            Err(fault) => return Ok(unreadable(tally, &stream, &fault)),
        };
        tally.read_units += read_units(&loaded);
        let viewed = match (self.shows.row)(&loaded) {
            Ok(viewed) => viewed,
            Err(fault) => return Ok(unreadable(tally, &stream, &fault)),
        };
        let Some(viewed) = viewed else {
            let left_over = row.map(|_| difference(id, Found::LeftOver, Vec::new()));
            tally.differences.extend(left_over);
            return Ok(tally);
        };
        tally.shown = 1;
        let item = self.table.item(&viewed);
        let found = match row {
            None => Some(difference(id, Found::Missing, Vec::new())),
            Some(row) => self.compared(&viewed, &item, row, &loaded),
        };
        let Some(difference) = found else {
            return Ok(tally);
        };
        if difference.found == Found::Ahead {
            tally.differences.push(difference);
            return Ok(tally);
        }
        tally.write_units = self.write_units(row, &item);
        if self.compares_only {
            tally.differences.push(difference);
            return Ok(tally);
        }
        let put = patiently(|| self.table.put(&viewed, Replacing::OlderAndSame)).await?;
        // Otherwise the view's function has put a newer one meanwhile.
        tally.renewed = u64::from(matches!(put, Put::Shown(_)));
        Ok(tally)
    }

    /// What is wrong with a row whose stream amounts to `item`.
    fn compared(&self, viewed: &Viewed, item: &Item, row: &Item, stream: &Stream) -> Option<Difference> {
        let (known, attributes) = (known(row), || differing(row, item));
        let found = match known.cmp(&viewed.revision) {
            Ordering::Greater => Found::Ahead,
            Ordering::Equal => return differs(&viewed.id, attributes()),
            Ordering::Less if self.is_renewed_after(known, stream) => Found::Behind,
            // Whatever came since renews no row: it has to be what the stream amounted to then.
            Ordering::Less => {
                let then = up_to(known, stream).and_then(|then| (self.shows.row)(&then).ok()?);
                let then = then.map(|then| self.table.item(&then));
                return differs(&viewed.id, differing(row, then.as_ref().unwrap_or(item)));
            }
        };
        Some(difference(&viewed.id, found, attributes()))
    }

    fn is_renewed_after(&self, revision: u64, stream: &Stream) -> bool {
        let events = stream.commits().iter().flat_map(|commit| &commit.events);
        let mut later = events.filter(|event| event.revision > revision);
        later.any(|event| self.shows.listens.contains(&event.event_type.as_str()))
    }

    async fn load(&self, stream: &StreamId) -> Result<Result<Stream, StreamFault>, Transient> {
        match self.store.load(stream, Read::Consistent).await {
            Ok(loaded) => Ok(Ok(loaded)),
            Err(LoadError::Broken(fault)) => Ok(Err(fault)),
            Err(LoadError::Transient(transient)) => Err(transient),
        }
    }

    /// About what it costs to put a row in the place of another: one unit for each KB, in the table and in each index
    /// where it changes, and one more where it changes its place.
    ///
    /// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>
    fn write_units(&self, old: Option<&Item>, new: &Item) -> u64 {
        let none = Item::new();
        let old = old.unwrap_or(&none);
        let indexes = self.shows.indexes.iter().map(|index| {
            let names = || {
                let keys = [self.table.key(), index.partition, index.sort];
                keys.into_iter().chain(index.holds.iter().copied())
            };
            let is_in = |item: &Item| {
                [index.partition, index.sort]
                    .iter()
                    .all(|key| item.contains_key(*key))
            };
            let same = |name: &str| same(old.get(name), new.get(name));
            match (is_in(old), is_in(new)) {
                (false, false) => 0,
                (true, true) if names().all(same) => 0,
                (true, true) if !(same(index.partition) && same(index.sort)) => 2 * kilobytes(new, names()),
                (true, false) => kilobytes(old, names()),
                (_, true) => kilobytes(new, names()),
            }
        });
        kilobytes(new, new.keys().map(String::as_str)) + indexes.sum::<u64>()
    }
}

/// A view that is being made anew. Dropping it leaves off; what is after the checkpoint may or may not have been put.
pub struct Rebuilding<'a> {
    rebuilder: &'a Rebuilder,
    work: Work<'a>,
    checkpoint: RebuildCheckpoint,
}

/// What is done now.
enum Work<'a> {
    /// Streams are looked at.
    Streams(Walk<'a, Streams<'a>>),
    /// Rows without a stream are looked for.
    Rows(Walk<'a, Rows<'a>>, Vec<Segment<Item>>),
    /// Rows that may be on their way are looked at again, for the time of that number.
    Again(u32),
}

impl Rebuilding<'_> {
    /// Works until a few rows more are looked at; none when there is nothing left. Keep the
    /// [`checkpoint`](Self::checkpoint) after each.
    ///
    /// # Errors
    /// A table could not be read or written, after several attempts.
    pub async fn next(&mut self) -> Option<Result<(), Transient>> {
        loop {
            let looked = match &mut self.work {
                Work::Streams(walk) => walk.next(&mut self.checkpoint.segments).await,
                Work::Rows(walk, segments) => walk.next(segments).await,
                Work::Again(times) => {
                    *times += 1;
                    let is_done = !self.rebuilder.compares_only || *times > LOOKS;
                    if is_done || self.on_their_way().is_empty() {
                        return None;
                    }
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                    return Some(self.look_again().await);
                }
            };
            match looked {
                Some(Ok(mut tally)) => {
                    let done = &mut self.checkpoint.done;
                    if matches!(self.work, Work::Rows(..)) {
                        // A run that was left off here goes through all rows again.
                        tally
                            .differences
                            .retain(|found| !done.differences.contains(found));
                        tally.unreadable.retain(|found| !done.unreadable.contains(found));
                    }
                    done.add(tally);
                    return Some(Ok(()));
                }
                Some(Err(error)) => return Some(Err(error)),
                None => self.go_on(),
            }
        }
    }

    /// What is done, and how far each segment has come.
    pub fn checkpoint(&self) -> &RebuildCheckpoint {
        &self.checkpoint
    }

    fn go_on(&mut self) {
        self.work = match self.work {
            Work::Streams(_) => {
                let segments = vec![Segment::Start; self.checkpoint.segments.len()];
                Work::Rows(Walk::begin(Rows(self.rebuilder), &segments), segments)
            }
            Work::Rows(..) | Work::Again(_) => Work::Again(0),
        };
    }

    /// The rows that may only be late.
    fn on_their_way(&self) -> Vec<String> {
        let differences = self.checkpoint.done.differences.iter();
        let late =
            differences.filter(|difference| matches!(difference.found, Found::Missing | Found::Behind));
        late.map(|difference| difference.id.clone()).collect()
    }

    async fn look_again(&mut self) -> Result<(), Transient> {
        let late = self.on_their_way();
        let mut again = RebuildTally::default();
        for ids in late.chunks(self.rebuilder.at_once()) {
            again.add(self.rebuilder.look_at(ids).await?);
        }
        let late: BTreeSet<_> = late.into_iter().collect();
        let done = &mut self.checkpoint.done;
        done.differences
            .retain(|difference| !late.contains(&difference.id));
        // They were counted before.
        done.add(RebuildTally {
            streams: 0,
            shown: 0,
            write_units: 0,
            ..again
        });
        Ok(())
    }
}

/// All streams of the category.
struct Streams<'a>(&'a Rebuilder);

#[async_trait]
impl Job for Streams<'_> {
    type Key = CommitRef;
    type Tally = RebuildTally;
    type Error = Transient;

    /// First commits, consistently: what was appended before is not to be missed. The service reads the others, too,
    /// and leaves them out.
    async fn read(&self, place: &Place) -> Result<Page, Transient> {
        let Self(Rebuilder {
            client,
            events,
            shows,
            ..
        }) = self;
        let firsts = scan(client, events, place)
            .consistent_read(true)
            .projection_expression("stream_id, revision")
            .filter_expression("revision = :first AND begins_with(stream_id, :category)")
            .expression_attribute_values(":first", AttributeValue::N("1".into()))
            .expression_attribute_values(":category", text(&format!("{}-", shows.category.name())));
        page(firsts, events).await
    }

    fn at_once(&self) -> usize {
        self.0.at_once()
    }

    async fn deal(&self, items: Vec<Item>) -> Result<RebuildTally, Transient> {
        let category = self.0.shows.category.name();
        let names = items.iter().map(CommitRef::of);
        // The service has left out all that does not begin so.
        let id = |at: CommitRef| Some(at.stream.strip_prefix(category)?.strip_prefix('-')?.to_owned());
        let ids: Vec<_> = names.filter_map(id).collect();
        if ids.is_empty() {
            return Ok(RebuildTally::default());
        }
        self.0.look_at(&ids).await
    }
}

/// All rows of the table, looked through for those without a stream.
struct Rows<'a>(&'a Rebuilder);

#[async_trait]
impl Job for Rows<'_> {
    type Key = Item;
    type Tally = RebuildTally;
    type Error = Transient;

    async fn read(&self, place: &Place) -> Result<Page, Transient> {
        self.0.table.keys(place).await
    }

    fn at_once(&self) -> usize {
        TOGETHER
    }

    async fn deal(&self, items: Vec<Item>) -> Result<RebuildTally, Transient> {
        let Self(Rebuilder {
            client,
            events,
            table,
            shows,
            ..
        }) = self;
        let ids = items.iter().filter_map(|item| item.get(table.key())?.as_s().ok());
        let firsts: HashMap<_, _> = ids
            .map(|id| {
                let stream = shows.category.stream(id).to_string();
                (
                    CommitRef {
                        stream,
                        revision: 1.into(),
                    },
                    id,
                )
            })
            .collect();
        let mut tally = RebuildTally::default();
        if firsts.is_empty() {
            return Ok(tally);
        }
        let keys: Vec<_> = firsts.keys().map(Key::item).collect();
        let batch = BatchGet {
            client,
            table: events,
            projection: Some("stream_id, revision"),
            read: Read::Consistent,
            attempts: None,
        };
        let found = patiently(async || {
            batch
                .items(keys.clone())
                .await
                .map_err(|why| why.of_table(events))
        });
        let (found, units) = found.await?;
        tally.read_units += units;
        let found: BTreeSet<_> = found.iter().map(CommitRef::of).collect();
        for (_, id) in firsts.iter().filter(|(first, _)| !found.contains(first)) {
            // Whatever there is of the stream, its beginning is not: that is told as what it is.
            let row = Item::new();
            let look = self.0.look(id, Some(&row)).await?;
            tally.add(RebuildTally { streams: 0, ..look });
        }
        Ok(tally)
    }
}

fn unreadable(tally: RebuildTally, stream: &StreamId, fault: &StreamFault) -> RebuildTally {
    let unread = Unread {
        stream_id: stream.to_string(),
        error: fault.to_string(),
    };
    RebuildTally {
        unreadable: vec![unread],
        ..tally
    }
}

fn difference(id: &str, found: Found, attributes: Vec<Differing>) -> Difference {
    Difference {
        id: id.to_owned(),
        found,
        attributes,
    }
}

fn differs(id: &str, attributes: Vec<Differing>) -> Option<Difference> {
    (!attributes.is_empty()).then(|| difference(id, Found::Differs, attributes))
}

/// What a row says otherwise than `item`.
fn differing(row: &Item, item: &Item) -> Vec<Differing> {
    let names: BTreeSet<_> = row.keys().chain(item.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| !same(row.get(*name), item.get(*name)));
    let differing = differing.map(|name| Differing {
        name: name.clone(),
        in_row: row.get(name).map(shown),
        of_stream: item.get(name).map(shown),
    });
    differing.collect()
}

/// The stream as it was when that was its last revision; none if it never was.
fn up_to(revision: u64, stream: &Stream) -> Option<Stream> {
    let commits = stream.commits().iter();
    let then: Vec<_> = commits
        .take_while(|commit| commit.last_revision() <= revision)
        .cloned()
        .collect();
    let is_end = then
        .last()
        .is_some_and(|commit| commit.last_revision() == revision);
    is_end.then(|| assemble(stream.id(), then).ok()).flatten()
}

/// Up to which revision a row knows its stream. One that says nothing knows nothing, and gives way to any other; one
/// that says something else than a number gives way to none.
fn known(row: &Item) -> u64 {
    match row.get(ROW_REVISION) {
        None => 0,
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(u64::MAX),
        Some(_) => u64::MAX,
    }
}

/// Whether two attributes say the same. The service writes numbers in its own way: 19.90 as 19.9.
fn same(one: Option<&AttributeValue>, other: Option<&AttributeValue>) -> bool {
    match (one, other) {
        (Some(AttributeValue::N(one)), Some(AttributeValue::N(other))) => plain(one) == plain(other),
        _ => one == other,
    }
}

/// A decimal number without zeros that say nothing.
fn plain(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => plain(number).to_owned(),
        _ => "neither a text nor a number".to_owned(),
    }
}

/// What it takes to load a stream: a unit for each 4 KB, at least one.
fn read_units(stream: &Stream) -> f64 {
    let bytes = stream.commits().iter().map(eventsourcing::Commit::stored_bytes);
    let units = bytes.sum::<usize>().div_ceil(4096).max(1);
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

/// The size of some attributes of an item, in KB that have begun.
fn kilobytes<'n>(item: &Item, names: impl Iterator<Item = &'n str>) -> u64 {
    let names: BTreeSet<_> = names.collect();
    let bytes = names.into_iter().filter_map(|name| {
        let value = match item.get(name)? {
            AttributeValue::S(text) => text.len(),
            // Two digits take a byte, and a number one more.
            AttributeValue::N(number) => number.len() / 2 + 2,
            _ => 1,
        };
        Some(name.len() + value)
    });
    (bytes.sum::<usize>() as u64).div_ceil(1024).max(1)
}
