//! The rules of a loan, as given, when, then.

use std::time::Duration;

use eventsourcing::standing::{Deadline, Standing, StoredStream};
use eventsourcing::{
    Commit, Decider, Decision, EventSet, NewEvent, Position, Refusal, Step, Timestamp, computed_id,
};
use library::loan::{
    BookLent, LendBook, Loan, LoanCommand, LoanEvent, LoanSettings, LoanStanding, LoanState, MemberReminded,
    OnBookLent, RemindMember,
};

const SETTINGS: LoanSettings = LoanSettings {
    loan: Duration::from_mins(10),
};

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(0).plus(Duration::from_mins(minutes))
}

fn lend(member: &str) -> LendBook {
    LendBook {
        loan_id: "l-1".parse().expect("an id"),
        book_id: "moby-dick".parse().expect("an id"),
        member_id: member.parse().expect("an id"),
    }
}

fn lent() -> BookLent {
    let LendBook {
        loan_id,
        book_id,
        member_id,
    } = lend("ada");
    BookLent {
        loan_id,
        book_id,
        member_id,
        lent_at: at(0),
        due_at: at(10),
    }
}

fn remind() -> RemindMember {
    RemindMember {
        loan_id: lent().loan_id,
        due_at: at(10),
    }
}

fn reminded(minutes: u64) -> MemberReminded {
    MemberReminded {
        loan_id: lent().loan_id,
        book_id: lent().book_id,
        member_id: lent().member_id,
        reminded_at: at(minutes),
    }
}

fn decide(
    given: &[LoanEvent],
    when: impl Into<LoanCommand>,
    minutes: u64,
) -> Result<Decision<LoanEvent>, Refusal> {
    let state = given.iter().fold(LoanState::default(), Loan::evolve);
    Loan::decide(&state, &when.into(), &SETTINGS, at(minutes))
}

#[test]
fn a_book_is_lent_until_it_is_due() {
    assert_eq!(decide(&[], lend("ada"), 0), Ok(Decision::one(lent())));
}

#[test]
fn a_loan_that_is_repeated_is_done_already_in_every_later_state() {
    assert_eq!(decide(&[lent().into()], lend("ada"), 5), Ok(Decision::Nothing));
    let reminded = [lent().into(), reminded(10).into()];
    assert_eq!(decide(&reminded, lend("ada"), 20), Ok(Decision::Nothing));
}

#[test]
fn a_loan_under_the_same_id_to_another_member_is_rejected() {
    let refused = decide(&[lent().into()], lend("bob"), 5).expect_err("it is another loan");
    assert_eq!(
        refused.to_string(),
        "loan l-1 is known already, of another book or to another member; a new loan needs a new loan_id"
    );
}

#[test]
fn a_member_is_reminded_once_when_the_book_is_due_and_not_before() {
    assert_eq!(
        decide(&[lent().into()], remind(), 9),
        Ok(Decision::NotDue(at(10)))
    );
    assert_eq!(
        decide(&[lent().into()], remind(), 10),
        Ok(Decision::one(reminded(10)))
    );
    let given = [lent().into(), reminded(10).into()];
    assert_eq!(decide(&given, remind(), 11), Ok(Decision::Nothing));
}

#[test]
fn a_reminder_that_overtakes_its_loan_waits_for_it() {
    let refused = decide(&[], remind(), 10).expect_err("there is nothing yet");
    assert!(matches!(refused, Refusal::Premature(_)), "{refused}");
}

#[test]
fn the_reminder_is_set_to_the_time_that_was_recorded() {
    let sent = OnBookLent::react(&lent(), &LoanState::default(), &());
    assert_eq!(
        sent.iter().map(|sent| sent.due).collect::<Vec<_>>(),
        [Some(at(10))]
    );
}

/// What an operator is told of a loan to which these things have happened.
fn standing(events: &[LoanEvent]) -> Standing {
    let id = Loan::CATEGORY.stream(&lent().loan_id);
    let stored = |event: &LoanEvent| NewEvent {
        event_type: event.event_type(),
        schema_version: event.schema_version(),
        data: event.json(),
        correlation_id: "chain".into(),
        causation_id: "command".into(),
        trace: None,
    };
    let events = events.iter().map(stored).collect();
    let commit = Commit::at(Position::START, &id, computed_id("commit"), at(0), events);
    let stream = StoredStream {
        id,
        commits: vec![commit],
        faults: Vec::new(),
    };
    Standing::of(&LoanStanding, &[stream], &[])
}

#[test]
fn an_operator_is_told_until_when_a_book_is_out_and_that_its_member_was_reminded() {
    let out = standing(&[lent().into()]);
    assert_eq!(out.ending, None);
    assert_eq!(out.outstanding[0].deadline, Deadline::At(at(10)));
    let over = standing(&[lent().into(), reminded(10).into()]);
    assert_eq!(over.outstanding, []);
    assert_eq!(
        over.ending.map(|ending| ending.event_type),
        Some("MemberReminded")
    );
}
