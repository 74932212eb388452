//! Publishes stored events again, and keeps how far it has come in a file.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use aws_adapters::{
    Checkpoint, EVENT_BUS, EventBus, Publisher, Republication, RepublishError, Republisher, Routes,
    Selection, Tally, Unpublished, event_bus_name_problem,
};
use clap::Args;
use eventsourcing::{StreamId, Timestamp};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Format, Report, count};
use crate::resuming::{Walking, rate, segments, to_the_end};
use crate::sheet::{Kind, Sheet};
use crate::stack::Stack;
use crate::{events, outbox, resuming};

/// What is published again, and how.
#[allow(clippy::doc_markdown)]
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").args(["from", "to", "stream_id"]).multiple(true).required(true))]
pub(crate) struct Republish {
    /// What was committed at this moment or later (RFC 3339); from the beginning if not given
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "stream_id")]
    from: Option<Timestamp>,
    /// What was committed before this moment (RFC 3339); whatever there is if not given, also what is
    /// committed while it runs
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "stream_id")]
    to: Option<Timestamp>,
    /// A whole stream
    #[arg(long, value_name = "STREAM", value_parser = stream)]
    stream_id: Option<StreamId>,
    /// In how many parallel segments the table is read, 1 to 256: each is a request under way
    #[arg(long, value_name = "N", default_value = "4", value_parser = segments, allow_negative_numbers = true)]
    segments: NonZeroU32,
    /// How many messages are sent a second, at most
    #[arg(long, value_name = "N", default_value = "500", value_parser = rate, allow_negative_numbers = true)]
    rate: NonZeroU32,
    /// Keeps in this file how far it has come, and goes on there if it is there already
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    resume: Option<PathBuf>,
    /// Also puts each event on the event bus of this name, which the template's parameter EventBusName gave the stack;
    /// the stack itself does not tell it
    #[arg(long, value_name = "NAME", value_parser = event_bus)]
    event_bus: Option<String>,
    /// Sends nothing to queues: for a subscriber of the event bus who was not there yet
    #[arg(long, requires = "event_bus")]
    bus_only: bool,
    /// Counts what would be sent, and sends nothing
    #[arg(long)]
    dry_run: bool,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|error: eventsourcing::InvalidTimestamp| error.to_string())
}

fn event_bus(name: &str) -> Result<String, String> {
    match event_bus_name_problem(name) {
        None => Ok(name.to_owned()),
        Some(problem) => Err(format!(
            "it {problem}; expected the name of a bus, up to 256 letters, digits, dots, dashes and underscores"
        )),
    }
}

fn stream(text: &str) -> Result<StreamId, String> {
    text.parse()
        .map_err(|_| "expected a stream's name, <category>-<id>".to_owned())
}

#[derive(Serialize)]
struct Published {
    dry_run: bool,
    /// Whether it was interrupted; the rest was not come to, and of the page under way some may be sent.
    interrupted: bool,
    /// By all runs of which the checkpoint knows.
    commits: u64,
    messages: u64,
    /// By this run.
    this_run: Counts,
    /// By the event's type and then by the queue, or the event bus.
    by_type: BTreeMap<String, BTreeMap<String, u64>>,
    undelivered: Vec<Unpublished>,
}

/// How much was published.
#[derive(Clone, Copy, Serialize)]
struct Counts {
    commits: u64,
    messages: u64,
}

impl Counts {
    fn of(tally: &Tally) -> Self {
        Self {
            commits: tally.commits,
            messages: tally.total(),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = count(self.messages, "message", "messages");
        write!(f, "{messages} of {}", count(self.commits, "commit", "commits"))
    }
}

impl Report for Published {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = ["event type", "to", "messages"];
        let mut sheet = Sheet::new(columns.map(|title| (title, Kind::Whole)));
        for (event_type, queues) in &self.by_type {
            for (queue, count) in queues {
                sheet.add([
                    event_type.clone().into(),
                    queue.clone().into(),
                    count.to_string().into(),
                ]);
            }
        }
        if self.messages > 0 {
            sheet.write(out)?;
        }
        for Unpublished {
            stream_id,
            revision,
            error,
        } in &self.undelivered
        {
            writeln!(out, "{stream_id} at {revision}: {error}")?;
        }
        let Counts { commits, messages } = self.this_run;
        let before = Counts {
            commits: self.commits - commits,
            messages: self.messages - messages,
        };
        let done = match (self.dry_run, self.interrupted) {
            (true, _) => "would be sent; nothing was",
            (false, true) => "sent before the interruption",
            (false, false) => "sent",
        };
        if before.commits == 0 {
            writeln!(out, "{} {done}", self.this_run)
        } else if commits == 0 {
            writeln!(out, "nothing was sent by this run; {before} by those before it")
        } else {
            writeln!(
                out,
                "{} {done} by this run; {before} by those before it",
                self.this_run
            )
        }
    }
}

