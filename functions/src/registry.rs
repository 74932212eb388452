//! The list of functions: name, trigger, what each sends, reads and writes, and how it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{
    CommandFunction, Handler, QueueFunction, Relay, Routes, SWEEP_INTERVAL, StepFunction, StreamRecovery,
    Sweeper, dead_letter_queue, kebab_case,
};
use domain::Deadlines;
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
use eventsourcing::{
    Command, CommandEnvelope, Decider, Draft, Form, Malformed, Message, Step, StreamId, Timestamp,
};

use crate::settings::{Parts, RuleSettings};
use crate::simulators::{PaymentGateway, ShippingGateway};

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
        step::<OnOrderCancelled>(Order, "Has no money of a cancelled order kept"),
        command::<RequestPayment>(Payment, Steps, "Asks the payment provider for the money"),
        command::<CompletePayment>(Payment, Gateways, "Records that the money is in")
            .counting(&[PaymentReceivedLate::TYPE]),
        step::<OnPaymentCompleted>(Payment, "Has a paid order confirmed"),
        command::<FailPayment>(
            Payment,
            Gateways,
            "Records that the provider could not get the money",
        )
        .counting(&[PaymentFailedLate::TYPE]),
        command::<TimeOutPayment>(Payment, Steps, "Fails a payment that was not answered in time"),
        step::<OnPaymentFailed>(Payment, "Has an unpaid order cancelled"),
        command::<DiscardPayment>(Payment, Steps, "Gives the money back, or calls the payment off"),
        step::<OnPaymentRevoked>(Payment, "Has an order end whose payment was discarded by hand"),
        command::<RequestShipment>(Shipment, Steps, "Asks the carrier to send the items"),
        command::<SendShipment>(Shipment, Gateways, "Records that the parcel has left")
            .counting(&[ShipmentSentLate::TYPE]),
        step::<OnShipmentSent>(Shipment, "Has a sent order completed"),
        command::<FailShipment>(Shipment, Gateways, "Records that the carrier could not send it")
            .counting(&[ShipmentFailedLate::TYPE]),
        command::<CallOffShipment>(
            Shipment,
            Steps,
            "Fails a shipment whose payment was given back, unless the parcel has left",
        )
        .counting(&[ShipmentCalledOffLate::TYPE]),
        command::<TimeOutShipment>(Shipment, Steps, "Fails a shipment that was not answered in time"),
        step::<OnShipmentFailed>(Shipment, "Has an order without a parcel cancelled"),
        command::<CheckInGuest>(GuestStay, Outside, "Opens a guest's account"),
        command::<RecordCharge>(GuestStay, Outside, "Puts a charge on a guest's account"),
        command::<RecordPayment>(GuestStay, Outside, "Records what a guest has paid"),
        command::<CheckoutGuestAccount>(
            GuestStay,
            OutsideAndSteps,
            "Checks a guest out, if nothing is open",
        ),
        step::<OnGuestCheckoutCompleted>(GroupCheckout, "Has the group count a guest who has left"),
        step::<OnGuestCheckoutFailed>(GroupCheckout, "Has the group count a guest who can't leave"),
        command::<InitiateGroupCheckout>(GroupCheckout, Outside, "Starts the checkout of a group")
            .told(GROUP_CHECKOUT_DEADLINE),
        step::<OnGroupCheckoutInitiated>(
            GroupCheckout,
            "Has every guest of the group check out, and sets the deadline",
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
/// The name of the relay, without the stack's.
pub const RELAY: &str = "relay-events";
/// The name of the sweeper, without the stack's.
pub const SWEEPER: &str = "sweep-outbox";
/// The name of the function that is told what the relay's mapping gave up, and of its queue.
pub const RECOVERY: &str = "recover-stream-records";

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

/// Who sends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Systems outside the bundle.
    Outside,
    /// Payment provider or carrier.
    Gateways,
    /// The bundle's own steps.
    Steps,
    /// Systems outside, and the bundle's own steps.
    OutsideAndSteps,
}

