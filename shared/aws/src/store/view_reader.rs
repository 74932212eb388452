//! Reads a view: a row by its id, the rows of an index, those that are open, and all of them.
//!
//! A row says up to which revision it knows its stream, and is a moment behind it. Reads of an index are eventual, as
//! all reads of one are: a row that was put just now may be missing, or be there as it was.
//!
//! What is read is charged by its size, so every read says what it cost: [`ViewReader::read_units`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, Select};
use eventsourcing::{
    DUE_AT, Index, OPEN_INDEX, OPEN_SHARD, OPEN_SHARDS, PHASE, PHASE_SINCE, Read, Timestamp, Transient,
};
use futures::future::try_join_all;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use crate::client::failure::reason;
use crate::store::batch_get::{BATCH, BatchGet, NotGot};

/// How often rows are asked for that `DynamoDB` left out of an answer.
const ATTEMPTS: u32 = 8;

/// The table of one view of one stack, for those who read it. Clones count what they read together.
#[derive(Clone, Debug)]
pub struct ViewReader {
    client: Client,
    table: String,
    key: &'static str,
    consumed: Arc<Mutex<f64>>,
}

/// Why a view could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The stack was deployed without views, or by a version that had none yet.
    #[error("there is no table {0}")]
    NoTable(String),
    /// It may work the next time.
    #[error(transparent)]
    Transient(#[from] Transient),
}

/// A row, or what an index holds of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewRow(HashMap<String, AttributeValue>);

impl From<HashMap<String, AttributeValue>> for ViewRow {
    fn from(item: HashMap<String, AttributeValue>) -> Self {
        Self(item)
    }
}

impl ViewRow {
    /// The text of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    /// The number of that name, digit by digit.
    pub fn number(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_n().ok().map(String::as_str)
    }

    /// The time of that name.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name)?.parse().ok()
    }

    /// Where it stands.
    pub fn phase(&self) -> Option<&str> {
        self.text(PHASE)
    }

    /// Since when.
    pub fn phase_since(&self) -> Option<Timestamp> {
        self.time(PHASE_SINCE)
    }

    /// Whether it is not over yet. Only a whole row tells, or one of the index of open rows.
    pub fn is_open(&self) -> bool {
        self.0.contains_key(OPEN_SHARD)
    }

    /// Whether it is open though its deadline has passed at `now`.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && self.time(DUE_AT).is_some_and(|due| due < now)
    }

    /// What it holds, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// In which direction an index is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sorted {
    /// By rising sort key.
    OldestFirst,
    /// By falling sort key.
    NewestFirst,
}

/// How many rows are in one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseCount {
    /// All of them.
    pub rows: u64,
    /// Those that are open.
    pub open: u64,
    /// Those that are open though their deadline has passed.
    pub overdue: u64,
    /// Since when the one has been in it that has been there longest.
    pub oldest: Option<Timestamp>,
}

/// How many rows are in each phase, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseCounts(BTreeMap<String, PhaseCount>);

impl PhaseCounts {
    /// Counts one more row, as it stands at `now`.
    pub fn add(&mut self, row: &ViewRow, now: Timestamp) {
        let one = PhaseCount {
            rows: 1,
            open: row.is_open().into(),
            overdue: row.is_overdue(now).into(),
            oldest: row.phase_since(),
        };
        self.add_all(row.phase().unwrap_or_default(), one);
    }

    fn add_all(&mut self, phase: &str, more: PhaseCount) {
        let count = self.0.entry(phase.to_owned()).or_default();
        *count = PhaseCount {
            rows: count.rows + more.rows,
            open: count.open + more.open,
            overdue: count.overdue + more.overdue,
            oldest: count.oldest.into_iter().chain(more.oldest).min(),
        };
    }

    /// Those in the phase of that name.
    pub fn of(&self, phase: &str) -> PhaseCount {
        self.0.get(phase).copied().unwrap_or_default()
    }

