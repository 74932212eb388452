//! Every scenario of the order saga, and how each has to end, for whatever stack speaks `DynamoDB` and
//! SQS: the local one, an emulator, AWS.
//!
//! A scenario is a cart and a script. The simulators answer by what is in the cart; the script adds
//! what a customer, a provider or a carrier does beyond that. Whatever happens is read from the event
//! table and the dead-letter queues, never from inside.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_adapters::{Bus, Connection, DynamoDbEventStore, Names, Outgoing, dead_letter_queue};
use domain::cart::{Cart, FinalizeCart};
use domain::order::Order;
use domain::payment::Payment;
use domain::shipment::Shipment;
use domain::values::{CartId, OrderId, PaymentId, ShipmentId};
use eventsourcing::{
    CommandEnvelope, Decider, Draft, EventStore, LoadError, Message, Read, StreamId, Timestamp, sendable,
};
use serde_json::{Value, json};

use Stream::{OfOrder, OfPayment, OfShipment};

/// A cart, what happens to it, and how that has to end.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows.
    pub title: &'static str,
    /// The fields of its `FinalizeCart`.
    pub cart: Value,
    script: Vec<Step>,
    endings: Vec<Ending>,
}

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody sends a command.
    Send(Sent),
    /// Goes on when the stream holds an event of that type.
    Until(Stream, &'static str),
}

/// A command of a script, for the scenario's own cart, order, payment and shipment.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Finalize,
    FinalizeWithOtherTotal,
    FinalizeWithoutTotal,
    Withdraw(&'static str),
    CompletePayment,
    FailPayment(&'static str),
    DiscardPayment,
    SendShipment,
    FailShipment(&'static str),
}

/// One of a scenario's streams.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::enum_variant_names)] // They read as part of a sentence: until, of the order, it completed.
enum Stream {
    OfOrder,
    OfPayment,
    OfShipment,
}

/// The events that the scenario's streams have to hold at the end, by type and in order, and what has
/// to be in dead-letter queues.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    order: Vec<&'static str>,
    /// What the last event of the order says.
    reason: Option<(&'static str, &'static str)>,
    payment: Vec<&'static str>,
    shipment: Vec<&'static str>,
    refused: Vec<(&'static str, &'static str)>,
}

const CONFIRMED: [&str; 2] = ["OrderInitialized", "OrderConfirmed"];

/// The order completes.
fn completed() -> Ending {
    Ending {
        order: [&CONFIRMED[..], &["OrderCompleted"]].concat(),
        reason: None,
        payment: vec!["PaymentRequested", "PaymentCompleted"],
        shipment: vec!["ShipmentRequested", "ShipmentSent"],
        refused: vec![],
    }
}

/// The order is cancelled before it is confirmed.
fn cancelled(cause: &'static str, reason: &'static str, payment: &[&'static str]) -> Ending {
    Ending {
        order: vec!["OrderInitialized", "OrderCancelled"],
        reason: Some((cause, reason)),
        payment: payment.to_vec(),
        shipment: vec![],
        refused: vec![],
    }
}

/// The order is withdrawn before there is one, and cancelled as soon as there is.
fn withdrawn_early(reason: &'static str, payment: &[&'static str]) -> Ending {
    Ending {
        order: vec!["OrderWithdrawnEarly", "OrderInitialized", "OrderCancelled"],
        ..cancelled("withdrawn", reason, payment)
    }
}

/// The order is cancelled because of its shipment, and its money given back.
fn not_sent(reason: &'static str, shipment: &[&'static str]) -> Ending {
    Ending {
        order: [&CONFIRMED[..], &["OrderCancelled"]].concat(),
        reason: Some(("shipment_failed", reason)),
        payment: vec!["PaymentRequested", "PaymentCompleted", "PaymentDiscarded"],
        shipment: shipment.to_vec(),
        refused: vec![],
    }
}

impl Ending {
    fn and_payment(mut self, event: &'static str) -> Self {
        self.payment.push(event);
        self
    }

    fn and_shipment(mut self, event: &'static str) -> Self {
        self.shipment.push(event);
        self
    }

    fn and_refused(mut self, queue: &'static str, code: &'static str) -> Self {
        self.refused.push((queue, code));
        self
    }
}

