//! Events as they happen, from the event table's stream: a line each, until whoever looks on has seen enough.

mod belonging;
mod follow;
mod source;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use eventsourcing::{Clock, Commit, Timestamp, nearest};
use serde::Serialize;
use terminal::note;
use tokio::time::Instant;

use crate::arguments::long_ago;
use crate::events::{ShownEvent, ShownFault, show_faults};
use crate::failure::Failure;
use crate::kinds::Kinds;
use crate::output::{Format, count, plain};
use crate::sheet::width;
use crate::spanning::By;
use crate::stack::Stack;

use belonging::Belonging;
pub(crate) use follow::{Follower, Place, Streamed};
pub(crate) use source::TableStream;

/// How far a table stream reaches back.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
const KEPT: Duration = Duration::from_hours(24);

/// How far a line is moved in that goes on with the one before.
const INDENT: &str = "    ";

/// What is followed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Tail {
    /// Shows only events of this type; can be given again
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Begins with what was committed within this time, 24h at most, such as 90s, 10m or 1h
    #[arg(long, value_name = "AGE", value_parser = within_reach)]
    since: Option<Duration>,
    /// Shows what the events hold, too
    #[arg(long)]
    data: bool,
    #[command(flatten)]
    by: By,
}

fn within_reach(text: &str) -> Result<Duration, String> {
    let since = long_ago(text)?;
    if since <= KEPT {
        return Ok(since);
    }
    let ops = crate::called::name();
    Err(format!(
        "the table stream keeps 24 hours: expected at most 24h; `{ops} stream` and `{ops} trace` show what is older"
    ))
}

/// Shows what comes, until it is interrupted.
pub(crate) async fn tail(stack: &Stack, format: Format, command: Tail) -> Result<(), Failure> {
    // Being interrupted is how it ends.
    stack.interruption.mind_at_once();
    let shown = stack
        .interruption
        .unless_once(Box::pin(follow(stack, format, command)));
    shown.await.unwrap_or(Ok(()))
}

async fn follow(stack: &Stack, format: Format, command: Tail) -> Result<(), Failure> {
    let kinds = Kinds::of(&stack.bundle.streams);
    let known = kinds.all().flat_map(|kind| kind.events.iter().copied());
    check_types(&command.types, &known.collect::<Vec<_>>())?;
    let began = stack.clock.now();
    let (place, from) = match command.since {
        Some(since) => (Place::Oldest, Some(earlier(began, since))),
        None => (Place::Latest, None),
    };
    let source = TableStream::of(stack).await?;
    let mut follower = Follower::begin(source, place, began, Instant::now()).await?;
    // The first look is what says from where on nothing is missed, so it comes before everything else.
    let mut round = follower.round(Instant::now()).await?;
    let belonging = Belonging::of(stack, &kinds, &command.by).await?;
    let width = width().filter(|_| io::stdout().is_terminal());
    let mut lines = Lines {
        format,
        kinds: &kinds,
        types: &command.types,
        belonging,
        from,
        data: command.data,
        width: width.map(usize::from),
    };
    let since = from.map_or_else(String::new, |from| format!(" since {from}"));
    note!(
        "following events of stack {}{since} ({} of the table stream); Ctrl-C ends it",
        stack.names.stack(),
        count(follower.open(), "shard", "shards")
    );
    loop {
        for news in &round.news {
            note!("{news}");
        }
        lines.print(&round.streamed)?;
        if let Some(next) = round.next {
            tokio::time::sleep_until(next).await;
        }
        round = follower.round(Instant::now()).await?;
    }
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(millis))
}

/// Refuses a type that no stream of the business has.
fn check_types(types: &[String], known: &[&str]) -> Result<(), Failure> {
    let Some(name) = types.iter().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let like = alike(name, known);
    let (are, names) = if like.is_empty() {
        ("the events are", known)
    } else {
        ("the nearest are", like.as_slice())
    };
    Err(Failure::Usage(format!(
        "there is no event {name}; {are} {}",
        names.join(", ")
    )))
}

/// The names that are most like it, the nearest first.
fn alike<'k>(name: &str, known: &[&'k str]) -> Vec<&'k str> {
    let mut rest = known.to_vec();
    let mut like = Vec::new();
    while like.len() < 3
        && let Some(next) = nearest(name, rest.iter().copied())
    {
        rest.retain(|one| *one != next);
        like.push(next);
    }
    let plain = name.to_lowercase();
    let has_it = |one: &&&str| plain.len() > 3 && one.to_lowercase().contains(&plain);
    like.extend(rest.iter().filter(has_it).copied());
    like
}

/// Prints what comes.
struct Lines<'a> {
    format: Format,
    kinds: &'a Kinds<'a>,
    types: &'a [String],
    belonging: Belonging<'a>,
    /// What was committed before is not shown.
    from: Option<Timestamp>,
    data: bool,
    /// How many characters a line has; none if it may have any number.
    width: Option<usize>,
}

