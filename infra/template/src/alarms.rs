//! Alarms: what somebody has to look at, in few alarms that watch several metrics each.

use std::time::Duration;

use aws_adapters::{DEADLINES, OVERDUE_AFTER, dead_letter_queue, pascal_case};
use bundle::{Bundle, Context, Function, RECOVERY, Registry, SWEEPER, Trigger, ViewTableForm, WATCHER};

use crate::functions::is_simulator;
use crate::intrinsics::{only_if, reference, stack_name};
use crate::parameters::{WITH_ALARM_TOPIC, WITH_ALARMS, WITH_VIEW_ALARMS};
use crate::yaml::{Map, Yaml, inline};

/// The most metrics in an alarm's expression.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html>
const MOST_METRICS: usize = 10;

/// How long a message may wait. A third of a deadline of a quarter of an hour: there is time to mend it before anything
/// is given up that nobody was asked for. Messages that come again and again don't count, for SQS leaves those out that
/// were received three times.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
const WAITING: Duration = Duration::from_mins(5);

/// How long a deadline may be in its queue, which holds it back for a quarter of an hour at most.
const DEADLINE_WAITING: Duration = Duration::from_mins(20);

/// How old a record may be when the relay gets it.
const UNRELAYED: Duration = Duration::from_mins(3);
const _: () = assert!(UNRELAYED.as_secs() < Function::STREAM_RECORD_AGE.as_secs());

/// The namespace of the functions' own metrics.
pub(crate) const NAMESPACE: &str = "SagaBundle";

/// What the alarms of the outbound queues are grouped by.
const OUTBOUND: Context = Context::new("outbound", "Outbound queues");

/// A series of numbers.
#[derive(Clone, Debug)]
struct Metric {
    namespace: &'static str,
    name: &'static str,
    dimensions: Vec<(&'static str, Yaml)>,
    statistic: &'static str,
}

impl Metric {
    fn of_queue(name: &'static str, queue: &str) -> Self {
        Self {
            namespace: "AWS/SQS",
            name,
            dimensions: vec![("QueueName", stack_name(queue))],
            statistic: "Maximum",
        }
    }

    /// Of a table. It is there only while it counts something.
    ///
    /// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>
    fn of_table(name: &'static str, table: &str) -> Self {
        Self {
            namespace: "AWS/DynamoDB",
            name,
            dimensions: vec![("TableName", stack_name(table))],
            statistic: "Sum",
        }
    }

    /// Commits that were stored. Puts that are refused, as those of repeats are, use capacity too, but they are no
    /// successful requests.
    fn commits() -> Self {
        let mut commits = Self {
            statistic: "SampleCount",
            ..Self::of_table("SuccessfulRequestLatency", "events")
        };
        commits.dimensions.push(("Operation", "PutItem".into()));
        commits
    }

    fn sent_to(queue: &str) -> Self {
        Self {
            statistic: "Sum",
            ..Self::of_queue("NumberOfMessagesSent", queue)
        }
    }

    fn of_function(name: &'static str, statistic: &'static str, function: &Function) -> Self {
        Self {
            namespace: "AWS/Lambda",
            name,
            dimensions: vec![("FunctionName", stack_name(&function.name))],
            statistic,
        }
    }

    /// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html>
    fn of_deadlines(name: &'static str) -> Self {
        Self {
            namespace: "AWS/Scheduler",
            name,
            dimensions: vec![("ScheduleGroup", stack_name(DEADLINES))],
            statistic: "Sum",
        }
    }

    fn counted_by(name: &'static str, function: &Function) -> Self {
        Self {
            namespace: NAMESPACE,
            name,
            dimensions: vec![
                ("stack", reference("AWS::StackName")),
                ("function", function.name.as_str().into()),
            ],
            statistic: "Sum",
        }
    }

    /// Told by the function that watches views.
    fn of_view(name: &'static str, view: &'static str) -> Self {
        Self {
            namespace: NAMESPACE,
            name,
            dimensions: vec![("stack", reference("AWS::StackName")), ("view", view.into())],
            statistic: "Maximum",
        }
    }