impl Published {
    fn of(stack: &Stack, done: &Tally, before: Counts, dry_run: bool, interrupted: bool) -> Self {
        let named = |to: &str| match to {
            EVENT_BUS => to.to_owned(),
            queue => stack.names.of_function(queue),
        };
        let all_named =
            |to: &BTreeMap<String, u64>| to.iter().map(|(to, count)| (named(to), *count)).collect();
        Self {
            dry_run,
            interrupted,
            commits: done.commits,
            messages: done.total(),
            this_run: Counts {
                commits: done.commits - before.commits,
                messages: done.total() - before.messages,
            },
            by_type: done
                .messages
                .iter()
                .map(|(event_type, queues)| (event_type.clone(), all_named(queues)))
                .collect(),
            undelivered: done.undelivered.clone(),
        }
    }
}

/// Publishes what was asked for.
pub(crate) async fn republish(stack: &Stack, format: Format, command: Republish) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (command.from, command.to)
        && from >= to
    {
        return Err(Failure::Usage(format!(
            "--from {from} is not before --to {to}: nothing lies between; expected the earlier moment in --from"
        )));
    }
    if let Some(stream) = &command.stream_id
        && !events::read(stack, stream).await?.exists()
    {
        return Err(Failure::NotFound(format!("there is no stream {stream}")));
    }
    let checkpoint = begin(stack, &command)?;
    let publisher = publisher(stack, &command);
    let dynamodb = stack.connection.dynamodb.clone();
    let republisher = Republisher::new(dynamodb, publisher, outbox::of(stack), Arc::new(stack.clock));
    let republisher = if command.dry_run {
        republisher.counting_only()
    } else {
        republisher.at_rate(command.rate)
    };
    let before = Counts::of(&checkpoint.done);
    let mut run = republisher.run(checkpoint);
    let file = command.resume.as_deref();
    let messages = |checkpoint: &Checkpoint| checkpoint.done.total();
    let interrupted = to_the_end(
        stack,
        &mut run,
        file,
        "publishing, messages sent",
        messages,
        |error| stopped(&error.to_string(), &command),
    )
    .await?;
    let done = &run.checkpoint().done;
    let report = Published::of(stack, done, before, command.dry_run, interrupted);
    format.print(&report)?;
    if interrupted {
        return Err(Failure::Interrupted(format!(
            "{} {}, and some of the page under way perhaps; {}",
            report.this_run,
            if command.dry_run { "counted" } else { "sent" },
            goes_on(&command)
        )));
    }
    match (done.undelivered.len(), command.dry_run) {
        (0, _) => Ok(()),
        (some, true) => Err(Failure::Failed(format!(
            "{} can't be published",
            count(some, "commit", "commits")
        ))),
        (some, false) => Err(Failure::Failed(format!(
            "{} could not be published; see {} outbox list",
            count(some, "commit", "commits"),
            crate::called::name()
        ))),
    }
}

/// Who sends it, and to whom.
fn publisher(stack: &Stack, command: &Republish) -> Publisher {
    let routes = if command.bus_only {
        Routes::default()
    } else {
        stack.routes()
    };
    let event_bus = command
        .event_bus
        .as_deref()
        .map(|name| EventBus::new(stack.connection.eventbridge(), name, stack.names.stack()));
    Publisher::new(routes, stack.queues.clone().into()).with_event_bus(event_bus)
}

fn stopped(why: &str, command: &Republish) -> Failure {
    Failure::Failed(format!("{why}; {}", goes_on(command)))
}

fn goes_on(command: &Republish) -> String {
    resuming::goes_on(command.resume.as_deref())
}

/// Where to begin: at the start, or where a file says.
fn begin(stack: &Stack, command: &Republish) -> Result<Checkpoint, Failure> {
    // An end that is not given is none: what this machine's clock says may be before what is to be sent.
    let selection = match &command.stream_id {
        Some(stream) => Selection::stream(stream),
        None => Selection::range(command.from, command.to),
    };
    let table = stack.names.events_table();
    resuming::begin(
        stack,
        command.resume.as_deref(),
        || Checkpoint::start(table.clone(), selection.clone(), command.segments),
        |kept| *kept.selection() == selection && kept.table() == table,
        |kept| format!("table {}, {}", kept.table(), described(kept.selection())),
        |kept| {
            let all_done = "all of it was published; for what was committed since, name another file";
            kept.is_done().then_some(all_done)
        },
    )
}

impl Walking for Republication<'_> {
    type Checkpoint = Checkpoint;
    type Error = RepublishError;

    async fn next(&mut self) -> Option<Result<(), RepublishError>> {
        self.next().await
    }

    fn checkpoint(&self) -> &Checkpoint {
        self.checkpoint()
    }
}

fn described(selection: &Selection) -> String {
    match selection {
        Selection::Stream(stream) => format!("stream {stream}"),
        Selection::Range { from, to } => format!(
            "from {} to {}",
            from.as_deref().unwrap_or("the beginning"),
            to.as_deref().unwrap_or("the end")
        ),
    }
}
