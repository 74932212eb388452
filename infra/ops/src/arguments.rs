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
