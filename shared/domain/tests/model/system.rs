//! The bundle as a system of values: the event table, messages in flight, workers between load and
//! append, a relay, and an outside world that answers as it likes.
//!
//! What decides is the code that runs in production: the envelopes, `plan`, `History`, `Commit::at`,
//! `assemble`, the rules and the steps. Only the transport around it is modelled, as badly behaved as
//! queues and functions may be: any order, any delay, repeats, lost races, stale reads. A crash needs
//! no action of its own: before the append it leaves nothing behind, and after it the message comes
//! again, which is a message that is delivered and kept.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use domain::cart::CartEvent;
use domain::order::{Cause, OrderCancelled, OrderEvent};
use domain::order_standing::OrderStanding;
use domain::payment::{CompletePayment, FailPayment, PaymentEvent, PaymentRequested, TimeOutPayment};
use domain::shipment::{FailShipment, SendShipment, ShipmentEvent, ShipmentRequested, TimeOutShipment};
use eventsourcing::standing::{Standing, StoredStream};
use eventsourcing::{
    Commit, EventEnvelope, EventSet, Message, Outcome, Stream, StreamId, Timestamp, assemble, computed_id,
};
use stateright::{Model, Property};

use crate::letter::{Letter, Shared, To, now};
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

/// The system at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The event table, by its key.
    pub table: Table,
    /// Commits that the relay has not seen yet.
    unrelayed: Bag<Shared<Commit>>,
    /// Messages on queues.
    in_flight: Bag<Letter>,
    /// Command functions that have decided and not yet appended.
    pub workers: Bag<Worker>,
    /// How many more deliveries may be repeated.
    pub repeats: u8,
    /// Commands in dead-letter queues.
    pub refused: Bag<Letter>,
    /// What the table amounts to, as the properties ask for it.
    pub facts: Facts,
    /// The payment provider has said yes.
    pub captured: bool,
    /// The carrier has said yes.
    pub left: bool,
}

impl State {
    /// Whether nothing is under way, so that nothing will happen any more.
    pub fn is_quiet(&self) -> bool {
        self.in_flight.0.is_empty() && self.unrelayed.0.is_empty() && self.workers.0.is_empty()
    }

    fn settle(&mut self, settled: &Settled) {
        self.in_flight.add(settled.again.iter().cloned());
        self.refused.add(
            settled
                .refused
                .iter()
                .filter(|letter| !self.refused.0.contains(letter))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }

    /// The stream as somebody reads it who sees its first `commits`.
    fn stream(&self, id: &StreamId, commits: usize) -> Stream {
        assemble(
            id,
            self.commits(id)
                .take(commits)
                .map(|commit| Commit::clone(commit))
                .collect(),
        )
        .expect("commits tile their stream")
    }

    fn commits<'a>(&'a self, id: &StreamId) -> impl Iterator<Item = &'a Shared<Commit>> {
        self.table
            .range((id.clone(), 0)..=(id.clone(), u64::MAX))
            .map(|(_, commit)| commit)
    }
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

/// A command function between its decision and its append.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Worker {
    /// What it is about to append.
    pub commit: Shared<Commit>,
    /// What becomes of the messages then.
    settled: Settled,
}

/// What becomes of the messages of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Settled {
    /// Acknowledged.
    done: Vec<Letter>,
    /// To come again.
    again: Vec<Letter>,
    /// Moved to a dead-letter queue.
    refused: Vec<Letter>,
}

/// Values, each as often as it is there, in an order of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bag<T>(pub Vec<T>);

impl<T: Ord> Bag<T> {
    fn add(&mut self, values: impl IntoIterator<Item = T>) {
        self.0.extend(values);
        self.0.sort_unstable();
    }

    fn remove(&mut self, value: &T) {
        let at = self.0.iter().position(|held| held == value).expect("it is there");
        self.0.remove(at);
    }

