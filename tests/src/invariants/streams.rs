//! Each stream by itself.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::Timestamp;
use serde_json::Value;
use uuid::{Uuid, uuid};

use super::findings::Findings;
use crate::running::{Item, text};

/// The namespace of all computed ids, as it is published.
const NAMESPACE: Uuid = uuid!("3f0c1a52-5d0e-5b57-9c53-6d0c6f1f1b7e");

/// The id for a name: what it is of, a slash, and the id of what it follows from.
pub fn computed(name: &str) -> String {
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// An event as it is stored.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its place in its stream.
    pub revision: u64,
    /// The revision of its commit's first event: events that share it were stored together.
    pub commit: u64,
    /// The id of the message that caused it.
    pub causation: String,
    /// Its fields.
    pub data: Value,
}

impl Event {
    /// A text field; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.data[name].as_str().unwrap_or_default()
    }

    /// A field that is a time; none if it is not there.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).parse().ok()
    }

    /// A field that is a list of texts.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let list = self.data[name].as_array();
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// All streams, by name.
#[derive(Debug, Default)]
pub struct Streams(BTreeMap<String, Vec<Event>>);

impl Streams {
    /// Reads the event table, and judges each stream on the way.
    pub(super) fn read(commits: &[Item], findings: &mut Findings) -> Self {
        let mut items: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
        for item in commits {
            items.entry(text(item, "stream_id")).or_default().push(item);
        }
        commit_ids_differ(commits, findings);
        let mut streams = Self::default();
        for (name, mut items) in items {
            items.sort_by_key(|item| number(item, "revision"));
            let events = read_in_order(name, &items, findings);
            findings.events += events.len();
            ids_are_computed(name, &events, findings);
            a_command_has_one_effect(name, &events, findings);
            streams.0.insert(name.to_owned(), events);
        }
        streams
    }

    /// The events of a stream; none if it does not exist.
    pub fn of(&self, category: &str, id: &str) -> &[Event] {
        self.0.get(&format!("{category}-{id}")).map_or(&[], Vec::as_slice)
    }

    /// Judges whether the events of each stream follow each other as they may. `grammars` knows that of a
    /// category, and the states in which such a stream may rest.
    pub fn follow(&self, grammars: Grammars, findings: &mut Findings) {
        for (name, events) in &self.0 {
            let category = name
                .split_once('-')
                .map_or(name.as_str(), |(category, _)| category);
            if let Some((grammar, ends)) = grammars(category) {
                follows(name, events, grammar, ends, findings);
            }
        }
    }

    /// The streams of a category, by id.
    pub fn all<'a>(&'a self, category: &'a str) -> impl Iterator<Item = (&'a str, &'a [Event])> {
        self.0.iter().filter_map(move |(name, events)| {
            let (of, id) = name.split_once('-')?;
            (of == category).then_some((id, events.as_slice()))
        })
    }
}

/// The events of that type.
pub fn all<'a>(events: &'a [Event], kind: &'a str) -> impl Iterator<Item = &'a Event> {
    events.iter().filter(move |event| event.kind == kind)
}

/// The first event of that type.
pub fn first<'a>(events: &'a [Event], kind: &'a str) -> Option<&'a Event> {
    all(events, kind).next()
}

/// Whether there is an event of that type.
pub fn has(events: &[Event], kind: &str) -> bool {
    first(events, kind).is_some()
}

fn number(item: &Item, name: &str) -> u64 {
    text(item, name).parse().unwrap_or_default()
}

/// The events of commits that are sorted. Commits tile a stream: the first begins at 1, each next where
/// the one before it ended.
fn read_in_order(name: &str, items: &[&Item], findings: &mut Findings) -> Vec<Event> {
    let mut events = Vec::new();
    let mut next = 1;
    for item in items {
        let revision = number(item, "revision");
        findings.must(revision == next, || {
            format!("{name}: a commit begins at {revision} where {next} is next")
        });
        let mut stored = events_of(item, revision);
        let last = (revision + stored.len() as u64).saturating_sub(1);
        findings.must(
            !stored.is_empty() && number(item, "last_revision") == last,
            || {
                format!(
                    "{name}: the commit at {revision} says it ends at {}, and its {} events end at {last}",
                    text(item, "last_revision"),
                    stored.len()
                )
            },
        );
        events.append(&mut stored);
        next = last + 1;
    }
    events
}

fn events_of(item: &Item, revision: u64) -> Vec<Event> {
    let Some(AttributeValue::L(events)) = item.get("events") else {
        return Vec::new();
    };
    let event = |(stored, at): (&AttributeValue, u64)| {
        let AttributeValue::M(stored) = stored else {
            return None;
        };
        Some(Event {
            id: text(stored, "event_id").to_owned(),
            kind: text(stored, "event_type").to_owned(),
            revision: at,
            commit: revision,
            causation: text(stored, "causation_id").to_owned(),
            data: serde_json::from_str(text(stored, "data")).unwrap_or_default(),
        })
    };
    events.iter().zip(revision..).filter_map(event).collect()
}

fn commit_ids_differ(commits: &[Item], findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for item in commits {
        let id = text(item, "commit_id");
        findings.must(seen.insert(id), || {
            format!(
                "{}: commit_id {id} is another commit's too",
                text(item, "stream_id")
            )
        });
    }
}

fn ids_are_computed(name: &str, events: &[Event], findings: &mut Findings) {
    for event in events {
        let expected = computed(&format!("event/{name}/{}", event.revision));
        findings.must(event.id == expected, || {
            format!(
                "{name}: the id of {} at {} is not the computed one",
                event.kind, event.revision
            )
        });
    }
}

/// What one command caused in one stream stands in one commit: a second one would be a second effect.
fn a_command_has_one_effect(name: &str, events: &[Event], findings: &mut Findings) {
    let mut commits: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events {
        let commit = *commits.entry(&event.causation).or_insert(event.commit);
        findings.must(commit == event.commit, || {
            format!(
                "{name}: {} at {} is a second effect of a command that had one at {commit}",
                event.kind, event.revision
            )
        });
    }
}

/// Which event may follow in which state: from, event, to. A stream begins in the state without a name.
pub type Grammar = &'static [(&'static str, &'static str, &'static str)];

/// The grammar of a category, and the states in which it may rest.
pub type Grammars = fn(&str) -> Option<(Grammar, &'static [&'static str])>;

/// Events of types that the grammar does not know say nothing, as for every reader.
fn follows(name: &str, events: &[Event], grammar: Grammar, ends: &[&str], findings: &mut Findings) {
    let mut state = "";
    for event in events {
        let mut known = grammar
            .iter()
            .filter(|(_, kind, _)| *kind == event.kind)
            .peekable();
        if known.peek().is_none() {
            continue;
        }
        match known.find(|(from, ..)| *from == state) {
            Some((.., to)) => state = *to,
            None => findings.violation(format!(
                "{name}: {} at {} comes when it is {}",
                event.kind,
                event.revision,
                if state.is_empty() { "new" } else { state }
            )),
        }
    }
    findings.awaits(ends.contains(&state), || {
        format!("{name} is {}", if state.is_empty() { "new" } else { state })
    });
}
