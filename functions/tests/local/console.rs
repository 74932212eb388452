//! The console of this business's stack: somebody answers for the payment provider by hand.

use testkit::browser::Browser;

use crate::support::{Up, program, until};

const BENCH: &str = "/console/bench";
const FINALIZE: &str = "/console/messages/FinalizeCart";

fn browser(up: &Up) -> Browser<'_> {
    let address = &up.address;
    Browser { address }
}

fn up() -> Up {
    let up = Up::start(program(&["up", "--port", "0"]));
    let fields = [("function", "simulate-payment-gateway"), ("takes", "no")];
    let said = press(&up, "takes", &fields);
    assert!(
        said.contains("simulate-payment-gateway leaves what comes to you"),
        "{said}"
    );
    up
}

/// Does what a button of the page does; the page that says what came of it.
fn press(up: &Up, action: &str, fields: &[(&str, &str)]) -> String {
    let browser = Browser { address: &up.address };
    browser.done(BENCH, &format!("{BENCH}/{action}"), fields).text()
}

fn bench(up: &Up) -> String {
    let browser = Browser { address: &up.address };
    browser.get(BENCH).html
}

/// Sends a cart, and waits until its payment waits for an answer: the payment's id, and the message's.
fn requested(up: &Up, cart: &str) -> (String, String) {
    let message = format!(
        r#"{{"cart_id":"{cart}","client_id":"u-7","total_price":19.98,
            "product_items":[{{"product_id":"p-1","quantity":2,"unit_price":9.99}}]}}"#
    );
    let browser = Browser { address: &up.address };
    browser.done(FINALIZE, FINALIZE, &[("message", &message)]);
    until("the payment waits for an answer", || {
        let page = bench(up);
        let waiting = page.split("PaymentRequested").nth(1)?;
        let between = |text: &str, end: &str| {
            let rest = waiting.split(text).nth(1)?;
            Some(rest.split(end).next()?.to_owned())
        };
        Some((
            between("/console/of/payment/", "\"")?,
            between("name=\"id\" value=\"", "\"")?,
        ))
    })
}

fn answer(up: &Up, message: &str, command: &str, how: &str, more: &[(&str, &str)]) -> String {
    let fields = [
        ("queue", "payment-gateway"),
        ("id", message),
        ("command", command),
        ("how", how),
    ];
    press(up, "answer", &[&fields, more].concat())
}

/// The types of the events of a payment, in order.
fn events(up: &Up, payment: &str) -> Vec<String> {
    let query = format!(
        r#"{{"TableName":"local-events","KeyConditionExpression":"stream_id = :s",
            "ExpressionAttributeValues":{{":s":{{"S":"payment-{payment}"}}}}}}"#
    );
    let answer = up.call("DynamoDB_20120810.Query", &query);
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let found: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let items = found["Items"].as_array().expect("items").iter();
    let events = items.flat_map(|item| item["events"]["L"].as_array().cloned().unwrap_or_default());
    let types = events.map(|event| {
        event["M"]["event_type"]["S"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    types.collect()
}

fn until_events(up: &Up, payment: &str, expected: &[&str]) {
    let mut found = Vec::new();
    let what = format!("the payment has {expected:?}");
    until(&what, || {
        found = events(up, payment);
        (found == expected).then_some(())
    });
}

#[test]
fn a_payment_is_answered_by_hand_with_what_the_event_tells_and_what_somebody_writes() {
    let up = up();
    let (payment, message) = requested(&up, "c-1");
    let said = answer(&up, &message, "complete-payment", "once", &[]);
    assert!(said.contains("CompletePayment was sent."), "{said}");
    until_events(&up, &payment, &["PaymentRequested", "PaymentCompleted"]);
    // As from a page that is open since before.
    let fields = [
        ("token", browser(&up).token(BENCH)),
        ("queue", "payment-gateway".to_owned()),
        ("id", message),
        ("command", "complete-payment".to_owned()),
        ("how", "once".to_owned()),
    ];
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let again = browser(&up).post(&format!("{BENCH}/answer"), &fields);
    let again = browser(&up).get(&again.location.expect("it leads on")).text();
    assert!(again.contains("answered or dropped before"), "{again}");

    let (payment, message) = requested(&up, "c-2");
    let long = "x".repeat(10_001);
    let refused = answer(&up, &message, "fail-payment", "once", &[("field-error", &long)]);
    assert!(refused.contains("nothing was sent"), "{refused}");
    assert!(refused.contains("at most 10000 characters"), "{refused}");
    let fields = [("field-error", "no \"money\" left")];
    let said = answer(&up, &message, "fail-payment", "once", &fields);
    assert!(said.contains("FailPayment was sent."), "{said}");
    until_events(&up, &payment, &["PaymentRequested", "PaymentFailed"]);
}

#[test]
fn an_answer_may_come_twice_late_or_never() {
    let up = up();
    let (payment, message) = requested(&up, "c-1");
    answer(&up, &message, "complete-payment", "twice", &[]);
    until_events(&up, &payment, &["PaymentRequested", "PaymentCompleted"]);

    let (payment, message) = requested(&up, "c-2");
    let late = answer(&up, &message, "complete-payment", "late", &[]);
    assert!(
        late.contains("moved past the deadline of time-out-payment"),
        "{late}"
    );
    let given_back = [
        "PaymentRequested",
        "PaymentFailed",
        "PaymentReceivedLate",
        "PaymentDiscarded",
    ];
    until_events(&up, &payment, &given_back);

    let (payment, message) = requested(&up, "c-3");
    answer(&up, &message, "complete-payment", "never", &[]);
    assert_eq!(events(&up, &payment), ["PaymentRequested"]);
    press(&up, "clock", &[("to", "next")]);
    until_events(&up, &payment, &["PaymentRequested", "PaymentFailed"]);

    let (payment, _) = requested(&up, "c-4");
    let fields = [("function", "simulate-payment-gateway"), ("takes", "yes")];
    press(&up, "takes", &fields);
    until_events(&up, &payment, &["PaymentRequested", "PaymentCompleted"]);
}
