//! Roles: one for each function, with what its declaration implies.

use std::collections::{BTreeMap, BTreeSet};

use bundle::{Function, OutboxAccess, StoreAccess, Trigger};
use serde_json::Value;

use super::super::bundle;
use super::document;
use super::document::{Document, pascal_case, text};

/// What a role's inline policies may amount to, in characters.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const LONGEST_POLICY: usize = 10_240;
/// What a policy of its own may amount to.
const LONGEST_MANAGED_POLICY: usize = 6_144;

/// All schedules of the stack's group.
pub(crate) const SCHEDULES: &str =
    "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${DeadlineSchedules}/*";

/// The only bus that events are put on.
pub(crate) const EVENT_BUS: &str =
    "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}";

/// Pairs of action and resource.
pub(crate) type Permissions = BTreeSet<(String, String)>;

#[test]
fn every_function_may_do_what_its_declaration_implies_and_nothing_else() {
    let (registry, document) = document();
    for function in &registry.functions {
        let id = pascal_case(&function.name);
        let role = format!("{id}Role");
        let properties = &document.resource(&id)["Properties"];
        assert_eq!(text(&properties["Role"]), format!("{role}.Arn"));
        assert!(properties["Policies"].is_null());
        assert_eq!(granted(&document, &role), implied(function), "{}", function.name);
    }
}

#[test]
fn nothing_is_allowed_on_everything_but_to_trace() {
    let (_, document) = document();
    for (id, role) in document.of_type("AWS::IAM::Role") {
        assert!(role["Properties"]["ManagedPolicyArns"].is_null(), "{id}");
        for (action, resource) in granted(&document, id).union(&attached(&document, id)) {
            assert!(!action.contains('*'), "{id} may {action}");
            assert!(
                resource != "*" || action.starts_with("xray:"),
                "{id} may {action} on everything"
            );
        }
    }
}

#[test]
fn only_lambda_takes_the_role_of_a_function() {
    let (registry, document) = document();
    for function in &registry.functions {
        let role = document.resource(&format!("{}Role", pascal_case(&function.name)));
        let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
        assert_eq!(trust.as_array().map(Vec::len), Some(1));
        assert_eq!(
            trust[0]["Principal"],
            serde_json::json!({ "Service": "lambda.amazonaws.com" })
        );
    }
}

#[test]
fn an_operator_may_do_what_the_operators_command_does() {
    let (registry, document) = document();
    let mut granted = granted(&document, "OperatorRole");
    granted.extend(attached(&document, "OperatorRole"));
    let arn = |queue: &str| {
        format!(
            "arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:${{AWS::StackName}}-{queue}"
        )
    };
    let mut needed = vec![
        (
            "sqs:GetQueueUrl",
            arn(bundle().entrance().expect("a command comes from outside")),
        ),
        ("dynamodb:Query", "EventsTable.Arn".to_owned()),
        ("dynamodb:Scan", "EventsTable.Arn".to_owned()),
        ("dynamodb:DescribeTable", "EventsTable.Arn".to_owned()),
        ("dynamodb:BatchGetItem", "EventsTable.Arn".to_owned()),
        ("dynamodb:DescribeStream", "EventsTable.StreamArn".to_owned()),
        ("dynamodb:GetShardIterator", "EventsTable.StreamArn".to_owned()),
        ("dynamodb:GetRecords", "EventsTable.StreamArn".to_owned()),
        (
            "dynamodb:Query",
            "${OutboxTable.Arn}/index/by-delivery".to_owned(),
        ),
        ("dynamodb:UpdateItem", "OutboxTable.Arn".to_owned()),
        ("dynamodb:DeleteItem", "OutboxTable.Arn".to_owned()),
        ("events:PutEvents", EVENT_BUS.to_owned()),
    ];
    for view in registry.views() {
        let table = format!("{}Table.Arn", pascal_case(view.name));
        let actions = [
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Scan",
            "dynamodb:PutItem",
        ];
        needed.extend(actions.map(|action| (action, table.clone())));
        for index in view.indexes {
            needed.push(("dynamodb:Query", format!("${{{table}}}/index/{}", index.name)));
        }
    }
    needed.extend(
        registry
            .view_queues()
            .next()
            .map(|queue| ("sqs:GetQueueUrl", arn(queue))),
    );
    let deadlines = (!registry.deadlines().is_empty()).then_some("deadlines");
    for queue in registry.queues().into_iter().chain(deadlines) {
        if registry.queues().contains(&queue) {
            needed.push(("sqs:SendMessage", arn(queue)));
        }
        let look = [
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
        ];
        needed.extend(look.map(|action| (action, arn(&format!("{queue}-dlq")))));
    }
    for (action, resource) in needed {
        let permission = (action.to_owned(), resource);
        assert!(granted.contains(&permission), "{permission:?}");
    }
}

