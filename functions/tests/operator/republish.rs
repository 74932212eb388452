//! Events are published again as far as it is asked for, and a run that was left off goes on.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::showing::item;
use crate::support::Up;

const FROM: &str = "2026-11-23T00:00:00Z";

async fn with_carts(count: usize) -> Up {
    let up = Up::without_functions().await;
    for n in 0..count {
        up.put_item("local-events", &item(&format!("cart-{n}"), "CartFinalized", "{}"));
    }
    up
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_by_type_and_queue_what_is_sent_then() {
    let up = with_carts(7).await;
    let counted = up
        .ops(&["republish", "--from", FROM, "--dry-run", "--json"])
        .done()
        .json();
    assert_eq!(
        (&counted["commits"], &counted["dry_run"]),
        (&7.into(), &true.into())
    );
    assert_eq!(counted["by_type"]["CartFinalized"]["local-on-cart-finalized"], 7);
    assert_eq!(up.visible("on-cart-finalized"), 0);
    let sent = up.ops(&["republish", "--from", FROM, "--json"]).done().json();
    assert_eq!(sent["by_type"], counted["by_type"]);
    assert_eq!(up.visible("on-cart-finalized"), 7);
    let one = up.ops(&["republish", "--stream-id", "cart-3"]).done().out;
    assert!(one.ends_with("1 message of 1 commit sent\n"), "{one}");
    assert_eq!(up.visible("on-cart-finalized"), 8);
    assert_eq!(up.ops(&["republish", "--stream-id", "cart-99"]).code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_run_sends_nothing_again_and_its_file_serves_no_other_run() {
    let up = with_carts(7).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("progress.json");
    let file = file.to_str().expect("a path in UTF-8");
    for told in [
        "7 messages of 7 commits sent\n",
        "nothing was sent by this run; 7 messages of 7 commits by those before it\n",
    ] {
        let run = up.ops(&["republish", "--from", FROM, "--resume", file]).done();
        assert!(run.out.ends_with(told), "{}", run.out);
        assert_eq!(up.visible("on-cart-finalized"), 7);
    }
    let run = ["republish", "--from", FROM, "--resume", file, "--json"];
    let document = up.ops(&run).done().json();
    assert_eq!(
        (&document["commits"], &document["messages"]),
        (&7.into(), &7.into())
    );
    assert_eq!(
        document["this_run"],
        serde_json::json!({ "commits": 0, "messages": 0 })
    );
    for other in [
        &["--from", "2026-11-22T00:00:00Z"][..],
        &["--stream-id", "cart-1"],
    ] {
        let refused = up.ops(&[&["republish", "--resume", file], other].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("is of another run"), "{}", refused.err);
    }
    std::fs::write(file, "{\"table\":").expect("the file can be written");
    let refused = up.ops(&["republish", "--from", FROM, "--resume", file]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("is no checkpoint"), "{}", refused.err);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_goes_on_where_it_was() {
    let up = with_carts(40).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("progress.json");
    let file = file.to_str().expect("a path in UTF-8");
    let again = ["republish", "--from", FROM, "--resume", file];

    up.interrupt(&[&again[..], &["--rate", "8"]].concat(), file).await;
    let before = up.visible("on-cart-finalized");
    assert!(
        (1..40).contains(&before),
        "{before} of 40 were sent before the interruption"
    );

    let sent = up.ops(&[&again[..], &["--json"]].concat()).done().json();
    assert_eq!((&sent["commits"], &sent["messages"]), (&40.into(), &40.into()));
    let this_run = sent["this_run"]["messages"].as_u64().unwrap_or_default();
    assert!((1..40).contains(&this_run), "{sent}");
    let mut streams = BTreeSet::new();
    while let Some(message) = up.take("on-cart-finalized").await {
        let message: Value = serde_json::from_str(&message.body).expect("a message is JSON");
        streams.insert(message["stream_id"].to_string());
    }
    assert_eq!(streams.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_said_whole_is_refused() {
    let up = Up::without_functions().await;
    let cases: [&[&str]; 4] = [
        &["republish"],
        &["republish", "--from", "yesterday"],
        &["republish", "--from", FROM, "--stream-id", "cart-1"],
        &["republish", "--from", FROM, "--rate", "0"],
    ];
    for arguments in cases {
        assert_eq!(up.ops(arguments).code, 2, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_read_is_told_by_stream_and_revision_and_the_rest_is_sent() {
    let up = with_carts(2).await;
    let mut broken = item("cart-broken", "CartFinalized", "{}");
    broken["last_revision"] = serde_json::json!({ "N": "7" });
    up.put_item("local-events", &broken);
    let published = up.ops(&["republish", "--from", FROM, "--json"]);
    assert_eq!(published.code, 1, "{published:?}");
    let published = published.json();
    assert_eq!(published["undelivered"][0]["stream_id"], "cart-broken");
    assert_eq!(published["undelivered"][0]["revision"], 1);
    assert_eq!(up.visible("on-cart-finalized"), 2);
    // It does not become readable by itself, so it waits for a person.
    let outbox = up.ops(&["outbox", "list", "--json"]).done().json();
    assert_eq!((&outbox["pending"], &outbox["parked"]), (&0.into(), &1.into()));
}
