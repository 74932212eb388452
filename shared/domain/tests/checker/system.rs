//! A bundle as a system of values: the event table, messages in flight, command functions between load and
//! append, a relay, and an outside world that answers as it likes.
//!
//! What decides is the code that runs in production: the envelopes, `plan`, `History`, `Commit::at`,
//! `assemble`, the rules and the steps. Only the transport around it is modelled, as badly behaved as
//! queues and functions may be: any order, any delay, repeats, lost races, stale reads. A crash needs
//! no action of its own: before the append it leaves nothing behind, and after it the message comes
//! again, which is a message that is delivered and kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use eventsourcing::standing::StoredStream;
use eventsourcing::{Commit, Outcome, Stream, StreamId, Timestamp, assemble, computed_id};
use stateright::{Model, Property};

use super::bag::Bag;
use super::deciding::Plan;
use super::letter::{Letter, Shared, To, now};

/// What one check adds: its world, and the rules that are played by.
pub trait Business: Send + Sync + Sized + 'static {
    /// What the properties ask for beside the table and the queues.
    type Own: Clone + Debug + PartialEq + Eq + Hash + Send + Sync + 'static;

    /// The same at the start.
    fn own(&self) -> Self::Own;

    /// What the table holds from the start.
    fn held(&self) -> &[Commit] {
        &[]
    }

    /// What is on the queues from the start, to arrive at whatever time.
    fn sent(&self) -> &[Letter];

    /// How many deliveries may leave the message where it was.
    fn repeats(&self) -> u8;

    /// Whether two commands of one stream may come in one batch.
    fn go_together(&self, one: &Letter, other: &Letter) -> bool;

    /// What a batch amounts to.
    fn decide(&self, batch: &[Letter], stream: &Stream, at: Timestamp) -> Plan;

    /// Whether a function may take the batch now.
    fn may_take(&self, state: &State<Self::Own>, batch: &[Letter]) -> bool;

    /// When a letter that is no deadline may be decided beside [`now`], so that all comes of it that may.
    fn also_at(&self, _: &State<Self::Own>, _: &Letter) -> Option<Timestamp> {
        None
    }

    /// The condition of an append, given whether there is a commit in its place.
    fn may_append(&self, place_is_taken: bool) -> bool;

    /// Notes what was appended.
    fn note(&self, own: &mut Self::Own, commit: &Commit);

    /// Whether a step waits for events of that type.
    fn has_step(&self, kind: &str) -> bool;

    /// Whether that step reads the event's stream.
    fn reads_stream(&self, kind: &str) -> bool;

    /// What the step sends; none if the stream does not hold the event yet, and the step would need it.
    /// `drawn` is a number that a repeat does not get again, for steps that draw ids.
    fn react(&self, event: &Letter, stream: &Stream, drawn: u8) -> Option<Vec<Letter>>;

    /// How many choices of answers somebody outside has to an event of that type; none if it does not get it.
    fn choices(&self, _: &str) -> Option<usize> {
        None
    }

    /// The answers of that choice.
    fn answer(&self, _: &mut Self::Own, request: &Letter, choice: usize) -> Vec<Letter> {
        panic!("nobody outside makes choice {choice} about {request:?}")
    }

    /// What must be true, and what is to be reached.
    fn properties(&self) -> Vec<Property<System<Self>>>;
}

/// The event table, by its key.
pub type Table = Arc<BTreeMap<(StreamId, u64), Shared<Commit>>>;

/// The system at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<O> {
    /// The event table, by its key.
    pub table: Table,
    /// Commits that the relay has not seen yet.
    unrelayed: Bag<Shared<Commit>>,
    /// Messages on queues.
    pub in_flight: Bag<Letter>,
    /// Command functions that have decided and not yet appended.
    pub workers: Bag<Worker>,
    /// How many more deliveries may be repeated.
    pub repeats: u8,
    /// Commands in dead-letter queues.
    pub refused: BTreeSet<Letter>,
    /// What the properties ask for beside that.
    pub own: O,
}

