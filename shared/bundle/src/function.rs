//! What is declared of a function: name, trigger, what it sends, reads and writes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_adapters::{Handler, dead_letter_queue};
use eventsourcing::{Draft, Form, Malformed, Setting, Shape, StreamId};

use crate::context::Context;
use crate::names::RECOVERY;
use crate::sample::{MakeSample, Sample};
use crate::settings::Parts;
use crate::view_table_form::ViewTableForm;

/// Who sends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Systems outside the bundle.
    Outside,
    /// Systems outside that answer what the bundle asked of them.
    Gateways,
    /// The bundle's own steps.
    Steps,
    /// Systems outside, and the bundle's own steps.
    OutsideAndSteps,
}

/// What invokes a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Commands on the queue of the function's name.
    Commands(Sender),
    /// Events of these types, which the relay puts on the queue of the function's name.
    Events(&'static [&'static str]),
    /// An outbound queue, which a system outside would read otherwise.
    Outbound(&'static str),
    /// The event table's stream.
    EventStream,
    /// What Lambda says of records of that stream which it gave up, on the queue of the function's name.
    GivenUpRecords,
    /// The clock, once in each period.
    Schedule(Duration),
}

/// What a function does with the event table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAccess {
    /// Nothing.
    None,
    /// Loads streams.
    Load,
    /// Loads streams and appends to them.
    LoadAndAppend,
    /// Reads single commits.
    Fetch,
}

/// What a function does with the outbox table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxAccess {
    /// Nothing.
    None,
    /// Saves what was not delivered.
    Save,
    /// Reads what is due, and marks it.
    Sweep,
}

/// How many messages an invocation gets, and how many invocations run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The most messages in a batch.
    pub size: u32,
    /// How long to wait for a batch to fill.
    pub window: Duration,
    /// The most invocations at once; as many as Lambda likes if none.
    pub concurrency: Option<u32>,
    /// Of a stream, how many batches of each shard are handled at once, 1 to 10. Records of one partition key
    /// stay in order, and no others.
    pub per_shard: u32,
    /// How the size can be chosen when the bundle is deployed; not at all if none.
    pub parameter: Option<Parameter>,
}

/// A parameter of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, in `PascalCase`.
    pub name: &'static str,
    /// Why it is there.
    pub why: &'static str,
    /// What it is, for whoever chooses.
    pub about: &'static str,
}

impl Default for Batching {
    /// Ten at once, without waiting.
    fn default() -> Self {
        Self {
            size: 10,
            window: Duration::ZERO,
            concurrency: None,
            per_shard: 1,
            parameter: None,
        }
    }
}

/// How a function is built, from its name and its parts.
pub type Build = Box<dyn Fn(&'static str, &Parts) -> Arc<dyn Handler> + Send + Sync>;

/// How the body of a command is read: by its function, and as what somebody wrote.
#[derive(Clone, Copy)]
pub(crate) struct Read {
    pub(crate) body: fn(&str) -> Result<StreamId, Malformed>,
    pub(crate) draft: fn(&str, Form) -> Draft,
}

/// One function.
pub struct Function {
    /// Its kebab-case name, without the stack's.
    pub name: String,
    /// What it does, in a line.
    pub about: &'static str,
    /// Where it belongs.
    pub context: Context,
    /// What invokes it.
    pub trigger: Trigger,
    /// The queues it sends to, without the stack's name; its own dead-letter queue apart.
    pub sends_to: Vec<String>,
    /// Those of these queues whose messages are deadlines that it sets: what is due later than a queue can hold
    /// it back is scheduled. See [`Registry::of`](crate::Registry::of).
    pub sets_deadlines_on: Vec<String>,
    /// What it does with the event table.
    pub store: StoreAccess,
    /// What it does with the outbox table.
    pub outbox: OutboxAccess,
    /// How its messages are taken together.
    pub batching: Batching,
    /// Its memory in MB, 128 to 10,240, and with it its share of a processor: all of one at 1,769.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
    pub memory_mb: u32,
    /// The deadline that it records, sets, or waits for; none if it has nothing to do with deadlines.
    pub deadline: Option<Setting>,
    /// The view whose table it writes; none if it is the function of no view.
    pub view: Option<ViewTableForm>,
    /// The views of which it reads what is open.
    pub watches: Vec<ViewTableForm>,
    /// The events it may record that tell of a fact which came too late, and which an alarm counts.
    pub late_facts: &'static [&'static str],
    /// The events it may record that nobody listens to, neither a step nor a system outside, on purpose.
    pub unheard: &'static [&'static str],
    /// Whether it takes a command that usually begins its stream.
    pub creates: bool,
    pub(crate) samples: Vec<MakeSample>,
    pub(crate) shapes: fn() -> Vec<Shape>,
    pub(crate) read: Option<Read>,
    pub(crate) build: Build,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}

impl Function {
    /// How long one invocation may take, in all functions.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// The memory of a function that does not say otherwise, in MB. Lambda gives processor time in proportion, and
    /// the time goes into waiting for `DynamoDB` and SQS: twice the least halves what parsing and TLS take.
    pub const MEMORY_MB: u32 = 256;

