//! What is written is read back the same, to the last digit and the last character.

use domain::payment::{PaymentReceivedLate, PaymentRequested, RequestPayment};
use eventsourcing::{
    Category, Command, CommandEnvelope, CommandSet, CommandVisitor, Commit, Dispatch, EventSet, EventVisitor,
    Message, NewEvent, Position, Timestamp, command_id, computed_id, encode_command, encode_event, event_id,
};
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::any::{self, Spelling, cents};
use crate::every::{command_body, event_body, every_command, every_event, read_command, read_event};

fn epoch() -> Timestamp {
    Timestamp::from_millis(0)
}

/// Reads a command with these fields, has a step send it, and reads it again.
fn command_survives<C: Command>(fields: &str) {
    let received = read_command::<C>(&command_body::<C>(fields));
    let received = received.unwrap_or_else(|error| panic!("{}: {error}: {fields}", C::TYPE));
    assert_eq!(received.command.json(), fields, "{} as it was read", C::TYPE);

    let (caused_by, at) = ("6f1c", Timestamp::from_millis(1_795_420_801_204));
    let dispatch = Dispatch::now(&received.command);
    let body = encode_command(&dispatch, caused_by, "chain", at).expect("a command is JSON");
    let sent: CommandEnvelope<C> = read_command(&body).expect("what is written can be read");
    assert_eq!(sent.command.json(), fields, "{} as it was sent", C::TYPE);
    assert_eq!(sent.command.stream(), dispatch.stream);
    assert_eq!(
        sent.id,
        command_id(caused_by, C::TYPE, &dispatch.stream).to_string()
    );
    assert_eq!(
        (sent.metadata.correlation_id.as_str(), sent.metadata.timestamp),
        ("chain", at)
    );
    assert_eq!(sent.metadata.causation_id, caused_by);
}

/// Reads an event with these fields, stores it, has the relay send it, and reads it again.
fn event_survives<S: EventSet, E: Message + Into<S>>(fields: &str) {
    let received = read_event::<E>(&event_body::<E>(fields));
    let received = received.unwrap_or_else(|error| panic!("{}: {error}: {fields}", E::TYPE));
    let recorded: S = received.event.into();
    let stream = Category::new("stream").stream(&"1");
    let new = NewEvent {
        event_type: recorded.event_type(),
        schema_version: recorded.schema_version(),
        data: recorded.json(),
        correlation_id: "chain".into(),
        causation_id: "command".into(),
        trace: None,
    };
    let committed_at = Timestamp::from_millis(1_795_420_801_204);
    let commit = Commit::at(
        Position::START,
        &stream,
        computed_id("commit"),
        committed_at,
        vec![new],
    );
    let stored = &commit.events[0];
    assert_eq!(stored.data, fields, "{} as it is stored", E::TYPE);
    let decoded = S::decode(&stored.event_type, stored.schema_version, &stored.data);
    let decoded = decoded.expect("what is stored can be read");
    assert_eq!(
        (decoded.event_type(), decoded.json().as_str()),
        (E::TYPE, fields),
        "as it is read from the store"
    );

    let body = encode_event(&stream, stored, commit.committed_at).expect("an event is JSON");
    let relayed = read_event::<E>(&body).expect("what is written can be read");
    assert_eq!(relayed.event.json(), fields, "{} as it is relayed", E::TYPE);
    assert_eq!(
        (relayed.id, relayed.revision),
        (event_id(&stream, 1).to_string(), 1)
    );
    assert_eq!(relayed.stream, stream);
    assert_eq!(
        (
            relayed.metadata.correlation_id.as_str(),
            relayed.metadata.causation_id.as_str()
        ),
        ("chain", "command")
    );
    assert_eq!(relayed.metadata.timestamp, committed_at);
}

/// Tries arbitrary values in each message.
struct Arbitrary;

impl Arbitrary {
    /// Some sixty of these; each has few fields, and they are of the same few types.
    fn try_all<M: Message>(test: impl Fn(&str)) {
        any::run(
            64,
            M::TYPE,
            &any::object(&M::shape().fields, Spelling::Own),
            |fields| {
                test(fields);
                Ok(())
            },
        );
    }
}

impl<S: CommandSet> CommandVisitor<S> for Arbitrary {
    fn command<C: Command + Into<S>>(&mut self) {
        Self::try_all::<C>(command_survives::<C>);
    }
}

impl<S: EventSet> EventVisitor<S> for Arbitrary {
    fn event<E: Message + Into<S>>(&mut self) {
        Self::try_all::<E>(event_survives::<S, E>);
    }
}

#[test]
fn whatever_is_in_its_fields_a_command_survives_its_envelope() {
    every_command(&mut Arbitrary);
}

#[test]
fn whatever_is_in_its_fields_an_event_survives_the_store() {
    every_event(&mut Arbitrary);
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
            let RequestPayment { payment_id, order_id, amount, due_at } = command;
            let event = PaymentRequested { payment_id, order_id, amount, requested_at: epoch(), due_at };
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
