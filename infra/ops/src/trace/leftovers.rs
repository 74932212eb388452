//! What got stuck on the way: dead letters, with what each of them names, and what could not be delivered.

use std::sync::Arc;

use aws_adapters::Received;
use eventsourcing::{Category, TextForm};

use super::named::Named;
use crate::dead_letters::{self, ShownLetter};
use crate::failure::Failure;
use crate::kinds::{Key, Kinds};
use crate::outbox::{self, Entry};
use crate::output::count;
use crate::stack::Stack;

/// How many messages of each dead-letter queue, and entries of the outbox, are searched.
const SEARCHED: usize = 10_000;

/// All that is stuck in a stack.
pub(crate) struct Leftovers<'s> {
    kinds: &'s Kinds<'s>,
    pub(super) stuck: Arc<Stuck>,
}

/// What was found when it was looked for.
#[derive(Default)]
pub(crate) struct Stuck {
    pub(super) letters: Vec<(String, Received, Named)>,
    pub(super) entries: Vec<Entry>,
    /// What could not be searched, in words.
    pub(crate) unsearched: Vec<String>,
}

impl Stuck {
    /// That nothing could be searched, and why.
    pub(crate) fn unsearched(why: String) -> Self {
        Self {
            unsearched: vec![why],
            ..Self::default()
        }
    }
}

impl<'s> Leftovers<'s> {
    /// Looks at all dead letters and at all that the outbox holds.
    pub(crate) async fn in_stack(stack: &Stack, kinds: &'s Kinds<'s>) -> Result<Self, Failure> {
        let mut letters = Vec::new();
        let mut unsearched = Vec::new();
        let (letters_of_queues, entries) = futures::try_join!(
            dead_letters::all(stack, SEARCHED),
            outbox::unpublished(stack, SEARCHED)
        )?;
        for (queue, size, held) in letters_of_queues {
            if let Some(missing) = size.checked_sub(held.len()).filter(|missing| *missing > 0) {
                unsearched.push(format!(
                    "{} of {} could not be searched",
                    count(missing, "message", "messages"),
                    stack.names.of_function(&queue)
                ));
            }
            let named = held.into_iter().map(|letter| {
                let named = Named::by(&letter, kinds);
                (queue.clone(), letter, named)
            });
            letters.extend(named);
        }
        if entries.len() >= SEARCHED {
            unsearched.push(format!(
                "more than {SEARCHED} entries of the outbox are not all searched"
            ));
        }
        let found = Stuck {
            letters,
            entries,
            unsearched,
        };
        Ok(Self::found(Arc::new(found), kinds))
    }

    /// What was found before.
    pub(crate) fn found(stuck: Arc<Stuck>, kinds: &'s Kinds<'s>) -> Self {
        Self { kinds, stuck }
    }

    /// What was found, for another time.
    pub(crate) fn stuck(&self) -> Arc<Stuck> {
        self.stuck.clone()
    }

    /// What could not be searched, in words.
    pub(crate) fn unsearched(&self) -> &[String] {
        &self.stuck.unsearched
    }

    /// How many letters are about one of these and can't be about another thing of the same id.
    pub(crate) fn letters_naming(&self, keys: &[Key]) -> usize {
        let is_about = |named: &Named| keys.iter().any(|key| named.names_alone(key));
        self.stuck
            .letters
            .iter()
            .filter(|(_, _, named)| is_about(named))
            .count()
    }

    /// How many letters hold an id, of whatever.
    pub(crate) fn letters_mentioning(&self, id: &str) -> usize {
        self.stuck
            .letters
            .iter()
            .filter(|(_, _, named)| named.mentions(id))
            .count()
    }

    /// The things that letters are about which hold an id.
    pub(crate) fn keys_beside(&self, id: &str) -> Vec<Key> {
        let mentioning = self
            .stuck
            .letters
            .iter()
            .filter(|(_, _, named)| named.mentions(id));
        mentioning
            .flat_map(|(_, _, named)| named.keys.iter().cloned())
            .collect()
    }

    /// The letters that hold an id.
    pub(crate) fn mentioning(&self, stack: &Stack, id: &str) -> Vec<ShownLetter> {
        let mentioning = self
            .stuck
            .letters
            .iter()
            .filter(|(_, _, named)| named.mentions(id));
        mentioning
            .map(|(queue, letter, _)| ShownLetter::of(stack, queue, letter, false))
            .collect()
    }

    /// How many entries of the outbox are of one of these, or of what it is computed from.
    pub(crate) fn entries_naming(&self, keys: &[Key]) -> usize {
        let is_of = |entry: &&Entry| self.keys_of(entry).iter().any(|key| keys.contains(key));
        self.stuck.entries.iter().filter(is_of).count()
    }

    /// All ids of things of a kind that anything stuck names.
    pub(crate) fn ids_of(&self, category: Category) -> impl Iterator<Item = String> {
        let named = self
            .stuck
            .letters
            .iter()
            .flat_map(|(_, _, named)| named.keys.iter().cloned());
        let entries = self.stuck.entries.iter().flat_map(|entry| self.keys_of(entry));
        let of_kind = named.chain(entries).filter(move |key| key.category == category);
        of_kind.map(|key| key.id).filter(|id| TextForm::ID.fits(id))
    }

    /// What an entry of the outbox is of, and what its id leads to.
    pub(super) fn keys_of(&self, entry: &Entry) -> Vec<Key> {
        let key = self.kinds.of_stream(&entry.stream_id);
        key.map_or_else(Vec::new, |key| self.kinds.with_computed(key))
    }
}
