//! A queue, its dead-letter queue, and who may send to them.

use std::time::Duration;

use aws_adapters::{DEADLINES, MAX_RECEIVE_COUNT, dead_letter_queue};
use bundle::{Function, Registry, Sender, Trigger};

use crate::functions::condition;
use crate::ids;
use crate::intrinsics::{arn, only_if, reference, stack_name, substituted, unless};
use crate::parameters::{VISIBILITY_TIMEOUT, WITH_KEY};
use crate::policies::document;
use crate::roles::queue_arn;
use crate::yaml::{Map, Yaml, inline};

/// How long messages are kept: as long as SQS does, for nothing may be lost while people sleep.
const RETENTION: Duration = Duration::from_hours(14 * 24);

/// A queue with its dead-letter queue and the policies of both.
///
/// A queue whose function need not be there is there on the same condition.
pub(crate) fn with_dead_letters(
    resources: &mut Map,
    registry: &Registry,
    name: &str,
    condition: Option<&str>,
) {
    let redrive = Map::new()
        .with("deadLetterTargetArn", arn(&ids::dead_letter_queue(name)))
        .with("maxReceiveCount", MAX_RECEIVE_COUNT);
    let extra = Map::new()
        .with("VisibilityTimeout", reference(VISIBILITY_TIMEOUT))
        .with("RedrivePolicy", redrive);
    let id = ids::queue(name);
    resources.put(id.as_str(), queue(name, condition, extra));
    resources.put(
        format!("{id}Policy"),
        policy(&id, condition, senders(registry, name, condition)),
    );
    let source = inline([substituted(queue_arn(name))]);
    let sources = Map::new()
        .with("redrivePermission", "byQueue")
        .with("sourceQueueArns", source);
    dead_letters(resources, registry, name, condition, sources);
}

/// The queue of what no schedule could deliver. No queue's letters go there.
pub(crate) fn of_undelivered_deadlines(resources: &mut Map) {
    let id = ids::dead_letter_queue(DEADLINES);
    let extra = Map::new().with(
        "RedriveAllowPolicy",
        Map::new().with("redrivePermission", "denyAll"),
    );
    resources.put(id.as_str(), queue(&dead_letter_queue(DEADLINES), None, extra));
    let senders = vec![arn(ids::SCHEDULER_ROLE)];
    resources.put(format!("{id}Policy"), policy(&id, None, Some(senders)));
}

fn dead_letters(resources: &mut Map, registry: &Registry, name: &str, condition: Option<&str>, sources: Map) {
    let id = ids::dead_letter_queue(name);
    let extra = Map::new().with("RedriveAllowPolicy", sources);
    resources.put(id.as_str(), queue(&dead_letter_queue(name), condition, extra));
    resources.put(
        format!("{id}Policy"),
        policy(&id, condition, senders_of_dead_letters(registry, name, condition)),
    );
}

fn queue(name: &str, condition: Option<&str>, extra: Map) -> Map {
    let properties = Map::new()
        .with("QueueName", stack_name(name))
        .with("MessageRetentionPeriod", RETENTION.as_secs())
        .with("SqsManagedSseEnabled", unless(WITH_KEY, true))
        .with("KmsMasterKeyId", only_if(WITH_KEY, reference("KmsKeyArn")))
        .followed_by(extra);
    Map::new()
        .with("Type", "AWS::SQS::Queue")
        .maybe("Condition", condition)
        .with("Properties", properties)
}

/// Who may send to a queue; none if the account's IAM policies decide.
fn senders(registry: &Registry, name: &str, condition: Option<&str>) -> Option<Vec<Yaml>> {
    let takes = registry.functions.iter().find(|function| function.name == name);
    let is_open = |sender| !matches!(sender, Sender::Steps);
    if let Some(Trigger::Commands(sender)) = takes.map(|function| function.trigger)
        && is_open(sender)
    {
        return None;
    }
    let sends = |function: &&Function| {
        function.sends_to.iter().any(|queue| queue == name) || function.gives_up_to().as_deref() == Some(name)
    };
    let functions = registry.functions.iter().filter(sends);
    let mut senders: Vec<_> = functions.map(|function| role(function, condition)).collect();
    if registry.deadlines().contains(&name) {
        senders.push(arn(ids::SCHEDULER_ROLE));
    }
    senders.push(arn(ids::OPERATOR_ROLE));
    Some(senders)
}

/// Who may send to the dead-letter queue of `name`: the function that gives up. What systems outside give
/// up, the account's IAM policies decide.
fn senders_of_dead_letters(registry: &Registry, name: &str, condition: Option<&str>) -> Option<Vec<Yaml>> {
    if registry.outbound.iter().any(|outbound| outbound.queue == name) {
        return None;
    }
    let dead_letters = dead_letter_queue(name);
    let gives_up = |function: &&Function| function.gives_up_to().as_ref() == Some(&dead_letters);
    let functions = registry.functions.iter().filter(gives_up);
    Some(functions.map(|function| role(function, condition)).collect())
}

/// The role of a function that may send to a queue which is there on the condition `given`.
fn role(function: &Function, given: Option<&str>) -> Yaml {
    let role = arn(&ids::role(&function.name));
    match condition(function) {
        Some(condition) if given != Some(condition) => only_if(condition, role),
        _ => role,
    }
}

/// Within an account, IAM's word and the queue's are added up: only a denial keeps others out.
fn policy(queue: &str, condition: Option<&str>, senders: Option<Vec<Yaml>>) -> Map {
    let in_the_open = Map::new().with("Bool", Map::new().with("aws:SecureTransport", "false"));
    let mut statements = vec![deny("OnlyTls", "sqs:*", queue, in_the_open)];
    if let Some(senders) = senders {
        // What SQS itself moves to a dead-letter queue is sent by no principal, and is let through.
        let somebody_else = Map::new()
            .with("ArnNotEquals", Map::new().with("aws:PrincipalArn", senders))
            .with("Null", Map::new().with("aws:PrincipalArn", "false"));
        statements.push(deny("OnlySenders", "sqs:SendMessage", queue, somebody_else));
    }
    let properties = Map::new()
        .with("Queues", inline([reference(queue)]))
        .with("PolicyDocument", document(statements));
    Map::new()
        .with("Type", "AWS::SQS::QueuePolicy")
        .maybe("Condition", condition)
        .with("Properties", properties)
}

fn deny(sid: &str, action: &str, queue: &str, condition: Map) -> Map {
    Map::new()
        .with("Sid", sid)
        .with("Effect", "Deny")
        .with("Principal", "*")
        .with("Action", action)
        .with("Resource", arn(queue))
        .with("Condition", condition)
}
