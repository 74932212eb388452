//! A payment's first answer counts, and money that came in for nothing is given back once.

use domain::order::Cause;
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, Payment, PaymentCommand, PaymentCompleted,
    PaymentDiscarded, PaymentEvent, PaymentFailed, PaymentFailedLate, PaymentReceivedLate, PaymentRequested,
    PaymentRevoked, PaymentVoided, RequestPayment, TimeOutPayment,
};
use domain::values::Money;
use eventsourcing::Timestamp;
use proptest::prelude::*;

use crate::given::given;
use crate::repeats::{a_deadline_gives_up_for_good, count, play, story, texts};
use crate::shop::{before, due_at, money, now, order_id, payment_id, price};

/// The commands of random stories.
fn commands() -> Vec<PaymentCommand> {
    let drawn = RequestPayment {
        payment_id: "drawn".parse().expect("an id"),
        ..request()
    };
    let failures = texts().map(|error| FailPayment { error, ..fail("") }.into());
    let others = vec![
        request().into(),
        drawn.into(),
        complete().into(),
        discard().into(),
        discard_by_hand().into(),
        time_out().into(),
    ];
    [others, failures.to_vec()].concat()
}

fn request() -> RequestPayment {
    RequestPayment {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
        due_at: Some(due_at()),
    }
}

fn complete() -> CompletePayment {
    CompletePayment {
        payment_id: payment_id(),
    }
}

fn fail(error: &'static str) -> FailPayment {
    FailPayment {
        payment_id: payment_id(),
        error: error.into(),
    }
}

/// As the saga sends it.
fn discard() -> DiscardPayment {
    DiscardPayment {
        payment_id: payment_id(),
        order_id: order_id(),
        cause: Some(Cause::Withdrawn),
    }
}

/// As somebody sends it by hand, whatever the order does.
fn discard_by_hand() -> DiscardPayment {
    DiscardPayment {
        cause: None,
        ..discard()
    }
}

fn time_out() -> TimeOutPayment {
    TimeOutPayment {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
        due_at: due_at(),
    }
}

fn requested(at: Timestamp) -> PaymentEvent {
    PaymentRequested {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
        requested_at: at,
        due_at: Some(due_at()),
    }
    .into()
}

fn completed(at: Timestamp) -> PaymentEvent {
    PaymentCompleted {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
        completed_at: at,
    }
    .into()
}

fn failed(error: &'static str, at: Timestamp) -> PaymentEvent {
    let error = error.into();
    PaymentFailed {
        payment_id: payment_id(),
        order_id: order_id(),
        amount: price(),
        error,
        failed_at: at,
    }
    .into()
}

fn failed_late(error: &'static str, at: Timestamp) -> PaymentEvent {
    PaymentFailedLate {
        payment_id: payment_id(),
        order_id: order_id(),
        error: error.into(),
        failed_at: at,
    }
    .into()
}

fn voided(at: Timestamp) -> PaymentEvent {
    voided_for(Some(Cause::Withdrawn), at)
}

fn voided_for(cause: Option<Cause>, at: Timestamp) -> PaymentEvent {
    PaymentVoided {
        payment_id: payment_id(),
        order_id: order_id(),
        voided_at: at,
        cause,
    }
    .into()
}

fn revoked(amount: Option<Money>, at: Timestamp) -> PaymentEvent {
    PaymentRevoked {
        payment_id: payment_id(),
        order_id: order_id(),
        amount,
        revoked_at: at,
    }
    .into()
}

fn received_late(amount: Option<Money>, at: Timestamp) -> PaymentEvent {
    PaymentReceivedLate {
        payment_id: payment_id(),
        order_id: order_id(),
        amount,
        received_at: at,
    }
    .into()
}

fn discarded(amount: Option<Money>, at: Timestamp) -> PaymentEvent {
    PaymentDiscarded {
        payment_id: payment_id(),
        order_id: order_id(),
        amount,
        discarded_at: at,
    }
    .into()
}

/// Every way in which a payment is closed before its money came in.
fn closed_without_money() -> Vec<Vec<PaymentEvent>> {
    vec![
        vec![requested(before()), failed("card declined", before())],
        vec![requested(before()), failed("timed out", before())],
        vec![requested(before()), voided(before())],
        vec![failed("timed out", before())],
    ]
}

