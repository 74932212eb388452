//! What is still to come, by what the streams say: the next step, who has to answer, and until when.

use std::fmt;

use domain::Deadlines;
use eventsourcing::{Fields, Timestamp};
use serde::Serialize;

use super::subject::Subject;
use crate::events::Stream;
use crate::output::count;

/// Something that has to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outstanding {
    /// In words.
    pub(crate) what: String,
    /// When what it follows from was committed.
    pub(crate) since: Timestamp,
    /// When a deadline settles it at the latest; none if nothing but a redrive would.
    pub(crate) due_at: Option<Timestamp>,
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, since {}", self.what, self.since)?;
        match self.due_at {
            Some(due_at) => write!(f, "; its deadline is at {due_at}"),
            None => Ok(()),
        }
    }
}

const ORDER: [&str; 4] = [
    "OrderInitialized",
    "OrderConfirmed",
    "OrderCompleted",
    "OrderCancelled",
];
const PAYMENT: [&str; 6] = [
    "PaymentRequested",
    "PaymentCompleted",
    "PaymentFailed",
    "PaymentVoided",
    "PaymentReceivedLate",
    "PaymentDiscarded",
];
const SHIPMENT: [&str; 3] = ["ShipmentRequested", "ShipmentSent", "ShipmentFailed"];
const GROUP_ENDINGS: [&str; 3] = [
    "GroupCheckoutCompleted",
    "GroupCheckoutFailed",
    "GroupCheckoutTimedOut",
];
const GUEST_RESULTS: [&str; 2] = ["GuestCheckoutCompleted", "GuestCheckoutFailed"];

/// How it ended; none while it is open.
pub(crate) fn ending(subject: &Subject, streams: &[Stream]) -> Option<String> {
    let endings: &[&str] = match subject {
        Subject::Order(..) => &["OrderCompleted", "OrderCancelled"],
        Subject::Guest(_) => &["GuestCheckoutCompleted"],
        Subject::Group(_) => &GROUP_ENDINGS,
    };
    let ended = streams.iter().find_map(|stream| stream.newest(endings));
    ended.map(|(_, event)| event.event_type.clone())
}

/// What is outstanding.
pub(crate) fn of(
    subject: &Subject,
    streams: &[Stream],
    guests: &[Stream],
    deadlines: &Deadlines,
) -> Vec<Outstanding> {
    match subject {
        Subject::Order(..) => of_order(streams, deadlines).into_iter().collect(),
        Subject::Guest(_) => Vec::new(),
        Subject::Group(_) => of_group(streams, guests, subject, deadlines),
    }
}

fn of_order(streams: &[Stream], deadlines: &Deadlines) -> Option<Outstanding> {
    let newest = |types: &[&str]| streams.iter().find_map(|stream| stream.newest(types));
    let Some((at, order)) = newest(&ORDER) else {
        let (since, _) = newest(&["CartFinalized"])?;
        return Some(step("InitializeOrder", since, None));
    };
    let payment = newest(&PAYMENT).map(|(at, event)| (at, event.event_type.as_str()));
    let shipment = newest(&SHIPMENT).map(|(at, event)| (at, event.event_type.as_str()));
    match order.event_type.as_str() {
        "OrderInitialized" => Some(of_payment(payment, at, at.plus(deadlines.payment))),
        "OrderConfirmed" => Some(of_shipment(shipment, at, at.plus(deadlines.shipment))),
        "OrderCancelled" => of_money(payment, at),
        _ => None,
    }
}

type Newest<'a> = Option<(Timestamp, &'a str)>;

/// An order that is initialized waits for its payment.
fn of_payment(payment: Newest<'_>, initialized: Timestamp, due_at: Timestamp) -> Outstanding {
    match payment {
        None => step("RequestPayment", initialized, Some(due_at)),
        Some((since, "PaymentRequested")) => answer("the payment provider", since, due_at),
        Some((since, "PaymentCompleted")) => step("ConfirmOrder", since, None),
        Some((since, _)) => step("CancelOrder", since, None),
    }
}

