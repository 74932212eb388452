//! Scenarios of the group checkout: guests, what keeps them from leaving, and how their group has to end.

use bundle::scenario::{Action, Ending, Holds, Scenario, Sent, Subject, Told};
use domain::group_checkout::{GroupCheckout, InitiateGroupCheckout};
use domain::guest_stay::{CheckInGuest, GuestStay, RecordCharge, RecordPayment};
use eventsourcing::{Decider, NewEvent, StreamId};
use serde_json::{Value, json};

use super::ids::again_as;

/// A group's checkout, and how it ends.
pub static GROUP: Subject = Subject {
    name: "group",
    endings: &[
        Told {
            event_type: "GroupCheckoutCompleted",
            word: "Completed",
            fields: &[],
        },
        Told {
            event_type: "GroupCheckoutFailed",
            word: "Failed",
            fields: &["failed_guest_ids"],
        },
        Told {
            event_type: "GroupCheckoutTimedOut",
            word: "TimedOut",
            fields: &["incomplete_guest_ids"],
        },
    ],
    details: &["error", "reason", "amount"],
};

/// A group of guests, and how its checkout has to end.
#[derive(Clone, Debug)]
pub struct GroupScenario {
    /// What it shows.
    pub title: &'static str,
    id: &'static str,
    guests: Vec<Guest>,
    ends: Ends,
    /// What ends the ids of the group and its guests, so that each time it is played it has its own.
    again: String,
}

