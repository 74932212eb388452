//! Explores every order in which a group's results may arrive, be repeated, contradict each other and
//! race each other and the deadline, with the rules and the append protocol that run in production,
//! and asserts what must be true in the end.

#![allow(clippy::print_stdout)] // Figures for whoever runs it with --nocapture.

#[path = "../checker/mod.rs"]
#[macro_use]
mod checker;
mod properties;
mod rules;
mod world;
mod wrong;

use domain::group_checkout::{
    CompleteGroupCheckout, GuestOutcome, InitiateGroupCheckout, NotifyGroupCheckoutFailure,
    RecordGuestCheckout,
};
use domain::guest_stay::{
    ChargeRecorded, CheckInGuest, CheckoutGuestAccount, GuestCheckedIn, GuestStay, GuestStayEvent,
    RecordCharge, RecordPayment,
};
use domain::values::{GroupCheckoutId, GuestStayId, Money};
use eventsourcing::{Commit, Decider, Dispatch, EventSet, NewEvent, Position, Text, computed_id};

use crate::checker::letter::{Letter, now};
use crate::checker::run;
use crate::properties::{must, sight};
use crate::rules::{Real, Rules};
use crate::world::{Groups, World};
use crate::wrong::{
    CompletesTheTimedOut, CountsTwice, DropsEarlyCharges, DropsLateResults, FailsBeforeAllHaveReported,
    LetsTheLastResultWin, NeverFails, NotifiesNobody, Overwrites, RecordsLateResultsAgain,
    RefusesEarlyCharges, RefusesTheUnknown, SetsNoDeadline, TimesOutEarly, WaitsForEver,
};

const FOUR: [&str; 4] = ["ada", "bob", "eve", "dan"];

/// What a guest's checkout came to: completed, or failed for that reason.
type Ended = Result<(), &'static str>;

const LEFT: Ended = Ok(());
const STAYS: Ended = Err("open balance 42.50");
const NEVER_CAME: Ended = Err("never checked in");

fn group(id: &str) -> GroupCheckoutId {
    id.parse().expect("an id")
}

fn guest(id: &str) -> GuestStayId {
    id.parse().expect("an id")
}

fn money(amount: &str) -> Money {
    amount.parse().expect("an amount")
}

fn initiate(id: &str, of: &str, guests: &[&str]) -> Letter {
    let command = InitiateGroupCheckout {
        group_checkout_id: group(of),
        guest_stay_ids: guests.iter().map(|id| guest(id)).collect(),
    };
    Letter::from_outside(id, &command)
}

/// What a step sends for a guest's result. Two of the same come from two events.
fn results(results: &[(&str, Ended)]) -> Vec<Letter> {
    let result = |(i, (id, ended)): (usize, &(&str, Ended))| {
        let command = RecordGuestCheckout {
            group_checkout_id: group("tour"),
            guest_stay_id: guest(id),
            outcome: ended.map_or(GuestOutcome::Failed, |()| GuestOutcome::Completed),
            reason: ended.err().map(Text::from),
        };
        Letter::from_step(&Dispatch::now(&command), &format!("event-{i}"), "chain")
    };
    results.iter().enumerate().map(result).collect()
}

/// A group of these guests, whose results come at any time, before the group's initiation too.
fn reported(guests: &[&str], ended: &[(&str, Ended)]) -> World {
    let mut sent = results(ended);
    sent.push(initiate("initiate", "tour", guests));
    World {
        sent,
        may_time_out: true,
        ..World::default()
    }
}

/// A guest's stay so far: checked in, with that balance.
fn stay(id: &str, balance: &str) -> Commit {
    let checked_in = GuestCheckedIn {
        guest_stay_id: guest(id),
        checked_in_at: now(),
    };
    let charged = ChargeRecorded {
        guest_stay_id: guest(id),
        charge_id: "room".parse().expect("an id"),
        amount: money(balance),
        recorded_at: now(),
    };
    let events = [GuestStayEvent::from(checked_in), charged.into()].map(|event| NewEvent {
        event_type: event.event_type(),
        schema_version: event.schema_version(),
        data: event.json(),
        correlation_id: "check-in".into(),
        causation_id: "check-in".into(),
        trace: None,
    });
    let stream = GuestStay::CATEGORY.stream(&guest(id));
    let commit_id = computed_id(&format!("stay/{id}"));
    Commit::at(Position::START, &stream, commit_id, now(), events.to_vec())
}

fn checks_in(id: &str) -> Letter {
    let command = CheckInGuest {
        guest_stay_id: guest(id),
    };
    Letter::from_outside(&format!("{id} comes"), &command)
}

