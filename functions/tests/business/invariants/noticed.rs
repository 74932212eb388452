//! The checker itself: it finds nothing in a sound world, and each wrong one is noticed.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use eventsourcing::{computed_id, event_id};
use functions::scenarios::{group_scenarios, order_scenarios};
use serde_json::{Value, json};
use testkit::invariants::Evidence;
use testkit::running::{Item, Letter};

use super::{Counts, NOTIFICATIONS, judge};
use crate::stories::Stories;

/// Streams as lists of commits, each a list of events with their fields.
#[derive(Clone, Default)]
struct World {
    streams: BTreeMap<String, Vec<Vec<(&'static str, Value)>>>,
    evidence: Evidence,
}

const AT: &str = "2026-11-23T08:00:00.000Z";

fn order_id(cart: &str) -> String {
    computed_id(&format!("order/{cart}")).to_string()
}

fn of_order(what: &str, cart: &str) -> String {
    computed_id(&format!("{what}/{}", order_id(cart))).to_string()
}

impl World {
    fn commit(&mut self, stream: &str, events: &[(&'static str, Value)]) {
        let commits = self.streams.entry(stream.to_owned()).or_default();
        commits.push(events.to_vec());
    }

    /// The streams of a cart's order, as far as the listed events go. Fields are filled in.
    fn order(
        &mut self,
        cart: &str,
        order: &[(&'static str, Value)],
        payment: &[&[&'static str]],
        shipment: &[&'static str],
    ) {
        let content = json!({
            "client_id": "u-1", "total_price": 19.98,
            "product_items": [{ "product_id": "p-1", "quantity": 2, "unit_price": 9.99 }],
        });
        let cart_content = with(&content, &json!({ "cart_id": cart }));
        self.commit(
            &format!("cart-{cart}"),
            &[("CartFinalized", cart_content.clone())],
        );
        let (order_id, payment_id) = (order_id(cart), of_order("payment", cart));
        let initialized = with(&cart_content, &json!({ "order_id": order_id }));
        self.commit(&format!("order-{order_id}"), &[("OrderInitialized", initialized)]);
        for (kind, fields) in order {
            let ids = json!({ "order_id": order_id, "payment_id": payment_id });
            self.commit(&format!("order-{order_id}"), &[(kind, with(fields, &ids))]);
        }
        for commit in payment {
            let fields = json!({
                "payment_id": payment_id, "order_id": order_id, "amount": 19.98, "error": "card declined",
            });
            let events: Vec<_> = commit.iter().map(|kind| (*kind, fields.clone())).collect();
            self.commit(&format!("payment-{payment_id}"), &events);
        }
        let shipment_id = of_order("shipment", cart);
        for kind in shipment {
            let fields = with(
                &content,
                &json!({ "shipment_id": shipment_id, "order_id": order_id, "error": "out of stock" }),
            );
            self.commit(&format!("shipment-{shipment_id}"), &[(kind, fields)]);
        }
    }

    /// The commits of a stream, to be tampered with.
    fn of(&mut self, stream: &str) -> &mut Vec<Vec<(&'static str, Value)>> {
        self.streams.get_mut(stream).expect("the world has that stream")
    }

    fn evidence(&self) -> Evidence {
        let mut commits = Vec::new();
        for (stream, stored) in &self.streams {
            let mut revision = 1;
            for events in stored {
                commits.push(item(stream, revision, events));
                revision += events.len() as u64;
            }
        }
        let mut evidence = self.evidence.clone();
        evidence.commits.extend(commits);
        evidence
    }
}

fn with(fields: &Value, more: &Value) -> Value {
    let mut fields = fields.clone();
    for (name, value) in more.as_object().into_iter().flatten() {
        fields[name] = value.clone();
    }
    fields
}

fn item(stream: &str, revision: u64, events: &[(&'static str, Value)]) -> Item {
    let stream_id = stream.parse().expect("a stream's name");
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |n: u64| AttributeValue::N(n.to_string());
    let event = |((kind, data), at): (&(&str, Value), u64)| {
        AttributeValue::M(HashMap::from([
            ("event_id".to_owned(), text(&event_id(&stream_id, at).to_string())),
            ("event_type".to_owned(), text(kind)),
            ("schema_version".to_owned(), number(1)),
            ("correlation_id".to_owned(), text("chain")),
            (
                "causation_id".to_owned(),
                text(&format!("cause of {stream} at {revision}")),
            ),
            ("data".to_owned(), text(&data.to_string())),
        ]))
    };
    HashMap::from([
        ("stream_id".to_owned(), text(stream)),
        ("revision".to_owned(), number(revision)),
        (
            "last_revision".to_owned(),
            number(revision + events.len() as u64 - 1),
        ),
        ("commit_id".to_owned(), text(&format!("{stream} {revision}"))),
        ("committed_at".to_owned(), text(AT)),
        (
            "events".to_owned(),
            AttributeValue::L(events.iter().zip(revision..).map(event).collect()),
        ),
    ])
}

/// A world without a fault: four orders and three groups.
fn sound() -> World {
    let mut world = World::default();
    let confirmed = ("OrderConfirmed", json!({}));
    let cancelled = |cause, reason| ("OrderCancelled", json!({ "cause": cause, "reason": reason }));
    world.order(
        "done",
        &[confirmed.clone(), ("OrderCompleted", json!({}))],
        &[&["PaymentRequested"], &["PaymentCompleted"]],
        &["ShipmentRequested", "ShipmentSent"],
    );
    world.order(
        "declined",
        &[cancelled("payment_failed", "card declined")],
        &[&["PaymentRequested"], &["PaymentFailed"]],
        &[],
    );
    world.order(
        "late",
        &[cancelled("withdrawn", "no more")],
        &[
            &["PaymentRequested"],
            &["PaymentVoided"],
            &["PaymentReceivedLate", "PaymentDiscarded"],
        ],
        &[],
    );
    world.order(
        "unsent",
        &[confirmed, cancelled("shipment_failed", "out of stock")],
        &[
            &["PaymentRequested"],
            &["PaymentCompleted"],
            &["PaymentDiscarded"],
        ],
        &["ShipmentRequested", "ShipmentFailed", "ShipmentSentLate"],
    );
    group(&mut world, "all", &["a", "b"], &[("a", true), ("b", true)], true);
    group(
        &mut world,
        "some",
        &["c", "d"],
        &[("d", false), ("c", true)],
        true,
    );
    group(&mut world, "few", &["e", "f"], &[("e", true)], false);
    world
}

/// A group whose guests have these results; it ends with the last one, or at its deadline.
fn group(world: &mut World, id: &str, guests: &[&str], results: &[(&str, bool)], all_in: bool) {
    let stream = format!("groupCheckout-{id}");
    let fields = json!({ "group_checkout_id": id });
    world.commit(
        &stream,
        &[(
            "GroupCheckoutInitiated",
            with(&fields, &json!({ "guest_stay_ids": guests })),
        )],
    );
    let (mut completed, mut failed) = (0, Vec::new());
    for (place, (guest, left)) in results.iter().enumerate() {
        let outcome = if *left { "completed" } else { "failed" };
        let of_guest = with(&fields, &json!({ "guest_stay_id": guest, "outcome": outcome }));
        let answered = if *left {
            "GuestCheckoutCompleted"
        } else {
            "GuestCheckoutFailed"
        };
        let stay = format!("guestStay-{guest}");
        world.commit(&stay, &[("GuestCheckedIn", json!({}))]);
        world.commit(
            &stay,
            &[("ChargeRecorded", json!({ "charge_id": "bar", "amount": 12.5 }))],
        );
        if *left {
            world.commit(
                &stay,
                &[(
                    "GuestPaymentRecorded",
                    json!({ "payment_id": "cash", "amount": 12.5 }),
                )],
            );
        }
        world.commit(&stay, &[(answered, of_guest.clone())]);
        let mut commit = vec![("GuestCheckoutRecorded", of_guest)];
        if *left {
            completed += 1;
        } else {
            failed.push(*guest);
            let told = json!({ "failed_guest_ids": [guest], "completed_count": completed, "failed_count": failed.len() });
            commit.push(("GroupCheckoutFailureNotified", told));
        }
        if all_in && place + 1 == guests.len() {
            let counts = json!({ "failed_guest_ids": failed, "completed_count": completed, "failed_count": failed.len() });
            commit.push(if failed.is_empty() {
                ("GroupCheckoutCompleted", fields.clone())
            } else {
                ("GroupCheckoutFailed", counts)
            });
        }
        world.commit(&stream, &commit);
    }
    if !all_in {
        let heard: Vec<_> = results.iter().map(|(guest, _)| *guest).collect();
        let open: Vec<_> = guests.iter().filter(|guest| !heard.contains(guest)).collect();
        world.commit(
            &stream,
            &[("GroupCheckoutTimedOut", json!({ "incomplete_guest_ids": open }))],
        );
    }
    let events: Vec<_> = world.streams[&stream]
        .iter()
        .flatten()
        .map(|(kind, _)| *kind)
        .collect();
    let told = (1..)
        .zip(events)
        .filter(|(_, kind)| kind.starts_with("GroupCheckout") && *kind != "GroupCheckoutInitiated");
    let id = stream.parse().expect("a stream's name");
    let notified = world.evidence.outbound.entry(NOTIFICATIONS.into()).or_default();
    notified.extend(told.map(|(at, _)| event_id(&id, at).to_string()));
}

#[test]
fn nothing_is_found_in_a_sound_world() {
    let findings = judge(&sound().evidence());
    assert_eq!(findings.problems(), [""; 0]);
    let counts = Counts {
        orders: 4,
        completed: 1,
        cancelled: 3,
        groups: 3,
        groups_ended: 3,
        ..findings.counts
    };
    assert_eq!(findings.counts, counts);
    assert_eq!(findings.counts.refused + findings.counts.exhausted, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_found_in_a_bundle_on_which_every_scenario_was_played() {
    let stories = Stories::of_scenarios().await;
    let mut evidence = Evidence::of(&stories.bundle).await;
    for (queue, bodies) in stories.accepted {
        let told = bodies.into_iter().map(|body| (queue.clone(), body));
        evidence.told.extend(told);
    }
    let findings = judge(&evidence);
    assert_eq!(findings.problems(), [""; 0]);
    let orders = order_scenarios().len();
    assert_eq!(
        (findings.counts.orders, findings.counts.groups_ended),
        (orders, group_scenarios().len())
    );
    assert!(findings.counts.completed > 0 && findings.counts.cancelled > 0);
}

/// Tampers with a sound world; the checker has to say so in these words.
fn is_noticed(in_words: &str, tamper: impl FnOnce(&mut World)) {
    let mut world = sound();
    tamper(&mut world);
    let findings = judge(&world.evidence());
    let problems = findings.problems().join("\n");
    assert!(
        problems.contains(in_words),
        "expected {in_words:?}, found:\n{problems}"
    );
}

fn order(cart: &str) -> String {
    format!("order-{}", order_id(cart))
}

fn payment(cart: &str) -> String {
    format!("payment-{}", of_order("payment", cart))
}

fn shipment(cart: &str) -> String {
    format!("shipment-{}", of_order("shipment", cart))
}

// 1. A cart makes at most one order, an order at most one payment and one shipment.

#[test]
fn a_second_order_of_a_cart_is_noticed() {
    is_noticed("comes from cart done, whose order has another id", |world| {
        let streams = world.streams.clone();
        world
            .streams
            .insert("order-another".into(), streams[&order("done")].clone());
    });
}

#[test]
fn a_cart_that_is_finalized_twice_is_noticed() {
    is_noticed("CartFinalized at 2 comes when it is finalized", |world| {
        let again = world.of("cart-done")[0].clone();
        world.of("cart-done").push(again);
    });
}

#[test]
fn a_second_payment_or_shipment_of_an_order_is_noticed() {
    is_noticed("whose payment has another id", |world| {
        let streams = world.streams.clone();
        world
            .streams
            .insert("payment-another".into(), streams[&payment("done")].clone());
    });
    is_noticed("whose shipment has another id", |world| {
        let streams = world.streams.clone();
        world
            .streams
            .insert("shipment-another".into(), streams[&shipment("done")].clone());
    });
}

#[test]
fn a_payment_without_an_order_is_noticed() {
    is_noticed("PaymentRequested is for an order that does not exist", |world| {
        world.streams.remove(&order("declined"));
    });
}

// 2. Every order ends, exactly once.

#[test]
fn an_order_that_does_not_end_is_noticed() {
    is_noticed("is confirmed", |world| {
        world.of(&order("done")).pop();
    });
    is_noticed("cart-declined is finalized and has no order", |world| {
        world.streams.remove(&order("declined"));
    });
}

#[test]
fn an_order_that_ends_twice_is_noticed() {
    is_noticed("OrderCancelled at 4 comes when it is completed", |world| {
        let cancelled = json!({ "order_id": order_id("done"), "cause": "shipment_failed", "reason": "" });
        world.commit(&order("done"), &[("OrderCancelled", cancelled)]);
    });
    is_noticed("OrderCompleted at 4 comes when it is completed", |world| {
        let again = world.of(&order("done"))[2].clone();
        world.of(&order("done")).push(again);
    });
}

#[test]
fn an_early_withdrawal_that_does_not_count_is_noticed() {
    let early = (
        "OrderWithdrawnEarly",
        json!({ "order_id": order_id("late"), "reason": "no more" }),
    );
    // Right: the order is cancelled as it is initialized.
    let mut world = sound();
    let order_late = world.of(&order("late"));
    let [initialized, cancelled] = [order_late[0][0].clone(), order_late[1][0].clone()];
    *order_late = vec![vec![early.clone()], vec![initialized, cancelled]];
    assert_eq!(judge(&world.evidence()).problems(), [""; 0]);

    let does_not_count = "was withdrawn early and is not cancelled by the commit that initializes it";
    is_noticed(does_not_count, |world| {
        world.of(&order("late")).insert(0, vec![early.clone()]);
    });
    is_noticed("OrderConfirmed at 3 comes when it is withdrawn", |world| {
        let early = (
            "OrderWithdrawnEarly",
            json!({ "order_id": order_id("done"), "reason": "no more" }),
        );
        world.of(&order("done")).insert(0, vec![early]);
    });
    is_noticed("a message to withdraw-order has disappeared", |world| {
        let command = json!({ "order_id": order_id("new"), "reason": "no more" });
        let told = (
            "withdraw-order".to_owned(),
            json!({ "command": command }).to_string(),
        );
        world.evidence.told.push(told);
    });
}

#[test]
fn a_charge_that_disappears_is_noticed() {
    is_noticed("a message to record-charge has disappeared", |world| {
        let command = json!({ "guest_stay_id": "a", "charge_id": "sauna", "amount": 5 });
        let told = (
            "record-charge".to_owned(),
            json!({ "command": command }).to_string(),
        );
        world.evidence.told.push(told);
    });
}

#[test]
fn a_payment_that_completes_when_its_time_is_up_is_noticed() {
    is_noticed("its payment completed when its time was up", |world| {
        let commits = world.of(&payment("done"));
        let (due, completed) = (json!({ "due_at": AT }), json!({ "completed_at": AT }));
        commits[0][0].1 = with(&commits[0][0].1, &due);
        commits[1][0].1 = with(&commits[1][0].1, &completed);
    });
}

#[test]
fn a_deadline_that_passes_before_the_time_that_was_recorded_is_noticed() {
    let early = |name: &str| json!({ "error": "timed out", "due_at": "2026-11-23T08:15:00.000Z", name: AT });
    is_noticed(
        "PaymentFailed times out before the time that OrderInitialized says",
        |world| {
            for (stream, commit) in [(order("declined"), 0), (payment("declined"), 1)] {
                let fields = &mut world.of(&stream)[commit][0].1;
                *fields = with(fields, &early("failed_at"));
            }
        },
    );
    is_noticed(
        "ShipmentFailed times out before the time that OrderConfirmed says",
        |world| {
            for stream in [order("unsent"), shipment("unsent")] {
                let fields = &mut world.of(&stream)[1][0].1;
                *fields = with(fields, &early("failed_at"));
            }
        },
    );
    is_noticed(
        "groupCheckout-few times out before the time that GroupCheckoutInitiated says",
        |world| {
            for commit in world.of("groupCheckout-few") {
                commit[0].1 = with(&commit[0].1, &early("timed_out_at"));
            }
        },
    );
}

// 3. Completed means paid for and sent.

#[test]
fn an_order_that_is_completed_and_not_paid_for_or_not_sent_is_noticed() {
    is_noticed("is completed and not paid for", |world| {
        world.of(&payment("done")).pop();
    });
    is_noticed("is completed and not paid for", |world| {
        let discarded = world.of(&payment("unsent"))[2][0].1.clone();
        let own = with(
            &discarded,
            &json!({ "payment_id": of_order("payment", "done"), "order_id": order_id("done") }),
        );
        world.commit(&payment("done"), &[("PaymentDiscarded", own)]);
    });
    is_noticed("is completed and not sent", |world| {
        world.of(&shipment("done")).pop();
    });
}

#[test]
fn an_order_that_is_confirmed_before_it_is_paid_is_noticed() {
    is_noticed("is confirmed without its payment", |world| {
        world.of(&payment("unsent")).truncate(1);
    });
    is_noticed("is confirmed by payment \"\"", |world| {
        world.of(&order("done"))[1][0].1["payment_id"] = json!("");
    });
}

// 4. Cancelled means no money is kept, and nothing is requested from the carrier.

#[test]
fn money_of_a_cancelled_order_that_is_kept_is_noticed() {
    is_noticed("is cancelled and its money is kept", |world| {
        world.of(&payment("unsent")).pop();
    });
    is_noticed(
        "money that came late is not given back in the same commit",
        |world| {
            world.of(&payment("late"))[2].pop();
        },
    );
    is_noticed(
        "money that came late is not given back in the same commit",
        |world| {
            let discarded = world.of(&payment("late"))[2].split_off(1);
            world.of(&payment("late")).push(discarded);
        },
    );
}

#[test]
fn money_that_is_given_back_twice_or_for_nothing_is_noticed() {
    is_noticed("its money is given back 2 times", |world| {
        let again = world.of(&payment("unsent"))[2].clone();
        world.of(&payment("unsent")).push(again);
    });
    is_noticed("PaymentDiscarded at 3 comes when it is closed", |world| {
        let fields = world.of(&payment("declined"))[1][0].1.clone();
        world.commit(&payment("declined"), &[("PaymentDiscarded", fields)]);
    });
}

#[test]
fn a_payment_of_a_cancelled_order_that_stays_open_is_noticed() {
    is_noticed("is requested", |world| {
        world.of(&payment("late")).truncate(1);
    });
}

#[test]
fn a_shipment_of_an_order_that_was_not_confirmed_is_noticed() {
    is_noticed("has a shipment and was never confirmed", |world| {
        let requested = world.of(&shipment("done"))[0][0].1.clone();
        let id = of_order("shipment", "late");
        let own = with(
            &requested,
            &json!({ "shipment_id": id, "order_id": order_id("late") }),
        );
        world.commit(&shipment("late"), &[("ShipmentRequested", own)]);
    });
}

#[test]
fn a_shipment_that_is_requested_after_it_failed_is_noticed() {
    is_noticed("ShipmentRequested at 2 comes when it is failed", |world| {
        world.of(&shipment("unsent")).swap(0, 1);
    });
}

#[test]
fn a_cancellation_for_a_cause_that_did_not_happen_is_noticed() {
    is_noticed("because of \"payment_failed\", which did not happen", |world| {
        world.of(&payment("declined"))[1][0].0 = "PaymentVoided";
    });
    is_noticed("and the error was \"card declined\"", |world| {
        world.of(&order("declined"))[1][0].1["reason"] = json!("because");
    });
    is_noticed(
        "is cancelled because of \"withdrawn\" after it was confirmed",
        |world| {
            world.of(&order("unsent"))[2][0].1["cause"] = json!("withdrawn");
        },
    );
}

// 5. A command's effect happens once.

#[test]
fn a_second_effect_of_a_command_is_noticed() {
    is_noticed("is a second effect of a command that had one at 1", |world| {
        let mut items = std::mem::take(&mut world.evidence.commits);
        let stream = "guestStay-zoe";
        items.push(item(stream, 1, &[("GuestCheckedIn", json!({}))]));
        let mut again = item(
            stream,
            2,
            &[("ChargeRecorded", json!({ "charge_id": "bar", "amount": 1 }))],
        );
        again.insert("events".into(), {
            let Some(AttributeValue::L(mut events)) = again.get("events").cloned() else {
                return;
            };
            if let Some(AttributeValue::M(event)) = events.first_mut() {
                event.insert(
                    "causation_id".into(),
                    AttributeValue::S(format!("cause of {stream} at 1")),
                );
            }
            AttributeValue::L(events)
        });
        items.push(again);
        world.evidence.commits = items;
    });
}

#[test]
fn a_charge_or_a_late_fact_that_counts_twice_is_noticed() {
    is_noticed("ChargeRecorded bar counts twice", |world| {
        let again = world.of("guestStay-d")[1].clone();
        world.of("guestStay-d").insert(2, again);
    });
    is_noticed("PaymentFailedLate records \"card declined\" once more", |world| {
        let fields = world.of(&payment("declined"))[1][0].1.clone();
        world.commit(&payment("declined"), &[("PaymentFailedLate", fields)]);
    });
}

// 6. Nothing disappears, and nothing is retried for ever.

#[test]
fn a_message_that_never_ends_is_noticed() {
    is_noticed("3 messages are on queue confirm-order", |world| {
        world.evidence.waiting.insert("confirm-order".into(), 3);
    });
    is_noticed("order-x at 2 is in the outbox, parked", |world| {
        let entry = [
            ("stream_id", "order-x"),
            ("revision", "2"),
            ("delivery", "parked"),
        ];
        let entry = entry.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        world.evidence.outbox.push(HashMap::from(entry));
    });
}

fn letter(queue: &str, body: &str, attributes: &[(&str, &str)]) -> Letter {
    Letter {
        queue: queue.into(),
        message_id: "m-1".into(),
        body: body.into(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        sent: std::time::Duration::ZERO,
        moved_by_sqs: None,
    }
}

#[test]
fn a_dead_letter_without_a_reason_is_noticed() {
    is_noticed(
        "a message in confirm-order-dlq has the error_code \"\"",
        |world| {
            world.evidence.letters.push(letter("confirm-order", "{}", &[]));
        },
    );
    is_noticed("a message in confirm-order-dlq does not say why", |world| {
        world
            .evidence
            .letters
            .push(letter("confirm-order", "{}", &[("error_code", "rejected")]));
    });
}

#[test]
fn a_message_that_disappears_is_noticed() {
    let told = [
        ("finalize-cart", json!({ "cart_id": "gone", "client_id": "u-1" })),
        (
            "withdraw-order",
            json!({ "order_id": order_id("done"), "reason": "too late" }),
        ),
        (
            "complete-payment",
            json!({ "payment_id": of_order("payment", "declined") }),
        ),
        (
            "fail-payment",
            json!({ "payment_id": of_order("payment", "done"), "error": "no funds" }),
        ),
        (
            "send-shipment",
            json!({ "shipment_id": of_order("shipment", "late") }),
        ),
        (
            "fail-shipment",
            json!({ "shipment_id": of_order("shipment", "done"), "error": "van broke down" }),
        ),
        (
            "initiate-group-checkout",
            json!({ "group_checkout_id": "nobody" }),
        ),
        ("check-in-guest", json!({ "guest_stay_id": "nobody" })),
    ];
    for (queue, command) in told {
        let body = json!({ "command": command }).to_string();
        is_noticed(&format!("a message to {queue} has disappeared"), |world| {
            world.evidence.told.push((queue.into(), body.clone()));
        });
        let mut refused = sound();
        refused.evidence.told.push((queue.into(), body.clone()));
        let attributes = [
            ("error_code", "rejected"),
            ("error", "it can't be"),
            ("function", queue),
        ];
        refused.evidence.letters.push(letter(queue, &body, &attributes));
        assert_eq!(judge(&refused.evidence()).problems(), [""; 0], "{queue}");
    }
}

// 7. The first fact wins. 8. A gateway's late answer is recorded.

#[test]
fn a_finished_payment_or_shipment_that_flips_is_noticed() {
    is_noticed("PaymentCompleted at 3 comes when it is closed", |world| {
        let fields = world.of(&payment("declined"))[1][0].1.clone();
        world.commit(&payment("declined"), &[("PaymentCompleted", fields)]);
    });
    is_noticed("ShipmentFailed at 3 comes when it is sent", |world| {
        let fields = world.of(&shipment("done"))[1][0].1.clone();
        world.commit(&shipment("done"), &[("ShipmentFailed", fields)]);
    });
}

// Groups

#[test]
fn a_group_that_does_not_end_or_ends_twice_is_noticed() {
    is_noticed("groupCheckout-few is open", |world| {
        world.of("groupCheckout-few").pop();
    });
    is_noticed("GroupCheckoutTimedOut at 3 comes when it is ended", |world| {
        let ending = world.of("groupCheckout-few")[2].clone();
        world.of("groupCheckout-few").push(ending);
        world.of("groupCheckout-few").remove(1);
    });
    is_noticed("has heard all its guests and has not ended", |world| {
        world.of("groupCheckout-all")[2].pop();
    });
}

#[test]
fn a_guest_that_is_counted_twice_or_wrongly_is_noticed() {
    is_noticed("groupCheckout-some counts guest d twice", |world| {
        let again = world.of("groupCheckout-some")[1].clone();
        world.of("groupCheckout-some").insert(1, again);
    });
    is_noticed("counts guest stranger, who is not in it", |world| {
        world.of("groupCheckout-all")[1][0].1["guest_stay_id"] = json!("stranger");
    });
    is_noticed(
        "guestStay-c has completed for group some, which has not heard it",
        |world| {
            world.of("groupCheckout-some")[2][0].1["outcome"] = json!("failed");
        },
    );
    is_noticed("notes as late what it has counted of guest e", |world| {
        let counted = world.of("groupCheckout-few")[1][0].1.clone();
        world.commit("groupCheckout-few", &[("GuestCheckoutRecordedLate", counted)]);
    });
}

#[test]
fn counts_and_names_that_are_wrong_are_noticed() {
    is_noticed(
        "ends as GroupCheckoutFailed with 1 of 2 guests completed and 1 failed",
        |world| {
            world.of("groupCheckout-some")[2][1].1["failed_count"] = json!(2);
        },
    );
    is_noticed(
        "tells of [\"d\"] with 1 completed and 1 failed, where it should be [\"d\"], 0 and 1",
        |world| {
            world.of("groupCheckout-some")[1][1].1["completed_count"] = json!(1);
        },
    );
    is_noticed("ends as GroupCheckoutTimedOut", |world| {
        world.of("groupCheckout-few")[2][0].1["incomplete_guest_ids"] = json!(["e"]);
    });
    is_noticed("does not tell of guest d's failure", |world| {
        world.of("groupCheckout-some")[1].pop();
    });
    is_noticed("nobody was told of GroupCheckoutTimedOut", |world| {
        world.evidence.outbound.clear();
    });
}

#[test]
fn a_guest_who_leaves_with_an_open_balance_or_answers_twice_is_noticed() {
    is_noticed("guestStay-a is checked out with 12.50 open", |world| {
        world.of("guestStay-a").remove(2);
    });
    is_noticed("guestStay-d answers group some twice", |world| {
        let again = world.of("guestStay-d")[2].clone();
        world.of("guestStay-d").push(again);
    });
}

// The store

#[test]
fn a_stream_with_a_hole_or_an_overlap_is_noticed() {
    is_noticed("a commit begins at 5 where 2 is next", |world| {
        let commits = [("GuestCheckedIn", 1), ("GuestCheckoutFailed", 5)];
        let items = commits.map(|(kind, at)| item("guestStay-zoe", at, &[(kind, json!({}))]));
        world.evidence.commits.extend(items);
    });
    is_noticed("says it ends at 9, and its 1 events end at 1", |world| {
        let mut broken = item("guestStay-zoe", 1, &[("GuestCheckedIn", json!({}))]);
        broken.insert("last_revision".into(), AttributeValue::N("9".into()));
        world.evidence.commits.push(broken);
    });
}

#[test]
fn ids_that_are_not_the_computed_ones_are_noticed() {
    is_noticed("the id of GuestCheckedIn at 2 is not the computed one", |world| {
        let first = item("guestStay-zoe", 1, &[("GuestCheckoutFailed", json!({}))]);
        let mut second = item("guestStay-zoe", 1, &[("GuestCheckedIn", json!({}))]);
        for name in ["revision", "last_revision"] {
            second.insert(name.into(), AttributeValue::N("2".into()));
        }
        world.evidence.commits.extend([first, second]);
    });
    is_noticed("is another commit's too", |world| {
        let mut twin = item("guestStay-zoe", 1, &[("GuestCheckedIn", json!({}))]);
        twin.insert("commit_id".into(), AttributeValue::S("guestStay-a 1".into()));
        world.evidence.commits.push(twin);
    });
}

#[test]
fn amounts_and_items_that_are_not_the_carts_are_noticed() {
    is_noticed("PaymentCompleted is about 19.979999999999997", |world| {
        world.of(&payment("done"))[1][0].1["amount"] = json!(19.979_999_999_999_997);
    });
    is_noticed("PaymentDiscarded names no amount", |world| {
        world.of(&payment("unsent"))[2][0].1["amount"] = Value::Null;
    });
    is_noticed("the carrier was asked to send []", |world| {
        world.of(&shipment("done"))[0][0].1["product_items"] = json!([]);
    });
    is_noticed("its total_price is not the cart's", |world| {
        world.of(&order("done"))[0][0].1["total_price"] = json!(20);
    });
}
