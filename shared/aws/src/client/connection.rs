//! Clients for `DynamoDB`, SQS, `EventBridge` and its Scheduler, as the SDK's standard environment variables say.
//!
//! Lambda hands a function its region and credentials in the environment, so the SDK's chain of
//! providers (files, instance metadata, single sign-on) would only cost start-up time. One HTTP
//! client with one TLS stack serves all, and its first connections to tables and queues are opened while the function
//! initialises: that time has the full processor, whatever the function's memory size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, TlsContext};
use aws_smithy_runtime_api::client::auth::SharedAuthScheme;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::client::environment::Environment;
use crate::client::proxy::Proxies;
use crate::client::roots::Roots;

/// What a caller may put in place of the real thing.
#[derive(Clone, Debug)]
pub struct ClientParts {
    /// Carries the requests.
    pub http_client: SharedHttpClient,
    /// Waits between retries.
    pub sleep: SharedAsyncSleep,
    /// Signs the requests; AWS's signature if none is given.
    pub auth_scheme: Option<SharedAuthScheme>,
}

/// Clients that share one HTTP client.
#[derive(Clone, Debug)]
pub struct Connection {
    /// For the event table and the outbox.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// For queues.
    pub sqs: aws_sdk_sqs::Client,
    others: Others,
    warm: Option<(SharedHttpConnector, [String; 2])>,
}

/// What clients are made of that few functions need: making one takes a tenth of a function's start.
#[derive(Clone, Debug)]
struct Others {
    config: SdkConfig,
    auth_scheme: Option<SharedAuthScheme>,
    streams_endpoint: Option<String>,
    scheduler_endpoint: Option<String>,
    eventbridge_endpoint: Option<String>,
}

/// A single attempt of a call: `DynamoDB` and SQS answer in milliseconds, so one that takes this long
/// is lost. Shorter than any function's timeout, so that there is time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The same for those who move events between streams, queues and the outbox against a deadline: a call that
/// is lost has to be found out while there is time to save what it was about.
pub(crate) const DELIVERY_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// A call of theirs with its retries: two attempts without an answer, or three that are refused.
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(7);

/// The configuration of a client, whose requests are signed by a scheme if there is one. Each client has a type of its own.
macro_rules! signed {
    ($builder:expr, $scheme:expr) => {
        match &$scheme {
            Some(scheme) => $builder.push_auth_scheme(scheme.clone()),
            None => $builder,
        }
    };
}

impl Connection {
    /// Clients over HTTPS (or HTTP, where an endpoint says so) to what the environment names.
    pub fn open(environment: &Environment) -> Self {
        Self::trusting(Roots::of(environment), environment, &Proxies::default())
    }

    /// The same through proxies, for the programs that people run: they trust whom their system trusts, which may be
    /// a proxy that looks into TLS.
    pub fn open_through(environment: &Environment, proxies: &Proxies) -> Self {
        let roots = match Roots::of(environment) {
            Roots::None if !proxies.speak_tls() => Roots::None,
            _ => Roots::Systems,
        };
        Self::trusting(roots, environment, proxies)
    }

    fn trusting(roots: Roots, environment: &Environment, proxies: &Proxies) -> Self {
        let endpoint = |given: &Option<String>, service: &str| {
            let domain = if environment.region.starts_with("cn-") {
                "amazonaws.com.cn"
            } else {
                "amazonaws.com"
            };
            given
                .clone()
                .unwrap_or_else(|| format!("https://{service}.{}.{domain}/", environment.region))
        };
        let endpoints = [
            endpoint(&environment.dynamodb_endpoint, "dynamodb"),
            endpoint(&environment.sqs_endpoint, "sqs"),
        ];
        let connector = connector_through(roots, proxies);
        let parts = ClientParts {
            http_client: http_client(connector.clone()),
            sleep: SharedAsyncSleep::new(TokioSleep::new()),
            auth_scheme: None,
        };
        Self {
            warm: Some((connector, endpoints)),
            ..Self::with_parts(environment, parts)
        }
    }

