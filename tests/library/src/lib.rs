//! A lending library: a book is lent, and its member is reminded when it is due.
//!
//! It is a whole business, as small as one can be: the engine's tests run on it, so that they stay when
//! another business takes the place of the one in this repository. A team that begins its own copies it;
//! *Your own business* in `shared/bundle/README.md` leads from here to a deployed stack.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`registry`] | every function, each in a line, and the queues for systems outside |
//! | [`loan`] | messages, events and rules of a loan: pure, without AWS |
//! | [`loans_view`] | what became of a loan, for whoever asks: a row for each |
//! | [`samples`] | each function at work, once |
//! | [`scenarios`] | what the demo plays, and how it has to end |
//!
//! ```text
//! LendBook ─► BookLent ─► OnBookLent ─► RemindMember, when the book is due ─► MemberReminded ─► mail
//! ```

pub mod loan;
pub mod loans_view;
pub mod registry;
pub mod samples;
pub mod scenarios;

pub use registry::bundle;
