//! The SDK's standard environment variables, each checked before it reaches a header or a URL.
//!
//! The SDK takes values as they are and panics on the first request that it can't build from them. A file
//! with Windows line ends, sourced by a shell, is enough: each of its values ends in a carriage return.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use http::Uri;

/// What the standard environment variables say.
#[derive(Clone)]
pub struct Environment {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: String,
    /// `AWS_ENDPOINT_URL_DYNAMODB`, else `AWS_ENDPOINT_URL`; AWS's own if neither is there.
    pub dynamodb_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_DYNAMODB_STREAMS`, else `AWS_ENDPOINT_URL`; AWS's own if neither is there.
    pub dynamodb_streams_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_SQS`, else `AWS_ENDPOINT_URL`; AWS's own if neither is there.
    pub sqs_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_SCHEDULER`, else `AWS_ENDPOINT_URL`; AWS's own if neither is there.
    pub scheduler_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE`, else `AWS_ENDPOINT_URL`; AWS's own if neither is there.
    pub eventbridge_endpoint: Option<String>,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; or what else gives them, which for people
    /// may be their profile.
    pub credentials: SharedCredentialsProvider,
    /// Whether `SSL_CERT_FILE` or `SSL_CERT_DIR` says whose certificates are trusted.
    pub own_certificates: bool,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("region", &self.region)
            .field("dynamodb_endpoint", &self.dynamodb_endpoint)
            .field("dynamodb_streams_endpoint", &self.dynamodb_streams_endpoint)
            .field("sqs_endpoint", &self.sqs_endpoint)
            .field("scheduler_endpoint", &self.scheduler_endpoint)
            .field("eventbridge_endpoint", &self.eventbridge_endpoint)
            .finish_non_exhaustive()
    }
}

/// A variable that is missing, or whose value can't be used. The text never holds the value, which may be
/// a secret.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("environment variable {name} {problem}; {expected}")]
pub struct EnvironmentError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub expected: &'static str,
}

const REGION: &str = "it names the region in letters, digits and dashes, such as eu-central-1";
const ACCESS_KEY: &str = "an access key's id is printable ASCII without spaces, slashes, commas and equals \
                          signs; an emulator takes any, such as test";
const SECRET: &str = "a secret key is printable ASCII without spaces; an emulator takes any, such as test";
const TOKEN: &str =
    "a session token is printable ASCII without spaces; unset it for credentials that have none";
const ENDPOINT: &str = "it takes a URL such as http://127.0.0.1:4566; unset it for AWS's own endpoint";

impl Environment {
    /// Reads them from the process's environment.
    pub fn from_process() -> Result<Self, EnvironmentError> {
        Self::read(process_variable)
    }

    /// The endpoints that were chosen, none for AWS's own.
    pub(crate) fn endpoints(&self) -> [Option<&str>; 5] {
        let endpoints = [
            &self.dynamodb_endpoint,
            &self.dynamodb_streams_endpoint,
            &self.sqs_endpoint,
            &self.scheduler_endpoint,
            &self.eventbridge_endpoint,
        ];
        endpoints.map(Option::as_deref)
    }

    /// Reads them from wherever `variable` looks. An empty variable counts as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let variables = Variables(variable);
        let in_region = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let in_access_key = |c: char| c.is_ascii_graphic() && !"/,=".contains(c);
        let in_secret = |c: char| c.is_ascii_graphic();
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        Ok(Self {
            region: variables.required(&region, REGION, in_region)?,
            dynamodb_endpoint: variables.endpoint("AWS_ENDPOINT_URL_DYNAMODB")?,
            dynamodb_streams_endpoint: variables.endpoint("AWS_ENDPOINT_URL_DYNAMODB_STREAMS")?,
            sqs_endpoint: variables.endpoint("AWS_ENDPOINT_URL_SQS")?,
            scheduler_endpoint: variables.endpoint("AWS_ENDPOINT_URL_SCHEDULER")?,
            eventbridge_endpoint: variables.endpoint("AWS_ENDPOINT_URL_EVENTBRIDGE")?,
            credentials: SharedCredentialsProvider::new(Credentials::new(
                variables.required(&["AWS_ACCESS_KEY_ID"], ACCESS_KEY, in_access_key)?,
                variables.required(&["AWS_SECRET_ACCESS_KEY"], SECRET, in_secret)?,
                variables.optional(&["AWS_SESSION_TOKEN"], TOKEN, in_secret)?,
                None,
                "environment",
            )),
            own_certificates: variables.first(&["SSL_CERT_FILE", "SSL_CERT_DIR"]).is_some(),
        })
    }
}

