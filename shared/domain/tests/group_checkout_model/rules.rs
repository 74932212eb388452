//! The rules that the model plays by: the real ones, unless a test puts a wrong one in their place.

use std::marker::PhantomData;

use domain::Deadlines;
use domain::group_checkout::{
    CompleteGroupCheckout, GroupCheckout, GroupCheckoutCommand, GroupCheckoutEvent, GroupCheckoutState,
    InitiateGroupCheckout, NotifyGroupCheckoutFailure, RecordGuestCheckout, TimeOutGroupCheckout,
};
use domain::group_checkout_process::{
    OnGroupCheckoutInitiated, OnGuestCheckoutCompleted, OnGuestCheckoutFailed,
};
use domain::guest_stay::{
    CheckInGuest, CheckoutGuestAccount, GuestStay, GuestStayCommand, GuestStayEvent, GuestStayState,
    RecordCharge, RecordPayment,
};
use eventsourcing::{
    Category, Command, CommandEnvelope, CommandMeta, Decider, Decision, EventEnvelope, History,
    MAX_COMMIT_BYTES, Message, NewEvent, Outcome, Position, Refusal, Step, Stream, Timestamp, plan,
};

use crate::letter::{Letter, now};

/// What a decider returns.
pub type Verdict<E = GroupCheckoutEvent> = Result<Decision<E>, Refusal>;

/// What can be replaced by something wrong. Every default is the real thing.
pub trait Rules: Send + Sync + Sized + 'static {
    /// The rules of a group.
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        GroupCheckout::decide(state, command, &Deadlines::default(), at)
    }

    /// The rules of a guest's stay.
    fn decide_stay(
        state: &GuestStayState,
        command: &GuestStayCommand,
        at: Timestamp,
    ) -> Verdict<GuestStayEvent> {
        GuestStay::decide(state, command, &(), at)
    }

    /// The steps.
    fn react(event: &Letter) -> Vec<Letter> {
        real_step(event)
    }

    /// The condition of an append, given whether there is a commit in its place.
    fn may_append(place_is_taken: bool) -> bool {
        !place_is_taken
    }
}

/// The real rules.
pub struct Real;

impl Rules for Real {}

/// A decider whose decisions come from `R`.
#[derive(Debug)]
struct Ruled<D, R>(PhantomData<(D, R)>);

impl<R: Rules> Decider for Ruled<GuestStay, R> {
    const CATEGORY: Category = GuestStay::CATEGORY;
    type Command = GuestStayCommand;
    type Event = GuestStayEvent;
    type State = GuestStayState;
    type Settings = ();

    fn evolve(state: GuestStayState, event: &GuestStayEvent) -> GuestStayState {
        GuestStay::evolve(state, event)
    }

    fn decide(
        state: &GuestStayState,
        command: &GuestStayCommand,
        (): &(),
        at: Timestamp,
    ) -> Verdict<GuestStayEvent> {
        R::decide_stay(state, command, at)
    }
}

impl<R: Rules> Decider for Ruled<GroupCheckout, R> {
    const CATEGORY: Category = GroupCheckout::CATEGORY;
    type Command = GroupCheckoutCommand;
    type Event = GroupCheckoutEvent;
    type State = GroupCheckoutState;
    type Settings = ();

    fn evolve(state: GroupCheckoutState, event: &GroupCheckoutEvent) -> GroupCheckoutState {
        GroupCheckout::evolve(state, event)
    }

    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, (): &(), at: Timestamp) -> Verdict {
        R::decide(state, command, at)
    }
}

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
    if stream.id().category() == GuestStay::CATEGORY.name() {
        planned::<Ruled<GuestStay, R>>(stream, batch, at, stay_command)
    } else {
        planned::<Ruled<GroupCheckout, R>>(stream, batch, at, group_command)
    }
}

type Addressed<C> = (CommandMeta, C);

fn planned<D: Decider<Settings = ()>>(
    stream: &Stream,
    batch: &[Letter],
    at: Timestamp,
    read: impl Fn(&Letter) -> Addressed<D::Command>,
) -> Plan {
    let commands: Vec<_> = batch.iter().map(read).collect();
    let history = History::<D>::of(stream).expect("what was stored can be read");
    let planned = plan(&history, &commands, &(), at, MAX_COMMIT_BYTES);
    Plan {
        outcomes: planned.outcomes,
        events: planned.events,
        position: history.position(),
    }
}

fn read<C: Command>(letter: &Letter) -> Addressed<<C::Decider as Decider>::Command> {
    let envelope =
        CommandEnvelope::<C>::read(&letter.body, "unnamed", now()).expect("only valid commands are sent");
    let meta = CommandMeta {
        id: envelope.id,
        correlation_id: envelope.metadata.correlation_id,
        trace: None,
    };
    (meta, envelope.command.into())
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

fn stay_command(letter: &Letter) -> Addressed<GuestStayCommand> {
    read_as!(letter; CheckInGuest, RecordCharge, RecordPayment, CheckoutGuestAccount)
}

fn group_command(letter: &Letter) -> Addressed<GroupCheckoutCommand> {
    read_as!(letter; InitiateGroupCheckout, RecordGuestCheckout, CompleteGroupCheckout,
        NotifyGroupCheckoutFailure, TimeOutGroupCheckout)
}

macro_rules! steps {
    ($($step:ty),*) => {
        /// Whether a step waits for events of that type.
        pub fn has_step(kind: &str) -> bool {
            [$(<$step as Step>::Event::TYPE),*].contains(&kind)
        }

        /// What the real step sends because of the event.
        pub fn real_step(event: &Letter) -> Vec<Letter> {
            match event.kind.as_str() {
                $(kind if kind == <$step as Step>::Event::TYPE => run::<$step>(event),)*
                other => panic!("no step waits for {other}"),
            }
        }
    };
}

steps!(
    OnGroupCheckoutInitiated,
    OnGuestCheckoutCompleted,
    OnGuestCheckoutFailed
);

fn run<S: Step<Settings = Deadlines>>(event: &Letter) -> Vec<Letter> {
    const { assert!(!S::READS_STATE, "the model shows steps no stream") }
    let envelope =
        EventEnvelope::<S::Event>::read(&event.body, now()).expect("the relay writes valid events");
    let sent = S::react(&envelope.event, &Default::default(), &Deadlines::default());
    let letter = |dispatch| Letter::from_step(dispatch, &envelope.id, &envelope.metadata.correlation_id);
    sent.iter().map(letter).collect()
}
