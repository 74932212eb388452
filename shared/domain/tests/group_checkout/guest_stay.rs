//! A guest is charged and pays while checked in, and leaves with nothing open.

use domain::guest_stay::{
    ChargeRecorded, CheckInGuest, CheckoutGuestAccount, GuestCheckedIn, GuestCheckoutCompleted,
    GuestCheckoutFailed, GuestPaymentRecorded, GuestStay, GuestStayEvent, RecordCharge, RecordPayment,
};
use eventsourcing::Timestamp;

use crate::given::given;
use crate::hotel::{before, group, guest, money, now, text};

fn check_in() -> CheckInGuest {
    CheckInGuest {
        guest_stay_id: guest("ada"),
    }
}

fn charge(id: &str, amount: &str) -> RecordCharge {
    RecordCharge {
        guest_stay_id: guest("ada"),
        charge_id: id.parse().expect("an id"),
        amount: money(amount),
    }
}

fn pay(id: &str, amount: &str) -> RecordPayment {
    RecordPayment {
        guest_stay_id: guest("ada"),
        payment_id: id.parse().expect("an id"),
        amount: money(amount),
    }
}

fn check_out(asks: Option<&str>) -> CheckoutGuestAccount {
    CheckoutGuestAccount {
        guest_stay_id: guest("ada"),
        group_checkout_id: asks.map(group),
    }
}

fn checked_in(at: Timestamp) -> GuestStayEvent {
    GuestCheckedIn {
        guest_stay_id: guest("ada"),
        checked_in_at: at,
    }
    .into()
}

fn charged(id: &str, amount: &str, at: Timestamp) -> GuestStayEvent {
    ChargeRecorded {
        guest_stay_id: guest("ada"),
        charge_id: id.parse().expect("an id"),
        amount: money(amount),
        recorded_at: at,
    }
    .into()
}

fn paid(id: &str, amount: &str, at: Timestamp) -> GuestStayEvent {
    GuestPaymentRecorded {
        guest_stay_id: guest("ada"),
        payment_id: id.parse().expect("an id"),
        amount: money(amount),
        recorded_at: at,
    }
    .into()
}

fn left(asked: Option<&str>, at: Timestamp) -> GuestStayEvent {
    GuestCheckoutCompleted {
        guest_stay_id: guest("ada"),
        group_checkout_id: asked.map(group),
        completed_at: at,
    }
    .into()
}

fn stays(asked: Option<&str>, reason: &str, at: Timestamp) -> GuestStayEvent {
    GuestCheckoutFailed {
        guest_stay_id: guest("ada"),
        group_checkout_id: asked.map(group),
        reason: text(reason),
        failed_at: at,
    }
    .into()
}

/// A stay with a bill of 42.50, paid and checked out.
fn whole_stay(asked: Option<&str>) -> Vec<GuestStayEvent> {
    vec![
        checked_in(before()),
        charged("room", "42.50", before()),
        paid("cash", "42.50", before()),
        left(asked, before()),
    ]
}

#[test]
fn a_guest_checks_in() {
    given::<GuestStay>([]).when(check_in()).then([checked_in(now())]);
}

#[test]
fn checking_in_again_does_nothing_in_every_later_state() {
    for asked in [None, Some("tour")] {
        let stay = whole_stay(asked);
        for so_far in 1..=stay.len() {
            given::<GuestStay>(stay[..so_far].to_vec())
                .when(check_in())
                .nothing();
        }
    }
}

#[test]
fn a_guest_can_check_in_after_a_checkout_that_came_too_soon() {
    given::<GuestStay>([stays(Some("tour"), "never checked in", before())])
        .when(check_in())
        .then([checked_in(now())]);
}

#[test]
fn charges_and_payments_are_taken_while_a_guest_is_checked_in() {
    given::<GuestStay>([checked_in(before())])
        .when(charge("room", "42.50"))
        .then([charged("room", "42.50", now())]);
    given::<GuestStay>([checked_in(before())])
        .when(pay("cash", "42.50"))
        .then([paid("cash", "42.50", now())]);
    given::<GuestStay>([checked_in(before()), stays(None, "open balance 1.00", before())])
        .when(pay("cash", "1"))
        .then([paid("cash", "1", now())]);
}

