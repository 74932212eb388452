//! What got stuck on the way: dead letters, with what each of them names, and what could not be delivered.

use std::collections::BTreeSet;
use std::str::FromStr;

use aws_adapters::Received;
use uuid::Uuid;

use super::key::{Key, Kind};
use super::named::Named;
use super::subject::Subject;
use crate::dead_letters::{self, ShownLetter};
use crate::events::Stream;
use crate::failure::Failure;
use crate::outbox::{self, Entry};
use crate::output::count;
use crate::stack::Stack;

/// How many messages of each dead-letter queue, and entries of the outbox, are searched.
const SEARCHED: usize = 10_000;

/// All that is stuck in a stack.
pub(crate) struct Leftovers {
    letters: Vec<(String, Received, Named)>,
    entries: Vec<Entry>,
    /// What could not be searched, in words.
    pub(crate) unsearched: Vec<String>,
}

impl Leftovers {
    /// Looks at all dead letters and at all that the outbox holds.
    pub(crate) async fn in_stack(stack: &Stack) -> Result<Self, Failure> {
        let mut letters = Vec::new();
        let mut unsearched = Vec::new();
        for (queue, size, held) in dead_letters::all(stack, SEARCHED).await? {
            if let Some(missing) = size.checked_sub(held.len()).filter(|missing| *missing > 0) {
                unsearched.push(format!(
                    "{} of {} could not be searched",
                    count(missing, "message", "messages"),
                    stack.names.of_function(&queue)
                ));
            }
            let named = held.into_iter().map(|letter| {
                let named = Named::by(&letter);
                (queue.clone(), letter, named)
            });
            letters.extend(named);
        }
        let entries = outbox::unpublished(stack, SEARCHED).await?;
        if entries.len() >= SEARCHED {
            unsearched.push(format!(
                "more than {SEARCHED} entries of the outbox are not all searched"
            ));
        }
        Ok(Self {
            letters,
            entries,
            unsearched,
        })
    }

    /// How many letters are about one of these and can't be about another thing of the same id.
    pub(crate) fn letters_naming(&self, keys: &[Key]) -> usize {
        let is_about = |named: &Named| keys.iter().any(|key| named.names_alone(key));
        self.letters
            .iter()
            .filter(|(_, _, named)| is_about(named))
            .count()
    }

    /// How many letters hold an id, of whatever.
    pub(crate) fn letters_mentioning(&self, id: &str) -> usize {
        self.letters
            .iter()
            .filter(|(_, _, named)| named.mentions(id))
            .count()
    }

    /// How many entries of the outbox are of one of these, or of what it is computed from.
    pub(crate) fn entries_naming(&self, keys: &[Key]) -> usize {
        let is_of = |entry: &&Entry| keys_of(entry).iter().any(|key| keys.contains(key));
        self.entries.iter().filter(is_of).count()
    }

    /// All ids of things of a kind that anything stuck names.
    pub(crate) fn ids_of<I: FromStr>(&self, kind: Kind) -> impl Iterator<Item = I> {
        let named = self
            .letters
            .iter()
            .flat_map(|(_, _, named)| named.keys.iter().cloned());
        let entries = self.entries.iter().flat_map(keys_of);
        let of_kind = named.chain(entries).filter(move |key| key.kind == kind);
        of_kind.filter_map(|key| key.id.parse().ok())
    }

    /// What of it belongs to a subject that has these streams.
    pub(crate) fn of(
        &self,
        stack: &Stack,
        subject: &Subject,
        own: &[Stream],
        guests: &[Stream],
    ) -> (Vec<ShownLetter>, Vec<Entry>) {
        let belongs = Belongs::to(subject, own);
        let letters = self
            .letters
            .iter()
            .filter(|(_, letter, named)| belongs.includes(&letter.body, named))
            .map(|(queue, letter, _)| ShownLetter::of(stack, queue, letter, false))
            .collect();
        let is_own = |entry: &&Entry| {
            let of_guest = guests.iter().any(|stream| stream.id.as_str() == entry.stream_id);
            of_guest || keys_of(entry).iter().any(|key| belongs.keys.contains(key))
        };
        let entries = self.entries.iter().filter(is_own).cloned().collect();
        (letters, entries)
    }
}

fn keys_of(entry: &Entry) -> Vec<Key> {
    Key::of_stream(&entry.stream_id).map_or_else(Vec::new, Key::with_computed)
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
    fn to(subject: &Subject, streams: &[Stream]) -> Self {
        let keys: BTreeSet<_> = subject.keys().into_iter().collect();
        let ids = keys.iter().map(|key| key.id.clone());
        let recorded = || streams.iter().flat_map(Stream::events).map(|(_, event)| event);
        Self {
            unmistakable: ids.clone().filter(|id| Uuid::parse_str(id).is_ok()).collect(),
            events: recorded().map(|event| event.event_id.clone()).collect(),
            otherwise: ids
                .chain(recorded().map(|event| event.correlation_id.clone()))
                .collect(),
            unknown: match subject {
                Subject::Unknown(id) => Some(id.clone()),
                _ => None,
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
