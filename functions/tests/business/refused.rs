//! What the rules refuse goes to the dead-letter queue at once, what comes too early waits, and what was done
//! before is acknowledged.

use bundle::Sample;
use functions::scenarios::Ids;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::malformed::{AT_ONCE, assert_refused};
use testkit::retries::assert_exhausted_when_patience_is_over;
use testkit::running::{Running, id_of};

use crate::options;
use crate::stories::Stories;

/// A stack whose outbound queues nobody answers.
pub(crate) async fn without_simulators() -> Running {
    Running::start(StackOptions {
        simulators: false,
        ..options()
    })
    .await
}

/// The fields of a cart of that id.
pub(crate) fn cart(id: &str) -> Value {
    json!({
        "cart_id": id, "client_id": "u-1", "total_price": 9.99,
        "product_items": [{ "product_id": "p-1", "quantity": 1, "unit_price": 9.99 }],
    })
}

pub(crate) fn ids(cart_id: &str) -> Ids {
    Ids::of_cart(&cart(cart_id)).expect("the cart has an id")
}

/// A message with these fields and nothing else, as an outside sender may write it.
pub(crate) fn command(fields: &Value) -> String {
    json!({ "command": fields }).to_string()
}

#[tokio::test(start_paused = true)]
async fn a_command_that_the_rules_refuse_goes_to_the_dead_letter_queue_at_once() {
    let bundle = without_simulators().await;
    let ids = ids("c-1");
    bundle.send("finalize-cart", &command(&cart("c-1"))).await;
    let [_, order, payment, shipment] = ids.streams();
    bundle.until(&payment, "PaymentRequested").await;
    let request = command(&request_shipment(&ids));
    bundle.send("request-shipment", &request).await;
    bundle.until(&shipment, "ShipmentRequested").await;
    let refused: Vec<_> = with_other_content(&ids)
        .into_iter()
        .chain(with_wrong_ids(&ids))
        .chain(out_of_turn(&ids))
        .collect();
    let commits = bundle.commits().await.len();
    let began = bundle.age();
    for (queue, fields, _) in &refused {
        bundle.send(queue, &command(fields)).await;
    }
    tokio::time::sleep(AT_ONCE).await;
    let mut letters = bundle.take_all_letters().await;
    for (queue, fields, why) in &refused {
        let place = letters
            .iter()
            .position(|letter| letter.queue == *queue && letter.body == command(fields));
        let place = place.unwrap_or_else(|| panic!("{fields} was not refused by {queue}"));
        let letter = letters.swap_remove(place);
        assert_refused(&letter, "rejected", why);
        let after = letter.sent.saturating_sub(began);
        assert!(after < AT_ONCE, "{queue} took {after:?}");
    }
    assert_eq!(letters, []);
    assert_eq!(bundle.commits().await.len(), commits);
    assert_eq!(bundle.types(&order).await, ["OrderInitialized"]);
}

/// A queue, the fields of a command for it, and what the refusal speaks of.
type Refused = (&'static str, Value, &'static str);

/// Commands for the cart's own streams that say something else than those before.
fn with_other_content(ids: &Ids) -> Vec<Refused> {
    let other_items = json!([{ "product_id": "p-2", "quantity": 1, "unit_price": 9.99 }]);
    let finalize = |name, value| ("finalize-cart", with(cart("c-1"), name, value), "other content");
    let initialize = with(initialize_order(ids), "total_price", json!(1));
    let request_payment = with(request_payment(ids), "amount", json!(1));
    let request_shipment = with(request_shipment(ids), "product_items", other_items.clone());
    vec![
        finalize("total_price", json!(9.98)),
        finalize("client_id", json!("u-2")),
        finalize("product_items", other_items),
        ("initialize-order", initialize, "other content"),
        ("request-payment", request_payment, "another amount"),
        ("request-shipment", request_shipment, "other items"),
    ]
}

/// Commands whose ids are not the computed ones.
fn with_wrong_ids(ids: &Ids) -> Vec<Refused> {
    let due = |fields| with(fields, "due_at", json!("2026-11-23T08:00:00Z"));
    let payment = with(request_payment(ids), "payment_id", json!("p-1"));
    let shipment = with(request_shipment(ids), "shipment_id", json!("s-1"));
    let initialize = with(initialize_order(ids), "order_id", json!("o-1"));
    vec![
        ("initialize-order", initialize, "order_id is not the one"),
        ("confirm-order", payment.clone(), "payment_id is not the one"),
        ("request-payment", payment.clone(), "payment_id is not the one"),
        ("discard-payment", payment.clone(), "payment_id is not the one"),
        ("time-out-payment", due(payment), "payment_id is not the one"),
        ("request-shipment", shipment.clone(), "shipment_id is not the one"),
        ("time-out-shipment", due(shipment), "shipment_id is not the one"),
    ]
}

/// Commands that can't be right whatever comes later.
fn out_of_turn(ids: &Ids) -> Vec<Refused> {
    let complete = json!({ "order_id": ids.order });
    vec![("complete-order", complete, "is not confirmed")]
}

fn with(mut fields: Value, name: &str, value: Value) -> Value {
    fields[name] = value;
    fields
}

fn initialize_order(ids: &Ids) -> Value {
    with(cart(ids.cart.as_str()), "order_id", json!(ids.order))
}

