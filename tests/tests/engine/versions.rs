//! How a version is changed: a message in its second version, whose first one is still in streams and on
//! queues.

use std::sync::Arc;

use aws_adapters::{Bus, CommandFunction, Handler, MetricSink, Metrics, QueueFunction, StepFunction};
use embedded_sqs::QueueAttributes;
use eventsourcing::{
    Category, Clock, Commit, Decider, Decision, Dispatch, EventStore, Message, NewEvent, Position, Refusal,
    Step, StreamId, SystemClock, Timestamp, commands, events, message,
};
use local::StackOptions;
use serde_json::{Value, json};
use testkit::bundle::Bundle;
use testkit::instance::{again, invoke, queue_record};

use crate::options;

message! {
    /// Somebody is to be greeted. In version 1 the name was in `who`.
    pub struct Greet, version 2, lifted by renamed {
        /// Which door they come through.
        pub door: String,
        /// Whom.
        pub name: String,
    }
}

message! {
    /// Somebody was greeted. In version 1 the name was in `who`.
    pub struct Greeted, version 2, lifted by renamed {
        /// At which door.
        pub door: String,
        /// Whom.
        pub name: String,
    }
}

/// The name of version 2 out of the `who` of version 1.
fn renamed(from: u32, json: &str) -> Option<String> {
    let mut fields: Value = serde_json::from_str(json).ok()?;
    let who = fields.as_object_mut()?.remove("who")?;
    fields["name"] = who;
    (from == 1).then(|| fields.to_string())
}

commands! {
    /// What a door is asked to do.
    pub enum DoorCommand for Door { Greet => door }
}

events! {
    /// What happens at a door.
    pub enum DoorEvent { Greeted }
}

/// Greets everybody once.
#[derive(Debug)]
pub struct Door;

impl Decider for Door {
    const CATEGORY: Category = Category::new("door");
    type Command = DoorCommand;
    type Event = DoorEvent;
    type State = Vec<String>;
    type Settings = ();

    fn evolve(mut greeted: Vec<String>, event: &DoorEvent) -> Vec<String> {
        let DoorEvent::Greeted(event) = event;
        greeted.push(event.name.clone());
        greeted
    }

    fn decide(
        greeted: &Vec<String>,
        command: &DoorCommand,
        (): &(),
        _: Timestamp,
    ) -> Result<Decision<DoorEvent>, Refusal> {
        let DoorCommand::Greet(Greet { door, name }) = command.clone();
        Ok(if greeted.contains(&name) {
            Decision::Nothing
        } else {
            Decision::one(Greeted { door, name })
        })
    }
}

/// Whoever was greeted at one door is greeted at the next.
#[derive(Debug)]
struct OnGreeted;

impl Step for OnGreeted {
    type Event = Greeted;
    type Source = Door;
    type Settings = ();
    const SENDS: &'static [&'static str] = &[Greet::TYPE];

    fn react(event: &Greeted, _: &Vec<String>, (): &()) -> Vec<Dispatch> {
        let door = format!("{}-next", event.door);
        vec![Dispatch::now(&Greet {
            door,
            name: event.name.clone(),
        })]
    }
}

struct NoMetrics;

impl MetricSink for NoMetrics {
    fn emit(&self, _: &str, _: &Metrics, _: Timestamp) {}
}

async fn bundle() -> Bundle {
    Bundle::start(StackOptions {
        functions: false,
        ..options()
    })
    .await
}

/// The function that greets, and the one that follows from it.
fn doors(bundle: &Bundle) -> [Arc<dyn Handler>; 2] {
    let store: Arc<dyn EventStore> = Arc::new(bundle.store.clone());
    let (bus, clock): (Bus, Arc<dyn Clock>) = (bundle.bus(), Arc::new(SystemClock));
    let greet = CommandFunction::<Greet>::new(store.clone(), bus.clone(), clock.clone(), ());
    let on_greeted = StepFunction::<OnGreeted>::new(store, bus.clone(), clock.clone(), ());
    let metrics = || Arc::new(NoMetrics);
    [
        Arc::new(QueueFunction::new(
            "greet",
            "greet",
            greet,
            bus.clone(),
            clock.clone(),
            metrics(),
        )),
        Arc::new(QueueFunction::new(
            "on-greeted",
            "on-greeted",
            on_greeted,
            bus,
            clock,
            metrics(),
        )),
    ]
}

async fn take(function: &dyn Handler, body: &Value) {
    let event = json!({ "Records": [queue_record("m-1", &body.to_string(), 1)] });
    let answer = invoke(function, event).await.expect("it can be read");
    assert_eq!(again(&answer), [""; 0]);
}

fn stream(name: &str) -> StreamId {
    name.parse().expect("it is a stream's name")
}

/// Appends an event to a stream past all rules, as another version would.
async fn append(
    bundle: &Bundle,
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
        take(&*greet, &command).await;
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
        take(&*on_greeted, &event).await;
    }
    let sent = bundle.take("greet").await;
    assert_eq!(sent.len(), 3);
    for message in sent {
        let message: Value = serde_json::from_str(&message.body).expect("a message is JSON");
        assert_eq!(message["schema_version"], 2);
        assert_eq!(message["command"], json!({ "door": "front-next", "name": "Ada" }));
    }
}
