//! What whoever deploys can choose, and the conditions that follow from it.

use bundle::{Batching, Bundle, Function, Parameter, Registry};
use eventsourcing::MAX_SETTING_SECONDS;

use crate::intrinsics::{all, condition, equals, not};
use crate::yaml::{Map, Yaml, inline};

/// Whether the simulators are deployed.
pub(crate) const WITH_SIMULATORS: &str = "WithSimulators";
/// Whether there are views.
pub(crate) const WITH_VIEWS: &str = "WithViews";
/// Whether each event is put on a bus.
pub(crate) const WITH_EVENT_BUS: &str = "WithEventBus";
/// Whether there are alarms of views.
pub(crate) const WITH_VIEW_ALARMS: &str = "WithViewAlarms";
/// Whether a key of the account's own encrypts what is stored.
pub(crate) const WITH_KEY: &str = "WithKey";
/// Whether the invocations on a queue are bounded.
pub(crate) const WITH_MAXIMUM_CONCURRENCY: &str = "WithMaximumConcurrency";
/// Whether there are alarms.
pub(crate) const WITH_ALARMS: &str = "WithAlarms";
/// Whether there is a dashboard, which shows the alarms.
pub(crate) const WITH_DASHBOARD: &str = "WithDashboard";
/// Whether somebody is told of alarms.
pub(crate) const WITH_ALARM_TOPIC: &str = "WithAlarmTopic";
/// Whether tables can be restored.
pub(crate) const WITH_PROTECTION: &str = "WithProtection";

/// Whether tables refuse to be deleted.
pub(crate) const WITH_DELETION_PROTECTION: &str = "WithDeletionProtection";

/// Whether functions call an endpoint other than AWS's own.
pub(crate) const WITH_ENDPOINT: &str = "WithEndpoint";

/// Whether there are views: the parameter, which functions are told.
pub(crate) const VIEWS: &str = "DeployViews";
/// The bus of `EventBridge` that each event is put on.
pub(crate) const EVENT_BUS: &str = "EventBusName";
/// Where functions find DynamoDB and SQS, if not on AWS.
pub(crate) const ENDPOINT_URL: &str = "EndpointUrl";
/// Whether X-Ray records invocations.
pub(crate) const TRACING: &str = "Tracing";
/// How long a received message is invisible.
pub(crate) const VISIBILITY_TIMEOUT: &str = "VisibilityTimeoutSeconds";

/// The account that `cargo local up` and most emulators say they are. `sam local` would put an
/// account of its own for `AWS::AccountId`.
pub(crate) const ACCOUNT_OF_EMULATORS: &str = "000000000000";

/// The days for which CloudWatch Logs can keep lines.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
const RETENTIONS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/// The section `Parameters`.
pub(crate) fn parameters(bundle: &Bundle) -> Map {
    let mut parameters = Map::apart()
        .note("arm64 costs a fifth less for the same work.")
        .with(
            "Architecture",
            choice(
                "arm64",
                &["arm64", "x86_64"],
                "Processor that the functions run on.",
            ),
        );
    settings(&mut parameters, bundle);
    parameters
        .remark("Never in production: the simulators take the messages that are meant for the real ones.");
    parameters.put(
        "DeploySimulators",
        flag(
            false,
            "Whether stand-ins for the systems outside answer the outbound queues.",
        ),
    );
    if bundle.registry.views().next().is_some() {
        parameters.remark(
            "Their tables stay when they are taken away, and are behind when they come back: `cargo ops rebuild` brings \
             them up to date.",
        );
        parameters.put(
            VIEWS,
            flag(
                true,
                "Whether tables show what became of things, for those who ask.",
            ),
        );
    }
    event_bus(&mut parameters);
    load(&mut parameters, &bundle.registry);
    logs(&mut parameters);
    alarms(&mut parameters);
    protection(&mut parameters);
    endpoint(&mut parameters);
    parameters
}

fn settings(parameters: &mut Map, bundle: &Bundle) {
    for setting in bundle.settings() {
        let about = format!("{} In seconds, a year at most.", setting.about);
        let seconds = number(setting.default.as_secs(), 1, MAX_SETTING_SECONDS, &about);
        parameters.put(parameter_of(setting.variable), seconds);
    }
}

