//! Explores every order in which messages may arrive, be repeated and race each other, with the rules
//! and the append protocol that run in production, and asserts what must be true in the end.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

#[path = "../checker/mod.rs"]
#[macro_use]
mod checker;
mod properties;
mod rules;
mod world;
mod wrong;

use domain::cart::FinalizeCart;
use domain::order::WithdrawOrder;
use domain::payment::{CompletePayment, DiscardPayment, FailPayment};
use domain::shipment::{FailShipment, SendShipment};
use domain::values::{CartId, Money, OrderId, PaymentId, ProductItem, ProductItems, Quantity, ShipmentId};
use eventsourcing::Text;

use crate::checker::letter::Letter;
use crate::checker::run;
use crate::properties::{must, sight};
use crate::rules::{Real, Rules};
use crate::world::Answer::{No, Yes};
use crate::world::{Orders, Outsider, World};
use crate::wrong::{
    CancelsFirst, ConfirmsTheCancelled, DrawsIds, DropsEarlyWithdrawals, ForgetsTheEarlyVoid,
    ForgetsTheEarlyWithdrawal, ForgetsToVoid, GivesBackAgain, GivesUpOnWhatItDoesNotSee, KeepsLateMoney,
    KeepsTheMoney, LeavesTheOrderOpen, LetsTheLastFactWin, LosesTheContradiction, Overwrites,
    RefusesEarlyAnswers, RefusesEarlyWithdrawals, RefusesLateAnswers, TellsNobody, WaitsForEver,
    WithdrawsTooLate,
};

/// Answers yes, in time.
const HEALTHY: Outsider = Outsider {
    answers: &[&[Yes]],
    may_be_late: false,
};

/// Answers something or nothing, in time or not, once or twice, the same or not.
const CHAOTIC: Outsider = Outsider {
    answers: &[&[], &[Yes], &[No], &[Yes, Yes], &[Yes, No]],
    may_be_late: true,
};

/// Answers once, yes or no, in time or not.
const ORDINARY: Outsider = Outsider {
    answers: &[&[Yes], &[No]],
    may_be_late: true,
};

fn world() -> World {
    World {
        sent: vec![finalize("cart", "19.98")],
        provider: HEALTHY,
        carrier: HEALTHY,
        repeats: 1,
        batches: false,
        reaches: vec![],
    }
}

fn finalize(id: &str, total: &str) -> Letter {
    let item = ProductItem {
        product_id: "p-1".parse().expect("an id"),
        quantity: Quantity::new(2).expect("in range"),
        unit_price: money("9.99"),
    };
    let command = FinalizeCart {
        cart_id: cart(),
        client_id: "u-7".parse().expect("an id"),
        product_items: ProductItems::new(vec![item]).expect("one item"),
        total_price: money(total),
    };
    Letter::from_outside(id, &command)
}

fn withdraw(id: &str, reason: &'static str) -> Letter {
    Letter::from_outside(
        id,
        &WithdrawOrder {
            order_id: order_id(),
            reason: Text::from(reason),
        },
    )
}

fn money(amount: &str) -> Money {
    amount.parse().expect("an amount")
}

/// Somebody discards the payment, whatever becomes of its order.
fn discard_by_hand() -> Letter {
    let command = DiscardPayment {
        payment_id: payment_id(),
        order_id: order_id(),
        cause: None,
    };
    Letter::from_outside("discard", &command)
}

/// The same, and nothing else goes wrong but that answers may be late.
fn revoked(provider: Outsider, carrier: Outsider) -> World {
    World {
        sent: vec![finalize("cart", "19.98"), discard_by_hand()],
        provider,
        carrier,
        repeats: 0,
        ..world()
    }
}

fn order_id() -> OrderId {
    OrderId::of_cart(&cart())
}

fn payment_id() -> PaymentId {
    PaymentId::of_order(&order_id())
}

fn cart() -> CartId {
    "c-1".parse().expect("an id")
}