#[test]
fn a_viewer_may_read_what_an_operator_may_and_change_nothing() {
    let (registry, document) = document();
    let of = |role: &str| {
        let mut granted = granted(&document, role);
        granted.extend(attached(&document, role));
        granted
    };
    let (viewer, operator) = (of("ViewerRole"), of("OperatorRole"));
    // Receiving is how a dead letter is read, and letting it go is how it is left there.
    let looks = |action: &str, resource: &str| {
        let is_dead_letter_queue = resource.ends_with("-dlq");
        matches!(action, "sqs:ReceiveMessage" | "sqs:ChangeMessageVisibility") && is_dead_letter_queue
    };
    let reads = |action: &str| {
        let (_, verb) = action.split_once(':').expect("an action has a service");
        let reading = ["Get", "BatchGet", "Describe", "Query", "Scan", "Decrypt"];
        reading.iter().any(|reading| verb.starts_with(reading))
    };
    let is_read = |(action, resource): &&(String, String)| looks(action, resource) || reads(action);
    let changes: Vec<_> = viewer.iter().filter(|permission| !is_read(permission)).collect();
    assert!(changes.is_empty(), "a viewer may {changes:?}");
    let read: Permissions = operator.iter().filter(is_read).cloned().collect();
    assert_eq!(viewer, read);
    let arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-";
    for queue in registry.queues() {
        let count = ("sqs:GetQueueAttributes".to_owned(), format!("{arn}{queue}"));
        assert!(viewer.contains(&count), "{count:?}");
    }
}

#[test]
fn policies_fit_for_the_longest_name_of_a_stack() {
    let (_, document) = document();
    let names: BTreeMap<_, _> = document
        .of_type("AWS::SQS::Queue")
        .map(|(id, queue)| (format!("{id}.Arn"), text(&queue["Properties"]["QueueName"])))
        .collect();
    let longest = |resource: &str| {
        let arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:";
        let resource = match names.get(resource) {
            Some(name) => format!("{arn}{name}"),
            None => resource.to_owned(),
        };
        resource
            .replace("${AWS::Partition}", "aws-us-gov")
            .replace("${AWS::Region}", "ap-southeast-1")
            .replace("${AWS::AccountId}", "123456789012")
            .replace("${AWS::StackName}", &"s".repeat(template::STACK_NAME_LIMIT))
            .replace("${EventBusName}", &"b".repeat(256))
    };
    for (id, _) in document.of_type("AWS::IAM::Role") {
        let policies = [
            (granted(&document, id), LONGEST_POLICY),
            (attached(&document, id), LONGEST_MANAGED_POLICY),
        ];
        for (allowed, limit) in policies {
            let resources: BTreeSet<_> = allowed.iter().map(|(_, resource)| resource).collect();
            // Quotes and a comma for each; actions and the frame are a thousand at the most.
            let length: usize = resources
                .into_iter()
                .map(|resource| longest(resource).len() + 3)
                .sum();
            assert!(
                length + 1000 < limit,
                "a policy of {id} may have {length} characters and a thousand, and {limit} are the limit: split it"
            );
        }
    }
}

