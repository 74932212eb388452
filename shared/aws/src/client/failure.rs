//! What went wrong with a call, in words that quote nobody's data.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Whether what failed may succeed another time, as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It may: the fault lies with a service, a queue, a permission, and passes or is mended.
    Transient,
    /// It can't: the fault lies with what was sent, and stays until a person changes that.
    Permanent,
}

/// What went wrong with a call: the service's code and message, or the innermost reason why there was no
/// answer.
pub fn reason<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(service) = error.as_service_error()
        && let Some(code) = service.code()
    {
        return format!("{code}: {}", service.message().unwrap_or("no message"));
    }
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Why an item can't be read, without the value that serde quotes: it may be anybody's data.
pub(crate) fn without_value(error: &serde_dynamo::Error) -> String {
    let text = error.to_string();
    match (text.split_once(": "), text.rfind(", expected ")) {
        (Some((problem, _)), Some(expected)) if problem.starts_with("invalid ") => {
            format!("{problem}{}", &text[expected..])
        }
        _ => text,
    }
}
