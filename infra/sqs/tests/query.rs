//! The Query protocol: a form in, XML out, as SDKs and CLIs of before 2024 write and read it.

// A test that panics has failed, which is what an unwrap in one is for.
#![allow(clippy::unwrap_used)]

use embedded_sqs::{QueueAttributes, Sqs};
use http::{Method, Request, Response};
use serde_json::json;
use support::json::{JOBS, ok as json_ok};
use support::{START_S, message, pass, service, service_with_jobs};

mod support;

const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// What was answered.
#[derive(Debug)]
struct Told {
    status: u16,
    xml: String,
}

impl Told {
    async fn by(sqs: &Sqs, request: Request<Vec<u8>>) -> Self {
        let response: Response<Vec<u8>> = sqs.answer(&request, "r-1").await;
        assert_eq!(response.headers()["content-type"], "text/xml");
        Self {
            status: response.status().as_u16(),
            xml: String::from_utf8(response.into_body()).unwrap(),
        }
    }

    /// The texts of all elements of that name, in order.
    fn all(&self, name: &str) -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.xml.split(open.as_str()).skip(1);
        parts
            .map(|part| part.split(close.as_str()).next().unwrap())
            .collect()
    }

    fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.xml);
        all[0]
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters).finish()
}

fn post(path: &str, parameters: &[(&str, &str)]) -> Request<Vec<u8>> {
    let request = Request::post(path)
        .header("content-type", FORM)
        .header("authorization", "AWS4-HMAC-SHA256 any");
    request.body(form(parameters).into_bytes()).unwrap()
}

async fn ask(sqs: &Sqs, action: &str, parameters: &[(&str, &str)]) -> Told {
    let mut all = vec![("Action", action), ("Version", "2012-11-05")];
    all.extend_from_slice(parameters);
    Told::by(sqs, post("/", &all)).await
}

/// What a request is answered that works, after a look at the form that all answers have.
async fn ok(sqs: &Sqs, action: &str, parameters: &[(&str, &str)]) -> Told {
    let told = ask(sqs, action, parameters).await;
    assert_eq!(told.status, 200, "{}", told.xml);
    let head = format!("<?xml version=\"1.0\"?>\n<{action}Response xmlns=\"{NAMESPACE}\">");
    assert!(told.xml.starts_with(&head), "{}", told.xml);
    let tail = format!("<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{action}Response>");
    assert!(told.xml.ends_with(&tail), "{}", told.xml);
    told
}

async fn on_jobs(sqs: &Sqs, action: &str, parameters: &[(&str, &str)]) -> Told {
    let mut all = vec![("QueueUrl", JOBS)];
    all.extend_from_slice(parameters);
    ok(sqs, action, &all).await
}

/// The status and code of a refusal, after a look at the form that all refusals have.
async fn refused(sqs: &Sqs, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let told = ask(sqs, action, parameters).await;
    let head = format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>"
    );
    assert!(told.xml.starts_with(&head), "{}", told.xml);
    let tail = "<Detail/></Error><RequestId>r-1</RequestId></ErrorResponse>";
    assert!(told.xml.ends_with(tail), "{}", told.xml);
    assert!(!told.one("Message").is_empty());
    (told.status, told.one("Code").to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_created_found_listed_and_deleted() {
    let sqs = service();
    let tagged = [
        ("QueueName", "jobs"),
        ("Attribute.1.Name", "VisibilityTimeout"),
        ("Attribute.1.Value", "60"),
        ("Attribute.2.Name", "DelaySeconds"),
        ("Attribute.2.Value", "5"),
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "a"),
    ];
    let created = ok(&sqs, "CreateQueue", &tagged).await;
    assert!(created.xml.contains(&format!(
        "<CreateQueueResult><QueueUrl>{JOBS}</QueueUrl></CreateQueueResult>"
    )));
    let found = ok(&sqs, "GetQueueUrl", &[("QueueName", "jobs")]).await;
    assert_eq!(found.one("QueueUrl"), JOBS);
    let told = on_jobs(
        &sqs,
        "GetQueueAttributes",
        &[
            ("AttributeName.1", "VisibilityTimeout"),
            ("AttributeName.2", "DelaySeconds"),
        ],
    )
    .await;
    assert_eq!(told.all("Name"), ["DelaySeconds", "VisibilityTimeout"]);
    assert_eq!(told.all("Value"), ["5", "60"]);
    let tags = on_jobs(&sqs, "ListQueueTags", &[]).await;
    assert_eq!(tags.one("Tag"), "<Key>team</Key><Value>a</Value>");
    on_jobs(&sqs, "DeleteQueue", &[]).await;
    let none = ok(&sqs, "ListQueues", &[]).await;
    assert!(none.xml.contains("<ListQueuesResult/>"), "{}", none.xml);
}

