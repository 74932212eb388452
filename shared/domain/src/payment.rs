//! The payment of an order: requested from the payment provider, then completed or failed, or closed
//! because its order was cancelled. Whatever money came in for nothing is given back, once.
//!
//! The provider's first answer counts. A later one that contradicts it is recorded and handled, but
//! never turns it: money that arrives after the payment failed, timed out or was voided is recorded
//! as received late and given back in the same commit. An answer is in time if it is decided before the
//! deadline, whether or not the command that says so has come.
//!
//! The saga discards a payment because its order is cancelled, and says why. Somebody may discard one by
//! hand whose order is open: then the order has to end because of that, and [`PaymentRevoked`] tells it.
//! Without that event of its own, each cancelled order's discard would be a message to a step and a command
//! to the order that find nothing to do.

use std::collections::BTreeSet;

use eventsourcing::{Category, Decider, Decision, Refusal, Text, Timestamp, commands, events, message};

use crate::order::Cause;
use crate::values::{Money, OrderId, PaymentId};

message! {
    /// Asks the provider for the money. Sent by the saga.
    pub struct RequestPayment {
        /// The id computed from the order's.
        pub payment_id: PaymentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// How much.
        pub amount: Money,
        /// Until when the answer is waited for. Not there in requests that were sent before it was told.
        pub due_at: Option<Timestamp>,
    }
}

message! {
    /// The provider has the money. Sent by the payment gateway.
    pub struct CompletePayment {
        /// Which payment.
        pub payment_id: PaymentId,
    }
}

message! {
    /// The provider could not get the money. Sent by the payment gateway.
    pub struct FailPayment {
        /// Which payment.
        pub payment_id: PaymentId,
        /// Why, in the provider's words.
        pub error: Text,
    }
}

message! {
    /// Nothing is to be kept. Sent by the saga, for the order is cancelled; or by hand, and then an order
    /// that is open ends because of it.
    pub struct DiscardPayment {
        /// The id computed from the order's.
        pub payment_id: PaymentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// Why the order was cancelled. Said by the saga alone: without it, the order may be open.
        pub cause: Option<Cause>,
    }
}

message! {
    /// The provider had its time. A deadline, sent by the saga; it does nothing if the answer is in.
    pub struct TimeOutPayment {
        /// The id computed from the order's.
        pub payment_id: PaymentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// How much was to be paid. A payment whose request got stuck fails all the same.
        pub amount: Money,
        /// When the time is up.
        pub due_at: Timestamp,
    }
}

commands! {
    /// What a payment is asked to do.
    pub enum PaymentCommand for Payment {
        RequestPayment => payment_id + creates,
        CompletePayment => payment_id,
        FailPayment => payment_id,
        DiscardPayment => payment_id,
        TimeOutPayment => payment_id + deadline,
    }
}

message! {
    /// The provider is to get the money.
    pub struct PaymentRequested {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// How much.
        pub amount: Money,
        /// When.
        pub requested_at: Timestamp,
        /// Until when the answer is waited for. Not there in events that were written before it was recorded.
        pub due_at: Option<Timestamp>,
    }
}

message! {
    /// The money is in, in time: the order's go-ahead.
    pub struct PaymentCompleted {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// How much.
        pub amount: Money,
        /// When.
        pub completed_at: Timestamp,
    }
}

message! {
    /// The provider could not get the money, or did not answer in time.
    pub struct PaymentFailed {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// How much was asked for.
        pub amount: Money,
        /// Why.
        pub error: Text,
        /// When.
        pub failed_at: Timestamp,
    }
}

message! {
    /// The payment was called off before the provider had answered.
    pub struct PaymentVoided {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// When.
        pub voided_at: Timestamp,
        /// Why the order was cancelled; not there if it was not, as far as whoever asked for this knew.
        pub cause: Option<Cause>,
    }
}

message! {
    /// Money came in after the payment had failed or been voided. [`PaymentDiscarded`] follows.
    pub struct PaymentReceivedLate {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// How much; not there if the payment was voided before it was requested, so that nobody here
        /// ever learnt it.
        pub amount: Option<Money>,
        /// When.
        pub received_at: Timestamp,
    }
}

