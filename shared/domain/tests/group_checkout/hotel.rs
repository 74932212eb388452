//! A hotel with a few guests and a group of them, for tests to tell stories with.

use std::time::Duration;

use domain::group_checkout::{
    CompleteGroupCheckout, GroupCheckoutCompleted, GroupCheckoutEvent, GroupCheckoutFailed,
    GroupCheckoutFailureNotified, GroupCheckoutInitiated, GroupCheckoutTimedOut, GuestCheckoutRecorded,
    GuestCheckoutRecordedLate, GuestOutcome, InitiateGroupCheckout, NotifyGroupCheckoutFailure,
    RecordGuestCheckout, TimeOutGroupCheckout,
};
use domain::values::{GroupCheckoutId, GuestStayId};
use eventsourcing::{FieldValue, Text, Timestamp};

pub use crate::shop::{before, due_at, money, now};

/// A guest.
pub fn guest(id: &str) -> GuestStayId {
    id.parse().expect("an id")
}

/// Guests.
pub fn guests(ids: &[&str]) -> Vec<GuestStayId> {
    ids.iter().map(|id| guest(id)).collect()
}

/// A group.
pub fn group(id: &str) -> GroupCheckoutId {
    id.parse().expect("an id")
}

/// The group of these stories.
pub fn tour() -> GroupCheckoutId {
    group("tour")
}

/// Words.
pub fn text(words: &str) -> Text {
    Text::read(&serde_json::Value::from(words).to_string()).expect("words")
}

/// What a guest's checkout came to: completed, or failed for that reason.
pub type Ended = Result<(), &'static str>;

fn parts(ended: Ended) -> (GuestOutcome, Option<Text>) {
    match ended {
        Ok(()) => (GuestOutcome::Completed, None),
        Err(reason) => (GuestOutcome::Failed, Some(text(reason))),
    }
}

/// Checks out the tour.
pub fn initiate(ids: &[&str]) -> InitiateGroupCheckout {
    InitiateGroupCheckout {
        group_checkout_id: tour(),
        guest_stay_ids: guests(ids),
    }
}

/// Reports a guest's result to the tour.
pub fn record(id: &str, ended: Ended) -> RecordGuestCheckout {
    let (outcome, reason) = parts(ended);
    RecordGuestCheckout {
        group_checkout_id: tour(),
        guest_stay_id: guest(id),
        outcome,
        reason,
    }
}

/// Completes the tour.
pub fn complete() -> CompleteGroupCheckout {
    CompleteGroupCheckout {
        group_checkout_id: tour(),
    }
}

/// Tells people of these failures.
pub fn notify(failed: &[&str]) -> NotifyGroupCheckoutFailure {
    NotifyGroupCheckoutFailure {
        group_checkout_id: tour(),
        failed_guest_ids: guests(failed),
        completed_count: 0,
        failed_count: failed.len() as u64,
    }
}

/// The tour's deadline.
pub fn time_out() -> TimeOutGroupCheckout {
    TimeOutGroupCheckout {
        group_checkout_id: tour(),
        due_at: due_at(),
    }
}

/// The tour is to be checked out.
pub fn initiated(ids: &[&str], at: Timestamp) -> GroupCheckoutEvent {
    GroupCheckoutInitiated {
        group_checkout_id: tour(),
        guest_stay_ids: guests(ids),
        initiated_at: at,
        due_at: Some(at.plus(Duration::from_hours(1))),
    }
    .into()
}

/// A result counts.
pub fn recorded(id: &str, ended: Ended, at: Timestamp) -> GroupCheckoutEvent {
    let (outcome, reason) = parts(ended);
    GuestCheckoutRecorded {
        group_checkout_id: tour(),
        guest_stay_id: guest(id),
        outcome,
        reason,
        recorded_at: at,
    }
    .into()
}

/// A result comes too late to count.
pub fn recorded_late(id: &str, ended: Ended, at: Timestamp) -> GroupCheckoutEvent {
    let (outcome, reason) = parts(ended);
    GuestCheckoutRecordedLate {
        group_checkout_id: tour(),
        guest_stay_id: guest(id),
        outcome,
        reason,
        recorded_at: at,
    }
    .into()
}

/// People are told of a guest whose checkout failed.
pub fn notified(id: &str, completed_count: u64, failed_count: u64, at: Timestamp) -> GroupCheckoutEvent {
    GroupCheckoutFailureNotified {
        group_checkout_id: tour(),
        failed_guest_ids: guests(&[id]),
        completed_count,
        failed_count,
        notified_at: at,
    }
    .into()
}

/// All have left.
pub fn completed(at: Timestamp) -> GroupCheckoutEvent {
    GroupCheckoutCompleted {
        group_checkout_id: tour(),
        completed_at: at,
    }
    .into()
}

/// All have reported, and these could not leave.
pub fn failed(failed: &[&str], completed_count: u64, at: Timestamp) -> GroupCheckoutEvent {
    GroupCheckoutFailed {
        group_checkout_id: tour(),
        failed_guest_ids: guests(failed),
        completed_count,
        failed_count: failed.len() as u64,
        failed_at: at,
    }
    .into()
}

/// The deadline passed without these.
pub fn timed_out(incomplete: &[&str], at: Timestamp) -> GroupCheckoutEvent {
    GroupCheckoutTimedOut {
        group_checkout_id: tour(),
        incomplete_guest_ids: guests(incomplete),
        timed_out_at: at,
    }
    .into()
}
