//! What each event makes the bundle do next.

use std::time::Duration;

use domain::Deadlines;
use domain::cart::{CartFinalized, FinalizeCart};
use domain::order::{
    CancelOrder, Cause, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCancelled, OrderCompleted,
    OrderConfirmed, OrderEvent, OrderInitialized, OrderState,
};
use domain::order_saga::{
    OnCartFinalized, OnOrderCancelled, OnOrderConfirmed, OnOrderInitialized, OnPaymentCompleted,
    OnPaymentFailed, OnPaymentRevoked, OnShipmentFailed, OnShipmentSent,
};
use domain::payment::{
    DiscardPayment, PaymentCompleted, PaymentFailed, PaymentRevoked, RequestPayment, TimeOutPayment,
};
use domain::shipment::{CallOffShipment, RequestShipment, ShipmentFailed, ShipmentSent, TimeOutShipment};
use domain::values::{OrderId, PaymentId};
use eventsourcing::{
    Command, CommandEnvelope, Decider, Dispatch, Message, Step, StreamId, Timestamp, encode_command, event_id,
};

use crate::shop::{
    cart_id, due_at, finalize_cart, items, money, now, order_id, payment_id, price, shipment_id,
};

fn deadlines() -> Deadlines {
    Deadlines {
        payment: Duration::from_mins(15),
        shipment: Duration::from_hours(24),
        ..Deadlines::default()
    }
}

/// What a step sends that needs no more than its event; checks what every step has to keep to.
fn react<S: Step<Settings = Deadlines>>(event: &S::Event) -> Vec<Dispatch> {
    assert!(!S::READS_STATE, "this step reads its stream");
    react_in::<S>(event, &<S::Source as Decider>::State::default())
}

fn react_in<S: Step<Settings = Deadlines>>(
    event: &S::Event,
    state: &<S::Source as Decider>::State,
) -> Vec<Dispatch> {
    let sent = S::react(event, state, &deadlines());
    assert_eq!(
        sent,
        S::react(event, state, &deadlines()),
        "a repeat sends the same"
    );
    assert!(
        sent.iter()
            .all(|dispatch| S::SENDS.contains(&dispatch.command_type)),
        "it declares what it sends"
    );
    sent
}

fn cart_finalized() -> CartFinalized {
    let FinalizeCart {
        cart_id,
        client_id,
        product_items,
        total_price,
    } = finalize_cart();
    CartFinalized {
        cart_id,
        client_id,
        product_items,
        total_price,
        confirmed_at: now(),
    }
}

fn order_initialized() -> OrderInitialized {
    let FinalizeCart {
        cart_id,
        client_id,
        product_items,
        total_price,
    } = finalize_cart();
    OrderInitialized {
        order_id: order_id(),
        cart_id,
        client_id,
        product_items,
        total_price,
        initialized_at: now(),
        due_at: Some(due_at()),
    }
}

fn order_confirmed() -> OrderConfirmed {
    OrderConfirmed {
        order_id: order_id(),
        payment_id: payment_id(),
        confirmed_at: now(),
        due_at: Some(due_at()),
    }
}

/// The state of an order that was confirmed, and to which this happened then.
fn confirmed_and<const N: usize>(events: &[OrderEvent; N]) -> OrderState {
    let before: [OrderEvent; 2] = [order_initialized().into(), order_confirmed().into()];
    before
        .iter()
        .chain(events)
        .fold(OrderState::default(), Order::evolve)
}

fn order_cancelled(cause: Cause, reason: &'static str) -> OrderCancelled {
    OrderCancelled {
        order_id: order_id(),
        cause,
        reason: reason.into(),
        cancelled_at: now(),
    }
}

#[test]
fn a_finalized_cart_makes_an_order_with_the_computed_id() {
    let cart = finalize_cart();
    assert_eq!(
        react::<OnCartFinalized>(&cart_finalized()),
        [Dispatch::now(&InitializeOrder {
            order_id: order_id(),
            cart_id: cart.cart_id,
            client_id: cart.client_id,
            product_items: cart.product_items,
            total_price: cart.total_price,
        })]
    );
}