/// Every way in which its money was given back.
fn given_back() -> Vec<Vec<PaymentEvent>> {
    let late = [
        received_late(Some(price()), before()),
        discarded(Some(price()), before()),
    ];
    let mut histories: Vec<_> = closed_without_money()
        .into_iter()
        .map(|history| [history, late.to_vec()].concat())
        .collect();
    histories.push(vec![
        requested(before()),
        completed(before()),
        discarded(Some(price()), before()),
    ]);
    histories.push(vec![
        voided(before()),
        received_late(None, before()),
        discarded(None, before()),
    ]);
    histories
}

/// Every state but that before the first event, and that of a payment which waits for its answer.
fn settled() -> Vec<Vec<PaymentEvent>> {
    let mut histories = [closed_without_money(), given_back()].concat();
    histories.push(vec![requested(before()), completed(before())]);
    histories.push(vec![
        requested(before()),
        completed(before()),
        failed_late("card declined", before()),
    ]);
    histories.push(vec![voided(before())]);
    histories
}

#[test]
fn a_requested_payment_is_recorded_with_its_exact_amount() {
    given::<Payment>([]).when(request()).then([requested(now())]);
}

#[test]
fn requesting_a_payment_again_changes_nothing_in_any_later_state() {
    given::<Payment>([requested(before())]).when(request()).nothing();
    for history in settled() {
        given::<Payment>(history).when(request()).nothing();
    }
}

#[test]
fn requesting_a_payment_again_with_another_amount_is_rejected() {
    let other = RequestPayment {
        amount: money("19.99"),
        ..request()
    };
    for history in [
        vec![requested(before())],
        vec![requested(before()), completed(before())],
    ] {
        given::<Payment>(history).when(other.clone()).rejected(format!(
            "payment {} is known already, with another amount",
            payment_id()
        ));
    }
}

#[test]
fn a_payment_with_an_id_that_is_not_its_orders_is_rejected() {
    let why = format!(
        "payment_id is not the one of order {}; expected {}",
        order_id(),
        payment_id()
    );
    let wrong = || "drawn".parse().expect("an id");
    given::<Payment>([])
        .when(RequestPayment {
            payment_id: wrong(),
            ..request()
        })
        .rejected(&why);
    given::<Payment>([])
        .when(DiscardPayment {
            payment_id: wrong(),
            ..discard()
        })
        .rejected(&why);
    given::<Payment>([])
        .at(due_at())
        .when(TimeOutPayment {
            payment_id: wrong(),
            ..time_out()
        })
        .rejected(&why);
}

#[test]
fn a_payment_completes() {
    given::<Payment>([requested(before())])
        .when(complete())
        .then([completed(now())]);
}

#[test]
fn an_answer_to_a_payment_that_is_not_requested_yet_waits_for_the_request() {
    let why = format!("payment {} has not been requested yet", payment_id());
    given::<Payment>([]).when(complete()).premature(&why);
    given::<Payment>([]).when(fail("card declined")).premature(&why);
}

#[test]
fn a_payment_that_completes_twice_has_one_effect() {
    given::<Payment>([requested(before()), completed(before())])
        .when(complete())
        .nothing();
    for history in given_back() {
        given::<Payment>(history).when(complete()).nothing();
    }
}

#[test]
fn a_payment_that_completes_after_it_failed_timed_out_or_was_voided_is_given_back_in_the_same_commit() {
    for history in closed_without_money() {
        given::<Payment>(history).when(complete()).then([
            received_late(Some(price()), now()),
            discarded(Some(price()), now()),
        ]);
    }
}

#[test]
fn a_payment_that_completes_though_it_was_voided_unrequested_is_given_back_whatever_it_was() {
    given::<Payment>([voided(before())])
        .when(complete())
        .then([received_late(None, now()), discarded(None, now())]);
}