/// What invokes a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Commands on the queue of the function's name.
    Commands(Sender),
    /// Events that the relay puts on the queue of the function's name.
    Events(&'static str),
    /// An outbound queue, which a system outside would read otherwise.
    Outbound(&'static str),
    /// The event table's stream.
    EventStream,
    /// What Lambda says of records of that stream which it gave up, on the queue of the function's name.
    GivenUpRecords,
    /// The clock, once in each period.
    Schedule(Duration),
}

/// What a function does with the event table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAccess {
    /// Nothing.
    None,
    /// Loads streams.
    Load,
    /// Loads streams and appends to them.
    LoadAndAppend,
    /// Reads single commits.
    Fetch,
}

/// What a function does with the outbox table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxAccess {
    /// Nothing.
    None,
    /// Saves what was not delivered.
    Save,
    /// Reads what is due, and marks it.
    Sweep,
}

/// How many messages an invocation gets, and how many invocations run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The most messages in a batch.
    pub size: u32,
    /// How long to wait for a batch to fill.
    pub window: Duration,
    /// The most invocations at once; as many as Lambda likes if none.
    pub concurrency: Option<u32>,
}

impl Default for Batching {
    /// Ten at once, without waiting.
    fn default() -> Self {
        Self {
            size: 10,
            window: Duration::ZERO,
            concurrency: None,
        }
    }
}

type Build = Box<dyn Fn(&'static str, &Parts) -> Arc<dyn Handler> + Send + Sync>;

/// How the body of a command is read: by its function, and as what somebody wrote.
#[derive(Clone, Copy)]
struct Read {
    body: fn(&str) -> Result<StreamId, Malformed>,
    draft: fn(&str, Form) -> Draft,
}

/// One function.
pub struct Function {
    /// Its kebab-case name, without the stack's.
    pub name: String,
    /// What it does, in a line.
    pub about: &'static str,
    /// Where it belongs.
    pub context: Context,
    /// What invokes it.
    pub trigger: Trigger,
    /// The queues it sends to, without the stack's name; its own dead-letter queue apart.
    pub sends_to: Vec<String>,
    /// What it does with the event table.
    pub store: StoreAccess,
    /// What it does with the outbox table.
    pub outbox: OutboxAccess,
    /// How its messages are taken together.
    pub batching: Batching,
    /// The variable of the environment with the deadline that it records, sets, or waits for; none if it
    /// has nothing to do with deadlines.
    pub deadline: Option<&'static str>,
    /// The events it may record that tell of a fact which came too late, and which an alarm counts.
    pub late_facts: &'static [&'static str],
    read: Option<Read>,
    build: Build,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}

impl Function {
    /// How long one invocation may take, in all functions.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// The memory of a function, in MB. Lambda gives processor time in proportion, and the time goes into
    /// waiting for `DynamoDB` and SQS: twice the least halves what parsing and TLS take.
    pub const MEMORY_MB: u32 = 256;

    /// How often the mapping of a stream tries a batch again. The relay saves what it can't deliver in
    /// the outbox; a batch comes again only if not even that works, so this and
    /// [`Function::STREAM_RECORD_AGE`] bound an outage of everything at once. What is given up stays in
    /// the stream for the rest of its day, and in the table for good.
    pub const STREAM_RETRIES: u32 = 10;

    /// How old a record of a stream may grow. See [`Function::STREAM_RETRIES`].
    pub const STREAM_RECORD_AGE: Duration = Duration::from_hours(6);

    /// How long a message is invisible after a receive: six times the timeout, as Lambda's guide asks.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
    pub const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(3);

    /// A function that sends nothing and touches no table, in batches as most take them.
    fn of(
        name: impl Into<String>,
        about: &'static str,
        context: Context,
        trigger: Trigger,
        build: impl Fn(&'static str, &Parts) -> Arc<dyn Handler> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            about,
            context,
            trigger,
            sends_to: vec![],
            store: StoreAccess::None,
            outbox: OutboxAccess::None,
            batching: Batching::default(),
            deadline: None,
            late_facts: &[],
            read: None,
            build: Box::new(build),
        }
    }