#[test]
fn an_initialized_order_requests_its_payment_and_sets_the_deadline() {
    let due_at = due_at();
    let (payment_id, order_id, amount) = (payment_id(), order_id(), price());
    assert_eq!(
        react::<OnOrderInitialized>(&order_initialized()),
        [
            Dispatch::now(&RequestPayment {
                payment_id: payment_id.clone(),
                order_id: order_id.clone(),
                amount,
                due_at: Some(due_at),
            }),
            Dispatch::at(
                due_at,
                &TimeOutPayment {
                    payment_id,
                    order_id,
                    amount,
                    due_at
                }
            ),
        ]
    );
}

#[test]
fn a_completed_payment_confirms_the_order() {
    let completed = PaymentCompleted {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
        completed_at: now(),
    };
    let confirm = ConfirmOrder {
        order_id: order_id(),
        payment_id: payment_id(),
    };
    assert_eq!(react::<OnPaymentCompleted>(&completed), [Dispatch::now(&confirm)]);
}

#[test]
fn a_confirmed_order_requests_the_shipment_of_its_items_and_sets_the_deadline() {
    let due_at = due_at();
    let (shipment_id, order_id) = (shipment_id(), order_id());
    let request = RequestShipment {
        shipment_id: shipment_id.clone(),
        order_id: order_id.clone(),
        product_items: items(),
    };
    let completed = OrderCompleted {
        order_id: order_id.clone(),
        completed_at: now(),
    };
    let states = [
        confirmed_and(&[]),
        confirmed_and(&[completed.into()]),
        confirmed_and(&[order_cancelled(Cause::ShipmentFailed, "timed out").into()]),
    ];
    for state in states {
        assert_eq!(
            react_in::<OnOrderConfirmed>(&order_confirmed(), &state),
            [
                Dispatch::now(&request),
                Dispatch::at(
                    due_at,
                    &TimeOutShipment {
                        shipment_id: shipment_id.clone(),
                        order_id: order_id.clone(),
                        due_at
                    }
                ),
            ]
        );
    }
}

#[test]
fn a_step_that_needs_more_than_its_event_says_so() {
    const { assert!(OnOrderConfirmed::READS_STATE) }
}

#[test]
fn a_sent_shipment_completes_the_order() {
    let sent = ShipmentSent {
        shipment_id: shipment_id(),
        order_id: order_id(),
        sent_at: now(),
    };
    assert_eq!(
        react::<OnShipmentSent>(&sent),
        [Dispatch::now(&CompleteOrder { order_id: order_id() })]
    );
}

#[test]
fn a_failed_payment_cancels_the_order_and_names_the_error() {
    let failed = PaymentFailed {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
        error: "card declined".into(),
        failed_at: now(),
    };
    let cancel = CancelOrder {
        order_id: order_id(),
        cause: Cause::PaymentFailed,
        reason: "card declined".into(),
    };
    assert_eq!(react::<OnPaymentFailed>(&failed), [Dispatch::now(&cancel)]);
}

#[test]
fn a_failed_shipment_cancels_the_order_and_names_the_error() {
    let failed = ShipmentFailed {
        shipment_id: shipment_id(),
        order_id: order_id(),
        error: "out of stock".into(),
        failed_at: now(),
    };
    let cancel = CancelOrder {
        order_id: order_id(),
        cause: Cause::ShipmentFailed,
        reason: "out of stock".into(),
    };
    assert_eq!(react::<OnShipmentFailed>(&failed), [Dispatch::now(&cancel)]);
}

#[test]
fn a_cancelled_order_discards_the_payment_with_the_computed_id_whatever_the_cause() {
    for cause in [Cause::PaymentFailed, Cause::ShipmentFailed, Cause::Withdrawn] {
        let discard = Dispatch::now(&DiscardPayment {
            payment_id: payment_id(),
            order_id: order_id(),
            cause: Some(cause),
        });
        assert_eq!(
            react::<OnOrderCancelled>(&order_cancelled(cause, "why")),
            std::slice::from_ref(&discard)
        );
    }
}