    fn distinct(&self) -> impl Iterator<Item = &T> {
        self.0.chunk_by(PartialEq::eq).map(|same| &same[0])
    }
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command function takes these messages, reads the first `sees` commits of their stream, and
    /// decides at that time.
    Decide {
        /// The batch.
        batch: Vec<Letter>,
        /// How much of the stream the read shows.
        sees: usize,
        /// The time.
        at: Timestamp,
        /// Whether the messages stay on their queue.
        keep: bool,
    },
    /// A command function appends.
    Append(Worker),
    /// The relay copies a commit's events to whoever waits for them.
    Relay {
        /// The commit.
        commit: Shared<Commit>,
        /// Whether it comes again.
        keep: bool,
    },
    /// A step takes an event, and a read shows it the first `sees` commits of the event's stream.
    React {
        /// The event.
        event: Letter,
        /// How much of the stream the read shows.
        sees: usize,
        /// Whether the message stays on its queue.
        keep: bool,
    },
    /// The provider or the carrier takes a request and makes its choice of answers.
    Answer {
        /// The request.
        request: Letter,
        /// Which of [`Outsider::answers`].
        choice: usize,
        /// Whether the message stays on its queue.
        keep: bool,
    },
}

/// The model: a world, and the rules that the bundle plays by.
pub struct Saga<R> {
    world: World,
    decided: Known<(Vec<Letter>, Prefix, Timestamp), Arc<Decided>>,
    reacted: Known<(Letter, Prefix, u8), Option<Vec<Letter>>>,
    told: Known<Table, Told>,
    rules: PhantomData<R>,
}

/// The event table, by its key.
type Table = Arc<BTreeMap<(StreamId, u64), Shared<Commit>>>;

/// What an operator is told of an order.
#[derive(Clone, Copy)]
pub struct Told {
    /// That it has ended.
    pub has_ended: bool,
    /// That something is outstanding.
    pub is_outstanding: bool,
}

/// The part of a stream that a read shows.
type Prefix = Vec<Shared<Commit>>;

/// Rules are pure, so each question is put to them once.
type Known<K, V> = Mutex<HashMap<K, V>>;

fn known<K: Eq + Hash, V: Clone>(answers: &Known<K, V>, question: K, ask: impl FnOnce() -> V) -> V {
    let lock = || answers.lock().expect("no rule panics");
    if let Some(answer) = lock().get(&question) {
        return answer.clone();
    }
    let answer = ask();
    lock().insert(question, answer.clone());
    answer
}

/// What a batch amounts to.
struct Decided {
    commit: Option<Shared<Commit>>,
    settled: Settled,
}

