//! `cargo local up --data` is killed at random moments of a burst, over and over, on one folder: whatever it acknowledged is
//! there at the end, once.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Up, program, until};

/// How often it is killed, unless `KILLS` says otherwise.
const KILLS: u32 = 12;
const SENDERS: usize = 6;
/// The most carts that are accepted in a burst before the kill, however fast the machine is.
const BURST: usize = 60;
const NAMESPACE: Uuid = Uuid::from_u128(0x3f0c_1a52_5d0e_5b57_9c53_6d0c_6f1f_1b7e);

/// What was acknowledged.
#[derive(Default)]
struct Accepted {
    carts: Mutex<BTreeSet<String>>,
    /// Carts that are none.
    malformed: Mutex<BTreeSet<String>>,
    /// Messages for a queue that nobody reads, some of them with a delay.
    parked: Mutex<BTreeSet<String>>,
    /// Of those, what was received and deleted.
    taken: Mutex<BTreeSet<String>>,
    /// Of those, what was to be deleted when the kill came: nobody knows whether it was.
    in_doubt: Mutex<BTreeSet<String>>,
}

fn up(folder: &Path) -> Up {
    let mut up = program(&["up", "--port", "0", "--data"]);
    up.arg(folder).stderr(std::process::Stdio::null());
    Up::start(up)
}

/// One call; none if nobody answers any more.
fn call(address: &str, target: &str, body: &Value) -> Option<Value> {
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: local\r\nConnection: close\r\nX-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    // One that was cut short is no answer.
    (head.starts_with("HTTP/1.1 200") && length == Some(body.len()))
        .then(|| serde_json::from_str(body).expect("JSON"))
}

fn send(address: &str, queue: &str, body: &str, delay: u32) -> bool {
    let request = json!({ "QueueUrl": format!("http://{address}/000000000000/{queue}"), "MessageBody": body,
        "DelaySeconds": delay });
    call(address, "AmazonSQS.SendMessage", &request).is_some()
}

/// Receives a parked message and deletes it; its body, and whether that was acknowledged.
fn take(address: &str) -> Option<(String, bool)> {
    let url = format!("http://{address}/000000000000/parked");
    let received = call(address, "AmazonSQS.ReceiveMessage", &json!({ "QueueUrl": url }))?;
    let message = received["Messages"].get(0)?;
    let body = message["Body"].as_str()?.to_owned();
    let delete = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
    Some((body, call(address, "AmazonSQS.DeleteMessage", &delete).is_some()))
}

/// Sends one thing after the other until nobody answers.
fn send_on(address: &str, sender: usize, round: u32, accepted: &Accepted) {
    for number in 0.. {
        let id = format!("{round}-{sender}-{number}");
        let (queue, body, delay, into) = match number % 4 {
            0 => (
                "parked",
                id.clone(),
                if number % 8 == 0 { 900 } else { 0 },
                &accepted.parked,
            ),
            1 => (
                "local-finalize-cart",
                format!("no cart {id}"),
                0,
                &accepted.malformed,
            ),
            _ => ("local-finalize-cart", cart(&id), 0, &accepted.carts),
        };
        if !send(address, queue, &body, delay) {
            return;
        }
        into.lock().expect("nobody panicked").insert(id);
        if number % 6 == 5
            && let Some((body, is_acknowledged)) = take(address)
        {
            let into = if is_acknowledged {
                &accepted.taken
            } else {
                &accepted.in_doubt
            };
            into.lock().expect("nobody panicked").insert(body);
        }
    }
}

fn carts_of(accepted: &Accepted) -> usize {
    accepted.carts.lock().expect("nobody panicked").len()
}

fn cart(id: &str) -> String {
    json!({ "command": { "cart_id": id, "client_id": "u-7", "total_price": 19.98,
        "product_items": [{ "product_id": "p-1", "quantity": 2, "unit_price": 9.99 }] } })
    .to_string()
}

fn count(address: &str, queue: &str) -> u64 {
    let request =
        json!({ "QueueUrl": format!("http://{address}/000000000000/{queue}"), "AttributeNames": ["All"] });
    let answer = call(address, "AmazonSQS.GetQueueAttributes", &request).expect("it runs");
    let names = ["", "NotVisible", "Delayed"].map(|kind| format!("ApproximateNumberOfMessages{kind}"));
    let number = |name: &String| {
        answer["Attributes"][name]
            .as_str()
            .and_then(|text| text.parse::<u64>().ok())
    };
    names.iter().filter_map(number).sum()
}

/// The types of the events of a stream.
fn events(address: &str, stream: &str) -> Vec<String> {
    let request = json!({ "TableName": "local-events", "KeyConditionExpression": "stream_id = :s",
        "ExpressionAttributeValues": { ":s": { "S": stream } } });
    let answer = call(address, "DynamoDB_20120810.Query", &request).expect("it runs");
    let commits = answer["Items"].as_array().expect("a list").iter();
    let events = commits.flat_map(|commit| commit["events"]["L"].as_array().expect("a list"));
    let types = events.map(|event| event["M"]["event_type"]["S"].as_str().expect("a text").to_owned());
    types.collect()
}

