//! A loan: a book that a member has, until it is due.
//!
//! The file holds the thing whole, top down: what it is asked, what happens to it, what it can be set to, its
//! rules, what follows from its events, and what an operator is told of it.

use std::time::Duration;

use eventsourcing::standing::{Deadline, Ending, Outstanding, Standing, Streams, Subject};
use eventsourcing::{
    Category, Decider, Decision, Dispatch, Message, Refusal, RuleSettings, Setting, SettingValues, Step,
    Timestamp, commands, events, ids, message,
};

ids! {
    /// A loan. Whoever lends chooses it: a repeat has the same.
    LoanId,
    /// A book.
    BookId,
    /// A member of the library.
    MemberId,
}

message! {
    /// A member takes a book. Sent by the desk.
    pub struct LendBook {
        /// Which loan.
        pub loan_id: LoanId,
        /// Which book.
        pub book_id: BookId,
        /// To whom.
        pub member_id: MemberId,
    }
}

message! {
    /// The book is due. A deadline, sent by the step; it does nothing if the member was reminded before.
    pub struct RemindMember {
        /// Which loan.
        pub loan_id: LoanId,
        /// When the book is due.
        pub due_at: Timestamp,
    }
}

commands! {
    /// What a loan is asked to do.
    pub enum LoanCommand for Loan {
        LendBook => loan_id + creates,
        RemindMember => loan_id + deadline,
    }
}

message! {
    /// The member has the book.
    pub struct BookLent {
        /// Which loan.
        pub loan_id: LoanId,
        /// Which book.
        pub book_id: BookId,
        /// Who has it.
        pub member_id: MemberId,
        /// When.
        pub lent_at: Timestamp,
        /// Until when.
        pub due_at: Timestamp,
    }
}

message! {
    /// The book is due, and the member is to be told.
    pub struct MemberReminded {
        /// Which loan.
        pub loan_id: LoanId,
        /// Which book.
        pub book_id: BookId,
        /// Whom.
        pub member_id: MemberId,
        /// When.
        pub reminded_at: Timestamp,
    }
}

events! {
    /// What happens to a loan.
    pub enum LoanEvent {
        BookLent,
        MemberReminded,
    }
}

/// How long a book may be kept.
pub const LOAN_SECONDS: Setting = Setting {
    variable: "LOAN_SECONDS",
    default: Duration::from_hours(14 * 24),
    about: "How long a member may keep a book before being reminded.",
};

/// What the rules of loans can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoanSettings {
    /// How long a book may be kept.
    pub loan: Duration,
}

impl RuleSettings for LoanSettings {
    const DECLARED: &'static [Setting] = &[LOAN_SECONDS];

    fn of(values: &SettingValues) -> Self {
        Self {
            loan: values.get(&LOAN_SECONDS),
        }
    }
}

/// The rules of a loan.
#[derive(Clone, Copy, Debug)]
pub struct Loan;

/// Where a loan stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoanState {
    /// There is none.
    #[default]
    Unknown,
    /// A member has the book.
    Lent(BookLent),
    /// The book was due, and the member was told.
    Reminded(BookLent),
}

impl Decider for Loan {
    const CATEGORY: Category = Category::new("loan");
    type Command = LoanCommand;
    type Event = LoanEvent;
    type State = LoanState;
    type Settings = LoanSettings;

    fn evolve(state: LoanState, event: &LoanEvent) -> LoanState {
        match (state, event) {
            (_, LoanEvent::BookLent(lent)) => LoanState::Lent(lent.clone()),
            (LoanState::Lent(lent), LoanEvent::MemberReminded(_)) => LoanState::Reminded(lent),
            (state, LoanEvent::MemberReminded(_)) => state,
        }
    }

    fn decide(
        state: &LoanState,
        command: &LoanCommand,
        settings: &LoanSettings,
        now: Timestamp,
    ) -> Result<Decision<LoanEvent>, Refusal> {
        match command {
            LoanCommand::LendBook(command) => lend(state, command, settings, now),
            LoanCommand::RemindMember(command) => remind(state, command, now),
        }
    }
}

fn lend(
    state: &LoanState,
    command: &LendBook,
    settings: &LoanSettings,
    now: Timestamp,
) -> Result<Decision<LoanEvent>, Refusal> {
    match state {
        LoanState::Unknown => Ok(Decision::one(BookLent {
            loan_id: command.loan_id.clone(),
            book_id: command.book_id.clone(),
            member_id: command.member_id.clone(),
            lent_at: now,
            due_at: now.plus(settings.loan),
        })),
        // A repeat is known by its content, whatever its id, and stays one in every later state.
        LoanState::Lent(lent) | LoanState::Reminded(lent)
            if (&lent.book_id, &lent.member_id) == (&command.book_id, &command.member_id) =>
        {
            Ok(Decision::Nothing)
        }
        LoanState::Lent(_) | LoanState::Reminded(_) => Err(Refusal::Rejected(format!(
            "loan {} is known already, of another book or to another member; a new loan needs a new loan_id",
            command.loan_id
        ))),
    }
}

fn remind(state: &LoanState, command: &RemindMember, now: Timestamp) -> Result<Decision<LoanEvent>, Refusal> {
    match state {
        // Queues keep no order among each other: what it is about may still be under way.
        LoanState::Unknown => Err(Refusal::Premature(format!(
            "loan {} is not known yet",
            command.loan_id
        ))),
        LoanState::Lent(_) if now < command.due_at => Ok(Decision::NotDue(command.due_at)),
        LoanState::Lent(lent) => Ok(Decision::one(MemberReminded {
            loan_id: lent.loan_id.clone(),
            book_id: lent.book_id.clone(),
            member_id: lent.member_id.clone(),
            reminded_at: now,
        })),
        LoanState::Reminded(_) => Ok(Decision::Nothing),
    }
}

/// Who has a book is to be reminded when it is due.
#[derive(Debug)]
pub struct OnBookLent;

impl Step for OnBookLent {
    type Event = BookLent;
    type Source = Loan;
    // The time was chosen when the book was lent: nobody has to know the setting any more.
    type Settings = ();
    const SENDS: &'static [&'static str] = &[RemindMember::TYPE];

    fn react(lent: &BookLent, _: &LoanState, (): &()) -> Vec<Dispatch> {
        let remind = RemindMember {
            loan_id: lent.loan_id.clone(),
            due_at: lent.due_at,
        };
        vec![Dispatch::at(lent.due_at, &remind)]
    }
}

/// How a loan stands, for operators who ask.
#[derive(Clone, Copy, Debug)]
pub struct LoanStanding;

impl Subject for LoanStanding {
    fn main(&self) -> Category {
        Loan::CATEGORY
    }

    fn standing(&self, streams: &mut Streams<'_>) -> Standing {
        let loan = streams.fold::<Loan, _>(streams.own::<Loan>(), std::mem::discriminant);
        match &loan.state {
            LoanState::Unknown => Standing::default(),
            LoanState::Lent(lent) => Standing {
                outstanding: vec![Outstanding {
                    what: "the member has the book, and is reminded when it is due".into(),
                    since: loan.since,
                    deadline: Deadline::At(lent.due_at),
                }],
                ..Standing::default()
            },
            LoanState::Reminded(_) => Standing {
                ending: Some(Ending::of::<MemberReminded>()),
                ..Standing::default()
            },
        }
    }
}
