//! A group counts each guest once and ends once.

use std::time::Duration;

use domain::Deadlines;
use domain::group_checkout::{
    GroupCheckout, GroupCheckoutEvent, GroupCheckoutInitiated, GroupCheckoutState, GuestOutcome, Heard,
    InitiateGroupCheckout,
};
use eventsourcing::{Decider, Timestamp};

use crate::given::given;
use crate::hotel::{
    before, complete, completed, due_at, failed, guests, initiate, initiated, notified, notify, now, record,
    recorded, recorded_late, time_out, timed_out, tour,
};

const OPEN_BALANCE: &str = "open balance 42.50";

/// The tour of Ada, Bob and Eve, with what it has heard.
fn three(heard: &[GroupCheckoutEvent]) -> Vec<GroupCheckoutEvent> {
    let start = initiated(&["ada", "bob", "eve"], before());
    [start].into_iter().chain(heard.iter().cloned()).collect()
}

/// All three have left.
fn all_completed() -> Vec<GroupCheckoutEvent> {
    let at = before();
    three(&[
        recorded("ada", Ok(()), at),
        recorded("bob", Ok(()), at),
        recorded("eve", Ok(()), at),
        completed(at),
    ])
}

/// Eve and Ada could not leave.
fn all_in_two_failed() -> Vec<GroupCheckoutEvent> {
    let at = before();
    three(&[
        recorded("eve", Err(OPEN_BALANCE), at),
        notified("eve", 0, 1, at),
        recorded("bob", Ok(()), at),
        recorded("ada", Err("never checked in"), at),
        notified("ada", 1, 2, at),
        failed(&["eve", "ada"], 1, at),
    ])
}

/// Ada has left, Bob could not, Eve did not report.
fn out_of_time() -> Vec<GroupCheckoutEvent> {
    let at = before();
    three(&[
        recorded("ada", Ok(()), at),
        recorded("bob", Err(OPEN_BALANCE), at),
        notified("bob", 1, 1, at),
        timed_out(&["eve"], at),
    ])
}

/// Every state that these three ends pass through, from the initiation on.
fn all_later_states() -> Vec<Vec<GroupCheckoutEvent>> {
    let ends = [all_completed(), all_in_two_failed(), out_of_time()];
    let prefixes = |end: Vec<GroupCheckoutEvent>| (1..=end.len()).map(move |so_far| end[..so_far].to_vec());
    ends.into_iter().flat_map(prefixes).collect()
}

#[test]
fn a_group_is_initiated_with_each_guest_once_in_the_order_in_which_they_are_named() {
    given::<GroupCheckout>([])
        .when(initiate(&["eve", "ada", "eve", "bob", "ada"]))
        .then([initiated(&["eve", "ada", "bob"], now())]);
}

#[test]
fn a_group_that_is_initiated_again_stays_as_it_is_order_and_repeats_aside() {
    for state in all_later_states() {
        for again in [
            &["ada", "bob", "eve"][..],
            &["eve", "bob", "ada"],
            &["bob", "bob", "eve", "ada", "bob"],
        ] {
            given::<GroupCheckout>(state.clone())
                .when(initiate(again))
                .nothing();
        }
    }
}

#[test]
fn a_group_that_is_initiated_again_with_others_is_refused() {
    for state in all_later_states() {
        for others in [
            &["ada", "bob"][..],
            &["ada", "bob", "eve", "dan"],
            &["ada", "bob", "dan"],
            &["ada", "ada", "bob"],
        ] {
            given::<GroupCheckout>(state.clone())
                .when(initiate(others))
                .rejected("group checkout tour is initiated already, with other guests");
        }
    }
}

#[test]
fn a_result_that_comes_before_the_process_is_recorded_waits_then_counts() {
    let why = "group checkout tour has not been initiated yet";
    given::<GroupCheckout>([])
        .when(record("ada", Ok(())))
        .premature(why);
    given::<GroupCheckout>([initiated(&["ada"], before())])
        .when(record("ada", Ok(())))
        .then([recorded("ada", Ok(()), now()), completed(now())]);
}

#[test]
fn an_unknown_process_is_no_error_for_ever_but_nothing_creates_it() {
    let why = "group checkout tour has not been initiated yet";
    given::<GroupCheckout>([])
        .when(record("ada", Err("never checked in")))
        .premature(why);
    given::<GroupCheckout>([]).when(complete()).premature(why);
    given::<GroupCheckout>([]).when(notify(&["ada"])).premature(why);
    given::<GroupCheckout>([]).when(time_out()).premature(why);
    given::<GroupCheckout>([])
        .at(due_at())
        .when(time_out())
        .premature(why);
}

