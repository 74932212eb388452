//! What must be true of every group, told from its events alone, and what the model must be able to
//! reach.

use std::collections::BTreeSet;

use domain::group_checkout::{GroupCheckoutEvent, GuestOutcome, RecordGuestCheckout, TimeOutGroupCheckout};
use domain::guest_stay::{CheckoutGuestAccount, GuestCheckoutCompleted, RecordCharge, RecordPayment};
use domain::values::GuestStayId;
use eventsourcing::{CommandEnvelope, Message, StreamId, Text};
use stateright::Property;

use crate::checker::letter::{Letter, now};
use crate::checker::sights;
use crate::rules::Rules;
use crate::world::{Hotel, State, due_at};

/// The names of the properties that a wrong rule is to break.
pub mod must {
    /// A guest's first result counts, and no other.
    pub const COUNT_ONCE: &str = "each guest is counted once";
    /// Completed, failed or timed out, once; nothing counts afterwards.
    pub const END_ONCE: &str = "a group ends at most once, and then nothing counts";
    /// What completion takes.
    pub const COMPLETE_WHOLE: &str = "a completed group is one whose guests have all left";
    /// What failure takes, and says.
    pub const FAIL_WHOLE: &str =
        "a failed group has heard all of its guests, and its ids and counts are theirs";
    /// What a timeout takes, and says.
    pub const TIME_OUT_RIGHT: &str = "a group times out when it is due, and names who is missing";
    /// A failure and its notification are one commit.
    pub const NOTIFY_ONCE: &str = "each failure is notified once, at once, with the counts at that point";
    /// The last result and the end are one commit.
    pub const END_AT_ONCE: &str = "a group that has heard all has ended";
    /// Late means late, and is recorded once.
    pub const RECORD_LATE_ONCE: &str = "what can't count is recorded as late, once";
    /// The saga's own races are no errors.
    pub const NOT_REFUSE_ITS_OWN: &str = "no command of a step is refused";
    /// Queues keep no order, so nobody can help being early.
    pub const NOT_REFUSE_THE_EARLY: &str = "no charge or payment is refused for coming before its guest";
    /// Nothing that a guest owes or has paid disappears.
    pub const RECORD_BILLS: &str =
        "every charge and payment that was not refused is on record when all is quiet";
    /// Nothing disappears.
    pub const RECORD_ALL: &str = "every result is on record when all is quiet";
    /// Quiet implies ended.
    pub const END: &str = "a group has ended when all is quiet";
    /// Whoever asks is told of an open end, and of nothing else.
    pub const TELL_WHAT_IS_OUTSTANDING: &str =
        "something is outstanding exactly as long as a group has not ended";
    /// Nothing waits for ever.
    pub const COME_TO_REST: &str = "all becomes quiet";
}

/// What there is to be seen on some path.
pub mod sight {
    pub use crate::checker::sights::{COALESCED, CONFLICT, REFUSED, REPEATED};

    /// All have left.
    pub const COMPLETED: &str = "a group completes";
    /// Some could not.
    pub const FAILED: &str = "a group fails";
    /// Some did not report.
    pub const TIMED_OUT: &str = "a group times out";
    /// A first result after the deadline.
    pub const LATE: &str = "a result comes after the deadline";
    /// A second result.
    pub const CONTRADICTED: &str = "a result contradicts an earlier one";
    /// A result before the group.
    pub const WAITED: &str = "a result waits for its group";
    /// A charge or payment before its guest.
    pub const BILL_WAITED: &str = "a charge or payment waits for its guest's check-in";
    /// A guest who was asked too soon, and has come since.
    pub const NEVER_CAME: &str = "a guest is asked before checking in";
    /// A guest who left without what came after.
    pub const LEFT_ALREADY: &str = "a charge or payment is refused once its guest has left";
    /// A deadline before its time.
    pub const EARLY: &str = "a deadline comes early and waits";
}

/// The properties of a model that is to reach these sights.
pub fn all<R: Rules>(reaches: &[&str]) -> Vec<Property<Hotel<R>>> {
    let sights = sights().into_iter().chain(sights::all());
    let sights = sights.filter(|property| reaches.contains(&property.name));
    outcomes().into_iter().chain(sights).collect()
}

