//! A sample of each function: what is given, what comes, and what follows. Each is about things of its own,
//! so that all of them can stand in one table.

pub mod group;
pub mod order;
pub mod payment;
pub mod shipment;

use bundle::at;
use domain::cart::CartFinalized;
use domain::order::{OrderConfirmed, OrderInitialized};
use domain::payment::{PaymentCompleted, PaymentFailed, PaymentRequested};
use domain::shipment::{ShipmentFailed, ShipmentRequested, ShipmentSent};
use domain::values::{
    CartId, ClientId, Money, OrderId, PaymentId, ProductItem, ProductItems, Quantity, ShipmentId,
};
use eventsourcing::Timestamp;

/// The order of a sample, with all that has to do with it, and what happens to it when all goes well.
struct Bought {
    cart_id: CartId,
    order_id: OrderId,
    payment_id: PaymentId,
    shipment_id: ShipmentId,
    client_id: ClientId,
    product_items: ProductItems,
    total_price: Money,
}

impl Bought {
    /// An order whose payment and parcel have no trouble. The name is the sample's own.
    fn in_sample(name: &str) -> Self {
        Self::of(name, "lamp", 40)
    }

    fn of(name: &str, product: &str, price: u16) -> Self {
        let cart_id: CartId = id(&format!("sample-{name}"));
        let order_id = OrderId::of_cart(&cart_id);
        let item = ProductItem {
            product_id: id(product),
            // One is within its range.
            quantity: Quantity::new(1).expect("a quantity"),
            unit_price: Money::whole(price),
        };
        Self {
            payment_id: PaymentId::of_order(&order_id),
            shipment_id: ShipmentId::of_order(&order_id),
            cart_id,
            order_id,
            client_id: id("u-7"),
            // One line is within the limits.
            product_items: ProductItems::new(vec![item]).expect("items"),
            total_price: Money::whole(price),
        }
    }

    fn finalized(&self) -> CartFinalized {
        CartFinalized {
            cart_id: self.cart_id.clone(),
            client_id: self.client_id.clone(),
            product_items: self.product_items.clone(),
            total_price: self.total_price,
            confirmed_at: at(0),
        }
    }

    fn initialized(&self) -> OrderInitialized {
        OrderInitialized {
            order_id: self.order_id.clone(),
            cart_id: self.cart_id.clone(),
            client_id: self.client_id.clone(),
            product_items: self.product_items.clone(),
            total_price: self.total_price,
            initialized_at: at(0),
            due_at: Some(at(15)),
        }
    }

    fn confirmed(&self) -> OrderConfirmed {
        OrderConfirmed {
            order_id: self.order_id.clone(),
            payment_id: self.payment_id.clone(),
            confirmed_at: at(1),
            due_at: Some(at(30)),
        }
    }

    fn payment_requested(&self) -> PaymentRequested {
        PaymentRequested {
            payment_id: self.payment_id.clone(),
            order_id: self.order_id.clone(),
            amount: self.total_price,
            requested_at: at(0),
            due_at: Some(far_off()),
        }
    }

    fn payment_completed(&self) -> PaymentCompleted {
        PaymentCompleted {
            payment_id: self.payment_id.clone(),
            order_id: self.order_id.clone(),
            amount: self.total_price,
            completed_at: at(1),
        }
    }

    fn payment_failed(&self) -> PaymentFailed {
        PaymentFailed {
            payment_id: self.payment_id.clone(),
            order_id: self.order_id.clone(),
            amount: self.total_price,
            error: "card declined".into(),
            failed_at: at(2),
        }
    }

    fn shipment_requested(&self) -> ShipmentRequested {
        ShipmentRequested {
            shipment_id: self.shipment_id.clone(),
            order_id: self.order_id.clone(),
            product_items: self.product_items.clone(),
            requested_at: at(1),
        }
    }

    fn shipment_failed(&self) -> ShipmentFailed {
        ShipmentFailed {
            shipment_id: self.shipment_id.clone(),
            order_id: self.order_id.clone(),
            error: "out of stock".into(),
            failed_at: at(2),
        }
    }

    fn shipment_sent(&self) -> ShipmentSent {
        ShipmentSent {
            shipment_id: self.shipment_id.clone(),
            order_id: self.order_id.clone(),
            sent_at: at(2),
        }
    }
}

/// A deadline that has not passed, whenever a sample is played: in a hundred years.
fn far_off() -> Timestamp {
    at(100 * 365 * 24 * 60)
}

/// An id, which samples write as it has to be.
fn id<I: std::str::FromStr>(text: &str) -> I {
    let Ok(id) = text.parse() else {
        panic!("{text} is no id");
    };
    id
}
