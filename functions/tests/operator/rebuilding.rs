//! A view is made anew or compared with its streams as far as it is asked for, and a run that was left off goes on.

use serde_json::{Value, json};
use testkit::database;

use crate::support::{Up, cart};

/// The item of an order's first commit.
fn order(id: &str) -> Value {
    let data = json!({
        "order_id": id, "cart_id": format!("c-{id}"), "client_id": "u-7", "total_price": 19.90,
        "product_items": [{ "product_id": "p-1", "quantity": 2, "unit_price": 9.95 }],
        "initialized_at": "2026-11-23T08:00:00.000Z", "due_at": "2026-11-23T08:15:00.000Z",
    });
    crate::showing::item(&format!("order-{id}"), "OrderInitialized", &data.to_string())
}

async fn with_orders(count: usize) -> Up {
    let up = Up::without_functions().await;
    for n in 0..count {
        up.put_item("local-events", &order(&format!("o-{n}")));
    }
    up
}

fn row(up: &Up, id: &str) -> Value {
    let request = json!({ "TableName": "local-orders", "Key": { "order_id": { "S": id } } });
    database::ask(&up.stack, "GetItem", &request)["Item"].take()
}

fn rows(up: &Up) -> usize {
    let found = database::ask(&up.stack, "Scan", &json!({ "TableName": "local-orders" }));
    found["Items"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_what_is_put_then_and_a_verified_table_is_right() {
    let up = with_orders(7).await;
    let counted = up
        .ops(&["rebuild", "orders", "--dry-run", "--json"])
        .done()
        .json();
    assert_eq!(
        (
            &counted["streams"],
            &counted["wrong"]["missing"],
            &counted["renewed"]
        ),
        (&7.into(), &7.into(), &0.into())
    );
    assert!(counted["write_units"].as_u64() >= Some(7), "{counted}");
    assert!(counted["read_units"].as_u64() >= Some(7), "{counted}");
    assert_eq!(rows(&up), 0);
    let people = up.ops(&["rebuild", "orders", "--dry-run"]).done().out;
    assert!(
        people.contains("7 rows of local-orders would be put; 7 streams looked at"),
        "{people}"
    );

    let rebuilt = up.ops(&["rebuild", "orders"]).done().out;
    assert_eq!(
        rebuilt,
        "7 rows of local-orders were put; 7 streams looked at, 7 with a row\n"
    );
    let shown = row(&up, "o-3");
    for (name, value) in [
        ("phase", "awaiting_payment"),
        ("client_id", "u-7"),
        ("due_at", "2026-11-23T08:15:00.000Z"),
    ] {
        assert_eq!(shown[name]["S"], value, "{shown}");
    }
    let again = up.ops(&["rebuild", "local-orders", "--json"]).done().json();
    assert_eq!((&again["renewed"], &again["streams"]), (&0.into(), &7.into()));
    let verified = up.ops(&["rebuild", "orders", "--verify"]).done().out;
    assert_eq!(
        verified,
        "local-orders is what its streams amount to; 7 streams looked at, 7 with a row\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_functions_show_is_what_a_rebuild_would_put() {
    let up = Up::start().await;
    for (cart_id, total) in [("v-1", "19.90"), ("v-2", "402.00")] {
        up.ops(&["send", "FinalizeCart", "--command", &cart(cart_id, total)])
            .done();
        let ending = if total == "402.00" {
            "OrderCancelled"
        } else {
            "OrderCompleted"
        };
        up.ends(&format!("cart/{cart_id}"), ending).await;
    }
    up.until("the view has shown both endings", || {
        let verified = up.ops(&["rebuild", "orders", "--verify", "--json"]);
        (verified.code == 0)
            .then(|| verified.json())
            .filter(|verified| verified["shown"] == 2)
    })
    .await;
    let groups = up.ops(&["rebuild", "group-checkouts", "--verify"]).done().out;
    assert!(
        groups.contains("local-group-checkouts is what its streams amount to"),
        "{groups}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_lists_what_is_wrong_and_shows_values_only_if_asked() {
    let up = with_orders(4).await;
    up.ops(&["rebuild", "orders"]).done();
    let key = json!({ "TableName": "local-orders", "Key": { "order_id": { "S": "o-0" } } });
    database::ask(&up.stack, "DeleteItem", &key);
    let mut changed = row(&up, "o-1");
    changed["client_id"] = json!({ "S": "secret-client" });
    up.put_item("local-orders", &changed);
    up.put_item(
        "local-orders",
        &json!({ "order_id": { "S": "o-gone" }, "revision": { "N": "1" } }),
    );
    let verified = up.ops(&["rebuild", "orders", "--verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    for part in [
        "o-0",
        "missing",
        "o-1",
        "differs",
        "client_id",
        "o-gone",
        "left over",
    ] {
        assert!(verified.out.contains(part), "{part}: {}", verified.out);
    }
    assert!(!verified.out.contains("secret-client"), "{}", verified.out);
    assert!(
        verified.err.contains("cargo ops rebuild orders"),
        "{}",
        verified.err
    );
    let document = up
        .ops(&["rebuild", "orders", "--verify", "--data", "--json"])
        .json();
    let differences = document["differences"].as_array().expect("a list");
    let differs = differences
        .iter()
        .find(|of| of["id"] == "o-1")
        .expect("it is listed");
    assert_eq!(
        differs["attributes"],
        json!([{ "name": "client_id", "in_row": "secret-client", "of_stream": "u-7" }])
    );
    let one = up.ops(&["rebuild", "orders", "--verify", "--limit", "1"]);
    assert!(one.out.contains("… and 2 more"), "{}", one.out);

    // What no stream accounts for is told, and stays; the rest is set right.
    let rebuilt = up.ops(&["rebuild", "orders"]);
    assert_eq!(rebuilt.code, 1, "{rebuilt:?}");
    assert!(
        rebuilt.out.contains("2 rows of local-orders were put"),
        "{}",
        rebuilt.out
    );
    assert!(rebuilt.err.contains("stays as it is"), "{}", rebuilt.err);
    assert_eq!(row(&up, "o-1")["client_id"]["S"], "u-7");
    assert_eq!(row(&up, "o-gone")["revision"]["N"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_read_is_told_and_the_others_are_shown() {
    let up = with_orders(3).await;
    up.put_item(
        "local-events",
        &crate::showing::item("order-broken", "OrderInitialized", "{}"),
    );
    let rebuilt = up.ops(&["rebuild", "orders", "--json"]);
    assert_eq!(rebuilt.code, 1, "{rebuilt:?}");
    assert!(rebuilt.err.contains("1 stream can't be read"), "{}", rebuilt.err);
    let rebuilt = rebuilt.json();
    assert_eq!(rebuilt["unreadable"][0]["stream_id"], "order-broken");
    assert_eq!((&rebuilt["renewed"], rows(&up)), (&3.into(), 3));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_goes_on_where_it_was() {
    let up = with_orders(40).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("progress.json");
    let file = file.to_str().expect("a path in UTF-8");
    let again = ["rebuild", "orders", "--resume", file];

    up.interrupt(&[&again[..], &["--rate", "8"]].concat(), file).await;
    let before = rows(&up);
    assert!(
        (1..40).contains(&before),
        "{before} of 40 were put before the interruption"
    );

    let rebuilt = up.ops(&[&again[..], &["--json"]].concat()).done().json();
    assert_eq!((&rebuilt["streams"], rows(&up)), (&40.into(), 40));
    let this_run = rebuilt["this_run"]["streams"].as_u64().unwrap_or_default();
    assert!((1..40).contains(&this_run), "{rebuilt}");

    let other = up.ops(&["rebuild", "group-checkouts", "--resume", file]);
    assert_eq!(other.code, 2, "{other:?}");
    assert!(other.err.contains("is of another run"), "{}", other.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_its_time_says_how_far_it_has_come() {
    let up = with_orders(12).await;
    let slow = up.ops(&["rebuild", "orders", "--rate", "4"]).done();
    assert!(slow.err.contains("streams looked at: "), "{}", slow.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_lists_the_views_and_a_stack_without_their_tables_is_told() {
    let up = Up::without_functions().await;
    let wrong = up.ops(&["rebuild", "order"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    for part in [
        "did you mean orders?",
        "the views are ",
        "orders, group-checkouts",
    ] {
        assert!(wrong.err.contains(part), "{part}: {}", wrong.err);
    }
    for both in [
        &["--dry-run", "--verify"][..],
        &["--verify", "--resume", "f"],
        &["--rate", "0"],
    ] {
        assert_eq!(
            up.ops(&[&["rebuild", "orders"], both].concat()).code,
            2,
            "{both:?}"
        );
    }
    database::ask(&up.stack, "DeleteTable", &json!({ "TableName": "local-orders" }));
    let without = up.ops(&["rebuild", "orders"]);
    assert_eq!(without.code, 3, "{without:?}");
    assert!(
        without.err.contains("there is no table local-orders"),
        "{}",
        without.err
    );
}
