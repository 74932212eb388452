//! What became of something is shown whole, across its streams, with what is still to come.

use functions::domain::values::{CartId, OrderId, PaymentId};
use serde_json::{Value, json};

use crate::support::{ALL_GOES_WELL, Up, cart};

fn order_of(cart_id: &str) -> OrderId {
    OrderId::of_cart(&cart_id.parse::<CartId>().expect("it is an id"))
}

fn types(trace: &Value) -> Vec<&str> {
    let events = trace["events"].as_array().into_iter().flatten();
    events.filter_map(|event| event["event_type"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_completed_order_tells_its_whole_way_by_any_of_its_ids() {
    let up = Up::start().await;
    up.ops(&["send", "FinalizeCart", "--command", &cart("c-1", "19.90")])
        .done();
    let trace = up.ends("c-1", "OrderCompleted").await;
    assert_eq!(types(&trace), ALL_GOES_WELL);
    assert_eq!(trace["outstanding"], json!([]));
    let order = order_of("c-1");
    let payment = PaymentId::of_order(&order);
    for id in [
        order.to_string(),
        payment.to_string(),
        format!("payment-{payment}"),
        "cart-c-1".into(),
    ] {
        assert_eq!(up.ops(&["trace", &id, "--json"]).done().json(), trace, "{id}");
    }
    let shown = up.ops(&["trace", "c-1"]).done().out;
    assert!(
        shown.contains("nothing is outstanding") && !shown.contains("19.9"),
        "{shown}"
    );
    assert!(
        up.ops(&["trace", "c-1", "--data"])
            .done()
            .out
            .contains(r#""amount":19.9"#)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_cancelled_order_shows_that_its_money_is_given_back() {
    let up = Up::start().await;
    let command = cart("c-1", "19.90").replace("p-1", "out-of-stock-1");
    up.ops(&["send", "FinalizeCart", "--command", &command]).done();
    up.ends("c-1", "OrderCancelled").await;
    let discarded = || {
        let trace = up.ops(&["trace", "c-1", "--json"]).done().json();
        (types(&trace).last() == Some(&"PaymentDiscarded")).then_some(trace)
    };
    let trace = up.until("the money is given back", discarded).await;
    assert_eq!(trace["outstanding"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_an_open_order_says_who_has_to_answer_and_until_when() {
    let up = Up::start().await;
    up.ops(&["send", "FinalizeCart", "--command", &cart("c-1", "408.00")])
        .done();
    let waiting = || {
        let trace = up.ops(&["trace", "c-1", "--json"]);
        let trace = (trace.code == 0).then(|| trace.json())?;
        let what = trace["outstanding"][0]["what"].as_str()?.to_owned();
        (what == "the payment provider has not answered").then_some(trace)
    };
    let trace = up.until("it waits for the provider", waiting).await;
    assert_eq!(trace["ending"], Value::Null);
    assert!(trace["outstanding"][0]["due_at"].is_string(), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_group_names_the_guests_who_are_open() {
    let up = Up::with(local::StackOptions {
        functions: false,
        ..local::StackOptions::of(functions::bundle())
    })
    .await;
    let initiated = json!({
        "group_checkout_id": "g-1", "guest_stay_ids": ["ada", "emil"], "initiated_at": "2026-11-23T08:00:00.000Z",
    });
    up.put_item(
        "local-events",
        &item(
            "groupCheckout-g-1",
            "GroupCheckoutInitiated",
            &initiated.to_string(),
        ),
    );
    let completed = json!({
        "guest_stay_id": "ada", "group_checkout_id": "g-1", "completed_at": "2026-11-23T08:00:01.000Z",
    });
    up.put_item(
        "local-events",
        &item("guestStay-ada", "GuestCheckoutCompleted", &completed.to_string()),
    );
    let trace = up.ops(&["trace", "g-1", "--json"]).done().json();
    assert_eq!(
        types(&trace),
        ["GroupCheckoutInitiated", "GuestCheckoutCompleted"]
    );
    let what: Vec<_> = trace["outstanding"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| &one["what"])
        .collect();
    assert_eq!(
        what,
        [
            "the checkout of 1 guest of 2: guestStay-emil",
            "the group has not heard the result of 1 guest of 2: guestStay-ada"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_names_two_things_is_asked_about_and_one_that_names_nothing_is_told() {
    let up = Up::without_functions().await;
    up.put_item(
        "local-events",
        &item("cart-7", "CartFinalized", r#"{"cart_id":"7"}"#),
    );
    up.put_item(
        "local-events",
        &item("guestStay-7", "GuestCheckedIn", r#"{"guest_stay_id":"7"}"#),
    );
    let asked = up.ops(&["trace", "7"]);
    assert_eq!(asked.code, 2, "{asked:?}");
    assert!(asked.err.contains("cart-7, guestStay-7"), "{}", asked.err);
    assert_eq!(
        types(&up.ops(&["trace", "guestStay-7", "--json"]).done().json()),
        ["GuestCheckedIn"]
    );
    for nothing in [&["trace", "8"][..], &["stream", "cart-8"]] {
        assert_eq!(up.ops(nothing).code, 3, "{nothing:?}");
    }
    assert_eq!(up.ops(&["stream", "7"]).code, 2, "no stream is called so");
}

/// The correlation id of a cart's chain.
fn chain_of(up: &Up, cart_id: &str) -> String {
    let stream = format!("cart-{cart_id}");
    let cart = up.ops(&["stream", &stream, "--json"]).done().json();
    let chain = cart["events"][0]["correlation_id"].as_str();
    chain.expect("every event has one").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_correlation_id_of_what_is_open_leads_to_its_chain_and_what_it_waits_for() {
    let up = Up::start().await;
    up.ops(&["send", "FinalizeCart", "--command", &cart("c-1", "408.00")])
        .done();
    let open = || {
        let orders = up.ops(&["orders", "--client", "u-7", "--json"]).done().json();
        let stream = orders["rows"][0]["payment_id"].as_str()?.to_owned();
        (up.ops(&["stream", &format!("payment-{stream}")]).code == 0).then_some(())
    };
    up.until("the order waits for its payment", open).await;
    let chain = chain_of(&up, "c-1");
    let trace = up.ops(&["trace", &chain, "--json"]).done().json();
    assert_eq!(
        types(&trace),
        ["CartFinalized", "OrderInitialized", "PaymentRequested"]
    );
    let order = order_of("c-1");
    assert_eq!(trace["things"][0]["name"], format!("order/{order}"));
    assert_eq!(
        trace["things"][0]["outstanding"][0]["what"],
        "the payment provider has not answered"
    );
    let shown = up.ops(&["trace", &chain]).done().out;
    assert!(
        shown.contains(&format!("cargo ops trace order/{order}")) && shown.contains("--scan finds them"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_over_is_found_in_the_whole_table_once_that_is_asked_for() {
    let up = Up::start().await;
    for id in ["c-1", "c-2"] {
        up.ops(&["send", "FinalizeCart", "--command", &cart(id, "19.90")])
            .done();
        up.ends(id, "OrderCompleted").await;
    }
    let over = || {
        let orders = up.ops(&["orders", "--count", "--json"]).done().json();
        (orders["open"] == 0).then_some(())
    };
    up.until("nothing is open", over).await;
    let chain = chain_of(&up, "c-1");
    let cheap = up.ops(&["trace", &chain]);
    assert_eq!(cheap.code, 3, "{cheap:?}");
    assert!(
        cheap.err.contains("--scan looks for it") && cheap.err.contains("read unit"),
        "{}",
        cheap.err
    );
    let trace = up.ops(&["trace", &chain, "--scan", "--json"]).done().json();
    assert_eq!(trace["scanned"], true);
    assert_eq!(trace["streams"].as_array().map(Vec::len), Some(4), "{trace}");
    assert_eq!(types(&trace).len(), 8, "of one chain: {trace}");
    assert_eq!(trace["things"][0]["ending"], "OrderCompleted");
    let nothing = up.ops(&["trace", "c-1", "--scan"]);
    assert_eq!(nothing.code, 3, "it is no correlation id: {nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_leads_to_the_chain_that_it_is_of() {
    let up = Up::without_functions().await;
    let cart = r#"{"cart_id":"1","client_id":"u-7"}"#;
    up.put_item("local-events", &item("cart-1", "CartFinalized", cart));
    up.put_item("local-events", &item("cart-2", "CartFinalized", cart));
    up.put(
        "finalize-cart-dlq",
        r#"{"command":{"cart_id":"1"},"metadata":{"correlation_id":"chain"}}"#,
    );
    let trace = up.ops(&["trace", "chain", "--json"]).done().json();
    assert_eq!(trace["streams"], json!(["cart-1"]));
    assert_eq!(trace["dead_letters"].as_array().map(Vec::len), Some(1));
    let whole = up.ops(&["trace", "chain", "--scan", "--json"]).done().json();
    assert_eq!(whole["streams"], json!(["cart-1", "cart-2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orders_of_a_client_are_listed_newest_first_with_how_each_stands() {
    let up = Up::start().await;
    for (id, total, client) in [
        ("c-1", "19.90", "u-7"),
        ("c-2", "408.00", "u-7"),
        ("c-3", "19.90", "u-8"),
    ] {
        let command = cart(id, total).replace("u-7", client);
        up.ops(&["send", "FinalizeCart", "--command", &command]).done();
        let listed = || {
            let listed = up.ops(&["trace", "--client", client, "--json"]);
            let rows = (listed.code == 0).then(|| listed.json()["views"][0]["rows"].clone())?;
            let order = order_of(id);
            let row = rows
                .as_array()?
                .iter()
                .find(|row| row["order_id"] == order.as_str())?;
            let is_over = total == "408.00" || row["phase"] == "completed";
            is_over.then_some(())
        };
        up.until(&format!("the order of {id} is listed"), listed).await;
    }
    let listed = up.ops(&["trace", "--client", "u-7", "--json"]).done().json();
    let rows = listed["views"][0]["rows"].as_array().expect("rows");
    let rows: Vec<_> = rows.iter().map(|row| (&row["cart_id"], &row["phase"])).collect();
    assert_eq!(
        rows,
        [
            (&json!("c-2"), &json!("awaiting_payment")),
            (&json!("c-1"), &json!("completed"))
        ]
    );
    let shown = up.ops(&["trace", "--client", "u-7", "--limit", "1"]).done().out;
    assert!(
        shown.contains("--limit 10 shows more\n") && shown.contains("cargo ops trace order/ID"),
        "{shown}"
    );
    assert_eq!(up.ops(&["trace", "--client", "u-9"]).code, 3);
    for unclear in [
        &["trace"][..],
        &["trace", "c-1", "--client", "u-7"],
        &["trace", "--client", ""],
        &["trace", "--client", "u-7", "--scan"],
    ] {
        assert_eq!(up.ops(unclear).code, 2, "{unclear:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_shown_as_far_as_it_can_be_read_and_what_is_wrong_with_it_is_told() {
    let up = Up::without_functions().await;
    up.put_item(
        "local-events",
        &item(
            "cart-1",
            "CartFinalized",
            r#"{"cart_id":"1","client_id":"secret"}"#,
        ),
    );
    let mut hole = item("cart-1", "CartFinalized", "not JSON");
    hole["revision"] = json!({ "N": "3" });
    hole["last_revision"] = json!({ "N": "3" });
    up.put_item("local-events", &hole);
    let broken = up.ops(&["stream", "cart-1"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(
        broken
            .out
            .contains("BROKEN  cart-1 at revision 3: a commit should start at revision 2"),
        "{}",
        broken.out
    );
    assert!(!broken.out.contains("secret"), "{}", broken.out);
    let data = up.ops(&["stream", "cart-1", "--data", "--json"]).json();
    assert_eq!(data["events"][0]["data"]["client_id"], "secret");
    assert_eq!(data["events"][1]["data"], "not JSON");
}

/// An item of the event table with one event, in the database's own JSON.
pub fn item(stream: &str, event_type: &str, data: &str) -> Value {
    json!({
        "stream_id": { "S": stream },
        "revision": { "N": "1" },
        "last_revision": { "N": "1" },
        "commit_id": { "S": "6ba7b810-9dad-41d1-80b4-00c04fd430c8" },
        "committed_at": { "S": "2026-11-23T08:00:00.000Z" },
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
