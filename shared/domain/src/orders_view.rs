//! What became of an order: a row for each, made from the order's own stream.

use eventsourcing::{
    Column, ColumnKind, Figures, Index, ListedPhase, Listing, Message, OPEN_INDEX, OPEN_SHARD, Recorded, Row,
    Text, Timestamp, View,
};

use crate::order::{
    Cause, Order, OrderCancelled, OrderCompleted, OrderConfirmed, OrderEvent, OrderInitialized,
};
use crate::values::{PaymentId, ShipmentId};

/// The view of orders, by order, by client, and of those that are open.
#[derive(Clone, Copy, Debug)]
pub struct Orders;

/// What is shown of an order.
#[derive(Debug, Default)]
pub struct Shown(Option<Known>);

#[derive(Debug)]
struct Known {
    order: OrderInitialized,
    correlation_id: String,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    AwaitingPayment,
    AwaitingShipment(OrderConfirmed),
    Completed(Timestamp),
    Cancelled {
        cause: Cause,
        reason: Text,
        at: Timestamp,
    },
}

impl View for Orders {
    type Source = Order;
    type State = Shown;
    const NAME: &'static str = "orders";
    const KEY: &'static str = "order_id";
    // Not OrderWithdrawnEarly: of an order that is not initialized nothing is known that a row could show.
    const LISTENS: &'static [&'static str] = &[
        OrderInitialized::TYPE,
        OrderConfirmed::TYPE,
        OrderCompleted::TYPE,
        OrderCancelled::TYPE,
    ];
    const INDEXES: &'static [Index] = &[
        // What never changes, so that the index is written once for each order.
        Index {
            name: "by-client",
            partition: "client_id",
            sort: "initialized_at",
            holds: &["cart_id", "total_price", "correlation_id"],
        },
        Index {
            name: OPEN_INDEX,
            partition: OPEN_SHARD,
            sort: "phase_since",
            holds: &["phase", "due_at", "client_id", "total_price", "initialized_at"],
        },
    ];
    const LISTING: Listing = Listing {
        command: "orders",
        one: "order",
        many: "orders",
        phases: &[
            ListedPhase::open("awaiting_payment"),
            ListedPhase::open("awaiting_shipment"),
            ListedPhase::ended("completed"),
            ListedPhase::ended("cancelled"),
        ],
        columns: &[
            Column::new("phase", "phase", ColumnKind::Text),
            Column::new("since", "phase_since", ColumnKind::Age),
            Column::new("due", "due_at", ColumnKind::Due),
            Column::new("total", "total_price", ColumnKind::Amount),
            Column::new("client", "client_id", ColumnKind::Text),
            Column::new("cause", "cause", ColumnKind::Text),
            Column::new("order", "order_id", ColumnKind::Text),
        ],
        payload: &["reason"],
    };

    const FIGURES: Figures = Figures {
        began: "initialized_at",
        cause: Some(("cause", Cause::WORDS)),
    };

    fn evolve(Shown(shown): Shown, event: &OrderEvent, recorded: &Recorded<'_>) -> Shown {
        if let OrderEvent::OrderInitialized(order) = event {
            return Shown(Some(Known {
                order: order.clone(),
                correlation_id: recorded.correlation_id.to_owned(),
                phase: Phase::AwaitingPayment,
            }));
        }
        Shown(shown.map(|known| Known {
            phase: match event {
                OrderEvent::OrderConfirmed(confirmed) => Phase::AwaitingShipment(confirmed.clone()),
                OrderEvent::OrderCompleted(completed) => Phase::Completed(completed.completed_at),
                OrderEvent::OrderCancelled(cancelled) => Phase::Cancelled {
                    cause: cancelled.cause,
                    reason: cancelled.reason.clone(),
                    at: cancelled.cancelled_at,
                },
                OrderEvent::OrderInitialized(_) | OrderEvent::OrderWithdrawnEarly(_) => known.phase,
            },
            ..known
        }))
    }

    fn row(Shown(shown): &Shown) -> Option<Row> {
        let Known {
            order,
            correlation_id,
            phase,
        } = shown.as_ref()?;
        let row = Row::new()
            .text("cart_id", &order.cart_id)
            .text("client_id", &order.client_id)
            .text("correlation_id", correlation_id)
            .text("payment_id", &PaymentId::of_order(&order.order_id))
            .text("shipment_id", &ShipmentId::of_order(&order.order_id))
            .number("total_price", &order.total_price)
            .text("initialized_at", &order.initialized_at);
        Some(match phase {
            Phase::AwaitingPayment => row
                .text("phase", &"awaiting_payment")
                .text("phase_since", &order.initialized_at)
                .text_if("due_at", order.due_at.as_ref())
                .open(),
            Phase::AwaitingShipment(confirmed) => row
                .text("phase", &"awaiting_shipment")
                .text("phase_since", &confirmed.confirmed_at)
                .text_if("due_at", confirmed.due_at.as_ref())
                .open(),
            Phase::Completed(at) => row
                .text("phase", &"completed")
                .text("phase_since", at)
                .text("ended_at", at),
            Phase::Cancelled { cause, reason, at } => row
                .text("phase", &"cancelled")
                .text("phase_since", at)
                .text("ended_at", at)
                .text("cause", &cause.word())
                .text("reason", reason),
        })
    }
}
