//! The checkout of a group: a process that hears each guest's result, counts it once, and ends when
//! the last one is in or its deadline passes.
//!
//! Its stream is its memory: what it hears it records, and what follows from that is recorded in the
//! same commit. So the result that is the last to come completes or fails the group by itself, and a
//! failed one notifies by itself; there is no moment at which the one is stored and the other is not.
//! [`CompleteGroupCheckout`] and [`NotifyGroupCheckoutFailure`] find that done. They are there for
//! repair, and for senders that speak the whole contract.
//!
//! A result that comes when it can't count any more is recorded as [`GuestCheckoutRecordedLate`] and
//! changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eventsourcing::{Category, Decider, Decision, Message, Refusal, Text, Timestamp};
use eventsourcing::{commands, events, message, words};

use crate::Deadlines;
use crate::values::{GroupCheckoutId, GuestStayId};

/// The most guests in a group.
pub const MAX_GUESTS: usize = 5_000;

/// The most bytes that the ids of a group's guests take as a JSON list: 200 KB. A failed group lists
/// all of them in one event, which has to fit into one commit and one message.
pub const MAX_IDS_BYTES: usize = 200 * 1024;

message! {
    /// Checks out all these guests together.
    pub struct InitiateGroupCheckout {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Its guests: 1 to 5,000, at most 200 KB of ids as JSON. Repeats don't count.
        pub guest_stay_ids: Vec<GuestStayId>,
    }
}

message! {
    /// What became of one guest's checkout. Sent by the steps.
    pub struct RecordGuestCheckout {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Whose.
        pub guest_stay_id: GuestStayId,
        /// What became of it.
        pub outcome: GuestOutcome,
        /// Why it failed, for people to read; part of the result, so another reason is another result.
        pub reason: Option<Text>,
    }
}

message! {
    /// The group is to be completed. Finds it done, or refuses: the last result ends the group in its
    /// own commit.
    pub struct CompleteGroupCheckout {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
    }
}

message! {
    /// People are to be told of these failures. Finds it done, or refuses: a failed result notifies in
    /// its own commit, with the counts of that moment. The counts that this command names decide
    /// nothing.
    pub struct NotifyGroupCheckoutFailure {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Whose checkouts failed.
        pub failed_guest_ids: Vec<GuestStayId>,
        /// How many completed, as the sender knows it.
        pub completed_count: u64,
        /// How many failed, as the sender knows it.
        pub failed_count: u64,
    }
}

message! {
    /// The guests have had time enough. Sent ahead of its time.
    pub struct TimeOutGroupCheckout {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// When the deadline passes.
        pub due_at: Timestamp,
    }
}

commands! {
    /// What a group's checkout is asked to do.
    pub enum GroupCheckoutCommand for GroupCheckout {
        InitiateGroupCheckout => group_checkout_id + creates,
        RecordGuestCheckout => group_checkout_id,
        CompleteGroupCheckout => group_checkout_id,
        NotifyGroupCheckoutFailure => group_checkout_id,
        TimeOutGroupCheckout => group_checkout_id + deadline,
    }
}

message! {
    /// The guests of this group are to be checked out.
    pub struct GroupCheckoutInitiated {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Its guests, each once, in the order in which they were named first.
        pub guest_stay_ids: Vec<GuestStayId>,
        /// When.
        pub initiated_at: Timestamp,
        /// Until when its guests are waited for: the deadline as it was set. Not there in events that
        /// were written before it was recorded.
        pub due_at: Option<Timestamp>,
    }
}

message! {
    /// A guest's first result, in time: it counts.
    pub struct GuestCheckoutRecorded {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Whose.
        pub guest_stay_id: GuestStayId,
        /// What became of the guest's checkout.
        pub outcome: GuestOutcome,
        /// Why it failed.
        pub reason: Option<Text>,
        /// When.
        pub recorded_at: Timestamp,
    }
}

