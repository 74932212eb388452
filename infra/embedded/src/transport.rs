//! The HTTP client of the AWS SDK without a socket: the same bytes, answered in this process, with a
//! count of each call and with faults where a test wants them.

mod faults;
mod signature;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;

use crate::wire::{Service, Wire, refuse};
pub use faults::{Call, Failure, Fault, Faults};
pub use signature::UncheckedSignature;

/// Hands the SDK's requests to a [`Wire`]. Clones share the counts and the faults.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    wire: Wire,
    faults: Arc<dyn Faults>,
    calls: AtomicU64,
    counts: Mutex<BTreeMap<CallKind, u64>>,
}

/// What calls are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKind {
    /// The name that the client was made for.
    pub caller: Arc<str>,
    /// The service that was called.
    pub service: Service,
    /// The operation that was called.
    pub operation: String,
}

/// Calls by caller, service and operation. An attempt that the SDK repeats is another call, and one that
/// a fault stopped on its way is a call too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(BTreeMap<CallKind, u64>);

impl Calls {
    /// All calls.
    pub fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// All calls of one caller.
    pub fn by(&self, caller: &str) -> u64 {
        self.entries()
            .filter(|(kind, _)| &*kind.caller == caller)
            .map(|(_, count)| count)
            .sum()
    }

    /// All calls of one operation, such as `PutItem`.
    pub fn of(&self, operation: &str) -> u64 {
        self.entries()
            .filter(|(kind, _)| kind.operation == operation)
            .map(|(_, count)| count)
            .sum()
    }

    /// Each kind of call with its count.
    pub fn entries(&self) -> impl Iterator<Item = (&CallKind, u64)> {
        self.0.iter().map(|(kind, count)| (kind, *count))
    }
}

impl Transport {
    /// A transport on which nothing goes wrong.
    pub fn new(wire: Wire) -> Self {
        Self::with_faults(wire, Arc::new(NoFaults))
    }

    /// A transport on which `faults` decides about each call.
    pub fn with_faults(wire: Wire, faults: Arc<dyn Faults>) -> Self {
        let shared = Shared {
            wire,
            faults,
            calls: AtomicU64::new(0),
            counts: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The HTTP client for the SDK clients of one caller, for instance of one function: pass it to
    /// `http_client` of the SDK's configuration. `caller` is what its calls are counted under and what
    /// faults know it by.
    pub fn client_for(&self, caller: impl Into<Arc<str>>) -> SharedHttpClient {
        SharedHttpClient::new(Client {
            shared: self.shared.clone(),
            caller: caller.into(),
        })
    }

    /// The calls so far.
    pub fn calls(&self) -> Calls {
        Calls(
            self.shared
                .counts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }

    /// The wire it hands its requests to.
    pub fn wire(&self) -> &Wire {
        &self.shared.wire
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

struct NoFaults;

#[async_trait]
impl Faults for NoFaults {
    async fn before(&self, _call: &Call) -> Fault {
        Fault::None
    }
}

#[derive(Clone)]
struct Client {
    shared: Arc<Shared>,
    caller: Arc<str>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let read_timeout = settings.read_timeout();
        SharedHttpConnector::new(Connector {
            client: self.clone(),
            read_timeout,
        })
    }
}

#[derive(Clone, Debug)]
struct Connector {
    client: Client,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { client, read_timeout } = self.clone();
        HttpConnectorFuture::new(async move {
            let answer = client.send(request);
            match read_timeout {
                None => answer.await,
                Some(limit) => tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
                    Err(ConnectorError::timeout(
                        format!("no answer within {limit:?}").into(),
                    ))
                }),
            }
        })
    }
}

impl Client {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = in_full(request).await?;
        let Some((service, operation)) = Service::target(&request) else {
            // For no service here; the wire says so.
            return for_the_sdk(self.shared.wire.handle(request).await);
        };
        let number = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let call = Call::new(
            self.caller.clone(),
            service,
            &operation,
            number,
            request.body().clone(),
        );
        self.shared.count(&call);
        let fault = self.shared.faults.before(&call).await;
        self.shared.answer(&call, request, fault).await
    }
}

impl Shared {
    fn count(&self, call: &Call) {
        let kind = CallKind {
            caller: call.caller.clone(),
            service: call.service,
            operation: call.operation.clone(),
        };
        *self
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(kind)
            .or_default() += 1;
    }

    async fn answer(
        &self,
        call: &Call,
        request: Request<Bytes>,
        fault: Fault,
    ) -> Result<HttpResponse, ConnectorError> {
        match fault {
            Fault::None => for_the_sdk(self.wire.handle(request).await),
            Fault::FailBefore(failure) => {
                for_the_sdk(refuse(failure.status, &failure.error_type, &failure.message))
            }
            Fault::DropRequest => Err(connection_lost("before the request arrived")),
            Fault::DropReply => {
                // The answer is lost on purpose: the caller can't know that it happened.
                drop(self.wire.handle(request).await);
                Err(connection_lost("before the answer arrived"))
            }
            Fault::Twice => {
                // The first answer goes where the network's duplicate would have gone.
                drop(self.wire.handle(request.clone()).await);
                for_the_sdk(self.wire.handle(request).await)
            }
            Fault::Delay(delay) => {
                tokio::time::sleep(delay).await;
                for_the_sdk(self.wire.handle(request).await)
            }
            Fault::StaleRead(writes) => {
                let answer = self.wire.handle(request).await;
                for_the_sdk(faults::stale(call, answer, writes))
            }
            Fault::EmptyPage => match faults::empty_page(call) {
                Some(page) => for_the_sdk(Response::new(Bytes::from(page.to_string()))),
                None => for_the_sdk(self.wire.handle(request).await),
            },
            Fault::Never => std::future::pending().await,
            Fault::CrashBefore => killed(),
            Fault::CrashAfter => {
                // Nobody is left to read the answer.
                drop(self.wire.handle(request).await);
                killed()
            }
        }
    }
}

/// Ends the caller's task without a word, as a killed process would end: no handler of panics hears of it.
fn killed() -> ! {
    std::panic::resume_unwind(Box::new("it was killed"))
}

/// The request with its whole body. The body is read as a socket would read it, though the SDK has it in
/// memory: one that nobody reads counts as a stalled upload after some seconds without an answer.
async fn in_full(request: HttpRequest) -> Result<Request<Bytes>, ConnectorError> {
    let (parts, body) = request
        .try_into_http1x()
        .map_err(|e| ConnectorError::user(e.into()))?
        .into_parts();
    let body = body.collect().await.map_err(ConnectorError::user)?;
    Ok(Request::from_parts(parts, body.to_bytes()))
}

fn for_the_sdk(response: Response<Bytes>) -> Result<HttpResponse, ConnectorError> {
    HttpResponse::try_from(response.map(SdkBody::from)).map_err(|e| ConnectorError::other(e.into(), None))
}

fn connection_lost(when: &str) -> ConnectorError {
    let message = format!("the connection was lost {when}");
    ConnectorError::io(io::Error::new(io::ErrorKind::ConnectionReset, message).into())
}
