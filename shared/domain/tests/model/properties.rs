//! What must be true of every order, and what the model must be able to reach.

use domain::order::{Cause, WithdrawOrder};
use eventsourcing::Message;
use stateright::Property;

use crate::checker::letter::Letter;
use crate::checker::sights;
use crate::rules::Rules;
use crate::world::{Facts, Own, Saga, State};

/// The names of the properties that a wrong rule is to break.
pub mod must {
    /// A cart makes at most one order, an order at most one payment and one shipment.
    pub const BE_ONE: &str = "one cart makes one order, one payment and one shipment";
    /// Completed or cancelled, once.
    pub const END_ONCE: &str = "an order ends at most once";
    /// What completion takes.
    pub const BE_PAID_AND_SENT: &str = "a completed order is paid for and sent";
    /// A contradiction that nobody can undo is on record.
    pub const RECORD_REVOCATIONS: &str =
        "an order that completed though its money was given back by hand says so";
    /// What cancellation takes.
    pub const KEEP_NO_MONEY: &str = "a cancelled order keeps no money";
    /// At most one discard.
    pub const GIVE_BACK_ONCE: &str = "money is given back at most once";
    /// A late payment and its discard are one commit.
    pub const GIVE_BACK_AT_ONCE: &str = "money that comes late is given back in the same commit";
    /// The point of no return.
    pub const REQUEST_NOTHING_AFTERWARDS: &str = "no shipment is requested once the order is cancelled";
    /// First fact wins.
    pub const NOT_FLIP: &str = "the first answer stands";
    /// The saga's own races are no errors, and an answer is never refused.
    pub const NOT_REFUSE_ITS_OWN: &str = "no command of a step or a gateway is refused";
    /// Queues keep no order, so nobody can help being early.
    pub const NOT_REFUSE_THE_EARLY: &str = "no withdrawal is refused for coming before its order";
    /// A withdrawal counts, or is refused.
    pub const HEED_WITHDRAWALS: &str = "a withdrawal that was not refused has cancelled the order";
    /// What the outside did is on record.
    pub const RECORD_ANSWERS: &str = "an answer from outside is on record when all is quiet";
    /// Quiet implies closed.
    pub const CLOSE: &str = "an order is closed when all is quiet";
    /// Whoever asks is told of an open end, and of nothing else.
    pub const TELL_WHAT_IS_OUTSTANDING: &str =
        "something is outstanding exactly as long as an order is not closed";
    /// Nothing waits for ever.
    pub const COME_TO_REST: &str = "all becomes quiet";
}

/// What there is to be seen on some path, each under a name for [`World::reaches`].
///
/// [`World::reaches`]: crate::world::World::reaches
pub mod sight {
    pub use crate::checker::sights::{COALESCED, CONFLICT, REFUSED, REPEATED};

    /// The order is completed.
    pub const COMPLETED: &str = "an order completes";
    /// The order is cancelled because of its payment.
    pub const PAYMENT_FAILED: &str = "an order is cancelled because its payment failed";
    /// The order is cancelled because of its shipment.
    pub const SHIPMENT_FAILED: &str = "an order is cancelled because its shipment failed";
    /// The order is cancelled by the customer.
    pub const WITHDRAWN: &str = "an order is withdrawn";
    /// A withdrawal comes before its order.
    pub const WITHDRAWN_EARLY: &str = "an order is withdrawn before it is initialized";
    /// An answer is there before what it answers.
    pub const WAITED: &str = "a gateway's answer waits for its request";
    /// A payment is called off.
    pub const VOIDED: &str = "a payment is voided";
    /// Money comes late.
    pub const RECEIVED_LATE: &str = "a payment is received late";
    /// Money is given back.
    pub const DISCARDED: &str = "a payment in time is given back";
    /// A payment fails after it completed.
    pub const PAYMENT_FAILED_LATE: &str = "a payment fails after it completed, and the order completes";
    /// A parcel leaves after its shipment failed.
    pub const SENT_LATE: &str = "a parcel leaves after its shipment failed";
    /// A shipment fails after the parcel left.
    pub const SHIPMENT_FAILED_LATE: &str = "a shipment fails after the parcel left, and the order completes";
    /// Somebody discards the payment of an open order, and that ends it.
    pub const REVOKED: &str = "an order is cancelled because its payment was discarded by hand";
    /// Somebody discards a payment before there is one.
    pub const REVOKED_EARLY: &str =
        "an order is cancelled because its payment was discarded before it was requested";
    /// Somebody discards the payment of a parcel that has left.
    pub const CALLED_OFF_LATE: &str = "an order completes though its money was given back by hand";
}

/// The properties of a model that is to reach these sights.
pub fn all<R: Rules>(reaches: &[&str]) -> Vec<Property<Saga<R>>> {
    let sights = sights().into_iter().chain(sights::all());
    let sights = sights.filter(|property| reaches.contains(&property.name));
    let outcomes = outcomes().into_iter().chain(exchanges());
    outcomes.chain(sights).collect()
}