#[test]
fn a_chaotic_provider_leaves_no_order_open_and_no_money_kept() {
    let reaches = vec![
        sight::COMPLETED,
        sight::PAYMENT_FAILED,
        sight::RECEIVED_LATE,
        sight::PAYMENT_FAILED_LATE,
        sight::CONFLICT,
        sight::REPEATED,
    ];
    explore(
        "chaotic provider",
        World {
            provider: CHAOTIC,
            reaches,
            ..world()
        },
        50_000,
    );
}

#[test]
fn a_chaotic_carrier_leaves_no_order_open_and_no_money_kept() {
    let reaches = vec![
        sight::COMPLETED,
        sight::SHIPMENT_FAILED,
        sight::DISCARDED,
        sight::SENT_LATE,
        sight::SHIPMENT_FAILED_LATE,
        sight::CONFLICT,
        sight::REPEATED,
    ];
    explore(
        "chaotic carrier",
        World {
            carrier: CHAOTIC,
            reaches,
            ..world()
        },
        50_000,
    );
}

#[test]
fn whatever_is_repeated_twice_on_the_happy_path_happens_once() {
    let reaches = vec![sight::COMPLETED, sight::CONFLICT, sight::REPEATED];
    explore(
        "happy path, two repeats",
        World {
            repeats: 2,
            reaches,
            ..world()
        },
        20_000,
    );
}

#[test]
fn a_withdrawal_at_any_moment_is_all_or_nothing() {
    let reaches = vec![
        sight::COMPLETED,
        sight::PAYMENT_FAILED,
        sight::SHIPMENT_FAILED,
        sight::WITHDRAWN,
        sight::WITHDRAWN_EARLY,
        sight::REFUSED,
        sight::VOIDED,
        sight::RECEIVED_LATE,
        sight::DISCARDED,
        sight::CONFLICT,
        sight::REPEATED,
    ];
    let sent = vec![
        finalize("cart", "19.98"),
        withdraw("withdrawal", "changed my mind"),
    ];
    let world = World {
        sent,
        provider: ORDINARY,
        carrier: ORDINARY,
        reaches,
        ..world()
    };
    explore("withdrawal", world, 100_000);
}

#[test]
fn everybody_at_once_leaves_no_order_open_and_no_money_kept() {
    explore(
        "everybody at once",
        World {
            repeats: 0,
            ..everybody()
        },
        50_000,
    );
}

#[test]
#[ignore = "takes minutes, on two cores; for a change of the rules or of the append protocol"]
fn everybody_at_once_with_a_repeat_leaves_no_order_open_and_no_money_kept() {
    explore(
        "everybody at once, one repeat",
        World {
            repeats: 1,
            ..everybody()
        },
        1_000_000,
    );
}

/// A customer who withdraws, a chaotic provider and a chaotic carrier.
fn everybody() -> World {
    let reaches = vec![
        sight::COMPLETED,
        sight::PAYMENT_FAILED,
        sight::SHIPMENT_FAILED,
        sight::WITHDRAWN,
        sight::WITHDRAWN_EARLY,
        sight::VOIDED,
        sight::RECEIVED_LATE,
        sight::DISCARDED,
        sight::PAYMENT_FAILED_LATE,
        sight::SENT_LATE,
        sight::SHIPMENT_FAILED_LATE,
        sight::CONFLICT,
    ];
    let sent = vec![
        finalize("cart", "19.98"),
        withdraw("withdrawal", "changed my mind"),
    ];
    World {
        sent,
        provider: CHAOTIC,
        carrier: CHAOTIC,
        reaches,
        ..world()
    }
}

