//! What `dynoxide` 3.2 lets pass in a transaction and refuses elsewhere; a later version that refuses it here
//! too makes this superfluous.

use std::collections::HashMap;

use dynoxide::DynoxideError;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    transact_items: Vec<HashMap<String, Action>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Action {
    expression_attribute_names: Option<Map<String, Value>>,
    expression_attribute_values: Option<Map<String, Value>>,
}

/// Refuses an action with no names or values in the place for them. What can't be read is left to who reads
/// all of it.
pub(super) fn check(body: &[u8]) -> Result<(), DynoxideError> {
    let Ok(transaction) = serde_json::from_slice::<Transaction>(body) else {
        return Ok(());
    };
    let is_empty = |given: &Option<Map<String, Value>>| given.as_ref().is_some_and(Map::is_empty);
    for action in transaction.transact_items.iter().flat_map(HashMap::values) {
        let empty = if is_empty(&action.expression_attribute_names) {
            "ExpressionAttributeNames"
        } else if is_empty(&action.expression_attribute_values) {
            "ExpressionAttributeValues"
        } else {
            continue;
        };
        return Err(DynoxideError::ValidationException(format!(
            "{empty} must not be empty"
        )));
    }
    Ok(())
}
