//! The order saga on Restate, twice. Here as one workflow for each cart, with durable steps, awakeables for the answers of
//! the provider and the carrier, durable timers for their deadlines, and the order's phase in the workflow's state; in
//! [`streams`] as virtual objects that keep every event.
//!
//! `restate-orders INGRESS` serves it on a free port of the loopback and prints `ready http://127.0.0.1:PORT`.

mod outside;
mod streams;

use std::net::Ipv4Addr;
use std::time::Duration;

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use outside::{Answer, Asked, Outside};
use streams::{CartStream, OrderStream, PaymentStream, ShipmentStream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As of the bundle: how long an answer is waited for.
const PAYMENT_DEADLINE: Duration = Duration::from_mins(15);
const SHIPMENT_DEADLINE: Duration = Duration::from_hours(24);

/// The key under which the workflow's state shows where its order is.
const PHASE: &str = "phase";

/// What is sent: the same as the bundle's `FinalizeCart`.
#[derive(Clone, Deserialize, Serialize)]
struct Cart {
    cart_id: String,
    client_id: String,
    product_items: Vec<Item>,
    total_price: f64,
}

#[derive(Clone, Deserialize, Serialize)]
struct Item {
    product_id: String,
    quantity: u32,
    unit_price: f64,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    AwaitingPayment,
    AwaitingShipment,
    Completed,
    Cancelled,
}

/// One order: what is to be done about a cart that was finalized. Its key is the cart's id, so that a cart makes one
/// order, however often it is sent.
struct Order {
    outside: Outside,
}

#[workflow]
impl Order {
    #[handler]
    async fn run(&self, ctx: WorkflowContext<'_>, cart: Json<Cart>) -> Result<Json<Phase>, HandlerError> {
        let cart = cart.into_inner();
        ctx.set("cart", Json(cart.clone()));
        ctx.set(PHASE, Json(Phase::AwaitingPayment));
        let phase = match self.payment(&ctx, &cart).await? {
            Some(Answer::Done) => {
                ctx.set(PHASE, Json(Phase::AwaitingShipment));
                match self.shipment(&ctx, &cart).await? {
                    Some(Answer::Done) => Phase::Completed,
                    Some(Answer::Failed) | None => {
                        self.discard_payment(&ctx, &cart).await?;
                        Phase::Cancelled
                    }
                }
            }
            Some(Answer::Failed) | None => Phase::Cancelled,
        };
        ctx.set(PHASE, Json(phase));
        Ok(Json(phase))
    }
}

impl Order {
    /// Asks for the payment, and waits for the answer; none if the deadline was first.
    async fn payment(&self, ctx: &WorkflowContext<'_>, cart: &Cart) -> Result<Option<Answer>, HandlerError> {
        let (id, answered) = ctx.awakeable::<Json<Answer>>();
        let (provider, amount) = (self.outside.clone(), cart.total_price);
        ctx.run(|| async move { Ok(provider.request_payment(Asked::Awakeable(id), amount)) })
            .name("request payment")
            .await?;
        let answer = restate_sdk::select! {
            answer = answered => Some(answer?.into_inner()),
            _ = ctx.sleep(PAYMENT_DEADLINE) => None,
        };
        Ok(answer)
    }

    /// Asks for the shipment, and waits for the answer; none if the deadline was first.
    async fn shipment(&self, ctx: &WorkflowContext<'_>, cart: &Cart) -> Result<Option<Answer>, HandlerError> {
        let (id, answered) = ctx.awakeable::<Json<Answer>>();
        let carrier = self.outside.clone();
        let products: Vec<_> = cart
            .product_items
            .iter()
            .map(|item| item.product_id.clone())
            .collect();
        ctx.run(|| async move { Ok(carrier.request_shipment(Asked::Awakeable(id), &products)) })
            .name("request shipment")
            .await?;
        let answer = restate_sdk::select! {
            answer = answered => Some(answer?.into_inner()),
            _ = ctx.sleep(SHIPMENT_DEADLINE) => None,
        };
        Ok(answer)
    }

    async fn discard_payment(&self, ctx: &WorkflowContext<'_>, cart: &Cart) -> Result<(), HandlerError> {
        let (provider, cart) = (self.outside.clone(), cart.cart_id.clone());
        ctx.run(|| async move { Ok(provider.discard_payment(&cart)) })
            .name("discard payment")
            .await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ingress = std::env::args()
        .nth(1)
        .ok_or("the address of Restate's ingress is missing")?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("ready http://{}", listener.local_addr()?);
    let outside = Outside::answering(ingress);
    let endpoint = Endpoint::builder()
        .bind(Order {
            outside: outside.clone(),
        })
        .bind(CartStream)
        .bind(OrderStream)
        .bind(PaymentStream {
            outside: outside.clone(),
        })
        .bind(ShipmentStream { outside });
    HttpServer::new(endpoint.build()).serve(listener).await;
    Ok(())
}
