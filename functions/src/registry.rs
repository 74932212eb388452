//! The list of functions. What a line says, and what follows from it, is in `registry/function.rs`; how a
//! function is built from its line, in `registry/building.rs`.

mod building;
mod function;

use std::time::Duration;

use aws_adapters::kebab_case;
use domain::cart::FinalizeCart;
use domain::group_checkout::{
    CompleteGroupCheckout, GuestCheckoutRecordedLate, InitiateGroupCheckout, NotifyGroupCheckoutFailure,
    RecordGuestCheckout, TimeOutGroupCheckout,
};
use domain::group_checkout_process::{
    OnGroupCheckoutInitiated, OnGuestCheckoutCompleted, OnGuestCheckoutFailed,
};
use domain::guest_stay::{CheckInGuest, CheckoutGuestAccount, RecordCharge, RecordPayment};
use domain::order::{CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, WithdrawOrder};
use domain::order_saga::{
    OnCartFinalized, OnOrderCancelled, OnOrderConfirmed, OnOrderInitialized, OnPaymentCompleted,
    OnPaymentFailed, OnPaymentRevoked, OnShipmentFailed, OnShipmentSent,
};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, PaymentFailedLate, PaymentReceivedLate, RequestPayment,
    TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, ShipmentCalledOffLate, ShipmentFailedLate,
    ShipmentSentLate, TimeOutShipment,
};
use eventsourcing::Message;

use self::building::{command, on_queue, step};
use crate::simulators::{PaymentGateway, ShippingGateway};

pub use self::building::{RECOVERY, RELAY, SWEEPER};
pub use self::function::{
    Batching, Function, Outbound, OutboxAccess, Registry, Sender, StoreAccess, Trigger,
};

use Context::{Cart, GroupCheckout, GuestStay, Order, Payment, Shipment};
use Sender::{Gateways, Outside, OutsideAndSteps, Steps};

/// All functions of the bundle, and the queues for systems outside of it.
pub fn registry() -> Registry {
    let functions = vec![
        command::<FinalizeCart>(Cart, Outside, "Fixes a cart's content, once"),
        step::<OnCartFinalized>(Order, "A finalized cart becomes an order"),
        command::<InitializeOrder>(Order, Steps, "Makes the order of a cart").told(PAYMENT_DEADLINE),
        step::<OnOrderInitialized>(Order, "Requests the payment and sets its deadline")
            .told(PAYMENT_DEADLINE),
        command::<ConfirmOrder>(
            Order,
            Steps,
            "Confirms an order that is paid for, unless it was cancelled",
        )
        .told(SHIPMENT_DEADLINE),
        step::<OnOrderConfirmed>(Order, "Requests the shipment and sets its deadline")
            .told(SHIPMENT_DEADLINE),
        command::<CompleteOrder>(Order, Steps, "Completes an order whose parcel has left"),
        command::<WithdrawOrder>(
            Order,
            Outside,
            "Cancels an order for its customer, until it is confirmed",
        ),
        command::<CancelOrder>(Order, Steps, "Cancels an order that can't be fulfilled"),
        step::<OnOrderCancelled>(Order, "Voids or refunds a cancelled order's payment"),
        command::<RequestPayment>(Payment, Steps, "Asks the payment provider for the money"),
        command::<CompletePayment>(Payment, Gateways, "Records that the money is in")
            .counting(&[PaymentReceivedLate::TYPE]),
        step::<OnPaymentCompleted>(Payment, "Confirms an order once it is paid"),
        command::<FailPayment>(
            Payment,
            Gateways,
            "Records that the provider could not get the money",
        )
        .counting(&[PaymentFailedLate::TYPE]),
        command::<TimeOutPayment>(Payment, Steps, "Fails a payment that was not answered in time"),
        step::<OnPaymentFailed>(Payment, "Cancels an order whose payment failed"),
        command::<DiscardPayment>(Payment, Steps, "Gives the money back, or calls the payment off"),
        step::<OnPaymentRevoked>(Payment, "Ends an order whose payment was discarded by hand"),
        command::<RequestShipment>(Shipment, Steps, "Asks the carrier to send the items"),
        command::<SendShipment>(Shipment, Gateways, "Records that the parcel has left")
            .counting(&[ShipmentSentLate::TYPE]),
        step::<OnShipmentSent>(Shipment, "Completes an order once its parcel has left"),
        command::<FailShipment>(Shipment, Gateways, "Records that the carrier could not send it")
            .counting(&[ShipmentFailedLate::TYPE]),
        command::<CallOffShipment>(
            Shipment,
            Steps,
            "Fails a shipment whose payment was given back, unless the parcel has left",
        )
        .counting(&[ShipmentCalledOffLate::TYPE]),
        command::<TimeOutShipment>(Shipment, Steps, "Fails a shipment that was not answered in time"),
        step::<OnShipmentFailed>(Shipment, "Cancels an order whose shipment failed"),
        command::<CheckInGuest>(GuestStay, Outside, "Opens a guest's account"),
        command::<RecordCharge>(GuestStay, Outside, "Puts a charge on a guest's account"),
        command::<RecordPayment>(GuestStay, Outside, "Records what a guest has paid"),
        command::<CheckoutGuestAccount>(
            GuestStay,
            OutsideAndSteps,
            "Checks a guest out, if nothing is open",
        ),
        step::<OnGuestCheckoutCompleted>(GroupCheckout, "Reports a guest who has left to the group"),
        step::<OnGuestCheckoutFailed>(GroupCheckout, "Reports a guest who can't leave to the group"),
        command::<InitiateGroupCheckout>(GroupCheckout, Outside, "Starts the checkout of a group")
            .told(GROUP_CHECKOUT_DEADLINE),
        step::<OnGroupCheckoutInitiated>(
            GroupCheckout,
            "Checks out every guest of the group, and sets the deadline",
        )
        .told(GROUP_CHECKOUT_DEADLINE),
        command::<RecordGuestCheckout>(
            GroupCheckout,
            Steps,
            "Counts a guest's result; tells of failures and ends the group",
        )
        .batched(RESULTS)
        .counting(&[GuestCheckoutRecordedLate::TYPE]),
        command::<CompleteGroupCheckout>(
            GroupCheckout,
            Steps,
            "Confirms that a group whose guests are all in has ended",
        )
        .confirming(),
        command::<NotifyGroupCheckoutFailure>(
            GroupCheckout,
            Steps,
            "Confirms that a guest's failure was told",
        )
        .confirming(),
        command::<TimeOutGroupCheckout>(
            GroupCheckout,
            Steps,
            "Ends a group of which not all guests were heard in time",
        ),
        payment_gateway_simulator(),
        shipping_gateway_simulator(),
    ];
    Registry::of(functions, outbound())
}

