//! Random stories: whatever comes in whatever order, each guest is counted once, a group ends at most
//! once, and what was carried out stays so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use domain::Deadlines;
use domain::group_checkout::{GroupCheckout, GroupCheckoutCommand, GroupCheckoutEvent, GuestOutcome};
use domain::group_checkouts_view::GroupCheckouts;
use domain::guest_stay::{
    CheckInGuest, CheckoutGuestAccount, GuestStay, GuestStayCommand, GuestStayEvent, RecordCharge,
    RecordPayment,
};
use domain::values::{GroupCheckoutId, GuestStayId};
use eventsourcing::{
    CommandMeta, Decider, Decision, EventSet, History, MAX_COMMIT_BYTES, NewEvent, Outcome, Position,
    Timestamp, Viewed, plan,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::deliveries::{self, deliveries};
use crate::hotel::{complete, due_at, group, guest, initiate, money, notify, now, record, time_out};
use crate::repeats::keeps_to_the_grammar;

type Story<C> = Vec<(C, Timestamp)>;

/// Commands out of a few, each now or when the deadline is due.
fn story<C: Clone + Debug + 'static>(commands: Vec<C>) -> impl Strategy<Value = Story<C>> {
    proptest::collection::vec((select(commands), select(vec![now(), due_at()])), 0..32)
}

fn group_commands() -> Vec<GroupCheckoutCommand> {
    let mut commands: Vec<GroupCheckoutCommand> = vec![
        initiate(&["ada", "bob", "eve"]).into(),
        initiate(&["eve", "bob", "ada", "bob"]).into(),
        initiate(&["ada", "bob"]).into(),
        initiate(&[]).into(),
        complete().into(),
        notify(&["ada"]).into(),
        notify(&["bob", "eve"]).into(),
        notify(&[]).into(),
        time_out().into(),
    ];
    for id in ["ada", "bob", "eve", "dan"] {
        for ended in [Ok(()), Err("open balance 42.50"), Err("never checked in")] {
            commands.push(record(id, ended).into());
        }
    }
    commands
}

/// The same, mostly results of a group that has been initiated.
fn group_stories() -> impl Strategy<Value = Story<GroupCheckoutCommand>> {
    let initiated = story(group_commands()).prop_map(|mut story| {
        story.insert(0, (initiate(&["ada", "bob", "eve"]).into(), now()));
        story
    });
    prop_oneof![story(group_commands()), initiated]
}

fn stay_commands() -> Vec<GuestStayCommand> {
    let guest_stay_id = guest("ada");
    let mut commands: Vec<GuestStayCommand> = vec![
        CheckInGuest {
            guest_stay_id: guest_stay_id.clone(),
        }
        .into(),
    ];
    for id in ["1", "2"] {
        for amount in ["0.10", "0.20"] {
            commands.push(
                RecordCharge {
                    guest_stay_id: guest_stay_id.clone(),
                    charge_id: id.parse().expect("an id"),
                    amount: money(amount),
                }
                .into(),
            );
            commands.push(
                RecordPayment {
                    guest_stay_id: guest_stay_id.clone(),
                    payment_id: id.parse().expect("an id"),
                    amount: money(amount),
                }
                .into(),
            );
        }
    }
    for asks in [None, Some("tour"), Some("family")] {
        commands.push(
            CheckoutGuestAccount {
                guest_stay_id: guest_stay_id.clone(),
                group_checkout_id: asks.map(group),
            }
            .into(),
        );
    }
    commands
}

