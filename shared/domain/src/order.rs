//! An order: initialized, then confirmed (paid for) and completed (sent), or cancelled.
//!
//! Its own stream settles the one race that matters: [`ConfirmOrder`] or [`WithdrawOrder`], whichever
//! commits first. Nothing is asked of the carrier before the order is confirmed, so a withdrawal that
//! won can't be overtaken by a parcel.
//!
//! Queues keep no order among each other, and an order's id can be computed from its cart's: a withdrawal
//! may come before its order. It is recorded, and the order is cancelled by the commit that initializes
//! it.

use eventsourcing::{Category, Decider, Decision, Refusal, Text, Timestamp};
use eventsourcing::{commands, events, message, words};

use crate::Deadlines;
use crate::values::{CartId, ClientId, Money, OrderId, PaymentId, ProductItems};

message! {
    /// Makes the order of a finalized cart. Sent by the saga.
    pub struct InitializeOrder {
        /// The id computed from the cart's.
        pub order_id: OrderId,
        /// The cart it comes from.
        pub cart_id: CartId,
        /// Who ordered.
        pub client_id: ClientId,
        /// What.
        pub product_items: ProductItems,
        /// For how much.
        pub total_price: Money,
    }
}

message! {
    /// The payment is in. Sent by the saga.
    pub struct ConfirmOrder {
        /// Which order.
        pub order_id: OrderId,
        /// The payment that completed: the one computed from the order's id.
        pub payment_id: PaymentId,
    }
}

message! {
    /// The customer has changed their mind.
    pub struct WithdrawOrder {
        /// Which order.
        pub order_id: OrderId,
        /// Why, for people to read.
        pub reason: Text,
    }
}

message! {
    /// The order can't be fulfilled. Sent by the saga.
    pub struct CancelOrder {
        /// Which order.
        pub order_id: OrderId,
        /// What decides about the compensation.
        pub cause: Cause,
        /// For people to read; nothing is decided by it.
        pub reason: Text,
    }
}

message! {
    /// The parcel has left. Sent by the saga.
    pub struct CompleteOrder {
        /// Which order.
        pub order_id: OrderId,
    }
}

commands! {
    /// What an order is asked to do.
    pub enum OrderCommand for Order {
        InitializeOrder => order_id + creates,
        ConfirmOrder => order_id,
        WithdrawOrder => order_id,
        CancelOrder => order_id,
        CompleteOrder => order_id,
    }
}

message! {
    /// The customer changed their mind before there was an order. It is cancelled as soon as there is.
    pub struct OrderWithdrawnEarly {
        /// Which order.
        pub order_id: OrderId,
        /// Why, for people to read.
        pub reason: Text,
        /// When.
        pub withdrawn_at: Timestamp,
    }
}

message! {
    /// There is an order, to be paid.
    pub struct OrderInitialized {
        /// Which order.
        pub order_id: OrderId,
        /// The cart it comes from.
        pub cart_id: CartId,
        /// Who ordered.
        pub client_id: ClientId,
        /// What.
        pub product_items: ProductItems,
        /// For how much.
        pub total_price: Money,
        /// When.
        pub initialized_at: Timestamp,
        /// Until when its payment is waited for: the deadline as it was set. Not there in events that
        /// were written before it was recorded.
        pub due_at: Option<Timestamp>,
    }
}

message! {
    /// It is paid for; from here on it can't be withdrawn.
    pub struct OrderConfirmed {
        /// Which order.
        pub order_id: OrderId,
        /// The payment that completed.
        pub payment_id: PaymentId,
        /// When.
        pub confirmed_at: Timestamp,
        /// Until when its shipment is waited for: the deadline as it was set. Not there in events that
        /// were written before it was recorded.
        pub due_at: Option<Timestamp>,
    }
}

message! {
    /// It is on its way to the customer; the end.
    pub struct OrderCompleted {
        /// Which order.
        pub order_id: OrderId,
        /// When.
        pub completed_at: Timestamp,
    }
}

message! {
    /// It will not be fulfilled; the end.
    pub struct OrderCancelled {
        /// Which order.
        pub order_id: OrderId,
        /// What decides about the compensation.
        pub cause: Cause,
        /// For people to read.
        pub reason: Text,
        /// When.
        pub cancelled_at: Timestamp,
    }
}

events! {
    /// What happens to an order.
    pub enum OrderEvent {
        OrderWithdrawnEarly,
        OrderInitialized,
        OrderConfirmed,
        OrderCompleted,
        OrderCancelled,
    }
}

