//! What is told of what is traced: its events in order of time, what is outstanding, and what got stuck.

use std::io::{self, Write};

use eventsourcing::standing::{
    Ending, HeardResult, Members, Outstanding, Standing, StoredStream, UnknownEvent,
};
use eventsourcing::{RecordedEvent, StreamId, Text};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::leftovers::Leftovers;
use super::subject::{READS, Traced};
use crate::dead_letters::ShownLetter;
use crate::events::{self, ShownEvent, ShownFault, show_faults};
use crate::failure::Failure;
use crate::kinds::Kinds;
use crate::outbox::Entry;
use crate::output::{Report, count, progress};
use crate::sheet::{Cell, Kind, Look, Sheet, Tone, say};
use crate::stack::Stack;

#[derive(Serialize)]
pub(crate) struct Trace {
    /// What is traced, such as `loan 9e81…`.
    pub(crate) subject: String,
    pub(crate) streams: Vec<String>,
    /// How it ended, such as `LoanReturned`; none while it is open.
    pub(crate) ending: Option<&'static str>,
    /// Why, in a word of the rules.
    pub(crate) cause: Option<&'static str>,
    /// The same in the words of whoever caused it, which are a payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Text>,
    /// Ending, cause and reason in words.
    #[serde(skip)]
    pub(crate) ended: Option<String>,
    /// What to call it without an ending.
    #[serde(skip)]
    pub(crate) so_far: Option<&'static str>,
    pub(crate) events: Vec<ShownEvent>,
    pub(crate) faults: Vec<ShownFault>,
    /// Events of which this version knows too little to tell what follows from them.
    pub(crate) unknown_events: Vec<UnknownEvent>,
    pub(crate) outstanding: Vec<Outstanding>,
    pub(crate) dead_letters: Vec<ShownLetter>,
    /// What could not be delivered yet.
    pub(crate) outbox: Vec<Entry>,
    /// What could not be searched for more, in words.
    pub(crate) unsearched: Vec<String>,
}

impl Report for Trace {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}",
            headline(&self.subject, &self.state(), self.ended.is_some())
        )?;
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
            let told = format!("UNKNOWN  {stream_id} at revision {revision}, {event_type}: {why}");
            say(out, Tone::Bad, &told)?;
        }
        for unsearched in &self.unsearched {
            say(out, Tone::Bad, &format!("\n{unsearched}"))?;
        }
        if self.outstanding.is_empty() && self.dead_letters.is_empty() && self.outbox.is_empty() {
            let as_far = if self.unsearched.is_empty() {
                ""
            } else {
                ", as far as could be searched"
            };
            return say(out, Tone::Plain, &format!("\nnothing is outstanding{as_far}"));
        }
        write_outstanding(out, &self.outstanding)?;
        write_outbox(out, &self.outbox)?;
        write_letters(out, &self.dead_letters)
    }
}

impl Trace {
    /// What has become of it.
    pub(crate) fn state(&self) -> String {
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

/// What it is about, and what has become of it.
pub(super) fn headline(subject: &str, state: &str, has_ended: bool) -> String {
    let look = Look::now();
    let tone = if has_ended { Tone::Good } else { Tone::Plain };
    format!("{}: {}", look.paint(Tone::Bold, subject), look.paint(tone, state))
}

fn write_outstanding(out: &mut dyn Write, outstanding: &[Outstanding]) -> io::Result<()> {
    for one in outstanding {
        say(out, Tone::Plain, &format!("\noutstanding: {one}"))?;
    }
    Ok(())
}

pub(super) fn write_outbox(out: &mut dyn Write, entries: &[Entry]) -> io::Result<()> {
    for Entry {
        stream_id,
        revision,
        delivery,
        last_error,
        ..
    } in entries
    {
        let told = format!("\nnot delivered: {stream_id} at {revision}, {delivery}: {last_error}");
        say(out, Tone::Bad, &told)?;
    }
    Ok(())
}

pub(super) fn write_events(out: &mut dyn Write, events: &[ShownEvent]) -> io::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut sheet = Sheet::new([
        ("committed at", Kind::Whole),
        ("stream", Kind::Yields),
        ("revision", Kind::Whole),
        ("type", Kind::Whole),
    ]);
    for event in events {
        sheet.add([
            event.committed_at.to_string().into(),
            event.stream_id.clone().into(),
            event.revision.to_string().into(),
            event.title().into(),
        ]);
    }
    sheet.write(out)?;
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

pub(super) fn write_letters(out: &mut dyn Write, letters: &[ShownLetter]) -> io::Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let number = count(letters.len(), "message", "messages");
    writeln!(out, "\n{number} in dead-letter queues:")?;
    let mut sheet = Sheet::new([
        ("queue", Kind::Whole),
        ("message id", Kind::Whole),
        ("error code", Kind::Whole),
        ("error", Kind::Words),
    ]);
    for letter in letters {
        sheet.add([
            letter.queue.clone().into(),
            letter.message_id.clone().into(),
            Cell::bad(letter.error_code.clone()),
            letter.error.clone().into(),
        ]);
    }
    sheet.write(out)
}

/// The streams that tell of what is traced.
pub(crate) struct Sources {
    /// Its own.
    pub(crate) own: Vec<StoredStream>,
    members: Option<Members>,
    /// Those of its members that were read, then those of its relations.
    related: Vec<StoredStream>,
    /// How many of those are its members'.
    of_members: usize,
}

impl Sources {
    /// Reads them. Of more than `most` members only those are read that it has heard nothing of, if those are fewer.
    pub(crate) async fn read(
        stack: &Stack,
        kinds: &Kinds<'_>,
        traced: &Traced,
        most: usize,
    ) -> Result<Self, Failure> {
        let own = read_all(stack, traced.streams()).await?;
        let members = traced.members(kinds, &own);
        let mut wanted = members.as_ref().map_or_else(Vec::new, |of| of.streams.clone());
        if wanted.len() > most {
            let heard = traced.heard(kinds, &own).into_iter();
            let silent = heard.filter(|heard| heard.result == HeardResult::Nothing);
            wanted = silent.map(|heard| heard.member).collect();
        }
        if wanted.len() > most {
            wanted.clear();
        }
        let mut related = read_all(stack, wanted).await?;
        let of_members = related.len();
        related.extend(read_all(stack, traced.related(kinds, &own)).await?);
        Ok(Self {
            own,
            members,
            related,
            of_members,
        })
    }

