//! What was played, and the report of it: a timeline per order or group, and a summary.

use std::io::{self, Write};
use std::time::Duration;

use aws_adapters::dead_letter_queue;

use crate::groups::{GroupOutcome, GroupScenario};
use crate::scenarios::{Outcome, PlayError, Refused, Scenario, TimelineEntry};

/// What was played, and what came of it.
pub(crate) struct Played {
    pub(crate) title: String,
    /// How it ended, in words; none if it is open.
    pub(crate) ending: Option<String>,
    pub(crate) timeline: Vec<TimelineEntry>,
    pub(crate) refused: Vec<Refused>,
    /// Nothing if it ended as it has to.
    pub(crate) problems: Vec<String>,
}

impl Played {
    /// An order, whose script came to its end or did not.
    pub(crate) fn order(scenario: &Scenario, script: &Result<(), PlayError>, outcome: Outcome) -> Self {
        let problems = with_script(script, scenario.problems(&outcome));
        Self::own_cart(scenario.title.to_owned(), outcome, problems)
    }

    /// An order of which nothing is known in advance.
    pub(crate) fn own_cart(title: String, outcome: Outcome, problems: Vec<String>) -> Self {
        Self {
            title,
            ending: outcome.ending(),
            timeline: outcome.timeline,
            refused: outcome.refused,
            problems,
        }
    }

    /// A group, whose script came to its end or did not.
    pub(crate) fn group(
        scenario: &GroupScenario,
        script: &Result<(), PlayError>,
        outcome: GroupOutcome,
    ) -> Self {
        Self {
            title: scenario.title.to_owned(),
            ending: outcome.ending(),
            problems: with_script(script, scenario.problems(&outcome)),
            timeline: outcome.timeline,
            refused: outcome.refused,
        }
    }

    pub(crate) fn is_right(&self) -> bool {
        self.problems.is_empty()
    }
}

/// The problems, and before them that of the script, if it did not get to its end.
fn with_script(script: &Result<(), PlayError>, problems: Vec<String>) -> Vec<String> {
    let of_script = script.as_ref().err().map(ToString::to_string);
    of_script.into_iter().chain(problems).collect()
}

/// Prints timelines, summary and `totals`; whether every outcome was right.
pub(crate) fn print(out: &mut impl Write, played: &[Played], totals: &str) -> io::Result<bool> {
    for one in played {
        timeline(out, one)?;
    }
    summary(out, played, totals)?;
    Ok(played.iter().all(Played::is_right))
}

fn timeline(out: &mut impl Write, played: &Played) -> io::Result<()> {
    let mark = if played.is_right() { "ok " } else { "NOT" };
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
            "      {:>13}  {}: {} - {}",
            "refused",
            dead_letter_queue(&refused.queue),
            refused.code,
            refused.error
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
pub(crate) fn clock(time: Duration) -> String {
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

fn summary(out: &mut impl Write, played: &[Played], totals: &str) -> io::Result<()> {
    let orders = played.len();
    let right = played.iter().filter(|one| one.is_right()).count();
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
    writeln!(out, "{events} events, {totals}")
}
