//! Append and load, on streams of 1, 10 and 100 commits: the event store on the embedded `DynamoDB`,
//! through the real SDK client.
//!
//! An append should take as long whatever it appends to, since it is one write on a condition. A load
//! reads the whole stream.

mod support;

use std::hint::black_box;

use aws_adapters::DynamoDbEventStore;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use criterion::{BatchSize, BenchmarkId, Criterion};
use eventsourcing::{Category, Commit, EventStore, Read, StreamId};
use local::Stack;
use tokio::runtime::Runtime;

/// How many commits the streams have.
const LENGTHS: [usize; 3] = [1, 10, 100];
const EVENT: &str = "BookLent";

fn main() {
    let runtime = support::runtime();
    let stack = runtime.block_on(support::still_stack());
    let mut criterion = Criterion::default().configure_from_args();
    append(&mut criterion, &runtime, &stack);
    load(&mut criterion, &runtime, &stack);
    criterion.final_summary();
}

fn append(criterion: &mut Criterion, runtime: &Runtime, stack: &Stack) {
    let (store, client) = (support::store(stack), stack.observer().dynamodb);
    let table = stack.names().events_table();
    let mut group = criterion.benchmark_group("append to a stream of");
    for length in LENGTHS {
        let stream = filled(runtime, &store, "appended", length);
        let stored = runtime.block_on(store.load(&stream, Read::Consistent));
        let end = stored.expect("it was just written").position();
        let next = support::commit(&stream, end, EVENT);
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter_batched(
                // The commit of the round before goes, so that the stream is as long as it says.
                || runtime.block_on(take_back(&client, &table, &next)),
                |()| {
                    runtime
                        .block_on(store.append(black_box(&next)))
                        .expect("nobody else appends")
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn load(criterion: &mut Criterion, runtime: &Runtime, stack: &Stack) {
    let store = support::store(stack);
    let mut group = criterion.benchmark_group("load a stream of");
    for length in LENGTHS {
        let stream = filled(runtime, &store, "loaded", length);
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| {
                let loaded = runtime.block_on(store.load(black_box(&stream), Read::Consistent));
                loaded.expect("nothing is wrong with it")
            });
        });
    }
    group.finish();
}

fn filled(runtime: &Runtime, store: &DynamoDbEventStore, name: &'static str, length: usize) -> StreamId {
    let stream = Category::new("bench").stream(&format!("{name}-{length}"));
    runtime.block_on(support::fill(store, &stream, std::iter::repeat_n(EVENT, length)));
    stream
}

async fn take_back(client: &Client, table: &str, commit: &Commit) {
    client
        .delete_item()
        .table_name(table)
        .key("stream_id", AttributeValue::S(commit.stream.to_string()))
        .key("revision", AttributeValue::N(commit.revision.to_string()))
        .send()
        .await
        .expect("deleting what may not be there is no error");
}
