//! The shipment of an order: requested from the carrier, then sent or failed.
//!
//! The carrier's first answer counts. A later one that contradicts it is recorded as an event of its
//! own and turns nothing: of a failed shipment the carrier was told, and a parcel that left all the
//! same is for people to chase.
//!
//! Between a shipment that is called off and a parcel that leaves this stream decides, whichever commits
//! first.

use std::collections::BTreeSet;

use eventsourcing::{Category, Decider, Decision, Refusal, Text, Timestamp, commands, events, message};

use crate::values::{OrderId, ProductItems, ShipmentId};

message! {
    /// Asks the carrier to send the items. Sent by the saga.
    pub struct RequestShipment {
        /// The id computed from the order's.
        pub shipment_id: ShipmentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// What to send.
        pub product_items: ProductItems,
    }
}

message! {
    /// The parcel has left. Sent by the shipping gateway.
    pub struct SendShipment {
        /// Which shipment.
        pub shipment_id: ShipmentId,
    }
}

message! {
    /// The carrier could not send it. Sent by the shipping gateway.
    pub struct FailShipment {
        /// Which shipment.
        pub shipment_id: ShipmentId,
        /// Why, in the carrier's words.
        pub error: Text,
    }
}

message! {
    /// The payment was given back: nothing is to be sent. Sent by the saga.
    pub struct CallOffShipment {
        /// The id computed from the order's.
        pub shipment_id: ShipmentId,
        /// The order it is for. A shipment that was not requested yet never will be.
        pub order_id: OrderId,
        /// Why, for people to read.
        pub reason: Text,
    }
}

message! {
    /// The carrier had its time. A deadline, sent by the saga; it does nothing if the answer is in.
    pub struct TimeOutShipment {
        /// The id computed from the order's.
        pub shipment_id: ShipmentId,
        /// The order it is for. A shipment whose request got stuck fails all the same.
        pub order_id: OrderId,
        /// When the time is up.
        pub due_at: Timestamp,
    }
}

commands! {
    /// What a shipment is asked to do.
    pub enum ShipmentCommand for Shipment {
        RequestShipment => shipment_id + creates,
        SendShipment => shipment_id,
        FailShipment => shipment_id,
        CallOffShipment => shipment_id,
        TimeOutShipment => shipment_id + deadline,
    }
}

message! {
    /// The carrier is to send the items.
    pub struct ShipmentRequested {
        /// Which shipment.
        pub shipment_id: ShipmentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// What to send.
        pub product_items: ProductItems,
        /// When.
        pub requested_at: Timestamp,
    }
}

message! {
    /// The parcel has left.
    pub struct ShipmentSent {
        /// Which shipment.
        pub shipment_id: ShipmentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// When.
        pub sent_at: Timestamp,
    }
}

message! {
    /// The carrier could not send it, or did not answer in time.
    pub struct ShipmentFailed {
        /// Which shipment.
        pub shipment_id: ShipmentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// Why.
        pub error: Text,
        /// When.
        pub failed_at: Timestamp,
    }
}

message! {
    /// The parcel left after its shipment had failed. The order stays cancelled.
    pub struct ShipmentSentLate {
        /// Which shipment.
        pub shipment_id: ShipmentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// When.
        pub sent_at: Timestamp,
    }
}

message! {
    /// The carrier reported a failure of a shipment that was settled already. What was settled stands.
    pub struct ShipmentFailedLate {
        /// Which shipment.
        pub shipment_id: ShipmentId,
        /// The order it was for.
        pub order_id: OrderId,
        /// Why, in the carrier's words.
        pub error: Text,
        /// When.
        pub failed_at: Timestamp,
    }
}

message! {
    /// The shipment was to be called off after the parcel had left. The order completes.
    pub struct ShipmentCalledOffLate {
        /// Which shipment.
        pub shipment_id: ShipmentId,
        /// The order it is for.
        pub order_id: OrderId,
        /// Why it was to be called off.
        pub reason: Text,
        /// When.
        pub called_off_at: Timestamp,
    }
}

events! {
    /// What happens to a shipment.
    pub enum ShipmentEvent {
        ShipmentRequested,
        ShipmentSent,
        ShipmentFailed,
        ShipmentSentLate,
        ShipmentFailedLate,
        ShipmentCalledOffLate,
    }
}

/// The rules of a shipment.
#[derive(Clone, Copy, Debug)]
pub struct Shipment;

/// What has become of a shipment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShipmentState {
    phase: Phase,
    /// What the carrier was asked to send, if it was asked.
    items: Option<ProductItems>,
    /// The failures that were recorded, so that a repeat of one is told from another one.
    failures: BTreeSet<Text>,
    /// Whether it was to be called off after the parcel had left.
    called_off_late: bool,
}

impl ShipmentState {
    /// Where it stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }
}

/// Where a shipment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The carrier has not been asked.
    #[default]
    NotRequested,
    /// The carrier has not answered.
    Requested(OrderId),
    /// The parcel has left.
    Sent(OrderId),
    /// It failed.
    Failed {
        /// The order it was for.
        order_id: OrderId,
        /// Whether the parcel left after that.
        left_all_the_same: bool,
    },
}

impl Decider for Shipment {
    const CATEGORY: Category = Category::new("shipment");
    type Command = ShipmentCommand;
    type Event = ShipmentEvent;
    type State = ShipmentState;
    type Settings = ();

