//! All that a new command, step, event or outbound queue still lacks, in one list, before anything slow runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aws_adapters::kebab_case;
use bundle::Bundle;
use bundle::gaps::{Places, gaps};
use template::written::{Stale, stale};

/// Where this business declares what the engine asks for.
const PLACES: Places = Places {
    registry: "functions/src/registry.rs",
    streams: "functions/src/streams.rs",
    samples: "functions/src/samples.rs",
};

#[test]
fn nothing_is_missing_anywhere() {
    let bundle = functions::bundle();
    let mut missing = rules(&bundle);
    missing.extend(gaps(&bundle, PLACES));
    missing.extend(stale_files(&bundle));
    missing.extend(stale_catalogue(&bundle));
    missing.extend(pictures(&bundle));
    missing.extend(operators_page(&bundle));
    missing.extend(stored_forms(&bundle));
    missing.extend(untried(&bundle));
    assert!(
        missing.is_empty(),
        "{} things are missing:\n- {}\n",
        missing.len(),
        missing.join("\n- ")
    );
}

/// What other systems are told is what the messages are declared as.
fn stale_catalogue(bundle: &Bundle) -> Option<String> {
    let stale = catalogue::stale(bundle, &root()).expect("the files can be read");
    let first = stale.first()?.path().display();
    Some(format!(
        "{} files of the catalogue are not current, {first} among them: run `cargo catalogue`",
        stale.len()
    ))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the page is there")
}

/// Every decider of the domain is a declared kind of stream, and the tests of messages try it. Every step is one of a
/// set, and has a function.
fn rules(bundle: &Bundle) -> Vec<String> {
    const TRIED: &str = "shared/domain/src/lib.rs";
    let declared = read(PLACES.streams);
    let tried = read(TRIED);
    let tried: BTreeSet<_> = words(&tried).collect();
    let mut missing = Vec::new();
    for decider in implementations("Decider") {
        if !declared.contains(&format!("StreamKind::of::<{decider}>(")) {
            missing.push(format!(
                "{decider} decides for no declared kind of stream: add `StreamKind::of::<{decider}>(…)` in {}",
                PLACES.streams
            ));
        }
        if !tried.contains(decider.as_str()) {
            missing.push(format!(
                "the tests of messages do not try {decider}: add it to `with_deciders!` in {TRIED}"
            ));
        }
    }
    let sets = step_sets();
    let in_sets: BTreeSet<_> = sets.values().flatten().collect();
    for step in implementations("Step") {
        if !in_sets.contains(&step) {
            missing.push(format!(
                "{step} belongs to no saga: add it to the `steps!` of its file in shared/domain/src"
            ));
        }
        if bundle.registry.function(&kebab_case(&step)).is_none() {
            missing.push(format!(
                "{step} has no function: add `step::<{step}>(…)` to the list in {}",
                PLACES.registry
            ));
        }
    }
    missing
}

/// Every command, kind of stream, saga and event is tried by the tests that try all of them, each by name.
fn untried(bundle: &Bundle) -> Vec<String> {
    const MODELS: &[&str] = &[
        "shared/domain/tests/model",
        "shared/domain/tests/group_checkout_model",
    ];
    const ADD: &str = "add it";
    let kinds = || bundle.streams.iter();
    let commands: BTreeSet<String> = kinds()
        .flat_map(|kind| kind.commands)
        .map(|&name| name.to_owned())
        .collect();
    let events: BTreeSet<String> = kinds()
        .flat_map(|kind| kind.events)
        .map(|&name| name.to_owned())
        .collect();
    let sagas: BTreeSet<String> = step_sets().into_keys().collect();
    let lists = [
        (
            &commands,
            "random stories",
            &["shared/domain/tests/rules", "shared/domain/tests/group_checkout"][..],
            "add one to `commands()` in the file of its rule, with the tests of it,",
        ),
        (&implementations("Decider"), "the model checks", MODELS, ADD),
        (&sagas, "the model checks", MODELS, ADD),
        (
            &events,
            "the grammars of streams",
            &["shared/domain/tests/rules/grammar.rs"],
            "add a row for each state in which it may come",
        ),
    ];
    let missing = lists.into_iter().flat_map(|(names, which, places, what)| {
        let texts: String = places.iter().map(|place| text_of(&root().join(place))).collect();
        let tried: BTreeSet<_> = words(&texts).map(str::to_owned).collect();
        let untried: Vec<_> = names.difference(&tried).cloned().collect();
        untried
            .into_iter()
            .map(move |name| format!("{which} do not know {name}: {what} in {}", places.join(" or ")))
    });
    missing.collect()
}

