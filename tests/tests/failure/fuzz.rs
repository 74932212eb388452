//! Nonsense on every queue: no panic, each bad message in its dead-letter queue with a reason, the rest of
//! its batch unharmed, and not a word of it in a log line.
//!
//! Functions are invoked with Lambda's own events, which also bring what a queue would not have taken.
//! `FUZZ_CASES` is how many inputs each queue gets (90), `FUZZ_SEED` which ones.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use aws_adapters::{Handler, MAX_MESSAGE_BYTES, MAX_RECEIVE_COUNT, Routes};
use bundle::{RELAY, Trigger};
use eventsourcing::Shape;
use futures::FutureExt;
use serde_json::{Value, json};
use testkit::bundle::{Bundle, Letter, text};
use testkit::instance::{again, instance, invoke, queue_record};
use testkit::logs::{Line, Logs};
use testkit::nonsense::{Nonsense, SECRET};
use testkit::stories::Stories;

use super::setting;

/// What a log says of a message that was taken.
const TAKEN: [&str; 6] = [
    "recorded",
    "nothing to do",
    "reacted",
    "answered",
    "not due",
    "saved in the outbox",
];
/// The longest text in a log line, and in an attribute of a letter.
const LONGEST: usize = 1_000;

/// What Lambda says of records that it gave up; the stream does not hold them any more.
const GIVEN_UP: &str = r#"{
    "requestContext": {"requestId": "r", "functionArn": "f", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 11},
    "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    "version": "1.0", "timestamp": "2026-11-23T08:00:00.000Z",
    "DDBStreamBatchInfo": {
        "shardId": "shardId-0", "startSequenceNumber": "1", "endSequenceNumber": "2", "batchSize": 2,
        "approximateArrivalOfFirstRecord": "2026-11-23T08:00:00Z", "approximateArrivalOfLastRecord": "2026-11-23T08:00:00Z",
        "streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/gone/stream/2026-11-23T08:00:00.000"
    }
}"#;

/// What became of the inputs of one queue.
#[derive(Debug, Default)]
struct Tally {
    inputs: usize,
    taken: usize,
    refused: BTreeMap<String, usize>,
    left_to_the_queue: usize,
}

#[tokio::test(start_paused = true)]
async fn nonsense_on_any_queue_ends_in_its_dead_letter_queue_and_harms_nobody_else() {
    let (logs, _guard) = Logs::capture();
    let stories = Stories::play().await;
    logs.take();
    let (cases, seed) = (setting("FUZZ_CASES", 90), setting("FUZZ_SEED", 1));
    let mut inputs = 0;
    let functions = stories.bundle.stack.registry().functions.iter();
    for (number, function) in functions.enumerate() {
        let Some(queue) = function.queue() else { continue };
        let target = Target {
            stories: &stories,
            logs: &logs,
            name: &function.name,
            queue,
            good: match function.trigger {
                Trigger::GivenUpRecords => GIVEN_UP,
                _ => stories.sample(queue),
            },
            by_shape: function.shape().as_ref().map(at_the_edges).unwrap_or_default(),
            function: instance(&stories.bundle, &function.name),
        };
        let mut nonsense = Nonsense::by_seed(seed.wrapping_add(number as u64));
        let mut tally = Tally::default();
        while tally.inputs < usize::try_from(cases).expect("so many fit") {
            let nine: Vec<_> = (0..9)
                .map(|_| nonsense.message(target.good, &target.by_shape))
                .collect();
            target.take(&nine, &mut tally).await;
        }
        println!(
            "{:<32} {} inputs: {} taken, {:?}, {} left to the queue's redrive",
            function.name, tally.inputs, tally.taken, tally.refused, tally.left_to_the_queue
        );
        assert!(tally.refused["malformed"] > tally.inputs / 4, "{tally:?}");
        inputs += tally.inputs;
    }
    println!("{inputs} inputs in all, seed {seed}");
}

/// Messages of a shape that are right or wrong by one field.
fn at_the_edges(shape: &Shape) -> Vec<String> {
    let wrong = shape.wrong().into_iter().map(|wrong| wrong.json);
    shape.samples().into_iter().chain(wrong).collect()
}

/// A function whose queue gets nonsense.
struct Target<'a> {
    stories: &'a Stories,
    logs: &'a Logs,
    name: &'a str,
    queue: &'a str,
    good: &'a str,
    /// What its fields may just hold, and what they may not.
    by_shape: Vec<String>,
    function: std::sync::Arc<dyn Handler>,
}