    /// Those of its members that were read.
    pub(crate) fn of_members(&self) -> &[StoredStream] {
        &self.related[..self.of_members]
    }

    /// How many members it has.
    pub(crate) fn members(&self) -> usize {
        self.members.as_ref().map_or(0, |members| members.streams.len())
    }

    /// Whether an event of a member is about it; what else happens to its members is theirs.
    pub(crate) fn is_about_it(&self, event: &RecordedEvent) -> bool {
        let (Some(members), Some(own)) = (&self.members, self.own.first()) else {
            return false;
        };
        event.text(members.field).is_some_and(|id| id == own.id.id())
    }
}

impl Trace {
    /// All that belongs to what is traced.
    pub(crate) async fn of(
        stack: &Stack,
        kinds: &Kinds<'_>,
        leftovers: &Leftovers<'_>,
        traced: &Traced,
        data: bool,
    ) -> Result<Self, Failure> {
        let sources = Sources::read(stack, kinds, traced, usize::MAX).await?;
        Ok(Self::told(stack, kinds, leftovers, traced, &sources, data))
    }

    /// What its streams tell.
    pub(crate) fn told(
        stack: &Stack,
        kinds: &Kinds<'_>,
        leftovers: &Leftovers<'_>,
        traced: &Traced,
        sources: &Sources,
        data: bool,
    ) -> Self {
        let (streams, of_members) = (&sources.own, sources.of_members());
        let Standing {
            ending,
            so_far,
            outstanding,
            unknown,
        } = traced.subject(kinds).map_or_else(Standing::default, |subject| {
            Standing::of(subject, streams, &sources.related)
        });
        let (dead_letters, outbox) = leftovers.of(stack, traced, streams, of_members);
        Self {
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
            events: shown(kinds, sources, data),
            faults: streams
                .iter()
                .chain(of_members)
                .flat_map(events::faults)
                .collect(),
            unknown_events: unknown,
            outstanding,
            dead_letters,
            outbox,
            unsearched: leftovers.unsearched().to_vec(),
        }
    }
}

/// What happened to it, in order of time.
fn shown(kinds: &Kinds<'_>, sources: &Sources, data: bool) -> Vec<ShownEvent> {
    let mut events: Vec<_> = sources
        .own
        .iter()
        .flat_map(|stream| events::shown(kinds, stream, data))
        .collect();
    for stream in sources.of_members() {
        let about = stream.events().filter(|(_, event)| sources.is_about_it(event));
        events.extend(about.map(|(at, event)| ShownEvent::of(kinds, &stream.id, at, event, data)));
    }
    // A stable sort: events of one commit stay in their order, those of one moment in the saga's.
    events.sort_by_key(|event| event.committed_at);
    events
}

pub(super) async fn read_all(stack: &Stack, ids: Vec<StreamId>) -> Result<Vec<StoredStream>, Failure> {
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
