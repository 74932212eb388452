//! Shipment, and the stand-in for the carrier.

use bundle::{Given, Sample, at};
use domain::order::{CancelOrder, CompleteOrder};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, Shipment, ShipmentCalledOffLate,
    ShipmentFailed, ShipmentFailedLate, ShipmentRequested, ShipmentSent, ShipmentSentLate, TimeOutShipment,
};
use eventsourcing::Message;

use super::Bought;

pub(crate) fn request_shipment() -> Sample {
    let bought = Bought::in_sample("request-shipment");
    Given::nothing()
        .command(&RequestShipment {
            shipment_id: bought.shipment_id,
            order_id: bought.order_id,
            product_items: bought.product_items,
        })
        .records(&[ShipmentRequested::TYPE])
}

pub(crate) fn send_shipment() -> Sample {
    let bought = Bought::in_sample("send-shipment");
    Given::stream::<Shipment>(&bought.shipment_id, [bought.shipment_requested().into()])
        .command(&SendShipment {
            shipment_id: bought.shipment_id,
        })
        .records(&[ShipmentSent::TYPE])
}

/// The carrier had its time: the order is cancelled, and the parcel has left all the same.
pub(crate) fn send_shipment_late() -> Sample {
    let bought = Bought::in_sample("send-shipment-late");
    let events = [
        bought.shipment_requested().into(),
        bought.shipment_failed().into(),
    ];
    Given::stream::<Shipment>(&bought.shipment_id, events)
        .command(&SendShipment {
            shipment_id: bought.shipment_id,
        })
        .records(&[ShipmentSentLate::TYPE])
}

pub(crate) fn on_shipment_sent() -> Sample {
    let bought = Bought::in_sample("on-shipment-sent");
    let events = [bought.shipment_requested().into(), bought.shipment_sent().into()];
    Given::stream::<Shipment>(&bought.shipment_id, events)
        .newest_event()
        .sends(&[CompleteOrder::TYPE])
}

pub(crate) fn fail_shipment() -> Sample {
    let bought = Bought::in_sample("fail-shipment");
    Given::stream::<Shipment>(&bought.shipment_id, [bought.shipment_requested().into()])
        .command(&FailShipment {
            shipment_id: bought.shipment_id,
            error: "out of stock".into(),
        })
        .records(&[ShipmentFailed::TYPE])
}

/// The carrier contradicts itself: the first answer stands.
pub(crate) fn fail_shipment_late() -> Sample {
    let bought = Bought::in_sample("fail-shipment-late");
    let events = [bought.shipment_requested().into(), bought.shipment_sent().into()];
    Given::stream::<Shipment>(&bought.shipment_id, events)
        .command(&FailShipment {
            shipment_id: bought.shipment_id,
            error: "van broke down".into(),
        })
        .records(&[ShipmentFailedLate::TYPE])
}

pub(crate) fn call_off_shipment() -> Sample {
    let bought = Bought::in_sample("call-off-shipment");
    Given::stream::<Shipment>(&bought.shipment_id, [bought.shipment_requested().into()])
        .command(&CallOffShipment {
            shipment_id: bought.shipment_id,
            order_id: bought.order_id,
            reason: "the payment was discarded".into(),
        })
        .records(&[ShipmentFailed::TYPE])
}

/// The parcel has left.
pub(crate) fn call_off_shipment_late() -> Sample {
    let bought = Bought::in_sample("call-off-shipment-late");
    let events = [bought.shipment_requested().into(), bought.shipment_sent().into()];
    Given::stream::<Shipment>(&bought.shipment_id, events)
        .command(&CallOffShipment {
            shipment_id: bought.shipment_id,
            order_id: bought.order_id,
            reason: "the payment was discarded".into(),
        })
        .records(&[ShipmentCalledOffLate::TYPE])
}

pub(crate) fn time_out_shipment() -> Sample {
    let bought = Bought::in_sample("time-out-shipment");
    Given::stream::<Shipment>(&bought.shipment_id, [bought.shipment_requested().into()])
        .command(&TimeOutShipment {
            shipment_id: bought.shipment_id,
            order_id: bought.order_id,
            due_at: at(30),
        })
        .records(&[ShipmentFailed::TYPE])
}

pub(crate) fn on_shipment_failed() -> Sample {
    let bought = Bought::in_sample("on-shipment-failed");
    Given::stream::<Shipment>(
        &bought.shipment_id,
        [
            bought.shipment_requested().into(),
            bought.shipment_failed().into(),
        ],
    )
    .newest_event()
    .sends(&[CancelOrder::TYPE])
}

pub(crate) fn simulate_shipping_gateway() -> Sample {
    asked(&Bought::in_sample("simulate-shipping-gateway")).sends(&[SendShipment::TYPE])
}

/// A product that can't be sent.
pub(crate) fn simulate_shipping_gateway_out_of_stock() -> Sample {
    let bought = Bought::of("simulate-shipping-gateway-out-of-stock", "out-of-stock-lamp", 40);
    asked(&bought).sends(&[FailShipment::TYPE])
}

fn asked(bought: &Bought) -> Sample {
    Given::stream::<Shipment>(&bought.shipment_id, [bought.shipment_requested().into()]).newest_event()
}
