//! Operations on buses, rules and targets, and what survives of them.

use serde_json::{Value, json};

use super::{Scene, entry, queue, readers};
use crate::support::{ACCOUNT, REGION};

#[tokio::test(start_paused = true)]
async fn rules_are_told_listed_changed_and_deleted_without_their_targets_alone() {
    let scene = Scene::new();
    let bus = |mut request: Value| {
        request["EventBusName"] = json!("loans");
        request
    };
    for name in ["a", "b", "c"] {
        scene.rule(name, &json!({ "source": ["branch"] })).await;
    }
    scene.target("a", &readers()).await;
    let told = scene.done("DescribeRule", &bus(json!({ "Name": "a" }))).await;
    assert_eq!(
        told,
        json!({
            "Name": "a",
            "Arn": format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/loans/a"),
            "EventPattern": r#"{"source":["branch"]}"#,
            "State": "ENABLED",
            "EventBusName": "loans",
        })
    );
    let page = scene.done("ListRules", &bus(json!({ "Limit": 2 }))).await;
    assert_eq!(page["Rules"].as_array().unwrap().len(), 2);
    let rest = scene
        .done("ListRules", &bus(json!({ "NextToken": page["NextToken"] })))
        .await;
    assert_eq!(rest["Rules"][0]["Name"], "c");
    assert!(rest["NextToken"].is_null());
    // Put again, a rule keeps its targets.
    scene.rule("a", &json!({ "source": ["other"] })).await;
    let targets = scene
        .done("ListTargetsByRule", &bus(json!({ "Rule": "a" })))
        .await;
    assert_eq!(targets["Targets"], json!([readers()]));
    let (error, message) = scene.refused("DeleteRule", &bus(json!({ "Name": "a" }))).await;
    assert_eq!(
        (error.as_str(), message.as_str()),
        (
            "ValidationException",
            "Rule can't be deleted since it has targets."
        )
    );
    let ids = bus(json!({ "Rule": "a", "Ids": ["readers"] }));
    scene.done("RemoveTargets", &ids).await;
    assert_eq!(
        scene.refused("RemoveTargets", &ids).await.0,
        "ResourceNotFoundException"
    );
    scene.done("DeleteRule", &bus(json!({ "Name": "a" }))).await;
    scene.done("DeleteRule", &bus(json!({ "Name": "a" }))).await;
    let (error, message) = scene.refused("DescribeRule", &bus(json!({ "Name": "a" }))).await;
    assert_eq!(
        (error.as_str(), message.as_str()),
        (
            "ResourceNotFoundException",
            "Rule a does not exist on EventBus loans."
        )
    );
}