/// The queues for systems outside of the bundle.
fn outbound() -> Vec<Outbound> {
    vec![
        Outbound {
            queue: PAYMENT_GATEWAY,
            events: &["PaymentRequested", "PaymentVoided", "PaymentDiscarded"],
            about: "To the payment provider",
        },
        Outbound {
            queue: "group-checkout-notifications",
            events: &[
                "GroupCheckoutFailureNotified",
                "GroupCheckoutCompleted",
                "GroupCheckoutFailed",
                "GroupCheckoutTimedOut",
            ],
            about: "To whoever waits for a group: each failure with the counts so far, and the ending",
        },
        Outbound {
            queue: SHIPPING_GATEWAY,
            events: &["ShipmentRequested", "ShipmentFailed"],
            about: "To the carrier",
        },
    ]
}

/// A group's results all go to one stream: taken together they are one commit, and more than two
/// invocations (the fewest that Lambda can be limited to) would only race each other. 25 results make a
/// commit of some 11 KB: larger ones save next to nothing, and what reads the newest commit pays for it.
const RESULTS: Batching = Batching {
    size: 25,
    window: Duration::from_secs(1),
    concurrency: Some(2),
};

const PAYMENT_DEADLINE: &str = "PAYMENT_DEADLINE_SECONDS";
const SHIPMENT_DEADLINE: &str = "SHIPMENT_DEADLINE_SECONDS";
const GROUP_CHECKOUT_DEADLINE: &str = "GROUP_CHECKOUT_DEADLINE_SECONDS";

const PAYMENT_GATEWAY: &str = "payment-gateway";
const SHIPPING_GATEWAY: &str = "shipping-gateway";
/// What part of the business a function belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// Carts.
    Cart,
    /// Orders and their saga.
    Order,
    /// Payments.
    Payment,
    /// Shipments.
    Shipment,
    /// Guests' stays at a hotel.
    GuestStay,
    /// Groups of guests that check out together.
    GroupCheckout,
    /// What all share: the relay, and what makes up for its failures.
    Delivery,
    /// Stand-ins for the outside world.
    Simulators,
}

