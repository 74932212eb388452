//! Samples as files: what `sam local invoke` hands to a function, what has to stand in the tables before, and
//! what follows.
//!
//! | file | what it is |
//! | --- | --- |
//! | `NAME.json` | the event, as Lambda makes it, with one record |
//! | `given/NAME.json` | a request for `aws dynamodb batch-write-item --request-items`, if anything is given |
//! | `follows/NAME.json` | the function's answer, what it records and sends, and what becomes of the outbox |

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_adapters::{CommitRef, Delivery, Names, StoredCommit};
use eventsourcing::{Commit, StreamId, computed_id};
use serde_json::{Map, Value, json};

use crate::function::Function;
use crate::sample::{Comes, Sample, at};
use crate::{Bundle, RELAY};

/// The stack that the files are about: the one that `cargo local up` serves and `sam local` names.
const STACK: &str = "local";
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// The most items that one request may put.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
pub const MAX_GIVEN: usize = 25;

/// All files of a bundle's samples, by their place in the folder of samples.
pub fn files(bundle: &Bundle) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut put = |folder: &str, name: &str, content: &Value| {
        let path = PathBuf::from(folder).join(name).with_extension("json");
        files.insert(path, format!("{content:#}\n"));
    };
    for function in &bundle.registry.functions {
        for (name, sample) in named(function) {
            put("", &name, &event(function, &sample));
            put("follows", &name, &follows(function, &sample));
            if let Some(given) = given(&sample, &Names::of(STACK)) {
                put("given", &name, &given);
            }
        }
    }
    files
}

/// A function's samples by the names of their files: the function's own name, then `NAME-2` and so on.
pub fn named(function: &Function) -> Vec<(String, Sample)> {
    let samples = function.samples();
    let name = |place: usize| match place {
        0 => function.name.clone(),
        _ => format!("{}-{}", function.name, place + 1),
    };
    let named = samples.into_iter().enumerate();
    named.map(|(place, sample)| (name(place), sample)).collect()
}

/// The event that Lambda hands to the function.
pub fn event(function: &Function, sample: &Sample) -> Value {
    match &sample.comes {
        Comes::Message(body, _) => from_queue(function, body),
        // Where the record is, only its stream knows: whoever plays this has to ask it.
        Comes::GivenUp(commit) => {
            let nowhere = Place {
                stream_arn: stream_arn(),
                shard_id: "shardId-00000000000000000001-00000001".into(),
                sequence_number: "100000000000000000001".into(),
            };
            from_queue(function, &given_up(commit, &nowhere))
        }
        Comes::Record(commit) => json!({ "Records": [record(commit)] }),
        Comes::Tick => json!({
            "version": "0",
            "id": computed_id("tick").to_string(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": at(0).to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{STACK}-{}", function.name)],
            "detail": {},
        }),
    }
}

/// Where in the table's stream a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stream.
    pub stream_arn: String,
    /// Its shard.
    pub shard_id: String,
    /// The record's number there.
    pub sequence_number: String,
}

/// What Lambda says of a record that the relay's mapping gave up.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
pub fn given_up(commit: &Commit, place: &Place) -> String {
    let message = json!({
        "requestContext": {
            "requestId": computed_id(&format!("request/{}/{}", commit.stream, commit.revision)).to_string(),
            "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-{RELAY}"),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1 + Function::STREAM_RETRIES,
        },
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "version": "1.0",
        "timestamp": at(1).to_string(),
        "DDBStreamBatchInfo": {
            "shardId": place.shard_id,
            "startSequenceNumber": place.sequence_number,
            "endSequenceNumber": place.sequence_number,
            "approximateArrivalOfFirstRecord": commit.committed_at.to_string(),
            "approximateArrivalOfLastRecord": commit.committed_at.to_string(),
            "batchSize": 1,
            "streamArn": place.stream_arn,
        },
    });
    message.to_string()
}

fn from_queue(function: &Function, body: &str) -> Value {
    let queue = function.queue().unwrap_or(&function.name);
    let received = at(0).millis().to_string();
    json!({
        "Records": [{
            "messageId": computed_id(&format!("message/{body}")).to_string(),
            "receiptHandle": format!("sample-{queue}"),
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": received,
                "SenderId": ACCOUNT,
                "ApproximateFirstReceiveTimestamp": received,
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-{queue}"),
            "awsRegion": REGION,
        }],
    })
}

