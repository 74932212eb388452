//! What is written is read back the same, to the last digit and the last character.

use std::fmt::Debug;

use domain::cart::{CartFinalized, FinalizeCart};
use domain::order::{
    CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, OrderCancelled, OrderCompleted,
    OrderConfirmed, OrderInitialized, OrderWithdrawnEarly, WithdrawOrder,
};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, PaymentCompleted, PaymentDiscarded, PaymentFailed,
    PaymentFailedLate, PaymentReceivedLate, PaymentRequested, PaymentRevoked, PaymentVoided, RequestPayment,
    TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, ShipmentCalledOffLate, ShipmentFailed,
    ShipmentFailedLate, ShipmentRequested, ShipmentSent, ShipmentSentLate, TimeOutShipment,
};
use eventsourcing::{
    Category, Command, CommandEnvelope, Commit, Decider, Dispatch, EventEnvelope, EventSet, Message,
    NewEvent, Position, Timestamp, command_id, computed_id, encode_command, encode_event, event_id,
};
use proptest::option;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::any::{any_of, cause, cents, id, items, money, text, time};

fn epoch() -> Timestamp {
    Timestamp::from_millis(0)
}

fn command_survives<C: Command + Clone + PartialEq + Debug>(command: &C, caused_by: &str, at: Timestamp) {
    let dispatch = Dispatch::now(command);
    let body = encode_command(&dispatch, caused_by, "chain", at).expect("a command is JSON");
    let envelope = CommandEnvelope::<C>::read(&body, "m-1", epoch()).expect("what is written can be read");
    assert_eq!(&envelope.command, command);
    assert_eq!(envelope.command.stream(), dispatch.stream);
    assert_eq!(
        envelope.id,
        command_id(caused_by, C::TYPE, &dispatch.stream).to_string()
    );
    assert_eq!(
        (
            envelope.metadata.correlation_id.as_str(),
            envelope.metadata.timestamp
        ),
        ("chain", at)
    );
    assert_eq!(envelope.metadata.causation_id, caused_by);
}

fn event_survives<D, E>(event: &E, committed_at: Timestamp)
where
    D: Decider<Event: From<E> + PartialEq>,
    E: Message + Clone + PartialEq + Debug,
{
    let recorded = D::Event::from(event.clone());
    let stream = Category::new("stream").stream(&"1");
    let new = NewEvent {
        event_type: recorded.event_type(),
        schema_version: recorded.schema_version(),
        data: recorded.json(),
        correlation_id: "chain".into(),
        causation_id: "command".into(),
        trace: None,
    };
    let commit = Commit::at(
        Position::START,
        &stream,
        computed_id("commit"),
        committed_at,
        vec![new],
    );
    let stored = &commit.events[0];
    let decoded = D::Event::decode(&stored.event_type, stored.schema_version, &stored.data);
    assert_eq!(decoded.as_ref(), Ok(&recorded), "as it is stored");

    let body = encode_event(&stream, stored, commit.committed_at).expect("an event is JSON");
    let envelope = EventEnvelope::<E>::read(&body, epoch()).expect("what is written can be read");
    assert_eq!(&envelope.event, event, "as it is relayed");
    assert_eq!(
        (envelope.id, envelope.revision),
        (event_id(&stream, 1).to_string(), 1)
    );
    assert_eq!(envelope.stream, stream);
    assert_eq!(
        (
            envelope.metadata.correlation_id.as_str(),
            envelope.metadata.causation_id.as_str()
        ),
        ("chain", "command")
    );
    assert_eq!(envelope.metadata.timestamp, committed_at);
}

/// One property for each command: any that is valid survives its envelope.
macro_rules! commands_survive {
    ($($name:ident: $command:ident { $($field:ident: $strategy:expr),* };)*) => {
        proptest! {
            // Some thirty of these; each has few fields, and they are of the same few types.
            #![proptest_config(ProptestConfig::with_cases(64))]

            $(#[test]
            fn $name(
                command in any_of!($command { $($field: $strategy),* }),
                caused_by in "[0-9a-f-]{36}",
                at in time(),
            ) {
                command_survives(&command, &caused_by, at);
            })*
        }
    };
}

