//! The calls that functions make, against what their roles allow: nothing is missing, nothing is unused.
//!
//! The calls are those of two days on the embedded stack, and of each function's samples. On the first day the
//! business plays what it likes. On the second all messages of the first come at once, and once more when all is
//! done; whatever is called fails for a while, and every queue is sent something that nobody can understand. A
//! sample is played in the same weather on a stack of its own, where only its function and the delivery of events
//! run: so a function whose samples show all that it does needs no scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bundle::{Comes, Function, RECOVERY, RELAY, Sample, Trigger};
use embedded_aws::Service;
use embedded_aws::transport::{Call, Fault, Faults};
use local::StackOptions;
use testkit::running::{Running, Seen};
use testkit::sampled::{bring, with_delivery};
use testkit::weather::{broken, faults};
use tokio::time::Instant;

use super::super::{bundle, played};
use super::document::{Document, pascal_case, text};
use super::permissions::{EVENT_BUS, Permissions, SCHEDULES, granted};
use super::{document, options};

/// For how long all calls of a function fail on the second day, from its first one on: long enough for its messages to
/// be suspected of it, which it then deletes itself. Lambda's own deletes are not seen here.
const OUTAGE: Duration = Duration::from_mins(1);

/// The same for the relay: long enough for its mapping to give records up.
const OUTAGE_OF_RELAY: Duration = Duration::from_mins(30);

/// For how long after that no queue takes anything from it.
const UNREACHABLE: Duration = Duration::from_mins(10);

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);

#[test]
fn every_function_makes_the_calls_that_its_role_allows_and_no_others() {
    let (registry, document) = document();
    let mut found = Vec::new();
    for function in &registry.functions {
        let difference = Difference::of(made_by(function), &own(&document, function));
        found.extend(difference.told_of(&function.name));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_difference_says_where_to_mend_it() {
    let one = |action: &str| Permissions::from([(action.to_owned(), "EventsTable.Arn".to_owned())]);
    let difference = Difference::of(&one("dynamodb:Query"), &one("dynamodb:PutItem"));
    assert_eq!(
        difference.told_of("note-loan"),
        [
            "note-loan calls dynamodb:Query on EventsTable.Arn, which its role does not allow: declare it in \
             functions/src/registry.rs, and run `cargo template`",
            "no sample makes note-loan call dynamodb:PutItem on EventsTable.Arn, which its role allows: add one that \
             does in functions/src/samples.rs, or declare less in functions/src/registry.rs",
        ]
    );
}

#[test]
fn a_permission_that_is_taken_out_of_a_role_is_missed() {
    let (registry, document) = document();
    for function in &registry.functions {
        let own = own(&document, function);
        for permission in &own {
            let mut role = own.clone();
            role.remove(permission);
            let difference = Difference::of(made_by(function), &role);
            assert_eq!(
                difference.missing,
                [permission.clone()].into(),
                "{}",
                function.name
            );
        }
    }
}

#[test]
fn a_permission_that_nobody_needs_is_noticed() {
    let (registry, document) = document();
    let first = format!("{}Queue.Arn", pascal_case(&registry.functions[0].name));
    let needless = [
        ("dynamodb:Scan", "EventsTable.Arn"),
        ("sqs:PurgeQueue", &first),
        ("scheduler:DeleteSchedule", SCHEDULES),
        ("iam:PassRole", "OperatorRole.Arn"),
        ("dynamodb:PutItem", "OutboxTable.Arn"),
    ];
    for function in &registry.functions {
        for (action, resource) in needless {
            let needless = (action.to_owned(), resource.to_owned());
            let mut role = own(&document, function);
            assert!(role.insert(needless.clone()), "{} needs {action}", function.name);
            let difference = Difference::of(made_by(function), &role);
            assert_eq!(difference.unused, [needless].into(), "{}", function.name);
        }
    }
}

/// In what a function's calls and its role differ.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    /// What it does and may not do.
    missing: Permissions,
    /// What it may do and never does.
    unused: Permissions,
}

impl Difference {
    fn of(made: &Permissions, allowed: &Permissions) -> Self {
        Self {
            missing: made - allowed,
            unused: allowed - made,
        }
    }

    /// What is to be done about it, a line each.
    fn told_of(&self, name: &str) -> Vec<String> {
        let missing = self.missing.iter().map(|(action, resource)| {
            format!(
                "{name} calls {action} on {resource}, which its role does not allow: declare it in \
                 functions/src/registry.rs, and run `cargo template`"
            )
        });
        let unused = self.unused.iter().map(|(action, resource)| {
            format!(
                "no sample makes {name} call {action} on {resource}, which its role allows: add one that does in \
                 functions/src/samples.rs, or declare less in functions/src/registry.rs"
            )
        });
        missing.chain(unused).collect()
    }
}

/// What a role allows for the function's own calls.
fn own(document: &Document, function: &Function) -> Permissions {
    let id = pascal_case(&function.name);
    &granted(document, &format!("{id}Role")) - &used_by_lambda(function)
}

/// What Lambda does in the function's name, which no run here shows.
fn used_by_lambda(function: &Function) -> Permissions {
    let id = pascal_case(&function.name);
    let logs = format!("{id}Logs.Arn");
    let mut used = vec![
        ("logs:CreateLogStream", logs.clone()),
        ("logs:PutLogEvents", logs),
        ("xray:PutTraceSegments", "*".into()),
        ("xray:PutTelemetryRecords", "*".into()),
        // Queues and tables use the key in the name of whoever calls them.
        ("kms:Decrypt", "KmsKeyArn".into()),
        ("kms:GenerateDataKey", "KmsKeyArn".into()),
    ];
    // The mapping: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
    // and https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
    if let Some(queue) = function.queue() {
        let queue = format!("{}Queue.Arn", pascal_case(queue));
        used.extend([
            ("sqs:ReceiveMessage", queue.clone()),
            ("sqs:GetQueueAttributes", queue),
        ]);
    }
    if function.trigger == Trigger::EventStream {
        used.extend([
            ("dynamodb:DescribeStream", STREAM.into()),
            ("dynamodb:GetRecords", STREAM.into()),
            ("dynamodb:GetShardIterator", STREAM.into()),
            ("dynamodb:ListStreams", "${EventsTable.Arn}/stream/*".into()),
            ("sqs:SendMessage", format!("{}Queue.Arn", pascal_case(RECOVERY))),
        ]);
    }
    let named = |(action, resource): (&str, String)| (action.to_owned(), resource);
    used.into_iter().map(named).collect()
}

/// What the calls of a function amount to.
fn made_by(function: &Function) -> &'static Permissions {
    static MADE: LazyLock<BTreeMap<String, Permissions>> = LazyLock::new(|| {
        let (_, document) = document();
        let resources = resources(&document);
        let mut made: BTreeMap<String, Permissions> = BTreeMap::new();
        for call in two_days().into_iter().chain(all_samples()) {
            let permission = (action(&call), resource(&call, &resources));
            let passed = passed_role(&call);
            made.entry(call.caller)
                .or_default()
                .extend([permission].into_iter().chain(passed));
        }
        made
    });
    static NOTHING: Permissions = Permissions::new();
    MADE.get(&function.name).unwrap_or(&NOTHING)
}

