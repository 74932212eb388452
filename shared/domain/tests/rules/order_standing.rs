//! How an order stands is told by its rules' states: what is outstanding, until when, and how it ended.

use domain::cart::{Cart, CartEvent, CartFinalized};
use domain::order::{
    Cause, Order, OrderCancelled, OrderCompleted, OrderConfirmed, OrderEvent, OrderInitialized,
    OrderWithdrawnEarly,
};
use domain::order_standing::OrderStanding;
use domain::payment::{
    Payment, PaymentCompleted, PaymentDiscarded, PaymentEvent, PaymentFailed, PaymentRequested, PaymentVoided,
};
use domain::shipment::{Shipment, ShipmentEvent, ShipmentFailed, ShipmentRequested, ShipmentSent};
use domain::values::{CartId, Money, OrderId, PaymentId, ProductItem, ProductItems, Quantity, ShipmentId};
use eventsourcing::standing::{Standing, StoredStream};
use eventsourcing::{Commit, Decider, EventSet, NewEvent, Position, StreamId, Timestamp};
use uuid::Uuid;

fn at() -> Timestamp {
    Timestamp::from_millis(0)
}

fn due_at() -> Timestamp {
    Timestamp::from_millis(420_000)
}

fn cart() -> CartId {
    "c-1".parse().expect("an id")
}

fn order() -> OrderId {
    OrderId::of_cart(&cart())
}

fn payment() -> PaymentId {
    PaymentId::of_order(&order())
}

fn shipment() -> ShipmentId {
    ShipmentId::of_order(&order())
}

fn items() -> ProductItems {
    let item = ProductItem {
        product_id: "p-1".parse().expect("an id"),
        quantity: Quantity::new(1).expect("it is in range"),
        unit_price: Money::whole(9),
    };
    ProductItems::new(vec![item]).expect("there is one")
}

fn stream<E: EventSet>(id: StreamId, events: &[E]) -> StoredStream {
    let event = |event: &E| NewEvent {
        event_type: event.event_type(),
        schema_version: event.schema_version(),
        data: event.json(),
        correlation_id: String::new(),
        causation_id: String::new(),
        trace: None,
    };
    let events: Vec<_> = events.iter().map(event).collect();
    let commit = Commit::at(Position::START, &id, Uuid::nil(), at(), events);
    StoredStream {
        commits: if commit.events.is_empty() {
            vec![]
        } else {
            vec![commit]
        },
        faults: Vec::new(),
        id,
    }
}

fn initialized() -> OrderEvent {
    OrderInitialized {
        order_id: order(),
        cart_id: cart(),
        client_id: "u-7".parse().expect("an id"),
        product_items: items(),
        total_price: Money::whole(9),
        initialized_at: at(),
        due_at: Some(due_at()),
    }
    .into()
}

fn confirmed() -> OrderEvent {
    OrderConfirmed {
        order_id: order(),
        payment_id: payment(),
        confirmed_at: at(),
        due_at: None,
    }
    .into()
}

fn completed() -> OrderEvent {
    OrderCompleted {
        order_id: order(),
        completed_at: at(),
    }
    .into()
}

fn cancelled() -> OrderEvent {
    OrderCancelled {
        order_id: order(),
        cause: Cause::Withdrawn,
        reason: "changed\nmy mind".into(),
        cancelled_at: at(),
    }
    .into()
}

fn requested() -> PaymentEvent {
    PaymentRequested {
        payment_id: payment(),
        order_id: order(),
        amount: Money::whole(9),
        requested_at: at(),
        due_at: None,
    }
    .into()
}

fn paid() -> PaymentEvent {
    PaymentCompleted {
        payment_id: payment(),
        order_id: order(),
        amount: Money::whole(9),
        completed_at: at(),
    }
    .into()
}

fn asked_for() -> ShipmentEvent {
    ShipmentRequested {
        shipment_id: shipment(),
        order_id: order(),
        product_items: items(),
        requested_at: at(),
    }
    .into()
}

fn sent() -> ShipmentEvent {
    ShipmentSent {
        shipment_id: shipment(),
        order_id: order(),
        sent_at: at(),
    }
    .into()
}

fn not_sent() -> ShipmentEvent {
    ShipmentFailed {
        shipment_id: shipment(),
        order_id: order(),
        error: "out of stock".into(),
        failed_at: at(),
    }
    .into()
}

fn standing_of(
    of_order: &[OrderEvent],
    of_payment: &[PaymentEvent],
    of_shipment: &[ShipmentEvent],
) -> Standing {
    let finalized: CartEvent = CartFinalized {
        cart_id: cart(),
        client_id: "u-7".parse().expect("an id"),
        product_items: items(),
        total_price: Money::whole(9),
        confirmed_at: at(),
    }
    .into();
    let streams = [
        stream(Cart::CATEGORY.stream(&cart()), &[finalized]),
        stream(Order::CATEGORY.stream(&order()), of_order),
        stream(Payment::CATEGORY.stream(&payment()), of_payment),
        stream(Shipment::CATEGORY.stream(&shipment()), of_shipment),
    ];
    Standing::of(&OrderStanding, &streams, &[])
}

