//! Whoever looks on sees events as they happen: those that were asked for, each once, until they have seen enough.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use functions::domain::values::{CartId, OrderId, PaymentId};
use local::{StackOptions, Views};
use serde_json::{Value, json};

use crate::front::{Answer, Front};
use crate::showing::item;
use crate::support::{ALL_GOES_WELL, Up, cart, program, run};

/// Longer than any machine needs for what comes within a second or two.
const PATIENCE: Duration = Duration::from_mins(1);

/// The command, as it follows.
struct Tailing {
    child: Child,
    lines: Receiver<String>,
    err: BufReader<ChildStderr>,
}

impl Tailing {
    /// Starts it, and waits until nothing is missed any more.
    fn at(url: &str, arguments: &[&str]) -> Self {
        let mut command = program(&[&["tail"], arguments].concat());
        command.env("AWS_ENDPOINT_URL", url).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut note = String::new();
        while !note.starts_with("following events of stack local") {
            note.clear();
            assert!(err.read_line(&mut note).expect("text") > 0, "it ended");
        }
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, err }
    }

    fn of(up: &Up, arguments: &[&str]) -> Self {
        Self::at(&up.url, arguments)
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("another line")
    }

    fn next_json(&self) -> Value {
        let line = self.next();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The types of the events up to the first of this type.
    fn types_up_to(&self, last: &str) -> Vec<String> {
        let mut types = Vec::new();
        while types.last().is_none_or(|event| event != last) {
            types.push(
                self.next_json()["event_type"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        types
    }

    /// Interrupts it as Ctrl-C does. What it had printed beside what was read, what it told, and the exit code.
    fn interrupt(mut self) -> (Vec<String>, String, i32) {
        let told = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(told.expect("there is a kill").success());
        let code = self.child.wait().expect("it ends").code().unwrap_or(-1);
        let mut err = String::new();
        self.err.read_to_string(&mut err).expect("text");
        (self.lines.iter().collect(), err, code)
    }
}

/// An item like those of [`item`], of another time and chain.
fn at(time: &str, chain: &str, stream: &str, event_type: &str, data: &Value) -> Value {
    let mut item = item(stream, event_type, &data.to_string());
    item["committed_at"]["S"] = format!("2026-11-23T{time}.000Z").into();
    item["events"]["L"][0]["M"]["correlation_id"]["S"] = chain.into();
    item
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_as_they_happen_and_ctrl_c_is_how_it_ends() {
    let up = Up::without_functions().await;
    let secret = r#"{"client_id":"secret"}"#;
    up.put_item("local-events", &item("cart-1", "CartFinalized", secret));
    let tailing = Tailing::of(&up, &[]);
    up.put_item("local-events", &item("cart-2", "CartFinalized", secret));
    assert_eq!(
        tailing.next(),
        "2026-11-23T08:00:00.000Z  cart-2  1  CartFinalized  chain",
        "the one that was there before is not shown"
    );
    let broken =
        json!({ "stream_id": { "S": "cart-3" }, "revision": { "N": "1" }, "events": { "S": "none" } });
    up.put_item("local-events", &broken);
    let line = tailing.next();
    assert!(
        line.starts_with("BROKEN  cart-3 at revision 1: its item is no commit"),
        "{line}"
    );
    let (rest, err, code) = tailing.interrupt();
    assert_eq!((rest, err.as_str(), code), (vec![], "", 0));

    let tailing = Tailing::of(&up, &["--data"]);
    up.put_item("local-events", &item("cart-4", "CartFinalized", secret));
    assert!(tailing.next().contains("cart-4"));
    assert_eq!(tailing.next().trim_start(), secret);
    assert_eq!(tailing.interrupt().2, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_an_object_on_each_line_of_the_types_that_they_asked_for() {
    let up = Up::start().await;
    let tailing = Tailing::of(
        &up,
        &["--json", "--type", "CartFinalized", "--type", "OrderCompleted"],
    );
    up.ops(&["send", "FinalizeCart", "--command", &cart("c-1", "19.90")])
        .done();
    let cart = tailing.next_json();
    assert_eq!(cart["stream_id"], "cart-c-1");
    assert_eq!(cart.get("data"), None, "payloads are shown if they are asked for");
    let order = tailing.next_json();
    assert_eq!(order["event_type"], "OrderCompleted");
    assert_eq!(order["correlation_id"], cart["correlation_id"]);
    let stream = order["stream_id"].as_str().expect("a stream");
    let shown = up.ops(&["stream", stream, "--json"]).done().json();
    assert_eq!(order, shown["events"][2], "as `stream` shows it");
    assert_eq!(tailing.interrupt().2, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_a_client_is_shown_to_its_end_and_nothing_of_others() {
    let up = Up::start().await;
    let tailing = Tailing::of(&up, &["--client", "u-7", "--json"]);
    let other = cart("c-2", "19.90").replace("u-7", "u-8");
    for command in [&other, &cart("c-1", "19.90")] {
        up.ops(&["send", "FinalizeCart", "--command", command]).done();
    }
    let types = tailing.types_up_to("OrderCompleted");
    assert_eq!(types, ALL_GOES_WELL);
    assert_eq!(tailing.interrupt().0, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_began_before_is_known_by_its_view_whoever_answers() {
    let up = Up::without_functions().await;
    let order = OrderId::of_cart(&"c-1".parse::<CartId>().expect("an id"));
    let row = json!({
        "order_id": { "S": order.as_str() }, "client_id": { "S": "u-7" },
        "initialized_at": { "S": "2026-11-23T08:00:00.000Z" }, "correlation_id": { "S": "chain-1" },
    });
    up.put_item("local-orders", &row);
    let tailing = Tailing::of(&up, &["--client", "u-7"]);
    let nothing = json!({});
    let payment = format!("payment-{}", PaymentId::of_order(&order));
    for event in [
        at("08:01:00", "chain-1", "shipment-9", "ShipmentSent", &nothing),
        at("08:02:00", "chain-2", "payment-9", "PaymentCompleted", &nothing),
        at(
            "08:03:00",
            "of the provider",
            &payment,
            "PaymentCompleted",
            &nothing,
        ),
    ] {
        up.put_item("local-events", &event);
    }
    assert!(
        tailing.next().contains("shipment-9"),
        "it shares the order's chain"
    );
    assert!(tailing.next().contains(&payment), "it is the order's payment");
    assert_eq!(tailing.interrupt().0, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_followed_without_views_too_from_what_names_it_on() {
    let up = Up::with(StackOptions {
        functions: false,
        views: Views::LeftOut,
        ..StackOptions::of(functions::bundle())
    })
    .await;
    let tailing = Tailing::of(&up, &["--client", "u-7"]);
    let named = json!({ "cart_id": "c-1", "client_id": "u-7" });
    up.put_item(
        "local-events",
        &at("08:00:00", "chain-1", "cart-c-1", "CartFinalized", &named),
    );
    assert!(tailing.next().contains("cart-c-1"));
    assert_eq!(tailing.interrupt().2, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_since_some_time_is_shown_first_by_the_clock_of_the_service() {
    let up = Up::without_functions().await;
    let nothing = json!({});
    for (time, stream) in [
        ("08:49:00", "cart-1"),
        ("08:55:00", "cart-2"),
        ("08:56:00", "cart-3"),
    ] {
        up.put_item(
            "local-events",
            &at(time, "chain", stream, "CartFinalized", &nothing),
        );
    }
    let front = Front::before(&up.url, Some("Mon, 23 Nov 2026 09:00:00 GMT"));
    let tailing = Tailing::at(&front.url, &["--since", "10m"]);
    assert!(tailing.next().contains("cart-2"));
    assert!(tailing.next().contains("cart-3"));
    up.put_item(
        "local-events",
        &at("09:00:00", "chain", "cart-4", "CartFinalized", &nothing),
    );
    assert!(tailing.next().contains("cart-4"));
    assert_eq!(tailing.interrupt().0, [""; 0]);
    let refused = up.ops(&["tail", "--since", "25h"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("at most 24h"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_through_throttling_and_expired_iterators_and_misses_nothing() {
    let up = Up::without_functions().await;
    let front = Front::before(&up.url, None);
    let tailing = Tailing::at(&front.url, &[]);
    let nothing = json!({});
    let put = |stream| {
        up.put_item(
            "local-events",
            &at("08:00:00", "chain", stream, "CartFinalized", &nothing),
        );
    };
    put("cart-1");
    assert!(tailing.next().contains("cart-1"));
    // The client tries three times by itself, and not again what is no matter of time.
    let throttled = "ProvisionedThroughputExceededException";
    let refusals = [throttled, throttled, throttled, "ExpiredIteratorException"];
    front.answers(refusals.map(|code| Answer::refusal(".GetRecords", code)));
    put("cart-2");
    let line = tailing.next();
    assert!(line.contains("cart-2"), "{line}");
    up.until("all refusals were met", || (front.left() == 0).then_some(()))
        .await;
    put("cart-3");
    assert!(tailing.next().contains("cart-3"), "and nothing came twice");
    let (rest, err, code) = tailing.interrupt();
    assert_eq!((rest, code), (vec![], 0));
    let told: Vec<_> = err.lines().collect();
    assert!(
        told.len() == 2
            && told[0].contains("is tried again: GetRecords failed: ProvisionedThroughputExceededException")
            && told[1] == "the table stream is read again",
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_of_shards_are_followed_and_one_that_is_gone_keeps_nobody_up() {
    const GONE: &str = "shardId-00000000000000000000-00000000";
    let up = Up::without_functions().await;
    let front = Front::before(&up.url, None);
    let page = json!({ "StreamDescription": {
        "Shards": [{ "ShardId": GONE, "SequenceNumberRange": { "StartingSequenceNumber": "1" } }],
        "LastEvaluatedShardId": GONE,
    } });
    front.answers([
        Answer {
            kind: ".DescribeStream",
            about: "",
            status: 200,
            body: page.to_string(),
        },
        Answer {
            about: GONE,
            ..Answer::refusal(".GetShardIterator", "ResourceNotFoundException")
        },
    ]);
    let tailing = Tailing::at(&front.url, &[]);
    up.put_item("local-events", &item("cart-1", "CartFinalized", "{}"));
    assert!(tailing.next().contains("cart-1"));
    assert_eq!(tailing.interrupt(), (vec![], String::new(), 0));
    assert_eq!(front.left(), 0, "both were asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_will_be_answered_ends_it_and_says_why() {
    let up = Up::without_functions().await;
    let front = Front::before(&up.url, None);
    front.answers([Answer::refusal(".DescribeStream", "AccessDeniedException")]);
    let mut program = program(&["tail"]);
    program.env("AWS_ENDPOINT_URL", &front.url);
    let refused = run(program, "");
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(
        refused
            .err
            .contains("DescribeStream failed: AccessDeniedException: made up"),
        "{}",
        refused.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_there_is_not_is_refused_before_anything_is_followed() {
    let up = Up::without_functions().await;
    let refused = up.ops(&["tail", "--type", "orderComplete"]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
    assert!(
        refused
            .err
            .contains("no event orderComplete; the nearest are OrderCompleted"),
        "{}",
        refused.err
    );
}
