//! An order is confirmed or cancelled, then completed or cancelled, and closed only once.

use std::time::Duration;

use domain::Deadlines;
use domain::order::{
    CancelOrder, Cause, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCancelled, OrderCommand,
    OrderCompleted, OrderConfirmed, OrderEvent, OrderInitialized, OrderWithdrawnEarly, WithdrawOrder,
};
use domain::values::OrderId;
use eventsourcing::Timestamp;
use proptest::prelude::*;

use crate::given::given;
use crate::repeats::{count, play, story, texts};
use crate::shop::{before, finalize_cart, item, money, now, order_id, payment_id};

/// The commands of random stories.
pub fn commands() -> Vec<OrderCommand> {
    let dearer = InitializeOrder {
        total_price: money("29.98"),
        ..initialize()
    };
    let drawn = InitializeOrder {
        order_id: "drawn".parse().expect("an id"),
        ..initialize()
    };
    let another = ConfirmOrder {
        payment_id: "another".parse().expect("an id"),
        ..confirm()
    };
    let mut commands: Vec<OrderCommand> = vec![
        dearer.into(),
        drawn.into(),
        initialize().into(),
        confirm().into(),
        another.into(),
        complete().into(),
    ];
    for reason in texts() {
        for cause in [Cause::PaymentFailed, Cause::ShipmentFailed, Cause::Withdrawn] {
            let reason = reason.clone();
            commands.push(
                CancelOrder {
                    reason,
                    ..cancel(cause, "")
                }
                .into(),
            );
        }
        commands.push(
            WithdrawOrder {
                reason,
                ..withdraw("")
            }
            .into(),
        );
    }
    commands
}

pub fn initialize() -> InitializeOrder {
    let cart = finalize_cart();
    InitializeOrder {
        order_id: order_id(),
        cart_id: cart.cart_id,
        client_id: cart.client_id,
        product_items: cart.product_items,
        total_price: cart.total_price,
    }
}

fn confirm() -> ConfirmOrder {
    ConfirmOrder {
        order_id: order_id(),
        payment_id: payment_id(),
    }
}

fn withdraw(reason: &'static str) -> WithdrawOrder {
    WithdrawOrder {
        order_id: order_id(),
        reason: reason.into(),
    }
}

fn cancel(cause: Cause, reason: &'static str) -> CancelOrder {
    CancelOrder {
        order_id: order_id(),
        cause,
        reason: reason.into(),
    }
}

fn complete() -> CompleteOrder {
    CompleteOrder { order_id: order_id() }
}

fn withdrawn_early(reason: &'static str, at: Timestamp) -> OrderEvent {
    OrderWithdrawnEarly {
        order_id: order_id(),
        reason: reason.into(),
        withdrawn_at: at,
    }
    .into()
}

pub fn initialized(at: Timestamp) -> OrderEvent {
    let InitializeOrder {
        order_id,
        cart_id,
        client_id,
        product_items,
        total_price,
    } = initialize();
    OrderInitialized {
        order_id,
        cart_id,
        client_id,
        product_items,
        total_price,
        initialized_at: at,
        due_at: Some(at.plus(Duration::from_mins(15))),
    }
    .into()
}

fn confirmed(at: Timestamp) -> OrderEvent {
    OrderConfirmed {
        order_id: order_id(),
        payment_id: payment_id(),
        confirmed_at: at,
        due_at: Some(at.plus(Duration::from_hours(24))),
    }
    .into()
}

fn completed(at: Timestamp) -> OrderEvent {
    OrderCompleted {
        order_id: order_id(),
        completed_at: at,
    }
    .into()
}

fn cancelled(cause: Cause, reason: &'static str, at: Timestamp) -> OrderEvent {
    OrderCancelled {
        order_id: order_id(),
        cause,
        reason: reason.into(),
        cancelled_at: at,
    }
    .into()
}

const CAUSES: [Cause; 3] = [Cause::PaymentFailed, Cause::ShipmentFailed, Cause::Withdrawn];

/// Every state that an order has once it was initialized.
fn histories() -> Vec<Vec<OrderEvent>> {
    let (first, second) = (initialized(before()), confirmed(before()));
    let mut histories = vec![
        vec![first.clone()],
        vec![first.clone(), second.clone()],
        vec![first.clone(), second.clone(), completed(before())],
        vec![
            first.clone(),
            second,
            cancelled(Cause::ShipmentFailed, "out of stock", before()),
        ],
    ];
    histories.extend(CAUSES.map(|cause| vec![first.clone(), cancelled(cause, "card declined", before())]));
    histories
}

