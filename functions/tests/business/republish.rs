//! Publishing again: orders whose events the stream lost come to their end, and no effect comes twice.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{Bus, Checkpoint, Outbox, Publisher, Republisher, Selection, Tally};
use domain::Deadlines;
use eventsourcing::{Clock, Timestamp};
use functions::scenarios::Ids;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::running::{Running, at};

use crate::options;

const CALLER: &str = "republisher";

/// A bundle whose stream nobody reads, with a carrier who has an hour.
async fn without_relay() -> Running {
    Running::start(StackOptions {
        relays: 0,
        settings: Deadlines {
            shipment: Duration::from_hours(1),
            ..Deadlines::default()
        }
        .into(),
        ..options()
    })
    .await
}

struct BundleClock(embedded_aws::Clock);

impl Clock for BundleClock {
    fn now(&self) -> Timestamp {
        self.0.now().into()
    }
}

fn republisher(bundle: &Running) -> Republisher {
    let connection = bundle.stack.connection(CALLER);
    let bus = Bus::new(connection.sqs.clone(), &bundle.queue_url_prefix());
    let outbox = Outbox::new(connection.dynamodb.clone(), bundle.stack.names().outbox_table());
    let publisher = Publisher::new(bundle.stack.registry().routes(), bus);
    Republisher::new(
        connection.dynamodb,
        publisher,
        outbox,
        Arc::new(BundleClock(bundle.stack.clock())),
    )
}

fn beginning(bundle: &Running, selection: Selection) -> Checkpoint {
    let segments = NonZeroU32::new(4).expect("four is not zero");
    Checkpoint::start(bundle.stack.names().events_table(), selection, segments)
}

/// Publishes to the end.
async fn publish(republisher: &Republisher, checkpoint: Checkpoint) -> Tally {
    let mut run = republisher.run(checkpoint);
    while let Some(page) = run.next().await {
        page.expect("nothing stops it");
    }
    assert!(run.checkpoint().is_done());
    run.checkpoint().done.clone()
}

fn cart(id: &str, total: f64, product: &str) -> Value {
    json!({
        "cart_id": id, "client_id": "u-1", "total_price": total,
        "product_items": [{ "product_id": product, "quantity": 1, "unit_price": total }],
    })
}

fn ids(cart_id: &str) -> Ids {
    Ids::of_cart(&cart(cart_id, 1.0, "p")).expect("the cart has an id")
}

/// Carts of every kind, one in five of whose orders was under way when the stream was lost: what steps
/// had sent by then is on its queues.
async fn a_day_of_business(bundle: &Running) -> Vec<String> {
    let kinds = [
        (9.99, "p-1"),
        (402.0, "p-1"),
        (408.0, "p-1"),
        (409.0, "p-1"),
        (9.99, "out-of-stock"),
        (9.99, "lost-parcel"),
    ];
    let mut carts = Vec::new();
    for n in 0..60 {
        let (total, product) = kinds[n % kinds.len()];
        let id = format!("c-{n}");
        let fields = cart(&id, total, product);
        let tell = async |queue: &str, command: Value| {
            bundle
                .send(queue, &json!({ "command": command }).to_string())
                .await;
        };
        tell("finalize-cart", fields.clone()).await;
        if n % 5 == 0 {
            let of = ids(&id);
            let mut order = fields;
            order["order_id"] = json!(of.order);
            tell("initialize-order", order).await;
            tell(
                "request-payment",
                json!({ "payment_id": of.payment, "order_id": of.order, "amount": total }),
            )
            .await;
            if n % 10 == 0 {
                tokio::time::sleep(Duration::from_secs(5)).await;
                tell("complete-payment", json!({ "payment_id": of.payment })).await;
            }
        }
        carts.push(id);
    }
    carts
}

/// Checks what has to be true of every order in the end, and answers how many completed.
async fn check_orders(bundle: &Running, carts: &[String]) -> usize {
    let mut completed = 0;
    for cart_id in carts {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for stream in ids(cart_id).streams() {
            for event_type in bundle.types(&stream).await {
                *found.entry(event_type).or_default() += 1;
            }
        }
        let count = |event_type: &str| found.get(event_type).copied().unwrap_or(0);
        for once in ["CartFinalized", "OrderInitialized"] {
            assert_eq!(count(once), 1, "{once} of {cart_id}: {found:?}");
        }
        assert!(
            found.values().all(|count| *count == 1),
            "something of {cart_id} came twice: {found:?}"
        );
        assert_eq!(
            count("OrderCompleted") + count("OrderCancelled"),
            1,
            "{cart_id}: {found:?}"
        );
        let money = count("PaymentCompleted") + count("PaymentReceivedLate");
        if count("OrderCompleted") == 1 {
            completed += 1;
            assert_eq!(
                (count("PaymentCompleted"), count("PaymentDiscarded")),
                (1, 0),
                "{cart_id}: {found:?}"
            );
            assert_eq!(count("ShipmentSent"), 1, "{cart_id}: {found:?}");
        } else {
            assert_eq!(
                money,
                count("PaymentDiscarded"),
                "money of {cart_id} was kept: {found:?}"
            );
        }
    }
    completed
}

#[tokio::test(start_paused = true)]
async fn when_the_stream_is_lost_for_a_day_everything_completes_afterwards_with_no_effect_twice() {
    let mut bundle = without_relay().await;
    let carts = a_day_of_business(&bundle).await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    let [_, order, ..] = ids("c-1").streams();
    assert!(
        bundle.types(&order).await.is_empty(),
        "nobody has heard of the carts"
    );
    let lost_until: Timestamp = bundle.stack.clock().now().into();

    bundle.stack.start_relay().await.expect("the relay starts");
    let selection = Selection::range(Some(Timestamp::from(at(Duration::ZERO))), Some(lost_until));
    let tally = publish(&republisher(&bundle), beginning(&bundle, selection.clone())).await;
    assert_eq!(tally.undelivered, []);
    bundle.settle().await;
    let completed = check_orders(&bundle, &carts).await;
    assert!(completed >= 15, "{completed} of {} orders completed", carts.len());
    assert_eq!(bundle.take_all_letters().await, []);

    // Once more, when all is done: nothing changes.
    let before = bundle.commits().await.len();
    publish(&republisher(&bundle), beginning(&bundle, selection)).await;
    bundle.settle().await;
    assert_eq!(bundle.commits().await.len(), before);
    assert_eq!(bundle.take_all_letters().await, []);
    println!(
        "{} carts, {} commits and {} messages published again, {completed} completed, {before} commits in the end",
        carts.len(),
        tally.commits,
        tally.total()
    );
}
