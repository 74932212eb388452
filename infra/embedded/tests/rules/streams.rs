//! DynamoDB Streams as a client sees them over the wire:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html> and
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html>.

use embedded_aws::dynamodb::StreamPosition;
use embedded_aws::{Clock, DynamoDb};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{ACCOUNT, REGION, START, Stack, item, refusal, seconds, table};

const TABLE: &str = "events";

fn stack() -> Stack {
    showing("NEW_AND_OLD_IMAGES")
}

fn showing(view: &str) -> Stack {
    let stack = Stack::new();
    let mut table = table(TABLE);
    table["StreamSpecification"]["StreamViewType"] = view.into();
    stack.ask("CreateTable", &table);
    stack
}

fn key(stream: &str) -> Value {
    json!({ "id": { "S": stream }, "revision": { "N": "1" } })
}

fn latest_stream(stack: &Stack) -> String {
    let described = stack.ask("DescribeTable", &json!({ "TableName": TABLE }));
    described["Table"]["LatestStreamArn"].as_str().unwrap().to_owned()
}

fn described(stack: &Stack, stream: &str) -> Value {
    let mut answer = stack.ask("DescribeStream", &json!({ "StreamArn": stream }));
    answer["StreamDescription"].take()
}

fn shard(stack: &Stack, stream: &str) -> String {
    let described = described(stack, stream);
    described["Shards"][0]["ShardId"].as_str().unwrap().to_owned()
}

fn iterator_request(stack: &Stack, stream: &str, kind: &str, number: Option<&str>) -> Value {
    let mut request =
        json!({ "StreamArn": stream, "ShardId": shard(stack, stream), "ShardIteratorType": kind });
    if let Some(number) = number {
        request["SequenceNumber"] = number.into();
    }
    request
}

fn iterator(stack: &Stack, stream: &str, kind: &str, number: Option<&str>) -> String {
    let request = iterator_request(stack, stream, kind, number);
    let answer = stack.ask("GetShardIterator", &request);
    answer["ShardIterator"].as_str().unwrap().to_owned()
}

fn page(stack: &Stack, iterator: &str) -> Value {
    stack.ask("GetRecords", &json!({ "ShardIterator": iterator }))
}

/// All records of a stream.
fn records(stack: &Stack, stream: &str) -> Vec<Value> {
    let page = page(stack, &iterator(stack, stream, "TRIM_HORIZON", None));
    page["Records"].as_array().unwrap().clone()
}

/// Kind and key of each record of the newest stream.
fn changes(stack: &Stack) -> Vec<String> {
    let records = records(stack, &latest_stream(stack));
    let change = |record: &Value| {
        let id = record["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap();
        format!("{} {id}", record["eventName"].as_str().unwrap())
    };
    records.iter().map(change).collect()
}

fn number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap()
}

fn switch(stack: &Stack, specification: &Value) {
    stack.ask(
        "UpdateTable",
        &json!({ "TableName": TABLE, "StreamSpecification": specification }),
    );
}

fn switch_off(stack: &Stack) {
    switch(stack, &json!({ "StreamEnabled": false }));
}

fn switch_on(stack: &Stack, view: &str) {
    switch(stack, &json!({ "StreamEnabled": true, "StreamViewType": view }));
}