/// The text of a file, or of all files in a folder.
fn text_of(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).expect("source is text");
    }
    let files = fs::read_dir(path).expect("the folder is there");
    let paths = files.map(|file| file.expect("a folder can be listed").path());
    paths.map(|path| text_of(&path)).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
}

/// The texts of the rules' files.
fn rule_files() -> Vec<String> {
    let sources = fs::read_dir(root().join("shared/domain/src")).expect("the rules are there");
    let paths = sources.map(|source| source.expect("a folder can be listed").path());
    let files = paths.filter(|path| path.is_file());
    files
        .map(|path| fs::read_to_string(path).expect("source is text"))
        .collect()
}

/// The names of all that implement a trait in the domain, as its sources declare them.
fn implementations(of: &str) -> BTreeSet<String> {
    let begin = format!("impl {of} for ");
    let files = rule_files();
    let lines = files.iter().flat_map(|text| text.lines());
    let names = lines.filter_map(|line| line.strip_prefix(&begin));
    names.map(|rest| rest.trim_end_matches(" {").to_owned()).collect()
}

/// The sets of steps by name, as the domain's sources declare them, each with its steps.
fn step_sets() -> BTreeMap<String, Vec<String>> {
    let files = rule_files();
    let declared = files.iter().flat_map(|text| text.split("\nsteps! {").skip(1));
    let set = |text: &str| {
        let (head, rest) = text.split_once("pub struct ")?.1.split_once('{')?;
        let steps = rest.split_once('}')?.0;
        Some((
            words(head).next()?.to_owned(),
            words(steps).map(str::to_owned).collect(),
        ))
    };
    declared.filter_map(set).collect()
}

/// What `cargo template` writes.
fn stale_files(bundle: &Bundle) -> Vec<String> {
    let stale = stale(bundle, &root()).expect("the files can be read");
    stale.iter().map(Stale::told).collect()
}

/// The README's pictures leave no command, step or event out. They are drawn from the samples, by a command that
/// has to be run first.
fn pictures(bundle: &Bundle) -> Vec<String> {
    const PAGE: &str = "README.md";
    let stale = stale(bundle, &root()).expect("the files can be read");
    if stale.iter().any(|file| file.path() == Path::new(PAGE)) {
        return vec![];
    }
    let page = read(PAGE);
    let drawn = drawn(&page);
    let kinds = bundle.streams.iter();
    let all: BTreeSet<_> = kinds
        .flat_map(|kind| kind.commands.iter().chain(kind.events))
        .collect();
    let missing = all.into_iter().filter(|name| !drawn.contains(**name));
    let told = |name| {
        format!(
            "{name} is in no picture of README.md: its function's context has to be in one of the `pictures` in {}; \
             then run `cargo template`",
            PLACES.registry
        )
    };
    missing.map(told).collect()
}

/// The words in a page's pictures.
fn drawn(page: &str) -> BTreeSet<&str> {
    let pictures = page
        .split("```mermaid")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    pictures.flat_map(words).collect()
}

/// The page for operators explains each late fact.
fn operators_page(bundle: &Bundle) -> Vec<String> {
    const PAGE: &str = "functions/README.md";
    const TABLE: &str = "its table of late facts";
    let page = read(PAGE);
    let explained = page.split("## Late facts").nth(1).unwrap_or_default().lines();
    let explained = explained.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let explained: BTreeSet<_> = explained.collect();
    let functions = bundle.registry.functions.iter();
    let late: BTreeSet<_> = functions
        .flat_map(|function| function.late_facts)
        .copied()
        .collect();
    let lacking = late.difference(&explained);
    let lacking = lacking.map(|name| format!("{PAGE} lacks {name}: add it to {TABLE}"));
    let left = explained.difference(&late);
    let left =
        left.map(|name| format!("{PAGE} has {name}, which is not there any more: take it out of {TABLE}"));
    lacking.chain(left).collect()
}