#[tokio::test(start_paused = true)]
async fn queues_are_listed_page_by_page() {
    let sqs = service();
    for name in ["a1", "a2", "a3", "b1"] {
        ok(&sqs, "CreateQueue", &[("QueueName", name)]).await;
    }
    let asked = [("QueueNamePrefix", "a"), ("MaxResults", "2")];
    let first = ok(&sqs, "ListQueues", &asked).await;
    assert_eq!(first.all("QueueUrl").len(), 2);
    let next = [asked[0], asked[1], ("NextToken", first.one("NextToken"))];
    let second = ok(&sqs, "ListQueues", &next).await;
    assert_eq!(second.one("QueueUrl"), sqs.queue_url("a3"));
    assert_eq!(second.all("NextToken"), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_not_given_out_is_refused_in_this_protocol_too() {
    let sqs = service_with_jobs();
    let refusal = (400, "InvalidParameterValue".to_owned());
    let token = ("NextToken", "@@@");
    assert_eq!(refused(&sqs, "ListQueues", &[token]).await, refusal);
    let sources = [("QueueUrl", JOBS), token];
    assert_eq!(
        refused(&sqs, "ListDeadLetterSourceQueues", &sources).await,
        refusal
    );
}

#[tokio::test(start_paused = true)]
async fn attributes_and_tags_are_changed() {
    let sqs = service_with_jobs();
    let change = [
        ("Attribute.1.Name", "VisibilityTimeout"),
        ("Attribute.1.Value", "7"),
    ];
    on_jobs(&sqs, "SetQueueAttributes", &change).await;
    // The first clients wrote a lone attribute without a number.
    let change = [("Attribute.Name", "DelaySeconds"), ("Attribute.Value", "3")];
    on_jobs(&sqs, "SetQueueAttributes", &change).await;
    let all = on_jobs(&sqs, "GetQueueAttributes", &[("AttributeName.1", "All")]).await;
    for (name, value) in [("VisibilityTimeout", "7"), ("DelaySeconds", "3")] {
        let entry = format!("<Attribute><Name>{name}</Name><Value>{value}</Value></Attribute>");
        assert!(all.xml.contains(&entry), "{}", all.xml);
    }
    let tags = [
        ("Tag.1.Key", "a"),
        ("Tag.1.Value", "1"),
        ("Tag.2.Key", "b"),
        ("Tag.2.Value", ""),
    ];
    on_jobs(&sqs, "TagQueue", &tags).await;
    on_jobs(&sqs, "UntagQueue", &[("TagKey.1", "a")]).await;
    let tags = on_jobs(&sqs, "ListQueueTags", &[]).await;
    assert_eq!(tags.one("Tag"), "<Key>b</Key><Value/>");
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_there_and_back_with_all_that_it_carries() {
    let sqs = service_with_jobs();
    let sent = on_jobs(
        &sqs,
        "SendMessage",
        &[
            ("MessageBody", "hello"),
            ("MessageAttribute.1.Name", "tenant"),
            ("MessageAttribute.1.Value.DataType", "String"),
            ("MessageAttribute.1.Value.StringValue", "acme"),
            ("MessageAttribute.2.Name", "count"),
            ("MessageAttribute.2.Value.DataType", "Number.int"),
            ("MessageAttribute.2.Value.StringValue", "42"),
            ("MessageAttribute.10.Name", "bin"),
            ("MessageAttribute.10.Value.DataType", "Binary"),
            ("MessageAttribute.10.Value.BinaryValue", "AQID"),
            ("MessageSystemAttribute.1.Name", "AWSTraceHeader"),
            ("MessageSystemAttribute.1.Value.DataType", "String"),
            ("MessageSystemAttribute.1.Value.StringValue", "Root=1"),
        ],
    )
    .await;
    // The digests are those of the JSON protocol's test.
    assert_eq!(sent.one("MD5OfMessageBody"), "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(
        sent.one("MD5OfMessageAttributes"),
        "5c871d214c6342f872147685b198aa23"
    );
    assert_eq!(
        sent.one("MD5OfMessageSystemAttributes"),
        "d6619b3d47b81d3fc72c0db005a70eda"
    );

    let received = on_jobs(
        &sqs,
        "ReceiveMessage",
        &[
            ("AttributeName.1", "SentTimestamp"),
            ("MessageSystemAttributeName.1", "AWSTraceHeader"),
            ("MessageAttributeName.1", "tenant"),
            ("MessageAttributeName.2", "bin"),
            ("MaxNumberOfMessages", "10"),
            ("WaitTimeSeconds", "0"),
            ("VisibilityTimeout", "5"),
        ],
    )
    .await;
    assert_eq!(received.one("MessageId"), sent.one("MessageId"));
    assert_eq!(received.one("Body"), "hello");
    assert_eq!(received.one("MD5OfBody"), sent.one("MD5OfMessageBody"));
    let sent_at = (START_S * 1000).to_string();
    assert_eq!(
        received.all("Attribute"),
        [
            "<Name>AWSTraceHeader</Name><Value>Root=1</Value>".to_owned(),
            format!("<Name>SentTimestamp</Name><Value>{sent_at}</Value>")
        ]
    );
    assert_eq!(
        received.all("MessageAttribute"),
        [
            "<Name>bin</Name><Value><BinaryValue>AQID</BinaryValue><DataType>Binary</DataType></Value>",
            "<Name>tenant</Name><Value><DataType>String</DataType><StringValue>acme</StringValue></Value>",
        ]
    );
    assert_eq!(sqs.counts("jobs").unwrap().in_flight, 1);
    let handle = received.one("ReceiptHandle");
    let change = [("ReceiptHandle", handle), ("VisibilityTimeout", "0")];
    on_jobs(&sqs, "ChangeMessageVisibility", &change).await;
    assert_eq!(sqs.counts("jobs").unwrap().visible, 1);
    on_jobs(&sqs, "DeleteMessage", &[("ReceiptHandle", handle)]).await;
    let empty = on_jobs(&sqs, "ReceiveMessage", &[]).await;
    assert!(empty.xml.contains("<ReceiveMessageResult/>"), "{}", empty.xml);
}

/// A reader of XML takes a raw carriage return for a line feed, and markup for markup.
#[tokio::test(start_paused = true)]
async fn a_body_comes_back_character_for_character() {
    let sqs = service_with_jobs();
    let body = "<a href=\"x\">&amp; 'b'</a>\r\n\t\u{e9}\u{1f600} %41+";
    on_jobs(&sqs, "SendMessage", &[("MessageBody", body)]).await;
    let received = on_jobs(&sqs, "ReceiveMessage", &[("VisibilityTimeout", "0")]).await;
    assert_eq!(
        received.one("Body"),
        "&lt;a href=&quot;x&quot;&gt;&amp;amp; 'b'&lt;/a&gt;&#xD;&#xA;&#x9;\u{e9}\u{1f600} %41+"
    );
    let json = json_ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": JOBS })).await;
    assert_eq!(
        json["Messages"][0]["Body"], body,
        "the protocols share their queues"
    );
}

#[tokio::test(start_paused = true)]
async fn batches_tell_the_outcome_of_each_entry() {
    let sqs = service_with_jobs();
    let sent = on_jobs(
        &sqs,
        "SendMessageBatch",
        &[
            ("SendMessageBatchRequestEntry.1.Id", "good"),
            ("SendMessageBatchRequestEntry.1.MessageBody", "a"),
            ("SendMessageBatchRequestEntry.1.DelaySeconds", "0"),
            ("SendMessageBatchRequestEntry.1.MessageAttribute.1.Name", "k"),
            (
                "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType",
                "String",
            ),
            (
                "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue",
                "v",
            ),
            ("SendMessageBatchRequestEntry.2.Id", "bad"),
            ("SendMessageBatchRequestEntry.2.MessageBody", "\u{1}"),
        ],
    )
    .await;
    let good = sent.one("SendMessageBatchResultEntry");
    assert!(
        good.contains("<Id>good</Id>") && good.contains("<MD5OfMessageAttributes>"),
        "{good}"
    );
    let bad = sent.one("BatchResultErrorEntry");
    assert!(
        bad.contains("<Code>InvalidMessageContents</Code><Id>bad</Id>")
            && bad.contains("<SenderFault>true</SenderFault>"),
        "{bad}"
    );
    let received = on_jobs(&sqs, "ReceiveMessage", &[("MessageAttributeName.1", "All")]).await;
    let handle = received.one("ReceiptHandle");
    for action in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let entry = |number: u8, member: &str| format!("{action}RequestEntry.{number}.{member}");
        let names = [
            entry(1, "Id"),
            entry(1, "ReceiptHandle"),
            entry(1, "VisibilityTimeout"),
            entry(2, "Id"),
            entry(2, "ReceiptHandle"),
            entry(2, "VisibilityTimeout"),
        ];
        let values = ["1", handle, "9", "2", "nonsense", "9"];
        let parameters: Vec<_> = names.iter().map(String::as_str).zip(values).collect();
        let told = on_jobs(&sqs, action, &parameters).await;
        assert_eq!(told.one(&format!("{action}ResultEntry")), "<Id>1</Id>");
        assert!(
            told.one("BatchResultErrorEntry")
                .contains("<Code>ReceiptHandleIsInvalid</Code>")
        );
    }
    assert_eq!(sqs.totals().deletes, 1);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_permissions_and_purges_have_their_operations() {
    let sqs = service_with_jobs();
    sqs.create_queue("jobs-dlq", QueueAttributes::default()).unwrap();
    let source = sqs.queue_arn("jobs-dlq");
    let policy = json!({ "deadLetterTargetArn": source, "maxReceiveCount": 3 }).to_string();
    let redrive = [
        ("Attribute.1.Name", "RedrivePolicy"),
        ("Attribute.1.Value", policy.as_str()),
    ];
    on_jobs(&sqs, "SetQueueAttributes", &redrive).await;
    let dlq = sqs.queue_url("jobs-dlq");
    let sources = ok(&sqs, "ListDeadLetterSourceQueues", &[("QueueUrl", &dlq)]).await;
    assert_eq!(sources.one("QueueUrl"), JOBS);

    for body in ["a", "b"] {
        sqs.send("jobs-dlq", message(body)).unwrap();
    }
    let order = [
        ("SourceArn", source.as_str()),
        ("DestinationArn", &sqs.queue_arn("jobs")),
        ("MaxNumberOfMessagesPerSecond", "1"),
    ];
    let started = ok(&sqs, "StartMessageMoveTask", &order).await;
    let listed = ok(&sqs, "ListMessageMoveTasks", &order[..1]).await;
    let task = listed.one("ListMessageMoveTasksResultEntry");
    assert!(task.contains("<Status>RUNNING</Status>"), "{task}");
    assert_eq!(listed.one("TaskHandle"), started.one("TaskHandle"));
    let handle = [("TaskHandle", started.one("TaskHandle"))];
    let cancelled = ok(&sqs, "CancelMessageMoveTask", &handle).await;
    assert_eq!(cancelled.one("ApproximateNumberOfMessagesMoved"), "1");

    let permission = [
        ("Label", "l"),
        ("AWSAccountId.1", "111111111111"),
        ("ActionName.1", "SendMessage"),
    ];
    on_jobs(&sqs, "AddPermission", &permission).await;
    on_jobs(&sqs, "RemovePermission", &permission[..1]).await;
    on_jobs(&sqs, "PurgeQueue", &[]).await;
    assert_eq!(sqs.counts("jobs").unwrap().visible, 0);
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_codes_that_this_protocol_always_had() {
    let sqs = service_with_jobs();
    let refuse = async |action: &str, parameters: &[(&str, &str)]| {
        let mut all = vec![("QueueUrl", JOBS)];
        all.extend_from_slice(parameters);
        refused(&sqs, action, &all).await
    };
    let nowhere = [("QueueName", "nowhere")];
    let expected = (400, "AWS.SimpleQueueService.NonExistentQueue".to_owned());
    assert_eq!(refuse("GetQueueUrl", &nowhere).await, expected);
    let told = ask(&sqs, "GetQueueUrl", &nowhere).await;
    let words = "The specified queue does not exist for this wsdl version";
    assert!(told.one("Message").starts_with(words), "{}", told.xml);
    for (action, parameters, status, code) in [
        ("SendMessage", [("DelaySeconds", "0")], 400, "MissingParameter"),
        (
            "SendMessage",
            [("MessageBody", "\u{1}")],
            400,
            "InvalidMessageContents",
        ),
        (
            "ReceiveMessage",
            [("MaxNumberOfMessages", "11")],
            400,
            "InvalidParameterValue",
        ),
        (
            "ReceiveMessage",
            [("MaxNumberOfMessages", "many")],
            400,
            "InvalidParameterValue",
        ),
        (
            "DeleteMessage",
            [("ReceiptHandle", "nonsense")],
            404,
            "ReceiptHandleIsInvalid",
        ),
        (
            "GetQueueAttributes",
            [("AttributeName.1", "Colour")],
            400,
            "InvalidAttributeName",
        ),
        (
            "CancelMessageMoveTask",
            [("TaskHandle", "nonsense")],
            400,
            "InvalidParameterValue",
        ),
        (
            "ListMessageMoveTasks",
            [("SourceArn", "arn:aws:sqs:eu-central-1:123456789012:nowhere")],
            404,
            "ResourceNotFoundException",
        ),
        (
            "SendMessageBatch",
            [("Entries", "")],
            400,
            "AWS.SimpleQueueService.EmptyBatchRequest",
        ),
        (
            "DeleteMessageBatch",
            [("DeleteMessageBatchRequestEntry.1.Id", "a b")],
            400,
            "AWS.SimpleQueueService.InvalidBatchEntryId",
        ),
        (
            "CreateQueue",
            [("QueueName", "jobs.fifo")],
            400,
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
        ("Shout", [("Loud", "yes")], 400, "InvalidAction"),
    ] {
        assert_eq!(
            refuse(action, &parameters).await,
            (status, code.to_owned()),
            "{action}"
        );
    }
    let other = [
        ("QueueName", "jobs"),
        ("Attribute.1.Name", "DelaySeconds"),
        ("Attribute.1.Value", "9"),
    ];
    assert_eq!(
        refuse("CreateQueue", &other).await,
        (400, "QueueAlreadyExists".to_owned())
    );
    let twice = [
        ("MessageBody", "x"),
        ("MessageAttribute.1.Name", "k"),
        ("MessageAttribute.2.Name", "k"),
    ];
    assert_eq!(
        refuse("SendMessage", &twice).await,
        (400, "InvalidParameterValue".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_answers_at_its_own_address_and_to_a_get() {
    let sqs = service_with_jobs();
    sqs.create_queue("other", QueueAttributes::default()).unwrap();
    let path = "/123456789012/jobs";
    let send = [("Action", "SendMessage"), ("MessageBody", "by post")];
    assert_eq!(Told::by(&sqs, post(path, &send)).await.status, 200);
    let get = |parameters: &[(&str, &str)]| {
        let request = Request::get(format!("{path}?{}", form(parameters)));
        let signed = request.header("authorization", "AWS4-HMAC-SHA256 any");
        signed.body(Vec::new()).unwrap()
    };
    let received = Told::by(&sqs, get(&[("Action", "ReceiveMessage")])).await;
    assert_eq!(received.one("Body"), "by post");
    // The queue that a request names goes before the one that it is sent to.
    let other = sqs.queue_url("other");
    let named = [
        ("Action", "GetQueueAttributes"),
        ("QueueUrl", &other),
        ("AttributeName.1", "QueueArn"),
    ];
    assert_eq!(
        Told::by(&sqs, get(&named)).await.one("Value"),
        sqs.queue_arn("other")
    );
    // What is on no queue is not asked of one.
    for action in ["CreateQueue", "ListQueues"] {
        let told = Told::by(&sqs, get(&[("Action", action), ("QueueName", "new")])).await;
        assert_eq!((told.status, told.one("Code")), (400, "InvalidAction"));
    }
    let told = Told::by(&sqs, get(&[("QueueName", "new")])).await;
    assert_eq!(told.status, 404);
    assert!(told.xml.contains("UnknownOperationException"));
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_request_is_refused_and_any_signature_will_do() {
    let sqs = service_with_jobs();
    let list = [("Action", "ListQueues"), ("Version", "2012-11-05")];
    let mut unsigned = post("/", &list);
    unsigned.headers_mut().remove("authorization");
    let told = Told::by(&sqs, unsigned).await;
    assert_eq!(
        (told.status, told.one("Code")),
        (403, "MissingAuthenticationToken")
    );
    // A URL that was signed beforehand, and version 2 of signing, which put the signature into the form.
    for name in ["X-Amz-Signature", "Signature"] {
        let mut signed = post("/", &[list[0], list[1], (name, "any")]);
        signed.headers_mut().remove("authorization");
        assert_eq!(Told::by(&sqs, signed).await.status, 200, "{name}");
    }
    let json = Request::post("/").header("x-amz-target", "AmazonSQS.ListQueues");
    let refused = sqs.answer(&json.body(b"{}".to_vec()).unwrap(), "r-1").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["content-type"], "application/x-amz-json-1.0");
    assert_eq!(
        refused.headers()["x-amzn-query-error"],
        "MissingAuthenticationToken;Sender"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_is_for_sqs_in_either_protocol_or_for_somebody_else() {
    let asked = |request: &Request<Vec<u8>>| Sqs::operation_of(request).map(std::borrow::Cow::into_owned);
    let query = post("/", &[("Action", "SendMessage"), ("Version", "2012-11-05")]);
    assert_eq!(asked(&query).as_deref(), Some("SendMessage"));
    let other = post("/", &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
    assert_eq!(asked(&other), None);
    let target = |target: &str| {
        let request = Request::builder().method(Method::POST).uri("/");
        request
            .header("x-amz-target", target)
            .body(b"{}".to_vec())
            .unwrap()
    };
    assert_eq!(
        asked(&target("AmazonSQS.ListQueues")).as_deref(),
        Some("ListQueues")
    );
    assert_eq!(asked(&target("DynamoDB_20120810.ListTables")), None);
    assert_eq!(asked(&post("/", &[("QueueName", "jobs")])), None);
}

#[tokio::test(start_paused = true)]
async fn the_trace_of_a_request_is_that_of_its_messages_unless_they_have_their_own() {
    let sqs = service_with_jobs();
    let traced = |mut request: Request<Vec<u8>>| {
        let headers = request.headers_mut();
        headers.insert("x-amzn-trace-id", "Root=of-the-request".parse().unwrap());
        request
    };
    let send = [
        ("Action", "SendMessage"),
        ("QueueUrl", JOBS),
        ("MessageBody", "x"),
    ];
    let own = [
        ("MessageSystemAttribute.1.Name", "AWSTraceHeader"),
        ("MessageSystemAttribute.1.Value.DataType", "String"),
        ("MessageSystemAttribute.1.Value.StringValue", "Root=own"),
    ];
    let told = Told::by(&sqs, traced(post("/", &send))).await;
    assert_eq!(
        told.all("MD5OfMessageSystemAttributes"),
        Vec::<&str>::new(),
        "its sender gave none that could be checked"
    );
    let told = Told::by(&sqs, traced(post("/", &[&send[..], &own[..]].concat()))).await;
    assert_eq!(told.all("MD5OfMessageSystemAttributes").len(), 1);
    let entries = json!({ "QueueUrl": JOBS, "Entries": [{ "Id": "1", "MessageBody": "x" }] });
    let batch = Request::post("/")
        .header("x-amz-target", "AmazonSQS.SendMessageBatch")
        .header("authorization", "AWS4-HMAC-SHA256 any");
    let batch = traced(batch.body(entries.to_string().into_bytes()).unwrap());
    assert_eq!(sqs.answer(&batch, "r-1").await.status(), 200);

    let receive = [
        ("MaxNumberOfMessages", "10"),
        ("AttributeName.1", "AWSTraceHeader"),
    ];
    let received = on_jobs(&sqs, "ReceiveMessage", &receive).await;
    assert_eq!(
        received.all("Value"),
        ["Root=of-the-request", "Root=own", "Root=of-the-request"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_in_this_protocol_too() {
    let sqs = service_with_jobs();
    let begun = tokio::time::Instant::now();
    let sender = async {
        pass(7).await;
        sqs.send("jobs", message("late")).unwrap();
    };
    let poll = on_jobs(&sqs, "ReceiveMessage", &[("WaitTimeSeconds", "20")]);
    let (received, ()) = tokio::join!(poll, sender);
    assert_eq!(received.one("Body"), "late");
    assert_eq!(begun.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn names_of_any_depth_and_order_are_read_without_harm() {
    let sqs = service_with_jobs();
    let deep = "a.".repeat(200_000);
    for name in [
        deep.as_str(),
        "",
        ".",
        "Entry",
        "Attribute.x.y",
        "AttributeName.99999999999999999999",
    ] {
        let told = on_jobs(&sqs, "ListQueueTags", &[(name, "x")]).await;
        assert_eq!(
            told.all("Tag"),
            Vec::<&str>::new(),
            "{}",
            &name[..name.len().min(20)]
        );
    }
}