#[test]
fn a_payment_that_completes_when_its_deadline_has_passed_is_given_back_though_nobody_has_said_so_yet() {
    given::<Payment>([requested(before())])
        .at(due_at())
        .when(complete())
        .then([
            failed("timed out", due_at()),
            received_late(Some(price()), due_at()),
            discarded(Some(price()), due_at()),
        ]);
    let a_moment_before = Timestamp::from_millis(due_at().millis() - 1);
    given::<Payment>([requested(before())])
        .at(a_moment_before)
        .when(complete())
        .then([completed(a_moment_before)]);
}

#[test]
fn a_payment_that_was_requested_before_deadlines_were_told_waits_for_the_command_that_ends_it() {
    let PaymentEvent::PaymentRequested(request) = requested(before()) else {
        unreachable!("it is made above");
    };
    let without = PaymentRequested {
        due_at: None,
        ..request
    };
    given::<Payment>([without.into()])
        .at(due_at())
        .when(complete())
        .then([completed(due_at())]);
}

#[test]
fn nobody_is_asked_for_a_payment_whose_deadline_has_passed() {
    given::<Payment>([])
        .at(due_at())
        .when(request())
        .then([failed("timed out", due_at())]);
}

#[test]
fn a_payment_fails_with_the_providers_error() {
    given::<Payment>([requested(before())])
        .when(fail("card declined"))
        .then([failed("card declined", now())]);
}

#[test]
fn a_payment_that_fails_twice_with_the_same_error_has_one_effect() {
    given::<Payment>([requested(before()), failed("card declined", before())])
        .when(fail("card declined"))
        .nothing();
}

#[test]
fn a_payment_that_fails_after_it_completed_stays_completed_and_the_contradiction_is_recorded() {
    given::<Payment>([requested(before()), completed(before())])
        .when(fail("charged back"))
        .then([failed_late("charged back", now())]);
    let contradicted = || {
        [
            requested(before()),
            completed(before()),
            failed_late("charged back", before()),
        ]
    };
    given::<Payment>(contradicted())
        .when(fail("charged back"))
        .nothing();
    given::<Payment>(contradicted()).when(complete()).nothing();
    given::<Payment>(contradicted())
        .when(discard())
        .then([discarded(Some(price()), now())]);
}

#[test]
fn a_failure_of_a_payment_that_is_settled_is_recorded_and_changes_nothing_else() {
    for history in settled() {
        given::<Payment>(history)
            .when(fail("another error"))
            .then([failed_late("another error", now())]);
    }
}

#[test]
fn discarding_a_completed_payment_gives_the_money_back() {
    given::<Payment>([requested(before()), completed(before())])
        .when(discard())
        .then([discarded(Some(price()), now())]);
}

#[test]
fn discarding_a_payment_again_gives_nothing_back() {
    for history in given_back() {
        given::<Payment>(history).when(discard()).nothing();
    }
}

#[test]
fn a_payment_that_failed_or_timed_out_leaves_nothing_to_discard() {
    for history in closed_without_money() {
        given::<Payment>(history).when(discard()).nothing();
    }
}

#[test]
fn discarding_an_unanswered_payment_voids_it() {
    given::<Payment>([requested(before())])
        .when(discard())
        .then([voided(now())]);
}

#[test]
fn discarding_a_payment_before_it_is_requested_voids_it_and_the_request_that_follows_changes_nothing() {
    given::<Payment>([]).when(discard()).then([voided(now())]);
    given::<Payment>([voided(before())]).when(request()).nothing();
}

#[test]
fn a_payment_that_is_unanswered_at_its_deadline_fails_as_timed_out() {
    given::<Payment>([requested(before())])
        .at(due_at())
        .when(time_out())
        .then([failed("timed out", due_at())]);
}

#[test]
fn a_payment_whose_request_got_stuck_fails_at_its_deadline_all_the_same() {
    given::<Payment>([])
        .at(due_at())
        .when(time_out())
        .then([failed("timed out", due_at())]);
}

#[test]
fn a_deadline_that_comes_early_asks_again_when_it_is_due() {
    let almost = Timestamp::from_millis(due_at().millis() - 1);
    for at in [now(), almost] {
        given::<Payment>([])
            .at(at)
            .when(time_out())
            .not_due_before(due_at());
        given::<Payment>([requested(before())])
            .at(at)
            .when(time_out())
            .not_due_before(due_at());
    }
}

