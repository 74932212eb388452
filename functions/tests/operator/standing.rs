//! How something ended and what is still outstanding is said by what was recorded; where that can't be
//! understood, nothing is said to be done.

use functions::domain::values::{CartId, OrderId, PaymentId, ShipmentId};
use serde_json::{Value, json};

use crate::showing::item;
use crate::support::{Up, cart, program, run};

const AT: &str = "2026-11-23T08:00:00.000Z";
const DUE: &str = "2026-11-23T08:07:00.000Z";

fn order() -> OrderId {
    OrderId::of_cart(&"c-1".parse::<CartId>().expect("it is an id"))
}

/// The order of cart c-1, with a deadline if one was recorded.
fn initialized(due_at: Option<&str>) -> Value {
    let mut event: Value = serde_json::from_str(&cart("c-1", "19.90")).expect("it is JSON");
    event["order_id"] = order().to_string().into();
    event["initialized_at"] = AT.into();
    if let Some(due_at) = due_at {
        event["due_at"] = due_at.into();
    }
    event
}

fn cancelled(cause: &str, reason: &str) -> Value {
    json!({ "order_id": order().to_string(), "cause": cause, "reason": reason, "cancelled_at": AT })
}

fn of_payment(field: &str) -> Value {
    let order = order();
    let id = PaymentId::of_order(&order).to_string();
    json!({ "payment_id": id, "order_id": order.to_string(), "amount": 19.90, field: AT, "error": "card declined" })
}

/// Stores a stream of one commit with these events.
fn store(up: &Up, stream: &str, events: &[(&str, u32, Value)]) {
    let mut stored = item(stream, "", "");
    let like = stored["events"]["L"][0].clone();
    let mut list = Vec::new();
    for (event_type, version, data) in events {
        let mut event = like.clone();
        event["M"]["event_type"] = json!({ "S": event_type });
        event["M"]["schema_version"] = json!({ "N": version.to_string() });
        event["M"]["data"] = json!({ "S": data.to_string() });
        list.push(event);
    }
    stored["last_revision"] = json!({ "N": events.len().to_string() });
    stored["events"] = json!({ "L": list });
    up.put_item("local-events", &stored);
}

fn order_stream() -> String {
    format!("order-{}", order())
}