/// Those in which it is closed.
fn closed() -> Vec<Vec<OrderEvent>> {
    let is_end = |event: &OrderEvent| {
        matches!(
            event,
            OrderEvent::OrderCompleted(_) | OrderEvent::OrderCancelled(_)
        )
    };
    histories()
        .into_iter()
        .filter(|history| history.last().is_some_and(is_end))
        .collect()
}

#[test]
fn a_finalized_carts_order_is_initialized_with_all_that_is_in_the_cart() {
    given::<Order>([]).when(initialize()).then([initialized(now())]);
}

#[test]
fn an_order_with_an_id_that_is_not_its_carts_is_rejected() {
    let wrong = InitializeOrder {
        order_id: "drawn".parse().expect("an id"),
        ..initialize()
    };
    let why = "order_id is not the one of cart c-1; expected 9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff";
    given::<Order>([]).when(wrong.clone()).rejected(why);
    given::<Order>([initialized(before())]).when(wrong).rejected(why);
}

#[test]
fn initializing_an_order_again_changes_nothing_in_any_later_state() {
    for history in histories() {
        given::<Order>(history).when(initialize()).nothing();
    }
}

#[test]
fn initializing_an_order_again_with_other_content_is_rejected() {
    let others = [
        InitializeOrder {
            client_id: "u-8".parse().expect("an id"),
            ..initialize()
        },
        InitializeOrder {
            product_items: item("p-1", 3, "9.99"),
            ..initialize()
        },
        InitializeOrder {
            total_price: money("19.99"),
            ..initialize()
        },
    ];
    for other in others {
        let why = format!("order {} is initialized already, with other content", order_id());
        given::<Order>([initialized(before())]).when(other).rejected(why);
    }
}

#[test]
fn a_paid_order_is_confirmed() {
    given::<Order>([initialized(before())])
        .when(confirm())
        .then([confirmed(now())]);
}

#[test]
fn confirming_an_order_that_is_not_there_yet_waits_for_it() {
    given::<Order>([])
        .when(confirm())
        .premature(format!("there is no order {} yet", order_id()));
}

#[test]
fn confirming_an_order_with_a_payment_that_is_not_its_own_is_rejected() {
    let wrong = ConfirmOrder {
        payment_id: "another".parse().expect("an id"),
        ..confirm()
    };
    let why = format!(
        "payment_id is not the one of order {}; expected {}",
        order_id(),
        payment_id()
    );
    given::<Order>([initialized(before())]).when(wrong).rejected(why);
}

#[test]
fn confirming_a_confirmed_completed_or_cancelled_order_changes_nothing() {
    for history in histories().into_iter().filter(|history| history.len() > 1) {
        given::<Order>(history).when(confirm()).nothing();
    }
}

#[test]
fn an_order_that_is_not_confirmed_can_be_withdrawn() {
    given::<Order>([initialized(before())])
        .when(withdraw("too dear"))
        .then([cancelled(Cause::Withdrawn, "too dear", now())]);
}

#[test]
fn a_withdrawal_that_comes_before_its_order_is_recorded() {
    given::<Order>([])
        .when(withdraw("too dear"))
        .then([withdrawn_early("too dear", now())]);
}

#[test]
fn an_early_withdrawal_takes_any_id_since_a_sender_computes_it() {
    let order_id: OrderId = "any.id".parse().expect("an id");
    let withdraw = WithdrawOrder {
        order_id: order_id.clone(),
        reason: "too dear".into(),
    };
    let recorded = OrderWithdrawnEarly {
        order_id,
        reason: "too dear".into(),
        withdrawn_at: now(),
    };
    given::<Order>([]).when(withdraw).then([recorded.into()]);
}

#[test]
fn an_order_that_was_withdrawn_early_is_cancelled_as_it_is_initialized() {
    given::<Order>([withdrawn_early("too dear", before())])
        .when(initialize())
        .then([initialized(now()), cancelled(Cause::Withdrawn, "too dear", now())]);
}

#[test]
fn an_early_withdrawal_that_is_repeated_changes_nothing_in_any_later_state() {
    let early = withdrawn_early("too dear", before());
    given::<Order>([early.clone()])
        .when(withdraw("too dear"))
        .nothing();
    let and_initialized = [
        early,
        initialized(before()),
        cancelled(Cause::Withdrawn, "too dear", before()),
    ];
    given::<Order>(and_initialized.clone())
        .when(withdraw("too dear"))
        .nothing();
    given::<Order>(and_initialized).when(initialize()).nothing();
}

