//! What a group's stream says of its guests, and what the guests' own streams say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use testkit::invariants::Findings;
use testkit::invariants::streams::{Event, Streams, all, first};

const ENDINGS: [&str; 3] = [
    "GroupCheckoutCompleted",
    "GroupCheckoutFailed",
    "GroupCheckoutTimedOut",
];

pub(super) fn judge(streams: &Streams, notified: &BTreeSet<String>, findings: &mut Findings) {
    for (id, events) in streams.all("groupCheckout") {
        if let Some(initiated) = first(events, "GroupCheckoutInitiated") {
            Group::of(id, initiated).hears(events, findings);
            time_is_up_when_it_was_said_to_be(id, initiated, events, findings);
            people_are_told(id, events, notified, findings);
        }
    }
    for (id, events) in streams.all("guestStay") {
        judge_stay(id, events, findings);
        the_groups_that_asked_have_the_answer(id, events, streams, findings);
    }
}

pub(super) fn is_ending(event: &Event) -> bool {
    ENDINGS.contains(&event.kind.as_str())
}

/// A group, as far as its stream has been read.
struct Group<'a> {
    id: &'a str,
    guests: Vec<&'a str>,
    /// What was heard first of each guest.
    results: BTreeMap<&'a str, [&'a Value; 2]>,
    failed: Vec<&'a str>,
    late: Vec<[&'a Value; 3]>,
}

impl<'a> Group<'a> {
    fn of(id: &'a str, initiated: &'a Event) -> Self {
        Self {
            id,
            guests: initiated.list("guest_stay_ids"),
            results: BTreeMap::new(),
            failed: Vec::new(),
            late: Vec::new(),
        }
    }

    fn hears(mut self, events: &'a [Event], findings: &mut Findings) {
        let distinct: BTreeSet<_> = self.guests.iter().collect();
        findings.must(distinct.len() == self.guests.len(), || {
            format!("groupCheckout-{} names a guest twice", self.id)
        });
        for (place, event) in events.iter().enumerate() {
            let next = events.get(place + 1).filter(|next| next.commit == event.commit);
            match event.kind.as_str() {
                "GuestCheckoutRecorded" => self.counts(event, next, findings),
                "GuestCheckoutRecordedLate" => self.notes(event, findings),
                "GroupCheckoutFailureNotified" => self.tells(event, findings),
                _ if is_ending(event) => self.ends(event, findings),
                _ => {}
            }
        }
        let (id, ended) = (self.id, events.iter().any(is_ending));
        findings.must(ended || self.results.len() < self.guests.len(), || {
            format!("groupCheckout-{id} has heard all its guests and has not ended")
        });
    }

    fn counts(&mut self, event: &'a Event, next: Option<&Event>, findings: &mut Findings) {
        let (id, guest) = (self.id, event.text("guest_stay_id"));
        findings.must(self.guests.contains(&guest), || {
            format!("groupCheckout-{id} counts guest {guest}, who is not in it")
        });
        let result = [&event.data["outcome"], &event.data["reason"]];
        let first = self.results.insert(guest, result);
        findings.must(first.is_none(), || {
            format!("groupCheckout-{id} counts guest {guest} twice")
        });
        if *result[0] == "failed" {
            self.failed.push(guest);
            findings.must(
                next.is_some_and(|next| next.kind == "GroupCheckoutFailureNotified"),
                || format!("groupCheckout-{id} does not tell of guest {guest}'s failure in the same commit"),
            );
        }
        if self.results.len() == self.guests.len() && *result[0] != "failed" {
            findings.must(next.is_some_and(is_ending), || {
                format!("groupCheckout-{id} does not end with its last guest's result")
            });
        }
    }

    /// A late result contradicts the first, or came after the end; the same one is noted once.
    fn notes(&mut self, event: &'a Event, findings: &mut Findings) {
        let (id, guest) = (self.id, event.text("guest_stay_id"));
        let [outcome, reason] = [&event.data["outcome"], &event.data["reason"]];
        findings.must(self.results.get(guest) != Some(&[outcome, reason]), || {
            format!("groupCheckout-{id} notes as late what it has counted of guest {guest}")
        });
        let late = [&event.data["guest_stay_id"], outcome, reason];
        findings.must(!self.late.contains(&late), || {
            format!("groupCheckout-{id} notes the same of guest {guest} twice")
        });
        self.late.push(late);
    }

    fn completed(&self) -> usize {
        let left = self
            .results
            .values()
            .filter(|[outcome, _]| **outcome == "completed");
        left.count()
    }

