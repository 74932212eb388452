//! A burst of carts through the peer and through the bundle, in turn. `tests/peers/run` builds what it needs and starts
//! it; `tests/peers/README.md` says what is measured.

mod round;
mod side;
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::round::{Burst, Figures};
use crate::side::{Programs, Side};
use crate::table::Report;
use peer_burst::http::Failure;
use peer_burst::machine::Machine;

/// Measures bursts of the sides in turn, and prints one table.
#[derive(Parser)]
struct Arguments {
    /// Restate's server
    #[arg(long)]
    restate_server: PathBuf,
    /// The order saga on Restate's SDK
    #[arg(long)]
    restate_orders: PathBuf,
    /// The bundle's local stack, as a release
    #[arg(long)]
    local: PathBuf,
    /// Where the sides keep their data meanwhile, and where the table is written
    #[arg(long)]
    folder: PathBuf,
    /// What was built of the bundle, for the table
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Rounds of each side
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Carts in a burst
    #[arg(long, default_value_t = 1_000)]
    carts: usize,
    /// Requests that the client has under way at a time
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Sides to measure: restate, objects, synced, folder, memory; all that there are if none is named
    #[arg(long)]
    side: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match measure(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: Arguments) -> Result<(), Failure> {
    let programs = Programs {
        restate_server: arguments.restate_server,
        restate_orders: arguments.restate_orders,
        local: arguments.local,
    };
    let burst = Burst {
        carts: arguments.carts,
        at_once: arguments.at_once,
    };
    let sides = chosen(&programs, &arguments.side)?;
    fs::create_dir_all(&arguments.folder)?;
    let machine = Machine::here(&arguments.folder)?;
    eprintln!("{}", machine.told());
    let mut rounds: Vec<Figures> = Vec::new();
    for number in 1..=arguments.rounds {
        for side in &sides {
            let data = arguments.folder.join("data");
            let figures = round::play(*side, &programs, &data, burst, number).await?;
            eprintln!(
                "round {number} of {}: {}",
                arguments.rounds,
                table::line(&figures)
            );
            rounds.push(figures);
        }
    }
    let report = Report::new(machine, &programs, arguments.commit, burst, &sides, rounds);
    let written = report.markdown();
    fs::write(arguments.folder.join("burst.md"), &written)?;
    fs::write(
        arguments.folder.join("burst.json"),
        serde_json::to_string_pretty(&report)?,
    )?;
    println!("{written}");
    Ok(())
}

fn chosen(programs: &Programs, names: &[String]) -> Result<Vec<Side>, Failure> {
    let all = Side::all(programs);
    let known: Vec<_> = all.iter().map(|side| side.key()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "{unknown} can't be measured here: choose from {}",
            known.join(", ")
        )
        .into());
    }
    Ok(all
        .into_iter()
        .filter(|side| names.is_empty() || names.iter().any(|name| name == side.key()))
        .collect())
}
