//! What all rounds have come to: medians, with the lowest and the highest.

use std::fmt::Write;

use serde::Serialize;

use peer_burst::machine::{Machine, said};
use peer_burst::spread::Spread;

use crate::round::{Burst, Figures};
use crate::side::{Programs, Side};

/// All that was measured, and on what.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    date: String,
    versions: Vec<String>,
    burst: Burst,
    #[serde(skip)]
    sides: Vec<Side>,
    rounds: Vec<Figures>,
}

impl Report {
    /// Of rounds of these sides.
    pub fn new(
        machine: Machine,
        programs: &Programs,
        commit: String,
        burst: Burst,
        sides: &[Side],
        rounds: Vec<Figures>,
    ) -> Self {
        let server = said(&programs.restate_server.to_string_lossy(), &["--version"]);
        Self {
            machine,
            date: said("date", &["+%Y-%m-%d"]),
            versions: vec![
                server,
                format!("restate-sdk {}", env!("RESTATE_SDK")),
                format!("the bundle at {commit}"),
                said("rustc", &["--version"]),
            ],
            burst,
            sides: sides.to_vec(),
            rounds,
        }
    }

    /// The table, with what was measured and on what.
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "{} carts, {} requests at a time, {} rounds of each in turn, on {}. Medians (lowest to highest).\n\n\
             | side | orders a second | to the first | CPU ms an order | peak MiB | on disk MiB | accepted a second |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            self.burst.carts,
            self.burst.at_once,
            self.rounds.len() / self.sides.len().max(1),
            self.date
        );
        let first = self
            .sides
            .first()
            .map(|side| self.of(*side, |round| round.orders_per_second));
        for side in &self.sides {
            let rate = self.of(*side, |round| round.orders_per_second);
            let ratio = first.map_or(1.0, |first| rate.median / first.median);
            // Writing to a string can't fail.
            writeln!(
                page,
                "| {} | {} | {ratio:.2} | {} | {} | {} | {} |",
                side.title(),
                rate.whole(),
                self.of(*side, |round| round.cpu_ms_per_order).precise(),
                self.of(*side, |round| round.peak_mib).whole(),
                self.of(*side, |round| round.disk_mib).whole(),
                self.of(*side, |round| round.accepted_per_second).whole(),
            )
            .unwrap_or_default();
        }
        let busy = Spread::of(self.rounds.iter().map(|round| round.busy_before));
        let client = Spread::of(self.rounds.iter().map(|round| round.client_cpu_ms_per_order));
        let loads = self
            .rounds
            .iter()
            .map(|round| round.load_before.parse().unwrap_or(0.0));
        write!(
            page,
            "\n{} Busy with something else before a round: {} % of the processors; load of the minute before, rounds \
             included: {}. The client took {} ms of the processors an order beside. {}.\n",
            self.machine.told(),
            busy.whole(),
            Spread::of(loads).precise(),
            client.precise(),
            self.versions.join(", ")
        )
        .unwrap_or_default();
        page
    }

    fn of(&self, side: Side, figure: impl Fn(&Figures) -> f64) -> Spread {
        let rounds = self.rounds.iter().filter(|round| round.side == side.key());
        Spread::of(rounds.map(figure))
    }
}

/// A round on one line.
pub fn line(round: &Figures) -> String {
    format!(
        "{:<8} {:>5.0} orders a second, {:.2} CPU ms each, {:.0} MiB; busy before: {:.0} %, load {}",
        round.side,
        round.orders_per_second,
        round.cpu_ms_per_order,
        round.peak_mib,
        round.busy_before,
        round.load_before
    )
}
