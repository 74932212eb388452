//! A second business within the tests, for what the library does not have: a message in its second version, and
//! commands that each record something of their own in one stream.

use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{
    Bus, CommandFunction, DynamoDbEventStore, Handler, MetricSink, Metrics, Patience, QueueFunction,
    StepFunction,
};
use eventsourcing::{
    Category, Clock, Decider, Decision, Dispatch, EventStore, Message, Refusal, Step, SystemClock, Timestamp,
    commands, events, message,
};
use local::StackOptions;
use serde_json::{Value, json};
use testkit::instance::{again, invoke, queue_record};
use testkit::running::Running;

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
pub struct OnGreeted;

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

/// A stack of tables and queues alone.
pub(crate) async fn bundle() -> Running {
    Running::start(StackOptions {
        functions: false,
        ..options()
    })
    .await
}

/// The function that greets, and the one that follows from it.
pub(crate) fn doors(bundle: &Running) -> [Arc<dyn Handler>; 2] {
    let dynamodb = bundle.stack.connection("greet").dynamodb;
    let events = DynamoDbEventStore::new(dynamodb, bundle.stack.names().events_table());
    let store: Arc<dyn EventStore> = Arc::new(events);
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
            Patience::default(),
            clock.clone(),
            metrics(),
        )),
        Arc::new(QueueFunction::new(
            "on-greeted",
            "on-greeted",
            on_greeted,
            bus,
            Patience::default(),
            clock,
            metrics(),
        )),
    ]
}

/// Has the function take these messages as one batch.
pub(crate) async fn take(function: &dyn Handler, bodies: &[Value]) {
    let record =
        |(n, body): (usize, &Value)| queue_record(&format!("m-{n}"), &body.to_string(), Duration::ZERO);
    let records: Vec<_> = bodies.iter().enumerate().map(record).collect();
    let event = json!({ "Records": records });
    let answer = invoke(function, event).await.expect("it can be read");
    assert_eq!(again(&answer), [""; 0]);
}
