//! How a function is built from its line in the list, and those that every bundle has: the relay, the
//! sweeper, and the recovery of what the relay's mapping gave up.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{
    BatchHandler, CommandFunction, Handler, Patience, QueueFunction, Relay, Routes, SWEEP_INTERVAL,
    StepFunction, StreamRecovery, Sweeper, ViewFunction, ViewWatch, kebab_case,
};
use eventsourcing::{
    Announced, Command, CommandEnvelope, Decider, Draft, EventEnvelope, Malformed, Message, OPEN_INDEX,
    RuleSettings, Step, StreamId, Timestamp, View, Viewed,
};

use crate::context::Context;
use crate::function::{Batching, Function, OutboxAccess, Read, Sender, StoreAccess, Trigger};
use crate::names::{RECOVERY, RELAY, SWEEPER, WATCHER};
use crate::sample::{MakeSample, Sample};
use crate::settings::{Parts, Settings};
use crate::view_table_form::ViewTableForm;

/// The function of a command: loads its stream, lets the rules decide, appends.
pub fn command<C: Command>(context: Context, sender: Sender, about: &'static str) -> Function {
    let name = kebab_case(C::TYPE);
    Function {
        sends_to: if C::DEADLINE { vec![name.clone()] } else { vec![] },
        store: StoreAccess::LoadAndAppend,
        creates: C::CREATES,
        shapes: || vec![CommandEnvelope::<C>::shape()],
        read: Some(Read {
            body: read::<C>,
            draft: Draft::of::<C>,
        }),
        ..Function::of(name, about, context, Trigger::Commands(sender), |name, parts| {
            let settings = RuleSettings::of(&parts.settings.values);
            let handler =
                CommandFunction::<C>::new(parts.store(), parts.bus(), parts.clock.clone(), settings);
            on_queue(name, name, handler, parts)
        })
    }
}

fn read<C: Command>(body: &str) -> Result<StreamId, Malformed> {
    // Stand-ins for what only the queue knows; neither has a say in which stream it is.
    let (message_id, now) = ("unsent", Timestamp::from_millis(0));
    let envelope = CommandEnvelope::<C>::read(body, message_id, now)?;
    Ok(envelope.command.stream())
}

/// The function of a saga step: turns an event into commands.
pub fn step<S: Step>(context: Context, about: &'static str) -> Function {
    let name = format!("on-{}", kebab_case(S::Event::TYPE));
    Function {
        sends_to: S::SENDS.iter().map(|command| kebab_case(command)).collect(),
        store: if S::READS_STATE {
            StoreAccess::Load
        } else {
            StoreAccess::None
        },
        shapes: || vec![EventEnvelope::<S::Event>::shape()],
        ..Function::of(
            name,
            about,
            context,
            Trigger::Events(Listens::<S>::TO),
            |name, parts| {
                let (clock, settings) = (parts.clock.clone(), RuleSettings::of(&parts.settings.values));
                let handler = StepFunction::<S>::new(parts.store(), parts.bus(), clock, settings);
                on_queue(name, name, handler, parts)
            },
        )
    }
}

/// The one event that a step waits for, as a list.
struct Listens<S>(PhantomData<S>);

impl<S: Step> Listens<S> {
    const TO: &'static [&'static str] = &[S::Event::TYPE];
}

/// The function of a view: shows what the streams of its events amount to, in a table of its own.
pub fn view<V: View>(about: &'static str) -> Function {
    let form = ViewTableForm {
        name: V::NAME,
        key: V::KEY,
        indexes: V::INDEXES,
        listing: V::LISTING,
        category: <V::Source as Decider>::CATEGORY,
        figures: V::FIGURES,
        row: Viewed::of::<V>,
        listens: V::LISTENS,
    };
    Function {
        store: StoreAccess::Load,
        view: Some(form),
        shapes: || Announced::shapes::<<V::Source as Decider>::Event>(V::LISTENS),
        ..Function::of(
            format!("view-{}", V::NAME),
            about,
            Context::VIEWS,
            Trigger::Events(V::LISTENS),
            |name, parts| {
                let table = parts.view_table(V::NAME, V::KEY);
                let handler = ViewFunction::<V>::new(parts.store(), table, parts.clock.clone());
                on_queue(name, name, handler, parts)
            },
        )
    }
}

/// The memory of the relay. It opens up to 16 connections to SQS at once when a batch is for as many queues,
/// and 50 to `DynamoDB` when it has to save one. By estimate a TLS handshake takes 2 ms of a whole processor: at
/// 256 MB, a seventh of one, those of a batch would take most of a second of a function that watches its time.
const RELAY_MEMORY_MB: u32 = 512;

/// Which queues the relay and the sweeper send to.
#[derive(Clone, Debug)]
pub(crate) struct Addressees {
    /// All that asked for events.
    pub(crate) routes: Routes,
    /// Those of views, which need not be deployed.
    pub(crate) views: Vec<String>,
}

