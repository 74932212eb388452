//! A stack: tables, queues, functions and mappings, as the registry declares them, in one process.
//!
//! The functions use the real SDK clients and take the real Lambda events; only the sockets are left
//! out. Clock and transport are parameters: on a paused tokio clock hours pass at once, and a
//! [`Faults`] decides what goes wrong with which call.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_adapters::{
    Bus, Checkpoint, ClientParts, Connection, DEADLINES, Environment, EventBus, MAX_RECEIVE_COUNT, Names,
    Outbox, Publisher, Republisher, Routes, Scheduling, Selection,
};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use bundle::{
    Batching, Bundle, Context, Function, Parts, Registry, SWEEPER, Settings, Trigger, ViewTableForm, WATCHER,
};
use embedded_aws::clock::Jumps;
use embedded_aws::dynamodb::{SequenceNumber, StreamPosition};
use embedded_aws::mapping::stream::{Checkpoints, OnFailure, Order};
use embedded_aws::mapping::{self, MappingError, Notice, Notices, Status};
use embedded_aws::transport::{Faults, UncheckedSignature};
use embedded_aws::{
    Clock, Durability, DynamoDb, EventBridge, Scheduler, Sqs, Store, Transport, Wire, eventbridge, scheduler,
};
use embedded_sqs::{QueueAttributes, RedrivePolicy, SqsError};
use eventsourcing::SettingValues;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::StackError;
use crate::folder::Folder;
use crate::host::{CollectedMetrics, Hosted, Intercept, Intercepted, StackClock};
use crate::tables;

/// The region that the stack says it is in.
pub const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// Where the tables are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory, on the stack's own clock.
    Memory,
    /// In a folder, where they survive the process, with queues, schedules and rules.
    Folder(PathBuf),
}

/// Whether a stack has views, which can be left out at a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Views {
    /// With all that belongs to them.
    Watched,
    /// Without the function that looks each minute what is open: over days of a moved clock, that is thousands of times.
    Shown,
    /// Without their tables, queues and functions.
    LeftOut,
}

/// How a stack is set up.
#[derive(Clone)]
pub struct StackOptions {
    /// The business that runs on it.
    pub bundle: Arc<Bundle>,
    /// Its name.
    pub name: String,
    /// Where the tables are kept.
    pub storage: Storage,
    /// What an answer at the stack's port waits for, if they are in a folder.
    pub durability: Durability,
    /// What its queues' URLs begin with.
    pub base_url: String,
    /// When the clock starts, which moves with tokio's.
    pub epoch: SystemTime,
    /// Another clock than that, such as the system's.
    pub clock: Option<Clock>,
    /// What the business is set to.
    pub settings: SettingValues,
    /// Whether the simulators answer the outbound queues.
    pub simulators: bool,
    /// Whether there are views.
    pub views: Views,
    /// Whether the functions run. A stack without them leaves messages queued for inspection.
    pub functions: bool,
    /// Those that run alone, by name; all if none.
    pub only: Option<BTreeSet<String>>,
    /// What goes wrong with the functions' calls.
    pub faults: Option<Arc<dyn Faults>>,
    /// Who stands between the mappings and the functions.
    pub intercept: Option<Arc<dyn Intercept>>,
    /// In which order commits of different streams reach the relay.
    pub order: Order,
    /// How many relays run at once on the same stream; one in a sound deployment.
    pub relays: usize,
    /// Whether functions are told of schedules. Without, a deadline that is further off than a queue can hold it
    /// back goes from queue to queue.
    pub schedules: bool,
    /// The bus of `EventBridge` that each event is put on, which is made; none if there is none.
    pub event_bus: Option<String>,
    /// How often the outbox is swept, if not as often as on AWS: over days of a moved clock, a minute is
    /// thousands of times.
    pub sweep_interval: Option<Duration>,
    /// How often a message is received before SQS moves it to the dead-letter queue by itself: on AWS so often that
    /// it takes days.
    pub max_receive_count: u32,
}

