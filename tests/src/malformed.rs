//! All the ways in which a message can be wrong, made from one that is right.

use serde_json::{Value, json};

/// A body that no function can understand, and what the refusal has to speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The body.
    pub body: String,
    /// A part of the text that says what is wrong: the field by its path, in backticks.
    pub names: String,
}

/// Everything wrong that can be made of the body `right`, whose fields are in `content`: `command` or
/// `event`.
pub fn all_malformed(right: &str, content: &str) -> Vec<Malformed> {
    let right: Value = serde_json::from_str(right).expect("a sample is JSON");
    let mut all = no_message(content);
    all.push(Malformed {
        body: format!("\u{feff}{right}"),
        names: "begins with a byte order mark".to_owned(),
    });
    all.extend(wrong_envelopes(&right, content));
    all.extend(doubled(&right, content));
    let fields = right[content].as_object().expect("a sample has fields");
    let message_type = right["type"].as_str().unwrap_or_default();
    for (name, value) in fields {
        let path = format!("{content}.{name}");
        if !OPTIONAL.contains(&(message_type, name)) {
            all.push(without(&right, &[content], name, &path));
        }
        for wrong in wrong_values(name, value) {
            let mut message = right.clone();
            message[content][name] = wrong;
            all.push(malformed(&message, &path));
        }
    }
    if let Some(item) = fields.get("product_items").and_then(|items| items.get(0)) {
        all.extend(wrong_items(&right, content, item));
    }
    all
}

/// Fields that may be missing.
const OPTIONAL: [(&str, &str); 9] = [
    ("CheckoutGuestAccount", "group_checkout_id"),
    ("DiscardPayment", "cause"),
    ("GroupCheckoutInitiated", "due_at"),
    ("GuestCheckoutCompleted", "group_checkout_id"),
    ("GuestCheckoutFailed", "group_checkout_id"),
    ("OrderConfirmed", "due_at"),
    ("OrderInitialized", "due_at"),
    ("PaymentRevoked", "amount"),
    ("RecordGuestCheckout", "reason"),
];

fn malformed(message: &Value, path: &str) -> Malformed {
    Malformed {
        body: message.to_string(),
        names: format!("`{path}"),
    }
}