impl Addressees {
    /// Those that are deployed.
    fn deployed(&self, settings: &Settings) -> Routes {
        if settings.views {
            self.routes.clone()
        } else {
            self.routes.without(&self.views)
        }
    }
}

pub(crate) fn relay(addressees: Addressees, event: Option<MakeSample>) -> Function {
    let about = "Copies each stored event to the queues of those who asked for it";
    let (sampled, queues) = (addressees.routes.clone(), addressees.routes.queues());
    Function {
        samples: following(event, move |event| event.relayed(&sampled)),
        sends_to: queues,
        outbox: OutboxAccess::Save,
        // Fuller batches make fuller calls to the queues. Several at once, because a shard takes up to 1,000 commits
        // a second, and one invocation after the other passes on some 700 (by estimate: 100 in 150 ms, most of it
        // the queues'). With four the relay keeps up though sending takes three times as long; more would take
        // executions away from the functions that it feeds, for a new table has four shards already. Only the
        // commits of one stream stay in order, which is more than anybody needs: queues keep none, so no consumer
        // counts on any.
        batching: Batching {
            size: 100,
            per_shard: 4,
            ..Batching::default()
        },
        memory_mb: RELAY_MEMORY_MB,
        ..Function::of(
            RELAY,
            about,
            Context::DELIVERY,
            Trigger::EventStream,
            move |name, parts| {
                let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
                let publisher = parts.publisher(addressees.deployed(&parts.settings));
                Arc::new(Relay::new(name, publisher, parts.outbox(), clock, metrics))
            },
        )
    }
}

pub(crate) fn recovery(event: Option<MakeSample>) -> Function {
    let about = "Saves in the outbox what the relay's mapping gave up";
    Function {
        samples: following(event, Sample::recovered),
        outbox: OutboxAccess::Save,
        ..Function::of(
            RECOVERY,
            about,
            Context::DELIVERY,
            Trigger::GivenUpRecords,
            |name, parts| {
                let streams = parts.connection.streams();
                let handler = StreamRecovery::new(streams, parts.outbox(), parts.clock.clone());
                on_queue(name, RECOVERY, handler, parts)
            },
        )
    }
}

pub(crate) fn sweeper(addressees: Addressees, event: Option<MakeSample>) -> Function {
    let about =
        "Sends again what is due in the outbox; parks what can't pass by itself, or fails for three days";
    let trigger = Trigger::Schedule(SWEEP_INTERVAL);
    let (sampled, queues) = (addressees.routes.clone(), addressees.routes.queues());
    Function {
        samples: following(event, move |event| event.swept(&sampled)),
        sends_to: queues,
        store: StoreAccess::Fetch,
        outbox: OutboxAccess::Sweep,
        ..Function::of(SWEEPER, about, Context::DELIVERY, trigger, move |name, parts| {
            let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
            let routes = addressees.deployed(&parts.settings);
            let (publisher, store) = (parts.publisher(routes), parts.event_store());
            Arc::new(Sweeper::new(
                name,
                publisher,
                store,
                parts.outbox(),
                clock,
                metrics,
            ))
        })
    }
}

/// How often what is open is counted.
const WATCH_INTERVAL: Duration = Duration::from_mins(1);

/// The function that watches the views that have an index of what is open; none if there are none.
pub(crate) fn watcher(views: Vec<ViewTableForm>) -> Option<Function> {
    let has_open = |view: &ViewTableForm| view.indexes.iter().any(|index| index.name == OPEN_INDEX);
    let views: Vec<_> = views.into_iter().filter(has_open).collect();
    let read = views.clone();
    let about = "Counts what is open, for how long it has been, and what should have ended";
    let trigger = Trigger::Schedule(WATCH_INTERVAL);
    let watcher = Function::of(WATCHER, about, Context::VIEWS, trigger, move |name, parts| {
        let reader = |view: &ViewTableForm| (view.name, parts.view_reader(view));
        let readers = read.iter().map(reader).collect();
        let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
        Arc::new(ViewWatch::new(name, readers, clock, metrics))
    });
    let is_needed = !views.is_empty();
    let watcher = Function {
        watches: views,
        ..watcher.sample(Sample::nothing_open)
    };
    is_needed.then_some(watcher)
}

/// The sample that follows from another one, if there is any.
fn following(
    event: Option<MakeSample>,
    follows: impl Fn(&Sample) -> Sample + Send + Sync + 'static,
) -> Vec<MakeSample> {
    let follow = |event: MakeSample| Arc::new(move || follows(&event())) as MakeSample;
    event.map(follow).into_iter().collect()
}

/// A function that takes the messages of `queue` and deals with them by `handler`.
pub fn on_queue<H: BatchHandler + 'static>(
    name: &'static str,
    queue: &'static str,
    handler: H,
    parts: &Parts,
) -> Arc<dyn Handler> {
    let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
    Arc::new(QueueFunction::new(
        name,
        queue,
        handler,
        parts.bus(),
        Patience::of(&parts.settings.values),
        clock,
        metrics,
    ))
}
