//! Reads what was asked of a view, from where the least has to be read for it.

use std::collections::HashMap;

use aws_adapters::{PhaseCounts, Rows, Sorted, ViewError, ViewReader, ViewRow};
use bundle::ViewTableForm;
use eventsourcing::{Clock, OPEN_SHARDS, Read, TextForm, Timestamp};
use futures::stream::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::output::progress;
use crate::stack::Stack;
use crate::views::ask::{Asked, Place};

/// In how many segments a whole table is read: what one request at a time takes minutes for.
const SEGMENTS: u32 = 4;

/// The most rows of an index that are read at once before their whole rows are.
const PAGE: i32 = 100;

/// A view of a stack.
pub(crate) struct View<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) form: &'a ViewTableForm,
    pub(crate) reader: ViewReader,
}

/// What was found.
pub(crate) struct Answer {
    pub(crate) found: Found,
    /// By the service's clock.
    pub(crate) now: Timestamp,
    /// What it cost.
    pub(crate) read_units: f64,
}

impl Answer {
    /// Whether any row was found.
    pub(crate) fn has_rows(&self) -> bool {
        match &self.found {
            Found::One(_) => true,
            Found::Rows { rows, .. } => !rows.is_empty(),
            Found::Counts(_) => false,
        }
    }
}

pub(crate) enum Found {
    One(ViewRow),
    Rows {
        rows: Vec<ViewRow>,
        /// Whether there are more than these.
        more: bool,
    },
    Counts(PhaseCounts),
}

/// Which rows are meant, of those that are read.
struct Filter<'a> {
    asked: &'a Asked,
    /// In their phase since then, or longer.
    until: Option<Timestamp>,
    now: Timestamp,
}

impl<'a> Filter<'a> {
    fn of(asked: &'a Asked, now: Timestamp) -> Self {
        let until = |age: std::time::Duration| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_millis(now.millis().saturating_sub(age))
        };
        Self {
            asked,
            until: asked.older.map(until),
            now,
        }
    }

    fn takes(&self, row: &ViewRow) -> bool {
        let Self { asked, until, now } = self;
        let phase = asked.phase.as_deref();
        (!asked.open || row.is_open())
            && (!asked.overdue || row.is_overdue(*now))
            && phase.is_none_or(|phase| row.phase() == Some(phase))
            && asked
                .cause
                .as_ref()
                .is_none_or(|(name, word)| row.text(name) == Some(word))
            && until.is_none_or(|until| row.phase_since().is_some_and(|since| since <= until))
            && asked
                .by
                .iter()
                .all(|(index, value)| row.text(index.partition) == Some(value))
    }

    /// Whether it takes all rows of the index of those that are open, up to `until`.
    fn takes_all_open(&self) -> bool {
        !self.asked.overdue && self.asked.phase.is_none()
    }
}

/// What the view says to what was asked.
pub(crate) async fn answer(view: &View<'_>, asked: &Asked, limit: Option<usize>) -> Result<Answer, Failure> {
    let now = view.stack.clock.now();
    let before = view.reader.read_units();
    let filter = Filter::of(asked, now);
    let found = match &asked.id {
        Some(id) => Box::pin(view.one(id)).await?,
        None if asked.count => Box::pin(view.counts(&filter)).await?,
        None => Box::pin(view.rows(&filter, limit.unwrap_or(usize::MAX))).await?,
    };
    Ok(Answer {
        found,
        now,
        read_units: view.reader.read_units() - before,
    })
}

impl<'a> View<'a> {
    /// The view of that form.
    pub(crate) fn of(stack: &'a Stack, form: &'a ViewTableForm) -> Self {
        let client = stack.connection.dynamodb.clone();
        let reader = ViewReader::new(client, stack.names.view_table(form.name), form.key);
        Self { stack, form, reader }
    }

    async fn one(&self, id: &str) -> Result<Found, Failure> {
        if !TextForm::ID.fits(id) {
            let one = self.form.listing.one;
            return Err(Failure::Usage(format!(
                "no {one} can be called so; expected an id: 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -"
            )));
        }
        let row = self
            .reader
            .row(id, Read::Consistent)
            .await
            .map_err(|error| self.failed(error))?;
        let Some(row) = row else {
            let (one, table) = (self.form.listing.one, self.reader.table());
            return Err(Failure::NotFound(format!(
                "there is no {one} {id} in table {table}; a row is a moment behind its events, and `{} trace {id}` shows \
                 those",
                crate::called::name()
            )));
        };
        Ok(Found::One(row))
    }

