//! Kinds of things that no bundle has, for tests of what asks a bundle for its kinds: a book has a loan, a
//! loan a fine, by computed ids; a reader's card is a thing of its own. Loans have a view.

use bundle::{Called, PartOf, StreamKind, ViewTableForm};
use eventsourcing::standing::{Standing, Streams, Subject};
use eventsourcing::{
    Category, Column, ColumnKind, Figures, Index, ListedPhase, Listing, OPEN_INDEX, OPEN_SHARD, StreamId,
    TextForm,
};
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

pub(crate) const LOANS: ViewTableForm = ViewTableForm {
    figures: Figures {
        began: "lent_at",
        cause: None,
    },
    name: "loans",
    key: "loan_id",
    category: LOAN,
    row: |_| Ok(None),
    listens: &[],
    indexes: &[
        Index {
            name: "by-member",
            partition: "member_id",
            sort: "lent_at",
            holds: &[],
        },
        Index {
            name: OPEN_INDEX,
            partition: OPEN_SHARD,
            sort: "phase_since",
            holds: &["phase", "due_at"],
        },
    ],
    listing: Listing {
        command: "loans",
        one: "loan",
        many: "loans",
        phases: &[
            ListedPhase::open("lent_out"),
            ListedPhase::open("reminded"),
            ListedPhase::ended("returned"),
        ],
        columns: &[
            Column::new("phase", "phase", ColumnKind::Text),
            Column::new("since", "phase_since", ColumnKind::Age),
            Column::new("due", "due_at", ColumnKind::Due),
            Column::new("fine", "fine", ColumnKind::Amount),
            Column::new("member", "member_id", ColumnKind::Text),
            Column::new("loan", "loan_id", ColumnKind::Text),
        ],
        payload: &["excuse"],
    },
};

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
