//! How an order stands, with its cart, its payment and its shipment: how it ended, or what it waits for.

use std::mem::discriminant;

use eventsourcing::standing::{Deadline, Ending, Outstanding, Standing, Streams, Subject};
use eventsourcing::{Category, Decider, Message, RecordedEvent, Timestamp, decode};

use crate::cart::Cart;
use crate::order::{Order, OrderCancelled, OrderCompleted, OrderConfirmed, OrderInitialized, OrderState};
use crate::payment::{self, Payment};
use crate::shipment::{self, Shipment};

/// An order, from its cart down to its parcel.
#[derive(Clone, Copy, Debug)]
pub struct OrderStanding;

/// Why an order was cancelled, if this event says it.
pub fn cause(event: &RecordedEvent) -> Option<&'static str> {
    if event.event_type != OrderCancelled::TYPE {
        return None;
    }
    let cancelled: OrderCancelled = decode(event.schema_version, &event.data).ok()?;
    Some(cancelled.cause.word())
}

type Since = Option<Timestamp>;

impl Subject for OrderStanding {
    fn main(&self) -> Category {
        Order::CATEGORY
    }

    fn standing(&self, streams: &mut Streams<'_>) -> Standing {
        let own = streams.own::<Order>();
        let cart = streams.fold::<Cart, _>(streams.own::<Cart>(), Option::is_some);
        let order = streams.fold::<Order, _>(own, discriminant);
        let payment =
            streams.fold::<Payment, _>(streams.own::<Payment>(), |state| discriminant(state.phase()));
        let shipment =
            streams.fold::<Shipment, _>(streams.own::<Shipment>(), |state| discriminant(state.phase()));
        let (payment, payment_since) = (payment.state.phase(), payment.since);
        let (shipment, shipment_since) = (shipment.state.phase(), shipment.since);
        match &order.state {
            OrderState::NotInitialized if cart.state.is_some() => open([Outstanding::step(
                "InitializeOrder",
                cart.since,
                Deadline::Without,
            )]),
            OrderState::NotInitialized => {
                let payment = paid_without_order(payment, payment_since);
                open(
                    payment
                        .into_iter()
                        .chain(sent_without_order(shipment, shipment_since)),
                )
            }
            OrderState::WithdrawnEarly { .. } => Standing {
                so_far: Some("withdrawn before it was initialized"),
                ..open([of_early_withdrawal(cart.state.is_some(), cart.since, order.since)])
            },
            OrderState::Initialized(_) => {
                let deadline = Deadline::recorded(own, |event: OrderInitialized| event.due_at);
                open([of_payment(payment, payment_since, order.since, deadline)])
            }
            // Discarded by hand: the shipment is called off before the order is cancelled.
            OrderState::Confirmed(_) if is_revoked(payment, shipment) => open([Outstanding::step(
                "CallOffShipment",
                payment_since,
                Deadline::Without,
            )]),
            OrderState::Confirmed(_) => {
                let deadline = Deadline::recorded(own, |event: OrderConfirmed| event.due_at);
                open([of_shipment(shipment, shipment_since, order.since, deadline)])
            }
            OrderState::Completed(_) => Standing {
                ending: Some(Ending::of::<OrderCompleted>()),
                ..Standing::default()
            },
            OrderState::Cancelled { cause, reason, .. } => Standing {
                ending: Some(Ending {
                    cause: Some(cause.word()),
                    reason: Some(reason.clone()),
                    ..Ending::of::<OrderCancelled>()
                }),
                ..open(of_money(payment, order.since))
            },
        }
    }
}

/// It waits for these.
fn open(outstanding: impl IntoIterator<Item = Outstanding>) -> Standing {
    Standing {
        outstanding: outstanding.into_iter().collect(),
        ..Standing::default()
    }
}

