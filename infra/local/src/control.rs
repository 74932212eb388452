//! What a program can ask of a stack on this machine: whether it is ready, to move its clock, to wait until nothing is
//! on its way, to begin anew. It is for tests: each call is an HTTP request with JSON to the port of `cargo local up`.
//!
//! | module | what it is |
//! | --- | --- |
//! | `guard` | who may call: programs, and no page in a browser |
//! | `request` | what is asked for, and what is wrong with it |

mod guard;
mod request;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::routing::any;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use ops::console::{LocalStack, PASSED, passed_in};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Stack;
use crate::bench::Bench;
use crate::rest::{OnItsWay, Timed, Waiting};

pub(crate) use guard::Reach;
use request::{Ahead, CALLS, Call, ROOT, Refused};

/// How often is looked whether nothing is on its way.
const INTERVAL: Duration = Duration::from_millis(5);

/// A stack's calls.
#[derive(Clone)]
pub(crate) struct Control(Arc<Parts>);

struct Parts {
    bench: Arc<Bench>,
    reach: Reach,
    about: About,
}

/// What does not change while the stack runs.
struct About {
    stack: String,
    settings: BTreeMap<&'static str, u64>,
    simulators: bool,
    functions: bool,
}

impl Control {
    /// Those of this stack, for whoever reaches its port.
    pub(crate) fn of(stack: &Stack, bench: Arc<Bench>, reach: Reach) -> Self {
        let declared = stack.bundle().settings().into_iter();
        let seconds = |setting: eventsourcing::Setting| {
            let value = stack.settings().get(&setting);
            (setting.variable, value.as_secs())
        };
        let about = About {
            stack: stack.names().stack().to_owned(),
            settings: declared.map(seconds).collect(),
            simulators: stack.has_simulators(),
            functions: stack.has_functions(),
        };
        Self(Arc::new(Parts { bench, reach, about }))
    }

