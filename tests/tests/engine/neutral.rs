//! The engine names no business: whoever brings another one has nothing to change outside of
//! `shared/domain` and `functions`.
//!
//! The words come from this repository's own bundle, and so does the list of what may not be said in the
//! sources, scripts and tests of the engine. Pages are for readers and may give examples; `tests/outside` is
//! the contract's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bundle::{Bundle, Context};

/// The engine, from the workspace's root.
const ENGINE: [&str; 5] = [
    "shared/eventsourcing",
    "shared/aws",
    "shared/bundle",
    "infra",
    "tests",
];

/// What is not the engine's in these folders: the contract's tests, the samples that are written from the
/// registry, and this list of words.
const NOT_THE_ENGINES: [&str; 3] = ["tests/outside", "tests/events", "tests/tests/engine/neutral.rs"];

/// What a business of orders and hotels speaks of, beside the names in its bundle.
const SPOKEN_OF: [&str; 6] = ["cart", "guest", "shipment", "payment", "hotel", "carrier"];

/// How the programs get the business; only their `main.rs` may say so.
const THE_BUSINESS: &str = "functions::bundle";

#[test]
fn no_source_script_or_test_of_the_engine_names_the_business() {
    let words = Words::of(&functions::bundle());
    let (mut read, mut found) = (0, Vec::new());
    for path in ENGINE.iter().flat_map(|folder| files(&root().join(folder))) {
        // A file that is no text, such as a database, names nothing.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        read += 1;
        let place = path.strip_prefix(root()).unwrap_or(&path).display();
        let gets_it = path.file_name().is_some_and(|name| name == "main.rs");
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
    let words = Words::of(&functions::bundle());
    for (line, word) in [
        ("use domain::OrderCancelled;", "OrderCancelled"),
        ("bundle.send(\"finalize-cart\", body)", "finalize-cart"),
        ("fn finalize_cart() {}", "finalize_cart"),
        ("OnOrderConfirmed", "OrderConfirmed"),
        ("\"groupCheckout-g-1\"", "groupCheckout"),
        ("\"local-payment-gateway\"", "payment-gateway"),
        ("/// Of a Guest's stay.", "guest"),
        ("let carts = 7;", "cart"),
        ("\"order_id\"", "order_"),
        ("format!(\"order-{id}\")", "order-"),
        ("struct OrderView;", "Order…"),
        ("run(functions::bundle())", THE_BUSINESS),
    ] {
        let found: Vec<_> = words.named_in(line).collect();
        assert!(found.iter().any(|found| found == word), "{line}: {found:?}");
    }
    for line in [
        "// In the order in which they came, or reordered.",
        "Order::Shuffled(seed)",
        "// What no queue carries as it is; some are called off.",
        "border-color, recorder_id, ByteOrderMark",
        "fn they_come_in_the_order_of_the_batch() {}",
        "let functions = registry.functions;",
    ] {
        let found: Vec<_> = words.named_in(line).collect();
        assert!(found.is_empty(), "{line}: {found:?}");
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

/// All files below a folder but pages, what is built, and what is not the engine's.
fn files(folder: &Path) -> Vec<PathBuf> {
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
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_none_or(|extension| extension != "md") {
            found.push(path);
        }
    }
    found
}

/// What the engine may not say.
struct Words {
    /// Names that nobody else would think of; they may stand within others.
    names: BTreeSet<String>,
    /// Words that count only by themselves, in any case, of one thing or several.
    spoken: BTreeSet<String>,
    /// Words that plain English has, too. They count as the beginning of a name: `order_id`, `order-7`,
    /// `OrderView`.
    parts: BTreeSet<String>,
}

impl Words {
    fn of(bundle: &Bundle) -> Self {
        let mut words = Self {
            names: BTreeSet::from([THE_BUSINESS.to_owned()]),
            spoken: SPOKEN_OF.map(str::to_owned).into(),
            parts: BTreeSet::new(),
        };
        for kind in &bundle.streams {
            let types = kind.commands.iter().chain(kind.events);
            words.names.extend(types.map(|name| (*name).to_owned()));
            words.add(kind.category.name());
        }
        for function in &bundle.registry.functions {
            if function.context != Context::DELIVERY {
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
