//! The types of fields: ids of business objects, exact money, quantities, items.

use std::fmt;
use std::str::FromStr;

use eventsourcing::{FieldError, FieldValue, computed_id, message};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Declares the id of a business object: a string of 1 to 128 characters from
/// `A-Z a-z 0-9 . _ ~ : -`.
macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident,)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                is_id(text).then(|| Self(text.to_owned())).ok_or(InvalidId)
            }
        }

        impl FieldValue for $name {
            fn expected() -> String {
                ID_FORM.into()
            }

            fn read(raw: &str) -> Result<Self, FieldError> {
                let text = String::read(raw).map_err(|_| FieldError::value::<Self>(raw))?;
                text.parse().map_err(|_| FieldError::value::<Self>(raw))
            }
        }
    )*};
}

const ID_FORM: &str = "a string of 1 to 128 characters from A-Z a-z 0-9 . _ ~ : -";

/// A text that can't be an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id; expected {ID_FORM}")]
pub struct InvalidId;

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

ids! {
    /// A shopping cart, named by whoever runs the shop.
    CartId,
    /// A customer.
    ClientId,
    /// Something that can be bought.
    ProductId,
    /// An order; computed from its cart.
    OrderId,
    /// The payment of an order; computed from it.
    PaymentId,
    /// The shipment of an order; computed from it.
    ShipmentId,
    /// One guest's stay.
    GuestStayId,
    /// The checkout of a group of guests.
    GroupCheckoutId,
    /// Something that a guest is to pay for.
    ChargeId,
    /// Something that a guest has paid; not the payment of an order.
    GuestPaymentId,
}

impl OrderId {
    /// The one order that a cart makes.
    pub fn of_cart(cart: &CartId) -> Self {
        Self(computed_id(&format!("order/{cart}")).to_string())
    }
}

impl PaymentId {
    /// The one payment of an order.
    pub fn of_order(order: &OrderId) -> Self {
        Self(computed_id(&format!("payment/{order}")).to_string())
    }
}

impl ShipmentId {
    /// The one shipment of an order.
    pub fn of_order(order: &OrderId) -> Self {
        Self(computed_id(&format!("shipment/{order}")).to_string())
    }
}

/// An amount of money, 0 to 999,999,999.99, in hundredths; exact from the text it is read from to
/// the text it is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

/// A number that is no amount of money.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an amount; expected {MONEY_FORM}")]
pub struct InvalidMoney;

const MONEY_FORM: &str = "a number from 0 to 999999999.99 with at most two decimals";

/// In hundredths.
const MAX_MONEY: i64 = 99_999_999_999;

impl Money {
    /// A whole amount, without hundredths.
    pub fn whole(amount: u16) -> Self {
        Self(Decimal::from(amount))
    }

