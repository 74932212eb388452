//! Samples played: each function alone on a stack gets what its sample says, and what follows has to happen,
//! exactly, whatever goes wrong on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use aws_adapters::{Delivery, Names, Outbox, dead_letter_queue};
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use bundle::sample::files::{self, Place};
use bundle::{Comes, Function, RECOVERY, RELAY, SWEEPER, Sample, Trigger, at};
use embedded_aws::mapping::{Invocation, Invoke, InvokeError};
use eventsourcing::Commit;
use local::{Intercept, StackOptions};
use serde_json::{Value, json};

use crate::database;
use crate::instance::{instance, invoke};
use crate::running::{Running, id_of};
use crate::weather::{at_first, broken, faults};

/// What a function has to put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Nothing.
    None,
    /// It is invoked with the event that stands in the sample's file.
    Invoked,
    /// What it gets comes twice.
    Twice,
    /// Its first invocation fails.
    FailsOnce,
    /// Each call that it makes fails the first time.
    CallsFail,
    /// Every invocation fails until it is mended.
    FailsForEver,
    /// What it gets comes an hour early. For deadlines, which wait for their time.
    Early,
}

/// Plays all samples of a bundle so, and answers with what is wrong, a line each.
pub async fn problems(options: &StackOptions, treatment: Treatment) -> Vec<String> {
    let mut problems = Vec::new();
    for function in &options.bundle.registry.functions {
        if treatment == Treatment::Early && !function.waits() {
            continue;
        }
        problems.extend(problems_of(options, function, treatment).await);
    }
    problems
}

/// Plays the samples of one function so.
pub async fn problems_of(options: &StackOptions, function: &Function, treatment: Treatment) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, sample) in files::named(function) {
        let played = Played {
            function,
            sample: &sample,
            treatment,
        };
        let found = played.wrong(options).await;
        problems.extend(found.into_iter().map(|wrong| format!("{name}: {wrong}")));
    }
    problems
}

/// Puts what is given into the tables, and has come what comes.
pub async fn bring(bundle: &Running, function: &Function, sample: &Sample) {
    put_given(bundle, sample);
    match &sample.comes {
        Comes::Message(body, _) => {
            bundle.send(queue_of(function), body).await;
        }
        Comes::GivenUp(commit) => {
            let body = files::given_up(commit, &place(bundle, commit).await);
            bundle.send(queue_of(function), &body).await;
        }
        Comes::Record(commit) => bundle.put(&files::item(commit)),
        Comes::Tick => {
            if let Trigger::Schedule(period) = function.trigger {
                // Its first time, and what it does then.
                tokio::time::sleep(period + Duration::from_secs(1)).await;
            }
        }
    }
}

/// A stack on which only this function runs, at rest after its first sample, and the message that came: the
/// function took it, and takes it again. The message is empty if what comes is none.
pub async fn alone(options: &StackOptions, function: &Function) -> (Running, String) {
    let samples = function.samples();
    let sample = samples
        .first()
        .unwrap_or_else(|| panic!("{} has no sample", function.name));
    let bundle = Running::start(StackOptions {
        only: Some(BTreeSet::from([function.name.clone()])),
        ..options.clone()
    })
    .await;
    bring(&bundle, function, sample).await;
    bundle.settle().await;
    let body = match &sample.comes {
        Comes::Message(body, _) => body.clone(),
        _ => String::new(),
    };
    (bundle, body)
}

fn queue_of(function: &Function) -> &str {
    let queue = function.queue();
    queue.expect("a function that gets a message has a queue")
}

/// Puts what is given into the tables.
pub fn put_given(bundle: &Running, sample: &Sample) {
    let Some(items) = files::given(sample, bundle.stack.names()) else {
        return;
    };
    database::ask(&bundle.stack, "BatchWriteItem", &json!({ "RequestItems": items }));
}

