//! Who may do what: a role for each function, with what its declaration implies and nothing else.

use std::time::Duration;

use aws_adapters::{DEADLINES, OUTBOX_INDEX, dead_letter_queue};
use bundle::{Bundle, Function, OutboxAccess, Registry, StoreAccess, Trigger};
use eventsourcing::{Index, OPEN_INDEX};

use crate::deadlines;
use crate::functions::{conditional, delivers};
use crate::ids;
use crate::intrinsics::{arn, attribute, only_if, reference, substituted};
use crate::parameters::{EVENT_BUS, WITH_EVENT_BUS, WITH_VIEWS};
use crate::policies::{allow, document, policy, reading_with_key, statement, use_of_key};
use crate::yaml::{Map, Yaml, inline};

/// How long a session of a person's role may last. One by `aws sts assume-role` lasts an hour if it does not ask
/// for more, and an hour at most if it comes from another role.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html>
const LONGEST_SESSION: Duration = Duration::from_hours(12);

/// The role of a function.
pub(crate) fn role(registry: &Registry, function: &Function) -> Map {
    let trust = Map::new()
        .with("Effect", "Allow")
        .with("Principal", Map::new().with("Service", "lambda.amazonaws.com"))
        .with("Action", "sts:AssumeRole");
    let policy = policy(&function.name, statements(registry, function));
    conditional(function, "AWS::IAM::Role").with(
        "Properties",
        Map::new()
            .with("AssumeRolePolicyDocument", document(vec![trust]))
            .with("Policies", vec![policy]),
    )
}

/// The role of an operator, who moves messages out of dead-letter queues, back to where they came from, and
/// does whatever else `cargo ops` does. Queues that only steps send to let nobody else in.
pub(crate) fn operator_role(bundle: &Bundle) -> Map {
    let registry = &bundle.registry;
    let take = [
        "sqs:StartMessageMoveTask",
        "sqs:CancelMessageMoveTask",
        "sqs:ListMessageMoveTasks",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
    ];
    let send = ["sqs:SendMessage", "sqs:GetQueueAttributes"];
    let mend = ["dynamodb:UpdateItem", "dynamodb:DeleteItem"];
    let mut statements = vec![
        allow("TakeDeadLetters", &take, dead_letter_queues(registry)),
        allow("SendThemAgain", &send, queues(registry)),
        allow("MendTheOutbox", &mend, vec![arn(ids::OUTBOX_TABLE)]),
        putting_on_the_bus(),
    ];
    statements.extend(reading(bundle));
    statements.push(use_of_key());
    role_of_people(
        "Operates the stack: sends, reads events, mends what is in dead-letter queues and in the outbox",
        "The longest there is: publishing a large table again takes hours, and ends with its session.",
        policy("operate", statements),
    )
}

/// The role of whoever looks and changes nothing. A dead letter can't be read but by receiving it, which makes it
/// invisible for a while, and by letting it go again: both are allowed, on dead-letter queues alone.
pub(crate) fn viewer_role(bundle: &Bundle) -> Map {
    let registry = &bundle.registry;
    let look = [
        "sqs:ReceiveMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
    ];
    let mut statements = vec![
        allow("LookAtDeadLetters", &look, dead_letter_queues(registry)),
        allow("CountMessages", &["sqs:GetQueueAttributes"], queues(registry)),
    ];
    statements.extend(reading(bundle));
    statements.push(reading_with_key());
    role_of_people(
        "Looks at the stack: at events, views, dead letters and the outbox, and changes nothing",
        "The longest there is: a console stays open for a working day.",
        policy("look", statements),
    )
}

/// A role that people take, for as long as may be, and why so long.
fn role_of_people(about: &str, why_so_long: &str, policy: Map) -> Map {
    Map::new().with("Type", "AWS::IAM::Role").with(
        "Properties",
        Map::new()
            .with("Description", about)
            .note(why_so_long)
            .with("MaxSessionDuration", LONGEST_SESSION.as_secs())
            .with("AssumeRolePolicyDocument", document(vec![of_the_account()]))
            .with("Policies", vec![policy]),
    )
}

