//! What a business tells the engine, in one declared value: the [`Bundle`].
//!
//! The engine (`eventsourcing`, `aws-adapters`, this crate, and everything in `infra`) knows no business. A
//! business is rules and one function that answers its bundle; the bootstrap binary, the local stack, the
//! template and the operator's commands follow from that value, so they can't disagree.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`context`] | the parts of a business, and what all businesses have |
//! | [`function`] | what is declared of a function: name, trigger, what it sends, reads and writes |
//! | [`view_table_form`] | what is declared of the table of a view |
//! | [`building`] | how a function is built from its line |
//! | [`registry`] | all functions, the queues for systems outside, and what follows from both |
//! | [`sample`] | what stands in the tables, what comes to a function, and what follows |
//! | [`scenario`] | what is played on a stack, and how it has to end |
//! | [`streams`] | the kinds of streams that there are, and which ids lead to which |
//! | [`gaps`] | what a business still lacks to be whole |
//! | [`names`] | the functions that the engine adds to each business |
//! | [`lambda`] | what the one executable of all functions does |
//! | [`settings`] | what a function is told by its environment, and what it is built from |

pub mod building;
pub mod context;
pub mod function;
pub mod gaps;
pub mod lambda;
pub mod names;
pub mod registry;
pub mod sample;
pub mod scenario;
pub mod settings;
pub mod streams;
pub mod view_table_form;

use std::time::Duration;

use aws_adapters::Patience;
use eventsourcing::{Setting, SettingValues};

pub use building::{command, on_queue, step, view};
pub use context::{Context, Picture};
pub use function::{Batching, Build, Function, OutboxAccess, Parameter, Sender, StoreAccess, Trigger};
pub use names::{RECOVERY, RELAY, SWEEPER, WATCHER};
pub use registry::{Outbound, Registry};
pub use sample::{Comes, Follows, Given, Sample, at};
pub use scenario::{Demo, Scenario};
pub use settings::{DEPLOY_VIEWS, EVENT_BUS_NAME, InvalidSetting, Parts, Settings};
pub use streams::{Called, PartOf, StreamKind};
pub use view_table_form::ViewTableForm;

/// A business, as the engine knows it.
#[derive(Debug)]
pub struct Bundle {
    /// What it does, as the beginning of a sentence: `Lending books`.
    pub about: &'static str,
    /// What happens in it, in a sentence, for whoever looks at it from outside.
    pub ways: &'static str,
    /// Its parts, in the order in which things go through them.
    pub contexts: Vec<Context>,
    /// The pictures of it in the `README.md` at the root.
    pub pictures: Vec<Picture>,
    /// The kinds of its streams, in the order in which they come to be.
    pub streams: Vec<StreamKind>,
    /// Its functions, and the queues for systems outside.
    pub registry: Registry,
    /// What `cargo local` plays of it.
    pub demo: Demo,
}

impl Bundle {
    /// What can be chosen when it is deployed: whatever one of its functions goes by, and how long messages are
    /// tried, in every bundle.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = self.own_settings();
        settings.extend(Patience::DECLARED);
        settings
    }

    /// What the business can be set to: whatever one of its functions goes by.
    pub fn own_settings(&self) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        for setting in self.registry.functions.iter().filter_map(|f| f.deadline) {
            if !settings.contains(&setting) {
                settings.push(setting);
            }
        }
        settings
    }

    /// The longest time that anything waits for something else to happen: no longer than all settings together.
    pub fn longest_wait(&self, values: &SettingValues) -> Duration {
        self.settings().iter().map(|setting| values.get(setting)).sum()
    }

    /// The queue by which a stack is found: that of its first command from outside.
    pub fn entrance(&self) -> Option<&str> {
        let is_open = |function: &&Function| function.trigger == Trigger::Commands(Sender::Outside);
        let first = self.registry.functions.iter().find(is_open)?;
        Some(&first.name)
    }

    /// All its scenarios. Their ids end with `again`, so that each time has its own; the first time it is empty.
    pub fn scenarios(&self, again: &str) -> Vec<Scenario> {
        (self.demo.scenarios)(again)
    }

    /// Its own contexts, then those that every bundle has.
    pub fn all_contexts(&self) -> impl Iterator<Item = Context> {
        let own = self.contexts.iter().copied();
        own.chain([Context::VIEWS, Context::DELIVERY, Context::SIMULATORS])
    }
}
