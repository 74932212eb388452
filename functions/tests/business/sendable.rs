//! What is accepted can be sent: whatever a sender wrote into a text, an id or a name, what follows from its
//! message follows.
//!
//! `\\uffff` and `\\ufffe` are what no queue carries as they are, `\\ud800` is what no text can hold.

use functions::scenarios::Ids;
use serde_json::{Value, json};
use testkit::running::Running;

use crate::options;
use crate::refused::{cart, command, ids, without_simulators};

/// Stands for the odd text until the message is written.
const HERE: &str = "the odd text";
const ODD: &str = r"\uffff\ufffe \ud800 \udfff\u0001";
const ODD_ID: &str = r"\uffff\ufffe \ud800";

/// A message with odd ids and names, and odd texts in its fields.
fn odd(fields: &Value) -> String {
    let fields = fields.to_string().replace(HERE, ODD);
    format!(
        r#"{{"id":"{ODD_ID}","command":{fields},"\ud800":{{"\udc00":"{ODD}"}},"metadata":{{"correlation_id":"{ODD_ID}","causation_id":"{ODD_ID}"}}}}"#
    )
}

/// Everything that was said got where it belongs.
async fn assert_nothing_is_stuck(bundle: &Running) {
    assert_eq!(bundle.outbox().await, [], "every event was delivered");
    assert_eq!(bundle.letters().await, [], "every message was taken");
}

#[tokio::test(start_paused = true)]
async fn a_cart_under_an_id_that_no_queue_carries_as_it_is_ends_completed() {
    let bundle = Running::start(options()).await;
    bundle
        .send(
            "finalize-cart",
            &format!(r#"{{"id":"\uffff","command":{}}}"#, cart("c-1")),
        )
        .await;
    bundle.settle().await;
    let [_, order, ..] = ids("c-1").streams();
    assert_eq!(
        bundle.types(&order).await,
        ["OrderInitialized", "OrderConfirmed", "OrderCompleted"]
    );
    assert_nothing_is_stuck(&bundle).await;
    let first = &bundle.events(&order).await[0];
    assert_eq!(first.correlation_id, "\u{ffff}", "it is passed on unchanged");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_withdrawn_with_a_reason_that_no_queue_carries_as_it_is_gives_its_money_back() {
    let bundle = without_simulators().await;
    bundle.send("finalize-cart", &command(&cart("c-1"))).await;
    let ids = ids("c-1");
    let [_, order, payment, _] = ids.streams();
    bundle.until(&payment, "PaymentRequested").await;
    let withdraw = format!(
        r#"{{"command":{{"order_id":"{}","reason":"\uffff"}}}}"#,
        ids.order
    );
    bundle.send("withdraw-order", &withdraw).await;
    bundle
        .send(
            "complete-payment",
            &command(&json!({ "payment_id": ids.payment })),
        )
        .await;
    bundle.settle().await;
    assert_eq!(bundle.types(&order).await, ["OrderInitialized", "OrderCancelled"]);
    let types = bundle.types(&payment).await;
    assert_eq!(
        types.iter().filter(|event| *event == "PaymentDiscarded").count(),
        1,
        "{types:?}"
    );
    let told = bundle.take("payment-gateway").await;
    assert!(
        told.iter()
            .any(|message| message.body.contains("PaymentDiscarded")),
        "the provider is told to give it back"
    );
    assert_nothing_is_stuck(&bundle).await;
}

#[tokio::test(start_paused = true)]
async fn every_order_and_group_ends_though_each_of_its_messages_holds_what_no_queue_carries() {
    let bundle = without_simulators().await;
    let order = async |id: &str| {
        bundle.send("finalize-cart", &odd(&cart(id))).await;
        let ids = ids(id);
        bundle.until(&ids.streams()[2], "PaymentRequested").await;
        ids
    };
    let tell = async |queue: &str, fields: Value| {
        bundle.send(queue, &odd(&fields)).await;
    };
    let [declined, lost, sent] = [order("declined").await, order("lost").await, order("sent").await];
    tell(
        "fail-payment",
        json!({ "payment_id": declined.payment, "error": HERE }),
    )
    .await;
    for ids in [&lost, &sent] {
        tell("complete-payment", json!({ "payment_id": ids.payment })).await;
        bundle.until(&ids.streams()[3], "ShipmentRequested").await;
    }
    tell(
        "fail-shipment",
        json!({ "shipment_id": lost.shipment, "error": HERE }),
    )
    .await;
    tell("send-shipment", json!({ "shipment_id": sent.shipment })).await;
    for guest in ["ada", "bob"] {
        tell("check-in-guest", json!({ "guest_stay_id": guest })).await;
        let stay = format!("guestStay-{guest}").parse().expect("a stream");
        bundle.until(&stay, "GuestCheckedIn").await;
    }
    tell(
        "record-charge",
        json!({ "guest_stay_id": "bob", "charge_id": "room", "amount": 5 }),
    )
    .await;
    bundle
        .until(&"guestStay-bob".parse().expect("a stream"), "ChargeRecorded")
        .await;
    tell(
        "initiate-group-checkout",
        json!({ "group_checkout_id": "tour", "guest_stay_ids": ["ada", "bob"] }),
    )
    .await;
    bundle.settle().await;

    let ending = async |ids: &Ids| bundle.types(&ids.streams()[1]).await.pop().unwrap_or_default();
    assert_eq!(ending(&declined).await, "OrderCancelled");
    assert_eq!(ending(&lost).await, "OrderCancelled");
    assert_eq!(ending(&sent).await, "OrderCompleted");
    let given_back = bundle.types(&lost.streams()[2]).await;
    assert_eq!(given_back.last().map(String::as_str), Some("PaymentDiscarded"));
    let group = bundle
        .types(&"groupCheckout-tour".parse().expect("a stream"))
        .await;
    assert_eq!(
        group.last().map(String::as_str),
        Some("GroupCheckoutFailed"),
        "{group:?}"
    );
    let reason = &bundle.events(&declined.streams()[1]).await[1].data;
    let reason: Value = serde_json::from_str(reason).expect("data is JSON");
    let reason = reason["reason"].as_str().expect("it has a reason");
    assert!(
        reason.contains("\u{ffff}\u{fffe} \u{fffd} \u{fffd}\u{1}"),
        "halves of surrogate pairs are replaced, and nothing else: {reason:?}"
    );
    assert_nothing_is_stuck(&bundle).await;
}
