//! Random stories: whatever comes in whatever order, a command that was carried out once is a no-op
//! from then on, the first answer stands, and money is given back at most once.

use std::fmt::Debug;

use domain::cart::Cart;
use domain::order::{
    CancelOrder, Cause, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCommand, OrderEvent,
    WithdrawOrder,
};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, Payment, PaymentCommand, PaymentEvent, RequestPayment,
    TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, Shipment, ShipmentCommand, ShipmentEvent,
    TimeOutShipment,
};
use domain::{cart::CartCommand, cart::FinalizeCart};
use eventsourcing::{Decider, Decision, Text, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::shop::{due_at, finalize_cart, item, items, money, now, order_id, payment_id, price, shipment_id};

/// What was decided in a story, one entry for each command that recorded something.
type Recorded<D> = Vec<Vec<<D as Decider>::Event>>;

/// Plays the commands one after the other, each at its time. After each, every command that has been
/// carried out must be a no-op, at any time.
fn play<D>(story: Vec<(D::Command, Timestamp)>) -> Recorded<D>
where
    D: Decider<Event: PartialEq, Settings: Default>,
{
    let mut state = D::State::default();
    let mut carried_out: Vec<D::Command> = Vec::new();
    let mut recorded = Vec::new();
    for (command, at) in story {
        if let Ok(Decision::Record(events)) = D::decide(&state, &command, &D::Settings::default(), at) {
            assert!(!events.is_empty(), "{command:?} records nothing and says it does");
            state = events.iter().fold(state, D::evolve);
            recorded.push(events);
            carried_out.push(command);
        }
        for done in &carried_out {
            for at in [now(), due_at()] {
                assert_eq!(
                    D::decide(&state, done, &D::Settings::default(), at),
                    Ok(Decision::Nothing),
                    "{done:?} again, in {state:?}"
                );
            }
        }
    }
    recorded
}

/// Commands out of a few, each now or when deadlines are due.
fn story<C: Clone + Debug + 'static>(commands: Vec<C>) -> impl Strategy<Value = Vec<(C, Timestamp)>> {
    proptest::collection::vec((select(commands), select(vec![now(), due_at()])), 0..24)
}

fn texts() -> [Text; 3] {
    ["card declined".into(), "out of stock".into(), "timed out".into()]
}

fn cart_commands() -> Vec<CartCommand> {
    vec![
        finalize_cart().into(),
        FinalizeCart {
            total_price: money("29.98"),
            ..finalize_cart()
        }
        .into(),
        FinalizeCart {
            product_items: item("p-2", 1, "5"),
            ..finalize_cart()
        }
        .into(),
    ]
}

fn order_commands() -> Vec<OrderCommand> {
    let cart = finalize_cart();
    let initialize = InitializeOrder {
        order_id: order_id(),
        cart_id: cart.cart_id,
        client_id: cart.client_id,
        product_items: cart.product_items,
        total_price: cart.total_price,
    };
    let mut commands: Vec<OrderCommand> = vec![
        InitializeOrder {
            total_price: money("29.98"),
            ..initialize.clone()
        }
        .into(),
        InitializeOrder {
            order_id: "drawn".parse().expect("an id"),
            ..initialize.clone()
        }
        .into(),
        initialize.into(),
        ConfirmOrder {
            order_id: order_id(),
            payment_id: payment_id(),
        }
        .into(),
        ConfirmOrder {
            order_id: order_id(),
            payment_id: "another".parse().expect("an id"),
        }
        .into(),
        CompleteOrder { order_id: order_id() }.into(),
    ];
    for reason in texts() {
        for cause in [Cause::PaymentFailed, Cause::ShipmentFailed, Cause::Withdrawn] {
            commands.push(
                CancelOrder {
                    order_id: order_id(),
                    cause,
                    reason: reason.clone(),
                }
                .into(),
            );
        }
        commands.push(
            WithdrawOrder {
                order_id: order_id(),
                reason,
            }
            .into(),
        );
    }
    commands
}

fn payment_commands() -> Vec<PaymentCommand> {
    let request = RequestPayment {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
    };
    let failures = texts().map(|error| {
        FailPayment {
            payment_id: payment_id(),
            error,
        }
        .into()
    });
    let mut commands: Vec<PaymentCommand> = vec![
        request.clone().into(),
        RequestPayment {
            payment_id: "drawn".parse().expect("an id"),
            ..request
        }
        .into(),
        CompletePayment {
            payment_id: payment_id(),
        }
        .into(),
        discard(Some(Cause::Withdrawn)),
        discard(None),
        time_out("19.98"),
    ];
    commands.extend(failures);
    commands
}

fn discard(cause: Option<Cause>) -> PaymentCommand {
    let (payment_id, order_id) = (payment_id(), order_id());
    DiscardPayment {
        payment_id,
        order_id,
        cause,
    }
    .into()
}

fn time_out(amount: &str) -> PaymentCommand {
    let (payment_id, order_id) = (payment_id(), order_id());
    TimeOutPayment {
        payment_id,
        order_id,
        amount: money(amount),
        due_at: due_at(),
    }
    .into()
}

fn request_of(amount: &str) -> PaymentCommand {
    RequestPayment {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: money(amount),
    }
    .into()
}

