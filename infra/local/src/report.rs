//! What was played, and the report of it: a timeline per order or group, and a summary.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use aws_adapters::dead_letter_queue;

use crate::groups::{GroupOutcome, GroupScenario};
use crate::scenarios::{Outcome, PlayError, Refused, Scenario, TimelineEntry};

/// What was played, and what came of it.
pub(crate) struct Played {
    /// What it is about, for the summary: an order, a group.
    pub(crate) subject: &'static str,
    pub(crate) title: String,
    /// How it ended, in words; none if it is open.
    pub(crate) ending: Option<String>,
    pub(crate) timeline: Vec<TimelineEntry>,
    pub(crate) refused: Vec<Refused>,
    /// Nothing if it ended as expected.
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
            subject: "order",
            title,
            ending: outcome.ending(),
            timeline: outcome.timeline,
            refused: outcome.refused,
            problems,
        }
    }

    /// A cart that was not taken.
    pub(crate) fn refused_cart(title: String, refused: Vec<Refused>) -> Self {
        Self {
            subject: "cart",
            title,
            ending: Some("Refused".to_owned()),
            timeline: Vec::new(),
            refused,
            problems: vec!["the cart was not taken".to_owned()],
        }
    }

    /// A group, whose script came to its end or did not.
    pub(crate) fn group(
        scenario: &GroupScenario,
        script: &Result<(), PlayError>,
        outcome: GroupOutcome,
    ) -> Self {
        Self {
            subject: "group",
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
    let right = played.iter().filter(|one| one.is_right()).count();
    let events: usize = played.iter().map(|one| one.timeline.len()).sum();
    writeln!(
        out,
        "{right} of {} ended as expected: {}",
        played.len(),
        endings(played)
    )?;
    writeln!(out, "{events} events, {totals}")
}

/// How many of each subject there are and how they ended, so that the numbers add up:
/// `3 groups (1 completed, 2 timed out), 18 orders (10 cancelled, 8 completed)`.
fn endings(played: &[Played]) -> String {
    let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for one in played {
        let ending = one.ending.as_deref().map_or_else(|| "open".to_owned(), in_words);
        *counts.entry(one.subject).or_default().entry(ending).or_default() += 1;
    }
    let of_subject = |(subject, endings): (&str, BTreeMap<String, usize>)| {
        let all: usize = endings.values().sum();
        let plural = if all == 1 { "" } else { "s" };
        let each: Vec<_> = endings
            .iter()
            .map(|(ending, count)| format!("{count} {ending}"))
            .collect();
        format!("{all} {subject}{plural} ({})", each.join(", "))
    };
    counts.into_iter().map(of_subject).collect::<Vec<_>>().join(", ")
}

/// `TimedOut (g-1, g-2)` as `timed out`.
fn in_words(ending: &str) -> String {
    let word = ending.split(' ').next().unwrap_or_default();
    let mut words = String::new();
    for letter in word.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(subject: &'static str, ending: Option<&str>) -> Played {
        Played {
            subject,
            title: String::new(),
            ending: ending.map(str::to_owned),
            timeline: Vec::new(),
            refused: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn the_summary_counts_every_ending_so_that_the_numbers_add_up() {
        let all = [
            played("order", Some("Completed")),
            played("order", Some("Cancelled (withdrawn: changed my mind)")),
            played("order", None),
            played("order", Some("Completed")),
            played("group", Some("TimedOut (g-1)")),
        ];
        let mut out = Vec::new();
        summary(&mut out, &all, "nothing else").expect("memory takes it");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "5 of 5 ended as expected: 1 group (1 timed out), 4 orders (1 cancelled, 2 completed, 1 open)\n\
             0 events, nothing else\n"
        );
    }
}
