//! What is accepted can be sent: of whatever a reader lets in, every message is one that SQS takes, by its
//! characters and by its size.
//!
//! All messages are commands and events with an id, a correlation and a causation, so each type is asked for
//! itself: with fields and ids as large and as odd as its reader takes them, written the way that steps, the
//! relay and everybody else write it.

use std::collections::BTreeSet;

use domain::cart::{Cart, CartFinalized, FinalizeCart};
use domain::group_checkout::{
    CompleteGroupCheckout, GroupCheckout, GroupCheckoutCompleted, GroupCheckoutFailed,
    GroupCheckoutFailureNotified, GroupCheckoutInitiated, GroupCheckoutTimedOut, GuestCheckoutRecorded,
    GuestCheckoutRecordedLate, InitiateGroupCheckout, MAX_IDS_BYTES, NotifyGroupCheckoutFailure,
    RecordGuestCheckout, TimeOutGroupCheckout,
};
use domain::guest_stay::{
    ChargeRecorded, CheckInGuest, CheckoutGuestAccount, GuestCheckedIn, GuestCheckoutCompleted,
    GuestCheckoutFailed, GuestPaymentRecorded, GuestStay, RecordCharge, RecordPayment,
};
use domain::order::{
    CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCancelled, OrderCompleted,
    OrderConfirmed, OrderInitialized, OrderWithdrawnEarly, WithdrawOrder,
};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, Payment, PaymentCompleted, PaymentDiscarded, PaymentFailed,
    PaymentFailedLate, PaymentReceivedLate, PaymentRequested, PaymentRevoked, PaymentVoided, RequestPayment,
    TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, Shipment, ShipmentCalledOffLate,
    ShipmentFailed, ShipmentFailedLate, ShipmentRequested, ShipmentSent, ShipmentSentLate, TimeOutShipment,
};
use eventsourcing::{
    Command, CommandEnvelope, Commit, Decider, Dispatch, EventEnvelope, EventSet, MAX_COMMIT_BYTES, Message,
    NewEvent, Position, Timestamp, computed_id, encode_command, encode_event, is_sendable,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

/// The most bytes in a message: 1 MiB. These have no attributes of their own.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MAX_BYTES: usize = 1024 * 1024;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Id,
    Ids,
    Money,
    Items,
    Text,
    Cause,
    Outcome,
    Count,
    Time,
}

use Kind::{Cause, Count, Id, Ids, Items, Money, Outcome, Text, Time};

/// Characters as JSON may spell them, odd ones first: those that SQS does not carry, halves of surrogate
/// pairs, and what takes most room when it is written.
const CHARACTERS: [&str; 14] = [
    r"\uffff",
    r"\ufffe",
    "\u{ffff}",
    "\u{fffe}",
    r"\ud800",
    r"\udfff",
    r"\ufeff",
    "\u{2028}",
    "🛒",
    r"\ud83d\uded2",
    r#"\""#,
    r"\\",
    "ü",
    "a",
];

/// Those that an id can't hold, and a text can.
const CONTROLS: [&str; 4] = [r"\u0000", r"\u001f", r"\u007f", r"\n"];

/// A JSON string of up to so many characters from those, at times of one of them only.
fn string(characters: Vec<&'static str>, length: std::ops::RangeInclusive<usize>) -> BoxedStrategy<String> {
    let most = *length.end();
    let mixed = vec(select(characters.clone()), *length.start()..=most.min(40));
    let mixed = mixed.prop_map(|characters| characters.concat());
    let longest = select(characters)
        .prop_filter("two escapes are one character", |character| character.len() < 12)
        .prop_map(move |character| character.repeat(most));
    prop_oneof![4 => mixed, 1 => longest]
        .prop_map(|text| format!("\"{text}\""))
        .boxed()
}

/// The id of a command, an event or a chain.
fn envelope_id() -> BoxedStrategy<String> {
    string(CHARACTERS.to_vec(), 1..=128)
}

fn id() -> BoxedStrategy<String> {
    prop_oneof![3 => "\"[A-Za-z0-9._~:-]{1,20}\"", 1 => "\"[a-z]{128}\""].boxed()
}

fn money() -> BoxedStrategy<String> {
    select(vec![
        "0",
        "-0.0",
        "0e999999999999999999999",
        "999999999.99",
        "99999999999e-2",
        "1.9980000000000000000000000000000e1",
    ])
    .prop_map(str::to_owned)
    .boxed()
}