    /// All phases that a row is in.
    pub fn iter(&self) -> impl Iterator<Item = (&str, PhaseCount)> {
        self.0.iter().map(|(phase, count)| (phase.as_str(), *count))
    }
}

impl ViewReader {
    /// Reads the table of that name, whose rows have their ids in the attribute `key`.
    pub fn new(client: Client, table: String, key: &'static str) -> Self {
        Self {
            client,
            table,
            key,
            consumed: Arc::default(),
        }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The read capacity units that all its reads have cost so far: a unit is a consistent read of 4 KB, and an
    /// eventual one of 8 KB.
    ///
    /// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>
    pub fn read_units(&self) -> f64 {
        *self.consumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row of that id; none if there is none. A consistent read shows every row that was put before it, and costs
    /// twice as much.
    pub async fn row(&self, id: &str, read: Read) -> Result<Option<ViewRow>, ViewError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(self.key, AttributeValue::S(id.to_owned()))
            .consistent_read(read == Read::Consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let got = got.map_err(|error| self.not_read(&error))?;
        self.count(got.consumed_capacity.as_ref());
        Ok(got.item.map(ViewRow))
    }

    /// The rows of those ids that there are, read eventually, in no particular sequence. Each is charged by itself.
    pub async fn rows<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> Result<Vec<ViewRow>, ViewError> {
        let key = |id: &str| HashMap::from([(self.key.to_owned(), AttributeValue::S(id.to_owned()))]);
        let keys: Vec<_> = ids.into_iter().map(key).collect();
        let batch = BatchGet {
            client: &self.client,
            table: &self.table,
            projection: None,
            read: Read::Eventual,
            attempts: Some(ATTEMPTS),
        };
        let batches = keys.chunks(BATCH).map(async |keys| {
            let (items, units) = batch.items(keys.to_vec()).await.map_err(|why| match why {
                NotGot::Refused(error) => self.not_read(&error),
                NotGot::LeftOut(rows) => {
                    self.failed(format!("{rows} rows were left out of {ATTEMPTS} answers"))
                }
            })?;
            self.add(units);
            Ok::<_, ViewError>(items)
        });
        let rows = try_join_all(batches).await?;
        Ok(rows.into_iter().flatten().map(ViewRow).collect())
    }

    /// The rows of an index whose partition attribute has that value.
    pub fn by(&self, index: &Index, value: &str, sorted: Sorted) -> Rows {
        let query = self
            .query(index)
            .key_condition_expression("#partition = :value")
            .expression_attribute_names("#partition", index.partition)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
            .scan_index_forward(sorted == Sorted::OldestFirst);
        self.pages(query)
    }

    /// The rows that are open, of all parts of their index, those first that have been in their phase longest; with
    /// `until` only those that have been in it since then or longer.
    ///
    /// A page of each part is read before the first row is given. Whoever wants few says so with
    /// [`OpenRows::page_of`].
    pub fn open(&self, until: Option<Timestamp>) -> OpenRows {
        OpenRows {
            parts: self.open_parts(until).map(Part::of).collect(),
            key: self.key,
        }
    }

    /// How many rows are open at `now` in each phase, of those that have been in it since `until` or longer. All
    /// parts are read at once and whole, for what of them a count takes.
    pub async fn count_open(
        &self,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<PhaseCounts, ViewError> {
        let parts = self.open_parts(until).map(async |mut part: Rows| {
            part.only(&[PHASE, PHASE_SINCE, DUE_AT, OPEN_SHARD]);
            let mut counts = PhaseCounts::default();
            while let Some(page) = part.next_page().await? {
                for row in &page {
                    counts.add(row, now);
                }
            }
            Ok::<_, ViewError>(counts)
        });
        let mut all = PhaseCounts::default();
        for part in try_join_all(parts).await? {
            for (phase, count) in part.iter() {
                all.add_all(phase, count);
            }
        }
        Ok(all)
    }

    /// All rows, or those of one phase, in no particular sequence: for what no index knows. The whole table is read
    /// and charged for, in parallel segments.
    pub fn scan(
        &self,
        segments: u32,
        phase: Option<&str>,
    ) -> impl Stream<Item = Result<ScannedPage, ViewError>> + Send + use<> {
        let segments = i32::try_from(segments.max(1)).unwrap_or(i32::MAX);
        let phase = phase.map(str::to_owned);
        let all = (0..segments).map(|segment| {
            let mut scan = self
                .client
                .scan()
                .table_name(&self.table)
                .segment(segment)
                .total_segments(segments)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            if let Some(phase) = &phase {
                scan = scan
                    .filter_expression("#phase = :phase")
                    .expression_attribute_names("#phase", PHASE)
                    .expression_attribute_values(":phase", AttributeValue::S(phase.clone()));
            }
            let reader = self.clone();
            stream::try_unfold(Progress::default(), move |progress| {
                let (scan, reader) = (scan.clone(), reader.clone());
                async move {
                    if progress.is_over {
                        return Ok(None);
                    }
                    let page = scan.set_exclusive_start_key(progress.after).send().await;
                    let page = page.map_err(|error| reader.not_read(&error))?;
                    reader.count(page.consumed_capacity.as_ref());
                    let scanned = ScannedPage {
                        looked_at: u64::try_from(page.scanned_count).unwrap_or_default(),
                        rows: page.items.unwrap_or_default().into_iter().map(ViewRow).collect(),
                    };
                    Ok(Some((scanned, Progress::page(page.last_evaluated_key))))
                }
            })
            .boxed()
        });
        stream::select_all(all)
    }

    fn open_parts(&self, until: Option<Timestamp>) -> impl Iterator<Item = Rows> {
        (0..OPEN_SHARDS).map(move |part| {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(OPEN_INDEX)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .expression_attribute_names("#part", OPEN_SHARD)
                .expression_attribute_values(":part", AttributeValue::S(part.to_string()));
            let query = match until {
                None => query.key_condition_expression("#part = :part"),
                Some(until) => query
                    .key_condition_expression("#part = :part AND #since <= :until")
                    .expression_attribute_names("#since", PHASE_SINCE)
                    .expression_attribute_values(":until", AttributeValue::S(until.to_string())),
            };
            self.pages(query)
        })
    }

    fn query(&self, index: &Index) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(index.name)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    fn pages(&self, query: QueryFluentBuilder) -> Rows {
        Rows {
            reader: self.clone(),
            query,
            progress: Progress::default(),
        }
    }

    fn count(&self, consumed: Option<&ConsumedCapacity>) {
        let units = consumed.and_then(|consumed| consumed.capacity_units);
        self.add(units.unwrap_or_default());
    }

    fn add(&self, units: f64) {
        *self.consumed.lock().unwrap_or_else(PoisonError::into_inner) += units;
    }

    fn not_read<E>(&self, error: &SdkError<E>) -> ViewError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some("ResourceNotFoundException") => ViewError::NoTable(self.table.clone()),
            _ => self.failed(reason(error)),
        }
    }

    fn failed(&self, why: String) -> ViewError {
        ViewError::Transient(Transient {
            doing: format!("read of {}", self.table),
            why,
        })
    }
}

/// A page of a scan.
#[derive(Clone, Debug)]
pub struct ScannedPage {
    /// How many rows were read for it.
    pub looked_at: u64,
    /// Those of them that were asked for.
    pub rows: Vec<ViewRow>,
}

/// How far something was read.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// After which key the next page begins; none for the first.
    after: Option<HashMap<String, AttributeValue>>,
    is_over: bool,
}

