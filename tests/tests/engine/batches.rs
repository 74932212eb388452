//! Several commands of one batch for one stream.

use eventsourcing::{
    CommandEnvelope, CommandMeta, EventStore, History, MAX_COMMIT_BYTES, NewEvent, Read, StreamId, Timestamp,
    plan,
};
use serde_json::{Value, json};
use testkit::running::Running;

use crate::doors::{Door, Greet, bundle, doors, take};

fn front() -> String {
    "front".repeat(20)
}

fn greeting(name: &str) -> Value {
    json!({ "id": name, "schema_version": 2, "command": { "door": front(), "name": name } })
}

/// A door at which somebody was greeted.
async fn opened(bundle: &Running) -> StreamId {
    let [greet, _] = doors(bundle);
    take(&*greet, &[greeting("Ada")]).await;
    bundle.forget_calls();
    format!("door-{}", front()).parse().expect("a stream's name")
}

#[tokio::test(start_paused = true)]
async fn several_commands_of_a_batch_for_one_stream_become_one_commit() {
    let bundle = bundle().await;
    let stream = opened(&bundle).await;
    let [greet, _] = doors(&bundle);
    let batch: Vec<_> = (0..10).map(|n| greeting(&format!("visitor {n}"))).collect();
    take(&*greet, &batch).await;
    assert_eq!(bundle.calls_of("greet", "Query").len(), 1);
    assert_eq!(bundle.calls_of("greet", "PutItem").len(), 1);
    let loaded = bundle.store.load(&stream, Read::Consistent).await;
    let lengths: Vec<_> = loaded
        .expect("the stream is whole")
        .commits()
        .iter()
        .map(|commit| commit.events.len())
        .collect();
    assert_eq!(lengths, [1, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_events_fill_one_commit_to_the_brim_is_split() {
    let bundle = bundle().await;
    let stream = opened(&bundle).await;
    let history = bundle.store.load(&stream, Read::Consistent).await;
    let history = History::<Door>::of(&history.expect("the stream is whole")).expect("it can be read");
    // Ten names of four bytes per letter; the last one is made to fit the room to the byte.
    let body = |n: usize, letters: usize| {
        let name = format!("{n}{}", "\u{1f4b8}".repeat(letters));
        let mut greeting = greeting(&name);
        greeting["id"] = json!(n.to_string());
        greeting
    };
    let size = |bodies: &[Value]| {
        let now = Timestamp::from_millis(0);
        let commands: Vec<_> = bodies
            .iter()
            .map(|body| {
                let envelope =
                    CommandEnvelope::<Greet>::read(&body.to_string(), "", now).expect("it is right");
                let meta = CommandMeta {
                    id: envelope.id,
                    correlation_id: envelope.metadata.correlation_id,
                    trace: None,
                };
                (meta, envelope.command.into())
            })
            .collect();
        let planned = plan(&history, &commands, &(), now, usize::MAX);
        planned.events.iter().map(NewEvent::stored_bytes).sum::<usize>()
    };
    let mut batch: Vec<_> = (0..10).map(|n| body(n, 9_990)).collect();
    let over = size(&batch) - MAX_COMMIT_BYTES;
    batch[9] = body(9, 9_990 - over.div_ceil(4) - 10);
    let room = MAX_COMMIT_BYTES - size(&batch);
    assert!(
        room < 60,
        "{room} bytes are left, less than the rest of an item takes"
    );
    let [greet, _] = doors(&bundle);
    take(&*greet, &batch).await;
    let recorded = bundle.types(&stream).await.len();
    assert_eq!(recorded, 11, "all ten are recorded at once");
    let commits = bundle.store.load(&stream, Read::Consistent).await;
    let commits = commits.expect("the stream is whole").commits().len();
    assert_eq!(commits, 3, "in two commits");
}
