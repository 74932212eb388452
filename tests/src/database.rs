//! The database of a stack, asked past all code.

use local::Stack;
use serde_json::Value;

/// Has it do something, and answers what it says.
///
/// # Panics
/// When it refuses.
pub fn ask(stack: &Stack, operation: &str, request: &Value) -> Value {
    let database = stack.wire().dynamodb();
    let answer = database.handle(operation, request.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).expect("the database answers in JSON")
}
