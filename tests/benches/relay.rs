//! The relay's handler on one event of the stream's mapping with 100 commits, in the mix that loans
//! write: from the event's JSON to the answer, with every message on its queue.

mod support;

use std::sync::Arc;

use bundle::{Parts, Settings};
use criterion::{BatchSize, Criterion, Throughput};
use embedded_aws::dynamodb::StreamPosition;
use eventsourcing::{Category, SettingValues, SystemClock};
use lambda_runtime::{Context, LambdaEvent};
use local::{CollectedMetrics, Stack};
use serde_json::{Value, json};

/// Lambda's default batch, and the mapping's.
const RECORDS: usize = 100;

/// What a loan writes; each event goes to one queue.
const EVENTS: [&str; 2] = ["BookLent", "MemberReminded"];

fn main() {
    let runtime = support::runtime();
    let stack = runtime.block_on(support::still_stack());
    let function = stack.registry().function(bundle::RELAY);
    let relay = function.expect("the registry has a relay").start(&parts(&stack));
    let event = runtime.block_on(stream_event(&stack));
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("100 records", |bencher| {
        bencher.iter_batched(
            || {
                runtime.block_on(purge(&stack));
                LambdaEvent::new(event.clone(), Context::default())
            },
            |event| {
                let answer = runtime.block_on(relay.call(event));
                assert_eq!(
                    answer.expect("it can be read"),
                    json!({ "batchItemFailures": [] })
                );
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    criterion.final_summary();
}

fn parts(stack: &Stack) -> Parts {
    let sqs = stack.wire().sqs();
    Parts {
        settings: Settings {
            names: stack.names().clone(),
            queue_url_prefix: sqs.queue_url(&stack.names().prefix()),
            scheduling: None,
            views: true,
            event_bus: None,
            values: SettingValues::default(),
        },
        connection: stack.connection(bundle::RELAY),
        clock: Arc::new(SystemClock),
        metrics: Arc::new(CollectedMetrics::default()),
    }
}

/// The event, from the stream of the table in which the commits are.
async fn stream_event(stack: &Stack) -> Value {
    let store = support::store(stack);
    for loan in 0..RECORDS.div_ceil(EVENTS.len()) {
        let stream = Category::new("bench").stream(&loan);
        support::fill(&store, &stream, EVENTS).await;
    }
    let dynamodb = stack.wire().dynamodb();
    let records = dynamodb
        .stream_of(&stack.names().events_table())
        .and_then(|stream| {
            let iterator = dynamodb.shard_iterator(&stream, StreamPosition::TrimHorizon)?;
            dynamodb.records(&stream, &iterator, RECORDS)
        });
    let records = records.expect("the event table has a stream").records;
    assert_eq!(records.len(), RECORDS);
    let records: Vec<_> = records.into_iter().map(|record| record.json).collect();
    json!({ "Records": records })
}

/// Takes the messages of the round before out of the queues, which would fill the memory otherwise.
async fn purge(stack: &Stack) {
    let sqs = stack.wire().sqs();
    for queue in stack.registry().routes().queues() {
        let url = sqs.queue_url(&stack.names().of_function(&queue));
        let request = json!({ "QueueUrl": url }).to_string();
        let answer = sqs.handle("PurgeQueue", request.as_bytes()).await;
        assert_eq!(answer.status, 200, "{queue}");
    }
}