/// The IAM action that an operation needs. Those on batches have none of their own.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html>
fn action(call: &Seen) -> String {
    let operation = call.operation.as_str();
    match call.service {
        Service::Sqs => format!("sqs:{}", operation.strip_suffix("Batch").unwrap_or(operation)),
        Service::DynamoDb | Service::DynamoDbStreams => format!("dynamodb:{operation}"),
        Service::Scheduler => format!("scheduler:{operation}"),
        Service::EventBridge => format!("events:{operation}"),
    }
}

/// Whoever names a role in a request has to be allowed to pass it on.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/security_iam_service-with-iam.html>
fn passed_role(call: &Seen) -> Option<(String, String)> {
    let role = call.request["Target"]["RoleArn"].as_str()?;
    assert!(
        role.ends_with("-scheduler"),
        "{role} is no role that is known here"
    );
    Some(("iam:PassRole".to_owned(), "SchedulerRole.Arn".to_owned()))
}

/// How a role refers to what a call is about.
fn resource(call: &Seen, named: &BTreeMap<String, String>) -> String {
    match call.service {
        Service::DynamoDbStreams => return STREAM.into(),
        Service::Scheduler => {
            assert_eq!(call.resource, format!("{}-deadlines", options().name));
            return SCHEDULES.into();
        }
        Service::EventBridge => return EVENT_BUS.into(),
        Service::Sqs | Service::DynamoDb => {}
    }
    let resource = named.get(&call.resource);
    let resource = resource.unwrap_or_else(|| panic!("{call:?} is about nothing in the template"));
    match call.request["IndexName"].as_str() {
        Some(index) => format!("${{{resource}}}/index/{index}"),
        None => resource.clone(),
    }
}