/// A guest's result as it was reported.
pub type Said = (GuestStayId, GuestOutcome, Option<Text>);

/// What the events of one group say, put together without its rules.
#[derive(Default)]
struct Told<'a> {
    guests: &'a [GuestStayId],
    /// The results that count, in order.
    counted: Vec<Said>,
    late: Vec<Said>,
    endings: Vec<&'a GroupCheckoutEvent>,
    counted_after_the_end: bool,
    notifications: usize,
    /// Whether each notification is about the failure before it, with the counts at that point.
    notified_right: bool,
    late_right: bool,
}

impl<'a> Told<'a> {
    fn by(story: &'a [GroupCheckoutEvent]) -> Self {
        let mut told = Told {
            notified_right: true,
            late_right: true,
            ..Told::default()
        };
        let mut rest = story.iter().peekable();
        while let Some(event) = rest.next() {
            match event {
                GroupCheckoutEvent::GroupCheckoutInitiated(e) => told.guests = &e.guest_stay_ids,
                GroupCheckoutEvent::GuestCheckoutRecorded(e) => {
                    told.counted_after_the_end |= !told.endings.is_empty();
                    told.counted
                        .push((e.guest_stay_id.clone(), e.outcome, e.reason.clone()));
                    let notifies = matches!(
                        rest.peek(),
                        Some(GroupCheckoutEvent::GroupCheckoutFailureNotified(_))
                    );
                    told.notified_right &= notifies == (e.outcome == GuestOutcome::Failed);
                }
                GroupCheckoutEvent::GuestCheckoutRecordedLate(e) => {
                    told.note_late((e.guest_stay_id.clone(), e.outcome, e.reason.clone()));
                }
                GroupCheckoutEvent::GroupCheckoutFailureNotified(e) => {
                    let last = told.counted.last().map(|(guest, ..)| guest);
                    let is_the_last = matches!(&e.failed_guest_ids[..], [one] if Some(one) == last);
                    let counts = (e.completed_count, e.failed_count);
                    let follows_a_failure = told.notifications < told.failed().len();
                    told.notified_right &= is_the_last && follows_a_failure && counts == told.counts();
                    told.notifications += 1;
                }
                ending => told.endings.push(ending),
            }
        }
        told
    }

    fn note_late(&mut self, late: Said) {
        let first = self.counted.iter().find(|(guest, ..)| *guest == late.0);
        let is_late = match first {
            Some(first) => *first != late,
            None => !self.endings.is_empty(),
        };
        self.late_right &= is_late && !self.late.contains(&late);
        self.late.push(late);
    }

    fn failed(&self) -> Vec<GuestStayId> {
        let failed = self
            .counted
            .iter()
            .filter(|(_, outcome, _)| *outcome == GuestOutcome::Failed);
        failed.map(|(guest, ..)| guest.clone()).collect()
    }

    /// How many completed, and how many failed.
    fn counts(&self) -> (u64, u64) {
        let failed = self.failed().len();
        ((self.counted.len() - failed) as u64, failed as u64)
    }

    fn heard(&self) -> BTreeSet<&GuestStayId> {
        self.counted.iter().map(|(guest, ..)| guest).collect()
    }

    /// Whether there is a late result of a guest of whom another one counts, or of whom none does.
    fn is_any_late_one_counted(&self, is_counted: bool) -> bool {
        let heard = self.heard();
        self.late
            .iter()
            .any(|(guest, ..)| heard.contains(guest) == is_counted)
    }

    fn has_heard_all(&self) -> bool {
        self.guests.iter().all(|guest| self.heard().contains(guest))
    }

    fn ending_is(&self, is_kind: fn(&GroupCheckoutEvent) -> bool) -> bool {
        self.endings.iter().any(|ending| is_kind(ending))
    }
}

