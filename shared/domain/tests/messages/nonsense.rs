//! Whatever stands on a queue, reading it ends with a message or an error that does not tell what
//! stood there.

use domain::cart::{CartFinalized, FinalizeCart};
use domain::order::{
    CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, OrderCancelled, OrderInitialized,
    WithdrawOrder,
};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, PaymentDiscarded, PaymentFailed, RequestPayment,
    TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, ShipmentRequested, TimeOutShipment,
};
use eventsourcing::{CommandEnvelope, EventEnvelope, Message, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

fn read_as_everything(body: &str) {
    fn command<C: Message>(body: &str) {
        if let Err(error) = CommandEnvelope::<C>::read(body, "m-1", Timestamp::from_millis(0)) {
            assert!(!error.to_string().contains("S3CR3T"), "{error}");
        }
    }
    fn event<E: Message>(body: &str) {
        if let Err(error) = EventEnvelope::<E>::read(body, Timestamp::from_millis(0)) {
            assert!(!error.to_string().contains("S3CR3T"), "{error}");
        }
    }
    let commands = [
        command::<FinalizeCart>,
        command::<InitializeOrder>,
        command::<ConfirmOrder>,
        command::<WithdrawOrder>,
        command::<CancelOrder>,
        command::<CompleteOrder>,
        command::<RequestPayment>,
        command::<CompletePayment>,
        command::<FailPayment>,
        command::<DiscardPayment>,
        command::<TimeOutPayment>,
        command::<RequestShipment>,
        command::<SendShipment>,
        command::<FailShipment>,
        command::<CallOffShipment>,
        command::<TimeOutShipment>,
    ];
    let events = [
        event::<CartFinalized>,
        event::<OrderInitialized>,
        event::<OrderCancelled>,
        event::<PaymentFailed>,
        event::<PaymentDiscarded>,
        event::<ShipmentRequested>,
    ];
    commands.into_iter().chain(events).for_each(|read| read(body));
}

/// Any JSON, rich in the names and values that are looked for.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("JSON has no infinity", |value| value.is_finite())
            .prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,5})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a string")),
        Just(r#""S3CR3T""#.to_owned()),
        Just(r#""\ud800""#.to_owned()),
    ];
    let name = prop_oneof![
        proptest::sample::select(vec![
            "id",
            "type",
            "command",
            "event",
            "metadata",
            "correlation_id",
            "timestamp",
            "stream_id",
            "revision",
            "schema_version",
            "cart_id",
            "client_id",
            "order_id",
            "payment_id",
            "shipment_id",
            "product_items",
            "product_id",
            "quantity",
            "unit_price",
            "total_price",
            "amount",
            "reason",
            "error",
            "cause",
            "due_at",
        ])
        .prop_map(String::from),
        "[a-z_]{0,8}",
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6)
                .prop_map(|values| format!("[{}]", values.join(","))),
            proptest::collection::vec((name.clone(), inner), 0..8).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!(r#""{name}":{value}"#))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

const VALID: &str = r#"{"id":"6f1c","type":"FinalizeCart","command":{"cart_id":"c-1","client_id":"u-7",
    "product_items":[{"product_id":"p-1","quantity":2,"unit_price":9.99}],"total_price":19.98},
    "metadata":{"correlation_id":"a","causation_id":"b","timestamp":"2026-11-23T08:00:00Z"}}"#;

proptest! {
    #[test]
    fn any_text_is_read_or_refused(body in any::<String>()) {
        read_as_everything(&body);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        read_as_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_json_is_read_or_refused(body in json()) {
        read_as_everything(&body);
        read_as_everything(&format!(r#"{{"command":{body},"event":{body},"metadata":{body}}}"#));
    }

    #[test]
    fn a_valid_body_with_a_damaged_byte_is_read_or_refused(at in any::<Index>(), byte in any::<u8>()) {
        let mut bytes = VALID.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_as_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_body_that_was_cut_off_is_refused(at in any::<Index>()) {
        let cut = &VALID[..at.index(VALID.len())];
        prop_assert!(CommandEnvelope::<FinalizeCart>::read(cut, "m-1", Timestamp::from_millis(0)).is_err());
        read_as_everything(cut);
    }
}

#[test]
fn the_example_is_valid() {
    assert!(CommandEnvelope::<FinalizeCart>::read(VALID, "m-1", Timestamp::from_millis(0)).is_ok());
}

#[test]
fn a_body_of_brackets_does_not_exhaust_the_stack() {
    for bracket in ["[", "{\"command\":", "[{\"a\":"] {
        read_as_everything(&bracket.repeat(200_000));
    }
}