#[test]
fn batches_of_withdrawals_that_race_each_other_decide_as_single_commands_do() {
    let reaches = vec![
        sight::COMPLETED,
        sight::WITHDRAWN,
        sight::WITHDRAWN_EARLY,
        sight::PAYMENT_FAILED,
        sight::DISCARDED,
        sight::PAYMENT_FAILED_LATE,
        sight::REFUSED,
        sight::CONFLICT,
        sight::COALESCED,
    ];
    let first = withdraw("first", "changed my mind");
    let sent = vec![finalize("cart", "19.98"), first, withdraw("second", "too dear")];
    let provider = Outsider {
        answers: &[&[Yes, No]],
        may_be_late: false,
    };
    let world = World {
        sent,
        provider,
        batches: true,
        repeats: 0,
        reaches,
        ..world()
    };
    explore("batches of withdrawals", world, 20_000);
}

#[test]
fn batches_of_answers_that_race_each_other_decide_as_single_commands_do() {
    let reaches = vec![
        sight::COMPLETED,
        sight::PAYMENT_FAILED,
        sight::RECEIVED_LATE,
        sight::PAYMENT_FAILED_LATE,
        sight::CONFLICT,
        sight::COALESCED,
    ];
    let provider = Outsider {
        answers: &[&[Yes, Yes], &[Yes, No]],
        may_be_late: true,
    };
    let world = World {
        provider,
        batches: true,
        repeats: 0,
        reaches,
        ..world()
    };
    explore("batches of answers", world, 5_000);
}

/// Each answer that a gateway may give, sent without being asked for.
fn early_answers() -> [Letter; 4] {
    let (payment_id, shipment_id) = (payment_id(), ShipmentId::of_order(&order_id()));
    let (pays, declines) = (
        CompletePayment {
            payment_id: payment_id.clone(),
        },
        FailPayment {
            payment_id,
            error: "card declined".into(),
        },
    );
    let (sends, fails) = (
        SendShipment {
            shipment_id: shipment_id.clone(),
        },
        FailShipment {
            shipment_id,
            error: "out of stock".into(),
        },
    );
    [
        Letter::from_outside("provider-yes", &pays),
        Letter::from_outside("provider-no", &declines),
        Letter::from_outside("carrier-yes", &sends),
        Letter::from_outside("carrier-no", &fails),
    ]
}

/// A gateway that answers before it hears of the request, and nothing after.
const SILENT: Outsider = Outsider {
    answers: &[&[]],
    may_be_late: true,
};

#[test]
fn an_answer_that_overtakes_its_request_waits_for_it() {
    let reaches = vec![
        sight::COMPLETED,
        sight::PAYMENT_FAILED,
        sight::WITHDRAWN,
        sight::WITHDRAWN_EARLY,
        sight::WAITED,
        sight::VOIDED,
        sight::RECEIVED_LATE,
        sight::DISCARDED,
        sight::CONFLICT,
        sight::REPEATED,
    ];
    let [provider_says_yes, ..] = early_answers();
    let sent = vec![
        finalize("cart", "19.98"),
        withdraw("withdrawal", "changed my mind"),
        provider_says_yes,
    ];
    explore(
        "overtaking answer",
        World {
            sent,
            provider: SILENT,
            reaches,
            ..world()
        },
        50_000,
    );
}

#[test]
fn whatever_a_gateway_says_before_it_is_asked_counts_when_it_is() {
    let [_, provider_says_no, carrier_says_yes, carrier_says_no] = early_answers();
    let worlds = [
        (provider_says_no, SILENT, HEALTHY, sight::PAYMENT_FAILED),
        (carrier_says_yes, HEALTHY, SILENT, sight::SENT_LATE),
        (carrier_says_no, HEALTHY, SILENT, sight::SHIPMENT_FAILED),
    ];
    for (early, provider, carrier, reaches) in worlds {
        let name = format!("early {}", early.kind);
        let world = World {
            sent: vec![finalize("cart", "19.98"), early],
            provider,
            carrier,
            reaches: vec![reaches, sight::WAITED, sight::CONFLICT, sight::REPEATED],
            ..world()
        };
        explore(&name, world, 5_000);
    }
}