    /// Up to `limit` rows: of an index by a value and of the table the newest, and of what is open the oldest.
    async fn rows(&self, filter: &Filter<'_>, limit: usize) -> Result<Found, Failure> {
        // One more tells whether there are more.
        let wanted = limit.saturating_add(1);
        let rows = match filter.asked.place() {
            Place::Index(index, value) => {
                let page = i32::try_from(wanted).unwrap_or(PAGE).min(PAGE);
                let rows = self.reader.by(index, value, Sorted::NewestFirst).page_of(page);
                self.by_value(rows, filter, wanted).await
            }
            Place::Open => self.open(filter, wanted).await,
            Place::Table => self.newest_of_all(filter, wanted).await,
        };
        let mut rows = rows.map_err(|error| self.failed(error))?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Found::Rows { rows, more })
    }

    async fn by_value(
        &self,
        mut index: Rows,
        filter: &Filter<'_>,
        wanted: usize,
    ) -> Result<Vec<ViewRow>, ViewError> {
        let bar = bar("reading rows", filter);
        let mut found = Vec::new();
        while found.len() < wanted
            && let Some(page) = index.next_page().await?
        {
            bar.inc(page.len() as u64);
            found.extend(
                self.whole(page)
                    .await?
                    .into_iter()
                    .filter(|row| filter.takes(row)),
            );
        }
        bar.finish_and_clear();
        found.truncate(wanted);
        Ok(found)
    }

    /// The rows whole, in the sequence in which an index has them. One that is gone is left out.
    async fn whole(&self, of_index: Vec<ViewRow>) -> Result<Vec<ViewRow>, ViewError> {
        let key = self.form.key;
        let ids: Vec<_> = of_index.iter().filter_map(|row| row.text(key)).collect();
        let rows = self.reader.rows(ids.iter().copied()).await?;
        let by_id = rows
            .into_iter()
            .filter_map(|row| Some((row.text(key)?.to_owned(), row)));
        let mut by_id: HashMap<_, _> = by_id.collect();
        Ok(ids.into_iter().filter_map(|id| by_id.remove(id)).collect())
    }

    async fn open(&self, filter: &Filter<'_>, wanted: usize) -> Result<Vec<ViewRow>, ViewError> {
        let mut open = self.reader.open(filter.until);
        if filter.takes_all_open() {
            // About as many rows are in each part. Twice as many leave few parts to be asked twice.
            let of_part = wanted.div_ceil(OPEN_SHARDS as usize).saturating_mul(2);
            open = open.page_of(i32::try_from(of_part).unwrap_or(i32::MAX));
        }
        let mut found = Vec::new();
        while found.len() < wanted
            && let Some(row) = open.next().await?
        {
            if filter.takes(&row) {
                found.push(row);
            }
        }
        Ok(found)
    }

    async fn newest_of_all(&self, filter: &Filter<'_>, wanted: usize) -> Result<Vec<ViewRow>, ViewError> {
        let bar = bar("reading the whole table, rows", filter);
        let mut found: Vec<ViewRow> = Vec::new();
        let sort = |rows: &mut Vec<ViewRow>| {
            let key = |row: &ViewRow| {
                std::cmp::Reverse((row.phase_since(), row.text(self.form.key).map(str::to_owned)))
            };
            rows.sort_by_cached_key(key);
            rows.truncate(wanted);
        };
        let pages = self.reader.scan(SEGMENTS, filter.asked.phase.as_deref());
        let mut pages = std::pin::pin!(pages);
        while let Some(page) = pages.next().await.transpose()? {
            bar.inc(page.looked_at);
            found.extend(page.rows.into_iter().filter(|row| filter.takes(row)));
            // Never much more than is wanted, however large the table is.
            if found.len() / 2 > wanted {
                sort(&mut found);
            }
        }
        bar.finish_and_clear();
        sort(&mut found);
        Ok(found)
    }

    async fn counts(&self, filter: &Filter<'_>) -> Result<Found, Failure> {
        let counted = match filter.asked.place() {
            Place::Open if filter.takes_all_open() => self.reader.count_open(filter.until, filter.now).await,
            place => self.counted(place, filter).await,
        };
        counted.map(Found::Counts).map_err(|error| self.failed(error))
    }

    async fn counted(&self, place: Place<'_>, filter: &Filter<'_>) -> Result<PhaseCounts, ViewError> {
        let mut counts = PhaseCounts::default();
        let mut add = |rows: Vec<ViewRow>| {
            let taken = rows.iter().filter(|row| filter.takes(row));
            taken.for_each(|row| counts.add(row, filter.now));
        };
        match place {
            Place::Index(index, value) => {
                let bar = bar("reading rows", filter);
                let mut rows = self.reader.by(index, value, Sorted::NewestFirst).page_of(PAGE);
                while let Some(page) = rows.next_page().await? {
                    bar.inc(page.len() as u64);
                    add(self.whole(page).await?);
                }
                bar.finish_and_clear();
            }
            Place::Open => {
                let mut rows = std::pin::pin!(self.reader.open(filter.until).into_stream());
                while let Some(row) = rows.try_next().await? {
                    add(vec![row]);
                }
            }
            Place::Table => {
                let bar = bar("reading the whole table, rows", filter);
                let pages = self.reader.scan(SEGMENTS, filter.asked.phase.as_deref());
                let mut pages = std::pin::pin!(pages);
                while let Some(page) = pages.try_next().await? {
                    bar.inc(page.looked_at);
                    add(page.rows);
                }
                bar.finish_and_clear();
            }
        }
        Ok(counts)
    }

    pub(crate) fn failed(&self, error: ViewError) -> Failure {
        match error {
            ViewError::NoTable(table) => Failure::NotFound(format!(
                "stack {} has no table {table}: it was deployed without views (parameter DeployViews), or with a version \
                 that had none",
                self.stack.names.stack()
            )),
            ViewError::Transient(error) => Failure::Failed(error.to_string()),
        }
    }
}

/// What is drawn again and again shows by itself that it goes on.
fn bar(doing: &str, filter: &Filter<'_>) -> ProgressBar {
    if filter.asked.watch {
        ProgressBar::hidden()
    } else {
        progress(None, doing)
    }
}