#[test]
fn of_two_early_withdrawals_the_first_and_its_reason_stand() {
    given::<Order>([withdrawn_early("too dear", before())])
        .when(withdraw("changed my mind"))
        .rejected(format!("order {} is withdrawn already", order_id()));
}

#[test]
fn an_early_withdrawal_makes_no_order_so_that_everything_else_goes_on_waiting_for_it() {
    let why = format!("there is no order {} yet", order_id());
    let withdrawn = || given::<Order>([withdrawn_early("too dear", before())]);
    withdrawn().when(confirm()).premature(why.clone());
    withdrawn().when(complete()).premature(why.clone());
    for cause in CAUSES {
        withdrawn()
            .when(cancel(cause, "card declined"))
            .premature(why.clone());
    }
}

#[test]
fn a_withdrawn_early_order_with_an_id_that_is_not_its_carts_is_rejected_all_the_same() {
    let wrong = InitializeOrder {
        order_id: "drawn".parse().expect("an id"),
        ..initialize()
    };
    given::<Order>([withdrawn_early("too dear", before())])
        .when(wrong)
        .rejected("order_id is not the one of cart c-1; expected 9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff");
}

#[test]
fn withdrawing_a_confirmed_order_is_rejected() {
    given::<Order>([initialized(before()), confirmed(before())])
        .when(withdraw("too dear"))
        .rejected(format!(
            "order {} is confirmed; it could be withdrawn until its payment completed",
            order_id()
        ));
}

#[test]
fn withdrawing_a_completed_order_is_rejected() {
    given::<Order>([initialized(before()), confirmed(before()), completed(before())])
        .when(withdraw("too dear"))
        .rejected(format!(
            "order {} is completed; it can't be withdrawn",
            order_id()
        ));
}

#[test]
fn withdrawing_an_order_that_was_cancelled_for_another_reason_is_rejected() {
    let histories = [
        cancelled(Cause::PaymentFailed, "too dear", before()),
        cancelled(Cause::ShipmentFailed, "too dear", before()),
        cancelled(Cause::Withdrawn, "changed my mind", before()),
    ];
    for end in histories {
        given::<Order>([initialized(before()), end])
            .when(withdraw("too dear"))
            .rejected(format!("order {} is cancelled already", order_id()));
    }
}

#[test]
fn a_failed_payment_cancels_the_order_and_the_reason_names_the_error() {
    given::<Order>([initialized(before())])
        .when(cancel(Cause::PaymentFailed, "card declined"))
        .then([cancelled(Cause::PaymentFailed, "card declined", now())]);
}

#[test]
fn a_failed_shipment_cancels_the_order_with_the_shipments_error_as_reason() {
    given::<Order>([initialized(before()), confirmed(before())])
        .when(cancel(Cause::ShipmentFailed, "out of stock"))
        .then([cancelled(Cause::ShipmentFailed, "out of stock", now())]);
}

#[test]
fn cancelling_an_order_that_is_not_there_yet_waits_for_it() {
    for cause in CAUSES {
        given::<Order>([])
            .when(cancel(cause, "card declined"))
            .premature(format!("there is no order {} yet", order_id()));
    }
}

#[test]
fn cancelling_a_closed_order_changes_nothing() {
    for history in closed() {
        for cause in CAUSES {
            given::<Order>(history.clone())
                .when(cancel(cause, "out of stock"))
                .nothing();
        }
    }
}

#[test]
fn the_cause_decides_and_not_the_text_of_the_reason() {
    let confirmed_order = || given::<Order>([initialized(before()), confirmed(before())]);
    confirmed_order()
        .when(cancel(Cause::ShipmentFailed, "payment failed"))
        .then([cancelled(Cause::ShipmentFailed, "payment failed", now())]);
    for cause in [Cause::PaymentFailed, Cause::Withdrawn] {
        confirmed_order()
            .when(cancel(cause, "shipment failed"))
            .rejected(format!(
                "order {} is confirmed, its payment has completed; only a failed shipment cancels it now",
                order_id()
            ));
    }
}

#[test]
fn a_sent_order_is_completed() {
    given::<Order>([initialized(before()), confirmed(before())])
        .when(complete())
        .then([completed(now())]);
}

#[test]
fn completing_an_order_that_is_not_there_yet_waits_for_it() {
    given::<Order>([])
        .when(complete())
        .premature(format!("there is no order {} yet", order_id()));
}

#[test]
fn completing_an_order_before_it_is_confirmed_is_rejected() {
    given::<Order>([initialized(before())])
        .when(complete())
        .rejected(format!(
            "order {} is not confirmed; it completes after that",
            order_id()
        ));
}

