//! Makes a view anew from the event table, while it is in use, and keeps how far it has come in a file; or compares the
//! two, and writes nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;

use aws_adapters::{
    Difference, Found, RebuildCheckpoint, RebuildTally, Rebuilder, Rebuilding, Unread, ViewTable,
};
use bundle::ViewTableForm;
use clap::Args;
use eventsourcing::Transient;
use serde::Serialize;

use crate::arguments::at_least_one;
use crate::failure::Failure;
use crate::output::{Format, Report, count, one_or_more};
use crate::resuming::{self, Walking, rate, segments, to_the_end};
use crate::sheet::{Kind, Sheet};
use crate::stack::Stack;

/// Which view is made anew, and how.
#[allow(clippy::doc_markdown)]
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// The view, by its table's name
    view: String,
    /// In how many parallel segments the tables are read, 1 to 256: each is a request under way
    #[arg(long, value_name = "N", default_value = "4", value_parser = segments, allow_negative_numbers = true)]
    segments: NonZeroU32,
    /// How many streams are looked at a second, at most
    #[arg(long, value_name = "N", default_value = "500", value_parser = rate, allow_negative_numbers = true)]
    rate: NonZeroU32,
    /// Keeps in this file how far it has come, and goes on there if it is there already
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "verify"])]
    resume: Option<PathBuf>,
    /// Counts what would change and about what that would cost, and writes nothing
    #[arg(long, conflicts_with = "verify")]
    dry_run: bool,
    /// Compares each row with its stream, lists those that are not what they should be, and writes nothing
    #[arg(long)]
    verify: bool,
    /// How many rows and streams to list
    #[arg(long, value_name = "N", default_value = "100", value_parser = at_least_one, allow_negative_numbers = true)]
    limit: usize,
    /// Shows what differs, too: in the row, and by the stream
    #[arg(long)]
    data: bool,
}

impl Rebuild {
    /// What it does, for whoever waits.
    pub(crate) fn doing(&self) -> &'static str {
        match self.purpose() {
            Purpose::Rebuild => "making the view anew",
            Purpose::DryRun | Purpose::Verify => "comparing the view with its streams",
        }
    }

    fn purpose(&self) -> Purpose {
        match (self.dry_run, self.verify) {
            (true, _) => Purpose::DryRun,
            (_, true) => Purpose::Verify,
            _ => Purpose::Rebuild,
        }
    }

    fn goes_on(&self) -> String {
        match self.purpose() {
            Purpose::Rebuild => resuming::goes_on(self.resume.as_deref()),
            Purpose::DryRun | Purpose::Verify => "nothing was written; begin again".into(),
        }
    }
}

/// What it is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    Rebuild,
    DryRun,
    Verify,
}

#[derive(Serialize)]
struct Rebuilt {
    view: &'static str,
    table: String,
    purpose: Purpose,
    /// Whether it was interrupted; the rest was not come to, and of the streams under way some rows may be put.
    interrupted: bool,
    /// By all runs of which the checkpoint knows.
    streams: u64,
    shown: u64,
    renewed: u64,
    /// Rows that are not what they should be, by what is wrong with them.
    wrong: BTreeMap<Found, usize>,
    /// Those, up to the limit.
    differences: Vec<ShownDifference>,
    unreadable: Vec<Unread>,
    /// How many streams can't be read, those beyond the limit, too.
    unreadable_streams: usize,
    read_units: u64,
    write_units: u64,
    /// By this run.
    this_run: Counts,
}

/// How much was done.
#[derive(Clone, Copy, Serialize)]
struct Counts {
    streams: u64,
    renewed: u64,
}

impl Counts {
    fn of(tally: &RebuildTally) -> Self {
        Self {
            streams: tally.streams,
            renewed: tally.renewed,
        }
    }
}

/// A row that is not what it should be, for programs.
#[derive(Serialize)]
struct ShownDifference {
    id: String,
    found: Found,
    attributes: Vec<ShownAttribute>,
}

#[derive(Serialize)]
struct ShownAttribute {
    name: String,
    /// What they say: it comes from messages, so it is shown only if asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    values: Option<Values>,
}

#[derive(Serialize)]
struct Values {
    in_row: Option<String>,
    of_stream: Option<String>,
}

impl ShownDifference {
    fn of(difference: &Difference, data: bool) -> Self {
        let attributes = difference.attributes.iter().map(|attribute| ShownAttribute {
            name: attribute.name.clone(),
            values: data.then(|| Values {
                in_row: attribute.in_row.clone(),
                of_stream: attribute.of_stream.clone(),
            }),
        });
        Self {
            id: difference.id.clone(),
            found: difference.found,
            attributes: attributes.collect(),
        }
    }
}

