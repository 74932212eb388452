//! A rule from its messages to its decisions, without a store: `cargo run -p eventsourcing --example library_loan`.
//!
//! A book is lent to a member of a library, once. Everything else that this workspace does (append, relay, retry,
//! redrive) is done for any rule of this shape; the library whole, with a deadline, a step and all that makes a
//! stack of it, is in `tests/library`.

use eventsourcing::{
    Category, CommandMeta, Decider, Decision, History, MAX_COMMIT_BYTES, Refusal, Timestamp, commands,
    events, message, plan,
};

message! {
    /// A member takes a book.
    pub struct LendBook {
        /// Which loan.
        pub loan_id: String,
        /// Which book.
        pub book_id: String,
        /// To whom.
        pub member_id: String,
    }
}

message! {
    /// The member has the book.
    pub struct BookLent {
        /// Which loan.
        pub loan_id: String,
        /// Which book.
        pub book_id: String,
        /// Who has it.
        pub member_id: String,
        /// When.
        pub lent_at: Timestamp,
    }
}

commands! {
    /// What a loan is asked to do.
    pub enum LoanCommand for Loan { LendBook => loan_id + creates }
}

events! {
    /// What happens to a loan.
    pub enum LoanEvent { BookLent }
}

/// The rules of a loan.
#[derive(Debug)]
pub struct Loan;

impl Decider for Loan {
    const CATEGORY: Category = Category::new("loan");
    type Command = LoanCommand;
    type Event = LoanEvent;
    /// Who has which book, if anybody.
    type State = Option<BookLent>;
    type Settings = ();

    fn evolve(_: Option<BookLent>, LoanEvent::BookLent(lent): &LoanEvent) -> Option<BookLent> {
        Some(lent.clone())
    }

    fn decide(
        state: &Option<BookLent>,
        LoanCommand::LendBook(command): &LoanCommand,
        (): &(),
        now: Timestamp,
    ) -> Result<Decision<LoanEvent>, Refusal> {
        match state {
            None => Ok(Decision::one(BookLent {
                loan_id: command.loan_id.clone(),
                book_id: command.book_id.clone(),
                member_id: command.member_id.clone(),
                lent_at: now,
            })),
            // Asked for before: a repeat is known by its content, and is done.
            Some(lent) if (&lent.book_id, &lent.member_id) == (&command.book_id, &command.member_id) => {
                Ok(Decision::Nothing)
            }
            Some(_) => Err(Refusal::Rejected(format!(
                "loan {} is known already, of another book or to another member; a new loan needs a new loan_id",
                command.loan_id
            ))),
        }
    }
}

#[allow(clippy::print_stdout)] // It is there to be read.
fn main() {
    let lend = |member: &str| {
        let id = format!("lend-to-{member}");
        let command = LendBook {
            loan_id: "l-1".to_owned(),
            book_id: "moby-dick".to_owned(),
            member_id: member.to_owned(),
        };
        let meta = CommandMeta {
            correlation_id: id.clone(),
            id,
            trace: None,
        };
        (meta, LoanCommand::from(command))
    };
    // A batch for one stream becomes one commit: Ada's second command is a repeat, Bob comes too late.
    let batch = [lend("ada"), lend("ada"), lend("bob")];
    let planned = plan::<Loan>(
        &History::guessed_empty(),
        &batch,
        &(),
        Timestamp::from_millis(0),
        MAX_COMMIT_BYTES,
    );
    for ((meta, _), outcome) in batch.iter().zip(&planned.outcomes) {
        println!("{}: {outcome:?}", meta.id);
    }
    for event in &planned.events {
        println!("to append: {} {}", event.event_type, event.data);
    }
}
