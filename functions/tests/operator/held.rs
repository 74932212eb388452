//! Letters that another reader holds are told, and not taken for none.

use std::time::Duration;

use serde_json::Value;

use crate::support::Up;

const DLQ: &str = "finalize-cart-dlq";

/// A stack with so many letters, of which another reader holds the first `held` for so long.
async fn with_letters(count: usize, held: usize, time: Duration) -> Up {
    let up = Up::without_functions().await;
    for number in 0..count {
        up.put(DLQ, &format!("not JSON {number}"));
    }
    for _ in 0..held {
        let receive = embedded_sqs::Receive {
            visibility: Some(time),
            ..embedded_sqs::Receive::default()
        };
        let received = up
            .stack
            .wire()
            .sqs()
            .receive("local-finalize-cart-dlq", receive)
            .await;
        assert_eq!(received.expect("the queue is there").len(), 1);
    }
    up
}

const LONG: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_another_reader_holds_are_counted_with_when_they_come_back() {
    let up = with_letters(2, 2, LONG).await;
    let commands: [&[&str]; 5] = [
        &["dlq", "show", "finalize-cart"],
        &["dlq", "redrive", "finalize-cart"],
        &["dlq", "drop", "finalize-cart", "--yes"],
        &["dlq", "redrive", "finalize-cart", "--id", "x"],
        &["dlq", "drop", "finalize-cart", "--code", "rejected", "--yes"],
    ];
    for command in commands {
        let told = up.ops(command);
        assert_eq!(told.code, 1, "{command:?}: {told:?}");
        for part in [
            "local-finalize-cart-dlq holds 2 messages, of which none can be received",
            "another reader holds them",
            "within 15 minutes if it is cargo ops",
            "after 12 hours at the latest",
            "--wait SECONDS",
        ] {
            assert!(told.err.contains(part), "{command:?}: {part}: {}", told.err);
        }
        assert_eq!(told.out, "");
    }
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]);
    assert_eq!(shown.code, 1);
    let shown = shown.json();
    assert_eq!((&shown["of"], &shown["held"]), (&2.into(), &2.into()));
    let list = up.ops(&["dlq", "list", "--json"]).done().json();
    assert_eq!(
        (&list["messages"], &list["queues"][0]["held"]),
        (&2.into(), &2.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_received_is_dealt_with_and_what_cannot_is_told() {
    let up = with_letters(3, 1, LONG).await;
    let shown = up.ops(&["dlq", "show", "finalize-cart"]).done().out;
    assert!(
        shown.contains("1 more can't be received: another reader"),
        "{shown}"
    );
    let listed = up.ops(&["dlq", "list"]).done().out;
    assert!(
        listed.contains("2 of about 3 messages were looked at; another reader holds 1"),
        "{listed}"
    );
    let limited = up
        .ops(&["dlq", "show", "finalize-cart", "--limit", "1", "--json"])
        .done()
        .json();
    assert_eq!((&limited["of"], &limited["held"]), (&3.into(), &1.into()));

    let missing = up.ops(&["dlq", "redrive", "finalize-cart", "--id", "nobody"]);
    assert_eq!(missing.code, 1, "it may be the one that is held: {missing:?}");
    assert!(
        missing
            .err
            .contains("nobody is not among the 2 messages that could be received"),
        "{}",
        missing.err
    );
    assert_eq!(up.visible(DLQ), 2);

    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
    let id = shown["messages"][0]["message_id"].as_str().expect("an id");
    up.ops(&["dlq", "redrive", "finalize-cart", "--id", id]).done();
    let rest = up.ops(&["dlq", "redrive", "finalize-cart", "--json"]);
    assert_eq!(rest.code, 1, "{rest:?}");
    assert!(
        rest.err
            .contains("1 message more could not be received, and not be sent back"),
        "{}",
        rest.err
    );
    let rest = rest.json();
    assert_eq!((&rest["done"], &rest["held"]), (&1.into(), &1.into()));
    assert_eq!((up.visible(DLQ), up.visible("finalize-cart")), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_gets_them_when_they_are_back() {
    let up = with_letters(2, 2, Duration::from_secs(2)).await;
    let shown = up
        .ops(&["dlq", "show", "finalize-cart", "--wait", "60", "--json"])
        .done()
        .json();
    assert_eq!(shown["messages"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["held"], Value::from(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_queue_is_told_from_one_that_is_held() {
    let up = Up::without_functions().await;
    let shown = up.ops(&["dlq", "show", "finalize-cart"]).done().out;
    assert_eq!(shown, "local-finalize-cart-dlq holds no message\n");
    assert_eq!(up.ops(&["dlq", "redrive", "finalize-cart"]).code, 3);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_end_lets_go_what_it_held() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let up = with_letters(2_000, 0, LONG).await;
        let mut redrive = crate::support::program(&["dlq", "redrive", "finalize-cart"]);
        redrive.env("AWS_ENDPOINT_URL", &up.url);
        let mut redrive = redrive.spawn().expect("the program starts");
        up.until("some are held", || (up.visible(DLQ) < 2_000).then_some(()))
            .await;
        let told = std::process::Command::new("kill")
            .args([signal, &redrive.id().to_string()])
            .status();
        assert!(told.expect("there is a kill").success());
        assert_eq!(redrive.wait().expect("it ends").code(), Some(130), "{signal}");
        let left = up.visible(DLQ) + up.visible("finalize-cart");
        assert_eq!(left, 2_000, "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_none_is_refused_with_what_would_do() {
    let up = Up::without_functions().await;
    let commands: [&[&str]; 11] = [
        &[
            "dlq",
            "show",
            "finalize-cart",
            "--limit",
            "99999999999999999999999",
        ],
        &["dlq", "show", "finalize-cart", "--limit", "-5"],
        &["dlq", "show", "finalize-cart", "--wait", "9999"],
        &["dlq", "show", "finalize-cart", "--wait", "-1"],
        &["outbox", "list", "--limit", "-1"],
        &["outbox", "drop", "--stream-id", "cart-1", "--revision", "-1"],
        &["republish", "--stream-id", "cart-1", "--rate", "-1"],
        &["dlq", "show", "finalize-cart", "--limit", "0"],
        &["outbox", "list", "--limit", "0"],
        &["republish", "--stream-id", "cart-1", "--segments", "0"],
        &["republish", "--stream-id", "cart-1", "--rate", "0"],
    ];
    for command in commands {
        let refused = up.ops(command);
        assert_eq!(refused.code, 2, "{command:?}: {refused:?}");
        assert!(
            refused.err.contains("expected a whole number"),
            "{command:?}: {}",
            refused.err
        );
        assert!(!refused.err.contains("tip:"), "{command:?}: {}", refused.err);
    }
    let wait = up.ops(&["dlq", "show", "finalize-cart", "--wait", "901"]).err;
    assert!(wait.contains("seconds from 0 to 900"), "{wait}");
    let limit = ["dlq", "show", "finalize-cart", "--limit", "4294967295"];
    up.ops(&limit).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_letter_that_is_held_is_spoken_of_as_one() {
    let up = with_letters(1, 1, LONG).await;
    let told = up.ops(&["dlq", "redrive", "finalize-cart"]).err;
    assert!(
        told.contains("another reader holds it (or it is gone") && told.contains("it comes back by itself"),
        "{told}"
    );
    assert!(!told.contains("them"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_what_for() {
    let up = with_letters(1, 1, LONG).await;
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--wait", "3"]);
    assert!(
        shown
            .err
            .contains("waiting for another reader, messages that it holds: 1 after "),
        "{}",
        shown.err
    );
}