fn owes(id: &str, amount: &str) -> Letter {
    let command = RecordCharge {
        guest_stay_id: guest(id),
        charge_id: "room".parse().expect("an id"),
        amount: money(amount),
    };
    Letter::from_outside(&format!("{id} owes"), &command)
}

fn pays(id: &str, amount: &str) -> Letter {
    let command = RecordPayment {
        guest_stay_id: guest(id),
        payment_id: "cash".parse().expect("an id"),
        amount: money(amount),
    };
    Letter::from_outside(&format!("{id} pays"), &command)
}

fn leaves_alone(id: &str) -> Letter {
    let command = CheckoutGuestAccount {
        guest_stay_id: guest(id),
        group_checkout_id: None,
    };
    Letter::from_outside(&format!("{id} leaves"), &command)
}

#[test]
fn four_results_in_every_order_end_a_group_once_each_repeated_or_not_and_late_or_not() {
    for failing in 0..=4 {
        let ended = |i| if i < failing { STAYS } else { LEFT };
        let all: Vec<_> = FOUR.iter().enumerate().map(|(i, id)| (*id, ended(i))).collect();
        let ending = if failing == 0 {
            sight::COMPLETED
        } else {
            sight::FAILED
        };
        let world = World {
            repeats: if failing == 2 { 2 } else { 1 },
            reaches: vec![
                ending,
                sight::TIMED_OUT,
                sight::LATE,
                sight::WAITED,
                sight::EARLY,
                sight::CONFLICT,
                sight::REPEATED,
            ],
            ..reported(&FOUR, &all)
        };
        explore(&format!("four guests, {failing} failing"), world, 40_000);
    }
}

#[test]
fn a_group_of_one_ends_once_whatever_is_said_of_its_guest() {
    let all = [("ada", LEFT), ("ada", STAYS), ("ada", NEVER_CAME)];
    let world = World {
        repeats: 2,
        batches: true,
        reaches: vec![
            sight::COMPLETED,
            sight::FAILED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::CONTRADICTED,
            sight::CONFLICT,
            sight::COALESCED,
            sight::REPEATED,
        ],
        ..reported(&FOUR[..1], &all)
    };
    explore("one guest", world, 10_000);
}

#[test]
fn commands_for_repair_change_nothing_at_any_moment() {
    let mut world = reported(&FOUR[..3], &[("ada", LEFT), ("bob", STAYS), ("eve", LEFT)]);
    let complete = CompleteGroupCheckout {
        group_checkout_id: group("tour"),
    };
    let notify = NotifyGroupCheckoutFailure {
        group_checkout_id: group("tour"),
        failed_guest_ids: vec![guest("bob")],
        completed_count: 0,
        failed_count: 1,
    };
    world.sent.push(Letter::from_outside("complete", &complete));
    world.sent.push(Letter::from_outside("notify", &notify));
    let world = World {
        repeats: 1,
        reaches: vec![
            sight::FAILED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::REFUSED,
            sight::CONFLICT,
        ],
        ..world
    };
    explore("repair", world, 10_000);
}

#[test]
fn results_that_contradict_each_other_leave_the_first_standing() {
    let all = [
        ("ada", LEFT),
        ("ada", STAYS),
        ("bob", STAYS),
        ("bob", NEVER_CAME),
        ("eve", LEFT),
    ];
    let world = World {
        repeats: 1,
        reaches: vec![
            sight::FAILED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::CONTRADICTED,
            sight::WAITED,
            sight::CONFLICT,
            sight::REPEATED,
        ],
        ..reported(&FOUR[..3], &all)
    };
    explore("contradictions", world, 100_000);
}

#[test]
fn four_guests_of_whom_two_are_said_to_have_left_and_to_stay_are_counted_once() {
    let all = [
        ("ada", LEFT),
        ("ada", STAYS),
        ("bob", STAYS),
        ("bob", LEFT),
        ("eve", STAYS),
        ("dan", LEFT),
    ];
    let world = World {
        reaches: vec![
            sight::FAILED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::CONTRADICTED,
            sight::WAITED,
            sight::CONFLICT,
        ],
        ..reported(&FOUR, &all)
    };
    explore("four guests, two contradictions", world, 50_000);
}

#[test]
fn batches_that_race_each_other_decide_as_single_commands_do() {
    let all = [
        ("ada", LEFT),
        ("ada", LEFT),
        ("bob", STAYS),
        ("eve", STAYS),
        ("dan", LEFT),
    ];
    let world = World {
        batches: true,
        reaches: vec![
            sight::FAILED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::WAITED,
            sight::CONFLICT,
            sight::COALESCED,
        ],
        ..reported(&FOUR, &all)
    };
    explore("batches", world, 5_000);
}

