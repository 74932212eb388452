//! What other systems are told of the business's messages: that it is current, that it is true, and that it keeps what
//! it promised.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use catalogue::compatibility::{Rule, breaks};
use catalogue::released::{RELEASED, record};
use catalogue::{FOLDER, Message};
use serde_json::Value;
use template::written::Stale;
use testkit::agreement::{explained, judged};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_catalogue_that_is_checked_in_is_what_the_functions_declare() {
    let stale = catalogue::stale(&functions::bundle(), &root()).expect("the files can be read");
    let stale: Vec<_> = stale.iter().map(Stale::path).collect();
    assert!(
        stale.is_empty(),
        "run `cargo catalogue`: {stale:?} are not current"
    );
}

#[test]
fn every_command_and_event_is_in_the_catalogue_with_a_whole_one_to_look_at() {
    let bundle = functions::bundle();
    let messages = Message::all(&bundle);
    let declared = bundle
        .streams
        .iter()
        .flat_map(|kind| kind.commands.iter().chain(kind.events));
    let mut declared: Vec<_> = declared.copied().collect();
    let mut told: Vec<_> = messages.iter().map(Message::name).collect();
    declared.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, declared);
    for message in &messages {
        assert!(!message.examples.is_empty(), "{} has no example", message.name());
        for example in &message.examples {
            assert_eq!(message.read(example), Ok(()), "{example}");
        }
        assert!(
            !message.shape.about.is_empty(),
            "{} has no description",
            message.name()
        );
    }
}

/// The same bodies, with what the readers make of them, for other judges: `infra/catalogue/check` has another
/// validator judge them.
#[test]
fn whatever_a_reader_refuses_its_schema_refuses_and_the_other_way_round() {
    let judged = judged(&functions::bundle(), 400, testkit::setting("SEED", 20_261_129));
    let disagreements = judged.iter().filter(|one| one.is_disagreement());
    let disagreements: Vec<_> = disagreements
        .map(|one| (one.message, &one.refused, &one.body))
        .collect();
    assert!(
        disagreements.is_empty(),
        "{} disagreements, such as {:#?}",
        disagreements.len(),
        &disagreements[..disagreements.len().min(10)]
    );
    let refused = judged.iter().filter(|one| one.refused.is_some()).count();
    println!(
        "{} bodies of {} messages, {} taken and {refused} refused; what JSON Schema can't say: {:?}",
        judged.len(),
        judged
            .iter()
            .map(|one| one.message)
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        judged.len() - refused,
        explained(&judged),
    );
    assert!(
        refused > 5_000 && judged.len() - refused > 5_000,
        "too few of one kind to say anything"
    );
    let lines: Vec<_> = judged.iter().map(|one| one.line().to_string()).collect();
    let lines = lines.join("\n") + "\n";
    fs::write(
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("judged-messages.jsonl"),
        lines,
    )
    .expect("a file");
}

fn released() -> Value {
    let text = fs::read_to_string(root().join(FOLDER).join(RELEASED)).expect("a release is recorded");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn nothing_that_the_last_release_promised_is_broken() {
    let broken = catalogue::released::breaks(&functions::bundle(), &root()).expect("the record can be read");
    let broken: Vec<_> = broken.iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Each message is changed in each way that its senders or readers would notice.
#[test]
fn whatever_would_break_a_sender_or_a_reader_is_found_and_told_by_its_rule() {
    let released = released();
    let now: Value = serde_json::from_str(&record(&functions::bundle())).expect("it is JSON");
    assert!(breaks(&released, &now).is_empty());
    let mut found: BTreeMap<Rule, usize> = BTreeMap::new();
    for (message, promise) in released["messages"].as_object().expect("messages") {
        let content = format!(
            "{message}{}",
            if promise["schema"]["properties"]["command"].is_null() {
                "Event"
            } else {
                "Command"
            }
        );
        let properties = &promise["schema"]["$defs"][&content]["properties"];
        for field in properties.as_object().into_iter().flatten().map(|(name, _)| name) {
            let ways: [fn(&mut Value, &str); 2] = [
                |fields, field| drop(fields.as_object_mut().expect("fields").remove(field)),
                |fields, field| fields[field] = serde_json::json!({ "type": "boolean" }),
            ];
            for way in ways {
                let mut changed = now.clone();
                way(
                    &mut changed["messages"][message]["schema"]["$defs"][&content]["properties"],
                    field,
                );
                let told = breaks(&released, &changed);
                assert_eq!(told.len(), 1, "{message} {field}: {told:?}");
                assert!(told[0].what.contains(field), "{told:?}");
                *found.entry(told[0].rule).or_default() += 1;
            }
        }
        let mut gone = now.clone();
        gone["messages"][message].take();
        let told = breaks(&released, &gone);
        assert_eq!(
            told.iter().map(|one| one.rule).collect::<Vec<_>>(),
            [Rule::TypeStays],
            "{message}"
        );
    }
    println!("{found:?}");
    assert!(
        found[&Rule::CommandTakesNoLess] > 50 && found[&Rule::EventTellsNoOther] > 50,
        "{found:?}"
    );
}
