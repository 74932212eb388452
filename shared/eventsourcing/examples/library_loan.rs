//! A rule from its messages to its decisions, without a store: `cargo run -p eventsourcing --example library_loan`.
//!
//! A book of a library is lent to one reader at a time. Everything else that this workspace does (append,
//! relay, retry, redrive) is done for any rule of this shape.

use eventsourcing::{
    Category, CommandMeta, Decider, Decision, History, MAX_COMMIT_BYTES, Refusal, Timestamp, commands,
    events, message, plan,
};

message! {
    /// A reader wants the book.
    pub struct LendBook {
        /// Which book.
        pub book_id: String,
        /// To whom.
        pub reader: String,
    }
}

message! {
    /// The book has a reader.
    pub struct BookLent {
        /// Which book.
        pub book_id: String,
        /// To whom.
        pub reader: String,
        /// When.
        pub lent_at: Timestamp,
    }
}

commands! {
    /// What a book is asked.
    pub enum BookCommand for Book { LendBook => book_id + creates }
}

events! {
    /// What happens to a book.
    pub enum BookEvent { BookLent }
}

/// The rules of a book.
#[derive(Debug)]
pub struct Book;

impl Decider for Book {
    const CATEGORY: Category = Category::new("book");
    type Command = BookCommand;
    type Event = BookEvent;
    /// Who has it.
    type State = Option<String>;
    type Settings = ();

    fn evolve(_: Option<String>, BookEvent::BookLent(lent): &BookEvent) -> Option<String> {
        Some(lent.reader.clone())
    }

    fn decide(
        state: &Option<String>,
        BookCommand::LendBook(command): &BookCommand,
        (): &(),
        now: Timestamp,
    ) -> Result<Decision<BookEvent>, Refusal> {
        match state {
            None => Ok(Decision::one(BookLent {
                book_id: command.book_id.clone(),
                reader: command.reader.clone(),
                lent_at: now,
            })),
            // Asked for before, by the same reader: done.
            Some(reader) if *reader == command.reader => Ok(Decision::Nothing),
            Some(_) => Err(Refusal::Rejected(format!("book {} is lent", command.book_id))),
        }
    }
}

#[allow(clippy::print_stdout)] // It is there to be read.
fn main() {
    let lend = |reader: &str| {
        let (book_id, reader) = ("moby-dick".to_owned(), reader.to_owned());
        let id = format!("lend-to-{reader}");
        let meta = CommandMeta {
            correlation_id: id.clone(),
            id,
            trace: None,
        };
        (meta, BookCommand::from(LendBook { book_id, reader }))
    };
    // A batch for one stream becomes one commit: Ada's second command is a repeat, Bob comes too late.
    let batch = [lend("ada"), lend("ada"), lend("bob")];
    let planned = plan::<Book>(
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