impl StackOptions {
    /// A stack of this business in memory, on which nothing goes wrong.
    pub fn of(bundle: impl Into<Arc<Bundle>>) -> Self {
        Self {
            bundle: bundle.into(),
            name: "local".into(),
            storage: Storage::Memory,
            durability: Durability::default(),
            base_url: "http://127.0.0.1:4566".into(),
            epoch: SystemTime::now(),
            clock: None,
            settings: SettingValues::default(),
            simulators: true,
            views: Views::Shown,
            functions: true,
            only: None,
            faults: None,
            intercept: None,
            order: Order::Arrival,
            relays: 1,
            schedules: true,
            event_bus: None,
            sweep_interval: None,
            max_receive_count: MAX_RECEIVE_COUNT,
        }
    }
}

/// A running stack. Dropping it stops everything at once; [`Stack::stop`] lets invocations finish.
pub struct Stack {
    options: StackOptions,
    names: Names,
    wire: Wire,
    scheduler: Scheduler,
    transport: Transport,
    clock: Clock,
    jumps: Arc<Mutex<Jumps>>,
    metrics: CollectedMetrics,
    /// Of all mappings but the relay's, by function.
    statuses: BTreeMap<String, Status>,
    of_relays: Vec<Status>,
    republished: u64,
    kept: Option<Kept>,
    mappings: JoinSet<Result<(), StackError>>,
    watchers: JoinSet<()>,
    shutdown: watch::Sender<bool>,
    /// Ends the relay's mappings alone.
    relays: watch::Sender<bool>,
    notices: (Notices, Option<UnboundedReceiver<Notice>>),
    /// Goes up when what functions remember is worth nothing any more.
    generation: Arc<AtomicU64>,
    /// Last, so that it is let go when all else has ended.
    _folder: Option<Folder>,
}

impl Stack {
    /// Sets up tables and queues and starts the functions.
    pub async fn start(options: StackOptions) -> Result<Self, StackError> {
        let clock = options.clock.clone();
        let clock = clock.unwrap_or_else(|| Clock::starting_at(options.epoch));
        let names = Names::of(&options.name);
        let Opened {
            dynamodb,
            scheduler,
            eventbridge,
            kept,
            folder,
        } = open(&options, &names, &clock)?;
        let dynamodb = dynamodb.at_home_in(REGION, ACCOUNT);
        let sqs = Sqs::new(embedded_sqs::Settings {
            region: REGION.into(),
            account: ACCOUNT.into(),
            base_url: options.base_url.clone(),
            clock: clock.for_sqs(),
        });
        if let Some(kept) = &kept {
            kept.store.keep_queues(&sqs)?;
        }
        let views = options
            .bundle
            .registry
            .views()
            .filter(|_| options.views != Views::LeftOut);
        let existed = tables::create(&dynamodb, &names, views)?;
        scheduler.create_group(&names.of_function(DEADLINES));
        if let Some(bus) = &options.event_bus {
            eventbridge.create_bus(bus);
        }
        let mut wire = Wire::new(dynamodb, sqs)
            .with_scheduler(scheduler.clone())
            .with_eventbridge(eventbridge)
            .with_clock(clock.clone());
        if let Some(kept) = &kept {
            wire = wire.with_store(kept.store.clone());
        }
        let transport = match &options.faults {
            Some(faults) => Transport::with_faults(wire.clone(), faults.clone()),
            None => Transport::new(wire.clone()),
        };
        let (notices, taken) = mpsc::unbounded_channel();
        let mut stack = Self {
            names,
            wire,
            scheduler,
            transport,
            jumps: Arc::new(Mutex::new(clock.jumps())),
            clock,
            metrics: CollectedMetrics::default(),
            statuses: BTreeMap::new(),
            of_relays: Vec::new(),
            republished: 0,
            kept,
            mappings: JoinSet::new(),
            watchers: JoinSet::new(),
            shutdown: watch::Sender::new(false),
            relays: watch::Sender::new(false),
            notices: (notices, Some(taken)),
            generation: Arc::default(),
            _folder: folder,
            options,
        };
        stack.watch();
        stack.create_queues()?;
        // What came due while nobody looked is sent now.
        let scheduling = stack
            .scheduler
            .clone()
            .run(stack.wire.sqs().clone(), stack.shutdown.subscribe());
        stack.watchers.spawn(scheduling);
        stack.take_up(existed).await?;
        if stack.options.functions {
            stack.start_mappings().await?;
        }
        Ok(stack)
    }