/// Bodies that are no object, or one that is nested too deep to be read.
fn no_message(content: &str) -> Vec<Malformed> {
    let open = "[".repeat(64);
    let deep = format!(r#"{{"{content}":{{}},"extra":{open}{}}}"#, open.replace('[', "]"));
    let no_object = [
        "no JSON",
        "{",
        "[]",
        "7",
        "null",
        r#""text""#,
        r#"{"a":1} {"b":2}"#,
    ];
    let no_object = no_object.map(|body| (body.to_owned(), "the body is not a JSON object"));
    let deep = [(deep, "nested deeper than 64")];
    let all = no_object.into_iter().chain(deep);
    all.map(|(body, names)| Malformed {
        body,
        names: names.to_owned(),
    })
    .collect()
}

/// A name twice in one object, on every level and however it is spelt, with the value that it has or another.
fn doubled(right: &Value, content: &str) -> Vec<Malformed> {
    let body = right.to_string();
    let inside = format!(r#""{content}":{{"#);
    let in_content = |fields: &str| body.replacen(&inside, &format!("{inside}{fields}"), 1);
    let in_envelope = |fields: &str| format!("{{{fields},{}", &body[1..]);
    let mut all = vec![
        (in_envelope(r#""id":"one","id":"another""#), "id".to_owned()),
        (in_envelope(r#""type":null,"type":null"#), "type".to_owned()),
        (
            in_envelope(r#""metadata":{},"metad\u0061ta":{}"#),
            "metadata".to_owned(),
        ),
        (in_envelope(&format!("{inside}}}")), content.to_owned()),
        (
            in_envelope(r#""n":{"a":[1,{"b":1,"b":1}]}"#),
            "n.a[1].b".to_owned(),
        ),
        (
            in_content(r#""unknown":{"a":null,"\u0061":null},"#),
            format!("{content}.unknown.a"),
        ),
    ];
    for (name, value) in right[content].as_object().into_iter().flatten() {
        let path = format!("{content}.{name}");
        all.push((in_content(&format!("\"{name}\":{value},")), path.clone()));
        all.push((
            in_content(&format!("\"{}\":null,", spelt_with_escapes(name))),
            path,
        ));
    }
    let all = all.into_iter();
    all.map(|(body, path)| Malformed {
        body,
        names: format!("field `{path}` is given twice"),
    })
    .collect()
}

fn spelt_with_escapes(name: &str) -> String {
    let escapes: Vec<_> = name
        .chars()
        .map(|character| format!("\\u{:04x}", u32::from(character)))
        .collect();
    escapes.concat()
}

fn wrong_envelopes(right: &Value, content: &str) -> Vec<Malformed> {
    let long = "x".repeat(129);
    let mut wrong = vec![
        ("type", json!("SomethingElse")),
        ("type", json!(7)),
        ("id", json!(7)),
        ("id", json!("")),
        ("id", json!(long)),
        ("id", json!("a\u{7}b")),
        ("metadata", json!(7)),
        ("metadata.timestamp", json!("noon")),
        ("metadata.correlation_id", json!("")),
        ("metadata.causation_id", json!({})),
        (content, json!([])),
        (content, json!("text")),
    ];
    if content == "event" {
        wrong.extend([
            ("id", Value::Null),
            ("stream_id", Value::Null),
            ("stream_id", json!("nodash")),
            ("stream_id", json!(7)),
            ("revision", Value::Null),
            ("revision", json!("1")),
            ("revision", json!(-1)),
        ]);
    }
    let mut all = vec![
        without(right, &[], content, content),
        wrong_field(right, content, Value::Null),
    ];
    let wrong = wrong.into_iter();
    all.extend(wrong.map(|(path, value)| wrong_field(right, path, value)));
    all
}

fn wrong_field(right: &Value, path: &str, value: Value) -> Malformed {
    let mut message = right.clone();
    match path.split_once('.') {
        Some((outer, inner)) => message[outer][inner] = value,
        None => message[path] = value,
    }
    malformed(&message, path)
}

/// The message without one field of the object at `place`.
fn without(right: &Value, place: &[&str], name: &str, path: &str) -> Malformed {
    let mut message = right.clone();
    let mut object = &mut message;
    for step in place {
        object = &mut object[*step];
    }
    object
        .as_object_mut()
        .expect("the place is an object")
        .remove(name);
    malformed(&message, path)
}

fn wrong_items(right: &Value, content: &str, item: &Value) -> Vec<Malformed> {
    let fields = item.as_object().expect("an item has fields");
    let mut all = Vec::new();
    for (name, value) in fields {
        let path = format!("{content}.product_items[0].{name}");
        let missing = std::iter::once(Value::Null);
        for wrong in wrong_values(name, value).into_iter().chain(missing) {
            let mut message = right.clone();
            message[content]["product_items"][0][name] = wrong;
            all.push(malformed(&message, &path));
        }
    }
    all
}

/// What a field can't hold, by what it is called.
fn wrong_values(name: &str, right: &Value) -> Vec<Value> {
    match name {
        "amount" | "total_price" | "unit_price" => vec![
            json!(-0.01),
            json!(0.001),
            json!(1_000_000_000),
            json!("9.99"),
            json!(true),
        ],
        "quantity" => vec![json!(0), json!(1_000_001), json!(1.5), json!(-1), json!("2")],
        "product_items" => {
            let too_many = vec![right[0].clone(); 501];
            vec![json!([]), json!(too_many), json!({}), json!("p-1"), json!([7])]
        }
        _ if name.ends_with("_ids") => vec![
            json!({}),
            json!("a"),
            json!(["a b"]),
            json!(["a", 7]),
            json!([""]),
        ],
        _ if name.ends_with("_count") => vec![json!(-1), json!(1.5), json!("1")],
        "outcome" => vec![json!("other"), json!(true)],
        "cause" => vec![json!("other"), json!("WITHDRAWN"), json!(7)],
        "reason" | "error" => vec![json!(7), json!([]), json!("x".repeat(10_001))],
        _ if name.ends_with("_at") => vec![json!("noon"), json!(7), json!("2026-11-23")],
        _ if name.ends_with("_id") => vec![
            json!(7),
            json!(""),
            json!("a b"),
            json!("ü"),
            json!("x".repeat(129)),
            json!({}),
        ],
        _ => panic!("say what the field {name} can't hold"),
    }
}
