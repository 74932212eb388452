//! A table by its ARN, wherever its name may stand:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html>.

use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, Stack, item, refusal, seconds, table};

const TABLE: &str = "events";

fn arn() -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}")
}

fn stack() -> Stack {
    let stack = Stack::new();
    stack.create_table(TABLE);
    stack
}

fn key() -> Value {
    json!({ "id": { "S": "a" }, "revision": { "N": "1" } })
}

#[tokio::test(start_paused = true)]
async fn each_operation_on_items_takes_the_arn_and_names_the_table_as_it_was_asked() {
    let stack = stack();
    let query = json!({
        "KeyConditionExpression": "id = :id", "ExpressionAttributeValues": { ":id": { "S": "a" } },
    });
    let update = json!({
        "Key": key(), "UpdateExpression": "SET n = :n", "ExpressionAttributeValues": { ":n": { "N": "2" } },
    });
    for (operation, mut request) in [
        ("PutItem", json!({ "Item": item("a", 1, 1) })),
        ("UpdateItem", update),
        ("GetItem", json!({ "Key": key() })),
        ("Query", query),
        ("Scan", json!({})),
        ("DeleteItem", json!({ "Key": key() })),
    ] {
        request["TableName"] = arn().into();
        stack.ask(operation, &request);
        request["ReturnConsumedCapacity"] = "TOTAL".into();
        let answer = stack.ask(operation, &request);
        assert_eq!(answer["ConsumedCapacity"]["TableName"], arn(), "{operation}");
        request["TableName"] = TABLE.into();
        let answer = stack.ask(operation, &request);
        assert_eq!(answer["ConsumedCapacity"]["TableName"], TABLE, "{operation}");
    }
    assert_eq!(stack.dynamodb.totals().table(TABLE).requests, 18);
}

