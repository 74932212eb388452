//! The world of groups: what stays, what is sent, and whether guests are asked.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use domain::Deadlines;
use domain::group_checkout::{GroupCheckout, GroupCheckoutEvent, InitiateGroupCheckout};
use domain::group_checkout_process::GroupCheckoutProcess;
use domain::group_standing::GroupStanding;
use domain::guest_stay::CheckoutGuestAccount;
use eventsourcing::standing::Standing;
use eventsourcing::{Commit, Decider, EventSet, Message, Stream, StreamId, Timestamp};
use stateright::Property;

use crate::checker::deciding::{Plan, has_step, reads_stream};
use crate::checker::letter::{Letter, Shared, now};
use crate::checker::system::{self, Business, Known, System, known};
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

/// The model: a world, and the rules that the hotel plays by.
pub type Hotel<R> = System<Groups<R>>;

/// The hotel at one moment.
pub type State = system::State<Stories>;

/// What has happened to each group, as its commits were appended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stories(pub BTreeMap<StreamId, Shared<Vec<GroupCheckoutEvent>>>);

impl fmt::Debug for Shared<Vec<GroupCheckoutEvent>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.iter().map(EventSet::event_type).collect();
        f.write_str(&types.join(", "))
    }
}

/// Groups in a world, by the rules `R`.
pub struct Groups<R> {
    /// The world.
    pub world: World,
    /// The results that are on the queues from the start.
    pub results: Vec<Said>,
    open: Known<Shared<Vec<GroupCheckoutEvent>>, (bool, bool)>,
    rules: PhantomData<R>,
}

impl<R: Rules> Groups<R> {
    /// The groups of that world.
    pub fn of(world: World) -> Self {
        Self {
            results: world.sent.iter().filter_map(properties::result_in).collect(),
            world,
            open: Known::default(),
            rules: PhantomData,
        }
    }

    /// Whether an operator who asks now is told that a group has not ended, and that something of it is
    /// outstanding.
    pub fn is_told_open(&self, state: &State, group: &StreamId) -> (bool, bool) {
        known(&self.open, state.own.0[group].clone(), || {
            let standing = Standing::of(&GroupStanding, &state.stored(|id| id == group), &[]);
            (standing.ending.is_none(), !standing.outstanding.is_empty())
        })
    }

    /// Whether any group is to be initiated.
    pub fn has_groups(&self) -> bool {
        let mut sent = self.world.sent.iter();
        sent.any(|letter| letter.kind == InitiateGroupCheckout::TYPE)
    }
}

impl<R: Rules> Business for Groups<R> {
    type Own = Stories;

    fn own(&self) -> Stories {
        Stories::default()
    }

    fn held(&self) -> &[Commit] {
        &self.world.held
    }

    fn sent(&self) -> &[Letter] {
        &self.world.sent
    }

    fn repeats(&self) -> u8 {
        self.world.repeats
    }

    /// A batch comes from one queue.
    fn go_together(&self, one: &Letter, other: &Letter) -> bool {
        self.world.batches && one.kind == other.kind
    }

    fn decide(&self, batch: &[Letter], stream: &Stream, at: Timestamp) -> Plan {
        rules::decide::<R>(batch, stream, at)
    }

    fn may_take(&self, state: &State, batch: &[Letter]) -> bool {
        let workers = state.workers.0.iter();
        let at_work = workers.filter(|worker| worker.commit.stream == batch[0].stream);
        let too_soon = batch[0].due.is_some() && !self.world.may_time_out;
        at_work.count() < HANDLERS && !too_soon
    }

    fn may_append(&self, place_is_taken: bool) -> bool {
        R::may_append(place_is_taken)
    }

    fn note(&self, Stories(stories): &mut Stories, commit: &Commit) {
        if commit.stream.category() != GroupCheckout::CATEGORY.name() {
            return;
        }
        let story = stories.get(&commit.stream);
        let mut story = story.map_or_else(Vec::new, |story| story.to_vec());
        story.extend(commit.events.iter().map(|event| {
            GroupCheckoutEvent::decode(&event.event_type, event.schema_version, &event.data)
                .expect("the rules record their own events")
        }));
        stories.insert(commit.stream.clone(), story.into());
    }

    fn has_step(&self, kind: &str) -> bool {
        has_step::<GroupCheckoutProcess>(kind)
    }

    fn reads_stream(&self, kind: &str) -> bool {
        reads_stream::<GroupCheckoutProcess>(kind)
    }

    fn react(&self, event: &Letter, stream: &Stream, _: u8) -> Option<Vec<Letter>> {
        let mut sent = R::react(event, stream)?;
        sent.retain(|letter| letter.kind != CheckoutGuestAccount::TYPE || self.world.asks_guests);
        Some(sent)
    }

    fn properties(&self) -> Vec<Property<Hotel<R>>> {
        properties::all(&self.world.reaches)
    }
}
