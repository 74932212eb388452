//! Scenarios of the group checkout, and groups of any size.
//!
//! As with orders, everything is done and seen from outside: commands go to queues, what came of them
//! is read from the event table, the outbound queue and the dead-letter queues.

use std::time::Duration;

use eventsourcing::{Commit, EventStore, NewEvent, Position, Read, StreamId, Timestamp};
use serde_json::{Value, json};

use crate::scenarios::{PlayError, Player, Refused, TimelineEntry};

/// A group of guests, and how its checkout has to end.
#[derive(Clone, Debug)]
pub struct GroupScenario {
    /// What it shows.
    pub title: &'static str,
    /// The group's id.
    pub id: String,
    /// What ends the guests' ids, so that each time it is played it has guests of its own.
    suffix: String,
    guests: Vec<Guest>,
    ending: &'static str,
    /// Guests that the ending names: those that failed, or that are still open.
    named: Vec<&'static str>,
    refused: Vec<(&'static str, &'static str)>,
}

/// A guest, and what keeps them from leaving.
#[derive(Clone, Copy, Debug)]
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

use Guest::{ChargedEarly, Owing, Settled, Unreadable};

/// All scenarios of the group checkout.
pub fn group_scenarios() -> Vec<GroupScenario> {
    vec![
        GroupScenario {
            title: "a group checks out, everybody has paid",
            id: "demo-wedding".into(),
            suffix: String::new(),
            guests: vec![Settled("demo-ada"), Settled("demo-bob"), Settled("demo-cleo")],
            ending: "GroupCheckoutCompleted",
            named: vec![],
            refused: vec![],
        },
        GroupScenario {
            title: "two of a group have open balances",
            id: "demo-conference".into(),
            suffix: String::new(),
            guests: vec![
                Settled("demo-dora"),
                Owing("demo-emil"),
                Settled("demo-finn"),
                Owing("demo-gwen"),
            ],
            ending: "GroupCheckoutFailed",
            named: vec!["demo-emil", "demo-gwen"],
            refused: vec![],
        },
        GroupScenario {
            title: "one of a group was charged before checking in",
            id: "demo-choir".into(),
            suffix: String::new(),
            guests: vec![Settled("demo-juno"), ChargedEarly("demo-karl")],
            ending: "GroupCheckoutFailed",
            named: vec!["demo-karl"],
            refused: vec![],
        },
        GroupScenario {
            title: "one of a group never answers",
            id: "demo-orchestra".into(),
            suffix: String::new(),
            guests: vec![Settled("demo-hugo"), Unreadable("demo-iris")],
            ending: "GroupCheckoutTimedOut",
            named: vec!["demo-iris"],
            refused: vec![("checkout-guest-account", "exhausted")],
        },
    ]
}

impl Guest {
    fn id(self) -> &'static str {
        match self {
            Settled(id) | Owing(id) | ChargedEarly(id) | Unreadable(id) => id,
        }
    }
}

/// What has become of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOutcome {
    /// The events of the group, by time.
    pub timeline: Vec<TimelineEntry>,
    /// What of it is in dead-letter queues.
    pub refused: Vec<Refused>,
}

impl GroupOutcome {
    /// How it ended, in words; none if it is open.
    pub fn ending(&self) -> Option<String> {
        let entry = self.timeline.iter().find(|entry| is_ending(&entry.event_type))?;
        let guests = named(entry);
        let words = entry.event_type.trim_start_matches("GroupCheckout");
        Some(if guests.is_empty() {
            words.to_owned()
        } else {
            format!("{words} ({})", guests.join(", "))
        })
    }
}

fn is_ending(event_type: &str) -> bool {
    [
        "GroupCheckoutCompleted",
        "GroupCheckoutFailed",
        "GroupCheckoutTimedOut",
    ]
    .contains(&event_type)
}

