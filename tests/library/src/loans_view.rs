//! What became of a loan: a row for each, made from the loan's own stream.

use eventsourcing::{
    Column, ColumnKind, Decider, Figures, Index, ListedPhase, Listing, Message, OPEN_INDEX, OPEN_SHARD,
    Recorded, Row, View,
};

use crate::loan::{BookLent, Loan, LoanEvent, LoanState, MemberReminded};

/// The view of loans, by loan, by member, and of those that are open.
#[derive(Clone, Copy, Debug)]
pub struct Loans;

/// What is shown of a loan.
#[derive(Debug, Default)]
pub struct Shown {
    loan: LoanState,
    correlation_id: String,
    reminded: Option<MemberReminded>,
}

impl View for Loans {
    type Source = Loan;
    type State = Shown;
    const NAME: &'static str = "loans";
    const KEY: &'static str = "loan_id";
    const LISTENS: &'static [&'static str] = &[BookLent::TYPE, MemberReminded::TYPE];
    const INDEXES: &'static [Index] = &[
        Index {
            name: "by-member",
            partition: "member_id",
            sort: "lent_at",
            holds: &["book_id"],
        },
        Index {
            name: OPEN_INDEX,
            partition: OPEN_SHARD,
            sort: "phase_since",
            holds: &["phase", "due_at", "member_id", "book_id"],
        },
    ];
    const LISTING: Listing = Listing {
        command: "loans",
        one: "loan",
        many: "loans",
        phases: &[ListedPhase::open("lent"), ListedPhase::ended("reminded")],
        columns: &[
            Column::new("phase", "phase", ColumnKind::Text),
            Column::new("since", "phase_since", ColumnKind::Age),
            Column::new("due", "due_at", ColumnKind::Due),
            Column::new("member", "member_id", ColumnKind::Text),
            Column::new("book", "book_id", ColumnKind::Text),
            Column::new("loan", "loan_id", ColumnKind::Text),
        ],
        payload: &[],
    };
    const FIGURES: Figures = Figures {
        began: "lent_at",
        cause: None,
    };

    fn evolve(shown: Shown, event: &LoanEvent, recorded: &Recorded<'_>) -> Shown {
        let loan = Loan::evolve(shown.loan, event);
        match event {
            LoanEvent::BookLent(_) => Shown {
                loan,
                correlation_id: recorded.correlation_id.to_owned(),
                reminded: None,
            },
            LoanEvent::MemberReminded(reminded) => Shown {
                loan,
                reminded: Some(reminded.clone()),
                ..shown
            },
        }
    }

    fn row(shown: &Shown) -> Option<Row> {
        let (LoanState::Lent(lent) | LoanState::Reminded(lent)) = &shown.loan else {
            return None;
        };
        let row = Row::new()
            .text("book_id", &lent.book_id)
            .text("member_id", &lent.member_id)
            .text("correlation_id", &shown.correlation_id)
            .text("lent_at", &lent.lent_at);
        Some(match &shown.reminded {
            None => row
                .text("phase", &"lent")
                .text("phase_since", &lent.lent_at)
                .text("due_at", &lent.due_at)
                .open(),
            Some(reminded) => row
                .text("phase", &"reminded")
                .text("phase_since", &reminded.reminded_at)
                .text("ended_at", &reminded.reminded_at),
        })
    }
}