    /// Clients whose requests `parts` carries.
    pub fn with_parts(environment: &Environment, parts: ClientParts) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(3)
            .with_initial_backoff(Duration::from_millis(50))
            .with_max_backoff(Duration::from_secs(1));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(environment.region.clone()))
            .credentials_provider(environment.credentials.clone())
            .http_client(parts.http_client)
            .sleep_impl(parts.sleep)
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, ATTEMPT_TIMEOUT * 3))
            .retry_config(retries)
            // It watches downloads of unknown length; answers here are small and bounded by timeouts.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let auth_scheme = parts.auth_scheme;
        let mut dynamodb = signed!(aws_sdk_dynamodb::config::Builder::from(&config), auth_scheme);
        dynamodb.set_endpoint_url(environment.dynamodb_endpoint.clone());
        dynamodb.set_retry_partition(Some(partition("dynamodb")));
        let mut sqs = signed!(aws_sdk_sqs::config::Builder::from(&config), auth_scheme);
        sqs.set_endpoint_url(environment.sqs_endpoint.clone());
        sqs.set_retry_partition(Some(partition("sqs")));
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            others: Others {
                config,
                auth_scheme,
                streams_endpoint: environment.dynamodb_streams_endpoint.clone(),
                scheduler_endpoint: environment.scheduler_endpoint.clone(),
                eventbridge_endpoint: environment.eventbridge_endpoint.clone(),
            },
            warm: None,
        }
    }

    /// Makes a client for the event table's stream.
    pub fn streams(&self) -> aws_sdk_dynamodbstreams::Client {
        let builder = aws_sdk_dynamodbstreams::config::Builder::from(&self.others.config);
        let mut streams = signed!(builder, self.others.auth_scheme);
        streams.set_endpoint_url(self.others.streams_endpoint.clone());
        streams.set_retry_partition(Some(partition("dynamodbstreams")));
        aws_sdk_dynamodbstreams::Client::from_conf(streams.build())
    }

    /// Makes a client for what is due later than a queue can hold it back.
    pub fn scheduler(&self) -> aws_sdk_scheduler::Client {
        let builder = aws_sdk_scheduler::config::Builder::from(&self.others.config);
        let mut scheduler = signed!(builder, self.others.auth_scheme);
        scheduler.set_endpoint_url(self.others.scheduler_endpoint.clone());
        scheduler.set_retry_partition(Some(partition("scheduler")));
        aws_sdk_scheduler::Client::from_conf(scheduler.build())
    }

    /// Makes a client for the bus on which others subscribe.
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        let builder = aws_sdk_eventbridge::config::Builder::from(&self.others.config);
        let mut eventbridge = signed!(builder, self.others.auth_scheme);
        eventbridge.set_endpoint_url(self.others.eventbridge_endpoint.clone());
        eventbridge.set_retry_partition(Some(partition("eventbridge")));
        aws_sdk_eventbridge::Client::from_conf(eventbridge.build())
    }

    /// Opens a connection to tables and queues, so that the first message does not wait for it. What
    /// comes back does not matter and costs nothing (an unsigned request), nor does a failure: the
    /// first real call would meet and report the same.
    pub async fn warm_up(&self) {
        let Some((connector, endpoints)) = &self.warm else {
            return;
        };
        let touch = |endpoint: &String| {
            let connector = connector.clone();
            let request = HttpRequest::get(endpoint.as_str()).ok();
            async move {
                if let Some(request) = request
                    && let Err(error) = connector.call(request).await
                {
                    tracing::debug!(%error, "a connection could not be opened ahead of time");
                }
            }
        };
        let both = futures::future::join_all(endpoints.iter().map(touch));
        if tokio::time::timeout(CONNECT_TIMEOUT, both).await.is_err() {
            tracing::debug!("connections could not be opened ahead of time within {CONNECT_TIMEOUT:?}");
        }
    }
}

/// The HTTP client of the programs that people run, for what is not asked through a [`Connection`], such as single
/// sign-on.
pub fn http_client_through(proxies: &Proxies) -> SharedHttpClient {
    http_client(http_connector_through(proxies))
}

/// The same for requests that no client of the SDK makes.
pub fn http_connector_through(proxies: &Proxies) -> SharedHttpConnector {
    connector_through(Roots::Systems, proxies)
}

fn http_client(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
}

fn connector_through(roots: Roots, proxies: &Proxies) -> SharedHttpConnector {
    proxies.connector(|proxy| SharedHttpConnector::new(connector(roots, proxy)))
}

/// The timeouts of a call: of a single attempt, and of all of them with the waits between.
pub(crate) fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

/// A budget of retries for one client. Without a name of their own, all functions that one process hosts would share
/// one, and a function that fails would use up what others need.
fn partition(service: &str) -> RetryPartition {
    static CLIENTS: AtomicUsize = AtomicUsize::new(0);
    RetryPartition::new(format!("{service}-{}", CLIENTS.fetch_add(1, Ordering::Relaxed)))
}

/// The connector to all endpoints.
fn connector(roots: Roots, proxy: ProxyConfig) -> Connector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ATTEMPT_TIMEOUT)
        .build();
    let context = TlsContext::builder().with_trust_store(roots.store()).build();
    Connector::builder()
        .connector_settings(settings)
        .proxy_config(proxy)
        .sleep_impl(TokioSleep::new())
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        // Only a certificate that is given as text can be wrong, and a test sees to those.
        .tls_context(context.expect("certificates that a test has built a context of"))
        .build()
}