macro_rules! scenario {
    ($title:literal, $cart:literal, [$($step:expr),* $(,)?] => $($ending:expr),+ $(,)?) => {
        Scenario {
            title: $title,
            cart: serde_json::from_str(include_str!(concat!("../carts/", $cart, ".json")))
                .expect("the carts in this folder are JSON"),
            script: vec![$($step),*],
            endings: vec![$($ending),+],
        }
    };
}

/// All scenarios of the order saga.
pub fn order_scenarios() -> Vec<Scenario> {
    use Sent::{
        CompletePayment, DiscardPayment, FailPayment, FailShipment, Finalize, FinalizeWithOtherTotal,
        FinalizeWithoutTotal, SendShipment, Withdraw,
    };
    use Step::{Send, Until};
    let late = [
        "PaymentRequested",
        "PaymentFailed",
        "PaymentReceivedLate",
        "PaymentDiscarded",
    ];
    vec![
        scenario!("everything goes well", "everything-goes-well", [Send(Finalize)] => completed()),
        scenario!("the cart is finalized twice, same content", "finalized-twice",
            [Send(Finalize), Send(Finalize), Until(OfOrder, "OrderCompleted"), Send(Finalize)] => completed()),
        scenario!("the cart is finalized again, with other content", "finalized-with-other-content",
            [Send(FinalizeWithoutTotal), Send(Finalize), Until(OfOrder, "OrderInitialized"), Send(FinalizeWithOtherTotal)] =>
            completed().and_refused("finalize-cart", "malformed").and_refused("finalize-cart", "rejected")),
        scenario!("the card is declined", "card-declined", [Send(Finalize)] =>
            cancelled("payment_failed", "card declined", &["PaymentRequested", "PaymentFailed"])),
        scenario!("the payment is never answered", "payment-never-answered", [Send(Finalize)] =>
            cancelled("payment_failed", "timed out", &["PaymentRequested", "PaymentFailed"])),
        scenario!("the payment completes after its deadline", "payment-too-late",
            [Send(Finalize), Until(OfPayment, "PaymentDiscarded")] =>
            cancelled("payment_failed", "timed out", &late)),
        scenario!("the payment completes twice", "payment-completed-twice", [Send(Finalize)] => completed()),
        scenario!("the payment fails after it completed", "payment-fails-after-all",
            [Send(Finalize), Until(OfPayment, "PaymentCompleted"), Send(FailPayment("insufficient funds"))] =>
            completed().and_payment("PaymentFailedLate")),
        scenario!("an item is out of stock", "out-of-stock", [Send(Finalize)] =>
            not_sent("out of stock", &["ShipmentRequested", "ShipmentFailed"])),
        scenario!("the carrier never answers", "lost-parcel", [Send(Finalize)] =>
            not_sent("timed out", &["ShipmentRequested", "ShipmentFailed"])),
        scenario!("the parcel leaves after its deadline", "lost-parcel-turns-up",
            [Send(Finalize), Until(OfOrder, "OrderCancelled"), Send(SendShipment)] =>
            not_sent("timed out", &["ShipmentRequested", "ShipmentFailed"]).and_shipment("ShipmentSentLate")),
        scenario!("the shipment fails after it was sent", "shipment-fails-after-all",
            [Send(Finalize), Until(OfShipment, "ShipmentSent"), Send(FailShipment("van broke down"))] =>
            completed().and_shipment("ShipmentFailedLate")),
        scenario!("the shipment is sent twice", "shipment-sent-twice",
            [Send(Finalize), Until(OfShipment, "ShipmentSent"), Send(SendShipment)] => completed()),
        scenario!("the order is withdrawn before there is one", "withdrawn-early",
            [Send(Withdraw("changed my mind")), Until(OfOrder, "OrderWithdrawnEarly"), Send(Finalize)] =>
            withdrawn_early("changed my mind", &["PaymentVoided"]),
            withdrawn_early("changed my mind", &["PaymentRequested", "PaymentVoided"])),
        scenario!("the order is withdrawn before it is paid", "withdrawn",
            [Send(Finalize), Until(OfPayment, "PaymentRequested"), Send(Withdraw("changed my mind"))] =>
            cancelled("withdrawn", "changed my mind", &["PaymentRequested", "PaymentVoided"])),
        scenario!("the order is withdrawn, and paid all the same", "withdrawn-and-paid-all-the-same",
            [Send(Finalize), Until(OfPayment, "PaymentRequested"), Send(Withdraw("changed my mind")),
             Until(OfPayment, "PaymentVoided"), Send(CompletePayment)] =>
            cancelled("withdrawn", "changed my mind",
                &["PaymentRequested", "PaymentVoided", "PaymentReceivedLate", "PaymentDiscarded"])),
        scenario!("the order is withdrawn after it was confirmed", "withdrawn-too-late",
            [Send(Finalize), Until(OfOrder, "OrderConfirmed"), Send(Withdraw("too late"))] =>
            completed().and_refused("withdraw-order", "rejected")),
        scenario!("the order is withdrawn while its payment completes", "withdrawn-while-the-payment-completes",
            [Send(Finalize), Until(OfOrder, "OrderInitialized"), Send(Withdraw("a race"))] =>
            completed().and_refused("withdraw-order", "rejected"),
            cancelled("withdrawn", "a race", &["PaymentVoided"]),
            cancelled("withdrawn", "a race", &["PaymentRequested", "PaymentVoided"]),
            cancelled("withdrawn", "a race", &["PaymentRequested", "PaymentCompleted", "PaymentDiscarded"]),
            cancelled("withdrawn", "a race",
                &["PaymentRequested", "PaymentVoided", "PaymentReceivedLate", "PaymentDiscarded"])),
        scenario!("the order is withdrawn while its payment fails", "withdrawn-while-the-payment-fails",
            [Send(Finalize), Until(OfPayment, "PaymentFailed"), Send(Withdraw("a race"))] =>
            cancelled("withdrawn", "a race", &["PaymentRequested", "PaymentFailed"]),
            cancelled("payment_failed", "card declined", &["PaymentRequested", "PaymentFailed"])
                .and_refused("withdraw-order", "rejected")),
        scenario!("the payment is discarded by hand before it is answered", "discarded-by-hand",
            [Send(Finalize), Until(OfPayment, "PaymentRequested"), Send(DiscardPayment)] =>
            cancelled("payment_failed", "the payment was discarded",
                &["PaymentRequested", "PaymentVoided", "PaymentRevoked"])),
        scenario!("the payment is discarded by hand before the parcel left", "discarded-by-hand-before-the-parcel-left",
            [Send(Finalize), Until(OfShipment, "ShipmentRequested"), Send(DiscardPayment)] =>
            not_sent("the payment was discarded", &["ShipmentRequested", "ShipmentFailed"])
                .and_payment("PaymentRevoked")),
        scenario!("the payment is discarded by hand after the parcel left", "discarded-by-hand-after-the-parcel-left",
            [Send(Finalize), Until(OfOrder, "OrderCompleted"), Send(DiscardPayment)] =>
            completed().and_payment("PaymentDiscarded").and_payment("PaymentRevoked")
                .and_shipment("ShipmentCalledOffLate")),
    ]
}

