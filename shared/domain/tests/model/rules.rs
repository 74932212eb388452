//! The rules that the model plays by: the real ones, unless a test puts a wrong one in their place.

use std::marker::PhantomData;

use domain::Deadlines;
use domain::cart::{Cart, FinalizeCart};
use domain::order::{
    CancelOrder, CompleteOrder, ConfirmOrder, InitializeOrder, Order, OrderCommand, OrderEvent, OrderState,
    WithdrawOrder,
};
use domain::order_saga::{
    OnCartFinalized, OnOrderCancelled, OnOrderConfirmed, OnOrderInitialized, OnPaymentCompleted,
    OnPaymentFailed, OnPaymentRevoked, OnShipmentFailed, OnShipmentSent,
};
use domain::payment::{
    CompletePayment, DiscardPayment, FailPayment, Payment, PaymentCommand, PaymentEvent, PaymentState,
    RequestPayment, TimeOutPayment,
};
use domain::shipment::{
    CallOffShipment, FailShipment, RequestShipment, SendShipment, Shipment, ShipmentCommand, ShipmentEvent,
    ShipmentState, TimeOutShipment,
};
use eventsourcing::{
    Category, Command, CommandEnvelope, CommandMeta, Decider, Decision, EventEnvelope, History,
    MAX_COMMIT_BYTES, Message, NewEvent, Outcome, Position, Refusal, Step, Stream, Timestamp, plan,
};

use crate::letter::{Letter, now};

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
    fn react(event: &Letter, stream: &Stream, drawn: u8) -> Option<Vec<Letter>> {
        let _ = drawn;
        real_step(event, stream)
    }

    /// The condition of an append, given whether there is a commit in its place.
    fn may_append(place_is_taken: bool) -> bool {
        !place_is_taken
    }
}

/// What a decider returns.
pub type Verdict<E> = Result<Decision<E>, Refusal>;

/// The real rules.
pub struct Real;

impl Rules for Real {}

/// A decider whose decisions come from `R`.
#[derive(Clone, Copy, Debug)]
struct Ruled<D, R>(PhantomData<(D, R)>);

macro_rules! ruled {
    ($decider:ty, $decide:ident) => {
        impl<R: Rules> Decider for Ruled<$decider, R> {
            const CATEGORY: Category = <$decider>::CATEGORY;
            type Command = <$decider as Decider>::Command;
            type Event = <$decider as Decider>::Event;
            type State = <$decider as Decider>::State;
            type Settings = ();

            fn evolve(state: Self::State, event: &Self::Event) -> Self::State {
                <$decider>::evolve(state, event)
            }

            fn decide(
                state: &Self::State,
                command: &Self::Command,
                (): &(),
                at: Timestamp,
            ) -> Verdict<Self::Event> {
                R::$decide(state, command, at)
            }
        }
    };
}

ruled!(Order, decide_order);
ruled!(Payment, decide_payment);
ruled!(Shipment, decide_shipment);

/// What a batch of commands for one stream amounts to.
pub struct Plan {
    /// What became of each command, in order.
    pub outcomes: Vec<Outcome>,
    /// What to append.
    pub events: Vec<NewEvent>,
    /// Where.
    pub position: Position,
}

/// Decides a batch as a command function does: reads the bodies, rebuilds the history, plans.
pub fn decide<R: Rules>(batch: &[Letter], stream: &Stream, at: Timestamp) -> Plan {
    match stream.id().category() {
        "cart" => planned::<Cart>(stream, batch, at, read::<FinalizeCart>),
        "order" => planned::<Ruled<Order, R>>(stream, batch, at, order_command),
        "payment" => planned::<Ruled<Payment, R>>(stream, batch, at, payment_command),
        "shipment" => planned::<Ruled<Shipment, R>>(stream, batch, at, shipment_command),
        other => panic!("there are no rules for {other}"),
    }
}

