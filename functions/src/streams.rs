//! The kinds of streams: what their things are called, and which ids lead to which.

use bundle::{Called, StreamKind};
use domain::cart::Cart;
use domain::group_checkout::GroupCheckout;
use domain::group_standing::GroupStanding;
use domain::guest_standing::GuestStanding;
use domain::guest_stay::GuestStay;
use domain::order::Order;
use domain::order_standing::{self, OrderStanding};
use domain::payment::Payment;
use domain::shipment::Shipment;
use domain::values::{CartId, OrderId, PaymentId, ShipmentId};
use eventsourcing::{Decider, StreamId};

/// All kinds, in the order in which their streams come to be.
pub(crate) const STREAMS: [StreamKind; 6] = [
    StreamKind::of::<Cart>("a cart", &OrderStanding).leading_to(of_cart),
    StreamKind::of::<Order>("an order", &OrderStanding)
        .part_of(Cart::CATEGORY, "cart_id")
        .leading_to(of_order)
        .with_causes(order_standing::cause),
    StreamKind::of::<Payment>("a payment", &OrderStanding)
        .part_of(Order::CATEGORY, "order_id")
        // What a guest has paid is a payment, too, and no order's.
        .not_beside(&[GuestStay::CATEGORY]),
    StreamKind::of::<Shipment>("a shipment", &OrderStanding).part_of(Order::CATEGORY, "order_id"),
    StreamKind::of::<GuestStay>("a guest's stay", &GuestStanding)
        .also_called(&[Called::at_the_end("guest"), Called::alone("stay")]),
    StreamKind::of::<GroupCheckout>("a group checkout", &GroupStanding)
        .also_called(&[Called::alone("group")]),
];

/// The order of a cart.
fn of_cart(id: &str) -> Vec<StreamId> {
    let order = id.parse::<CartId>().map(|cart| OrderId::of_cart(&cart));
    order.iter().map(|order| Order::CATEGORY.stream(order)).collect()
}

/// The payment and the shipment of an order.
fn of_order(id: &str) -> Vec<StreamId> {
    let Ok(order) = id.parse::<OrderId>() else {
        return Vec::new();
    };
    vec![
        Payment::CATEGORY.stream(&PaymentId::of_order(&order)),
        Shipment::CATEGORY.stream(&ShipmentId::of_order(&order)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    use domain::order::OrderEvent;
    use domain::payment::PaymentEvent;
    use domain::shipment::ShipmentEvent;
    use eventsourcing::{EventSet, Shape};

    fn kind(category: &str) -> StreamKind {
        let mut kinds = STREAMS.into_iter();
        let kind = kinds.find(|kind| kind.category.name() == category);
        kind.expect("it is declared")
    }

    #[test]
    fn what_is_computed_from_a_cart_is_its_order_and_the_orders_payment_and_shipment() {
        let order = (kind("cart").leads_to)("c-1");
        let names: Vec<_> = order.iter().map(StreamId::as_str).collect();
        assert_eq!(names, ["order-9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff"]);
        let of_order = (kind("order").leads_to)(order[0].id());
        let categories: Vec<_> = of_order.iter().map(StreamId::category).collect();
        assert_eq!(categories, ["payment", "shipment"]);
        assert!((kind("cart").leads_to)("not an id").is_empty());
        assert!((kind("order").leads_to)("not an id").is_empty());
    }

    #[test]
    fn a_field_that_names_what_a_stream_belongs_to_is_one_of_its_events() {
        let fields = |shapes: Vec<Shape>| shapes.iter().flat_map(Shape::names).collect::<Vec<_>>();
        let declared = [
            ("order", fields(OrderEvent::shapes())),
            ("payment", fields(PaymentEvent::shapes())),
            ("shipment", fields(ShipmentEvent::shapes())),
        ];
        let belonging = STREAMS.iter().filter(|kind| kind.part_of.is_some());
        assert_eq!(belonging.count(), declared.len());
        for (category, fields) in declared {
            let part_of = kind(category).part_of.expect("it belongs to another");
            assert!(fields.contains(&part_of.field), "{category}");
        }
    }

    #[test]
    fn what_ids_lead_to_stands_with_what_they_lead_from() {
        for from in STREAMS {
            let reached = (from.leads_to)("7")
                .into_iter()
                .map(|stream| kind(stream.category()));
            let owner = from.part_of.map(|part_of| kind(part_of.category.name()));
            for other in reached.chain(owner) {
                assert_eq!(other.subject.main(), from.subject.main(), "{}", from.title);
            }
        }
    }
}
