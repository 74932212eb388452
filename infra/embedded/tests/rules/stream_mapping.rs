//! A stream's mapping, rule by rule: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>.

use std::collections::BTreeMap;
use std::sync::Arc;

use embedded_aws::dynamodb::StreamPosition;
use embedded_aws::mapping::stream::{OnFailure, Order, Settings, run};
use embedded_aws::mapping::{MappingError, Status};
use embedded_sqs::Receive;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{FUNCTION, Probe, Reply, Running, START, Stack, failures, n, records, seconds, table};

const TABLE: &str = "events";

fn stack() -> Stack {
    let stack = Stack::new();
    stack.create_table(TABLE);
    stack.create_queue("given-up", seconds(30));
    stack
}

fn defaults() -> Settings {
    Settings::of(TABLE)
}

fn partial() -> Settings {
    Settings {
        report_batch_item_failures: true,
        ..defaults()
    }
}

fn start(stack: &Stack, settings: Settings, probe: &Arc<Probe>) -> Running<MappingError> {
    let (dynamodb, function) = (stack.dynamodb.clone(), probe.function(stack));
    Running::start(|status, shutdown| run(settings, dynamodb, function, status, shutdown))
}

fn given_up(stack: &Stack) -> OnFailure {
    OnFailure {
        sqs: stack.sqs.clone(),
        queue: "given-up".to_owned(),
    }
}

async fn note(stack: &Stack) -> Value {
    let received = stack.sqs.receive("given-up", Receive::default()).await.unwrap();
    serde_json::from_str(&received[0].body).unwrap()
}

/// The sequence number of the record with this `n`.
fn number_of(event: &Value, wanted: u64) -> String {
    let record = records(event)
        .into_iter()
        .find(|record| n(record) == wanted)
        .unwrap();
    record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned()
}

fn holds(event: &Value, wanted: u64) -> bool {
    records(event).iter().any(|record| n(record) == wanted)
}

/// Fails each batch that holds `poison`.
fn allergic_to(poison: u64) -> Arc<Probe> {
    Probe::new(move |_, event| {
        if holds(event, poison) {
            Reply::Fail
        } else {
            Reply::Answer(Value::Null)
        }
    })
}

