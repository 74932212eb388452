//! What a template has to keep, whatever the registry grows into.
//!
//! Whoever includes this module says whose template it is: `super::bundle` answers the business, `super::root`
//! the workspace's root, and `super::played` what a day of its own puts on its queues.

pub(crate) mod alarms;
mod calls;
mod deadlines;
pub(crate) mod document;
mod endpoint;
mod expression;
mod permissions;
mod queues;

use std::collections::BTreeSet;

use aws_adapters::Patience;
use bundle::{Context, DEPLOY_VIEWS, EVENT_BUS_NAME, Function, RELAY, Registry, SWEEPER, Settings, Trigger};
use local::StackOptions;
use serde_json::Value;

use super::{bundle, root};
use document::{Document, pascal_case, text};

/// `CloudFormation` takes 500; the rest is for what one adds to a stack of one's own.
const MOST_RESOURCES: usize = 450;

pub(crate) fn document() -> (Registry, Document) {
    let bundle = bundle();
    let document = Document::read(&template::template(&bundle));
    (bundle.registry, document)
}

fn options() -> StackOptions {
    StackOptions {
        event_bus: Some("readers".to_owned()),
        ..testkit::running::options(bundle())
    }
}

#[test]
fn a_stack_has_room_for_more() {
    let (_, document) = document();
    let count = document.expanded_ids().len();
    assert_eq!(template::resource_count(&bundle()), count);
    assert!(
        count < MOST_RESOURCES,
        "the template makes {count} resources, mappings included; a stack takes 500, and {MOST_RESOURCES} are what it \
         may use of them. Drop some, or split the stack"
    );
}

#[test]
fn ids_are_unique_even_after_sam_has_added_the_mappings() {
    let (_, document) = document();
    let ids = document.expanded_ids();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric())));
}

#[test]
fn names_fit_for_the_longest_name_of_a_stack() {
    let (_, document) = document();
    let stack = "s".repeat(template::STACK_NAME_LIMIT);
    let limits = [
        ("FunctionName", 64),
        ("QueueName", 80),
        ("TableName", 255),
        ("LogGroupName", 512),
        ("AlarmName", 255),
        ("DashboardName", 255),
        // Of the group of schedules.
        ("Name", 64),
    ];
    let mut seen = BTreeSet::new();
    for (id, resource) in document.resources() {
        for (property, limit) in limits {
            let Some(name) = resource["Properties"][property]["Fn::Sub"].as_str() else {
                continue;
            };
            let name = name.replace("${AWS::StackName}", &stack);
            assert!(
                name.len() <= limit,
                "{property} of {id} has {} characters: {name}",
                name.len()
            );
            assert!(
                seen.insert((property, name)),
                "{id} has the {property} of another"
            );
        }
    }
    assert!(!seen.is_empty());
}

#[test]
fn nothing_is_reserved_of_the_accounts_executions() {
    // Lambda refuses whatever leaves fewer than a hundred of them, and a new account has ten.
    let (_, document) = document();
    for (id, function) in document.of_type("AWS::Serverless::Function") {
        for reserved in ["ReservedConcurrentExecutions", "ProvisionedConcurrencyConfig"] {
            assert!(function["Properties"][reserved].is_null(), "{id} has {reserved}");
        }
    }
}

#[test]
fn every_function_is_the_same_build_under_its_own_name() {
    let (registry, document) = document();
    let functions: Vec<_> = document.of_type("AWS::Serverless::Function").collect();
    assert_eq!(functions.len(), registry.functions.len());
    for function in &registry.functions {
        let resource = document.resource(&pascal_case(&function.name));
        let properties = &resource["Properties"];
        assert_eq!(properties["Handler"], function.name.as_str());
        assert_eq!(
            text(&properties["FunctionName"]),
            format!("${{AWS::StackName}}-{}", function.name)
        );
        // One that differs in any of these is compiled and linked once more.
        assert_eq!(resource["Metadata"], functions[0].1["Metadata"]);
        for shared in ["CodeUri", "Runtime", "Architectures"] {
            assert!(
                properties[shared].is_null(),
                "{} has a {shared} of its own",
                function.name
            );
        }
    }
}

