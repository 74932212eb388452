//! The console: what goes on in a stack, in a browser. Pages are made here, over the same functions as the commands,
//! so that the two can't differ.
//!
//! A page is one file: it asks the stack, and answers HTML that the compiler has checked. It works without script;
//! the script refreshes what is marked as live.
//!
//! | module | what it is |
//! | --- | --- |
//! | `worker` | where pages are made: on a thread of their own |
//! | `guard`, `origin` | who may ask: this machine's browser, and no other site's page |
//! | `routes`, `pages` | which page answers; what all are made of |
//! | `asked`, `answer` | one request, and what is answered |
//! | `layout` | what all pages have; parts of a page that may fail or be late by themselves |
//! | `pulse`, `waiting` | what happens each minute, from the table stream; how much waits in each queue |
//! | `kept` | what is dear to find out, and is shown for a while |
//! | `now`, `flow` | the first page; commands and events, drawn with what is on their way |
//! | `rows` | the views, filtered, sorted and paged by their address |
//! | `story` | all that happened to one thing, in a lane for each stream |
//! | `stuck`, `parked` | dead letters and the outbox: looked at, mended, sent again, dropped |
//! | `messages` | what can be sent and what is told, field by field |
//! | `bench`, `local_stack` | what only a stack on this machine can do: move its clock, answer, fail, start over |

mod answer;
mod asked;
mod bench;
mod flow;
mod guard;
mod kept;
mod layout;
mod local_stack;
mod messages;
mod now;
pub mod origin;
mod pages;
mod parked;
mod pulse;
mod routes;
mod rows;
mod story;
mod stuck;
mod waiting;
mod worker;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_adapters::{Environment, Proxies};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::{Redirect, Response};
use axum::routing::any;
use bundle::Bundle;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use http::{Request, StatusCode};
use terminal::note;
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::output;
use crate::stack::Stack;

use answer::Answer;
use asked::Asked;
use guard::Guard;
use pages::Pages;
use worker::Worker;

pub use asked::ROOT;
pub use local_stack::{
    Due, Happened, LocalClock, LocalStack, Mishap, NotDone, PASSED, PlayState, Played, WaitingMessage,
    passed_in,
};

/// The console of a stack.
#[derive(Clone)]
pub struct Console {
    guard: Arc<Guard>,
    worker: Arc<Worker>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

/// Serves the console of a stack on this port of 127.0.0.1 until it is interrupted.
pub(crate) async fn serve(
    bundle: Arc<Bundle>,
    stack: &str,
    port: u16,
    read_only: bool,
) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::Failed(format!(
            "{address} can't be listened on ({error}): choose another port with --port, or 0 for any free one"
        ))
    })?;
    let address = listener.local_addr()?;
    let console = Console::of_stack(bundle, stack, read_only)?;
    console.worker.find().await?;
    let routes = console
        .routes()
        .route("/", any(async || Redirect::temporary(ROOT)));
    let interruption = Interruption::listen()?;
    terminal::announce(format_args!("console http://{address}{ROOT}"));
    note!("shows stack {stack} to browsers on this machine; Ctrl-C ends it");
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = async { axum::serve(listener, service).await } => Ok(served?),
        () = interruption.unminded() => Ok(()),
    }
}

impl Console {
    /// The console of a stack on this machine, in the process that runs it.
    pub fn of_local_stack(
        bundle: Arc<Bundle>,
        name: &str,
        environment: Environment,
        local: Arc<dyn LocalStack>,
    ) -> io::Result<Self> {
        let name = name.to_owned();
        Self::of(move |token| {
            let (bundle, name, environment) = (bundle.clone(), name.clone(), environment.clone());
            let local = local.clone();
            async move {
                let stack = Stack::find(bundle, &name, &environment, &Proxies::default()).await?;
                Ok(Pages::of(stack, Some(local), false, token))
            }
            .boxed_local()
        })
    }

    /// The console of the stack of that name where the environment points to.
    fn of_stack(bundle: Arc<Bundle>, name: &str, read_only: bool) -> io::Result<Self> {
        let name = name.to_owned();
        Self::of(move |token| {
            let (bundle, name) = (bundle.clone(), name.clone());
            async move {
                let stack = Stack::open_for_long(bundle, &name).await?;
                let read_only = read_only || !stack.may_change().await;
                if read_only {
                    note!("it is read-only: it shows and changes nothing");
                }
                Ok(Pages::of(stack, None, read_only, token))
            }
            .boxed_local()
        })
    }

    fn of(
        open: impl Fn(String) -> LocalBoxFuture<'static, Result<Pages, Failure>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        output::show_no_bars();
        let guard = Guard::new();
        let token = guard.token().to_owned();
        let open = Arc::new(move || open(token.clone()));
        Ok(Self {
            guard: Arc::new(guard),
            worker: Arc::new(Worker::start(open)?),
        })
    }

    /// Its pages, for a server that tells who asks ([`ConnectInfo`]).
    pub fn routes(&self) -> Router {
        Router::new()
            .route(ROOT, any(handle))
            .route("/console/", any(handle))
            .route("/console/{*page}", any(handle))
            .with_state(self.clone())
    }
}

async fn handle(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response {
    let answer = match guard::refused(&request, peer) {
        Some(refused) => refused,
        None => match Asked::read(request).await {
            Ok(asked) if asked.changes() && !console.guard.knows(&asked) => guard::stale(),
            Ok(asked) => console.worker.answer(asked).await,
            Err(why) => Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, &why),
        },
    };
    answer.into_response()
}
