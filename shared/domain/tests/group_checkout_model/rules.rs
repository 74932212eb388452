//! The rules that the model plays by: the real ones, unless a test puts a wrong one in their place.

use std::marker::PhantomData;

use domain::Deadlines;
use domain::group_checkout::{GroupCheckout, GroupCheckoutCommand, GroupCheckoutEvent, GroupCheckoutState};
use domain::group_checkout_process::GroupCheckoutProcess;
use domain::guest_stay::{GuestStay, GuestStayCommand, GuestStayEvent, GuestStayState};
use eventsourcing::{Decider, Stream, Timestamp};

use crate::checker::deciding::{Plan, Verdict, planned, react};
use crate::checker::letter::Letter;

/// What can be replaced by something wrong. Every default is the real thing.
pub trait Rules: Send + Sync + Sized + 'static {
    /// The rules of a group.
    fn decide(
        state: &GroupCheckoutState,
        command: &GroupCheckoutCommand,
        at: Timestamp,
    ) -> Verdict<GroupCheckoutEvent> {
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
    fn react(event: &Letter, stream: &Stream) -> Option<Vec<Letter>> {
        react::<GroupCheckoutProcess>(event, stream)
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
#[derive(Clone, Copy, Debug)]
struct Ruled<D, R>(PhantomData<(D, R)>);

ruled!(GuestStay, decide_stay);
ruled!(GroupCheckout, decide);

/// Decides a batch as a command function does: reads the bodies, rebuilds the history, plans.
pub fn decide<R: Rules>(batch: &[Letter], stream: &Stream, at: Timestamp) -> Plan {
    if stream.id().category() == GuestStay::CATEGORY.name() {
        planned::<Ruled<GuestStay, R>>(stream, batch, at)
    } else {
        planned::<Ruled<GroupCheckout, R>>(stream, batch, at)
    }
}
