//! All events of one chain: those that share the correlation id of a first message, whatever they happened to.
//!
//! No index knows correlation ids: one for each event would cost as much as the event does. So what leads to a chain
//! at little cost is looked at first, what is open and what is stuck, and the whole table only if that is asked for.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};

use aws_adapters::{ViewError, reason};
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::standing::{Outstanding, StoredStream, UnknownEvent};
use eventsourcing::{StreamId, Text};
use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use serde::Serialize;

use super::leftovers::Leftovers;
use super::report::{Trace, headline, read_all, write_events, write_letters, write_outbox};
use super::subject::{self, Traced};
use super::whole_table::table;
use crate::called;
use crate::dead_letters::ShownLetter;
use crate::events::{self, ShownEvent, ShownFault, show_faults};
use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::outbox::Entry;
use crate::output::{Report, count, progress};
use crate::sheet::{Tone, say};
use crate::stack::Stack;
use crate::views::View;

/// How many rows of what is open are looked at, of each view.
const OPEN_ROWS: usize = 500;

/// How many of them are read at once in each part of their index.
const PAGE: i32 = 100;

/// In how many segments the event table is read.
const SEGMENTS: i32 = 4;

/// A chain, and how the things stand that it went through.
#[derive(Serialize)]
pub(crate) struct Chain {
    pub(crate) correlation_id: String,
    /// Whether the whole table was looked through.
    scanned: bool,
    streams: Vec<String>,
    pub(crate) events: Vec<ShownEvent>,
    faults: Vec<ShownFault>,
    pub(crate) things: Vec<Thing>,
    pub(crate) dead_letters: Vec<ShownLetter>,
    pub(crate) outbox: Vec<Entry>,
    unsearched: Vec<String>,
}

/// Something that a chain went through.
#[derive(Serialize)]
pub(crate) struct Thing {
    /// What names it and nothing else.
    pub(crate) name: String,
    /// The same with what it belongs to, such as `loan 7 of book b-1`.
    pub(crate) subject: String,
    ending: Option<&'static str>,
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Text>,
    unknown_events: Vec<UnknownEvent>,
    pub(crate) outstanding: Vec<Outstanding>,
    /// How it stands, in words.
    #[serde(skip)]
    pub(crate) state: String,
}

impl Report for Chain {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "chain {}: {} in {}",
            self.correlation_id,
            count(self.events.len(), "event", "events"),
            count(self.streams.len(), "stream", "streams")
        )?;
        write_events(out, &self.events)?;
        show_faults(out, &self.faults)?;
        let is_stuck = !self.outbox.is_empty() || !self.dead_letters.is_empty();
        for thing in &self.things {
            let headline = headline(&thing.subject, &thing.state, thing.ending.is_some());
            writeln!(out, "\n{headline}")?;
            for one in &thing.outstanding {
                say(out, Tone::Plain, &format!("outstanding: {one}"))?;
            }
            if thing.outstanding.is_empty() && !is_stuck {
                writeln!(out, "nothing is outstanding")?;
            }
            let ops = called::name();
            writeln!(out, "all that happened to it:  {ops} trace {}", thing.name)?;
        }
        write_outbox(out, &self.outbox)?;
        write_letters(out, &self.dead_letters)?;
        for unsearched in &self.unsearched {
            say(out, Tone::Bad, &format!("\n{unsearched}"))?;
        }
        if !self.scanned {
            say(
                out,
                Tone::Plain,
                "\nwhat is open or stuck led here; if the chain went through other things, --scan finds them",
            )?;
        }
        Ok(())
    }
}

/// The chain of that correlation id; none if nothing leads to it.
pub(crate) async fn find(
    stack: &Stack,
    kinds: &Kinds<'_>,
    leftovers: &Leftovers<'_>,
    id: &str,
    data: bool,
    scan: bool,
) -> Result<Option<Chain>, Failure> {
    let mut things: Vec<(Key, Traced)> = Vec::new();
    let mut others = Vec::new();
    let (keys, streams) = if scan {
        (Vec::new(), scanned(stack, id).await?)
    } else {
        let mut keys = leftovers.keys_beside(id);
        keys.extend(open(stack, id).await?);
        (keys, Vec::new())
    };
    let of_streams = streams.iter().filter_map(|stream| {
        let key = kinds.of_stream(stream.as_str());
        if key.is_none() {
            others.push(stream.clone());
        }
        key
    });
    for key in of_streams.collect::<BTreeSet<_>>().into_iter().chain(keys) {
        if things.iter().any(|(_, traced)| traced.keys().contains(&key)) {
            continue;
        }
        let traced = subject::whole(stack, kinds, &key, leftovers).await?;
        things.push((key, traced));
    }
    let others = read_all(stack, others).await?;
    let mut chain = Chain {
        correlation_id: id.to_owned(),
        scanned: scan,
        streams: Vec::new(),
        events: others
            .iter()
            .flat_map(|stream: &StoredStream| events::shown(kinds, stream, data))
            .collect(),
        faults: others.iter().flat_map(events::faults).collect(),
        things: Vec::new(),
        dead_letters: leftovers.mentioning(stack, id),
        outbox: Vec::new(),
        unsearched: leftovers.unsearched().to_vec(),
    };
    for (key, traced) in things {
        let trace = Trace::of(stack, kinds, leftovers, &traced, data).await?;
        let is_of_chain = |event: &ShownEvent| event.correlation_id == id;
        if !trace.events.iter().any(is_of_chain) {
            continue;
        }
        // The one that it is called by, which is what an operator would name.
        let main = traced.main(kinds).unwrap_or(&key);
        chain.things.push(Thing {
            name: main.to_string(),
            state: trace.state(),
            subject: trace.subject,
            ending: trace.ending,
            cause: trace.cause,
            reason: trace.reason,
            unknown_events: trace.unknown_events,
            outstanding: trace.outstanding,
        });
        chain.events.extend(trace.events);
        chain.faults.extend(trace.faults);
        chain.dead_letters.extend(trace.dead_letters);
        chain.outbox.extend(trace.outbox);
    }
    chain.settle();
    Ok((!chain.events.is_empty()).then_some(chain))
}

