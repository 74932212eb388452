//! How the rows of a view are listed for people: the command that lists them, the phases there are, and the columns.

/// What a view says of itself to those who look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The operator's command, in one word: `loans`.
    pub command: &'static str,
    /// One of the things that it shows: `loan`.
    pub one: &'static str,
    /// Several of them: `loans`.
    pub many: &'static str,
    /// All values that `phase` has, in the order in which a thing comes through them.
    pub phases: &'static [ListedPhase],
    /// What a table shows of each row. The last column is the row's key.
    pub columns: &'static [Column],
    /// Attributes in somebody's own words, which are a payload: they are shown only if they are asked for.
    pub payload: &'static [&'static str],
}

impl Listing {
    /// The phase of that name.
    pub fn phase(&self, name: &str) -> Option<ListedPhase> {
        self.phases.iter().copied().find(|phase| phase.name == name)
    }
}

/// A phase that a row may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPhase {
    /// Its name in the row.
    pub name: &'static str,
    /// Whether rows in it are open.
    pub is_open: bool,
}

impl ListedPhase {
    /// A phase of what is not over.
    pub const fn open(name: &'static str) -> Self {
        Self { name, is_open: true }
    }

    /// A phase of what is over.
    pub const fn ended(name: &'static str) -> Self {
        Self { name, is_open: false }
    }
}

/// A column of a table for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// What stands above it, in small letters.
    pub title: &'static str,
    /// The attribute that it shows.
    pub attribute: &'static str,
    /// How it shows it.
    pub kind: ColumnKind,
}

impl Column {
    /// A column with that title.
    pub const fn new(title: &'static str, attribute: &'static str, kind: ColumnKind) -> Self {
        Self {
            title,
            attribute,
            kind,
        }
    }
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// As it is.
    Text,
    /// A count.
    Number,
    /// An amount of money: with two decimals at least.
    Amount,
    /// A time, as it is.
    Time,
    /// A time, as how long it is past: `62 min`.
    Age,
    /// A time, as how far off it is: `in 14 min`, `3 min ago`.
    Due,
}
