//! What is asked for, and what is wrong with it.

use std::time::Duration;

use axum::body::Body;
use eventsourcing::Timestamp;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ops::console::Mishap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

/// Where the calls are.
pub(super) const ROOT: &str = "/_local";

/// All calls: path and methods.
pub(super) const CALLS: [(&str, &str); 5] = [
    ("ready", "GET"),
    ("clock", "GET, POST"),
    ("settle", "GET"),
    ("mishaps", "GET, POST"),
    ("start-over", "POST"),
];

/// The largest body: the calls' own are a hundred bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// Ten years: further than any deadline.
const MOST_SECONDS: u64 = 10 * 366 * 24 * 60 * 60;

/// How long is waited if nothing is said, and at most, in seconds.
const WAIT: u64 = 30;
const LONGEST_WAIT: u64 = 600;

/// What can be asked of the clock, and of functions.
const MOVES: &str = r#"{"forward_seconds": 900}, {"to": "2026-11-23T08:15:00Z"} or {"to": "next"}"#;
const MISHAPS: &str = r#"{"function": NAME, "mishap": "fails", "killed", "twice" or "none"}"#;

/// Why a call is not answered with what it asks for.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// The methods that there are, where another one was used.
    pub(super) allow: Option<&'static str>,
    /// An object whose `error` says why.
    pub(super) told: Value,
}

impl Refused {
    pub(super) fn of(status: StatusCode, why: String) -> Self {
        Self {
            status,
            allow: None,
            told: Value::from_iter([("error", why)]),
        }
    }

    /// The same, with these fields beside the reason.
    pub(super) fn with(mut self, more: Value) -> Self {
        if let (Value::Object(told), Value::Object(more)) = (&mut self.told, more) {
            told.extend(more);
        }
        self
    }

    fn input(why: String) -> Self {
        Self::of(StatusCode::BAD_REQUEST, why)
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// What can be asked for.
    All,
    Ready,
    Clock,
    MoveClock(Ahead),
    /// To be told when nothing is on its way, within that time.
    Settle(Duration),
    Mishaps,
    /// That something happens to the next invocation of a function, or nothing.
    SetMishap(String, Option<Mishap>),
    StartOver,
}

/// How far the clock is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    By(Duration),
    /// Past that time.
    To(Timestamp),
    /// Past the next time that something waits for.
    ToNext,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    forward_seconds: Option<Number>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMishap {
    function: String,
    mishap: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Call {
    /// Reads a request, or says what is wrong with it.
    pub(super) async fn read(request: Request<Body>) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let name = path
            .strip_prefix(ROOT)
            .unwrap_or_default()
            .trim_start_matches('/');
        let methods = match CALLS.iter().find(|(known, _)| *known == name) {
            Some((_, methods)) => *methods,
            None if name.is_empty() => "GET",
            None => return Err(nothing_at(path)),
        };
        let query = parts.uri.query().unwrap_or_default();
        if name != "settle" && !query.is_empty() {
            return Err(Refused::input(format!(
                "{path} takes no parameters: leave out ?{query}"
            )));
        }
        match (name, Method::clone(&parts.method)) {
            ("", Method::GET | Method::HEAD) => Ok(Self::All),
            ("ready", Method::GET | Method::HEAD) => Ok(Self::Ready),
            ("clock", Method::GET | Method::HEAD) => Ok(Self::Clock),
            ("settle", Method::GET | Method::HEAD) => within(query).map(Self::Settle),
            ("mishaps", Method::GET | Method::HEAD) => Ok(Self::Mishaps),
            ("clock", Method::POST) => ahead(body_of(&parts, body, MOVES).await?).map(Self::MoveClock),
            ("mishaps", Method::POST) => mishap(body_of(&parts, body, MISHAPS).await?),
            ("start-over", Method::POST) => {
                let Nothing {} = body_of(&parts, body, "{}").await?;
                Ok(Self::StartOver)
            }
            (_, method) => Err(Refused {
                allow: Some(methods),
                ..Refused::of(
                    StatusCode::METHOD_NOT_ALLOWED,
                    format!("{path} takes {methods}, and this is {method}"),
                )
            }),
        }
    }
}

fn nothing_at(path: &str) -> Refused {
    let all = CALLS
        .map(|(path, methods)| format!("{ROOT}/{path} ({methods})"))
        .join(", ");
    Refused::of(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {path}; expected one of {all}"),
    )
}

/// The body, which says that it is JSON: a page in a browser can't say so without being asked for leave first.
async fn body_of<T: DeserializeOwned>(
    parts: &Parts,
    body: Body,
    expected: &'static str,
) -> Result<T, Refused> {
    let content_type = parts
        .headers
        .get(CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("not text"));
    let media_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let is = content_type.map_or_else(|| "missing".to_owned(), |given| format!("{given:?}"));
        return Err(Refused::of(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("the Content-Type is {is}; expected application/json"),
        ));
    }
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Refused::of(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {LARGEST_BODY} bytes"),
            ));
        }
        Err(error) => return Err(Refused::input(format!("the body did not arrive: {error}"))),
    };
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    // Serde would take the fields of a list by their places.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refused::input(format!(
            "the body is no JSON object; expected {expected}"
        )));
    }
    serde_json::from_slice(body).map_err(|error| {
        Refused::input(format!(
            "the body is not as expected: {error}; expected {expected}"
        ))
    })
}

