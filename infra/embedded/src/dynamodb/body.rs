//! JSON bodies to requests and back, with the errors that DynamoDB gives for a body it can't read.

use bytes::Bytes;
use dynoxide::DynoxideError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::words;

/// Reads a request. `dynoxide` classifies what is wrong with one by a prefix of the message, which must
/// not reach a client.
pub(super) fn read<Request: DeserializeOwned>(body: &[u8]) -> Result<Request, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_syntax() || error.is_eof() || error.is_io() {
            return DynoxideError::SerializationException("the body is not a JSON object".to_owned());
        }
        let message = error.to_string();
        let found = |prefix: &str| message.strip_prefix(prefix);
        let plain = |text: &str| without_position(text).to_owned();
        if let Some(text) = found("SERIALIZATION_AS_READ:") {
            DynoxideError::SerializationException(text.to_owned())
        } else if let Some(text) = found("VALIDATION_AS_READ:") {
            DynoxideError::ValidationException(text.to_owned())
        } else if let Some(text) = found("SERIALIZATION:") {
            DynoxideError::SerializationException(plain(text))
        } else if let Some(text) = found("VALIDATION_REQUEST:") {
            DynoxideError::EnvelopedValidation(plain(text))
        } else if let Some(text) = found("VALIDATION:") {
            DynoxideError::ValidationException(plain(text))
        } else {
            words::refusal(without_position(&message))
        }
    })
}

/// Writes an answer.
pub(super) fn write<Response: Serialize>(answer: &Response) -> Result<Vec<u8>, DynoxideError> {
    serde_json::to_vec(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// DynamoDB's operations that are not here
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html>).
const NOT_HERE: [&str; 34] = [
    "CreateBackup",
    "CreateGlobalTable",
    "DeleteBackup",
    "DeleteResourcePolicy",
    "DescribeBackup",
    "DescribeContinuousBackups",
    "DescribeContributorInsights",
    "DescribeEndpoints",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeLimits",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListBackups",
    "ListContributorInsights",
    "ListExports",
    "ListGlobalTables",
    "ListImports",
    "PutResourcePolicy",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "UpdateContinuousBackups",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTableReplicaAutoScaling",
];

/// An error in JSON, as AWS's services write it.
pub(crate) fn error_body(error_type: &str, message: &str) -> Bytes {
    json!({ "__type": error_type, "message": message })
        .to_string()
        .into()
}

/// Status and body for an operation that is not carried out here: one of DynamoDB's that is missing, or none of its.
pub(super) fn no_operation(name: &str) -> (u16, Bytes) {
    if NOT_HERE.contains(&name) {
        let message = format!("{name} is an operation of DynamoDB that is not here.");
        (501, error_body("UnsupportedOperation", &message))
    } else {
        let message = format!("DynamoDB has no operation {name}.");
        (
            400,
            error_body("com.amazon.coral.service#UnknownOperationException", &message),
        )
    }
}

/// The shape in which `operation` shows an error: two of `dynoxide`'s kinds are for its own use, and
/// become what DynamoDB answers.
pub(super) fn as_on_the_wire(operation: &str, error: DynoxideError) -> DynoxideError {
    match (operation, error) {
        ("PutItem" | "UpdateItem" | "DeleteItem", DynoxideError::EnvelopedValidation(message)) => {
            DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
        }
        (_, DynoxideError::EnvelopedValidation(message)) => DynoxideError::ValidationException(message),
        ("ExecuteStatement", DynoxideError::ConditionalCheckFailedException(message, Some(item))) => {
            DynoxideError::StatementConditionalCheckFailed(message, item)
        }
        (_, error) => error,
    }
}

fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |at| &message[..at])
}