/// Whether it holds for every group.
fn every(state: &State, holds: impl Fn(&Told<'_>) -> bool) -> bool {
    state.own.0.values().all(|story| holds(&Told::by(story)))
}

/// Whether it holds for one of the groups.
fn some(state: &State, holds: impl Fn(&Told<'_>) -> bool) -> bool {
    state.own.0.values().any(|story| holds(&Told::by(story)))
}

fn outcomes<R: Rules>() -> Vec<Property<Hotel<R>>> {
    vec![
        Property::always(must::COUNT_ONCE, |_, state: &State| {
            every(state, |told| told.heard().len() == told.counted.len())
        }),
        Property::always(must::END_ONCE, |_, state: &State| {
            every(state, |told| {
                told.endings.len() <= 1 && !told.counted_after_the_end
            })
        }),
        Property::always(must::COMPLETE_WHOLE, |_, state: &State| {
            every(state, |told| {
                !told.ending_is(is_completed) || told.has_heard_all() && told.failed().is_empty()
            })
        }),
        Property::always(must::FAIL_WHOLE, |_, state: &State| every(state, fails_whole)),
        Property::always(must::TIME_OUT_RIGHT, |_, state: &State| {
            every(state, times_out_right)
        }),
        Property::always(must::NOTIFY_ONCE, |_, state: &State| {
            every(state, |told| told.notified_right)
        }),
        Property::always(must::END_AT_ONCE, |_, state: &State| {
            every(state, |told| !told.endings.is_empty() || !told.has_heard_all())
        }),
        Property::always(must::RECORD_LATE_ONCE, |_, state: &State| {
            every(state, |told| told.late_right)
        }),
        Property::always(must::NOT_REFUSE_ITS_OWN, |_, state: &State| {
            state.refused.iter().all(|letter| !is_from_step(letter))
        }),
        Property::always(must::NOT_REFUSE_THE_EARLY, |_, state: &State| {
            let has_left = |bill: &Letter| holds(state, &bill.stream, GuestCheckoutCompleted::TYPE);
            state
                .refused
                .iter()
                .filter(|letter| is_bill(letter))
                .all(has_left)
        }),
        Property::always(must::RECORD_BILLS, |model: &Hotel<R>, state: &State| {
            let mut bills = model.business.world.sent.iter().filter(|letter| is_bill(letter));
            !state.is_quiet() || bills.all(|bill| state.refused.contains(bill) || is_on_record(state, bill))
        }),
        Property::always(must::RECORD_ALL, |model: &Hotel<R>, state: &State| {
            !state.is_quiet() || all_are_on_record(model, state)
        }),
        Property::always(must::END, |model: &Hotel<R>, state: &State| {
            let some_began = !state.own.0.is_empty() || !model.business.has_groups();
            !state.is_quiet() || some_began && every(state, |told| !told.endings.is_empty())
        }),
        Property::always(
            must::TELL_WHAT_IS_OUTSTANDING,
            |model: &Hotel<R>, state: &State| {
                state.own.0.iter().all(|(group, story)| {
                    let is_open = Told::by(story).endings.is_empty();
                    model.business.is_told_open(state, group) == (is_open, is_open)
                })
            },
        ),
        Property::eventually(must::COME_TO_REST, |_, state: &State| state.is_quiet()),
    ]
}

fn fails_whole(told: &Told<'_>) -> bool {
    told.endings.iter().all(|ending| match ending {
        GroupCheckoutEvent::GroupCheckoutFailed(e) => {
            told.has_heard_all()
                && !e.failed_guest_ids.is_empty()
                && e.failed_guest_ids == told.failed()
                && (e.completed_count, e.failed_count) == told.counts()
        }
        _ => true,
    })
}

fn times_out_right(told: &Told<'_>) -> bool {
    told.endings.iter().all(|ending| match ending {
        GroupCheckoutEvent::GroupCheckoutTimedOut(e) => {
            let missing = told.guests.iter().filter(|guest| !told.heard().contains(guest));
            e.timed_out_at >= due_at()
                && !e.incomplete_guest_ids.is_empty()
                && e.incomplete_guest_ids.iter().eq(missing)
        }
        _ => true,
    })
}

/// Whether the stream holds an event of that type.
fn holds(state: &State, id: &StreamId, event_type: &str) -> bool {
    let mut events = state.commits(id).flat_map(|commit| &commit.events);
    events.any(|event| event.event_type == event_type)
}

/// Whether an event of the letter's stream says that the letter caused it.
fn is_on_record(state: &State, letter: &Letter) -> bool {
    let mut events = state.commits(&letter.stream).flat_map(|commit| &commit.events);
    events.any(|event| letter.body.contains(&format!(r#""id":"{}""#, event.causation_id)))
}

/// Whether it says what a guest owes or has paid.
fn is_bill(letter: &Letter) -> bool {
    [RecordCharge::TYPE, RecordPayment::TYPE].contains(&letter.kind.as_str())
}

/// What a step sends; a guest, a receptionist or a customer may send anything else.
fn is_from_step(letter: &Letter) -> bool {
    [
        CheckoutGuestAccount::TYPE,
        RecordGuestCheckout::TYPE,
        TimeOutGroupCheckout::TYPE,
    ]
    .contains(&letter.kind.as_str())
}

/// Whether each result that was sent counts or is recorded as late, and each guest of each group has
/// one if guests were asked.
fn all_are_on_record<R: Rules>(model: &Hotel<R>, state: &State) -> bool {
    let on_record: BTreeSet<Said> = state
        .own
        .0
        .values()
        .flat_map(|story| {
            let told = Told::by(story);
            told.counted.into_iter().chain(told.late)
        })
        .collect();
    let asked = every(state, |told| {
        let heard = told.heard();
        let late = || told.late.iter().map(|(guest, ..)| guest);
        told.guests
            .iter()
            .all(|guest| heard.contains(guest) || late().any(|other| other == guest))
    });
    model
        .business
        .results
        .iter()
        .all(|result| on_record.contains(result))
        && (asked || !model.business.world.asks_guests)
}

/// The result that a letter reports, if it does.
pub fn result_in(letter: &Letter) -> Option<Said> {
    if letter.kind != RecordGuestCheckout::TYPE {
        return None;
    }
    let read = CommandEnvelope::<RecordGuestCheckout>::read(&letter.body, "unnamed", now());
    let command = read.expect("only valid commands are sent").command;
    Some((command.guest_stay_id, command.outcome, command.reason))
}

fn sights<R: Rules>() -> Vec<Property<Hotel<R>>> {
    vec![
        Property::sometimes(sight::COMPLETED, |_, state: &State| {
            some(state, |told| told.ending_is(is_completed))
        }),
        Property::sometimes(sight::FAILED, |_, state: &State| {
            some(state, |told| told.ending_is(is_failed))
        }),
        Property::sometimes(sight::TIMED_OUT, |_, state: &State| {
            some(state, |told| told.ending_is(is_timed_out))
        }),
        Property::sometimes(sight::LATE, |_, state: &State| {
            some(state, |told| told.is_any_late_one_counted(false))
        }),
        Property::sometimes(sight::CONTRADICTED, |_, state: &State| {
            some(state, |told| told.is_any_late_one_counted(true))
        }),
        Property::sometimes(sight::WAITED, |model: &Hotel<R>, state: &State| {
            let is_result = |letter: &&Letter| letter.kind == RecordGuestCheckout::TYPE;
            state.own.0.is_empty() && waits(model, state, is_result)
        }),
        Property::sometimes(sight::BILL_WAITED, |model: &Hotel<R>, state: &State| {
            waits(model, state, |letter| is_bill(letter))
        }),
        Property::sometimes(sight::NEVER_CAME, |_, state: &State| {
            let never_came = Some(Text::from("never checked in"));
            some(state, |told| {
                told.counted.iter().any(|(.., reason)| *reason == never_came)
            })
        }),
        Property::sometimes(sight::LEFT_ALREADY, |_, state: &State| {
            state.refused.iter().any(is_bill)
        }),
        Property::sometimes(sight::EARLY, |model: &Hotel<R>, state: &State| {
            waits(model, state, |letter| letter.due.is_some())
        }),
    ]
}

/// Whether such a letter would come again if it were decided now.
fn waits<R: Rules>(model: &Hotel<R>, state: &State, is_meant: impl Fn(&&Letter) -> bool) -> bool {
    let mut letters = state.in_flight.0.iter().filter(is_meant);
    letters.any(|letter| model.waits(state, letter))
}

fn is_completed(event: &GroupCheckoutEvent) -> bool {
    matches!(event, GroupCheckoutEvent::GroupCheckoutCompleted(_))
}

fn is_failed(event: &GroupCheckoutEvent) -> bool {
    matches!(event, GroupCheckoutEvent::GroupCheckoutFailed(_))
}

fn is_timed_out(event: &GroupCheckoutEvent) -> bool {
    matches!(event, GroupCheckoutEvent::GroupCheckoutTimedOut(_))
}
