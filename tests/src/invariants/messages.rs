//! What became of the messages.

use serde_json::Value;

use super::evidence::Evidence;
use super::findings::Findings;
use super::streams::{Event, Streams};
use crate::bundle::{Letter, text};

pub(super) fn judge(evidence: &Evidence, streams: &Streams, findings: &mut Findings) {
    for (queue, messages) in &evidence.waiting {
        findings.awaits(*messages == 0, || {
            format!("{messages} messages are on queue {queue}")
        });
    }
    for entry in &evidence.outbox {
        let delivery = text(entry, "delivery");
        findings.awaits(delivery == "published", || {
            let (stream, revision) = (text(entry, "stream_id"), text(entry, "revision"));
            format!("{stream} at {revision} is in the outbox, {delivery}")
        });
    }
    for letter in &evidence.letters {
        judge_letter(letter, findings);
    }
    for (queue, body) in &evidence.told {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let refused = || is_refused(&evidence.letters, queue, body);
        findings.awaits(
            is_heard(queue, &message["command"], streams).unwrap_or(true) || refused(),
            || format!("a message to {queue} has disappeared: {}", message["command"]),
        );
    }
}

/// A message in a dead-letter queue says why it is there, or SQS moved it by itself.
fn judge_letter(letter: &Letter, findings: &mut Findings) {
    let (queue, code) = (&letter.queue, letter.attribute("error_code"));
    match code {
        "malformed" | "rejected" => findings.counts.refused += 1,
        "exhausted" => findings.counts.exhausted += 1,
        _ if letter.moved_by_sqs.is_some() => findings.counts.exhausted += 1,
        _ => findings.violation(format!(
            "a message in {queue}-dlq has the error_code {code:?} and was not moved by SQS"
        )),
    }
    let reasoned = !letter.attribute("error").is_empty() && !letter.attribute("function").is_empty();
    findings.must(code.is_empty() || reasoned, || {
        format!("a message in {queue}-dlq does not say why or whose it was")
    });
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