/// An order that is confirmed waits for its shipment.
fn of_shipment(shipment: Newest<'_>, confirmed: Timestamp, due_at: Timestamp) -> Outstanding {
    match shipment {
        None => step("RequestShipment", confirmed, Some(due_at)),
        Some((since, "ShipmentRequested")) => answer("the carrier", since, due_at),
        Some((since, "ShipmentSent")) => step("CompleteOrder", since, None),
        Some((since, _)) => step("CancelOrder", since, None),
    }
}

/// No money of a cancelled order is kept.
fn of_money(payment: Newest<'_>, cancelled: Timestamp) -> Option<Outstanding> {
    let why = match payment {
        None | Some((_, "PaymentRequested")) => "the payment is to be called off",
        Some((_, "PaymentCompleted" | "PaymentReceivedLate")) => "the money is to be given back",
        Some(_) => return None,
    };
    Some(step(&format!("DiscardPayment ({why})"), cancelled, None))
}

fn step(command: &str, since: Timestamp, due_at: Option<Timestamp>) -> Outstanding {
    Outstanding {
        what: format!("{command} has not been carried out"),
        since,
        due_at,
    }
}

fn answer(who: &str, since: Timestamp, due_at: Timestamp) -> Outstanding {
    Outstanding {
        what: format!("{who} has not answered"),
        since,
        due_at: Some(due_at),
    }
}

/// A group waits for its guests: those who have not answered, and those whose answer is on its way.
fn of_group(
    streams: &[Stream],
    guests: &[Stream],
    subject: &Subject,
    deadlines: &Deadlines,
) -> Vec<Outstanding> {
    let Some(group) = streams.first() else {
        return Vec::new();
    };
    let Some((since, _)) = group.newest(&["GroupCheckoutInitiated"]) else {
        return Vec::new();
    };
    if GROUP_ENDINGS.iter().any(|ending| group.has(ending)) {
        return Vec::new();
    }
    let heard: Vec<_> = group
        .events()
        .filter(|(_, event)| event.event_type == "GuestCheckoutRecorded")
        .filter_map(|(_, event)| Fields::of(&event.data)?.get::<String>("guest_stay_id").ok())
        .map(|guest| format!("guestStay-{guest}"))
        .collect();
    let heard: std::collections::BTreeSet<_> = heard.iter().map(String::as_str).collect();
    let open = guests.iter().filter(|guest| !heard.contains(guest.id.as_str()));
    let (answered, silent): (Vec<_>, Vec<_>) = open.partition(|guest| {
        let results = guest
            .events()
            .filter(|(_, event)| GUEST_RESULTS.contains(&event.event_type.as_str()));
        results.into_iter().any(|(_, event)| subject.is_told_by(event))
    });
    let due_at = Some(since.plus(deadlines.group_checkout));
    let all = guests.len();
    let waits = |guests: &[&Stream], what: &str| {
        (!guests.is_empty()).then(|| Outstanding {
            what: format!(
                "{what} of {} of {all}: {}",
                count(guests.len(), "guest", "guests"),
                some(guests)
            ),
            since,
            due_at,
        })
    };
    let silent = waits(&silent, "the checkout");
    let answered = waits(&answered, "the group has not heard the result");
    silent.into_iter().chain(answered).collect()
}

