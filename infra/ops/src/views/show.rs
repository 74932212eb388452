//! What people and programs see of a view.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use aws_adapters::{PhaseCount, PhaseCounts, ViewRow};
use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::{Column, ColumnKind, OPEN_SHARD, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::output::{Report, count, plain, relative};
use crate::sheet::{Cell, Kind, Look, Sheet};
use crate::views::ask::{Asked, Place};
use crate::views::read::{Answer, Found};

/// An answer to what was asked.
pub(crate) struct Shown<'a> {
    pub(crate) answer: Answer,
    pub(crate) asked: &'a Asked,
    /// How many characters a line has; none if it may have any number.
    pub(crate) width: Option<u16>,
}

impl Report for Shown<'_> {
    fn show(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.answer.found {
            Found::One(row) => self.show_one(out, row),
            Found::Rows { rows, more } => self.show_rows(out, rows, *more),
            Found::Counts(counts) => self.show_counts(out, counts),
        }
    }
}

// One row.
impl Shown<'_> {
    fn show_one(&self, out: &mut dyn Write, row: &ViewRow) -> io::Result<()> {
        let form = &self.asked.form;
        let id = row.text(form.key).unwrap_or_default();
        let phase = row.phase().unwrap_or("in no phase");
        let overdue = if row.is_overdue(self.answer.now) {
            ", overdue"
        } else {
            ""
        };
        writeln!(
            out,
            "{} {}: {}{overdue}\n",
            form.listing.one,
            plain(id),
            plain(phase)
        )?;
        let mut sheet = Sheet::new(["attribute", "value"].map(|title| (title, Kind::Whole)));
        for (name, value) in self.attributes(row) {
            let value = match (value, row.time(name)) {
                (Shows::Text(text), Some(at)) => {
                    format!("{} ({})", plain(text), relative(at, self.answer.now))
                }
                (Shows::Text(text), None) => plain(text),
                (Shows::Number(number), _) => match self.column(name).map(|column| column.kind) {
                    Some(ColumnKind::Amount) => amount(number),
                    _ => number.to_owned(),
                },
            };
            sheet.add([name.into(), value.into()]);
        }
        sheet.write(out)
    }

    fn column(&self, attribute: &str) -> Option<&'static Column> {
        let columns = self.asked.form.listing.columns;
        columns.iter().find(|column| column.attribute == attribute)
    }

    /// What of a row is shown: the key, and the others by name. Which part of an index a row is in is nobody's
    /// business.
    fn attributes<'r>(&self, row: &'r ViewRow) -> Vec<(&'r str, Shows<'r>)> {
        let form = &self.asked.form;
        let is_shown =
            |name: &str| name != OPEN_SHARD && (self.asked.data || !form.listing.payload.contains(&name));
        let shown = row.attributes().filter(|(name, _)| is_shown(name));
        let mut shown: Vec<_> = shown
            .filter_map(|(name, value)| Some((name, Shows::of(value)?)))
            .collect();
        shown.sort_by_key(|(name, _)| (*name != form.key, *name));
        shown
    }
}