/// What functions are told that set deadlines: see [`deadlines`].
pub(crate) const OF_SCHEDULES: [&str; 2] = ["SCHEDULER_ROLE_ARN", "QUEUE_ARN_PREFIX"];

#[test]
fn deadlines_are_told_to_those_who_go_by_them() {
    let (registry, document) = document();
    let settings = bundle().settings();
    for function in &registry.functions {
        let resource = document.resource(&pascal_case(&function.name));
        let variables = &resource["Properties"]["Environment"]["Variables"];
        let told = variables.as_object().into_iter().flatten();
        let told: Vec<_> = told
            .filter(|(name, _)| !OF_SCHEDULES.contains(&name.as_str()))
            .filter(|(name, _)| ![DEPLOY_VIEWS, EVENT_BUS_NAME].contains(&name.as_str()))
            .collect();
        assert_eq!(
            told.len(),
            usize::from(function.deadline.is_some()),
            "{}",
            function.name
        );
        for (variable, parameter) in told {
            let setting = function.deadline.expect("it goes by one");
            assert_eq!(variable, setting.variable);
            let parameter = &document.section("Parameters")[text(parameter)];
            let ask = |seconds: &Value| {
                Settings::values(&settings, |name| (name == variable).then(|| seconds.to_string()))
            };
            let default = ask(&parameter["Default"]).map(|values| values.get(&setting));
            assert_eq!(default, Ok(setting.default), "{variable}");
            assert!(
                ask(&parameter["MinValue"]).is_ok() && ask(&parameter["MaxValue"]).is_ok(),
                "{variable}"
            );
        }
    }
}

#[test]
fn how_long_a_message_is_tried_is_told_to_all_functions() {
    let (_, document) = document();
    let variables = &document.section("Globals")["Function"]["Environment"]["Variables"];
    for setting in Patience::DECLARED {
        let parameter = text(&variables[setting.variable]);
        let parameter = &document.section("Parameters")[parameter];
        assert_eq!(
            parameter["Default"],
            setting.default.as_secs(),
            "{}",
            setting.variable
        );
        assert_eq!(parameter["MinValue"], 1, "{}", setting.variable);
    }
}

#[test]
fn mappings_report_what_failed_and_are_bounded() {
    let (registry, document) = document();
    for function in &registry.functions {
        let resource = document.resource(&pascal_case(&function.name));
        let events = resource["Properties"]["Events"].as_object().expect("events");
        let [(_, event)] = events.iter().collect::<Vec<_>>()[..] else {
            panic!("{} has other than one mapping", function.name);
        };
        let mapping = &event["Properties"];
        if let Trigger::Schedule(_) = function.trigger {
            continue;
        }
        assert_eq!(mapping["FunctionResponseTypes"][0], "ReportBatchItemFailures");
        if function.queue().is_some() {
            assert!(mapping["ScalingConfig"].is_object(), "{}", function.name);
        } else {
            assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON");
            assert_eq!(mapping["BisectBatchOnFunctionError"], true);
            assert_eq!(mapping["ParallelizationFactor"], function.batching.per_shard);
            for bound in ["MaximumRetryAttempts", "MaximumRecordAgeInSeconds"] {
                assert!(mapping[bound].is_u64(), "{} has no {bound}", function.name);
            }
            let given_up = &mapping["DestinationConfig"]["OnFailure"]["Destination"];
            assert_eq!(text(given_up), "RecoverStreamRecordsQueue.Arn");
        }
        let size = mapping["BatchSize"].as_u64();
        let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0);
        // Only of queues does Lambda ask for a window with more than ten.
        assert!(
            function.queue().is_none() || size.is_some_and(|size| size <= 10) || window >= 1,
            "{}: Lambda refuses it",
            function.name
        );
    }
}

