//! Tables that fit the terminal: their lines break at words, and what has no room beside the rest stands below its row,
//! whole. An id is never broken: whoever copies it needs it on one line.

use std::cell::Cell as Flag;
use std::io::{self, IsTerminal, Write};

use console::{Style, measure_text_width};

/// How wide a column of words gets where the line has no end.
const WORDS: usize = 80;

/// The least room in which words can be read beside other columns.
const LEAST: usize = 24;

/// What is between columns, and what what stands below a row begins with.
const GAP: &str = "  ";
const BELOW: &str = "   ";

/// How it is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// How many characters a line has; none if it may have any number.
    pub(crate) width: Option<u16>,
    pub(crate) colours: bool,
}

thread_local! {
    /// Whether what is written now goes to standard output, and not into memory, an error or a page.
    static PRINTING: Flag<bool> = const { Flag::new(false) };
}

impl Look {
    /// The look of what is written at the moment: that of standard output while a report is printed there.
    pub(crate) fn now() -> Self {
        if !PRINTING.get() || !io::stdout().is_terminal() {
            return Self::default();
        }
        Self {
            width: width(),
            colours: Self::allows_colours(),
        }
    }

    fn allows_colours() -> bool {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
    }

    /// Has `write` write for standard output.
    pub(crate) fn printing<T>(write: impl FnOnce() -> T) -> T {
        PRINTING.set(true);
        let written = write();
        PRINTING.set(false);
        written
    }

    /// The text in the colour of what it says. The words say the same: colours are never alone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Head => Style::new().dim(),
            Tone::Bold => Style::new().bold(),
            Tone::Bad => Style::new().red(),
            Tone::Good => Style::new().green(),
        };
        style.force_styling(self.colours).apply_to(text).to_string()
    }
}

/// What an error begins with on standard error.
pub(crate) fn error_mark() -> String {
    let look = Look {
        width: None,
        colours: io::stderr().is_terminal() && Look::allows_colours(),
    };
    look.paint(Tone::Bad, "error:")
}

/// How many characters a line of the terminal has; none if standard output is no terminal.
pub(crate) fn width() -> Option<u16> {
    console::Term::stdout().size_checked().map(|(_, columns)| columns)
}

/// What a text says, as far as a colour can say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// The head of a column.
    Head,
    /// What it is about.
    Bold,
    /// A problem.
    Bad,
    /// It came to its end.
    Good,
}

/// Writes a sentence whose lines break at words.
pub(crate) fn say(out: &mut dyn Write, tone: Tone, text: &str) -> io::Result<()> {
    let look = Look::now();
    for line in wrapped(text, look.width.map_or(usize::MAX, usize::from)) {
        writeln!(out, "{}", look.paint(tone, &line))?;
    }
    Ok(())
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ids, times, words: never broken.
    Whole,
    /// The same; it is the first to stand below where there is no room for all.
    Yields,
    /// Numbers, which end where the head ends.
    Number,
    /// Sentences, which break at words.
    Words,
}

/// What stands in a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: Option<String>,
    tone: Tone,
}

impl Cell {
    /// What is a problem.
    pub(crate) fn bad(text: impl Into<Self>) -> Self {
        Self {
            tone: Tone::Bad,
            ..text.into()
        }
    }

    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("-")
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Some(text).into()
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        let tone = Tone::Plain;
        Self { text, tone }
    }
}

/// A table with a head and without lines, so that what is in it can be copied.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    columns: Vec<(String, Kind)>,
    rows: Vec<Vec<Cell>>,
}

