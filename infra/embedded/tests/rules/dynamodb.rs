//! DynamoDB as this crate adds to it: the meter, home region, errors and files.

use std::time::UNIX_EPOCH;

use embedded_aws::dynamodb::Units;
use embedded_aws::{Clock, Durability, DynamoDb, Store};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{START, Stack, item, refusal, seconds, table};

const TABLE: &str = "events";

fn stack() -> Stack {
    let stack = Stack::new();
    stack.create_table(TABLE);
    stack
}

fn units(requests: u64, read: f64, write: f64) -> Units {
    Units {
        requests,
        read,
        write,
    }
}

/// An operation that has to fail with a 400: its `__type` and all.
fn refused(stack: &Stack, operation: &str, request: &Value) -> Value {
    let answer = stack.dynamodb.handle(operation, request.to_string().as_bytes());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 400, "{body}");
    body
}

fn only_new() -> Value {
    json!({
        "TableName": TABLE,
        "Item": item("item", 1, 1),
        "ConditionExpression": "attribute_not_exists(id)",
    })
}

#[tokio::test(start_paused = true)]
async fn capacity_units_are_added_up_by_operation_and_table() {
    let stack = stack();
    stack.create_table("other");
    stack.put(TABLE, "item", 1, 1);
    stack.put("other", "item", 1, 1);
    let key = json!({ "id": { "S": "item" }, "revision": { "N": "1" } });
    stack.ask("GetItem", &json!({ "TableName": TABLE, "Key": key }));
    stack.ask(
        "GetItem",
        &json!({ "TableName": TABLE, "Key": key, "ConsistentRead": true }),
    );
    let put = |table: &str| json!({ "Put": { "TableName": table, "Item": item("item", 2, 2) } });
    stack.ask(
        "TransactWriteItems",
        &json!({ "TransactItems": [put(TABLE), put("other")] }),
    );

    let totals = stack.dynamodb.totals();
    assert_eq!(totals.all(), units(6, 1.5, 6.0));
    assert_eq!(totals.table(TABLE), units(4, 1.5, 3.0));
    assert_eq!(totals.operation("PutItem"), units(2, 0.0, 2.0));
    assert_eq!(totals.operation("TransactWriteItems"), units(2, 0.0, 4.0));
    assert_eq!(totals.operation("GetItem"), units(2, 1.5, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_totals_is_the_difference_to_an_earlier_copy() {
    let stack = stack();
    stack.put(TABLE, "item", 1, 1);
    let before = stack.dynamodb.totals();
    stack.put(TABLE, "item", 2, 2);
    assert_eq!(stack.dynamodb.totals().since(&before).all(), units(1, 0.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn consumed_capacity_is_shown_only_to_who_asks_for_it() {
    let stack = stack();
    let mut put = json!({ "TableName": TABLE, "Item": item("item", 1, 1) });
    assert_eq!(stack.ask("PutItem", &put), json!({}));
    put["ReturnConsumedCapacity"] = "TOTAL".into();
    let shown = stack.ask("PutItem", &put);
    assert_eq!(shown["ConsumedCapacity"]["CapacityUnits"], 1.0);
    assert_eq!(stack.dynamodb.totals().all(), units(2, 0.0, 2.0));
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_costs_as_much_as_the_larger_of_the_two_items() {
    let stack = stack();
    let mut large = item("item", 1, 1);
    large["text"] = json!({ "S": "x".repeat(2_500) });
    stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": large }));
    let before = stack.dynamodb.totals();
    let error = refused(&stack, "PutItem", &only_new());
    assert!(
        error["__type"]
            .as_str()
            .unwrap()
            .ends_with("#ConditionalCheckFailedException")
    );
    // Asked for inside, to know its size, and not for the caller.
    assert_eq!(error.get("Item"), None);
    assert_eq!(stack.dynamodb.totals().since(&before).all(), units(1, 0.0, 3.0));
}

#[tokio::test(start_paused = true)]
async fn the_item_that_stood_in_the_way_is_shown_to_who_asks_for_it() {
    let stack = stack();
    stack.put(TABLE, "item", 1, 7);
    let mut put = only_new();
    put["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD".into();
    assert_eq!(refused(&stack, "PutItem", &put)["Item"]["n"], json!({ "N": "7" }));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_transaction_costs_two_units_for_each_item() {
    let stack = stack();
    stack.put(TABLE, "item", 1, 1);
    let before = stack.dynamodb.totals();
    let puts = json!({ "TransactItems": [
        { "Put": only_new() },
        { "Put": { "TableName": TABLE, "Item": item("item", 2, 2) } },
    ] });
    let error = refused(&stack, "TransactWriteItems", &puts);
    assert_eq!(error["CancellationReasons"][0]["Code"], "ConditionalCheckFailed");
    assert_eq!(stack.dynamodb.totals().since(&before).all(), units(1, 0.0, 4.0));
}

#[tokio::test(start_paused = true)]
async fn a_transactions_token_is_remembered_for_ten_minutes_of_the_stacks_clock() {
    let stack = stack();
    let put = |revision: u64| {
        json!({ "ClientRequestToken": "the-same", "TransactItems": [{ "Put": { "TableName": TABLE,
            "Item": { "id": { "S": "token" }, "revision": { "N": revision.to_string() } } } }] })
    };
    stack.ask("TransactWriteItems", &put(1));
    sleep(seconds(599)).await;
    stack.ask("TransactWriteItems", &put(1));
    let error = refused(&stack, "TransactWriteItems", &put(2));
    assert!(
        error["__type"]
            .as_str()
            .unwrap()
            .ends_with("IdempotentParameterMismatchException"),
        "{error}"
    );
    sleep(seconds(1)).await;
    stack.ask("TransactWriteItems", &put(2));
}

#[tokio::test(start_paused = true)]
async fn a_token_has_one_to_36_characters() {
    let stack = stack();
    let put = |token: &str| {
        json!({ "ClientRequestToken": token,
            "TransactItems": [{ "Put": { "TableName": TABLE, "Item": item("token", 1, 1) } }] })
    };
    for (token, right) in [
        (String::new(), "greater than or equal to 1"),
        ("a".repeat(37), "less than or equal to 36"),
    ] {
        let (kind, message) = refusal(&stack, "TransactWriteItems", &put(&token));
        assert_eq!(kind, "ValidationException");
        assert!(
            message.contains("'clientRequestToken'") && message.ends_with(right),
            "{message}"
        );
    }
    stack.ask("TransactWriteItems", &put(&"a".repeat(36)));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_ends_at_a_megabyte_counts_what_it_holds_and_no_more() {
    let stack = stack();
    for revision in 1..=5 {
        let mut item = item("large", revision, revision);
        item["text"] = json!({ "S": "x".repeat(390_000) });
        stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": item }));
    }
    let all = json!({ "TableName": TABLE });
    let partition = json!({ "TableName": TABLE, "KeyConditionExpression": "id = :id",
        "ExpressionAttributeValues": { ":id": { "S": "large" } } });
    for (operation, request) in [("Scan", all), ("Query", partition)] {
        for (more, counts) in [
            (json!({}), [(2, 2), (2, 2), (1, 1)]),
            (json!({ "Limit": 3 }), [(2, 2), (2, 2), (1, 1)]),
            (json!({ "Select": "COUNT" }), [(2, 2), (2, 2), (1, 1)]),
            // Each second one passes.
            (
                json!({ "FilterExpression": "n IN (:two, :four)", "values": { ":two": { "N": "2" }, ":four": { "N": "4" } } }),
                [(1, 2), (1, 2), (0, 1)],
            ),
        ] {
            let mut request = request.clone();
            for (name, value) in more.as_object().unwrap() {
                if name == "values" {
                    for (placeholder, value) in value.as_object().unwrap() {
                        request["ExpressionAttributeValues"][placeholder] = value.clone();
                    }
                } else {
                    request[name] = value.clone();
                }
            }
            let mut pages = Vec::new();
            loop {
                let page = stack.ask(operation, &request);
                let count = |name: &str| page[name].as_u64().unwrap();
                pages.push((count("Count"), count("ScannedCount")));
                match page.get("LastEvaluatedKey") {
                    Some(last) => request["ExclusiveStartKey"] = last.clone(),
                    None => break,
                }
            }
            assert_eq!(pages, counts, "{operation} with {more}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_says_how_it_is_paid_for() {
    let mut request = table("paid");
    request.as_object_mut().unwrap().remove("BillingMode");
    let stack = stack();
    let (kind, message) = refusal(&stack, "CreateTable", &request);
    assert_eq!(kind, "ValidationException");
    assert_eq!(
        message,
        "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified \
         when BillingMode is PROVISIONED"
    );
    request["ProvisionedThroughput"] = json!({ "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 });
    stack.ask("CreateTable", &request);
}

#[tokio::test(start_paused = true)]
async fn time_to_live_is_switched_once_and_on_one_attribute() {
    let stack = stack();
    let switch = |attribute: &str, enabled: bool| {
        json!({ "TableName": TABLE,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": enabled } })
    };
    let said = |attribute: &str, enabled: bool| {
        let (kind, message) = refusal(&stack, "UpdateTimeToLive", &switch(attribute, enabled));
        assert_eq!(kind, "ValidationException");
        message
    };
    assert_eq!(said("until", false), "TimeToLive is already disabled");
    stack.ask("UpdateTimeToLive", &switch("until", true));
    assert_eq!(said("until", true), "TimeToLive is already enabled");
    let on_another = "TimeToLive is active on a different AttributeName: current AttributeName is until";
    assert_eq!(said("other", true), on_another);
    assert_eq!(said("other", false), on_another);
    stack.ask("UpdateTimeToLive", &switch("until", false));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_expired_is_deleted_without_being_asked_for() {
    let stack = stack();
    let expiry = json!({ "TableName": TABLE,
        "TimeToLiveSpecification": { "AttributeName": "until", "Enabled": true } });
    stack.ask("UpdateTimeToLive", &expiry);
    let mut expiring = item("expiring", 1, 1);
    expiring["until"] = json!({ "N": (START.as_secs() + 60).to_string() });
    stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": expiring }));
    stack.put(TABLE, "lasting", 1, 1);
    let left = || stack.ask("Scan", &json!({ "TableName": TABLE }))["Count"].clone();
    let dynamodb = stack.dynamodb.clone();
    let sweeping = tokio::spawn(async move { dynamodb.keep_sweeping().await });
    sleep(seconds(59)).await;
    assert_eq!(left(), 2);
    sleep(seconds(12)).await;
    assert_eq!(left(), 1);
    sweeping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_sent_again_after_a_restart_is_not_carried_out_twice() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::starting_at(UNIX_EPOCH + START);
    let begin = || {
        let store = Store::open(folder.path().join("store"), clock.clone(), Durability::Process).unwrap();
        DynamoDb::kept_in(&store)
    };
    let ask = |dynamodb: &DynamoDb, operation: &str, request: &Value| {
        let answer = dynamodb.handle(operation, request.to_string().as_bytes());
        (
            answer.status,
            serde_json::from_slice::<Value>(&answer.body).unwrap(),
        )
    };
    let table = json!({ "TableName": "sums", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }] });
    let add = |number: u64| {
        json!({ "ClientRequestToken": "one", "TransactItems": [{ "Update": { "TableName": "sums",
            "Key": { "id": { "S": "sum" } }, "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": { ":n": { "N": number.to_string() } } } }] })
    };
    let insert = json!({ "ClientRequestToken": "one", "TransactStatements":
        [{ "Statement": "INSERT INTO sums VALUE {'id': 'stated'}" }] });
    let read = json!({ "ClientRequestToken": "two", "TransactStatements":
        [{ "Statement": "SELECT * FROM sums WHERE id = 'sum'" }] });
    let dynamodb = begin();
    assert_eq!(ask(&dynamodb, "CreateTable", &table).0, 200);
    assert_eq!(ask(&dynamodb, "TransactWriteItems", &add(1)).0, 200);
    let inserted = ask(&dynamodb, "ExecuteTransaction", &insert);
    let found = ask(&dynamodb, "ExecuteTransaction", &read);
    assert_eq!((inserted.0, found.0), (200, 200), "{inserted:?} {found:?}");
    assert_eq!(found.1["Responses"][0]["Item"]["n"], json!({ "N": "1" }));
    drop(dynamodb);

    let dynamodb = begin();
    assert_eq!(ask(&dynamodb, "TransactWriteItems", &add(1)).0, 200);
    assert_eq!(ask(&dynamodb, "ExecuteTransaction", &insert), inserted);
    assert_eq!(ask(&dynamodb, "ExecuteTransaction", &read), found);
    let key = json!({ "TableName": "sums", "Key": { "id": { "S": "sum" } } });
    let sum = || ask(&dynamodb, "GetItem", &key).1["Item"]["n"].clone();
    assert_eq!(sum(), json!({ "N": "1" }));
    let other = ask(&dynamodb, "TransactWriteItems", &add(2)).1["__type"].to_string();
    assert!(other.contains("IdempotentParameterMismatchException"), "{other}");
    sleep(seconds(600)).await;
    assert_eq!(ask(&dynamodb, "TransactWriteItems", &add(2)).0, 200);
    assert_eq!(sum(), json!({ "N": "3" }));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_was_refused_is_not_remembered() {
    let stack = stack();
    let mut put = only_new();
    put["TableName"] = TABLE.into();
    let transaction = json!({ "ClientRequestToken": "again", "TransactItems": [{ "Put": put }] });
    stack.put(TABLE, "item", 1, 1);
    refused(&stack, "TransactWriteItems", &transaction);
    let key = json!({ "TableName": TABLE, "Key": { "id": { "S": "item" }, "revision": { "N": "1" } } });
    stack.ask("DeleteItem", &key);
    stack.ask("TransactWriteItems", &transaction);
    assert!(
        stack.ask("GetItem", &key)["Item"].is_object(),
        "it was carried out"
    );
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_write_is_announced_to_readers_of_the_stream() {
    let stack = stack();
    stack.create_table("other");
    let mut changes = stack.dynamodb.changes(TABLE);
    let key = json!({ "id": { "S": "item" }, "revision": { "N": "1" } });
    let put = json!({ "TableName": TABLE, "Item": item("item", 1, 1) });
    let batch = json!({ "RequestItems": { TABLE: [{ "PutRequest": { "Item": item("item", 2, 2) } }] } });
    let update = json!({
        "TableName": TABLE, "Key": key, "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": { ":n": { "N": "9" } },
    });
    let statement = json!({ "Statement": "DELETE FROM events WHERE id = 'item' AND revision = 2" });
    for (operation, request) in [
        ("PutItem", put.clone()),
        ("BatchWriteItem", batch),
        ("TransactWriteItems", json!({ "TransactItems": [{ "Put": put }] })),
        ("UpdateItem", update),
        ("DeleteItem", json!({ "TableName": TABLE, "Key": key })),
        ("ExecuteStatement", statement),
    ] {
        stack.ask(operation, &request);
        assert!(changes.has_changed().unwrap(), "{operation}");
        changes.mark_unchanged();
    }
    stack.ask(
        "Query",
        &json!({
            "TableName": TABLE, "KeyConditionExpression": "id = :s",
            "ExpressionAttributeValues": { ":s": { "S": "item" } },
        }),
    );
    stack.put("other", "item", 1, 1);
    assert!(!changes.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn arns_say_where_the_stack_is_at_home() {
    let stack = stack();
    let arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/events";
    let described = stack.ask("DescribeTable", &json!({ "TableName": TABLE }));
    assert_eq!(described["Table"]["TableArn"], arn);
    let tag = json!({ "ResourceArn": arn, "Tags": [{ "Key": "stage", "Value": "local" }] });
    stack.dynamodb.handle("TagResource", tag.to_string().as_bytes());
    let tags = stack.ask("ListTagsOfResource", &json!({ "ResourceArn": arn }));
    assert_eq!(tags["Tags"][0]["Key"], "stage");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_not_here_is_named_in_the_error() {
    let answer = stack().dynamodb.handle("CreateGlobalTable", b"{}");
    assert_eq!(answer.status, 501);
    assert!(String::from_utf8_lossy(&answer.body).contains("CreateGlobalTable"));
    let (kind, message) = refusal(&stack(), "PutItems", &json!({}));
    assert_eq!(kind, "UnknownOperationException");
    assert!(message.contains("PutItems"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_request_gets_the_error_that_dynamodb_gives() {
    let stack = stack();
    let kind = |body: &str| {
        let answer = stack.dynamodb.handle("PutItem", body.as_bytes());
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        body["__type"]
            .as_str()
            .unwrap()
            .rsplit('#')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(kind("no json"), "SerializationException");
    assert_eq!(kind(r#"{ "TableName": 1 }"#), "SerializationException");
    assert_eq!(kind(r#"{ "TableName": "events" }"#), "ValidationException");
    assert_eq!(
        kind(r#"{ "TableName": "missing", "Item": {} }"#),
        "ResourceNotFoundException"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_body_is_said_in_dynamodbs_words() {
    let stack = stack();
    let said = |operation: &str, request: Value| {
        let (code, message) = refusal(&stack, operation, &request);
        assert!(!message.contains("invalid type"), "{message}");
        format!("{code}: {message}")
    };
    let text = "SerializationException: TRUE_VALUE cannot be converted to String";
    assert_eq!(said("PutItem", json!({ "TableName": true })), text);
    let number = "SerializationException: NUMBER_VALUE cannot be converted to String";
    assert_eq!(said("ListStreams", json!({ "TableName": 1 })), number);
    let structure = "SerializationException: Start of structure or map found where not expected";
    assert_eq!(said("DescribeStream", json!({ "StreamArn": {} })), structure);
    let list = "SerializationException: Unrecognized collection type class java.lang.String";
    assert_eq!(said("DescribeStream", json!({ "StreamArn": [] })), list);
    let map = "SerializationException: Unexpected field type";
    assert_eq!(said("BatchGetItem", json!({ "RequestItems": "23" })), map);
    let part = "SerializationException: Unexpected value type in payload";
    assert_eq!(
        said("BatchGetItem", json!({ "RequestItems": { "a": "23" } })),
        part
    );
    let long = "SerializationException: STRING_VALUE cannot be converted to Long";
    assert_eq!(said("ListStreams", json!({ "Limit": "1" })), long);
    let missing = "ValidationException: 1 validation error detected: Value null at 'requestItems' failed to satisfy \
                   constraint: Member must not be null";
    assert_eq!(said("BatchGetItem", json!({})), missing);
    let empty = "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported \
                 datatypes";
    let keys = json!({ "RequestItems": { TABLE: { "Keys": [{ "id": {} }] } } });
    assert_eq!(said("BatchGetItem", keys), empty);
}

#[tokio::test(start_paused = true)]
async fn empty_and_unused_names_and_values_of_expressions_are_refused() {
    let stack = stack();
    let key = json!({ "id": { "S": "a" }, "revision": { "N": "1" } });
    let (names, values) = ("ExpressionAttributeNames", "ExpressionAttributeValues");
    let with = |name: &str, value: &Value| {
        let mut update = json!({ "TableName": TABLE, "Key": key, "UpdateExpression": "REMOVE n" });
        update[name] = value.clone();
        update
    };
    for (name, value) in [
        (names, json!({})),
        (values, json!({})),
        (names, json!({ "#unused": "n" })),
        (values, json!({ ":unused": { "N": "1" } })),
    ] {
        let (code, message) = refusal(&stack, "UpdateItem", &with(name, &value));
        assert_eq!(code, "ValidationException");
        assert!(message.contains(name), "{message}");
        let transaction = json!({ "TransactItems": [{ "Update": with(name, &value) }] });
        let (_, message) = refusal(&stack, "TransactWriteItems", &transaction);
        assert!(
            message.contains(name) || message.contains("ValidationError"),
            "{message}"
        );
        let mut put = json!({ "TableName": TABLE, "Item": item("a", 1, 1) });
        put["ConditionExpression"] = "attribute_not_exists(n)".into();
        put[name] = value.clone();
        assert_eq!(refusal(&stack, "PutItem", &put).0, "ValidationException", "{put}");
        let mut scan = json!({ "TableName": TABLE, "FilterExpression": "attribute_exists(n)" });
        scan[name] = value;
        assert_eq!(refusal(&stack, "Scan", &scan).0, "ValidationException", "{scan}");
    }
    assert_eq!(stack.ask("Scan", &json!({ "TableName": TABLE }))["Count"], 0);
}

#[tokio::test(start_paused = true)]
async fn items_expire_by_the_stacks_clock() {
    let stack = stack();
    let ttl = json!({ "Enabled": true, "AttributeName": "until" });
    stack.ask(
        "UpdateTimeToLive",
        &json!({ "TableName": TABLE, "TimeToLiveSpecification": ttl }),
    );
    let mut item = item("item", 1, 1);
    let now = stack
        .clock
        .now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    item["until"] = json!({ "N": (now + 3_600).to_string() });
    stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": item }));
    assert_eq!(stack.dynamodb.sweep_expired().unwrap(), 0);
    sleep(seconds(3_700)).await;
    assert_eq!(stack.dynamodb.sweep_expired().unwrap(), 1);
}

#[tokio::test]
async fn a_database_in_a_file_is_there_again_after_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tables.db");
    let open = || Stack {
        dynamodb: DynamoDb::open(&file).unwrap(),
        clock: Clock::real(),
        ..Stack::new()
    };
    let stack = open();
    stack.ask("CreateTable", &table(TABLE));
    stack.put(TABLE, "item", 1, 1);
    drop(stack);
    let scanned = open().ask("Scan", &json!({ "TableName": TABLE }));
    assert_eq!(scanned["Count"], 1);

    let nowhere = DynamoDb::open(folder.path().join("missing/tables.db"))
        .unwrap_err()
        .to_string();
    assert!(
        nowhere.contains("missing/tables.db") && nowhere.contains("a folder that exists"),
        "{nowhere}"
    );
}
