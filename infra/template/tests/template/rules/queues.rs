//! Queues: dead letters, retention, and who may send.

use std::collections::BTreeSet;
use std::time::Duration;

use bundle::{Function, Sender, Trigger};
use serde_json::Value;

use super::document;
use super::document::{Document, pascal_case, text};

#[test]
fn every_queue_has_a_dead_letter_queue_that_takes_from_no_other() {
    let (registry, document) = document();
    for name in registry.queues() {
        let id = pascal_case(name);
        let queue = &document.resource(&format!("{id}Queue"))["Properties"];
        assert_eq!(text(&queue["QueueName"]), format!("${{AWS::StackName}}-{name}"));
        let redrive = &queue["RedrivePolicy"];
        assert_eq!(
            text(&redrive["deadLetterTargetArn"]),
            format!("{id}DeadLetterQueue.Arn")
        );
        assert_eq!(redrive["maxReceiveCount"], aws_adapters::MAX_RECEIVE_COUNT);

        let dead_letters = &document.resource(&format!("{id}DeadLetterQueue"))["Properties"];
        assert_eq!(
            text(&dead_letters["QueueName"]),
            format!("${{AWS::StackName}}-{name}-dlq")
        );
        let allowed = &dead_letters["RedriveAllowPolicy"];
        assert_eq!(allowed["redrivePermission"], "byQueue");
        let source = text(&allowed["sourceQueueArns"][0]);
        assert!(
            source.ends_with(&format!(":${{AWS::StackName}}-{name}")),
            "{source}"
        );
    }
}

#[test]
fn nothing_is_lost_while_it_waits() {
    let (_, document) = document();
    for (id, queue) in document.of_type("AWS::SQS::Queue") {
        let queue = &queue["Properties"];
        let seconds = |property: &str| queue[property].as_u64().map(Duration::from_secs);
        assert_eq!(
            seconds("MessageRetentionPeriod"),
            Some(Duration::from_hours(14 * 24)),
            "{id}"
        );
        if queue["RedrivePolicy"].is_object() {
            assert_eq!(
                text(&queue["VisibilityTimeout"]),
                "VisibilityTimeoutSeconds",
                "{id}"
            );
        }
        // Either the account's key or one of SQS's.
        assert_eq!(
            queue["KmsMasterKeyId"]["Fn::If"][0],
            queue["SqsManagedSseEnabled"]["Fn::If"][0]
        );
        assert_eq!(queue["SqsManagedSseEnabled"]["Fn::If"][2], true, "{id}");
    }
}

#[test]
fn a_message_is_invisible_for_as_long_as_lambda_asks_and_never_for_less_than_it_takes() {
    let (_, document) = document();
    let parameter = &document.section("Parameters")["VisibilityTimeoutSeconds"];
    assert_eq!(
        parameter["Default"].as_u64(),
        Some((Function::TIMEOUT * 6).as_secs())
    );
    assert_eq!(parameter["MinValue"].as_u64(), Some(Function::TIMEOUT.as_secs()));
}

#[test]
fn nobody_speaks_to_a_queue_in_the_open() {
    let (_, document) = document();
    for (id, _) in document.of_type("AWS::SQS::Queue") {
        let denial = denial(&document, id, "sqs:*").unwrap_or_else(|| panic!("{id} takes plain HTTP"));
        assert_eq!(denial["Condition"]["Bool"]["aws:SecureTransport"], "false");
    }
}

#[test]
fn only_the_senders_of_the_contract_may_send() {
    let (registry, document) = document();
    for name in registry.queues() {
        let id = format!("{}Queue", pascal_case(name));
        let trigger = registry.function(name).map(|function| function.trigger);
        let is_open = matches!(
            trigger,
            Some(Trigger::Commands(
                Sender::Outside | Sender::OutsideAndSteps | Sender::Gateways
            ))
        );
        let expected = (!is_open).then(|| {
            let sends = registry.functions.iter().filter(|f| {
                let gives_up = f.gives_up_to().as_deref() == Some(name);
                gives_up || f.sends_to.iter().any(|queue| queue == name)
            });
            let roles = sends.map(|f| format!("{}Role.Arn", pascal_case(&f.name)));
            let scheduler = registry
                .deadlines()
                .contains(&name)
                .then(|| "SchedulerRole.Arn".to_owned());
            roles
                .chain(["OperatorRole.Arn".to_owned()])
                .chain(scheduler)
                .collect::<BTreeSet<_>>()
        });
        assert_eq!(senders(&document, &id), expected, "{name}");
    }
}

#[test]
fn only_the_function_that_gives_up_sends_to_a_dead_letter_queue() {
    let (registry, document) = document();
    for function in &registry.functions {
        let has_its_own = function.queue() == Some(&function.name);
        if !has_its_own {
            continue;
        }
        let id = pascal_case(&function.name);
        let expected = BTreeSet::from([format!("{id}Role.Arn")]);
        assert_eq!(
            senders(&document, &format!("{id}DeadLetterQueue")),
            Some(expected)
        );
    }
    for outbound in &registry.outbound {
        let id = format!("{}DeadLetterQueue", pascal_case(outbound.queue));
        assert_eq!(senders(&document, &id), None, "systems outside give up too");
    }
}

/// The only ones that a queue lets send; none if IAM decides.
pub(super) fn senders(document: &Document, queue: &str) -> Option<BTreeSet<String>> {
    let denial = denial(document, queue, "sqs:SendMessage")?;
    let condition = &denial["Condition"];
    assert_eq!(
        condition["Null"]["aws:PrincipalArn"], "false",
        "{queue} keeps SQS itself out"
    );
    let roles = condition["ArnNotEquals"]["aws:PrincipalArn"]
        .as_array()
        .expect("a list");
    // The simulators' roles are there only if they are deployed.
    let role = |role: &Value| text(role.get("Fn::If").map_or(role, |parts| &parts[1])).to_owned();
    Some(roles.iter().map(role).collect())
}

fn denial<'a>(document: &'a Document, queue: &str, action: &str) -> Option<&'a Value> {
    let policy = &document.resource(&format!("{queue}Policy"))["Properties"];
    assert_eq!(text(&policy["Queues"][0]), queue);
    let statements = policy["PolicyDocument"]["Statement"]
        .as_array()
        .expect("statements");
    let denial = statements
        .iter()
        .find(|statement| statement["Action"] == action)?;
    assert_eq!(
        (&denial["Effect"], &denial["Principal"]),
        (&"Deny".into(), &"*".into())
    );
    assert_eq!(text(&denial["Resource"]), format!("{queue}.Arn"));
    Some(denial)
}
