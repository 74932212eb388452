//! The types of fields: ids of business objects, exact money, quantities, items.

use std::fmt;
use std::str::FromStr;

use eventsourcing::{DecimalForm, FieldError, FieldForm, FieldValue, Review, computed_id, ids, object};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

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
#[error("not an amount; expected {}", Money::FORM)]
pub struct InvalidMoney;

/// 999,999,999.99 has nine digits before the point, and no larger number of hundredths has.
const MAX_WHOLE_DIGITS: u32 = 9;

impl Money {
    const FORM: DecimalForm = DecimalForm {
        name: "Money",
        least: 0,
        most: 10_i64.pow(MAX_WHOLE_DIGITS + 2) - 1,
        decimals: 2,
    };

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

    /// Reads the text of a JSON number. Its exact value decides, however it is written: `1e2` is 100,
    /// `9.990` has two decimals, and a number with a third is refused, never rounded. The exponent is
    /// reckoned with, not carried out, so that `0e999999999` costs no more than `0`.
    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let number = JsonNumber::read(text).ok_or(InvalidMoney)?;
        if number.digits.is_empty() {
            // Without a sign, whatever was written.
            return Ok(Self(Decimal::ZERO));
        }
        // Neither the first digit nor the last is a zero, so they show where the number begins and ends.
        let places = i64::try_from(number.digits.len()).map_err(|_| InvalidMoney)?;
        let in_range =
            !number.negative && number.power >= -2 && places + number.power <= i64::from(MAX_WHOLE_DIGITS);
        let power = u32::try_from(number.power + 2)
            .ok()
            .filter(|_| in_range)
            .ok_or(InvalidMoney)?;
        let digits: i64 = number.digits.parse().map_err(|_| InvalidMoney)?;
        Ok(Self(Decimal::new(digits * 10_i64.pow(power), 2).normalize()))
    }
}

/// A number as JSON writes it (RFC 8259, section 6), exactly: `digits` times ten to the `power`.
struct JsonNumber {
    negative: bool,
    /// Without zeros at either end; empty if the number is zero.
    digits: String,
    power: i64,
}

impl JsonNumber {
    fn read(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text
            .split_once(['e', 'E'])
            .map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
        let (whole, fraction) = mantissa
            .split_once('.')
            .map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) || !fraction.is_none_or(is_digits)
        {
            return None;
        }
        let exponent = exponent.map_or(Some(0), exponent_of)?;
        let fraction = fraction.unwrap_or_default();
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let moved = i64::try_from(fraction.len()).ok()? - i64::try_from(all.len() - digits.len()).ok()?;
        Some(Self {
            negative,
            digits: digits.trim_start_matches('0').to_owned(),
            power: exponent - moved,
        })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The exponent; one with more digits than a message could make up for is cut to a quintillion, which is
/// as far out of range.
fn exponent_of(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !is_digits(digits) {
        return None;
    }
    let size = digits
        .parse()
        .map_or(MAX_EXPONENT, |size: i64| size.min(MAX_EXPONENT));
    Some(if negative { -size } else { size })
}

const MAX_EXPONENT: i64 = 1_000_000_000_000_000_000;

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
    fn form() -> FieldForm {
        FieldForm::Decimal(Self::FORM)
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
    /// The most of a product.
    pub const MAX: u32 = 1_000_000;

    /// So many, if 1 to 1,000,000.
    pub fn new(count: u64) -> Option<Self> {
        u32::try_from(count)
            .ok()
            .filter(|count| (1..=Self::MAX).contains(count))
            .map(Self)
    }
}

impl FieldValue for Quantity {
    fn form() -> FieldForm {
        FieldForm::Whole {
            least: 1,
            most: Self::MAX.into(),
        }
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        u64::read(raw)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| FieldError::value::<Self>(raw))
    }
}

object! {
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
    fn form() -> FieldForm {
        FieldForm::List {
            of: Box::new(ProductItem::form()),
            least: 1,
            most: Some(Self::MAX),
        }
    }

    fn read(raw: &str) -> Result<Self, FieldError> {
        Vec::read(raw).and_then(|items| Self::new(items).ok_or_else(|| FieldError::value::<Self>(raw)))
    }

