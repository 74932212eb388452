//! Commands are sent as they are meant, or not at all.

use crate::front::{Front, Gate};
use crate::support::{Up, cart, program, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_goes_to_its_queue_digit_by_digit_and_its_ids_are_told() {
    let up = Up::without_functions().await;
    let sent = up.ops(&[
        "send",
        "RecordPayment",
        "guest_stay_id=101",
        "payment_id=7",
        "amount=19.90",
        "--json",
    ]);
    let sent = sent.done().json();
    let message = up.take("record-payment").await.expect("it is on its queue");
    assert!(message.body.contains(r#""amount":19.90"#), "{}", message.body);
    assert!(
        message.body.contains(r#""guest_stay_id":"101""#),
        "{}",
        message.body
    );
    assert_eq!(sent["queue"], "local-record-payment");
    assert_eq!(sent["sent"][0]["message_id"], message.message_id);
    assert_eq!(sent["sent"][0]["stream_id"], "guestStay-101");
    let id = sent["sent"][0]["id"].as_str().expect("it has an id");
    assert!(
        message.body.contains(&format!(r#""id":"{id}""#)),
        "{}",
        message.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_a_number_where_the_field_holds_one_and_text_elsewhere() {
    let up = Up::without_functions().await;
    let fields = ["guest_stay_id=101", "payment_id=7", "amount=19.90"];
    up.ops(&[&["send", "record-payment"][..], &fields].concat())
        .done();
    let message = up.take("record-payment").await.expect("it is on its queue");
    assert!(
        message
            .body
            .contains(r#""command":{"amount":19.90,"guest_stay_id":"101","payment_id":"7"}"#),
        "{}",
        message.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_wrong_is_named_with_what_it_takes() {
    let up = Up::without_functions().await;
    let refused = |command: &str, fields: &[&str]| {
        let refused = up.ops(&[&["send", command], fields].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
        refused.err
    };
    let fields = ["guest_stay_id=101", "payment_id=7", "amount=19.999"];
    let error = refused("record-payment", &fields);
    assert!(
        error.contains("field `amount` holds a number") && error.contains("at most two decimals"),
        "{error}"
    );
    let fields = ["cart_id=7", "client_id=u-1", "total_price=1", "product_items=[]"];
    let error = refused("finalize-cart", &fields);
    assert!(
        error.contains("field `product_items` holds") && !error.contains("holds a string"),
        "{error}"
    );
    let error = refused("withdraw-order", &["order_id=o-1"]);
    assert!(error.contains("field `reason` is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_no_queue_carries_as_it_is_is_sent_as_escapes() {
    let up = Up::without_functions().await;
    up.ops(&["send", "WithdrawOrder", "order_id=o-1", "reason=\u{ffff}"])
        .done();
    let message = up.take("withdraw-order").await.expect("it is on its queue");
    assert!(message.body.contains(r#""reason":"\uffff""#), "{}", message.body);
    // As an editor may write it, with a byte order mark.
    let file = "\u{feff}{\"order_id\":\"o-1\",\"reason\":\"\u{fffe}\"}";
    up.ops_reading(&["send", "WithdrawOrder", "--file", "-"], file)
        .done();
    let message = up.take("withdraw-order").await.expect("it is on its queue");
    assert!(message.body.contains(r#""reason":"\ufffe""#), "{}", message.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_its_function_could_not_read_is_refused_by_the_field_and_nothing_is_sent() {
    let up = Up::without_functions().await;
    let commands = format!("{}\n{}\n", cart("good", "19.90"), cart("bad", "19.999"));
    let refused = up.ops_reading(&["send", "FinalizeCart", "--file", "-"], &commands);
    assert_eq!(refused.code, 2, "{refused:?}");
    for part in [
        "standard input, command 2",
        "line 2: field `total_price`",
        "at most two decimals",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert_eq!(
        up.visible("finalize-cart"),
        0,
        "the good one waits for the bad one"
    );
    up.ops_reading(&["send", "FinalizeCart", "--file", "-", "--no-check"], &commands)
        .done();
    assert_eq!(up.visible("finalize-cart"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_spelt_wrong_is_refused_with_the_one_that_is_meant() {
    let up = Up::without_functions().await;
    let alone = [
        "send",
        "CheckoutGuestAccount",
        "guest_stay_id=m1",
        "group_chekout_id=g",
    ];
    let refused = up.ops(&alone);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused
            .err
            .contains("field `group_chekout_id` is unknown; did you mean `group_checkout_id`?")
            && refused.err.contains("--allow-unknown-fields"),
        "{}",
        refused.err
    );
    assert_eq!(up.visible("checkout-guest-account"), 0);
    up.ops(&[&alone[..], &["--allow-unknown-fields"]].concat()).done();
    assert_eq!(up.visible("checkout-guest-account"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_every_command_is_told_at_once_wherever_it_stands() {
    let up = Up::without_functions().await;
    let commands = [
        r#"{"cart_id":"c 1","client_id":"u-7","total_price":"x","product_items":[{"product_id":"p-1","quantity":2,"unit_price":1},{"product_id":"p-2","quantitiy":1,"unit_price":1}]}"#,
        "no JSON",
        r#"{"Id":"7","command":{"cart_id":"c-3","client_id":"u-7","total_price":1,"product_items":[{"product_id":"p-1","quantity":2,"unit_price":1}]},"metadata":{"corelation_id":"x"}}"#,
    ];
    let send = ["send", "FinalizeCart", "--file", "-"];
    let refused = up.ops_reading(
        &[&send[..], &["--allow-unknown-fields"]].concat(),
        &commands.join("\n"),
    );
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(!refused.err.contains("unknown;"), "{}", refused.err);
    let refused = up.ops_reading(&send, &commands.join("\n"));
    assert_eq!(refused.code, 2, "{refused:?}");
    let told: Vec<_> = refused.err.lines().skip(1).collect();
    let expected = [
        "  standard input, command 1, line 1: field `cart_id` holds a string; expected ",
        "  standard input, command 1, line 1: field `product_items[1].quantity` is missing; expected ",
        "  standard input, command 1, line 1: field `total_price` holds a string; expected ",
        "  standard input, command 1, line 1: field `product_items[1].quantitiy` is unknown; did you mean `quantity`?",
        "  standard input, line 2: not JSON: ",
        "  standard input, command 3, line 3: field `metadata.corelation_id` is unknown; did you mean `correlation_id`?",
        "  standard input, command 3, line 3: field `Id` is unknown; did you mean `id`?",
    ];
    assert_eq!(told.len(), expected.len(), "{}", refused.err);
    for part in expected {
        assert!(
            told.iter().any(|line| line.starts_with(part)),
            "{part}: {}",
            refused.err
        );
    }
    assert_eq!(up.visible("finalize-cart"), 0);

    let fields = [
        "send",
        "RecordPayment",
        "guest_stay_id=a b",
        "amount=1.999",
        "note=x",
    ];
    let refused = up.ops(&fields);
    assert_eq!(refused.code, 2, "{refused:?}");
    for part in [
        "the fields: field `guest_stay_id` holds a string",
        "the fields: field `payment_id` is missing",
        "the fields: field `amount` holds a number; expected a number from 0",
        "the fields: field `note` is unknown; the fields there are guest_stay_id, payment_id, amount",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_before_a_file_is_no_part_of_it() {
    let up = Up::without_functions().await;
    let file = format!("\u{feff}{}\n{}\n", cart("c-1", "19.90"), cart("c-2", "19.90"));
    up.ops_reading(&["send", "FinalizeCart", "--file", "-"], &file)
        .done();
    assert_eq!(up.visible("finalize-cart"), 2);
    let message = up.take("finalize-cart").await.expect("it is there");
    assert!(!message.body.contains('\u{feff}'), "{}", message.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_what_would() {
    let up = Up::without_functions().await;
    let cases: [(&[&str], &str); 8] = [
        (&["send", "FinalizeCar"], "the commands are FinalizeCart"),
        (
            &["send", "finalizecart"],
            "no command finalizecart; did you mean FinalizeCart?",
        ),
        (
            &["dlq", "show", "local-finalise-cart-dlq"],
            "no queue local-finalise-cart-dlq; did you mean finalize-cart?",
        ),
        (&["send", "CancelOrder", "order_id"], "expected FIELD=VALUE"),
        (
            &["send", "CancelOrder", "order_id=1", "order_id=2"],
            "given twice",
        ),
        (
            &["send", "FinalizeCart", "--file", "/does/not/exist"],
            "/does/not/exist can't be read",
        ),
        (&["send", "FinalizeCart", "--command", "{"], "line 1: not JSON"),
        (&["send", "FinalizeCart", "--command", " "], "holds no command"),
    ];
    for (arguments, expected) in cases {
        let refused = up.ops(arguments);
        assert_eq!(refused.code, 2, "{arguments:?}: {refused:?}");
        assert!(refused.err.contains(expected), "{arguments:?}: {}", refused.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_not_there_is_told_from_one_that_cannot_be_reached() {
    let up = Up::without_functions().await;
    let missing = up.ops(&["--stack", "shop", "dlq", "list"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(
        missing.err.contains("there is no stack shop") && missing.err.contains("--stack"),
        "{}",
        missing.err
    );

    let mut unreachable = program(&["dlq", "list"]);
    unreachable.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let unreachable = run(unreachable, "");
    assert_eq!(unreachable.code, 1, "{unreachable:?}");
    assert!(
        unreachable.err.contains("http://127.0.0.1:1 does not answer"),
        "{}",
        unreachable.err
    );
}

#[test]
fn a_variable_that_is_missing_is_named_with_what_to_set() {
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let mut without = program(&["dlq", "list"]);
        without.env_remove(name);
        let refused = run(without, "");
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused.err.contains(&format!("{name} is not set")),
            "{}",
            refused.err
        );
        assert!(
            refused
                .err
                .contains("export AWS_ENDPOINT_URL=http://127.0.0.1:4566"),
            "{}",
            refused.err
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_hundreds_of_commands_goes_in_batches_of_ten_each_sent_once() {
    let up = Up::without_functions().await;
    let carts: Vec<_> = (0..305)
        .map(|number| cart(&format!("c-{number}"), "19.90"))
        .collect();
    let gate = Gate::after(usize::MAX, "AmazonSQS.SendMessageBatch");
    let front = Front::gated(&up.url, None, gate.clone());
    let mut through_front = program(&["send", "FinalizeCart", "--file", "-", "--json"]);
    through_front.env("AWS_ENDPOINT_URL", &front.url);
    let sent = run(through_front, &carts.join("\n")).done().json();
    assert_eq!((gate.came(), up.visible("finalize-cart")), (31, 305));
    let streams = sent["sent"].as_array().expect("a list").iter();
    let streams: Vec<_> = streams
        .map(|row| row["stream_id"].as_str().unwrap_or_default())
        .collect();
    let written: Vec<_> = (0..305).map(|number| format!("cart-c-{number}")).collect();
    assert_eq!(
        streams, written,
        "they are told in the order in which they were written"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_one_stream_go_in_the_order_in_which_they_were_written() {
    let up = Up::without_functions().await;
    let carts: Vec<_> = (10..90)
        .map(|total| cart("c-1", &format!("{total}.90")))
        .collect();
    up.ops_reading(&["send", "FinalizeCart", "--file", "-"], &carts.join("\n"))
        .done();
    for total in 10..90 {
        let message = up.take("finalize-cart").await.expect("it is on its queue");
        let total = format!(r#""total_price":{total}.90"#);
        assert!(message.body.contains(&total), "{total}: {}", message.body);
    }
}
