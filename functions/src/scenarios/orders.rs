//! Scenarios of orders: a cart, what happens to it, and how that has to end.
//!
//! The simulators answer by what is in the cart; the script adds what a customer, a provider or a carrier
//! does beyond that. The scenarios themselves are in [`list`].

pub mod list;

use bundle::scenario::demo::EntryCommand;
use bundle::scenario::{Action, Ending, Holds, OwnInput, Scenario, Subject, Told};
use domain::cart::FinalizeCart;
use domain::order::WithdrawOrder;
use domain::payment::{CompletePayment, DiscardPayment, FailPayment};
use domain::shipment::{FailShipment, SendShipment};
use eventsourcing::StreamId;
use serde_json::{Value, json};

use super::ids::{Ids, again_as};

pub use list::order_scenarios;

/// An order, and how it ends.
pub static ORDER: Subject = Subject {
    name: "order",
    endings: &[
        Told {
            event_type: "OrderCompleted",
            word: "Completed",
            fields: &[],
        },
        Told {
            event_type: "OrderCancelled",
            word: "Cancelled",
            fields: &["cause", "reason"],
        },
    ],
    details: &["error", "reason", "amount"],
};

/// Carts of somebody's own: whatever happens, their orders have to end.
pub const OWN_CARTS: OwnInput = OwnInput {
    flag: "cart",
    help: "Plays the carts of this file instead: one as JSON, or one on each line",
    shape: r#"a cart is {"cart_id", "client_id", "product_items": [{"product_id", "quantity", "unit_price"}], "total_price"}"#,
    counted: "carts finalized",
    subject: &ORDER,
    command: EntryCommand::of::<FinalizeCart>(),
    streams: |cart| Ids::of_cart(cart).map_or_else(Vec::new, |ids| ids.streams().to_vec()),
};

/// A cart, what happens to it, and how that has to end.
#[derive(Clone, Debug)]
pub struct OrderScenario {
    /// What it shows.
    pub title: &'static str,
    /// The fields of its `FinalizeCart`.
    pub cart: Value,
    script: Vec<Step>,
    endings: Vec<OrderEnding>,
}

/// One step of a script.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody sends a command.
    Send(Command),
    /// Goes on when the stream holds an event of that type.
    Until(Stream, &'static str),
}

/// A command of a script, for the scenario's own cart, order, payment and shipment.
#[derive(Clone, Copy, Debug)]
enum Command {
    Finalize,
    FinalizeWithOtherTotal,
    FinalizeWithoutTotal,
    Withdraw(&'static str),
    CompletePayment,
    FailPayment(&'static str),
    DiscardPayment,
    SendShipment,
    FailShipment(&'static str),
}

/// One of a scenario's streams.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::enum_variant_names)] // They read as part of a sentence: until, of the order, it completed.
enum Stream {
    OfOrder,
    OfPayment,
    OfShipment,
}

/// The events that the scenario's streams have to hold at the end, by type and in order, and what has to be
/// in dead-letter queues.
#[derive(Clone, Debug)]
struct OrderEnding {
    order: Vec<&'static str>,
    /// What the last event of the order says.
    reason: Option<(&'static str, &'static str)>,
    payment: Vec<&'static str>,
    shipment: Vec<&'static str>,
    refused: Vec<(&'static str, &'static str)>,
}

impl OrderScenario {
    /// The same scenario with another cart id, so that it can be played again on the same stack.
    #[must_use]
    pub fn again(mut self, again: &str) -> Self {
        let id = self.cart["cart_id"].as_str().unwrap_or_default();
        self.cart["cart_id"] = again_as(id, again).into();
        self
    }

    /// The same scenario, where it may also end as another does.
    #[must_use]
    pub fn or_as(mut self, other: &Self) -> Self {
        self.endings.extend(other.endings.iter().cloned());
        self
    }

    /// What is played and judged.
    ///
    /// # Panics
    /// When the cart has no `cart_id` that could be one.
    pub fn scenario(&self) -> Scenario {
        let ids = Ids::of_cart(&self.cart).expect("the carts in the folder have ids");
        let script = self.script.iter().map(|step| step.action(&self.cart, &ids));
        Scenario {
            title: self.title,
            subject: &ORDER,
            script: script.collect(),
            streams: ids.streams().to_vec(),
            endings: self.endings.iter().map(|ending| ending.of(&ids)).collect(),
        }
    }
}

impl Step {
    fn action(self, cart: &Value, ids: &Ids) -> Action {
        match self {
            Self::Send(command) => command.action(cart, ids),
            Self::Until(stream, event_type) => Action::Until(stream.of(ids), event_type),
        }
    }
}

impl Command {
    fn action(self, cart: &Value, ids: &Ids) -> Action {
        let Ids {
            order: order_id,
            payment: payment_id,
            shipment: shipment_id,
            ..
        } = ids;
        let with = |name: &str, value: Value| {
            let mut cart = cart.clone();
            cart[name] = value;
            cart
        };
        match self {
            Self::Finalize => Action::send::<FinalizeCart>(cart.clone()),
            Self::FinalizeWithOtherTotal => Action::send::<FinalizeCart>(with("total_price", json!(1.23))),
            Self::FinalizeWithoutTotal => Action::send::<FinalizeCart>(with("total_price", Value::Null)),
            Self::Withdraw(reason) => {
                Action::send::<WithdrawOrder>(json!({ "order_id": order_id, "reason": reason }))
            }
            Self::CompletePayment => Action::send::<CompletePayment>(json!({ "payment_id": payment_id })),
            Self::FailPayment(error) => {
                Action::send::<FailPayment>(json!({ "payment_id": payment_id, "error": error }))
            }
            Self::DiscardPayment => {
                Action::send::<DiscardPayment>(json!({ "payment_id": payment_id, "order_id": order_id }))
            }
            Self::SendShipment => Action::send::<SendShipment>(json!({ "shipment_id": shipment_id })),
            Self::FailShipment(error) => {
                Action::send::<FailShipment>(json!({ "shipment_id": shipment_id, "error": error }))
            }
        }
    }
}

impl Stream {
    fn of(self, ids: &Ids) -> StreamId {
        let [_, order, payment, shipment] = ids.streams();
        match self {
            Self::OfOrder => order,
            Self::OfPayment => payment,
            Self::OfShipment => shipment,
        }
    }
}

impl OrderEnding {
    fn of(&self, ids: &Ids) -> Ending {
        let [cart, order, payment, shipment] = ids.streams();
        let mut ending = Ending::default()
            .with(&cart, Holds::InOrder(vec!["CartFinalized"]))
            .with(&order, Holds::InOrder(self.order.clone()))
            .with(&payment, Holds::InOrder(self.payment.clone()))
            .with(&shipment, Holds::InOrder(self.shipment.clone()));
        if let Some((cause, reason)) = self.reason {
            ending = ending.saying("cause", cause.into());
            ending = ending.saying("reason", reason.into());
        }
        for (queue, code) in &self.refused {
            ending = ending.refusing(queue, code);
        }
        ending
    }
}
