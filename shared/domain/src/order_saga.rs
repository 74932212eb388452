//! The order saga: what each event of a cart, an order, a payment and a shipment makes the bundle do
//! next, on the way forward and on the way back.
//!
//! ```text
//! CartFinalized ─► InitializeOrder ─► OrderInitialized ─► RequestPayment ─► PaymentCompleted
//!   ─► ConfirmOrder ─► OrderConfirmed ─► RequestShipment ─► ShipmentSent ─► CompleteOrder
//!
//! PaymentFailed, ShipmentFailed ─► CancelOrder ─► OrderCancelled ─► DiscardPayment
//!
//! PaymentRevoked ─► CancelOrder, or CallOffShipment ─► ShipmentFailed
//! ```
//!
//! The steps keep no state of their own: the streams are the saga's state, the ids are computed, and
//! the rules make every repeat a no-op. The deadlines are commands sent ahead of their time, and they
//! carry all that it takes to fail a payment or shipment whose request never arrived, so that an
//! order closes even then.

use eventsourcing::{Dispatch, Message, Step, steps};

use crate::Deadlines;
use crate::cart::{Cart, CartFinalized, CartState};
use crate::order::{
    CancelOrder, Cause, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCancelled, OrderConfirmed,
    OrderInitialized, OrderState,
};
use crate::payment::{
    DiscardPayment, Payment, PaymentCompleted, PaymentFailed, PaymentRevoked, PaymentState, RequestPayment,
    TimeOutPayment,
};
use crate::shipment::{
    CallOffShipment, RequestShipment, Shipment, ShipmentFailed, ShipmentSent, ShipmentState, TimeOutShipment,
};
use crate::values::{OrderId, PaymentId, ShipmentId};

steps! {
    /// The steps of the saga, forwards and back.
    pub struct OrderSaga with Deadlines {
        OnCartFinalized,
        OnOrderInitialized,
        OnPaymentCompleted,
        OnOrderConfirmed,
        OnShipmentSent,
        OnPaymentFailed,
        OnPaymentRevoked,
        OnShipmentFailed,
        OnOrderCancelled,
    }
}

/// A finalized cart becomes an order.
#[derive(Debug)]
pub struct OnCartFinalized;

impl Step for OnCartFinalized {
    type Event = CartFinalized;
    type Source = Cart;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[InitializeOrder::TYPE];

    fn react(cart: &CartFinalized, _: &CartState, _: &Deadlines) -> Vec<Dispatch> {
        vec![Dispatch::now(&InitializeOrder {
            order_id: OrderId::of_cart(&cart.cart_id),
            cart_id: cart.cart_id.clone(),
            client_id: cart.client_id.clone(),
            product_items: cart.product_items.clone(),
            total_price: cart.total_price,
        })]
    }
}

/// An order is to be paid, within the deadline.
#[derive(Debug)]
pub struct OnOrderInitialized;

impl Step for OnOrderInitialized {
    type Event = OrderInitialized;
    type Source = Order;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[RequestPayment::TYPE, TimeOutPayment::TYPE];

    fn react(order: &OrderInitialized, _: &OrderState, deadlines: &Deadlines) -> Vec<Dispatch> {
        let payment_id = PaymentId::of_order(&order.order_id);
        let set_before = || order.initialized_at.plus(deadlines.payment);
        let due_at = order.due_at.unwrap_or_else(set_before);
        vec![
            Dispatch::now(&RequestPayment {
                payment_id: payment_id.clone(),
                order_id: order.order_id.clone(),
                amount: order.total_price,
                due_at: Some(due_at),
            }),
            Dispatch::at(
                due_at,
                &TimeOutPayment {
                    payment_id,
                    order_id: order.order_id.clone(),
                    amount: order.total_price,
                    due_at,
                },
            ),
        ]
    }
}

/// The money is in: the order may go on, if it has not been cancelled.
#[derive(Debug)]
pub struct OnPaymentCompleted;

impl Step for OnPaymentCompleted {
    type Event = PaymentCompleted;
    type Source = Payment;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[ConfirmOrder::TYPE];

    fn react(payment: &PaymentCompleted, _: &PaymentState, _: &Deadlines) -> Vec<Dispatch> {
        vec![Dispatch::now(&ConfirmOrder {
            order_id: payment.order_id.clone(),
            payment_id: payment.payment_id.clone(),
        })]
    }
}

/// A confirmed order is to be sent, within the deadline.
#[derive(Debug)]
pub struct OnOrderConfirmed;