    fn evolve(mut state: ShipmentState, event: &ShipmentEvent) -> ShipmentState {
        state.phase = match event {
            ShipmentEvent::ShipmentRequested(e) => {
                state.items = Some(e.product_items.clone());
                Phase::Requested(e.order_id.clone())
            }
            ShipmentEvent::ShipmentSent(e) => Phase::Sent(e.order_id.clone()),
            ShipmentEvent::ShipmentFailed(e) => {
                state.failures.insert(e.error.clone());
                Phase::Failed {
                    order_id: e.order_id.clone(),
                    left_all_the_same: false,
                }
            }
            ShipmentEvent::ShipmentSentLate(e) => Phase::Failed {
                order_id: e.order_id.clone(),
                left_all_the_same: true,
            },
            ShipmentEvent::ShipmentFailedLate(e) => {
                state.failures.insert(e.error.clone());
                state.phase
            }
            ShipmentEvent::ShipmentCalledOffLate(_) => {
                state.called_off_late = true;
                state.phase
            }
        };
        state
    }

    fn decide(state: &ShipmentState, command: &ShipmentCommand, (): &(), now: Timestamp) -> Decided {
        match command {
            ShipmentCommand::RequestShipment(command) => request(state, command, now),
            ShipmentCommand::SendShipment(command) => send(&state.phase, &command.shipment_id, now),
            ShipmentCommand::FailShipment(command) => fail(state, command, now),
            ShipmentCommand::CallOffShipment(command) => call_off(state, command, now),
            ShipmentCommand::TimeOutShipment(command) => time_out(&state.phase, command, now),
        }
    }
}

type Decided = Result<Decision<ShipmentEvent>, Refusal>;

fn request(state: &ShipmentState, command: &RequestShipment, now: Timestamp) -> Decided {
    check_id(&command.shipment_id, &command.order_id)?;
    match (&state.phase, &state.items) {
        (Phase::NotRequested, _) => Ok(Decision::one(ShipmentRequested {
            shipment_id: command.shipment_id.clone(),
            order_id: command.order_id.clone(),
            product_items: command.product_items.clone(),
            requested_at: now,
        })),
        (_, Some(items)) if *items != command.product_items => Err(Refusal::Rejected(format!(
            "shipment {} is known already, with other items",
            command.shipment_id
        ))),
        // Asked for before, or failed before it was asked for.
        _ => Ok(Decision::Nothing),
    }
}

fn send(phase: &Phase, id: &ShipmentId, now: Timestamp) -> Decided {
    match phase {
        Phase::NotRequested => not_there_yet(id),
        Phase::Requested(order_id) => Ok(Decision::one(ShipmentSent {
            shipment_id: id.clone(),
            order_id: order_id.clone(),
            sent_at: now,
        })),
        Phase::Sent(_)
        | Phase::Failed {
            left_all_the_same: true,
            ..
        } => Ok(Decision::Nothing),
        Phase::Failed {
            order_id,
            left_all_the_same: false,
        } => Ok(Decision::one(ShipmentSentLate {
            shipment_id: id.clone(),
            order_id: order_id.clone(),
            sent_at: now,
        })),
    }
}

fn fail(state: &ShipmentState, command: &FailShipment, now: Timestamp) -> Decided {
    let (shipment_id, error) = (command.shipment_id.clone(), command.error.clone());
    match &state.phase {
        Phase::NotRequested => not_there_yet(&shipment_id),
        Phase::Requested(order_id) => Ok(Decision::one(ShipmentFailed {
            shipment_id,
            order_id: order_id.clone(),
            error,
            failed_at: now,
        })),
        Phase::Sent(_) | Phase::Failed { .. } if state.failures.contains(&error) => Ok(Decision::Nothing),
        Phase::Sent(order_id) | Phase::Failed { order_id, .. } => Ok(Decision::one(ShipmentFailedLate {
            shipment_id,
            order_id: order_id.clone(),
            error,
            failed_at: now,
        })),
    }
}

fn call_off(state: &ShipmentState, command: &CallOffShipment, now: Timestamp) -> Decided {
    let (shipment_id, reason) = (command.shipment_id.clone(), command.reason.clone());
    check_id(&shipment_id, &command.order_id)?;
    match &state.phase {
        Phase::NotRequested | Phase::Requested(_) => Ok(Decision::one(ShipmentFailed {
            shipment_id,
            order_id: command.order_id.clone(),
            error: reason,
            failed_at: now,
        })),
        Phase::Sent(order_id) if !state.called_off_late => Ok(Decision::one(ShipmentCalledOffLate {
            shipment_id,
            order_id: order_id.clone(),
            reason,
            called_off_at: now,
        })),
        Phase::Sent(_) | Phase::Failed { .. } => Ok(Decision::Nothing),
    }
}

fn time_out(phase: &Phase, command: &TimeOutShipment, now: Timestamp) -> Decided {
    check_id(&command.shipment_id, &command.order_id)?;
    match phase {
        Phase::Sent(_) | Phase::Failed { .. } => Ok(Decision::Nothing),
        _ if now < command.due_at => Ok(Decision::NotDue(command.due_at)),
        Phase::NotRequested | Phase::Requested(_) => Ok(Decision::one(ShipmentFailed {
            shipment_id: command.shipment_id.clone(),
            order_id: command.order_id.clone(),
            error: "timed out".into(),
            failed_at: now,
        })),
    }
}

fn check_id(id: &ShipmentId, order_id: &OrderId) -> Result<(), Refusal> {
    let computed = ShipmentId::of_order(order_id);
    if *id == computed {
        return Ok(());
    }
    Err(Refusal::Rejected(format!(
        "shipment_id is not the one of order {order_id}; expected {computed}"
    )))
}

fn not_there_yet(id: &ShipmentId) -> Decided {
    Err(Refusal::Premature(format!(
        "shipment {id} has not been requested yet"
    )))
}
