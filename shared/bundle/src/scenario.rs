//! Scenarios: what is played on a stack from outside, and how each has to end. All of it is data, so that
//! whoever plays and judges them knows no business.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`script`] | a scenario: what is done, and what it may come to |
//! | [`outcome`] | what a scenario is about, and what has become of one |
//! | [`ending`] | how one has to end |
//! | [`demo`] | all scenarios of a business, and what else its demo can play |

pub mod demo;
pub mod ending;
pub mod outcome;
pub mod script;

pub use demo::{Demo, Entry, EntryCommand, Load, LoadPlan, OwnInput};
pub use ending::{Ending, Holds};
pub use outcome::{Outcome, Refused, Subject, TimelineEntry, Told};
pub use script::{Action, Scenario, Sent, are_told_of_in};
