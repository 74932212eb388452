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

    /// Takes a request for a payment, to be answered at that awakeable.
    pub fn request_payment(&self, awakeable: String, amount: f64) {
        match amount.to_string().as_str() {
            "402" => self.answer(awakeable, Answer::Failed),
            "408" => {}
            _ => self.answer(awakeable, Answer::Done),
        }
    }

    /// Takes a request for a shipment, to be answered at that awakeable.
    pub fn request_shipment(&self, awakeable: String, products: &[String]) {
        let any = |prefix: &str| products.iter().any(|product| product.starts_with(prefix));
        if any("out-of-stock") {
            self.answer(awakeable, Answer::Failed);
        } else if !any("lost-parcel") {
            self.answer(awakeable, Answer::Done);
        }
    }

    /// Takes word that a payment is given back.
    pub fn discard_payment(&self, _cart: &str) {}

    fn answer(&self, awakeable: String, answer: Answer) {
        let outside = self.clone();
        tokio::spawn(async move {
            if let Err(error) = outside.resolve(&awakeable, answer).await {
                eprintln!("{awakeable} could not be answered: {error}");
            }
        });
    }

    async fn resolve(
        &self,
        awakeable: &str,
        answer: Answer,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let url = format!("{}/restate/awakeables/{awakeable}/resolve", self.ingress);
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
