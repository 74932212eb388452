//! What an id names is found wherever it is named: in streams, in dead letters whatever they look like, and
//! in the outbox. What could be two things is asked about.

use std::time::Duration;

use embedded_sqs::{MessageAttribute, Outgoing};
use functions::domain::values::{CartId, OrderId, PaymentId, ShipmentId};
use serde_json::{Value, json};

use crate::front::{Front, Gate};
use crate::outbox::entry;
use crate::showing::item;
use crate::support::{Ran, Up, cart, program, run};

fn order_of(cart_id: &str) -> OrderId {
    OrderId::of_cart(&cart_id.parse::<CartId>().expect("it is an id"))
}

/// The queues of the dead letters that a trace shows.
fn letters(trace: &Value) -> Vec<&str> {
    let letters = trace["dead_letters"].as_array().into_iter().flatten();
    letters.filter_map(|letter| letter["queue"].as_str()).collect()
}

fn trace(up: &Up, id: &str) -> Value {
    up.ops(&["trace", id, "--json"]).done().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_found_by_any_id_that_it_names_though_no_stream_is_called_so() {
    let up = Up::without_functions().await;
    let (stay, charge) = (r#""guest_stay_id":"m-1""#, r#""charge_id":"x","amount":1"#);
    up.put(
        "record-charge-dlq",
        &format!(r#"{{"command":{{{stay},{charge}}}}}"#),
    );
    up.put(
        "initiate-group-checkout-dlq",
        r#"{"command":{"group_checkout_id":"g-1","guest_stay_ids":["m-2","m-3"]}}"#,
    );
    let (order, lost) = (order_of("c-1"), order_of("c-2"));
    let payment = PaymentId::of_order(&order);
    up.put(
        "withdraw-order-dlq",
        &format!(r#"{{"command":{{"order_id":"{order}","reason":"late"}}}}"#),
    );
    up.put(
        "complete-payment-dlq",
        &format!(r#"{{"command":{{"payment_id":"{payment}"}}}}"#),
    );
    up.put(
        "finalize-cart-dlq",
        &format!(r#"{{"command":{}}}"#, cart("c-2", "-1")),
    );
    for (id, queue) in [
        ("m-1", "local-record-charge-dlq"),
        ("g-1", "local-initiate-group-checkout-dlq"),
        ("m-3", "local-initiate-group-checkout-dlq"),
        ("c-2", "local-finalize-cart-dlq"),
        // Ids that are computed from the one that the letter names.
        (lost.as_str(), "local-finalize-cart-dlq"),
        (PaymentId::of_order(&lost).as_str(), "local-finalize-cart-dlq"),
        (ShipmentId::of_order(&lost).as_str(), "local-finalize-cart-dlq"),
    ] {
        assert_eq!(letters(&trace(&up, id)), [queue], "{id}");
    }
    let both = ["local-withdraw-order-dlq", "local-complete-payment-dlq"];
    for id in ["c-1", order.as_str(), payment.as_str()] {
        assert_eq!(letters(&trace(&up, id)), both, "{id}");
    }
    // Nothing tells of which order they are.
    up.put(
        "fail-payment-dlq",
        r#"{"command":{"payment_id":"p-1","error":"x"}}"#,
    );
    up.put("send-shipment-dlq", r#"{"command":{"shipmentId":"s-1"}}"#);
    for (id, header, queue) in [
        ("p-1", "payment p-1: nothing recorded\n", "local-fail-payment-dlq"),
        (
            "s-1",
            "shipment s-1: nothing recorded\n",
            "local-send-shipment-dlq",
        ),
    ] {
        let shown = up.ops(&["trace", id]).done().out;
        assert!(shown.starts_with(header) && shown.contains(queue), "{shown}");
    }
    let shown = up.ops(&["trace", "m-1"]).done().out;
    assert!(
        shown.starts_with("guest's stay m-1: nothing recorded\n"),
        "{shown}"
    );
    up.put_item(
        "local-events",
        &item(
            "order-9e815dd3-e4b8-5d5e-865d-c1a9e0c3e2ff",
            "OrderWithdrawnTooEarly",
            "{}",
        ),
    );
    let order = trace(&up, "c-1");
    assert_eq!(
        order["streams"].as_array().map(Vec::len),
        Some(1),
        "the order's, before its cart's: {order}"
    );
    let nothing = up.ops(&["trace", "m-4"]);
    assert_eq!(nothing.code, 3, "{nothing:?}");
    assert!(nothing.err.contains("no dead letter"), "{}", nothing.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_found_however_its_sender_wrote_it() {
    let bodies = [
        r#"{"command":{"cart_id":7}}"#,
        r#"{"command":{"cart_id":7.0}}"#,
        r#"{"command":{"cartId":"7"}}"#,
        r#"{"Command":{"CartID":7}}"#,
        r#"{"command":{"cart-id":" 7 "}}"#,
        r#"{"command":{"cart":{"id":7}}}"#,
        r#"{"cart_id":{"S":"7"}}"#,
        r#"{"Type":"Notification","Message":"{\"command\":{\"cart_id\":\"7\"}}"}"#,
        r#"{"Type":"Notification","Message":"hello","MessageAttributes":{"cart_id":{"Type":"String","Value":"7"}}}"#,
        r#"{"Message":"{\"body\":\"{\\\"cartId\\\":7}\"}"}"#,
        r#""{\"command\":{\"cart_id\":7}}""#,
        r#"{"detail":[{"command":{"cart_id":"7"}}]}"#,
        "\u{feff}{\"command\":{\"cart_id\":\"7\"}}",
        r#"{"command":{"cart_id":"7","total_price":"#,
        r#"{"Message":"{\"command\":{\"cart_id\":\"7\",\"to"#,
        r#"{"command":{"cart_id":"8","cart_id":"7"}}"#,
        "cart_id=7&client_id=1",
        "<cart_id>7</cart_id>",
        "{'cart_id': '7'}",
        r#"{"stream_id":"cart-7","event":{}}"#,
        r#"{"id":7}"#,
    ];
    let up = Up::without_functions().await;
    for body in bodies {
        up.put("finalize-cart-dlq", body);
    }
    let deep = format!(r#"{}{{"cart_id":"7"}}{}"#, "[".repeat(5_000), "]".repeat(5_000));
    up.put("finalize-cart-dlq", &deep);
    let other_things = [
        r#"{"command":{"cart_id":"8","product_items":[{"product_id":"7","quantity":7,"unit_price":7}]}}"#,
        r#"{"id":"7","command":{"cart_id":"8"}}"#,
        r#"{"command":{"cart_id":"77"}}"#,
        r#"{"command":{"guest_stay_id":"8","payment_id":"7"}}"#,
        r#"{"command":{"quantity":7,"paid":7,"reason":"7"}}"#,
        "cart_id=17&client_id=1",
    ];
    for body in other_things {
        up.put("initialize-order-dlq", body);
    }
    let shown = letters(&trace(&up, "cart/7")).len();
    assert_eq!(shown, bodies.len() + 1);
    assert!(
        letters(&trace(&up, "cart/7"))
            .iter()
            .all(|queue| *queue == "local-finalize-cart-dlq")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_found_by_whatever_its_sender_calls_a_thing() {
    let names = [
        ("cart_id", "cart"),
        ("shoppingCartId", "cart"),
        ("cartid", "cart"),
        ("cart", "cart"),
        ("orderNumber", "order"),
        ("payment_reference", "payment"),
        ("incomplete_guest_ids", "guestStay"),
        ("guests", "guestStay"),
        ("stayId", "guestStay"),
        ("group_id", "groupCheckout"),
    ];
    let up = Up::without_functions().await;
    let id = |number: usize| format!("thing-{number}");
    let others = ["product_id", "MessageGroupId", "key"];
    let letters_of = names.iter().map(|(name, _)| *name).chain(others);
    for (number, name) in letters_of.enumerate() {
        let body = json!({ "command": { name: id(number) } });
        up.put("finalize-cart-dlq", &body.to_string());
    }
    for (number, (name, kind)) in names.into_iter().enumerate() {
        let shown = trace(&up, &format!("{kind}/{}", id(number)));
        assert_eq!(letters(&shown).len(), 1, "{name}: {shown}");
    }
    // What has no stream is known by its id alone.
    for (number, name) in others.into_iter().enumerate() {
        let id = id(names.len() + number);
        assert_eq!(trace(&up, &id)["subject"], id.as_str(), "{name}");
        assert_eq!(up.ops(&["trace", &format!("cart/{id}")]).code, 3, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_found_by_its_attributes_and_by_its_own_ids() {
    let up = Up::without_functions().await;
    let queue = up.stack.names().of_function("finalize-cart-dlq");
    let attributes = [("cartId", MessageAttribute::string("c-1"))];
    let message = Outgoing {
        body: "?".into(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Outgoing::default()
    };
    up.stack
        .wire()
        .sqs()
        .send(&queue, message)
        .expect("the queue takes it");
    let body = r#"{"id":"import 4711","command":{"cart_id":["?"]},"metadata":{"correlation_id":"chain"}}"#;
    up.put("finalize-cart-dlq", body);
    assert_eq!(letters(&trace(&up, "c-1")).len(), 1);
    let shown = trace(&up, "import 4711");
    assert_eq!(letters(&shown).len(), 1, "{shown}");
    let message_id = shown["dead_letters"][0]["message_id"].as_str().expect("an id");
    assert_eq!(letters(&trace(&up, message_id)).len(), 1);

    // One that names nothing any more belongs to the chain that it comes from.
    up.put_item(
        "local-events",
        &item("cart-c-2", "CartFinalized", &cart_finalized("c-2")),
    );
    assert_eq!(
        letters(&trace(&up, "c-2")).len(),
        0,
        "it names a cart, and not this one"
    );
    up.put(
        "on-cart-finalized-dlq",
        r#"{"event":null,"metadata":{"correlation_id":"chain"}}"#,
    );
    up.put(
        "initialize-order-dlq",
        r#"{"command":{},"metadata":{"causation_id":"event of cart-c-2"}}"#,
    );
    assert_eq!(
        letters(&trace(&up, "c-2")),
        ["local-on-cart-finalized-dlq", "local-initialize-order-dlq"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_outbox_names_is_found() {
    let up = Up::without_functions().await;
    up.put_item("local-outbox", &entry("guestStay-m-1", "parked"));
    up.put_item("local-outbox", &entry("cart-c-1", "pending"));
    for (id, stream) in [
        ("m-1", "guestStay-m-1"),
        ("c-1", "cart-c-1"),
        (order_of("c-1").as_str(), "cart-c-1"),
    ] {
        let shown = trace(&up, id);
        assert_eq!(shown["outbox"][0]["stream_id"], stream, "{id}: {shown}");
        assert_eq!(shown["outbox"].as_array().map(Vec::len), Some(1), "{id}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_may_be_two_things_is_asked_about_and_each_answer_names_one() {
    let up = Up::without_functions().await;
    let streams = ["cart-1", "cart-cart-1", "groupCheckout-7"];
    for stream in streams {
        up.put_item("local-events", &item(stream, "CartFinalized", "{}"));
    }
    up.put("record-charge-dlq", r#"{"command":{"guest_stay_id":7}}"#);
    let asked = |ran: &Ran, candidates: &[&str]| {
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            candidates.iter().all(|candidate| ran.err.contains(candidate)),
            "{}",
            ran.err
        );
    };
    asked(&up.ops(&["trace", "cart-1"]), &["cart/1 ", "cart/cart-1 "]);
    asked(
        &up.ops(&["trace", "7"]),
        &["groupCheckout/7 ", "guestStay/7 ", "1 dead letter"],
    );
    let asked = up.ops(&["trace", "cart-1", "--json"]);
    assert_eq!(asked.code, 2, "{asked:?}");
    assert_eq!(
        asked.json(),
        json!({ "id": "cart-1", "candidates": [
            { "name": "cart/1", "stream_id": "cart-1", "dead_letters": 0, "outbox": 0 },
            { "name": "cart/cart-1", "stream_id": "cart-cart-1", "dead_letters": 0, "outbox": 0 },
        ] })
    );
    for (name, stream) in [
        ("cart/1", "cart-1"),
        ("1", "cart-1"),
        ("cart/cart-1", "cart-cart-1"),
        ("cart-cart-1", "cart-cart-1"),
        ("group-checkout/7", "groupCheckout-7"),
        ("groupCheckout-7", "groupCheckout-7"),
    ] {
        assert_eq!(trace(&up, name)["streams"], json!([stream]), "{name}");
    }
    let stay = trace(&up, "guestStay/7");
    assert_eq!((letters(&stay).len(), &stay["streams"]), (1, &json!([])));
    assert_eq!(letters(&trace(&up, "groupCheckout/7")).len(), 0);
    assert_eq!(up.ops(&["trace", "cart/7"]).code, 3);
    let unknown = up.ops(&["trace", "basket/7"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("cart/, order/, payment/"), "{}", unknown.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_searched_is_told_and_not_called_nothing() {
    let up = Up::without_functions().await;
    up.put("finalize-cart-dlq", r#"{"command":{"cart_id":"c-1"}}"#);
    let receive = embedded_sqs::Receive {
        visibility: Some(Duration::from_hours(1)),
        ..embedded_sqs::Receive::default()
    };
    let queue = up.stack.names().of_function("finalize-cart-dlq");
    let held = up.stack.wire().sqs().receive(&queue, receive).await;
    assert_eq!(held.expect("the queue is there").len(), 1);
    let missing = "1 message of local-finalize-cart-dlq could not be searched";
    let told = up.ops(&["trace", "c-1"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.err.contains(missing), "{}", told.err);
    let out = r#"{"guest_stay_id":"ada","completed_at":"2026-11-23T08:00:00.000Z"}"#;
    up.put_item(
        "local-events",
        &item("guestStay-ada", "GuestCheckoutCompleted", out),
    );
    let shown = up.ops(&["trace", "ada"]).done().out;
    assert!(
        shown.contains(missing) && shown.contains("nothing is outstanding, as far as could be searched"),
        "{shown}"
    );
    assert_eq!(trace(&up, "ada")["unsearched"], json!([missing]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_kind_that_is_not_known_is_not_called_nothing() {
    let up = Up::without_functions().await;
    up.put_item("local-events", &item("invoice-1", "InvoiceSent", "{}"));
    let told = up.ops(&["trace", "invoice-1"]);
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.err.contains("cargo ops stream invoice-1"), "{}", told.err);
}

/// What a cart's one event holds.
fn cart_finalized(id: &str) -> String {
    let fields = cart(id, "19.90");
    fields.replacen('{', r#"{"confirmed_at":"2026-11-23T08:00:00.000Z","#, 1)
}

/// How many queues are asked at once: a stack that is hard at work takes its time for each.
const QUEUES: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn dozens_of_queues_are_asked_at_once() {
    let up = Up::without_functions().await;
    up.ops(&["send", "FinalizeCart", "--command", &cart("c-1", "19.90")])
        .done();
    let gate = Gate::after(0, "AmazonSQS.GetQueueAttributes");
    let front = Front::gated(&up.url, None, gate.clone());
    let mut trace = program(&["trace", "c-1"]);
    trace.env("AWS_ENDPOINT_URL", &front.url);
    let trace = std::thread::spawn(move || run(trace, ""));
    up.until("as many as may be are asked", || {
        (gate.came() == QUEUES).then_some(())
    })
    .await;
    gate.open();
    let told = trace.join().expect("it ends");
    assert_eq!(told.code, 3, "there is no event yet: {told:?}");
}
