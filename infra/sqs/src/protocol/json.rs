//! The AWS JSON 1.0 protocol.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::Answer;
use super::operations::{Protocol, apply, known};
use crate::error::SqsError;
use crate::service::Sqs;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

impl Sqs {
    /// Answers a request of the AWS JSON protocol. The operation is what follows `AmazonSQS.` in the
    /// `X-Amz-Target` header. A long poll keeps the answer waiting for as long as it was asked to.
    pub async fn handle(&self, operation: &str, body: &[u8]) -> Answer {
        answer(self, operation, body, None).await
    }
}

/// Answers one request, whatever it holds.
pub(super) async fn answer(sqs: &Sqs, operation: &str, body: &[u8], trace_header: Option<&str>) -> Answer {
    let outcome = match known(operation) {
        Ok(operation) => apply(sqs, operation, &Json { body, trace_header }).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(body) => Answer {
            status: 200,
            content_type: CONTENT_TYPE,
            body,
            error_type: None,
        },
        Err(error) => refusal(&error),
    }
}

/// What a refused request is answered with. Modelled errors are told apart by their type in the body, and by the code
/// of the Query protocol in a header, which SDKs prefer.
pub(super) fn refusal(error: &SqsError) -> Answer {
    let shape = error.shape();
    let body = json!({ "__type": shape.type_name, "message": error.to_string() });
    Answer {
        status: shape.status,
        content_type: CONTENT_TYPE,
        body: body.to_string().into_bytes(),
        error_type: Some(format!("{};Sender", shape.query_code)),
    }
}

struct Json<'a> {
    body: &'a [u8],
    trace_header: Option<&'a str>,
}

impl Protocol for Json<'_> {
    fn read<Request: DeserializeOwned>(&self) -> Result<Request, SqsError> {
        let body = if self.body.is_empty() { b"{}" } else { self.body };
        serde_json::from_slice(body).map_err(|error| SqsError::Serialization {
            reason: error.to_string(),
        })
    }

    fn write(&self, answer: &impl Serialize) -> Vec<u8> {
        serde_json::to_vec(answer)
            .expect("answers have names for keys, and nothing in them fails to be written")
    }

    fn trace_header(&self) -> Option<&str> {
        self.trace_header
    }
}
