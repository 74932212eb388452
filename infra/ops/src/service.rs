//! Requests to services of which there is no client here, signed with the SDK's own signer.
//!
//! `cargo ops preflight` asks one question of each of five services. Their clients in the SDK would be most of what this
//! program takes to compile, for answers of which a number or a word is read.

use std::time::{Duration, SystemTime};

use aws_adapters::{Proxies, http_connector_through, url_problem};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use http::Request;
use serde_json::Value;

use crate::failure::{Failure, in_full};
use crate::place::Place;

/// How long an answer may take. Nobody asks again: what was not checked is told, and the command is there to be
/// repeated.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most of an error's text that is told.
const MAX_TOLD: usize = 200;

/// A service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// What its host begins with and requests are signed for.
    name: &'static str,
    /// The variable that may name its endpoint.
    variable: &'static str,
    /// Whether there is one for all regions.
    global: bool,
}

impl Service {
    const fn regional(name: &'static str, variable: &'static str) -> Self {
        Self {
            name,
            variable,
            global: false,
        }
    }
}

pub(crate) const CLOUDFORMATION: Service =
    Service::regional("cloudformation", "AWS_ENDPOINT_URL_CLOUDFORMATION");
pub(crate) const LAMBDA: Service = Service::regional("lambda", "AWS_ENDPOINT_URL_LAMBDA");
pub(crate) const LOGS: Service = Service::regional("logs", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS");
pub(crate) const SERVICE_QUOTAS: Service =
    Service::regional("servicequotas", "AWS_ENDPOINT_URL_SERVICE_QUOTAS");
pub(crate) const IAM: Service = Service {
    global: true,
    ..Service::regional("iam", "AWS_ENDPOINT_URL_IAM")
};

/// A question. Nothing in it needs escaping: names of stacks are letters, digits and dashes.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// A path.
    Get(String),
    /// An operation with its request.
    Json(&'static str, Value),
    /// An operation with its parameters, in the older protocol.
    Query(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    /// The service says so.
    #[error("{code}: {message}")]
    Refused { code: String, message: String },
    /// Whoever is there speaks otherwise, or nobody is.
    #[error("{0}")]
    Failed(String),
}

/// Who asks, and where.
pub(crate) struct Services<'a> {
    place: &'a Place,
    connector: SharedHttpConnector,
    credentials: Credentials,
}

impl<'a> Services<'a> {
    pub(crate) async fn of(place: &'a Place, proxies: &Proxies) -> Result<Self, Failure> {
        let credentials = place.environment.credentials.provide_credentials().await;
        Ok(Self {
            place,
            connector: http_connector_through(proxies),
            credentials: credentials.map_err(|error| Failure::Failed(in_full(&error)))?,
        })
    }

    /// The text of the answer.
    pub(crate) async fn ask(&self, service: Service, question: Question) -> Result<String, Unanswered> {
        let asked = self.ask_in_time(service, question);
        let late = || Unanswered::Failed(format!("no answer within {} seconds", TIMEOUT.as_secs()));
        tokio::time::timeout(TIMEOUT, asked).await.map_err(|_| late())?
    }

    async fn ask_in_time(&self, service: Service, question: Question) -> Result<String, Unanswered> {
        let request = self.signed(service, question)?;
        let failed = |error: &dyn std::error::Error| Unanswered::Failed(in_full(error));
        let answered = self.connector.call(request).await;
        let answered = answered.map_err(|error| failed(&error))?;
        let status = answered.status();
        let body = ByteStream::new(answered.into_body()).collect().await;
        let body = body.map_err(|error| failed(&error))?.into_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            Ok(text)
        } else {
            Err(refused(status.as_u16(), &text))
        }
    }

    fn signed(&self, service: Service, question: Question) -> Result<HttpRequest, Unanswered> {
        let (endpoint, region) = self.endpoint(service);
        if let Some(problem) = url_problem(&endpoint) {
            return Err(Unanswered::Failed(format!(
                "the endpoint of {} {problem}",
                service.name
            )));
        }
        let endpoint = endpoint.trim_end_matches('/');
        let request = Request::builder();
        let (request, body) = match question {
            Question::Get(path) => (
                request.method("GET").uri(format!("{endpoint}{path}")),
                String::new(),
            ),
            Question::Json(target, body) => (
                request
                    .method("POST")
                    .uri(format!("{endpoint}/"))
                    .header("content-type", "application/x-amz-json-1.1")
                    .header("x-amz-target", target),
                body.to_string(),
            ),
            Question::Query(body) => (
                request
                    .method("POST")
                    .uri(format!("{endpoint}/"))
                    .header("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
                body,
            ),
        };
        let wrong = |error: &dyn std::error::Error| Unanswered::Failed(in_full(error));
        let mut request = request
            .body(SdkBody::from(body.clone()))
            .map_err(|error| wrong(&error))?;
        let identity = self.credentials.clone().into();
        let signing = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name(service.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(&error))?
            .into();
        let headers = request.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(
            request.method().as_str(),
            &uri,
            headers,
            SignableBody::Bytes(body.as_bytes()),
        );
        let signed = signable.and_then(|signable| sign(signable, &signing));
        let (instructions, _) = signed.map_err(|error| wrong(&error))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        HttpRequest::try_from(request).map_err(|error| wrong(&error))
    }

    /// Where a service is, and the region that requests to it are signed for.
    fn endpoint(&self, service: Service) -> (String, String) {
        let region = self.place.environment.region.as_str();
        let (domain, home) = if region.starts_with("cn-") {
            ("amazonaws.com.cn", "cn-north-1")
        } else if region.starts_with("us-gov-") {
            ("amazonaws.com", "us-gov-west-1")
        } else {
            ("amazonaws.com", "us-east-1")
        };
        let signed_for = if service.global { home } else { region };
        let own = || match (service.global, home) {
            (false, _) => format!("https://{}.{region}.{domain}", service.name),
            (true, "us-east-1") => format!("https://{}.{domain}", service.name),
            (true, "us-gov-west-1") => format!("https://{}.us-gov.{domain}", service.name),
            (true, home) => format!("https://{}.{home}.{domain}", service.name),
        };
        let endpoint = self.place.endpoint(service.variable).unwrap_or_else(own);
        (endpoint, signed_for.to_owned())
    }
}

/// What a refusal says, in JSON or XML.
fn refused(status: u16, text: &str) -> Unanswered {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let of_json = |names: [&str; 2]| {
        names
            .iter()
            .find_map(|name| json[*name].as_str().map(str::to_owned))
    };
    let code = of_json(["__type", "code"]).or_else(|| between(text, "<Code>", "</Code>").map(str::to_owned));
    let message = of_json(["message", "Message"])
        .or_else(|| between(text, "<Message>", "</Message>").map(str::to_owned));
    let short = |text: &str| {
        let cut = text.char_indices().nth(MAX_TOLD).map(|(end, _)| &text[..end]);
        cut.map_or_else(|| text.to_owned(), |cut| format!("{cut}…"))
    };
    if code.is_none() && message.is_none() {
        return Unanswered::Failed(format!(
            "it answers with status {status}, and not as this service does"
        ));
    }
    let code = code.unwrap_or_else(|| status.to_string());
    Unanswered::Refused {
        code: short(code.rsplit('#').next().unwrap_or(&code)),
        message: short(&message.unwrap_or_default()),
    }
}

/// What stands between two marks, the first time.
pub(crate) fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(found, _)| found)
}