/// Where in the table's stream a commit's record is.
async fn place(bundle: &Running, commit: &Commit) -> Place {
    let (dynamodb, streams) = (&bundle.observer.dynamodb, &bundle.observer.streams());
    let table = dynamodb
        .describe_table()
        .table_name(bundle.stack.names().events_table());
    let table = table.send().await.expect("the table is there").table;
    let stream_arn = table
        .and_then(|table| table.latest_stream_arn)
        .expect("it has a stream");
    let described = streams.describe_stream().stream_arn(&stream_arn).send().await;
    let shards = described.expect("the stream is there").stream_description;
    for shard in shards.and_then(|stream| stream.shards).unwrap_or_default() {
        let shard_id = shard.shard_id.expect("a shard has an id");
        let start = streams
            .get_shard_iterator()
            .stream_arn(&stream_arn)
            .shard_id(&shard_id)
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let iterator = start.send().await.expect("the shard is there").shard_iterator;
        let records = streams.get_records().set_shard_iterator(iterator).send().await;
        for record in records
            .expect("the shard can be read")
            .records
            .unwrap_or_default()
        {
            let change = record.dynamodb.expect("a record tells of an item");
            let stream = change.keys.as_ref().and_then(|keys| keys.get("stream_id"));
            if stream.and_then(|stream| stream.as_s().ok()).map(String::as_str)
                == Some(commit.stream.as_str())
            {
                return Place {
                    stream_arn,
                    shard_id,
                    sequence_number: change.sequence_number.expect("a record has a number"),
                };
            }
        }
    }
    panic!("{} is not in the table's stream", commit.stream)
}

struct Played<'a> {
    function: &'a Function,
    sample: &'a Sample,
    treatment: Treatment,
}