fn event_bus(parameters: &mut Map) {
    parameters.remark(
        "It has to be there: EventBridge takes events for a bus that is not, and says nothing. One of another account gets \
         them by a rule of this one.",
    );
    let name = Map::new()
        .with("Type", "String")
        .with("Default", "")
        .with("AllowedPattern", "[a-zA-Z0-9._-]{0,256}")
        .with(
            "ConstraintDescription",
            "the name of an EventBridge bus of this account and region, without its ARN, or nothing",
        )
        .with(
            "Description",
            "EventBridge bus that every event is put on, for whoever subscribes to it by rules; empty for none.",
        );
    parameters.put(EVENT_BUS, name);
}

fn load(parameters: &mut Map, registry: &Registry) {
    parameters.remark(
        "A bound keeps Lambda from going down to two pollers for an idle queue: five go on asking, at \
         two and a half times the cost. Functions that fight over one stream have a bound of their own.",
    );
    let concurrency = Map::new()
        .with("Type", "String")
        .with("Default", "0")
        .with("AllowedPattern", "0|[2-9]|[1-9][0-9]{1,2}|1000")
        .with("ConstraintDescription", "2 to 1000, or 0 for as many as Lambda likes")
        .with(
            "Description",
            "How many invocations of one function take from its queue at once, at most; 0 for as many as Lambda \
             likes. Whatever is throttled comes again.",
        );
    parameters.put("MaximumConcurrency", concurrency);
    parameters.remark(
        "Six times the functions' timeout, as Lambda's guide asks. With less, messages come again while a throttled or \
         slow function still has them: harmless here, but with less than 150 an hour of throttling looks as if the \
         message ended its function each time. Shorter only to see quickly what happens after a crash.",
    );
    parameters.put(
        VISIBILITY_TIMEOUT,
        number(
            Function::VISIBILITY_TIMEOUT.as_secs(),
            Function::TIMEOUT.as_secs(),
            43_200,
            "How long a message stays invisible whose function crashed. Not less than the functions' timeout: Lambda \
             refuses it.",
        ),
    );
    for Batching { size, parameter, .. } in registry.functions.iter().map(|function| function.batching) {
        if let Some(Parameter { name, why, about }) = parameter {
            parameters.remark(why);
            parameters.put(name, number(size.into(), 10, 1000, about));
        }
    }
}

fn logs(parameters: &mut Map) {
    parameters.remark(
        "X-Ray records one request a second and a twentieth of the rest, at 5 USD a million. PassThrough records only \
         what the sender of a message has decided to record.",
    );
    parameters.put(
        TRACING,
        choice(
            "Active",
            &["Active", "PassThrough"],
            "Whether X-Ray records invocations.",
        ),
    );
    parameters.put(
        "LogLevel",
        choice(
            "info",
            &["error", "warn", "info", "debug", "trace"],
            "From which level on functions log. No line holds a payload, on any level.",
        ),
    );
    let retention = Map::new()
        .with("Type", "Number")
        .with("Default", 30_u32)
        .with("AllowedValues", inline(RETENTIONS))
        .with("Description", "How many days logs are kept.");
    parameters.put("LogRetentionDays", retention);
}

fn alarms(parameters: &mut Map) {
    parameters.remark(
        "CloudWatch bills an alarm by the metrics it looks at, nearly 200 here. Off for stacks that nobody watches, \
         and for emulators that can't compute with metrics.",
    );
    parameters.put("DeployAlarms", flag(true, "Whether alarms are deployed."));
    parameters.remark("An account's first three dashboards are free, each further one is 3 USD a month. It shows the alarms.");
    parameters.put(
        "DeployDashboard",
        flag(true, "Whether the dashboard is deployed, if alarms are."),
    );
    parameters.remark("Its subscribers are told when an alarm goes off, and when it is over.");
    parameters.put(
        "AlarmTopicArn",
        optional_arn(
            "sns",
            "ARN of an SNS topic for alarms; empty if nobody is to be told.",
        ),
    );
}