words! {
    /// Why an order was cancelled.
    pub enum Cause {
        /// The payment failed or was not answered in time.
        PaymentFailed = "payment_failed",
        /// The shipment failed or was not answered in time.
        ShipmentFailed = "shipment_failed",
        /// The customer withdrew it.
        Withdrawn = "withdrawn",
    }
}

/// The rules of an order.
#[derive(Clone, Copy, Debug)]
pub struct Order;

/// What has become of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Nothing yet.
    #[default]
    NotInitialized,
    /// There is no order yet, and it is withdrawn.
    WithdrawnEarly {
        /// Why, in words.
        reason: Text,
    },
    /// It waits for its payment.
    Initialized(OrderInitialized),
    /// It waits for its shipment.
    Confirmed(OrderInitialized),
    /// The parcel has left.
    Completed(OrderInitialized),
    /// It will not be fulfilled.
    Cancelled {
        /// What was ordered.
        order: OrderInitialized,
        /// Why it was cancelled.
        cause: Cause,
        /// In words.
        reason: Text,
    },
}

impl OrderState {
    /// What was ordered.
    pub fn order(&self) -> Option<&OrderInitialized> {
        match self {
            Self::NotInitialized | Self::WithdrawnEarly { .. } => None,
            Self::Initialized(order)
            | Self::Confirmed(order)
            | Self::Completed(order)
            | Self::Cancelled { order, .. } => Some(order),
        }
    }
}

impl Decider for Order {
    const CATEGORY: Category = Category::new("order");
    type Command = OrderCommand;
    type Event = OrderEvent;
    type State = OrderState;
    type Settings = Deadlines;

    fn evolve(state: OrderState, event: &OrderEvent) -> OrderState {
        let order = match event {
            OrderEvent::OrderInitialized(order) => Some(order),
            _ => state.order(),
        };
        match (order.cloned(), event) {
            (None, OrderEvent::OrderWithdrawnEarly(early)) => OrderState::WithdrawnEarly {
                reason: early.reason.clone(),
            },
            (None, _) | (_, OrderEvent::OrderWithdrawnEarly(_)) => state,
            (Some(order), OrderEvent::OrderInitialized(_)) => OrderState::Initialized(order),
            (Some(order), OrderEvent::OrderConfirmed(_)) => OrderState::Confirmed(order),
            (Some(order), OrderEvent::OrderCompleted(_)) => OrderState::Completed(order),
            (Some(order), OrderEvent::OrderCancelled(cancelled)) => OrderState::Cancelled {
                order,
                cause: cancelled.cause,
                reason: cancelled.reason.clone(),
            },
        }
    }

    fn decide(
        state: &OrderState,
        command: &OrderCommand,
        deadlines: &Deadlines,
        now: Timestamp,
    ) -> Result<Decision<OrderEvent>, Refusal> {
        match command {
            OrderCommand::InitializeOrder(command) => initialize(state, command, deadlines, now),
            OrderCommand::ConfirmOrder(command) => confirm(state, command, deadlines, now),
            OrderCommand::WithdrawOrder(command) => withdraw(state, command, now),
            OrderCommand::CancelOrder(command) => cancel(state, command, now),
            OrderCommand::CompleteOrder(command) => complete(state, command, now),
        }
    }
}

type Decided = Result<Decision<OrderEvent>, Refusal>;