    /// The amount, to reckon with.
    pub fn decimal(self) -> Decimal {
        self.0
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    /// Reads the text of a JSON number, in which `1e2` is 100 and `9.990` has two decimals.
    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        // Decimal takes underscores, JSON does not.
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        {
            return Err(InvalidMoney);
        }
        let exact = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        };
        let amount = exact.map_err(|_| InvalidMoney)?.normalize();
        let in_range = amount >= Decimal::ZERO && amount <= Decimal::new(MAX_MONEY, 2);
        // Normalising turns -0 into 0.
        (in_range && amount.scale() <= 2)
            .then_some(Self(amount))
            .ok_or(InvalidMoney)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Money {
    /// Writes a JSON number digit by digit, never by way of binary floating point.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl FieldValue for Money {
    fn expected() -> String {
        MONEY_FORM.into()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        raw.parse().map_err(|_| FieldError::value::<Self>(raw))
    }
}

/// How many of a product: 1 to 1,000,000, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(u32);

impl Quantity {
    /// So many, if 1 to 1,000,000.
    pub fn new(count: u64) -> Option<Self> {
        u32::try_from(count)
            .ok()
            .filter(|count| (1..=1_000_000).contains(count))
            .map(Self)
    }
}

impl FieldValue for Quantity {
    fn expected() -> String {
        "a whole number from 1 to 1000000".into()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        u64::read(raw)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

message! {
    @fields
    /// One line of a cart.
    pub struct ProductItem {
        /// What.
        pub product_id: ProductId,
        /// How many.
        pub quantity: Quantity,
        /// What one costs.
        pub unit_price: Money,
    }
}

impl FieldValue for ProductItem {
    fn expected() -> String {
        "an object with product_id, quantity and unit_price".into()
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        let fields = eventsourcing::Fields::of(raw).ok_or_else(|| FieldError::value::<Self>(raw))?;
        Ok(Self {
            product_id: fields.get("product_id")?,
            quantity: fields.get("quantity")?,
            unit_price: fields.get("unit_price")?,
        })
    }
}

/// The lines of a cart: 1 to 500.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ProductItems(Vec<ProductItem>);

impl ProductItems {
    /// The most lines a cart has.
    pub const MAX: usize = 500;

    /// These lines, if there are 1 to 500.
    pub fn new(items: Vec<ProductItem>) -> Option<Self> {
        (1..=Self::MAX).contains(&items.len()).then_some(Self(items))
    }

    /// The lines.
    pub fn as_slice(&self) -> &[ProductItem] {
        &self.0
    }
}

impl FieldValue for ProductItems {
    fn expected() -> String {
        format!("a list of 1 to {} items", Self::MAX)
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        Vec::read(raw).and_then(|items| Self::new(items).ok_or_else(|| FieldError::value::<Self>(raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn money_is_written_as_it_was_read() {
        for (text, written) in [
            ("19.98", "19.98"),
            ("0.1", "0.1"),
            ("402.00", "402"),
            ("1e2", "100"),
            ("-0", "0"),
        ] {
            let money: Money = text.parse().expect(text);
            assert_eq!(serde_json::to_string(&money).expect("a number"), written);
            assert_eq!(money.to_string(), written, "people see the same");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "-0.01",
            "1000000000",
            "0.001",
            "19.980000000000000001",
            "1e400",
            "\"1\"",
            "NaN",
            "",
            "1_0",
        ] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney), "{text}");
        }
        assert!("999999999.99".parse::<Money>().is_ok());
    }

    #[test]
    fn an_id_has_1_to_128_of_the_allowed_characters() {
        assert!("aZ09._~:-".parse::<CartId>().is_ok());
        assert!("x".repeat(128).parse::<CartId>().is_ok());
        for text in [
            String::new(),
            "x".repeat(129),
            "a b".into(),
            "ü".into(),
            "a/b".into(),
            "a\n".into(),
        ] {
            assert_eq!(text.parse::<CartId>(), Err(InvalidId), "{text:?}");
        }
    }

    #[test]
    fn the_items_are_the_lines_that_were_given_1_to_500() {
        let line = ProductItem {
            product_id: "p-1".parse().expect("an id"),
            quantity: Quantity::new(2).expect("it is in range"),
            unit_price: Money::whole(9),
        };
        let items = ProductItems::new(vec![line.clone(); 500]).expect("there are not too many");
        assert_eq!(items.as_slice(), vec![line.clone(); 500]);
        assert_eq!(ProductItems::new(vec![line; 501]), None);
        assert_eq!(ProductItems::new(vec![]), None);
    }

    #[test]
    fn the_ids_are_the_published_ones() {
        let order = OrderId::of_cart(&"c-1".parse().expect("an id"));
        assert_eq!(order.as_str(), "9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff");
    }

    proptest! {
        #[test]
        fn every_amount_survives_being_written_and_read(cents in 0_u64..=99_999_999_999) {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            let money: Money = text.parse().expect("it is in range");
            let written = serde_json::to_string(&money).expect("a number");
            prop_assert_eq!(written.parse::<Money>(), Ok(money));
            prop_assert_eq!(written.parse::<Decimal>().expect("a number") * Decimal::ONE_HUNDRED, Decimal::from(cents));
        }

        #[test]
        fn arbitrary_text_never_becomes_money_by_accident(text in "\\PC*") {
            if let Ok(money) = text.parse::<Money>() {
                prop_assert!(money.0 >= Decimal::ZERO && money.0.scale() <= 2);
            }
        }
    }
}
