//! What comes from a future that this code does not know.

use eventsourcing::{Commit, EventStore, NewEvent, Position, StreamId, Timestamp};
use functions::scenarios::Ids;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::malformed::is_refused_from_the_future;
use testkit::running::Running;

use crate::{options, takes_messages};

/// Appends an event to a stream past all rules, as another version would.
async fn append(
    bundle: &Running,
    stream: &StreamId,
    event_type: &'static str,
    schema_version: u32,
    data: &Value,
) {
    let loaded = bundle.store.load(stream, eventsourcing::Read::Consistent).await;
    let position = loaded.map_or(Position::START, |stream| stream.position());
    let event = NewEvent {
        event_type,
        schema_version,
        data: data.to_string(),
        correlation_id: "chain".into(),
        causation_id: format!("cause of {event_type}"),
        trace: None,
    };
    let now = Timestamp::from_millis(1_795_420_800_000);
    let commit = Commit::at(position, stream, uuid::Uuid::new_v4(), now, vec![event]);
    bundle.store.append(&commit).await.expect("nobody else writes");
}

#[tokio::test(start_paused = true)]
async fn a_message_from_the_future_is_in_the_dead_letter_queue_and_says_its_version() {
    let options = options();
    let functions = options.bundle.registry.functions.iter();
    for function in functions.filter(|function| takes_messages(function)) {
        is_refused_from_the_future(&options, function).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_type_from_the_future_is_passed_over_and_the_order_goes_on() {
    let bundle = Running::start(StackOptions {
        simulators: false,
        ..options()
    })
    .await;
    let cart = json!({
        "cart_id": "c-1", "client_id": "u-1", "total_price": 9.99,
        "product_items": [{ "product_id": "p-1", "quantity": 1, "unit_price": 9.99 }],
    });
    let ids = Ids::of_cart(&cart).expect("the cart has an id");
    let [_, order, payment, shipment] = ids.streams();
    bundle
        .send("finalize-cart", &json!({ "command": cart }).to_string())
        .await;
    bundle.until(&payment, "PaymentRequested").await;
    append(&bundle, &order, "OrderGiftWrapped", 1, &json!({ "paper": "red" })).await;
    append(&bundle, &payment, "PaymentGilded", 3, &json!({})).await;
    let answers = [
        (
            "complete-payment",
            json!({ "payment_id": ids.payment }),
            &shipment,
            "ShipmentRequested",
        ),
        (
            "send-shipment",
            json!({ "shipment_id": ids.shipment }),
            &order,
            "OrderCompleted",
        ),
    ];
    for (queue, command, stream, follows) in answers {
        bundle
            .send(queue, &json!({ "command": command }).to_string())
            .await;
        bundle.until(stream, follows).await;
    }
    bundle.settle().await;
    assert_eq!(
        bundle.types(&order).await,
        [
            "OrderInitialized",
            "OrderGiftWrapped",
            "OrderConfirmed",
            "OrderCompleted"
        ]
    );
    assert_eq!(
        bundle.types(&payment).await,
        ["PaymentRequested", "PaymentGilded", "PaymentCompleted"]
    );
    assert_eq!(
        (bundle.take_all_letters().await, bundle.outbox().await.len()),
        (vec![], 0)
    );
}