#[test]
fn batches_of_contradicting_results_leave_the_first_standing() {
    let all = [("ada", LEFT), ("ada", STAYS), ("bob", STAYS), ("bob", LEFT)];
    let world = World {
        batches: true,
        repeats: 1,
        reaches: vec![
            sight::COMPLETED,
            sight::FAILED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::CONTRADICTED,
            sight::CONFLICT,
            sight::COALESCED,
        ],
        ..reported(&FOUR[..2], &all)
    };
    explore("batches of contradictions", world, 5_000);
}

#[test]
fn a_guest_who_never_reports_does_not_keep_the_group_open() {
    let world = World {
        repeats: 2,
        reaches: vec![
            sight::TIMED_OUT,
            sight::EARLY,
            sight::CONFLICT,
            sight::LATE,
            sight::REPEATED,
        ],
        ..reported(&FOUR[..3], &[("ada", LEFT), ("bob", STAYS)])
    };
    explore("a silent guest", world, 1_000);
}

#[test]
fn guests_are_asked_and_answer_while_one_pays_and_one_leaves_alone() {
    let world = World {
        held: vec![stay("ada", "0"), stay("bob", "42.50")],
        sent: vec![
            initiate("initiate", "tour", &["ada", "bob"]),
            pays("bob", "42.50"),
            leaves_alone("ada"),
        ],
        asks_guests: true,
        may_time_out: true,
        repeats: 1,
        reaches: vec![
            sight::COMPLETED,
            sight::FAILED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::CONFLICT,
            sight::REPEATED,
        ],
        ..World::default()
    };
    explore("two guests are asked", world, 5_000);
}

/// A guest who checks in, is charged and pays, at whatever time each of them comes.
fn whole_stay(id: &str) -> Vec<Letter> {
    vec![checks_in(id), owes(id, "42.50"), pays(id, "42.50")]
}

#[test]
fn whatever_is_said_of_a_guest_before_checking_in_waits_or_is_answered() {
    let also = |letter: Letter| [whole_stay("ada"), vec![letter]].concat();
    let alone = World {
        sent: also(leaves_alone("ada")),
        repeats: 1,
        reaches: vec![
            sight::BILL_WAITED,
            sight::LEFT_ALREADY,
            sight::CONFLICT,
            sight::REPEATED,
        ],
        ..World::default()
    };
    explore("a whole stay, alone", alone, 1_000);
    let grouped = World {
        sent: also(initiate("initiate", "tour", &["ada"])),
        asks_guests: true,
        may_time_out: true,
        repeats: 1,
        reaches: vec![
            sight::BILL_WAITED,
            sight::NEVER_CAME,
            sight::LEFT_ALREADY,
            sight::COMPLETED,
            sight::FAILED,
            sight::TIMED_OUT,
            sight::CONFLICT,
            sight::REPEATED,
        ],
        ..World::default()
    };
    explore("a whole stay, in a group", grouped, 5_000);
}

#[test]
fn the_checker_finds_a_charge_that_comes_early_and_does_not_count() {
    let world = World {
        sent: whole_stay("ada"),
        ..World::default()
    };
    finds::<RefusesEarlyCharges>(must::NOT_REFUSE_THE_EARLY, &world);
    finds::<DropsEarlyCharges>(must::RECORD_BILLS, &world);
}

#[test]
fn four_guests_are_asked_and_answer() {
    let world = World {
        held: vec![stay("ada", "0"), stay("bob", "42.50"), stay("eve", "0")],
        sent: vec![initiate("initiate", "tour", &FOUR)],
        asks_guests: true,
        may_time_out: true,
        reaches: vec![sight::FAILED, sight::TIMED_OUT, sight::LATE, sight::CONFLICT],
        ..World::default()
    };
    explore("four guests are asked", world, 10_000);
}

#[test]
fn two_groups_that_want_the_same_guest_both_end() {
    let reaches = vec![sight::COMPLETED, sight::FAILED, sight::CONFLICT];
    let calm = World {
        held: vec![stay("ada", "0"), stay("bob", "0")],
        sent: vec![
            initiate("initiate", "tour", &["ada", "bob"]),
            initiate("also", "family", &["ada"]),
        ],
        asks_guests: true,
        reaches,
        ..World::default()
    };
    let mut out_of_time = World {
        may_time_out: true,
        ..calm.clone()
    };
    out_of_time.reaches.extend([sight::TIMED_OUT, sight::LATE]);
    explore("two groups", out_of_time, 5_000);
    let mut repeated = World { repeats: 1, ..calm };
    repeated.reaches.push(sight::REPEATED);
    explore("two groups, one repeat", repeated, 20_000);
}