impl<O> State<O> {
    /// Whether nothing is under way, so that nothing will happen any more.
    pub fn is_quiet(&self) -> bool {
        self.in_flight.0.is_empty() && self.unrelayed.0.is_empty() && self.workers.0.is_empty()
    }

    /// The commits of a stream, in order.
    pub fn commits<'a>(&'a self, id: &StreamId) -> impl Iterator<Item = &'a Shared<Commit>> {
        let of_stream = (id.clone(), 0)..=(id.clone(), u64::MAX);
        self.table.range(of_stream).map(|(_, commit)| commit)
    }

    /// The streams that are meant, as an operator reads them.
    pub fn stored(&self, is_meant: impl Fn(&StreamId) -> bool) -> Vec<StoredStream> {
        let mut streams: Vec<StoredStream> = Vec::new();
        for ((id, _), commit) in self.table.iter().filter(|((id, _), _)| is_meant(id)) {
            match streams.last_mut().filter(|stream| stream.id == *id) {
                Some(stream) => stream.commits.push(Commit::clone(commit)),
                None => streams.push(StoredStream {
                    id: id.clone(),
                    commits: vec![Commit::clone(commit)],
                    faults: Vec::new(),
                }),
            }
        }
        streams
    }

    /// The stream as somebody reads it who sees its first `commits`; none if it has a hole, which
    /// takes an append that does not keep to its condition.
    fn stream(&self, id: &StreamId, commits: usize) -> Option<Stream> {
        let seen = self.commits(id).take(commits);
        assemble(id, seen.map(|commit| Commit::clone(commit)).collect()).ok()
    }

    fn settle(&mut self, settled: Settled) {
        self.in_flight.add(settled.again);
        self.refused.extend(settled.refused);
    }

    fn hold(&mut self, commit: Shared<Commit>) {
        let key = (commit.stream.clone(), commit.revision);
        Arc::make_mut(&mut self.table).insert(key, commit);
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

/// Something that happens. Where there is `keep`, the message may stay where it was and come again.
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
        /// Whether it comes again.
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
        /// Whether it comes again.
        keep: bool,
    },
    /// Somebody outside takes a request and makes a choice of answers.
    Answer {
        /// The request.
        request: Letter,
        /// Which of the choices.
        choice: usize,
        /// Whether it comes again.
        keep: bool,
    },
}

/// The model.
pub struct System<B> {
    /// What the check adds.
    pub business: B,
    decided: Known<(Vec<Letter>, Prefix, Timestamp), Arc<Decided>>,
    reacted: Known<(Letter, Prefix, u8), Option<Vec<Letter>>>,
}

/// The part of a stream that a read shows.
type Prefix = Vec<Shared<Commit>>;

/// Rules are pure, so each question is put to them once.
pub type Known<K, V> = Mutex<HashMap<K, V>>;

