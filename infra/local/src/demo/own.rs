//! Plays what somebody has written in a file: one entry as JSON, or one on each line.

use std::io;
use std::path::Path;
use std::time::Instant;

use bundle::scenario::{Entry, Outcome, OwnInput, Refused, Sent};
use eventsourcing::{StreamId, text_of, written};
use serde_json::Value;
use terminal::note;

use super::stage::{DemoError, finish, settle};
use crate::Stack;
use crate::player::Player;
use crate::progress::progress;
use crate::report::Played;

/// The entries of a file: one as JSON, or one on each line. All that is wrong with them is told, by the line
/// and the field as they stand in the file.
pub(super) fn read(input: &OwnInput, file: &Path) -> Result<Vec<Entry>, DemoError> {
    let unread = |source| DemoError::File {
        file: file.to_owned(),
        source,
    };
    let bytes = std::fs::read(file).map_err(unread)?;
    let text = text_of(bytes).map_err(|error| unread(io::Error::other(error)))?;
    let (mut entries, mut wrong) = (Vec::new(), Vec::new());
    for written in written(&text) {
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                wrong.push(format!("{}, {error}", file.display()));
                continue;
            }
        };
        let place = |path: &str| format!("{}, line {}", file.display(), written.line_of(path));
        let draft = input.command.draft(written.json);
        let told = draft.faults.iter();
        wrong.extend(told.map(|fault| format!("{}: {fault}", place(fault.path().unwrap_or_default()))));
        // What the function would ignore is no reason not to play it.
        for field in &draft.unknown {
            note!("{}: {field} (it is ignored)", place(field.path()));
        }
        entries.extend(input.command.read(&draft));
    }
    if !wrong.is_empty() {
        let shape = input.shape;
        return Err(DemoError::Entries { wrong, shape });
    }
    if entries.is_empty() {
        return Err(DemoError::NoEntry {
            file: file.to_owned(),
            entry: input.flag,
        });
    }
    Ok(entries)
}

pub(super) async fn play(
    stack: Stack,
    player: &Player,
    input: &OwnInput,
    entries: &[Entry],
    started: Instant,
) -> Result<bool, DemoError> {
    let began = stack.clock().now();
    let progress = progress(entries.len(), input.counted);
    for entry in entries {
        let command = entry.fields.clone();
        let queue = input.command.queue();
        player.send_all(&[Sent { queue, command }]).await?;
        progress.inc(1);
    }
    settle(&stack, &progress).await;
    let refused = player.refused(&stack.registry().queues()).await?;
    let mut results = Vec::new();
    for one in by_id(input, entries) {
        let streams = (input.streams)(one.contents[0]);
        let outcome = player.look(input.subject, &streams, &refused).await?;
        results.extend(one.played(&streams, outcome));
    }
    finish(stack, &results, began, started).await
}

/// The entries by their id, in the order of the file: each id has one beginning, however often it is asked for.
fn by_id<'a>(input: &'a OwnInput, entries: &'a [Entry]) -> Vec<OneId<'a>> {
    let mut all: Vec<OneId<'_>> = Vec::new();
    for Entry { fields, stream } in entries {
        match all.iter_mut().find(|known| known.stream == stream) {
            Some(known) => known.contents.push(fields),
            None => all.push(OneId {
                input,
                stream,
                contents: vec![fields],
            }),
        }
    }
    all
}

/// The entries of a file that have one id.
struct OneId<'a> {
    input: &'a OwnInput,
    /// The stream that the entries are for.
    stream: &'a StreamId,
    contents: Vec<&'a Value>,
}

impl OneId<'_> {
    /// What the entries led to, and those of them that were refused: one for each content.
    fn played(&self, streams: &[StreamId], mut outcome: Outcome) -> Vec<Played> {
        let title = format!("{} {}", self.input.flag, self.stream.id());
        let (taken, not_taken) = self.taken(&mut outcome.refused);
        let is_there = taken > 0 || !outcome.timeline.is_empty();
        let other = if is_there { ", with other content" } else { "" };
        let refused = not_taken.into_iter().map(|refused| {
            let outcome = Outcome {
                subject: outcome.subject,
                timeline: Vec::new(),
                refused,
            };
            Played::refused(self.input.flag, format!("{title}{other}"), outcome)
        });
        let refused: Vec<_> = refused.collect();
        let mut played = Vec::new();
        if is_there {
            let problems = match outcome.ending() {
                Some(_) => vec![],
                None => vec![outcome.subject.open_problem()],
            };
            let times = match taken {
                0 | 1 => String::new(),
                times => format!(" ({times} times in the file)"),
            };
            played.push(Played::of(format!("{title}{times}"), streams, outcome, problems));
        }
        played.extend(refused);
        played
    }

    /// How many entries were taken, and the letters of each content that was not, out of `letters`.
    fn taken(&self, letters: &mut Vec<Refused>) -> (usize, Vec<Vec<Refused>>) {
        let (mut taken, mut not_taken) = (0, Vec::new());
        for (number, &content) in self.contents.iter().enumerate() {
            let is_known = self.contents[..number].contains(&content);
            let (own, others) = std::mem::take(letters)
                .into_iter()
                .partition::<Vec<_>, _>(|letter| self.is_of(letter, content));
            *letters = others;
            if !own.is_empty() {
                not_taken.push((content, own));
            } else if !(is_known && not_taken.iter().any(|(refused, _)| *refused == content)) {
                taken += 1;
            }
        }
        (taken, not_taken.into_iter().map(|(_, own)| own).collect())
    }

    /// Whether a letter is the command with these fields.
    fn is_of(&self, letter: &Refused, content: &Value) -> bool {
        let body = serde_json::from_str::<Value>(&letter.body).unwrap_or_default();
        letter.queue == self.input.command.queue() && body["command"] == *content
    }
}