fn record(commit: &Commit) -> Value {
    let item = item(commit);
    json!({
        "eventID": computed_id(&format!("record/{}/{}", commit.stream, commit.revision)).to_string(),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": commit.committed_at.millis() / 1000,
            "Keys": { "stream_id": item["stream_id"], "revision": item["revision"] },
            "NewImage": item,
            "SequenceNumber": "100000000000000000001",
            "SizeBytes": commit.stored_bytes(),
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": stream_arn(),
    })
}

fn stream_arn() -> String {
    let table = Names::of(STACK).events_table();
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/2026-11-23T07:00:00.000")
}

/// The request that puts what is given into the tables of a stack; none if nothing is.
pub fn given(sample: &Sample, names: &Names) -> Option<Value> {
    let put = |item: Value| json!({ "PutRequest": { "Item": item } });
    let commits: Vec<_> = sample.given.iter().map(|commit| put(item(commit))).collect();
    let entries: Vec<_> = sample
        .undelivered
        .iter()
        .map(|entry| put(in_outbox(entry)))
        .collect();
    let tables = [(names.events_table(), commits), (names.outbox_table(), entries)];
    let request: Map<_, _> = tables
        .into_iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(table, items)| (table, items.into()))
        .collect();
    (!request.is_empty()).then_some(Value::Object(request))
}

/// A commit's item, in the database's own JSON.
pub fn item(commit: &Commit) -> Value {
    // A stored commit is text, numbers and lists of them: it can always be written.
    let stored = serde_json::to_value(StoredCommit::of(commit)).expect("a commit can always be written");
    let Value::Object(attributes) = stored else {
        return Value::Null;
    };
    attributes
        .into_iter()
        .map(|(name, value)| (name, attribute(value)))
        .collect()
}

/// A pending entry that is due, as the relay would have saved it.
fn in_outbox(entry: &CommitRef) -> Value {
    let saved = json!({ "S": at(0).to_string() });
    json!({
        "stream_id": { "S": entry.stream },
        "revision": { "N": entry.revision.to_string() },
        "delivery": { "S": Delivery::Pending.as_str() },
        "attempts": { "N": "1" },
        "last_error": { "S": "a queue did not answer" },
        "first_attempt_at": saved,
        "last_attempt_at": saved,
        "next_attempt_at": { "S": at(1).to_string() },
    })
}

fn attribute(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, attribute(value)));
            json!({ "M": fields.collect::<Map<_, _>>() })
        }
        Value::Array(entries) => json!({ "L": entries.into_iter().map(attribute).collect::<Vec<_>>() }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Bool(flag) => json!({ "BOOL": flag }),
        Value::Null => json!({ "NULL": true }),
    }
}

/// The function's answer.
pub fn answer(sample: &Sample) -> Value {
    let answer = sample.follows.answer.clone();
    answer.unwrap_or_else(|| json!({ "batchItemFailures": [] }))
}

/// What follows: the answer, the whole of each stream that is recorded in, what each queue gets, and what
/// becomes of the outbox.
fn follows(function: &Function, sample: &Sample) -> Value {
    let mut sent: BTreeMap<&str, u64> = BTreeMap::new();
    for queue in &sample.follows.sent {
        *sent.entry(queue).or_default() += 1;
    }
    let outbox = sample.follows.outbox.iter().map(|(entry, delivery)| {
        json!({
            "stream_id": entry.stream,
            "revision": entry.revision.to_string(),
            "delivery": delivery.as_str(),
        })
    });
    let mut follows = json!({
        "function": function.name,
        "queue": function.queue(),
        "answer": answer(sample),
        "streams": streams(sample),
        "sent": sent,
        "outbox": outbox.collect::<Vec<_>>(),
    });
    if let (Some(view), Comes::Message(_, stream)) = (function.view, &sample.comes) {
        follows["shown"] = json!({
            "view": view.name,
            "key": { view.key: stream.id() },
            "row": sample.follows.shown,
        });
    }
    follows
}

/// The types of the events in each of a sample's streams when all is done.
pub fn streams(sample: &Sample) -> BTreeMap<String, Vec<String>> {
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut put = |stream: &StreamId, types: Vec<String>| {
        streams.entry(stream.to_string()).or_default().extend(types);
    };
    for commit in &sample.given {
        put(
            &commit.stream,
            commit
                .events
                .iter()
                .map(|event| event.event_type.clone())
                .collect(),
        );
    }
    for (stream, types) in &sample.follows.recorded {
        put(stream, types.iter().map(|&name| name.to_owned()).collect());
    }
    streams
}