fn implied(function: &Function) -> Permissions {
    let id = pascal_case(&function.name);
    let mut implied = Permissions::new();
    let mut may = |actions: &[&str], resource: &str| {
        let permissions = actions
            .iter()
            .map(|action| ((*action).to_owned(), resource.to_owned()));
        implied.extend(permissions);
    };
    may(
        &["logs:CreateLogStream", "logs:PutLogEvents"],
        &format!("{id}Logs.Arn"),
    );
    may(&["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*");
    may(&["kms:Decrypt", "kms:GenerateDataKey"], "KmsKeyArn");

    let take = [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ChangeMessageVisibility",
    ];
    let gives_up_to = match function.trigger {
        Trigger::Commands(_) | Trigger::Events(_) => {
            may(&take, &format!("{id}Queue.Arn"));
            Some(format!("{id}DeadLetterQueue"))
        }
        Trigger::Outbound(queue) => {
            may(&take, &format!("{}Queue.Arn", pascal_case(queue)));
            Some(format!("{}DeadLetterQueue", pascal_case(queue)))
        }
        Trigger::GivenUpRecords => {
            may(&take, &format!("{id}Queue.Arn"));
            let read = ["dynamodb:GetRecords", "dynamodb:GetShardIterator"];
            may(&read, "EventsTable.StreamArn");
            Some(format!("{id}DeadLetterQueue"))
        }
        Trigger::EventStream => {
            let read = [
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
            ];
            may(&read, "EventsTable.StreamArn");
            may(&["dynamodb:ListStreams"], "${EventsTable.Arn}/stream/*");
            Some("RecoverStreamRecordsQueue".to_owned())
        }
        Trigger::Schedule(_) => None,
    };
    if let Some(queue) = gives_up_to {
        may(&["sqs:SendMessage"], &format!("{queue}.Arn"));
    }
    if matches!(function.name.as_str(), bundle::RELAY | bundle::SWEEPER) {
        may(&["events:PutEvents"], EVENT_BUS);
    }
    if !function.sets_deadlines_on.is_empty() {
        may(&["scheduler:CreateSchedule"], SCHEDULES);
        may(&["iam:PassRole"], "SchedulerRole.Arn");
    }
    for queue in &function.sends_to {
        may(&["sqs:SendMessage"], &format!("{}Queue.Arn", pascal_case(queue)));
    }
    match function.store {
        StoreAccess::None => {}
        StoreAccess::Load => may(&["dynamodb:Query"], "EventsTable.Arn"),
        StoreAccess::LoadAndAppend => may(&["dynamodb:Query", "dynamodb:PutItem"], "EventsTable.Arn"),
        StoreAccess::Fetch => may(&["dynamodb:GetItem"], "EventsTable.Arn"),
    }
    if let Some(view) = function.view {
        may(
            &["dynamodb:PutItem"],
            &format!("{}Table.Arn", pascal_case(view.name)),
        );
    }
    for view in &function.watches {
        let index = format!("${{{}Table.Arn}}/index/open", pascal_case(view.name));
        may(&["dynamodb:Query"], &index);
    }
    match function.outbox {
        OutboxAccess::None => {}
        OutboxAccess::Save => may(&["dynamodb:UpdateItem"], "OutboxTable.Arn"),
        OutboxAccess::Sweep => {
            may(&["dynamodb:UpdateItem"], "OutboxTable.Arn");
            may(&["dynamodb:Query"], "${OutboxTable.Arn}/index/by-delivery");
        }
    }
    implied
}

/// What a role allows by policies of its own.
pub(crate) fn granted(document: &Document, role: &str) -> Permissions {
    let policies = document.resource(role)["Properties"]["Policies"].as_array();
    allowed_by(policies.into_iter().flatten())
}

/// What policies beside a role allow it.
fn attached(document: &Document, role: &str) -> Permissions {
    let policies = document
        .of_type("AWS::IAM::ManagedPolicy")
        .map(|(_, policy)| &policy["Properties"]);
    allowed_by(policies.filter(|policy| each(&policy["Roles"]).iter().any(|of| text(of) == role)))
}

fn allowed_by<'a>(policies: impl Iterator<Item = &'a Value>) -> Permissions {
    let statements = policies.flat_map(|policy| {
        policy["PolicyDocument"]["Statement"]
            .as_array()
            .into_iter()
            .flatten()
    });
    let mut granted = Permissions::new();
    for statement in statements {
        // The one for the key is there only if there is a key.
        let statement = statement.get("Fn::If").map_or(statement, |parts| &parts[1]);
        assert_eq!(statement["Effect"], "Allow");
        for action in each(&statement["Action"]) {
            for resource in each(&statement["Resource"]) {
                granted.insert((text(action).to_owned(), text(resource).to_owned()));
            }
        }
    }
    granted
}

/// One, or each of several. What is there on a condition counts as there.
fn each(value: &Value) -> Vec<&Value> {
    let all = value
        .as_array()
        .map_or_else(|| vec![value], |items| items.iter().collect());
    all.into_iter()
        .map(|value| value.get("Fn::If").map_or(value, |parts| &parts[1]))
        .collect()
}
