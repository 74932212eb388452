//! All scenarios of orders, each in a line or three, and the endings that they share.

use super::Command::{
    CompletePayment, DiscardPayment, FailPayment, FailShipment, Finalize, FinalizeWithOtherTotal,
    FinalizeWithoutTotal, SendShipment, Withdraw,
};
use super::Step::{Send, Until};
use super::Stream::{OfOrder, OfPayment, OfShipment};
use super::{OrderEnding, OrderScenario};

macro_rules! scenario {
    ($title:literal, $cart:literal, [$($step:expr),* $(,)?] => $($ending:expr),+ $(,)?) => {
        OrderScenario {
            title: $title,
            cart: serde_json::from_str(include_str!(concat!("../../../carts/", $cart, ".json")))
                .expect("the carts in this folder are JSON"),
            script: vec![$($step),*],
            endings: vec![$($ending),+],
        }
    };
}

/// All scenarios of the order saga.
pub fn order_scenarios() -> Vec<OrderScenario> {
    let late = [
        "PaymentRequested",
        "PaymentFailed",
        "PaymentReceivedLate",
        "PaymentDiscarded",
    ];
    vec![
        scenario!("everything goes well", "everything-goes-well", [Send(Finalize)] => completed()),
        scenario!("the cart is finalized twice, same content", "finalized-twice",
            [Send(Finalize), Send(Finalize), Until(OfOrder, "OrderCompleted"), Send(Finalize)] => completed()),
        scenario!("the cart is finalized again, with other content", "finalized-with-other-content",
            [Send(FinalizeWithoutTotal), Send(Finalize), Until(OfOrder, "OrderInitialized"), Send(FinalizeWithOtherTotal)] =>
            completed().and_refused("finalize-cart", "malformed").and_refused("finalize-cart", "rejected")),
        scenario!("the card is declined", "card-declined", [Send(Finalize)] =>
            cancelled("payment_failed", "card declined", &["PaymentRequested", "PaymentFailed"])),
        scenario!("the payment is never answered", "payment-never-answered", [Send(Finalize)] =>
            cancelled("payment_failed", "timed out", &["PaymentRequested", "PaymentFailed"])),
        scenario!("the payment completes after its deadline", "payment-too-late",
            [Send(Finalize), Until(OfPayment, "PaymentDiscarded")] =>
            cancelled("payment_failed", "timed out", &late)),
        scenario!("the payment completes twice", "payment-completed-twice", [Send(Finalize)] => completed()),
        scenario!("the payment fails after it completed", "payment-fails-after-all",
            [Send(Finalize), Until(OfPayment, "PaymentCompleted"), Send(FailPayment("insufficient funds"))] =>
            completed().and_payment("PaymentFailedLate")),
        scenario!("an item is out of stock", "out-of-stock", [Send(Finalize)] =>
            not_sent("out of stock", &["ShipmentRequested", "ShipmentFailed"])),
        scenario!("the carrier never answers", "lost-parcel", [Send(Finalize)] =>
            not_sent("timed out", &["ShipmentRequested", "ShipmentFailed"])),
        scenario!("the parcel leaves after its deadline", "lost-parcel-turns-up",
            [Send(Finalize), Until(OfOrder, "OrderCancelled"), Send(SendShipment)] =>
            not_sent("timed out", &["ShipmentRequested", "ShipmentFailed"]).and_shipment("ShipmentSentLate")),
        scenario!("the shipment fails after it was sent", "shipment-fails-after-all",
            [Send(Finalize), Until(OfShipment, "ShipmentSent"), Send(FailShipment("van broke down"))] =>
            completed().and_shipment("ShipmentFailedLate")),
        scenario!("the shipment is sent twice", "shipment-sent-twice",
            [Send(Finalize), Until(OfShipment, "ShipmentSent"), Send(SendShipment)] => completed()),
        scenario!("the order is withdrawn before there is one", "withdrawn-early",
            [Send(Withdraw("changed my mind")), Until(OfOrder, "OrderWithdrawnEarly"), Send(Finalize)] =>
            withdrawn_early("changed my mind", &["PaymentVoided"]),
            withdrawn_early("changed my mind", &["PaymentRequested", "PaymentVoided"])),
        scenario!("the order is withdrawn before it is paid", "withdrawn",
            [Send(Finalize), Until(OfPayment, "PaymentRequested"), Send(Withdraw("changed my mind"))] =>
            cancelled("withdrawn", "changed my mind", &["PaymentRequested", "PaymentVoided"])),
        scenario!("the order is withdrawn, and paid all the same", "withdrawn-and-paid-all-the-same",
            [Send(Finalize), Until(OfPayment, "PaymentRequested"), Send(Withdraw("changed my mind")),
             Until(OfPayment, "PaymentVoided"), Send(CompletePayment)] =>
            cancelled("withdrawn", "changed my mind",
                &["PaymentRequested", "PaymentVoided", "PaymentReceivedLate", "PaymentDiscarded"])),
        scenario!("the order is withdrawn after it was confirmed", "withdrawn-too-late",
            [Send(Finalize), Until(OfOrder, "OrderConfirmed"), Send(Withdraw("too late"))] =>
            completed().and_refused("withdraw-order", "rejected")),
        scenario!("the order is withdrawn while its payment completes", "withdrawn-while-the-payment-completes",
            [Send(Finalize), Until(OfOrder, "OrderInitialized"), Send(Withdraw("a race"))] =>
            completed().and_refused("withdraw-order", "rejected"),
            cancelled("withdrawn", "a race", &["PaymentVoided"]),
            cancelled("withdrawn", "a race", &["PaymentRequested", "PaymentVoided"]),
            cancelled("withdrawn", "a race", &["PaymentRequested", "PaymentCompleted", "PaymentDiscarded"]),
            cancelled("withdrawn", "a race",
                &["PaymentRequested", "PaymentVoided", "PaymentReceivedLate", "PaymentDiscarded"])),
        scenario!("the order is withdrawn while its payment fails", "withdrawn-while-the-payment-fails",
            [Send(Finalize), Until(OfPayment, "PaymentFailed"), Send(Withdraw("a race"))] =>
            cancelled("withdrawn", "a race", &["PaymentRequested", "PaymentFailed"]),
            cancelled("payment_failed", "card declined", &["PaymentRequested", "PaymentFailed"])
                .and_refused("withdraw-order", "rejected")),
        scenario!("the payment is discarded by hand before it is answered", "discarded-by-hand",
            [Send(Finalize), Until(OfPayment, "PaymentRequested"), Send(DiscardPayment)] =>
            cancelled("payment_failed", "the payment was discarded",
                &["PaymentRequested", "PaymentVoided", "PaymentRevoked"])),
        scenario!("the payment is discarded by hand before the parcel left", "discarded-by-hand-before-the-parcel-left",
            [Send(Finalize), Until(OfShipment, "ShipmentRequested"), Send(DiscardPayment)] =>
            not_sent("the payment was discarded", &["ShipmentRequested", "ShipmentFailed"])
                .and_payment("PaymentRevoked")),
        scenario!("the payment is discarded by hand after the parcel left", "discarded-by-hand-after-the-parcel-left",
            [Send(Finalize), Until(OfOrder, "OrderCompleted"), Send(DiscardPayment)] =>
            completed().and_payment("PaymentDiscarded").and_payment("PaymentRevoked")
                .and_shipment("ShipmentCalledOffLate")),
    ]
}

