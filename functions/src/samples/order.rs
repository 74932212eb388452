//! Cart and order.

use bundle::{Given, Sample, at};
use domain::cart::{Cart, CartFinalized, FinalizeCart};
use domain::order::{
    CancelOrder, Cause, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCancelled, OrderCompleted,
    OrderConfirmed, OrderInitialized, OrderWithdrawnEarly, WithdrawOrder,
};
use domain::payment::{DiscardPayment, RequestPayment, TimeOutPayment};
use domain::shipment::{RequestShipment, TimeOutShipment};
use eventsourcing::Message;

use super::Bought;

pub(crate) fn finalize_cart() -> Sample {
    let bought = Bought::in_sample("finalize-cart");
    Given::nothing()
        .command(&FinalizeCart {
            cart_id: bought.cart_id,
            client_id: bought.client_id,
            product_items: bought.product_items,
            total_price: bought.total_price,
        })
        .records(&[CartFinalized::TYPE])
}

pub(crate) fn on_cart_finalized() -> Sample {
    let bought = Bought::in_sample("on-cart-finalized");
    Given::stream::<Cart>(&bought.cart_id, [bought.finalized().into()])
        .newest_event()
        .sends(&[InitializeOrder::TYPE])
}

pub(crate) fn initialize_order() -> Sample {
    let bought = Bought::in_sample("initialize-order");
    Given::nothing()
        .command(&InitializeOrder {
            order_id: bought.order_id,
            cart_id: bought.cart_id,
            client_id: bought.client_id,
            product_items: bought.product_items,
            total_price: bought.total_price,
        })
        .records(&[OrderInitialized::TYPE])
}

/// The withdrawal came first.
pub(crate) fn initialize_order_withdrawn() -> Sample {
    let bought = Bought::in_sample("initialize-order-withdrawn");
    let withdrawn = OrderWithdrawnEarly {
        order_id: bought.order_id.clone(),
        reason: "changed my mind".into(),
        withdrawn_at: at(0),
    };
    Given::stream::<Order>(&bought.order_id, [withdrawn.into()])
        .command(&InitializeOrder {
            order_id: bought.order_id,
            cart_id: bought.cart_id,
            client_id: bought.client_id,
            product_items: bought.product_items,
            total_price: bought.total_price,
        })
        .records(&[OrderInitialized::TYPE, OrderCancelled::TYPE])
}

pub(crate) fn on_order_initialized() -> Sample {
    let bought = Bought::in_sample("on-order-initialized");
    Given::stream::<Order>(&bought.order_id, [bought.initialized().into()])
        .newest_event()
        .sends(&[RequestPayment::TYPE, TimeOutPayment::TYPE])
}

pub(crate) fn confirm_order() -> Sample {
    let bought = Bought::in_sample("confirm-order");
    Given::stream::<Order>(&bought.order_id, [bought.initialized().into()])
        .command(&ConfirmOrder {
            order_id: bought.order_id,
            payment_id: bought.payment_id,
        })
        .records(&[OrderConfirmed::TYPE])
}

pub(crate) fn on_order_confirmed() -> Sample {
    let bought = Bought::in_sample("on-order-confirmed");
    let events = [bought.initialized().into(), bought.confirmed().into()];
    Given::stream::<Order>(&bought.order_id, events)
        .newest_event()
        .sends(&[RequestShipment::TYPE, TimeOutShipment::TYPE])
}

pub(crate) fn complete_order() -> Sample {
    let bought = Bought::in_sample("complete-order");
    let events = [bought.initialized().into(), bought.confirmed().into()];
    Given::stream::<Order>(&bought.order_id, events)
        .command(&CompleteOrder {
            order_id: bought.order_id,
        })
        .records(&[OrderCompleted::TYPE])
}

pub(crate) fn withdraw_order() -> Sample {
    let bought = Bought::in_sample("withdraw-order");
    Given::stream::<Order>(&bought.order_id, [bought.initialized().into()])
        .command(&WithdrawOrder {
            order_id: bought.order_id,
            reason: "changed my mind".into(),
        })
        .records(&[OrderCancelled::TYPE])
}

/// The withdrawal overtook the order.
pub(crate) fn withdraw_order_early() -> Sample {
    let bought = Bought::in_sample("withdraw-order-early");
    Given::nothing()
        .command(&WithdrawOrder {
            order_id: bought.order_id,
            reason: "changed my mind".into(),
        })
        .records(&[OrderWithdrawnEarly::TYPE])
}

pub(crate) fn cancel_order() -> Sample {
    let bought = Bought::in_sample("cancel-order");
    Given::stream::<Order>(&bought.order_id, [bought.initialized().into()])
        .command(&CancelOrder {
            order_id: bought.order_id,
            cause: Cause::PaymentFailed,
            reason: "card declined".into(),
        })
        .records(&[OrderCancelled::TYPE])
}

pub(crate) fn on_order_cancelled() -> Sample {
    let bought = Bought::in_sample("on-order-cancelled");
    let cancelled = OrderCancelled {
        order_id: bought.order_id.clone(),
        cause: Cause::Withdrawn,
        reason: "changed my mind".into(),
        cancelled_at: at(1),
    };
    Given::stream::<Order>(&bought.order_id, [bought.initialized().into(), cancelled.into()])
        .newest_event()
        .sends(&[DiscardPayment::TYPE])
}

/// One whose events come while it goes on: the row is up to date at once.
pub(crate) fn view_orders() -> Sample {
    let bought = Bought::in_sample("view-orders");
    let events = [bought.initialized().into(), bought.confirmed().into()];
    Given::stream::<Order>(&bought.order_id, events)
        .newest_event()
        .shows(&[
            ("phase", "awaiting_shipment"),
            ("total_price", "40"),
            ("due_at", "2026-11-23T07:30:00.000Z"),
            ("revision", "2"),
        ])
}

pub(crate) fn view_orders_cancelled() -> Sample {
    let bought = Bought::in_sample("view-orders-cancelled");
    let cancelled = OrderCancelled {
        order_id: bought.order_id.clone(),
        cause: Cause::PaymentFailed,
        reason: "card declined".into(),
        cancelled_at: at(2),
    };
    Given::stream::<Order>(&bought.order_id, [bought.initialized().into(), cancelled.into()])
        .newest_event()
        .shows(&[
            ("phase", "cancelled"),
            ("cause", "payment_failed"),
            ("reason", "card declined"),
            ("ended_at", "2026-11-23T07:02:00.000Z"),
        ])
}
