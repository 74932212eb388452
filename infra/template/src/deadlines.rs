//! One-time schedules: their group, the role that `EventBridge` Scheduler sends as, and what functions need to make
//! them.

use aws_adapters::{DEADLINES, dead_letter_queue};
use bundle::{Function, Registry};

use crate::ids;
use crate::intrinsics::{arn, either, reference, stack_name, substituted};
use crate::parameters::{ACCOUNT_OF_EMULATORS, WITH_ENDPOINT};
use crate::policies::{allow, document, policy, statement, use_of_key};
use crate::yaml::{Map, Yaml};

/// The group of all schedules.
pub(crate) fn group() -> Map {
    Map::new()
        .with("Type", "AWS::Scheduler::ScheduleGroup")
        .with("Properties", Map::new().with("Name", stack_name(DEADLINES)))
}

/// The role that they send as.
pub(crate) fn role(registry: &Registry) -> Map {
    let group = format!(
        "arn:${{AWS::Partition}}:scheduler:${{AWS::Region}}:${{AWS::AccountId}}:schedule-group/${{{}}}",
        ids::DEADLINE_SCHEDULES
    );
    let for_this_group = Map::new()
        .with(
            "StringEquals",
            Map::new().with("aws:SourceAccount", reference("AWS::AccountId")),
        )
        .with("ArnEquals", Map::new().with("aws:SourceArn", substituted(group)));
    let trust = Map::new()
        .with("Effect", "Allow")
        .with("Principal", Map::new().with("Service", "scheduler.amazonaws.com"))
        .with("Action", "sts:AssumeRole")
        .note("Nobody else's schedules, though the service is the same for all.")
        .with("Condition", for_this_group);
    let queues = registry.deadlines().into_iter().map(str::to_owned);
    let queues = queues.chain([dead_letter_queue(DEADLINES)]);
    let queues = queues.map(|queue| arn(&ids::queue(&queue))).collect();
    let statements = vec![allow("Send", &["sqs:SendMessage"], queues), use_of_key()];
    Map::new().with("Type", "AWS::IAM::Role").with(
        "Properties",
        Map::new()
            .with("AssumeRolePolicyDocument", document(vec![trust]))
            .with("Policies", vec![policy("send-deadlines", statements)]),
    )
}

/// What a function needs to set deadlines: it creates schedules in this group, and hands them the role.
pub(crate) fn permissions(function: &Function) -> Vec<Yaml> {
    if function.sets_deadlines_on.is_empty() {
        return vec![];
    }
    let schedules = format!(
        "arn:${{AWS::Partition}}:scheduler:${{AWS::Region}}:${{AWS::AccountId}}:schedule/${{{}}}/*",
        ids::DEADLINE_SCHEDULES
    );
    let only_to_it = Map::new().with(
        "StringEquals",
        Map::new().with("iam:PassedToService", "scheduler.amazonaws.com"),
    );
    let pass = statement("SendAs", &["iam:PassRole"], vec![arn(ids::SCHEDULER_ROLE)]);
    vec![
        allow(
            "Schedule",
            &["scheduler:CreateSchedule"],
            vec![substituted(schedules)],
        ),
        pass.with("Condition", only_to_it).into(),
    ]
}

/// The same, as variables of its environment.
pub(crate) fn variables(function: &Function) -> Map {
    if function.sets_deadlines_on.is_empty() {
        return Map::new();
    }
    let role_of_emulator = format!("arn:aws:iam::{ACCOUNT_OF_EMULATORS}:role/${{AWS::StackName}}-scheduler");
    let queues_of_emulator =
        format!("arn:aws:sqs:${{AWS::Region}}:{ACCOUNT_OF_EMULATORS}:${{AWS::StackName}}-");
    let queues = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-";
    Map::new()
        .with(
            "SCHEDULER_ROLE_ARN",
            either(
                WITH_ENDPOINT,
                substituted(role_of_emulator),
                arn(ids::SCHEDULER_ROLE),
            ),
        )
        .with(
            "QUEUE_ARN_PREFIX",
            either(
                WITH_ENDPOINT,
                substituted(queues_of_emulator),
                substituted(queues),
            ),
        )
}
