//! Deadlines: the group of their schedules, the role that schedules send as, and what is told of both.

use std::collections::BTreeSet;

use bundle::Settings;
use serde_json::json;

use super::permissions::{SCHEDULES, granted};
use super::queues::senders;
use super::{OF_SCHEDULES, document, pascal_case, text};

#[test]
fn schedules_send_to_the_queues_of_deadlines_and_to_nothing_else() {
    let (registry, document) = document();
    let ids = registry
        .deadlines()
        .into_iter()
        .map(|queue| format!("{}Queue", pascal_case(queue)));
    let mut expected: BTreeSet<_> = ids
        .chain(["DeadlinesDeadLetterQueue".to_owned()])
        .map(|id| ("sqs:SendMessage".to_owned(), format!("{id}.Arn")))
        .collect();
    assert!(expected.len() > 1, "there is a deadline");
    // Queues use the key in the name of whoever sends.
    for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
        expected.insert((action.to_owned(), "KmsKeyArn".to_owned()));
    }
    assert_eq!(granted(&document, "SchedulerRole"), expected);
}

#[test]
fn only_the_scheduler_takes_that_role_and_only_for_schedules_of_this_stack() {
    let (_, document) = document();
    let role = document.resource("SchedulerRole");
    let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trust.as_array().map(Vec::len), Some(1));
    let trust = &trust[0];
    assert_eq!(
        trust["Principal"],
        json!({ "Service": "scheduler.amazonaws.com" })
    );
    let condition = &trust["Condition"];
    assert_eq!(
        text(&condition["StringEquals"]["aws:SourceAccount"]),
        "AWS::AccountId"
    );
    assert_eq!(
        text(&condition["ArnEquals"]["aws:SourceArn"]),
        "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/${DeadlineSchedules}"
    );
    let group = document.resource("DeadlineSchedules");
    assert_eq!(group["Type"], "AWS::Scheduler::ScheduleGroup");
    assert_eq!(text(&group["Properties"]["Name"]), "${AWS::StackName}-deadlines");
}

#[test]
fn who_sets_deadlines_may_hand_that_role_to_the_scheduler_alone() {
    let (registry, document) = document();
    for function in &registry.functions {
        let role = format!("{}Role", pascal_case(&function.name));
        let policies = &document.resource(&role)["Properties"]["Policies"];
        let statements = policies[0]["PolicyDocument"]["Statement"]
            .as_array()
            .expect("statements");
        let passing: Vec<_> = statements
            .iter()
            .filter(|statement| statement["Action"] == "iam:PassRole")
            .collect();
        assert_eq!(
            passing.len(),
            usize::from(!function.sets_deadlines_on.is_empty()),
            "{role}"
        );
        for statement in passing {
            assert_eq!(
                statement["Condition"],
                json!({ "StringEquals": { "iam:PassedToService": "scheduler.amazonaws.com" } })
            );
        }
    }
    assert!(
        granted(&document, "SchedulerRole")
            .iter()
            .all(|(_, resource)| resource != SCHEDULES)
    );
}

#[test]
fn who_sets_deadlines_is_told_role_and_queues_and_nobody_else_is() {
    let (registry, document) = document();
    for function in &registry.functions {
        let resource = document.resource(&pascal_case(&function.name));
        let variables = &resource["Properties"]["Environment"]["Variables"];
        for name in OF_SCHEDULES {
            let told = !variables[name].is_null();
            assert_eq!(
                told,
                !function.sets_deadlines_on.is_empty(),
                "{}: {name}",
                function.name
            );
        }
    }
}

#[test]
fn the_variables_are_such_as_a_function_takes_on_aws_and_beside_a_local_stack() {
    let (registry, document) = document();
    let setting = registry
        .functions
        .iter()
        .find(|function| !function.sets_deadlines_on.is_empty());
    let setting = document.resource(&pascal_case(&setting.expect("a function sets deadlines").name));
    let variables = &setting["Properties"]["Environment"]["Variables"];
    let choice = |name: &str, branch: usize| {
        let parts = &variables[name]["Fn::If"];
        assert_eq!(parts[0], "WithEndpoint", "{name}");
        let text = text(&parts[branch]).replace("SchedulerRole.Arn", "arn:aws:iam::123456789012:role/shop-x");
        let known = [
            ("${AWS::Partition}", "aws"),
            ("${AWS::Region}", "eu-central-1"),
            ("${AWS::AccountId}", "123456789012"),
            ("${AWS::StackName}", "shop"),
        ];
        known
            .iter()
            .fold(text, |text, (name, value)| text.replace(name, value))
    };
    for (branch, account) in [(1, "000000000000"), (2, "123456789012")] {
        let settings = Settings::read(&[], |name| match name {
            "STACK_NAME" => Some("shop".to_owned()),
            "QUEUE_URL_PREFIX" => {
                Some("https://sqs.eu-central-1.amazonaws.com/123456789012/shop-".to_owned())
            }
            name if OF_SCHEDULES.contains(&name) => Some(choice(name, branch)),
            _ => None,
        });
        let scheduling = settings
            .expect("the variables of a function")
            .scheduling
            .expect("both are told");
        assert_eq!(
            scheduling.queue_arn_prefix,
            format!("arn:aws:sqs:eu-central-1:{account}:shop-")
        );
        assert!(
            scheduling
                .role_arn
                .starts_with(&format!("arn:aws:iam::{account}:role/shop-"))
        );
    }
}

#[test]
fn what_no_schedule_delivers_is_kept_and_rings() {
    let (_, document) = document();
    let queue = &document.resource("DeadlinesDeadLetterQueue")["Properties"];
    assert_eq!(text(&queue["QueueName"]), "${AWS::StackName}-deadlines-dlq");
    assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 3600);
    assert_eq!(
        senders(&document, "DeadlinesDeadLetterQueue"),
        Some(BTreeSet::from(["SchedulerRole.Arn".to_owned()]))
    );
    let watched = |alarm: &str| {
        let properties = &document.resource(alarm)["Properties"];
        let metrics = properties["Metrics"].as_array().expect("metrics");
        let names = metrics
            .iter()
            .filter_map(|metric| metric["MetricStat"]["Metric"]["MetricName"].as_str());
        (
            names.collect::<Vec<_>>(),
            properties["Threshold"].clone(),
            text(&properties["TreatMissingData"]),
        )
    };
    // A queue that nobody touches has no metrics, and holds its messages all the same.
    assert_eq!(
        watched("UndeliveredDeadlinesAlarm"),
        (vec!["ApproximateNumberOfMessagesVisible"], json!(0), "ignore")
    );
    let counted = vec![
        "InvocationDroppedCount",
        "InvocationsFailedToBeSentToDeadLetterCount",
    ];
    assert_eq!(
        watched("UndeliveredDeadlinesDroppedAlarm"),
        (counted, json!(0), "notBreaching")
    );
}
