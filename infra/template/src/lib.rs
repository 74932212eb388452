//! Writes `template.yaml`: all that AWS is told of the bundle, from the registry that the functions
//! themselves come from.
//!
//! The same registry gives the same text, to the byte. A test compares it with what is checked in;
//! `cargo template` renews it, and with it the samples in `tests/events` and the pictures in `README.md`.

mod alarms;
mod checkov;
mod dashboard;
mod functions;
mod ids;
mod intrinsics;
pub mod pages;
mod parameters;
mod picture;
mod queues;
mod roles;
mod tables;
pub mod written;
mod yaml;

use aws_adapters::pascal_case;
use bundle::{Bundle, Function, Registry, Sender, Trigger};

use crate::intrinsics::{arn, reference};
use crate::yaml::{Map, Yaml};

/// The most characters in a stack's name, so that the names that begin with it fit everywhere. Function
/// names are the narrowest, with 64; some are left for names to come.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>
pub const STACK_NAME_LIMIT: usize = 30;

/// The text of `template.yaml`.
pub fn template(bundle: &Bundle) -> String {
    let registry = &bundle.registry;
    let about = format!(
        "{} on Lambda, SQS and DynamoDB. The stack's name may have up to {STACK_NAME_LIMIT} \
         characters.",
        bundle.about
    );
    let mut document = Map::apart()
        .note("Generated from functions/src/registry.rs by `cargo template`; edit that, not this.")
        .with("AWSTemplateFormatVersion", "2010-09-09")
        .with("Transform", "AWS::Serverless-2016-10-31")
        .with("Description", about);
    document.put("Parameters", parameters::parameters(bundle));
    document.put("Conditions", parameters::conditions());
    document.put("Globals", functions::globals());
    document.put("Resources", resources(bundle));
    document.put("Outputs", outputs(registry));
    document.document()
}

fn resources(bundle: &Bundle) -> Map {
    let registry = &bundle.registry;
    let mut resources = Map::apart();
    resources.heading("Tables");
    resources.remark(
        "Every event there is, for good. Tables outlive their stack: another one of the same name has to import them.",
    );
    resources.put(ids::EVENTS_TABLE, tables::events());
    resources.remark("Events that the relay could not deliver, as references to where they are.");
    resources.put(ids::OUTBOX_TABLE, tables::outbox());

    for context in bundle.all_contexts() {
        let mut functions = registry
            .functions
            .iter()
            .filter(|f| f.context == context)
            .peekable();
        if functions.peek().is_some() {
            resources.heading(context.title);
        }
        for function in functions {
            put_function(&mut resources, registry, function);
        }
    }

    resources.heading("Queues that systems outside read");
    for outbound in &registry.outbound {
        resources.remark(format!("{}: {}.", outbound.about, outbound.events.join(", ")));
        queues::with_dead_letters(&mut resources, registry, outbound.queue);
    }

    resources.heading("Operation");
    resources.remark(
        "For whoever sends dead letters again; queues that only steps send to let no other person in.",
    );
    resources.put(ids::OPERATOR_ROLE, roles::operator_role(bundle));
    let alarms = alarms::alarms(bundle);
    let ids: Vec<_> = alarms.iter().map(|(id, _)| id.clone()).collect();
    for (id, alarm) in alarms {
        resources.put(id, alarm);
    }
    resources.put("Dashboard", dashboard::dashboard(bundle, &ids));
    resources
}

fn put_function(resources: &mut Map, registry: &Registry, function: &Function) {
    let name = function.name.as_str();
    resources.remark(function.about);
    resources.put(pascal_case(name), functions::function(function));
    resources.put(ids::role(name), roles::role(function));
    resources.put(ids::log_group(name), functions::log_group(function));
    match function.trigger {
        Trigger::Commands(_) | Trigger::Events(_) | Trigger::GivenUpRecords => {
            queues::with_dead_letters(resources, registry, name);
        }
        // Its queue is there without it, or it has none.
        Trigger::Outbound(_) | Trigger::EventStream | Trigger::Schedule(_) => {}
    }
}

fn outputs(registry: &Registry) -> Map {
    let mut outputs = Map::apart();
    let mut put_queue = |name: &str, about: &str| {
        let output = output(about, reference(&ids::queue(name)));
        outputs.put(format!("{}Url", ids::queue(name)), output);
    };
    for function in &registry.functions {
        if let Trigger::Commands(Sender::Outside | Sender::OutsideAndSteps | Sender::Gateways) =
            function.trigger
        {
            put_queue(&function.name, function.about);
        }
    }
    for outbound in &registry.outbound {
        put_queue(outbound.queue, outbound.about);
    }
    outputs.put(
        "EventsTableName",
        output("The event table", reference(ids::EVENTS_TABLE)),
    );
    outputs.put(
        "OutboxTableName",
        output(
            "Events that the relay could not deliver",
            reference(ids::OUTBOX_TABLE),
        ),
    );
    outputs.put(
        "OperatorRoleArn",
        output(
            "Role of whoever sends dead letters again",
            arn(ids::OPERATOR_ROLE),
        ),
    );
    outputs
}

fn output(about: &str, value: Yaml) -> Map {
    Map::new().with("Description", about).with("Value", value)
}