    fn level_seen_by(name: &'static str, function: &Function) -> Self {
        Self {
            statistic: "Maximum",
            ..Self::counted_by(name, function)
        }
    }
}

/// An alarm, but for what all have in common.
#[derive(Clone, Debug)]
struct Alarm {
    /// The page in `infra/runbooks` that says what to do; part of its name.
    kind: &'static str,
    name: String,
    about: String,
    metrics: Vec<Metric>,
    /// How the metrics become one number, which has to exceed `threshold`.
    combined: &'static str,
    threshold: u64,
    periods: Periods,
    silence: Silence,
    /// What has to hold for it to be there.
    condition: &'static str,
}

const TOTAL: &str = "SUM(FILL(METRICS(), 0))";
const LARGEST: &str = "MAX(FILL(METRICS(), 0))";
/// Of levels that are still what they were when a queue that nobody touches has no metrics any more.
const TOTAL_AS_LAST_SEEN: &str = "SUM(FILL(METRICS(), REPEAT))";
const LARGEST_AS_LAST_SEEN: &str = "MAX(FILL(METRICS(), REPEAT))";
/// The first one is silent while the second one is not. Whether a metric without any data can be filled, CloudWatch's
/// page does not say; added to one that has data, it counts as nothing either way.
const SILENT_MEANWHILE: &str = "IF(m2 > 0 AND SUM([FILL(m1, 0), m2 * 0]) < 1, 1, 0)";
/// It is silent, and should not be.
const SILENT: &str = "IF(FILL(m1, 0) < 1, 1, 0)";

/// In how many of how many periods, of how many seconds each, it has to be so.
#[derive(Clone, Copy, Debug)]
struct Periods {
    breaching: u32,
    of: u32,
    seconds: u32,
}

impl Periods {
    const fn of(breaching: u32, of: u32, seconds: u32) -> Self {
        Self {
            breaching,
            of,
            seconds,
        }
    }
}

const AT_ONCE: Periods = Periods::of(1, 1, 300);
/// Of what is old enough by itself.
const WITHIN_A_MINUTE: Periods = Periods::of(1, 1, 60);
/// Not for what passes by itself.
const REPEATEDLY: Periods = Periods::of(2, 3, 300);
/// Of what has to be there each minute, or nearly.
const MINUTES_ON_END: Periods = Periods::of(3, 3, 60);

/// What it means that there is nothing of any of the metrics.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// Nothing happened, so nothing went wrong.
    IsGood,
    /// What should have happened has not.
    IsBad,
    /// All is as it was: SQS has no metrics of a queue that nobody touches for six hours, whatever is in it.
    ///
    /// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html>
    SaysNothing,
}

impl Silence {
    fn treated_as(self) -> &'static str {
        match self {
            Self::IsGood => "notBreaching",
            Self::IsBad => "breaching",
            Self::SaysNothing => "ignore",
        }
    }
}

/// An alarm in the template.
pub(crate) struct Written {
    /// What it is called there.
    pub(crate) id: String,
    /// Its ARN, with `${…}` in it.
    pub(crate) arn: String,
    /// It itself.
    pub(crate) resource: Map,
}

/// All alarms.
pub(crate) fn alarms(bundle: &Bundle) -> Vec<Written> {
    let registry = &bundle.registry;
    let alarms = [
        dead_letters(bundle),
        waiting(bundle),
        of_functions(bundle),
        of_tables(registry),
        of_relay(registry),
        of_sweeper(registry),
        of_views(registry),
        undelivered_deadlines(registry),
        late_facts(registry),
        loops(registry),
    ];
    let alarms = alarms
        .into_iter()
        .flatten()
        .filter(|alarm| !alarm.metrics.is_empty());
    let split = alarms.flat_map(Alarm::split);
    split.map(|alarm| alarm.written()).collect()
}

impl Alarm {
    /// One that rings as soon as any of its metrics counts something, and is called as its page is.
    fn on_any(kind: &'static str, about: &str, metrics: Vec<Metric>) -> Self {
        Self {
            kind,
            name: kind.into(),
            about: about.into(),
            metrics,
            combined: TOTAL,
            threshold: 0,
            periods: AT_ONCE,
            silence: Silence::IsGood,
            condition: WITH_ALARMS,
        }
    }