    /// How often the mapping of a stream tries a batch again. The relay saves what it can't deliver in
    /// the outbox; a batch comes again only if not even that works, so this and
    /// [`Function::STREAM_RECORD_AGE`] bound an outage of everything at once. What is given up stays in
    /// the stream for the rest of its day, and in the table for good.
    pub const STREAM_RETRIES: u32 = 10;

    /// How old a record of a stream may grow. See [`Function::STREAM_RETRIES`].
    pub const STREAM_RECORD_AGE: Duration = Duration::from_hours(6);

    /// How long a message is invisible after a receive: six times the timeout, as Lambda's guide asks.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
    pub const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(3);

    /// A function that sends nothing and touches no table, in batches as most take them.
    pub fn of(
        name: impl Into<String>,
        about: &'static str,
        context: Context,
        trigger: Trigger,
        build: impl Fn(&'static str, &Parts) -> Arc<dyn Handler> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            about,
            context,
            trigger,
            sends_to: vec![],
            sets_deadlines_on: vec![],
            store: StoreAccess::None,
            outbox: OutboxAccess::None,
            batching: Batching::default(),
            memory_mb: Self::MEMORY_MB,
            deadline: None,
            view: None,
            watches: vec![],
            late_facts: &[],
            unheard: &[],
            creates: false,
            samples: vec![],
            shapes: Vec::new,
            read: None,
            build: Box::new(build),
        }
    }

    /// The queues that it sends to, without the stack's name.
    #[must_use]
    pub fn sending_to(self, queues: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            sends_to: queues.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// How its messages are taken together.
    #[must_use]
    pub fn batched(self, batching: Batching) -> Self {
        Self { batching, ..self }
    }

    /// Tells it a deadline.
    #[must_use]
    pub fn told(self, deadline: Setting) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// One that finds what it asks for done, or refuses: it never appends.
    #[must_use]
    pub fn confirming(self) -> Self {
        Self {
            store: StoreAccess::Load,
            ..self
        }
    }

    /// Counts these late facts.
    #[must_use]
    pub fn counting(self, late_facts: &'static [&'static str]) -> Self {
        Self { late_facts, ..self }
    }

    /// Nobody listens to these events, which it records: they are there for the record, or for the rules that read
    /// it.
    #[must_use]
    pub fn unheard(self, unheard: &'static [&'static str]) -> Self {
        Self { unheard, ..self }
    }

    /// Shows it at work by this sample. One that does different things in different cases has several: each
    /// call that its role allows has to be in one of them.
    #[must_use]
    pub fn sample(mut self, sample: fn() -> Sample) -> Self {
        self.samples.push(Arc::new(sample));
        self
    }

    /// Its samples, made anew.
    pub fn samples(&self) -> Vec<Sample> {
        self.samples.iter().map(|make| make()).collect()
    }

    /// Whether it waits for its time: sends what is not due yet to the queue that invokes it, once more.
    pub fn waits(&self) -> bool {
        let is_own = |queue: &String| Some(queue.as_str()) == self.queue();
        self.sends_to.iter().any(is_own)
    }

    /// The queue that invokes it, without the stack's name; none if something else does.
    pub fn queue(&self) -> Option<&str> {
        match self.trigger {
            Trigger::Commands(_) | Trigger::Events(_) | Trigger::GivenUpRecords => Some(&self.name),
            Trigger::Outbound(queue) => Some(queue),
            Trigger::EventStream | Trigger::Schedule(_) => None,
        }
    }

    /// The queue, without the stack's name, that gets what it can't deal with: of a queue its dead-letter
    /// queue, of a stream the one of [`RECOVERY`]; none if it misses nothing by failing.
    pub fn gives_up_to(&self) -> Option<String> {
        match self.trigger {
            Trigger::EventStream => Some(RECOVERY.into()),
            _ => self.queue().map(dead_letter_queue),
        }
    }

    /// The shapes of the messages that it takes, whole as they stand on its queue, one for each type; none if it takes
    /// messages of every type.
    pub fn shapes(&self) -> Vec<Shape> {
        (self.shapes)()
    }

    /// Reads the body of a command as the function would, and names the stream that it is for; none if
    /// the function takes no commands.
    pub fn read_command(&self, body: &str) -> Option<Result<StreamId, Malformed>> {
        self.read.map(|read| (read.body)(body))
    }

    /// Looks at a command that somebody wrote, for all that is wrong with it; none if the function takes no
    /// commands.
    pub fn draft(&self, json: &str, form: Form) -> Option<Draft> {
        self.read.map(|read| (read.draft)(json, form))
    }

    /// Builds it from its parts.
    pub fn start(&self, parts: &Parts) -> Arc<dyn Handler> {
        // A process starts each function at most a few times; log lines and metrics name it for as
        // long as the process lives.
        let name: &'static str = Box::leak(self.name.clone().into_boxed_str());
        (self.build)(name, parts)
    }
}
