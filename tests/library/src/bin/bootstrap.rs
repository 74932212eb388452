//! The one executable of all functions of the library.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    bundle::lambda::run(&library::bundle()).await
}
