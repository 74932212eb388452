//! What is wrong with a file of carts is told by its lines and its own fields.

use std::fs;
use std::process::{Command, Output};

fn demo(content: &[u8]) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("carts.json");
    fs::write(&file, content).expect("the file can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_local"))
        .args(["demo", "--cart", "carts.json"])
        .current_dir(folder.path())
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

fn cart(id: &str, total: &str) -> String {
    format!(
        r#"{{"cart_id":"{id}","client_id":"u-7","total_price":{total},"product_items":[{{"product_id":"p-1","quantity":2,"unit_price":9.99}}]}}"#
    )
}

#[test]
fn every_fault_of_every_line_is_told_by_the_field_as_the_file_has_it() {
    let carts = [
        cart("c-1", "19.98"),
        cart("c-2", "\"a lot\""),
        String::new(),
        "no JSON".to_owned(),
        r#"{"cart_id":"c 5","client_id":"u-7","total_price":1,"product_items":[]}"#.to_owned(),
        r#"{"command":{"cart_id":"c-6"}}"#.to_owned(),
        "[]".to_owned(),
    ];
    let (code, out, err) = demo(carts.join("\n").as_bytes());
    assert_eq!((code, out.as_str()), (1, ""));
    let told: Vec<_> = err.lines().collect();
    let expected = [
        "error: carts.json, line 2: field `total_price` holds a string; expected a number",
        "carts.json, line 4: not JSON: expected ident at column 2",
        "carts.json, line 5: field `cart_id` holds a string; expected a string of 1 to 128",
        "carts.json, line 5: field `product_items` holds a list; expected a list of 1 to 500 items",
        "carts.json, line 6: field `command.client_id` is missing",
        "carts.json, line 6: field `command.product_items` is missing",
        "carts.json, line 6: field `command.total_price` is missing",
        "carts.json, line 7: not a JSON object; expected one with cart_id, client_id, product_items, total_price",
        "a cart is {\"cart_id\"",
    ];
    assert_eq!(told.len(), expected.len(), "{err}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} instead of {expected}");
    }
}

#[test]
fn a_field_of_a_cart_over_several_lines_is_told_by_its_own_line() {
    let cart = "{\n  \"cart_id\": \"c-1\",\n  \"client_id\": \"u-7\",\n  \"product_items\": [\n    \
                {\"product_id\": \"p-1\",\n     \"quantity\": 0.5, \"unit_price\": 1}\n  ],\n  \"total_price\": 1\n}\n";
    let (code, _, err) = demo(cart.as_bytes());
    assert_eq!(code, 1);
    assert!(
        err.starts_with("error: carts.json, line 6: field `product_items[0].quantity` holds a number; "),
        "{err}"
    );
}

#[test]
fn a_byte_order_mark_is_no_fault_and_another_encoding_is_named() {
    let (code, out, err) = demo(format!("\u{feff}{}\n", cart("c-1", "19.98")).as_bytes());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("cart c-1"), "{out}");
    let (code, _, err) = demo(&[0xff, 0xfe, b'{', 0, b'}', 0]);
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "error: carts.json can't be read: it is UTF-16; expected UTF-8\n"
    );
}

#[test]
fn a_field_that_nobody_knows_is_told_and_the_cart_is_played() {
    let cart = cart("c-1", "19.98").replace("\"client_id\"", "\"curency\":\"EUR\",\"client_id\"");
    let (code, _, err) = demo(cart.as_bytes());
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("carts.json, line 1: field `curency` is unknown; the fields there are cart_id, "),
        "{err}"
    );
}

#[test]
fn a_cart_that_is_in_the_file_twice_has_one_order_and_is_counted_once() {
    let once = demo(cart("c-1", "19.98").as_bytes());
    let twice = [cart("c-1", "19.98"), cart("c-1", "19.98")].join("\n");
    let (code, out, err) = demo(twice.as_bytes());
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out.matches("OrderInitialized").count(), 1, "{out}");
    assert!(out.contains("ok  cart c-1 (2 times in the file)\n"), "{out}");
    assert!(
        out.contains("1 of 1 ended as expected: 1 order (1 completed)\n"),
        "{out}"
    );
    let events = |out: &str| {
        let line = out
            .lines()
            .find(|line| line.contains(" events, "))
            .map(str::to_owned);
        line.and_then(|line| line.split(' ').next().map(str::to_owned))
    };
    assert!(
        events(&out).is_some() && events(&out) == events(&once.1),
        "{out}{}",
        once.1
    );
}

#[test]
fn a_cart_whose_id_was_finalized_with_other_content_is_told_as_refused() {
    let carts = [
        cart("c-1", "19.98"),
        cart("c-2", "5"),
        cart("c-1", "25"),
        cart("c-1", "25"),
    ];
    let (code, out, err) = demo(carts.join("\n").as_bytes());
    assert_eq!(code, 1, "{out}{err}");
    assert_eq!(out.matches("OrderInitialized").count(), 2, "{out}");
    assert_eq!(
        out.matches("NOT cart c-1, with other content\n    Refused\n")
            .count(),
        1,
        "{out}"
    );
    assert!(out.contains("is finalized already, with other content"), "{out}");
    assert!(
        out.contains("2 of 3 ended as expected: 1 cart (1 refused), 2 orders (2 completed)\n"),
        "{out}"
    );
}

#[test]
fn a_number_below_zero_is_refused_by_what_the_option_takes() {
    for arguments in [
        ["demo", "--guests", "-5"],
        ["up", "--port", "-1"],
        ["play", "--patience", "-1"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_local")).args(arguments).output();
        let output = output.expect("the program starts");
        let err = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("invalid value '-") && !err.contains("tip:"), "{err}");
    }
}
