//! Kinds of things that no bundle has, for tests of what asks a bundle for its kinds: a book has a loan, a
//! loan a fine, by computed ids; a reader's card is a thing of its own.

use bundle::{Called, PartOf, StreamKind};
use eventsourcing::standing::{Standing, Streams, Subject};
use eventsourcing::{Category, StreamId, TextForm};
use library::loan::Loan;

pub(crate) const BOOK: Category = Category::new("book");
pub(crate) const LOAN: Category = Category::new("loan");
pub(crate) const FINE: Category = Category::new("fine");
pub(crate) const CARD: Category = Category::new("readerCard");

pub(crate) static KINDS: [StreamKind; 4] = [
    kind(BOOK, "a book", None).leading_to(of_book),
    kind(LOAN, "a loan", Some((BOOK, "book_id"))).leading_to(of_loan),
    kind(FINE, "a fine", Some((LOAN, "loan_id"))).not_beside(&[CARD]),
    kind(CARD, "a reader's card", None).also_called(&[Called::at_the_end("reader"), Called::alone("card")]),
];

const fn kind(
    category: Category,
    title: &'static str,
    part_of: Option<(Category, &'static str)>,
) -> StreamKind {
    StreamKind {
        category,
        part_of: match part_of {
            Some((category, field)) => Some(PartOf { category, field }),
            None => None,
        },
        ..StreamKind::of::<Loan>(title, &Untold)
    }
}

fn of_book(id: &str) -> Vec<StreamId> {
    let is_id = TextForm::ID.fits(id);
    is_id
        .then(|| LOAN.stream(&format!("loan-of-{id}")))
        .into_iter()
        .collect()
}

fn of_loan(id: &str) -> Vec<StreamId> {
    vec![FINE.stream(&format!("fine-of-{id}"))]
}

#[derive(Debug)]
struct Untold;

impl Subject for Untold {
    fn main(&self) -> Category {
        LOAN
    }

    fn standing(&self, _: &mut Streams<'_>) -> Standing {
        Standing::default()
    }
}
