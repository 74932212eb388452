//! Arguments that several commands take, and files that they read.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::failure::Failure;

/// Which messages of a dead-letter queue are meant; all if nothing is said.
#[allow(clippy::doc_markdown)]
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Which {
    /// Those with this error_code: malformed, rejected or exhausted
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// The one with this message id, as `dlq show` tells it; can be given again
    #[arg(long = "id", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Those that SQS moved by itself, and no function: they have no code.
    #[arg(skip)]
    pub(crate) without_code: bool,
    /// Those with one of these error texts; whatever it is if none is given.
    #[arg(skip)]
    pub(crate) errors: Vec<String>,
}

/// How long to wait for messages that another reader holds.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Wait {
    /// Waits up to so many seconds, 900 at most, for messages that another reader holds
    #[arg(
        long = "wait",
        value_name = "SECONDS",
        default_value = "0",
        value_parser = wait_seconds,
        allow_negative_numbers = true
    )]
    seconds: u32,
}

impl From<Wait> for Duration {
    fn from(wait: Wait) -> Self {
        Self::from_secs(wait.seconds.into())
    }
}

/// For how long a reader of this program holds messages, and so the longest that it is worth to wait.
const LONGEST_WAIT: u32 = 15 * 60;

fn wait_seconds(text: &str) -> Result<u32, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= LONGEST_WAIT);
    seconds.ok_or_else(|| format!("expected a whole number of seconds from 0 to {LONGEST_WAIT}"))
}

/// A count of at least 1.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse::<u32>().ok().filter(|number| *number > 0);
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("expected a whole number from 1 to {}", u32::MAX))
}

/// The revision of an event in its stream.
pub(crate) fn revision(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("expected a whole number from 1 to {}", u64::MAX))
}

/// Reads a file, or standard input if it is `-`.
pub(crate) fn read_input(file: impl AsRef<Path>) -> Result<String, Failure> {
    let file = file.as_ref();
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    let unread = |why: String| Failure::Usage(format!("{} can't be read: {why}", name_of(file)));
    read.map_err(|error| unread(error.to_string()))?;
    eventsourcing::text_of(bytes).map_err(|error| unread(error.to_string()))
}

pub(crate) fn name_of(file: &Path) -> String {
    if file.as_os_str() == "-" {
        "standard input".into()
    } else {
        file.display().to_string()
    }
}

/// How long something has lasted, as people say it: `90s`, `15m`, `1h`, `2d`, and `1h30m`.
pub(crate) fn long_ago(text: &str) -> Result<Duration, String> {
    let mut seconds = Some(0_u64);
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, unit) = rest.split_at(digits);
        let unit = unit.chars().next();
        let in_seconds = match unit {
            Some('s') => Some(1),
            Some('m') => Some(60),
            Some('h') => Some(3_600),
            Some('d') => Some(86_400),
            _ => None,
        };
        let part = number.parse::<u64>().ok().zip(in_seconds);
        let part = part.and_then(|(number, unit)| number.checked_mul(unit));
        seconds = seconds.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        rest = &rest[digits + unit.map_or(0, char::len_utf8)..];
    }
    let seconds = seconds.filter(|_| !text.is_empty()).map(Duration::from_secs);
    seconds.ok_or_else(|| "expected a duration such as 90s, 15m, 1h, 2d or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_people_write_it() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("1h", 3_600),
            ("2d", 172_800),
            ("1h30m", 5_400),
            ("1d1s", 86_401),
        ] {
            assert_eq!(long_ago(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "",
            "1",
            "h",
            "1 h",
            "-1h",
            "1.5h",
            "1w",
            "1h30",
            "1H",
            "ö",
            "1ö",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            let refused = long_ago(wrong).expect_err(wrong);
            assert!(refused.contains("such as 90s, 15m, 1h"), "{wrong}: {refused}");
        }
    }
}