#[test]
fn a_result_for_a_guest_who_is_not_in_the_group_is_refused_in_every_state() {
    for state in all_later_states() {
        for ended in [Ok(()), Err(OPEN_BALANCE)] {
            given::<GroupCheckout>(state.clone())
                .when(record("dan", ended))
                .rejected("guest dan is not in group checkout tour");
        }
    }
}

#[test]
fn a_guest_who_left_is_counted() {
    given::<GroupCheckout>(three(&[]))
        .when(record("bob", Ok(())))
        .then([recorded("bob", Ok(()), now())]);
}

#[test]
fn a_failure_is_notified_in_the_same_decision_with_the_counts_at_that_point() {
    given::<GroupCheckout>(three(&[]))
        .when(record("bob", Err(OPEN_BALANCE)))
        .then([
            recorded("bob", Err(OPEN_BALANCE), now()),
            notified("bob", 0, 1, now()),
        ]);
    let two = three(&[
        recorded("ada", Ok(()), before()),
        recorded("bob", Err("never checked in"), before()),
        notified("bob", 1, 1, before()),
    ]);
    given::<GroupCheckout>(two)
        .when(record("eve", Err(OPEN_BALANCE)))
        .then([
            recorded("eve", Err(OPEN_BALANCE), now()),
            notified("eve", 1, 2, now()),
            failed(&["bob", "eve"], 1, now()),
        ]);
}

#[test]
fn a_failure_does_not_end_the_process_before_the_others_have_reported() {
    let one_failed = three(&[
        recorded("ada", Err(OPEN_BALANCE), before()),
        notified("ada", 0, 1, before()),
    ]);
    given::<GroupCheckout>(one_failed)
        .when(record("bob", Ok(())))
        .then([recorded("bob", Ok(()), now())]);
}

#[test]
fn all_done_with_failures_ends_as_failed_with_every_id_and_the_counts() {
    let at = before();
    let two = three(&[
        recorded("eve", Err(OPEN_BALANCE), at),
        notified("eve", 0, 1, at),
        recorded("ada", Err("never checked in"), at),
        notified("ada", 0, 2, at),
    ]);
    given::<GroupCheckout>(two)
        .when(record("bob", Ok(())))
        .then([recorded("bob", Ok(()), now()), failed(&["eve", "ada"], 1, now())]);
}

#[test]
fn the_last_guest_who_leaves_completes_the_group_once() {
    let two = three(&[
        recorded("ada", Ok(()), before()),
        recorded("eve", Ok(()), before()),
    ]);
    given::<GroupCheckout>(two)
        .when(record("bob", Ok(())))
        .then([recorded("bob", Ok(()), now()), completed(now())]);
}

#[test]
fn a_group_of_one_ends_with_its_first_result() {
    let one = [initiated(&["ada"], before())];
    given::<GroupCheckout>(one.clone())
        .when(record("ada", Ok(())))
        .then([recorded("ada", Ok(()), now()), completed(now())]);
    given::<GroupCheckout>(one)
        .when(record("ada", Err(OPEN_BALANCE)))
        .then([
            recorded("ada", Err(OPEN_BALANCE), now()),
            notified("ada", 0, 1, now()),
            failed(&["ada"], 0, now()),
        ]);
}

#[test]
fn duplicates_are_not_counted_twice_in_any_later_state() {
    for end in [all_completed(), all_in_two_failed(), out_of_time()] {
        for (i, event) in end.iter().enumerate() {
            let GroupCheckoutEvent::GuestCheckoutRecorded(first) = event else {
                continue;
            };
            let again = domain::group_checkout::RecordGuestCheckout {
                group_checkout_id: tour(),
                guest_stay_id: first.guest_stay_id.clone(),
                outcome: first.outcome,
                reason: first.reason.clone(),
            };
            for so_far in i + 1..=end.len() {
                given::<GroupCheckout>(end[..so_far].to_vec())
                    .when(again.clone())
                    .nothing();
            }
        }
    }
}

#[test]
fn a_result_that_contradicts_the_first_is_recorded_and_counts_for_nothing() {
    let at = before();
    let open = three(&[recorded("ada", Ok(()), at)]);
    let ended = [open.clone(), all_completed()];
    for state in ended {
        given::<GroupCheckout>(state)
            .when(record("ada", Err(OPEN_BALANCE)))
            .then([recorded_late("ada", Err(OPEN_BALANCE), now())]);
    }
    let contradicted = three(&[
        recorded("ada", Ok(()), at),
        recorded_late("ada", Err(OPEN_BALANCE), at),
        recorded("bob", Ok(()), at),
    ]);
    given::<GroupCheckout>(contradicted)
        .when(record("eve", Ok(())))
        .then([recorded("eve", Ok(()), now()), completed(now())]);
}