message! {
    /// A result that contradicts the guest's first one, or comes after the deadline. It counts for
    /// nothing.
    pub struct GuestCheckoutRecordedLate {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Whose.
        pub guest_stay_id: GuestStayId,
        /// What became of the guest's checkout.
        pub outcome: GuestOutcome,
        /// Why it failed.
        pub reason: Option<Text>,
        /// When.
        pub recorded_at: Timestamp,
    }
}

message! {
    /// A guest could not be checked out; in the commit of that guest's result.
    pub struct GroupCheckoutFailureNotified {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// The one guest.
        pub failed_guest_ids: Vec<GuestStayId>,
        /// How many had completed.
        pub completed_count: u64,
        /// How many had failed, this one among them.
        pub failed_count: u64,
        /// When.
        pub notified_at: Timestamp,
    }
}

message! {
    /// All guests are checked out; an end.
    pub struct GroupCheckoutCompleted {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// When.
        pub completed_at: Timestamp,
    }
}

message! {
    /// All have reported, and some could not be checked out; an end.
    pub struct GroupCheckoutFailed {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Whose checkouts failed, in the order in which they did.
        pub failed_guest_ids: Vec<GuestStayId>,
        /// How many completed.
        pub completed_count: u64,
        /// How many failed.
        pub failed_count: u64,
        /// When.
        pub failed_at: Timestamp,
    }
}

message! {
    /// Some have not reported in time; an end.
    pub struct GroupCheckoutTimedOut {
        /// Which group.
        pub group_checkout_id: GroupCheckoutId,
        /// Who has not, in the group's order.
        pub incomplete_guest_ids: Vec<GuestStayId>,
        /// When.
        pub timed_out_at: Timestamp,
    }
}

events! {
    /// What happens to a group's checkout.
    pub enum GroupCheckoutEvent {
        GroupCheckoutInitiated,
        GuestCheckoutRecorded,
        GuestCheckoutRecordedLate,
        GroupCheckoutFailureNotified,
        GroupCheckoutCompleted,
        GroupCheckoutFailed,
        GroupCheckoutTimedOut,
    }
}

words! {
    /// What became of a guest's checkout.
    pub enum GuestOutcome {
        /// The guest has left.
        Completed = "completed",
        /// The guest can't be checked out.
        Failed = "failed",
    }
}

/// The rules of a group's checkout.
#[derive(Clone, Copy, Debug)]
pub struct GroupCheckout;

/// What has become of a group's checkout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupCheckoutState {
    /// Nothing yet.
    #[default]
    NotInitiated,
    /// It is under way, or has ended.
    Initiated(Group),
}

/// A group and what it has heard. Guests are known by their place in the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    // Never changes, and is shared so that a copy of the state does not copy the ids.
    guests: Arc<Guests>,
    /// The first result of each guest.
    results: Vec<Option<GuestResult>>,
    completed: usize,
    /// In the order in which they failed.
    failed: Vec<usize>,
    /// Results that came too late to count.
    late: BTreeSet<(usize, GuestResult)>,
    ending: Option<Ending>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Guests {
    ids: Vec<GuestStayId>,
    places: BTreeMap<GuestStayId, usize>,
}

/// How a group's checkout ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// All guests have left.
    Completed,
    /// All have reported, and some could not leave.
    Failed,
    /// Some have not reported in time.
    TimedOut,
}

/// What a group has heard of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A result that counts.
    Counted(GuestOutcome),
    /// Only what came too late to count.
    Late,
    /// Nothing.
    Nothing,
}

/// How a guest's checkout ended, and why.
type GuestResult = (GuestOutcome, Option<Text>);

impl Decider for GroupCheckout {
    const CATEGORY: Category = Category::new("groupCheckout");
    type Command = GroupCheckoutCommand;
    type Event = GroupCheckoutEvent;
    type State = GroupCheckoutState;
    type Settings = Deadlines;

