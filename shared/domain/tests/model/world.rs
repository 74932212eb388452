//! The world of orders: what is sent, and how the payment provider and the carrier answer.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use domain::Deadlines;
use domain::cart::CartEvent;
use domain::order::{Cause, OrderCancelled, OrderEvent};
use domain::order_saga::OrderSaga;
use domain::order_standing::OrderStanding;
use domain::payment::{
    CompletePayment, FailPayment, PaymentEvent, PaymentRequested, RequestPayment, TimeOutPayment,
};
use domain::shipment::{FailShipment, SendShipment, ShipmentEvent, ShipmentRequested, TimeOutShipment};
use eventsourcing::standing::Standing;
use eventsourcing::{Commit, EventEnvelope, EventSet, Message, Stream, Timestamp};
use stateright::Property;

use crate::checker::deciding::{Plan, has_step, reads_stream};
use crate::checker::letter::{Letter, now};
use crate::checker::system::{self, Business, Known, System, Table, known};
use crate::properties;
use crate::rules::{self, Rules};

/// What the outside world may do in one run of the checker.
#[derive(Clone)]
pub struct World {
    /// What is sent without being asked for, at whatever time it arrives.
    pub sent: Vec<Letter>,
    /// The payment provider.
    pub provider: Outsider,
    /// The carrier.
    pub carrier: Outsider,
    /// How many deliveries may leave the message where it was.
    pub repeats: u8,
    /// Whether two commands for one stream may come in one batch.
    pub batches: bool,
    /// Which of [`properties::SIGHTS`] there are to be seen.
    pub reaches: Vec<&'static str>,
}

/// A payment provider or carrier.
#[derive(Clone, Copy)]
pub struct Outsider {
    /// What it may answer to a request: each choice is some answers, which may arrive at any time and
    /// in any order.
    pub answers: &'static [&'static [Answer]],
    /// Whether its deadline may pass before the answer is recorded.
    pub may_be_late: bool,
}

/// An answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The money is in; the parcel has left.
    Yes,
    /// It failed.
    No,
}

/// The model: a world, and the rules that the bundle plays by.
pub type Saga<R> = System<Orders<R>>;

/// The system at one moment.
pub type State = system::State<Own>;

/// What the properties ask for beside the table and the queues.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Own {
    /// What the table amounts to.
    pub facts: Facts,
    /// The payment provider has said yes.
    pub captured: bool,
    /// The carrier has said yes.
    pub left: bool,
}

/// How often each type of event was appended, and what else the properties ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    counts: BTreeMap<&'static str, u8>,
    /// Why the order was cancelled.
    pub cause: Option<Cause>,
    /// A shipment was requested when the order had been cancelled.
    pub requested_after_the_end: bool,
}

impl Facts {
    /// How many events of that type there are.
    pub fn count(&self, event_type: &str) -> u8 {
        self.counts.get(event_type).copied().unwrap_or(0)
    }

    fn note(&mut self, commit: &Commit) {
        for event in &commit.events {
            let known = [
                CartEvent::TYPES,
                OrderEvent::TYPES,
                PaymentEvent::TYPES,
                ShipmentEvent::TYPES,
            ];
            let name = known
                .into_iter()
                .flatten()
                .find(|name| **name == event.event_type);
            *self
                .counts
                .entry(name.expect("the rules record their own events"))
                .or_default() += 1;
            let decoded = OrderEvent::decode(&event.event_type, event.schema_version, &event.data);
            if let Ok(OrderEvent::OrderCancelled(OrderCancelled { cause, .. })) = decoded {
                self.cause = Some(cause);
            }
            if event.event_type == ShipmentRequested::TYPE && self.cause.is_some() {
                self.requested_after_the_end = true;
            }
        }
    }
}

/// What an operator is told of an order.
#[derive(Clone, Copy)]
pub struct Told {
    /// That it has ended.
    pub has_ended: bool,
    /// That something is outstanding.
    pub is_outstanding: bool,
}

/// Orders in a world, by the rules `R`.
pub struct Orders<R> {
    /// The world.
    pub world: World,
    told: Known<Table, Told>,
    rules: PhantomData<R>,
}

impl<R: Rules> Orders<R> {
    /// The orders of that world.
    pub fn of(world: World) -> Self {
        Self {
            world,
            told: Known::default(),
            rules: PhantomData,
        }
    }

    /// What an operator is told who asks now.
    pub fn told(&self, state: &State) -> Told {
        known(&self.told, Arc::clone(&state.table), || {
            let standing = Standing::of(&OrderStanding, &state.stored(|_| true), &[]);
            Told {
                has_ended: standing.ending.is_some(),
                is_outstanding: !standing.outstanding.is_empty(),
            }
        })
    }

