//! Everything that belongs to something with an id: the events of all its streams in order of time, what is
//! still outstanding, and what got stuck on the way.

mod belonging;
mod chain;
mod leftovers;
mod named;
mod spanned;
mod subject;

use std::io::{self, Write};

use clap::Args;
use eventsourcing::standing::{Ending, Members, Outstanding, Standing, StoredStream, UnknownEvent};
use eventsourcing::{StreamId, Text};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::arguments::at_least_one;
use crate::dead_letters::ShownLetter;
use crate::events::{self, ShownEvent, ShownFault, show_faults};
use crate::failure::Failure;
use crate::kinds::Kinds;
use crate::outbox::Entry;
use crate::output::{Format, Report, count, narrow, progress, table, write_table};
use crate::spanning::By;
use crate::stack::Stack;

use leftovers::Leftovers;
use subject::Traced;

/// How many streams are read at once: something may have thousands of members.
const READS: usize = 16;

#[derive(Serialize)]
struct Trace {
    /// What is traced, such as `loan 9e81…`.
    subject: String,
    streams: Vec<String>,
    /// How it ended, such as `LoanReturned`; none while it is open.
    ending: Option<&'static str>,
    /// Why, in a word of the rules.
    cause: Option<&'static str>,
    /// The same in the words of whoever caused it, which are a payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Text>,
    /// Ending, cause and reason in words.
    #[serde(skip)]
    ended: Option<String>,
    /// What to call it without an ending.
    #[serde(skip)]
    so_far: Option<&'static str>,
    events: Vec<ShownEvent>,
    faults: Vec<ShownFault>,
    /// Events of which this version knows too little to tell what follows from them.
    unknown_events: Vec<UnknownEvent>,
    outstanding: Vec<Outstanding>,
    dead_letters: Vec<ShownLetter>,
    /// What could not be delivered yet.
    outbox: Vec<Entry>,
    /// What could not be searched for more, in words.
    unsearched: Vec<String>,
}

impl Report for Trace {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.subject, self.state())?;
        write_events(out, &self.events)?;
        show_faults(out, &self.faults)?;
        for UnknownEvent {
            stream_id,
            revision,
            event_type,
            why,
            ..
        } in &self.unknown_events
        {
            writeln!(
                out,
                "UNKNOWN  {stream_id} at revision {revision}, {event_type}: {why}"
            )?;
        }
        for unsearched in &self.unsearched {
            writeln!(out, "\n{unsearched}")?;
        }
        if self.outstanding.is_empty() && self.dead_letters.is_empty() && self.outbox.is_empty() {
            let as_far = if self.unsearched.is_empty() {
                ""
            } else {
                ", as far as could be searched"
            };
            return writeln!(out, "\nnothing is outstanding{as_far}");
        }
        write_outstanding(out, &self.outstanding)?;
        write_outbox(out, &self.outbox)?;
        write_letters(out, &self.dead_letters)
    }
}

impl Trace {
    /// What has become of it.
    fn state(&self) -> String {
        let unsure = !self.unknown_events.is_empty() || !self.faults.is_empty();
        match &self.ended {
            Some(ended) if unsure => format!("{ended}, and what this version does not know"),
            Some(ended) => ended.clone(),
            None if unsure => "not known".into(),
            None if self.events.is_empty() => "nothing recorded".into(),
            None => self.so_far.unwrap_or("open").into(),
        }
    }
}

fn write_outstanding(out: &mut dyn Write, outstanding: &[Outstanding]) -> io::Result<()> {
    for one in outstanding {
        writeln!(out, "\noutstanding: {one}")?;
    }
    Ok(())
}

fn write_outbox(out: &mut dyn Write, entries: &[Entry]) -> io::Result<()> {
    for Entry {
        stream_id,
        revision,
        delivery,
        last_error,
        ..
    } in entries
    {
        writeln!(
            out,
            "\nnot delivered: {stream_id} at {revision}, {delivery}: {last_error}"
        )?;
    }
    Ok(())
}

fn write_events(out: &mut dyn Write, events: &[ShownEvent]) -> io::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = table(&["committed at", "stream", "revision", "type"]);
    for event in events {
        table.add_row([
            event.committed_at.to_string(),
            event.stream_id.clone(),
            event.revision.to_string(),
            event.title(),
        ]);
    }
    write_table(out, &table)?;
    for event in events.iter().filter(|event| event.data.is_some()) {
        let ShownEvent {
            stream_id,
            revision,
            event_type,
            ..
        } = event;
        writeln!(out, "\n{stream_id} {revision} {event_type}\n{}", event.data())?;
    }
    Ok(())
}

fn write_letters(out: &mut dyn Write, letters: &[ShownLetter]) -> io::Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let number = count(letters.len(), "message", "messages");
    writeln!(out, "\n{number} in dead-letter queues:")?;
    let mut table = table(&["queue", "message id", "error code", "error"]);
    narrow(&mut table, 3, 80);
    for letter in letters {
        let code = letter.error_code.clone().unwrap_or_else(|| "-".into());
        table.add_row([
            letter.queue.clone(),
            letter.message_id.clone(),
            code,
            letter.error.clone(),
        ]);
    }
    write_table(out, &table)
}

