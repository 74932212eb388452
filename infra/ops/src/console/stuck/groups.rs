//! Letters of a queue by code and error, and which of them an address or a form means.

use std::collections::BTreeMap;

use eventsourcing::Timestamp;

use super::super::asked::{Asked, address};
use super::looking::SeenLetter;
use crate::arguments::Which;
use crate::failure::Failure;

/// What an address says where there is no code.
pub(super) const NO_CODE: &str = "none";

/// What it says of codes.
const CODES: [&str; 4] = ["malformed", "rejected", "exhausted", NO_CODE];

/// Letters that have a code and an error in common, but for the ids and numbers in it.
pub(super) struct Group<'l> {
    pub(super) code: Option<&'l str>,
    /// What they have in common of it; the whole error if they have it.
    pub(super) error: String,
    pub(super) letters: Vec<&'l SeenLetter>,
}

impl<'l> Group<'l> {
    /// All groups, the largest first.
    pub(super) fn all(letters: impl IntoIterator<Item = &'l SeenLetter>) -> Vec<Self> {
        let mut groups: BTreeMap<(Option<&str>, String), Vec<&SeenLetter>> = BTreeMap::new();
        for letter in letters {
            let shown = &letter.shown;
            let key = (shown.error_code.as_deref(), in_common(&shown.error));
            groups.entry(key).or_default().push(letter);
        }
        let group = |((code, in_common), letters): (_, Vec<&'l SeenLetter>)| {
            let mut errors = letters.iter().map(|letter| &letter.shown.error);
            let first = errors.next();
            let whole = first.filter(|first| errors.all(|error| error == *first));
            Group {
                code,
                error: whole.cloned().unwrap_or(in_common),
                letters,
            }
        };
        let mut groups: Vec<_> = groups.into_iter().map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.letters.len()));
        groups
    }

    /// When the first and the last of them was sent here.
    pub(super) fn sent(&self) -> Option<(Timestamp, Timestamp)> {
        let sent = || self.letters.iter().filter_map(|letter| letter.shown.sent_at);
        Some((sent().min()?, sent().max()?))
    }

    /// The fewest and the most receives of one of them.
    pub(super) fn receives(&self) -> (u32, u32) {
        let receives = || self.letters.iter().map(|letter| letter.shown.receive_count);
        (receives().min().unwrap_or(0), receives().max().unwrap_or(0))
    }
}

/// What errors of the same kind have in common: what has a digit in it is an id, a place or an amount.
fn in_common(error: &str) -> String {
    let is_of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '~');
    let mut common = String::with_capacity(error.len());
    let mut rest = error;
    while !rest.is_empty() {
        let end = rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        common.push_str(if word.contains(|letter: char| letter.is_ascii_digit()) {
            "…"
        } else {
            word
        });
        let next = after.find(is_of_word).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        common.push_str(between);
        rest = after;
    }
    common
}

/// Names errors of a kind in an address, which is not to hold their text.
pub(super) fn error_mark(error: &str) -> String {
    // FNV-1a, <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>: it is the same in every process.
    let mixed = in_common(error)
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    format!("{mixed:016x}")
}

/// Which letters of a queue are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// A code, or [`NO_CODE`].
    pub(super) code: Option<&'static str>,
    /// The mark of an error.
    pub(super) error: Option<String>,
}

impl Filter {
    pub(super) fn of_address(asked: &Asked) -> Result<Self, Failure> {
        Self::of(asked.param("code"), asked.param("error"))
    }

    pub(super) fn of_form(asked: &Asked) -> Result<Self, Failure> {
        Self::of(asked.field("code"), asked.field("error"))
    }

    fn of(code: Option<&str>, error: Option<&str>) -> Result<Self, Failure> {
        let known = |code: &str| CODES.into_iter().find(|known| *known == code);
        let code = match code.filter(|code| !code.is_empty()) {
            None => None,
            Some(code) => Some(known(code).ok_or_else(|| {
                Failure::Usage(format!(
                    "there is no code {code}; expected malformed, rejected, exhausted, or none for what SQS moved by itself"
                ))
            })?),
        };
        let error = error.filter(|error| !error.is_empty()).map(str::to_owned);
        Ok(Self { code, error })
    }

    /// That of a group.
    pub(super) fn of_group(code: Option<&str>, error: Option<&str>) -> Self {
        let code = code.unwrap_or(NO_CODE);
        Self {
            code: CODES.into_iter().find(|known| *known == code),
            error: error.map(error_mark),
        }
    }

    /// What a form holds to mean the same.
    pub(super) fn fields(&self) -> Vec<(&str, &str)> {
        let code = self.code.map(|code| ("code", code));
        let error = self.error.as_deref().map(|error| ("error", error));
        code.into_iter().chain(error).collect()
    }

    /// The page that shows them.
    pub(super) fn address(&self, queue: &str) -> String {
        let mut page = address(["letters", queue]);
        for (number, (name, value)) in self.fields().into_iter().enumerate() {
            // Codes and marks need no encoding.
            page.push(if number == 0 { '?' } else { '&' });
            page.push_str(name);
            page.push('=');
            page.push_str(value);
        }
        page
    }

    pub(super) fn holds(&self, letter: &SeenLetter) -> bool {
        let own = letter.shown.error_code.as_deref().unwrap_or(NO_CODE);
        let code = self.code.is_none_or(|code| own == code);
        let error = self.error.as_ref();
        code && error.is_none_or(|mark| error_mark(&letter.shown.error) == *mark)
    }

    /// The same for what is done with letters, but for the error, whose text is not known here.
    pub(super) fn which(&self) -> Which {
        Which {
            code: self.code.filter(|code| *code != NO_CODE).map(str::to_owned),
            without_code: self.code == Some(NO_CODE),
            ..Which::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_code_and_an_error_and_not_its_text() {
        let filter = Filter::of_group(Some("rejected"), Some("no member ada & <b>"));
        let address = filter.address("lend-book");
        assert!(
            address.starts_with("/console/letters/lend-book?code=rejected&error="),
            "{address}"
        );
        assert!(!address.contains("ada"), "{address}");
        let fields = filter.fields();
        assert_eq!(
            Filter::of(Some(fields[0].1), Some(fields[1].1)).expect("a filter"),
            filter
        );
    }

    #[test]
    fn errors_of_a_kind_differ_in_ids_and_numbers_alone() {
        let error = "line 2: field `items[0].price` of o-12, ünd7 is missing";
        assert_eq!(
            in_common(error),
            "line …: field `items[…].price` of …, … is missing"
        );
        assert_eq!(error_mark("loan l-1 is there"), error_mark("loan l-2 is there"));
        assert_ne!(error_mark("loan l-1 is there"), error_mark("book l-1 is there"));
        for same in ["", "no digit, and no id", "…"] {
            assert_eq!(in_common(same), same);
        }
    }

    #[test]
    fn letters_without_a_code_are_a_group_of_their_own() {
        let filter = Filter::of(Some("none"), None).expect("a filter");
        assert_eq!(filter, Filter::of_group(None, None));
        assert!(filter.which().without_code);
        assert_eq!(Filter::of(Some(""), None).expect("a filter"), Filter::default());
        assert!(Filter::of(Some("broken"), None).is_err());
    }
}
