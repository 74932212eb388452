//! How a group's checkout stands: it waits for its guests, those who have not answered, and those whose
//! answer is on its way.

use std::collections::BTreeMap;
use std::mem::discriminant;

use eventsourcing::standing::{
    Deadline, Ending, Heard, HeardResult, Members, Outstanding, Standing, StoredStream, Streams, Subject,
    count, first_few,
};
use eventsourcing::{Category, Decider, StreamId};

use crate::group_checkout::{
    self, Group, GroupCheckout, GroupCheckoutCompleted, GroupCheckoutFailed, GroupCheckoutInitiated,
    GroupCheckoutState, GroupCheckoutTimedOut, GuestOutcome,
};
use crate::guest_stay::GuestStay;
use crate::values::GuestStayId;

/// The field of a guest's events that names the group.
pub(crate) const GROUP_ID: &str = "group_checkout_id";

/// A group's checkout.
#[derive(Clone, Copy, Debug)]
pub struct GroupStanding;

impl Subject for GroupStanding {
    fn main(&self) -> Category {
        GroupCheckout::CATEGORY
    }

    /// Its guests.
    fn members(&self, own: &[StoredStream]) -> Option<Members> {
        let initiated: GroupCheckoutInitiated = own.first()?.newest_of()?;
        let guests = initiated.guest_stay_ids.iter();
        Some(Members {
            streams: guests.map(|guest| GuestStay::CATEGORY.stream(guest)).collect(),
            field: GROUP_ID,
        })
    }

    /// What the group has recorded of each guest.
    fn heard(&self, own: &[StoredStream]) -> Vec<Heard> {
        let Some(own) = own.first() else {
            return Vec::new();
        };
        let folded = own.fold::<GroupCheckout, _>(|_| ());
        let GroupCheckoutState::Initiated(group) = &folded.state else {
            return Vec::new();
        };
        let heard = |(guest, heard): (&GuestStayId, group_checkout::Heard)| Heard {
            member: GuestStay::CATEGORY.stream(guest),
            result: match heard {
                group_checkout::Heard::Counted(GuestOutcome::Completed) => HeardResult::Done,
                group_checkout::Heard::Counted(GuestOutcome::Failed) => HeardResult::Failed,
                group_checkout::Heard::Nothing => HeardResult::Nothing,
                group_checkout::Heard::Late => HeardResult::TooLate,
            },
        };
        group.heard().map(heard).collect()
    }

    fn standing(&self, streams: &mut Streams<'_>) -> Standing {
        let own = streams.own::<GroupCheckout>();
        let folded = streams.fold::<GroupCheckout, _>(own, discriminant);
        let (group, own) = match (&folded.state, own) {
            (GroupCheckoutState::Initiated(group), Some(own)) => (group, own),
            (GroupCheckoutState::NotInitiated, _) | (_, None) => return Standing::default(),
        };
        if let Some(ending) = group.ending() {
            return Standing {
                ending: Some(Ending {
                    note: Some(counts(group)),
                    ..told(ending)
                }),
                ..Standing::default()
            };
        }
        let (silent, answered) = unheard(group, own.id.id(), streams);
        let (all, deadline) = (group.heard().count(), deadline_of(own));
        let waits = |guests: &[StreamId], what: &str| {
            (!guests.is_empty()).then(|| Outstanding {
                what: format!(
                    "{what} of {} of {all}: {}",
                    count(guests.len(), "guest", "guests"),
                    first_few(guests.iter().map(ToString::to_string), ", ")
                ),
                since: folded.since,
                deadline,
            })
        };
        let silent = waits(&silent, "the checkout");
        let answered = waits(&answered, "the group has not heard the result");
        Standing {
            outstanding: silent.into_iter().chain(answered).collect(),
            ..Standing::default()
        }
    }
}

/// When a group's deadline passes.
pub(crate) fn deadline_of(group: &StoredStream) -> Deadline {
    Deadline::recorded(Some(group), |event: GroupCheckoutInitiated| event.due_at)
}

fn told(ending: group_checkout::Ending) -> Ending {
    match ending {
        group_checkout::Ending::Completed => Ending::of::<GroupCheckoutCompleted>(),
        group_checkout::Ending::Failed => Ending::of::<GroupCheckoutFailed>(),
        group_checkout::Ending::TimedOut => Ending::of::<GroupCheckoutTimedOut>(),
    }
}

/// The guests that the group has not heard of: those who have not answered, and those who have.
fn unheard(group: &Group, id: &str, streams: &mut Streams<'_>) -> (Vec<StreamId>, Vec<StreamId>) {
    let guests: BTreeMap<_, _> = streams
        .related()
        .iter()
        .map(|stream| (&stream.id, stream))
        .collect();
    let (mut silent, mut answered) = (Vec::new(), Vec::new());
    for guest in group.unheard() {
        let name = GuestStay::CATEGORY.stream(guest);
        let stay = streams.fold::<GuestStay, _>(guests.get(&name).copied(), |_| ());
        if stay.state.answered().any(|group| group.as_str() == id) {
            answered.push(name);
        } else {
            silent.push(name);
        }
    }
    (silent, answered)
}

fn counts(group: &Group) -> String {
    let (completed, failed) = (group.completed(), group.failed());
    match group.unheard().count() {
        0 => format!("{completed} completed, {failed} failed"),
        unheard => format!("{completed} completed, {failed} failed, {unheard} not heard"),
    }
}