/// What is traced, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Asked {
    /// The id, with its kind in front of it if need be; or a stream's name, or a correlation id
    id: Option<String>,
    /// Shows what the events hold, too
    #[arg(long, requires = "id")]
    data: bool,
    /// Takes the id for a correlation id, and looks for it through the whole event table
    #[arg(long, requires = "id")]
    scan: bool,
    /// How many things to show
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one,
        allow_negative_numbers = true,
        conflicts_with = "id"
    )]
    limit: Option<usize>,
    #[command(flatten)]
    by: By,
}

/// Shows everything that belongs to an id, or the things of what spans them.
pub(crate) async fn show(stack: &Stack, format: Format, asked: Asked) -> Result<(), Failure> {
    let kinds = Kinds::of(&stack.bundle.streams);
    let Some(id) = &asked.id else {
        return spanned::show(stack, &kinds, format, &asked.by, asked.limit).await;
    };
    let leftovers = Leftovers::in_stack(stack, &kinds).await?;
    let found = if asked.scan {
        None
    } else {
        subject::find(stack, format, id, &kinds, &leftovers).await?
    };
    if let Some(traced @ Traced::Things(_)) = &found {
        let trace = Trace::of(stack, &kinds, &leftovers, traced, asked.data).await?;
        return Ok(format.print(&trace)?);
    }
    if let Some(chain) = chain::find(stack, &kinds, &leftovers, id, asked.data, asked.scan).await? {
        return Ok(format.print(&chain)?);
    }
    match found {
        Some(traced) => {
            let trace = Trace::of(stack, &kinds, &leftovers, &traced, asked.data).await?;
            Ok(format.print(&trace)?)
        }
        None if asked.scan => Err(Failure::NotFound(format!(
            "no event in table {} has the correlation id {id}",
            stack.names.events_table()
        ))),
        None => Err(subject::nothing(stack, id, &kinds, &leftovers).await?),
    }
}

impl Trace {
    /// All that belongs to what is traced.
    async fn of(
        stack: &Stack,
        kinds: &Kinds<'_>,
        leftovers: &Leftovers<'_>,
        traced: &Traced,
        data: bool,
    ) -> Result<Self, Failure> {
        let streams = read_all(stack, traced.streams()).await?;
        let members = traced.members(kinds, &streams);
        let mut related = read_all(stack, members.iter().flat_map(|of| of.streams.clone()).collect()).await?;
        let count = related.len();
        related.extend(read_all(stack, traced.related(kinds, &streams)).await?);
        let Standing {
            ending,
            so_far,
            outstanding,
            unknown,
        } = traced.subject(kinds).map_or_else(Standing::default, |subject| {
            Standing::of(subject, &streams, &related)
        });
        related.truncate(count);
        let (dead_letters, outbox) = leftovers.of(stack, traced, &streams, &related);
        Ok(Self {
            subject: traced.title(kinds),
            streams: streams
                .iter()
                .filter(|stream| stream.exists())
                .map(|stream| stream.id.to_string())
                .collect(),
            cause: ending.as_ref().and_then(|ending| ending.cause),
            reason: ending
                .as_ref()
                .and_then(|ending| ending.reason.clone())
                .filter(|_| data),
            ended: ending.as_ref().map(|ending| ending.words(data)),
            so_far,
            ending: ending.map(|Ending { event_type, .. }| event_type),
            events: shown(kinds, &streams, members.as_ref(), &related, data),
            faults: streams.iter().chain(&related).flat_map(events::faults).collect(),
            unknown_events: unknown,
            outstanding,
            dead_letters,
            outbox,
            unsearched: leftovers.unsearched.clone(),
        })
    }
}

/// What happened to it, in order of time.
fn shown(
    kinds: &Kinds<'_>,
    own: &[StoredStream],
    members: Option<&Members>,
    of_members: &[StoredStream],
    data: bool,
) -> Vec<ShownEvent> {
    let mut events: Vec<_> = own
        .iter()
        .flat_map(|stream| events::shown(kinds, stream, data))
        .collect();
    if let (Some(members), Some(own)) = (members, own.first()) {
        // What else happens to its members is theirs.
        for stream in of_members {
            let about = stream
                .events()
                .filter(|(_, event)| event.text(members.field).is_some_and(|id| id == own.id.id()));
            events.extend(about.map(|(at, event)| ShownEvent::of(kinds, &stream.id, at, event, data)));
        }
    }
    // A stable sort: events of one commit stay in their order, those of one moment in the saga's.
    events.sort_by_key(|event| event.committed_at);
    events
}

async fn read_all(stack: &Stack, ids: Vec<StreamId>) -> Result<Vec<StoredStream>, Failure> {
    let bar = progress(Some(ids.len() as u64), "reading the streams");
    let read = async |id: &StreamId| {
        let stream = events::read(stack, id).await;
        bar.inc(1);
        stream
    };
    let streams = stream::iter(ids.iter().map(read))
        .buffered(READS)
        .try_collect()
        .await;
    bar.finish_and_clear();
    streams
}
