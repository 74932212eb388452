//! The AWS protocols: one HTTP request in, one answer out, for DynamoDB, its streams, SQS and
//! `EventBridge` in AWS JSON, for SQS in Query as well, and for `EventBridge` Scheduler in REST.
//!
//! Both ways in use it, the SDK's transport in this process and the listener for others, so that what
//! works on one works on the other. Signatures are not checked, but a request has to carry one, as AWS
//! demands: a client without credentials must fail here and not only after deployment.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use embedded_sqs::Sqs;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use crate::clock::Clock;
use crate::dynamodb::{DynamoDb, error_body};
use crate::eventbridge::EventBridge;
use crate::scheduler::{self, Scheduler};
use crate::store::Store;

/// The content types of AWS JSON 1.0 and 1.1.
const AMZ_JSON: &str = "application/x-amz-json-1.0";
const AMZ_JSON_1_1: &str = "application/x-amz-json-1.1";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// What is said to a request that is for nobody here.
const SUPPORTED: &str = "DynamoDB (X-Amz-Target: DynamoDB_20120810.*), DynamoDB Streams \
                         (DynamoDBStreams_20120810.*), SQS (AmazonSQS.*) and EventBridge (AWSEvents.*) are, in the AWS \
                         JSON protocol, SQS in Query as well (Version=2012-11-05), and EventBridge Scheduler \
                         (/schedules/*)";

/// A service of AWS that is embedded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// DynamoDB Streams, an API of its own.
    DynamoDbStreams,
    /// SQS.
    Sqs,
    /// `EventBridge`.
    EventBridge,
    /// `EventBridge` Scheduler.
    Scheduler,
}

impl Service {
    const ALL: [Self; 5] = [
        Self::DynamoDb,
        Self::DynamoDbStreams,
        Self::Sqs,
        Self::EventBridge,
        Self::Scheduler,
    ];

    /// What the target of its operations begins with; none if method and path say what they are.
    fn target_prefix(self) -> Option<&'static str> {
        match self {
            Self::DynamoDb => Some("DynamoDB_20120810."),
            Self::DynamoDbStreams => Some("DynamoDBStreams_20120810."),
            Self::Sqs => Some("AmazonSQS."),
            Self::EventBridge => Some("AWSEvents."),
            Self::Scheduler => None,
        }
    }

    /// The service and operation that a request is for; `None` if it is for none of them.
    pub(crate) fn target(request: &Request<Bytes>) -> Option<(Self, Cow<'_, str>)> {
        let Some(target) = request.headers().get(TARGET) else {
            if let Some((operation, _)) = scheduler::operation(request.method(), request.uri().path()) {
                return Some((Self::Scheduler, operation.into()));
            }
            return Some((Self::Sqs, Sqs::operation_of(request)?));
        };
        let target = target.to_str().ok()?;
        Self::ALL
            .into_iter()
            .find_map(|service| Some((service, target.strip_prefix(service.target_prefix()?)?.into())))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamoDb => "DynamoDB",
            Self::DynamoDbStreams => "DynamoDB Streams",
            Self::Sqs => "SQS",
            Self::EventBridge => "EventBridge",
            Self::Scheduler => "EventBridge Scheduler",
        })
    }
}

/// The services and the dispatch to them. Clones share the services.
#[derive(Clone)]
pub struct Wire {
    dynamodb: DynamoDb,
    sqs: Sqs,
    scheduler: Option<Scheduler>,
    eventbridge: Option<EventBridge>,
    clock: Option<Clock>,
    store: Option<Store>,
    /// Numbers for request ids: a run is then the same each time it is repeated.
    answered: Arc<AtomicU64>,
}

impl Wire {
    /// A wire to these services.
    pub fn new(dynamodb: DynamoDb, sqs: Sqs) -> Self {
        Self {
            dynamodb,
            sqs,
            scheduler: None,
            eventbridge: None,
            clock: None,
            store: None,
            answered: Arc::default(),
        }
    }

    /// The same, with this one besides.
    #[must_use]
    pub fn with_scheduler(self, scheduler: Scheduler) -> Self {
        Self {
            scheduler: Some(scheduler),
            ..self
        }
    }

    /// The same, with this one besides.
    #[must_use]
    pub fn with_eventbridge(self, eventbridge: EventBridge) -> Self {
        Self {
            eventbridge: Some(eventbridge),
            ..self
        }
    }

