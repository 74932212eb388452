//! The messages of both kinds of stream, in the form that others rely on.

use domain::group_checkout::{
    CompleteGroupCheckout, GroupCheckout, GroupCheckoutEvent, InitiateGroupCheckout,
    NotifyGroupCheckoutFailure, RecordGuestCheckout, TimeOutGroupCheckout,
};
use domain::guest_stay::{
    CheckInGuest, CheckoutGuestAccount, GuestCheckoutCompleted, GuestCheckoutFailed, GuestStay,
    GuestStayEvent, RecordCharge, RecordPayment,
};
use eventsourcing::{Command, CommandEnvelope, Decider, EventSet};

use crate::hotel::{
    completed, failed, group, guest, initiate, initiated, notified, now, record, recorded, recorded_late,
    text, timed_out, tour,
};

/// Reads the fields as `C`, and says for which stream that is and what is written again.
fn read<C: Command>(fields: &str) -> Result<(String, String), String> {
    let body = format!(r#"{{"type":"{}","command":{fields}}}"#, C::TYPE);
    let envelope =
        CommandEnvelope::<C>::read(&body, "m-1", now()).map_err(|malformed| malformed.to_string())?;
    Ok((envelope.command.stream().to_string(), envelope.command.json()))
}

#[track_caller]
fn is_read<C: Command>(stream: &str, fields: &str) {
    assert_eq!(read::<C>(fields), Ok((stream.to_owned(), fields.to_owned())));
}

#[test]
fn commands_have_the_published_fields() {
    is_read::<CheckInGuest>("guestStay-ada", r#"{"guest_stay_id":"ada"}"#);
    is_read::<RecordCharge>(
        "guestStay-ada",
        r#"{"guest_stay_id":"ada","charge_id":"room","amount":42.5}"#,
    );
    is_read::<RecordPayment>(
        "guestStay-ada",
        r#"{"guest_stay_id":"ada","payment_id":"cash","amount":19.98}"#,
    );
    is_read::<CheckoutGuestAccount>("guestStay-ada", r#"{"guest_stay_id":"ada"}"#);
    is_read::<CheckoutGuestAccount>(
        "guestStay-ada",
        r#"{"guest_stay_id":"ada","group_checkout_id":"tour"}"#,
    );
    is_read::<InitiateGroupCheckout>(
        "groupCheckout-tour",
        r#"{"group_checkout_id":"tour","guest_stay_ids":["ada","bob"]}"#,
    );
    is_read::<RecordGuestCheckout>(
        "groupCheckout-tour",
        r#"{"group_checkout_id":"tour","guest_stay_id":"ada","outcome":"completed"}"#,
    );
    is_read::<RecordGuestCheckout>(
        "groupCheckout-tour",
        r#"{"group_checkout_id":"tour","guest_stay_id":"ada","outcome":"failed","reason":"open balance 42.50"}"#,
    );
    is_read::<CompleteGroupCheckout>("groupCheckout-tour", r#"{"group_checkout_id":"tour"}"#);
    is_read::<NotifyGroupCheckoutFailure>(
        "groupCheckout-tour",
        r#"{"group_checkout_id":"tour","failed_guest_ids":["ada"],"completed_count":1,"failed_count":1}"#,
    );
    is_read::<TimeOutGroupCheckout>(
        "groupCheckout-tour",
        r#"{"group_checkout_id":"tour","due_at":"2026-11-23T08:15:00.000Z"}"#,
    );
}

#[test]
fn what_is_wrong_with_a_command_is_named() {
    let error = read::<RecordGuestCheckout>(
        r#"{"group_checkout_id":"tour","guest_stay_id":"ada","outcome":"Completed"}"#,
    );
    assert_eq!(
        error,
        Err("field `command.outcome` holds a string; expected completed or failed".into())
    );
    let error =
        read::<InitiateGroupCheckout>(r#"{"group_checkout_id":"tour","guest_stay_ids":["ada","b b"]}"#);
    assert_eq!(
        error,
        Err("field `command.guest_stay_ids[1]` holds a string; expected a string of 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -".into())
    );
    assert!(read::<InitiateGroupCheckout>(r#"{"group_checkout_id":"tour"}"#).is_err());
    assert!(read::<RecordCharge>(r#"{"guest_stay_id":"ada","charge_id":"room","amount":-1}"#).is_err());
    assert!(
        read::<NotifyGroupCheckoutFailure>(
            r#"{"group_checkout_id":"tour","failed_guest_ids":[],"completed_count":-1,"failed_count":0}"#
        )
        .is_err()
    );
}

#[test]
fn an_empty_list_of_guests_is_read_since_refusing_it_is_up_to_the_rules() {
    is_read::<InitiateGroupCheckout>(
        "groupCheckout-tour",
        r#"{"group_checkout_id":"tour","guest_stay_ids":[]}"#,
    );
}

#[test]
fn a_group_that_is_null_is_no_group() {
    let alone = read::<CheckoutGuestAccount>(r#"{"guest_stay_id":"ada","group_checkout_id":null}"#);
    assert_eq!(
        alone,
        Ok(("guestStay-ada".into(), r#"{"guest_stay_id":"ada"}"#.into()))
    );
}

#[test]
fn events_have_the_published_fields() {
    let at = now();
    let written = |event: GroupCheckoutEvent| (event.event_type(), event.json());
    for (event, event_type, json) in [
        (
            initiated(&["ada", "bob"], at),
            "GroupCheckoutInitiated",
            r#"{"group_checkout_id":"tour","guest_stay_ids":["ada","bob"],"initiated_at":AT,"due_at":"2026-11-23T09:00:01.204Z"}"#,
        ),
        (
            recorded("ada", Ok(()), at),
            "GuestCheckoutRecorded",
            r#"{"group_checkout_id":"tour","guest_stay_id":"ada","outcome":"completed","recorded_at":AT}"#,
        ),
        (
            recorded_late("ada", Err("why"), at),
            "GuestCheckoutRecordedLate",
            r#"{"group_checkout_id":"tour","guest_stay_id":"ada","outcome":"failed","reason":"why","recorded_at":AT}"#,
        ),
        (
            notified("ada", 2, 1, at),
            "GroupCheckoutFailureNotified",
            r#"{"group_checkout_id":"tour","failed_guest_ids":["ada"],"completed_count":2,"failed_count":1,"notified_at":AT}"#,
        ),
        (
            completed(at),
            "GroupCheckoutCompleted",
            r#"{"group_checkout_id":"tour","completed_at":AT}"#,
        ),
        (
            failed(&["ada"], 2, at),
            "GroupCheckoutFailed",
            r#"{"group_checkout_id":"tour","failed_guest_ids":["ada"],"completed_count":2,"failed_count":1,"failed_at":AT}"#,
        ),
        (
            timed_out(&["bob"], at),
            "GroupCheckoutTimedOut",
            r#"{"group_checkout_id":"tour","incomplete_guest_ids":["bob"],"timed_out_at":AT}"#,
        ),
    ] {
        let json = json.replace("AT", r#""2026-11-23T08:00:01.204Z""#);
        assert_eq!(
            GroupCheckoutEvent::decode(event_type, 1, &json),
            Ok(event.clone())
        );
        assert_eq!(written(event), (event_type, json));
    }
}

#[test]
fn a_checkouts_event_names_the_group_only_if_one_asked() {
    let left = |asked: Option<&str>| {
        GuestStayEvent::from(GuestCheckoutCompleted {
            guest_stay_id: guest("ada"),
            group_checkout_id: asked.map(group),
            completed_at: now(),
        })
    };
    let alone = r#"{"guest_stay_id":"ada","completed_at":"2026-11-23T08:00:01.204Z"}"#;
    assert_eq!(left(None).json(), alone);
    assert_eq!(
        GuestStayEvent::decode("GuestCheckoutCompleted", 1, alone),
        Ok(left(None))
    );
    let stays = GuestStayEvent::from(GuestCheckoutFailed {
        guest_stay_id: guest("ada"),
        group_checkout_id: Some(tour()),
        reason: text("open balance 42.50"),
        failed_at: now(),
    });
    let with_the_tour = r#"{"guest_stay_id":"ada","group_checkout_id":"tour","reason":"open balance 42.50","failed_at":"2026-11-23T08:00:01.204Z"}"#;
    assert_eq!(stays.json(), with_the_tour);
}

#[test]
fn both_kinds_of_stream_have_their_published_names_and_events() {
    assert_eq!(GuestStay::CATEGORY.name(), "guestStay");
    assert_eq!(GroupCheckout::CATEGORY.name(), "groupCheckout");
    assert_eq!(initiate(&[]).stream().to_string(), "groupCheckout-tour");
    assert_eq!(record("ada", Ok(())).stream().to_string(), "groupCheckout-tour");
    assert_eq!(
        GuestStayEvent::TYPES,
        [
            "GuestCheckedIn",
            "ChargeRecorded",
            "GuestPaymentRecorded",
            "GuestCheckoutCompleted",
            "GuestCheckoutFailed"
        ]
    );
}