// Several rows.
impl Shown<'_> {
    fn show_rows(&self, out: &mut dyn Write, rows: &[ViewRow], more: bool) -> io::Result<()> {
        let listing = &self.asked.form.listing;
        if !rows.is_empty() {
            self.write_rows(out, rows)?;
        }
        let (open, overdue) = self.open_and_overdue(rows);
        let number = rows.len();
        let things = count(number, listing.one, listing.many);
        let all_open = self.asked.place() == Place::Open;
        if number == 0 {
            let nothing = if all_open && !self.asked.is_choosy() {
                "is open"
            } else {
                "matches"
            };
            return writeln!(out, "no {} {nothing}", listing.one);
        }
        if more {
            let which = if all_open { "oldest" } else { "newest" };
            let limit = number.saturating_mul(10);
            let counting = if self.asked.is_traced {
                ""
            } else {
                ", --count counts them"
            };
            writeln!(
                out,
                "the {which} {things}, {overdue} overdue; there are more: --limit {limit} shows more{counting}"
            )
        } else if all_open {
            writeln!(out, "{open} open, {overdue} overdue")
        } else {
            writeln!(out, "{things}, newest first: {open} open, {overdue} overdue")
        }?;
        match self.asked.place() {
            Place::Table => writeln!(out, "{}", self.cost()),
            Place::Open | Place::Index(..) => Ok(()),
        }
    }

    /// The rows in columns, as many of them as the terminal has room for.
    fn write_rows(&self, out: &mut dyn Write, rows: &[ViewRow]) -> io::Result<()> {
        let form = &self.asked.form;
        let payload = form.listing.payload.iter().filter(|_| self.asked.data);
        let payload = payload.map(|name| Column::new(name, name, ColumnKind::Text));
        // Of what is open nothing has a cause: a column without a value takes the room of others.
        let has_any = |column: &Column| rows.iter().any(|row| self.cell(row, column).is_some());
        let columns = form
            .listing
            .columns
            .iter()
            .copied()
            .chain(payload)
            .filter(has_any);
        let columns: Vec<_> = columns.collect();
        let kind = |column: &Column| match column.kind {
            ColumnKind::Number | ColumnKind::Amount => Kind::Number,
            _ => Kind::Whole,
        };
        let mut sheet = Sheet::new(columns.iter().map(|column| (column.title, kind(column))));
        for row in rows {
            let cell = |column: &Column| {
                let cell = Cell::from(self.cell(row, column));
                match (column.kind, row.time(column.attribute)) {
                    (ColumnKind::Due, Some(at)) if at < self.answer.now => Cell::bad(cell),
                    _ => cell,
                }
            };
            sheet.add(columns.iter().map(cell));
        }
        let colours = self.width.is_some() && Look::now().colours;
        let width = self.width;
        sheet.write_as(out, Look { width, colours })
    }

    fn cell(&self, row: &ViewRow, column: &Column) -> Option<String> {
        let now = self.answer.now;
        let (name, time) = (column.attribute, row.time(column.attribute));
        match (column.kind, time) {
            (ColumnKind::Age, Some(at)) => Some(short_age(now.since(at))),
            (ColumnKind::Due, Some(at)) if at >= now => Some(format!("in {}", short_age(at.since(now)))),
            (ColumnKind::Due, Some(at)) => Some(format!("{} ago", short_age(now.since(at)))),
            (ColumnKind::Amount, _) => row.number(name).map(amount),
            _ => value(row, name),
        }
    }

    fn open_and_overdue(&self, rows: &[ViewRow]) -> (usize, usize) {
        let number = |is_so: &dyn Fn(&ViewRow) -> bool| rows.iter().filter(|row| is_so(row)).count();
        let now = self.answer.now;
        (number(&ViewRow::is_open), number(&|row| row.is_overdue(now)))
    }

    fn cost(&self) -> String {
        format!(
            "the whole table was read, at {} read units",
            self.answer.read_units
        )
    }
}

// Counts.
impl Shown<'_> {
    /// What is told of each phase: what was counted in it, or that nobody counted.
    fn phases<'c>(&self, counts: &'c PhaseCounts) -> Vec<(&'c str, Option<PhaseCount>)> {
        let asked = self.asked;
        let open_only = asked.open || asked.overdue;
        let declared = asked.form.listing.phases.iter();
        let declared = declared.filter(|phase| asked.phase.as_deref().is_none_or(|only| only == phase.name));
        let declared = declared.filter(|phase| phase.is_open || !open_only);
        let mut phases: Vec<_> = declared
            .map(|phase| {
                let counted = phase.is_open || asked.place() != Place::Open;
                (phase.name, counted.then(|| counts.of(phase.name)))
            })
            .collect();
        // Newer functions may know more of them.
        let others = counts
            .iter()
            .filter(|(name, _)| asked.form.listing.phase(name).is_none());
        phases.extend(others.map(|(name, count)| (name, Some(count))));
        phases
    }

    fn show_counts(&self, out: &mut dyn Write, counts: &PhaseCounts) -> io::Result<()> {
        let listing = &self.asked.form.listing;
        let phases = self.phases(counts);
        let mut sheet = Sheet::new([
            ("phase", Kind::Whole),
            (listing.many, Kind::Number),
            ("overdue", Kind::Number),
            ("oldest", Kind::Whole),
        ]);
        for (phase, counted) in &phases {
            let oldest = counted.and_then(|count| count.oldest);
            let oldest = oldest.map(|at| short_age(self.answer.now.since(at)));
            let rows = counted.map_or_else(|| "not counted".to_owned(), |count| count.rows.to_string());
            sheet.add([
                plain(phase).into(),
                rows.into(),
                counted.map(|count| count.overdue.to_string()).into(),
                oldest.into(),
            ]);
        }
        sheet.write(out)?;
        let (rows, open, overdue) = sums(counts);
        if self.asked.place() == Place::Open {
            writeln!(out, "{open} open, {overdue} overdue")?;
        } else {
            writeln!(
                out,
                "{}: {open} open, {overdue} overdue",
                count(rows, listing.one, listing.many)
            )?;
        }
        let leaves_out = phases.iter().any(|(_, counted)| counted.is_none());
        if leaves_out {
            writeln!(
                out,
                "--all counts what has ended, too, and reads the whole table for it"
            )?;
        }
        match self.asked.place() {
            Place::Table => writeln!(out, "{}", self.cost()),
            Place::Open | Place::Index(..) => Ok(()),
        }
    }
}