/// Plays the commands one after the other, each at its time. After each, every command that was
/// carried out or came to nothing must come to nothing at any time, unless it `may_ask_again`.
fn play<D>(story: Story<D::Command>, may_ask_again: impl Fn(&D::Command) -> bool) -> Vec<Vec<D::Event>>
where
    D: Decider<Event: PartialEq, Settings: Default>,
{
    let mut state = D::State::default();
    let mut settled: Vec<D::Command> = Vec::new();
    let mut recorded = Vec::new();
    for (command, at) in story {
        match D::decide(&state, &command, &D::Settings::default(), at) {
            Ok(Decision::Record(events)) => {
                assert!(!events.is_empty(), "{command:?} records nothing and says it does");
                state = events.iter().fold(state, D::evolve);
                recorded.push(events);
                assert_eq!(
                    D::decide(&state, &command, &D::Settings::default(), at),
                    Ok(Decision::Nothing),
                    "{command:?}"
                );
                settled.push(command);
            }
            Ok(Decision::Nothing) => settled.push(command),
            _ => {}
        }
        for command in settled.iter().filter(|command| !may_ask_again(command)) {
            for at in [now(), due_at()] {
                assert_eq!(
                    D::decide(&state, command, &D::Settings::default(), at),
                    Ok(Decision::Nothing),
                    "{command:?} again, in {state:?}"
                );
            }
        }
    }
    keeps_to_the_grammar::<D>(&recorded);
    recorded
}

fn play_group(story: Story<GroupCheckoutCommand>) -> Vec<Vec<GroupCheckoutEvent>> {
    play::<GroupCheckout>(story, |_| false)
}

/// A guest who checks out alone gets a new answer when there is one.
fn alone(command: &GuestStayCommand) -> bool {
    matches!(command, GuestStayCommand::CheckoutGuestAccount(ask) if ask.group_checkout_id.is_none())
}

/// What the events of a group say, counted without the rules.
#[derive(Default)]
struct Count {
    guests: BTreeSet<GuestStayId>,
    results: BTreeMap<GuestStayId, GuestOutcome>,
    failed: Vec<GuestStayId>,
    notified: usize,
    endings: usize,
}

impl Count {
    fn counts(&self) -> (u64, u64) {
        let failed = self.failed.len();
        ((self.results.len() - failed) as u64, failed as u64)
    }

    fn note(&mut self, event: &GroupCheckoutEvent) {
        match event {
            GroupCheckoutEvent::GroupCheckoutInitiated(e) => {
                assert!(self.guests.is_empty(), "it is initiated once");
                self.guests = e.guest_stay_ids.iter().cloned().collect();
                assert_eq!(
                    self.guests.len(),
                    e.guest_stay_ids.len(),
                    "each guest is named once"
                );
            }
            GroupCheckoutEvent::GuestCheckoutRecorded(e) => {
                assert_eq!(self.endings, 0, "nothing counts after the end");
                assert!(self.guests.contains(&e.guest_stay_id));
                let counted_before = self.results.insert(e.guest_stay_id.clone(), e.outcome);
                assert_eq!(counted_before, None, "{} is counted twice", e.guest_stay_id);
                if e.outcome == GuestOutcome::Failed {
                    self.failed.push(e.guest_stay_id.clone());
                }
            }
            GroupCheckoutEvent::GuestCheckoutRecordedLate(e) => {
                assert!(self.results.contains_key(&e.guest_stay_id) || self.endings == 1);
            }
            GroupCheckoutEvent::GroupCheckoutFailureNotified(e) => {
                self.notified += 1;
                assert_eq!(e.failed_guest_ids, self.failed[self.failed.len() - 1..]);
                assert_eq!((e.completed_count, e.failed_count), self.counts());
                assert_eq!(e.failed_count, self.notified as u64, "the counts only grow");
            }
            GroupCheckoutEvent::GroupCheckoutCompleted(_) => {
                self.endings += 1;
                assert_eq!(self.counts(), (self.guests.len() as u64, 0));
            }
            GroupCheckoutEvent::GroupCheckoutFailed(e) => {
                self.endings += 1;
                assert_eq!(e.failed_guest_ids, self.failed);
                assert!(e.failed_count > 0);
                assert_eq!((e.completed_count, e.failed_count), self.counts());
                assert_eq!(e.completed_count + e.failed_count, self.guests.len() as u64);
            }
            GroupCheckoutEvent::GroupCheckoutTimedOut(e) => {
                self.endings += 1;
                let open: BTreeSet<_> = e.incomplete_guest_ids.iter().cloned().collect();
                let missing = self
                    .guests
                    .iter()
                    .filter(|guest| !self.results.contains_key(guest));
                assert_eq!(open, missing.cloned().collect(), "who is missing is named");
                assert!(e.timed_out_at >= due_at());
            }
        }
    }
}

