//! How a standard queue delivers, through the typed API, on a clock that stands still unless moved.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use embedded_sqs::{Counts, MessageAttribute, Operation, Outgoing, QueueAttributes, Receive, Sqs, SqsError};
use support::{ONE, START_S, TEN, bodies, message, pass, receive_one, service, service_with_jobs, waiting};
use tokio::time::Instant;

mod support;

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

/// AWS accepts it, as recordings of it show; the message stays as visible as it is.
#[tokio::test(start_paused = true)]
async fn changing_the_visibility_timeout_of_a_message_whose_timeout_has_passed_is_accepted_and_hides_nothing()
{
    let sqs = service_with_jobs();
    sqs.send("jobs", message("hello")).unwrap();
    let received = receive_one(&sqs, "jobs").await;
    pass(30).await;
    let changed = sqs.change_visibility("jobs", &received.receipt_handle, Duration::from_secs(20));
    assert_eq!(changed, Ok(()));
    let again = receive_one(&sqs, "jobs").await;
    assert_eq!(again.message_id, received.message_id);
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