    /// As many alarms as its metrics need.
    fn split(self) -> Vec<Self> {
        let parts = self.metrics.len().div_ceil(MOST_METRICS);
        let part = |(i, metrics): (usize, &[Metric])| Self {
            name: if parts > 1 {
                format!("{}-{}", self.name, i + 1)
            } else {
                self.name.clone()
            },
            about: self.about.clone(),
            metrics: metrics.to_vec(),
            ..self
        };
        self.metrics.chunks(MOST_METRICS).enumerate().map(part).collect()
    }

    fn written(&self) -> Written {
        let id = pascal_case(&self.name) + "Alarm";
        // Of one that need not be there, only the name can be told.
        let arn = if self.condition == WITH_ALARMS {
            format!("${{{id}.Arn}}")
        } else {
            let of_all = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm";
            format!("{of_all}:${{AWS::StackName}}-{}", self.name)
        };
        Written {
            id,
            arn,
            resource: self.resource(),
        }
    }

    fn resource(&self) -> Map {
        let Periods {
            breaching,
            of,
            seconds,
        } = self.periods;
        let actions = || only_if(WITH_ALARM_TOPIC, inline([reference("AlarmTopicArn")]));
        let mut queries = vec![
            Map::new()
                .with("Id", "all")
                .with("Label", self.name.as_str())
                .with("Expression", self.combined)
                .with("ReturnData", true),
        ];
        queries.extend(
            self.metrics
                .iter()
                .zip(1..)
                .map(|(metric, number)| query(number, metric, seconds)),
        );
        let properties = Map::new()
            .with("AlarmName", stack_name(&self.name))
            .with(
                "AlarmDescription",
                format!("{} See infra/runbooks/{}.md.", self.about, self.kind),
            )
            .with("Metrics", queries)
            .with("ComparisonOperator", "GreaterThanThreshold")
            .with("Threshold", self.threshold)
            .with("DatapointsToAlarm", breaching)
            .with("EvaluationPeriods", of)
            .with("TreatMissingData", self.silence.treated_as())
            .with("AlarmActions", actions())
            .with("OKActions", actions());
        Map::new()
            .with("Type", "AWS::CloudWatch::Alarm")
            .with("Condition", self.condition)
            .with("Properties", properties)
    }
}

