//! A guest's stay: checked in, charged and paid for, checked out once the balance is zero.
//!
//! Checking out is a question, and its answer is an event either way, [`GuestCheckoutCompleted`] or
//! [`GuestCheckoutFailed`]: whoever asked on behalf of a group waits for it. A group gets one answer,
//! and that stands. A guest who checks out alone may try again once the bill is paid.
//!
//! Queues keep no order among each other: a charge or a payment that overtakes its guest's check-in waits
//! for it.

use std::collections::{BTreeMap, BTreeSet};

use eventsourcing::{Category, Decider, Decision, Refusal, Text, Timestamp};
use eventsourcing::{commands, events, message};
use rust_decimal::Decimal;

use crate::values::{ChargeId, GroupCheckoutId, GuestPaymentId, GuestStayId, Money};

message! {
    /// The guest is here.
    pub struct CheckInGuest {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
    }
}

message! {
    /// The guest owes something more.
    pub struct RecordCharge {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// What tells this charge from another of the same amount.
        pub charge_id: ChargeId,
        /// How much.
        pub amount: Money,
    }
}

message! {
    /// The guest has paid something.
    pub struct RecordPayment {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// What tells this payment from another of the same amount.
        pub payment_id: GuestPaymentId,
        /// How much.
        pub amount: Money,
    }
}

message! {
    /// The guest wants to leave, alone or with a group.
    pub struct CheckoutGuestAccount {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// The group that asks; none if the guest does. Set by the group's steps only.
        pub group_checkout_id: Option<GroupCheckoutId>,
    }
}

commands! {
    /// What is asked of a stay.
    pub enum GuestStayCommand for GuestStay {
        CheckInGuest => guest_stay_id + creates,
        RecordCharge => guest_stay_id,
        RecordPayment => guest_stay_id,
        CheckoutGuestAccount => guest_stay_id,
    }
}

message! {
    /// The stay has begun.
    pub struct GuestCheckedIn {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// When.
        pub checked_in_at: Timestamp,
    }
}

message! {
    /// The guest owes that much more.
    pub struct ChargeRecorded {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// What for.
        pub charge_id: ChargeId,
        /// How much.
        pub amount: Money,
        /// When.
        pub recorded_at: Timestamp,
    }
}

message! {
    /// The guest owes that much less.
    pub struct GuestPaymentRecorded {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// Which of the guest's payments.
        pub payment_id: GuestPaymentId,
        /// How much.
        pub amount: Money,
        /// When.
        pub recorded_at: Timestamp,
    }
}

message! {
    /// The guest has left with nothing open.
    pub struct GuestCheckoutCompleted {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// The group that asked; none if the guest did.
        pub group_checkout_id: Option<GroupCheckoutId>,
        /// When.
        pub completed_at: Timestamp,
    }
}

message! {
    /// The guest can't be checked out for whoever asked.
    pub struct GuestCheckoutFailed {
        /// Which stay.
        pub guest_stay_id: GuestStayId,
        /// The group that asked; none if the guest did.
        pub group_checkout_id: Option<GroupCheckoutId>,
        /// Why, for people to read.
        pub reason: Text,
        /// When.
        pub failed_at: Timestamp,
    }
}

events! {
    /// What happens during a stay.
    pub enum GuestStayEvent {
        GuestCheckedIn,
        ChargeRecorded,
        GuestPaymentRecorded,
        GuestCheckoutCompleted,
        GuestCheckoutFailed,
    }
}

/// The rules of a stay.
#[derive(Clone, Copy, Debug)]
pub struct GuestStay;

/// What has become of a stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GuestStayState {
    phase: Phase,
    charges: BTreeMap<ChargeId, Money>,
    payments: BTreeMap<GuestPaymentId, Money>,
    /// All charges less all payments; below zero for a guest who paid too much.
    balance: Decimal,
    /// The groups that have their answer.
    answered: BTreeSet<GroupCheckoutId>,
    /// The last answer to a guest who checks out alone.
    answered_alone: Option<Answer>,
}

impl GuestStayState {
    /// Where it stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The groups that have their answer.
    pub fn answered(&self) -> impl Iterator<Item = &GroupCheckoutId> {
        self.answered.iter()
    }
}

/// Where a stay stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not begun.
    #[default]
    NotCheckedIn,
    /// The guest is here.
    CheckedIn,
    /// By that group, or alone.
    CheckedOut(Option<GroupCheckoutId>),
}

/// What a checkout amounts to: done, or why not.
type Answer = Result<(), Text>;

impl Decider for GuestStay {
    const CATEGORY: Category = Category::new("guestStay");
    type Command = GuestStayCommand;
    type Event = GuestStayEvent;
    type State = GuestStayState;
    type Settings = ();

    fn evolve(mut state: GuestStayState, event: &GuestStayEvent) -> GuestStayState {
        match event {
            GuestStayEvent::GuestCheckedIn(_) => state.phase = Phase::CheckedIn,
            GuestStayEvent::ChargeRecorded(charge) => {
                state.balance += charge.amount.decimal();
                state.charges.insert(charge.charge_id.clone(), charge.amount);
            }
            GuestStayEvent::GuestPaymentRecorded(payment) => {
                state.balance -= payment.amount.decimal();
                state.payments.insert(payment.payment_id.clone(), payment.amount);
            }
            GuestStayEvent::GuestCheckoutCompleted(completed) => {
                state.phase = Phase::CheckedOut(completed.group_checkout_id.clone());
                state.note_answer(completed.group_checkout_id.as_ref(), Ok(()));
            }
            GuestStayEvent::GuestCheckoutFailed(failed) => {
                state.note_answer(failed.group_checkout_id.as_ref(), Err(failed.reason.clone()));
            }
        }
        state
    }

