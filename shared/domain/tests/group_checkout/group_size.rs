//! How large a group may be, and that the largest is carried out whole.

use std::time::Duration;

use domain::Deadlines;
use domain::group_checkout::{
    GroupCheckout, GroupCheckoutCommand, GroupCheckoutInitiated, GroupCheckoutState, GuestOutcome,
    InitiateGroupCheckout, MAX_GUESTS, MAX_IDS_BYTES, RecordGuestCheckout,
};
use domain::values::GuestStayId;
use eventsourcing::{
    CommandMeta, Commit, Decider, History, MAX_COMMIT_BYTES, NewEvent, Outcome, StreamId, Text, assemble,
    computed_id, plan,
};

use crate::given::given;
use crate::hotel::{before, guest, now, text, tour};

fn numbered(count: usize) -> Vec<GuestStayId> {
    (0..count).map(|i| guest(&format!("guest-{i:04}"))).collect()
}

/// `count` ids of `length` characters each.
fn long(count: usize, length: usize) -> Vec<GuestStayId> {
    (0..count).map(|i| guest(&format!("{i:0>length$}"))).collect()
}

fn initiate(guest_stay_ids: Vec<GuestStayId>) -> InitiateGroupCheckout {
    InitiateGroupCheckout {
        group_checkout_id: tour(),
        guest_stay_ids,
    }
}

fn initiated(guest_stay_ids: Vec<GuestStayId>) -> GroupCheckoutInitiated {
    GroupCheckoutInitiated {
        group_checkout_id: tour(),
        guest_stay_ids,
        initiated_at: now(),
        due_at: Some(now().plus(Duration::from_hours(1))),
    }
}

#[test]
fn a_group_has_up_to_5000_guests_and_repeats_do_not_count() {
    let most = numbered(MAX_GUESTS);
    let twice = [most.clone(), most.clone()].concat();
    given::<GroupCheckout>([])
        .when(initiate(twice))
        .then([initiated(most).into()]);
    given::<GroupCheckout>([])
        .when(initiate(numbered(MAX_GUESTS + 1)))
        .rejected("a group of 5001 guests; it takes 1 to 5000");
}

#[test]
fn a_group_has_up_to_200_kb_of_ids_as_json_and_repeats_do_not_count() {
    let too_many = long(1_600, 125);
    let as_json = serde_json::to_string(&too_many).expect("ids");
    assert_eq!(as_json.len(), MAX_IDS_BYTES + 1);
    given::<GroupCheckout>([])
        .when(initiate(too_many.clone()))
        .rejected("the guests' ids take 204801 bytes as JSON; a group takes up to 204800");

    let mut most = too_many;
    most[7] = guest(&"z".repeat(124));
    let as_json = serde_json::to_string(&most).expect("ids");
    assert_eq!(as_json.len(), MAX_IDS_BYTES);
    let twice = [most.clone(), most.clone()].concat();
    given::<GroupCheckout>([])
        .when(initiate(twice))
        .then([initiated(most).into()]);
}

/// A group's stream in memory, decided on as a command function does that keeps what it has read.
struct Desk {
    history: History<GroupCheckout>,
    commits: Vec<Commit>,
}

impl Desk {
    fn of(guests: Vec<GuestStayId>) -> Self {
        let mut desk = Self {
            history: History::guessed_empty(),
            commits: Vec::new(),
        };
        desk.take(&[initiate(guests).into()]);
        desk
    }

    /// Decides the batch, in as many commits as it takes, and returns how many that were.
    fn take(&mut self, batch: &[GroupCheckoutCommand]) -> usize {
        let mut rest: Vec<_> = batch.iter().enumerate().map(command).collect();
        let mut commits = 0;
        while !rest.is_empty() {
            let planned = plan(
                &self.history,
                &rest,
                &Deadlines::default(),
                now(),
                MAX_COMMIT_BYTES,
            );
            let refused = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(_) | Outcome::Premature(_));
            assert!(!planned.outcomes.iter().any(refused), "{:?}", planned.outcomes);
            rest.drain(..planned.outcomes.len());
            self.append(&planned.events);
            self.history = History::after(planned, self.commits.last().expect("at least one").end());
            commits += 1;
        }
        commits
    }

    fn append(&mut self, events: &[NewEvent]) {
        let commit_id = computed_id(&format!("commit/{}", self.commits.len()));
        let position = self.history.position();
        let commit = Commit::at(position, &stream(), commit_id, before(), events.to_vec());
        assert!(commit.stored_bytes() <= 400 * 1024, "an item holds 400 KB");
        self.commits.push(commit);
    }

    fn count(&self, event_type: &str) -> usize {
        let events = self.commits.iter().flat_map(|commit| &commit.events);
        events.filter(|event| event.event_type == event_type).count()
    }

    /// What somebody knows who has nothing but the stream.
    fn reloaded(&self) -> GroupCheckoutState {
        let stream = assemble(&stream(), self.commits.clone()).expect("the commits tile the stream");
        let history = History::<GroupCheckout>::of(&stream).expect("what is stored can be read");
        history.state().clone()
    }
}

fn stream() -> StreamId {
    GroupCheckout::CATEGORY.stream(&tour())
}