#[test]
fn charges_and_payments_that_overtake_the_check_in_wait_for_it() {
    let never = [vec![], vec![stays(None, "never checked in", before())]];
    for stay in never {
        given::<GuestStay>(stay.clone())
            .when(charge("room", "1"))
            .premature("stay ada is not checked in yet; a charge is taken while a guest is");
        given::<GuestStay>(stay)
            .when(pay("cash", "1"))
            .premature("stay ada is not checked in yet; a payment is taken while a guest is");
    }
}

#[test]
fn charges_and_payments_are_refused_once_a_guest_has_checked_out() {
    for asked in [None, Some("tour")] {
        given::<GuestStay>(whole_stay(asked))
            .when(charge("minibar", "1"))
            .rejected("stay ada is checked out; a charge is taken while a guest is checked in");
        given::<GuestStay>(whole_stay(asked))
            .when(pay("card", "1"))
            .rejected("stay ada is checked out; a payment is taken while a guest is checked in");
    }
}

#[test]
fn a_charge_or_payment_that_is_repeated_counts_once_in_every_later_state() {
    for asked in [None, Some("tour")] {
        let stay = whole_stay(asked);
        for so_far in 2..=stay.len() {
            // 42.5 is the same amount.
            given::<GuestStay>(stay[..so_far].to_vec())
                .when(charge("room", "42.5"))
                .nothing();
        }
        for so_far in 3..=stay.len() {
            given::<GuestStay>(stay[..so_far].to_vec())
                .when(pay("cash", "42.50"))
                .nothing();
        }
    }
}

#[test]
fn a_charge_or_payment_with_a_known_id_and_another_amount_is_refused_in_every_later_state() {
    let stay = whole_stay(None);
    for so_far in 2..=stay.len() {
        given::<GuestStay>(stay[..so_far].to_vec())
            .when(charge("room", "42.51"))
            .rejected("charge room of stay ada is recorded already, with another amount");
    }
    for so_far in 3..=stay.len() {
        given::<GuestStay>(stay[..so_far].to_vec())
            .when(pay("cash", "0"))
            .rejected("payment cash of stay ada is recorded already, with another amount");
    }
}

#[test]
fn two_charges_of_one_amount_are_two_and_a_payment_may_have_the_id_of_a_charge() {
    let stay = [checked_in(before()), charged("room", "10", before())];
    given::<GuestStay>(stay.clone())
        .when(charge("breakfast", "10"))
        .then([charged("breakfast", "10", now())]);
    given::<GuestStay>(stay)
        .when(pay("room", "10"))
        .then([paid("room", "10", now())]);
}

#[test]
fn a_guest_with_nothing_open_checks_out() {
    for asks in [None, Some("tour")] {
        given::<GuestStay>([checked_in(before())])
            .when(check_out(asks))
            .then([left(asks, now())]);
        given::<GuestStay>(whole_stay(None)[..3].to_vec())
            .when(check_out(asks))
            .then([left(asks, now())]);
    }
}

#[test]
fn a_guest_with_an_open_balance_stays_and_is_told_how_much() {
    for (charged_amount, paid_amount, reason) in [
        ("42.50", "0", "open balance 42.50"),
        ("42.5", "0.25", "open balance 42.25"),
        ("100", "58", "open balance 42.00"),
        ("0.01", "0", "open balance 0.01"),
        ("0", "7.5", "open balance -7.50"),
        ("999999999.99", "0", "open balance 999999999.99"),
    ] {
        let stay = [
            checked_in(before()),
            charged("room", charged_amount, before()),
            paid("cash", paid_amount, before()),
        ];
        for asks in [None, Some("tour")] {
            given::<GuestStay>(stay.clone())
                .when(check_out(asks))
                .then([stays(asks, reason, now())]);
        }
    }
}

#[test]
fn money_is_not_binary_floating_point_so_thirty_cents_pay_for_ten_and_twenty() {
    let stay = [
        checked_in(before()),
        charged("coffee", "0.10", before()),
        charged("tea", "0.20", before()),
        paid("cash", "0.30", before()),
    ];
    given::<GuestStay>(stay)
        .when(check_out(None))
        .then([left(None, now())]);
}