/// Whoever the account lets take the role.
fn of_the_account() -> Map {
    let account = substituted("arn:${AWS::Partition}:iam::${AWS::AccountId}:root");
    Map::new()
        .with("Effect", "Allow")
        .with("Principal", Map::new().with("AWS", account))
        .with("Action", "sts:AssumeRole")
}

fn queues(registry: &Registry) -> Vec<Yaml> {
    let queues = registry.queues();
    queues.iter().map(|name| substituted(queue_arn(name))).collect()
}

fn dead_letter_queues(registry: &Registry) -> Vec<Yaml> {
    let deadlines = (!registry.deadlines().is_empty()).then_some(DEADLINES);
    let queues = registry.queues().into_iter().chain(deadlines);
    queues
        .map(|name| substituted(queue_arn(&dead_letter_queue(name))))
        .collect()
}

/// What people may read, whether they change anything or not.
fn reading(bundle: &Bundle) -> Vec<Yaml> {
    // A stack without views is told by the queue that one would have.
    let found_by = bundle
        .entrance()
        .into_iter()
        .chain(bundle.registry.view_queues().next());
    let found_by = found_by.map(|name| substituted(queue_arn(name)));
    let read = [
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:BatchGetItem",
        "dynamodb:DescribeTable",
    ];
    let follow = [
        "dynamodb:DescribeStream",
        "dynamodb:GetShardIterator",
        "dynamodb:GetRecords",
    ];
    vec![
        allow("FindTheStack", &["sqs:GetQueueUrl"], found_by.collect()),
        allow("ReadEvents", &read, vec![arn(ids::EVENTS_TABLE)]),
        allow(
            "FollowEvents",
            &follow,
            vec![attribute(ids::EVENTS_TABLE, "StreamArn")],
        ),
        allow("ListTheOutbox", &["dynamodb:Query"], vec![outbox_index()]),
    ]
}

/// What an operator does with views: asks them, and makes them anew. A policy beside the role: in one, the names of
/// queues and tables could be too long together.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub(crate) fn views_of_operator(registry: &Registry) -> Map {
    let rows = [
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Scan",
        "dynamodb:PutItem",
    ];
    let statements = vec![
        allow("AskAndRebuildViews", &rows, view_tables(registry)),
        allow("AskIndexes", &["dynamodb:Query"], view_indexes(registry)),
        use_of_key(),
    ];
    policy_beside(ids::OPERATOR_ROLE, "Asks views, and makes them anew", statements)
}

/// What whoever only looks does with views: asks them.
pub(crate) fn views_of_viewer(registry: &Registry) -> Map {
    let rows = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Scan"];
    let statements = vec![
        allow("AskViews", &rows, view_tables(registry)),
        allow("AskIndexes", &["dynamodb:Query"], view_indexes(registry)),
        reading_with_key(),
    ];
    policy_beside(ids::VIEWER_ROLE, "Asks views", statements)
}

fn view_tables(registry: &Registry) -> Vec<Yaml> {
    registry
        .views()
        .map(|view| arn(&ids::view_table(view.name)))
        .collect()
}

fn view_indexes(registry: &Registry) -> Vec<Yaml> {
    let indexes = registry.views().flat_map(|view| {
        let table = ids::view_table(view.name);
        let index = move |index: &Index| substituted(format!("${{{table}.Arn}}/index/{}", index.name));
        view.indexes.iter().map(index)
    });
    indexes.collect()
}

fn policy_beside(role: &str, about: &str, statements: Vec<Yaml>) -> Map {
    Map::new()
        .with("Type", "AWS::IAM::ManagedPolicy")
        .with("Condition", WITH_VIEWS)
        .with(
            "Properties",
            Map::new()
                .with("Description", about)
                .with("Roles", inline([reference(role)]))
                .with("PolicyDocument", document(statements)),
        )
}

/// The ARN of a queue by its name, for where its resource can't be referred to.
pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:${{AWS::StackName}}-{name}")
}

