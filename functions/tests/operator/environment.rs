//! Values of the environment that no request can carry.

use crate::support::{program, run};

#[test]
fn a_variable_that_no_header_can_carry_is_named_and_its_value_is_not_shown() {
    for name in [
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
        "AWS_ENDPOINT_URL_SQS",
    ] {
        let mut listing = program(&["dlq", "list"]);
        listing.env(name, "hunter2\r");
        let refused = run(listing, "");
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (2, ""),
            "{name}: {}",
            refused.err
        );
        let told = format!(
            "error: environment variable {name} holds a control character (carriage return) at its end; "
        );
        assert!(refused.err.starts_with(&told), "{name}: {}", refused.err);
        assert!(!refused.err.contains("hunter2"), "{name}: {}", refused.err);
    }
}

#[test]
fn a_stack_whose_name_no_queue_can_have_is_refused() {
    for name in [
        "shop\r",
        "",
        "9-shop",
        "sh/op",
        "a-name-of-more-than-forty-characters-is-too-long",
    ] {
        let refused = run(program(&["--stack", name, "dlq", "list"]), "");
        assert_eq!(refused.code, 2, "{name:?}: {}", refused.err);
        assert!(
            refused.err.contains("expected a letter, then up to 39"),
            "{}",
            refused.err
        );
    }
}