impl ShownAttribute {
    fn text(&self) -> String {
        let said = |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |v| format!("{v:?}"));
        match &self.values {
            None => self.name.clone(),
            Some(Values { in_row, of_stream }) => {
                format!("{}: {}, not {}", self.name, said(in_row), said(of_stream))
            }
        }
    }
}

/// What is wrong, in a table's cell.
fn word(found: Found) -> &'static str {
    match found {
        Found::Missing => "missing",
        Found::Behind => "behind",
        Found::Differs => "differs",
        Found::Ahead => "ahead of its stream",
        Found::LeftOver => "left over",
    }
}

impl Report for Rebuilt {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = ["row", "is", "attributes"];
        let mut listed = Sheet::new(columns.map(|title| (title, Kind::Whole)));
        for difference in &self.differences {
            let attributes: Vec<_> = difference.attributes.iter().map(ShownAttribute::text).collect();
            listed.add([
                difference.id.clone().into(),
                word(difference.found).into(),
                attributes.join(", ").into(),
            ]);
        }
        if !self.differences.is_empty() {
            listed.write(out)?;
        }
        for Unread { stream_id, error } in &self.unreadable {
            writeln!(out, "UNREADABLE  {stream_id}: {error}")?;
        }
        let unlisted =
            self.wrong() - self.differences.len() + self.unreadable_streams - self.unreadable.len();
        if unlisted > 0 {
            writeln!(out, "… and {unlisted} more; --limit shows more of them")?;
        }
        let streams = count(self.streams, "stream", "streams");
        let (table, reads, writes) = (&self.table, self.read_units, self.write_units);
        match self.purpose {
            Purpose::Rebuild => {
                let rows = count(self.renewed, "row", "rows");
                let were = one_or_more(self.renewed, "was", "were");
                writeln!(
                    out,
                    "{rows} of {table} {were} put; {streams} looked at, {} with a row",
                    self.shown
                )?;
            }
            Purpose::DryRun => {
                let rows = count(self.to_renew(), "row", "rows");
                writeln!(
                    out,
                    "{rows} of {table} would be put; {streams} looked at, {} with a row; a rebuild takes about \
                     {reads} read units and {writes} write units",
                    self.shown
                )?;
            }
            Purpose::Verify if self.is_right() => {
                writeln!(
                    out,
                    "{table} is what its streams amount to; {streams} looked at, {} with a row",
                    self.shown
                )?;
            }
            Purpose::Verify => {
                let wrong = self
                    .wrong
                    .iter()
                    .map(|(found, n)| format!("{n} {}", word(*found)));
                let wrong: Vec<_> = wrong.collect();
                writeln!(
                    out,
                    "{table}: {} ({}); {streams} looked at, {} with a row",
                    count(self.wrong(), "row is wrong", "rows are wrong"),
                    wrong.join(", "),
                    self.shown
                )?;
            }
        }
        Ok(())
    }
}

impl Rebuilt {
    fn of(form: &ViewTableForm, checkpoint: &RebuildCheckpoint, before: Counts, command: &Rebuild) -> Self {
        let done = &checkpoint.done;
        let mut wrong = BTreeMap::new();
        for difference in &done.differences {
            *wrong.entry(difference.found).or_default() += 1;
        }
        let listed = done.differences.iter().take(command.limit);
        Self {
            view: form.name,
            table: checkpoint.table().to_owned(),
            purpose: command.purpose(),
            interrupted: false,
            streams: done.streams,
            shown: done.shown,
            renewed: done.renewed,
            wrong,
            differences: listed
                .map(|difference| ShownDifference::of(difference, command.data))
                .collect(),
            unreadable: done.unreadable.iter().take(command.limit).cloned().collect(),
            unreadable_streams: done.unreadable.len(),
            read_units: whole(done.read_units),
            write_units: done.write_units,
            this_run: Counts {
                streams: done.streams - before.streams,
                renewed: done.renewed - before.renewed,
            },
        }
    }

    fn wrong(&self) -> usize {
        self.wrong.values().sum()
    }

    /// Rows that putting would set right.
    fn to_renew(&self) -> usize {
        let renewed = [Found::Missing, Found::Behind, Found::Differs];
        renewed.iter().filter_map(|found| self.wrong.get(found)).sum()
    }

    fn is_right(&self) -> bool {
        self.wrong.is_empty() && self.unreadable_streams == 0
    }