#[test]
fn a_group_that_is_initiated_again_stays_as_it_was_first() {
    let world = World {
        held: vec![stay("ada", "0"), stay("bob", "0")],
        sent: vec![
            initiate("initiate", "tour", &["ada", "bob"]),
            initiate("again", "tour", &["bob", "ada", "bob"]),
            initiate("others", "tour", &["ada"]),
        ],
        asks_guests: true,
        may_time_out: true,
        batches: true,
        reaches: vec![
            sight::COMPLETED,
            sight::TIMED_OUT,
            sight::LATE,
            sight::REFUSED,
            sight::CONFLICT,
        ],
        ..World::default()
    };
    explore("initiated again", world, 1_000);
}

/// Ada reports twice, Bob fails.
fn two_guests() -> World {
    reported(&FOUR[..2], &[("ada", LEFT), ("ada", LEFT), ("bob", STAYS)])
}

/// Ada says one thing and another.
fn contradicting() -> World {
    reported(&FOUR[..2], &[("ada", LEFT), ("ada", STAYS), ("bob", LEFT)])
}

#[test]
fn the_checker_finds_a_duplicate_that_is_counted_twice() {
    finds::<CountsTwice>(must::COUNT_ONCE, &two_guests());
    let twice = reported(&FOUR[..2], &[("ada", LEFT), ("ada", LEFT), ("bob", LEFT)]);
    finds::<CountsTwice>(must::COMPLETE_WHOLE, &twice);
}

#[test]
fn the_checker_finds_a_group_that_fails_before_all_have_reported() {
    finds::<FailsBeforeAllHaveReported>(must::FAIL_WHOLE, &two_guests());
}

#[test]
fn the_checker_finds_a_group_that_hears_all_and_does_not_end() {
    finds::<NeverFails>(must::END_AT_ONCE, &two_guests());
    let never_late = World {
        may_time_out: false,
        ..two_guests()
    };
    finds::<NeverFails>(must::COME_TO_REST, &never_late);
}

#[test]
fn the_checker_finds_a_failure_that_nobody_is_told_of() {
    finds::<NotifiesNobody>(must::NOTIFY_ONCE, &two_guests());
}

#[test]
fn the_checker_finds_a_result_that_is_turned() {
    finds::<LetsTheLastResultWin>(must::COUNT_ONCE, &contradicting());
    finds::<LetsTheLastResultWin>(must::END_ONCE, &contradicting());
}

#[test]
fn the_checker_finds_a_group_that_ends_in_two_ways() {
    finds::<CompletesTheTimedOut>(must::END_ONCE, &contradicting());
}

#[test]
fn the_checker_finds_a_late_result_that_is_recorded_again_or_not_at_all() {
    finds::<RecordsLateResultsAgain>(must::RECORD_LATE_ONCE, &two_guests());
    finds::<DropsLateResults>(must::RECORD_ALL, &contradicting());
}

#[test]
fn the_checker_finds_a_result_that_is_refused_for_coming_first() {
    finds::<RefusesTheUnknown>(must::NOT_REFUSE_ITS_OWN, &two_guests());
    finds::<RefusesTheUnknown>(must::RECORD_ALL, &two_guests());
}

#[test]
fn the_checker_finds_a_deadline_that_is_too_early_or_never_passes() {
    let silent = reported(&FOUR[..2], &[("ada", LEFT)]);
    finds::<TimesOutEarly>(must::TIME_OUT_RIGHT, &silent);
    finds::<WaitsForEver>(must::COME_TO_REST, &silent);
    finds::<SetsNoDeadline>(must::END, &silent);
}

#[test]
fn the_checker_finds_an_append_without_its_condition() {
    finds::<Overwrites>(must::COUNT_ONCE, &two_guests());
}

/// Explores everything that can happen in that world.
fn explore(name: &str, world: World, at_least: usize) {
    run::explore(name, Groups::<Real>::of(world), at_least);
}

/// Asserts that the property fails with the wrong rules, and only because of them.
fn finds<R: Rules>(property: &'static str, world: &World) {
    let (right, wrong) = (Groups::<Real>::of(world.clone()), Groups::<R>::of(world.clone()));
    run::finds(property, right, wrong);
}
