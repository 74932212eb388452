//! The list of functions. What a line says, and what follows from it, is in the crate `bundle`.

use std::time::Duration;

use aws_adapters::kebab_case;
use bundle::{
    Batching, Bundle, Context, Function, Outbound, Parameter, Picture, Registry, Sender, Trigger, command,
    on_queue, step, view,
};
use domain::cart::FinalizeCart;
use domain::deadlines::{GROUP_CHECKOUT_DEADLINE, PAYMENT_DEADLINE, SHIPMENT_DEADLINE};
use domain::group_checkout::{
    CompleteGroupCheckout, GuestCheckoutRecorded, GuestCheckoutRecordedLate, InitiateGroupCheckout,
    NotifyGroupCheckoutFailure, RecordGuestCheckout, TimeOutGroupCheckout,
};
use domain::group_checkout_process::{
    OnGroupCheckoutInitiated, OnGuestCheckoutCompleted, OnGuestCheckoutFailed,
};
use domain::group_checkouts_view::GroupCheckouts;
use domain::guest_stay::{
    ChargeRecorded, CheckInGuest, CheckoutGuestAccount, GuestCheckedIn, GuestPaymentRecorded, RecordCharge,
    RecordPayment,
};
use domain::order::{
    CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, OrderCompleted, OrderWithdrawnEarly,
    WithdrawOrder,
};
use domain::order_saga::{
    OnCartFinalized, OnOrderCancelled, OnOrderConfirmed, OnOrderInitialized, OnPaymentCompleted,
    OnPaymentFailed, OnPaymentRevoked, OnShipmentFailed, OnShipmentSent,
};
use domain::orders_view::Orders;
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, PaymentFailedLate, PaymentReceivedLate, RequestPayment,
    TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, ShipmentCalledOffLate, ShipmentFailedLate,
    ShipmentSentLate, TimeOutShipment,
};
use eventsourcing::Message;

use crate::samples::{group, order, payment, shipment};
use crate::scenarios::DEMO;
use crate::simulators::{PaymentGateway, ShippingGateway};
use crate::streams::STREAMS;

use Sender::{Gateways, Outside, OutsideAndSteps, Steps};

/// The business: order saga and group checkout.
pub fn bundle() -> Bundle {
    Bundle {
        about: "Order saga and group checkout",
        ways: "An order's way, from the cart down to its parcel, and a group's.",
        contexts: vec![CART, ORDER, PAYMENT, SHIPMENT, GUEST_STAY, GROUP_CHECKOUT],
        pictures: vec![
            Picture {
                section: "orders",
                contexts: vec![CART, ORDER, PAYMENT, SHIPMENT],
            },
            Picture {
                section: "groups",
                contexts: vec![GUEST_STAY, GROUP_CHECKOUT],
            },
        ],
        streams: STREAMS.to_vec(),
        registry: Registry::of(functions(), outbound()),
        demo: DEMO,
    }
}

const CART: Context = Context::new("cart", "Cart");
const ORDER: Context = Context::new("order", "Order and its saga");
const PAYMENT: Context = Context::new("payment", "Payment");
const SHIPMENT: Context = Context::new("shipment", "Shipment");
const GUEST_STAY: Context = Context::new("guest-stay", "Guest stay");
const GROUP_CHECKOUT: Context = Context::new("group-checkout", "Group checkout");