    const GROWS: bool = true;
    const ENDINGS: &'static [&'static str] = &[
        GroupCheckoutCompleted::TYPE,
        GroupCheckoutFailed::TYPE,
        GroupCheckoutTimedOut::TYPE,
    ];

    fn evolve(state: GroupCheckoutState, event: &GroupCheckoutEvent) -> GroupCheckoutState {
        match (state, event) {
            (_, GroupCheckoutEvent::GroupCheckoutInitiated(initiated)) => {
                GroupCheckoutState::Initiated(Group::of(&initiated.guest_stay_ids))
            }
            (GroupCheckoutState::NotInitiated, _) => GroupCheckoutState::NotInitiated,
            (GroupCheckoutState::Initiated(group), event) => {
                GroupCheckoutState::Initiated(group.evolved(event))
            }
        }
    }

    fn decide(
        state: &GroupCheckoutState,
        command: &GroupCheckoutCommand,
        deadlines: &Deadlines,
        now: Timestamp,
    ) -> Decided {
        match command {
            GroupCheckoutCommand::InitiateGroupCheckout(command) => initiate(state, command, deadlines, now),
            GroupCheckoutCommand::RecordGuestCheckout(command) => {
                record(state.initiated(&command.group_checkout_id)?, command, now)
            }
            GroupCheckoutCommand::CompleteGroupCheckout(command) => {
                complete(state.initiated(&command.group_checkout_id)?, command)
            }
            GroupCheckoutCommand::NotifyGroupCheckoutFailure(command) => {
                notify(state.initiated(&command.group_checkout_id)?, command)
            }
            GroupCheckoutCommand::TimeOutGroupCheckout(command) => {
                let group = state.initiated(&command.group_checkout_id)?;
                Ok(time_out(group, command, now))
            }
        }
    }
}

type Decided = Result<Decision<GroupCheckoutEvent>, Refusal>;

impl GroupCheckoutState {
    fn initiated(&self, id: &GroupCheckoutId) -> Result<&Group, Refusal> {
        match self {
            Self::Initiated(group) => Ok(group),
            Self::NotInitiated => Err(Refusal::Premature(format!(
                "group checkout {id} has not been initiated yet"
            ))),
        }
    }
}

impl Group {
    fn of(ids: &[GuestStayId]) -> Self {
        let places = ids.iter().cloned().zip(0..).collect();
        Self {
            guests: Arc::new(Guests {
                ids: ids.to_vec(),
                places,
            }),
            results: vec![None; ids.len()],
            completed: 0,
            failed: Vec::new(),
            late: BTreeSet::new(),
            ending: None,
        }
    }

    fn evolved(mut self, event: &GroupCheckoutEvent) -> Self {
        match event {
            GroupCheckoutEvent::GuestCheckoutRecorded(recorded) => {
                if let Some(place) = self.place(&recorded.guest_stay_id)
                    && self.results[place].is_none()
                {
                    self.results[place] = Some((recorded.outcome, recorded.reason.clone()));
                    match recorded.outcome {
                        GuestOutcome::Completed => self.completed += 1,
                        GuestOutcome::Failed => self.failed.push(place),
                    }
                }
            }
            GroupCheckoutEvent::GuestCheckoutRecordedLate(late) => {
                if let Some(place) = self.place(&late.guest_stay_id) {
                    self.late.insert((place, (late.outcome, late.reason.clone())));
                }
            }
            GroupCheckoutEvent::GroupCheckoutCompleted(_) => self.ending = Some(Ending::Completed),
            GroupCheckoutEvent::GroupCheckoutFailed(_) => self.ending = Some(Ending::Failed),
            GroupCheckoutEvent::GroupCheckoutTimedOut(_) => self.ending = Some(Ending::TimedOut),
            GroupCheckoutEvent::GroupCheckoutInitiated(_)
            | GroupCheckoutEvent::GroupCheckoutFailureNotified(_) => {}
        }
        self
    }