fn ahead(asked: Move) -> Result<Ahead, Refused> {
    match (asked.forward_seconds, asked.to.as_deref()) {
        (Some(seconds), None) => forward(&seconds),
        (None, Some("next")) => Ok(Ahead::ToNext),
        (None, Some(to)) => to.parse().map(Ahead::To).map_err(|_| {
            Refused::input(format!(
                "to is {to:?}; expected a time such as \"2026-11-23T08:00:00Z\", or \"next\""
            ))
        }),
        _ => Err(Refused::input(
            "expected one of forward_seconds and to, such as {\"forward_seconds\": 900} or {\"to\": \"next\"}"
                .into(),
        )),
    }
}

fn forward(seconds: &Number) -> Result<Ahead, Refused> {
    let known = whole(seconds).filter(|seconds| (1..=MOST_SECONDS).contains(seconds));
    let known = known.map(|seconds| Ahead::By(Duration::from_secs(seconds)));
    known.ok_or_else(|| {
        Refused::input(format!(
            "forward_seconds is {seconds}; expected a whole number from 1 to {MOST_SECONDS}, ten years"
        ))
    })
}

/// A whole number, also if it is written as languages write their floating-point numbers: 900.0.
fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && (0.0..=1e15).contains(&float);
        is_whole.then(|| format!("{float:.0}").parse().ok())?
    })
}

fn mishap(asked: SetMishap) -> Result<Call, Refused> {
    let SetMishap { function, mishap } = asked;
    let known = Mishap::ALL.into_iter().find(|known| known.name() == mishap);
    if known.is_none() && mishap != "none" {
        let all = Mishap::ALL
            .map(|known| format!("{:?}, it {}", known.name(), known.about()))
            .join("; ");
        return Err(Refused::input(format!(
            "mishap is {mishap:?}; expected what happens to the next invocation: {all}; or \"none\""
        )));
    }
    Ok(Call::SetMishap(function, known))
}

fn within(query: &str) -> Result<Duration, Refused> {
    if query.is_empty() {
        return Ok(Duration::from_secs(WAIT));
    }
    let seconds = query
        .strip_prefix("within_seconds=")
        .and_then(|seconds| seconds.parse().ok());
    let seconds = seconds.filter(|seconds| *seconds <= LONGEST_WAIT);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        Refused::input(format!(
            "the parameters are {query:?}; expected within_seconds= and a whole number from 0 to {LONGEST_WAIT}"
        ))
    })
}