/// An order that is withdrawn is cancelled as soon as there is one.
fn of_early_withdrawal(is_finalized: bool, finalized: Since, withdrawn: Since) -> Outstanding {
    if is_finalized {
        let command = "InitializeOrder (which cancels the order, for it is withdrawn)";
        return Outstanding::step(command, finalized, Deadline::Without);
    }
    Outstanding {
        what: "the order is withdrawn, and its cart has not been finalized".into(),
        since: withdrawn,
        deadline: Deadline::Without,
    }
}

/// Whether the payment of a confirmed order was discarded by hand, and the shipment has not heard of it.
fn is_revoked(payment: &payment::Phase, shipment: &shipment::Phase) -> bool {
    let is_closed = match payment {
        payment::Phase::Closed { .. } => true,
        payment::Phase::NotRequested | payment::Phase::Requested { .. } | payment::Phase::Completed(..) => {
            false
        }
    };
    let is_open = match shipment {
        shipment::Phase::NotRequested | shipment::Phase::Requested(_) => true,
        shipment::Phase::Sent(_) | shipment::Phase::Failed { .. } => false,
    };
    is_closed && is_open
}

/// An order that is initialized waits for its payment.
fn of_payment(payment: &payment::Phase, since: Since, initialized: Since, deadline: Deadline) -> Outstanding {
    match payment {
        payment::Phase::NotRequested => Outstanding::step("RequestPayment", initialized, deadline),
        payment::Phase::Requested { .. } => Outstanding::answer("the payment provider", since, deadline),
        payment::Phase::Completed(..) => Outstanding::step("ConfirmOrder", since, Deadline::Without),
        payment::Phase::Closed { order_ends: true, .. } => {
            Outstanding::step("CancelOrder", since, Deadline::Without)
        }
        payment::Phase::Closed {
            order_ends: false, ..
        } => Outstanding {
            what: "the payment was discarded before it was requested, and the order is cancelled at its deadline"
                .into(),
            since,
            deadline,
        },
    }
}

/// An order that is confirmed waits for its shipment.
fn of_shipment(
    shipment: &shipment::Phase,
    since: Since,
    confirmed: Since,
    deadline: Deadline,
) -> Outstanding {
    match shipment {
        shipment::Phase::NotRequested => Outstanding::step("RequestShipment", confirmed, deadline),
        shipment::Phase::Requested(_) => Outstanding::answer("the carrier", since, deadline),
        shipment::Phase::Sent(_) => Outstanding::step("CompleteOrder", since, Deadline::Without),
        shipment::Phase::Failed { .. } => Outstanding::step("CancelOrder", since, Deadline::Without),
    }
}

/// No money of a cancelled order is kept.
fn of_money(payment: &payment::Phase, cancelled: Since) -> Option<Outstanding> {
    let why = match payment {
        payment::Phase::NotRequested | payment::Phase::Requested { .. } => "the payment is to be called off",
        payment::Phase::Completed(..) => "the money is to be given back",
        payment::Phase::Closed { .. } => return None,
    };
    let command = format!("DiscardPayment ({why})");
    Some(Outstanding::step(&command, cancelled, Deadline::Without))
}

/// What a payment waits for whose order is not there.
fn paid_without_order(payment: &payment::Phase, since: Since) -> Option<Outstanding> {
    match payment {
        payment::Phase::Requested { .. } => Some(Outstanding::answer(
            "the payment provider",
            since,
            Deadline::NotRecorded,
        )),
        payment::Phase::Completed(..) => Some(Outstanding::step("ConfirmOrder", since, Deadline::Without)),
        payment::Phase::NotRequested | payment::Phase::Closed { .. } => None,
    }
}

/// What a shipment waits for whose order is not there.
fn sent_without_order(shipment: &shipment::Phase, since: Since) -> Option<Outstanding> {
    match shipment {
        shipment::Phase::Requested(_) => {
            Some(Outstanding::answer("the carrier", since, Deadline::NotRecorded))
        }
        shipment::Phase::Sent(_) => Some(Outstanding::step("CompleteOrder", since, Deadline::Without)),
        shipment::Phase::NotRequested | shipment::Phase::Failed { .. } => None,
    }
}
