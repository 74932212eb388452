//! Standard output and standard error that nobody reads.

use std::process::Stdio;

use crate::support::{Up, program};

fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_reads_ends_the_command_quietly_as_after_sigpipe() {
    let up = Up::without_functions().await;
    for arguments in [
        &["dlq", "list"][..],
        &["dlq", "list", "--json"],
        &["outbox", "list"],
    ] {
        let mut cut_off = program(arguments);
        cut_off.env("AWS_ENDPOINT_URL", &up.url).stdout(closed());
        let ended = cut_off.output().expect("the program starts");
        assert_eq!(ended.status.code(), Some(141), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_nobody_reads_keeps_its_exit_code() {
    let up = Up::without_functions().await;
    let mut unheard = program(&["trace", "c-0"]);
    unheard.env("AWS_ENDPOINT_URL", &up.url).stderr(closed());
    assert_eq!(
        unheard.output().expect("the program starts").status.code(),
        Some(3)
    );
}
