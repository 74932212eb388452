//! Random stories: whatever comes in whatever order, a command that was carried out once is a no-op
//! from then on, the first answer stands, and money is given back at most once. The commands that stories are
//! made of stand beside the rules' other tests.

use domain::cart::Cart;
use domain::order::{Order, OrderEvent};
use domain::payment::{Payment, PaymentCommand, PaymentEvent, RequestPayment, TimeOutPayment};
use domain::shipment::{Shipment, ShipmentEvent};
use eventsourcing::{CommandSet, Decider, Decision, Text, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::shop::{due_at, money, now, order_id, payment_id};
use crate::{cart, order, payment, shipment};

/// What was decided in a story, one entry for each command that recorded something.
pub type Recorded<D> = Vec<Vec<<D as Decider>::Event>>;

/// Plays the commands one after the other, each at its time. After each, every command that has been
/// carried out must be a no-op, at any time.
pub fn play<D>(story: Vec<(D::Command, Timestamp)>) -> Recorded<D>
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

/// Commands out of a few, each now or when deadlines are due. Each command of the rules has to be among them.
pub fn story<C: CommandSet>(commands: Vec<C>) -> impl Strategy<Value = Vec<(C, Timestamp)>> {
    let shown: Vec<_> = commands.iter().map(|command| format!("{command:?}")).collect();
    for name in C::TYPES {
        let is_drawn = shown.iter().any(|shown| shown.starts_with(&format!("{name}(")));
        assert!(
            is_drawn,
            "no story has {name}: add it to `commands()` in its file in shared/domain/tests/rules"
        );
    }
    proptest::collection::vec((select(commands), select(vec![now(), due_at()])), 0..24)
}

/// Reasons that people and gateways give.
pub fn texts() -> [Text; 3] {
    ["card declined".into(), "out of stock".into(), "timed out".into()]
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

/// Once a deadline decides on nothing, it does so for ever: that is what lets it be decided on a read
/// that lacks the newest commits.
pub fn a_deadline_gives_up_for_good<D>(story: Vec<(D::Command, Timestamp)>, deadline: &D::Command)
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

pub fn count<E>(recorded: &[Vec<E>], is: impl Fn(&E) -> bool) -> usize {
    recorded.iter().flatten().filter(|event| is(event)).count()
}

proptest! {
    #[test]
    fn a_cart_is_finalized_at_most_once(story in story(cart::commands())) {
        prop_assert!(play::<Cart>(story).len() <= 1);
    }

    #[test]
    fn an_order_begins_once_and_ends_at_most_once(story in story(order::commands())) {
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
    fn a_payments_first_answer_stands_and_its_money_is_given_back_at_most_once(story in story(payment::commands())) {
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
    fn money_that_comes_late_is_given_back_in_the_same_decision(story in story(payment::commands())) {
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
    fn a_shipments_first_answer_stands(story in story(shipment::commands())) {
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
    fn a_payments_deadline_that_gives_up_does_so_for_good(story in story(payment::commands())) {
        a_deadline_gives_up_for_good::<Payment>(story, &time_out("19.98"));
    }

    #[test]
    fn a_shipments_deadline_that_gives_up_does_so_for_good(story in story(shipment::commands())) {
        a_deadline_gives_up_for_good::<Shipment>(story, &shipment::time_out().into());
    }

    #[test]
    fn whatever_amounts_are_named_a_payment_that_was_requested_is_a_no_op_from_then_on(
        story in story([payment::commands(), vec![request_of("1"), time_out("1")]].concat())
    ) {
        play::<Payment>(story);
    }
}
