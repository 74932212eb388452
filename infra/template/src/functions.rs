//! A function: the function itself, its trigger, its log group.

use std::time::Duration;

use aws_adapters::Patience;
use bundle::{Context, DEPLOY_VIEWS, EVENT_BUS_NAME, Function, RECOVERY, RELAY, Registry, SWEEPER, Trigger};
use eventsourcing::Setting;

use crate::checkov::skipped_on_functions;
use crate::deadlines;
use crate::ids;
use crate::intrinsics::{arn, attribute, either, only_if, reference, stack_name, substituted};
use crate::parameters::{
    ACCOUNT_OF_EMULATORS, ENDPOINT_URL, EVENT_BUS, TRACING, VIEWS, WITH_ENDPOINT, WITH_KEY,
    WITH_MAXIMUM_CONCURRENCY, WITH_SIMULATORS, WITH_VIEWS, parameter_of,
};
use crate::yaml::{Map, Yaml, inline};

/// What all functions have in common, the section `Globals`.
pub(crate) fn globals() -> Map {
    let of_emulator = substituted(format!(
        "${{{ENDPOINT_URL}}}/{ACCOUNT_OF_EMULATORS}/${{AWS::StackName}}-"
    ));
    let of_aws =
        substituted("https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/${AWS::StackName}-");
    let environment = Map::new()
        .with("STACK_NAME", reference("AWS::StackName"))
        .note(
            "Empty on AWS, which counts as not set. `sam local` could not leave it out: it does not resolve \
             AWS::NoValue.",
        )
        .with("AWS_ENDPOINT_URL", reference(ENDPOINT_URL))
        .with("QUEUE_URL_PREFIX", either(WITH_ENDPOINT, of_emulator, of_aws))
        .with("RUST_LOG", reference("LogLevel"))
        .note("How long functions on queues try a message.");
    let environment = Patience::DECLARED
        .iter()
        .fold(environment, |environment, setting| {
            environment.with(setting.variable, reference(&parameter_of(setting.variable)))
        });
    let function = Map::new()
        .with("Runtime", "provided.al2023")
        .note("One executable for all: it is compiled once, and Handler says which function it is.")
        .with("CodeUri", "functions")
        .with("Architectures", inline([reference("Architecture")]))
        .with("MemorySize", Function::MEMORY_MB)
        .with("Timeout", Function::TIMEOUT.as_secs())
        .with("Tracing", reference(TRACING))
        .note(
            "As text: functions write JSON themselves, and Lambda's own JSON would drop metrics, which have no \
             level, as soon as only warnings are logged.",
        )
        .with("LoggingConfig", Map::new().with("LogFormat", "Text"))
        .with("KmsKeyArn", only_if(WITH_KEY, reference("KmsKeyArn")))
        .with("Environment", Map::new().with("Variables", environment));
    Map::new().with("Function", function)
}

/// The function and its trigger.
pub(crate) fn function(registry: &Registry, function: &Function) -> Map {
    let views = registry.views().next().is_some();
    let name = &function.name;
    let mut properties = Map::new()
        .with("FunctionName", stack_name(name))
        .with("Description", function.about)
        .with("Handler", name.as_str())
        .with("Role", arn(&ids::role(name)))
        .maybe(
            "MemorySize",
            Some(function.memory_mb).filter(|&memory| memory != Function::MEMORY_MB),
        )
        .with(
            "LoggingConfig",
            Map::new().with("LogGroup", reference(&ids::log_group(name))),
        );
    let mut variables = deadlines::variables(function);
    if let Some(Setting { variable, .. }) = function.deadline {
        variables.put(variable, reference(&parameter_of(variable)));
    }
    if delivers(function) && views {
        variables.put(DEPLOY_VIEWS, reference(VIEWS));
    }
    if delivers(function) {
        variables.put(EVENT_BUS_NAME, reference(EVENT_BUS));
    }
    if !variables.is_empty() {
        properties.put("Environment", Map::new().with("Variables", variables));
    }
    if function.waits() {
        properties.remark(
            "It sends on what comes before its time and from no schedule (by hand, from an earlier version), which \
             Lambda would take for an endless loop after 16 hops.",
        );
        properties.put("RecursiveLoop", "Allow");
    }
    if let Trigger::Schedule(_) = function.trigger {
        properties.remark("What one time misses the next one takes up.");
        properties.put(
            "EventInvokeConfig",
            Map::new().with("MaximumRetryAttempts", 0_u32),
        );
    }
    properties.put("Events", trigger(function));
    conditional(function, "AWS::Serverless::Function")
        .with("Metadata", metadata())
        .with("Properties", properties)
}

