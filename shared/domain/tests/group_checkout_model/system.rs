//! A hotel as a system of values: the event table, messages in flight, command functions between load
//! and append, and a relay.
//!
//! What decides is the code that runs in production: the envelopes, `plan`, `History`, `Commit::at`,
//! `assemble`, the rules and the steps. Only the transport around it is modelled, as badly behaved as
//! queues and functions may be: any order, any delay, repeats, lost races, stale reads of deadlines. A
//! crash needs no action of its own: before the append it leaves nothing behind, and after it the
//! message comes again, which is a message that is delivered and kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use domain::Deadlines;
use domain::group_checkout::{GroupCheckout, GroupCheckoutEvent, InitiateGroupCheckout};
use domain::group_standing::GroupStanding;
use domain::guest_stay::CheckoutGuestAccount;
use eventsourcing::standing::{Standing, StoredStream};
use eventsourcing::{
    Commit, Decider, EventSet, Message, Outcome, Stream, StreamId, Timestamp, assemble, computed_id,
};
use stateright::{Model, Property};

use crate::letter::{Letter, Shared, To, now};
use crate::properties::{self, Said};
use crate::rules::{self, Rules};

/// How many command functions may stand between load and append of one stream. Two can lose to each
/// other; a third one loses as the second does.
const HANDLERS: usize = 2;

/// What may happen in one run of the checker.
#[derive(Clone, Default)]
pub struct World {
    /// What the table holds from the start: stays of guests.
    pub held: Vec<Commit>,
    /// What is on the queues from the start, to arrive at whatever time.
    pub sent: Vec<Letter>,
    /// Whether guests are asked to check out; otherwise all their results are among `sent`.
    pub asks_guests: bool,
    /// Whether the deadline may pass before the group has ended.
    pub may_time_out: bool,
    /// How many deliveries may leave the message where it was.
    pub repeats: u8,
    /// Whether two commands of one type for one stream may come in one batch.
    pub batches: bool,
    /// Which of the sights there are to be seen.
    pub reaches: Vec<&'static str>,
}

/// When a deadline is due.
pub fn due_at() -> Timestamp {
    now().plus(Deadlines::default().group_checkout)
}

/// The hotel at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The event table, by its key.
    pub table: Arc<BTreeMap<(StreamId, u64), Shared<Commit>>>,
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
    /// What has happened to each group, as its commits were appended.
    pub stories: BTreeMap<StreamId, Shared<Vec<GroupCheckoutEvent>>>,
}

impl State {
    /// Whether nothing is under way, so that nothing will happen any more.
    pub fn is_quiet(&self) -> bool {
        self.in_flight.0.is_empty() && self.unrelayed.0.is_empty() && self.workers.0.is_empty()
    }

