//! What a cart, its order, the order's payment and its shipment say of each other.

use serde_json::Value;
use testkit::invariants::Findings;
use testkit::invariants::streams::{Event, Streams, all, computed, first, has};

/// An order, and what belongs to it by the computed ids.
struct Order<'a> {
    id: &'a str,
    events: &'a [Event],
    /// Its first event.
    initialized: &'a Event,
    payment: &'a [Event],
    shipment: &'a [Event],
}

pub(super) fn judge(streams: &Streams, findings: &mut Findings) {
    for (id, events) in streams.all("cart") {
        judge_cart(id, events, streams, findings);
    }
    for (id, events) in streams.all("order") {
        let Some(initialized) = first(events, "OrderInitialized") else {
            continue;
        };
        let order = Order {
            id,
            events,
            initialized,
            payment: streams.of("payment", &computed(&format!("payment/{id}"))),
            shipment: streams.of("shipment", &computed(&format!("shipment/{id}"))),
        };
        order.comes_from_its_cart(streams, findings);
        order.amounts_are_the_carts(findings);
        order.is_paid_before_it_is_confirmed_and_confirmed_before_it_is_sent(findings);
        if has(events, "OrderCompleted") {
            order.completed(findings);
        }
        if let Some(cancelled) = first(events, "OrderCancelled") {
            order.cancelled(cancelled, findings);
        }
        order.captured_money_is_given_back_at_once_if_it_is_late(findings);
        order.facts_are_recorded_once(findings);
        order.time_is_up_when_it_was_said_to_be(findings);
        order.is_paid_in_time(findings);
        order.an_early_withdrawal_counts(findings);
    }
    for category in ["payment", "shipment"] {
        for (id, events) in streams.all(category) {
            belongs_to_an_order(category, id, events, streams, findings);
        }
    }
}

/// A cart that was finalized makes one order: the one with its id.
fn judge_cart(id: &str, events: &[Event], streams: &Streams, findings: &mut Findings) {
    let Some(finalized) = first(events, "CartFinalized") else {
        return;
    };
    findings.must(finalized.text("cart_id") == id, || {
        format!(
            "cart-{id}: CartFinalized names cart {}",
            finalized.text("cart_id")
        )
    });
    let order = streams.of("order", &computed(&format!("order/{id}")));
    findings.awaits(has(order, "OrderInitialized"), || {
        format!("cart-{id} is finalized and has no order")
    });
}

/// A payment or shipment names one order, has the id that is computed from it, and its order exists. So an
/// order has one of each at most.
fn belongs_to_an_order(
    category: &str,
    id: &str,
    events: &[Event],
    streams: &Streams,
    findings: &mut Findings,
) {
    for event in events {
        let order = event.text("order_id");
        findings.must(computed(&format!("{category}/{order}")) == id, || {
            format!(
                "{category}-{id}: {} names order {order}, whose {category} has another id",
                event.kind
            )
        });
        findings.must(has(streams.of("order", order), "OrderInitialized"), || {
            format!(
                "{category}-{id}: {} is for an order that does not exist",
                event.kind
            )
        });
    }
}

/// The reason of what ends because somebody discarded the payment by hand.
const DISCARDED: &str = "the payment was discarded";