#[test]
fn a_cart_that_is_finalized_again_makes_one_order() {
    let reaches = vec![sight::COMPLETED, sight::REFUSED, sight::CONFLICT, sight::REPEATED];
    let sent = vec![
        finalize("one", "19.98"),
        finalize("again", "19.98"),
        finalize("other", "29.98"),
    ];
    explore(
        "finalized again",
        World {
            sent,
            batches: true,
            reaches,
            ..world()
        },
        50_000,
    );
}

#[test]
fn a_payment_that_is_discarded_by_hand_at_any_moment_ends_its_order() {
    let reaches = vec![
        sight::COMPLETED,
        sight::REVOKED,
        sight::REVOKED_EARLY,
        sight::CALLED_OFF_LATE,
        sight::PAYMENT_FAILED,
        sight::VOIDED,
        sight::RECEIVED_LATE,
        sight::DISCARDED,
        sight::CONFLICT,
    ];
    let everything = World {
        reaches: [&reaches[..], &[sight::SHIPMENT_FAILED, sight::SENT_LATE]].concat(),
        ..revoked(ORDINARY, ORDINARY)
    };
    explore("discarded by hand", everything, 10_000);

    let mut withdrawn = World {
        reaches: [&reaches[..], &[sight::WITHDRAWN, sight::WITHDRAWN_EARLY]].concat(),
        ..revoked(ORDINARY, ORDINARY)
    };
    withdrawn.sent.push(withdraw("withdrawal", "changed my mind"));
    explore("discarded by hand and withdrawn", withdrawn, 50_000);

    let late = Outsider {
        may_be_late: true,
        ..HEALTHY
    };
    let repeated = World {
        repeats: 1,
        reaches: [&reaches[..], &[sight::REPEATED]].concat(),
        ..revoked(late, HEALTHY)
    };
    explore("discarded by hand, one repeat", repeated, 20_000);
}

#[test]
#[ignore = "takes minutes, on two cores; for a change of the rules or of the append protocol"]
fn a_payment_that_is_discarded_by_hand_at_any_moment_ends_its_order_with_a_repeat_too() {
    let world = World {
        repeats: 1,
        reaches: vec![
            sight::COMPLETED,
            sight::REVOKED,
            sight::REVOKED_EARLY,
            sight::CALLED_OFF_LATE,
        ],
        ..revoked(ORDINARY, ORDINARY)
    };
    explore("discarded by hand, everything, one repeat", world, 500_000);
}

#[test]
fn the_checker_finds_a_payment_that_is_discarded_by_hand_and_leaves_its_order_behind() {
    finds::<TellsNobody>(must::CLOSE, &revoked(SILENT, HEALTHY));
    finds::<TellsNobody>(must::BE_PAID_AND_SENT, &revoked(ORDINARY, HEALTHY));
    finds::<ForgetsTheEarlyVoid>(must::CLOSE, &revoked(SILENT, HEALTHY));
    finds::<CancelsFirst>(must::REQUEST_NOTHING_AFTERWARDS, &revoked(ORDINARY, ORDINARY));
    finds::<LosesTheContradiction>(must::RECORD_REVOCATIONS, &revoked(ORDINARY, HEALTHY));
}

#[test]
fn the_checker_finds_money_that_is_kept() {
    let shipment_fails = World {
        carrier: ORDINARY,
        repeats: 0,
        ..world()
    };
    finds::<KeepsTheMoney>(must::KEEP_NO_MONEY, &shipment_fails);
    finds::<ForgetsToVoid>(must::KEEP_NO_MONEY, &withdrawn());
    let payment_is_late = World {
        provider: ORDINARY,
        repeats: 0,
        ..world()
    };
    finds::<KeepsLateMoney>(must::KEEP_NO_MONEY, &payment_is_late);
    finds::<KeepsLateMoney>(must::GIVE_BACK_AT_ONCE, &payment_is_late);
}

#[test]
fn the_checker_finds_money_that_is_given_back_twice() {
    finds::<GivesBackAgain>(
        must::GIVE_BACK_ONCE,
        &World {
            carrier: ORDINARY,
            ..world()
        },
    );
}