impl Progress {
    fn page(last: Option<HashMap<String, AttributeValue>>) -> Self {
        Self {
            is_over: last.is_none(),
            after: last,
        }
    }
}

/// Rows of an index, page by page.
#[derive(Debug)]
pub struct Rows {
    reader: ViewReader,
    query: QueryFluentBuilder,
    progress: Progress,
}

impl Rows {
    /// With so many rows in a page; as many as 1 MB holds if it is not said.
    #[must_use]
    pub fn page_of(mut self, rows: i32) -> Self {
        self.query = self.query.limit(rows.max(1));
        self
    }

    /// The next page, which may be empty; none after the last. One that failed can be asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ViewRow>>, ViewError> {
        if self.progress.is_over {
            return Ok(None);
        }
        let after = self.progress.after.clone();
        let page = self.query.clone().set_exclusive_start_key(after).send().await;
        let page = page.map_err(|error| self.reader.not_read(&error))?;
        self.reader.count(page.consumed_capacity.as_ref());
        self.progress = Progress::page(page.last_evaluated_key);
        Ok(Some(
            page.items.unwrap_or_default().into_iter().map(ViewRow).collect(),
        ))
    }

    /// All of them, one after another; a page is read when its first row is asked for.
    pub fn into_stream(self) -> impl Stream<Item = Result<ViewRow, ViewError>> {
        let pages = stream::try_unfold(self, async |mut rows| {
            let page = rows.next_page().await?;
            Ok::<_, ViewError>(page.map(|page| (page, rows)))
        });
        pages
            .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
            .try_flatten()
    }

    fn only(&mut self, attributes: &[&str]) {
        let mut query = self.query.clone().select(Select::SpecificAttributes);
        let names: Vec<_> = (0..attributes.len())
            .map(|number| format!("#only{number}"))
            .collect();
        for (name, attribute) in names.iter().zip(attributes) {
            query = query.expression_attribute_names(name, *attribute);
        }
        self.query = query.projection_expression(names.join(", "));
    }
}

