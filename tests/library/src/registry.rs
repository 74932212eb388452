//! What the library is made of, declared once: the list of its functions, and the queues that systems outside read.

use bundle::{
    Bundle, Context, Function, Outbound, Picture, Registry, Sender, StreamKind, command, step, view,
};
use eventsourcing::Message;

use crate::loan::{LOAN_SECONDS, LendBook, Loan, LoanStanding, MemberReminded, OnBookLent, RemindMember};
use crate::loans_view::Loans;
use crate::{samples, scenarios};

/// The business, as the engine knows it.
pub fn bundle() -> Bundle {
    Bundle {
        about: "A lending library",
        ways: "A book's way, from the shelf to its member, and back.",
        contexts: vec![LENDING],
        pictures: vec![Picture {
            section: "lending",
            contexts: vec![LENDING],
        }],
        streams: vec![StreamKind::of::<Loan>("a loan", &LoanStanding)],
        registry: Registry::of(functions(), outbound()),
        demo: scenarios::DEMO,
    }
}

const LENDING: Context = Context::new("lending", "Lending");

/// Every function, each in a line. Queues, dead-letter queues, roles, alarms and the rest follow from it.
fn functions() -> Vec<Function> {
    vec![
        command::<LendBook>(LENDING, Sender::Outside, "Lends a book to a member")
            .sample(samples::lend_book)
            .told(LOAN_SECONDS),
        step::<OnBookLent>(LENDING, "Sets the time at which the member is reminded")
            .sample(samples::on_book_lent),
        command::<RemindMember>(LENDING, Sender::Steps, "Reminds a member whose book is due")
            .sample(samples::remind_member),
        view::<Loans>("Shows what became of a loan").sample(samples::view_loans),
    ]
}

/// The queues that systems outside read.
fn outbound() -> Vec<Outbound> {
    vec![Outbound {
        queue: "mail",
        events: &[MemberReminded::TYPE],
        about: "To whoever writes to members",
    }]
}