fn named(entry: &TimelineEntry) -> Vec<&str> {
    let list = ["failed_guest_ids", "incomplete_guest_ids"]
        .into_iter()
        .find_map(|name| entry.data[name].as_array());
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The stream of a group.
pub fn group_stream(id: &str) -> Option<StreamId> {
    format!("groupCheckout-{id}").parse().ok()
}

impl GroupScenario {
    /// What is wrong with how it ended; nothing if it ended as expected.
    pub fn problems(&self, outcome: &GroupOutcome) -> Vec<String> {
        let mut problems = Vec::new();
        let endings: Vec<_> = outcome
            .timeline
            .iter()
            .filter(|entry| is_ending(&entry.event_type))
            .collect();
        if endings
            .iter()
            .map(|entry| entry.event_type.as_str())
            .collect::<Vec<_>>()
            != [self.ending]
        {
            let found: Vec<_> = endings.iter().map(|entry| &entry.event_type).collect();
            problems.push(format!(
                "the group ended as {found:?}; expected {} once",
                self.ending
            ));
        }
        for ending in endings {
            let mut found = named(ending);
            found.sort_unstable();
            let expected: Vec<_> = self.named.iter().map(|guest| self.guest(guest)).collect();
            if found != expected {
                problems.push(format!(
                    "{} names {found:?}; expected {expected:?}",
                    ending.event_type
                ));
            }
        }
        let count = |event_type: &str| {
            outcome
                .timeline
                .iter()
                .filter(|entry| entry.event_type == event_type)
                .count()
        };
        let failed = self
            .guests
            .iter()
            .filter(|guest| matches!(guest, Owing(_) | ChargedEarly(_)))
            .count();
        if count("GroupCheckoutFailureNotified") != failed {
            problems.push(format!(
                "{} failures were notified; expected {failed}",
                count("GroupCheckoutFailureNotified")
            ));
        }
        let found: Vec<_> = outcome
            .refused
            .iter()
            .map(|r| (r.queue.as_str(), r.code.as_str()))
            .collect();
        if found != self.refused {
            problems.push(format!(
                "the dead-letter queues hold {found:?}; expected {:?}",
                self.refused
            ));
        }
        problems
    }

    /// The same scenario with other ids, so that it can be played again on the same stack.
    #[must_use]
    pub fn again(mut self, suffix: &str) -> Self {
        self.id = format!("{}-{suffix}", self.id);
        self.suffix = format!("{}-{suffix}", self.suffix);
        self
    }

    /// Whether a message is about the group.
    pub fn appears_in(&self, body: &str) -> bool {
        body.contains(&format!("\"{}\"", self.id))
    }

    /// The id of the guest who is called `id` when the scenario is played for the first time.
    fn guest(&self, id: &str) -> String {
        format!("{id}{}", self.suffix)
    }
}

impl Player {
    /// Checks the guests in, has them charged and pay, then starts the group's checkout.
    pub async fn play_group(&self, scenario: &GroupScenario) -> Result<(), PlayError> {
        for guest in &scenario.guests {
            self.prepare(*guest, &scenario.guest(guest.id())).await?;
        }
        let guests: Vec<_> = scenario
            .guests
            .iter()
            .map(|guest| scenario.guest(guest.id()))
            .collect();
        self.initiate(&scenario.id, &guests).await
    }

    /// Starts the checkout of a group.
    pub async fn initiate(&self, group: &str, guests: &[impl AsRef<str>]) -> Result<(), PlayError> {
        let guests: Vec<_> = guests.iter().map(AsRef::as_ref).collect();
        let command = json!({ "group_checkout_id": group, "guest_stay_ids": guests });
        self.send("initiate-group-checkout", &json!({ "command": command }))
            .await
    }

    async fn prepare(&self, guest: Guest, id: &str) -> Result<(), PlayError> {
        let stream: StreamId = format!("guestStay-{id}")
            .parse()
            .map_err(|_| PlayError::NoCartId)?;
        if let Unreadable(_) = guest {
            return self.write_unreadable(&stream).await;
        }
        let message = |command: Value| json!({ "command": command });
        let check_in = message(json!({ "guest_stay_id": id }));
        let charge = json!({ "guest_stay_id": id, "charge_id": "minibar", "amount": 12.5 });
        let charge = message(charge);
        if let ChargedEarly(_) = guest {
            self.send("record-charge", &charge).await?;
            self.send("check-in-guest", &check_in).await?;
        } else {
            self.send("check-in-guest", &check_in).await?;
            self.until(&stream, "GuestCheckedIn").await?;
            self.send("record-charge", &charge).await?;
        }
        self.until(&stream, "ChargeRecorded").await?;
        if let Settled(_) = guest {
            let payment = json!({ "guest_stay_id": id, "payment_id": "cash", "amount": 12.5 });
            self.send("record-payment", &message(payment)).await?;
            self.until(&stream, "GuestPaymentRecorded").await?;
        }
        Ok(())
    }

    /// Puts an event in a later version into a guest's account, as a rolled back deployment would leave it
    /// behind.
    async fn write_unreadable(&self, stream: &StreamId) -> Result<(), PlayError> {
        let event = NewEvent {
            event_type: "GuestCheckedIn",
            schema_version: 2,
            data: "{}".into(),
            correlation_id: "demo".into(),
            causation_id: "demo".into(),
            trace: None,
        };
        let commit = Commit::at(
            Position::START,
            stream,
            uuid::Uuid::new_v4(),
            Timestamp::from_millis(0),
            vec![event],
        );
        self.store()
            .append(&commit)
            .await
            .map_err(|error| PlayError::Write(error.to_string()))?;
        Ok(())
    }

    /// What has become of the group. `refused` is what [`Player::refused`] found.
    pub async fn group_outcome(
        &self,
        scenario: &GroupScenario,
        refused: &[Refused],
    ) -> Result<GroupOutcome, PlayError> {
        let streams: Vec<_> = group_stream(&scenario.id).into_iter().collect();
        let is_own = |refused: &&Refused| scenario.appears_in(&refused.body);
        Ok(GroupOutcome {
            timeline: self.timeline(&streams).await?,
            refused: refused.iter().filter(is_own).cloned().collect(),
        })
    }

    /// Checks in guests that owe nothing, by the thousand.
    pub async fn check_in_all(&self, guests: &[String]) -> Result<(), PlayError> {
        let bodies = guests
            .iter()
            .map(|guest| json!({ "command": { "guest_stay_id": guest } }));
        self.send_all("check-in-guest", bodies).await
    }

    /// How many guests of the group have been heard of, whether it has ended, and what its commits
    /// take in write units.
    pub async fn group_progress(&self, stream: &StreamId, seen: &mut GroupProgress) -> Result<(), PlayError> {
        let new = self
            .store()
            .load_after(stream, seen.position, Read::Consistent)
            .await?;
        for commit in new.commits() {
            seen.write_units += commit.stored_bytes().div_ceil(1024);
        }
        for event in new.events() {
            seen.recorded += usize::from(event.event_type == "GuestCheckoutRecorded");
            if is_ending(&event.event_type) {
                seen.endings.push(event.event_type.clone());
            }
        }
        seen.position = new.position();
        Ok(())
    }
}

/// How far a group has come, as read from its stream so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupProgress {
    position: Position,
    /// Guests whose result is recorded.
    pub recorded: usize,
    /// The endings; one, if all is well.
    pub endings: Vec<String>,
    /// What the group's own commits took, without those that lost a race.
    pub write_units: usize,
}

impl Default for GroupProgress {
    fn default() -> Self {
        Self {
            position: Position::START,
            recorded: 0,
            endings: Vec::new(),
            write_units: 0,
        }
    }
}

/// The ids of so many guests of a group.
pub fn guests_of(group: &str, count: usize) -> Vec<String> {
    (1..=count).map(|i| format!("{group}-guest-{i}")).collect()
}

/// How often progress is looked at.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