/// Where variables are looked up.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// The first of these that is set.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        let set = |name: &&'static str| Some((*name, (self.0)(name).filter(|value| !value.is_empty())?));
        names.iter().find_map(set)
    }

    fn optional(
        &self,
        names: &[&'static str],
        expected: &'static str,
        allowed: impl Fn(char) -> bool,
    ) -> Result<Option<String>, EnvironmentError> {
        let Some((name, value)) = self.first(names) else {
            return Ok(None);
        };
        match unexpected(&value, allowed) {
            None => Ok(Some(value)),
            Some(problem) => Err(EnvironmentError {
                name,
                problem,
                expected,
            }),
        }
    }

    fn required(
        &self,
        names: &[&'static str],
        expected: &'static str,
        allowed: impl Fn(char) -> bool,
    ) -> Result<String, EnvironmentError> {
        let missing = || EnvironmentError {
            name: names[0],
            problem: "is not set".to_owned(),
            expected,
        };
        self.optional(names, expected, allowed)?.ok_or_else(missing)
    }

    fn endpoint(&self, own: &'static str) -> Result<Option<String>, EnvironmentError> {
        let Some((name, value)) = self.first(&[own, "AWS_ENDPOINT_URL"]) else {
            return Ok(None);
        };
        match url_problem(&value) {
            None => Ok(Some(value)),
            Some(problem) => Err(EnvironmentError {
                name,
                problem,
                expected: ENDPOINT,
            }),
        }
    }
}

/// A variable of this process's environment. Bytes that are not UTF-8 are read as U+FFFD, which no check
/// lets pass, so that such a value is told from a missing one.
pub fn process_variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// What is wrong with the URL of an endpoint, if anything is. The text holds nothing of the URL: it may
/// carry a password.
pub fn url_problem(url: &str) -> Option<String> {
    if let Some(problem) = unexpected(url, |c| c.is_ascii_graphic()) {
        return Some(problem);
    }
    let problem = match url.parse::<Uri>() {
        Err(error) => return Some(format!("is no URL ({error})")),
        Ok(uri) => match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority)) => {
                let port = authority.as_str().rsplit_once(':').map(|(_, port)| port);
                // An IPv6 address has colons of its own, within brackets.
                let port = port.filter(|port| !port.contains(']'));
                if authority.as_str().contains('@') {
                    "holds a user name"
                } else if authority.host().is_empty() {
                    "names no host"
                } else if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
                    "names a port that is not a number from 1 to 65535"
                } else if url.contains(['?', '#']) {
                    "holds a query or a fragment"
                } else {
                    return None;
                }
            }
            _ => "does not begin with http:// or https://",
        },
    };
    Some(problem.to_owned())
}

