//! A shipment's first answer counts, and a later one that contradicts it is recorded.

use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, Shipment, ShipmentCalledOffLate,
    ShipmentCommand, ShipmentEvent, ShipmentFailed, ShipmentFailedLate, ShipmentRequested, ShipmentSent,
    ShipmentSentLate, TimeOutShipment,
};
use eventsourcing::Timestamp;
use proptest::prelude::*;

use crate::given::given;
use crate::repeats::{a_deadline_gives_up_for_good, count, play, story, texts};
use crate::shop::{before, due_at, item, items, now, order_id, shipment_id};

/// The commands of random stories.
fn commands() -> Vec<ShipmentCommand> {
    let other = RequestShipment {
        product_items: item("p-2", 1, "5"),
        ..request()
    };
    let called_off = CallOffShipment {
        shipment_id: shipment_id(),
        order_id: order_id(),
        reason: "the payment was discarded".into(),
    };
    let failures = texts().map(|error| FailShipment { error, ..fail("") }.into());
    let others = vec![
        request().into(),
        other.into(),
        send().into(),
        called_off.into(),
        time_out().into(),
    ];
    [others, failures.to_vec()].concat()
}

fn request() -> RequestShipment {
    RequestShipment {
        shipment_id: shipment_id(),
        order_id: order_id(),
        product_items: items(),
    }
}

fn send() -> SendShipment {
    SendShipment {
        shipment_id: shipment_id(),
    }
}

fn fail(error: &'static str) -> FailShipment {
    FailShipment {
        shipment_id: shipment_id(),
        error: error.into(),
    }
}

fn time_out() -> TimeOutShipment {
    TimeOutShipment {
        shipment_id: shipment_id(),
        order_id: order_id(),
        due_at: due_at(),
    }
}

fn requested(at: Timestamp) -> ShipmentEvent {
    let (shipment_id, product_items) = (shipment_id(), items());
    ShipmentRequested {
        shipment_id,
        order_id: order_id(),
        product_items,
        requested_at: at,
    }
    .into()
}

fn sent(at: Timestamp) -> ShipmentEvent {
    ShipmentSent {
        shipment_id: shipment_id(),
        order_id: order_id(),
        sent_at: at,
    }
    .into()
}

fn sent_late(at: Timestamp) -> ShipmentEvent {
    ShipmentSentLate {
        shipment_id: shipment_id(),
        order_id: order_id(),
        sent_at: at,
    }
    .into()
}

fn failed(error: &'static str, at: Timestamp) -> ShipmentEvent {
    ShipmentFailed {
        shipment_id: shipment_id(),
        order_id: order_id(),
        error: error.into(),
        failed_at: at,
    }
    .into()
}

fn failed_late(error: &'static str, at: Timestamp) -> ShipmentEvent {
    ShipmentFailedLate {
        shipment_id: shipment_id(),
        order_id: order_id(),
        error: error.into(),
        failed_at: at,
    }
    .into()
}

/// Every way in which a shipment failed.
fn failures() -> Vec<Vec<ShipmentEvent>> {
    vec![
        vec![requested(before()), failed("out of stock", before())],
        vec![requested(before()), failed("timed out", before())],
        vec![failed("timed out", before())],
    ]
}

/// Every state in which the carrier's answer, or its time, is up.
fn settled() -> Vec<Vec<ShipmentEvent>> {
    let left = failures()
        .into_iter()
        .map(|history| [history, vec![sent_late(before())]].concat());
    let mut histories: Vec<_> = failures().into_iter().chain(left).collect();
    histories.push(vec![requested(before()), sent(before())]);
    histories.push(vec![
        requested(before()),
        sent(before()),
        failed_late("lost", before()),
    ]);
    histories
}

#[test]
fn a_requested_shipment_is_recorded_with_its_items() {
    given::<Shipment>([]).when(request()).then([requested(now())]);
}

#[test]
fn requesting_a_shipment_again_changes_nothing_in_any_later_state() {
    given::<Shipment>([requested(before())]).when(request()).nothing();
    for history in settled() {
        given::<Shipment>(history).when(request()).nothing();
    }
}

#[test]
fn requesting_a_shipment_again_with_other_items_is_rejected() {
    let other = RequestShipment {
        product_items: item("p-1", 3, "9.99"),
        ..request()
    };
    for history in [
        vec![requested(before())],
        vec![requested(before()), sent(before())],
    ] {
        given::<Shipment>(history).when(other.clone()).rejected(format!(
            "shipment {} is known already, with other items",
            shipment_id()
        ));
    }
}

#[test]
fn a_shipment_with_an_id_that_is_not_its_orders_is_rejected() {
    let why = format!(
        "shipment_id is not the one of order {}; expected {}",
        order_id(),
        shipment_id()
    );
    let wrong = || "drawn".parse().expect("an id");
    given::<Shipment>([])
        .when(RequestShipment {
            shipment_id: wrong(),
            ..request()
        })
        .rejected(&why);
    given::<Shipment>([])
        .at(due_at())
        .when(TimeOutShipment {
            shipment_id: wrong(),
            ..time_out()
        })
        .rejected(&why);
}

#[test]
fn a_parcel_leaves() {
    given::<Shipment>([requested(before())])
        .when(send())
        .then([sent(now())]);
}

#[test]
fn an_answer_to_a_shipment_that_is_not_requested_yet_waits_for_the_request() {
    let why = format!("shipment {} has not been requested yet", shipment_id());
    given::<Shipment>([]).when(send()).premature(&why);
    given::<Shipment>([]).when(fail("out of stock")).premature(&why);
}

