//! Each function at work: what is given, what comes, and what follows. The sample events, the permission
//! test and the test that plays each function alone are made of these.

use bundle::{Given, Sample, at};
use eventsourcing::Message;

use crate::loan::{BookLent, LendBook, Loan, LoanId, MemberReminded, RemindMember};

/// A loan of the sample's own, so that all samples can stand in one table.
fn lent(loan: &str) -> BookLent {
    BookLent {
        loan_id: loan_id(loan),
        book_id: "moby-dick".parse().expect("an id"),
        member_id: "ada".parse().expect("an id"),
        lent_at: at(0),
        due_at: at(15),
    }
}

fn loan_id(loan: &str) -> LoanId {
    format!("sample-{loan}").parse().expect("an id")
}

pub(crate) fn lend_book() -> Sample {
    let lent = lent("lend-book");
    Given::nothing()
        .command(&LendBook {
            loan_id: lent.loan_id,
            book_id: lent.book_id,
            member_id: lent.member_id,
        })
        .records(&[BookLent::TYPE])
}

pub(crate) fn on_book_lent() -> Sample {
    let lent = lent("on-book-lent");
    Given::stream::<Loan>(&lent.loan_id.clone(), [lent.into()])
        .newest_event()
        .sends(&[RemindMember::TYPE])
}

pub(crate) fn remind_member() -> Sample {
    let lent = lent("remind-member");
    let remind = RemindMember {
        loan_id: lent.loan_id.clone(),
        due_at: lent.due_at,
    };
    Given::stream::<Loan>(&remind.loan_id, [lent.into()])
        .command(&remind)
        .records(&[MemberReminded::TYPE])
}

pub(crate) fn view_loans() -> Sample {
    let lent = lent("view-loans");
    Given::stream::<Loan>(&lent.loan_id.clone(), [lent.into()])
        .newest_event()
        .shows(&[("phase", "lent"), ("book_id", "moby-dick"), ("member_id", "ada")])
}
