//! An item that is written as it was sent is answered, kept, streamed and charged as it is otherwise.

use embedded_aws::dynamodb::{DynamoDb, StreamPosition, Totals};
use embedded_aws::{Clock, Durability, Store};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, START};

const TABLES: [(&str, &str, &str); 3] = [
    ("both", "N", "NEW_AND_OLD_IMAGES"),
    ("new", "S", "NEW_IMAGE"),
    ("keys", "S", "KEYS_ONLY"),
];

/// The same tables twice: one that writes as it may, and one to which each request says what makes it the long way.
struct Twins {
    plain: DynamoDb,
    long: DynamoDb,
    _folder: Option<tempfile::TempDir>,
}

impl Twins {
    fn in_memory() -> Self {
        let one = || DynamoDb::in_memory(clock()).unwrap().at_home_in(REGION, ACCOUNT);
        Self::of(one(), one(), None)
    }

    fn in_files() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let one = |name: &str| {
            let store = Store::open(folder.path().join(name), clock(), Durability::Process).unwrap();
            DynamoDb::kept_in(&store).at_home_in(REGION, ACCOUNT)
        };
        Self::of(one("plain"), one("long"), Some(folder))
    }

    fn of(plain: DynamoDb, long: DynamoDb, folder: Option<tempfile::TempDir>) -> Self {
        for database in [&plain, &long] {
            for (table, kind, view) in TABLES {
                let request = json!({ "TableName": table, "BillingMode": "PAY_PER_REQUEST",
                    "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }, { "AttributeName": "seq", "KeyType": "RANGE" }],
                    "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" },
                        { "AttributeName": "seq", "AttributeType": kind }],
                    "StreamSpecification": { "StreamEnabled": true, "StreamViewType": view } });
                assert_eq!(ask(database, "CreateTable", &request.to_string()).0, 200);
            }
            let indexed = json!({ "TableName": "indexed", "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" },
                    { "AttributeName": "by", "AttributeType": "S" }],
                "GlobalSecondaryIndexes": [{ "IndexName": "by-whom", "KeySchema": [{ "AttributeName": "by", "KeyType": "HASH" }],
                    "Projection": { "ProjectionType": "ALL" } }] });
            let made = ask(database, "CreateTable", &indexed.to_string());
            assert_eq!(made.0, 200, "{}", made.1);
        }
        Self {
            plain,
            long,
            _folder: folder,
        }
    }

    /// Puts what the members of an object say; the answer, which is the same on both.
    fn put(&self, members: &str) -> (u16, Value) {
        let answer = ask(&self.plain, "PutItem", &format!("{{{members}}}"));
        let long = ask(
            &self.long,
            "PutItem",
            &format!("{{\"ReturnValues\":\"NONE\",{members}}}"),
        );
        assert_eq!(answer, long, "{members}");
        answer
    }

    /// The same of what may be wrong in two places, of which the long way names any; whether it was written.
    fn put_if_it_may(&self, members: &str) -> bool {
        let (status, answer) = ask(&self.plain, "PutItem", &format!("{{{members}}}"));
        let (long, told) = ask(
            &self.long,
            "PutItem",
            &format!("{{\"ReturnValues\":\"NONE\",{members}}}"),
        );
        assert_eq!(
            (status, &answer["__type"]),
            (long, &told["__type"]),
            "{members}: {answer}, {told}"
        );
        status == 200
    }

    fn put_all(&self, requests: &[String]) -> Vec<u16> {
        requests.iter().map(|request| self.put(request).0).collect()
    }

    /// What is in the tables and in their streams, and what it cost, is the same.
    fn compare(&self) {
        for table in ["both", "new", "keys", "indexed"] {
            let all = |database| {
                let request = json!({ "TableName": table, "ConsistentRead": true }).to_string();
                ask(database, "Scan", &request).1
            };
            assert_eq!(all(&self.plain), all(&self.long), "items of {table}");
            if table != "indexed" {
                let records = records(&self.plain, table);
                assert_eq!(records, self::records(&self.long, table), "records of {table}");
                assert!(!records.is_empty(), "{table}");
            }
        }
        let cost = |totals: Totals| totals.operation("PutItem");
        assert_eq!(cost(self.plain.totals()), cost(self.long.totals()));
    }
}