    /// The names of its queues and tables.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The business that runs on it.
    pub fn bundle(&self) -> &Bundle {
        &self.options.bundle
    }

    /// What the business is set to.
    pub fn settings(&self) -> &SettingValues {
        &self.options.settings
    }

    /// The functions and queues that it is made of.
    pub fn registry(&self) -> &Registry {
        &self.options.bundle.registry
    }

    /// The services, for whoever wants to look at them directly, or serve them on a port.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The scheduler, for whoever wants to look at it directly.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The way of the functions' calls to the services, which counts them.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What happens to its queues and tables that whoever runs it has to know; none after the first call.
    pub fn notices(&mut self) -> Option<UnboundedReceiver<Notice>> {
        self.notices.1.take()
    }

    /// What the functions have counted.
    pub fn metrics(&self) -> &CollectedMetrics {
        &self.metrics
    }

    /// Clients for a caller of that name, subject to the stack's faults.
    pub fn connection(&self, caller: &str) -> Connection {
        connection(&self.transport, &self.options.base_url, caller)
    }

    /// The same, for whoever outlives the stack.
    pub(crate) fn shared_bundle(&self) -> Arc<Bundle> {
        self.options.bundle.clone()
    }

    /// Where its port is, for clients that reach it from outside.
    pub(crate) fn environment(&self) -> Environment {
        environment(&self.options.base_url)
    }

    /// Clients for whoever tests or watches the stack: no fault befalls them, nobody counts their calls.
    pub fn observer(&self) -> Connection {
        connection(
            &Transport::new(self.wire.clone()),
            &self.options.base_url,
            "observer",
        )
    }

    /// How many commits of an earlier version's folder were published again at the start.
    pub fn republished(&self) -> u64 {
        self.republished
    }

    /// Whether everything has come to rest: nothing in any queue that a function reads, delayed
    /// messages and scheduled ones included, nothing unrelayed, nothing in the outbox that is tried again, no invocation
    /// under way.
    pub fn is_quiet(&self) -> bool {
        let sqs = self.wire.sqs();
        let mut queues = self.running().filter_map(Function::queue);
        self.statuses
            .values()
            .chain(&self.of_relays)
            .all(Status::is_quiet)
            && queues.all(|queue| {
                let queue = self.names.of_function(queue);
                let counts = sqs.counts(&queue);
                counts.is_none_or(|counts| counts.visible + counts.in_flight + counts.delayed == 0)
                    && self.scheduler.pending_for(&queue) == 0
            })
            && (!self.sweeps() || tables::is_swept(self.wire.dynamodb(), &self.names))
    }

    /// Waits until everything has come to rest, looking every `interval`.
    pub async fn until_quiet(&self, interval: Duration) {
        while !self.is_quiet() {
            tokio::time::sleep(interval).await;
        }
    }