#[tokio::test(start_paused = true)]
async fn buses_are_made_once_told_and_deleted_when_they_have_no_rules() {
    let scene = Scene::new();
    let made = scene.done("CreateEventBus", &json!({ "Name": "more" })).await;
    let arn = format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/more");
    assert_eq!(made["EventBusArn"], arn);
    let again = scene.refused("CreateEventBus", &json!({ "Name": "more" })).await;
    assert_eq!(
        again,
        (
            "ResourceAlreadyExistsException".into(),
            "Event bus more already exists.".into()
        )
    );
    for name in ["more", &arn] {
        assert_eq!(
            scene.done("DescribeEventBus", &json!({ "Name": name })).await["Arn"],
            arn
        );
    }
    let listed = scene.done("ListEventBuses", &json!({})).await;
    let names: Vec<_> = listed["EventBuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bus| bus["Name"].clone())
        .collect();
    assert_eq!(names, ["default", "loans", "more"]);
    scene.rule("all", &json!({ "source": ["branch"] })).await;
    for name in ["loans", "default"] {
        assert_eq!(
            scene.refused("DeleteEventBus", &json!({ "Name": name })).await.0,
            "ValidationException"
        );
    }
    scene.done("DeleteEventBus", &json!({ "Name": "more" })).await;
    let (error, message) = scene
        .refused("DescribeEventBus", &json!({ "Name": "more" }))
        .await;
    assert_eq!(
        (error.as_str(), message.as_str()),
        ("ResourceNotFoundException", "Event bus more does not exist.")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_served_is_refused_and_the_message_says_so() {
    let scene = Scene::new();
    scene.rule("all", &json!({ "source": ["branch"] })).await;
    let put = |target: Value| json!({ "Rule": "all", "EventBusName": "loans", "Targets": [target] });
    let with = |field: &str, value: Value| {
        let mut target = readers();
        target[field] = value;
        put(target)
    };
    let rule = |field: &str, value: Value| json!({ "Name": "x", "EventPattern": "{}", field: value });
    let lambda = "arn:aws:lambda:eu-central-1:123456789012:function:f";
    for (operation, request, named) in [
        ("PutTargets", with("Arn", json!(lambda)), "queues only"),
        (
            "PutTargets",
            with("InputTransformer", json!({})),
            "InputTransformer is not served here",
        ),
        (
            "PutTargets",
            with("SqsParameters", json!({})),
            "SqsParameters is not served here",
        ),
        (
            "PutTargets",
            with("InputPath", json!("$.detail[0]")),
            "InputPath $.detail[0] is not served here",
        ),
        (
            "PutRule",
            rule("ScheduleExpression", json!("rate(1 minute)")),
            "ScheduleExpression is not served here",
        ),
        ("PutRule", rule("Tags", json!([])), "Tags is not served here"),
        (
            "CreateEventBus",
            json!({ "Name": "k", "KmsKeyIdentifier": "k" }),
            "KmsKeyIdentifier is not served here",
        ),
        (
            "PutEvents",
            json!({ "Entries": [entry(&json!({}))], "EndpointId": "e" }),
            "EndpointId is not served here",
        ),
    ] {
        let (error, message) = scene.refused(operation, &request).await;
        assert_eq!(error, "ValidationException", "{operation} {request}");
        assert!(message.contains(named), "{message}");
    }
    let (error, message) = scene.refused("CreateArchive", &json!({})).await;
    assert_eq!(error, "UnknownOperationException");
    assert!(
        message.starts_with("CreateArchive is not served here; PutEvents,"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rule_has_five_targets_at_most_and_a_bus_300_rules() {
    let scene = Scene::new();
    for n in 0..300 {
        scene
            .rule(&format!("rule-{n}"), &json!({ "source": ["branch"] }))
            .await;
    }
    let one_more =
        json!({ "Name": "one-more", "EventBusName": "loans", "EventPattern": r#"{"source":["branch"]}"# });
    assert_eq!(
        scene.refused("PutRule", &one_more).await.0,
        "LimitExceededException"
    );
    let target = |n: usize| json!({ "Id": format!("t{n}"), "Arn": queue("readers") });
    let targets: Vec<_> = (0..6).map(target).collect();
    let request = json!({ "Rule": "rule-0", "EventBusName": "loans", "Targets": targets });
    assert_eq!(
        scene.refused("PutTargets", &request).await.0,
        "LimitExceededException"
    );
}

#[tokio::test(start_paused = true)]
async fn buses_rules_and_targets_survive_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    {
        let scene = Scene::kept_in(&file);
        scene.done("CreateEventBus", &json!({ "Name": "loans" })).await;
        scene.rule("all", &json!({ "source": ["branch"] })).await;
        scene.target("all", &readers()).await;
        scene.rule("gone", &json!({ "source": ["branch"] })).await;
        scene
            .done("DeleteRule", &json!({ "Name": "gone", "EventBusName": "loans" }))
            .await;
    }
    let scene = Scene::kept_in(&file);
    scene.put(&entry(&json!({}))).await;
    assert_eq!(scene.received("readers").await.len(), 1);
    let rules = scene.done("ListRules", &json!({ "EventBusName": "loans" })).await;
    assert_eq!(rules["Rules"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_file_of_an_earlier_version_says_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event-buses.jsonl");
    let bus = r#"{"Bus":{"name":"branches","created_ms":1}}"#;
    std::fs::write(&file, format!("{bus}\n{{\"Bus\":{{\"na")).unwrap();
    let scene = Scene::kept_in(&folder.path().join("store"));
    scene.eventbridge.take_up(&file).unwrap();
    let buses = scene
        .done("ListEventBuses", &json!({ "NamePrefix": "bran" }))
        .await;
    assert_eq!(buses["EventBuses"].as_array().unwrap().len(), 1);

    std::fs::write(&file, "dear all\n").unwrap();
    let error = scene.eventbridge.take_up(&file).unwrap_err().to_string();
    assert!(error.contains("holds no event buses in line 1"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear all\n");
}
