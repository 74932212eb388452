//! The relay: every event reaches the queues of those who asked for it, or the outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use embedded_aws::transport::{Fault, Faults};
use functions::scenarios::Ids;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::bundle::{Bundle, Item, text};
use testkit::weather::{at_first, broken, faults};
use tokio::time::Instant;

use crate::options;

const RELAY: &str = bundle::RELAY;

async fn bundle(faults: Option<Arc<dyn Faults>>) -> Bundle {
    Bundle::start(StackOptions {
        simulators: false,
        faults,
        ..options()
    })
    .await
}

/// Sends from the relay to one queue fail.
fn unreachable(queue: &'static str) -> Arc<dyn Faults> {
    faults(move |call| {
        if &*call.caller == RELAY && call.resource() == Some(queue) {
            broken(call.service)
        } else {
            Fault::None
        }
    })
}

fn cart(id: &str) -> Value {
    json!({
        "cart_id": id, "client_id": "u-1", "total_price": 9.99,
        "product_items": [{ "product_id": "p-1", "quantity": 1, "unit_price": 9.99 }],
    })
}

fn ids(cart_id: &str) -> Ids {
    Ids::of_cart(&cart(cart_id)).expect("the cart has an id")
}

/// An item of the event table with one event, in the database's own JSON.
fn item(stream: &str, event_type: &str, data: &str) -> Value {
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

fn finalized(cart_id: &str) -> Value {
    let mut data = cart(cart_id);
    data["confirmed_at"] = json!("2026-11-23T08:00:00.000Z");
    item(&format!("cart-{cart_id}"), "CartFinalized", &data.to_string())
}

/// The one entry of the outbox.
async fn only_entry(bundle: &Bundle) -> Item {
    let mut outbox = bundle.outbox().await;
    assert_eq!(outbox.len(), 1, "{outbox:?}");
    outbox.remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_event_is_delivered_to_every_queue_that_asked_for_it() {
    let bundle = bundle(None).await;
    let ids = ids("c-1");
    let request = json!({ "shipment_id": ids.shipment, "order_id": ids.order,
                          "product_items": cart("c-1")["product_items"] });
    let fail = json!({ "shipment_id": ids.shipment, "error": "out of stock" });
    for (queue, command) in [("request-shipment", request), ("fail-shipment", fail)] {
        bundle
            .send(queue, &json!({ "command": command }).to_string())
            .await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let [.., shipment] = ids.streams();
    let failed = &bundle.events(&shipment).await[1];
    let of_type: Vec<_> = bundle
        .messages()
        .into_iter()
        .filter(|(_, body)| body.contains("ShipmentFailed"))
        .collect();
    let mut queues: Vec<_> = of_type.iter().map(|(queue, _)| queue.as_str()).collect();
    queues.sort_unstable();
    assert_eq!(queues, ["on-shipment-failed", "shipping-gateway"]);
    let message: Value = serde_json::from_str(&of_type[0].1).expect("a message is JSON");
    assert_eq!(of_type[0].1, of_type[1].1, "the same message for both");
    assert_eq!(
        (&message["id"], &message["type"], &message["stream_id"]),
        (
            &json!(failed.event_id),
            &json!("ShipmentFailed"),
            &json!(shipment.as_str())
        )
    );
    assert_eq!(message["revision"], 2);
    assert_eq!(message["event"]["error"], "out of stock");
    assert_eq!(message["metadata"]["causation_id"], json!(failed.causation_id));
    assert_eq!(
        message["metadata"]["correlation_id"],
        json!(failed.correlation_id)
    );
    assert!(message["metadata"]["timestamp"].is_string());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_is_in_the_outbox_while_the_others_are_delivered_and_the_shard_goes_on() {
    let bundle = bundle(Some(unreachable("local-on-cart-finalized"))).await;
    // One read of the stream: the events of different queues go out together.
    bundle.put(&finalized("stuck"));
    let order_of = |cart_id: &str| {
        let mut order = cart(cart_id);
        order["order_id"] = json!(ids(cart_id).order);
        order["initialized_at"] = json!("2026-11-23T08:00:00.000Z");
        item(
            &format!("order-{}", ids(cart_id).order),
            "OrderInitialized",
            &order.to_string(),
        )
    };
    bundle.put(&order_of("free"));
    let [.., payment, _] = ids("free").streams();
    bundle.until(&payment, "PaymentRequested").await;
    assert!(
        bundle.age() < Duration::from_secs(1),
        "it took {:?}",
        bundle.age()
    );
    // The queue that fails is tried a few times.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let entry = only_entry(&bundle).await;
    assert_eq!(
        (text(&entry, "stream_id"), text(&entry, "revision")),
        ("cart-stuck", "1")
    );
    assert_eq!(text(&entry, "attempts"), "1");
    let error = text(&entry, "last_error");
    assert!(
        error.contains("on-cart-finalized") && error.contains("InternalFailure"),
        "{error}"
    );
    for name in ["first_attempt_at", "last_attempt_at"] {
        assert!(text(&entry, name).starts_with("2026-11-23T08:00:0"), "{entry:?}");
    }
    bundle.put(&order_of("later"));
    let [.., payment, _] = ids("later").streams();
    bundle.until(&payment, "PaymentRequested").await;
    assert_eq!(bundle.outbox().await.len(), 1);
    assert_eq!(bundle.stack.metrics().by_function()[RELAY].undelivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_delivered_where_it_can_be_even_if_one_of_its_queues_fails() {
    let bundle = bundle(Some(unreachable("local-shipping-gateway"))).await;
    let failed = json!({
        "shipment_id": ids("c-1").shipment, "order_id": ids("c-1").order,
        "error": "out of stock", "failed_at": "2026-11-23T08:00:00.000Z",
    });
    bundle.put(&item("shipment-s-1", "ShipmentFailed", &failed.to_string()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sent_on = bundle.calls_of("on-shipment-failed", "SendMessageBatch");
    assert_eq!(sent_on.len(), 1, "the step has sent its command");
    let entry = only_entry(&bundle).await;
    assert_eq!(text(&entry, "stream_id"), "shipment-s-1");
    let error = text(&entry, "last_error");
    assert!(error.contains("shipping-gateway"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_short_fault_is_got_over_without_the_outbox() {
    let bundle = bundle(Some(at_first(unreachable("local-on-cart-finalized")))).await;
    bundle.put(&finalized("c-1"));
    let [_, order, ..] = ids("c-1").streams();
    bundle.until(&order, "OrderInitialized").await;
    assert_eq!(bundle.outbox().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_comes_again_if_the_outbox_cannot_be_written_either_and_nothing_is_lost() {
    let until = Instant::now() + Duration::from_secs(20);
    let rule = faults(move |call| {
        let queue = call.resource() == Some("local-on-cart-finalized");
        let hit = &*call.caller == RELAY && (queue || call.operation == "UpdateItem");
        if hit && Instant::now() < until {
            broken(call.service)
        } else {
            Fault::None
        }
    });
    let bundle = bundle(Some(rule)).await;
    let carts: Vec<_> = (0..7).map(|n| format!("c-{n}")).collect();
    for cart_id in &carts {
        bundle.put(&finalized(cart_id));
    }
    for cart_id in &carts {
        let [_, order, ..] = ids(cart_id).streams();
        bundle.until(&order, "OrderInitialized").await;
    }
    assert!(bundle.age() >= Duration::from_secs(20));
    assert_eq!(bundle.outbox().await.len(), 0);
    let told = bundle.calls_of(bundle::RECOVERY, "UpdateItem");
    assert_eq!(told.len(), 0, "the mapping gave nothing up");
}

#[tokio::test(start_paused = true)]
async fn items_that_cannot_be_read_go_to_the_outbox_and_their_neighbours_are_delivered() {
    let bundle = bundle(None).await;
    let mut no_commit = finalized("no-commit");
    no_commit["events"] = json!({ "S": "none" });
    bundle.put(&finalized("before"));
    bundle.put(&item("cart-no-json", "CartFinalized", "{\"secret\":"));
    bundle.put(&no_commit);
    bundle.put(&finalized("after"));
    for cart_id in ["before", "after"] {
        let [_, order, ..] = ids(cart_id).streams();
        bundle.until(&order, "OrderInitialized").await;
    }
    let mut outbox = bundle.outbox().await;
    outbox.sort_by_key(|entry| text(entry, "stream_id").to_owned());
    let found: Vec<_> = outbox
        .iter()
        .map(|entry| {
            (
                text(entry, "stream_id"),
                text(entry, "revision"),
                text(entry, "attempts"),
            )
        })
        .collect();
    assert_eq!(found, [("cart-no-commit", "1", "1"), ("cart-no-json", "1", "1")]);
    assert!(text(&outbox[0], "last_error").contains("no commit"));
    let error = text(&outbox[1], "last_error");
    assert!(
        error.contains("revision 1 of type CartFinalized is not JSON"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn event_types_that_nobody_asked_for_are_ignored() {
    let bundle = bundle(None).await;
    bundle.put(&item("cart-new", "CartRedecorated", "{}"));
    bundle.put(&item("order-done", "OrderCompleted", "{}"));
    bundle.put(&finalized("c-1"));
    let [_, order, ..] = ids("c-1").streams();
    bundle.until(&order, "OrderInitialized").await;
    assert_eq!(bundle.outbox().await.len(), 0);
    let relayed = bundle.calls_of(RELAY, "SendMessageBatch");
    assert!(
        relayed
            .iter()
            .all(|call| !call.request.to_string().contains("Redecorated")),
        "nobody was told"
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_changed_or_deleted_is_not_relayed_again() {
    let bundle = bundle(None).await;
    bundle.put(&finalized("c-1"));
    let [_, order, ..] = ids("c-1").streams();
    bundle.until(&order, "OrderInitialized").await;
    bundle.forget_calls();
    bundle.put(&finalized("c-1"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bundle.calls_of(RELAY, "SendMessageBatch").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_records_take_the_fewest_calls_for_each_queue() {
    let bundle = bundle(None).await;
    for n in 0..50 {
        bundle.put(&finalized(&format!("c-{n}")));
        let voided = json!({
            "payment_id": format!("p-{n}"), "order_id": "o", "voided_at": "2026-11-23T08:00:00.000Z",
        });
        bundle.put(&item(
            &format!("payment-p-{n}"),
            "PaymentVoided",
            &voided.to_string(),
        ));
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let lengths = |queue: &str| {
        let calls = bundle.calls_of(RELAY, "SendMessageBatch");
        let of_queue = calls
            .iter()
            .filter(|call| call.resource == format!("local-{queue}"));
        of_queue
            .filter(|call| {
                let body = call.request["Entries"][0]["MessageBody"].as_str();
                body.is_some_and(|body| body.contains("CartFinalized") || body.contains("PaymentVoided"))
            })
            .map(|call| call.request["Entries"].as_array().map_or(0, Vec::len))
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths("on-cart-finalized"), [10; 5]);
    assert_eq!(lengths("payment-gateway"), [10; 5]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_stored_is_published_though_its_function_dies_at_once() {
    // Nothing that the function does after its write is ever done: as if it had been killed there.
    let written = AtomicBool::new(false);
    let dies = faults(move |call| {
        if &*call.caller != "finalize-cart" {
            return Fault::None;
        }
        let dead = written.swap(true, Ordering::Relaxed);
        if dead { Fault::Never } else { Fault::None }
    });
    let bundle = bundle(Some(dies)).await;
    let body = json!({ "command": cart("c-1") }).to_string();
    bundle.send("finalize-cart", &body).await;
    bundle.settle().await;
    let [cart, order, ..] = ids("c-1").streams();
    assert_eq!(bundle.types(&cart).await, ["CartFinalized"]);
    let types = bundle.types(&order).await;
    assert_eq!(types.first().map(String::as_str), Some("OrderInitialized"));
}