impl Order<'_> {
    /// Whether somebody discarded its payment by hand.
    fn is_revoked(&self) -> bool {
        has(self.payment, "PaymentRevoked")
    }

    fn comes_from_its_cart(&self, streams: &Streams, findings: &mut Findings) {
        let (id, cart_id) = (self.id, self.initialized.text("cart_id"));
        findings.must(computed(&format!("order/{cart_id}")) == id, || {
            format!("order-{id} comes from cart {cart_id}, whose order has another id")
        });
        let Some(cart) = first(streams.of("cart", cart_id), "CartFinalized") else {
            findings.violation(format!(
                "order-{id} comes from cart {cart_id}, which was not finalized"
            ));
            return;
        };
        for field in ["client_id", "product_items", "total_price"] {
            findings.must(self.initialized.data[field] == cart.data[field], || {
                format!("order-{id}: its {field} is not the cart's")
            });
        }
        for event in self.events {
            findings.must(event.text("order_id") == id, || {
                format!(
                    "order-{id}: {} names order {}",
                    event.kind,
                    event.text("order_id")
                )
            });
        }
    }

    /// Amounts are exact: the cart's total, wherever money is named. Items go to the carrier as they are.
    fn amounts_are_the_carts(&self, findings: &mut Findings) {
        let id = self.id;
        for event in self.payment {
            let amount = &event.data["amount"];
            findings.must(
                amount.is_null() || *amount == self.initialized.data["total_price"],
                || format!("order-{id}: {} is about {amount}", event.kind),
            );
            // Only a payment that was voided before it was requested does not know its amount, and one that
            // was revoked unanswered had none come in.
            let may_lack_it = ["PaymentVoided", "PaymentFailedLate", "PaymentRevoked"]
                .contains(&&*event.kind)
                || !(has(self.payment, "PaymentRequested") || has(self.payment, "PaymentFailed"));
            findings.must(!amount.is_null() || may_lack_it, || {
                format!("order-{id}: {} names no amount", event.kind)
            });
        }
        for requested in all(self.shipment, "ShipmentRequested") {
            let items = &requested.data["product_items"];
            findings.must(*items == self.initialized.data["product_items"], || {
                format!("order-{id}: the carrier was asked to send {items}")
            });
        }
    }

    fn is_paid_before_it_is_confirmed_and_confirmed_before_it_is_sent(&self, findings: &mut Findings) {
        let id = self.id;
        if let Some(confirmed) = first(self.events, "OrderConfirmed") {
            findings.must(has(self.payment, "PaymentCompleted"), || {
                format!("order-{id} is confirmed without its payment")
            });
            let payment_id = confirmed.text("payment_id");
            findings.must(payment_id == computed(&format!("payment/{id}")), || {
                format!("order-{id} is confirmed by payment {payment_id:?}")
            });
            findings.awaits(!self.shipment.is_empty(), || {
                format!("order-{id} is confirmed and has no shipment")
            });
        } else if !self.is_revoked() {
            findings.must(self.shipment.is_empty(), || {
                format!("order-{id} has a shipment and was never confirmed")
            });
        }
        findings.awaits(!self.payment.is_empty(), || format!("order-{id} has no payment"));
    }

    fn completed(&self, findings: &mut Findings) {
        let id = self.id;
        let unpaid = ["PaymentVoided", "PaymentFailed"];
        let is_given_back = has(self.payment, "PaymentDiscarded") && !self.is_revoked();
        findings.must(
            has(self.payment, "PaymentCompleted")
                && !is_given_back
                && !unpaid.iter().any(|kind| has(self.payment, kind)),
            || {
                format!(
                    "order-{id} is completed and not paid for: {}",
                    kinds(self.payment)
                )
            },
        );
        findings.must(has(self.shipment, "ShipmentSent"), || {
            format!("order-{id} is completed and not sent: {}", kinds(self.shipment))
        });
    }

    fn cancelled(&self, cancelled: &Event, findings: &mut Findings) {
        let (id, cause, reason) = (self.id, cancelled.text("cause"), cancelled.text("reason"));
        let confirmed = has(self.events, "OrderConfirmed");
        findings.must(
            (cause == "shipment_failed") == confirmed || self.is_revoked(),
            || {
                let state = if confirmed { "after" } else { "before" };
                format!("order-{id} is cancelled because of {cause:?} {state} it was confirmed")
            },
        );
        let failure = match cause {
            "payment_failed" if reason == DISCARDED => first(self.payment, "PaymentRevoked"),
            "payment_failed" => first(self.payment, "PaymentFailed"),
            "shipment_failed" => first(self.shipment, "ShipmentFailed"),
            _ => Some(cancelled),
        };
        match failure {
            None => findings.violation(format!(
                "order-{id} is cancelled because of {cause:?}, which did not happen"
            )),
            Some(failure) if cause != "withdrawn" && failure.kind != "PaymentRevoked" => {
                findings.must(failure.text("error") == reason, || {
                    format!(
                        "order-{id} is cancelled with the reason {reason:?}, and the error was {:?}",
                        failure.text("error")
                    )
                });
            }
            Some(_) => {}
        }
        // No shipment is requested of an order that was not confirmed, and none after the failure that
        // cancelled one that was: see the shipment's own stream.
        let captured = has(self.payment, "PaymentCompleted") || has(self.payment, "PaymentReceivedLate");
        let given_back = all(self.payment, "PaymentDiscarded").count();
        findings.must(given_back <= 1, || {
            format!("order-{id}: its money is given back {given_back} times")
        });
        findings.awaits(given_back == usize::from(captured), || {
            format!(
                "order-{id} is cancelled and its money is kept: {}",
                kinds(self.payment)
            )
        });
    }

    /// Money that comes late is given back in the commit that records it, and money that came in time only
    /// if the order is cancelled.
    fn captured_money_is_given_back_at_once_if_it_is_late(&self, findings: &mut Findings) {
        let id = self.id;
        for late in all(self.payment, "PaymentReceivedLate") {
            let next = self
                .payment
                .iter()
                .find(|event| event.revision == late.revision + 1);
            findings.must(
                next.is_some_and(|next| next.kind == "PaymentDiscarded" && next.commit == late.commit),
                || format!("order-{id}: money that came late is not given back in the same commit"),
            );
        }
        let open = !has(self.events, "OrderCancelled");
        let is_given_back = has(self.payment, "PaymentDiscarded") && has(self.payment, "PaymentCompleted");
        let words = || format!("order-{id} is not cancelled and its money is given back");
        if self.is_revoked() {
            // By hand: the order is yet to be cancelled, or the parcel has left, and that is on record.
            let is_on_record = has(self.shipment, "ShipmentCalledOffLate");
            findings.awaits(!(open && is_given_back) || is_on_record, words);
        } else {
            findings.must(!(open && is_given_back), words);
        }
    }

    /// An order that was withdrawn before there was one is cancelled by the commit that initializes it.
    fn an_early_withdrawal_counts(&self, findings: &mut Findings) {
        let Some(early) = first(self.events, "OrderWithdrawnEarly") else {
            return;
        };
        let is_its_end = |end: &Event| {
            end.commit == self.initialized.commit
                && end.text("cause") == "withdrawn"
                && end.text("reason") == early.text("reason")
        };
        findings.must(
            first(self.events, "OrderCancelled").is_some_and(is_its_end),
            || {
                format!(
                    "order-{} was withdrawn early and is not cancelled by the commit that initializes it",
                    self.id
                )
            },
        );
    }

    /// Payment and shipment have until the time that the order's own stream says.
    fn time_is_up_when_it_was_said_to_be(&self, findings: &mut Findings) {
        let confirmed = first(self.events, "OrderConfirmed");
        for (set, failed) in [
            (Some(self.initialized), first(self.payment, "PaymentFailed")),
            (confirmed, first(self.shipment, "ShipmentFailed")),
        ] {
            let (Some(set), Some(failed)) = (set, failed) else {
                continue;
            };
            let is_early = set
                .time("due_at")
                .is_some_and(|due| failed.time("failed_at") < Some(due));
            findings.must(!(is_early && failed.text("error") == "timed out"), || {
                format!(
                    "order-{}: {} times out before the time that {} says",
                    self.id, failed.kind, set.kind
                )
            });
        }
    }

    /// A payment that completed did so while its answer was waited for.
    fn is_paid_in_time(&self, findings: &mut Findings) {
        let due = first(self.payment, "PaymentRequested").and_then(|requested| requested.time("due_at"));
        let completed =
            first(self.payment, "PaymentCompleted").and_then(|completed| completed.time("completed_at"));
        let in_time = due.zip(completed).is_none_or(|(due, completed)| completed < due);
        findings.must(in_time, || {
            format!("order-{}: its payment completed when its time was up", self.id)
        });
    }

    /// The same late fact is recorded once, and is another one than what counts.
    fn facts_are_recorded_once(&self, findings: &mut Findings) {
        for (stream, what) in [(self.payment, "Payment"), (self.shipment, "Shipment")] {
            let mut errors: Vec<&Value> = Vec::new();
            let failures = [format!("{what}Failed"), format!("{what}FailedLate")];
            for event in stream.iter().filter(|event| failures.contains(&event.kind)) {
                let error = &event.data["error"];
                findings.must(!errors.contains(&error), || {
                    format!("order-{}: {} records {error} once more", self.id, event.kind)
                });
                errors.push(error);
            }
        }
    }
}

/// The types of events, for a sentence.
fn kinds(events: &[Event]) -> String {
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    format!("[{}]", kinds.join(", "))
}