/// A scenario of somebody's own cart: whatever happens, the order has to close.
#[derive(Clone, Debug)]
pub struct OwnCart {
    /// The fields of its `FinalizeCart`.
    pub cart: Value,
}

impl OwnCart {
    /// The cart in a draft that has no faults: the fields of a `FinalizeCart`, or the whole message.
    pub fn of(draft: &Draft) -> Option<Self> {
        let now = Timestamp::from_millis(0);
        let envelope = CommandEnvelope::<FinalizeCart>::read(&draft.body, "cart", now).ok()?;
        let cart = serde_json::from_str(&envelope.command.json()).ok()?;
        Some(Self { cart })
    }
}

/// The ids that follow from a cart's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The cart.
    pub cart: CartId,
    /// Its order.
    pub order: OrderId,
    /// The order's payment.
    pub payment: PaymentId,
    /// The order's shipment.
    pub shipment: ShipmentId,
}

impl Ids {
    /// The ids of the cart of which these are the fields.
    pub fn of_cart(cart: &Value) -> Option<Self> {
        let cart: CartId = cart["cart_id"].as_str()?.parse().ok()?;
        let order = OrderId::of_cart(&cart);
        Some(Self {
            payment: PaymentId::of_order(&order),
            shipment: ShipmentId::of_order(&order),
            cart,
            order,
        })
    }

    /// Whether a message is about one of them.
    pub fn appear_in(&self, body: &str) -> bool {
        let all = [
            self.cart.as_str(),
            self.order.as_str(),
            self.payment.as_str(),
            self.shipment.as_str(),
        ];
        all.iter().any(|id| body.contains(&format!("\"{id}\"")))
    }

