//! The rules of a standard queue, through the typed API, on a clock that stands still unless moved.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use embedded_sqs::{
    Counts, IN_FLIGHT_LIMIT, MAX_MESSAGE_BYTES, MessageAttribute, Operation, Outgoing, QueueAttributes,
    Receive, RedrivePolicy, SqsError,
};
use support::{
    ONE, START_S, TEN, bodies, message, pass, receive_one, service, service_with_dead_letters,
    service_with_jobs, waiting,
};
use tokio::time::Instant;

mod support;

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
    // AWS tells contents from parameters, which an attribute's value is.
    assert!(
        matches!(&refused, Err(SqsError::InvalidParameterValue { reason, .. }) if reason.contains("#x7")),
        "{refused:?}"
    );
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