    fn tells(&self, event: &Event, findings: &mut Findings) {
        let last = self.failed.last().copied().into_iter().collect::<Vec<_>>();
        findings.must(event.list("failed_guest_ids") == last && self.counts_are_right(event), || {
            format!(
                "groupCheckout-{} tells of {:?} with {} completed and {} failed, where it should be {last:?}, {} and {}",
                self.id, event.list("failed_guest_ids"), event.data["completed_count"],
                event.data["failed_count"], self.completed(), self.failed.len()
            )
        });
    }

    fn ends(&self, event: &Event, findings: &mut Findings) {
        let all_in = self.results.len() == self.guests.len();
        let is_open = |guest: &&&str| !self.results.contains_key(**guest);
        let right = match event.kind.as_str() {
            "GroupCheckoutCompleted" => all_in && self.failed.is_empty(),
            "GroupCheckoutFailed" => {
                let named: BTreeSet<_> = event.list("failed_guest_ids").into_iter().collect();
                let failed: BTreeSet<_> = self.failed.iter().copied().collect();
                all_in && !failed.is_empty() && named == failed && self.counts_are_right(event)
            }
            _ => {
                let open: Vec<_> = self.guests.iter().filter(is_open).copied().collect();
                !open.is_empty() && event.list("incomplete_guest_ids") == open
            }
        };
        findings.must(right, || {
            format!(
                "groupCheckout-{} ends as {} with {} of {} guests completed and {} failed",
                self.id,
                event.kind,
                self.completed(),
                self.guests.len(),
                self.failed.len()
            )
        });
    }

    fn counts_are_right(&self, event: &Event) -> bool {
        event.data["completed_count"] == self.completed() && event.data["failed_count"] == self.failed.len()
    }
}

/// Guests have until the time that the group's first event says.
fn time_is_up_when_it_was_said_to_be(id: &str, initiated: &Event, events: &[Event], findings: &mut Findings) {
    if let (Some(due), Some(timed_out)) = (initiated.time("due_at"), first(events, "GroupCheckoutTimedOut")) {
        findings.must(timed_out.time("timed_out_at") >= Some(due), || {
            format!("groupCheckout-{id} times out before the time that GroupCheckoutInitiated says")
        });
    }
}

/// Each failure and each ending is on the queue for those who wait for it.
fn people_are_told(id: &str, events: &[Event], notified: &BTreeSet<String>, findings: &mut Findings) {
    let is_told = |event: &&Event| event.kind == "GroupCheckoutFailureNotified" || is_ending(event);
    for event in events.iter().filter(is_told) {
        findings.awaits(notified.contains(&event.id), || {
            format!("groupCheckout-{id}: nobody was told of {}", event.kind)
        });
    }
}

/// Charges and payments count once, and a guest leaves with nothing open. A stay with events that nobody
/// here knows is not judged: they may have changed the balance.
fn judge_stay(id: &str, events: &[Event], findings: &mut Findings) {
    let mut balance = 0.0;
    let mut seen = BTreeSet::new();
    for event in events {
        let (item, sign) = match event.kind.as_str() {
            "ChargeRecorded" => (event.text("charge_id"), 1.0),
            "GuestPaymentRecorded" => (event.text("payment_id"), -1.0),
            "GuestCheckoutCompleted" => {
                findings.must(f64::abs(balance) < 0.005, || {
                    format!("guestStay-{id} is checked out with {balance:.2} open")
                });
                continue;
            }
            _ => continue,
        };
        findings.must(seen.insert((&event.kind, item)), || {
            format!("guestStay-{id}: {} {item} counts twice", event.kind)
        });
        balance += sign * event.data["amount"].as_f64().unwrap_or_default();
    }
}

/// A group that asked a guest gets one answer, and has heard it.
fn the_groups_that_asked_have_the_answer(
    id: &str,
    events: &[Event],
    streams: &Streams,
    findings: &mut Findings,
) {
    let mut answered = BTreeSet::new();
    for event in events {
        let outcome = match event.kind.as_str() {
            "GuestCheckoutCompleted" => "completed",
            "GuestCheckoutFailed" => "failed",
            _ => continue,
        };
        let group = event.text("group_checkout_id");
        if group.is_empty() {
            continue;
        }
        findings.must(answered.insert(group), || {
            format!("guestStay-{id} answers group {group} twice")
        });
        let group_events = streams.of("groupCheckout", group);
        let heard = ["GuestCheckoutRecorded", "GuestCheckoutRecordedLate"]
            .into_iter()
            .flat_map(|kind| all(group_events, kind))
            .any(|heard| heard.text("guest_stay_id") == id && heard.text("outcome") == outcome);
        findings.awaits(heard, || {
            format!("guestStay-{id} has {outcome} for group {group}, which has not heard it")
        });
    }
}
