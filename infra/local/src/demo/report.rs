//! The demo's report: a timeline per order, and a summary.

use std::io::{self, Write};
use std::time::Duration;

use aws_adapters::Metrics;
use embedded_aws::dynamodb::Units;

use super::Played;
use crate::scenarios::TimelineEntry;

/// What the whole demo took.
pub(super) struct Totals {
    pub(super) messages: u64,
    pub(super) units: Units,
    pub(super) metrics: Metrics,
    /// How far the stack's clock was moved.
    pub(super) moved: Duration,
    /// How long it really took.
    pub(super) took: Duration,
}

/// Prints timelines and summary; whether every outcome was right.
pub(super) fn print(out: &mut impl Write, played: &[Played], totals: &Totals) -> io::Result<bool> {
    for one in played {
        timeline(out, one)?;
    }
    summary(out, played, totals)?;
    Ok(played.iter().all(|one| one.problems.is_empty()))
}

fn timeline(out: &mut impl Write, played: &Played) -> io::Result<()> {
    let mark = if played.problems.is_empty() { "ok " } else { "NOT" };
    let ending = played.ending.as_deref().unwrap_or("open");
    writeln!(out, "{mark} {}\n    {ending}", played.title)?;
    let start = played.timeline.first().map(|entry| entry.committed_at);
    for entry in &played.timeline {
        let since = start
            .map(|start| entry.committed_at.since(start))
            .unwrap_or_default();
        let stream = short(entry.stream.as_str());
        writeln!(
            out,
            "      {:>13}  {stream:<24} {:>2}  {}{}",
            clock(since),
            entry.revision,
            entry.event_type,
            detail(entry)
        )?;
    }
    for refused in &played.refused {
        writeln!(
            out,
            "      {:>13}  {}-dlq: {} - {}",
            "refused", refused.queue, refused.code, refused.error
        )?;
    }
    for problem in &played.problems {
        writeln!(out, "      {:>13}  {problem}", "WRONG")?;
    }
    writeln!(out)
}

/// What of an event's fields says more than its type.
fn detail(entry: &TimelineEntry) -> String {
    let field = ["error", "reason"]
        .into_iter()
        .find_map(|name| entry.data[name].as_str());
    let amount = entry.data.get("amount").map(ToString::to_string);
    match (field, amount) {
        (Some(words), _) => format!(" ({words})"),
        (None, Some(amount)) => format!(" ({amount})"),
        (None, None) => String::new(),
    }
}

/// Minutes, seconds and milliseconds, and hours where there are any.
fn clock(time: Duration) -> String {
    let (seconds, ms) = (time.as_secs(), time.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}.{ms:03}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{ms:03}"),
    }
}

/// A stream's name, cut where a computed id has said enough to be told from others.
fn short(stream: &str) -> String {
    let long = stream.len() > 24 && !stream.starts_with("cart-");
    if long {
        format!("{}…", stream.chars().take(23).collect::<String>())
    } else {
        stream.chars().take(40).collect()
    }
}

fn summary(out: &mut impl Write, played: &[Played], totals: &Totals) -> io::Result<()> {
    let orders = played.len();
    let right = played.iter().filter(|one| one.problems.is_empty()).count();
    let ended = |how: &str| {
        let starts = |one: &&Played| one.ending.as_ref().is_some_and(|ending| ending.starts_with(how));
        played.iter().filter(starts).count()
    };
    let events: usize = played.iter().map(|one| one.timeline.len()).sum();
    writeln!(
        out,
        "{right} of {orders} ended as they have to: {} completed, {} cancelled",
        ended("Completed"),
        ended("Cancelled")
    )?;
    writeln!(
        out,
        "{events} events, {} messages, {} write units; {} handled, {} refused, {} retried, {} conflicts",
        totals.messages,
        totals.units.write,
        totals.metrics.handled,
        totals.metrics.refused,
        totals.metrics.retried,
        totals.metrics.conflicts
    )?;
    writeln!(
        out,
        "the clock was moved on by {}, in {:.1} s",
        clock(totals.moved),
        totals.took.as_secs_f64()
    )
}