impl Played<'_> {
    async fn wrong(&self, options: &StackOptions) -> Vec<String> {
        let treated = Arc::new(Treated {
            function: self.function.name.clone(),
            treatment: self.treatment,
            mended: AtomicBool::new(false),
            invocations: AtomicUsize::new(0),
        });
        let bundle = Running::start(self.options(options, &treated)).await;
        match self.treatment {
            Treatment::Invoked => return self.invoked(&bundle).await,
            Treatment::FailsForEver => return self.fails_for_ever(&bundle, &treated).await,
            _ => {}
        }
        bring(&bundle, self.function, self.sample).await;
        if let (Treatment::Twice, Comes::Message(body, _)) = (self.treatment, &self.sample.comes) {
            bundle.send(queue_of(self.function), body).await;
        }
        bundle.settle().await;
        let mut problems = self.differences(&bundle).await;
        if treated.invocations.load(Ordering::Relaxed) == 0 {
            problems.push("it was not invoked".into());
        }
        problems
    }

    fn options(&self, options: &StackOptions, treated: &Arc<Treated>) -> StackOptions {
        let mut only = BTreeSet::from([self.function.name.clone()]);
        if self.treatment == Treatment::FailsForEver && self.function.trigger == Trigger::EventStream {
            // What the relay can't do others do for it.
            only.extend([RECOVERY, SWEEPER].map(str::to_owned));
        }
        let mut options = StackOptions {
            only: Some(only),
            intercept: Some(treated.clone()),
            functions: self.treatment != Treatment::Invoked,
            ..options.clone()
        };
        match self.treatment {
            Treatment::CallsFail => options.faults = Some(at_first(faults(|call| broken(call.service)))),
            Treatment::Early => {
                let began = u64::try_from(at(0).millis()).expect("samples are after 1970");
                options.epoch = UNIX_EPOCH + Duration::from_millis(began);
            }
            // SQS moves it within the hour, not within days.
            Treatment::FailsForEver => options.max_receive_count = 5,
            _ => {}
        }
        options
    }

    /// Invokes it with the event of its file, as `sam local invoke` does.
    async fn invoked(&self, bundle: &Running) -> Vec<String> {
        put_given(bundle, self.sample);
        let mut event = files::event(self.function, self.sample);
        if let Comes::GivenUp(commit) = &self.sample.comes {
            event["Records"][0]["body"] = files::given_up(commit, &place(bundle, commit).await).into();
        }
        let function = instance(bundle, &self.function.name);
        let mut problems = match invoke(&*function, event).await {
            Ok(answer) if answer == files::answer(self.sample) => vec![],
            Ok(answer) => vec![format!("it answered {answer}")],
            Err(error) => vec![format!("it failed: {error}")],
        };
        if let Comes::Record(commit) = &self.sample.comes {
            // The relay reads the record, and not the table.
            bundle.put(&files::item(commit));
        }
        problems.extend(self.differences(bundle).await);
        problems
    }

    /// Nothing may happen meanwhile, and what comes may not get lost. Once the function is mended, a redrive
    /// brings what follows.
    async fn fails_for_ever(&self, bundle: &Running, treated: &Treated) -> Vec<String> {
        let mut problems = Vec::new();
        bring(bundle, self.function, self.sample).await;
        match self.function.trigger {
            Trigger::Schedule(_) => tokio::time::sleep(Duration::from_hours(6)).await,
            _ => bundle.settle().await,
        }
        if self.function.trigger == Trigger::EventStream {
            // Given up, recovered and swept: all without the relay.
            let found = sent(bundle, self.function).await;
            return Self::compare("sent", &counted(&self.sample.follows.sent), &found)
                .into_iter()
                .collect();
        }
        if let Some(queue) = self.function.queue() {
            let letters = bundle.letters().await;
            let moved = letters
                .iter()
                .filter(|letter| letter.queue == queue && letter.moved_by_sqs.is_some());
            if (moved.count(), letters.len()) != (1, 1) {
                problems.push(format!(
                    "it failed for ever, and its dead-letter queue holds {letters:?}"
                ));
            }
        }
        let nothing = (streams_before(self.sample), BTreeMap::new());
        if (recorded(bundle), sent(bundle, self.function).await) != nothing || !rows(bundle).is_empty() {
            problems.push("something was done though every invocation failed".into());
        }
        treated.mended.store(true, Ordering::Relaxed);
        if let Some(queue) = self.function.queue() {
            bundle.redrive(queue).await;
        }
        bundle.settle().await;
        problems.extend(self.differences(bundle).await);
        problems
    }

    /// In what the stack differs from what has to follow.
    async fn differences(&self, bundle: &Running) -> Vec<String> {
        let follows = &self.sample.follows;
        let mut streams = files::streams(self.sample);
        if let Comes::Record(commit) = &self.sample.comes {
            let types = commit.events.iter().map(|event| event.event_type.clone());
            streams.insert(commit.stream.to_string(), types.collect());
        }
        let outbox = follows
            .outbox
            .iter()
            .map(|(entry, delivery)| (entry.to_string(), *delivery));
        let letters: BTreeMap<_, _> = held(bundle, dead_letter_queue);
        let differences = [
            Self::compare("recorded", &streams, &recorded(bundle)),
            Self::compare(
                "sent",
                &counted(&follows.sent),
                &sent(bundle, self.function).await,
            ),
            Self::compare("left in the outbox", &outbox.collect(), &in_outbox(bundle).await),
            Self::compare("dead letters", &BTreeMap::new(), &letters),
            self.shown(bundle),
        ];
        differences.into_iter().flatten().collect()
    }

    /// In what the view's row differs from what it has to show; of a function that is no view's, nothing is shown.
    fn shown(&self, bundle: &Running) -> Option<String> {
        let shown = &self.sample.follows.shown;
        let rows = rows(bundle);
        match &rows[..] {
            [] => Self::compare("shown", shown, &BTreeMap::new()),
            [row] => {
                let found = shown
                    .keys()
                    .map(|name| (*name, row.get(*name).cloned().unwrap_or_default()));
                Self::compare("shown", shown, &found.collect())
            }
            several => Some(format!("{} rows are shown", several.len())),
        }
    }

    fn compare<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Option<String> {
        (expected != found).then(|| format!("{what}: expected {expected:?}, found {found:?}"))
    }
}

fn streams_before(sample: &Sample) -> BTreeMap<String, Vec<String>> {
    files::streams(&sample.clone().nothing_follows())
}

