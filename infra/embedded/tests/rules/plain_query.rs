//! A query that is answered from the rows as they are stored says what it says otherwise.

use serde_json::{Value, json};

use crate::support::Stack;

const TABLE: &str = "notes";

/// What a query answers, with items as values: the order of an object's members means nothing.
fn ask(stack: &Stack, request: &Value) -> (u16, Value) {
    let answer = stack.dynamodb.handle("Query", request.to_string().as_bytes());
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

/// A query for all of that, and the same with an option that means nothing and is answered the long way.
fn both(stack: &Stack, request: &Value) -> (u16, Value) {
    let mut the_long_way = request.clone();
    the_long_way["Limit"] = json!(1_000_000);
    let expected = ask(stack, &the_long_way);
    for time in ["the first", "the second", "the third"] {
        assert_eq!(ask(stack, request), expected, "{time} time: {request}");
    }
    expected
}

fn filled() -> Stack {
    let stack = Stack::new();
    for (table, kind) in [(TABLE, "N"), ("texts", "S")] {
        stack.ask(
            "CreateTable",
            &json!({ "TableName": table, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }, { "AttributeName": "seq", "KeyType": "RANGE" }],
                "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" },
                    { "AttributeName": "seq", "AttributeType": kind }] }),
        );
    }
    for n in 0..120 {
        let item = json!({ "id": { "S": "a \"quoted\" \u{1F600} id" }, "seq": { "N": format!("{}", n * n) },
            "price": { "N": "0012.500" }, "raw": { "B": "AP8=" }, "set": { "NS": ["2", "1.0", "3"] },
            "tree": { "L": [{ "M": { "x": { "BOOL": true }, "y": { "NULL": true } } }, { "SS": ["b", "a"] }] },
            "text": { "S": "line\nbreak \\ \u{0} \u{7f} \u{2028} é".repeat(n % 40) } });
        stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": item }));
    }
    for at in ["", "a", "b", "ba", "c"].iter().filter(|at| !at.is_empty()) {
        let item = json!({ "id": { "S": "t" }, "seq": { "S": at } });
        stack.ask("PutItem", &json!({ "TableName": "texts", "Item": item }));
    }
    stack
}

fn query(table: &str, condition: &str, values: &Value) -> Value {
    json!({ "TableName": table, "KeyConditionExpression": condition, "ExpressionAttributeValues": values })
}

#[tokio::test(start_paused = true)]
async fn a_whole_partition_and_each_side_of_a_sort_key_are_as_they_are_otherwise() {
    let stack = filled();
    let id = json!({ "S": "a \"quoted\" \u{1F600} id" });
    for consistent in [false, true] {
        for forward in [false, true] {
            for capacity in [None, Some("NONE"), Some("TOTAL"), Some("INDEXES")] {
                let with = |mut request: Value| {
                    request["ConsistentRead"] = json!(consistent);
                    request["ScanIndexForward"] = json!(forward);
                    if let Some(capacity) = capacity {
                        request["ReturnConsumedCapacity"] = json!(capacity);
                    }
                    request
                };
                let (status, all) = both(&stack, &with(query(TABLE, "id = :id", &json!({ ":id": id }))));
                assert_eq!((status, &all["Count"]), (200, &json!(120)));
                for side in ["=", "<", "<=", ">", ">="] {
                    for at in ["0", "99", "100", "14161", "99999"] {
                        let values = json!({ ":id": id, ":at": { "N": at } });
                        both(
                            &stack,
                            &with(query(TABLE, &format!("id = :id AND seq {side} :at"), &values)),
                        );
                    }
                }
            }
        }
    }
    let values = json!({ ":id": { "S": "t" }, ":at": { "S": "b" } });
    let mut named = query("texts", "#i = :id and #a>=:at", &values);
    named["ExpressionAttributeNames"] = json!({ "#i": "id", "#a": "seq" });
    assert_eq!(both(&stack, &named).1["Count"], 3);
    let nobody = query(TABLE, "id = :id", &json!({ ":id": { "S": "nobody" } }));
    assert_eq!(both(&stack, &nobody).1["Items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_refused_however_often_the_same_was_answered_before() {
    let stack = filled();
    let id = json!({ "S": "t" });
    let good = query(
        TABLE,
        "id = :id AND seq > :at",
        &json!({ ":id": id, ":at": { "N": "1" } }),
    );
    assert_eq!(both(&stack, &good).0, 200);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let bad = [
        changed(&|r| r["ExpressionAttributeValues"][":at"] = json!({ "S": "1" })),
        changed(&|r| r["ExpressionAttributeValues"][":at"] = json!({ "N": "one" })),
        changed(&|r| r["ExpressionAttributeValues"][":at"] = json!({ "N": "1", "S": "1" })),
        changed(&|r| r["ExpressionAttributeValues"][":more"] = json!({ "S": "unused" })),
        changed(&|r| r["ExpressionAttributeNames"] = json!({ "#unused": "x" })),
        changed(&|r| r["ExpressionAttributeValues"] = json!({})),
        changed(&|r| r["TableName"] = json!("nowhere")),
        changed(&|r| r["ReturnConsumedCapacity"] = json!("SOME")),
        changed(&|r| r["KeyConditionExpression"] = json!("seq > :at AND price = :id")),
        changed(&|r| r["KeyConditionExpression"] = json!("id = :id OR seq > :at")),
        changed(&|r| r["KeyConditionExpression"] = json!("id > :id AND seq > :at")),
    ];
    // Nothing has such a key: neither way is anything found.
    let empty = changed(&|r| r["ExpressionAttributeValues"][":id"] = json!({ "S": "" }));
    assert_eq!(both(&stack, &empty).1["Count"], 0);
    for request in bad {
        let (status, said) = both(&stack, &request);
        assert_eq!(status, 400, "{request}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_is_cut_and_gone_on_with() {
    let stack = filled();
    for n in 0..30 {
        let item = json!({ "id": { "S": "long" }, "seq": { "N": n.to_string() }, "text": { "S": "x".repeat(60_000) } });
        stack.ask("PutItem", &json!({ "TableName": TABLE, "Item": item }));
    }
    let request = query(TABLE, "id = :id", &json!({ ":id": { "S": "long" } }));
    let (_, page) = both(&stack, &request);
    assert!(
        page["LastEvaluatedKey"].is_object() && page["Count"].as_u64().unwrap() < 30,
        "{}",
        page["Count"]
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_charged_as_it_is_otherwise() {
    let stack = filled();
    let request = query(
        TABLE,
        "id = :id",
        &json!({ ":id": { "S": "a \"quoted\" \u{1F600} id" } }),
    );
    let charged = || {
        let before = stack.dynamodb.totals();
        ask(&stack, &request);
        stack.dynamodb.totals().since(&before).operation("Query")
    };
    let first = charged();
    assert!(first.read > 1.0);
    assert_eq!(charged(), first);
}
