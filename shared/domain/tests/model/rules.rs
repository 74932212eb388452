//! The rules that the model plays by: the real ones, unless a test puts a wrong one in their place.

use std::marker::PhantomData;

use domain::Deadlines;
use domain::cart::Cart;
use domain::order::{Order, OrderCommand, OrderEvent, OrderState};
use domain::order_saga::OrderSaga;
use domain::payment::{Payment, PaymentCommand, PaymentEvent, PaymentState};
use domain::shipment::{Shipment, ShipmentCommand, ShipmentEvent, ShipmentState};
use eventsourcing::{Decider, Stream, Timestamp};

use crate::checker::deciding::{Plan, Verdict, planned, react};
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
        react::<OrderSaga>(event, stream)
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
        "cart" => planned::<Cart>(stream, batch, at),
        "order" => planned::<Ruled<Order, R>>(stream, batch, at),
        "payment" => planned::<Ruled<Payment, R>>(stream, batch, at),
        "shipment" => planned::<Ruled<Shipment, R>>(stream, batch, at),
        other => panic!("there are no rules for {other}"),
    }
}
