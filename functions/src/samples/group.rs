//! Guests and their groups.

use bundle::{Given, Sample, at};
use domain::group_checkout::{
    CompleteGroupCheckout, GroupCheckout, GroupCheckoutCompleted, GroupCheckoutFailed,
    GroupCheckoutFailureNotified, GroupCheckoutInitiated, GroupCheckoutTimedOut, GuestCheckoutRecorded,
    GuestCheckoutRecordedLate, GuestOutcome, InitiateGroupCheckout, NotifyGroupCheckoutFailure,
    RecordGuestCheckout, TimeOutGroupCheckout,
};
use domain::guest_stay::{
    ChargeRecorded, CheckInGuest, CheckoutGuestAccount, GuestCheckedIn, GuestCheckoutCompleted,
    GuestCheckoutFailed, GuestPaymentRecorded, GuestStay, RecordCharge, RecordPayment,
};
use domain::values::{GroupCheckoutId, GuestStayId, Money};
use eventsourcing::Message;

use super::id;

/// The group of a sample and its two guests.
struct Party {
    group: GroupCheckoutId,
    guests: [GuestStayId; 2],
}

impl Party {
    fn in_sample(name: &str) -> Self {
        Self {
            group: id(&format!("sample-{name}")),
            guests: ["ada", "emil"].map(|guest| id(&format!("sample-{name}-{guest}"))),
        }
    }

    fn ada(&self) -> GuestStayId {
        self.guests[0].clone()
    }

    fn checked_in(&self) -> GuestCheckedIn {
        GuestCheckedIn {
            guest_stay_id: self.ada(),
            checked_in_at: at(0),
        }
    }

    fn initiated(&self) -> GroupCheckoutInitiated {
        GroupCheckoutInitiated {
            group_checkout_id: self.group.clone(),
            guest_stay_ids: self.guests.to_vec(),
            initiated_at: at(0),
            due_at: Some(at(45)),
        }
    }

    fn recorded(&self, guest: usize, outcome: GuestOutcome) -> GuestCheckoutRecorded {
        let failed = outcome == GuestOutcome::Failed;
        GuestCheckoutRecorded {
            group_checkout_id: self.group.clone(),
            guest_stay_id: self.guests[guest].clone(),
            outcome,
            reason: failed.then(|| "open balance 12.00".into()),
            recorded_at: at(1),
        }
    }
}

pub(crate) fn check_in_guest() -> Sample {
    let party = Party::in_sample("check-in-guest");
    Given::nothing()
        .command(&CheckInGuest {
            guest_stay_id: party.ada(),
        })
        .records(&[GuestCheckedIn::TYPE])
}

pub(crate) fn record_charge() -> Sample {
    let party = Party::in_sample("record-charge");
    Given::stream::<GuestStay>(&party.ada(), [party.checked_in().into()])
        .command(&RecordCharge {
            guest_stay_id: party.ada(),
            charge_id: id("minibar"),
            amount: Money::whole(12),
        })
        .records(&[ChargeRecorded::TYPE])
}

pub(crate) fn record_payment() -> Sample {
    let party = Party::in_sample("record-payment");
    Given::stream::<GuestStay>(&party.ada(), [party.checked_in().into()])
        .command(&RecordPayment {
            guest_stay_id: party.ada(),
            payment_id: id("cash"),
            amount: Money::whole(12),
        })
        .records(&[GuestPaymentRecorded::TYPE])
}

pub(crate) fn checkout_guest_account() -> Sample {
    let party = Party::in_sample("checkout-guest-account");
    Given::stream::<GuestStay>(&party.ada(), [party.checked_in().into()])
        .command(&CheckoutGuestAccount {
            guest_stay_id: party.ada(),
            group_checkout_id: None,
        })
        .records(&[GuestCheckoutCompleted::TYPE])
}

/// A guest who owes something can't leave.
pub(crate) fn checkout_guest_account_owing() -> Sample {
    let party = Party::in_sample("checkout-guest-account-owing");
    let charged = ChargeRecorded {
        guest_stay_id: party.ada(),
        charge_id: id("minibar"),
        amount: Money::whole(12),
        recorded_at: at(0),
    };
    let events = [party.checked_in().into(), charged.into()];
    Given::stream::<GuestStay>(&party.ada(), events)
        .command(&CheckoutGuestAccount {
            guest_stay_id: party.ada(),
            group_checkout_id: None,
        })
        .records(&[GuestCheckoutFailed::TYPE])
}

pub(crate) fn on_guest_checkout_completed() -> Sample {
    let party = Party::in_sample("on-guest-checkout-completed");
    let completed = GuestCheckoutCompleted {
        guest_stay_id: party.ada(),
        group_checkout_id: Some(party.group.clone()),
        completed_at: at(1),
    };
    Given::stream::<GuestStay>(&party.ada(), [party.checked_in().into(), completed.into()])
        .newest_event()
        .sends(&[RecordGuestCheckout::TYPE])
}

pub(crate) fn on_guest_checkout_failed() -> Sample {
    let party = Party::in_sample("on-guest-checkout-failed");
    let failed = GuestCheckoutFailed {
        guest_stay_id: party.ada(),
        group_checkout_id: Some(party.group.clone()),
        reason: "never checked in".into(),
        failed_at: at(1),
    };
    Given::stream::<GuestStay>(&party.ada(), [failed.into()])
        .newest_event()
        .sends(&[RecordGuestCheckout::TYPE])
}