impl Lines<'_> {
    fn print(&mut self, streamed: &[Streamed]) -> io::Result<()> {
        let mut out = terminal::out();
        for one in streamed {
            match one {
                Streamed::Commit(commit) => self.commit(&mut out, commit)?,
                // Nobody knows what it would hold, so no option leaves it out.
                Streamed::Fault {
                    stream_id,
                    revision,
                    fault,
                } => {
                    let fault = ShownFault {
                        stream_id: stream_id.clone(),
                        revision: *revision,
                        fault: fault.clone(),
                    };
                    match self.format {
                        Format::People => show_faults(&mut out, &[fault])?,
                        Format::Json => line(&mut out, &fault)?,
                    }
                }
            }
        }
        out.flush()
    }

    fn commit(&mut self, out: &mut dyn Write, commit: &Commit) -> io::Result<()> {
        // What is too old to be shown may tell what others belong to.
        let belongs = self.belonging.includes(self.kinds, commit);
        if !belongs || self.from.is_some_and(|from| commit.committed_at < from) {
            return Ok(());
        }
        for event in &commit.events {
            if !self.types.is_empty() && !self.types.contains(&event.event_type) {
                continue;
            }
            let shown = ShownEvent::of(self.kinds, &commit.stream, commit.committed_at, event, self.data);
            match self.format {
                Format::People => write!(out, "{}", self.lines(&shown))?,
                Format::Json => line(out, &shown)?,
            }
        }
        Ok(())
    }

    /// An event on a line; on a terminal that is too narrow for it, on several: an id is copied whole.
    fn lines(&self, event: &ShownEvent) -> String {
        let fields = [
            event.committed_at.to_string(),
            event.stream_id.clone(),
            event.revision.to_string(),
            event.title(),
            event.correlation_id.clone(),
        ];
        let mut lines = String::new();
        let mut column = 0;
        for field in fields.map(|field| plain(&field)) {
            let length = field.chars().count();
            if column == 0 {
                column = length;
            } else if self.width.is_some_and(|width| column + 2 + length > width) {
                lines.push('\n');
                lines.push_str(INDENT);
                column = INDENT.len() + length;
            } else {
                lines.push_str("  ");
                column += 2 + length;
            }
            lines.push_str(&field);
        }
        lines.push('\n');
        if event.data.is_some() {
            lines.push_str(INDENT);
            lines.push_str(&plain(event.data()));
            lines.push('\n');
        }
        lines
    }
}

fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::KINDS;

    const KNOWN: [&str; 4] = ["BookLent", "BookReturned", "MemberReminded", "FineRaised"];

    #[test]
    fn a_type_that_there_is_not_is_refused_with_those_that_are_like_it() {
        let refusal = |name: &str| {
            let refused = check_types(&[name.to_owned()], &KNOWN);
            refused.expect_err(name).to_string()
        };
        assert_eq!(
            refusal("booklend"),
            "there is no event booklend; the nearest are BookLent"
        );
        assert_eq!(
            refusal("Book"),
            "there is no event Book; the nearest are BookLent, BookReturned"
        );
        assert_eq!(
            refusal("Invoice"),
            "there is no event Invoice; the events are BookLent, BookReturned, MemberReminded, FineRaised"
        );
        assert!(check_types(&["BookLent".to_owned()], &KNOWN).is_ok());
    }

    #[test]
    fn what_the_stream_does_not_keep_is_not_asked_for() {
        assert_eq!(within_reach("24h"), Ok(KEPT));
        assert!(within_reach("25h").is_err_and(|why| why.contains("at most 24h")));
        assert!(within_reach("soon").is_err_and(|why| why.contains("such as 90s")));
    }

    #[test]
    fn an_id_is_whole_on_a_narrow_terminal_and_an_event_one_line_elsewhere() {
        let kinds = Kinds::of(&KINDS);
        let lines = |width| {
            let lines = Lines {
                format: Format::People,
                kinds: &kinds,
                types: &[],
                belonging: Belonging::none(),
                from: None,
                data: false,
                width,
            };
            lines.lines(&ShownEvent {
                stream_id: "loan-9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff".into(),
                revision: 2,
                event_type: "MemberReminded".into(),
                schema_version: 1,
                committed_at: "2026-11-28T21:16:04.133Z".parse().expect("a time"),
                event_id: "e-1".into(),
                correlation_id: "a\nb".into(),
                causation_id: "c-1".into(),
                cause: None,
                data: None,
            })
        };
        assert_eq!(
            lines(None),
            "2026-11-28T21:16:04.133Z  loan-9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff  2  MemberReminded  a\u{fffd}b\n"
        );
        assert_eq!(
            lines(Some(80)),
            "2026-11-28T21:16:04.133Z  loan-9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff  2\n    MemberReminded  a\u{fffd}b\n"
        );
    }
}