fn protection(parameters: &mut Map) {
    parameters.remark(
        "The key's policy has to leave its use to the account's IAM policies, and has to let CloudWatch Logs \
         (logs.<region>.amazonaws.com) use it.",
    );
    parameters.put(
        "KmsKeyArn",
        optional_arn(
            "kms",
            "ARN of a KMS key that encrypts queues, tables, logs and environment variables; empty for keys of \
             AWS's own, at no cost.",
        ),
    );
    parameters.remark("Off for stacks that come and go. The tables outlive their stack either way.");
    parameters.put(
        "Protect",
        flag(
            true,
            "Whether tables can be restored to any second of the last 35 days.",
        ),
    );
    parameters.remark(
        "On as soon as the first deployment has succeeded. Before, it would keep CloudFormation from taking the empty \
         tables of a failed one away, and their names would block the next.",
    );
    parameters.put(
        "DeletionProtection",
        flag(
            false,
            "Whether DynamoDB refuses to delete the tables, whoever asks.",
        ),
    );
}

fn endpoint(parameters: &mut Map) {
    parameters.remark(
        "For `sam local`, whose containers get only the variables that this template declares, and for emulators \
         that do not tell functions where they are. Never on AWS.",
    );
    let url = Map::new()
        .with("Type", "String")
        .with("Default", "")
        .with("AllowedPattern", "(https?://[^/ ]+)?")
        .with(
            "ConstraintDescription",
            "a URL of scheme, host and port with nothing after them, such as http://host.docker.internal:4566, or nothing",
        )
        .with(
            "Description",
            "Where functions find DynamoDB and SQS; empty for AWS's own endpoints.",
        );
    parameters.put(ENDPOINT_URL, url);
}

/// The section `Conditions`.
pub(crate) fn conditions(registry: &Registry) -> Map {
    let mut conditions = Map::new().with(WITH_SIMULATORS, equals("DeploySimulators", "true"));
    if registry.views().next().is_some() {
        conditions.put(WITH_VIEWS, equals(VIEWS, "true"));
        conditions.put(
            WITH_VIEW_ALARMS,
            all([condition(WITH_ALARMS), condition(WITH_VIEWS)]),
        );
    }
    conditions
        .with(WITH_EVENT_BUS, not(equals(EVENT_BUS, "")))
        .with(WITH_MAXIMUM_CONCURRENCY, not(equals("MaximumConcurrency", "0")))
        .with(WITH_KEY, not(equals("KmsKeyArn", "")))
        .with(WITH_ALARMS, equals("DeployAlarms", "true"))
        .with(
            WITH_DASHBOARD,
            all([condition(WITH_ALARMS), equals("DeployDashboard", "true")]),
        )
        .with(WITH_ALARM_TOPIC, not(equals("AlarmTopicArn", "")))
        .with(WITH_PROTECTION, equals("Protect", "true"))
        .with(WITH_DELETION_PROTECTION, equals("DeletionProtection", "true"))
        .with(WITH_ENDPOINT, not(equals(ENDPOINT_URL, "")))
}

/// The parameter that a function's variable of the environment is set from: `LoanSeconds` of
/// `LOAN_SECONDS`.
pub(crate) fn parameter_of(variable: &str) -> String {
    let capitalized = |word: &str| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_lowercase())
    };
    variable.split('_').map(capitalized).collect()
}

fn number(default: u64, least: u64, most: u64, about: &str) -> Map {
    Map::new()
        .with("Type", "Number")
        .with("Default", default)
        .with("MinValue", least)
        .with("MaxValue", most)
        .with("Description", about)
}

fn choice(default: &str, allowed: &[&str], about: &str) -> Map {
    Map::new()
        .with("Type", "String")
        .with("Default", default)
        .with("AllowedValues", inline(allowed.iter().copied()))
        .with("Description", about)
}

fn flag(default: bool, about: &str) -> Map {
    choice(&default.to_string(), &["true", "false"], about)
}

fn optional_arn(service: &str, about: &str) -> Map {
    Map::new()
        .with("Type", "String")
        .with("Default", "")
        .with(
            "AllowedPattern",
            Yaml::Text(format!("(arn:[a-z-]+:{service}:[a-z0-9-]+:[0-9]{{12}}:.+)?")),
        )
        .with(
            "ConstraintDescription",
            format!("an ARN of {}, or nothing", service.to_uppercase()),
        )
        .with("Description", about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_set_from_the_parameter_of_its_name() {
        assert_eq!(parameter_of("READING_ROOM_SECONDS"), "ReadingRoomSeconds");
    }
}
