//! Each field of each message, wrong in each way: the error names the field and what was expected
//! there, and never the value.

use domain::cart::FinalizeCart;
use domain::group_checkout::{InitiateGroupCheckout, RecordGuestCheckout};
use domain::order::{CancelOrder, CompleteOrder};
use domain::payment::{CompletePayment, DiscardPayment, RequestPayment, TimeOutPayment};
use domain::shipment::RequestShipment;
use eventsourcing::{Draft, Form, Message};

use crate::every::{self, read_command, read_event};

/// The body of a command with these fields.
fn body(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, raw)| format!(r#""{name}":{raw}"#))
        .collect();
    format!(r#"{{"command":{{{}}}}}"#, fields.join(","))
}

/// Reads it as its function does. Whoever asks for all that is wrong with it is told the same, and more.
#[track_caller]
fn read<C: Message>(body: &str) -> Result<C, String> {
    let read = read_command::<C>(body)
        .map(|envelope| envelope.command)
        .map_err(|error| error.to_string());
    let faults = Draft::of::<C>(body, Form::Message).faults;
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    match &read {
        Ok(_) => assert_eq!(faults, [""; 0], "{} of {body}", C::TYPE),
        Err(error) => assert!(faults.contains(error), "{faults:?}: {} of {body}", C::TYPE),
    }
    read
}

#[track_caller]
fn refused<C: Message>(body: &str, expected: &str) {
    let error = read::<C>(body)
        .err()
        .unwrap_or_else(|| panic!("{} takes {body}", C::TYPE));
    assert_eq!(error, expected, "{} of {body}", C::TYPE);
    assert!(
        !error.contains("secret") && !error.contains("4711"),
        "the value is told"
    );
}

#[test]
fn every_field_of_every_message_takes_what_its_shape_says_and_nothing_else() {
    assert_eq!(every::faults(), [""; 0]);
}

/// The command's typical fields with another value in one of them.
fn with<C: Message>(name: &str, raw: &str) -> String {
    let fields = C::shape().fields.into_iter().map(|field| {
        let raw = if field.name == name {
            raw.to_owned()
        } else {
            field.form.typical()
        };
        (field.name, raw)
    });
    body(&fields.collect::<Vec<_>>())
}

#[test]
fn each_kind_of_field_is_told_what_it_takes_in_these_words() {
    let id = "a string of 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -";
    let money = "a number from 0 to 999999999.99 with at most two decimals";
    let cause = "payment_failed, shipment_failed or withdrawn";
    let text = "a string of at most 10000 characters";
    let time = "an RFC 3339 timestamp, such as 2026-11-23T08:00:00Z";
    let list = "a list, each entry an object with product_id, quantity and unit_price";
    let told = |told: &str, expected: &str| format!("field `command.{told}; expected {expected}");
    let cart = |name, raw| with::<FinalizeCart>(name, raw);
    refused::<FinalizeCart>(&cart("cart_id", "null"), &told("cart_id` is missing", id));
    refused::<FinalizeCart>(
        &cart("client_id", r#""a b""#),
        &told("client_id` holds a string", id),
    );
    refused::<FinalizeCart>(
        &cart("total_price", "0.001"),
        &told("total_price` holds a number", money),
    );
    refused::<FinalizeCart>(
        &cart("product_items", "7"),
        &told("product_items` holds a number", list),
    );
    for (raw, holds) in [("null", "is missing"), ("[]", "holds a list")] {
        let expected = told(&format!("product_items` {holds}"), "a list of 1 to 500 items");
        refused::<FinalizeCart>(&cart("product_items", raw), &expected);
    }
    let item = |quantity| format!(r#"[{{"product_id":"p","quantity":{quantity},"unit_price":1}}]"#);
    refused::<FinalizeCart>(
        &cart("product_items", &item("0")),
        &told(
            "product_items[0].quantity` holds a number",
            "a whole number from 1 to 1000000",
        ),
    );
    refused::<CancelOrder>(
        &with::<CancelOrder>("cause", r#""Withdrawn""#),
        &told("cause` holds a string", cause),
    );
    refused::<CancelOrder>(
        &with::<CancelOrder>("reason", "{}"),
        &told("reason` holds an object", text),
    );
    refused::<TimeOutPayment>(
        &with::<TimeOutPayment>("due_at", r#""noon""#),
        &told("due_at` holds a string", time),
    );
    refused::<RecordGuestCheckout>(
        &with::<RecordGuestCheckout>("outcome", "true"),
        &told("outcome` holds a boolean", "completed or failed"),
    );
    refused::<InitiateGroupCheckout>(
        &with::<InitiateGroupCheckout>("guest_stay_ids", "null"),
        &told("guest_stay_ids` is missing", &format!("a list, each entry {id}")),
    );
}

#[test]
fn a_number_counts_by_its_value_and_a_time_by_its_moment_however_they_are_written() {
    let amounts = [
        "0",
        "0.01",
        "-0",
        "999999999.99",
        "9.990",
        "1e2",
        "1998e-2",
        "0e400",
        "19.980000000000000000000000000000",
        "0.000e99999999999999999999",
    ];
    for amount in amounts {
        read::<RequestPayment>(&with::<RequestPayment>("amount", amount)).expect(amount);
    }
    let no_amounts = [
        "-0.01",
        "-1",
        "0.001",
        "19.985",
        "1000000000",
        "999999999.991",
        "1e9",
        "1e-3",
        "1e400",
        "1e-34",
        "19.9799999999999999999999999999999e0",
    ];
    for amount in no_amounts {
        assert!(
            read::<RequestPayment>(&with::<RequestPayment>("amount", amount)).is_err(),
            "{amount}"
        );
    }
    for time in [r#""2026-11-23T09:15:00+01:00""#, r#""0001-01-01T00:00:00Z""#] {
        read::<TimeOutPayment>(&with::<TimeOutPayment>("due_at", time)).expect(time);
    }
}

#[test]
fn a_line_that_is_no_object_is_named_by_its_place() {
    let holds = [
        ("null", "is null"),
        ("7", "holds a number"),
        (r#""secret""#, "holds a string"),
        ("[]", "holds a list"),
    ];
    for (raw, holds) in holds {
        let fields =
            [("shipment_id", r#""s""#), ("order_id", r#""o""#)].map(|(name, raw)| (name, raw.to_owned()));
        let items = ("product_items", format!("[{raw}]"));
        let expected = "an object with product_id, quantity and unit_price";
        refused::<RequestShipment>(
            &body(&[fields.to_vec(), vec![items]].concat()),
            &format!("field `command.product_items[0]` {holds}; expected {expected}"),
        );
    }
}

#[test]
fn a_command_that_is_no_object_is_named() {
    for (raw, holds) in [
        ("[]", "holds a list"),
        (r#""secret""#, "holds a string"),
        ("4711", "holds a number"),
    ] {
        let error = format!("field `command` {holds}; expected the fields of CompleteOrder as an object");
        refused::<CompleteOrder>(&format!(r#"{{"command":{raw}}}"#), &error);
    }
    for absent in ["{}", r#"{"command":null}"#] {
        refused::<CompleteOrder>(
            absent,
            "field `command` is missing; expected the fields of CompleteOrder as an object",
        );
    }
}

#[test]
fn a_command_on_another_commands_queue_is_malformed() {
    refused::<CompletePayment>(
        r#"{"type":"FailPayment","command":{"payment_id":"p","error":"secret"}}"#,
        "field `type` names another message than this queue takes; expected CompletePayment",
    );
}

#[test]
fn an_event_that_lacks_a_field_is_malformed() {
    use domain::payment::PaymentVoided;
    let read = |event: &str| {
        let body = format!(
            r#"{{"id":"e","type":"PaymentVoided","stream_id":"payment-p","revision":2,"event":{event}}}"#
        );
        read_event::<PaymentVoided>(&body).map_err(|error| error.to_string())
    };
    assert!(read(r#"{"payment_id":"p","order_id":"o","voided_at":"2026-11-23T08:00:00Z","new":1}"#).is_ok());
    assert_eq!(
        read(r#"{"payment_id":"p","order_id":"o"}"#),
        Err("field `event.voided_at` is missing; expected an RFC 3339 timestamp, such as 2026-11-23T08:00:00Z".into())
    );
}

#[test]
fn an_event_message_without_its_event_names_the_missing_field() {
    use domain::payment::PaymentVoided;
    let body = r#"{"id":"e","type":"PaymentVoided","stream_id":"payment-p","revision":2}"#;
    let error = read_event::<PaymentVoided>(body).expect_err("it lacks the event");
    assert!(
        error
            .to_string()
            .starts_with("field `event` is missing; expected "),
        "{error}"
    );
}

#[test]
fn a_discard_by_hand_names_no_cause_and_one_that_names_a_wrong_one_is_malformed() {
    let body = |cause: &str| format!(r#"{{"command":{{"payment_id":"p","order_id":"o"{cause}}}}}"#);
    for right in ["", r#","cause":null"#, r#","cause":"withdrawn""#] {
        assert!(read::<DiscardPayment>(&body(right)).is_ok(), "{right}");
    }
    assert_eq!(
        read::<DiscardPayment>(&body(r#","cause":"by hand""#)).expect_err("it is none"),
        "field `command.cause` holds a string; expected payment_failed, shipment_failed or withdrawn"
    );
}