    /// The commits of a stream, in order.
    pub fn commits<'a>(&'a self, id: &StreamId) -> impl Iterator<Item = &'a Shared<Commit>> {
        let of_stream = (id.clone(), 0)..=(id.clone(), u64::MAX);
        self.table.range(of_stream).map(|(_, commit)| commit)
    }

    /// The stream as somebody reads it who sees its first `commits`; none if it has a hole, which
    /// takes an append that does not keep to its condition.
    fn stream(&self, id: &StreamId, commits: usize) -> Option<Stream> {
        let seen = self.commits(id).take(commits);
        assemble(id, seen.map(|commit| Commit::clone(commit)).collect()).ok()
    }

    /// Whether the stream holds an event of that type.
    pub fn holds(&self, id: &StreamId, event_type: &str) -> bool {
        self.commits(id)
            .flat_map(|commit| &commit.events)
            .any(|event| event.event_type == event_type)
    }

    /// Whether an event of the letter's stream says that the letter caused it.
    pub fn is_on_record(&self, letter: &Letter) -> bool {
        self.commits(&letter.stream)
            .flat_map(|commit| &commit.events)
            .any(|event| letter.body.contains(&format!(r#""id":"{}""#, event.causation_id)))
    }

    fn settle(&mut self, settled: Settled) {
        self.in_flight.add(settled.again);
        self.refused.extend(settled.refused);
    }

    fn hold(&mut self, commit: Shared<Commit>) {
        if commit.stream.category() == GroupCheckout::CATEGORY.name() {
            let mut story = self
                .stories
                .get(&commit.stream)
                .map_or_else(Vec::new, |story| story.to_vec());
            story.extend(commit.events.iter().map(|event| {
                GroupCheckoutEvent::decode(&event.event_type, event.schema_version, &event.data)
                    .expect("the rules record their own events")
            }));
            self.stories.insert(commit.stream.clone(), story.into());
        }
        let key = (commit.stream.clone(), commit.revision);
        Arc::make_mut(&mut self.table).insert(key, commit);
    }
}

impl fmt::Debug for Shared<Vec<GroupCheckoutEvent>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.iter().map(EventSet::event_type).collect();
        f.write_str(&types.join(", "))
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
pub struct Settled {
    /// Acknowledged.
    done: Vec<Letter>,
    /// To come again.
    pub again: Vec<Letter>,
    /// Moved to a dead-letter queue.
    refused: Vec<Letter>,
}

/// Values, each as often as it is there, in an order of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bag<T>(pub Vec<T>);

// Derived, it would ask for a default of what it holds.
impl<T> Default for Bag<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Bag<T> {
    fn add(&mut self, values: impl IntoIterator<Item = T>) {
        self.0.extend(values);
        self.0.sort_unstable();
    }

    /// Takes these values out, or leaves them there as one more repeat.
    fn take(&mut self, values: &[T], keep: bool, repeats: &mut u8) {
        if keep {
            *repeats -= 1;
            return;
        }
        for value in values {
            let at = self.0.iter().position(|held| held == value).expect("it is there");
            self.0.remove(at);
        }
    }

    fn distinct(&self) -> impl Iterator<Item = &T> {
        self.0.chunk_by(PartialEq::eq).map(|same| &same[0])
    }
}

/// Something that happens. Where there is `keep`, the message stays where it was and comes again.
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
    /// The relay copies a commit's events to the steps.
    Relay {
        /// The commit.
        commit: Shared<Commit>,
        /// Whether it comes again.
        keep: bool,
    },
    /// A step takes an event.
    React {
        /// The event.
        event: Letter,
        /// Whether it comes again.
        keep: bool,
    },
}

/// The model: a world, and the rules that the hotel plays by.
pub struct Hotel<R> {
    world: World,
    decided: Known<Question, Arc<Decided>>,
    reacted: Known<Letter, Vec<Letter>>,
    open: Known<Shared<Vec<GroupCheckoutEvent>>, (bool, bool)>,
    results: Vec<Said>,
    rules: PhantomData<R>,
}

/// Rules are pure, so each question is put to them once.
type Known<K, V> = Mutex<HashMap<K, V>>;

/// A batch, the part of its stream that a read shows, and the time.
type Question = (Vec<Letter>, Vec<Shared<Commit>>, Timestamp);

/// What a batch amounts to.
pub struct Decided {
    commit: Option<Shared<Commit>>,
    /// What becomes of its messages.
    pub settled: Settled,
}

impl<R: Rules> Hotel<R> {
    /// A model of that world.
    pub fn new(world: World) -> Self {
        Self {
            results: world.sent.iter().filter_map(properties::result_in).collect(),
            world,
            decided: Mutex::default(),
            reacted: Mutex::default(),
            open: Mutex::default(),
            rules: PhantomData,
        }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Whether any group is to be initiated.
    pub fn has_groups(&self) -> bool {
        let mut sent = self.world.sent.iter();
        sent.any(|letter| letter.kind == InitiateGroupCheckout::TYPE)
    }

    /// The results that are on the queues from the start.
    pub fn results(&self) -> &[Said] {
        &self.results
    }

    /// Whether an operator who asks now is told that a group has not ended, and that something of it is
    /// outstanding.
    pub fn is_told_open(&self, state: &State, group: &StreamId) -> (bool, bool) {
        let known = || self.open.lock().expect("no rule panics");
        let story = &state.stories[group];
        if let Some(told) = known().get(story) {
            return *told;
        }
        let own = StoredStream {
            id: group.clone(),
            commits: state.commits(group).map(|commit| Commit::clone(commit)).collect(),
            faults: Vec::new(),
        };
        let standing = Standing::of(&GroupStanding, &[own], &[]);
        let told = (standing.ending.is_none(), !standing.outstanding.is_empty());
        known().insert(story.clone(), told);
        told
    }

    /// What a batch amounts to for somebody who sees so many commits of its stream.
    pub fn decide(&self, state: &State, batch: &[Letter], sees: usize, at: Timestamp) -> Arc<Decided> {
        let stream = &batch[0].stream;
        let prefix = state.commits(stream).take(sees).cloned().collect();
        let question = (batch.to_vec(), prefix, at);
        let known = || self.decided.lock().expect("no rule panics");
        if let Some(decided) = known().get(&question) {
            return Arc::clone(decided);
        }
        let decided = match state.stream(stream, sees) {
            Some(stream) => decided::<R>(batch, &stream, at),
            // Nobody decides on what can't be right.
            None => Decided {
                commit: None,
                settled: Settled {
                    again: batch.to_vec(),
                    ..Settled::default()
                },
            },
        };
        let decided = Arc::new(decided);
        known().insert(question, Arc::clone(&decided));
        decided
    }

    /// Takes a batch and decides it. What appends nothing is over with that: it rests on what was
    /// read, and the table does not hear of it.
    fn take(&self, next: &mut State, batch: &[Letter], sees: usize, at: Timestamp, keep: bool) -> bool {
        let decided = self.decide(next, batch, sees, at);
        let stream = &batch[0].stream;
        let Some(commit) = &decided.commit else {
            let changes = !keep && decided.settled.again.len() < batch.len();
            if changes {
                next.in_flight.take(batch, keep, &mut next.repeats);
                next.settle(decided.settled.clone());
            }
            return changes;
        };
        // Where a read lacks commits the place is taken for good: the append fails, the message comes
        // again, and all is as before.
        let can_append = sees == next.commits(stream).count();
        let at_work = next
            .workers
            .0
            .iter()
            .filter(|worker| worker.commit.stream == *stream);
        let too_soon = batch[0].due.is_some() && !self.world.may_time_out;
        if !can_append || at_work.count() == HANDLERS || too_soon {
            return false;
        }
        next.in_flight.take(batch, keep, &mut next.repeats);
        // A message that was kept is on its queue, whatever becomes of this delivery.
        let settled = if keep {
            Settled::default()
        } else {
            decided.settled.clone()
        };
        let commit = commit.clone();
        next.workers.add([Worker { commit, settled }]);
        true
    }

    fn react(&self, next: &mut State, event: &Letter, keep: bool) {
        let mut known = self.reacted.lock().expect("no step panics");
        let sent = known.entry(event.clone()).or_insert_with(|| R::react(event));
        let asks = |letter: &&Letter| letter.kind != CheckoutGuestAccount::TYPE || self.world.asks_guests;
        next.in_flight
            .take(std::slice::from_ref(event), keep, &mut next.repeats);
        next.in_flight.add(sent.iter().filter(asks).cloned());
    }
}

fn decided<R: Rules>(batch: &[Letter], stream: &Stream, at: Timestamp) -> Decided {
    let plan = rules::decide::<R>(batch, stream, at);
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
        let commit_id = computed_id(&format!(
            "{}/{:?}/{}",
            stream.id(),
            plan.position,
            bodies.join("/")
        ));
        Commit::at(plan.position, stream.id(), commit_id, at, plan.events).into()
    });
    Decided { commit, settled }
}

