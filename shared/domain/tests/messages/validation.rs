//! Each field of each command, wrong in each way: the error names the field and what was expected
//! there, and never the value.

use domain::cart::FinalizeCart;
use domain::order::{CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, WithdrawOrder};
use domain::payment::{CompletePayment, DiscardPayment, FailPayment, RequestPayment, TimeOutPayment};
use domain::shipment::{CallOffShipment, FailShipment, RequestShipment, SendShipment, TimeOutShipment};
use eventsourcing::{CommandEnvelope, Draft, Form, Message, Timestamp};

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Id,
    Money,
    Quantity,
    Items,
    Text,
    Cause,
    Time,
}

use Kind::{Cause, Id, Items, Money, Quantity, Text, Time};

impl Kind {
    /// How an error ends.
    fn expected(self) -> &'static str {
        match self {
            Id => "a string of 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -",
            Money => "a number from 0 to 999999999.99 with at most two decimals",
            Quantity => "a whole number from 1 to 1000000",
            Items => "a list of 1 to 500 items",
            Text => "a string of at most 10000 characters",
            Cause => "payment_failed, shipment_failed or withdrawn",
            Time => "an RFC 3339 timestamp, such as 2026-11-23T08:00:00Z",
        }
    }

    /// A value that is right.
    fn right(self) -> &'static str {
        match self {
            Id => r#""aZ09._~:-""#,
            Money => "19.98",
            Quantity => "2",
            Items => {
                r#"[{"product_id":"p-1","quantity":2,"unit_price":9.99},{"product_id":"p-2","quantity":1,"unit_price":0}]"#
            }
            Text => r#""changed my mind""#,
            Cause => r#""payment_failed""#,
            Time => r#""2026-11-23T08:15:00Z""#,
        }
    }

    /// Values at the edge of what is right.
    fn just_right(self) -> Vec<String> {
        let strings = |lengths: [usize; 2]| {
            lengths
                .map(|length| format!(r#""{}""#, "x".repeat(length)))
                .to_vec()
        };
        match self {
            Id => strings([1, 128]),
            Money => [
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
            ]
            .map(String::from)
            .to_vec(),
            Quantity => ["1", "1000000"].map(String::from).to_vec(),
            Items => [1, 500].map(items).to_vec(),
            Text => [strings([0, 10_000]), vec![format!(r#""{}""#, "ü".repeat(10_000))]].concat(),
            Cause => [r#""shipment_failed""#, r#""withdrawn""#]
                .map(String::from)
                .to_vec(),
            Time => [r#""2026-11-23T09:15:00+01:00""#, r#""0001-01-01T00:00:00Z""#]
                .map(String::from)
                .to_vec(),
        }
    }

    /// Values that are wrong, each with what the error says that the field holds.
    fn wrong(self) -> Vec<(String, &'static str)> {
        let types = [
            ("4711", "holds a number"),
            ("true", "holds a boolean"),
            (r#""<secret>""#, "holds a string"),
            (r#"{"secret":1}"#, "holds an object"),
            (r#"["secret"]"#, "holds a list"),
        ];
        let own = match self {
            Money | Quantity => "holds a number",
            Items => "holds a list",
            Id | Text | Cause | Time => "holds a string",
        };
        let of_other_types = types.into_iter().filter(|(_, holds)| *holds != own);
        let mut wrong: Vec<_> = of_other_types
            .map(|(raw, holds)| (raw.to_owned(), holds))
            .collect();
        wrong.extend(self.out_of_range().into_iter().map(|raw| (raw, own)));
        wrong
    }

    /// Values of the right type that are wrong all the same.
    fn out_of_range(self) -> Vec<String> {
        let listed: &[&str] = match self {
            Id => &[
                r#""""#,
                r#""a b""#,
                r#""a/b""#,
                r#""ünï""#,
                r#""a\n""#,
                r#""a\u0000""#,
                r#""<secret>""#,
            ],
            Money => &[
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
            ],
            Quantity => &["0", "-1", "1000001", "1.5", "2.0", "1e2", "18446744073709551616"],
            Items => &["[]"],
            Text => &[],
            Cause => &[r#""""#, r#""Withdrawn""#, r#""payment failed""#, r#""<secret>""#],
            Time => &[
                r#""""#,
                r#""noon""#,
                r#""2026-11-23""#,
                r#""2026-11-23T08:15:00""#,
                r#""2026-13-23T08:15:00Z""#,
            ],
        };
        let long = match self {
            Id => Some(format!(r#""{}""#, "x".repeat(129))),
            Text => Some(format!(r#""{}""#, "x".repeat(10_001))),
            Items => Some(items(501)),
            Money | Quantity | Cause | Time => None,
        };
        listed.iter().map(|raw| (*raw).to_owned()).chain(long).collect()
    }
}

/// A list of that many lines.
fn items(count: usize) -> String {
    let item = r#"{"product_id":"p-1","quantity":2,"unit_price":9.99}"#;
    format!("[{}]", vec![item; count].join(","))
}

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
    let read = CommandEnvelope::read(body, "m-1", Timestamp::from_millis(0))
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

/// Asserts for each field of `C` what happens when it is right, missing, null or wrong.
#[track_caller]
fn check<C: Message>(fields: &[(&'static str, Kind)]) {
    let with = |changed: &str, raw: Option<&str>| {
        let value = |(name, kind): &(&'static str, Kind)| {
            let raw = if *name == changed { raw } else { Some(kind.right()) };
            raw.map(|raw| (*name, raw.to_owned()))
        };
        body(&fields.iter().filter_map(value).collect::<Vec<_>>())
    };
    let all_right = with("", None);
    let read_all = read::<C>(&all_right).unwrap_or_else(|error| panic!("{}: {error}", C::TYPE));
    assert!(
        fields
            .iter()
            .all(|(name, _)| read_all.json().contains(&format!(r#""{name}":"#)))
    );
    for (name, kind) in fields {
        let expected = kind.expected();
        for absent in [with(name, None), with(name, Some("null"))] {
            refused::<C>(
                &absent,
                &format!("field `command.{name}` is missing; expected {expected}"),
            );
        }
        for (raw, holds) in kind.wrong() {
            // What is no list at all is told what a list holds.
            let expected = match kind {
                Items if !raw.starts_with('[') => {
                    "a list, each entry an object with product_id, quantity and unit_price"
                }
                _ => expected,
            };
            refused::<C>(
                &with(name, Some(&raw)),
                &format!("field `command.{name}` {holds}; expected {expected}"),
            );
        }
        for raw in kind.just_right() {
            read::<C>(&with(name, Some(&raw))).unwrap_or_else(|error| panic!("{}: {error}", C::TYPE));
        }
    }
}

#[test]
fn every_field_of_a_carts_command_is_checked() {
    check::<FinalizeCart>(&[
        ("cart_id", Id),
        ("client_id", Id),
        ("product_items", Items),
        ("total_price", Money),
    ]);
}

#[test]
fn every_field_of_an_orders_commands_is_checked() {
    check::<InitializeOrder>(&[
        ("order_id", Id),
        ("cart_id", Id),
        ("client_id", Id),
        ("product_items", Items),
        ("total_price", Money),
    ]);
    check::<ConfirmOrder>(&[("order_id", Id), ("payment_id", Id)]);
    check::<WithdrawOrder>(&[("order_id", Id), ("reason", Text)]);
    check::<CancelOrder>(&[("order_id", Id), ("cause", Cause), ("reason", Text)]);
    check::<CompleteOrder>(&[("order_id", Id)]);
}

#[test]
fn every_field_of_a_payments_commands_is_checked() {
    check::<RequestPayment>(&[("payment_id", Id), ("order_id", Id), ("amount", Money)]);
    check::<CompletePayment>(&[("payment_id", Id)]);
    check::<FailPayment>(&[("payment_id", Id), ("error", Text)]);
    check::<DiscardPayment>(&[("payment_id", Id), ("order_id", Id)]);
    check::<TimeOutPayment>(&[
        ("payment_id", Id),
        ("order_id", Id),
        ("amount", Money),
        ("due_at", Time),
    ]);
}

#[test]
fn every_field_of_a_shipments_commands_is_checked() {
    check::<RequestShipment>(&[("shipment_id", Id), ("order_id", Id), ("product_items", Items)]);
    check::<SendShipment>(&[("shipment_id", Id)]);
    check::<FailShipment>(&[("shipment_id", Id), ("error", Text)]);
    check::<CallOffShipment>(&[("shipment_id", Id), ("order_id", Id), ("reason", Text)]);
    check::<TimeOutShipment>(&[("shipment_id", Id), ("order_id", Id), ("due_at", Time)]);
}

#[test]
fn every_field_of_a_line_is_checked_and_named_by_the_lines_place() {
    let line = [("product_id", Id), ("quantity", Quantity), ("unit_price", Money)];
    let with = |changed: &str, raw: Option<&str>| {
        let field = |(name, kind): &(&str, Kind)| {
            let raw = if *name == changed { raw } else { Some(kind.right()) };
            raw.map(|raw| format!(r#""{name}":{raw}"#))
        };
        let wrong: Vec<_> = line.iter().filter_map(field).collect();
        let right = r#"{"product_id":"p-1","quantity":1,"unit_price":1}"#;
        let lines = format!("[{right},{{{}}}]", wrong.join(","));
        body(&[
            ("shipment_id", r#""s""#.into()),
            ("order_id", r#""o""#.into()),
            ("product_items", lines),
        ])
    };
    for (name, kind) in line {
        let path = format!("command.product_items[1].{name}");
        for absent in [with(name, None), with(name, Some("null"))] {
            let error = format!("field `{path}` is missing; expected {}", kind.expected());
            refused::<RequestShipment>(&absent, &error);
        }
        for (raw, holds) in kind.wrong() {
            let error = format!("field `{path}` {holds}; expected {}", kind.expected());
            refused::<RequestShipment>(&with(name, Some(&raw)), &error);
        }
        for raw in kind.just_right() {
            read::<RequestShipment>(&with(name, Some(&raw))).expect(name);
        }
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
    use eventsourcing::EventEnvelope;
    let read = |event: &str| {
        let body = format!(
            r#"{{"id":"e","type":"PaymentVoided","stream_id":"payment-p","revision":2,"event":{event}}}"#
        );
        EventEnvelope::<PaymentVoided>::read(&body, Timestamp::from_millis(0))
            .map_err(|error| error.to_string())
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
    use eventsourcing::EventEnvelope;
    let body = r#"{"id":"e","type":"PaymentVoided","stream_id":"payment-p","revision":2}"#;
    let error = EventEnvelope::<PaymentVoided>::read(body, Timestamp::from_millis(0))
        .expect_err("it lacks the event");
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
