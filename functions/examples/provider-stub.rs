//! A payment provider to try an adapter on: an HTTP server of its own, with a ledger. It keeps what it did under each
//! idempotency key, and goes wrong as providers do, by the amount:
//!
//! | amount | what happens |
//! | --- | --- |
//! | anything else | charged |
//! | 402.00 | declined |
//! | 408.00 | charged, and the first request is never answered |
//! | 409.00 | each request comes twice, as if something on its way had sent it again |
//! | 410.00 | charged, and the first answer comes after 20 seconds |
//! | 500.00 | charged, and the first answer is 500; a refund likewise |
//! | 501.00 | charged, and every answer is 500, as of a provider that keeps the answers of its own faults |
//! | 503.00 | the first request does nothing, and its answer is 503 |
//!
//! `provider-stub [PORT]`; `GET /ledger` shows all charges and refunds.

#![allow(clippy::print_stdout)] // It tells where it is.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

/// A running provider. Clones share the books.
#[derive(Clone, Default)]
pub struct Provider(Arc<Mutex<Books>>);

/// What it has done.
#[derive(Default)]
struct Books {
    ledger: Vec<Movement>,
    /// By the key, for ever.
    known: BTreeMap<String, Known>,
    /// How often each path was asked for with each key.
    asked: BTreeMap<(&'static str, String), u32>,
}

/// Money that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// `charge` or `refund`.
    pub kind: &'static str,
    /// The idempotency key, which is the payment's id.
    pub key: String,
    /// How much, as a decimal text.
    pub amount: String,
}

impl Movement {
    fn of(kind: &'static str, key: &str, amount: &str) -> Self {
        Self {
            kind,
            key: key.to_owned(),
            amount: amount.to_owned(),
        }
    }
}

/// What became of a key.
enum Known {
    Charged { content: String, refunded: bool },
    Declined { content: String },
    Cancelled,
}

impl Provider {
    /// Serves it on a port of loopback, from now on; 0 takes any free one.
    pub async fn serve(&self, port: u16) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let routes = Router::new()
            .route("/charges", post(charge))
            .route("/charges/{key}/cancel", post(cancel))
            .route("/charges/{key}/refund", post(refund))
            .route("/ledger", get(ledger))
            .with_state(self.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        Ok(address)
    }

    /// All money that moved, in its order.
    pub fn ledger(&self) -> Vec<Movement> {
        self.books().ledger.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the first time that this is asked for.
    fn is_first(&self, path: &'static str, key: &str) -> bool {
        let mut books = self.books();
        let asked = books.asked.entry((path, key.to_owned())).or_default();
        *asked += 1;
        *asked == 1
    }
}

/// What a sound provider does: the same key and content get the same answer, and money moves once.
impl Books {
    fn charge(&mut self, key: &str, content: &str) -> (StatusCode, &'static str) {
        let known = self.known.entry(key.to_owned()).or_insert_with(|| {
            let (amount, content) = (amount_in(content), content.to_owned());
            if amount == "402.00" {
                return Known::Declined { content };
            }
            self.ledger.push(Movement::of("charge", key, amount));
            Known::Charged {
                content,
                refunded: false,
            }
        });
        match known {
            Known::Cancelled => (StatusCode::GONE, "cancelled before"),
            Known::Charged { content: first, .. } | Known::Declined { content: first }
                if first != content =>
            {
                (StatusCode::UNPROCESSABLE_ENTITY, "the key is of another charge")
            }
            Known::Charged { .. } => (StatusCode::CREATED, "charged"),
            Known::Declined { .. } => (StatusCode::PAYMENT_REQUIRED, "card declined"),
        }
    }

    fn cancel(&mut self, key: &str) -> StatusCode {
        match self.known.entry(key.to_owned()).or_insert(Known::Cancelled) {
            Known::Charged { .. } => StatusCode::OK,
            Known::Declined { .. } | Known::Cancelled => StatusCode::NO_CONTENT,
        }
    }

    fn refund(&mut self, key: &str) -> StatusCode {
        let Some(Known::Charged { content, refunded }) = self.known.get_mut(key) else {
            return StatusCode::NOT_FOUND;
        };
        if !std::mem::replace(refunded, true) {
            let movement = Movement::of("refund", key, amount_in(content));
            self.ledger.push(movement);
        }
        StatusCode::OK
    }

    /// What was charged under a key; empty if nothing was.
    fn amount_of(&self, key: &str) -> String {
        let charge = self.ledger.iter().find(|movement| movement.key == key);
        charge.map(|charge| charge.amount.clone()).unwrap_or_default()
    }
}

/// The amount in `{"amount":"19.98"}`; empty if there is none.
fn amount_in(content: &str) -> &str {
    let amount = content.trim().strip_prefix(r#"{"amount":""#);
    amount
        .and_then(|rest| rest.strip_suffix(r#""}"#))
        .unwrap_or_default()
}

/// What goes wrong on the way to it and back.
async fn charge(
    State(provider): State<Provider>,
    headers: HeaderMap,
    content: String,
) -> (StatusCode, &'static str) {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    let amount = amount_in(&content);
    if key.is_empty() || amount.is_empty() {
        return (
            StatusCode::BAD_REQUEST,
            "a charge has an idempotency key and an amount",
        );
    }
    let is_first = provider.is_first("charge", key);
    if is_first && amount == "503.00" {
        return (StatusCode::SERVICE_UNAVAILABLE, "try again");
    }
    let mut answer = provider.books().charge(key, &content);
    match amount {
        "409.00" => answer = provider.books().charge(key, &content),
        "408.00" if is_first => std::future::pending().await,
        "410.00" if is_first => tokio::time::sleep(Duration::from_secs(20)).await,
        "500.00" if is_first => answer = (StatusCode::INTERNAL_SERVER_ERROR, "something broke"),
        "501.00" => answer = (StatusCode::INTERNAL_SERVER_ERROR, "something broke, and stays so"),
        _ => {}
    }
    answer
}

async fn cancel(State(provider): State<Provider>, Path(key): Path<String>) -> StatusCode {
    provider.books().cancel(&key)
}

async fn refund(State(provider): State<Provider>, Path(key): Path<String>) -> StatusCode {
    let status = provider.books().refund(&key);
    let breaks = provider.books().amount_of(&key) == "500.00" && provider.is_first("refund", &key);
    if breaks {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        status
    }
}

async fn ledger(State(provider): State<Provider>) -> String {
    let line = |Movement { kind, key, amount }: Movement| format!("{kind} {amount} {key}");
    let lines: Vec<_> = provider.ledger().into_iter().map(line).collect();
    lines.join("\n") + "\n"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(8402), |port| port.parse())?;
    let address = Provider::default().serve(port).await?;
    println!("ready http://{address}");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
