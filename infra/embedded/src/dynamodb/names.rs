//! Tables named by their ARN, wherever a table's name may stand. `dynoxide` 3.2 knows names only, so they are put
//! in place of ARNs on the way in, and ARNs in place of names on the way out for those who used one; a later
//! version that reads ARNs itself makes this superfluous.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html> and the other operations:
//! "You can also provide the Amazon Resource Name (ARN) of the table in this parameter."

use std::collections::BTreeMap;

use dynoxide::DynoxideError;
use serde_json::{Map, Value};

use super::Answer;
use super::home::Home;

/// What each ARN of a table holds.
const OF_A_TABLE: &str = ":table/";

/// The ARNs in a request, by the name of their table.
#[derive(Default)]
pub(super) struct Asked(BTreeMap<String, String>);

impl Home {
    /// The request with names in place of ARNs; none if it holds no ARN.
    pub fn with_names(
        &self,
        operation: &str,
        body: &[u8],
    ) -> Result<Option<(Vec<u8>, Asked)>, DynoxideError> {
        if !std::str::from_utf8(body).is_ok_and(|text| text.contains(OF_A_TABLE)) {
            return Ok(None);
        }
        // What is no JSON is left to who reads it.
        let Ok(mut request) = serde_json::from_slice::<Value>(body) else {
            return Ok(None);
        };
        let mut asked = Asked::default();
        if let Some(name) = request.get_mut("TableName") {
            self.to_name(operation, name, &mut asked)?;
        }
        let actions = request.get_mut("TransactItems").and_then(Value::as_array_mut);
        for action in actions.into_iter().flatten().filter_map(Value::as_object_mut) {
            for name in action.values_mut().filter_map(|part| part.get_mut("TableName")) {
                self.to_name(operation, name, &mut asked)?;
            }
        }
        if let Some(items) = request.get_mut("RequestItems").and_then(Value::as_object_mut) {
            *items = self.to_names(operation, std::mem::take(items), &mut asked)?;
        }
        if let Some(arn) = request["ResourceArn"].as_str() {
            self.check(operation, arn)?;
        }
        let changed = !asked.0.is_empty();
        Ok(changed.then(|| (request.to_string().into_bytes(), asked)))
    }

    fn to_name(&self, operation: &str, name: &mut Value, asked: &mut Asked) -> Result<(), DynoxideError> {
        if let Some(arn) = name.as_str().filter(|name| name.starts_with("arn:")) {
            let table = self.check(operation, arn)?;
            let table = table.ok_or_else(|| not_of_a_table(arn))?.to_owned();
            asked.0.insert(table.clone(), arn.to_owned());
            *name = table.into();
        }
        Ok(())
    }

    fn to_names(
        &self,
        operation: &str,
        items: Map<String, Value>,
        asked: &mut Asked,
    ) -> Result<Map<String, Value>, DynoxideError> {
        let mut named = Map::new();
        for (name, requests) in items {
            let mut table = Value::String(name);
            self.to_name(operation, &mut table, asked)?;
            let table = table.as_str().unwrap_or_default();
            if named.insert(table.to_owned(), requests).is_some() {
                return Err(DynoxideError::ValidationException(format!(
                    "Table {table} is in RequestItems twice: once by its name and once by its ARN"
                )));
            }
        }
        Ok(named)
    }

    /// The table that the ARN names, if it is a table's; refused if it is not at home here.
    fn check<'a>(&self, operation: &str, arn: &'a str) -> Result<Option<&'a str>, DynoxideError> {
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        let ["arn", "aws", "dynamodb", region, account, resource] = parts[..] else {
            return Ok(None);
        };
        if region != &*self.region {
            return Err(DynoxideError::ValidationException(format!(
                "1 validation error detected: Invalid AWS region in '{arn}'"
            )));
        }
        if account != &*self.account {
            return Err(DynoxideError::AccessDeniedException(format!(
                "User: arn:aws:iam::{}:root is not authorized to perform: dynamodb:{operation} on resource: {arn} \
                 because no resource-based policy allows the dynamodb:{operation} action",
                self.account
            )));
        }
        let table = resource.strip_prefix("table/");
        Ok(table.filter(|table| !table.is_empty() && !table.contains('/')))
    }
}

impl Asked {
    /// The answer with ARNs where the request had them.
    pub fn in_arns(&self, mut answer: Answer) -> Answer {
        if answer.status == 200
            && let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body)
        {
            self.put_into(&mut body);
            answer.body = body.to_string().into();
        }
        answer
    }

    fn put_into(&self, answer: &mut Value) {
        match answer.get_mut("ConsumedCapacity") {
            Some(Value::Array(all)) => all.iter_mut().for_each(|one| self.replace_name(one)),
            Some(one) => self.replace_name(one),
            None => {}
        }
        for by_table in [
            "Responses",
            "UnprocessedKeys",
            "UnprocessedItems",
            "ItemCollectionMetrics",
        ] {
            let Some(tables) = answer.get_mut(by_table).and_then(Value::as_object_mut) else {
                continue;
            };
            *tables = std::mem::take(tables)
                .into_iter()
                .map(|(table, value)| (self.0.get(&table).cloned().unwrap_or(table), value))
                .collect();
        }
    }

    fn replace_name(&self, consumed: &mut Value) {
        let Some(name) = consumed.get_mut("TableName") else {
            return;
        };
        if let Some(arn) = name.as_str().and_then(|name| self.0.get(name)) {
            *name = arn.as_str().into();
        }
    }
}

fn not_of_a_table(arn: &str) -> DynoxideError {
    DynoxideError::ValidationException(format!(
        "Invalid TableArn: Invalid ResourceArn provided as input {arn}"
    ))
}