/// The answer to a question, which is asked if it is not known.
pub fn known<K: Eq + Hash, V: Clone>(answers: &Known<K, V>, question: K, ask: impl FnOnce() -> V) -> V {
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

impl<B: Business> System<B> {
    /// A model of that business.
    pub fn of(business: B) -> Self {
        Self {
            business,
            decided: Mutex::default(),
            reacted: Mutex::default(),
        }
    }

    /// Whether the letter would come again if it were decided now.
    pub fn waits(&self, state: &State<B::Own>, letter: &Letter) -> bool {
        let sees = state.commits(&letter.stream).count();
        let decided = self.decide(state, std::slice::from_ref(letter), sees, now());
        !decided.settled.again.is_empty()
    }

    /// What a batch amounts to for somebody who sees so many commits of its stream.
    fn decide(&self, state: &State<B::Own>, batch: &[Letter], sees: usize, at: Timestamp) -> Arc<Decided> {
        let stream = &batch[0].stream;
        let prefix = state.commits(stream).take(sees).cloned().collect();
        known(&self.decided, (batch.to_vec(), prefix, at), || {
            Arc::new(match state.stream(stream, sees) {
                Some(stream) => self.decided(batch, &stream, at),
                // Nobody decides on what can't be right.
                None => Decided {
                    commit: None,
                    settled: Settled {
                        again: batch.to_vec(),
                        ..Settled::default()
                    },
                },
            })
        })
    }

    fn decided(&self, batch: &[Letter], stream: &Stream, at: Timestamp) -> Decided {
        let plan = self.business.decide(batch, stream, at);
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
            let (id, position) = (stream.id(), plan.position);
            let commit_id = computed_id(&format!("{id}/{position:?}/{}", bodies.join("/")));
            Commit::at(position, id, commit_id, at, plan.events).into()
        });
        Decided { commit, settled }
    }

    /// Takes a batch and decides it. What appends nothing is over with that: the decision rests on
    /// what was read, and the table does not hear of it.
    fn take(
        &self,
        next: &mut State<B::Own>,
        batch: &[Letter],
        sees: usize,
        at: Timestamp,
        keep: bool,
    ) -> bool {
        let decided = self.decide(next, batch, sees, at);
        let Some(commit) = decided.commit.clone() else {
            let changes = !keep && decided.settled.again.len() < batch.len();
            if changes {
                next.in_flight.take(batch, keep, &mut next.repeats);
                next.settle(decided.settled.clone());
            }
            return changes;
        };
        // Where a read lacks commits the place is taken for good: the append fails, the message comes
        // again, and all is as before.
        let can_append = sees == next.commits(&batch[0].stream).count();
        if !can_append || !self.business.may_take(next, batch) {
            return false;
        }
        next.in_flight.take(batch, keep, &mut next.repeats);
        // A message that was kept is on its queue, whatever becomes of this delivery.
        let settled = if keep {
            Settled::default()
        } else {
            decided.settled.clone()
        };
        next.workers.add([Worker { commit, settled }]);
        true
    }

    fn append(&self, next: &mut State<B::Own>, worker: Worker) {
        next.workers.take(std::slice::from_ref(&worker), false, &mut 0);
        let Worker { commit, settled } = worker;
        let is_taken = next.table.contains_key(&(commit.stream.clone(), commit.revision));
        if !self.business.may_append(is_taken) {
            // All of the batch is decided anew.
            let Settled { done, again, refused } = settled;
            next.in_flight.add(done.into_iter().chain(again).chain(refused));
            return;
        }
        next.settle(settled);
        self.business.note(&mut next.own, &commit);
        // What nobody waits for need not be relayed to nobody.
        let mut kinds = commit.events.iter().map(|event| &event.event_type);
        if kinds.any(|kind| self.readers(kind).next().is_some()) {
            next.unrelayed.add([commit.clone()]);
        }
        next.hold(commit);
    }

    fn relay(&self, next: &mut State<B::Own>, commit: &Shared<Commit>, keep: bool) {
        next.unrelayed
            .take(std::slice::from_ref(commit), keep, &mut next.repeats);
        for event in &commit.events {
            let readers = self.readers(&event.event_type);
            next.in_flight
                .add(readers.map(|to| Letter::of_event(to, commit, event)));
        }
    }

    /// Who does something about events of that type.
    fn readers(&self, kind: &str) -> impl Iterator<Item = To> + use<B> {
        let step = self.business.has_step(kind).then_some(To::Step);
        let outside = self.business.choices(kind).map(|_| To::Outside);
        step.into_iter().chain(outside)
    }

    fn react(&self, next: &mut State<B::Own>, event: &Letter, sees: usize, keep: bool) -> bool {
        let prefix = next.commits(&event.stream).take(sees).cloned().collect();
        let drawn = next.repeats;
        let sent = known(&self.reacted, (event.clone(), prefix, drawn), || {
            let stream = next.stream(&event.stream, sees)?;
            self.business.react(event, &stream, drawn)
        });
        let Some(sent) = sent else { return false };
        next.in_flight
            .take(std::slice::from_ref(event), keep, &mut next.repeats);
        next.in_flight.add(sent);
        true
    }

    fn answer(&self, next: &mut State<B::Own>, request: &Letter, choice: usize, keep: bool) {
        next.in_flight
            .take(std::slice::from_ref(request), keep, &mut next.repeats);
        let answers = self.business.answer(&mut next.own, request, choice);
        next.in_flight.add(answers);
    }

    /// What may become of a letter.
    fn deliveries(&self, state: &State<B::Own>, letter: &Letter, keep: bool, actions: &mut Vec<Action>) {
        match letter.to {
            To::Rules => self.decisions(state, std::slice::from_ref(letter), keep, actions),
            To::Step => actions.extend(self.reads(state, letter).map(|sees| Action::React {
                event: letter.clone(),
                sees,
                keep,
            })),
            To::Outside => {
                let choices = self.business.choices(&letter.kind).unwrap_or_default();
                actions.extend((0..choices).map(|choice| Action::Answer {
                    request: letter.clone(),
                    choice,
                    keep,
                }));
            }
        }
    }

    /// The ways in which a command function may come to decide the batch: at whatever time, and, where a
    /// deadline is read without the newest commits, on whatever part of the stream.
    fn decisions(&self, state: &State<B::Own>, batch: &[Letter], keep: bool, actions: &mut Vec<Action>) {
        let all = state.commits(&batch[0].stream).count();
        let deadlines: Vec<_> = batch.iter().filter_map(|letter| letter.due).collect();
        let from = if deadlines.len() == batch.len() { 0 } else { all };
        let late = batch
            .iter()
            .filter_map(|letter| self.business.also_at(state, letter));
        let times: BTreeSet<_> = deadlines.into_iter().chain(late).chain([now()]).collect();
        for sees in from..=all {
            for &at in &times {
                actions.push(Action::Decide {
                    batch: batch.to_vec(),
                    sees,
                    at,
                    keep,
                });
            }
        }
    }

    /// How much of the stream a step may see of which an event woke it.
    fn reads(&self, state: &State<B::Own>, event: &Letter) -> RangeInclusive<usize> {
        if self.business.reads_stream(&event.kind) {
            0..=state.commits(&event.stream).count()
        } else {
            0..=0
        }
    }
}

