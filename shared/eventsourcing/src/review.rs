//! All that is wrong with a message at once, and the names in it that nobody reads.
//!
//! A function reads a message until the first fault, and ignores what it does not know: so a sender of next
//! year's messages is not refused. Whoever writes one by hand wants to hear of everything, and most of all of
//! a name that is spelt wrong: an optional field under a wrong name is a message that means something else.

use std::fmt;

use crate::field_error::{FieldError, inner};

/// A field that no reader reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    path: String,
    name: String,
    known: Vec<&'static str>,
}

impl UnknownField {
    /// The field of that name where only those of the `known` names are read.
    pub(crate) fn beside(known: Vec<&'static str>, name: &str) -> Self {
        Self {
            path: name.to_owned(),
            name: name.to_owned(),
            known,
        }
    }

    /// The field, as in `command.product_items[1].quantitiy`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same, seen from one level further in.
    #[must_use]
    pub(crate) fn inside(mut self, outer: &str) -> Self {
        self.path = inner(&self.path, outer).to_owned();
        self
    }

    /// The field that is read there whose name is most like this one's, if one is like it.
    pub fn nearest(&self) -> Option<&'static str> {
        nearest(&self.name, self.known.iter().copied())
    }
}

/// The name that is most like the one that somebody wrote, if one is like it.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = plain(written);
    let distances = known
        .into_iter()
        .map(|known| (distance(&name, &plain(known)), known));
    let (distance, known) = distances.min()?;
    (distance <= (known.len() / 3).max(1)).then_some(known)
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field `{}` is unknown; ", self.path.escape_debug())?;
        match self.nearest() {
            Some(known) => write!(f, "did you mean `{known}`?"),
            None => write!(f, "the fields there are {}", self.known.join(", ")),
        }
    }
}

/// A name as it is compared: people write `loanId` and `loan-id` for `loan_id`.
fn plain(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).take(64).collect()
}

/// How many letters have to be added, taken away, changed or swapped with the next one.
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut rows = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let at = |i: usize, j: usize| rows[i * width + j];
            rows[i * width + j] = if i == 0 || j == 0 {
                i.max(j)
            } else {
                let changed = at(i - 1, j - 1) + usize::from(a[i - 1] != b[j - 1]);
                let least = changed.min(at(i - 1, j) + 1).min(at(i, j - 1) + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least.min(at(i - 2, j - 2) + 1)
                } else {
                    least
                }
            };
        }
    }
    rows[rows.len() - 1]
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Fields that are missing or hold something else than they should.
    pub faults: Vec<FieldError>,
    /// Fields that no reader reads.
    pub unknown: Vec<UnknownField>,
}

impl Review {
    /// What one reading says: nothing, or its one fault.
    pub fn of<T>(read: Result<T, FieldError>) -> Self {
        Self {
            faults: read.err().into_iter().collect(),
            unknown: Vec::new(),
        }
    }

    /// The same, seen from one level further out.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let within = |error: FieldError| error.within(outer);
        self.faults = self.faults.into_iter().map(within).collect();
        for field in &mut self.unknown {
            let joint = if field.path.starts_with('[') { "" } else { "." };
            field.path = format!("{outer}{joint}{}", field.path);
        }
        self
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.faults.extend(other.faults);
        self.unknown.extend(other.unknown);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(name: &str, known: &[&'static str]) -> String {
        let field = UnknownField {
            path: format!("command.{name}"),
            name: name.to_owned(),
            known: known.to_vec(),
        };
        field.to_string()
    }

    #[test]
    fn a_name_that_is_spelt_wrong_is_told_with_the_one_that_is_meant() {
        let known = ["member_id", "reading_room_id", "amount"];
        for (name, meant) in [
            ("reading_rom_id", "reading_room_id"),
            ("readingRoomId", "reading_room_id"),
            ("MEMBER-ID", "member_id"),
            ("amuont", "amount"),
        ] {
            assert_eq!(
                unknown(name, &known),
                format!("field `command.{name}` is unknown; did you mean `{meant}`?")
            );
        }
        assert_eq!(
            unknown("colour", &known),
            "field `command.colour` is unknown; the fields there are member_id, reading_room_id, amount"
        );
    }

    #[test]
    fn letters_that_are_swapped_are_one_change() {
        let distance = |a: &str, b: &str| distance(&plain(a), &plain(b));
        assert_eq!(distance("amuont", "amount"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
