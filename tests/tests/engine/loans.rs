//! Loans, as senders and the event table tell of them.

use eventsourcing::StreamId;
use serde_json::{Value, json};
use testkit::running::Running;

/// What a loan records when all goes well.
pub(crate) const ALL: [&str; 2] = ["BookLent", "MemberReminded"];

/// The fields of a command that lends a book.
pub(crate) fn loan(id: &str) -> Value {
    json!({ "loan_id": id, "book_id": "moby-dick", "member_id": "ada" })
}

/// The fields of a command that reminds the member of a loan, which was due long since.
pub(crate) fn reminder(id: &str) -> Value {
    json!({ "loan_id": id, "due_at": "2026-11-23T07:00:00Z" })
}

/// A message with these fields and nothing else, as an outside sender may write it.
pub(crate) fn command(fields: &Value) -> String {
    json!({ "command": fields }).to_string()
}

/// A loan's stream.
pub(crate) fn stream(id: &str) -> StreamId {
    format!("loan-{id}").parse().expect("a stream's name")
}

/// Lends a book.
pub(crate) async fn lend(bundle: &Running, id: &str) -> StreamId {
    bundle.send("lend-book", &command(&loan(id))).await;
    stream(id)
}

/// Lends a book for long, without its step: nobody is going to be reminded of it but by the test.
pub(crate) async fn lend_for_long(bundle: &Running, id: &str) -> StreamId {
    bundle.put(&lent_until(id, "2026-12-23T08:00:00.000Z", 0));
    stream(id)
}

/// The item of a lent book that is due at once, in the database's own JSON.
pub(crate) fn lent(id: &str) -> Value {
    lent_until(id, "2026-11-23T08:00:00.000Z", 0)
}

/// The item of a book that was lent so many seconds after the bundle's start.
pub(crate) fn lent_after(id: &str, seconds: u64) -> Value {
    lent_until(id, "2026-11-23T08:00:00.000Z", seconds)
}

fn lent_until(id: &str, due_at: &str, seconds: u64) -> Value {
    let mut data = loan(id);
    data["lent_at"] = json!("2026-11-23T08:00:00.000Z");
    data["due_at"] = json!(due_at);
    item_after(&format!("loan-{id}"), "BookLent", &data.to_string(), seconds)
}

/// The item of a member who was reminded.
pub(crate) fn reminded(id: &str) -> Value {
    let mut data = loan(id);
    data["reminded_at"] = json!("2026-11-23T08:00:00.000Z");
    item(&format!("loan-{id}"), "MemberReminded", &data.to_string())
}

/// An item of the event table with one event, in the database's own JSON.
pub(crate) fn item(stream: &str, event_type: &str, data: &str) -> Value {
    item_after(stream, event_type, data, 0)
}

fn item_after(stream: &str, event_type: &str, data: &str, seconds: u64) -> Value {
    let committed_at = testkit::running::at(std::time::Duration::from_secs(seconds));
    json!({
        "stream_id": { "S": stream },
        "revision": { "N": "1" },
        "last_revision": { "N": "1" },
        "commit_id": { "S": "6ba7b810-9dad-41d1-80b4-00c04fd430c8" },
        "committed_at": { "S": eventsourcing::Timestamp::from(committed_at).to_string() },
        "events": { "L": [{ "M": {
            "event_id": { "S": format!("event of {stream}") },
            "event_type": { "S": event_type },
            "schema_version": { "N": "1" },
            "correlation_id": { "S": "chain" },
            "causation_id": { "S": "cause" },
            "data": { "S": data },
        } }] },
    })
}
