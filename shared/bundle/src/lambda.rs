//! What the one executable of all functions does: `_HANDLER` says which of them it is.

use std::sync::Arc;

use aws_adapters::{Connection, Environment, StdoutMetrics, init_logging, process_variable};
use eventsourcing::SystemClock;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use crate::{Bundle, Parts, Settings};

/// Takes invocations for the function that `_HANDLER` names until Lambda ends the process.
///
/// One invocation comes at a time: one thread is enough, and starts sooner.
pub async fn run(bundle: &Bundle) -> Result<(), Error> {
    init_logging();
    match start(bundle).await {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::error!(%error, "the function can't start");
            Err(error)
        }
    }
}

async fn start(bundle: &Bundle) -> Result<(), Error> {
    let name = process_variable("_HANDLER").unwrap_or_default();
    let function = bundle.registry.function(&name).ok_or_else(|| {
        let names = bundle.registry.functions.iter().map(|f| f.name.as_str());
        format!(
            "_HANDLER is {name:?}, which is not a function of this bundle; expected one of {}",
            names.collect::<Vec<_>>().join(", ")
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