    /// Resolves when a mapping ends by itself, which it should not, or when what is written can't be kept any more.
    pub async fn failed(&mut self) -> StackError {
        let store = self.kept.as_ref().map(|kept| kept.store.clone());
        let not_kept = async {
            match store {
                Some(store) => StackError::NotKept(store.failed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            error = not_kept => error,
            error = self.mapping_failed() => error,
        }
    }

    async fn mapping_failed(&mut self) -> StackError {
        loop {
            match self.mappings.join_next().await {
                Some(Ok(Err(error))) => return error,
                Some(Ok(Ok(()))) => {}
                Some(Err(crash)) => return StackError::Crashed(crash.to_string()),
                None => std::future::pending().await,
            }
        }
    }

    /// Stops: invocations that run are finished, nothing new is begun.
    pub async fn stop(mut self) -> Result<(), StackError> {
        self.shutdown.send_replace(true);
        self.relays.send_replace(true);
        while let Some(ended) = self.mappings.join_next().await {
            if let Ok(ended) = ended {
                ended?;
            }
        }
        Ok(())
    }

    /// The functions that it runs: all of the registry unless it was told which; the simulators only if it was
    /// told to.
    pub fn running(&self) -> impl Iterator<Item = &Function> {
        let (simulators, views) = (self.options.simulators, self.shows_views());
        let only = self.options.only.as_ref();
        let watches = self.options.views == Views::Watched || only.is_some();
        self.registry()
            .functions
            .iter()
            .filter(move |f| simulators || !matches!(f.trigger, Trigger::Outbound(_)))
            .filter(move |f| views || f.context != Context::VIEWS)
            .filter(move |f| watches || f.name != WATCHER)
            .filter(move |f| only.is_none_or(|only| only.contains(&f.name)))
    }

    /// The tables of its views; none if they are left out.
    pub fn views(&self) -> impl Iterator<Item = ViewTableForm> {
        let views = self.registry().views();
        views.filter(|_| self.shows_views())
    }

    /// Which queues get which events.
    fn routes(&self) -> Routes {
        if self.shows_views() {
            self.registry().routes()
        } else {
            self.registry().routes_without_views()
        }
    }

    /// Whether the simulators answer the outbound queues.
    pub(crate) fn has_simulators(&self) -> bool {
        self.options.simulators
    }

    /// Whether the functions run.
    pub(crate) fn has_functions(&self) -> bool {
        self.options.functions
    }

    fn shows_views(&self) -> bool {
        self.options.views != Views::LeftOut
    }

    fn sweeps(&self) -> bool {
        self.options.functions && self.running().any(|function| function.name == SWEEPER)
    }

    fn create_queues(&self) -> Result<(), StackError> {
        let sqs = self.wire.sqs();
        let retention = Duration::from_hours(14 * 24);
        let create = |name: String, attributes: QueueAttributes| {
            let created = match sqs.create_queue(&name, attributes.clone()) {
                // An earlier version had it otherwise, or somebody has set it so.
                Err(SqsError::QueueNameExists { .. }) => sqs.configure_queue(&name, attributes),
                created => created,
            };
            created.map_err(|source| StackError::Queue { queue: name, source })
        };
        let is_there =
            |queue: &&str| self.shows_views() || self.registry().view_queues().all(|view| view != *queue);
        for queue in self.registry().queues().into_iter().filter(is_there) {
            let dead_letter_queue = self.names.dead_letter_queue(queue);
            create(
                dead_letter_queue.clone(),
                QueueAttributes {
                    retention,
                    ..QueueAttributes::default()
                },
            )?;
            let attributes = QueueAttributes {
                visibility_timeout: Function::VISIBILITY_TIMEOUT,
                retention,
                redrive: Some(RedrivePolicy {
                    dead_letter_queue,
                    max_receive_count: self.options.max_receive_count,
                }),
                ..QueueAttributes::default()
            };
            create(self.names.of_function(queue), attributes)?;
        }
        if !self.registry().deadlines().is_empty() {
            let attributes = QueueAttributes {
                retention,
                ..QueueAttributes::default()
            };
            create(self.names.dead_letter_queue(DEADLINES), attributes)?;
        }
        Ok(())
    }

    /// Watches what no mapping does: tables that others may delete, and a clock that may jump.
    fn watch(&mut self) {
        let (dynamodb, notices) = (self.wire.dynamodb().clone(), self.notices.0.clone());
        let (events, outbox) = (self.names.events_table(), self.names.outbox_table());
        let generation = self.generation.clone();
        self.watchers
            .spawn(tables::watch(dynamodb, events, outbox, notices, generation));
        if self.clock.follows() {
            self.watchers.spawn(follow(self.following()));
        }
    }

    /// What follows the clock when it jumps.
    fn following(&self) -> Following {
        Following {
            jumps: self.jumps.clone(),
            sqs: self.wire.sqs().clone(),
            scheduler: self.scheduler.clone(),
        }
    }

    /// What can be done with it by somebody beside it.
    pub(crate) fn controls(&self) -> Controls {
        Controls {
            bundle: self.options.bundle.clone(),
            names: self.names.clone(),
            storage: self.options.storage.clone(),
            views: self.shows_views(),
            wire: self.wire.clone(),
            scheduler: self.scheduler.clone(),
            clock: self.clock.clone(),
            following: self.following(),
            mappings: self.statuses.clone(),
            relays: self.of_relays.clone(),
            generation: self.generation.clone(),
            connection: self.observer(),
            queue_url_prefix: self.queue_url_prefix(),
        }
    }

    /// Starts the relay, and when it listens, the functions on queues: what they append before that, it
    /// would never see.
    async fn start_mappings(&mut self) -> Result<(), StackError> {
        let (on_streams, on_queues): (Vec<_>, Vec<_>) = self
            .running()
            .map(|function| function.name.clone())
            .partition(|name| name == bundle::RELAY);
        let relays = self.options.relays;
        let from = self.relay_from();
        for name in on_streams
            .iter()
            .flat_map(|name| std::iter::repeat_n(name, relays))
        {
            self.start_mapping(name, from);
        }
        self.until_listening().await?;
        for name in &on_queues {
            self.start_mapping(name, from);
        }
        Ok(())
    }

    /// Starts one more relay. It reads the stream from now on: what was appended before, it never sees.
    pub async fn start_relay(&mut self) -> Result<(), StackError> {
        self.start_mapping(bundle::RELAY, StreamPosition::Latest);
        self.until_listening().await
    }

    /// Switches the relay's mapping off, as somebody does who disables its trigger. What is stored from then on waits
    /// in the table's stream, and the stack is not quiet.
    pub async fn disable_relay(&mut self) {
        self.relays.send_replace(true);
        for status in &self.of_relays {
            let mut activity = status.subscribe();
            // The status outlives its mapping: its sender is here.
            drop(activity.wait_for(|activity| !activity.listening).await);
        }
    }

    /// Switches the relay's mapping on again. It goes on where it left off.
    pub async fn enable_relay(&mut self) -> Result<(), StackError> {
        self.relays = watch::Sender::new(false);
        let left_off: Vec<_> = self.of_relays.drain(..).map(|status| status.activity()).collect();
        for activity in left_off {
            let from = activity
                .checkpoint
                .map_or(StreamPosition::TrimHorizon, StreamPosition::After);
            self.start_mapping(bundle::RELAY, from);
        }
        self.until_listening().await
    }

    async fn until_listening(&mut self) -> Result<(), StackError> {
        let mappings: Vec<_> = self.statuses.values().chain(&self.of_relays).cloned().collect();
        for mapping in mappings {
            let mut activity = mapping.subscribe();
            tokio::select! {
                listening = activity.wait_for(|activity| activity.listening) => drop(listening),
                error = self.failed() => return Err(error),
            }
        }
        Ok(())
    }

    fn start_mapping(&mut self, name: &str, from: StreamPosition) {
        let bundle = self.options.bundle.clone();
        let Some(function) = bundle.registry.function(name) else {
            return;
        };
        let hosted = mapping::Function {
            arn: format!(
                "arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}",
                self.names.of_function(name)
            ),
            timeout: Function::TIMEOUT,
            code: self.code(function),
            clock: self.clock.clone(),
        };
        let status = Status::telling(self.notices.0.clone());
        let shutdown = if function.trigger == Trigger::EventStream {
            self.of_relays.push(status.clone());
            self.relays.subscribe()
        } else {
            self.statuses.insert(name.to_owned(), status.clone());
            self.shutdown.subscribe()
        };
        let batching = function.batching;
        let running: BoxFuture<'static, Result<(), MappingError>> = match function.trigger {
            Trigger::EventStream => {
                let (settings, dynamodb) =
                    (self.stream_mapping(batching, from), self.wire.dynamodb().clone());
                mapping::stream::run(settings, dynamodb, hosted, status, shutdown).boxed()
            }
            Trigger::Schedule(period) => {
                let period = self
                    .options
                    .sweep_interval
                    .filter(|_| name == SWEEPER)
                    .unwrap_or(period);
                mapping::schedule::run(self.schedule(name, period), hosted, status, shutdown).boxed()
            }
            Trigger::Commands(_) | Trigger::Events(_) | Trigger::Outbound(_) | Trigger::GivenUpRecords => {
                let queue = self.names.of_function(function.queue().unwrap_or(name));
                let settings = queue_mapping(queue, batching);
                mapping::sqs::run(settings, self.wire.sqs().clone(), hosted, status, shutdown).boxed()
            }
        };
        let function = name.to_owned();
        self.mappings.spawn(async move {
            let ended = running.await;
            ended.map_err(|source| StackError::Mapping { function, source })
        });
    }

    fn schedule(&self, name: &str, period: Duration) -> mapping::schedule::Settings {
        mapping::schedule::Settings {
            rule: self.names.of_function(name),
            period,
            region: REGION.into(),
            account: ACCOUNT.into(),
            // What one time misses the next one takes up.
            maximum_retry_attempts: 0,
        }
    }

    fn stream_mapping(&self, batching: Batching, from: StreamPosition) -> mapping::stream::Settings {
        mapping::stream::Settings {
            starting_position: from,
            report_batch_item_failures: true,
            bisect_batch_on_function_error: true,
            batch_size: batching.size,
            batching_window: batching.window,
            parallelization_factor: batching.per_shard,
            maximum_retry_attempts: Some(Function::STREAM_RETRIES),
            maximum_record_age: Some(Function::STREAM_RECORD_AGE),
            on_failure: Some(OnFailure {
                sqs: self.wire.sqs().clone(),
                queue: self.names.of_function(bundle::RECOVERY),
            }),
            order: self.options.order,
            checkpoint: self.kept.as_ref().map(|kept| kept.checkpoints.of(self.relay())),
            ..mapping::stream::Settings::of(self.names.events_table())
        }
    }

    /// A function as its mapping invokes it.
    fn code(&self, function: &Function) -> Arc<dyn mapping::Invoke> {
        let (bundle, name, parts) = (
            self.options.bundle.clone(),
            function.name.clone(),
            self.parts(function),
        );
        let started = function.start(&parts());
        let start = move || {
            let function = bundle.registry.function(&name)?;
            Some(function.start(&parts()))
        };
        let hosted = Hosted::new(started, start, self.generation.clone());
        match &self.options.intercept {
            None => Arc::new(hosted),
            Some(by) => Arc::new(Intercepted {
                function: function.name.clone(),
                code: hosted,
                by: by.clone(),
            }),
        }
    }

    /// Makes what a new instance of the function is built from; its clients are its own.
    fn parts(&self, function: &Function) -> impl Fn() -> Parts + Send + Sync + use<> {
        let settings = Settings {
            names: self.names.clone(),
            queue_url_prefix: self.queue_url_prefix(),
            scheduling: self.scheduling(function),
            views: self.shows_views(),
            event_bus: self.options.event_bus.clone(),
            values: self.options.settings.clone(),
        };
        let (transport, endpoint, caller) = (
            self.transport.clone(),
            self.options.base_url.clone(),
            function.name.clone(),
        );
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        move || Parts {
            settings: settings.clone(),
            connection: connection(&transport, &endpoint, &caller),
            clock: Arc::new(StackClock(clock.clone())),
            metrics: Arc::new(metrics.clone()),
        }
    }

    /// What the template tells a function that sets deadlines; none if it sets none.
    pub fn scheduling(&self, function: &Function) -> Option<Scheduling> {
        let sets_deadlines = self.options.schedules && !function.sets_deadlines_on.is_empty();
        sets_deadlines.then(|| Scheduling {
            role_arn: format!(
                "arn:aws:iam::{ACCOUNT}:role/{}",
                self.names.of_function("scheduler")
            ),
            queue_arn_prefix: self.wire.sqs().queue_arn(&self.names.prefix()),
        })
    }

    /// What the relay's checkpoint is kept under.
    fn relay(&self) -> String {
        self.names.of_function(bundle::RELAY)
    }

    /// Where the relay begins to read: where an earlier process left off, or with what is appended from now on.
    fn relay_from(&self) -> StreamPosition {
        let kept = self.kept.as_ref();
        let left_off = kept.and_then(|kept| kept.checkpoints.position(&self.relay()));
        left_off.unwrap_or(StreamPosition::Latest)
    }

    /// Goes on where an earlier process was. A folder of a version that kept tables alone has no queues, and nobody
    /// knows how far its relay was: each stored event is published once more, and what follows from it is sent again.
    async fn take_up(&mut self, existed: bool) -> Result<(), StackError> {
        let Some(kept) = &self.kept else {
            return Ok(());
        };
        let (checkpoints, relay) = (kept.checkpoints.clone(), self.relay());
        if existed && checkpoints.position(&relay).is_none() {
            self.republished = self.republish().await?;
            if let Some(newest) = self.newest_record()? {
                checkpoints.of(relay.as_str()).settled(newest);
            }
        }
        checkpoints.begin(&relay);
        kept.remove_earlier_files().await?;
        if self.options.functions {
            // Whatever an earlier process had in hand ended with it.
            for queue in self.running().filter_map(Function::queue) {
                self.wire.sqs().release(&self.names.of_function(queue));
            }
        }
        Ok(())
    }

    fn newest_record(&self) -> Result<Option<SequenceNumber>, StackError> {
        let dynamodb = self.wire.dynamodb();
        let stream = dynamodb.stream_of(&self.names.events_table())?;
        let mut iterator = dynamodb.shard_iterator(&stream, StreamPosition::TrimHorizon)?;
        let mut newest = None;
        loop {
            let page = dynamodb.records(&stream, &iterator, 1_000)?;
            match page.records.last() {
                Some(last) => newest = Some(last.sequence_number),
                None => return Ok(newest),
            }
            iterator = page.next;
        }
    }

    /// Publishes every stored event once more. What had been done already is done again without effect.
    async fn republish(&self) -> Result<u64, StackError> {
        let connection = self.connection("republisher");
        let bus = Bus::new(connection.sqs.clone(), &self.queue_url_prefix());
        let event_bus = self.options.event_bus.as_deref();
        let event_bus =
            event_bus.map(|name| EventBus::new(connection.eventbridge(), name, self.names.stack()));
        let republisher = Republisher::new(
            connection.dynamodb.clone(),
            Publisher::new(self.routes(), bus).with_event_bus(event_bus),
            Outbox::new(connection.dynamodb, self.names.outbox_table()),
            Arc::new(StackClock(self.clock.clone())),
        );
        let table = self.names.events_table();
        let mut run = republisher.run(Checkpoint::start(table, Selection::all(), NonZeroU32::MIN));
        while let Some(page) = run.next().await {
            page?;
        }
        Ok(run.checkpoint().done.commits)
    }

    fn queue_url_prefix(&self) -> String {
        self.wire.sqs().queue_url(&self.names.prefix())
    }
}

/// What a stack is made of, in memory or in its folder.
struct Opened {
    dynamodb: DynamoDb,
    scheduler: Scheduler,
    eventbridge: EventBridge,
    kept: Option<Kept>,
    folder: Option<Folder>,
}

/// What survives the process.
struct Kept {
    store: Store,
    checkpoints: Checkpoints,
    /// Files of an earlier version, of which all is in the store now.
    earlier_files: Vec<PathBuf>,
}

impl Kept {
    async fn remove_earlier_files(&self) -> Result<(), StackError> {
        if !self.earlier_files.is_empty() {
            self.store.until_kept().await.map_err(StackError::NotKept)?;
        }
        for file in &self.earlier_files {
            std::fs::remove_file(file).map_err(|error| {
                StackError::NotKept(format!("{} can't be removed ({error})", file.display()))
            })?;
        }
        Ok(())
    }
}

fn open(options: &StackOptions, names: &Names, clock: &Clock) -> Result<Opened, StackError> {
    let settings = scheduler::Settings {
        region: REGION.into(),
        account: ACCOUNT.into(),
        clock: clock.clone(),
    };
    let of_buses = eventbridge::Settings {
        region: REGION.into(),
        account: ACCOUNT.into(),
        clock: clock.clone(),
    };
    let Storage::Folder(path) = &options.storage else {
        return Ok(Opened {
            dynamodb: DynamoDb::in_memory(clock.clone())?,
            scheduler: Scheduler::in_memory(settings),
            eventbridge: EventBridge::in_memory(of_buses),
            kept: None,
            folder: None,
        });
    };
    let holder = format!("stack {} at {}", options.name, options.base_url);
    let folder = Folder::take(path, &holder)?;
    let store = Store::open(folder.file("tables.sqlite"), clock.clone(), options.durability)?;
    store.keep_clock()?;
    let dynamodb = DynamoDb::kept_in(&store);
    let events = names.events_table();
    if let Some(table) = dynamodb.table_but_for_case(&events)? {
        let suffix = events.len() - names.stack().len();
        return Err(StackError::NameButForCase {
            folder: path.clone(),
            held: table[..table.len() - suffix].to_owned(),
            asked: options.name.clone(),
        });
    }
    let scheduler = Scheduler::kept_in(settings, &store)?;
    let eventbridge = EventBridge::kept_in(of_buses, &store)?;
    let earlier_files = ["schedules.jsonl", "event-buses.jsonl"].map(|name| folder.file(name));
    scheduler.take_up(&earlier_files[0])?;
    eventbridge.take_up(&earlier_files[1])?;
    Ok(Opened {
        dynamodb,
        scheduler,
        eventbridge,
        kept: Some(Kept {
            checkpoints: Checkpoints::kept_in(&store)?,
            store,
            earlier_files: earlier_files.into_iter().filter(|file| file.exists()).collect(),
        }),
        folder: Some(folder),
    })
}

/// Has queues and schedules follow a clock that jumps ahead, as it does when the machine was asleep, or when somebody
/// moves it: what was due meanwhile is due now.
#[derive(Clone)]
pub(crate) struct Following {
    jumps: Arc<Mutex<Jumps>>,
    sqs: Sqs,
    scheduler: Scheduler,
}

impl Following {
    /// Has them follow now.
    pub(crate) fn catch_up(&self) {
        // Held to the end, so that nobody takes what is not done yet for done.
        let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jump) = jumps.since_last_asked() {
            tracing::info!("the clock jumped ahead by {jump:?}, and what waits in queues with it");
            self.sqs.skip(jump);
            self.scheduler.look_at_the_clock();
        }
    }
}

