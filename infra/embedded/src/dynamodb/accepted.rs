//! What the plain ways of `Query` and `PutItem` have in common: they go only where `dynoxide` has gone before.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dynoxide::types::ConsumedCapacity;

/// So many expressions are remembered; a client has a handful.
const MOST_EXPRESSIONS: usize = 1_000;

/// Expressions that were accepted, by table.
#[derive(Default)]
pub(super) struct Accepted(Mutex<HashSet<(String, String)>>);

/// What a plain request answers, and what that cost.
pub(super) struct Found {
    pub(super) body: Vec<u8>,
    pub(super) consumed: Option<ConsumedCapacity>,
}

impl Accepted {
    /// Takes note of an expression in a request that was answered.
    pub(super) fn note(&self, table: String, expression: String) {
        let mut known = self.known();
        if known.len() < MOST_EXPRESSIONS {
            known.insert((table, expression));
        }
    }

    pub(super) fn knows(&self, table: &str, expression: &str) -> bool {
        self.known().contains(&(table.to_owned(), expression.to_owned()))
    }

    fn known(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