/// The records of the table's stream, without their random ids.
fn records(database: &DynamoDb, table: &str) -> Vec<Value> {
    let stream = database.stream_of(table).unwrap();
    let iterator = database
        .shard_iterator(&stream, StreamPosition::TrimHorizon)
        .unwrap();
    let found = database.records(&stream, &iterator, 1_000).unwrap().records;
    let mut records: Vec<Value> = found.into_iter().map(|record| record.json).collect();
    for record in &mut records {
        assert_eq!(record["eventID"].take().as_str().map(str::len), Some(32));
    }
    records
}

fn clock() -> Clock {
    Clock::starting_at(std::time::UNIX_EPOCH + START)
}

fn ask(database: &DynamoDb, operation: &str, body: &str) -> (u16, Value) {
    let answer = database.handle(operation, body.as_bytes());
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn members(table: &str, item: &str, condition: &str) -> String {
    format!("\"TableName\":\"{table}\",\"Item\":{item},\"ConditionExpression\":\"{condition}\"")
}

/// An item with that key and more, as JSON.
fn item(seq: &str, more: &str) -> String {
    format!("{{\"id\":{{\"S\":\"a \\\"quoted\\\" \\ud83d\\ude00\"}},\"seq\":{seq}{more}}}")
}

const NEW: &str = "attribute_not_exists(id)";

fn twins() -> [Twins; 2] {
    [Twins::in_memory(), Twins::in_files()]
}

#[tokio::test(start_paused = true)]
async fn a_new_item_is_answered_kept_streamed_and_charged_as_otherwise() {
    let tree = ",\"tree\":{\"L\":[{\"M\":{\"x\":{\"BOOL\":true},\"y\":{\"L\":[]}}},{\"S\":\"\"}]}";
    let texts = ",\"text\":{\"S\":\"line\\nbreak \\u0000 \\u007f \\u2028 é\"},\"\\u0061b\": {\"S\":\"x\"} ";
    for twins in twins() {
        for table in ["both", "new", "keys"] {
            let key = |n: usize| match table {
                "both" => format!("{{\"N\":\"{n}\"}}"),
                _ => format!("{{\"S\":\"{n}\"}}"),
            };
            let numbers = ",\"price\":{\"N\":\"19.98\"},\"none\":{\"N\":\"0\"},\"part\":{\"N\":\"0.5\"}";
            for (n, more) in [numbers, tree, texts, ""].iter().enumerate() {
                for (m, told) in ["NONE", "TOTAL", "INDEXES"].iter().enumerate() {
                    let request = members(table, &item(&key(10 * n + m), more), NEW);
                    let request = format!("{request},\"ReturnConsumedCapacity\":\"{told}\"");
                    let (status, answer) = twins.put(&request);
                    assert_eq!(status, 200, "{answer}");
                    assert_eq!(answer["ConsumedCapacity"].is_object(), *told != "NONE");
                }
            }
            let large = format!(",\"text\":{{\"S\":\"{}\"}}", "x".repeat(5_000));
            let request = members(table, &item(&key(99), &large), "attribute_not_exists( seq )");
            assert_eq!(twins.put_all(&[request.clone(), request]), [200, 400]);
        }
        twins.compare();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_not_written_over_and_is_shown_if_asked_for() {
    for twins in twins() {
        let first = members("both", &item("{\"N\":\"1\"}", ",\"text\":{\"S\":\"first\"}"), NEW);
        let other = members("both", &item("{\"N\":\"1\"}", ",\"text\":{\"S\":\"other\"}"), NEW);
        let next = members("both", &item("{\"N\":\"2\"}", ""), NEW);
        assert_eq!(
            twins.put_all(&[first, next.clone(), other.clone()]),
            [200, 200, 400]
        );
        let (status, told) = twins.put(&format!(
            "{other},\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\""
        ));
        assert_eq!(status, 400);
        assert_eq!(told["Item"]["text"]["S"], "first", "{told}");
        for table in ["new", "keys"] {
            twins.put(&members(table, &item("{\"S\":\"1\"}", ""), NEW));
        }
        twins.compare();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_plain_is_kept_or_refused_as_otherwise() {
    let odd = [
        ",\"set\":{\"NS\":[\"2\",\"1.0\",\"3\"]}",
        ",\"raw\":{\"B\":\"AP8=\"}",
        ",\"nothing\":{\"NULL\":true}",
        ",\"price\":{\"N\":\"0012.500\"}",
        ",\"price\":{\"N\":\"1e3\"}",
        ",\"price\":{\"N\":\"-1\"}",
        ",\"price\":{\"N\":\"1234567890123456789012345678901234567890\"}",
        ",\"price\":{\"N\":\"one\"}",
        ",\"price\":{\"N\":1}",
        ",\"twice\":{\"S\":\"one\"},\"twice\":{\"S\":\"two\"}",
        ",\"two\":{\"S\":\"one\",\"N\":\"1\"}",
        ",\"empty\":{}",
        ",\"unknown\":{\"X\":\"1\"}",
        ",\"set\":{\"SS\":[]}",
        ",\"\":{\"S\":\"no name\"}",
        ",\"deep\":{\"L\":[{\"L\":[{\"L\":[{\"L\":[{\"L\":[{\"L\":[{\"L\":[{\"L\":[{\"L\":[]}]}]}]}]}]}]}]}]}",
    ];
    for twins in twins() {
        for table in ["both", "new", "keys"] {
            let kind = if table == "both" { "N" } else { "S" };
            let good = members(table, &item(&format!("{{\"{kind}\":\"1\"}}"), ""), NEW);
            assert_eq!(twins.put(&good).0, 200);
        }
        let statuses: Vec<u16> = (10..)
            .zip(odd)
            .map(|(n, more)| {
                twins
                    .put(&members("both", &item(&format!("{{\"N\":\"{n}\"}}"), more), NEW))
                    .0
            })
            .collect();
        assert!(statuses.contains(&200) && statuses.contains(&400), "{statuses:?}");
        twins.compare();
    }
}

#[tokio::test(start_paused = true)]
async fn keys_tables_and_conditions_that_are_refused_are_refused_after_others_were_accepted() {
    for twins in twins() {
        for table in ["both", "new", "keys"] {
            let kind = if table == "both" { "N" } else { "S" };
            let good = members(table, &item(&format!("{{\"{kind}\":\"1\"}}"), ""), NEW);
            assert_eq!(twins.put(&good).0, 200);
        }
        let too_large = format!(",\"text\":{{\"S\":\"{}\"}}", "x".repeat(500_000));
        let refused = [
            members("both", &item("{\"S\":\"1\"}", ""), NEW),
            members("both", "{\"id\":{\"S\":\"no other key\"}}", NEW),
            members("both", "{\"id\":{\"S\":\"\"},\"seq\":{\"N\":\"5\"}}", NEW),
            members("new", "{\"id\":{\"S\":\"x\"},\"seq\":{\"S\":\"\"}}", NEW),
            members(
                "new",
                &item(&format!("{{\"S\":\"{}\"}}", "x".repeat(1_025)), ""),
                NEW,
            ),
            members("both", &item("{\"N\":\"5\"}", &too_large), NEW),
            members("nowhere", &item("{\"N\":\"5\"}", ""), NEW),
            members("both", &item("{\"N\":\"5\"}", ""), "attribute_not_exists(id"),
            members("both", &item("{\"N\":\"5\"}", ""), "attribute_exists(id)"),
            members("both", &item("{\"N\":\"5\"}", ""), ""),
            format!(
                "{},\"ReturnConsumedCapacity\":\"SOME\"",
                members("both", &item("{\"N\":\"5\"}", ""), NEW)
            ),
            format!(
                "{},\"ReturnValuesOnConditionCheckFailure\":\"SOME\"",
                members("both", &item("{\"N\":\"5\"}", ""), NEW)
            ),
            format!(
                "{},\"ExpressionAttributeNames\":{{\"#n\":\"id\"}}",
                members("both", &item("{\"N\":\"5\"}", ""), NEW)
            ),
        ];
        for (request, status) in refused.iter().zip(twins.put_all(&refused)) {
            assert_eq!(status, 400, "{request:.300}");
        }
        twins.compare();
    }
}

#[tokio::test(start_paused = true)]
async fn a_condition_on_another_attribute_and_a_table_with_an_index_are_as_otherwise() {
    for twins in twins() {
        for n in 1..=3 {
            let elsewhere = "attribute_not_exists(another)";
            let one = members("both", &item(&format!("{{\"N\":\"{n}\"}}"), ""), elsewhere);
            assert_eq!(twins.put_all(&[one.clone(), one]), [200, 200]);
            let row = format!("{{\"id\":{{\"S\":\"{n}\"}},\"by\":{{\"S\":\"me\"}}}}");
            let row = members("indexed", &row, NEW);
            assert_eq!(twins.put_all(&[row.clone(), row]), [200, 400]);
            for table in ["new", "keys"] {
                twins.put(&members(table, &item(&format!("{{\"S\":\"{n}\"}}"), ""), NEW));
            }
        }
        let by = json!({ "TableName": "indexed", "IndexName": "by-whom", "KeyConditionExpression": "#by = :me",
            "ExpressionAttributeNames": { "#by": "by" }, "ExpressionAttributeValues": { ":me": { "S": "me" } } });
        let found = ask(&twins.plain, "Query", &by.to_string());
        assert_eq!(found, ask(&twins.long, "Query", &by.to_string()));
        assert_eq!(found.1["Count"], 3);
        twins.compare();
    }
}

/// A value of any kind, plain or not, and now and then none at all.
fn value(random: &mut fastrand::Rng, depth: usize) -> String {
    let text = |random: &mut fastrand::Rng| {
        let pieces = [
            "",
            "a",
            "B",
            " ",
            "\\n",
            "\\u0000",
            "\\ud83d\\ude00",
            "é",
            "\\\"",
            "\\\\",
            "\u{2028}",
            "\\ud800",
        ];
        let pieces = (0..random.usize(0..6)).map(|_| pieces[random.usize(0..pieces.len())]);
        pieces.collect::<String>()
    };
    let number = |random: &mut fastrand::Rng| {
        let numbers = [
            "0",
            "7",
            "-7",
            "19.98",
            "19.980",
            "0.5",
            ".5",
            "5.",
            "007",
            "1e3",
            "1E-7",
            "-0",
            "0.0",
            "+1",
            " 1",
            "",
            "123456789012345678",
            "1234567890123456789",
            "99999999999999999999999999999999999999",
            "0x1",
            "NaN",
        ];
        numbers[random.usize(0..numbers.len())].to_owned()
    };
    let many = |random: &mut fastrand::Rng, one: &dyn Fn(&mut fastrand::Rng) -> String| {
        let all: Vec<String> = (0..random.usize(0..4)).map(|_| one(random)).collect();
        all.join(",")
    };
    let quoted = |text: String| format!("\"{text}\"");
    match random.usize(0..if depth < 3 { 16 } else { 12 }) {
        0..=3 => format!("{{\"S\":\"{}\"}}", text(random)),
        4..=6 => format!("{{\"N\":\"{}\"}}", number(random)),
        7 => format!("{{ \"BOOL\" : {} }}", random.bool()),
        8 => "{\"NULL\":true}".to_owned(),
        9 => format!("{{\"SS\":[{}]}}", many(random, &|random| quoted(text(random)))),
        10 => format!("{{\"NS\":[{}]}}", many(random, &|random| quoted(number(random)))),
        11 => [
            "{}",
            "{\"S\":1}",
            "{\"N\":1}",
            "{\"S\":\"a\",\"BOOL\":true}",
            "{\"B\":\"AP8=\"}",
            "null",
        ][random.usize(0..6)]
        .to_owned(),
        12 | 13 => format!("{{\"L\":[{}]}}", many(random, &|random| value(random, depth + 1))),
        _ => {
            let names = ["x", "y", "x y", "\\u0078", "é", ""];
            let member = |random: &mut fastrand::Rng| {
                let name = names[random.usize(0..names.len())];
                format!("\"{name}\":{}", value(random, depth + 1))
            };
            format!("{{\"M\":{{{}}}}}", many(random, &member))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn items_of_chance_are_kept_or_refused_as_otherwise() {
    for (seed, twins) in (1..).zip(twins()) {
        let mut random = fastrand::Rng::with_seed(seed);
        for table in ["new", "keys"] {
            twins.put(&members(table, &item("{\"S\":\"1\"}", ""), NEW));
        }
        twins.put(&members("both", &item("{\"N\":\"0\"}", ""), NEW));
        let mut statuses = [0, 0];
        for n in 1..=1_500 {
            let more = ["m", "n", "o"].iter().take(random.usize(0..4));
            let more: Vec<String> = more
                .map(|name| format!(",\"{name}\":{}", value(&mut random, 0)))
                .collect();
            let key = format!("{{\"N\":\"{}\"}}", n - n / 20);
            let written = twins.put_if_it_may(&members("both", &item(&key, &more.concat()), NEW));
            statuses[usize::from(written)] += 1;
        }
        assert!(statuses.iter().all(|count| *count > 300), "{statuses:?}");
        twins.compare();
    }
}