commands_survive! {
    finalize_cart_survives_its_envelope:
        FinalizeCart { cart_id: id(), client_id: id(), product_items: items(), total_price: money() };
    initialize_order_survives_its_envelope: InitializeOrder {
        order_id: id(), cart_id: id(), client_id: id(), product_items: items(), total_price: money()
    };
    confirm_order_survives_its_envelope: ConfirmOrder { order_id: id(), payment_id: id() };
    withdraw_order_survives_its_envelope: WithdrawOrder { order_id: id(), reason: text() };
    cancel_order_survives_its_envelope: CancelOrder { order_id: id(), cause: cause(), reason: text() };
    complete_order_survives_its_envelope: CompleteOrder { order_id: id() };
    request_payment_survives_its_envelope: RequestPayment { payment_id: id(), order_id: id(), amount: money() };
    complete_payment_survives_its_envelope: CompletePayment { payment_id: id() };
    fail_payment_survives_its_envelope: FailPayment { payment_id: id(), error: text() };
    discard_payment_survives_its_envelope: DiscardPayment {
        payment_id: id(), order_id: id(), cause: option::of(cause())
    };
    time_out_payment_survives_its_envelope:
        TimeOutPayment { payment_id: id(), order_id: id(), amount: money(), due_at: time() };
    request_shipment_survives_its_envelope:
        RequestShipment { shipment_id: id(), order_id: id(), product_items: items() };
    send_shipment_survives_its_envelope: SendShipment { shipment_id: id() };
    fail_shipment_survives_its_envelope: FailShipment { shipment_id: id(), error: text() };
    call_off_shipment_survives_its_envelope:
        CallOffShipment { shipment_id: id(), order_id: id(), reason: text() };
    time_out_shipment_survives_its_envelope: TimeOutShipment { shipment_id: id(), order_id: id(), due_at: time() };
}

/// One property for each event: any survives the store and its envelope.
macro_rules! events_survive {
    ($($name:ident: $decider:ty, $event:ident { $($field:ident: $strategy:expr),* };)*) => {
        proptest! {
            // Some thirty of these; each has few fields, and they are of the same few types.
            #![proptest_config(ProptestConfig::with_cases(64))]

            $(#[test]
            fn $name(event in any_of!($event { $($field: $strategy),* }), at in time()) {
                event_survives::<$decider, $event>(&event, at);
            })*
        }
    };
}

events_survive! {
    cart_finalized_survives_the_store: domain::cart::Cart, CartFinalized {
        cart_id: id(), client_id: id(), product_items: items(), total_price: money(), confirmed_at: time()
    };
    order_withdrawn_early_survives_the_store: domain::order::Order,
        OrderWithdrawnEarly { order_id: id(), reason: text(), withdrawn_at: time() };
    order_initialized_survives_the_store: domain::order::Order, OrderInitialized {
        order_id: id(), cart_id: id(), client_id: id(), product_items: items(), total_price: money(),
        initialized_at: time(), due_at: option::of(time())
    };
    order_confirmed_survives_the_store: domain::order::Order,
        OrderConfirmed { order_id: id(), payment_id: id(), confirmed_at: time(), due_at: option::of(time()) };
    order_completed_survives_the_store: domain::order::Order,
        OrderCompleted { order_id: id(), completed_at: time() };
    order_cancelled_survives_the_store: domain::order::Order,
        OrderCancelled { order_id: id(), cause: cause(), reason: text(), cancelled_at: time() };
    payment_requested_survives_the_store: domain::payment::Payment,
        PaymentRequested { payment_id: id(), order_id: id(), amount: money(), requested_at: time() };
    payment_completed_survives_the_store: domain::payment::Payment,
        PaymentCompleted { payment_id: id(), order_id: id(), amount: money(), completed_at: time() };
    payment_failed_survives_the_store: domain::payment::Payment,
        PaymentFailed { payment_id: id(), order_id: id(), amount: money(), error: text(), failed_at: time() };
    payment_voided_survives_the_store: domain::payment::Payment,
        PaymentVoided { payment_id: id(), order_id: id(), voided_at: time(), cause: option::of(cause()) };
    payment_revoked_survives_the_store: domain::payment::Payment, PaymentRevoked {
        payment_id: id(), order_id: id(), amount: option::of(money()), revoked_at: time()
    };
    payment_received_late_survives_the_store: domain::payment::Payment, PaymentReceivedLate {
        payment_id: id(), order_id: id(), amount: option::of(money()), received_at: time()
    };
    payment_discarded_survives_the_store: domain::payment::Payment, PaymentDiscarded {
        payment_id: id(), order_id: id(), amount: option::of(money()), discarded_at: time()
    };
    payment_failed_late_survives_the_store: domain::payment::Payment,
        PaymentFailedLate { payment_id: id(), order_id: id(), error: text(), failed_at: time() };
    shipment_requested_survives_the_store: domain::shipment::Shipment,
        ShipmentRequested { shipment_id: id(), order_id: id(), product_items: items(), requested_at: time() };
    shipment_sent_survives_the_store: domain::shipment::Shipment,
        ShipmentSent { shipment_id: id(), order_id: id(), sent_at: time() };
    shipment_failed_survives_the_store: domain::shipment::Shipment,
        ShipmentFailed { shipment_id: id(), order_id: id(), error: text(), failed_at: time() };
    shipment_sent_late_survives_the_store: domain::shipment::Shipment,
        ShipmentSentLate { shipment_id: id(), order_id: id(), sent_at: time() };
    shipment_failed_late_survives_the_store: domain::shipment::Shipment,
        ShipmentFailedLate { shipment_id: id(), order_id: id(), error: text(), failed_at: time() };
    shipment_called_off_late_survives_the_store: domain::shipment::Shipment,
        ShipmentCalledOffLate { shipment_id: id(), order_id: id(), reason: text(), called_off_at: time() };
}

