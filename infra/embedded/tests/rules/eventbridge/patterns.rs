//! Event patterns: an operator of EventBridge in each test.

use serde_json::{Value, json};

use super::Scene;

impl Scene {
    /// Whether a pattern matches an event with this detail.
    async fn matches(&self, pattern: &Value, detail: &Value) -> bool {
        let event = json!({ "detail-type": "BookLent", "source": "branch", "detail": detail });
        let request = json!({ "EventPattern": pattern.to_string(), "Event": event.to_string() });
        self.done("TestEventPattern", &request).await["Result"] == true
    }

    /// Asserts of a pattern which values of `detail.x` it matches, and which not.
    async fn assert_matches(&self, matchers: Value, those: &[Value], not_those: &[Value]) {
        let pattern = json!({ "detail": { "x": matchers } });
        for value in those {
            assert!(
                self.matches(&pattern, &json!({ "x": value })).await,
                "{pattern} of {value}"
            );
        }
        for value in not_those {
            assert!(
                !self.matches(&pattern, &json!({ "x": value })).await,
                "{pattern} of {value}"
            );
        }
    }

    async fn invalid_pattern(&self, pattern: &Value) -> String {
        let pattern = match pattern {
            Value::String(text) => text.clone(),
            pattern => pattern.to_string(),
        };
        let rule = json!({ "Name": "all", "EventPattern": pattern });
        let (error, message) = self.refused("PutRule", &rule).await;
        assert_eq!(error, "InvalidEventPatternException");
        let reason = message.strip_prefix("Event pattern is not valid. Reason: ");
        reason.unwrap().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_this_string_number_truth_value_or_null() {
    let scene = Scene::new();
    scene
        .assert_matches(
            json!(["a", 1, true, null]),
            &[json!("a"), json!(1), json!(true), json!(null)],
            &[
                json!("A"),
                json!("ab"),
                json!("1"),
                json!(2),
                json!(false),
                json!({}),
            ],
        )
        .await;
    assert!(
        !scene
            .matches(&json!({ "detail": { "x": [null] } }), &json!({}))
            .await
    );
}

#[tokio::test(start_paused = true)]
async fn all_fields_have_to_match_and_of_each_one_value() {
    let scene = Scene::new();
    let pattern = json!({ "source": ["branch", "other"], "detail": { "a": { "b": ["x"] }, "c": [1] } });
    assert!(
        scene
            .matches(&pattern, &json!({ "a": { "b": "x", "more": 1 }, "c": 1 }))
            .await
    );
    assert!(!scene.matches(&pattern, &json!({ "a": { "b": "x" } })).await);
    assert!(
        !scene
            .matches(&pattern, &json!({ "a": { "b": "y" }, "c": 1 }))
            .await
    );
    assert!(!scene.matches(&json!({ "source": ["bank"] }), &json!({})).await);
}

#[tokio::test(start_paused = true)]
async fn of_a_list_one_element_has_to_match_and_of_a_list_of_objects_one_with_all_fields() {
    let scene = Scene::new();
    scene
        .assert_matches(json!(["a"]), &[json!(["b", "a"])], &[json!(["b"]), json!([])])
        .await;
    let items = json!({ "detail": { "items": { "id": ["x"], "quantity": [2] } } });
    let of = |first: u32, second: u32| json!({ "items": [{ "id": "x", "quantity": first }, { "id": "y", "quantity": second }] });
    assert!(scene.matches(&items, &of(2, 1)).await);
    assert!(!scene.matches(&items, &of(1, 2)).await);
}

#[tokio::test(start_paused = true)]
async fn prefix_and_suffix_with_their_case_or_without() {
    let scene = Scene::new();
    let ignoring = |text: &str| json!({ "equals-ignore-case": text });
    for (matcher, those, not_those) in [
        (json!([{ "prefix": "Lo" }]), json!("Loan"), json!("loan")),
        (
            json!([{ "prefix": ignoring("lO") }]),
            json!("Loan"),
            json!("a loan"),
        ),
        (json!([{ "suffix": "an" }]), json!("Loan"), json!("loAN")),
        (
            json!([{ "suffix": ignoring("AN") }]),
            json!("Loan"),
            json!("loans"),
        ),
    ] {
        scene
            .assert_matches(matcher, &[those], &[not_those, json!(1)])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn anything_but_values_prefixes_suffixes_and_wildcards() {
    let scene = Scene::new();
    let but = |operand: Value| json!([{ "anything-but": operand }]);
    for (operand, those, not_those) in [
        (json!("a"), json!("b"), json!("a")),
        (json!(["a", "b"]), json!("c"), json!("b")),
        (json!(1), json!("1"), json!(1)),
        (json!([1, 2]), json!(3), json!(2)),
        (json!({ "prefix": "lo" }), json!("book"), json!("loan")),
        (json!({ "prefix": ["lo", "bo"] }), json!("stay"), json!("book")),
        (json!({ "suffix": "an" }), json!("book"), json!("loan")),
        (
            json!({ "equals-ignore-case": ["a", "B"] }),
            json!("c"),
            json!("b"),
        ),
        (json!({ "wildcard": "*/lib/*" }), json!("a/b"), json!("a/lib/b")),
    ] {
        scene.assert_matches(but(operand), &[those], &[not_those]).await;
    }
    // What is not there is not anything.
    assert!(
        !scene
            .matches(&json!({ "detail": { "x": but(json!("a")) } }), &json!({}))
            .await
    );
}

#[tokio::test(start_paused = true)]
async fn numbers_within_a_range() {
    let scene = Scene::new();
    let numeric = |operand: Value| json!([{ "numeric": operand }]);
    for (operand, those, not_those) in [
        (
            json!(["=", 5]),
            vec![json!(5), json!(5.0)],
            vec![json!(4), json!("5")],
        ),
        (json!(["<", 5]), vec![json!(4.99)], vec![json!(5)]),
        (json!(["<=", 5]), vec![json!(5)], vec![json!(5.01)]),
        (json!([">", -1.5]), vec![json!(-1)], vec![json!(-1.5)]),
        (json!([">=", 100]), vec![json!(100)], vec![json!(99)]),
        (
            json!([">", 0, "<=", 5]),
            vec![json!(0.01), json!(5)],
            vec![json!(0), json!(6)],
        ),
    ] {
        scene.assert_matches(numeric(operand), &those, &not_those).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whether_there_is_a_value() {
    let scene = Scene::new();
    let exists = |wanted: bool| json!({ "detail": { "a": { "x": [{ "exists": wanted }] } } });
    let there = json!({ "a": { "x": null } });
    for absent in [json!({}), json!({ "a": {} }), json!({ "a": { "x": { "y": 1 } } })] {
        assert!(scene.matches(&exists(false), &absent).await, "{absent}");
        assert!(!scene.matches(&exists(true), &absent).await, "{absent}");
    }
    assert!(scene.matches(&exists(true), &there).await);
    assert!(!scene.matches(&exists(false), &there).await);
}

#[tokio::test(start_paused = true)]
async fn the_same_text_in_another_case() {
    let scene = Scene::new();
    scene
        .assert_matches(
            json!([{ "equals-ignore-case": "alice" }]),
            &[json!("ALICE"), json!("Alice")],
            &[json!("alices"), json!(1)],
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_text_with_wildcards_in_it() {
    let scene = Scene::new();
    for (wildcard, those, not_those) in [
        ("loan-*", vec!["loan-", "loan-1"], vec!["a loan-1", "loan"]),
        ("*.png", vec![".png", "a.png"], vec!["a.png "]),
        ("a*b*c", vec!["abc", "a-b-c", "abbcc"], vec!["acb", "ab"]),
        ("a*a", vec!["aa", "aba"], vec!["a"]),
        (r"1\*2", vec!["1*2"], vec!["1x2"]),
        (r"a\\*", vec![r"a\", r"a\b"], vec!["ab"]),
    ] {
        let texts = |texts: Vec<&str>| texts.into_iter().map(Value::from).collect::<Vec<_>>();
        scene
            .assert_matches(
                json!([{ "wildcard": wildcard }]),
                &texts(those),
                &texts(not_those),
            )
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_several_patterns() {
    let scene = Scene::new();
    let pattern = json!({
        "source": ["branch"],
        "detail": { "$or": [{ "x": [1] }, { "y": [{ "numeric": [">", 5] }] }], "z": [true] },
    });
    assert!(scene.matches(&pattern, &json!({ "x": 1, "z": true })).await);
    assert!(scene.matches(&pattern, &json!({ "y": 6, "z": true })).await);
    assert!(
        !scene
            .matches(&pattern, &json!({ "x": 2, "y": 5, "z": true }))
            .await
    );
    assert!(!scene.matches(&pattern, &json!({ "x": 1 })).await);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_makes_no_sense_or_is_not_served_is_refused_and_the_message_says_why() {
    let scene = Scene::new();
    for (pattern, reason) in [
        (json!("{"), "it is not JSON"),
        (json!([]), "Filter is not an object"),
        (json!({}), "Empty objects are not allowed"),
        (
            json!({ "source": [] }),
            "Empty arrays are not allowed, as at source",
        ),
        (
            json!({ "source": "branch" }),
            "\"source\" must be an object or an array",
        ),
        (
            json!({ "detail": { "x": [{ "cidr": "10.0.0.0/8" }] } }),
            "cidr is not served here, as at detail.x",
        ),
        (
            json!({ "detail": { "x": [{ "like": "a" }] } }),
            "Unrecognized match type like, as at detail.x",
        ),
        (
            json!({ "detail": { "x": [{ "prefix": "a", "suffix": "b" }] } }),
            "Only one key allowed in match expression, as at detail.x",
        ),
        (
            json!({ "detail": { "x": [{ "prefix": 1 }] } }),
            "prefix match pattern must be a string, as at detail.x",
        ),
        (
            json!({ "detail": { "x": [{ "wildcard": "a**b" }] } }),
            "Consecutive wildcard characters at detail.x",
        ),
        (
            json!({ "detail": { "x": [{ "wildcard": "a\\b" }] } }),
            "Invalid escape character at detail.x",
        ),
        (
            json!({ "detail": { "x": [{ "exists": "yes" }] } }),
            "exists match pattern must be either true or false, as at detail.x",
        ),
        (
            json!({ "detail": { "x": [{ "anything-but": [] }] } }),
            "Value within anything-but may not be empty, as at detail.x",
        ),
        (
            json!({ "$or": [{ "source": ["branch"] }] }),
            "$or needs two patterns at least",
        ),
    ] {
        assert_eq!(scene.invalid_pattern(&pattern).await, reason);
    }
    for operand in [
        json!(["<>", 1]),
        json!(["<", "1"]),
        json!([">", 1, "<"]),
        json!(["<", 5.1e9]),
        json!([">", 5, "<", 3]),
        json!(["<", 5, ">", 3]),
        json!(["=", 5, "<", 6]),
    ] {
        let reason = scene
            .invalid_pattern(&json!({ "detail": { "x": [{ "numeric": operand }] } }))
            .await;
        assert!(
            reason.ends_with("as at detail.x; [\">\", 0, \"<=\", 5] is right"),
            "{reason}"
        );
    }
    let long = json!({ "source": ["x".repeat(4096)] });
    assert!(
        scene
            .invalid_pattern(&long)
            .await
            .contains("up to 4096 are right")
    );
}
