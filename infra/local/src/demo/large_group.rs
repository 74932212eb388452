//! The checkout of a large group, with what it costs per guest beside that of a group of 50.

use std::io::Write;
use std::time::{Duration, Instant};

use aws_adapters::Metrics;
use eventsourcing::SettingValues;

use super::stage::{DemoError, settle, start};
use crate::Stack;
use crate::groups::{GroupProgress, PROGRESS_INTERVAL, group_stream, guests_of};
use crate::progress::progress;
use crate::scenarios::{PlayError, Player};

/// The size that others are compared with.
const SMALL: usize = 50;

/// What the checkout of a group took, without the guests' check-in.
#[derive(Clone, Debug)]
pub struct GroupCost {
    /// How many guests.
    pub guests: usize,
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

impl GroupCost {
    fn per_guest(&self, amount: f64) -> f64 {
        amount / f64::from(u32::try_from(self.guests).unwrap_or(u32::MAX))
    }

    /// Write units, read units and messages for each guest.
    pub fn each(&self) -> [f64; 3] {
        let messages = u32::try_from(self.messages).unwrap_or(u32::MAX);
        [self.write_units, self.read_units, f64::from(messages)].map(|amount| self.per_guest(amount))
    }
}

/// Plays a group of 50 and one of `count`; whether both ended as completed, once.
pub(super) async fn play(count: usize, settings: SettingValues) -> Result<bool, DemoError> {
    let started = Instant::now();
    let (stack, player) = start(settings).await?;
    let small = checkout(&stack, &player, "demo-small", SMALL).await?;
    let large = checkout(&stack, &player, "demo-large", count).await?;
    let right = print(&mut terminal::out(), &[&small, &large], started.elapsed())?;
    stack.stop().await?;
    Ok(right)
}

/// Checks in so many guests, and out as a group; what that took.
pub async fn checkout(
    stack: &Stack,
    player: &Player,
    group: &str,
    count: usize,
) -> Result<GroupCost, DemoError> {
    let guests = guests_of(group, count);
    let bar = progress(count, "guests checked out");
    player.check_in_all(&guests).await?;
    stack.until_quiet(Duration::from_secs(1)).await;

    let (units, messages) = (
        stack.wire().dynamodb().totals(),
        stack.wire().sqs().totals().sends,
    );
    let before = counted(stack);
    let began = Instant::now();
    player.initiate(group, &guests).await?;
    let mut took = began.elapsed();
    loop {
        let recorded = counted(stack).handled - before.handled;
        bar.set_position(recorded);
        if recorded >= count as u64 || stack.is_quiet() {
            break;
        }
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        took = began.elapsed();
    }
    settle(stack, &bar).await;

    // Without the looks into the empty outbox, which cost the same whether there is a group or not.
    let consumed = stack.wire().dynamodb().totals().since(&units);
    let consumed = consumed.table(&stack.names().events_table());
    let messages = stack.wire().sqs().totals().sends - messages;
    // From here on somebody looks, which is not the group's cost.
    let mut seen = GroupProgress::default();
    let stream = group_stream(group).ok_or(PlayError::NoCartId)?;
    player.group_progress(&stream, &mut seen).await?;
    let conflicts = counted(stack).conflicts - before.conflicts;
    // Each guest's own checkout is one commit of one unit, and nobody races for it.
    let stored = f64::from(u32::try_from(seen.write_units + count).unwrap_or(u32::MAX));
    let kept = if conflicts == 0 { consumed.write } else { stored };
    Ok(GroupCost {
        guests: count,
        endings: seen.endings,
        write_units: kept,
        read_units: consumed.read,
        messages,
        conflicts,
        conflict_units: consumed.write - kept,
        took,
    })
}

/// What the function that counts the group's results has counted.
fn counted(stack: &Stack) -> Metrics {
    stack
        .metrics()
        .by_function()
        .remove("record-guest-checkout")
        .unwrap_or_default()
}

fn print(out: &mut impl Write, groups: &[&GroupCost], took: Duration) -> std::io::Result<bool> {
    writeln!(
        out,
        "per guest    write units   read units   messages     conflicts apart               time"
    )?;
    let mut right = true;
    for group in groups {
        let [write, read, messages] = group.each();
        writeln!(
            out,
            "{:>6} guests  {write:>10.3}   {read:>10.3}   {messages:>8.3}     {:>4} ({:.0} write units)   {:>10.1} s   {}",
            group.guests,
            group.conflicts,
            group.conflict_units,
            group.took.as_secs_f64(),
            group.endings.join(", ")
        )?;
        right &= group.endings == ["GroupCheckoutCompleted"];
    }
    writeln!(out, "played in {:.1} s", took.as_secs_f64())?;
    Ok(right)
}
