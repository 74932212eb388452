//! What commands that go through a whole table have in common: what may be asked of them, and how far they have come,
//! kept in a file.

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use terminal::note;

use crate::failure::Failure;
use crate::output::progress;
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
struct Kept<C> {
    /// What the URLs of the stack's queues begin with: they tell its account and region, too.
    queues: String,
    checkpoint: C,
}

impl<C: DeserializeOwned + Serialize> Kept<C> {
    /// What the file holds; none if there is no such file.
    fn read(file: &Path) -> Result<Option<Self>, Failure> {
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
    fn of_this_run(
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
fn keep<C: Clone + Serialize>(stack: &Stack, file: &Path, checkpoint: &C) -> Result<(), Failure> {
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

/// A walk through a table that is under way.
pub(crate) trait Walking {
    /// How far it has come.
    type Checkpoint: Clone + Serialize;
    /// Why it stopped.
    type Error;

    /// Works until a few things more are done; none when there is nothing left.
    async fn next(&mut self) -> Option<Result<(), Self::Error>>;

    /// How far it has come.
    fn checkpoint(&self) -> &Self::Checkpoint;
}

/// Goes on to the end, shows `position` of what is counted as `doing`, and keeps in the file how far it has come; whether
/// it was interrupted.
pub(crate) async fn to_the_end<W: Walking>(
    stack: &Stack,
    walk: &mut W,
    file: Option<&Path>,
    doing: &'static str,
    position: impl Fn(&W::Checkpoint) -> u64,
    stopped: impl Fn(W::Error) -> Failure,
) -> Result<bool, Failure> {
    let bar = progress(None, doing);
    stack.interruption.mind_at_once();
    let interrupted = loop {
        let Some(next) = stack.interruption.unless_once(walk.next()).await else {
            break true;
        };
        let Some(done) = next else {
            break false;
        };
        done.map_err(&stopped)?;
        if let Some(file) = file {
            keep(stack, file, walk.checkpoint())?;
        }
        bar.set_position(position(walk.checkpoint()));
        bar.tick();
    };
    bar.finish_and_clear();
    Ok(interrupted)
}

/// Where to begin: at the start, or where the file says. `all_done` says of it that there is nothing left.
pub(crate) fn begin<C: DeserializeOwned + Serialize>(
    stack: &Stack,
    file: Option<&Path>,
    start: impl Fn() -> C,
    is_of_this_run: impl FnOnce(&C) -> bool,
    described: impl FnOnce(&C) -> String,
    all_done: impl FnOnce(&C) -> Option<&'static str>,
) -> Result<C, Failure> {
    let Some(file) = file else {
        return Ok(start());
    };
    let Some(kept) = Kept::<C>::read(file)? else {
        return Ok(start());
    };
    let kept = kept.of_this_run(stack, file, is_of_this_run, described)?;
    if let Some(all_done) = all_done(&kept) {
        note!("{} says that {all_done}", file.display());
    }
    Ok(kept)
}