fn request_payment(ids: &Ids) -> Value {
    json!({ "payment_id": ids.payment, "order_id": ids.order, "amount": 9.99 })
}

fn request_shipment(ids: &Ids) -> Value {
    let items = cart(ids.cart.as_str())["product_items"].clone();
    json!({ "shipment_id": ids.shipment, "order_id": ids.order, "product_items": items })
}

#[tokio::test(start_paused = true)]
async fn a_command_for_a_stream_that_does_not_exist_is_recorded_or_waits_and_none_is_refused() {
    let stories = Stories::play().await;
    let recorded = [
        "finalize-cart",
        "initialize-order",
        "request-payment",
        "discard-payment",
        "request-shipment",
        "check-in-guest",
        "initiate-group-checkout",
        // The order is cancelled as soon as there is one.
        "withdraw-order",
        // A shipment that was called off is never requested.
        "call-off-shipment",
        // It answers that the guest could not be checked out.
        "checkout-guest-account",
    ];
    for function in stories.bundle.command_functions() {
        let (queue, sample) = (function.name.as_str(), stories.sample(&function.name));
        let bundle = without_simulators().await;
        bundle.send(queue, sample).await;
        tokio::time::sleep(AT_ONCE + function.batching.window).await;
        let letters = bundle.take_letters(queue).await;
        let has_recorded = !bundle.commits().await.is_empty();
        let waits = bundle.count(queue).in_flight + bundle.count(queue).delayed > 0;
        let found = (has_recorded, letters.len(), waits);
        // Of others their samples say whether they need something to be there before.
        let needs_nothing = |sample: &Sample| sample.given.is_empty();
        if recorded.contains(&queue) || function.samples().iter().any(needs_nothing) {
            assert_eq!(found, (true, 0, false), "{queue}");
        } else if queue.starts_with("time-out-") {
            // Deadlines are the bundle's own: what they are about may never have been requested.
            assert_eq!(letters, [], "{queue}");
        } else {
            assert_eq!(found, (false, 0, true), "{queue}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_exact_repeat_of_any_command_is_acknowledged_and_appends_nothing_whatever_its_id() {
    let stories = Stories::play().await;
    let bundle = &stories.bundle;
    let queues: Vec<_> = bundle
        .command_functions()
        .map(|function| function.name.clone())
        .collect();
    for queue in &queues {
        stories.sample(queue);
        let repeats = stories.accepted[queue].iter();
        let repeats = repeats.flat_map(|body| [body.clone(), renamed(body), bare(body)]);
        assert_nothing_happens(&stories, queue, repeats.collect()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_exact_repeat_of_any_event_is_acknowledged_and_changes_nothing() {
    let stories = Stories::play().await;
    let queues: Vec<_> = stories
        .bundle
        .step_functions()
        .map(|function| function.name.clone())
        .collect();
    for queue in &queues {
        stories.sample(queue);
        assert_nothing_happens(&stories, queue, stories.accepted[queue].clone()).await;
    }
}

async fn assert_nothing_happens(stories: &Stories, queue: &str, repeats: Vec<String>) {
    let bundle = &stories.bundle;
    let commits = bundle.commits().await.len();
    for ten in repeats.chunks(10) {
        bundle.send_batch(queue, ten).await;
    }
    bundle.settle().await;
    let mut letters = bundle.take_all_letters().await;
    // An event that led to a refusal leads there again.
    letters.retain(|letter| !stories.refused.contains(&id_of(&letter.body)));
    assert_eq!(letters, [], "{queue} refused a repeat");
    assert_eq!(
        bundle.commits().await.len(),
        commits,
        "{queue} appended something"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gateways_or_steps_command_for_an_unknown_stream_waits_longer_each_time_and_is_exhausted_after_an_hour()
 {
    let bundle = without_simulators().await;
    let ids = ids("unknown");
    let waiting = [
        ("complete-payment", json!({ "payment_id": ids.payment })),
        (
            "fail-payment",
            json!({ "payment_id": ids.payment, "error": "declined" }),
        ),
        ("send-shipment", json!({ "shipment_id": ids.shipment })),
        (
            "fail-shipment",
            json!({ "shipment_id": ids.shipment, "error": "lost" }),
        ),
        (
            "confirm-order",
            json!({ "order_id": ids.order, "payment_id": ids.payment }),
        ),
        ("complete-order", json!({ "order_id": ids.order })),
        (
            "cancel-order",
            json!({ "order_id": ids.order, "cause": "payment_failed", "reason": "declined" }),
        ),
    ];
    for (queue, fields) in &waiting {
        bundle.send(queue, &command(fields)).await;
    }
    bundle.settle().await;
    for (queue, fields) in &waiting {
        assert_exhausted_when_patience_is_over(&bundle, queue, &command(fields)).await;
    }
    assert_eq!(bundle.commits().await.len(), 0, "nothing was created by it");
}

/// The same command under another id.
fn renamed(body: &str) -> String {
    let mut message: Value = serde_json::from_str(body).expect("it was taken before");
    message["id"] = json!("another id");
    message.to_string()
}

/// The same command under no id.
fn bare(body: &str) -> String {
    let message: Value = serde_json::from_str(body).expect("it was taken before");
    command(&message["command"])
}
