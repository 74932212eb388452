//! The door for HTTP: which protocol a request speaks, and whether it is signed.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::answer::Answer;
use super::{json, query};
use crate::error::SqsError;
use crate::service::Sqs;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const TARGET_PREFIX: &str = "AmazonSQS.";
const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// What a request asks of SQS, by its protocol.
enum Asked<'a> {
    Json(&'a str),
    Query(Vec<(String, String)>),
}

impl Sqs {
    /// Answers an HTTP request in the protocol that it speaks, JSON or Query. It has to be signed, as AWS demands, and
    /// any credentials do. `request_id` is what the answer is known by. A long poll keeps the answer waiting for as
    /// long as it was asked to.
    pub async fn answer<B: AsRef<[u8]>>(&self, request: &Request<B>, request_id: &str) -> Response<Vec<u8>> {
        let answer = match Asked::of(request) {
            Some(Asked::Json(_)) if !is_signed(request, &parameters(request)) => {
                json::refusal(&SqsError::Unsigned)
            }
            Some(Asked::Json(operation)) => {
                json::answer(self, operation, request.body().as_ref(), trace_header(request)).await
            }
            Some(Asked::Query(parameters)) if !is_signed(request, &parameters) => {
                query::refusal(&SqsError::Unsigned, request_id)
            }
            Some(Asked::Query(parameters)) => {
                let call = query::Call {
                    action: value_of(&parameters, "Action").unwrap_or_default(),
                    parameters: &parameters,
                    path: request.uri().path(),
                    trace_header: trace_header(request),
                    request_id,
                };
                query::answer(self, call).await
            }
            None => unknown(),
        };
        respond(answer, request_id)
    }

    /// The operation that an HTTP request asks SQS for; none if it is for another service, or for none.
    pub fn operation_of<B: AsRef<[u8]>>(request: &Request<B>) -> Option<Cow<'_, str>> {
        match Asked::of(request)? {
            Asked::Json(operation) => Some(operation.into()),
            Asked::Query(parameters) => {
                value_of(&parameters, "Action").map(|action| action.to_owned().into())
            }
        }
    }
}

impl<'a> Asked<'a> {
    fn of<B: AsRef<[u8]>>(request: &'a Request<B>) -> Option<Self> {
        if let Some(target) = request.headers().get(TARGET) {
            let operation = target.to_str().ok()?.strip_prefix(TARGET_PREFIX)?;
            return (request.method() == Method::POST).then_some(Self::Json(operation));
        }
        if ![Method::GET, Method::POST].contains(request.method()) {
            return None;
        }
        let parameters = parameters(request);
        // Other services speak Query as well, each with a version of its own.
        let version = value_of(&parameters, "Version").unwrap_or(query::VERSION);
        let is_query = value_of(&parameters, "Action").is_some() && version == query::VERSION;
        is_query.then_some(Self::Query(parameters))
    }
}

/// The parameters of the query, and of the body if that is a form.
fn parameters<B: AsRef<[u8]>>(request: &Request<B>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_form =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let form = if is_form { request.body().as_ref() } else { b"" };
    let query = form_urlencoded::parse(query).into_owned();
    query.chain(form_urlencoded::parse(form).into_owned()).collect()
}

fn value_of<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = parameters.iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value.as_str())
}

/// A signature in the header, or among the parameters: of a URL that was signed beforehand, or of a client that signs
/// by version 2.
fn is_signed<B>(request: &Request<B>, parameters: &[(String, String)]) -> bool {
    request.headers().contains_key(AUTHORIZATION)
        || ["X-Amz-Signature", "Signature"]
            .iter()
            .any(|name| value_of(parameters, name).is_some())
}

fn trace_header<B>(request: &Request<B>) -> Option<&str> {
    request.headers().get(TRACE)?.to_str().ok()
}

/// What AWS's framework says to what is no operation.
fn unknown() -> Answer {
    Answer {
        status: 404,
        content_type: "text/xml",
        body: b"<UnknownOperationException/>\n".to_vec(),
        error_type: None,
    }
}

fn respond(answer: Answer, request_id: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(answer.body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    let others = [
        (QUERY_ERROR, answer.error_type.as_deref()),
        (REQUEST_ID, Some(request_id)),
    ];
    for (name, value) in others {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
