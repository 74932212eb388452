//! The rules that the model plays by: the real ones, unless a test puts a wrong one in their place.

use std::marker::PhantomData;

use domain::Deadlines;
use domain::cart::{Cart, FinalizeCart};
use domain::order::{
    CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCommand, OrderEvent, OrderState,
    WithdrawOrder,
};
use domain::order_saga::{
    OnCartFinalized, OnOrderCancelled, OnOrderConfirmed, OnOrderInitialized, OnPaymentCompleted,
    OnPaymentFailed, OnPaymentRevoked, OnShipmentFailed, OnShipmentSent,
};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, Payment, PaymentCommand, PaymentEvent, PaymentState,
    RequestPayment, TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, Shipment, ShipmentCommand, ShipmentEvent,
    ShipmentState, TimeOutShipment,
};
use eventsourcing::{Decider, Stream, Timestamp};

use crate::checker::deciding::{Addressed, Plan, Verdict, planned, read};
use crate::checker::letter::Letter;

/// What can be replaced by something wrong. Every default is the real thing.
pub trait Rules: Send + Sync + Sized + 'static {
    /// The rules of an order.
    fn decide_order(state: &OrderState, command: &OrderCommand, at: Timestamp) -> Verdict<OrderEvent> {
        Order::decide(state, command, &Deadlines::default(), at)
    }

    /// The rules of a payment.
    fn decide_payment(
        state: &PaymentState,
        command: &PaymentCommand,
        at: Timestamp,
    ) -> Verdict<PaymentEvent> {
        Payment::decide(state, command, &(), at)
    }

    /// The rules of a shipment.
    fn decide_shipment(
        state: &ShipmentState,
        command: &ShipmentCommand,
        at: Timestamp,
    ) -> Verdict<ShipmentEvent> {
        Shipment::decide(state, command, &(), at)
    }

    /// The steps. `drawn` is a number that a repeat does not get again, for steps that draw ids.
    fn react(event: &Letter, stream: &Stream, _drawn: u8) -> Option<Vec<Letter>> {
        real_step(event, stream)
    }

    /// The condition of an append, given whether there is a commit in its place.
    fn may_append(place_is_taken: bool) -> bool {
        !place_is_taken
    }
}

/// The real rules.
pub struct Real;

impl Rules for Real {}

/// A decider whose decisions come from `R`.
#[derive(Clone, Copy, Debug)]
struct Ruled<D, R>(PhantomData<(D, R)>);

ruled!(Order, decide_order);
ruled!(Payment, decide_payment);
ruled!(Shipment, decide_shipment);

/// Decides a batch as a command function does: reads the bodies, rebuilds the history, plans.
pub fn decide<R: Rules>(batch: &[Letter], stream: &Stream, at: Timestamp) -> Plan {
    match stream.id().category() {
        "cart" => planned::<Cart>(stream, batch, at, read::<FinalizeCart>),
        "order" => planned::<Ruled<Order, R>>(stream, batch, at, order_command),
        "payment" => planned::<Ruled<Payment, R>>(stream, batch, at, payment_command),
        "shipment" => planned::<Ruled<Shipment, R>>(stream, batch, at, shipment_command),
        other => panic!("there are no rules for {other}"),
    }
}

fn order_command(letter: &Letter) -> Addressed<OrderCommand> {
    read_as!(letter; InitializeOrder, ConfirmOrder, WithdrawOrder, CancelOrder, CompleteOrder)
}

fn payment_command(letter: &Letter) -> Addressed<PaymentCommand> {
    read_as!(letter; RequestPayment, CompletePayment, FailPayment, DiscardPayment, TimeOutPayment)
}

fn shipment_command(letter: &Letter) -> Addressed<ShipmentCommand> {
    read_as!(letter; RequestShipment, SendShipment, FailShipment, CallOffShipment, TimeOutShipment)
}

steps!(
    OnCartFinalized,
    OnOrderInitialized,
    OnPaymentCompleted,
    OnOrderConfirmed,
    OnShipmentSent,
    OnPaymentFailed,
    OnPaymentRevoked,
    OnShipmentFailed,
    OnOrderCancelled
);
