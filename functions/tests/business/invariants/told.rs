//! What people and gateways said has left its trace.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bundle::{Sender, Trigger};
use serde_json::Value;
use testkit::invariants::streams::{Event, Streams};
use testkit::invariants::{Evidence, Findings};
use testkit::running::Letter;

pub(super) fn judge(evidence: &Evidence, streams: &Streams, findings: &mut Findings) {
    for (queue, body) in &evidence.told {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let refused = || is_refused(&evidence.letters, queue, body);
        let is_heard = || is_heard(queue, &message["command"], streams);
        findings.awaits(!FROM_OUTSIDE.contains(queue) || is_heard() || refused(), || {
            format!("a message to {queue} has disappeared: {}", message["command"])
        });
    }
}

fn is_refused(letters: &[Letter], queue: &str, body: &str) -> bool {
    letters
        .iter()
        .any(|letter| letter.queue == queue && letter.body == body)
}

/// The queues on which somebody outside tells something.
static FROM_OUTSIDE: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let functions = functions::bundle().registry.functions;
    let outside = functions.into_iter().filter(|function| match function.trigger {
        Trigger::Commands(sender) => sender != Sender::Steps,
        _ => false,
    });
    outside.map(|function| function.name).collect()
});

/// Whether a command from outside has left its trace.
fn is_heard(queue: &str, command: &Value, streams: &Streams) -> bool {
    let id = |name: &str| command[name].as_str().unwrap_or_default();
    let payment = streams.of("payment", id("payment_id"));
    let shipment = streams.of("shipment", id("shipment_id"));
    let says = |name: &'static str| move |event: &Event| event.data[name] == command[name];
    match queue {
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
        _ => is_repeated(command, streams),
    }
}

/// Whether an event says all that the command says, in a stream of something that the command names. That is how
/// most commands are heard; the others have a line of their own above.
fn is_repeated(command: &Value, streams: &Streams) -> bool {
    let fields: Vec<_> = command.as_object().into_iter().flatten().collect();
    let says_all = |event: &Event| {
        fields
            .iter()
            .all(|(name, value)| event.data[name.as_str()] == **value)
    };
    let ids = fields.iter().filter_map(|(_, value)| value.as_str());
    let mut named = ids.flat_map(|id| CATEGORIES.iter().map(move |category| streams.of(category, id)));
    named.any(|events| events.iter().any(says_all))
}

/// The categories of all streams.
static CATEGORIES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let kinds = functions::bundle().streams.into_iter();
    kinds.map(|kind| kind.category.name()).collect()
});

fn any(events: &[Event], kinds: &[&str], is_it: impl Fn(&Event) -> bool) -> bool {
    events
        .iter()
        .any(|event| kinds.contains(&event.kind.as_str()) && is_it(event))
}