fn payment_gateway_simulator() -> Function {
    let (name, about) = (
        "simulate-payment-gateway",
        "Stands in for the payment provider; answers by the amount",
    );
    let answers = [CompletePayment::TYPE, FailPayment::TYPE].map(kebab_case);
    let trigger = Trigger::Outbound(PAYMENT_GATEWAY);
    Function {
        sends_to: answers.into_iter().chain([PAYMENT_GATEWAY.into()]).collect(),
        deadline: Some(PAYMENT_DEADLINE),
        ..Function::of(name, about, Context::Simulators, trigger, |name, parts| {
            let deadline = parts.settings.deadlines.payment;
            let handler = PaymentGateway::new(parts.bus(), parts.clock.clone(), PAYMENT_GATEWAY, deadline);
            on_queue(name, PAYMENT_GATEWAY, handler, parts)
        })
    }
}

fn shipping_gateway_simulator() -> Function {
    let (name, about) = (
        "simulate-shipping-gateway",
        "Stands in for the carrier; answers by the products",
    );
    let trigger = Trigger::Outbound(SHIPPING_GATEWAY);
    Function {
        sends_to: [SendShipment::TYPE, FailShipment::TYPE].map(kebab_case).into(),
        ..Function::of(name, about, Context::Simulators, trigger, |name, parts| {
            let handler = ShippingGateway::new(parts.bus(), parts.clock.clone());
            on_queue(name, SHIPPING_GATEWAY, handler, parts)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use domain::cart::CartEvent;
    use domain::group_checkout::GroupCheckoutEvent;
    use domain::guest_stay::GuestStayEvent;
    use domain::order::OrderEvent;
    use domain::payment::PaymentEvent;
    use domain::shipment::ShipmentEvent;
    use eventsourcing::EventSet;

    use crate::settings::Settings;

    #[test]
    fn every_name_is_taken_once() {
        let registry = registry();
        let names: BTreeSet<_> = registry.functions.iter().map(|function| &function.name).collect();
        assert_eq!(names.len(), registry.functions.len());
        let queues: BTreeSet<_> = registry.queues().into_iter().collect();
        assert_eq!(queues.len(), registry.queues().len());
    }

    #[test]
    fn whatever_is_sent_has_a_queue() {
        let registry = registry();
        for function in &registry.functions {
            for queue in &function.sends_to {
                assert!(
                    registry.queues().contains(&queue.as_str()),
                    "{} sends to {queue}",
                    function.name
                );
            }
        }
    }

    #[test]
    fn whoever_records_a_deadline_sends_it_or_goes_by_it_is_told_it() {
        let registry = registry();
        // Which command records the event that a step sets its deadline by.
        let records = [
            (InitializeOrder::TYPE, "on-order-initialized"),
            (ConfirmOrder::TYPE, "on-order-confirmed"),
            (InitiateGroupCheckout::TYPE, "on-group-checkout-initiated"),
        ]
        .map(|(command, step)| (kebab_case(command), step));
        for (command, step) in &records {
            let told = |name: &str| registry.function(name).and_then(|function| function.deadline);
            assert_eq!(told(command), told(step), "{command}");
        }
        let waits = |name: &String| registry.function(name).is_some_and(|f| f.sends_to.contains(name));
        for function in &registry.functions {
            let sets = matches!(function.trigger, Trigger::Events(_)) && function.sends_to.iter().any(waits);
            let simulates = function.name == "simulate-payment-gateway";
            assert_eq!(
                function.deadline.is_some(),
                sets || simulates || records.iter().any(|(command, _)| *command == function.name),
                "{}",
                function.name
            );
        }
    }

    #[test]
    fn deadlines_are_told_in_variables_that_settings_reads() {
        for variable in registry()
            .functions
            .iter()
            .filter_map(|function| function.deadline)
        {
            let soon = Settings::deadlines(|name| (name == variable).then(|| "soon".to_owned()));
            assert!(soon.is_err(), "{variable} is not read");
        }
    }

    #[test]
    fn every_late_fact_is_counted_by_a_function() {
        let registry = registry();
        let counted: BTreeSet<_> = registry
            .functions
            .iter()
            .flat_map(|f| f.late_facts)
            .copied()
            .collect();
        let events = [
            CartEvent::TYPES,
            OrderEvent::TYPES,
            PaymentEvent::TYPES,
            ShipmentEvent::TYPES,
            GuestStayEvent::TYPES,
            GroupCheckoutEvent::TYPES,
        ];
        let late = events
            .into_iter()
            .flatten()
            .filter(|event| event.ends_with("Late"));
        assert_eq!(counted, late.copied().collect());
    }

    #[test]
    fn outbound_queues_get_the_events_that_are_promised() {
        let routes = registry().routes();
        assert_eq!(routes.of("PaymentRequested"), ["payment-gateway"]);
        assert_eq!(
            routes.of("ShipmentFailed"),
            ["shipping-gateway", "on-shipment-failed"]
        );
        assert_eq!(routes.of("OrderCompleted"), [""; 0]);
    }
}
