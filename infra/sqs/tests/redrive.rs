//! Dead letters: who may give theirs to a queue, and the tasks that bring them back.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use embedded_sqs::{Receive, Sqs};
use serde_json::{Value, json};
use support::json::{JOBS, call, delete_queue, move_tasks, ok, receipt_handle, refused};
use support::{START_S, message, pass, service, service_with_jobs};

mod support;

/// `jobs`, with one message that `jobs` gave up and one that was sent to `jobs-dlq` itself.
async fn service_with_dead_letters() -> Sqs {
    let sqs = service();
    ok(&sqs, "CreateQueue", json!({ "QueueName": "jobs-dlq" })).await;
    let policy = json!({ "deadLetterTargetArn": sqs.queue_arn("jobs-dlq"), "maxReceiveCount": 1 });
    let attributes = json!({ "RedrivePolicy": policy.to_string() });
    ok(
        &sqs,
        "CreateQueue",
        json!({ "QueueName": "jobs", "Attributes": attributes }),
    )
    .await;
    ok(
        &sqs,
        "SendMessage",
        json!({ "QueueUrl": JOBS, "MessageBody": "given up" }),
    )
    .await;
    receipt_handle(&sqs).await;
    pass(30).await;
    assert_eq!(
        ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": JOBS })).await,
        json!({})
    );
    sqs.send("jobs-dlq", message("sent there")).unwrap();
    sqs
}

