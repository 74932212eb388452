//! A queue's mapping, rule by rule:
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use embedded_aws::mapping::sqs::{Settings, run};
use embedded_aws::mapping::{MappingError, Notice, Status};
use embedded_sqs::{MessageAttribute, Outgoing, QueueAttributes, RedrivePolicy};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{FUNCTION, Probe, Reply, Running, START, Stack, at, failures, records, seconds};

const QUEUE: &str = "jobs";

fn stack() -> Stack {
    let stack = Stack::new();
    stack.create_queue(QUEUE, seconds(180));
    stack
}

fn partial() -> Settings {
    Settings {
        report_batch_item_failures: true,
        ..Settings::of(QUEUE)
    }
}

fn start(stack: &Stack, settings: Settings, probe: &Arc<Probe>) -> Running<MappingError> {
    let (sqs, function) = (stack.sqs.clone(), probe.function(stack));
    Running::start(|status, shutdown| run(settings, sqs, function, status, shutdown))
}

#[tokio::test(start_paused = true)]
async fn an_event_holds_each_message_in_the_shape_that_lambda_documents() {
    let stack = stack();
    let attributes = BTreeMap::from([
        ("kind".to_owned(), MessageAttribute::string("do-job")),
        ("seal".to_owned(), MessageAttribute::binary([1, 2, 3])),
    ]);
    let trace = "Root=1-5e1b4151-5ac6c58d7ef2a3e3f0e7a1b2;Parent=53995c3f42cd8ad8;Sampled=1";
    let message = Outgoing {
        body: "hello".to_owned(),
        attributes,
        trace_header: Some(trace.to_owned()),
        ..Outgoing::default()
    };
    let sent = stack.sqs.send(QUEUE, message).unwrap();
    let (id, digest) = (sent.message_id, sent.md5_of_message_attributes);
    assert!(digest.is_some());
    let probe = Probe::content();
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| !probe.invocations().is_empty()).await;

    let invocation = probe.invocations().remove(0);
    let mut record = records(&invocation.payload).remove(0);
    assert!(record["receiptHandle"].take().is_string());
    assert!(record["attributes"]["SenderId"].take().is_string());
    let start = START.as_millis().to_string();
    assert_eq!(
        record,
        json!({
            "messageId": id,
            "receiptHandle": null,
            "body": "hello",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": start,
                "SenderId": null,
                "ApproximateFirstReceiveTimestamp": start,
                "AWSTraceHeader": trace,
            },
            "messageAttributes": {
                "kind": {
                    "stringValue": "do-job",
                    "stringListValues": [], "binaryListValues": [], "dataType": "String",
                },
                "seal": {
                    "binaryValue": "AQID",
                    "stringListValues": [], "binaryListValues": [], "dataType": "Binary",
                },
            },
            "md5OfMessageAttributes": digest,
            "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:jobs",
            "awsRegion": "eu-central-1",
        })
    );
    assert_eq!(invocation.trace_header.as_deref(), Some(trace));
    assert_eq!(invocation.deadline, at(30));
}

