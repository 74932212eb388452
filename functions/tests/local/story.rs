//! All that happened to one order, as the console of `cargo local up` shows it.

use serde_json::json;
use testkit::browser::{Browser, Page};

use crate::support::{Up, program, until};

/// A running stack whose provider never answers of this order, and the order's page.
fn waiting() -> (Up, String) {
    let mut up = program(&["up", "--port", "0"]);
    up.env("PAYMENT_DEADLINE_SECONDS", "600");
    let up = Up::start(up);
    let cart = json!({ "command": {
        "cart_id": "c-1", "client_id": "u-7", "total_price": 408.00,
        "product_items": [{ "product_id": "secret-present", "quantity": 1, "unit_price": 408.00 }],
    }});
    let queue = format!("http://{}/000000000000/local-finalize-cart", up.address);
    let message = json!({ "QueueUrl": queue, "MessageBody": cart.to_string() });
    up.call("AmazonSQS.SendMessage", &message.to_string());
    let address = until("the cart leads to its order", || {
        let found = browser(&up).get("/console/of?id=c-1");
        found.location
    });
    until("its payment is requested", || {
        let page = browser(&up).get(&address);
        page.html.contains("PaymentRequested").then_some(())
    });
    (up, address)
}

fn browser(up: &Up) -> Browser<'_> {
    Browser { address: &up.address }
}

#[test]
fn an_order_is_drawn_in_a_lane_for_each_stream_and_told_in_a_table() {
    let (up, address) = waiting();
    let page = browser(&up).get(&address);
    assert_eq!(page.status, 200);
    let lanes = page.html.split("<g class=\"lane").skip(1);
    let lanes: Vec<_> = lanes
        .filter_map(|lane| lane.split("class=\"noun\"").nth(1)?.split(['>', '<']).nth(1))
        .collect();
    assert_eq!(lanes, ["cart", "order", "payment", "shipment"]);
    let text = page.text();
    for told in [
        "awaiting payment",
        "408.00",
        "the payment provider has not answered",
        "OrderInitialized by RequestPayment",
        "No dead letter, and nothing in the outbox.",
        "deadline",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let event = page
        .html
        .split("id=\"e-payment-")
        .nth(1)
        .expect("a row of the payment");
    let row = event.split('"').next().unwrap_or_default();
    assert!(
        page.html.contains(&format!("href=\"#e-payment-{row}\"")),
        "its mark leads to it"
    );
}

#[test]
fn what_events_hold_is_shown_only_if_it_is_asked_for() {
    let (up, address) = waiting();
    assert!(!browser(&up).get(&address).html.contains("secret-present"));
    let shown = browser(&up).get(&format!("{address}?data=1"));
    assert!(shown.text().contains("secret-present"), "{}", shown.text());
}

#[test]
fn an_order_is_withdrawn_for_a_reason_that_is_nothing_but_text() {
    let (up, address) = waiting();
    let reason = ("field:reason", "<script>alert(1)</script>");
    let refused = browser(&up).done(&address, &address, &[reason]);
    assert!(refused.text().contains("nothing was sent"), "{}", refused.text());
    let refused = browser(&up).done(&address, &address, &[("meant", "yes")]);
    assert!(
        refused.text().contains("field `reason` is missing"),
        "{}",
        refused.text()
    );
    let sent = browser(&up).done(&address, &address, &[reason, ("meant", "yes")]);
    assert!(
        sent.text().contains("WithdrawOrder was sent to order-"),
        "{}",
        sent.text()
    );
    let ended = until("it is cancelled", || {
        let page = browser(&up).get(&address);
        page.text().contains("OrderCancelled (withdrawn)").then_some(page)
    });
    let asks = |page: &Page| page.html.contains("Send WithdrawOrder");
    assert!(
        !asks(&ended) && asks(&refused),
        "what has ended can't be withdrawn"
    );
    assert!(!ended.html.contains("alert(1)"));
    let shown = browser(&up).get(&format!("{address}?data=1"));
    assert!(shown.html.contains("&lt;script&gt;alert(1)"), "{}", shown.html);
    assert!(!shown.html.contains("<script>alert"));
}

#[test]
fn what_nothing_is_called_is_not_found() {
    let (up, _) = waiting();
    for nothing in ["/console/of/order/nobody", "/console/of?id=nobody"] {
        let page = browser(&up).get(nothing);
        assert_eq!(page.status, 404, "{nothing}");
        assert!(page.text().contains("there is nothing of"), "{}", page.text());
    }
    assert_eq!(browser(&up).get("/console/of/nonsense/1").status, 404);
}