fn query(number: usize, metric: &Metric, seconds: u32) -> Map {
    let dimension =
        |(name, value): &(&'static str, Yaml)| Map::new().with("Name", *name).with("Value", value.clone());
    let named = Map::new()
        .with("Namespace", metric.namespace)
        .with("MetricName", metric.name)
        .with("Dimensions", inline(metric.dimensions.iter().map(dimension)));
    let statistic = Map::new()
        .with("Metric", named)
        .with("Period", seconds)
        .with("Stat", metric.statistic);
    Map::new()
        .with("Id", format!("m{number}"))
        .with("ReturnData", false)
        .with("MetricStat", statistic)
}

fn dead_letters(bundle: &Bundle) -> Vec<Alarm> {
    let alarm = |area: &Context, metrics| Alarm {
        kind: "dead-letters",
        name: format!("{}-dead-letters", area.name),
        about: format!(
            "{}: a dead-letter queue holds messages. Their attributes error_code and error say why. Once the cause \
             is gone, send them again with `cargo ops dlq redrive` and the stack's operator role. The redrive of the \
             SQS console can't: it fails with CouldNotDetermineMessageSource for messages that a function moved.",
            area.title
        ),
        metrics,
        combined: TOTAL_AS_LAST_SEEN,
        threshold: 0,
        periods: AT_ONCE,
        silence: Silence::SaysNothing,
        condition: condition_of(area),
    };
    let mut alarms = Vec::new();
    for (area, functions) in by_context(bundle) {
        let depths = functions
            .iter()
            .filter_map(|function| function.queue())
            .map(depth);
        alarms.push(alarm(&area, depths.collect()));
    }
    let outbound = bundle
        .registry
        .outbound
        .iter()
        .map(|outbound| depth(outbound.queue));
    alarms.push(alarm(&OUTBOUND, outbound.collect()));
    alarms
}

fn depth(queue: &str) -> Metric {
    Metric::of_queue("ApproximateNumberOfMessagesVisible", &dead_letter_queue(queue))
}

fn waiting(bundle: &Bundle) -> Vec<Alarm> {
    let age = |queue: &str| Metric::of_queue("ApproximateAgeOfOldestMessage", queue);
    let alarm = |area: &Context, name: &str, limit: Duration, who: &str, metrics| Alarm {
        kind: "waiting",
        name: format!("{}-{name}", area.name),
        about: format!(
            "{}: a message has been in its queue for more than {} minutes; {who}.",
            area.title,
            limit.as_secs() / 60
        ),
        metrics,
        combined: LARGEST_AS_LAST_SEEN,
        threshold: limit.as_secs(),
        periods: WITHIN_A_MINUTE,
        silence: Silence::SaysNothing,
        condition: condition_of(area),
    };
    let mut alarms = Vec::new();
    for (area, functions) in by_context(bundle) {
        let ages = |of_deadlines: bool| {
            let functions = functions.iter().filter(|f| f.waits() == of_deadlines);
            functions
                .filter_map(|function| function.queue())
                .map(age)
                .collect()
        };
        let who = "its function fails, is throttled or can't keep up";
        alarms.push(alarm(&area, "waiting", WAITING, who, ages(false)));
        let late = "deadlines-waiting";
        alarms.push(alarm(&area, late, DEADLINE_WAITING, who, ages(true)));
    }
    let outbound = bundle
        .registry
        .outbound
        .iter()
        .map(|outbound| age(outbound.queue));
    alarms.push(alarm(
        &OUTBOUND,
        "waiting",
        WAITING,
        "the system outside does not take it",
        outbound.collect(),
    ));
    alarms
}

fn of_functions(bundle: &Bundle) -> Vec<Alarm> {
    let alarm = |area: &Context, kind, about: &str, metrics| Alarm {
        kind,
        name: format!("{}-{kind}", area.name),
        about: format!("{}: {about}", area.title),
        metrics,
        combined: TOTAL,
        threshold: 0,
        periods: REPEATEDLY,
        silence: Silence::IsGood,
        condition: condition_of(area),
    };
    let mut alarms = Vec::new();
    for (area, functions) in by_context(bundle) {
        let metrics = |name| {
            functions
                .iter()
                .map(|f| Metric::of_function(name, "Sum", f))
                .collect()
        };
        alarms.push(alarm(
            &area,
            "errors",
            "invocations crash, time out or do not start. Their messages come again, until they are dead letters.",
            metrics("Errors"),
        ));
        alarms.push(alarm(
            &area,
            "throttles",
            "the account has no concurrency left for invocations. Their messages come again.",
            metrics("Throttles"),
        ));
    }
    alarms
}

fn of_tables(registry: &Registry) -> Vec<Alarm> {
    let events = ["ReadThrottleEvents", "WriteThrottleEvents"];
    let throttled = |tables: &[&str]| {
        let metrics = events
            .iter()
            .flat_map(|name| tables.iter().map(|table| Metric::of_table(name, table)));
        let alarm = Alarm::on_any(
            "table-throttled",
            "DynamoDB refuses reads or writes of a table, because they are more than it takes at the moment. What was \
             refused is tried again.",
            metrics.collect(),
        );
        Alarm {
            periods: REPEATEDLY,
            ..alarm
        }
    };
    let views: Vec<_> = registry.views().map(|view| view.name).collect();
    let of_views = Alarm {
        name: "view-table-throttled".into(),
        condition: WITH_VIEW_ALARMS,
        ..throttled(&views)
    };
    vec![throttled(&["events", "outbox"]), of_views]
}

fn of_relay(registry: &Registry) -> Vec<Alarm> {
    let functions = registry.functions.iter();
    let relays = functions.filter(|f| f.trigger == Trigger::EventStream);
    relays
        .flat_map(|f| [behind(f), silent(f), undelivered(f), unreported(f)])
        .chain([given_up()])
        .collect()
}

fn behind(relay: &Function) -> Alarm {
    Alarm {
        kind: "relay-behind",
        name: "relay-behind".into(),
        about: format!(
            "Stored events are relayed more than {} minutes late. The mapping gives a record up after {} hours.",
            UNRELAYED.as_secs() / 60,
            Function::STREAM_RECORD_AGE.as_secs() / 3600
        ),
        metrics: vec![Metric::of_function("IteratorAge", "Maximum", relay)],
        combined: LARGEST,
        threshold: UNRELAYED.as_secs() * 1000,
        periods: WITHIN_A_MINUTE,
        silence: Silence::IsGood,
        condition: WITH_ALARMS,
    }
}

/// A mapping that is off has no age of records: Lambda tells it with each batch that it hands over.
fn silent(relay: &Function) -> Alarm {
    Alarm {
        kind: "relay-silent",
        name: "relay-silent".into(),
        about: "Events are stored, and nobody relays them: the mapping of the relay is off, or can't read the stream. \
                Its records last for 24 hours."
            .into(),
        metrics: vec![
            Metric::of_function("Invocations", "Sum", relay),
            Metric::commits(),
        ],
        combined: SILENT_MEANWHILE,
        threshold: 0,
        periods: MINUTES_ON_END,
        silence: Silence::IsGood,
        condition: WITH_ALARMS,
    }
}

fn undelivered(relay: &Function) -> Alarm {
    Alarm::on_any(
        "undelivered-events",
        "Events could not be delivered. They are in the outbox table, with attempts and the last error.",
        vec![Metric::counted_by("Undelivered", relay)],
    )
}

fn given_up() -> Alarm {
    Alarm::on_any(
        "relay-gave-up",
        "The relay's mapping gave records up. They are saved in the outbox and sent from there; why the relay \
                failed on them, its log says.",
        vec![Metric::sent_to(RECOVERY)],
    )
}

fn unreported(relay: &Function) -> Alarm {
    Alarm::on_any(
        "unreported-records",
        "The relay's mapping gave records up, and Lambda could not put a note of that on the recovery's queue. \
                Nobody sends their events: they are in the event table alone, until that time is published again.",
        vec![Metric::of_function("DestinationDeliveryFailures", "Sum", relay)],
    )
}

fn of_sweeper(registry: &Registry) -> Vec<Alarm> {
    let functions = registry.functions.iter();
    let sweepers = functions.filter(|f| f.name == SWEEPER);
    sweepers.flat_map(|f| [unswept(f), parked(f)]).collect()
}

fn unswept(sweeper: &Function) -> Alarm {
    Alarm {
        kind: "sweeper-silent",
        name: "sweeper-silent".into(),
        about: "Nobody looks into the outbox: the schedule of the sweeper is off, or it is not invoked. Events that \
                could not be delivered stay there."
            .into(),
        metrics: vec![Metric::of_function("Invocations", "Sum", sweeper)],
        combined: SILENT,
        threshold: 0,
        periods: MINUTES_ON_END,
        silence: Silence::IsBad,
        condition: WITH_ALARMS,
    }
}

fn parked(sweeper: &Function) -> Alarm {
    let parked = Alarm::on_any(
        "parked-events",
        "Events can't be delivered as they are, or could not for three days. They stay in the outbox table, parked, until \
         somebody has them sent again or drops them.",
        vec![Metric::level_seen_by("Parked", sweeper)],
    );
    Alarm {
        combined: LARGEST,
        ..parked
    }
}

fn of_views(registry: &Registry) -> Vec<Alarm> {
    let watchers = registry.functions.iter().filter(|f| f.name == WATCHER);
    watchers.flat_map(|f| [overdue(f), unwatched(f)]).collect()
}

fn overdue(watcher: &Function) -> Alarm {
    let minutes = OVERDUE_AFTER.as_secs() / 60;
    let about = format!(
        "Something has been open for more than {minutes} minutes after its deadline. Whatever the world outside does, \
         it should have ended by then: a message of it is stuck."
    );
    let overdue = |view: &ViewTableForm| Metric::of_view("Overdue", view.name);
    Alarm {
        combined: LARGEST,
        periods: WITHIN_A_MINUTE,
        condition: WITH_VIEW_ALARMS,
        ..Alarm::on_any("overdue", &about, watcher.watches.iter().map(overdue).collect())
    }
}

fn unwatched(watcher: &Function) -> Alarm {
    Alarm {
        kind: "views-unwatched",
        name: "views-unwatched".into(),
        about: "Nobody counts what is open: the schedule of the function that watches views is off, or it is not \
                invoked. What is overdue would not be told."
            .into(),
        metrics: vec![Metric::of_function("Invocations", "Sum", watcher)],
        combined: SILENT,
        threshold: 0,
        periods: MINUTES_ON_END,
        silence: Silence::IsBad,
        condition: WITH_VIEW_ALARMS,
    }
}

fn undelivered_deadlines(registry: &Registry) -> Vec<Alarm> {
    if registry.deadlines().is_empty() {
        return vec![];
    }
    let about = "A schedule could not send its deadline to its queue for a day.";
    let waits = Alarm {
        kind: "undelivered-deadlines",
        name: "undelivered-deadlines".into(),
        about: format!("{about} The message is in the dead-letter queue of the deadlines."),
        metrics: vec![depth(DEADLINES)],
        combined: TOTAL_AS_LAST_SEEN,
        threshold: 0,
        periods: AT_ONCE,
        silence: Silence::SaysNothing,
        condition: WITH_ALARMS,
    };
    let dropped = Alarm {
        name: "undelivered-deadlines-dropped".into(),
        about: format!(
            "{about} If its dead-letter queue did not take it either, it can be made anew from the events."
        ),
        metrics: vec![
            Metric::of_deadlines("InvocationDroppedCount"),
            Metric::of_deadlines("InvocationsFailedToBeSentToDeadLetterCount"),
        ],
        combined: TOTAL,
        silence: Silence::IsGood,
        ..waits.clone()
    };
    vec![waits, dropped]
}

fn late_facts(registry: &Registry) -> Vec<Alarm> {
    let counted = |function| late_facts_of(function).map(move |fact| Metric::counted_by(fact, function));
    vec![Alarm::on_any(
        "late-facts",
        "Something happened outside after the bundle had stopped waiting for it, or contradicts what came \
                first. It is recorded, and compensated where need be; someone may need to talk to whoever is concerned.",
        registry.functions.iter().flat_map(counted).collect(),
    )]
}

fn late_facts_of(function: &Function) -> impl Iterator<Item = &'static str> {
    function.late_facts.iter().copied()
}

