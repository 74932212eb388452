//! Rules broken on purpose, one way each. The checker has to find what each of them does to an order;
//! one that it did not find would be a hole in the model or in a property.

use domain::cart::CartFinalized;
use domain::order::{
    CancelOrder, Cause, InitializeOrder, OrderCancelled, OrderCommand, OrderConfirmed, OrderEvent,
    OrderInitialized, OrderState,
};
use domain::order_saga::OrderSaga;
use domain::payment::{
    PaymentCommand, PaymentDiscarded, PaymentEvent, PaymentFailed, PaymentRevoked, PaymentState,
};
use domain::shipment::{ShipmentCommand, ShipmentEvent, ShipmentFailed, ShipmentState};
use domain::values::Money;
use eventsourcing::{Decision, Dispatch, EventEnvelope, Message, Refusal, Stream, Timestamp};

use crate::checker::deciding::{Verdict, react};
use crate::checker::letter::{Letter, now};
use crate::rules::{Real, Rules};

/// A completed payment is not given back.
pub struct KeepsTheMoney;

impl Rules for KeepsTheMoney {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match Real::decide_payment(state, command, at)? {
            Decision::Record(events) if matches!(events[..], [PaymentEvent::PaymentDiscarded(_)]) => {
                Ok(Decision::Nothing)
            }
            decision => Ok(decision),
        }
    }
}

/// A payment that is not answered yet is not called off.
pub struct ForgetsToVoid;

impl Rules for ForgetsToVoid {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match Real::decide_payment(state, command, at)? {
            Decision::Record(events) if matches!(events[..], [PaymentEvent::PaymentVoided(_)]) => {
                Ok(Decision::Nothing)
            }
            decision => Ok(decision),
        }
    }
}

/// Money that comes late is recorded and not given back.
pub struct KeepsLateMoney;

impl Rules for KeepsLateMoney {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match Real::decide_payment(state, command, at)? {
            Decision::Record(events) if is_late(&events) => Ok(Decision::Record(events[..1].to_vec())),
            decision => Ok(decision),
        }
    }
}

/// The provider's answer is refused when the payment is closed.
pub struct RefusesLateAnswers;

impl Rules for RefusesLateAnswers {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match Real::decide_payment(state, command, at)? {
            Decision::Record(events) if is_late(&events) => {
                Err(Refusal::Rejected("the payment is closed".into()))
            }
            decision => Ok(decision),
        }
    }
}

fn is_late(events: &[PaymentEvent]) -> bool {
    matches!(
        events,
        [
            PaymentEvent::PaymentReceivedLate(_),
            PaymentEvent::PaymentDiscarded(_)
        ]
    )
}

/// A payment that is discarded by hand is given back, and its order does not hear of it.
pub struct TellsNobody;

impl Rules for TellsNobody {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match Real::decide_payment(state, command, at)? {
            Decision::Record(mut events) => {
                events.retain(|event| !matches!(event, PaymentEvent::PaymentRevoked(_)));
                Ok(Decision::Record(events))
            }
            decision => Ok(decision),
        }
    }
}

/// The deadline of a payment that was voided by hand before it was requested does nothing.
pub struct ForgetsTheEarlyVoid;

impl Rules for ForgetsTheEarlyVoid {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match Real::decide_payment(state, command, at)? {
            Decision::Record(events) if matches!(events[..], [PaymentEvent::PaymentRevoked(_)]) => {
                Ok(Decision::Nothing)
            }
            decision => Ok(decision),
        }
    }
}

/// An order whose money is given back by hand is cancelled before its shipment is called off.
pub struct CancelsFirst;