    /// The same, whose answers are dated by this clock. Without, a server dates them by the system's.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self {
            clock: Some(clock),
            ..self
        }
    }

    /// The same, whose answers wait at a [`server`](crate::server) until what they tell is kept there.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self {
            store: Some(store),
            ..self
        }
    }

    /// Resolves when all is kept that was written before; an error if that has become impossible.
    pub async fn until_kept(&self) -> Result<(), String> {
        match &self.store {
            Some(store) => store.until_kept().await,
            None => Ok(()),
        }
    }

    /// The scheduler behind the wire, if there is one.
    pub fn scheduler(&self) -> Option<&Scheduler> {
        self.scheduler.as_ref()
    }

    /// The `EventBridge` behind the wire, if there is one.
    pub fn eventbridge(&self) -> Option<&EventBridge> {
        self.eventbridge.as_ref()
    }

    /// The DynamoDB behind the wire.
    pub fn dynamodb(&self) -> &DynamoDb {
        &self.dynamodb
    }

    /// The SQS behind the wire.
    pub fn sqs(&self) -> &Sqs {
        &self.sqs
    }

    /// Answers one request. Errors are answers too, in the shape in which AWS gives them.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let headers = request.headers();
        let request_id = self.next_request_id();
        let mut answer = match Service::target(&request) {
            Some((Service::Scheduler, _)) if !is_signed(&request) => unsigned(),
            Some((Service::Scheduler, _)) => self.ask_scheduler(&request),
            Some((Service::Sqs, _)) => self.ask_sqs(&request, &request_id).await,
            _ if request.method() != Method::POST => not_an_operation(&request),
            Some(_) if !is_signed(&request) => unsigned(),
            Some((Service::EventBridge, operation)) => self.ask_eventbridge(&operation, &request),
            Some((_, operation)) => self.ask_dynamodb(&operation, request.body()),
            None if is_form(headers) => query_protocol(),
            None => other_service(headers),
        };
        // Hexadecimal digits and dashes are a header's value at all times.
        if let Ok(request_id) = HeaderValue::try_from(request_id) {
            answer.headers_mut().insert(REQUEST_ID, request_id);
        }
        if let Some(date) = self.clock.as_ref().and_then(date) {
            answer.headers_mut().insert(DATE, date);
        }
        answer
    }

    fn ask_dynamodb(&self, operation: &str, body: &[u8]) -> Response<Bytes> {
        let answer = self.dynamodb.handle(operation, body);
        let checksum = crc32fast::hash(&answer.body);
        let mut response = respond(answer.status, AMZ_JSON, answer.body);
        response.headers_mut().insert(CRC32, checksum.into());
        response
    }

    fn ask_scheduler(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let (uri, body) = (request.uri(), request.body());
        let scheduler = self.scheduler.as_ref();
        let query = uri.query().unwrap_or_default();
        let answer =
            scheduler.and_then(|scheduler| scheduler.handle(request.method(), uri.path(), query, body));
        let Some(answer) = answer else {
            return other_service(request.headers());
        };
        let mut response = respond(answer.status, "application/json", answer.body.to_string());
        if let Some(error) = answer.error_type {
            response
                .headers_mut()
                .insert(ERROR_TYPE, HeaderValue::from_static(error));
        }
        response
    }

    fn ask_eventbridge(&self, operation: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let Some(eventbridge) = &self.eventbridge else {
            return other_service(request.headers());
        };
        let answer = eventbridge.handle(operation, request.body(), &self.sqs);
        respond(answer.status, AMZ_JSON_1_1, answer.body.to_string())
    }

    /// In either of its protocols, and signed or not: SQS knows how each is told that it is not.
    async fn ask_sqs(&self, request: &Request<Bytes>, request_id: &str) -> Response<Bytes> {
        self.sqs.answer(request, request_id).await.map(Bytes::from)
    }

    fn next_request_id(&self) -> String {
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        uuid::Uuid::from_u64_pair(0, number).to_string()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// What the clock shows, as HTTP writes it; nothing if there is no such date.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#field.date>
fn date(clock: &Clock) -> Option<HeaderValue> {
    let seconds = clock.now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let now = DateTime::from_secs(i64::try_from(seconds).ok()?);
    HeaderValue::try_from(now.fmt(Format::HttpDate).ok()?).ok()
}

/// An answer in AWS's shape for an error that no service was asked for.
pub(crate) fn refuse(status: u16, error_type: &str, message: &str) -> Response<Bytes> {
    let body = error_body(error_type, message);
    let checksum = crc32fast::hash(&body);
    let mut response = respond(status, AMZ_JSON, body);
    response.headers_mut().insert(CRC32, checksum.into());
    response
}

fn respond(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A signature in the header, or in the query of a URL that was signed beforehand.
fn is_signed(request: &Request<Bytes>) -> bool {
    request.headers().contains_key(AUTHORIZATION)
        || request
            .uri()
            .query()
            .is_some_and(|query| query.contains("X-Amz-Signature="))
}

fn unsigned() -> Response<Bytes> {
    refuse(
        400,
        "com.amazon.coral.service#MissingAuthenticationTokenException",
        "Request is missing Authentication Token: sign it, any access key will do",
    )
}

/// AWS's services answer nothing but POST, and `GET /` for load balancers; so does this, HEAD included. What
/// else there is gets what AWS's framework says of it.
fn not_an_operation(request: &Request<Bytes>) -> Response<Bytes> {
    if let Some(operation) = scheduler::missing_operation(request.method(), request.uri().path()) {
        let message = format!("{operation} is an operation of EventBridge Scheduler that is not here.");
        return refuse(
            404,
            "com.amazon.coral.service#UnknownOperationException",
            &message,
        );
    }
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    if !reads || request.uri().path() != "/" {
        return respond(404, "text/xml", "<UnknownOperationException/>\n");
    }
    let mut health = health();
    if request.method() == Method::HEAD {
        let length = health.body().len();
        health.headers_mut().insert(CONTENT_LENGTH, length.into());
        *health.body_mut() = Bytes::new();
    }
    health
}

fn health() -> Response<Bytes> {
    let services: Vec<_> = Service::ALL.iter().map(ToString::to_string).collect();
    respond(
        200,
        "application/json",
        json!({ "status": "running", "services": services }).to_string(),
    )
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

/// Clients of this protocol read XML. What comes here is no request to SQS.
fn query_protocol() -> Response<Bytes> {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>UnsupportedProtocol</Code><Message>The form asks nothing of a \
         service that is here; {SUPPORTED}.</Message></Error></ErrorResponse>"
    );
    respond(400, "text/xml", body)
}

fn other_service(headers: &HeaderMap) -> Response<Bytes> {
    let target = headers
        .get(TARGET)
        .and_then(|target| target.to_str().ok())
        .unwrap_or("no X-Amz-Target");
    refuse(
        501,
        "UnsupportedService",
        &format!("The request is for {target}, which is not supported here; {SUPPORTED}."),
    )
}
