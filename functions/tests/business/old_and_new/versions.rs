//! How a version is changed: a message in its second version, whose first one is still in streams and on
//! queues; and what comes from a future that this code does not know.

use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{Bus, CommandFunction, Handler, MetricSink, Metrics, Patience, QueueFunction, StepFunction};
use embedded_sqs::QueueAttributes;
use eventsourcing::{
    Category, Clock, Commit, Decider, Decision, Dispatch, EventStore, Message, NewEvent, Position, Refusal,
    Step, StreamId, SystemClock, Timestamp, commands, events, message,
};
use functions::scenarios::Ids;
use local::StackOptions;
use serde_json::{Value, json};
use testkit::running::Running;
use testkit::instance::{again, invoke, queue_record};

use crate::options;
use crate::stories::Stories;

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

async fn bundle() -> Running {
    Running::start(StackOptions {
        functions: false,
        ..options()
    })
    .await
}

/// The function that greets, and the one that follows from it.
fn doors(bundle: &Running) -> [Arc<dyn Handler>; 2] {
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

async fn take(function: &dyn Handler, body: &Value) {
    let event = json!({ "Records": [queue_record("m-1", &body.to_string(), Duration::ZERO)] });
    let answer = invoke(function, event).await.expect("it can be read");
    assert_eq!(again(&answer), [""; 0]);
}

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

#[tokio::test(start_paused = true)]
async fn a_message_from_the_future_is_in_the_dead_letter_queue_and_says_its_version() {
    let stories = Stories::play().await;
    let bundle = &stories.bundle;
    let functions: Vec<_> = bundle
        .command_functions()
        .chain(bundle.step_functions())
        .collect();
    for function in functions {
        let queue = &function.name;
        let mut message: Value = serde_json::from_str(stories.sample(queue)).expect("a sample is JSON");
        message["schema_version"] = json!(7);
        bundle.send(queue, &message.to_string()).await;
        bundle.settle().await;
        let letters = bundle.take_letters(queue).await;
        assert_eq!(letters.len(), 1, "{queue}");
        assert_eq!(letters[0].attribute("error_code"), "malformed");
        let error = letters[0].attribute("error");
        assert!(
            error.contains("it has schema version 7, and this version reads 1 to 1"),
            "{error}"
        );
        assert_eq!(letters[0].body, message.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_type_from_the_future_is_passed_over_and_the_order_goes_on() {
    let bundle = Running::start(StackOptions {
        simulators: false,
        ..options()
    })
    .await;
    let cart = json!({
        "cart_id": "c-1", "client_id": "u-1", "total_price": 9.99,
        "product_items": [{ "product_id": "p-1", "quantity": 1, "unit_price": 9.99 }],
    });
    let ids = Ids::of_cart(&cart).expect("the cart has an id");
    let [_, order, payment, shipment] = ids.streams();
    bundle
        .send("finalize-cart", &json!({ "command": cart }).to_string())
        .await;
    bundle.until(&payment, "PaymentRequested").await;
    append(&bundle, &order, "OrderGiftWrapped", 1, &json!({ "paper": "red" })).await;
    append(&bundle, &payment, "PaymentGilded", 3, &json!({})).await;
    let answers = [
        (
            "complete-payment",
            json!({ "payment_id": ids.payment }),
            &shipment,
            "ShipmentRequested",
        ),
        (
            "send-shipment",
            json!({ "shipment_id": ids.shipment }),
            &order,
            "OrderCompleted",
        ),
    ];
    for (queue, command, stream, follows) in answers {
        bundle
            .send(queue, &json!({ "command": command }).to_string())
            .await;
        bundle.until(stream, follows).await;
    }
    bundle.settle().await;
    assert_eq!(
        bundle.types(&order).await,
        [
            "OrderInitialized",
            "OrderGiftWrapped",
            "OrderConfirmed",
            "OrderCompleted"
        ]
    );
    assert_eq!(
        bundle.types(&payment).await,
        ["PaymentRequested", "PaymentGilded", "PaymentCompleted"]
    );
    assert_eq!(
        (bundle.take_all_letters().await, bundle.outbox().await.len()),
        (vec![], 0)
    );
}