pub(crate) fn initiate_group_checkout() -> Sample {
    let party = Party::in_sample("initiate-group-checkout");
    Given::nothing()
        .command(&InitiateGroupCheckout {
            group_checkout_id: party.group,
            guest_stay_ids: party.guests.to_vec(),
        })
        .records(&[GroupCheckoutInitiated::TYPE])
}

pub(crate) fn on_group_checkout_initiated() -> Sample {
    let party = Party::in_sample("on-group-checkout-initiated");
    let guest = CheckoutGuestAccount::TYPE;
    Given::stream::<GroupCheckout>(&party.group, [party.initiated().into()])
        .newest_event()
        .sends(&[TimeOutGroupCheckout::TYPE, guest, guest])
}

/// One guest has left already; the other can't, and is the last to be heard of.
pub(crate) fn record_guest_checkout() -> Sample {
    let party = Party::in_sample("record-guest-checkout");
    let first = party.recorded(0, GuestOutcome::Completed);
    Given::stream::<GroupCheckout>(&party.group, [party.initiated().into(), first.into()])
        .command(&RecordGuestCheckout {
            group_checkout_id: party.group,
            guest_stay_id: party.guests[1].clone(),
            outcome: GuestOutcome::Failed,
            reason: Some("open balance 12.00".into()),
        })
        .records(&[
            GuestCheckoutRecorded::TYPE,
            GroupCheckoutFailureNotified::TYPE,
            GroupCheckoutFailed::TYPE,
        ])
}

/// The last of a group of which nobody owes anything.
pub(crate) fn record_guest_checkout_of_the_last() -> Sample {
    let party = Party::in_sample("record-guest-checkout-of-the-last");
    let first = party.recorded(0, GuestOutcome::Completed);
    Given::stream::<GroupCheckout>(&party.group, [party.initiated().into(), first.into()])
        .command(&RecordGuestCheckout {
            group_checkout_id: party.group,
            guest_stay_id: party.guests[1].clone(),
            outcome: GuestOutcome::Completed,
            reason: None,
        })
        .records(&[GuestCheckoutRecorded::TYPE, GroupCheckoutCompleted::TYPE])
}

/// A result that contradicts the first one: that stands.
pub(crate) fn record_guest_checkout_late() -> Sample {
    let party = Party::in_sample("record-guest-checkout-late");
    let first = party.recorded(0, GuestOutcome::Completed);
    Given::stream::<GroupCheckout>(&party.group, [party.initiated().into(), first.into()])
        .command(&RecordGuestCheckout {
            group_checkout_id: party.group,
            guest_stay_id: party.guests[0].clone(),
            outcome: GuestOutcome::Failed,
            reason: Some("open balance 12.00".into()),
        })
        .records(&[GuestCheckoutRecordedLate::TYPE])
}

pub(crate) fn complete_group_checkout() -> Sample {
    let party = Party::in_sample("complete-group-checkout");
    let completed = GroupCheckoutCompleted {
        group_checkout_id: party.group.clone(),
        completed_at: at(1),
    };
    let events = [
        party.initiated().into(),
        party.recorded(0, GuestOutcome::Completed).into(),
        party.recorded(1, GuestOutcome::Completed).into(),
        completed.into(),
    ];
    Given::stream::<GroupCheckout>(&party.group, events)
        .command(&CompleteGroupCheckout {
            group_checkout_id: party.group,
        })
        .nothing_follows()
}

pub(crate) fn notify_group_checkout_failure() -> Sample {
    let party = Party::in_sample("notify-group-checkout-failure");
    let events = [
        party.initiated().into(),
        party.recorded(0, GuestOutcome::Failed).into(),
    ];
    Given::stream::<GroupCheckout>(&party.group, events)
        .command(&NotifyGroupCheckoutFailure {
            failed_guest_ids: vec![party.ada()],
            group_checkout_id: party.group,
            completed_count: 0,
            failed_count: 1,
        })
        .nothing_follows()
}

pub(crate) fn time_out_group_checkout() -> Sample {
    let party = Party::in_sample("time-out-group-checkout");
    Given::stream::<GroupCheckout>(&party.group, [party.initiated().into()])
        .command(&TimeOutGroupCheckout {
            group_checkout_id: party.group,
            due_at: at(45),
        })
        .records(&[GroupCheckoutTimedOut::TYPE])
}

/// One guest has left, nothing is heard of the other.
pub(crate) fn view_group_checkouts() -> Sample {
    let party = Party::in_sample("view-group-checkouts");
    let timed_out = GroupCheckoutTimedOut {
        group_checkout_id: party.group.clone(),
        incomplete_guest_ids: vec![party.guests[1].clone()],
        timed_out_at: at(45),
    };
    let events = [
        party.initiated().into(),
        party.recorded(0, GuestOutcome::Completed).into(),
        timed_out.into(),
    ];
    Given::stream::<GroupCheckout>(&party.group, events)
        .newest_event()
        .shows(&[
            ("phase", "timed_out"),
            ("guests", "2"),
            ("completed_count", "1"),
            ("failed_count", "0"),
        ])
}