    fn place(&self, guest: &GuestStayId) -> Option<usize> {
        self.guests.places.get(guest).copied()
    }

    fn ids(&self, places: &[usize]) -> Vec<GuestStayId> {
        places
            .iter()
            .map(|&place| self.guests.ids[place].clone())
            .collect()
    }

    /// The guests whose result has not been heard, in the group's order.
    pub fn unheard(&self) -> impl Iterator<Item = &GuestStayId> {
        let guests = self.guests.ids.iter().zip(&self.results);
        guests
            .filter(|(_, result)| result.is_none())
            .map(|(guest, _)| guest)
    }

    /// What is known of each guest, in the group's order.
    pub fn heard(&self) -> impl Iterator<Item = (&GuestStayId, Heard)> {
        let late: BTreeSet<_> = self.late.iter().map(|(place, _)| *place).collect();
        let guests = self.guests.ids.iter().zip(&self.results).enumerate();
        guests.map(move |(place, (guest, result))| {
            let heard = match result {
                Some((outcome, _)) => Heard::Counted(*outcome),
                None if late.contains(&place) => Heard::Late,
                None => Heard::Nothing,
            };
            (guest, heard)
        })
    }

    /// How many have left.
    pub fn completed(&self) -> usize {
        self.completed
    }

    /// How many could not.
    pub fn failed(&self) -> usize {
        self.failed.len()
    }

    /// How it has ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Whether it has ended, in whichever way.
    pub fn has_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// How many have not reported.
    fn open(&self) -> usize {
        self.results.len() - self.completed - self.failed.len()
    }
}

