//! DynamoDB, its streams and SQS on a port, until it is interrupted: `cargo run --example serve -- 4566`.

use std::error::Error;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use embedded_aws::Aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // What it says is what it is for.
    #[allow(clippy::print_stderr)]
    if let Err(error) = serve().await {
        eprintln!("serve: {error}");
    }
    ExitCode::FAILURE
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let port = match std::env::args().nth(1) {
        Some(port) => port
            .parse()
            .map_err(|_| format!("{port} is not a port: name one up to 65535, or 0 for any free one"))?,
        None => 0,
    };
    let aws = Aws::listening(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    writeln!(std::io::stdout(), "export AWS_ENDPOINT_URL={}", aws.endpoint())?;
    std::future::pending().await
}
