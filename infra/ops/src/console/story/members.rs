//! What a thing has heard of its members: a cell each, and how many there are of each state. It is told by the thing's
//! own streams, so that thousands of members are as quick as two.

use std::fmt::Write;

use eventsourcing::standing::{Heard, HeardResult};
use maud::{Markup, html};

use super::super::layout;
use crate::kinds::Kinds;

/// Up to how many members have a cell that leads to them; more are drawn in one picture.
const LINKED: usize = 400;
/// How many of a state are listed where no cell leads to them.
const LISTED: usize = 40;
/// How many cells are in a row of the picture, and how large they are.
const ROW: usize = 100;
const CELL: usize = 10;

/// The states in the order in which they are told.
const STATES: [HeardResult; 4] = [
    HeardResult::Failed,
    HeardResult::TooLate,
    HeardResult::Nothing,
    HeardResult::Done,
];

fn class(result: HeardResult) -> &'static str {
    match result {
        HeardResult::Done => "done",
        HeardResult::Failed => "failed",
        HeardResult::Nothing => "silent",
        HeardResult::TooLate => "tardy",
    }
}

/// The state in a word, and the sign that stands for it beside its colour.
fn word(result: HeardResult) -> (&'static str, &'static str) {
    match result {
        HeardResult::Done => ("in", "✓"),
        HeardResult::Failed => ("failed", "✕"),
        HeardResult::Nothing => ("silent", "·"),
        HeardResult::TooLate => ("too late", "◷"),
    }
}

/// How many members are in each state.
pub(super) fn counts(heard: &[Heard]) -> Vec<(HeardResult, usize)> {
    let number = |state: HeardResult| heard.iter().filter(|one| one.result == state).count();
    STATES
        .iter()
        .rev()
        .map(|state| (*state, number(*state)))
        .collect()
}

/// The members, each in a cell.
pub(super) fn grid(kinds: &Kinds<'_>, heard: &[Heard]) -> Markup {
    let counts = counts(heard);
    html! {
        div.cards.states {
            @for (state, number) in &counts {
                @if *number > 0 || *state == HeardResult::Done {
                    div class={ "card member-" (class(*state)) } {
                        b { (number) } span { i aria-hidden="true" { (word(*state).1) } " " (word(*state).0) }
                    }
                }
            }
        }
        @if heard.len() <= LINKED { (cells(kinds, heard)) } @else {
            (picture(heard, &counts))
            @for state in &STATES[..3] { (listed(kinds, heard, *state)) }
        }
    }
}

fn page_of(kinds: &Kinds<'_>, member: &str) -> Option<String> {
    let key = kinds.of_stream(member)?;
    Some(layout::page_of(&key))
}

fn cells(kinds: &Kinds<'_>, heard: &[Heard]) -> Markup {
    html! {
        ul.members {
            @for one in heard {
                @let name = format!("{}: {}", one.member, word(one.result).0);
                li { a class={ "member-" (class(one.result)) } href=[page_of(kinds, one.member.as_str())]
                    title=(name) aria-label=(name) { (word(one.result).1) } }
            }
        }
    }
}

/// Thousands of cells, drawn in runs: some kilobytes.
fn picture(heard: &[Heard], counts: &[(HeardResult, usize)]) -> Markup {
    let (width, height) = (ROW * CELL, heard.len().div_ceil(ROW) * CELL);
    let told: Vec<_> = counts
        .iter()
        .map(|(state, number)| format!("{number} {}", word(*state).0))
        .collect();
    html! {
        div.many tabindex="0" role="region" aria-label="The members, in their order" {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img"
                aria-label={ "Of " (heard.len()) " members: " (told.join(", ")) } {
                @for state in STATES { path class={ "member-" (class(state)) } d=(runs(heard, state)) {} }
                path.raster d=(raster(heard.len())) {}
            }
        }
    }
}

/// The outlines of all runs of cells in a state, row by row.
fn runs(heard: &[Heard], state: HeardResult) -> String {
    let mut path = String::new();
    for (row, cells) in heard.chunks(ROW).enumerate() {
        let mut column = 0;
        for run in cells.chunk_by(|one, other| one.result == other.result) {
            if run.first().is_some_and(|one| one.result == state) {
                let (x, y, width) = (column * CELL, row * CELL, run.len() * CELL);
                // Writing to a text can't fail.
                if write!(path, "M{x} {y}h{width}v{CELL}h-{width}z").is_err() {
                    break;
                }
            }
            column += run.len();
        }
    }
    path
}

/// What divides the cells.
fn raster(members: usize) -> String {
    let (width, height) = (ROW * CELL, members.div_ceil(ROW) * CELL);
    let across = (0..=members.div_ceil(ROW)).map(|row| format!("M0 {}h{width}", row * CELL));
    let down = (0..=ROW).map(|column| format!("M{} 0v{height}", column * CELL));
    across.chain(down).collect()
}

fn listed(kinds: &Kinds<'_>, heard: &[Heard], state: HeardResult) -> Markup {
    let all: Vec<_> = heard.iter().filter(|one| one.result == state).collect();
    html! {
        @if !all.is_empty() {
            details id={ "members-" (class(state)) } {
                summary { (all.len()) " " (word(state).0) @if all.len() > LISTED { ", the first " (LISTED) } }
                ul.names {
                    @for one in all.iter().take(LISTED) {
                        li { a href=[page_of(kinds, one.member.as_str())] { (one.member) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::made_up::{KINDS, LOAN};

    fn heard(results: &[HeardResult]) -> Vec<Heard> {
        let one = |(number, result): (usize, &HeardResult)| Heard {
            member: LOAN.stream(&number),
            result: *result,
        };
        results.iter().enumerate().map(one).collect()
    }

    #[test]
    fn each_of_a_few_members_has_a_cell_that_leads_to_it_and_says_its_state() {
        let shown = grid(
            &Kinds::of(&KINDS),
            &heard(&[HeardResult::Done, HeardResult::Failed]),
        )
        .into_string();
        assert!(
            shown.contains(r#"href="/console/of/loan/1" title="loan-1: failed""#),
            "{shown}"
        );
        assert!(shown.contains("<b>1</b>"), "{shown}");
        assert!(!shown.contains("silent"), "{shown}");
    }

    #[test]
    fn five_thousand_members_are_a_few_kilobytes_and_those_that_failed_are_named() {
        let mut results = vec![HeardResult::Done; 5_000];
        results[4_321] = HeardResult::Failed;
        let shown = grid(&Kinds::of(&KINDS), &heard(&results)).into_string();
        assert!(shown.len() < 20_000, "{} bytes", shown.len());
        assert!(shown.contains(">loan-4321</a>"), "{shown}");
        assert!(
            shown.contains("Of 5000 members: 4999 in, 0 silent, 0 too late, 1 failed"),
            "{shown}"
        );
    }

    #[test]
    fn cells_of_one_state_that_stand_beside_each_other_are_one_run() {
        let mut results = vec![HeardResult::Nothing; ROW + 2];
        results[1] = HeardResult::Done;
        let heard = heard(&results);
        assert_eq!(runs(&heard, HeardResult::Done), "M10 0h10v10h-10z");
        assert_eq!(
            runs(&heard, HeardResult::Nothing),
            "M0 0h10v10h-10zM20 0h980v10h-980zM0 10h20v10h-20z"
        );
    }
}