impl Kind {
    /// Anything that its reader takes, as JSON.
    fn json(self) -> BoxedStrategy<String> {
        let one_of = |values: &[&'static str]| select(values.to_vec()).prop_map(str::to_owned).boxed();
        match self {
            Id => id(),
            // As many as a group may have by the size of their ids.
            Ids => prop_oneof![
                4 => vec(id(), 1..5),
                1 => Just(vec![format!("\"{}\"", "g".repeat(128)); (MAX_IDS_BYTES - 2) / 131]),
            ]
            .prop_map(|ids| format!("[{}]", ids.join(",")))
            .boxed(),
            Money => money(),
            Items => {
                let item =
                    (id(), select(vec![1, 1_000_000]), money()).prop_map(|(product, quantity, price)| {
                        format!(r#"{{"product_id":{product},"quantity":{quantity},"unit_price":{price}}}"#)
                    });
                prop_oneof![4 => vec(item.clone(), 1..4), 1 => item.prop_map(|item| vec![item; 500])]
                    .prop_map(|items| format!("[{}]", items.join(",")))
                    .boxed()
            }
            Text => string([&CHARACTERS[..], &CONTROLS].concat(), 0..=10_000),
            Cause => one_of(&[r#""payment_failed""#, r#""shipment_failed""#, r#""withdrawn""#]),
            Outcome => one_of(&[r#""completed""#, r#""failed""#]),
            Count => one_of(&["0", "18446744073709551615"]),
            Time => one_of(&[r#""0001-01-01T00:00:00Z""#, r#""9999-12-31T23:59:59.999+00:00""#]),
        }
    }
}

type Fields = [(&'static str, Kind)];

/// The fields as a JSON object, and three ids.
fn message(fields: &'static Fields) -> impl Strategy<Value = (String, [String; 3])> {
    let field = |(name, kind): &(&'static str, Kind)| {
        let name = *name;
        kind.json().prop_map(move |json| format!(r#""{name}":{json}"#))
    };
    let fields: Vec<_> = fields.iter().map(field).collect();
    let fields = fields.prop_map(|fields| format!("{{{}}}", fields.join(",")));
    (fields, [envelope_id(), envelope_id(), envelope_id()])
}

fn run(fields: &'static Fields, message_type: &str, test: impl Fn(&str, &[String; 3]) -> Result<(), String>) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(16)
    };
    let outcome = TestRunner::new(config).run(&message(fields), |(fields, ids)| {
        test(&fields, &ids).map_err(TestCaseError::fail)
    });
    if let Err(failure) = outcome {
        panic!("{message_type}: {failure}");
    }
}

/// Whether SQS takes a message with that body.
fn check(body: &str) -> Result<(), String> {
    if body.is_empty() || body.len() > MAX_BYTES {
        return Err(format!("it has {} bytes", body.len()));
    }
    match body.chars().find(|character| !is_sendable(*character)) {
        Some(character) => Err(format!("it holds {character:?}")),
        None => Ok(()),
    }
}

/// Reads the command as its function does, and writes it as a step or an operator does.
fn command<C: Command>(fields: &'static Fields) {
    run(fields, C::TYPE, |fields, [id, correlation, causation]| {
        let body = format!(
            r#"{{"id":{id},"command":{fields},"metadata":{{"correlation_id":{correlation},"causation_id":{causation}}}}}"#
        );
        let read = CommandEnvelope::<C>::read(&body, "m-1", Timestamp::from_millis(0));
        let CommandEnvelope {
            id,
            command,
            metadata,
        } = read.map_err(|error| format!("{error}: {body}"))?;
        let written = encode_command(
            &Dispatch::now(&command),
            &id,
            &metadata.correlation_id,
            metadata.timestamp,
        )
        .map_err(|error| error.to_string())?;
        check(&written)?;
        let again = CommandEnvelope::<C>::read(&written, "m-1", Timestamp::from_millis(0));
        let again = again.map_err(|error| error.to_string())?;
        let same = again.command.json() == command.json() && again.metadata.causation_id == id;
        same.then_some(())
            .ok_or_else(|| "it is not read as it was".to_owned())
    });
}

/// Stores the event under the ids of a command, and writes it as the relay does.
fn event<D, E>(fields: &'static Fields) -> &'static str
where
    D: Decider<Event: From<E>>,
    E: Message + Clone,
{
    run(fields, E::TYPE, |fields, [id, correlation, _]| {
        let body = format!(
            r#"{{"id":{id},"stream_id":"s-1","revision":1,"event":{fields},"metadata":{{"correlation_id":{correlation}}}}}"#
        );
        let read = EventEnvelope::<E>::read(&body, Timestamp::from_millis(0));
        let read = read.map_err(|error| format!("{error}: {body}"))?;
        let event = D::Event::from(read.event.clone());
        let new = NewEvent {
            event_type: event.event_type(),
            schema_version: event.schema_version(),
            data: event.json(),
            correlation_id: read.metadata.correlation_id.clone(),
            causation_id: read.id.clone(),
            trace: None,
        };
        let stream = D::CATEGORY.stream(&"x".repeat(128));
        let now = Timestamp::from_millis(0);
        let commit = Commit::at(Position::START, &stream, computed_id("commit"), now, vec![new]);
        if commit.stored_bytes() > MAX_COMMIT_BYTES {
            return Err(format!(
                "{} bytes do not fit into a commit",
                commit.stored_bytes()
            ));
        }
        let written = encode_event(&stream, &commit.events[0], now).map_err(|error| error.to_string())?;
        check(&written)?;
        let again = EventEnvelope::<E>::read(&written, now).map_err(|error| error.to_string())?;
        let same = again.event.json() == read.event.json() && again.metadata.causation_id == read.id;
        same.then_some(())
            .ok_or_else(|| "it is not read as it was".to_owned())
    });
    E::TYPE
}

/// Fails if an event of the decider is not among those that were tried.
fn all_events_of<D: Decider>(tried: &[&'static str]) {
    let known: BTreeSet<_> = D::Event::TYPES.iter().copied().collect();
    assert_eq!(
        tried.iter().copied().collect::<BTreeSet<_>>(),
        known,
        "try them all here"
    );
}

const AN_ORDER: &Fields = &[
    ("order_id", Id),
    ("cart_id", Id),
    ("client_id", Id),
    ("product_items", Items),
    ("total_price", Money),
    ("initialized_at", Time),
    ("due_at", Time),
];
const A_PAYMENT: &Fields = &[
    ("payment_id", Id),
    ("order_id", Id),
    ("amount", Money),
    ("error", Text),
    ("requested_at", Time),
    ("completed_at", Time),
    ("failed_at", Time),
    ("voided_at", Time),
    ("received_at", Time),
    ("discarded_at", Time),
    ("due_at", Time),
    ("cause", Cause),
    ("revoked_at", Time),
];
const A_SHIPMENT: &Fields = &[
    ("shipment_id", Id),
    ("order_id", Id),
    ("product_items", Items),
    ("error", Text),
    ("requested_at", Time),
    ("sent_at", Time),
    ("failed_at", Time),
    ("due_at", Time),
    ("reason", Text),
    ("called_off_at", Time),
];
const A_STAY: &Fields = &[
    ("guest_stay_id", Id),
    ("group_checkout_id", Id),
    ("charge_id", Id),
    ("payment_id", Id),
    ("amount", Money),
    ("reason", Text),
    ("checked_in_at", Time),
    ("recorded_at", Time),
    ("completed_at", Time),
    ("failed_at", Time),
];
const A_GROUP: &Fields = &[
    ("group_checkout_id", Id),
    ("guest_stay_id", Id),
    ("guest_stay_ids", Ids),
    ("failed_guest_ids", Ids),
    ("incomplete_guest_ids", Ids),
    ("outcome", Outcome),
    ("reason", Text),
    ("completed_count", Count),
    ("failed_count", Count),
    ("initiated_at", Time),
    ("recorded_at", Time),
    ("notified_at", Time),
    ("completed_at", Time),
    ("failed_at", Time),
    ("timed_out_at", Time),
    ("due_at", Time),
];

#[test]
fn whatever_is_read_of_a_cart_or_an_order_can_be_sent() {
    const A_CART: &Fields = &[
        ("cart_id", Id),
        ("client_id", Id),
        ("product_items", Items),
        ("total_price", Money),
        ("confirmed_at", Time),
    ];
    const ITS_ENDS: &Fields = &[
        ("order_id", Id),
        ("payment_id", Id),
        ("cause", Cause),
        ("reason", Text),
        ("confirmed_at", Time),
        ("due_at", Time),
        ("completed_at", Time),
        ("cancelled_at", Time),
        ("withdrawn_at", Time),
    ];
    command::<FinalizeCart>(A_CART);
    command::<InitializeOrder>(AN_ORDER);
    command::<ConfirmOrder>(ITS_ENDS);
    command::<WithdrawOrder>(ITS_ENDS);
    command::<CancelOrder>(ITS_ENDS);
    command::<CompleteOrder>(ITS_ENDS);
    all_events_of::<Cart>(&[event::<Cart, CartFinalized>(A_CART)]);
    all_events_of::<Order>(&[
        event::<Order, OrderInitialized>(AN_ORDER),
        event::<Order, OrderConfirmed>(ITS_ENDS),
        event::<Order, OrderCompleted>(ITS_ENDS),
        event::<Order, OrderCancelled>(ITS_ENDS),
        event::<Order, OrderWithdrawnEarly>(ITS_ENDS),
    ]);
}

#[test]
fn whatever_is_read_of_a_payment_can_be_sent() {
    command::<RequestPayment>(A_PAYMENT);
    command::<CompletePayment>(A_PAYMENT);
    command::<FailPayment>(A_PAYMENT);
    command::<DiscardPayment>(A_PAYMENT);
    command::<TimeOutPayment>(A_PAYMENT);
    all_events_of::<Payment>(&[
        event::<Payment, PaymentRequested>(A_PAYMENT),
        event::<Payment, PaymentCompleted>(A_PAYMENT),
        event::<Payment, PaymentFailed>(A_PAYMENT),
        event::<Payment, PaymentVoided>(A_PAYMENT),
        event::<Payment, PaymentReceivedLate>(A_PAYMENT),
        event::<Payment, PaymentDiscarded>(A_PAYMENT),
        event::<Payment, PaymentFailedLate>(A_PAYMENT),
        event::<Payment, PaymentRevoked>(A_PAYMENT),
    ]);
}

#[test]
fn whatever_is_read_of_a_shipment_can_be_sent() {
    command::<RequestShipment>(A_SHIPMENT);
    command::<SendShipment>(A_SHIPMENT);
    command::<FailShipment>(A_SHIPMENT);
    command::<CallOffShipment>(A_SHIPMENT);
    command::<TimeOutShipment>(A_SHIPMENT);
    all_events_of::<Shipment>(&[
        event::<Shipment, ShipmentRequested>(A_SHIPMENT),
        event::<Shipment, ShipmentSent>(A_SHIPMENT),
        event::<Shipment, ShipmentFailed>(A_SHIPMENT),
        event::<Shipment, ShipmentSentLate>(A_SHIPMENT),
        event::<Shipment, ShipmentFailedLate>(A_SHIPMENT),
        event::<Shipment, ShipmentCalledOffLate>(A_SHIPMENT),
    ]);
}

#[test]
fn whatever_is_read_of_a_guests_stay_can_be_sent() {
    command::<CheckInGuest>(A_STAY);
    command::<RecordCharge>(A_STAY);
    command::<RecordPayment>(A_STAY);
    command::<CheckoutGuestAccount>(A_STAY);
    all_events_of::<GuestStay>(&[
        event::<GuestStay, GuestCheckedIn>(A_STAY),
        event::<GuestStay, ChargeRecorded>(A_STAY),
        event::<GuestStay, GuestPaymentRecorded>(A_STAY),
        event::<GuestStay, GuestCheckoutCompleted>(A_STAY),
        event::<GuestStay, GuestCheckoutFailed>(A_STAY),
    ]);
}

#[test]
fn whatever_is_read_of_a_group_can_be_sent() {
    command::<InitiateGroupCheckout>(A_GROUP);
    command::<RecordGuestCheckout>(A_GROUP);
    command::<CompleteGroupCheckout>(A_GROUP);
    command::<NotifyGroupCheckoutFailure>(A_GROUP);
    command::<TimeOutGroupCheckout>(A_GROUP);
    all_events_of::<GroupCheckout>(&[
        event::<GroupCheckout, GroupCheckoutInitiated>(A_GROUP),
        event::<GroupCheckout, GuestCheckoutRecorded>(A_GROUP),
        event::<GroupCheckout, GuestCheckoutRecordedLate>(A_GROUP),
        event::<GroupCheckout, GroupCheckoutFailureNotified>(A_GROUP),
        event::<GroupCheckout, GroupCheckoutCompleted>(A_GROUP),
        event::<GroupCheckout, GroupCheckoutFailed>(A_GROUP),
        event::<GroupCheckout, GroupCheckoutTimedOut>(A_GROUP),
    ]);
}
