//! Explores a world, and finds what a wrong rule breaks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use super::system::{Business, System};

static EXPLORED: AtomicUsize = AtomicUsize::new(0);

/// Explores everything that can happen, and asserts that there is enough of it for the result to mean
/// something.
pub fn explore<B: Business>(name: &str, business: B, at_least: usize) {
    let began = Instant::now();
    let checker = System::of(business).checker().threads(2).spawn_bfs().join();
    let states = checker.unique_state_count();
    let total = EXPLORED.fetch_add(states, Ordering::Relaxed) + states;
    println!(
        "{name}: {states} states, depth {}, {:.1} s; {total} states in all so far",
        checker.max_depth(),
        began.elapsed().as_secs_f32()
    );
    checker.assert_properties();
    assert!(
        states >= at_least,
        "{name}: only {states} states, expected {at_least} at least"
    );
}

/// Asserts that the property fails with the wrong rules, and only because of them.
pub fn finds(property: &'static str, right: impl Business, wrong: impl Business) {
    let right = System::of(right).checker().threads(2).spawn_bfs().join();
    right.assert_properties();
    let until = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let wrong = System::of(wrong)
        .checker()
        .threads(2)
        .finish_when(until)
        .spawn_bfs()
        .join();
    let found = wrong.discovery(property).map(stateright::Path::into_actions);
    let found = found.unwrap_or_else(|| panic!("no counterexample to `{property}`"));
    println!(
        "`{property}` fails after {} steps, found in {} states",
        found.len(),
        wrong.unique_state_count()
    );
}
