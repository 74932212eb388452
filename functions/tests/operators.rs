//! The page for operators leaves out nothing that they have to know of this business.

use std::collections::BTreeSet;

use bundle::{Sender, Trigger};
use functions::bundle;

/// What operators are told.
const PAGE: &str = include_str!("../README.md");

/// What stands in backticks in the table's lines that begin with `start`.
fn told(start: &str) -> BTreeSet<&'static str> {
    let lines = PAGE.lines().filter(|line| line.starts_with(start));
    let words = lines.flat_map(|line| line.split('`').skip(1).step_by(2));
    words.collect()
}

#[test]
fn every_late_fact_is_explained_to_operators() {
    let registry = bundle().registry;
    let late = registry.functions.iter().flat_map(|function| function.late_facts);
    let explained = PAGE.split("## Late facts").nth(1).expect("a section");
    let explained = explained.lines().filter_map(|line| line.strip_prefix("| `"));
    let explained: BTreeSet<_> = explained.filter_map(|line| line.split('`').next()).collect();
    assert_eq!(explained, late.copied().collect());
}

#[test]
fn operators_are_told_which_queues_systems_outside_use() {
    let registry = bundle().registry;
    let taken = |senders: &[Sender]| {
        let is_taken =
            |trigger: &Trigger| matches!(trigger, Trigger::Commands(sender) if senders.contains(sender));
        let functions = registry.functions.iter().filter(|f| is_taken(&f.trigger));
        functions.map(|f| f.name.as_str()).collect::<BTreeSet<_>>()
    };
    assert_eq!(
        told("| sent from outside |"),
        taken(&[Sender::Outside, Sender::OutsideAndSteps])
    );
    assert_eq!(
        told("| answered by provider and carrier |"),
        taken(&[Sender::Gateways])
    );
    let outbound = registry.outbound.iter().map(|outbound| outbound.queue);
    assert_eq!(told("| read by systems outside |"), outbound.collect());
}