    fn review(raw: &str) -> Review {
        let of_items = Vec::<ProductItem>::review(raw);
        if of_items.faults.is_empty() {
            of_items.and(Review::of(Self::read(raw)))
        } else {
            of_items
        }
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
    fn the_exact_value_decides_however_it_is_written() {
        for (text, written) in [
            ("19.980", "19.98"),
            ("1998e-2", "19.98"),
            ("19.980000000000000000000000000000", "19.98"),
            ("0.00000000000000000000000000000000000001998e39", "19.98"),
            ("199800000000000000000000000000000000000000000e-43", "19.98"),
            ("0e400", "0"),
            ("-0.0e-400", "0"),
            ("0.000e99999999999999999999", "0"),
            ("0e-99999999999999999999", "0"),
            ("9.9999999999E+0008", "999999999.99"),
        ] {
            let money: Money = text.parse().expect(text);
            assert_eq!(money.to_string(), written, "{text}");
        }
        for text in [
            "19.9799999999999999999999999999999e0",
            "19.98000000000000000000000000000000000000000000000001",
            "1e-34",
            "1e-3",
            "1998e-5",
            "999999999.990000000000000000000000000000000001",
            "99999999999.9e-2",
            "1e9",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "-1e-99999999999999999999",
        ] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney), "{text}");
        }
        // As many digits as a message holds, and no more work than to look at them.
        let zeros = "0".repeat(1_000_000);
        assert_eq!(format!("19.98{zeros}").parse::<Money>(), "19.98".parse());
        assert_eq!(format!("1998{zeros}e-1000002").parse::<Money>(), "19.98".parse());
        assert_eq!(format!("0.{zeros}1998e1000002").parse::<Money>(), "19.98".parse());
        assert_eq!(format!("1998e-{zeros}2").parse::<Money>(), "19.98".parse());
        assert_eq!(format!("19.98{zeros}1").parse::<Money>(), Err(InvalidMoney));
    }

    #[test]
    fn an_amount_is_written_as_json_writes_numbers_and_not_otherwise() {
        for text in [
            "01", "00", "-", "-01", "+1", ".5", "1.", "1.e2", "1e", "1e+", "1e 2", " 1", "1 ", "1e2.0",
            "1e2e2", "0x10", "Infinity", "1,5", "१", "--1", "1.-5", "1e--2", "1.+5", "e2", "null",
        ] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney), "{text}");
        }
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
            assert_eq!(text.parse::<CartId>(), Err(eventsourcing::InvalidId), "{text:?}");
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

    /// The number written out, digit by digit, with its point moved as its exponent says: its whole part
    /// and its decimals, without the zeros that say nothing.
    fn written_out(whole: &str, fraction: &str, exponent: i32) -> (String, String) {
        let mut digits: Vec<char> = whole.chars().chain(fraction.chars()).collect();
        let mut point = i32::try_from(whole.len()).expect("it is short") + exponent;
        while point < 0 {
            digits.insert(0, '0');
            point += 1;
        }
        let point = usize::try_from(point).expect("it is not negative");
        while digits.len() < point {
            digits.push('0');
        }
        let whole: String = digits[..point].iter().collect();
        let decimals: String = digits[point..].iter().collect();
        (
            whole.trim_start_matches('0').to_owned(),
            decimals.trim_end_matches('0').to_owned(),
        )
    }

    fn digits() -> impl Strategy<Value = String> {
        // Zeros at the ends, and numbers near the limits.
        prop_oneof![
            "0{0,30}[0-9]{1,4}0{0,30}",
            "[0-9]{1,40}",
            "9{8,12}",
            "9{1,3}0{0,9}1?"
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn an_amount_is_accepted_when_the_number_written_out_has_two_decimals_and_is_in_range(
            negative in proptest::bool::weighted(0.1),
            whole in digits(),
            fraction in proptest::option::of(digits()),
            exponent in proptest::option::of(prop_oneof![-60_i32..60, -4_i32..12]),
            sign in prop_oneof![Just("e"), Just("E"), Just("e+"), Just("e00")],
        ) {
            let whole = match whole.trim_start_matches('0') {
                "" => "0",
                whole => whole,
            };
            let mut text = format!("{}{whole}", if negative { "-" } else { "" });
            if let Some(fraction) = &fraction {
                text = format!("{text}.{fraction}");
            }
            match exponent {
                Some(exponent) if exponent < 0 => text = format!("{text}e{exponent}"),
                Some(exponent) => text = format!("{text}{sign}{exponent}"),
                None => {}
            }
            prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{} is JSON", text);
            let (units, decimals) = written_out(whole, fraction.as_deref().unwrap_or(""), exponent.unwrap_or(0));
            let is_zero = units.is_empty() && decimals.is_empty();
            let acceptable = units.len() <= 9 && decimals.len() <= 2 && (!negative || is_zero);
            let read = text.parse::<Money>();
            prop_assert_eq!(read.is_ok(), acceptable, "{}", text);
            if let Ok(money) = read {
                let units = if units.is_empty() { "0" } else { &units };
                let point = if decimals.is_empty() { "" } else { "." };
                prop_assert_eq!(money.to_string(), format!("{units}{point}{decimals}"), "{}", text);
            }
        }

        #[test]
        fn no_text_that_is_no_json_number_is_an_amount(text in "[-+0-9.eE_ ]{0,12}") {
            let is_number = serde_json::from_str::<&RawValue>(&text).is_ok_and(|raw| raw.get() == text);
            prop_assert!(is_number || text.parse::<Money>().is_err(), "{:?}", text);
        }
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