/// What an order and its money come to.
fn outcomes<R: Rules>() -> Vec<Property<Saga<R>>> {
    vec![
        Property::always(must::BE_ONE, |_, state: &State| {
            let once = [
                "CartFinalized",
                "OrderInitialized",
                "PaymentRequested",
                "ShipmentRequested",
            ];
            once.iter().all(|first| state.own.facts.count(first) <= 1)
                && ["cart", "order", "payment", "shipment"]
                    .iter()
                    .all(|category| streams(state, category) <= 1)
        }),
        Property::always(must::END_ONCE, |_, state: &State| {
            state.own.facts.count("OrderCompleted") + state.own.facts.count("OrderCancelled") <= 1
        }),
        Property::always(
            must::BE_PAID_AND_SENT,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| {
                // Only by hand: see the next one.
                let is_kept = facts.count("PaymentDiscarded") == facts.count("PaymentRevoked");
                let paid = facts.count("PaymentCompleted") == 1 && is_kept;
                facts.count("OrderCompleted") == 0 || paid && facts.count("ShipmentSent") == 1
            },
        ),
        Property::always(must::RECORD_REVOCATIONS, |_, state: &State| {
            let facts = &state.own.facts;
            let is_sent_for_nothing =
                facts.count("OrderCompleted") == 1 && facts.count("PaymentDiscarded") == 1;
            !(state.is_quiet() && is_sent_for_nothing) || facts.count("ShipmentCalledOffLate") == 1
        }),
        Property::always(must::KEEP_NO_MONEY, |_, state: &State| {
            let at_its_end = state.is_quiet() && state.own.facts.cause.is_some();
            !at_its_end || received(&state.own.facts) == state.own.facts.count("PaymentDiscarded")
        }),
        Property::always(
            must::GIVE_BACK_ONCE,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| { facts.count("PaymentDiscarded") <= 1 && received(facts) <= 1 },
        ),
        Property::always(
            must::GIVE_BACK_AT_ONCE,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| { facts.count("PaymentReceivedLate") <= facts.count("PaymentDiscarded") },
        ),
    ]
}

/// What becomes of requests, answers and commands, and how it ends.
fn exchanges<R: Rules>() -> Vec<Property<Saga<R>>> {
    vec![
        Property::always(
            must::REQUEST_NOTHING_AFTERWARDS,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| {
                let never_to_be_sent = matches!(facts.cause, Some(Cause::Withdrawn | Cause::PaymentFailed));
                let requested_for_nothing = never_to_be_sent && facts.count("ShipmentRequested") > 0;
                !(facts.requested_after_the_end || requested_for_nothing)
            },
        ),
        Property::always(
            must::NOT_FLIP,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| {
                let payment = ["PaymentCompleted", "PaymentFailed", "PaymentVoided"];
                let shipment = ["ShipmentSent", "ShipmentFailed"];
                total(facts, &payment) <= 1
                    && total(facts, &shipment) <= 1
                    && facts.count("OrderConfirmed") <= 1
            },
        ),
        Property::always(must::NOT_REFUSE_ITS_OWN, |_, state: &State| {
            let from_customers = ["FinalizeCart", "WithdrawOrder"];
            state
                .refused
                .iter()
                .all(|letter| from_customers.contains(&letter.kind.as_str()))
        }),
        Property::always(must::NOT_REFUSE_THE_EARLY, |_, state: &State| {
            let decided = ["OrderWithdrawnEarly", "OrderConfirmed", "OrderCancelled"];
            withdrawals(&state.refused) == 0 || total(&state.own.facts, &decided) > 0
        }),
        Property::always(must::HEED_WITHDRAWALS, |model: &Saga<R>, state: &State| {
            let taken = withdrawals(&model.business.world.sent) > withdrawals(&state.refused);
            !(state.is_quiet() && taken) || state.own.facts.cause == Some(Cause::Withdrawn)
        }),
        Property::always(must::RECORD_ANSWERS, |_, state: &State| {
            let parcels = total(&state.own.facts, &["ShipmentSent", "ShipmentSentLate"]);
            !state.is_quiet()
                || received(&state.own.facts) == u8::from(state.own.captured)
                    && parcels == u8::from(state.own.left)
        }),
        Property::always(must::CLOSE, |_, state: &State| {
            !state.is_quiet() || is_closed(&state.own.facts)
        }),
        Property::always(
            must::TELL_WHAT_IS_OUTSTANDING,
            |model: &Saga<R>, state: &State| {
                let told = model.business.told(state);
                told.has_ended == has_ended(&state.own.facts)
                    && told.is_outstanding == (has_begun(&state.own.facts) && !is_settled(&state.own.facts))
            },
        ),
        Property::eventually(must::COME_TO_REST, |_, state: &State| state.is_quiet()),
    ]
}

