//! Queue attributes, tags and permissions: told, changed, refused.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use support::json::{JOBS, ok, refused};
use support::{START_S, message, pass, service, service_with_jobs};

mod support;

#[tokio::test(start_paused = true)]
async fn all_attributes_of_a_queue_are_told() {
    let sqs = service();
    ok(&sqs, "CreateQueue", json!({ "QueueName": "jobs-dlq" })).await;
    let policy = json!({ "deadLetterTargetArn": sqs.queue_arn("jobs-dlq"), "maxReceiveCount": "5" });
    let attributes = json!({ "DelaySeconds": "1", "RedrivePolicy": policy.to_string() });
    ok(
        &sqs,
        "CreateQueue",
        json!({ "QueueName": "jobs", "Attributes": attributes }),
    )
    .await;
    ok(
        &sqs,
        "SendMessage",
        json!({ "QueueUrl": JOBS, "MessageBody": "x", "DelaySeconds": 0 }),
    )
    .await;
    ok(
        &sqs,
        "SendMessage",
        json!({ "QueueUrl": JOBS, "MessageBody": "y" }),
    )
    .await;
    ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": JOBS })).await;

    let all = ok(
        &sqs,
        "GetQueueAttributes",
        json!({ "QueueUrl": JOBS, "AttributeNames": ["All"] }),
    )
    .await;

    let told = &all["Attributes"];
    let policy: Value = serde_json::from_str(told["RedrivePolicy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["maxReceiveCount"], 5);
    assert_eq!(policy["deadLetterTargetArn"], sqs.queue_arn("jobs-dlq"));
    for (name, value) in [
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "1"),
        ("ApproximateNumberOfMessagesDelayed", "1"),
        ("CreatedTimestamp", &START_S.to_string()),
        ("LastModifiedTimestamp", &START_S.to_string()),
        ("DelaySeconds", "1"),
        ("VisibilityTimeout", "30"),
        ("MessageRetentionPeriod", "345600"),
        ("MaximumMessageSize", "1048576"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("QueueArn", "arn:aws:sqs:eu-central-1:123456789012:jobs"),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn attributes_of_a_queue_are_told_by_name_and_unknown_names_are_refused() {
    let sqs = service_with_jobs();
    let get = |names: Value| json!({ "QueueUrl": JOBS, "AttributeNames": names });
    let one = ok(
        &sqs,
        "GetQueueAttributes",
        get(json!(["VisibilityTimeout", "RedrivePolicy"])),
    )
    .await;
    assert_eq!(one, json!({ "Attributes": { "VisibilityTimeout": "30" } }));
    assert_eq!(
        ok(&sqs, "GetQueueAttributes", json!({ "QueueUrl": JOBS })).await,
        json!({})
    );
    assert_eq!(
        refused(&sqs, "GetQueueAttributes", get(json!(["Colour"]))).await,
        "InvalidAttributeName"
    );
}

#[tokio::test(start_paused = true)]
async fn attributes_of_a_queue_can_be_changed() {
    let sqs = service_with_jobs();
    pass(10).await;
    let set = |attributes: Value| json!({ "QueueUrl": JOBS, "Attributes": attributes });
    let changes = json!({ "VisibilityTimeout": "5", "ReceiveMessageWaitTimeSeconds": "20" });
    ok(&sqs, "SetQueueAttributes", set(changes)).await;
    let names = json!(["VisibilityTimeout", "LastModifiedTimestamp"]);
    let told = ok(
        &sqs,
        "GetQueueAttributes",
        json!({ "QueueUrl": JOBS, "AttributeNames": names }),
    )
    .await;
    let expected = json!({ "VisibilityTimeout": "5", "LastModifiedTimestamp": (START_S + 10).to_string() });
    assert_eq!(told["Attributes"], expected);

    for (attributes, error) in [
        (json!({ "VisibilityTimeout": "43201" }), "InvalidAttributeValue"),
        (json!({ "DelaySeconds": "-1" }), "InvalidAttributeValue"),
        (json!({ "Policy": "nonsense" }), "InvalidAttributeValue"),
        (json!({ "QueueArn": "arn" }), "InvalidAttributeName"),
        (json!({ "FifoQueue": "true" }), "InvalidAttributeName"),
    ] {
        assert_eq!(refused(&sqs, "SetQueueAttributes", set(attributes)).await, error);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_retention_period_holds_for_messages_that_are_there() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("old")).unwrap();
    pass(60).await;
    let attributes = json!({ "MessageRetentionPeriod": "60" });
    ok(
        &sqs,
        "SetQueueAttributes",
        json!({ "QueueUrl": JOBS, "Attributes": attributes }),
    )
    .await;
    assert_eq!(sqs.counts("jobs").unwrap().visible, 0);
}

#[tokio::test(start_paused = true)]
async fn tags_are_added_and_taken_away() {
    let sqs = service_with_jobs();
    ok(
        &sqs,
        "TagQueue",
        json!({ "QueueUrl": JOBS, "Tags": { "a": "1", "b": "2" } }),
    )
    .await;
    ok(
        &sqs,
        "TagQueue",
        json!({ "QueueUrl": JOBS, "Tags": { "b": "3" } }),
    )
    .await;
    ok(&sqs, "UntagQueue", json!({ "QueueUrl": JOBS, "TagKeys": ["a"] })).await;
    let tags = ok(&sqs, "ListQueueTags", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(tags, json!({ "Tags": { "b": "3" } }));
}

#[tokio::test(start_paused = true)]
async fn creating_a_queue_compares_the_attributes_that_are_given() {
    let sqs = service();
    let create = |attributes: Value| json!({ "QueueName": "jobs", "Attributes": attributes });
    ok(
        &sqs,
        "CreateQueue",
        create(json!({ "VisibilityTimeout": "60", "Policy": "{}" })),
    )
    .await;
    ok(&sqs, "CreateQueue", create(json!({}))).await;
    ok(&sqs, "CreateQueue", create(json!({ "VisibilityTimeout": "60" }))).await;
    for other in [json!({ "VisibilityTimeout": "61" }), json!({ "Policy": "{ }" })] {
        assert_eq!(
            refused(&sqs, "CreateQueue", create(other)).await,
            "QueueNameExists"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_has_fifty_tags_and_their_keys_and_values_have_their_limits() {
    const INVALID: &str = "InvalidParameterValueException";
    let sqs = service_with_jobs();
    let tag = |tags: Value| json!({ "QueueUrl": JOBS, "Tags": tags });
    let key = |length: usize| "k".repeat(length);
    ok(&sqs, "TagQueue", tag(json!({ key(128): "v".repeat(256) }))).await;
    for wrong in [
        json!({ "": "v" }),
        json!({ key(129): "v" }),
        json!({ "k": "v".repeat(257) }),
        json!({ "AWS:k": "v" }),
    ] {
        assert_eq!(
            refused(&sqs, "TagQueue", tag(wrong.clone())).await,
            INVALID,
            "{wrong}"
        );
        let create = json!({ "QueueName": "new", "tags": wrong });
        assert_eq!(refused(&sqs, "CreateQueue", create).await, INVALID, "{wrong}");
    }
    let many: serde_json::Map<_, _> = (0..50).map(|number| (number.to_string(), json!("v"))).collect();
    assert_eq!(
        refused(&sqs, "TagQueue", tag(json!(many))).await,
        INVALID,
        "with the one that is there, 51"
    );
    ok(
        &sqs,
        "UntagQueue",
        json!({ "QueueUrl": JOBS, "TagKeys": [key(128)] }),
    )
    .await;
    ok(&sqs, "TagQueue", tag(json!(many))).await;
    ok(&sqs, "TagQueue", tag(json!({ "7": "another value" }))).await;
}

#[tokio::test(start_paused = true)]
async fn a_permission_is_a_statement_of_the_policy_until_it_is_taken_away() {
    let sqs = service_with_jobs();
    let add = |label: &str, accounts: Value, actions: Value| json!({ "QueueUrl": JOBS, "Label": label, "AWSAccountIds": accounts, "Actions": actions });
    let policy = async || {
        let request = json!({ "QueueUrl": JOBS, "AttributeNames": ["Policy"] });
        let told = ok(&sqs, "GetQueueAttributes", request).await;
        let text = told["Attributes"]["Policy"].as_str().map(str::to_owned);
        text.map(|text| serde_json::from_str::<Value>(&text).unwrap())
    };
    let two = json!(["111111111111", "222222222222"]);
    ok(&sqs, "AddPermission", add("both", two, json!(["ReceiveMessage"]))).await;
    let one = json!(["111111111111"]);
    let actions = json!(["SendMessage", "*"]);
    ok(&sqs, "AddPermission", add("one", one.clone(), actions)).await;
    let arn = sqs.queue_arn("jobs");
    let told = policy().await.unwrap();
    assert_eq!(told["Id"], format!("{arn}/SQSDefaultPolicy"));
    let root = |account: &str| format!("arn:aws:iam::{account}:root");
    let both = json!({
        "Sid": "both", "Effect": "Allow", "Action": "SQS:ReceiveMessage", "Resource": arn,
        "Principal": { "AWS": [root("111111111111"), root("222222222222")] },
    });
    let alone = json!({
        "Sid": "one", "Effect": "Allow", "Action": ["SQS:SendMessage", "SQS:*"], "Resource": arn,
        "Principal": { "AWS": root("111111111111") },
    });
    assert_eq!(told["Statement"], json!([both, alone]));

    let again = add("one", one.clone(), json!(["*"]));
    let error = refused(&sqs, "AddPermission", again).await;
    assert_eq!(error, "InvalidParameterValueException");
    for label in ["both", "one"] {
        ok(
            &sqs,
            "RemovePermission",
            json!({ "QueueUrl": JOBS, "Label": label }),
        )
        .await;
    }
    assert_eq!(policy().await, None);
    let error = refused(
        &sqs,
        "RemovePermission",
        json!({ "QueueUrl": JOBS, "Label": "one" }),
    )
    .await;
    assert_eq!(error, "InvalidParameterValueException");
}

#[tokio::test(start_paused = true)]
async fn a_permission_is_refused_by_what_is_wrong_with_it() {
    const INVALID: &str = "InvalidParameterValueException";
    const MISSING: &str = "MissingRequiredParameterException";
    let sqs = service_with_jobs();
    let right = json!({
        "QueueUrl": JOBS, "Label": "l", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"],
    });
    for (member, value, error) in [
        ("Label", json!(""), MISSING),
        ("Label", json!("a b"), INVALID),
        ("Label", json!("x".repeat(81)), INVALID),
        ("AWSAccountIds", json!([]), MISSING),
        ("AWSAccountIds", json!(["12"]), INVALID),
        ("Actions", json!([]), MISSING),
        ("Actions", json!(["Shout"]), INVALID),
        ("Actions", json!(vec!["SendMessage"; 8]), "OverLimit"),
    ] {
        let mut request = right.clone();
        request[member] = value;
        assert_eq!(
            refused(&sqs, "AddPermission", request.clone()).await,
            error,
            "{request}"
        );
    }
    for label in 0..20 {
        let mut request = right.clone();
        request["Label"] = json!(label.to_string());
        ok(&sqs, "AddPermission", request).await;
    }
    assert_eq!(refused(&sqs, "AddPermission", right).await, "OverLimit");
}
