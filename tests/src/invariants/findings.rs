//! What was found: what may never be, what has not come to its end, and how much there is of what.

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What may never be.
    pub violations: Vec<String>,
    /// What has not come to its end.
    pub open: Vec<String>,
    /// Events in the table.
    pub events: usize,
    /// Dead letters that can't be helped: malformed or against the rules.
    pub refused: usize,
    /// Dead letters that a redrive may help: exhausted, or moved by SQS itself.
    pub exhausted: usize,
}

impl Findings {
    /// All that is wrong with a bundle at rest.
    pub fn problems(&self) -> Vec<&str> {
        let all = self.violations.iter().chain(&self.open);
        all.map(String::as_str).collect()
    }

    /// Notes what may never be.
    pub fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    /// A violation unless it holds.
    pub fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violation(otherwise());
        }
    }

    /// Open unless it has come about.
    pub fn awaits(&mut self, done: bool, otherwise: impl FnOnce() -> String) {
        if !done {
            self.open.push(otherwise());
        }
    }
}
