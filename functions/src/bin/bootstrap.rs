//! The one executable of all functions of the bundle.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    bundle::lambda::run(&functions::bundle()).await
}