#[test]
fn the_checker_finds_an_answer_that_is_refused_for_being_late() {
    let payment_is_late = World {
        provider: ORDINARY,
        repeats: 0,
        ..world()
    };
    finds::<RefusesLateAnswers>(must::NOT_REFUSE_ITS_OWN, &payment_is_late);
    finds::<RefusesLateAnswers>(must::RECORD_ANSWERS, &payment_is_late);
}

#[test]
fn the_checker_finds_an_answer_that_is_turned() {
    finds::<LetsTheLastFactWin>(
        must::NOT_FLIP,
        &World {
            provider: CHAOTIC,
            repeats: 0,
            ..world()
        },
    );
}

#[test]
fn the_checker_finds_a_cancelled_order_that_goes_on() {
    finds::<ConfirmsTheCancelled>(must::REQUEST_NOTHING_AFTERWARDS, &withdrawn());
    finds::<ConfirmsTheCancelled>(must::END_ONCE, &withdrawn());
    finds::<ConfirmsTheCancelled>(must::BE_PAID_AND_SENT, &withdrawn());
}

#[test]
fn the_checker_finds_a_withdrawal_after_the_point_of_no_return() {
    finds::<WithdrawsTooLate>(must::REQUEST_NOTHING_AFTERWARDS, &withdrawn());
}

#[test]
fn the_checker_finds_a_second_order_that_a_drawn_id_makes() {
    finds::<DrawsIds>(must::BE_ONE, &world());
}

#[test]
fn the_checker_finds_a_withdrawal_that_comes_early_and_does_not_count() {
    finds::<ForgetsTheEarlyWithdrawal>(must::HEED_WITHDRAWALS, &withdrawn());
    finds::<DropsEarlyWithdrawals>(must::HEED_WITHDRAWALS, &withdrawn());
    finds::<RefusesEarlyWithdrawals>(must::NOT_REFUSE_THE_EARLY, &withdrawn());
}

#[test]
fn the_checker_finds_an_answer_that_is_refused_for_being_early() {
    let [provider_says_yes, ..] = early_answers();
    let early = World {
        sent: vec![finalize("cart", "19.98"), provider_says_yes],
        provider: SILENT,
        repeats: 0,
        ..world()
    };
    finds::<RefusesEarlyAnswers>(must::NOT_REFUSE_ITS_OWN, &early);
    finds::<RefusesEarlyAnswers>(must::RECORD_ANSWERS, &early);
}

#[test]
fn the_checker_finds_an_append_without_its_condition() {
    finds::<Overwrites>(must::REQUEST_NOTHING_AFTERWARDS, &withdrawn());
}

#[test]
fn the_checker_finds_an_order_that_is_never_closed() {
    finds::<LeavesTheOrderOpen>(
        must::CLOSE,
        &World {
            carrier: ORDINARY,
            repeats: 0,
            ..world()
        },
    );
    let silent = Outsider {
        answers: &[&[]],
        may_be_late: true,
    };
    finds::<GivesUpOnWhatItDoesNotSee>(
        must::CLOSE,
        &World {
            provider: silent,
            repeats: 0,
            ..world()
        },
    );
    finds::<WaitsForEver>(
        must::COME_TO_REST,
        &World {
            provider: silent,
            repeats: 0,
            ..world()
        },
    );
}

/// A customer withdraws, and nothing else goes wrong.
fn withdrawn() -> World {
    World {
        sent: vec![
            finalize("cart", "19.98"),
            withdraw("withdrawal", "changed my mind"),
        ],
        repeats: 0,
        ..world()
    }
}

/// Explores everything that can happen in that world.
fn explore(name: &str, world: World, at_least: usize) {
    run::explore(name, Orders::<Real>::of(world), at_least);
}

/// Asserts that the property fails with the wrong rules, and only because of them.
fn finds<R: Rules>(property: &'static str, world: &World) {
    let (right, wrong) = (Orders::<Real>::of(world.clone()), Orders::<R>::of(world.clone()));
    run::finds(property, right, wrong);
}
