//! Rules broken on purpose, one way each. The checker has to find what each of them does to a group;
//! one that it did not find would be a hole in the model or in a property.

use domain::group_checkout::{
    GroupCheckoutCommand, GroupCheckoutCompleted, GroupCheckoutEvent, GroupCheckoutFailed,
    GroupCheckoutState, GuestCheckoutRecorded, GuestCheckoutRecordedLate, RecordGuestCheckout,
    TimeOutGroupCheckout,
};
use domain::group_checkout_process::GroupCheckoutProcess;
use domain::guest_stay::{GuestStayCommand, GuestStayEvent, GuestStayState};
use eventsourcing::{Decision, Message, Refusal, Stream, Timestamp};

use crate::checker::deciding;
use crate::checker::letter::Letter;
use crate::rules::{Real, Rules};
use crate::world::due_at;

/// What the rules of a group return.
type Verdict<E = GroupCheckoutEvent> = deciding::Verdict<E>;

/// What of a command is a result.
fn result(command: &GroupCheckoutCommand) -> Option<&RecordGuestCheckout> {
    match command {
        GroupCheckoutCommand::RecordGuestCheckout(result) => Some(result),
        _ => None,
    }
}

/// Rewrites the events that the real rules decide on.
fn changed(verdict: Verdict, change: impl FnOnce(&mut Vec<GroupCheckoutEvent>)) -> Verdict {
    match verdict? {
        Decision::Record(mut events) => {
            change(&mut events);
            Ok(if events.is_empty() {
                Decision::Nothing
            } else {
                Decision::Record(events)
            })
        }
        other => Ok(other),
    }
}

/// A charge or payment that comes before its guest is taken for a mistake.
pub struct RefusesEarlyCharges;

impl Rules for RefusesEarlyCharges {
    fn decide_stay(
        state: &GuestStayState,
        command: &GuestStayCommand,
        at: Timestamp,
    ) -> Verdict<GuestStayEvent> {
        Real::decide_stay(state, command, at).map_err(|refusal| match refusal {
            Refusal::Premature(why) | Refusal::Rejected(why) => Refusal::Rejected(why),
        })
    }
}

/// A charge or payment that comes before its guest is acknowledged, and that is all.
pub struct DropsEarlyCharges;

impl Rules for DropsEarlyCharges {
    fn decide_stay(
        state: &GuestStayState,
        command: &GuestStayCommand,
        at: Timestamp,
    ) -> Verdict<GuestStayEvent> {
        match Real::decide_stay(state, command, at) {
            Err(Refusal::Premature(_)) => Ok(Decision::Nothing),
            verdict => verdict,
        }
    }
}

/// A duplicate is counted as if another guest had reported.
pub struct CountsTwice;

impl Rules for CountsTwice {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        let verdict = Real::decide(state, command, at)?;
        let (Decision::Nothing, Some(duplicate)) = (&verdict, result(command)) else {
            return Ok(verdict);
        };
        for other in ["ada", "bob", "eve", "dan"] {
            let instead = RecordGuestCheckout {
                guest_stay_id: other.parse().expect("an id"),
                ..duplicate.clone()
            };
            if let Ok(Decision::Record(mut events)) = Real::decide(state, &instead.into(), at)
                && let GroupCheckoutEvent::GuestCheckoutRecorded(recorded) = &mut events[0]
            {
                recorded.guest_stay_id = duplicate.guest_stay_id.clone();
                return Ok(Decision::Record(events));
            }
        }
        Ok(verdict)
    }
}

/// The first failure ends the group.
pub struct FailsBeforeAllHaveReported;

impl Rules for FailsBeforeAllHaveReported {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        changed(Real::decide(state, command, at), |events| {
            let [_, GroupCheckoutEvent::GroupCheckoutFailureNotified(notified)] = &events[..] else {
                return;
            };
            let failed = GroupCheckoutFailed {
                group_checkout_id: notified.group_checkout_id.clone(),
                failed_guest_ids: notified.failed_guest_ids.clone(),
                completed_count: notified.completed_count,
                failed_count: notified.failed_count,
                failed_at: at,
            };
            events.push(failed.into());
        })
    }
}

/// When all are done and some have failed, nobody says so.
pub struct NeverFails;

impl Rules for NeverFails {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        changed(Real::decide(state, command, at), |events| {
            events.retain(|event| !matches!(event, GroupCheckoutEvent::GroupCheckoutFailed(_)));
        })
    }
}