fn sights<R: Rules>() -> Vec<Property<Saga<R>>> {
    vec![
        Property::sometimes(sight::COMPLETED, |_, state: &State| {
            state.own.facts.count("OrderCompleted") == 1
        }),
        Property::sometimes(sight::PAYMENT_FAILED, |_, state: &State| {
            cancelled_by(state, Cause::PaymentFailed)
        }),
        Property::sometimes(sight::SHIPMENT_FAILED, |_, state: &State| {
            cancelled_by(state, Cause::ShipmentFailed)
        }),
        Property::sometimes(sight::WITHDRAWN, |_, state: &State| {
            cancelled_by(state, Cause::Withdrawn)
        }),
        Property::sometimes(sight::WITHDRAWN_EARLY, |_, state: &State| {
            state.own.facts.count("OrderWithdrawnEarly") == 1 && cancelled_by(state, Cause::Withdrawn)
        }),
        Property::sometimes(sight::WAITED, |model: &Saga<R>, state: &State| {
            let mut sent = model.business.world.sent.iter();
            sent.any(|letter| state.in_flight.0.contains(letter) && model.waits(state, letter))
        }),
        Property::sometimes(sight::VOIDED, |_, state: &State| {
            state.own.facts.count("PaymentVoided") == 1
        }),
        Property::sometimes(sight::RECEIVED_LATE, |_, state: &State| {
            state.own.facts.count("PaymentReceivedLate") == 1
        }),
        Property::sometimes(
            sight::DISCARDED,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| {
                facts.count("PaymentCompleted") == 1 && facts.count("PaymentDiscarded") == 1
            },
        ),
        Property::sometimes(
            sight::PAYMENT_FAILED_LATE,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| {
                facts.count("PaymentFailedLate") == 1 && facts.count("OrderCompleted") == 1
            },
        ),
        Property::sometimes(sight::SENT_LATE, |_, state: &State| {
            state.own.facts.count("ShipmentSentLate") == 1
        }),
        Property::sometimes(
            sight::SHIPMENT_FAILED_LATE,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| {
                facts.count("ShipmentFailedLate") == 1 && facts.count("OrderCompleted") == 1
            },
        ),
        Property::sometimes(sight::REVOKED, |_, state: &State| {
            let is_revoked = state.own.facts.count("PaymentRevoked") == 1;
            is_revoked
                && state.own.facts.count("PaymentCompleted") == 1
                && cancelled_by(state, Cause::ShipmentFailed)
        }),
        Property::sometimes(sight::REVOKED_EARLY, |_, state: &State| {
            let (is_revoked, is_asked_for) = ("PaymentRevoked", "PaymentRequested");
            let is_early = state.own.facts.count(is_revoked) == 1 && state.own.facts.count(is_asked_for) == 0;
            is_early && cancelled_by(state, Cause::PaymentFailed)
        }),
        Property::sometimes(
            sight::CALLED_OFF_LATE,
            |_,
             State {
                 own: Own { facts, .. },
                 ..
             }: &State| {
                facts.count("ShipmentCalledOffLate") == 1 && facts.count("OrderCompleted") == 1
            },
        ),
    ]
}

fn withdrawals<'l>(letters: impl IntoIterator<Item = &'l Letter>) -> usize {
    letters
        .into_iter()
        .filter(|letter| letter.kind == WithdrawOrder::TYPE)
        .count()
}

fn cancelled_by(state: &State, cause: Cause) -> bool {
    state.is_quiet() && state.own.facts.cause == Some(cause)
}

fn streams(state: &State, category: &str) -> usize {
    state
        .table
        .keys()
        .filter(|(stream, revision)| *revision == 1 && stream.category() == category)
        .count()
}

fn received(facts: &Facts) -> u8 {
    total(facts, &["PaymentCompleted", "PaymentReceivedLate"])
}

fn total(facts: &Facts, types: &[&str]) -> u8 {
    types.iter().map(|name| facts.count(name)).sum()
}

/// Whether something was asked for that has to come to an end. What is discarded by hand before anything
/// is there is no beginning.
fn has_begun(facts: &Facts) -> bool {
    total(facts, &["CartFinalized", "OrderWithdrawnEarly"]) > 0
}

fn has_ended(facts: &Facts) -> bool {
    total(facts, &["OrderCompleted", "OrderCancelled"]) > 0
}

/// Whether it is closed, and no money is to be given back.
fn is_settled(facts: &Facts) -> bool {
    let keeps_money = facts.cause.is_some() && received(facts) > facts.count("PaymentDiscarded");
    is_closed(facts) && !keeps_money
}

/// Whether a cart that was finalized has an order, the order has ended, and nothing that was asked for
/// is unanswered.
fn is_closed(facts: &Facts) -> bool {
    let ended = total(facts, &["OrderCompleted", "OrderCancelled"]) == 1;
    let payment_settled = total(facts, &["PaymentCompleted", "PaymentFailed", "PaymentVoided"]) == 1;
    let shipment_settled =
        total(facts, &["ShipmentSent", "ShipmentFailed"]) >= facts.count("ShipmentRequested");
    facts.count("CartFinalized") == facts.count("OrderInitialized")
        && ended
        && payment_settled
        && shipment_settled
}