message! {
    /// The provider is to give the money back.
    pub struct PaymentDiscarded {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// How much; not there where [`PaymentReceivedLate`] has none: then all that was received.
        pub amount: Option<Money>,
        /// When.
        pub discarded_at: Timestamp,
    }
}

message! {
    /// The provider reported a failure of a payment that was settled already. What was settled stands.
    pub struct PaymentFailedLate {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// Why, in the provider's words.
        pub error: Text,
        /// When.
        pub failed_at: Timestamp,
    }
}

message! {
    /// The payment was discarded though its order had not been cancelled: it can't go on.
    pub struct PaymentRevoked {
        /// Which payment.
        pub payment_id: PaymentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// How much had come in, in time, and was given back; not there if the provider had not answered.
        pub amount: Option<Money>,
        /// When.
        pub revoked_at: Timestamp,
    }
}

events! {
    /// What happens to a payment.
    pub enum PaymentEvent {
        PaymentRequested,
        PaymentCompleted,
        PaymentFailed,
        PaymentVoided,
        PaymentReceivedLate,
        PaymentDiscarded,
        PaymentFailedLate,
        PaymentRevoked,
    }
}

/// The rules of a payment.
#[derive(Clone, Copy, Debug)]
pub struct Payment;

/// What has become of a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PaymentState {
    phase: Phase,
    /// The failures that were recorded, so that a repeat of one is told from another one.
    failures: BTreeSet<Text>,
}

impl PaymentState {
    /// Where it stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }
}

/// Where a payment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The provider has not been asked.
    #[default]
    NotRequested,
    /// The provider has not answered.
    Requested {
        /// The order it is for.
        order_id: OrderId,
        /// How much.
        amount: Money,
        /// Until when the answer is waited for, if that was recorded.
        due_at: Option<Timestamp>,
    },
    /// The money is in.
    Completed(OrderId, Money),
    /// Failed, voided or discarded.
    Closed {
        /// The order it was for.
        order_id: OrderId,
        /// How much was asked for, if that was ever known.
        amount: Option<Money>,
        /// Whether money was received and given back.
        given_back: bool,
        /// Whether its order ends: it was cancelled, or is told to. If not, the payment was voided by hand
        /// before it was requested, and nobody knows whether there is an order yet; the deadline, which
        /// an order sets, tells it.
        order_ends: bool,
    },
}

impl Decider for Payment {
    const CATEGORY: Category = Category::new("payment");
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type State = PaymentState;
    type Settings = ();

    fn evolve(mut state: PaymentState, event: &PaymentEvent) -> PaymentState {
        state.phase = match event {
            PaymentEvent::PaymentRequested(e) => Phase::Requested {
                order_id: e.order_id.clone(),
                amount: e.amount,
                due_at: e.due_at,
            },
            PaymentEvent::PaymentCompleted(e) => Phase::Completed(e.order_id.clone(), e.amount),
            PaymentEvent::PaymentFailed(e) => {
                state.failures.insert(e.error.clone());
                Phase::Closed {
                    order_id: e.order_id.clone(),
                    amount: Some(e.amount),
                    given_back: false,
                    order_ends: true,
                }
            }
            PaymentEvent::PaymentVoided(e) => {
                let amount = if let Phase::Requested { amount, .. } = state.phase {
                    Some(amount)
                } else {
                    None
                };
                Phase::Closed {
                    order_id: e.order_id.clone(),
                    amount,
                    given_back: false,
                    order_ends: e.cause.is_some(),
                }
            }
            PaymentEvent::PaymentDiscarded(e) => Phase::Closed {
                order_id: e.order_id.clone(),
                amount: e.amount,
                given_back: true,
                order_ends: !matches!(
                    state.phase,
                    Phase::Closed {
                        order_ends: false,
                        ..
                    }
                ),
            },
            PaymentEvent::PaymentRevoked(_) => state.phase.with_its_order_told(),
            PaymentEvent::PaymentFailedLate(e) => {
                state.failures.insert(e.error.clone());
                state.phase
            }
            PaymentEvent::PaymentReceivedLate(_) => state.phase,
        };
        state
    }

