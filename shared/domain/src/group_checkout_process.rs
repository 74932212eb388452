//! The steps of a group checkout: from the group to its guests, and from each guest back to the group.
//!
//! ```text
//! GroupCheckoutInitiated ─► CheckoutGuestAccount, to each guest
//!   ─► GuestCheckoutCompleted, GuestCheckoutFailed ─► RecordGuestCheckout
//! ```
//!
//! The group's own stream decides the rest: what completes or fails it, and who is told of what, is
//! recorded together with the result that causes it.

use eventsourcing::{Dispatch, Message, Step, Text, steps};

use crate::Deadlines;
use crate::group_checkout::{
    GroupCheckout, GroupCheckoutInitiated, GroupCheckoutState, GuestOutcome, RecordGuestCheckout,
    TimeOutGroupCheckout,
};
use crate::guest_stay::{
    CheckoutGuestAccount, GuestCheckoutCompleted, GuestCheckoutFailed, GuestStay, GuestStayState,
};
use crate::values::{GroupCheckoutId, GuestStayId};

steps! {
    /// The steps of the process.
    pub struct GroupCheckoutProcess with Deadlines {
        OnGroupCheckoutInitiated,
        OnGuestCheckoutCompleted,
        OnGuestCheckoutFailed,
    }
}

/// Every guest of the group is to check out, within the deadline.
#[derive(Debug)]
pub struct OnGroupCheckoutInitiated;

impl Step for OnGroupCheckoutInitiated {
    type Event = GroupCheckoutInitiated;
    type Source = GroupCheckout;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[CheckoutGuestAccount::TYPE, TimeOutGroupCheckout::TYPE];

    fn react(group: &GroupCheckoutInitiated, _: &GroupCheckoutState, deadlines: &Deadlines) -> Vec<Dispatch> {
        let set_before = || group.initiated_at.plus(deadlines.group_checkout);
        let due_at = group.due_at.unwrap_or_else(set_before);
        let time_out = TimeOutGroupCheckout {
            group_checkout_id: group.group_checkout_id.clone(),
            due_at,
        };
        let check_out = |guest: &GuestStayId| {
            Dispatch::now(&CheckoutGuestAccount {
                guest_stay_id: guest.clone(),
                group_checkout_id: Some(group.group_checkout_id.clone()),
            })
        };
        // The deadline goes first: should sending thousands of commands never come to its end, the
        // group still does.
        let first = Dispatch::at(due_at, &time_out);
        [first]
            .into_iter()
            .chain(group.guest_stay_ids.iter().map(check_out))
            .collect()
    }
}

/// A guest has left: the group, if one asked, counts it.
#[derive(Debug)]
pub struct OnGuestCheckoutCompleted;

impl Step for OnGuestCheckoutCompleted {
    type Event = GuestCheckoutCompleted;
    type Source = GuestStay;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[RecordGuestCheckout::TYPE];

    fn react(guest: &GuestCheckoutCompleted, _: &GuestStayState, _: &Deadlines) -> Vec<Dispatch> {
        report(
            guest.group_checkout_id.as_ref(),
            &guest.guest_stay_id,
            GuestOutcome::Completed,
            None,
        )
    }
}

/// A guest can't leave: the group, if one asked, counts it and tells people.
#[derive(Debug)]
pub struct OnGuestCheckoutFailed;

impl Step for OnGuestCheckoutFailed {
    type Event = GuestCheckoutFailed;
    type Source = GuestStay;
    type Settings = Deadlines;
    const SENDS: &'static [&'static str] = &[RecordGuestCheckout::TYPE];

    fn react(guest: &GuestCheckoutFailed, _: &GuestStayState, _: &Deadlines) -> Vec<Dispatch> {
        report(
            guest.group_checkout_id.as_ref(),
            &guest.guest_stay_id,
            GuestOutcome::Failed,
            Some(&guest.reason),
        )
    }
}

/// Tells the group that asked; a guest who checked out alone is nobody's to count.
fn report(
    group: Option<&GroupCheckoutId>,
    guest: &GuestStayId,
    outcome: GuestOutcome,
    reason: Option<&Text>,
) -> Vec<Dispatch> {
    let record = |group: &GroupCheckoutId| {
        Dispatch::now(&RecordGuestCheckout {
            group_checkout_id: group.clone(),
            guest_stay_id: guest.clone(),
            outcome,
            reason: reason.cloned(),
        })
    };
    group.map(record).into_iter().collect()
}
