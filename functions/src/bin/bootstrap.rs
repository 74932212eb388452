//! The one executable of all functions: which one it is, `_HANDLER` says.

use std::sync::Arc;

use aws_adapters::{Connection, Environment, StdoutMetrics, init_logging, process_variable};
use bundle::{Parts, Settings};
use eventsourcing::SystemClock;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

// One invocation at a time: one thread is enough, and starts sooner.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    init_logging();
    match start().await {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::error!(%error, "the function can't start");
            Err(error)
        }
    }
}

async fn start() -> Result<(), Error> {
    let name = process_variable("_HANDLER").unwrap_or_default();
    let bundle = functions::bundle();
    let registry = &bundle.registry;
    let function = registry.function(&name).ok_or_else(|| {
        let names: Vec<_> = registry
            .functions
            .iter()
            .map(|function| function.name.as_str())
            .collect();
        format!(
            "_HANDLER is {name:?}, which is not a function of this bundle; expected one of {}",
            names.join(", ")
        )
    })?;
    let settings = Settings::read(&bundle.settings(), process_variable)?;
    let connection = Connection::open(&Environment::from_process()?);
    let metrics = Arc::new(StdoutMetrics {
        stack: settings.names.stack().to_owned(),
    });
    let handler = function.start(&Parts {
        settings,
        connection: connection.clone(),
        clock: Arc::new(SystemClock),
        metrics,
    });
    connection.warm_up().await;
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        handler.call(event).await
    }))
    .await
}
