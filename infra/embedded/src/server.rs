//! The wire on a TCP port, for AWS clients in other processes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::store::in_plain_words;
use crate::wire::{Wire, refuse};

/// DynamoDB's largest request; SQS's are smaller.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// For how long a request that is being answered may hold up the end. A long poll lasts 20 seconds, and
/// whoever stops a stack by hand does not want to wait for one.
const GRACE: Duration = Duration::from_secs(2);

/// Why the listener does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Somebody listens there already.
    #[error("{address} is in use by another process: stop it, or choose another port (0 takes any free one)")]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The address can't be listened on.
    #[error(
        "{address} can't be listened on ({source}): choose an address of this machine and a port above 1023, or 0 for any free one"
    )]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// It listened, and then broke.
    #[error("the listener broke: {0}")]
    Broken(#[source] io::Error),
}

/// A port that is taken and not yet served: requests wait.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes a port; port 0 takes any free one.
pub async fn listen(address: SocketAddr) -> Result<Bound, ServerError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::InUse { address },
            _ => ServerError::Bind { address, source },
        })?;
    let address = listener
        .local_addr()
        .map_err(|source| ServerError::Bind { address, source })?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// The address, with the port that was given if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `wire` until `shutdown` resolves. Requests that are being answered then get two seconds.
    pub async fn serve(
        self,
        wire: Wire,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        self.serve_beside(Router::new(), wire, shutdown).await
    }

    /// Serves what else there is on the port, and `wire` for all other paths, until `shutdown` resolves.
    pub async fn serve_beside(
        self,
        others: Router,
        wire: Wire,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let (stopping, mut stopped) = watch::channel(false);
        let shutdown = async move {
            shutdown.await;
            stopping.send_replace(true);
        };
        let routes = others.fallback_service(Router::new().fallback(answer).with_state(wire.clone()));
        let routes = routes.layer(middleware::from_fn_with_state(wire, once_kept));
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(self.listener, service).with_graceful_shutdown(shutdown);
        tokio::select! {
            served = serving => served.map_err(ServerError::Broken),
            () = async {
                // An error means that the sender is gone, and with it the server: nothing to wait for.
                if stopped.wait_for(|stopping| *stopping).await.is_ok() {
                    tokio::time::sleep(GRACE).await;
                } else {
                    std::future::pending::<()>().await;
                }
            } => Ok(()),
        }
    }
}

/// What leaves this process is kept: nobody hears of what a loss of power could take back.
async fn once_kept(State(wire): State<Wire>, request: Request<Body>, next: Next) -> Response {
    let answer = next.run(request).await;
    match wire.until_kept().await {
        Ok(()) => answer,
        Err(reason) => {
            let reason = in_plain_words(&reason);
            let told =
                format!("What was written can't be kept: the file {reason}. See to it, and start again.");
            refuse(500, "InternalServerError", &told).map(Body::from)
        }
    }
}

async fn answer(State(wire): State<Wire>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let answer = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => wire.handle(Request::from_parts(parts, body.to_bytes())).await,
        Err(error) if error.is::<LengthLimitError>() => refuse(
            413,
            "RequestEntityTooLarge",
            "The body is larger than 16 MB, the most that DynamoDB accepts",
        ),
        Err(error) => refuse(
            400,
            "IncompleteBody",
            &format!("The body did not arrive: {error}"),
        ),
    };
    answer.map(Body::from)
}
