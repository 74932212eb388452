//! The one form that every function has for whoever hosts it: JSON in, JSON out.

use async_trait::async_trait;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;

/// A function that is ready to be invoked, by Lambda's runtime or by a stack on one machine.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles one invocation. An error means that nothing of the batch was settled.
    async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error>;
}
