//! The AWS JSON protocol: JSON in, JSON out, as SDKs write and read it.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use embedded_sqs::Operation;
use serde_json::{Value, json};
use support::json::{JOBS, call, ok, on_jobs, receipt_handle, refused};
use support::{START_S, message, service, service_with_dead_letters, service_with_jobs};

mod support;

#[tokio::test(start_paused = true)]
async fn a_queue_is_created_found_and_listed() {
    let sqs = service();
    assert_eq!(
        ok(&sqs, "ListQueues", json!({})).await,
        json!({}),
        "AWS leaves out a list with nothing in it"
    );
    let created = ok(
        &sqs,
        "CreateQueue",
        json!({ "QueueName": "jobs", "tags": { "team": "a" } }),
    )
    .await;
    assert_eq!(created, json!({ "QueueUrl": JOBS }));
    assert_eq!(
        ok(&sqs, "GetQueueUrl", json!({ "QueueName": "jobs" })).await,
        created
    );
    assert_eq!(
        ok(&sqs, "ListQueues", json!({})).await,
        json!({ "QueueUrls": [JOBS] })
    );
    let tags = ok(&sqs, "ListQueueTags", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(tags, json!({ "Tags": { "team": "a" } }));
}

#[tokio::test(start_paused = true)]
async fn queues_are_listed_by_prefix_and_page() {
    let sqs = service();
    for name in ["a1", "a2", "a3", "b1"] {
        ok(&sqs, "CreateQueue", json!({ "QueueName": name })).await;
    }
    let mut pages = Vec::new();
    let mut token = Value::Null;
    loop {
        let request = json!({ "QueueNamePrefix": "a", "MaxResults": 2, "NextToken": token });
        let page = ok(&sqs, "ListQueues", request).await;
        pages.push(page["QueueUrls"].as_array().unwrap().len());
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(pages, [2, 1]);
    assert_eq!(
        refused(&sqs, "ListQueues", json!({ "MaxResults": 0 })).await,
        "InvalidParameterValueException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_not_given_out_for_a_listing_is_refused() {
    let sqs = service_with_dead_letters();
    let dead_letters = sqs.queue_url("jobs-dlq");
    let first = ok(
        &sqs,
        "ListQueues",
        json!({ "QueueNamePrefix": "jobs", "MaxResults": 1 }),
    )
    .await;
    let of_another_listing = first["NextToken"].as_str().unwrap();
    for token in ["@@@", "jobs", "am9icw==", of_another_listing] {
        for (operation, mut request) in [
            ("ListQueues", json!({ "MaxResults": 1 })),
            (
                "ListDeadLetterSourceQueues",
                json!({ "QueueUrl": dead_letters, "MaxResults": 1 }),
            ),
        ] {
            request["NextToken"] = token.into();
            let error = refused(&sqs, operation, request).await;
            assert_eq!(error, "InvalidParameterValueException", "{operation} {token}");
        }
    }
    // A client that begins may say so with an empty token, and a queue that is gone has its place in the order.
    let begun = json!({ "QueueNamePrefix": "jobs", "MaxResults": 1, "NextToken": "" });
    assert_eq!(ok(&sqs, "ListQueues", begun).await, first);
    ok(&sqs, "DeleteQueue", json!({ "QueueUrl": JOBS })).await;
    let next = json!({ "QueueNamePrefix": "jobs", "MaxResults": 1, "NextToken": of_another_listing });
    assert_eq!(
        ok(&sqs, "ListQueues", next).await,
        json!({ "QueueUrls": [dead_letters] })
    );
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_every_message_and_a_deletion_the_queue() {
    let sqs = service_with_jobs();
    for body in ["a", "b"] {
        sqs.send("jobs", message(body)).unwrap();
    }
    receipt_handle(&sqs).await;
    ok(&sqs, "PurgeQueue", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(sqs.counts("jobs"), Some(embedded_sqs::Counts::default()));
    ok(&sqs, "DeleteQueue", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(sqs.counts("jobs"), None);
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_over_the_wire_and_back_with_all_that_it_carries() {
    let sqs = service_with_jobs();
    let sent = ok(
        &sqs,
        "SendMessage",
        json!({
            "QueueUrl": JOBS,
            "MessageBody": "hello",
            "MessageAttributes": {
                "tenant": { "DataType": "String", "StringValue": "acme" },
                "count": { "DataType": "Number.int", "StringValue": "42" },
                "bin": { "DataType": "Binary", "BinaryValue": "AQID" },
            },
            "MessageSystemAttributes": {
                "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" },
            },
        }),
    )
    .await;
    assert_eq!(sent["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
    // `printf '\0\0\0\003bin\0\0\0\006Binary\002\0\0\0\003\001\002\003…' | md5sum`, see the unit tests.
    assert_eq!(sent["MD5OfMessageAttributes"], "5c871d214c6342f872147685b198aa23");
    // `printf '\0\0\0\016AWSTraceHeader\0\0\0\006String\001\0\0\0\006Root=1' | md5sum`
    assert_eq!(
        sent["MD5OfMessageSystemAttributes"],
        "d6619b3d47b81d3fc72c0db005a70eda"
    );

    let request = json!({
        "QueueUrl": JOBS,
        "MessageSystemAttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    });
    let received = ok(&sqs, "ReceiveMessage", request).await;

    let received = &received["Messages"][0];
    assert_eq!(received["MessageId"], sent["MessageId"]);
    assert_eq!(received["Body"], "hello");
    assert_eq!(received["MD5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(received["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    assert_eq!(
        received["MessageAttributes"]["bin"],
        json!({ "DataType": "Binary", "BinaryValue": "AQID" })
    );
    let start_ms = (START_S * 1000).to_string();
    let system = &received["Attributes"];
    assert_eq!(system["SentTimestamp"], start_ms);
    assert_eq!(system["ApproximateFirstReceiveTimestamp"], start_ms);
    assert_eq!(system["ApproximateReceiveCount"], "1");
    assert_eq!(system["AWSTraceHeader"], "Root=1");
    assert!(system["SenderId"].is_string());
    assert_eq!(system.get("DeadLetterQueueSourceArn"), None);
}

#[tokio::test(start_paused = true)]
async fn a_receive_tells_the_attributes_that_it_asked_for_and_their_own_digest() {
    let sqs = service_with_jobs();
    let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let attributes = json!({ "job.id": text("1"), "job.kind": text("2"), "tenant": text("acme") });
    let send = json!({ "QueueUrl": JOBS, "MessageBody": "x", "MessageAttributes": attributes });
    ok(&sqs, "SendMessage", send).await;
    let receive = |names: Value| {
        json!({
            "QueueUrl": JOBS,
            "VisibilityTimeout": 0,
            "MessageAttributeNames": names,
            "AttributeNames": ["ApproximateReceiveCount"],
        })
    };
    for (names, expected) in [
        (json!([]), vec![]),
        (json!(["tenant"]), vec!["tenant"]),
        (json!(["job.*"]), vec!["job.id", "job.kind"]),
        (json!([".*"]), vec!["job.id", "job.kind", "tenant"]),
        (json!(["*"]), vec!["job.id", "job.kind", "tenant"]),
        (json!(["All"]), vec!["job.id", "job.kind", "tenant"]),
        (json!(["jo.*"]), vec!["job.id", "job.kind"]),
        (json!(["AWS."]), vec![]),
        (json!(["other"]), vec![]),
    ] {
        let received = ok(&sqs, "ReceiveMessage", receive(names)).await;
        let received = &received["Messages"][0];
        let told = received["MessageAttributes"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        assert_eq!(told.keys().collect::<Vec<_>>(), expected);
        assert_eq!(
            received.get("MD5OfMessageAttributes").is_some(),
            !expected.is_empty()
        );
        assert_eq!(received["Attributes"].as_object().unwrap().len(), 1);
    }
    let unknown = json!({ "QueueUrl": JOBS, "MessageSystemAttributeNames": ["Colour"] });
    assert_eq!(
        refused(&sqs, "ReceiveMessage", unknown).await,
        "InvalidAttributeName"
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_receive_answers_without_messages() {
    let sqs = service_with_jobs();
    assert_eq!(
        ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": JOBS })).await,
        json!({})
    );
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_names_no_wait_waits_as_long_as_its_queue_says() {
    let sqs = service_with_jobs();
    let attributes = json!({ "ReceiveMessageWaitTimeSeconds": "7" });
    ok(
        &sqs,
        "SetQueueAttributes",
        json!({ "QueueUrl": JOBS, "Attributes": attributes }),
    )
    .await;
    let start = tokio::time::Instant::now();
    ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(start.elapsed().as_secs(), 7);
    ok(
        &sqs,
        "ReceiveMessage",
        json!({ "QueueUrl": JOBS, "WaitTimeSeconds": 0 }),
    )
    .await;
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_found_by_the_last_segment_of_its_url() {
    let sqs = service_with_jobs();
    for url in [
        "https://sqs.eu-central-1.amazonaws.com/999999999999/jobs",
        "/jobs",
        "jobs",
    ] {
        ok(
            &sqs,
            "SendMessage",
            json!({ "QueueUrl": url, "MessageBody": "x" }),
        )
        .await;
    }
    assert_eq!(sqs.counts("jobs").unwrap().visible, 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_and_its_visibility_changed_over_the_wire() {
    let sqs = service_with_jobs();
    sqs.send("jobs", message("x")).unwrap();
    let handle = receipt_handle(&sqs).await;
    let change = json!({ "QueueUrl": JOBS, "ReceiptHandle": handle, "VisibilityTimeout": 0 });
    assert_eq!(
        ok(&sqs, "ChangeMessageVisibility", change.clone()).await,
        json!({})
    );
    // Its timeout has passed, and AWS accepts that.
    assert_eq!(ok(&sqs, "ChangeMessageVisibility", change).await, json!({}));
    let delete = json!({ "QueueUrl": JOBS, "ReceiptHandle": handle });
    assert_eq!(ok(&sqs, "DeleteMessage", delete).await, json!({}));
    assert_eq!(sqs.counts("jobs").unwrap().visible, 0);
}

#[tokio::test(start_paused = true)]
async fn batches_tell_the_outcome_of_each_entry() {
    let sqs = service_with_jobs();
    let entries = json!([
        { "Id": "good", "MessageBody": "a" },
        { "Id": "bad", "MessageBody": "\u{1}" },
        { "Id": "late", "MessageBody": "b", "DelaySeconds": 901 },
    ]);
    let sent = ok(
        &sqs,
        "SendMessageBatch",
        json!({ "QueueUrl": JOBS, "Entries": entries }),
    )
    .await;
    assert_eq!(sent["Successful"][0]["Id"], "good");
    assert_eq!(sent["Failed"][0]["Code"], "InvalidMessageContents");
    assert_eq!(sent["Failed"][1]["Code"], "InvalidParameterValue");
    assert_eq!(sent["Failed"][1]["SenderFault"], true);

    let handle = receipt_handle(&sqs).await;
    let entries = json!([
        { "Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": 60 },
        { "Id": "2", "ReceiptHandle": "nonsense", "VisibilityTimeout": 60 },
    ]);
    for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let answer = ok(&sqs, operation, json!({ "QueueUrl": JOBS, "Entries": entries })).await;
        assert_eq!(answer["Successful"], json!([{ "Id": "1" }]), "{operation}");
        assert_eq!(answer["Failed"][0]["Id"], "2");
        assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    }
    assert_eq!(sqs.totals().deletes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_wrong_as_a_whole_is_refused_as_a_whole() {
    let sqs = service_with_jobs();
    let entry = |id: &str, body: &str| json!({ "Id": id, "MessageBody": body });
    let eleven: Vec<Value> = (0..11).map(|id| entry(&id.to_string(), "x")).collect();
    let half = "x".repeat(512 * 1024);
    for (entries, error) in [
        (json!([]), "EmptyBatchRequest"),
        (json!(eleven), "TooManyEntriesInBatchRequest"),
        (
            json!([entry("a", "x"), entry("a", "y")]),
            "BatchEntryIdsNotDistinct",
        ),
        (json!([entry("a b", "x")]), "InvalidBatchEntryId"),
        (json!([entry("", "x")]), "InvalidBatchEntryId"),
        (json!([entry(&"x".repeat(81), "x")]), "InvalidBatchEntryId"),
        (
            json!([{ "MessageBody": "x" }]),
            "MissingRequiredParameterException",
        ),
        (
            json!([entry("a", &half), entry("b", &half), entry("c", "x")]),
            "BatchRequestTooLong",
        ),
    ] {
        let request = json!({ "QueueUrl": JOBS, "Entries": entries });
        assert_eq!(refused(&sqs, "SendMessageBatch", request).await, error);
    }
    assert_eq!(sqs.counts("jobs").unwrap().visible, 0);
    let fits = json!({ "QueueUrl": JOBS, "Entries": [entry("a", &half), entry("b", &half)] });
    ok(&sqs, "SendMessageBatch", fits).await;
    assert_eq!(sqs.totals().billing_units, 1 + 8 + 16);
}

#[tokio::test(start_paused = true)]
async fn an_error_has_the_names_of_both_protocols() {
    let sqs = service();
    let answer = call(
        &sqs,
        "SendMessage",
        json!({ "QueueUrl": JOBS, "MessageBody": "x" }),
    )
    .await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    assert_eq!(
        answer.error_type.as_deref(),
        Some("AWS.SimpleQueueService.NonExistentQueue;Sender")
    );
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .starts_with("The specified queue does not exist")
    );
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_wrong_in_itself_is_refused_by_what_is_wrong() {
    const INVALID: &str = "InvalidParameterValueException";
    const MISSING: &str = "MissingRequiredParameterException";
    const UNSUPPORTED: &str = "UnsupportedOperation";
    let sqs = service_with_jobs();
    let with = |member: &str, value: Value| on_jobs(json!({ "MessageBody": "x", member: value }));
    let attribute = |value: Value| with("MessageAttributes", json!({ "a": value }));
    let text = json!({ "DataType": "String", "StringValue": "x" });
    for (request, error) in [
        (json!({ "MessageBody": "x" }), MISSING),
        (on_jobs(json!({})), MISSING),
        (with("MessageBody", json!("\u{1}")), "InvalidMessageContents"),
        (with("DelaySeconds", json!(-1)), INVALID),
        (with("DelaySeconds", json!("1")), "SerializationException"),
        (with("MessageGroupId", json!("g")), UNSUPPORTED),
        (with("MessageGroupId", json!("")), INVALID),
        (with("MessageGroupId", json!("a b")), INVALID),
        (with("MessageGroupId", json!("x".repeat(129))), INVALID),
        (with("MessageDeduplicationId", json!("d")), INVALID),
        (with("MessageSystemAttributes", json!({ "Other": text })), INVALID),
        (attribute(json!({ "StringValue": "x" })), MISSING),
        (attribute(json!({ "DataType": "String" })), INVALID),
        (
            attribute(json!({ "DataType": "Binary", "BinaryValue": "?" })),
            "SerializationException",
        ),
        (
            attribute(json!({ "DataType": "String", "StringListValues": ["x"] })),
            UNSUPPORTED,
        ),
    ] {
        assert_eq!(
            refused(&sqs, "SendMessage", request.clone()).await,
            error,
            "{request}"
        );
    }
    let answer = sqs.handle("SendMessage", b"{").await;
    assert_eq!(
        answer.error_type.as_deref(),
        Some("SerializationException;Sender")
    );
    assert_eq!(sqs.totals().sends, 0);
}

#[tokio::test(start_paused = true)]
async fn a_character_that_sqs_does_not_carry_is_refused_wherever_it_stands_and_one_beside_it_is_not() {
    let sqs = service_with_jobs();
    let attribute = |data_type: &str, text: &str| json!({ "DataType": data_type, "StringValue": text });
    let with = |part: &str, text: &str| match part {
        "body" => json!({ "MessageBody": text }),
        "trace" => json!({
            "MessageBody": "x", "MessageSystemAttributes": { "AWSTraceHeader": attribute("String", text) },
        }),
        data_type => json!({ "MessageBody": "x", "MessageAttributes": { "a": attribute(data_type, text) } }),
    };
    let parts = ["body", "String", "String.note", "trace"];
    // AWS speaks of contents where it means a body or a header, and of a parameter where it means an attribute.
    let is_attribute = |part: &str| part.starts_with("String");
    for part in parts {
        for character in [
            "\u{0}", "\u{8}", "\u{b}", "\u{c}", "\u{e}", "\u{1f}", "\u{fffe}", "\u{ffff}",
        ] {
            let message = on_jobs(with(part, &format!("a{character}")));
            let error = refused(&sqs, "SendMessage", message).await;
            let expected = if is_attribute(part) {
                "InvalidParameterValueException"
            } else {
                "InvalidMessageContents"
            };
            assert_eq!(error, expected, "{character:?} in {part}");
        }
        for character in [
            "\t",
            "\n",
            "\r",
            " ",
            "\u{7f}",
            "\u{d7ff}",
            "\u{e000}",
            "\u{fffd}",
            "\u{10000}",
            "\u{10ffff}",
        ] {
            ok(&sqs, "SendMessage", on_jobs(with(part, &format!("a{character}")))).await;
        }
    }
    // In a batch it is the entry's own trouble.
    let entries = parts.into_iter().enumerate().map(|(id, part)| {
        let mut entry = with(part, "\u{ffff}");
        entry["Id"] = json!(id.to_string());
        entry
    });
    let mut entries: Vec<_> = entries.collect();
    entries.push(json!({ "Id": "good", "MessageBody": r#""\uffff""# }));
    let sent = ok(&sqs, "SendMessageBatch", on_jobs(json!({ "Entries": entries }))).await;
    assert_eq!(
        sent["Successful"][0]["Id"], "good",
        "an escape is as good as any text"
    );
    let failed = sent["Failed"].as_array().expect("there are some");
    assert_eq!(failed.len(), parts.len());
    for (entry, part) in failed.iter().zip(parts) {
        let expected = if is_attribute(part) {
            "InvalidParameterValue"
        } else {
            "InvalidMessageContents"
        };
        assert_eq!(entry["Code"], expected);
        assert_eq!(entry["SenderFault"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_wrong_in_itself_is_refused_by_what_is_wrong() {
    const INVALID: &str = "InvalidParameterValueException";
    const MISSING: &str = "MissingRequiredParameterException";
    let sqs = service_with_jobs();
    for (operation, request, error) in [
        ("Nonsense", json!({}), "UnknownOperationException"),
        ("AddPermission", json!({}), MISSING),
        ("RemovePermission", json!({}), MISSING),
        ("CreateQueue", json!({}), MISSING),
        (
            "CreateQueue",
            json!({ "QueueName": "jobs.fifo" }),
            "UnsupportedOperation",
        ),
        ("CreateQueue", json!({ "QueueName": 7 }), "SerializationException"),
        (
            "GetQueueUrl",
            json!({ "QueueName": "nowhere" }),
            "QueueDoesNotExist",
        ),
        ("ReceiveMessage", json!({ "MaxNumberOfMessages": 11 }), INVALID),
        ("ReceiveMessage", json!({ "MaxNumberOfMessages": -1 }), INVALID),
        ("ReceiveMessage", json!({ "WaitTimeSeconds": 21 }), INVALID),
        ("ReceiveMessage", json!({ "VisibilityTimeout": 43201 }), INVALID),
        (
            "DeleteMessage",
            json!({ "ReceiptHandle": "nonsense" }),
            "ReceiptHandleIsInvalid",
        ),
        ("DeleteMessage", json!({}), MISSING),
        (
            "ChangeMessageVisibility",
            json!({ "ReceiptHandle": "x" }),
            MISSING,
        ),
        ("TagQueue", json!({}), MISSING),
        ("UntagQueue", json!({}), MISSING),
        ("SetQueueAttributes", json!({}), MISSING),
    ] {
        let request = on_jobs(request);
        assert_eq!(
            refused(&sqs, operation, request.clone()).await,
            error,
            "{operation} {request}"
        );
    }
    assert_eq!(sqs.totals().requests[&Operation::DeleteMessage], 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_batch_has_no_list_with_nothing_in_it() {
    let sqs = service_with_jobs();
    let batch = |body: &str| on_jobs(json!({ "Entries": [{ "Id": "1", "MessageBody": body }] }));
    let sent = ok(&sqs, "SendMessageBatch", batch("x")).await;
    assert_eq!(
        sent.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["Successful"]
    );
    let failed = ok(&sqs, "SendMessageBatch", batch("\u{1}")).await;
    assert_eq!(failed.as_object().unwrap().keys().collect::<Vec<_>>(), ["Failed"]);
    let handle = receipt_handle(&sqs).await;
    let entries = json!([{ "Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": 1 }]);
    for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let answer = ok(&sqs, operation, on_jobs(json!({ "Entries": entries }))).await;
        assert_eq!(answer, json!({ "Successful": [{ "Id": "1" }] }), "{operation}");
    }
}