    /// They, for a server that tells who asks ([`ConnectInfo`]).
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route(ROOT, any(handle))
            .route("/_local/", any(handle))
            .route("/_local/{*call}", any(handle))
            .with_state(self.clone())
    }

    async fn answer(&self, peer: SocketAddr, request: Request<Body>) -> Result<Value, Refused> {
        guard::check(request.headers(), peer, self.0.reach)?;
        let call = Call::read(request).await?;
        let bench = &self.0.bench;
        match call {
            Call::All => {
                Ok(json!({ "calls": CALLS.map(|(path, methods)| format!("{methods} {ROOT}/{path}")) }))
            }
            Call::Ready => self.ready(),
            Call::Clock => Ok(self.clock()),
            Call::MoveClock(ahead) => {
                self.move_clock(&ahead)?;
                Ok(self.clock())
            }
            Call::Settle(within) => self.settle(within).await,
            Call::Mishaps => Ok(self.mishaps()),
            Call::SetMishap(function, mishap) => {
                let set = bench.set_mishap(&function, mishap);
                set.map_err(|why| Refused::of(StatusCode::BAD_REQUEST, self.with_functions(&why.0)))?;
                Ok(self.mishaps())
            }
            Call::StartOver => {
                self.start_over().await?;
                Ok(self.clock())
            }
        }
    }

    fn ready(&self) -> Result<Value, Refused> {
        let About {
            stack,
            settings,
            simulators,
            functions,
        } = &self.0.about;
        if let Some(function) = self.0.bench.controls().not_listening() {
            return Err(Refused::of(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{function} takes no messages yet: ask again in a moment"),
            ));
        }
        Ok(json!({
            "ready": true,
            "stack": stack,
            "version": env!("CARGO_PKG_VERSION"),
            "functions": functions,
            "simulators": simulators,
            "settings": settings,
            "folder": self.0.bench.folder(),
            "clock": self.clock(),
        }))
    }

    fn clock(&self) -> Value {
        let clock = self.0.bench.clock();
        json!({
            "now": clock.now,
            "ahead_seconds": clock.ahead.as_secs(),
            "next_due": self.0.bench.next_due().map(|due| due.at),
        })
    }

    fn move_clock(&self, ahead: &Ahead) -> Result<(), Refused> {
        let bench = &self.0.bench;
        let now = bench.clock().now;
        let by = match ahead {
            Ahead::By(by) => *by,
            // Meant is a time from which on it can show any: it is there already.
            Ahead::To(at) if at.plus(PASSED) <= now => return Ok(()),
            Ahead::To(at) => passed_in(*at, now),
            Ahead::ToNext => {
                let due = bench.next_due().ok_or_else(|| {
                    Refused::of(
                        StatusCode::CONFLICT,
                        "nothing waits for its time, so that there is nothing to move the clock to".into(),
                    )
                })?;
                due.passed_in(now)
            }
        };
        let moved = bench.move_clock(by);
        moved.map_err(|why| Refused::of(StatusCode::BAD_REQUEST, why.0))
    }

    async fn settle(&self, within: Duration) -> Result<Value, Refused> {
        if !self.0.about.functions {
            return Err(Refused::of(
                StatusCode::CONFLICT,
                "no functions run here (--no-functions), and what those elsewhere are doing can't be seen"
                    .into(),
            ));
        }
        let controls = self.0.bench.controls();
        let began = Instant::now();
        loop {
            let on_its_way = controls.on_its_way();
            let is_over = began.elapsed() >= within;
            if on_its_way.is_nothing() {
                return Ok(self.waits(&controls.waiting()));
            }
            if is_over {
                let mut told = self.waits(&controls.waiting());
                told["settled"] = false.into();
                told["on_its_way"] = shown(&on_its_way);
                let why = format!(
                    "something is still on its way after {} s: see on_its_way; ask again, or with a longer \
                     ?within_seconds=",
                    within.as_secs()
                );
                return Err(Refused::of(StatusCode::GATEWAY_TIMEOUT, why).with(told));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn waits(&self, waiting: &Waiting) -> Value {
        let Waiting {
            for_a_time,
            for_others,
            dead_letters,
            outbox,
        } = waiting;
        let timed = |timed: &Timed| {
            json!({
                "queue": timed.queue,
                "next_due": timed.next_due,
                "delayed": timed.delayed,
                "scheduled": timed.scheduled,
                "retried": timed.retried,
            })
        };
        json!({
            "settled": true,
            "now": self.0.bench.clock().now,
            "next_due": for_a_time.first().map(|timed| timed.next_due),
            "waiting": for_a_time.iter().map(timed).collect::<Vec<_>>(),
            "not_taken": for_others,
            "dead_letters": dead_letters,
            "outbox": outbox,
        })
    }

    fn mishaps(&self) -> Value {
        let set = self.0.bench.mishaps().into_iter();
        let set = set.map(|(function, mishap)| json!({ "function": function, "mishap": mishap.name() }));
        let happened = self.0.bench.happened().into_iter();
        let happened = happened
            .map(|one| json!({ "function": one.function, "mishap": one.mishap.name(), "at": one.at }));
        json!({ "set": set.collect::<Vec<_>>(), "happened": happened.collect::<Vec<_>>() })
    }

    async fn start_over(&self) -> Result<(), Refused> {
        let bench = &self.0.bench;
        let status = if bench.folder().is_some() {
            StatusCode::CONFLICT
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let begun = bench.start_over().await;
        begun.map_err(|why| Refused::of(status, why.0))
    }

    fn with_functions(&self, why: &str) -> String {
        let known = self.0.bench.controls().functions().join(", ");
        format!("{why}; expected one of {known}")
    }
}

/// What is on its way, as JSON.
fn shown(on_its_way: &OnItsWay) -> Value {
    let OnItsWay {
        at_work,
        messages,
        outbox,
    } = on_its_way;
    json!({ "at_work": at_work, "messages": messages, "outbox": outbox })
}

async fn handle(
    State(control): State<Control>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response {
    let (status, told, allow) = match control.answer(peer, request).await {
        Ok(told) => (StatusCode::OK, told, None),
        Err(refused) => (refused.status, refused.told, refused.allow),
    };
    // A line of its own where a shell shows it.
    let mut response = Response::new(Body::from(format!("{told}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}