fn statements(registry: &Registry, function: &Function) -> Vec<Yaml> {
    let log_lines = ["logs:CreateLogStream", "logs:PutLogEvents"];
    let spans = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];
    let mut statements = vec![
        allow("Log", &log_lines, vec![arn(&ids::log_group(&function.name))]),
        // X-Ray's actions know no resources.
        allow("Trace", &spans, vec!["*".into()]),
    ];
    statements.extend(trigger(function));
    let destinations = destinations(registry, function);
    if !destinations.is_empty() {
        statements.push(allow("Send", &["sqs:SendMessage"], destinations));
    }
    if delivers(function) {
        statements.push(putting_on_the_bus());
    }
    statements.extend(deadlines::permissions(function));
    statements.extend(store(function.store));
    statements.extend(outbox(function.outbox));
    if let Some(view) = function.view {
        let table = vec![arn(&ids::view_table(view.name))];
        statements.push(allow("Show", &["dynamodb:PutItem"], table));
    }
    let watched: Vec<_> = function
        .watches
        .iter()
        .map(|view| open_index(view.name))
        .collect();
    if !watched.is_empty() {
        statements.push(allow("Watch", &["dynamodb:Query"], watched));
    }
    statements.push(use_of_key());
    statements
}

/// Events of this stack alone, on that bus alone.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html>
fn putting_on_the_bus() -> Yaml {
    let bus = format!(
        "arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:event-bus/${{{EVENT_BUS}}}"
    );
    let own = Map::new().with(
        "ForAllValues:StringEquals",
        Map::new().with("events:source", reference("AWS::StackName")),
    );
    let put = statement("PutOnTheBus", &["events:PutEvents"], vec![substituted(bus)]);
    only_if(WITH_EVENT_BUS, put.with("Condition", own))
}

fn open_index(view: &str) -> Yaml {
    substituted(format!("${{{}.Arn}}/index/{OPEN_INDEX}", ids::view_table(view)))
}

/// What the mapping does in the function's name, and what reading the stream once more takes.
fn trigger(function: &Function) -> Vec<Yaml> {
    let stream = || vec![attribute(ids::EVENTS_TABLE, "StreamArn")];
    let take = |queue: &str| {
        let actions = [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
        ];
        allow("Take", &actions, vec![arn(&ids::queue(queue))])
    };
    match function.trigger {
        Trigger::Commands(_) | Trigger::Events(_) => vec![take(&function.name)],
        Trigger::Outbound(queue) => vec![take(queue)],
        Trigger::GivenUpRecords => {
            let read = ["dynamodb:GetRecords", "dynamodb:GetShardIterator"];
            vec![take(&function.name), allow("Read", &read, stream())]
        }
        Trigger::EventStream => {
            let read = [
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
            ];
            let streams = substituted(format!("${{{}.Arn}}/stream/*", ids::EVENTS_TABLE));
            vec![
                allow("Take", &read, stream()),
                allow("Find", &["dynamodb:ListStreams"], vec![streams]),
            ]
        }
        Trigger::Schedule(_) => vec![],
    }
}

/// Where a function sends to; what it gives up at the end.
fn destinations(registry: &Registry, function: &Function) -> Vec<Yaml> {
    let queues = function.sends_to.iter().cloned().chain(function.gives_up_to());
    let queue = |queue: String| {
        let of_another = function.name != queue && registry.view_queues().any(|view| view == queue);
        let queue = arn(&ids::queue(&queue));
        if of_another {
            only_if(WITH_VIEWS, queue)
        } else {
            queue
        }
    };
    queues.map(queue).collect()
}

fn store(access: StoreAccess) -> Option<Yaml> {
    let actions: &[&str] = match access {
        StoreAccess::None => return None,
        StoreAccess::Load => &["dynamodb:Query"],
        StoreAccess::LoadAndAppend => &["dynamodb:Query", "dynamodb:PutItem"],
        StoreAccess::Fetch => &["dynamodb:GetItem"],
    };
    Some(allow("Store", actions, vec![arn(ids::EVENTS_TABLE)]))
}

fn outbox(access: OutboxAccess) -> Vec<Yaml> {
    let write = || allow("Save", &["dynamodb:UpdateItem"], vec![arn(ids::OUTBOX_TABLE)]);
    match access {
        OutboxAccess::None => vec![],
        OutboxAccess::Save => vec![write()],
        OutboxAccess::Sweep => vec![write(), allow("Sweep", &["dynamodb:Query"], vec![outbox_index()])],
    }
}

fn outbox_index() -> Yaml {
    substituted(format!("${{{}.Arn}}/index/{OUTBOX_INDEX}", ids::OUTBOX_TABLE))
}
