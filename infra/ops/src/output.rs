//! What is printed: tables for people, one JSON document for programs.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use eventsourcing::Timestamp;
use indicatif::{ProgressBar, ProgressStyle, WeakProgressBar};
use serde::Serialize;

use crate::failure::Failure;
use crate::sheet::Look;

/// Something that can be shown to people and to programs.
pub(crate) trait Report: Serialize {
    /// Writes it for people.
    fn show(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// What became of a change: it may be less than what was asked.
pub(crate) trait Change: Report {
    /// A failure if that is not all that was asked.
    fn verdict(&self) -> Result<(), Failure>;

    /// Prints it.
    fn print(&self, format: Format) -> Result<(), Failure>
    where
        Self: Sized,
    {
        format.print(self)?;
        self.verdict()
    }

    /// What was done, in words; a failure if that is not all that was asked.
    fn told(&self) -> Result<String, Failure> {
        let mut text = Vec::new();
        self.show(&mut text)?;
        let text = String::from_utf8_lossy(&text).trim_end().to_owned();
        match self.verdict() {
            Ok(()) => Ok(text),
            Err(failure) => Err(Failure::Failed(format!("{text}\n{failure}"))),
        }
    }
}

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Tables.
    People,
    /// One JSON document, on one line.
    Json,
}

impl Format {
    /// Prints to standard output.
    pub(crate) fn print(self, report: &impl Report) -> io::Result<()> {
        let mut out = terminal::out();
        match self {
            Self::People => Look::printing(|| report.show(&mut out))?,
            Self::Json => writeln!(out, "{}", serde_json::to_string(report)?)?,
        }
        out.flush()
    }
}

/// How long a command may take without a word, and how often it says then how far it has come.
const FIRST_NEWS: Duration = Duration::from_secs(2);
const NEWS: Duration = Duration::from_secs(10);

/// How often a bar is drawn whether it moves or not: a call may take its time.
const REDRAW: Duration = Duration::from_millis(200);

/// The newest bar, for the news.
static NEWEST: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Has the process say on standard error how far it has come, whatever it does. A terminal shows bars; what
/// is no terminal gets a line now and then.
pub(crate) fn tell_progress(command: &'static str) {
    if io::stderr().is_terminal() {
        return;
    }
    let started = Instant::now();
    // Ends with the process, or when nobody reads what it writes.
    thread::spawn(move || {
        thread::sleep(FIRST_NEWS);
        while writeln!(io::stderr(), "{}", news(command, started.elapsed())).is_ok() {
            thread::sleep(NEWS);
        }
    });
}

fn news(command: &str, elapsed: Duration) -> String {
    let newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    let bar = newest.as_ref().and_then(WeakProgressBar::upgrade);
    let seconds = elapsed.as_secs();
    match bar.filter(|bar| !bar.is_finished()) {
        Some(bar) => {
            let of = bar
                .length()
                .map_or_else(String::new, |length| format!(" of {length}"));
            format!("{}: {}{of} after {seconds} s", bar.message(), bar.position())
        }
        None => format!("{command}: still at work after {seconds} s"),
    }
}

/// Whether nobody looks at bars: what is read is shown elsewhere.
static NO_BARS: AtomicBool = AtomicBool::new(false);

/// Has this process show no bars from now on.
pub(crate) fn show_no_bars() {
    NO_BARS.store(true, Ordering::Relaxed);
}

/// A bar on standard error, if that is a terminal, that says what is being done; with a length that is not
/// known, a count.
pub(crate) fn progress(length: Option<u64>, doing: &str) -> ProgressBar {
    if NO_BARS.load(Ordering::Relaxed) {
        return ProgressBar::hidden();
    }
    let template = if length.is_some() {
        "{bar:30} {msg}: {pos}/{len}"
    } else {
        "{spinner} {msg}: {pos}"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::no_length()
        .with_style(style)
        .with_message(doing.to_owned());
    if let Some(length) = length {
        bar.set_length(length);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(REDRAW);
    }
    *NEWEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
    bar
}

/// How long something has been there, in its two largest units.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// `5 s ago`, `in 2 h 3 min`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", age(at.since(now)))
    } else {
        format!("{} ago", age(now.since(at)))
    }
}

/// How long something took: `120 ms`, `2.42 s`, `15 min 0 s`.
pub(crate) fn took(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..1_000 => format!("{millis} ms"),
        millis @ ..10_000 => format!("{}.{:02} s", millis / 1_000, millis / 10 % 100),
        _ => age(time),
    }
}

/// What fits one, or what fits any other number.
pub(crate) fn one_or_more<T>(number: impl Into<Number>, one: T, more: T) -> T {
    if number.into().0 == 1 { one } else { more }
}

/// How many there are.
#[derive(Clone, Copy)]
pub(crate) struct Number(u64);

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self(number as u64)
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: impl Into<Number>, one: &str, many: &str) -> String {
    let number = number.into();
    format!("{} {}", number.0, one_or_more(number, one, many))
}

/// A text on one line, without what a terminal would take for its own or that would turn the line around.
///
/// Source: <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>
pub(crate) fn plain(text: &str) -> String {
    let turns = |letter: char| matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|letter| {
            if letter.is_control() || turns(letter) {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_what_is_being_done() {
        let bar = progress(Some(39), "looking through the dead-letter queues");
        bar.set_position(18);
        let after = Duration::from_secs(2);
        assert_eq!(
            news("looking at dead letters", after),
            "looking through the dead-letter queues: 18 of 39 after 2 s"
        );
        bar.finish_and_clear();
        assert_eq!(
            news("looking at dead letters", after),
            "looking at dead letters: still at work after 2 s"
        );
    }

    #[test]
    fn nothing_in_a_text_moves_the_cursor_or_turns_its_line_around() {
        assert_eq!(
            plain("a\tb\u{1b}[2J\u{202e}c\u{2066}ü"),
            "a\u{fffd}b\u{fffd}[2J\u{fffd}c\u{fffd}ü"
        );
    }

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        let ages = [5, 65, 3_700, 200_000].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["5 s", "1 min 5 s", "1 h 1 min", "2 d 7 h"]);
    }
}
