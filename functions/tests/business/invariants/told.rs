//! What people and gateways said has left its trace.

use serde_json::Value;
use testkit::invariants::streams::{Event, Streams};
use testkit::invariants::{Evidence, Findings};
use testkit::running::Letter;

pub(super) fn judge(evidence: &Evidence, streams: &Streams, findings: &mut Findings) {
    for (queue, body) in &evidence.told {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let refused = || is_refused(&evidence.letters, queue, body);
        findings.awaits(
            is_heard(queue, &message["command"], streams).unwrap_or(true) || refused(),
            || format!("a message to {queue} has disappeared: {}", message["command"]),
        );
    }
}

fn is_refused(letters: &[Letter], queue: &str, body: &str) -> bool {
    letters
        .iter()
        .any(|letter| letter.queue == queue && letter.body == body)
}

/// Whether a command from outside has left its trace; none for a queue of the bundle's own.
fn is_heard(queue: &str, command: &Value, streams: &Streams) -> Option<bool> {
    let id = |name: &str| command[name].as_str().unwrap_or_default();
    let payment = streams.of("payment", id("payment_id"));
    let shipment = streams.of("shipment", id("shipment_id"));
    let says = |name: &'static str| move |event: &Event| event.data[name] == command[name];
    Some(match queue {
        "finalize-cart" => any(streams.of("cart", id("cart_id")), &["CartFinalized"], |event| {
            ["client_id", "product_items", "total_price"]
                .iter()
                .all(|name| event.data[*name] == command[*name])
        }),
        "withdraw-order" => any(
            streams.of("order", id("order_id")),
            &["OrderWithdrawnEarly", "OrderCancelled"],
            |event| ["", "withdrawn"].contains(&event.text("cause")) && says("reason")(event),
        ),
        "complete-payment" => any(payment, &["PaymentCompleted", "PaymentReceivedLate"], |_| true),
        "fail-payment" => any(payment, &["PaymentFailed", "PaymentFailedLate"], says("error")),
        "send-shipment" => any(shipment, &["ShipmentSent", "ShipmentSentLate"], |_| true),
        "fail-shipment" => any(shipment, &["ShipmentFailed", "ShipmentFailedLate"], says("error")),
        "initiate-group-checkout" => any(
            streams.of("groupCheckout", id("group_checkout_id")),
            &["GroupCheckoutInitiated"],
            |_| true,
        ),
        "record-charge" => any(
            streams.of("guestStay", id("guest_stay_id")),
            &["ChargeRecorded"],
            says("charge_id"),
        ),
        "record-payment" => any(
            streams.of("guestStay", id("guest_stay_id")),
            &["GuestPaymentRecorded"],
            says("payment_id"),
        ),
        "check-in-guest" => any(
            streams.of("guestStay", id("guest_stay_id")),
            &["GuestCheckedIn"],
            |_| true,
        ),
        _ => return None,
    })
}

fn any(events: &[Event], kinds: &[&str], is_it: impl Fn(&Event) -> bool) -> bool {
    events
        .iter()
        .any(|event| kinds.contains(&event.kind.as_str()) && is_it(event))
}
