//! The checkout of a group of as many guests as somebody asks for.

use bundle::scenario::{Load, LoadPlan};

use super::groups::{GROUP, check_in, group_stream, initiate};

/// Groups of any size: what a guest costs must not depend on it.
pub const LARGE_GROUP: Load = Load {
    flag: "guests",
    help: "Plays the checkout of a group of so many guests (1 to 5000) instead, and compares its cost with 50",
    range: (1, 5000),
    beside: 50,
    member: "guest",
    counted: "guests checked out",
    counter: "record-guest-checkout",
    // The guest's own checkout.
    own_write_units: 1,
    subject: &GROUP,
    ending: "GroupCheckoutCompleted",
    plan,
};

fn plan(name: &str, members: usize) -> LoadPlan {
    let guests = guests_of(name, members);
    LoadPlan {
        stream: group_stream(name),
        prepare: guests.iter().map(|guest| check_in(guest)).collect(),
        start: initiate(name, &guests),
    }
}

/// The ids of so many guests of a group.
pub fn guests_of(group: &str, count: usize) -> Vec<String> {
    (1..=count).map(|i| format!("{group}-guest-{i}")).collect()
}