/// All functions, each in a line.
fn functions() -> Vec<Function> {
    [
        orders(),
        payments(),
        shipments(),
        guests(),
        groups(),
        views(),
        simulators(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// From the cart to the end of its order.
fn orders() -> Vec<Function> {
    vec![
        command::<FinalizeCart>(CART, Outside, "Fixes a cart's content, once").sample(order::finalize_cart),
        step::<OnCartFinalized>(ORDER, "A finalized cart becomes an order").sample(order::on_cart_finalized),
        command::<InitializeOrder>(ORDER, Steps, "Makes the order of a cart")
            .sample(order::initialize_order)
            .sample(order::initialize_order_withdrawn)
            .told(PAYMENT_DEADLINE),
        step::<OnOrderInitialized>(ORDER, "Requests the payment and sets its deadline")
            .sample(order::on_order_initialized)
            .told(PAYMENT_DEADLINE),
        command::<ConfirmOrder>(
            ORDER,
            Steps,
            "Confirms an order that is paid for, unless it was cancelled",
        )
        .sample(order::confirm_order)
        .told(SHIPMENT_DEADLINE),
        step::<OnOrderConfirmed>(ORDER, "Requests the shipment and sets its deadline")
            .sample(order::on_order_confirmed)
            .told(SHIPMENT_DEADLINE),
        command::<CompleteOrder>(ORDER, Steps, "Completes an order whose parcel has left")
            .sample(order::complete_order)
            .unheard(&[OrderCompleted::TYPE]),
        command::<WithdrawOrder>(
            ORDER,
            Outside,
            "Cancels an order for its customer, until it is confirmed",
        )
        .sample(order::withdraw_order)
        .sample(order::withdraw_order_early)
        .unheard(&[OrderWithdrawnEarly::TYPE]),
        command::<CancelOrder>(ORDER, Steps, "Cancels an order that can't be fulfilled")
            .sample(order::cancel_order),
        step::<OnOrderCancelled>(ORDER, "Voids or refunds a cancelled order's payment")
            .sample(order::on_order_cancelled),
    ]
}

/// What the payment provider is asked and says.
fn payments() -> Vec<Function> {
    vec![
        command::<RequestPayment>(PAYMENT, Steps, "Asks the payment provider for the money")
            .sample(payment::request_payment),
        command::<CompletePayment>(PAYMENT, Gateways, "Records that the money is in")
            .sample(payment::complete_payment)
            .sample(payment::complete_payment_late)
            .counting(&[PaymentReceivedLate::TYPE]),
        step::<OnPaymentCompleted>(PAYMENT, "Confirms an order once it is paid")
            .sample(payment::on_payment_completed),
        command::<FailPayment>(
            PAYMENT,
            Gateways,
            "Records that the provider could not get the money",
        )
        .sample(payment::fail_payment)
        .sample(payment::fail_payment_late)
        .counting(&[PaymentFailedLate::TYPE]),
        command::<TimeOutPayment>(PAYMENT, Steps, "Fails a payment that was not answered in time")
            .sample(payment::time_out_payment),
        step::<OnPaymentFailed>(PAYMENT, "Cancels an order whose payment failed")
            .sample(payment::on_payment_failed),
        command::<DiscardPayment>(PAYMENT, Steps, "Gives the money back, or calls the payment off")
            .sample(payment::discard_payment)
            .sample(payment::discard_payment_unanswered)
            .sample(payment::discard_payment_by_hand),
        step::<OnPaymentRevoked>(PAYMENT, "Ends an order whose payment was discarded by hand")
            .sample(payment::on_payment_revoked)
            .sample(payment::on_payment_revoked_when_paid),
    ]
}

/// What the carrier is asked and says.
fn shipments() -> Vec<Function> {
    vec![
        command::<RequestShipment>(SHIPMENT, Steps, "Asks the carrier to send the items")
            .sample(shipment::request_shipment),
        command::<SendShipment>(SHIPMENT, Gateways, "Records that the parcel has left")
            .sample(shipment::send_shipment)
            .sample(shipment::send_shipment_late)
            .counting(&[ShipmentSentLate::TYPE]),
        step::<OnShipmentSent>(SHIPMENT, "Completes an order once its parcel has left")
            .sample(shipment::on_shipment_sent),
        command::<FailShipment>(SHIPMENT, Gateways, "Records that the carrier could not send it")
            .sample(shipment::fail_shipment)
            .sample(shipment::fail_shipment_late)
            .counting(&[ShipmentFailedLate::TYPE]),
        command::<CallOffShipment>(
            SHIPMENT,
            Steps,
            "Fails a shipment whose payment was given back, unless the parcel has left",
        )
        .sample(shipment::call_off_shipment)
        .sample(shipment::call_off_shipment_late)
        .counting(&[ShipmentCalledOffLate::TYPE]),
        command::<TimeOutShipment>(SHIPMENT, Steps, "Fails a shipment that was not answered in time")
            .sample(shipment::time_out_shipment),
        step::<OnShipmentFailed>(SHIPMENT, "Cancels an order whose shipment failed")
            .sample(shipment::on_shipment_failed),
    ]
}

/// What happens during a stay, and what a group hears of it.
fn guests() -> Vec<Function> {
    vec![
        command::<CheckInGuest>(GUEST_STAY, Outside, "Opens a guest's account")
            .sample(group::check_in_guest)
            .unheard(&[GuestCheckedIn::TYPE]),
        command::<RecordCharge>(GUEST_STAY, Outside, "Puts a charge on a guest's account")
            .sample(group::record_charge)
            .unheard(&[ChargeRecorded::TYPE]),
        command::<RecordPayment>(GUEST_STAY, Outside, "Records what a guest has paid")
            .sample(group::record_payment)
            .unheard(&[GuestPaymentRecorded::TYPE]),
        command::<CheckoutGuestAccount>(
            GUEST_STAY,
            OutsideAndSteps,
            "Checks a guest out, if nothing is open",
        )
        .sample(group::checkout_guest_account)
        .sample(group::checkout_guest_account_owing),
        step::<OnGuestCheckoutCompleted>(GROUP_CHECKOUT, "Reports a guest who has left to the group")
            .sample(group::on_guest_checkout_completed),
        step::<OnGuestCheckoutFailed>(GROUP_CHECKOUT, "Reports a guest who can't leave to the group")
            .sample(group::on_guest_checkout_failed),
    ]
}

/// From the group to its guests and back.
fn groups() -> Vec<Function> {
    vec![
        command::<InitiateGroupCheckout>(GROUP_CHECKOUT, Outside, "Starts the checkout of a group")
            .sample(group::initiate_group_checkout)
            .told(GROUP_CHECKOUT_DEADLINE),
        step::<OnGroupCheckoutInitiated>(
            GROUP_CHECKOUT,
            "Checks out every guest of the group, and sets the deadline",
        )
        .sample(group::on_group_checkout_initiated)
        .told(GROUP_CHECKOUT_DEADLINE),
        command::<RecordGuestCheckout>(
            GROUP_CHECKOUT,
            Steps,
            "Counts a guest's result; tells of failures and ends the group",
        )
        .sample(group::record_guest_checkout)
        .sample(group::record_guest_checkout_of_the_last)
        .sample(group::record_guest_checkout_late)
        .batched(RESULTS)
        .counting(&[GuestCheckoutRecordedLate::TYPE])
        .unheard(&[GuestCheckoutRecorded::TYPE]),
        command::<CompleteGroupCheckout>(
            GROUP_CHECKOUT,
            Steps,
            "Confirms that a group whose guests are all in has ended",
        )
        .sample(group::complete_group_checkout)
        .confirming(),
        command::<NotifyGroupCheckoutFailure>(
            GROUP_CHECKOUT,
            Steps,
            "Confirms that a guest's failure was told",
        )
        .sample(group::notify_group_checkout_failure)
        .confirming(),
        command::<TimeOutGroupCheckout>(
            GROUP_CHECKOUT,
            Steps,
            "Ends a group of which not all guests were heard in time",
        )
        .sample(group::time_out_group_checkout),
    ]
}

/// What became of orders and groups.
fn views() -> Vec<Function> {
    vec![
        view::<Orders>("Shows what became of an order, by order, by client, and of those that are open")
            .sample(order::view_orders)
            .sample(order::view_orders_cancelled),
        view::<GroupCheckouts>("Shows what became of a group's checkout, and of those that are open")
            .sample(group::view_group_checkouts),
    ]
}

/// Stand-ins for the outside world.
fn simulators() -> Vec<Function> {
    vec![payment_gateway_simulator(), shipping_gateway_simulator()]
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
    per_shard: 1,
    parameter: Some(Parameter {
        name: "ResultsBatchSize",
        why: "Results that come together are one commit: larger batches make large groups cheaper.",
        about: "How many guests' results one invocation takes at most.",
    }),
};

const PAYMENT_GATEWAY: &str = "payment-gateway";
const SHIPPING_GATEWAY: &str = "shipping-gateway";

fn payment_gateway_simulator() -> Function {
    let (name, about) = (
        "simulate-payment-gateway",
        "Stands in for the payment provider; answers by the amount",
    );
    let answers = [CompletePayment::TYPE, FailPayment::TYPE].map(kebab_case);
    let trigger = Trigger::Outbound(PAYMENT_GATEWAY);
    let simulator = Function::of(name, about, Context::SIMULATORS, trigger, |name, parts| {
        let deadline = parts.settings.values.get(&PAYMENT_DEADLINE);
        let handler = PaymentGateway::new(parts.bus(), parts.clock.clone(), PAYMENT_GATEWAY, deadline);
        on_queue(name, PAYMENT_GATEWAY, handler, parts)
    });
    simulator
        .sending_to(answers.into_iter().chain([PAYMENT_GATEWAY.into()]))
        .told(PAYMENT_DEADLINE)
        .sample(payment::simulate_payment_gateway)
        .sample(payment::simulate_payment_gateway_declining)
        .sample(payment::simulate_payment_gateway_late)
}

fn shipping_gateway_simulator() -> Function {
    let (name, about) = (
        "simulate-shipping-gateway",
        "Stands in for the carrier; answers by the products",
    );
    let trigger = Trigger::Outbound(SHIPPING_GATEWAY);
    let simulator = Function::of(name, about, Context::SIMULATORS, trigger, |name, parts| {
        let handler = ShippingGateway::new(parts.bus(), parts.clock.clone());
        on_queue(name, SHIPPING_GATEWAY, handler, parts)
    });
    simulator
        .sending_to([SendShipment::TYPE, FailShipment::TYPE].map(kebab_case))
        .sample(shipment::simulate_shipping_gateway)
        .sample(shipment::simulate_shipping_gateway_out_of_stock)
}

#[cfg(test)]
mod tests {
    use super::*;

    use domain::Deadlines;
    use eventsourcing::RuleSettings;

    #[test]
    fn whoever_records_a_deadline_sends_it_or_goes_by_it_is_told_it() {
        let registry = bundle().registry;
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
    fn every_deadline_of_the_rules_is_told_to_a_function() {
        assert_eq!(bundle().own_settings(), Deadlines::DECLARED);
    }

    #[test]
    fn outbound_queues_get_the_events_that_are_promised() {
        let routes = bundle().registry.routes();
        assert_eq!(routes.of("PaymentRequested"), ["payment-gateway"]);
        assert_eq!(
            routes.of("ShipmentFailed"),
            ["shipping-gateway", "on-shipment-failed"]
        );
        assert_eq!(routes.of("OrderCompleted"), ["view-orders"]);
        assert_eq!(
            bundle().registry.routes_without_views().of("OrderCompleted"),
            [""; 0]
        );
    }
}
