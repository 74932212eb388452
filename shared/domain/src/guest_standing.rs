//! How a guest's stay stands: a guest who is here is to leave, and a group that a guest left with, or could
//! not, is to hear of it.

use std::mem::discriminant;

use eventsourcing::standing::{Deadline, Ending, Outstanding, Standing, StoredStream, Streams, Subject};
use eventsourcing::{Category, Decider, StreamId};

use crate::group_checkout::{Group, GroupCheckout, GroupCheckoutState};
use crate::group_standing::{GROUP_ID, deadline_of};
use crate::guest_stay::{GuestCheckoutCompleted, GuestStay, Phase};

/// A guest's stay.
#[derive(Clone, Copy, Debug)]
pub struct GuestStanding;

impl Subject for GuestStanding {
    fn main(&self) -> Category {
        GuestStay::CATEGORY
    }

    /// The groups that the guest was asked to leave with.
    fn related(&self, own: &[StoredStream]) -> Vec<StreamId> {
        let Some(own) = own.first() else {
            return Vec::new();
        };
        let stay = own.fold::<GuestStay, _>(|_| ()).state;
        let groups = stay.answered();
        groups
            .map(|group| GroupCheckout::CATEGORY.stream(group))
            .collect()
    }

    fn standing(&self, streams: &mut Streams<'_>) -> Standing {
        let own = streams.own::<GuestStay>();
        let stay = streams.fold::<GuestStay, _>(own, |state| discriminant(state.phase()));
        let mut standing = match stay.state.phase() {
            Phase::NotCheckedIn => Standing {
                so_far: Some("never checked in"),
                ..Standing::default()
            },
            Phase::CheckedIn => Standing {
                so_far: Some("checked in"),
                outstanding: vec![Outstanding {
                    what: "the guest has not checked out".into(),
                    since: stay.since,
                    deadline: Deadline::Without,
                }],
                ..Standing::default()
            },
            Phase::CheckedOut(group) => Standing {
                ending: Some(Ending {
                    note: group.as_ref().map(|group| format!("with group checkout {group}")),
                    ..Ending::of::<GuestCheckoutCompleted>()
                }),
                ..Standing::default()
            },
        };
        for group in stay.state.answered() {
            let name = GroupCheckout::CATEGORY.stream(group);
            let Some(stream) = streams.related().iter().find(|stream| stream.id == name) else {
                continue;
            };
            let hears = streams.fold::<GroupCheckout, _>(Some(stream), discriminant);
            let (of_it, deadline) = match &hears.state {
                GroupCheckoutState::NotInitiated => (", which was not initiated,", Deadline::Without),
                GroupCheckoutState::Initiated(group) if is_to_hear(group, own) => ("", deadline_of(stream)),
                GroupCheckoutState::Initiated(_) => continue,
            };
            standing.outstanding.push(Outstanding {
                what: format!("group checkout {group}{of_it} has not heard the guest's result"),
                since: own.and_then(|own| own.last_about(GROUP_ID, group.as_str())),
                deadline,
            });
        }
        standing
    }
}

/// Whether a group waits for the guest with this stream.
fn is_to_hear(group: &Group, guest: Option<&StoredStream>) -> bool {
    let is_it = |id| guest.is_some_and(|stream| stream.id == GuestStay::CATEGORY.stream(id));
    !group.has_ended() && group.unheard().any(is_it)
}
