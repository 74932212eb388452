//! The ids of a scenario's own, each time that it is played.

use domain::cart::Cart;
use domain::order::Order;
use domain::payment::Payment;
use domain::shipment::Shipment;
use domain::values::{CartId, OrderId, PaymentId, ShipmentId};
use eventsourcing::{Decider, StreamId};
use serde_json::Value;

/// The ids that follow from a cart's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The cart.
    pub cart: CartId,
    /// Its order.
    pub order: OrderId,
    /// The order's payment.
    pub payment: PaymentId,
    /// The order's shipment.
    pub shipment: ShipmentId,
}

impl Ids {
    /// The ids of the cart of which these are the fields.
    pub fn of_cart(cart: &Value) -> Option<Self> {
        let cart: CartId = cart["cart_id"].as_str()?.parse().ok()?;
        let order = OrderId::of_cart(&cart);
        Some(Self {
            payment: PaymentId::of_order(&order),
            shipment: ShipmentId::of_order(&order),
            cart,
            order,
        })
    }

    /// The four streams.
    pub fn streams(&self) -> [StreamId; 4] {
        [
            Cart::CATEGORY.stream(&self.cart),
            Order::CATEGORY.stream(&self.order),
            Payment::CATEGORY.stream(&self.payment),
            Shipment::CATEGORY.stream(&self.shipment),
        ]
    }
}

/// The id of the first time as that of another, which the text tells; the same if it is empty.
pub(super) fn again_as(id: &str, again: &str) -> String {
    match again {
        "" => id.to_owned(),
        again => format!("{id}-{again}"),
    }
}