const CONFIRMED: [&str; 2] = ["OrderInitialized", "OrderConfirmed"];

/// The order completes.
fn completed() -> OrderEnding {
    OrderEnding {
        order: [&CONFIRMED[..], &["OrderCompleted"]].concat(),
        reason: None,
        payment: vec!["PaymentRequested", "PaymentCompleted"],
        shipment: vec!["ShipmentRequested", "ShipmentSent"],
        refused: vec![],
    }
}

/// The order is cancelled before it is confirmed.
fn cancelled(cause: &'static str, reason: &'static str, payment: &[&'static str]) -> OrderEnding {
    OrderEnding {
        order: vec!["OrderInitialized", "OrderCancelled"],
        reason: Some((cause, reason)),
        payment: payment.to_vec(),
        shipment: vec![],
        refused: vec![],
    }
}

/// The order is withdrawn before there is one, and cancelled as soon as there is.
fn withdrawn_early(reason: &'static str, payment: &[&'static str]) -> OrderEnding {
    OrderEnding {
        order: vec!["OrderWithdrawnEarly", "OrderInitialized", "OrderCancelled"],
        ..cancelled("withdrawn", reason, payment)
    }
}

/// The order is cancelled because of its shipment, and its money given back.
fn not_sent(reason: &'static str, shipment: &[&'static str]) -> OrderEnding {
    OrderEnding {
        order: [&CONFIRMED[..], &["OrderCancelled"]].concat(),
        reason: Some(("shipment_failed", reason)),
        payment: vec!["PaymentRequested", "PaymentCompleted", "PaymentDiscarded"],
        shipment: shipment.to_vec(),
        refused: vec![],
    }
}

impl OrderEnding {
    fn and_payment(mut self, event: &'static str) -> Self {
        self.payment.push(event);
        self
    }

    fn and_shipment(mut self, event: &'static str) -> Self {
        self.shipment.push(event);
        self
    }

    fn and_refused(mut self, queue: &'static str, code: &'static str) -> Self {
        self.refused.push((queue, code));
        self
    }
}
