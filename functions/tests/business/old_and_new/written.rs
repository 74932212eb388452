//! The form of everything that is written: unchanged as long as its version is, and read for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use bundle::Function;
use eventsourcing::Unreadable;
use serde_json::{Value, json};
use testkit::instance::{again, instance, invoke, queue_record};

use super::{folder, writes};
use crate::stories::Stories;

/// Samples by file: each event as it is stored by its type, each message as it is sent by its queue.
type Samples = BTreeMap<String, Vec<String>>;

/// The scenarios at their ends, and a result that came too late for its group, which none of them has.
async fn told_late(stories: Stories) -> Stories {
    let late =
        json!({ "group_checkout_id": "demo-wedding", "guest_stay_id": "demo-ada", "outcome": "failed" });
    let late = json!({ "command": late }).to_string();
    stories.bundle.send("record-guest-checkout", &late).await;
    stories.bundle.settle().await;
    stories
}

/// What the scenarios write today, as stored or sent.
fn written_today(stories: &Stories) -> Samples {
    let mut samples = Samples::new();
    for item in stories.bundle.raw_commits() {
        for event in item["events"]["L"].as_array().expect("a commit holds events") {
            let event = &event["M"];
            if event["causation_id"]["S"] == "demo" {
                // Put there by the scenario of an account from the future.
                continue;
            }
            let number = event["schema_version"]["N"]
                .as_str()
                .and_then(|n| n.parse::<u64>().ok());
            let stored = json!({
                "event_type": event["event_type"]["S"],
                "schema_version": number,
                "data": event["data"]["S"],
            });
            let file = format!("events/{}", event["event_type"]["S"].as_str().unwrap_or_default());
            samples.entry(file).or_default().push(stored.to_string());
        }
    }
    for (queue, bodies) in &stories.accepted {
        // A bare message is its sender's, in whatever form that likes.
        let own = bodies.iter().filter(|body| body.contains("\"causation_id\""));
        samples
            .entry(format!("messages/{queue}"))
            .or_default()
            .extend(own.cloned());
    }
    samples.retain(|_, samples| !samples.is_empty());
    samples
}

/// The names and kinds of all that is in it; of a stored event, of what is in its data.
fn form(sample: &str) -> String {
    let mut sample: Value = serde_json::from_str(sample).expect("a sample is JSON");
    if let Some(data) = sample["data"].as_str() {
        sample["data"] = serde_json::from_str(data).expect("data is JSON");
    }
    kind(&sample).to_string()
}

fn kind(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(entries) => json!([entries.first().map(kind)]),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), kind(value)))
            .collect(),
    }
}

fn version_of(sample: &str) -> u64 {
    let sample: Value = serde_json::from_str(sample).expect("a sample is JSON");
    sample["schema_version"].as_u64().unwrap_or(1)
}

fn read(version: u64, file: &str) -> Vec<String> {
    let path = folder(version).join(file).with_extension("jsonl");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// All that was ever written under `events` or `messages`: the name of the file, and a line.
fn all_written(what: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for version in 1.. {
        if !folder(version).exists() {
            break;
        }
        let files = fs::read_dir(folder(version).join(what)).expect("every version has them");
        for file in files {
            let path = file.expect("the folder can be read").path();
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .expect("a name")
                .to_owned();
            let lines = read(version, &format!("{what}/{name}"));
            all.extend(lines.into_iter().map(|line| (name.clone(), line)));
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn what_is_written_has_the_form_that_its_version_has_always_had() {
    let stories = told_late(Stories::play().await).await;
    let mut changed = Vec::new();
    for (file, samples) in written_today(&stories) {
        for sample in samples {
            let version = version_of(&sample);
            let mut known = read(version, &file);
            let forms: BTreeSet<_> = known.iter().map(|known| form(known)).collect();
            if forms.contains(&form(&sample)) {
                continue;
            }
            if writes() {
                known.push(sample);
                let path = folder(version).join(&file).with_extension("jsonl");
                fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
                fs::write(path, known.join("\n") + "\n").expect("it can be written");
            } else {
                changed.push(format!("{file}, version {version}: {}", form(&sample)));
            }
        }
    }
    assert!(
        changed.is_empty(),
        "forms that version has never had; a new form is a new version with a lift from the old one, or, \
         if old code can read it, added by WRITE_SCHEMA=1:\n{}",
        changed.join("\n")
    );
}

/// Reads a stored event and answers how it is written today.
fn rewritten(event_type: &str, version: u32, data: &str) -> Result<(u32, String), Unreadable> {
    let bundle = functions::bundle();
    let mut read = bundle
        .streams
        .iter()
        .map(|kind| (kind.rewrite)(event_type, version, data));
    read.find(|read| *read != Err(Unreadable::UnknownType))
        .unwrap_or(Err(Unreadable::UnknownType))
}

#[test]
fn every_event_that_was_ever_stored_can_be_read_and_is_written_as_it_was() {
    let mut seen = BTreeSet::new();
    for (name, line) in all_written("events") {
        let stored: Value = serde_json::from_str(&line).expect("a sample is JSON");
        let version = u32::try_from(version_of(&line)).expect("versions are small");
        let data = stored["data"].as_str().expect("data is text");
        let (today, json) = rewritten(&name, version, data).unwrap_or_else(|why| panic!("{line}: {why}"));
        if today == version {
            assert_eq!(json, data, "{name} is written in another way now");
        }
        seen.insert(name);
    }
    let bundle = functions::bundle();
    let known = bundle.streams.iter().flat_map(|kind| kind.events);
    let known: BTreeSet<_> = known.map(|&name| name.to_owned()).collect();
    assert_eq!(seen, known, "types without a sample");
}

#[tokio::test(start_paused = true)]
async fn every_message_that_was_ever_sent_is_taken_today() {
    // The streams that the messages are about have come to their ends, so each is a late repeat. All samples are
    // played with the scenarios: a message may have been stored of one when no scenario reached its function yet.
    let stories = told_late(Stories::with_all_samples().await).await;
    let bundle = &stories.bundle;
    let messages = all_written("messages");
    let mut read = BTreeSet::new();
    for function in &bundle.stack.registry().functions {
        let Some(queue) = function.queue() else { continue };
        let taken = instance(bundle, &function.name);
        for (_, body) in messages.iter().filter(|(of, _)| of == queue) {
            let event = json!({ "Records": [queue_record("m-1", body, Duration::ZERO)] });
            let answer = invoke(&*taken, event)
                .await
                .expect("an event of the mapping can be read");
            let letters = bundle.take_letters(queue).await;
            assert_eq!((again(&answer), letters), (vec![], vec![]), "{queue}: {body}");
        }
        if messages.iter().any(|(of, _)| of == queue) {
            read.insert(queue.to_owned());
        }
    }
    // Those that nobody but people and gateways sends have no form of ours.
    let own = written_today(&stories);
    let own: BTreeSet<_> = own
        .keys()
        .filter_map(|file| file.strip_prefix("messages/"))
        .map(str::to_owned)
        .collect();
    let unread: BTreeSet<_> = own.difference(&read).map(String::as_str).collect();
    // Those of outbound queues that only systems outside read.
    let registry = bundle.stack.registry();
    let taken: BTreeSet<_> = registry.functions.iter().filter_map(Function::queue).collect();
    let outbound = registry.outbound.iter().map(|outbound| outbound.queue);
    let outside: BTreeSet<_> = outbound.filter(|queue| !taken.contains(queue)).collect();
    assert_eq!(unread, outside, "queues whose messages nobody read");
}
