//! Proxies are those that the environment names, and never stand before this machine itself.

use std::process::Command;

use crate::front::Front;
use crate::support::{Up, program, run};

/// A host that no name server knows: only a proxy can reach it.
const ELSEWHERE: &str = "http://stack.invalid:4566";

fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut program = program(arguments);
    for kind in ["HTTP", "HTTPS", "ALL", "NO"] {
        program.env_remove(format!("{kind}_PROXY"));
        program.env_remove(format!("{}_proxy", kind.to_lowercase()));
    }
    program.envs(variables.iter().copied());
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_only_a_proxy_reaches_is_operated_through_it() {
    let up = Up::without_functions().await;
    up.put("finalize-cart-dlq", "not JSON");
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let proxy = Front::before(&up.url, None);
        let variables = [(variable, proxy.url.as_str()), ("AWS_ENDPOINT_URL", ELSEWHERE)];
        let sent = run(with(&variables, &["dlq", "show", "finalize-cart", "--json"]), "").done();
        assert_eq!(sent.json()["of"], 1);
        let requests = proxy.requests();
        let whole = |request: &String| request.starts_with(&format!("POST {ELSEWHERE}/ "));
        assert!(
            requests.len() > 1 && requests.iter().all(whole),
            "{variable}: {requests:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_reached_without_a_proxy_is() {
    let up = Up::without_functions().await;
    let proxy = Front::before(&up.url, None);
    let variables = [
        ("HTTP_PROXY", proxy.url.as_str()),
        ("NO_PROXY", "example.com,.invalid"),
        ("AWS_ENDPOINT_URL", ELSEWHERE),
    ];
    let failed = run(with(&variables, &["dlq", "list"]), "");
    assert_eq!(failed.code, 1, "{failed:?}");
    assert_eq!(proxy.requests(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_reached_without_a_proxy() {
    let up = Up::without_functions().await;
    let dead = "http://127.0.0.1:1";
    let local = up.url.replace("127.0.0.1", "localhost");
    for url in [up.url.as_str(), &local] {
        let variables = [
            ("HTTP_PROXY", dead),
            ("HTTPS_PROXY", dead),
            ("ALL_PROXY", dead),
            ("AWS_ENDPOINT_URL", url),
        ];
        run(with(&variables, &["dlq", "list"]), "").done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_reached_through_a_tunnel_and_a_proxy_that_refuses_is_named() {
    let up = Up::without_functions().await;
    let proxy = Front::before(&up.url, None);
    let failed = run(with(&[("HTTPS_PROXY", proxy.url.as_str())], &["dlq", "list"]), "");
    assert_eq!(failed.code, 1, "{failed:?}");
    let requests = proxy.requests();
    assert_eq!(
        requests.first().map(String::as_str),
        Some("CONNECT sqs.us-east-1.amazonaws.com:443 HTTP/1.1"),
        "{requests:?}"
    );
    assert!(
        failed
            .err
            .contains("AWS in us-east-1 (HTTPS_PROXY names a proxy) does not answer"),
        "{}",
        failed.err
    );
}

#[test]
fn what_is_no_proxy_is_refused_by_its_variable() {
    for value in ["socks5://proxy.example.com:1080", "http://", "a b"] {
        let refused = run(with(&[("HTTPS_PROXY", value)], &["dlq", "list"]), "");
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused.err.contains("environment variable HTTPS_PROXY")
                && refused.err.contains("such as http://proxy.example.com:3128"),
            "{}",
            refused.err
        );
    }
}