#[tokio::test(start_paused = true)]
async fn the_sources_of_a_dead_letter_queue_are_listed() {
    let sqs = service_with_dead_letters().await;
    let request = json!({ "QueueUrl": sqs.queue_url("jobs-dlq") });
    let sources = ok(&sqs, "ListDeadLetterSourceQueues", request).await;
    assert_eq!(sources, json!({ "queueUrls": [JOBS] }));
    let none = ok(&sqs, "ListDeadLetterSourceQueues", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(none, json!({ "queueUrls": [] }));
}

#[tokio::test(start_paused = true)]
async fn a_redrive_brings_messages_back_as_new_ones_and_leaves_those_of_unknown_origin() {
    let sqs = service_with_dead_letters().await;
    let source = sqs.queue_arn("jobs-dlq");
    let started = ok(&sqs, "StartMessageMoveTask", json!({ "SourceArn": source })).await;

    let request = json!({ "QueueUrl": JOBS, "AttributeNames": ["All"] });
    let received = ok(&sqs, "ReceiveMessage", request).await;
    let received = &received["Messages"][0];
    assert_eq!(received["Body"], "given up");
    assert_eq!(received["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(
        received["Attributes"]["SentTimestamp"],
        ((START_S + 30) * 1000).to_string()
    );
    assert_eq!(received["Attributes"].get("DeadLetterQueueSourceArn"), None);
    assert_eq!(sqs.counts("jobs-dlq").unwrap().visible, 1);

    let tasks = ok(&sqs, "ListMessageMoveTasks", json!({ "SourceArn": source })).await;
    let expected = json!({
        "Status": "FAILED",
        "FailureReason": "CouldNotDetermineMessageSource",
        "SourceArn": source,
        "ApproximateNumberOfMessagesMoved": 1,
        "ApproximateNumberOfMessagesToMove": 2,
        "StartedTimestamp": (START_S + 30) * 1000,
    });
    assert_eq!(tasks, json!({ "Results": [expected] }));
    let cancel = json!({ "TaskHandle": started["TaskHandle"] });
    assert_eq!(
        refused(&sqs, "CancelMessageMoveTask", cancel).await,
        "UnsupportedOperation"
    );
}

#[tokio::test(start_paused = true)]
async fn a_redrive_to_a_named_queue_moves_every_visible_message() {
    let sqs = service_with_dead_letters().await;
    ok(&sqs, "CreateQueue", json!({ "QueueName": "repair" })).await;
    let (source, destination) = (sqs.queue_arn("jobs-dlq"), sqs.queue_arn("repair"));
    let request =
        json!({ "SourceArn": source, "DestinationArn": destination, "MaxNumberOfMessagesPerSecond": 50 });
    ok(&sqs, "StartMessageMoveTask", request).await;
    assert_eq!(sqs.counts("repair").unwrap().visible, 2);
    assert_eq!(sqs.counts("jobs-dlq").unwrap().visible, 0);
    let tasks = ok(
        &sqs,
        "ListMessageMoveTasks",
        json!({ "SourceArn": source, "MaxResults": 10 }),
    )
    .await;
    assert_eq!(tasks["Results"][0]["Status"], "COMPLETED");
    assert_eq!(tasks["Results"][0]["DestinationArn"], destination);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_starts_only_from_a_dead_letter_queue_to_another_queue() {
    let sqs = service_with_dead_letters().await;
    let (jobs, dlq, nowhere) = (
        sqs.queue_arn("jobs"),
        sqs.queue_arn("jobs-dlq"),
        sqs.queue_arn("nowhere"),
    );
    for (request, error) in [
        (json!({ "SourceArn": jobs }), "InvalidParameterValueException"),
        (
            json!({ "SourceArn": dlq, "DestinationArn": dlq }),
            "InvalidParameterValueException",
        ),
        (
            json!({ "SourceArn": dlq, "MaxNumberOfMessagesPerSecond": 501 }),
            "InvalidParameterValueException",
        ),
        (json!({ "SourceArn": nowhere }), "ResourceNotFoundException"),
        (
            json!({ "SourceArn": "jobs-dlq" }),
            "InvalidParameterValueException",
        ),
        (
            json!({ "SourceArn": dlq, "DestinationArn": nowhere }),
            "ResourceNotFoundException",
        ),
    ] {
        assert_eq!(refused(&sqs, "StartMessageMoveTask", request).await, error);
    }
}

/// `jobs-dlq` with so many dead letters of `jobs`, and `repair` for them to go to.
async fn service_with(dead_letters: usize) -> Sqs {
    let sqs = service_with_dead_letters().await;
    ok(
        &sqs,
        "PurgeQueue",
        json!({ "QueueUrl": sqs.queue_url("jobs-dlq") }),
    )
    .await;
    ok(&sqs, "CreateQueue", json!({ "QueueName": "repair" })).await;
    for number in 0..dead_letters {
        sqs.send("jobs-dlq", message(&number.to_string())).unwrap();
    }
    sqs
}

async fn start(sqs: &Sqs, messages_a_second: u32) -> String {
    let request = json!({
        "SourceArn": sqs.queue_arn("jobs-dlq"),
        "DestinationArn": sqs.queue_arn("repair"),
        "MaxNumberOfMessagesPerSecond": messages_a_second,
    });
    let started = ok(sqs, "StartMessageMoveTask", request).await;
    started["TaskHandle"].as_str().unwrap().to_owned()
}

fn visible(sqs: &Sqs, queue: &str) -> usize {
    sqs.counts(queue).unwrap().visible
}

#[tokio::test(start_paused = true)]
async fn a_move_task_keeps_to_its_rate_and_tells_how_far_it_is() {
    let sqs = service_with(5).await;
    let handle = start(&sqs, 2).await;
    assert_eq!(visible(&sqs, "repair"), 2, "the first messages go at once");
    pass(1).await;
    let running = move_tasks(&sqs).await.remove(0);
    assert_eq!(running["Status"], "RUNNING");
    assert_eq!(running["TaskHandle"], handle);
    assert_eq!(running["MaxNumberOfMessagesPerSecond"], 2);
    assert_eq!(running["ApproximateNumberOfMessagesMoved"], 4);
    assert_eq!(running["ApproximateNumberOfMessagesToMove"], 5);
    assert_eq!((visible(&sqs, "repair"), visible(&sqs, "jobs-dlq")), (4, 1));
    pass(1).await;
    let ended = move_tasks(&sqs).await.remove(0);
    assert_eq!(ended["Status"], "COMPLETED");
    assert_eq!(
        ended.get("TaskHandle"),
        None,
        "there is nothing to cancel any more"
    );
    assert_eq!((visible(&sqs, "repair"), visible(&sqs, "jobs-dlq")), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_task_moves_ends_a_long_poll_on_the_queue_that_it_goes_to() {
    let sqs = service_with(2).await;
    start(&sqs, 1).await;
    let receive = Receive {
        wait: Duration::from_secs(20),
        ..Receive::default()
    };
    let begun = tokio::time::Instant::now();
    for expected in ["0", "1"] {
        let received = sqs.receive("repair", receive).await.unwrap();
        assert_eq!(received[0].body, expected, "the oldest goes first");
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_a_consumer_took_or_sent_after_a_task_began_is_not_moved() {
    let sqs = service_with(3).await;
    start(&sqs, 1).await;
    let taken = sqs.receive("jobs-dlq", Receive::default()).await.unwrap();
    assert_eq!(taken[0].body, "1");
    sqs.send("jobs-dlq", message("late")).unwrap();
    pass(10).await;
    assert_eq!((visible(&sqs, "repair"), visible(&sqs, "jobs-dlq")), (2, 1));
    let ended = move_tasks(&sqs).await.remove(0);
    assert_eq!(ended["Status"], "COMPLETED");
    assert_eq!(ended["ApproximateNumberOfMessagesMoved"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_running_move_task_can_be_cancelled_and_leaves_what_it_has_not_moved() {
    let sqs = service_with(10).await;
    let handle = start(&sqs, 1).await;
    pass(2).await;
    let cancelled = ok(&sqs, "CancelMessageMoveTask", json!({ "TaskHandle": handle })).await;
    assert_eq!(cancelled, json!({ "ApproximateNumberOfMessagesMoved": 3 }));
    pass(60).await;
    assert_eq!((visible(&sqs, "repair"), visible(&sqs, "jobs-dlq")), (3, 7));
    let task = move_tasks(&sqs).await.remove(0);
    assert_eq!(
        (&task["Status"], task.get("TaskHandle")),
        (&json!("CANCELLED"), None)
    );
    let again = refused(&sqs, "CancelMessageMoveTask", json!({ "TaskHandle": handle })).await;
    assert_eq!(again, "UnsupportedOperation");
    start(&sqs, 500).await;
    assert_eq!(visible(&sqs, "jobs-dlq"), 0, "another task takes over");
}

#[tokio::test(start_paused = true)]
async fn a_source_has_one_move_task_at_a_time_and_remembers_ten_the_latest_first() {
    let sqs = service_with(2).await;
    start(&sqs, 1).await;
    let request = json!({ "SourceArn": sqs.queue_arn("jobs-dlq") });
    let second = refused(&sqs, "StartMessageMoveTask", request.clone()).await;
    assert_eq!(second, "InvalidParameterValueException");
    pass(1).await;
    for _ in 0..11 {
        pass(1).await;
        ok(&sqs, "StartMessageMoveTask", request.clone()).await;
    }
    let started: Vec<_> = move_tasks(&sqs)
        .await
        .iter()
        .map(|task| task["StartedTimestamp"].clone())
        .collect();
    assert_eq!(started.len(), 10);
    assert!(
        started.is_sorted_by_key(|at| std::cmp::Reverse(at.as_u64())),
        "{started:?}"
    );
    let latest = ok(&sqs, "ListMessageMoveTasks", request).await;
    assert_eq!(
        latest["Results"].as_array().unwrap().len(),
        1,
        "one, unless more are asked for"
    );
    for most in [0, 11] {
        let request = json!({ "SourceArn": sqs.queue_arn("jobs-dlq"), "MaxResults": most });
        let error = refused(&sqs, "ListMessageMoveTasks", request).await;
        assert_eq!(error, "InvalidParameterValueException");
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_task_whose_destination_is_deleted_fails_and_leaves_the_rest() {
    let sqs = service_with(3).await;
    start(&sqs, 1).await;
    delete_queue(&sqs, "repair").await;
    pass(1).await;
    let task = move_tasks(&sqs).await.remove(0);
    assert_eq!(task["Status"], "FAILED");
    assert_eq!(task["FailureReason"], "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(visible(&sqs, "jobs-dlq"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_handle_is_refused_by_what_is_wrong_with_it() {
    let sqs = service_with(1).await;
    let handle = start(&sqs, 1).await;
    let decoded: Value = serde_json::from_slice(&BASE64.decode(handle).unwrap()).unwrap();
    assert_eq!(decoded["sourceArn"], sqs.queue_arn("jobs-dlq"));
    let encoded = |handle: Value| BASE64.encode(handle.to_string());
    let (known, unknown) = (sqs.queue_arn("jobs-dlq"), sqs.queue_arn("nowhere"));
    for (handle, error) in [
        ("nonsense".to_owned(), "InvalidParameterValueException"),
        (
            encoded(json!({ "taskId": "x" })),
            "InvalidParameterValueException",
        ),
        (
            encoded(json!({ "taskId": "x", "sourceArn": unknown })),
            "ResourceNotFoundException",
        ),
        (
            encoded(json!({ "taskId": "x", "sourceArn": known })),
            "ResourceNotFoundException",
        ),
    ] {
        let request = json!({ "TaskHandle": handle });
        assert_eq!(refused(&sqs, "CancelMessageMoveTask", request).await, error);
    }
    let missing = refused(&sqs, "CancelMessageMoveTask", json!({})).await;
    assert_eq!(missing, "MissingRequiredParameterException");
}

#[tokio::test(start_paused = true)]
async fn a_redrive_policy_is_refused_by_what_is_wrong_with_it() {
    let sqs = service_with_jobs();
    sqs.create_queue("jobs-dlq", embedded_sqs::QueueAttributes::default())
        .unwrap();
    let (dlq, nowhere, jobs) = (
        sqs.queue_arn("jobs-dlq"),
        sqs.queue_arn("nowhere"),
        sqs.queue_arn("jobs"),
    );
    let policy =
        |arn: &str, count: Value| json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string();
    for (policy, reason) in [
        ("nonsense".to_owned(), "JSON"),
        (
            json!({ "deadLetterTargetArn": dlq }).to_string(),
            "mandatory attribute: maxReceiveCount",
        ),
        (
            json!({ "maxReceiveCount": 3 }).to_string(),
            "mandatory attribute: deadLetterTargetArn",
        ),
        (policy(&dlq, json!("many")), "valid values are from 1 to 1000"),
        (policy(&dlq, json!(0)), "valid values are from 1 to 1000"),
        (policy(&dlq, json!(1001)), "valid values are from 1 to 1000"),
        (policy(&dlq, json!(1.5)), "valid values are from 1 to 1000"),
        (policy("dummy", json!(3)), "Dead letter target does not exist"),
        (policy(&nowhere, json!(3)), "Dead letter target does not exist"),
        (policy(&jobs, json!(3)), "its own dead-letter queue"),
    ] {
        let request = json!({ "QueueUrl": JOBS, "Attributes": { "RedrivePolicy": policy } });
        let answer = call(&sqs, "SetQueueAttributes", request).await;
        let body = String::from_utf8(answer.body).unwrap();
        assert_eq!(
            answer.error_type.as_deref(),
            Some("InvalidParameterValue;Sender"),
            "{policy}"
        );
        assert!(body.contains(reason), "{policy}: {body}");
    }
    let right = json!({ "QueueUrl": JOBS, "Attributes": { "RedrivePolicy": policy(&dlq, json!("3")) } });
    ok(&sqs, "SetQueueAttributes", right).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_denies_dead_letters_is_not_made_a_dead_letter_queue() {
    let sqs = service_with_jobs();
    sqs.create_queue("other", embedded_sqs::QueueAttributes::default())
        .unwrap();
    let allow = |policy: Value| json!({ "QueueName": "jobs-dlq", "Attributes": { "RedriveAllowPolicy": policy.to_string() } });
    for wrong in [
        json!("nonsense"),
        json!({ "redrivePermission": "some" }),
        json!({ "redrivePermission": "byQueue" }),
        json!({ "redrivePermission": "byQueue", "sourceQueueArns": [] }),
        json!({ "redrivePermission": "byQueue", "sourceQueueArns": vec!["arn"; 11] }),
        json!({ "redrivePermission": "denyAll", "sourceQueueArns": ["arn"] }),
    ] {
        let error = refused(&sqs, "CreateQueue", allow(wrong.clone())).await;
        assert_eq!(error, "InvalidParameterValueException", "{wrong}");
    }
    ok(
        &sqs,
        "CreateQueue",
        allow(json!({ "redrivePermission": "denyAll" })),
    )
    .await;
    let policy = json!({ "deadLetterTargetArn": sqs.queue_arn("jobs-dlq"), "maxReceiveCount": 1 });
    let redrive = |queue: &str| json!({ "QueueUrl": sqs.queue_url(queue), "Attributes": { "RedrivePolicy": policy.to_string() } });
    let denied = refused(&sqs, "SetQueueAttributes", redrive("jobs")).await;
    assert_eq!(denied, "InvalidParameterValueException");
    let by_queue = json!({ "redrivePermission": "byQueue", "sourceQueueArns": [sqs.queue_arn("jobs")] });
    let attributes = json!({ "RedriveAllowPolicy": by_queue.to_string() });
    let request = json!({ "QueueUrl": sqs.queue_url("jobs-dlq"), "Attributes": attributes });
    ok(&sqs, "SetQueueAttributes", request).await;
    ok(&sqs, "SetQueueAttributes", redrive("jobs")).await;
    let denied = refused(&sqs, "SetQueueAttributes", redrive("other")).await;
    assert_eq!(denied, "InvalidParameterValueException");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_that_begins_to_deny_gets_no_more_and_nothing_is_lost() {
    let sqs = service_with_dead_letters().await;
    let deny = |policy: &str| json!({ "QueueUrl": sqs.queue_url("jobs-dlq"), "Attributes": { "RedriveAllowPolicy": policy } });
    let before = visible(&sqs, "jobs-dlq");
    ok(
        &sqs,
        "SetQueueAttributes",
        deny(r#"{"redrivePermission":"denyAll"}"#),
    )
    .await;
    sqs.send("jobs", message("stays")).unwrap();
    for _ in 0..3 {
        receipt_handle(&sqs).await;
        pass(30).await;
    }
    assert_eq!((visible(&sqs, "jobs"), visible(&sqs, "jobs-dlq")), (1, before));
    ok(&sqs, "SetQueueAttributes", deny("")).await;
    let received = ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(received, json!({}));
    assert_eq!(visible(&sqs, "jobs-dlq"), before + 1);
}
