//! What was played, and the report of it: a timeline for each, and a summary.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use aws_adapters::dead_letter_queue;
use bundle::scenario::outcome::in_words;
use bundle::scenario::{Outcome, Scenario};
use eventsourcing::StreamId;

use crate::player::PlayError;

/// What was played, and what came of it.
pub(crate) struct Played {
    /// What it is called in the summary: its subject, or an entry of a file.
    name: &'static str,
    title: String,
    /// How it ended, in words; none if it is open.
    ending: Option<String>,
    /// The stream whose name is shown whole, since the others' ids follow from its own.
    whole: Option<StreamId>,
    outcome: Outcome,
    /// Nothing if it ended as expected.
    problems: Vec<String>,
}

impl Played {
    /// A scenario, whose script came to its end or did not.
    pub(crate) fn scenario(scenario: &Scenario, script: &Result<(), PlayError>, outcome: Outcome) -> Self {
        let of_script = script.as_ref().err().map(ToString::to_string);
        let problems = of_script.into_iter().chain(scenario.problems(&outcome)).collect();
        Self::of(scenario.title.to_owned(), &scenario.streams, outcome, problems)
    }

    /// What has these streams.
    pub(crate) fn of(title: String, streams: &[StreamId], outcome: Outcome, problems: Vec<String>) -> Self {
        Self {
            name: outcome.subject.name,
            title,
            ending: outcome.ending(),
            whole: streams.first().filter(|_| streams.len() > 1).cloned(),
            outcome,
            problems,
        }
    }

    /// An entry of a file that was not taken.
    pub(crate) fn refused(name: &'static str, title: String, outcome: Outcome) -> Self {
        Self {
            name,
            title,
            ending: Some("Refused".to_owned()),
            whole: None,
            outcome,
            problems: vec![format!("the {name} was not taken")],
        }
    }

    pub(crate) fn is_right(&self) -> bool {
        self.problems.is_empty()
    }
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
    let Outcome {
        subject,
        timeline,
        refused,
    } = &played.outcome;
    let start = timeline.first().map(|entry| entry.committed_at);
    for entry in timeline {
        let since = start
            .map(|start| entry.committed_at.since(start))
            .unwrap_or_default();
        let stream = short(&entry.stream, played.whole.as_ref());
        let detail = subject.detail(entry).map(|detail| format!(" ({detail})"));
        writeln!(
            out,
            "      {:>13}  {stream:<24} {:>2}  {}{}",
            clock(since),
            entry.revision,
            entry.event_type,
            detail.unwrap_or_default()
        )?;
    }
    for refused in refused {
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

/// Minutes, seconds and milliseconds, and hours where there are any.
pub(crate) fn clock(time: Duration) -> String {
    let (seconds, ms) = (time.as_secs(), time.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}.{ms:03}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{ms:03}"),
    }
}

/// A stream's name, cut where it has said enough to be told from others.
fn short(stream: &StreamId, whole: Option<&StreamId>) -> String {
    let name = stream.as_str();
    let long = name.len() > 24 && whole != Some(stream);
    if long {
        format!("{}…", name.chars().take(23).collect::<String>())
    } else {
        name.chars().take(40).collect()
    }
}

fn summary(out: &mut impl Write, played: &[Played], totals: &str) -> io::Result<()> {
    let right = played.iter().filter(|one| one.is_right()).count();
    let events: usize = played.iter().map(|one| one.outcome.timeline.len()).sum();
    writeln!(
        out,
        "{right} of {} ended as expected: {}",
        played.len(),
        endings(played)
    )?;
    writeln!(out, "{events} events, {totals}")
}

/// How many of each kind there are and how they ended, so that the numbers add up:
/// `2 fines (1 paid, 1 waived), 18 loans (10 returned, 8 lost)`.
fn endings(played: &[Played]) -> String {
    let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for one in played {
        let ending = one.ending.as_deref().map_or_else(|| "open".to_owned(), word);
        *counts.entry(one.name).or_default().entry(ending).or_default() += 1;
    }
    let of_kind = |(name, endings): (&str, BTreeMap<String, usize>)| {
        let all: usize = endings.values().sum();
        let plural = if all == 1 { "" } else { "s" };
        let each: Vec<_> = endings
            .iter()
            .map(|(ending, count)| format!("{count} {ending}"))
            .collect();
        format!("{all} {name}{plural} ({})", each.join(", "))
    };
    counts.into_iter().map(of_kind).collect::<Vec<_>>().join(", ")
}

/// `TimedOut (g-1, g-2)` as `timed out`.
fn word(ending: &str) -> String {
    in_words(ending.split(' ').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bundle::scenario::Subject;

    static NOTHING: Subject = Subject {
        name: "nothing",
        endings: &[],
        details: &[],
    };

    fn played(name: &'static str, ending: Option<&str>) -> Played {
        Played {
            name,
            title: String::new(),
            ending: ending.map(str::to_owned),
            whole: None,
            outcome: Outcome {
                subject: &NOTHING,
                timeline: Vec::new(),
                refused: Vec::new(),
            },
            problems: Vec::new(),
        }
    }

    #[test]
    fn the_summary_counts_every_ending_so_that_the_numbers_add_up() {
        let all = [
            played("loan", Some("Returned")),
            played("loan", Some("Lost (rain: in the tent)")),
            played("loan", None),
            played("loan", Some("Returned")),
            played("fine", Some("TimedOut (f-1)")),
        ];
        let mut out = Vec::new();
        summary(&mut out, &all, "nothing else").expect("memory takes it");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "5 of 5 ended as expected: 1 fine (1 timed out), 4 loans (1 lost, 1 open, 2 returned)\n\
             0 events, nothing else\n"
        );
    }
}
