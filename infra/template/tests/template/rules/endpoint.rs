//! Where functions find `DynamoDB` and SQS: on AWS where they always did, in `sam local` where they are told.

use std::collections::BTreeMap;

use aws_adapters::Environment;
use bundle::Settings;
use serde_json::Value;

use super::document::Document;
use super::{document, text};

/// What `CloudFormation` puts for the names that it knows by itself.
const ON_AWS: [(&str, &str); 4] = [
    ("AWS::StackName", "shop"),
    ("AWS::Region", "eu-central-1"),
    ("AWS::AccountId", "123456789012"),
    ("AWS::URLSuffix", "amazonaws.com"),
];

/// What `sam local` puts for them; only the region can be chosen.
const IN_SAM_LOCAL: [(&str, &str); 4] = [
    ("AWS::StackName", "local"),
    ("AWS::Region", "us-east-1"),
    ("AWS::AccountId", "123456789012"),
    ("AWS::URLSuffix", "amazonaws.com"),
];

#[test]
fn without_the_parameter_functions_see_what_they_always_saw() {
    let mut variables = variables(&ON_AWS, "");
    let expected = [
        ("STACK_NAME", "shop"),
        (
            "QUEUE_URL_PREFIX",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/shop-",
        ),
        ("RUST_LOG", "info"),
        ("GIVE_UP_WAITING_SECONDS", "3600"),
        ("GIVE_UP_FAILING_SECONDS", "43200"),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    // Empty, which is as good as not there: see below.
    assert_eq!(variables.remove("AWS_ENDPOINT_URL").as_deref(), Some(""));
    assert_eq!(variables, expected);
}

#[test]
fn an_endpoint_that_is_empty_or_not_there_is_awss_own() {
    for given in [None, Some("")] {
        let environment = environment(|name| match name {
            "AWS_ENDPOINT_URL" => given.map(str::to_owned),
            _ => None,
        });
        assert_eq!(
            (environment.dynamodb_endpoint, environment.sqs_endpoint),
            (None, None),
            "{given:?}"
        );
    }
}

#[test]
fn with_the_parameter_functions_work_on_the_tables_and_queues_of_a_local_stack() {
    let endpoint = "http://host.docker.internal:4566";
    let variables = variables(&IN_SAM_LOCAL, endpoint);
    let settings =
        Settings::read(&[], |name| variables.get(name).cloned()).expect("the variables of a function");
    assert_eq!(settings.names.events_table(), "local-events");
    assert_eq!(
        settings.queue_url_prefix,
        format!("{endpoint}/000000000000/local-")
    );
    let environment = environment(|name| variables.get(name).cloned());
    for found in [
        environment.dynamodb_endpoint,
        environment.dynamodb_streams_endpoint,
        environment.sqs_endpoint,
    ] {
        assert_eq!(found.as_deref(), Some(endpoint));
    }
}

#[test]
fn no_variable_is_left_out_by_a_condition_because_sam_local_would_hand_it_on_as_empty() {
    let (_, document) = document();
    let all = document.section("Globals")["Function"]["Environment"].to_string();
    assert!(!all.contains("AWS::NoValue"), "{all}");
    for (id, function) in document.of_type("AWS::Serverless::Function") {
        let own = function["Properties"]["Environment"].to_string();
        assert!(!own.contains("AWS::NoValue"), "{id}: {own}");
    }
}

#[test]
fn no_function_has_an_endpoint_of_its_own() {
    let (registry, document) = document();
    for function in &registry.functions {
        let resource = document.resource(&super::pascal_case(&function.name));
        let own = &resource["Properties"]["Environment"]["Variables"];
        for name in ["AWS_ENDPOINT_URL", "QUEUE_URL_PREFIX", "STACK_NAME"] {
            assert!(own[name].is_null(), "{} has a {name} of its own", function.name);
        }
    }
}

/// The SDK's variables, those of Lambda included.
fn environment(variable: impl Fn(&str) -> Option<String>) -> Environment {
    let given_by_lambda = |name: &str| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        _ => None,
    };
    Environment::read(|name| variable(name).or_else(|| given_by_lambda(name))).expect("an environment")
}

/// The variables that all functions get, as `CloudFormation` works them out.
fn variables(names: &[(&str, &str)], endpoint: &str) -> BTreeMap<String, String> {
    let (_, document) = document();
    let mut known: BTreeMap<String, String> = document
        .section("Parameters")
        .iter()
        .map(|(name, parameter)| {
            let default = &parameter["Default"];
            let default = default
                .as_str()
                .map_or_else(|| default.to_string(), str::to_owned);
            (name.clone(), default)
        })
        .collect();
    let told = names.iter().copied().chain([("EndpointUrl", endpoint)]);
    known.extend(told.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let variables = &document.section("Globals")["Function"]["Environment"]["Variables"];
    let variables = variables.as_object().expect("variables");
    let worked_out = variables
        .iter()
        .map(|(name, value)| (name.clone(), work_out(&document, &known, value)));
    worked_out.collect()
}

fn work_out(document: &Document, known: &BTreeMap<String, String>, value: &Value) -> String {
    if let Some([condition, then, otherwise]) = value["Fn::If"].as_array().map(Vec::as_slice) {
        let branch = if holds(document, known, text(condition)) {
            then
        } else {
            otherwise
        };
        return work_out(document, known, branch);
    }
    if let Some(name) = value["Ref"].as_str() {
        return known[name].clone();
    }
    let mut text = text(value).to_owned();
    for (name, value) in known {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    text
}

/// Whether a condition holds, of the one form that is asked for here: a parameter is not a certain value.
fn holds(document: &Document, known: &BTreeMap<String, String>, condition: &str) -> bool {
    let compared = &document.section("Conditions")[condition]["Fn::Not"][0]["Fn::Equals"];
    known[text(&compared[0])] != text(&compared[1])
}