/// All rows that were counted, those that are open, and those that are overdue.
fn sums(counts: &PhaseCounts) -> (u64, u64, u64) {
    counts
        .iter()
        .fold((0, 0, 0), |(rows, open, overdue), (_, count)| {
            (rows + count.rows, open + count.open, overdue + count.overdue)
        })
}

// For programs.
impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("view", self.asked.form.name)?;
        document.serialize_entry("at", &self.answer.now)?;
        match &self.answer.found {
            Found::One(row) => {
                document.serialize_entry("row", &self.object(row))?;
                document.serialize_entry("overdue", &row.is_overdue(self.answer.now))?;
            }
            Found::Rows { rows, more } => {
                let (open, overdue) = self.open_and_overdue(rows);
                document.serialize_entry("open", &open)?;
                document.serialize_entry("overdue", &overdue)?;
                document.serialize_entry("more", more)?;
                document.serialize_entry(
                    "rows",
                    &rows.iter().map(|row| self.object(row)).collect::<Vec<_>>(),
                )?;
            }
            Found::Counts(counts) => {
                let (_, open, overdue) = sums(counts);
                document.serialize_entry("open", &open)?;
                document.serialize_entry("overdue", &overdue)?;
                let phases = self.phases(counts).into_iter();
                let phases = phases.map(|(phase, count)| CountedPhase {
                    phase,
                    rows: count.map(|count| count.rows),
                    overdue: count.map(|count| count.overdue),
                    oldest_phase_since: count.and_then(|count| count.oldest),
                });
                document.serialize_entry("phases", &phases.collect::<Vec<_>>())?;
            }
        }
        document.serialize_entry("read_units", &self.answer.read_units)?;
        document.end()
    }
}

#[derive(Serialize)]
struct CountedPhase<'a> {
    phase: &'a str,
    /// None if nobody counted.
    rows: Option<u64>,
    overdue: Option<u64>,
    oldest_phase_since: Option<Timestamp>,
}

/// A value as it is stored.
enum Shows<'a> {
    Text(&'a str),
    Number(&'a str),
}

impl<'a> Shows<'a> {
    /// A row holds nothing but texts and numbers.
    fn of(value: &'a AttributeValue) -> Option<Self> {
        let text = value.as_s().map(|text| Self::Text(text));
        text.or_else(|_| value.as_n().map(|number| Self::Number(number)))
            .ok()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    /// Digit by digit.
    Number(Box<RawValue>),
}

impl Shown<'_> {
    fn object<'r>(&self, row: &'r ViewRow) -> BTreeMap<&'r str, Stored> {
        let stored = |value: Shows<'_>| match value {
            Shows::Text(text) => Stored::Text(text.to_owned()),
            Shows::Number(number) => match RawValue::from_string(number.to_owned()) {
                Ok(number) => Stored::Number(number),
                // DynamoDB has no numbers that JSON can't write; if it had, this is how to tell.
                Err(_) => Stored::Text(number.to_owned()),
            },
        };
        let attributes = self.attributes(row).into_iter();
        attributes.map(|(name, value)| (name, stored(value))).collect()
    }
}

/// Has a column of numbers end where its title ends.
/// What stands in a row under that name, as it is written.
pub(crate) fn value(row: &ViewRow, name: &str) -> Option<String> {
    let text = row.text(name).map(plain);
    text.or_else(|| row.number(name).map(str::to_owned))
}