impl<R: Rules> Saga<R> {
    /// A model of that world.
    pub fn new(world: World) -> Self {
        Self {
            world,
            decided: Mutex::default(),
            reacted: Mutex::default(),
            told: Mutex::default(),
            rules: PhantomData,
        }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    fn decide(&self, state: &State, batch: &[Letter], sees: usize, at: Timestamp) -> Arc<Decided> {
        let stream = &batch[0].stream;
        let prefix = state.commits(stream).take(sees).cloned().collect();
        known(&self.decided, (batch.to_vec(), prefix, at), || {
            let plan = rules::decide::<R>(batch, &state.stream(stream, sees), at);
            let mut settled = Settled::default();
            for (i, letter) in batch.iter().cloned().enumerate() {
                match plan.outcomes.get(i) {
                    Some(Outcome::Recorded(_) | Outcome::Nothing) => settled.done.push(letter),
                    Some(Outcome::Rejected(_)) => settled.refused.push(letter),
                    Some(Outcome::NotDue(_) | Outcome::Premature(_)) | None => settled.again.push(letter),
                }
            }
            let commit = (!plan.events.is_empty()).then(|| {
                let bodies: Vec<_> = batch.iter().map(|letter| letter.body.as_str()).collect();
                let commit_id = computed_id(&format!("{stream}/{:?}/{}", plan.position, bodies.join("/")));
                Commit::at(plan.position, stream, commit_id, at, plan.events).into()
            });
            Arc::new(Decided { commit, settled })
        })
    }

    fn is_sent(&self, kind: &str) -> bool {
        self.world.sent.iter().any(|letter| letter.kind == kind)
    }

    /// What an operator is told who asks now.
    pub fn told(&self, state: &State) -> Told {
        known(&self.told, Arc::clone(&state.table), || {
            let mut streams: Vec<StoredStream> = Vec::new();
            for ((id, _), commit) in state.table.iter() {
                match streams.last_mut().filter(|stream| stream.id == *id) {
                    Some(stream) => stream.commits.push(Commit::clone(commit)),
                    None => streams.push(StoredStream {
                        id: id.clone(),
                        commits: vec![Commit::clone(commit)],
                        faults: Vec::new(),
                    }),
                }
            }
            let standing = Standing::of(&OrderStanding, &streams, &[]);
            Told {
                has_ended: standing.ending.is_some(),
                is_outstanding: !standing.outstanding.is_empty(),
            }
        })
    }

    /// Whether that letter is under way and would come again if it were decided now.
    pub fn waits(&self, state: &State, letter: &Letter) -> bool {
        let sees = state.commits(&letter.stream).count();
        state.in_flight.0.contains(letter)
            && !self
                .decide(state, std::slice::from_ref(letter), sees, now())
                .settled
                .again
                .is_empty()
    }

    /// Which deadline belongs to whom.
    fn may_pass(&self, kind: &str) -> bool {
        match kind {
            TimeOutPayment::TYPE => self.world.provider.may_be_late,
            TimeOutShipment::TYPE => self.world.carrier.may_be_late,
            _ => true,
        }
    }

    fn outsider(&self, request: &Letter) -> Outsider {
        if request.kind == PaymentRequested::TYPE {
            self.world.provider
        } else {
            self.world.carrier
        }
    }
}

impl<R: Rules> Model for Saga<R> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut start = State {
            table: Arc::default(),
            unrelayed: Bag(Vec::new()),
            in_flight: Bag(Vec::new()),
            workers: Bag(Vec::new()),
            repeats: self.world.repeats,
            refused: Bag(Vec::new()),
            facts: Facts::default(),
            captured: self.is_sent(CompletePayment::TYPE),
            left: self.is_sent(SendShipment::TYPE),
        };
        start.in_flight.add(self.world.sent.iter().cloned());
        vec![start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let keeps: &[bool] = if state.repeats > 0 {
            &[false, true]
        } else {
            &[false]
        };
        actions.extend(state.workers.distinct().cloned().map(Action::Append));
        for &keep in keeps {
            let relay = |commit: &Shared<Commit>| Action::Relay {
                commit: commit.clone(),
                keep,
            };
            actions.extend(state.unrelayed.distinct().map(relay));
            for letter in state.in_flight.distinct() {
                match letter.to {
                    To::Rules => decisions(state, std::slice::from_ref(letter), keep, actions),
                    To::Step => actions.extend(reads(state, letter).map(|sees| Action::React {
                        event: letter.clone(),
                        sees,
                        keep,
                    })),
                    To::Outside => actions.extend((0..self.outsider(letter).answers.len()).map(|choice| {
                        Action::Answer {
                            request: letter.clone(),
                            choice,
                            keep,
                        }
                    })),
                }
            }
        }
        if self.world.batches {
            for (i, first) in state.in_flight.0.iter().enumerate() {
                for (j, second) in state.in_flight.0.iter().enumerate() {
                    let commands = first.to == To::Rules && second.to == To::Rules;
                    if i != j && commands && first.stream == second.stream {
                        decisions(state, &[first.clone(), second.clone()], false, actions);
                    }
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Decide {
                batch,
                sees,
                at,
                keep,
            } => self.take(&mut next, &batch, sees, at, keep),
            Action::Append(worker) => append::<R>(&mut next, &worker),
            Action::Relay { commit, keep } => relay(&mut next, &commit, keep),
            Action::React { event, sees, keep } => self.react(&mut next, &event, sees, keep),
            Action::Answer {
                request,
                choice,
                keep,
            } => self.answer(&mut next, &request, choice, keep),
        }
        .then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.world.reaches)
    }
}

/// How much of the stream a step may see of which an event woke it.
fn reads(state: &State, event: &Letter) -> std::ops::RangeInclusive<usize> {
    if rules::reads_stream(&event.kind) {
        0..=state.commits(&event.stream).count()
    } else {
        0..=0
    }
}

/// The ways in which a command function may come to decide the batch: at whatever time, and, where a
/// deadline is read without the newest commits, on whatever part of the stream.
fn decisions(state: &State, batch: &[Letter], keep: bool, actions: &mut Vec<Action>) {
    let all = state.commits(&batch[0].stream).count();
    let deadlines: Vec<_> = batch.iter().filter_map(|letter| letter.due).collect();
    let from = if deadlines.len() == batch.len() { 0 } else { all };
    for sees in from..=all {
        for at in deadlines.iter().copied().chain([now()]) {
            actions.push(Action::Decide {
                batch: batch.to_vec(),
                sees,
                at,
                keep,
            });
        }
    }
}

impl<R: Rules> Saga<R> {
    /// Takes a batch and decides it. What appends nothing is over with that: the decision rests on
    /// what was read, and the table does not hear of it.
    fn take(&self, next: &mut State, batch: &[Letter], sees: usize, at: Timestamp, keep: bool) -> bool {
        let decided = self.decide(next, batch, sees, at);
        let Some(commit) = &decided.commit else {
            let changes = !keep && decided.settled.again.len() < batch.len();
            if changes {
                take_from(&mut next.in_flight, batch, keep, &mut next.repeats);
                next.settle(&decided.settled);
            }
            return changes;
        };
        // Where a read lacks commits the place is taken for good: the append fails, the message comes
        // again, and all is as before.
        let can_append = sees == next.commits(&batch[0].stream).count();
        if !can_append || !batch.iter().all(|letter| self.may_pass(&letter.kind)) {
            return false;
        }
        take_from(&mut next.in_flight, batch, keep, &mut next.repeats);
        // A message that was kept is on its queue, whatever becomes of this delivery.
        let settled = if keep {
            Settled::default()
        } else {
            decided.settled.clone()
        };
        next.workers.add([Worker {
            commit: commit.clone(),
            settled,
        }]);
        true
    }