/// The bodies that wait in a queue, all of which are received.
fn bodies(address: &str, queue: &str) -> Vec<String> {
    let request = json!({ "QueueUrl": format!("http://{address}/000000000000/{queue}"), "MaxNumberOfMessages": 10,
        "VisibilityTimeout": 3600 });
    let mut bodies = Vec::new();
    loop {
        let answer = call(address, "AmazonSQS.ReceiveMessage", &request).expect("it runs");
        let Some(messages) = answer["Messages"]
            .as_array()
            .filter(|messages| !messages.is_empty())
        else {
            return bodies;
        };
        let body = |message: &Value| message["Body"].as_str().expect("a text").to_owned();
        bodies.extend(messages.iter().map(body));
    }
}

/// Its order is completed, and nothing was done twice on the way.
fn assert_completed_once(address: &str, cart: &str) {
    let order = Uuid::new_v5(&NAMESPACE, format!("order/{cart}").as_bytes());
    let payment = Uuid::new_v5(&NAMESPACE, format!("payment/{order}").as_bytes());
    let shipment = Uuid::new_v5(&NAMESPACE, format!("shipment/{order}").as_bytes());
    for (stream, expected) in [
        (format!("cart-{cart}"), vec!["CartFinalized"]),
        (
            format!("order-{order}"),
            vec!["OrderInitialized", "OrderConfirmed", "OrderCompleted"],
        ),
        (
            format!("payment-{payment}"),
            vec!["PaymentRequested", "PaymentCompleted"],
        ),
        (
            format!("shipment-{shipment}"),
            vec!["ShipmentRequested", "ShipmentSent"],
        ),
    ] {
        assert_eq!(events(address, &stream), expected, "cart {cart}: {stream}");
    }
}

// The figures, for whoever asks for them with --nocapture.
#[allow(clippy::print_stdout)]
#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it_once() {
    let kills = std::env::var("KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(KILLS);
    let folder = tempfile::tempdir().expect("a folder");
    let accepted = Accepted::default();
    for round in 0..kills {
        let mut up = up(folder.path());
        let address = up.address.clone();
        let made = call(
            &address,
            "AmazonSQS.CreateQueue",
            &json!({ "QueueName": "parked" }),
        );
        made.expect("it runs");
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (address, accepted) = (&address, &accepted);
                scope.spawn(move || send_on(address, sender, round, accepted));
            }
            let enough = carts_of(&accepted) + fastrand::usize(1..=BURST);
            until("so many carts are accepted", || {
                (carts_of(&accepted) >= enough).then_some(())
            });
            // Not always between two looks.
            std::thread::sleep(Duration::from_millis(fastrand::u64(0..20)));
            up.child.kill().expect("it runs");
        });
    }

    let up = up(folder.path());
    let address = up.address.as_str();
    until("all that is under way has ended", || {
        let queues = call(address, "AmazonSQS.ListQueues", &json!({})).expect("it runs");
        let queues = queues["QueueUrls"].as_array().expect("a list").iter();
        let names = queues.filter_map(|url| url.as_str()?.rsplit('/').next());
        let mut working = names.filter(|name| name.starts_with("local-") && !name.ends_with("-dlq"));
        // Deadlines wait for as long as they were set to.
        working
            .all(|name| name.contains("time-out") || count(address, name) == 0)
            .then_some(())
    });

    let carts = accepted.carts.into_inner().expect("nobody panicked");
    for cart in &carts {
        assert_completed_once(address, cart);
    }

    let letters = bodies(address, "local-finalize-cart-dlq");
    let found: BTreeSet<_> = letters.iter().cloned().collect();
    let malformed = accepted.malformed.into_inner().expect("nobody panicked");
    for id in &malformed {
        assert!(
            found.contains(&format!("no cart {id}")),
            "dead letter {id} is lost"
        );
    }

    let [parked, taken, in_doubt] = [accepted.parked, accepted.taken, accepted.in_doubt]
        .map(|messages| messages.into_inner().expect("nobody panicked"));
    // What is delayed or was in flight at a kill is not handed out now, and is counted.
    let there = usize::try_from(count(address, "parked")).expect("a few");
    let gone: BTreeSet<_> = taken.union(&in_doubt).cloned().collect();
    let expected = parked.difference(&gone).count();
    assert!(
        there >= expected,
        "parked: {expected} are to be there, and {there} are"
    );
    let handed_out = bodies(address, "parked");
    let twice: BTreeSet<_> = handed_out.iter().cloned().collect();
    assert_eq!(twice.len(), handed_out.len(), "a parked message is there twice");
    for body in handed_out {
        assert!(!taken.contains(&body), "{body} was deleted, and is there again");
    }

    println!(
        "killed {kills} times: {} carts accepted, {} orders completed once, {} dead letters of {} accepted ({} twice), \
         {expected} parked messages of {} less {} taken and {} in doubt: {there} there; 0 lost, 0 effects doubled",
        carts.len(),
        carts.len(),
        found.len(),
        malformed.len(),
        letters.len() - found.len(),
        parked.len(),
        taken.len(),
        in_doubt.len(),
    );
    assert!(
        carts.len() > 20,
        "the kills came too early to show anything: {} carts",
        carts.len()
    );
}
