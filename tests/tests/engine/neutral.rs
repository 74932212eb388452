//! The engine names no business: whoever brings another one has nothing to change outside of
//! `shared/domain` and `functions`.
//!
//! The words come from the bundle in `functions`, and from a list beside its tests. What is theirs and not the
//! library's may not be said in the sources, scripts, tests and pages of the engine. `tests/outside`,
//! `tests/peers`, `tests/events` and what is written of the catalogue are the business's. What the root's pages say is its own, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bundle::{Bundle, Context, WATCHER};

/// The engine, from the workspace's root.
const ENGINE: [&str; 6] = [
    "shared/README.md",
    "shared/eventsourcing",
    "shared/aws",
    "shared/bundle",
    "infra",
    "tests",
];

/// What is not the engine's in these folders: the contract's tests, what is measured beside others, and the samples and the catalogue that are written
/// from the registry.
const NOT_THE_ENGINES: [&str; 6] = [
    "tests/outside",
    "tests/peers",
    "tests/events",
    "infra/catalogue/schemas",
    "infra/catalogue/asyncapi.yaml",
    "infra/catalogue/released.json",
];

/// What a business speaks of beside the names in its bundle: words, one on each line. It need not have the file.
const SPOKEN_OF: &str = "functions/tests/words.txt";

/// How the programs get the business; only their `main.rs` may say so, and this test.
const THE_BUSINESS: &str = "functions::bundle";