fn loops(registry: &Registry) -> Vec<Alarm> {
    let sending_on = registry.functions.iter().filter(|function| function.waits());
    vec![Alarm::on_any(
        "dropped-as-loops",
        "Lambda took a message that is sent on until it is due for an endless loop, and dropped it without \
                a log line. The function's RecursiveLoop has to be Allow.",
        sending_on
            .map(|f| Metric::of_function("RecursiveInvocationsDropped", "Sum", f))
            .collect(),
    )]
}

/// What has to hold for the alarms of an area to be there.
fn condition_of(area: &Context) -> &'static str {
    if *area == Context::VIEWS {
        WITH_VIEW_ALARMS
    } else {
        WITH_ALARMS
    }
}

/// The functions of each context, but for the simulators, which are no part of what has to run.
fn by_context(bundle: &Bundle) -> Vec<(Context, Vec<&Function>)> {
    let has_to_run = bundle.registry.functions.iter().filter(|f| !is_simulator(f));
    let functions: Vec<_> = has_to_run.collect();
    let of = |context: Context| {
        let own = functions.iter().filter(|f| f.context == context);
        (context, own.copied().collect::<Vec<_>>())
    };
    let all = bundle.all_contexts().map(of);
    all.filter(|(_, functions)| !functions.is_empty()).collect()
}