    fn decide(state: &GuestStayState, command: &GuestStayCommand, (): &(), now: Timestamp) -> Decided {
        match command {
            GuestStayCommand::CheckInGuest(command) => Ok(check_in(state, command, now)),
            GuestStayCommand::RecordCharge(command) => charge(state, command, now),
            GuestStayCommand::RecordPayment(command) => pay(state, command, now),
            GuestStayCommand::CheckoutGuestAccount(command) => Ok(check_out(state, command, now)),
        }
    }
}

type Decided = Result<Decision<GuestStayEvent>, Refusal>;

impl GuestStayState {
    fn note_answer(&mut self, group: Option<&GroupCheckoutId>, answer: Answer) {
        match group {
            Some(group) => {
                self.answered.insert(group.clone());
            }
            None => self.answered_alone = Some(answer),
        }
    }
}

fn check_in(state: &GuestStayState, command: &CheckInGuest, now: Timestamp) -> Decision<GuestStayEvent> {
    match state.phase {
        Phase::NotCheckedIn => Decision::one(GuestCheckedIn {
            guest_stay_id: command.guest_stay_id.clone(),
            checked_in_at: now,
        }),
        Phase::CheckedIn | Phase::CheckedOut(_) => Decision::Nothing,
    }
}

fn charge(state: &GuestStayState, command: &RecordCharge, now: Timestamp) -> Decided {
    let (stay, id) = (&command.guest_stay_id, &command.charge_id);
    match state.charges.get(id) {
        Some(amount) if *amount == command.amount => Ok(Decision::Nothing),
        Some(_) => rejected(format!(
            "charge {id} of stay {stay} is recorded already, with another amount"
        )),
        None => {
            check_present(state, stay, "a charge")?;
            Ok(Decision::one(ChargeRecorded {
                guest_stay_id: stay.clone(),
                charge_id: id.clone(),
                amount: command.amount,
                recorded_at: now,
            }))
        }
    }
}

fn pay(state: &GuestStayState, command: &RecordPayment, now: Timestamp) -> Decided {
    let (stay, id) = (&command.guest_stay_id, &command.payment_id);
    match state.payments.get(id) {
        Some(amount) if *amount == command.amount => Ok(Decision::Nothing),
        Some(_) => rejected(format!(
            "payment {id} of stay {stay} is recorded already, with another amount"
        )),
        None => {
            check_present(state, stay, "a payment")?;
            Ok(Decision::one(GuestPaymentRecorded {
                guest_stay_id: stay.clone(),
                payment_id: id.clone(),
                amount: command.amount,
                recorded_at: now,
            }))
        }
    }
}

fn check_out(
    state: &GuestStayState,
    command: &CheckoutGuestAccount,
    now: Timestamp,
) -> Decision<GuestStayEvent> {
    let (guest_stay_id, group) = (command.guest_stay_id.clone(), command.group_checkout_id.as_ref());
    let answer = answer(state, group);
    let has_it = match group {
        // The group counts one result for each guest, so a second answer would be a contradiction.
        Some(group) => state.answered.contains(group),
        None => state.answered_alone.as_ref() == Some(&answer),
    };
    let group_checkout_id = group.cloned();
    match answer {
        _ if has_it => Decision::Nothing,
        Ok(()) => Decision::one(GuestCheckoutCompleted {
            guest_stay_id,
            group_checkout_id,
            completed_at: now,
        }),
        Err(reason) => Decision::one(GuestCheckoutFailed {
            guest_stay_id,
            group_checkout_id,
            reason,
            failed_at: now,
        }),
    }
}

/// What a checkout amounts to for a group, or for the guest alone.
fn answer(state: &GuestStayState, asks: Option<&GroupCheckoutId>) -> Answer {
    match &state.phase {
        Phase::NotCheckedIn => Err("never checked in".into()),
        Phase::CheckedIn if state.balance.is_zero() => Ok(()),
        Phase::CheckedIn => Err(Text::cut(format!("open balance {:.2}", state.balance))),
        Phase::CheckedOut(by) if by.as_ref() == asks => Ok(()),
        Phase::CheckedOut(None) => Err("already checked out alone".into()),
        Phase::CheckedOut(Some(group)) => Err(Text::cut(format!("already checked out by group {group}"))),
    }
}

fn check_present(state: &GuestStayState, stay: &GuestStayId, what: &str) -> Result<(), Refusal> {
    match state.phase {
        Phase::CheckedIn => Ok(()),
        Phase::NotCheckedIn => Err(Refusal::Premature(format!(
            "stay {stay} is not checked in yet; {what} is taken while a guest is"
        ))),
        Phase::CheckedOut(_) => Err(Refusal::Rejected(format!(
            "stay {stay} is checked out; {what} is taken while a guest is checked in"
        ))),
    }
}

fn rejected(why: String) -> Decided {
    Err(Refusal::Rejected(why))
}
