//! What of all that is stuck belongs to what is traced.

use std::collections::BTreeSet;

use eventsourcing::standing::StoredStream;
use uuid::Uuid;

use super::leftovers::Leftovers;
use super::named::Named;
use super::subject::Traced;
use crate::dead_letters::ShownLetter;
use crate::kinds::Key;
use crate::outbox::Entry;
use crate::stack::Stack;

impl Leftovers<'_> {
    /// What of it belongs to what is traced, which has these streams, and those of its members.
    pub(crate) fn of(
        &self,
        stack: &Stack,
        traced: &Traced,
        own: &[StoredStream],
        members: &[StoredStream],
    ) -> (Vec<ShownLetter>, Vec<Entry>) {
        let belongs = Belongs::to(traced, own);
        let letters = self
            .stuck
            .letters
            .iter()
            .filter(|(_, letter, named)| belongs.includes(&letter.body, named))
            .map(|(queue, letter, _)| ShownLetter::of(stack, queue, letter, false))
            .collect();
        let is_own = |entry: &&Entry| {
            let of_member = members.iter().any(|stream| stream.id.as_str() == entry.stream_id);
            of_member || self.keys_of(entry).iter().any(|key| belongs.keys.contains(key))
        };
        let entries = self.stuck.entries.iter().filter(is_own).cloned().collect();
        (letters, entries)
    }
}

/// By what a message belongs to a subject.
struct Belongs {
    keys: BTreeSet<Key>,
    /// Ids that are nothing else's wherever they stand.
    unmistakable: Vec<String>,
    /// Ids of its events: what they caused has them as its cause.
    events: BTreeSet<String>,
    /// Ids by which a message belongs that says nothing of what it is about.
    otherwise: BTreeSet<String>,
    /// An id of which nothing is known but that messages hold it.
    unknown: Option<String>,
}

impl Belongs {
    fn to(traced: &Traced, streams: &[StoredStream]) -> Self {
        let keys: BTreeSet<_> = traced.keys().iter().cloned().collect();
        let ids = keys.iter().map(|key| key.id.clone());
        let recorded = || {
            streams
                .iter()
                .flat_map(StoredStream::events)
                .map(|(_, event)| event)
        };
        Self {
            unmistakable: ids.clone().filter(|id| Uuid::parse_str(id).is_ok()).collect(),
            events: recorded().map(|event| event.event_id.clone()).collect(),
            otherwise: ids
                .chain(recorded().map(|event| event.correlation_id.clone()))
                .collect(),
            unknown: match traced {
                Traced::Unknown(id) => Some(id.clone()),
                Traced::Things(_) => None,
            },
            keys,
        }
    }

    fn includes(&self, body: &str, named: &Named) -> bool {
        self.keys.iter().any(|key| named.names(key))
            || self.unmistakable.iter().any(|id| body.contains(id.as_str()))
            || named.has_one_of(&self.events)
            || named.is_only_known_by(&self.otherwise)
            || self.unknown.as_deref().is_some_and(|id| named.mentions(id))
    }
}