impl Rules for CancelsFirst {
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        match (state, command) {
            (OrderState::Confirmed(_), OrderCommand::CancelOrder(cancel)) => {
                Ok(Decision::one(OrderCancelled {
                    order_id: cancel.order_id.clone(),
                    cause: cancel.cause,
                    reason: cancel.reason.clone(),
                    cancelled_at: at,
                }))
            }
            _ => Real::decide_order(state, command, at),
        }
    }

    fn react(event: &Letter, stream: &Stream, _: u8) -> Option<Vec<Letter>> {
        if event.kind != PaymentRevoked::TYPE {
            return react::<OrderSaga>(event, stream);
        }
        let envelope = EventEnvelope::<PaymentRevoked>::read(&event.body, now()).expect("the relay wrote it");
        let cancel = Dispatch::now(&CancelOrder {
            order_id: envelope.event.order_id,
            cause: Cause::PaymentFailed,
            reason: "the payment was discarded".into(),
        });
        let correlation_id = &envelope.metadata.correlation_id;
        Some(vec![Letter::from_step(&cancel, &envelope.id, correlation_id)])
    }
}

/// A shipment that is called off after its parcel left takes no note of it.
pub struct LosesTheContradiction;

impl Rules for LosesTheContradiction {
    fn decide_shipment(
        state: &ShipmentState,
        command: &ShipmentCommand,
        at: Timestamp,
    ) -> Verdict<ShipmentEvent> {
        match Real::decide_shipment(state, command, at)? {
            Decision::Record(events) if matches!(events[..], [ShipmentEvent::ShipmentCalledOffLate(_)]) => {
                Ok(Decision::Nothing)
            }
            decision => Ok(decision),
        }
    }
}

/// A payment is given back each time that somebody asks for it.
pub struct GivesBackAgain;

impl Rules for GivesBackAgain {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match (Real::decide_payment(state, command, at)?, command) {
            (Decision::Nothing, PaymentCommand::DiscardPayment(discard)) => {
                Ok(Decision::one(PaymentDiscarded {
                    payment_id: discard.payment_id.clone(),
                    order_id: discard.order_id.clone(),
                    amount: None,
                    discarded_at: at,
                }))
            }
            (decision, _) => Ok(decision),
        }
    }
}

/// A failure that comes after the completion turns the payment.
pub struct LetsTheLastFactWin;

impl Rules for LetsTheLastFactWin {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match Real::decide_payment(state, command, at)? {
            Decision::Record(events) => Ok(Decision::Record(events.into_iter().map(turned).collect())),
            decision => Ok(decision),
        }
    }
}

fn turned(event: PaymentEvent) -> PaymentEvent {
    match event {
        PaymentEvent::PaymentFailedLate(late) => PaymentFailed {
            payment_id: late.payment_id,
            order_id: late.order_id,
            amount: "0".parse::<Money>().expect("an amount"),
            error: late.error,
            failed_at: late.failed_at,
        }
        .into(),
        other => other,
    }
}

/// A deadline takes a payment that it does not see for one that needs no deadline. A read that lacks
/// the newest commits shows it just that.
pub struct GivesUpOnWhatItDoesNotSee;

impl Rules for GivesUpOnWhatItDoesNotSee {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match command {
            PaymentCommand::TimeOutPayment(_) if *state == PaymentState::default() => Ok(Decision::Nothing),
            _ => Real::decide_payment(state, command, at),
        }
    }
}

/// A deadline that has passed asks to come again.
pub struct WaitsForEver;

impl Rules for WaitsForEver {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        match (Real::decide_payment(state, command, at)?, command) {
            (Decision::Record(_), PaymentCommand::TimeOutPayment(_)) => Ok(Decision::NotDue(at)),
            (decision, _) => Ok(decision),
        }
    }
}

/// A cancelled order is confirmed when its payment comes in.
pub struct ConfirmsTheCancelled;

impl Rules for ConfirmsTheCancelled {
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        match (state, command) {
            (OrderState::Cancelled { .. }, OrderCommand::ConfirmOrder(confirm)) => {
                Ok(Decision::one(OrderConfirmed {
                    order_id: confirm.order_id.clone(),
                    payment_id: confirm.payment_id.clone(),
                    confirmed_at: at,
                    due_at: None,
                }))
            }
            _ => Real::decide_order(state, command, at),
        }
    }
}

/// An order can be withdrawn after the point of no return.
pub struct WithdrawsTooLate;