#[test]
fn completing_a_completed_order_changes_nothing() {
    given::<Order>([initialized(before()), confirmed(before()), completed(before())])
        .when(complete())
        .nothing();
}

#[test]
fn completing_a_cancelled_order_is_rejected() {
    for cause in CAUSES {
        given::<Order>([initialized(before()), cancelled(cause, "card declined", before())])
            .when(complete())
            .rejected(format!("order {} is cancelled; it can't complete", order_id()));
    }
}

#[test]
fn of_a_withdrawal_and_a_confirmation_the_first_to_commit_wins() {
    given::<Order>([initialized(before()), confirmed(before())])
        .when(withdraw("too dear"))
        .rejected(format!(
            "order {} is confirmed; it could be withdrawn until its payment completed",
            order_id()
        ));
    given::<Order>([
        initialized(before()),
        cancelled(Cause::Withdrawn, "too dear", before()),
    ])
    .when(confirm())
    .nothing();
}

#[test]
fn a_withdrawal_while_a_payment_failure_is_under_way_cancels_once() {
    given::<Order>([
        initialized(before()),
        cancelled(Cause::Withdrawn, "too dear", before()),
    ])
    .when(cancel(Cause::PaymentFailed, "card declined"))
    .nothing();
}

#[test]
fn the_deadlines_are_recorded_as_they_are_set() {
    let seconds = |payment, shipment| Deadlines {
        payment: Duration::from_secs(payment),
        shipment: Duration::from_secs(shipment),
        ..Deadlines::default()
    };
    given::<Order>([])
        .set(seconds(1, 86_400))
        .when(initialize())
        .then([due(initialized(now()), 1)]);
    given::<Order>([initialized(before())])
        .set(seconds(900, 2))
        .when(confirm())
        .then([due(confirmed(now()), 2)]);
}

#[test]
fn a_repeat_with_other_deadlines_changes_nothing() {
    let other = || Deadlines {
        payment: Duration::from_secs(1),
        shipment: Duration::from_secs(1),
        ..Deadlines::default()
    };
    given::<Order>([initialized(before())])
        .set(other())
        .when(initialize())
        .nothing();
    given::<Order>([initialized(before()), confirmed(before())])
        .set(other())
        .when(confirm())
        .nothing();
}

/// The same event, its deadline that many seconds from now.
fn due(event: OrderEvent, seconds: u64) -> OrderEvent {
    let due_at = Some(now().plus(Duration::from_secs(seconds)));
    match event {
        OrderEvent::OrderInitialized(event) => OrderInitialized { due_at, ..event }.into(),
        OrderEvent::OrderConfirmed(event) => OrderConfirmed { due_at, ..event }.into(),
        other => other,
    }
}

proptest! {
    #[test]
    fn an_order_begins_once_and_ends_at_most_once(story in story(commands())) {
        let recorded = play::<Order>(story);
        let is_end = |event: &OrderEvent| {
            matches!(event, OrderEvent::OrderCompleted(_) | OrderEvent::OrderCancelled(_))
        };
        let is_early = |event: &OrderEvent| matches!(event, OrderEvent::OrderWithdrawnEarly(_));
        prop_assert!(count(&recorded, is_early) <= 1);
        let was_early = recorded.first().is_some_and(|events| events.iter().any(is_early));
        let cancels_at_once = |events: &[OrderEvent]| {
            matches!(events, [OrderEvent::OrderInitialized(_), OrderEvent::OrderCancelled(_)])
        };
        prop_assert!(recorded.iter().all(|events| events.len() == 1 || was_early && cancels_at_once(events)));
        prop_assert!(recorded.len() <= 2 || !was_early, "more than a withdrawn order: {recorded:?}");
        let mut events: Vec<_> = recorded.into_iter().flatten().collect();
        events.retain(|event| !is_early(event));
        if let Some((first, rest)) = events.split_first() {
            prop_assert!(matches!(first, OrderEvent::OrderInitialized(_)));
            prop_assert!(!rest.iter().any(|event| matches!(event, OrderEvent::OrderInitialized(_))));
            let before_the_last = rest.split_last().map_or(rest, |(_, earlier)| earlier);
            prop_assert!(!before_the_last.iter().any(is_end), "something follows the end: {events:?}");
        }
        let completed = events.iter().any(|event| matches!(event, OrderEvent::OrderCompleted(_)));
        let confirmed = events.iter().any(|event| matches!(event, OrderEvent::OrderConfirmed(_)));
        prop_assert!(confirmed || !completed, "it completed unconfirmed: {events:?}");
    }
}