impl Target<'_> {
    /// Has it take one batch: the nonsense, and in the middle of it a message that is all right.
    async fn take(&self, nonsense: &[String], tally: &mut Tally) {
        let bundle = &self.stories.bundle;
        let good = self.good;
        let mut bodies: Vec<_> = nonsense.iter().map(String::as_str).collect();
        let middle = bodies.len() / 2;
        bodies.insert(middle, good);
        // On its last receive, so that whatever is not taken has to end.
        let record =
            |(place, body): (usize, &&str)| queue_record(&format!("m-{place}"), body, MAX_RECEIVE_COUNT);
        let records: Vec<_> = bodies.iter().enumerate().map(record).collect();
        let event = json!({ "Records": records });
        let answer = AssertUnwindSafe(invoke(&*self.function, event))
            .catch_unwind()
            .await;
        let Ok(answer) = answer else {
            panic!("{} panicked on one of {nonsense:#?}", self.name);
        };
        let answer = answer.expect("an event of the mapping can be read");
        let again = again(&answer);
        let mut letters = bundle.take_letters(self.queue).await;
        let lines = self.logs.take();
        bundle.forget_calls();
        for (place, body) in bodies.iter().enumerate() {
            let id = format!("m-{place}");
            let came_again = again.contains(&id.as_str());
            let letter = letters.iter().position(|letter| letter.body == **body);
            let letter = letter.map(|at| letters.swap_remove(at));
            if place == middle {
                let refused = letter
                    .as_ref()
                    .map_or("", |letter| letter.attribute("error_code"));
                let expected = if good == GIVEN_UP { "rejected" } else { "" };
                assert!(
                    !came_again && refused == expected,
                    "{} harmed its neighbour {good}: {refused}",
                    self.name
                );
                continue;
            }
            tally.inputs += 1;
            match letter {
                Some(letter) => {
                    assert!(!came_again, "{}: {body:?} is there twice", self.name);
                    assert_has_reason(&letter, self.name);
                    *tally
                        .refused
                        .entry(letter.attribute("error_code").to_owned())
                        .or_default() += 1;
                }
                None if came_again => {
                    assert!(no_letter_can_hold(body), "{}: {body:?} comes again", self.name);
                    tally.left_to_the_queue += 1;
                }
                None => {
                    assert!(was_taken(&lines, &id), "{}: {body:?} is gone", self.name);
                    tally.taken += 1;
                }
            }
        }
        // Other letters are what the stack's own functions say to what followed from the nonsense.
        assert_tell_nothing(&lines);
    }
}

/// Whether the dead-letter queue would refuse the body, so that it is left to SQS to move it. SQS would
/// not have brought such a body, unless it is just too long for the attributes that say why.
fn no_letter_can_hold(body: &str) -> bool {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    body.is_empty() || body.len() > MAX_MESSAGE_BYTES - 2 * LONGEST || !body.chars().all(allowed)
}

#[track_caller]
fn assert_has_reason(letter: &Letter, function: &str) {
    let code = letter.attribute("error_code");
    assert!(
        ["malformed", "rejected", "exhausted"].contains(&code),
        "{letter:?}"
    );
    let error = letter.attribute("error");
    assert!(!error.is_empty() && error.chars().count() <= LONGEST, "{error:?}");
    assert!(!error.contains(SECRET), "{error:?}");
    assert_eq!(letter.attribute("function"), function);
}

fn was_taken(lines: &[Line], message_id: &str) -> bool {
    let mut of_message = lines
        .iter()
        .filter(|line| line.get("message_id").is_some_and(|id| id == message_id));
    of_message
        .next_back()
        .is_some_and(|line| TAKEN.contains(&line["outcome"].as_str()))
}

/// No line holds any of the nonsense, or anything that would not fit on a line.
fn assert_tell_nothing(lines: &[Line]) {
    for (name, value) in lines.iter().flatten() {
        assert!(!value.contains(SECRET), "{name} tells a payload: {value:?}");
        assert!(
            value.chars().count() <= LONGEST,
            "{name} is {} characters long",
            value.chars().count()
        );
        assert!(
            !value.contains(char::is_control),
            "{name} holds a control character: {value:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nonsense_in_the_event_table_is_in_the_outbox_and_its_neighbours_are_delivered() {
    let (logs, _guard) = Logs::capture();
    let stories = Stories::play().await;
    logs.take();
    let bundle = &stories.bundle;
    let routes = bundle.stack.registry().routes();
    let queues = |item: &Value| {
        let events = item["events"]["L"].as_array().cloned().unwrap_or_default();
        let queues = events.iter().map(|event| routes.of(type_of(event)).len());
        queues.sum::<usize>()
    };
    let commits = bundle.raw_commits();
    let good = commits.iter().find(|item| queues(item) == 1);
    let good = insertion(good.expect("an event goes to one queue"));
    let (category, _) = text_of(&good, "stream_id")
        .split_once('-')
        .expect("it is a stream");
    let relay = instance(bundle, RELAY);
    let (cases, seed) = (setting("FUZZ_CASES", 90), setting("FUZZ_SEED", 1));
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
            2,
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
fn sent_by_relay(bundle: &Bundle) -> Vec<String> {
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