#[test]
fn a_parcel_that_leaves_twice_has_one_effect() {
    given::<Shipment>([requested(before()), sent(before())])
        .when(send())
        .nothing();
    for history in failures() {
        given::<Shipment>([history, vec![sent_late(before())]].concat())
            .when(send())
            .nothing();
    }
}

#[test]
fn a_parcel_that_leaves_after_its_shipment_failed_or_timed_out_is_recorded_as_late() {
    for history in failures() {
        given::<Shipment>(history).when(send()).then([sent_late(now())]);
    }
}

#[test]
fn a_shipment_fails_with_the_carriers_error() {
    given::<Shipment>([requested(before())])
        .when(fail("out of stock"))
        .then([failed("out of stock", now())]);
}

#[test]
fn a_shipment_that_fails_twice_with_the_same_error_has_one_effect() {
    given::<Shipment>([requested(before()), failed("out of stock", before())])
        .when(fail("out of stock"))
        .nothing();
}

#[test]
fn a_shipment_that_fails_after_it_was_sent_stays_sent_and_the_contradiction_is_recorded() {
    given::<Shipment>([requested(before()), sent(before())])
        .when(fail("lost"))
        .then([failed_late("lost", now())]);
    let contradicted = || [requested(before()), sent(before()), failed_late("lost", before())];
    given::<Shipment>(contradicted()).when(fail("lost")).nothing();
    given::<Shipment>(contradicted()).when(send()).nothing();
}

#[test]
fn a_failure_of_a_shipment_that_is_settled_is_recorded_and_changes_nothing_else() {
    for history in settled() {
        given::<Shipment>(history)
            .when(fail("another error"))
            .then([failed_late("another error", now())]);
    }
}

#[test]
fn a_shipment_that_is_unanswered_at_its_deadline_fails_as_timed_out() {
    given::<Shipment>([requested(before())])
        .at(due_at())
        .when(time_out())
        .then([failed("timed out", due_at())]);
}

#[test]
fn a_shipment_whose_request_got_stuck_fails_at_its_deadline_all_the_same() {
    given::<Shipment>([])
        .at(due_at())
        .when(time_out())
        .then([failed("timed out", due_at())]);
    given::<Shipment>([failed("timed out", before())])
        .when(request())
        .nothing();
}

#[test]
fn a_deadline_that_comes_early_asks_again_when_it_is_due() {
    let almost = Timestamp::from_millis(due_at().millis() - 1);
    for at in [now(), almost] {
        given::<Shipment>([])
            .at(at)
            .when(time_out())
            .not_due_before(due_at());
        given::<Shipment>([requested(before())])
            .at(at)
            .when(time_out())
            .not_due_before(due_at());
    }
}

#[test]
fn a_deadline_does_nothing_once_the_shipment_is_settled_however_early_it_looks() {
    for history in settled() {
        for at in [now(), due_at()] {
            given::<Shipment>(history.clone())
                .at(at)
                .when(time_out())
                .nothing();
        }
    }
}

#[test]
fn a_shipment_whose_payment_was_given_back_fails_requested_or_not() {
    let called_off = || failed("the payment was discarded", now());
    given::<Shipment>([]).when(call_off()).then([called_off()]);
    given::<Shipment>([requested(before())])
        .when(call_off())
        .then([called_off()]);
    given::<Shipment>([called_off()]).when(request()).nothing();
    given::<Shipment>([requested(before()), failed("the payment was discarded", before())])
        .when(send())
        .then([sent_late(now())]);
}

#[test]
fn a_shipment_that_is_called_off_after_the_parcel_left_is_recorded_as_a_fact_of_its_own_once() {
    let sent = [requested(before()), sent(before())];
    given::<Shipment>(sent.clone())
        .when(call_off())
        .then([called_off_late(now())]);
    let [requested, sent] = sent;
    given::<Shipment>([requested, sent, called_off_late(before())])
        .when(CallOffShipment {
            reason: "another".into(),
            ..call_off()
        })
        .nothing();
}

#[test]
fn calling_off_a_shipment_that_failed_changes_nothing() {
    for history in failures() {
        given::<Shipment>(history).when(call_off()).nothing();
    }
}

#[test]
fn calling_off_a_shipment_with_an_id_that_is_not_its_orders_is_rejected() {
    given::<Shipment>([])
        .when(CallOffShipment {
            shipment_id: "drawn".parse().expect("an id"),
            ..call_off()
        })
        .rejected(format!(
            "shipment_id is not the one of order {}; expected {}",
            order_id(),
            shipment_id()
        ));
}

fn call_off() -> CallOffShipment {
    CallOffShipment {
        shipment_id: shipment_id(),
        order_id: order_id(),
        reason: "the payment was discarded".into(),
    }
}

fn called_off_late(at: Timestamp) -> ShipmentEvent {
    ShipmentCalledOffLate {
        shipment_id: shipment_id(),
        order_id: order_id(),
        reason: "the payment was discarded".into(),
        called_off_at: at,
    }
    .into()
}

proptest! {
    #[test]
    fn a_shipments_first_answer_stands(story in story(commands())) {
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
    fn a_shipments_deadline_that_gives_up_does_so_for_good(story in story(commands())) {
        a_deadline_gives_up_for_good::<Shipment>(story, &time_out().into());
    }
}
