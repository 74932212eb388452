//! Proxies between a person's machine and AWS, as the usual environment variables name them.
//!
//! For programs that people run. Functions take no proxy: theirs is the network that they are placed in.

use std::fmt;
use std::net::IpAddr;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use http::Uri;

use crate::client::environment::{EnvironmentError, process_variable, unexpected};

const EXPECTED: &str =
    "it takes the URL of an HTTP proxy, such as http://proxy.example.com:3128; unset it for none";

/// The variables for `https://`, the first that is set counts. Everything is for both kinds of URL.
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy, and the variable that names it.
#[derive(Clone)]
struct Named {
    variable: &'static str,
    config: ProxyConfig,
    speaks_tls: bool,
}

/// Through which proxies requests go. Those to this machine itself go through none.
#[derive(Clone, Default)]
pub struct Proxies {
    https: Option<Named>,
    http: Option<Named>,
}

/// Tells which variables count, and nothing of the URLs, which may hold a password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = |proxy: &Option<Named>| proxy.as_ref().map(|proxy| proxy.variable);
        f.debug_struct("Proxies")
            .field("https", &variable(&self.https))
            .field("http", &variable(&self.http))
            .finish()
    }
}

impl Proxies {
    /// What this process's environment says: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, and `NO_PROXY` with
    /// hosts, domains, addresses or networks that are reached without one; in lower case, too.
    pub fn from_process() -> Result<Self, EnvironmentError> {
        Self::read(process_variable)
    }

    /// The same from wherever `variable` looks. An empty variable counts as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let first = |names: &[&'static str]| {
            let set = |name: &&'static str| Some((*name, variable(name).filter(|value| !value.is_empty())?));
            names.iter().find_map(set)
        };
        let without = first(&NONE).map(|(_, hosts)| hosts);
        let named = |names: &[&'static str], build: fn(Uri) -> Result<ProxyConfig, String>| {
            let Some((variable, value)) = first(names) else {
                return Ok(None);
            };
            let wrong = |problem: String| EnvironmentError {
                name: variable,
                problem,
                expected: EXPECTED,
            };
            let url = proxy_url(&value).map_err(wrong)?;
            let speaks_tls = url.scheme_str() == Some("https");
            let config = build(url).map_err(wrong)?;
            let config = without.iter().fold(config, ProxyConfig::no_proxy);
            Ok(Some(Named {
                variable,
                config,
                speaks_tls,
            }))
        };
        Ok(Self {
            https: named(&HTTPS, |url| ProxyConfig::https(url).map_err(not_taken))?,
            http: named(&HTTP, |url| ProxyConfig::http(url).map_err(not_taken))?,
        })
    }

    /// The variable that names the proxy for such URLs. Hosts in `NO_PROXY` are reached without it.
    pub fn variable_for(&self, url: &str) -> Option<&'static str> {
        self.of(url).map(|proxy| proxy.variable)
    }

    fn of(&self, url: &str) -> Option<&Named> {
        let url: Uri = url.parse().ok()?;
        if url.host().is_none_or(is_this_machine) {
            return None;
        }
        match url.scheme_str() {
            Some("https") => self.https.as_ref(),
            _ => self.http.as_ref(),
        }
    }

    pub(crate) fn speak_tls(&self) -> bool {
        let all = [&self.https, &self.http];
        all.into_iter().flatten().any(|proxy| proxy.speaks_tls)
    }

    /// A connector through these proxies; `connector` makes one through a proxy, or through none.
    pub(crate) fn connector(
        &self,
        connector: impl Fn(ProxyConfig) -> SharedHttpConnector,
    ) -> SharedHttpConnector {
        let through = |proxy: &Option<Named>| proxy.as_ref().map(|proxy| connector(proxy.config.clone()));
        let (https, http) = (through(&self.https), through(&self.http));
        let direct = connector(ProxyConfig::disabled());
        if https.is_none() && http.is_none() {
            return direct;
        }
        SharedHttpConnector::new(ThroughProxies {
            proxies: self.clone(),
            https: https.unwrap_or_else(|| direct.clone()),
            http: http.unwrap_or_else(|| direct.clone()),
            direct,
        })
    }
}

// Takes the error as `map_err` hands it on. Its text may hold the URL.
#[allow(clippy::needless_pass_by_value)]
fn not_taken(_: aws_smithy_http_client::proxy::ProxyError) -> String {
    "is no proxy's URL".to_owned()
}

/// The URL of a proxy; without a scheme it is `http://`, as for other programs. What is wrong is told
/// without any of the URL: it may hold a password.
fn proxy_url(value: &str) -> Result<Uri, String> {
    if let Some(problem) = unexpected(value, |c| c.is_ascii_graphic()) {
        return Err(problem);
    }
    let whole = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    let url: Uri = whole.parse().map_err(|_| "is no URL".to_owned())?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(url),
        (Some("http" | "https"), _) => Err("names no host".to_owned()),
        _ => Err("names a proxy of another kind".to_owned()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Sends each request the way that its URL has to go.
#[derive(Debug)]
struct ThroughProxies {
    proxies: Proxies,
    direct: SharedHttpConnector,
    https: SharedHttpConnector,
    http: SharedHttpConnector,
}

impl HttpConnector for ThroughProxies {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri();
        match self.proxies.of(url) {
            None => self.direct.call(request),
            Some(_) if url.starts_with("https:") => self.https.call(request),
            Some(_) => self.http.call(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Proxies, EnvironmentError> {
        Proxies::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_kind_of_url_has_its_variables() {
        let proxies = read(&[
            ("HTTPS_PROXY", "http://a:1"),
            ("all_proxy", "b:2"),
            ("http_proxy", ""),
        ]);
        let proxies = proxies.expect("they are URLs");
        let variable = |url| proxies.variable_for(url);
        assert_eq!(
            variable("https://sqs.eu-central-1.amazonaws.com/"),
            Some("HTTPS_PROXY")
        );
        assert_eq!(variable("http://stack.example:4566"), Some("all_proxy"));
        for own in [
            "http://127.0.0.1:4566",
            "http://127.8.9.1/",
            "http://localhost:1",
            "https://stack.localhost",
            "http://[::1]:4566",
        ] {
            assert_eq!(variable(own), None, "{own}");
        }
        let none = read(&[("NO_PROXY", "*")]).expect("nothing is wrong");
        assert_eq!(none.variable_for("https://sqs.eu-central-1.amazonaws.com/"), None);
    }

    #[test]
    fn what_is_no_proxy_is_told_by_its_variable_and_without_its_value() {
        for (value, problem) in [
            (
                "socks5://secret:secret@proxy:1080",
                "names a proxy of another kind",
            ),
            ("http://", "is no URL"),
            ("http://secret host", "holds a space"),
            ("proxy\r", "carriage return"),
        ] {
            let error = read(&[("https_proxy", value)]).expect_err(value);
            assert_eq!(error.name, "https_proxy");
            assert!(error.problem.contains(problem), "{value:?}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let shown = format!("{:?}", read(&[("HTTP_PROXY", "http://u:secret@proxy")]));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
