//! What commands that go through a whole table have in common: what may be asked of them, and how far they have come,
//! kept in a file.

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::stack::Stack;

/// The most segments. `DynamoDB` takes a million, but each is a request under way, and a table has as many
/// partitions as it has 10 GB: more segments than this read no faster.
const MAX_SEGMENTS: u32 = 256;

pub(crate) fn segments(text: &str) -> Result<NonZeroU32, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &NonZeroU32| number.get() <= MAX_SEGMENTS);
    number.ok_or_else(|| format!("expected a whole number from 1 to {MAX_SEGMENTS}"))
}

pub(crate) fn rate(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse().ok();
    number.ok_or_else(|| format!("expected a whole number from 1 to {}", u32::MAX))
}

/// What to do after a run that did not come to its end.
pub(crate) fn goes_on(file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("the same command goes on from what {} says", file.display()),
        None => "with --resume FILE, the same command would go on where it left off".into(),
    }
}

/// What the file holds.
#[derive(Deserialize, Serialize)]
pub(crate) struct Kept<C> {
    /// What the URLs of the stack's queues begin with: they tell its account and region, too.
    queues: String,
    checkpoint: C,
}

impl<C: DeserializeOwned + Serialize> Kept<C> {
    /// What the file holds; none if there is no such file.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::Usage(format!(
                    "{} can't be read: {error}",
                    file.display()
                )));
            }
        };
        let kept = serde_json::from_str(&text);
        kept.map(Some).map_err(|error| {
            Failure::Usage(format!(
                "{} is no checkpoint of this command: {error}; name another file",
                file.display()
            ))
        })
    }

    /// The checkpoint, if it is of that stack and `is_of_this_run`.
    pub(crate) fn of_this_run(
        self,
        stack: &Stack,
        file: &Path,
        is_of_this_run: impl FnOnce(&C) -> bool,
        described: impl FnOnce(&C) -> String,
    ) -> Result<C, Failure> {
        let Self { queues, checkpoint } = self;
        if queues == stack.queues.url_prefix() && is_of_this_run(&checkpoint) {
            return Ok(checkpoint);
        }
        Err(Failure::Usage(format!(
            "{} is of another run ({} beside queues {queues}…); name another file, or ask for the same",
            file.display(),
            described(&checkpoint),
        )))
    }
}

/// Writes the file anew beside the old one and puts it in its place, so that at no moment there is half
/// of one.
pub(crate) fn keep<C: Clone + Serialize>(stack: &Stack, file: &Path, checkpoint: &C) -> Result<(), Failure> {
    let kept = Kept {
        queues: stack.queues.url_prefix().to_owned(),
        checkpoint: checkpoint.clone(),
    };
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let written = || -> io::Result<()> {
        let mut new = fs::File::create(&beside)?;
        new.write_all(serde_json::to_string(&kept)?.as_bytes())?;
        new.sync_all()?;
        fs::rename(&beside, file)
    };
    written().map_err(|error| Failure::Failed(format!("{} can't be written: {error}", file.display())))
}
