//! The outbox: commits that the relay could not deliver, sent again or dropped.

use std::io::{self, Write};

use aws_adapters::{CommitRef, Delivery, KeyNumber, Outbox, OutboxEntry, OutboxError};
use clap::{Args, ValueEnum};
use eventsourcing::{Clock, Timestamp};
use serde::Serialize;

use crate::confirmation::{confirm, may_ask};
use crate::failure::Failure;
use crate::output::{Change, Format, Report, age, count, progress};
use crate::sheet::{Cell, Kind, Sheet};
use crate::stack::Stack;

/// Which entries are meant; all that are parked if nothing is said.
#[derive(Clone, Debug, Args)]
pub(crate) struct WhichEntries {
    /// Those of this stream, parked or pending
    #[arg(long, value_name = "STREAM")]
    stream_id: Option<String>,
    /// The one at this revision of the stream
    #[arg(long, value_name = "N", requires = "stream_id", value_parser = crate::arguments::revision, allow_negative_numbers = true)]
    revision: Option<u64>,
}

/// What has become of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Sent again when it is due.
    Pending,
    /// Left to a person after the last attempt.
    Parked,
    /// Sent; kept for two weeks.
    Published,
}

impl From<State> for Delivery {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Parked => Self::Parked,
            State::Published => Self::Published,
        }
    }
}

/// The stack's outbox.
pub(crate) fn of(stack: &Stack) -> Outbox {
    Outbox::new(stack.connection.dynamodb.clone(), stack.names.outbox_table())
}

/// An entry for programs.
#[derive(Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) stream_id: String,
    pub(crate) revision: KeyNumber,
    pub(crate) delivery: &'static str,
    pub(crate) attempts: u32,
    pub(crate) last_error: String,
    first_attempt_at: Timestamp,
    pub(crate) last_attempt_at: Timestamp,
    next_attempt_at: Timestamp,
}

impl From<OutboxEntry> for Entry {
    fn from(entry: OutboxEntry) -> Self {
        Self {
            stream_id: entry.commit.stream,
            revision: entry.commit.revision,
            delivery: entry.delivery.as_str(),
            attempts: entry.attempts,
            last_error: entry.last_error,
            first_attempt_at: entry.first_attempt_at,
            last_attempt_at: entry.last_attempt_at,
            next_attempt_at: entry.next_attempt_at,
        }
    }
}

#[derive(Serialize)]
struct List {
    pending: u64,
    parked: u64,
    published: u64,
    entries: Vec<Entry>,
    #[serde(skip)]
    now: Timestamp,
}

impl Report for List {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.entries.is_empty() {
            let mut sheet = Sheet::new([
                ("stream", Kind::Whole),
                ("revision", Kind::Whole),
                ("delivery", Kind::Whole),
                ("attempts", Kind::Whole),
                ("age", Kind::Whole),
                ("last error", Kind::Words),
            ]);
            for entry in &self.entries {
                let delivery = Cell::from(entry.delivery);
                let is_parked = entry.delivery == Delivery::Parked.as_str();
                sheet.add([
                    entry.stream_id.clone().into(),
                    entry.revision.to_string().into(),
                    if is_parked { Cell::bad(delivery) } else { delivery },
                    entry.attempts.to_string().into(),
                    age(self.now.since(entry.first_attempt_at)).into(),
                    entry.last_error.clone().into(),
                ]);
            }
            sheet.write(out)?;
        }
        let Self {
            pending,
            parked,
            published,
            ..
        } = self;
        writeln!(out, "{pending} pending, {parked} parked, {published} published")
    }
}

/// Shows entries: those that wait for the sweeper or for a person, or those of one state.
pub(crate) async fn list(
    stack: &Stack,
    format: Format,
    state: Option<State>,
    limit: usize,
) -> Result<(), Failure> {
    let outbox = of(stack);
    let shown = match state {
        Some(state) => vec![state.into()],
        None => vec![Delivery::Parked, Delivery::Pending],
    };
    let bar = progress(None, "reading entries");
    let mut entries = Vec::new();
    for delivery in shown {
        let listed = outbox.list(delivery, limit - entries.len()).await;
        entries.extend(listed.map_err(failed)?.into_iter().map(Entry::from));
        bar.set_position(entries.len() as u64);
    }
    bar.finish_and_clear();
    format.print(&List {
        pending: counted(stack, Delivery::Pending).await?,
        parked: counted(stack, Delivery::Parked).await?,
        published: counted(stack, Delivery::Published).await?,
        entries,
        now: stack.clock.now(),
    })?;
    Ok(())
}

/// The entries of a state that are due first, `limit` at most.
pub(crate) async fn entries(
    stack: &Stack,
    delivery: Delivery,
    limit: usize,
) -> Result<Vec<OutboxEntry>, Failure> {
    of(stack).list(delivery, limit).await.map_err(failed)
}

/// How many entries are in a state.
pub(crate) async fn counted(stack: &Stack, delivery: Delivery) -> Result<u64, Failure> {
    of(stack).count(delivery).await.map_err(failed)
}

/// How many commits are not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undelivered {
    /// Sent again by the sweeper.
    pub(crate) pending: u64,
    /// Left to a person.
    pub(crate) parked: u64,
}

/// Counts them.
pub(crate) async fn undelivered(stack: &Stack) -> Result<Undelivered, Failure> {
    Ok(Undelivered {
        pending: counted(stack, Delivery::Pending).await?,
        parked: counted(stack, Delivery::Parked).await?,
    })
}

/// Entries that are not published, `limit` of each state at most.
pub(crate) async fn unpublished(stack: &Stack, limit: usize) -> Result<Vec<Entry>, Failure> {
    let (parked, pending) = futures::try_join!(
        entries(stack, Delivery::Parked, limit),
        entries(stack, Delivery::Pending, limit)
    )?;
    Ok(parked.into_iter().chain(pending).map(Entry::from).collect())
}