/// A duration in one unit, for a column: what it is about is seen at a glance.
fn short_age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// An amount with two decimals at least: `DynamoDB` drops zeros at the end.
pub(crate) fn amount(number: &str) -> String {
    let is_plain = number
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
    match number.split_once('.') {
        _ if !is_plain => number.to_owned(),
        None => format!("{number}.00"),
        Some((whole, decimals)) => format!("{whole}.{decimals:0<2}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::made_up::LOANS;
    use crate::views::ask::of_view;

    const NOW: &str = "2026-11-23T09:00:00.000Z";

    fn row(attributes: &[(&str, &str)]) -> ViewRow {
        let value = |name: &str, text: &str| match name {
            "fine" | "revision" => AttributeValue::N(text.to_owned()),
            _ => AttributeValue::S(text.to_owned()),
        };
        let item = attributes
            .iter()
            .map(|(name, text)| ((*name).to_owned(), value(name, text)));
        item.collect::<HashMap<_, _>>().into()
    }

    fn lent(id: &str, since: &str, due: &str) -> ViewRow {
        row(&[
            ("loan_id", id),
            ("open_shard", "3"),
            ("phase", "lent_out"),
            ("phase_since", since),
            ("due_at", due),
            ("member_id", "ada"),
        ])
    }

    fn returned(id: &str) -> ViewRow {
        row(&[
            ("loan_id", id),
            ("phase", "returned"),
            ("phase_since", "2026-11-20T09:00:00.000Z"),
            ("member_id", "ada"),
            ("fine", "1234567890123456789.5"),
            ("excuse", "the \u{1b}[31mdog\nate it"),
            ("revision", "2"),
        ])
    }

    fn two() -> Found {
        Found::Rows {
            rows: vec![
                lent("l-1", "2026-11-23T07:58:00.000Z", "2026-11-23T08:57:30.000Z"),
                lent("l-2", "2026-11-23T08:59:00.000Z", "2026-11-23T11:00:00.000Z"),
            ],
            more: false,
        }
    }

    fn asked(arguments: &[&str]) -> Asked {
        let words = ["loans"].iter().chain(arguments);
        let matches = of_view(&LOANS).try_get_matches_from(words);
        Asked::of(LOANS, &matches.unwrap_or_else(|error| panic!("{error}")))
    }

    fn answered(found: Found) -> Answer {
        Answer {
            found,
            now: NOW.parse().expect("a time"),
            read_units: 4.5,
        }
    }

    fn shown(arguments: &[&str], found: Found, width: Option<u16>) -> String {
        let (answer, asked) = (answered(found), asked(arguments));
        let mut text = Vec::new();
        let shown = Shown {
            answer,
            asked: &asked,
            width,
        };
        shown.show(&mut text).expect("memory takes it");
        String::from_utf8(text).expect("text")
    }

    fn document(arguments: &[&str], found: Found) -> Value {
        let (answer, asked) = (answered(found), asked(arguments));
        let shown = Shown {
            answer,
            asked: &asked,
            width: None,
        };
        let text = serde_json::to_string(&shown).expect("it can be written");
        serde_json::from_str(&text).expect("it is JSON")
    }

    #[test]
    fn rows_stand_in_columns_without_those_that_hold_nothing() {
        assert_eq!(
            shown(&[], two(), Some(80)),
            " PHASE     SINCE   DUE        MEMBER  LOAN\n \
             lent_out  62 min  2 min ago  ada     l-1\n \
             lent_out  60 s    in 2 h     ada     l-2\n\
             2 open, 1 overdue\n"
        );
    }

    #[test]
    fn what_a_narrow_terminal_has_no_room_for_stands_whole_below_its_row() {
        assert_eq!(
            shown(&[], two(), Some(32)),
            " PHASE     SINCE   DUE\n \
             lent_out  62 min  2 min ago\n   \
             member ada\n   \
             loan l-1\n \
             lent_out  60 s    in 2 h\n   \
             member ada\n   \
             loan l-2\n\
             2 open, 1 overdue\n"
        );
    }

    #[test]
    fn nothing_more_and_more_than_is_shown_are_said() {
        let none = || Found::Rows {
            rows: vec![],
            more: false,
        };
        assert_eq!(shown(&[], none(), None), "no loan is open\n");
        assert_eq!(shown(&["--member", "ada"], none(), None), "no loan matches\n");
        let Found::Rows { rows, .. } = two() else {
            unreachable!("it is made of rows")
        };
        let told = shown(&["--limit", "2"], Found::Rows { rows, more: true }, None);
        assert!(
            told.ends_with(
                "\nthe oldest 2 loans, 1 overdue; there are more: --limit 20 shows more, --count counts them\n"
            ),
            "{told}"
        );
    }

    #[test]
    fn words_of_somebody_are_shown_if_they_are_asked_for_and_move_no_cursor() {
        let ended = || Found::Rows {
            rows: vec![returned("l-3")],
            more: false,
        };
        let without = shown(&["--phase", "returned"], ended(), None);
        assert!(!without.contains("dog"), "{without}");
        let told = shown(&["--phase", "returned", "--data"], ended(), None);
        assert!(told.contains("the \u{fffd}[31mdog\u{fffd}ate it\n"), "{told}");
        assert!(
            told.ends_with(
                "1 loan, newest first: 0 open, 0 overdue\nthe whole table was read, at 4.5 read units\n"
            ),
            "{told}"
        );
        let rows = &document(&["--phase", "returned"], ended())["rows"];
        assert_eq!(rows[0]["excuse"], Value::Null);
        let rows = &document(&["--phase", "returned", "--data"], ended())["rows"];
        assert_eq!(rows[0]["excuse"], "the \u{1b}[31mdog\nate it");
    }

    #[test]
    fn amounts_are_exact_and_have_two_decimals() {
        let amounts = ["20", "19.9", "0.05", "-3", "1E+2"].map(amount);
        assert_eq!(amounts, ["20.00", "19.90", "0.05", "-3.00", "1E+2"]);
        let (answer, asked) = (answered(Found::One(returned("l-3"))), asked(&["l-3"]));
        let shown = Shown {
            answer,
            asked: &asked,
            width: None,
        };
        let text = serde_json::to_string(&shown).expect("it can be written");
        assert!(text.contains(r#""fine":1234567890123456789.5,"#), "{text}");
    }

    #[test]
    fn one_row_is_shown_whole_but_for_what_is_the_indexes_own() {
        let told = shown(
            &["l-1"],
            Found::One(lent(
                "l-1",
                "2026-11-23T07:58:00.000Z",
                "2026-11-23T08:57:30.000Z",
            )),
            None,
        );
        assert_eq!(
            told,
            "loan l-1: lent_out, overdue\n\n \
             ATTRIBUTE    VALUE\n \
             loan_id      l-1\n \
             due_at       2026-11-23T08:57:30.000Z (2 min 30 s ago)\n \
             member_id    ada\n \
             phase        lent_out\n \
             phase_since  2026-11-23T07:58:00.000Z (1 h 2 min ago)\n"
        );
    }

    fn counted(rows: &[ViewRow]) -> PhaseCounts {
        let mut counts = PhaseCounts::default();
        for row in rows {
            counts.add(row, NOW.parse().expect("a time"));
        }
        counts
    }

    #[test]
    fn counts_say_what_was_not_counted_and_how_to_have_it_counted() {
        let Found::Rows { rows, .. } = two() else {
            unreachable!("it is made of rows")
        };
        let found = || Found::Counts(counted(&rows));
        assert_eq!(
            shown(&["--count"], found(), None),
            " PHASE           LOANS  OVERDUE  OLDEST\n \
             lent_out            2        1  62 min\n \
             reminded            0        0  -\n \
             returned  not counted        -  -\n\
             2 open, 1 overdue\n\
             --all counts what has ended, too, and reads the whole table for it\n"
        );
        let document = document(&["--count"], found());
        assert_eq!(document["open"], json!(2));
        assert_eq!(
            document["phases"],
            json!([
                { "phase": "lent_out", "rows": 2, "overdue": 1, "oldest_phase_since": "2026-11-23T07:58:00.000Z" },
                { "phase": "reminded", "rows": 0, "overdue": 0, "oldest_phase_since": null },
                { "phase": "returned", "rows": null, "overdue": null, "oldest_phase_since": null },
            ])
        );
    }

    #[test]
    fn phases_that_only_newer_functions_know_are_counted_too() {
        let lost = row(&[
            ("loan_id", "l-9"),
            ("open_shard", "1"),
            ("phase", "lost"),
            ("phase_since", NOW),
        ]);
        let found = Found::Counts(counted(&[lost, returned("l-3")]));
        let told = shown(&["--count", "--member", "ada"], found, None);
        assert_eq!(
            told,
            " PHASE     LOANS  OVERDUE  OLDEST\n \
             lent_out      0        0  -\n \
             reminded      0        0  -\n \
             returned      1        0  3 d\n \
             lost          1        0  0 s\n\
             2 loans: 1 open, 0 overdue\n"
        );
    }
}