/// The first few of them.
fn some(guests: &[&Stream]) -> String {
    let first: Vec<_> = guests.iter().take(5).map(|guest| guest.id.as_str()).collect();
    match guests.len().saturating_sub(5) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use domain::values::OrderId;
    use eventsourcing::{Commit, NewEvent, Position, StreamId};
    use uuid::Uuid;

    fn stream(name: &str, types: &[&'static str]) -> Stream {
        let id: StreamId = name.parse().expect("a stream's name");
        let event = |event_type| NewEvent {
            event_type,
            schema_version: 1,
            data: "{}".into(),
            correlation_id: String::new(),
            causation_id: String::new(),
            trace: None,
        };
        let events: Vec<_> = types.iter().copied().map(event).collect();
        let commit = Commit::at(
            Position::START,
            &id,
            Uuid::nil(),
            Timestamp::from_millis(0),
            events,
        );
        Stream {
            commits: if types.is_empty() { vec![] } else { vec![commit] },
            faults: Vec::new(),
            id,
        }
    }

    fn outstanding(order: &[&'static str], payment: &[&'static str], shipment: &[&'static str]) -> String {
        let cart = "c-1".parse().expect("an id");
        let subject = Subject::Order(OrderId::of_cart(&cart), Some(cart));
        let streams = [
            stream("cart-c-1", &["CartFinalized"]),
            stream("order-o", order),
            stream("payment-p", payment),
            stream("shipment-s", shipment),
        ];
        let all = of(&subject, &streams, &[], &Deadlines::default());
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    const SINCE: &str = "since 1970-01-01T00:00:00.000Z";

    #[test]
    fn an_open_order_waits_for_its_next_step_or_for_an_answer() {
        let initialized = ["OrderInitialized"];
        let confirmed = ["OrderInitialized", "OrderConfirmed"];
        let paid = ["PaymentRequested", "PaymentCompleted"];
        let cases = [
            (
                outstanding(&[], &[], &[]),
                "InitializeOrder has not been carried out",
            ),
            (
                outstanding(&initialized, &[], &[]),
                "RequestPayment has not been carried out",
            ),
            (
                outstanding(&initialized, &paid[..1], &[]),
                "the payment provider has not answered",
            ),
            (
                outstanding(&initialized, &paid, &[]),
                "ConfirmOrder has not been carried out",
            ),
            (
                outstanding(&confirmed, &paid, &[]),
                "RequestShipment has not been carried out",
            ),
            (
                outstanding(&confirmed, &paid, &["ShipmentRequested"]),
                "the carrier has not answered",
            ),
            (
                outstanding(&confirmed, &paid, &["ShipmentSent"]),
                "CompleteOrder has not been carried out",
            ),
            (
                outstanding(&confirmed, &paid, &["ShipmentFailed"]),
                "CancelOrder has not been carried out",
            ),
        ];
        for (found, expected) in cases {
            assert!(
                found.starts_with(&format!("{expected}, {SINCE}")),
                "{found} instead of {expected}"
            );
        }
    }

    #[test]
    fn a_deadline_is_told_where_one_settles_it() {
        let found = outstanding(&["OrderInitialized"], &["PaymentRequested"], &[]);
        assert!(
            found.ends_with("its deadline is at 1970-01-01T00:15:00.000Z"),
            "{found}"
        );
        let found = outstanding(&["OrderInitialized"], &["PaymentCompleted"], &[]);
        assert!(!found.contains("deadline"), "{found}");
    }

    #[test]
    fn a_cancelled_order_waits_until_no_money_is_kept() {
        let cancelled = ["OrderInitialized", "OrderCancelled"];
        let kept = outstanding(&cancelled, &["PaymentRequested", "PaymentCompleted"], &[]);
        assert!(
            kept.starts_with("DiscardPayment (the money is to be given back)"),
            "{kept}"
        );
        let unanswered = outstanding(&cancelled, &["PaymentRequested"], &[]);
        assert!(unanswered.contains("called off"), "{unanswered}");
        for settled in ["PaymentVoided", "PaymentFailed", "PaymentDiscarded"] {
            assert_eq!(outstanding(&cancelled, &["PaymentRequested", settled], &[]), "");
        }
    }

    #[test]
    fn nothing_is_outstanding_of_a_completed_order() {
        let all = outstanding(
            &["OrderConfirmed", "OrderCompleted"],
            &["PaymentCompleted"],
            &["ShipmentSent"],
        );
        assert_eq!(all, "");
    }
}
