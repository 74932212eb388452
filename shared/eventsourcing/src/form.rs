//! What a field takes, as data: the one place that says it.
//!
//! A value's reader checks by its form, an error's "expected …" is its text, and samples, wrong values and a
//! description for other systems follow from it. Forms are made when somebody asks: reading a message that
//! is right makes none.

use std::fmt;

/// What the fields of a command or an event are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The message's name on the wire.
    pub message_type: &'static str,
    /// What it means, as its doc comment says.
    pub about: &'static str,
    /// The version in which it is written now.
    pub schema_version: u32,
    /// Its fields, in the order in which they are written.
    pub fields: Vec<Field>,
}

impl Shape {
    /// The names of its fields.
    pub fn names(&self) -> Vec<&'static str> {
        names(&self.fields)
    }
}

/// A field of a message, or of an object in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it means, as its doc comment says.
    pub about: &'static str,
    /// Whether it has to be there; `null` counts as missing.
    pub required: bool,
    /// What it takes.
    pub form: FieldForm,
}

/// What a field takes. Its text completes the sentence "expected …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldForm {
    /// A string.
    Text(TextForm),
    /// A number with decimals.
    Decimal(DecimalForm),
    /// A whole number.
    Whole {
        /// The least.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A point in time as RFC 3339 writes it.
    Timestamp,
    /// The name of a stream: `<category>-<id>`, of up to [`StreamId::MAX_CHARS`](crate::StreamId::MAX_CHARS)
    /// characters of an id.
    StreamName,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list.
    List {
        /// What each entry is.
        of: Box<FieldForm>,
        /// The fewest entries.
        least: usize,
        /// The most entries; any number if none.
        most: Option<usize>,
    },
    /// An object.
    Object {
        /// What it is called where it is declared.
        name: &'static str,
        /// What it means, as its doc comment says.
        about: &'static str,
        /// Its fields, in the order in which they are written.
        fields: Vec<Field>,
    },
}

/// A string of certain characters and lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextForm {
    /// Which characters it may have.
    pub characters: Characters,
    /// The fewest characters.
    pub least: usize,
    /// The most characters; any number if none.
    pub most: Option<usize>,
}

impl TextForm {
    /// Any string.
    pub const ANY: Self = Self::of(Characters::Any, 0, None);

    /// The id of a business object: 1 to 128 of an id's characters.
    pub const ID: Self = Self::of(Characters::Id, 1, Some(128));

    /// A string of these characters, from `least` to `most`.
    pub const fn of(characters: Characters, least: usize, most: Option<usize>) -> Self {
        Self {
            characters,
            least,
            most,
        }
    }

    /// Whether a text is such a string.
    pub fn fits(&self, text: &str) -> bool {
        let count = text.chars().count();
        count >= self.least
            && self.most.is_none_or(|most| count <= most)
            && text.chars().all(|character| self.characters.allow(character))
    }
}

/// Which characters a string may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// All.
    Any,
    /// All but control characters.
    NoControls,
    /// Those of an id: letters, digits, and what needs no escape in any name, key or path.
    Id,
}

impl Characters {
    /// Whether this one is among them.
    pub fn allow(self, character: char) -> bool {
        match self {
            Self::Any => true,
            Self::NoControls => !character.is_control(),
            Self::Id => character.is_ascii_alphanumeric() || "._~:-".contains(character),
        }
    }

    /// One of them, as a class of a regular expression (ECMA 262 with `u`, as JSON Schema has it); none if it
    /// is any.
    pub fn class(self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::NoControls => Some(r"\P{Cc}"),
            Self::Id => Some("[A-Za-z0-9._~:-]"),
        }
    }
}

/// The characters of an id as people read them.
pub(crate) const ID_CHARACTERS: &str = "A-Z a-z 0-9 . _ ~ : -";

/// A number with a fixed number of decimals, counted in units of the last one: exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecimalForm {
    /// What it is called where it is declared.
    pub name: &'static str,
    /// The least, in units of the last decimal.
    pub least: i64,
    /// The largest, in units of the last decimal.
    pub most: i64,
    /// How many decimals it may have.
    pub decimals: u32,
}

impl DecimalForm {
    /// So many units as JSON writes the number, without zeros at the end.
    pub fn written(&self, units: i64) -> String {
        scaled(units, self.decimals)
    }
}