    /// The four streams.
    pub fn streams(&self) -> [StreamId; 4] {
        [
            Cart::CATEGORY.stream(&self.cart),
            Order::CATEGORY.stream(&self.order),
            Payment::CATEGORY.stream(&self.payment),
            Shipment::CATEGORY.stream(&self.shipment),
        ]
    }
}

/// A stored event, as a timeline shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its stream.
    pub stream: StreamId,
    /// Its place there.
    pub revision: u64,
    /// Its type.
    pub event_type: String,
    /// Its fields.
    pub data: Value,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// A message in a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The queue that it was on before, without the stack's name.
    pub queue: String,
    /// The attribute `error_code`.
    pub code: String,
    /// The attribute `error`.
    pub error: String,
    /// The body.
    pub body: String,
}

impl Refused {
    /// Whether it is the `FinalizeCart` with these fields.
    pub fn is_of_cart(&self, cart: &Value) -> bool {
        let body = serde_json::from_str::<Value>(&self.body).unwrap_or_default();
        self.queue == "finalize-cart" && body["command"] == *cart
    }
}

/// What has become of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All events of its four streams, by time.
    pub timeline: Vec<TimelineEntry>,
    /// What of it is in dead-letter queues.
    pub refused: Vec<Refused>,
}

impl Outcome {
    /// How the order ended, in words; none if it is open.
    pub fn ending(&self) -> Option<String> {
        self.timeline
            .iter()
            .find_map(|entry| match entry.event_type.as_str() {
                "OrderCompleted" => Some("Completed".to_owned()),
                "OrderCancelled" => {
                    let text = |name: &str| entry.data[name].as_str().unwrap_or("?").to_owned();
                    Some(format!("Cancelled ({}: {})", text("cause"), text("reason")))
                }
                _ => None,
            })
    }

    /// When its first event was committed.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.timeline.first().map(|entry| entry.committed_at)
    }

    fn types(&self, category: &str) -> Vec<&str> {
        let of_stream = self
            .timeline
            .iter()
            .filter(|entry| entry.stream.category() == category);
        let mut of_stream: Vec<_> = of_stream.collect();
        of_stream.sort_by_key(|entry| entry.revision);
        of_stream
            .into_iter()
            .map(|entry| entry.event_type.as_str())
            .collect()
    }
}

impl Scenario {
    /// What is wrong with how it ended; nothing if it ended as expected.
    pub fn problems(&self, outcome: &Outcome) -> Vec<String> {
        let mut fewest: Option<Vec<String>> = None;
        for ending in &self.endings {
            let problems = ending.problems(outcome);
            if fewest.as_ref().is_none_or(|fewest| problems.len() < fewest.len()) {
                fewest = Some(problems);
            }
        }
        fewest.unwrap_or_default()
    }

    /// The same scenario with another cart id, so that it can be played again on the same stack.
    #[must_use]
    pub fn again(mut self, suffix: &str) -> Self {
        let id = self.cart["cart_id"].as_str().unwrap_or_default();
        self.cart["cart_id"] = format!("{id}-{suffix}").into();
        self
    }
}

impl Ending {
    fn problems(&self, outcome: &Outcome) -> Vec<String> {
        let mut problems = Vec::new();
        let mut expect = |what: &str, found: Vec<&str>, expected: &[&str]| {
            if found != expected {
                problems.push(format!(
                    "the {what} has the events {found:?}; expected {expected:?}"
                ));
            }
        };
        expect("cart", outcome.types("cart"), &["CartFinalized"]);
        expect("order", outcome.types("order"), &self.order);
        expect("payment", outcome.types("payment"), &self.payment);
        expect("shipment", outcome.types("shipment"), &self.shipment);
        if let Some((cause, reason)) = self.reason {
            let expected = format!("Cancelled ({cause}: {reason})");
            let found = outcome.ending().unwrap_or_else(|| "open".into());
            if found != expected {
                problems.push(format!("the order is {found}; expected {expected}"));
            }
        }
        let mut found: Vec<_> = outcome
            .refused
            .iter()
            .map(|r| (r.queue.as_str(), r.code.as_str()))
            .collect();
        found.sort_unstable();
        let mut expected = self.refused.clone();
        expected.sort_unstable();
        if found != expected {
            problems.push(format!(
                "the dead-letter queues hold {found:?}; expected {expected:?}"
            ));
        }
        problems
    }
}