fn initiate(
    state: &GroupCheckoutState,
    command: &InitiateGroupCheckout,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Decided {
    let guests = distinct(&command.guest_stay_ids);
    check_size(&guests)?;
    match state {
        GroupCheckoutState::NotInitiated => Ok(Decision::one(GroupCheckoutInitiated {
            group_checkout_id: command.group_checkout_id.clone(),
            guest_stay_ids: guests,
            initiated_at: now,
            due_at: Some(now.plus(deadlines.group_checkout)),
        })),
        // As many as there are, none of them another.
        GroupCheckoutState::Initiated(group)
            if guests.len() == group.results.len()
                && guests.iter().all(|guest| group.place(guest).is_some()) =>
        {
            Ok(Decision::Nothing)
        }
        GroupCheckoutState::Initiated(_) => rejected(format!(
            "group checkout {} is initiated already, with other guests",
            command.group_checkout_id
        )),
    }
}

/// Each once, in the order in which they come first.
fn distinct(guests: &[GuestStayId]) -> Vec<GuestStayId> {
    let mut seen = BTreeSet::new();
    guests
        .iter()
        .filter(|guest| seen.insert(*guest))
        .cloned()
        .collect()
}

fn check_size(guests: &[GuestStayId]) -> Result<(), Refusal> {
    // An id has no character that JSON escapes: quotes around each, a comma or a bracket after it, a
    // bracket in front.
    let bytes = 1 + guests.iter().map(|guest| guest.as_str().len() + 3).sum::<usize>();
    let why = match guests.len() {
        0 => format!("a group without guests can't check out; it takes 1 to {MAX_GUESTS}"),
        count if count > MAX_GUESTS => format!("a group of {count} guests; it takes 1 to {MAX_GUESTS}"),
        _ if bytes > MAX_IDS_BYTES => {
            format!("the guests' ids take {bytes} bytes as JSON; a group takes up to {MAX_IDS_BYTES}")
        }
        _ => return Ok(()),
    };
    Err(Refusal::Rejected(why))
}

fn record(group: &Group, command: &RecordGuestCheckout, now: Timestamp) -> Decided {
    let Some(place) = group.place(&command.guest_stay_id) else {
        return rejected(format!(
            "guest {} is not in group checkout {}",
            command.guest_stay_id, command.group_checkout_id
        ));
    };
    let result = (command.outcome, command.reason.clone());
    Ok(match &group.results[place] {
        Some(first) if *first == result => Decision::Nothing,
        None if !group.has_ended() => Decision::Record(recorded(group, place, command, now)),
        _ if group.late.contains(&(place, result)) => Decision::Nothing,
        _ => Decision::one(GuestCheckoutRecordedLate {
            group_checkout_id: command.group_checkout_id.clone(),
            guest_stay_id: command.guest_stay_id.clone(),
            outcome: command.outcome,
            reason: command.reason.clone(),
            recorded_at: now,
        }),
    })
}

/// A first result, in time, and what follows from it.
fn recorded(
    group: &Group,
    place: usize,
    command: &RecordGuestCheckout,
    now: Timestamp,
) -> Vec<GroupCheckoutEvent> {
    let id = &command.group_checkout_id;
    let (failed_now, completed_now) = match command.outcome {
        GuestOutcome::Completed => (0, 1),
        GuestOutcome::Failed => (1, 0),
    };
    let completed_count = (group.completed + completed_now) as u64;
    let failed_count = (group.failed.len() + failed_now) as u64;

    let mut events = vec![
        GuestCheckoutRecorded {
            group_checkout_id: id.clone(),
            guest_stay_id: command.guest_stay_id.clone(),
            outcome: command.outcome,
            reason: command.reason.clone(),
            recorded_at: now,
        }
        .into(),
    ];
    if command.outcome == GuestOutcome::Failed {
        let notified = GroupCheckoutFailureNotified {
            group_checkout_id: id.clone(),
            failed_guest_ids: group.ids(&[place]),
            completed_count,
            failed_count,
            notified_at: now,
        };
        events.push(notified.into());
    }
    if group.open() == 1 {
        events.push(if failed_count == 0 {
            GroupCheckoutCompleted {
                group_checkout_id: id.clone(),
                completed_at: now,
            }
            .into()
        } else {
            let mut failed = group.ids(&group.failed);
            failed.extend(group.ids(&[place][..failed_now]));
            GroupCheckoutFailed {
                group_checkout_id: id.clone(),
                failed_guest_ids: failed,
                completed_count,
                failed_count,
                failed_at: now,
            }
            .into()
        });
    }
    events
}

fn complete(group: &Group, command: &CompleteGroupCheckout) -> Decided {
    if group.has_ended() {
        return Ok(Decision::Nothing);
    }
    rejected(format!(
        "{} of {} guests of group checkout {} have not reported; the last one's result completes it",
        group.open(),
        group.results.len(),
        command.group_checkout_id
    ))
}

fn notify(group: &Group, command: &NotifyGroupCheckoutFailure) -> Decided {
    let has_failed = |guest: &&GuestStayId| {
        let result = group.place(guest).and_then(|place| group.results[place].as_ref());
        matches!(result, Some((GuestOutcome::Failed, _)))
    };
    match command.failed_guest_ids.iter().find(|guest| !has_failed(guest)) {
        // Notified when they were recorded.
        None => Ok(Decision::Nothing),
        Some(guest) => rejected(format!(
            "the checkout of guest {guest} has not failed in group checkout {}; a failure is notified when it is recorded",
            command.group_checkout_id
        )),
    }
}

fn time_out(group: &Group, command: &TimeOutGroupCheckout, now: Timestamp) -> Decision<GroupCheckoutEvent> {
    if group.has_ended() {
        return Decision::Nothing;
    }
    if now < command.due_at {
        return Decision::NotDue(command.due_at);
    }
    Decision::one(GroupCheckoutTimedOut {
        group_checkout_id: command.group_checkout_id.clone(),
        incomplete_guest_ids: group.unheard().cloned().collect(),
        timed_out_at: now,
    })
}

fn rejected(why: String) -> Decided {
    Err(Refusal::Rejected(why))
}
