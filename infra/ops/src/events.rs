//! Reads streams and shows their events. An item that is no commit is shown as what is wrong with it,
//! at its place, and the rest all the same: a stream that functions refuse is the one an operator has to
//! look at.

use std::collections::HashMap;
use std::io::{self, Write};

use aws_adapters::{StoredCommit, reason};
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::standing::StoredStream;
use eventsourcing::{RecordedEvent, StreamId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::help;
use crate::kinds::Kinds;
use crate::output::{Format, Report};
use crate::sheet::{Cell, Kind, Sheet, Tone, say};
use crate::stack::Stack;

/// Reads a stream from the table, whatever is wrong with it.
pub(crate) async fn read(stack: &Stack, id: &StreamId) -> Result<StoredStream, Failure> {
    let query = stack
        .connection
        .dynamodb
        .query()
        .table_name(stack.names.events_table())
        .consistent_read(true)
        .key_condition_expression("stream_id = :stream")
        .expression_attribute_values(":stream", AttributeValue::S(id.to_string()));
    let mut stream = StoredStream {
        id: id.clone(),
        commits: Vec::new(),
        faults: Vec::new(),
    };
    let mut pages = query.into_paginator().send();
    let mut expected = 1;
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| Failure::Failed(format!("stream {id} can't be read: {}", reason(&error))))?;
        for item in page.items.unwrap_or_default() {
            let revision = revision_of(&item);
            if revision != expected {
                let fault = format!("a commit should start at revision {expected}, the next one starts here");
                stream.faults.push((revision, fault));
            }
            match StoredCommit::read(item) {
                Ok(commit) => {
                    expected = commit.last_revision() + 1;
                    stream.commits.push(commit);
                }
                Err(fault) => {
                    expected = revision + 1;
                    stream
                        .faults
                        .push((revision, format!("its item is no commit: {fault}")));
                }
            }
        }
    }
    Ok(stream)
}

fn revision_of(item: &HashMap<String, AttributeValue>) -> u64 {
    let revision = item.get("revision").and_then(|value| value.as_n().ok());
    revision.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// An event for programs.
#[derive(Serialize)]
pub(crate) struct ShownEvent {
    pub(crate) stream_id: String,
    pub(crate) revision: u64,
    pub(crate) event_type: String,
    pub(crate) schema_version: u32,
    pub(crate) committed_at: Timestamp,
    pub(crate) event_id: String,
    pub(crate) correlation_id: String,
    pub(crate) causation_id: String,
    /// Why it happened: one of a few words of the rules, so it is no payload, as a reason in its sender's
    /// words is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Data>,
}

/// What an event holds: JSON digit by digit as it is stored, or, if it is none, the text.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Data {
    Json(Box<RawValue>),
    Text(String),
}

impl ShownEvent {
    pub(crate) fn of(
        kinds: &Kinds<'_>,
        stream: &StreamId,
        committed_at: Timestamp,
        event: &RecordedEvent,
        data: bool,
    ) -> Self {
        let kind = kinds.all().find(|kind| kind.category.name() == stream.category());
        let read = || match RawValue::from_string(event.data.clone()) {
            Ok(json) => Data::Json(json),
            Err(_) => Data::Text(event.data.clone()),
        };
        Self {
            stream_id: stream.to_string(),
            revision: event.revision,
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
            committed_at,
            event_id: event.event_id.clone(),
            correlation_id: event.correlation_id.clone(),
            causation_id: event.causation_id.clone(),
            cause: kind.and_then(|kind| (kind.cause)(event)),
            data: data.then(read),
        }
    }

    /// Its type, with the cause if it has one.
    pub(crate) fn title(&self) -> String {
        match self.cause {
            Some(cause) => format!("{} ({cause})", self.event_type),
            None => self.event_type.clone(),
        }
    }

    pub(crate) fn data(&self) -> &str {
        match &self.data {
            Some(Data::Json(json)) => json.get(),
            Some(Data::Text(text)) => text,
            None => "",
        }
    }
}

/// The events of a stream, for programs.
pub(crate) fn shown(kinds: &Kinds<'_>, stream: &StoredStream, data: bool) -> Vec<ShownEvent> {
    let events = stream.events();
    let shown = events.map(|(at, event)| ShownEvent::of(kinds, &stream.id, at, event, data));
    shown.collect()
}

/// What is wrong with a stream, for programs.
#[derive(Serialize)]
pub(crate) struct ShownFault {
    pub(crate) stream_id: String,
    pub(crate) revision: u64,
    pub(crate) fault: String,
}

pub(crate) fn faults(stream: &StoredStream) -> impl Iterator<Item = ShownFault> {
    stream.faults.iter().map(|(revision, fault)| ShownFault {
        stream_id: stream.id.to_string(),
        revision: *revision,
        fault: fault.clone(),
    })
}

#[derive(Serialize)]
struct StreamReport {
    stream_id: String,
    events: Vec<ShownEvent>,
    faults: Vec<ShownFault>,
}

impl Report for StreamReport {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut sheet = Sheet::new([
            ("revision", Kind::Whole),
            ("type", Kind::Whole),
            ("committed at", Kind::Whole),
            ("event id", Kind::Whole),
            ("correlation id", Kind::Whole),
            ("causation id", Kind::Whole),
        ]);
        for event in &self.events {
            let cells = [
                event.revision.to_string(),
                event.title(),
                event.committed_at.to_string(),
                event.event_id.clone(),
                event.correlation_id.clone(),
                event.causation_id.clone(),
            ];
            sheet.add(cells.map(Cell::from));
        }
        sheet.write(out)?;
        for event in self.events.iter().filter(|event| event.data.is_some()) {
            writeln!(out, "\n{} {}\n{}", event.revision, event.event_type, event.data())?;
        }
        show_faults(out, &self.faults)
    }
}

pub(crate) fn show_faults(out: &mut dyn Write, faults: &[ShownFault]) -> io::Result<()> {
    for fault in faults {
        let told = format!(
            "BROKEN  {} at revision {}: {}",
            fault.stream_id, fault.revision, fault.fault
        );
        say(out, Tone::Bad, &told)?;
    }
    Ok(())
}

/// Shows a stream.
pub(crate) async fn show(stack: &Stack, format: Format, id: &str, data: bool) -> Result<(), Failure> {
    let kinds = Kinds::of(&stack.bundle.streams);
    let id: StreamId = id.parse().map_err(|_| {
        Failure::Usage(format!(
            "{id:?} is no stream's name; expected <category>-<id>, such as {}",
            help::stream_name(&stack.bundle)
        ))
    })?;
    let stream = read(stack, &id).await?;
    if !stream.exists() {
        return Err(Failure::NotFound(format!(
            "there is no stream {id} in table {}",
            stack.names.events_table()
        )));
    }
    format.print(&StreamReport {
        stream_id: id.to_string(),
        events: shown(&kinds, &stream, data),
        faults: faults(&stream).collect(),
    })?;
    if stream.faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "stream {id} is broken; functions refuse it"
        )))
    }
}