impl<B: Business> Model for System<B> {
    type State = State<B::Own>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        let mut start = State {
            table: Arc::default(),
            unrelayed: Bag::default(),
            in_flight: Bag::default(),
            workers: Bag::default(),
            repeats: self.business.repeats(),
            refused: BTreeSet::new(),
            own: self.business.own(),
        };
        for commit in self.business.held() {
            self.business.note(&mut start.own, commit);
            start.hold(commit.clone().into());
        }
        start.in_flight.add(self.business.sent().iter().cloned());
        vec![start]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Action>) {
        actions.extend(state.workers.distinct().cloned().map(Action::Append));
        for keep in [false, true] {
            if keep && state.repeats == 0 {
                break;
            }
            let relay = |commit: &Shared<Commit>| Action::Relay {
                commit: commit.clone(),
                keep,
            };
            actions.extend(state.unrelayed.distinct().map(relay));
            for letter in state.in_flight.distinct() {
                self.deliveries(state, letter, keep, actions);
            }
        }
        let commands = || state.in_flight.0.iter().enumerate();
        for (i, first) in commands().filter(|(_, letter)| letter.to == To::Rules) {
            for (j, second) in commands().filter(|(_, letter)| letter.to == To::Rules) {
                let of_one_stream = i != j && first.stream == second.stream;
                if of_one_stream && self.business.go_together(first, second) {
                    self.decisions(state, &[first.clone(), second.clone()], false, actions);
                }
            }
        }
    }

    fn next_state(&self, last: &Self::State, action: Action) -> Option<Self::State> {
        let mut next = last.clone();
        let mut changes = true;
        match action {
            Action::Decide {
                batch,
                sees,
                at,
                keep,
            } => changes = self.take(&mut next, &batch, sees, at, keep),
            Action::Append(worker) => self.append(&mut next, worker),
            Action::Relay { commit, keep } => self.relay(&mut next, &commit, keep),
            Action::React { event, sees, keep } => changes = self.react(&mut next, &event, sees, keep),
            Action::Answer {
                request,
                choice,
                keep,
            } => self.answer(&mut next, &request, choice, keep),
        }
        changes.then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.business.properties()
    }
}