    fn decide(state: &PaymentState, command: &PaymentCommand, (): &(), now: Timestamp) -> Decided {
        match command {
            PaymentCommand::RequestPayment(command) => request(&state.phase, command, now),
            PaymentCommand::CompletePayment(command) => complete(&state.phase, &command.payment_id, now),
            PaymentCommand::FailPayment(command) => fail(state, command, now),
            PaymentCommand::DiscardPayment(command) => discard(&state.phase, command, now),
            PaymentCommand::TimeOutPayment(command) => time_out(&state.phase, command, now),
        }
    }
}

impl Phase {
    fn with_its_order_told(mut self) -> Self {
        if let Self::Closed { order_ends, .. } = &mut self {
            *order_ends = true;
        }
        self
    }
}

type Decided = Result<Decision<PaymentEvent>, Refusal>;

fn request(phase: &Phase, command: &RequestPayment, now: Timestamp) -> Decided {
    check_id(&command.payment_id, &command.order_id)?;
    match phase {
        // Nobody is asked for money that is not expected any more.
        Phase::NotRequested if is_over(command.due_at, now) => Ok(Decision::one(timed_out(
            &command.payment_id,
            &command.order_id,
            command.amount,
            now,
        ))),
        Phase::NotRequested => Ok(Decision::one(PaymentRequested {
            payment_id: command.payment_id.clone(),
            order_id: command.order_id.clone(),
            amount: command.amount,
            requested_at: now,
            due_at: command.due_at,
        })),
        Phase::Requested { amount, .. }
        | Phase::Completed(_, amount)
        | Phase::Closed {
            amount: Some(amount), ..
        } if *amount != command.amount => Err(Refusal::Rejected(format!(
            "payment {} is known already, with another amount",
            command.payment_id
        ))),
        // Asked for before, or called off before it was asked for.
        _ => Ok(Decision::Nothing),
    }
}

fn complete(phase: &Phase, id: &PaymentId, now: Timestamp) -> Decided {
    match phase {
        Phase::NotRequested => not_there_yet(id),
        // Its deadline has passed, and only the command that says so is not here yet: when queues or functions were
        // down, answers and deadlines come together, in any order.
        Phase::Requested {
            order_id,
            amount,
            due_at,
        } if is_over(*due_at, now) => {
            let mut events = vec![timed_out(id, order_id, *amount, now).into()];
            events.extend(received_late(id, order_id, Some(*amount), now));
            Ok(Decision::Record(events))
        }
        Phase::Requested { order_id, amount, .. } => Ok(Decision::one(PaymentCompleted {
            payment_id: id.clone(),
            order_id: order_id.clone(),
            amount: *amount,
            completed_at: now,
        })),
        Phase::Completed(..) | Phase::Closed { given_back: true, .. } => Ok(Decision::Nothing),
        Phase::Closed {
            order_id,
            amount,
            given_back: false,
            ..
        } => Ok(Decision::Record(received_late(id, order_id, *amount, now).into())),
    }
}

/// Whether a deadline has passed, as far as it is known.
fn is_over(due_at: Option<Timestamp>, now: Timestamp) -> bool {
    due_at.is_some_and(|due_at| due_at <= now)
}

/// Money that came in for nothing, and goes back at once.
fn received_late(
    id: &PaymentId,
    order_id: &OrderId,
    amount: Option<Money>,
    now: Timestamp,
) -> [PaymentEvent; 2] {
    let received = PaymentReceivedLate {
        payment_id: id.clone(),
        order_id: order_id.clone(),
        amount,
        received_at: now,
    };
    [received.into(), discarded(id, order_id, amount, now)]
}

