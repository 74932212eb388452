//! The console finds out at its start whether its credentials may change anything.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use testkit::browser::Browser;

use crate::front::{Answer, Front};
use crate::support::{Up, program};

/// The page of dead letters, of a console that is started where `url` leads to.
fn letters(url: &str) -> String {
    let mut console = program(&["console", "--port", "0"]);
    console
        .env("AWS_ENDPOINT_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut console = console.spawn().expect("the program starts");
    let out = console.stdout.take().expect("its output is a pipe");
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("console http://");
    let address = address.and_then(|address| address.strip_suffix("/console"));
    let address = address.unwrap_or_else(|| panic!("{line:?}"));
    let page = Browser { address }.get("/console/letters").html;
    console.kill().expect("it runs");
    console.wait().expect("it ends");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_delete_gets_a_console_without_buttons() {
    let up = Up::without_functions().await;
    up.put("finalize-cart-dlq", "no JSON");
    let front = Front::before(&up.url, None);
    assert!(letters(&front.url).contains("<form method=\"post\""));
    for code in ["AccessDenied", "AccessDeniedException"] {
        front.answers([Answer::refusal("AmazonSQS.DeleteMessage", code)]);
        let page = letters(&front.url);
        assert_eq!(front.left(), 0, "the right is asked for at the start");
        assert!(page.contains(">read-only<"), "{page}");
        assert!(!page.contains("<form method=\"post\""), "{page}");
        assert!(page.contains("finalize-cart"), "{page}");
    }
}
