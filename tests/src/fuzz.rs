//! Nonsense on every queue of a bundle: no panic, each bad message in its dead-letter queue with a reason, the
//! rest of its batch unharmed, and not a word of it in a log line.
//!
//! Functions are invoked with Lambda's own events, which also bring what a queue would not have taken.
//! `FUZZ_CASES` is how many inputs each queue gets (90), `FUZZ_SEED` which ones.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use aws_adapters::{GIVE_UP_FAILING, Handler, MAX_MESSAGE_BYTES};
use bundle::Trigger;
use eventsourcing::Shape;
use futures::FutureExt;
use local::StackOptions;
use serde_json::json;

use crate::instance::{again, instance, invoke, queue_record};
use crate::logs::{Line, Logs};
use crate::nonsense::{Nonsense, SECRET};
use crate::running::{Letter, Running};
use crate::sampled::alone;
use crate::setting;

/// What a log says of a message that was taken.
const TAKEN: [&str; 9] = [
    "recorded",
    "nothing to do",
    "reacted",
    "answered",
    "not due",
    "saved in the outbox",
    "shown",
    "known",
    "nothing to show",
];
/// The longest text in a log line, and in an attribute of a letter.
pub const LONGEST: usize = 1_000;

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

/// How many inputs each queue gets, and by which seed.
pub fn cases_and_seed() -> (u64, u64) {
    (setting("FUZZ_CASES", 90), setting("FUZZ_SEED", 1))
}

/// Gives every function on a queue its share of nonsense, each alone on a stack, and panics with what it did
/// not stand.
pub async fn on_every_queue(options: &StackOptions) {
    let (logs, _guard) = Logs::capture();
    let (cases, seed) = cases_and_seed();
    let mut inputs = 0;
    let functions = options.bundle.registry.functions.iter();
    for (number, function) in functions.enumerate() {
        let Some(queue) = function.queue() else { continue };
        let (bundle, sample) = alone(options, function).await;
        logs.take();
        let target = Target {
            logs: &logs,
            name: &function.name,
            queue,
            good: match function.trigger {
                Trigger::GivenUpRecords => GIVEN_UP,
                _ => &sample,
            },
            by_shape: function.shapes().iter().flat_map(at_the_edges).collect(),
            function: instance(&bundle, &function.name),
            bundle: &bundle,
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
    bundle: &'a Running,
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
        let bundle = self.bundle;
        let good = self.good;
        let mut bodies: Vec<_> = nonsense.iter().map(String::as_str).collect();
        let middle = bodies.len() / 2;
        bodies.insert(middle, good);
        // When all patience is over, so that whatever is not taken has to end.
        let tried = GIVE_UP_FAILING.default;
        let record = |(place, body): (usize, &&str)| queue_record(&format!("m-{place}"), body, tried);
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
pub fn assert_tell_nothing(lines: &[Line]) {
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