/// A guest, and what keeps them from leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guest {
    /// Has paid for everything.
    Settled(&'static str),
    /// Has charges that are not paid.
    Owing(&'static str),
    /// The same, and the charge was sent before the guest checked in.
    ChargedEarly(&'static str),
    /// Has an account that can't be read: the checkout is never answered.
    Unreadable(&'static str),
}

/// How a group ends, and the guests that the ending names.
#[derive(Clone, Debug)]
enum Ends {
    Completed,
    Failed(Vec<&'static str>),
    TimedOut(Vec<&'static str>),
}

use Ends::{Completed, Failed, TimedOut};
use Guest::{ChargedEarly, Owing, Settled, Unreadable};

/// All scenarios of the group checkout.
pub fn group_scenarios() -> Vec<GroupScenario> {
    let group = |title, id, guests, ends| GroupScenario {
        title,
        id,
        guests,
        ends,
        again: String::new(),
    };
    vec![
        group(
            "a group checks out, everybody has paid",
            "demo-wedding",
            vec![Settled("demo-ada"), Settled("demo-bob"), Settled("demo-cleo")],
            Completed,
        ),
        group(
            "two of a group have open balances",
            "demo-conference",
            vec![
                Settled("demo-dora"),
                Owing("demo-emil"),
                Settled("demo-finn"),
                Owing("demo-gwen"),
            ],
            Failed(vec!["demo-emil", "demo-gwen"]),
        ),
        group(
            "one of a group was charged before checking in",
            "demo-choir",
            vec![Settled("demo-juno"), ChargedEarly("demo-karl")],
            Failed(vec!["demo-karl"]),
        ),
        group(
            "one of a group never answers",
            "demo-orchestra",
            vec![Settled("demo-hugo"), Unreadable("demo-iris")],
            TimedOut(vec!["demo-iris"]),
        ),
    ]
}

/// The stream of a group.
pub fn group_stream(id: &str) -> StreamId {
    GroupCheckout::CATEGORY.stream(&id)
}

/// Starts the checkout of a group.
pub fn initiate(id: &str, guests: &[String]) -> Sent {
    Sent::to::<InitiateGroupCheckout>(json!({ "group_checkout_id": id, "guest_stay_ids": guests }))
}

/// Opens a guest's account.
pub fn check_in(guest: &str) -> Sent {
    Sent::to::<CheckInGuest>(json!({ "guest_stay_id": guest }))
}

impl GroupScenario {
    /// The same scenario with other ids, so that it can be played again on the same stack.
    #[must_use]
    pub fn again(mut self, again: &str) -> Self {
        self.again = again_as(&self.again, again);
        self
    }

    /// What is played and judged: the guests check in, are charged and pay, then the group's checkout starts.
    pub fn scenario(&self) -> Scenario {
        let id = self.named(self.id);
        let guests: Vec<_> = self.guests.iter().map(|guest| self.named(guest.id())).collect();
        let prepared = self.guests.iter().zip(&guests);
        let mut script: Vec<_> = prepared.flat_map(|(guest, id)| guest.prepared(id)).collect();
        script.push(Action::Send(initiate(&id, &guests)));
        Scenario {
            title: self.title,
            subject: &GROUP,
            script,
            endings: vec![self.ending(&group_stream(&id))],
            streams: vec![group_stream(&id)],
        }
    }

    /// The id of what is called `id` when the scenario is played for the first time.
    fn named(&self, id: &str) -> String {
        format!("{id}{}", self.again)
    }

    fn ending(&self, stream: &StreamId) -> Ending {
        let owes = |guest: &&Guest| matches!(guest, Owing(_) | ChargedEarly(_));
        let failures = self.guests.iter().filter(owes).count();
        let once = |is_so: bool| usize::from(is_so);
        let counts = Holds::Counts(vec![
            ("GroupCheckoutFailureNotified", failures),
            ("GroupCheckoutCompleted", once(matches!(self.ends, Completed))),
            ("GroupCheckoutFailed", once(matches!(self.ends, Failed(_)))),
            ("GroupCheckoutTimedOut", once(matches!(self.ends, TimedOut(_)))),
        ]);
        let mut ending = Ending::default().with(stream, counts);
        let names = |guests: &[&str]| guests.iter().map(|guest| self.named(guest)).collect::<Value>();
        match &self.ends {
            Completed => {}
            Failed(guests) => ending = ending.saying("failed_guest_ids", names(guests)),
            TimedOut(guests) => ending = ending.saying("incomplete_guest_ids", names(guests)),
        }
        let unreadable = self.guests.iter().filter(|guest| matches!(guest, Unreadable(_)));
        unreadable.fold(ending, |ending, _| {
            ending.refusing("checkout-guest-account", "exhausted")
        })
    }
}

impl Guest {
    fn id(self) -> &'static str {
        match self {
            Settled(id) | Owing(id) | ChargedEarly(id) | Unreadable(id) => id,
        }
    }

    /// What brings a guest of that id so far.
    fn prepared(self, id: &str) -> Vec<Action> {
        let stream = GuestStay::CATEGORY.stream(&id);
        if let Unreadable(_) = self {
            return vec![Action::Append(stream, of_a_later_version())];
        }
        let until = |event_type| Action::Until(stream.clone(), event_type);
        let check_in = Action::Send(check_in(id));
        let charge = json!({ "guest_stay_id": id, "charge_id": "minibar", "amount": 12.5 });
        let charge = Action::send::<RecordCharge>(charge);
        let mut actions = match self {
            ChargedEarly(_) => vec![charge, check_in],
            _ => vec![check_in, until("GuestCheckedIn"), charge],
        };
        actions.push(until("ChargeRecorded"));
        if let Settled(_) = self {
            let payment = json!({ "guest_stay_id": id, "payment_id": "cash", "amount": 12.5 });
            actions.push(Action::send::<RecordPayment>(payment));
            actions.push(until("GuestPaymentRecorded"));
        }
        actions
    }
}

/// An event that this code can't read, as a rolled back deployment would leave it behind.
fn of_a_later_version() -> NewEvent {
    NewEvent {
        event_type: "GuestCheckedIn",
        schema_version: 2,
        data: "{}".into(),
        correlation_id: "demo".into(),
        causation_id: "demo".into(),
        trace: None,
    }
}
