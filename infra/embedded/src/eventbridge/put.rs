//! Events: put on a bus, matched with its rules, and passed on to their queues.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use embedded_sqs::{MessageAttribute, Outgoing, Sqs, SqsError};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::EventBridge;
use super::book::{Book, Rule};
use super::refused::Refused;
use super::request::{bus, text};
use super::target::{Target, queue_of};
use crate::clock::to_the_second;

/// The most entries of a request.
const MAX_ENTRIES: usize = 10;

/// What the entries of a request have to count for less than, in bytes.
const MAX_BYTES: usize = 1_048_576;

/// What the time of an entry counts for.
const TIME_BYTES: usize = 14;

/// What is billed as one event.
///
/// Source: <https://aws.amazon.com/eventbridge/pricing/>
const CHUNK: usize = 64 * 1024;

/// An event as rules see it and queues get it.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>
#[derive(Serialize)]
struct Envelope<'e> {
    version: &'static str,
    id: &'e str,
    #[serde(rename = "detail-type")]
    detail_type: &'e str,
    source: &'e str,
    account: &'e str,
    time: &'e str,
    region: &'e str,
    resources: &'e [String],
    detail: &'e RawValue,
}

/// An entry of a request, checked.
struct Checked {
    bus: String,
    source: String,
    detail_type: String,
    detail: Box<RawValue>,
    resources: Vec<String>,
    time: Option<SystemTime>,
    trace_header: Option<String>,
    bytes: usize,
}