fn initialize(
    state: &OrderState,
    command: &InitializeOrder,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Decided {
    let computed = OrderId::of_cart(&command.cart_id);
    if command.order_id != computed {
        return rejected(format!(
            "order_id is not the one of cart {}; expected {computed}",
            command.cart_id
        ));
    }
    let initialized = || OrderInitialized {
        order_id: command.order_id.clone(),
        cart_id: command.cart_id.clone(),
        client_id: command.client_id.clone(),
        product_items: command.product_items.clone(),
        total_price: command.total_price,
        initialized_at: now,
        due_at: Some(now.plus(deadlines.payment)),
    };
    match (state, state.order()) {
        (OrderState::WithdrawnEarly { reason }, _) => Ok(Decision::Record(vec![
            initialized().into(),
            cancelled(&command.order_id, Cause::Withdrawn, reason, now).into(),
        ])),
        (_, None) => Ok(Decision::one(initialized())),
        (_, Some(order))
            if order.cart_id == command.cart_id
                && order.client_id == command.client_id
                && order.product_items == command.product_items
                && order.total_price == command.total_price =>
        {
            Ok(Decision::Nothing)
        }
        (_, Some(_)) => rejected(format!(
            "order {} is initialized already, with other content",
            command.order_id
        )),
    }
}

fn confirm(state: &OrderState, command: &ConfirmOrder, deadlines: &Deadlines, now: Timestamp) -> Decided {
    let computed = PaymentId::of_order(&command.order_id);
    if command.payment_id != computed {
        return rejected(format!(
            "payment_id is not the one of order {}; expected {computed}",
            command.order_id
        ));
    }
    match state {
        OrderState::NotInitialized | OrderState::WithdrawnEarly { .. } => not_there_yet(&command.order_id),
        OrderState::Initialized(_) => Ok(Decision::one(OrderConfirmed {
            order_id: command.order_id.clone(),
            payment_id: command.payment_id.clone(),
            confirmed_at: now,
            due_at: Some(now.plus(deadlines.shipment)),
        })),
        // Confirmed before, or cancelled while the payment was under way: then the cancellation has
        // the payment given back.
        OrderState::Confirmed(_) | OrderState::Completed(_) | OrderState::Cancelled { .. } => {
            Ok(Decision::Nothing)
        }
    }
}

fn withdraw(state: &OrderState, command: &WithdrawOrder, now: Timestamp) -> Decided {
    let id = &command.order_id;
    match state {
        OrderState::NotInitialized => Ok(Decision::one(OrderWithdrawnEarly {
            order_id: id.clone(),
            reason: command.reason.clone(),
            withdrawn_at: now,
        })),
        OrderState::Initialized(_) => Ok(Decision::one(cancelled(
            id,
            Cause::Withdrawn,
            &command.reason,
            now,
        ))),
        OrderState::WithdrawnEarly { reason }
        | OrderState::Cancelled {
            cause: Cause::Withdrawn,
            reason,
            ..
        } if *reason == command.reason => Ok(Decision::Nothing),
        // The first withdrawal stands, with the reason that it gave.
        OrderState::WithdrawnEarly { .. } => rejected(format!("order {id} is withdrawn already")),
        OrderState::Confirmed(_) => rejected(format!(
            "order {id} is confirmed; it could be withdrawn until its payment completed"
        )),
        OrderState::Completed(_) => rejected(format!("order {id} is completed; it can't be withdrawn")),
        OrderState::Cancelled { .. } => rejected(format!("order {id} is cancelled already")),
    }
}

fn cancel(state: &OrderState, command: &CancelOrder, now: Timestamp) -> Decided {
    let id = &command.order_id;
    match (state, command.cause) {
        (OrderState::NotInitialized | OrderState::WithdrawnEarly { .. }, _) => not_there_yet(id),
        (OrderState::Initialized(_), cause) | (OrderState::Confirmed(_), cause @ Cause::ShipmentFailed) => {
            Ok(Decision::one(cancelled(id, cause, &command.reason, now)))
        }
        (OrderState::Confirmed(_), Cause::PaymentFailed | Cause::Withdrawn) => rejected(format!(
            "order {id} is confirmed, its payment has completed; only a failed shipment cancels it now"
        )),
        (OrderState::Completed(_) | OrderState::Cancelled { .. }, _) => Ok(Decision::Nothing),
    }
}

fn complete(state: &OrderState, command: &CompleteOrder, now: Timestamp) -> Decided {
    let id = &command.order_id;
    match state {
        OrderState::NotInitialized | OrderState::WithdrawnEarly { .. } => not_there_yet(id),
        OrderState::Initialized(_) => {
            rejected(format!("order {id} is not confirmed; it completes after that"))
        }
        OrderState::Confirmed(_) => Ok(Decision::one(OrderCompleted {
            order_id: id.clone(),
            completed_at: now,
        })),
        OrderState::Completed(_) => Ok(Decision::Nothing),
        OrderState::Cancelled { .. } => rejected(format!("order {id} is cancelled; it can't complete")),
    }
}

fn cancelled(id: &OrderId, cause: Cause, reason: &Text, now: Timestamp) -> OrderCancelled {
    OrderCancelled {
        order_id: id.clone(),
        cause,
        reason: reason.clone(),
        cancelled_at: now,
    }
}

fn not_there_yet(id: &OrderId) -> Decided {
    Err(Refusal::Premature(format!("there is no order {id} yet")))
}

fn rejected(why: String) -> Decided {
    Err(Refusal::Rejected(why))
}