#[test]
fn another_reason_is_another_result_and_is_recorded_while_the_group_is_open_and_afterwards() {
    let open = three(&[
        recorded("eve", Err(OPEN_BALANCE), before()),
        notified("eve", 0, 1, before()),
    ]);
    for state in [open, all_in_two_failed()] {
        given::<GroupCheckout>(state)
            .when(record("eve", Err("never checked in")))
            .then([recorded_late("eve", Err("never checked in"), now())]);
    }
}

#[test]
fn a_guest_who_stands_in_the_stream_twice_is_counted_once() {
    let twice = three(&[
        recorded("ada", Ok(()), before()),
        recorded("ada", Err(OPEN_BALANCE), before()),
        recorded("bob", Ok(()), before()),
    ]);
    given::<GroupCheckout>(twice)
        .when(record("eve", Ok(())))
        .then([recorded("eve", Ok(()), now()), completed(now())]);
}

#[test]
fn a_guest_who_leaves_after_all_turns_no_failed_group() {
    given::<GroupCheckout>(all_in_two_failed())
        .when(record("eve", Ok(())))
        .then([recorded_late("eve", Ok(()), now())]);
    let mut turned = all_in_two_failed();
    turned.push(recorded_late("eve", Ok(()), before()));
    given::<GroupCheckout>(turned)
        .when(record("ada", Ok(())))
        .then([recorded_late("ada", Ok(()), now())]);
}

#[test]
fn each_contradiction_is_recorded_once() {
    let mut state = three(&[
        recorded("ada", Ok(()), before()),
        recorded_late("ada", Err(OPEN_BALANCE), before()),
    ]);
    given::<GroupCheckout>(state.clone())
        .when(record("ada", Err(OPEN_BALANCE)))
        .nothing();
    // Another reason is another result.
    given::<GroupCheckout>(state.clone())
        .when(record("ada", Err("never checked in")))
        .then([recorded_late("ada", Err("never checked in"), now())]);
    // The first one is still the first one.
    given::<GroupCheckout>(state.clone())
        .when(record("ada", Ok(())))
        .nothing();
    // What Ada said twice, Bob says for the first time.
    given::<GroupCheckout>(state.clone())
        .when(record("bob", Err(OPEN_BALANCE)))
        .then([
            recorded("bob", Err(OPEN_BALANCE), now()),
            notified("bob", 1, 1, now()),
        ]);
    state.push(timed_out(&["bob", "eve"], before()));
    given::<GroupCheckout>(state)
        .when(record("ada", Err(OPEN_BALANCE)))
        .nothing();
}

#[test]
fn a_result_after_the_deadline_is_recorded_and_changes_nothing() {
    for ended in [Ok(()), Err(OPEN_BALANCE)] {
        given::<GroupCheckout>(out_of_time())
            .when(record("eve", ended))
            .then([recorded_late("eve", ended, now())]);
        let mut heard = out_of_time();
        heard.push(recorded_late("eve", ended, before()));
        given::<GroupCheckout>(heard.clone())
            .when(record("eve", ended))
            .nothing();
        given::<GroupCheckout>(heard)
            .when(record("eve", Err("another reason")))
            .then([recorded_late("eve", Err("another reason"), now())]);
    }
}

#[test]
fn nothing_hangs_on_the_text_of_a_reason() {
    for reason in ["", "completed", "already checked out by group tour", "timed out"] {
        given::<GroupCheckout>(three(&[]))
            .when(record("bob", Err(reason)))
            .then([recorded("bob", Err(reason), now()), notified("bob", 0, 1, now())]);
    }
}

#[test]
fn completing_a_group_while_guests_are_open_is_refused_with_how_many() {
    let why = |open| {
        format!(
            "{open} of 3 guests of group checkout tour have not reported; the last one's result completes it"
        )
    };
    given::<GroupCheckout>(three(&[]))
        .when(complete())
        .rejected(why(3));
    let heard = three(&[
        recorded("ada", Ok(()), before()),
        recorded("bob", Err(OPEN_BALANCE), before()),
        notified("bob", 1, 1, before()),
        recorded_late("bob", Ok(()), before()),
    ]);
    given::<GroupCheckout>(heard).when(complete()).rejected(why(1));
}

#[test]
fn completing_a_group_that_has_ended_in_any_way_does_nothing() {
    for end in [all_completed(), all_in_two_failed(), out_of_time()] {
        given::<GroupCheckout>(end).when(complete()).nothing();
    }
}

#[test]
fn a_failure_that_is_recorded_is_notified_already() {
    given::<GroupCheckout>(out_of_time())
        .when(notify(&["bob"]))
        .nothing();
    for failed in [&["eve", "ada"][..], &["ada", "eve"], &["eve"], &[]] {
        given::<GroupCheckout>(all_in_two_failed())
            .when(notify(failed))
            .nothing();
    }
}

