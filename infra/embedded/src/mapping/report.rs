//! A function's answer under `ReportBatchItemFailures`: which items of the batch it says failed.
//!
//! The rules are the same for queues and streams:
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>.

use std::collections::BTreeSet;

use serde_json::Value;

/// What the answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report<'a> {
    /// All items are done.
    Success,
    /// These items failed; there is at least one.
    Failed(BTreeSet<&'a str>),
    /// The answer can't be trusted, so the whole batch counts as failed. With the reason.
    Unusable(String),
}

/// Reads the answer of a function on a stream. An empty text or list in place of an object is success there,
/// as a function answers that has nothing to say.
pub(super) fn read_of_stream(answer: &Value, in_batch: impl Fn(&str) -> bool) -> Report<'_> {
    let is_empty = match answer {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    if is_empty {
        Report::Success
    } else {
        read(answer, in_batch)
    }
}

/// Reads an answer. `in_batch` says whether an identifier belongs to an item of the batch.
pub(super) fn read(answer: &Value, in_batch: impl Fn(&str) -> bool) -> Report<'_> {
    let failures = match answer {
        Value::Null => return Report::Success,
        Value::Object(answer) => answer.get("batchItemFailures"),
        other => return Report::Unusable(format!("the answer is {other} and should be an object")),
    };
    let failures = match failures {
        None | Some(Value::Null) => return Report::Success,
        Some(Value::Array(failures)) => failures,
        Some(other) => {
            return Report::Unusable(format!("batchItemFailures is {other} and should be a list"));
        }
    };
    let mut failed = BTreeSet::new();
    for failure in failures {
        match failure.get("itemIdentifier").and_then(Value::as_str) {
            Some(id) if in_batch(id) => failed.insert(id),
            Some(id) => {
                return Report::Unusable(format!("itemIdentifier {id:?} is of no item in the batch"));
            }
            None => {
                return Report::Unusable(format!(
                    "{failure} should be an object with a text itemIdentifier"
                ));
            }
        };
    }
    if failed.is_empty() {
        Report::Success
    } else {
        Report::Failed(failed)
    }
}
