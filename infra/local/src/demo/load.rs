//! Plays one process with many members, and shows what it costs per member beside that of one with fewer.

use std::io::Write;
use std::time::{Duration, Instant};

use aws_adapters::Metrics;
use bundle::scenario::{Load, LoadPlan};
use eventsourcing::{EventStore, Read};

use super::stage::{DemoError, settle};
use crate::Stack;
use crate::player::{PlayError, Player};
use crate::progress::progress;

/// How often progress is looked at.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// What one process took, without what prepared its members.
#[derive(Clone, Debug)]
pub struct LoadCost {
    /// How many members.
    pub members: usize,
    /// How it ended; one ending, if all is well.
    pub endings: Vec<String>,
    /// Write units, without those of lost races.
    pub write_units: f64,
    /// Read units.
    pub read_units: f64,
    /// Messages.
    pub messages: u64,
    /// Appends that somebody else was ahead of.
    pub conflicts: u64,
    /// The write units of lost races.
    pub conflict_units: f64,
    /// On this machine, from the first message to the last result.
    pub took: Duration,
}

impl LoadCost {
    fn per_member(&self, amount: f64) -> f64 {
        amount / f64::from(u32::try_from(self.members).unwrap_or(u32::MAX))
    }

    /// Write units, read units and messages for each member.
    pub fn each(&self) -> [f64; 3] {
        let messages = u32::try_from(self.messages).unwrap_or(u32::MAX);
        [self.write_units, self.read_units, f64::from(messages)].map(|amount| self.per_member(amount))
    }
}

/// Plays one with as many as others are compared with, and one with `members`; whether both ended well, once.
pub(super) async fn play(
    stack: Stack,
    player: &Player,
    load: &Load,
    members: u32,
    started: Instant,
) -> Result<bool, DemoError> {
    let small = measure(&stack, player, load, "demo-small", load.beside).await?;
    let large = measure(&stack, player, load, "demo-large", members).await?;
    let right = print(&mut terminal::out(), load, &[&small, &large], started.elapsed())?;
    stack.stop().await?;
    Ok(right)
}

/// Plays one of that name with so many members; what that took.
pub async fn measure(
    stack: &Stack,
    player: &Player,
    load: &Load,
    name: &str,
    members: u32,
) -> Result<LoadCost, DemoError> {
    let members = members as usize;
    let plan = (load.plan)(name, members);
    let bar = progress(members, load.counted);
    player.send_all(&plan.prepare).await?;
    stack.until_quiet(Duration::from_secs(1)).await;

    let (units, messages) = (
        stack.wire().dynamodb().totals(),
        stack.wire().sqs().totals().sends,
    );
    let before = counted(stack, load);
    let began = Instant::now();
    player.send_all(std::slice::from_ref(&plan.start)).await?;
    let mut took = began.elapsed();
    loop {
        let counted = counted(stack, load).handled - before.handled;
        bar.set_position(counted);
        if counted >= members as u64 || stack.is_quiet() {
            break;
        }
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        took = began.elapsed();
    }
    settle(stack, &bar).await;

    // Without the looks into the empty outbox, which cost the same however many there are.
    let consumed = stack.wire().dynamodb().totals().since(&units);
    let consumed = consumed.table(&stack.names().events_table());
    let messages = stack.wire().sqs().totals().sends - messages;
    // From here on somebody looks, which is not part of the cost.
    let (endings, stored) = ended(player, load, &plan).await?;
    let conflicts = counted(stack, load).conflicts - before.conflicts;
    let stored = stored + members * load.own_write_units as usize;
    let stored = f64::from(u32::try_from(stored).unwrap_or(u32::MAX));
    let kept = if conflicts == 0 { consumed.write } else { stored };
    Ok(LoadCost {
        members,
        endings,
        write_units: kept,
        read_units: consumed.read,
        messages,
        conflicts,
        conflict_units: consumed.write - kept,
        took,
    })
}

/// The endings that its stream holds, and what its commits take in write units, without those that lost a race.
async fn ended(player: &Player, load: &Load, plan: &LoadPlan) -> Result<(Vec<String>, usize), PlayError> {
    let loaded = player.store().load(&plan.stream, Read::Consistent).await?;
    let stored = loaded
        .commits()
        .iter()
        .map(|commit| commit.stored_bytes().div_ceil(1024));
    let is_ending = |event_type: &str| {
        load.subject
            .endings
            .iter()
            .any(|told| told.event_type == event_type)
    };
    let types = loaded.events().map(|event| event.event_type.clone());
    Ok((
        types.filter(|event_type| is_ending(event_type)).collect(),
        stored.sum(),
    ))
}

/// What the function has counted that handles one message for each member.
fn counted(stack: &Stack, load: &Load) -> Metrics {
    let mut functions = stack.metrics().by_function();
    functions.remove(load.counter).unwrap_or_default()
}

fn print(out: &mut impl Write, load: &Load, costs: &[&LoadCost], took: Duration) -> std::io::Result<bool> {
    let member = load.member;
    writeln!(
        out,
        "{:<12} write units   read units   messages     conflicts apart               time",
        format!("per {member}")
    )?;
    let mut right = true;
    for cost in costs {
        let [write, read, messages] = cost.each();
        writeln!(
            out,
            "{:>6} {member}s  {write:>10.3}   {read:>10.3}   {messages:>8.3}     {:>4} ({:.0} write units)   {:>10.1} s   {}",
            cost.members,
            cost.conflicts,
            cost.conflict_units,
            cost.took.as_secs_f64(),
            cost.endings.join(", ")
        )?;
        right &= cost.endings == [load.ending];
    }
    writeln!(out, "played in {:.1} s", took.as_secs_f64())?;
    Ok(right)
}
