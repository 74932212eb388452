//! What each event of a group, or of a guest, makes the bundle do next.

use std::time::Duration;

use domain::Deadlines;
use domain::group_checkout::{
    GroupCheckoutInitiated, GroupCheckoutState, InitiateGroupCheckout, RecordGuestCheckout,
    TimeOutGroupCheckout,
};
use domain::group_checkout_process::{
    OnGroupCheckoutInitiated, OnGuestCheckoutCompleted, OnGuestCheckoutFailed,
};
use domain::guest_stay::{
    CheckInGuest, CheckoutGuestAccount, GuestCheckoutCompleted, GuestCheckoutFailed, GuestStayState,
    RecordCharge, RecordPayment,
};
use eventsourcing::{Command, CommandEnvelope, Dispatch, Message, Step, encode_command};

use crate::hotel::{due_at, group, guest, guests, now, record, text, tour};

fn group_initiated(ids: &[&str]) -> GroupCheckoutInitiated {
    GroupCheckoutInitiated {
        group_checkout_id: tour(),
        guest_stay_ids: guests(ids),
        initiated_at: now(),
        due_at: Some(due_at()),
    }
}

fn guest_left(asked: Option<&str>) -> GuestCheckoutCompleted {
    GuestCheckoutCompleted {
        guest_stay_id: guest("ada"),
        group_checkout_id: asked.map(group),
        completed_at: now(),
    }
}

fn guest_stays(asked: Option<&str>) -> GuestCheckoutFailed {
    GuestCheckoutFailed {
        guest_stay_id: guest("ada"),
        group_checkout_id: asked.map(group),
        reason: text("open balance 42.50"),
        failed_at: now(),
    }
}

fn on_initiated(event: &GroupCheckoutInitiated, deadlines: &Deadlines) -> Vec<Dispatch> {
    OnGroupCheckoutInitiated::react(event, &GroupCheckoutState::NotInitiated, deadlines)
}

fn on_left(event: &GuestCheckoutCompleted) -> Vec<Dispatch> {
    OnGuestCheckoutCompleted::react(event, &GuestStayState::default(), &Deadlines::default())
}

fn on_stays(event: &GuestCheckoutFailed) -> Vec<Dispatch> {
    OnGuestCheckoutFailed::react(event, &GuestStayState::default(), &Deadlines::default())
}

#[test]
fn an_initiated_group_asks_every_guest_and_sets_its_deadline() {
    let sent = on_initiated(&group_initiated(&["ada", "bob"]), &Deadlines::default());
    let ask = |id| {
        Dispatch::now(&CheckoutGuestAccount {
            guest_stay_id: guest(id),
            group_checkout_id: Some(tour()),
        })
    };
    let time_out = TimeOutGroupCheckout {
        group_checkout_id: tour(),
        due_at: due_at(),
    };
    assert_eq!(sent, [Dispatch::at(due_at(), &time_out), ask("ada"), ask("bob")]);
}

#[test]
fn the_deadline_is_the_one_that_was_recorded_whatever_the_step_is_set_to() {
    let sent = on_initiated(&group_initiated(&["ada"]), &a_second());
    assert_eq!(sent[0].due, Some(due_at()));
}

#[test]
fn a_group_that_was_initiated_before_deadlines_were_recorded_has_the_steps_own() {
    let earlier = GroupCheckoutInitiated {
        due_at: None,
        ..group_initiated(&["ada"])
    };
    let sent = on_initiated(&earlier, &a_second());
    assert_eq!(sent[0].due, Some(now().plus(Duration::from_secs(1))));
}

fn a_second() -> Deadlines {
    Deadlines {
        group_checkout: Duration::from_secs(1),
        ..Deadlines::default()
    }
}

#[test]
fn a_guests_result_goes_to_the_group_that_asked() {
    assert_eq!(
        on_left(&guest_left(Some("tour"))),
        [Dispatch::now(&record("ada", Ok(())))]
    );
    assert_eq!(
        on_stays(&guest_stays(Some("tour"))),
        [Dispatch::now(&record("ada", Err("open balance 42.50")))]
    );
}

#[test]
fn a_guest_who_checks_out_alone_reports_to_nobody() {
    assert_eq!(on_left(&guest_left(None)), []);
    assert_eq!(on_stays(&guest_stays(None)), []);
}

#[test]
fn steps_need_nothing_but_their_event_and_send_what_they_declare() {
    const { assert!(!OnGroupCheckoutInitiated::READS_STATE) }
    const { assert!(!OnGuestCheckoutCompleted::READS_STATE && !OnGuestCheckoutFailed::READS_STATE) }
    assert_eq!(
        OnGroupCheckoutInitiated::SENDS,
        [CheckoutGuestAccount::TYPE, TimeOutGroupCheckout::TYPE]
    );
    assert_eq!(OnGuestCheckoutCompleted::SENDS, [RecordGuestCheckout::TYPE]);
    assert_eq!(OnGuestCheckoutFailed::SENDS, [RecordGuestCheckout::TYPE]);
}

#[test]
fn ids_are_not_random_so_a_repeated_event_sends_the_same_commands_again() {
    let ids = || {
        let sent = on_initiated(&group_initiated(&["ada", "bob", "eve"]), &Deadlines::default());
        let body = |dispatch| encode_command(dispatch, "event", "chain", now()).expect("JSON");
        sent.iter().map(body).collect::<Vec<_>>()
    };
    assert_eq!(ids(), ids());
    let distinct: std::collections::BTreeSet<_> = ids().into_iter().collect();
    assert_eq!(distinct.len(), 4, "each command has an id of its own");
}

#[test]
fn what_a_step_sends_can_be_read_by_who_takes_it() {
    let sent = on_initiated(&group_initiated(&["ada"]), &Deadlines::default());
    let body = |dispatch| encode_command(dispatch, "event", "chain", now()).expect("JSON");
    let time_out = CommandEnvelope::<TimeOutGroupCheckout>::read(&body(&sent[0]), "m-1", now());
    assert_eq!(
        time_out.map(|read| read.command.stream()),
        Ok(sent[0].stream.clone())
    );
    let check_out = CommandEnvelope::<CheckoutGuestAccount>::read(&body(&sent[1]), "m-1", now());
    assert_eq!(
        check_out.map(|read| read.command.group_checkout_id),
        Ok(Some(tour()))
    );
    let reported = on_stays(&guest_stays(Some("tour")));
    let reported = CommandEnvelope::<RecordGuestCheckout>::read(&body(&reported[0]), "m-1", now());
    assert_eq!(
        reported.map(|read| read.command),
        Ok(record("ada", Err("open balance 42.50")))
    );
}

#[test]
fn only_what_comes_first_is_tried_without_a_load_and_only_the_deadline_may_lack_the_newest_commits() {
    const { assert!(CheckInGuest::CREATES && InitiateGroupCheckout::CREATES) }
    const { assert!(!CheckoutGuestAccount::CREATES && !RecordGuestCheckout::CREATES) }
    const { assert!(!RecordCharge::CREATES && !RecordPayment::CREATES) }
    const { assert!(TimeOutGroupCheckout::DEADLINE && !RecordGuestCheckout::DEADLINE) }
}
