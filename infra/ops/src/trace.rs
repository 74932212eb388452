//! Everything that belongs to an order, a guest or a group: the events of all its streams in order of
//! time, what is still outstanding, and what got stuck on the way.

mod belongs;
mod outstanding;
mod subject;

use std::collections::BTreeSet;
use std::io::{self, Write};

use domain::Deadlines;
use eventsourcing::StreamId;
use functions::Settings;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::dead_letters::{self, ShownLetter};
use crate::events::{self, ShownEvent, ShownFault, Stream, show_faults};
use crate::failure::Failure;
use crate::outbox::{self, Entry};
use crate::output::{Format, Report, count, narrow, progress, table, write_table};
use crate::stack::Stack;

use belongs::Belongs;
use outstanding::Outstanding;
use subject::Subject;

/// How many streams are read at once: a group may have thousands of guests.
const READS: usize = 16;

/// How many messages of each dead-letter queue, and entries of the outbox, are searched.
const SEARCHED: usize = 10_000;

#[derive(Serialize)]
struct Trace {
    /// What is traced, such as `order 9e81…`.
    subject: String,
    streams: Vec<String>,
    /// How it ended, such as `OrderCompleted`; none while it is open.
    ending: Option<String>,
    events: Vec<ShownEvent>,
    faults: Vec<ShownFault>,
    outstanding: Vec<Outstanding>,
    dead_letters: Vec<ShownLetter>,
    /// What could not be delivered yet.
    outbox: Vec<Entry>,
}

impl Report for Trace {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let open = if self.events.is_empty() {
            "nothing recorded"
        } else {
            "open"
        };
        writeln!(
            out,
            "{}: {}",
            self.subject,
            self.ending.as_deref().unwrap_or(open)
        )?;
        self.show_events(out)?;
        show_faults(out, &self.faults)?;
        if self.outstanding.is_empty() && self.dead_letters.is_empty() && self.outbox.is_empty() {
            return writeln!(out, "\nnothing is outstanding");
        }
        for one in &self.outstanding {
            writeln!(out, "\noutstanding: {one}")?;
        }
        for entry in &self.outbox {
            let Entry {
                stream_id,
                revision,
                delivery,
                last_error,
                ..
            } = entry;
            writeln!(
                out,
                "\nnot delivered: {stream_id} at {revision}, {delivery}: {last_error}"
            )?;
        }
        self.show_dead_letters(out)
    }
}

impl Trace {
    fn show_events(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = table(&["committed at", "stream", "revision", "type"]);
        for event in &self.events {
            table.add_row([
                event.committed_at.to_string(),
                event.stream_id.clone(),
                event.revision.to_string(),
                event.event_type.clone(),
            ]);
        }
        write_table(out, &table)?;
        for event in self.events.iter().filter(|event| event.data.is_some()) {
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

    fn show_dead_letters(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.dead_letters.is_empty() {
            return Ok(());
        }
        let letters = count(self.dead_letters.len(), "message", "messages");
        writeln!(out, "\n{letters} in dead-letter queues:")?;
        let mut table = table(&["queue", "message id", "error code", "error"]);
        narrow(&mut table, 3, 80);
        for letter in &self.dead_letters {
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
}

/// Shows everything that belongs to an id.
pub(crate) async fn show(stack: &Stack, format: Format, id: &str, data: bool) -> Result<(), Failure> {
    let deadlines = Settings::deadlines(|name| std::env::var(name).ok());
    let deadlines = deadlines.map_err(|error| Failure::Usage(error.to_string()))?;
    let subject = subject::find(stack, id).await?;
    let streams = read_all(stack, subject.streams()).await?;
    let guests = read_all(stack, subject::guests(&streams)).await?;
    let belongs = Belongs::to(&subject);
    let dead_letters = stuck(stack, &belongs).await?;
    let own = |entry: &Entry| {
        streams
            .iter()
            .chain(&guests)
            .any(|stream| stream.id.as_str() == entry.stream_id)
    };
    let mut outbox = outbox::unpublished(stack, SEARCHED).await?;
    outbox.retain(own);
    let trace = Trace {
        dead_letters,
        outbox,
        ..trace(&subject, &streams, &guests, &deadlines, data)
    };
    if trace.events.is_empty() && trace.faults.is_empty() && trace.dead_letters.is_empty() {
        return Err(Failure::NotFound(format!(
            "there is nothing of {id}: no stream of a cart, an order, a payment, a shipment, a guest or a group, \
             and no dead letter"
        )));
    }
    format.print(&trace)?;
    Ok(())
}

fn trace(
    subject: &Subject,
    streams: &[Stream],
    guests: &[Stream],
    deadlines: &Deadlines,
    data: bool,
) -> Trace {
    let mut events = Vec::new();
    for stream in streams {
        events.extend(
            stream
                .events()
                .map(|(at, event)| ShownEvent::of(&stream.id, at, event, data)),
        );
    }
    for guest in guests {
        // A guest's charges and payments are the guest's, not the group's.
        let of_group = guest.events().filter(|(_, event)| subject.is_told_by(event));
        events.extend(of_group.map(|(at, event)| ShownEvent::of(&guest.id, at, event, data)));
    }
    // A stable sort: events of one commit stay in their order, those of one moment in the saga's.
    events.sort_by_key(|event| event.committed_at);
    Trace {
        subject: subject.to_string(),
        streams: streams
            .iter()
            .filter(|stream| stream.exists())
            .map(|stream| stream.id.to_string())
            .collect(),
        ending: outstanding::ending(subject, streams),
        events,
        faults: streams.iter().chain(guests).flat_map(events::faults).collect(),
        outstanding: outstanding::of(subject, streams, guests, deadlines),
        dead_letters: Vec::new(),
        outbox: Vec::new(),
    }
}

async fn read_all(stack: &Stack, ids: Vec<StreamId>) -> Result<Vec<Stream>, Failure> {
    let bar = progress(Some(ids.len() as u64), "streams");
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

/// The dead letters that belong to it.
async fn stuck(stack: &Stack, belongs: &Belongs) -> Result<Vec<ShownLetter>, Failure> {
    let mut found = Vec::new();
    let mut unread = BTreeSet::new();
    for (queue, size, letters) in dead_letters::all(stack, SEARCHED).await? {
        if letters.len() < size {
            unread.insert(stack.names.of_function(&queue));
        }
        let own = letters.iter().filter(|letter| belongs.includes(&letter.body));
        found.extend(own.map(|letter| ShownLetter::of(stack, &queue, letter, false)));
    }
    if !unread.is_empty() {
        let queues: Vec<_> = unread.into_iter().collect();
        eprintln!("not all messages of {} could be searched", queues.join(", "));
    }
    Ok(found)
}