#[test]
fn the_outbox_is_swept_every_minute_and_what_one_time_misses_the_next_one_takes_up() {
    let (_, document) = document();
    let sweeper = &document.resource("SweepOutbox")["Properties"];
    assert_eq!(
        sweeper["Events"]["Time"]["Properties"]["Schedule"],
        "rate(1 minute)"
    );
    assert_eq!(sweeper["EventInvokeConfig"]["MaximumRetryAttempts"], 0);
    let outbox = &document.resource("OutboxTable")["Properties"];
    let index = &outbox["GlobalSecondaryIndexes"][0];
    assert_eq!(index["IndexName"], aws_adapters::OUTBOX_INDEX);
    assert_eq!(outbox["TimeToLiveSpecification"]["AttributeName"], "expires_at");
}

/// Whoever sends events has to know whether the queues of views are there.
#[test]
fn who_sends_events_is_told_whether_there_are_views() {
    let (registry, document) = document();
    let there_are = registry.views().next().is_some();
    for function in &registry.functions {
        let resource = document.resource(&pascal_case(&function.name));
        let told = &resource["Properties"]["Environment"]["Variables"][DEPLOY_VIEWS];
        let sends = [RELAY, SWEEPER].contains(&function.name.as_str());
        if there_are && sends {
            assert_eq!(text(told), "DeployViews", "{}", function.name);
        } else {
            assert!(told.is_null(), "{}", function.name);
        }
    }
}