#[test]
fn a_deadline_does_nothing_once_the_payment_is_settled_however_early_it_looks() {
    for history in settled() {
        for at in [now(), due_at()] {
            given::<Payment>(history.clone())
                .at(at)
                .when(time_out())
                .nothing();
        }
    }
}

#[test]
fn a_deadline_that_names_another_amount_does_not_change_what_was_requested() {
    let other = TimeOutPayment {
        amount: money("1"),
        ..time_out()
    };
    given::<Payment>([requested(before())])
        .at(due_at())
        .when(other)
        .then([failed("timed out", due_at())]);
}

#[test]
fn a_payment_that_is_discarded_by_hand_tells_its_order() {
    given::<Payment>([requested(before())])
        .when(discard_by_hand())
        .then([voided_for(None, now()), revoked(None, now())]);
    given::<Payment>([requested(before()), completed(before())])
        .when(discard_by_hand())
        .then([discarded(Some(price()), now()), revoked(Some(price()), now())]);
}

#[test]
fn a_payment_that_is_discarded_by_hand_before_it_is_requested_tells_its_order_at_the_deadline() {
    let history = || given::<Payment>([voided_for(None, before())]);
    given::<Payment>([])
        .when(discard_by_hand())
        .then([voided_for(None, now())]);
    history().when(request()).nothing();
    history().when(time_out()).not_due_before(due_at());
    history()
        .at(due_at())
        .when(time_out())
        .then([revoked(None, due_at())]);
    given::<Payment>([voided_for(None, before()), revoked(None, before())])
        .at(due_at())
        .when(time_out())
        .nothing();
}

#[test]
fn money_that_comes_in_all_the_same_is_given_back_and_the_deadline_tells_the_order() {
    let early = || voided_for(None, before());
    given::<Payment>([early()])
        .when(complete())
        .then([received_late(None, now()), discarded(None, now())]);
    given::<Payment>([early(), received_late(None, before()), discarded(None, before())])
        .at(due_at())
        .when(time_out())
        .then([revoked(None, due_at())]);
}

#[test]
fn a_payment_of_a_cancelled_order_tells_nobody() {
    given::<Payment>([voided(before())])
        .at(due_at())
        .when(time_out())
        .nothing();
    for history in closed_without_money() {
        given::<Payment>(history.clone())
            .when(discard_by_hand())
            .nothing();
        given::<Payment>(history).at(due_at()).when(time_out()).nothing();
    }
}

#[test]
fn a_payment_that_was_discarded_stays_so_whoever_asks_again() {
    let by_hand = [
        requested(before()),
        completed(before()),
        discarded(Some(price()), before()),
        revoked(Some(price()), before()),
    ];
    let by_the_saga = by_hand[..3].to_vec();
    for history in [by_hand.to_vec(), by_the_saga] {
        for again in [discard(), discard_by_hand()] {
            given::<Payment>(history.clone()).when(again).nothing();
        }
    }
}

/// The same, as if it were about another amount.
fn of_another_amount() -> Vec<PaymentCommand> {
    let amount = money("1");
    vec![
        RequestPayment { amount, ..request() }.into(),
        TimeOutPayment { amount, ..time_out() }.into(),
    ]
}

proptest! {
    #[test]
    fn a_payments_first_answer_stands_and_its_money_is_given_back_at_most_once(story in story(commands())) {
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
    fn money_that_comes_late_is_given_back_in_the_same_decision(story in story(commands())) {
        for events in play::<Payment>(story) {
            match &events[..] {
                [PaymentEvent::PaymentReceivedLate(late), PaymentEvent::PaymentDiscarded(discarded)]
                | [PaymentEvent::PaymentFailed(_), PaymentEvent::PaymentReceivedLate(late), PaymentEvent::PaymentDiscarded(discarded)] => {
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
    fn a_payments_deadline_that_gives_up_does_so_for_good(story in story(commands())) {
        a_deadline_gives_up_for_good::<Payment>(story, &time_out().into());
    }

    #[test]
    fn whatever_amounts_are_named_a_payment_that_was_requested_is_a_no_op_from_then_on(
        story in story([commands(), of_another_amount()].concat())
    ) {
        play::<Payment>(story);
    }
}