    fn batched(self, batching: Batching) -> Self {
        Self { batching, ..self }
    }

    fn told(self, deadline: &'static str) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// One that finds what it asks for done, or refuses: it never appends.
    fn confirming(self) -> Self {
        Self {
            store: StoreAccess::Load,
            ..self
        }
    }

    fn counting(self, late_facts: &'static [&'static str]) -> Self {
        Self { late_facts, ..self }
    }

    /// The queue that invokes it, without the stack's name; none if something else does.
    pub fn queue(&self) -> Option<&str> {
        match self.trigger {
            Trigger::Commands(_) | Trigger::Events(_) | Trigger::GivenUpRecords => Some(&self.name),
            Trigger::Outbound(queue) => Some(queue),
            Trigger::EventStream | Trigger::Schedule(_) => None,
        }
    }

    /// The queue, without the stack's name, that gets what it can't deal with: of a queue its dead-letter
    /// queue, of a stream the one of [`RECOVERY`]; none if it misses nothing by failing.
    pub fn gives_up_to(&self) -> Option<String> {
        match self.trigger {
            Trigger::EventStream => Some(RECOVERY.into()),
            _ => self.queue().map(dead_letter_queue),
        }
    }

    /// Reads the body of a command as the function would, and names the stream that it is for; none if
    /// the function takes no commands.
    pub fn read_command(&self, body: &str) -> Option<Result<StreamId, Malformed>> {
        self.read.map(|read| (read.body)(body))
    }

    /// Looks at a command that somebody wrote, for all that is wrong with it; none if the function takes no
    /// commands.
    pub fn draft(&self, json: &str, form: Form) -> Option<Draft> {
        self.read.map(|read| (read.draft)(json, form))
    }

    /// Builds it from its parts.
    pub fn start(&self, parts: &Parts) -> Arc<dyn Handler> {
        // A process starts each function at most a few times; log lines and metrics name it for as
        // long as the process lives.
        let name: &'static str = Box::leak(self.name.clone().into_boxed_str());
        (self.build)(name, parts)
    }
}

/// A queue that systems outside the bundle read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Its name, without the stack's.
    pub queue: &'static str,
    /// The events that go there.
    pub events: &'static [&'static str],
    /// Whom it is for.
    pub about: &'static str,
}

/// All functions, and the queues for systems outside.
#[derive(Debug)]
pub struct Registry {
    /// The functions.
    pub functions: Vec<Function>,
    /// The queues for systems outside.
    pub outbound: Vec<Outbound>,
}

