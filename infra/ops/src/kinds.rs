//! What can be traced, and how it is named: by its kind and its id, as in `loan/b-1`.

use std::fmt;

use bundle::StreamKind;
use eventsourcing::standing::Subject;
use eventsourcing::{Category, StreamId};

/// The kinds of things that a business has streams of.
pub(crate) struct Kinds<'b> {
    kinds: &'b [StreamKind],
    /// What they are called by those who send messages.
    pub(crate) names: Vec<Name>,
}

/// What the things of a kind are called by those who send messages.
pub(crate) struct Name {
    /// In small letters, without what separates words.
    pub(crate) word: String,
    pub(crate) category: Category,
    /// Whether it may be the end of a longer name, as in `overdue_loan_ids`.
    pub(crate) ends: bool,
}

impl<'b> Kinds<'b> {
    pub(crate) fn of(kinds: &'b [StreamKind]) -> Self {
        let names = kinds.iter().flat_map(|kind| {
            let category = kind.category;
            let own = Name {
                word: category.name().to_lowercase(),
                category,
                ends: true,
            };
            let others = kind.also_called.iter().map(move |called| Name {
                word: called.word.to_owned(),
                category,
                ends: called.ends,
            });
            [own].into_iter().chain(others)
        });
        Self {
            names: names.collect(),
            kinds,
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'b StreamKind> {
        self.kinds.iter()
    }

    /// The kind of that category, which is one of these.
    pub(crate) fn kind(&self, category: Category) -> Option<&'b StreamKind> {
        self.all().find(|kind| kind.category == category)
    }

    /// Who tells how a thing stands.
    pub(crate) fn subject(&self, key: &Key) -> Option<&'static dyn Subject> {
        self.kind(key.category).map(|kind| kind.subject)
    }

    /// The kind of that name, in any spelling: `bookLoan`, `book-loan`, `book_loan`.
    pub(crate) fn named(&self, name: &str) -> Option<Category> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        let mut categories = self.all().map(|kind| kind.category);
        categories.find(|category| plain(category.name()) == plain(name))
    }

    /// The thing whose stream is called so, if its kind is known.
    pub(crate) fn of_stream(&self, stream: &str) -> Option<Key> {
        let (category, id) = stream.split_once('-')?;
        let mut categories = self.all().map(|kind| kind.category);
        let category = categories.find(|known| known.name() == category)?;
        (!id.is_empty()).then(|| Key::new(category, id))
    }

    /// It and what is known by ids that are computed from its own, and from theirs.
    pub(crate) fn with_computed(&self, key: Key) -> Vec<Key> {
        let mut keys = vec![key];
        let mut next = 0;
        while let Some(key) = keys.get(next) {
            let computed = self.kind(key.category).map(|kind| (kind.leads_to)(&key.id));
            let computed = computed.unwrap_or_default();
            for key in computed
                .iter()
                .filter_map(|stream| self.of_stream(stream.as_str()))
            {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            next += 1;
        }
        keys
    }

    /// What there are streams of, in a sentence: `a loan, a copy or a reader`.
    pub(crate) fn titles(&self) -> String {
        let titles: Vec<_> = self.all().map(|kind| kind.title).collect();
        match titles.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            _ => titles.concat(),
        }
    }

    /// What says which kind is meant, in front of an id: `loan/, copy/`.
    pub(crate) fn prefixes(&self) -> String {
        let prefix = |kind: &StreamKind| format!("{}/", kind.category.name());
        self.all().map(prefix).collect::<Vec<_>>().join(", ")
    }
}

/// One thing: its kind and its id, as whoever named it wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) category: Category,
    pub(crate) id: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.category.name(), self.id)
    }
}

impl Key {
    pub(crate) fn new(category: Category, id: &str) -> Self {
        let id = id.to_owned();
        Self { category, id }
    }

    pub(crate) fn stream(&self) -> StreamId {
        self.category.stream(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::{BOOK, CARD, KINDS, LOAN};

    fn names(keys: &[Key]) -> Vec<String> {
        keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_kind_is_known_in_any_spelling_and_a_stream_in_one() {
        let kinds = Kinds::of(&KINDS);
        for name in ["readerCard", "reader-card", "reader_card", "READERCARD"] {
            assert_eq!(kinds.named(name), Some(CARD), "{name}");
        }
        assert_eq!(kinds.named("basket"), None);
        let key = kinds.of_stream("book-book-1").expect("a book's stream");
        assert_eq!(key.to_string(), "book/book-1");
        for nothing in ["reader-card-1", "book-", "book", "-1", "invoice-1"] {
            assert_eq!(kinds.of_stream(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_computed_from_an_id_is_followed_to_its_end() {
        let kinds = Kinds::of(&KINDS);
        let of_book = kinds.with_computed(Key::new(BOOK, "b-1"));
        assert_eq!(
            names(&of_book),
            ["book/b-1", "loan/loan-of-b-1", "fine/fine-of-loan-of-b-1"]
        );
        let of_loan = kinds.with_computed(Key::new(LOAN, "loan-of-b-1"));
        assert_eq!(of_loan, of_book[1..]);
        assert_eq!(kinds.with_computed(Key::new(BOOK, "not an id")).len(), 1);
    }

    #[test]
    fn the_kinds_are_listed_in_a_sentence() {
        let kinds = Kinds::of(&KINDS);
        assert_eq!(kinds.titles(), "a book, a loan, a fine or a reader's card");
        assert_eq!(Kinds::of(&KINDS[..1]).titles(), "a book");
        assert_eq!(kinds.prefixes(), "book/, loan/, fine/, readerCard/");
    }
}
