//! What can be traced, and how it is named: by its kind and its id, as in `cart/c-1`.

use std::fmt;

use domain::cart::Cart;
use domain::group_checkout::GroupCheckout;
use domain::guest_stay::GuestStay;
use domain::order::Order;
use domain::payment::Payment;
use domain::shipment::Shipment;
use domain::values::{CartId, OrderId, PaymentId, ShipmentId};
use eventsourcing::{Category, Decider, StreamId};

/// What kind of thing an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Cart,
    Order,
    Payment,
    Shipment,
    GuestStay,
    GroupCheckout,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Cart,
        Self::Order,
        Self::Payment,
        Self::Shipment,
        Self::GuestStay,
        Self::GroupCheckout,
    ];

    pub(crate) fn category(self) -> Category {
        match self {
            Self::Cart => Cart::CATEGORY,
            Self::Order => Order::CATEGORY,
            Self::Payment => Payment::CATEGORY,
            Self::Shipment => Shipment::CATEGORY,
            Self::GuestStay => GuestStay::CATEGORY,
            Self::GroupCheckout => GroupCheckout::CATEGORY,
        }
    }

    /// The kind of that name, in any spelling: `guestStay`, `guest-stay`, `guest_stay`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        let is_it = |kind: &Self| plain(kind.category().name()) == plain(name);
        Self::ALL.into_iter().find(is_it)
    }
}

/// One thing: its kind and its id, as whoever named it wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.category().name(), self.id)
    }
}

impl Key {
    pub(crate) fn new(kind: Kind, id: &impl fmt::Display) -> Self {
        Self {
            kind,
            id: id.to_string(),
        }
    }

    /// The thing whose stream is called so, if its kind is known.
    pub(crate) fn of_stream(stream: &str) -> Option<Self> {
        let (category, id) = stream.split_once('-')?;
        let is_it = |kind: &Kind| kind.category().name() == category;
        let kind = Kind::ALL.into_iter().find(is_it).filter(|_| !id.is_empty())?;
        Some(Self::new(kind, &id))
    }

    pub(crate) fn stream(&self) -> StreamId {
        self.kind.category().stream(&self.id)
    }

    /// It and what is known by ids that are computed from its own: the order of a cart, the payment and
    /// the shipment of an order.
    pub(crate) fn with_computed(self) -> Vec<Self> {
        let mut keys = vec![self];
        let key = &keys[0];
        let order = match key.kind {
            Kind::Cart => key.id.parse::<CartId>().ok().map(|cart| OrderId::of_cart(&cart)),
            Kind::Order => key.id.parse::<OrderId>().ok(),
            Kind::Payment | Kind::Shipment | Kind::GuestStay | Kind::GroupCheckout => None,
        };
        if let Some(order) = order {
            if key.kind == Kind::Cart {
                keys.push(Self::new(Kind::Order, &order));
            }
            keys.push(Self::new(Kind::Payment, &PaymentId::of_order(&order)));
            keys.push(Self::new(Kind::Shipment, &ShipmentId::of_order(&order)));
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_in_any_spelling_and_a_stream_in_one() {
        for name in ["guestStay", "guest-stay", "guest_stay", "GUESTSTAY"] {
            assert_eq!(Kind::named(name), Some(Kind::GuestStay), "{name}");
        }
        assert_eq!(Kind::named("basket"), None);
        let key = Key::of_stream("cart-cart-1").expect("a cart's stream");
        assert_eq!(key.to_string(), "cart/cart-1");
        for nothing in ["guest-stay-1", "cart-", "cart", "-1", "invoice-1"] {
            assert_eq!(Key::of_stream(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_computed_from_a_cart_is_its_order_and_the_orders_payment_and_shipment() {
        let names: Vec<_> = Key::new(Kind::Cart, &"c-1")
            .with_computed()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names.len(), 4);
        assert_eq!(names[1], "order/9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff");
        let of_order = Key::of_stream("order-9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff")
            .expect("an order's stream")
            .with_computed();
        let of_order: Vec<_> = of_order.iter().map(ToString::to_string).collect();
        assert_eq!(of_order, names[1..]);
        assert_eq!(Key::new(Kind::Cart, &"not an id").with_computed().len(), 1);
    }
}