/// Which character of a value is not allowed, in words, and where it stands. Nothing else of the value is
/// told.
pub(crate) fn unexpected(value: &str, allowed: impl Fn(char) -> bool) -> Option<String> {
    let characters: Vec<char> = value.chars().collect();
    let at = characters.iter().position(|&c| !allowed(c))?;
    let what = match characters[at] {
        '\r' => "a control character (carriage return)".to_owned(),
        '\n' => "a control character (line feed)".to_owned(),
        '\t' => "a control character (tab)".to_owned(),
        ' ' => "a space".to_owned(),
        char::REPLACEMENT_CHARACTER => "bytes that are not UTF-8".to_owned(),
        c if c.is_control() => format!("a control character (U+{:04X})", u32::from(c)),
        c if c.is_ascii() => format!("the character {c}"),
        c => format!("a character that is not ASCII (U+{:04X})", u32::from(c)),
    };
    let at_end = characters[at..].iter().all(|&c| !allowed(c));
    let place = match at {
        _ if at_end => "at its end".to_owned(),
        0 => "at its beginning".to_owned(),
        at => format!("in place {}", at + 1),
    };
    Some(format!("holds {what} {place}"))
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::ProvideCredentials;

    use super::*;

    fn read(name: &str, value: &str) -> Result<Environment, EnvironmentError> {
        Environment::read(|asked| match asked {
            _ if asked == name => Some(value.to_owned()),
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
            _ => None,
        })
    }

    const VARIABLES: [&str; 10] = [
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_SCHEDULER",
        "AWS_ENDPOINT_URL_EVENTBRIDGE",
    ];

    #[test]
    fn a_value_that_no_header_can_carry_is_refused_by_name_and_never_shown() {
        let values = [
            (
                "hunter2\r",
                "holds a control character (carriage return) at its end",
            ),
            (
                "\nhunter2",
                "holds a control character (line feed) at its beginning",
            ),
            ("hunter\t2", "holds a control character (tab) in place 7"),
            ("hunter2\u{0}", "holds a control character (U+0000) at its end"),
            ("hunter2 ", "holds a space at its end"),
            (
                "hünter2",
                "holds a character that is not ASCII (U+00FC) in place 2",
            ),
            ("hunter\u{fffd}", "holds bytes that are not UTF-8 at its end"),
        ];
        for name in VARIABLES {
            for (value, problem) in values {
                let error = read(name, value).expect_err(name);
                assert_eq!((error.name, error.problem.as_str()), (name, problem));
                assert!(!error.to_string().contains("unter"), "{error}");
            }
        }
    }

    #[test]
    fn values_that_would_change_what_a_request_says_are_refused() {
        for (name, value, problem) in [
            ("AWS_REGION", "eu.example/", "holds the character . in place 3"),
            ("AWS_REGION", "eu-1/", "holds the character / at its end"),
            ("AWS_ACCESS_KEY_ID", "a/b", "holds the character / in place 2"),
            (
                "AWS_ENDPOINT_URL",
                "127.0.0.1:4566",
                "does not begin with http:// or https://",
            ),
            (
                "AWS_ENDPOINT_URL",
                "localhost",
                "does not begin with http:// or https://",
            ),
            (
                "AWS_ENDPOINT_URL",
                "ftp://a",
                "does not begin with http:// or https://",
            ),
            ("AWS_ENDPOINT_URL", "http://a:b@c", "holds a user name"),
            ("AWS_ENDPOINT_URL", "http://a?b", "holds a query or a fragment"),
            (
                "AWS_ENDPOINT_URL",
                "http://a:0",
                "names a port that is not a number from 1 to 65535",
            ),
        ] {
            let error = read(name, value).expect_err(value);
            assert_eq!((error.name, error.problem.as_str()), (name, problem));
        }
        for nonsense in [
            "http://",
            "http://a:99999",
            "http://[::1",
            "http:///path",
            "http://a:b",
        ] {
            assert_eq!(
                read("AWS_ENDPOINT_URL_SQS", nonsense).expect_err(nonsense).name,
                "AWS_ENDPOINT_URL_SQS"
            );
        }
    }

    #[tokio::test]
    async fn usual_values_are_taken() {
        for endpoint in [
            "http://127.0.0.1:4566",
            "https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com/",
            "http://[::1]:4566/base",
            "http://host.docker.internal:4566",
        ] {
            let environment = read("AWS_ENDPOINT_URL", endpoint).expect(endpoint);
            assert_eq!(environment.sqs_endpoint.as_deref(), Some(endpoint));
        }
        let token = "IQoJb3JpZ2luX2VjE+/abc==";
        let environment = read("AWS_SESSION_TOKEN", token).expect("a token");
        let credentials = environment.credentials.provide_credentials().await;
        assert_eq!(credentials.expect("they are given").session_token(), Some(token));
        assert!(
            read(
                "AWS_SECRET_ACCESS_KEY",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
            )
            .is_ok()
        );
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = Environment::read(|_| None).expect_err("nothing is set");
        assert_eq!(
            error.to_string(),
            format!("environment variable AWS_REGION is not set; {REGION}")
        );
        let error = read("AWS_SECRET_ACCESS_KEY", "").expect_err("an empty one counts as not set");
        assert_eq!(
            (error.name, error.problem.as_str()),
            ("AWS_SECRET_ACCESS_KEY", "is not set")
        );
    }
}