#[test]
fn a_bill_beyond_the_largest_amount_is_still_exact() {
    let largest = "999999999.99";
    let mut stay = vec![checked_in(before())];
    stay.extend((0..1_000).map(|i| charged(&format!("c-{i}"), largest, before())));
    stay.extend((0..999).map(|i| paid(&format!("p-{i}"), largest, before())));
    stay.push(paid("last", "999999999.98", before()));
    given::<GuestStay>(stay)
        .when(check_out(None))
        .then([stays(None, "open balance 0.01", now())]);
}

#[test]
fn a_guest_who_never_checked_in_can_not_check_out() {
    for asks in [None, Some("tour")] {
        given::<GuestStay>([])
            .when(check_out(asks))
            .then([stays(asks, "never checked in", now())]);
    }
}

#[test]
fn checking_out_again_for_the_same_group_or_alone_is_the_same_success() {
    for asks in [None, Some("tour")] {
        given::<GuestStay>(whole_stay(asks))
            .when(check_out(asks))
            .nothing();
    }
}

#[test]
fn a_guest_who_left_alone_fails_for_every_group() {
    given::<GuestStay>(whole_stay(None))
        .when(check_out(Some("tour")))
        .then([stays(Some("tour"), "already checked out alone", now())]);
}

#[test]
fn a_guest_who_left_with_a_group_fails_for_every_other_and_alone() {
    for asks in [None, Some("family")] {
        given::<GuestStay>(whole_stay(Some("tour")))
            .when(check_out(asks))
            .then([stays(asks, "already checked out by group tour", now())]);
    }
    let long = "g".repeat(128);
    given::<GuestStay>(whole_stay(Some(&long)))
        .when(check_out(None))
        .then([stays(
            None,
            &format!("already checked out by group {long}"),
            now(),
        )]);
}

#[test]
fn a_groups_first_answer_stands_whatever_the_guest_does_afterwards() {
    let mut stay = vec![
        checked_in(before()),
        charged("room", "42.50", before()),
        stays(Some("tour"), "open balance 42.50", before()),
    ];
    for later in [paid("cash", "42.50", before()), left(None, before())] {
        given::<GuestStay>(stay.clone())
            .when(check_out(Some("tour")))
            .nothing();
        stay.push(later);
    }
    given::<GuestStay>(stay).when(check_out(Some("tour"))).nothing();
    let came_too_soon = [
        stays(Some("tour"), "never checked in", before()),
        checked_in(before()),
    ];
    given::<GuestStay>(came_too_soon)
        .when(check_out(Some("tour")))
        .nothing();
}

#[test]
fn one_groups_answer_is_not_anothers() {
    let stay = [
        checked_in(before()),
        charged("room", "42.50", before()),
        stays(Some("tour"), "open balance 42.50", before()),
        paid("cash", "42.50", before()),
    ];
    for asks in [None, Some("family")] {
        given::<GuestStay>(stay.clone())
            .when(check_out(asks))
            .then([left(asks, now())]);
    }
}

#[test]
fn a_guest_whose_checkout_failed_pays_and_checks_out() {
    let mut stay = vec![
        checked_in(before()),
        charged("room", "42.50", before()),
        stays(None, "open balance 42.50", before()),
    ];
    given::<GuestStay>(stay.clone()).when(check_out(None)).nothing();
    stay.push(paid("cash", "40", before()));
    given::<GuestStay>(stay.clone())
        .when(check_out(None))
        .then([stays(None, "open balance 2.50", now())]);
    stay.push(paid("coins", "2.50", before()));
    given::<GuestStay>(stay)
        .when(check_out(None))
        .then([left(None, now())]);
}

#[test]
fn a_guest_who_tries_alone_after_the_group_is_told_so_once() {
    let mut stay = vec![
        checked_in(before()),
        charged("room", "42.50", before()),
        stays(None, "open balance 42.50", before()),
        paid("cash", "42.50", before()),
        left(Some("tour"), before()),
    ];
    let told = "already checked out by group tour";
    given::<GuestStay>(stay.clone())
        .when(check_out(None))
        .then([stays(None, told, now())]);
    stay.push(stays(None, told, before()));
    given::<GuestStay>(stay).when(check_out(None)).nothing();
}
