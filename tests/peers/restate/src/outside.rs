//! The payment provider and the carrier, simulated: they go by the data as the bundle's simulators do, and answer from
//! outside, through Restate's ingress.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};

/// What is answered to a request.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Paid, or sent.
    Done,
    /// Neither now nor later.
    Failed,
}

/// Where an answer is waited for.
pub enum Asked {
    /// At an awakeable of a workflow.
    Awakeable(String),
    /// At a handler of a virtual object: its service and its key.
    Object(&'static str, String),
}

impl Asked {
    fn path(&self) -> String {
        match self {
            Self::Awakeable(awakeable) => format!("restate/awakeables/{awakeable}/resolve"),
            Self::Object(service, key) => format!("{service}/{key}/answered/send"),
        }
    }
}

/// Both of them. A request is taken at once, and answered later.
#[derive(Clone)]
pub struct Outside {
    ingress: Arc<str>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Outside {
    /// They answer through the ingress at that address.
    pub fn answering(ingress: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            ingress: ingress.into(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// Takes a request for a payment, to be answered there.
    pub fn request_payment(&self, asked: Asked, amount: f64) {
        match amount.to_string().as_str() {
            "402" => self.answer(asked, Answer::Failed),
            "408" => {}
            _ => self.answer(asked, Answer::Done),
        }
    }

    /// Takes a request for a shipment, to be answered there.
    pub fn request_shipment(&self, asked: Asked, products: &[String]) {
        let any = |prefix: &str| products.iter().any(|product| product.starts_with(prefix));
        if any("out-of-stock") {
            self.answer(asked, Answer::Failed);
        } else if !any("lost-parcel") {
            self.answer(asked, Answer::Done);
        }
    }

    /// Takes word that a payment is given back.
    pub fn discard_payment(&self, _what: &str) {}

    fn answer(&self, asked: Asked, answer: Answer) {
        let outside = self.clone();
        tokio::spawn(async move {
            let path = asked.path();
            if let Err(error) = outside.resolve(&path, answer).await {
                eprintln!("{path} could not be answered: {error}");
            }
        });
    }

    async fn resolve(
        &self,
        path: &str,
        answer: Answer,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let url = format!("{}/{path}", self.ingress);
        let request = Request::post(url)
            .header("content-type", "application/json")
            .body(Full::from(serde_json::to_vec(&answer)?))?;
        let answered = self.client.request(request).await?;
        let status = answered.status();
        answered.into_body().collect().await?;
        if status.is_success() {
            Ok(())
        } else {
            Err(status.to_string().into())
        }
    }
}