fn shipment_commands() -> Vec<ShipmentCommand> {
    let request = RequestShipment {
        shipment_id: shipment_id(),
        order_id: order_id(),
        product_items: items(),
    };
    let failures = texts().map(|error| {
        FailShipment {
            shipment_id: shipment_id(),
            error,
        }
        .into()
    });
    let mut commands: Vec<ShipmentCommand> = vec![
        request.clone().into(),
        RequestShipment {
            product_items: item("p-2", 1, "5"),
            ..request
        }
        .into(),
        SendShipment {
            shipment_id: shipment_id(),
        }
        .into(),
        CallOffShipment {
            shipment_id: shipment_id(),
            order_id: order_id(),
            reason: "the payment was discarded".into(),
        }
        .into(),
        TimeOutShipment {
            shipment_id: shipment_id(),
            order_id: order_id(),
            due_at: due_at(),
        }
        .into(),
    ];
    commands.extend(failures);
    commands
}

/// Once a deadline decides on nothing, it does so for ever: that is what lets it be decided on a read
/// that lacks the newest commits.
fn a_deadline_gives_up_for_good<D>(story: Vec<(D::Command, Timestamp)>, deadline: &D::Command)
where
    D: Decider<Event: PartialEq, Settings: Default>,
{
    let mut state = D::State::default();
    let mut gave_up = false;
    for (command, at) in story {
        if let Ok(Decision::Record(events)) = D::decide(&state, &command, &D::Settings::default(), at) {
            state = events.iter().fold(state, D::evolve);
        }
        let gives_up_at =
            |at| D::decide(&state, deadline, &D::Settings::default(), at) == Ok(Decision::Nothing);
        let gives_up = gives_up_at(due_at());
        assert!(
            gives_up || !gave_up,
            "{deadline:?} gave up before and does not in {state:?}"
        );
        assert_eq!(gives_up, gives_up_at(now()), "early or not");
        gave_up = gives_up;
    }
}

fn count<E>(recorded: &[Vec<E>], is: impl Fn(&E) -> bool) -> usize {
    recorded.iter().flatten().filter(|event| is(event)).count()
}

proptest! {
    #[test]
    fn a_cart_is_finalized_at_most_once(story in story(cart_commands())) {
        prop_assert!(play::<Cart>(story).len() <= 1);
    }

    #[test]
    fn an_order_begins_once_and_ends_at_most_once(story in story(order_commands())) {
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

    #[test]
    fn a_payments_first_answer_stands_and_its_money_is_given_back_at_most_once(story in story(payment_commands())) {
        let recorded = play::<Payment>(story);
        let answers = count(&recorded, |event| {
            use PaymentEvent::{PaymentCompleted, PaymentFailed, PaymentVoided};
            matches!(event, PaymentCompleted(_) | PaymentFailed(_) | PaymentVoided(_))
        });
        prop_assert!(answers <= 1, "{recorded:?}");
        let received = count(&recorded, |event| {
            matches!(event, PaymentEvent::PaymentCompleted(_) | PaymentEvent::PaymentReceivedLate(_))
        });
        let given_back = count(&recorded, |event| matches!(event, PaymentEvent::PaymentDiscarded(_)));
        prop_assert!(given_back <= received && received <= 1, "{recorded:?}");
        prop_assert!(count(&recorded, |event| matches!(event, PaymentEvent::PaymentRequested(_))) <= 1);
        prop_assert!(count(&recorded, |event| matches!(event, PaymentEvent::PaymentRevoked(_))) <= 1);
    }

    #[test]
    fn money_that_comes_late_is_given_back_in_the_same_decision(story in story(payment_commands())) {
        for events in play::<Payment>(story) {
            match &events[..] {
                [PaymentEvent::PaymentReceivedLate(late), PaymentEvent::PaymentDiscarded(discarded)] => {
                    prop_assert_eq!(late.amount, discarded.amount);
                }
                [one] | [one, PaymentEvent::PaymentRevoked(_)] => {
                    prop_assert!(!matches!(one, PaymentEvent::PaymentReceivedLate(_)));
                }
                other => prop_assert!(false, "one decision recorded {other:?}"),
            }
        }
    }

    #[test]
    fn a_shipments_first_answer_stands(story in story(shipment_commands())) {
        let recorded = play::<Shipment>(story);
        prop_assert!(recorded.iter().all(|events| events.len() == 1));
        let answers = count(&recorded, |event| {
            matches!(event, ShipmentEvent::ShipmentSent(_) | ShipmentEvent::ShipmentFailed(_))
        });
        let left = count(&recorded, |event| {
            matches!(event, ShipmentEvent::ShipmentSent(_) | ShipmentEvent::ShipmentSentLate(_))
        });
        prop_assert!(answers <= 1 && left <= 1, "{recorded:?}");
        prop_assert!(count(&recorded, |event| matches!(event, ShipmentEvent::ShipmentRequested(_))) <= 1);
    }

    #[test]
    fn a_payments_deadline_that_gives_up_does_so_for_good(story in story(payment_commands())) {
        a_deadline_gives_up_for_good::<Payment>(story, &time_out("19.98"));
    }

    #[test]
    fn a_shipments_deadline_that_gives_up_does_so_for_good(story in story(shipment_commands())) {
        let deadline = TimeOutShipment { shipment_id: shipment_id(), order_id: order_id(), due_at: due_at() };
        a_deadline_gives_up_for_good::<Shipment>(story, &deadline.into());
    }

    #[test]
    fn whatever_amounts_are_named_a_payment_that_was_requested_is_a_no_op_from_then_on(
        story in story([payment_commands(), vec![request_of("1"), time_out("1")]].concat())
    ) {
        play::<Payment>(story);
    }
}