impl Chain {
    /// Leaves out what is of other chains, and what came twice, by two things.
    fn settle(&mut self) {
        let id = &self.correlation_id;
        let mut seen = HashSet::new();
        self.events
            .retain(|event| event.correlation_id == *id && seen.insert(event.event_id.clone()));
        self.events.sort_by_key(|event| event.committed_at);
        let streams: BTreeSet<_> = self.events.iter().map(|event| event.stream_id.clone()).collect();
        self.streams = streams.into_iter().collect();
        let mut seen = HashSet::new();
        self.dead_letters
            .retain(|letter| seen.insert((letter.queue.clone(), letter.message_id.clone())));
        let mut seen = HashSet::new();
        self.outbox
            .retain(|entry| seen.insert((entry.stream_id.clone(), entry.revision.clone())));
    }
}

/// The things that are open and began with that chain, by their views.
async fn open(stack: &Stack, id: &str) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    for form in stack.bundle.registry.views() {
        let view = View::of(stack, &form);
        let mut rows = view.reader.open(None).page_of(PAGE);
        let mut ids = Vec::new();
        let read = async {
            while ids.len() < OPEN_ROWS
                && let Some(row) = rows.next().await?
            {
                ids.extend(row.text(form.key).map(str::to_owned));
            }
            view.reader.rows(ids.iter().map(String::as_str)).await
        };
        let rows = match read.await {
            Ok(rows) => rows,
            // A stack without views has other ways.
            Err(ViewError::NoTable(_)) => continue,
            Err(error) => return Err(view.failed(error)),
        };
        let of_chain = rows.iter().filter(|row| row.text("correlation_id") == Some(id));
        let of_chain = of_chain.filter_map(|row| row.text(form.key));
        keys.extend(of_chain.map(|id| Key::new(form.category, id)));
    }
    Ok(keys)
}

/// The streams that have events of that chain: all of the event table is read for them.
async fn scanned(stack: &Stack, id: &str) -> Result<Vec<StreamId>, Failure> {
    let bar = progress(
        table(stack).await.ok().map(|(items, _)| items),
        "reading the event table, commits",
    );
    let segments = (0..SEGMENTS).map(|segment| segment_of(stack, id, segment, &bar));
    let found: Vec<Vec<String>> = stream::iter(segments)
        .buffered(SEGMENTS as usize)
        .try_collect()
        .await?;
    bar.finish_and_clear();
    let found: BTreeSet<_> = found.into_iter().flatten().collect();
    // What has no category is no stream of anybody's.
    Ok(found.iter().filter_map(|stream| stream.parse().ok()).collect())
}

async fn segment_of(
    stack: &Stack,
    id: &str,
    segment: i32,
    bar: &ProgressBar,
) -> Result<Vec<String>, Failure> {
    let table = stack.names.events_table();
    let scan = stack
        .connection
        .dynamodb
        .scan()
        .table_name(&table)
        .segment(segment)
        .total_segments(SEGMENTS)
        // The events of a commit come of one decision, and so are of one chain.
        .filter_expression("events[0].correlation_id = :id")
        .projection_expression("stream_id")
        .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
    let mut streams = Vec::new();
    let mut pages = scan.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page
            .map_err(|error| Failure::Failed(format!("table {table} can't be read: {}", reason(&error))))?;
        bar.inc(u64::try_from(page.scanned_count).unwrap_or(0));
        let items = page.items.unwrap_or_default().into_iter();
        streams.extend(items.filter_map(|mut item| match item.remove("stream_id")? {
            AttributeValue::S(stream) => Some(stream),
            _ => None,
        }));
    }
    Ok(streams)
}
