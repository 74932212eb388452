//! Which event may follow which in a stream: from, event, to. A stream begins in the state without a name. The random
//! stories of the rules keep to it, and so does all that the tests of the whole bundle leave in the table.

/// See above.
pub type Grammar = &'static [(&'static str, &'static str, &'static str)];

const CART: Grammar = &[("", "CartFinalized", "finalized")];

const ORDER: Grammar = &[
    ("", "OrderWithdrawnEarly", "withdrawn early"),
    ("", "OrderInitialized", "initialized"),
    ("withdrawn early", "OrderInitialized", "withdrawn"),
    ("withdrawn", "OrderCancelled", "cancelled"),
    ("initialized", "OrderConfirmed", "confirmed"),
    ("initialized", "OrderCancelled", "cancelled"),
    ("confirmed", "OrderCancelled", "cancelled"),
    ("confirmed", "OrderCompleted", "completed"),
];

const PAYMENT: Grammar = &[
    ("", "PaymentRequested", "requested"),
    ("", "PaymentVoided", "closed"),
    ("", "PaymentFailed", "closed"),
    ("requested", "PaymentCompleted", "completed"),
    ("requested", "PaymentFailed", "closed"),
    ("requested", "PaymentVoided", "closed"),
    ("completed", "PaymentDiscarded", "given back"),
    ("completed", "PaymentFailedLate", "completed"),
    ("closed", "PaymentReceivedLate", "received late"),
    ("closed", "PaymentFailedLate", "closed"),
    ("received late", "PaymentDiscarded", "given back"),
    ("given back", "PaymentFailedLate", "given back"),
    ("closed", "PaymentRevoked", "closed"),
    ("given back", "PaymentRevoked", "given back"),
];

const SHIPMENT: Grammar = &[
    ("", "ShipmentRequested", "requested"),
    ("", "ShipmentFailed", "failed"),
    ("requested", "ShipmentSent", "sent"),
    ("requested", "ShipmentFailed", "failed"),
    ("sent", "ShipmentFailedLate", "sent"),
    ("sent", "ShipmentCalledOffLate", "sent"),
    ("failed", "ShipmentFailedLate", "failed"),
    ("failed", "ShipmentSentLate", "left all the same"),
    ("left all the same", "ShipmentFailedLate", "left all the same"),
];

const GUEST_STAY: Grammar = &[
    ("", "GuestCheckedIn", "here"),
    ("", "GuestCheckoutFailed", ""),
    ("here", "ChargeRecorded", "here"),
    ("here", "GuestPaymentRecorded", "here"),
    ("here", "GuestCheckoutFailed", "here"),
    ("here", "GuestCheckoutCompleted", "gone"),
    ("gone", "GuestCheckoutFailed", "gone"),
];

const GROUP: Grammar = &[
    ("", "GroupCheckoutInitiated", "open"),
    ("open", "GuestCheckoutRecorded", "open"),
    ("open", "GroupCheckoutFailureNotified", "open"),
    ("open", "GuestCheckoutRecordedLate", "open"),
    ("open", "GroupCheckoutCompleted", "ended"),
    ("open", "GroupCheckoutFailed", "ended"),
    ("open", "GroupCheckoutTimedOut", "ended"),
    ("ended", "GuestCheckoutRecordedLate", "ended"),
];

/// The grammar of a category, and the states in which it may rest.
pub fn grammar(category: &str) -> Option<(Grammar, &'static [&'static str])> {
    Some(match category {
        "cart" => (CART, &["finalized"]),
        // A customer may withdraw an order whose cart is never finalized.
        "order" => (ORDER, &["withdrawn early", "completed", "cancelled"]),
        "payment" => (PAYMENT, &["completed", "closed", "given back"]),
        "shipment" => (SHIPMENT, &["sent", "failed", "left all the same"]),
        "guestStay" => (GUEST_STAY, &["", "here", "gone"]),
        "groupCheckout" => (GROUP, &["ended"]),
        _ => return None,
    })
}
