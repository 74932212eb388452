//! The rows of a view are read from wherever they stand: by their ids, in an index, in all parts of what is open, and
//! in the whole table.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_adapters::{Connection, Environment, Sorted, ViewError, ViewReader, ViewRow};
use embedded_aws::transport::Fault;
use eventsourcing::{Index, OPEN_INDEX, Read, Timestamp};
use futures::TryStreamExt;
use local::{Stack, StackOptions};
use serde_json::{Value, json};
use testkit::stub::Stub;
use testkit::weather::{broken, faults};

const TABLE: &str = "local-many-loans";

const BY_MEMBER: Index = Index {
    name: "by-member",
    partition: "member_id",
    sort: "lent_at",
    holds: &[],
};

/// How many rows there are; every second one is open.
const ROWS: usize = 260;

struct Library {
    // The tables go with it.
    stack: Stack,
    reader: ViewReader,
}

impl Library {
    async fn with_loans() -> Self {
        Self::with_loans_on(crate::options()).await
    }

    async fn with_loans_on(options: StackOptions) -> Self {
        let stack = Stack::start(StackOptions {
            functions: false,
            ..options
        })
        .await
        .expect("a stack in memory");
        let call = |operation: &str, request: &Value| {
            let dynamodb = stack.wire().dynamodb();
            let answer = dynamodb.handle(operation, request.to_string().as_bytes());
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        };
        call("CreateTable", &table());
        for number in 0..ROWS {
            call("PutItem", &json!({ "TableName": TABLE, "Item": row(number) }));
        }
        let reader = ViewReader::new(stack.observer().dynamodb, TABLE.to_owned(), "loan_id");
        Self { stack, reader }
    }
}

fn table() -> Value {
    let names = ["loan_id", "member_id", "lent_at", "open_shard", "phase_since"];
    let attribute = |name| json!({ "AttributeName": name, "AttributeType": "S" });
    let keys = |partition, sort| {
        json!([
            { "AttributeName": partition, "KeyType": "HASH" },
            { "AttributeName": sort, "KeyType": "RANGE" },
        ])
    };
    json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": names.map(attribute),
        "KeySchema": [{ "AttributeName": "loan_id", "KeyType": "HASH" }],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": BY_MEMBER.name,
                "KeySchema": keys(BY_MEMBER.partition, BY_MEMBER.sort),
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            },
            {
                "IndexName": OPEN_INDEX,
                "KeySchema": keys("open_shard", "phase_since"),
                "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["phase", "due_at"] },
            },
        ],
    })
}

/// A minute of that day.
fn minute(number: usize) -> String {
    format!("2026-11-23T{:02}:{:02}:00.000Z", number / 60, number % 60)
}

fn time(number: usize) -> Timestamp {
    minute(number).parse().expect("a time")
}

/// Open ones are in their phase since the minute of their number, and due two minutes after it. Three of four stand in
/// the same part.
fn row(number: usize) -> Value {
    let mut row = json!({
        "loan_id": { "S": format!("l-{number:03}") },
        "member_id": { "S": format!("m-{}", number % 3) },
        "lent_at": { "S": minute(number) },
        "phase": { "S": "returned" },
        "phase_since": { "S": minute(number) },
        "revision": { "N": "2" },
    });
    if number.is_multiple_of(2) {
        let part = if number.is_multiple_of(8) {
            number / 8 % 8
        } else {
            3
        };
        row["phase"] = json!({ "S": if number.is_multiple_of(4) { "lent_out" } else { "reminded" } });
        row["open_shard"] = json!({ "S": part.to_string() });
        row["due_at"] = json!({ "S": minute(number + 2) });
    }
    row
}

fn ids(rows: &[ViewRow]) -> Vec<&str> {
    rows.iter().filter_map(|row| row.text("loan_id")).collect()
}