impl Step for OnOrderConfirmed {
    type Event = OrderConfirmed;
    type Source = Order;
    type Settings = Deadlines;
    // The items stand in the order's first event.
    const READS_STATE: bool = true;
    const SENDS: &'static [&'static str] = &[RequestShipment::TYPE, TimeOutShipment::TYPE];

    fn react(confirmed: &OrderConfirmed, state: &OrderState, deadlines: &Deadlines) -> Vec<Dispatch> {
        let shipment_id = ShipmentId::of_order(&confirmed.order_id);
        let set_before = || confirmed.confirmed_at.plus(deadlines.shipment);
        let due_at = confirmed.due_at.unwrap_or_else(set_before);
        let request = state.order().map(|order| {
            Dispatch::now(&RequestShipment {
                shipment_id: shipment_id.clone(),
                order_id: confirmed.order_id.clone(),
                product_items: order.product_items.clone(),
            })
        });
        let order_id = confirmed.order_id.clone();
        let time_out = Dispatch::at(
            due_at,
            &TimeOutShipment {
                shipment_id: shipment_id.clone(),
                order_id,
                due_at,
            },
        );
        request.into_iter().chain([time_out]).collect()
    }
}

/// The parcel has left: the order is done.
#[derive(Debug)]
pub struct OnShipmentSent;

impl Step for OnShipmentSent {
    type Event = ShipmentSent;
    type Source = Shipment;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[CompleteOrder::TYPE];

    fn react(shipment: &ShipmentSent, _: &ShipmentState, _: &Deadlines) -> Vec<Dispatch> {
        vec![Dispatch::now(&CompleteOrder {
            order_id: shipment.order_id.clone(),
        })]
    }
}

/// No money, no order.
#[derive(Debug)]
pub struct OnPaymentFailed;

impl Step for OnPaymentFailed {
    type Event = PaymentFailed;
    type Source = Payment;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[CancelOrder::TYPE];

    fn react(payment: &PaymentFailed, _: &PaymentState, _: &Deadlines) -> Vec<Dispatch> {
        vec![Dispatch::now(&CancelOrder {
            order_id: payment.order_id.clone(),
            cause: Cause::PaymentFailed,
            reason: payment.error.clone(),
        })]
    }
}

/// A payment that was discarded by hand: no money, no order.
///
/// An order whose money had not come in is cancelled. One whose money had may be confirmed by now, and its
/// shipment requested: to cancel it first would let a request that is under way reach the carrier of a
/// cancelled order. So the shipment goes first, and its failure cancels the order. If the parcel has left,
/// the shipment's stream says so, an alarm counts it, and the order completes.
#[derive(Debug)]
pub struct OnPaymentRevoked;

impl Step for OnPaymentRevoked {
    type Event = PaymentRevoked;
    type Source = Payment;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[CancelOrder::TYPE, CallOffShipment::TYPE];

    fn react(payment: &PaymentRevoked, _: &PaymentState, _: &Deadlines) -> Vec<Dispatch> {
        let (order_id, reason) = (payment.order_id.clone(), "the payment was discarded".into());
        vec![match payment.amount {
            None => Dispatch::now(&CancelOrder {
                order_id,
                cause: Cause::PaymentFailed,
                reason,
            }),
            Some(_) => Dispatch::now(&CallOffShipment {
                shipment_id: ShipmentId::of_order(&order_id),
                order_id,
                reason,
            }),
        }]
    }
}

/// No parcel, no order.
#[derive(Debug)]
pub struct OnShipmentFailed;

impl Step for OnShipmentFailed {
    type Event = ShipmentFailed;
    type Source = Shipment;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[CancelOrder::TYPE];

    fn react(shipment: &ShipmentFailed, _: &ShipmentState, _: &Deadlines) -> Vec<Dispatch> {
        vec![Dispatch::now(&CancelOrder {
            order_id: shipment.order_id.clone(),
            cause: Cause::ShipmentFailed,
            reason: shipment.error.clone(),
        })]
    }
}

/// Whatever the cause: no money of a cancelled order is kept. The payment's rules know what that
/// takes: nothing, calling it off, or giving it back.
#[derive(Debug)]
pub struct OnOrderCancelled;

impl Step for OnOrderCancelled {
    type Event = OrderCancelled;
    type Source = Order;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[DiscardPayment::TYPE];

    fn react(cancelled: &OrderCancelled, _: &OrderState, _: &Deadlines) -> Vec<Dispatch> {
        vec![Dispatch::now(&DiscardPayment {
            payment_id: PaymentId::of_order(&cancelled.order_id),
            order_id: cancelled.order_id.clone(),
            cause: Some(cancelled.cause),
        })]
    }
}
