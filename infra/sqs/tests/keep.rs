//! What queues hold is there again in another process, if somebody keeps it.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use embedded_sqs::{Counts, KeptChange, MessageAttribute, Outgoing, QueueAttributes, Receive, Sqs};
use serde_json::{Value, json};
use support::json::{delete_queue, move_tasks, ok, refused};
use support::{create_jobs_with_dead_letters, message, pass, service_since};
use tokio::time::Instant;

mod support;

/// Somebody who keeps it.
struct Keeper {
    texts: BTreeMap<&'static str, HashMap<String, String>>,
    began: Instant,
}

impl Keeper {
    fn note(&mut self, sqs: &Sqs) -> Vec<KeptChange> {
        let (changes, ()) = sqs.take_changes(|| ());
        for KeptChange {
            collection,
            key,
            text,
        } in changes.clone()
        {
            let entries = self.texts.entry(collection).or_default();
            match text {
                Some(text) => entries.insert(key, text),
                None => Some(entries.remove(&key).expect("only what was told of is gone")),
            };
        }
        changes
    }

    /// Queues in another process.
    fn another(&self) -> Sqs {
        let sqs = service_since(self.began);
        let entries = |texts: &HashMap<String, String>| texts.clone().into_iter().collect();
        let kept = self
            .texts
            .iter()
            .map(|(name, texts)| (*name, entries(texts)))
            .collect();
        sqs.keep(&kept, || {}).unwrap();
        sqs
    }
}

fn kept() -> (Sqs, Keeper) {
    let began = Instant::now();
    let sqs = service_since(began);
    sqs.keep(&BTreeMap::new(), || {}).unwrap();
    create_jobs_with_dead_letters(&sqs);
    let texts = BTreeMap::new();
    (sqs, Keeper { texts, began })
}

