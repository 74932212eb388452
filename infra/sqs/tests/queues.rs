//! The rules of a standard queue, through the typed API, on a clock that stands still unless moved.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use embedded_sqs::{
    Counts, IN_FLIGHT_LIMIT, MAX_MESSAGE_BYTES, MessageAttribute, Operation, Outgoing, QueueAttributes,
    Receive, Received, RedrivePolicy, Sqs, SqsError,
};
use support::{START_S, message, pass, service, service_with_jobs};
use tokio::time::Instant;

mod support;

const ONE: Receive = Receive {
    max: 1,
    wait: Duration::ZERO,
    visibility: None,
};
const TEN: Receive = Receive {
    max: 10,
    wait: Duration::ZERO,
    visibility: None,
};

fn waiting(seconds: u64) -> Receive {
    Receive {
        max: 10,
        wait: Duration::from_secs(seconds),
        visibility: None,
    }
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|message| message.body.as_str()).collect()
}

/// Receives the one message that is there.
async fn receive_one(sqs: &Sqs, queue: &str) -> Received {
    let mut received = sqs.receive(queue, ONE).await.unwrap();
    assert_eq!(received.len(), 1, "one message in {queue}");
    received.remove(0)
}

/// `jobs`, which gives up to `jobs-dlq` what was received twice.
fn service_with_dead_letters() -> Sqs {
    let sqs = service();
    sqs.create_queue("jobs-dlq", QueueAttributes::default()).unwrap();
    let redrive = RedrivePolicy {
        dead_letter_queue: "jobs-dlq".to_owned(),
        max_receive_count: 2,
    };
    let attributes = QueueAttributes {
        redrive: Some(redrive),
        ..QueueAttributes::default()
    };
    sqs.create_queue("jobs", attributes).unwrap();
    sqs
}

#[tokio::test(start_paused = true)]
async fn a_sent_message_is_received_with_what_it_was_sent_with() {
    let sqs = service_with_jobs();
    let attributes = BTreeMap::from([("tenant".to_owned(), MessageAttribute::string("acme"))]);
    let outgoing = Outgoing {
        attributes: attributes.clone(),
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ..message("hello")
    };
    let sent = sqs.send("jobs", outgoing).unwrap();
    pass(3).await;

    let received = receive_one(&sqs, "jobs").await;

    assert_eq!(received.message_id, sent.message_id);
    assert_eq!(received.body, "hello");
    assert_eq!(received.md5_of_body, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(received.message_attributes, attributes);
    assert_eq!(received.md5_of_message_attributes, sent.md5_of_message_attributes);
    assert!(received.md5_of_message_attributes.is_some() && sent.md5_of_message_system_attributes.is_some());
    assert_eq!(received.attributes.sent_timestamp_ms, START_S * 1000);
    assert_eq!(
        received.attributes.approximate_first_receive_timestamp_ms,
        (START_S + 3) * 1000
    );
    assert_eq!(received.attributes.approximate_receive_count, 1);
    assert_eq!(
        received.attributes.aws_trace_header.as_deref(),
        Some("Root=1-5759e988-bd862e3fe1be46a994272793")
    );
    assert_eq!(received.attributes.dead_letter_queue_source_arn, None);
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_the_order_in_which_they_become_visible() {
    let sqs = service_with_jobs();
    let delayed = Outgoing {
        delay: Some(Duration::from_secs(2)),
        ..message("third")
    };
    sqs.send("jobs", message("first")).unwrap();
    sqs.send("jobs", delayed).unwrap();
    pass(1).await;
    sqs.send("jobs", message("second")).unwrap();
    pass(2).await;
    sqs.send("jobs", message("fourth")).unwrap();

    let received = sqs.receive("jobs", TEN).await.unwrap();

    assert_eq!(bodies(&received), ["first", "second", "third", "fourth"]);
}

#[tokio::test(start_paused = true)]
async fn a_receive_hands_out_no_more_than_it_was_asked_for() {
    let sqs = service_with_jobs();
    for number in 0..12 {
        sqs.send("jobs", message(&number.to_string())).unwrap();
    }
    let three = Receive { max: 3, ..ONE };
    assert_eq!(
        bodies(&sqs.receive("jobs", three).await.unwrap()),
        ["0", "1", "2"]
    );
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_message_comes_back_when_its_visibility_timeout_is_over_and_not_before() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let first = receive_one(&sqs, "jobs").await;

    pass(29).await;
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);
    pass(1).await;
    let second = receive_one(&sqs, "jobs").await;

    assert_eq!(second.message_id, first.message_id);
    assert_ne!(second.receipt_handle, first.receipt_handle);
    assert_eq!(second.attributes.approximate_receive_count, 2);
    assert_eq!(
        second.attributes.approximate_first_receive_timestamp_ms,
        START_S * 1000
    );
}

#[tokio::test(start_paused = true)]
async fn a_receive_can_bring_its_own_visibility_timeout() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let five_seconds = Receive {
        visibility: Some(Duration::from_secs(5)),
        ..ONE
    };
    sqs.receive("jobs", five_seconds).await.unwrap();
    pass(5).await;
    receive_one(&sqs, "jobs").await;
}