async fn meant(outbox: &Outbox, which: &WhichEntries) -> Result<Vec<CommitRef>, Failure> {
    let mut entries = outbox.list(Delivery::Parked, usize::MAX).await.map_err(failed)?;
    if let Some(stream) = &which.stream_id {
        entries.extend(outbox.list(Delivery::Pending, usize::MAX).await.map_err(failed)?);
        entries.retain(|entry| {
            entry.commit.stream == *stream
                && which
                    .revision
                    .is_none_or(|revision| entry.commit.revision == KeyNumber::Whole(revision))
        });
    }
    if entries.is_empty() {
        return Err(Failure::NotFound(match &which.stream_id {
            Some(stream) => format!("the outbox holds nothing of {stream} that matches and is not published"),
            None => "nothing is parked in the outbox".into(),
        }));
    }
    Ok(entries.into_iter().map(|entry| entry.commit).collect())
}

/// What became of the entries that were meant.
#[derive(Serialize)]
pub(crate) struct Outcome {
    #[serde(skip)]
    what: &'static str,
    /// How many were meant.
    of: usize,
    done: usize,
    /// Whether it was interrupted before it came to all of them.
    interrupted: bool,
    failed: Vec<NotDone>,
}

#[derive(Serialize)]
struct NotDone {
    stream_id: String,
    revision: KeyNumber,
    error: String,
}

impl Report for Outcome {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        for NotDone {
            stream_id,
            revision,
            error,
        } in &self.failed
        {
            writeln!(out, "{stream_id} at {revision}: {error}")?;
        }
        if self.interrupted {
            let of = count(self.of, "entry", "entries");
            return writeln!(out, "{} of {of} {}", self.done, self.what);
        }
        writeln!(out, "{} {}", count(self.done, "entry", "entries"), self.what)
    }
}

impl Outcome {
    fn of(what: &'static str, commits: &[CommitRef], results: Vec<Result<(), OutboxError>>) -> Self {
        let done = results.iter().filter(|result| result.is_ok()).count();
        let interrupted = results.len() < commits.len();
        let failed = commits.iter().zip(results).filter_map(|(commit, result)| {
            Some(NotDone {
                stream_id: commit.stream.clone(),
                revision: commit.revision.clone(),
                error: result.err()?.to_string(),
            })
        });
        Self {
            what,
            of: commits.len(),
            done,
            interrupted,
            failed: failed.collect(),
        }
    }
}

impl Change for Outcome {
    fn verdict(&self) -> Result<(), Failure> {
        if self.interrupted {
            let untouched = self.of - self.done - self.failed.len();
            return Err(Failure::Interrupted(format!(
                "{} of {} done; {untouched} not done, or not known to be",
                self.done,
                count(self.of, "entry", "entries")
            )));
        }
        match self.failed.len() {
            0 => Ok(()),
            failed => Err(Failure::Failed(format!(
                "{} not {}",
                count(failed, "entry was", "entries were"),
                self.what
            ))),
        }
    }
}

/// Makes entries due at once; the sweeper sends them within its minute.
pub(crate) async fn redrive(stack: &Stack, format: Format, which: &WhichEntries) -> Result<(), Failure> {
    let commits = meant(&of(stack), which).await?;
    redriven(stack, &commits).await.print(format)
}

/// Makes the entries of these commits due at once.
pub(crate) async fn redriven(stack: &Stack, commits: &[CommitRef]) -> Outcome {
    let outbox = of(stack);
    let redrive = async |commit: &CommitRef| outbox.redrive(commit).await;
    let results = one_by_one(stack, commits, "making entries due", redrive).await;
    let what = "due; the sweeper takes them at its next run, within a minute";
    Outcome::of(what, commits, results)
}

/// Removes entries, after a confirmation.
pub(crate) async fn drop(
    stack: &Stack,
    format: Format,
    which: &WhichEntries,
    yes: bool,
) -> Result<(), Failure> {
    let asks = may_ask(yes)?;
    let commits = meant(&of(stack), which).await?;
    if asks {
        let entries = count(commits.len(), "entry", "entries");
        confirm(&format!(
            "Drop {entries} of the outbox? Their events stay in the event table, unsent."
        ))
        .await?;
    }
    dropped(stack, &commits).await.print(format)
}

/// Removes the entries of these commits.
pub(crate) async fn dropped(stack: &Stack, commits: &[CommitRef]) -> Outcome {
    let outbox = of(stack);
    let drop = async |commit: &CommitRef| outbox.drop_entry(commit).await;
    let results = one_by_one(stack, commits, "dropping entries", drop).await;
    Outcome::of("dropped", commits, results)
}

/// Does that with one entry after the other until it is interrupted; what became of those that it came to.
async fn one_by_one<R>(
    stack: &Stack,
    commits: &[CommitRef],
    doing: &str,
    work: impl AsyncFn(&CommitRef) -> R,
) -> Vec<R> {
    let bar = progress(Some(commits.len() as u64), doing);
    let mut results = Vec::with_capacity(commits.len());
    stack.interruption.mind();
    for commit in commits {
        if stack.interruption.came() {
            break;
        }
        let Some(done) = stack.interruption.unless_twice(work(commit)).await else {
            break;
        };
        results.push(done);
        bar.inc(1);
    }
    bar.finish_and_clear();
    results
}

// Takes the error as `map_err` hands it on.
#[allow(clippy::needless_pass_by_value)]
fn failed(error: eventsourcing::Transient) -> Failure {
    Failure::Failed(error.to_string())
}