/// The amount in a JSON text that has one, without binary floating point on the way.
fn amount_in(json: &str) -> Decimal {
    let (_, rest) = json.split_once(r#""amount":"#).expect("it holds an amount");
    let digits: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    digits.parse().expect("a decimal number")
}

proptest! {
    #[test]
    fn money_is_exact_from_the_senders_text_to_the_relayed_event(cents in cents()) {
        // Every way to write the same number in JSON.
        let (whole, hundredths) = (cents / 100, cents % 100);
        let written = [
            format!("{whole}.{hundredths:02}"),
            format!("{whole}.{hundredths:02}0"),
            format!("{cents}e-2"),
            format!("{cents}E-2"),
            format!("{cents}.0e-2"),
            format!("{whole}.{hundredths:02}{}", "0".repeat(30)),
            format!("{cents}.{}e-2", "0".repeat(40)),
            format!("0.{cents:0>60}e58"),
        ];
        let exact = Decimal::from(cents) / Decimal::ONE_HUNDRED;
        for amount in written {
            let body = format!(r#"{{"command":{{"payment_id":"p","order_id":"o","amount":{amount}}}}}"#);
            let read = CommandEnvelope::<RequestPayment>::read(&body, "m-1", epoch());
            let command = read.expect("it is a valid amount").command;
            prop_assert_eq!(amount_in(&command.json()), exact, "{}", amount);
            let RequestPayment { payment_id, order_id, amount } = command;
            let event = PaymentRequested { payment_id, order_id, amount, requested_at: epoch() };
            prop_assert_eq!(amount_in(&event.json()), exact);
        }
    }
}

#[test]
fn a_whole_amount_may_be_written_with_an_exponent_of_either_sign() {
    for amount in [
        "1e2", "1E2", "1e+2", "1E+02", "100", "100.0", "100.00", "10000e-2", "0.1e3",
    ] {
        let body = format!(r#"{{"command":{{"payment_id":"p","order_id":"o","amount":{amount}}}}}"#);
        let read = CommandEnvelope::<RequestPayment>::read(&body, "m-1", epoch());
        let command = read.unwrap_or_else(|error| panic!("{amount}: {error}")).command;
        assert_eq!(amount_in(&command.json()), Decimal::ONE_HUNDRED, "{amount}");
    }
}

#[test]
fn an_amount_that_nobody_here_ever_learnt_is_left_out() {
    let event = PaymentReceivedLate {
        payment_id: "p".parse().expect("an id"),
        order_id: "o".parse().expect("an id"),
        amount: None,
        received_at: epoch(),
    };
    let expected = r#"{"payment_id":"p","order_id":"o","received_at":"1970-01-01T00:00:00.000Z"}"#;
    assert_eq!(event.json(), expected);
}