#[tokio::test(start_paused = true)]
async fn a_receive_without_visibility_timeout_leaves_the_message_visible_and_hands_it_out_once() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let at_once = Receive {
        visibility: Some(Duration::ZERO),
        ..TEN
    };
    assert_eq!(sqs.receive("jobs", at_once).await.unwrap().len(), 1);
    assert_eq!(sqs.receive("jobs", at_once).await.unwrap().len(), 1);
    assert_eq!(sqs.counts("jobs").unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_is_hidden_until_its_delay_is_over() {
    let sqs = service_with_jobs();
    let delayed = Outgoing {
        delay: Some(Duration::from_mins(15)),
        ..message("later")
    };
    sqs.send("jobs", delayed).unwrap();
    pass(899).await;
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);
    pass(1).await;
    assert_eq!(receive_one(&sqs, "jobs").await.body, "later");
}

#[tokio::test(start_paused = true)]
async fn the_delay_of_a_message_goes_before_that_of_its_queue() {
    let sqs = service();
    let attributes = QueueAttributes {
        delay: Duration::from_secs(10),
        ..QueueAttributes::default()
    };
    sqs.create_queue("jobs", attributes).unwrap();
    sqs.send("jobs", message("queue's delay")).unwrap();
    sqs.send(
        "jobs",
        Outgoing {
            delay: Some(Duration::ZERO),
            ..message("no delay")
        },
    )
    .unwrap();
    assert_eq!(bodies(&sqs.receive("jobs", TEN).await.unwrap()), ["no delay"]);
    pass(10).await;
    assert_eq!(
        bodies(&sqs.receive("jobs", TEN).await.unwrap()),
        ["queue's delay"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_delay_over_900_seconds_is_refused() {
    let sqs = service_with_jobs();
    let delayed = Outgoing {
        delay: Some(Duration::from_secs(901)),
        ..message("later")
    };
    let error = sqs.send("jobs", delayed).unwrap_err();
    assert!(
        matches!(
            error,
            SqsError::InvalidParameterValue {
                parameter: "DelaySeconds",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_message_is_gone_and_deleting_it_again_is_no_error() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    sqs.delete("jobs", &received.receipt_handle).unwrap();
    sqs.delete("jobs", &received.receipt_handle).unwrap();
    pass(3600).await;
    assert_eq!(sqs.counts("jobs"), Some(Counts::default()));
    assert_eq!(sqs.totals().deletes, 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_receipt_handle_still_deletes_the_message() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let first = receive_one(&sqs, "jobs").await;
    pass(30).await;
    receive_one(&sqs, "jobs").await;
    sqs.delete("jobs", &first.receipt_handle).unwrap();
    assert_eq!(sqs.counts("jobs"), Some(Counts::default()));
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_visibility_timeout_has_passed_can_still_be_deleted() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    pass(31).await;
    sqs.delete("jobs", &received.receipt_handle).unwrap();
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_handle_that_the_queue_never_made_is_refused() {
    let sqs = service_with_jobs();
    sqs.create_queue("others", QueueAttributes::default()).unwrap();
    sqs.send("others", message("hello")).unwrap();
    let received = receive_one(&sqs, "others").await;
    for handle in ["nonsense", "", "aGVsbG8=", &received.receipt_handle] {
        let refused = sqs.delete("jobs", handle);
        assert!(
            matches!(refused, Err(SqsError::ReceiptHandleIsInvalid { .. })),
            "{handle}: {refused:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_a_batch_is_one_request_and_tells_each_outcome() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    let outcomes = sqs
        .delete_batch("jobs", [received.receipt_handle.as_str(), "nonsense"])
        .unwrap();
    assert!(outcomes[0].is_ok() && outcomes[1].is_err());
    assert_eq!(sqs.totals().requests[&Operation::DeleteMessageBatch], 1);
    assert_eq!(sqs.delete_batch("jobs", []), Err(SqsError::EmptyBatchRequest));
}

#[tokio::test(start_paused = true)]
async fn a_changed_visibility_timeout_counts_from_the_change() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    pass(20).await;
    sqs.change_visibility("jobs", &received.receipt_handle, Duration::from_mins(1))
        .unwrap();
    pass(59).await;
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);
    pass(1).await;
    receive_one(&sqs, "jobs").await;
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_of_zero_gives_the_message_back_at_once() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    sqs.change_visibility("jobs", &received.receipt_handle, Duration::ZERO)
        .unwrap();
    assert_eq!(
        receive_one(&sqs, "jobs")
            .await
            .attributes
            .approximate_receive_count,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_visible_message_has_no_visibility_timeout_to_change() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    pass(30).await;
    let refused = sqs.change_visibility("jobs", &received.receipt_handle, Duration::from_secs(1));
    assert_eq!(refused, Err(SqsError::MessageNotInflight));
}

#[tokio::test(start_paused = true)]
async fn the_visibility_timeout_of_a_deleted_message_cannot_be_changed() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    sqs.delete("jobs", &received.receipt_handle).unwrap();
    let refused = sqs.change_visibility("jobs", &received.receipt_handle, Duration::from_secs(1));
    assert!(matches!(
        refused,
        Err(SqsError::InvalidParameterValue {
            parameter: "ReceiptHandle",
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_for_at_most_12_hours_from_its_receive() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let handle = receive_one(&sqs, "jobs").await.receipt_handle;
    sqs.change_visibility("jobs", &handle, Duration::from_hours(12))
        .unwrap();
    pass(3600).await;
    sqs.change_visibility("jobs", &handle, Duration::from_hours(11))
        .unwrap();
    for too_long in [
        Duration::from_secs(11 * 3600 + 1),
        Duration::from_secs(12 * 3600 + 1),
        Duration::MAX,
    ] {
        let refused = sqs.change_visibility("jobs", &handle, too_long);
        assert!(matches!(
            refused,
            Err(SqsError::InvalidParameterValue {
                parameter: "VisibilityTimeout",
                ..
            })
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn counts_follow_a_message_from_delayed_to_deleted() {
    let sqs = service_with_jobs();
    sqs.send(
        "jobs",
        Outgoing {
            delay: Some(Duration::from_secs(5)),
            ..message("hello")
        },
    )
    .unwrap();
    let counts = |sqs: &Sqs| sqs.counts("jobs").unwrap();
    assert_eq!(
        counts(&sqs),
        Counts {
            delayed: 1,
            ..Counts::default()
        }
    );
    pass(5).await;
    assert_eq!(
        counts(&sqs),
        Counts {
            visible: 1,
            ..Counts::default()
        }
    );
    let received = receive_one(&sqs, "jobs").await;
    assert_eq!(
        counts(&sqs),
        Counts {
            in_flight: 1,
            ..Counts::default()
        }
    );
    sqs.delete("jobs", &received.receipt_handle).unwrap();
    assert_eq!(counts(&sqs), Counts::default());
    assert_eq!(sqs.counts("nowhere"), None);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_empty_when_its_wait_is_over() {
    let sqs = service_with_jobs();
    let start = Instant::now();
    assert_eq!(sqs.receive("jobs", waiting(20)).await.unwrap(), []);
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert_eq!(sqs.totals().empty_receives, 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_as_soon_as_a_message_is_sent() {
    let sqs = service_with_jobs();
    let start = Instant::now();
    let sender = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        sqs.send("jobs", message("hello")).unwrap();
    };
    let (received, ()) = tokio::join!(sqs.receive("jobs", waiting(20)), sender);
    assert_eq!(bodies(&received.unwrap()), ["hello"]);
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_when_a_delay_or_a_visibility_timeout_is_over() {
    let sqs = service_with_jobs();
    let start = Instant::now();
    sqs.send(
        "jobs",
        Outgoing {
            delay: Some(Duration::from_secs(4)),
            ..message("hello")
        },
    )
    .unwrap();
    assert_eq!(sqs.receive("jobs", waiting(20)).await.unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(4));
    pass(20).await;
    assert_eq!(sqs.receive("jobs", waiting(20)).await.unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(34));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_notices_a_message_that_becomes_due_earlier_than_it_was_going_to_look() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("in flight")).unwrap();
    let handle = receive_one(&sqs, "jobs").await.receipt_handle;
    let start = Instant::now();
    let hasten = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sqs.change_visibility("jobs", &handle, Duration::from_secs(2))
            .unwrap();
    };
    let (received, ()) = tokio::join!(sqs.receive("jobs", waiting(20)), hasten);
    assert_eq!(bodies(&received.unwrap()), ["in flight"]);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn each_of_several_long_polls_gets_a_message_of_its_own() {
    let sqs = service_with_jobs();
    let start = Instant::now();
    let sender = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sqs.send("jobs", message("one")).unwrap();
        sqs.send("jobs", message("two")).unwrap();
    };
    let one = Receive {
        max: 1,
        ..waiting(20)
    };
    let (first, second, ()) = tokio::join!(sqs.receive("jobs", one), sqs.receive("jobs", one), sender);
    let mut received = [first.unwrap(), second.unwrap()].concat();
    received.sort_by(|left, right| left.body.cmp(&right.body));
    assert_eq!(bodies(&received), ["one", "two"]);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_that_is_dropped_loses_no_message() {
    let sqs = service_with_jobs();
    let abandoned = tokio::time::timeout(Duration::from_secs(1), sqs.receive("jobs", waiting(20))).await;
    assert!(abandoned.is_err());
    sqs.send("jobs", message("hello")).unwrap();
    assert_eq!(
        receive_one(&sqs, "jobs")
            .await
            .attributes
            .approximate_receive_count,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_a_queue_ends_its_long_polls_even_if_it_is_created_again() {
    let sqs = service_with_jobs();
    let start = Instant::now();
    let body = format!(r#"{{"QueueUrl":"{}"}}"#, sqs.queue_url("jobs"));
    let delete = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(sqs.handle("DeleteQueue", body.as_bytes()).await.status, 200);
        sqs.create_queue("jobs", QueueAttributes::default()).unwrap();
    };
    let (received, ()) = tokio::join!(sqs.receive("jobs", waiting(20)), delete);
    assert_eq!(
        received,
        Err(SqsError::QueueDoesNotExist {
            queue: "jobs".to_owned()
        })
    );
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_received_too_often_moves_at_the_next_receive() {
    let sqs = service_with_dead_letters();
    let attributes = BTreeMap::from([("tenant".to_owned(), MessageAttribute::string("acme"))]);
    let sent = sqs
        .send(
            "jobs",
            Outgoing {
                attributes: attributes.clone(),
                ..message("poison")
            },
        )
        .unwrap();
    for _ in 0..2 {
        receive_one(&sqs, "jobs").await;
        pass(30).await;
    }
    assert_eq!(sqs.counts("jobs").unwrap().visible, 1, "nothing moves by itself");

    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);

    assert_eq!(sqs.counts("jobs"), Some(Counts::default()));
    let received = receive_one(&sqs, "jobs-dlq").await;
    assert_eq!(received.message_id, sent.message_id);
    assert_eq!(received.body, "poison");
    assert_eq!(received.message_attributes, attributes);
    assert_eq!(received.attributes.sent_timestamp_ms, START_S * 1000);
    assert_eq!(received.attributes.approximate_receive_count, 3);
    assert_eq!(
        received.attributes.dead_letter_queue_source_arn,
        Some(sqs.queue_arn("jobs"))
    );
    assert_eq!(sqs.totals().dead_lettered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_receive_hands_out_what_stands_behind_a_message_that_moves() {
    let sqs = service_with_dead_letters();
    sqs.send("jobs", message("poison")).unwrap();
    for _ in 0..2 {
        receive_one(&sqs, "jobs").await;
        pass(30).await;
    }
    sqs.send("jobs", message("good")).unwrap();
    assert_eq!(bodies(&sqs.receive("jobs", ONE).await.unwrap()), ["good"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_moves_ends_a_long_poll_on_the_dead_letter_queue() {
    let sqs = service_with_dead_letters();
    sqs.send("jobs", message("poison")).unwrap();
    let give_up = async {
        for _ in 0..3 {
            sqs.receive("jobs", ONE).await.unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    };
    let start = Instant::now();
    let dead_letters = async {
        let mut received = Vec::new();
        while received.is_empty() {
            received = sqs.receive("jobs-dlq", waiting(20)).await.unwrap();
        }
        (bodies(&received) == ["poison"], start.elapsed())
    };
    let ((is_poison, elapsed), ()) = tokio::join!(dead_letters, give_up);
    assert!(is_poison);
    assert_eq!(elapsed, Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_with_a_policy_of_its_own_counts_anew() {
    let sqs = service();
    sqs.create_queue("last", QueueAttributes::default()).unwrap();
    let redrive = |target: &str| QueueAttributes {
        redrive: Some(RedrivePolicy {
            dead_letter_queue: target.to_owned(),
            max_receive_count: 1,
        }),
        ..QueueAttributes::default()
    };
    sqs.create_queue("second", redrive("last")).unwrap();
    sqs.create_queue("first", redrive("second")).unwrap();
    sqs.send("first", message("poison")).unwrap();
    receive_one(&sqs, "first").await;
    pass(30).await;
    assert_eq!(sqs.receive("first", TEN).await.unwrap(), []);
    assert_eq!(
        receive_one(&sqs, "second")
            .await
            .attributes
            .approximate_receive_count,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_expires_at_the_end_of_its_retention_in_whatever_state() {
    let sqs = service();
    let attributes = QueueAttributes {
        retention: Duration::from_mins(1),
        ..QueueAttributes::default()
    };
    sqs.create_queue("jobs", attributes).unwrap();
    sqs.send("jobs", message("in flight")).unwrap();
    sqs.receive(
        "jobs",
        Receive {
            visibility: Some(Duration::from_hours(1)),
            ..ONE
        },
    )
    .await
    .unwrap();
    sqs.send("jobs", message("visible")).unwrap();
    sqs.send(
        "jobs",
        Outgoing {
            delay: Some(Duration::from_mins(5)),
            ..message("delayed")
        },
    )
    .unwrap();
    pass(59).await;
    assert_eq!(
        sqs.counts("jobs"),
        Some(Counts {
            visible: 1,
            in_flight: 1,
            delayed: 1
        })
    );
    pass(1).await;
    assert_eq!(sqs.counts("jobs"), Some(Counts::default()));
    assert_eq!(sqs.totals().expired, 3);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_message_counts_from_its_first_queue_when_it_is_a_dead_letter() {
    let sqs = service_with_dead_letters();
    sqs.send("jobs", message("poison")).unwrap();
    for _ in 0..2 {
        receive_one(&sqs, "jobs").await;
        pass(2 * 24 * 3600 - 1).await;
    }
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);
    assert_eq!(sqs.counts("jobs-dlq").unwrap().visible, 1);
    pass(2).await;
    assert_eq!(sqs.counts("jobs-dlq"), Some(Counts::default()));
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_messages_in_flight_a_receive_is_refused_and_a_long_poll_waits() {
    let sqs = service_with_jobs();
    for _ in 0..=IN_FLIGHT_LIMIT {
        sqs.send("jobs", message("x")).unwrap();
    }
    let long = Receive {
        visibility: Some(Duration::from_hours(1)),
        ..TEN
    };
    let mut handle = String::new();
    for _ in 0..IN_FLIGHT_LIMIT / 10 {
        handle.clone_from(&sqs.receive("jobs", long).await.unwrap()[0].receipt_handle);
    }
    let refused = sqs.receive("jobs", long).await;
    assert!(
        matches!(
            refused,
            Err(SqsError::OverLimit {
                limit: IN_FLIGHT_LIMIT,
                ..
            })
        ),
        "{refused:?}"
    );

    let start = Instant::now();
    let make_room = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        sqs.delete("jobs", &handle).unwrap();
    };
    let (received, ()) = tokio::join!(sqs.receive("jobs", waiting(20)), make_room);
    assert_eq!(received.unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_receive_out_of_its_limits_is_refused() {
    let sqs = service_with_jobs();
    let requests = [
        Receive { max: 0, ..ONE },
        Receive { max: 11, ..ONE },
        Receive {
            wait: Duration::from_secs(21),
            ..ONE
        },
        Receive {
            visibility: Some(Duration::from_secs(43_201)),
            ..ONE
        },
    ];
    for request in requests {
        let refused = sqs.receive("jobs", request).await;
        assert!(
            matches!(refused, Err(SqsError::InvalidParameterValue { .. })),
            "{request:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_may_have_1_mib_with_its_attributes_and_not_a_byte_more() {
    let sqs = service_with_jobs();
    let attributes = BTreeMap::from([("k".to_owned(), MessageAttribute::string("v"))]);
    let room = MAX_MESSAGE_BYTES - "kStringv".len();
    let fits = Outgoing {
        attributes: attributes.clone(),
        ..message(&"x".repeat(room))
    };
    let too_long = Outgoing {
        attributes,
        ..message(&"x".repeat(room + 1))
    };
    sqs.send("jobs", fits).unwrap();
    assert!(matches!(
        sqs.send("jobs", too_long),
        Err(SqsError::InvalidParameterValue { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_queue_can_have_a_lower_limit_of_size() {
    let sqs = service();
    let attributes = QueueAttributes {
        max_message_bytes: 1024,
        ..QueueAttributes::default()
    };
    sqs.create_queue("jobs", attributes).unwrap();
    sqs.send("jobs", message(&"x".repeat(1024))).unwrap();
    let error = sqs.send("jobs", message(&"x".repeat(1025))).unwrap_err();
    assert!(error.to_string().contains("1024 bytes"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn control_characters_are_refused_in_bodies_and_attributes() {
    let sqs = service_with_jobs();
    sqs.send(
        "jobs",
        message("tab\t, line feed\n, return\r, \u{FFFD}, \u{1F600}"),
    )
    .unwrap();
    for body in ["\u{0}", "a\u{1b}b", "\u{FFFE}", "\u{FFFF}"] {
        let refused = sqs.send("jobs", message(body));
        assert!(
            matches!(refused, Err(SqsError::InvalidMessageContents { .. })),
            "{body:?}: {refused:?}"
        );
    }
    let attributes = BTreeMap::from([("k".to_owned(), MessageAttribute::string("\u{7}"))]);
    let refused = sqs.send(
        "jobs",
        Outgoing {
            attributes,
            ..message("x")
        },
    );
    assert!(matches!(
        refused,
        Err(SqsError::InvalidMessageContents { code_point: 7, .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_refused() {
    let refused = service_with_jobs().send("jobs", message(""));
    assert_eq!(
        refused,
        Err(SqsError::MissingParameter {
            parameter: "MessageBody"
        })
    );
}

#[tokio::test(start_paused = true)]
async fn attributes_must_keep_to_the_rules_for_names_types_values_and_number() {
    let sqs = service_with_jobs();
    let number = |text: &str| MessageAttribute {
        data_type: "Number".to_owned(),
        string_value: Some(text.to_owned()),
        binary_value: None,
    };
    let typed = |data_type: &str| MessageAttribute {
        data_type: data_type.to_owned(),
        ..number("1")
    };
    let send = |name: &str, attribute: MessageAttribute| {
        let attributes = BTreeMap::from([(name.to_owned(), attribute)]);
        sqs.send(
            "jobs",
            Outgoing {
                attributes,
                ..message("x")
            },
        )
    };
    for (name, attribute) in [
        ("a-b_c.D1", typed("String.label")),
        ("n", number("-1.5e3")),
        ("b", MessageAttribute::binary([0, 255])),
    ] {
        assert!(send(name, attribute).is_ok(), "{name}");
    }
    for name in [
        "",
        ".a",
        "a.",
        "a..b",
        "a b",
        "AWS.a",
        "amazon.a",
        "ä",
        &"x".repeat(257),
    ] {
        assert!(send(name, typed("String")).is_err(), "{name}");
    }
    for attribute in [
        typed(""),
        typed("string"),
        typed("Integer"),
        typed("Binary"),
        number("one"),
        number(""),
    ] {
        assert!(send("a", attribute.clone()).is_err(), "{attribute:?}");
    }
    let many = |count: usize| {
        (0..count)
            .map(|number| (format!("a{number}"), typed("String")))
            .collect()
    };
    assert!(
        sqs.send(
            "jobs",
            Outgoing {
                attributes: many(10),
                ..message("x")
            }
        )
        .is_ok()
    );
    assert!(
        sqs.send(
            "jobs",
            Outgoing {
                attributes: many(11),
                ..message("x")
            }
        )
        .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn creating_a_queue_again_is_fine_with_the_same_attributes_and_refused_with_others() {
    let sqs = service_with_jobs();
    sqs.create_queue("jobs", QueueAttributes::default()).unwrap();
    let other = QueueAttributes {
        visibility_timeout: Duration::from_secs(31),
        ..QueueAttributes::default()
    };
    let refused = sqs.create_queue("jobs", other);
    let expected = SqsError::QueueNameExists {
        queue: "jobs".to_owned(),
        attribute: "VisibilityTimeout",
    };
    assert_eq!(refused, Err(expected));
}

#[tokio::test(start_paused = true)]
async fn queue_names_are_checked_and_fifo_is_refused_by_name() {
    let sqs = service();
    sqs.create_queue(&"x".repeat(80), QueueAttributes::default())
        .unwrap();
    for name in ["", "a b", "a/b", "a.b", &"x".repeat(81)] {
        let refused = sqs.create_queue(name, QueueAttributes::default());
        assert!(
            matches!(refused, Err(SqsError::InvalidParameterValue { .. })),
            "{name}"
        );
    }
    let error = sqs
        .create_queue("jobs.fifo", QueueAttributes::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("Only standard queues are supported"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn queue_attributes_out_of_their_limits_are_refused() {
    let sqs = service();
    let good = QueueAttributes::default();
    let second = Duration::from_secs(1);
    let bad = [
        QueueAttributes {
            delay: Duration::from_mins(15) + second,
            ..good.clone()
        },
        QueueAttributes {
            visibility_timeout: Duration::from_hours(12) + second,
            ..good.clone()
        },
        QueueAttributes {
            retention: Duration::from_secs(59),
            ..good.clone()
        },
        QueueAttributes {
            retention: Duration::from_hours(14 * 24) + second,
            ..good.clone()
        },
        QueueAttributes {
            receive_wait: Duration::from_secs(21),
            ..good.clone()
        },
        QueueAttributes {
            max_message_bytes: 1023,
            ..good.clone()
        },
        QueueAttributes {
            max_message_bytes: 1024 * 1024 + 1,
            ..good
        },
    ];
    for attributes in bad {
        let refused = sqs.create_queue("jobs", attributes);
        assert!(
            matches!(refused, Err(SqsError::InvalidAttributeValue { .. })),
            "{refused:?}"
        );
    }
    assert!(sqs.queue_names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_must_exist_and_be_another_queue() {
    let sqs = service_with_jobs();
    let redrive = |target: &str, max_receive_count| QueueAttributes {
        redrive: Some(RedrivePolicy {
            dead_letter_queue: target.to_owned(),
            max_receive_count,
        }),
        ..QueueAttributes::default()
    };
    assert!(sqs.create_queue("more", redrive("nowhere", 3)).is_err());
    assert!(sqs.create_queue("more", redrive("more", 3)).is_err());
    assert!(sqs.create_queue("more", redrive("jobs", 0)).is_err());
    assert!(sqs.create_queue("more", redrive("jobs", 1001)).is_err());
    sqs.create_queue("more", redrive("jobs", 1000)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_on_a_queue_that_is_not_there_are_refused() {
    let sqs = service();
    let expected = SqsError::QueueDoesNotExist {
        queue: "nowhere".to_owned(),
    };
    assert_eq!(sqs.send("nowhere", message("x")), Err(expected.clone()));
    assert_eq!(sqs.receive("nowhere", waiting(20)).await, Err(expected.clone()));
    assert_eq!(sqs.delete("nowhere", "handle"), Err(expected));
}

#[tokio::test(start_paused = true)]
async fn totals_count_messages_requests_and_units_of_64_kib() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message(&"x".repeat(64 * 1024))).unwrap();
    sqs.send("jobs", message(&"x".repeat(64 * 1024 + 1))).unwrap();
    let received = sqs.receive("jobs", TEN).await.unwrap();
    assert_eq!(sqs.receive("jobs", waiting(20)).await.unwrap(), []);
    for message in &received {
        sqs.delete("jobs", &message.receipt_handle).unwrap();
    }
    assert!(sqs.send("nowhere", message("x")).is_err());

    let totals = sqs.totals();

    assert_eq!(
        (
            totals.sends,
            totals.receives,
            totals.deletes,
            totals.empty_receives
        ),
        (2, 2, 2, 1)
    );
    let requests = BTreeMap::from([
        (Operation::CreateQueue, 1),
        (Operation::SendMessage, 3),
        (Operation::ReceiveMessage, 2),
        (Operation::DeleteMessage, 2),
    ]);
    assert_eq!(totals.requests, requests);
    // Creation 1, sends 1 + 2 and 1 refused, receives 3 (128 KiB and a byte) and 1 empty, deletes 2.
    assert_eq!(totals.billing_units, 1 + 1 + 2 + 1 + 3 + 1 + 2);
    assert_eq!(totals.all_requests(), 8);
}

#[tokio::test(start_paused = true)]
async fn names_urls_and_arns_are_those_of_the_settings() {
    let sqs = service_with_jobs();
    sqs.create_queue("a", QueueAttributes::default()).unwrap();
    assert_eq!(sqs.queue_names(), ["a", "jobs"]);
    assert_eq!(sqs.queue_url("jobs"), "http://127.0.0.1:4566/123456789012/jobs");
    assert_eq!(
        sqs.queue_arn("jobs"),
        "arn:aws:sqs:eu-central-1:123456789012:jobs"
    );
}

#[test]
fn threads_that_send_and_receive_at_once_lose_and_double_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let sqs = service_with_jobs();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sqs = sqs.clone();
            scope.spawn(move || {
                for number in 0..500 {
                    sqs.send("jobs", message(&format!("{thread}/{number}"))).unwrap();
                }
            });
        }
    });
    let mut seen = std::collections::BTreeSet::new();
    runtime.block_on(async {
        while seen.len() < 2000 {
            let received = sqs.receive("jobs", TEN).await.unwrap();
            assert!(!received.is_empty());
            for message in received {
                sqs.delete("jobs", &message.receipt_handle).unwrap();
                assert!(seen.insert(message.body));
            }
        }
    });
    assert_eq!(sqs.counts("jobs"), Some(Counts::default()));
}

#[tokio::test(start_paused = true)]
async fn time_that_passed_without_the_timers_counts_for_delays_visibility_and_retention() {
    let sqs = service_with_jobs();
    let delayed = Outgoing {
        delay: Some(Duration::from_mins(15)),
        ..message("delayed")
    };
    sqs.send("jobs", message("in flight")).unwrap();
    receive_one(&sqs, "jobs").await;
    sqs.send("jobs", delayed).unwrap();
    // A long poll that waits meanwhile hears of it.
    let polling = tokio::spawn({
        let sqs = sqs.clone();
        async move { sqs.receive("jobs", waiting(20)).await }
    });
    pass(1).await;
    let before = Instant::now();
    sqs.skip(Duration::from_hours(1));
    let received = polling.await.unwrap().unwrap();
    assert_eq!(bodies(&received), ["in flight", "delayed"]);
    assert_eq!(before.elapsed(), Duration::ZERO);

    // Timers go on from there: 30 seconds of visibility are 30 seconds.
    pass(29).await;
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);
    assert_eq!(sqs.receive("jobs", waiting(2)).await.unwrap().len(), 2);
    sqs.skip(Duration::from_hours(24 * 5));
    assert_eq!(sqs.counts("jobs"), Some(Counts::default()));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_queue_hears_when_it_is_made() {
    let sqs = service();
    let waiting = tokio::spawn({
        let sqs = sqs.clone();
        async move { sqs.until_exists("jobs").await }
    });
    pass(3_600).await;
    assert!(!waiting.is_finished());
    sqs.create_queue("jobs", QueueAttributes::default()).unwrap();
    waiting.await.unwrap();
    sqs.until_exists("jobs").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_only_looks_sees_all_messages_and_takes_none() {
    let sqs = service_with_jobs();
    sqs.create_queue("later", QueueAttributes::default()).unwrap();
    let delayed = |minutes| Outgoing {
        delay: Some(Duration::from_mins(minutes)),
        ..message("delayed")
    };
    sqs.send("jobs", message("in flight")).unwrap();
    receive_one(&sqs, "jobs").await;
    let visible = sqs.send("jobs", message("visible")).unwrap();
    sqs.send("jobs", delayed(15)).unwrap();
    assert_eq!(
        sqs.next_delayed(),
        Some(("jobs".to_owned(), Duration::from_mins(15)))
    );
    sqs.send("later", delayed(10)).unwrap();
    pass(10).await;
    let seen = sqs.look_at("jobs");
    let shown: Vec<_> = seen
        .iter()
        .map(|seen| (seen.body.as_str(), seen.hidden_for.map(|hidden| hidden.as_secs())))
        .collect();
    assert_eq!(
        shown,
        [("in flight", Some(20)), ("visible", None), ("delayed", Some(890))]
    );
    assert_eq!(seen, sqs.look_at("jobs"));
    assert_eq!(
        sqs.next_delayed(),
        Some(("later".to_owned(), Duration::from_secs(590)))
    );
    assert!(sqs.take_out("jobs", &visible.message_id));
    assert!(!sqs.take_out("jobs", &visible.message_id));
    assert_eq!(sqs.receive("jobs", TEN).await.unwrap(), []);
    sqs.purge_all();
    assert_eq!((sqs.look_at("jobs"), sqs.next_delayed()), (vec![], None));
    assert_eq!(sqs.look_at("nothing"), []);
}

#[tokio::test(start_paused = true)]
async fn it_is_known_when_the_first_hidden_message_of_a_queue_can_be_received() {
    let sqs = service_with_jobs();
    assert_eq!(
        (sqs.next_visible("jobs"), sqs.next_visible("nothing")),
        (None, None)
    );
    let delayed = Outgoing {
        delay: Some(Duration::from_mins(15)),
        ..message("delayed")
    };
    sqs.send("jobs", delayed).unwrap();
    assert_eq!(sqs.next_visible("jobs"), Some(Duration::from_mins(15)));
    sqs.send("jobs", message("in flight")).unwrap();
    assert_eq!(
        sqs.next_visible("jobs"),
        Some(Duration::from_mins(15)),
        "what is visible is not hidden"
    );
    receive_one(&sqs, "jobs").await;
    assert_eq!(sqs.next_visible("jobs"), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn who_notes_what_is_handed_out_knows_of_each_message_before_it_is_seen_in_flight() {
    let (sqs, noted) = (service_with_jobs(), Arc::new(AtomicUsize::new(0)));
    let looking = tokio::task::spawn_blocking({
        let (sqs, noted) = (sqs.clone(), noted.clone());
        move || {
            while noted.load(Ordering::SeqCst) < 500 {
                // First what is in flight: more may be handed out before the other is asked.
                let in_flight = sqs.counts("jobs").unwrap().in_flight;
                let known = noted.load(Ordering::SeqCst);
                assert!(
                    in_flight <= known,
                    "{in_flight} are in flight, and {known} are known of"
                );
            }
        }
    });
    for _ in 0..500 {
        sqs.send("jobs", message("a")).unwrap();
        let note = |messages| {
            noted.fetch_add(messages, Ordering::SeqCst);
        };
        let received = sqs.receive_noting("jobs", TEN, note).await.unwrap();
        assert_eq!(received.len(), 1);
    }
    looking.await.unwrap();
}
