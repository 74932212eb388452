//! Shows a view again and again on a terminal.

use std::io::{self, Write};
use std::time::Duration;

use eventsourcing::Timestamp;

use crate::failure::Failure;
use crate::output::Report;
use crate::sheet;
use crate::views::ask::Asked;
use crate::views::read::{self, View};
use crate::views::show::Shown;

/// How long a picture stands.
const EVERY: Duration = Duration::from_secs(2);

/// How many lines at the end say what all the others amount to.
const LAST: usize = 2;

/// What a terminal has lines and columns for.
#[derive(Clone, Copy, Debug)]
struct Screen {
    lines: usize,
    columns: usize,
}

/// Draws until it is interrupted, which is how it ends.
pub(crate) async fn watch(view: &View<'_>, asked: &Asked) -> Result<(), Failure> {
    let interruption = &view.stack.interruption;
    interruption.mind_at_once();
    terminal::out().write_all(b"\x1b[2J")?;
    let mut has_drawn = false;
    loop {
        let Some(drawn) = interruption.unless_once(picture(view, asked)).await else {
            return Ok(());
        };
        let picture = match drawn {
            Ok(picture) => picture,
            // What is wrong from the start stays wrong.
            Err(failure) if !has_drawn => return Err(failure),
            Err(failure) => format!("not read this time: {failure}\n"),
        };
        has_drawn = true;
        draw(&picture)?;
        if interruption
            .unless_once(tokio::time::sleep(EVERY))
            .await
            .is_none()
        {
            return Ok(());
        }
    }
}

async fn picture(view: &View<'_>, asked: &Asked) -> Result<String, Failure> {
    let answer = read::answer(view, asked, asked.limit_in(false)).await?;
    let now = answer.now;
    let width = sheet::width();
    let mut text = Vec::new();
    Shown { answer, asked, width }.show(&mut text)?;
    Ok(with_time(&String::from_utf8_lossy(&text), now))
}

fn with_time(text: &str, now: Timestamp) -> String {
    format!("{text}at {now}, every {} s; Ctrl-C ends it\n", EVERY.as_secs())
}

/// Over what was drawn before, without a blank screen in between.
fn draw(picture: &str) -> io::Result<()> {
    let (lines, columns) = console::Term::stdout().size();
    let screen = Screen {
        lines: lines.into(),
        columns: columns.into(),
    };
    let mut out = terminal::out();
    out.write_all(b"\x1b[H")?;
    for line in fitting(picture, screen) {
        // What stood there may have been longer.
        writeln!(out, "{line}\x1b[K")?;
    }
    out.write_all(b"\x1b[J")?;
    out.flush()
}

/// The lines that fit on the screen, the last ones of the text at its end in any case: they say what it amounts to.
fn fitting(text: &str, screen: Screen) -> Vec<String> {
    let cut = |line: &str| console::truncate_str(line, screen.columns, "…").into_owned();
    let lines: Vec<_> = text.lines().map(cut).collect();
    // The cursor stands on a line of its own.
    let room = screen.lines.saturating_sub(1);
    if lines.len() <= room {
        return lines;
    }
    let end = LAST.min(lines.len());
    let (rows, last) = lines.split_at(lines.len() - end);
    let begin = room.saturating_sub(end + 1).min(rows.len());
    let mut fitting = rows[..begin].to_vec();
    fitting.push(format!(
        "… {} more lines than the terminal has",
        rows.len() - begin
    ));
    fitting.extend_from_slice(last);
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting_in(text: &str, lines: usize, columns: usize) -> Vec<String> {
        fitting(text, Screen { lines, columns })
    }

    #[test]
    fn what_the_terminal_has_no_room_for_is_left_out_before_the_last_lines() {
        let text = "HEAD\none\ntwo\nthree\nfour\n4 open\nat eight\n";
        assert_eq!(
            fitting_in(text, 8, 80),
            ["HEAD", "one", "two", "three", "four", "4 open", "at eight"]
        );
        assert_eq!(
            fitting_in(text, 7, 80),
            [
                "HEAD",
                "one",
                "two",
                "… 2 more lines than the terminal has",
                "4 open",
                "at eight"
            ]
        );
        assert_eq!(
            fitting_in(text, 1, 80),
            ["… 5 more lines than the terminal has", "4 open", "at eight"]
        );
        assert_eq!(fitting_in("a long line\n", 9, 6), ["a lon…"]);
    }
}