/// Open rows of all parts of their index, merged.
#[derive(Debug)]
pub struct OpenRows {
    parts: Vec<Part>,
    key: &'static str,
}

/// One part, and what of it was read and not given yet.
#[derive(Debug)]
struct Part {
    rows: Rows,
    read: VecDeque<ViewRow>,
    is_over: bool,
}

impl Part {
    fn of(rows: Rows) -> Self {
        Self {
            rows,
            read: VecDeque::new(),
            is_over: false,
        }
    }

    async fn fill(&mut self) -> Result<(), ViewError> {
        while self.read.is_empty() && !self.is_over {
            match self.rows.next_page().await? {
                Some(page) => self.read.extend(page),
                None => self.is_over = true,
            }
        }
        Ok(())
    }
}

impl OpenRows {
    /// With so many rows of each part in a page; as many as 1 MB holds if it is not said.
    #[must_use]
    pub fn page_of(self, rows: i32) -> Self {
        let paged = |part: Part| Part {
            rows: part.rows.page_of(rows),
            ..part
        };
        Self {
            parts: self.parts.into_iter().map(paged).collect(),
            ..self
        }
    }

    /// The next row; none after the last. One that failed can be asked for again.
    pub async fn next(&mut self) -> Result<Option<ViewRow>, ViewError> {
        try_join_all(self.parts.iter_mut().map(Part::fill)).await?;
        let key = self.key;
        let first = self
            .parts
            .iter_mut()
            .filter(|part| !part.read.is_empty())
            .min_by(|one, other| {
                let place = |part: &Part| {
                    let row = part.read.front()?;
                    Some((row.text(PHASE_SINCE)?.to_owned(), row.text(key)?.to_owned()))
                };
                place(one).cmp(&place(other))
            });
        Ok(first.and_then(|part| part.read.pop_front()))
    }

    /// All of them, one after another.
    pub fn into_stream(self) -> impl Stream<Item = Result<ViewRow, ViewError>> {
        stream::try_unfold(self, async |mut rows| {
            let row = rows.next().await?;
            Ok(row.map(|row| (row, rows)))
        })
    }
}
