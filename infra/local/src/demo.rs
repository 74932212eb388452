//! Plays the scenarios on a stack of their own and shows what happened.
//!
//! The stack's clock is moved on: whenever nothing is left to do before the next delay or deadline, it
//! jumps there. So a day's deadline passes at once, and the times shown are those of the stack's clock.

pub mod load;
mod own;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bundle::Bundle;
use bundle::scenario::{Load, OwnInput};
use eventsourcing::SettingValues;
use futures::future::join_all;

use crate::Stack;
use crate::player::Player;
use crate::progress::progress;
use crate::report::Played;
pub use stage::DemoError;
use stage::{finish, settle, start};

/// What the demo plays.
#[derive(Clone, Debug)]
pub enum Program {
    /// Every scenario.
    Scenarios,
    /// The entries of a file: one as JSON, or one on each line.
    Own(OwnInput, PathBuf),
    /// One process with so many members, and one with fewer to compare.
    Load(Load, u32),
}

/// Plays the program; whether every outcome was right.
pub fn run(bundle: Arc<Bundle>, program: &Program, settings: SettingValues) -> Result<bool, DemoError> {
    let entries = match program {
        Program::Own(input, file) => own::read(input, file)?,
        Program::Scenarios | Program::Load(..) => Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        let started = Instant::now();
        let (stack, player) = start(bundle, settings).await?;
        match program {
            Program::Scenarios => play(stack, &player, started).await,
            Program::Own(input, _) => own::play(stack, &player, input, &entries, started).await,
            Program::Load(load, members) => load::play(stack, &player, load, *members, started).await,
        }
    })
}

async fn play(stack: Stack, player: &Player, started: Instant) -> Result<bool, DemoError> {
    let began = stack.clock().now();
    let scenarios = stack.bundle().scenarios("");
    let progress = progress(scenarios.len(), "scenarios played");
    let scripts = join_all(scenarios.iter().map(|scenario| async {
        let ended = player.play(scenario).await;
        progress.inc(1);
        ended
    }));
    let scripts = scripts.await;
    settle(&stack, &progress).await;
    let refused = player.refused(&stack.registry().queues()).await?;
    let mut results = Vec::new();
    for (scenario, script) in scenarios.iter().zip(scripts) {
        let outcome = player.outcome(scenario, &refused).await?;
        results.push(Played::scenario(scenario, &script, outcome));
    }
    finish(stack, &results, began, started).await
}