/// Looks each second whether the clock has jumped.
async fn follow(following: Following) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        following.catch_up();
    }
}

/// A running stack's parts, for somebody beside it who intervenes.
pub(crate) struct Controls {
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) names: Names,
    pub(crate) storage: Storage,
    /// Whether it has views.
    pub(crate) views: bool,
    pub(crate) wire: Wire,
    pub(crate) scheduler: Scheduler,
    pub(crate) clock: Clock,
    pub(crate) following: Following,
    /// Of all functions that run but the relay.
    pub(crate) mappings: BTreeMap<String, Status>,
    pub(crate) relays: Vec<Status>,
    /// See [`Stack`].
    pub(crate) generation: Arc<AtomicU64>,
    pub(crate) connection: Connection,
    pub(crate) queue_url_prefix: String,
}

fn environment(endpoint: &str) -> Environment {
    Environment {
        region: REGION.into(),
        dynamodb_endpoint: Some(endpoint.to_owned()),
        dynamodb_streams_endpoint: Some(endpoint.to_owned()),
        sqs_endpoint: Some(endpoint.to_owned()),
        scheduler_endpoint: Some(endpoint.to_owned()),
        eventbridge_endpoint: Some(endpoint.to_owned()),
        credentials: SharedCredentialsProvider::new(Credentials::new(
            "local",
            "local",
            None,
            None,
            "local stack",
        )),
        own_certificates: false,
    }
}

fn connection(transport: &Transport, endpoint: &str, caller: &str) -> Connection {
    let parts = ClientParts {
        http_client: transport.client_for(caller),
        sleep: SharedAsyncSleep::new(TokioSleep::new()),
        auth_scheme: Some(UncheckedSignature::shared()),
    };
    Connection::with_parts(&environment(endpoint), parts)
}

fn queue_mapping(queue: String, batching: Batching) -> mapping::sqs::Settings {
    mapping::sqs::Settings {
        queue,
        batch_size: batching.size,
        batching_window: batching.window,
        // One process has a few cores, not a fleet: more at once would only time each other out.
        maximum_concurrency: Some(batching.concurrency.unwrap_or(8)),
        report_batch_item_failures: true,
    }
}