    fn react(&self, next: &mut State, event: &Letter, sees: usize, keep: bool) -> bool {
        let prefix = next.commits(&event.stream).take(sees).cloned().collect();
        let drawn = next.repeats;
        let sent = known(&self.reacted, (event.clone(), prefix, drawn), || {
            R::react(event, &next.stream(&event.stream, sees), drawn)
        });
        let Some(sent) = sent else { return false };
        take_from(
            &mut next.in_flight,
            std::slice::from_ref(event),
            keep,
            &mut next.repeats,
        );
        next.in_flight.add(sent);
        true
    }

    fn answer(&self, next: &mut State, request: &Letter, choice: usize, keep: bool) -> bool {
        take_from(
            &mut next.in_flight,
            std::slice::from_ref(request),
            keep,
            &mut next.repeats,
        );
        for &answer in self.outsider(request).answers[choice] {
            let to_payment = request.kind == PaymentRequested::TYPE;
            let said_yes = if to_payment {
                &mut next.captured
            } else {
                &mut next.left
            };
            *said_yes |= answer == Answer::Yes;
            next.in_flight.add([if to_payment {
                provider_says(request, answer)
            } else {
                carrier_says(request, answer)
            }]);
        }
        true
    }
}

fn take_from<T: Ord>(bag: &mut Bag<T>, taken: &[T], keep: bool, repeats: &mut u8) {
    if keep {
        *repeats -= 1;
    } else {
        for value in taken {
            bag.remove(value);
        }
    }
}

fn append<R: Rules>(next: &mut State, worker: &Worker) -> bool {
    next.workers.remove(worker);
    let key = (worker.commit.stream.clone(), worker.commit.revision);
    if R::may_append(next.table.contains_key(&key)) {
        Arc::make_mut(&mut next.table).insert(key, worker.commit.clone());
        next.facts.note(&worker.commit);
        // What nobody waits for need not be relayed to nobody.
        if worker
            .commit
            .events
            .iter()
            .any(|event| readers(&event.event_type).next().is_some())
        {
            next.unrelayed.add([worker.commit.clone()]);
        }
        next.settle(&worker.settled);
    } else {
        let Settled { done, again, refused } = worker.settled.clone();
        next.in_flight.add(done.into_iter().chain(again).chain(refused));
    }
    true
}

fn relay(next: &mut State, commit: &Shared<Commit>, keep: bool) -> bool {
    take_from(
        &mut next.unrelayed,
        std::slice::from_ref(commit),
        keep,
        &mut next.repeats,
    );
    for event in &commit.events {
        next.in_flight
            .add(readers(&event.event_type).map(|to| Letter::of_event(to, commit, event)));
    }
    true
}

/// Who does something about events of that type.
fn readers(kind: &str) -> impl Iterator<Item = To> {
    let asks_outside = [PaymentRequested::TYPE, ShipmentRequested::TYPE].contains(&kind);
    [
        rules::has_step(kind).then_some(To::Step),
        asks_outside.then_some(To::Outside),
    ]
    .into_iter()
    .flatten()
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