    /// What is wrong afterwards, if anything is.
    fn failure(&self) -> Option<Failure> {
        let to_renew = if self.purpose == Purpose::DryRun {
            self.to_renew()
        } else {
            0
        };
        let mut told = Vec::new();
        if self.unreadable_streams > 0 {
            told.push(format!(
                "{} can't be read, so their rows are not known",
                count(self.unreadable_streams, "stream", "streams")
            ));
        }
        if self.wrong() > to_renew {
            let rows = count(self.wrong() - to_renew, "row", "rows");
            told.push(match self.purpose {
                Purpose::Verify => format!(
                    "{rows} of {} {} not what the streams amount to; {} rebuild {} puts those that are \
                     missing, behind or different",
                    self.table,
                    one_or_more(self.wrong(), "is", "are"),
                    crate::called::name(),
                    self.view
                ),
                Purpose::Rebuild | Purpose::DryRun => format!(
                    "{rows} of {} that no stream accounts for {} as {}",
                    self.table,
                    one_or_more(self.wrong() - to_renew, "stays", "stay"),
                    one_or_more(self.wrong() - to_renew, "it is", "they are")
                ),
            });
        }
        (!told.is_empty()).then(|| Failure::Failed(told.join("; ")))
    }
}

/// Units in whole numbers: they are an estimate.
fn whole(units: f64) -> u64 {
    format!("{:.0}", units.ceil()).parse().unwrap_or(u64::MAX)
}

/// Makes the view anew, or says what would change.
pub(crate) async fn rebuild(stack: &Stack, format: Format, command: Rebuild) -> Result<(), Failure> {
    let form = stack.view(&command.view)?;
    let (dynamodb, name) = (
        stack.connection.dynamodb.clone(),
        stack.names.view_table(form.name),
    );
    let table = ViewTable::new(dynamodb.clone(), name.clone(), form.key);
    let failed = |error: &Transient| Failure::Failed(format!("{error}; {}", command.goes_on()));
    if !table.is_there().await.map_err(|error| failed(&error))? {
        return Err(Failure::NotFound(format!(
            "there is no table {name}: stack {} was deployed without views, or before there were any; deploy it with \
             views first",
            stack.names.stack()
        )));
    }
    let checkpoint = begin(stack, &name, &command)?;
    let rebuilder =
        Rebuilder::new(dynamodb, stack.names.events_table(), table, form.shows()).at_rate(command.rate);
    let rebuilder = if command.purpose() == Purpose::Rebuild {
        rebuilder
    } else {
        rebuilder.comparing_only()
    };
    let before = Counts::of(&checkpoint.done);
    let mut run = rebuilder.run(checkpoint);
    let file = command.resume.as_deref();
    let streams = |checkpoint: &RebuildCheckpoint| checkpoint.done.streams;
    let interrupted = to_the_end(stack, &mut run, file, "streams looked at", streams, |error| {
        failed(&error)
    })
    .await?;
    let report = Rebuilt {
        interrupted,
        ..Rebuilt::of(&form, run.checkpoint(), before, &command)
    };
    format.print(&report)?;
    if interrupted {
        let looked = count(report.this_run.streams, "stream", "streams");
        return Err(Failure::Interrupted(match report.purpose {
            Purpose::Rebuild => format!(
                "{looked} looked at and {} put, and some of those under way perhaps; {}",
                count(report.this_run.renewed, "row", "rows"),
                command.goes_on()
            ),
            Purpose::DryRun | Purpose::Verify => format!("{looked} looked at; {}", command.goes_on()),
        }));
    }
    report.failure().map_or(Ok(()), Err)
}

/// Where to begin: at the start, or where a file says.
fn begin(stack: &Stack, table: &str, command: &Rebuild) -> Result<RebuildCheckpoint, Failure> {
    resuming::begin(
        stack,
        command.resume.as_deref(),
        || RebuildCheckpoint::start(table.to_owned(), command.segments),
        |kept| kept.table() == table,
        |kept| format!("table {}", kept.table()),
        |kept| {
            let all_done = "all streams were looked at; to look at them again, name another file";
            kept.is_done().then_some(all_done)
        },
    )
}

impl Walking for Rebuilding<'_> {
    type Checkpoint = RebuildCheckpoint;
    type Error = Transient;

    async fn next(&mut self) -> Option<Result<(), Transient>> {
        self.next().await
    }

    fn checkpoint(&self) -> &RebuildCheckpoint {
        self.checkpoint()
    }
}