/// What is written has a stored sample of its form, which is read for ever.
fn stored_forms(bundle: &Bundle) -> Vec<String> {
    let events = bundle.streams.iter().flat_map(|kind| kind.events);
    let events = events.map(|event| format!("events/{event}.jsonl"));
    let sent: BTreeSet<_> = bundle
        .registry
        .functions
        .iter()
        .flat_map(|function| &function.sends_to)
        .collect();
    let messages = sent.into_iter().map(|queue| format!("messages/{queue}.jsonl"));
    let folder = |version: u32| root().join(format!("functions/tests/schema/v{version}"));
    let mut newest = 1;
    while folder(newest + 1).exists() {
        newest += 1;
    }
    let files = events.chain(messages);
    let missing = files.filter(|file| !(1..=newest).any(|version| folder(version).join(file).exists()));
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return vec![];
    }
    vec![format!(
        "functions/tests/schema/v{newest} lacks {}, the forms in which that is stored or sent: run \
         `WRITE_SCHEMA=1 cargo test -p functions --test business what_is_written`",
        missing.join(", ")
    )]
}

/// Samples as a hasty author writes them: one about a guest of another sample, one of another command.
mod hasty {
    use bundle::{Given, Sample};
    use domain::guest_stay::CheckInGuest;

    pub(crate) fn of_another_command() -> Sample {
        let guest_stay_id = "sample-check-in-guest-ada".parse().expect("an id");
        Given::nothing()
            .command(&CheckInGuest { guest_stay_id })
            .sends(&["WithdrawOrder"])
    }
}

#[test]
fn whatever_is_missing_is_told_with_its_place_and_what_to_write_there() {
    let mut bundle = functions::bundle();
    let registry = &mut bundle.registry;
    registry
        .functions
        .retain(|function| function.name != "fail-payment");
    registry
        .outbound
        .retain(|queue| queue.queue != "group-checkout-notifications");
    let charge = registry
        .functions
        .iter()
        .position(|function| function.name == "record-charge");
    let charge = registry.functions.remove(charge.expect("it is a function"));
    registry.functions.push(charge.sample(hasty::of_another_command));
    let stay = bundle::command::<domain::guest_stay::RecordPayment>(
        bundle::Context::new("guest-stay", "Guest stay"),
        bundle::Sender::Outside,
        "Records what a guest has paid",
    );
    registry.functions.retain(|function| function.name != stay.name);
    registry.functions.push(stay);
    let found = gaps(&bundle, PLACES);
    let expected = [
        "FailPayment has no function: add `command::<FailPayment>(…)` to the list in functions/src/registry.rs",
        "nobody listens to GroupCheckoutCompleted: in functions/src/registry.rs, add a step for it, or its name to an \
         outbound queue, or declare it with `.unheard(&[GroupCheckoutCompleted::TYPE])` at the function that records it",
        "no sample records PaymentFailedLate: add one that does in functions/src/samples.rs, or take the event out of its \
         `events!`",
        "nobody counts the late fact PaymentFailedLate: add `.counting(&[PaymentFailedLate::TYPE])` to the function \
         that records it in functions/src/registry.rs",
        "simulate-payment-gateway sends to fail-payment, which is no queue: add a line for it to the list in \
         functions/src/registry.rs",
        "record-payment has no sample: write `fn record_payment() -> Sample` in functions/src/samples.rs, and add \
         `.sample(…record_payment)` to its line in functions/src/registry.rs",
        "the sample record-charge-2 in functions/src/samples.rs is a CheckInGuest, which its function does not take",
        "the sample record-charge-2 in functions/src/samples.rs sends to withdraw-order, which its function is not \
         declared to",
        "the samples check-in-guest and record-charge-2 in functions/src/samples.rs are both about \
         guestStay-sample-check-in-guest-ada: give each things of its own",
    ];
    for line in expected {
        assert!(
            found.iter().any(|gap| gap == line),
            "{line}\nis not in\n{}",
            found.join("\n")
        );
    }
}