#[tokio::test(start_paused = true)]
async fn batches_take_the_arn_and_answer_under_it() {
    let stack = stack();
    let written = stack.ask(
        "BatchWriteItem",
        &json!({
            "RequestItems": { arn(): [{ "PutRequest": { "Item": item("a", 1, 1) } }] },
            "ReturnConsumedCapacity": "TOTAL",
        }),
    );
    assert_eq!(written["UnprocessedItems"], json!({}));
    assert_eq!(written["ConsumedCapacity"][0]["TableName"], arn());
    let read = stack.ask(
        "BatchGetItem",
        &json!({ "RequestItems": { arn(): { "Keys": [key()] } } }),
    );
    assert_eq!(
        read,
        json!({ "Responses": { arn(): [item("a", 1, 1)] }, "UnprocessedKeys": {} })
    );
    let twice = json!({ "RequestItems": { arn(): { "Keys": [key()] }, TABLE: { "Keys": [key()] } } });
    assert_eq!(refusal(&stack, "BatchGetItem", &twice).0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn transactions_take_the_arn_in_each_of_their_actions() {
    let stack = stack();
    stack.create_table("other");
    let other = arn().replace(TABLE, "other");
    let check =
        json!({ "TableName": arn(), "Key": key(), "ConditionExpression": "attribute_not_exists(id)" });
    let update = json!({
        "TableName": other, "Key": key(), "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": { ":n": { "N": "2" } },
    });
    let absent = json!({ "id": { "S": "b" }, "revision": { "N": "1" } });
    let written = stack.ask(
        "TransactWriteItems",
        &json!({
            "TransactItems": [
                { "ConditionCheck": check },
                { "Put": { "TableName": "other", "Item": item("c", 1, 1) } },
                { "Update": update },
                { "Delete": { "TableName": arn(), "Key": absent } },
            ],
            "ReturnConsumedCapacity": "TOTAL",
        }),
    );
    assert_eq!(written["ConsumedCapacity"][0]["TableName"], arn());
    let read = stack.ask(
        "TransactGetItems",
        &json!({ "TransactItems": [{ "Get": { "TableName": other, "Key": key() } }] }),
    );
    assert_eq!(read["Responses"][0]["Item"]["n"], json!({ "N": "2" }));
}

#[tokio::test(start_paused = true)]
async fn operations_on_tables_take_the_arn() {
    let stack = Stack::new();
    let mut new = table(TABLE);
    new["TableName"] = arn().into();
    stack.ask("CreateTable", &new);
    let by_arn = json!({ "TableName": arn() });
    assert_eq!(stack.ask("DescribeTable", &by_arn)["Table"]["TableName"], TABLE);
    let until = json!({ "AttributeName": "until", "Enabled": true });
    stack.ask(
        "UpdateTimeToLive",
        &json!({ "TableName": arn(), "TimeToLiveSpecification": until }),
    );
    let described = stack.ask("DescribeTimeToLive", &by_arn);
    assert_eq!(described["TimeToLiveDescription"]["AttributeName"], "until");
    let off = json!({ "TableName": arn(), "StreamSpecification": { "StreamEnabled": false } });
    stack.ask("UpdateTable", &off);
    stack.ask("DeleteTable", &by_arn);
    assert_eq!(stack.ask("ListTables", &json!({}))["TableNames"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn an_arn_of_another_place_or_of_no_table_is_refused() {
    let stack = stack();
    let refused = |arn: &str| {
        let by_table = refusal(&stack, "GetItem", &json!({ "TableName": arn, "Key": key() }));
        let in_batch = json!({ "RequestItems": { arn: { "Keys": [key()] } } });
        assert_eq!(refusal(&stack, "BatchGetItem", &in_batch).0, by_table.0);
        let get = json!({ "TransactItems": [{ "Get": { "TableName": arn, "Key": key() } }] });
        assert_eq!(refusal(&stack, "TransactGetItems", &get).0, by_table.0);
        by_table
    };
    let elsewhere = arn().replace(REGION, "eu-west-1");
    assert_eq!(
        refused(&elsewhere),
        (
            "ValidationException".to_owned(),
            format!("1 validation error detected: Invalid AWS region in '{elsewhere}'")
        )
    );
    let (code, message) = refused(&arn().replace(ACCOUNT, "999999999999"));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.contains("is not authorized to perform: dynamodb:GetItem"),
        "{message}"
    );
    for no_table in [
        format!("{}/index/by-n", arn()),
        format!("{}/stream/2026-01-01T00:00:00.000", arn()),
        arn().replace(":dynamodb:", ":sqs:"),
        arn().replace(TABLE, ""),
    ] {
        assert_eq!(refused(&no_table).0, "ValidationException", "{no_table}");
    }
    let missing = arn().replace(TABLE, "missing");
    assert_eq!(refused(&missing).0, "ResourceNotFoundException");
    let tags = json!({ "ResourceArn": arn().replace(REGION, "eu-west-1") });
    assert_eq!(
        refusal(&stack, "ListTagsOfResource", &tags).0,
        "ValidationException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_by_arn_is_announced_to_readers_of_the_stream() {
    let stack = stack();
    let mut changes = stack.dynamodb.changes(TABLE);
    stack.ask("PutItem", &json!({ "TableName": arn(), "Item": item("a", 1, 1) }));
    tokio::time::timeout(seconds(1), changes.changed())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_request_and_holds_an_arn_is_refused() {
    let stack = stack();
    for body in [format!("\"{}\"", arn()), format!("[\"{}\"]", arn()), arn()] {
        let answer = stack.dynamodb.handle("GetItem", body.as_bytes());
        assert_eq!(answer.status, 400, "{body}");
    }
    let without = json!({ "TransactItems": [{ "Get": { "Key": key(), "ProjectionExpression": arn() } }] });
    assert_eq!(
        refusal(&stack, "TransactGetItems", &without).0,
        "ValidationException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_that_looks_like_an_arn_is_left_as_it_is() {
    let stack = stack();
    let mut with_arn = item("a", 1, 1);
    with_arn["TableName"] = json!({ "S": arn() });
    stack.ask("PutItem", &json!({ "TableName": arn(), "Item": with_arn }));
    let got = stack.ask("GetItem", &json!({ "TableName": TABLE, "Key": key() }));
    assert_eq!(got["Item"], with_arn);
}

#[tokio::test(start_paused = true)]
async fn arns_of_keys_indexes_streams_and_errors_are_of_this_place() {
    let stack = Stack::new();
    let mut new = table(TABLE);
    new["SSESpecification"] = json!({ "Enabled": true });
    new["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "by-revision",
        "KeySchema": [{ "AttributeName": "revision", "KeyType": "HASH" }],
        "Projection": { "ProjectionType": "ALL" },
    }]);
    let made = stack.ask("CreateTable", &new);
    let described = stack.ask("DescribeTable", &json!({ "TableName": TABLE }));
    for table in [&made["TableDescription"], &described["Table"]] {
        assert_eq!(table["TableArn"], arn());
        let index = &table["GlobalSecondaryIndexes"][0]["IndexArn"];
        assert_eq!(index, &json!(format!("{}/index/by-revision", arn())));
        let key = table["SSEDescription"]["KMSMasterKeyArn"].as_str().unwrap();
        assert!(
            key.starts_with(&format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/")),
            "{key}"
        );
        let stream = table["LatestStreamArn"].as_str().unwrap();
        assert!(stream.starts_with(&format!("{}/stream/", arn())), "{stream}");
    }
    let missing = json!({ "ResourceArn": arn().replace(TABLE, "missing") });
    let (code, message) = refusal(&stack, "ListTagsOfResource", &missing);
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.contains(&format!(":{REGION}:{ACCOUNT}:table/missing")),
        "{message}"
    );
}
