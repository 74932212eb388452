//! Whatever the operator's clock shows, the same is done and told.

use std::time::{Duration, SystemTime};

use eventsourcing::Timestamp;
use local::StackOptions;
use serde_json::json;

use crate::front::Front;
use crate::outbox::entry;
use crate::showing::item;
use crate::support::{Up, cart, program, run};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_by_clocks_ahead_of_the_operators_is_published_too() {
    let up = Up::without_functions().await;
    let ahead = SystemTime::now() + Duration::from_mins(10);
    let mut event = item("cart-c-1", "CartFinalized", &cart("c-1", "9.99"));
    event["committed_at"] = json!({ "S": Timestamp::from(ahead).to_string() });
    up.put_item("local-events", &event);
    let counted = up
        .ops(&[
            "republish",
            "--from",
            "2026-01-01T00:00:00Z",
            "--dry-run",
            "--json",
        ])
        .done()
        .json();
    assert_eq!(
        (&counted["commits"], &counted["messages"]),
        (&1.into(), &1.into())
    );
    up.ops(&["republish", "--from", "2026-01-01T00:00:00Z"]).done();
    assert_eq!(up.visible("on-cart-finalized"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_entry_is_due_by_the_sweepers_clock() {
    // A stack of yesterday: the operator's clock is a day fast.
    let up = Up::with(StackOptions {
        epoch: SystemTime::now() - Duration::from_hours(24),
        functions: false,
        ..StackOptions::of(functions::bundle())
    })
    .await;
    up.put_item("local-outbox", &entry("cart-c-1", "parked"));
    let redriven = up.ops(&["outbox", "redrive"]).done().out;
    assert!(redriven.starts_with("1 entry due"), "{redriven}");
    let list = up.ops(&["outbox", "list", "--json"]).done().json();
    let due: Timestamp = list["entries"][0]["next_attempt_at"]
        .as_str()
        .and_then(|at| at.parse().ok())
        .expect("it has a time");
    assert!(due < up.stack.clock().now().into(), "{due}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ages_are_by_the_services_clock() {
    let up = Up::without_functions().await;
    up.put_item("local-outbox", &entry("cart-c-1", "parked"));
    // 65 minutes after the entry was saved.
    let service = Front::before(&up.url, Some("Mon, 23 Nov 2026 09:05:30 GMT"));
    let mut list = program(&["outbox", "list"]);
    list.env("AWS_ENDPOINT_URL", &service.url);
    let listed = run(list, "").done();
    assert!(listed.out.contains("  1 h 5 min  "), "{}", listed.out);
    assert!(
        listed.err.contains("this machine's clock is ") && listed.err.contains("the service's"),
        "{}",
        listed.err
    );
    let same = up.ops(&["outbox", "list"]).done();
    assert_eq!(same.err, "", "a clock that is right is no news");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_ends_before_it_begins_is_refused() {
    let up = Up::without_functions().await;
    let (early, late) = ("2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z");
    for to in [early, late] {
        let refused = up.ops(&["republish", "--from", late, "--to", to]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused
                .err
                .contains("--from 2026-11-24T08:00:00.000Z is not before --to 2026-11-2"),
            "{}",
            refused.err
        );
    }
    up.ops(&["republish", "--from", early, "--to", late]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_an_end_is_not_gone_on_with_as_one_with_an_end() {
    let up = Up::without_functions().await;
    up.put_item("local-events", &item("cart-1", "CartFinalized", "{}"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("progress.json");
    let file = file.to_str().expect("a path in UTF-8");
    let from = "2026-11-23T00:00:00Z";
    let with_end = [
        "republish",
        "--from",
        from,
        "--to",
        "2027-01-01T00:00:00Z",
        "--resume",
        file,
    ];
    let without = ["republish", "--from", from, "--resume", file];
    up.ops(&with_end).done();
    let refused = up.ops(&without);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused
            .err
            .contains("from 2026-11-23T00:00:00.000Z to 2027-01-01T00:00:00.000Z"),
        "{}",
        refused.err
    );
    let again = up.ops(&with_end).done();
    assert!(again.err.contains("name another file"), "{}", again.err);
    assert_eq!(up.visible("on-cart-finalized"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_segments_than_help_are_refused_at_once() {
    let up = Up::without_functions().await;
    for segments in ["257", "2000000", "99999999999"] {
        let refused = up.ops(&["republish", "--stream-id", "cart-1", "--segments", segments]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused.err.contains("expected a whole number from 1 to 256"),
            "{}",
            refused.err
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_takes_longer_than_two_seconds_says_how_far_it_has_come() {
    let up = Up::without_functions().await;
    for number in 0..12 {
        up.put_item(
            "local-events",
            &item(&format!("cart-{number}"), "CartFinalized", "{}"),
        );
    }
    let from = ["republish", "--from", "2026-11-23T00:00:00Z", "--rate", "4"];
    let slow = up.ops(&from).done();
    assert!(
        slow.err.contains("publishing, messages sent: ") && slow.err.contains(" after "),
        "{}",
        slow.err
    );
    assert!(
        slow.out.contains("12 messages of 12 commits sent"),
        "{}",
        slow.out
    );
}