/// Failures are recorded, and people are not told of them.
pub struct NotifiesNobody;

impl Rules for NotifiesNobody {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        changed(Real::decide(state, command, at), |events| {
            events.retain(|event| !matches!(event, GroupCheckoutEvent::GroupCheckoutFailureNotified(_)));
        })
    }
}

/// A contradiction takes the place of the first result.
pub struct LetsTheLastResultWin;

impl Rules for LetsTheLastResultWin {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        changed(Real::decide(state, command, at), |events| {
            if let [GroupCheckoutEvent::GuestCheckoutRecordedLate(late)] = &events[..] {
                let late = late.clone();
                let recorded = GuestCheckoutRecorded {
                    group_checkout_id: late.group_checkout_id,
                    guest_stay_id: late.guest_stay_id,
                    outcome: late.outcome,
                    reason: late.reason,
                    recorded_at: late.recorded_at,
                };
                *events = vec![recorded.into()];
            }
        })
    }
}

/// A late result completes a group that has timed out.
pub struct CompletesTheTimedOut;

impl Rules for CompletesTheTimedOut {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        changed(Real::decide(state, command, at), |events| {
            if let [GroupCheckoutEvent::GuestCheckoutRecordedLate(late)] = &events[..] {
                let completed = GroupCheckoutCompleted {
                    group_checkout_id: late.group_checkout_id.clone(),
                    completed_at: at,
                };
                events.push(completed.into());
            }
        })
    }
}

/// Each repeat of a late result is recorded again.
pub struct RecordsLateResultsAgain;

impl Rules for RecordsLateResultsAgain {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        let verdict = Real::decide(state, command, at)?;
        let (Decision::Nothing, Some(again)) = (&verdict, result(command)) else {
            return Ok(verdict);
        };
        Ok(Decision::one(GuestCheckoutRecordedLate {
            group_checkout_id: again.group_checkout_id.clone(),
            guest_stay_id: again.guest_stay_id.clone(),
            outcome: again.outcome,
            reason: again.reason.clone(),
            recorded_at: at,
        }))
    }
}

/// What can't count is dropped.
pub struct DropsLateResults;

impl Rules for DropsLateResults {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        changed(Real::decide(state, command, at), |events| {
            events.retain(|event| !matches!(event, GroupCheckoutEvent::GuestCheckoutRecordedLate(_)));
        })
    }
}

/// A result for a group that is not there yet is an error for ever.
pub struct RefusesTheUnknown;

impl Rules for RefusesTheUnknown {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        match Real::decide(state, command, at) {
            Err(Refusal::Premature(why)) => Err(Refusal::Rejected(why)),
            verdict => verdict,
        }
    }
}

/// The deadline does not look at the time.
pub struct TimesOutEarly;

impl Rules for TimesOutEarly {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        match Real::decide(state, command, at)? {
            Decision::NotDue(due) => {
                let verdict = Real::decide(state, command, due);
                changed(verdict, |events| {
                    if let [GroupCheckoutEvent::GroupCheckoutTimedOut(timed_out)] = &mut events[..] {
                        timed_out.timed_out_at = at;
                    }
                })
            }
            decision => Ok(decision),
        }
    }
}

/// A deadline that has passed asks to come again.
pub struct WaitsForEver;

impl Rules for WaitsForEver {
    fn decide(state: &GroupCheckoutState, command: &GroupCheckoutCommand, at: Timestamp) -> Verdict {
        match (Real::decide(state, command, at)?, command) {
            (Decision::Record(_), GroupCheckoutCommand::TimeOutGroupCheckout(_)) => {
                Ok(Decision::NotDue(due_at()))
            }
            (decision, _) => Ok(decision),
        }
    }
}

/// Nobody sets the deadline.
pub struct SetsNoDeadline;

impl Rules for SetsNoDeadline {
    fn react(event: &Letter, stream: &Stream) -> Option<Vec<Letter>> {
        let mut sent = deciding::react::<GroupCheckoutProcess>(event, stream)?;
        sent.retain(|letter| letter.kind != TimeOutGroupCheckout::TYPE);
        Some(sent)
    }
}

/// An append takes the place of the commit that stands there.
pub struct Overwrites;

impl Rules for Overwrites {
    fn may_append(_: bool) -> bool {
        true
    }
}