#[test]
fn who_sends_events_is_told_of_the_bus_and_may_put_there_what_is_this_stacks_if_there_is_one() {
    let (registry, document) = document();
    let parameter = &document.section("Parameters")["EventBusName"];
    assert_eq!(parameter["Default"], "");
    assert_eq!(parameter["AllowedPattern"], "[a-zA-Z0-9._-]{0,256}");
    let of_role = |role: &str| {
        let statements = &document.resource(role)["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
        let statements = statements.as_array().into_iter().flatten();
        let puts = statements.filter(|statement| statement["Fn::If"][1]["Action"] == "events:PutEvents");
        puts.cloned().collect::<Vec<_>>()
    };
    for function in &registry.functions {
        let id = pascal_case(&function.name);
        let told = &document.resource(&id)["Properties"]["Environment"]["Variables"][EVENT_BUS_NAME];
        let sends = [RELAY, SWEEPER].contains(&function.name.as_str());
        assert_eq!(of_role(&format!("{id}Role")).len(), usize::from(sends), "{id}");
        if sends {
            assert_eq!(text(told), "EventBusName", "{id}");
        } else {
            assert!(told.is_null(), "{id}");
        }
    }
    for role in ["RelayEventsRole", "SweepOutboxRole", "OperatorRole"] {
        let [statement] = &of_role(role)[..] else {
            panic!("{role} may put events by one statement");
        };
        assert_eq!(statement["Fn::If"][0], "WithEventBus", "{role}");
        let allowed = &statement["Fn::If"][1];
        assert_eq!(
            text(&allowed["Resource"]),
            "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}"
        );
        let own = &allowed["Condition"]["ForAllValues:StringEquals"]["events:source"];
        assert_eq!(text(own), "AWS::StackName");
    }
    assert!(of_role("ViewerRole").is_empty());
}

/// The service says nothing of events that it takes for a bus which is not there.
#[test]
fn a_bus_that_is_not_there_fails_the_deployment_and_not_the_events() {
    let (_, document) = document();
    let guard = document.resource("EventBusGuard");
    assert_eq!(guard["Type"], "AWS::Events::Rule");
    assert_eq!(guard["Condition"], "WithEventBus");
    let properties = &guard["Properties"];
    assert_eq!(text(&properties["EventBusName"]), "EventBusName");
    assert_eq!(properties["State"], "DISABLED");
    assert!(properties["Targets"].is_null(), "it sends nothing to anybody");
}

/// Without views nothing of them is there: each of their resources hangs on the same condition.
#[test]
fn all_that_belongs_to_views_can_be_left_out() {
    let (registry, document) = document();
    for view in registry
        .functions
        .iter()
        .filter(|function| function.view.is_some())
    {
        let id = pascal_case(&view.name);
        let parts = [
            "",
            "Role",
            "Logs",
            "Queue",
            "QueuePolicy",
            "DeadLetterQueue",
            "DeadLetterQueuePolicy",
        ];
        let table = view.view.map(|table| format!("{}Table", pascal_case(table.name)));
        for id in parts.iter().map(|part| format!("{id}{part}")).chain(table) {
            assert_eq!(document.resource(&id)["Condition"], "WithViews", "{id}");
        }
    }
}

#[test]
fn only_who_sends_to_itself_may_go_in_circles() {
    let (registry, document) = document();
    for function in &registry.functions {
        let resource = document.resource(&pascal_case(&function.name));
        let allowed = resource["Properties"]["RecursiveLoop"] == "Allow";
        assert_eq!(allowed, function.waits(), "{}", function.name);
    }
}

/// A table that is protected from the beginning could not be taken away with the rest of a first deployment that
/// fails, and neither could one that is retained: their names would block the next deployment.
#[test]
fn tables_outlive_their_stack_but_not_a_first_deployment_that_fails() {
    let (registry, document) = document();
    let tables: Vec<_> = document.of_type("AWS::DynamoDB::Table").collect();
    assert_eq!(tables.len(), 2 + registry.views().count());
    for (_, table) in tables {
        assert_eq!(
            (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
            (&"RetainExceptOnCreate".into(), &"Retain".into())
        );
        let properties = &table["Properties"];
        let recovery = &properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        let deletion = &properties["DeletionProtectionEnabled"];
        for (protected, condition) in [(recovery, "WithProtection"), (deletion, "WithDeletionProtection")] {
            assert_eq!(protected["Fn::If"], serde_json::json!([condition, true, false]));
        }
    }
    let default = |parameter: &str| &document.section("Parameters")[parameter]["Default"];
    assert_eq!(
        (default("Protect"), default("DeletionProtection")),
        (&"true".into(), &"false".into())
    );
    let stream = &document.resource("EventsTable")["Properties"]["StreamSpecification"];
    assert_eq!(stream["StreamViewType"], "NEW_IMAGE");
}

#[test]
fn alarms_keep_to_what_an_expression_may_hold() {
    let (_, document) = document();
    for (id, alarm) in document.of_type("AWS::CloudWatch::Alarm") {
        let metrics = alarm["Properties"]["Metrics"].as_array().expect("metrics");
        let (series, expressions): (Vec<_>, Vec<_>) =
            metrics.iter().partition(|m| m["MetricStat"].is_object());
        assert!(
            (1..=10).contains(&series.len()),
            "{id} looks at {} metrics",
            series.len()
        );
        assert_eq!(expressions.len(), 1, "{id}");
        assert!(series.iter().all(|metric| metric["ReturnData"] == false), "{id}");
    }
}

#[test]
fn an_alarm_watches_every_dead_letter_queue_and_every_function() {
    let (registry, document) = document();
    let watched = |metric: &str| -> BTreeSet<String> {
        let alarms = document.of_type("AWS::CloudWatch::Alarm");
        let series =
            alarms.flat_map(|(_, alarm)| alarm["Properties"]["Metrics"].as_array().into_iter().flatten());
        let named = series.filter(|series| series["MetricStat"]["Metric"]["MetricName"] == metric);
        named
            .map(|series| text(&series["MetricStat"]["Metric"]["Dimensions"][0]["Value"]).to_owned())
            .collect()
    };
    let queues = document
        .of_type("AWS::SQS::Queue")
        .map(|(_, queue)| text(&queue["Properties"]["QueueName"]).to_owned());
    let (dead, alive): (BTreeSet<_>, BTreeSet<_>) = queues.partition(|name| name.ends_with("-dlq"));
    assert_eq!(watched("ApproximateNumberOfMessagesVisible"), dead);
    assert_eq!(watched("ApproximateAgeOfOldestMessage"), alive);
    let is_simulator = |function: &&Function| function.context == Context::SIMULATORS;
    let functions: BTreeSet<_> = registry
        .functions
        .iter()
        .filter(|function| !is_simulator(function))
        .map(|function| format!("${{AWS::StackName}}-{}", function.name))
        .collect();
    for metric in ["Errors", "Throttles"] {
        assert_eq!(watched(metric), functions);
    }
}

#[test]
fn an_alarm_watches_every_mapping_for_notes_of_given_up_records_that_get_lost() {
    let (registry, document) = document();
    let alarm = &document.resource("UnreportedRecordsAlarm")["Properties"];
    let metrics = alarm["Metrics"].as_array().expect("metrics").iter();
    let metrics: Vec<_> = metrics.map(|metric| &metric["MetricStat"]["Metric"]).collect();
    let watched: BTreeSet<_> = metrics
        .into_iter()
        .filter(|metric| metric["MetricName"] == "DestinationDeliveryFailures")
        .map(|metric| text(&metric["Dimensions"][0]["Value"]).to_owned())
        .collect();
    let on_streams = registry
        .functions
        .iter()
        .filter(|f| f.trigger == Trigger::EventStream);
    let on_streams = on_streams.map(|function| format!("${{AWS::StackName}}-{}", function.name));
    assert_eq!(watched, on_streams.collect());
    assert_eq!(
        (&alarm["Threshold"], &alarm["ComparisonOperator"]),
        (&0.into(), &"GreaterThanThreshold".into())
    );
}

#[test]
fn a_function_has_the_memory_that_is_declared() {
    let (registry, document) = document();
    let of_all = &document.section("Globals")["Function"]["MemorySize"];
    for function in &registry.functions {
        let own = &document.resource(&pascal_case(&function.name))["Properties"]["MemorySize"];
        let memory = if own.is_null() { of_all } else { own };
        assert_eq!(memory, &function.memory_mb, "{}", function.name);
    }
}

#[test]
fn every_alarm_names_a_runbook_that_exists_and_is_listed() {
    assert!(runbooks_of_alarms().is_subset(&runbooks()));
}

/// The pages that tell what to do when an alarm goes off.
pub(crate) fn runbooks() -> BTreeSet<String> {
    let files = std::fs::read_dir(root().join("infra/runbooks")).expect("the folder of runbooks");
    let all = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    all.filter(|name| name != "README.md").collect()
}

/// Those that the alarms name; the overview lists each.
pub(crate) fn runbooks_of_alarms() -> BTreeSet<String> {
    let (_, document) = document();
    let overview = std::fs::read_to_string(root().join("infra/runbooks/README.md")).expect("an overview");
    let mut named = BTreeSet::new();
    for (id, alarm) in document.of_type("AWS::CloudWatch::Alarm") {
        let about = text(&alarm["Properties"]["AlarmDescription"]);
        let page = about
            .split("infra/runbooks/")
            .nth(1)
            .and_then(|rest| rest.strip_suffix('.'));
        let page = page.unwrap_or_else(|| panic!("{id} names no runbook: {about}"));
        let name = text(&alarm["Properties"]["AlarmName"]);
        assert!(
            name.contains(page.trim_end_matches(".md")),
            "{name} has the runbook {page}"
        );
        assert!(
            overview.contains(&format!("({page})")),
            "README.md does not list {page}"
        );
        named.insert(page.to_owned());
    }
    named
}

#[test]
fn the_dashboard_is_json() {
    let (_, document) = document();
    let body = text(&document.resource("Dashboard")["Properties"]["DashboardBody"]).to_owned();
    let board: Value = serde_json::from_str(&body).expect("the dashboard's body");
    assert!(
        board["widgets"]
            .as_array()
            .is_some_and(|widgets| widgets.len() > 6)
    );
}