/// Reports `poison` in each batch that holds it.
fn reporting(poison: u64) -> Arc<Probe> {
    Probe::new(move |_, event| {
        if holds(event, poison) {
            Reply::Answer(failures(&[&number_of(event, poison)]))
        } else {
            Reply::Answer(Value::Null)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn an_event_holds_each_record_in_the_shape_that_lambda_documents() {
    let stack = stack();
    stack.put(TABLE, "item-1", 1, 42);
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    mapping.until_quiet().await;

    let mut record = probe.batches().remove(0).remove(0);
    assert!(record["eventID"].take().is_string());
    let number = record["dynamodb"]["SequenceNumber"].take();
    assert!((21..=40).contains(&number.as_str().unwrap().len()), "{number}");
    assert!(record["dynamodb"]["SizeBytes"].take().is_u64());
    let table = stack.ask("DescribeTable", &json!({ "TableName": TABLE }));
    assert_eq!(
        record,
        json!({
            "eventID": null,
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "eu-central-1",
            "dynamodb": {
                "ApproximateCreationDateTime": START.as_secs(),
                "Keys": { "id": { "S": "item-1" }, "revision": { "N": "1" } },
                "NewImage": {
                    "id": { "S": "item-1" }, "revision": { "N": "1" }, "n": { "N": "42" },
                },
                "SequenceNumber": null,
                "SizeBytes": null,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": table["Table"]["LatestStreamArn"],
        })
    );
}

#[tokio::test(start_paused = true)]
async fn trim_horizon_begins_with_what_was_written_before() {
    let stack = stack();
    stack.put_many(TABLE, 3);
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [[1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn latest_begins_with_what_is_written_after() {
    let stack = stack();
    stack.put_many(TABLE, 2);
    let probe = Probe::content();
    let latest = Settings {
        starting_position: StreamPosition::Latest,
        ..defaults()
    };
    let mapping = start(&stack, latest, &probe);
    mapping.until_quiet().await;
    stack.put(TABLE, "late", 1, 3);
    assert!(!mapping.status.is_quiet());
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [[3]]);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_goes_on_where_an_earlier_run_left_off() {
    let stack = stack();
    stack.put_many(TABLE, 3);
    let first = Probe::content();
    let mapping = start(&stack, defaults(), &first);
    mapping.until_quiet().await;
    let checkpoint = mapping.status.activity().checkpoint.unwrap();
    mapping.stop().await.unwrap();

    stack.put(TABLE, "later", 1, 4);
    let second = Probe::content();
    let from_there = Settings {
        starting_position: StreamPosition::After(checkpoint),
        ..defaults()
    };
    let mapping = start(&stack, from_there, &second);
    mapping.until_quiet().await;
    assert_eq!(second.ns(), [[4]]);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_delivered_without_waiting_for_a_poll() {
    let stack = stack();
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    sleep(seconds(3_600)).await;
    let written = Instant::now();
    stack.put(TABLE, "item", 1, 1);
    mapping.until_quiet().await;
    assert_eq!(probe.times(), [written]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_no_more_records_than_its_size() {
    let stack = stack();
    stack.put_many(TABLE, 250);
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    mapping.until_quiet().await;
    let sizes: Vec<_> = probe.ns().iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[tokio::test(start_paused = true)]
async fn more_records_than_one_read_gives_are_all_delivered_in_order() {
    let stack = stack();
    stack.put_many(TABLE, 2_500);
    let probe = Probe::content();
    let mapping = start(
        &stack,
        Settings {
            batch_size: 10_000,
            ..defaults()
        },
        &probe,
    );
    mapping.until_quiet().await;
    let seen: Vec<_> = probe.ns().concat();
    assert_eq!(seen, (1..=2_500).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_records_until_it_ends() {
    let stack = stack();
    let probe = Probe::content();
    let mapping = start(
        &stack,
        Settings {
            batching_window: seconds(20),
            ..defaults()
        },
        &probe,
    );
    mapping.until_quiet().await;
    let opened = Instant::now();
    for n in 1..=10 {
        stack.put(TABLE, "item", n, n);
        sleep(seconds(1)).await;
    }
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [(1..=10).collect::<Vec<_>>()]);
    assert_eq!(probe.times()[0] - opened, seconds(20));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_no_larger_than_six_megabytes() {
    let stack = stack();
    let text = "x".repeat(380_000);
    for n in 1..=20 {
        let item = json!({
            "id": { "S": n.to_string() }, "revision": { "N": "1" },
            "n": { "N": n.to_string() }, "text": { "S": text },
        });
        stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": item }));
    }
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    mapping.until_quiet().await;
    let sizes: Vec<_> = probe
        .invocations()
        .iter()
        .map(|i| i.payload.to_string().len())
        .collect();
    assert!(
        sizes.len() == 2 && sizes.iter().all(|size| *size <= 6 * 1024 * 1024),
        "{sizes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_invocation_runs_at_a_time_and_batches_come_in_order() {
    let stack = stack();
    stack.put_many(TABLE, 30);
    let probe = Probe::new(|_, _| Reply::After(seconds(2)));
    let mapping = start(
        &stack,
        Settings {
            batch_size: 10,
            ..defaults()
        },
        &probe,
    );
    mapping.until_quiet().await;
    assert_eq!(probe.most_running(), 1);
    assert_eq!(probe.ns().concat(), (1..=30).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_parallelization_factor_lets_partition_keys_go_side_by_side_each_in_order() {
    let stack = stack();
    for revision in 1..=5 {
        for stream in 0..20 {
            stack.put(TABLE, &format!("item-{stream}"), revision, revision);
        }
    }
    let probe = Probe::new(|_, _| Reply::After(seconds(2)));
    let parallel = Settings {
        parallelization_factor: 4,
        batch_size: 5,
        ..defaults()
    };
    let mapping = start(&stack, parallel, &probe);
    mapping.until_quiet().await;
    assert_eq!(probe.most_running(), 4);
    assert_eq!(probe.ns().concat().len(), 100);
    assert_each_key_in_order(&probe);
}

#[tokio::test(start_paused = true)]
async fn a_poison_record_blocks_its_own_lane_only() {
    let stack = stack();
    stack.put_many(TABLE, 40);
    let probe = allergic_to(1);
    let parallel = Settings {
        parallelization_factor: 10,
        batch_size: 1,
        ..defaults()
    };
    let mapping = start(&stack, parallel, &probe);
    sleep(seconds(60)).await;
    let done = mapping.status.activity();
    assert!(done.pending > 0 && done.pending < 20, "{done:?}");
    // The checkpoint does not pass what is not settled.
    assert_eq!(done.checkpoint, None);
}

#[tokio::test(start_paused = true)]
async fn the_lowest_reported_sequence_number_is_the_checkpoint() {
    let stack = stack();
    stack.put_many(TABLE, 5);
    let probe = Probe::new(|n, event| match n {
        0 => Reply::Answer(failures(&[&number_of(event, 4), &number_of(event, 3)])),
        _ => Reply::Answer(Value::Null),
    });
    let mapping = start(&stack, partial(), &probe);
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [vec![1, 2, 3, 4, 5], vec![3, 4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_null_an_empty_object_and_an_empty_answer_are_success() {
    for answer in [
        json!([]),
        json!(""),
        json!({ "batchItemFailures": [] }),
        json!({ "batchItemFailures": null }),
        json!({}),
        Value::Null,
    ] {
        let stack = stack();
        stack.put_many(TABLE, 2);
        let probe = Probe::answering(answer.clone());
        let mapping = start(&stack, partial(), &probe);
        mapping.until_quiet().await;
        assert_eq!(probe.ns(), [[1, 2]], "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_null_empty_or_unknown_identifier_and_a_malformed_answer_fail_the_whole_batch() {
    for answer in [
        failures(&[""]),
        failures(&["100000000000000000001"]),
        json!({ "batchItemFailures": [{ "itemIdentifier": null }] }),
        json!({ "batchItemFailures": [{ "itemIdentifier": 123 }] }),
        json!({ "batchItemFailures": [{ "sequenceNumber": "1" }] }),
        json!({ "batchItemFailures": [{ "sequenceNumber": null }] }),
        json!({ "batchItemFailures": "no list" }),
        json!("text"),
        json!(["text"]),
    ] {
        let stack = stack();
        stack.put_many(TABLE, 2);
        let bad = answer.clone();
        let probe = Probe::new(move |n, _| Reply::Answer(if n == 0 { bad.clone() } else { Value::Null }));
        let mapping = start(&stack, partial(), &probe);
        mapping.until_quiet().await;
        assert_eq!(probe.ns(), [[1, 2], [1, 2]], "{answer}");
        assert_eq!(mapping.status.activity().failures, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_repeated_with_growing_waits_and_holds_up_what_follows() {
    let stack = stack();
    stack.put_many(TABLE, 4);
    let probe = Probe::new(|n, _| {
        if n < 8 {
            Reply::Fail
        } else {
            Reply::Answer(Value::Null)
        }
    });
    let mapping = start(
        &stack,
        Settings {
            batch_size: 2,
            ..defaults()
        },
        &probe,
    );
    mapping.until_quiet().await;
    let mut expected = vec![vec![1, 2]; 9];
    expected.push(vec![3, 4]);
    assert_eq!(probe.ns(), expected);
    let waits: Vec<_> = probe
        .times()
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs())
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 0]);
}

#[tokio::test(start_paused = true)]
async fn after_the_maximum_of_retries_a_batch_is_given_up_and_the_next_one_follows() {
    let stack = stack();
    stack.put_many(TABLE, 3);
    let probe = allergic_to(2);
    let settings = Settings {
        batch_size: 2,
        maximum_retry_attempts: Some(2),
        on_failure: Some(given_up(&stack)),
        ..defaults()
    };
    let mapping = start(&stack, settings, &probe);
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [vec![1, 2], vec![1, 2], vec![1, 2], vec![3]]);
    assert_eq!(mapping.status.activity().discarded, 2);

    let mut note = note(&stack).await;
    assert!(note["DDBStreamBatchInfo"]["shardId"].take().is_string());
    let third = &probe.invocations()[2];
    assert_eq!(
        note,
        json!({
            "requestContext": {
                "requestId": third.request_id,
                "functionArn": FUNCTION,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 3,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": "2026-01-01T00:00:03.000Z",
            "DDBStreamBatchInfo": {
                "shardId": null,
                "startSequenceNumber": number_of(&third.payload, 1),
                "endSequenceNumber": number_of(&third.payload, 2),
                "approximateArrivalOfFirstRecord": "2026-01-01T00:00:00Z",
                "approximateArrivalOfLastRecord": "2026-01-01T00:00:00Z",
                "batchSize": 2,
                "streamArn": records(&third.payload)[0]["eventSourceARN"],
            },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn records_over_the_maximum_age_are_given_up() {
    let stack = stack();
    stack.put(TABLE, "old", 1, 1);
    sleep(seconds(50)).await;
    stack.put(TABLE, "young", 1, 2);
    let began = Instant::now();
    let probe = allergic_to(1);
    let settings = Settings {
        maximum_record_age: Some(seconds(60)),
        on_failure: Some(given_up(&stack)),
        ..defaults()
    };
    let mapping = start(&stack, settings, &probe);
    mapping.until_quiet().await;
    assert_eq!(probe.ns().last().unwrap(), &[2]);
    assert!(*probe.times().last().unwrap() - began >= seconds(10));
    let note = note(&stack).await;
    assert_eq!(note["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(note["DDBStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test(start_paused = true)]
async fn records_that_were_too_old_at_first_sight_have_no_response_to_tell_of() {
    let stack = stack();
    stack.put(TABLE, "old", 1, 1);
    sleep(seconds(61)).await;
    let settings = Settings {
        maximum_record_age: Some(seconds(60)),
        on_failure: Some(given_up(&stack)),
        ..defaults()
    };
    let probe = Probe::content();
    let mapping = start(&stack, settings, &probe);
    mapping.until_quiet().await;
    assert!(probe.invocations().is_empty());
    let note = note(&stack).await;
    assert_eq!(note["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(note.get("responseContext"), None);
}

#[tokio::test(start_paused = true)]
async fn without_limits_a_record_blocks_its_shard_until_it_expires_after_a_day() {
    let stack = stack();
    stack.put_many(TABLE, 1);
    let began = Instant::now();
    let probe = allergic_to(1);
    let mapping = start(&stack, defaults(), &probe);
    mapping.until_quiet().await;
    let blocked = began.elapsed();
    assert!(
        blocked >= seconds(86_400) && blocked < seconds(86_400 + 120),
        "{blocked:?}"
    );
    assert_eq!(mapping.status.activity().discarded, 1);
}

#[tokio::test(start_paused = true)]
async fn bisecting_isolates_a_bad_record_and_uses_up_no_attempts() {
    let stack = stack();
    stack.put_many(TABLE, 8);
    let probe = allergic_to(5);
    let settings = Settings {
        bisect_batch_on_function_error: true,
        maximum_retry_attempts: Some(1),
        on_failure: Some(given_up(&stack)),
        ..defaults()
    };
    let mapping = start(&stack, settings, &probe);
    mapping.until_quiet().await;
    assert_eq!(
        probe.ns(),
        [
            vec![1, 2, 3, 4, 5, 6, 7, 8],
            vec![1, 2, 3, 4],
            vec![5, 6, 7, 8],
            vec![5, 6],
            vec![5],
            vec![5],
            vec![6],
            vec![7, 8],
        ]
    );
    assert_eq!(mapping.status.activity().discarded, 1);
    assert_eq!(note(&stack).await["DDBStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test(start_paused = true)]
async fn with_partial_responses_a_batch_is_bisected_at_the_reported_record() {
    let stack = stack();
    stack.put_many(TABLE, 4);
    let probe = reporting(3);
    let settings = Settings {
        bisect_batch_on_function_error: true,
        maximum_retry_attempts: Some(0),
        on_failure: Some(given_up(&stack)),
        ..partial()
    };
    let mapping = start(&stack, settings, &probe);
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [vec![1, 2, 3, 4], vec![3, 4], vec![3], vec![4]]);
    assert_eq!(note(&stack).await["responseContext"], reported());
}

/// The function did not fail: it reported.
fn reported() -> Value {
    json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": null })
}

#[tokio::test(start_paused = true)]
async fn the_note_of_a_batch_that_was_reported_says_that_the_function_did_not_fail() {
    for answer in [
        failures(&[""]),
        json!({ "batchItemFailures": [{ "sequenceNumber": null }] }),
        json!("text"),
    ] {
        let stack = stack();
        stack.put(TABLE, "item", 1, 1);
        let probe = Probe::answering(answer.clone());
        let settings = Settings {
            maximum_retry_attempts: Some(3),
            on_failure: Some(given_up(&stack)),
            ..partial()
        };
        let mapping = start(&stack, settings, &probe);
        mapping.until_quiet().await;
        let note = note(&stack).await;
        assert_eq!(note["responseContext"], reported(), "{answer}");
        assert_eq!(note["requestContext"]["condition"], "RetryAttemptsExhausted");
        assert_eq!(note["requestContext"]["approximateInvokeCount"], 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_that_can_not_be_delivered_is_counted() {
    let stack = stack();
    stack.put_many(TABLE, 1);
    let settings = Settings {
        maximum_retry_attempts: Some(0),
        on_failure: Some(given_up(&stack)),
        ..defaults()
    };
    let probe = Probe::new(|_, _| Reply::After(seconds(31)));
    let mapping = start(&stack, settings, &probe);
    mapping.until(|| mapping.status.activity().running == 1).await;
    let url = json!({ "QueueUrl": stack.sqs.queue_url("given-up") }).to_string();
    assert_eq!(stack.sqs.handle("DeleteQueue", url.as_bytes()).await.status, 200);
    mapping.until_quiet().await;
    assert_eq!(mapping.status.activity().undelivered, 1);
}

#[tokio::test(start_paused = true)]
async fn shuffled_records_arrive_in_another_order_and_each_partition_key_keeps_its_own() {
    let mut arrivals = Vec::new();
    for seed in 0..20 {
        let stack = stack();
        let probe = Probe::content();
        let settings = Settings {
            order: Order::Shuffled(seed),
            batch_size: 7,
            ..defaults()
        };
        let mapping = start(&stack, settings, &probe);
        let mut written = 0;
        for revision in 1..=6 {
            for stream in ["a", "b", "c", "d"] {
                written += 1;
                stack.put(TABLE, stream, revision, written);
            }
            sleep(seconds(revision % 2)).await;
        }
        mapping.until_quiet().await;
        let order = probe.ns().concat();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=24).collect::<Vec<_>>());
        assert_each_key_in_order(&probe);
        assert_numbers_rise(&probe);
        arrivals.push(order);
    }
    assert!(arrivals.iter().all(|order| !order.is_sorted()), "{arrivals:?}");
    arrivals.sort();
    arrivals.dedup();
    assert_eq!(arrivals.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_shuffled_run_goes_on_from_its_checkpoint_without_a_gap() {
    for seed in 0..20 {
        let stack = stack();
        stack.put_many(TABLE, 20);
        let first = Probe::new(|n, _| {
            if n < 2 {
                Reply::Answer(Value::Null)
            } else {
                Reply::Fail
            }
        });
        let settings = Settings {
            order: Order::Shuffled(seed),
            batch_size: 4,
            ..defaults()
        };
        let mapping = start(&stack, settings.clone(), &first);
        mapping.until(|| first.invocations().len() == 3).await;
        let status = mapping.status.clone();
        mapping.stop().await.unwrap();

        let checkpoint = status.activity().checkpoint;
        let starting_position = checkpoint.map_or(StreamPosition::TrimHorizon, StreamPosition::After);
        let second = Probe::content();
        let mapping = start(
            &stack,
            Settings {
                starting_position,
                ..settings
            },
            &second,
        );
        mapping.until_quiet().await;
        let mut done = [&first.ns()[..2], &second.ns()[..]].concat().concat();
        done.sort_unstable();
        done.dedup();
        assert_eq!(done, (1..=20).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_invocation_is_finished_at_shutdown_and_no_other_begins() {
    let stack = stack();
    stack.put_many(TABLE, 4);
    let probe = Probe::new(|_, _| Reply::After(seconds(20)));
    let mapping = start(
        &stack,
        Settings {
            batch_size: 2,
            ..defaults()
        },
        &probe,
    );
    mapping.until(|| mapping.status.activity().running == 1).await;
    let status = mapping.status.clone();
    mapping.stop().await.unwrap();
    assert_eq!(probe.ns(), [[1, 2]]);
    assert_eq!((status.activity().running, status.activity().pending), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_another_attempt_does_not_hold_up_the_shutdown() {
    let stack = stack();
    stack.put_many(TABLE, 1);
    let probe = Probe::new(|_, _| Reply::Fail);
    let mapping = start(&stack, defaults(), &probe);
    mapping.until(|| probe.invocations().len() == 8).await;
    let told = Instant::now();
    mapping.stop().await.unwrap();
    assert_eq!(told.elapsed(), seconds(0));
}

#[tokio::test(start_paused = true)]
async fn settings_outside_of_lambdas_limits_are_refused() {
    for (wrong, named) in [
        (
            Settings {
                batch_size: 10_001,
                ..defaults()
            },
            "BatchSize",
        ),
        (
            Settings {
                batching_window: seconds(301),
                ..defaults()
            },
            "MaximumBatchingWindowInSeconds",
        ),
        (
            Settings {
                parallelization_factor: 11,
                ..defaults()
            },
            "ParallelizationFactor",
        ),
        (
            Settings {
                maximum_retry_attempts: Some(10_001),
                ..defaults()
            },
            "MaximumRetryAttempts",
        ),
        (
            Settings {
                maximum_record_age: Some(seconds(59)),
                ..defaults()
            },
            "MaximumRecordAgeInSeconds",
        ),
    ] {
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.starts_with(named), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_that_change_nothing_invoke_no_function() {
    let stack = stack();
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    stack.put(TABLE, "item", 1, 1);
    mapping.until_quiet().await;
    stack.put(TABLE, "item", 1, 1);
    mapping.until_quiet().await;
    sleep(seconds(60)).await;
    assert_eq!(probe.ns(), [[1]]);
    stack.put(TABLE, "item", 1, 2);
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [[1], [2]]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_switched_on_again_is_read_from_its_beginning_and_no_earlier() {
    let stack = stack();
    let switch = |stream: &Value| {
        stack.ask(
            "UpdateTable",
            &json!({ "TableName": TABLE, "StreamSpecification": stream }),
        );
    };
    stack.put(TABLE, "before", 1, 1);
    switch(&json!({ "StreamEnabled": false }));
    stack.put(TABLE, "unseen", 1, 2);
    switch(&json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" }));
    stack.put(TABLE, "after", 1, 3);
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    mapping.until_quiet().await;
    assert_eq!(probe.ns(), [[3]]);
}

#[tokio::test(start_paused = true)]
async fn records_of_a_stream_that_was_switched_off_and_on_carry_the_arn_of_their_own() {
    let stack = stack();
    let stream = || stack.dynamodb.stream_of(TABLE).unwrap().arn;
    let first = stream();
    let probe = Probe::content();
    let mapping = start(&stack, defaults(), &probe);
    mapping.until_quiet().await;
    stack.put(TABLE, "one", 1, 1);
    for specification in [
        json!({ "StreamEnabled": false }),
        json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" }),
    ] {
        stack.ask(
            "UpdateTable",
            &json!({ "TableName": TABLE, "StreamSpecification": specification }),
        );
    }
    stack.put(TABLE, "two", 1, 2);
    mapping.until(|| probe.ns().concat().len() == 2).await;
    let of = |record: &Value| {
        let shown = &record["dynamodb"]["StreamViewType"];
        (
            record["eventSourceARN"].clone(),
            shown.as_str().unwrap().to_owned(),
        )
    };
    let seen: Vec<_> = probe.batches().concat().iter().map(of).collect();
    let expected = [
        (json!(first), "NEW_IMAGE".to_owned()),
        (json!(stream()), "NEW_AND_OLD_IMAGES".to_owned()),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_table_without_a_stream_is_refused() {
    let stack = Stack::new();
    let error = start(&stack, defaults(), &Probe::content()).task_error().await;
    assert!(
        error.contains("events has no stream") && error.contains("StreamEnabled"),
        "{error}"
    );
}

fn assert_each_key_in_order(probe: &Probe) {
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in probe.batches().concat() {
        let keys = &record["dynamodb"]["Keys"];
        let revision = keys["revision"]["N"].as_str().unwrap().parse().unwrap();
        seen.entry(keys["id"]["S"].to_string())
            .or_default()
            .push(revision);
    }
    assert!(seen.values().all(|revisions| revisions.is_sorted()), "{seen:?}");
}

fn assert_numbers_rise(probe: &Probe) {
    let number = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
    let numbers: Vec<_> = probe.batches().concat().iter().map(number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_deleted_is_told_of_waited_for_and_its_stream_read_again() {
    let stack = stack();
    let (notices, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (stop, shutdown) = tokio::sync::watch::channel(false);
    let probe = Probe::content();
    let status = Status::telling(notices);
    let mapping = tokio::spawn(run(
        defaults(),
        stack.dynamodb.clone(),
        probe.function(&stack),
        status.clone(),
        shutdown,
    ));
    stack.put(TABLE, "a", 1, 1);
    sleep(seconds(1)).await;
    stack.ask("DeleteTable", &json!({ "TableName": TABLE }));
    let lost = told.recv().await.unwrap().to_string();
    assert!(
        lost.starts_with("table events was deleted, and all that was in it: probe waits"),
        "{lost}"
    );

    // Without a stream there is nothing to read yet.
    let mut silent = table(TABLE);
    silent.as_object_mut().unwrap().remove("StreamSpecification");
    stack.ask("CreateTable", &silent);
    stack.put(TABLE, "a", 1, 2);
    sleep(seconds(3_600)).await;
    stack.ask("DeleteTable", &json!({ "TableName": TABLE }));
    stack.create_table(TABLE);
    stack.put(TABLE, "a", 1, 3);
    assert_eq!(
        told.recv().await.unwrap().to_string(),
        "table events is there again: probe reads its stream"
    );
    sleep(seconds(1)).await;
    // What was read before is not read again, though the table has its name.
    assert_eq!(probe.ns(), [[1], [3]]);
    assert!(status.is_quiet());

    // Deleted and made again at once.
    stack.ask("DeleteTable", &json!({ "TableName": TABLE }));
    stack.create_table(TABLE);
    stack.put(TABLE, "a", 1, 4);
    sleep(seconds(1)).await;
    assert_eq!(probe.ns(), [[1], [3], [4]]);
    let arn = |at: usize| probe.batches()[at][0]["eventSourceARN"].clone();
    assert_ne!(arn(0), arn(1));

    stack.ask("DeleteTable", &json!({ "TableName": TABLE }));
    sleep(seconds(1)).await;
    stop.send_replace(true);
    mapping.await.unwrap().unwrap();
}
