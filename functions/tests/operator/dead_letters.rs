//! What got stuck is found with its reason, mended, sent back, or dropped by somebody who means it.

use std::collections::{BTreeMap, BTreeSet};

use embedded_sqs::MessageAttribute;
use serde_json::Value;

use crate::support::{Up, cart};

const DLQ: &str = "finalize-cart-dlq";

/// Sends a cart that can't be read, and answers the message id of its dead letter.
async fn poison(up: &Up, cart_id: &str) -> String {
    let fields = cart(cart_id, "\"a lot\"");
    up.ops(&["send", "FinalizeCart", "--no-check", "--command", &fields])
        .done();
    let look = || {
        let shown = up
            .ops(&["dlq", "show", "FinalizeCart", "--body", "--json"])
            .done()
            .json();
        let messages = shown["messages"].as_array().cloned().unwrap_or_default();
        let own = messages
            .into_iter()
            .find(|message| text(message, "body").contains(cart_id))?;
        Some(text(&own, "message_id").to_owned())
    };
    up.until("the poison is in the dead-letter queue", look).await
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_listed_with_its_reason_mended_and_redriven_and_its_order_closes() {
    let up = Up::start().await;
    let id = poison(&up, "c-mend").await;

    let listed = up.ops(&["dlq", "list"]).done().out;
    for part in [
        "local-finalize-cart-dlq",
        "malformed",
        "field `command.total_price` holds a string",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let list = up.ops(&["dlq", "list", "--json"]).done().json();
    assert_eq!(
        (&list["messages"], &list["queues"][0]["groups"][0]["count"]),
        (&1.into(), &1.into())
    );
    let trace = up.ops(&["trace", "c-mend", "--json"]).done().json();
    assert_eq!(trace["dead_letters"][0]["message_id"], id);

    let shown = up
        .ops(&["dlq", "show", "finalize-cart", "--body", "--json"])
        .done()
        .json();
    let poison: Value = serde_json::from_str(text(&shown["messages"][0], "body")).expect("it is JSON");
    let mended = format!(r#"{{"command":{}}}"#, cart("c-mend", "19.90"));
    let redrive = ["dlq", "redrive", "finalize-cart", "--id", &id, "--body-from", "-"];
    let sent = up.ops_reading(&redrive, &mended).done();
    assert!(
        sent.out
            .contains("1 message of local-finalize-cart-dlq sent back"),
        "{}",
        sent.out
    );
    let trace = up.ends("c-mend", "OrderCompleted").await;
    assert_eq!(
        (&trace["outstanding"], &trace["dead_letters"]),
        (
            &Value::from(Vec::<Value>::new()),
            &Value::from(Vec::<Value>::new())
        )
    );
    let first = up.ops(&["stream", "cart-c-mend", "--json"]).done().json();
    assert_eq!(
        first["events"][0]["causation_id"], poison["id"],
        "it is still the same command"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_body_that_would_be_refused_again_is_refused_at_once_and_the_letter_stays() {
    let up = Up::start().await;
    let id = poison(&up, "c-1").await;
    let redrive = ["dlq", "redrive", "finalize-cart", "--id", &id, "--body-from", "-"];
    let refused = up.ops_reading(&redrive, r#"{"command":{"cart_id":"c-1"}}"#);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.err.contains("field `command.client_id` is missing"),
        "{}",
        refused.err
    );
    assert_eq!(up.visible(DLQ), 1);
    let misspelt = format!(r#"{{"comand":{}}}"#, cart("c-1", "19.90"));
    let refused = up.ops_reading(&redrive, &misspelt);
    assert_eq!(refused.code, 2, "{refused:?}");
    for part in [
        "standard input, line 1: field `command` is missing",
        "standard input, line 1: field `comand` is unknown; did you mean `command`?",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert_eq!(up.visible(DLQ), 1);
    let with_more = format!(
        r#"{{"metadata":{{"corelation_id":"x"}},"command":{}}}"#,
        cart("c-1", "19.90")
    );
    let refused = up.ops_reading(&redrive, &with_more);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.err.contains("did you mean `correlation_id`?"),
        "{}",
        refused.err
    );
    assert_eq!(up.visible(DLQ), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_right_back_is_sent_once_and_not_for_ever() {
    let up = Up::start().await;
    for cart_id in ["c-1", "c-2", "c-3"] {
        poison(&up, cart_id).await;
    }
    let sent = up
        .ops(&["dlq", "redrive", "finalize-cart", "--code", "malformed", "--json"])
        .done()
        .json();
    assert_eq!(sent["done"], 3);
    up.until("all three are back", || (up.visible(DLQ) == 3).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_looked_at_are_there_for_the_next_one_at_once() {
    let up = Up::without_functions().await;
    for number in 0..25 {
        up.put(DLQ, &format!("not JSON {number}"));
    }
    for _ in 0..2 {
        let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
        let ids: BTreeSet<_> = shown["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|m| text(m, "message_id"))
            .collect();
        assert_eq!(ids.len(), 25);
        up.ops(&["dlq", "list"]).done();
        assert_eq!(up.visible(DLQ), 25);
    }
    let missing = up.ops(&["dlq", "redrive", "finalize-cart", "--id", "nobody"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert_eq!(up.visible(DLQ), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_shown_only_to_those_who_ask() {
    let up = Up::without_functions().await;
    up.put(DLQ, r#"{"command":{"client_id":"secret"}}"#);
    for arguments in [
        &["dlq", "show", "finalize-cart"][..],
        &["dlq", "show", "finalize-cart", "--json"],
        &["dlq", "list"],
    ] {
        assert!(!up.ops(arguments).done().out.contains("secret"), "{arguments:?}");
    }
    assert!(
        up.ops(&["dlq", "show", "finalize-cart", "--body"])
            .done()
            .out
            .contains("secret")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_command_keeps_its_id_or_takes_that_of_its_dead_letter() {
    let up = Up::without_functions().await;
    up.put(DLQ, r#"{"id":"own","command":{"total_price":19.90}}"#);
    up.ops(&["dlq", "redrive", "finalize-cart"]).done();
    let message = up.take("finalize-cart").await.expect("it is back");
    assert_eq!(message.body, r#"{"id":"own","command":{"total_price":19.90}}"#);

    up.put(DLQ, r#"{"command":{"total_price":19.90}}"#);
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
    let id = text(&shown["messages"][0], "message_id").to_owned();
    up.ops(&["dlq", "redrive", "finalize-cart"]).done();
    let message = up.take("finalize-cart").await.expect("it is back");
    assert_eq!(
        message.body,
        format!(r#"{{"command":{{"total_price":19.90}},"id":"{id}"}}"#)
    );
    assert_eq!(up.visible(DLQ), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_with_characters_that_no_queue_carries_is_sent_back_mended_or_as_it_is() {
    let up = Up::without_functions().await;
    for body in [
        r#"{"id":"\uffff\ud800","command":{"reason":"\ufffe"}}"#,
        r#"{"id":"","command":{"\udfff":"\uffff"},"x":"\ud800"}"#,
    ] {
        up.put(DLQ, body);
        up.ops(&["dlq", "redrive", "finalize-cart"]).done();
        let message = up.take("finalize-cart").await.expect("it is back");
        assert_eq!(message.body, body);
    }
    // Mended without its id, which it gets back, in an editor that writes what it reads.
    up.put(DLQ, r#"{"id":"\uffff","command":{"cart_id":7},"note":""}"#);
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
    let id = text(&shown["messages"][0], "message_id").to_owned();
    let redrive = ["dlq", "redrive", "finalize-cart", "--id", &id, "--body-from", "-"];
    let mended = format!(
        "\u{feff}{{\"id\":null,\"command\":{},\"note\":\"\u{fffe}\"}}",
        cart("c-1", "19.90")
    );
    up.ops_reading(&redrive, &mended).done();
    let message = up.take("finalize-cart").await.expect("it is back");
    let expected = format!(
        r#"{{"id":"\uffff","command":{},"note":"\ufffe"}}"#,
        cart("c-1", "19.90")
    );
    assert_eq!(message.body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_senders_attributes_come_back_with_its_message_and_those_that_say_why_do_not() {
    let up = Up::without_functions().await;
    let text_of = |text: &str| MessageAttribute::string(text);
    let of_sender = BTreeMap::from([
        ("tenant".to_owned(), text_of("acme")),
        ("key".to_owned(), MessageAttribute::binary([0, 255])),
        (
            "count".to_owned(),
            MessageAttribute {
                data_type: "Number.int".to_owned(),
                ..text_of("42")
            },
        ),
    ]);
    let mut letter = of_sender.clone();
    for (name, value) in [
        ("error_code", "rejected"),
        ("error", "why"),
        ("function", "finalize-cart"),
    ] {
        letter.insert(name.to_owned(), text_of(value));
    }
    up.put_with(DLQ, "{}", letter);
    up.ops(&["dlq", "redrive", "finalize-cart"]).done();
    let message = up.take("finalize-cart").await.expect("it is back");
    assert_eq!(message.message_attributes, of_sender);

    // SQS moved this one: what looks like a reason is the sender's own.
    let own = BTreeMap::from([
        ("error".to_owned(), text_of("E42")),
        ("error_code".to_owned(), text_of("42")),
        ("function".to_owned(), text_of("billing")),
    ]);
    up.put_with(DLQ, "{}", own.clone());
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
    assert!(shown["messages"][0]["error_code"].is_null(), "{shown}");
    up.ops(&["dlq", "redrive", "finalize-cart"]).done();
    let message = up.take("finalize-cart").await.expect("it is back");
    assert_eq!(message.message_attributes, own);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_sent_back_stays_where_it_was() {
    let up = Up::without_functions().await;
    up.put(DLQ, "not JSON");
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
    let id = text(&shown["messages"][0], "message_id").to_owned();
    // SQS takes no control characters.
    let redrive = [
        "dlq",
        "redrive",
        "finalize-cart",
        "--id",
        &id,
        "--body-from",
        "-",
        "--no-check",
        "--json",
    ];
    let failed = up.ops_reading(&redrive, "\u{1}");
    assert_eq!(failed.code, 1, "{failed:?}");
    let outcome = failed.json();
    assert_eq!(outcome["done"], 0);
    assert!(
        text(&outcome["messages"][0], "failed").starts_with("not sent: "),
        "{outcome}"
    );
    assert_eq!((up.visible(DLQ), up.visible("finalize-cart")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_has_no_room_for_an_id_is_sent_back_without_one() {
    let up = Up::without_functions().await;
    let frame = r#"{"command":""}"#;
    let body = format!(r#"{{"command":"{}"}}"#, "x".repeat((1 << 20) - frame.len()));
    up.put(DLQ, &body);
    up.ops(&["dlq", "redrive", "finalize-cart"]).done();
    let message = up.take("finalize-cart").await.expect("it is back");
    assert!(
        message.body == body,
        "{} bytes instead of {}",
        message.body.len(),
        body.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_for_systems_outside_are_sent_back_as_they_were() {
    let up = Up::without_functions().await;
    up.put("payment-gateway-dlq", r#"{"type":"PaymentRequested","event":{}}"#);
    up.ops(&["dlq", "redrive", "payment-gateway"]).done();
    let message = up.take("payment-gateway").await.expect("it is back");
    assert_eq!(message.body, r#"{"type":"PaymentRequested","event":{}}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_dropped_by_somebody_who_does_not_say_so() {
    let up = Up::start().await;
    let first = poison(&up, "c-1").await;
    poison(&up, "c-2").await;
    let refused = up.ops_reading(&["dlq", "drop", "finalize-cart"], "y\n");
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert_eq!(up.visible(DLQ), 2);

    let nothing = up.ops(&["dlq", "drop", "finalize-cart", "--code", "rejected", "--yes"]);
    assert_eq!(nothing.code, 3, "{nothing:?}");
    assert_eq!(up.visible(DLQ), 2);

    let dropped = up
        .ops(&["dlq", "drop", "finalize-cart", "--id", &first, "--yes", "--json"])
        .done()
        .json();
    assert_eq!(
        (&dropped["done"], &dropped["messages"][0]["message_id"]),
        (&1.into(), &Value::from(first))
    );
    assert_eq!(up.visible(DLQ), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_file_for_a_letter_is_told_by_file_and_line() {
    let up = Up::without_functions().await;
    up.put(DLQ, "not JSON");
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
    let id = text(&shown["messages"][0], "message_id").to_owned();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mended.json");
    let name = file.to_str().expect("a path in UTF-8");
    let redrive = [
        "dlq",
        "redrive",
        "finalize-cart",
        "--id",
        &id,
        "--body-from",
        name,
    ];
    let whole = format!(r#"{{"command":{}}}"#, cart("c-1", "19.90"));
    let cases = [
        (
            "{\n\"command\": {,\n}}".to_owned(),
            vec![format!("{name}, line 2: not JSON: ")],
        ),
        (
            format!("{whole}\n{whole}\n"),
            vec![format!("{name} holds 2 messages; one letter takes one")],
        ),
        (String::new(), vec![format!("{name} is empty")]),
        (" \n".to_owned(), vec![format!("{name} holds no message")]),
        (
            "{\"type\":\"Finalise\",\n\"schema_version\":\"x\",\n\"command\":{\n\"cart_idd\":\"c-1\"}}"
                .to_owned(),
            vec![
                format!("{name}, line 1: field `type` names another message"),
                format!("{name}, line 2: field `schema_version` holds a string"),
                format!("{name}, line 4: field `command.cart_idd` is unknown; did you mean `cart_id`?"),
                "field `command.client_id` is missing".to_owned(),
            ],
        ),
    ];
    for (content, parts) in cases {
        std::fs::write(&file, content).expect("it can be written");
        let refused = up.ops(&redrive);
        assert_eq!(refused.code, 2, "{refused:?}");
        for part in parts {
            assert!(refused.err.contains(&part), "{part}: {}", refused.err);
        }
        assert_eq!((up.visible(DLQ), up.visible("finalize-cart")), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_mended_by_bare_fields_as_a_command_is_sent_by_them() {
    let up = Up::without_functions().await;
    up.put(DLQ, r#"{"id":"own","command":7}"#);
    let shown = up.ops(&["dlq", "show", "finalize-cart", "--json"]).done().json();
    let id = text(&shown["messages"][0], "message_id").to_owned();
    let redrive = ["dlq", "redrive", "finalize-cart", "--id", &id, "--body-from", "-"];
    up.ops_reading(&redrive, &cart("c-1", "19.90")).done();
    let message = up.take("finalize-cart").await.expect("it is back");
    let expected = format!(
        r#"{{"type":"FinalizeCart","command":{},"id":"own"}}"#,
        cart("c-1", "19.90")
    );
    assert_eq!(message.body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_have_all_their_fields_whatever_they_hold() {
    let up = Up::without_functions().await;
    up.put(DLQ, "{}");
    let names = |value: &Value| {
        let fields = value.as_object().expect("an object");
        fields.keys().cloned().collect::<BTreeSet<_>>()
    };
    let expect = |fields: &[&str]| {
        fields
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let of_document = expect(&["queue", "to", "of", "done", "interrupted", "held", "messages"]);
    let of_message = expect(&["message_id", "new_message_id", "failed"]);
    let drop: &[&str] = &["dlq", "drop", "finalize-cart", "--yes", "--json"];
    for command in [&["dlq", "redrive", "finalize-cart", "--json"][..], drop] {
        let document = up.ops(command).done().json();
        assert_eq!(names(&document), of_document, "{document}");
        assert_eq!(names(&document["messages"][0]), of_message, "{document}");
        up.put(DLQ, "{}");
    }
    let document = up.ops(drop).done().json();
    assert_eq!(
        (&document["to"], &document["messages"][0]["failed"]),
        (&Value::Null, &Value::Null)
    );
    let sent = up
        .ops(&["send", "WithdrawOrder", "order_id=o-1", "reason=x", "--json"])
        .done()
        .json();
    assert_eq!(names(&sent), expect(&["queue", "of", "interrupted", "sent"]));
    assert_eq!(
        names(&sent["sent"][0]),
        expect(&["message_id", "id", "stream_id", "error"])
    );
}