fn numbered(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| format!("l-{number:03}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_rows_of_all_parts_come_in_one_sequence_whatever_the_pages() {
    let library = Library::with_loans().await;
    let expected = numbered((0..ROWS).step_by(2));
    for page in [1, 7, 1_000] {
        let rows = library.reader.open(None).page_of(page).into_stream();
        let rows: Vec<_> = rows.try_collect().await.expect("the table is there");
        assert_eq!(ids(&rows), expected, "pages of {page}");
        assert!(rows.iter().all(ViewRow::is_open));
    }
    let rows = library.reader.open(Some(time(90))).into_stream();
    let rows: Vec<_> = rows.try_collect().await.expect("the table is there");
    assert_eq!(ids(&rows), numbered((0..=90).step_by(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_few_open_rows_pays_for_few() {
    let library = Library::with_loans().await;
    let mut few = library.reader.open(None).page_of(1);
    assert_eq!(
        few.next()
            .await
            .expect("the table is there")
            .as_ref()
            .and_then(|row| row.text("loan_id")),
        Some("l-000")
    );
    // Half a unit for a row of each of eight parts.
    assert!((library.reader.read_units() - 4.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_rows_are_counted_by_phase_with_the_oldest_and_what_is_overdue() {
    let library = Library::with_loans().await;
    // Of those that were due by then, one was due just then.
    let counts = library
        .reader
        .count_open(None, time(102))
        .await
        .expect("the table is there");
    let counted: Vec<_> = counts
        .iter()
        .map(|(phase, count)| (phase, count.rows, count.open, count.overdue))
        .collect();
    assert_eq!(counted, [("lent_out", 65, 65, 25), ("reminded", 65, 65, 25)]);
    assert_eq!(counts.of("reminded").oldest, Some(time(2)));
    let counts = library
        .reader
        .count_open(Some(time(4)), time(0))
        .await
        .expect("the table is there");
    assert_eq!((counts.of("lent_out").rows, counts.of("reminded").rows), (2, 1));
    assert_eq!(counts.of("returned").rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_read_in_both_directions_page_by_page_or_as_a_stream() {
    let library = Library::with_loans().await;
    let of_member: Vec<_> = numbered((1..ROWS).step_by(3));
    let rows = library
        .reader
        .by(&BY_MEMBER, "m-1", Sorted::OldestFirst)
        .page_of(20)
        .into_stream();
    let rows: Vec<_> = rows.try_collect().await.expect("the table is there");
    assert_eq!(ids(&rows), of_member);
    let mut pages = library
        .reader
        .by(&BY_MEMBER, "m-1", Sorted::NewestFirst)
        .page_of(20);
    let first = pages
        .next_page()
        .await
        .expect("the table is there")
        .expect("there is a page");
    let newest: Vec<_> = of_member.iter().rev().take(20).collect();
    assert_eq!(ids(&first), newest);
    let mut more = 0;
    while let Some(page) = pages.next_page().await.expect("the table is there") {
        more += page.len();
    }
    assert_eq!(more, of_member.len() - 20);
    let nobody = library
        .reader
        .by(&BY_MEMBER, "m-9", Sorted::NewestFirst)
        .into_stream();
    assert_eq!(nobody.try_collect::<Vec<_>>().await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_sees_each_row_once_and_gives_those_of_a_phase() {
    let library = Library::with_loans().await;
    for (phase, expected) in [
        (None, numbered(0..ROWS)),
        (Some("returned"), numbered((1..ROWS).step_by(2))),
    ] {
        let pages: Vec<_> = library
            .reader
            .scan(4, phase)
            .try_collect()
            .await
            .expect("the table is there");
        let looked_at: u64 = pages.iter().map(|page| page.looked_at).sum();
        assert_eq!(looked_at, ROWS as u64);
        let found: Vec<_> = pages.iter().flat_map(|page| ids(&page.rows)).collect();
        let once: BTreeSet<_> = found.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(
            (found.len(), once),
            (expected.len(), expected.into_iter().collect())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_by_their_ids_as_freshly_as_it_is_asked() {
    let library = Library::with_loans().await;
    let units = |before: f64| library.reader.read_units() - before;
    for (read, cost) in [(Read::Eventual, 0.5), (Read::Consistent, 1.0)] {
        let before = library.reader.read_units();
        let row = library
            .reader
            .row("l-002", read)
            .await
            .expect("the table is there")
            .expect("it is there");
        assert_eq!(
            (row.phase(), row.number("revision")),
            (Some("reminded"), Some("2"))
        );
        assert!(
            (units(before) - cost).abs() < f64::EPSILON,
            "{read:?}: {}",
            units(before)
        );
    }
    assert_eq!(library.reader.row("l-999", Read::Consistent).await, Ok(None));
    // More than one request takes.
    let wanted: Vec<_> = numbered(0..150);
    let asked = wanted.iter().map(String::as_str).chain(["l-999"]);
    let rows = library.reader.rows(asked).await.expect("the table is there");
    let mut found = ids(&rows);
    found.sort_unstable();
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_is_told_from_one_that_can_not_be_read() {
    let library = Library::with_loans().await;
    let client = library.stack.observer().dynamodb;
    let none = ViewReader::new(client, "local-books".to_owned(), "book_id");
    let missing = ViewError::NoTable("local-books".to_owned());
    assert_eq!(none.row("b-1", Read::Eventual).await, Err(missing.clone()));
    assert_eq!(none.rows(["b-1"]).await, Err(missing.clone()));
    assert_eq!(none.open(None).next().await, Err(missing.clone()));
    assert_eq!(none.count_open(None, time(0)).await, Err(missing.clone()));
    let scanned: Result<Vec<_>, _> = none.scan(2, None).try_collect().await;
    assert_eq!(scanned.map(|pages| pages.len()), Err(missing));
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_asked_for_again_and_nothing_is_left_out_or_given_twice() {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let library = Library::with_loans_on(StackOptions {
        faults: Some(faults(move |call| {
            if down.load(Ordering::Relaxed) {
                broken(call.service)
            } else {
                Fault::None
            }
        })),
        ..crate::options()
    })
    .await;
    let client = library.stack.connection("reader").dynamodb;
    let reader = ViewReader::new(client, TABLE.to_owned(), "loan_id");
    let mut open = reader.open(None).page_of(3);
    let (mut found, mut failures) = (Vec::new(), 0);
    loop {
        // Every ninth row it is down for a while.
        is_down.store(
            found.len() % 9 == 8 && failures * 9 < found.len(),
            Ordering::Relaxed,
        );
        match open.next().await {
            Ok(Some(row)) => found.push(row),
            Ok(None) => break,
            Err(ViewError::Transient(_)) => failures += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(ids(&found), numbered((0..ROWS).step_by(2)));
    assert!(failures > 3, "only {failures} reads failed");
}

#[tokio::test]
async fn rows_that_an_answer_leaves_out_are_asked_for_again() {
    let left_out = AtomicBool::new(false);
    let stub = Stub::start(move |_| {
        let row = |id: &str| json!({ "loan_id": { "S": id }, "revision": { "N": "1" } });
        let answer = if left_out.swap(true, Ordering::Relaxed) {
            json!({ "Responses": { TABLE: [row("l-2")] } })
        } else {
            json!({
                "Responses": { TABLE: [row("l-1")] },
                "UnprocessedKeys": { TABLE: { "Keys": [{ "loan_id": { "S": "l-2" } }] } },
            })
        };
        (200, "application/x-amz-json-1.0", answer.to_string())
    });
    let environment = Environment::read(|name| match name {
        "AWS_ENDPOINT_URL" => Some(stub.url.clone()),
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        _ => None,
    });
    let connection = Connection::open(&environment.expect("it says all"));
    let reader = ViewReader::new(connection.dynamodb, TABLE.to_owned(), "loan_id");
    let rows = reader.rows(["l-1", "l-2"]).await.expect("both come in the end");
    assert_eq!(ids(&rows), ["l-1", "l-2"]);
    let asked: Vec<Value> = stub
        .asked()
        .iter()
        .map(|asked| serde_json::from_str(&asked.body).expect("JSON"))
        .collect();
    let keys = asked
        .iter()
        .map(|body| body["RequestItems"][TABLE]["Keys"].as_array().map(Vec::len));
    assert_eq!(keys.collect::<Vec<_>>(), [Some(2), Some(1)]);
}