#[test]
fn a_payment_that_is_revoked_unanswered_cancels_its_order() {
    let revoked = PaymentRevoked {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: None,
        revoked_at: now(),
    };
    let cancel = CancelOrder {
        order_id: order_id(),
        cause: Cause::PaymentFailed,
        reason: "the payment was discarded".into(),
    };
    assert_eq!(react::<OnPaymentRevoked>(&revoked), [Dispatch::now(&cancel)]);
}

#[test]
fn money_that_is_revoked_calls_the_shipment_off_before_the_order_is_cancelled() {
    let revoked = PaymentRevoked {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: Some(price()),
        revoked_at: now(),
    };
    let call_off = CallOffShipment {
        shipment_id: shipment_id(),
        order_id: order_id(),
        reason: "the payment was discarded".into(),
    };
    assert_eq!(react::<OnPaymentRevoked>(&revoked), [Dispatch::now(&call_off)]);
}

#[test]
fn a_discard_with_an_empty_payment_id_is_malformed() {
    let body = format!(r#"{{"command":{{"payment_id":"","order_id":"{}"}}}}"#, order_id());
    let error = CommandEnvelope::<DiscardPayment>::read(&body, "m-1", now()).expect_err("it is empty");
    assert_eq!(
        error.to_string(),
        "field `command.payment_id` holds a string; expected a string of 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -"
    );
}

#[test]
fn what_follows_from_a_cancellation_does_not_hang_on_the_text_of_its_reason() {
    let worded = |reason| react::<OnOrderCancelled>(&order_cancelled(Cause::Withdrawn, reason));
    for reason in ["", "payment failed", "shipment failed", "timed out"] {
        assert_eq!(worded(reason), worded("changed my mind"));
    }
}

#[test]
fn a_repeated_event_makes_the_same_order_by_the_same_command() {
    let caused_by = event_id(&stream(&format!("cart-{}", cart_id())), 1).to_string();
    let body = || {
        let sent = react::<OnCartFinalized>(&cart_finalized());
        encode_command(&sent[0], &caused_by, "chain", now()).expect("a step sends JSON")
    };
    assert_eq!(body(), body());
    let envelope = CommandEnvelope::<InitializeOrder>::read(&body(), "m-1", now()).expect("it is valid");
    // As Python's uuid.uuid5 computes them.
    assert_eq!(
        envelope.command.order_id.as_str(),
        "9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff"
    );
    assert_eq!(envelope.id, "9900e0f4-d875-5628-9984-054936a066b6");
    assert_eq!(
        envelope.metadata.causation_id,
        "f903e235-c3ae-59f4-8e43-3e50b5d2cbab"
    );
    assert_eq!(envelope.metadata.correlation_id, "chain");
}

#[test]
fn a_payment_and_a_shipment_have_the_published_ids() {
    assert_eq!(payment_id().as_str(), "5fc24fd5-a6d4-580e-81b2-1bd0a7e46108");
    assert_eq!(shipment_id().as_str(), "f3f49f66-c405-5dec-aa7b-6b485899c046");
}

#[test]
fn money_is_passed_on_to_the_last_digit() {
    for (amount, written) in [
        ("19.98", "19.98"),
        ("0.01", "0.01"),
        ("999999999.99", "999999999.99"),
    ] {
        let order = OrderInitialized {
            total_price: money(amount),
            ..order_initialized()
        };
        let sent = react::<OnOrderInitialized>(&order);
        for dispatch in sent {
            assert!(
                dispatch.json.contains(&format!(r#""amount":{written}"#)),
                "{}",
                dispatch.json
            );
        }
    }
}

#[test]
fn each_command_of_a_step_goes_to_the_stream_of_what_it_is_about() {
    let sent = react::<OnOrderInitialized>(&order_initialized());
    let streams: Vec<_> = sent.iter().map(|dispatch| dispatch.stream.clone()).collect();
    assert_eq!(streams, vec![stream(&format!("payment-{}", payment_id())); 2]);
    let sent = react_in::<OnOrderConfirmed>(&order_confirmed(), &confirmed_and(&[]));
    let streams: Vec<_> = sent.iter().map(|dispatch| dispatch.stream.clone()).collect();
    assert_eq!(streams, vec![stream(&format!("shipment-{}", shipment_id())); 2]);
    let sent = react::<OnCartFinalized>(&cart_finalized());
    assert_eq!(sent[0].stream, stream(&format!("order-{}", order_id())));
}

#[test]
fn a_deadline_is_sent_for_the_time_that_it_names() {
    let sent = react::<OnOrderInitialized>(&order_initialized());
    assert_eq!((sent[0].due, sent[1].due), (None, Some(due_at())));
    let earlier = OrderInitialized {
        due_at: None,
        ..order_initialized()
    };
    let settings = Deadlines {
        payment: Duration::from_secs(1),
        ..deadlines()
    };
    let sent = OnOrderInitialized::react(&earlier, &OrderState::default(), &settings);
    assert_eq!(sent[1].due, Some(now().plus(Duration::from_secs(1))));
    assert_eq!(Deadlines::default(), deadlines());
}

#[test]
fn only_what_usually_comes_first_is_tried_without_a_load_and_only_deadlines_read_without_the_newest_commits()
{
    const { assert!(FinalizeCart::CREATES && InitializeOrder::CREATES && RequestPayment::CREATES) }
    const { assert!(RequestShipment::CREATES && !DiscardPayment::CREATES && !ConfirmOrder::CREATES) }
    const { assert!(TimeOutPayment::DEADLINE && TimeOutShipment::DEADLINE) }
    const { assert!(!RequestPayment::DEADLINE && !CancelOrder::DEADLINE) }
}

#[test]
fn every_step_declares_exactly_what_it_sends() {
    assert_eq!(OnCartFinalized::SENDS, [InitializeOrder::TYPE]);
    assert_eq!(
        OnOrderInitialized::SENDS,
        [RequestPayment::TYPE, TimeOutPayment::TYPE]
    );
    assert_eq!(OnPaymentCompleted::SENDS, [ConfirmOrder::TYPE]);
    assert_eq!(
        OnOrderConfirmed::SENDS,
        [RequestShipment::TYPE, TimeOutShipment::TYPE]
    );
    assert_eq!(OnShipmentSent::SENDS, [CompleteOrder::TYPE]);
    assert_eq!(OnPaymentFailed::SENDS, [CancelOrder::TYPE]);
    assert_eq!(OnShipmentFailed::SENDS, [CancelOrder::TYPE]);
    assert_eq!(OnOrderCancelled::SENDS, [DiscardPayment::TYPE]);
}

#[test]
fn different_carts_never_share_an_order_or_orders_a_payment() {
    let other = OrderId::of_cart(&"c-2".parse().expect("an id"));
    assert_ne!(other, order_id());
    assert_ne!(PaymentId::of_order(&other), payment_id());
}

fn stream(name: &str) -> StreamId {
    name.parse().expect("a stream's name")
}

#[test]
fn a_deadline_is_the_one_that_was_recorded_whatever_the_step_is_set_to() {
    let payment = OnOrderInitialized::react(&order_initialized(), &OrderState::default(), &deadlines());
    assert_eq!(payment[1].due, Some(due_at()));
    let shipment = OnOrderConfirmed::react(&order_confirmed(), &OrderState::default(), &deadlines());
    assert_eq!(shipment.last().and_then(|sent| sent.due), Some(due_at()));
}

#[test]
fn an_order_from_before_deadlines_were_recorded_has_the_steps_own_from_the_time_of_the_event() {
    let initialized = OrderInitialized {
        initialized_at: Timestamp::from_millis(0),
        due_at: None,
        ..order_initialized()
    };
    assert_eq!(
        react::<OnOrderInitialized>(&initialized)[1].due,
        Some(Timestamp::from_millis(0).plus(deadlines().payment))
    );
    let confirmed = OrderConfirmed {
        confirmed_at: Timestamp::from_millis(0),
        due_at: None,
        ..order_confirmed()
    };
    let sent = react_in::<OnOrderConfirmed>(&confirmed, &OrderState::default());
    assert_eq!(
        sent.last().and_then(|sent| sent.due),
        Some(Timestamp::from_millis(0).plus(deadlines().shipment))
    );
}