/// The types of all events in the table, by stream.
fn recorded(bundle: &Running) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| value["S"].as_str().unwrap_or_default().to_owned();
    let number = |item: &Value| item["revision"]["N"].as_str().and_then(|n| n.parse::<u64>().ok());
    let mut commits = bundle.raw_commits();
    commits.sort_by_key(number);
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in commits {
        let events = item["events"]["L"].as_array().cloned().unwrap_or_default();
        let types = events.iter().map(|event| text(&event["M"]["event_type"]));
        streams.entry(text(&item["stream_id"])).or_default().extend(types);
    }
    streams
}

/// The rows in the tables of all views, each attribute as text.
fn rows(bundle: &Running) -> Vec<BTreeMap<String, String>> {
    let text = |value: &Value| {
        value["S"]
            .as_str()
            .or(value["N"].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let row = |item: &Value| {
        let attributes = item.as_object().into_iter().flatten();
        attributes
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    };
    let views = bundle.stack.registry().views();
    let tables = views.map(|view| bundle.stack.names().view_table(view.name));
    tables
        .flat_map(|table| bundle.raw_items(&table))
        .map(|item| row(&item))
        .collect()
}

/// How many different messages each queue got, but for the function's own. One that came twice has the same
/// id, by which receivers tell repeats.
async fn sent(bundle: &Running, function: &Function) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for queue in held(bundle, str::to_owned).into_keys() {
        if Some(queue.as_str()) == function.queue() {
            continue;
        }
        if bundle.count(&queue).delayed + bundle.scheduled(&queue) > 0 {
            // A deadline that waits for its time.
            tokio::time::sleep(Duration::from_hours(48)).await;
        }
        let messages = bundle.peek(&queue).await;
        let ids: BTreeSet<_> = messages.iter().map(|message| id_of(&message.body)).collect();
        sent.insert(queue, ids.len());
    }
    sent
}

/// Of all queues, or their dead-letter queues, those that hold messages, and how many.
fn held(bundle: &Running, name: fn(&str) -> String) -> BTreeMap<String, usize> {
    let queues = bundle.stack.registry().queues().into_iter().map(name);
    let counts = queues.map(|queue| {
        let counts = bundle.count(&queue);
        let scheduled = bundle.scheduled(&queue);
        (
            queue,
            counts.visible + counts.in_flight + counts.delayed + scheduled,
        )
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

fn counted(queues: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for queue in queues {
        *counts.entry(queue.clone()).or_default() += 1;
    }
    counts
}

async fn in_outbox(bundle: &Running) -> BTreeMap<String, Delivery> {
    let names: &Names = bundle.stack.names();
    let outbox = Outbox::new(bundle.observer.dynamodb.clone(), names.outbox_table());
    let mut entries = BTreeMap::new();
    for delivery in [Delivery::Pending, Delivery::Parked, Delivery::Published] {
        let listed = outbox
            .list(delivery, usize::MAX)
            .await
            .expect("the outbox can be read");
        entries.extend(
            listed
                .into_iter()
                .map(|entry| (entry.commit.to_string(), delivery)),
        );
    }
    entries
}

/// Treats one function, and counts its invocations.
struct Treated {
    function: String,
    treatment: Treatment,
    mended: AtomicBool,
    invocations: AtomicUsize,
}

#[async_trait]
impl Intercept for Treated {
    async fn invoke(
        &self,
        function: &str,
        code: &dyn Invoke,
        invocation: Invocation,
    ) -> Result<Value, InvokeError> {
        if function != self.function {
            return code.invoke(invocation).await;
        }
        let earlier = self.invocations.fetch_add(1, Ordering::Relaxed);
        let fails = match self.treatment {
            Treatment::FailsOnce => earlier == 0,
            Treatment::FailsForEver => !self.mended.load(Ordering::Relaxed),
            _ => false,
        };
        if fails {
            return Err(InvokeError::Crashed("it does not work".into()));
        }
        if self.treatment == Treatment::Twice {
            code.invoke(invocation.clone()).await?;
        }
        code.invoke(invocation).await
    }
}

/// The functions that a sample's own runs beside, for whoever wants its events relayed, too.
pub fn with_delivery(function: &Function) -> BTreeSet<String> {
    let names = [function.name.as_str(), RELAY, RECOVERY, SWEEPER];
    names.map(str::to_owned).into()
}
