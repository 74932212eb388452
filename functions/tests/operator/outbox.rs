//! What the relay could not deliver is shown, sent again, or dropped by somebody who means it.

use serde_json::{Value, json};

use crate::showing::item;
use crate::support::{Up, cart};

/// An entry that was saved at eight o'clock.
pub fn entry(stream: &str, delivery: &str) -> Value {
    let time = json!({ "S": "2026-11-23T08:00:00.000Z" });
    json!({
        "stream_id": { "S": stream },
        "revision": { "N": "1" },
        "delivery": { "S": delivery },
        "attempts": { "N": "3" },
        "last_error": { "S": "sending to queue on-cart-finalized failed: it was not there" },
        "first_attempt_at": time,
        "last_attempt_at": time,
        "next_attempt_at": time,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_event_is_listed_traced_and_redriven() {
    let up = Up::without_functions().await;
    up.put_item(
        "local-events",
        &item("cart-c-1", "CartFinalized", &cart("c-1", "9.99")),
    );
    up.put_item("local-outbox", &entry("cart-c-1", "parked"));
    up.put_item("local-outbox", &entry("cart-c-2", "published"));
    let list = up.ops(&["outbox", "list", "--json"]).done().json();
    assert_eq!(
        (&list["parked"], &list["pending"], &list["published"]),
        (&1.into(), &0.into(), &1.into())
    );
    assert_eq!(list["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["entries"][0]["stream_id"], "cart-c-1");
    let shown = up.ops(&["outbox", "list"]).done().out;
    assert!(
        shown.contains("it was not there") && shown.contains("1 parked"),
        "{shown}"
    );
    let trace = up.ops(&["trace", "c-1", "--json"]).done().json();
    assert_eq!(trace["outbox"][0]["stream_id"], "cart-c-1");

    up.ops(&["outbox", "redrive"]).done();
    let list = up.ops(&["outbox", "list", "--json"]).done().json();
    assert_eq!((&list["parked"], &list["pending"]), (&0.into(), &1.into()));
    let nothing = up.ops(&["outbox", "redrive"]);
    assert_eq!(nothing.code, 3, "nothing is parked any more: {nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_dropped_only_by_somebody_who_says_so() {
    let up = Up::without_functions().await;
    up.put_item("local-outbox", &entry("cart-c-1", "parked"));
    up.put_item("local-outbox", &entry("cart-c-2", "parked"));
    let refused = up.ops_reading(&["outbox", "drop", "--stream-id", "cart-c-1"], "y\n");
    assert_eq!(refused.code, 2, "{refused:?}");
    up.ops(&[
        "outbox",
        "drop",
        "--stream-id",
        "cart-c-1",
        "--revision",
        "1",
        "--yes",
    ])
    .done();
    let list = up.ops(&["outbox", "list", "--json"]).done().json();
    assert_eq!(
        (&list["parked"], &list["entries"][0]["stream_id"]),
        (&1.into(), &"cart-c-2".into())
    );
    assert_eq!(
        up.ops(&["outbox", "drop", "--stream-id", "cart-c-1", "--yes"])
            .code,
        3
    );
}