impl Sheet {
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Kind)>) -> Self {
        let columns = columns.into_iter();
        Self {
            columns: columns.map(|(title, kind)| (title.to_owned(), kind)).collect(),
            rows: Vec::new(),
        }
    }

    /// A row with a cell for each column.
    pub(crate) fn add(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it as what is written at the moment looks.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_as(out, Look::now())
    }

    pub(crate) fn write_as(&self, out: &mut dyn Write, look: Look) -> io::Result<()> {
        let room = look.width.map_or(usize::MAX, usize::from);
        let beside = self.beside(room);
        let heads = beside.iter().map(|(place, width)| {
            let head = self.columns[*place].0.to_uppercase();
            (vec![head], *width, self.columns[*place].1, Tone::Head)
        });
        write_lines(out, look, &heads.collect::<Vec<_>>())?;
        for row in &self.rows {
            let cells = beside.iter().map(|(place, width)| {
                let (cell, kind) = (&row[*place], self.columns[*place].1);
                let lines = match kind {
                    Kind::Words => wrapped(cell.text(), *width),
                    _ => cell.text().lines().map(str::to_owned).collect(),
                };
                (lines, *width, kind, cell.tone)
            });
            write_lines(out, look, &cells.collect::<Vec<_>>())?;
            for (place, (title, kind)) in self.columns.iter().enumerate() {
                let (cell, is_beside) = (&row[place], beside.iter().any(|(other, _)| *other == place));
                let Some(text) = cell.text.as_deref().filter(|_| !is_beside) else {
                    continue;
                };
                let indent = BELOW.len() + measure_text_width(title) + 1;
                let lines = match kind {
                    Kind::Words => wrapped(text, room.saturating_sub(indent)),
                    _ => text.lines().map(str::to_owned).collect(),
                };
                for (number, line) in lines.iter().enumerate() {
                    let (title, line) = (look.paint(Tone::Head, title), look.paint(cell.tone, line));
                    match number {
                        0 => writeln!(out, "{BELOW}{title} {line}")?,
                        _ => writeln!(out, "{:indent$}{line}", "")?,
                    }
                }
            }
        }
        Ok(())
    }

    /// The columns that stand beside each other, and how wide each is. One stays in any case.
    fn beside(&self, room: usize) -> Vec<(usize, usize)> {
        let mut places: Vec<_> = (0..self.columns.len()).collect();
        loop {
            if let Some(widths) = self.fitting(&places, room) {
                return widths;
            }
            let yields = |place: &usize| self.columns[*place].1 == Kind::Yields;
            let last = places.len() - 1;
            places.remove(places.iter().rposition(yields).unwrap_or(last));
        }
    }

    /// How wide each of these columns gets; none if they don't fit.
    fn fitting(&self, places: &[usize], room: usize) -> Option<Vec<(usize, usize)>> {
        let texts = |place: usize| self.rows.iter().map(move |row| row[place].text());
        let longest = |place: usize, of: &dyn Fn(&str) -> usize| {
            let head = measure_text_width(&self.columns[place].0);
            texts(place).map(of).max().unwrap_or_default().max(head)
        };
        let widths = places.iter().map(|place| {
            let width = longest(*place, &widest_line);
            let is_words = self.columns[*place].1 == Kind::Words;
            (*place, if is_words { width.min(WORDS) } else { width })
        });
        let mut widths: Vec<_> = widths.collect();
        let total = widths.iter().map(|(_, width)| width + GAP.len()).sum::<usize>();
        // A blank before the first column, and none after the last.
        let missing = (total + 1 - GAP.len()).saturating_sub(room);
        if missing == 0 || places.len() <= 1 {
            return Some(widths);
        }
        let words = widths
            .iter_mut()
            .find(|(place, _)| self.columns[*place].1 == Kind::Words)?;
        let least = words.1.min(LEAST).max(longest(words.0, &widest_word));
        words.1 = words.1.checked_sub(missing).filter(|width| *width >= least)?;
        Some(widths)
    }
}