#[tokio::test(start_paused = true)]
async fn a_message_without_attributes_has_no_digest_of_them() {
    let stack = stack();
    stack.send(QUEUE, "hello");
    let probe = Probe::content();
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| !probe.invocations().is_empty()).await;
    let record = records(&probe.invocations()[0].payload).remove(0);
    assert_eq!(record["messageAttributes"], json!({}));
    assert_eq!(record.get("md5OfMessageAttributes"), None);
    assert_eq!(record["attributes"].as_object().unwrap().len(), 4, "{record}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_says_which_queue_gave_it_up() {
    let stack = stack();
    stack.create_queue("letters", seconds(30));
    let source = stack.sqs.queue_arn(QUEUE);
    let redrive = json!({ "deadLetterTargetArn": stack.sqs.queue_arn("letters"), "maxReceiveCount": "1" });
    let set = json!({
        "QueueUrl": stack.sqs.queue_url(QUEUE),
        "Attributes": { "RedrivePolicy": redrive.to_string() },
    });
    let set = stack
        .sqs
        .handle("SetQueueAttributes", set.to_string().as_bytes())
        .await;
    assert_eq!(set.status, 200);
    stack.send(QUEUE, "poison");
    let failing = Probe::new(|_, _| Reply::Fail);
    let _first = start(&stack, Settings::of(QUEUE), &failing);
    let probe = Probe::content();
    let second = start(&stack, Settings::of("letters"), &probe);
    second.until(|| !probe.invocations().is_empty()).await;
    let record = records(&probe.invocations()[0].payload).remove(0);
    assert_eq!(record["attributes"]["DeadLetterQueueSourceArn"], source);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_succeeds_is_deleted() {
    let stack = stack();
    stack.send_many(QUEUE, 3);
    let probe = Probe::content();
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    mapping.until_quiet().await;
    assert_eq!(probe.bodies(), [["1", "2", "3"]]);
    assert_eq!(mapping.status.activity().invocations, 1);
    assert_eq!(mapping.status.activity().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_comes_again_when_its_visibility_ends() {
    let stack = stack();
    stack.send_many(QUEUE, 2);
    let probe = Probe::new(|n, _| {
        if n == 0 {
            Reply::Fail
        } else {
            Reply::Answer(Value::Null)
        }
    });
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    assert_eq!(probe.bodies(), [["1", "2"], ["1", "2"]]);
    assert_eq!(probe.times()[1] - probe.times()[0], seconds(180));
    assert_eq!(
        probe.batches()[1][0]["attributes"]["ApproximateReceiveCount"],
        "2"
    );
    assert_eq!(mapping.status.activity().failures, 1);
    assert!(mapping.status.latest_failure().unwrap().contains("as told"));
}

#[tokio::test(start_paused = true)]
async fn a_function_over_its_timeout_is_stopped_and_its_batch_comes_again() {
    let stack = stack();
    stack.send_many(QUEUE, 1);
    let probe = Probe::new(|_, _| Reply::After(seconds(31)));
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| mapping.status.activity().failures == 1).await;
    assert!(mapping.status.latest_failure().unwrap().contains("30s"));
    assert_eq!(stack.sqs.counts(QUEUE).unwrap().in_flight, 1);
    mapping.until(|| probe.invocations().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_one_batch_and_not_the_mapping() {
    let stack = stack();
    stack.send_many(QUEUE, 1);
    let probe = Probe::new(|n, _| {
        if n == 0 {
            Reply::Panic
        } else {
            Reply::Answer(Value::Null)
        }
    });
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    assert_eq!(probe.invocations().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn with_partial_responses_only_what_was_not_reported_is_deleted() {
    let stack = stack();
    stack.send(QUEUE, "good");
    let bad = stack.send(QUEUE, "bad");
    let probe = Probe::answering(failures(&[&bad]));
    let mapping = start(&stack, partial(), &probe);
    mapping.until(|| probe.invocations().len() == 2).await;
    assert_eq!(probe.bodies(), [vec!["bad", "good"], vec!["bad"]]);
    assert_eq!(mapping.status.activity().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn without_partial_responses_any_answer_is_success() {
    let stack = stack();
    let id = stack.send(QUEUE, "one");
    let probe = Probe::answering(failures(&[&id]));
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    assert_eq!(probe.invocations().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn null_an_empty_object_and_an_empty_or_null_list_are_success() {
    for answer in [
        Value::Null,
        json!({}),
        json!({ "batchItemFailures": [] }),
        json!({ "batchItemFailures": null }),
        json!({ "statusCode": 200 }),
    ] {
        let stack = stack();
        stack.send_many(QUEUE, 2);
        let probe = Probe::answering(answer.clone());
        let mapping = start(&stack, partial(), &probe);
        mapping.until(|| probe.invocations().len() == 1).await;
        mapping.until_quiet().await;
        assert_eq!(stack.held_by(QUEUE), 0, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_empty_or_null_identifier_and_a_malformed_answer_fail_the_whole_batch() {
    for answer in [
        json!({ "batchItemFailures": [{ "itemIdentifier": "of-no-message" }] }),
        json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }),
        json!({ "batchItemFailures": [{ "itemIdentifier": null }] }),
        json!({ "batchItemFailures": [{ "id": "bad key name" }] }),
        json!({ "batchItemFailures": ["no object"] }),
        json!({ "batchItemFailures": "no list" }),
        json!("no object"),
        json!([]),
    ] {
        let stack = stack();
        stack.send_many(QUEUE, 2);
        let probe = Probe::answering(answer.clone());
        let mapping = start(&stack, partial(), &probe);
        mapping.until(|| mapping.status.activity().failures == 1).await;
        assert_eq!(stack.sqs.counts(QUEUE).unwrap().in_flight, 2, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_identifier_beside_a_bad_one_does_not_save_the_others() {
    let stack = stack();
    let id = stack.send(QUEUE, "1");
    stack.send(QUEUE, "2");
    let probe = Probe::answering(failures(&[&id, ""]));
    let mapping = start(&stack, partial(), &probe);
    mapping.until(|| mapping.status.activity().failures == 1).await;
    assert_eq!(stack.sqs.counts(QUEUE).unwrap().in_flight, 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_no_more_messages_than_its_size() {
    let stack = stack();
    stack.send_many(QUEUE, 7);
    let probe = Probe::content();
    let mapping = start(
        &stack,
        Settings {
            batch_size: 3,
            ..Settings::of(QUEUE)
        },
        &probe,
    );
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    let sizes: Vec<_> = probe.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn without_a_window_messages_are_not_waited_for() {
    let stack = stack();
    let probe = Probe::content();
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    sleep(seconds(50)).await;
    stack.send(QUEUE, "1");
    let sent = tokio::time::Instant::now();
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    assert_eq!(probe.times(), [sent]);
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_messages_until_it_ends() {
    let stack = stack();
    let window = Settings {
        batch_size: 100,
        batching_window: seconds(60),
        ..Settings::of(QUEUE)
    };
    let probe = Probe::content();
    let mapping = start(&stack, window, &probe);
    sleep(seconds(7)).await;
    let opened = tokio::time::Instant::now();
    for n in 1..=50 {
        stack.send(QUEUE, n.to_string());
        sleep(seconds(1)).await;
    }
    mapping.until(|| probe.invocations().len() == 1).await;
    assert_eq!(probe.batches()[0].len(), 50);
    assert_eq!(probe.times()[0] - opened, seconds(60));
}

#[tokio::test(start_paused = true)]
async fn a_window_ends_when_the_batch_is_full() {
    let stack = stack();
    stack.send_many(QUEUE, 25);
    let window = Settings {
        batch_size: 25,
        batching_window: seconds(300),
        ..Settings::of(QUEUE)
    };
    let probe = Probe::content();
    let began = tokio::time::Instant::now();
    let mapping = start(&stack, window, &probe);
    mapping.until(|| probe.invocations().len() == 1).await;
    assert_eq!(probe.batches()[0].len(), 25);
    assert_eq!(probe.times(), [began]);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_no_larger_than_six_megabytes() {
    let stack = stack();
    // Quotes double in JSON.
    let body = "\"".repeat(700_000);
    (0..9).for_each(|_| drop(stack.send(QUEUE, body.clone())));
    let window = Settings {
        batch_size: 100,
        batching_window: seconds(5),
        ..Settings::of(QUEUE)
    };
    let probe = Probe::content();
    let mapping = start(&stack, window, &probe);
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    let batches: Vec<_> = probe.batches().iter().map(Vec::len).collect();
    assert_eq!(batches, [4, 4, 1]);
    let largest = probe
        .invocations()
        .iter()
        .map(|i| i.payload.to_string().len())
        .max()
        .unwrap();
    assert!(largest <= 6 * 1024 * 1024, "{largest}");
}

#[tokio::test(start_paused = true)]
async fn no_more_invocations_run_at_once_than_the_maximum_concurrency() {
    let stack = stack();
    stack.send_many(QUEUE, 12);
    let probe = Probe::new(|_, _| Reply::After(seconds(10)));
    let limited = Settings {
        batch_size: 1,
        maximum_concurrency: Some(4),
        ..Settings::of(QUEUE)
    };
    let mapping = start(&stack, limited, &probe);
    sleep(seconds(1)).await;
    // What nobody is free to handle stays visible and its visibility timeout does not run.
    assert_eq!(stack.sqs.counts(QUEUE).unwrap().visible, 8);
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    assert_eq!(probe.most_running(), 4);
    assert_eq!(probe.invocations().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_keeps_failing_ends_in_the_dead_letter_queue() {
    let stack = Stack::new();
    stack.create_queue("dead", seconds(30));
    let redrive = RedrivePolicy {
        dead_letter_queue: "dead".to_owned(),
        max_receive_count: 3,
    };
    let attributes = QueueAttributes {
        visibility_timeout: seconds(30),
        redrive: Some(redrive),
        ..QueueAttributes::default()
    };
    stack.sqs.create_queue(QUEUE, attributes).unwrap();
    stack.send(QUEUE, "poison");
    let probe = Probe::new(|_, _| Reply::Fail);
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| stack.held_by("dead") == 1).await;
    assert_eq!(probe.invocations().len(), 3);
    assert_eq!(stack.held_by(QUEUE), 0);
}

#[tokio::test(start_paused = true)]
async fn a_running_invocation_is_finished_at_shutdown() {
    let stack = stack();
    stack.send_many(QUEUE, 1);
    let probe = Probe::new(|_, _| Reply::After(seconds(20)));
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    mapping.until(|| mapping.status.activity().running == 1).await;
    mapping.stop().await.unwrap();
    assert_eq!(stack.held_by(QUEUE), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_gathered_at_shutdown_are_delivered() {
    let stack = stack();
    stack.send_many(QUEUE, 2);
    let window = Settings {
        batch_size: 100,
        batching_window: seconds(300),
        ..Settings::of(QUEUE)
    };
    let probe = Probe::content();
    let mapping = start(&stack, window, &probe);
    mapping.until(|| mapping.status.activity().pending == 2).await;
    assert!(!mapping.status.is_quiet());
    mapping.stop().await.unwrap();
    assert_eq!(probe.bodies(), [["1", "2"]]);
    assert_eq!(stack.held_by(QUEUE), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_more_than_ten_needs_a_window_of_a_second() {
    let error = Settings {
        batch_size: 11,
        ..Settings::of(QUEUE)
    }
    .check()
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "BatchSize is 11, and one above 10 needs a MaximumBatchingWindowInSeconds of at least 1"
    );
    let window = Settings {
        batch_size: 11,
        batching_window: seconds(1),
        ..Settings::of(QUEUE)
    };
    window.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn settings_outside_of_lambdas_limits_are_refused() {
    let defaults = || Settings::of(QUEUE);
    let window = Duration::from_secs(301);
    for (wrong, named) in [
        (
            Settings {
                batch_size: 0,
                ..defaults()
            },
            "BatchSize is 0, and Lambda takes 1 to 10000",
        ),
        (
            Settings {
                batch_size: 10_001,
                ..defaults()
            },
            "BatchSize",
        ),
        (
            Settings {
                batching_window: window,
                ..defaults()
            },
            "MaximumBatchingWindowInSeconds",
        ),
        (
            Settings {
                maximum_concurrency: Some(1),
                ..defaults()
            },
            "MaximumConcurrency",
        ),
        (
            Settings {
                maximum_concurrency: Some(1_001),
                ..defaults()
            },
            "MaximumConcurrency",
        ),
    ] {
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.starts_with(named), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_shows_messages_again_before_the_functions_timeout_is_refused() {
    let stack = Stack::new();
    stack.create_queue(QUEUE, seconds(29));
    let error = start(&stack, Settings::of(QUEUE), &Probe::content())
        .task_error()
        .await;
    assert!(
        error.contains("29s") && error.contains("30s") && error.contains(FUNCTION),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_exist_is_refused() {
    let error = start(&Stack::new(), Settings::of("missing"), &Probe::content())
        .task_error()
        .await;
    assert!(
        error.contains("missing") && error.contains("create it"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_deleted_is_told_of_waited_for_and_read_again() {
    let stack = stack();
    let (notices, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (stop, shutdown) = tokio::sync::watch::channel(false);
    // A batch is under way when its queue goes.
    let probe = Probe::new(|number, _| match number {
        0 => Reply::After(seconds(5)),
        _ => Reply::Answer(Value::Null),
    });
    let mapping = tokio::spawn(run(
        Settings::of(QUEUE),
        stack.sqs.clone(),
        probe.function(&stack),
        Status::telling(notices),
        shutdown,
    ));
    stack.send(QUEUE, "lost");
    sleep(seconds(1)).await;
    delete(&stack).await;
    let lost = told.recv().await.unwrap();
    assert!(
        matches!(&lost, Notice::Lost { source, .. } if source == "queue jobs"),
        "{lost}"
    );
    assert!(
        lost.to_string()
            .starts_with("queue jobs was deleted, and its messages with it: probe waits")
    );

    sleep(seconds(3_600)).await;
    stack.create_queue(QUEUE, seconds(180));
    stack.send(QUEUE, "found");
    assert_eq!(
        told.recv().await.unwrap().to_string(),
        "queue jobs is there again: probe reads it"
    );
    sleep(seconds(1)).await;
    assert_eq!(probe.bodies(), [["lost"], ["found"]]);
    assert_eq!(stack.held_by(QUEUE), 0);

    // Deleted and made again at once, with a visibility that Lambda would not start with.
    delete(&stack).await;
    stack.create_queue(QUEUE, seconds(5));
    stack.send(QUEUE, "again");
    sleep(seconds(1)).await;
    assert_eq!(probe.bodies(), [["lost"], ["found"], ["again"]]);
    assert!(matches!(told.recv().await.unwrap(), Notice::Lost { .. }));
    let found = told.recv().await.unwrap().to_string();
    assert!(
        found.contains("probe reads it, but queue jobs shows a message again after 5s"),
        "{found}"
    );

    // It ends in order without a queue, too.
    delete(&stack).await;
    sleep(seconds(1)).await;
    stop.send_replace(true);
    mapping.await.unwrap().unwrap();
}

async fn delete(stack: &Stack) {
    let request = json!({ "QueueUrl": stack.sqs.queue_url(QUEUE) }).to_string();
    assert_eq!(
        stack.sqs.handle("DeleteQueue", request.as_bytes()).await.status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_is_switched_off_leaves_messages_in_the_queue_and_finishes_what_it_has() {
    let stack = stack();
    let probe = Probe::new(|_, _| Reply::After(seconds(20)));
    let mapping = start(&stack, Settings::of(QUEUE), &probe);
    stack.send_many(QUEUE, 2);
    mapping.until(|| probe.invocations().len() == 1).await;
    assert!(mapping.status.is_enabled());
    mapping.status.enable(false);
    stack.send_many(QUEUE, 3);
    sleep(seconds(600)).await;
    assert_eq!(probe.invocations().len(), 1);
    assert_eq!(
        (stack.held_by(QUEUE), mapping.status.activity().invocations),
        (3, 1)
    );
    // Off and on again at once ends nothing.
    for enabled in [true, false, true] {
        mapping.status.enable(enabled);
    }
    mapping.until(|| stack.held_by(QUEUE) == 0).await;
    assert_eq!(probe.invocations().len(), 2);
    mapping.status.enable(false);
    mapping.stop().await.unwrap();
}
