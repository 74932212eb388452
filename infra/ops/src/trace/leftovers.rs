//! What got stuck on the way: dead letters, with what each of them names, and what could not be delivered.

use std::str::FromStr;

use aws_adapters::Received;

use super::key::{Key, Kind};
use super::named::Named;
use crate::dead_letters;
use crate::failure::Failure;
use crate::outbox::{self, Entry};
use crate::output::count;
use crate::stack::Stack;

/// How many messages of each dead-letter queue, and entries of the outbox, are searched.
const SEARCHED: usize = 10_000;

/// All that is stuck in a stack.
pub(crate) struct Leftovers {
    pub(super) letters: Vec<(String, Received, Named)>,
    pub(super) entries: Vec<Entry>,
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
}

/// What an entry of the outbox is of, and what its id is computed from.
pub(super) fn keys_of(entry: &Entry) -> Vec<Key> {
    Key::of_stream(&entry.stream_id).map_or_else(Vec::new, Key::with_computed)
}
