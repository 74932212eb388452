//! A tap on one client's way to its service: it counts calls and has some of them go wrong.
//!
//! It wraps any HTTP client of the SDK, so that the rules of the event store can be tested against the
//! embedded engine and against one behind a socket with the same faults.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It is carried out, and the answer is lost.
    DropReply,
    /// It is carried out twice, and the second answer arrives.
    Twice,
    /// It is refused as one too many, and nothing happens.
    Throttle,
    /// Of a batch to SQS or to an event bus, the entry at this place is refused as if by a fault of the service. For
    /// services that check no signature only.
    RefuseEntry(usize),
    /// Of a batch to SQS or to an event bus, the entry at this place is not carried out, and the answer says nothing
    /// about it. For services that check no signature only. What a bus says of others, it says by their places.
    LeaveOutEntry(usize),
}

/// The tap. Clones share the counts and the mishaps to come.
#[derive(Clone, Debug, Default)]
pub struct Tap(Arc<Mutex<Tapped>>);

#[derive(Debug, Default)]
struct Tapped {
    calls: Vec<(String, Value)>,
    mishaps: VecDeque<(&'static str, Mishap)>,
}

impl Tap {
    /// The HTTP client `inner` with this tap on it.
    pub fn on(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Client {
            inner,
            tap: self.clone(),
        })
    }

    /// Has the next call of `operation` go wrong; said twice, the next two.
    pub fn next(&self, operation: &'static str, mishap: Mishap) {
        self.tapped().mishaps.push_back((operation, mishap));
    }

    /// How many calls of `operation` there were; each attempt of the SDK is one.
    pub fn calls(&self, operation: &str) -> usize {
        self.requests(operation).len()
    }

    /// How many calls there were in all.
    pub fn all_calls(&self) -> usize {
        self.tapped().calls.len()
    }

    /// The requests of `operation`.
    pub fn requests(&self, operation: &str) -> Vec<Value> {
        let tapped = self.tapped();
        let of_operation = tapped.calls.iter().filter(|(name, _)| name == operation);
        of_operation.map(|(_, request)| request.clone()).collect()
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        self.tapped().calls.clear();
    }

    fn arrives(&self, operation: &str, request: Value) -> Option<Mishap> {
        let mut tapped = self.tapped();
        tapped.calls.push((operation.to_owned(), request));
        let place = tapped.mishaps.iter().position(|(name, _)| *name == operation)?;
        tapped.mishaps.remove(place).map(|(_, mishap)| mishap)
    }

    fn tapped(&self) -> MutexGuard<'_, Tapped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Client {
    inner: SharedHttpClient,
    tap: Tap,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tapped").finish_non_exhaustive()
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            inner: self.inner.http_connector(settings, components),
            tap: self.tap.clone(),
        })
    }
}

#[derive(Clone, Debug)]
struct Connector {
    inner: SharedHttpConnector,
    tap: Tap,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { inner, tap } = self.clone();
        HttpConnectorFuture::new(async move {
            let operation = request
                .headers()
                .get("x-amz-target")
                .and_then(|target| target.rsplit('.').next())
                .unwrap_or_default()
                .to_owned();
            let content = request.body().bytes().unwrap_or_default();
            let content: Value = serde_json::from_slice(content).unwrap_or_default();
            match tap.arrives(&operation, content.clone()) {
                None => inner.call(request).await,
                Some(Mishap::DropReply) => {
                    // Whatever it was, the caller never learns it.
                    drop(inner.call(request).await);
                    let lost = io::Error::new(io::ErrorKind::ConnectionReset, "the answer was lost");
                    Err(ConnectorError::io(lost.into()))
                }
                Some(Mishap::Twice) => {
                    if let Some(duplicate) = request.try_clone() {
                        drop(inner.call(duplicate).await);
                    }
                    inner.call(request).await
                }
                Some(Mishap::Throttle) => throttled(),
                Some(Mishap::RefuseEntry(place)) if operation == "PutEvents" => {
                    let refused =
                        json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "The entry was not taken." });
                    let mut shown = without_entry(&inner, request, content, place).await?.0;
                    if let Some(entries) = shown["Entries"].as_array_mut() {
                        entries.insert(place, refused);
                    }
                    shown["FailedEntryCount"] = json!(1);
                    answer(200, &shown)
                }
                Some(Mishap::RefuseEntry(place)) => {
                    let refused = |entry: &Value| {
                        json!([{
                            "Id": entry["Id"],
                            "Code": "InternalFailure",
                            "Message": "The entry was not taken.",
                            "SenderFault": false,
                        }])
                    };
                    let (mut shown, entry) = without_entry(&inner, request, content, place).await?;
                    shown["Failed"] = refused(&entry);
                    answer(200, &shown)
                }
                Some(Mishap::LeaveOutEntry(place)) => {
                    let (shown, _) = without_entry(&inner, request, content, place).await?;
                    answer(200, &shown)
                }
            }
        })
    }
}

fn throttled() -> Result<HttpResponse, ConnectorError> {
    answer(
        400,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "message": "The level of configured provisioned throughput for the table was exceeded.",
        }),
    )
}

/// Carries out the batch without the entry at `place`: what is answered, and the entry.
async fn without_entry(
    inner: &SharedHttpConnector,
    mut request: HttpRequest,
    mut content: Value,
    place: usize,
) -> Result<(Value, Value), ConnectorError> {
    let entries = content["Entries"].as_array_mut();
    let entry = entries.map_or(Value::Null, |entries| entries.remove(place));
    let body = content.to_string();
    request
        .headers_mut()
        .insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
    let answered = inner.call(request).await?;
    let shown = serde_json::from_slice(answered.body().bytes().unwrap_or_default());
    Ok((shown.unwrap_or_default(), entry))
}

fn answer(status: u16, body: &Value) -> Result<HttpResponse, ConnectorError> {
    let status = status
        .try_into()
        .map_err(|_| ConnectorError::other("no status".into(), None))?;
    Ok(HttpResponse::new(status, SdkBody::from(body.to_string())))
}