/// The only stream there is.
const STREAM: &str = "EventsTable.StreamArn";

/// How a role refers to each queue and table, by its name on the embedded stack.
fn resources(document: &Document) -> BTreeMap<String, String> {
    let stack = options().name;
    let named = [
        ("AWS::SQS::Queue", "QueueName"),
        ("AWS::DynamoDB::Table", "TableName"),
    ];
    let of_type = |(resource_type, name)| {
        let resources = document.of_type(resource_type).collect::<Vec<_>>();
        resources
            .into_iter()
            .map(move |(id, resource)| (text(&resource["Properties"][name]), format!("{id}.Arn")))
    };
    let all = named.into_iter().flat_map(of_type);
    all.map(|(name, id)| (name.replace("${AWS::StackName}", &stack), id))
        .collect()
}

/// All calls of both days.
fn two_days() -> Vec<Seen> {
    on_a_paused_clock(async {
        let (messages, calls) = played().await;
        let mut all = hard_day(&messages).await;
        all.extend(calls);
        of_functions(all)
    })
}

/// All calls that samples show.
fn all_samples() -> Vec<Seen> {
    let functions = bundle().registry.functions;
    let mut calls = Vec::new();
    for function in &functions {
        for sample in function.samples() {
            let epoch = options().epoch;
            let mut epochs = vec![epoch];
            if function.waits() || !function.sets_deadlines_on.is_empty() {
                // What is not due is sent to its own queue, and scheduled if it is far off; what is overdue is sent.
                epochs.extend([epoch - DAY, epoch + YEAR]);
            }
            for epoch in epochs {
                calls.extend(on_a_paused_clock(hard_hour(function, &sample, epoch)));
            }
        }
    }
    calls
}

fn on_a_paused_clock<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime of this thread alone").block_on(future)
}

/// Those calls that functions made.
fn of_functions(mut calls: Vec<Seen>) -> Vec<Seen> {
    let functions = bundle().registry.functions.into_iter();
    let functions: BTreeSet<_> = functions.map(|function| function.name).collect();
    calls.retain(|call| functions.contains(&call.caller));
    calls
}

/// A sample in bad weather, on a clock that starts then.
async fn hard_hour(function: &Function, sample: &Sample, epoch: SystemTime) -> Vec<Seen> {
    let options = options();
    let bundle = Running::start(StackOptions {
        faults: Some(bad_weather()),
        only: Some(with_delivery(function)),
        epoch,
        ..options
    })
    .await;
    bring(&bundle, function, sample).await;
    if let Some(queue) = function.queue() {
        bundle.send(queue, "no message").await;
    }
    bundle.settle().await;
    if let Comes::Message(body, _) = &sample.comes {
        // Once more, when all is done.
        bundle
            .send(function.queue().expect("it takes messages"), body)
            .await;
        bundle.settle().await;
    }
    of_functions(bundle.calls())
}

/// Whatever a function calls fails for a while, from its first call on.
fn bad_weather() -> Arc<dyn Faults> {
    let first_calls = Mutex::new(BTreeMap::new());
    faults(move |call| {
        // Refusals get through, or there would be none.
        if call.resource().is_some_and(|name| name.ends_with("-dlq")) {
            return Fault::None;
        }
        let mut first_calls = first_calls.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *first_calls
            .entry(call.caller.clone())
            .or_insert_with(Instant::now);
        if first.elapsed() < outage(call) {
            broken(call.service)
        } else {
            Fault::None
        }
    })
}

/// The second day, on which each queue gets `messages` of the first, and one that can't be understood.
async fn hard_day(messages: &BTreeMap<String, Vec<String>>) -> Vec<Seen> {
    let bundle = Running::start(StackOptions {
        faults: Some(bad_weather()),
        ..options()
    })
    .await;
    for _ in ["first", "once more, when all is done"] {
        for queue in bundle.stack.registry().queues() {
            bundle.send(queue, "no message").await;
            for ten in messages
                .get(queue)
                .into_iter()
                .flat_map(|bodies| bodies.chunks(10))
            {
                bundle.send_batch(queue, ten).await;
            }
        }
        bundle.settle().await;
    }
    bundle.calls()
}

/// How long a call fails, from its function's first one on.
fn outage(call: &Call) -> Duration {
    match (&*call.caller, call.service) {
        (RELAY, Service::Sqs) => OUTAGE_OF_RELAY + UNREACHABLE,
        (RELAY, _) => OUTAGE_OF_RELAY,
        _ => OUTAGE,
    }
}