/// `units` of the last of so many decimals.
pub(crate) fn scaled(units: i64, decimals: u32) -> String {
    let width = decimals as usize;
    let digits = format!("{:0>1$}", units.unsigned_abs(), width + 1);
    let (whole, fraction) = digits.split_at(digits.len() - width);
    let sign = if units < 0 { "-" } else { "" };
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

impl fmt::Display for FieldForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Whole {
                least: 0,
                most: u64::MAX,
            } => f.write_str("a whole number"),
            Self::Whole { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Timestamp => f.write_str("an RFC 3339 timestamp, such as 2026-11-23T08:00:00Z"),
            Self::StreamName => write!(
                f,
                "a stream's name, <category>-<id>, of up to {} characters from {ID_CHARACTERS}",
                crate::StreamId::MAX_CHARS
            ),
            Self::OneOf(words) => in_words(f, words, "or"),
            Self::List {
                of,
                least: 0,
                most: None,
            } => write!(f, "a list, each entry {of}"),
            Self::List {
                least,
                most: Some(most),
                ..
            } => write!(f, "a list of {least} to {most} items"),
            Self::List { least, .. } => write!(f, "a list of {least} or more items"),
            Self::Object { fields, .. } => {
                f.write_str("an object with ")?;
                in_words(f, &names(fields), "and")
            }
        }
    }
}

impl fmt::Display for TextForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")?;
        match (self.least, self.most) {
            (0, None) => {}
            (0, Some(most)) => write!(f, " of at most {most} characters")?,
            (least, None) => write!(f, " of {least} or more characters")?,
            (least, Some(most)) => write!(f, " of {least} to {most} characters")?,
        }
        match self.characters {
            Characters::Any => Ok(()),
            Characters::NoControls => f.write_str(" without control characters"),
            Characters::Id => write!(f, " from {ID_CHARACTERS}"),
        }
    }
}

impl fmt::Display for DecimalForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.written(self.least), self.written(self.most));
        write!(f, "a number from {least} to {most} with at most ")?;
        match self.decimals {
            1 => f.write_str("one decimal"),
            2 => f.write_str("two decimals"),
            3 => f.write_str("three decimals"),
            many => write!(f, "{many} decimals"),
        }
    }
}

pub(crate) fn names(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name).collect()
}

/// `a, b and c`.
fn in_words(f: &mut fmt::Formatter<'_>, words: &[&str], joint: &str) -> fmt::Result {
    match words {
        [] => Ok(()),
        [only] => f.write_str(only),
        [some @ .., last] => write!(f, "{} {joint} {last}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_reads_as_the_end_of_a_sentence() {
        let text = |characters, least, most| FieldForm::Text(TextForm::of(characters, least, most));
        let money = DecimalForm {
            name: "Money",
            least: 0,
            most: 99_999_999_999,
            decimals: 2,
        };
        let list = |least, most| FieldForm::List {
            of: Box::new(FieldForm::OneOf(&["a", "b", "c"])),
            least,
            most,
        };
        for (form, words) in [
            (FieldForm::Text(TextForm::ANY), "a string"),
            (
                FieldForm::Text(TextForm::ID),
                "a string of 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -",
            ),
            (
                text(Characters::Any, 0, Some(9)),
                "a string of at most 9 characters",
            ),
            (
                text(Characters::NoControls, 2, None),
                "a string of 2 or more characters without control characters",
            ),
            (
                FieldForm::Decimal(money),
                "a number from 0 to 999999999.99 with at most two decimals",
            ),
            (
                FieldForm::Whole {
                    least: 1,
                    most: 1_000_000,
                },
                "a whole number from 1 to 1000000",
            ),
            (list(0, None), "a list, each entry a, b or c"),
            (list(1, Some(500)), "a list of 1 to 500 items"),
            (list(1, None), "a list of 1 or more items"),
        ] {
            assert_eq!(form.to_string(), words);
        }
    }

    #[test]
    fn units_are_written_exactly() {
        for (units, decimals, written) in [
            (0, 2, "0"),
            (-1, 2, "-0.01"),
            (1998, 2, "19.98"),
            (40_200, 2, "402"),
            (10, 1, "1"),
            (7, 0, "7"),
            (70, 0, "70"),
            (-1_234, 3, "-1.234"),
        ] {
            assert_eq!(scaled(units, decimals), written);
        }
    }
}
