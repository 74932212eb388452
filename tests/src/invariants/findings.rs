//! What was found: what may never be, what has not come to its end, and how much there is of what.

use std::fmt;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What may never be.
    pub violations: Vec<String>,
    /// What has not come to its end.
    pub open: Vec<String>,
    /// What there is.
    pub counts: Counts,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events in the table.
    pub events: usize,
    /// Orders that were initialized.
    pub orders: usize,
    /// Of them, those that completed.
    pub completed: usize,
    /// Of them, those that were cancelled.
    pub cancelled: usize,
    /// Groups that were initiated.
    pub groups: usize,
    /// Of them, those that ended.
    pub groups_ended: usize,
    /// Dead letters that can't be helped: malformed or against the rules.
    pub refused: usize,
    /// Dead letters that a redrive may help: exhausted, or moved by SQS itself.
    pub exhausted: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} orders ({} completed, {} cancelled), {} of {} groups ended, {} events, {} messages refused, \
             {} exhausted",
            self.orders,
            self.completed,
            self.cancelled,
            self.groups_ended,
            self.groups,
            self.events,
            self.refused,
            self.exhausted
        )
    }
}

impl Findings {
    /// All that is wrong with a bundle at rest.
    pub fn problems(&self) -> Vec<&str> {
        let all = self.violations.iter().chain(&self.open);
        all.map(String::as_str).collect()
    }

    pub(super) fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(super) fn open(&mut self, what: String) {
        self.open.push(what);
    }

    /// A violation unless it holds.
    pub(super) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violation(otherwise());
        }
    }

    /// Open unless it has come about.
    pub(super) fn awaits(&mut self, done: bool, otherwise: impl FnOnce() -> String) {
        if !done {
            self.open(otherwise());
        }
    }
}