fn update(expression: &str, values: &Value) -> Value {
    json!({
        "TableName": TABLE, "Key": key("a"), "UpdateExpression": expression,
        "ExpressionAttributeValues": values,
    })
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_leaves_no_record_whatever_the_stream_shows() {
    for view in ["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"] {
        let stack = showing(view);
        stack.put(TABLE, "a", 1, 1);
        stack.put(TABLE, "a", 1, 1);
        stack.ask(
            "UpdateItem",
            &update("SET n = :n", &json!({ ":n": { "N": "1" } })),
        );
        stack.ask(
            "UpdateItem",
            &update("SET n = if_not_exists(n, :n)", &json!({ ":n": { "N": "9" } })),
        );
        stack.ask(
            "DeleteItem",
            &json!({ "TableName": TABLE, "Key": key("missing") }),
        );
        stack.put(TABLE, "a", 1, 2);
        stack.ask("DeleteItem", &json!({ "TableName": TABLE, "Key": key("a") }));
        assert_eq!(changes(&stack), ["INSERT a", "MODIFY a", "REMOVE a"], "{view}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_leaves_no_record_in_transactions_batches_and_statements() {
    let stack = showing("NEW_IMAGE");
    stack.put(TABLE, "a", 1, 1);
    let put = json!({ "TableName": TABLE, "Item": item("a", 1, 1) });
    let absent = json!({ "TableName": TABLE, "Key": key("missing") });
    stack.ask(
        "TransactWriteItems",
        &json!({ "TransactItems": [{ "Put": put }, { "Delete": absent }] }),
    );
    stack.ask(
        "TransactWriteItems",
        &json!({ "TransactItems": [{ "Update": update("SET n = :n", &json!({ ":n": { "N": "1" } })) }] }),
    );
    stack.ask(
        "BatchWriteItem",
        &json!({ "RequestItems": { TABLE: [
            { "PutRequest": { "Item": item("a", 1, 1) } },
            { "DeleteRequest": { "Key": key("missing") } },
        ] } }),
    );
    stack.ask(
        "ExecuteStatement",
        &json!({ "Statement": "UPDATE events SET n = 1 WHERE id = 'a' AND revision = 1" }),
    );
    assert_eq!(changes(&stack), ["INSERT a"]);
}

#[tokio::test(start_paused = true)]
async fn a_set_in_another_order_and_a_number_in_another_form_change_nothing() {
    let stack = stack();
    let mut first = item("a", 1, 1);
    first["letters"] = json!({ "SS": ["x", "y"] });
    first["numbers"] = json!({ "M": { "inner": { "NS": ["1", "2"] } } });
    first["list"] = json!({ "L": [{ "N": "1.50" }] });
    let mut again = first.clone();
    again["letters"] = json!({ "SS": ["y", "x"] });
    again["numbers"] = json!({ "M": { "inner": { "NS": ["2", "1.0"] } } });
    again["list"] = json!({ "L": [{ "N": "1.5" }] });
    again["n"] = json!({ "N": "1e0" });
    for item in [&first, &again] {
        stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": item }));
    }
    assert_eq!(changes(&stack), ["INSERT a"]);
    again["list"] = json!({ "L": [{ "N": "1.5" }, { "N": "1" }] });
    stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": again }));
    assert_eq!(changes(&stack), ["INSERT a", "MODIFY a"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_shows_the_images_of_its_streams_view_and_their_size() {
    let images = |view: &str| {
        let stack = showing(view);
        stack.put(TABLE, "a", 1, 1);
        stack.put(TABLE, "a", 1, 2);
        let record = records(&stack, &latest_stream(&stack)).remove(1);
        let n = |image: &str| record["dynamodb"][image]["n"]["N"].as_str().map(str::to_owned);
        assert_eq!(record["dynamodb"]["StreamViewType"], view);
        (
            n("NewImage"),
            n("OldImage"),
            record["dynamodb"]["SizeBytes"].as_u64().unwrap(),
        )
    };
    let (one, two) = (Some("1".to_owned()), Some("2".to_owned()));
    // id, a: 3 bytes; revision, 1: 8 + 2; n, 1: 1 + 2.
    let (keys, image) = (13, 16);
    assert_eq!(images("KEYS_ONLY"), (None, None, keys));
    assert_eq!(images("NEW_IMAGE"), (two.clone(), None, keys + image));
    assert_eq!(images("OLD_IMAGE"), (None, one.clone(), keys + image));
    assert_eq!(images("NEW_AND_OLD_IMAGES"), (two, one, keys + 2 * image));
}

#[tokio::test(start_paused = true)]
async fn a_record_has_the_form_that_the_streams_api_documents() {
    let stack = showing("NEW_IMAGE");
    stack.put(TABLE, "a", 1, 1);
    let mut record = records(&stack, &latest_stream(&stack)).remove(0);
    assert_eq!(record["eventID"].take().as_str().unwrap().len(), 32);
    let number = record["dynamodb"]["SequenceNumber"].take();
    assert!((21..=40).contains(&number.as_str().unwrap().len()), "{number}");
    assert_eq!(
        record,
        json!({
            "eventID": null,
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": {
                "ApproximateCreationDateTime": START.as_secs_f64(),
                "Keys": key("a"),
                "NewImage": item("a", 1, 1),
                "SequenceNumber": null,
                "SizeBytes": 29,
                "StreamViewType": "NEW_IMAGE",
            },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_that_expired_was_deleted_by_dynamodb_itself() {
    let stack = stack();
    let ttl = json!({ "Enabled": true, "AttributeName": "until" });
    stack.ask(
        "UpdateTimeToLive",
        &json!({ "TableName": TABLE, "TimeToLiveSpecification": ttl }),
    );
    let mut expiring = item("a", 1, 1);
    expiring["until"] = json!({ "N": (START.as_secs() + 60).to_string() });
    stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": expiring }));
    sleep(seconds(120)).await;
    assert_eq!(stack.dynamodb.sweep_expired().unwrap(), 1);
    let removed = records(&stack, &latest_stream(&stack)).remove(1);
    assert_eq!(removed["eventName"], "REMOVE");
    let dynamodb = json!({ "PrincipalId": "dynamodb.amazonaws.com", "Type": "Service" });
    assert_eq!(removed["userIdentity"], dynamodb);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_described_with_an_open_shard() {
    let stack = showing("NEW_IMAGE");
    let stream = latest_stream(&stack);
    let before = described(&stack, &stream);
    stack.put(TABLE, "a", 1, 1);
    let mut description = described(&stack, &stream);
    assert_eq!(description, before, "an open shard keeps its range");
    let shards = description["Shards"].take();
    assert_eq!(
        description,
        json!({
            "StreamArn": stream,
            "StreamLabel": "2026-01-01T00:00:00.000",
            "StreamStatus": "ENABLED",
            "StreamViewType": "NEW_IMAGE",
            "CreationRequestDateTime": START.as_secs_f64(),
            "TableName": TABLE,
            "KeySchema": table(TABLE)["KeySchema"],
            "Shards": null,
        })
    );
    let shards = shards.as_array().unwrap();
    assert_eq!(shards.len(), 1);
    let (id, range) = (&shards[0]["ShardId"], &shards[0]["SequenceNumberRange"]);
    let parts: Vec<_> = id.as_str().unwrap().split('-').collect();
    assert_eq!(
        (parts[0], parts[1].len(), parts[2].len()),
        ("shardId", 20, 8),
        "{id}"
    );
    assert_eq!(range.as_object().unwrap().len(), 1, "{range}");
    let records = records(&stack, &stream);
    assert!(range["StartingSequenceNumber"].as_str().unwrap() <= number(&records[0]));
}

#[tokio::test(start_paused = true)]
async fn shards_are_described_after_the_one_that_is_named() {
    let stack = stack();
    let stream = latest_stream(&stack);
    let shard = shard(&stack, &stream);
    let after = json!({ "StreamArn": stream, "ExclusiveStartShardId": shard });
    assert_eq!(
        stack.ask("DescribeStream", &after)["StreamDescription"]["Shards"],
        json!([])
    );
    let children =
        json!({ "StreamArn": stream, "ShardFilter": { "Type": "CHILD_SHARDS", "ShardId": shard } });
    assert_eq!(
        stack.ask("DescribeStream", &children)["StreamDescription"]["Shards"],
        json!([])
    );
    let one = json!({ "StreamArn": stream, "Limit": 1 });
    let one = stack.ask("DescribeStream", &one);
    assert_eq!(one["StreamDescription"]["Shards"].as_array().unwrap().len(), 1);
    let gone =
        json!({ "StreamArn": stream, "ExclusiveStartShardId": "shardId-00000000000000000000-00000000" });
    let gone = stack.ask("DescribeStream", &gone);
    assert_eq!(gone["StreamDescription"]["Shards"][0]["ShardId"], json!(shard));
    let unknown = json!({ "StreamArn": stream, "ShardFilter": { "Type": "CHILD_SHARDS", "ShardId": format!("{shard}0") } });
    assert_eq!(
        refusal(&stack, "DescribeStream", &unknown).0,
        "ResourceNotFoundException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_switched_on_again_is_a_new_one_and_starts_empty() {
    let stack = showing("NEW_IMAGE");
    stack.put(TABLE, "a", 1, 1);
    let first = latest_stream(&stack);
    switch_off(&stack);
    stack.put(TABLE, "unseen", 1, 2);
    switch_on(&stack, "KEYS_ONLY");
    let second = latest_stream(&stack);
    assert_ne!(first, second);
    assert_eq!(changes(&stack), Vec::<String>::new());
    stack.put(TABLE, "b", 1, 3);
    assert_eq!(changes(&stack), ["INSERT b"]);
    let table = &stack.ask("DescribeTable", &json!({ "TableName": TABLE }))["Table"];
    let on = json!({ "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" });
    assert_eq!(table["StreamSpecification"], on);
    let label = table["LatestStreamLabel"].as_str().unwrap();
    assert!(
        second.ends_with(&format!(":table/{TABLE}/stream/{label}")),
        "{second}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_switched_off_can_be_read_to_its_end_for_a_day() {
    let stack = showing("NEW_IMAGE");
    stack.put(TABLE, "a", 1, 1);
    let first = latest_stream(&stack);
    switch_off(&stack);
    let table = &stack.ask("DescribeTable", &json!({ "TableName": TABLE }))["Table"];
    assert_eq!(table.get("StreamSpecification"), None);
    assert_eq!(table["LatestStreamArn"], first.as_str());
    switch_on(&stack, "KEYS_ONLY");
    stack.put(TABLE, "b", 1, 2);

    let description = described(&stack, &first);
    assert_eq!(description["StreamStatus"], "DISABLED");
    let last = page(&stack, &iterator(&stack, &first, "TRIM_HORIZON", None));
    assert_eq!(last.get("NextShardIterator"), None, "a closed shard ends");
    let last = &last["Records"].as_array().unwrap()[..];
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["dynamodb"]["NewImage"]["n"]["N"], "1");
    let range = &description["Shards"][0]["SequenceNumberRange"];
    assert_eq!(range["EndingSequenceNumber"], number(&last[0]));
    let all = stack.ask("ListStreams", &json!({ "TableName": TABLE }));
    assert_eq!(all["Streams"].as_array().unwrap().len(), 2);

    sleep(seconds(25 * 3_600)).await;
    let (code, _) = refusal(&stack, "DescribeStream", &json!({ "StreamArn": first }));
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_table_made_anew_has_a_stream_that_starts_empty() {
    let stack = stack();
    stack.put(TABLE, "a", 1, 1);
    sleep(seconds(1)).await;
    let first = latest_stream(&stack);
    let deleted = stack.ask("DeleteTable", &json!({ "TableName": TABLE }));
    assert_eq!(deleted["TableDescription"]["LatestStreamArn"], first.as_str());
    stack.create_table(TABLE);
    assert_ne!(latest_stream(&stack), first);
    assert_eq!(changes(&stack), Vec::<String>::new());
    stack.put(TABLE, "b", 1, 1);
    assert_eq!(changes(&stack), ["INSERT b"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_not_switched_to_what_it_is() {
    let stack = showing("NEW_IMAGE");
    let refused = |specification: &Value| {
        let request = json!({ "TableName": TABLE, "StreamSpecification": specification });
        let (code, message) = refusal(&stack, "UpdateTable", &request);
        assert_eq!(code, "ValidationException", "{message}");
        message
    };
    let on = |view: &str| json!({ "StreamEnabled": true, "StreamViewType": view });
    let enabled = "Table already has an enabled stream: TableName: events";
    assert_eq!(refused(&on("NEW_IMAGE")), enabled);
    assert_eq!(refused(&on("KEYS_ONLY")), enabled);
    assert!(refused(&json!({ "StreamEnabled": true })).contains("UpdateViewType is required"));
    assert!(
        refused(&json!({ "StreamEnabled": false, "StreamViewType": "KEYS_ONLY" }))
            .contains("UpdateViewType must not be specified")
    );
    assert!(refused(&on("EVERYTHING")).contains("Member must satisfy enum value set"));
    switch_off(&stack);
    let disabled = "Table has no stream to disable: TableName: events";
    assert_eq!(refused(&json!({ "StreamEnabled": false })), disabled);
    assert_eq!(changes_of_view(&stack), None);
}

fn changes_of_view(stack: &Stack) -> Option<String> {
    let table = &stack.ask("DescribeTable", &json!({ "TableName": TABLE }))["Table"];
    table["StreamSpecification"]["StreamViewType"]
        .as_str()
        .map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn iterators_begin_where_they_say() {
    let stack = stack();
    let stream = latest_stream(&stack);
    stack.put_many(TABLE, 3);
    let all = records(&stack, &stream);
    let second = number(&all[1]);
    let seen = |kind: &str, at: Option<&str>| {
        let page = page(&stack, &iterator(&stack, &stream, kind, at));
        page["Records"].as_array().unwrap().len()
    };
    assert_eq!(seen("TRIM_HORIZON", None), 3);
    assert_eq!(seen("AT_SEQUENCE_NUMBER", Some(second)), 2);
    assert_eq!(seen("AFTER_SEQUENCE_NUMBER", Some(second)), 1);
    let latest = iterator(&stack, &stream, "LATEST", None);
    assert_eq!(page(&stack, &latest)["Records"], json!([]));
    stack.put(TABLE, "new", 1, 4);
    let got = page(&stack, &latest);
    assert_eq!(got["Records"].as_array().unwrap().len(), 1);
    let next = got["NextShardIterator"].as_str().unwrap();
    assert!(next.starts_with(&format!("{stream}|1|")), "{next}");
    assert_eq!(page(&stack, next)["Records"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_page_holds_as_many_records_as_asked_for_and_a_megabyte_at_most() {
    let stack = stack();
    let stream = latest_stream(&stack);
    for n in 1..=5 {
        let mut large = item(&format!("{n}"), 1, n);
        large["text"] = json!({ "S": "x".repeat(300_000) });
        stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": large }));
    }
    let first = iterator(&stack, &stream, "TRIM_HORIZON", None);
    let got = page(&stack, &first);
    assert_eq!(got["Records"].as_array().unwrap().len(), 3);
    let rest = page(&stack, got["NextShardIterator"].as_str().unwrap());
    assert_eq!(rest["Records"].as_array().unwrap().len(), 2);
    let two = stack.ask("GetRecords", &json!({ "ShardIterator": first, "Limit": 2 }));
    assert_eq!(two["Records"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn unknown_streams_and_shards_are_not_found() {
    let stack = stack();
    let stream = latest_stream(&stack);
    let arn = |region: &str, account: &str, table: &str, label: &str| {
        format!("arn:aws:dynamodb:{region}:{account}:table/{table}/stream/{label}")
    };
    let label = stream.rsplit('/').next().unwrap();
    assert_eq!(stream, arn(REGION, ACCOUNT, TABLE, label));
    for unknown in [
        arn(REGION, ACCOUNT, TABLE, "2024-11-18T14:36:44.149"),
        arn(REGION, ACCOUNT, "missing", label),
        arn("eu-west-1", ACCOUNT, TABLE, label),
        arn(REGION, "000000000000", TABLE, label),
        format!("not an arn, but long enough to be one: {TABLE}"),
    ] {
        let (code, message) = refusal(&stack, "DescribeStream", &json!({ "StreamArn": unknown }));
        assert_eq!(code, "ResourceNotFoundException");
        assert_eq!(
            message,
            format!("Requested resource not found: Stream: {unknown} not found")
        );
    }
    let mut request = iterator_request(&stack, &stream, "LATEST", None);
    request["ShardId"] = "shardId-00000000000000000000-00000000".into();
    let (code, message) = refusal(&stack, "GetShardIterator", &request);
    assert_eq!(
        (code.as_str(), message.as_str()),
        (
            "ResourceNotFoundException",
            "Requested resource not found: Shard does not exist"
        )
    );
    let none = stack.ask("ListStreams", &json!({ "TableName": "missing" }));
    assert_eq!(none["Streams"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn requests_that_streams_can_not_carry_out_are_refused_in_awss_words() {
    let stack = stack();
    let stream = latest_stream(&stack);
    let right = iterator_request(&stack, &stream, "AT_SEQUENCE_NUMBER", Some(&"1".repeat(21)));
    let refused = |operation: &str, name: &str, value: Value| {
        let mut request = if operation == "GetShardIterator" {
            right.clone()
        } else {
            json!({})
        };
        request[name] = value;
        let (code, message) = refusal(&stack, operation, &request);
        assert_eq!(code, "ValidationException", "{operation} {request}: {message}");
        message
    };
    let short = refused("GetShardIterator", "SequenceNumber", "1".into());
    assert!(short.contains("'sequenceNumber' failed to satisfy constraint: Member must have length greater than or equal to 21"), "{short}");
    refused("GetShardIterator", "SequenceNumber", "x".repeat(21).into());
    refused("GetShardIterator", "SequenceNumber", Value::Null);
    let kind = refused("GetShardIterator", "ShardIteratorType", "SOMEWHERE".into());
    assert!(kind.contains("Value 'SOMEWHERE' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set"), "{kind}");
    refused("GetShardIterator", "ShardIteratorType", "LATEST".into());
    refused("GetShardIterator", "ShardId", "short".into());
    refused("GetShardIterator", "StreamArn", "short".into());
    refused("GetRecords", "ShardIterator", "nonsense".into());
    refused("ListStreams", "Limit", 101.into());
    let nothing = refused("DescribeStream", "StreamArn", Value::Null);
    assert_eq!(
        nothing,
        "1 validation error detected: Value null at 'streamArn' failed to satisfy constraint: Member must not be null"
    );
    let iterator = iterator(&stack, &stream, "LATEST", None);
    for limit in [0, 1_001] {
        let request = json!({ "ShardIterator": iterator, "Limit": limit });
        assert_eq!(refusal(&stack, "GetRecords", &request).0, "ValidationException");
    }
}

#[tokio::test(start_paused = true)]
async fn an_iterator_expires_after_a_quarter_of_an_hour() {
    let stack = stack();
    let stream = latest_stream(&stack);
    let iterator = iterator(&stack, &stream, "LATEST", None);
    sleep(seconds(14 * 60)).await;
    page(&stack, &iterator);
    sleep(seconds(60)).await;
    let (code, _) = refusal(&stack, "GetRecords", &json!({ "ShardIterator": iterator }));
    assert_eq!(code, "ExpiredIteratorException");
}

#[tokio::test(start_paused = true)]
async fn a_number_from_before_a_stream_is_trimmed() {
    let stack = stack();
    stack.put(TABLE, "a", 1, 1);
    let old = records(&stack, &latest_stream(&stack)).remove(0);
    switch_off(&stack);
    switch_on(&stack, "NEW_IMAGE");
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let request = iterator_request(&stack, &latest_stream(&stack), kind, Some(number(&old)));
        assert_eq!(
            refusal(&stack, "GetShardIterator", &request).0,
            "TrimmedDataAccessException"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_listed_page_by_page() {
    let stack = stack();
    stack.create_table("another");
    let mut without = table("silent");
    without["StreamSpecification"] = json!({ "StreamEnabled": false });
    stack.ask("CreateTable", &without);
    let first = stack.ask("ListStreams", &json!({ "Limit": 1 }));
    assert_eq!(first["Streams"][0]["TableName"], "another");
    let last = &first["LastEvaluatedStreamArn"];
    assert_eq!(last, &first["Streams"][0]["StreamArn"]);
    let second = stack.ask(
        "ListStreams",
        &json!({ "Limit": 1, "ExclusiveStartStreamArn": last }),
    );
    assert_eq!(
        second,
        json!({ "Streams": [{
            "StreamArn": latest_stream(&stack), "StreamLabel": "2026-01-01T00:00:00.000", "TableName": TABLE,
        }] })
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_long_run_of_writes_that_changed_nothing_gets_past_them() {
    let stack = stack();
    stack.put(TABLE, "a", 1, 1);
    for _ in 0..30 {
        stack.put(TABLE, "a", 1, 1);
    }
    stack.put(TABLE, "a", 1, 2);
    let stream = stack.dynamodb.stream_of(TABLE).unwrap();
    let mut at = stack
        .dynamodb
        .shard_iterator(&stream, StreamPosition::TrimHorizon)
        .unwrap();
    let mut seen = Vec::new();
    loop {
        let read = stack.dynamodb.records(&stream, &at, 10).unwrap();
        seen.extend(read.records.iter().map(|record| record.json["eventName"].clone()));
        at = read.next;
        if read.at_end {
            break;
        }
    }
    assert_eq!(seen, ["INSERT", "MODIFY"]);
}

#[tokio::test]
async fn streams_of_a_file_are_the_same_after_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Stack {
        dynamodb: DynamoDb::open(folder.path().join("tables.db"))
            .unwrap()
            .at_home_in(REGION, ACCOUNT),
        clock: Clock::real(),
        ..Stack::new()
    };
    let stack = open();
    stack.create_table(TABLE);
    stack.put(TABLE, "a", 1, 1);
    stack.put(TABLE, "a", 1, 1);
    switch_off(&stack);
    switch_on(&stack, "NEW_IMAGE");
    stack.put(TABLE, "b", 1, 1);
    stack.put(TABLE, "b", 1, 1);
    let (all, newest) = (stack.ask("ListStreams", &json!({})), latest_stream(&stack));
    drop(stack);
    let again = open();
    assert_eq!(again.ask("ListStreams", &json!({})), all);
    assert_eq!(latest_stream(&again), newest);
    assert_eq!(changes(&again), ["INSERT b"]);
    let first = all["Streams"][0]["StreamArn"].as_str().unwrap();
    assert_eq!(records(&again, first).len(), 1);
}
