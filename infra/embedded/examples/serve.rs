//! DynamoDB, its streams and SQS on a port, until it is interrupted: `cargo run --example serve -- 4566`.

use std::net::{Ipv4Addr, SocketAddr};

use embedded_aws::Aws;

// What it says on standard output is what it is for.
#[allow(clippy::print_stdout)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let aws = Aws::listening(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    println!("export AWS_ENDPOINT_URL={}", aws.endpoint());
    std::future::pending::<()>().await;
    Ok(())
}