/// Why an entry is not taken: code and message.
type EntryError = (&'static str, String);

impl EventBridge {
    pub(super) fn put_events(&self, request: &Value, sqs: &Sqs) -> Result<Value, Refused> {
        let entries = request["Entries"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !(1..=MAX_ENTRIES).contains(&entries.len()) {
            return Err(Refused::Invalid(format!(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length \
                 less than or equal to {MAX_ENTRIES} and greater than or equal to 1"
            )));
        }
        if !request["EndpointId"].is_null() {
            return Err(Refused::Invalid("EndpointId is not served here".to_owned()));
        }
        let bytes: usize = entries.iter().map(size).sum();
        if bytes >= MAX_BYTES {
            return Err(Refused::Invalid(
                "Total size of the entries in the request is over the limit.".to_owned(),
            ));
        }
        let results: Vec<_> = entries.iter().map(|entry| self.put(entry, sqs)).collect();
        let failed = results.iter().filter(|result| result.is_err()).count();
        let told = results.into_iter().map(|result| match result {
            Ok(id) => json!({ "EventId": id }),
            Err((code, message)) => json!({ "ErrorCode": code, "ErrorMessage": message }),
        });
        let told: Vec<_> = told.collect();
        Ok(json!({ "FailedEntryCount": failed, "Entries": told }))
    }

    /// Puts one event; its id.
    fn put(&self, entry: &Value, sqs: &Sqs) -> Result<String, EntryError> {
        let mut book = self.book();
        let checked = Checked::read(entry).inspect_err(|_| book.totals.refused += 1)?;
        let id = self.next_id();
        book.totals.put += 1;
        book.totals.chunks += checked.bytes.div_ceil(CHUNK).max(1) as u64;
        let event = self.envelope(&id, &checked);
        for (rule, target) in matching(&book, &checked.bus, &event) {
            self.deliver(
                &mut book,
                sqs,
                &rule,
                &target,
                &event,
                checked.trace_header.as_ref(),
            );
        }
        if book.bus(&checked.bus).is_none() {
            // As on AWS, which says nothing of it.
            book.totals.nowhere += 1;
            tracing::warn!(
                bus = checked.bus,
                "an event was put on a bus that is not there, and is gone"
            );
        }
        Ok(id)
    }

    fn envelope(&self, id: &str, checked: &Checked) -> String {
        let settings = &self.shared.settings;
        let time = to_the_second(checked.time.unwrap_or_else(|| self.now()));
        let envelope = Envelope {
            version: "0",
            id,
            detail_type: &checked.detail_type,
            source: &checked.source,
            account: &settings.account,
            time: &time,
            region: &settings.region,
            resources: &checked.resources,
            detail: &checked.detail,
        };
        // Texts and JSON that was read.
        serde_json::to_string(&envelope).unwrap_or_default()
    }

    fn deliver(
        &self,
        book: &mut Book,
        sqs: &Sqs,
        rule: &Rule,
        target: &Target,
        event: &str,
        trace_header: Option<&String>,
    ) {
        let Some(body) = target.message(event) else {
            book.totals.dropped += 1;
            return;
        };
        let message = Outgoing {
            body: body.clone(),
            trace_header: trace_header.cloned(),
            ..Outgoing::default()
        };
        let Err(error) = sqs.send(queue_of(&target.arn), message) else {
            book.totals.sent += 1;
            return;
        };
        let letter = self.letter(rule, target, body, &error);
        let queue = target.dead_letter_arn.as_deref().map(queue_of);
        if let Some(Ok(_)) = queue.map(|queue| sqs.send(queue, letter)) {
            book.totals.dead_letters += 1;
        } else {
            book.totals.dropped += 1;
            let (rule, target) = (&rule.name, &target.arn);
            tracing::warn!(rule, target, %error, "an event was not delivered, and no dead-letter queue took it");
        }
    }

    /// What goes to the dead-letter queue: the message, and beside it why.
    ///
    /// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html>
    fn letter(&self, rule: &Rule, target: &Target, body: String, error: &SqsError) -> Outgoing {
        let attributes = [
            ("RULE_ARN", self.rule_arn(&rule.bus, &rule.name)),
            ("TARGET_ARN", target.arn.clone()),
            ("ERROR_CODE", error.code().to_owned()),
            ("ERROR_MESSAGE", error.to_string()),
        ];
        let attributes = attributes.map(|(name, text)| (name.to_owned(), MessageAttribute::string(text)));
        Outgoing {
            body,
            attributes: BTreeMap::from(attributes),
            ..Outgoing::default()
        }
    }
}

/// The rules of a bus that an event matches, with each of their targets.
fn matching(book: &Book, bus: &str, event: &str) -> Vec<(Rule, Target)> {
    let Some(bus) = book.bus(bus) else {
        return vec![];
    };
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let rules = bus.enabled().filter(|(_, pattern)| pattern.matches(&event));
    let targets =
        rules.flat_map(|(rule, _)| rule.targets.values().map(|target| (rule.clone(), target.clone())));
    targets.collect()
}

impl Checked {
    fn read(entry: &Value) -> Result<Self, EntryError> {
        let invalid = |field: &str, why: &str| {
            let message = format!("Parameter {field} is not valid. Reason: {why}");
            ("InvalidArgument", message)
        };
        let needed = |field: &str| {
            let given = text(entry, field).map_err(|why| invalid(field, &why))?;
            let given = given.filter(|given| !given.is_empty());
            given.ok_or_else(|| invalid(field, &format!("{field} is a required argument.")))
        };
        let source = needed("Source")?;
        let detail_type = needed("DetailType")?;
        if detail_type.chars().count() > 128 {
            return Err(invalid("DetailType", "DetailType has more than 128 characters."));
        }
        if source.starts_with("aws.") {
            let message = "Not authorized for the source.".to_owned();
            return Err(("NotAuthorizedForSourceException", message));
        }
        let malformed = || ("MalformedDetail", "Detail is malformed.".to_owned());
        let detail: Box<RawValue> = serde_json::from_str(&needed("Detail")?).map_err(|_| malformed())?;
        if !detail.get().starts_with('{') {
            return Err(malformed());
        }
        let resources = entry["Resources"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let resources = resources
            .iter()
            .map(|resource| resource.as_str().map(str::to_owned));
        Ok(Self {
            bus: bus(entry).map_err(|why| invalid("EventBusName", &why))?,
            source,
            detail_type,
            detail,
            resources: resources
                .collect::<Option<_>>()
                .ok_or_else(|| invalid("Resources", "they have to be strings."))?,
            time: time(&entry["Time"]).ok_or_else(|| invalid("Time", "it is no time."))?,
            trace_header: text(entry, "TraceHeader").map_err(|why| invalid("TraceHeader", &why))?,
            bytes: size(entry),
        })
    }
}

/// Seconds since 1970, or none; nothing if it is neither.
#[allow(clippy::option_option)]
fn time(given: &Value) -> Option<Option<SystemTime>> {
    if given.is_null() {
        return Some(None);
    }
    let seconds = Duration::try_from_secs_f64(given.as_f64()?).ok()?;
    UNIX_EPOCH.checked_add(seconds).map(Some)
}

/// What an entry counts for.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
fn size(entry: &Value) -> usize {
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    let texts: usize = ["Source", "DetailType", "Detail"]
        .map(|field| length(&entry[field]))
        .iter()
        .sum();
    let resources = entry["Resources"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let time = if entry["Time"].is_null() { 0 } else { TIME_BYTES };
    texts + time + resources.iter().map(length).sum::<usize>()
}
