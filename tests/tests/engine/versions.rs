//! How a version is changed: a message in its second version, whose first one is still in streams and on
//! queues.

use embedded_sqs::QueueAttributes;
use eventsourcing::{Commit, EventStore, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value, json};
use testkit::running::Running;

use crate::doors::{bundle, doors, take};

fn stream(name: &str) -> StreamId {
    name.parse().expect("it is a stream's name")
}

/// Appends an event to a stream past all rules, as another version would.
async fn append(
    bundle: &Running,
    stream: &StreamId,
    event_type: &'static str,
    schema_version: u32,
    data: &Value,
) {
    let loaded = bundle.store.load(stream, eventsourcing::Read::Consistent).await;
    let position = loaded.map_or(Position::START, |stream| stream.position());
    let event = NewEvent {
        event_type,
        schema_version,
        data: data.to_string(),
        correlation_id: "chain".into(),
        causation_id: format!("cause of {event_type}"),
        trace: None,
    };
    let now = Timestamp::from_millis(1_795_420_800_000);
    let commit = Commit::at(position, stream, uuid::Uuid::new_v4(), now, vec![event]);
    bundle.store.append(&commit).await.expect("nobody else writes");
}

#[tokio::test(start_paused = true)]
async fn commits_of_two_versions_are_one_stream_and_commands_of_both_are_decided_on_it() {
    let bundle = bundle().await;
    let [greet, _] = doors(&bundle);
    let door = stream("door-front");
    append(
        &bundle,
        &door,
        "Greeted",
        1,
        &json!({ "door": "front", "who": "Ada" }),
    )
    .await;
    let new = |name: &str| json!({ "schema_version": 2, "command": { "door": "front", "name": name } });
    let old = |name: &str| json!({ "command": { "door": "front", "who": name } });
    for command in [
        new("Ada"),
        old("Ada"),
        new("Bob"),
        old("Bob"),
        old("Cleo"),
        new("Cleo"),
    ] {
        take(&*greet, &[command]).await;
    }
    let events = bundle.events(&door).await;
    let written: Vec<_> = events
        .iter()
        .map(|event| (event.schema_version, event.data.as_str()))
        .collect();
    assert_eq!(
        written,
        [
            (1, r#"{"door":"front","who":"Ada"}"#),
            (2, r#"{"door":"front","name":"Bob"}"#),
            (2, r#"{"door":"front","name":"Cleo"}"#),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_takes_events_of_both_versions_and_its_commands_say_which_they_are() {
    let bundle = bundle().await;
    let created = bundle
        .stack
        .wire()
        .sqs()
        .create_queue("local-greet", QueueAttributes::default());
    created.expect("a queue can be created");
    let [_, on_greeted] = doors(&bundle);
    for (version, name) in [(Some(1), "who"), (None, "who"), (Some(2), "name")] {
        let event = json!({
            "id": "e-1", "type": "Greeted", "stream_id": "door-front", "revision": 1,
            "schema_version": version, "event": { "door": "front", name: "Ada" },
        });
        take(&*on_greeted, &[event]).await;
    }
    let sent = bundle.take("greet").await;
    assert_eq!(sent.len(), 3);
    for message in sent {
        let message: Value = serde_json::from_str(&message.body).expect("a message is JSON");
        assert_eq!(message["schema_version"], 2);
        assert_eq!(message["command"], json!({ "door": "front-next", "name": "Ada" }));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_type_that_the_rules_do_not_know_is_passed_over_and_the_stream_goes_on() {
    let bundle = bundle().await;
    let [greet, _] = doors(&bundle);
    let door = stream("door-front");
    append(&bundle, &door, "Painted", 1, &json!({ "colour": "red" })).await;
    for name in ["Ada", "Ada"] {
        take(
            &*greet,
            &[json!({ "schema_version": 2, "command": { "door": "front", "name": name } })],
        )
        .await;
    }
    let events = bundle.events(&door).await;
    let types: Vec<_> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, ["Painted", "Greeted"]);
}
