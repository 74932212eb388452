//! Whether a message on a queue belongs to what is traced, by the ids in its fields.

use domain::values::{PaymentId, ShipmentId};
use serde_json::Value;

use super::subject::Subject;

/// Fields and what they hold in messages that belong to a subject.
pub(crate) struct Belongs(Vec<(&'static str, String)>);

impl Belongs {
    pub(crate) fn to(subject: &Subject) -> Self {
        let mut fields = match subject {
            Subject::Order(order, cart) => {
                let cart = cart.as_ref().map(|cart| ("cart_id", cart.to_string()));
                let others = [
                    ("order_id", order.to_string()),
                    ("payment_id", PaymentId::of_order(order).to_string()),
                    ("shipment_id", ShipmentId::of_order(order).to_string()),
                ];
                cart.into_iter().chain(others).collect()
            }
            Subject::Guest(guest) => vec![("guest_stay_id", guest.to_string())],
            Subject::Group(group) => vec![("group_checkout_id", group.to_string())],
        };
        fields.extend(
            subject
                .streams()
                .into_iter()
                .map(|stream| ("stream_id", stream.to_string())),
        );
        Self(fields)
    }

    /// Whether the message holds one of the fields. One that is no JSON counts if it holds a name and a
    /// value somewhere: it is a broken message that may well be meant.
    pub(crate) fn includes(&self, body: &str) -> bool {
        match serde_json::from_str::<Value>(body) {
            Ok(message) => self.is_in(&message),
            Err(_) => self
                .0
                .iter()
                .any(|(name, value)| body.contains(name) && body.contains(value.as_str())),
        }
    }

    fn is_in(&self, value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(name, value)| {
                self.0.iter().any(|(own, id)| own == name && value == id.as_str()) || self.is_in(value)
            }),
            Value::Array(entries) => entries.iter().any(|entry| self.is_in(entry)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use domain::values::OrderId;

    fn of_cart(cart: &str) -> Belongs {
        let cart = cart.parse().expect("it is an id");
        Belongs::to(&Subject::Order(OrderId::of_cart(&cart), Some(cart)))
    }

    #[test]
    fn a_message_belongs_by_the_ids_in_its_fields_and_not_by_other_fields_that_look_like_them() {
        let own = of_cart("1");
        assert!(own.includes(r#"{"command":{"cart_id":"1"}}"#));
        assert!(own.includes(r#"{"stream_id":"cart-1","event":{}}"#));
        assert!(!own.includes(r#"{"command":{"cart_id":"2","product_items":[{"product_id":"1"}]}}"#));
    }

    #[test]
    fn a_message_that_is_cut_off_belongs_if_it_names_the_id() {
        assert!(of_cart("c-1").includes(r#"{"command":{"cart_id":"c-1""#));
        assert!(!of_cart("c-1").includes(r#"{"command":{"cart_id":"#));
    }
}