impl<R: Rules> Model for Hotel<R> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut start = State {
            table: Arc::default(),
            unrelayed: Bag::default(),
            in_flight: Bag::default(),
            workers: Bag::default(),
            repeats: self.world.repeats,
            refused: BTreeSet::new(),
            stories: BTreeMap::new(),
        };
        for commit in &self.world.held {
            start.hold(commit.clone().into());
        }
        start.in_flight.add(self.world.sent.iter().cloned());
        vec![start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
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
                if letter.to == To::Step {
                    actions.push(Action::React {
                        event: letter.clone(),
                        keep,
                    });
                } else {
                    decisions(state, std::slice::from_ref(letter), keep, actions);
                }
            }
        }
        let waiting = &state.in_flight.0;
        for (i, first) in waiting.iter().enumerate().filter(|_| self.world.batches) {
            for (j, second) in waiting.iter().enumerate() {
                // A batch comes from one queue.
                let go_together = (&first.kind, &first.stream) == (&second.kind, &second.stream);
                if i != j && go_together && first.to == To::Rules {
                    decisions(state, &[first.clone(), second.clone()], false, actions);
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        let changes = match action {
            Action::Decide {
                batch,
                sees,
                at,
                keep,
            } => self.take(&mut next, &batch, sees, at, keep),
            Action::Append(worker) => {
                append::<R>(&mut next, worker);
                true
            }
            Action::Relay { commit, keep } => {
                relay(&mut next, &commit, keep);
                true
            }
            Action::React { event, keep } => {
                self.react(&mut next, &event, keep);
                true
            }
        };
        changes.then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.world.reaches)
    }
}

/// The ways in which a batch may be decided: on all that is there, at any time; a deadline early or
/// not, and on a read that may lack the newest commits.
fn decisions(state: &State, batch: &[Letter], keep: bool, actions: &mut Vec<Action>) {
    let all = state.commits(&batch[0].stream).count();
    let is_deadline = batch[0].due.is_some();
    let (least, times) = if is_deadline {
        (0, vec![now(), due_at()])
    } else {
        (all, vec![now()])
    };
    for sees in least..=all {
        actions.extend(times.iter().map(|&at| Action::Decide {
            batch: batch.to_vec(),
            sees,
            at,
            keep,
        }));
    }
}

fn append<R: Rules>(next: &mut State, worker: Worker) {
    next.workers.take(std::slice::from_ref(&worker), false, &mut 0);
    let Worker { commit, settled } = worker;
    let is_taken = next.table.contains_key(&(commit.stream.clone(), commit.revision));
    if !R::may_append(is_taken) {
        // All of the batch is decided anew.
        let Settled { done, again, refused } = settled;
        next.in_flight.add(done.into_iter().chain(again).chain(refused));
        return;
    }
    next.settle(settled);
    // What nobody waits for need not be relayed to nobody.
    if commit
        .events
        .iter()
        .any(|event| rules::has_step(&event.event_type))
    {
        next.unrelayed.add([commit.clone()]);
    }
    next.hold(commit);
}

fn relay(next: &mut State, commit: &Shared<Commit>, keep: bool) {
    next.unrelayed
        .take(std::slice::from_ref(commit), keep, &mut next.repeats);
    let heard = commit
        .events
        .iter()
        .filter(|event| rules::has_step(&event.event_type));
    next.in_flight
        .add(heard.map(|event| Letter::of_event(To::Step, commit, event)));
}