/// Whether a function sends events to whoever asked for them.
pub(crate) fn delivers(function: &Function) -> bool {
    [RELAY, SWEEPER].contains(&function.name.as_str())
}

/// Whether a function is a simulator, which is deployed only if asked for.
pub(crate) fn is_simulator(function: &Function) -> bool {
    matches!(function.trigger, Trigger::Outbound(_))
}

/// The log group of a function.
pub(crate) fn log_group(function: &Function) -> Map {
    let properties = Map::new()
        .with(
            "LogGroupName",
            substituted(format!("/aws/lambda/${{AWS::StackName}}-{}", function.name)),
        )
        .with("RetentionInDays", reference("LogRetentionDays"))
        .with("KmsKeyId", only_if(WITH_KEY, reference("KmsKeyArn")));
    conditional(function, "AWS::Logs::LogGroup").with("Properties", properties)
}

/// The start of a resource that is there if the function is.
pub(crate) fn conditional(function: &Function, resource_type: &str) -> Map {
    Map::new()
        .with("Type", resource_type)
        .maybe("Condition", condition(function))
}

/// What has to hold for a function to be there; none if it always is.
pub(crate) fn condition(function: &Function) -> Option<&'static str> {
    if is_simulator(function) {
        Some(WITH_SIMULATORS)
    } else if function.context == Context::VIEWS {
        Some(WITH_VIEWS)
    } else {
        None
    }
}

/// How it is built, the same on every function: what differs in anything is built by itself.
fn metadata() -> Map {
    Map::new()
        .with("BuildMethod", "rust-cargolambda")
        .with("BuildProperties", Map::new().with("Binary", "bootstrap"))
        .with("checkov", skipped_on_functions())
}

/// The mapping, whose id is the function's and the name it has here.
fn trigger(function: &Function) -> Map {
    match function.trigger {
        Trigger::EventStream => Map::new().with("Records", event("DynamoDB", records(function))),
        Trigger::Schedule(period) => Map::new().with("Time", event("Schedule", schedule(period))),
        Trigger::Outbound(queue) => Map::new().with("Messages", event("SQS", messages(function, queue))),
        Trigger::Commands(_) | Trigger::Events(_) | Trigger::GivenUpRecords => {
            Map::new().with("Messages", event("SQS", messages(function, &function.name)))
        }
    }
}

/// `EventBridge`'s words for a period of whole minutes.
fn schedule(period: Duration) -> Map {
    let minutes = period.as_secs() / 60;
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    Map::new().with("Schedule", format!("rate({minutes} {unit})"))
}

fn event(source: &str, properties: Map) -> Map {
    Map::new().with("Type", source).with("Properties", properties)
}

fn messages(function: &Function, queue: &str) -> Map {
    let size = match function.batching.parameter {
        Some(parameter) => reference(parameter.name),
        None => function.batching.size.into(),
    };
    let bound = |limit: Yaml| Map::new().with("MaximumConcurrency", limit);
    let scaling = match function.batching.concurrency {
        Some(limit) => bound(limit.into()).into(),
        None => only_if(
            WITH_MAXIMUM_CONCURRENCY,
            Yaml::Compact(bound(reference("MaximumConcurrency"))),
        ),
    };
    Map::new()
        .with("Queue", arn(&ids::queue(queue)))
        .with("BatchSize", size)
        .maybe("MaximumBatchingWindowInSeconds", window(function))
        .with("ScalingConfig", scaling)
        .with("FunctionResponseTypes", inline(["ReportBatchItemFailures"]))
}

fn records(function: &Function) -> Map {
    let given_up = Map::new()
        .with("Type", "SQS")
        .with("Destination", arn(&ids::queue(RECOVERY)));
    Map::new()
        .with("Stream", attribute(ids::EVENTS_TABLE, "StreamArn"))
        .note(
            "From the oldest record there is: one that was written before the mapping was ready counts too.",
        )
        .with("StartingPosition", "TRIM_HORIZON")
        .with("BatchSize", function.batching.size)
        .maybe("MaximumBatchingWindowInSeconds", window(function))
        .note("Batches of each shard at once: commits of one stream stay in order, and nobody needs more.")
        .with("ParallelizationFactor", function.batching.per_shard)
        .with("FunctionResponseTypes", inline(["ReportBatchItemFailures"]))
        .with("BisectBatchOnFunctionError", true)
        .with("MaximumRetryAttempts", u64::from(Function::STREAM_RETRIES))
        .with("MaximumRecordAgeInSeconds", Function::STREAM_RECORD_AGE.as_secs())
        .with("DestinationConfig", Map::new().with("OnFailure", given_up))
}

fn window(function: &Function) -> Option<u64> {
    Some(function.batching.window.as_secs()).filter(|&seconds| seconds > 0)
}