fn fail(state: &PaymentState, command: &FailPayment, now: Timestamp) -> Decided {
    let (payment_id, error) = (command.payment_id.clone(), command.error.clone());
    match &state.phase {
        Phase::NotRequested => not_there_yet(&payment_id),
        Phase::Requested { order_id, amount, .. } => Ok(Decision::one(failed(
            payment_id,
            order_id.clone(),
            *amount,
            error,
            now,
        ))),
        Phase::Completed(..) | Phase::Closed { .. } if state.failures.contains(&error) => {
            Ok(Decision::Nothing)
        }
        Phase::Completed(order_id, _) | Phase::Closed { order_id, .. } => {
            Ok(Decision::one(PaymentFailedLate {
                payment_id,
                order_id: order_id.clone(),
                error,
                failed_at: now,
            }))
        }
    }
}

fn discard(phase: &Phase, command: &DiscardPayment, now: Timestamp) -> Decided {
    let (id, order_id) = (&command.payment_id, &command.order_id);
    check_id(id, order_id)?;
    let voided = PaymentVoided {
        payment_id: id.clone(),
        order_id: order_id.clone(),
        voided_at: now,
        cause: command.cause,
    };
    let (closed, revoked) = match phase {
        Phase::Closed { .. } => return Ok(Decision::Nothing),
        Phase::NotRequested => (voided.into(), None),
        Phase::Requested { order_id, .. } => (voided.into(), Some(revoked(id, order_id, None, now))),
        Phase::Completed(order_id, amount) => (
            discarded(id, order_id, Some(*amount), now),
            Some(revoked(id, order_id, Some(*amount), now)),
        ),
    };
    let of_an_open_order = revoked.filter(|_| command.cause.is_none());
    Ok(Decision::Record(
        [closed].into_iter().chain(of_an_open_order).collect(),
    ))
}

fn time_out(phase: &Phase, command: &TimeOutPayment, now: Timestamp) -> Decided {
    let id = &command.payment_id;
    check_id(id, &command.order_id)?;
    match phase {
        Phase::Completed(..) | Phase::Closed { order_ends: true, .. } => Ok(Decision::Nothing),
        _ if now < command.due_at => Ok(Decision::NotDue(command.due_at)),
        // What was requested counts, whatever the deadline says of it.
        Phase::Requested { order_id, amount, .. } => Ok(Decision::one(timed_out(id, order_id, *amount, now))),
        Phase::NotRequested => Ok(Decision::one(timed_out(
            id,
            &command.order_id,
            command.amount,
            now,
        ))),
        Phase::Closed {
            order_id,
            order_ends: false,
            ..
        } => Ok(Decision::Record(vec![revoked(id, order_id, None, now)])),
    }
}

fn timed_out(id: &PaymentId, order_id: &OrderId, amount: Money, now: Timestamp) -> PaymentFailed {
    failed(id.clone(), order_id.clone(), amount, "timed out".into(), now)
}

fn failed(
    payment_id: PaymentId,
    order_id: OrderId,
    amount: Money,
    error: Text,
    now: Timestamp,
) -> PaymentFailed {
    PaymentFailed {
        payment_id,
        order_id,
        amount,
        error,
        failed_at: now,
    }
}

fn discarded(id: &PaymentId, order_id: &OrderId, amount: Option<Money>, now: Timestamp) -> PaymentEvent {
    PaymentDiscarded {
        payment_id: id.clone(),
        order_id: order_id.clone(),
        amount,
        discarded_at: now,
    }
    .into()
}

fn revoked(id: &PaymentId, order_id: &OrderId, amount: Option<Money>, now: Timestamp) -> PaymentEvent {
    PaymentRevoked {
        payment_id: id.clone(),
        order_id: order_id.clone(),
        amount,
        revoked_at: now,
    }
    .into()
}

fn check_id(id: &PaymentId, order_id: &OrderId) -> Result<(), Refusal> {
    let computed = PaymentId::of_order(order_id);
    if *id == computed {
        return Ok(());
    }
    Err(Refusal::Rejected(format!(
        "payment_id is not the one of order {order_id}; expected {computed}"
    )))
}

fn not_there_yet(id: &PaymentId) -> Decided {
    Err(Refusal::Premature(format!(
        "payment {id} has not been requested yet"
    )))
}