impl Registry {
    fn of(functions: Vec<Function>, outbound: Vec<Outbound>) -> Self {
        let mut registry = Self { functions, outbound };
        let routes = registry.routes();
        let delivery = [relay(routes.clone()), recovery(), sweeper(routes)];
        registry.functions.extend(delivery);
        registry
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Which queues get which events.
    pub fn routes(&self) -> Routes {
        let mut routes = Routes::default();
        for outbound in &self.outbound {
            for event in outbound.events {
                routes.add(event, outbound.queue);
            }
        }
        for function in &self.functions {
            if let Trigger::Events(event) = function.trigger {
                routes.add(event, &function.name);
            }
        }
        routes
    }

    /// All queues, without the stack's name; each has a dead-letter queue.
    pub fn queues(&self) -> Vec<&str> {
        let inbound = self
            .functions
            .iter()
            .filter(|f| !matches!(f.trigger, Trigger::Outbound(_)));
        inbound
            .filter_map(Function::queue)
            .chain(self.outbound.iter().map(|outbound| outbound.queue))
            .collect()
    }
}

fn command<C: Command>(context: Context, sender: Sender, about: &'static str) -> Function
where
    <C::Decider as Decider>::Settings: RuleSettings,
{
    let name = kebab_case(C::TYPE);
    Function {
        sends_to: if C::DEADLINE { vec![name.clone()] } else { vec![] },
        store: StoreAccess::LoadAndAppend,
        read: Some(Read {
            body: read::<C>,
            draft: Draft::of::<C>,
        }),
        ..Function::of(name, about, context, Trigger::Commands(sender), |name, parts| {
            let settings = RuleSettings::of(&parts.settings.deadlines);
            let handler =
                CommandFunction::<C>::new(parts.store(), parts.bus(), parts.clock.clone(), settings);
            on_queue(name, name, handler, parts)
        })
    }
}

fn read<C: Command>(body: &str) -> Result<StreamId, Malformed> {
    // Stand-ins for what only the queue knows; neither has a say in which stream it is.
    let (message_id, now) = ("unsent", Timestamp::from_millis(0));
    let envelope = CommandEnvelope::<C>::read(body, message_id, now)?;
    Ok(envelope.command.stream())
}

fn step<S: Step<Settings = Deadlines>>(context: Context, about: &'static str) -> Function {
    let name = format!("on-{}", kebab_case(S::Event::TYPE));
    Function {
        sends_to: S::SENDS.iter().map(|command| kebab_case(command)).collect(),
        store: if S::READS_STATE {
            StoreAccess::Load
        } else {
            StoreAccess::None
        },
        ..Function::of(
            name,
            about,
            context,
            Trigger::Events(S::Event::TYPE),
            |name, parts| {
                let (clock, settings) = (parts.clock.clone(), parts.settings.deadlines);
                let handler = StepFunction::<S>::new(parts.store(), parts.bus(), clock, settings);
                on_queue(name, name, handler, parts)
            },
        )
    }
}

fn relay(routes: Routes) -> Function {
    let about = "Copies each stored event to the queues of those who asked for it";
    Function {
        sends_to: routes.queues(),
        outbox: OutboxAccess::Save,
        // Lambda reads a shard in order: fuller batches make fuller calls to the queues.
        batching: Batching {
            size: 100,
            ..Batching::default()
        },
        ..Function::of(
            RELAY,
            about,
            Context::Delivery,
            Trigger::EventStream,
            move |name, parts| {
                let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
                let publisher = parts.publisher(routes.clone());
                Arc::new(Relay::new(name, publisher, parts.outbox(), clock, metrics))
            },
        )
    }
}

fn recovery() -> Function {
    let about = "Saves in the outbox what the relay's mapping gave up";
    Function {
        outbox: OutboxAccess::Save,
        ..Function::of(
            RECOVERY,
            about,
            Context::Delivery,
            Trigger::GivenUpRecords,
            |name, parts| {
                let streams = parts.connection.streams.clone();
                let handler = StreamRecovery::new(streams, parts.outbox(), parts.clock.clone());
                on_queue(name, RECOVERY, handler, parts)
            },
        )
    }
}

fn sweeper(routes: Routes) -> Function {
    let about = "Sends again what is due in the outbox; parks what fails for the third time";
    let trigger = Trigger::Schedule(SWEEP_INTERVAL);
    Function {
        sends_to: routes.queues(),
        store: StoreAccess::Fetch,
        outbox: OutboxAccess::Sweep,
        ..Function::of(SWEEPER, about, Context::Delivery, trigger, move |name, parts| {
            let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
            let (publisher, store) = (parts.publisher(routes.clone()), parts.event_store());
            Arc::new(Sweeper::new(
                name,
                publisher,
                store,
                parts.outbox(),
                clock,
                metrics,
            ))
        })
    }
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

fn on_queue<H: aws_adapters::BatchHandler + 'static>(
    name: &'static str,
    queue: &'static str,
    handler: H,
    parts: &Parts,
) -> Arc<dyn Handler> {
    let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
    Arc::new(QueueFunction::new(
        name,
        queue,
        handler,
        parts.bus(),
        clock,
        metrics,
    ))
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