fn planned<D: Decider<Settings = ()>>(
    stream: &Stream,
    batch: &[Letter],
    at: Timestamp,
    read: impl Fn(&Letter) -> Addressed<D::Command>,
) -> Plan {
    let batch: Vec<_> = batch.iter().map(read).collect();
    // A command that creates is tried on a guess, and the guess is given up where nothing would be
    // appended on it. On a stream that has commits the condition fails, which is the same as a load.
    let creates = batch.iter().all(|addressed| addressed.creates);
    let commands: Vec<_> = batch
        .into_iter()
        .map(|addressed| (addressed.meta, addressed.command))
        .collect();
    if creates && stream.commits().is_empty() {
        let guess = plan(
            &History::<D>::guessed_empty(),
            &commands,
            &(),
            at,
            MAX_COMMIT_BYTES,
        );
        if !guess.events.is_empty() {
            return Plan {
                outcomes: guess.outcomes,
                events: guess.events,
                position: Position::START,
            };
        }
    }
    let history = History::<D>::of(stream).expect("what was stored can be read");
    let planned = plan(&history, &commands, &(), at, MAX_COMMIT_BYTES);
    Plan {
        outcomes: planned.outcomes,
        events: planned.events,
        position: history.position(),
    }
}

struct Addressed<C> {
    meta: CommandMeta,
    command: C,
    creates: bool,
}

fn read<C: Command>(letter: &Letter) -> Addressed<<C::Decider as Decider>::Command> {
    let envelope =
        CommandEnvelope::<C>::read(&letter.body, "unnamed", now()).expect("only valid commands are sent");
    let meta = CommandMeta {
        id: envelope.id,
        correlation_id: envelope.metadata.correlation_id,
        trace: None,
    };
    Addressed {
        meta,
        command: envelope.command.into(),
        creates: C::CREATES,
    }
}

/// Reads the letter as that of the listed commands which its type names.
macro_rules! read_as {
    ($letter:expr; $($command:ty),*) => {
        match $letter.kind.as_str() {
            $(kind if kind == <$command>::TYPE => read::<$command>($letter),)*
            other => panic!("nobody takes {other}"),
        }
    };
}

fn order_command(letter: &Letter) -> Addressed<OrderCommand> {
    read_as!(letter; InitializeOrder, ConfirmOrder, WithdrawOrder, CancelOrder, CompleteOrder)
}

fn payment_command(letter: &Letter) -> Addressed<PaymentCommand> {
    read_as!(letter; RequestPayment, CompletePayment, FailPayment, DiscardPayment, TimeOutPayment)
}

fn shipment_command(letter: &Letter) -> Addressed<ShipmentCommand> {
    read_as!(letter; RequestShipment, SendShipment, FailShipment, CallOffShipment, TimeOutShipment)
}

/// Runs the step that waits for events of that type; none where nobody does.
macro_rules! steps {
    ($($step:ty),*) => {
        /// Whether a step waits for events of that type.
        pub fn has_step(kind: &str) -> bool {
            [$(<$step as Step>::Event::TYPE),*].contains(&kind)
        }

        /// Whether that step reads the event's stream.
        pub fn reads_stream(kind: &str) -> bool {
            [$((<$step as Step>::Event::TYPE, <$step as Step>::READS_STATE)),*].contains(&(kind, true))
        }

        /// What the real step sends because of the event; none if `stream` does not hold the event
        /// yet, and the step would need it.
        pub fn real_step(event: &Letter, stream: &Stream) -> Option<Vec<Letter>> {
            match event.kind.as_str() {
                $(kind if kind == <$step as Step>::Event::TYPE => run::<$step>(event, stream),)*
                other => panic!("no step waits for {other}"),
            }
        }
    };
}

steps!(
    OnCartFinalized,
    OnOrderInitialized,
    OnPaymentCompleted,
    OnOrderConfirmed,
    OnShipmentSent,
    OnPaymentFailed,
    OnPaymentRevoked,
    OnShipmentFailed,
    OnOrderCancelled
);

fn run<S: Step<Settings = Deadlines>>(event: &Letter, stream: &Stream) -> Option<Vec<Letter>> {
    let envelope =
        EventEnvelope::<S::Event>::read(&event.body, now()).expect("the relay writes valid events");
    let history = if S::READS_STATE {
        History::<S::Source>::of(stream).expect("what was stored can be read")
    } else {
        History::guessed_empty()
    };
    if S::READS_STATE && !history.position().covers(envelope.revision) {
        return None;
    }
    let sent = S::react(&envelope.event, history.state(), &Deadlines::default());
    let letter = |dispatch| Letter::from_step(dispatch, &envelope.id, &envelope.metadata.correlation_id);
    Some(sent.iter().map(letter).collect())
}