#[test]
fn no_source_script_test_or_page_of_the_engine_names_the_business() {
    let words = Words::of_the_business();
    let (mut read, mut found) = (0, Vec::new());
    for path in ENGINE.iter().flat_map(|folder| files(&root().join(folder))) {
        // A file that is no text, such as a database, names nothing.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        read += 1;
        let place = path.strip_prefix(root()).unwrap_or(&path).display();
        let name = path.file_name().unwrap_or_default();
        let gets_it = name == "main.rs" || name == "neutral.rs";
        for (line, number) in text.lines().zip(1..) {
            let named = words.named_in(line);
            let named = named.filter(|word| !(gets_it && word == THE_BUSINESS));
            let named: Vec<_> = named.collect();
            if !named.is_empty() {
                found.push(format!("{place}:{number}: {}", named.join(", ")));
            }
        }
    }
    assert!(read > 150, "only {read} files were read");
    assert!(
        found.is_empty(),
        "the business is named in {} lines of the engine:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_word_of_the_business_is_found_in_any_spelling_and_plain_english_is_not() {
    let mut words = Words::of(&library::bundle(), ["slice", "rye loaf"].map(str::to_owned));
    for name in ["BakeBread", "bake-bread", "shopWindow"] {
        words.add(name);
    }
    for (line, word) in [
        ("use rules::BookLent;", "BookLent"),
        ("bundle.send(\"bake-bread\", body)", "bake-bread"),
        ("fn bake_bread() {}", "bake_bread"),
        ("OnBookLent", "BookLent"),
        ("\"shopWindow-w-1\"", "shopWindow"),
        ("/// Of a Slice's crust.", "slice"),
        ("let slices = 7;", "slice"),
        ("a slice_of", "slice"),
        ("Two rye loaves are not a rye loaf.", "rye loaf"),
        ("\"loan_id\"", "loan_"),
        ("format!(\"loan-{id}\")", "loan-"),
        ("struct LoanView;", "Loan…"),
        ("run(functions::bundle())", THE_BUSINESS),
    ] {
        let found: Vec<_> = words.named_in(line).collect();
        assert!(found.iter().any(|found| found == word), "{line}: {found:?}");
    }
    for line in [
        "// It is on loan, and the loan is long.",
        "Loan::Shuffled(seed)",
        "sliced, sliceable, a slicer",
        "reloan-color, reloan_id, TheLoanMark",
        "fn they_come_in_the_loan_of_the_batch() {}",
        "let functions = registry.functions;",
    ] {
        let found: Vec<_> = words.named_in(line).collect();
        assert!(found.is_empty(), "{line}: {found:?}");
    }
}

#[test]
fn the_library_may_be_spoken_of_though_a_business_began_as_its_copy() {
    let mut words = Words::of(&library::bundle(), ["slice".to_owned()]);
    words.without(&Words::of(&library::bundle(), []));
    let found: Vec<_> = words
        .named_in("LendBook, lend-book, loan-1 and a slice")
        .collect();
    assert_eq!(found, ["slice"]);
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

/// All files of a folder but what is built, and what is not the engine's.
fn files(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let not_ours = NOT_THE_ENGINES.iter().any(|place| path == root().join(place));
        if not_ours || name.starts_with('.') || name == "target" || name == "__pycache__" {
            continue;
        }
        found.extend(files(&path));
    }
    found
}

/// What the engine may not say.
struct Words {
    /// Names that nobody else would think of; they may stand within others.
    names: BTreeSet<String>,
    /// Words that count only by themselves, in any case, of one thing or several.
    spoken: BTreeSet<String>,
    /// Words that plain English has, too. They count as the beginning of a name: `loan_id`, `loan-7`,
    /// `LoanView`.
    parts: BTreeSet<String>,
}

impl Words {
    /// Of the business in `functions`, without what the library has, too: the engine's tests run on it.
    fn of_the_business() -> Self {
        let list = root().join(SPOKEN_OF);
        let list = if list.is_file() {
            fs::read_to_string(list).expect("a list is text")
        } else {
            String::new()
        };
        let spoken = list.lines().filter(|line| !line.starts_with('#'));
        let mut words = Self::of(&functions::bundle(), spoken.map(str::to_owned));
        words.without(&Self::of(&library::bundle(), []));
        words.names.insert(THE_BUSINESS.to_owned());
        words
    }

    fn of(bundle: &Bundle, spoken: impl IntoIterator<Item = String>) -> Self {
        let mut words = Self {
            names: BTreeSet::from([THE_BUSINESS.to_owned()]),
            spoken: spoken.into_iter().collect(),
            parts: BTreeSet::new(),
        };
        for kind in &bundle.streams {
            let types = kind.commands.iter().chain(kind.events);
            words.names.extend(types.map(|name| (*name).to_owned()));
            words.add(kind.category.name());
        }
        for function in &bundle.registry.functions {
            if function.context != Context::DELIVERY && function.name != WATCHER {
                words.add(&function.name);
            }
        }
        for context in &bundle.contexts {
            words.add(context.name);
        }
        for outbound in &bundle.registry.outbound {
            words.add(outbound.queue);
        }
        words
    }

    fn without(&mut self, others: &Self) {
        self.names.retain(|name| !others.names.contains(name));
        self.parts.retain(|part| !others.parts.contains(part));
    }

    /// A name of several words is one that nobody else would think of.
    fn add(&mut self, name: &str) {
        if name.contains('-') {
            self.names.extend([name.to_owned(), name.replace('-', "_")]);
        } else if name.contains(char::is_uppercase) {
            self.names.insert(name.to_owned());
        } else if !self.spoken.contains(name) {
            self.parts.insert(name.to_owned());
        }
    }

    /// The words of the business in a line.
    fn named_in<'a>(&'a self, line: &'a str) -> impl Iterator<Item = String> + 'a {
        let names = self
            .names
            .iter()
            .filter(|name| line.contains(name.as_str()))
            .cloned();
        let small = line.to_lowercase();
        let spoken = self
            .spoken
            .iter()
            .filter(move |word| is_spoken(&small, word))
            .cloned();
        let parts = self.parts.iter().flat_map(|part| parts_in(line, part));
        names.chain(spoken).chain(parts)
    }
}

/// Whether a line in small letters has the word by itself, or several of its kind.
fn is_spoken(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].trim_start_matches('s').chars().next();
        let by_itself = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric());
        by_itself(before) && by_itself(after)
    })
}

/// How a line has the word as the beginning of a name.
fn parts_in(line: &str, word: &str) -> Vec<String> {
    let title = word[..1].to_uppercase() + &word[1..];
    let small = begun_with(line, word).filter(|next| ['_', '-'].contains(next));
    let large = begun_with(line, &title).filter(|next| next.is_uppercase());
    let small = small.map(|sign| format!("{word}{sign}"));
    small.chain(large.map(|_| format!("{title}…"))).collect()
}

/// What follows the word wherever a name in the line begins with it.
fn begun_with<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = char> + 'a {
    line.match_indices(word).filter_map(|(at, _)| {
        let before = line[..at].chars().next_back();
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        line[at + word.len()..].chars().next().filter(|_| begins)
    })
}