fn for_seconds(visibility: u64) -> Receive {
    Receive {
        visibility: Some(Duration::from_secs(visibility)),
        ..Receive::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_where_it_was_with_all_that_was_known_of_it() {
    let (sqs, mut keeper) = kept();
    sqs.send("jobs", message("dead")).unwrap();
    for _ in 0..3 {
        sqs.receive("jobs", for_seconds(0)).await.unwrap();
    }
    sqs.send("jobs", message("in flight")).unwrap();
    let in_flight = sqs.receive("jobs", for_seconds(100)).await.unwrap();
    let attributes = BTreeMap::from([
        ("tenant".to_owned(), MessageAttribute::string("acme")),
        ("raw".to_owned(), MessageAttribute::binary([0, 255])),
    ]);
    let waits = Outgoing {
        attributes: attributes.clone(),
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ..message("waits\nfor \"long\" \u{1F600}")
    };
    let sent = sqs.send("jobs", waits.clone()).unwrap();
    let delayed = Outgoing {
        delay: Some(Duration::from_mins(1)),
        ..message("delayed")
    };
    sqs.send("jobs", delayed).unwrap();
    keeper.note(&sqs);

    pass(10).await;
    let sqs = keeper.another();
    let counts = Counts {
        visible: 1,
        in_flight: 1,
        delayed: 1,
    };
    assert_eq!(sqs.counts("jobs"), Some(counts));
    let received = sqs.receive("jobs", for_seconds(1_000)).await.unwrap();
    let [received] = received.as_slice() else {
        panic!("one: {received:?}")
    };
    assert_eq!(
        (&received.body, &received.message_id),
        (&waits.body, &sent.message_id)
    );
    assert_eq!(received.message_attributes, attributes);
    assert_eq!(received.md5_of_message_attributes, sent.md5_of_message_attributes);
    assert_eq!(received.attributes.aws_trace_header, waits.trace_header);

    pass(50).await;
    let received = sqs.receive("jobs", for_seconds(1_000)).await.unwrap();
    assert_eq!(received[0].body, "delayed");
    pass(39).await;
    assert!(sqs.receive("jobs", Receive::default()).await.unwrap().is_empty());
    pass(1).await;
    let received = sqs.receive("jobs", Receive::default()).await.unwrap();
    assert_eq!(received[0].body, "in flight");
    assert_eq!(received[0].attributes.approximate_receive_count, 2);
    assert_eq!(
        received[0].attributes.approximate_first_receive_timestamp_ms,
        in_flight[0].attributes.approximate_first_receive_timestamp_ms
    );
    sqs.delete("jobs", &in_flight[0].receipt_handle).unwrap();
    assert_eq!(
        sqs.look_at("jobs").len(),
        2,
        "a handle of the process before is as good"
    );

    let dead = sqs.receive("jobs-dlq", Receive::default()).await.unwrap();
    assert_eq!(dead[0].body, "dead");
    let source = dead[0].attributes.dead_letter_queue_source_arn.as_deref();
    assert_eq!(source, Some(sqs.queue_arn("jobs").as_str()));
}

#[tokio::test(start_paused = true)]
async fn numbers_of_messages_go_on_so_that_none_takes_the_place_of_another() {
    let (sqs, mut keeper) = kept();
    sqs.send("jobs", message("first")).unwrap();
    keeper.note(&sqs);
    let sqs = keeper.another();
    sqs.send("jobs", message("second")).unwrap();
    keeper.note(&sqs);
    let bodies: Vec<_> = keeper
        .another()
        .look_at("jobs")
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    assert_eq!(bodies, ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_and_goes_between_two_questions_is_not_told_of() {
    let (sqs, mut keeper) = kept();
    keeper.note(&sqs);
    sqs.send("jobs", message("short")).unwrap();
    let received = sqs.receive("jobs", Receive::default()).await.unwrap();
    sqs.delete("jobs", &received[0].receipt_handle).unwrap();
    assert_eq!(keeper.note(&sqs), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_purged_deleted_or_expires_is_gone_there_too() {
    let (sqs, mut keeper) = kept();
    sqs.create_queue("other", QueueAttributes::default()).unwrap();
    for queue in ["jobs", "jobs-dlq", "other"] {
        sqs.send(queue, message("gone")).unwrap();
    }
    keeper.note(&sqs);
    sqs.handle("DeleteQueue", br#"{"QueueUrl": "http://host/0/other"}"#)
        .await;
    sqs.handle("PurgeQueue", br#"{"QueueUrl": "http://host/0/jobs"}"#)
        .await;
    pass(4 * 24 * 3600 + 1).await;
    assert_eq!(sqs.counts("jobs-dlq"), Some(Counts::default()));
    keeper.note(&sqs);
    let [queues, messages, places] = Sqs::COLLECTIONS.map(|name| keeper.texts[name].len());
    assert_eq!((queues, messages, places), (2, 0, 0));
    assert_eq!(keeper.another().queue_names(), ["jobs", "jobs-dlq"]);
}

#[tokio::test(start_paused = true)]
async fn settings_and_tags_of_a_queue_are_kept_as_they_are_changed() {
    let (sqs, mut keeper) = kept();
    let before = "http://127.0.0.1/0/jobs";
    let requests = [
        (
            "TagQueue",
            format!(r#"{{"QueueUrl": "{before}", "Tags": {{"team": "blue", "cost": "1"}}}}"#),
        ),
        (
            "UntagQueue",
            format!(r#"{{"QueueUrl": "{before}", "TagKeys": ["cost"]}}"#),
        ),
        (
            "SetQueueAttributes",
            format!(
                r#"{{"QueueUrl": "{before}", "Attributes": {{"VisibilityTimeout": "77", "Policy": "{{}}"}}}}"#
            ),
        ),
    ];
    for (operation, request) in &requests {
        keeper.note(&sqs);
        assert_eq!(sqs.handle(operation, request.as_bytes()).await.status, 200);
    }
    keeper.note(&sqs);
    let another = keeper.another();
    for (operation, more) in [
        ("ListQueueTags", ""),
        ("GetQueueAttributes", r#", "AttributeNames": ["All"]"#),
    ] {
        let request = format!(r#"{{"QueueUrl": "{before}"{more}}}"#);
        let [was, is] = [&sqs, &another].map(|sqs| sqs.handle(operation, request.as_bytes()));
        assert_eq!(was.await.body, is.await.body, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_none_of_its_own_is_named() {
    let (sqs, mut keeper) = kept();
    sqs.send("jobs", message("one")).unwrap();
    keeper.note(&sqs);
    for collection in Sqs::COLLECTIONS {
        let mut kept: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, texts) in &keeper.texts {
            let texts = texts.iter().map(|(key, text)| (key.clone(), text.clone()));
            kept.insert(*name, texts.collect());
        }
        kept.get_mut(collection).unwrap()[0].1 = "dear all".to_owned();
        let error = service_since(keeper.began).keep(&kept, || {}).unwrap_err();
        assert_eq!(error.collection, collection, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_process_had_in_hand_when_it_ended_is_given_to_the_next() {
    let (sqs, mut keeper) = kept();
    sqs.send("jobs", message("in hand")).unwrap();
    sqs.receive("jobs", for_seconds(1_000)).await.unwrap();
    keeper.note(&sqs);
    let sqs = keeper.another();
    assert!(sqs.receive("jobs", Receive::default()).await.unwrap().is_empty());
    sqs.release("jobs");
    let received = sqs.receive("jobs", Receive::default()).await.unwrap();
    assert_eq!(received[0].attributes.approximate_receive_count, 2);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_was_there_before_it_is_kept_is_left_out() {
    let began = Instant::now();
    let sqs = service_since(began);
    sqs.create_queue("before", QueueAttributes::default()).unwrap();
    sqs.keep(&BTreeMap::new(), || {}).unwrap();
    sqs.send("before", message("passing")).unwrap();
    let texts = BTreeMap::new();
    assert_eq!(Keeper { texts, began }.note(&sqs), []);
}

/// `jobs-dlq` with five dead letters, and `repair` for them to go to.
fn kept_with_dead_letters() -> (Sqs, Keeper) {
    let (sqs, keeper) = kept();
    sqs.create_queue("repair", QueueAttributes::default()).unwrap();
    for number in 0..5 {
        sqs.send("jobs-dlq", message(&number.to_string())).unwrap();
    }
    (sqs, keeper)
}

/// Begins to move the dead letters to `repair`; the task's handle.
async fn move_to_repair(sqs: &Sqs, messages_a_second: u32) -> Value {
    let request = json!({
        "SourceArn": sqs.queue_arn("jobs-dlq"),
        "DestinationArn": sqs.queue_arn("repair"),
        "MaxNumberOfMessagesPerSecond": messages_a_second,
    });
    ok(sqs, "StartMessageMoveTask", request).await["TaskHandle"].clone()
}

fn bodies(sqs: &Sqs, queue: &str) -> Vec<String> {
    let seen = sqs.look_at(queue).into_iter();
    seen.map(|seen| seen.body).collect()
}

#[tokio::test(start_paused = true)]
async fn a_running_move_task_goes_on_with_its_rate_and_its_counts() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    let handle = move_to_repair(&sqs, 2).await;
    keeper.note(&sqs);
    let another = keeper.another();
    let running = move_tasks(&another).await;
    assert_eq!(running, move_tasks(&sqs).await);
    assert_eq!(
        (&running[0]["Status"], &running[0]["TaskHandle"]),
        (&json!("RUNNING"), &handle)
    );
    let moved = async |sqs: &Sqs| move_tasks(sqs).await[0]["ApproximateNumberOfMessagesMoved"].clone();
    assert_eq!(moved(&another).await, 2);
    pass(1).await;
    assert_eq!(moved(&another).await, 4);
    keeper.note(&another);
    let third = keeper.another();
    pass(1).await;
    let ended = move_tasks(&third).await.remove(0);
    assert_eq!(
        (&ended["Status"], moved(&third).await),
        (&json!("COMPLETED"), json!(5))
    );
    assert_eq!(bodies(&third, "repair"), ["0", "1", "2", "3", "4"]);
    assert_eq!(bodies(&third, "jobs-dlq"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn wherever_a_move_task_is_interrupted_each_message_is_in_one_queue_and_counted() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    move_to_repair(&sqs, 1).await;
    for moved in 1..=5 {
        keeper.note(&sqs);
        let another = keeper.another();
        let task = move_tasks(&another).await.remove(0);
        assert_eq!(task["ApproximateNumberOfMessagesMoved"], moved);
        assert_eq!(bodies(&another, "repair").len(), moved);
        assert_eq!(bodies(&another, "jobs-dlq").len(), 5 - moved);
        pass(1).await;
        move_tasks(&sqs).await;
    }
    // Nothing is kept of the way that there was to go.
    keeper.note(&sqs);
    let [_, messages, places] = Sqs::COLLECTIONS.map(|name| keeper.texts[name].len());
    assert_eq!((messages, places), (5, 5));
}

/// A rate is for the sake of those who receive: they get no hour's share at once because nobody was there for an hour.
#[tokio::test(start_paused = true)]
async fn a_move_task_does_not_make_up_for_the_time_in_which_no_process_was_there() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    move_to_repair(&sqs, 1).await;
    keeper.note(&sqs);
    pass(3600).await;
    let another = keeper.another();
    for moved in 2..=5 {
        assert_eq!(
            move_tasks(&another).await[0]["ApproximateNumberOfMessagesMoved"],
            moved
        );
        pass(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_move_task_can_be_cancelled_by_the_handle_of_the_process_before() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    let handle = move_to_repair(&sqs, 1).await;
    keeper.note(&sqs);
    let another = keeper.another();
    let second = refused(
        &another,
        "StartMessageMoveTask",
        json!({ "SourceArn": another.queue_arn("jobs-dlq") }),
    );
    assert_eq!(second.await, "InvalidParameterValueException", "one at a time");
    let cancelled = ok(&another, "CancelMessageMoveTask", json!({ "TaskHandle": handle })).await;
    assert_eq!(cancelled, json!({ "ApproximateNumberOfMessagesMoved": 1 }));
    keeper.note(&another);
    pass(60).await;
    let third = keeper.another();
    assert_eq!(move_tasks(&third).await[0]["Status"], "CANCELLED");
    assert_eq!(bodies(&third, "jobs-dlq").len(), 4);
    move_to_repair(&third, 500).await;
    assert_eq!(bodies(&third, "jobs-dlq").len(), 0, "another task takes over");
}

#[tokio::test(start_paused = true)]
async fn the_move_tasks_that_ended_are_listed_as_they_were() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    for _ in 0..8 {
        move_to_repair(&sqs, 500).await;
        pass(1).await;
    }
    for body in ["cancelled", "of unknown origin", "fails"] {
        sqs.send("jobs-dlq", message(body)).unwrap();
    }
    let cancelled = move_to_repair(&sqs, 1).await;
    keeper.note(&sqs);
    ok(&sqs, "CancelMessageMoveTask", json!({ "TaskHandle": cancelled })).await;
    pass(1).await;
    // None of the messages has a queue to go back to.
    ok(
        &sqs,
        "StartMessageMoveTask",
        json!({ "SourceArn": sqs.queue_arn("jobs-dlq") }),
    )
    .await;
    pass(1).await;
    move_to_repair(&sqs, 1).await;
    delete_queue(&sqs, "repair").await;
    pass(1).await;
    let ended = move_tasks(&sqs).await;
    let states: Vec<_> = ended
        .iter()
        .map(|task| task["Status"].as_str().unwrap())
        .collect();
    assert_eq!(states[..4], ["FAILED", "FAILED", "CANCELLED", "COMPLETED"]);
    assert_eq!(
        ended[0]["FailureReason"],
        "AWS.SimpleQueueService.NonExistentQueue"
    );
    assert_eq!(ended[1]["FailureReason"], "CouldNotDetermineMessageSource");
    keeper.note(&sqs);
    assert_eq!((move_tasks(&keeper.another()).await, ended.len()), (ended, 10));
}

#[tokio::test(start_paused = true)]
async fn a_move_task_whose_queues_are_gone_ends_as_it_would_have() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    move_to_repair(&sqs, 1).await;
    keeper.note(&sqs);
    delete_queue(&sqs, "repair").await;
    keeper.note(&sqs);
    let another = keeper.another();
    pass(1).await;
    let failed = move_tasks(&another).await.remove(0);
    assert_eq!(failed["FailureReason"], "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(bodies(&another, "jobs-dlq").len(), 4);

    delete_queue(&sqs, "jobs-dlq").await;
    keeper.note(&sqs);
    let another = keeper.another();
    let request = json!({ "SourceArn": another.queue_arn("jobs-dlq") });
    let gone = refused(&another, "ListMessageMoveTasks", request).await;
    assert_eq!(gone, "ResourceNotFoundException");
    another
        .create_queue("jobs-dlq", QueueAttributes::default())
        .unwrap();
    assert!(move_tasks(&another).await.is_empty());
    let [_, messages, places] = Sqs::COLLECTIONS.map(|name| keeper.texts[name].len());
    assert_eq!((messages, places), (0, 0), "nothing is left of the task");
}

#[tokio::test(start_paused = true)]
async fn what_came_after_a_move_task_began_stays_even_if_its_number_was_that_of_another() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    move_to_repair(&sqs, 1).await;
    ok(&sqs, "PurgeQueue", json!({ "QueueUrl": sqs.queue_url("repair") })).await;
    let last = sqs.look_at("jobs-dlq").pop().unwrap();
    assert!(sqs.take_out("jobs-dlq", &last.message_id));
    keeper.note(&sqs);
    let another = keeper.another();
    for _ in 0..2 {
        another.send("jobs-dlq", message("late")).unwrap();
    }
    pass(60).await;
    assert_eq!(
        move_tasks(&another).await[0]["ApproximateNumberOfMessagesMoved"],
        4
    );
    assert_eq!(bodies(&another, "jobs-dlq"), ["late", "late"]);
}

/// As versions wrote it that lost the tasks.
#[tokio::test(start_paused = true)]
async fn a_queue_that_was_kept_without_move_tasks_has_none() {
    let text =
        r#"{"number":1,"created_ms":1800000000000,"modified_ms":1800000000000,"attributes":{},"tags":{}}"#;
    let kept = BTreeMap::from([(
        Sqs::COLLECTIONS[0],
        vec![("jobs-dlq".to_owned(), text.to_owned())],
    )]);
    let sqs = service_since(Instant::now());
    sqs.keep(&kept, || {}).unwrap();
    assert!(move_tasks(&sqs).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_move_task_without_the_messages_that_it_waits_for_is_named() {
    let (sqs, mut keeper) = kept_with_dead_letters();
    move_to_repair(&sqs, 1).await;
    keeper.note(&sqs);
    let kept: BTreeMap<_, Vec<_>> = keeper
        .texts
        .iter()
        .map(|(name, texts)| {
            let texts = texts.iter().map(|(key, text)| (key.clone(), text.clone()));
            (
                *name,
                texts.filter(|(key, _)| !key.starts_with("move-")).collect(),
            )
        })
        .collect();
    let error = service_since(keeper.began).keep(&kept, || {}).unwrap_err();
    assert!(error.to_string().contains("it is not there"), "{error}");
}
