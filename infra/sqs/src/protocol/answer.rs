//! What an answer is over HTTP, whatever its protocol.

/// What goes back over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// The `x-amzn-query-error` header of a refused request: SDKs take the error's code from it.
    pub error_type: Option<String>,
}
