//! One cart and all that follows from it, for tests to tell stories with.

use domain::cart::FinalizeCart;
use domain::values::{CartId, Money, OrderId, PaymentId, ProductItem, ProductItems, Quantity, ShipmentId};
use eventsourcing::Timestamp;

/// When what is given has happened.
pub fn before() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().expect("a time")
}

/// When it is decided.
pub fn now() -> Timestamp {
    "2026-11-23T08:00:01.204Z".parse().expect("a time")
}

/// When a deadline passes.
pub fn due_at() -> Timestamp {
    "2026-11-23T08:15:00Z".parse().expect("a time")
}

/// The cart of the contract's example.
pub fn cart_id() -> CartId {
    "c-1".parse().expect("an id")
}

/// Its order.
pub fn order_id() -> OrderId {
    OrderId::of_cart(&cart_id())
}

/// Its payment.
pub fn payment_id() -> PaymentId {
    PaymentId::of_order(&order_id())
}

/// Its shipment.
pub fn shipment_id() -> ShipmentId {
    ShipmentId::of_order(&order_id())
}

/// An amount.
pub fn money(amount: &str) -> Money {
    amount.parse().expect("an amount")
}

/// What it costs.
pub fn price() -> Money {
    money("19.98")
}

/// What is in it.
pub fn items() -> ProductItems {
    item("p-1", 2, "9.99")
}

/// One line.
pub fn item(product: &str, quantity: u64, unit_price: &str) -> ProductItems {
    let product_id = product.parse().expect("an id");
    let quantity = Quantity::new(quantity).expect("in range");
    ProductItems::new(vec![ProductItem {
        product_id,
        quantity,
        unit_price: money(unit_price),
    }])
    .expect("one line")
}

/// The command that starts it all.
pub fn finalize_cart() -> FinalizeCart {
    FinalizeCart {
        cart_id: cart_id(),
        client_id: "u-7".parse().expect("an id"),
        product_items: items(),
        total_price: price(),
    }
}
