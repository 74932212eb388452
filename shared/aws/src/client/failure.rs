//! What went wrong with a call, in words that quote nobody's data.

use aws_sdk_dynamodb::error::SdkError;

/// What went wrong with a call: the service's code and message, or how it did not get there.
pub(crate) fn reason<E>(error: &SdkError<E>) -> String
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
{
    use aws_smithy_types::error::display::DisplayErrorContext;
    match error
        .as_service_error()
        .map(|service| (service.code(), service.message()))
    {
        Some((Some(code), message)) => format!("{code}: {}", message.unwrap_or("no message")),
        _ => DisplayErrorContext(error).to_string().chars().take(300).collect(),
    }
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