    fn is_sent(&self, kind: &str) -> bool {
        self.world.sent.iter().any(|letter| letter.kind == kind)
    }

    /// Which deadline belongs to whom.
    fn may_pass(&self, kind: &str) -> bool {
        match kind {
            TimeOutPayment::TYPE => self.world.provider.may_be_late,
            TimeOutShipment::TYPE => self.world.carrier.may_be_late,
            _ => true,
        }
    }

    fn outsider(&self, kind: &str) -> Option<Outsider> {
        match kind {
            PaymentRequested::TYPE => Some(self.world.provider),
            ShipmentRequested::TYPE => Some(self.world.carrier),
            _ => None,
        }
    }
}

impl<R: Rules> Business for Orders<R> {
    type Own = Own;

    fn own(&self) -> Own {
        Own {
            facts: Facts::default(),
            captured: self.is_sent(CompletePayment::TYPE),
            left: self.is_sent(SendShipment::TYPE),
        }
    }

    fn sent(&self) -> &[Letter] {
        &self.world.sent
    }

    fn repeats(&self) -> u8 {
        self.world.repeats
    }

    fn go_together(&self, _: &Letter, _: &Letter) -> bool {
        self.world.batches
    }

    fn decide(&self, batch: &[Letter], stream: &Stream, at: Timestamp) -> Plan {
        rules::decide::<R>(batch, stream, at)
    }

    fn may_take(&self, _: &State, batch: &[Letter]) -> bool {
        batch.iter().all(|letter| self.may_pass(&letter.kind))
    }

    /// A request that got stuck, and an answer, may be decided when the deadline has passed and the command that says
    /// so has not come. On anything but an unanswered payment the time makes no difference.
    fn also_at(&self, state: &State, letter: &Letter) -> Option<Timestamp> {
        let undecided = match letter.kind.as_str() {
            RequestPayment::TYPE => 0,
            CompletePayment::TYPE => 1,
            _ => return None,
        };
        let is_undecided = state.commits(&letter.stream).count() == undecided;
        let is_late = self.world.provider.may_be_late && is_undecided;
        is_late.then(|| now().plus(Deadlines::default().payment))
    }

    fn may_append(&self, place_is_taken: bool) -> bool {
        R::may_append(place_is_taken)
    }

    fn note(&self, own: &mut Own, commit: &Commit) {
        own.facts.note(commit);
    }

    fn has_step(&self, kind: &str) -> bool {
        has_step::<OrderSaga>(kind)
    }

    fn reads_stream(&self, kind: &str) -> bool {
        reads_stream::<OrderSaga>(kind)
    }

    fn react(&self, event: &Letter, stream: &Stream, drawn: u8) -> Option<Vec<Letter>> {
        R::react(event, stream, drawn)
    }

    fn choices(&self, kind: &str) -> Option<usize> {
        self.outsider(kind).map(|outsider| outsider.answers.len())
    }

    fn answer(&self, own: &mut Own, request: &Letter, choice: usize) -> Vec<Letter> {
        let outsider = self.outsider(&request.kind).expect("it was asked");
        let is_payment = request.kind == PaymentRequested::TYPE;
        let (said_yes, says): (_, fn(&Letter, Answer) -> Letter) = if is_payment {
            (&mut own.captured, provider_says)
        } else {
            (&mut own.left, carrier_says)
        };
        let answers = outsider.answers[choice];
        *said_yes |= answers.contains(&Answer::Yes);
        answers.iter().map(|answer| says(request, *answer)).collect()
    }

    fn properties(&self) -> Vec<Property<Saga<R>>> {
        properties::all(&self.world.reaches)
    }
}

fn provider_says(request: &Letter, answer: Answer) -> Letter {
    let request = EventEnvelope::<PaymentRequested>::read(&request.body, now()).expect("the relay wrote it");
    let payment_id = request.event.payment_id;
    match answer {
        Answer::Yes => Letter::from_outside("provider-yes", &CompletePayment { payment_id }),
        Answer::No => Letter::from_outside(
            "provider-no",
            &FailPayment {
                payment_id,
                error: "card declined".into(),
            },
        ),
    }
}

fn carrier_says(request: &Letter, answer: Answer) -> Letter {
    let request = EventEnvelope::<ShipmentRequested>::read(&request.body, now()).expect("the relay wrote it");
    let shipment_id = request.event.shipment_id;
    match answer {
        Answer::Yes => Letter::from_outside("carrier-yes", &SendShipment { shipment_id }),
        Answer::No => Letter::from_outside(
            "carrier-no",
            &FailShipment {
                shipment_id,
                error: "out of stock".into(),
            },
        ),
    }
}