#[test]
fn a_notification_of_what_has_not_failed_is_refused_and_names_one_guest() {
    let why = |guest| {
        format!(
            "the checkout of guest {guest} has not failed in group checkout tour; a failure is notified when it is recorded"
        )
    };
    given::<GroupCheckout>(three(&[]))
        .when(notify(&["ada"]))
        .rejected(why("ada"));
    given::<GroupCheckout>(all_completed())
        .when(notify(&["bob"]))
        .rejected(why("bob"));
    given::<GroupCheckout>(all_in_two_failed())
        .when(notify(&["eve", "bob", "ada"]))
        .rejected(why("bob"));
    given::<GroupCheckout>(out_of_time())
        .when(notify(&["bob", "dan", "eve"]))
        .rejected(why("dan"));
    let late = three(&[
        recorded("ada", Ok(()), before()),
        recorded_late("ada", Err(OPEN_BALANCE), before()),
    ]);
    given::<GroupCheckout>(late)
        .when(notify(&["ada"]))
        .rejected(why("ada"));
}

#[test]
fn the_deadline_ends_a_group_that_is_open_and_names_who_is_in_the_groups_order() {
    given::<GroupCheckout>(three(&[]))
        .at(due_at())
        .when(time_out())
        .then([timed_out(&["ada", "bob", "eve"], due_at())]);
    let heard = three(&[
        recorded("bob", Err(OPEN_BALANCE), before()),
        notified("bob", 0, 1, before()),
    ]);
    given::<GroupCheckout>(heard)
        .at(due_at())
        .when(time_out())
        .then([timed_out(&["ada", "eve"], due_at())]);
}

#[test]
fn a_deadline_that_is_early_comes_again() {
    let just_before = Timestamp::from_millis(due_at().millis() - 1);
    for at in [now(), just_before] {
        given::<GroupCheckout>(three(&[]))
            .at(at)
            .when(time_out())
            .not_due_before(due_at());
    }
}

#[test]
fn a_deadline_does_nothing_once_the_group_has_ended_early_or_not() {
    for end in [all_completed(), all_in_two_failed(), out_of_time()] {
        let mut heard = end.clone();
        heard.push(recorded_late("eve", Err("something else"), before()));
        for state in [end, heard] {
            for at in [now(), due_at()] {
                given::<GroupCheckout>(state.clone())
                    .at(at)
                    .when(time_out())
                    .nothing();
            }
        }
    }
}

#[test]
fn an_empty_group_is_refused_in_every_state() {
    let why = "a group without guests can't check out; it takes 1 to 5000";
    given::<GroupCheckout>([]).when(initiate(&[])).rejected(why);
    for state in all_later_states() {
        let nobody = InitiateGroupCheckout {
            group_checkout_id: tour(),
            guest_stay_ids: Vec::new(),
        };
        given::<GroupCheckout>(state).when(nobody).rejected(why);
    }
}

#[test]
fn the_deadline_is_recorded_as_it_is_set_and_a_repeat_with_another_changes_nothing() {
    let a_second = || Deadlines {
        group_checkout: Duration::from_secs(1),
        ..Deadlines::default()
    };
    let set = GroupCheckoutInitiated {
        group_checkout_id: tour(),
        guest_stay_ids: guests(&["ada"]),
        initiated_at: now(),
        due_at: Some(now().plus(Duration::from_secs(1))),
    };
    given::<GroupCheckout>([])
        .set(a_second())
        .when(initiate(&["ada"]))
        .then([set.into()]);
    given::<GroupCheckout>([initiated(&["ada"], before())])
        .set(a_second())
        .when(initiate(&["ada"]))
        .nothing();
}

#[test]
fn what_a_group_has_heard_of_each_guest_is_told_in_its_order_and_what_came_too_late_counts_for_nothing() {
    let heard = |more: &[GroupCheckoutEvent]| {
        let events = out_of_time().into_iter().chain(more.iter().cloned());
        let state = events.fold(GroupCheckoutState::default(), |state, event| {
            GroupCheckout::evolve(state, &event)
        });
        let GroupCheckoutState::Initiated(group) = state else {
            panic!("it is initiated")
        };
        group.heard().map(|(_, heard)| heard).collect::<Vec<_>>()
    };
    let (completed, failed) = (
        Heard::Counted(GuestOutcome::Completed),
        Heard::Counted(GuestOutcome::Failed),
    );
    assert_eq!(heard(&[]), [completed, failed, Heard::Nothing]);
    let late = [
        recorded_late("eve", Ok(()), before()),
        recorded_late("bob", Ok(()), before()),
    ];
    assert_eq!(heard(&late), [completed, failed, Heard::Late]);
}
