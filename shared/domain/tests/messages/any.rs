//! Arbitrary valid values.

use domain::order::Cause;
use domain::values::{Money, ProductItem, ProductItems, Quantity};
use eventsourcing::{FieldValue, Text, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

/// Any id of a business object.
pub fn id<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[A-Za-z0-9._~:-]{1,128}".prop_map(|text| text.parse().expect("it has the form of an id"))
}

/// Any amount of money, in hundredths.
pub fn cents() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(99_999_999_999),
        0_u64..100_000,
        0_u64..=99_999_999_999
    ]
}

/// Any amount of money.
pub fn money() -> impl Strategy<Value = Money> {
    cents().prop_map(|cents| {
        format!("{}.{:02}", cents / 100, cents % 100)
            .parse()
            .expect("it is in range")
    })
}

/// Any lines of a cart, up to a few.
pub fn items() -> impl Strategy<Value = ProductItems> {
    let item = (id(), 1_u64..=1_000_000, money()).prop_map(|(product_id, count, unit_price)| {
        let quantity = Quantity::new(count).expect("it is in range");
        ProductItem {
            product_id,
            quantity,
            unit_price,
        }
    });
    proptest::collection::vec(item, 1..8).prop_map(|items| ProductItems::new(items).expect("there are a few"))
}

/// Any words, in any script.
pub fn text() -> impl Strategy<Value = Text> {
    any::<String>().prop_map(|words| {
        let json = serde_json::to_string(&words).expect("a string");
        Text::read(&json).expect("it is short enough")
    })
}

/// Any cause.
pub fn cause() -> impl Strategy<Value = Cause> {
    select(vec![
        Cause::PaymentFailed,
        Cause::ShipmentFailed,
        Cause::Withdrawn,
    ])
}

/// Any time that RFC 3339 can write.
pub fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![0_i64..4_102_444_800_000, any::<i64>()].prop_map(Timestamp::from_millis)
}

/// A message with arbitrary fields.
macro_rules! any_of {
    ($message:ident { $($field:ident: $strategy:expr),* $(,)? }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| $message { $($field),* })
    };
}
pub(crate) use any_of;