/// Why a scenario could not be played or looked at.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// A message could not be sent.
    #[error(transparent)]
    Send(#[from] aws_adapters::SendError),
    /// A stream could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A dead-letter queue could not be read.
    #[error("queue {queue} could not be read: {why}")]
    Receive {
        /// The queue.
        queue: String,
        /// What went wrong.
        why: String,
    },
    /// What the script waits for did not happen.
    #[error("{stream} held no {event_type} after {waited:?}")]
    NeverHappened {
        /// The stream.
        stream: StreamId,
        /// The type of the event.
        event_type: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The cart has no id.
    #[error("the cart has no cart_id that could be one")]
    NoCartId,
    /// An event could not be written for the sake of a scenario.
    #[error("an event could not be put into a stream: {0}")]
    Write(String),
}

/// Plays scenarios on a stack and looks at what came of them, as somebody outside would.
#[derive(Clone, Debug)]
pub struct Player {
    bus: Bus,
    store: DynamoDbEventStore,
    /// How long a script waits for an event.
    patience: Duration,
}

impl Player {
    /// Somebody outside the stack of those names. `queue_url_prefix` is what its queues' URLs begin
    /// with, `patience` how long a script waits for an event.
    pub fn new(connection: &Connection, names: &Names, queue_url_prefix: &str, patience: Duration) -> Self {
        Self {
            bus: Bus::new(connection.sqs.clone(), queue_url_prefix),
            store: DynamoDbEventStore::new(connection.dynamodb.clone(), names.events_table()),
            patience,
        }
    }

    /// Plays the scenario's script to its end; what it set off may still be going on then.
    pub async fn play(&self, scenario: &Scenario) -> Result<(), PlayError> {
        let ids = Ids::of_cart(&scenario.cart).ok_or(PlayError::NoCartId)?;
        for step in &scenario.script {
            match step {
                Step::Send(sent) => {
                    let (queue, command) = sent.command(&scenario.cart, &ids);
                    self.send(queue, &json!({ "command": command })).await?;
                }
                Step::Until(stream, event_type) => self.until(&stream.of(&ids), event_type).await?,
            }
        }
        Ok(())
    }

    /// Sends a message as somebody outside.
    pub async fn send(&self, queue: &str, body: &Value) -> Result<(), PlayError> {
        let sent = self
            .bus
            .send(vec![Outgoing::now(queue, sendable(body.to_string()), None)])
            .await;
        Ok(sent.into_iter().collect::<Result<_, _>>()?)
    }

    /// Waits until the stream holds an event of that type, looking less and less often.
    pub async fn until(&self, stream: &StreamId, event_type: &'static str) -> Result<(), PlayError> {
        let started = tokio::time::Instant::now();
        let mut interval = Duration::from_millis(5);
        loop {
            let loaded = self.store.load(stream, Read::Consistent).await?;
            if loaded.events().any(|event| event.event_type == event_type) {
                return Ok(());
            }
            let waited = started.elapsed();
            if waited > self.patience {
                return Err(PlayError::NeverHappened {
                    stream: stream.clone(),
                    event_type,
                    waited,
                });
            }
            tokio::time::sleep(interval).await;
            interval = (interval * 5 / 4).min(Duration::from_mins(1));
        }
    }

    /// What has become of the cart. `refused` is what [`Player::refused`] found.
    pub async fn outcome(&self, cart: &Value, refused: &[Refused]) -> Result<Outcome, PlayError> {
        let ids = Ids::of_cart(cart).ok_or(PlayError::NoCartId)?;
        let timeline = self.timeline(&ids.streams()).await?;
        let is_own = |refused: &&Refused| ids.appear_in(&refused.body);
        Ok(Outcome {
            timeline,
            refused: refused.iter().filter(is_own).cloned().collect(),
        })
    }

    /// All events of the streams, by time.
    pub async fn timeline(&self, streams: &[StreamId]) -> Result<Vec<TimelineEntry>, PlayError> {
        let mut timeline = Vec::new();
        for stream in streams {
            let loaded = self.store.load(stream, Read::Consistent).await?;
            for commit in loaded.commits() {
                timeline.extend(commit.events.iter().map(|event| TimelineEntry {
                    stream: stream.clone(),
                    revision: event.revision,
                    event_type: event.event_type.clone(),
                    data: serde_json::from_str(&event.data).unwrap_or_default(),
                    committed_at: commit.committed_at,
                }));
            }
        }
        timeline.sort_by_key(|entry| (entry.committed_at, entry.revision));
        Ok(timeline)
    }

    /// Sends many messages to a queue as somebody outside.
    pub async fn send_all(
        &self,
        queue: &str,
        bodies: impl IntoIterator<Item = Value>,
    ) -> Result<(), PlayError> {
        let messages = bodies
            .into_iter()
            .map(|body| Outgoing::now(queue, sendable(body.to_string()), None));
        let sent = self.bus.send(messages.collect()).await;
        Ok(sent.into_iter().collect::<Result<_, _>>()?)
    }

    /// The store, read as somebody outside.
    pub(crate) fn store(&self) -> &DynamoDbEventStore {
        &self.store
    }

    /// Takes all messages out of the dead-letter queues of `queues`.
    pub async fn refused(&self, queues: &[&str]) -> Result<Vec<Refused>, PlayError> {
        self.refused_of(queues, &|_| true).await
    }

    /// Takes those messages out of the dead-letter queues of `queues` whose body `is_own`. Others are
    /// somebody else's, who sees them again when the queue's visibility timeout ends.
    pub async fn refused_of(
        &self,
        queues: &[&str],
        is_own: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<Refused>, PlayError> {
        let mut refused = Vec::new();
        for queue in queues {
            self.drain(queue, is_own, &mut refused).await?;
        }
        Ok(refused)
    }

    async fn drain(
        &self,
        queue: &str,
        is_own: &(dyn Fn(&str) -> bool + Sync),
        refused: &mut Vec<Refused>,
    ) -> Result<(), PlayError> {
        let url = self.bus.url(&dead_letter_queue(queue));
        let failed = |why: String| PlayError::Receive {
            queue: dead_letter_queue(queue),
            why,
        };
        let mut seen = BTreeSet::new();
        loop {
            let received = self
                .bus
                .client()
                .receive_message()
                .queue_url(&url)
                .max_number_of_messages(10)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(|error| failed(error.into_service_error().to_string()))?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(());
            }
            for message in messages {
                if !is_own(message.body.as_deref().unwrap_or_default()) {
                    continue;
                }
                let attribute = |name: &str| {
                    let value = message.message_attributes.as_ref().and_then(|all| all.get(name));
                    value
                        .and_then(|value| value.string_value.clone())
                        .unwrap_or_default()
                };
                if seen.insert(message.message_id.clone()) {
                    refused.push(Refused {
                        queue: (*queue).to_owned(),
                        code: attribute("error_code"),
                        error: attribute("error"),
                        body: message.body.clone().unwrap_or_default(),
                    });
                }
                self.bus
                    .client()
                    .delete_message()
                    .queue_url(&url)
                    .set_receipt_handle(message.receipt_handle)
                    .send()
                    .await
                    .map_err(|error| failed(error.into_service_error().to_string()))?;
            }
        }
    }
}

impl Stream {
    fn of(self, ids: &Ids) -> StreamId {
        let [_, order, payment, shipment] = ids.streams();
        match self {
            OfOrder => order,
            OfPayment => payment,
            OfShipment => shipment,
        }
    }
}

impl Sent {
    /// The queue and the command.
    fn command(self, cart: &Value, ids: &Ids) -> (&'static str, Value) {
        let with = |name: &str, value: Value| {
            let mut cart = cart.clone();
            cart[name] = value;
            cart
        };
        let (payment_id, shipment_id) = (&ids.payment, &ids.shipment);
        match self {
            Self::Finalize => ("finalize-cart", cart.clone()),
            Self::FinalizeWithOtherTotal => ("finalize-cart", with("total_price", json!(1.23))),
            Self::FinalizeWithoutTotal => ("finalize-cart", with("total_price", Value::Null)),
            Self::Withdraw(reason) => (
                "withdraw-order",
                json!({ "order_id": ids.order, "reason": reason }),
            ),
            Self::CompletePayment => ("complete-payment", json!({ "payment_id": payment_id })),
            Self::FailPayment(error) => (
                "fail-payment",
                json!({ "payment_id": payment_id, "error": error }),
            ),
            Self::DiscardPayment => (
                "discard-payment",
                json!({ "payment_id": payment_id, "order_id": ids.order }),
            ),
            Self::SendShipment => ("send-shipment", json!({ "shipment_id": shipment_id })),
            Self::FailShipment(error) => (
                "fail-shipment",
                json!({ "shipment_id": shipment_id, "error": error }),
            ),
        }
    }
}