/// Writes cells beside each other, each in its lines.
fn write_lines(
    out: &mut dyn Write,
    look: Look,
    cells: &[(Vec<String>, usize, Kind, Tone)],
) -> io::Result<()> {
    let height = cells.iter().map(|(lines, ..)| lines.len()).max().unwrap_or(0);
    for number in 0..height {
        // Blanks that nothing follows are left out.
        let (mut line, mut blanks) = (String::new(), 1);
        for (lines, width, kind, tone) in cells {
            let text = lines.get(number).map_or("", String::as_str);
            let rest = width.saturating_sub(measure_text_width(text));
            let (before, after) = if *kind == Kind::Number {
                (rest, 0)
            } else {
                (0, rest)
            };
            blanks += before;
            if !text.is_empty() {
                line.push_str(&" ".repeat(blanks));
                line.push_str(&look.paint(*tone, text));
                blanks = 0;
            }
            blanks += after + GAP.len();
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn widest_line(text: &str) -> usize {
    text.lines().map(measure_text_width).max().unwrap_or_default()
}

fn widest_word(text: &str) -> usize {
    text.split_whitespace()
        .map(measure_text_width)
        .max()
        .unwrap_or_default()
}

/// The lines of a text, none wider than that but for a word that is.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && measure_text_width(&line) + 1 + measure_text_width(word) > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f524bee-9e0a-4407-9cbb-cd6982deba7f";
    const WHY: &str = "field `command.member_id` holds a number; expected a string of 1 to 128 characters";

    fn letters() -> Sheet {
        let columns = [
            ("message id", Kind::Whole),
            ("receives", Kind::Number),
            ("stream", Kind::Yields),
            ("error", Kind::Words),
        ];
        let mut sheet = Sheet::new(columns);
        sheet.add([ID.into(), "1".into(), None.into(), Cell::bad(WHY)]);
        sheet.add(["short".into(), "12".into(), "loan-l-2".into(), "no".into()]);
        sheet
    }

    fn shown(sheet: &Sheet, width: Option<u16>, colours: bool) -> String {
        let mut text = Vec::new();
        let look = Look { width, colours };
        sheet.write_as(&mut text, look).expect("memory takes it");
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn a_line_without_an_end_holds_all_columns() {
        let text = shown(&letters(), None, false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            " MESSAGE ID                            RECEIVES  STREAM    ERROR"
        );
        let words = format!(" {ID}         1  -         field `command.member_id` holds a number; expected");
        assert!(lines[1].starts_with(&words), "{text}");
        assert_eq!(lines[2].trim(), "characters");
        let last = " short                                       12  loan-l-2  no";
        assert_eq!(lines[3], last);
    }

    #[test]
    fn lines_break_at_words_where_the_room_is_enough_to_read() {
        let text = shown(&letters(), Some(100), false);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let words = [
            "field `command.member_id` holds a number;",
            "expected a string of 1 to 128 characters",
        ];
        for words in words {
            let at_end = text.lines().any(|line| line.ends_with(words));
            assert!(at_end, "{words}: {text}");
        }
    }

    #[test]
    fn what_has_no_room_stands_below_its_row_and_no_word_or_id_is_broken() {
        assert_eq!(
            shown(&letters(), Some(60), false),
            format!(
                " MESSAGE ID                            RECEIVES\n \
                 {ID}         1\n   \
                 error field `command.member_id` holds a number; expected\n         \
                 a string of 1 to 128 characters\n \
                 short                                       12\n   \
                 stream loan-l-2\n   \
                 error no\n"
            )
        );
        let narrow = shown(&letters(), Some(10), false);
        for whole in [ID, "`command.member_id`", "loan-l-2", "characters"] {
            assert!(narrow.contains(whole), "{whole}: {narrow}");
        }
    }

    #[test]
    fn the_column_that_yields_makes_room_for_those_after_it() {
        let mut sheet = Sheet::new([
            ("at", Kind::Whole),
            ("stream", Kind::Yields),
            ("type", Kind::Whole),
        ]);
        sheet.add(["08:00".into(), ID.into(), "BookLent".into()]);
        assert_eq!(
            shown(&sheet, Some(40), false),
            format!(" AT     TYPE\n 08:00  BookLent\n   stream {ID}\n")
        );
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        for width in [None, Some(100), Some(60), Some(10)] {
            let (plain, coloured) = (shown(&letters(), width, false), shown(&letters(), width, true));
            assert!(
                !plain.contains('\u{1b}') && coloured.contains("\u{1b}[31m"),
                "{coloured}"
            );
            assert_eq!(console::strip_ansi_codes(&coloured), plain);
        }
    }

    #[test]
    fn what_is_written_elsewhere_than_to_a_terminal_is_plain() {
        assert_eq!(Look::now(), Look::default());
        let mut text = Vec::new();
        say(&mut text, Tone::Bad, &WHY.repeat(9)).expect("memory takes it");
        assert_eq!(String::from_utf8(text).expect("text"), WHY.repeat(9) + "\n");
    }
}
