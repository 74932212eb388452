//! Nonsense on queues and in the event table: nothing panics, nothing is lost, and nobody else is harmed.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use aws_adapters::Routes;
use bundle::sample::files;
use bundle::{Comes, Function, RELAY};
use futures::FutureExt;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::fuzz::{LONGEST, assert_tell_nothing, cases_and_seed, on_every_queue};
use testkit::instance::{again, instance, invoke};
use testkit::logs::Logs;
use testkit::nonsense::{Nonsense, SECRET};
use testkit::running::{Running, text};

use crate::options;

#[tokio::test(start_paused = true)]
async fn nonsense_on_every_queue_is_taken_or_in_its_dead_letter_queue_with_a_reason() {
    on_every_queue(&options()).await;
}

#[tokio::test(start_paused = true)]
async fn nonsense_in_the_event_table_is_in_the_outbox_and_its_neighbours_are_delivered() {
    let (logs, _guard) = Logs::capture();
    let bundle = &Running::start(StackOptions {
        functions: false,
        ..options()
    })
    .await;
    let registry = bundle.stack.registry();
    let routes = registry.routes();
    let samples = registry.function(RELAY).map(Function::samples);
    let sample = samples.and_then(|samples| samples.into_iter().next());
    let Some(Comes::Record(commit)) = sample.map(|sample| sample.comes) else {
        panic!("the relay has the sample of a record");
    };
    let events = commit.events.iter();
    let wanted: usize = events.map(|event| routes.of(&event.event_type).len()).sum();
    let good = insertion(&files::item(&commit));
    let (category, _) = text_of(&good, "stream_id")
        .split_once('-')
        .expect("it is a stream");
    let relay = instance(bundle, RELAY);
    let (cases, seed) = cases_and_seed();
    let mut nonsense = Nonsense::by_seed(seed);
    let mut tried = BTreeMap::new();
    for round in 0..cases {
        bundle.forget_calls();
        let mut bad = nonsense.record(&good);
        // Of a stream of its own, by which its entry is known.
        let stream = format!("{category}-nonsense-{round}");
        for place in ["Keys", "NewImage"] {
            bad["dynamodb"][place]["stream_id"]["S"] = json!(stream);
        }
        bad["dynamodb"]["SequenceNumber"] = json!(format!("{}", 1000 + round));
        let event = json!({ "Records": [good, bad, good] });
        let answer = AssertUnwindSafe(invoke(&*relay, event)).catch_unwind().await;
        let Ok(answer) = answer else {
            panic!("the relay panicked on {bad:#}")
        };
        let answer = answer.expect("an event of the mapping can be read");
        assert_eq!(
            again(&answer),
            [""; 0],
            "the shard stands still because of {bad:#}"
        );
        let delivered = sent_by_relay(bundle);
        let of_stream = |stream: &str| delivered.iter().filter(|sent| sent.contains(stream)).count();
        assert_eq!(
            of_stream(text_of(&good, "stream_id")),
            2 * wanted,
            "the neighbours of {bad:#}"
        );
        assert_tell_nothing(&logs.take());
        tried.insert(stream, bad);
    }
    let outbox = bundle.outbox().await;
    for entry in &outbox {
        assert!(
            tried.remove(text(entry, "stream_id")).is_some(),
            "nobody tried {entry:?}"
        );
        let error = text(entry, "last_error");
        assert!(!error.is_empty() && error.chars().count() <= LONGEST, "{error:?}");
        assert!(!error.contains(SECRET), "{error:?}");
    }
    for record in tried.values() {
        assert!(is_fine(record, &routes), "{record:#} is gone");
    }
    let in_outbox = outbox.len();
    println!("{cases} stream records: {in_outbox} in the outbox, seed {seed}");
    assert!(in_outbox as u64 > cases / 2, "only {in_outbox}");
}

/// The bodies that the relay put on queues.
fn sent_by_relay(bundle: &Running) -> Vec<String> {
    let calls = bundle.calls_of(RELAY, "SendMessageBatch");
    let entries = calls
        .iter()
        .flat_map(|call| call.request["Entries"].as_array().cloned().unwrap_or_default());
    entries
        .filter_map(|entry| entry["MessageBody"].as_str().map(str::to_owned))
        .collect()
}

/// Whether a record can be delivered in spite of what was done to it, or is nobody's to deliver.
fn is_fine(record: &Value, routes: &Routes) -> bool {
    let image = &record["dynamodb"]["NewImage"];
    let event = &image["events"]["L"][0];
    let data = event["M"]["data"]["S"].as_str().unwrap_or_default();
    routes.of(type_of(event)).is_empty()
        || serde_json::from_str::<Box<serde_json::value::RawValue>>(data).is_ok()
}

fn type_of(event: &Value) -> &str {
    event["M"]["event_type"]["S"].as_str().unwrap_or_default()
}

fn text_of<'a>(record: &'a Value, key: &str) -> &'a str {
    record["dynamodb"]["Keys"][key]["S"].as_str().unwrap_or_default()
}

/// The record of the stream that an item's insertion makes.
fn insertion(item: &Value) -> Value {
    json!({
        "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_420_800.0,
            "Keys": { "stream_id": item["stream_id"], "revision": item["revision"] },
            "NewImage": item,
            "SequenceNumber": "111",
            "SizeBytes": 1,
            "StreamViewType": "NEW_IMAGE",
        },
    })
}