impl Rules for WithdrawsTooLate {
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        match (state, command) {
            (OrderState::Confirmed(_), OrderCommand::WithdrawOrder(withdraw)) => {
                Ok(Decision::one(OrderCancelled {
                    order_id: withdraw.order_id.clone(),
                    cause: Cause::Withdrawn,
                    reason: withdraw.reason.clone(),
                    cancelled_at: at,
                }))
            }
            _ => Real::decide_order(state, command, at),
        }
    }
}

/// An order that was withdrawn early is initialized as any other.
pub struct ForgetsTheEarlyWithdrawal;

impl Rules for ForgetsTheEarlyWithdrawal {
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        match Real::decide_order(state, command, at)? {
            Decision::Record(events) if events.len() == 2 => Ok(Decision::Record(events[..1].to_vec())),
            decision => Ok(decision),
        }
    }
}

/// A withdrawal that comes before its order is taken for a mistake.
pub struct RefusesEarlyWithdrawals;

impl Rules for RefusesEarlyWithdrawals {
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        match (state, command) {
            (OrderState::NotInitialized, OrderCommand::WithdrawOrder(_)) => {
                Err(Refusal::Rejected("there is no such order".into()))
            }
            _ => Real::decide_order(state, command, at),
        }
    }
}

/// A withdrawal that comes before its order is acknowledged, and that is all.
pub struct DropsEarlyWithdrawals;

impl Rules for DropsEarlyWithdrawals {
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        match (state, command) {
            (OrderState::NotInitialized, OrderCommand::WithdrawOrder(_)) => Ok(Decision::Nothing),
            _ => Real::decide_order(state, command, at),
        }
    }
}

/// An answer that overtakes its request is refused.
pub struct RefusesEarlyAnswers;

impl Rules for RefusesEarlyAnswers {
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        Real::decide_payment(state, command, at).map_err(|refusal| match refusal {
            Refusal::Premature(why) | Refusal::Rejected(why) => Refusal::Rejected(why),
        })
    }
}

/// A step draws an order's id instead of computing it, and the order takes any.
pub struct DrawsIds;

impl Rules for DrawsIds {
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        match (state, command) {
            (OrderState::NotInitialized, OrderCommand::InitializeOrder(order)) => {
                Ok(Decision::one(OrderInitialized {
                    order_id: order.order_id.clone(),
                    cart_id: order.cart_id.clone(),
                    client_id: order.client_id.clone(),
                    product_items: order.product_items.clone(),
                    total_price: order.total_price,
                    initialized_at: at,
                    due_at: None,
                }))
            }
            _ => Real::decide_order(state, command, at),
        }
    }

    fn react(event: &Letter, stream: &Stream, drawn: u8) -> Option<Vec<Letter>> {
        if event.kind != CartFinalized::TYPE {
            return react::<OrderSaga>(event, stream);
        }
        let envelope = EventEnvelope::<CartFinalized>::read(&event.body, now()).expect("the relay wrote it");
        let cart = envelope.event;
        let initialize = Dispatch::now(&InitializeOrder {
            order_id: format!("drawn-{drawn}").parse().expect("an id"),
            cart_id: cart.cart_id,
            client_id: cart.client_id,
            product_items: cart.product_items,
            total_price: cart.total_price,
        });
        Some(vec![Letter::from_step(
            &initialize,
            &envelope.id,
            &envelope.metadata.correlation_id,
        )])
    }
}

/// Nobody cancels the order when its shipment fails.
pub struct LeavesTheOrderOpen;

impl Rules for LeavesTheOrderOpen {
    fn react(event: &Letter, stream: &Stream, _: u8) -> Option<Vec<Letter>> {
        if event.kind == ShipmentFailed::TYPE {
            Some(Vec::new())
        } else {
            react::<OrderSaga>(event, stream)
        }
    }
}

/// An append takes the place of the commit that stands there.
pub struct Overwrites;

impl Rules for Overwrites {
    fn may_append(_: bool) -> bool {
        true
    }
}