fn count(recorded: &[Vec<GroupCheckoutEvent>]) -> Count {
    let mut count = Count::default();
    for commit in recorded {
        for event in commit {
            count.note(event);
        }
        assert_eq!(
            count.notified,
            count.failed.len(),
            "a failure and its notification are one"
        );
        let all_in = !count.guests.is_empty() && count.results.len() == count.guests.len();
        assert!(
            !all_in || count.endings == 1,
            "the last result and the end are one"
        );
        assert!(count.endings <= 1, "a group ends once");
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn each_guest_is_counted_once_and_a_group_ends_at_most_once(story in group_stories()) {
        let deadline_passes = story.iter().any(|(command, at)| {
            matches!(command, GroupCheckoutCommand::TimeOutGroupCheckout(_)) && *at == due_at()
        });
        let count = count(&play_group(story));
        prop_assert!(deadline_passes || count.endings == usize::from(!count.guests.is_empty() && count.guests.len() == count.results.len()));
    }

    #[test]
    fn a_story_in_batches_records_what_it_records_one_by_one(
        story in group_stories(), cuts in proptest::collection::vec(1_usize..6, 33), room in 2_000_usize..6_000,
    ) {
        let at = due_at();
        let commands: Vec<_> = story.into_iter().map(|(command, _)| command).collect();
        let one_by_one = commands.iter().map(|command| (command.clone(), at)).collect();
        let expected: Vec<_> = play_group(one_by_one).into_iter().flatten().collect();
        prop_assert_eq!(in_batches(&commands, &cuts, at, MAX_COMMIT_BYTES), expected.clone());
        // With little room for a commit, a batch takes several.
        prop_assert_eq!(in_batches(&commands, &cuts, at, room), expected);
    }

    #[test]
    fn the_groups_deadline_that_gives_up_does_so_for_good(story in group_stories()) {
        let deadline = time_out().into();
        let mut state = <GroupCheckout as Decider>::State::default();
        let mut gave_up = false;
        for (command, at) in story {
            let mut ends = false;
            if let Ok(Decision::Record(events)) = GroupCheckout::decide(&state, &command, &Deadlines::default(), at) {
                ends = events.iter().any(|event| GroupCheckout::ENDINGS.contains(&event.event_type()));
                state = events.iter().fold(state, GroupCheckout::evolve);
            }
            let deadlines = Deadlines::default();
            let gives_up = |at| GroupCheckout::decide(&state, &deadline, &deadlines, at) == Ok(Decision::Nothing);
            prop_assert_eq!(gives_up(now()), gives_up(due_at()), "early or not");
            // What ends a group is what its deadline goes by when it looks at no more than the newest
            // commit.
            prop_assert_eq!(gives_up(now()), gave_up || ends);
            gave_up = gives_up(now());
        }
    }

    #[test]
    fn a_stay_ends_once_and_its_balance_is_exact(story in story(stay_commands())) {
        let events: Vec<_> = play::<GuestStay>(story, alone).into_iter().flatten().collect();
        let (mut cents, mut checked_in, mut left) = (0_i64, 0, 0);
        let mut ids = BTreeSet::new();
        let mut answered: BTreeSet<GroupCheckoutId> = BTreeSet::new();
        let mut told_alone = None;
        let amount = |amount: domain::values::Money| if amount == money("0.10") { 10 } else { 20 };
        for event in &events {
            let (asks, answer) = match event {
                GuestStayEvent::GuestCheckedIn(_) => {
                    checked_in += 1;
                    continue;
                }
                GuestStayEvent::ChargeRecorded(e) => {
                    prop_assert!(checked_in == 1 && left == 0, "charged while not checked in");
                    prop_assert!(ids.insert(format!("charge {}", e.charge_id)), "charged twice");
                    cents += amount(e.amount);
                    continue;
                }
                GuestStayEvent::GuestPaymentRecorded(e) => {
                    prop_assert!(checked_in == 1 && left == 0, "paid while not checked in");
                    prop_assert!(ids.insert(format!("payment {}", e.payment_id)), "paid twice");
                    cents -= amount(e.amount);
                    continue;
                }
                GuestStayEvent::GuestCheckoutCompleted(e) => {
                    prop_assert!(checked_in == 1 && cents == 0, "left with {cents} cents open");
                    left += 1;
                    (&e.group_checkout_id, None)
                }
                GuestStayEvent::GuestCheckoutFailed(e) => {
                    if checked_in == 1 && left == 0 {
                        let sign = if cents < 0 { "-" } else { "" };
                        let open = format!("open balance {sign}0.{:02}", cents.abs());
                        prop_assert_eq!(e.reason.as_str(), open);
                    }
                    (&e.group_checkout_id, Some(e.reason.clone()))
                }
            };
            if let Some(asks) = asks {
                prop_assert!(answered.insert(asks.clone()), "group {asks} is answered twice");
            } else {
                prop_assert!(told_alone != Some(answer.clone()), "told the same twice");
                told_alone = Some(answer);
            }
        }
        prop_assert!(checked_in <= 1 && left <= 1);
    }
}

/// Decides the commands in batches of these sizes, as a command function does.
fn in_batches(
    commands: &[GroupCheckoutCommand],
    cuts: &[usize],
    at: Timestamp,
    room: usize,
) -> Vec<GroupCheckoutEvent> {
    let mut waiting: Vec<_> = commands.iter().cloned().enumerate().map(with_meta).collect();
    let mut history = History::<GroupCheckout>::guessed_empty();
    let mut appended: Vec<NewEvent> = Vec::new();
    let mut cuts = cuts.iter().cycle();
    while !waiting.is_empty() {
        let size = *cuts.next().expect("it is a cycle");
        let batch = &waiting[..size.min(waiting.len())];
        let planned = plan(&history, batch, &Deadlines::default(), at, room);
        let too_large =
            |outcome: &Outcome| matches!(outcome, Outcome::Rejected(why) if why.contains("bytes"));
        assert!(!planned.outcomes.iter().any(too_large), "{:?}", planned.outcomes);
        waiting.drain(..planned.outcomes.len());
        appended.extend(planned.events.clone());
        history = History::after(planned, end(&appended));
    }
    let decode =
        |event: &NewEvent| GroupCheckoutEvent::decode(event.event_type, event.schema_version, &event.data);
    let events: Result<Vec<_>, _> = appended.iter().map(decode).collect();
    events.expect("what is recorded can be read")
}

/// The position behind so many events.
fn end(events: &[NewEvent]) -> Position {
    if events.is_empty() {
        return Position::START;
    }
    let stream = GroupCheckout::CATEGORY.stream(&group("tour"));
    let id = eventsourcing::computed_id("commit");
    eventsourcing::Commit::at(Position::START, &stream, id, now(), events.to_vec()).end()
}

fn with_meta((i, command): (usize, GroupCheckoutCommand)) -> (CommandMeta, GroupCheckoutCommand) {
    let meta = CommandMeta {
        id: format!("c-{i}"),
        correlation_id: "chain".into(),
        trace: None,
    };
    (meta, command)
}

proptest! {
    /// While a group is open, a guest who left is counted when the next failure or the end is heard: the row says
    /// nothing that was not so, and is whole as soon as the group has ended.
    #[test]
    fn whatever_becomes_of_its_events_a_groups_row_is_what_its_whole_stream_amounts_to(
        story in group_stories(), deliveries in deliveries()
    ) {
        let recorded = play::<GroupCheckout>(story, |_| true);
        if let Some((shown, whole)) = deliveries::shown::<GroupCheckouts>(&recorded, &deliveries) {
            let said = |viewed: &Viewed| -> BTreeMap<_, _> {
                let attributes = viewed.row.attributes();
                attributes.map(|(name, value)| (name, value.clone())).collect()
            };
            let (mut shown_says, mut whole_says) = (said(&shown), said(&whole));
            if whole.row.is_open() {
                shown_says.remove("completed_count");
                whole_says.remove("completed_count");
            }
            prop_assert_eq!(shown.row.is_open(), whole.row.is_open());
            prop_assert_eq!(shown_says, whole_says);
        }
    }
}