fn command((i, command): (usize, &GroupCheckoutCommand)) -> (CommandMeta, GroupCheckoutCommand) {
    let meta = CommandMeta {
        id: computed_id(&format!("command/{i}")).to_string(),
        correlation_id: "chain".into(),
        trace: None,
    };
    (meta, command.clone())
}

fn result(guest: &GuestStayId, reason: Option<&Text>) -> GroupCheckoutCommand {
    RecordGuestCheckout {
        group_checkout_id: tour(),
        guest_stay_id: guest.clone(),
        outcome: reason.map_or(GuestOutcome::Completed, |_| GuestOutcome::Failed),
        reason: reason.cloned(),
    }
    .into()
}

#[test]
fn a_group_of_5000_is_carried_out_in_batches_of_100_and_completes_once() {
    let guests = numbered(MAX_GUESTS);
    let mut desk = Desk::of(guests.clone());
    let results: Vec<_> = guests.iter().map(|guest| result(guest, None)).collect();
    let commits: usize = results.chunks(100).map(|batch| desk.take(batch)).sum();
    assert_eq!(commits, 50, "one commit for each batch");
    assert_eq!(desk.count("GuestCheckoutRecorded"), MAX_GUESTS);
    assert_eq!(desk.count("GroupCheckoutCompleted"), 1);
    assert_eq!(desk.history.position().last_revision(), Some(5_002));
    assert_eq!(desk.history.state(), &desk.reloaded());

    let repeated = plan(
        &desk.history,
        &[command((0, &results[4_999]))],
        &Deadlines::default(),
        now(),
        MAX_COMMIT_BYTES,
    );
    assert_eq!(repeated.outcomes, [Outcome::Nothing]);
}

#[test]
fn a_group_of_5000_of_whom_all_fail_names_all_of_them_once() {
    let guests = numbered(MAX_GUESTS);
    let mut desk = Desk::of(guests.clone());
    let reason = text("open balance 42.50");
    let results: Vec<_> = guests.iter().map(|guest| result(guest, Some(&reason))).collect();
    results.chunks(100).for_each(|batch| {
        desk.take(batch);
    });
    assert_eq!(desk.count("GroupCheckoutFailureNotified"), MAX_GUESTS);
    assert_eq!(desk.count("GroupCheckoutFailed"), 1);
    let last = desk
        .commits
        .last()
        .and_then(|commit| commit.events.last())
        .expect("the end");
    let ids = serde_json::to_string(&guests).expect("ids");
    assert!(last.data.contains(&ids), "they failed in the group's order");
    assert!(last.data.contains(r#""completed_count":0,"failed_count":5000"#));
    assert_eq!(desk.history.state(), &desk.reloaded());
}

#[test]
fn loading_does_not_stop_at_100_events() {
    let guests = numbered(150);
    let mut desk = Desk::of(guests.clone());
    for guest in &guests {
        desk.history = History::of(&assemble(&stream(), desk.commits.clone()).expect("a stream"))
            .expect("what is stored can be read");
        desk.take(&[result(guest, None)]);
    }
    assert_eq!(desk.count("GroupCheckoutCompleted"), 1);
}

#[test]
fn the_process_is_in_its_stream_so_a_restart_loses_nothing() {
    let guests = numbered(3);
    let mut kept = Desk::of(guests.clone());
    for guest in &guests {
        kept.take(&[result(guest, None)]);
        let mut restarted = Desk {
            history: History::of(&assemble(&stream(), kept.commits.clone()).expect("a stream"))
                .expect("what is stored can be read"),
            commits: kept.commits.clone(),
        };
        for guest in &guests {
            restarted.take(&[result(guest, None)]);
        }
        assert_eq!(restarted.count("GuestCheckoutRecorded"), 3);
        assert_eq!(restarted.count("GroupCheckoutCompleted"), 1);
    }
}

#[test]
fn the_last_failure_of_the_largest_group_with_the_longest_reason_fits_into_one_commit() {
    let mut guests = long(1_600, 125);
    guests[7] = guest(&"z".repeat(124));
    let mut desk = Desk::of(guests.clone());
    // A control character takes six bytes of JSON, more than any other character.
    let longest = text(&"\u{1}".repeat(Text::MAX_CHARS));
    let (last, others) = guests.split_last().expect("1,600 guests");
    let reason = text("open balance 42.50");
    let results: Vec<_> = others.iter().map(|guest| result(guest, Some(&reason))).collect();
    results.chunks(100).for_each(|batch| {
        desk.take(batch);
    });
    assert_eq!(desk.take(&[result(last, Some(&longest))]), 1);
    assert_eq!(desk.count("GroupCheckoutFailed"), 1);
}

#[test]
fn a_batch_that_does_not_fit_into_one_commit_takes_several() {
    let guests = numbered(50);
    let mut desk = Desk::of(guests.clone());
    let longest = text(&"\u{1}".repeat(Text::MAX_CHARS));
    let results: Vec<_> = guests.iter().map(|guest| result(guest, Some(&longest))).collect();
    assert!(desk.take(&results) > 1);
    assert_eq!(desk.count("GuestCheckoutRecorded"), 50);
    assert_eq!(desk.count("GroupCheckoutFailureNotified"), 50);
    assert_eq!(desk.count("GroupCheckoutFailed"), 1);
}