fn outstanding(order: &[OrderEvent], payment: &[PaymentEvent], shipment: &[ShipmentEvent]) -> String {
    let all = standing_of(order, payment, shipment).outstanding;
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

const SINCE: &str = "since 1970-01-01T00:00:00.000Z";

#[test]
fn an_open_order_waits_for_its_next_step_or_for_an_answer() {
    let open = [initialized()];
    let ready = [initialized(), confirmed()];
    let both = [requested(), paid()];
    let early = OrderWithdrawnEarly {
        order_id: order(),
        reason: "changed my mind".into(),
        withdrawn_at: at(),
    };
    let cases = [
        (
            outstanding(&[], &[], &[]),
            "InitializeOrder has not been carried out",
        ),
        (
            outstanding(&[early.into()], &[], &[]),
            "InitializeOrder (which cancels the order, for it is withdrawn) has not been carried out",
        ),
        (
            outstanding(&open, &[], &[]),
            "RequestPayment has not been carried out",
        ),
        (
            outstanding(&open, &[requested()], &[]),
            "the payment provider has not answered",
        ),
        (
            outstanding(&open, &both, &[]),
            "ConfirmOrder has not been carried out",
        ),
        (
            outstanding(&ready, &both, &[]),
            "RequestShipment has not been carried out",
        ),
        (
            outstanding(&ready, &both, &[asked_for()]),
            "the carrier has not answered",
        ),
        (
            outstanding(&ready, &both, &[asked_for(), sent()]),
            "CompleteOrder has not been carried out",
        ),
        (
            outstanding(&ready, &both, &[asked_for(), not_sent()]),
            "CancelOrder has not been carried out",
        ),
    ];
    let by_hand = PaymentVoided {
        payment_id: payment(),
        order_id: order(),
        voided_at: at(),
        cause: None,
    };
    let given_back = PaymentDiscarded {
        payment_id: payment(),
        order_id: order(),
        amount: Some(Money::whole(9)),
        discarded_at: at(),
    };
    let discarded = [requested(), paid(), given_back.into()];
    let by_hand = [
        (
            outstanding(&open, &[by_hand.into()], &[]),
            "the payment was discarded before it was requested, and the order is cancelled at its deadline",
        ),
        (
            outstanding(&ready, &discarded, &[asked_for()]),
            "CallOffShipment has not been carried out",
        ),
        (
            outstanding(&ready, &discarded, &[asked_for(), not_sent()]),
            "CancelOrder has not been carried out",
        ),
    ];
    for (found, expected) in cases.into_iter().chain(by_hand) {
        assert!(
            found.starts_with(&format!("{expected}, {SINCE}")),
            "{found} instead of {expected}"
        );
    }
}

#[test]
fn a_deadline_is_told_where_one_settles_it() {
    let found = outstanding(&[initialized()], &[requested()], &[]);
    assert!(
        found.ends_with("its deadline is at 1970-01-01T00:07:00.000Z"),
        "{found}"
    );
    let found = outstanding(&[initialized()], &[requested(), paid()], &[]);
    assert!(!found.contains("deadline"), "{found}");
    let found = outstanding(&[initialized(), confirmed()], &[], &[asked_for()]);
    assert!(found.ends_with("its deadline was not recorded"), "{found}");
}

#[test]
fn a_cancelled_order_waits_until_no_money_is_kept() {
    let over = [initialized(), cancelled()];
    let kept = outstanding(&over, &[requested(), paid()], &[]);
    assert!(
        kept.starts_with("DiscardPayment (the money is to be given back)"),
        "{kept}"
    );
    let unanswered = outstanding(&over, &[requested()], &[]);
    assert!(unanswered.contains("called off"), "{unanswered}");
    let (payment_id, order_id, amount) = (payment(), order(), Money::whole(9));
    let voided = PaymentVoided {
        payment_id: payment_id.clone(),
        order_id: order_id.clone(),
        voided_at: at(),
        cause: Some(Cause::Withdrawn),
    };
    let failed = PaymentFailed {
        payment_id: payment_id.clone(),
        order_id: order_id.clone(),
        amount,
        error: "card declined".into(),
        failed_at: at(),
    };
    let discarded = PaymentDiscarded {
        payment_id,
        order_id,
        amount: Some(amount),
        discarded_at: at(),
    };
    for settled in [voided.into(), failed.into(), discarded.into()] {
        assert_eq!(outstanding(&over, &[requested(), settled], &[]), "");
    }
}

#[test]
fn nothing_is_outstanding_of_a_completed_order() {
    let whole = [initialized(), confirmed(), completed()];
    let standing = standing_of(&whole, &[requested(), paid()], &[asked_for(), sent()]);
    assert_eq!(standing.outstanding, []);
    let ending = standing.ending.expect("it has ended");
    assert_eq!(ending.words(true), "OrderCompleted");
}

#[test]
fn a_cause_is_always_told_and_a_reason_if_it_is_asked_for_on_one_line() {
    let ending = standing_of(&[initialized(), cancelled()], &[], &[]).ending;
    let ending = ending.expect("it has ended");
    assert_eq!(ending.words(false), "OrderCancelled (withdrawn)");
    assert_eq!(
        ending.words(true),
        r"OrderCancelled (withdrawn: changed\nmy mind)"
    );
}