fn payment_stream() -> String {
    format!("payment-{}", PaymentId::of_order(&order()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_the_one_that_was_recorded_whatever_the_operator_is_set_to() {
    let up = Up::without_functions().await;
    store(
        &up,
        &order_stream(),
        &[("OrderInitialized", 1, initialized(Some(DUE)))],
    );
    store(
        &up,
        &payment_stream(),
        &[("PaymentRequested", 1, of_payment("requested_at"))],
    );
    for seconds in [None, Some("60"), Some("soon")] {
        let mut asked = program(&["trace", "c-1", "--json"]);
        asked.env("AWS_ENDPOINT_URL", &up.url);
        asked.args(["--stack", "local"]);
        if let Some(seconds) = seconds {
            asked.env("PAYMENT_DEADLINE_SECONDS", seconds);
        }
        let shown = run(asked, "").done().json();
        let outstanding = &shown["outstanding"][0];
        assert_eq!(
            (&outstanding["due_at"], &outstanding["deadline"]),
            (&DUE.into(), &"recorded".into()),
            "{shown}"
        );
    }
    let shown = up.ops(&["trace", order().as_str()]).done().out;
    assert!(shown.contains(&format!("its deadline is at {DUE}")), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_was_not_recorded_is_said_not_to_be_and_is_not_made_up() {
    let up = Up::without_functions().await;
    let confirmed = json!({ "order_id": order().to_string(), "payment_id": "p", "confirmed_at": AT });
    let group = json!({ "group_checkout_id": "g-1", "guest_stay_ids": ["ada"], "initiated_at": AT });
    store(&up, "groupCheckout-g-1", &[("GroupCheckoutInitiated", 1, group)]);
    store(
        &up,
        &order_stream(),
        &[
            ("OrderInitialized", 1, initialized(Some(DUE))),
            ("OrderConfirmed", 1, confirmed),
        ],
    );
    for id in [order().as_str(), "g-1"] {
        let shown = up.ops(&["trace", id, "--json"]).done().json();
        let outstanding = &shown["outstanding"][0];
        assert_eq!(
            (&outstanding["due_at"], &outstanding["deadline"]),
            (&Value::Null, &"not_recorded".into()),
            "{shown}"
        );
        let shown = up.ops(&["trace", id]).done().out;
        assert!(shown.contains("its deadline was not recorded"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_shows_its_cause_and_to_those_who_ask_its_reason() {
    let up = Up::without_functions().await;
    let reason = "card\u{1b}[2J declined";
    store(
        &up,
        &order_stream(),
        &[
            ("OrderInitialized", 1, initialized(None)),
            ("OrderCancelled", 1, cancelled("payment_failed", reason)),
        ],
    );
    store(
        &up,
        &payment_stream(),
        &[("PaymentFailed", 1, of_payment("failed_at"))],
    );
    let id = order();
    let shown = up.ops(&["trace", id.as_str()]).done().out;
    let header = shown.lines().next().unwrap_or_default();
    assert!(header.ends_with("OrderCancelled (payment_failed)"), "{shown}");
    assert_eq!(
        shown.matches("OrderCancelled (payment_failed)").count(),
        2,
        "header and line: {shown}"
    );
    assert!(!shown.contains("declined"), "{shown}");
    let shown = up.ops(&["trace", id.as_str(), "--data"]).done().out;
    let header = shown.lines().next().unwrap_or_default();
    assert!(
        header.ends_with(r"OrderCancelled (payment_failed: card\u{1b}[2J declined)"),
        "no terminal may take it for its own: {header}"
    );
    let shown = up.ops(&["trace", id.as_str(), "--json"]).done().json();
    assert_eq!(
        (&shown["cause"], &shown["reason"]),
        (&"payment_failed".into(), &Value::Null)
    );
    assert_eq!(shown["events"][1]["cause"], "payment_failed");
    let shown = up.ops(&["trace", id.as_str(), "--json", "--data"]).done().json();
    assert_eq!(
        (&shown["cause"], &shown["reason"]),
        (&"payment_failed".into(), &reason.into())
    );
    let stream = up.ops(&["stream", &order_stream()]).done().out;
    assert!(
        stream.contains("OrderCancelled (payment_failed)") && !stream.contains("declined"),
        "{stream}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_told_and_never_reads_as_nothing_outstanding() {
    let done = json!({ "order_id": order().to_string(), "completed_at": AT });
    let confirmed = json!({ "order_id": order().to_string(), "payment_id": "p", "confirmed_at": AT });
    let unknown_cause = cancelled("lost_interest", "none of yours");
    let returned = ("OrderReturned", 1, json!({}));
    for (last, why) in [
        (returned, "its type is not one that this version knows"),
        (("OrderCompleted", 2, done.clone()), "it has schema version 2"),
        (("OrderCancelled", 1, unknown_cause), "field `cause`"),
    ] {
        for ended in [false, true] {
            let up = Up::without_functions().await;
            let mut events = vec![
                ("OrderInitialized", 1, initialized(Some(DUE))),
                ("OrderConfirmed", 1, confirmed.clone()),
            ];
            if ended {
                events.push(("OrderCompleted", 1, done.clone()));
            }
            events.push(last.clone());
            store(&up, &order_stream(), &events);
            let shown = up.ops(&["trace", order().as_str()]).done().out;
            assert!(!shown.contains("nothing is outstanding"), "{shown}");
            assert!(shown.contains("can't be told") && shown.contains(why), "{shown}");
            assert!(
                !shown.lines().next().unwrap_or_default().ends_with(": open"),
                "{shown}"
            );
            assert!(!shown.contains("none of yours"), "{shown}");
            let shown = up.ops(&["trace", order().as_str(), "--json"]).done().json();
            let unknown = &shown["unknown_events"][0];
            assert_eq!(
                (
                    &unknown["stream_id"],
                    &unknown["event_type"],
                    &unknown["revision"]
                ),
                (&order_stream().into(), &last.0.into(), &events.len().into()),
                "{shown}"
            );
            let what = shown["outstanding"][0]["what"].as_str().unwrap_or_default();
            assert!(what.contains("can't be told"), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_known_is_told_in_whatever_stream_it_is() {
    let up = Up::without_functions().await;
    let shipment = format!("shipment-{}", ShipmentId::of_order(&order()));
    let streams = [
        "cart-c-1",
        &order_stream(),
        &payment_stream(),
        &shipment,
        "guestStay-ada",
        "groupCheckout-g-2",
    ];
    for stream in streams {
        store(&up, stream, &[("ThingReturned", 1, json!({}))]);
    }
    for id in ["c-1", "ada", "g-2"] {
        let shown = up.ops(&["trace", id]).done().out;
        assert!(
            shown.lines().next().unwrap_or_default().ends_with(": not known"),
            "{shown}"
        );
        assert!(!shown.contains("nothing is outstanding"), "{shown}");
    }
    let shown = up.ops(&["trace", "c-1", "--json"]).done().json();
    let unknown = shown["unknown_events"].as_array().into_iter().flatten();
    let unknown: Vec<_> = unknown.filter_map(|event| event["stream_id"].as_str()).collect();
    assert_eq!(unknown, streams[..4]);
    // A group that is open goes by its guests' streams, too; one that has ended goes by its own.
    let initiated =
        json!({ "group_checkout_id": "g-1", "guest_stay_ids": ["ada"], "initiated_at": AT, "due_at": DUE });
    store(
        &up,
        "groupCheckout-g-1",
        &[("GroupCheckoutInitiated", 1, initiated)],
    );
    let shown = up.ops(&["trace", "g-1"]).done().out;
    assert!(
        shown.contains("can't be told: guestStay-ada holds 1 event that"),
        "{shown}"
    );
    assert!(
        shown.contains("the checkout of 1 guest of 1: guestStay-ada"),
        "{shown}"
    );
    let timed_out =
        json!({ "group_checkout_id": "g-1", "incomplete_guest_ids": ["ada"], "timed_out_at": DUE });
    let mut ended = item(
        "groupCheckout-g-1",
        "GroupCheckoutTimedOut",
        &timed_out.to_string(),
    );
    ended["revision"] = json!({ "N": "2" });
    ended["last_revision"] = json!({ "N": "2" });
    up.put_item("local-events", &ended);
    let shown = up.ops(&["trace", "g-1"]).done().out;
    assert!(shown.contains("nothing is outstanding"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_came_before_its_order_is_found_by_the_cart_and_still_to_take_effect() {
    let up = Up::without_functions().await;
    let early = json!({ "order_id": order().to_string(), "reason": "changed my mind", "withdrawn_at": AT });
    store(&up, &order_stream(), &[("OrderWithdrawnEarly", 1, early)]);
    for id in [order().as_str(), "c-1"] {
        let shown = up.ops(&["trace", id]).done().out;
        let header = shown.lines().next().unwrap_or_default();
        assert!(
            header.ends_with(": withdrawn before it was initialized"),
            "{shown}"
        );
        assert!(
            shown.contains("outstanding: the order is withdrawn, and its cart has not been finalized"),
            "{shown}"
        );
        assert!(!shown.contains("changed my mind"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_never_reads_as_nothing_outstanding() {
    let up = Up::without_functions().await;
    let done = json!({ "order_id": order().to_string(), "completed_at": AT });
    store(
        &up,
        &order_stream(),
        &[
            ("OrderInitialized", 1, initialized(None)),
            ("OrderCompleted", 1, done),
        ],
    );
    let mut gap = item(&order_stream(), "OrderCompleted", "{}");
    gap["revision"] = json!({ "N": "4" });
    gap["last_revision"] = json!({ "N": "4" });
    up.put_item("local-events", &gap);
    let shown = up.ops(&["trace", order().as_str()]).done().out;
    assert!(
        shown.contains("BROKEN") && shown.contains("can't be told"),
        "{shown}"
    );
    assert!(!shown.contains("nothing is outstanding"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_says_how_many_of_its_guests_left_and_a_guest_whether_the_group_has_heard() {
    let up = Up::without_functions().await;
    let initiated = json!({ "group_checkout_id": "g-1", "guest_stay_ids": ["ada", "emil"], "initiated_at": AT, "due_at": DUE });
    let heard = json!({ "group_checkout_id": "g-1", "guest_stay_id": "emil", "outcome": "failed", "reason": "x", "recorded_at": AT });
    let out = json!({ "group_checkout_id": "g-1", "guest_stay_id": "ada", "completed_at": AT });
    store(
        &up,
        "guestStay-ada",
        &[(
            "GuestCheckedIn",
            1,
            json!({ "guest_stay_id": "ada", "checked_in_at": AT }),
        )],
    );
    let shown = up.ops(&["trace", "ada"]).done().out;
    assert!(
        shown.contains("outstanding: the guest has not checked out"),
        "{shown}"
    );

    let mut left = item("guestStay-ada", "GuestCheckoutCompleted", &out.to_string());
    left["revision"] = json!({ "N": "2" });
    left["last_revision"] = json!({ "N": "2" });
    up.put_item("local-events", &left);
    store(
        &up,
        "groupCheckout-g-1",
        &[
            ("GroupCheckoutInitiated", 1, initiated),
            ("GuestCheckoutRecorded", 1, heard),
        ],
    );
    let shown = up.ops(&["trace", "ada"]).done().out;
    assert!(
        shown.starts_with("guest's stay ada: GuestCheckoutCompleted (with group checkout g-1)\n"),
        "{shown}"
    );
    assert!(
        shown.contains("group checkout g-1 has not heard the guest's result"),
        "{shown}"
    );
    assert!(shown.contains(&format!("its deadline is at {DUE}")), "{shown}");

    let timed_out =
        json!({ "group_checkout_id": "g-1", "incomplete_guest_ids": ["ada"], "timed_out_at": DUE });
    let mut ended = item(
        "groupCheckout-g-1",
        "GroupCheckoutTimedOut",
        &timed_out.to_string(),
    );
    ended["revision"] = json!({ "N": "3" });
    ended["last_revision"] = json!({ "N": "3" });
    up.put_item("local-events", &ended);
    let shown = up.ops(&["trace", "g-1"]).done().out;
    assert!(
        shown.starts_with("group checkout g-1: GroupCheckoutTimedOut (0 completed, 1 failed, 1 not heard)\n"),
        "{shown}"
    );
    assert!(shown.contains("nothing is outstanding"), "{shown}");
    let shown = up.ops(&["trace", "ada"]).done().out;
    assert!(
        shown.contains("nothing is outstanding"),
        "the group has ended without it: {shown}"
    );
}
